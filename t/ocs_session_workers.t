#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for IM sessions of the dialect "ocs" that several workers know:
# requests over any of the Edge's links (ocs-wire 5.4), reload, and the death
# of a worker.

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
	->has_daemon('openssl')->plan(12);

my $g = Test::Nginx::Gateway->new($t, dialect => 'ocs', workers => 4);

$g->start(edge => { links => 4, spread => 1 });

my $edge = $g->{edge};
my $xmpp = $g->xmpp();
my $serial = 0;

# whether links end in different workers is up to the kernel, and with 4 of them
# they do, mostly: each case is done for several users

case('requests over any link', sub {
	for (1 .. 4) {
		my ($client, $r, $u) = user();
		my $s = $client->start($u);

		is($s->say("text $_"), 200, "MESSAGE $_") for 1 .. 8;
		is($edge->told($u), "$r $u: text $_", "text $_") for 1 .. 8;

		is($s->typing('type'), 200, 'INFO');
		is($edge->told($u), "$r $u composing", 'composing');
		is($s->refresh('reinvite', new => 1)->code(), 200, 're-INVITE');
		is($s->refresh('update', new => 1)->code(), 200, 'UPDATE');

		$xmpp->send(chat("$u/res", $r, 'answer'));
		is($s->heard(), 'answer', 'answer');
		is($s->bye(), 200, 'BYE');
		is($s->say('late'), 481, 'MESSAGE after BYE');
	}
});

case('sessions of the gateway', sub {
	for (1 .. 4) {
		my ($client, $r, $u) = user();

		$xmpp->send(join('', map { chat("$u/res", $r, "text $_") }
			1 .. 5));
		my $s = $client->session();
		is($s->heard(), "text $_", "text $_") for 1 .. 5;

		is($s->say("answer $_"), 200, "MESSAGE $_") for 1 .. 8;
		is($edge->told($u), "$r $u: answer $_", "answer $_")
			for 1 .. 8;

		# ended over one link, seen by all

		is($s->bye(), 200, 'BYE');
		$xmpp->send(chat("$u/res", $r, 'next'));
		my $next = $client->session();
		is($next->heard(), 'next', 'a new session');
	}
});

# the XMPP server may have several streams as well; who sends by another one is
# in the same session

case('several streams', sub {
	my @more = map { $g->xmpp() } 1 .. 4;

	for (1 .. 4) {
		my ($client, $r, $u) = user();
		my $s = $client->start($u);
		my $n = 0;

		foreach my $xp ($xmpp, @more) {
			$xp->send(chat("$u/res", $r, 'text ' . ++$n));
			is($s->heard(), "text $n", "text $n");
		}

		ok(!$client->session_if(0), 'one session');
	}

	# all at once: the order is not known, but it is one session

	my ($client, $r, $u) = user(answer => 0);
	my $n = 0;

	$_->send(chat("$u/res", $r, 'text ' . ++$n)) for $xmpp, @more;
	my $s = $client->session();
	Test::Nginx::Peers::idle(0.2);
	$client->set(answer => 200);
	$s->accept();

	is_deeply([sort map { $client->heard() } 1 .. 5],
		[map { "text $_" } 1 .. 5], 'each text once');
	ok(!$client->message(0.1), 'and nothing else');

	my @live = grep { !$_->ended(0.5) } $s, @{$client->{incoming}};
	is(@live, 1, 'one session is left');

	$_->close_stream() for @more;
});

# workers do not wait for each other

is(join("\n", grep { /CSeq does not follow/ } split(/\n/, $edge->wrong())), '',
	'several streams at once, CSeq');

# newest wins, whoever of the workers has the old one

case('newest wins', sub {
	for (1 .. 4) {
		my ($client, $r, $u) = user();
		my $old = $client->start($u);
		my $new = $client->start($u);

		ok($old->ended(), 'BYE');
		$xmpp->send(chat("$u/res", $r, 'one'));
		is($new->heard(), 'one', 'the new one is used');
	}
});

case('the answer to our 200 comes over another link', sub {
	for (1 .. 4) {
		my ($client, $r, $u) = user();
		my $s = $client->invite($u);
		$s->answer();
		$s->ack();
		my $n = $s->{repeated} || 0;
		Test::Nginx::Peers::idle(0.8);
		is($s->{repeated} || 0, $n, '200 is not repeated after ACK');
	}
});

# one link is enough, and one that breaks matters not

