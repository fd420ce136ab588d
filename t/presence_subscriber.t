#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for presence, RFC 8048, 5.2: a user of XMPP watches a user of SIP, the
# gateway is the subscriber (PA).

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
	->has_daemon('openssl')->plan(103);

my $g = Test::Nginx::Gateway->new($t, zone => '4m', federation => <<'EOF');
        notify_timeout 2s;
        transaction_timeout 3s;
        trying_timeout 500ms;
        confirm_timeout 2s;
        resubscribe_delay 500ms 1s;
EOF

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();
my $serial = 0;

my $OPEN = [{ id => 'ID-a', basic => 'open' }];
my $TWO = [{ id => 'ID-a', basic => 'open' }, { id => 'ID-b', basic => 'open' }];

# asks: the SUBSCRIBE

case('PA-01: subscribe is SUBSCRIBE', sub {
	my ($u, $r, $p) = pair(answer => 0);
	ask($u, $r, 'subscribe', id => 'sub1');

	my $d = $p->subscription();
	my $m = $d->request();

	is($m->method(), 'SUBSCRIBE', 'method');
	is($m->uri(), "sip:$r", 'request uri');
	is($m->header('To'), "<sip:$r>", 'To');
	like($m->header('From'), qr/^<sip:\Q$u\E>;tag=\w{8,}$/, 'From');
	is($m->header('Event'), 'presence', 'Event');
	is($m->header('Accept'), 'application/pidf+xml', 'Accept');
	is($m->header('Expires'), 3600, 'Expires');
	is($m->header('Max-Forwards'), 70, 'Max-Forwards'); # ARC-16
	is($m->header('Content-Length'), 0, 'Content-Length');
	like($m->header('Contact'), qr/^<sip:[^>]+>/, 'Contact');
	unlike($m->header('Contact'), qr/127\.0\.0\.1|localhost/,
		'Contact is globally routable');
	unlike($m->call_id(), qr/[\@.]/, 'Call-ID'); # ST-13
	is($m->header($_), undef, "no $_")
		for qw/Subscription-State Route Record-Route/;
	ok($p->none(0.1), 'only one');
	ok($hub->quiet(to => $u), 'nothing to XMPP yet');
});

case('PA-02, PA-47: full JIDs become bare ones', sub {
	my ($u, $r, $p) = pair(notify => 'active', document => $OPEN);
	ask("$u/res", "$r/dev", 'subscribe');

	my $m = $p->subscription()->request();
	is($m->uri(), "sip:$r", 'request uri');
	like($m->header('From'), qr/^<sip:\Q$u\E>;tag=/, 'From');
	is($hub->told($u), "subscribed $r", 'answered to the bare JID');
	is($hub->told($u), "available $r/a", 'presence to the bare JID');
	is(() = $x->presences(to => "$u/res"), 0, 'none to the full one');
});

case('PA-03: subscribe again while it is pending', sub {
	my ($u, $r, $p) = pair(notify => 'pending');
	ask($u, $r, 'subscribe') for 1 .. 5;
	$p->subscription();
	ask($u, $r, 'subscribe');
	$hub->settle_sip($xmpp);
	ok($p->none(0.2), 'one dialog');
	ok($hub->quiet(to => $u), 'nothing to XMPP');
});

case('PA-03: subscribe again before the answer', sub {
	my ($u, $r, $p) = pair(answer => 0);
	ask($u, $r, 'subscribe') for 1 .. 5;
	my $d = $p->subscription();
	ok($p->none(0.2), 'one SUBSCRIBE');
	$d->reply(200, 'Expires: 3600');
	is($d->notified('active')->code(), 200, 'dialog');
	is($hub->told($u), "subscribed $r", 'subscribed');
	ok($hub->quiet(to => $u, type => 'subscribed'), 'once');
});

case('PA-04: subscribe when it is granted', sub {
	my ($u, $r, $p, $d) = granted($TWO);
	my $start = Test::Nginx::Peers::now();
	ask($u, $r, 'subscribe', id => 'again');
	is($hub->told($u), "subscribed $r", 'subscribed');
	is(join(' ', map { $hub->told($u) } 1 .. 2),
		"available $r/a available $r/b", 'presence');
	cmp_ok(Test::Nginx::Peers::now() - $start, '<', 2, 'at once');
	$hub->settle_sip($xmpp);
	ok($p->none(0) && $d->none(0.1), 'no SUBSCRIBE');
});

