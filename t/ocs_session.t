#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for IM sessions of the dialect "ocs", ocs-wire 2: what each generation
# of clients does, whoever begins.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::Edge;
use Test::Nginx::Gateway;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(28);

my $g = Test::Nginx::Gateway->new($t, dialect => 'ocs');

$g->start();

my $edge = $g->{edge};
my $xmpp = $g->xmpp();

foreach my $generation (@Test::Nginx::Edge::GENERATIONS) {
	(my $id = $generation) =~ s/\W//g;
	my ($r, $u) = ("$id\@s.test", "$id\@x.test");
	my $client = $edge->client($r, generation => $generation);
	my ($s, $first);

	# ocs-wire 2.1: the first text comes in the INVITE as well, and the
	# MESSAGE is what counts, as nothing of it was acknowledged

	case("$generation begins", sub {
		$s = $client->invite($u, toast => 'hello');
		my $answer = $s->answer();
		is($answer->code(), 200, 'INVITE') or die "no session\n";
		ok($edge->quiet($u), 'the toast is not the message');

		$s->ack();

		is($s->say('hello'), 200, 'MESSAGE');
		is($edge->told($u), "$r $u: hello", 'text');
		ok($edge->quiet($u), 'once');

		is($s->say("two\x0d\x0alines, gr\xc3\xbc\xc3\x9fe <&>"), 200,
			'MESSAGE again');
		is($edge->told($u),
			"$r $u: two\nlines, gr\xc3\xbc\xc3\x9fe <&>",
			'text again');

		# CSeq go on from that of the INVITE, ocs-wire 2.3

		is($s->{cseq}, 3, 'CSeq');
	});

	# ocs-wire 2.2: one session is for both directions

	case("$generation is answered in the same session", sub {
		$xmpp->send(chat("$u/res", $r, 'hi'));
		is($s->heard(), 'hi', 'text');
		ok(!$client->session_if(0), 'no other session');

		$xmpp->send(chat("$u/res", $r, "gr\xc3\xbc\xc3\x9fe\nzwei"));
		is($s->heard(), "gr\xc3\xbc\xc3\x9fe\x0d\x0azwei", 'UTF-8');
	});

	# ocs-wire 2.4

	case("$generation types", sub {
		is($s->typing('type'), 200, 'INFO');
		is($edge->told($u), "$r $u composing", 'composing');
		is($s->typing('idle'), 200, 'INFO, idle');
		is($edge->told($u), "$r $u paused", 'paused'); # ocs-wire 8, 11
	});

	# ocs-wire 2.5

	case("$generation ends it, and the next session begins", sub {
		is($s->bye(), 200, 'BYE');
		ok($edge->quiet($u), 'which XMPP has no word for');

		$xmpp->send(chat("$u/res", $r, 'again'));
		my $next = $client->session();
		ok($next->acked(), 'ACK');
		is($next->heard(), 'again', 'text');

		$xmpp->send(chat("$u/res", $r, 'and again'));
		is($next->heard(), 'and again', 'text, same session');
		ok(!$client->session_if(0), 'no other session');

		is($next->say('answer'), 200, 'MESSAGE');
		is($edge->told($u), "$r $u: answer", 'text from SIP');
		is($next->bye(), 200, 'BYE');
	});
}

# the 2xx of a MESSAGE is the word of the XMPP side: DESIGN 3

case('MESSAGE is accepted when XMPP took it', sub {
	my $client = $edge->client('late@s.test');
	my $s = $client->start('late@x.test');

	$g->{x}->set(pings => 0);
	my $m = $s->send_text('wait');
	is($edge->told('late@x.test'), 'late@s.test late@x.test: wait', 'text');

	my $ping = $g->{x}->stanza(undef, 'iq') or die "no ping\n";
	Test::Nginx::Peers::idle(0.2);
	is(scalar grep({ $_->code() >= 200 } @{$m->{responses}}), 0,
		'no final response yet');

	$g->{x}->set(pings => 1);
	$g->{x}->pong($ping);
	is($s->response($m)->code(), 200, 'MESSAGE');
});

case('MESSAGE is refused when XMPP bounced it, and the session lives on', sub {
	my $client = $edge->client('bounced@s.test');
	my $s = $client->start('bounced@x.test');

	# ocs-wire 2.6

	for (['item-not-found', 404], ['service-unavailable', 480],
		['recipient-unavailable', 480], ['forbidden', 403])
	{
		my ($condition, $status) = @$_;

		$g->{x}->set(bounce => { 'bounced@x.test' => $condition });
		is($s->say('lost'), $status, $condition);
		$edge->told('bounced@x.test');
	}

	$g->{x}->set(bounce => { 'bounced@x.test' => 'feature-not-implemented' });
	my $a = $s->transact('message-plain', text => 'lost');
	is($a->code(), 501, 'feature-not-implemented');
	like($a->header('Allow') // '', qr/\bINVITE\b/, 'Allow');
	$edge->told('bounced@x.test');

	$g->{x}->set(bounce => {});

	is($s->say('found'), 200, 'MESSAGE again');
	is($edge->told('bounced@x.test'),
		'bounced@s.test bounced@x.test: found', 'text');
	is($s->bye(), 200, 'BYE');
});

is($edge->wrong(), '', 'dialogs are as they should be');
is(join("\n", map { $_->start_line() } $edge->stray()), '', 'nothing astray');

undef $xmpp;

###############################################################################
