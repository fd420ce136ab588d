#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Peers try to negotiate TLS anew while messages cross: each time the gateway
# refuses, which costs a connection at most: XT-20.

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
	->has_daemon('openssl')->plan(16);

# TLS 1.3 has no such thing

my $g = Test::Nginx::Gateway->new($t, zone => '4m', level => 'info',
	server => 'ssl_protocols TLSv1.2;', federation => <<'EOF_');
        trying_timeout 500ms;
        confirm_timeout 2s;
        transaction_timeout 4s;
        ssl_protocols TLSv1.2;
        sip_ssl_protocols TLSv1.2;
EOF_

$t->run();

my @kinds = qw/ sip_out xmpp_out sip_in xmpp_in /;

run($_, $_) for @kinds;
run('all of them', @kinds);

is(join("\n", logged($t, qr/\[(?:crit|emerg|alert)\]/)), '', 'log');

Test::Nginx::Peers::stop($t);

###############################################################################

# those of a kind try, five times while messages cross

sub run {
	my ($name, @kinds) = @_;

	my $tr = Test::Nginx::Traffic->new($g, patience => 12,
		silence => 12)->listen();
	my @tried;

	$tr->at($_ * 20000 / 6, sub {
		push @tried, $tr->renegotiate(@kinds);
	}) for 1 .. 5;

	is(join("\n", $tr->run()), '', $name);
	note($tr->summary());

	cmp_ok(scalar @tried, '>=', 5 * @kinds, "$name, attempts");

	is(scalar(grep { !$_->{ended} } @tried), 0, "$name, refused");

	$tr->end();
}

###############################################################################
