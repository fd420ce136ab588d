#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of what peers do to connections: close, reset, half-close and stall
# them, and restart.

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
	->has_daemon('openssl')->plan(14);

my $g = Test::Nginx::Gateway->new($t, zone => '4m', federation => <<'EOF');
        trying_timeout 500ms;
        confirm_timeout 2s;
        transaction_timeout 4s;
EOF

$t->run();

# from the SIP server's side, and from the XMPP server's

run('SIP server closes', sub { $_[0]->break('close', 'sip_in', 'sip_out') });
run('XMPP server closes', sub { $_[0]->break('leave', 'xmpp_in', 'xmpp_out') });

run('SIP server resets', sub { $_[0]->break('reset', 'sip_in', 'sip_out') });
run('XMPP server resets', sub { $_[0]->break('reset', 'xmpp_in', 'xmpp_out') });

run('SIP server half-closes', sub { $_[0]->break('fin', 'sip_in', 'sip_out') });
run('XMPP server half-closes', sub {
	$_[0]->break('fin', 'xmpp_in', 'xmpp_out');
});

run('TLS ends without a stream end', sub {
	$_[0]->break('close', 'xmpp_in', 'xmpp_out');
});

run('SIP server stalls', sub { $_[0]->stall(1, 'sip_in', 'sip_out') });
run('XMPP server stalls', sub { $_[0]->stall(1, 'xmpp_in', 'xmpp_out') });

run('SIP server stalls for too long', sub { $_[0]->stall(6, 'sip_in') }, 1);
run('XMPP server stalls for too long', sub { $_[0]->stall(6, 'xmpp_in') }, 1);

run('SIP server restarts', sub { $_[0]->restart('sip', 0.5) });
run('XMPP server restarts', sub { $_[0]->restart('xmpp', 0.5) });
run('both restart', sub { $_[0]->restart($_, 0.5) for qw/ sip xmpp / });

###############################################################################

# traffic while something happens several times

sub run {
	my ($name, $fault, $times) = @_;

	my $traffic = Test::Nginx::Traffic->new($g, patience => 12,
		silence => 12);

	$times ||= 5;
	$traffic->at($_ * 20000 / ($times + 1), $fault) for 1 .. $times;

	$traffic->check($name);
}

###############################################################################
