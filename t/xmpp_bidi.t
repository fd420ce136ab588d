#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for bidirectional streams (XEP-0288): what goes back on a stream that
# the peer opened, and whom a stream of ours is read for.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::DNS;
use Test::Nginx::Gateway;
use Test::Nginx::Peers;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $BIDI = 'urn:xmpp:bidi';
my $FEATURE = 'urn:xmpp:features:bidi';
my $SM = 'urn:xmpp:sm:3';
my $DB = 'jabber:server:dialback';

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(83);

my $federation = <<'EOF';
        xmpp_domain y.test server=127.0.0.1:%%PORT_8269%%;
        xmpp_domain z.test;
        trying_timeout 500ms;
        confirm_timeout 5s;
        transaction_timeout 8s;
        stream_resume 5s;
EOF

my $dns = Test::Nginx::DNS->new($t, {
	'_xmpp-server._tcp.z.test' => 'DROP',
	'_xmpps-server._tcp.z.test' => 'DROP',
});

my $g = Test::Nginx::Gateway->new($t, workers => 1, federation => $federation,
	stream => 'resolver 127.0.0.1:%%PORT_8053_UDP%%;');

$g->{ca}->issue('y', cn => 'y.test', dns => 'y.test');
$g->{ca}->issue('z', cn => 'z.test', dns => 'z.test');
$dns->start();
$g->start(xmpp => { domains => ['x.test', 'y.test', 'z.test'] });

my ($x, $s) = ($g->{x}, $g->{s});
my $sip = $g->sip();
my ($xp, $c, $e, $f, $n, $m, $q);

###############################################################################

# a stream that the peer opened: what is offered, and when

$xp = dial();
$f = $xp->open();

ok($f->child('bidi', $FEATURE), 'offered in clear');	# XB-01
$xp->send("<bidi xmlns='$BIDI'/>");
$xp->starttls();
$f = $xp->open();
ok($f->child('bidi', $FEATURE), 'offered under TLS');	# XB-01
is($xp->external(), 'success', 'authenticated');
$f = $xp->open();
ok(!$f->child('bidi', $FEATURE), 'not offered after authentication');

# XB-02

$x->link($xp);
$m = crossed('early');
isnt($m->{conn}, $xp, 'asked for ahead of TLS: one-way');
$xp->send("<bidi xmlns='$BIDI'/>");
$m = crossed('late');
isnt($m->{conn}, $xp, 'asked for after authentication: one-way');
done($xp);

# XB-03

$xp = dial();
$xp->open();
$xp->starttls();
$xp->open();
$xp->send("<bidi xmlns='$BIDI'/>");
$m = crossed('nobody');
isnt($m->{conn}, $xp, 'not authenticated');
ok($xp->silent(0.2), 'nothing is sent on it');
$xp->close();

# both ways

$xp = bidi();
$n = $x->conns();
$m = crossed('b1');
is($m->{conn}, $xp, 'goes back on the stream');
ok((grep { $_->{conn} == $xp } $x->pings()), 'and so does its ping');
is($x->conns(), $n, 'none of ours is opened');	# XB-06
like($t->read_file('error.log'),
	qr/inbound XMPP stream from "x.test" takes what "s.test" sends/,
	'is logged');

# errors and answers

$s->set(auto => 404);
$xp->send($g->message('to nobody', id => 'e1'));
$e = $x->stanza(undef, 'message');
is($e->attr('type'), 'error', 'an error');
is($e->{conn}, $xp, 'goes back on the stream');
$s->set(auto => 200);

$xp->send("<iq type='get' id='i1' from='x.test' to='s.test'>"
	. "<ping xmlns='urn:xmpp:ping'/></iq>");
$e = $x->stanza(undef, 'iq');
is($e->attr('id'), 'i1', 'an answer');
is($e->{conn}, $xp, 'goes back on the stream');

# XB-04

$m = crossed('for y', 'u@y.test');
isnt($m->{conn}, $xp, 'another domain needs a proof of its own');

# XD-13

