#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for IM sessions that users of XMPP begin, dialect "ocs": the INVITE,
# what waits for it, how it is refused, and what happens when the session is
# gone (ocs-wire 2.2, 2.5, 2.6).

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
	->has_daemon('openssl')->plan(40);

my $g = Test::Nginx::Gateway->new($t, dialect => 'ocs', federation => <<'EOF_');
        chatstates_interval 2s;
EOF_

$g->start();

my $edge = $g->{edge};
my $xmpp = $g->xmpp();
my $serial = 0;

# what the INVITE is: ocs-wire 2.1, 2.2, 5.1; more of it the Edge judges

case('INVITE', sub {
	my ($client, $r, $u) = user(answer => 0);

	$xmpp->send(chat("$u/res", $r, 'hello'));
	my $s = $client->session();
	my $m = $s->invite();

	is($m->uri(), "sip:$r", 'Request-URI');
	is($m->header('To'), "<sip:$r>", 'To');
	like($m->header('From'),
		qr/^(?:"[^"]*" ?)?<sip:\Q$u\E(?:;[^>]*)?>;tag=\w+/, 'From');
	is($m->cseq() > 0, 1, 'CSeq');
	like($m->body(), qr/^m=message \d+ sip /m, 'm=');
	unlike($m->raw(), qr/hello|aGVsbG8/, 'the text is not in it');
	like($m->header('Allow') // '', qr/\b$_\b/, "Allow: $_")
		for qw/ ACK BYE CANCEL MESSAGE INFO /;

	# what Lync sends while it forks, and a phone that rings

	$s->progress();
	$s->ringing();
	ok(!$client->message(0.2), 'no MESSAGE before 200');

	$s->accept();
	ok($s->acked(), 'ACK');
	is($s->heard(), 'hello', 'MESSAGE');
	is($s->{acks}[0]->cseq(), $m->cseq(), 'CSeq of ACK');
	is($s->{remote_cseq}, $m->cseq() + 1, 'CSeq goes on');
	ok($edge->quiet($u), 'no error');
});

# the Contact of a session is the server's at times: ocs-wire 4.2

case('Contact without user, routes in one line', sub {
	my ($client, $r, $u) = user(answer => 0);

	$xmpp->send(chat("$u/res", $r, 'hello'));
	my $s = $client->session();

	$s->{contact} = '<sip:ocs.s.test:5061;transport=tls>;proxy=replace';
	my @rr = (reverse(@{$s->{our_routes}}),
		$s->invite()->all('Record-Route'));
	$s->accept('record-routes' => [join(', ', @rr)]);

	ok($s->acked(), 'ACK');
	is($s->heard(), 'hello', 'MESSAGE');
});

case('no Record-Route of theirs', sub {
	my ($client, $r, $u) = user(answer => 0);

	$xmpp->send(chat("$u/res", $r, 'hello'));
	my $s = $client->session();

	$s->{our_routes} = [];
	$s->accept();
	ok($s->acked(), 'ACK');
	is($s->heard(), 'hello', 'MESSAGE');
});

# m=x-ms-message in the answer of LCS 2005: ocs-wire 2.1

case('the answer has m=x-ms-message', sub {
	my ($client, $r, $u) = user(answer => 0, generation => 'lcc-1.3');

	$xmpp->send(chat("$u/res", $r, 'hello'));
	my $s = $client->session();
	$s->accept(media => 'x-ms-message');
	ok($s->acked(), 'ACK');
	is($s->heard(), 'hello', 'MESSAGE');
});

# what waits for the INVITE

case('messages wait for the INVITE, in order', sub {
	my ($client, $r, $u) = user(answer => 0);

	$xmpp->send(join('', map { chat("$u/res", $r, "text $_", id => "m$_") }
		1 .. 5));
	my $s = $client->session();

	ok(!$client->session_if(0.2), 'one INVITE');
	ok(!$client->message(0), 'nothing before its answer');

	$s->accept();
	is($s->heard(), "text $_", "text $_") for 1 .. 5;
	ok($edge->quiet($u), 'no error');
	is(@{$s->{acks}}, 1, 'one ACK');
});

case('one MESSAGE at a time', sub { # RFC 3428, 8
	my ($client, $r, $u) = user(message => 0);

	$xmpp->send(join('', map { chat("$u/res", $r, "text $_") } 1 .. 3));
	my $s = $client->session();

	for (1 .. 3) {
		my $m = $s->message() or die "no MESSAGE\n";
		is($m->body(), "text $_", "text $_");
		ok(!$s->message(0.1), 'the next one waits');
		$s->reply($m, 200);
	}
});

case('users do not share a session', sub {
	my ($client, $r, $u) = user();

	$xmpp->send(chat("$u/res", $r, 'one') . chat("o$u/res", $r, 'two'));
	my @s = map { $client->session() } 1 .. 2;

	is_deeply([sort map { "$_->{peer} " . $_->heard() } @s],
		["sip:o$u two", "sip:$u one"], 'sessions');
	isnt($s[0]{call_id}, $s[1]{call_id}, 'Call-ID');
});

case('devices of one user share a session', sub {
	my ($client, $r, $u) = user();

	$xmpp->send(chat("$u/one", $r, 'one') . chat("$u/two", $r, 'two'));
	my $s = $client->session();
	is($s->heard(), 'one', 'one');
	is($s->heard(), 'two', 'two');
	ok(!$client->session_if(0), 'one session');
	like($s->{peer}, qr/^sip:\Q$u\E$/, 'of the bare address');
});

# a client that does not wait for the ACK

case('MESSAGE of the client at once', sub {
	my ($client, $r, $u) = user(answer => 0);

	$xmpp->send(chat("$u/res", $r, 'hello'));
	my $s = $client->session();
	$s->accept();
	$s->acked();
	my $m = $s->send_text('one');
	is($s->heard(), 'hello', 'text');
	is($s->response($m)->code(), 200, 'MESSAGE');
	is($edge->told($u), "$r $u: one", 'text of SIP');
});

# how it is refused: each sender of a message that waits is told

for ([486, 'recipient-unavailable'], [480, 'recipient-unavailable'],
	[488, 'not-acceptable'], [603, 'recipient-unavailable'],
	[504, 'remote-server-timeout'], [404, 'item-not-found'],
	[403, 'forbidden'], [606, 'not-acceptable'],
	[500, 'internal-server-error'])
{
	my ($status, $condition) = @$_;

	case("INVITE is refused by $status", sub {
		my ($client, $r, $u) = user(answer => 0);

		$xmpp->send(join('', map { chat("$u/res", $r, "text $_",
			id => "m$_") } 1 .. 3));
		my $s = $client->session();
		$s->refuse($status, diagnostics => '1034;reason="x"');

		ok($s->acked(), 'ACK');
		is($edge->told($u), "$r $u error m$_ $condition", "error $_")
			for 1 .. 3;
		like($t->read_file('error.log'), qr/\QINVITE to a user of "s.test" \E
			failed:\ $status\ 1034;reason="x"/x, 'log');
		ok(!$client->message(0), 'no MESSAGE');

		# the next one is another attempt

		$client->set(answer => 200);
		$xmpp->send(chat("$u/res", $r, 'again'));
		my $next = $client->session();
		is($next->heard(), 'again', 'next session');
		isnt($next->{call_id}, $s->{call_id}, 'another Call-ID');
	});
}

# a session that the client has forgotten: ocs-wire 2.5

for my $status (481, 480, 408) {
	case("MESSAGE gets $status: a new session, once", sub {
		my ($client, $r, $u) = user();
		my $n = 0;

		$xmpp->send(chat("$u/res", $r, 'first'));
		my $old = $client->session();
		is($old->heard(), 'first', 'first session');

		$client->set(message => sub { return $n++ ? 200 : $status });
		$xmpp->send(chat("$u/res", $r, "two", id => 'm2')
			. chat("$u/res", $r, "three", id => 'm3'));

		is($old->heard(), 'two', 'refused');
		my $new = $client->session();
		is($new->heard(), 'two', 'sent again');
		is($new->heard(), 'three', 'the next one after it');
		ok(!$old->message(0), 'not in the old session');
		ok($edge->quiet($u), 'no error');

		is($new->say('answer'), 200, 'answer');
		is($edge->told($u), "$r $u: answer", 'text');
		ok(!$client->session_if(0), 'no other session');
	});

	case("MESSAGE gets $status twice: an error", sub {
		my ($client, $r, $u) = user();

		$xmpp->send(chat("$u/res", $r, 'first'));
		my $old = $client->session();
		$old->heard();

		$client->set(message => $status);
		$xmpp->send(chat("$u/res", $r, "two", id => 'm2'));

		$old->heard();
		my $new = $client->session();
		is($new->heard(), 'two', 'sent again');
		like($edge->told($u), qr/^$r $u error m2 /, 'error');
		ok(!$client->session_if(0.2), 'and not once more');

		$client->set(message => 200);
		$xmpp->send(chat("$u/res", $r, "three"));
		is($client->heard(), 'three', 'the next one crosses');
	});
}

case('MESSAGE gets 481, the new INVITE is refused', sub {
	my ($client, $r, $u) = user();

	$xmpp->send(chat("$u/res", $r, 'first'));
	my $old = $client->session();
	$old->heard();

	$client->set(message => 481, answer => 486);
	$xmpp->send(chat("$u/res", $r, "two", id => 'm2')
		. chat("$u/res", $r, "three", id => 'm3'));
	is($edge->told($u), "$r $u error m2 recipient-unavailable", 'error');
	is($edge->told($u), "$r $u error m3 recipient-unavailable", 'error');
});

case('a new session that is refused at once is not tried again', sub {
	my ($client, $r, $u) = user(message => 481);

	# the first MESSAGE of a session may have it opened again once as well

	$xmpp->send(chat("$u/res", $r, 'first', id => 'm1'));
	my $s = $client->session();
	like($edge->told($u), qr/^$r $u error m1 /, 'error');
	1 while $client->session_if(0.2) && ++$serial;
	cmp_ok(scalar grep({ $_->method() eq 'INVITE'
		&& $_->uri() eq "sip:$r" } $edge->server()->seen()), '<=', 2,
		'two INVITEs at most');
});

# other answers are about the text, not about the session

for ([415, 'not-acceptable'], [403, 'forbidden'], [606, 'not-acceptable'],
	[500, 'internal-server-error'])
{
	my ($status, $condition) = @$_;

	case("MESSAGE gets $status", sub {
		my ($client, $r, $u) = user(message => $status);

		$xmpp->send(chat("$u/res", $r, 'bad', id => 'm1'));
		my $s = $client->session();
		is($edge->told($u), "$r $u error m1 $condition", 'error');

		$client->set(message => 200);
		$s->heard();
		$xmpp->send(chat("$u/res", $r, 'good'));
		is($s->heard(), 'good', 'same session');
		ok(!$client->session_if(0), 'no other one');
	});
}

# typing is no reason to begin a session, but its failure shows that there is
# none: ocs-wire 2.4

case('INFO gets 481', sub {
	my ($client, $r, $u) = user();

	$xmpp->send(chat("$u/res", $r, 'first'));
	my $old = $client->session();
	$old->heard();

	$client->set(info => 481);
	$xmpp->send(chat_state("$u/res", $r, 'composing'));
	is($client->typed(), 'type', 'INFO');

	$client->set(info => 200);
	$xmpp->send(chat("$u/res", $r, 'two', id => 'm2'));
	my $new = $client->session();
	is($new->heard(), 'two', 'a new session');
	ok(!$old->message(0), 'not in the old one');
	ok($edge->quiet($u), 'no error');
});

case('typing before there is a session', sub {
	my ($client, $r, $u) = user();

	$xmpp->send(chat_state("$u/res", $r, 'composing'));
	$xmpp->send(chat_state("$u/res", $r, 'gone'));
	ok(!$client->session_if(0.3), 'no INVITE');
	ok($edge->quiet($u), 'no error');
});

# CST-03

case('gone ends the session', sub {
	my ($client, $r, $u) = user();

	$xmpp->send(chat("$u/res", $r, 'first'));
	my $old = $client->session();
	$old->heard();

	$xmpp->send(chat_state("$u/res", $r, 'gone'));
	ok($old->ended(), 'BYE');

	$xmpp->send(chat("$u/res", $r, 'two'));
	my $new = $client->session();
	is($new->heard(), 'two', 'a new session');
	ok($edge->quiet($u), 'nothing to XMPP');
});

case('gone right behind a message', sub {
	my ($client, $r, $u) = user(message => 0);

	$xmpp->send(chat("$u/res", $r, 'bye')
		. chat_state("$u/res", $r, 'gone'));
	my $s = $client->session();
	my $m = $s->message() or die "no MESSAGE\n";
	$s->reply($m, 200);

	# it may have come while the INVITE was under way, when it is nothing

	$xmpp->send(chat("$u/res", $r, 'and bye'));
	$m = $s->message() or die "no MESSAGE\n";
	$xmpp->send(chat_state("$u/res", $r, 'gone'));
	$s->reply($m, 200);

	ok($s->ended(15), 'BYE');
	ok($edge->quiet($u), 'nothing to XMPP');
});

case('gone, and back again', sub {
	my ($client, $r, $u) = user(message => 0);

	$xmpp->send(chat("$u/res", $r, 'one'));
	my $s = $client->session();
	my $m = $s->message() or die "no MESSAGE\n";

	$xmpp->send(chat_state("$u/res", $r, 'gone')
		. chat("$u/res", $r, 'two'));
	$client->set(message => 200);
	$s->reply($m, 200);
	is($s->heard(), 'two', 'same session');
	ok(!$s->ended(3), 'which goes on');
});

case('gone ends a session that the client began', sub {
	my ($client, $r, $u) = user();
	my $s = $client->start($u);

	$xmpp->send(chat_state("$u/res", $r, 'gone'));
	ok($s->ended(), 'BYE');
	is($s->say('late'), 481, 'MESSAGE after that');
});

# typing, XMPP to SIP: ocs-wire 2.4

case('typing', sub {
	my ($client, $r, $u) = user();

	$xmpp->send(chat("$u/res", $r, 'first'));
	my $s = $client->session();
	$s->heard();

	$xmpp->send(chat_state("$u/res", $r, 'composing'));
	is($s->typed(), 'type', 'composing');

	# not another one within some seconds, ocs-wire 8, 11

	$xmpp->send(chat_state("$u/res", $r, 'composing') x 5);
	$xmpp->send(chat("$u/res", $r, 'second'));
	is($s->heard(), 'second', 'text');
	is(scalar grep({ $_->{typing} eq 'type' } @{$client->{typed}}), 0,
		'not again');
	ok($edge->quiet($u), 'no error');
});

case('typing, and no longer', sub {
	my ($client, $r, $u) = user();

	$xmpp->send(chat("$u/res", $r, 'first'));
	my $s = $client->session();
	$s->heard();

	$xmpp->send(chat_state("$u/res", $r, 'composing'));
	is($s->typed(), 'type', 'composing');
	$xmpp->send(chat_state("$u/res", $r, 'paused'));
	is($s->typed(15), 'idle', 'paused');
});

is($edge->wrong(), '', 'dialogs are as they should be');
is(join("\n", map { $_->start_line() } $edge->stray()), '', 'nothing astray');

undef $xmpp;

###############################################################################

sub user {
	my ($id) = 'u' . ++$serial;
	return ($edge->client("$id\@s.test", @_), "$id\@s.test", "$id\@x.test");
}

###############################################################################
