#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# The binary is upgraded (USR2, WINCH, QUIT), and one upgrade is taken back,
# while messages cross.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Host;
use Test::Nginx::Traffic;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(8);
my $d = $t->testdir();

my $g = Test::Nginx::Gateway->new($t, daemon => 'on', zone => '4m',
	level => 'info', main => $Test::Nginx::Host::ENV, federation => <<"EOF");
        state $d/state interval=50ms;
        domain_queue 10000;
EOF

my $tr = Test::Nginx::Traffic->new($g)->listen();

# slower than they could be, so that much is under way at all times

$tr->{on_ping} = sub {
	my ($c, $a) = @_;
	Test::Nginx::Peers::after(0.05, sub { $c->pong($a) });
	return 1;
};

$tr->{on_sip} = sub {
	my ($c, $head, $pair, $i) = @_;

	$tr->got('xs', $pair, $i);
	Test::Nginx::Peers::after(0.03, sub { $c->answer($head, 200) });
	return 1;
};

$t->run();

my ($old, $new, @took);

# the next one, and the one that was before is gone

$tr->at(4000, \&change);
$tr->at(8000, \&change);

# the one that was before is taken back

$tr->at(12000, \&replace);
$tr->at(14000, sub {
	kill 'HUP', $old;
	until_true(sub { workers($old) }) or die "no workers";
	kill 'QUIT', $new;
	until_true(sub { !alive($new) }) or die "the new master stays";
	ok(until_true(sub { master($t) == $old }), 'the old master is back');
});

is(join("\n", $tr->run(timeout => 170)), '', 'each message has its fate');
note($tr->summary());

is($tr->others('sx', 202, 604, 'cut'), 0, 'fates of SIP');
is($tr->{stats}{'sx uncertain, arrived'} || 0, 0, 'what is cut did not arrive');
is($tr->others('xs', 'taken', 'item-not-found'), 0, 'fates of XMPP');

$tr->end();
delete @$tr{qw/ on_sip on_ping /};
Test::Nginx::Peers::stop($t);

is((() = logged($t, qr/"test" is served from now on/))
	/ ($ENV{TEST_NGINX_WORKERS} || 1), 4, 'each served in its turn');
is((() = logged($t, qr/exited on signal/)), 0, 'no worker died');
is(errors($t), '', 'log');

undef $_ for $tr, $g, $t;

###############################################################################

sub replace {
	($new, $old) = upgrade($t);
	kill 'WINCH', $old;
	until_true(sub { !workers($old, 1) }, 40) or die "workers stay";
}

sub change {
	replace();
	kill 'QUIT', $old;
	until_true(sub { !alive($old) }) or die "the old master stays";
}

###############################################################################
