#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for security: who may send as whom, what text can do on the other side
# and in logs, sizes and numbers, where the gateway may be sent.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::DNS;
use Test::Nginx::Gateway;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(107);
my $d = $t->testdir();

my %there = (
	'_sipfederationtls._tcp' => [[0, 0, port(8066), 'inside.test']],
	'_xmpp-server._tcp' => [[0, 0, port(8266), 'inside.test']],
);

my $dns = Test::Nginx::DNS->new($t, {
	(map { my $service = $_; map { ("$service.$_.test"
		=> { SRV => $there{$service} }) } qw/inner outer/ }
		keys %there),
	'inside.test' => { A => '127.0.0.1' },
});

my $g = Test::Nginx::Gateway->new($t, stream => <<"EOF",
    resolver 127.0.0.1:%%PORT_8053_UDP%% ipv6=off;

    log_format all '[\$federation_from|\$federation_to|\$federation_id|'
                   '\$federation_text|\$federation_body]';
    access_log $d/all.log all;

    federation inside {
        zone inside 1m;

        ssl_certificate $d/gw.crt;
        ssl_certificate_key $d/gw.key;
        ssl_trusted_certificate $d/ca.crt;

        sip_domain outer.test home name=s.test;
        xmpp_domain x.test server=127.0.0.1:%%PORT_8269%%;
        private_addresses on;
    }

    server {
        listen 127.0.0.1:%%PORT_8271%%;
        xmpp_federation inside;
    }
EOF
	federation => <<'EOF');
        sip_domain o.test server=127.0.0.1:%%PORT_8067%%;
        sip_domain inner.test home name=s.test;
        xmpp_domain y.test server=127.0.0.1:%%PORT_8269%%;
        xmpp_domain inner.x.test;
        default xmpp;
        confirm_timeout 1500ms;
        trying_timeout 500ms;
        transaction_timeout 3s;
        stanza_size 64k;
        sip_header_size 16k;
        sip_body_size 64k;
EOF

$g->{ca}->issue('o', cn => 'o.test', dns => 'o.test', uri => 'sip:o.test');
$g->{ca}->issue('y', cn => 'y.test', dns => 'y.test');

$dns->start();
$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $xmpp = $g->xmpp();
my $sip = $g->sip();
my ($m, $e, $r);

$x->link($xmpp);

# SIP: who sends must be of a domain of the peer's certificate: SEC-06, ARC-09

for my $from (qw/victim@o.test victim@other.test r@sub.s.test r@xs.test
	u@x.test v@y.test anonymous@anonymous.invalid
	r@s.test.evil.test s.test@o.test/)
{
	is(code(from => "sip:$from"), 403, "from $from");
}

is(code(from => 'sip:r@s.test', headers => ['P-Asserted-Identity: <sip:'
	. 'boss@s.test>', 'P-Preferred-Identity: <sip:boss@s.test>',
	'Remote-Party-ID: <sip:boss@s.test>', 'Identity: "x"',
	'Reply-To: <sip:boss@s.test>', 'Contact: <sip:boss@s.test>']), 202,
	'other identities');
is(stanza()->attr('from'), 'r@s.test', 'other identities - ignored');

# a certificate of another domain, or none: SC-09

my $o = $g->sip($g->{ca}->ssl('o'), from => 'sip:r@s.test');
is(code(via => $o, from => 'sip:r@s.test'), 403, 'certificate of another');

my $none = $g->sip(SSL_cert_file => undef, SSL_key_file => undef);
$none->request('MESSAGE', 'sip:u@x.test', body => 'x');
ok($none->eof_within(2), 'no certificate');
is((grep { $_->code() < 300 } @{$none->{responses}}), 0,
	'no certificate - nothing accepted');

# the response of another peer: SEC-09, ST-11

$s->set(auto => 0);
$xmpp->send($g->message('x', id => 'inject'));
$m = $s->wait_request();
$o->send($s->build_reply($m, 200));
$o->send($s->build_reply($m, 404));
Test::Nginx::Peers::idle(0.2);
$s->reply($m, 486);
is(error('inject')->condition(), 'recipient-unavailable',
	'response of another peer');
ok($t->read_file('error.log') =~ qr/SIP response .*"s\.test".* ignored/,
	'response of another peer - log');

# with another Via, with two: ST-10

$xmpp->send($g->message('x', id => 'via'));
$m = $s->wait_request();
$m->{conn}->send($s->build_reply($m, 200, undef,
	Via => $m->header('Via') =~ s/gw\.test/evil.test/r));
$m->{conn}->send($s->build_reply($m, 200, undef,
	Via => $m->header('Via') . ', SIP/2.0/TLS a;branch=z9hG4bKa'));
