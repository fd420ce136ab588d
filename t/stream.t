#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for what nginx's own stream modules do on our listeners: allow and deny,
# limit_conn, PROXY protocol and realip, variables of the connection in the log
# of an event (DESIGN 1).

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

my $t = Test::Nginx->new()
	->has(qw/stream stream_ssl stream_access stream_limit_conn socket_ssl/)
	->has(qw/stream_realip stream_map/)->has_daemon('openssl')->plan(14);
my $d = $t->testdir();

my $g = Test::Nginx::Gateway->new($t, listen => 'proxy_protocol',
	stream => <<EOF, server => <<'EOS');

    limit_conn_zone \$binary_remote_addr zone=addr:1m;

    log_format conn '\$federation_from \$remote_addr \$proxy_protocol_addr '
                    '\$ssl_client_s_dn \$ssl_protocol \$status \$server_port '
                    '\$federation_direction';
    access_log $d/conn.log conn;
EOF

        set_real_ip_from 127.0.0.1;
        deny 192.0.2.66;
        allow all;
        limit_conn addr 3;
EOS

# what the XMPP server of x.test sends is not behind a proxy

$g->start(xmpp => { gateway => undef });

# PROXY protocol in front of TLS, and of XML

my $sip = sip('192.0.2.1');
my $xmpp = xmpp('192.0.2.2');
$g->{x}->link($xmpp);

is($sip->transact('MESSAGE', 'sip:u@x.test', body => 'one')->code(), 202,
	'SIP behind PROXY protocol');

$xmpp->send($g->message('two'));
is($g->{s}->wait_request()->body(), 'two', 'XMPP behind PROXY protocol');
Test::Nginx::Peers::wait_until(sub { $g->log() == 2 });

# PROXY protocol and XML in one segment: nothing is lost

my $c = Test::Nginx::XMPP->connect(
	PeerAddr => '127.0.0.1:' . Test::Nginx::port(8270),
	from => 'x.test', to => 's.test', $g->{ca}->ssl('x'));
$c->send(proxy('192.0.2.3') . $c->header_bytes());
ok($c->wait_header(), 'header in the segment of the PROXY header');
undef $c;

# deny, by the address that PROXY protocol tells

ok(refused(sip_raw('192.0.2.66')), 'deny, SIP');
ok(refused(xmpp_raw('192.0.2.66')), 'deny, XMPP');

# limit_conn: three from one address, the fourth is closed: XS-47

my @c = map { xmpp_raw('192.0.2.7') } 1 .. 3;
$_->header() for @c;
is((grep { $_->wait_header() } @c), 3, 'limit_conn, three');
ok(refused(xmpp_raw('192.0.2.7')), 'limit_conn, the fourth');

my $last = pop @c;
$last->close();
undef $last;

ok(Test::Nginx::Peers::wait_until(sub {
	my $c = xmpp_raw('192.0.2.7');
	$c->header();
	return $c->wait_header(1);
}, 5), 'limit_conn, another one once one is gone');

undef @c;

# the connection's variables, also when it is gone before the outcome

$g->{x}->set(pings => 0);
my $gone = sip('192.0.2.9');
$gone->request('MESSAGE', 'sip:u@x.test', from => 'sip:gone@s.test',
	body => 'gone');

my $ping;
while ($ping = $g->{x}->stanza()) {
	last if $ping->name() eq 'iq';
}

$gone->reset();
undef $gone;
Test::Nginx::Peers::idle(0.1);
$g->{x}->pong($ping);

ok(Test::Nginx::Peers::wait_until(sub { grep { /^gone/ } lines() }),
	'event of a connection that is gone');

undef $sip;
undef $xmpp;

Test::Nginx::Peers::stop($t);

my ($s2x) = grep { /^r\@s.test/ } lines();
my ($x2s) = grep { /^u\@x.test/ } lines();
($gone) = grep { /^gone/ } lines();

like($s2x, qr/^\S+ 192.0.2.1 192.0.2.1 CN=s.test TLSv1.3 202 \d+ s2x$/,
	'variables, SIP');
like($x2s, qr/^\S+ 192.0.2.2 192.0.2.2 CN=x.test TLSv1.3 200 \d+ x2s$/,
	'variables, XMPP');
like($gone, qr/^\S+ 192.0.2.9 - - - 202 \S+ s2x$/, 'variables, gone');

# an event is a line, a connection is none, unless nginx itself refused it

is((grep { !/ 503 | 403 / } lines()), 3, 'lines of connections');

like($t->read_file('error.log'),
	qr/access forbidden by rule.*client: 192.0.2.66/, 'deny, log');

###############################################################################

sub proxy {
	my ($addr) = @_;
	return "PROXY TCP4 $addr 192.0.2.100 5555 5269\r\n";
}

# connections that begin with the PROXY header

sub xmpp_raw {
	my ($addr) = @_;
	my $c = Test::Nginx::XMPP->connect(
		PeerAddr => '127.0.0.1:' . Test::Nginx::port(8270),
		from => 'x.test', to => 's.test', $g->{ca}->ssl('x'));
	$c->send(proxy($addr));
	return $c;
}

sub sip_raw {
	my ($addr) = @_;
	my $c = Test::Nginx::SIP->connect(
		PeerAddr => '127.0.0.1:' . Test::Nginx::port(8062),
		from => 'sip:r@s.test', host => 's.test');
	$c->send(proxy($addr));
	return $c;
}

sub xmpp {
	my $c = xmpp_raw(@_);
	$c->open();
	$c->starttls();
	$c->open();
	$c->external('=');
	$c->open();
	return $c;
}

sub sip {
	my $c = sip_raw(@_);
	$c->start_tls(0, $g->{ca}->ssl('s'));
	$c->wait_tls();
	$c->set(tls => 1);
	return $c;
}

sub refused {
	my ($c) = @_;
	return $c->eof_within(3) && $c->{received} eq '';
}

sub lines {
	return split /\n/, $g->{t}->read_file('conn.log');
}

###############################################################################