for my $code (200, 202) {
	case("PA-05: $code is not a grant", sub {
		my ($u, $r, $p) = pair(answer => $code);
		ask($u, $r, 'subscribe');
		my $d = $p->subscription();
		ok($hub->quiet(to => $u, for => 0.3), 'nothing to XMPP');
		is($d->notified('active', $OPEN)->code(), 200, 'NOTIFY');
		is($hub->told($u), "subscribed $r", 'subscribed');
		is($hub->told($u), "available $r/a", 'presence');
	});
}

case('PA-06: NOTIFY before the 200', sub {
	my ($u, $r, $p) = pair(answer => 0);
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	is($d->notified('active', $OPEN)->code(), 200, 'NOTIFY');
	is($hub->told($u), "subscribed $r", 'subscribed');
	is($hub->told($u), "available $r/a", 'presence');
	$d->reply(200, 'Expires: 3600');
	is($d->notified('active', $TWO)->code(), 200, 'NOTIFY after it');
	is(appeared($u), "available $r/b", 'presence after it');
	ask($u, $r, 'unsubscribe');
	is($d->next()->header('Expires'), 0, 'dialog');
});

case('PA-06: NOTIFY before the 200, on another connection', sub {
	my ($u, $r, $p) = pair(answer => 0);
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	my $q = $d->notify('pending', undef, conn => $hub->connect());
	is($d->response($q)->code(), 200, 'NOTIFY');
	$d->reply(200, 'Expires: 3600');
	ok($hub->quiet(to => $u), 'pending');
	is($d->notified('active')->code(), 200, 'NOTIFY active');
	is($hub->told($u), "subscribed $r", 'subscribed');
});

case('PA-07: pending', sub {
	my ($u, $r, $p) = pair();
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	is($d->notified('pending')->code(), 200, 'NOTIFY');
	is($d->notified('pending', $OPEN)->code(), 200, 'NOTIFY with presence');
	ok($hub->quiet(to => $u, for => 0.2), 'nothing to XMPP');
});

case('PA-08: active', sub {
	my ($u, $r, $p, $d) = granted($TWO);
	is($d->notified('active', [{ id => 'ID-a', basic => 'closed' },
		{ id => 'ID-b', basic => 'open', show => 'away' }])->code(), 200,
		'second NOTIFY');
	is(told_all($u, 2), "available $r/b away, unavailable $r/a",
		'presence');
	ok($hub->quiet(to => $u), 'no second subscribed');
	is(() = $x->presences(to => $u, type => 'subscribed'), 1, 'once');
});

case('PA-09: active without a document', sub {
	my ($u, $r, $p) = pair();
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	is($d->notified('active')->code(), 200, 'NOTIFY');
	is($hub->told($u), "subscribed $r", 'subscribed');
	ok($hub->quiet(to => $u, type => 'available', for => 0.3),
		'no available presence');
});

case('PA-10, SD-02: routes and target of the NOTIFY', sub {
	my ($u, $r, $p) = pair(answer => 0);
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	my @route = ('<sip:p1.s.test;lr>', '<sip:p2.s.test;lr;x=y>');
	$d->{record_route} = \@route;
	$d->reply(200, 'Expires: 3600', 'Contact: <sip:wrong@s.test>',
		'Record-Route: <sip:wrong.s.test;lr>');
	is($d->notified('active')->code(), 200, 'NOTIFY');
	is($hub->told($u), "subscribed $r", 'subscribed');
	ask($u, $r, 'unsubscribe');
	my $m = $d->next();
	is($m->uri(), $d->{contact}, 'target');
	is(join(', ', $m->list('Route')), join(', ', @route),
		'routes, as of a request: RFC 3261, 12.1.1');
});

case('NOTIFYs without a Contact', sub {
	my ($u, $r, $p) = pair();
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	$d->{contact} = "sip:$r";
	is($d->notified('active', $OPEN, Contact => undef)->code(), 200,
		'first');
	is($hub->told($u), "subscribed $r", 'subscribed');
	is($hub->told($u), "available $r/a", 'presence');
	$d->{contact} = 'sip:elsewhere@s.test';
	is($d->notified('active', $TWO)->code(), 200, 'with one');
	is(appeared($u), "available $r/b", 'presence');
	is($d->notified('active', $OPEN, Contact => undef)->code(), 200,
		'without one again');
	is($hub->told($u), "unavailable $r/b", 'presence');
	ask($u, $r, 'unsubscribe');
	is($d->next()->uri(), 'sip:elsewhere@s.test', 'target');
});

