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
	->has_daemon('openssl')->plan(17);

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

# a link that is never idle: no more is read from it, what is open is finished

$x->set(ping_delay => 0.2);
my $eager = $g->sip();
my ($sent, @open) = (0);
my $more;

$more = sub {
	return if $eager->closed() || $sent++ > 100;
	push @open, $eager->request('MESSAGE', 'sip:u@x.test', body => "e$sent");
	Test::Nginx::Peers::after(0.05, $more);
};

$more->();
Test::Nginx::Peers::wait_until(sub { $sent > 5 });
$t->reload();
ok($eager->eof_within(3), 'link that is never idle is closed');

my %code;
$code{$_ ? $_->code() : 'none'}++
	for map { $eager->response_to($_, 0) } @open;
cmp_ok($code{202} || 0, '>', 4, 'what was open on it is finished');

undef $more;
$x->set(ping_delay => 0);

$t->stop();

unlike($t->read_file('error.log'), qr/open socket/, 'no open sockets');
is((grep { /exited with code 0/ } split /\n/, $t->read_file('error.log')) > 0,
	1, 'worker exited');

###############################################################################
