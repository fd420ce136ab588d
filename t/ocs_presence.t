#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for presence of the dialect "ocs", ocs-wire 1.3, 1.4, 4.1 to 4.5, 5.1: a
# user behind an Access Edge watches one of XMPP, and the other way round.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Presence;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(61);

my $timers = <<'EOF';
        notify_timeout 2s;
        transaction_timeout 3s;
        trying_timeout 500ms;
        confirm_timeout 2s;
        resubscribe_delay 500ms 1s;
        notify_interval 50ms;
        poll_wait 300ms;
EOF

# whom one may ask to see, but not see

my $map = 'map "$federation_kind $federation_sip_user" $ok '
	. '{ default 1; "presence hidden@s.test" 0; }';

my $g = Test::Nginx::Gateway->new($t, zone => '4m', sip => 'dialect=ocs',
	stream => $map, federation => "$timers permit \$ok;");

$g->start();

my ($x, $s) = ($g->{x}, $g->{s});
my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();
my $serial = 0;

my $MSRTC = 'text/xml+msrtc.pidf';

# what the generations of clients and servers send, ocs-wire 4.1 and 4.2

my $CATEGORIES = 'application/msrtc-event-categories+xml';

my %clients = (
	'LCC/1.3' => {
		accept => "application/xpidf+xml, $MSRTC, application/pidf+xml",
		headers => ['User-Agent: LCC/1.3', 'Supported: ms-benotify',
			'Proxy-Require: ms-benotify',
			'Supported: ms-piggyback-first-notify'],
		contact => '<sip:%s@s.test:1620;maddr=10.46.164.196;'
			. 'transport=tls>;proxy=replace',
	},
	'OC/2.0' => {
		accept => "$CATEGORIES, application/xpidf+xml, $MSRTC, "
			. 'application/pidf+xml, application/rlmi+xml, '
			. 'multipart/related',
		headers => ['Via: SIP/2.0/TLS 10.55.55.33:47696;branch=z9hG4bK'
			. 'C45BE092.1A435385;branched=FALSE;'
			. 'ms-received-port=47696;ms-received-cid=200',
			'ms-user-data: ms-publiccloud=true;ms-federation=true',
			'Via: SIP/2.0/TLS 10.55.55.22:4317;'
			. 'ms-received-port=4317;ms-received-cid=67F00',
			'User-Agent: UCCP/2.0.6362.0 OC/2.0.6362.0 '
			. '(Microsoft Office Communicator)',
			'Supported: com.microsoft.autoextend',
			'Supported: ms-piggyback-first-notify'],
		contact => '<sip:%s@s.test;opaque=user:epid:XHiWcZA4TlaDkwMgk'
			. 'svyrQAA;gruu>',
	},
	'OC/3.5, a batch of one' => {
		accept => "$CATEGORIES, $MSRTC, application/xpidf+xml, "
			. 'application/pidf+xml, application/rlmi+xml, '
			. 'multipart/related',
		headers => ['Supported: ms-piggyback-first-notify',
			'Supported: ms-benotify', 'Proxy-Require: ms-benotify',
			'Supported: eventlist'],
		contact => '<sip:%s@s.test;opaque=user:epid:5cMfeNPXTVmXzE1y'
			. 'AAA;gruu>',
		content_type => 'application/msrtc-adrl-categorylist+xml',
		body => '<batchSub xmlns="http://schemas.microsoft.com/2006/01'
			. '/sip/batch-subscribe" uri="sip:r@s.test" name=""><ac'
			. 'tion name="subscribe" id="1"><adhocList><resource '
			. 'uri="sip:u@x.test"><context/></resource></adhocList>'
			. '</action></batchSub>',
	},
	'LCS 2005' => {
		accept => 'text/xml+msrtc.pidf, application/pidf+xml',
		headers => ['Supported: com.microsoft.autoextend',
			'Supported: ms-benotify',
			'Proxy-Require: ms-benotify',
			'ms-edge-proxy-message-trust: ms-source-type='
			. 'AutoFederation;ms-ep-fqdn=edge.s.test;'
			. 'ms-source-verified-user=verified;'
			. 'ms-source-network=federation'],
		contact => '<sip:edge.s.test:5061;transport=tls>',
	},
	'OC/16.0' => {
		accept => "$CATEGORIES, application/xpidf+xml, $MSRTC, "
			. 'application/pidf+xml, application/rlmi+xml, '
			. 'multipart/related',
		headers => ['User-Agent: UCCAPI/16.0.4417.1000 '
			. 'OC/16.0.4417.1000 (Skype for Business)',
			'Supported: ms-dialog-route-set-update',
			'Supported: com.microsoft.autoextend',
			'Supported: ms-piggyback-first-notify',
			'Supported: ms-benotify', 'Supported: timer',
			'history-info: <sip:u@x.test>;index=1'],
		contact => '<sip:%s@s.test;opaque=user:epid:hYnsEUpJhlGc;gruu>',
	},
	'Cisco' => {
		accept => 'application/pidf+xml',
		headers => [],
		contact => '<sip:%s@s.test>',
	},
);

