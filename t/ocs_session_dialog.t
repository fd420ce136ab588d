#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for IM sessions of the dialect "ocs": requests within a dialog, and
# what happens when both sides begin at once, or anew (ocs-wire 2.5; RFC 3261,
# 9, 12 to 14).

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
	->has_daemon('openssl')->plan(33);

my $g = Test::Nginx::Gateway->new($t, dialect => 'ocs', federation => <<'EOF_');
        invite_timeout 2s;
        transaction_timeout 3s;
        trying_timeout 500ms;
        confirm_timeout 2s;
EOF_

$g->start(edge => { links => 2 });

my $edge = $g->{edge};
my $xmpp = $g->xmpp();
my $serial = 0;

# newest wins: ocs-wire 2.5

case('a new INVITE of the client replaces his session', sub {
	my ($client, $r, $u) = user();
	my $old = $client->start($u);
	is($old->say('one'), 200, 'old session');

	my $new = $client->start($u);
	ok($old->ended(), 'BYE');

	is($new->say('two'), 200, 'new session');
	is($edge->told($u), "$r $u: $_", $_) for qw/ one two /;

	$xmpp->send(chat("$u/res", $r, 'three'));
	is($new->heard(), 'three', 'XMPP uses the new one');
	is($old->say('late'), 481, 'MESSAGE in the old one');
	is($new->say('four'), 200, 'which does not touch the new one');
});

case('a new INVITE of the client replaces a session of the gateway', sub {
	my ($client, $r, $u) = user();

	$xmpp->send(chat("$u/res", $r, 'one'));
	my $old = $client->session();
	is($old->heard(), 'one', 'old session');

	my $new = $client->start($u);
	ok($old->ended(), 'BYE');

	$xmpp->send(chat("$u/res", $r, 'two'));
	is($new->heard(), 'two', 'XMPP uses the new one');
	ok(!$client->session_if(0), 'no other one');
});

case('BYE of the old session does not end the new one', sub {
	my ($client, $r, $u) = user();
	my $old = $client->start($u);

	$client->set(bye => 0);
	my $new = $client->start($u);
	ok($old->ended(), 'BYE');
	$client->set(bye => 200);
	$old->reply($old->{byes}[0], 481);

	is($new->say('two'), 200, 'new session');
	is($edge->told($u), "$r $u: two", 'text');
});

# an INVITE that fails leaves the old session alone

case('a refused INVITE does not replace the session', sub {
	my ($client, $r, $u) = user();
	my $old = $client->start($u);

	is($client->invite($u, file => 'refused-audio')->answer()->code(), 488,
		'a call');
	is($old->say('one'), 200, 'session');
	is($edge->told($u), "$r $u: one", 'text');
	ok(!$old->ended(0.1), 'no BYE');
});

# glare

case('both begin at once, the client accepts', sub {
	my ($client, $r, $u) = user(answer => 0);

	$xmpp->send(chat("$u/res", $r, 'from xmpp', id => 'm1'));
	my $theirs = $client->session();
	my $ours = $client->invite($u, toast => 'from sip');
	my $code = $ours->answer()->code();
	$ours->ack() if $code < 300;
	$theirs->accept() unless $theirs->{cancelled};

	my $q = $code < 300 ? $ours->send_text('from sip') : undef;
	is($client->heard(), 'from xmpp', 'the message of XMPP');

	if ($q && $ours->response($q)->code() != 200) {
		is($theirs->say('from sip'), 200, 'MESSAGE');

	} elsif (!$q) {
		is($theirs->say('from sip'), 200, 'MESSAGE');
	}

	is($edge->told($u), "$r $u: from sip", 'the message of SIP');
	usable($client, $r, $u, $ours, $theirs);
});

case('both begin at once, the client refuses', sub {
	my ($client, $r, $u) = user(answer => 0);

	$xmpp->send(chat("$u/res", $r, 'from xmpp', id => 'm1'));
	my $theirs = $client->session();
	my $ours = $client->invite($u, toast => 'from sip');
	my $answer = $ours->answer();

	is($answer->code(), 200, 'INVITE of the client') or die "refused\n";

	$ours->ack();
	$theirs->refuse(488) unless $theirs->{cancelled};

	is($ours->say('from sip'), 200, 'MESSAGE');
	is($edge->told($u), "$r $u: from sip", 'the message of SIP');
	is($client->heard(), 'from xmpp', 'the message of XMPP');
	usable($client, $r, $u, $ours, $theirs);
});

case('both begin at once, the client ends its own', sub {
	my ($client, $r, $u) = user(answer => 0);

	$xmpp->send(chat("$u/res", $r, 'from xmpp', id => 'm1'));
	my $theirs = $client->session();
	my $ours = $client->start($u);

	$client->set(answer => 200);
	$theirs->accept() unless $theirs->{cancelled};
	is($ours->bye(), 200, 'BYE') unless $ours->{ended};

	is($client->heard(), 'from xmpp', 'the message of XMPP');
	ok($edge->quiet($u), 'no error');
	ok(!$client->message(0.1), 'once');
});

