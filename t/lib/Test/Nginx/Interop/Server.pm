package Test::Nginx::Interop::Server;

# What the tests with real XMPP servers share: x.example is on the real server,
# s.example on a scripted SIP server, the gateway between them.

###############################################################################

use warnings;
use strict;

use Test::More;

use Test::Nginx;
use Test::Nginx::CA;
use Test::Nginx::DNS;
use Test::Nginx::Interop;
use Test::Nginx::Peers;
use Test::Nginx::SIP;

###############################################################################

# starts all: new($t, 'prosody' | 'ejabberd', 'external' | 'dialback'); bidi, of
# Prosody; direct, DNS leads to direct TLS first, both ways; hidden, DNS does not
# lead to the server; workers

sub new {
	my ($class, $t, $kind, $auth, %a) = @_;

	my $d = $t->testdir();
	my $ca = Test::Nginx::CA->new($d);

	my $self = bless { ca => $ca, d => $d, auth => $auth }, $class;

	$ca->issue('gw', cn => 'gw.example', dns => ['s.example', 'x.example'],
		uri => ['sip:x.example', 'sip:s.example']);
	$ca->issue('s', cn => 's.example', dns => 's.example',
		uri => 'sip:s.example');

	my %shape = (
		x => [dns => 'x.example'],
		stranger => [dns => 'stranger.example'],
		expired => [dns => 'expired.example', expired => 1],
		wrong => [dns => 'other.example'],
		self => [dns => 'self.example', self_signed => 1],
	);

	my (%hosts, %zone);

	foreach my $name (sort keys %shape) {
		$ca->issue($name, cn => "$name.example", @{$shape{$name}});
		$hosts{"$name.example"} = { cert => $name,
			users => { juliet => 'secret', nurse => 'secret' } };
		$zone{"_xmpp-server._tcp.$name.example"} = {
			SRV => [[1, 0, port(8269), 'xmpp.x.example']] };
		$zone{"_xmpps-server._tcp.$name.example"} = {
			SRV => [[0, 0, port(8273), 'xmpp.x.example']] }
			if $a{direct};
	}

	$zone{'_xmpps-server._tcp.s.example'} = {
		SRV => [[0, 0, port(8271), 'localhost']] } if $a{direct};

	delete $zone{'_xmpp-server._tcp.x.example'} if $a{hidden};

	# ejabberd asks the system for addresses, hence localhost

	my $dns = $self->{dns} = Test::Nginx::DNS->new($t, {
		%zone,
		'xmpp.x.example' => { A => '127.0.0.1' },
		'_xmpp-server._tcp.s.example' => {
			SRV => [[1, 0, port(8270), 'localhost']] },
	});

	my $workers = $a{workers} || $ENV{TEST_NGINX_WORKERS} || 1;
	my $reuse = $workers > 1 ? 'reuseport' : '';

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
        zone campus 1m;

        ssl_certificate $d/gw.crt;
        ssl_certificate_key $d/gw.key;
        ssl_trusted_certificate $d/ca.crt;

        sip_domain s.example home server=127.0.0.1:%%PORT_8061%%;

        xmpp_domain x.example auth=$auth;
        xmpp_domain expired.example auth=external;
        xmpp_domain wrong.example auth=external;
        xmpp_domain self.example auth=external;

        deny refused.example;
        private_addresses on;
        unavailable_status 480;
    }

    server {
        listen 127.0.0.1:%%PORT_8270%% $reuse;
        listen 127.0.0.1:%%PORT_8271%% ssl $reuse;
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

	$self->{s} = Test::Nginx::SIP::Server->listen('127.0.0.1:'
		. port(8061), tls => 1, $ca->ssl('s'), auto => {
			'romeo@s.example' => 200,
			'paris@s.example' => 480,
			'prince@s.example' => 603,
			default => 404,
		});

	$t->run();

	my $start = Test::Nginx::Interop->can($kind);
	$self->{log} = $start->($t, $ca, c2s => port(8222), s2s => port(8269),
		dns => $dns->addr(), auth => $auth, hosts => \%hosts,
		$a{bidi} ? (bidi => 1) : (),
		$a{direct} ? (direct => port(8273)) : ());

	$self->{juliet} = $self->client($t, 'juliet@x.example');
	$self->{romeo} = $self->sip();

	return $self;
}

# a client that is logged in

sub client {
	my ($self, $t, $jid) = @_;

	return Test::Nginx::Interop::xmpp_client($t, undef, $jid, 'secret',
		port(8222));
}

# a connection of the SIP server to the gateway

sub sip {
	my ($self, %args) = @_;

	return Test::Nginx::SIP->connect(PeerAddr => '127.0.0.1:' . port(8062),
		tls => 1, $self->{ca}->ssl('s'), from => 'sip:romeo@s.example',
		host => 's.example', %args);
}

# status of a message of romeo

sub status {
	my ($self, $uri, %args) = @_;

	my $r = $self->{romeo}->response_to($self->{romeo}->request('MESSAGE',
		$uri, body => 'hello', %args), 40);

	return defined $r ? $r->code() : 0;
}

# condition of the error that a message of a client earns; '' for none

sub bounced {
	my ($self, $client, $to, $id, $timeout) = @_;

	$client->message(to => $to, body => 'hello', id => $id);
	my $e = $client->event('error', $timeout || 30);

	return $e && $e->{id} eq $id ? $e->{condition} : '';
}

###############################################################################

# messages, replies and errors: 18 tests

