#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for direct TLS between XMPP servers, both ways (XEP-0368; XT-18, XT-19,
# XS-37).

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/ :DEFAULT port /;
use Test::Nginx::DNS;
use Test::Nginx::Gateway;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(94);

my ($direct, $starttls, $dead, $odd) = map { port($_) } 8281 .. 8284;

my @none = (0, 0, 0, '.');

# the records of both services: srv('x', xmpp => [...], xmpps => [...])

sub srv {
	my ($name, %of) = @_;
	return map { ("_$_-server._tcp.$name.test" => ref $of{$_}
		? { SRV => $of{$_} } : $of{$_}) } keys %of;
}

my $dns = Test::Nginx::DNS->new($t, {
	'host.test' => { A => '127.0.0.1' },

	srv('first', xmpps => [[0, 0, $direct, 'host.test']],
		xmpp => [[1, 0, $starttls, 'host.test']]),
	srv('second', xmpps => [[1, 0, $direct, 'host.test']],
		xmpp => [[0, 0, $starttls, 'host.test']]),

	srv('heavy', xmpps => [[1, 65535, $dead, 'host.test']],
		xmpp => [[1, 1, $odd, 'host.test'], [2, 1, $direct, 'host.test']]),
	srv('light', xmpps => [[1, 1, $dead, 'host.test']],
		xmpp => [[1, 65535, $odd, 'host.test'],
		[0, 65535, port(8285), 'host.test']]),

	srv('nodirect', xmpps => [\@none],
		xmpp => [[1, 0, $starttls, 'host.test']]),
	srv('noservice', xmpps => [\@none]),
	'noservice.test' => { A => '127.0.0.2' },
	srv('nostarttls', xmpps => [[1, 0, $direct, 'host.test']],
		xmpp => [\@none]),
	srv('neither', xmpps => [\@none], xmpp => [\@none]),
	srv('only', xmpps => [[1, 0, $direct, 'host.test']]),
	'fallback.test' => { A => '127.0.0.3' },
	srv('gone', xmpps => [[1, 0, $dead, 'host.test']]),
	'gone.test' => { A => '127.0.0.2' },
	srv('lost', xmpps => [[1, 0, $direct, 'missing.test']],
		xmpp => [[1, 0, $starttls, 'host.test']]),

	srv('refused', xmpps => [[0, 0, $dead, 'host.test']],
		xmpp => [[1, 0, $starttls, 'host.test']]),
	srv('odd', xmpps => [[0, 0, $odd, 'host.test']],
		xmpp => [[1, 0, $starttls, 'host.test']]),
	srv('after', xmpp => [[0, 0, $dead, 'host.test']],
		xmpps => [[1, 0, $direct, 'host.test']]),

	srv('fails', xmpps => 'SERVFAIL',
		xmpp => [[1, 0, $starttls, 'host.test']]),
	srv('fails2', xmpps => [[1, 0, $direct, 'host.test']],
		xmpp => 'SERVFAIL'),
	srv('drops', xmpps => 'DROP',
		xmpp => [[1, 0, $starttls, 'host.test']]),
	srv('drops2', xmpps => [[1, 0, $direct, 'host.test']], xmpp => 'DROP'),
	srv('fails3', xmpps => 'SERVFAIL'),
	'fails3.test' => { A => '127.0.0.3' },
	srv('fails4', xmpp => 'SERVFAIL'),
	'fails4.test' => { A => '127.0.0.2' },
	srv('fails5', xmpp => 'SERVFAIL', xmpps => [\@none]),

	srv('off', xmpps => [[0, 0, $direct, 'host.test']],
		xmpp => [[1, 0, $starttls, 'host.test']]),
	srv('optional', xmpps => [[0, 0, $direct, 'host.test']],
		xmpp => [[1, 0, $starttls, 'host.test']]),
	srv('strict', xmpps => [[1, 0, $direct, 'host.test']],
		xmpp => [[0, 0, $starttls, 'host.test']]),
	srv('strict2', xmpp => [[0, 0, $starttls, 'host.test']]),
	'strict2.test' => { A => '127.0.0.2' },
});

my @names = map { "$_.test" } qw/ first second heavy light nodirect noservice
	nostarttls neither only fallback gone lost refused odd after fails fails2
	drops drops2 fails3 fails4 fails5 /;

