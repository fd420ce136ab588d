#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of streams that break and are resumed (XEP-0198): all that was under way
# is delivered once, and nobody has an error.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Peers;
use Test::Nginx::Traffic;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(16);

# another worker does not know of a stream

my $g = Test::Nginx::Gateway->new($t, zone => '4m', workers => 1,
	federation => <<'EOF');
        trying_timeout 500ms;
        confirm_timeout 5s;
        transaction_timeout 8s;
EOF

$t->run();

my $traffic = run('nothing happens', sub {});
is($traffic->others('sx', 202, 604), 0, 'no error on the way to XMPP');

$traffic = run('streams of the gateway break', sub {
	$_[0]->break('reset', 'xmpp_in');
});

is($traffic->others('sx', 202, 604), 0, 'no error on the way to XMPP');
is($traffic->others('xs', 'taken', 'item-not-found'), 0,
	'no error on the way to SIP');
cmp_ok($traffic->{stats}{'resumed by the gateway'}, '>=', 5, 'resumed');

$traffic = run('streams of the peer break', sub {
	$_[0]->break('reset', 'xmpp_out');
});

is($traffic->others('sx', 202, 604), 0, 'no error on the way to XMPP');
is($traffic->others('xs', 'taken', 'item-not-found'), 0,
	'no error on the way to SIP');
cmp_ok($traffic->{stats}{'resumed by the peer'}, '>=', 5, 'resumed');

$traffic = run('all streams break', sub {
	$_[0]->break('reset', 'xmpp_in', 'xmpp_out');
});

is($traffic->others('sx', 202, 604), 0, 'no error on the way to XMPP');
is($traffic->others('xs', 'taken', 'item-not-found'), 0,
	'no error on the way to SIP');

# what is not resumed in time, or by a peer that has forgotten

$traffic = run('the peer forgets', sub {
	my ($tr) = @_;
	$tr->{sessions} = {};
	$tr->break('reset', 'xmpp_in');
});

is($traffic->others('sx', 202, 604, 504), 0, 'errors on the way to XMPP');
is($traffic->others('xs', 'taken', 'item-not-found'), 0,
	'no error on the way to SIP');

###############################################################################

sub run {
	my ($name, $fault) = @_;

	my $traffic = Test::Nginx::Traffic->new($g, sm => 1, patience => 12,
		silence => 12);

	$traffic->at($_ * 3000, $fault) for 1 .. 6;

	return $traffic->check($name);
}

###############################################################################
