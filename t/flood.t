#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of floods: who sends too much does not take what others may send, and
# what is refused is not a line of the log each time (SEC-25, SEC-26, SEC-35).

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/ :DEFAULT port /;
use Test::Nginx::Gateway;
use Test::Nginx::Host;

use Time::HiRes ();

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(37);

my $d = $t->testdir();

my $rates = 'rate=20r/s user_rate=5r/s';

my $g = Test::Nginx::Gateway->new($t, xmpp => $rates, sip => $rates,
	stream => <<"EOF", federation => <<'EOF');
    map \$federation_from \$ok {
        default        1;
        never\@s.test  0;
    }

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        return "\$federation_counter_test_free";
    }

    federation short {
        zone short 1m;
        ssl_certificate $d/gw.crt;
        ssl_certificate_key $d/gw.key;
        sip_domain s.test home server=127.0.0.1:%%PORT_8061%% name=s.test;
        sip_domain o.test server=127.0.0.1:%%PORT_8061%% name=other.test;
        xmpp_domain x.test server=127.0.0.1:%%PORT_8269%%;
        log_interval 500ms;
    }

    server {
        listen 127.0.0.1:%%PORT_8063%% ssl;
        ssl_client_certificate $d/ca.crt;
        ssl_verify_client on;
        sip_federation short;
    }
EOF
        xmpp_domain many.test  server=127.0.0.1:%%PORT_8269%% user_rate=1r/s;
        xmpp_domain burst.test server=127.0.0.1:%%PORT_8269%%
                    user_rate=1r/s user_burst=30;
        permit $ok;
        confirm write;
        log_interval 1h;
        domain_queue 2000;
        preauth_connections 5;
EOF

$g->{ca}->issue('many', cn => 'many.test', dns => 'many.test');
$g->{ca}->issue('burst', cn => 'burst.test', dns => 'burst.test');

$g->start(xmpp => { domains => ['x.test', 'many.test', 'burst.test'] });

my ($x, $s) = ($g->{x}, $g->{s});
my $workers = $ENV{TEST_NGINX_WORKERS} || 1;
my $xmpp = $g->xmpp();

# one user has ten times his rate, another one of his domain what he may have:
# from XMPP, SEC-26

my $start = Time::HiRes::time();

$xmpp->send(join '', (map { $g->message("bad$_", id => "bad$_",
	from => 'bad@x.test/r') } 1 .. 50),
	map { $g->message("good$_", id => "good$_", from => 'good@x.test/r') }
	1 .. 5);

my %n = x2s('bad', 'good', 55);

is($n{good}{ok}, 5, 'XMPP - the other user');
cmp_ok($n{bad}{ok}, '>=', 5, 'XMPP - what he may have');
cmp_ok($n{bad}{ok}, '<=', 6 + 5 * (Time::HiRes::time() - $start),
	'XMPP - no more');
is($n{bad}{ok} + $n{bad}{refused}, 50, 'XMPP - each has an outcome');
is($n{bad}{conditions}, 'policy-violation', 'XMPP - error');

# from SIP, over several connections, and so several workers

my @conns = map { $g->sip() } 1 .. 4;

$start = Time::HiRes::time();

my @bad = map { my $c = $conns[$_ % 4]; [$c, $c->request('MESSAGE',
	'sip:u@x.test', from => 'sip:bad@s.test', body => "bad$_")] } 1 .. 50;
my @good = map { my $c = $conns[$_ % 4]; [$c, $c->request('MESSAGE',
	'sip:u@x.test', from => 'sip:good@s.test', body => "good$_")] } 1 .. 5;

my @codes = map { $_->[0]->response_to($_->[1]) } @bad;

is(join(' ', map { $_->[0]->response_to($_->[1])->code() } @good),
	'202 202 202 202 202', 'SIP - the other user');

my @refused = grep { $_->code() != 202 } @codes;

cmp_ok(50 - @refused, '>=', 5, 'SIP - what he may have');
cmp_ok(50 - @refused, '<=', 6 + 5 * (Time::HiRes::time() - $start),
	'SIP - no more, over all workers');
