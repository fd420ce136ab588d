#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Workers are killed, again and again: what one had is uncertain to its peers,
# as their connections broke.  Nothing arrives twice, and nothing is missing
# that was acknowledged.

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
	->has_daemon('openssl')->plan(7)->todo_alerts();

# a SIGSEGV is one for which nobody needs a core file

my $g = Test::Nginx::Gateway->new($t, zone => '4m', level => 'info',
	main => 'worker_rlimit_core 0;');

my $tr = Test::Nginx::Traffic->new($g)->listen();

$t->run();

my $master = master($t);
my $n = 0;

# one of them, or all at once; a sanitizer would report a SIGSEGV

$tr->at(1000 * $_, sub {
	my @all = workers($master);
	my $signal = $n++ % 2 && !$ENV{TEST_NGINX_PRELOAD} ? 'SEGV' : 'KILL';

	kill $signal, $n % 3 ? $all[rand @all] : @all;
}) for 1 .. 19;

is(join("\n", $tr->run(timeout => 120)), '', 'each message has its fate');
note($tr->summary());

is($n, 19, 'workers were killed');
is($tr->others('sx', qw/ 202 604 cut 504 408 /), 0, 'fates of SIP');
is($tr->others('xs', qw/ taken item-not-found cut remote-server-timeout /), 0,
	'fates of XMPP');

# those that came after them go on

my $after = Test::Nginx::Traffic->new($g, n => 500);

$tr->end();
$after->listen();
is(join("\n", $after->run(timeout => 60)), '', 'afterwards');
is($after->others('sx', 202, 604) + $after->others('xs', 'taken',
	'item-not-found'), 0, 'afterwards - fates');
$after->end();

is((() = logged($t, qr/\[alert\](?!.*(?:exited on signal|shared memory zone))/)), 0,
	'no other alerts');

Test::Nginx::Peers::stop($t);

###############################################################################
