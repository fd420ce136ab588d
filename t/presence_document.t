#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for presence documents, RFC 8048, 6, and RFC 3863, in both directions
# (PN).

###############################################################################

use warnings;
use strict;

use Test::More;

use POSIX qw/ floor strftime /;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Presence;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(50);

my $g = Test::Nginx::Gateway->new($t, zone => '4m', federation => <<'EOF');
        notify_interval 10ms;
EOF

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();
my $serial = 0;

my $RPID = $Test::Nginx::PIDF::RPID;

# from XMPP to SIP

case('PN-01, PN-13: open and closed', sub {
	my ($u, $r, $w) = watched();
	say_presence("$u/a", $r);
	is($w->notify()->line(), 'active ID-a:open', 'presence');
	ask("$u/a", $r, 'unavailable');
	is($w->notify()->line(), 'active ID-a:closed', 'unavailable');
	is($w->refresh()->code(), 200, 'refresh');
	my $n = $w->notify();
	unlike($n->body(), qr/open/, 'nothing is open after that');
});

for my $type (qw/error subscribe unsubscribe probe/) {
	case("PN-01: $type is no presence", sub {
		my ($u, $r, $w) = watched();
		$hub->presentity($r, answer => 0);
		say_presence("$u/a", $r);
		$w->notify_line('ID-a:open');
		ask($u, $r, $type, xml => $type eq 'error'
			? "<error type='cancel'><gone xmlns='urn:ietf:params:"
			. "xml:ns:xmpp-stanzas'/></error>" : '');
		$hub->settle_sip($xmpp);
		ok($w->none(0.1), 'no NOTIFY');
	});
}

