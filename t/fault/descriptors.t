#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# A worker is out of descriptors: who connects waits, what needs a connection of
# the gateway's own fails with an error to its sender, and all is well again
# when there are some.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Host;
use Test::Nginx::Traffic;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->has_daemon('prlimit')->plan(10)
	->todo_alerts();

my $g = Test::Nginx::Gateway->new($t, zone => '4m', level => 'info');
my $tr = Test::Nginx::Traffic->new($g)->listen();

$t->run();

my $master = master($t);
my $hard = limit($$);
my $out = 0;

# none left: connections that are there go on

$tr->at(4000, sub { exhaust(); });

# ... but those that break can not be made again, on either side

$tr->at(6000, sub {
	lose(@{$tr->{sip_in}}, $tr->{sip_out}[0]);
	Test::Nginx::Peers::after(0.7, sub { restore(); });
});

$tr->at(13000, sub {
	exhaust();
	lose(@{$tr->{xmpp_listener}{conns}}, $tr->{sip_out}[1],
		$tr->{xmpp_out});
	Test::Nginx::Peers::after(0.7, sub { restore(); });
});

is(join("\n", $tr->run(timeout => 120)), '', 'each message has its fate');
note($tr->summary());

ok(until_true(sub { $out == 0 }), 'all over');
ok((() = logged($t, qr/socket\(\) failed \(24: Too many/)), 'outbound');
cmp_ok($tr->{stats}{'sx 202'}, '>', 2000, 'SIP to XMPP');
cmp_ok($tr->{stats}{'xs taken'}, '>', 2000, 'XMPP to SIP');

# what failed, failed at once, and is known to have

my $failed = $tr->others('sx', 202, 604, 'cut')
	+ $tr->others('xs', 'taken', 'item-not-found', 'cut');
cmp_ok($failed, '>', 0, 'errors to senders');

my $after = $tr->afterwards();

is(join("\n", @{$after->{problems}}), '', 'afterwards');
is($after->others('sx', 202, 604) + $after->others('xs', 'taken',
	'item-not-found'), 0, 'afterwards - fates');
note($after->summary());

is((() = logged($t, qr/\[alert\](?!.*(?:Too many open files|failed \(24))/)), 0,
	'no other alerts');
is((() = logged($t, qr/exited on signal/)), 0, 'no worker died');

Test::Nginx::Peers::stop($t);

undef $_ for $tr, $after, $g, $t;

###############################################################################

sub lose {
	for (@_) {
		$_->reset();
		$tr->ended($_);
	}
}

# no new one: the limit is one of numbers

sub exhaust {
	$out++;
	system('prlimit', "--nofile=3:$hard", '--pid', $_)
		for workers($master);
}

sub restore {
	$out--;
	system('prlimit', "--nofile=$hard:$hard", '--pid', $_)
		for workers($master);
}

sub limit {
	my ($pid) = @_;
	my ($n) = `prlimit --nofile --output=HARD --noheadings --pid $pid`
		=~ /(\d+)/;
	return $n;
}

###############################################################################
