#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Counts what comes out of the gateway for what goes in, over mixed traffic: one
# request or stanza at most, of presence as many as there are dialogs, or
# devices, and nothing of what repeats, or is wrong (SEC-04, ARC-18).

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Peers;
use Test::Nginx::Presence ();

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(9);

my $g = Test::Nginx::Gateway->new($t, zone => '4m', federation => <<'EOF_');
        notify_interval 10ms;
        poll_wait 50ms;
        chatstates on;
        chatstates_interval 1ms;
        receipts on;
EOF_

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();
my $sip = $hub->connect();

my $PAIRS = 30;
my $ROUNDS = 150;

srand(7);

# users who watch each other, he with one to three devices; he has two

my @pairs = map { {
	u => "u$_\@x.test", r => "r$_\@s.test", dialogs => 1 + $_ % 3,
	tuples => 2, sip => 0, xmpp => 0, may_sip => 0, may_xmpp => 0,
} } 0 .. $PAIRS - 1;

foreach my $p (@pairs) {
	my ($u, $r) = @$p{qw/ u r /};

	my $presentity = $hub->presentity($r, notify => 'active',
		document => tuples(2, 'none'));
	$xmpp->send_presence(from => $u, to => $r, type => 'subscribe');
	$p->{dialog} = $presentity->subscription();

	$p->{watchers} = [map { $hub->watcher($u, from => "sip:$r") }
		1 .. $p->{dialogs}];
	$_->subscribe() for @{$p->{watchers}};
	$xmpp->send_presence(from => $u, to => $r, type => 'subscribed');
	$_->notify(undef, 'active') for @{$p->{watchers}};
}

settle(0.3);
@{$_->{seen}} = () for $x, $s;

# each kind of event: its name, what may go to SIP and to XMPP for it, on either
# side, and how it is sent

my @kinds = (
	['message', 1, 1, sub { stanza('message', $_[0], "type='chat'",
		"<body>$_[1]</body>") }],
	['message with much else', 1, 1, sub { stanza('message', $_[0], '',
		"<subject>s</subject><body>$_[1]</body><body xml:lang='de'>y"
		. '</body><thread>t</thread><active xmlns="http://jabber.org/'
		. 'protocol/chatstates"/><request xmlns="urn:xmpp:receipts"/>')
		}],
	['chat state', 1, 0, sub { stanza('message', $_[0], "type='chat'",
		'<' . pick(qw/ composing paused active gone /)
		. " xmlns='http://jabber.org/protocol/chatstates'/>") }],
	['receipt of nothing', 1, 0, sub { stanza('message', $_[0], '',
		"<received xmlns='urn:xmpp:receipts' id='$_[1]'/>") }],
	['error of nothing', 0, 0, sub { stanza('message', $_[0],
		"type='error'", "<body>$_[1]</body><error type='cancel'>"
		. '<gone xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>')
		}],
	['iq', 0, 1, sub { stanza('iq', $_[0], "type='get'",
		"<query xmlns='jabber:iq:version'/>") }],
	['result of nothing', 0, 0, sub { stanza('iq', $_[0],
		"type='result'", '') }],
	['presence', 'dialogs', 0, sub { stanza('presence', $_[0], '',
		'<show>' . pick(qw/ away chat dnd xa /) . '</show>'
		. "<status>$_[1]</status>") }],
	['no presence', 'dialogs', 0, sub { stanza('presence', $_[0],
		"type='unavailable'", "<status>$_[1]</status>") }],
	['probe', 1, 'tuples', sub { stanza('presence', $_[0],
		"type='probe'", '') }],
	['subscribe again', 1, 'tuples', sub { stanza('presence', $_[0],
		"type='subscribe'", '') }],
	['subscribed again', 'dialogs', 0, sub { stanza('presence', $_[0],
		"type='subscribed'", '') }],

	['MESSAGE', 0, 1, sub { request('MESSAGE', $_[0], body => $_[1]) }],
	['MESSAGE that is repeated', 0, 1, sub {
		my $m = request('MESSAGE', $_[0], body => $_[1]);
		$sip->send_raw($m) for 1 .. 3;
	}],
	['MESSAGE of parts', 0, 1, sub { request('MESSAGE', $_[0],
		content_type => 'multipart/alternative;boundary=b',
		body => join '', map { "--b\x0d\x0aContent-Type: $_\x0d\x0a"
			. "\x0d\x0a$_[1]\x0d\x0a" } qw/ text\/plain text\/html
			text\/plain /, "--b--\x0d\x0a") }],
	['MESSAGE to many', 0, 1, sub { request('MESSAGE', $_[0],
		body => $_[1], headers => ["Route: <sip:a.test;lr>",
			'Max-Breadth: 60', 'Require: recipient-list-message'])
		}],
	['isComposing', 0, 1, sub { request('MESSAGE', $_[0],
		content_type => 'application/im-iscomposing+xml', body =>
		'<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing">'
		. '<state>' . pick(qw/ active idle /)
		. '</state></isComposing>') }],
	['OPTIONS', 0, 0, sub { request('OPTIONS', $_[0]) }],
	['INVITE', 0, 0, sub { request('INVITE', $_[0]) }],
	['REFER', 0, 0, sub { request('REFER', $_[0],
		headers => ['Refer-To: <sip:v@x.test>']) }],
	['NOTIFY of nothing', 0, 0, sub { request('NOTIFY', $_[0], headers =>
		['Event: presence', 'Subscription-State: active']) }],
	['SUBSCRIBE once', 1, 1, sub { request('SUBSCRIBE', $_[0], headers =>
		['Event: presence', 'Expires: 0']) }],
	['refresh', 1, 1, sub { pick(@{$_[0]{watchers}})->send_subscribe() }],
	['NOTIFY', 0, 'tuples', sub {
		my ($p, $id) = @_;
		my $n = int rand 4;
		$p->{dialog}->notify('active', tuples($n, $id));
		$p->{tuples} = 3;	# those that go are told, too
	}],
);

