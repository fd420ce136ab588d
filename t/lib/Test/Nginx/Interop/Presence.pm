package Test::Nginx::Interop::Presence;

# What the tests of presence with real servers share: x.example is on Prosody or
# ejabberd, s.example on Kamailio, the gateway between them.

###############################################################################

use warnings;
use strict;

use Test::More;

use Test::Nginx;
use Test::Nginx::CA;
use Test::Nginx::DNS;
use Test::Nginx::Interop;
use Test::Nginx::Interop::Phone;
use Test::Nginx::Peers;

###############################################################################

# starts all: new($t, 'prosody' | 'ejabberd', as kamailio's presence, more of
# the federation)

sub new {
	my ($class, $t, $kind, $presence, $more) = @_;

	my $d = $t->testdir();
	my $ca = Test::Nginx::CA->new($d);

	my $self = bless { t => $t, ca => $ca }, $class;

	$ca->issue('gw', cn => 'gw.example', dns => ['s.example', 'x.example'],
		uri => ['sip:x.example', 'sip:s.example']);
	$ca->issue('s', cn => 's.example', dns => ['s.example', 'localhost'],
		uri => 'sip:s.example');
	$ca->issue('x', cn => 'x.example', dns => 'x.example');

	# ejabberd asks the system for addresses, hence localhost

	my $dns = $self->{dns} = Test::Nginx::DNS->new($t, {
		'_xmpp-server._tcp.x.example' => {
			SRV => [[0, 0, port(8269), 'xmpp.x.example']] },
		'xmpp.x.example' => { A => '127.0.0.1' },
		'_xmpp-server._tcp.s.example' => {
			SRV => [[0, 0, port(8270), 'localhost']] },
	});

	my $workers = $ENV{TEST_NGINX_WORKERS} || 1;
	my $reuse = $workers > 1 ? 'reuseport' : '';

	$more = 'subscription_expires 60s;' unless defined $more;

	$t->write_file_expand('nginx.conf', <<EOF);

%%TEST_GLOBALS%%

daemon off;
worker_processes $workers;

events {
}

stream {
    %%TEST_GLOBALS_STREAM%%

    resolver 127.0.0.1:%%PORT_8053_UDP%% ipv6=off;

    log_format federation '\$federation_kind \$federation_from '
                          '\$federation_to \$federation_status';
    access_log $d/federation.log federation;

    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate $d/gw.crt;
    ssl_certificate_key $d/gw.key;

    federation campus {
        zone campus 4m;

        ssl_certificate $d/gw.crt;
        ssl_certificate_key $d/gw.key;
        ssl_trusted_certificate $d/ca.crt;

        sip_domain s.example home server=127.0.0.1:%%PORT_8061%%;
        xmpp_domain x.example auth=external;

        private_addresses on;
        unavailable_status 480;

        notify_interval 200ms;
        subscription_min 10s;
        resubscribe_delay 1s;
        poll_wait 300ms;
        denial_time 1s;
        $more
    }

    server {
        listen 127.0.0.1:%%PORT_8270%% $reuse;
        xmpp_federation campus;
    }

    server {
        listen 127.0.0.1:%%PORT_8062%% ssl $reuse;
        ssl_client_certificate $d/ca.crt;
        ssl_verify_client on;
        sip_federation campus;
    }
}

EOF

	$dns->start();
	$t->run();

	my $start = Test::Nginx::Interop->can($kind);
	$start->($t, $ca, c2s => port(8222), s2s => port(8269),
		dns => $dns->addr(), auth => 'external', hosts => {
			'x.example' => { cert => 'x', users => { map {
				$_ => 'secret' } qw/ juliet nurse / } } });

	$self->{log} = Test::Nginx::Interop::kamailio($t, $ca,
		domain => 's.example', cert => 's', port => port(8061),
		clients => port(8063), peer => 'x.example',
		gateway => '127.0.0.1:' . port(8062),
		users => [qw/ romeo paris mercutio /], presence => $presence);

	return $self;
}

# a client that is logged in to the XMPP server

sub client {
	my ($self, $jid) = @_;

	return Test::Nginx::Interop::xmpp_client($self->{t}, undef, $jid,
		'secret', port(8222));
}

# a scripted client of Kamailio

sub phone {
	my ($self, $user) = @_;
	return Test::Nginx::Interop::Phone->new($user, port(8063));
}

###############################################################################

# a user of XMPP watches users of SIP; romeo lets her, paris and mercutio do not