case('PA-11: NOTIFY of a fork', sub {
	my ($u, $r, $p, $d) = granted($OPEN);
	is($d->notified('active', $TWO, tag => 'fork')->code(), 481, 'other tag');
	ok($hub->quiet(to => $u), 'nothing to XMPP');
	is($d->notified('active', $TWO)->code(), 200, 'the first one');
	is(appeared($u), "available $r/b", 'presence');
});

case('PA-11: NOTIFYs of a fork before the 200', sub {
	my ($u, $r, $p) = pair(answer => 0, check => 0);
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	is($d->notified('active', $OPEN, tag => 'other')->code(), 200, 'first');
	is($d->notified('active', $TWO)->code(), 481, 'second');
	is($hub->told($u), "subscribed $r", 'subscribed');
	is($hub->told($u), "available $r/a", 'of the first');
	ok($hub->quiet(to => $u), 'not of the second');
});

# answers that refuse

for my $code (403, 489, 603) {
	case("PA-12: SUBSCRIBE is answered $code", sub {
		my ($u, $r, $p) = pair(answer => $code);
		ask($u, $r, 'subscribe');
		is($hub->told($u), "unsubscribed $r", 'unsubscribed');
		ok($hub->quiet(to => $u, for => 0.2), 'no error');
		$p->subscription();
		ok($p->none(0), 'not again');
		$p->set(answer => 0);
		ask($u, $r, 'subscribe');
		ok($p->subscription(), 'another request is another try');
	});
}

for (['404', 'item-not-found', 'cancel'], ['401', 'not-authorized', 'auth'],
	['407', 'registration-required', 'auth'],
	['480', 'recipient-unavailable', 'wait'],
	['500', 'internal-server-error', 'cancel'],
	['302', 'redirect', 'modify'], ['604', 'item-not-found', 'cancel'])
{
	my ($code, $condition, $type) = @$_;

	case("PA-13: SUBSCRIBE is answered $code", sub {
		my ($u, $r, $p) = pair(answer => $code == 302
			? [302, 'Contact: <sip:q@s.test>'] : $code);
		ask($u, $r, 'subscribe', id => "e$code");
		my $e = $x->presence(undef, to => $u);
		is(line($e), "error $r $condition", 'error'); # ERR-01, ERR-27
		is($e->error_type(), $type, 'type');
		is($e->attr('id'), "e$code", 'id');
		ok($hub->quiet(to => $u), 'nothing else');
	});
}

case('PA-14: 423', sub {
	my $n = 0;
	my ($u, $r, $p) = pair(answer => sub {
		return $n++ ? 200 : [423, 'Min-Expires: 7200'] }, expires => 9999);
	ask($u, $r, 'subscribe');
	is($p->subscription()->request()->header('Expires'), 3600, 'first');
	my $d = $p->subscription();
	is($d->request()->header('Expires'), 7200, 'second');
	ok($hub->quiet(to => $u), 'nothing to XMPP');
	is($d->notified('active')->code(), 200, 'NOTIFY');
	is($hub->told($u), "subscribed $r", 'subscribed');
});

for (['again and again', 'Min-Expires: 7200', 2],
	['without Min-Expires', 'X-Nothing: 1', 1],
	['with a huge one', 'Min-Expires: 4294967295', 1],
	['with a wrong one', 'Min-Expires: 99999999999999999999', 1],
	['with less than was asked', 'Min-Expires: 60', '1 or 2'])
{
	my ($name, $header, $n) = @$_;

	case("PA-14, SEC-36: 423 $name", sub {
		my ($u, $r, $p) = pair(answer => [423, $header]);
		ask($u, $r, 'subscribe');
		is($hub->told($u), "error $r resource-constraint", 'error');
		ok($hub->quiet(to => $u), 'nothing else');
		like($n, qr/\b@{[scalar(() = $p->subscriptions())]}\b/,
			'SUBSCRIBEs');
	});
}

case('PA-15: no NOTIFY', sub {
	my ($u, $r, $p) = pair();
	ask($u, $r, 'subscribe', id => 'n1');
	my $d = $p->subscription();
	my $e = $x->presence(undef, to => $u);
	is(line($e), "error $r remote-server-timeout", 'error');
	is($d->notified('active', $OPEN)->code(), 481, 'NOTIFY is too late');
	ok($hub->quiet(to => $u), 'nothing else to XMPP');
});

case('PA-13, ERR-23: no answer at all', sub {
	my ($u, $r, $p) = pair(answer => 0);
	ask($u, $r, 'subscribe', id => 'n2');
	$p->subscription();
	is($hub->told($u), "error $r remote-server-timeout", 'error');
});