$xp->send("<db:result from='y.test' to='s.test' type='valid'/>");
$xp->send("<db:verify from='y.test' to='s.test' id='1' type='valid'/>");
ok($g->wait_log(qr/unsolicited dialback verify from "y.test"/), 'unsolicited');
$m = crossed('for y again', 'u@y.test');
isnt($m->{conn}, $xp, 'proves nothing');
$xp->send($g->message('forged', from => 'u@y.test'));
is($xp->stream_error(), 'invalid-from', 'nor may it send from there');
ok($xp->eof_within(), 'the stream ends');

$m = crossed('b2');
isnt($m->{conn}, $xp, 'on a stream of ours again');
done($xp);

# a stream of ours that is up is not left

$m = crossed('own');
$xp = bidi(no_renew => 1);
$m = crossed('b3');
isnt($m->{conn}, $xp, 'the stream that is up is used');
$g->renew();
$m = crossed('b4');
is($m->{conn}, $xp, 'and when it is gone, the other one');

# ends in good order

is($xp->close_stream() ? 1 : 0, 1, 'the stream ends');
$m = crossed('b5');
isnt($m->{conn}, $xp, 'on a stream of ours');

# it breaks with a message on it

($xp, $m, $q) = unconfirmed('b6');
$xp->reset();
is($sip->response_to($q)->code(), 504, 'it broke: uncertain');
$x->set(pings => 1);
$m = crossed('b7');
isnt($m->{conn}, $xp, 'the next one goes on a stream of ours');

# a ping that nobody answers

($xp, $m, $q) = unconfirmed('b8');
$xp->{sent_end} = 1;
is($sip->response_to($q, 10)->code(), 504, 'no answer to a ping');
ok($xp->stream_closed(), 'ends the stream');
$xp->send($g->message('b8 last') . '</stream:stream>');
ok($g->arrived('b8 last'), 'which is read to its end');
$x->set(pings => 1);
done($xp);

# a message that waits for DNS goes on a stream that the peer opens

$g->renew();
$q = $sip->request('MESSAGE', 'sip:u@z.test', body => 'b9');
ok(wait_dns('z.test'), 'a message waits for DNS');
$x->set(dial => { bidi => 1, auth => 'external', $g->{ca}->ssl('z') });
$xp = $x->send_presence(from => 'u@z.test', to => 'r@s.test');
is($sip->response_to($q)->code(), 202, 'accepted');
$m = (grep { $_->name() eq 'message' } $x->seen())[-1];
is($m->child('body')->text(), 'b9', 'what waited');
is($m->{conn}, $xp, 'goes on the stream of the peer');
done($xp);

# dialback

$xp = bidi(auth => 'dialback');
$m = crossed('d1');
is($m->{conn}, $xp, 'both ways by dialback');
isnt(($x->verified())[-1]{conn} || 0, $xp,
	'the key was verified elsewhere');	# XD-21
is(scalar(grep { $_->name() eq 'verify' } $xp->log()), 0,
	'not on the stream that carried it');	# XD-21

$m = crossed('d2', 'u@y.test');
isnt($m->{conn}, $xp, 'y.test is not proven');
$g->renew();
is($xp->dialback('y.test', 's.test'), 'valid', 'y.test is proven');
$m = crossed('d3', 'u@y.test');
is($m->{conn}, $xp, 'and is sent to on the stream');	# XB-04
done($xp);

# stream management counts both ways

$xp = bidi();
$xp->send("<enable xmlns='$SM' resume='true'/>");
$e = $xp->expect('enabled', $SM);
my $id = $e->attr('id');
$m = crossed('s1');
is($m->{conn}, $xp, 'with stream management');
ok($xp->expect('r', $SM), 'an acknowledgement is asked for');
$xp->send("<a xmlns='$SM' h='2'/>");
$xp->send($g->message('s2', id => 's2') . "<r xmlns='$SM'/>");
ok(acked($xp, 2), 'theirs are counted, and an answer to a ping');

# it breaks: a message of ours is uncertain, other stanzas go once more

