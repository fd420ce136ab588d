#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for policy and time in IM sessions of the dialect "ocs": permit, deny,
# sizes, sessions without use (ocs-wire 2.5, 2.6).

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
	->has_daemon('openssl')->plan(11);

my $g = Test::Nginx::Gateway->new($t, dialect => 'ocs', stream => <<'EOF_',

    map $federation_sip_user $enabled {
        default      1;
        never@s.test 0;
    }

    map $federation_xmpp_user $friend {
        default      1;
        ~^foe@       0;
    }

EOF_
	federation => <<'EOF_');
        xmpp_domain third.test server=127.0.0.1:%%PORT_8269%%;
        xmpp_domain dead.test server=127.0.0.1:%%PORT_8089%%;
        deny denied.test;
        permit $enabled $friend;
        invite_timeout 1s;
        transaction_timeout 5s;
        trying_timeout 500ms;
        confirm_timeout 4s;
        session_timeout 2s;
EOF_

$g->start(xmpp => { domains => ['x.test', 'third.test'] },
	edge => { peer_domains => ['third.test', 'dead.test'] });

my $edge = $g->{edge};
my $xmpp = $g->xmpp();
my $serial = 0;

# permit, deny, default

case('permit', sub {
	my $client = $edge->client('never@s.test');
	is($client->invite('u@x.test')->answer()->code(), 403, 'INVITE');
	is($client->transact('message-page', 'u@x.test', text => 'no')->code(),
		403, 'MESSAGE');

	$xmpp->send(chat('u@x.test/res', 'never@s.test', 'no', id => 'm1'));
	is($edge->told('u@x.test'), 'never@s.test u@x.test error m1 forbidden',
		'from XMPP');
	ok(!$client->session_if(0), 'no INVITE');

	my ($other) = user();
	is($other->invite('foe@x.test')->answer()->code(), 403,
		'second value');
});

case('domains', sub {
	my ($client, $r, $u) = user();

	like($client->invite($_)->answer()->code(), qr/^(?:403|404)$/, $_)
		for qw/ u@denied.test u@unknown.test r@s.test /;
	is($client->start('u@third.test')->say('one'), 200, 'another one');
	is($edge->told('u@third.test'), "$r u\@third.test: one", 'text');
});

# an XMPP server that can not be reached: ocs-wire 2.6

case('XMPP is away', sub {
	my ($client, $r, $u) = user();

	my $s = $client->invite('u@dead.test');
	my $code = $s->answer()->code();

	if ($code == 200) {
		$s->ack();
		$code = $s->say('one');
	}

	like($code, qr/^(?:500|503|504)$/, 'refused');
});

# a text that is too long

case('sizes', sub {
	my ($client, $r, $u) = user();
	my $s = $client->start($u);

	like($s->say('x' x 70000), qr/^(?:413|513)$/, 'MESSAGE');
	is($s->say('x' x 20000), 200, 'MESSAGE of a lesser size');
	like($edge->told($u), qr/^\Q$r $u\E: x{20000}$/, 'text');
	is($s->say('one'), 200, 'the session goes on');
	is($edge->told($u), "$r $u: one", 'text');

	$xmpp->send(chat("$u/res", $r, 'y' x 70000, id => 'm1'));
	is($edge->told($u), "$r $u error m1 policy-violation", 'from XMPP');
	$xmpp->send(chat("$u/res", $r, 'y' x 20000));
	is(length($s->heard()), 20000, 'of a lesser size');
});

# log: one line for each text, and none for INVITE and the like

case('access_log', sub {
	my ($client, $r, $u) = user();
	my $s = $client->start($u);

	$s->say('one');
	$edge->told($u);
	$xmpp->send(chat("$u/res", $r, 'two'));
	$s->heard();

	Test::Nginx::Peers::wait_until(sub {
		return 2 <= grep { /\bmessage .*\Q$u\E/ } $g->log();
	});
	my @lines = grep { /\Q$u\E/ } $g->log();
	is(scalar grep({ /^message s2x \Q$r $u\E 200/ } @lines), 1,
		'SIP to XMPP');
	is(scalar grep({ /^message x2s \Q$u\E(?:\/res)? \Q$r\E 200/ } @lines),
		1, 'XMPP to SIP');
});

# sessions that are not used: ocs-wire 2.5

case('sessions without use', sub {
	my ($c1, $r1, $u1) = user();
	my ($c2, $r2, $u2) = user();
	my ($c3, $r3, $u3) = user(bye => 0);

	my $s1 = $c1->start($u1);
	is($s1->say('one'), 200, 'MESSAGE');
	is($edge->told($u1), "$r1 $u1: one", 'text');

	$xmpp->send(chat("$u2/res", $r2, 'one') . chat("$u3/res", $r3, 'one'));
	my $s2 = $c2->session();
	my $s3 = $c3->session();
	is($_->heard(), 'one', 'text of XMPP') for $s2, $s3;

	ok($s1->ended(15), 'BYE in a session of the client');
	ok($s2->ended(15), 'BYE in one of the gateway');
	ok($s3->ended(15), 'BYE that nobody answers');
	is($s1->say('late'), 481, 'MESSAGE after that');

	for ([$c1, $r1, $u1], [$c2, $r2, $u2], [$c3, $r3, $u3]) {
		my ($client, $r, $u) = @$_;
		$xmpp->send(chat("$u/res", $r, 'two'));
		is($client->session()->heard(), 'two', 'a new session');
		ok($edge->quiet($u), 'no word of it to XMPP');
	}
});

case('a session that is in use', sub {
	my ($client, $r, $u) = user();
	my $s = $client->start($u);
	my $begin = Test::Nginx::Peers::now();

	# each of them within its time

	while (Test::Nginx::Peers::now() < $begin + 4) {
		is($s->say('one'), 200, 'SIP');
		Test::Nginx::Peers::idle(0.6);
		$xmpp->send(chat("$u/res", $r, 'two'));
		is($s->heard(), 'two', 'XMPP');
		Test::Nginx::Peers::idle(0.6);
	}

	ok(!$s->{ended}, 'no BYE');
	ok($s->ended(15), 'BYE in the end');
});

# while a MESSAGE is under way nothing is idle

case('a session in which a MESSAGE waits', sub {
	my ($client, $r, $u) = user(message => 0);

	$xmpp->send(chat("$u/res", $r, 'one', id => 'm1'));
	my $s = $client->session();
	my $m = $s->message() or die "no MESSAGE\n";
	Test::Nginx::Peers::idle(3);
	ok(!$s->{ended}, 'no BYE');
	$s->reply($m, 200);
	ok($edge->quiet($u), 'no error');
});

is($edge->wrong(), '', 'dialogs are as they should be');
is(join("\n", map { $_->start_line() } $edge->stray()), '', 'nothing astray');

# none of the texts is in the log of errors

my $log = $t->read_file('error.log');
unlike($log, qr/x{100}/, 'no texts in the log');

undef $xmpp;

###############################################################################

sub user {
	my ($id) = 'u' . ++$serial;
	return ($edge->client("$id\@s.test", @_), "$id\@s.test", "$id\@x.test");
}

###############################################################################