# CANCEL

case('nobody answers our INVITE', sub {
	my ($client, $r, $u) = user(answer => 0);

	$xmpp->send(chat("$u/res", $r, 'one', id => 'm1')
		. chat("$u/res", $r, 'two', id => 'm2'));
	my $s = $client->session();
	$s->ringing();

	ok(Test::Nginx::Peers::wait_until(sub { $s->{cancelled} }, 15),
		'CANCEL') or die "no CANCEL\n";
	ok($s->acked(), 'ACK of 487');
	is($edge->told($u), "$r $u error $_ remote-server-timeout", "error $_")
		for qw/ m1 m2 /;

	$client->set(answer => 200);
	$xmpp->send(chat("$u/res", $r, 'three'));
	is($client->heard(), 'three', 'the next one crosses');
});

case('200 and CANCEL cross', sub {
	my ($client, $r, $u) = user(answer => 0);

	$xmpp->send(chat("$u/res", $r, 'one', id => 'm1'));
	my $s = $client->session();
	$s->ringing();
	$s->{invite}{answered} = 200; # so CANCEL does not end it

	ok(Test::Nginx::Peers::wait_until(sub {
		return grep { $_->method() eq 'CANCEL'
			&& $_->call_id() eq $s->{call_id} }
			$edge->server()->seen();
	}, 15), 'CANCEL') or die "no CANCEL\n";

	# either the session is used now, or ended; nobody hears both

	$s->accept();
	ok($s->acked(), 'ACK');
	my $line = $edge->told($u, 0.5);

	if ($line eq 'nothing') {
		is($s->heard(), 'one', 'text');

	} else {
		is($line, "$r $u error m1 remote-server-timeout", 'error');
		ok($s->ended(), 'BYE');
		ok(!$s->message(0), 'no text');
	}
});

case('the client cancels', sub {
	my ($client, $r, $u) = user();

	my $s = $client->invite($u);
	my $cancel = $s->cancel();

	# the INVITE is answered by then, or not yet

	like($edge->response($cancel)->code(), qr/^(?:200|481)$/, 'CANCEL');
	my $code = $s->answer()->code();
	like($code, qr/^(?:200|487)$/, 'INVITE');

	if ($code == 200) {
		$s->ack();
		is($s->bye(), 200, 'BYE');
	}

	ok($edge->quiet($u), 'nothing to XMPP');
	is($client->start($u)->say('one'), 200, 'next session');
	is($edge->told($u), "$r $u: one", 'text');
});

case('CANCEL of nothing', sub {
	my ($client, $r, $u) = user();
	my $m = $client->request('cancel', $u);
	is($edge->response($m)->code(), 481, 'CANCEL');
});

# re-INVITE and UPDATE: ocs-wire 2.5

for my $file (qw/ reinvite update update-sdp /) {
	case("$file of the same", sub {
		my ($client, $r, $u) = user();
		my $s = $client->start($u);

		my $a = $s->refresh($file);
		is($a->code(), 200, 'response');
		is($a->to_tag(), $s->{remote_tag}, 'To tag');
		like($a->body(), qr/^m=message \d+ sip sip:\Q$u\E\x0d$/m, 'SDP')
			if $file ne 'update';

		is($s->say('one'), 200, 'MESSAGE');
		$xmpp->send(chat("$u/res", $r, 'two'));
		is($s->heard(), 'two', 'text');
		is($edge->told($u), "$r $u: one", 'text of SIP');
	});

	case("$file from elsewhere", sub {
		my ($client, $r, $u) = user();
		my $s = $client->start($u);

		is($s->refresh($file, new => 1)->code(), 200, 'response');
		$xmpp->send(chat("$u/res", $r, 'two'));
		is($s->heard(), 'two', 'by the new target and routes');
		is($s->say('one'), 200, 'MESSAGE');
	});
}

case('re-INVITE in a session of the gateway', sub {
	my ($client, $r, $u) = user();

	$xmpp->send(chat("$u/res", $r, 'one'));
	my $s = $client->session();
	$s->heard();

	is($s->refresh('reinvite', new => 1)->code(), 200, 'response');
	$xmpp->send(chat("$u/res", $r, 'two'));
	is($s->heard(), 'two', 'by the new target and routes');
});

