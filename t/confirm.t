#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for the barrier: a SIP sender gets his 2xx only when the XMPP server has
# handled the message (DESIGN 3, "confirm ping").

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
	->has_daemon('openssl')->plan(36);

my $g = Test::Nginx::Gateway->new($t, federation => <<'EOF');
        xmpp_domain third.test server=127.0.0.1:%%PORT_8269%%;
        confirm_timeout 2500ms;
        trying_timeout 300ms;
EOF

$g->{ca}->issue('third', cn => 'third.test', dns => 'third.test');

$g->start(xmpp => { bounce => { 'no@x.test' => 'item-not-found',
	'off@x.test' => 'recipient-unavailable',
	'mean@x.test' => ['cancel', 'service-unavailable'] } });

my $x = $g->{x};
my $sip = $g->sip();
my $in = $g->xmpp();

# accepted

my $r = $sip->transact('MESSAGE', 'sip:u@x.test', body => 'hello');
is($r->code(), 202, 'accepted'); # IM-36
is($r->body(), '', 'no body in a 2xx');
is($r->header('Contact'), undef, 'no Contact in a 2xx');

my $m = $x->stanza();
is($m->text('body'), 'hello', 'body');
is(@{[$x->pings()]}, 1, 'one ping');
is(($x->pings())[0]->attr('from'), 's.test', 'ping from our domain');
is(($x->pings())[0]->attr('to'), 'x.test', 'ping to theirs');

# a bounce ahead of the answer is the response: ERR-10, ERR-13

is(code('no@x.test'), 604, 'unknown user, bare');
is(code('no@x.test;gr=a'), 404, 'unknown user, full');
is(code('off@x.test'), 600, 'offline user, bare');
is(code('off@x.test;gr=a'), 480, 'offline user, full');
is(code('mean@x.test'), 403, 'service-unavailable'); # ERR-14

# each of a batch has its own outcome

my @q = map { $sip->build('MESSAGE', "sip:$_\@x.test", body => $_) }
	qw/a no b/;
$sip->send_raw(join '', map { $_->raw() } @q);
is(join(' ', map { $sip->response_to($_)->code() } @q), '202 604 202',
	'outcomes of a batch');

# a server that does not know ping

$x->set(pings => 'error');
is(code('u@x.test'), 202, 'ping is answered by an error');

# no answer in time: uncertain is an error

$x->set(pings => 0);

my $q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'mute');
$r = $sip->response();
is($r->code(), 100, 'trying'); # ST-05
is($sip->response_to($q)->code(), 504, 'no answer'); # ERR-15

# the answer comes too late: no second response

ping();
pong();
ok($sip->silent(0.3), 'late answer');

# an answer of another domain is none

$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'forged');
my $ping = ping();

my $third = $g->xmpp(from => 'third.test', $g->{ca}->ssl('third'));
$third->send("<iq type='result' id='" . $ping->attr('id')
	. "' from='third.test' to='s.test'/>");
is($sip->response_to($q)->code(), 504, 'answer of another domain'); # SEC-20

# the stream of that ping ends, maybe some ms later: what comes first goes by it

for (1 .. 100) {
	last if 2 == grep { /did not answer a ping/ }
		split /\n/, $t->read_file('error.log');
	Test::Nginx::Peers::idle(0.05);
}

# nor is a bounce

$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'forged');
$m = message('forged');
$ping = ping();
$third->send("<message type='error' id='" . $m->attr('id')
	. "' from='u\@third.test' to='r\@s.test'><error type='cancel'>"
	. "<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>");
$x->pong($ping);
is($sip->response_to($q)->code(), 202, 'bounce of another domain');

# the stream on which the peer sends to us is another one than it was

$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'void');
$ping = ping();
$in->reset();
$in = $g->xmpp();
$x->pong($ping);
is($sip->response_to($q)->code(), 504, 'stream of the peer broke');

