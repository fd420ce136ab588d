#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests with a real ejabberd that DNS leads to, and that comes to us, by direct
# TLS (XEP-0368), and a real client.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Interop;
use Test::Nginx::Interop::Server;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

Test::Nginx::Interop::need(qw/ erl slixmpp /);

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(34);

my $i = Test::Nginx::Interop::Server->new($t, 'ejabberd', 'external',
	direct => 1);

$i->messages();
$i->direct($t);
$i->certificates($t);

###############################################################################
