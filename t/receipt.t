#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for receipts: XEP-0184, XEP-0333, IMDN (RFC 5438) in CPIM (RFC 3862),
# conformance RCP.

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
	->has_daemon('openssl')->plan(149);
my $d = $t->testdir();

my $g = Test::Nginx::Gateway->new($t, zone => '4m', stream => <<"EOF",
    federation plain {
        zone plain 1m;

        ssl_certificate $d/gw.crt;
        ssl_certificate_key $d/gw.key;
        ssl_trusted_certificate $d/ca.crt;

        xmpp_domain x.test server=127.0.0.1:%%PORT_8269%%;
        sip_domain s.test home server=127.0.0.1:%%PORT_8061%% name=s.test;

        confirm write;
    }

    server {
        listen 127.0.0.1:%%PORT_8271%%;
        xmpp_federation plain;
    }

    server {
        listen 127.0.0.1:%%PORT_8063%% ssl;
        ssl_client_certificate $d/ca.crt;
        ssl_verify_client on;
        sip_federation plain;
    }
EOF
	federation => <<'EOF');
        sip_domain small.test home server=127.0.0.1:%%PORT_8061%% name=s.test
                   message_size=1300;
        sip_domain o.test home server=127.0.0.1:%%PORT_8061%% name=s.test
                   dialect=ocs;
        sip_domain anonymous.invalid home server=127.0.0.1:%%PORT_8061%%
                   name=s.test;
        receipts on;
EOF

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $xmpp = $g->xmpp();
my $sip = $g->sip();
my ($m, $e, $r, $c, $id);

my $ns = 'urn:xmpp:receipts';
my $markers = 'urn:xmpp:chat-markers:0';
my $imdn = 'urn:ietf:params:xml:ns:imdn';
my $info = 'http://jabber.org/protocol/disco#info';
my $text = 'Content-Type: text/plain;charset=UTF-8';

# XMPP to SIP: RCP-01, RCP-02, RCP-11

$xmpp->send(ask("h\xc3\xa9llo\nthere", id => 'id&1'));
$m = $s->wait_request();
is($m->header('Content-Type'), 'message/cpim', 'request - type');
is($m->header('Content-Length'), length($m->body()), 'request - length');
$c = cpim($m);
is($c->{From}, '<sip:u@x.test>', 'request - From');
is($c->{To}, '<sip:r@s.test>', 'request - To');
is($c->{NS}, 'imdn <urn:ietf:params:imdn>', 'request - NS');
like($c->{'imdn.Message-ID'}, qr/^[0-9a-f]{32}$/, 'request - Message-ID');
like($c->{DateTime}, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
	'request - DateTime');
is($c->{'imdn.Disposition-Notification'}, 'positive-delivery',
	'request - Disposition-Notification');
is($c->{part}, $text, 'request - part');
is($c->{content}, "h\xc3\xa9llo\r\nthere", 'request - content');

# delivered: RCP-03

$r = notify($c->{'imdn.Message-ID'}, 'delivered');
is($r->code(), 200, 'delivered');
$e = $x->stanza(5, 'message');
is($e->attr('from'), 'r@s.test', 'delivered - from');
is($e->attr('to'), 'u@x.test/res', 'delivered - to');
is($e->attr('type'), undef, 'delivered - type');
isnt($e->attr('id'), 'id&1', 'delivered - id');
is(seen($e), 'received', 'delivered - children');
is($e->child('received', $ns)->attr('id'), 'id&1', 'delivered - id of it');

# once: RCP-03, RCP-13

is(notify($c->{'imdn.Message-ID'}, 'delivered')->code(), 200, 'again');
is(notify($c->{'imdn.Message-ID'}, 'failed')->code(), 200, 'failed after it');
ok(no_stanza(), 'again - nothing');

# type: RCP-03

$c = asked(type => 'chat', id => 'id2');
notify($c->{'imdn.Message-ID'}, 'delivered');
$e = $x->stanza(5, 'message');
is($e->attr('type'), 'chat', 'type chat');
is($e->child('received', $ns)->attr('id'), 'id2', 'type chat - id');

