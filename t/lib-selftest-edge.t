#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for the test libraries themselves: the Access Edge, and its files.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::CA;
use Test::Nginx::Edge;
use Test::Nginx::SIP;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/socket_ssl/)->has_daemon('openssl')
	->plan(47);

my $c;

# each file says where it comes from, and becomes a message for each generation

my @files = map { s!^edge/!!r } glob('edge/*/*');
my %names = map { m!([^/]+)$! ? ($1 => 1) : () } @files;
my %used;

my %v = (uri => 'sip:u@x.test', peer => 'sip:u@x.test', user => 'sip:r@s.test',
	address => 'r@s.test', from => '"user1"<sip:r@s.test>;tag=a;epid=b',
	to => '<sip:u@x.test>', 'call-id' => 'c', cseq => 1, opaque => 'o',
	epid => 'e', contact => '<sip:r@s.test>', routes => ['<sip:a;lr>',
	'<sip:b;lr>'], vias => ['SIP/2.0/TLS a', 'SIP/2.0/TLS b'],
	'record-routes' => [], text => 'hi', html => 'hi', tag => 't',
	state => 'active', document => '<a/>', 'document-type' => 'a/b',
	expires => 600, method => 'INVITE', status => 404, reason => 'Not',
	'edge-via' => 'SIP/2.0/TLS e;branch=z9hG4bKx',
	'pool-via' => 'SIP/2.0/TLS p',
	'edge-route' => '<sip:e;lr>', 'pool-route' => '<sip:p;lr>',
	'conversation-id' => 'x', basic => 'open', activity => 'away',
	availability => 300, msgr => 'WA');

my $bad = '';

foreach my $generation (@Test::Nginx::Edge::GENERATIONS) {
	foreach my $name (sort keys %names) {
		next if $name eq 'set';

		my $text = eval {
			Test::Nginx::Edge::fill($generation, $name, %v);
		};

		if (!defined $text) {
			$bad .= "$generation/$name: $@";
			next;
		}

		$bad .= "$generation/$name has %%\n" if $text =~ /%%/;
		$bad .= "$generation/$name: line end\n"
			if $text =~ /(?<!\x0d)\x0a|\x0d(?!\x0a)/;

		next unless $name =~ /\.sip$/;

		my $m = Test::Nginx::SIP::Message->parse($text);
		my $why = length $m->body() == $m->header('Content-Length')
			? undef : 'Content-Length';

		$why = "no $_" for grep { !$m->all($_) }
			qw/ Via From To Call-ID CSeq /;
		$why = 'CSeq' unless $m->is_response()
			|| $m->header('CSeq') eq '1 ' . $m->method();

		$bad .= "$generation/$name: $why\n" if defined $why;
	}
}

is($bad, '', 'files');

# what is not there is left out, lists are repeated, files are within others

my $m = Test::Nginx::SIP::Message->parse(Test::Nginx::Edge::fill('oc-16.0',
	'message-plain.sip', %v));
is_deeply([$m->all('Route')], ['<sip:a;lr>', '<sip:b;lr>'], 'lists');
is($m->body(), 'hi', 'body');

$m = Test::Nginx::SIP::Message->parse(Test::Nginx::Edge::fill('oc-2.0',
	'invite.sip', %v));
is($m->header('ms-text-format'), undef, 'left out');
like($m->body(), qr/^m=message 5060 sip null\x0d\x0aa=accept-types:text/m,
	'file within a file');
like(Test::Nginx::Edge::fill('lcc-1.3', 'invite.sip', %v),
	qr/^m=x-ms-message 5060 sip null\x0d$/m, 'value of a generation');

# a gateway that does as it should, by hand

$t->write_file_expand('nginx.conf', <<'EOF');

%%TEST_GLOBALS%%

daemon off;

events {
}

EOF

$t->run();

my $ca = Test::Nginx::CA->new($t->testdir());
$ca->issue('edge', cn => 'edge.test', dns => 'edge.test');
$ca->issue('gw', cn => 'gw.test', dns => 'gw.test');

my $gw = Test::Nginx::SIP::Server->listen('127.0.0.1:' . port(8062), tls => 1,
	$ca->ssl('gw'), host => 'gw.test', strict => 0);
my $g = { ca => $ca };
my $edge = Test::Nginx::Edge->new($g, silent => 1, routes => 1);
my $client = $edge->client('r@s.test');

my $contact = '<sip:gw.test:5061;transport=tls>';
my $route = '<sip:gw.test:5061;transport=tls;lr>';
my $sdp = sdp('sip:u@x.test');

# a session of the client

my $s = $client->invite('u@x.test', toast => 'hi');
my $q = $gw->wait_request();

is($q->method(), 'INVITE', 'INVITE');
is($q->all('Via'), 3, 'Vias');
is($q->branch(), ($s->invite()->all('Via'))[0] =~ /branch=([^;]*)/ ? $1 : '',
	'branch of the topmost one');
unlike(($q->all('Via'))[2], qr/branch/, 'none of the lowest one');
is($q->all('Record-Route'), 2, 'Record-Routes');
like($q->header('ms-text-format'), qr/ms-body=aGk=$/, 'toast');
is($q->header('Max-Forwards'), 68, 'Max-Forwards');

ok_invite($q);
is($s->answer()->code(), 200, 'answer');
is($edge->forgive(), '', 'is right');

my $ack = $s->ack();
is($ack->uri(), 'sip:gw.test:5061;transport=tls', 'ACK to the Contact');
is_deeply([$ack->all('Route')], [$route], 'by what is left of the routes');
$gw->wait_request(undef, 'ACK');

$m = $s->send_text('hello');
my $r = $gw->wait_request(undef, 'MESSAGE');
is($r->body(), 'hello', 'MESSAGE');
is($r->cseq(), 2, 'CSeq');
$gw->reply($r, 200);
is($s->response($m)->code(), 200, 'MESSAGE is answered');

