#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of policy over presence: what was allowed and is so no longer ends, at
# the next refresh at the latest, and what is refused is told so.

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
	->has_daemon('openssl')->plan(18);

my $timers = 'notify_interval 20ms; subscription_min 1s; poll_wait 300ms;';

my $g = Test::Nginx::Gateway->new($t, zone => '4m',
	stream => 'map $federation_sip_user $forbidden '
		. '{ default 1; banned@s.test 0; }',
	federation => "$timers permit \$forbidden;");

$g->start();

my $x = $g->{x};
my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();

# who may not, may neither watch nor be watched

my $w = $hub->watcher('u@x.test', from => 'sip:banned@s.test');
is($w->subscribe()->code(), 403, 'SUBSCRIBE');
ok($w->none(0.1) && $hub->quiet(to => 'u@x.test'), 'nothing crosses');

my $p = $hub->presentity('banned@s.test');
ask('u@x.test', 'banned@s.test', 'subscribe');
is($hub->told('u@x.test'), 'error banned@s.test forbidden', 'subscribe');
ok($p->none(0.1), 'nothing for SIP');
ask('u@x.test', 'banned@s.test', 'probe');
ok($p->none(0.1) && $hub->quiet(to => 'u@x.test'), 'nor with a probe');

# they do, and then may not any longer

$w = $hub->watcher('v@x.test', from => 'sip:r@s.test');
$w->subscribe();
$w->notify(undef, 'pending');
is($hub->told('v@x.test'), 'subscribe r@s.test', 'request');
ask('v@x.test', 'r@s.test', 'subscribed');
ask('v@x.test/a', 'r@s.test');
is($w->notify_line('ID-a:open')->state(), 'active', 'one is seen');

$p = $hub->presentity('p@s.test', notify => 'active',
	document => [{ id => 'ID-b', basic => 'open' }]);
ask('v@x.test', 'p@s.test', 'subscribe');
my $d = $p->subscription();
is($hub->told('v@x.test'), 'subscribed p@s.test', 'grant');
is($hub->told('v@x.test'), 'available p@s.test/b', 'the other one, too');

my $old = $xmpp;
$g->write(federation => "$timers permit 0;");
$t->reload();
ok($old->stream_closed(10), 'another configuration');
$xmpp = $g->xmpp();
my $c = $hub->connect();

$xmpp->send_presence(from => 'v@x.test/a', to => 'r@s.test', show => 'dnd');
is($w->refresh(conn => $c)->code(), 403, 'refresh');
my $n = $w->notify();
is($n->line(), 'terminated rejected ID-a:closed', 'the end, and no news');
is(seen(), 'unavailable r@s.test', 'he is offline'); # PB-19

my $m = $d->notify('active', [{ id => 'ID-b', basic => 'open',
	show => 'away' }], conn => $c);
is($d->response($m)->code(), 403, 'NOTIFY');
is(seen(), 'unavailable p@s.test/b', 'no longer seen');
is($d->next()->header('Expires'), 0, 'the end of the dialog');
is(seen(0.2), 'nothing', 'no news');

is($hub->wrong(), '', 'dialogs are as they should be');

###############################################################################

sub ask {
	$xmpp->send(Test::Nginx::XMPP::presence_xml(from => $_[0],
		to => $_[1], type => $_[2]));
}

sub seen {
	return Test::Nginx::Presence::line($x->presence($_[0],
		to => 'v@x.test'));
}

###############################################################################