# without an id, or without the request: RCP-01

for my $xml (ask('plain', id => undef), ask('plain', id => ''),
	$g->message('plain'), ask('plain') =~ s/urn:xmpp:receipts/a:b/r)
{
	$xmpp->send($xml);
	$m = $s->wait_request();
	is($m->header('Content-Type'), 'text/plain;charset=UTF-8', 'plain - type');
	is($m->body(), 'plain', 'plain - body');
}

# an id that is too long to be remembered

$xmpp->send(ask('plain', id => 'x' x 1100));
is($s->wait_request()->body(), 'plain', 'long id');

# RCP-02

my %ids;
my @ids = map { asked(id => "n$_")->{'imdn.Message-ID'} } 1 .. 50;
@ids{@ids} = ();
is(keys %ids, 50, 'Message-IDs are unique');

# another delay is the time of the message

$xmpp->send(ask('x') =~ s!<request!<delay xmlns='urn:xmpp:delay'
	stamp='2002-09-10T23:08:25.1+01:00'/>$&!r);
is(cpim($s->wait_request())->{DateTime}, '2002-09-10T22:08:25Z', 'delay');

# of others, or unknown: RCP-04

$c = asked(id => 'id3');
$id = $c->{'imdn.Message-ID'};

is(notify('0' x 32, 'delivered')->code(), 200, 'unknown Message-ID');
is(notify($id, 'delivered', from => 'sip:other@s.test')->code(), 200,
	'of another user');
is(notify($id, 'delivered', to => 'other@x.test')->code(), 200,
	'to another user');
ok(no_stanza(), 'forged - nothing');

# RFC 5438: what tells neither delivery nor its failure

for (['processing-notification', 'processed'],
	['delivery-notification', 'forbidden'], ['display-notification', 'error'],
	['display-notification', 'delivered'])
{
	is(notify($id, $_->[1], notification => $_->[0])->code(), 200,
		"$_->[0] $_->[1]");
}

ok(no_stanza(), 'no delivery - nothing');

# displayed: RCP-05

is(notify($id, 'displayed')->code(), 200, 'displayed');
ok(no_stanza(), 'displayed - not markable');

notify($id, 'delivered');
is($x->stanza(5, 'message')->child('received', $ns)->attr('id'), 'id3',
	'delivered after displayed');

$c = asked(id => 'id4', xml => "<markable xmlns='$markers'/>");
is($c->{'imdn.Disposition-Notification'}, 'positive-delivery, display',
	'markable');
notify($c->{'imdn.Message-ID'}, 'displayed') for 1 .. 2;
$e = $x->stanza(5, 'message');
is(seen($e), 'displayed', 'markable - displayed');
is($e->child('displayed', $markers)->attr('id'), 'id4',
	'markable - displayed, id');
notify($c->{'imdn.Message-ID'}, 'delivered');
is(seen($x->stanza(5, 'message')), 'received', 'markable - delivered');
ok(no_stanza(), 'markable - once each');

# failed: RCP-06

for (['failed', 'recipient-unavailable'], ['error', 'undefined-condition']) {
	my ($status, $condition) = @$_;
	$c = asked(id => $status, type => 'chat');
	notify($c->{'imdn.Message-ID'}, $status) for 1 .. 2;
	$e = $x->stanza(5, 'message');
	is($e->attr('type'), 'error', $status);
	is($e->attr('id'), $status, "$status - id");
	is($e->attr('to'), 'u@x.test/res', "$status - to");
	is($e->condition(), $condition, "$status - condition");
	ok(no_stanza(), "$status - once");
}

# an IMDN that asks for one: RCP-07

$c = asked(id => 'id5');
my $n = () = $s->seen();
notify($c->{'imdn.Message-ID'}, 'delivered',
	head => "imdn.Disposition-Notification: positive-delivery\r\n");
is(seen($x->stanza(5, 'message')), 'received', 'IMDN that asks for one');
is(() = $s->seen(), $n, 'IMDN that asks for one - nothing');

# forms of an IMDN: RCP-10, and without an envelope

