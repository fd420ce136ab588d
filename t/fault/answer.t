#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of answers of peers that come late, twice, or not at all.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Peers;
use Test::Nginx::Traffic;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(19);

my $g = Test::Nginx::Gateway->new($t, zone => '4m', federation => <<'EOF');
        trying_timeout 500ms;
        confirm_timeout 1s;
        transaction_timeout 2s;
EOF

$t->run();

my ($traffic, $n);

# a 200 that comes after the transaction has ended: its sender has an error,
# and the late response makes no second one

run('SIP answers late', linger => 3, on_sip => sometimes(sub {
	my ($c, $head, $pair, $i) = @_;
	$traffic->got('xs', $pair, $i);
	$n++;
	Test::Nginx::Peers::after(2.5, sub { $c->answer($head, 200); });
	return 1;
}));

cmp_ok($traffic->{stats}{'xs uncertain, arrived'}, '>=', $n,
	'errors for what had arrived');

run('SIP does not answer', on_sip => sometimes(sub { return 1; }));
cmp_ok($traffic->{stats}{'xs remote-server-timeout'}, '>', 0, 'errors');

run('SIP answers twice', on_sip => sometimes(sub {
	my ($c, $head, $pair, $i) = @_;
	$traffic->got('xs', $pair, $i);
	$c->answer($head, 200);
	$c->answer($head, 200);
	$c->answer($head, 404);
	return 1;
}));

is($traffic->others('xs', 'taken', 'item-not-found'), 0, 'the first counts');

# a ping whose answer is late is none (DESIGN 3), nor is one of a later ping
# meanwhile: 504, and the stream ends

my $quiet = 0;

run('XMPP answers pings late', linger => 2, on_ping => sub {
	my ($c, $a) = @_;
	my $now = Test::Nginx::Peers::now();

	$quiet = $now + 1.5 if $now > $quiet + 1.5;
	return 0 if $now > $quiet;

	Test::Nginx::Peers::after(1.5, sub { $c->pong($a); });
	return 1;
});

cmp_ok($traffic->{stats}{'sx 504'}, '>', 0, 'uncertain');
cmp_ok($traffic->{stats}{'stream error connection-timeout'}, '>', 0,
	'the stream ends');

# an answer to a later ping is one to those before it

run('XMPP does not answer a ping', on_ping => sometimes(sub { return 1; }, 20));

is($traffic->others('sx', 202, 604, 504), 0, 'a later one counts');
cmp_ok($traffic->{stats}{'sx 504'} || 0, '<', 500, 'most were confirmed');

run('XMPP answers pings twice', on_ping => sub {
	my ($c, $a) = @_;
	$c->pong($a);
	return 0;
});

is($traffic->others('sx', 202, 604), 0, 'the first counts');

# any answer to a ping will do, and of an error that bounces twice the first

run('XMPP bounces twice, and refuses pings', on_ping => sub {
	my ($c, $a) = @_;
	$traffic->xmpp_reply("<iq from='$a->{to}' to='$a->{from}' "
		. "id='$a->{id}' type='error'><error type='cancel'>"
		. '<service-unavailable '
		. "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
	return 1;
}, bounces => 2);

is($traffic->others('sx', 202, 604), 0, 'the first counts');

# a bounce after the answer is told to nobody, but logged

run('XMPP bounces late', on_xmpp => sometimes(sub {
	my ($c, $a, $pair, $i) = @_;
	$traffic->got('sx', $pair, $i);
	$n++;
	Test::Nginx::Peers::after(0.03, sub {
		$c->bounce($a, 'recipient-unavailable');
	});
	return 1;
}));

is($traffic->others('sx', 202, 604), 0, 'accepted all the same');

my $log = $t->read_file('error.log');
my $late = () = $log =~ /was accepted but bounced later/g;

is($late, $n, 'late bounces are logged');

###############################################################################

sub run {
	my ($name, %args) = @_;

	$n = 0;

	$traffic = Test::Nginx::Traffic->new($g, patience => 12, silence => 12,
		%args);

	$traffic->check($name, linger => $args{linger});
}

# does it about once in so many times

sub sometimes {
	my ($code, $every) = @_;
	my $count = 0;

	return sub { $count++ % ($every || 500) == 7 ? $code->(@_) : 0 };
}

###############################################################################
