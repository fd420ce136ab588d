#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of "state": authorizations and dialogs are there again after nginx was
# stopped, or killed; a file that is damaged, or something else, is set aside.

###############################################################################

use warnings;
use strict;

use Test::More;
use Compress::Raw::Zlib qw/crc32/;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::Gateway;
use Test::Nginx::Host qw/slay/;
use Test::Nginx::Presence;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(49);
my $d = $t->testdir();

my $g = Test::Nginx::Gateway->new($t, zone => '4m', federation => <<"EOF");
        state $d/state interval=50ms;
        subscription_expires 1h;
        refresh_rate 1000r/s;
        notify_interval 50ms;
        presence_interval 1h;
EOF

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();

my $OPEN = '<tuple id="ID-a"><status><basic>open</basic></status></tuple>';

# a user of SIP sees one of XMPP, and the other way round; others wait, or were
# refused

my $w = $hub->watcher('u1@x.test', from => 'sip:r1@s.test');
is($w->subscribe()->code(), 200, 'SUBSCRIBE');
$w->notify(undef, 'pending');
is($hub->told('u1@x.test'), 'subscribe r1@s.test', 'request');
ask('u1@x.test', 'r1@s.test', 'subscribed');
ask('u1@x.test/a', 'r1@s.test');
is($w->notify_line('ID-a:open')->line(), 'active ID-a:open', 'presence');

my $p = $hub->presentity('r2@s.test', answer => 200, notify => 'active',
	document => doc('r2@s.test'));
ask('u2@x.test', 'r2@s.test', 'subscribe');
my $dialog = $p->subscription();
is($hub->told('u2@x.test'), 'subscribed r2@s.test', 'grant');
is($hub->told('u2@x.test'), 'available r2@s.test/a', 'presence');

my $pending = $hub->watcher('u3@x.test', from => 'sip:r3@s.test');
is($pending->subscribe()->code(), 200, 'SUBSCRIBE');
is($hub->told('u3@x.test'), 'subscribe r3@s.test', 'request');

my $denied = $hub->watcher('u4@x.test', from => 'sip:r4@s.test');
is($denied->subscribe()->code(), 200, 'SUBSCRIBE');
is($hub->told('u4@x.test'), 'subscribe r4@s.test', 'request');
ask('u4@x.test', 'r4@s.test', 'unsubscribed');
is($denied->notify(undef, 'terminated')->line(), 'terminated rejected',
	'refused');

# what is held back: a resource that is gone

my @ab = map { { id => "ID-$_", basic => 'open' } } qw/ a b /;

my $fast = $hub->presentity('r5@s.test', answer => 200, notify => 'active',
	document => [$ab[0]]);
ask('u5@x.test', 'r5@s.test', 'subscribe');
my $held = $fast->subscription();
is($hub->told('u5@x.test'), 'subscribed r5@s.test', 'grant');
is($hub->told('u5@x.test'), 'available r5@s.test/a', 'presence');
$held->notified('active', \@ab);
is($hub->told('u5@x.test'), 'available r5@s.test/b', 'presence, next');
is($held->notified('active', [$ab[0]])->code(), 200, 'and the next');
ok($hub->quiet(to => 'u5@x.test'), 'it is held back');

saved();

# stopped, and started again

Test::Nginx::Peers::stop($t);
ok(-s "$d/state/state", 'state');
start();
is($hub->told('u5@x.test'), 'unavailable r5@s.test/b',
	'what was held back is told');
restored('stopped');

# killed

saved();
slay($t);
start();
restored('killed');

# the answer that was waited for

ask('u3@x.test', 'r3@s.test', 'subscribed');
is($pending->notify(undef, 'active')->state(), 'active', 'late grant');

# damaged: cut off, changed, something else

slay($t);

my $good = $t->read_file('state/state');

# a time that is none: a dialog has to end some day

