#!/usr/bin/perl

# Tests for the test libraries themselves.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Stream qw/ stream /;
use Test::Nginx::CA;
use Test::Nginx::DNS;
use Test::Nginx::Peers;
use Test::Nginx::SIP;
use Test::Nginx::XML;
use Test::Nginx::XMPP;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_return socket_ssl/)
	->has_daemon('openssl')->plan(91);

my $d = $t->testdir();

my $dns = Test::Nginx::DNS->new($t, {
	'_xmpp-server._tcp.x.test' => {
		SRV => [[10, 5, 5269, 'xmpp.x.test'], [20, 0, 5270, 'b.test']]
	},
	'xmpp.x.test' => { A => ['127.0.0.1'], AAAA => ['::1'] },
	'_xmpp-server._tcp.no.test' => { SRV => [[0, 0, 0, '.']] },
	'broken.test' => 'SERVFAIL',
	'mute.test' => 'DROP',
	'slow.test' => { delay => 0.2, A => '127.0.0.2' },
	'alias.test' => { CNAME => 'xmpp.x.test' },
	'*.wild.test' => { A => '127.0.0.3' },
	'half.test' => { SRV => 'SERVFAIL', A => '127.0.0.4' },
	'big.test' => { TXT => [map { 'x' x 200 . $_ } 1 .. 40] },
});

$t->write_file_expand('nginx.conf', <<'EOF');

%%TEST_GLOBALS%%

daemon off;

events {
}

stream {
    %%TEST_GLOBALS_STREAM%%

    resolver 127.0.0.1:%%PORT_8053_UDP%% ipv6=off;
    resolver_timeout 2s;

    map $remote_port $backend {
        default  xmpp.x.test:%%PORT_8082%%;
    }

    server {
        listen      127.0.0.1:8081;
        return      "hello from %%TESTDIR%% $server_port";
    }

    server {
        listen      127.0.0.1:8082;
        return      "resolved";
    }

    server {
        listen      127.0.0.1:8083;
        proxy_pass  $backend;
    }
}

EOF

my $ca = Test::Nginx::CA->new($d);
$ca->issue('x', cn => 'x.test', dns => 'x.test', srv => '_xmpp-server.x.test',
	xmppaddr => 'x.test');
$ca->issue('s', cn => 's.test', dns => 's.test', uri => 'sip:s.test');
$ca->issue('old', cn => 's.test', dns => 's.test', expired => 1);
$ca->issue('self', cn => 's.test', dns => 's.test', self_signed => 1);

$dns->start();
$t->run();

# nginx

my $p = port(8081);
is(stream('127.0.0.1:' . port(8081))->read(), "hello from $d $p", 'nginx');
is(http_get('/', socket => IO::Socket::INET->new('127.0.0.1:' . port(8081))),
	"hello from $d $p", 'http get');
