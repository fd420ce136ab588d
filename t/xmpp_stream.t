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
use Test::Nginx qw/ :DEFAULT port /;
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
EOF

$g->start(xmpp => { domains => ['x.test', 'clear.test'] });

# the response header: XS-01, XD-01

my $c = connection();
my $f = $c->open();
my $h = $c->wait_header();

is($h->attr('from'), 's.test', 'header - from');
is($h->attr('to'), 'x.test', 'header - to');
is($h->attr('version'), '1.0', 'header - version');
is($h->attr('xml:lang'), 'en', 'header - xml:lang');
like($h->attr('id'), qr/^[0-9a-f]{32}$/, 'header - id');
is($h->ns(), 'http://etherx.jabber.org/streams', 'header - namespace');
is($h->{decls}{''}, 'jabber:server', 'header - default namespace');
is($h->{decls}{db}, 'jabber:server:dialback', 'header - dialback namespace');

# features before TLS: XS-13, XS-35

my $tls = $f->child('starttls', 'urn:ietf:params:xml:ns:xmpp-tls');
ok($tls, 'features - starttls');
ok($tls && $tls->child('required'), 'features - required');
is($f->child('mechanisms'), undef, 'features - no mechanisms before TLS');
is($f->child('dialback'), undef, 'features - no dialback before TLS');

my $l = $f->child('limits', 'urn:xmpp:stream-limits:0');
is($l && $l->text('max-bytes'), '20000', 'features - max-bytes');
is($l && $l->text('idle-seconds'), '3600', 'features - idle-seconds');

# after TLS: XS-02, XS-15, XD-01, XT-08

my $id = $c->stream_id();
ok($c->starttls(), 'TLS');
$f = $c->open();
isnt($c->stream_id(), $id, 'id is another one after TLS'); # XS-02
is($f->child('starttls'), undef, 'no starttls within TLS');
my $db = $f->child('dialback', 'urn:xmpp:features:dialback');
ok($db && $db->child('errors'), 'dialback with errors');
is($f->at('mechanisms/mechanism')->text(), 'EXTERNAL', 'EXTERNAL');

$id = $c->stream_id();
is($c->external(), 'success', 'authenticated');
$f = $c->open();
isnt($c->stream_id(), $id, 'id is another one after SASL');
ok($f, 'features after SASL');
is($f->child('mechanisms'), undef, 'no mechanisms after SASL');

$c->send($g->message('after all'));
is($g->{s}->wait_request()->body(), 'after all', 'stanza is taken');

# whitespace between stanzas: XS-32

$c->send(" \n\t " . $g->message('spaces') . "\r\n ");
is($g->{s}->wait_request()->body(), 'spaces', 'whitespace');

# byte by byte

$c->send_split($g->message('bytes'));
is($g->{s}->wait_request()->body(), 'bytes', 'byte by byte');

# CDATA and references are XML as well: XS-25

$c->send("<message from='u\@x.test' to='r\@s.test'>"
	. "<body><![CDATA[<b>]]>&#x26;&amp;</body></message>");
is($g->{s}->wait_request()->body(), '<b>&&', 'CDATA and references');

# an unknown element: XS-18, XS-50

$c->send("<foo xmlns='urn:x'><message xmlns='jabber:server'/></foo>"
	. "<r xmlns='urn:xmpp:sm:3'/>" . $g->message('unknown'));
is($g->{s}->wait_request()->body(), 'unknown', 'unknown elements');

# a prefix for the content namespace: XS-10

$c->send("<a:message xmlns:a='jabber:server' from='u\@x.test'"
	. " to='r\@s.test'><a:body>prefixed</a:body></a:message>"
	. $g->message('plain'));
is($g->{s}->wait_request()->body(), 'plain', 'prefixed stanza is ignored');

# names by the thousand: the parser is replaced on the way

$c->send(join('', map { "<message from='u\@x.test' to='r\@s.test'>"
	. "<x$_ xmlns='urn:y$_' a$_='1' b$_='2'/></message>" } 1 .. 4000)
	. $g->message('names'));
is($g->{s}->wait_request(20)->body(), 'names', 'many names');

# close: XS-22, XT-17

ok($c->close_stream(), 'close is answered');
is($c->{stream_error}, undef, 'close is no error');

$c = $g->xmpp();
$c->send(join('', map { $g->message("last $_") } 1 .. 10)
	. '</stream:stream>');
is(join(' ', map { $g->{s}->wait_request()->body() } 1 .. 10),
	join(' ', map { "last $_" } 1 .. 10), 'what came before the close');
ok($c->stream_closed(), 'close of the gateway');
ok($c->eof_within(5), 'connection is closed');
is($c->closed(), 'notify', 'close_notify');

# versions: XS-11, XS-12

is(header(version => undef)->stream_error(), 'unsupported-version',
	'no version');
