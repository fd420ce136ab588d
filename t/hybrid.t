#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for hybrid federation: "default auto", which asks DNS what a domain
# speaks, native partners, and the choice for each user (RFC 6120, 3.2;
# RFC 2782).

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::DNS;
use Test::Nginx::Gateway;
use Test::Nginx::Presence;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl stream_map socket_ssl/)
	->has_daemon('openssl')->plan(18);

my @names = map { "$_.test" } qw/ both xonly sonly neither sdot xdot dots fail
	cold cold1 cold2 cold3 sfail xfail slow wait flap live stale speaks
	forged queue late late1 again partner xpartner dboth donly ddot ddots
	dfail dslow /;

my $xport = port(8281);
my $sport = port(8282);
my $dport = port(8283);

my $xsrv = { SRV => [[0, 0, $xport, 'host.test']] };
my $dsrv = { SRV => [[0, 0, $dport, 'host.test']] };
my $ssrv = { SRV => [[0, 0, $sport, 'host.test']] };
my $dot = { SRV => [[0, 0, 0, '.']] };

my $dns = Test::Nginx::DNS->new($t, {
	'host.test' => { A => '127.0.0.1' },

	over_xmpp('both') => $xsrv, over_sip('both') => $ssrv,
	over_xmpp('xonly') => $xsrv,
	over_sip('sonly') => $ssrv,
	'neither.test' => { A => '127.0.0.3' },
	over_xmpp('sdot') => $xsrv, over_sip('sdot') => $dot,
	over_xmpp('xdot') => $dot, over_sip('xdot') => $ssrv,
	over_xmpp('dots') => $dot, over_sip('dots') => $dot,
	over_xmpp('fail') => 'SERVFAIL', over_sip('fail') => 'SERVFAIL',
	over_xmpp('sfail') => $xsrv, over_sip('sfail') => 'SERVFAIL',
	over_xmpp('xfail') => 'SERVFAIL', over_sip('xfail') => $ssrv,
	over_xmpp('slow') => 'DROP', over_sip('slow') => 'DROP',
	over_xmpp('wait') => { %$xsrv, delay => 0.3 },
	over_sip('wait') => { A => '127.0.0.1', delay => 0.3 },
	over_xmpp('flap') => $xsrv,
	over_xmpp('live') => $xsrv,
	over_xmpp('stale') => $xsrv,
	over_sip('speaks') => $ssrv, 'speaks.test' => { A => '127.0.0.3' },
	over_xmpp('forged') => $xsrv, over_sip('forged') => $ssrv,
	over_xmpp('cold') => $xsrv,
	over_xmpp('again') => $xsrv,
	over_xmpp('queue') => 'DROP', over_sip('queue') => 'DROP',
	over_direct('donly') => $dsrv,
	over_direct('dboth') => $dsrv, over_sip('dboth') => $ssrv,
	over_direct('ddot') => $dsrv, over_xmpp('ddot') => $dot,
	over_direct('ddots') => $dot, 'ddots.test' => { A => '127.0.0.3' },
	over_direct('dfail') => 'SERVFAIL', over_sip('dfail') => $ssrv,
	over_direct('dslow') => 'DROP', over_xmpp('dslow') => $xsrv,
	over_xmpp('partner') => $xsrv, over_sip('partner') => $ssrv,
	over_xmpp('xpartner') => $xsrv, over_sip('xpartner') => $ssrv,
});

my $g = Test::Nginx::Gateway->new($t, zone => '4m', stream => <<'EOF',
    resolver 127.0.0.1:%%PORT_8053_UDP%% ipv6=off;
    resolver_timeout 2s;

    map $federation_from $by_sender {
        default           sip;
        ~^xmpp            xmpp;
        ~^odd             either;
        ~^none            "";
    }

    map $federation_to $prefer {
        default           $by_sender;
        ~^xmpp            xmpp;
    }
EOF
	federation => <<'EOF');
        sip_domain o.test home server=127.0.0.1:%%PORT_8061%% name=s.test
                   dialect=ocs;
        xmpp_domain h.test home server=127.0.0.1:%%PORT_8271%%;

        sip_domain partner.test;
        xmpp_domain xpartner.test;
        deny spam.test;

        default auto prefer=$prefer;
        state %%TESTDIR%%/state interval=50ms;

        auto_idle 4s;
        auto_valid 100ms 1s;
        domain_queue 5;
        private_addresses on;
