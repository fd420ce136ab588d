#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# The XMPP server ends its stream again and again, in good order, and goes on on
# another one, which any worker may have: what waits at one is not overtaken by
# what comes to another.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Traffic;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(4);

my $g = Test::Nginx::Gateway->new($t, zone => '4m', level => 'info');
my $tr = Test::Nginx::Traffic->new($g, window => 8)->listen();

# late answers, so that messages wait

$tr->{on_sip} = sub {
	my ($c, $head, $pair, $i) = @_;

	$tr->got('xs', $pair, $i);
	Test::Nginx::Peers::after(0.03, sub { $c->answer($head, 200) });
	return 1;
};

$t->run();

my $n = 0;

$tr->at(300 * $_, sub {
	my $c = $tr->{xmpp_out};

	$n++, $c->leave() if $c && $c->{up};
}) for 1 .. 66;

is(join("\n", $tr->run(timeout => 120)), '', 'each message has its fate');
note($tr->summary());
cmp_ok($n, '>', 20, 'streams');

# a stream that ends takes the barrier's answers along: uncertain

is($tr->others('sx', 202, 604, 504), 0, 'fates of SIP');
is($tr->others('xs', 'taken', 'item-not-found'), 0, 'fates of XMPP');

$tr->end();
delete @$tr{qw/ on_sip /};

undef $_ for $tr, $g, $t;

###############################################################################
