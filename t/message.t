#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for messages, RFC 7572, 4 and 5: what crosses, and how.

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
	->has_daemon('openssl')->plan(235);
my $d = $t->testdir();

my $g = Test::Nginx::Gateway->new($t, stream => <<"EOF",
    federation chat {
        zone chat 1m;

        ssl_certificate $d/gw.crt;
        ssl_certificate_key $d/gw.key;
        ssl_trusted_certificate $d/ca.crt;

        sip_domain s.test home server=127.0.0.1:%%PORT_8061%% name=s.test;
        xmpp_domain x.test server=127.0.0.1:%%PORT_8269%%;

        mirror_chat on;
        confirm write;
    }

    server {
        listen 127.0.0.1:%%PORT_8271%%;
        xmpp_federation chat;
    }

    server {
        listen 127.0.0.1:%%PORT_8063%% ssl;
        ssl_client_certificate $d/ca.crt;
        ssl_verify_client on;
        sip_federation chat;
    }
EOF
	federation => <<'EOF');
        sip_domain small.test home server=127.0.0.1:%%PORT_8061%% name=s.test
                   message_size=1300;
        xmpp_domain small.x.test server=127.0.0.1:%%PORT_8269%%
                    message_size=2000;
        sip_body_size 128k;
        transaction_timeout 8s;
        confirm_timeout 4s;
EOF

$g->start(xmpp => { domains => ['x.test', 'small.x.test'] });

my ($x, $s) = ($g->{x}, $g->{s});
my $xmpp = $g->xmpp();
my $sip = $g->sip();
my ($m, $e, $r);

$x->link($xmpp);

# XMPP to SIP, the whole request: IM-01, IM-02, IM-03

$m = x2s($g->message("h\xc3\xa9llo", type => 'normal'));
is($m->method(), 'MESSAGE', 'method');
is($m->uri(), 'sip:r@s.test', 'request uri');
is($m->header('To'), '<sip:r@s.test>', 'to'); # IM-14
like($m->header('From'), qr/^<sip:u\@x\.test;gr=res>;tag=[0-9a-f]{8,}$/,
	'from'); # ADR-22, ST-13
is($m->header('Content-Type'), 'text/plain;charset=UTF-8', 'content type');
is($m->header('Content-Length'), 6, 'content length');
is($m->body(), "h\xc3\xa9llo", 'body');
is($m->header('Max-Forwards'), 70, 'max forwards'); # ARC-16
like($m->header('Via'), qr!^SIP/2\.0/TLS gw\.test(?::5061)?;branch=z9hG4bK!,
	'via'); # SC-18
unlike($m->call_id(), qr/[\@.]/, 'call id'); # ST-13, ARC-22
cmp_ok($m->cseq(), '<', 2 ** 31, 'cseq'); # ST-14

for my $name (qw/Contact Expires Date Subject Record-Route Route User-Agent/) {
	is($m->header($name), undef, "no $name"); # IM-13, IM-58
}

is(x2s($g->message('x', from => 'u@x.test'))->address('From'),
	'sip:u@x.test', 'from, bare'); # IM-03
is(x2s($g->message('x', to => 'r@s.test/dev1'))->uri(),
	'sip:r@s.test;gr=dev1', 'to, full'); # IM-04
is($m->address('To'), 'sip:r@s.test', 'to, full - To');

# other types are the same to SIP: IM-19, IM-24

