#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for the configuration: what loads, and what is refused with the file
# and the line (DESIGN 1).

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::CA;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl/)->has_daemon('openssl');
my $d = $t->testdir();

my $ca = Test::Nginx::CA->new($d);
$ca->issue('gw', cn => 'gw.test', dns => ['gw.test']);

$t->write_file('pw', "none\n");

my $binary = $ENV{TEST_NGINX_BINARY} || '../nginx/objs/nginx';
$binary = '/usr/sbin/nginx' unless -x $binary;

# what a federation needs, and the two listeners

my $zone = 'zone f 1m;';
my $home = 'sip_domain s.test home server=127.0.0.1:5061;';
my $x = 'xmpp_domain x.test server=127.0.0.1:5269;';
my $certs = "ssl_certificate $d/gw.crt; ssl_certificate_key $d/gw.key;";

# directives of presence that take a time

my @times = qw/subscription_expires subscription_min subscription_max
	notify_interval presence_interval notify_timeout poll_wait presence_idle
	subscribe_interval denial_time contact_expires resubscribe_delay
	invite_timeout session_timeout/;

my $expires = qr/"subscription_expires" of federation "f" in \S+:\d+ must be/;
my $same = qr/the same path name "\S+\/a" used in \S+:\d+ and in/;

###############################################################################