my (%kind, %sent, %got, @worst);
my $n = 0;

for my $round (1 .. $ROUNDS) {
	foreach my $p (@pairs) {
		my $kind = pick(@kinds);
		my ($name, $may_sip, $may_xmpp, $code) = @$kind;
		my $id = 'e' . ++$n . 'e';

		$code->($p, $id);

		$kind{$id} = $kind;
		$sent{$name}++;
		$p->{may_sip} += $p->{$may_sip} // $may_sip;
		$p->{may_xmpp} += $p->{$may_xmpp} // $may_xmpp;
		$p->{id}{$id} = 1;
	}

	# the SIP user's responses are not kept

	settle();
	count();
	@{$sip->{$_}} = () for qw/ responses messages /;
	splice @{$_->{all}} for map { @{$_->{watchers}}, $_->{dialog} } @pairs;
}

settle(0.5);
count();

note(join ', ', map { "$_ $sent{$_}" } sort keys %sent);
note("$n events; to SIP " . sum('sip') . ' of ' . sum('may_sip')
	. ', to XMPP ' . sum('xmpp') . ' of ' . sum('may_xmpp')
	. ', questions ' . ($got{ping} || 0));

is(scalar(keys %sent), scalar(@kinds), 'all kinds');
is(join("\n", splice @worst, 0, 10), '', 'one for one');

foreach my $side (qw/ sip xmpp /) {
	cmp_ok(sum($side), '<=', sum("may_$side"), "$side, in all");
	is(scalar(grep { $_->{$side} > $_->{"may_$side"} } @pairs), 0,
		"$side, of each pair");
	cmp_ok(sum($side), '>', $n / 10, "$side, something");
}

cmp_ok($got{ping}, '<=', $n, 'questions to the XMPP server');

$hub->forgive();
undef $_ for $xmpp, $sip, $hub;
splice @pairs;

###############################################################################

# who has what, of all that came out since this was called last

sub count {
	my @out = ((map { ['sip', $_->address('To'), $_->raw()] }
		splice @{$s->{seen}}),
		(map { ['xmpp', $_->attr('to') . ' ' . $_->attr('from'),
			$_->raw()] } splice @{$x->{seen}}));

	foreach (@out) {
		my ($side, $who, $raw) = @$_;

		if ($raw =~ /<ping xmlns='urn:xmpp:ping'/) {
			$got{ping}++;
			next;
		}

		my ($p) = $who =~ /\br(\d+)\@s\.test/ or next;
		my $pair = $pairs[$p];

		$pair->{$side}++;

		# of a message it is known which; presence is told again to
		# those who ask

		my ($id) = $raw =~ /^(?:MESSAGE|<message).*\b(e\d+e)\b/s
			or next;
		my ($name, @most) = @{$kind{$id}};

		push @worst, "$name: $raw"
			if ++$got{"$side $id"} > $most[$side eq 'xmpp'];
	}
}

sub sum {
	my ($name) = @_;
	my $n = 0;
	$n += $_->{$name} for @pairs;
	return $n;
}

sub pick { return $_[rand @_]; }

# all that is to come has come

sub settle {
	my ($s) = @_;
	$hub->settle($sip);
	$hub->settle_sip($xmpp);
	Test::Nginx::Peers::idle($s || 0.03);
}

sub stanza {
	my ($name, $p, $attrs, $xml) = @_;
	my $from = $name eq 'presence' && $attrs =~ /probe|subscribe/
		? $p->{u} : "$p->{u}/res";

	$xmpp->send("<$name from='$from' to='$p->{r}' id='i$n' $attrs>$xml"
		. "</$name>");
}

sub request {
	my ($method, $p, %a) = @_;
	return $sip->request($method, "sip:$p->{u}", from => "sip:$p->{r}", %a);
}

sub tuples {
	my ($n, $id) = @_;
	return [map { { id => "t$_", basic => 'open', note => $id } } 1 .. $n];
}

###############################################################################
