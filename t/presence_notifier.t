#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for presence, RFC 8048, 5.3: a user of SIP watches a user of XMPP, the
# gateway is the notifier (PB).

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
	->has_daemon('openssl')->plan(91);

my $g = Test::Nginx::Gateway->new($t, zone => '4m', federation => <<'EOF');
        xmpp_domain mute.test server=127.0.0.1:%%PORT_8067%%;
        notify_interval 20ms;
        transaction_timeout 3s;
        trying_timeout 500ms;
        confirm_timeout 2s;
EOF

$g->{ca}->issue('other', cn => 'other.test', dns => 'other.test',
	uri => 'sip:other.test');

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();
my $serial = 0;

# the first SUBSCRIBE

case('PB-01: SUBSCRIBE asks the user of XMPP', sub {
	my ($u, $r, $w) = pair(from => 'sip:%;gr=dev');
	my $res = $w->subscribe();
	my $time = Test::Nginx::Peers::now();
	is($res->code(), 200, 'response');
	is($res->header('Expires'), 600, 'Expires');
	like($res->to_tag(), qr/^\w{8,}$/, 'To tag');
	like($res->header('Contact'), qr/^<sip:[^>]+>/, 'Contact');
	unlike($res->header('Contact'), qr/127\.0\.0\.1|localhost/,
		'Contact is globally routable'); # PB-33
	my $n = $w->notify();
	cmp_ok($n->time() - $time, '<', 2, 'NOTIFY at once');
	is($n->line(), 'pending', 'pending');
	like($n->state_param('expires'), qr/^(?:600|599)$/, 'expires');
	is($n->body(), '', 'no presence');
	my $e = need($x->presence(undef, to => $u));
	is(line($e), "subscribe $r", 'subscribe, bare to bare');
	is($e->text('status'), undef, 'no text'); # SEC-25
	ok($w->none(0.1) && $hub->quiet(to => $u), 'once');
});

case('PB-02: no Expires', sub {
	my ($u, $r, $w) = pair(expires => undef);
	is($w->subscribe()->header('Expires'), 3600, 'Expires');
	like($w->notify()->state_param('expires'), qr/^(?:3600|3599)$/,
		'expires');
});

case('PB-03: long Expires', sub {
	my ($u, $r, $w) = pair(expires => 100000);
	is($w->subscribe()->header('Expires'), 86400, 'Expires');
});

for my $expires ('4294967295', '4294967296', '99999999999999999999') {
	case("PB-03, SEC-36: Expires $expires", sub {
		my ($u, $r, $w) = pair(expires => $expires);
		my $res = $w->subscribe();
		like($res->code(), qr/^(?:200|400)$/, 'response');
		like($res->header('Expires') // 'none',
			qr/^(?:86400|3600|none)$/, 'Expires');
	});
}

case('PB-04: short Expires', sub {
	my ($u, $r, $w) = pair(expires => 5);
	my $res = $w->subscribe();
	is($res->code(), 423, 'response');
	is($res->header('Min-Expires'), 60, 'Min-Expires'); # ERR-18
	ok($hub->quiet(to => $u), 'XMPP is silent');
	is($w->subscribe(expires => 60)->code(), 200, 'the least');
});

for (['none', undef], ['foo', 'foo'], ['presence.winfo', 'presence.winfo'],
	['of other letters', 'Presence'])
{
	my ($name, $event) = @$_;

	case("PB-05, SE-03: Event, $name", sub {
		my ($u, $r, $w) = pair(event => $event);
		my $res = $w->subscribe();
		is($res->code(), 489, 'response');
		is($res->header('Allow-Events'), 'presence', 'Allow-Events');
		ok($hub->quiet(to => $u), 'XMPP is silent');
	});
}

case('PB-05: two Events', sub {
	my ($u, $r, $w) = pair();
	is($w->subscribe(Event => ['presence', 'presence'])->code(), 400,
		'two headers');
	is($w->subscribe(event => 'presence, foo')->code(), 400, 'two types');
	ok($hub->quiet(to => $u), 'XMPP is silent');
});

