#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of presence with a real Linphone that is asked for its presence itself, as
# the real Kamailio before it is no presence server.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Interop;
use Test::Nginx::Interop::Presence;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

Test::Nginx::Interop::need(qw/ prosody kamailio linphonec slixmpp /);

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(11);

my $i = Test::Nginx::Interop::Presence->new($t, 'prosody', 'relay',
	'subscription_expires 10s;');

my $juliet = $i->client('juliet@x.example/balcony');
my $romeo = $i->linphone('romeo');

###############################################################################

# a stream is there: on a new one Prosody may send its answer to a stranger after
# what the user has said since

$juliet->message(to => 'romeo@s.example', body => 'Romeo?', id => 'm1');
$romeo->line(qr/Message received/, 20);

is($juliet->told(), 'subscribe romeo@s.example', 'to XMPP - asked');
$juliet->presence('subscribed', to => 'romeo@s.example');
is($i->friend($romeo, 'Online'), 'Online', 'to XMPP - approved');

$juliet->presence('subscribe', to => 'romeo@s.example');
is($juliet->told(), 'subscribed romeo@s.example', 'to SIP - add');

my $told = $juliet->told();
like($told, qr/^available romeo\@s\.example\/[^ ]+$/, 'to SIP - presence');
my ($device) = $told =~ /^available (.*)/;

# it ends the subscription when it leaves, without a reason, so that it is tried
# again for as long as it takes

$romeo->quit('quit');
is($juliet->told(qr/^unav/), "unavailable $device", 'to SIP - log off');

$romeo = $i->linphone('romeo');
$told = $juliet->told(qr/^av/);
like($told, qr/^available romeo\@s\.example\/[^ ]+$/, 'to SIP - log on');
($device) = $told =~ /^available (.*)/;

# it crashes: that is found out when the subscription is refreshed

$romeo->crash();
is($juliet->told(qr/^unav/), "unavailable $device", 'to SIP - crash');

$romeo = $i->linphone('romeo');
like($juliet->told(qr/^av/), qr/^available romeo\@s\.example\/[^ ]+$/,
	'to SIP - after the crash');
is($juliet->contact('romeo@s.example', 'both'), 'both', 'roster');

$juliet->presence('unsubscribe', to => 'romeo@s.example');
like($juliet->told(qr/^unav/), qr/romeo/, 'to SIP - remove');
is($juliet->contact('romeo@s.example', 'from'), 'from',
	'to SIP - remove - roster');

$romeo->quit('quit');
$juliet->quit();

###############################################################################