sub to_sip {
	my ($self) = @_;

	my $t = $self->{t};
	my $juliet = $self->client('juliet@x.example/balcony');
	my $romeo = $self->phone('romeo@s.example');
	my $paris = $self->phone('paris@s.example');

	$self->rules('romeo@s.example', 'juliet@x.example' => 'allow');
	$self->rules('mercutio@s.example', 'juliet@x.example' => 'block');

	is($romeo->publish([{ id => 'ID-desk', basic => 'open' }]), 200,
		'to SIP - publishes');

	# add

	$juliet->presence('subscribe', to => 'romeo@s.example');

	is($juliet->told(), 'subscribed romeo@s.example', 'to SIP - add');
	is($juliet->told(), 'available romeo@s.example/desk',
		'to SIP - presence');
	is($juliet->contact('romeo@s.example', 'to'), 'to',
		'to SIP - roster');

	# change

	foreach my $show (qw/ away dnd xa chat /) {
		$romeo->publish([{ id => 'ID-desk', basic => 'open',
			show => $show }]);
		is($juliet->told(), "available romeo\@s.example/desk $show",
			"to SIP - $show");
	}

	$romeo->publish([{ id => 'ID-desk', basic => 'open',
		note => 'with Friar Laurence' }]);
	is($juliet->told(), 'available romeo@s.example/desk',
		'to SIP - no show');
	is($juliet->{last}{status}, 'with Friar Laurence', 'to SIP - status');

	$romeo->publish([{ id => 'ID-desk', basic => 'open' }],
		xml => Test::Nginx::PIDF::person('busy'));
	is($juliet->told(), 'available romeo@s.example/desk dnd',
		'to SIP - activity');

	# he goes and comes

	$romeo->publish(undef);
	is($juliet->told(), 'unavailable romeo@s.example/desk',
		'to SIP - offline');

	$romeo->publish([{ id => 'ID-desk', basic => 'open' }]);
	is($juliet->told(), 'available romeo@s.example/desk',
		'to SIP - online');

	$romeo->publish([{ id => 'ID-desk', basic => 'closed' }]);
	is($juliet->told(), 'unavailable romeo@s.example/desk',
		'to SIP - closed');

	$romeo->publish([{ id => 'ID-desk', basic => 'open' },
		{ id => 'ID-phone', basic => 'open', show => 'away' }]);
	is($juliet->told(), 'available romeo@s.example/desk',
		'to SIP - one of two');
	is($juliet->told(), 'available romeo@s.example/phone away',
		'to SIP - the other');

	# she goes and comes

	$juliet->quit();
	$juliet = $self->client('juliet@x.example/garden');

	is(join(', ', sort map { $juliet->told() } 1 .. 2),
		'available romeo@s.example/desk, '
		. 'available romeo@s.example/phone away',
		'to SIP - log on');
	is($juliet->contact('romeo@s.example', 'to'), 'to',
		'to SIP - log on - roster');

	# remove, and what he does then is not seen; re-add

	$juliet->presence('unsubscribe', to => 'romeo@s.example');

	is(join(', ', sort map { $juliet->told(qr/^unav/) } 1 .. 2),
		'unavailable romeo@s.example/desk, '
		. 'unavailable romeo@s.example/phone',
		'to SIP - remove');
	is($juliet->contact('romeo@s.example', 'none'), 'none',
		'to SIP - remove - roster');

	$romeo->publish([{ id => 'ID-desk', basic => 'open', show => 'xa' }]);
	$juliet->presence('subscribe', to => 'romeo@s.example');

	is($juliet->told(qr/^(?!unsubscribed)/), 'subscribed romeo@s.example',
		'to SIP - add again');
	is($juliet->told(), 'available romeo@s.example/desk xa',
		'to SIP - add again - presence');
	is($juliet->contact('romeo@s.example', 'to'), 'to',
		'to SIP - add again - roster');

	# remove the contact altogether

	$juliet->message(remove => 'romeo@s.example');

	is($juliet->told(qr/^unav/), 'unavailable romeo@s.example/desk',
		'to SIP - forget');
	is($juliet->contact('romeo@s.example', 'remove'), 'remove',
		'to SIP - forget - roster');

	# ask, be let, be put out, be let again

	$paris->publish([{ id => 'ID-hall', basic => 'open' }]);
	$juliet->presence('subscribe', to => 'paris@s.example');

	is($juliet->contact('paris@s.example', 'none subscribe'),
		'none subscribe', 'to SIP - asked');
	ok($self->state('juliet@x.example', 'pending'),
		'to SIP - pending');

	$self->rules('paris@s.example', 'juliet@x.example' => 'allow');
	is($juliet->told(qr/paris/), 'subscribed paris@s.example',
		'to SIP - approved');
	is($juliet->told(), 'available paris@s.example/hall',
		'to SIP - approved - presence');

	$self->rules('paris@s.example', 'juliet@x.example' => 'block');
	is($juliet->told(), 'unavailable paris@s.example/hall',
		'to SIP - cancelled - presence');
	is($juliet->told(), 'unsubscribed paris@s.example',
		'to SIP - cancelled');
	is($juliet->contact('paris@s.example', 'none'), 'none',
		'to SIP - cancelled - roster');

	$self->rules('paris@s.example', 'juliet@x.example' => 'allow');
	$juliet->presence('subscribe', to => 'paris@s.example');
	is($juliet->told(), 'subscribed paris@s.example',
		'to SIP - let again');

	# refuse

	$juliet->presence('subscribe', to => 'mercutio@s.example');
	is($juliet->told(qr/mercutio/), 'unsubscribed mercutio@s.example',
		'to SIP - refused');
	is($juliet->contact('mercutio@s.example', 'none'), 'none',
		'to SIP - refused - roster');

	$juliet->presence('subscribe', to => 'nobody@s.example');
	like($juliet->told(qr/nobody/), qr/^error nobody\@s\.example item-not/,
		'to SIP - unknown');

	$juliet->quit();
}