# refreshes that fail; all of them at once, as each takes a second

my @dead = (404, 405, 410, 416, 480, 482, 483, 484, 485, 501, 604);
my %dead;

for my $code (@dead) {
	$dead{$code} = [eval { granted($OPEN, expires => 2,
		refresh => $code) }];
	last unless @{$dead{$code}};
	$dead{$code}[2]->set(expires => 3600);
}

for my $code (@dead) {
	case("PA-18: a refresh is answered $code", sub {
		my ($u, $r, $p, $d) = @{$dead{$code} || []};
		ok($d, 'granted') or return;
		is($d->next()->header('Expires'), 3600, 'refresh');
		is($hub->told($u), "unavailable $r/a", 'unavailable'); # PS20
		my $n = $p->subscription();
		isnt($n->request()->call_id(), $d->request()->call_id(),
			'new Call-ID');
		isnt($n->request()->from_tag(), $d->request()->from_tag(),
			'new tag');
		is($hub->told($u), "available $r/a", 'available again');
		is($d->notified('active', $TWO)->code(), 481, 'dialog is dead');
		ok($hub->quiet(to => $u, type => qr/subscribed/),
			'the grant is kept');
	});
}

for my $code (403, 489, 603) {
	$dead{$code} = [eval { granted($TWO, expires => 2, refresh => sub {
		return $_[0]->header('Expires') ? $code : 200 }) }];
	last unless @{$dead{$code}};
}

for my $code (403, 489, 603) {
	case("PA-19: a refresh is answered $code", sub {
		my ($u, $r, $p, $d) = @{$dead{$code} || []};
		ok($d, 'granted') or return;
		$d->next();
		is(told_all($u, 2), "unavailable $r/a, unavailable $r/b",
			'unavailable'); # PA-45
		is($hub->told($u), "unsubscribed $r", 'unsubscribed');

		if ($code != 489) {
			is($d->next()->header('Expires'), 0, 'the end of it');
		}

		ok($p->none(1.2), 'not again');
		ok($hub->quiet(to => $u), 'nothing else');
	});
}

case('PA-20, SD-08: a refresh is answered 481', sub {
	my ($u, $r, $p, $d) = granted($OPEN, expires => 2, refresh => 481);
	my $m = $d->next();
	my $n = $p->subscription(1);
	isnt($n->request()->call_id(), $m->call_id(), 'new Call-ID');
	isnt($n->request()->from_tag(), $m->from_tag(), 'new tag');
	is($n->request()->header('Expires'), 3600, 'Expires');
	ok($hub->quiet(to => $u, type => qr/un|error|subscribed/),
		'nothing to XMPP');
});

# sessions

for (['a probe', 'probe', ''], ['presence', 'available', '/res']) {
	my ($name, $type, $resource) = @$_;

	case("PA-22: $name begins a session", sub {
		my ($u, $r, $p, $d) = idle_pair();
		ask($u . $resource, $r, $type);
		is($p->subscription()->request()->header('Expires'), 3600,
			'SUBSCRIBE');
		ok($hub->quiet(to => $u, type => qr/subscribed/),
			'the grant is kept');
	});
}

# the end that the user of XMPP makes

case('PA-26, PA-29: unsubscribe', sub {
	my ($u, $r, $p, $d) = granted($TWO, refresh => 0);
	ask($u, $r, 'unsubscribe');
	my $m = $d->next();
	is($m->header('Expires'), 0, 'Expires');
	is($m->header('Event'), 'presence', 'Event');
	ok($hub->quiet(to => $u, type => qr/un/), 'nothing before the answer');
	$d->reply(200, 'Expires: 0');
	is(told_all($u, 2), "unavailable $r/a, unavailable $r/b", 'unavailable');
	is($hub->told($u), "unsubscribed $r", 'unsubscribed');
	is($d->notified('terminated;reason=timeout', $OPEN)->code(), 200,
		'final NOTIFY');
	ok($hub->quiet(to => $u), 'its document is not shown');
	ok($d->none(0) && $p->none(0), 'nothing to SIP');
	is((grep { $_->call_id() eq $m->call_id() } $hub->stray()), 0,
		'no NOTIFY of the gateway');
});

for my $code (200, 481, 500) {
	case("PA-26: unsubscribe is answered $code", sub {
		my ($u, $r, $p, $d) = granted($OPEN, refresh => $code);
		ask($u, $r, 'unsubscribe');
		is($d->next()->header('Expires'), 0, 'SUBSCRIBE');
		is($hub->told($u), "unavailable $r/a", 'unavailable');
		is($hub->told($u), "unsubscribed $r", 'unsubscribed');
		ok($p->none(0.7) && $d->none(0), 'no retry');
	});
}

