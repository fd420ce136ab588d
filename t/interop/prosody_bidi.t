#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests with a real Prosody that speaks XEP-0288, and a real client: on streams
# of either, and with a Prosody that can not be connected to.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::Interop;
use Test::Nginx::Interop::Server;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

Test::Nginx::Interop::need(qw/ prosody slixmpp /);

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(26);

# another worker does not know of a stream

my $i = Test::Nginx::Interop::Server->new($t, 'prosody', 'external', bidi => 1,
	hidden => 1, workers => 1);

is($i->status('sip:juliet@x.example'), 404, 'it can not be found');
$i->messages();

like(log_file(), qr/inbound XMPP stream from "x.example" takes what "s.example"/,
	'what we send goes on its stream');
unlike(log_file(), qr/outbound XMPP stream is up/, 'none of ours was opened');

# now it can be found, and its stream is gone: on one of ours

$i->{dns}->add('_xmpp-server._tcp.x.example' => {
	SRV => [[0, 0, port(8269), 'xmpp.x.example']] });

$t->reload();
ok(Test::Nginx::Interop::error_log($t, qr/gracefully shutting down/),
	'reloaded');

$i->{romeo} = $i->sip();
is($i->status('sip:juliet@x.example'), 202, 'to XMPP');
ok(Test::Nginx::Interop::error_log($t,
	qr/outbound XMPP stream is up: .* both ways/), 'both ways');

my $n = () = log_file() =~ /inbound XMPP stream is up/g;
$i->{juliet}->message(to => 'romeo@s.example', id => 'o1', body => 'o1');
my $m;

do {
	$m = $i->{s}->wait_request(30, 'MESSAGE');
} while ($m && $m->body() ne 'o1');

ok($m, 'to SIP');
is(scalar(() = log_file() =~ /inbound XMPP stream is up/g), $n,
	'Prosody opens no stream');

undef $_ foreach $m, $i, $t;

###############################################################################

sub log_file {
	return $t->read_file('error.log');
}

###############################################################################
