#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# A peer that proves one domain after another, as who has a wildcard in DNS
# may: what is known of those that are gone is forgotten.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::Gateway;
use Test::Nginx::Peers;
use Test::Nginx::Samples;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(3);

my $g = Test::Nginx::Gateway->new($t, level => 'notice', federation => <<'EOF');
        xmpp_domain *.x2.test server=127.0.0.1:%%PORT_8269%% auth=dialback;
        confirm_timeout 100ms;
        trying_timeout 50ms;
EOF

$g->start(xmpp => { domains => [] });

my $samples = Test::Nginx::Samples->new($t, zone => 1048576);
my ($n, $proven) = (0, 0);
my @used;

for my $round (1 .. 12) {
	my $c = Test::Nginx::XMPP->login(PeerAddr => '127.0.0.1:' . port(8270),
		from => 'd' . $n++ . '.x2.test', to => 's.test',
		auth => 'dialback', $g->{ca}->ssl('x'));

	my @more = map { 'd' . $n++ . '.x2.test' } 1 .. 40;

	$c->send_result($_, 's.test', Test::Nginx::XMPP::key(
		$Test::Nginx::XMPP::SECRET, 's.test', $_, $c->stream_id()))
		foreach @more;

	foreach (@more) {
		my $e = $c->expect('result', 'jabber:server:dialback');
		$proven++ if $e && $e->attr('type') eq 'valid';
	}

	$c->close_stream();
	push @used, ($samples->zone())[1];

	Test::Nginx::Peers::idle(0.25);
}

is($proven, 480, 'domains proven');

note("octets in the zone: @used");

cmp_ok($used[11] - $used[3], '<', 8192, 'those that are gone take no room');
cmp_ok($used[3], '>', 0, 'a zone');

undef $_ for $g, $t;

###############################################################################
