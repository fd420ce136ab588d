#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for addresses: the vectors of RFC 7247, 6, XEP-0106 and RFC 7622, both
# ways, in each place where an address may be.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my %control = (CR => "\r", LF => "\n", NUL => "\0");

open my $fh, '<', 'unit/address_escaping.tsv' or die "Can't open: $!\n";
my ($head, @lines) = map { s/\r?\n$//r } <$fh>;
my @fields = split /\t/, $head;
my @rows = map {
	my %row;
	@row{@fields} = map { s/<(CR|LF|NUL)>/$control{$1}/gr } split /\t/;
	\%row;
} @lines;

my @x2s = grep { $_->{direction} eq 'x2s' } @rows;
my @s2x = grep { $_->{direction} eq 's2x' } @rows;

# no domain is on both sides

$_->{input} =~ s/xn--mnchen-3ya/xn--tda/,
	$_->{output} =~ s/m\xc3\xbcnchen/\xc3\xbc/ for @s2x;

# domains of the vectors, apart from those that are there anyway

my %xmpp = map { my $d = lc jid_domain($_->{input}); ($d => 1) }
	grep { $_->{status} eq 'ok' } @x2s;
delete $xmpp{'x.test'};

my %sip = map { $_->{input} =~ /^\w+:(?:.*@)?([\w.-]+\w)/ ? (lc $1 => 1) : () }
	grep { $_->{status} eq 'ok' } @s2x;
delete $sip{'s.test'};

my %alabel = map { my ($u, $sip) = (jid_domain($_->{input}), $_->{output});
	$sip =~ /^sip:(?:[^@]*@)?([\w.-]+)/ ? (lc $u => $1) : () } @x2s;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(2 * @rows
		+ (grep { $_->{roundtrips} eq 'y' && in_x($_) } @x2s) + 30);

my $g = Test::Nginx::Gateway->new($t, federation => join("\n",
	(map { "xmpp_domain $_ server=127.0.0.1:%%PORT_8269%%;" }
		sort keys %xmpp),
	(map { "sip_domain $_ home server=127.0.0.1:%%PORT_8061%%"
		. ' name=s.test;' }
		sort keys %sip)));

$g->{ca}->issue('all', cn => 'all',
	dns => [map { $alabel{$_} } sort keys %xmpp]);

$g->start(xmpp => { domains => ['x.test', sort keys %xmpp] });

my ($x, $s) = ($g->{x}, $g->{s});
my $sip = $g->sip();
my %stream = ('x.test' => $g->xmpp());
my ($m, $e, $r, $id);
my $n = 0;

$x->link($stream{'x.test'});

# XMPP to SIP, the sender: ADR-01, ADR-03, ADR-05, ADR-08, ADR-09,
# ADR-22, ADR-23, ADR-25

for my $row (@x2s) {
	my $domain = lc jid_domain($row->{input});
	my $want = $row->{status} eq 'ok' ? $row->{output} : 'no request';

	$stream{$domain} ||= $g->xmpp(from => $domain, $g->{ca}->ssl('all'))
		if $xmpp{$domain};

	$m = x2s($stream{$domain} || 'x.test', from => $row->{input});

	is($m ? $m->address('From') : 'no request', $want,
		"$row->{id} - from: $row->{note}");
}

# the recipient, in s.test: an error is jid-malformed, or one of the stream if
# a part is empty: ADR-02, ADR-04, ADR-06, ADR-07

for my $row (@x2s) {
	my $jid = $row->{input};
	my $want = $row->{output};
	my $domain = jid_domain($jid);

	$want =~ s/\Q$alabel{lc $domain}\E/s.test/i if length $want;
	substr($jid, index($jid, $domain), length $domain, 's.test')
		if length $domain;

	if ($row->{status} ne 'ok') {
		$want = $jid =~ m!^[@/]|[@/]$! ? 'improper-addressing'
			: $row->{reject_with};

	} elsif ($want !~ /@/ || $want =~ /gr=b%40/) {

		# IM-59

		$want = 'service-unavailable';
	}

	$m = x2s('x.test', to => $jid);

	is($m ? $m->uri() : refused(), $want, "$row->{id} - to: $row->{note}");
}

# there and back

for my $row (grep { $_->{roundtrips} eq 'y' && in_x($_) } @x2s) {
	($e) = s2x($row->{output});
	is($e, $row->{input} =~ m!^[^/]*@! ? $row->{input} : 404,
		"$row->{id} - back");
}

# SIP to XMPP, the sender: ADR-10, ADR-11, ADR-12, ADR-15, ADR-18, ADR-24. What
# is no URI is 400, all else that has no JID 403: ADR-13, ADR-20

for my $row (@s2x) {
	(undef, $e, $r) = s2x('sip:u@x.test', From => "<$row->{input}>;tag=1");

	is($e // $r, $row->{status} eq 'ok' ? $row->{output}
		: $row->{reject_with} eq '400' ? 400 : 403,
		"$row->{id} - from: $row->{note}");
}

# the recipient, in x.test: ADR-14, ADR-16, ADR-17, ADR-19

for my $row (@s2x) {
	my $domain = join '|', 's\.test', map { quotemeta } keys %sip;
	my $uri = $row->{input} =~ s/(?:$domain)(?=$|[.:;?])/x.test/ir;
	my $want = $row->{status} ne 'ok'
		? $row->{reject_with} eq '480/416' ? 480 : $row->{reject_with}
		: $row->{output} =~ s/([^@]*)\@[^\/]*/$1\@x.test/r;

	# IM-60

	$want = 404 if $want !~ /@/ && $row->{status} eq 'ok';

	is((s2x($uri))[0], $want, "$row->{id} - to: $row->{note}");
}

# lengths: ADR-02

my $long = 'a' x 1023;
$m = x2s('x.test', to => "$long\@s.test/$long");
is($m && $m->uri(), "sip:$long\@s.test;gr=$long", 'parts of 1023');
is((s2x("sip:$long\@x.test;gr=$long"))[0], "$long\@x.test/$long",
	'parts of 1023 from SIP');

ok(!x2s('x.test', to => "a$long\@s.test"), 'localpart of 1024');
like(refused(), qr/^(?:jid-malformed|improper-addressing)$/, 'refused');
ok(!x2s('x.test', to => "r\@s.test/a$long"), 'resource of 1024');
like(refused(), qr/^(?:jid-malformed|improper-addressing)$/, 'refused');

is((s2x("sip:a$long\@x.test"))[0], 404, 'user of 1024');
is((s2x("sip:u\@x.test;gr=a$long"))[0], 404, 'gr of 1024');

# escaped it would be longer than a localpart may be

is((s2x('sip:' . '%26' x 400 . '@x.test'))[0], 404, 'user of 1200, escaped');

# what is behind an address without brackets is not of it: ADR-26

is((s2x('sip:u@x.test', From => 'sip:r@s.test;gr=x;tag=1'))[1], 'r@s.test',
	'no brackets');
is((s2x('sip:u@x.test', From => '<sip:r@s.test>;gr=x;tag=1'))[1], 'r@s.test',
	'behind the brackets');
is((s2x('sip:u@x.test', From => '"a <sip:v@s.test>" <sip:r@s.test>;tag=1'))[1],
	'r@s.test', 'display name with an address');

# literals: ADR-28

for my $host ('192.0.2.1', '[2001:db8::1]') {
	is((s2x("sip:u\@$host"))[0], 404, "to $host");
	is((s2x('sip:u@x.test', From => "<sip:r\@$host>;tag=1"))[2], 403,
		"from $host");
}

# fake A-labels: ADR-15

is((s2x('sip:u@xn--a.test'))[0], 404, 'fake A-label');
is((s2x('sip:u@x.test', From => '<sip:r@xn--a.test>;tag=1'))[2], 403,
	'fake A-label in From');

# look-alikes are one user or none: ADR-29, SEC-15, SEC-33

for (['%E2%84%AA', 'k'], ['%C4%B0', "i\xcc\x87"], ['%EF%BC%A1', 'a'],
	['%EF%BC%8F', '\2f'], ['%C3%84', "\xc3\xa4"], ['A%CC%88', "\xc3\xa4"],
	['%E2%80%AEa', undef], ['%E2%80%8Da', undef], ['%D7%90a', undef])
{
	my ($user, $same) = @$_;
	my ($to) = s2x("sip:$user\@x.test");

	ok($to eq '404' || defined $same && $to eq "$same\@x.test",
		"$user is no other user") or diag($to);
}

# other schemes: ADR-20, ADR-21

is((s2x('im:u@x.test'))[0], 'u@x.test', 'im');
is((s2x('http://x.test/'))[0], 416, 'http');
is((s2x('sip:u@x.test', From => '<tel:+12345>;tag=1'))[2], 403,
	'tel in From');

undef %stream;
undef $sip;

Test::Nginx::Peers::stop($t);

###############################################################################

# the domain as it is in a JID

sub jid_domain {
	my ($jid) = @_;
	$jid =~ s!/.*!!s;
	$jid =~ s/^[^@]*@//;
	return $jid;
}

sub in_x {
	return jid_domain($_[0]{input}) eq 'x.test';
}

# the request that comes of a message on a stream of a domain, or none

sub x2s {
	my ($stream, %a) = @_;

	if (!ref $stream) {
		if (!$stream{$stream} || $stream{$stream}{stream_end}) {
			$stream{$stream} = $g->xmpp();
			$x->link($stream{$stream});
		}

		$stream = $stream{$stream};
	}

	$id = 'id' . ++$n;
	1 while $s->wait_request(0);

	$_ = Test::Nginx::XML::escape($_) =~ s/\r/&#13;/gr =~ s/\n/&#10;/gr
		for values %a;

	my $sent = () = $s->seen();

	$stream->send($g->message('x', from => 'u@x.test', to => 'r@s.test',
		%a, id => $id));

	Test::Nginx::Peers::wait_until(sub {
		return $sent < (() = $s->seen()) || refused($stream);
	});

	return $s->wait_request(0);
}

# the condition of the error for it, or of that which ended the stream

sub refused {
	my ($stream) = @_;
	$stream ||= $stream{'x.test'};

	my ($e) = grep { ($_->attr('id') // '') eq $id } $x->seen();

	return $e->condition() if $e;
	return unless $stream->{stream_end} || $stream->{ended};
	return $stream->stream_error(0);
}

# what a MESSAGE leads to: to or the code, from, the code

sub s2x {
	my ($uri, %a) = @_;

	1 while $x->stanza(0);

	my $r = $sip->transact('MESSAGE', $uri, to => 'sip:u@x.test',
		body => 'x', %a);
	my $code = $r ? $r->code() : 'no response';
	my $e = $code eq '202' ? $x->stanza(undef, 'message') : undef;

	return $e ? ($e->attr('to'), $e->attr('from'), $code)
		: ($code, undef, $code);
}

###############################################################################
