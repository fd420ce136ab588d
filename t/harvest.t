#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests that nobody finds out who exists by what he is answered: with
# "mask_recipients" each way to ask for a user, of those who are there, but say
# nothing of themselves, and of those who are not (SEC-28, XS-52, XQ-04, ERR-24).

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Edge;
use Test::Nginx::Gateway;
use Test::Nginx::Peers;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(50);

# 100 of each kind: v101 is there, and i101 is not

my $N = 100;
my @USERS = map { ("v$_", "i$_") } 101 .. 100 + $N;

my $g = Test::Nginx::Gateway->new($t, zone => '8m', federation => <<'EOF_');
        mask_recipients on;
        notify_interval 20ms;
        poll_wait 100ms;
EOF_

# an XMPP server that tells the two apart, which it should not

my %bounce = (v => ['wait', 'recipient-unavailable'], i => 'item-not-found');

sub stanza {
	my ($x, $e) = @_;

	my $type = $e->attr('type') // '';
	my ($kind) = $e->attr('to') =~ /^([vi])\d/ or return 0;

	return 0 if $e->name() eq 'iq' || $type eq 'error'
		|| $e->name() eq 'presence' && ($type ne 'subscribe'
		|| $kind eq 'v');

	$x->bounce($e, $bounce{$kind});
	return 0;
}

# and such a SIP server

sub request {
	my ($m) = @_;
	my ($kind) = $m->uri() =~ /^sip:([vi])\d/;

	return 200 if !$kind || $m->method() =~ /^(?:NOTIFY|ACK|BYE)$/;
	return 404 if $kind eq 'i';
	return (480, 'Gone home', headers => ['Retry-After: 5'])
		if $m->method() ne 'SUBSCRIBE';
	return (200, undef, headers => ['Expires: 3600']);
}

$g->start(xmpp => { on_stanza => \&stanza }, sip => { auto => \&request });

my ($x, $s) = ($g->{x}, $g->{s});
my $xmpp = $g->xmpp();
my $sip = $g->sip();
$s->link($sip);

# XMPP users ask for SIP users

foreach my $resource ('', '/res') {
	stanzas("message to a user$resource", 1, sub {
		"<message to='$_[0]$resource' type='chat'><body>x</body>"
			. '</message>';
	});

	stanzas("message with a receipt to a user$resource", 1, sub {
		"<message to='$_[0]$resource'><body>x</body><request xmlns="
			. "'urn:xmpp:receipts'/></message>";
	});

	foreach my $query ("query xmlns='http://jabber.org/protocol/disco#info'",
		"query xmlns='http://jabber.org/protocol/disco#items'",
		"vCard xmlns='vcard-temp'", "ping xmlns='urn:xmpp:ping'")
	{
		stanzas("$query to a user$resource", 1, sub {
			"<iq to='$_[0]$resource' type='get'><$query/></iq>";
		});
	}

	stanzas("probe to a user$resource", 0, sub {
		"<presence to='$_[0]$resource' type='probe'/>";
	}, 'p@x.test');
}

foreach my $type (qw/ subscribe probe /) {
	stanzas($type, 0, sub { "<presence to='$_[0]' type='$type'/>" });
}

stanzas('unsubscribe', 1, sub { "<presence to='$_[0]' type='unsubscribe'/>" });

# each that may tell, and one that does not

$s->set(auto => sub {
	my ($code) = $_[0]->uri() =~ /(\d{3})@/;
	return ($code, "Reason of $code",
		headers => ['Retry-After: 5', 'Contact: <sip:new@s.test>']);
});

