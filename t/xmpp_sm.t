#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for stream management (XEP-0198): what a peer is told of its stanzas,
# what we make of its answers, and who may resume what.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Peers;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $SM = 'urn:xmpp:sm:3';
my $STANZAS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(57);

my $g = Test::Nginx::Gateway->new($t, workers => 1, federation => <<'EOF');
        xmpp_domain y.test server=127.0.0.1:%%PORT_8269%%;
        trying_timeout 500ms;
        confirm_timeout 3s;
        transaction_timeout 6s;
        stream_resume 2s;
EOF

$g->{ca}->issue('y', cn => 'y.test', dns => 'y.test');
$g->start(sip => { auto => undef });

my ($x, $s) = ($g->{x}, $g->{s});
my ($e, $m, $q, $id);

# inbound: what is offered, and when

my $xp = Test::Nginx::XMPP->connect(PeerAddr => '127.0.0.1:' . port(8270),
	from => 'x.test', to => 's.test', $g->{ca}->ssl('x'));
my $f = $xp->open();

ok(!$f->child('sm', $SM), 'not offered in clear');
$xp->starttls();
$f = $xp->open();
ok(!$f->child('sm', $SM), 'not offered before authentication');

$xp->send("<enable xmlns='$SM'/>");
is(refused($xp), 'unexpected-request', 'enabled before authentication');
$xp->send("<resume xmlns='$SM' previd='x' h='0'/>");
is(refused($xp), 'unexpected-request', 'resumed before authentication');
$xp->send("<r xmlns='$SM'/><a xmlns='$SM' h='7'/>");

is($xp->external(), 'success', 'goes on');
$f = $xp->open();
ok($f->child('sm', $SM), 'offered');

# r and a before enable: XS-50

$xp->send("<r xmlns='$SM'/><a xmlns='$SM' h='7'/>");
ok($xp->silent(0.2), 'nothing is counted yet');

$xp->send("<enable xmlns='$SM'/>");
$e = $xp->expect('enabled', $SM);
ok($e, 'enabled');
is($e->attr('resume'), undef, 'no resumption that was not asked for');

$xp->send("<enable xmlns='$SM'/>");
is(refused($xp), 'unexpected-request', 'enabled twice');

$xp->send("<r xmlns='$SM'/>");
is(acked($xp), 0, 'no stanzas yet');

# a message counts when SIP has answered

$xp->send(message(1) . "<r xmlns='$SM'/>");
is(acked($xp), 0, 'the answer is open');

$m = $s->wait_request(undef, 'MESSAGE');
ok($xp->silent(0.2), 'no acknowledgement ahead of it');
$s->reply($m, 200);
is(acked($xp), 1, 'acknowledged unasked when SIP has answered');

# ... in order, whatever comes first

$xp->send(message(2) . message(3, to => 'other@s.test')
	. "<presence from='u\@x.test' to='r\@s.test' type='probe'/>"
	. "<r xmlns='$SM'/>");
is(acked($xp), 1, 'the answers are open');

my %m = map { $_->body() => $_ } map { $s->wait_request(undef, 'MESSAGE') } 1 .. 2;

$s->reply($m{3}, 200);
$xp->send("<r xmlns='$SM'/>");
is(acked($xp), 1, 'one in front is open');
$s->reply($m{2}, 404);
is(acked($xp), 4, 'the rest at once, errors as well');

$e = $x->stanza(undef, 'message');
is($e ? $e->attr('id') : undef, 'm2', 'an error is on its way by then');

is($xp->close_stream() ? 1 : 0, 1, 'ends in good order');

# resumption

($xp, $id) = resumable();
$xp->send(message(4) . message(5));
$m = $s->wait_request(undef, 'MESSAGE');
$xp->reset();

my $xp2 = $g->xmpp();
resume($xp2, $id);
ok($xp2->silent(0.2), 'not resumed while an answer is open');