case('PA-26: unsubscribe, the NOTIFY is ahead of the answer', sub {
	my ($u, $r, $p, $d) = granted($TWO, refresh => 0);
	ask($u, $r, 'unsubscribe');
	is($d->next()->header('Expires'), 0, 'SUBSCRIBE');
	is($d->notified('terminated;reason=timeout', $OPEN)->code(), 200,
		'final NOTIFY');
	$d->reply(200, 'Expires: 0');
	is(told_all($u, 2), "unavailable $r/a, unavailable $r/b", 'unavailable');
	is($hub->told($u), "unsubscribed $r", 'unsubscribed');
	ok($hub->quiet(to => $u), 'once');
	ok($d->none(0) && $p->none(0), 'nothing to SIP');
});

case('PA-26: unsubscribe, pending', sub {
	my ($u, $r, $p) = pair(notify => 'pending');
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	is($d->notified('pending')->code(), 200, 'pending');
	ask($u, $r, 'unsubscribe');
	is($d->next()->header('Expires'), 0, 'SUBSCRIBE');
	is($hub->told($u), "unsubscribed $r", 'unsubscribed alone');
});

case('PA-26: unsubscribe, then subscribe', sub {
	my ($u, $r, $p, $d) = granted($OPEN);
	ask($u, $r, $_) for qw/unsubscribe subscribe/;
	is($d->next()->header('Expires'), 0, 'the end of the first dialog');
	isnt($p->subscription()->request()->call_id(), $d->request()->call_id(),
		'another one');
	ok(Test::Nginx::Peers::wait_until(sub {
		2 == grep { $_->attr('type') eq 'subscribed' }
			$x->presences(to => $u, type => qr/subscribed/) }),
		'another grant');
	$hub->settle();
	is(line(($x->presences(to => $u, type => qr/subscribed/))[-1]),
		"subscribed $r", 'not cancelled by the end of the first');
});

case('PA-27: unsubscribe before the NOTIFY', sub {
	my ($u, $r, $p) = pair();
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	ask($u, $r, 'unsubscribe');
	is($hub->told($u), "unsubscribed $r", 'unsubscribed at once');
	is($d->notified('active', $OPEN)->code(), 200, 'NOTIFY');
	is($d->next()->header('Expires'), 0, 'SUBSCRIBE');
	ok($hub->quiet(to => $u), 'nothing is shown');
});

case('PA-28: unsubscribe of nothing', sub {
	my ($u, $r, $p) = pair();
	ask($u, $r, 'unsubscribe');
	is($hub->told($u), "unsubscribed $r", 'unsubscribed');
	$hub->settle_sip($xmpp);
	ok($p->none(0.1), 'SIP is silent');
});

# the end that the presentity makes

case('PA-31: terminated, deactivated', sub {
	my ($u, $r, $p, $d) = granted($OPEN);
	is($d->notified('terminated;reason=deactivated')->code(), 200, 'NOTIFY');
	my $n = $p->subscription(1);
	isnt($n->request()->call_id(), $d->request()->call_id(), 'new dialog');
	ok($hub->quiet(to => $u, type => qr/un|subscribed/), 'no flicker');
});

for my $reason ('probation;retry-after=1', 'giveup;retry-after=1',
	'xyz;retry-after=1')
{
	case("PA-32, PA-35, PA-38: terminated, $reason", sub {
		my ($u, $r, $p, $d) = granted($OPEN);
		my $start = Test::Nginx::Peers::now();
		is($d->notified("terminated;reason=$reason;expires=500")
			->code(), 200, 'NOTIFY');
		is($hub->told($u), "unavailable $r/a", 'unavailable');
		$p->subscription();
		cmp_ok(Test::Nginx::Peers::now() - $start, '>', 0.95,
			'after retry-after');
		ok($hub->quiet(to => $u, type => qr/subscribed/),
			'the grant is kept');
	});
}

case('PA-35: terminated, giveup while it is pending', sub {
	my ($u, $r, $p) = pair();
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	is($d->notified('pending')->code(), 200, 'pending');
	is($d->notified('terminated;reason=giveup;retry-after=1')->code(), 200,
		'giveup');
	ok($hub->quiet(to => $u, type => qr/subscribed/), 'it stays pending');
	my $n = $p->subscription();
	is($n->notified('active')->code(), 200, 'active');
	is(line($x->presence(undef, to => $u, type => qr/subscribed/)),
		"subscribed $r", 'subscribed');
});

