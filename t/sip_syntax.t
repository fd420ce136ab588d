#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for the syntax of SIP requests and the order of their checks: SP-01 to
# SP-30, and RFC 4475 on the wire (TT).

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl');

my $g = Test::Nginx::Gateway->new($t, federation => <<'EOF');
        sip_header_size 32k;
        sip_body_size 16k;
        sip_read_timeout 1s;
        xmpp_domain example.com server=127.0.0.1:%%PORT_8269%%;
        xmpp_domain example.net server=127.0.0.1:%%PORT_8269%%;
        xmpp_domain example.org server=127.0.0.1:%%PORT_8269%%;
