#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for IM sessions of the dialect "ocs" with peers that are broken, slow, or
# mean it.

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
	->has_daemon('openssl')->plan(3);

my $g = Test::Nginx::Gateway->new($t, dialect => 'ocs', federation => <<'EOF_');
        transaction_timeout 2s;
        trying_timeout 200ms;
        confirm_timeout 500ms;
        invite_timeout 6s;
EOF_

$g->start();

my $edge = $g->{edge};
my $xmpp = $g->xmpp();
my $serial = 0;

# how long a text waited for its turn is not held against its session

case('a text that waited for its turn waits for a session', sub {
	my ($client, $r, $u) = user(message => 0);

	$xmpp->send(chat("$u/res", $r, 'one', id => 'm1')
		. chat("$u/res", $r, 'two', id => 'm2'));

	my $s = $client->session();
	my $m = $s->message() or die "no MESSAGE\n";

	$client->set(answer => 0, message => 200);
	is($s->bye(), 200, 'the session ends');
	$s->reply($m, 200);

	my $n = $client->session();
	$n->ringing();
	is($edge->told($u, 3), 'nothing', 'no error while it rings');

	$n->accept();
	is($n->heard(), 'two', 'the text');
	ok($edge->quiet($u), 'no error');
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
