#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for presence: what crosses on the wire, what comes to nothing, and that
# an end is an end, whatever policy says.

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
	->has_daemon('openssl')->plan(15);

my $g = Test::Nginx::Gateway->new($t, zone => '4m', federation => <<'EOF');
        notify_timeout 2s;
        transaction_timeout 3s;
        trying_timeout 500ms;
        confirm_timeout 2s;
        notify_interval 2s;
        resubscribe_delay 500ms 1s;
EOF

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();
my $serial = 0;

my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;

my $OPEN = [{ id => 'ID-a', basic => 'open' }];

# a user of XMPP watches

case('PA-26: the final NOTIFY is ahead of the answer', sub {
	my ($u, $r, $p, $d) = shown(refresh => 0);
	ask($u, $r, 'unsubscribe');
	is($d->next()->header('Expires'), 0, 'SUBSCRIBE');
	is($d->notified('terminated;reason=timeout')->code(), 200, 'NOTIFY');
	is($hub->told($u), "unavailable $r/a", 'unavailable');
	is($hub->told($u), "unsubscribed $r", 'unsubscribed');
	$d->reply(200, 'Expires: 0');
	ok($hub->quiet(to => $u), 'once');
});

case('PA-26: unsubscribe is not answered', sub {
	my ($u, $r, $p, $d) = shown(refresh => 0);
	ask($u, $r, 'unsubscribe');
	is($d->next()->header('Expires'), 0, 'SUBSCRIBE');
	is($hub->told($u), "unavailable $r/a", 'unavailable');
	is($hub->told($u), "unsubscribed $r", 'unsubscribed');
	ok($hub->quiet(to => $u, for => 2), 'once');
});

for my $code (403, 404) {
	case("RFC 8048, 5.2.3: the request that was taken back gets $code", sub {
		my ($u, $r, $p) = pair(answer => 0);
		ask($u, $r, 'subscribe');
		my $d = $p->subscription();
		ask($u, $r, 'unsubscribe');
		is($hub->told($u), "unsubscribed $r", 'taken back');
		ask($u, $r, 'subscribe');
		my $d2 = $p->subscription();
		$d->reply($code);
		ok($hub->quiet(to => $u, for => 0.2), 'nobody waits for it');
		$d2->reply(200, 'Expires: 3600');
		is($d2->notified('active', $OPEN)->code(), 200, 'NOTIFY');
		is($hub->told($u), "subscribed $r", 'subscribed');
		is($hub->told($u), "available $r/a", 'presence');
	});
}

case('PA-15, PA-45: no NOTIFY in the new dialog either', sub {
	my ($u, $r, $p, $d) = shown();
	$p->set(notify => undef);
	is($d->notified('terminated;reason=deactivated')->code(), 200, 'NOTIFY');
	ok($p->subscription(), 'new dialog');
	is($hub->told($u), "unavailable $r/a", 'unavailable');
	ok($hub->quiet(to => $u), 'the grant is kept');
});

case('PA-02: subscribe to a full JID when it is granted', sub {
	my ($u, $r) = shown(document => [{ id => 'ID-a', basic => 'open',
		show => 'away' }, { id => 'ID-b', basic => 'open' }], n => 2);
	ask($u, "$r/a", 'subscribe');
	is($hub->told($u), "subscribed $r", 'subscribed');
	is($hub->told($u), "available $r/a away", 'all of it');
	is($hub->told($u), "available $r/b", 'all of them');
});

case('PA-45, PN-33: more is said than is kept', sub {
	my @all = map { { id => "ID-$_", basic => 'open',
		note => ['x' x 1000] } } 'a' .. 'l';
	my ($u, $r, $p, $d) = shown(document => \@all, n => 12);
	is($d->notified('active', [$all[0]])->code(), 200, 'NOTIFY');
	is(join(' ', sort map { $hub->told($u) =~ m!^un\w+ \Q$r\E/(.)! } 1 .. 11),
		'b c d e f g h i j k l', 'all others are unavailable');
});

# a user of SIP watches

case('PB-15: the end says nothing new', sub {
	my ($u, $r, $w) = granted();
	ask("$u/a", $r);
	$w->notify_line('ID-a:open');
	ask("$u/a", $r, undef, status => 'first');
	$w->notify_line('ID-a:open');
	ask("$u/a", $r, undef, status => 'secret');
	ask($u, $r, 'unsubscribed');
	my $n = $w->notify(undef, 'terminated');
	is($n->line(), 'terminated rejected ID-a:closed', 'terminated');
	unlike($n->body(), qr/secret/, 'without what was not told yet');
});

case('PB-15, PB-12: an old presence is not that of a new grant', sub {
	my ($u, $r, $w) = granted(answer => 0);
	ask("$u/a", $r);
	is($w->notify(undef, 'active')->document()->line(), 'ID-a:open',
		'presence, not answered');
	ask($u, $r, 'unsubscribed');
	$hub->settle_sip($xmpp);
	my $w2 = $hub->watcher($u, from => "sip:$r");
	is($w2->subscribe()->code(), 200, 'SUBSCRIBE');
	is($w2->notify()->line(), 'pending', 'asked anew');
	ask($u, $r, 'subscribed');
	my $n = $w2->notify(undef, 'active');
	unlike($n->body(), qr/open/, 'nothing is known');
});

