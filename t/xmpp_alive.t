#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for the life of XMPP streams: keepalive, silence, time-outs, limits of
# the peer, the next attempt, certificates that expire.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/ :DEFAULT port /;
use Test::Nginx::Gateway;

use Time::HiRes qw/time/;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(44);

my $d = $t->testdir();

my $g = Test::Nginx::Gateway->new($t, workers => 1, federation => <<'EOF');
        sip_domain  other.test server=127.0.0.1:%%PORT_8061%% name=s.test;
        xmpp_domain opt.test server=127.0.0.1:%%PORT_8269%% tls=optional
                    auth=dialback;
        xmpp_keepalive 400ms;
        xmpp_idle_timeout 2s;
        confirm_timeout 1500ms;
        trying_timeout 300ms;
        handshake_timeout 20s;
        close_timeout 1s;
EOF

my $ca = $g->{ca};

$ca->issue('other', dns => 'other.test');

# a certificate for each domain: XT-03

$g->write(stream => 'map $ssl_server_name $cert { default gw;'
	. 'other.test other; }',
	server => "ssl_certificate $d/\$cert.crt;"
	. "ssl_certificate_key $d/\$cert.key;");

$g->start(xmpp => { domains => [] });

my $x = $g->{x};
my $sip = $g->sip();
my $in = $g->xmpp();

# white space keeps our stream alive, as rarely as is configured: XS-33

is(code(), 202, 'keepalive - message');

my $s = $x->conn();
$s->read_raw(0);
Test::Nginx::Peers::idle(1.4);

like($s->read_raw(0), qr/^ {2,3}\z/, 'keepalive');
unlike($in->{received}, qr/\s\z/, 'keepalive - ours only');

# without stanzas a stream is closed in good order: XS-34

ok($s->eof_within(5), 'idle - closed');
like($s->{received}, qr! +</stream:stream>\z!, 'idle - no error');
is($s->closed(), 'notify', 'idle - close_notify');

ok($in->stream_closed(), 'idle - inbound');
is($in->{stream_error}, undef, 'idle - inbound, no error');

$in = $g->xmpp();
is(code(), 202, 'idle - another stream');
isnt($x->conn(), $s, 'idle - another connection');

# an answered ping lets the stream be, one that is not ends it: XS-33

$s = $x->conn();
is(code(), 202, 'ping is answered');
is($x->conn(), $s, 'ping is answered - same stream');

$s->stall(1);
is(code(), 504, 'black hole');
$s->stall(0);
ok($s->eof_within(5), 'black hole - closed');
like($s->{received}, qr!<connection-timeout xmlns='\S+'/></stream:error>!,
	'black hole - stream error');
is(code(), 202, 'black hole - another stream');
isnt($x->conn(), $s, 'black hole - another connection');

# the peer's limit: XS-36, IM-49

drop();
$x->set(extra_features => "<limits xmlns='urn:xmpp:stream-limits:0'>"
	. '<max-bytes>10000</max-bytes></limits>');

my $seen = () = $x->seen();
is(code('x' x 12000), 513, 'limit - waiting for a stream');
is(code('x' x 12000), 513, 'limit - stream is up');
is((() = $x->seen()) - $seen, 0, 'limit - nothing was sent');
is(code('x' x 9000), 202, 'limit - less');
is(code('&' x 2500), 513, 'limit - counted as sent');

$x->set(extra_features => "<limits xmlns='urn:xmpp:stream-limits:0'>"
	. '<max-bytes>-1</max-bytes></limits>');
drop();
is(code('x' x 12000), 202, 'limit - no number');

# a feature that we do not know and have to negotiate: XS-40

drop();
$x->set(sasl_external => 0, dialback => 0,
	extra_features => "<x xmlns='urn:y'><required/></x>");
is(code(), 504, 'mandatory feature');
like(($x->conns())[-1]->{received}, qr!<unsupported-feature xmlns=!,
	'mandatory feature - stream error');

$x->set(dialback => 1);
is(code(), 202, 'mandatory feature - not needed');
$x->set(sasl_external => 1, extra_features => undef);

# the next attempt: later each time, and a pause is no reason: XS-39

drop();
my @times;
$x->set(at => { connect => sub {
	push @times, time();
	$_[0]->close();
	return 1;
} });

attempts(9);
is(scalar @times, 9, 'attempts');
is((grep { $times[$_ + 1] - $times[$_] < 0.07 } 5 .. 7), 0,
	'attempts are spaced');

