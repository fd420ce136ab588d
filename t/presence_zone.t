#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of a zone that is full: new subscriptions are refused, and told so in
# the log, those that are there go on, and there is room again when some end.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::Gateway;
use Test::Nginx::Presence;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(17);

my $g = Test::Nginx::Gateway->new($t, zone => '512k', stream => <<'EOF',
    server {
        listen 127.0.0.1:%%PORT_8063%%;
        return "$federation_counter_test_authorizations
                $federation_counter_test_dialogs
                $federation_counter_test_free
                $federation_counter_test_subscription_s2x_accepted";
    }
EOF
	federation => <<'EOF');
        user_contacts 10000;
        notify_interval 20ms;
        resubscribe_delay 300ms 300ms;
        subscription_min 1s;
        xmpp_domain late.test server=127.0.0.1:%%PORT_8269%%
                    rate=100r/s user_rate=100r/s;
EOF

$g->{ca}->issue('late', cn => 'late.test', dns => 'late.test');

$g->start(xmpp => { domains => ['x.test', 'late.test'] });

my $x = $g->{x};
my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();

# one of each direction that is to survive

my $w = $hub->watcher('u@x.test', from => 'sip:r@s.test');
is($w->subscribe()->code(), 200, 'SUBSCRIBE');
$w->notify(undef, 'pending');
ask('u@x.test', 'r@s.test', 'subscribed');
ask('u@x.test/a', 'r@s.test');
$w->notify_line('ID-a:open');

my $p = $hub->presentity('p@s.test', answer => 200, notify => 'active');
ask('v@x.test', 'p@s.test', 'subscribe');
my $d = $p->subscription();
is($hub->told('v@x.test'), 'subscribed p@s.test', 'subscribe');

is(join(' ', (counters())[0, 1, 3]), '2 2 1', 'what there is');

# until the zone is full

my ($code, @all);

for my $i (1 .. 3000) {
	my $w = $hub->watcher("u$i\@x.test", from => 'sip:flood@s.test');
	my $r = $w->subscribe();
	$code = $r->code();

	if ($code != 200) {
		is($code, 500, "refused after $i"); # PB-44
		like($r->header('Retry-After') // '', qr/^\d+$/,
			'Retry-After');
		last;
	}

	push @all, $w;
}

cmp_ok(scalar @all, '>', 100, 'there was room for many');
ok((grep { /\[warn\].*subscription .*"s\.test".* is refused: the zone "test"/ }
	split /\n/, $t->read_file('error.log')), 'log');

# small things may have room yet

ask("w$_\@x.test", 'q@s.test', 'subscribe') for 1 .. 50;

my $e = $x->presence(undef, type => 'error');
is($e && $e->condition(), 'resource-constraint', 'refused over XMPP');

# nobody lost what he had

is($w->refresh()->code(), 200, 'dialog of a SIP user');
is($w->notify()->line(), 'active ID-a:open', 'what he sees');
is($d->notified('active', [{ id => 'ID-b', basic => 'open' }])->code(), 200,
	'dialog of an XMPP user');
is($all[0]->refresh()->code(), 200, 'one of the many');

$hub->settle();
$hub->settle_sip($xmpp);
pass('messages cross');

# nor is there anything yet of the domain that this one is from

my $late = $g->xmpp(from => 'late.test', $g->{ca}->ssl('late'));

$late->send($g->message('late', from => 'u@late.test/r'));
Test::Nginx::Peers::wait_until(sub { grep { $_->method() eq 'MESSAGE'
	&& $_->body() eq 'late' } $g->{s}->seen() });
is((grep { $_->body() eq 'late' } $g->{s}->seen()), 1,
	'rates have room');

# some end

$_->unsubscribe() for splice(@all, 0, 50);

# what a new pair needs beside may be of another size than what is free now

for (1 .. 20) {
	my $w = $hub->watcher("u$_\@x.test", from => 'sip:flood@s.test');
	$code = $w->subscribe()->code();
	push @all, $w;
	last if $code == 200;
}

is($code, 200, 'room again');

# all end

$_->unsubscribe() for @all;
Test::Nginx::Peers::wait_until(sub { (counters())[1] <= 4 }, 5);
cmp_ok((counters())[1], '<=', 4, 'dialogs are gone');

is($hub->wrong(), '', 'dialogs are as they should be');

###############################################################################

sub ask {
	$xmpp->send(Test::Nginx::XMPP::presence_xml(from => $_[0],
		to => $_[1], type => $_[2]));
}

sub counters {
	my $c = IO::Socket::INET->new('127.0.0.1:' . port(8063)) or die;
	local $/;
	return split ' ', <$c>;
}

###############################################################################
