#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# A zone that is full of subscriptions: messages cross as they did, with
# threads and receipts, streams come and go, and the log has a line in a second
# for what is refused, not one for each.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::Gateway;
use Test::Nginx::Host;
use Test::Nginx::Presence;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(14);

my $g = Test::Nginx::Gateway->new($t, zone => '512k', federation => <<'EOF');
        user_contacts 10000;
        notify_interval 20ms;
        receipts on;
        xmpp_domain *.x2.test server=127.0.0.1:%%PORT_8269%% auth=dialback;
EOF

$g->start();

my $x = $g->{x};
my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();

# full

my @all;
my ($refused, $n) = (0, 0);

while ($refused < 300 && $n++ < 5000) {
	my $w = $hub->watcher("u$n\@x.test", from => 'sip:flood@s.test');
	my $code = $w->subscribe()->code();

	$code == 200 ? push(@all, $w) : $refused++;
}

cmp_ok(scalar @all, '>', 100, 'there was room for many');
is($refused, 300, 'then for none');

my $lines = () = logged($t, qr/\[warn\].*is refused: the zone "test" is full/);
cmp_ok($lines, '>', 0, 'log');
cmp_ok($lines, '<', 150, 'log - not each one');

# messages, with what they remember in the zone

cross($xmpp, "first $_") for 1 .. 3;

# streams are known to all workers: new ones, too

my @more = map { $g->xmpp() } 1 .. 20;
is(scalar(grep { $_->ready() } @more), 20, 'streams');

cross($more[$_], "stream $_") for 0, 19;

$more[$_]->reset() for 0 .. 9;
$more[$_]->close_stream() for 10 .. 18;
@more = ($more[19]);

cross($more[0], 'after');

is((() = logged($t, qr/a stream from .* is refused/)), 0, 'no stream refused');

# room again

$_->unsubscribe() for @all;

my $code;

until_true(sub {
	my $w = $hub->watcher("w" . $n++ . '@x.test', from => 'sip:f@s.test');
	return ($code = $w->subscribe()->code()) == 200;
}, 10);

is($code, 200, 'room again');
is((() = logged($t, qr/exited on signal/)), 0, 'no worker died');

undef $_ for $hub, $xmpp, $x, $g, $t;

###############################################################################

# a message each way, that is confirmed

sub cross {
	my ($c, $body) = @_;

	my $q = $hub->conn()->transact('MESSAGE', 'sip:u@x.test',
		body => "in $body", from => 'sip:r@s.test',
		call_id => "$body \@thread" =~ s/\s/-/gr);

	$c->send("<message from='u\@x.test/res' to='r\@s.test' type='chat'"
		. " id='$body'><body>out $body</body>"
		. "<thread>a thread, $body</thread>"
		. "<request xmlns='urn:xmpp:receipts'/></message>");

	my $out = Test::Nginx::Peers::wait_until(sub {
		return grep { index($_->body(), "out $body") >= 0 }
			$g->{s}->seen();
	});

	is(($q ? $q->code() : 'none') . ($out ? ' out' : ' lost'), '202 out',
		"messages - $body");
}

###############################################################################
