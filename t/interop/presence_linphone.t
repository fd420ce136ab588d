#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of presence with a real Linphone that publishes at a real Kamailio, and
# a user of a real Prosody.

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

Test::Nginx::Interop::need(qw/ prosody kamailio presence linphonec slixmpp /);

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(20);

my $i = Test::Nginx::Interop::Presence->new($t, 'prosody', 'active');

my $juliet = $i->client('juliet@x.example/balcony');
my $romeo = $i->linphone('romeo', publish => 1);

###############################################################################

# a stream is there: on a new one Prosody may send its answer to a stranger after
# what the user has said since

$juliet->message(to => 'romeo@s.example', body => 'Romeo?', id => 'm1');
$romeo->line(qr/Message received/, 20);

# Linphone watches

is($juliet->told(), 'subscribe romeo@s.example', 'to XMPP - asked');

$juliet->presence('subscribed', to => 'romeo@s.example');
is($i->friend($romeo, 'Online'), 'Online', 'to XMPP - approved');

foreach (['away', 'Away'], ['dnd', 'Busy'], ['chat', 'Online'],
	['xa', 'Away'])
{
	my ($show, $state) = @$_;

	$juliet->presence('available', show => $show);
	is($i->friend($romeo), $state, "to XMPP - $show");
}

$juliet->presence('unavailable');
is($i->friend($romeo), 'Offline', 'to XMPP - offline');
$juliet->presence('available');
is($i->friend($romeo), 'Online', 'to XMPP - online');

# Linphone is watched; it has no name for its device but a random one

$juliet->presence('subscribe', to => 'romeo@s.example');
is($juliet->told(), 'subscribed romeo@s.example', 'to SIP - add');

my $told = $juliet->told();
like($told, qr/^available romeo\@s\.example\/[^ ]+$/, 'to SIP - presence');
my ($device) = $told =~ /^available (.*)/;

# another device of his: Kamailio tells of both

my $phone = $i->phone('romeo@s.example');
$phone->publish([{ id => 'ID-desk', basic => 'open', show => 'away' }]);
is($juliet->told(qr/desk/), 'available romeo@s.example/desk away',
	'to SIP - two devices');

$phone->publish(undef);
is($juliet->told(qr/desk/), 'unavailable romeo@s.example/desk',
	'to SIP - one of them leaves');

# he leaves, and comes back

$romeo->quit('quit');
is($juliet->told(qr/^unav/, 60), "unavailable $device", 'to SIP - log off');

$romeo = $i->linphone('romeo', publish => 1);
like($juliet->told(), qr/^available romeo\@s\.example\/[^ ]+$/,
	'to SIP - log on');
is($i->friend($romeo), 'Offline', 'to XMPP - log on');
is($i->friend($romeo), 'Online', 'to XMPP - log on - presence');

# she cancels, and removes him

$juliet->presence('unsubscribed', to => 'romeo@s.example');
is($i->friend($romeo), 'Offline', 'to XMPP - cancelled');
is($juliet->contact('romeo@s.example', 'to'), 'to', 'roster');

$juliet->message(remove => 'romeo@s.example');
like($juliet->told(qr/^unav/), qr/romeo/, 'to SIP - remove');
is($juliet->contact('romeo@s.example', 'remove'), 'remove',
	'to SIP - remove - roster');

$romeo->quit('quit');
$juliet->quit();

###############################################################################
