#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for probes and for polls, RFC 8048, 7 (PP).

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
	->has_daemon('openssl')->plan(22);

my $g = Test::Nginx::Gateway->new($t, zone => '4m', federation => <<'EOF');
        notify_interval 20ms;
        poll_wait 1s;
        resubscribe_delay 500ms 1s;
EOF

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();
my $serial = 0;

# a user of XMPP probes

for my $from ('', '/res') {
	case('PP-01, PP-04: probe from a ' . ($from ? 'full' : 'bare')
		. ' JID, two resources', sub
	{
		my ($u, $r, $p, $d) = granted();
		$d->notified('active', [{ id => 'ID-a', basic => 'open' },
			{ id => 'ID-b', basic => 'open', show => 'away' }]);
		$hub->told($u) for 1 .. 2;
		ask("$u$from", $r, 'probe', id => 'p1');
		my @e = map { need($x->presence(undef, to => qr/^\Q$u\E/)) }
			1 .. 2;
		is(join(' ', sort map { line($_) } @e),
			"available $r/a available $r/b away", 'presence');
		isnt($_->attr('id') // '', 'p1', 'id is not mirrored') for @e;
		$hub->settle_sip($xmpp);
		ok($d->none(0) && $p->none(0.1), 'SIP is silent');
		ok($hub->quiet(to => $u), 'nothing else');
	});
}

case('PP-01: probe, nothing is open', sub {
	my ($u, $r, $p, $d) = granted();
	$d->notified('active', [{ id => 'ID-a', basic => 'open' }]);
	$hub->told($u);
	$d->notified('active', [{ id => 'ID-a', basic => 'closed' }]);
	$hub->told($u);
	ask($u, $r, 'probe', id => 'p2');
	my $e = need($x->presence(undef, to => $u));
	is(line($e), "unavailable $r", 'unavailable, bare');
	is($e->attr('id'), 'p2', 'id is mirrored');
	like(($e->child('delay', 'urn:xmpp:delay')
		|| Test::Nginx::XML->parse('<x/>'))->attr('stamp') // '',
		qr/^\d{4}-\d\d-\d\dT[\d:.]+Z$/, 'delay');
});

case('PP-02: probe, there is no dialog', sub {
	my ($u, $r, $p, $d) = refused();
	is($d->notified('terminated;reason=timeout')->code(), 200, 'final NOTIFY');
	ask($u, $r, 'probe');
	my $n = $p->subscription();
	is($n->request()->header('Expires'), 3600, 'SUBSCRIBE');
	isnt($n->request()->call_id(), $d->request()->call_id(), 'new dialog');
	ok($hub->quiet(to => $u), 'nothing before NOTIFY');
	is($n->notified('active', [{ id => 'ID-c', basic => 'open' }])->code(),
		200, 'NOTIFY');
	is(line($x->presence(undef, to => $u, type => 'available')),
		"available $r/c", 'presence');
	ok($hub->quiet(to => $u, type => 'subscribed'), 'not granted again');
});

case('PP-02: probe while the dialog ends', sub {
	my ($u, $r, $p, $d) = refused(refresh => 0);
	ask($u, $r, 'probe');
	$hub->settle_sip($xmpp);
	$d->reply(200, 'Expires: 0');
	is($d->notified('terminated;reason=timeout')->code(), 200, 'final NOTIFY');
	ok($p->subscription(), 'SUBSCRIBE');
});

case('PP-02, PA-30: probe, nothing is known', sub {
	my ($u, $r, $p) = pair();
	ask($u, $r, 'probe');
	my $d = $p->subscription();
	is($d->request()->header('Expires'), 3600, 'SUBSCRIBE');
	is($d->notified('active', [{ id => 'ID-a', basic => 'open' }])->code(),
		200, 'NOTIFY');
	is(line($x->presence(undef, to => $u, type => 'available')),
		"available $r/a", 'presence');
});

case('PP-02: probes while a SUBSCRIBE is on its way', sub {
	my ($u, $r, $p) = pair(answer => 0);
	ask($u, $r, 'probe') for 1 .. 5;
	$p->subscription();
	$hub->settle_sip($xmpp);
	ok($p->none(0.1), 'one SUBSCRIBE');
});

case('PP-03: an unasked end is no poll', sub {
	my ($u, $r, $p, $d) = granted();
	is($d->notified('terminated;reason=timeout', [{ id => 'ID-p',
		basic => 'open' }])->code(), 200, 'NOTIFY');
	ok($hub->quiet(to => $u, type => qr/subscribed/), 'the grant is kept');
});

case('PP-05: probe of a resource', sub {
	my ($u, $r, $p, $d) = granted();
	$d->notified('active', [{ id => 'ID-a', basic => 'open', show => 'away',
		note => 'secret' }, { id => 'ID-b', basic => 'open' }]);
	$hub->told($u) for 1 .. 2;
	ask($u, "$r/a", 'probe');
	my $e = need($x->presence(undef, to => $u));
	is(line($e), "available $r/a", 'only it, no show');
	is($e->text('status'), undef, 'no status');
	ok($hub->quiet(to => $u), 'nothing else');
});

for my $code (403, 489, 603) {
	case("PP-06, PA-30: probe after $code", sub {
		my ($u, $r, $p) = pair(answer => $code);
		ask($u, $r, 'probe', id => "d$code");
		my $e = need($x->presence(undef, to => $u));
		is(line($e), "unsubscribed $r", 'unsubscribed');
		ask($u, $r, 'probe', id => "e$code");
		$e = need($x->presence(undef, to => $u));
		is(line($e), "unsubscribed $r", 'and again');
		is($e->attr('id'), "e$code", 'id is mirrored');
	});
}

case('PP-07: probe of nobody', sub {
	for my $to ('\20bad@s.test', 'bad\20@s.test') {
		my $n = grep { $_->method() eq 'SUBSCRIBE' } $s->seen();
		ask('nob@x.test', $to, 'probe');
		$hub->settle_sip($xmpp);
		is((grep { $_->method() eq 'SUBSCRIBE' } $s->seen()), $n,
			'SIP is silent');
		like(line($x->presence(0.1, to => 'nob@x.test')),
			qr/^(?:nothing|unsubscribed|error)/, 'answer');
	}
});

case('PP-12: unknown types', sub {
	my ($u, $r, $p) = pair(answer => 0);

	for my $type ('available ', 'invisible', 'Subscribe', '') {
		$xmpp->send("<presence from='$u' to='$r' type='$type' id='t'/>");
		is(line($x->presence(undef, to => $u)),
			"error $r bad-request", "type '$type'");
	}

	$xmpp->send("<presence from='$u' to='$r' type='available' id='t'/>");
	is(line($x->presence(undef, to => $u)), "error $r bad-request",
		'type available');
	ok($p->none(0), 'SIP is silent');
});

# a user of SIP polls

case('PP-08: poll of one who is not known', sub {
	my ($u, $r, $w) = poller();
	my $res = $w->subscribe();
	is($res->code(), 200, 'response');
	is($res->header('Expires'), 0, 'Expires');
	my $n = $w->notify();
	is($n->state(), 'terminated', 'terminated');
	is($n->state_param('reason'), 'timeout', 'reason');
	unlike($n->body(), qr/open/, 'nothing is told');
	ok($hub->quiet(to => $u, type => qr/subscribe/), 'nobody is asked');
	is($w->subscribe(expires => 600)->code(), 481, 'no dialog is left');
});

case('PP-08, SEC-18: poll while it is pending', sub {
	my ($u, $r, $w) = pending();
	ask("$u/a", $r, undef);
	my $w2 = poll($u, $r);
	$w2->subscribe();
	my $n = $w2->notify();
	is($n->state(), 'terminated', 'terminated');
	unlike($n->body(), qr/open/, 'nothing is told');
	ok($hub->quiet(to => $u), 'nobody is asked');
});

case('PP-08: poll, presence is known', sub {
	my ($u, $r, $w) = watched();
	ask("$u/a", $r, undef, show => 'away');
	$w->notify_line('ID-a:open:away');
	my $w2 = poll($u, $r);
	$w2->subscribe();
	is($w2->notify(0.5)->line(), 'terminated timeout ID-a:open:away',
		'the state at once');
	ok($hub->quiet(to => $u), 'XMPP is silent');
	is($w->refresh()->code(), 200, 'the dialog goes on');
});

case('PP-09: poll, the answer to the probe comes soon', sub {
	my ($u, $r, $w) = watched();
	my $w2 = poll($u, $r);
	my $start = Test::Nginx::Peers::now();
	is($w2->subscribe()->code(), 200, 'response');
	ok($x->presence(undef, to => $u, type => 'probe'), 'probe');
	Test::Nginx::Peers::after(0.3, sub { ask("$u/a", $r, undef) });
	is($w2->notify()->line(), 'terminated timeout ID-a:open', 'NOTIFY');
	cmp_ok(Test::Nginx::Peers::now() - $start, '<', 0.95, 'before poll_wait');
	ok($w2->none(0), 'one');
});

case('PP-09: poll, the answer to the probe is late', sub {
	my ($u, $r, $w) = watched();
	my $w2 = poll($u, $r);
	my $start = Test::Nginx::Peers::now();
	$w2->subscribe();
	ok($x->presence(undef, to => $u, type => 'probe'), 'probe');
	my $n = $w2->notify();
	my $time = Test::Nginx::Peers::now() - $start;
	is($n->state(), 'terminated', 'NOTIFY');
	unlike($n->body(), qr/open/, 'neutral');
	cmp_ok($time, '>', 0.9, 'after poll_wait');
	cmp_ok($time, '<', 1.5, 'but not long after');
	ask("$u/a", $r, undef);
	ok($w->notify_line('ID-a:open'), 'the dialog gets it');
	ok($w2->none(0), 'the poll does not');
});

case('PP-10: the probe is answered unsubscribed', sub {
	my ($u, $r, $w) = watched();
	$w->unsubscribe();
	$w->notify(undef, 'terminated');
	my $w2 = poll($u, $r);
	$w2->subscribe();
	ok($x->presence(undef, to => $u, type => 'probe'), 'probe');
	ask($u, $r, 'unsubscribed');
	my $n = $w2->notify();
	is($n->state(), 'terminated', 'NOTIFY');
	unlike($n->body(), qr/open/, 'neutral');
	my $w3 = poll($u, $r);
	$w3->subscribe(expires => 600);
	isnt((eval { $w3->notify(0.5) } || $n)->state(), 'active',
		'the grant is gone');
});

case('PP-11, SEC-25: many polls', sub {
	my ($u, $r, $w) = watched();

	for (1 .. 50) {
		my $w2 = poll($u, $r);
		my $code = $w2->subscribe()->code();
		like($code, qr/^(?:200|500)$/, 'response') if $_ % 10 == 0;
	}

	$hub->settle();
	cmp_ok(scalar(() = $x->presences(to => $u, type => 'probe')), '<=', 10,
		'probes');
});

is($hub->wrong(), '', 'dialogs are as they should be');

undef $xmpp;

###############################################################################

# two users that nobody has spoken of yet, the one of SIP can be watched

sub pair {
	my (%a) = @_;
	my ($u, $r) = ("u$serial\@x.test", "r$serial\@s.test");
	$serial++;
	return ($u, $r, $hub->presentity($r, %a));
}

# he has agreed

sub granted {
	my ($u, $r, $p) = pair(@_);

	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	$d->notified('active');

	my $line = $hub->told($u);
	die "not granted, but: $line\n" if $line ne "subscribed $r";

	return ($u, $r, $p, $d);
}

# he has, but there is no dialog any more

sub refused {
	my ($u, $r, $p, $d) = granted(@_);

	$d->notified('active', [{ id => 'ID-a', basic => 'open' }]);
	$x->bounce(need($x->presence(undef, to => $u)), 'service-unavailable');
	is($d->next()->header('Expires'), 0, 'no dialog');

	return ($u, $r, $p, $d);
}

# the same, the one of SIP watches

sub poller {
	my ($u, $r) = ("v$serial\@x.test", "q$serial\@s.test");
	$serial++;
	return ($u, $r, poll($u, $r));
}

sub poll {
	my ($u, $r) = @_;
	return $hub->watcher($u, from => "sip:$r", expires => 0);
}

sub pending {
	my ($u, $r) = poller();
	my $w = $hub->watcher($u, from => "sip:$r");
	my $code = $w->subscribe()->code();

	die "SUBSCRIBE is answered $code\n" if $code != 200;

	$w->notify(undef, 'pending');
	$x->presence(undef, to => $u, type => 'subscribe');

	return ($u, $r, $w);
}

sub watched {
	my ($u, $r, $w) = pending();

	ask($u, $r, 'subscribed');
	$w->notify(undef, 'active');

	return ($u, $r, $w);
}

sub ask {
	my ($u, $r, $type, %a) = @_;
	$xmpp->send_presence(from => $u, to => $r, type => $type, %a);
}

sub need {
	my ($e) = @_;
	return $e || die "no stanza came\n";
}

###############################################################################