for my $type (undef, qw/chat foo headline/) {
	my $other = x2s($g->message("h\xc3\xa9llo", type => $type));
	is(shape($other), shape($m), 'type ' . ($type // 'none'));
}

# or are not messages to one user: IM-20, IM-59

is(refused($g->message('x', type => 'groupchat', id => 'gc')),
	'service-unavailable', 'groupchat');
is(refused($g->message('x', to => 's.test', id => 'gw1')),
	'service-unavailable', 'to the gateway');
is(refused($g->message('x', to => 's.test/x', id => 'gw2')),
	'service-unavailable', 'to the gateway, full');

# subject: IM-05

is(x2s(with('<subject>a b</subject>'))->header('Subject'), 'a b', 'subject');
is(x2s(with("<subject>a\n  b&#13;&#10;&#9;c\n</subject>"))->header('Subject'),
	'a b c', 'subject, lines');
is(x2s(with("<subject>\xd0\x96 \xf0\x9f\x98\x80</subject>"))
	->header('Subject'), "\xd0\x96 \xf0\x9f\x98\x80", 'subject, UTF-8');
is(x2s(with('<subject/>'))->header('Subject'), undef, 'subject, empty');
is(x2s(with('<subject> &#10; </subject>'))->header('Subject'), undef,
	'subject, blank');
is(x2s(with("<subject xml:lang='de'>d</subject><subject>e</subject>"))
	->header('Subject'), 'e', 'subject, of several');
cmp_ok(length(x2s(with('<subject>' . 'y' x 9000 . '</subject>'))
	->header('Subject')), '<=', 1024, 'subject, long');

# language: IM-06, the stream's is "en"

my %lang = ('cs' => 'cs', 'en-GB' => 'en-GB', 'es-419' => 'es', '419' => undef,
	'' => undef, 'x-y' => 'x-y', 'de-Latn-1996' => 'de-Latn',
	'a b' => undef,
	"en&#13;&#10;Route: x" => undef);

is(x2s(with(''))->header('Content-Language'), 'en', 'language of the stream');

for my $lang (sort keys %lang) {
	is(x2s(with('', "xml:lang='$lang'"))->header('Content-Language'),
		$lang{$lang}, "language $lang");
}

# several bodies: IM-07

my $two = "<body xml:lang='de'>deutsch</body><body>other</body>";

$m = x2s(raw($two, "xml:lang='de'"));
is($m->body() . $m->header('Content-Language'), 'deutschde',
	'body in the language of the stanza');

$m = x2s(raw($two, "xml:lang='fr'"));
is($m->body() . $m->header('Content-Language'), 'otherfr', 'body without one');

$m = x2s(raw("<body xml:lang='de'>deutsch</body><body xml:lang='cs'>cesky"
	. '</body>', "xml:lang='fr'"));
is($m->body() . $m->header('Content-Language'), 'deutschde', 'first body');

# thread: IM-08, IM-11

my $uuid = '0e3141cd-80f2-4a2b-9f37-ab3a1c2bd0d8';
my @m = map { x2s(with("<thread>$uuid</thread>")) } 1 .. 3;
is(join(' ', map { $_->call_id() } @m), "$uuid $uuid $uuid", 'thread');
cmp_ok($m[0]->cseq(), '<', $m[1]->cseq(), 'cseq grows');
cmp_ok($m[1]->cseq(), '<', $m[2]->cseq(), 'cseq grows still');
isnt($m[0]->branch(), $m[1]->branch(), 'branches differ'); # IM-12, ST-12

# threads that Call-ID can not carry: IM-09, SEC-10

my %id;

for my $thread ('a b', "\xc5\xbd", "a&#13;&#10;Route: &lt;sip:evil.test&gt;",
	'a@b@c', 'x' x 200, 'a"b', 'a&#9;b')
{
	my ($first, $second) = map { x2s(with("<thread>$thread</thread>"))
		->call_id() } 1 .. 2;
	my $name = 'thread ' . substr($thread, 0, 20);

	like($first, qr/^[-\w.!%*+`'~]{16,128}$/, $name);
	is($second, $first, "$name - stable");

	# an answer restores it

	my $text = Test::Nginx::XML->parse("<t>$thread</t>")->text();
	is(s2x(call_id => $first)->text('thread'), $text, "$name - restored");

	$id{$first} = 1;
}

is(keys %id, 7, 'threads differ');

# to others it is another one: it must not tell who talks of the same thing

isnt(x2s($g->message('x', to => 'q@s.test')
	=~ s!</mess!<thread>a b</thread>$&!r)
	->call_id(), x2s(with('<thread>a b</thread>'))->call_id(),
	'thread of another pair');

# no thread: IM-10

@m = map { x2s(with('')) } 1 .. 2;
isnt($m[0]->call_id(), $m[1]->call_id(), 'no thread');
is(s2x(call_id => $m[0]->call_id())->text('thread'),
	s2x(call_id => $m[0]->call_id())->text('thread'),
	'no thread - stable in answers');

# what has no body: IM-25, IM-26, IM-55

for my $xml ('', '<body/>', "<body xmlns='a:b'>x</body>", "<x xmlns='a:b'/>",
	"<received xmlns='urn:xmpp:carbons:2'><forwarded "
	. "xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'>"
	. '<body>forged</body></message></forwarded></received>')
{
	my $n = () = $s->seen();
	$xmpp->send(raw($xml));
	is(x2s(with(''))->body(), 'x', "nothing of $xml");
	is((() = $s->seen()) - $n, 1, 'nothing sent');
}

# what else there is: IM-27

is(x2s(raw("<html xmlns='http://jabber.org/protocol/xhtml-im'><body "
	. "xmlns='http://www.w3.org/1999/xhtml'><b>bad</b></body></html>"
	. '<body>plain</body><body>second</body>'
	. "<encrypted xmlns='eu.siacs.conversations.axolotl'/>"))->body(),
	'plain', 'body only');

# text: all planes, line ends: IM-02, IM-47, SEC-32

my %text = (
	'&amp; &lt;a&gt; &quot;&apos; ]]&gt;' => q{& <a> "' ]]>},
	'<![CDATA[<b>&amp;]]>' => '<b>&amp;',
	"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbd"
		=> "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbd",
	'&#x1F600;&#233;' => "\xf0\x9f\x98\x80\xc3\xa9",
	"a\nb\r\nc\rd" => "a\r\nb\r\nc\r\nd",
	'a&#13;b&#13;&#10;c&#10;d' => "a\r\nb\r\nc\r\nd",
	"\n\n" => "\r\n\r\n",
	'  a  ' => '  a  ',
	'a&#9;b' => "a\tb",
	"\xe2\x80\xa8\xc2\x85" => "\xe2\x80\xa8\xc2\x85",
	"SIP/2.0 200 OK\nContent-Length: 0\n\n"
		=> "SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
);

for my $text (sort keys %text) {
	$m = x2s(raw("<body>$text</body>"));
	is($m->body(), $text{$text}, "text " . printable($text));
	is($m->header('Content-Length'), length $text{$text}, 'length');
}

# delay: IM-57

my %stamp = (
	'2002-09-10T23:08:25Z' => 'Tue, 10 Sep 2002 23:08:25 GMT',
	'2002-09-10T23:08:25.123+02:30' => 'Tue, 10 Sep 2002 20:38:25 GMT',
	'2002-09-10' => undef,
	'2002-09-10T23:08:25' => undef,
	"2002-09-10T23:08:25Z&#13;&#10;X: y" => undef,
	'9999999-09-10T23:08:25Z' => undef,
);

for my $stamp (sort keys %stamp) {
	$m = x2s(with("<delay xmlns='urn:xmpp:delay' from='x.test' "
		. "stamp='$stamp'/>"));
	is($m->header('Date'), $stamp{$stamp}, "stamp $stamp");
}

# success is silent, and so is what comes before it: IM-28, IM-29

$s->set(auto => sub {
	my ($m) = @_;
	$s->reply($m, $_) for 100, 180, 183;
	Test::Nginx::Peers::after(0.05, sub { $s->reply($m,
		$m->body() =~ /202/ ? 202 : 299); });
	return 0;
});

my $n = () = $x->seen();
is(x2s($g->message('202'))->body(), 202, 'provisional responses');
is(x2s($g->message('299'))->body(), 299, 'the next one');
is(x2s($g->message('last'))->body(), 'last', 'and another');
ok(Test::Nginx::Peers::wait_until(sub { 3 == grep {
	/ x2s .* 200 accepted/ } ($g->log())[-3 .. -1] }), 'all are accepted');
is((() = $x->seen()) - $n, 0, 'no stanza');

$s->set(auto => 200);

# order, to the bare address and to full ones: ARC-11

$xmpp->send(join '', map { $g->message("order $_", to => 'r@s.test'
	. ('', '/q', '/z')[$_ % 3]) } 1 .. 30);
is(join(' ', map { $s->wait_request()->body() } 1 .. 30),
	join(' ', map { "order $_" } 1 .. 30), 'order');

# sizes: IM-17, of the whole request

my $in = $g->xmpp(to => 'small.test');
my $len = length(small(100)->raw()) - 100;

# the length of CSeq must not change now

1 while small(100)->cseq() =~ /9[5-9]$/;

$m = small(1300 - $len);
is($m && length $m->raw(), 1300, 'size is reached');
$in->send($g->message('x' x (1301 - $len), to => 'r@small.test', id => 'big'));
is(error('big'), 'policy-violation modify', 'size is passed');
$in->send($g->message("\n" x 600, to => 'r@small.test', id => 'lines'));
is(error('lines'), 'policy-violation modify', 'size is passed by lines');

is(length x2s($g->message('y' x 60000))->body(), 60000, 'large'); # IM-18
$xmpp->send($g->message('y' x 66000, id => 'huge'));
is(error('huge'), 'policy-violation modify', 'too large');

# SIP to XMPP, the whole stanza: IM-30, IM-31, IM-32, IM-34

$e = s2x(body => 'hello', cseq => 77654, headers => ['Subject: a & b',
	'Content-Language: de, en', 'Organization: <o>'], call_id => 'abc-1',
	from => '"Display <b>" <sip:r@s.test;gr=dev>');
is($e->name(), 'message', 'message');
is($e->ns(), 'jabber:server', 'namespace');
is($e->attr('from'), 'r@s.test/dev', 'from');
is($e->attr('to'), 'u@x.test', 'to');
is($e->attr('type'), undef, 'type');
is($e->attr('xml:lang'), 'de', 'lang');
ok(length $e->attr('id'), 'id');
is($e->text('subject'), 'a & b', 'subject');
is($e->text('thread'), 'abc-1', 'thread');
is($e->text('body'), 'hello', 'body');
is(join(' ', map { $_->name() } $e->children()), 'subject thread body',
	'nothing else');
unlike($e->raw(), qr/77654|Display/, 'neither CSeq nor name'); # SEC-33

# a transaction each: IM-33

my $branch = 'z9hG4bK-same-1';
my @c = map { $g->sip(host => "h$_.s.test") } 1 .. 2;
my @e = map { s2x(via => $_, branch => $branch)->attr('id') } @c;
isnt($e[0], $e[1], 'ids differ');
unlike($e[0], qr/same/, 'id is not the branch');
undef @c;

# where it goes: ARC-03, ARC-05, IM-53

is(s2x(uri => 'sip:u@X.TEST:5061;transport=tcp')->attr('to'), 'u@x.test',
	'host with port');
is(s2x(to => 'sip:v@x.test')->attr('to'), 'u@x.test', 'To is another');
is(s2x(to => 'tel:+12345')->attr('to'), 'u@x.test', 'To is a tel');
is(s2x(uri => 'sip:u@x.test;gr=pda')->attr('to'), 'u@x.test/pda', 'full');

# Call-ID that tells an address: IM-22, ARC-22

my $id = 'f81d4fae@192.0.2.9';
$e = s2x(call_id => $id);
unlike($e->raw(), qr/192\.0|f81d4/, 'address in Call-ID');
my $thread = $e->text('thread');
ok(length $thread, 'thread instead');
is(s2x(call_id => $id)->text('thread'), $thread, 'thread is stable');

is(x2s(with("<thread>$thread</thread>"))->call_id(), $id,
	'answer has the Call-ID');

isnt(x2s($g->message('x', from => 'v@x.test')
	=~ s!</mess!<thread>$thread</thread>$&!r)->call_id(), $id,
	'only his answer has');

# mirror_chat is off: IM-35

$m = x2s($g->message('x', type => 'chat') =~ s!</mess!<thread>c</thread>$&!r);
is(s2x(call_id => 'c')->attr('type'), undef, 'chat is not mirrored');

# types of content: IM-30, IM-39 to IM-42, SP-23, SP-24

for my $type ('text/plain', 'TEXT/Plain ; Charset="utf-8"',
	'text/plain;charset=us-ascii', 'text/plain; format=flowed')
{
	is(s2x(content_type => $type)->text('body'), 'x', $type);
}

for my $type ('text/html', 'image/png', 'text/plain;charset=utf-16',
	'text/plain;charset=iso-8859-1', 'message/cpim', 'text/plainer',
	'application/im-iscomposing+xml', 'application/sdp')
{
	$r = send_sip(content_type => $type, body => "--b\r\nContent-Type: "
		. "text/plain\r\n\r\n<b>x</b>\r\n--b--\r\n");
	is($r->code(), 415, $type);
	like($r->header('Accept'), qr!^text/plain\b!, "$type - Accept");
}

for my $type ('multipart/mixed;boundary=b',
	'multipart/alternative;boundary="b"')
{
	is(s2x(content_type => $type, body => "--b\r\nContent-Type: "
		. "text/plain\r\n\r\n<b>x</b>\r\n--b--\r\n")->text('body'),
		'<b>x</b>', $type);
}

$r = send_sip(headers => ['Content-Encoding: gzip']);
is($r->code(), 415, 'gzip');
is($r->header('Accept-Encoding'), 'identity', 'gzip - Accept-Encoding');
is(s2x(headers => ['Content-Encoding: identity'])->text('body'), 'x',
	'identity');
is(send_sip('Content-Type' => undef)->code(), 400, 'no content type');
is(send_sip('Content-Type' => 'text')->code(), 400, 'bad content type');

# what is no text: IM-43

for my $bytes ("\xc0\xaf", "\xed\xa0\x80", "a\xe2\x82", "\xff", "\x80",
	"\xf4\x90\x80\x80")
{
	is(send_sip(body => $bytes)->code(), 400, 'not UTF-8 '
		. unpack('H*', $bytes));
}

# text: IM-45, IM-46, IM-47

%text = (
	'& <a> "\' ]]>' => '& <a> "\' ]]>',
	'</body></message>' => '</body></message>',
	'&amp;&#0;&lt;' => '&amp;&#0;&lt;',
	"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbd"
		=> "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbd",
	"a\r\nb\nc\rd\r\r\ne" => "a\nb\nc\nd\n\ne",
	"\ta  " => "\ta  ",
	"\xc2\x85\xe2\x80\xa8\x7f" => "\xc2\x85\xe2\x80\xa8\x7f",
	"\xef\xbb\xbfbom" => "\xef\xbb\xbfbom",
);

for my $text (sort keys %text) {
	is(s2x(body => $text)->text('body'), $text{$text},
		'text ' . printable($text));
}

my $cleaned = s2x(body => "a\x00\x01\x02\x08\x0b\x0c\x0e\x1bb\x1f\xef\xbf\xbe"
	. "c\xef\xbf\xbf")->text('body');
$cleaned =~ s/\xef\xbf\xbd//g;
is($cleaned, 'abc', 'controls');
is(s2x(headers => ["Subject: a\x01b]]>\xef\xbf\xbfc\xff"])->text('subject')
	=~ s/\xef\xbf\xbd//gr =~ s/ //gr, 'ab]]>c', 'controls in Subject');

# what is empty after that is no message

is(send_sip(body => "\x01\x02")->code() =~ /^[24]/ ? 'ok' : '', 'ok',
	'only controls');

# there and back

for my $text ("a\nb", '  <&>"\'  ', "\xf0\x9f\x91\x8d\xe2\x80\x8d") {
	my $back = s2x(body => x2s($g->message($text))->body())->text('body');
	is($back, $text, 'there and back');
}

# languages: IM-32

is(s2x(headers => ['Content-Language: '])->attr('xml:lang'), undef,
	'empty language');
is(s2x(headers => ["Content-Language: e'n>"])->attr('xml:lang'), undef,
	'bad language');

# Expires and Date are no obstacle: IM-48, SP-19

is(s2x(headers => ['Expires: 0'])->text('body'), 'x', 'Expires');
is(s2x(headers => ['Date: yesterday'])->text('body'), 'x', 'bad Date');
$e = s2x(headers => ['Date: Tue, 10 Sep 2002 23:08:25 GMT']);
is($e->text('body'), 'x', 'Date');
is($e->child('delay', 'urn:xmpp:delay')
	&& $e->child('delay', 'urn:xmpp:delay')->attr('stamp'),
	'2002-09-10T23:08:25Z', 'Date - delay');

# sizes, escaped: IM-49

is(length s2x(body => 'y' x 60000)->text('body'), 60000, 'large');
is(send_sip(body => '&' x 20000)->code(), 513, 'too large when escaped');
is(send_sip(body => 'y' x 66000)->code(), 513, 'too large');
is(send_sip(uri => 'sip:u@small.x.test', body => 'y' x 2000)->code(), 513,
	'too large for the domain');
is(s2x(uri => 'sip:u@small.x.test', body => 'y' x 1500)->attr('to'),
	'u@small.x.test', 'not too large for the domain');

# where it does not go: IM-60, ARC-04, ARC-06, ARC-15, IM-50, SP-18

$n = () = $x->seen();

is(send_sip(uri => 'sip:x.test')->code(), 404, 'no user');
is(send_sip(uri => 'sip:u@other.test')->code(), 404, 'not hosted');
is(send_sip(uri => 'sip:r@s.test')->code(), 404, 'reflection');

$r = send_sip(uri => 'sips:u@x.test');
is($r->code(), 480, 'sips');
like($r->header('Warning'), qr/^380 /, 'sips - Warning');
$r = send_sip(to => 'sips:u@x.test');
is($r->code(), 480, 'sips in To');
like($r->header('Warning'), qr/^380 /, 'sips in To - Warning');

is(send_sip('Max-Forwards' => 0)->code(), 483, 'Max-Forwards');
is(send_sip(To => '<sip:u@x.test>;tag=1')->code(), 481, 'To tag');

$r = send_sip(headers => ['Require: 100rel, foo', 'Require: bar']);
is($r->code(), 420, 'Require');
is($r->header('Unsupported'), '100rel, foo, bar', 'Require - Unsupported');

is((() = $x->seen()) - $n, 0, 'nothing sent');

# repetition: IM-51, ST-02, ST-07

my $q = $sip->build('MESSAGE', 'sip:u@x.test', body => 'again');
$x->set(pings => 0);
$sip->send_raw($q->raw() x 2);
ok($x->stanza(undef, 'message'), 'repeated');
$x->pong($x->stanza(undef, 'iq'));
$r = $sip->response_to($q);
$sip->send_raw($q);
my $again = $sip->response_to($q);
is($again && $again->raw(), $r->raw(), 'repeated - same response');
ok($sip->silent(0.1), 'repeated - two responses');
is((grep { ($_->text('body') // '') eq 'again' } $x->seen()), 1,
	'repeated - one stanza');

# the same by another way: IM-52

my $from = '<sip:r@s.test>;tag=f';
my @q = map { $sip->build('MESSAGE', 'sip:u@x.test', body => 'fork',
	call_id => 'fork', cseq => 5, from => $from) } 1 .. 2;
$sip->send_raw($_) for @q;
is($sip->response_to($q[1])->code(), 482, 'merged');
ok($x->stanza(undef, 'message'), 'merged - first one');
$x->pong($x->stanza(undef, 'iq'));
is($sip->response_to($q[0])->code(), 202, 'merged - its response');
$x->set(pings => 1);

# our own request comes back: ARC-14, SEC-03

$m = x2s($g->message('loop'));
is(send_sip(Via => ['SIP/2.0/TLS s.test;branch=z9hG4bKx', $m->header('Via')])
	->code(), 482, 'loop');

# an answer to a thread of chat is chat: IM-35

undef $in;
undef $sip;
$xmpp->close_stream();
undef $xmpp;

$xmpp = $g->xmpp(PeerAddr => '127.0.0.1:' . port(8271));
$sip = $g->sip(PeerAddr => '127.0.0.1:' . port(8063));
$x->link($xmpp);

for my $thread ($uuid, 'a b') {
	$m = x2s($g->message('x', type => 'chat')
		=~ s!</mess!<thread>$thread</thread>$&!r);
	is(s2x(call_id => $m->call_id())->attr('type'), 'chat',
		'chat is mirrored');
}

$m = x2s(with('<thread>n</thread>'));
is(s2x(call_id => 'n')->attr('type'), undef, 'normal is not mirrored');
is(s2x(call_id => $uuid, from => 'sip:q@s.test')->attr('type'), undef,
	'somebody else is not mirrored');

# language of the stream: IM-06

$xmpp->close_stream();
$xmpp = Test::Nginx::XMPP->connect(PeerAddr => '127.0.0.1:' . port(8270),
	from => 'x.test', to => 's.test', $g->{ca}->ssl('x'));
$xmpp->open();
$xmpp->starttls();
$xmpp->open('xml:lang' => 'pl');
is($xmpp->external(), 'success', 'new stream');
$xmpp->open('xml:lang' => 'cs');
is(x2s(with(''))->header('Content-Language'), 'cs',
	'language of another stream');

undef $sip;
undef $xmpp;

Test::Nginx::Peers::stop($t);

###############################################################################

# the request that comes of a message

sub x2s {
	my ($xml) = @_;

	1 while $s->wait_request(0);
	$xmpp->send($xml);

	return $s->wait_request() || $sip->build('NONE', 'sip:none');
}

# a message with a body and something else; with something only

sub with {
	my ($xml, $attrs) = @_;
	return raw("$xml<body>x</body>", $attrs);
}

sub raw {
	my ($xml, $attrs) = @_;
	$attrs //= '';

	return "<message from='u\@x.test/res' to='r\@s.test' $attrs>$xml"
		. '</message>';
}

# a request without what is different in each

sub shape {
	my $raw = $_[0]->raw();
	$raw =~ s/(tag|branch)=[-\w]+//g;
	$raw =~ s/(Call-ID|CSeq): [-\w]+//g;
	return $raw;
}

# a message for a domain that takes little, of some octets

sub small {
	my ($n) = @_;

	1 while $s->wait_request(0);
	$in->send($g->message('x' x $n, to => 'r@small.test'));

	return $s->wait_request();
}

# condition and type of the error with this id

sub error {
	my ($id) = @_;
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		($found) = grep { ($_->attr('id') // '') eq $id
			&& ($_->attr('type') // '') eq 'error' } $x->seen();
		return $found;
	});

	return $found && $found->condition() . ' ' . $found->error_type();
}

# the condition for what never gets to the SIP side

sub refused {
	my ($xml) = @_;
	my ($id) = $xml =~ /id='(\w+)'/;
	my $n = () = $s->seen();

	$xmpp->send($xml);
	my ($condition) = (error($id) // '') =~ /^(\S+)/;

	return (() = $s->seen()) == $n ? $condition : 'sent';
}

# the final response to a MESSAGE

sub send_sip {
	my (%a) = @_;

	my $c = delete $a{via} || $sip;
	my $uri = delete $a{uri} || 'sip:u@x.test';
	$a{body} = 'x' unless defined $a{body};

	return $c->transact('MESSAGE', $uri, %a)
		|| Test::Nginx::SIP::Message->parse("SIP/2.0 0 none\r\n\r\n");
}

# the stanza that comes of a MESSAGE

sub s2x {
	my (%a) = @_;

	1 while $x->stanza(0);
	my $r = send_sip(%a);

	return ($r->code() =~ /^2/ ? $x->stanza(undef, 'message') : undef)
		|| Test::Nginx::XML->parse('<none>' . $r->code() . '</none>');
}

sub printable {
	my ($text) = @_;
	$text =~ s/([^ -~])/sprintf('\\x%02x', ord $1)/ge;
	return substr($text, 0, 40);
}

###############################################################################