$x->set(pings => 0);
$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 's3');
$m = $x->stanza(undef, 'message');
$s->set(auto => 404);
$xp->send($g->message('s4', id => 's4'));
is($x->stanza(undef, 'message')->attr('id'), 's4', 'an error');
$s->set(auto => 200);
$xp->reset();
is($sip->response_to($q)->code(), 504, 'a message is uncertain');
$x->set(pings => 1);
$e = $x->stanza(undef, 'message');
is($e ? $e->attr('id') : undef, 's4', 'an error is sent once more');
isnt($e->{conn}, $xp, 'on a stream of ours');

my $xp2 = bidi(no_renew => 1);
$xp2->send("<resume xmlns='$SM' previd='$id' h='2'/>");
$e = $xp2->expect('resumed', $SM);
is($e ? $e->attr('h') : undef, 3, 'the peer resumes');
$g->renew();
$m = crossed('s5');
is($m->{conn}, $xp2, 'both ways again');
$xp2->expect('r', $SM);
$xp2->send("<a xmlns='$SM' h='4'/><r xmlns='$SM'/>");
ok(acked($xp2, 4), 'the counts go on');
$xp2->send("<a xmlns='$SM' h='99'/>");
is($xp2->stream_error(), 'undefined-condition', 'too much acknowledged');
done($xp2);

###############################################################################

# a stream of ours: asked for when it is offered

$x->set(bidi => 1);

$m = crossed('o1');
$c = $m->{conn};
ok($c->{bidi_on}, 'both ways');
is((grep { $_->name() eq 'bidi' } $c->log())[0]->ns(), $BIDI, 'is asked for');
like(join(' ', map { $_->name() } $c->log()), qr/^starttls bidi auth/,
	'before authentication');	# XB-02
ok($g->wait_log(qr/outbound XMPP stream is up: .*x\.test.* both ways/),
	'is logged');

$c->send($g->message('o2', id => 'o2'));
ok($g->arrived('o2'), 'the peer sends on it');

$s->set(auto => 404);
$c->send($g->message('o3', id => 'o3'));
$e = $x->stanza(undef, 'message');
is($e->attr('id'), 'o3', 'an error goes back');
is($e->{conn}, $c, 'on the same stream');
$s->set(auto => 200);

# XB-05, XD-13

$c->send("<db:result from='y.test' to='s.test' type='valid'/>");
ok($g->wait_log(qr/unsolicited dialback result from "y.test"/), 'unsolicited');
$c->send("<db:result from='y.test' to='s.test'>key</db:result>");
$e = $c->expect('result', $DB);
is($e->attr('type'), 'error', 'a proof of another domain');
is($e->condition(), 'feature-not-implemented', 'is for another stream');
$c->send($g->message('forged', from => 'u@y.test'));
is($c->stream_error(), 'invalid-from', 'a domain that is not proven');
done();

# a domain of ours that was not proven on it

$m = crossed('o4');
$c = $m->{conn};
$c->send($g->message('astray', to => 'r@gw.test'));
is($c->stream_error(), 'host-unknown', 'a domain that is not ours');
done();

# stanzas ahead of authentication

$x->set(at => { auth => [raw => $g->message('early')] });
$n = $x->conns();
$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'o5');
Test::Nginx::Peers::wait_until(sub { $x->conns() > $n });
$c = $x->wait_conn();
is($c->stream_error(), 'not-authorized', 'a stanza ahead of authentication');
$x->set(at => undef);
$sip->response_to($q, 10);
is(scalar(grep { $_->body() eq 'early' } $s->seen()), 0, 'is not delivered');
done();

# dialback

$x->set(sasl_external => 0);
$m = crossed('o6');
$c = $m->{conn};
$c->send($g->message('o7'));
ok($g->arrived('o7'), 'both ways by dialback');
$x->set(sasl_external => 1);
done();

# stream management: what the peer sent counts, and a stream is taken up again
# when it has its outcome

$x->set(extra_features => "<sm xmlns='$SM'/>");
$q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'o8');
$m = $x->stanza(undef, 'message');
$c = $m->{conn};
$c->expect('enable', $SM);
$c->send("<enabled xmlns='$SM' id='1' resume='true' max='60'/>");
is($sip->response_to($q)->code(), 202, 'accepted');
$c->expect('r', $SM);
$c->send("<a xmlns='$SM' h='2'/>");

