#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for presence with several workers: any of them knows every dialog
# (ARC-21), a reload loses and doubles none of them (ARC-20), nor does the death
# of a worker.

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
	->has_daemon('openssl')->plan(9);

my $workers = $ENV{TEST_NGINX_WORKERS} || 4;
my $N = 50;

my $g = Test::Nginx::Gateway->new($t, workers => $workers, zone => '8m',
	federation => <<'EOF');
        subscription_expires 8s;
        subscription_min 1s;
        notify_interval 20ms;
EOF

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();

my $OPEN = [{ id => 'ID-a', basic => 'open' }];

# N users of XMPP who watch, N users of SIP who watch

my @p = map { $hub->presentity("r$_\@s.test", notify => 'active',
	document => $OPEN, expires => 3600) } 1 .. $N;
my @w = map { $hub->watcher("v$_\@x.test", from => "sip:q$_\@s.test",
	expires => 3000) } 1 .. $N;
my @c = map { $hub->connect() } 1 .. 8;
my (@d, $master);

case('subscriptions', sub {
	$xmpp->send(join '', map { presence("u$_\@x.test", "r$_\@s.test",
		'subscribe') } 1 .. $N);
	@d = map { $_->subscription() } @p;

	ok(Test::Nginx::Peers::wait_until(sub {
		$N == grep { $_->attr('from') =~ m!^r\d+\@s.test/a$! }
			$x->presences(type => 'available') }, 10),
		'users of SIP are seen');
	is(count('subscribed'), $N, 'with the grant');

	$_->send_subscribe(conn => $c[rand @c]) for @w;
	is((grep { $_->response()->code() == 200 } @w), $N,
		'SUBSCRIBEs by several connections');
	$xmpp->send(join '', map { presence("v$_\@x.test", "q$_\@s.test",
		'subscribed') . presence("v$_\@x.test/a", "q$_\@s.test") }
		1 .. $N);
	is((grep { $_->notify_line('ID-a:open', 10) } @w), $N,
		'users of XMPP are seen');
});

