#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for SIP transactions and for what a UAS says: ST, ERR, SEC-09.

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
	->has_daemon('openssl')->plan(80);

my $g = Test::Nginx::Gateway->new($t, federation => <<'EOF', workers => 1);
        trying_timeout 300ms;
        transaction_timeout 2s;
        confirm_timeout 1s;
        xmpp_domain stalled.test server=127.0.0.1:%%PORT_8067%%;
        pair_queue 3;
EOF

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $c = $g->sip();
my ($q, $r, $m, $e);

# responses: ST-07, ST-09

$q = $c->build('MESSAGE', 'sip:u@x.test', body => 'hi',
	Via => 'SIP/2.0/TLS s.test:5070;rport;branch=z9hG4bKrport1;alias,'
	. ' SIP/2.0/TCP a.s.test');
$c->send_raw($q);
$r = $c->response_to($q);
is($r->code(), 202, 'accepted');
is($r->header($_), $q->header($_), "$_ is copied") for qw/From Call-ID CSeq/;
like($r->header('To'), qr/^<sip:u\@x\.test>;tag=\w{8,}$/, 'To tag');
is($r->header('Via') =~ s/rport=\d+;/rport=N;/r, 'SIP/2.0/TLS s.test:5070;'
	. 'rport=N;branch=z9hG4bKrport1;alias;received=127.0.0.1,'
	. ' SIP/2.0/TCP a.s.test', 'received and rport');
is($r->header('Content-Length'), 0, 'no body'); # IM-36
is($r->header('Contact'), undef, 'no Contact');
is($r->header('Record-Route'), undef, 'no Record-Route');

# retransmission: ST-02, IM-51

$x->stanza();
$c->send_raw($q);
is($c->response_to($q)->raw(), $r->raw(), 'repeated, same final');
is($x->stanza(0.3), undef, 'repeated, no second stanza');

# branch, sent-by, identity: ST-01

is(send_via('SIP/2.0/TLS a.s.test;branch=z9hG4bKsame'), 202, 'branch');
is(send_via('SIP/2.0/TLS A.s.test:5061;branch=z9hG4bKsame'), 202,
	'same sent-by');
is(delivered(), 1, 'same transaction');
is(send_via('SIP/2.0/TLS b.s.test;branch=z9hG4bKsame'), 202, 'other sent-by');
is(delivered(), 1, 'other transaction');
is(send_via('SIP/2.0/TLS b.s.test;branch=1'), 202, 'RFC 2543');
is(send_via('SIP/2.0/TLS b.s.test;branch=1'), 202, 'RFC 2543, other Call-ID');
is(delivered(), 2, 'RFC 2543, two transactions');

# 100 Trying, and a final before the client gives up: ST-05, ST-06, ERR-15

$x->set(pings => 0);

$q = $c->build('MESSAGE', 'sip:u@x.test', body => 'stalled',
	headers => ['Timestamp: 54'], From => '<sip:r@s.test>;tag=fork',
	call_id => 'fork', cseq => 7);
$c->send_raw($q);
$r = $c->response();
is($r->code(), 100, 'trying');
is($r->header('Timestamp'), '54', 'trying - Timestamp');
is($r->header('To'), $q->header('To'), 'trying - no To tag');

# while it is open

$c->send_raw($q);
is($c->response()->code(), 100, 'repeated while open'); # ST-02
$r = $c->transact('MESSAGE', 'sip:u@x.test', body => 'stalled',
	From => '<sip:r@s.test>;tag=fork', call_id => 'fork', cseq => 7);
is($r->code(), 482, 'merged'); # IM-52

# CANCEL: ST-16

$r = $c->transact('CANCEL', 'sip:u@x.test', branch => $q->branch(),
	call_id => 'fork', cseq => 7);
is($r->code(), 200, 'CANCEL');
$r = $c->transact('CANCEL', 'sip:u@x.test');
is($r->code(), 481, 'CANCEL of nothing');

$r = $c->response_to($q, 5);
is($r && $r->code(), 504, 'final in time');
ok($c->silent(0.7), 'nothing late');
$c->send_raw($q);
is($c->response()->raw(), $r->raw(), 'same final again');

$x->pong($_) for $x->pings();
$x->set(pings => 1);
delivered();

# the other side does not even shake hands

my $stalled = Test::Nginx::XMPP::Server->listen('127.0.0.1:' . port(8067),
	domains => ['stalled.test'], at => { connect => 'stall' });

$r = $c->transact('MESSAGE', 'sip:u@stalled.test', body => 'hi');
is($r && $r->code(), 504, 'final in time, no stream');
undef $stalled;

