#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for TLS between XMPP servers: what certificates prove (RFC 6120, 13.7,
# RFC 9525), policy, versions.

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
	->has_daemon('openssl')->plan(57);

my $g = Test::Nginx::Gateway->new($t, xmpp => 'auth=external',
	federation => <<'EOF');
        xmpp_domain a.wild.test server=127.0.0.1:%%PORT_8269%% auth=external;
        xmpp_domain b.a.wild.test server=127.0.0.1:%%PORT_8269%% auth=external;
        xmpp_domain wild.test server=127.0.0.1:%%PORT_8269%% auth=external;
        xmpp_domain xn--bcher-kva.test server=127.0.0.1:%%PORT_8269%%
                    auth=external;
        xmpp_domain any.test server=127.0.0.1:%%PORT_8269%%;
        xmpp_domain opt.test server=127.0.0.1:%%PORT_8269%% tls=optional
                    auth=dialback;
        xmpp_domain off.test server=127.0.0.1:%%PORT_8269%% tls=off
                    auth=dialback;
        log_interval 0;
        confirm_timeout 3s;
        handshake_timeout 2s;
EOF

my $ca = $g->{ca};
my $other = Test::Nginx::CA->new($t->testdir(), name => 'other');

$ca->issue('cn', cn => 'x.test');
$ca->issue('srv', srv => '_xmpp-server.x.test');
$ca->issue('client', srv => '_xmpp-client.x.test');
$ca->issue('addr', xmppaddr => 'x.test');
$ca->issue('user', xmppaddr => 'u@x.test');
$ca->issue('idn', other => '1.3.6.1.5.5.7.8.5;FORMAT:UTF8,'
	. "UTF8:b\xc3\xbccher.test");
$ca->issue('alabel', dns => 'xn--bcher-kva.test');
$ca->issue('uri', uri => 'xmpp:x.test');
$ca->issue('wild', dns => '*.wild.test');
$ca->issue('part', dns => 'a*.wild.test');
$ca->issue('upper', dns => 'X.TEST');
$ca->issue('expired', dns => 'x.test', expired => 1);
$ca->issue('future', dns => 'x.test', not_yet => 1);
$ca->issue('self', dns => 'x.test', self_signed => 1);
$ca->issue('isca', dns => 'x.test', ca => 1);
$ca->issue('code', dns => 'x.test', eku => 'codeSigning');
$ca->issue('none', dns => 'x.test', eku => undef);
$ca->issue('target', dns => ['localhost', 'xmpp.x.test']);
$ca->issue('many', dns => ['y.test', 'x.test', 'z.test']);
$other->issue('untrusted', dns => 'x.test');

$g->start(xmpp => { domains => [] });

# inbound: XT-05, XT-06, SEC-23

my ($ok, $no) = (1, 0);

for (['x', 'x.test', $ok, 'dNSName'],
	['upper', 'x.test', $ok, 'dNSName in capitals'],
	['many', 'x.test', $ok, 'second of several names'],
	['srv', 'x.test', $ok, 'SRVName'],
	['addr', 'x.test', $ok, 'XmppAddr'],
	['none', 'x.test', $ok, 'no extended key usage'],
	['alabel', 'xn--bcher-kva.test', $ok, 'A-label'],
	['alabel', "b\xc3\xbccher.test", $ok, 'U-label in from'],
	['idn', 'xn--bcher-kva.test', $ok, 'U-label in XmppAddr'],
	['wild', 'a.wild.test', $ok, 'wildcard'],

	['wild', 'b.a.wild.test', $no, 'wildcard for two labels'],
	['wild', 'wild.test', $no, 'wildcard for no label'],
	['part', 'a.wild.test', $no, 'wildcard within a label'],
	['cn', 'x.test', $no, 'common name'],
	['client', 'x.test', $no, 'SRVName of another service'],
	['user', 'x.test', $no, 'XmppAddr of a user'],
	['uri', 'x.test', $no, 'URI'],
	['target', 'x.test', $no, 'name of a host'],
	['expired', 'x.test', $no, 'expired'],
	['future', 'x.test', $no, 'not yet valid'],
	['self', 'x.test', $no, 'self-signed'],
	['isca', 'x.test', $no, 'CA:TRUE'],
	['code', 'x.test', $no, 'extended key usage'],
	['untrusted', 'x.test', $no, 'untrusted CA'])
{
	my ($cert, $from, $want, $name) = @$_;
	my $c = login($from, ($cert eq 'untrusted' ? $other : $ca)->ssl($cert));
	is($c->ready() ? 1 : 0, $want, "inbound - $name");
}

like($t->read_file('error.log'),
	qr/\[warn\].*certificate does not prove XMPP domain "x.test": .*expired/,
	'expired - log');
like($t->read_file('error.log'), qr/"x.test": it is for localhost, xmpp.x.test/,
	'names - log');

