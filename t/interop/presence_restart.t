#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of presence between a real Prosody and a real Kamailio while nginx is
# reloaded, and restarted.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Interop;
use Test::Nginx::Interop::Presence;
use Test::Nginx::Peers;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

Test::Nginx::Interop::need(qw/ prosody kamailio presence slixmpp /);

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(12);
my $d = $t->testdir();

my $i = Test::Nginx::Interop::Presence->new($t, 'prosody', 'active',
	"subscription_expires 10s; state $d/campus.state;");

my $juliet = $i->client('juliet@x.example/balcony');
my $romeo = $i->phone('romeo@s.example');

###############################################################################

$romeo->publish([{ id => 'ID-desk', basic => 'open' }]);
$juliet->presence('subscribe', to => 'romeo@s.example');
is($juliet->told(), 'subscribed romeo@s.example', 'to SIP');
is($juliet->told(), 'available romeo@s.example/desk', 'to SIP - presence');

$romeo->watch('juliet@x.example');
is($juliet->told(qr/^subscribe /), 'subscribe romeo@s.example', 'to XMPP');
$juliet->presence('subscribed', to => 'romeo@s.example');
is($romeo->heard('juliet@x.example', qr/ID/), 'active ID-balcony:open',
	'to XMPP - presence');

# both still see each other after a reload

my ($pid) = $t->read_file('nginx.pid') =~ /(\d+)/;

kill('HUP', $pid);
Test::Nginx::Interop::error_log($t, qr/gracefully shutting down/);

$juliet->presence('available', show => 'away');
is($romeo->heard('juliet@x.example', qr/ID/), 'active ID-balcony:open:away',
	'reload - to XMPP');
$romeo->publish([{ id => 'ID-desk', basic => 'open', show => 'dnd' }]);
is($juliet->told(qr/dnd/), 'available romeo@s.example/desk dnd',
	'reload - to SIP');

# and after a restart: dialogs and authorizations were in the state file, and
# what became of the users in the meantime is found out, though Kamailio may have
# dropped its subscription when its NOTIFY found nobody

Test::Nginx::Peers::stop($t);
$juliet->presence('available', show => 'xa');
$romeo->publish([{ id => 'ID-desk', basic => 'open', show => 'away' }]);
$t->run();

is($romeo->refresh('juliet@x.example'), 200, 'restart - refresh');
is($romeo->heard('juliet@x.example', qr/ID/), 'active ID-balcony:open:xa',
	'restart - to XMPP');
is($juliet->told(qr/desk away/), 'available romeo@s.example/desk away',
	'restart - to SIP');

$juliet->presence('available', show => 'chat');
is($romeo->heard('juliet@x.example', qr/chat/), 'active ID-balcony:open:chat',
	'restart - change - to XMPP');
$romeo->publish([{ id => 'ID-desk', basic => 'open', show => 'xa' }]);
is($juliet->told(qr/desk xa/), 'available romeo@s.example/desk xa',
	'restart - change - to SIP');

is($juliet->contact('romeo@s.example', 'both'), 'both', 'roster');

$juliet->quit();

###############################################################################
