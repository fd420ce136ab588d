#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of presence with a real Prosody and a real Kamailio, and real clients of
# XMPP.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Interop;
use Test::Nginx::Interop::Presence;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

Test::Nginx::Interop::need(qw/ prosody kamailio presence slixmpp /);

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(84);

my $i = Test::Nginx::Interop::Presence->new($t, 'prosody', 'rules');

$i->to_sip();
$i->to_xmpp();
$i->mutual();

###############################################################################
