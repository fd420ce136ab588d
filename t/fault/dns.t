#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of DNS that is dead, slow or fails while connections break and have to be
# made anew.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx qw/ :DEFAULT port /;
use Test::Nginx::DNS;
use Test::Nginx::Gateway;
use Test::Nginx::Peers;
use Test::Nginx::Traffic;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(11);

my %zone = (
	'_xmpp-server._tcp.x.test' => {
		SRV => [[0, 0, port(8269), 'xmpp.x.test']] },
	'xmpp.x.test' => { A => '127.0.0.1' },
	'_sipfederationtls._tcp.s.test' => {
		SRV => [[0, 0, port(8061), 's.test']] },
	's.test' => { A => '127.0.0.1' },
);

my $dns = Test::Nginx::DNS->new($t, \%zone);

my $g = Test::Nginx::Gateway->new($t, zone => '4m', stream => <<'EOF',
    resolver 127.0.0.1:%%PORT_8053_UDP%% valid=1s ipv6=off;
    resolver_timeout 1s;
EOF
	federation => <<'EOF');
        private_addresses on;
        trying_timeout 500ms;
        confirm_timeout 2s;
        transaction_timeout 4s;
EOF

# both are found by DNS

(my $conf = $t->read_file('nginx.conf')) =~ s/ server=127.0.0.1:\d+//g;
$t->write_file('nginx.conf', $conf);

$dns->start();
$t->run();

run('DNS is there', sub {});

run('DNS is dead', sub {
	$dns->set({ map { $_ => 'DROP' } keys %zone });
});

run('DNS is slow', sub {
	$dns->set({ map { my $name = $_;
		$name => { %{$zone{$name}}, delay => 0.4 } } keys %zone });
});

run('DNS fails', sub {
	$dns->set({ map { $_ => 'SERVFAIL' } keys %zone });
});

run('names are gone', sub { $dns->set({}); }, 404);

cmp_ok(scalar($dns->queries(qr/x\.test/)), '>', 4, 'DNS was asked again');

###############################################################################

# traffic while connections break and DNS is not well, for a while

sub run {
	my ($name, $fault, @fates) = @_;

	$dns->set(\%zone);

	my $traffic = Test::Nginx::Traffic->new($g, patience => 12,
		silence => 12, refused => 'remote-server-not-found');

	for my $i (1 .. 3) {
		$traffic->at($i * 5000, sub {
			my ($tr) = @_;

			$fault->();

			# what was learnt is forgotten after a second

			Test::Nginx::Peers::after(1.1, sub {
				$tr->break('reset', 'sip_in', 'xmpp_in');
			});
			Test::Nginx::Peers::after(2.5, sub {
				$dns->set(\%zone);
			});
		});
	}

	$traffic->check($name);

	is($traffic->others('sx', 202, 604, 504, @fates), 0,
		"$name - fates of SIP");
}

###############################################################################