sub messages {
	my ($self) = @_;

	my ($juliet, $romeo, $s) = @$self{qw/ juliet romeo s /};

	$juliet->message(to => 'romeo@s.example', id => 'm1',
		body => "Art thou not Romeo,\nand a \x{1f5e1} Montague?");
	my $m = $s->wait_request(30, 'MESSAGE');

	is($m && $m->uri(), 'sip:romeo@s.example', 'to SIP - uri');
	is($m && $m->body(), "Art thou not Romeo,\r\nand a "
		. "\xf0\x9f\x97\xa1 Montague?", 'to SIP - body'); # IM-02
	like($m && $m->header('From'), qr/<sip:juliet\@x\.example;gr=/,
		'to SIP - from'); # IM-03

	is($self->status('sip:juliet@x.example', body => 'Neither'), 202,
		'to XMPP - accepted');
	my $e = $juliet->event('message');
	is($e && $e->{body}, 'Neither', 'to XMPP - body');
	is($e && $e->{from}, 'romeo@s.example', 'to XMPP - from');

	my ($full) = $m->header('From') =~ /<([^>]*)>/;
	is($self->status($full, body => 'fair saint'), 202,
		'reply to a full JID - accepted');
	$e = $juliet->event('message');
	is($e && $e->{body}, 'fair saint', 'reply to a full JID');

	# SIP refuses

	is($self->bounced($juliet, 'nobody@s.example', 'm2'),
		'item-not-found', '404 from SIP'); # ERR-09
	is($self->bounced($juliet, 'paris@s.example', 'm3'),
		'recipient-unavailable', '480 from SIP');
	is($self->bounced($juliet, 'prince@s.example', 'm4'),
		'recipient-unavailable', '603 from SIP');

	# XMPP refuses: service-unavailable, told instead of the 2xx

	is($self->status('sip:nobody@x.example'), 480, 'unknown user'); # ERR-14
	is($self->status('sip:nurse@x.example'), 480, 'user who is offline');

	# each message of a batch gets its own answer, in order

	my (@request, @want);

	foreach my $n (1 .. 40) {
		my $user = $n % 5 ? 'juliet' : 'nobody';
		push @want, $n % 5 ? 202 : 480;
		push @request, $romeo->request('MESSAGE',
			"sip:$user\@x.example", body => "n$n");
	}

	my @got = map { my $r = $romeo->response_to($_, 20);
		$r ? $r->code() : 0 } @request;
	is("@got", "@want", 'batch - answers');

	my @body;

	while (@body < 32 && (my $e = $juliet->event('message'))) {
		push @body, $e->{body};
	}

	is("@body", join(' ', map { "n$_" } grep { $_ % 5 } 1 .. 40),
		'batch - order');

	$juliet->message(to => 'romeo@s.example', body => "b$_", id => "b$_")
		foreach 1 .. 30;
	@body = ();

	while (@body < 30 && (my $m = $s->wait_request(10, 'MESSAGE'))) {
		push @body, $m->body() if $m->body() =~ /^b/;
	}

	is("@body", join(' ', map { "b$_" } 1 .. 30), 'to SIP - order');

	# a subject and a thread

	$juliet->message(to => 'romeo@s.example', body => 'fair', id => 's1',
		subject => 'the balcony', thread => 'act2scene2');
	$m = $s->wait_request(10, 'MESSAGE');
	is($m && $m->header('Subject'), 'the balcony', 'subject'); # IM-05
	is($m && $m->call_id(), 'act2scene2', 'thread'); # IM-08
}

# domains that are refused, senders that are not who they say: 5 tests

sub refused {
	my ($self, $t) = @_;

	is($self->status('sip:juliet@refused.example'), 404, 'denied domain');
	is($self->status('sip:juliet@elsewhere.example'), 404,
		'unknown domain'); # ARC-04
	is($self->status('sip:juliet@x.example',
		from => 'sip:romeo@x.example'), 403, 'forged sender'); # SEC-06

	my $client = $self->client($t, 'juliet@stranger.example');
	isnt($self->bounced($client, 'romeo@s.example', 'r1'), '',
		'from an unknown domain');
	ok(!(grep { $_->header('From') =~ /stranger/ } $self->{s}->seen()),
		'from an unknown domain - not delivered');
}

# direct TLS, and nothing else, both ways: 3 tests

sub direct {
	my ($self, $t) = @_;
	my $log = $t->read_file('error.log');

	foreach (['outbound', 'to it'], ['inbound', 'from it']) {
		my ($way, $what) = @$_;

		like($log, qr/$way XMPP stream is up: .*, proven by certificate, direct TLS/,
			"$what by direct TLS");
	}

	unlike(join("\n", grep { !/\[debug\]/ } split("\n", $log)),
		qr/XMPP stream is up: .*, proven by \w+, (?:no )?TLS/,
		'by nothing else');
}

# bad certificates of the XMPP server, both ways: 13 tests

sub certificates {
	my ($self, $t) = @_;

	my %reason = (
		expired => qr/certificate has expired/,
		wrong => qr/wrong\.example/,
		self => qr/self.signed certificate/,
	);

	foreach my $name (sort keys %reason) {
		my $host = "$name.example";

		is($self->status("sip:juliet\@$host"), 504, "$name - to XMPP");
		ok(Test::Nginx::Interop::error_log($t,
			qr/(?=.*$host)(?=.*peer: ).*$reason{$name}/),
			"$name - to XMPP - log");

		my $client = $self->client($t, "juliet\@$host");
		isnt($self->bounced($client, 'romeo@s.example', "c$name"), '',
			"$name - to SIP");
		ok(Test::Nginx::Interop::error_log($t,
			qr/(?=.*$host)(?=.*client: ).*$reason{$name}/), "$name - to SIP - log");
	}

	ok(!(grep { $_->header('From') =~ /expired|wrong|self/ }
		$self->{s}->seen()), 'nothing was delivered');
}

###############################################################################

1;

###############################################################################
