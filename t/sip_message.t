#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for the content of instant messages, dialect "simple": IM, ADR, SEC.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::Gateway;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(107);

my $g = Test::Nginx::Gateway->new($t, federation => <<'EOF', workers => 1);
        sip_domain small.test home server=127.0.0.1:%%PORT_8061%% name=s.test
                   message_size=1300;
        mirror_chat on;
EOF

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $xmpp = $g->xmpp();
my $c = $g->sip();
my ($m, $e, $r, $q, $small);

# XMPP to SIP: IM-01 to IM-04, IM-13, ADR-22, ADR-25

$m = to_sip("<body>gr\xc3\xbc\xc3\x9fe\nzwei</body>");
is($m->start_line(), 'MESSAGE sip:r@s.test SIP/2.0', 'request line');
is($m->header('To'), '<sip:r@s.test>', 'To');
like($m->header('From'), qr/^<sip:u\@x\.test;gr=res>;tag=\w{8,}$/, 'From');
is($m->header('Content-Type'), 'text/plain;charset=UTF-8', 'Content-Type');
is($m->body(), "gr\xc3\xbc\xc3\x9fe\x0d\x0azwei", 'body'); # IM-47
is($m->header('Content-Length'), 13, 'Content-Length'); # IM-02
is($m->header($_), undef, "no $_") for qw/Contact Subject Date
	Expires/; # IM-58
is($m->header('Content-Language'), 'en', 'language of the stream');

$m = to_sip('<body>a</body>', from => 'u@x.test');
like($m->header('From'), qr/^<sip:u\@x\.test>;tag=/, 'From, bare');
$m = to_sip('<body>a</body>', to => 'r@s.test/dev 1;x');
is($m->uri(), 'sip:r@s.test;gr=dev%201%3Bx', 'gr of the recipient'); # ADR-23
$m = to_sip('<body>a</body>', from => 'a;b@x.test', to => 'm\26m@s.test');
is($m->uri(), 'sip:m&m@s.test', 'reserved character'); # ADR-09
like($m->header('From'), qr/^<sip:a;b\@x\.test>;tag/, 'semicolon'); # ADR-25

# subject, language, delay: IM-05, IM-06, IM-57, SEC-10

$m = to_sip("<subject>hi &#13;&#10;Route: &lt;sip:evil.test&gt;\n\tx</subject>"
	. '<body>a</body>');
is($m->header('Subject'), 'hi Route: <sip:evil.test> x', 'Subject');
is($m->header('Route'), undef, 'no injection');
is(to_sip('<subject/><body>a</body>')->header('Subject'), undef,
	'empty subject');

for (['cs', 'cs'], ['es-419', 'es'], ['zh-Hans-CN', 'zh-Hans-CN'],
	['x', 'x'], ['1', undef], ['toolonglanguage', undef],
	["en&#13;&#10;X: y", undef])
{
	is(to_sip('<body>a</body>', 'xml:lang' => $_->[0])
		->header('Content-Language'), $_->[1], "language $_->[0]");
}

my $delay = "<delay xmlns='urn:xmpp:delay' stamp=";

is(to_sip("<body>a</body>${delay}'2002-09-10T23:08:25Z'/>")->header('Date'),
	'Tue, 10 Sep 2002 23:08:25 GMT', 'Date');
is(to_sip("<body>a</body>${delay}'2002-09-10T23:08:25.125+01:30'/>")
	->header('Date'), 'Tue, 10 Sep 2002 21:38:25 GMT', 'Date of a zone');
is(to_sip("<body>a</body>${delay}'yesterday'/>")->header('Date'), undef,
	'bad stamp');

# thread and Call-ID: IM-08 to IM-11

my $thread = 'e0ffe42b28561960c6b12b944a092794b9683a38';
my @m = map { to_sip("<thread>$thread</thread><body>$_</body>") } 1 .. 3;
is($m[0]->call_id(), $thread, 'thread is the Call-ID');
is($m[2]->call_id(), $thread, 'thread again');
cmp_ok($m[0]->cseq(), '<', $m[1]->cseq(), 'CSeq grows');
cmp_ok($m[1]->cseq(), '<', $m[2]->cseq(), 'CSeq grows again');
isnt(to_sip('<body>1</body>')->call_id(), to_sip('<body>2</body>')->call_id(),
	'no thread');