# a user of SIP watches users of XMPP

sub to_xmpp {
	my ($self) = @_;

	my $juliet = $self->client('juliet@x.example/balcony');
	my $romeo = $self->phone('romeo@s.example');

	# ask, be refused

	is($romeo->watch('juliet@x.example'), 200, 'to XMPP - add');
	is($romeo->heard('juliet@x.example'), 'pending', 'to XMPP - pending');
	is($juliet->told(qr/^subscribe /), 'subscribe romeo@s.example',
		'to XMPP - asked');

	$juliet->presence('unsubscribed', to => 'romeo@s.example');
	is($romeo->heard('juliet@x.example'), 'terminated rejected',
		'to XMPP - refused');
	is($romeo->watch('juliet@x.example'), 403,
		'to XMPP - refused for a while');

	# ask again, be let

	my $status;
	my $end = Test::Nginx::Peers::now() + 10;

	while (($status = $romeo->watch('juliet@x.example')) == 403
		&& Test::Nginx::Peers::now() < $end)
	{
		Test::Nginx::Peers::idle(0.1);
	}

	is($status, 200, 'to XMPP - add again');
	is($romeo->heard('juliet@x.example'), 'pending',
		'to XMPP - pending again');
	is($juliet->told(qr/^subscribe /), 'subscribe romeo@s.example',
		'to XMPP - asked again');

	$juliet->presence('subscribed', to => 'romeo@s.example');
	is($romeo->heard('juliet@x.example', qr/balcony/),
		'active ID-balcony:open', 'to XMPP - approved');
	is($juliet->contact('romeo@s.example', 'from'), 'from',
		'to XMPP - roster');

	# change

	foreach my $show (qw/ away dnd xa chat /) {
		$juliet->presence('available', show => $show);
		is($romeo->heard('juliet@x.example'),
			"active ID-balcony:open:$show", "to XMPP - $show");
	}

	$juliet->presence('unavailable');
	is($romeo->heard('juliet@x.example'), 'active ID-balcony:closed',
		'to XMPP - offline');

	$juliet->presence('available', status => 'come, night');
	is($romeo->heard('juliet@x.example'), 'active ID-balcony:open',
		'to XMPP - online');

	# two resources, log off and log on

	my $garden = $self->client('juliet@x.example/garden');
	like($romeo->heard('juliet@x.example'), qr/^active (?=.*ID-balcony:open)
		(?=.*ID-garden:open)/x, 'to XMPP - two resources');

	$juliet->quit();
	is($romeo->heard('juliet@x.example', qr/y:cl/) =~ /garden:open/, 1,
		'to XMPP - one of them leaves');

	$garden->quit();
	is($romeo->heard('juliet@x.example', qr/n:cl/),
		'active ID-garden:closed', 'to XMPP - log off');

	$juliet = $self->client('juliet@x.example/orchard');
	is($romeo->heard('juliet@x.example', qr/:open/),
		'active ID-orchard:open', 'to XMPP - log on');

	# he refreshes, goes and comes: she is not asked

	is($romeo->refresh('juliet@x.example'), 200, 'to XMPP - refresh');
	is($romeo->heard('juliet@x.example'), 'active ID-orchard:open',
		'to XMPP - refresh - presence');

	is($romeo->unwatch('juliet@x.example'), 200, 'to XMPP - leave');
	is($romeo->heard('juliet@x.example'),
		'terminated timeout ID-orchard:closed',
		'to XMPP - leave - end');
	is($juliet->told(qr/romeo/), 'unavailable romeo@s.example',
		'to XMPP - leave - told');
	is($juliet->contact('romeo@s.example', 'from'), 'from',
		'to XMPP - leave - roster');

	is($romeo->watch('juliet@x.example'), 200, 'to XMPP - return');
	is($romeo->heard('juliet@x.example', qr/ID/), 'active ID-orchard:open',
		'to XMPP - return - presence');

	# she cancels; he asks again; she removes him

	$juliet->presence('unsubscribed', to => 'romeo@s.example');
	is($romeo->heard('juliet@x.example', qr/term/),
		'terminated rejected ID-orchard:closed', 'to XMPP - cancelled');
	is($juliet->contact('romeo@s.example', 'none'), 'none',
		'to XMPP - cancelled - roster');

	is($romeo->watch('juliet@x.example'), 200,
		'to XMPP - add after that');
	is($juliet->told(qr/^subscribe /), 'subscribe romeo@s.example',
		'to XMPP - asked after that');
	$juliet->presence('subscribed', to => 'romeo@s.example');
	is($romeo->heard('juliet@x.example', qr/ID/),
		'active ID-orchard:open', 'to XMPP - let after that');

	$juliet->message(remove => 'romeo@s.example');
	is($romeo->heard('juliet@x.example', qr/term/),
		'terminated rejected ID-orchard:closed', 'to XMPP - forgotten');

	# one who is offline is asked when she comes

	is($romeo->watch('nurse@x.example'), 200, 'to XMPP - offline user');
	is($romeo->heard('nurse@x.example'), 'pending',
		'to XMPP - offline user - pending');

	my $nurse = $self->client('nurse@x.example/hall');
	is($nurse->told(), 'subscribe romeo@s.example',
		'to XMPP - offline user - asked');
	$nurse->presence('subscribed', to => 'romeo@s.example');
	is($romeo->heard('nurse@x.example', qr/ID/), 'active ID-hall:open',
		'to XMPP - offline user - let');

	# nobody

	is($romeo->watch('nobody@x.example'), 200, 'to XMPP - unknown user');
	is($romeo->heard('nobody@x.example'), 'pending',
		'to XMPP - unknown user - pending');

	# Prosody says unavailable and no more, ejabberd nothing: as of one who
	# does not answer

	$romeo->refresh('nobody@x.example');
	is($romeo->heard('nobody@x.example'), 'pending',
		'to XMPP - unknown user - still');

	$_->quit() foreach $juliet, $nurse;
}