my @codes = qw/ 404 410 480 486 600 604 /;
my %masked = map { (error("m$_")) =~ s/m\d{3}//gr => 1 } @codes;

is(keys %masked, 1, 'all the same');
like((keys %masked)[0], qr/<service-unavailable /, 'condition');
like((keys %masked)[0], qr/type='cancel'/, 'type');
like(error('m403'), qr/<forbidden /, 'not masked');

$s->set(auto => \&request);

# SIP users ask for XMPP users

my @presence = ('Event: presence', 'Accept: application/pidf+xml');

foreach my $gr ('', ';gr=dev') {
	requests("MESSAGE$gr", 'MESSAGE', $gr, body => 'x');
	requests("OPTIONS$gr", 'OPTIONS', $gr);
	requests("SUBSCRIBE$gr", 'SUBSCRIBE', $gr, headers => [@presence,
		'Expires: 600']);
	requests("SUBSCRIBE again$gr", 'SUBSCRIBE', $gr, headers => [@presence,
		'Expires: 600']);
	requests("SUBSCRIBE, once$gr", 'SUBSCRIBE', $gr, headers => [@presence,
		'Expires: 0'], from => 'sip:once@s.test');
	requests("SUBSCRIBE, another event$gr", 'SUBSCRIBE', $gr,
		headers => ['Event: dialog', 'Expires: 600']);
	requests("$_$gr", $_, $gr) for qw/ INVITE REGISTER NOTIFY /;
}

# the log knows better

undef $_ for $xmpp, $sip;
Test::Nginx::Peers::stop($t);

my $log = join "\n", $g->log();
like($log, qr/^message x2s a\@x.test i101\@s.test 404 sip status$/m, 'log, x2s');
like($log, qr/^message s2x r\@s.test i101\@x.test 604 stanza error$/m,
	'log, s2x');

# in sessions

$_->close() for $x, $s;
delete $g->{$_} for qw/ x s /;

$g->{ca}->issue('edge', cn => 'edge.test', dns => 'edge.test');
$g->write(dialect => 'ocs');
$g->start(xmpp => { on_stanza => \&stanza });

$x = $g->{x};
$xmpp = $g->xmpp();

my $edge = $g->{edge};
my $client = $edge->client('r@s.test');
my %sessions;

edge('INVITE', sub {
	my $s = $sessions{$_[0]} = $client->invite("$_[0]\@x.test");
	my $r = $s->answer();
	$s->ack();
	return $r;
});

edge('MESSAGE', sub {
	my $s = $sessions{$_[0]};
	return $s->response($s->send_text('x'));
});

edge('INFO', sub { $sessions{$_[0]}->transact('info-typing', text => 'type') });
edge('BYE', sub { $sessions{$_[0]}->transact('bye') });
edge('SUBSCRIBE', sub { $client->watch("$_[0]\@x.test")->answer() });

is(scalar(() = grep { $_->{notifies} && @{$_->{notifies}} != 1 }
	@{$client->{watches}}), 0, 'NOTIFY, once');

my %seen = kinds(map { my $w = $_; map { [$w->{peer}, whole($_)] }
	@{$w->{notifies}} } @{$client->{watches}});
same('NOTIFY', 1, %seen);

$edge->client("$_\@s.test", answer => /^v/ ? 480 : 404) for @USERS;
stanzas('message, session', 1, sub {
	"<message to='$_[0]' type='chat'><body>x</body></message>";
});

is($edge->wrong(), '', 'dialogs are as they should be');

undef $xmpp;

###############################################################################

# what stanzas for all of them get; %% is a user

sub stanzas {
	my ($name, $answers, $xml, $from) = @_;

	@{$x->{seen}} = ();

	$xmpp->send(join '', map {
		$xml->("$_\@s.test") =~ s/ / id='q$_' from='@{[
			$from || 'a@x.test' ]}' /r;
	} @USERS);

	# nothing comes after what is answered last

	my $n = 2 * $N * $answers;
	Test::Nginx::Peers::wait_until(sub { answers() >= $n });
	Test::Nginx::Peers::idle(0.2);

	same($name, $answers, kinds(map {
		[$_->attr('from'), $_->raw() =~ s/\bq?[vi]\d+\b/U/gr]
	} answers()));
}

sub answers {
	return grep { ($_->attr('from') // '') =~ /^[vi]\d/ } $x->seen();
}

# what requests get, and what is sent for them

sub requests {
	my ($name, $method, $gr, %a) = @_;

	@{$s->{seen}} = ();

	my @all = map { [$_, $sip->request($method, "sip:$_\@x.test$gr", %a)] }
		@USERS;
	my @got = map { [$_->[0], whole($sip->response_to($_->[1], 5))] } @all;

	my $notifies = $method eq 'SUBSCRIBE' && $got[0][1] =~ m!^SIP/2.0 200!;
	Test::Nginx::Peers::wait_until(sub { $s->seen() >= 2 * $N })
		if $notifies;
	Test::Nginx::Peers::idle(0.2);

	push @got, map { [$_->address('From'), whole($_)] } $s->seen();
	same($name, $notifies ? 2 : 1, kinds(@got));
}

sub edge {
	my ($name, $code) = @_;
	same($name, 1, kinds(map { [$_, whole($code->($_))] } @USERS));
}

# answers by kind

sub kinds {
	my %all = (v => {}, i => {});

	foreach (@_) {
		my ($who, $what) = @$_;
		$who =~ /^(?:sip:)?([vi])\d/ or next;
		$all{$1}{$what}++;
	}

	return %all;
}

# both kinds have the same answers, and each user has all of them

sub same {
	my ($name, $n, %all) = @_;

	my ($there, $not) = map { my $h = $all{$_};
		join("\n\n", map { "$h->{$_} times:\n$_" } sort keys %$h) }
		qw/ v i /;

	my $ok = $there eq $not && keys %{$all{v}} == $n
		&& !grep { $_ != $N } values %{$all{v}};

	ok($ok, $name) or diag("there:\n$there\n\nnot there:\n$not\n");
}

# a message without what differs in any two

sub whole {
	my ($m) = @_;

	return 'nothing' unless $m;

	my $raw = $m->raw();

	$raw =~ s/\b[vi]\d+\b/U/g;
	$raw =~ s/((?:tag|branch)=)[^\s;]+/$1/g;
	$raw =~ s/^(Call-ID|CSeq|Via|o=|Record-Route|Route):?.*/$1/gm;
	$raw =~ s/^Subscription-State: (\w+;expires=)\d+/$1/m;

	return $raw;
}

# the error for a message to the user of that name

sub error {
	my ($user) = @_;

	$xmpp->send("<message from='a\@x.test' to='$user\@s.test' id='$user'>"
		. '<body>x</body></message>');

	return Test::Nginx::Peers::wait_until(sub {
		my ($e) = grep { ($_->attr('id') // '') eq $user } $x->seen();
		return $e && $e->raw();
	}) || 'nothing';
}

###############################################################################
