#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for SIP links: TLS, identities, targets, reuse, keepalive: SC, SEC-23.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::DNS;
use Test::Nginx::Gateway;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(96);

my %zone = (
	'_sips._tcp.srv.test' => { SRV => [
		[0, 0, port(8063), 'a.srv.test'], [1, 0, port(8064), 'b.srv.test'],
		[2, 0, port(8065), 'c.srv.test']] },
	'_sips._tcp.none.test' => { SRV => [[0, 0, 0, '.']] },
	'_sips._tcp.fail.test' => 'SERVFAIL',
	map { ("$_.srv.test" => { A => '127.0.0.1' }) } qw/a b c/
);

my $dns = Test::Nginx::DNS->new($t, \%zone);

my $g = Test::Nginx::Gateway->new($t, federation => <<'EOF',
        private_addresses on;
        log_interval 0;
        xmpp_domain y.test home server=127.0.0.1:%%PORT_8269%%;

        sip_domain srv.test;
        sip_domain none.test;
        sip_domain fail.test;
        sip_domain gone.test;

        sip_domain names.test server=127.0.0.1:%%PORT_8066%%;
        sip_domain two.test server=127.0.0.1:%%PORT_8061%% name=s.test;
        sip_domain plain.test tls=off server=127.0.0.1:%%PORT_8067%%;
        sip_domain *.wild.test server=127.0.0.1:%%PORT_8066%%;
        sip_domain any.test server=127.0.0.1:%%PORT_8066%% eku=any;

        sip_keepalive 500ms;
        sip_idle_timeout 60s;
        transaction_timeout 5s;
        confirm_timeout 2s;
        trying_timeout 1s;
EOF
	workers => 1, stream => <<'EOF');
    resolver 127.0.0.1:%%PORT_8053_UDP%% ipv6=off;

    server {
        listen 127.0.0.1:%%PORT_8068%% ssl;
        ssl_client_certificate %%TESTDIR%%/ca.crt;
        ssl_verify_client optional;
        sip_federation test;
    }

    server {
        listen 127.0.0.1:%%PORT_8069%%;
        sip_federation test;
    }
EOF

my $ca = $g->{ca};
my $foreign = Test::Nginx::CA->new($t->testdir(), name => 'foreignca');

my %shape = (
	uri => { uri => 'sip:names.test' },
	dns => { dns => 'names.test' },
	upper => { dns => 'NAMES.test' },
	both => { uri => 'sip:names.test', dns => 'other.test' },
	many => { dns => ['other.test', 'names.test'] },
	cn => { cn => 'names.test' },

	other => { cn => 'other.test', dns => 'other.test' },
	urifirst => { uri => 'sip:other.test', dns => 'names.test' },
	user => { uri => 'sip:u@names.test' },
	sips => { uri => 'sips:names.test' },
	wildcard => { dns => '*.test' },
	suffix => { dns => 'x.names.test' },
	cnsan => { cn => 'names.test', dns => 'other.test' },
	expired => { dns => 'names.test', expired => 1 },
	selfsigned => { dns => 'names.test', self_signed => 1 },
	eku => { dns => 'names.test', eku => 'emailProtection' },
	caleaf => { dns => 'names.test', ca => 1 },
	anchor => { dns => 'names.test', ca => 1, self_signed => 1 },
);

my @good = qw/uri dns upper both many cn anchor/;
my @bad = qw/other urifirst user sips wildcard suffix cnsan expired selfsigned
	eku caleaf/;

$ca->issue($_, %{$shape{$_}}) for keys %shape;
$t->write_file('ca.crt', $t->read_file('ca.crt')
	. $t->read_file('anchor.crt'));
$foreign->issue('foreign', dns => 'names.test');
$ca->issue('server', dns => ['names.test', 'any.test'], eku => 'serverAuth');
$ca->issue('mail', dns => 'any.test', eku => 'emailProtection');
$ca->issue('srv', dns => 'srv.test');
$ca->issue('target', dns => 'a.srv.test');
$ca->issue('wild', dns => 'a.wild.test');
$ca->issue('xy', dns => ['x.test', 'y.test']);

$dns->start();
$g->start(xmpp => { domains => ['x.test', 'y.test'], $ca->ssl('xy') });

my ($x, $s) = ($g->{x}, $g->{s});
my ($c, $r, $e, $m, $sp, $xmpp, $cache);

# who speaks for a domain: SC-06, SC-07, SC-09, SC-16, SEC-06

for (@good) {
	is(from('r@names.test', $_), 202, "client certificate - $_");
}

for (qw/other urifirst user sips wildcard suffix cnsan caleaf/) {
	is(from('r@names.test', $_), 403, "client certificate - $_");
}

is(() = $t->read_file('error.log') =~ /of the peer: other\.test, client/g, 2,
	'a subject that does not count is not logged as a name');

for (qw/expired selfsigned/) {
	ok(!from('r@names.test', $_), "client certificate - $_");
}

# extended key usage: SC-16