my $long = substr($good, 0, -4);
my $tag = do { no warnings 'portable'; quotemeta pack 'Q', hex $w->{remote_tag} };

is($long =~ s/($tag).{8}/$1 . pack 'q', 1 << 62/es, 1, 'dialog in the file');
$t->write_file('state/state', $long . pack 'L', crc32($long));
start();
ok($x->presence(undef, to => 'u1@x.test', type => 'probe'), 'restored');
$hub->{silent} = 1;
ask('u1@x.test/a', 'r1@s.test');
ask('u1@x.test/b', 'r1@s.test');
cmp_ok($w->notify_line('ID-a:open ID-b:open')->state_param('expires'), '<=',
	86400, 'a day at most');
$hub->forgive();
slay($t);


my %bad = (
	'cut off' => substr($good, 0, length($good) - 7),
	'empty' => '',
	'changed' => do { my $s = $good; substr($s, 100, 1) ^= "\x01"; $s },
	'something else' => "hello\n" x 100,
);

for my $name (sort keys %bad) {
	unlink glob("$d/state/*");
	$t->write_file('state/state', $bad{$name});
	start();
	like(errors(), qr/state file ".*state" is not used: it/,
		"$name - is told");
	ok((() = glob("$d/state/state.bad-*")) == 1, "$name - is kept");
	$hub->settle();
	pass("$name - messages cross");
	slay($t);
}

$hub->forgive();

# sessions end ahead of nginx

undef $_ for $w, $p, $dialog, $fast, $held, $pending, $denied, $hub, $xmpp, $x, $s, $g, $t;

###############################################################################

sub ask {
	$xmpp->send(Test::Nginx::XMPP::presence_xml(from => $_[0],
		to => $_[1], type => $_[2]));
}

sub doc {
	my ($r) = @_;
	return "<?xml version='1.0'?><presence "
		. "xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:$r'>$OPEN"
		. '</presence>';
}

# what was there is there

sub restored {
	my ($how) = @_;

	# the dialog of the gateway is refreshed, those of others go on

	my $m = $dialog->next();
	is($m && $m->header('Expires'), 3600, "$how - refresh");
	is($m && $m->call_id(), $dialog->request()->call_id(),
		"$how - dialog");

	$hub->settle();
	ok($x->presence(undef, to => 'u1@x.test', type => 'probe'),
		"$how - the user of XMPP is asked");
	ask('u1@x.test/a', 'r1@s.test');

	is($w->refresh()->code(), 200, "$how - dialog of the watcher");
	is($hub->watcher('u4@x.test', from => 'sip:r4@s.test')->subscribe()
		->code(), 403, "$how - the refusal");
	ask('u2@x.test', 'r2@s.test', 'probe');
	is($hub->told('u2@x.test'), 'available r2@s.test/a',
		"$how - presence");
	is($x->presence(0.1, to => 'u3@x.test'), undef,
		"$how - nobody is asked again");

	# what was sent last is not in the file: CSeq begins well above that

	unlike($hub->forgive(), qr/^(?!.*CSeq does not follow)[a-z]/m,
		"$how - dialogs");
}

# everything so far is in the file

sub saved {
	my $was = -e "$d/state/state" ? (stat("$d/state/state"))[1] : 0;

	$hub->settle();
	$hub->settle_sip($xmpp);

	# one that began after that

	my $n = 0;
	Test::Nginx::Peers::wait_until(sub {
		my $is = -e "$d/state/state" ? (stat(_))[1] : 0;
		$n++, $was = $is if $is && $is != $was;
		return $n >= 1 && !@{[ glob("$d/state/state.new*") ]};
	}, 2);
}

sub start {
	open my $f, '>', "$d/error.log" or die;
	close $f;

	$t->run();
	$xmpp = $g->xmpp();
}

sub errors {
	return join '', grep { /\[(?:error|emerg|crit)\]/ }
		split /^/, $t->read_file('error.log');
}

###############################################################################
