#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Workers have no connections left, as strangers hold them: messages over what
# is there cross, what needs another connection fails with an error to its
# sender, and all is well again when the strangers are gone.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::Gateway;
use Test::Nginx::Host;
use Test::Nginx::Traffic;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(8)->todo_alerts();

# two that listen, the channel, what wakes the worker, and some links

my $room = 24;
my $workers = $ENV{TEST_NGINX_WORKERS} || 1;

my $g = Test::Nginx::Gateway->new($t, zone => '4m', level => 'info',
	events => "worker_connections $room;");
my $tr = Test::Nginx::Traffic->new($g)->listen();

$t->run();

my @strangers;

$tr->at(4000, sub {
	for (1 .. 12 * $room * $workers) {
		push @strangers, IO::Socket::INET->new(
			PeerAddr => '127.0.0.1:' . port($_ % 2 ? 8062 : 8270))
			|| ();
	}

	until_true(sub {
		logged($t, qr/worker_connections are not enough/);
	}, 5);
});

# what breaks now can not be made again

$tr->at(7000, sub {
	for (@{$tr->{sip_in}}, $tr->{sip_out}[0]) {
		$_->reset();
		$tr->ended($_);
	}

	Test::Nginx::Peers::after(0.7, sub { @strangers = (); });
});

is(join("\n", $tr->run(timeout => 120)), '', 'each message has its fate');
note($tr->summary());

until_true(sub { !@strangers });

ok((() = logged($t, qr/worker_connections are not enough/)), 'none left');
cmp_ok($tr->{stats}{'sx 202'}, '>', 2000, 'SIP to XMPP');
cmp_ok($tr->{stats}{'xs taken'}, '>', 2000, 'XMPP to SIP');

my $after = $tr->afterwards();

is(join("\n", @{$after->{problems}}), '', 'afterwards');
is($after->others('sx', 202, 604) + $after->others('xs', 'taken',
	'item-not-found'), 0, 'afterwards - fates');
note($after->summary());

is((() = logged($t, qr/\[alert\](?!.*worker_connections are not enough)/)), 0,
	'no other alerts');
is((() = logged($t, qr/exited on signal/)), 0, 'no worker died');

Test::Nginx::Peers::stop($t);

undef $_ for $tr, $after, $g, $t;

###############################################################################
