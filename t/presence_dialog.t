#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for dialogs of presence: routes and targets (SD), events (SE), and what
# must not be done with them (SEC).

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
	->has_daemon('openssl')->plan(26);

my $g = Test::Nginx::Gateway->new($t, zone => '4m', federation => <<'EOF');
        sip_domain other.test home server=127.0.0.1:%%PORT_8064%%
                   name=other.test;
        notify_interval 20ms;
        pair_dialogs 3;
        user_watchers 10;
        user_contacts 10;
EOF

$g->{ca}->issue('other', cn => 'other.test', dns => 'other.test',
	uri => 'sip:other.test');

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();
my $serial = 0;

my $OPEN = [{ id => 'ID-a', basic => 'open' }];
my $TWO = [{ id => 'ID-a', basic => 'open' }, { id => 'ID-b', basic => 'open' }];

# routes

case('SD-01: Record-Route of SUBSCRIBE', sub {
	my @route = ('<sip:p1.s.test;lr;x="y, z">', '<sip:p2.s.test:5062;lr>;q=1',
		'<sip:user@p3.s.test;transport=tcp;lr=on>');
	my ($u, $r, $w) = pending(record_route => \@route);
	my $res = $w->response($w->send_subscribe());
	is($res->code(), 200, 'refresh');
	is(join(', ', ($w->notifies())[0]->list('Route')), join(', ', @route),
		'Route of NOTIFY');
	is(scalar(grep { $_->{conn}{role} eq 'server' } $w->notifies()),
		scalar(() = $w->notifies()), 'to the next hop of the domain');
});

case('SD-03: strict route', sub {
	my ($u, $r, $w) = pair(strict_route => 1, record_route =>
		['<sip:p1.s.test;x=y>', '<sip:p2.s.test;lr>'],
		contact => 'sip:w@s.test;a=b');
	is($w->subscribe()->code(), 200, 'SUBSCRIBE');
	my $n = $w->notify();
	is($n->uri(), 'sip:p1.s.test;x=y', 'request uri');
	is(join(', ', $n->list('Route')),
		'<sip:p2.s.test;lr>, <sip:w@s.test;a=b>', 'Route');
});

case('SD-03: strict route, the gateway subscribes', sub {
	my ($u, $r, $p) = contact(record_route => ['<sip:p1.s.test>']);
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	$d->{strict_route} = 1;
	is($d->notified('active')->code(), 200, 'NOTIFY');
	ask($u, $r, 'unsubscribe');
	my $m = $d->next();
	is($m->uri(), 'sip:p1.s.test', 'request uri');
	is($m->header('Route'), "<$d->{contact}>", 'Route');
});

case('SD-02: routes do not change', sub {
	my ($u, $r, $p, $d) = shown(record_route => ['<sip:p1.s.test;lr>']);
	is($d->notified('active', $TWO, record_route => ['<sip:p2.s.test;lr>'])
		->code(), 200, 'NOTIFY');
	ask($u, $r, 'unsubscribe');
	is($d->next()->header('Route'), '<sip:p1.s.test;lr>', 'Route');
});

case('SD-04: Route of a request', sub {
	for my $route ('<sip:gw.test;lr>', '<sip:elsewhere.test;lr>',
		'<sip:gw.test;lr>, <sip:elsewhere.test;lr>')
	{
		my ($u, $r, $w) = pair();
		is($w->subscribe(headers => ["Route: $route"])->code(), 200,
			$route);
		is($w->notify()->line(), 'pending', 'NOTIFY');
	}
});

case('SD-06: CSeq of 20 NOTIFYs', sub {
	my ($u, $r, $w) = watched();
	my $first = ($w->notifies())[-1]->cseq();
	my $last;

	for my $i (1 .. 20) {
		say_presence("$u/a", $r, status => $i);
		$last = $w->notify();
	}

	is($last->cseq(), $first + 20, 'contiguous');
	cmp_ok($last->cseq(), '<', 2 ** 31, 'small');
});

case('SD-07: target of the notifier', sub {
	my ($u, $r, $p, $d) = shown();
	is($d->notified('active', $TWO, contact => 'sip:new@s.test;x=%41')
		->code(), 200, 'NOTIFY');
	ask($u, $r, 'unsubscribe');
	is($d->next()->uri(), 'sip:new@s.test;x=%41', 'the next request');
});

case('SD-07: Contact that is none', sub {
	my ($u, $r, $p, $d) = shown();
	my $target = $d->{contact};
	like($d->notified('active', $TWO, Contact => '<mailto:a@b>')->code(),
		qr/^(?:200|400)$/, 'NOTIFY');
	like($d->notified('active', $TWO, Contact => undef)->code(),
		qr/^(?:200|400)$/, 'no Contact');
	ask($u, $r, 'unsubscribe');
	is($d->next()->uri(), $target, 'the target is kept');
});

