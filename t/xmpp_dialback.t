#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for server dialback, in all three roles (XEP-0220, XEP-0185).

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/ :DEFAULT port /;
use Test::Nginx::Gateway;
use Test::Nginx::DNS;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(67);

my $secret = 's3cr3tf0rd14lb4ck';

my $g = Test::Nginx::Gateway->new($t, xmpp => 'auth=dialback',
	stream => 'resolver 127.0.0.1:%%PORT_8053_UDP%% ipv6=off;'
		. 'resolver_timeout 1s;',
	federation => <<'EOF');
        xmpp_domain second.test server=127.0.0.1:%%PORT_8269%%;
        xmpp_domain strict.test server=127.0.0.1:%%PORT_8269%% auth=external;
        xmpp_domain clear.test  server=127.0.0.1:%%PORT_8271%% tls=off
                    auth=dialback;
        xmpp_domain dead.test   server=127.0.0.1:%%PORT_8272%%;
        xmpp_domain srv.test    auth=dialback;
        xmpp_domain nodns.test  auth=dialback;
        xmpp_domain *.wild.test server=127.0.0.1:%%PORT_8269%%;
        sip_domain  other.test  home server=127.0.0.1:%%PORT_8061%%
                    name=s.test;
        deny        spam.wild.test;

        dialback_secret s3cr3tf0rd14lb4ck;
        private_addresses on;
        stream_domains 5;
        preauth_connections 4;
        dialback_timeout 1s;
        confirm_timeout 3s;
EOF

my $dns = Test::Nginx::DNS->new($t, {
	'_xmpp-server._tcp.srv.test' => {
		SRV => [[0, 0, port(8269), 'xmpp.srv.test']] },
	'xmpp.srv.test' => { A => '127.0.0.1' },
});

$dns->start();

$g->start(xmpp => { sasl_external => 0, domains => [] });

my $x = $g->{x};

# receiving role: a key is judged by the authoritative server, XD-04 .. XD-06

my $c = stream();
my $id = $c->stream_id();

is($c->dialback('x.test', 's.test'), 'valid', 'valid');

my $v = ($x->verified())[-1];
is($v->attr('from'), 's.test', 'verify - from');
is($v->attr('to'), 'x.test', 'verify - to');
is($v->attr('id'), $id, 'verify - id');
is($v->text(), Test::Nginx::XMPP::key($c->{secret}, 's.test', 'x.test', $id),
	'verify - key');

$c->send($g->message('dialback'));
is($g->{s}->wait_request()->body(), 'dialback', 'stanza is taken');

# the same again

is($c->dialback('x.test', 's.test'), 'valid', 'valid twice');

# another pair on the same stream: XD-07, XD-19

is($c->dialback('second.test', 's.test', 'f' x 64), 'error', 'wrong key');
is($c->dialback_answer()->condition(), 'forbidden', 'wrong key - condition');
is($c->dialback('second.test', 's.test'), 'valid', 'another domain');
$c->send($g->message('second', from => 'u@second.test'));
is($g->{s}->wait_request()->body(), 'second', 'another domain - stanza');

$c->send($g->message('no', from => 'u@a.wild.test'));
is($c->stream_error(), 'invalid-from', 'a third one - stanza');

# domains are compared in one form, white space around keys is none: XD-22, XD-24

$c = stream();
is($c->dialback('X.TEST.', 'S.Test', "\n  " . Test::Nginx::XMPP::key(
	$c->{secret}, 's.test', 'x.test', $c->stream_id()) . "\t "), 'valid',
	'domains in capitals');

# the first pair is invalid: XD-07

$c = stream();
is($c->dialback('x.test', 's.test', 'f' x 64), 'invalid', 'invalid');
ok($c->stream_closed(), 'invalid - closed');

# not hosted: XD-03

$c = stream();
is($c->dialback('x.test', 'nobody.test'), 'error', 'not hosted');
is($c->dialback_answer()->condition(), 'item-not-found',
	'not hosted - condition');
is($c->dialback_answer()->attr('from'), 'nobody.test', 'not hosted - from');
is($c->dialback('x.test', 's.test'), 'valid', 'not hosted - stream is kept');

# policy: XD-02, XD-25, ARC-08

