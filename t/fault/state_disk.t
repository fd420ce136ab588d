#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# The disk of "state" is full: the old file stays whole, the log says so and
# does not grow, everything else goes on, and the file is written when there is
# room again.

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
	->has_daemon('openssl')->plan(16);
my $d = $t->testdir();
my $new = "$d/state/state.new-";

my $g = Test::Nginx::Gateway->new($t, zone => '4m', federation => <<"EOF");
        state $d/state interval=50ms;
        notify_interval 50ms;
EOF

$g->start();

my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();

subscribe('u1');
ok(until_true(sub { saved('u1') }), 'saved');

# a device without room in the place of the file that is written first, for
# whatever process writes it: needs no privilege

full();
subscribe('u2');
ok(until_true(sub { logged($t, qr/\[crit\].*28: No space left/) }), 'no room');
is((logged($t, qr/state of federation "test" is not saved/))[0] =~
	/stays as it was: make room/ ? 1 : 0, 1, 'the log says what to do');

# the device was removed as what can not be finished is, so the next one is
# written

ok(until_true(sub { saved('u2') }), 'saved as there is room');
ok(until_true(sub { logged($t, qr/\[notice\].*"test" is saved again/) }),
	'the log says so');

# and so as long as it takes: a directory can not be removed like that

unlink glob("$new*");

for my $n (0 .. 127) {
	until_true(sub { mkdir "$new$n" }) or die "$new$n: $!";
}

my $good = $t->read_file('state/state');
subscribe('u3');
ok(until_true(sub {
	(() = logged($t, qr/\[crit\].*state of federation "test" is not/)) > 1
}), 'not saved');

subscribe("v$_") for 1 .. 3;
$hub->settle();
$hub->settle_sip($xmpp);
pass('messages cross');

# many attempts, and a line for the first one

until_true(sub {
	(() = logged($t, qr/\[info\].*state of federation "test" is not/)) > 10
});
is((() = logged($t, qr/\[crit\].*state of federation "test" is not/)), 2,
	'the log does not grow');

ok($t->read_file('state/state') eq $good, 'the old file stays as it was');

# killed now, it has what was saved last

rmdir "$new$_" for 0 .. 127;
ok(until_true(sub { saved('u3') && saved('v3') }), 'saved');

undef $_ for $hub, $xmpp, $g, $t;

###############################################################################

sub full {
	symlink '/dev/full', "$new$_" or die "$new$_: $!" for 0 .. 127;
}

# a name is in the file

sub saved {
	my ($user) = @_;
	my $s = eval { $t->read_file('state/state') };
	return defined $s && $s =~ /\Q$user\Ex\.test/;
}

sub subscribe {
	my ($user) = @_;
	is($hub->watcher("$user\@x.test", from => 'sip:r@s.test')->subscribe()
		->code(), 200, "SUBSCRIBE $user");
}

###############################################################################
