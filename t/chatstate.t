#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for chat states and their form in the dialect "simple": XEP-0085,
# RFC 3994, conformance CST.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/ :DEFAULT port /;
use Test::Nginx::Gateway;

use Time::HiRes ();

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(122);
my $d = $t->testdir();

my $ssl = <<"EOF";
        ssl_certificate $d/gw.crt;
        ssl_certificate_key $d/gw.key;
        ssl_trusted_certificate $d/ca.crt;
        xmpp_domain x.test server=127.0.0.1:%%PORT_8269%%;
        confirm write;
EOF

my $g = Test::Nginx::Gateway->new($t, stream => <<"EOF",
    federation auto {
        zone auto 1m;
$ssl
        sip_domain s.test home server=127.0.0.1:%%PORT_8061%% name=s.test;

        chatstates auto;
        chatstates_idle paused;
        chatstates_interval 0;
    }

    server {
        listen 127.0.0.1:%%PORT_8271%%;
        xmpp_federation auto;
    }

    server {
        listen 127.0.0.1:%%PORT_8063%% ssl;
        ssl_client_certificate $d/ca.crt;
        ssl_verify_client on;
        sip_federation auto;
    }

    federation plain {
        zone plain 1m;
$ssl
        sip_domain s.test home server=127.0.0.1:%%PORT_8061%% name=s.test;
        sip_domain o.test home server=127.0.0.1:%%PORT_8061%% name=s.test
                   dialect=ocs;
    }

    server {
        listen 127.0.0.1:%%PORT_8272%%;
        xmpp_federation plain;
    }

    server {
        listen 127.0.0.1:%%PORT_8064%% ssl;
        ssl_client_certificate $d/ca.crt;
        ssl_verify_client on;
        sip_federation plain;
    }

    server {
        listen 127.0.0.1:%%PORT_8065%%;
        return "\$federation_counter_test_composing_s2x_accepted
                \$federation_counter_test_composing_s2x_refused
                \$federation_counter_test_composing_x2s_failed
                \$federation_counter_test_message_x2s_accepted";
    }

    map \$federation_kind:\$federation_sip_user \$allowed {
        default                1;
        composing:no\@s.test   0;
    }
EOF
	federation => <<'EOF');
        chatstates on;
        chatstates_interval 400ms;
        mirror_chat on;
        confirm write;
        permit $allowed;
EOF

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $xmpp = $g->xmpp();
my $sip = $g->sip();
my ($m, $e, $r);

my $ns = 'http://jabber.org/protocol/chatstates';
my $type = 'application/im-iscomposing+xml';
my $info = 'http://jabber.org/protocol/disco#info';

# XMPP to SIP: CST-01

$xmpp->send(state('u1', 'composing', xml => '<thread>t-1</thread>'));
$m = $s->wait_request();
is($m->method(), 'MESSAGE', 'composing');
is($m->uri(), 'sip:r@s.test', 'composing - uri');
is($m->header('Content-Type'), $type, 'composing - type');
is($m->call_id(), 't-1', 'composing - thread');
is($m->header($_), undef, "composing - no $_")
	for qw/ Subject Content-Language Date /;
is(line($m), 'state=active contenttype=text/plain refresh=90',
	'composing - document'); # CST-09: 60 at least

# CST-02, each of a user of his own

for (['active', 'u2'], ['inactive', 'u3'], ['paused', 'u4']) {
	my ($state, $u) = @$_;
	$xmpp->send(state($u, $state));
	is(line($s->wait_request()), 'state=idle', $state);
}

$xmpp->send($g->message('text', from => 'u5@x.test/res', type => 'chat')
	=~ s!</mess!<active xmlns='$ns'/>$&!r);
is($s->wait_request()->body(), 'text', 'active with a text');
ok(nothing('u5'), 'active with a text - nothing else');

# only in chats: CST-01

$xmpp->send(state('u6', 'composing', type => 'normal'));
ok(nothing('u6'), 'type normal');
$xmpp->send(state('u6', 'composing', type => undef));
ok(nothing('u6'), 'no type');

# CST-03, CST-04