is(header(version => 'abc')->stream_error(), 'unsupported-version',
	'version is no number');

for my $v (qw/ 1.1 2.0 1.10 01.0 /) {
	is(header(version => $v)->wait_header()->attr('version'), '1.0',
		"version $v");
}

# headers that are refused: XS-03, XS-04, XS-06, XS-07, XS-08

$c = header(to => 'nobody.test');
is($c->stream_error(), 'host-unknown', 'unknown host');
ok($c->wait_header(), 'unknown host - header');
ok($c->stream_closed(), 'unknown host - close');
ok($c->eof_within(5), 'unknown host - connection');

is(header(to => undef)->stream_error(), 'host-unknown', 'no host, two of them');
is(header(to => 'u@s.test')->stream_error(), 'improper-addressing',
	'to is no domain');
is(header(from => 'a b')->stream_error(), 'improper-addressing',
	'from is no domain');
is(header('xmlns:stream' => 'http://wrong/')->stream_error(),
	'invalid-namespace', 'wrong stream namespace');
is(header(xmlns => 'jabber:client')->stream_error(), 'invalid-namespace',
	'jabber:client');
is(header(xmlns => undef)->stream_error(), 'invalid-namespace',
	'no default namespace');

# other spellings: XS-09, XD-24

$c = connection();
$c->send("<s:stream xmlns:s='http://etherx.jabber.org/streams'"
	. " xmlns='jabber:server' to='S.TEST.' from='X.test' version='1.0'>");
ok($c->features(), 'another prefix');
is($c->wait_header()->attr('from'), 's.test', 'domain in capitals');
is($c->wait_header()->attr('to'), 'x.test', 'peer in capitals');

$c = connection();
$c->send("<stream xmlns='http://etherx.jabber.org/streams'"
	. " to='s.test' version='1.0'>");
ok($c->features(), 'no prefix');
is($c->wait_header()->attr('to'), undef, 'no from, no to'); # XS-01

# something else altogether

is(raw("GET / HTTP/1.1\r\n\r\n"), 'not-well-formed', 'HTTP');
is(raw("<foo/>"), 'bad-format', 'another root');

# XML that streams may not carry: XS-25

my $head = connection()->header_bytes();
is(raw("<!DOCTYPE a [<!ENTITY b 'c'>]>"), 'restricted-xml', 'DTD');

for (['<!-- comment -->', 'restricted-xml', 'comment'],
	['<?pi x?>', 'restricted-xml', 'processing instruction'],
	['<message>&foo;</message>', 'restricted-xml', 'entity'],
	['<message><!-- c --></message>', 'restricted-xml', 'comment within'],
	['<message><?pi x?></message>', 'restricted-xml', 'PI within'],

	# XS-26
	['<a></b>', 'not-well-formed', 'mismatched tags'],
	["<a b='1' b='2'/>", 'not-well-formed', 'duplicate attribute'],
	['<p:a/>', 'not-well-formed', 'undeclared prefix'],
	['<a>&#0;</a>', 'not-well-formed', 'character reference 0'],
	['<a>&#xFFFE;</a>', 'not-well-formed', 'character reference FFFE'],
	["<a>\x01</a>", 'not-well-formed', 'control character'],
	['text', 'bad-format', 'text between stanzas'],

	# XS-27
	["<a>\xc0\xaf</a>", 'unsupported-encoding', 'no UTF-8'],

	# XS-30
	['<a>' x 30, 'policy-violation', 'depth'],
	['<a ' . join(' ', map { "a$_='1'" } 1 .. 30) . '/>',
		'policy-violation', 'attributes'])
{
	is(raw($head . $_->[0]), $_->[1], $_->[2]);
}

is(raw("<?xml version='1.0' encoding='ISO-8859-1'?>"),
	'unsupported-encoding', 'encoding');
is(raw("\xff\xfe<\x00"), 'unsupported-encoding', 'UTF-16');

# too much before authentication, too slowly: XS-48

is(raw($head . '<a>' . 'x' x 9000), 'policy-violation', 'pre-auth octets');

$c = connection();
$c->send("<?xml version='1.0'?>");
is($c->stream_error(), 'connection-timeout', 'pre-auth time');
ok($c->wait_header(), 'pre-auth time - header');
ok($c->eof_within(5), 'pre-auth time - close');

# stanzas before authentication: XS-17

$c = connection();
$c->open();
$c->starttls();
$c->open();
$c->send($g->message('early'));
is($c->stream_error(), 'not-authorized', 'stanza too early');

# plaintext ahead of TLS: XS-14

$c = connection();
$c->open();
$c->send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
	. $g->message('injected'));
ok($c->eof_within(5), 'injection - closed');

# a handshake that is none: XS-16

