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
use Test::Nginx::Presence;

use Time::HiRes ();

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(63);

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
        chatstates on;
        receipts on;
        notify_interval 300ms;
        presence_interval 300ms;
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

# chat states: what is over the rate is dropped, and nobody is told; messages
# are counted apart

my $composing = 'application/im-iscomposing+xml';
my $chat = 'http://jabber.org/protocol/chatstates';

$start = Time::HiRes::time();

$xmpp->send(join '', (map { state_xml('typist', "t$_") } 1 .. 50),
	(map { state_xml('other', "o$_") } 1 .. 5),
	$g->message('typ1', id => 'typ1', from => 'typist@x.test/r'));

%n = x2s('typ', undef, 1);
is($n{typ}{ok}, 1, 'chat states from XMPP - a message');

Test::Nginx::Peers::wait_until(sub { composing('other') == 5 });
is(composing('other'), 5, 'chat states from XMPP - of another user');
cmp_ok(composing('typist'), '>=', 5, 'chat states from XMPP - what he may');
cmp_ok(composing('typist'), '<=', 6 + 5 * (Time::HiRes::time() - $start),
	'chat states from XMPP - no more');
is((grep { ($_->attr('id') || '') =~ /^cs/ } $x->seen()), 0,
	'chat states from XMPP - no errors');

$start = Time::HiRes::time();

my @states = map { $conns[0]->request('MESSAGE', "sip:t$_\@x.test",
	from => 'sip:typist@s.test', content_type => $composing,
	body => '<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing">'
	. '<state>active</state></isComposing>') } 1 .. 50;

is((grep { $conns[0]->response_to($_)->code() != 200 } @states), 0,
	'chat states from SIP - answered');
is($conns[0]->transact('MESSAGE', 'sip:t0@x.test', from => 'sip:typist@s.test',
	body => 'text')->code(), 202, 'chat states from SIP - a message');

my $typing = grep { $_->name() eq 'message'
	&& $_->attr('from') =~ /^typist\@s\.test/
	&& $_->child('composing') } $x->seen();

cmp_ok($typing, '>=', 5, 'chat states from SIP - what he may');
cmp_ok($typing, '<=', 6 + 5 * (Time::HiRes::time() - $start),
	'chat states from SIP - no more');

# receipts are counted with them

$xmpp->send((join '', map { "<message from='reader\@x.test/r' "
	. "to='rr$_\@s.test' id='rc$_'><received xmlns='urn:xmpp:receipts' "
	. "id='none'/></message>" } 1 .. 50)
	. $g->message('rcp1', id => 'rcp1', from => 'reader@x.test/r'));

%n = x2s('rcp', undef, 1);
is($n{rcp}{ok}, 1, 'receipts - a message');
is((grep { ($_->attr('id') || '') =~ /^rc\d/ } $x->seen()), 0,
	'receipts - no errors');
cmp_ok(scalar(grep { /^receipt x2s reader\@x\.test .* rate$/ } $g->log()),
	'>=', 30, 'receipts - no more');

# presence that changes fast: nothing is refused, the last one counts

my $hub = Test::Nginx::Presence->new($g);
my $p = $hub->presentity('p@s.test', answer => 200);

presence('w@x.test', 'p@s.test', 'subscribe');

my $dialog = $p->subscription();

is($dialog->notified('active', [open_tuple('a', 'n0')])->code(), 200,
	'presence from SIP');
is($hub->told('w@x.test'), 'subscribed p@s.test', 'presence from SIP - grant');
is($x->presence(undef, to => 'w@x.test')->text('status'), 'n0',
	'presence from SIP - the first');

$start = Time::HiRes::time();

is((grep { $dialog->notified('active', [open_tuple('a', "n$_"),
	open_tuple('b', 'b')])->code() != 200 } 1 .. 20), 0,
	'presence from SIP - fast');

ok(Test::Nginx::Peers::wait_until(sub { grep { $_ eq 'n20' } statuses('a') }),
	'presence from SIP - the last one');
is((statuses('a'))[-1], 'n20', 'presence from SIP - in the end');
cmp_ok(scalar(statuses('a')), '<=', 3 + (Time::HiRes::time() - $start) / 0.3,
	'presence from SIP - no more');
is(scalar(statuses('b')), 1, 'presence from SIP - what did not change');

# the end of what was told, too

$start = Time::HiRes::time();

$dialog->notified('active', [open_tuple('a', 'n21'), open_tuple('b', 'b')]);
$dialog->notified('active', [open_tuple('a', 'n22')]);
$dialog->notified('active', [open_tuple('c', 'c')]);
$dialog->notified('active', [open_tuple('a', 'n23')]);

