#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for the times of presence: refresh, expiry, retries, idle users, limits
# of rates.  All of them are set up first, and run at the same time.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Presence;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(21);

my $g = Test::Nginx::Gateway->new($t, zone => '4m', federation => <<'EOF');
        subscription_expires 4s;
        subscription_min 1s;
        subscription_max 10s;
        notify_interval 1s;
        notify_timeout 2s;
        transaction_timeout 1500ms;
        trying_timeout 200ms;
        confirm_timeout 1s;
        presence_idle 3s;
        subscribe_interval 5s;
        denial_time 2s;
        resubscribe_delay 400ms 1600ms;
EOF

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();
my $serial = 0;

my $OPEN = [{ id => 'ID-a', basic => 'open' }];
my $now = \&Test::Nginx::Peers::now;

# a sign of life of these users, as a timer would stop their subscriptions

my %alive;
my $beat;

$beat = sub {
	ask("$_/res", $alive{$_}) for keys %alive;
	Test::Nginx::Peers::after(1, sub { $beat->() if $beat });
};

$beat->();

# cases that take their time, each in its own object

my %c;

$c{refresh} = start_shown();
$c{authoritative} = start_shown(notify => 'active;expires=1');
$c{500} = start_shown(refresh => 500);
$c{mute} = start_shown(refresh => 0);
$c{mute}{p}->set(answer => 0) if $c{mute}{p};
$c{minimum} = start_shown(expires => 2);

case('PA-01: subscription_expires', sub {
	my $d = live($c{refresh}{d});
	is($d->request()->header('Expires'), 4, 'Expires');
});

case('PA-16: refresh', sub {
	my ($c, $d) = ($c{refresh}, live($c{refresh}{d}));
	my $m = $d->next();
	my $time = $m->{time} - $c->{time};
	cmp_ok($time, '>', 1.5, 'not too early');
	cmp_ok($time, '<', 3.5, 'not too late');
	is($m->header('Expires'), 4, 'Expires');
	is($m->cseq(), $d->request()->cseq() + 1, 'CSeq');
	$d->next();
	ok($hub->quiet(to => $c->{u}), 'XMPP is silent');
});

case('PA-17: expires of NOTIFY', sub {
	my ($c, $d) = ($c{authoritative}, live($c{authoritative}{d}));
	my $time = $d->next()->{time} - $c->{time};
	cmp_ok($time, '<', 1.9, 'it is the smaller one');
});

