#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of traffic while nothing goes wrong: what the tests beside this one are
# measured against.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Traffic;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(3);

my $g = Test::Nginx::Gateway->new($t, zone => '4m');
my $traffic = Test::Nginx::Traffic->new($g)->listen();

$t->run();

is(join("\n", $traffic->run()), '', 'messages');
is($traffic->others('sx', 202, 604), 0, 'fates of s2x');
is($traffic->others('xs', 'taken', 'item-not-found'), 0, 'fates of x2s');

note($traffic->summary());

###############################################################################
