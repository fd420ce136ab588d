#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for XMPP streams: headers, namespaces, XML, limits, errors, the end
# (RFC 6120, 4, 11).

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
	->has_daemon('openssl')->plan(118);

my $g = Test::Nginx::Gateway->new($t, federation => <<'EOF');
        xmpp_domain clear.test server=127.0.0.1:%%PORT_8269%% tls=optional
                    auth=dialback;
        sip_domain  other.test server=127.0.0.1:%%PORT_8061%%;
        stanza_size 20000;
        preauth_size 8000;
        xml_depth 20;
        xml_attributes 20;
        handshake_timeout 2s;
        close_timeout 2s;
        confirm_timeout 3s;
