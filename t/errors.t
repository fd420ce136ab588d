#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for errors: every row of both tables, RFC 7247, 7, and what is decided
# by the gateway itself.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::DNS;
use Test::Nginx::Gateway;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

# rows of a table as hashes

sub table {
	my ($name) = @_;

	open my $fh, '<', "unit/$name" or die "Can't open $name: $!\n";
	my ($head, @lines) = map { s/\r?\n$//r } <$fh>;
	my @fields = split /\t/, $head;

	return map {
		my %row;
		@row{@fields} = map { $_ // '' } split /\t/, $_, -1;
		\%row;
	} @lines;
}

my @to_xmpp = table('error_sip_to_xmpp.tsv');
my @to_sip = table('error_xmpp_to_sip.tsv');

my %local = map { $_->{sip_code} =~ /^\(local\) (.*)/ ? ($1 => $_) : () }
	@to_xmpp;
my @codes = grep { $_->{sip_code} =~ /^\d/ } @to_xmpp;
my @conditions = grep { $_->{xmpp_condition} !~ / / } @to_sip;
my %other = map { $_->{xmpp_condition} => $_->{gw_code_MESSAGE} }
	grep { $_->{xmpp_condition} =~ / / } @to_sip;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')
	->plan(@codes + 2 * @conditions + 107);
my $d = $t->testdir();

my $dns = Test::Nginx::DNS->new($t, {
	'_sipfederationtls._tcp.dot.test' => { SRV => [[0, 0, 0, '.']] },
	'_sips._tcp.dot.test' => { SRV => [[0, 0, 0, '.']] },
	'_xmpp-server._tcp.dotx.test' => { SRV => [[0, 0, 0, '.']] },
	'_sipfederationtls._tcp.fail.test' => 'SERVFAIL',
	'_sips._tcp.fail.test' => 'SERVFAIL',
	'fail.test' => 'SERVFAIL',
	'_xmpp-server._tcp.failx.test' => 'SERVFAIL',
	'failx.test' => 'SERVFAIL',
	'_xmpp-server._tcp.dropx.test' => 'DROP',
	'dropx.test' => 'DROP',
});

# "other" has the options the other way round

my $other = <<'EOF_';
    resolver 127.0.0.1:%%PORT_8053_UDP%% ipv6=off;
    resolver_timeout 500ms;

    federation other {
        zone other 1m;

        ssl_certificate %%TESTDIR%%/gw.crt;
        ssl_certificate_key %%TESTDIR%%/gw.key;
        ssl_trusted_certificate %%TESTDIR%%/ca.crt;

        sip_domain s.test home server=127.0.0.1:%%PORT_8061%% name=s.test;
        xmpp_domain x.test server=127.0.0.1:%%PORT_8269%%;

        message_6xx off;
        unavailable_status 480;
        message_status 200;
    }

    server {
        listen 127.0.0.1:%%PORT_8271%%;
        xmpp_federation other;
    }

    server {
        listen 127.0.0.1:%%PORT_8063%% ssl;
        ssl_client_certificate %%TESTDIR%%/ca.crt;
        ssl_verify_client on;
        sip_federation other;
    }
EOF_
$other =~ s/%%TESTDIR%%/$d/g;

my $g = Test::Nginx::Gateway->new($t, stream => $other, federation => <<'EOF');
        sip_domain dead.test   home server=127.0.0.1:%%PORT_8064%%;
        sip_domain mute.test   home server=127.0.0.1:%%PORT_8065%%;
        sip_domain quiet.test  home server=127.0.0.1:%%PORT_8068%%
                   name=s.test;
        sip_domain wrong.test  home server=127.0.0.1:%%PORT_8061%%;
        sip_domain busy.test   home server=127.0.0.1:%%PORT_8066%%
                   name=s.test;
        sip_domain small.test  home server=127.0.0.1:%%PORT_8061%%
                   name=s.test message_size=1300;
        sip_domain two.test    home server=127.0.0.1:%%PORT_8066%%
                   server=127.0.0.1:%%PORT_8067%% name=s.test;
        sip_domain rated.test  home server=127.0.0.1:%%PORT_8061%%
                   name=s.test rate=1r/s;
        sip_domain none.test   home;
        sip_domain dot.test    home;
        sip_domain fail.test   home;

        xmpp_domain nonex.test;
        xmpp_domain dotx.test;
        xmpp_domain failx.test;
        xmpp_domain dropx.test;
        xmpp_domain deadx.test     server=127.0.0.1:%%PORT_8264%%;
        xmpp_domain unknown.test   server=127.0.0.1:%%PORT_8269%%;
        xmpp_domain stalled.test   server=127.0.0.1:%%PORT_8265%%;

        xmpp_domain gone.test      server=127.0.0.1:%%PORT_8266%%;
        xmpp_domain closed.test    server=127.0.0.1:%%PORT_8266%%;
        xmpp_domain notls.test     server=127.0.0.1:%%PORT_8266%%;
        xmpp_domain nosasl.test    server=127.0.0.1:%%PORT_8266%% auth=external;
        xmpp_domain broken.test    server=127.0.0.1:%%PORT_8266%%;

        xmpp_domain invalid.test   server=127.0.0.1:%%PORT_8266%% auth=dialback;
        xmpp_domain dberror.test   server=127.0.0.1:%%PORT_8266%% auth=dialback;
        xmpp_domain dbclosed.test  server=127.0.0.1:%%PORT_8266%% auth=dialback;
        xmpp_domain limited.test   server=127.0.0.1:%%PORT_8266%% auth=dialback;

        transaction_timeout 2s;
        confirm_timeout 1500ms;
        trying_timeout 300ms;
        handshake_timeout 1s;
        pair_queue 2;
        domain_queue 10;
EOF

$dns->start();
$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $xmpp = $g->xmpp();
my $sip = $g->sip();

$x->link($xmpp);

# every code, ERR-01: type, addresses and id, text, nothing of the message

my %contact = map { $_ => ["Contact: <sip:new\@s.test>"] } 300 .. 399;

$s->set(auto => sub {
	my ($m) = @_;
	my ($code, $how) = $m->uri() =~ /^sip:(\d{3})(\w*)@/ or return 200;

	return ($code, headers => ['Retry-After: 30 (busy);duration=1'])
		if $how eq 'retry';
	return ($code, "Reason of $code", 
		$how eq 'none' || !$contact{$code} ? ()
		: (headers => $contact{$code}));
});

# for the class rows, some that are not listed: ERR-02, ERR-20

my %unlisted = ('3xx' => [399], '4xx' => [431, 499], '5xx' => [510, 599],
	'6xx' => [699]);
my @sent = map { @{$unlisted{$_->{sip_code}} || [$_->{sip_code}]} }
	grep { $_->{sip_code} ne '503' } @codes;

# connections both ways first, as the queue of those who wait is short

sent('400', id => 'first');

# what takes its time begins here, and is looked at later: no TLS, no response,
# one that is not a response at all

my $mute = server(8065, at_connect => 'stall');
my $quiet = server(8068);
my %in = map { $_ => $g->xmpp(to => $_) } qw/mute.test quiet.test/;

$in{'mute.test'}->send($g->message('x', to => 'r@mute.test', id => 'mute'));
$in{'quiet.test'}->send(join '', map { $g->message("q$_", to => 'r@quiet.test',
	id => "q$_") } 1 .. 5);
$xmpp->send($g->message('x', to => '799@s.test', id => 'c799'));

$xmpp->send(join '', map { $g->message("secret $_", to => "$_\@s.test/q",
	id => "c$_") } @sent);

for my $row (@codes) {
	my @bad;

	if ($row->{sip_code} eq '503') {

		# of the only target: ST-15

		my $busy = server(8066, auto => 503);
		my $in = $g->xmpp(to => 'busy.test');
		$in->send($g->message('secret 503', to => '503@busy.test/q',
			id => 'c503'));
		error('c503');
		$busy->close();
	}

	push @bad, bad($row, $_)
		for @{$unlisted{$row->{sip_code}} || [$row->{sip_code}]};

	is(join(', ', @bad), '', "$row->{sip_code} - $row->{xmpp_condition}");
}

# redirections without an address: ERR-07

is(sent('301none')->condition(), 'item-not-found', '301 without Contact');
is(sent('302none')->condition(), 'recipient-unavailable',
	'302 without Contact');
is(sent('300none')->condition(), 'redirect', '300 without Contact');

# an address elsewhere, and one that is none

$contact{302} = ['Contact: <sip:new@evil.test;x=1>, <sip:r@s.test>'];
my $e = sent('302', id => 'evil');
is($e->text('error/redirect'), 'sip:new@evil.test;x=1', 'foreign address');

$contact{302} = ['Contact: *'];
is(sent('302', id => 'star')->condition(), 'recipient-unavailable',
	'no address');

# RFC 3261, 20.10

$contact{300} = [
	'Contact: <sip:a@s.test>;q=0.1, "x, <y>" <sip:b@s.test>;q=0.9'];
is(sent('300', id => 'many')->text('error/redirect'), 'xmpp:b@s.test',
	'several addresses');

# ERR-06

$contact{410} = ['Contact: <sip:new@s.test>'];
$e = sent('410', id => 'gone');
is($e->condition(), 'gone', 'status 410');
is($e->text('error/gone'), '', 'status 410 - no address');

# Retry-After makes it worth while: ERR-22

is(sent('500retry')->error_type(), 'wait', '500 with Retry-After');
is(sent('413retry')->error_type(), 'wait', '413 with Retry-After');
is(sent('486')->error_type(), 'wait', 'status 486');

# reasons: ERR-04, SEC-11

my @reasons = (
	["\xc3\xa9t\xc3\xa9 \xf0\x9f\x98\x80"], ["a\x01\x0b\x1b b\x7f", 'a b'],
	['</text></error></message><message from="a@s.test">'],
	[']]> &amp; &#0; "\''], ["\xe2\x80\xa8x\xc2\x85y", 'x y']
);

for my $i (0 .. $#reasons) {
	my ($reason, $text) = @{$reasons[$i]};
	$s->set(auto => sub { return (404, $reason); });
	is(sent('r', id => "reason$i")->text('error/text'), $text // $reason,
		"reason $i");
}

$s->set(auto => sub { return (404, ''); });
is(sent('r', id => 'empty')->condition(), 'item-not-found', 'empty reason');

$s->set(auto => sub { return (404, "caf\xe9 \xff"); });
is(sent('r', id => 'latin')->condition(), 'item-not-found',
	'reason is not UTF-8');

$s->set(auto => sub { return (404, 'x' x 3000); });
cmp_ok(length(sent('r', id => 'long')->text('error/text')), '<=', 256,
	'long reason');

# two finals, of which the first counts: ERR-25

$s->set(auto => sub {
	my ($m) = @_;
	$s->reply($m, 404);
	$s->reply($m, 486);
	return 0;
});

is(sent('r', id => 'two')->condition(), 'item-not-found', 'two finals');
is((grep { ($_->attr('id') // '') eq 'two' } $x->seen()), 1,
	'two finals - one error');

# the id may be missing, or the same as another one: IM-12

$s->set(auto => 404);
$xmpp->send($g->message('x', to => 'noid@s.test', id => undef)
	. $g->message('x', to => 'same1@s.test', id => 'same')
	. $g->message('x', to => 'same2@s.test', id => 'same'));

ok(Test::Nginx::Peers::wait_until(sub { ($e) = grep {
	($_->attr('from') // '') eq 'noid@s.test' } $x->seen(); }), 'no id');
is($e && $e->attr('id'), undef, 'no id - none');
ok(Test::Nginx::Peers::wait_until(sub { 2 == grep {
	($_->attr('id') // '') eq 'same' } $x->seen(); }), 'same id');

# nobody wants to know: IM-21, IM-23, ARC-13

$xmpp->send(
	$g->message('hl', to => '404@s.test', type => 'headline', id => 'hl')
	. $g->message('er', to => '404@s.test', type => 'error', id => 'er')
	. $g->message('x', to => 'last@s.test', id => 'last'));
ok(error('last'), 'error');
ok(Test::Nginx::Peers::wait_until(sub { grep { $_->body() eq 'hl' }
	$s->seen() }), 'headline - sent');
Test::Nginx::Peers::idle(0.1);
is((grep { ($_->attr('id') // '') =~ /^(?:hl|er)$/ } $x->seen()), 0,
	'headline and error - no error');
is((grep { $_->body() eq 'er' } $s->seen()), 0, 'error - not sent');

# what the gateway decides, ERR-23, each about another domain

is_row(local_error('dead.test'), 'connect or TLS failure', 'no connection');
is_row(local_error('wrong.test'), 'connect or TLS failure', 'wrong name');
is_row(local_error('none.test'), 'DNS failure', 'no name');
is_row(local_error('dot.test'), 'DNS failure', 'target .');
is_row(local_error('fail.test'), 'DNS failure', 'DNS server fails');

is_row(error('mute', 8), 'connect or TLS failure', 'no TLS');

# no response, and the queue behind it: IM-16, ST-04

is_row(error('q4'), 'queue overflow', 'queue is full');
is_row(error('q5'), 'queue overflow', 'queue is still full');
is_row(error('q1', 8), 'Timer F or Timer B', 'no response');
ok(error('q2', 8), 'queue - second');
ok(error('q3', 8), 'queue - third');
is_row(error('c799', 8), 'Timer F or Timer B', 'status 799'); # SP-26

# IM-17

my $small = $g->xmpp(to => 'small.test');
$small->send($g->message('x' x 1300, to => 'r@small.test', id => 'large'));
is_row(error('large'), 'message too large', 'too large');

$xmpp->send($g->message('x', to => '\20r@s.test', id => 'jid'));
is_row(error('jid'), 'unmappable JID', 'no such JID');

# the connection is closed before the response: uncertain

$s->set(auto => sub {
	my ($m, $c) = @_;
	return 200 if $m->uri() !~ /break/;
	$c->close();
	return 0;
});
is(sent('break')->condition(), 'remote-server-timeout', 'connection closed');

# 503 of the first target: the second one is asked: ST-15, SC-05

my $first = server(8066, auto => sub {
	return (503, headers => ['Retry-After: 2']) });
my $second = server(8067, auto => 200);

my $two = $g->xmpp(to => 'two.test');
$two->send($g->message('fail over', to => 'r@two.test', id => 'two1'));

my $m1 = $first->wait_request();
my $m2 = $second->wait_request();
is($m2 && $m2->body(), 'fail over', '503 - next target');
isnt($m1->branch(), $m2 && $m2->branch(), '503 - other branch');

$two->send($g->message('avoid', to => 'r@two.test', id => 'two2'));
is($second->wait_request()->body(), 'avoid', '503 - first target is avoided');
is((grep { ($_->attr('id') // '') =~ /^two\d/ } $x->seen()), 0,
	'503 - no error');

# ERR-28

$xmpp->send("<iq type='get' id='v1' from='u\@x.test/r' to='r\@s.test'>"
	. "<vCard xmlns='vcard-temp'/></iq>");
$e = error('v1');
is($e && $e->name() . ' ' . $e->condition(), 'iq service-unavailable', 'iq');
is($e && $e->attr('from'), 'r@s.test', 'iq - from');

# every condition, bare and full: ERR-10, ERR-13

$x->set(bounce => {
	(map { ("$_->{xmpp_condition}\@x.test" => [$_->{usual_type},
		$_->{xmpp_condition}]) } @conditions),
	'nochild@x.test' => sub { bounced($_[0], '') },
	'noerror@x.test' => sub { bounced($_[0]) },
	'legacy@x.test' => ['auth', 'payment-required'],
	'foo@x.test' => ['cancel', 'foo'],
	'own@x.test' => ['cancel', 'undefined-condition',
		"<gone xmlns='a:b'/>"],
	'wait@x.test' => ['wait', 'internal-server-error'],
	'later@x.test' => ['wait', 'remote-server-not-found'],
	'moved@x.test' => text('gone', 'xmpp:new%5C20one@x.test?message'),
	'sip@x.test' => text('gone', 'sip:new@s.test'),
	'other@x.test' => text('redirect', 'xmpp:new@x.test/res'),
	'blank@x.test' => text('gone', " \n "),
	'junk@x.test' => text('gone', 'not a URI'),
	'cut@x.test' => text('redirect', 'xmpp:new%4'),
	'mail@x.test' => text('redirect', 'mailto:new@x.test'),
	'bad@x.test' => text('redirect', 'xmpp:new@x.test>;tag=1'),
	'text@x.test' => text('text', "gr\xc3\xbc\xc3\x9fe\r\n b"),
	'long@x.test' => text('text', "\xe2\x82\xac" x 500),
});

my %q = map { my $c = $_->{xmpp_condition}; map { ("$c$_" => $sip->build(
	'MESSAGE', "sip:$c\@x.test$_", body => $c)) } '', ';gr=a' } @conditions;

code('first');
$sip->send_raw(join '', map { $_->raw() } values %q);

for my $row (@conditions) {
	my $condition = $row->{xmpp_condition};
	my @two = split m! / !, $row->{gw_code_MESSAGE};

	# these go by something else than full or bare: ERR-09, ERR-12

	@two = (410) if $condition eq 'gone';
	@two = (480) if $condition eq 'redirect';
	@two = (404) if $condition eq 'remote-server-not-found';

	for my $full (1, 0) {
		my $r = $sip->response_to($q{$condition
			. ($full ? ';gr=a' : '')});
		my @bad;

		# ERR-17, ERR-18, ERR-22

		push @bad, 'no Allow' if $r && $r->code() == 405
			&& ($r->header('Allow') // '')
				!~ /^(?!.*MESSAGE).*OPTIONS/;
		push @bad, 'no Retry-After'
			if $r && $condition eq 'resource-constraint'
			&& ($r->header('Retry-After') // '') !~ /^\d+$/;
		push @bad, 'Contact' if $r && defined $r->header('Contact');

		is(join(', ', $r ? $r->code() : 0, @bad),
			$two[$full ? 0 : -1],
			"$condition - " . ($full ? 'full' : 'bare'));
	}
}

# those without a row of their own: ERR-19

is(code('nochild'), $other{'(no condition child)'}, 'no condition');
is(code('noerror'), $other{'(no condition child)'}, 'no error');
is(code('legacy'), $other{'payment-required (legacy)'}, 'payment-required');
is(code('foo'), 400, 'unknown condition');
is(code('own'), 400, 'condition of an application');
is(code('later'), 504, 'remote-server-not-found, for now');

my $r = message('wait');
is($r->code(), 500, 'type wait');
like($r->header('Retry-After'), qr/^\d+$/, 'type wait - Retry-After');

# addresses: ERR-11, ERR-12

$r = message('moved');
is($r->code(), 301, 'gone');
is($r->header('Contact'), '<sip:new%20one@x.test>', 'gone - Contact');

$r = message('sip');
is($r->code(), 301, 'gone to a SIP URI');
is($r->header('Contact'), '<sip:new@s.test>', 'gone to a SIP URI - Contact');

$r = message('other');
is($r->code(), 302, 'redirect');
is($r->header('Contact'), '<sip:new@x.test;gr=res>', 'redirect - Contact');
is((grep { ($_->attr('to') // '') =~ /^new\@/ } $x->seen()), 0,
	'redirect - not followed'); # IM-54

is(code('blank'), 410, 'gone, blank');
is(code('junk'), 410, 'gone, no URI');
is(code('cut'), 480, 'redirect, bad escape');
is(code('mail'), 480, 'redirect to elsewhere');

$r = message('bad');
like($r->code(), qr/^(?:302|480)$/, 'redirect with more');
unlike($r->header('Contact') // '', qr/>.*>/, 'redirect with more - Contact');

# ERR-21

is(message('text')->reason(), "gr\xc3\xbc\xc3\x9fe b", 'text');
$r = message('long');
cmp_ok(length($r->reason()), '<=', 128, 'long text');
ok(utf8::decode(my $reason = $r->reason()), 'long text - cut well');

is(message('item-not-found')->reason(), 'Does Not Exist Anywhere', 'no text');

# what the gateway decides, SIP to XMPP: first DNS, ERR-09

my $nx = $other{'(s2s) DNS NXDOMAIN, SRV target "."'};
my $servfail = $other{'(s2s) DNS SERVFAIL or timeout'};

my $drop = $sip->request('MESSAGE', 'sip:u@dropx.test', body => 'x');
my $stalled = Test::Nginx::XMPP::Server->listen('127.0.0.1:' . port(8265),
	$g->{ca}->ssl('x'), domains => ['stalled.test'],
	at => { header => 'stall' });
my @q = map { $sip->build('MESSAGE', 'sip:u@stalled.test', body => "$_") }
	1 .. 11;
$sip->send_raw(join '', map { $_->raw() } @q);

is(outcome('nonex.test'), $nx, 'no name');
is(outcome('dotx.test'), $nx, 'target .');
is(outcome('failx.test'), $servfail, 'DNS server fails');

# the servers of these domains fail at some step

my $failing = Test::Nginx::XMPP::Server->listen('127.0.0.1:' . port(8266),
	$g->{ca}->ssl('x'), sasl_external => 1,
	external_failure => 'not-authorized',
	domains => [map { "$_.test" } qw/gone closed notls nosasl broken
		invalid dberror dbclosed limited/],
	extra_features => "<limits xmlns='urn:xmpp:stream-limits:0'>"
		. '<max-bytes>10000</max-bytes></limits>',
	at => {
		header => at('gone.test' => 'host-gone', 'closed.test' => ''),
		tls => at('notls.test' => ''),
		'tls-features' => at('broken.test' => 'internal-server-error'),
		result => at('dbclosed.test' => '', 'invalid.test' => 'invalid',
			'dberror.test' => 'item-not-found'),
	});

my $unknown = $other{'(stream) host-unknown, host-gone'};
is(outcome('gone.test'), $unknown, 'host-gone');
is(outcome('unknown.test'), $unknown, 'host-unknown');

my $link = $other{'(s2s) connect, TLS, SASL, stream failure'};
is(outcome('deadx.test'), $link, 'no connection');
is(outcome('closed.test'), $link, 'stream closed');
is(outcome('notls.test'), $link, 'no TLS');
is(outcome('nosasl.test'), $link, 'no SASL');
is(outcome('broken.test'), $link, 'stream error');

# XEP-0220, 2.1.1

my $dberror = $other{
	'(s2s) dialback type=error or stream closed during dialback'};
is(outcome('invalid.test'), $other{'(s2s) dialback type=invalid'},
	'dialback - invalid');
is(outcome('dberror.test'), $dberror, 'dialback - error');
is(outcome('dbclosed.test'), $dberror, 'dialback - closed');

# XEP-0478, what waited for the stream and what did not: IM-49

my $limit = $other{'(s2s) peer limit exceeded (XEP-0478)'};
is(outcome('limited.test', body => 'x' x 9900), $limit, 'limit of the peer');
is(outcome('limited.test', body => '&' x 2000), $limit,
	'limit of the peer - escaped');

# no stream in time, and the queue: IM-37

$r = $sip->response_to($q[10]);
is($r->code(), 500, 'queue is full');
like($r->header('Retry-After'), qr/^\d+$/, 'queue is full - Retry-After');
is($sip->response_to($q[0], 8)->code(), 504, 'no stream in time');
is($sip->response_to($q[9], 8)->code(), 504, 'no stream in time, the last');
is($sip->response_to($drop, 8)->code(), $servfail, 'DNS server is mute');

# SEC-26

my %rate = map { $_->code() => $_ } map { $sip->transact('MESSAGE',
	'sip:u@x.test', from => 'sip:r@rated.test', body => "$_") } 1 .. 3;
is(join(' ', sort keys %rate), "202 $other{'(local) rate limit'}", 'rate');
is($rate{500} && $rate{500}->header('Retry-After'), 1, 'rate - Retry-After');

# ERR-14, ERR-15, ERR-16

is((grep { $_->is_response() && $_->code() =~ /^(?:401|407|408|503)$/ }
	@{$sip->{messages}}), 0, 'never 401, 407, 408, 503');

# the other options

undef $sip;
$xmpp->close_stream();
undef $xmpp;

$xmpp = $g->xmpp(PeerAddr => '127.0.0.1:' . port(8271));
$sip = $g->sip(PeerAddr => '127.0.0.1:' . port(8063));
$x->link($xmpp);

is(code('item-not-found'), 404, 'message_6xx off');
is(code('recipient-unavailable'), 480, 'message_6xx off - 480');
is(code('forbidden'), 403, 'message_6xx off - 403');
is(code('not-acceptable'), 406, 'message_6xx off - 406');
is(code('feature-not-implemented'), 501, 'message_6xx off - 501 is none');
is(code('service-unavailable'), 480, 'unavailable_status 480');
is(code('ok'), 200, 'message_status 200');

undef $sip;
undef $xmpp;

Test::Nginx::Peers::stop($t);

# the log knows better

my $log = join "\n", $g->log();
like($log, qr/^message x2s u\@x.test 302\@s.test 302 sip status$/m, 'log');
like($log, qr/^message s2x r\@s.test blank\@x.test 410 stanza error$/m,
	'log - gone without an address');
like($log, qr/^message s2x r\@s.test mail\@x.test 480 stanza error$/m,
	'log - redirect without an address');
###############################################################################

# what is wrong with the error for a code, in view of its row

sub bad {
	my ($row, $c) = @_;
	my ($ns, @bad) = 'urn:ietf:params:xml:ns:xmpp-stanzas';

	my $e = error("c$c") or return "$c: no error";
	my $error = $e->child('error');
	my @conditions = grep { $_->name() ne 'text' }
		$error->children(undef, $ns);
	my $address = $conditions[0] ? $conditions[0]->text() : '';
	my $text = $error->child('text', $ns);

	push @bad, $e->condition() // 'no condition'
		if ($e->condition() // '') ne $row->{xmpp_condition};
	push @bad, $e->error_type() // 'no type'
		if ($e->error_type() // '') ne $row->{error_type};
	push @bad, 'conditions' if @conditions != 1; # ERR-03
	push @bad, 'from ' . $e->attr('from') if $e->attr('from')
		ne ($c eq '503' ? '503@busy.test/q' : "$c\@s.test/q");
	push @bad, 'to ' . $e->attr('to') if $e->attr('to') ne 'u@x.test/res';
	push @bad, 'body' if $e->raw() =~ /secret/; # ERR-26

	# ERR-05, ERR-08

	push @bad, "address $address" if $address
		ne ($c =~ /^(?:300|301|302|399)$/ ? 'xmpp:new@s.test' : '');

	# ERR-04

	push @bad, 'text' if $c ne '503' && (!$text
		|| $text->text() ne "Reason of $c"
		|| ($text->attr('xml:lang') // '') ne 'en');

	return map { "$c: $_" } @bad;
}

# the error with this id

sub error {
	my ($id, $timeout) = @_;
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		($found) = grep { ($_->attr('id') // '') eq $id
			&& ($_->attr('type') // '') eq 'error' } $x->seen();
		return $found;
	}, $timeout);

	return $found;
}

# the error for a message to somebody in s.test

sub sent {
	my ($user, %a) = @_;

	$xmpp->send($g->message('x', to => "$user\@s.test",
		id => "to-$user", %a));

	return error($a{id} // "to-$user")
		// Test::Nginx::XML->parse('<none/>');
}

# the error for a message to somebody in another domain

sub local_error {
	my ($domain) = @_;

	my $in = $g->xmpp(to => $domain);
	$in->send($g->message('x', to => "r\@$domain", id => $domain));

	return error($domain, 8);
}

sub is_row {
	my ($e, $row, $name) = @_;
	$row = $local{$row} or die "no such row: $row\n";

	is($e && ($e->condition() // '') . ' ' . ($e->error_type() // ''),
		"$row->{xmpp_condition} $row->{error_type}", $name);
}

# bounces: with some text in an element, with any error, without one

sub text {
	my ($name, $text) = @_;
	$text = Test::Nginx::XML::escape($text) =~ s/\r/&#13;/gr;

	my $xml = "<$name xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>$text"
		. "</$name>";
	$xml = "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
		. $xml if $name eq 'text';

	return sub { bounced($_[0], $xml) };
}

sub bounced {
	my ($e, $xml) = @_;

	return "<message type='error' id='" . $e->attr('id') . "' from='"
		. $e->attr('to') . "' to='" . $e->attr('from') . "'>"
		. (defined $xml ? "<error type='cancel'>$xml</error>" : '')
		. '</message>';
}

# the final response to a message to somebody in x.test

sub message {
	my ($user) = @_;

	return $sip->transact('MESSAGE', "sip:$user\@x.test", body => $user);
}

sub code {
	return message(@_)->code();
}

# its code if he is in another domain

sub outcome {
	my ($domain, %a) = @_;

	my $r = $sip->response_to($sip->request('MESSAGE', "sip:u\@$domain",
		body => 'x', %a), 8);

	return $r ? $r->code() : 'no response';
}

# what a server does at a step: '' is to close, and conditions are errors

sub at {
	my (%how) = @_;

	return sub {
		my ($c, $e, $x) = @_;
		my $how = $how{$c->{domain} // ''};

		return 0 unless defined $how;

		$how eq '' ? $c->close()
			: $e && $e->name() eq 'result' ? $x->answer_result($c,
				$e->attr('from'), $e->attr('to'), $how)
			: $x->send_stream_error($c, $how);

		return 1;
	};
}

# another SIP server of ours

sub server {
	my ($port, %args) = @_;

	return Test::Nginx::SIP::Server->listen('127.0.0.1:' . port($port),
		tls => 1, $g->{ca}->ssl('s'), %args);
}

###############################################################################