my @good = (
	['smallest', fed("$zone $home")],
	['two legs', fed("$zone $home $x")],
	['wildcard', fed("$zone $home xmpp_domain *.x.test server=127.0.0.1;")],
	['exact beside wildcard',
		fed("$zone $home $x xmpp_domain *.x.test server=127.0.0.1:1;")],
	['several servers', fed("$zone sip_domain s.test home "
		. 'server=127.0.0.1:5061 server=127.0.0.2:5061 name=gw.s.test;')],
	['all parameters of xmpp_domain', fed("$zone $home xmpp_domain x.test "
		. 'server=127.0.0.1 tls=optional auth=dialback rate=20r/s '
		. 'user_rate=2r/s user_burst=50 message_size=32k;')],
	['all parameters of sip_domain', fed("$zone sip_domain s.test home "
		. 'server=127.0.0.1 tls=required dialect=simple name=a.test '
		. 'name=b.test eku=any rate=1r/s user_rate=1r/s message_size=8k;')],
	['direct TLS', fed("$zone $home xmpp_domain x.test "
		. 'server=127.0.0.1 tls=direct auth=dialback;')],
	['direct TLS, found by SRV', fed("$zone $home default xmpp tls=direct;")
		. 'resolver 127.0.0.1;'],
	['U-labels', fed("$zone $home xmpp_domain m\xc3\xbcnchen.test "
		. 'server=127.0.0.1;')],
	['server=srv with a resolver', fed("$zone $home xmpp_domain x.test "
		. 'server=srv;') . 'resolver 127.0.0.1;'],
	['default deny', fed("$zone $home default deny;")],
	['default xmpp', fed("$zone $home default xmpp auth=external;")
		. 'resolver 127.0.0.1;'],
	['default sip', fed("$zone xmpp_domain x.test home server=127.0.0.1; "
		. 'default sip eku=any;') . 'resolver 127.0.0.1;'],
	['default auto', fed("$zone $home default auto;") . 'resolver 127.0.0.1;'],
	['default auto, all parameters', fed("$zone $home $certs default auto "
		. 'prefer=xmpp server=srv tls=optional auth=dialback name=a.test '
		. 'eku=any dialect=ocs message_size=32k rate=1r/s; auto_idle 1m; '
		. 'auto_valid 30s 1d;') . 'resolver 127.0.0.1;'],
	['default auto, variable', fed("$zone $home default auto prefer=\$p;")
		. 'resolver 127.0.0.1; map $federation_to $p { default sip; }'],
	['deny', fed("$zone $home deny spam.test *.spam.test;")],
	['deny of a listed domain', fed("$zone $home $x deny x.test;")],
	['permit', fed("$zone $home permit \$ok \$federation_from;")
		. 'map $federation_sip_user $ok { default 0; }'],
	['TLS', fed("$zone $home $certs ssl_trusted_certificate "
		. $ca->file() . '; ssl_protocols TLSv1.2 TLSv1.3; '
		. 'ssl_ciphers HIGH; ssl_verify_depth 3; '
		. 'ssl_conf_command Options PrioritizeChaCha;')],
	['TLS of the SIP side', fed("$zone $home $certs "
		. 'sip_ssl_protocols TLSv1 TLSv1.2; sip_ssl_ciphers '
		. 'AES128-SHA:@SECLEVEL=0; sip_ssl_conf_command Options '
		. '-SessionTicket;')],
	['passwords and CRL', fed("$zone $home $certs ssl_password_file $d/pw; "
		. 'ssl_trusted_certificate ' . $ca->file() . '; ssl_crl '
		. $ca->crl() . ';')],
	['two federations', fed("$zone $home")
		. "federation g { zone g 1m; $home }"],
	['choices', fed("$zone $home confirm write; log_bodies on; "
		. 'private_addresses on; mask_recipients on; message_6xx off; '
		. 'mirror_chat on; message_status 200; unavailable_status 480; '
		. 'chatstates auto; chatstates_idle paused; '
		. 'chatstates_interval 1s; receipts on; log_interval 10s; '
		. 'sip_host gw.test:5071; dialback_secret s3cr3t;')],
	(map { ["ocs $_", fed("$zone $certs sip_domain s.test home "
		. "server=127.0.0.1 dialect=ocs; $_")] }
		'ocs_verification off;', 'ocs_verification "X-Checked: yes";',
		map({ "ocs_record_route $_;" } qw/on requests off/),
		'ocs_contact host;', 'ocs_contact user;', 'ocs_negotiate 200;',
		'ocs_negotiate 405;', 'ocs_diagnostics on;',
		'ocs_presence msrtc;', 'ocs_presence pidf;',
		'ocs_presence_note on;', 'ocs_presence_accept msrtc;',
		'ocs_presence_accept pidf msrtc;',
		'ocs_pending offline;', 'ocs_pending pending;',
		'ocs_subscribed active;', 'ocs_subscribed open;'),
	['times', fed("$zone $home connect_timeout 1s; handshake_timeout 1s; "
		. 'dialback_timeout 1s; transaction_timeout 5s; '
		. 'trying_timeout 1s; confirm_timeout 2s; close_timeout 1s; '
		. 'stream_resume 0; stream_management off; stream_bidi off; '
		. 'xmpp_keepalive 60s; sip_keepalive 60s; xmpp_idle_timeout 60s; '
		. 'sip_idle_timeout 60s; sip_read_timeout 5s; '
		. 'reconnect_delay 100ms 1s;')],
	['limits', fed("$zone $home stanza_size 10000; preauth_size 4k; "
		. 'preauth_connections 10; '
		. 'sip_header_size 16k; sip_body_size 16k; output_size 64k; '
		. 'xml_depth 16; xml_attributes 16; sasl_attempts 2; '
		. 'stream_domains 2; domain_queue 10; pair_queue 10; '
		. 'link_events 100;')],
	['presence', fed("$zone $home subscription_expires 30m; "
		. 'subscription_min 2m; subscription_max 12h; notify_interval 0; '
		. 'notify_timeout 20s; poll_wait 500ms; presence_idle 1h; '
		. 'subscribe_interval 7d; denial_time 1d; contact_expires 0; '
		. 'resubscribe_delay 10s 30m; refresh_rate 50r/s; '
		. 'pair_dialogs 64; user_watchers 10; user_contacts 10; '
		. 'domain_subscriptions 1000;')],
	['sessions', fed("$zone $certs sip_domain s.test home "
		. 'server=127.0.0.1 dialect=ocs; invite_timeout 1s; '
		. 'session_timeout 2s; sessions 1; ocs_accept_types "text/html text/plain";')],
	['short subscriptions', fed("$zone $home subscription_expires 1s;")],
	['long subscriptions', fed("$zone $home subscription_expires 7d;")],
	['the greatest subscription_min', fed("$zone $home "
		. 'subscription_min 1h;')],
	['subscriptions of one length', fed("$zone $home "
		. 'subscription_expires 10m; subscription_min 10m; '
		. 'subscription_max 10m;')],
	['resubscribe_delay of one value', fed("$zone $home "
		. 'resubscribe_delay 2h;')],
	['the least rate and dialogs', fed("$zone $home refresh_rate 1r/s; "
		. 'pair_dialogs 1;')],
	['state', fed("$zone $home state state;")],
	['state with an interval', fed("$zone $home state $d/st/ "
		. 'interval=500ms;')],
	['state of two federations', fed("$zone $home state s1;")
		. "federation g { zone g 1m; $home state s2; }"],
	['variables in a log', fed("$zone $home") . 'log_format f '
		. '"$federation_name $federation_kind $federation_direction '
		. '$federation_from $federation_to $federation_from_domain '
		. '$federation_to_domain $federation_sip_user '
		. '$federation_xmpp_user $federation_status $federation_id '
		. '$federation_reason $federation_condition $federation_text '
		. '$federation_time $federation_body"; '
		. "access_log $d/f.log f;"],
	['XMPP listener', fed("$zone $home") . "server { listen 127.0.0.1:8080; "
		. "$certs xmpp_federation f; }"],
	['XMPP listener without TLS', fed("$zone $home")
		. 'server { listen 127.0.0.1:8080; xmpp_federation f tls=off; }'],
	['XMPP listener with direct TLS', fed("$zone $home") . 'server { '
		. 'listen 127.0.0.1:8080; listen 127.0.0.1:8081 ssl; '
		. "$certs xmpp_federation f; }"],
	['XMPP listener with ssl_alpn', fed("$zone $home") . 'server { '
		. "listen 127.0.0.1:8080 ssl; $certs ssl_alpn h2 xmpp-server; "
		. 'xmpp_federation f; }'],
	['federation after its listener', 'server { listen 127.0.0.1:8080; '
		. 'xmpp_federation f tls=off; }' . fed("$zone $home")],
	['SIP listener', fed("$zone $home") . 'server { listen 127.0.0.1:8080 '
		. "ssl; $certs ssl_client_certificate " . $ca->file()
		. '; ssl_verify_client on; sip_federation f; }'],
	['SIP listener without TLS', fed("$zone sip_domain s.test home "
		. 'server=127.0.0.1:5060 tls=off;')
		. 'server { listen 127.0.0.1:8080; sip_federation f; }'],
);

