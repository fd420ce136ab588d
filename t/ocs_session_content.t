#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for what IM sessions of the dialect "ocs" carry, and what they do not:
# kinds of text, first messages in INVITEs, calls, files, conferences (ocs-
# wire 2.1, 2.3, 2.4, 2.8, 2.9, 3).

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
	->has_daemon('openssl')->plan(41);

my $g = Test::Nginx::Gateway->new($t, dialect => 'ocs');

$g->start();

my $edge = $g->{edge};
my $xmpp = $g->xmpp();
my $serial = 0;

# what is text: ocs-wire 2.3

for my $file (qw/ plain plain-msgr html alternative /) {
	case("message-$file", sub {
		my ($client, $r, $u) = user();
		my $s = $client->start($u);

		is($s->say('hello', file => "message-$file"), 200, 'MESSAGE');
		is($edge->told($u), "$r $u: hello", 'text');

		is($s->say("a < b & \"c\" gr\xc3\xbc\xc3\x9fe",
			file => "message-$file"), 200, 'MESSAGE again');
		is($edge->told($u), "$r $u: a < b & \"c\" gr\xc3\xbc\xc3\x9fe",
			'text');
		ok($edge->quiet($u), 'each once');
	});
}

for (
	['<P>one</P><P>two</P>', qr/^one\n+two$/, 'paragraphs'],
	['one<BR>two<br/>three<br />four', qr/^one\ntwo\nthree\nfour$/,
		'lines'],
	['<DIV>one</DIV><DIV>two</DIV>', qr/^one\ntwo$/, 'divisions'],
	['<B>b</B><FONT face="a>b">c</FONT>', qr/^bc$/, '> in an attribute'],
	["a\r\n  b\tc", qr/^a b c$/, 'white space'],
	['a&nbsp;b', qr/^a(?:\xc2\xa0| )b$/, '&nbsp;'],
	['&lt;x&gt;&amp;&quot;&#39;&#x263A;&#9786;',
		qr/^<x>&"'\xe2\x98\xba\xe2\x98\xba$/, 'references'],
	['&amp;lt;', qr/^&lt;$/, 'decoded once'],
	['a<!-- <b>not</b> -->b', qr/^ab$/, 'a comment'],
	['<STYLE>p { }</STYLE><SCRIPT>evil()</SCRIPT>text', qr/^text$/,
		'neither style nor script'],
	['<A href="http://x.test/?a=1&amp;b=2">link</A>',
		qr/^link(?: .*http:\/\/x\.test\/\?a=1&b=2.*)?$/, 'a link'],
	['a &bogus; b & c', qr/^a &bogus; b & c$/, 'no reference'],
	['a&#0;&#1;&#xD800;b', qr/^a\S*b$/, 'characters that XML can not have'],
	['x < 3', qr/^x < 3$/, '< of no element'],
)
{
	my ($html, $re, $name) = @$_;

	case("html: $name", sub {
		my ($client, $r, $u) = user();
		my $s = $client->start($u);

		is($s->say('', html => $html, file => 'message-html'), 200,
			'MESSAGE');
		(my $line = $edge->told($u)) =~ s/^\Q$r $u\E: //;
		like($line, $re, 'text');
	});
}

case('html without text', sub {
	my ($client, $r, $u) = user();
	my $s = $client->start($u);

	like($s->say('', html => '<IMG src="cid:1"/>', file => 'message-html'),
		qr/^(?:200|4\d\d)$/, 'MESSAGE');
	ok($edge->quiet($u), 'nothing to XMPP');
	is($s->say('one'), 200, 'the session goes on');
	is($edge->told($u), "$r $u: one", 'text');
});

# what is not: ocs-wire 2.3

for my $file (qw/ rtf gif ink msmsgsinvite /) {
	case("message-$file", sub {
		my ($client, $r, $u) = user();
		my $s = $client->start($u);

		my $a = $s->transact("message-$file", text => 'hello');
		like($a->code(), $file eq 'msmsgsinvite' ? qr/^(?:415|488)$/
			: qr/^415$/, 'MESSAGE');
		like($a->header('Accept') // '', qr!text/plain!, 'Accept')
			if $a->code() == 415; # ERR-18
		ok($edge->quiet($u), 'nothing to XMPP');
		is($s->say('one'), 200, 'the session goes on');
		is($edge->told($u), "$r $u: one", 'text');
	});
}

# SP-23

case('an encoding', sub {
	my ($client, $r, $u) = user();
	my $s = $client->start($u);

	my $a = $s->transact('message-plain', text => 'x', encoding => 'gzip');
	is($a->code(), 415, 'MESSAGE');
	is($a->header('Accept-Encoding'), 'identity', 'Accept-Encoding');
	ok($edge->quiet($u), 'nothing to XMPP');
});

# RFC 3994, which no client of Microsoft's sends

case('isComposing is no text', sub {
	my ($client, $r, $u) = user();
	my $s = $client->start($u);

	like($s->say('active', file => 'message-iscomposing'),
		qr/^(?:200|415)$/, 'MESSAGE');
	is($s->say('one'), 200, 'MESSAGE');

	my $line = $edge->told($u);
	$line = $edge->told($u) if $line eq "$r $u composing";
	is($line, "$r $u: one", 'text');
});

# INFO: ocs-wire 2.4

case('INFO of other kinds', sub {
	my ($client, $r, $u) = user();
	my $s = $client->start($u);

	like($s->transact("info-$_")->code(), qr/^(?:200|415)$/, $_)
		for qw/ conversationinfo mim csta filetransfer /;
	like($s->typing('dance'), qr/^(?:200|400)$/, 'unknown status');
	like($s->typing('"/><!DOCTYPE a [<!ENTITY b "c">]><a b="'),
		qr/^[24]\d\d$/, 'hostile XML');
	ok($edge->quiet($u), 'nothing to XMPP');

	is($s->typing('type'), 200, 'typing');
	is($edge->told($u), "$r $u composing", 'composing');
	is($s->say('one'), 200, 'MESSAGE');
	is($edge->told($u), "$r $u: one", 'text');
});

case('typing is told once', sub { # CST-13
	my ($client, $r, $u) = user();
	my $s = $client->start($u);

	is($s->typing('type'), 200, 'type') for 1 .. 3;
	is($edge->told($u), "$r $u composing", 'composing');
	ok($edge->quiet($u), 'once');
	is($s->typing('idle'), 200, 'idle') for 1 .. 2;
	like($edge->told($u), qr/^$r $u (?:active|paused)$/, 'no longer');
	ok($edge->quiet($u), 'once');

	is($s->typing('type'), 200, 'type again');
	is($s->say('one'), 200, 'MESSAGE');
	is($edge->told($u), "$r $u composing", 'composing');
	is($edge->told($u), "$r $u: one", 'text');
	is($s->bye(), 200, 'BYE');
	ok($edge->quiet($u), 'and nothing else');
});

# a toast is not a message: ocs-wire 2.1

for my $generation (grep { $_ ne 'lcc-1.3' } @Test::Nginx::Edge::GENERATIONS) {
	case("toast of $generation", sub {
		my ($client, $r, $u) = user(generation => $generation);

		# of a session that does not come about

		my $s = $client->invite($u, toast => 'never said');
		is($s->answer()->code(), 200, 'INVITE');
		$s->ack();
		is($s->bye(), 200, 'BYE at once');
		ok($edge->quiet($u), 'nothing to XMPP');

		# each one is said once, be it the same again

		for (1 .. 2) {
			my $s = $client->start($u, toast => 'said');
			is($s->say('said'), 200, 'MESSAGE');
			is($edge->told($u), "$r $u: said", 'text');
			ok($edge->quiet($u), 'once');
		}
	});
}

# an offer that names who is called, without accept-types: MS-SDP 3.1.5.3

case('the offer of RTC 1.3', sub {
	my ($client, $r, $u) = user(generation => 'lcc-1.3');
	my $s = $client->start($u, file => 'invite-peer');

	is($s->say('one'), 200, 'MESSAGE');
	is($edge->told($u), "$r $u: one", 'text');
});

# what is no IM of two: ocs-wire 2.1, 2.9

case('INVITEs that are refused', sub {
	my ($client, $r, $u) = user();

	for (['audio', 488], ['data', 488], ['sharing', 488],
		['filetransfer', 488], ['conference', 488],
		['multiparty', 420], ['triggered', 420, 488],
		['endpoints', 420, 488])
	{
		my ($kind, @status) = @$_;
		my $s = $client->invite($u, file => "refused-$kind",
			text => 'x');
		my $a = $s->answer();

		ok(scalar grep({ $a->code() == $_ } @status), $kind)
			or diag($a->start_line());
		is($a->header('Unsupported') // '',
			'com.microsoft.rtc-multiparty', "$kind, Unsupported")
			if $a->code() == 420;
	}

	ok($edge->quiet($u), 'nothing to XMPP');
});

case('an INVITE without SDP, or of another kind', sub {
	my ($client, $r, $u) = user();

	for ('offer.sdp', 'text') {
		my $s = $client->invite($u, file => 'refused-conference',
			text => $_);
		is($s->answer()->code(), 488, 'refused');
	}

	my $m = $client->request('refused-audio', $u);
	is($edge->response($m)->code(), 488, 'again');
});

# an unknown option tag: RFC 3261, 8.2.2.3. Require of a batch: ocs-wire 4.1

case('Require', sub {
	my ($client, $r, $u) = user();

	my $a = $client->invite($u, file => 'refused-require')->answer();
	is($a->code(), 420, 'INVITE');
	like(join(', ', $a->all('Unsupported')), qr/100rel.*\bms-early-media\b/,
		'Unsupported');

	$a = $client->transact('subscribe-batch', $u);
	is($a->code(), 420, 'SUBSCRIBE of a batch');
	like($a->header('Unsupported') // '', qr/adhoclist/, 'Unsupported');
});

# page mode: ocs-wire 3

case('MESSAGE outside of a session', sub {
	my ($client, $r, $u) = user();

	is($client->transact('message-page', $u, text => 'hello')->code(), 200,
		'MESSAGE');
	is($edge->told($u), "$r $u: hello", 'text');

	# and it does not touch one

	my $s = $client->start($u);
	is($client->transact('message-page', $u, text => 'two')->code(), 200,
		'MESSAGE again');
	is($edge->told($u), "$r $u: two", 'text');
	is($s->say('three'), 200, 'session');
	is($edge->told($u), "$r $u: three", 'text');
	ok(!$s->{ended}, 'goes on');
});

# OPTIONS, ocs-wire 2.8; NEGOTIATE, 5.2

case('OPTIONS', sub {
	my ($client, $r, $u) = user();

	my $a = $client->transact('options', $u);
	is($a->code(), 200, 'OPTIONS');
	like(join(', ', $a->all('Allow')), qr/\b$_\b/, "Allow: $_")
		for qw/ INVITE ACK BYE CANCEL MESSAGE INFO SUBSCRIBE NOTIFY
		OPTIONS /;
});

case('NEGOTIATE', sub {
	my ($client, $r, $u) = user();

	my $c = $edge->link();
	my $a = $client->transact('negotiate', $u, tag => 'a');
	like($a->code(), qr/^(?:405|200|501)$/, 'NEGOTIATE');
	unlike($a->header('Compression') // '', qr/LZ77/i, 'no compression');

	is($client->start($u)->say('one'), 200, 'the link lives on');
	is($edge->told($u), "$r $u: one", 'text');
	is($edge->link(), $c, 'the same');
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
