#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# The clock of the wall jumps by hours, forwards and back: what is to be done
# when is not told by it, neither in a process nor over a restart.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Host;
use Test::Nginx::Presence;
use Test::Nginx::Traffic;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(29);
my $d = $t->testdir();

my $cc = $ENV{CC} || 'cc';
system("$cc -shared -fPIC -O1 -o $d/clock.so fault/clock.c -ldl") == 0
	or die "$cc failed\n";

$ENV{CLOCK_OFFSET} = "$d/clock";
$ENV{TEST_NGINX_PRELOAD} = join ' ', grep { length }
	$ENV{TEST_NGINX_PRELOAD} // '', "$d/clock.so";

open my $clock, '+>', "$d/clock" or die;
jump(0);

$Test::Nginx::CA::AGO = 86400;

my $g = Test::Nginx::Gateway->new($t, zone => '4m', level => 'info',
	federation => <<"EOF");
        state $d/state interval=50ms;
        subscription_expires 1h;
        notify_interval 50ms;
        subscription_min 1s;
        refresh_rate 1000r/s;
EOF

$g->start();

my $hub = Test::Nginx::Presence->new($g);
$hub->{silent} = 1;
my $xmpp = $g->xmpp();

my $w = $hub->watcher('u1@x.test', from => 'sip:r1@s.test', expires => 600);
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

# nothing happens

foreach my $s (5 * 3600, -5 * 3600, 20 * 86400, 0) {
	jump($s);
	Test::Nginx::Peers::idle(0.3);
	quiet("jump $s");
}

# what is short ends when it is time

my $short = $hub->watcher('u1@x.test', from => 'sip:r3@s.test', expires => 2);
is($short->subscribe()->code(), 200, 'short SUBSCRIBE');
jump(-5 * 3600);
is($short->notify(10, 'terminated')->state(), 'terminated', 'it ends');

# the file is as old as it is, whatever the clock says

saved();
Test::Nginx::Peers::stop($t);
jump(20 * 3600);
start();
restored('forwards');

saved();
Test::Nginx::Peers::stop($t);
jump(0);
start();
restored('back');

unlike($hub->forgive(), qr/^(?!.*CSeq does not follow)[a-z]/m, 'dialogs');

undef $_ for $w, $p, $dialog, $short, $hub, $xmpp;
$g->{$_}->close() for 'x', 's';
delete @$g{qw/ x s /};
Test::Nginx::Peers::idle(0.3);

# messages

my $tr = Test::Nginx::Traffic->new($g)->listen();
my $n = 0;

$tr->at(1000 * $_, sub { jump($n++ % 2 ? 0 : 7 * 3600); }) for 1 .. 19;

is(join("\n", $tr->run(timeout => 120)), '', 'each message has its fate');
note($tr->summary());
is($tr->others('sx', 202, 604), 0, 'fates of SIP');
is($tr->others('xs', 'taken', 'item-not-found'), 0, 'fates of XMPP');
$tr->end();

jump(0);
Test::Nginx::Peers::stop($t);
is(join("\n", logged($t, qr/\[(?:alert|emerg|crit)\]/)), '', 'log');
cmp_ok(scalar keys %{{ map { /^(\S+) / ? ($1 => 1) : () } logged($t, qr/./) }},
	'>', 1, 'the clock did jump');

undef $_ for $tr, $g, $t;

###############################################################################

sub jump {
	my ($s) = @_;
	sysseek $clock, 0, 0;
	syswrite $clock, pack('q', $s), 8;
}

sub ask {
	$xmpp->send(Test::Nginx::XMPP::presence_xml(from => $_[0],
		to => $_[1], type => $_[2]));
}

sub start {
	$t->run();
	$xmpp = $g->xmpp();
}

# everything so far is in the file

sub saved {
	$hub->settle();
	$hub->settle_sip($xmpp);
	Test::Nginx::Peers::idle(0.3);
}

# no refresh ahead of its time, nobody is gone

sub quiet {
	my ($how) = @_;

	$hub->settle();
	$hub->settle_sip($xmpp);

	is($w->refresh()->code(), 200, "$how - dialog of a watcher");
	$w->notify(undef, 'active');
	ok($dialog->none(0), "$how - no refresh ahead of its time");
	is($hub->forgive(), '', "$how - dialogs");
}

sub restored {
	my ($how) = @_;

	my $m = $dialog->next();
	is($m && $m->call_id(), $dialog->request()->call_id(),
		"$how - dialog is refreshed");
	is($w->refresh()->code(), 200, "$how - dialog of the watcher");
}

###############################################################################
