#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of peers that send octet by octet, in time for each, but for ever: they
# are dropped when a handshake, a stream header or a SIP message has taken too
# long, and nobody else waits for them (SEC-27, XS-48, SP-07).

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::Gateway;
use Test::Nginx::Peers;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(52);

# the time-outs differ, so that it is seen which of them it was

my $g = Test::Nginx::Gateway->new($t, server => 'ssl_handshake_timeout 2s;',
	federation => <<'EOF_');
        handshake_timeout 1500ms;
        sip_read_timeout 1s;
        xmpp_idle_timeout 2500ms;
        confirm_timeout 3s;
        trying_timeout 300ms;
        transaction_timeout 5s;
        close_timeout 200ms;
EOF_

$g->start();

my $x = $g->{x};
my $s = $g->{s};
my $serial = 0;

# a TLS record that is long, and the beginning of what is in it

my $hello = "\x16\x03\x01\x3f\x00\x01\x00\x3e\xfc\x03\x03";
my $answer = "\x16\x03\x03\x3f\x00\x02\x00\x3e\xfc\x03\x03";

my @ports = map { '127.0.0.1:' . port($_) } 8062, 8270;
my ($sip_in, $xmpp_in) = @ports;

slow('SIP, TLS handshake', 2, sub { raw($sip_in) }, $hello);
slow('SIP, nothing', 2, sub { raw($sip_in) }, '');
slow('SIP, headers', 1, sub { $g->sip() },
	"MESSAGE sip:u\@x.test SIP/2.0\x0d\x0aSubject: ");
slow('SIP, body', 1, \&message, 'x');
slow('SIP, body that is too large', 1, sub { message(100000) }, 'x');

slow('XMPP, nothing', 1.5, sub { raw($xmpp_in) }, '');
slow('XMPP, stream header', 1.5, sub { raw($xmpp_in) },
	"<?xml version='1.0'?><stream:stream xmlns='jabber:server' x='");
slow('XMPP, TLS handshake', 1.5, sub {
	my $c = stream();
	$c->open();
	$c->send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	$c->expect('proceed');
	return $c;
}, $hello);
slow('XMPP, stream header within TLS', 1.5, sub {
	my $c = stream();
	$c->open();
	$c->starttls($g->{ca}->ssl('x'));
	return $c;
}, "<?xml version='1.0'?><stream:stream xmlns='jabber:server' x='");
slow('XMPP, SASL', 1.5, sub {
	my $c = stream();
	$c->open();
	$c->starttls($g->{ca}->ssl('x'));
	$c->open();
	return $c;
}, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='");
slow('XMPP, stanza', 2.5, sub { $g->xmpp() }, '<message><body>');

# servers that we connect to

my $xmpp = $g->xmpp();
my $sip = $g->sip();

$s->set(use_tls => 0);
my $start = Test::Nginx::Peers::now();
my $c = dialled($s, sub { $xmpp->send($g->message('slow', id => 'slow')) });
$c->{raw_only} = 1;
drip($c, $answer);

my $e = Test::Nginx::Peers::wait_until(sub {
	return (grep { ($_->attr('id') // '') eq 'slow' } $x->seen())[0];
});
is($e && $e->condition(), 'remote-server-timeout', 'SIP server, error');
ok($c->eof_within(3), 'SIP server, dropped');
took('SIP server', $start, 1.5);

$s->set(use_tls => 1);
ok(crosses(), 'SIP server is back');

my $q;
$x->set(at => { connect => sub { return 1 } });
$start = Test::Nginx::Peers::now();
$c = dialled($x, sub {
	$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'slow');
});
$c->{raw_only} = 1;
drip($c, "<?xml version='1.0'?><stream:stream x='");

my $r = $sip->response_to($q, 6);
is($r && $r->code(), 504, 'XMPP server, response');
ok($c->eof_within(3), 'XMPP server, dropped');
took('XMPP server', $start, 1.5);

$x->set(at => {});
ok(crosses(), 'XMPP server is back');

undef $_ for $sip, $xmpp, $c;

###############################################################################

# five of them, while others send

sub slow {
	my ($name, $limit, $connect, $bytes) = @_;
	my ($others, $late) = (0, 0);

	my $sip = $g->sip();
	my $xmpp = $g->xmpp();

	my @all = map { $connect->() } 1 .. 5;
	my $start = Test::Nginx::Peers::now();
	foreach my $c (@all) {
		$c->{raw_only} = 1;
		drip($c, $bytes);
	}

	while (grep { !$_->{ended} } @all) {
		last if Test::Nginx::Peers::now() - $start > $limit + 5;

		my $before = Test::Nginx::Peers::now();
		$others++ if crosses($sip, $xmpp);
		$late++ if Test::Nginx::Peers::now() - $before > 0.5;
		Test::Nginx::Peers::pump(0.05);
	}

	is(scalar(grep { !$_->{ended} } @all), 0, "$name, dropped");
	took($name, $start, $limit);
	cmp_ok($others, '>', 5, "$name, others cross");
	is($late, 0, "$name, in time");

	undef @all;
}

sub took {
	my ($name, $start, $limit) = @_;
	my $time = Test::Nginx::Peers::now() - $start;

	note(sprintf("%s: %.2f s", $name, $time));
	ok($time > $limit - 0.6 && $time < $limit + 2, "$name, in its time")
		or diag("$time s, but $limit s are allowed");
}

# sends the octets, one at a time, and repeats the last one

sub drip {
	my ($c, $bytes) = @_;

	return if $c->{ended} || !$c->{sock};

	if (length $bytes) {
		$c->send(substr($bytes, 0, 1));
		$bytes = substr($bytes, 1) if length $bytes > 1;
	}

	Test::Nginx::Peers::after(0.05, sub { drip($c, $bytes) });
}

# the next connection that is made to a server, after its others were reset

sub dialled {
	my ($server, $code) = @_;
	my @all = $server->conns();

	$_->reset() for @all;
	Test::Nginx::Peers::idle(0.1);
	$code->();
	Test::Nginx::Peers::wait_until(sub { $server->conns() > @all })
		or die "no connection\n";

	return ($server->conns())[-1];
}

# a message each way

sub crosses {
	my ($sip, $xmpp) = @_;
	my $id = 'm' . ++$serial;

	$sip ||= $g->sip();
	$xmpp ||= $g->xmpp();

	$xmpp->send($g->message($id, id => $id));
	my $r = $sip->transact('MESSAGE', 'sip:u@x.test', body => $id);

	return $r && $r->code() == 202 && Test::Nginx::Peers::wait_until(sub {
		return grep { $_->body() eq $id } splice @{$s->{requests}};
	});
}

sub raw {
	my ($addr) = @_;
	return Test::Nginx::SIP->connect(PeerAddr => $addr, raw_only => 1);
}

sub stream {
	return Test::Nginx::XMPP->connect(PeerAddr => $xmpp_in,
		from => 'x.test', to => 's.test');
}

# a connection on which the body of a request is to come

sub message {
	my ($n) = @_;
	my $c = $g->sip();

	$c->send_raw($c->build('MESSAGE', 'sip:u@x.test', body => 'x',
		'Content-Length' => $n || 1000));

	return $c;
}

###############################################################################