my $g = Test::Nginx::Gateway->new($t, xmpp => 'auth=external',
	stream => <<'EOF',
    resolver 127.0.0.1:%%PORT_8053_UDP%% ipv6=off;
    resolver_timeout 30s;

    ssl_session_cache shared:tls:1m;
    ssl_session_tickets off;

    server {
        listen 127.0.0.1:%%PORT_8271%% ssl reuseport;
        xmpp_federation test;
    }

    federation other {
        zone other 1m;
        ssl_trusted_certificate %%TESTDIR%%/other.crt;
        sip_domain s.test home server=127.0.0.1:%%PORT_8061%%;
        xmpp_domain x.test server=127.0.0.1:%%PORT_8269%%;
    }

    server {
        listen 127.0.0.1:%%PORT_8275%% ssl reuseport;
        xmpp_federation other;
    }

    server {
        listen 127.0.0.1:%%PORT_8272%% reuseport;
        listen 127.0.0.1:%%PORT_8273%% ssl reuseport;
        ssl_alpn xmpp-server;
        xmpp_federation test;
    }

    server {
        listen 127.0.0.1:%%PORT_8274%% ssl reuseport;
        ssl_certificate %%TESTDIR%%/$ssl_server_name.crt;
        ssl_certificate_key %%TESTDIR%%/$ssl_server_name.key;
        ssl_verify_client on;
        ssl_client_certificate %%TESTDIR%%/ca.crt;
        xmpp_federation test;
    }
EOF
	federation => "private_addresses on; reconnect_delay 1ms 1ms;\n"
	. "handshake_timeout 3s; log_interval 0;\n"
	. join('', map { "xmpp_domain $_;\n" } @names)
	. <<'EOF');
        xmpp_domain off.test      tls=off auth=dialback;
        xmpp_domain optional.test tls=optional;
        xmpp_domain strict.test   tls=direct;
        xmpp_domain strict2.test  tls=direct;
        xmpp_domain server.test   server=127.0.0.1:%%PORT_8281%% tls=direct;
        xmpp_domain port.test     tls=direct server=127.0.0.4;
        xmpp_domain proof.test    server=127.0.0.1:%%PORT_8281%% tls=direct
                                  auth=external;
        xmpp_domain back.test     server=127.0.0.1:%%PORT_8281%% tls=direct
                                  auth=dialback;
EOF

my $conf = $t->read_file('nginx.conf');
$conf =~ s/reconnect_delay 10ms 100ms;//;
$conf =~ s/ reuseport;/;/g if ($ENV{TEST_NGINX_WORKERS} || 1) == 1;
$t->write_file('nginx.conf', $conf);

my $ca = $g->{ca};
my $other = Test::Nginx::CA->new($t->testdir(), name => 'other');

$ca->issue('all', cn => 'all.test', dns => [@names, map { "$_.test" }
	qw/ optional strict strict2 server port back off x /]);
$ca->issue('s.test', cn => 's.test', dns => 's.test',
	srv => '_xmpp-server.s.test');
$ca->issue('server', dns => 'x.test', eku => 'serverAuth');
$ca->issue('expired', dns => 'x.test', expired => 1);
$other->issue('untrusted', dns => 'x.test');

$dns->start();
$g->start();

my %args = ($ca->ssl('all'), domains => [], sasl_external => 1);

my $xd = Test::Nginx::XMPP::Server->listen("127.0.0.1:$direct", %args,
	tls => 'direct', gateway => '127.0.0.1:' . port(8271));
my $xs = Test::Nginx::XMPP::Server->listen("127.0.0.1:$starttls", %args,
	gateway => '127.0.0.1:' . port(8270));
my $xo = Test::Nginx::XMPP::Server->listen("127.0.0.1:$odd", %args,
	at => { connect => 'close' });

my $sip = $g->sip();

# outbound, XT-18: records of both services are one set

is(via('first'), '202 direct', 'xmpps first');
is(queries('first'), 'SRV _xmpp-server._tcp SRV _xmpps-server._tcp',
	'both services are asked for');

my $c = $xd->conn();

