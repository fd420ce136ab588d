#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests with a real Prosody that knows dialback only, and a real client.

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

Test::Nginx::Interop::need(qw/ prosody slixmpp /);

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(23);

my $i = Test::Nginx::Interop::Server->new($t, 'prosody', 'dialback');

$i->messages();
$i->refused($t);

###############################################################################