# OPTIONS: ST-17, SEC-28

for my $uri (qw/sip:x.test sip:u@x.test sip:nobody@x.test sip:127.0.0.1/) {
	$r = $c->transact('OPTIONS', $uri, from => 'sip:ping@anything.test',
		'Max-Forwards' => 0);
	is($r->code(), 200, "OPTIONS $uri");
	is(join(' ', map { $_ . ':' . $r->header($_) } qw/Allow
		Allow-Events Accept Accept-Encoding Accept-Language Supported/),
		'Allow:OPTIONS, MESSAGE, SUBSCRIBE, NOTIFY, CANCEL'
		. ' Allow-Events:presence Accept:text/plain;charset=UTF-8,'
		. ' multipart/alternative, multipart/mixed'
		. ' Accept-Encoding:identity Accept-Language:en Supported:',
		"OPTIONS $uri - capabilities");
}

is($c->transact('OPTIONS', 'sip:u@elsewhere.test')->code(), 404,
	'OPTIONS elsewhere');
is($c->transact('OPTIONS', 'sip:u@x.test', headers => ['Require: x'])->code(),
	420, 'OPTIONS with Require');

# ST-19, ARC-06, IM-60, SD-04

is($c->transact('MESSAGE', 'sip:u@x.test', to => '<sip:u@x.test>;tag=1',
	body => 'hi')->code(), 481, 'To tag');

for my $a (['sips:u@x.test'], ['sip:u@x.test', to => 'sips:u@x.test']) {
	$r = $c->transact('MESSAGE', @$a, body => 'hi');
	is($r->code(), 480, 'sips');
	like($r->header('Warning'), qr/^380 /, 'sips - Warning');
}

is($c->transact('MESSAGE', 'sip:x.test', body => 'hi')->code(), 404,
	'no user');
is($c->transact('MESSAGE', 'sip:u@x.test', body => 'routed',
	headers => ['Route: <sip:gw.test;lr>'])->code(), 202, 'Route');
is($x->stanza()->text('body'), 'routed', 'Route - delivered');
is($c->transact('MESSAGE', 'sip:u@x.test', to => 'sip:v@x.test',
	body => 'to')->code(), 202, 'To of another user'); # ARC-05
is($x->stanza()->attr('to'), 'u@x.test', 'Request-URI counts');

# errors that bounce: ERR-10, ERR-11, ERR-12, ERR-17, ERR-21

$x->set(bounce => {
	'no@x.test' => 'item-not-found',
	'su@x.test' => 'service-unavailable',
	'fni@x.test' => 'feature-not-implemented',
	'rc@x.test' => ['wait', 'resource-constraint'],
	'gone@x.test' => 'gone',
	'text@x.test' => ['auth', 'forbidden', "<text xmlns='urn:ietf:params:xml:"
		. "ns:xmpp-stanzas'>no\r\nX: &lt;y&gt; \"\xc3\xbc\"</text>"],
});

is(code('no@x.test'), 604, 'item-not-found');
is(code('no@x.test;gr=a'), 404, 'item-not-found of a full JID');
is(code('su@x.test'), 403, 'service-unavailable');
is(code('fni@x.test'), 501, 'feature-not-implemented');
is(code('fni@x.test;gr=a'), 405, 'feature-not-implemented of a full JID');
is($c->{last}->header('Allow'), 'OPTIONS, SUBSCRIBE, NOTIFY, CANCEL',
	'Allow without MESSAGE');
is(code('rc@x.test'), 500, 'resource-constraint');
like($c->{last}->header('Retry-After'), qr/^\d+$/, 'Retry-After');
is(code('gone@x.test'), 410, 'gone');
is(code('text@x.test'), 603, 'text');
is($c->{last}->reason(), "no X: 'y' '\xc3\xbc'", 'text is a reason phrase');

delivered();

# our requests: ST-12, ST-13, ST-14, SP-25, IM-12, SC-11, SC-17, SC-18

my $xmpp = $g->xmpp();
my %seen;

$xmpp->send(join '', map { $g->message("m$_", id => 'same',
	to => "r$_\@s.test") } 1 .. 50);

for (1 .. 50) {
	$m = $s->wait_request() or last;
	$seen{$_}++ for $m->branch(), 'tag ' . $m->from_tag(),
		'id ' . $m->call_id();
	$seen{bad}++ if $m->cseq() >= 2 ** 31 || $m->call_id() =~ /\@/
		|| $m->header('Via')
			!~ m!^SIP/2\.0/TLS gw\.test;branch=z9hG4bK\w+;alias$!;
}

