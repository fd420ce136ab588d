#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# nginx is reloaded in each second of a minute: ARC-20.

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
	->has_daemon('openssl')->plan(7);

# the log of a minute of messages is not read

my $g = Test::Nginx::Gateway->new($t, zone => '4m', level => 'info',
	federation => 'domain_queue 10000;');

my $tr = Test::Nginx::Traffic->new($g)->listen();

# what takes a minute: the servers answer late

$tr->{on_sip} = sub {
	my ($c, $head, $pair, $i) = @_;

	$tr->got('xs', $pair, $i);
	Test::Nginx::Peers::after(0.1, sub { $c->answer($head, 200) });
	return 1;
};

$tr->{on_ping} = sub {
	my ($c, $a) = @_;

	Test::Nginx::Peers::after(0.4, sub { $c->pong($a) });
	return 1;
};

$t->run();

my $n = 0;
my $reload;

$reload = sub {
	return if $n == 60;
	$n++;
	$t->reload();
	Test::Nginx::Peers::after(1, $reload);
};

Test::Nginx::Peers::after(0.5, $reload);

is(join("\n", $tr->run(timeout => 170)), '', 'each message has its fate');
note($n . ' reloads, ' . $tr->summary());

cmp_ok($n, '>', 20, 'reloads');
undef $reload;

# requests that cross the end of a connection, of which SIP has no orderly one,
# are neither answered nor taken

is($tr->others('sx', 202, 604, 'cut'), 0, 'fates of SIP');
is($tr->{stats}{'sx uncertain, arrived'} || 0, 0, 'what is cut did not arrive');
is($tr->others('xs', 'taken', 'item-not-found'), 0, 'fates of XMPP');

$tr->end();
delete @$tr{qw/ on_sip on_ping /};
Test::Nginx::Peers::stop($t);

is((() = logged($t, qr/exited on signal/)), 0, 'no worker died');
is(join("\n", logged($t, qr/\[(?:crit|emerg)\]/)), '', 'log');

undef $_ for $tr, $g, $t;

###############################################################################