# a user of OCS watches

for my $name (sort keys %clients) {
	case("4.1: SUBSCRIBE of $name", sub {
		my ($u, $r, $w) = client($name);
		my $res = $w->subscribe();

		is($res->code(), 200, 'response');
		is($res->header('Expires'), 600, 'Expires');
		is($res->header($_), undef, "no $_") for 'Supported', 'Require',
			'Content-Type', 'ms-piggyback-cseq',
			'Subscription-State', 'Unsupported';
		is($res->body(), '', 'no document in it');
		is($w->notify()->line(), 'active closed', 'NOTIFY');
		is($hub->told($u), "subscribe $r", 'request');

		ask($u, $r, 'subscribed');
		say_presence("$u/a", $r, show => 'dnd', status => 'at work');
		my $n = $w->notify_line('open:busy');
		is($n->state(), 'active', 'presence');
		is($n->method(), 'NOTIFY', 'no BENOTIFY');
		is($n->document()->note(), undef, 'no note');

		is($w->refresh(accept => undef)->code(), 200, 'refresh');
		is($w->notify()->line(), 'active open:busy', 'of the same form');
	});
}

case('4.1: the batch of a client for its own pool', sub {
	my ($u, $r, $w) = pair(accept => "$CATEGORIES, application/rlmi+xml, "
		. 'multipart/related', headers => ['Supported: ms-benotify',
		'Proxy-Require: ms-benotify', 'Require: adhoclist, categoryList',
		'Supported: eventlist'], answer => 200);
	my $res = $w->subscribe();
	is($res->code(), 420, 'response');
	is($res->header('Unsupported'), 'adhoclist, categoryList',
		'Unsupported');
	ok($hub->quiet(to => $u), 'XMPP is silent');
});

case('4.1: Accept without anything that is known', sub {
	my ($u, $r, $w) = pair(accept => "$CATEGORIES, application/rlmi+xml");
	is($w->subscribe()->code(), 406, 'response');
	ok($hub->quiet(to => $u), 'XMPP is silent');
});

for (['application/pidf+xml', 'open'], [$MSRTC, 'msrtc:300:400'],
	[undef, 'open'], ['*/*', 'open'], ['application/*', 'open'],
	["$MSRTC, application/pidf+xml", 'open'])
{
	my ($accept, $line) = @$_;

	case('4.4: Accept ' . ($accept // 'none'), sub {
		my ($u, $r, $w) = granted(accept => $accept);
		say_presence("$u/a", $r);
		$w->notify_line($line);
		pass('document');
	});
}

# 4.5, PX21 to PX26