$c = connection();
$c->open();
$c->send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
$c->expect('proceed');
my $n = length $c->{received};
$c->{raw_only} = 1;
$c->send("this is no ClientHello\n");
ok($c->eof_within(5), 'no handshake - closed');
unlike(substr($c->{received}, $n), qr/</, 'no handshake - no XML');

# addresses of stanzas: XS-19

for (["to='r\@s.test'", 'no from'], ["from='u\@x.test'", 'no to'],
	["from='' to='r\@s.test'", 'empty from'],
	["from='u\@x.test' to=''", 'empty to'],
	["from='\@x.test' to='r\@s.test'", 'malformed from'],
	["from='u\@x.test' to='r\@s.test/'", 'malformed to'])
{
	$c = $g->xmpp();
	$c->send("<message $_->[0]><body>x</body></message>");
	is($c->stream_error(), 'improper-addressing', $_->[1]);
}

# a localpart that is not allowed costs the message, not the stream: ADR-04

$c = $g->xmpp();
$c->send($g->message('bad', to => 'a b@s.test', id => 'bad'));
my $e = $g->{x}->stanza();
is($e && $e->condition(), 'jid-malformed', 'malformed localpart');
is($e && $e->attr('id'), 'bad', 'malformed localpart - id');

# domains: XS-23, XS-24, ARC-02, ARC-10, SEC-07

$c->send($g->message('x', to => 'r@elsewhere.test'));
is($c->stream_error(), 'host-unknown', 'to another domain');

for my $from ('u@y.test', 'u@sub.x.test', 'x.test.example') {
	$c = $g->xmpp();
	$c->send($g->message('x', from => $from));
	is($c->stream_error(), 'invalid-from', "from $from");
}

$c = $g->xmpp();
$c->send($g->message('x', to => 'r@other.test'));
is($c->stream_error(), 'invalid-from', 'pair was not proven'); # XD-19

# unknown stanzas: XS-18

$c = $g->xmpp();
$c->send("<foo from='u\@x.test' to='r\@s.test'/>");
is($c->stream_error(), 'unsupported-stanza-type', 'unknown stanza');
ok($c->stream_closed(), 'unknown stanza - close'); # XS-20
ok($c->eof_within(5), 'unknown stanza - connection');

# stanzas that are too big: XS-29

$c = $g->xmpp();
$c->send($g->message('x' x 19000));
$e = $g->{s}->wait_request();
is($e && length $e->body(), 19000, 'just not too big');
$c->send($g->message('x' x 20001));
is($c->stream_error(), 'policy-violation', 'too big');
ok($c->{stream_error}->child('stanza-too-big', 'urn:xmpp:errors'),
	'too big - why');

$c = $g->xmpp();
$c->send("<message a='" . 'x' x 25000);
is($c->stream_error(), 'policy-violation', 'endless start tag');

# the gateway's own header: XS-05

my ($first, $second, $third) = @{$g->{x}->conn()->{headers}};
is($first->attr('from'), undef, 'dialled - from before TLS');
is($second->attr('from'), 's.test', 'dialled - from after TLS');
is($second->attr('to'), 'x.test', 'dialled - to');
is($second->attr('version'), '1.0', 'dialled - version');
is($second->attr('id'), undef, 'dialled - no id');
ok($third, 'dialled - header after SASL');

# stanzas on the gateway's stream are ignored: XS-49

my $s = $g->{x}->conn();
$s->send($g->message('wrong way'));
ok(!$g->{s}->wait_request(0.5), 'streams are one-way');

# a stream error ends it, what comes then goes on another one: XS-21

my $sip = $g->sip();
is($sip->transact('MESSAGE', 'sip:u@x.test', body => 'a')->code(), 202,
	'before a stream error');
$g->{x}->send_stream_error($s, 'no-such-condition');
ok($s->eof_within(5), 'stream error received - closed');
is($sip->transact('MESSAGE', 'sip:u@x.test', body => 'b')->code(), 202,
	'after a stream error');
isnt($g->{x}->conn(), $s, 'another connection');

# the peer closes in good order: XS-22

$s = $g->{x}->conn();
$s->send('</stream:stream>');
$s->{sent_end} = 1;
ok($s->stream_closed(), 'peer closes - answered');
is($sip->transact('MESSAGE', 'sip:u@x.test', body => 'c')->code(), 202,
	'peer closes - another stream');

undef $sip;
undef $c;

Test::Nginx::Peers::stop($t);

###############################################################################

sub connection {
	return Test::Nginx::XMPP->connect(
		PeerAddr => '127.0.0.1:' . port(8270),
		from => 'x.test', to => 's.test', $g->{ca}->ssl('x'), @_);
}

# a connection with this header

sub header {
	my $s = connection();
	$s->header(@_);
	return $s;
}

# the stream error that these bytes cause

sub raw {
	my $s = connection();
	$s->send($_[0]);
	return $s->stream_error();
}

###############################################################################