EOF

$g->{ca}->issue('h', cn => 'h.test', dns => 'h.test');
$g->{ca}->issue('all', cn => 'all.test', dns => [@names],
	uri => [map { "sip:$_" } @names]);
$g->{ca}->issue('speaks', cn => 'speaks.test', dns => 'speaks.test',
	uri => 'sip:speaks.test');

$dns->start();
$g->start();

my $h = Test::Nginx::XMPP::Server->listen('127.0.0.1:' . port(8271),
	domains => ['h.test'], $g->{ca}->ssl('h'), sasl_external => 1,
	gateway => '127.0.0.1:' . port(8270));
my $xs = Test::Nginx::XMPP::Server->listen("127.0.0.1:$xport",
	domains => \@names, $g->{ca}->ssl('all'), sasl_external => 1,
	gateway => '127.0.0.1:' . port(8270));
my $xd = Test::Nginx::XMPP::Server->listen("127.0.0.1:$dport",
	domains => \@names, $g->{ca}->ssl('all'), sasl_external => 1,
	tls => 'direct', gateway => '127.0.0.1:' . port(8270),
	dial => { tls => 1 });
my $ss = Test::Nginx::SIP::Server->listen("127.0.0.1:$sport", tls => 1,
	$g->{ca}->ssl('all'), auto => 200);

my $c = $g->sip();
my $serial = 0;

# a user of a SIP home domain writes: what the domain speaks says DNS

case('from SIP, one of the two', sub {
	is(sip('xonly.test'), 202, 'XMPP only');
	is(sip('sonly.test'), '403 recipient\'s domain speaks SIP itself,'
		. ' as DNS says', 'SIP only');
	is(sip('sdot.test'), 202, 'target "." of SIP');
	like(sip('xdot.test'), qr/^403 .*speaks SIP/, 'target "." of XMPP');
	like(sip('dots.test'), qr/^404 .*no XMPP service/, 'both of them');
});

case('from SIP, both', sub {
	like(sip('both.test'), qr/^403 .*speaks SIP/, 'SIP is preferred');
	is(sip('both.test', 'xmpp'), 202, 'XMPP, by a map of the sender');
	is(sip('both.test', 'r', 'xmpp'), 202, 'XMPP, by a map of recipients');
	like(sip('both.test', 'none'), qr/^403 /, 'map without a value');
	like(sip('both.test', 'odd'), qr/^403 /, 'map with another value');
	ok(logged(qr/\[warn\].*"prefer" of "default auto" is "either"/),
		'another value, log');
	is(sip('xonly.test', 'odd'), 202, 'no preference for what is not there');
});

case('from SIP, neither', sub {
	is(sip('neither.test'), '504 Server Time-out', 'XMPP, by address');
	ok(logged(qr/connect\(\) failed.*127.0.0.3:5269/), 'port 5269');
	like(sip('missing.test'), qr/^404 /, 'no such domain');
});

case('from SIP, trouble with DNS', sub {
	like(sip('fail.test'), qr/^504 DNS does not tell/, 'SERVFAIL');
	like(sip('sfail.test'), qr/^504 /, 'SERVFAIL of the preferred one');
	is(sip('sfail.test', 'xmpp'), 202, 'SERVFAIL of the other one');
	like(sip('xfail.test'), qr/^403 /, 'SERVFAIL of the other one, SIP');
	like(sip('xfail.test', 'xmpp'), qr/^504 /,
		'SERVFAIL of the preferred one, XMPP');
	like(sip('slow.test'), qr/^504 /, 'no answer');
	ok(logged(qr/could not be resolved \(\d+: Server failure\)/), 'log');
});

# XMPP is offered by either of its services, see t/xmpp_direct.t

case('from SIP, direct TLS', sub {
	is(sip('donly.test'), 202, 'direct TLS only');
	like(sip('dboth.test'), qr/^403 .*speaks SIP/, 'SIP is preferred');
	is(sip('dboth.test', 'xmpp'), 202, 'XMPP is preferred');
	is(sip('ddot.test'), 202, 'target "." of the other service');
	like(sip('ddots.test'), qr/^404 .*no XMPP service/, 'target "."');
	like(sip('dfail.test', 'xmpp'), qr/^504 /, 'SERVFAIL');
	is(sip('dslow.test', 'xmpp'), 202, 'no answer is not waited for');
});

