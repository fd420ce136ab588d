#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for hybrid federation: what is remembered of domains and users is
# bounded.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::DNS;
use Test::Nginx::Gateway;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl stream_return socket_ssl/)
	->has_daemon('openssl')->plan(6);

my $dns = Test::Nginx::DNS->new($t, {
	'host.test' => { A => '127.0.0.1' },
	'_xmpp-server._tcp.there.test' => { SRV => [
		[0, 0, port(8281), 'host.test']] },
	'*.many.test' => { SRV => [[0, 0, 0, '.']] },
}, ttl => 600);

# in 512k there are 256 notes at most, of 128 octets each: 8 pages

my $g = Test::Nginx::Gateway->new($t, zone => '512k', stream => <<'EOF',
    resolver 127.0.0.1:%%PORT_8053_UDP%% ipv6=off;

    server {
        listen 127.0.0.1:%%PORT_8063%%;
        return $federation_counter_test_free;
    }
EOF
	federation => 'default auto; private_addresses on;');

$g->{ca}->issue('there', cn => 'there.test', dns => 'there.test');

$dns->start();
$g->start();

my $x = Test::Nginx::XMPP::Server->listen('127.0.0.1:' . port(8281),
	domains => ['there.test'], $g->{ca}->ssl('there'), sasl_external => 1,
	gateway => '127.0.0.1:' . port(8270));

my $c = $g->sip();

is(code('u@there.test'), 202, 'message');

my $before = free();
my %codes;

$codes{code("u\@d$_.many.test")}++ for 1 .. 300;

my $after = free();

is(join(' ', %codes), '404 300', 'many domains');
cmp_ok($before - $after, '<=', 9 * 4096, 'what they take');

$codes{code("u\@d$_.many.test")}++ for 301 .. 600;

is(free(), $after, 'more of them take no more');

# users have the same room

%codes = ();
$codes{code("u$_\@there.test")}++ for 1 .. 300;

is(join(' ', %codes), '202 300', 'many users');
is(free(), $after, 'they take no more');

undef $c;
undef $x;

Test::Nginx::Peers::stop($t);

###############################################################################

sub code {
	my ($to) = @_;
	my $r = $c->transact('MESSAGE', "sip:$to", body => 'x');
	return $r ? $r->code() : 0;
}

sub free {
	my $s = IO::Socket::INET->new('127.0.0.1:' . port(8063)) or die;
	local $/;
	return <$s>;
}

###############################################################################