$xmpp->send(state('u7', 'gone'));
ok(nothing('u7'), 'gone');
$xmpp->send(state('u8', 'composing', xml => "<paused xmlns='$ns'/>"));
ok(nothing('u8'), 'two states');
$xmpp->send(state('u8', 'composing', xml => "<composing xmlns='$ns'/>"));
ok(nothing('u8'), 'the same state twice');
$xmpp->send(state('u8', 'writing'));
ok(nothing('u8'), 'unknown state');
$xmpp->send("<message from='u8\@x.test' to='r\@s.test' type='chat'>"
	. "<composing xmlns='a:b'/></message>");
ok(nothing('u8'), 'another namespace');

# CST-13

$xmpp->send(state('u9', 'composing') x 3);
is(line($s->wait_request()), 'state=active contenttype=text/plain refresh=90',
	'composing thrice');
ok(nothing('u9'), 'composing thrice - once');

# CST-02, CST-13: paused and inactive are one idle

$xmpp->send(state('u10', 'paused') . state('u10', 'inactive'));
is(line($s->wait_request()), 'state=idle', 'paused, inactive');
ok(nothing('u10'), 'paused, inactive - once');

# CST-09: what changes often is told at the interval's end

$xmpp->send(join '', map { state('u11', 'composing') . state('u11', 'paused') }
	1 .. 20);
like(line($s->wait_request()), qr/^state=active /, 'toggles - the first');
my $time = Time::HiRes::time();
is(line($s->wait_request()), 'state=idle', 'toggles - the last');
cmp_ok(Time::HiRes::time() - $time, '>', 0.2, 'toggles - later');
ok(nothing('u11'), 'toggles - nothing else');

# ... unless it is as it was

$xmpp->send(state('u12', 'composing') . state('u12', 'paused')
	. state('u12', 'composing'));
like(line($s->wait_request()), qr/^state=active /, 'there and back');
ok(nothing('u12', 0.6), 'there and back - nothing else');

# a text makes it void: no idle after it

$xmpp->send(state('u13', 'composing') . state('u13', 'paused')
	. $g->message('said', from => 'u13@x.test/res'));
like(line($s->wait_request()), qr/^state=active /, 'text after paused');
is($s->wait_request()->body(), 'said', 'text after paused - text');
ok(nothing('u13', 0.6), 'text after paused - no idle');

# and what is told after it is news again, at its time

$xmpp->send(state('u13', 'composing'));
like(line($s->wait_request()), qr/^state=active /, 'composing after text');
$xmpp->send(state('u13', 'composing'));
ok(nothing('u13', 0.6), 'composing after text - once');

# no error ever: CST-10

$s->set(auto => { 'r415@s.test' => 415, 'r500@s.test' => 500, default => 200 });

$xmpp->send(state('u14', 'composing', to => 'r500@s.test'));
like(line($s->wait_request()), qr/^state=active /, 'refused by 500');

$xmpp->send(state('u14', 'composing', to => 'r415@s.test'));
like(line($s->wait_request()), qr/^state=active /, 'refused by 415');
$xmpp->send($g->message('a', to => 'r415@s.test'));
$s->wait_request();

for my $u (qw/ u14 u15 u16 /) {
	$xmpp->send(state($u, 'composing', to => 'r415@s.test'));
	ok(nothing($u), "refused by 415 - nothing of $u");
}

$xmpp->send(state('u15', 'composing'));
like(line($s->wait_request()), qr/^state=active /, 'to another user');

# that of the text to r415 is the only one, as those that follow show, too

$e = $x->stanza(5, 'message');
is($e->attr('type'), 'error', 'error of a text');
is($e->attr('id'), 'm1', 'error of a text - id');
ok(no_stanza('a0'), 'no other error');

$s->set(auto => 200);

# CST-11: dropped while a text is under way

$s->set(auto => 0);
$xmpp->send($g->message('one', from => 'u17@x.test/res')
	. state('u17', 'composing')
	. $g->message('two', from => 'u17@x.test/res'));
$m = $s->wait_request();
is($m->body(), 'one', 'text under way');
$s->reply($m, 200);
$m = $s->wait_request();
is($m->body(), 'two', 'text under way - no state between');
$s->reply($m, 200);

