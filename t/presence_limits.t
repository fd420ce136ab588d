#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for presence and hostile or broken peers: a zone that is full, and does
# not stay so; requests that are repeated for ever; documents that are too
# large to be kept.

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
	->has_daemon('openssl')->plan(7);

my $g = Test::Nginx::Gateway->new($t, zone => '1m', federation => <<'EOF');
        subscription_min 1s;
        subscription_expires 60s;
        subscribe_interval 1s;
        denial_time 1s;
        notify_timeout 3s;
        resubscribe_delay 1s 1s;
        user_contacts 100000;
        pair_dialogs 3;
EOF

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();

# what is kept of a SIP user is what an XMPP user is shown

case('too much to be kept', sub {
	my $p = $hub->presentity('r1@s.test', answer => 200, notify => 'active',
		document => [map { { id => 'ID-' . $_ x 900, basic => 'open' } }
		'a' .. 'f']);

	ask('u1@x.test', 'r1@s.test', 'subscribe');
	my $dlg = $p->subscription();
	is($hub->told('u1@x.test'), 'subscribed r1@s.test', 'grant');
	$hub->settle_sip($xmpp);
	$hub->settle();

	my @on = seen('available', 'u1@x.test');
	cmp_ok(@on, '>', 0, 'resources are shown');

	$dlg->notified('active', []);
	$hub->settle();

	is(join(' ', sort(seen('unavailable', 'u1@x.test'))),
		join(' ', sort @on), 'and all of them are taken back');
});

# a server that ends each dialog

case('deactivated again and again', sub {
	my $n = 0;
	my $p = $hub->presentity('r2@s.test', answer => 200);

	ask('u2@x.test', 'r2@s.test', 'subscribe');

	my $dlg = $p->subscription();
	is($dlg->notified('terminated;reason=deactivated')->code(), 200,
		'deactivated');
	$dlg = $p->subscription();
	ok($dlg, 'SUBSCRIBE at once');
	is($dlg->notified('terminated;reason=deactivated')->code(), 200,
		'deactivated again');
	ok($p->none(0.5), 'no SUBSCRIBE at once');
	ok($dlg = $p->subscription(), 'but later');
	$dlg->notified('terminated;reason=rejected');
	is($hub->told('u2@x.test'), 'unsubscribed r2@s.test', 'rejected');
});

# one who changes his mind all the time

case('subscribe and unsubscribe', sub {
	my $p = $hub->presentity('r3@s.test', answer => 200);

	for (1 .. 20) {
		ask('u3@x.test', 'r3@s.test', 'subscribe');
		ask('u3@x.test', 'r3@s.test', 'unsubscribe');
	}

	$hub->settle();
	cmp_ok(scalar(() = $p->subscriptions()), '<=', 3, 'dialogs');
	ask('u3@x.test', 'r3@s.test', 'unsubscribe');
});

# a zone that is full

my ($w, @all);

case('full zone', sub {
	$w = $hub->watcher('granted@x.test', from => 'sip:r4@s.test');
	is($w->subscribe()->code(), 200, 'SUBSCRIBE');
	$w->notify(undef, 'pending');
	is($hub->told('granted@x.test'), 'subscribe r4@s.test', 'request');
	ask('granted@x.test', 'r4@s.test', 'subscribed');
	is($w->notify(undef, 'active')->state(), 'active', 'grant');

	@all = fill();
	cmp_ok(@all, '>', 100, 'subscriptions');
	ok(scalar($t->read_file('error.log') =~
		/\[warn\].*subscription of a user of "s.test" .*is refused/),
		'refusals are logged');

	ask("q$_\@x.test", 'r5@s.test', 'subscribe') for 1 .. 300;
	ok(Test::Nginx::Peers::wait_until(sub {
		scalar(() = $x->presences(type => 'error')) }),
		'subscribe is refused');

	# as there is no room for the authorization, or for the dialog

	ok(scalar($t->read_file('error.log') =~
		/(subscription of|no room to subscribe) a user of "x.test"/),
		'that is logged, too');

	is($w->refresh()->code(), 200, 'refresh');
	is($w->notify(undef, 'active')->state(), 'active',
		'authorization is kept');
});

case('full zone, reload', sub {
	my $old = $xmpp;

	$t->reload();
	ok($old->stream_closed(10), 'the old workers leave');
	$xmpp = $g->xmpp();

	my $c = $hub->connect();
	is($w->refresh(conn => $c)->code(), 200, 'refresh');
	is($w->notify(undef, 'active')->state(), 'active',
		'authorization is kept');
});

# who was refused was not asked; he is, later

case('full zone, later', sub {
	my $c = $hub->connect();

	my $refused = $hub->watcher('late@x.test', from => 'sip:r6@s.test');
	is($refused->subscribe(conn => $c)->code(), 500, 'no room');

	end($c, splice @all);
	ask("q$_\@x.test", 'r5@s.test', 'unsubscribe') for 1 .. 300;
	Test::Nginx::Peers::idle(1.5);
	$hub->settle();

	my $again = $hub->watcher('late@x.test', from => 'sip:r6@s.test');
	is($again->subscribe(conn => $c)->code(), 200, 'room');
	is($hub->told('late@x.test'), 'subscribe r6@s.test', 'he is asked');
});

$hub->forgive();

undef $_ for $w, $hub, $xmpp;

Test::Nginx::Peers::stop($t);

ok($t->read_file('error.log') !~ /\[emerg\]/, 'no emergency');

###############################################################################

sub ask {
	my ($from, $to, $type) = @_;
	$xmpp->send(Test::Nginx::XMPP::presence_xml(from => $from, to => $to,
		type => $type));
}

sub seen {
	my ($type, $to) = @_;
	return map { $_->attr('from') } $x->presences(type => $type,
		to => $to);
}

# new watchers until one is refused

sub fill {
	my $c = $hub->connect();
	my @done;

	while (@done < 5000) {
		my @w = map { $hub->watcher('f' . (@done + $_) . '@x.test',
			from => 'sip:f@s.test', record_route =>
			['<sip:p.s.test;lr;x=' . 'p' x 900 . '>']) } 1 .. 20;

		$_->send_subscribe(conn => $c, expires => 3000) for @w;
		@w = grep { $_->response()->code() == 200 } @w;

		push @done, @w;
		return @done if @w < 20;
	}

	return;
}

sub end {
	my ($c, @w) = @_;

	$_->send_subscribe(conn => $c, expires => 0) for @w;
	$_->response() for @w;
}

###############################################################################
