#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for TLS as old Edges speak it, TLS 1.0 with RSA and AES-CBC (ocs-wire
# 5.4): in both directions, and on the SIP side only.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::Gateway;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl');
my $d = $t->testdir();

my $g = Test::Nginx::Gateway->new($t, sip => 'dialect=ocs',
	federation => <<'EOF_', stream => <<"EOF_");
        sip_ssl_protocols     TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
        sip_ssl_ciphers       AES128-SHA:HIGH:!aNULL:!MD5:@SECLEVEL=0;
        sip_ssl_conf_command  Options -SessionTicket;

        xmpp_domain old.test server=127.0.0.1:%%PORT_8271%%;
EOF_
    server {
        listen 127.0.0.1:%%PORT_8063%% ssl;

        ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
        ssl_ciphers AES128-SHA:HIGH:!aNULL:!MD5:\@SECLEVEL=0;

        ssl_client_certificate $d/ca.crt;
        ssl_verify_client on;
        sip_federation test;
    }
EOF_

my $ca = $g->{ca};

$ca->issue('gw', cn => 'gw.test', dns => ['gw.test', 's.test'], key => 'rsa',
	srv => '_xmpp-server.s.test', uri => 'sip:x.test');
$ca->issue('s', cn => 's.test', dns => 's.test', uri => 'sip:s.test',
	key => 'rsa');
$ca->issue('old', cn => 'old.test', dns => 'old.test', key => 'rsa');

my @old = (SSL_version => 'TLSv1', SSL_cipher_list => 'AES128-SHA:@SECLEVEL=0');

$t->plan(13);

$g->start(sip => { @old, SSL_verify_mode => 3 });

my $old = Test::Nginx::XMPP::Server->listen('127.0.0.1:' . port(8271),
	domains => ['old.test'], $ca->ssl('old'), sasl_external => 1, @old);

my ($x, $s, $xmpp) = ($g->{x}, $g->{s}, $g->xmpp());

# we dial

$xmpp->send("<presence type='subscribe' from='u\@x.test' to='r\@s.test'/>");
my $m = $s->wait_request(undef, 'SUBSCRIBE');
ok($m, 'dialled');
is($m->conn()->tls_info()->{version}, 'TLSv1', 'version');
is($m->conn()->tls_info()->{cipher}, 'AES128-SHA', 'cipher');
like($m->conn()->tls_info()->{subject}, qr/gw\.test/, 'our certificate');
is($m->uri(), 'sip:r@s.test', 'SUBSCRIBE');

# we are dialled

my $c = old_sip(8063);
ok($c->tls_up(), 'accepted');
is($c->tls_info()->{version}, 'TLSv1', 'version');
is($c->tls_info()->{cipher}, 'AES128-SHA', 'cipher');
is($c->transact('SUBSCRIBE', 'sip:u@x.test', headers =>
	['Event: presence', 'Expires: 600'])->code(), 200, 'SUBSCRIBE');

# others are not weakened: the other listener, and the XMPP side

ok(!old_sip(8062)->tls_up(), 'not on a listener that is not told so');

$c = $g->xmpp(@old, may_fail => 1);
ok(!$c->ready(), 'not on the XMPP listener');

$c = $g->sip();
is($c->transact('MESSAGE', 'sip:u@old.test', body => 'hi')->code(), 504,
	'not to an XMPP server');
ok(!grep({ $_->{tls} && !$_->{tls_error} } $old->conns()), 'no TLS with it');

###############################################################################

sub old_sip {
	my ($port) = @_;
	return $g->sip(PeerAddr => '127.0.0.1:' . port($port), @old);
}

###############################################################################