case('SD-09: no other usage', sub {
	my ($u, $r, $w) = watched();
	my $res = $w->conn()->transact('INVITE', $w->{target},
		from => "<sip:$r>;tag=$w->{tag}",
		to => "<sip:$u>;tag=$w->{remote_tag}", call_id => $w->{call_id},
		cseq => $w->{cseq} + 1);
	like($res->code(), qr/^(?:481|403|405|488)$/, 'INVITE');
	is($w->refresh(cseq => $w->{cseq} + 2)->code(), 200, 'dialog goes on');
});

case('SD-10, ARC-06: sips', sub {
	for my $uri ('sips:v@x.test') {
		my $w = $hub->watcher($uri, from => 'sip:r@s.test');
		my $res = $w->subscribe();
		is($res->code(), 480, $uri);
		like($res->header('Warning') // '', qr/^380 /, 'Warning');
	}

	my $w = $hub->watcher('v@x.test', from => 'sip:r@s.test');
	is($w->subscribe(to => '<sips:v@x.test>')->code(), 480, 'To');
});

# events

case('SE-01: Allow-Events', sub {
	my $res = $hub->conn()->transact('OPTIONS', 'sip:u@x.test');
	is($res->header('Allow-Events'), 'presence', 'OPTIONS');
	like($res->header('Allow'), qr/\b$_\b/, "Allow $_")
		for qw/SUBSCRIBE NOTIFY MESSAGE/;
});

case('SP-02: short names', sub {
	my ($u, $r) = names('w');
	my $w = $hub->watcher($u, from => "sip:$r");
	my $raw = $w->build()->raw();
	my %short = (Via => 'v', From => 'f', To => 't', 'Call-ID' => 'i',
		Contact => 'm', Event => 'o', 'Content-Length' => 'l');
	$raw =~ s/^([-\w]+):/($short{$1} || $1) . ':'/gme;
	$w->conn()->send($raw);
	is($w->notify()->line(), 'pending', 'NOTIFY');
});

case('SE-03: Event of a dialog with an id', sub {
	my ($u, $r, $w) = pending(event => 'presence;id=7');
	is($w->refresh(event => 'presence;foo=1;id=7')->code(), 200, 'same');
	like($w->refresh(event => $_)->code(), qr/^48[19]$/, $_)
		for 'presence', 'Presence;id=7', 'presence;id=07',
		'presence;id=7x';
});

for my $state ('foo', 'foo;expires=60', 'active2', 'Pending2;reason=x') {
	case("SE-06: Subscription-State $state", sub {
		my ($u, $r, $p) = contact();
		ask($u, $r, 'subscribe');
		my $d = $p->subscription();
		is($d->notified($state, $OPEN)->code(), 200, 'NOTIFY');
		ok($hub->quiet(to => $u), 'XMPP is silent');
		is($d->notified('active', $OPEN)->code(), 200, 'dialog is kept');
		is($hub->told($u), "subscribed $r", 'subscribed');
	});
}

case('SE-06: parameters of the state', sub {
	my ($u, $r, $p) = contact();
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	is($d->notified('ACTIVE ; foo="a;b" ;expires = 60;bar', $OPEN)->code(),
		200, 'NOTIFY');
	is($hub->told($u), "subscribed $r", 'subscribed');
	is($d->notified('terminated;reason=giveup;retry-after=soon')->code(),
		200, 'retry-after is no number');
});

# security

case('SEC-02: Contact of another host', sub {
	my $victim = Test::Nginx::Peers::Listener->new('127.0.0.1:' . port(8065),
		sub {});
	my $uri = 'sip:v@127.0.0.1:' . port(8065);
	my ($u, $r, $w) = pair(contact => $uri,
		record_route => ['<sip:127.0.0.1:' . port(8065) . ';lr>']);
	is($w->subscribe()->code(), 200, 'SUBSCRIBE');
	is($w->notify()->uri(), $uri, 'NOTIFY comes to the next hop');

	my ($u2, $r2, $p) = contact();
	ask($u2, $r2, 'subscribe');
	my $d = $p->subscription();
	is($d->notified('active', undef, contact => $uri)->code(), 200,
		'NOTIFY');
	ask($u2, $r2, 'unsubscribe');
	is($d->next()->uri(), $uri, 'SUBSCRIBE comes to the next hop');
	is($victim->{accepted}, 0, 'no connection to the host');
});

case('SEC-05: dialogs of a pair', sub {
	my ($u, $r, $w) = watched();
	my @w = map { $hub->watcher($u, from => "sip:$r") } 1 .. 5;
	my %code;
	$code{$_->subscribe()->code()}++ for @w;
	is(join(' ', map { "$_ x $code{$_}" } sort keys %code),
		'200 x 2, 500 x 3' =~ s/,//r, 'three at most');
	is($w->refresh()->code(), 200, 'those that are go on');
	$w->unsubscribe();
	$w->notify(undef, 'terminated');
	my $new = $hub->watcher($u, from => "sip:$r");
	is($new->subscribe()->code(), 200, 'another one in its place');
});

case('PB-44: watchers of a user', sub {
	my ($u) = names('w');
	my @r = map { (names('w'))[1] } 1 .. 12;
	my @res = map { $hub->watcher($u, from => "sip:$_")->subscribe() } @r;
	is((grep { $_->code() == 200 } @res), 10, 'ten are let in');
	is($res[-1]->code(), 500, 'not the next one');
	like($res[-1]->header('Retry-After') // '', qr/^\d+/, 'Retry-After');
	ok($hub->quiet(to => $u, from => $r[-1]), 'nobody is asked for him');
});

case('PB-44, SEC-01: contacts of a user', sub {
	my ($u) = names('u');
	my @pair = map { [contact(answer => 0)] } 1 .. 12;
	ask($u, $_->[1], 'subscribe', id => 'c') for @pair;
	my $e = $x->presence(undef, to => $u);
	is($e && $e->condition(), 'resource-constraint', 'error');
	$hub->settle_sip($xmpp);
	is((grep { $_->[2]->subscriptions() } @pair), 10, 'ten SUBSCRIBEs');
});

case('SEC-08: NOTIFY of another server', sub {
	my ($u, $r, $p, $d) = shown();
	my $c = $g->sip($g->{ca}->ssl('other'), host => 'other.test');
	my $q = $d->build('active', $TWO);
	my $copy = $q->raw();
	$c->send($copy);
	my $res = $c->response_to($q);
	like($res ? $res->code() : 'closed', qr/^(?:481|403|closed)$/,
		'NOTIFY');
	ok($hub->quiet(to => $u), 'XMPP is silent');
	my ($u2, $r2, $w) = watched();
	my $w2 = $c->send_raw($q = $w->build());
	$res = $c->response_to($q);
	like($res ? $res->code() : 'closed', qr/^(?:481|403|closed)$/,
		'refresh');
	say_presence("$u2/a", $r2);
	ok($w->notify_line('ID-a:open'), 'the dialog goes on');
	is($d->notified('active', $TWO)->code(), 200, 'the other one as well');
});

case('SEC-08: NOTIFY again', sub {
	my ($u, $r, $p, $d) = shown();
	my $q = $d->notify('active', $TWO);
	is($d->response($q)->code(), 200, 'NOTIFY');
	is(line($x->presence(undef, to => $u, from => "$r/b")),
		"available $r/b", 'presence');
	is($d->notified('active', $OPEN)->code(), 200, 'the next one');
	is(line($x->presence(undef, to => $u, from => "$r/b")),
		"unavailable $r/b", 'presence, next');
	my $c = $hub->connect();
	(my $again = $q->raw()) =~ s/branch=\w+/branch=z9hG4bKagain/;
	$c->send($again);
	is($c->response()->code(), 500, 'replayed'); # PA-41
	ok($hub->quiet(to => $u), 'XMPP is silent');
});

is((grep { defined $_->header('Subscription-State')
	&& $_->is_response() || !$_->is_response()
	&& $_->method() ne 'NOTIFY' && defined $_->header('Subscription-State') }
	map { @{$_->{messages} || []} } $s->conns(), $hub->{conn} || ()), 0,
	'SE-07: Subscription-State is in NOTIFYs only');
is($hub->wrong(), '', 'dialogs are as they should be');

undef $xmpp;

###############################################################################

sub names {
	my ($letter) = @_;
	my $n = $serial++;
	return ("$letter$n\@x.test", "r$n\@s.test");
}

# a user of SIP watches: pair, with his first NOTIFY, with the grant

sub pair {
	my ($u, $r) = names('v');
	return ($u, $r, $hub->watcher($u, from => "sip:$r", @_));
}

sub pending {
	my ($u, $r, $w) = pair(@_);

	my $code = $w->subscribe()->code();
	die "SUBSCRIBE is answered $code\n" if $code != 200;
	$w->notify(undef, 'pending');

	return ($u, $r, $w);
}

sub watched {
	my ($u, $r, $w) = pending(@_);

	ask($u, $r, 'subscribed');
	$w->notify(undef, 'active');

	return ($u, $r, $w);
}

# a user of SIP is watched: contact, shown

sub contact {
	my ($u, $r) = names('u');
	return ($u, $r, $hub->presentity($r, @_));
}

sub shown {
	my ($u, $r, $p) = contact(@_);

	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	$d->notified('active', $OPEN);

	for my $want ("subscribed $r", "available $r/a") {
		my $line = $hub->told($u);
		die "not $want, but: $line\n" if $line ne $want;
	}

	return ($u, $r, $p, $d);
}

sub ask {
	my ($u, $r, $type, %a) = @_;
	$xmpp->send_presence(from => $u, to => $r, type => $type, %a);
}

sub say_presence {
	my ($u, $r, %a) = @_;
	ask($u, $r, undef, %a);
}

###############################################################################