$c = asked(id => 'id6');
notify($c->{'imdn.Message-ID'}, 'delivered', prefix => 'i.n-1');
is(seen($x->stanza(5, 'message')), 'received', 'another prefix');

$c = asked(id => 'id7');
is($sip->transact('MESSAGE', 'sip:u@x.test', content_type => 'message/imdn+xml',
	body => document($c->{'imdn.Message-ID'}, 'delivered'))->code(), 200,
	'no envelope');
is(seen($x->stanza(5, 'message')), 'received', 'no envelope - received');

is($sip->transact('MESSAGE', 'sip:u@x.test', content_type => 'message/imdn+xml',
	body => '<!DOCTYPE imdn>' . document('a', 'delivered'))->code(), 400,
	'a DTD');
is($sip->transact('MESSAGE', 'sip:u@x.test', content_type => 'message/imdn+xml',
	body => '<imdn/>')->code(), 400, 'no IMDN');

# RCP-14

for my $to ('a@anonymous.invalid', 'anonymous@s.test') {
	$xmpp = $g->xmpp(to => 'anonymous.invalid') if $to =~ /invalid/;
	$xmpp->send(ask('plain', to => $to));
	is($s->wait_request()->body(), 'plain', $to);
	$xmpp = $g->xmpp();
}

# RCP-15

my $small = $g->xmpp(to => 'small.test');
$small->send(ask('y' x 300, to => 'r@small.test', id => 's1'));
$m = $s->wait_request();
is($m->header('Content-Type'), 'message/cpim', 'size - fits');
$small->send(ask('y' x 800, to => 'r@small.test', id => 's2'));
$m = $s->wait_request();
is($m->header('Content-Type'), 'text/plain;charset=UTF-8', 'size - too much');
is(length $m->body(), 800, 'size - text');
$small->send(ask('y' x 1300, to => 'r@small.test', id => 's3'));
$e = $x->stanza(5, 'message');
is($e->attr('type') . $e->attr('id'), 'errors3', 'size - even the text');

# other dialects have none

my $ocs = $g->xmpp(to => 'o.test');
unlike(features($ocs, 'o.test'), qr/ $ns /, 'dialect without - disco');

###############################################################################

# SIP to XMPP: RCP-08

$x->link($xmpp = $g->xmpp());

$r = wrapped('hi', id => 'M1', call_id => 'c1');
is($r->code(), 202, 'wrapped');
$e = $x->stanza(5, 'message');
is($e->text('body'), 'hi', 'wrapped - body');
is(seen($e), 'thread body request', 'wrapped - children');
ok($e->child('request', $ns), 'wrapped - request');
like($e->attr('id'), qr/./, 'wrapped - id');

# the id that his own message has over there is none of his notifications

is(notify($e->attr('id'), 'delivered')->code(), 200, 'id of the other side');
ok(no_stanza(), 'id of the other side - no stanza');

# RCP-09

received($e->attr('id'), from => 'u@x.test/one');
$m = $s->wait_request();
is($m->uri(), 'sip:r@s.test', 'received - uri');
is($m->header('Content-Type'), 'message/cpim', 'received - type');
$c = cpim($m);
is($c->{From}, '<sip:u@x.test>', 'received - From');
is($c->{To}, '<im:r@s.test>', 'received - To');
like($c->{'imdn.Message-ID'}, qr/^[0-9a-f]{32}$/, 'received - Message-ID');
is($c->{'imdn.Disposition-Notification'}, undef, 'received - no request');
is($c->{part} =~ s/\r\nContent-Length: \d+$//r, 'Content-Type: '
	. "message/imdn+xml\r\nContent-Disposition: notification",
	'received - part');
is($c->{part} =~ /: (\d+)$/ && $1, length $c->{content}, 'received - length');
my $doc = Test::Nginx::XML->parse($c->{content});
is($doc->ns() . '|' . $doc->name(), "$imdn|imdn", 'received - document');
is($doc->text('message-id'), 'M1', 'received - message-id');
is($doc->text('datetime'), '2026-11-25T10:00:00Z', 'received - datetime');
is($doc->text('recipient-uri'), 'im:u@x.test', 'received - recipient-uri');
ok($doc->at('delivery-notification/status/delivered'), 'received - delivered');

