#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for the number of IM sessions of the dialect "ocs", and of messages
# that wait for one.

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
	->has_daemon('openssl')->plan(5);

my $g = Test::Nginx::Gateway->new($t, dialect => 'ocs', federation => <<'EOF_');
        sessions 3;
        pair_queue 4;
EOF_

$g->start();

my $edge = $g->{edge};
my $xmpp = $g->xmpp();
my $serial = 0;

# the one that was used least recently makes room

case('more sessions than there may be', sub {
	my @users = map { [user()] } 1 .. 4;
	my @s = map { $_->[0]->start($_->[2]) } @users[0 .. 2];

	is($s[0]->say('still here'), 200, 'the oldest one is used');
	is($edge->told($users[0][2]), "$users[0][1] $users[0][2]: still here",
		'text');

	my $new = $users[3][0]->start($users[3][2]);
	ok($s[1]->ended(), 'BYE in that which was used before all others');
	is($s[1]->say('late'), 481, 'MESSAGE after that');
	is($_->say('one'), 200, 'the others go on') for $s[0], $s[2], $new;

	my ($client, $r, $u) = @{$users[1]};
	$xmpp->send(chat("$u/res", $r, 'two'));
	is($client->session()->heard(), 'two', 'it comes back');
	ok($s[0]->ended(), 'for another one');
	ok(!$s[2]->{ended} && !$new->{ended}, 'the others stay');
});

# INVITEs under way are sessions, too; what waits is bounded

case('too many messages wait', sub {
	my ($client, $r, $u) = user(answer => 0);

	$xmpp->send(join('', map { chat("$u/res", $r, "text $_", id => "m$_") }
		1 .. 10));
	my $s = $client->session();
	my @lines = map { $edge->told($u) } 1 .. 5;
	my @ids = sort map { / error m(\d+) / ? $1 : () } @lines;

	ok(@ids == 5 && !grep({ !/ resource-constraint$/ } @lines), 'errors')
		or diag(join("\n", @lines));

	$s->accept();
	my @heard = map { $s->heard() } 1 .. 5;
	my %gone = map { $_ => 1 } @ids;
	is_deeply(\@heard, [map { "text $_" } grep { !$gone{$_} } 1 .. 10],
		'the rest, in order');
	ok($edge->quiet($u), 'no more errors');
	ok(!$client->message(0), 'and no more texts');
});

case('INVITEs under way when there is no room', sub {
	my @users = map { [user(answer => 0)] } 1 .. 5;
	my $n = 0;

	$xmpp->send(join('', map { chat("$_->[2]/res", $_->[1], 'one',
		id => 'm1') } @users));

	# each of them has an outcome: a text there, or an error here

	foreach (@users) {
		my ($client, $r, $u) = @$_;
		my $s = $client->session_if(1);

		$s->accept() if $s && !$s->{cancelled};

		my $m = $s ? $client->message(1) : undef;
		my $line = $m ? 'text' : $edge->told($u);
		like($line, qr/^text$|^$r $u error m1 /, 'outcome');
		$n++ if $m;
	}

	cmp_ok($n, '>=', 3, 'as many as there may be');
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