for my $odd ("a b", "\xc3\xbc", 'a@192.0.2.1', 'x' x 129, 'a&lt;b&gt;',
	"a&#13;&#10;&#13;&#10;BODY")
{
	my $one = to_sip("<thread>$odd</thread><body>a</body>");
	my $two = to_sip("<thread>$odd</thread><body>b</body>");
	my $id = $one->call_id();

	like($id, qr/^[0-9a-f]{32}$/, 'odd thread');
	is($two->call_id(), $id, 'odd thread, same Call-ID');

	$e = to_xmpp(call_id => $id);
	is(escape($e->text('thread')), $odd, 'odd thread comes back')
		unless $odd =~ /&#13/;
}

# SIP to XMPP: IM-30 to IM-34, ADR-24

$q = $c->build('MESSAGE', 'sip:u@x.test', body => "a\x0d\x0ab\x0dc\nd",
	content_type => 'Text/Plain ; charset="utf-8"', call_id => 'abc', cseq => 1234567890,
	headers => ['Subject: sub  ject', 'Content-Language: de, en',
	'Date: Sat, 13 Nov 2010 23:29:00 GMT']);
$c->send_raw($q);
is($c->response_to($q)->code(), 202, 'accepted');
$e = $x->stanza();
is($e->attr('from'), 'r@s.test', 'from');
is($e->attr('to'), 'u@x.test', 'to');
is($e->attr('type') || 'normal', 'normal', 'type');
is($e->attr('xml:lang'), 'de', 'xml:lang');
is($e->text('body'), "a\nb\nc\nd", 'body'); # IM-47
is($e->text('subject'), 'sub ject', 'subject');
is($e->text('thread'), 'abc', 'thread'); # IM-22
ok($e->attr('id'), 'id'); # IM-33
unlike($e->raw(), qr/1234567890/, 'no CSeq'); # IM-34
like($e->raw(), qr/'urn:xmpp:delay'[^>]* stamp='2010-11-13T23:29:00Z'/,
	'stamp');

$e = to_xmpp(headers => ['Date: ' . gm(time())]);
is($e->child('delay', 'urn:xmpp:delay'), undef, 'no delay now');

# Expires: IM-48

for (['Expires: 5', -10, 1], ['Expires: 5', -3600, 1], ['Expires: 50', -10, 0],
	['Expires: 0', undef, 0], ['Expires: x', -10, 0],
	['Expires: ' . '9' x 30, -3600, 1])
{
	my ($expires, $date, $delayed) = @$_;

	$e = to_xmpp(headers => [$expires, defined $date
		? 'Date: ' . gm(time() + $date) : ()]);
	is($e && defined $e->child('delay', 'urn:xmpp:delay') ? 1 : 0, $delayed,
		$expires . (defined $date ? ", Date $date" : ''));
}

# privacy: IM-22, ARC-22

$e = to_xmpp(call_id => 'abc@192.0.2.9');
my $hash = $e->text('thread');
unlike($e->raw(), qr/192\.0\.2\.9/, 'no address');
is(to_xmpp(call_id => 'abc@192.0.2.9')->text('thread'), $hash, 'stable');
is(to_sip("<thread>$hash</thread><body>a</body>")->call_id(), 'abc@192.0.2.9',
	'Call-ID comes back');
isnt(to_sip("<thread>$hash</thread><body>a</body>", from => 'v@x.test')
	->call_id(), 'abc@192.0.2.9', 'not to others');

# chat: IM-19, IM-35

$m = to_sip('<thread>chatty</thread><body>a</body>', type => 'chat');
is(to_xmpp(call_id => 'chatty')->attr('type'), 'chat', 'mirror_chat');
is(to_xmpp(call_id => 'chatty', from => 'sip:q@s.test')->attr('type')
	|| 'normal', 'normal', 'mirror_chat, somebody else');

# content: IM-40 to IM-43

for (['text/html', 415], ['image/png', 415], ['message/cpim', 415],
	['multipart/mixed;boundary=7a9cbec02ceef655', 400],
	['multipart/mixed', 400],
	['text/plain;charset=utf-16', 415], ['text/plain;charset=us-ascii', 202],
	['text', 400], ['text/plain;', 400])
{
	$r = $c->transact('MESSAGE', 'sip:u@x.test', body => 'a',
		content_type => $_->[0]);
	is($r->code(), $_->[1], "Content-Type $_->[0]");
	like($r->header('Accept'), qr!^text/plain!, 'Accept') # ERR-18
		if $_->[1] == 415;
}

