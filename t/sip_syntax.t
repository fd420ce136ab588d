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
	->has_daemon('openssl')->plan(117);

my $g = Test::Nginx::Gateway->new($t, federation => <<'EOF');
        sip_header_size 32k;
        sip_body_size 16k;
        sip_read_timeout 3s;
        link_events 2;
        xmpp_domain example.com server=127.0.0.1:%%PORT_8269%%;
        xmpp_domain example.net server=127.0.0.1:%%PORT_8269%%;
        xmpp_domain example.org server=127.0.0.1:%%PORT_8269%%;
EOF

$g->start(xmpp => { domains => ['x.test', 'example.com', 'example.net',
	'example.org'] });

my ($c, $n) = ($g->sip(), 0);

# header fields

is(code(X => "a\x0d\x0a b"), 202, 'folding'); # SP-03
is(raw(<<'EOF'), 202, 'compact and mixed'); # SP-02
MESSAGE sip:u@x.test SIP/2.0
v:SIP/2.0/TLS s.test;branch=z9hG4bK%b
T : <sip:u@x.test>
f: "a \"b\\" <sip:r@s.test>
 ; tag = 1
i: compact-%b
cSeQ: 000012
  MESSAGE
c: text/plain
k: foo
s: compact subject
a: b
y: z
l: 2

hi
EOF
is(last_stanza()->text('subject'), 'compact subject', 'compact - subject');

is(code('Content-Length' => undef, _closes => 1), 400,
	'no Content-Length'); # SP-05
is(code('Content-Length' => $_, _closes => 1), 400, "Content-Length $_")
	for '-1', 'x', '1x', '4294967298', '18446744073709551618'; # SP-06
is(code('Content-Length' => [2, 3], _closes => 1), 400,
	'two lengths'); # TT-42
is(code('Content-Length' => [2, 2]), 202, 'one length, twice');

$c->send("\x0d\x0a" x 3);
is(code(), 202, 'CRLF before a request'); # SP-01

is(line('MESSAGE  sip:u@x.test SIP/2.0'), 400, 'two spaces'); # SP-09
is(line('MESSAGE  SIP/2.0'), 400, 'no Request-URI');
is(line('MESSAGE <sip:u@x.test> SIP/2.0'), 400, 'angle brackets');
is(line('MESSAGE sip:u@x.test SIP/2.0 '), 400, 'trailing space');
is(line('MESSAGE sip:u@x.test; lr SIP/2.0'), 400, 'LWS in URI');
is(line('MESSAGE sip:u@x.test?Route=%3Csip:example.com%3E SIP/2.0'), 400,
	'headers in Request-URI'); # TT-24, ADR-19
is(line('MESSAGE sip:u@x.test SIP/7.0'), 505, 'version'); # SP-10
is(line('MESSAGE sip:u@x.test SIP/x'), 400, 'bad version');
is(line('MESSAGE sip:u@x.test sip/2.0'), 202, 'version in lower case');
is(line('MESSAGE sip:u@X.TEST.:5061;transport=tls SIP/2.0'), 202,
	'host in upper case, dot, port'); # ARC-03, SC-17

# methods

my $r = method('message');
is($r->code(), 501, 'method in lower case'); # SP-11
like($r->header('Allow'), qr/\bMESSAGE\b/, 'Allow');

my @methods = qw/CANCEL MESSAGE NOTIFY OPTIONS SUBSCRIBE/;

for (qw/REGISTER PUBLISH INVITE REFER UPDATE INFO PRACK BYE/) {
	$r = method($_);
	is($r->code(), 405, "$_ out of dialog"); # SP-30, PB-40
	is_deeply([methods($r)], \@methods, "$_ - Allow"); # ERR-18
}

$r = method('SUBSCRIBE');
is($r->code(), 489, 'SUBSCRIBE without Event'); # PB-05
is($r->header('Allow-Events'), 'presence', 'SUBSCRIBE - Allow-Events');