is((grep { $_->code() != 500 } @refused), 0, 'SIP - 500, and never 503');
is((grep { ($_->header('Retry-After') || '') ne '1' } @refused), 0,
	'SIP - Retry-After');

# the domain has a rate as before: that of its users together

$start = Time::HiRes::time();

$xmpp->send(join '', map { $g->message("dom$_", id => "dom$_",
	from => "dom$_\@x.test/r") } 1 .. 60);

%n = x2s('dom', undef, 60);

cmp_ok($n{dom}{refused}, '>=', 1, 'domain - refused');
cmp_ok($n{dom}{ok}, '<=', 21 + 20 * (Time::HiRes::time() - $start),
	'domain - no more');

# more may come at once than in a second, if it is said so

my $burst = $g->xmpp(from => 'burst.test', $g->{ca}->ssl('burst'));
$x->link($burst);

$start = Time::HiRes::time();

$burst->send(join '', map { $g->message("bst$_", id => "bst$_",
	from => 'u@burst.test/r') } 1 .. 60);

%n = x2s('bst', undef, 60);

cmp_ok($n{bst}{ok}, '>=', 30, 'burst');
cmp_ok($n{bst}{ok}, '<=', 31 + Time::HiRes::time() - $start,
	'burst - no more');

# all that is known of users is bounded, and more of them do no harm

my $free = counters();
my $many = $g->xmpp(from => 'many.test', $g->{ca}->ssl('many'));
$x->link($many);

$many->send(join '', map { $g->message("man$_", id => "man$_",
	from => "u$_\@many.test/r") } 1 .. 1500);

%n = x2s('man', undef, 1500, 20);

is($n{man}{ok}, 1500, 'many users');
cmp_ok($free - counters(), '<=', 1024 * 64 + 8 * 4096, 'many users - memory');

# what policy refuses

is(scalar(grep { $_->code() == 403 } map { my $c = $_; map { $c->transact(
	'MESSAGE', 'sip:u@x.test', from => "sip:never\@s.test", body => 'no') }
	1 .. 5 } $conns[0]), 5, 'not permitted');

# at the end of each interval it is said how many there were since

my $short = $g->sip(PeerAddr => '127.0.0.1:' . port(8063));

$short->transact('MESSAGE', 'sip:u@x.test', from => 'sip:r@o.test',
	body => 'no') for 1 .. 5;

my $line = qr/\[error\].*SIP request from "sip:r\@o\.test" is refused/;

my $first = Test::Nginx::Host::logged($t, $line);

cmp_ok($first, '<=', 2, 'interval - the first');
ok(Test::Nginx::Host::until_true(sub {
	my $sum = Test::Nginx::Host::logged($t, $line);
	$sum += /(\d+) more lines .*may not speak, domain "o\.test"/ ? $1 : 0
		for Test::Nginx::Host::logged($t, qr/\[error\].*more lines/);
	return $sum == 5;
}), 'interval - how many');

Test::Nginx::Peers::idle(1.2);

$short->transact('MESSAGE', 'sip:u@x.test', from => 'sip:r@o.test',
	body => 'no');

is(scalar(Test::Nginx::Host::logged($t, $line)), $first + 1,
	'interval - the first after it was quiet');

# peers that do not authenticate: SEC-27

my @idle = flood(40, sub { my $c = Test::Nginx::XMPP->connect(PeerAddr =>
	'127.0.0.1:' . port(8270), from => 'x.test', to => 's.test');
	$c->header() if $_[0] % 2; $c });

cmp_ok(scalar(grep { !$_->closed() } @idle), '<=', 5 * $workers,
	'XMPP streams - the oldest are closed');
ok(!$idle[-1]->closed(), 'XMPP streams - the latest one stays');

$xmpp->send($g->message('on', id => 'on', from => 'on@x.test/r'));
ok(Test::Nginx::Peers::wait_until(sub { grep { $_->body() eq 'on' }
	$s->seen() }), 'XMPP streams - one that is authenticated');

