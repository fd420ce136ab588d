#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for order and for faults: each message is delivered once, or its sender
# holds an error (DESIGN 3).

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
	->has_daemon('openssl')->plan(19);

my $g = Test::Nginx::Gateway->new($t, federation => <<'EOF');
        confirm_timeout 2s;
        transaction_timeout 4s;
        trying_timeout 500ms;
        pair_queue 200;
EOF

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});

# 50 pipelined to one user, on one connection: ARC-12

my $sip = $g->sip();
my @q = map { $sip->build('MESSAGE', 'sip:u@x.test', body => "a$_") } 1 .. 50;
$sip->send_raw(join '', map { $_->raw() } @q);

is((grep { $sip->response_to($_)->code() == 202 } @q), 50, 's2x, all accepted');
is(join(' ', bodies('a')), join(' ', map { "a$_" } 1 .. 50), 's2x, in order');

my %conn = map { $_->{conn} => 1 } grep { $_->name() eq 'message' } $x->seen();
is(keys %conn, 1, 's2x, one stream');

# split anywhere

$sip->send_split($sip->build('MESSAGE', 'sip:u@x.test', body => 'split')->raw(),
	7);
is($sip->response(undef, final => 1)->code(), 202, 'in pieces'); # SP-27

# 50 at once to one user: ARC-11, one MESSAGE outstanding: IM-15

my $xmpp = $g->xmpp();
my ($most, $now) = (0, 0);

$s->set(auto => sub {
	my ($m, $c) = @_;
	$now++;
	$most = $now if $now > $most;
	Test::Nginx::Peers::after(0.005, sub { $now--; $s->reply($m, 200); });
	return 0;
});

$xmpp->send(join '', map { $g->message("b$_", id => "b$_",
	to => 'r@s.test') } 1 .. 50);

Test::Nginx::Peers::wait_until(sub { 50 == sent('b') }, 10);
is(join(' ', sent('b')), join(' ', map { "b$_" } 1 .. 50), 'x2s, in order');
is($most, 1, 'x2s, one at a time');

# one that does not answer does not hold up others: XS-31

$s->set(auto => { 'slow@s.test' => 0, default => 200 });
$xmpp->send($g->message('c1', to => 'slow@s.test', id => 'c1')
	. $g->message('c2', to => 'slow@s.test', id => 'c2')
	. $g->message('c3', to => 'r@s.test', id => 'c3'));
ok(Test::Nginx::Peers::wait_until(sub { grep { $_ eq 'c3' } sent('c') }),
	'x2s, another pair goes on');
is((grep { $_ eq 'c2' } sent('c')), 0, 'x2s, the same pair waits');

# the mute one is an error in the end: ERR-23, ST-04

my $e = error('c1', 8);
is($e && $e->condition(), 'remote-server-timeout', 'x2s, no response');
ok(error('c2', 8), 'x2s, what waited behind it has an outcome');

# the XMPP server is killed amid a flow

$s->set(auto => 200);

my $died = 0;
my @d = map { $sip->build('MESSAGE', 'sip:u@x.test', body => "d$_") } 1 .. 100;

$x->set(on_stanza => sub {
	my ($x, $e, $c) = @_;
	return 0 unless $e->name() eq 'message'
		&& ($e->text('body') // '') eq 'd40' && !$died++;
	$c->reset();
	return 0;
});

$sip->send_raw(join '', map { $_->raw() } @d);
check_exactly('d', $sip, @d);

# the same with a server that closes its stream in good order

$died = 0;
$x->set(on_stanza => sub {
	my ($x, $e, $c) = @_;
	return 0 unless $e->name() eq 'message'
		&& ($e->text('body') // '') eq 'e40' && !$died++;
	$c->send('</stream:stream>');
	return 0;
});

my @e = map { $sip->build('MESSAGE', 'sip:u@x.test', body => "e$_") } 1 .. 100;
$sip->send_raw(join '', map { $_->raw() } @e);
check_exactly('e', $sip, @e);

$x->set(on_stanza => undef);

# the SIP server is killed amid a flow

$died = 0;
$s->set(auto => sub {
	my ($m, $c) = @_;

	if ($m->body() eq 'f5' && !$died++) {
		$c->reset();
		return 0;
	}

	return 200;
});

$xmpp->send(join '', map { $g->message("f$_", id => "f$_",
	from => "u$_\@x.test") } 1 .. 20);

ok(Test::Nginx::Peers::wait_until(sub {
	my %got = map { $_ => 1 } sent('f');
	$got{$_->attr('id')}++ for grep { ($_->attr('type') || '') eq 'error'
		&& ($_->attr('id') || '') =~ /^f/ } $x->seen();
	return keys %got == 20;
}, 10), 'x2s, SIP server killed, each has an outcome');

my %n;
$n{$_}++ for sent('f');
is((grep { $n{$_} > 1 } keys %n), 0, 'x2s, none twice');

# nothing is there at all: queue and deadline

$x->stop_listening();
$_->reset() for $x->conns();

my $q = $sip->request('MESSAGE', 'sip:u@x.test', body => 'nobody');
is($sip->response_to($q, 8)->code(), 504, 's2x, no server'); # XS-51

$s->stop_listening();
$_->reset() for $s->conns();
undef $xmpp;
undef $sip;

Test::Nginx::Peers::stop($t);

###############################################################################

# bodies of messages that arrived at the XMPP server

sub bodies {
	my ($prefix) = @_;
	return grep { /^$prefix\d/ } map { $_->text('body') // '' }
		grep { $_->name() eq 'message' } $x->seen();
}

# bodies of requests that arrived at the SIP server

sub sent {
	my ($prefix) = @_;
	return grep { /^$prefix\d/ } map { $_->body() } $s->seen();
}

# the error stanza with this id

sub error {
	my ($id, $timeout) = @_;
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		($found) = grep { ($_->attr('id') || '') eq $id
			&& ($_->attr('type') || '') eq 'error' } $x->seen();
		return $found;
	}, $timeout);

	return $found;
}

# each was accepted and delivered, or failed; none twice; none unanswered

sub check_exactly {
	my ($prefix, $sip, @q) = @_;
	my (%ok, %n);

	for my $q (@q) {
		my $r = $sip->response_to($q, 8);
		$ok{$q->body()} = $r ? $r->code() : 0;
	}

	$n{$_}++ for bodies($prefix);

	is((grep { !$ok{$_->body()} } @q), 0, "$prefix - all were answered");
	is((grep { $ok{$_->body()} == 202 && !$n{$_->body()} } @q), 0,
		"$prefix - what was accepted was delivered");
	is((grep { $n{$_} > 1 } keys %n), 0, "$prefix - none twice");
}

###############################################################################