is(method('NOTIFY')->code(), 481, 'NOTIFY'); # PA-39
is(method('BYE', To => '<sip:u@x.test>;tag=1')->code(), 481, 'BYE in dialog');

$c->request('ACK', 'sip:u@x.test');
ok($c->silent(0.3), 'ACK'); # SP-12
$c->request('ACK', 'sip:u@x.test', From => 'x');
ok($c->silent(0.3), 'bad ACK');

# mandatory header fields

is(code($_ => undef), 400, "no $_") for qw/To From CSeq Call-ID/; # SP-13
$c->request('MESSAGE', 'sip:u@x.test', Via => undef, body => 'hi');
ok($c->eof_within(3), 'no Via');
$c = $g->sip();

is(code('Max-Forwards' => undef), 202, 'no Max-Forwards'); # SP-14
is(code('Max-Forwards' => 'x'), 202, 'bad Max-Forwards');
is(code('Max-Forwards' => '0'), 483, 'Max-Forwards 0'); # ARC-15

is(code(To => ['<sip:u@x.test>', '<sip:u@x.test>']), 400, 'two To'); # SP-15
is(code(From => ['<sip:r@s.test>;tag=1', '<sip:r@s.test>;tag=1']), 400,
	'two From');
is(code('Call-ID' => ['a', 'a']), 400, 'two Call-ID');
is(code('CSeq' => ['1 MESSAGE', '1 MESSAGE']), 400, 'two CSeq');
is(code('Max-Forwards' => [70, 70]), 400, 'two Max-Forwards');

is(code(CSeq => '4294967296 MESSAGE'), 400, 'CSeq number'); # SP-16
is(code(CSeq => '4294967295 MESSAGE'), 202, 'largest CSeq number');
is(code(CSeq => '7'), 400, 'CSeq without method');
is(code(CSeq => '7 OPTIONS'), 400, 'CSeq of another method');
is(method('NEWMETHOD', CSeq => '7 INVITE')->code(), 501,
	'mismatch of an unknown method'); # TT-31

is(line('MESSAGE nobodyKnowsThisScheme:content SIP/2.0'), 416,
	'unknown scheme'); # SP-17, TT-35
is(line('MESSAGE soap.beep://192.0.2.103:3002 SIP/2.0'), 416, 'novelsc');
is(line('MESSAGE tel:+1555 SIP/2.0'), 416, 'tel'); # ADR-20
is(line('MESSAGE im:u@x.test SIP/2.0'), 202, 'im');

$r = answer(Require => ['nothingSupportsThis, norThis', 'northis'],
	'Proxy-Require' => 'ignored');
is($r->code(), 420, 'Require'); # SP-18, TT-38
is($r->header('Unsupported'), 'nothingSupportsThis, norThis, northis',
	'Unsupported');
is(code('Proxy-Require' => 'a'), 202, 'Proxy-Require');

is(code(Date => 'Fri, 01 Jan 2010 16:00:00 EST', 'X-Foo' => 'bar',
	Authorization => 'NoOneKnowsThisScheme opaque-data=here',
	'C%6Fntact' => '<sip:a@b>'), 202, 'not needed'); # SP-19, TT-40

is(code(To => '"Mr. U <sip:u@x.test>'), 400, 'quotbal'); # SP-20, TT-19
is(code(To => '"U, U" < sip:u@x.test >'), 400, 'badaspec'); # TT-27
is(code(From => 'Bell, Alexander <sip:r@s.test>;tag=1'), 400, 'baddn');
is(code(From => 'caller<sip:r@s.test>;tag=1'), 202, 'lwsdisp'); # TT-06

$r = answer(From => '<sip:r@s.test>');
is($r->code(), 202, 'From without tag'); # SP-21
is($r->header('From'), '<sip:r@s.test>', 'no tag added');

$c->{strict} = 0;
is(code(From => "\"NUL:\\\0 DEL:\\\x7f\" <sip:r\@s.test>;tag=1"), 202,
	'NUL in a display name'); # SP-22
$c->{strict} = 1;
is(code('X-Bad' => "\xff\xfe"), 202, 'bad UTF-8 in an unused header');