case('PA-33: terminated, timeout', sub {
	my ($u, $r, $p, $d) = granted($OPEN);
	ask("$u/res", $r); # he is online
	$hub->settle_sip($xmpp);
	is($d->notified('terminated;reason=timeout')->code(), 200, 'NOTIFY');
	isnt($p->subscription()->request()->call_id(), $d->request()->call_id(),
		'new dialog');
	ok($hub->quiet(to => $u, type => qr/subscribed/), 'the grant is kept');
});

case('PA-34: terminated, rejected', sub {
	my ($u, $r, $p, $d) = granted($TWO);
	is($d->notified('terminated;reason=rejected')->code(), 200, 'NOTIFY');
	is(told_all($u, 2), "unavailable $r/a, unavailable $r/b", 'unavailable');
	is($hub->told($u), "unsubscribed $r", 'unsubscribed');
	ok($p->none(1.2), 'no retry');
	ok($hub->quiet(to => $u), 'nothing else');
});

case('PA-34: terminated, rejected while it is pending', sub {
	my ($u, $r, $p) = pair(notify => 'pending');
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	is($d->notified('terminated;reason=rejected')->code(), 200, 'NOTIFY');
	is($hub->told($u), "unsubscribed $r", 'unsubscribed alone');
	ok($p->none(1.2), 'no retry');
	ok($hub->quiet(to => $u), 'nothing else');
});

case('PA-34: terminated, rejected, as the first NOTIFY', sub {
	my ($u, $r, $p) = pair();
	ask($u, $r, 'subscribe');
	is($p->subscription()->notified('terminated;reason=rejected')->code(),
		200, 'NOTIFY');
	is($hub->told($u), "unsubscribed $r", 'unsubscribed alone');
});

case('PA-36: terminated, invariant', sub {
	my ($u, $r, $p, $d) = granted($OPEN);
	is($d->notified('terminated;reason=invariant')->code(), 200, 'NOTIFY');
	ok($p->none(1.2), 'no retry');
	ok($hub->quiet(to => $u), 'nothing to XMPP');
});

case('PA-37: terminated, noresource', sub {
	my ($u, $r, $p, $d) = granted($OPEN);
	is($d->notified('terminated;reason=noresource')->code(), 200, 'NOTIFY');
	is($hub->told($u), "unavailable $r/a", 'unavailable');
	is($hub->told($u), "unsubscribed $r", 'unsubscribed');
	ok($p->none(1.2), 'no retry');
});

for my $state ('terminated', 'terminated;expires=500', 'terminated;reason=xyz')
{
	case("PA-38: $state", sub {
		my ($u, $r, $p, $d) = granted($OPEN);
		is($d->notified($state)->code(), 200, 'NOTIFY');
		is($hub->told($u), "unavailable $r/a", 'unavailable'); # PA-45
		ok($p->subscription(), 'new dialog');
		ok($hub->quiet(to => $u, type => qr/subscribed/),
			'the grant is kept');
	});
}

# NOTIFYs that are wrong

case('PA-39: NOTIFY of no dialog', sub {
	my ($u, $r, $p, $d) = granted($OPEN);
	is($d->notified('active', $TWO, call_id => 'none')->code(), 481,
		'Call-ID');
	is($d->notified('active', $TWO, to => "<sip:$u>;tag=none")->code(), 481,
		'our tag');
	is($d->notified('active', $TWO, to => "<sip:$u>")->code(), 481,
		'without our tag');
	is($d->notified('active', $TWO, tag => 'none')->code(), 481,
		'their tag');
	like($d->notified('active', $TWO, event => 'presence;id=1')->code(),
		qr/^48[19]$/, 'id'); # SE-03
	ok($hub->quiet(to => $u), 'nothing to XMPP');
	is($d->notified('active', $TWO)->code(), 200, 'the dialog goes on');
	is(appeared($u), "available $r/b", 'presence');
});

case('PA-40: NOTIFY without what it must have', sub {
	my ($u, $r, $p, $d) = granted($OPEN);
	is($d->notified(undef, $TWO)->code(), 400, 'Subscription-State');
	my $res = $d->notified('active', $TWO, event => 'dialog');
	is($res->code(), 489, 'other event');
	is($res->header('Allow-Events'), 'presence', 'Allow-Events'); # SE-01
	is($d->notified('active', $TWO, event => undef)->code(), 489,
		'no event');
	is($d->notified('active', $TWO, event => 'presence.winfo')->code(), 489,
		'template');
	ok($hub->quiet(to => $u), 'nothing to XMPP');
	is($d->notified('active', $TWO)->code(), 200, 'the dialog goes on');
});