my @bad = (
	['no zone', fed($home), qr/no "zone" is defined for federation "f"/],
	['zone twice', fed("$zone zone g 1m; $home"), qr/"zone" directive is dup/],
	['zone too small', fed("zone f 64k; $home"),
		qr/zone "f" is too small, it must be 512k at least/],
	['zone size', fed("zone f x; $home"), qr/invalid zone size "x"/],
	['zone of another federation', fed("$zone $home")
		. "federation g { $zone $home }",
		qr/zone "f" is used by another federation/],
	['federation twice', fed("$zone $home")
		. "\nfederation f { zone g 1m; $home }",
		qr/duplicate federation "f", it was first given in \S+nginx.conf:\d+/],
	['no home domain', fed("$zone $x"),
		qr/no home domain in federation "f" in \S+nginx.conf:\d+/],
	['domain twice', fed("$zone $home $home"),
		qr/duplicate domain "s.test", it was first given in \S+:\d+/],
	['domain on both legs', fed("$zone $home xmpp_domain S.test server=1.1.1.1;"),
		qr/duplicate domain "S.test"/],
	['wildcard twice', fed("$zone $home xmpp_domain *.x.test server=1.1.1.1; "
		. 'xmpp_domain *.x.test server=1.1.1.1;'),
		qr/duplicate domain "\*.x.test"/],
	['denied twice', fed("$zone $home deny a.test a.test;"),
		qr/duplicate domain "a.test"/],
	['no domain', fed("$zone $home xmpp_domain a..b server=1.1.1.1;"),
		qr/invalid domain name "a..b"/],
	['address as domain', fed("$zone $home xmpp_domain 127.0.0.1 server=srv;"),
		qr/invalid domain name "127.0.0.1"/],
	['unknown parameter', fed("$zone $home xmpp_domain x.test foo=bar;"),
		qr/invalid parameter "foo=bar"/],
	['parameter of the other leg',
		fed("$zone $home xmpp_domain x.test dialect=simple;"),
		qr/parameter "dialect=simple" is not one of XMPP domains/],
	['auth= on SIP', fed("$zone sip_domain s.test home auth=external;"),
		qr/parameter "auth=external" is not one of SIP domains/],
	['external without TLS',
		fed("$zone $home xmpp_domain x.test auth=external tls=off;"),
		qr/"auth=external" needs TLS, which "tls=off" forbids/],
	['tls=', fed("$zone $home xmpp_domain x.test tls=maybe;"),
		qr/"tls=maybe": it must be "required", "direct", "optional" or "off"/],
	['tls=direct on SIP', fed("$zone sip_domain s.test home tls=direct;"),
		qr/"tls=direct": it must be "required" or "off"/],
	['tls=direct twice', fed("$zone $home xmpp_domain x.test tls=direct "
		. 'tls=off;'), qr/"tls=off": is duplicate/],
	['tls=direct by SRV without a resolver', fed("$zone $home xmpp_domain "
		. 'x.test tls=direct;'), qr/no "resolver" is defined/],
	['tls=optional on SIP', fed("$zone sip_domain s.test home tls=optional;"),
		qr/"tls=optional": SIP has no optional TLS/],
	['tls=off on SIP found by SRV', fed("$zone sip_domain s.test home tls=off;"),
		qr/"tls=off" needs "server="/],
	['tls=off with an Edge', fed("$zone sip_domain s.test home "
		. 'server=127.0.0.1 dialect=ocs tls=off;'),
		qr/"dialect=ocs" needs TLS, which "tls=off" forbids/],
	['an Edge without a certificate', fed("$zone sip_domain s.test home "
		. 'server=127.0.0.1 dialect=ocs;'),
		qr/"dialect=ocs" .* needs "ssl_certificate"/],
	['auth=', fed("$zone $home xmpp_domain x.test auth=none;"),
		qr/"auth=none": it must be "any", "external" or "dialback"/],
	['dialect=', fed("$zone sip_domain s.test home dialect=foo;"),
		qr/"dialect=foo": it must be/],
	['rate=', fed("$zone $home xmpp_domain x.test rate=5;"),
		qr/"rate=5": it must be a number followed by "r\/s"/],
	['user_rate=', fed("$zone $home xmpp_domain x.test user_rate=5/s;"),
		qr/"user_rate=5\/s": it must be a number followed by "r\/s"/],
	['user_rate= twice', fed("$zone $home xmpp_domain x.test "
		. 'user_rate=5r/s user_rate=5r/s;'), qr/"user_rate=5r\/s": is dup/],
	['user_burst=', fed("$zone $home xmpp_domain x.test user_rate=5r/s "
		. 'user_burst=0;'), qr/"user_burst=0": it must be a number from 1/],
	['user_burst= alone', fed("$zone $home xmpp_domain x.test "
		. 'user_burst=5;'), qr/"user_burst=" needs "user_rate=" in \S+:\d+/],
	['preauth_connections', fed("$zone $home preauth_connections 0;"),
		qr/value must be between 1 and 1000000/],
	['log_interval', fed("$zone $home log_interval often;"),
		qr/"log_interval" directive invalid value/],
	['rate=0', fed("$zone $home xmpp_domain x.test rate=0r/s;"),
		qr/"rate=0r\/s": it must be from 1r\/s/],
	['message_size=', fed("$zone $home xmpp_domain x.test message_size=9;"),
		qr/"message_size=9": it must be a size/],
	['eku=', fed("$zone sip_domain s.test home eku=no;"),
		qr/"eku=no": it must be "strict" or "any"/],
	['name=', fed("$zone sip_domain s.test home name=a..b;"),
		qr/"name=a..b": it is no domain name/],
	['server= host', fed("$zone $home xmpp_domain x.test server=127.0.0.1:0;"),
		qr/"server=127.0.0.1:0": /],
	['server= srv and host', fed("$zone $home xmpp_domain x.test server=srv "
		. 'server=127.0.0.1;'), qr/"srv" does not go with a host/],
	['parameter twice', fed("$zone $home xmpp_domain x.test tls=off tls=off;"),
		qr/invalid parameter "tls=off": is duplicate/],
	['home default', fed("$zone $home default xmpp home;"),
		qr/the default is not a home domain/],
	['default', fed("$zone $home default both;"),
		qr/"both" in "default", it must be "deny", "xmpp", "sip" or "auto"/],
	['no resolver for default auto', fed("$zone $home default auto;"),
		qr/no "resolver" is defined .* the default domains in \S+:\d+/],
	['home default auto', fed("$zone $home default auto home;"),
		qr/the default is not a home domain/],
	['default auto with server=', fed("$zone $home default auto "
		. 'server=127.0.0.1;'),
		qr/"server=127.0.0.1": servers of "default auto" are found by DNS/],
	['default auto with tls=off and auth=external', fed("$zone $home "
		. 'default auto tls=off auth=external;'),
		qr/"auth=external" needs TLS/],
	['default auto with another parameter', fed("$zone $home default auto "
		. 'prefers=sip;'), qr/invalid parameter "prefers=sip"/],
	['prefer=', fed("$zone $home default auto prefer=both;"),
		qr/"prefer=both": it must be "sip", "xmpp" or a variable/],
	['prefer= without a value', fed("$zone $home default auto prefer=;"),
		qr/"prefer=": it must be "sip", "xmpp" or a variable/],
	['prefer= twice', fed("$zone $home default auto prefer=sip prefer=sip;"),
		qr/"prefer=sip": is duplicate/],
	['prefer= of default xmpp', fed("$zone $home default xmpp prefer=sip;"),
		qr/"prefer=sip": it is one of "default auto" only/],
	['prefer= of a SIP domain', fed("$zone sip_domain s.test home prefer=sip;"),
		qr/"prefer=sip" is not one of SIP domains/],
	['auto_valid', fed("$zone $home auto_valid 5s 1s;"),
		qr/"auto_valid" directive invalid value/],
	['default twice', fed("$zone $home default deny; default deny;"),
		qr/"default" directive is duplicate/],
	['no resolver for a domain', fed("$zone $home xmpp_domain x.test;"),
		qr/no "resolver" is defined in "stream" to find x.test in \S+:\d+/],
	['no resolver for the default', fed("$zone $home default xmpp;"),
		qr/no "resolver" is defined .* the default domains in \S+:\d+/],
	['unknown federation', fed("$zone $home") . 'server { '
		. 'listen 127.0.0.1:8080; xmpp_federation nope tls=off; }',
		qr/unknown federation "nope" in \S+nginx.conf:\d+/],
	['two legs in a server', fed("$zone $home") . 'server { '
		. 'listen 127.0.0.1:8080; xmpp_federation f tls=off; '
		. 'sip_federation f; }', qr/"sip_federation" directive is duplicate/],
	['XMPP listener without a certificate', fed("$zone $home")
		. 'server { listen 127.0.0.1:8080; xmpp_federation f; }',
		qr/no "ssl_certificate" is defined for/],
	['direct TLS without a certificate', fed("$zone $home")
		. 'server { listen 127.0.0.1:8080 ssl; xmpp_federation f; }',
		qr/no "ssl_certificate" is defined/],
	['direct TLS with tls=off', fed("$zone $home") . 'server { '
		. "listen 127.0.0.1:8080; listen 127.0.0.1:8081 ssl; $certs "
		. 'xmpp_federation f tls=off; }', qr/"tls=off"\ of\ the
		\ "xmpp_federation".*:\d+\ does\ not\ go\ with
		\ "listen\ ...\ ssl"/x],
	['direct TLS with another ssl_alpn', fed("$zone $home") . 'server { '
		. "listen 127.0.0.1:8080 ssl; $certs ssl_alpn h2 xmpp-client; "
		. 'xmpp_federation f; }', qr/"ssl_alpn" lacks "xmpp-server", .*:\d+/],
	['parameter of the listener', fed("$zone $home")
		. 'server { listen 127.0.0.1:8080; xmpp_federation f tls=no; }',
		qr/invalid parameter "tls=no"/],
	['SIP listener that asks for no certificate', fed("$zone $home")
		. "server { listen 127.0.0.1:8080 ssl; $certs sip_federation f; }",
		qr/"ssl_verify_client on" is needed for the "sip_federation"/],
	['key without certificate', fed("$zone $home ssl_certificate_key "
		. "$d/gw.key;"), qr/each "ssl_certificate" .* needs/],
	['missing certificate', fed("$zone $home ssl_certificate $d/no.crt; "
		. "ssl_certificate_key $d/gw.key;"), qr/no.crt/],
	['missing CA', fed("$zone $home ssl_trusted_certificate $d/no.crt;"),
		qr/no.crt/],
	['missing CRL', fed("$zone $home ssl_crl $d/no.crt;"), qr/no.crt/],
	['missing passwords', fed("$zone $home ssl_password_file $d/no.crt;"),
		qr/no.crt/],
	['protocols', fed("$zone $home ssl_protocols SSLv9;"), qr/"SSLv9"/],
	['ciphers', fed("$zone $home ssl_ciphers nonesuch;"), qr/nonesuch/],
	['SIP protocols', fed("$zone $home sip_ssl_protocols SSLv9;"),
		qr/"SSLv9"/],
	['SIP ciphers', fed("$zone $home sip_ssl_ciphers nonesuch;"),
		qr/nonesuch/],
	['confirm', fed("$zone $home confirm maybe;"), qr/invalid value "maybe"/],
	['chatstates', fed("$zone $home chatstates maybe;"),
		qr/invalid value "maybe"/],
	['chatstates_idle', fed("$zone $home chatstates_idle gone;"),
		qr/invalid value "gone"/],
	['chatstates_interval', fed("$zone $home chatstates_interval x;"),
		qr/"chatstates_interval" directive invalid value/],
	['stream_management', fed("$zone $home stream_management maybe;"),
		qr/invalid value "maybe" in "stream_management" directive/],
	['stream_bidi', fed("$zone $home stream_bidi maybe;"),
		qr/invalid value "maybe" in "stream_bidi" directive/],
	['stream_resume', fed("$zone $home stream_resume soon;"),
		qr/"stream_resume" directive invalid value/],
	['receipts', fed("$zone $home receipts maybe;"),
		qr/invalid value "maybe" in "receipts" directive/],
	['message_status', fed("$zone $home message_status 404;"),
		qr/value must be between 200 and 202/],
	['unavailable_status', fed("$zone $home unavailable_status 503;"),
		qr/invalid value "503", it must be 403 or 480/],
	['sip_host', fed("$zone $home sip_host gw.test:x;"),
		qr/invalid host "gw.test:x"/],
	(map { ["ocs_verification $_", fed("$zone $home ocs_verification $_;"),
		qr/invalid header field ".*", it must be as "name: value"/] }
		'on', '": x"', '"a b: x"', '"a:"', '"a: "', "\"a: \xc3\xa9\""),
	(map { ["ocs_verification $_", fed("$zone $home ocs_verification $_;"),
		qr/header field ".*" is one of SIP itself/] }
		'"content-length: 0"', '"l: 0"', '"Via: SIP/2.0/TLS a"'),
	(map { ["$_->[0] $_->[1]", fed("$zone $home $_->[0] $_->[1];"),
		qr/invalid value "$_->[1]"/] } ['ocs_record_route', 'both'],
		['ocs_contact', 'ip'], ['ocs_negotiate', '501'],
		['ocs_diagnostics', 'yes'], ['ocs_presence', 'xpidf'],
		['ocs_presence_note', 'maybe'],
		['ocs_presence_accept', 'xpidf'], ['ocs_pending', 'closed'],
		['ocs_subscribed', 'closed']),
	['times that contradict', fed("$zone $home transaction_timeout 10s; "
		. 'confirm_timeout 9s;'), qr/must be less than "transaction_timeout"/],
	['time', fed("$zone $home connect_timeout soon;"), qr/invalid value/],
	['reconnect_delay', fed("$zone $home reconnect_delay 5s 1s;"),
		qr/"reconnect_delay" directive invalid value/],
	['stanza_size', fed("$zone $home stanza_size 9999;"),
		qr/"stanza_size" .* too small: RFC 6120 has 10000/],
	['sip_header_size', fed("$zone $home sip_header_size 8k;"),
		qr/"sip_header_size" .* too small/],
	['xml_depth', fed("$zone $home xml_depth 1;"),
		qr/value must be between 4 and 1024/],
	['sasl_attempts', fed("$zone $home sasl_attempts 9;"),
		qr/value must be between 2 and 5/],
	['subscription_min over subscription_expires', fed("$zone $home "
		. 'subscription_expires 10m; subscription_min 11m;'), $expires],
	['subscription_min over its default', fed("$zone $home "
		. 'subscription_min 61m;'), $expires],
	['subscription_min over 1h', fed("$zone $home subscription_expires 2h; "
		. 'subscription_min 61m;'), $expires],
	['subscription_expires over subscription_max', fed("$zone $home "
		. 'subscription_expires 2h; subscription_max 1h;'), $expires],
	['subscription_max under the default', fed("$zone $home "
		. 'subscription_max 30m;'), $expires],
	['subscription_expires under 1s', fed("$zone $home "
		. 'subscription_expires 999ms; subscription_min 0;'), $expires],
	['resubscribe_delay', fed("$zone $home resubscribe_delay 5s 1s;"),
		qr/"resubscribe_delay" directive invalid value/],
	['resubscribe_delay 0', fed("$zone $home resubscribe_delay 0;"),
		qr/"resubscribe_delay" directive invalid value/],
	(map { ["refresh_rate $_", fed("$zone $home refresh_rate $_;"),
		qr/invalid rate "$_", it must be as "100r\/s"/] }
		qw!100 r/s 0r/s -1r/s 1.5r/s 10r/m 1000001r/s x!),
	(map { ["pair_dialogs $_", fed("$zone $home pair_dialogs $_;"),
		qr/value must be between 1 and 64/] } 0, 65),
	(map { ["$_ 0", fed("$zone $home $_ 0;"),
		qr/value must be between 1 and 1000000/],
		["$_ many", fed("$zone $home $_ many;"),
		qr/"$_" directive invalid number/] }
		qw/user_watchers user_contacts domain_subscriptions/),
	['invite_timeout under 1s', fed("$zone $home invite_timeout 999ms;"),
		qr/"invite_timeout" of federation "f" in .*:\d+ must be 1s/],
	['session_timeout under two invite_timeouts', fed("$zone $home "
		. 'invite_timeout 10s; session_timeout 19s;'),
		qr/and "session_timeout" twice that/],
	(map { ["ocs_accept_types $_", fed("$zone $home ocs_accept_types $_;"),
		qr/"ocs_accept_types" of federation "f" in .*:\d+ must be media/] }
		'""', 'text/html', '"text/plain\ntext/html"', '"text/plain "',
		'"text/plain text"'),
	['sessions 0', fed("$zone $home sessions 0;"),
		qr/value must be between 1 and 1000000/],
	(map { ["$_ soon", fed("$zone $home $_ soon;"),
		qr/"$_" directive invalid value/] } @times),
	(map { ["$_ twice", fed("$zone $home $_ 600s;\n$_ 600s;"),
		qr/"$_" directive is duplicate/] } @times),
	['refresh_rate twice', fed("$zone $home refresh_rate 1r/s; "
		. 'refresh_rate 1r/s;'), qr/"refresh_rate" directive is duplicate/],
	(map { ["$_ twice", fed("$zone $home $_ 8; $_ 8;"),
		qr/"$_" directive is duplicate/] }
		qw/pair_dialogs user_watchers user_contacts domain_subscriptions
		sessions/),
	['poll_wait without a value', fed("$zone $home poll_wait;"),
		qr/invalid number of arguments in "poll_wait" directive/],
	['state twice', fed("$zone $home state a; state b;"),
		qr/"state" directive is duplicate/],
	['state of another federation', fed("$zone $home state a;")
		. "\nfederation g { zone g 1m; $home state a; }", $same],
	['state without a path', fed("$zone $home state '';"),
		qr/"state" directive has an empty path/],
	['state with another parameter', fed("$zone $home state a size=1m;"),
		qr/invalid parameter "size=1m"/],
	(map { ["state with interval=$_", fed("$zone $home state a interval=$_;"),
		qr/invalid interval "interval=$_"/] } '', 0, 'x'),
	['permit', fed("$zone $home permit \$nonesuch;"),
		qr/unknown "nonesuch" variable/],
	['directive outside', $home, qr/"sip_domain" directive is not allowed here/],
	['unknown directive', fed("$zone $home foo;"), qr/unknown directive "foo"/],
);

$t->plan(@good + 2 * @bad);

for (@good) {
	my ($name, $conf) = @$_;
	my $out = check($t, $conf);
	like($out, qr/test is successful/, $name) or diag($out);
}

for (@bad) {
	my ($name, $conf, $re) = @$_;
	my $out = check($t, $conf);
	like($out, $re, $name);
	like($out, qr/\[emerg\].*(nginx.conf:\d+|no.crt|nonesuch)/,
		"$name - where") or diag($out);
}

###############################################################################

sub fed {
	return "\nfederation f { $_[0] }\n";
}

# what nginx -t says of a configuration

sub check {
	my ($t, $stream) = @_;

	$t->write_file_expand('nginx.conf', <<EOF);
%%TEST_GLOBALS%%
daemon off;
events {
}
stream {
    %%TEST_GLOBALS_STREAM%%
$stream
}
EOF

	local $ENV{LD_PRELOAD} = $ENV{TEST_NGINX_PRELOAD}
		if $ENV{TEST_NGINX_PRELOAD};

	return scalar `$binary -p $d/ -c nginx.conf -e error.log -t 2>&1`;
}

###############################################################################