$s->set(auto => undef);
$c->send($g->message('o9') . "<r xmlns='$SM'/>");
is(acked_h($c), 0, 'not acknowledged: SIP has not answered');
$q = $g->arrived('o9');
$n = $x->conns();
$c->reset();
Test::Nginx::Peers::wait_until(sub { $x->conns() > $n });
$c = $x->conn();
ok(!$c->expect('resume', $SM, 0.5), 'not resumed while an answer is open');
$s->reply($q, 200);
$e = $c->expect('resume', $SM);
is($e ? $e->attr('h') : undef, 1, 'resumed when it is there');
$c->send("<resumed xmlns='$SM' previd='1' h='2'/>");
$s->set(auto => 200);
$c->send($g->message('o10') . "<r xmlns='$SM'/>");
ok(acked($c, 2), 'the count goes on');
$m = crossed('o11');
is($m->{conn}, $c, 'both ways again');

# resumption that is given up as the answer takes too long

$s->set(auto => undef);
$c->send($g->message('o12'));
$q = $g->arrived('o12');
$n = $x->conns();
$c->reset();
Test::Nginx::Peers::wait_until(sub { $x->conns() > $n });
$c = $x->conn();
ok($c->expect('enable', $SM, 10), 'not resumed in time: begun anew');
$c->send("<enabled xmlns='$SM'/>");
$s->reply($q, 200);
$s->set(auto => 200);
$m = crossed('o13');
is($m->{conn}, $c, 'and in use');
$x->set(extra_features => undef);
done();

# switched off

$g->write(federation => $federation . 'stream_bidi off;');
$t->reload();
ok($g->wait_log(qr/gracefully shutting down/), 'reloaded');
$sip = $g->sip();

$xp = dial();
$f = $xp->open();
ok(!$f->child('bidi', $FEATURE), 'off: not offered');
$xp->starttls();
$xp->open();
$xp->send("<bidi xmlns='$BIDI'/>");
is($xp->external(), 'success', 'authenticated');
$xp->open();
$x->link($xp);
$m = crossed('off');
isnt($m->{conn}, $xp, 'off: not taken');
ok(!$m->{conn}{bidi_on}, 'off: not asked for');
$m->{conn}->send($g->message('o14'));
ok($g->wait_log(qr/stanzas on our outbound XMPP stream are ignored/),
	'off: stanzas on our stream are ignored');

undef $_ foreach $c, $sip, $xp, $xp2, $m, $e, $q, $f, $x, $s, $dns, $g, $t;

###############################################################################

# a connection of x.test, nothing said yet

sub dial {
	return Test::Nginx::XMPP->connect(
		PeerAddr => '127.0.0.1:' . port(8270),
		from => 'x.test', to => 's.test', $g->{ca}->ssl('x'));
}

# a bidirectional stream of x.test, ours being closed

sub bidi {
	my (%a) = @_;
	$g->renew() unless delete $a{no_renew};
	return $g->xmpp(bidi => 1, %a);
}

# a message from s.test is accepted; returns it

sub crossed { return $g->crossed($sip, @_); }

# a message on a stream of the peer, whose ping is not answered

sub unconfirmed {
	my ($body) = @_;

	my $xp = bidi();
	$x->set(pings => 0);
	$x->{queue} = [];
	my $q = $sip->request('MESSAGE', 'sip:u@x.test', body => $body);
	my $m = $x->stanza(undef, 'message');
	is($m->{conn}, $xp, "$body on the stream of the peer");

	return ($xp, $m, $q);
}

sub acked_h {
	my ($c) = @_;
	my $e = $c->expect('a', $SM) or return;
	return $e->attr('h');
}

# an acknowledgement of n comes, maybe after others

sub acked {
	my ($c, $n) = @_;

	while (defined(my $h = acked_h($c))) {
		return 1 if $h == $n;
	}

	return 0;
}

sub done {
	my ($c) = @_;

	if ($c) {
		$c->close_stream() unless $c->closed();
		$c->close();
	}

	$g->renew();
}

sub wait_dns {
	my ($name) = @_;
	return Test::Nginx::Peers::wait_until(sub {
		return grep { /$name/ } $dns->queries();
	});
}

###############################################################################