case('PA-21, PA-45: a refresh fails', sub {
	my ($c, $d) = ($c{500}, live($c{500}{d}));
	my $e = need($x->presence(6, to => $c->{u}));
	my $time = $now->() - $c->{time};
	is(line($e), "unavailable $c->{r}/a", 'unavailable');
	cmp_ok($time, '>', 3.5, 'not before the subscription expires');
	my @times = map { $_->{time} } $d->refreshes();
	cmp_ok(scalar @times, '>', 1, 'it was tried again');

	my @gaps = map { $times[$_] - $times[$_ - 1] } 1 .. $#times;
	cmp_ok($gaps[0], '>', 0.3, 'not at once');
	is((grep { $gaps[$_] < $gaps[$_ - 1] * 0.8 } 1 .. $#gaps), 0,
		'later and later');
	$c->{p}->set(refresh => 200);
	isnt($c->{p}->subscription()->request()->call_id(),
		$d->request()->call_id(), 'a new dialog after that');
	ok($hub->quiet(to => $c->{u}, type => qr/subscribed/),
		'the grant is kept');
});

case('PA-21, SD-08: a refresh is not answered', sub {
	my ($c, $d) = ($c{mute}, live($c{mute}{d}));
	my $e = need($x->presence(6, to => $c->{u}));
	is(line($e), "unavailable $c->{r}/a", 'unavailable');
	ok($hub->quiet(to => $c->{u}, type => qr/subscribed/),
		'the grant is kept');
});

case('PA-16: short times', sub {
	my ($c, $d) = ($c{minimum}, live($c{minimum}{d}));
	$d->next() for 1 .. 2;
	ok($hub->quiet(to => $c->{u}), 'XMPP is silent');
});

delete @alive{map { $_->{u} } grep { $_->{u} } values %c};

case('PA-15: no NOTIFY after a refresh', sub {
	my $c = start_shown();
	my $d = live($c->{d});
	$c->{p}->set(notify => undef);
	$d->next();
	my $n = $c->{p}->subscription(6);
	isnt($n->request()->call_id(), $d->request()->call_id(), 'new dialog');
	$n->notified('active', $OPEN);
	is($d->notified('active', $OPEN)->code(), 481, 'the old one is over');
	ok($hub->quiet(to => $c->{u}, type => qr/subscribed/),
		'the grant is kept');
	delete $alive{$c->{u}};
});

case('PA-15, PA-45: no NOTIFY in the new dialog either', sub {
	my $c = start_shown();
	my $d = live($c->{d});
	$c->{p}->set(notify => undef);
	$d->next();
	$c->{p}->subscription(6);
	is(line(need($x->presence(6, to => $c->{u}))), "unavailable $c->{r}/a",
		'unavailable');
	$c->{p}->set(notify => 'active');
	like(line(need($x->presence(6, to => $c->{u}))), qr/^available/,
		'available again');
	ok($hub->quiet(to => $c->{u}, type => qr/subscribed/),
		'the grant is kept');
	delete $alive{$c->{u}};
});

case('PA-24, PA-25: an idle user', sub {
	my $c = start_shown();
	my $d = live($c->{d});
	my ($u, $r, $p) = @$c{qw/u r p/};
	delete $alive{$u};

	my $end = $now->() + 12;
	my $last = $now->();

	while ($now->() < $end) {
		my $m = eval { $d->next(0.5) };
		$last = $now->() if $m && $m->header('Expires');
		last if $m && !$m->header('Expires') || $now->() - $last > 5;
	}

	cmp_ok($now->(), '<', $end, 'refreshes stop');
	@{$p->{queue}} = ();
	ok($p->none(0.5), 'no new dialog');
	ok($hub->quiet(to => $u, type => qr/subscribed/), 'the grant is kept');
	ask($u, $r, 'probe');
	ok($p->subscription(), 'a probe begins it again');
});

case('PA-25: the answer to a probe of the gateway', sub {
	my $c = start_shown();
	my $d = live($c->{d});
	ask($c->{u}, 's.test', 'unsubscribed');
	ask($c->{u}, 's.test', 'error');
	$d->next();
	ok($hub->quiet(to => $c->{u}, type => qr/un|subscribed/),
		'is no cancellation');
	delete $alive{$c->{u}};
});

case('PA-38: retries', sub {
	my $c = start_shown();
	my $d = live($c->{d});
	my ($u, $r, $p) = @$c{qw/u r p/};
	$p->set(answer => 500);
	is($d->notified('terminated')->code(), 200, 'NOTIFY');
	is($hub->told($u), "unavailable $r/a", 'unavailable');
	my @times = map { $p->subscription()->request()->{time} } 1 .. 4;
	my @gaps = map { $times[$_] - $times[$_ - 1] } 1 .. 3;
	cmp_ok($gaps[0], '>', 0.3, 'first');
	cmp_ok($gaps[2], '>', $gaps[0] * 1.3, 'later and later');
	cmp_ok($gaps[2], '<', 2.6, 'not over the maximum');
	ok($hub->quiet(to => $u, type => qr/subscribed|error/), 'XMPP is silent');
	$p->set(answer => 200);
	ok($hub->told($u) =~ /^available/, 'available again');
	delete $alive{$u};
});

# the gateway is the notifier

case('PB-20: expiry', sub {
	my ($u, $r, $w, $time) = watched(expires => 3);
	my $n = $w->notify(undef, 'terminated');
	is($n->state_param('reason'), 'timeout', 'reason');
	cmp_ok($n->time() - $time, '>', 2.8, 'not before');
	cmp_ok($n->time() - $time, '<', 4.5, 'not long after');
	is($hub->told($u), "unavailable $r", 'unavailable');
	ok($w->none(0.2), 'only one');
	is($w->refresh()->code(), 481, 'the dialog is over');
	ok($hub->quiet(to => $u), 'no unsubscribe');
});

case('PB-24: expiry while it is pending', sub {
	my ($u, $r, $w) = pending(expires => 1);
	is($w->notify(undef, 'terminated')->line(), 'terminated timeout',
		'terminated');
	ask($u, $r, 'subscribed');
	$hub->settle_sip($xmpp);
	ok($w->none(0.1), 'no NOTIFY');
	my $w2 = $hub->watcher($u, from => "sip:$r", expires => 9);
	$w2->subscribe();
	is($w2->notify()->state(), 'active', 'active at once');
});

case('PB-18, PB-20: refreshed in time', sub {
	my ($u, $r, $w) = watched(expires => 4);
	$w->refresh();
	Test::Nginx::Peers::after(2, sub { $w->send_subscribe() });
	my $until = $now->() + 4.3;
	Test::Nginx::Peers::wait_until(sub { $now->() > $until }, 5);
	is((grep { $_->state() eq 'terminated' } $w->notifies()), 0,
		'it does not end');
});

case('PB-03, PB-04: bounds', sub {
	my ($u, $r, $w) = pair(expires => 60);
	is($w->subscribe()->header('Expires'), 10, 'maximum');
});

case('PB-26: expires', sub {
	my ($u, $r, $w) = watched(expires => 9);
	my @seen;

	for my $i (1 .. 3) {
		say_presence("$u/a", $r, status => $i);
		my $n = $w->notify();
		push @seen, $n->state_param('expires');
	}

	is(join(' ', @seen), join(' ', sort { $b <=> $a } @seen),
		'never increases');
	cmp_ok($seen[-1], '<', $seen[0], 'decreases');
});

case('PB-27: bursts', sub {
	my ($u, $r, $w) = watched();
	Test::Nginx::Peers::wait_until(sub {
		$now->() - ($w->notifies())[-1]->time() > 1.1 }, 3);
	my $start = $now->();
	my $before = () = $w->notifies();
	say_presence("$u/a", $r, status => "s$_") for 1 .. 20;
	my $n = $w->notify();
	cmp_ok($n->time() - $start, '<', 0.9, 'the first one at once');
	$n = $w->notify();
	is($n->document()->tuple_of('ID-a')->{notes}[0][1], 's20',
		'the second one is the last state');
	cmp_ok($n->time() - $start, '>', 0.9, 'after the interval');
	ok($w->none(1.2), 'two NOTIFYs');
	is(() = $w->notifies(), $before + 2, 'in all');
	say_presence("$u/a", $r, status => 'x');
	$w->notify();
	say_presence("$u/a", $r, status => 'y');
	$hub->settle_sip($xmpp);
	$start = $now->();
	$w->refresh();
	$n = $w->notify();
	cmp_ok($n->time() - $start, '<', 0.9, 'refresh is exempt');
	is($n->document()->tuple_of('ID-a')->{notes}[0][1], 'y',
		'and has the last state');
});

case('PB-25: subscribe_interval', sub {
	my ($u, $r, $w) = pending(expires => 9);
	my $w2 = $hub->watcher($u, from => "sip:$r", expires => 9);
	$w2->subscribe();
	ok($hub->quiet(to => $u), 'not at once');
	Test::Nginx::Peers::wait_until(sub {
		$now->() - $w->{granted_at} > 5.2 }, 7);
	my $w3 = $hub->watcher($u, from => "sip:$r", expires => 9);
	$w3->subscribe();
	is($hub->told($u), "subscribe $r", 'after the interval');
});

case('PB-14, PB-39: denial_time', sub {
	my ($u, $r, $w) = pending();
	my $start = $now->();
	ask($u, $r, 'unsubscribed');
	$w->notify(undef, 'terminated');
	is($hub->watcher($u, from => "sip:$r", expires => 9)->subscribe()->code(),
		403, 'hold-off');
	ok($hub->quiet(to => $u), 'XMPP is silent');
	Test::Nginx::Peers::wait_until(sub { $now->() - $start > 2.2 }, 4);
	my $w2 = $hub->watcher($u, from => "sip:$r", expires => 9);
	is($w2->subscribe()->code(), 200, 'after that');
	is($w2->notify()->line(), 'pending', 'pending');
	is($hub->told($u), "subscribe $r", 'he is asked again');
});

is($hub->wrong(), '', 'dialogs are as they should be');
is((grep { $_->is_response() && $_->code() == 408 }
	map { @{$_->{messages} || []} } $s->conns(), $hub->{conn} || ()), 0,
	'ERR-15: no 408');

undef $beat;
undef $xmpp;

###############################################################################

sub names {
	my ($letter) = @_;
	my $n = $serial++;
	return ("$letter$n\@x.test", "r$n\@s.test");
}

# a user of XMPP watches, and his presence is shown to him

sub start_shown {
	my (%a) = @_;

	my ($u, $r) = names('u');
	my $p = $hub->presentity($r, notify => 'active', document => $OPEN, %a);
	my $c = { u => $u, r => $r, p => $p };

	ask($u, $r, 'subscribe');

	$c->{d} = eval { $p->subscription() } or return $c;
	$c->{time} = $now->();
	$alive{$u} = $r;

	for my $want ("subscribed $r", "available $r/a") {
		return { error => "$want did not come" }
			if $hub->told($u) ne $want;
	}

	return $c;
}

sub live {
	my ($d) = @_;
	return $d || die "it was not granted\n";
}

# a user of SIP watches

sub pair {
	my ($u, $r) = names('v');
	return ($u, $r, $hub->watcher($u, from => "sip:$r", expires => 9, @_));
}

sub pending {
	my ($u, $r, $w) = pair(@_);

	my $code = $w->subscribe()->code();
	die "SUBSCRIBE is answered $code\n" if $code != 200;

	my $time = $w->{granted_at} = $now->();
	$w->notify(undef, 'pending');

	my $line = $hub->told($u);
	die "not asked, but: $line\n" if $line ne "subscribe $r";

	return ($u, $r, $w, $time);
}

sub watched {
	my ($u, $r, $w, $time) = pending(@_);

	ask($u, $r, 'subscribed');
	$w->notify(undef, 'active');

	return ($u, $r, $w, $time);
}

sub ask {
	my ($u, $r, $type, %a) = @_;
	$xmpp->send_presence(from => $u, to => $r, type => $type, %a);
}

sub say_presence {
	my ($u, $r, %a) = @_;
	ask($u, $r, undef, %a);
}

sub need {
	my ($e) = @_;
	return $e || die "no stanza came\n";
}

###############################################################################