case('from SIP, policy', sub {
	is(sip('spam.test'), '404 Domain Is Not Federated', 'denied');
	is($c->transact('MESSAGE', 'sip:u@xonly.test', body => 'x',
		from => 'sip:r@xpartner.test')->code(), 403, 'sender of XMPP');
});

# ... and what is native is refused, too

case('native SIP partner', sub {
	is(sip('partner.test'), '403 recipient\'s domain is native SIP, not'
		. ' bridged here', 'MESSAGE');
	is(subscribe('r@s.test', 'u@partner.test')->code(), 403, 'SUBSCRIBE');
	is(invite('r@o.test', 'u@partner.test')->code(), 403, 'INVITE');
	ok(logged(qr/\[error\].*"partner.test".*native SIP.*server of "s.test"/), 'log');
	ok((grep { /^message s2x \S+ \S+\@partner.test 403 native$/ }
		$g->log()), 'access_log, MESSAGE');
	ok((grep { /^subscription s2x \S+ \S+\@partner.test 403 native$/ }
		$g->log()), 'access_log, SUBSCRIBE');
	is(sip('s.test'), '404 Not Found', 'home domain');
	is(sip('o.test'), '404 Not Found', 'other home domain');
});

case('native XMPP partner', sub {
	is(xmpp('xpartner.test'), 'not-allowed cancel recipient\'s domain is'
		. ' native XMPP, not bridged here', 'message');
	ok(logged(qr/\[(?:error|info)\].*"xpartner.test".*native XMPP/), 'log');
	ok((grep { /^message x2s \S+ \S+\@xpartner.test 403 native$/ }
		$g->log()), 'access_log');

	# to nobody else

	my $xp = Test::Nginx::XMPP->connect(
		PeerAddr => '127.0.0.1:' . port(8270), from => 'both.test',
		to => 'xpartner.test');
	$xp->header();
	is($xp->stream_error(), 'host-unknown', 'from a stranger');
});

# a user of an XMPP home domain writes

case('from XMPP', sub {
	is(xmpp('sonly.test'), 'ok', 'SIP only');
	is(xmpp('both.test'), 'ok', 'SIP is preferred');
	is(xmpp('both.test', 'xmpp'), 'not-allowed cancel recipient\'s domain'
		. ' speaks XMPP itself, as DNS says', 'XMPP, by a map');
	like(xmpp('xonly.test'), qr/^not-allowed cancel .*XMPP/, 'XMPP only');
	is(xmpp('xdot.test', 'xmpp'), 'ok', 'target "." of XMPP');
	like(xmpp('sdot.test'), qr/^not-allowed /, 'target "." of SIP');
	like(xmpp('neither.test'), qr/^remote-server-not-found cancel .*no SIP/,
		'neither');
	like(xmpp('dots.test'), qr/^remote-server-not-found /, 'both "."');
	like(xmpp('fail.test'), qr/^remote-server-timeout wait DNS does not/,
		'SERVFAIL');
	is(xmpp('xfail.test'), 'ok', 'SERVFAIL of the other one');
});