for (['text/plain', 406], ['*/*', 200], ['application/*', 200],
	['application/xpidf+xml, application/pidf+xml;q=0.5', 200],
	[undef, 200], ['application/PIDF+xml', 200])
{
	my ($accept, $code) = @$_;

	case('PB-06: Accept ' . ($accept // 'none'), sub {
		my ($u, $r, $w) = pair(accept => $accept);
		is($w->subscribe()->code(), $code, 'response');
	});
}

case('PB-07: watchers of others', sub {
	my $c = $hub->connect($g->{ca}->ssl('other'), host => 'other.test');

	for my $from ('sip:r@other.test', 'sip:r@s.test', 'sip:v@x.test',
		'sip:anonymous@anonymous.invalid')
	{
		my ($u, $r, $w) = pair(from => $from, conn => $c);
		is($w->subscribe()->code(), 403, $from);
		ok($hub->quiet(to => $u), 'XMPP is silent');
	}

	my ($u, $r, $w) = pair(from => 'sip:v@x.test');
	is($w->subscribe()->code(), 403, 'SIP server of another domain'); # ARC-09
});

case('PB-09: Contact', sub {
	my ($u, $r, $w) = pair();
	is($w->subscribe(Contact => undef)->code(), 400, 'none');
	is($w->subscribe(Contact => '<mailto:a@s.test>')->code(), 400, 'mailto');
	is($w->subscribe(Contact => '*')->code(), 400, 'star');
	ok($hub->quiet(to => $u), 'XMPP is silent');
});

# what a watcher may see, and when

case('PB-10, SEC-18: nothing while it is pending', sub {
	my ($u, $r, $w) = granted();
	say_presence("$u/a", $r);
	$w->notify_line('ID-a:open');

	my ($r2, $w2) = another($u);
	is($w2->subscribe()->code(), 200, 'SUBSCRIBE');
	my $n = $w2->notify();
	is($n->line(), 'pending', 'pending');
	is($n->body(), '', 'no body');
	say_presence("$u/a", $r2, show => 'away');
	$hub->settle_sip($xmpp);
	ok($w2->none(0.2), 'presence is not told');
	$w2->refresh();
	is($w2->notify()->body(), '', 'nor at a refresh');
});

case('PB-11: another dialog of one who may see', sub {
	my ($u, $r, $w) = granted();
	say_presence("$u/a", $r);
	$w->notify_line('ID-a:open');

	my $w2 = $hub->watcher($u, from => "sip:$r");
	is($w2->subscribe()->code(), 200, 'SUBSCRIBE');
	is($w2->notify()->line(), 'active ID-a:open', 'active at once');
	ok($hub->quiet(to => $u), 'XMPP is silent');
});

case('PB-11: the same, and presence is not known', sub {
	my ($u, $r, $w) = granted();
	my $w2 = $hub->watcher($u, from => "sip:$r");
	is($w2->subscribe()->code(), 200, 'SUBSCRIBE');
	is($w2->notify()->state(), 'active', 'active at once');
	ok($x->presence(undef, to => $u, type => 'probe'), 'probe');
	ok($hub->quiet(to => $u), 'no subscribe');
	say_presence("$u/a", $r);
	ok($w2->notify_line('ID-a:open'), 'update');
});

case('PB-12: subscribed', sub {
	my ($u, $r, $w) = pending();
	my $w2 = $hub->watcher($u, from => "sip:$r");
	is($w2->subscribe()->code(), 200, 'second dialog');
	is($w2->notify()->line(), 'pending', 'second dialog is pending');
	my $start = Test::Nginx::Peers::now();
	ask($u, $r, 'subscribed');
	is($w->notify()->state(), 'active', 'first is active');
	is($w2->notify()->state(), 'active', 'second is active');
	cmp_ok(Test::Nginx::Peers::now() - $start, '<', 1.5, 'within 1 s');
});