# several parts, the octets of mpart01 among them: IM-41, TT-11

my %part = (
	text => "Content-Type: text/plain\x0d\x0a\x0d\x0aHello\x0d\x0a",
	html => "Content-Type: text/html\x0d\x0a\x0d\x0a<b>Hello</b>\x0d\x0a",
	binary => "Content-Type: application/octet-stream\x0d\x0a"
		. "Content-Transfer-Encoding: binary\x0d\x0a"
		. "Content-Disposition: attachment;handling=%s\x0d\x0a\x0d\x0a"
		. "0\x82\x01R\x06\x00\x00--\x0d\x0a--\x0d\x0a\x00\x0d\x0a",
);

for (['mixed', 415, 'text', 'required'], ['mixed', 202, 'text', 'optional'],
	['mixed', 415, 'text', 'html'], ['alternative', 202, 'text', 'html'],
	['alternative', 415, 'html'])
{
	my ($subtype, $code, @parts) = @$_;

	$r = $c->transact('MESSAGE', 'sip:u@x.test',
		content_type => "multipart/$subtype;boundary=7a9cbec02ceef655",
		body => join('', map { "--7a9cbec02ceef655\x0d\x0a"
			. ($part{$_} || sprintf($part{binary}, $_)) } @parts)
			. "--7a9cbec02ceef655--\x0d\x0a");
	is($r->code(), $code, "$subtype @parts");

	if ($code == 202) {
		1 while ($e = $x->stanza()) && $e->text('body') ne 'Hello';
		ok($e, "$subtype @parts - text");

	} else {
		like($r->header('Accept'), qr!multipart/mixed!,
			"$subtype @parts - Accept");
	}
}

is($c->transact('MESSAGE', 'sip:u@x.test', body => $_)->code(), 400,
	'not UTF-8') for "\xc0\xaf", "\xed\xa0\x80", "a\xff";
is($c->transact('MESSAGE', 'sip:u@x.test', content_type => 'text/plain',
	body => '')->code(), 400, 'empty');

1 while $x->stanza(0.2);

# what XML can not have, and what it has to escape: IM-45, IM-46

is(to_xmpp(body => "\x01\x02\x0b\x1ba")->text('body') =~ s/\xef\xbf\xbd//gr,
	'a', 'controls');
is(to_xmpp(body => "<&>'\"]]>")->text('body'), "<&>'\"]]>", 'escaped');

# size: IM-17, IM-18

$small = $g->xmpp(to => 'small.test');

$m = to_sip('<body>' . 'x' x 500 . '</body>', to => 'r@small.test');
my $rest = 1300 - length($m->raw()) + 500;
$m = to_sip('<body>' . 'x' x $rest . '</body>', to => 'r@small.test');
is($m && length($m->raw()), 1300, 'message_size');
$small->send($g->message('x' x ($rest + 1), to => 'r@small.test',
	id => 'big'));
$e = $x->stanza();
is($e && $e->condition(), 'policy-violation', 'over message_size');
is($e && $e->error_type(), 'modify', 'over message_size - type');
is(length(to_sip('<body>' . 'x' x 5000 . '</body>')->body()), 5000,
	'server= takes more');

undef $c;

###############################################################################

sub to_sip {
	my ($xml, %a) = @_;

	%a = (from => 'u@x.test/res', to => 'r@s.test', id => 'i' . rand(), %a);
	my $stream = $a{to} =~ /small/ ? $small : $xmpp;

	$stream->send('<message' . join('', map { " $_='$a{$_}'" } sort keys %a)
		. ">$xml</message>");

	return $s->wait_request();
}

sub to_xmpp {
	my (%a) = @_;

	my $q = $c->request('MESSAGE', 'sip:u@x.test', body => 'hi', %a);
	$c->response_to($q);

	return $x->stanza();
}

sub escape {
	my ($s) = @_;
	return Test::Nginx::XML::escape($s) =~ s/&quot;/"/gr;
}

sub gm {
	my @t = gmtime($_[0]);
	return sprintf('%s, %02d %s %d %02d:%02d:%02d GMT',
		(qw/Sun Mon Tue Wed Thu Fri Sat/)[$t[6]], $t[3],
		(qw/Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec/)[$t[4]],
		$t[5] + 1900, @t[2, 1, 0]);
}

###############################################################################