$c = stream();
is(refused($c, 'strict.test'), 'not-authorized', 'auth=external');
is(refused($c, 'stranger.test'), 'not-allowed', 'unknown domain');
is(refused($c, 'spam.wild.test'), 'not-allowed', 'denied domain');
is(refused($c, 's.test'), 'not-allowed', 'our own domain');
is(refused($c, 'x.test', 'k' x 300), 'bad-request', 'long key'); # XD-22

$c = Test::Nginx::XMPP->connect(PeerAddr => '127.0.0.1:' . port(8270),
	from => 'x.test', to => 's.test');
$c->open();
is(refused($c, 'x.test'), 'policy-violation', 'before TLS');
ok($c->starttls($g->{ca}->ssl('x')), 'before TLS - stream is kept');

# the authoritative server can't be asked: XD-08

$c = stream();
is(refused($c, 'dead.test'), 'remote-server-not-found', 'refused');
is(refused($c, 'nodns.test'), 'remote-server-not-found', 'no such domain');

$x->set(verify => 'remote-server-timeout');
is(refused($c, 'x.test'), 'remote-server-not-found', 'error of the server');

$x->set(verify => undef, at => { verify => 'close' });
is(refused($c, 'x.test'), 'remote-server-not-found', 'closed by the server');

$x->set(at => undef);
is($c->dialback('x.test', 's.test'), 'valid', 'stream is kept');

# found by DNS of the sender's domain, not by where it comes from: XD-04

$dns->clear();
is($c->dialback('srv.test', 's.test'), 'valid', 'found by SRV');
ok(scalar $dns->queries(qr/SRV _xmpp-server._tcp.srv.test/), 'SRV query');

# too many pairs: XD-23

is($c->dialback("d$_.wild.test", 's.test'), 'valid', "pair $_") for 1;
is(refused($c, 'd2.wild.test'), 'resource-constraint', 'too many pairs');

# answers that nobody asked for: XD-13 .. XD-15, SEC-20

$c = stream();
$c->send("<db:result from='x.test' to='s.test' type='valid'/>"
	. "<db:verify from='x.test' to='s.test' id='" . $c->stream_id()
	. "' type='valid'/>" . $g->message('forged'));
is($c->stream_error(), 'not-authorized', 'unsolicited');

$x->set(at => { verify => sub {
	my ($s, $e) = @_;
	$s->send("<db:verify from='s.test' to='x.test' id='" . $e->attr('id')
		. "' type='valid'/><db:verify from='x.test' to='s.test' id='0'"
		. " type='valid'/><db:verify from='second.test' to='s.test' id='"
		. $e->attr('id') . "' type='valid'/><db:result from='x.test'"
		. " to='s.test' type='valid'/><db:verify from='x.test' to='s.test'"
		. " id='" . $e->attr('id') . "' type='invalid'/>");
	return 1;
} });

$c = stream();
is($c->dialback('x.test', 's.test'), 'invalid', 'answers to other questions');
$x->set(at => undef);

# authoritative role, on a stream that is not authenticated: XD-09 .. XD-12

$c = Test::Nginx::XMPP->connect(PeerAddr => '127.0.0.1:' . port(8270),
	from => 'x.test', to => 's.test');
$c->open();

my %q = (from => 'x.test', to => 's.test', id => "D6'0&0");
my $key = Test::Nginx::XMPP::key($secret, $q{from}, $q{to}, $q{id});

is($c->verify(%q, key => $key), 'valid', 'our key');
is($c->verify_answer()->attr('from'), 's.test', 'our key - from');
is($c->verify_answer()->attr('to'), 'x.test', 'our key - to');
is($c->verify_answer()->attr('id'), "D6'0&0", 'our key - id');
is($c->verify(%q, key => " $key\n"), 'valid', 'our key, white space');
is($c->verify(%q, id => 'other', key => $key), 'invalid', 'another id');
is($c->verify(%q, to => 'other.test', key => $key), 'invalid',
	'another domain');
is($c->verify(%q, to => 'nobody.test', key => $key), 'error', 'not hosted');
is($c->verify_answer()->condition(), 'item-not-found',
	'not hosted - condition');

# originating role: XD-11, XD-16, XD-17

my $sip = $g->sip();
my ($held, @held);

$x->set(at => { result => sub { @held = @_; return 1 } });
my $r = $sip->request('MESSAGE', 'sip:u@x.test', body => 'held');
Test::Nginx::Peers::wait_until(sub { @held });