case('4.5: states, PIDF', sub {
	my ($u, $r, $w) = granted();

	for (['chat', 'open'], ['away', 'open:away'], ['dnd', 'open:busy'],
		['xa', 'open:away'], [undef, 'open'])
	{
		say_presence("$u/a", $r, defined $_->[0] ? (show => $_->[0])
			: ());
		is($w->notify_line($_->[1])->line(), "active $_->[1]",
			$_->[0] // 'available');
	}

	ask("$u/a", $r, 'unavailable');
	is($w->notify()->line(), 'active closed', 'unavailable');
});

case('4.5: states, MSRTC', sub {
	my ($u, $r, $w) = granted(accept => $MSRTC);

	for (['chat', 'msrtc:300:400'], ['away', 'msrtc:300:100'],
		['dnd', 'msrtc:300:600'], ['xa', 'msrtc:300:100'],
		[undef, 'msrtc:300:400'])
	{
		say_presence("$u/a", $r, defined $_->[0] ? (show => $_->[0])
			: ());
		is($w->notify_line($_->[1])->line(), "active $_->[1]",
			$_->[0] // 'available');
	}

	say_presence("$u/a", $r, show => 'away', status => 'a "b" <c>');
	is($w->notify_line('msrtc:300:100')->document()->note(), 'a "b" <c>',
		'note');
	ask("$u/a", $r, 'unavailable');
	is($w->notify()->line(), 'active msrtc:0:0', 'unavailable');
});

case('4.4: one tuple of several resources', sub {
	my ($u, $r, $w) = granted();
	say_presence("$u/a", $r, show => 'away', priority => 1);
	$w->notify_line('open:away');
	say_presence("$u/b", $r, show => 'dnd', priority => 5);
	$w->notify_line('open:busy');
	ask("$u/b", $r, 'unavailable');
	$w->notify_line('open:away');
	pass('the one that messages go to');
});

# privacy: PB-10, SEC-18

case('PB-10, SEC-18: who is not approved sees what one sees who is offline',
	sub
{
	my ($u, $r, $w) = granted();
	say_presence("$u/a", $r, show => 'away');
	$w->notify_line('open:away');

	# another one, while all of it is known

	my $other = $hub->watcher($u, from => "sip:o$r", ocs => 1);
	$other->subscribe();
	my $pending = $other->notify();
	is($pending->line(), 'active closed', 'closed');
	say_presence("$u/a", "o$r", show => 'dnd');
	$hub->settle_sip($xmpp);
	ok($other->none(0.2), 'and stays so');

	# one who is approved, of a user who is offline

	my ($v, $q, $z) = granted();
	ask("$v", $q, 'unavailable');
	$hub->settle_sip($xmpp);
	$z->refresh();
	is(strip($z->notify_line('closed')->body(), $v),
		strip($pending->body(), $u),
		'the same document');
});

case('4.3: refused', sub {
	my ($u, $r, $w) = pending();
	ask($u, $r, 'unsubscribed');
	is($w->notify()->line(), 'terminated rejected closed', 'NOTIFY');
	is($hub->watcher($u, from => "sip:$r")->subscribe()->code(), 403,
		'again');
});

case('4.3: granted, and nothing is known', sub {
	my ($u, $r, $w) = pending();
	ask($u, $r, 'subscribed');
	my $n = $w->notify();
	is($n->line(), 'active closed', 'nothing has changed');
	$w->refresh();
	is($w->notify()->line(), 'active', 'nor since');
	my $second = $hub->watcher($u, from => "sip:$r", ocs => 1);
	$second->subscribe();
	is($second->notify()->line(), 'active closed', 'another device');
	ok($x->presence(undef, to => $u, type => 'probe'), 'probe');
	say_presence("$u/a", $r);
	$second->notify_line('open');
	$w->notify_line('open');
});

# Expires: 0 neither adds a contact nor removes one

case('4.1: Expires: 0 of a stranger adds nobody', sub {
	my ($u, $r, $w) = pair(expires => 0);
	is($w->subscribe()->code(), 200, 'response');
	is($w->notify()->line(), 'terminated timeout closed', 'NOTIFY');
	ok($hub->quiet(to => $u), 'XMPP is silent');
});

case('4.1: Expires: 0 of a contact', sub {
	my ($u, $r, $w) = granted();
	say_presence("$u/a", $r, show => 'away');
	$w->notify_line('open:away');
	my $poll = $hub->watcher($u, from => "sip:$r", ocs => 1, expires => 0);
	is($poll->subscribe()->code(), 200, 'response');
	is($poll->notify()->line(), 'terminated timeout open:away', 'NOTIFY');
	ok($hub->quiet(to => $u), 'XMPP is silent');
	ok($w->none(0), 'the dialog goes on');
});

case('4.1: sign-out ends the dialog only', sub {
	my ($u, $r, $w) = granted();
	say_presence("$u/a", $r);
	$w->notify_line('open');
	is($w->unsubscribe()->code(), 200, 'response');
	is($w->notify()->line(), 'terminated timeout closed', 'NOTIFY');
	is($hub->told($u), "unavailable $r", 'XMPP');
	ok($hub->quiet(to => $u), 'no unsubscribe');

	my $again = $hub->watcher($u, from => "sip:$r", ocs => 1);
	$again->subscribe();
	is($again->notify()->line(), 'active closed', 'sign-in');
	ok($x->presence(undef, to => $u, type => 'probe'), 'not asked again');
	say_presence("$u/a", $r);
	$again->notify_line('open');
	pass('presence');
});

case('4.1: two endpoints, a dialog each', sub {
	my ($u, $r, $w) = granted();
	my $second = $hub->watcher($u, from => "sip:$r", ocs => 1,
		accept => $MSRTC);
	$second->subscribe();
	$second->notify();
	say_presence("$u/a", $r, show => 'dnd');
	$w->notify_line('open:busy');
	$second->notify_line('msrtc:300:600');
	$w->unsubscribe();
	say_presence("$u/a", $r, show => 'away');
	is($second->notify_line('msrtc:300:100')->state(), 'active',
		'the other one goes on');
	is($x->presence(0, to => $u, type => 'unavailable'), undef,
		'he is online');
});

# a user of OCS is watched

case('4.2: SUBSCRIBE', sub {
	my ($u, $r, $p) = watched(answer => 0);
	ask($u, $r, 'subscribe');
	my $m = $p->subscription()->request();
	is($m->header('Accept'), "$MSRTC, application/pidf+xml", 'Accept');
	is($m->header('Event'), 'presence', 'Event');
	is($m->header($_), undef, "no $_") for qw/Require Proxy-Require
		Supported/;
	is($m->body(), '', 'no body');
});

my %documents = (
	'PIDF of a draft' => [undef, draft('busy'), '/0 dnd'],
	'PIDF as text/xml+pidf' => ['text/xml+pidf', draft('away'), '/0 away'],
	'PIDF without a scheme' => [undef, draft('', uri => '%s'), '/0'],
	'PIDF of RFC 4480' => [undef, pidf('pres:%s', [{ id => 'ID-a',
		basic => 'open' }], xml => Test::Nginx::PIDF::person('meeting')),
		'/a dnd'],
	'MSRTC' => [$MSRTC, msrtc(300, 600), ' dnd', 'Busy'],
	'MSRTC as PIDF' => [undef, msrtc(300, 500), ' dnd', 'In a call'],
	'MSRTC, be right back' => [$MSRTC, msrtc(300, 300), ' away',
		'Be right back'],
	'MSRTC, out to lunch' => [$MSRTC, msrtc(300, 150), ' away',
		'Out to lunch'],
	'MSRTC in utf-16, it says' => [$MSRTC, '<?xml version="1.0" '
		. 'encoding="utf-16"?>' . msrtc(300, 400), ''],
	'XPIDF' => ['application/xpidf+xml', xpidf('open', 'onthephone'),
		' dnd', 'In a call'],
	'XPIDF, in use' => ['application/xpidf+xml', xpidf('inuse', 'unknown'),
		' dnd'],
);

for my $name (sort keys %documents) {
	case("4.4: $name", sub {
		my ($type, $doc, $line, $status) = @{$documents{$name}};
		my ($u, $r, $p) = watched();
		ask($u, $r, 'subscribe');
		my $d = $p->subscription();

		is($d->notified('active', fill($doc, $r),
			content_type => $type || 'application/pidf+xml')->code(),
			200, 'NOTIFY');
		is($hub->told($u), "subscribed $r", 'subscribed');
		my $e = need($x->presence(undef, to => $u));
		is(line($e), "available $r$line", 'presence');
		is($e->text('status'), $status, 'status');
	});
}

case('SEC-12: XPIDF with declarations', sub {
	my ($u, $r, $p) = watched();
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	my $doc = fill(xpidf('open', 'online'), $r);
	$doc =~ s/"xpidf.dtd"/"xpidf.dtd" [<!ENTITY x "y">]/;
	is($d->notified('active', $doc, content_type => 'application/xpidf+xml')
		->code(), 400, 'is refused');
	ok($hub->quiet(to => $u), 'XMPP is silent');
});

case('4.2: another media type', sub {
	my ($u, $r, $p) = watched();
	ask($u, $r, 'subscribe');
	my $res = $p->subscription()->notified('active', '<x/>',
		content_type => $CATEGORIES);
	is($res->code(), 415, 'is refused');
	is($res->header('Accept'), "$MSRTC, application/pidf+xml", 'Accept');
});

case('4.5: from MSRTC to PIDF and back', sub {
	my ($u, $r, $p) = watched();
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	$d->notified('active', fill(msrtc(300, 400), $r),
		content_type => $MSRTC);
	is($hub->told($u), "subscribed $r", 'subscribed');
	is($hub->told($u), "available $r", 'MSRTC');
	$d->notified('active', fill(draft(''), $r));
	is(told_all($u, 2), "available $r/0, unavailable $r", 'PIDF');
	$d->notified('active', fill(msrtc(0, 0), $r),
		content_type => $MSRTC);
	is(told_all($u, 2), "unavailable $r, unavailable $r/0",
		'MSRTC, offline');
	$d->notified('active', fill(msrtc(300, 700), $r),
		content_type => $MSRTC);
	is($hub->told($u), "available $r away", 'MSRTC, away');
});

case('PN-30: a document about somebody else', sub {
	my ($u, $r, $p) = watched();
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	is($d->notified('active', fill(msrtc(300, 400), 'other@s.test'),
		content_type => $MSRTC)->code(), 200, 'NOTIFY');
	ok($hub->quiet(to => $u), 'XMPP is silent');
});

# header fields as they are written there: 4.2, 5.1

case('4.2: NOTIFY with names of other letters, Require: eventlist', sub {
	my ($u, $r, $p) = watched();
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	my $q = $d->notify(undef, fill(msrtc(300, 400), $r),
		content_type => $MSRTC, headers => [
		'subscription-state: active;expires=28367',
		'Require: eventlist', 'ms-edge-proxy-message-trust: x=y',
		'Content-Language: en']);
	is($d->response($q)->code(), 200, 'NOTIFY');
	is($hub->told($u), "subscribed $r", 'subscribed');
	is($hub->told($u), "available $r", 'presence');
});

case('5.1: signed routes come back byte for byte', sub {
	my @routes = ('<sip:pool.s.test:5061;transport=tls;ms-fe=FE.s.test;'
		. 'opaque=state:F:Ci.Rabf6d00;lr;ms-route-sig=aa+/b%20=>;'
		. 'ms-rrsig=Cc=;tag=33080DF1', '<sip:sipfed.s.test:5061;'
		. 'transport=tls;lr;ms-key-info=AQ;ms-route-sig=dD>');
	my ($u, $r, $p) = watched(record_route => \@routes, bare => 1);
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	$d->notified('active', fill(msrtc(300, 400), $r),
		content_type => $MSRTC, contact =>
		'sip:pool.s.test:5061;transport=tls');
	is($hub->told($u), "subscribed $r", 'subscribed');
	ask($u, $r, 'unsubscribe');
	my $m = $d->next();
	is(join(', ', $m->list('Route')), join(', ', map { s/>.*/>/r } @routes),
		'Route');
	is($m->uri(), 'sip:pool.s.test:5061;transport=tls', 'Request-URI');
});

# BENOTIFY

case('4.1: BENOTIFY', sub {
	my ($u, $r, $p) = watched();
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	my @all = (method => 'BENOTIFY', content_type => $MSRTC,
		headers => ['Require: eventlist',
		'subscription-state: active;expires=28367']);
	$d->notify(undef, fill(msrtc(300, 400), $r), @all);
	is($hub->told($u), "subscribed $r", 'subscribed');
	is($hub->told($u), "available $r", 'presence');
	$d->notify(undef, fill(msrtc(300, 600), $r), @all);
	is($hub->told($u), "available $r dnd", 'the next one');

	# what would be refused, is so in silence

	$d->notify(undef, fill(msrtc(300, 100), $r), @all,
		cseq => 1);
	$d->notify(undef, '<x', @all);
	$d->notify(undef, 'x', @all, content_type => 'text/plain');
	$d->notify(undef, undef, @all, headers => [
		'Require: foo', 'subscription-state: active']);
	$d->notify(undef, undef, @all, event => 'foo');
	$d->notify('active', undef, method => 'BENOTIFY',
		'Call-ID' => 'none');
	is($d->notified('active', fill(msrtc(300, 100), $r),
		content_type => $MSRTC)->code(), 200, 'NOTIFY after them');
	is($hub->told($u), "available $r away", 'presence');
	is((grep { ($_->header('CSeq') // '') =~ /BENOTIFY/ } responses()), 0,
		'no answer');

	# and ends it

	$d->notify(undef, undef, method => 'BENOTIFY', headers =>
		['subscription-state: terminated;reason=rejected']);
	is(told_all($u, 2), "unavailable $r, unsubscribed $r", 'terminated');
});

# which has neither a Contact nor routes: those are of the response

case('4.1: BENOTIFY ahead of the response', sub {
	my $route = '<sip:pool.s.test:5061;transport=tls;lr>';
	my ($u, $r, $p) = watched(answer => 0, record_route => [$route]);
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	my @all = (method => 'BENOTIFY', content_type => $MSRTC,
		Contact => undef, record_route => [], headers =>
		['subscription-state: active;expires=28367']);
	$d->notify(undef, fill(msrtc(300, 400), $r), @all);
	is($hub->told($u), "subscribed $r", 'subscribed');
	is($hub->told($u), "available $r", 'presence');
	$d->reply(200, 'Expires: 3600', "Record-Route: $route");
	$d->notify(undef, fill(msrtc(300, 600), $r), @all);
	is($hub->told($u), "available $r dnd", 'the next one');
	ask($u, $r, 'unsubscribe');
	my $m = $d->next();
	is($m->uri(), $d->{contact}, 'Request-URI');
	is(join(', ', $m->list('Route')), $route, 'Route');
});

# the first document in the response

case('4.2: a response with the first document', sub {
	my @routes = ('<sip:sipfed.s.test:5061;transport=tls;lr;ms-key-info=a;'
		. 'ms-route-sig=b>', '<sip:pool.s.test;lr>,<sip:fe.s.test;lr>;x');
	my ($u, $r, $p) = watched(answer => 0, bare => 1, record_route =>
		[reverse split /,/, join ',', @routes]);
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	$d->{response_route} = \@routes;
	$d->piggyback(fill(msrtc(300, 600), $r), content_type => $MSRTC,
		cseq => 1, expires => 3000, contact =>
		'sip:ocsserver.s.test:5061;transport=tls',
		state => 'active;expires=3000', headers => ['Event: presence',
		'Supported: ms-piggyback-first-notify']);
	is($hub->told($u), "subscribed $r", 'subscribed');
	is($hub->told($u), "available $r dnd", 'presence');

	# that was all of it: the dialog is there

	$p->set(notify => undef);
	sleep_until($d, 2.5);
	ok($p->none(0) && $d->none(0), 'no NOTIFY is waited for');
	ok($hub->quiet(to => $u), 'XMPP is silent');
	is($d->notified('active', fill(msrtc(300, 400), $r),
		content_type => $MSRTC, cseq => 1)->code(), 500,
		'its CSeq is taken');
	is($d->notified('active', fill(msrtc(300, 400), $r),
		content_type => $MSRTC)->code(), 200, 'the next NOTIFY');
	is($hub->told($u), "available $r", 'presence');
	ask($u, $r, 'unsubscribe');
	is($d->next()->header('Expires'), 0, 'within the dialog');
});

case('4.2: a response with a document, and no more', sub {
	my ($u, $r, $p) = watched(answer => 0);
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	$d->piggyback(fill(draft('away'), $r));
	is($hub->told($u), "subscribed $r", 'subscribed');
	is($hub->told($u), "available $r/0 away", 'presence');
	is($d->notified('active', fill(draft('busy'), $r))->code(), 200,
		'NOTIFY');
	is($hub->told($u), "available $r/0 dnd", 'presence');
});

case('4.2: NOTIFY ahead of such a response', sub {
	my ($u, $r, $p) = watched(answer => 0);
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	is($d->notified('active', fill(draft('away'), $r), cseq => 2)
		->code(), 200, 'NOTIFY');
	$d->piggyback(fill(draft('busy'), $r), cseq => 1);
	is($hub->told($u), "subscribed $r", 'subscribed');
	is($hub->told($u), "available $r/0 away", 'presence of the NOTIFY');
	ok($hub->quiet(to => $u), 'only');
});

for (['broken', '<x', 'application/pidf+xml'],
	['about somebody else', fill(draft(''), 'other@s.test'),
	'application/pidf+xml'],
	['of another kind', '<x/>', $CATEGORIES])
{
	my ($name, $doc, $type) = @$_;

	case("4.2: a response with a document that is $name", sub {
		my ($u, $r, $p) = watched(answer => 0);
		ask($u, $r, 'subscribe');
		my $d = $p->subscription();
		$d->piggyback($doc, content_type => $type, cseq => 1);
		ok($hub->quiet(to => $u), 'XMPP is silent');
		is($d->notified('active', fill(draft(''), $r), cseq => 2)
			->code(), 200, 'NOTIFY');
		is($hub->told($u), "subscribed $r", 'subscribed');
		is($hub->told($u), "available $r/0", 'presence');
	});
}

case('4.2: a response whose document policy forbids', sub {
	my ($u, $r) = ('curious@x.test', 'hidden@s.test');
	my $p = $hub->presentity($r, answer => 0);
	ask($u, $r, 'subscribe');
	$p->subscription()->piggyback(fill(draft(''), $r), cseq => 1);
	ok($hub->quiet(to => $u), 'XMPP is silent');
	like((grep { /$r/ } $g->log())[-1], qr/^presence \S+ $r $u 403 /,
		'and access_log tells');
});

case('4.2: unsubscribe ahead of such a response', sub {
	my ($u, $r, $p) = watched(answer => 0);
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	ask($u, $r, 'unsubscribe');
	is($hub->told($u), "unsubscribed $r", 'unsubscribed');
	$d->piggyback(fill(draft(''), $r), cseq => 1);
	is($d->next()->header('Expires'), 0, 'is ended');
	ok($hub->quiet(to => $u), 'nothing is shown');
});

case('4.3: 200 alone is no approval', sub {
	my ($u, $r, $p) = watched();
	ask($u, $r, 'subscribe');
	$p->subscription();
	ok($hub->quiet(to => $u), 'nothing yet');
});

case('4.3: the first document is, open or not', sub {
	my ($u, $r, $p) = watched();
	ask($u, $r, 'subscribe');
	is($p->subscription()->notified('active', fill(msrtc(0, 0), $r),
		content_type => $MSRTC)->code(), 200, 'NOTIFY');
	is($hub->told($u), "subscribed $r", 'subscribed');
	is($hub->told($u), "unavailable $r", 'offline');
});

# the other choices; dialogs go on as they were

my ($ku, $kr, $kw) = granted(accept => "application/pidf+xml, $MSRTC");
say_presence("$ku/a", $kr);
$kw->notify_line('open');

$g->write(federation => "$timers ocs_presence msrtc; ocs_presence_note on; "
	. 'ocs_presence_accept pidf; ocs_pending pending; ocs_subscribed open;');
my $old = $xmpp;
$t->reload();
ok($old->stream_closed(10), 'another configuration');
$xmpp = $g->xmpp();

case('ocs_presence msrtc', sub {
	my ($u, $r, $w) = granted(accept => "application/pidf+xml, $MSRTC");
	say_presence("$u/a", $r, show => 'dnd', status => 'busy');
	is($w->notify_line('msrtc:300:600')->document()->note(), 'busy',
		'note');

	say_presence("$ku/a", $kr, show => 'away');
	is($kw->notify_line('open:away')->line(), 'active open:away',
		'a dialog of before');
	$kw->refresh();
	is($kw->notify()->line(), 'active msrtc:300:100',
		'once it is refreshed');
});

case('ocs_presence_note', sub {
	my ($u, $r, $w) = granted(accept => 'application/pidf+xml');
	say_presence("$u/a", $r, show => 'away', status => 'in <town>');
	my $n = $w->notify_line('open:away');
	is($n->document()->note(), 'in <town>', 'note');
	is($n->header('Content-Language'), undef, 'no language');
});

case('ocs_presence_accept pidf', sub {
	my ($u, $r, $p) = watched(answer => 0);
	ask($u, $r, 'subscribe');
	is($p->subscription()->request()->header('Accept'),
		'application/pidf+xml', 'Accept');
});

case('ocs_pending pending', sub {
	my ($u, $r, $w) = pair();
	$w->subscribe();
	is($w->notify()->line(), 'pending', 'NOTIFY');
});

case('ocs_subscribed open', sub {
	my ($u, $r, $p) = watched();
	ask($u, $r, 'subscribe');
	my $d = $p->subscription();
	$d->notified('active', fill(draft('', basic => 'closed'), $r));
	$d->notified('active');
	ok($hub->quiet(to => $u), 'closed is no approval');
	$d->notified('active', fill(draft('away'), $r));
	is($hub->told($u), "subscribed $r", 'open is');
	is($hub->told($u), "available $r/0 away", 'presence');
	$d->notified('active', fill(draft('', basic => 'closed'), $r));
	is($hub->told($u), "unavailable $r/0", 'closed after that');

	# a server that has an approval in its roster is told of it

	my ($v, $q, $z) = watched(notify => 'active',
		document => sub { fill(draft('', basic => 'closed'),
		$_[0]{p}{user}) });
	ask($v, $q, 'probe');
	$z->subscription();
	is($hub->told($v), "unavailable $q/0", 'closed after a probe');
});

# at any time

is($hub->wrong(), '', 'dialogs are as they should be');

undef $xmpp;

###############################################################################

# two users that nobody has spoken of yet, and a watcher

sub pair {
	my (%a) = @_;
	my ($u, $r) = ("u$serial\@x.test", "r$serial\@s.test");
	$serial++;
	my $w = $hub->watcher($u, from => "sip:$r", ocs => 1, %a);
	return ($u, $r, $w);
}

# a watcher who writes as a client of that name

sub client {
	my ($name) = @_;
	my ($u, $r, $w) = pair(%{$clients{$name}});
	my ($user) = $r =~ /^([^@]*)/;

	# From with a display name and epid, Contact with parameters

	my $contact = fill($w->{contact}, $user);
	($w->{contact}) = $contact =~ /<([^>]*)>/;

	$w->{extra} = { From => "\"\xc5\xbd $name\"<sip:$r>;tag=$w->{tag};"
		. 'epid=ce4ccd49ad', Contact => $contact,
		map { $_ => $w->{$_} } grep { defined $w->{$_} }
		qw/body content_type/ };

	return ($u, $r, $w);
}

# the user of XMPP has been asked

sub pending {
	my ($u, $r, $w) = pair(@_);

	my $code = $w->subscribe()->code();
	die "SUBSCRIBE is answered $code\n" if $code != 200;

	$w->notify();

	my $line = $hub->told($u);
	die "not asked, but: $line\n" if $line ne "subscribe $r";

	return ($u, $r, $w);
}

# and has agreed

sub granted {
	my ($u, $r, $w) = pending(@_);

	ask($u, $r, 'subscribed');
	$w->notify(undef, 'active');

	return ($u, $r, $w);
}

# two users, one of them to be watched

sub watched {
	my (%a) = @_;
	my ($u, $r) = ("u$serial\@x.test", "r$serial\@s.test");
	$serial++;
	return ($u, $r, $hub->presentity($r, %a));
}

# documents, of a user who is yet to be filled in

sub draft {
	my ($activity, %a) = @_;

	my ($basic, $uri) = ($a{basic} || 'open', $a{uri} || 'sip:%s');

	return '<?xml version="1.0" encoding="utf-8"?><presence '
		. 'xmlns="urn:ietf:params:xml:ns:pidf" '
		. 'xmlns:ep="urn:ietf:params:xml:ns:pidf:status:rpid-status" '
		. 'xmlns:et="urn:ietf:params:xml:ns:pidf:rpid-tuple" '
		. "xmlns:ci=\"urn:ietf:params:xml:ns:pidf:cipid\" entity=\"$uri\">"
		. "<tuple id=\"0\"><status><basic>$basic</basic>"
		. ($activity ? "<ep:activities><ep:activity>$activity"
			. '</ep:activity></ep:activities>' : '')
		. '</status></tuple><ci:display-name>John Doe</ci:display-name>'
		. '</presence>';
}

sub msrtc {
	my ($availability, $activity) = @_;

	return '<presentity uri="%s" xmlns="http://schemas.microsoft.com/2002/'
		. '09/sip/presence" xmlns:xsi="http://www.w3.org/2001/'
		. 'XMLSchema-instance"><availability '
		. "aggregate=\"$availability\" description=\"\" "
		. "epid=\"03640fc59f\"/><activity aggregate=\"$activity\" "
		. 'description="" epid="03640fc59f"/><displayName '
		. 'displayName="User 1"/><email email="r@s.test"/>'
		. '<phoneNumber label="" number="1"/></presentity>';
}

sub xpidf {
	my ($status, $substatus) = @_;

	return '<!DOCTYPE presence PUBLIC "-//IETF//DTD RFCxxxx XPIDF 1.0//EN" '
		. '"xpidf.dtd"><presence><presentity uri="sip:%s;method='
		. 'SUBSCRIBE"/><atom id="1002"><address uri="sip:%s" '
		. "priority=\"0.6\"><status status=\"$status\"/>"
		. "<msnsubstatus substatus=\"$substatus\"/></address></atom>"
		. '</presence>';
}

# the user, wherever he is to be

sub fill {
	my ($text, $user) = @_;
	return $text =~ s/%s/$user/gr;
}

# a document without the name of its user

sub strip {
	my ($doc, $user) = @_;
	$doc =~ s/\Q$user\E//;
	return $doc;
}

# that long after the dialog's first request

sub sleep_until {
	my ($d, $s) = @_;
	my $end = $d->request()->{time} + $s;
	Test::Nginx::Peers::wait_until(sub {
		return Test::Nginx::Peers::now() > $end }, $s + 1);
}

sub ask {
	my ($u, $r, $type, %a) = @_;
	$xmpp->send_presence(from => $u, to => $r, type => $type, %a);
}

sub say_presence {
	my ($u, $r, %a) = @_;
	ask($u, $r, undef, %a);
}

# the next ones, in any order

sub told_all {
	my ($u, $n) = @_;
	return join(', ', sort map { $hub->told($u) } 1 .. $n);
}

sub need {
	my ($e) = @_;
	return $e || die "no stanza came\n";
}

sub responses {
	return grep { $_->is_response() } map { @{$_->{messages} || []} }
		$s->conns(), $hub->{conn} || ();
}

###############################################################################