# one: RCP-09, RCP-13; of any type

received($e->attr('id'), from => 'u@x.test/two');
received($e->attr('id'), from => 'u@x.test/two', type => 'chat');
received($e->attr('id'), from => 'v@x.test');
received('0');
ok(no_request(), 'received - once');

wrapped('hi', id => 'M2');
$e = $x->stanza(5, 'message');
received($e->attr('id'), type => 'chat');
is(document_id($s->wait_request()), 'M2', 'received, of type chat');

# a receipt that asks for one: RCP-07

wrapped('hi', id => 'M3');
$e = $x->stanza(5, 'message');
received($e->attr('id'), xml => "<request xmlns='$ns'/>");
$m = $s->wait_request();
is(document_id($m), 'M3', 'received with a request');
is(cpim($m)->{'imdn.Disposition-Notification'}, undef,
	'received with a request - none');
ok(no_request(), 'received with a request - nothing');

# who is not the sender gets none, and who does not ask: RFC 5438, 14

for my $c ({ from => 'im:other@s.test' }, { from => 'sip:r@evil.test' },
	{ id => '' }, { wants => 'display' }, { wants => '' })
{
	wrapped('hi', id => 'M4', %$c);
	is(seen($x->stanza(5, 'message')), 'thread body',
		join ' ', 'no request:', %$c);
}

# IMDN-Record-Route, of the same domain or of another: RCP-09

for (['sip:relay@s.test', 'sip:relay@s.test'],
	['sip:relay@evil.test', 'sip:r@s.test'])
{
	wrapped('hi', id => 'M5', head => "imdn.IMDN-Record-Route: <$_->[0]>\r\n"
		. "imdn.IMDN-Record-Route: <sip:second\@s.test>\r\n");
	received($x->stanza(5, 'message')->attr('id'));
	$m = $s->wait_request();
	is($m->uri(), $_->[1], "route $_->[0]");
	is(cpim($m)->{'imdn.IMDN-Route'}, "<$_->[0]>", "route $_->[0] - header");
}

# late bounces: RCP-12

$x->set(bounce => { 'gone@x.test' => 'item-not-found' });

$r = wrapped('hi', id => 'M6', to => 'gone@x.test',
	wants => 'negative-delivery');
is($r->code(), 604, 'bounce in time');
$e = $x->stanza(5, 'message') while $e && ($e->attr('to') ne 'gone@x.test');
ok(no_request(), 'bounce in time - no IMDN');

