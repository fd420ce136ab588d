#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for links of the dialect "ocs": what each message has, routes and Vias
# as an Access Edge makes them, and what it sends that is not for users.
# References are sections of ocs-wire.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::Gateway;
use Test::Nginx::Presence;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl');

my $d = $t->testdir();

my $g = Test::Nginx::Gateway->new($t, zone => '4m', sip => 'dialect=ocs',
	federation => <<'EOF_', stream => <<"EOF_");
        sip_host gw.test:5071;
        notify_interval 20ms;
        ocs_pending pending;
EOF_
    map \$federation_xmpp_user \$welcome {
        default    1;
        no\@x.test  0;
    }

    federation other {
        zone other 1m;

        ssl_certificate $d/gw.crt;
        ssl_certificate_key $d/gw.key;
        ssl_trusted_certificate $d/ca.crt;

        sip_domain s.test home server=127.0.0.1:%%PORT_8061%% dialect=ocs;
        xmpp_domain x.test server=127.0.0.1:%%PORT_8279%%;

        permit \$welcome;

        ocs_negotiate 200;
        ocs_diagnostics on;
        ocs_verification off;
        ocs_record_route off;
        ocs_contact user;
    }

    server {
        listen 127.0.0.1:%%PORT_8063%% ssl;
        ssl_client_certificate $d/ca.crt;
        ssl_verify_client on;
        sip_federation other;
    }
EOF_

$t->plan(10);

$g->start();

my $hub = Test::Nginx::Presence->new($g);
my ($x, $s, $xmpp) = ($g->{x}, $g->{s}, $g->xmpp());

my $VERIFIED = 'ms-source-verified-user=verified';
my $US = 'sip:gw.test:5071;transport=tls';
my $serial = 0;

# rows

case('5.1: an XMPP user watches', sub {
	my ($u, $r) = names();
	my $p = $hub->presentity($r);
	$xmpp->send("<presence type='subscribe' from='$u' to='$r'/>");
	my $d = $p->subscription();
	my $m = $d->request();

	is($m->header('ms-asserted-verification-level'), $VERIFIED,
		'SUBSCRIBE - verification');
	is($m->header('Record-Route'), "<$US;lr>", 'Record-Route');
	is($m->header('Contact'), "<$US>", 'Contact');
	is($m->header('From'), "<sip:$u>;tag=" . $m->from_tag(), 'From');

	# NOTIFY has our Contact for its Request-URI

	my $r1 = $d->notified('active', [{ id => 'ID-a', basic => 'open' }]);
	is($r1->code(), 200, 'NOTIFY');
	is($r1->header('ms-asserted-verification-level'), $VERIFIED,
		'response - verification');
	is($hub->told($u), "subscribed $r", 'subscribed');
	is($hub->told($u), "available $r/a", 'available');

	$xmpp->send("<presence type='unsubscribe' from='$u' to='$r'/>");
	$m = $d->next();
	is($m->header('Record-Route'), undef, 'refresh - no Record-Route');
	is($m->header('Contact'), "<$US>", 'Contact');
	is($m->header('Route'), undef, 'no Route to ourselves');
});

case('4.2, 5.1: the route is in the response, not in NOTIFY', sub {
	my ($u, $r) = names();
	my @rows = ("<$US;lr>;x=y", '<sip:p.s.test;lr;ms-route-sig=A%2f>;tag=Z');
	local $hub->{silent} = 1;
	my $p = $hub->presentity($r, answer => [200, 'Expires: 600',
		map { "Record-Route: $_" } '<sip:q.s.test;lr>', @rows]);
	$xmpp->send("<presence type='subscribe' from='$u' to='$r'/>");
	my $d = $p->subscription();
	is($d->notified('active', [{ id => 'ID-a', basic => 'open' }])->code(),
		200, 'NOTIFY');
	is($hub->told($u), "subscribed $r", 'subscribed');

	$xmpp->send("<presence type='unsubscribe' from='$u' to='$r'/>");
	my $m = $d->next();
	is($m->header('Route'), '<sip:p.s.test;lr;ms-route-sig=A%2f>, '
		. '<sip:q.s.test;lr>', 'Route, without ourselves');
	like($hub->forgive(), qr/Route/, 'that the scripted side does not expect');
});