case('PA-41, SD-06: order of NOTIFYs', sub {
	my ($u, $r, $p, $d) = granted($OPEN);
	my $n = $d->{cseq};
	is($d->notified('active', $TWO, cseq => $n + 8)->code(), 200, 'gap');
	is(appeared($u), "available $r/b", 'presence');
	is($d->notified('active', $OPEN, cseq => $n + 7)->code(), 500, 'lower');
	is($d->notified('active', $OPEN, cseq => $n + 8)->code(), 500, 'equal');
	ok($hub->quiet(to => $u), 'nothing to XMPP');
	is($d->notified('active', $OPEN, cseq => $n + 12)->code(), 200, 'higher');
	is(line($x->presence(undef, to => $u, type => 'unavailable')),
		"unavailable $r/b", 'presence, higher');
});

for my $type ('text/plain', 'application/xpidf+xml',
	'multipart/related;type="application/rlmi+xml";boundary=b',
	'application/pidf-diff+xml')
{
	case("PA-42: NOTIFY with $type", sub {
		my ($u, $r, $p, $d) = granted($OPEN);
		my $res = $d->notified('active', '<presence/>',
			content_type => $type);
		is($res->code(), 415, 'response');
		is($res->header('Accept'), 'application/pidf+xml', 'Accept');
		ok($hub->quiet(to => $u), 'nothing to XMPP');
		is($d->notified('active', $TWO)->code(), 200, 'dialog goes on');
		is(appeared($u), "available $r/b", 'presence');
	});
}

for (['malformed', '<presence'], ['blank', '  '],
	['other root', '<a xmlns="urn:ietf:params:xml:ns:pidf"/>'],
	['other namespace', '<presence entity="pres:r@s.test"/>'],
	['DTD', '<!DOCTYPE presence [<!ENTITY a "b">]>' . pidf('pres:r@s.test',
		[], decl => '')],
	['entity', pidf('pres:r@s.test', [{ id => 'a', basic => 'open',
		xml => '<x xmlns="a:b">&a;</x>' }])],
	['control character', pidf('pres:r@s.test', [], note => "\x01")],
	['wrong UTF-8', pidf('pres:r@s.test', [], note => "\xff\xfe")])
{
	my ($name, $doc) = @$_;

	case("PA-43, SEC-12: document, $name", sub {
		my ($u, $r, $p, $d) = granted($OPEN);
		(my $bytes = $doc) =~ s/r\@s\.test/$r/g;
		is($d->notified('active', $bytes)->code(), 400, 'response');
		ok($hub->quiet(to => $u), 'nothing to XMPP');
		is($d->notified('active', $TWO)->code(), 200, 'dialog goes on');
		is(appeared($u), "available $r/b", 'presence');
	});
}

case('PA-44: NOTIFY does not wait for XMPP', sub {
	my ($u, $r, $p, $d) = granted($OPEN);
	$_->stall(1) for $x->conns();
	my $start = Test::Nginx::Peers::now();
	my $code = eval { $d->notified('active', $TWO)->code() };
	my $time = Test::Nginx::Peers::now() - $start;
	$_->stall(0) for $x->conns();
	is($code, 200, 'response');
	cmp_ok($time, '<', 2, 'at once');
	is(appeared($u), "available $r/b", 'presence follows');
});

# the other direction, and errors

case('PA-46: presence bounces', sub {
	my ($u, $r, $p, $d) = idle_pair();
	ok($p->none(0.7), 'no retry');
	ok($hub->quiet(to => $u, type => qr/subscribed|error/),
		'the grant is kept'); # ARC-13
	ask($u, $r, 'probe');
	ok($p->subscription(), 'a probe begins it again');
});

for my $condition (qw/gone item-not-found/) {
	case("PA-46: presence bounces with $condition", sub {
		my ($u, $r, $p, $d) = granted($OPEN);
		is($d->notified('active', $TWO)->code(), 200, 'NOTIFY');
		$x->bounce(need($x->presence(undef, to => $u)), $condition);
		is($d->next()->header('Expires'), 0, 'no more presence');
		$p->set(notify => 'pending', document => undef);
		ask($u, $r, 'subscribe');
		ok($p->subscription(), 'the grant is cleared');
		is(() = $x->presences(to => $u, type => 'subscribed'), 1,
			'not granted again');
	});
}