# one more is open: what comes by it may overtake the other one's

$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'two');
$ping = ping();
my $in2 = $g->xmpp();
$x->pong($ping);
is($sip->response_to($q)->code(), 504, 'a second stream of the peer');
$in2->close_stream();
$in2->close();
$x->link($in);

# one that ended in good order was read to its end

$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'renewed');
$ping = ping();
$in->close_stream();
$in->close();
$in = $g->xmpp();
$x->pong($ping);
is($sip->response_to($q)->code(), 202, 'stream of the peer was renewed');

$x->set(pings => 1);
is(code('u@x.test'), 202, 'barrier on the new stream');

# a bounce after the answer: logged, nothing else

$x->set(pings => 1);
$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'late');
$m = message('late');
is($sip->response_to($q)->code(), 202, 'accepted before the bounce');
$x->bounce($m, 'recipient-unavailable');
ok($sip->silent(0.3), 'late bounce, nothing to the sender'); # IM-44
like($t->read_file('error.log'),
	qr/\[warn\].*u\@x.test.*recipient-unavailable/, 'late bounce, log');

# our stream breaks with the answer outstanding

$x->set(pings => 0);
$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'break');
message('break');
$_->reset() for $x->conns();
is($sip->response_to($q)->code(), 504, 'stream broke');
is((grep { $_->name() eq 'message' && $_->text('body') eq 'break' }
	$x->seen()), 1, 'not sent again');

# a new stream, also for what waited

$x->set(pings => 1);
is(code('u@x.test'), 202, 'reconnected');

# errors of the error: details

$x->set(bounce => { 'moved@x.test' => sub {
	my ($e) = @_;
	"<message type='error' from='moved\@x.test' to='r\@s.test' id='"
	. $e->attr('id') . "'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>"
	. "xmpp:new\@x.test</gone><text xml:lang='en' "
	. "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>moved\r\n"
	. "Route: &lt;sip:evil.test&gt;</text></error></message>" } });

$r = $sip->transact('MESSAGE', 'sip:moved@x.test', body => 'x');
is($r->code(), 301, 'gone with an address'); # ERR-11
like($r->header('Contact'), qr/<sip:new\@x.test>/, 'gone - Contact');
is($r->header('Route'), undef, 'no header injection'); # SEC-10, ERR-21

# confirm write

undef $third;
undef $in;
Test::Nginx::Peers::background(sub {
	$g->write(federation => 'confirm write;');
	$t->reload();
});

Test::Nginx::Peers::wait_until(sub {
	my $c = $g->sip();
	$x->set(pings => 0);
	my $code = $c->transact('MESSAGE', 'sip:u@x.test', body => 'w',
		timeout => 1);
	return $code && $code->code() == 202;
}, 10);

$sip = $g->sip();
my $pings = @{[$x->pings()]};
is($sip->transact('MESSAGE', 'sip:u@x.test', body => 'written')->code(), 202,
	'confirm write');
is(@{[$x->pings()]}, $pings, 'confirm write - no ping');
ok(message('written'), 'confirm write - delivered');

undef $sip;

Test::Nginx::Peers::stop($t);

is((grep { /s2x r\@s.test no\@x.test 604 stanza error/ } $g->log()), 2, 'log');

###############################################################################

# the final response to a message

sub code {
	my ($to) = @_;
	$to =~ s/^/sip:/;
	return $sip->transact('MESSAGE', $to, body => "to $to")->code();
}

# the next message with this body

sub message {
	my ($body) = @_;

	while (my $e = $x->stanza()) {
		return $e if $e->name() eq 'message'
			&& ($e->text('body') // '') eq $body;
	}

	return;
}

# the next ping, where they are not answered by themselves

sub ping {
	while (my $e = $x->stanza()) {
		return $last::ping = $e if $e->name() eq 'iq';
	}

	return;
}

sub pong {
	$x->pong($last::ping);
}

###############################################################################