# each watches the other

sub mutual {
	my ($self) = @_;

	my $nurse = $self->client('nurse@x.example/hall');
	my $romeo = $self->phone('romeo@s.example');

	$self->rules('romeo@s.example', 'nurse@x.example' => 'allow');

	$romeo->publish([{ id => 'ID-desk', basic => 'open' }]);
	is($romeo->watch('nurse@x.example'), 200, 'mutual - add');
	is($romeo->heard('nurse@x.example', qr/ID/), 'active ID-hall:open',
		'mutual - to XMPP');

	$nurse->presence('subscribe', to => 'romeo@s.example');
	is($nurse->told(), 'subscribed romeo@s.example', 'mutual - to SIP');
	is($nurse->told(), 'available romeo@s.example/desk',
		'mutual - to SIP - presence');
	is($nurse->contact('romeo@s.example', 'both'), 'both',
		'mutual - roster');

	$romeo->unwatch('nurse@x.example');
	is($romeo->heard('nurse@x.example', qr/term/),
		'terminated timeout ID-hall:closed', 'mutual - leave');

	$romeo->publish([{ id => 'ID-desk', basic => 'open', show => 'away' }]);
	is($nurse->told(), 'available romeo@s.example/desk away',
		'mutual - leave - he is still there');

	$nurse->quit();
}

# Linphone behind Kamailio; what it says next of juliet, whom it has as a friend,
# or that she is in a state

sub linphone {
	my ($self, $user, %a) = @_;

	my $p = Test::Nginx::Interop::linphone($self->{t}, $self->{ca}, $user,
		's.example', port(8063), %a);

	$p->say('friend add "Juliet" sip:juliet@x.example');

	return $p;
}

sub friend {
	my ($self, $p, $state) = @_;

	$state = '\w' unless defined $state;
	my $line = $p->line(qr/Friend "Juliet" .* is $state/, 20);
	return defined $line && $line =~ / is (\w.*?)\s*$/ ? $1 : 'nothing';
}

# who may watch a user of Kamailio

sub rules {
	my ($self, $user, %rules) = @_;
	Test::Nginx::Interop::presence_rules($self->{t}, $user, %rules);
}

# waits until Kamailio has told a watcher such a state

sub state {
	my ($self, $watcher, $state) = @_;

	my $end = Test::Nginx::Peers::now() + 20;

	until (Test::Nginx::Interop::_read($self->{log})
		=~ /NOTIFY to sip:\Q$watcher\E, $state/)
	{
		return if Test::Nginx::Peers::now() > $end;
		Test::Nginx::Peers::idle(0.05);
	}

	return 1;
}

###############################################################################

1;

###############################################################################