is($c->{tls_seen}{sni}, 'first.test', 'SNI is the domain');
is($c->{tls_seen}{alpn}, 'xmpp-server', 'ALPN');
like($c->{tls_seen}{subject}, qr/gw.test/, 'our certificate');
is(scalar grep({ $_->name() eq 'starttls' } $c->log()), 0,
	'no STARTTLS within');
is($c->{headers}[0]->attr('from'), 's.test', 'from in the first header');
ok(logged(qr/\[notice\].* to "first.test", proven by certificate, direct TLS,/),
	'log');

is(via('second'), '202 starttls', 'xmpp first');
is($xs->conn()->{tls_seen}{alpn}, undef, 'STARTTLS has no ALPN');
ok(logged(qr/"second.test", proven by certificate, TLS,/), 'STARTTLS, log');

is(code('heavy'), 504, 'weights');
like(order('heavy'), qr/^$dead/, 'weights - xmpps');
is(code('light'), 504, 'weights, the other way round');
like(order('light'), qr/^${\port(8285)} $odd/,
	'weights - xmpp, after what has priority');

# the target "."

is(via('nodirect'), '202 starttls', 'no direct TLS');
is(code('noservice'), 404, 'no direct TLS, and no other record');
is(queries('noservice'), 'SRV _xmpp-server._tcp SRV _xmpps-server._tcp',
	'no direct TLS - no addresses asked for');
ok(logged(qr/noservice.test says by DNS that it has no xmpps-server service/),
	'no direct TLS, log');
is(via('nostarttls'), '202 direct', 'no STARTTLS');
is(code('neither'), 404, 'neither');

is(via('only'), '202 direct', 'no record of xmpp-server');
is(code('fallback'), 504, 'no records');
ok(logged(qr/connect\(\) failed.*127.0.0.3:5269, domain: fallback.test/),
	'no records - addresses of the domain');
is(code('gone'), 504, 'xmpps is dead');
is(queries('gone'), 'SRV _xmpp-server._tcp SRV _xmpps-server._tcp',
	'xmpps is dead - no addresses asked for'); # XS-38
is(via('lost'), '202 starttls', 'xmpps target without an address');

# an address that fails is followed by the next one

is(via('refused'), '202 starttls', 'refused');
ok(logged(qr/connect\(\) failed.*127.0.0.1:$dead, domain: refused.test/),
	'refused, log');
is(via('after'), '202 direct', 'STARTTLS refused');

is(via('odd'), '202 starttls', 'closed');
ok(logged(qr/\[error\].*"odd.test" failed: TLS handshake failed/),
	'closed, log');

for (['plaintext', 'no TLS here'],
	['alert', "\x15\x03\x03\x00\x02\x02\x78"])	# no_application_protocol
{
	my ($name, $bytes) = @$_;
	drop();
	$xo->set(at => { connect => sub {
		$_[0]{raw_only} = 1;
		$_[0]->send($bytes);
	} });
	is(via('odd'), '202 starttls', $name);
}

drop();
$xo->set(at => { connect => sub { $_[0]{raw_only} = 1 } });
is(via('odd'), '202 starttls', 'mute');
ok(logged(qr/\[error\].*"odd.test" failed: TLS handshake timed out/),
	'mute, log');

# one answer is as good as two

is(via('fails'), '202 starttls', 'xmpps fails');
ok(logged(qr/\[warn\].*xmpps-server of fails.test could not be resolved/),
	'xmpps fails, log');
is(via('fails2'), '202 direct', 'xmpp fails');
is(via('drops'), '202 starttls', 'xmpps is not answered');
ok(logged(qr/\[warn\].*xmpps-server of drops.test could not .*timed out/),
	'xmpps is not answered, log');
is(via('drops2'), '202 direct', 'xmpp is not answered');
is(code('fails3'), 504, 'xmpps fails, no xmpp');
ok(logged(qr/connect\(\) failed.*127.0.0.3:5269, domain: fails3.test/),
	'xmpps fails, no xmpp - addresses of the domain');
is(code('fails4'), 504, 'xmpp fails, no xmpps');
is(queries('fails4'), 'SRV _xmpp-server._tcp SRV _xmpps-server._tcp',
	'xmpp fails, no xmpps - no addresses asked for');