case('5.1: a SIP user watches', sub {
	my ($u, $r) = names();
	my $w = $hub->watcher($u, from => "sip:$r", record_route =>
		['<sip:edge.s.test:5061;transport=tls;lr>']);
	my $res = $w->subscribe();

	is($res->header('ms-asserted-verification-level'), $VERIFIED,
		'response - verification');
	is(join('|', $res->all('Record-Route')), "<$US;lr>|"
		. '<sip:edge.s.test:5061;transport=tls;lr>', 'Record-Route');
	is($res->header('Contact'), "<$US>", 'Contact');

	my $n = $w->notify();
	is($n->header('ms-asserted-verification-level'), $VERIFIED,
		'NOTIFY - verification');
	is($n->header('Contact'), "<$US>", 'Contact');
	is($n->header('Record-Route'), undef, 'no Record-Route');
	is($n->header('Route'), '<sip:edge.s.test:5061;transport=tls;lr>',
		'Route');

	# a refresh has our Contact for its Request-URI

	is($w->refresh()->code(), 200, 'refresh');
	is($w->notify()->line(), 'pending', 'NOTIFY');
	is($w->unsubscribe()->code(), 200, 'end');
});

# what an Edge sends, as it was seen

case('4.1, 2.1, 5.1: SUBSCRIBE of OC 2007, signed routes, many Vias', sub {
	my ($u, $r) = names();
	my @rows = (
		'<sip:pool.s.test:5061;transport=tls;opaque=state:T:F:Ci.R3f0c00;lr;'
		. 'ms-route-sig=ckYeQsZ0vVrTq.3%2BAAA>;tag=33080DF1A7',
		'<sip:fe.s.test:5061;transport=tls;ms-fe=FE.s.test;opaque=state:F:Ci.'
		. 'Rabf6d00;lr;ms-route-sig=aBcD>;ms-rrsig="x, <y>";tag=Z1 ,'
		. '<sip:EDGE.s.test;LR>;ms-identity=a/b+c==',
	);
	my @vias = (
		'SIP/2.0/TLS 127.0.0.1:4231;branch=z9hG4bK0D6A9383.D119DEC5;'
		. 'branched=FALSE;ms-internal-info="dbizz, <...>AA"',
		'SIP/2.0/TLS 10.55.55.33:47696;branch=z9hG4bKC45BE092.1A435385;'
		. 'branched=FALSE;ms-received-port=47696;ms-received-cid=200',
		'SIP/2.0/TLS 10.55.55.22:4317;ms-received-port=4317;'
		. 'ms-received-cid=67F00',
		(map { "SIP/2.0/tls 10.78.251.$_:6410$_;ms-received-port=6410$_, "
			. "SIP/2.0/TLS  h$_.s.test ;branch=z9hG4bK$_" } 1 .. 6),
	);

	my $c = $g->sip();
	my $res = verbatim($c, <<"EOF_");
SUBSCRIBE sip:$u SIP/2.0
Record-Route: $rows[0]
FROM: "PIC Test (pic1) lcsent01"<sip:$r>;tag=dfac414f0f;epid=ce4ccd49ad
to: <sip:$u>
cseq: 1 SUBSCRIBE
CALL-ID: cecb8c21ba01462a90f2f7235673f2b9
VIA: $vias[0]
max-forwards: 68
Via: $vias[1]
ms-user-data: ms-publiccloud=true;ms-federation=true
via: $vias[2]
contact: <sip:$r;opaque=user:epid:XHiWcZA4TlaDkwMgksvyrQAA;gruu>
USER-AGENT: UCCP/2.0.6362.0 OC/2.0.6362.0 (Microsoft Office Communicator)
EVENT: presence
ACCEPT: application/msrtc-event-categories+xml, application/xpidf+xml, text/xml+msrtc.pidf, application/pidf+xml, application/rlmi+xml, multipart/related
Supported: com.microsoft.autoextend
Supported: ms-piggyback-first-notify
ms-edge-proxy-message-trust: ms-source-type=DirectPartner;ms-ep-fqdn=edge.s.test;ms-source-verified-user=verified;ms-source-network=federation
ms-keep-alive: UAC;hop-hop=yes
ms-asserted-verification-level: ms-source-verified-user=unverified
ms-split-domain-info: ms-traffic-type=SplitIntra
P-Asserted-Identity: "n"<sip:$r>,<tel:+420>
Record-Route: $rows[1]
@{[map { "v: $_\n" } @vias[3 .. $#vias]]}EXPIRES: 3600
CONTENT-LENGTH: 0
EOF_

	is($res->code(), 200, 'response');
	is(join("\n", $res->all('Via')), join("\n", @vias), 'Vias');
	is(join("\n", $res->all('Record-Route')), join("\n", "<$US;lr>", @rows),
		'Record-Route');
	is($res->header('From'), '"PIC Test (pic1) lcsent01"'
		. "<sip:$r>;tag=dfac414f0f;epid=ce4ccd49ad", 'From');
	unlike($res->raw(), qr/^ms-(?!asserted)/mi, 'nothing else of ms-');
	like($res->raw(), qr/^ms-asserted-verification-level: $VERIFIED\r$/m,
		'verification is ours');

	my ($n) = Test::Nginx::Peers::wait_until(sub {
		($hub->stray())[0] });
	is($n->uri(), "sip:$r;opaque=user:epid:XHiWcZA4TlaDkwMgksvyrQAA;gruu",
		'NOTIFY - Request-URI');
	is($n->header('Route'), join(', ', map { /(<sip:[^>]*>)/g } @rows),
		'Route has the URIs as they are');
	unlike($n->raw(), qr/^ms-(?!asserted)/mi, 'nothing else of ms-');
});

case('2.1: INVITE of Skype for Business, for a call, its Vias', sub {
	my ($u, $r) = names();
	my @vias = (
		'SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bK2DA3892F.D0429AA14DA5C5DB;'
		. 'branched=FALSE;ms-internal-info="dbizz...AA"',
		'SIP/2.0/TLS 192.168.66.57:37737;ms-received-port=37737;'
		. 'ms-received-cid=3E8A00');

	my $sdp = join("\r\n", 'v=0', 'o=- 0 0 IN IP4 192.168.66.57', 's=session',
		'c=IN IP4 192.168.66.57', 't=0 0', 'm=audio 5060 RTP/AVP 0', '');

	my $res = verbatim($g->sip(), <<"EOF_", $sdp);
INVITE sip:$u SIP/2.0
Record-Route: <sip:pool.s.test:5061;transport=tls;opaque=state:T:F:Ci.R3f0c00;lr;ms-route-sig=AAA>;tag=33080DF1
Via: $vias[0]
Max-Forwards: 69
Content-Length: @{[length $sdp]}
Via: $vias[1]
From: "user1"<sip:$r>;tag=9d5c2a38ba;epid=b84a59c035
To: <sip:$u>;epid=46c4b2d3ac
Call-ID: ce878a8bc0ca4c769ca729bc2f56a998
CSeq: 1 INVITE
Contact: <sip:$r;opaque=user:epid:hYnsEUpJhlGc0T-xd_I7vAAA;gruu>
Content-Type: application/sdp
history-info: <sip:$u>;index=1
EOF_

	is($res->code(), 488, 'refused');
	is(join("\n", $res->all('Via')), join("\n", @vias), 'Vias');
	like($res->header('To'), qr/^<sip:\Q$u\E>;epid=46c4b2d3ac;tag=\w+$/, 'To');
});

# between the two ends of a link

for my $form (405, 200) {
	case("5.2: NEGOTIATE, $form", sub {
		my $c = $form == 405 ? $g->sip() : other();
		my $res = verbatim($c, <<'EOF_');
NEGOTIATE sip:127.0.0.1:8062 SIP/2.0
Via: SIP/2.0/TLS 127.0.0.1:2616
CSeq: 1 NEGOTIATE
Call-ID: a1b2
From: <sip:edge.s.test>;tag=x1
To: <sip:127.0.0.1>
Compression: LZ77-8K
Max-Forwards: 0
Content-Length: 0
EOF_

		is($res->code(), $form, 'response');
		is($res->header('Compression'), $form == 200 ? 'None' : undef,
			'Compression');
		like($res->header('Allow'), qr/MESSAGE/, 'Allow') if $form == 405;
		is($res->header('Via'), 'SIP/2.0/TLS 127.0.0.1:2616', 'Via');

		is($c->transact('OPTIONS', 'sip:gw.test:5071')->code(), 200,
			'the link is kept');
	});
}

case('2.8: OPTIONS', sub {
	my $c = $g->sip();

	for my $uri ('sip:gw.test', 'sip:GW.test:5071;transport=tls',
		'sip:127.0.0.1:8062', 'sip:u@x.test', "$US")
	{
		my $res = $c->transact('OPTIONS', $uri, 'Max-Forwards' => 0);
		is($res->code(), 200, $uri);
		like($res->header('Allow'), qr/MESSAGE/, 'Allow');
	}
});

case('2.6: diagnostics', sub {
	my ($u, $r) = names();
	my $c = other();

	my $res = $c->transact('MESSAGE', "sip:$u", from => "sip:$r",
		body => 'hi');
	cmp_ok($res->code(), '>=', 500, 'nobody is there');
	is($res->header('ms-diagnostics-public'), '60' . $res->code() . ';reason="'
		. $res->reason() . '";source="gw.test"', 'MESSAGE');

	$res = $c->transact('SUBSCRIBE', "sip:$u", from => "sip:$r",
		headers => ['Event: dialog', 'Expires: 60']);
	is($res->header('ms-diagnostics-public'),
		'60489;reason="Bad Event";source="gw.test"', 'SUBSCRIBE');

	my $sdp = join("\r\n", 'v=0', 'o=- 0 0 IN IP4 192.0.2.1', 's=session',
		'c=IN IP4 192.0.2.1', 't=0 0', 'm=message 5060 sip null',
		'a=accept-types:text/plain', '');

	$res = $c->transact('INVITE', 'sip:no@x.test', from => "sip:$r",
		body => $sdp, content_type => 'application/sdp');
	is($res->header('ms-diagnostics-public'),
		'60403;reason="not permitted";source="gw.test"', 'INVITE');

	$res = $c->transact('SUBSCRIBE', "sip:$u", from => "sip:$r",
		headers => ['Event: presence', 'Expires: 60']);
	is($res->code(), 200, 'accepted');
	is($res->header('ms-diagnostics-public'), undef, 'not of a success');
	is($res->header('Contact'), "<sip:u$serial\@gw.test:5061;transport=tls>",
		'Contact with the user');
	unlike($res->raw(), qr/^(?:ms-|Record-Route)/mi, 'rows that are off');

	my $n = Test::Nginx::Peers::wait_until(sub {
		(grep { $_->call_id() eq $res->call_id() } $hub->stray())[0] });
	is($n->header('Contact'), $res->header('Contact'), 'NOTIFY - Contact');
	unlike($n->raw(), qr/^(?:ms-|Record-Route)/mi, 'rows that are off');
});

###############################################################################

is($hub->wrong(), '', 'dialogs are as they should be');

###############################################################################

# a connection into the federation "other"

sub other {
	return $g->sip(PeerAddr => '127.0.0.1:' . port(8063));
}

# sends text with lines that end in LF; the final response

sub verbatim {
	my ($c, $text, $body) = @_;

	$text =~ s/\n (?=\S)/\n/g;
	$text =~ s/\n/\r\n/g;
	$c->send_raw("$text\r\n" . ($body // ''));

	return $c->response(undef, final => 1);
}

sub names {
	$serial++;
	return ("u$serial\@x.test", "r$serial\@s.test");
}

###############################################################################