case('PB-12: subscribed, then presence', sub {
	my ($u, $r, $w) = pending();
	$xmpp->send(presence($u, $r, 'subscribed') . presence("$u/a", $r));
	is($w->notify()->state(), 'active', 'active');
	ok(scalar(grep { $_->line() eq 'active ID-a:open' } $w->notifies())
		|| $w->notify_line('ID-a:open'), 'with the presence');
});

case('PB-13: presence on each dialog', sub {
	my ($u, $r, $w) = granted();
	my $w2 = $hub->watcher($u, from => "sip:$r");
	$w2->subscribe();
	$w2->notify();
	say_presence("$u/a", $r, show => 'away');
	is($_->notify_line('ID-a:open:away')->state(), 'active', 'dialog')
		for $w, $w2;
});

case('PB-14, PB-39: unsubscribed while it is pending', sub {
	my ($u, $r, $w) = pending();
	ask($u, $r, 'unsubscribed');
	my $n = $w->notify();
	is($n->line(), 'terminated rejected', 'terminated');
	is($n->body(), '', 'empty');
	is($w->refresh()->code(), 481, 'the dialog is over');
	my $w2 = $hub->watcher($u, from => "sip:$r");
	is($w2->subscribe()->code(), 403, 'hold-off');
	ok($hub->quiet(to => $u), 'XMPP is silent');
	ok($w2->none(0), 'no NOTIFY');
});

case('PB-15: unavailable and unsubscribed after the grant', sub {
	my ($u, $r, $w) = granted();
	say_presence("$u/a", $r);
	$w->notify_line('ID-a:open');
	$xmpp->send(presence("$u/a", $r, 'unavailable')
		. presence($u, $r, 'unsubscribed'));
	my $n = $w->notify(undef, 'terminated');
	is($n->state_param('reason'), 'rejected', 'reason');
	is((grep { $_->document() } $w->notifies())[-1]->document()->line(),
		'ID-a:closed', 'closed');
	is($w->refresh()->code(), 481, 'the dialog is over');
});

case('PB-15: unsubscribed alone', sub {
	my ($u, $r, $w) = granted();
	say_presence("$u/a", $r);
	$w->notify_line('ID-a:open');
	ask($u, $r, 'unsubscribed');
	is($w->notify(undef, 'terminated')->state_param('reason'), 'rejected',
		'terminated');
	my $w2 = $hub->watcher($u, from => "sip:$r");
	isnt($w2->subscribe()->code(), 489, 'SUBSCRIBE later');
	is((grep { $_->state() eq 'active' } $w2->notifies()), 0,
		'the grant is gone');
});

case('PB-16: unavailable is no answer', sub {
	my ($u, $r, $w) = pending();
	ask($u, $r, 'unavailable');
	$hub->settle_sip($xmpp);
	ok($w->none(0.2), 'SIP is silent');
	ask($u, $r, 'subscribed');
	is($w->notify()->state(), 'active', 'still pending until the answer');
});

for (['resource-constraint', 'wait', 'probation'],
	['remote-server-not-found', 'cancel', 'probation'],
	['remote-server-timeout', 'wait', 'probation'],
	['forbidden', 'auth', 'rejected'],
	['not-authorized', 'auth', 'rejected'],
	['not-allowed', 'cancel', 'rejected'],
	['item-not-found', 'cancel', 'noresource'],
	['service-unavailable', 'cancel', 'noresource'],
	['gone', 'cancel', 'noresource'])
{
	my ($condition, $type, $reason) = @$_;

	case("PB-17: the request bounces with $condition", sub {
		my ($u, $r, $w) = pair();
		$w->subscribe();
		$x->bounce(need($x->presence(undef, to => $u)),
			[$type, $condition]);
		my $n = $w->notify(undef, 'terminated');
		is($n->line(), "terminated $reason", 'terminated');
		like($n->state_param('retry-after'), qr/^\d+$/, 'retry-after')
			if $reason eq 'probation';
		ok($hub->quiet(to => $u), 'no answer'); # ARC-13
	});
}