# versions: XT-01

for (['TLSv1_2', 1], ['TLSv1_3', 1], ['TLSv1_1', 0]) {
	my $c = login('x.test', $ca->ssl('x'), SSL_version => $_->[0],
		SSL_cipher_list => 'ALL:@SECLEVEL=0');
	is($c->ready() ? 1 : 0, $_->[1], $_->[0]);
}

# policy: XS-13, ARC-07

my $c = connection('off.test');
my $f = $c->open();
ok($f->child('starttls') && !$f->child('starttls')->child('required'),
	'tls=off - starttls may be used');
is($c->dialback(), 'valid', 'tls=off - dialback in clear');
$c->send($g->message('clear', from => 'u@off.test'));
is($g->{s}->wait_request()->body(), 'clear', 'tls=off - stanza');

$c = connection('x.test');
$c->open();
is($c->dialback(), 'error', 'tls=required - dialback in clear');
$c->send($g->message('clear'));
is($c->stream_error(), 'not-authorized', 'tls=required - stanza in clear');

# what was learnt before TLS is forgotten: XS-15

$c = connection('any.test', $ca->ssl('x'));
$c->open();
$c->starttls();
$c->{from} = 'x.test';
$c->open();
is($c->external('='), 'success', 'another from after TLS');
$c->open();
$c->send($g->message('from x'));
is($g->{s}->wait_request()->body(), 'from x', 'another from - stanza');

# outbound: SNI, and whom the peer's certificate has to name: XT-06, SEC-29

undef $c;
Test::Nginx::Peers::idle(0.2);

my $sip = $g->sip();
my $x = $g->{x};

is(code('x.test'), 202, 'outbound');
is($x->conn()->tls_info()->{sni}, 'x.test', 'outbound - SNI');
is($x->conn()->tls_info()->{subject} =~ /gw.test/ ? 1 : 0, 1,
	'outbound - our certificate');

for (['target', 'name of a host'], ['cn', 'common name'],
	['expired', 'expired'], ['self', 'self-signed'], ['isca', 'CA:TRUE'])
{
	drop();
	$x->set($ca->ssl($_->[0]));
	is(code('x.test'), 504, "outbound - $_->[1]");
}

like($t->read_file('error.log'),
	qr/\[error\].*certificate does not prove XMPP domain "x.test": it is for/,
	'outbound - log');

for (['srv', 'SRVName'], ['addr', 'XmppAddr']) {
	drop();
	$x->set($ca->ssl($_->[0]));
	is(code('x.test'), 202, "outbound - $_->[1]");
}

# where dialback will do, a bad certificate is worth a warning

drop();
$x->set($ca->ssl('expired'), sasl_external => 0);
is(code('any.test'), 202, 'outbound - auth=any');
like($t->read_file('error.log'),
	qr/\[warn\].*certificate does not prove XMPP domain "any.test"/,
	'outbound - auth=any, log');
$x->set($ca->ssl('x'), sasl_external => 1);

# STARTTLS is stripped: XT-02, SEC-22

drop();
$x->set(tls => 0);
is(code('x.test'), 504, 'stripped');
is(code('opt.test'), 202, 'tls=optional');
is(code('off.test'), 202, 'tls=off');

drop();
$x->set(tls => 1, at => { starttls => [raw =>
	"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"] });
is(code('x.test'), 504, 'STARTTLS fails');

$x->set(at => { starttls => [raw =>
	"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><stream:features/>"] });
is(code('x.test'), 504, 'plaintext after proceed'); # XS-14

$x->set(at => { tls => sub {
	$_[0]{raw_only} = 1;
	$_[0]->send('this is no ServerHello');
} });
is(code('x.test'), 504, 'no handshake');

$x->set(at => { tls => sub { $_[0]{raw_only} = 1 } });
is(code('x.test'), 504, 'mute handshake');

$x->set(at => undef);
is(code('x.test'), 202, 'good again');

undef $sip;

Test::Nginx::Peers::stop($t);

###############################################################################

sub connection {
	my ($from, @ssl) = @_;
	return Test::Nginx::XMPP->connect(
		PeerAddr => '127.0.0.1:' . port(8270),
		from => $from, to => 's.test', @ssl);
}

sub login {
	my ($from, @ssl) = @_;
	return Test::Nginx::XMPP->login(
		PeerAddr => '127.0.0.1:' . port(8270),
		from => $from, to => 's.test', auth => 'external', may_fail => 1,
		@ssl);
}

# what a message from SIP gets

sub code {
	my ($domain) = @_;
	my $m = $sip->transact('MESSAGE', "sip:u\@$domain", body => 'x');
	return $m && $m->code();
}

# ends the gateway's streams

sub drop {
	$_->reset() for $x->conns();
	Test::Nginx::Peers::idle(0.3);
}

###############################################################################