is(keys %seen, 150, 'branches, tags, Call-IDs');
unlike($m->raw(), qr/transport=tls|Contact|Route:/i, 'not in a MESSAGE');
is($m->header('Max-Forwards'), 70, 'Max-Forwards'); # ARC-16

# one that comes back: ARC-14

for my $via ([$m->header('Via')], ['SIP/2.0/TLS s.test;branch=z9hG4bKback',
	$m->header('Via')])
{
	$r = $c->transact('MESSAGE', 'sip:u@x.test', body => 'back',
		Via => $via);
	is($r->code(), 482, 'loop');
}

is($c->transact('MESSAGE', 'sip:u@x.test', body => 'back',
	Via => ['SIP/2.0/TLS s.test;branch=z9hG4bKforth',
	'SIP/2.0/TLS gw.test;branch=z9hG4bKnotours'])->code(), 202, 'no loop');
delivered();

# final responses: 1xx, errors, two of them: IM-29, ERR-01, ERR-25

$s->set(auto => { 'r180@s.test' => 0, default => 200, map {
	("r$_\@s.test" => $_) } qw/404 480 486 603 500 699/ });

$xmpp->send($g->message('x', id => 'r180', to => 'r180@s.test'));
$m = $s->wait_request(undef, 'MESSAGE');
$s->reply($m, 180);
is($x->stanza(0.3), undef, 'provisional');
$s->reply($m, 200);
$s->reply($m, 404);
is($x->stanza(0.3), undef, '200, and a second final');

for (['404', 'item-not-found'], ['480', 'recipient-unavailable'],
	['500', 'internal-server-error'], ['699', 'recipient-unavailable'])
{
	$xmpp->send($g->message('x', id => "e$_->[0]", to => "r$_->[0]\@s.test"));
	$e = $x->stanza();
	is($e && $e->condition(), $_->[1], "status $_->[0]");
}

# what is no answer to it: ST-10, ST-11, SEC-09

$s->set(auto => 0);

$xmpp->send($g->message('x', id => 'f1', to => 'f@s.test'));
1 while ($m = $s->wait_request())->body() ne 'x' || $m->uri() !~ /:f\@/;

my $other = Test::Nginx::SIP->connect(PeerAddr => '127.0.0.1:' . port(8062),
	tls => 1, $g->{ca}->ssl('x'), strict => 0);
$other->send_raw($other->build_reply($m, 404));

$s->reply($m, 404, undef, Via => 'SIP/2.0/TLS foreign.test;branch='
	. $m->branch());
$s->reply($m, 404, undef, headers => ['Via: SIP/2.0/TLS b.test;branch=x']);
$s->reply($m, 404, undef, CSeq => $m->cseq() . ' OPTIONS');
$s->reply($m, 404, undef, CSeq => ($m->cseq() + 1) . ' MESSAGE');
$s->reply($m, 404, undef, CSeq => ($m->cseq() + 2 ** 32) . ' MESSAGE');
$s->reply($m, $_) for 700, 4294967700; # SP-26, TT-18, TT-32
is($x->stanza(0.5), undef, 'answers of others');

# on another connection of the same peer

$c->send_raw($c->build_reply($m, 404));
$e = $x->stanza();
is($e && $e->condition(), 'item-not-found', 'answer on another connection');

# Timer F: ST-03, ST-04

$xmpp->send($g->message('x', id => 'mute', to => 'mute@s.test'));
$e = $x->stanza(4);
is($e && $e->condition(), 'remote-server-timeout', 'Timer F');
is($e && $e->attr('id'), 'mute', 'Timer F - id');
is((grep { $_->uri() eq 'sip:mute@s.test' } $s->seen()), 1,
	'Timer F - one request');

# a full queue: IM-16

$xmpp->send(join '', map { $g->message("$_", id => "full$_",
	to => 'full@s.test') } 1 .. 5);
$e = $x->stanza();
is($e && $e->attr('id'), 'full5', 'queue');
is($e && $e->condition(), 'resource-constraint', 'queue is full');

undef $c;

###############################################################################

sub send_via {
	my ($via) = @_;

	my $q = $c->request('MESSAGE', 'sip:u@x.test', body => 'hi', Via => $via);
	my $r = $c->response(undef, final => 1);

	return $r && $r->code();
}

sub code {
	my ($user) = @_;

	my $r = $c->transact('MESSAGE', "sip:$user", body => 'hi');
	$c->{last} = $r;

	return $r && $r->code();
}

# messages that came since the last call

sub delivered {
	my $n = 0;

	while (my $e = $x->stanza(0.2)) {
		$n++ if $e->name() eq 'message';
	}

	return $n;
}

###############################################################################