# refresh and the end

case('PB-18, PB-26: refresh', sub {
	my ($u, $r, $w) = granted();
	say_presence("$u/$_", $r) for qw/a b/;
	1 while $w->notify()->line() ne 'active ID-a:open ID-b:open';
	my $res = $w->refresh();
	is($res->code(), 200, 'response');
	is($res->header('Expires'), 600, 'Expires');
	is($w->notify()->line(), 'active ID-a:open ID-b:open', 'full state');
	is($w->refresh(expires => undef)->header('Expires'), 3600,
		'no Expires');
	is($w->notify()->line(), 'active ID-a:open ID-b:open', 'NOTIFY again');
	ok($hub->quiet(to => $u), 'XMPP is silent');
});

case('PB-18: refresh, nothing is known', sub {
	my ($u, $r, $w) = granted();
	$w->refresh();
	my $n = $w->notify();
	is($n->state(), 'active', 'active');
	is($n->body(), '', 'empty');
});

case('PB-18: refresh while it is pending', sub {
	my ($u, $r, $w) = pending();
	is($w->refresh()->code(), 200, 'response');
	is($w->notify()->line(), 'pending', 'pending');
	ok($hub->quiet(to => $u), 'XMPP is silent'); # PB-25
});

case('PB-19: Expires 0', sub {
	my ($u, $r, $w) = granted();
	say_presence("$u/a", $r);
	$w->notify_line('ID-a:open');
	my $res = $w->unsubscribe();
	is($res->code(), 200, 'response');
	is($res->header('Expires'), 0, 'Expires');
	is($w->notify()->line(), 'terminated timeout ID-a:closed', 'terminated');
	is($hub->told($u), "unavailable $r", 'unavailable');
	ok($hub->quiet(to => $u), 'no unsubscribe');
	is($w->refresh(expires => 600)->code(), 481, 'the dialog is over');
	ok($w->none(0.1), 'no more NOTIFYs');
});

case('PB-19: Expires 0 while it is pending', sub {
	my ($u, $r, $w) = pending();
	is($w->unsubscribe()->code(), 200, 'response');
	my $n = $w->notify();
	is($n->state(), 'terminated', 'terminated');
	is($n->state_param('reason'), 'timeout', 'reason');
	unlike($n->body(), qr/open/, 'nothing is told');
	ok($hub->quiet(to => $u, type => qr/subscribe/), 'no unsubscribe');
});

case('PB-21: one of two dialogs ends', sub {
	my ($u, $r, $w) = granted();
	my $w2 = $hub->watcher($u, from => "sip:$r");
	$w2->subscribe();
	$w->unsubscribe();
	$w->notify(undef, 'terminated');
	ok($hub->quiet(to => $u), 'XMPP is silent');
	say_presence("$u/a", $r);
	ok($w2->notify_line('ID-a:open'), 'the other one goes on');
	$w2->unsubscribe();
	is($hub->told($u), "unavailable $r", 'both ended');
});

case('PB-22: the end of a dialog, the users watch each other', sub {
	my ($u, $r, $w) = granted();
	my $p = $hub->presentity($r, notify => 'active',
		document => [{ id => 'ID-z', basic => 'open' }]);
	ask($u, $r, 'subscribe');
	is($hub->told($u), "subscribed $r", 'other direction');
	is($hub->told($u), "available $r/z", 'other direction, presence');
	$w->unsubscribe();
	$w->notify(undef, 'terminated');
	ok($hub->quiet(to => $u, for => 0.2), 'no unavailable');
});