$m->{conn}->send($s->build_reply($m, 200, undef, CSeq => '9 MESSAGE'));
Test::Nginx::Peers::idle(0.1);
$s->reply($m, 404);
is(error('via')->condition(), 'item-not-found', 'response to somebody else');
$s->set(auto => 200);

# XMPP: who sends must be of the domain that is proven: SEC-07, ARC-02, ARC-10

my $n = () = $s->seen();

for (['y.test', 'invalid-from'], ['u@y.test', 'invalid-from'],
	['u@sub.x.test', 'invalid-from'], ['s.test', 'invalid-from'],
	['u@xx.test', 'invalid-from'], [undef, 'improper-addressing'],
	['', 'improper-addressing'])
{
	my ($from, $condition) = @$_;
	my $c = $g->xmpp();

	$c->send($g->message('x', from => $from));
	is($c->stream_error(), $condition, 'from ' . ($from // 'nobody'));
	ok($c->stream_closed(), 'stream is closed');
}

for (['a@other.sip.test', 'host-unknown'], ['r@o.test', 'invalid-from'],
	[undef, 'improper-addressing'])
{
	my ($to, $condition) = @$_;
	my $c = $g->xmpp();

	$c->send($g->message('x', to => $to));
	like($c->stream_error(), qr/^(?:$condition|host-unknown)$/,
		'to ' . ($to // 'nobody'));
}

is((() = $s->seen()) - $n, 0, 'nothing of that was sent');

# SIP header injection: SEC-10, SEC-16

my $evil = "x\r\nRoute: <sip:evil.test>\r\n\r\nMESSAGE sip:a\@b SIP/2.0\r\n";
my $xml = Test::Nginx::XML::escape($evil) =~ s/\r/&#13;/gr =~ s/\n/&#10;/gr;

$xmpp->send("<message from='u\@x.test/a&gt;;tag=1,&lt;sip:b\@c&gt;?Route=%3Cx' "
	. "to='r\@s.test/;lr;maddr=evil.test' id='$xml' xml:lang='$xml' "
	. "type='$xml'><subject>$xml</subject><thread>$xml</thread>"
	. "<body>$xml</body><delay xmlns='urn:xmpp:delay' stamp='$xml'/>"
	. '</message>');
$m = $s->wait_request();
is(join(' ', $m->names()), 'Via Max-Forwards From To Call-ID CSeq Subject'
	. ' Content-Type Content-Length',
	'header fields') or diag($m->raw());
is($m->uri(), 'sip:r@s.test;gr=%3Blr%3Bmaddr%3Devil.test', 'uri');
like($m->header('From'), qr/^<sip:u\@x\.test;gr=[^<>;,?]+>;tag=\w+$/, 'from');
is($m->body(), $evil, 'body');
is(sent('last')->body(), 'last', 'nothing behind it');

# the id of such a one is kept as it is

$s->set(auto => 404);
$xmpp->send($g->message('x', id => Test::Nginx::XML::escape(
	q{'><message from="a@s.test"/>})));
ok(error(q{'><message from="a@s.test"/>}), 'id with markup');
$s->set(auto => 200);

# XML injection, by each field: SEC-11, SEC-14; the peer's parser is strict

my $markup = q{</body></message><message from="boss@s.test">}
	. q{<body>'&amp;&#0;]]>};

$n = () = messages();
is(code(from => '"' . ($markup =~ s/"/\\"/gr) . '" <sip:r@s.test>',
	call_id => q{a</thread><b>'x}, body => $markup,
	headers => ["Subject: $markup", "Content-Language: e'><x",
	'Organization: <x>', "Date: $markup"]), 202, 'markup');

$e = stanza();
is($e->attr('from'), 'r@s.test', 'from');
is($e->text('body'), $markup, 'body');
is($e->text('subject'), $markup, 'subject');
is($e->text('thread'), q{a</thread><b>'x}, 'thread');
is(code(uri => "sip:%3Ca%3E%26%22%27\@x.test;gr=%3C%27%22%3E"), 202,
	'markup in the address');
is(stanza()->attr('to'), q{\3ca\3e\26\22\27@x.test/<'">}, 'to');
is((() = messages()) - $n, 2, 'two messages');

# no body harms the stream of all: SEC-14, IM-45

srand(1);

my $conns = () = $x->conns();
my @q = map {
	my $body = join '', map { rand() < 0.5 ? chr(rand(128))
		: chr(int(rand(0xd000)) + 1) } 1 .. 40;
	utf8::encode($body);
	$sip->build('MESSAGE', 'sip:u@x.test', body => $body);
} 1 .. 100;

$sip->send_raw(join '', map { $_->raw() } @q);
is((grep { ($sip->response_to($_) || $sip->build('NONE', 'sip:none'))->code()
	== 202 } @q), 100, 'any text');
is((() = $x->conns()) - $conns, 0, 'the stream lives on');

# HTML is text: SEC-31

is(code(body => '<img src=x onerror=alert(1)>'), 202, 'HTML as text');
unlike(stanza()->raw(), qr/<img/, 'HTML as text - escaped');
is(code(content_type => 'text/html', body => '<script>x</script>'), 415,
	'HTML');

# sizes: SEC-13, SP-06, SP-08

my $master = $t->read_file('nginx.pid');
my $workers = join " ", workers($master);

for my $length ('1073741824', '-1', '0x10', '1' . '0' x 30, '4294967297',
	'18446744073709551617', '5, 5', '')
{
	my $c = $g->sip();
	$c->send($c->build('MESSAGE', 'sip:u@x.test', body => 'hello',
		'Content-Length' => $length)->raw());
	$r = $c->response();
	like($r && $r->code(), qr/^(?:400|413|513)$/, "length $length");
	ok($c->eof_within(2), "length $length - closed");
}

for my $header ('X: ' . 'x' x 20000, "X: y\r\n" x 4000, 'Via: ' . 'a,' x 9000)
{
	my $c = $g->sip();
	$c->send("MESSAGE sip:u\@x.test SIP/2.0\r\n$header");
	ok($c->eof_within(2), 'header of ' . length($header));
}

my $c = $g->xmpp();
$c->send($g->message('x' x 70000));
is($c->stream_error(), 'policy-violation', 'large stanza');

$c = $g->xmpp();
$c->send('<message ' . join(' ', map { "a$_=''" } 1 .. 1000) . '/>');
is($c->stream_error(), 'policy-violation', 'many attributes');

# numbers: SEC-36, SP-16

my $big = '1' . '0' x 30;

is(code('CSeq' => '4294967295 MESSAGE'), 202, 'CSeq 2^32-1');
is(code('CSeq' => '4294967296 MESSAGE'), 400, 'CSeq 2^32');
is(code('CSeq' => "$big MESSAGE"), 400, 'CSeq is large');
is(code('CSeq' => '-1 MESSAGE'), 400, 'CSeq -1');
is(code(headers => ["Expires: $big"]), 202, 'Expires is large');
is(code(headers => ['Expires: -1']), 202, 'Expires -1');
like(code('Max-Forwards' => $big), qr/^(?:202|400)$/, 'Max-Forwards is large');
like(code('Max-Forwards' => '-1'), qr/^(?:202|400)$/, 'Max-Forwards -1');

$s->set(auto => sub { return (500, headers => ["Retry-After: $big"]) });
$xmpp->send($g->message('x', id => 'retry'));
ok(error('retry'), 'Retry-After is large');
$s->set(auto => 200);

is(join(" ", workers($master)), $workers, 'no worker died');

# nowhere by redirection: SEC-29, ERR-08, IM-54

$dns->clear();
$s->set(auto => sub { return (302, headers =>
	['Contact: <sip:r2@evil.test>', 'Contact: <sip:r2@s.test>']) });
$n = () = $s->seen();
$xmpp->send($g->message('x', id => 'redirect'));
is(error('redirect')->condition(), 'redirect', 'SIP redirection');
is((() = $s->seen()) - $n, 1, 'SIP redirection - not followed');
$s->set(auto => 200);

my $y = Test::Nginx::XMPP::Server->listen('127.0.0.1:' . port(8266),
	$g->{ca}->ssl('x'));

$_->close() for $x->conns();
$x->set(at => { header => sub {
	my ($c, undef, $x) = @_;
	$c->send($c->header_bytes(id => 'a') . '<stream:error><see-other-host '
		. "xmlns='urn:ietf:params:xml:ns:xmpp-streams'>evil.test:"
		. port(8266) . '</see-other-host></stream:error>'
		. '</stream:stream>');
	return 1;
} });
is(code(timeout => 8), 504, 'see-other-host');
is((grep { /evil/ } $dns->queries()), 0, 'no look for evil.test');
is((() = $y->conns()), 0, 'see-other-host - not followed');
$x->set(at => {});
ok(Test::Nginx::Peers::wait_until(sub { code() == 202 }), 'reconnected');

# DNS leads to an address of ours: SEC-34; the last one shows that it works

my $in = Test::Nginx::SIP::Server->listen('127.0.0.1:' . port(8066), tls => 1,
	$g->{ca}->ssl('s'), auto => 200);

my $inner = $g->xmpp(to => 'inner.test');
$inner->send($g->message('x', to => 'r@inner.test', id => 'inner'));
like(error('inner')->condition(), qr/^remote-server-/, 'private, SIP');
is(code(uri => 'sip:u@inner.x.test', timeout => 8) =~ /^[45]0[0-9]$/ ? 'ok'
	: '', 'ok', 'private, XMPP');
is((() = ($in->conns(), $y->conns())), 0, 'no connection');
ok($t->read_file('error.log') =~ /private/, 'private, log');

my $outer = $g->xmpp(PeerAddr => '127.0.0.1:' . port(8271),
	to => 'outer.test');
$outer->send($g->message('allowed', to => 'r@outer.test'));
is($in->wait_request()->body(), 'allowed', 'private_addresses on');

# what nobody asked for: SEC-30, ARC-13

$n = () = $s->seen();
my $seen = () = $x->seen();

$xmpp->send("<message type='error' id='$_' from='u\@x.test' to='r\@s.test'>"
	. "<body>x</body><error type='cancel'><item-not-found "
	. "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
	for '1', $e->attr('id'), 'z9hG4bK0', '0' x 40, "a&#10;b";
$xmpp->send("<iq type='result' id='1' from='x.test' to='s.test'/>"
	. "<iq type='error' id='2' from='u\@x.test' to='r\@s.test'/>"
	. "<message from='u\@x.test' to='r\@s.test'><received "
	. "xmlns='urn:xmpp:receipts' id='1'/></message>");
is(sent('after')->body(), 'after', 'unasked answers');
is((() = $s->seen()) - $n, 1, 'unasked answers - not sent');
is((() = $x->seen()) - $seen, 0, 'unasked answers - not answered');

# logs: SEC-35, IM-56

my $line = "\n2026/01/01 00:00:00 [alert] 1#1: forged";
my $escaped = $line =~ s/([^\w])/sprintf('%%%02X', ord $1)/ger;

code(from => "sip:forged$escaped%1B\@s.test");
code(from => "sip:f%22%1B\@o.test", call_id => 'forged"call');
code(uri => "sip:forged$escaped\@x.test");
code(body => 'top secret');

$s->set(auto => sub { return (404, "forged\e \"reason\"") });
$xmpp->send($g->message('top secret', id => 'log&#10;forged&quot;',
	from => 'u@x.test/&#xE2; [alert] "'));
ok(error("log\nforged\""), 'id with a line');
$s->set(auto => 200);

$c = Test::Nginx::XMPP->connect(PeerAddr => '127.0.0.1:' . port(8270),
	from => 'x.test', to => 's.test');
$c->send("<?xml version='1.0'?><stream:stream xmlns='jabber:server' "
	. "xmlns:stream='http://etherx.jabber.org/streams' "
	. "from='x&#10;forged&#x9b;' to='s&#10;forged' version='1.0'>");
ok($c->eof_within(2), 'domain with a line');

undef $_ for $sip, $xmpp, $o, $none, $inner, $outer, $c;

Test::Nginx::Peers::stop($t);

my $log = $t->read_file('error.log');
my $access = $t->read_file('all.log');

ok($log !~ /^forged|^2026\/01\/01|[\e\x9b]/m, 'error log');
unlike($access, qr/^[^\[]|[\e]/m, 'access log');
is((grep { !/\]$/ } split /\n/, $access), 0, 'access log - whole lines');
ok("$log$access" !~ /top secret/, 'no bodies');

# no address of a client and no password crosses: SEC-17, ARC-22

my $to_xmpp = join '', map { $_->raw() } $x->seen();
unlike($to_xmpp, qr/127\.0\.0\.1/, 'no address to XMPP');

my $to_sip = join '', map { $_->raw() } $s->seen();
unlike($to_sip, qr/127\.0\.0\.1/, 'no address to SIP');

###############################################################################

# the code of the final response to a MESSAGE

sub code {
	my (%a) = @_;

	my $c = delete $a{via} || $sip;
	my $uri = delete $a{uri} || 'sip:u@x.test';

	1 while $x->stanza(0);

	my $r = $c->transact('MESSAGE', $uri, to => 'sip:u@x.test',
		body => 'x', %a);

	return $r ? $r->code() : 'no response';
}

sub messages {
	return grep { $_->name() eq 'message' } $x->seen();
}

sub stanza {
	return $x->stanza(undef, 'message')
		|| Test::Nginx::XML->parse('<none/>');
}

# the request of a message with this body

sub sent {
	my ($body) = @_;

	$xmpp->send($g->message($body));

	while (my $m = $s->wait_request()) {
		return $m if $m->body() eq $body;
	}

	return $sip->build('NONE', 'sip:none');
}

# the error with this id

sub error {
	my ($id) = @_;
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		($found) = grep { ($_->attr('id') // '') eq $id
			&& ($_->attr('type') // '') eq 'error' } $x->seen();
		return $found;
	});

	return $found || Test::Nginx::XML->parse('<none/>');
}

sub workers {
	my ($master) = @_;
	chomp $master;
	return split ' ', `cat /proc/$master/task/$master/children`;
}

###############################################################################