my $other = $g->xmpp();
ok($other && $other->ready(), 'XMPP streams - another one gets in');
undef $other;

my @mute = flood(40, sub { my $c = $g->sip(); $c->tls_up(); $c });

cmp_ok(scalar(grep { !$_->closed() } @mute), '<=', 5 * $workers,
	'SIP connections - the oldest are closed');
ok(!$mute[-1]->closed(), 'SIP connections - the latest one stays');
is($conns[0]->transact('MESSAGE', 'sip:u@x.test', from => 'sip:on@s.test',
	body => 'on')->code(), 202, 'SIP connections - one that is authenticated');
is($g->sip()->transact('MESSAGE', 'sip:u@x.test', from => 'sip:new@s.test',
	body => 'new')->code(), 202, 'SIP connections - another one gets in');

undef @idle;
undef @mute;

# a line of the log, and then how many there were

undef @conns;
undef $burst;
undef $many;
undef $xmpp;

Test::Nginx::Peers::stop($t);

my @access = $g->log();

for (['rate', 'x.test', 'over a rate', qr/events of "\S+\@x\.test" are refused: /
		. qr/too many events from this (user|domain), see "rate=" /
		. qr/and "user_rate=" in \S+:\d+/],
	['rate', 's.test', 'over a rate', qr/events of "bad\@s\.test" are refused/],
	['refused', 's.test', 'that policy refuses', qr/event from a user of /
		. qr/"s\.test" to one of "x\.test" is refused: not permitted/])
{
	my ($reason, $domain, $what, $re) = @$_;

	my @first = Test::Nginx::Host::logged($t, qr/\[warn\].*$re/);
	my @more = Test::Nginx::Host::logged($t,
		qr/\[warn\].*more lines were left out.*$what.*"$domain"/);
	my $n = @first;

	$n += /(\d+) more/ ? $1 : 0 for @more;

	my $all = grep { /^message \S+ \S+\@\Q$domain\E .* \Q$reason\E$/ }
		@access;

	cmp_ok(@first + @more, '<=', 2 * $workers, "$what of $domain - lines");
	is($n, $all, "$what of $domain - number");
}

my @preauth = Test::Nginx::Host::logged($t, qr/\[warn\].*connections that /
	. qr/are not authenticated( is closed|, fed)/);
cmp_ok(scalar @preauth, '>=', 1, 'unauthenticated - log');
cmp_ok(scalar @preauth, '<=', 2 * $workers, 'unauthenticated - lines');

is((grep { !/federation: "?short/ } split /\n/, Test::Nginx::Host::errors($t)),
	0, 'no errors');

###############################################################################

# waits until so many messages from XMPP have an outcome, by their names

sub x2s {
	my ($one, $two, $n, $timeout) = @_;
	my %r;

	Test::Nginx::Peers::wait_until(sub {
		my $sum = 0;

		for my $name (grep { $_ } $one, $two) {
			my @ok = grep { $_->body() =~ /^$name\d/ } $s->seen();
			my @no = grep { $_->name() eq 'message'
				&& ($_->attr('id') || '') =~ /^$name\d/ }
				$x->seen();
			my %c = map { $_->condition() => 1 } @no;

			$r{$name} = { ok => scalar @ok, refused => scalar @no,
				conditions => join ' ', sort keys %c };
			$sum += @ok + @no;
		}

		return $sum >= $n;
	}, $timeout);

	return %r;
}

# makes so many connections, and waits until some of them are closed

sub flood {
	my ($n, $sub) = @_;

	my @c = map { $sub->($_) } 1 .. $n;

	Test::Nginx::Peers::wait_until(sub {
		return (grep { !$_->closed() } @c) <= 5 * $workers;
	});

	return @c;
}

sub counters {
	my $c = IO::Socket::INET->new('127.0.0.1:' . port(8080)) or die;
	local $/;
	return <$c>;
}

###############################################################################
