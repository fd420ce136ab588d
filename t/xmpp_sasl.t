#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for SASL EXTERNAL between servers (RFC 6120, 6, XEP-0178).

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/ :DEFAULT port /;
use Test::Nginx::Gateway;
use MIME::Base64;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(41);

my $g = Test::Nginx::Gateway->new($t, xmpp => 'auth=external',
	federation => <<'EOF');
        xmpp_domain back.test server=127.0.0.1:%%PORT_8269%% auth=dialback;
        xmpp_domain any.test  server=127.0.0.1:%%PORT_8269%%;
        sasl_attempts 3;
        confirm_timeout 3s;
EOF

my $ca = $g->{ca};

$ca->issue('back', dns => 'back.test');
$ca->issue('any', dns => 'any.test');
$ca->issue('server', dns => 'x.test', eku => 'serverAuth');
$ca->issue('strange', dns => 'stranger.test');

$g->start(xmpp => { domains => ['x.test', 'any.test', 'back.test'] });

my $x = $g->{x};
my $base64 = encode_base64('x.test', '');

# offered only if it would succeed: XT-08

ok(offered(secure()), 'offered');
ok(!offered(secure(from => 'x.test', $ca->ssl('any'))), 'another name');
ok(!offered(secure(from => 'back.test', $ca->ssl('back'))), 'auth=dialback');
ok(!offered(secure(from => 'stranger.test', $ca->ssl('strange'))),
	'unknown domain');
ok(!offered(secure(SSL_cert_file => undef, SSL_key_file => undef)),
	'no certificate'); # XT-04

my $c = connection();
$c->open(from => undef);
$c->starttls();
ok(!offered($c->open(from => undef)), 'no from');

# a certificate for servers only: XT-07

ok(offered(secure($ca->ssl('server'))), 'serverAuth alone');

# authorization identities: XT-09, XT-10

for (['=', 'success', 'empty'],
	[$base64, 'success', 'own domain'],
	[encode_base64('X.Test', ''), 'success', 'own domain in capitals'],
	[encode_base64('y.test', ''), 'invalid-authzid', 'another domain'],
	[encode_base64('u@x.test', ''), 'invalid-authzid', 'no domain'],

	# XT-11
	['', 'incorrect-encoding', 'nothing'],
	['eHg=eHg=', 'incorrect-encoding', 'padding within'],
	['e*g=', 'incorrect-encoding', 'no base64'],
	['eHg', 'incorrect-encoding', 'cut'],
	['====', 'incorrect-encoding', 'padding only'])
{
	secure();
	is($c->external($_->[0]), $_->[1], "authzid - $_->[2]");
}

# failures: XT-12, XT-13

secure();
$c->send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"
	. "=</auth>");
is($c->sasl_answer(), 'invalid-mechanism', 'PLAIN');
$c->send("<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
is($c->sasl_answer(), 'aborted', 'abort');
$c->send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</auth>");
is($c->sasl_answer(), 'invalid-mechanism', 'no mechanism');
is($c->stream_error(), 'policy-violation', 'too many failures');

secure();
is($c->external('e*g='), 'incorrect-encoding', 'failed once');
is($c->external($base64), 'success', 'then succeeded');

$c = connection();
$c->open();
is($c->external($base64), 'encryption-required', 'before TLS');

secure(from => 'any.test', $ca->ssl('x'));
is($c->external('='), 'not-authorized', 'certificate of somebody else');

# after success: XT-14

secure();
$c->external('=');
$c->{raw_only} = 1;
$c->send($g->message('no header'));
ok($c->expect_raw(qr/<bad-format /), 'stanza in place of a header');

secure();
$c->external('=');
$c->header(from => 'any.test');
is($c->stream_error(), 'invalid-from', 'another from');

secure();
$c->external('=');
$c->open(to => 'nobody.test');
is($c->stream_error(), 'host-unknown', 'another to');

secure();
$c->external('=');
ok($c->open(from => undef), 'no from after success');
$c->send($g->message('proven'));
is($g->{s}->wait_request()->body(), 'proven', 'no from - stanza');
is($c->external('='), 'invalid-mechanism', 'again');

# the gateway authenticates: XT-15, C35

undef $c;
Test::Nginx::Peers::idle(0.2);

my $sip = $g->sip();
is(code('x.test'), 202, 'dialled');
is(($x->{auths} || [])->[-1]->text(), encode_base64('s.test', ''),
	'dialled - authzid');
is(@{[$x->keys()]}, 0, 'dialled - no dialback');

# nothing but EXTERNAL will do: SEC-21

drop();
$x->set(external_failure => 'not-authorized');
is(code('x.test'), 504, 'auth=external, refused');
$x->set(external_failure => undef, sasl_external => 0);
is(code('x.test'), 504, 'auth=external, not offered');
is(@{[$x->keys()]}, 0, 'auth=external, no dialback');
$x->set(sasl_external => 1);

# dialback instead

$x->set(external_failure => 'not-authorized', $ca->ssl('any'));
is(code('any.test'), 202, 'auth=any, refused');
is(($x->keys())[-1]->{to}, 'any.test', 'auth=any, dialback');

drop();
$x->set(external_failure => undef);
my $auths = @{$x->{auths}};
is(code('back.test'), 202, 'auth=dialback');
is(@{$x->{auths}}, $auths, 'auth=dialback, no EXTERNAL');

undef $sip;

Test::Nginx::Peers::stop($t);

###############################################################################

sub connection {
	return Test::Nginx::XMPP->connect(
		PeerAddr => '127.0.0.1:' . port(8270),
		from => 'x.test', to => 's.test', $ca->ssl('x'), @_);
}

# a stream under TLS, returns its features

sub secure {
	$c = connection(@_);
	$c->open();
	$c->starttls();
	return $c->open();
}

sub offered {
	my ($f) = @_;
	my $m = $f->at('mechanisms/mechanism');
	return $m && $m->text() eq 'EXTERNAL';
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
	Test::Nginx::Peers::idle(0.2);
}

###############################################################################
