#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for IM sessions of the dialect "ocs" with peers that are broken, slow, or
# mean it.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::Edge;
use Test::Nginx::Gateway;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(9);

my $g = Test::Nginx::Gateway->new($t, dialect => 'ocs', federation => <<'EOF_');
        transaction_timeout 2s;
        trying_timeout 200ms;
        confirm_timeout 500ms;
        invite_timeout 6s;
        sessions 8;
        default deny;
        xmpp_domain y.test server=127.0.0.1:%%PORT_8069%%;
        sip_domain e.test home server=127.0.0.1:%%PORT_8064%% dialect=ocs;
EOF_

$g->{ca}->issue('e', cn => 'e.test', dns => 'e.test', uri => 'sip:e.test');
$g->{ca}->issue('y', cn => 'y.test', dns => 'y.test');

$g->start();

my $edge = $g->{edge};
my $xmpp = $g->xmpp();
my $serial = 0;

# how long a text waited for its turn is not held against its session

case('a text that waited for its turn waits for a session', sub {
	my ($client, $r, $u) = user(message => 0);

	$xmpp->send(chat("$u/res", $r, 'one', id => 'm1')
		. chat("$u/res", $r, 'two', id => 'm2'));

	my $s = $client->session();
	my $m = $s->message() or die "no MESSAGE\n";

	$client->set(answer => 0, message => 200);
	is($s->bye(), 200, 'the session ends');
	$s->reply($m, 200);

	my $n = $client->session();
	$n->ringing();
	is($edge->told($u, 3), 'nothing', 'no error while it rings');

	$n->accept();
	is($n->heard(), 'two', 'the text');
	ok($edge->quiet($u), 'no error');
});

# a 200 that makes no dialog is the end of the INVITE, and of nothing else

case('200 with a Contact that is of no use', sub {
	my ($client, $r, $u) = user(answer => 0);

	$xmpp->send(chat("$u/res", $r, 'one', id => 'm1'));
	$client->session()->accept(contact => '<mailto:r@s.test>');
	is($edge->told($u, 3), "$r $u error m1 internal-server-error", 'error');

	$client->set(answer => 200);
	$xmpp->send(chat("$u/res", $r, 'two', id => 'm2'));
	is($client->session(3)->heard(), 'two', 'the next one crosses');
	ok($edge->quiet($u), 'no error');
});

# that there is a session counts, not how it was learnt

case('200 with another CSeq', sub {
	my ($client, $r, $u) = user(answer => 0);

	$xmpp->send(chat("$u/res", $r, 'one', id => 'm1'));
	my $s = $client->session();
	$edge->set(silent => 1);
	$s->accept(cseq => 7);
	is($s->heard(3), 'one', 'text');
	ok($edge->quiet($u), 'no error');
	$edge->set(silent => 0)->forgive();
});

# responses of another domain, to which the branch of an INVITE is known

case('responses of somebody else', sub {
	my ($client, $r, $u) = user(answer => 0);
	my $c = Test::Nginx::SIP->connect(PeerAddr => '127.0.0.1:' . port(8062),
		tls => 1, $g->{ca}->ssl('e'), from => 'sip:r@e.test',
		host => 'e.test');

	$xmpp->send(chat("$u/res", $r, 'one', id => 'm1'));
	my $m = $client->session()->invite();

	for my $code (180, 200, 486) {
		my $raw = $c->build_reply($m, $code, undef,
			headers => ['Contact: <sip:e.test>']);
		$c->send($raw);
		$raw =~ s/^(To: \S*)s\.test/$1e.test/m;
		$c->send($raw) if $code != 200;
	}

	is($edge->told($u, 1), 'nothing', 'the INVITE goes on');
	is($edge->told($u, 4), "$r $u error m1 remote-server-timeout",
		'and is over when it is not answered');
	ok(!$client->message(0), 'no text');
	is(join(' ', map { $_->method() } @{$c->{requests}}), 'ACK',
		'they have nothing but an ACK of their 486');
});

# the certificate of an Edge has names that are no domains of users

case('a response of the host, not of the domain', sub {
	my ($client, $r, $u) = user(answer => 0);

	$xmpp->send(chat("$u/res", $r, 'one', id => 'm1'));
	my $s = $client->session();

	for my $code (180, 200, 486) {
		my $raw = $s->{conn}->build_reply($s->invite(), $code, undef,
			headers => ["Contact: <sip:$r>"], tag => 'host');
		$raw =~ s/^(To: \S*)s\.test/$1edge.test/m;
		$s->{conn}->send($raw);
	}

	is($edge->told($u, 0.5), 'nothing', 'the INVITE goes on');
	$s->accept();
	is($s->heard(), 'one', 'text');
});

# who calls without end, and never answers BYE

case('INVITEs of one user, one after another', sub {
	my ($client, $r, $u) = user(bye => 0);
	my $from = Test::Nginx::Peers::now();
	my $last;

	for (1 .. 1500) {
		$last = $client->invite($u);
		Test::Nginx::Peers::pump(0) if $_ % 50 == 0;
	}

	is($last->answer(10)->code(), 200, 'the last one is accepted');
	$last->ack();

	my $byes = grep { $_->method() eq 'BYE'
		&& $_->address('To') eq "sip:$r" } $edge->server()->seen();
	my $s = Test::Nginx::Peers::now() - $from;

	cmp_ok($byes, '>', 500, 'BYE');
	cmp_ok($byes, '<=', 1024 * (1 + int($s / 2)), 'not too many at a time');

	is($last->say('text'), 200, 'the session is one');
	is($edge->told($u), "$r $u: text", 'text');
});

# half of the sessions is what a domain may have at the expense of others

case('a domain that begins more sessions than there may be', sub {
	my @users = map { [user()] } 1 .. 2;
	my @s = map { $_->[0]->start($_->[2]) } @users;

	$edge->set(peer_domains => ['y.test']);

	my $y = $g->xmpp(from => 'y.test', $g->{ca}->ssl('y'));
	my @theirs = map { [user()] } 1 .. 12;

	for (@theirs) {
		my ($client, $r) = @$_;
		$y->send(chat("v\@y.test/res", $r, 'hello'));
		is($client->heard(), 'hello', "to $r");
	}

	ok(!$_->{ended}, 'no BYE') for @s;
	is($_->say('still here'), 200, 'a session of another domain') for @s;
	is($edge->told($_->[2]), "$_->[1] $_->[2]: still here", 'text')
		for @users;
});

is($edge->wrong(), '', 'dialogs are as they should be');
is(join("\n", map { $_->start_line() } $edge->stray()), '', 'nothing astray');

undef $xmpp;

###############################################################################

sub user {
	my ($id) = 'u' . ++$serial;
	return ($edge->client("$id\@s.test", @_), "$id\@s.test", "$id\@x.test");
}

###############################################################################
