#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for policy: home, deny, default, permit, rate; and for access_log.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Stream;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(23);

my $g = Test::Nginx::Gateway->new($t, stream => <<'EOF', xmpp => 'rate=5r/s',

    map $federation_sip_user $enabled {
        default      1;
        never@s.test 0;
        blank@s.test "";
    }

    map $federation_xmpp_user $friend {
        default      1;
        ~^foe@       0;
    }

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        return "$federation_counter_test_s2x_accepted
                $federation_counter_test_s2x_refused
                $federation_counter_test_s2x_late
                $federation_counter_test_nonesuch";
    }

EOF
	federation => <<'EOF');
        xmpp_domain third.test server=127.0.0.1:%%PORT_8269%%;
        sip_domain other.test server=127.0.0.1:%%PORT_8061%% name=s.test;
        xmpp_domain *.wild.test server=127.0.0.1:%%PORT_8269%%;
        deny spam.wild.test *.spam.wild.test denied.test;
        permit $enabled $friend;
        default deny;
EOF

$g->start(xmpp => { domains => ['x.test', 'third.test', 'a.wild.test'] });

my $sip = $g->sip();
my $xmpp = $g->xmpp();

# what is allowed crosses

is($sip->transact('MESSAGE', 'sip:u@x.test', body => 'one')->code(), 202,
	'allowed');
is($g->{x}->stanza()->text('body'), 'one', 'delivered');

$xmpp->send($g->message('two'));
is($g->{s}->wait_request()->body(), 'two', 'allowed, from XMPP');

# permit

is($sip->transact('MESSAGE', 'sip:u@x.test', from => 'sip:never@s.test',
	body => 'no')->code(), 403, 'permit - 0');
is($sip->transact('MESSAGE', 'sip:u@x.test', from => 'sip:blank@s.test',
	body => 'no')->code(), 403, 'permit - empty');
is($sip->transact('MESSAGE', 'sip:foe@x.test', body => 'no')->code(), 403,
	'permit - second value');

$xmpp->send($g->message('no', to => 'never@s.test', id => 'p1'));
my $e = $g->{x}->stanza();
is($e && $e->condition(), 'forbidden', 'permit - from XMPP');
is($e && $e->attr('id'), 'p1', 'permit - id');
is($e && $e->attr('from'), 'never@s.test', 'permit - from');
is($e && $e->attr('to'), 'u@x.test/res', 'permit - to');

# a domain that is neither known nor allowed

is($sip->transact('MESSAGE', 'sip:u@nobody.test', body => 'no')->code(), 404,
	'default deny'); # ARC-04
is($sip->transact('MESSAGE', 'sip:u@denied.test', body => 'no')->code(), 404,
	'deny');
is($sip->transact('MESSAGE', 'sip:u@a.wild.test', body => 'wild')->code(), 202,
	'wildcard');
is($g->{x}->stanza()->attr('to'), 'u@a.wild.test', 'wildcard - delivered');
is($sip->transact('MESSAGE', 'sip:u@spam.wild.test', body => 'no')->code(),
	404, 'deny beats a wildcard');
is($sip->transact('MESSAGE', 'sip:u@x.spam.wild.test', body => 'no')->code(),
	404, 'deny of a wildcard');

# no relay between third parties

is($sip->transact('MESSAGE', 'sip:u@third.test', from => 'sip:r@other.test',
	body => 'no')->code(), 403, 'neither domain is home');

# SIP to SIP is not ours, and who sends it here is told so

is($sip->transact('MESSAGE', 'sip:r@other.test', body => 'no')->code(), 403,
	'reflection'); # ARC-04

# rate: 5r/s from x.test, so a burst of 5 and one second's more

$xmpp->send(join '', map { $g->message("r$_", id => "r$_") } 1 .. 20);

my %seen;

Test::Nginx::Peers::wait_until(sub {
	$seen{ok} = grep { $_->body() =~ /^r/ } $g->{s}->seen();
	$seen{no} = grep { $_->name() eq 'message'
		&& ($_->condition() || '') eq 'policy-violation' } $g->{x}->seen();
	return $seen{ok} + $seen{no} == 20;
});

is($seen{ok} + $seen{no}, 20, 'rate - each has an outcome');
cmp_ok($seen{no}, '>', 5, 'rate - refused'); # SEC-26

# counters

like(Test::Nginx::Stream::stream('127.0.0.1:' . Test::Nginx::port(8080))
	->read(), qr/^2\s+5\s+0\s+$/, 'counters');

undef $sip;
undef $xmpp;

Test::Nginx::Peers::stop($t);

my @log = $g->log();

like($log[0], qr/^message s2x r\@s.test u\@x.test 202 accepted$/, 'log');
is((grep { $_ eq 'message s2x never@s.test u@x.test 403 refused' } @log), 1,
	'log - refused');

###############################################################################
