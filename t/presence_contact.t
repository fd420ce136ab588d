#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of "contact_expires": a SIP user who does not subscribe any longer gives
# up whom he may see, for each dialect, over a restart, and not ahead of time.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::Gateway;
use Test::Nginx::Presence;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(13);
my $d = $t->testdir();

my $times = 'subscription_min 1s; notify_interval 50ms; poll_wait 200ms;';
my $state = "state $d/state interval=50ms;";

my $g = Test::Nginx::Gateway->new($t, zone => '4m', federation =>
	"sip_domain o.test home server=127.0.0.1:%%PORT_8061%% name=s.test "
	. "dialect=ocs; $state $times contact_expires 4s;");

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $hub = Test::Nginx::Presence->new($g);
my $serial = 0;
my (%xmpp, %c);

streams();

# those that take their time begin at once

for my $domain (qw/ s.test o.test /) {
	$c{$domain} = gone($domain);
	$c{"online $domain"} = gone($domain, online => 1);
	$c{"late $domain"} = late($domain);
	$c{"live $domain"} = granted($domain);
}

for my $domain (qw/ s.test o.test /) {
	case("$domain: nobody subscribes any longer", sub {
		my $c = live($c{$domain});
		my $e = need($x->presence(15, to => $c->{u},
			type => 'unsubscribe'));
		is($e->attr('from'), $c->{r}, 'unsubscribe, bare to bare');
		cmp_ok(now() - $c->{time}, '>', 3.9, 'not ahead of time');
		ok($hub->quiet(to => $c->{u}), 'once, and nothing else');

		# as if he had never been there

		my $w = watcher($c->{u}, $c->{r});
		$w->subscribe();
		is($hub->told($c->{u}), "subscribe $c->{r}", 'asked anew');
	});

	case("$domain: approved when he had gone", sub {
		my $c = live($c{"late $domain"});
		my $e = need($x->presence(15, to => $c->{u},
			type => 'unsubscribe'));
		is($e->attr('from'), $c->{r}, 'unsubscribe');
	});

	case("$domain: while the other direction goes on", sub {
		my $c = live($c{"online $domain"});
		ok($x->presence(15, to => $c->{u}, type => 'unsubscribe'),
			'unsubscribe');
		is((grep { ($_->attr('type') // '') eq 'unavailable' }
			$x->presences(to => $c->{u})), 0,
			'he is still seen to be online');
		is($c->{d}->notified('active', doc($c->{r}, 'away'))->code(),
			200, 'NOTIFY');
		is($hub->told($c->{u}), "available $c->{r}/a away",
			'presence');
	});

	case("$domain: one who has a dialog", sub {
		my $c = live($c{"live $domain"});
		is($x->presence(0, to => $c->{u}, type => 'unsubscribe'),
			undef, 'none');
		ask($c->{u}, $c->{r}, undef, show => 'dnd');
		is($c->{w}->notify_line(qr/open/)->state(), 'active',
			'presence');
	});
}

# every SUBSCRIBE counts, and what is over meanwhile does not

case('a restart', sub {
	my $c = gone('o.test');
	my $other = granted('o.test', accept => 'text/xml+msrtc.pidf');
	is($other->{w}->refresh()->code(), 200, 'a dialog of one format');
	$other->{w}->notify_line('msrtc:300:400');
	$hub->settle();
	restart();
	ok($x->presence(undef, to => $other->{u}, type => 'probe'), 'probe');
	ask($other->{u}, $other->{r}, undef, show => 'away');
	$other->{w}->notify_line('msrtc:300:100');
	my $e = $x->presence(15, to => $c->{u}, type => 'unsubscribe');
	ok($e, 'unsubscribe');
	cmp_ok(now() - $c->{time}, '>', 3.9, 'not ahead of time');
	$hub->forgive();
});

case('a poll, another dialog', sub {
	my ($polled, $back) = (gone('o.test'), gone('s.test'));

	for (1 .. 3) {
		wait_until(now() + 1.2);
		my $poll = watcher($polled->{u}, $polled->{r}, expires => 0);
		$poll->subscribe();
		$poll->notify(undef, 'terminated');
		my $w = watcher($back->{u}, $back->{r});
		$w->subscribe();
		$w->notify();
		$w->unsubscribe();
	}

	is($x->presence(0, to => $_->{u}, type => 'unsubscribe'), undef,
		"none for $_->{u}") for $polled, $back;
	ok($x->presence(15, to => $_->{u}, type => 'unsubscribe'),
		"then for $_->{u}") for $polled, $back;
});

case('off', sub {
	$g->write(federation => "sip_domain o.test home "
		. 'server=127.0.0.1:%%PORT_8061%% name=s.test dialect=ocs; '
		. "$state $times contact_expires 0;");
	my $old = $xmpp{'s.test'};
	$t->reload();
	ok($old->stream_closed(10), 'reload');
	streams();

	my $c = gone('s.test');
	wait_until(now() + 6);
	is($x->presence(0, to => $c->{u}, type => 'unsubscribe'), undef,
		'none');
});

# dialogs of its users end, whatever it spoke; there are no alerts

case('a domain that is gone', sub {
	my $c = granted('o.test', expires => 3);
	my $p = $hub->presentity('w@o.test', notify => 'active', expires => 3,
		document => doc('w@o.test'));
	ask('w@x.test', 'w@o.test', 'subscribe');
	$p->subscription();
	is($hub->told('w@x.test'), 'subscribed w@o.test', 'watched');

	my $until = now() + 4;
	$g->write(federation => "default deny; $state $times");
	my $old = $xmpp{'s.test'};
	$t->reload();
	ok($old->stream_closed(10), 'reload');
	%xmpp = ('s.test' => $g->xmpp());
	wait_until($until);
	granted('s.test');
	pass('the others go on');
});

is($hub->wrong(), '', 'dialogs are as they should be');

# sessions end ahead of nginx

undef $_ for $hub, $x, $s, $g, $t;
undef %xmpp;
undef %c;

###############################################################################

sub watcher {
	my ($u, $r, %a) = @_;
	return $hub->watcher($u, from => "sip:$r", ocs => scalar($r =~ /\@o/),
		%a);
}

# a SIP user of that domain who may see a user of XMPP

sub granted {
	my ($domain, %a) = @_;
	my ($u, $r) = ("u$serial\@x.test", "r$serial\@$domain");
	$serial++;

	my $c = { u => $u, r => $r };

	if ($a{online}) {
		my $p = $hub->presentity($r, notify => 'active',
			document => doc($r));
		ask($u, $r, 'subscribe');
		$c->{d} = $p->subscription();
		die 'not subscribed' if $hub->told($u) ne "subscribed $r";
		die 'not available' if $hub->told($u) ne "available $r/a";
	}

	my $w = $c->{w} = watcher($u, $r, %a);
	$w->subscribe();
	$w->notify();
	die "not asked\n" if $hub->told($u) ne "subscribe $r";
	ask($u, $r, 'subscribed');
	ask($u, $r, undef);
	$w->notify_line(qr/open|300/);

	return $c;
}

# the same, who has logged off since

sub gone {
	my ($domain, %a) = @_;
	my $c = granted($domain, %a);

	$c->{w}->unsubscribe();
	$c->{w}->notify(undef, 'terminated');
	$c->{time} = now();
	die "not offline\n" if !$a{online}
		&& $hub->told($c->{u}) ne "unavailable $c->{r}";

	return $c;
}

# approved after that

sub late {
	my ($domain) = @_;
	my ($u, $r) = ("u$serial\@x.test", "r$serial\@$domain");
	$serial++;

	my $w = watcher($u, $r);
	$w->subscribe();
	$w->notify();
	die "not asked\n" if $hub->told($u) ne "subscribe $r";
	$w->unsubscribe();
	$w->notify(undef, 'terminated');
	ask($u, $r, 'subscribed');

	return { u => $u, r => $r };
}

sub live {
	my ($c) = @_;
	return $c || die "was not set up\n";
}

sub doc {
	my ($r, $show) = @_;
	return pidf("pres:$r", [{ id => 'ID-a', basic => 'open',
		defined $show ? (show => $show) : () }]);
}

# a stream for each of the domains

sub streams {
	%xmpp = map { $_ => $g->xmpp(to => $_) } qw/ s.test o.test /;
}

sub ask {
	my ($u, $r, $type, %a) = @_;
	my ($domain) = $r =~ /\@(.*)/;
	$xmpp{$domain}->send_presence(from => defined $type ? $u : "$u/a",
		to => $r, type => $type, %a);
}

# stopped, and started again

sub restart {
	Test::Nginx::Peers::stop($t);
	$t->run();
	streams();
}

sub now { return Test::Nginx::Peers::now(); }

sub wait_until {
	my ($end) = @_;
	Test::Nginx::Peers::wait_until(sub { return now() > $end },
		$end - now() + 1);
}

sub need {
	my ($e) = @_;
	return $e || die "no stanza came\n";
}

###############################################################################
