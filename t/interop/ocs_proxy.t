#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of IM sessions with a real proxy, Kamailio, that stays in the route, and
# a user agent that is not ours, SIPp.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Interop;
use Test::Nginx::Interop::Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

Test::Nginx::Interop::need(qw/ kamailio sipp /);

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(8);

my $g = Test::Nginx::Gateway->new($t, sip => 'dialect=ocs',
	federation => 'invite_timeout 10s; session_timeout 20s;');

$g->start(no_sip => 1);

my $xmpp = $g->xmpp();

my $proxy = Test::Nginx::Interop::Proxy->new($t, $g->{ca}, cert => 's',
	port => port(8061), gateway => '127.0.0.1:' . port(8062),
	clients => port(8063), phone => '127.0.0.1:' . port(8064));

###############################################################################

# a SIP user calls

my $romeo = $proxy->phone('uac', port(8065), s => 'juliet',
	remote => '127.0.0.1:' . port(8063),
	key => { domain => 'x.test', home => 's.test' });

my $m = $g->{x}->stanza();
is($m && $m->text('body'), 'Neither, fair saint', 'message to XMPP');

$xmpp->send($g->message('Wherefore art thou?', from => 'juliet@x.test/b',
	to => 'romeo@s.test', type => 'chat'));

is($proxy->ended($romeo), '', 'who calls: all as RFC 3261 has it');

# he is called

$romeo = $proxy->phone('uas', port(8064));

$xmpp->send($g->message('Art thou not Romeo,', from => 'juliet@x.test/b',
	to => 'romeo@s.test', type => 'chat', id => 'm1')
	. $g->message('and a Montague?', from => 'juliet@x.test/b',
	to => 'romeo@s.test', type => 'chat', id => 'm2'));

# CST-03: that the user is gone ends the session

Test::Nginx::Peers::wait_until(sub { (grep { /^message/ } $g->log()) == 4 });

$xmpp->send("<message from='juliet\@x.test/b' to='romeo\@s.test' type='chat'>"
	. "<gone xmlns='http://jabber.org/protocol/chatstates'/></message>");

is($proxy->ended($romeo), '', 'who is called: all as RFC 3261 has it');

is(join("\n", grep { /^message/ } $g->log()), join("\n",
	'message s2x romeo@s.test juliet@x.test 200 accepted',
	('message x2s juliet@x.test romeo@s.test 200 accepted') x 3),
	'messages');

unlike($proxy->log(), qr/no route in|ERROR/, 'the proxy had its route');
like($proxy->log(), qr/^.*ACK \S+ route <sip:127/m, 'ACK has a route');
like($proxy->log(), qr/^.*BYE \S+ route <sip:127/m, 'BYE has a route');

is($g->{x}->stanza(0.1), undef, 'nothing else');

undef $_ for $romeo, $proxy, $xmpp, $g;

###############################################################################