case('re-INVITE into a call', sub {
	my ($client, $r, $u) = user();
	my $s = $client->start($u);

	my $m = $s->request('refused-audio', %{$s->{routes}},
		routes => $s->{their_routes});
	is($s->response($m)->code(), 488, 're-INVITE');
	$s->request('ack', cseq => $m->cseq(), 'edge-via' =>
		($m->all('Via'))[0]);
	is($s->say('one'), 200, 'the session goes on');
	is($edge->told($u), "$r $u: one", 'text');
});

# 2xx of an INVITE: RFC 3261, 13.2.2.4, 13.3.1.4

case('a forked INVITE', sub {
	my ($client, $r, $u) = user(answer => 0);

	$xmpp->send(chat("$u/res", $r, 'one'));
	my $first = $client->session();
	$first->accept();
	my $second = $first->fork();

	ok($first->acked(), 'ACK');
	ok($second->acked(), 'ACK of the other one');
	ok(Test::Nginx::Peers::wait_until(sub {
		return $first->{ended} || $second->{ended};
	}), 'BYE of one');
	Test::Nginx::Peers::idle(0.1);
	ok(!($first->{ended} && $second->{ended}), 'not of both');

	my $kept = $first->{ended} ? $second : $first;
	is($kept->heard(), 'one', 'text, in the one that is kept');
	ok(!$client->message(0), 'once');

	is($kept->say('two'), 200, 'MESSAGE');
	is($edge->told($u), "$r $u: two", 'text of SIP');
	isnt(($first->{ended} ? $first : $second)->say('late'), 200,
		'MESSAGE in the other one');
	ok($edge->quiet($u), 'is not a message');
});

case('a fork that answers late', sub {
	my ($client, $r, $u) = user();

	$xmpp->send(chat("$u/res", $r, 'one'));
	my $first = $client->session();
	is($first->heard(), 'one', 'text');

	my $second = $first->fork();
	ok($second->acked(), 'ACK');
	ok($second->ended(), 'BYE');
	ok(!$first->{ended}, 'the first one stays');

	$xmpp->send(chat("$u/res", $r, 'two'));
	is($first->heard(), 'two', 'and is used');
});

case('200 comes again', sub {
	my ($client, $r, $u) = user();

	$xmpp->send(chat("$u/res", $r, 'one'));
	my $s = $client->session();
	$s->heard();
	ok($s->acked(), 'ACK');

	$s->repeat();
	ok($s->acked(undef, 2), 'ACK again');
	$xmpp->send(chat("$u/res", $r, 'two'));
	is($s->heard(), 'two', 'the session goes on');
});

case('our 200 is repeated until ACK', sub {
	my ($client, $r, $u) = user();
	my $s = $client->invite($u);

	$s->answer();
	ok(Test::Nginx::Peers::wait_until(sub { $s->{repeated} }, 10),
		'200 again');
	$s->ack();

	# one may be on its way

	is($s->say('one'), 200, 'MESSAGE');
	my $n = $s->{repeated};
	Test::Nginx::Peers::idle(2.5);
	is($s->{repeated}, $n, 'no more');
	is($edge->told($u), "$r $u: one", 'text');
});

case('no ACK at all', sub { # RFC 3261, 13.3.1.4
	my ($client, $r, $u) = user();
	my $s = $client->invite($u);

	$s->answer();
	ok($s->ended(15), 'BYE');
	is($s->say('late'), 481, 'MESSAGE after that');
	is($client->start($u)->say('one'), 200, 'the next session');
	is($edge->told($u), "$r $u: one", 'text');
});

case('the same INVITE comes again', sub {
	my ($client, $r, $u) = user();
	my $s = $client->invite($u);

	$s->answer();
	$edge->transmit($s->{invite}, $s->{invite}{conn});
	ok(Test::Nginx::Peers::wait_until(sub { $s->{repeated} }), '200 again');
	$s->ack();
	is($s->say('one'), 200, 'MESSAGE');
	is($edge->told($u), "$r $u: one", 'text');
});

case('MESSAGE overtakes ACK', sub {
	my ($client, $r, $u) = user();
	my $s = $client->invite($u);

	$s->answer();
	is($s->say('one', link => 1), 200, 'MESSAGE');
	is($edge->told($u), "$r $u: one", 'text');
	$s->ack();
	is($s->say('two'), 200, 'MESSAGE');
	is($edge->told($u), "$r $u: two", 'text');
});

# RFC 3261, 12.2.2

case('CSeq of the past', sub {
	my ($client, $r, $u) = user();
	my $s = $client->start($u);

	is($s->say('one'), 200, 'MESSAGE');
	is($s->say('two', cseq => 12), 200, 'CSeq may leap');
	is($s->say('three', cseq => 11), 500, 'but not back');
	is($s->say('four', cseq => 13), 200, 'and on');
	is($edge->told($u), "$r $u: $_", $_) for qw/ one two four /;
	ok($edge->quiet($u), 'not the one between');
});