$s->reply($m, 200);
$m = $s->wait_request(undef, 'MESSAGE');
is($m->body(), '5', 'what had arrived goes on');
ok($xp2->silent(0.2), 'not resumed while another is open');
$s->reply($m, 200);

$e = $xp2->expect('resumed', $SM);
is($e->attr('previd'), $id, 'resumed');
is($e->attr('h'), 2, 'what had arrived is not to be sent again');

$xp2->send(message(6) . "<r xmlns='$SM'/>");
acked($xp2);
$s->reply($s->wait_request(undef, 'MESSAGE'), 200);
is(acked($xp2), 3, 'the count goes on');

# again, while the gateway does not know yet that it broke

my $xp3 = $g->xmpp();
resume($xp3, $id);
$e = $xp3->expect('resumed', $SM);
is($e->attr('h'), 3, 'resumed from a connection that is there');
ok($xp2->eof_within(), 'which ends');

$xp3->send("<resume xmlns='$SM' previd='$id' h='0'/>");
is(refused($xp3), 'unexpected-request', 'resumed twice');

# a stanza ahead of the answer

($xp, $id) = resumable();
$xp->send(message(7));
$m = $s->wait_request(undef, 'MESSAGE');
$xp->reset();

$xp2 = $g->xmpp();
resume($xp2, $id);
$xp2->send(message(8));
is($xp2->stream_error(), 'policy-violation', 'a stanza before it is resumed');
$s->reply($m, 200);

$xp2 = $g->xmpp();
resume($xp2, $id);
$e = $xp2->expect('resumed', $SM);
is($e ? $e->attr('h') : undef, 1, 'may be tried again');

# of another domain

($xp, $id) = resumable();
$xp->reset();

$xp2 = $g->xmpp(from => 'y.test', $g->{ca}->ssl('y'));
resume($xp2, $id);
is(refused($xp2), 'item-not-found', 'a stream of another domain');
resume($xp2, 'z' x 32);
is(refused($xp2), 'item-not-found', 'a stream that was none');
resume($xp2, '');
is(refused($xp2), 'item-not-found', 'no name');
like($t->read_file('error.log'),
	qr/"y.test" tried to resume an XMPP stream of "x.test"/, 'is logged');

$xp2->send("<enable xmlns='$SM'/>");
ok($xp2->expect('enabled', $SM), 'goes on without');

# one that ended in good order

($xp, $id) = resumable();
$xp->close_stream();
$xp2 = $g->xmpp();
resume($xp2, $id);
is(refused($xp2), 'item-not-found', 'a stream that ended');

# in time

($xp, $id) = resumable();
$xp->reset();
ok($g->wait_log(qr/was not resumed in time/), 'too late is logged');
$xp2 = $g->xmpp();
resume($xp2, $id);
is(refused($xp2), 'item-not-found', 'too late');

# many

my @many = map { [resumable()] } 1 .. 20;
$_->[0]->reset() foreach @many;
my $resumed = 0;

foreach (@many) {
	my $c = $g->xmpp();
	resume($c, $_->[1]);
	$e = $c->read_stanza();
	$resumed++ if $e->name() eq 'resumed';
	$c->close_stream();
}

cmp_ok($resumed, '<=', 8, 'not more than so many of a domain are kept');
cmp_ok($resumed, '>', 0, 'some are');

# outbound

my $sip = $g->sip();
my $xp_main = $g->xmpp();

$x->set(extra_features => "<sm xmlns='$SM'/>");
$g->renew();

$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'a1');
my $c = $x->wait_conn();
$e = $c->expect('enable', $SM);
ok($e, 'enabled when it is offered');
is($e->attr('resume'), 'true', 'with resumption');
$c->send("<enabled xmlns='$SM' id='i&lt;1' resume='true' max='60'/>");
is($x->stanza(undef, 'message')->child('body')->text(), 'a1', 'message');
ok($c->expect('r', $SM), 'an acknowledgement is asked for');
$c->send("<a xmlns='$SM' h='2'/>");
is($sip->response_to($q)->code(), 202, 'accepted');