for my $wants ('negative-delivery', 'positive-delivery, negative-delivery',
	'positive-delivery')
{
	$r = wrapped('hi', id => 'M7', wants => $wants);
	is($r->code(), 202, "late bounce, $wants");
	$e = $x->stanza(5, 'message');
	is(seen($e), $wants =~ /positive/ ? 'thread body request' : 'thread body',
		"late bounce, $wants - children");

	$xmpp->send("<message type='error' from='u\@x.test' to='r\@s.test' id='"
		. $e->attr('id') . "'><error type='cancel'><service-unavailable "
		. "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
		for 1 .. 2;

	if ($wants =~ /negative/) {
		$m = $s->wait_request();
		is(document_id($m), 'M7', "late bounce, $wants - id");
		ok(Test::Nginx::XML->parse(cpim($m)->{content})
			->at('delivery-notification/status/failed'),
			"late bounce, $wants - failed");
	}

	ok(no_request(), "late bounce, $wants - nothing else");
}

# CPIM: RCP-10

my $body = "\r\n\r\n$text\r\n\r\nhi";

is(sent("From: <im:r\@s.test>\r\nSubject:;lang=fr Ol\\u00e9\\n\\t\\\\x\\x"
	. $body),
	'202 hi Ol' . "\xc3\xa9 \\xx", 'subject, escapes');
is(sent("From: <im:r\@s.test>\r\nsubject: x$body"), '202 hi',
	'names are case-sensitive');
is(sent("NS: my <urn:my>\r\nmy.Thing: x\r\nRequire: From$body"), '202 hi',
	'unknown fields');
is(sent("NS: my <urn:my>\r\nmy.Thing: x\r\nRequire: my.Thing$body"), '415',
	'unknown field that is required');
is(sent("Require: i.Message-ID\r\nNS: i <urn:ietf:params:imdn>$body"),
	'202 hi', 'known field that is required');
is(sent("From: <im:r\@s.test>\r\n\r\nContent-Type: text/html\r\n\r\nhi"), '415',
	'another type within');
is(sent("From: <im:r\@s.test>\r\n\r\nContent-Type: message/cpim\r\n\r\n$text"),
	'415', 'CPIM in CPIM');
is(sent("From: <im:r\@s.test>\r\n\r\nContent-Type: multipart/mixed;"
	. "boundary=b\r\n\r\n--b\r\n$text\r\n\r\nparts\r\n--b--\r\n"), '202 parts',
	'parts within');
is(sent("From: x$body"), '400', 'no URI');
is(sent("From:<im:r\@s.test>$body"), '400', 'no space');
is(sent("From : <im:r\@s.test>$body"), '400', 'space before colon');
is(sent("From: <im:r\@s.test>\n\n$text\n\nhi"), '400', 'LF only');
is(sent("From: <im:r\@s.test>\r\n"), '400', 'no end');
is(sent("From: <im:r\@s.test>\r\n\r\n"), '400', 'no part');
is(sent("From: <im:r\@s.test>\r\nSubject: \xff$body"), '400', 'not UTF-8');
is(sent("From: <im:r\@s.test>\r\nSubject: a\tb$body"), '400', 'control');

# what is accepted, and disco: CST-16

like($sip->transact('MESSAGE', 'sip:u@x.test', body => 'a',
	content_type => 'text/x')->header('Accept'),
	qr!, message/cpim, message/imdn\+xml$!, 'accept');
like(features($xmpp, 's.test'), qr/ $ns /, 'disco, on');

# the log

my @log = $g->log();
ok(grep({ /^receipt s2x r\@s\.test u\@x\.test 200 accepted$/ } @log),
	'log, s2x');
ok(grep({ /^receipt x2s u\@x\.test r\@s\.test 200 accepted$/ } @log),
	'log, x2s');

###############################################################################

# without "receipts" nothing is different

$xmpp = $g->xmpp(PeerAddr => '127.0.0.1:' . port(8271));
$sip = $g->sip(PeerAddr => '127.0.0.1:' . port(8063));

unlike(features($xmpp, 's.test'), qr/ $ns /, 'disco, off');

$xmpp->send(ask('off', id => 'off'));
$m = $s->wait_request();
is($m->header('Content-Type'), 'text/plain;charset=UTF-8', 'off - type');
is($m->body(), 'off', 'off - body');

is(notify('a', 'delivered')->code(), 415, 'off - IMDN');
is(wrapped('hi', id => 'M8')->code(), 415, 'off - CPIM');

received('x');
ok(no_request(), 'off - receipt');

###############################################################################

# a message of u@x.test that asks for a receipt

sub ask {
	my ($text, %a) = @_;
	my $xml = (delete $a{xml} || '') . "<request xmlns='$ns'/>";

	$a{id} =~ s/&/&amp;/ if $a{id};

	return $g->message($text, id => 'ask', %a) =~ s!</mess!$xml$&!r;
}

# its headers on the SIP side

sub asked {
	$xmpp->send(ask('x', @_));
	return cpim($s->wait_request());
}

sub cpim {
	my ($m) = @_;

	return {} unless $m && $m->header('Content-Type') eq 'message/cpim';

	my ($head, $part, $content) = split /\r\n\r\n/, $m->body(), 3;

	return { part => $part, content => $content, map { /^(\S+): (.*)$/ }
		split /\r\n/, $head };
}

sub document {
	my ($id, $status, $notification) = @_;

	$notification ||= $status eq 'displayed' ? 'display-notification'
		: 'delivery-notification';

	return qq{<?xml version="1.0" encoding="UTF-8"?>\r\n<imdn xmlns="$imdn">}
		. "<message-id>$id</message-id><datetime>2026-11-25T10:00:00Z"
		. '</datetime><recipient-uri>im:r@s.test</recipient-uri>'
		. "<$notification><status><$status/></status></$notification></imdn>";
}

sub document_id {
	my ($m) = @_;
	my $content = cpim($m)->{content} or return 'none';
	return Test::Nginx::XML->parse($content)->text('message-id');
}

# an IMDN of r@s.test, and the response

sub notify {
	my ($id, $status, %a) = @_;

	my $to = delete $a{to} || 'u@x.test';
	my $from = $a{from} || 'sip:r@s.test';
	my $prefix = delete $a{prefix} || 'imdn';
	my $head = delete $a{head} || '';
	my $document = document($id, $status, delete $a{notification});

	return $sip->transact('MESSAGE', "sip:$to", content_type => 'message/cpim',
		%a, body => "From: <$from>\r\nTo: <sip:$to>\r\n"
		. "NS: $prefix <urn:ietf:params:imdn>\r\n$prefix.Message-ID: 1\r\n"
		. "$head\r\nContent-Type: message/imdn+xml\r\n"
		. "Content-Disposition: notification\r\n\r\n$document");
}

# a message of r@s.test that asks for IMDN, and the response

sub wrapped {
	my ($body, %a) = @_;

	my $to = delete $a{to} || 'u@x.test';
	my $from = delete $a{from} || 'im:r@s.test';
	my $id = delete $a{id};
	my $wants = delete $a{wants} // 'positive-delivery';
	my $head = delete $a{head} || '';

	$head .= "imdn.Message-ID: $id\r\n" if length $id;
	$head .= "imdn.Disposition-Notification: $wants\r\n" if length $wants;

	return $sip->transact('MESSAGE', "sip:$to", content_type => 'message/cpim',
		%a, body => "From: R <$from>\r\nTo: <im:$to>\r\n"
		. "NS: imdn <urn:ietf:params:imdn>\r\nDateTime: 2026-11-25T10:00:00Z\r\n"
		. "$head\r\n$text\r\n\r\n$body");
}

# how a CPIM body fares: the response, text and subject

sub sent {
	my ($cpim) = @_;

	my $r = $sip->transact('MESSAGE', 'sip:u@x.test', body => $cpim,
		content_type => 'message/cpim');

	return $r->code() if $r->code() != 202;

	my $e = $x->stanza(5, 'message');

	return join ' ', 202, grep { defined } $e->text('body'),
		$e->text('subject');
}

# a receipt of u@x.test

sub received {
	my ($id, %a) = @_;

	my $xml = delete $a{xml} || '';
	%a = (from => 'u@x.test/res', to => 'r@s.test', id => 'rc', %a);

	$xmpp->send('<message' . join('', map { " $_='$a{$_}'" } sort keys %a)
		. "><received xmlns='$ns' id='$id'/>$xml</message>");
}

sub seen {
	my ($e) = @_;
	return $e ? join ' ', map { $_->name() } $e->children() : 'none';
}

# true if no stanza comes before that of a text

sub no_stanza {
	$sip->transact('MESSAGE', 'sip:u@x.test', body => 'marker');
	my $e = $x->stanza(5, 'message');
	diag($e->raw()) if $e && ($e->text('body') // '') ne 'marker';
	return $e && ($e->text('body') // '') eq 'marker';
}

# true if no request comes before that of a text

sub no_request {
	$xmpp->send($g->message('marker'));
	my $m = $s->wait_request();
	diag($m->body()) if $m && $m->body() ne 'marker';
	return $m && $m->body() eq 'marker';
}

sub features {
	my ($c, $domain) = @_;

	$c->send("<iq type='get' from='u\@x.test/res' to='$domain' id='i'>"
		. "<query xmlns='$info'/></iq>");

	my $e = $x->stanza(5, 'iq') or return 'none';

	return join(' ', '', map({ $_->attr('var') }
		$e->child('query', $info)->children('feature')), '');
}

###############################################################################