# what the gateway says in this dialog

my $dlg = dialog($s, $q);
say_in($dlg, 'MESSAGE', 'one');
is($s->heard(), 'one', 'heard');
is($edge->forgive(), '', 'as it should be');

say_in($dlg, 'INFO', '<?xml version="1.0"?><KeyboardActivity> '
	. '<status status="type" /></KeyboardActivity>', 'application/xml');
is($s->typed(), 'type', 'typed');
is($edge->forgive(), '', 'as it should be');

for (['CSeq', cseq => 1], ['Route', route => []], ['Route', route => [$route,
	@{$dlg->{route}}]], ['From tag', from => '<sip:u@x.test>;tag=x'],
	['Request-URI', uri => 'sip:r@s.test'], ['Max-Forwards',
	'Max-Forwards' => 69])
{
	my ($why, %a) = @$_;
	say_in({ %$dlg, %a }, 'MESSAGE', 'bad', undef, %a);
	$client->message();
	like($edge->forgive(), qr/\Q$why/, "wrong: $why");
}

say_in($dlg, 'BYE');
ok($s->ended(), 'ended');

# answers that are wrong

for (['Record-Route', 'Record-Route' => $route],
	['Record-Route', 'Record-Route' => undef],
	['Contact', Contact => '<sip:127.0.0.1:5061;transport=tls>'],
	['Supported', Supported => 'ms-text-format'],
	['accept-types', body => $sdp =~ s/text\/plain/text\/rtf/r],
	['m=', body => sdp('null')], ['Via', Via => 'SIP/2.0/TLS a;branch=b'],
	['ms-edge-proxy', 'Ms-Edge-Proxy-Message-Trust' => 'x'])
{
	my ($why, %a) = @$_;
	my $s = $client->invite('u@x.test');
	ok_invite($gw->wait_request(undef, 'INVITE'), %a);
	$edge->response_if($s->invite(), 0.3);
	like($edge->forgive(), qr/\Q$why/, "wrong answer: $why");
}

# a session of the gateway

my $i = invite(headers => ['Ms-Conversation-ID: 1']);
$s = $client->session();
is($edge->forgive(), '', 'INVITE is right');
$r = $c->response_to($i);
is($r->code(), 200, 'accepted');
like($r->body(), qr/^m=message 5060 sip sip:r\@s\.test\x0d$/m, 'SDP');
is_deeply([$r->all('Record-Route')], [reverse(@{$s->{our_routes}}), $route],
	'Record-Route');

$c->request('ACK', $r->address('Contact'), cseq => 1,
	call_id => $i->call_id(), from => $i->header('From'),
	to => $r->header('To'), headers => [map { 'Route: '
	. Test::Nginx::Edge::uri_of($_) } @{$s->{our_routes}}]);
ok($s->acked(), 'ACK');
is($edge->forgive(), '', 'is right');

invite(headers => ['Ms-Conversation-ID: 1', 'ms-text-format: text/plain']);
$client->session();
like($edge->forgive(), qr/Conversation-ID again.*first message/s,
	'wrong: Ms-Conversation-ID, toast');

$c->request('NEGOTIATE', 'sip:edge.test');
Test::Nginx::Peers::wait_until(sub { $edge->stray() });
like($edge->forgive(), qr/must not be sent/, 'wrong: NEGOTIATE');

undef $c;

###############################################################################

sub sdp {
	my ($who) = @_;

	return join('', map { "$_\x0d\x0a" } 'v=0', 'o=- 0 0 IN IP4 127.0.0.1',
		's=session', 'c=IN IP4 127.0.0.1', 't=0 0',
		"m=message 5060 sip $who", 'a=accept-types:text/plain');
}

# 200 with the gateway's Record-Route before the others

sub ok_invite {
	my ($q, %a) = @_;

	my $raw = $gw->build_reply($q, 200, undef,
		content_type => 'application/sdp', body => $sdp,
		Contact => $contact, %a);

	$raw =~ s/(?=\x0d\x0aRecord-Route)/\x0d\x0aRecord-Route: $route/
		unless exists $a{'Record-Route'};
	$q->{conn}->send($raw);
}

sub dialog {
	my ($s, $q) = @_;
	my $n = 10;

	return {
		uri => $q->address('Contact'),
		from => "<sip:u\@x.test>;tag=$q->{local_tag}",
		to => $q->header('From'),
		call_id => $q->call_id(),
		cseq => \$n,
		route => [map { Test::Nginx::Edge::uri_of($_) }
			$q->list('Record-Route')],
	};
}

sub say_in {
	my ($d, $method, $body, $type, %more) = @_;

	$c ||= Test::Nginx::SIP->connect(PeerAddr => '127.0.0.1:' . port(8061),
		tls => 1, $ca->ssl('gw'), host => 'gw.test',
		from => 'sip:u@x.test');

	$c->request($method, $d->{uri}, from => $d->{from}, to => $d->{to},
		call_id => $d->{call_id}, body => $body,
		cseq => ref $d->{cseq} ? ++${$d->{cseq}} : $d->{cseq},
		content_type => $type // 'text/plain;charset=UTF-8',
		headers => [map { "Route: $_" } @{$d->{route}}],
		map { $_ => $more{$_} } grep { /^[A-Z]/ } keys %more);
}

sub invite {
	my (%a) = @_;

	return $c->request('INVITE', 'sip:r@s.test', cseq => 1,
		Contact => '<sip:u@gw.test:5061;transport=tls>',
		headers => ["Record-Route: $route", @{$a{headers}}],
		content_type => 'application/sdp', body => sdp('null'));
}

###############################################################################