# ... and a text waits for the answer to it: IM-15

$xmpp->send(state('u18', 'composing')
	. $g->message('three', from => 'u18@x.test/res'));
$m = $s->wait_request();
like(line($m), qr/^state=active /, 'state under way');
is($s->wait_request(0.1), undef, 'state under way - text waits');
$s->reply($m, 200);
$m = $s->wait_request();
is($m->body(), 'three', 'state under way - text');
$s->reply($m, 200);
$s->set(auto => 200);

# SIP to XMPP: CST-05

$r = indicate('a1', 'active', call_id => 'c-1');
is($r->code(), 200, 'active');
is($r->header('Content-Length'), 0, 'active - answer');
$e = $x->stanza(5, 'message');
is($e->attr('type'), 'chat', 'active - type');
is($e->attr('from'), 'a1@s.test', 'active - from');
is($e->attr('to'), 'u@x.test', 'active - to');
is(seen($e), 'thread composing', 'active - children');
is($e->text('thread'), 'c-1', 'active - thread');
is($e->child('composing', $ns) && 1, 1, 'active - namespace');

# a refresh is none: CST-13

is(indicate('a1', 'active')->code(), 200, 'refresh');
ok(no_stanza('a1'), 'refresh - nothing');

# CST-06; the text that no_stanza() sends has ended it

indicate('a1', 'active');
is(told(), 'a1 composing', 'active again');
is(indicate('a1', 'idle')->code(), 200, 'idle');
is(told(), 'a1 active', 'idle - state');
is(indicate('a1', 'idle')->code(), 200, 'idle again');
ok(no_stanza('a1'), 'idle again - nothing');

# CST-07; elements of others do not matter

indicate('a2', 'active');
is(told(), 'a2 composing', 'before typing');
is(indicate('a2', 'typing')->code(), 200, 'unknown state');
is(told(), 'a2 active', 'unknown state is idle');

indicate('a2', 'active', xml => "<x xmlns='a:b'><state>idle</state></x>"
	. '<refresh>soon</refresh>');
is(told(), 'a2 composing', 'extensions');

# CST-08

indicate('a3', 'active', xml => '<refresh>1</refresh>');
is(told(), 'a3 composing', 'refresh of 1 s');
$time = Time::HiRes::time();
is(told(), 'a3 active', 'silence');
cmp_ok(Time::HiRes::time() - $time, '>', 0.7, 'silence - time');
cmp_ok(Time::HiRes::time() - $time, '<', 5, 'silence - not 90 s');

# a text ends it, and nothing comes later

indicate('a4', 'active', xml => '<refresh>1</refresh>');
is(told(), 'a4 composing', 'before a text');
ok(no_stanza('a4', 1.3), 'text ends it');

# permit

is(indicate('no', 'active')->code(), 200, 'not permitted');
is(indicate('no', 'active', xml => '<refresh>1</refresh>')->code(), 200,
	'not permitted, again');
ok(no_stanza('no', 1.2), 'not permitted - nothing, nor later');

# CST-15

my $head = '<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing">';
my $doc = "$head<state>active</state></isComposing>";