is(code('fails5'), 504, 'xmpp fails, xmpps "."');

# policy

is(via('optional'), '202 direct', 'tls=optional');
is(via('strict'), '202 direct', 'tls=direct');
is(queries('strict'), 'SRV _xmpps-server._tcp', 'tls=direct - one service');
is(code('strict2'), 404, 'tls=direct, no record');
is(queries('strict2'), 'SRV _xmpps-server._tcp',
	'tls=direct - no other service, no addresses');
ok(logged(qr/strict2.test has no direct TLS service in DNS/),
	'tls=direct, no record, log');
is(via('server'), '202 direct', 'tls=direct with server=');
is(code('port'), 504, 'tls=direct, no port');
ok(logged(qr/connect\(\) failed.*127.0.0.4:5270/), 'tls=direct - port 5270');
is(code('proof'), 504, 'certificate for another domain');
ok(logged(qr/\[error\].*certificate does not prove XMPP domain "proof.test"/),
	'certificate for another domain, log');

$xs->set(tls => 0, dialback => 1);
is(via('off'), '202 starttls', 'tls=off');
is(queries('off'), 'SRV _xmpp-server._tcp', 'tls=off - one service');
$xs->set(tls => 1);

# dialback over direct TLS, in both roles of it

$xd->set(sasl_external => 0);
is(via('back'), '202 direct', 'dialback');
is(($xd->keys())[-1]->{to}, 'back.test', 'dialback - key');
ok(logged(qr/ to "back.test", proven by dialback, direct TLS/),
	'dialback, log');

$c = peer(8271, from => 'back.test', auth => 'dialback', $ca->ssl('all'));
ok($c->ready(), 'inbound dialback');
is(($xd->verified())[-1]->attr('to'), 'back.test', 'inbound dialback - asked');
is($xd->conn()->{tls_seen}{alpn}, 'xmpp-server',
	'inbound dialback - asked over direct TLS');
$xd->set(sasl_external => 1);

$c->send($g->message('dialback', from => 'u@back.test'));
is($g->{s}->wait_request()->body(), 'dialback', 'inbound dialback - message');

# inbound, XT-19

$c = peer(8271, auth => 'external', $ca->ssl('x'));
ok($c->ready(), 'EXTERNAL');
is($c->tls_info()->{alpn}, 'xmpp-server', 'ALPN is selected');
ok(logged(qr/\[notice\].*"x.test" to "s.test", proven by certificate, direct/),
	'inbound, log');

$c->send($g->message('direct'));
is($g->{s}->wait_request()->body(), 'direct', 'message');

$c = stream(8271, $ca->ssl('x'));
my $f = $c->open();
ok(!$f->child('starttls'), 'STARTTLS is not offered');
ok($f->child('mechanisms'), 'EXTERNAL is offered');
$c->send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
ok($c->expect('failure') && $c->stream_closed(), 'STARTTLS is refused');

# whom the certificate stands for is judged as after STARTTLS

for (['server', $ca, 1], ['expired', $ca, 0], ['untrusted', $other, 0],
	[undef, $ca, 0])
{
	my ($name, $from, $good) = @$_;
	$c = stream(8271, $name ? $from->ssl($name) : ());
	$f = $c->open();
	is($f && $f->child('mechanisms') ? 1 : 0, $good,
		'certificate - ' . ($name || 'none'));
}

# ... by that federation, and not by another one that knows the session of TLS

my %session = ($ca->ssl('x'), SSL_version => 'TLSv1_2', SSL_session_key => 'gw',
	SSL_session_cache => IO::Socket::SSL::Session_Cache->new(4));

my $first = stream(8271, %session);

for ([8271, 1], [8275, 0]) {
	my ($port, $good) = @$_;
	$c = stream($port, %session);
	is($c->tls_info()->{resumed} ? 1 : 0, $good, "session - $port");
	is($c->open()->child('mechanisms') ? 1 : 0, $good,
		"session - certificate, $port");
}

# ALPN

$c = stream(8271, SSL_alpn_protocols => ['http/1.1', 'xmpp-server']);
is($c->tls_info()->{alpn}, 'xmpp-server', 'ALPN among others');
$c = stream(8271, SSL_alpn_protocols => undef);
is($c->tls_info()->{alpn}, undef, 'no ALPN');
ok($c->open(), 'no ALPN - features');

