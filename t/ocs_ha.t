#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for several addresses of a SIP domain, of which some are down or answer
# 503, and for the several links that an Edge opens (ocs-wire 5.4; RFC 3263,
# 4.3).

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::DNS;
use Test::Nginx::Gateway;
use Test::Nginx::Presence;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(8);

my $port = port(8063);

my $dns = Test::Nginx::DNS->new($t, {
	'_sipfederationtls._tcp.srv.test' => { SRV => [
		[0, 0, $port, 'edge.srv.test']] },
	'edge.srv.test' => { A => ['127.0.0.2', '127.0.0.3'] },
});

my $g = Test::Nginx::Gateway->new($t, zone => '4m', sip => 'dialect=ocs',
	federation => <<'EOF_', stream => <<'EOF_2');
        private_addresses on;
        notify_interval 20ms;
        ocs_pending pending;

        sip_domain two.test home
                   server=127.0.0.2:%%PORT_8063%% server=127.0.0.3:%%PORT_8063%%;
        sip_domain srv.test home;
EOF_
    resolver 127.0.0.1:%%PORT_8053_UDP%% ipv6=off;
EOF_2

my $conf = $t->read_file('nginx.conf');
$conf =~ s/reconnect_delay 10ms 100ms;/reconnect_delay 10ms 500ms;/;
$t->write_file('nginx.conf', $conf);

$g->{ca}->issue('two', dns => ['two.test', 'srv.test']);

$dns->start();
$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();
my %to = map { $_ => $g->xmpp(to => $_) } qw/two.test srv.test/;
my (%edge, $serial);

# addresses

case('the first is down', sub {
	edge(2);
	deliver('two.test', 20);
	is(got(2), 20, 'by the second');
	ok(logged('"two.test" is reached at 127.0.0.3:\d+, which is not its first '
		. 'address'), 'log');
});

case('the first is back', sub {
	edge(1);
	my $n = until_got(1);
	is(got(1) + got(2), 20 + $n, 'nothing is lost or doubled');
	deliver('two.test', 20);
	is(got(2) + got(1), 40 + $n, 'nothing is lost or doubled later');
	is(got(2), 20 + $n - 1, 'all by the first');
});

case('the first goes', sub {
	my $n = got(2);
	gone(1);
	deliver('two.test', 20);
	is(got(2), $n + 20, 'by the second');
});

case('the first answers 503', sub {
	edge(1);
	until_got(1);
	my $n = got(2);
	my $m = got(1);
	$edge{1}->set(auto => 503);
	deliver('two.test', 20);
	is(got(2), $n + 20, 'by the second');
	cmp_ok(got(1), '<', $m + 20, 'and most at once');
	$edge{1}->set(auto => 200);
	until_got(1);
	ok(1, 'the first again');
	gone($_) for 1, 2;

	# the second is dialled only then

	edge($_) for 1, 2;
	$edge{1}->set(auto => 503);
	until_got(2);
	is($edge{1}->conns() + 0, 1, 'the first, connected');
	$edge{1}->set(auto => 200);
	until_got(1);
	is($edge{1}->conns() + 0, 1, 'the first again, still connected');
	gone($_) for 1, 2;
});

case('SRV, one of the addresses of the target is down', sub {
	for my $i (1, 2) {
		edge($i);
		deliver('srv.test', 10);
		is(got($i), 10, "127.0.0." . ($i + 1) . ' alone');
		gone($i);
	}
});

# links

case('5.4: four links of an Edge, a SIP user watches', sub {
	my @c = map { $hub->connect(conn => $g->sip()) } 1 .. 4;
	my $w = $hub->watcher('u1@x.test', from => 'sip:r1@s.test', conn => $c[0]);
	is($w->subscribe()->code(), 200, 'SUBSCRIBE');
	is($w->notify()->line(), 'pending', 'NOTIFY');

	for my $i (1 .. 3) {
		$w->{conn} = $c[$i];
		is($w->refresh()->code(), 200, "refresh over link $i");
		is($w->notify()->line(), 'pending', 'NOTIFY');
	}

	$w->{conn} = $c[1];
	is($w->unsubscribe()->code(), 200, 'end over another one');
});

case('5.4: four links of an Edge, a SIP user is watched', sub {
	my @c = map { $hub->connect(conn => $g->sip()) } 1 .. 4;
	my $p = $hub->presentity('r2@s.test');
	$xmpp->send("<presence type='subscribe' from='u2\@x.test' "
		. "to='r2\@s.test'/>");
	my $d = $p->subscription();

	for my $i (0 .. 7) {
		my $q = $d->notify('active', [{ id => 'ID-a', basic => 'open',
			note => "n$i" }], conn => $c[$i % 4]);
		is($d->response($q)->code(), 200, "NOTIFY over link " . $i % 4);
		is($hub->told('u2@x.test'), 'subscribed r2@s.test', 'subscribed')
			if $i == 0;
		is($hub->told('u2@x.test'), 'available r2@s.test/a', 'available');
	}
});

is($hub->wrong(), '', 'dialogs are as they should be');

undef $xmpp;
%to = ();
%edge = ();

Test::Nginx::Peers::stop($t);

###############################################################################

# an Edge of two.test and srv.test on one of the addresses

sub edge {
	my ($i) = @_;
	$edge{$i} = Test::Nginx::SIP::Server->listen('127.0.0.' . ($i + 1)
		. ":$port", tls => 1, $g->{ca}->ssl('two'), auto => 200);
}

sub gone {
	my ($i) = @_;
	$edge{$i}->close();
	delete $edge{$i};
	Test::Nginx::Peers::idle(0.1);
}

sub logged {
	my ($re) = @_;
	return $g->{t}->read_file('error.log') =~ /\[notice\].*$re/;
}

# how many messages an Edge has accepted

sub got {
	my ($i) = @_;
	return scalar grep { ($_->{answered} || 0) == 200 } $edge{$i}->seen();
}

# sends messages, one after the other; each is accepted by an Edge, once

sub deliver {
	my ($domain, $n) = @_;

	for (1 .. $n) {
		my $body = 'm' . ++$serial;

		$to{$domain}->send($g->message($body, to => "r\@$domain",
			id => $body));
		ok_once($body) or return;
	}

	return 1;
}

sub ok_once {
	my ($body) = @_;

	my $found = sub {
		return scalar grep { $_->body() eq $body
			&& ($_->{answered} || 0) == 200 }
			map { $_->seen() } values %edge;
	};

	Test::Nginx::Peers::wait_until($found);
	is($found->(), 1, "$body is accepted once") unless $found->() == 1;
	return $found->() == 1;
}

# sends messages until an Edge accepts one; how many were sent

sub until_got {
	my ($i) = @_;
	my $had = got($i);

	for my $n (1 .. 200) {
		deliver('two.test', 1);
		return $n if got($i) > $had;
		Test::Nginx::Peers::idle(0.05);
	}

	die "nothing reaches $i\n";
}

###############################################################################
