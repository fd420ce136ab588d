#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# A binary upgrade, and a worker before it that can not end as a message of its
# is not answered: after some time the one that comes serves all the same, and
# what it knows is not replaced by what the other one knew.

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
my $d = $t->testdir();

my $g = Test::Nginx::Gateway->new($t, daemon => 'on', zone => '4m',
	main => $Test::Nginx::Host::ENV, federation => <<"EOF");
        state $d/state interval=50ms;
        transaction_timeout 18s;
        confirm_timeout 10s;
EOF

$g->start();

my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();
$hub->{silent} = 1;

my $w = $hub->watcher('u1@x.test', from => 'sip:r1@s.test');
is($w->subscribe()->code(), 200, 'SUBSCRIBE');
is($hub->told('u1@x.test'), 'subscribe r1@s.test', 'request');

my ($new, $old) = upgrade($t);

until_true(sub { logged($t, qr/"test" waits for the workers before/) });

# what is known now is written before the file is read

my $late = $hub->watcher('u2@x.test', from => 'sip:r2@s.test');
is($late->subscribe()->code(), 200, 'SUBSCRIBE beside');
is($hub->told('u2@x.test'), 'subscribe r2@s.test', 'request');

# a message that is not answered

my $stuck;

$hub->{auto} = sub {
	my ($m) = @_;
	return 200 unless $m->body() =~ /stuck/;
	$stuck = 1;
	return;
};

$xmpp->send($g->message('stuck', id => 'stuck'));
until_true(sub { $stuck });
ok($stuck, 'message');

kill 'WINCH', $old;
ok(until_true(sub {
	(() = logged($t, qr/"test" is served from now on/))
		== ($ENV{TEST_NGINX_WORKERS} || 1)
}), 'the new one serves');
ok(workers($old, 1), 'while there is an old worker');

$xmpp = $g->xmpp();

is($w->refresh()->code(), 200, 'dialog');
is($late->refresh()->code(), 200, 'dialog beside');

my $third = $hub->watcher('u3@x.test', from => 'sip:r3@s.test');
is($third->subscribe()->code(), 200, 'new dialog');
$w->unsubscribe();

# the old worker ends, and writes nothing

ok(until_true(sub { !workers($old, 1) }, 40), 'the old worker ends');
Test::Nginx::Peers::idle(0.5);

my $state = $t->read_file('state/state');
like($state, qr/u3x\.test|u3.{0,3}x\.test/s, 'state - new');
is((() = logged($t, qr/\[(?:crit|emerg|alert)\]/)), 0, 'log');

kill 'QUIT', $old;
until_true(sub { !alive($old) });

undef $_ for $w, $late, $third, $hub, $xmpp, $g, $t;

###############################################################################