case('PP-08: a poll is no session', sub {
	my ($u, $r, $w) = granted();
	$w->unsubscribe();
	$w->notify(undef, 'terminated');
	is($hub->told($u), "unavailable $r", 'the end of the dialog');
	my $w2 = $hub->watcher($u, from => "sip:$r", expires => 0);
	is($w2->subscribe()->code(), 200, 'poll');
	ok($x->presence(undef, to => $u, type => 'probe'), 'probe');
	ask("$u/a", $r);
	is($w2->notify()->line(), 'terminated timeout ID-a:open', 'NOTIFY');
	ok($hub->quiet(to => $u), 'no unavailable');
});

# policy: an end crosses, however many there are, permitted or not

my @w = map { [granted()] } 1 .. 4;
my @foe = granted(u => 'foe');
my ($fu, $fr, $fp, $fd) = shown(u => 'foe');

$g->write(xmpp => 'rate=1r/s', stream => <<'EOF', federation => <<'EOF');

    map $federation_xmpp_user $friend {
        default 1;
        ~^foe   0;
    }
EOF
        notify_timeout 5s;
        transaction_timeout 8s;
        trying_timeout 500ms;
        confirm_timeout 2s;
        permit $friend;
EOF

my $old = $xmpp;
$t->reload();
ok($old->stream_closed(10), 'reload');
$xmpp = $g->xmpp();

case('rate: ends are not counted', sub {
	$xmpp->send(join '', map { presence(@{$_}[0, 1], 'unsubscribed') } @w);
	is((grep { eval { $_->[2]->notify(undef, 'terminated')
		->state_param('reason') } eq 'rejected' } @w), 4, 'all cross');
});

case('permit: an end is free, for a user of XMPP who is watched', sub {
	my ($u, $r, $w) = @foe;
	ask("$u/a", $r);
	ask($u, $r, 'unsubscribed');
	is($w->notify(undef, 'terminated')->state_param('reason'), 'rejected',
		'terminated');
	is((grep { $_->body() =~ /open/ } $w->notifies()), 0, 'nothing else');
});

case('permit: an end is free, for a user of XMPP who watches', sub {
	ask($fu, $fr, 'unsubscribe');
	is($fd->next()->header('Expires'), 0, 'SUBSCRIBE');
	is($hub->told($fu), "unavailable $fr/a", 'unavailable');
	is($hub->told($fu), "unsubscribed $fr", 'unsubscribed');
});

# a process that waits for a response, and has no successor, is killed

$t->todo_alerts();

case('PB-28: a NOTIFY whose sender is killed after a reload', sub {
	my ($u, $r, $w) = granted(u => 'k', answer => 0, check => 0);
	ask("$u/a", $r);
	$w->notify_line('ID-a:open');

	my ($old) = ($xmpp, $t->reload());
	ok($old->stream_closed(10), 'reload');
	$xmpp = $g->xmpp();

	my @ending = grep { slurp("/proc/$_/cmdline") =~ /shutting down/ }
		split ' ', slurp("/proc/$master/task/$master/children");
	ok(@ending, 'the old process waits');
	kill 'KILL', @ending;

	$w->set(answer => 200);
	Test::Nginx::Peers::idle(0.5);
	ask("$u/a", $r, undef, show => 'away');
	is($w->notify_line('ID-a:open:away')->state(), 'active', 'NOTIFY');
});

undef $_ for $hub, $xmpp, $x, $s;

###############################################################################

# two users that nobody has spoken of yet, the one of SIP can be watched

sub pair {
	my (%a) = @_;
	my ($u, $r) = (($a{u} || 'u') . "$serial\@x.test", "r$serial\@s.test");
	$serial++;
	return ($u, $r, $hub->presentity($r, %a));
}

# the same, with the presence of R already shown to U, and its dialog

sub shown {
	my (%a) = @_;

	my ($u, $r, $p) = pair(notify => 'active', document => $OPEN, %a);

	ask($u, $r, 'subscribe');

	my $d = $p->subscription();
	$hub->told($u) for 0 .. $a{n} || 1;

	return ($u, $r, $p, $d);
}

# two users, and the one of XMPP has agreed to be watched

sub granted {
	my (%a) = @_;
	my ($u, $r) = (($a{u} || 'u') . "$serial\@x.test", "r$serial\@s.test");
	$serial++;

	my $w = $hub->watcher($u, from => "sip:$r");
	my $code = $w->subscribe()->code();
	die "SUBSCRIBE is answered $code\n" if $code != 200;

	$w->notify(undef, 'pending');
	$hub->told($u);

	ask($u, $r, 'subscribed');
	$w->notify(undef, 'active');
	$w->set(%a);

	return ($u, $r, $w);
}

sub presence {
	my ($u, $r, $type, %a) = @_;
	return Test::Nginx::XMPP::presence_xml(from => $u, to => $r,
		type => $type, %a);
}

sub ask {
	$xmpp->send(presence(@_));
}

sub slurp {
	local $/;
	open my $f, '<', $_[0] or return '';
	return scalar readline $f;
}

###############################################################################