case('PN-02, PN-05: resources', sub {
	my ($u, $r, $w) = watched();
	my %id;

	my @names = ('1', 'a b', 'a/b', 'a:b', "\xf0\x9f\x98\x80", 'a_x0020_b',
		'_x0041_', 'A', 'a', "\xc3\xa9", '-', '.', 'a&b<c>"\'', 'x' x 200);

	for my $name (@names) {
		(my $attr = $name) =~ s/([&<>"'])/'&#' . ord($1) . ';'/ge;
		$xmpp->send("<presence from='$u/$attr' to='$r'/>");
		my $n = $w->notify(undef, 'active');
		my ($tuple) = grep { !$id{$_->{id}} } $n->document()->tuples();
		my $what = 'resource ' . substr($name, 0, 12);
		ok($tuple, $what) or next;
		like($tuple->{id}, qr/^ID-/, "$what - id");
		$id{$tuple->{id}} = $name;

		my ($gr) = ($tuple->{contact} // '')
			=~ /^sip:\Q$u\E;gr=([-\w\[\]\/:&+\$.!~*'()%]+)$/;
		$gr //= '';
		$gr =~ s/%([0-9A-F]{2})/chr hex $1/ge;
		is($gr, $name, "$what - contact");
	}

	is(keys %id, @names, 'ids differ');
	ok($id{'ID-1'} && $id{'ID-a'} && $id{'ID-A'}, 'plain ones are plain');
	is($w->refresh()->code(), 200, 'refresh');
	is(join(' ', sort map { $_->{id} } $w->notify()->document()->tuples()),
		join(' ', sort keys %id), 'ids are stable');
});

case('PN-03, PN-12: several resources', sub {
	my ($u, $r, $w) = watched();
	say_presence("$u/$_", $r) for qw/a b c/;
	$w->notify_line('ID-a:open ID-b:open ID-c:open');
	say_presence("$u/b", $r, show => 'away');
	is($w->notify()->line(), 'active ID-a:open ID-b:open:away ID-c:open',
		'complete state');
	ask("$u/a", $r, 'unavailable');
	like($w->notify()->line(),
		qr/^active (?:ID-a:closed )?ID-b:open:away ID-c:open$/, 'one leaves');
	say_presence("$u/a", $r);
	$w->notify_line('ID-a:open ID-b:open:away ID-c:open');
	ask($u, $r, 'unavailable');
	is($w->notify()->line(), 'active ID-a:closed ID-b:closed ID-c:closed',
		'all leave');
	ok($hub->{x}->presence(undef, type => 'probe', to => $u, from => $r),
		'is that so?');
	ask($u, $r, 'unavailable');
	ok(!$hub->{x}->presence(0.2, type => 'probe', to => $u), 'it is');
});

case('PN-04: the frame', sub {
	my ($u, $r, $w) = watched();
	say_presence("$u/a", $r, status => 'x', priority => 5, show => 'away');
	my $n = $w->notify();
	like($n->header('Content-Type'), qr!^application/pidf\+xml\b!,
		'Content-Type');
	like($n->body(), qr/^<\?xml version=["']1\.0["'] encoding=["']utf-8["']/i,
		'declaration');
	is($n->document()->entity(), "pres:$u", 'entity');
	is($n->header('Content-Length'), length $n->body(), 'length');
	my $tuple = $n->document()->tuple_of('ID-a');
	is($tuple->{contact}, "sip:$u;gr=a", 'contact');
	is($tuple->{basic}, 'open', 'basic');
});

case('PN-06, PN-07: priorities', sub {
	my ($u, $r, $w) = watched();
	my (%seen, @wrong);

	for my $p (0 .. 127) {
		say_presence("$u/a", $r, priority => $p);
		my $tuple = $w->notify()->document()->tuple_of('ID-a');
		my $d = $tuple->{priority};
		my $want = $p == 0 ? '0' : $p == 127 ? '1'
			: floor($p * 1000 / 127) / 1000;
		$d = 'none' unless defined $d;
		$seen{$d}++;
		push @wrong, "$p is $d" if $d ne 'none' && $d != $want
			|| $d eq 'none' && $p;
	}

	is(join(', ', @wrong), '', 'values');
	is(keys %seen, 128, 'distinct');

	for my $p (-1, -128) {
		say_presence("$u/a", $r, priority => $p, show => 'away',
			status => $p);
		is($w->notify()->document()->tuple_of('ID-a')->{priority},
			undef, "priority $p");
	}

	for my $p ('128', '-129', 'x', '1.5', '') {
		say_presence("$u/b", $r, priority => $p, status => "p $p");
		my $d = $w->notify()->document()->tuple_of('ID-b')->{priority};
		ok(!defined $d || $d == 0, "priority '$p'");
	}
});

case('PN-08: show', sub {
	my ($u, $r, $w) = watched();
	my %rpid = (away => 'away', xa => 'away', dnd => 'busy', chat => '');

	for my $show (qw/away chat dnd xa/) {
		say_presence("$u/a", $r, show => $show);
		my $n = $w->notify();
		is($n->line(), "active ID-a:open:$show", $show);
		is(join(' ', $n->document()->activities()), $rpid{$show},
			"$show - activity");
	}

	for my $show ('foo', 'AWAY', '', 'online') {
		say_presence("$u/a", $r, show => $show, status => "s $show");
		is($w->notify()->line(), 'active ID-a:open', "show '$show'");
	}
});

case('PN-09: status', sub {
	my ($u, $r, $w) = watched();
	$xmpp->send("<presence from='$u/a' to='$r'><status xml:lang='en'>one"
		. "</status><status xml:lang='cs'>dva &amp; t\xc5\x99i</status>"
		. '</presence>');
	my $notes = $w->notify()->document()->tuple_of('ID-a')->{notes};
	is_deeply([sort { $a->[0] cmp $b->[0] } @$notes],
		[['cs', "dva & t\xc5\x99i"], ['en', 'one']], 'notes');

	say_presence("$u/a", $r, status => 'left', lang => 'de');
	$notes = $w->notify()->document()->tuple_of('ID-a')->{notes};
	is($notes->[0][1], 'left', 'note');
	is(@$notes, 1, 'one');

	ask("$u/a", $r, 'unavailable', status => 'bye');
	my $n = $w->notify();
	is($n->line(), 'active ID-a:closed', 'unavailable');
	is($n->document()->tuple_of('ID-a')->{notes}[0][1], 'bye',
		'unavailable - note');
});

case('PN-10: language', sub {
	my ($u, $r, $w) = watched();
	say_presence("$u/a", $r, lang => 'cs', status => 'x');
	is($w->notify()->header('Content-Language'), 'cs', 'cs');
	$xmpp->send("<presence from='$u/a' to='$r' xml:lang='es-419'>"
		. '<status>y</status></presence>');
	is($w->notify()->header('Content-Language'), 'es', 'es-419'); # C45
	$xmpp->send("<presence from='$u/a' to='$r' xml:lang='en&#13;&#10;Route: "
		. "x'><status>z</status></presence>");
	my $n = $w->notify();
	unlike($n->header('Content-Language') // '', qr/Route/, 'no injection');
});

case('PN-11: time', sub {
	my ($u, $r, $w) = watched();
	my $now = strftime('%Y-%m-%dT%H:%M:%S', gmtime(time() + 2));

	say_presence("$u/a", $r);
	my $first = $w->notify()->document()->tuple_of('ID-a')->{timestamp};
	like($first // '', qr/^\d{4}-\d\d-\d\dT[\d:.]+Z$/, 'timestamp');
	cmp_ok($first // '', 'lt', $now, 'not in the future');

	say_presence("$u/b", $r, xml => "<delay xmlns='urn:xmpp:delay' "
		. "stamp='2020-01-02T03:04:05Z'/>");
	my $doc = $w->notify()->document();
	is($doc->tuple_of('ID-a')->{timestamp}, $first, 'no change, same time');
	is($doc->tuple_of('ID-b')->{timestamp}, '2020-01-02T03:04:05Z', 'delay');

	say_presence("$u/c", $r, xml => "<delay xmlns='urn:xmpp:delay' "
		. "stamp='&lt;x&gt;'/>");
	like($w->notify()->document()->tuple_of('ID-c')->{timestamp} // 'none',
		qr/^(?:\d{4}-.*Z|none)$/, 'wrong delay');
});

case('PN-14, SEC-10: text', sub {
	my ($u, $r, $w) = watched();
	my $text = "a&amp;&lt;/note&gt;&lt;x/&gt;]]&gt; \"' \xf0\x9f\x98\x80"
		. '&#13;&#10;Route: x';
	$xmpp->send("<presence from='$u/a' to='$r'><status>$text</status>"
		. '</presence>');
	my $note = $w->notify()->document()->tuple_of('ID-a')->{notes}[0][1];
	like($note, qr/^a&<\/note><x\/>]]> "' \xf0\x9f\x98\x80\s*Route: x$/,
		'escaped');

	say_presence("$u/a", $r, status => "\xc3\xa9" x 20000);
	my $n = $w->notify();
	ok($n->document(), 'a long one');
	cmp_ok(length $n->body(), '<', 65536, 'is cut');
	ok(length $n->document()->tuple_of('ID-a')->{notes}[0][1], 'but not out');
});

case('PN-15: addresses of the dialog', sub {
	my ($u, $r, $w) = watched();
	$xmpp->send("<presence from='$u/a' to='$r/other'/>");
	my $n = $w->notify();
	is($n->uri(), $w->{contact}, 'request uri');
	is($n->address('To'), "sip:$r", 'To');
	is($n->address('From'), "sip:$u", 'From');
});

case('PN-16: id', sub {
	my ($u, $r, $w) = watched();
	my $cseq = ($w->notifies())[-1]->cseq();
	say_presence("$u/a", $r, id => '99');
	is($w->notify()->cseq(), $cseq + 1, 'CSeq');
});

case('PN-17: the same again', sub {
	my ($u, $r, $w) = watched();
	say_presence("$u/a", $r, show => 'away', status => 'x') for 1 .. 5;
	is($w->notify()->line(), 'active ID-a:open:away', 'first');
	$hub->settle_sip($xmpp);
	ok($w->none(0.1), 'only one NOTIFY');
	say_presence("$u/a", $r, show => 'away', status => 'y');
	ok($w->notify(), 'a change');
	say_presence("$u/a", $r, show => 'away', status => 'y',
		xml => "<c xmlns='http://jabber.org/protocol/caps' node='n' "
		. "hash='sha-1' ver='v'/>");
	$hub->settle_sip($xmpp);
	ok($w->none(0.1), 'what is not told is no change'); # PX35
});

case('PN-18, SEC-19: presence to another one', sub {
	my ($u, $r, $w) = watched();
	my $r2 = 'o' . $serial++ . '@s.test';
	my $n = () = $hub->stray();
	say_presence("$u/a", $r2, status => 'secret');
	$hub->settle_sip($xmpp);
	ok($w->none(0.1), 'is not told');
	$w->refresh();
	unlike($w->notify()->body(), qr/secret/, 'nor later');
	is(() = $hub->stray(), $n, 'no NOTIFY to him');
});

# from SIP to XMPP

case('PN-20: open and closed', sub {
	my ($u, $r, $p, $d) = shown();
	$d->notified('active', [{ id => 'ID-a', basic => 'open', show => 'away',
		priority => '0.5', note => 'x' }]);
	my $e = stanza($u);
	is(line($e), "available $r/a away", 'open');
	is($e->text('priority'), 64, 'priority');
	is($e->text('status'), 'x', 'status');
	$d->notified('active', [{ id => 'ID-a', basic => 'closed', show => 'away',
		priority => '0.5', note => 'bye' }]);
	$e = stanza($u);
	is(line($e), "unavailable $r/a", 'closed, no show');
	is($e->text('priority'), undef, 'no priority');
	is($e->text('status'), 'bye', 'status');
});

for (['ID-dev', undef, 'dev'], ['dev', undef, 'dev'],
	['abc', 'sip:%;gr=pda', 'pda'], ['ID-x', 'sip:%;gr=pda', 'x'],
	['ID-a_x0020_b', undef, 'a b'], ['abc', 'sip:%', 'abc'],
	['abc', 'tel:+123', 'abc'])
{
	my ($id, $contact, $resource) = @$_;

	case("PN-21: tuple $id" . ($contact ? " with $contact" : ''), sub {
		my ($u, $r, $p, $d) = shown();
		my $uri = $contact;
		$uri =~ s/%/$r/ if defined $uri;
		$d->notified('active', [{ id => $id, basic => 'open',
			contact => $uri }]);
		is(line(stanza($u)), "available $r/$resource", 'open');
		$d->notified('active', [{ id => $id, basic => 'closed',
			contact => $uri }]);
		is(line(stanza($u)), "unavailable $r/$resource", 'closed');
	});
}

case('PN-22: tuples that are missing', sub {
	my ($u, $r, $p, $d) = shown();
	my @ab = map { { id => "ID-$_", basic => 'open' } } qw/a b/;
	$d->notified('active', \@ab);
	is(line(stanza($u)), "available $r/a", 'a');
	is(line(stanza($u)), "available $r/b", 'b');
	$d->notified('active', [$ab[0]]);
	is(line($x->presence(undef, to => $u, from => "$r/b")),
		"unavailable $r/b", 'b is gone');
	$d->notified('active', \@ab);
	is(line($x->presence(undef, to => $u, from => "$r/b")),
		"available $r/b", 'b is back');
	$d->notified('active', []);
	is(join(' ', sort map { line($x->presence(undef, to => $u,
		type => 'unavailable')) } 1 .. 2),
		"unavailable $r/a unavailable $r/b", 'a document without tuples');
	$d->notified('active', []);
	ok($hub->quiet(to => $u, type => 'unavailable'), 'only once');
});

case('PN-23: no document', sub {
	my ($u, $r, $p, $d) = shown();
	$d->notified('active', [{ id => 'ID-a', basic => 'open' }]);
	is(line(stanza($u)), "available $r/a", 'a document');
	is($d->notified('active')->code(), 200, 'none');
	ok($hub->quiet(to => $u), 'XMPP is silent');
	ask($u, $r, 'probe');
	is(line(stanza($u)), "available $r/a", 'it is kept');
});

case('PN-24: notes', sub {
	my ($u, $r, $p, $d) = shown();
	my $entity = "pres:$r";
	my @status;

	my $see = sub {
		my ($note, %a) = @_;
		my $n = ++$serial;
		$d->notified('active', pidf($entity, [{ id => 'ID-a',
			basic => 'open', note => $note,
			priority => sprintf('0.%03d', $n) }], note => $a{note}),
			headers => $a{headers} || []);
		my $e = stanza($u);
		return join(', ', map { ($_->attr('xml:lang') // '') . ':'
			. $_->text() } $e->children('status'))
			. ' ' . ($e->attr('xml:lang') // '');
	};

	like($see->([['fr', 'salut']]), qr/^(?:fr:salut .*|:salut fr)$/,
		'language of the note');
	like($see->('hallo', headers => ['Content-Language: de, en']),
		qr/^(?::hallo de|de:hallo .*)$/, 'language of the document');
	is($see->('none'), ':none ', 'no language');
	like($see->([['fr', 'a'], ['de', 'b'], ['fr', 'c']]),
		qr/^fr:a, de:b /, 'one for each language, first wins');
	like($see->(undef, note => 'all'), qr/^:all /, 'note of the document');
	is($see->([['x y', 'z']]), ':z ', 'wrong language'); # PN-35
	is($see->(undef, headers => ["Content-Language: a'b"]), ' ',
		'wrong Content-Language');
});

case('PN-25: priorities', sub {
	my ($u, $r, $p, $d) = shown();
	my %want = ('0' => 0, '1' => 127, '1.0' => 127, '1.000' => 127,
		'0.5' => 64, '0.007' => 1, '0.015' => 2, '0.992' => 126);
	my $n = 0;

	for my $q (sort keys %want, map { sprintf '%.3f',
		floor($_ * 1000 / 127) / 1000 } 3, 63, 64, 100, 125)
	{
		$d->notified('active', [{ id => 'ID-a', basic => 'open',
			priority => $q, note => 'n' . $n++ }]);
		my $back = stanza($u)->text('priority');
		is($back, $want{$q}, "priority $q") if exists $want{$q};
		cmp_ok(abs(floor($back * 1000 / 127) / 1000 - $q), '<', 0.0005,
			"priority $q - inverse") if !exists $want{$q};
	}

	for my $q ('2', 'abc', '-1', '', '0.5x', '99999999999999999999') {
		$d->notified('active', [{ id => 'ID-a', basic => 'open',
			priority => $q, note => 'n' . $n++ }]);
		is(stanza($u)->text('priority'), undef, "priority '$q'");
	}
});

case('PN-26: show', sub {
	my ($u, $r, $p, $d) = shown();
	my $n = 0;

	for (['<show xmlns="jabber:client">away</show>', 'away'],
		['<show xmlns="jabber:client">dnd</show>', 'dnd'],
		['<show xmlns="jabber:client">busy</show>', undef],
		['<show xmlns="jabber:client">xa</show>'
			. '<show xmlns="jabber:client">dnd</show>', 'xa'],
		['<show xmlns="other">away</show>', undef],
		['<show xmlns="jabber:client"/>', undef])
	{
		$d->notified('active', [{ id => 'ID-a', basic => 'open',
			status => $_->[0], note => 'n' . $n++ }]);
		is(stanza($u)->text('show'), $_->[1], $_->[0]);
	}
});

my %rpid = (
	(map { $_ => 'away' } qw/away appointment breakfast dinner lunch meal
		in-transit travel shopping playing spectator tv/),
	(map { $_ => 'dnd' } qw/steering worship performance presentation
		meeting on-the-phone busy/),
	(map { $_ => undef } qw/working looking-for-work unknown/),
	(map { $_ => 'xa' } qw/holiday vacation sleeping permanent-absence/),
);

case('PN-27: activities', sub {
	my ($u, $r, $p, $d) = shown();
	my ($n, @wrong) = 0;

	my $see = sub {
		my ($xml, $status, %more) = @_;
		$d->notified('active', pidf("pres:$r", [{ id => 'ID-a',
			basic => 'open', xml => $xml, status => $status,
			note => 'n' . $n++ }], %more));
		return stanza($u)->text('show') // '';
	};

	for my $name (sort keys %rpid) {
		my $want = $rpid{$name} // '';
		my $show = $see->("<activities xmlns='$RPID'><$name/>"
			. '</activities>');
		push @wrong, "$name is $show" if $show ne $want;
	}

	is(join(', ', @wrong), '', 'table');
	is($see->(undef, undef, xml => Test::Nginx::PIDF::person('meeting')),
		'dnd', 'of the person');
	is($see->("<activities xmlns='$RPID'><away/><busy/><holiday/>"
		. '</activities>'), 'dnd', 'the most restrictive one');
	is($see->("<activities xmlns='$RPID'><busy/></activities>",
		'<show xmlns="jabber:client">chat</show>'), 'chat',
		'show comes first');
	is($see->("<activities xmlns='other'><busy/></activities>"), '',
		'other namespace');
});

case('PN-28: unknown elements', sub {
	my ($u, $r, $p, $d) = shown();
	$d->notified('active', [{ id => 'ID-a', basic => 'open',
		status => '<x xmlns="a:b"><basic xmlns='
		. '"urn:ietf:params:xml:ns:pidf">closed</basic></x>',
		xml => '<y xmlns="a:b"><show xmlns="jabber:client">dnd</show>'
		. '</y>' }]);
	is(line(stanza($u)), "available $r/a", 'ignored');
	$d->notified('active', [{ id => 'ID-a', basic => 'open',
		status => '<x xmlns="a:b" xmlns:p="urn:ietf:params:xml:ns:pidf" '
		. 'p:mustUnderstand="1"/><show xmlns="jabber:client">away'
		. '</show>' }]);
	is(line(stanza($u)), "available $r/a away", 'mustUnderstand');
});

case('PN-29: no basic', sub {
	my ($u, $r, $p, $d) = shown();
	$d->notified('active', [{ id => 'ID-a', basic => 'open' }]);
	is(line(stanza($u)), "available $r/a", 'open');
	$d->notified('active', [{ id => 'ID-a', status => '<x xmlns="a:b"/>' }]);
	is(line(stanza($u)), "unavailable $r/a", 'no basic');
	$d->notified('active', [{ id => 'ID-a', show => 'away' }]);
	is(line(stanza($u)), "available $r/a away", 'but a show');
});

case('PN-30, SEC-08: entity', sub {
	my ($u, $r, $p, $d) = shown();
	my $tuple = { id => 'ID-a', basic => 'open' };

	for my $entity ('pres:other@s.test', "pres:$r.evil", "pres:x$r",
		"pres:$u", 'x', '')
	{
		is($d->notified('active', pidf($entity, [$tuple]))->code(), 200,
			"entity $entity");
	}

	ok($hub->quiet(to => $u), 'XMPP is silent');

	my $n = 0;

	for my $entity ("pres:$r", "sip:$r", "sips:$r", "im:$r", uc("pres") . ":$r",
		"sip:$r;gr=x", "pres:" . $r =~ s/s\.test/S.TEST/r,
		"pres:" . $r =~ s/^r/%72/r)
	{
		$d->notified('active', pidf($entity, [{ %$tuple,
			note => 'n' . $n++ }]));
		is(line(stanza($u)), "available $r/a", "entity $entity");
	}
});

case('PN-31: encodings', sub {
	my ($u, $r, $p, $d) = shown();
	my $tuple = [{ id => 'ID-a', basic => 'open', note => "\xc3\xa9" }];
	my $doc = sub { return pidf("pres:$r", $tuple, decl => "<?xml version="
		. "'1.0' encoding='$_[0]'?>") };

	like($d->notified('active', $doc->('ISO-8859-1'))->code(),
		qr/^4(?:00|15)$/, 'ISO-8859-1');
	like($d->notified('active', $doc->('UTF-16'))->code(), qr/^4(?:00|15)$/,
		'UTF-16');
	like($d->notified('active', $doc->('UTF-8'), content_type =>
		'application/pidf+xml;charset=iso-8859-1')->code(),
		qr/^4(?:00|15)$/, 'charset');
	ok($hub->quiet(to => $u), 'XMPP is silent');

	is($d->notified('active', $doc->('ISO-8859-1'), content_type =>
		'application/pidf+xml; charset="utf-8"')->code(), 200,
		'charset wins');
	is(stanza($u)->text('status'), "\xc3\xa9", 'UTF-8');
	is($d->notified('active', "\xef\xbb\xbf" . pidf("pres:$r", [],
		decl => ''))->code(), 200, 'byte order mark, no declaration');
	is(line(stanza($u)), "unavailable $r/a", 'is a document');
});

case('PN-32: prefixes', sub {
	my ($u, $r, $p, $d) = shown();
	is($d->notified('active', '<?xml version="1.0"?><impp:presence '
		. "xmlns:impp='urn:ietf:params:xml:ns:pidf' "
		. "xmlns:j='jabber:client' entity='pres:$r'><impp:tuple "
		. 'id="ID-a"><impp:status><impp:basic>open</impp:basic>'
		. '<j:show>away</j:show></impp:status><impp:note>x</impp:note>'
		. '</impp:tuple></impp:presence>')->code(), 200, 'NOTIFY');
	my $e = stanza($u);
	is(line($e), "available $r/a away", 'presence');
	is($e->text('status'), 'x', 'status');
});

case('PN-33, PN-34: many tuples', sub {
	my ($u, $r, $p, $d) = shown();
	$d->notified('active', [map { { id => "ID-t$_", basic => 'open' } }
		1 .. 3]);
	is(line(stanza($u)), "available $r/t$_", "in order, $_") for 1 .. 3;
	$d->notified('active', [map { { id => "ID-t$_", basic => 'open' } }
		1 .. 100]);
	my %seen;
	Test::Nginx::Peers::wait_until(sub {
		%seen = map { $_->attr('from') => 1 }
			$x->presences(to => $u, type => 'available');
		return keys %seen >= 16;
	});
	$hub->settle($d->conn());
	%seen = map { $_->attr('from') => 1 }
		$x->presences(to => $u, type => 'available');
	is(keys %seen, 16, 'the first 16');
	ok($seen{"$r/t16"}, 'the sixteenth');
});

case('PN-33, SEC-13: a huge document', sub {
	my ($u, $r, $p, $d) = shown();
	my $res = $d->notified('active', [{ id => 'ID-a', basic => 'open',
		note => 'x' x 100000 }], conn => $hub->connect());
	like($res->code(), qr/^(?:413|513)$/, 'response');
	ok($hub->quiet(to => $u), 'XMPP is silent');
});

case('PN-35, SEC-11: text', sub {
	my ($u, $r, $p, $d) = shown();
	my $evil = "</status></presence><message to='u\@x.test'>]]> & \"'";
	$d->notified('active', [{ id => 'ID-a', basic => 'open', note => $evil,
		show => '<b/>' }]);
	my $e = stanza($u);
	is($e->text('status'), $evil, 'note');
	is($e->text('show'), undef, 'show');
	$d->notified('active', [{ id => 'ID-a', basic => 'open', note => 'n',
		contact => "sip:r;gr='><x/>" }]);
	is(line(stanza($u)), "available $r/a", 'contact');
	$d->notified('active', [{ id => 'ID-a', basic => 'open',
		note => "line 1\r\nline 2\tx" }]);
	like(stanza($u)->text('status'), qr/^line 1\s+line 2\tx$/, 'lines');
});

for my $id ('', 'a b', "ID-\xff", 'ID-', 'ID-x' . 'y' x 2000, "ID-_x0000_",
	'ID-_x000A_x', 'ID-_xD800_')
{
	case('PN-21, SEC-14: tuple id ' . join('', map { /[!-~]/ ? $_ : '?' }
		split //, substr($id, 0, 20)), sub
	{
		my ($u, $r, $p, $d) = shown();
		my $code = $d->notified('active', [{ id => $id, basic => 'open' }])
			->code();
		like($code, qr/^(?:200|400)$/, 'response');
		is($d->notified('active', [{ id => 'ID-b', basic => 'open' }])
			->code(), 200, 'next one');
		is(line($x->presence(undef, to => $u, from => "$r/b")),
			"available $r/b", 'presence');
	});
}

case('PN-21: two tuples, one resource', sub {
	my ($u, $r, $p, $d) = shown();
	$d->notified('active', [{ id => 'ID-a', basic => 'open' },
		{ id => 'a', basic => 'closed' }]);
	my $line = line(stanza($u));
	like($line, qr!^(?:un)?available \Q$r\E/a$!, 'one presence');
	$hub->settle($d->conn());
	ok($hub->quiet(to => $u, from => "$r/a"), 'no flapping');
});

is($hub->wrong(), '', 'dialogs are as they should be');

undef $xmpp;

###############################################################################

# a user of SIP who may see a user of XMPP

sub watched {
	my ($u, $r) = ("v$serial\@x.test", "q$serial\@s.test");
	$serial++;

	my $w = $hub->watcher($u, from => "sip:$r");
	my $code = $w->subscribe()->code();

	die "SUBSCRIBE is answered $code\n" if $code != 200;

	$w->notify(undef, 'pending');
	ask($u, $r, 'subscribed');
	$w->notify(undef, 'active');

	return ($u, $r, $w);
}

# a user of SIP whom a user of XMPP may see

sub shown {
	my ($u, $r) = ("u$serial\@x.test", "r$serial\@s.test");
	$serial++;

	my $p = $hub->presentity($r);
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	$d->notified('active');

	my $line = $hub->told($u);
	die "not granted, but: $line\n" if $line ne "subscribed $r";

	return ($u, $r, $p, $d);
}

# stanzas of the user of XMPP, and to him

sub ask {
	my ($u, $r, $type, %a) = @_;
	$xmpp->send_presence(from => $u, to => $r, type => $type, %a);
}

sub say_presence {
	my ($u, $r, %a) = @_;
	ask($u, $r, undef, %a);
}

sub stanza {
	my ($u) = @_;
	return $x->presence(undef, to => $u) || die "no presence for $u\n";
}

###############################################################################
