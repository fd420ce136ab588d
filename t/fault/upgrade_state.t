#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# A binary upgrade (USR2, WINCH, QUIT), and one that is taken back, with
# "state": one binary serves at a time, and the other one begins with what that
# knew.  No dialog is lost or doubled, no CSeq goes backwards.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::Gateway;
use Test::Nginx::Host;
use Test::Nginx::Presence;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(43);
my $d = $t->testdir();

# WINCH is for daemons

my $g = Test::Nginx::Gateway->new($t, daemon => 'on', zone => '4m',
	xmpp => 'auth=any', main => $Test::Nginx::Host::ENV,
	federation => <<"EOF");
        state $d/state interval=50ms;
        subscription_expires 1h;
        refresh_rate 1000r/s;
        notify_interval 50ms;
EOF

$g->start(xmpp => { sasl_external => 0 });

my ($x, $s) = ($g->{x}, $g->{s});
my $hub = Test::Nginx::Presence->new($g);
$hub->{silent} = 1;
my $xmpp = $g->xmpp();

# of each direction a user who sees another one

my $w = $hub->watcher('u1@x.test', from => 'sip:r1@s.test');
is($w->subscribe()->code(), 200, 'SUBSCRIBE');
$w->notify(undef, 'pending');
is($hub->told('u1@x.test'), 'subscribe r1@s.test', 'request');
ask('u1@x.test', 'r1@s.test', 'subscribed');
ask('u1@x.test/a', 'r1@s.test');
is($w->notify_line('ID-a:open')->line(), 'active ID-a:open', 'presence');

my $p = $hub->presentity('r2@s.test', answer => 200, notify => 'active',
	document => pidf('r2@s.test', [{ id => 'ID-a', basic => 'open' }]));
ask('u2@x.test', 'r2@s.test', 'subscribe');
my $dialog = $p->subscription();
is($hub->told('u2@x.test'), 'subscribed r2@s.test', 'grant');
is($hub->told('u2@x.test'), 'available r2@s.test/a', 'presence');

# the gateway proved itself by dialback

my ($key) = $x->keys();

# the workers of another binary wait while those before serve

my ($new, $old) = upgrade($t);

waits('upgrade');
cross('upgrade', $xmpp);

is($hub->connect()->transact('OPTIONS', 'sip:x.test')->code(), 200,
	'upgrade - new connection');
is($w->refresh()->code(), 200, 'upgrade - the dialog of a watcher');

# what the former learn now is what the latter begin with

my $late = $hub->watcher('u3@x.test', from => 'sip:r3@s.test');
is($late->subscribe()->code(), 200, 'upgrade - SUBSCRIBE');
is($hub->told('u3@x.test'), 'subscribe r3@s.test', 'upgrade - request');

kill 'WINCH', $old;
serves('upgrade', $new, $old);
restored('upgrade');
ask('u3@x.test', 'r3@s.test', 'subscribed');
is($late->notify(undef, 'active')->state(), 'active', 'upgrade - late grant');
$hub->forgive();

# a key that the former gave is known to the latter

my $q = Test::Nginx::XMPP->connect(PeerAddr => '127.0.0.1:' . port(8270),
	from => 'x.test', to => 's.test');
$q->open();
is($q->verify(from => 'x.test', to => 's.test', id => $key->{id},
	key => $key->{key}), 'valid', 'upgrade - key');
$q->close_stream();

kill 'QUIT', $old;
gone($old);

restored('upgrade, finished', 0);

# another one, that is taken back: what it learnt is not lost

($new, $old) = upgrade($t);
waits('again');
kill 'WINCH', $old;
serves('again', $new, $old);
restored('again');

$late->unsubscribe();

my $third = $hub->watcher('u4@x.test', from => 'sip:r4@s.test');
is($third->subscribe()->code(), 200, 'again - SUBSCRIBE');
is($hub->told('u4@x.test'), 'subscribe r4@s.test', 'again - request');

kill 'HUP', $old;
waits('rollback');
cross('rollback', $xmpp);

kill 'QUIT', $new;
serves('rollback', $old, $new);
gone($new);
restored('rollback');

ask('u4@x.test', 'r4@s.test', 'subscribed');
is($third->notify(undef, 'active')->state(), 'active', 'rollback - grant');
is($late->refresh()->code(), 481, 'rollback - what ended has ended');

is(errors($t), '', 'nothing is wrong in the log');

# sessions end ahead of nginx

undef $_ for $w, $p, $dialog, $late, $third, $hub, $xmpp, $x, $s, $g, $t;

###############################################################################

sub ask {
	$xmpp->send(Test::Nginx::XMPP::presence_xml(from => $_[0],
		to => $_[1], type => $_[2]));
}

# as many workers more as there are have logged it

sub all_logged {
	my ($re) = @_;
	our %n;

	$n{$re} += $ENV{TEST_NGINX_WORKERS} || 1;

	return until_true(sub {
		logged($t, $re) >= $n{$re};
	});
}

sub waits {
	my ($how) = @_;
	ok(all_logged('"test" waits for the workers before'),
		"$how - one serves");
}

sub serves {
	my ($how, $pid, $before) = @_;

	ok(all_logged('"test" is served from now on'),
		"$how - the other one serves");
	ok(until_true(sub { !workers($before, 1) }),
		"$how - workers before are gone");

	$xmpp = $g->xmpp();
}

sub gone {
	my ($pid) = @_;
	until_true(sub { !alive($pid) })
		or die "master $pid is still there\n";
}

sub cross {
	my ($how, $c) = @_;

	$hub->settle();
	$hub->settle_sip($c);
	pass("$how - messages cross");
}

# what was there is there

sub restored {
	my ($how, $refresh) = @_;

	# the dialog of the gateway is refreshed, those of others go on

	if (!defined $refresh) {
		my $m = $dialog->next();
		is($m && $m->call_id(), $dialog->request()->call_id(),
			"$how - dialog is refreshed");
	}

	$hub->settle();

	is($w->refresh()->code(), 200, "$how - dialog of the watcher");
	ask('u2@x.test', 'r2@s.test', 'probe');
	is($hub->told('u2@x.test'), 'available r2@s.test/a',
		"$how - presence");

	is($hub->forgive(), '', "$how - dialogs are as they should be")
		if defined $refresh;

	# CSeq go on well above what was sent last

	unlike($hub->forgive(), qr/^(?!.*CSeq does not follow)[a-z]/m,
		"$how - dialogs");
}

###############################################################################
