#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of messages in sessions of the dialect "ocs" while peers close, reset
# and stall connections, end sessions, or have forgotten them, and nginx is
# reloaded and its workers are killed.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Host;
use Test::Nginx::Peers;
use Test::Nginx::Sessions;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(15)->todo_alerts();

my $g = Test::Nginx::Gateway->new($t, zone => '4m', dialect => 'ocs',
	level => 'info', main => 'worker_rlimit_core 0;',
	federation => <<'EOF_');
        trying_timeout 500ms;
        confirm_timeout 2s;
        invite_timeout 3s;
        transaction_timeout 4s;
EOF_

$t->run();

my $tr = run('nothing goes wrong');

is($tr->others('sx', 200, 404), 0, 'fates of SIP');
is($tr->others('xs', 'taken', 'item-not-found'), 0, 'fates of XMPP');

run('SIP server closes', sub { $_[0]->break('close', 'sip_in', 'sip_out') });
run('SIP server resets', sub { $_[0]->break('reset', 'sip_in', 'sip_out') });
run('SIP server restarts', sub { $_[0]->restart('sip', 0.5) });
run('XMPP server closes', sub { $_[0]->break('leave', 'xmpp_in', 'xmpp_out') });
run('XMPP server resets', sub { $_[0]->break('reset', 'xmpp_in', 'xmpp_out') });
run('SIP server stalls', sub { $_[0]->stall(1, 'sip_in', 'sip_out') });
run('SIP server ends sessions', sub { $_[0]->end_sessions() });
run('SIP server has forgotten sessions', sub { $_[0]->end_sessions(1) });

my $master = master($t);

run('reload', sub { kill 'HUP', $master });
run('workers are killed', sub { kill 'KILL', (workers($master))[0] });

is(join("\n", logged($t, qr/\[(?:crit|emerg)\]/)), '', 'log');
is((() = logged($t, qr/\[alert\](?!.*exited on signal)/)), 0,
	'no other alerts');

Test::Nginx::Peers::stop($t);

###############################################################################

# traffic while something happens several times

sub run {
	my ($name, $fault) = @_;

	my $tr = Test::Nginx::Sessions->new($g, patience => 12,
		silence => 12);

	$tr->at($_ * 20000 / 6, $fault) for $fault ? 1 .. 5 : ();

	return $tr->check($name, timeout => 60);
}

###############################################################################