case('PB-23, ARC-18, SEC-04: three dialogs, one request', sub {
	my ($u, $r, $w) = pair();
	my @w = ($w, map { $hub->watcher($u, from => "sip:$r") } 1 .. 2);
	$_->send_subscribe() for @w;
	is($_->response()->code(), 200, 'SUBSCRIBE') for @w;
	is($_->notify()->line(), 'pending', 'pending') for @w;
	is(line($x->presence(undef, to => $u)), "subscribe $r", 'subscribe');
	ok($hub->quiet(to => $u), 'only one');
	ask($u, $r, 'subscribed');
	is($_->notify()->state(), 'active', 'active') for @w;
	say_presence("$u/a", $r);
	ok($_->notify_line('ID-a:open'), 'presence') for @w;
	ok($_->none(0), 'one NOTIFY each') for @w;
});

case('PB-24: the answer comes when nobody is there', sub {
	my ($u, $r, $w) = pending();
	$w->unsubscribe();
	$w->notify(undef, 'terminated');
	ask($u, $r, 'subscribed');
	$hub->settle_sip($xmpp);
	ok($w->none(0.1), 'no NOTIFY');
	my $w2 = $hub->watcher($u, from => "sip:$r");
	$w2->subscribe();
	is($w2->notify()->state(), 'active', 'active at once');
});

case('PB-25, SEC-25: many SUBSCRIBEs, one request', sub {
	my ($u, $r, $w) = pending();

	for (1 .. 20) {
		my $w2 = $hub->watcher($u, from => "sip:$r");
		$w2->subscribe();
		$w2->notify(undef, 'pending');
		$w2->unsubscribe();
		$w2->notify(undef, 'terminated');
	}

	is(() = $x->presences(to => $u, type => 'subscribe'), 1, 'subscribe');
});

# NOTIFYs and their answers

case('PB-28: one NOTIFY at a time', sub {
	my ($u, $r, $w) = granted();
	$w->set(answer => 0);
	say_presence("$u/a", $r);
	my $n = $w->notify();
	say_presence("$u/a", $r, show => $_) for qw/away dnd/;
	$hub->settle_sip($xmpp);
	ok($w->none(0.2), 'the next one waits');
	$w->reply($n, 200);
	$n = $w->notify();
	is($n->line(), 'active ID-a:open:dnd', 'the last state');
	$w->reply($n, 200);
});

for my $code (404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604) {
	case("PB-29: NOTIFY is answered $code", sub {
		my ($u, $r, $w) = granted();
		$w->set(answer => $code);
		say_presence("$u/a", $r);
		$w->notify();
		is($hub->told($u), "unavailable $r", 'unavailable');
		is($w->refresh()->code(), 481, 'the dialog is over');
		ok($w->none(0), 'no other NOTIFY');
		ok($hub->quiet(to => $u), 'no unsubscribe');
	});
}

case('PB-30: NOTIFY is not answered', sub {
	my ($u, $r, $w) = granted();
	$w->set(answer => 0);
	say_presence("$u/a", $r);
	$w->notify();
	is($hub->told($u), "unavailable $r", 'unavailable');
	is($w->refresh()->code(), 481, 'the dialog is over');
});

for my $code (400, 403, 500, 503) {
	case("PB-31: NOTIFY is answered $code", sub {
		my ($u, $r, $w) = granted();
		$w->set(answer => $code);
		say_presence("$u/a", $r);
		$w->notify();
		ok($w->none(0.2), 'not at once again');
		$w->set(answer => 200);
		say_presence("$u/a", $r, show => 'away');
		is($w->notify()->line(), 'active ID-a:open:away',
			'the next change');
		is($w->refresh()->code(), 200, 'dialog');
	});
}

case('PB-31: NOTIFYs fail again and again', sub {
	my ($u, $r, $w) = granted();
	$w->set(answer => 500);

	for my $i (1 .. 20) {
		say_presence("$u/a", $r, status => $i);
		last unless eval { $w->notify(3) };
	}

	is(line($x->presence(undef, to => $u)), "unavailable $r", 'unavailable');
	is($w->refresh()->code(), 481, 'the dialog is over');
});