Test::Nginx::Peers::idle(0.3);
@times = ();
attempts(3);
cmp_ok($times[2] - $times[1], '>=', 0.07, 'attempts - after a pause');

$x->set(at => undef);
ok(Test::Nginx::Peers::wait_until(sub { code() == 202 }, 5), 'back again');

# a certificate for each domain: XT-03

for ('s.test', 'other.test') {
	my $c = connection('x.test');
	$c->open(to => $_);
	$c->starttls($ca->ssl('x'), SSL_hostname => $_);
	like(join(' ', $c->{sock}->peer_certificate('subjectAltNames')),
		qr/\b$_\b/, "certificate for $_");
}

# what was proven before TLS does not count within it: XS-15

$x->set(sasl_external => 0);

my $c = connection('opt.test');
$c->open();
is($c->dialback(), 'valid', 'dialback before TLS');
ok($c->starttls($ca->ssl('x')), 'TLS after dialback');
$c->open();
$c->send($g->message('before TLS', from => 'u@opt.test'));
is($c->stream_error(), 'not-authorized', 'pair is forgotten');

# neither does what is answered only then

$x->set(at => { verify => 'stall' });

$c = connection('opt.test');
$c->open();
$c->send_result('opt.test', 's.test', Test::Nginx::XMPP::key($c->{secret},
	's.test', 'opt.test', $c->stream_id()));
ok(Test::Nginx::Peers::wait_until(sub {
	return ($x->verified())[-1]->attr('id') eq $c->stream_id();
}, 5), 'key is asked for');

my $v = ($x->verified())[-1];
ok($c->starttls($ca->ssl('x')), 'TLS before the answer');
$x->conn()->send("<db:verify from='opt.test' to='s.test' id='"
	. $v->attr('id') . "' type='valid'/>");
Test::Nginx::Peers::idle(0.2);
$c->open();
$c->send($g->message('before TLS', from => 'u@opt.test'));
is($c->stream_error(), 'not-authorized', 'answer is ignored');

$x->set(at => undef, sasl_external => 1);

# TLS is not negotiated anew: XT-20

$c = $g->xmpp(SSL_version => 'TLSv1_2');
my $ssl = $c->{sock}->_get_ssl_object();

Net::SSLeay::ERR_clear_error();
Net::SSLeay::renegotiate($ssl);

my $error = '';
Test::Nginx::Peers::wait_until(sub {
	Net::SSLeay::do_handshake($ssl);
	my $e = Net::SSLeay::ERR_get_error();
	$error = Net::SSLeay::ERR_error_string($e) if $e;
	return $e;
}, 2);

like($error, qr/no renegotiation/, 'no renegotiation');

# the peer's certificate expires: XT-21

undef $c;
drop();

$ca->issue('short', dns => 'x.test', end => int(time()) + 5);
$x->set($ca->ssl('short'));
$in = $g->xmpp($ca->ssl('short'));

is(code(), 202, 'short certificate');
$s = $x->conn();

for (1 .. 20) {
	last if $in->{stream_error};
	Test::Nginx::Peers::idle(0.3);
	$in->send($g->message('busy')) unless $in->{stream_error};
	code() unless $s->closed();
}

is($in->stream_error(1), 'reset', 'expired - inbound');
ok($s->eof_within(5), 'expired - outbound');
like($s->{received}, qr!<reset xmlns=!, 'expired - outbound, stream error');

# a stream on which nobody is proven does not keep the process: ARC-20

$c = connection('x.test');
$c->open();
undef $sip;
undef $in;

my $start = time();
Test::Nginx::Peers::stop($t);
cmp_ok(time() - $start, '<', 8, 'the process ends');

###############################################################################

sub connection {
	my ($from) = @_;
	return Test::Nginx::XMPP->connect(
		PeerAddr => '127.0.0.1:' . port(8270),
		from => $from, to => 's.test');
}

# what a message from SIP gets

sub code {
	my ($body) = @_;
	my $m = $sip->transact('MESSAGE', 'sip:u@x.test', body => $body || 'x');
	return $m && $m->code();
}

# messages until the gateway made that many attempts

sub attempts {
	my ($n) = @_;
	for (1 .. 5 * $n) { code() if @times < $n }
}

# ends the gateway's streams

sub drop {
	$_->reset() for $x->conns();
	Test::Nginx::Peers::idle(0.3);
}

###############################################################################
