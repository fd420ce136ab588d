#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for dialling: SRV and its order, failover, addresses where there is no
# SRV, IPv6, private addresses; both legs (RFC 2782; RFC 6120, 3.2; RFC 3263).

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::DNS;
use Test::Nginx::Gateway;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(33);

my @xmpp = map { "x$_.test" } 1 .. 9;
my @sip = map { "s$_.test" } 1 .. 6;

my $x = '127.0.0.1:' . port(8281);
my $xport = port(8281);
my $sport = port(8282);
my $dead = port(8283);
my $six = port(8284);

my $dns = Test::Nginx::DNS->new($t, {
	'host.test' => { A => '127.0.0.1' },
	'six.test' => { AAAA => ['::1'] },
	'public.test' => { A => '127.0.0.1' },

	# the first does not answer, the second does: XS-37
	'_xmpp-server._tcp.x1.test' => { SRV => [
		[1, 0, $dead, 'host.test'], [2, 0, $xport, 'host.test']] },

	# all dead, and an address that must not be tried: XS-38
	'_xmpp-server._tcp.x2.test' => { SRV => [[1, 0, $dead, 'host.test']] },
	'x2.test' => { A => '127.0.0.2' },

	# no service
	'_xmpp-server._tcp.x3.test' => { SRV => [[0, 0, 0, '.']] },
	'x3.test' => { A => '127.0.0.2' },

	# x4.test does not exist at all

	# trouble with DNS
	'_xmpp-server._tcp.x5.test' => 'SERVFAIL',

	# no SRV, but an address: port 5269
	'x6.test' => { A => '127.0.0.3' },

	# IPv6
	'_xmpp-server._tcp.x7.test' => { SRV => [[1, 0, $six, 'six.test']] },

	# the target has no address
	'_xmpp-server._tcp.x8.test' => { SRV => [
		[1, 0, $xport, 'missing.test']] },

	# both services of SIP
	'_sipfederationtls._tcp.s1.test' => { SRV => [
		[1, 0, $dead, 'host.test'], [2, 0, $sport, 'host.test']] },
	'_sips._tcp.s1.test' => { SRV => [[1, 0, $dead, 'host.test']] },

	'_sips._tcp.s2.test' => { SRV => [[1, 0, $sport, 'host.test']] },

	# no service, and none
	'_sipfederationtls._tcp.s3.test' => { SRV => [[0, 0, 0, '.']] },

	# s4.test does not exist

	'_sipfederationtls._tcp.s5.test' => 'SERVFAIL',

	'_sipfederationtls._tcp.s6.test' => { SRV => [
		[1, 0, $dead, 'host.test']] },
});

my $g = Test::Nginx::Gateway->new($t, stream => <<'EOF',
    resolver 127.0.0.1:%%PORT_8053_UDP%%;
    resolver_timeout 2s;
EOF
	federation => "private_addresses on; reconnect_delay 1ms 1ms;\n"
	. join '', map({ "xmpp_domain $_ auth=dialback home;\n" } @xmpp),
	map({ "sip_domain $_ home;\n" } @sip));

my $conf = $t->read_file('nginx.conf');
$conf =~ s/reconnect_delay 10ms 100ms;//;
$t->write_file('nginx.conf', $conf);

$g->{ca}->issue('all', cn => 'all.test', dns => [@xmpp]);
$g->{ca}->issue('sips', cn => 'sips.test', dns => [@sip]);

$dns->start();
$g->start();

my $xs = Test::Nginx::XMPP::Server->listen($x, domains => \@xmpp,
	$g->{ca}->ssl('all'), sasl_external => 0,
	gateway => '127.0.0.1:' . port(8270));
my $ss = Test::Nginx::SIP::Server->listen("127.0.0.1:$sport", tls => 1,
	$g->{ca}->ssl('sips'), auto => 200);

my $c = $g->sip();

# XMPP

is(code('x1.test'), 202, 'next target');
is(queries('x1.test'), both('x1.test'), 'SRV only');
ok(logged(qr/connect\(\) failed.*peer: 127.0.0.1:$dead, domain: x1.test/),
	'log of the failure names peer and domain');

is(code('x2.test'), 504, 'SRV, no target reachable');
is(queries('x2.test'), both('x2.test'), 'no address asked');

is(code('x3.test'), 404, 'target "."');
is(queries('x3.test'), both('x3.test'), '"." - no fallback');

is(code('x4.test'), 404, 'no such domain');
like(queries('x4.test'), qr/^(SRV \S+ ){2}(A|AAAA) x4.test/,
	'addresses asked');
ok(logged(qr/\[error\].*x4.test does not exist in DNS/),
	'no such domain, log');

is(code('x5.test'), 504, 'SERVFAIL');
ok(logged(qr/\[error\].*x5.test could not be resolved/), 'SERVFAIL, log');

is(code('x6.test'), 504, 'no SRV');
ok(logged(qr/connect\(\) failed.*127.0.0.3:5269/), 'no SRV - address and port');

