#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# The zone is full of subscriptions, and the disk of "state" is full, while
# messages cross: they do not mind.

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
	->has_daemon('openssl')->plan(10);
my $d = $t->testdir();

my $g = Test::Nginx::Gateway->new($t, zone => '1m', level => 'info',
	federation => <<"EOF");
        state $d/state interval=50ms;
        user_contacts 100000;
        user_watchers 100000;
        subscription_min 1s;
        domain_subscriptions 100000;
EOF

my $tr = Test::Nginx::Traffic->new($g)->listen();

# NOTIFYs are answered

{
	no warnings 'redefine';
	my $message = \&Test::Nginx::Traffic::SIP::message;

	*Test::Nginx::Traffic::SIP::message = sub {
		my ($self, $head, $body) = @_;

		return $self->answer($head, 200) if $head =~ /^NOTIFY /;
		$message->($self, $head, $body);
	};
}

$t->run();

# subscriptions that are over soon, until there is no room, and the disk full

my ($flood, $n, $running) = (undef, 0, 0);
my $more;

$more = sub {
	return unless $running && $n < 6000;

	for (1 .. 40) {
		$n++;
		$flood->request('SUBSCRIBE', "sip:w$n\@x.test",
			from => 'sip:flood@s.test',
			Contact => '<sip:flood@s.test>',
			headers => ['Event: presence', 'Expires: 60',
			'Accept: application/pidf+xml']);
	}

	$running = 0 if logged($t, qr/is refused: the zone "test" is full/);
	Test::Nginx::Peers::after(0.02, $more);
};

$tr->at(2000, sub {
	full();
	$flood = $g->sip();
	$running = 1;
	$more->();
});

# further on when it is

$tr->at(8000, sub { until_true(sub { !$running }) });
$tr->at(9000, sub {
	ok((() = logged($t, qr/state of federation "test" is not saved/)),
		'the disk is full');
	ok((() = logged($t, qr/is refused: the zone "test" is full/)),
		'the zone is full');
});

is(join("\n", $tr->run(timeout => 150)), '', 'each message has its fate');
note($tr->summary());

is($tr->others('sx', 202, 604), 0, 'fates of SIP');
is($tr->others('xs', 'taken', 'item-not-found'), 0, 'fates of XMPP');
ok($n, 'subscriptions');

unlink glob("$d/state/state.new-*");
rmdir for glob("$d/state/state.new-*");

ok(until_true(sub { -s "$d/state/state" && (-s _) > 30000 }), 'saved');
ok(until_true(sub { logged($t, qr/"test" is saved again/) }), 'saved again');

is((() = logged($t, qr/exited on signal/)), 0, 'no worker died');
is(join("\n", logged($t, qr/\[(?:emerg|alert)\]/)), '', 'log');

$tr->end();
undef $more;
undef $_ for $flood, $tr, $g, $t;

###############################################################################

# neither can a directory be written to, nor one that is not empty be removed;
# /dev/full needs no privilege

sub full {
	symlink '/dev/full', "$d/state/state.new-$_" for 0 .. 63;
	mkdir "$d/state/state.new-$_" for 64 .. 127;
	Test::Nginx::Peers::after(0.3, \&again);
}

# what failed was removed

sub again {
	return unless $t;
	return if $tr && !$tr->{running};
	mkdir "$d/state/state.new-$_" for 0 .. 63;
	Test::Nginx::Peers::after(0.1, \&again);
}

###############################################################################