is(stream('127.0.0.1:' . port(8083))->io(''), 'resolved', 'nginx resolver');
like($t->dump_config(), qr/^stream \{/m, 'dump config');
is(join(' ', $dns->queries()), 'A xmpp.x.test', 'resolver query');

# DNS

is(query('SRV', '_XMPP-server._tcp.X.test'), '0:SRV 10 5 5269 xmpp.x.test,'
	. 'SRV 20 0 5270 b.test', 'dns srv');
is(query('A', 'xmpp.x.test'), '0:A 127.0.0.1', 'dns a');
is(query('AAAA', 'xmpp.x.test'), '0:AAAA '
	. '00000000000000000000000000000001', 'dns aaaa');
is(query('SRV', '_xmpp-server._tcp.no.test'), '0:SRV 0 0 0 .', 'dns dot');
is(query('SRV', 'xmpp.x.test'), '0:', 'dns nodata');
is(query('A', 'unknown.test'), '3:', 'dns nxdomain');
is(query('A', 'broken.test'), '2:', 'dns servfail');
is(query('A', 'mute.test', 0.1), undef, 'dns drop');
is(query('A', 'slow.test'), '0:A 127.0.0.2', 'dns delay');
like(query('A', 'alias.test'), qr/CNAME xmpp.x.test,A 127.0.0.1$/, 'dns cname');
is(query('A', 'q.wild.test'), '0:A 127.0.0.3', 'dns wildcard');
is(query('SRV', 'half.test'), '2:', 'dns servfail for a type');
is(query('A', 'half.test'), '0:A 127.0.0.4', 'dns other type');
like(query('TXT', 'big.test'), qr/^TC:/, 'dns truncated');
like(query_tcp('TXT', 'big.test'), qr/^0:(TXT,?){40}/, 'dns tcp');

$dns->add('new.test' => { A => '127.0.0.9' });
is(query('A', 'new.test'), '0:A 127.0.0.9', 'dns changed');
is(scalar(() = $dns->queries(qr/^SRV _XMPP-server/)), 1, 'dns queries');

# XMPP: G plays the gateway's listener, X the peer

my $g = Test::Nginx::XMPP::Server->listen('127.0.0.1:' . port(8270),
	domains => ['s.test'], $ca->ssl('s'), sasl_external => 1);
my $x = Test::Nginx::XMPP::Server->listen('127.0.0.1:' . port(8269),
	domains => ['x.test'], $ca->ssl('x'), sasl_external => 1,
	gateway => $g->addr(), bounce => {
		'nobody@x.test' => 'item-not-found',
		'full@x.test' => ['wait', 'resource-constraint'],
	});

my %s = (PeerAddr => $x->addr(), from => 's.test', to => 'x.test');

my $xp = Test::Nginx::XMPP->connect(%s, $ca->ssl('s'));
my $f = $xp->open();
is($xp->wait_header()->attr('from'), 'x.test', 'header');
ok($f->child('starttls')->child('required'), 'features');
ok($xp->starttls(), 'starttls');
$f = $xp->open();
is($f->text('mechanisms/mechanism'), 'EXTERNAL', 'external offered');
ok(!$f->child('starttls'), 'starttls not offered again');
is($xp->external(), 'success', 'external');
my $id = $xp->stream_id();
$xp->open();
isnt($xp->stream_id(), $id, 'new stream id');
like($x->conn()->tls_info()->{subject}, qr/CN=s.test/, 'client certificate');

$xp->send("<message from='a\@s.test' to='u\@x.test' id='m1'><body>hi &amp; "
	. "bye</body></message>");
my $m = $x->stanza();
is($m->text('body'), 'hi & bye', 'message');
like($m->raw(), qr/^<message.*&amp;.*<\/message>$/, 'message raw');

# barrier: bounce, then answer to the ping, over a stream made by X

$xp->send_split("<message from='a\@s.test' to='nobody\@x.test' id='m2'><body>"
	. "x</body></message><message from='a\@s.test' to='full\@x.test/a' "
	. "id='m3'/><iq type='get' id='p1' from='s.test' to='x.test'>"
	. "<ping xmlns='urn:xmpp:ping'/></iq>", 7);
my $e = $g->stanza();
is($e && $e->condition(), 'item-not-found', 'bounce');
is($e->attr('id'), 'm2', 'bounce id');
is($e->attr('to'), 'a@s.test', 'bounce to');
$e = $g->stanza();
is($e->condition() . $e->error_type(), 'resource-constraintwait', 'bounce 2');
$e = $g->stanza();
is($e->name() . $e->attr('type') . $e->attr('id'), 'iqresultp1', 'pong');
is(scalar $x->pings(), 1, 'ping seen');
ok($g->conn()->{external}, 'answers over an authenticated stream');
is(scalar $g->conns(), 1, 'one stream for all answers');

$x->send_stanza("<message from='u\@x.test' to='a\@s.test'><body>"
	. "re</body></message>");
is($g->stanza()->text('body'), 're', 'message back');

ok($xp->close_stream(), 'close stream');

# dialback

my $db = Test::Nginx::XMPP->login(%s, auth => 'dialback');
ok($db->ready(), 'login by dialback');
is(($x->keys())[-1]{key}, Test::Nginx::XMPP::key($Test::Nginx::XMPP::SECRET,
	'x.test', 's.test', $db->stream_id()), 'dialback key');
is(Test::Nginx::XMPP::key('s3cr3tf0rd14lb4ck', 'xmpp.example.com',
	'example.org', 'D60000229F'),
	'37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643',
	'dialback key vector');
my %v = (from => 's.test', to => 'x.test', id => 'abc');
is($db->verify(%v, key => Test::Nginx::XMPP::key($Test::Nginx::XMPP::SECRET,
	's.test', 'x.test', 'abc')), 'valid', 'verify valid');
is($db->verify(%v, key => 'wrong'), 'invalid', 'verify invalid');

$x->set(result => 'remote-connection-failed');
is($db->dialback('b.test', 'x.test'), 'error', 'dialback error');
is($db->dialback_answer()->condition(), 'remote-connection-failed',
	'dialback condition');

$x->set(at => { header => [error => 'policy-violation'] });
$db = Test::Nginx::XMPP->connect(%s);
$db->header();
is($db->stream_error(), 'policy-violation', 'stream error');
ok($db->stream_closed(), 'stream closed');

$x->set(at => { starttls => 'reset' });
$db = Test::Nginx::XMPP->login(%s, may_fail => 1);
is($db->failed(), 'connection closed: reset', 'reset');

$x->set(at => { header => 'stall' });
$db = Test::Nginx::XMPP->connect(%s);
$db->header();
is($db->wait_header(0.05), undef, 'stall');
ok(!$db->eof_within(0.05), 'stall, open');

# what must not be accepted

$x->set(at => undef, result => undef);

foreach (['comment', '<!-- x -->'], ['undeclared prefix', '<message><x:y/>'],
	['text between', 'abc'], ['unproven', '<message/>'],
	['prefixed', "<p:iq xmlns:p='jabber:server'/>"],
	['entity', '<iq>&nbsp;<'])
{
	my ($why, $bytes) = @$_;
	$db = Test::Nginx::XMPP->connect(%s);
	$db->open();
	$db->send($bytes);
	eval { Test::Nginx::Peers::idle(0.1) };
	like($@, qr/$why/, "strict: $why");
}

# ends of a connection

foreach (['close', 'notify'], ['half_close', 'fin'], ['reset', 'reset']) {
	my ($how, $seen) = @$_;

	$db = Test::Nginx::XMPP->login(%s, auth => 'none');
	$x->set(keep_open => 1);
	$db->$how();
	$m = $x->conn();
	ok($m->eof_within(), "$how");
	is($m->closed(), $seen, "$how seen");
	$x->set(keep_open => 0);
	$db->close();
}

# certificates that are not good are accepted, but EXTERNAL is not offered

$db = Test::Nginx::XMPP->login(%s, $ca->ssl('old'), auth => 'external',
	may_fail => 1);
is($db->failed(), 'EXTERNAL not offered', 'external with expired certificate');

# IPv6, direct TLS, peers served in the background

my $x6 = Test::Nginx::XMPP::Server->listen('[::1]:' . port(8271),
	domains => 'x.test', $ca->ssl('x'), sasl_external => 1,
	tls => 'direct');
$db = Test::Nginx::XMPP->login(%s, PeerAddr => '[::1]:' . port(8271),
	tls => 'direct', auth => 'external', $ca->ssl('s'));
is($x6->conn()->tls_info()->{sni}, 'x.test', 'direct tls sni');
is($x6->conn()->tls_info()->{alpn}, 'xmpp-server', 'direct tls alpn');

$db->send("<message from='a\@s.test' to='u\@x.test' id='bg'/>");
Test::Nginx::Peers::background(sub {
	select(undef, undef, undef, 0.1) for 1 .. 3
});
is($x6->stanza(0)->attr('id'), 'bg', 'background');

$x6->set(pings => 'error', ping_delay => 0.1);
$x6->link(Test::Nginx::XMPP->login(PeerAddr => $g->addr(), from => 'x.test',
	to => 's.test', $ca->ssl('x')));
$db->send("<iq type='get' id='p2' from='s.test' to='x.test'>"
	. "<ping xmlns='urn:xmpp:ping'/></iq>");
is($g->stanza()->condition(), 'service-unavailable', 'pong over a linked one');

$x6->close();
ok($db->eof_within(), 'server closed');
ok(!Test::Nginx::XMPP->connect(%s, PeerAddr => '[::1]:' . port(8271)),
	'refused');

# SIP over TLS

my $sp = Test::Nginx::SIP::Server->listen('127.0.0.1:' . port(8061), tls => 1,
	$ca->ssl('s'), SSL_verify_mode => 3,
	auto => { 'busy@s.test' => 486, default => 200 });
my $c = Test::Nginx::SIP->connect(PeerAddr => $sp->addr(), tls => 1,
	$ca->ssl('x'), SSL_verify_mode => 1);
ok($c->tls_up(), 'sip tls');

my $q = $c->request('MESSAGE', 'sip:r@s.test', from => 'sip:u@x.test',
	headers => ['Subject: hi, there'], body => 'hello');
my $r = $c->response();
is($r->code() . ' ' . $r->reason(), '200 OK', 'sip response');
ok($r->answers($q) && length $r->to_tag(), 'sip response matches');
$m = $sp->wait_request();
is($m->body(), 'hello', 'sip request');
is($m->header('v'), $q->header('Via'), 'sip via');
is($c->transact('MESSAGE', 'sip:busy@s.test')->code(), 486, 'sip code of user');

my $raw = join('', map { $c->build('MESSAGE', "sip:r$_\@s.test",
	body => "\x0d\x0a\x0d\x0a")->raw() } 1 .. 10);
$c->send($raw);
is(join('', map { $c->response()->code() } 1 .. 10), '200' x 10, 'pipelined');
$c->send_split(substr($raw, 0, length($raw) / 10));
is($c->response()->code(), 200, 'split at every byte');
ok($c->ping(), 'keepalive');
is($sp->conn()->pings(), 1, 'keepalives seen');

my $s = $c->request('SUBSCRIBE', 'sip:r@s.test', from => 'sip:u@x.test',
	headers => ['Event: presence', 'Expires: 600']);
$r = $c->response();
my $dlg = Test::Nginx::SIP::Dialog->uas($sp, $sp->wait_request(undef,
	'SUBSCRIBE'), $r);
$dlg->notify('active;expires=600', '<presence/>');
$m = $c->wait_request(undef, 'NOTIFY');
is($m->to_tag() . $m->call_id(), $s->from_tag() . $s->call_id(), 'dialog');
$c->reply($m, 200);
is($sp->response()->header('CSeq'), $m->header('CSeq'), 'notify answered');

ok(!Test::Nginx::SIP->connect(PeerAddr => $sp->addr(), tls => 1,
	$ca->ssl('old'))->ping(), 'expired certificate');
ok(!Test::Nginx::SIP->connect(PeerAddr => $sp->addr(), tls => 1,
	$ca->ssl('self'))->ping(), 'self-signed certificate');

foreach (['folded', "Subject: a\x0d\x0a b"], ['short header', 'k: x'],
	['malformed', 'Subject:  a'], ['twice', 'To: <sip:a@b>'])
{
	my ($why, $line) = @$_;
	my $c = Test::Nginx::SIP->connect(PeerAddr => $sp->addr(), tls => 1,
		$ca->ssl('x'));
	(my $raw = $c->build('MESSAGE', 'sip:r@s.test')->raw())
		=~ s/\x0d\x0a/\x0d\x0a$line\x0d\x0a/;
	$c->send($raw);
	eval { Test::Nginx::Peers::idle(0.1) };
	like($@, qr/$why/, "strict: $why");
}

###############################################################################

sub pack_query {
	my ($type, $name) = @_;
	my %n = (A => 1, AAAA => 28, SRV => 33, TXT => 16);
	return pack('n6', 1234, 0x100, 1, 0, 0, 0) . join('',
		map { pack('C/a*', $_) } split(/\./, $name))
		. "\0" . pack('nn', $n{$type}, 1);
}

sub query {
	my ($type, $name, $timeout) = @_;
	my $s = IO::Socket::INET->new(Proto => 'udp', PeerAddr => $dns->addr());
	$s->send(pack_query($type, $name));
	return unless IO::Select->new($s)->can_read($timeout || 5);
	$s->recv(my $buf, 65536);
	return unpack_answer($buf);
}

sub query_tcp {
	my $q = pack_query(@_);
	my $s = IO::Socket::INET->new(Proto => 'tcp', PeerAddr => $dns->addr());
	$s->syswrite(pack('n/a*', $q));
	$s->read(my $len, 2);
	$s->read(my $buf, unpack('n', $len));
	return unpack_answer($buf);
}

sub unpack_answer {
	my ($buf) = @_;
	my ($id, $flags, $qd, $an) = unpack('n4', $buf);
	my $pos = 12;

	my $name = sub {
		my @n;
		my ($p, $jumped) = ($pos, 0);

		while ((my $len = ord(substr($buf, $p, 1))) != 0) {
			if ($len >= 0xc0) {
				$pos = $p + 2 unless $jumped++;
				$p = unpack('n', substr($buf, $p, 2)) & 0x3fff;
				next;
			}
			push @n, substr($buf, $p + 1, $len);
			$p += 1 + $len;
		}

		$pos = $p + 1 unless $jumped;
		return join('.', @n) || '.';
	};

	$name->();
	$pos += 4;
	my @out;

	for (1 .. $an) {
		$name->();
		my ($type, undef, undef, $len) = unpack('nnNn',
			substr($buf, $pos, 10));
		$pos += 10;
		my $end = $pos + $len;

		if ($type == 1) {
			push @out, 'A ' . join('.', unpack('C4',
				substr($buf, $pos, 4)));
		} elsif ($type == 28) {
			push @out, 'AAAA ' . unpack('H*', substr($buf, $pos, 16));
		} elsif ($type == 33) {
			my @v = unpack('n3', substr($buf, $pos, 6));
			$pos += 6;
			push @out, join(' ', 'SRV', @v, $name->());
		} elsif ($type == 5) {
			push @out, 'CNAME ' . $name->();
		} else {
			push @out, 'TXT';
		}

		$pos = $end;
	}

	return ($flags & 0x200 ? 'TC' : $flags & 15) . ':' . join(',', @out);
}

###############################################################################