isnt(from('r@names.test', 'server') || 403, 202, 'serverAuth alone');
is(from('r@any.test', 'server'), 202, 'serverAuth alone, eku=any');
isnt(from('r@any.test', 'mail') || 403, 202, 'emailProtection, eku=any');

# a CA is none in a resumed session either: SEC-23

for my $n (1, 2) {
	$cache ||= IO::Socket::SSL::Session_Cache->new(1);
	$c = $g->sip($ca->ssl('caleaf'), SSL_version => 'TLSv1_2',
		SSL_session_cache => $cache, SSL_session_key => 'caleaf');
	is($c->transact('MESSAGE', 'sip:u@y.test', from => 'sip:r@names.test',
		body => 'hi')->code(), 403, "CA - session $n");
	is($c->tls_info()->{resumed} ? 1 : 0, $n - 1, "CA - session $n resumed");
	$c->close_notify();
}

is(from('r@a.wild.test', 'wild'), 202, 'wildcard line');
is(from('r@b.wild.test', 'wild'), 403, 'wildcard line, another domain');

is(from('r@names.test', 's'), 403, 'another domain');
is(from('u@x.test', 's'), 403, 'domain of the other side'); # ARC-09
is(from('r@nobody.test', 's'), 403, 'unknown domain');
is(from('r@two.test', 's'), 202, 'name='); # SC-13
is(from('anonymous@anonymous.invalid', 's'), 403, 'anonymous');

# no certificate

$c = Test::Nginx::SIP->connect(PeerAddr => '127.0.0.1:' . port(8068), tls => 1);
is($c->transact('MESSAGE', 'sip:u@x.test', body => 'hi')->code(), 403,
	'no certificate');

# without TLS: only where it is off, from the address of the server

$c = Test::Nginx::SIP->connect(PeerAddr => '127.0.0.1:' . port(8069));
is($c->transact('MESSAGE', 'sip:u@y.test', from => 'sip:r@names.test',
	body => 'hi')->code(), 403, 'no TLS'); # ARC-07
is($c->transact('MESSAGE', 'sip:u@y.test', from => 'sip:r@plain.test',
	body => 'hi', Via => 'SIP/2.0/TCP plain.test:' . port(8067)
	. ';branch=z9hG4bKplain;alias')->code(), 202, 'no TLS, tls=off');

$sp = Test::Nginx::SIP::Server->listen('127.0.0.1:' . port(8067), auto => 200);
$xmpp = home('plain.test');
$xmpp->send(message('plain.test', 'plain'));
$m = $sp->wait_request();
is($m && $m->body(), 'plain', 'to tls=off, no alias'); # SEC-24
like($m && $m->header('Via'), qr!^SIP/2\.0/TCP [^;]+;branch=\w+$!, 'Via');
undef $sp;

# who is dialled: SC-06, SC-08, SC-15

$xmpp = home('names.test');

for my $shape (@good) {
	$sp = Test::Nginx::SIP::Server->listen('127.0.0.1:' . port(8066),
		tls => 1, $ca->ssl($shape), auto => 200);

	$xmpp->send(message('names.test', $shape));
	$m = $sp->wait_request();
	is($m && $m->body(), $shape, "server certificate - $shape");
	is($sp->conn()->tls_info()->{sni}, 'names.test', 'sni')
		if $shape eq 'uri';

	$sp->close();
	Test::Nginx::Peers::idle(0.1);
}

for my $shape (@bad, 'foreign') {
	$sp = Test::Nginx::SIP::Server->listen('127.0.0.1:' . port(8066),
		tls => 1, ($shape eq 'foreign' ? $foreign : $ca)->ssl($shape),
		auto => 200);

	$xmpp->send(message('names.test', $shape));
	$e = error($shape);
	is($e && $e->condition(), 'remote-server-timeout',
		"server certificate - $shape");
	is($sp->seen() + 0, 0, 'nothing sent');

	$sp->close();
	Test::Nginx::Peers::idle(0.15);
}

# DNS: SC-02, ERR-23

for (['none', 'remote-server-not-found'], ['gone', 'remote-server-not-found']) {
	$xmpp = home("$_->[0].test");
	$xmpp->send(message("$_->[0].test", $_->[0]));
	$e = error($_->[0]);
	is($e && $e->condition(), $_->[1], "DNS - $_->[0]");
}

is((grep { /_udp|_sip\._tcp/ } $dns->queries()), 0, 'no UDP');

# SRV: the certificate is of the domain, not of the target; SC-05, ST-15

my @sp = map { Test::Nginx::SIP::Server->listen('127.0.0.1:' . port($_),
	tls => 1, $ca->ssl('srv'), auto => 200) } 8063, 8065;

$sp[0]->set(auto => 503);

$xmpp = home('srv.test');
$xmpp->send(message('srv.test', 'srv'));
$m = $sp[1]->wait_request();
is($m && $m->body(), 'srv', 'third target');
my $first = $sp[0]->wait_request();
is($first && $first->body(), 'srv', 'first target');
isnt($m && $m->branch(), $first && $first->branch(), 'new branch');
is($m && $m->call_id(), $first && $first->call_id(), 'same Call-ID');

# one connection for all: ST-20, ST-21