case('from XMPP, subscriptions', sub {
	my $xp = login('h.test', 'cold2.test', 'h');

	$dns->add(over_sip('cold2') => $ssrv, over_xmpp('cold3') => $xsrv);

	$xp->send_presence(from => 'p@h.test', to => 'p@cold2.test',
		type => 'subscribe', id => 's1');
	ok(Test::Nginx::Peers::wait_until(sub {
		grep { $_->method() eq 'SUBSCRIBE'
			&& $_->uri() =~ /p\@cold2.test/ } $ss->seen() }),
		'SUBSCRIBE');

	$xp = login('h.test', 'cold3.test', 'h');
	$xp->send_presence(from => 'p@h.test', to => 'p@cold3.test',
		type => 'subscribe', id => 's2');

	my $e;

	Test::Nginx::Peers::wait_until(sub {
		($e) = grep { $_->name() eq 'presence'
			&& ($_->attr('id') // '') eq 's2' } $h->seen() });
	is($e && $e->condition(), 'not-allowed', 'native XMPP');
});

# what comes from there shows what it speaks

case('a domain that speaks it', sub {
	like(sip('speaks.test', 'a'), qr/^403 /, 'SIP, as DNS says');

	my $xp = login('speaks.test', 's.test', 'speaks');
	$xp->send($g->message('hello', from => 'b@speaks.test',
		to => 'b@s.test'));
	ok(Test::Nginx::Peers::wait_until(sub {
		grep { $_->body() eq 'hello' } $g->{s}->seen() }),
		'over XMPP all the same');

	# the answer finds its way: it waits for no DNS, and fails to connect

	is(code('b@s.test', 'b@speaks.test'), 504, 'answer goes by XMPP');
	like(sip('speaks.test', 'c'), qr/^403 /, 'others go as DNS says');

	my $sc = $g->sip($g->{ca}->ssl('speaks'),
		from => 'sip:d@speaks.test', host => 'speaks.test');
	is($sc->transact('MESSAGE', 'sip:d@h.test', body => 'x')->code(), 202,
		'over SIP');
});

# nobody is believed more than with "default xmpp" or "default sip"

case('SEC: forged senders', sub {
	my $sc = $g->sip($g->{ca}->ssl('speaks'), from => 'sip:a@speaks.test',
		host => 'speaks.test');
	is($sc->transact('MESSAGE', 'sip:a@h.test', body => 'x',
		from => 'sip:a@forged.test')->code(), 403, 'SIP');
	ok(logged(qr/SIP request from "sip:a\@forged.test" is refused/),
		'SIP, log');
	is($c->transact('MESSAGE', 'sip:a@h.test', body => 'x',
		from => 'sip:a@forged.test')->code(), 403, 'home server');

	my $xp = login('forged.test', 's.test', 'speaks', may_fail => 1,
		auth => 'external');
	ok(!$xp || !$xp->ready(), 'XMPP, certificate');

	$xp = login('forged.test', 's.test', 'speaks', may_fail => 1,
		auth => 'dialback', secret => 'another');
	ok(!$xp || !$xp->ready(), 'XMPP, dialback');

	# nobody was looked up for it

	$dns->clear();
	$sc->transact('MESSAGE', 'sip:a@xonly.test', body => 'x',
		from => 'sip:a@forged.test');
	$sc->transact('MESSAGE', 'sip:a@nobody.test', body => 'x');
	is(join(' ', $dns->queries(qr/nobody|xonly/)), '', 'no queries');
});

# requests of all kinds wait for DNS

case('what waits', sub {
	my @q = map { $c->request('MESSAGE', 'sip:w@wait.test',
		from => 'sip:w@s.test', body => "w$_") } 1 .. 4;
	is(join(' ', map { $c->response_to($_)->code() } @q),
		'202 202 202 202', 'messages');
	is(join(' ', map { $_->text('body') } grep { $_->name() eq 'message'
		&& $_->attr('to') =~ /^w\@wait/ } $xs->seen()), 'w1 w2 w3 w4',
		'in order');

	my $r = subscribe('r@s.test', 'u@cold.test');
	is($r->code(), 200, 'SUBSCRIBE');
	ok($xs->presence(undef, to => 'u@cold.test', type => 'subscribe'),
		'subscribe');

	$dns->add(over_xmpp('cold1') => $xsrv);
	$r = invite('r@o.test', 'u@cold1.test');
	is($r->code(), 200, 'INVITE');
	is(bye($r, 'u@cold1.test'), 200, 'BYE');

	# its connection is gone

	$dns->add(over_xmpp('late') => { %$xsrv, delay => 1 },
		over_sip('late') => { A => '127.0.0.1', delay => 1 });
	my $sc = $g->sip();
	$sc->request('MESSAGE', 'sip:u@late.test', body => 'late');
	poll(sub { $dns->queries(qr/late/) });
	$sc->close();
	is(sip('late.test'), 202, 'others are served');
	ok(!(grep { ($_->text('body') // '') eq 'late' } $xs->seen()),
		'nobody waits');
});

case('too many wait', sub {
	my $queue = 'queue.test';
	my @q = map { $c->request('MESSAGE', "sip:u$_\@$queue",
		body => 'x') } 1 .. 7;
	my @r = map { $c->response_to($_, 10) } @q;
	is(join(' ', sort map { $_->code() } @r),
		'500 500 504 504 504 504 504', 'codes');
	my ($r) = grep { $_->code() == 500 } @r;
	ok($r->header('Retry-After'), 'Retry-After');
});

# never within a conversation

case('a conversation stays', sub {
	my @pair = ('conv@s.test', 'conv@flap.test');

	is(code(@pair), 202, 'begins by XMPP');

	$dns->remove(over_xmpp('flap'));
	$dns->add(over_sip('flap') => $ssrv);

	# others see it, as soon as what is known has expired

	my %codes;

	ok(poll(sub {
		$codes{code(@pair)}++;
		return sip('flap.test') =~ /^403/;
	}), 'DNS has changed');

	$codes{code(@pair)}++;
	is(join(' ', keys %codes), 202, 'the conversation stays');
	is(code('conv@o.test', $pair[1]), 403, 'it is one of two users');

	Test::Nginx::Peers::idle(4.2);

	is(code(@pair), 403, 'and moves when it is idle');

	$dns->add(over_xmpp('flap') => $xsrv);
	$dns->remove(over_sip('flap'));

	ok(poll(sub { code(@pair) == 202 }), 'and back again');
});

case('presence stays', sub {
	my @pair = ('live@s.test', 'live@live.test');

	my $r = subscribe(@pair);
	is($r->code(), 200, 'SUBSCRIBE');

	# both are offered: a matter of preference

	$dns->add(over_sip('live') => $ssrv);

	ok(poll(sub { sip('live.test') =~ /^403/ }), 'DNS has changed');
	is(subscribe('other@s.test', $pair[1])->code(), 403, 'others');

	is(code(@pair), 202, 'message of the watcher');
	is(refresh($r)->code(), 200, 'refresh');

	# XMPP is no more

	$dns->remove(over_xmpp('live'));

	Test::Nginx::Peers::idle(4.2);

	ok(poll(sub { sip('live.test', 'xmpp') =~ /^403/ }), 'XMPP is gone');

	is(code(@pair), 403, 'message');
	is(refresh($r)->code(), 403, 'refresh');
	ok(Test::Nginx::Peers::wait_until(sub {
		grep { $_->method() eq 'NOTIFY' && $_->call_id() eq
			$r->call_id() && $_->header('Subscription-State')
			=~ /^terminated/ } $g->{s}->seen() }), 'NOTIFY');
});

# what is known of old serves when DNS fails; the zone has it for all workers,
# and after a reload

case('DNS fails later', sub {
	is(sip('stale.test'), 202, 'before');
	is(code('kept@s.test', 'kept@stale.test'), 202, 'conversation');

	$dns->add(over_xmpp('stale') => 'SERVFAIL', over_sip('stale') => 'SERVFAIL');
	$dns->clear();

	ok(poll(sub { sip('stale.test') ne '202'
		|| $dns->queries(qr/_xmpp-server._tcp.stale/) }), 'asked again');
	is(sip('stale.test'), 202, 'stale answer');

	# what waits does so in the old process, and gets its outcome there

	$dns->add(over_xmpp('stale') => $xsrv,
		over_xmpp('late1') => { %$xsrv, delay => 1 },
		over_sip('late1') => { A => '127.0.0.1', delay => 1 });

	my $q = $c->request('MESSAGE', 'sip:u@late1.test', body => 'x');
	poll(sub { $dns->queries(qr/late1/) });

	$g->{t}->reload();

	ok(poll(sub { logged(qr/gracefully shutting down/) }), 'reload');
	like($c->response_to($q, 10)->code(), qr/^(?:202|504)$/,
		'what waited');
	ok($c->eof_within(5), 'connection is closed after that');

	$c = $g->sip();

	is(sip('stale.test'), 202, 'stale answer after reload');
	is(code('kept@s.test', 'kept@stale.test'), 202, 'conversation');
});

# after a restart nothing is known of DNS, but watches are, and go on

case('a restart without DNS', sub {
	my $r = subscribe('live@s.test', 'live@again.test');
	is($r->code(), 200, 'SUBSCRIBE');

	ok(poll(sub { -s $g->{t}->testdir() . '/state/state' }), 'state');
	undef $c;
	Test::Nginx::Peers::stop($g->{t});

	$dns->add(over_xmpp('again') => 'SERVFAIL',
		over_sip('again') => 'SERVFAIL');

	$g->{t}->run();
	$c = $g->sip();

	is(refresh($r)->code(), 200, 'refresh');
	isnt(sip('again.test'), 202, 'others');
	like(sip('again.test'), qr/^504 DNS/, 'others wait for DNS');
});

undef $c;
undef $_ for $xs, $h, $ss;

Test::Nginx::Peers::stop($t);

###############################################################################

# names of the records

sub over_xmpp { return "_xmpp-server._tcp.$_[0].test"; }

sub over_direct { return "_xmpps-server._tcp.$_[0].test"; }

sub over_sip { return "_sipfederationtls._tcp.$_[0].test"; }

# the final response to a message of a SIP user, always another one, to a user
# of the domain: 202, or code and reason

sub sip {
	my ($domain, $from, $to) = @_;

	$serial++;
	$from = ($from // 'r') . $serial;
	$to = ($to // 'u') . $serial;

	my $r = $c->transact('MESSAGE', "sip:$to\@$domain", timeout => 8,
		from => "sip:$from\@s.test", body => "to $domain");

	return '' if !$r;
	return $r->code() == 202 ? 202 : $r->code() . ' ' . $r->reason();
}

# the same of two users

sub code {
	my ($from, $to) = @_;
	my $r = $c->transact('MESSAGE', "sip:$to", from => "sip:$from",
		timeout => 8, body => 'x');
	return $r ? $r->code() : 0;
}

sub subscribe {
	my ($from, $to) = @_;
	return $c->transact('SUBSCRIBE', "sip:$to", from => "sip:$from",
		timeout => 8, headers => ['Event: presence', 'Expires: 600',
			'Accept: application/pidf+xml']);
}

# SUBSCRIBE within the dialog that a response made

sub refresh {
	my ($r) = @_;
	my ($uri) = $r->header('To') =~ /<([^>]+)>/;

	return $c->transact('SUBSCRIBE', $uri,
		From => $r->header('From'), To => $r->header('To'),
		call_id => $r->call_id(), cseq => 100000 + ++$serial,
		headers => ['Event: presence', 'Expires: 600']);
}

sub invite {
	my ($from, $to) = @_;
	return $c->transact('INVITE', "sip:$to", from => "sip:$from",
		timeout => 8, content_type => 'application/sdp',
		body => "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\n"
			. "c=IN IP4 127.0.0.1\r\nt=0 0\r\n"
			. "m=message 5060 sip null\r\n"
			. "a=accept-types:text/plain\r\n");
}

# ends the session that a response began

sub bye {
	my ($r, $to) = @_;

	my @dialog = (From => $r->header('From'), To => $r->header('To'),
		call_id => $r->call_id());

	$c->request('ACK', "sip:$to", @dialog, cseq => $r->cseq());
	return $c->transact('BYE', "sip:$to", @dialog,
		cseq => $r->cseq() + 1)->code();
}

# a stream of an XMPP domain into the gateway

sub login {
	my ($from, $to, $cert, %args) = @_;
	return Test::Nginx::XMPP->login(PeerAddr => '127.0.0.1:' . port(8270),
		from => $from, to => $to, $g->{ca}->ssl($cert),
		auth => 'external', %args);
}

# what becomes of a message of an XMPP user, always another one, to a user of
# the domain: ok, or the error

sub xmpp {
	my ($domain, $from) = @_;

	my $id = 'o' . ++$serial;
	my $found = '';

	$from = ($from // 'r') . $serial;

	my $xp = login('h.test', $domain, 'h');
	$h->link($xp);

	$xp->send($g->message($id, from => "$from\@h.test",
		to => "u$serial\@$domain", id => $id));

	Test::Nginx::Peers::wait_until(sub {
		return $found = 'ok' if grep { $_->body() eq $id } $ss->seen();
		my ($e) = grep { ($_->attr('id') || '') eq $id
			&& ($_->attr('type') || '') eq 'error' } $h->seen();
		$found = join ' ', grep { defined } $e->condition(),
			$e->error_type(), $e->child('error')->text('text')
			if $e;
		return $found;
	}, 8);

	return $found;
}

# tries until it returns true

sub poll {
	my ($code) = @_;

	for (1 .. 100) {
		return 1 if $code->();
		Test::Nginx::Peers::idle(0.1);
	}

	return;
}

# whether the log has such a line

sub logged {
	my ($re) = @_;
	return scalar grep { /$re/ } split /\n/,
		$g->{t}->read_file('error.log');
}

###############################################################################