case('PB-32, SD-01: NOTIFY', sub {
	my @route = ('<sip:p1.s.test;lr;x=y>', '<sip:p2.s.test:5062;lr>');
	my ($u, $r, $w) = pair(event => 'presence;id=7',
		record_route => \@route, contact => 'sip:%;gr=q:7;x=%41');
	my $res = $w->subscribe(from => "\"R, r\" <$w->{from}>;tag=$w->{tag}");
	is(join(', ', $res->list('Record-Route')), join(', ', @route),
		'Record-Route of the response');
	ask($u, $r, 'subscribed');
	say_presence("$u/a", $r, id => 99);
	$w->notify_line('ID-a:open');

	for my $n ($w->notifies()) {
		is($n->uri(), $w->{contact}, 'request uri');
		is(join(', ', $n->list('Route')), join(', ', @route), 'Route');
		is($n->address('To'), "sip:$r", 'To');
		is($n->to_tag(), $w->{tag}, 'To tag');
		is($n->header('From'), "<sip:$u>;tag=" . $res->to_tag(), 'From');
		is($n->header('Event'), 'presence;id=7', 'Event');
		is($n->header('Contact'), $res->header('Contact'), 'Contact');
	}
});

case('PB-33, ADR-27: the dialog, from another connection', sub {
	my ($u, $r, $w) = granted(from => 'sip:Romeo%');
	my $res = $w->refresh(conn => $hub->connect());
	is($res->code(), 200, 'refresh');
	like($w->notify()->header('To'), qr/^<sip:Romeor\d+\@s\.test>;tag=/,
		'URIs of the dialog are kept');
});

# requests that are wrong

case('PB-34: unknown To tag', sub {
	my ($u, $r, $w) = granted();
	my $w2 = $hub->watcher($u, from => "sip:$r");
	is($w2->subscribe(to => "<sip:$u>;tag=none")->code(), 481, 'no dialog');
	is($w->refresh(to => "<sip:$u>;tag=none")->code(), 481, 'other tag');
	is($w->refresh(call_id => 'none')->code(), 481, 'other Call-ID');
	is($w->refresh(from => "<sip:$r>;tag=none")->code(), 481,
		'other From tag');
	is($w->refresh()->code(), 200, 'the dialog');
	ok($hub->quiet(to => $u), 'XMPP is silent');
});

case('SD-06: CSeq that is lower', sub {
	my ($u, $r, $w) = granted();
	my $n = $w->{cseq};
	is($w->refresh(cseq => $n - 1)->code(), 500, 'lower');
	is($w->refresh(cseq => $n + 10)->code(), 200, 'gap');
	is($w->refresh(cseq => $n + 9)->code(), 500, 'lower than that');
});

case('PB-35: merged requests', sub {
	my ($u, $r, $w) = pair();
	my $q = $w->build();
	my $q2 = $w->build(cseq => $q->cseq());
	my $c = $w->conn();
	$c->send($q->raw() . $q2->raw());
	is($c->response_to($q)->code(), 200, 'first');
	is($c->response_to($q2)->code(), 482, 'second');
	$w->notify();
	ok($w->none(0.1), 'one dialog');
});

case('PB-36: CANCEL', sub {
	my ($u, $r, $w) = pair();
	my $q = $w->build();
	my $c = $w->conn();
	my $cancel = $c->build('CANCEL', $q->uri(), branch => $q->branch(),
		call_id => $q->call_id(), cseq => $q->cseq(),
		From => $q->header('From'));
	$c->send($q->raw() . $cancel->raw());
	is($c->response_to($cancel)->code(), 200, 'CANCEL');
	is($c->response_to($q)->code(), 200, 'SUBSCRIBE');
});