$xmpp->send(message('srv.test', "r$_")) for 1 .. 10;
is((grep { $sp[1]->wait_request() } 1 .. 10), 10, 'ten more');
is($sp[1]->conns() + 0, 1, 'one connection');

# requests on the connection that we opened: SC-11

$r = $sp[1]->conn()->transact('MESSAGE', 'sip:u@y.test',
	from => 'sip:r@srv.test', body => 'back');
is($r && $r->code(), 202, 'request on a dialled connection');
$r = $sp[1]->conn()->transact('MESSAGE', 'sip:u@y.test',
	from => 'sip:r@names.test', body => 'back');
is($r && $r->code(), 403, 'request of another domain');

# keepalive: SC-20, SC-21

ok(Test::Nginx::Peers::wait_until(sub { $sp[1]->conn()->pings() }, 3), 'ping');
ok(Test::Nginx::Peers::wait_until(sub { $sp[1]->conn()->pings() > 2 }, 3),
	'more pings');
ok($sp[1]->conn()->ping(), 'pong');

$c = $g->sip();
ok($c->ping(), 'pong on an accepted connection');
$c->send("\x0d\x0a");
ok($c->silent(0.3), 'one CRLF alone');
is($c->transact('MESSAGE', 'sip:u@y.test', body => "a\x0d\x0a\x0d\x0ab")->code(),
	202, 'CRLF in a body');
is($c->crlfs() + 0, 1, 'no pong for a body');

# a server that is gone: from the first target on

$sp[1]->close();
$sp[1] = Test::Nginx::SIP::Server->listen('127.0.0.1:' . port(8065),
	tls => 1, $ca->ssl('srv'), auto => 200);
$xmpp->send(message('srv.test', 'again'));
$m = $sp[1]->wait_request();
is($m && $m->body(), 'again', 'dialled again');
undef @sp;

# a domain of its own on the same server: SC-13

$xmpp = home('two.test');
$xmpp->send(message('two.test', 'two'));
$m = $s->wait_request();
is($m && $m->body(), 'two', 'two.test');
$xmpp = home('s.test');
$xmpp->send(message('s.test', 's'));
$m = $s->wait_request();
is($m && $m->body(), 's', 's.test');
is($s->conns() + 0, 2, 'not on one connection');

# alias: SC-10, SC-12, SEC-24

$s->close();
Test::Nginx::Peers::idle(0.2);

my $via = 'SIP/2.0/TLS s.test:' . port(8061) . ';branch=z9hG4bK';

for (['without alias', "${via}1", 0], ['another port',
	"SIP/2.0/TLS s.test:70;branch=z9hG4bK2;alias", 0],
	['alias', "${via}3;alias", 1])
{
	my ($name, $via, $reused) = @$_;

	$c = $g->sip(auto => 200);
	$c->transact('MESSAGE', 'sip:u@y.test', body => 'hi', Via => $via);
	$xmpp->send(message('s.test', $name));
	$m = $c->wait_request($reused ? 5 : 0.5);
	is($m && $m->body(), $reused ? $name : undef, $name);
	undef $c;
	Test::Nginx::Peers::idle(0.3);
}

# ST-08: the connection is gone before the response

$s = Test::Nginx::SIP::Server->listen('127.0.0.1:' . port(8070), tls => 1,
	$ca->ssl('s'), strict => 0);
$x->set(pings => 0);
$c = $g->sip();
my $q = $c->build('MESSAGE', 'sip:u@y.test', body => 'late', Via =>
	'SIP/2.0/TLS s.test:' . port(8070) . ';branch=z9hG4bKlate');
$c->send_raw($q);
1 while ($e = $x->stanza()) && ($e->text('body') || '') ne 'late';
$c->close();
undef $c;
Test::Nginx::Peers::idle(0.2);
$x->pong($_) for $x->pings();
$r = $s->response();
ok($r && $r->code() >= 200, 'response on a new connection');
is($r && $r->branch(), 'z9hG4bKlate', 'response - branch');

undef $xmpp;

###############################################################################

# a MESSAGE from somebody on a connection with a certificate

sub from {
	my ($from, $cert) = @_;

	my $c = $g->sip($ca->ssl($cert)) or return;

	my $q = $c->build('MESSAGE', 'sip:u@y.test', from => "sip:$from",
		body => 'hi');
	$c->send_raw($q);

	my $r = $c->response_to($q, 3);

	return $r && $r->code();
}

# a stream of y.test to a domain

sub home {
	my ($to) = @_;

	my $xp = Test::Nginx::XMPP->login(PeerAddr => '127.0.0.1:' . port(8270),
		from => 'y.test', to => $to, $ca->ssl('xy'), auth => 'external');

	$x->link($xp);

	return $xp;
}

sub message {
	my ($domain, $id) = @_;
	return $g->message($id, from => 'u@y.test/a', to => "r\@$domain",
		id => $id);
}

sub error {
	my ($id) = @_;

	while (my $e = $x->stanza()) {
		return $e if ($e->attr('id') || '') eq $id;
	}
}

###############################################################################