case('ARC-21: NOTIFYs on new connections', sub {
	my %code;

	for my $i (0 .. $#d) {
		my $c = $i % 5 ? $c[rand @c] : ($c[rand @c] = $hub->connect());
		$code{$d[$i]->notified('active', [{ id => 'ID-a',
			basic => 'open', show => 'away' }], conn => $c)
			->code()}++;
	}

	is(join(' ', %code), "200 $N", 'responses');
	ok(Test::Nginx::Peers::wait_until(sub {
		$N == grep { ($_->text('show') // '') eq 'away' }
			$x->presences(type => 'available') }), 'presence');
});

case('ARC-21: refreshes on new connections', sub {
	my %code;

	for my $i (0 .. $#w) {
		my $c = $i % 5 ? $c[rand @c] : ($c[rand @c] = $hub->connect());
		$code{$w[$i]->refresh(conn => $c)->code()}++;
	}

	is(join(' ', %code), "200 $N", 'responses');
	is((grep { $_->notify()->line() eq 'active ID-a:open' } @w), $N,
		'NOTIFYs');
});

case('ARC-21: each dialog is refreshed once', sub {
	ok(Test::Nginx::Peers::wait_until(sub {
		!grep { !$_->refreshes() } @d }, 12), 'refreshed');
	is((grep { $_->refreshes() > 1 && ($_->refreshes())[1]{time}
		- ($_->refreshes())[0]{time} < 2 } @d), 0, 'not twice');
	is((grep { $_->subscriptions() > 1 } @p), 0, 'no new dialogs');
});

# reload

my %before = map { $_ => count($_) } qw/unavailable unsubscribed subscribed
	subscribe/;

case('ARC-20: reload', sub {
	my $old = $xmpp;

	$t->reload();
	ok($old->stream_closed(10), 'the old workers leave');
	$xmpp = $g->xmpp();
	@c = map { $hub->connect() } 1 .. 8;

	my %code;
	$code{$_->notified('active', [{ id => 'ID-a', basic => 'open',
		show => 'xa' }], conn => $c[rand @c])->code()}++ for @d;
	is(join(' ', %code), "200 $N", 'NOTIFYs');

	%code = ();
	$code{$_->refresh(conn => $c[rand @c])->code()}++ for @w;
	is(join(' ', %code), "200 $N", 'refreshes');
	is((grep { $_->notify()->state() eq 'active' } @w), $N,
		'NOTIFYs of refreshes');

	$xmpp->send(join '', map { presence("v$_\@x.test/a", "q$_\@s.test",
		undef, show => 'dnd') } 1 .. $N);
	is((grep { $_->notify_line('ID-a:open:dnd', 10) } @w), $N,
		'changes are told');

	my @n = map { scalar(() = $_->refreshes()) } @d;
	ok(Test::Nginx::Peers::wait_until(sub {
		!grep { $d[$_]->refreshes() == $n[$_] } 0 .. $#d }, 12),
		'dialogs are refreshed');
	is((grep { $_->subscriptions() > 1 } @p), 0, 'none is new');
	is((grep { ($_->notifies())[-1]->state() ne 'active' } @w), 0,
		'none has ended');
	is(count($_), $before{$_}, "XMPP is not told of it: $_")
		for sort keys %before;
});

# a worker dies, which nginx itself logs as an alert

$t->todo_alerts();

case('a worker dies', sub {
	$master = $t->read_file('nginx.pid');
	chomp $master;

	my @old = workers();
	kill 'KILL', $old[0];

	ok(Test::Nginx::Peers::wait_until(sub {
		my @now = workers();
		return @now >= @old && !grep { $_ == $old[0] } @now;
	}), 'another one is there');

	# connections of the dead one are gone, others are not

	Test::Nginx::Peers::idle(0.2);
	$xmpp = $g->xmpp() if $xmpp->closed();
	@c = grep { !$_->closed() } @c;
	push @c, $hub->connect() while @c < 8;

	my %code;
	$code{$_->notified('active', [{ id => 'ID-a', basic => 'open' }],
		conn => $c[rand @c])->code()}++ for @d;
	is(join(' ', %code), "200 $N", 'NOTIFYs');

	%code = ();
	$code{$_->refresh(conn => $c[rand @c])->code()}++ for @w;
	is(join(' ', %code), "200 $N", 'refreshes');
	is((grep { $_->notify()->state() eq 'active' } @w), $N,
		'NOTIFYs of refreshes');

	my @n = map { scalar(() = $_->refreshes()) } @d;
	ok(Test::Nginx::Peers::wait_until(sub {
		!grep { $d[$_]->refreshes() == $n[$_] } 0 .. $#d }, 12),
		'dialogs are refreshed');
	is((grep { $_->subscriptions() > 1 } @p), 0, 'none is new');
	is(count($_), $before{$_}, "XMPP is not told of it: $_")
		for sort keys %before;
});

# the end

case('they end', sub {
	$xmpp->send(join '', map { presence("u$_\@x.test", "r$_\@s.test",
		'unsubscribe') } 1 .. $N);
	ok(Test::Nginx::Peers::wait_until(sub {
		count('unsubscribed') == $N }, 10), 'users of XMPP');

	$_->send_subscribe(expires => 0, conn => $c[rand @c]) for @w;
	is((grep { $_->response()->code() == 200 } @w), $N, 'users of SIP');
	is((grep { $_->notify(undef, 'terminated') } @w), $N, 'NOTIFYs');
});

is(() = $hub->stray(), 0, 'no NOTIFY out of a dialog');
is($hub->wrong(), '', 'dialogs are as they should be');

undef $_ for @c;
undef $xmpp;

Test::Nginx::Peers::stop($t);

###############################################################################

sub presence {
	my ($from, $to, $type, %a) = @_;
	return Test::Nginx::XMPP::presence_xml(from => $from, to => $to,
		type => $type, %a);
}

# presences of a type so far

sub count {
	return scalar(() = $x->presences(type => $_[0]));
}

# the pids of nginx's workers that do not want to end

sub workers {
	my @pids = split ' ', `cat /proc/$master/task/$master/children`;

	return grep {
		my $line = '';

		if (open my $fh, '<', "/proc/$_/cmdline") {
			local $/;
			$line = <$fh> // '';
		}

		$line =~ /worker process/ && $line !~ /shutting down/;
	} @pids;
}

###############################################################################