$r = answer('Content-Encoding' => 'gzip');
is($r->code(), 415, 'Content-Encoding'); # SP-23
is($r->header('Accept-Encoding'), 'identity', 'Accept-Encoding');
is(code('Content-Type' => undef), 400, 'no Content-Type'); # SP-24
is(code('Transfer-Encoding' => 'chunked'), 202, 'chunked'); # SP-29

# Via

is(code(Via => 'SIP/2.0/UDP 192.0.2.15;;,;,,'), 400, 'badinv01'); # SP-28
is(code(Via => 'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK'), 400, 'badbranch');

my @via = ('SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw' . rand(),
	'SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf;odd="a,;b"',
	'SIP/2.0/UNKNOWN [2001:db8::9]:70;received=[2001:db8::9:255]',
	'SIP/2.0/TLS t3.example.com;ms-received-cid=A5, SIP/2.0/TCP t4');
$r = answer(Via => \@via);
is($r->code(), 202, 'transports'); # TT-10
is_deeply([map { s/;received=127\.0\.0\.1$//r } $r->all('Via')], \@via,
	'Via is copied');

# RFC 4475, what of it is of interest in a MESSAGE; all of it is in torture.t

is(line('MESSAGE sip:sips%3Auser%40example.com@example.net SIP/2.0'), 202,
	'esc01'); # TT-03
is(last_stanza()->attr('to'), 'sips\3auser\40example.com@example.net',
	'esc01 - to');
is(line('MESSAGE sip:user;par=u%40example.net@example.com SIP/2.0'), 202,
	'semiuri'); # TT-09
is(last_stanza()->attr('to'), 'user;par=u\40example.net@example.com',
	'semiuri - to');
is(code(From => '<sip:null-%00-null@s.test>;tag=1'), 403, 'escnull'); # TT-04
is(code(From => '<http://www.example.com>;tag=1', To => 'isbn:2983792873'),
	403, 'unksm2'); # TT-37
is(code(From => 'sip:r@s.test;gr=x;tag=1'), 202, 'addr-spec'); # ADR-26
is(last_stanza()->attr('from'), 'r@s.test', 'addr-spec - no resource');
is(code(From => '<sip:r@s.test;gr=x>;tag=1'), 202, 'name-addr');
is(last_stanza()->attr('from'), 'r@s.test/x', 'name-addr - resource'); # ADR-24
is(code(Expires => '1' . '0' x 40), 202, 'Expires'); # SEC-36

my @many = map { "SIP/2.0/TCP sip$_.example.com" } 1 .. 33;
$r = answer(Via => ['SIP/2.0/TLS s.test;branch=z9hG4bK' . rand(), @many],
	'Unknown-' . 'L' x 4000 => 'v' x 4000);
is($r->code(), 202, 'longreq'); # TT-07
is($r->all('Via') + 0, 34, 'longreq - Via');

is(code(To => ['sip:u@x.test', 'sip:other@example.net'],
	CSeq => ['5 MESSAGE', '59 MESSAGE']), 400, 'multi01'); # TT-41

# a stream: pipelined, split, limits

my @q = map { $c->build('MESSAGE', 'sip:u@x.test', body => "p$_") } 1 .. 10;
$c->send_raw(join '', map { $_->raw() } @q);
is((grep { $c->response_to($_)->code() == 202 } @q), 10, 'pipelined'); # SP-27

my $q = $c->build('MESSAGE', 'sip:u@x.test', body => 'split');
$c->send_split($q->raw(), 1);
is($c->response_to($q, 20)->code(), 202, 'octet by octet');

# while too much is open, the rest of a request is not read, nor missed

$g->{x}->set(ping_delay => 2);
@q = map { $c->build('MESSAGE', 'sip:u@x.test', body => "b$_") } 1 .. 3;
my $last = $q[2]->raw();
$c->send_raw($q[0]->raw() . $q[1]->raw() . substr($last, 0, 100));
Test::Nginx::Peers::idle(0.2);
$c->send_raw(substr($last, 100));
is((grep { my $r = $c->response_to($_); $r && $r->code() == 202 } @q[0, 1]), 2,
	'not read for a while');
$g->{x}->set(ping_delay => 0);
is($c->response_to($q[2])->code(), 202, 'read then');

is(code(_body => 'x' x 16384), 202, 'largest body'); # SP-08
is(code(_body => 'x' x 16385), 413, 'body over the limit');
is(code(), 202, 'body skipped');

$c->send("MESSAGE sip:u\@x.test SIP/2.0\x0d\x0a"
	. "Via: SIP/2.0/TLS s.test;branch=z9hG4bKlong\x0d\x0aX: " . 'x' x 70000);
is($c->response()->code(), 513, 'header over the limit');
ok($c->eof_within(3), 'header over the limit - closed');

$c = $g->sip();
$c->send("MESSAGE sip:u\@x.test SIP/2.0\x0d\x0aVia: ");
ok($c->eof_within(10), 'header timeout'); # SP-07, SEC-27

$c = $g->sip();
$q = $c->build('MESSAGE', 'sip:u@x.test', body => 'hi',
	'Content-Length' => 9999);
$c->send_raw($q);
ok($c->eof_within(10), 'clerr'); # TT-15

$c = $g->sip();
$c->send("GET / HTTP/1.1\x0d\x0aHost: a\x0d\x0a\x0d\x0a");
ok($c->eof_within(3), 'HTTP');

# responses that are none of ours: SP-26, TT-12, TT-13, TT-18, TT-32, TT-43

$c = $g->sip();

for my $status ('200 = 2**3 * 5**2 ' . "\xd0\xbd\xd0\xbe", '100 ', '100',
	'4294967301 better not break the receiver', '99 x', '700 x')
{
	$c->send("SIP/2.0 $status\x0d\x0a" . join("\x0d\x0a",
		'Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923',
		'Call-ID: unreason.1234', 'CSeq: 35 INVITE',
		'From: sip:user@example.com;tag=11141343',
		'To: sip:user@example.edu;tag=2229', 'Content-Length: 0', '', ''));
}

ok($c->silent(0.3), 'stray responses');
is(code(), 202, 'stray responses ignored');

undef $c;

$t->stop();

like($t->read_file('error.log'), qr/refused by 400: Bad Via/, 'logged');

###############################################################################

# the response to a MESSAGE with some header fields replaced

sub answer {
	my (%a) = @_;

	my $body = delete $a{_body} || 'hi';

	my $q = $c->build('MESSAGE', 'sip:u@x.test', body => $body, %a);
	$c->send_raw($q);

	return $c->{last} = $c->response(undef, final => 1);
}

sub code {
	my (%a) = @_;

	my $closes = delete $a{_closes};
	my $r = answer(%a);

	if ($closes) {
		return 'open' unless $c->eof_within(3);
		$c = $g->sip();
	}

	return $r && $r->code();
}

# a MESSAGE with another request line

sub line {
	my ($line) = @_;

	my $q = $c->build('MESSAGE', 'sip:u@x.test', body => 'hi')->raw();
	$q =~ s/^[^\x0d]*/$line/;
	$c->send($q);

	my $r = $c->response(undef, final => 1);

	return $r && $r->code();
}

sub method {
	my ($method, %a) = @_;

	$c->request($method, 'sip:u@x.test', %a);

	return $c->response(undef, final => 1);
}

# what a response allows

sub methods {
	my ($r) = @_;
	return sort split /,\s*/, $r->header('Allow') || '';
}

sub raw {
	my ($q) = @_;

	$n++;
	$q =~ s/%b/$n/g;
	$q =~ s/\n$//;
	$q =~ s/\n/\x0d\x0a/g;

	$c->send($q);

	my $r = $c->{last} = $c->response(undef, final => 1);

	return $r && $r->code();
}

sub last_stanza {
	return (grep { $_->name() eq 'message' } $g->{x}->seen())[-1];
}

###############################################################################