case('a link breaks', sub {
	my ($client, $r, $u) = user();
	my $s = $client->start($u);

	$edge->link($_)->close() for 0 .. 2;
	$edge->{link} = [];
	is($s->say('one', link => 3), 200, 'MESSAGE');
	is($edge->told($u), "$r $u: one", 'text');

	# those that the gateway dialled as well

	$_->close() for grep { $_->{sock} } $edge->server()->conns();
	$xmpp->send(chat("$u/res", $r, 'two', id => 'm2'));
	is($s->heard(15), 'two', 'a new link of the gateway');
});

# reload

my ($client, $r, $u) = user();
my ($ours, $theirs, $waiting);
my @second = user();
my @third = user(answer => 0);

case('before reload', sub {
	$ours = $client->start($u);
	is($ours->say('one'), 200, 'session of the client');
	is($edge->told($u), "$r $u: one", 'text');

	$xmpp->send(chat("$second[2]/res", $second[1], 'one'));
	$theirs = $second[0]->session();
	is($theirs->heard(), 'one', 'session of the gateway');

	$xmpp->send(chat("$third[2]/res", $third[1], 'one', id => 'm1'));
	$waiting = $third[0]->session();
});

$t->reload();

case('after reload', sub {
	ok($xmpp->stream_closed(), 'stream is closed');
	$xmpp->close_stream();
	$edge->unlink();
	$xmpp = $g->xmpp();

	is($ours->say('two'), 200, 'session of the client');
	is($edge->told($u), "$r $u: two", 'text');
	$xmpp->send(chat("$u/res", $r, 'three'));
	is($ours->heard(), 'three', 'text of XMPP');

	$xmpp->send(chat("$second[2]/res", $second[1], 'two'));
	is($theirs->heard(), 'two', 'session of the gateway');
	is($theirs->say('three'), 200, 'MESSAGE');
	is($edge->told($second[2]), "$second[1] $second[2]: three", 'text');

	ok(!$client->session_if(0), 'no new session');
	ok(!$second[0]->session_if(0), 'of the other one neither');

	# an old worker has this one, and what waits for it

	$waiting->accept();
	ok($waiting->acked(), 'ACK');
	is($waiting->heard(), 'one', 'text that waited');
	is($waiting->say('two'), 200, 'MESSAGE');
	is($edge->told($third[2]), "$third[1] $third[2]: two", 'text');
});

# a worker dies, which nginx itself logs as an alert

$t->todo_alerts();

case('workers die, one after another', sub {
	my $master = $t->read_file('nginx.pid');
	chomp $master;

	for my $n (1 .. 4) {
		my @old = workers($master);
		kill 'KILL', $old[0];

		Test::Nginx::Peers::wait_until(sub {
			my @now = workers($master);
			return @now >= @old && !grep { $_ == $old[0] } @now;
		}) or die "no new worker\n";

		Test::Nginx::Peers::idle(0.1);
		$edge->unlink() if grep { $_ && $_->{ended} } @{$edge->{link}};

		if ($xmpp->{ended}) {
			undef $xmpp;
			$xmpp = $g->xmpp();
		}

		# what came by a stream of the dead one is uncertain: DESIGN 3

		like($ours->say("text $n"), qr/^(?:200|504)$/, 'MESSAGE');
		is($edge->told($u), "$r $u: text $n", 'text');

		$xmpp->send(chat("$u/res", $r, "answer $n"));
		is($ours->heard(15), "answer $n", 'text of XMPP');
	}

	ok(!$client->session_if(0), 'no new session');
});

is($edge->wrong(), '', 'dialogs are as they should be');
is(join("\n", map { $_->start_line() } $edge->stray()), '', 'nothing astray');

$edge->unlink();
undef $xmpp;

Test::Nginx::Peers::stop($t);

###############################################################################

sub user {
	my ($id) = 'u' . ++$serial;
	return ($edge->client("$id\@s.test", @_), "$id\@s.test", "$id\@x.test");
}

# the pids of nginx's workers that do not want to end

sub workers {
	my ($master) = @_;
	my @pids = split ' ', `cat /proc/$master/task/$master/children`;

	return grep {
		my $line = '';

		if (open my $fh, '<', "/proc/$_/cmdline") {
			local $/;
			$line = <$fh> // '';
		}

		$line =~ /worker process/ && $line !~ /shutting down/;
	} @pids;
}

###############################################################################
