#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for SIP links at the end of a process: SC-14, ARC-20.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(15);

my $g = Test::Nginx::Gateway->new($t, workers => 1);

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $idle = $g->sip();
my $busy = $g->sip();
my $partial = $g->sip();
my $xmpp = $g->xmpp();

is($_->transact('OPTIONS', 'sip:x.test')->code(), 200, 'before') for $idle,
	$busy, $partial;

# one transaction open in each direction, and half a request

$s->set(auto => 0);
$xmpp->send($g->message('out'));
my $m = $s->wait_request();
is($m && $m->body(), 'out', 'client transaction');

$x->set(pings => 0);
my $q = $busy->request('MESSAGE', 'sip:u@x.test', body => 'in');
my $e = $x->stanza();
is($e && $e->text('body'), 'in', 'server transaction');

my $half = $partial->build('OPTIONS', 'sip:x.test')->raw();
$partial->send(substr($half, 0, 40));
Test::Nginx::Peers::idle(0.2);

$t->reload();

ok($idle->eof_within(3), 'idle link is closed');
is($idle->closed(), 'notify', 'idle link - close_notify');

# what is open is finished

$s->reply($m, 404);
$e = $x->stanza(undef, 'message');
is($e && $e->condition(), 'item-not-found', 'client transaction is finished');

$x->pong($x->stanza(undef, 'iq'));
my $r = $busy->response_to($q);
is($r && $r->code(), 202, 'server transaction is finished');
ok($busy->eof_within(3), 'then its link is closed');

$partial->send(substr($half, 40));
$r = $partial->response();
is($r && $r->code(), 200, 'request is completed');
ok($partial->eof_within(3), 'then its link is closed');

# the new process

$x->set(pings => 1);
is($g->sip()->transact('MESSAGE', 'sip:u@x.test', body => 'new')->code(), 202,
	'after');

$t->stop();

unlike($t->read_file('error.log'), qr/open socket/, 'no open sockets');
is((grep { /exited with code 0/ } split /\n/, $t->read_file('error.log')) > 0,
	1, 'worker exited');

###############################################################################
