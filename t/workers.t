#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for several workers: answers that arrive at another worker than the one
# that waits for them (DESIGN 4, ARC-21), reload, and the death of a worker.

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
	->has_daemon('openssl')->plan(12);

my $g = Test::Nginx::Gateway->new($t, workers => 4);

$g->start(xmpp => { bounce => { 'no@x.test' => 'item-not-found' } });

# the peer's only stream ends in one worker, SIP connections in all

my $in = $g->xmpp();


my @sip = map { $g->sip() } 1 .. 16;
my %code;

for my $i (1 .. 5) {
	my @q = map { [$_, $_->request('MESSAGE', 'sip:u@x.test',
		body => "$i")] } @sip;
	$code{$_->[0]->response_to($_->[1])->code()}++ for @q;
}

is($code{202}, 80, 'answers find their worker');

%code = ();
$code{$_->transact('MESSAGE', 'sip:no@x.test', body => 'x')->code()}++ for @sip;

is($code{604}, 16, 'bounces find their worker');

my %conn = map { $_->{conn} => 1 } grep { $_->name() eq 'message' }
	$g->{x}->seen();
cmp_ok(keys %conn, '>', 1, 'several workers were at work');

# each worker sends by its own connection, a SIP response comes by the same

$in->send(join '', map { $g->message("x$_", from => "u$_\@x.test") } 1 .. 20);
ok(Test::Nginx::Peers::wait_until(sub {
	20 == grep { $_->body() =~ /^x/ } $g->{s}->seen(); }), 'from XMPP');

# reload: what is pending gets its answer, idle connections end politely

$g->{x}->set(pings => 0);

my $busy = $sip[0];
my $idle = $sip[1];
my $q = $busy->request('MESSAGE', 'sip:u@x.test', body => 'pending');
my $m;

while ($m = $g->{x}->stanza()) {
	last if $m->name() eq 'iq';
}

$t->reload();

ok($idle->eof_within(5), 'reload - idle connection is closed');
is($idle->closed(), 'notify', 'reload - with close_notify'); # SC-14

ok($in->stream_closed(), 'reload - idle stream is closed'); # ARC-20
$in->close_stream();

# the peer's new stream is another one: what was pending is uncertain, unless
# the answer comes on the old one

$g->{x}->pong($m);
my $r = $busy->response_to($q);
like($r->code(), qr/^(202|504)$/, 'reload - pending one has an outcome');
ok($busy->eof_within(5), 'reload - busy connection is closed after that');

$g->{x}->set(pings => 1);

my $new = $g->sip();
is($new->transact('MESSAGE', 'sip:u@x.test', body => 'new')->code(), 202,
	'reload - new workers');

# a worker dies, which nginx itself logs as an alert

$t->todo_alerts();

my $master = $t->read_file('nginx.pid');
chomp $master;

my @old = workers($master);
kill 'KILL', $old[0];

ok(Test::Nginx::Peers::wait_until(sub {
	my @now = workers($master);
	return @now >= @old && !grep { $_ == $old[0] } @now;
}), 'another worker after one was killed');

my @ok = grep { $_->transact('MESSAGE', 'sip:u@x.test', body => 'after')
	->code() == 202 } map { $g->sip() } 1 .. 8;

is(@ok, 8, 'messages cross after that');

undef @sip;
undef @ok;
undef $new;
undef $busy;
undef $idle;
undef $in;

Test::Nginx::Peers::stop($t);

###############################################################################

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