# an acknowledgement is no confirmation

$x->set(pings => 0);
$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'a2');
$x->stanza(undef, 'message');
$c->expect('r', $SM);
$c->send("<a xmlns='$SM' h='4'/>");
is($sip->response_to($q, 10)->code(), 504, 'acknowledged, but not confirmed');
$x->set(pings => 1);

# the stream was ended for that; a message that the peer has not had goes again

$g->renew();
$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'a3');
$c = $x->wait_conn();
$c->expect('enable', $SM);
$c->send("<enabled xmlns='$SM' id='i&lt;2' resume='true' max='60'/>");
$x->stanza(undef, 'message');
is($sip->response_to($q)->code(), 202, 'accepted');
$c->expect('r', $SM);
$c->send("<a xmlns='$SM' h='2'/>");

$x->set(pings => 0);
$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'a4');
is($x->stanza(undef, 'message')->child('body')->text(), 'a4', 'message');
my $n = $x->conns();
$x->set(pings => 1);
$c->reset();

Test::Nginx::Peers::wait_until(sub { $x->conns() > $n });
$c = $x->conn();
$e = $c->expect('resume', $SM);
is($e->attr('previd'), 'i<2', 'resumed');
$c->send("<resumed xmlns='$SM' previd='i&lt;2' h='2'/>");
is($x->stanza(undef, 'message')->child('body')->text(), 'a4', 'sent again');
is($sip->response_to($q)->code(), 202, 'and confirmed');
ok(!$x->stanza(0.2, 'message'), 'once');

# the peer refuses to resume

$n = $x->conns();
$x->set(pings => 0);
$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'a5');
$x->stanza(undef, 'message');
$x->set(pings => 1);
$c->reset();
Test::Nginx::Peers::wait_until(sub { $x->conns() > $n });
$c = $x->conn();
$c->expect('resume', $SM);
$c->send("<failed xmlns='$SM'><item-not-found xmlns='$STANZAS'/></failed>");
is($sip->response_to($q)->code(), 504, 'not resumed: uncertain');
ok($c->expect('enable', $SM), 'it begins anew');

# counts that can not be

$c->send("<enabled xmlns='$SM'/><a xmlns='$SM' h='1000'/>");
is($c->stream_error(), 'undefined-condition', 'too much acknowledged');
like($t->read_file('error.log'), qr/"x.test" acknowledged 1000 XMPP stanzas, 0/,
	'is logged');

$g->renew();
$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'a6');
$c = $x->wait_conn();
$c->expect('enable', $SM);
$c->send("<enabled xmlns='$SM'/><a xmlns='$SM' h='many'/>");
is($c->stream_error(), 'undefined-condition', 'no number');

undef $_ foreach $c, $e, $m, $q, $sip, $xp, $xp2, $xp3, $xp_main, $x, $s, $f;
undef @many;
undef %m;
undef $_ foreach $g, $t;

###############################################################################

sub message {
	my ($n, %a) = @_;
	return $g->message($n, id => "m$n", %a);
}

# condition of a failed element

sub refused {
	my ($c) = @_;
	my $e = $c->expect('failed', $SM) or return;
	my ($condition) = $e->children();
	return $condition->name();
}

sub acked {
	my ($c) = @_;
	my $e = $c->expect('a', $SM) or return;
	return $e->attr('h');
}

sub resumable {
	my $c = $g->xmpp();
	$c->send("<enable xmlns='$SM' resume='true'/>");
	my $e = $c->expect('enabled', $SM);
	return ($c, $e->attr('id'));
}

sub resume {
	my ($c, $id) = @_;
	$c->send("<resume xmlns='$SM' previd='$id' h='0'/>");
}

###############################################################################
