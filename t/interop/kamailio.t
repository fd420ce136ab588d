#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests with a real Kamailio over mutual TLS, and a real Linphone behind it.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::CA;
use Test::Nginx::Interop;
use Test::Nginx::Peers;
use Test::Nginx::XMPP;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

Test::Nginx::Interop::need(qw/ kamailio linphonec /);

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(28);

my $d = $t->testdir();
my $ca = Test::Nginx::CA->new($d);

$ca->issue('gw', cn => 'gw.example', dns => ['s.example', 'x.example'],
	uri => ['sip:x.example', 'sip:expired.example', 'sip:wrong.example',
	'sip:self.example']);
$ca->issue('x', cn => 'x.example', dns => 'x.example');
$ca->issue('s', cn => 's.example', dns => ['s.example', 'localhost'],
	uri => 'sip:s.example');
$ca->issue('expired', cn => 's.example', uri => 'sip:s.example',
	dns => ['s.example', 'expired.example'], expired => 1);
$ca->issue('wrong', cn => 'other.example', dns => 'other.example');
$ca->issue('self', cn => 's.example', dns => ['s.example', 'self.example'],
	uri => 'sip:s.example', self_signed => 1);

my $workers = $ENV{TEST_NGINX_WORKERS} || 1;
my $reuse = $workers > 1 ? 'reuseport' : '';

# a server of its own for each certificate of Kamailio, as it chooses by address

my %port = (expired => [8071, 8072], self => [8073, 8074],
	wrong => [8075, 8076]);

my $domains = join('', map { "        sip_domain $_.example "
	. "server=127.0.0.1:%%PORT_$port{$_}[0]%% name=$_.example;\n"
	. "        xmpp_domain x-$_.example home "
	. "server=127.0.0.1:%%PORT_8269%%;\n" } sort keys %port);
my $listen = join('', map { "        listen 127.0.0.1:%%PORT_$port{$_}[1]%% "
	. "ssl $reuse;\n" } sort keys %port);

$t->write_file_expand('nginx.conf', <<EOF);

%%TEST_GLOBALS%%

daemon off;
worker_processes $workers;

events {
}

stream {
    %%TEST_GLOBALS_STREAM%%

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

        xmpp_domain x.example home server=127.0.0.1:%%PORT_8269%%;
        sip_domain s.example server=127.0.0.1:%%PORT_8061%%;
$domains
    }

    server {
        listen 127.0.0.1:%%PORT_8270%% $reuse;
        xmpp_federation campus;
    }

    server {
        listen 127.0.0.1:%%PORT_8062%% ssl $reuse;
$listen
        ssl_client_certificate $d/ca.crt;
        ssl_verify_client on;
        sip_federation campus;
    }
}

EOF

my $x = Test::Nginx::XMPP::Server->listen('127.0.0.1:' . port(8269),
	domains => 'x.example', $ca->ssl('x'), sasl_external => 1,
	gateway => '127.0.0.1:' . port(8270), bounce => {
		'nobody@x.example' => 'item-not-found',
		'full@x.example' => ['wait', 'resource-constraint'],
		'away@x.example' => 'recipient-unavailable',
	});

$t->run();

my $log = Test::Nginx::Interop::kamailio($t, $ca, domain => 's.example',
	cert => 's', port => port(8061), clients => port(8063),
	peer => 'x.example', gateway => '127.0.0.1:' . port(8062),
	users => [qw/ romeo paris /], more => [map { [port($port{$_}[0]), $_,
		"x-$_.example", '127.0.0.1:' . port($port{$_}[1])] }
		sort keys %port]);

my $romeo = Test::Nginx::Interop::linphone($t, $ca, 'romeo', 's.example',
	port(8063));

###############################################################################

# messages

$x->send_stanza(message('romeo@s.example', 'm1', 'Art thou not Romeo?'));
like($romeo->line(qr/Message received/),
	qr/juliet\@x\.example.*Art thou not Romeo\?/, 'to SIP');

is(chat('juliet@x.example', 'Neither, fair saint'), '202 Delivered',
	'to XMPP');
my $e = stanza();
is($e && $e->text('body'), 'Neither, fair saint', 'to XMPP - body');
is($e && $e->attr('from'), 'romeo@s.example', 'to XMPP - from');
is($e && $e->attr('to'), 'juliet@x.example/balcony', 'to XMPP - to');

# Linphone's unasked notification of delivery is no message

ok(!(grep { $_->name() eq 'message' && $_->raw() =~ /imdn/ } $x->seen()),
	'notification');

# errors of the XMPP side

is(chat('nobody@x.example', 'who?'), '604 NotDelivered', 'item-not-found');
is(chat('full@x.example', 'full?'), '500 NotDelivered', 'resource-constraint');
is(chat('away@x.example', 'away?'), '600 NotDelivered',
	'recipient-unavailable');

# errors of the SIP side: of Kamailio itself, of its user database, of the
# client

is(bounced('nobody@s.example', 'e1'), 'item-not-found', 'unknown user');
is(bounced('paris@s.example', 'e2'), 'recipient-unavailable',
	'user who is not registered');

# domains that are refused

is(chat('juliet@refused.example', 'no'), '403 NotDelivered',
	'refused by Kamailio');

# bad certificates

my %reason = (
	expired => qr/certificate has expired/,
	wrong => qr/other\.example/,
	self => qr/self.signed certificate/,
);

foreach my $name (sort keys %reason) {
	my $host = "$name.example";

	is(bounced("romeo\@$host", "c$name"), 'remote-server-timeout',
		"$name - to SIP");
	ok(Test::Nginx::Interop::error_log($t,
		qr/(?=.*$host)(?=.*peer: ).*$reason{$name}/),
		"$name - to SIP - log");

	like(chat("juliet\@x-$host", 'hello'), qr/^[345]\d\d NotDelivered/,
		"$name - to XMPP");
	ok(Test::Nginx::Interop::error_log($t,
		qr/(?=.*client: )(?=.*$reason{$name})/),
		"$name - to XMPP - log");
}

# all of it is told once more in the access log

undef $romeo;
Test::Nginx::Peers::stop($t);

my @log = split(/\n/, $t->read_file('federation.log'));

is((grep { $_ eq 'message juliet@x.example romeo@s.example 200' } @log), 1,
	'access log - to SIP');
is((grep { $_ eq 'message romeo@s.example juliet@x.example 202' } @log), 1,
	'access log - to XMPP');
is((grep { /nobody\@s\.example 404$/ } @log), 1, 'access log - refused');

unlike(Test::Nginx::Interop::_read($log), qr/CRITICAL/, 'no complaints');

###############################################################################

sub message {
	my ($to, $id, $body) = @_;
	return "<message from='juliet\@x.example/balcony' to='$to' id='$id'"
		. " type='chat'><body>$body</body></message>";
}

# next stanza other than a ping

sub stanza {
	while (1) {
		my $e = $x->stanza(10) or return;
		return $e unless $e->name() eq 'iq';
	}
}

# what Linphone hears of a message

sub chat {
	my ($to, $text) = @_;
	my ($status, $state) = $romeo->chat("sip:$to", $text, 40);
	return ($status ? substr($status, 0, 3) : '-') . ' ' . ($state || '-');
}

# condition that a message earns

sub bounced {
	my ($to, $id) = @_;

	$x->send_stanza(message($to, $id, 'hello'));

	while (my $e = stanza()) {
		next unless ($e->attr('id') || '') eq $id;
		return $e->condition();
	}

	return '';
}

###############################################################################
