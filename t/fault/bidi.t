#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of faults on bidirectional streams (XEP-0288), with and without stream
# management: what goes one way breaks with what goes the other way.

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
	->has_daemon('openssl')->plan(23);

my $g = Test::Nginx::Gateway->new($t, zone => '4m', federation => <<'EOF');
        trying_timeout 500ms;
        confirm_timeout 5s;
        transaction_timeout 8s;
EOF

$t->run();

my $tr;

foreach my $bidi (qw/ in out both /) {

	$tr = run("$bidi: nothing happens", sub {}, bidi => $bidi);

	# a stream that opens beside others makes answers under way uncertain

	my $beside = $bidi eq 'both' || $bidi eq 'out'
		&& ($ENV{TEST_NGINX_WORKERS} || 1) > 1;

	is($tr->others('sx', 202, 604, $beside ? 504 : ()), 0,
		"$bidi: no error to SIP users");
	is($tr->others('xs', 'taken', 'item-not-found'), 0,
		"$bidi: no error to XMPP users");

	run("$bidi: all streams are reset", sub {
		$_[0]->break('reset', 'xmpp_in', 'xmpp_out');
	}, bidi => $bidi);

	run("$bidi, stream management: all streams are reset", sub {
		$_[0]->break('reset', 'xmpp_in', 'xmpp_out');
	}, bidi => $bidi, sm => 1);

	next if $bidi eq 'both';

	run("$bidi: all streams end", sub {
		$_[0]->break('leave', 'xmpp_in', 'xmpp_out');
	}, bidi => $bidi);

	run("$bidi: half-closed", sub {
		$_[0]->break('fin', 'xmpp_in', 'xmpp_out');
	}, bidi => $bidi);

	run("$bidi: stalled", sub {
		$_[0]->stall(1, 'xmpp_in', 'xmpp_out');
	}, bidi => $bidi);

	run("$bidi: reloaded", sub { $t->reload() }, bidi => $bidi);
}

undef $_ foreach $tr, $g, $t;

###############################################################################

sub run {
	my ($name, $fault, %args) = @_;

	my $traffic = Test::Nginx::Traffic->new($g, patience => 12,
		silence => 12, %args);

	$traffic->at($_ * 3000, $fault) for 1 .. 6;

	return $traffic->check($name, timeout => 60);
}

###############################################################################