case('PB-37: nobody', sub {
	for my $uri ('sip:x.test', 'sip:u@elsewhere.test', 'sip:u@s.test') {
		my $w = $hub->watcher($uri, from => 'sip:r@s.test');
		is($w->subscribe()->code(), 404, $uri);
	}
});

case('PB-38: SUBSCRIBE does not wait for XMPP', sub {
	my ($u, $r, $w) = pair();
	$_->stall(1) for $x->conns();
	my $start = Test::Nginx::Peers::now();
	my $code = eval { $w->subscribe()->code() };
	my $time = Test::Nginx::Peers::now() - $start;
	$_->stall(0) for $x->conns();
	is($code, 200, 'response');
	cmp_ok($time, '<', 1, 'at once');
	is($w->notify()->line(), 'pending', 'pending');
	is($hub->told($u), "subscribe $r", 'subscribe follows');
});

case('PB-38: SUBSCRIBE does not wait for a server that is mute', sub {
	my $mute = Test::Nginx::XMPP::Server->listen('127.0.0.1:' . port(8067),
		domains => ['mute.test'], at => { connect => 'stall' });
	my $w = $hub->watcher('u@mute.test', from => 'sip:r@s.test');
	my $start = Test::Nginx::Peers::now();
	is($w->subscribe()->code(), 200, 'response');
	cmp_ok(Test::Nginx::Peers::now() - $start, '<', 1, 'at once');
	is($w->notify()->line(), 'pending', 'pending');
});

case('PB-40, SP-30: PUBLISH, REGISTER', sub {
	for my $method (qw/PUBLISH REGISTER/) {
		my $res = $hub->conn()->transact($method, 'sip:u@x.test',
			headers => ['Event: presence']);
		is($res->code(), 405, $method);
		like($res->header('Allow'), qr/\bSUBSCRIBE\b/, 'Allow');
		unlike($res->header('Allow'), qr/$method/, 'Allow without it');
	}
});

case('PB-41: id of the event', sub {
	my ($u, $r, $w) = granted(event => 'presence;id=7');
	like($w->refresh(event => 'presence')->code(), qr/^48[19]$/, 'without');
	like($w->refresh(event => 'presence;id=8')->code(), qr/^48[19]$/,
		'other');
	is($w->refresh(event => 'presence;foo=1;id=7')->code(), 200, 'same');
	is($w->notify()->header('Event'), 'presence;id=7', 'NOTIFY'); # SE-03
	my ($u2, $r2, $w2) = granted();
	like($w2->refresh(event => 'presence;id=7')->code(), qr/^48[19]$/,
		'with one');
});

case('PB-42, SD-07: another Contact', sub {
	my ($u, $r, $w) = granted(record_route => ['<sip:p.s.test;lr>']);
	$w->refresh(contact => 'sip:new@host.s.test:5099');
	is($w->notify()->uri(), 'sip:new@host.s.test:5099', 'refresh');
	say_presence("$u/a", $r);
	my $n = $w->notify_line('ID-a:open');
	is($n->uri(), 'sip:new@host.s.test:5099', 'later');
	is($n->header('Route'), '<sip:p.s.test;lr>', 'Route is the same');
});

case('PB-43: a filter', sub {
	my ($u, $r, $w) = pair();
	is($w->subscribe(body => '<filter-set/>',
		content_type => 'application/simple-filter+xml')->code(), 200,
		'response');
	is($w->notify()->line(), 'pending', 'NOTIFY');
});

# nothing unasked

case('PB-45, SEC-19: presence that nobody watches', sub {
	my ($u, $r, $w) = pair();
	my $n = () = $hub->stray();
	say_presence("$u/a", $r);
	ask("$u/a", $r, 'unavailable');
	$hub->settle_sip($xmpp);
	ok($w->none(0.1), 'SIP is silent');
	is(() = $hub->stray(), $n, 'no NOTIFY at all');
});

