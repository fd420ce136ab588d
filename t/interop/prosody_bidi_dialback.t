#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests with a real Prosody that knows dialback only and speaks XEP-0288, and a
# real client.

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
	->has_daemon('openssl')->plan(19);

my $i = Test::Nginx::Interop::Server->new($t, 'prosody', 'dialback', bidi => 1);

$i->messages();

ok(Test::Nginx::Interop::error_log($t, qr/inbound XMPP stream is up: .* dialback/),
	'proven by dialback');

###############################################################################