my $k = ($x->keys())[-1];
is($k->{key}, Test::Nginx::XMPP::key($secret, 'x.test', 's.test', $k->{id}),
	'key by XEP-0185');
ok(!$x->stanza(0.3), 'nothing is sent unproven');
$x->answer_result($held[0], 's.test', 'x.test', 'valid');
is($sip->response_to($r)->code(), 202, 'sent once proven');

# a second domain of ours on the same stream

$x->set(at => undef);
is($sip->transact('MESSAGE', 'sip:u@x.test', from => 'sip:r@other.test',
	body => 'x')->code(), 202, 'another domain of ours');
is(($x->keys())[-1]->{from}, 'other.test', 'another domain of ours - key');
is(($x->keys())[-1]->{conn}, $held[0], 'another domain of ours - same stream');

# one of them is refused, the other one goes on

$x->set(result => 'forbidden');
drop();
$x->set(result => undef);
is(code(), 202, 'one domain is let in');
$x->set(result => 'forbidden');
is($sip->transact('MESSAGE', 'sip:u@x.test', from => 'sip:r@other.test',
	body => 'x')->code(), 504, 'the other one is not');
is(code(), 202, 'the first one goes on');

drop();
$x->set(result => 'invalid');
is(code(), 500, 'invalid');
$x->set(result => 'remote-server-not-found');
is(code(), 504, 'error');
$x->set(result => undef, at => { result => 'close' });
is(code(), 504, 'closed');
$x->set(at => { result => 'stall' });
is(code(), 504, 'no answer');
$x->set(at => undef, header => { id => undef });
is(code(), 504, 'no stream id'); # XS-41
$x->set(header => undef);
is(code(), 202, 'valid again');

undef $c;
undef $sip;

# strangers do not have the gateway connect to any number of others: of five
# keys on a stream four are verified at once

drop();
$x->set(at => { verify => 'stall' });
my $n = $x->verified();
$c = stream();
$c->send_result("w$_.wild.test", 's.test', 'key') for 1 .. 5;
my $e = $c->expect('result', 'jabber:server:dialback');
is($e && $e->attr('from') . $e->attr('to') . ' ' . $e->condition(),
	's.testw5.wild.test resource-constraint', 'too many keys at once');
Test::Nginx::Peers::wait_until(sub { $x->verified() >= $n + 4 });
is(scalar($x->verified()), $n + 4, 'the others are verified');
like($t->read_file('error.log'),
	qr/dialback from "w5.wild.test" refused: 4 keys are being verified/,
	'too many keys - log');

drop();
$c->expect('result', 'jabber:server:dialback') for 1 .. 4;
$x->set(at => undef);
$c = stream();
is($c->dialback('w6.wild.test', 's.test'), 'valid', 'and then others');
is($c->dialback('w7.wild.test', 's.test'), 'valid', 'one after another');
$c->close();

# nor for somebody who is gone

$x->set(at => { verify => 'stall' });
$n = $x->verified();
$c = stream();
$c->send_result("w$_.wild.test", 's.test', 'key') for 1 .. 4;
Test::Nginx::Peers::wait_until(sub { $x->verified() >= $n + 4 });
$c->close();
ok(Test::Nginx::Peers::wait_until(sub {
	return !grep { $_ && !$_->closed() } ($x->conns())[-4 .. -1];
}), 'who is gone needs no verification');
$x->set(at => undef);

Test::Nginx::Peers::stop($t);

###############################################################################

# a stream under TLS, without a certificate, not authenticated

sub stream {
	my $s = Test::Nginx::XMPP->connect(
		PeerAddr => '127.0.0.1:' . port(8270),
		from => 'x.test', to => 's.test');
	$s->open();
	$s->starttls();
	$s->open();
	return $s;
}

# the condition that a domain is refused with

sub refused {
	my ($s, $from, $key) = @_;
	my $type = $s->dialback($from, 's.test', $key);
	return $type && $type eq 'error' ? $s->dialback_answer()->condition()
		: $type;
}

# what a message from SIP gets

sub code {
	my $m = $sip->transact('MESSAGE', 'sip:u@x.test', body => 'x');
	return $m && $m->code();
}

# ends the gateway's streams

sub drop {
	$_->reset() for $x->conns();
	Test::Nginx::Peers::idle(0.2);
}

###############################################################################
