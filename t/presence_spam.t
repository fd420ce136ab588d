#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of SIP users who ask everybody for their presence: how many requests
# reach XMPP users, of one who asks, of his domain, and again (SEC-25, SEC-01).

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Peers;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(27);

my $g = Test::Nginx::Gateway->new($t, zone => '16m', xmpp => 'home',
	federation => <<'EOF_');
        sip_domain many.test server=127.0.0.1:%%PORT_8061%% name=s.test;
        sip_domain fast.test server=127.0.0.1:%%PORT_8061%% name=s.test
                   rate=50r/s;
        sip_domain user.test server=127.0.0.1:%%PORT_8061%% name=s.test
                   user_rate=20r/s;
        user_contacts 100;
        user_watchers 70;
        domain_subscriptions 300;
        notify_interval 20ms;
EOF_

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $xmpp = $g->xmpp();
my $sip = $g->sip();
$s->link($sip);

my $N = 1000;
my $before = 0;

# one user, whose domain may have as many as there is room for

is(codes('spam', map { ['r@s.test', "a$_"] } 1 .. $N), '200: 100, 500: 900',
	'one user asks');
is(asked(qr/^a/), 100, 'one user asks - requests');
is(codes('again', map { ['r@s.test', "a$_"] } 1 .. $N), '200: 100, 500: 900',
	'one user asks again');
is(asked(qr/^a/), 0, 'one user asks again - no requests');

is(codes('other', ['other@s.test', 'a1'], ['other@s.test', 'a999']), '200: 2',
	'another user asks');
is(asked(qr/^a/), 2, 'another user asks - requests');

# who said no is not asked again

$xmpp->send(join '', map { "<presence from='a$_\@x.test' to='r\@s.test' "
	. "type='unsubscribed'/>" } 1 .. 50);
ok(Test::Nginx::Peers::wait_until(sub {
	return 50 <= grep { ($_->header('Subscription-State') // '')
		=~ /^terminated;reason=rejected/
		&& $_->header('To') =~ /spam/ } $s->seen();
}), 'denied - they are told');

is(codes('denied', map { ['r@s.test', "a$_"] } 1 .. 50), '403: 50',
	'denied - asks again');
is(asked(qr/^a/), 0, 'denied - no requests');

# which makes no room for more of them, so that nobody asks 100 each time

is(codes('more', map { ['r@s.test', "a$_"] } 901 .. $N), '500: 100',
	'denied - more');
is(asked(qr/^a/), 0, 'denied - no more requests');

# one domain, of which each user asks one, or all the same one

is(codes('domain', map { ["r$_\@many.test", "b$_"] } 1 .. $N),
	'200: 300, 500: 700', 'one domain asks');
is(asked(qr/^b/), 300, 'one domain asks - requests');
is(codes('last', ['other@s.test', 'b1'], ['other@s.test', 'b999']), '200: 2',
	'another domain asks');
is(asked(qr/^b/), 2, 'another domain asks - requests');

is(codes('one', map { ["q$_\@s.test", 'c'] } 1 .. $N), '200: 70, 500: 930',
	'all ask one');
is(asked(qr/^c/), 70, 'all ask one - requests');

# at a rate; what is over it is to be tried again

for (['fast.test', 50], ['user.test', 20]) {
	my ($domain, $rate) = @$_;

	my $start = Test::Nginx::Peers::now();
	my %n = reverse split /[:,] ?/,
		codes('rate', map { ["r\@$domain", "$domain$_"] } 1 .. $N);
	my $most = $rate * (2 + Test::Nginx::Peers::now() - $start);
	my ($taken) = grep { $n{$_} eq '200' } keys %n;

	note("$domain: $taken of $N in "
		. (Test::Nginx::Peers::now() - $start) . ' s');
	cmp_ok($taken, '>=', $rate, "$domain - taken");
	cmp_ok($taken, '<=', $most, "$domain - no more");
	is(asked(qr/^\Q$domain\E/), $taken, "$domain - requests");
}

is(codes('still', ['third@s.test', 'd1'], ['third@s.test', 'd2']), '200: 2',
	'others are not in the way');
is(asked(qr/^d/), 2, 'others are not in the way - requests');

# whose words would be seen by all of them

is((grep { $_->text('status') } $x->presences(type => 'subscribe')), 0,
	'no text');

ok((grep { /domain_subscriptions/ } split /\n/, $t->read_file('error.log')) > 0,
	'log');

undef $_ for $xmpp, $sip;

###############################################################################

# how many SUBSCRIBEs had which response; those over a limit say when to return

sub codes {
	my ($id, @all) = @_;
	my %n;

	my @q = map {
		my ($from, $to) = @$_;
		$sip->request('SUBSCRIBE', "sip:$to\@x.test",
			from => "<sip:$from>;tag=$id", headers => [
			'Event: presence', 'Accept: application/pidf+xml',
			'Expires: 600', 'Subject: buy this']);
	} @all;

	foreach (@q) {
		my $r = $sip->response_to($_, 10);
		my $code = $r ? $r->code() : 'none';
		$code .= ' without Retry-After' if $code eq '500'
			&& !$r->header('Retry-After');
		$n{$code}++;
	}

	return join ', ', map { "$_: $n{$_}" } sort keys %n;
}

# how many requests XMPP users got since this was asked last

sub asked {
	my ($re) = @_;

	# a message goes after them, and a moment for what should not come

	my $q = $sip->request('MESSAGE', 'sip:settle@x.test', body => "$re");
	Test::Nginx::Peers::wait_until(sub {
		return grep { $_->name() eq 'message' } splice @{$x->{queue}};
	});
	$sip->response_to($q);
	Test::Nginx::Peers::idle(0.1);

	my @all = $x->presences(type => 'subscribe');
	my @new = splice @all, $before;
	$before += @new;

	my %users = map { $_->attr('from') . ' ' . $_->attr('to') => 1 }
		grep { $_->attr('to') =~ $re } @new;

	return @new == keys %users ? scalar @new
		: @new . ' to ' . keys %users;
}

###############################################################################