SKIP: {
	my $v6 = eval { Test::Nginx::XMPP::Server->listen("[::1]:$six",
		domains => ['x7.test'], $g->{ca}->ssl('all'),
		sasl_external => 0, gateway => '127.0.0.1:' . port(8270)) };

	skip 'no IPv6 here', 1 unless $v6;

	is(code('x7.test'), 202, 'IPv6');
}

is(code('x8.test'), 504, 'target without an address');

# SIP

is(outcome('s1.test'), 'ok', 'SIP, next target');
is(queries('s1.test'), 'SRV _sipfederationtls._tcp.s1.test',
	'SIP, first service');

is(outcome('s2.test'), 'ok', 'SIP, second service');
is(queries('s2.test'), 'SRV _sipfederationtls._tcp.s2.test '
	. 'SRV _sips._tcp.s2.test', 'SIP, services in order');

is(outcome('s3.test'), 'remote-server-not-found cancel', 'SIP, target "."');
is(outcome('s4.test'), 'remote-server-not-found cancel',
	'SIP, no such domain');
is(outcome('s5.test'), 'remote-server-not-found cancel', 'SIP, SERVFAIL');
is(outcome('s6.test'), 'remote-server-timeout wait', 'SIP, not reachable');

# IM-17: the request to a hop found by SRV has 1300 octets at most

is(outcome('s2.test', 'x' x 1300), 'policy-violation modify',
	'SIP, 1300 octets for a hop found by SRV');
is(outcome('s2.test', 'x' x 600), 'ok', 'SIP, less');

# a server that comes after the first failure

$xs->stop_listening();
$_->reset() for $xs->conns();
isnt(code('x1.test'), 202, 'gone');
$xs = Test::Nginx::XMPP::Server->listen($x, domains => \@xmpp,
	$g->{ca}->ssl('all'), sasl_external => 0,
	gateway => '127.0.0.1:' . port(8270));
ok(Test::Nginx::Peers::wait_until(sub { code('x1.test') == 202 }, 10),
	'back again'); # XS-39

# SEC-34: DNS does not send us to private addresses

Test::Nginx::Peers::background(sub {
	my $conf = $t->read_file('nginx.conf');
	$conf =~ s/private_addresses on;//;
	$t->write_file('nginx.conf', $conf);
	$t->reload();
});

ok(Test::Nginx::Peers::wait_until(sub {
	$c = $g->sip();
	return code('x9.test') && $t->read_file('error.log')
		=~ /gracefully shutting down/;
}, 10), 'reloaded');

$c = $g->sip();
$dns->add('_xmpp-server._tcp.x9.test' => { SRV => [
	[1, 0, $xport, 'host.test']] });

Test::Nginx::Peers::wait_until(sub {
	code('x9.test') == 504 && $t->read_file('error.log')
		=~ /private address for x9.test/;
}, 5);

is(code('x9.test'), 504, 'private address');
ok(logged(qr/\[error\].*private address for x9.test.*"private_addresses"/),
	'private address, log');
is((grep { ($_->text('body') // '') eq 'to x9.test' } $xs->seen()), 0,
	'private address, nothing sent');

# server= may be any

is($c->transact('MESSAGE', 'sip:u@x.test', body => 'x')->code(), 202,
	'private address of server=');

undef $c;
undef $xs;

Test::Nginx::Peers::stop($t);

###############################################################################

# the final response to a message to a user of the domain

sub code {
	my ($domain) = @_;
	$dns->clear();
	my $r = $c->transact('MESSAGE', "sip:u\@$domain", timeout => 8,
		body => "to $domain");
	return $r ? $r->code() : 0;
}

# what becomes of a message to a user of the domain: ok, or the error

my $n = 0;

sub outcome {
	my ($domain, $body) = @_;
	my $id = 'o' . ++$n;
	my $found;

	my $xp = $g->xmpp(to => $domain);

	$dns->clear();
	$body = ($body || '') . $id;
	$xp->send($g->message($body, to => "r\@$domain", id => $id));

	Test::Nginx::Peers::wait_until(sub {
		return $found = 'ok' if grep { $_->body() eq $body } $ss->seen();
		my ($e) = grep { ($_->attr('id') || '') eq $id
			&& ($_->attr('type') || '') eq 'error' } $g->{x}->seen();
		$found = $e->condition() . ' ' . $e->error_type() if $e;
		return $found;
	}, 8);

	return $found;
}

# whether the log has such a line

sub logged {
	my ($re) = @_;
	return scalar grep { /$re/ } split /\n/,
		$g->{t}->read_file("error.log");
}

# what an XMPP domain is looked up by, see t/xmpp_direct.t

sub both {
	my ($domain) = @_;
	return "SRV _xmpp-server._tcp.$domain SRV _xmpps-server._tcp.$domain";
}

# queries for a domain since it was tried; workers do not share what they know

sub queries {
	my ($domain) = @_;
	my %seen;
	return join ' ', grep { (!/_tcp/ || /_tcp.$domain/) && !$seen{$_}++ }
		$dns->queries(qr/\b$domain$/);
}

###############################################################################