for (8271, 8273) {
	$c = stream($_, SSL_alpn_protocols => ['http/1.1', 'xmpp-client']);
	like($c->{tls_error}, qr/alert no application protocol/, "another ALPN");
}

# both ways in one server

ok(peer(8272, tls => 1, auth => 'external', $ca->ssl('x'))->ready(),
	'STARTTLS beside direct TLS');
ok(peer(8273, auth => 'external', $ca->ssl('x'))->ready(),
	'direct TLS beside STARTTLS');

$c = Test::Nginx::XMPP->connect(PeerAddr => '127.0.0.1:' . port(8270),
	from => 'x.test', to => 's.test');
$c->open();
ok($c->starttls(SSL_alpn_protocols => ['h2']), 'STARTTLS with any ALPN');

# the certificate by SNI (XT-03), peers without a good one not let in at all

$c = stream(8274, $ca->ssl('x'));
like($c->tls_info()->{subject}, qr/CN=s.test/, 'certificate by SNI');
ok($c->open(), 'ssl_verify_client');
$c = stream(8274, $other->ssl('untrusted'));
ok(!$c->open(), 'ssl_verify_client, untrusted');

# what is no TLS

$c = Test::Nginx::XMPP->connect(PeerAddr => '127.0.0.1:' . port(8271),
	from => 'x.test', to => 's.test');
$c->{raw_only} = 1;
$c->header();
ok(Test::Nginx::Peers::wait_until(sub { $c->{ended} }), 'plaintext');

undef $c;
undef $sip;

Test::Nginx::Peers::stop($t);

###############################################################################

# the final response to a message to a user of the domain

sub code {
	my ($name) = @_;
	$dns->clear();
	my $r = $sip->transact('MESSAGE', "sip:u\@$name.test", timeout => 12,
		body => "to $name");
	return $r ? $r->code() : 0;
}

# ... and the server that the message came to

sub via {
	my ($name) = @_;
	my %before = map { $_ => scalar $_->seen() } $xd, $xs;
	my $code = code($name);

	my $to = sub {
		my ($x) = @_;
		my @seen = $x->seen();
		return grep { ($_->text('body') // '') eq "to $name" }
			@seen[$before{$x} .. $#seen];
	};

	return join(' ', $code, $to->($xd) ? 'direct' : (),
		$to->($xs) ? 'starttls' : ());
}

# queries for a domain since it was tried, without its name

sub queries {
	my ($name) = @_;
	my %seen;
	return join ' ', sort grep { !$seen{$_}++ }
		map { s/\.?\b$name\.test$//; $_ }
		$dns->queries(qr/\b$name\.test$/);
}

# the ports where connecting to a domain failed, in order

sub order {
	my ($name) = @_;
	return join ' ', map { /peer: 127.0.0.1:(\d+), domain: $name.test/ }
		grep { /\[error\].*(?:connect\(\) failed|" failed: )/ }
		split /\n/, $g->{t}->read_file('error.log');
}

sub logged {
	my ($re) = @_;
	return scalar grep { /$re/ } split /\n/,
		$g->{t}->read_file('error.log');
}

# ends the gateway's streams

sub drop {
	$_->reset() for $xd->conns(), $xs->conns();
	Test::Nginx::Peers::idle(0.2);
}

# a peer that negotiates with a listener of the gateway

sub peer {
	my ($port, %a) = @_;
	return Test::Nginx::XMPP->login(PeerAddr => '127.0.0.1:' . port($port),
		from => 'x.test', to => 's.test', tls => 'direct',
		may_fail => 1, %a);
}

# one under TLS that does nothing by itself

sub stream {
	my ($port, %a) = @_;
	%a = (SSL_alpn_protocols => ['xmpp-server'], %a);
	delete $a{SSL_alpn_protocols} unless $a{SSL_alpn_protocols};

	my $s = Test::Nginx::XMPP->connect(
		PeerAddr => '127.0.0.1:' . port($port),
		from => 'x.test', to => 's.test', %a);
	$s->start_tls(0, SSL_hostname => 's.test');
	$s->wait_tls();
	return $s;
}

###############################################################################
