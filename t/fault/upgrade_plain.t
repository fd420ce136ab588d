#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# The binary is upgraded without "state", or in ways that are none: messages
# cross, and subscriptions are unknown to the zone that comes.

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

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(13);

my $g = Test::Nginx::Gateway->new($t, daemon => 'on', zone => '4m',
	main => $Test::Nginx::Host::ENV);

$g->start();

my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();

my $w = $hub->watcher('u1@x.test', from => 'sip:r1@s.test');
is($w->subscribe()->code(), 200, 'SUBSCRIBE');
is($hub->told('u1@x.test'), 'subscribe r1@s.test', 'request');

my ($new, $old) = upgrade($t);

ok(until_true(sub {
	(() = logged($t, qr/"test" waits for the workers before/))
		== ($ENV{TEST_NGINX_WORKERS} || 1)
}), 'one serves');
cross('beside', $xmpp);
is($w->refresh()->code(), 200, 'dialog');

# a new binary that is given up

kill 'QUIT', $new;
ok(until_true(sub { !alive($new) && master($t) == $old }), 'given up');
is($w->refresh()->code(), 200, 'dialog goes on');
cross('given up', $xmpp);

# another one, before which the old one is killed: its workers serve, and have
# to be told

($new, $old) = upgrade($t);

my @before = workers($old);

kill 'KILL', $old;
until_true(sub { !alive($old) });
is($w->refresh()->code(), 200, 'the master is killed - dialog');

kill 'QUIT', @before;
ok(until_true(sub { !grep { alive($_) } @before }), 'workers leave');
ok(until_true(sub {
	(() = logged($t, qr/"test" is served from now on/))
		== ($ENV{TEST_NGINX_WORKERS} || 1)
}), 'the other one serves');

$xmpp = $g->xmpp();
cross('afterwards', $xmpp);
is($w->refresh()->code(), 481, 'dialog is unknown');

undef $_ for $w, $hub, $xmpp, $g, $t;

###############################################################################

sub cross {
	my ($how, $c) = @_;

	$hub->settle();
	$hub->settle_sip($c);
	pass("$how - messages cross");
}

###############################################################################