my %bad = (
	'a DTD' => "<!DOCTYPE isComposing>$doc",
	'a DTD with an entity' => '<!DOCTYPE isComposing [<!ENTITY a "active">]>'
		. "$head<state>&a;</state></isComposing>",
	'an entity' => "$head<state>&a;</state></isComposing>",
	'a processing instruction' => "$head<?a b?><state>active</state>"
		. '</isComposing>',
	'too much' => "$head<state>active</state><x>" . 'y' x 9000
		. '</x></isComposing>',
	'too much depth' => "$head<state>active</state>" . '<x>' x 20
		. '</x>' x 20 . '</isComposing>',
	'no state' => "$head</isComposing>",
	'another root' => '<a><state>active</state></a>',
	'another namespace' => '<isComposing><state>active</state></isComposing>',
	'no XML' => 'active',
	'half of it' => substr($doc, 0, 80),
	'two' => $doc . $doc,
	'UTF-16' => "\xfe\xff" . join('', map { "\0$_" } split //, $doc),
	'nothing' => '',
);

for my $name (sort keys %bad) {
	is(indicate('a5', undef, body => $bad{$name})->code(), 400, $name);
}

ok(no_stanza('a5'), 'nothing of these');

is(indicate('a5', undef, body => '<?xml version="1.0" encoding="UTF-8"?>'
	. "\n$doc<!-- a comment -->")->code(), 200, 'a declaration and a comment');
is(told(), 'a5 composing', 'a declaration and a comment - state');

# who sends chat states says so: XEP-0085, 5.1; of chats only

$xmpp->send($g->message('hi', type => 'chat')
	=~ s!</mess!<thread>ch</thread>$&!r);
$s->wait_request();
is($sip->transact('MESSAGE', 'sip:u@x.test', body => 'hi',
	call_id => 'ch')->code(), 202, 'answer in a chat');
is(seen($x->stanza(5, 'message')), 'thread body active', 'chat has active');
is($sip->transact('MESSAGE', 'sip:u@x.test', body => 'hi')->code(), 202,
	'no chat');
is(seen($x->stanza(5, 'message')), 'thread body', 'no chat - no active');

# what is accepted

like($sip->transact('OPTIONS', 'sip:u@x.test')->header('Accept'),
	qr/text\/plain.*, \Q$type\E/, 'accept of OPTIONS');
like($sip->transact('MESSAGE', 'sip:u@x.test', body => 'a',
	content_type => 'text/x')->header('Accept'), qr/, \Q$type\E$/,
	'accept of 415');

# CST-16

like(features($xmpp, 's.test'), qr/ \Q$ns\E /, 'disco, on');

###############################################################################

# the federation "auto"

my $xa = $g->xmpp(PeerAddr => '127.0.0.1:' . port(8271));
my $sa = $g->sip(PeerAddr => '127.0.0.1:' . port(8063));

$x->link($xa);

like(features($xa, 's.test'), qr/ \Q$ns\E /, 'disco, auto');

# CST-14: it is sent until he answers without ever having sent one

$xa->send(state('u1', 'composing', to => 'b1@s.test'));
like(line($s->wait_request()), qr/^state=active /, 'auto - before an answer');

is($sa->transact('MESSAGE', 'sip:u1@x.test', from => 'sip:b1@s.test',
	body => 'answer')->code(), 202, 'auto - answer');
is($x->stanza(5, 'message')->text('body'), 'answer', 'auto - answer, text');

$xa->send(state('u1', 'paused', to => 'b1@s.test')
	. state('u1', 'composing', to => 'b1@s.test')
	. $g->message('then', from => 'u1@x.test/res', to => 'b1@s.test'));
is($s->wait_request()->body(), 'then', 'auto - not after it');

# but for him who does; CST-06: paused

is(indicate('b1', 'active', conn => $sa, to => 'u1@x.test')->code(), 200,
	'auto - composing');
is(told(), 'b1 composing', 'auto - composing, state');
indicate('b1', 'idle', conn => $sa, to => 'u1@x.test');
is(told(), 'b1 paused', 'auto - idle is paused');

$xa->send(state('u1', 'composing', to => 'b1@s.test'));
like(line($s->wait_request()), qr/^state=active /, 'auto - again');

###############################################################################

# the federation "plain", where nothing is configured

my $xp = $g->xmpp(PeerAddr => '127.0.0.1:' . port(8272));
my $sp = $g->sip(PeerAddr => '127.0.0.1:' . port(8064));

$x->link($xp);

unlike(features($xp, 's.test'), qr/ \Q$ns\E /, 'disco, off'); # CST-16

my $xo = $g->xmpp(PeerAddr => '127.0.0.1:' . port(8272), to => 'o.test');
$x->link($xo);

like(features($xo, 'o.test'), qr/ \Q$ns\E /, 'disco, on by its dialect');

$xp->send(state('u20', 'composing')
	. $g->message('first', from => 'u20@x.test/res'));
is($s->wait_request()->body(), 'first', 'off - nothing');

$r = indicate('c1', 'active', conn => $sp);
is($r->code(), 415, 'off - refused');
is($r->header('Accept'),
	'text/plain;charset=UTF-8, multipart/alternative, multipart/mixed',
	'off - accept');

# counters: of u14 two were refused by his peer

my @counters = do {
	my $c = IO::Socket::INET->new('127.0.0.1:' . port(8065)) or die;
	local $/;
	split ' ', <$c>;
};

cmp_ok($counters[0], '>', 5, 'counter, s2x');
is($counters[1], 2, 'counter, s2x refused');
is($counters[2], 2, 'counter, x2s failed');
cmp_ok($counters[3], '>', 5, 'counter of messages');

# the log

my @log = $g->log();
is(scalar(grep { /^composing x2s \S+ r\@s\.test 200 accepted$/ } @log) > 5, 1,
	'log, x2s');
is(scalar(grep { /^composing s2x a1\@s\.test u\@x\.test 200 accepted$/ } @log),
	3, 'log, s2x, of what was told');
is(scalar(grep { /^composing s2x no\@s\.test u\@x\.test 403 refused$/ } @log),
	2, 'log, not permitted');

###############################################################################

# a chat state of a user of x.test

sub state {
	my ($u, $state, %a) = @_;

	my $xml = delete $a{xml} || '';
	%a = (from => "$u\@x.test/res", to => 'r@s.test', type => 'chat',
		id => 'cs', %a);

	return '<message' . join('', map { " $_='$a{$_}'" }
		grep { defined $a{$_} } sort keys %a)
		. "><$state xmlns='$ns'/>$xml</message>";
}

# what an isComposing document says

sub line {
	my ($m) = @_;

	return 'no request' unless $m;
	return $m->body() if $m->header('Content-Type') ne $type;

	my $doc = Test::Nginx::XML->parse($m->body());

	return $doc->name() . ' ' . $doc->ns()
		if $doc->name() ne 'isComposing'
		|| $doc->ns() ne 'urn:ietf:params:xml:ns:im-iscomposing';

	return join ' ', map { $_->name() . '=' . $_->text() } $doc->children();
}

# true if no request comes before that of a text, nor within some time

sub nothing {
	my ($u, $wait) = @_;

	my $m = $wait ? $s->wait_request($wait) : undef;

	if ($m) {
		diag($m->body());
		return 0;
	}

	$xmpp->send($g->message("marker of $u", from => "$u\@x.test/res"));

	$m = $s->wait_request();

	diag($m->body()) if $m && $m->body() ne "marker of $u";

	return $m && $m->body() eq "marker of $u";
}

# a state of a user of s.test, and the response

sub indicate {
	my ($r, $state, %a) = @_;

	my $conn = delete $a{conn} || $sip;
	my $xml = delete $a{xml} || '';
	my $to = delete $a{to} || 'u@x.test';

	$a{body} = '<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing">'
		. "<state>$state</state>$xml</isComposing>" if defined $state;

	return $conn->transact('MESSAGE', "sip:$to", from => "sip:$r\@s.test",
		content_type => $type, %a);
}

sub seen {
	my ($e) = @_;
	return $e ? join ' ', map { $_->name() } $e->children() : 'none';
}

# who of s.test is said to be in what state

sub told {
	my $e = $x->stanza(5, 'message') or return 'none';

	my ($child) = grep { ($_->ns() // '') eq $ns } $e->children();

	return $e->attr('from') =~ s/\@.*//r . ' '
		. ($child ? $child->name() : seen($e));
}

# true if no stanza comes before that of a text, nor within some time after

sub no_stanza {
	my ($r, $wait) = @_;

	$sip->transact('MESSAGE', 'sip:u@x.test', from => "sip:$r\@s.test",
		body => "marker of $r");

	my $e = $x->stanza(5, 'message');

	if (!$e || ($e->text('body') // '') ne "marker of $r") {
		diag($e->raw()) if $e;
		return 0;
	}

	return 1 unless $wait;

	$e = $x->stanza($wait, 'message');
	diag($e->raw()) if $e;

	return !$e;
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