case('PB-46: answers that nobody asked for', sub {
	my ($u, $r, $w) = pair();
	my $n = () = $hub->stray();
	ask($u, $r, $_) for qw/subscribed unsubscribed subscribed/;
	$hub->settle_sip($xmpp);
	is(() = $hub->stray(), $n, 'SIP is silent');
	is($w->subscribe()->code(), 200, 'SUBSCRIBE');
	is($w->notify()->line(), 'pending', 'pending');
	is($hub->told($u), "subscribe $r", 'he is asked');
});

case('PB-47: all at once', sub {
	my ($u, $r, $w) = pending();
	$xmpp->send(presence($u, $r, 'subscribed') . presence("$u/a", $r)
		. presence("$u/a", $r, 'unavailable'));
	is($w->notify()->state(), 'active', 'active');
	Test::Nginx::Peers::wait_until(sub { grep { ($_->document()
		? $_->document()->line() : '') eq 'ID-a:closed' }
		$w->notifies() });
	my @all = map { $_->line() } $w->notifies();
	is($all[-1], 'active ID-a:closed', 'in the end');
	is((grep { /open/ } @all[grep { $all[$_ - 1] =~ /closed/ } 1 .. $#all]),
		0, 'in order');
});

case('PB-47: all at once, and the end', sub {
	my ($u, $r, $w) = pending();
	$xmpp->send(presence($u, $r, 'subscribed') . presence("$u/a", $r)
		. presence("$u/a", $r, 'unavailable')
		. presence($u, $r, 'unsubscribed'));
	is($w->notify(undef, 'terminated')->state_param('reason'), 'rejected',
		'terminated');
	$hub->settle_sip($xmpp);
	is(($w->notifies())[-1]->state(), 'terminated', 'nothing after it');
});

# at any time

is((grep { $_->code() == 202 && ($_->header('CSeq') // '') =~ /SUBSCRIBE/ }
	responses()), 0, 'PB-08: no 202');
is((grep { $_->code() == 408 } responses()), 0, 'ERR-15: no 408');
is((grep { defined $_->header('Subscription-State') } responses()), 0,
	'SE-07: no Subscription-State in responses');
is(() = $hub->stray(), 0, 'PB-45: no NOTIFY out of a dialog');
is($hub->wrong(), '', 'dialogs are as they should be');

undef $xmpp;

###############################################################################

# two users that nobody has spoken of yet, and a watcher; % is the SIP user

sub pair {
	my (%a) = @_;
	my ($u, $r) = ("u$serial\@x.test", "r$serial\@s.test");
	$serial++;
	$a{from} = 'sip:%' unless defined $a{from};
	s/%(?!\d)/$r/ for grep { defined } values %a;
	my $w = $hub->watcher($u, %a);
	($r) = $w->{from} =~ /^sip:([^;]*)/;
	return ($u, lc $r, $w);
}

# another watcher of the same user

sub another {
	my ($u) = @_;
	my $r = 'r' . $serial++ . '@s.test';
	return ($r, $hub->watcher($u, from => "sip:$r"));
}

# the user of XMPP has been asked

sub pending {
	my ($u, $r, $w) = pair(@_);

	my $code = $w->subscribe()->code();
	die "SUBSCRIBE is answered $code\n" if $code != 200;

	$w->notify(undef, 'pending');

	my $line = $hub->told($u);
	die "not asked, but: $line\n" if $line ne "subscribe $r";

	return ($u, $r, $w);
}

# and has agreed

sub granted {
	my ($u, $r, $w) = pending(@_);

	ask($u, $r, 'subscribed');
	$w->notify(undef, 'active');

	return ($u, $r, $w);
}

# stanzas of the user of XMPP

sub presence {
	my ($u, $r, $type, %a) = @_;
	return Test::Nginx::XMPP::presence_xml(from => $u, to => $r,
		type => $type, %a);
}

sub ask {
	$xmpp->send(presence(@_));
}

sub say_presence {
	my ($u, $r, %a) = @_;
	$xmpp->send(presence($u, $r, undef, %a));
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