ok(Test::Nginx::Peers::wait_until(sub { (statuses('a'))[-1] eq 'n23' }),
	'presence from SIP - back');
is($x->presence(undef, to => 'w@x.test', from => 'p@s.test/b',
	type => 'unavailable') ? 1 : 0, 1, 'presence from SIP - gone');

# the same, told at once, when there is nothing more to be seen

$dialog->notified('active', [open_tuple('a', 'n24')]);
presence('w@x.test', 'p@s.test', 'unsubscribe');
my $end = $dialog->next();
$dialog->notified('terminated;reason=timeout');
is($x->presence(undef, to => 'w@x.test', from => 'p@s.test/a',
	type => 'unavailable') ? 1 : 0, 1, 'presence from SIP - the end');

# the other way NOTIFYs have their interval: PN, RFC 3856, 6.10

my $w = $hub->watcher('v@x.test', from => 'sip:q@s.test');

$w->subscribe();
presence('v@x.test', 'q@s.test', 'subscribed');

$start = Time::HiRes::time();

presence('v@x.test/a', 'q@s.test', undef, status => "n$_") for 1 .. 50;

ok(Test::Nginx::Peers::wait_until(sub { grep { $_->body() =~ />n50</ }
	$w->notifies() }), 'presence from XMPP - the last');
cmp_ok(scalar($w->notifies()), '<=', 5 + (Time::HiRes::time() - $start) / 0.3,
	'presence from XMPP - no more');

is($hub->wrong(), '', 'dialogs are as they should be');

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

for (['rate', 'x.test', 'over a rate',
		qr/events of "\S+\@x\.test" are refused: too many /
		. qr/events from this (user|domain), see "rate=" /
		. qr/and "user_rate=" in \S+:\d+/],
	['rate', 's.test', 'over a rate', qr/events of "\S+\@s\.test" are refused/],
	['refused', 's.test', 'that policy refuses', qr/event from a user of /
		. qr/"s\.test" to one of "x\.test" is refused: not permitted/])
{
	my ($reason, $domain, $what, $re) = @$_;

	my @first = Test::Nginx::Host::logged($t, qr/\[warn\].*$re/);
	my @more = Test::Nginx::Host::logged($t,
		qr/\[warn\].*more lines were left out.*$what.*"$domain"/);
	my $n = @first;

	$n += /(\d+) more/ ? $1 : 0 for @more;

	my $all = grep { /^\S+ \S+ \S+\@\Q$domain\E .* \Q$reason\E$/ }
		@access;

	cmp_ok(@first + @more, '<=', 2 * $workers, "$what of $domain - lines");
	is($n, $all, "$what of $domain - number");
}

my @preauth = Test::Nginx::Host::logged($t, qr/\[warn\].*connections that /
	. qr/are not authenticated( is closed|, fed)/);
cmp_ok(scalar @preauth, '>=', 1, 'unauthenticated - log');
cmp_ok(scalar @preauth, '<=', 2 * $workers, 'unauthenticated - lines');

is(join("\n", grep { !/federation: "?short/ }
	split /\n/, Test::Nginx::Host::errors($t)),
	'', 'no errors');

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

# a chat state of a user of XMPP, and how many of his the SIP side got

sub state_xml {
	my ($u, $r) = @_;

	return "<message from='$u\@x.test/r' to='$r\@s.test' type='chat' "
		. "id='cs$r'><composing xmlns='$chat'/></message>";
}

sub composing {
	my ($u) = @_;

	return scalar grep { $_->method() eq 'MESSAGE'
		&& ($_->header('Content-Type') || '') eq $composing
		&& $_->address('From') =~ /^sip:$u\@/ } $s->seen();
}

# presence: sends one, a tuple that is open, what the XMPP user was told

sub presence {
	my ($from, $to, $type, %a) = @_;

	$xmpp->send(Test::Nginx::XMPP::presence_xml(from => $from, to => $to,
		type => $type, %a));
}

sub open_tuple {
	my ($id, $note) = @_;
	return { id => "ID-$id", basic => 'open', note => $note };
}

sub statuses {
	my ($resource) = @_;

	return map { $_->text('status') || '' } $x->presences(to => 'w@x.test',
		from => "p\@s.test/$resource", type => 'available');
}

sub counters {
	my $c = IO::Socket::INET->new('127.0.0.1:' . port(8080)) or die;
	local $/;
	return <$c>;
}

###############################################################################