case('PA-48: text of the request', sub {
	my ($u, $r, $p) = pair();
	ask($u, $r, 'subscribe', status => 'please-let-me',
		xml => "<nick xmlns='http://jabber.org/protocol/nick'>nicky"
		. '</nick>');
	unlike($p->subscription()->request()->raw(), qr/please|nicky/,
		'is not carried');
});

case('PA-49: unsubscribed is of the other direction', sub {
	my ($u, $r, $p, $d) = granted($OPEN);
	ask($u, $r, 'unsubscribed');
	ask($u, $r, 'subscribed');
	$hub->settle_sip($xmpp);
	ok($d->none(0) && $p->none(0.1), 'SIP is silent');
	is($d->notified('active', $TWO)->code(), 200, 'dialog goes on');
	is(appeared($u), "available $r/b", 'presence');
});

for my $expires ('4294967295', '2147483648', '99999999999', '4294967296') {
	case("PA-50, SEC-36: Expires $expires", sub {
		my ($u, $r, $p) = pair(answer => [200, "Expires: $expires"]);
		ask($u, $r, 'subscribe');
		my $d = $p->subscription();
		like($d->notified("active;expires=$expires", $OPEN)->code(),
			qr/^(?:200|400)$/, 'NOTIFY');
		ok($d->none(0.3) && $p->none(0), 'no refresh');
		is($d->notified('active;expires=3600', $TWO)->code(), 200,
			'dialog');
		is($hub->told($u), "subscribed $r", 'subscribed');
	});
}

case('PA-51: the domain itself', sub {
	for my $type (qw/subscribe probe/) {
		ask('dom@x.test', 's.test', $type);
		is($hub->told('dom@x.test'), 'unsubscribed s.test', $type);
	}

	ask('dom@x.test', 's.test', $_) for undef, 'unavailable', 'subscribed',
		'unsubscribed', 'error';
	$hub->settle_sip($xmpp);
	is((grep { $_->method() eq 'SUBSCRIBE' && $_->raw() =~ /dom\@x/ }
		$s->seen()), 0, 'SIP is silent');
	ok($hub->quiet(to => 'dom@x.test'), 'no other answer');
});

# at any time

is((grep { $_->code() == 202 && ($_->header('CSeq') // '') =~ /NOTIFY/ }
	responses()), 0, 'PB-08: no 202');
is((grep { $_->code() == 408 } responses()), 0, 'ERR-15: no 408');
is($hub->wrong(), '', 'dialogs are as they should be');

undef $xmpp;

###############################################################################

# two users that nobody has spoken of yet

sub pair {
	my (%a) = @_;
	my ($u, $r) = ("u$serial\@x.test", "r$serial\@s.test");
	$serial++;
	return ($u, $r, $hub->presentity($r, %a));
}

# the same, with the presence of R already shown to U, and its dialog

sub granted {
	my ($doc, %a) = @_;

	my ($u, $r, $p) = pair(%a);

	$p->set(notify => 'active', document => $doc);
	ask($u, $r, 'subscribe');

	my $d = $p->subscription();
	my $line = $hub->told($u);

	die "not granted, but: $line\n" if $line ne "subscribed $r";

	for my $tuple (@$doc) {
		$line = $hub->told($u);
		die "not available, but: $line\n" if $line
			!~ /^available \Q$r\E/;
	}

	return ($u, $r, $p, $d);
}

# the same, but U refused the presence, so there is no dialog any more

sub idle_pair {
	my ($u, $r, $p, $d) = granted($OPEN);

	$d->notified('active', $TWO);
	$x->bounce(need($x->presence(undef, to => $u)), 'service-unavailable');

	is($d->next()->header('Expires'), 0, 'no more presence');

	return ($u, $r, $p, $d);
}

# a presence of the user of XMPP

sub ask {
	my ($u, $r, $type, %a) = @_;
	$xmpp->send_presence(from => $u, to => $r, type => $type, %a);
}

# the presence of a resource that was not there; what says again that others
# are is passed over

sub appeared {
	my ($u) = @_;
	return line($x->presence(undef, to => $u, from => qr!/b$!));
}

# the next ones, in any order

sub told_all {
	my ($u, $n) = @_;
	return join(', ', sort map { $hub->told($u) } 1 .. $n);
}

sub need {
	my ($e) = @_;
	return $e || die "no stanza came\n";
}

sub responses {
	return grep { $_->is_response() } map { @{$_->{messages} || []} }
		$s->conns(), $hub->{conn} || ();
}

###############################################################################