case('no such dialog', sub {
	my ($client, $r, $u) = user();
	my $s = $client->start($u);
	my $c = $edge->link();

	for my $file (qw/ message-plain info-typing bye update reinvite
		refer /)
	{
		is($s->transact($file, %{$s->{routes}}, text => 'type',
			to => "<sip:$u>;tag=0123456789abcdef")->code(), 481,
			"$file, To tag");
		is($s->transact($file, %{$s->{routes}}, text => 'type',
			'call-id' => 'another')->code(), 481,
			"$file, Call-ID");
		is($s->transact($file, %{$s->{routes}}, text => 'type',
			from => "<sip:$r>;tag=other")->code(), 481,
			"$file, From tag");
	}

	$s->request('ack', cseq => 1, 'call-id' => 'another');
	is($s->say('one'), 200, 'ACK of no dialog has no answer');
	is($edge->told($u), "$r $u: one", 'text, and no other one');
	ok(!$s->{ended}, 'the session goes on');
});

case('methods that are not ours', sub { # RFC 3261, 8.2.1
	my ($client, $r, $u) = user();
	my $s = $client->start($u);

	for my $file (qw/ service refer /) {
		my $a = $s->transact($file);
		like($a->code(), qr/^(?:405|481|501|603)$/, $file);
		is($s->say($file), 200, 'the session goes on');
		is($edge->told($u), "$r $u: $file", 'text');
	}

	like($s->transact('service')->header('Allow') // '', qr/\bINVITE\b/,
		'Allow');
});

# who is not the user of a dialog has no part in it

case('requests of somebody else', sub {
	my ($client, $r, $u) = user();
	my $s = $client->start($u);
	my $from = $s->{from};

	(my $other = $from) =~ s/sip:[^@]+@/sip:other@/;
	(my $domain = $from) =~ s/\@s\.test/\@x.test/;

	for my $file (qw/ message-plain info-typing bye update reinvite /) {
		like($s->transact($file, %{$s->{routes}}, text => 'type',
			from => $other)->code(), qr/^(?:403|481)$/,
			"$file, From of another user");
		like($s->transact($file, %{$s->{routes}}, text => 'type',
			from => $domain)->code(), qr/^(?:403|405|481)$/,
			"$file, From of another domain");
	}

	# the certificate of x.test does not speak for s.test

	my $c = Test::Nginx::SIP->connect(
		PeerAddr => '127.0.0.1:' . port(8062), tls => 1,
		$g->{ca}->ssl('x'), host => 'x.test');
	$edge->server()->link($c);

	for my $file (qw/ message-plain info-typing bye update reinvite /) {
		is($s->transact($file, %{$s->{routes}}, text => 'type',
			link => $c)->code(), 403, "$file, certificate");
	}

	ok($edge->quiet($u), 'nothing to XMPP');
	is($s->say('one'), 200, 'the session goes on');
	is($edge->told($u), "$r $u: one", 'text');
	$xmpp->send(chat("$u/res", $r, 'two'));
	is($s->heard(), 'two', 'where it was');
});

case('an INVITE of somebody else', sub {
	my ($client, $r, $u) = user();
	my $c = Test::Nginx::SIP->connect(
		PeerAddr => '127.0.0.1:' . port(8062), tls => 1,
		$g->{ca}->ssl('x'), host => 'x.test');
	$edge->server()->link($c);

	is($client->invite($u, link => $c)->answer()->code(), 403,
		'certificate');
	like($client->invite($u, from => '<sip:a@other.test>;tag=a')->answer()
		->code(), qr/^40[35]$/, 'From');
});

is($edge->wrong(), '', 'dialogs are as they should be');
is(join("\n", map { $_->start_line() } $edge->stray()), '', 'nothing astray');

undef $xmpp;

###############################################################################

sub user {
	my ($id) = 'u' . ++$serial;
	return ($edge->client("$id\@s.test", @_), "$id\@s.test", "$id\@x.test");
}

# there is one session in the end, which both use; nothing was said twice

sub usable {
	my ($client, $r, $u, @sessions) = @_;

	$client->set(answer => 200);
	$xmpp->send(chat("$u/res", $r, 'after'));
	my $m = $client->message() or die "nothing heard after\n";
	is($m->body(), 'after', 'XMPP');

	my $s = $m->{session};
	ok(!$s->{ended}, 'in a session that goes on');
	is($s->say('yes'), 200, 'SIP, in the same one');
	is($edge->told($u), "$r $u: yes", 'text');
	ok($edge->quiet($u), 'nothing else');
	ok(!$client->message(0), 'nothing else of XMPP');

	foreach my $other (grep { $_ != $s } @sessions) {
		ok($other->{ended} || $other->{cancelled} || $other->{refused}
			|| $other->ended(2), 'the other one ended');
	}
}

###############################################################################
