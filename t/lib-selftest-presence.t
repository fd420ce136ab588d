#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for the test libraries themselves: presence.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::CA;
use Test::Nginx::PIDF;
use Test::Nginx::Presence;
use Test::Nginx::SIP;
use Test::Nginx::XMPP;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/socket_ssl/)->has_daemon('openssl')
	->plan(110);

# nginx has no part in it, but the libraries look after it

$t->write_file_expand('nginx.conf', <<'EOF');

%%TEST_GLOBALS%%

daemon off;

events {
}

EOF

$t->run();

my $ca = Test::Nginx::CA->new($t->testdir());
$ca->issue('x', cn => 'x.test', dns => 'x.test');
$ca->issue('s', cn => 's.test', dns => 's.test', uri => 'sip:s.test');

# documents

my $pidf = pidf('pres:r@s.test', [
	{ id => 'ID-a', basic => 'open', show => 'away', priority => '0.5',
		contact => 'sip:r@s.test;gr=a', note => [['en', 'a & b'], 'c'],
		timestamp => '2026-01-02T03:04:05Z' },
	{ id => 'ID-b', basic => 'closed', xml => "<x xmlns='a:b'/>" },
], note => 'd', xml => Test::Nginx::PIDF::person('busy', 'away'));

my $doc = Test::Nginx::PIDF->parse($pidf);

is($doc->entity(), 'pres:r@s.test', 'pidf');
is($doc->line(), 'ID-a:open:away ID-b:closed', 'pidf - tuples');
is($doc->tuple_of('ID-a')->{contact}, 'sip:r@s.test;gr=a', 'pidf - contact');
is($doc->tuple_of('ID-a')->{priority}, '0.5', 'pidf - priority');
is_deeply($doc->tuple_of('ID-a')->{notes}, [['en', 'a & b'], [undef, 'c']],
	'pidf - notes');
is(join(' ', $doc->activities()), 'busy away', 'pidf - activities');
is(Test::Nginx::PIDF->parse(pidf('pres:r@s.test', []))->line(), '',
	'pidf - empty');

my ($P, $E) = ("<presence xmlns='$Test::Nginx::PIDF::NS'",
	"entity='pres:r\@s.test'");

sub bad {
	my ($why, $bytes, %a) = @_;

	$bytes = "<?xml version='1.0' encoding='UTF-8'?>$P $E>$bytes</presence>"
		if $bytes !~ /presence/;
	is(eval { Test::Nginx::PIDF->parse($bytes)->line() }, undef,
		"pidf refused: $why");
	like($@, qr/\Q$why\E/, "pidf refused, reason: $why");
}

my $st = '<status><basic>open</basic></status>';

bad('no XML declaration', "$P $E/>");
bad('root namespace', "<?xml version='1.0' encoding='UTF-8'?><presence $E/>");
bad('no entity', "<?xml version='1.0' encoding='UTF-8'?>$P/>");
bad('document type', "<?xml version='1.0' encoding='UTF-8'?><!DOCTYPE a>$P/>");
bad('NCName', "<tuple id='1'>$st</tuple>");
bad('NCName', "<tuple id='a b'>$st</tuple>");
bad('twice', "<tuple id='a'>$st</tuple><tuple id='a'>$st</tuple>");
bad('no id', "<tuple>$st</tuple>");
bad('no status', "<tuple id='a'><note>x</note></tuple>");
bad('misplaced tuple', "<note>x</note><tuple id='a'>$st</tuple>");
bad('misplaced contact', "<tuple id='a'>$st<note>x</note><contact>a:b"
	. '</contact></tuple>');
bad('misplaced basic', "<tuple id='a'><status><x xmlns='a:b'/>"
	. '<basic>open</basic></status></tuple>');
bad('basic away', "<tuple id='a'><status><basic>away</basic></status>"
	. '</tuple>');
bad('priority 2', "<tuple id='a'>$st<contact priority='2'>a:b</contact>"
	. '</tuple>');
bad('timestamp', "<tuple id='a'>$st<timestamp>2026-01-02t03:04:05z"
	. '</timestamp></tuple>');
bad('language', '<note xml:lang="a b">x</note>');
bad('text in', 'x');
bad('attribute x', "<tuple id='a' x='y'>$st</tuple>");

# stanzas

is(Test::Nginx::XMPP::presence_xml(from => 'u@x.test', to => 'r@s.test',
	type => 'subscribe'), "<presence from='u\@x.test' to='r\@s.test'"
	. " type='subscribe'></presence>", 'presence');
is(Test::Nginx::XMPP::presence_xml(type => 'available', show => 'away',
	status => 'a & b', priority => 1, lang => 'cs', xml => '<x/>'),
	"<presence xml:lang='cs'><show>away</show><status>a &amp; b</status>"
	. '<priority>1</priority><x/></presence>', 'presence - content');

my $x = Test::Nginx::XMPP::Server->listen('127.0.0.1:' . port(8269),
	domains => ['x.test'], $ca->ssl('x'), sasl_external => 1);
my $xp = Test::Nginx::XMPP->login(PeerAddr => $x->addr(), from => 's.test',
	to => 'x.test', $ca->ssl('s'));

$xp->send_presence(from => 'r@s.test', to => 'u@x.test', type => $_)
	for qw/probe subscribed available/;
$xp->send_presence(from => 'q@s.test/a', to => 'u@x.test', show => 'away');
$xp->send_presence(from => 'r@s.test', to => 'v@x.test', type => 'unsubscribed');

is(line($x->presence(undef, to => 'v@x.test')), 'unsubscribed r@s.test',
	'presence by to');
is(line($x->presence(undef, from => qr/^q/)), 'available q@s.test/a away',
	'presence by from');
is(line($x->presence(undef, type => 'available')), 'available r@s.test',
	'presence by type');
is(line($x->presence()), 'subscribed r@s.test', 'presence, no probe');
is($x->presence(0), undef, 'no other presence');
is(line($x->presence(0, type => 'probe')), 'probe r@s.test', 'probe');
is(() = $x->presences(to => 'u@x.test'), 3, 'presences so far');

# a presentity and watchers face each other

my $sp = Test::Nginx::SIP::Server->listen('127.0.0.1:' . port(8061), tls => 1,
	$ca->ssl('s'), auto => 404);
my $sw = Test::Nginx::SIP::Server->listen('127.0.0.1:' . port(8062), tls => 1,
	$ca->ssl('x'), auto => 200);

my $hp = Test::Nginx::Presence->new(undef, server => $sp, sip => sub { die });
my $hw = Test::Nginx::Presence->new(undef, server => $sw, sip => sub {
	Test::Nginx::SIP->connect(PeerAddr => $sp->addr(), tls => 1,
		$ca->ssl('x'), host => 'x.test', @_) });

my %w = (from => 'sip:u@x.test', contact => 'sip:u@gw.test');

my $p = $hp->presentity('r@s.test', notify => 'active', expires => 300,
	document => [{ id => 'ID-a', basic => 'open' }]);
my $w = $hw->watcher('r@s.test', %w);
my $r = $w->subscribe();

is($r->code(), 200, 'subscribe');
is($r->header('Expires'), 300, 'subscribe - Expires');

my $n = $w->notify();
is($n->state(), 'active', 'notify - state');
is($n->state_param('expires'), 300, 'notify - expires');
is($n->document()->line(), 'ID-a:open', 'notify - document');
is($n->line(), 'active ID-a:open', 'notify - line');

my $dlg = $p->subscription();
is($dlg->request()->uri(), 'sip:r@s.test', 'subscription');
is($dlg->notified('active', [{ id => 'ID-a', basic => 'closed' }])->code(), 200,
	'notified');
is($dlg->notified('active')->code(), 200, 'notified, no document');
ok($w->notify_line('ID-a:closed'), 'notify by document');
is($w->notify()->document(), undef, 'notify, no document');

is($w->refresh()->code(), 200, 'refresh');
is($dlg->next()->header('Expires'), 600, 'refresh - request');
is($w->notify()->line(), 'active ID-a:open', 'refresh - notify');
is($w->unsubscribe()->code(), 200, 'unsubscribe');
is($w->notify()->line(), 'terminated timeout ID-a:open', 'unsubscribe - notify');
ok($w->none(0), 'no other NOTIFY');
ok($dlg->next() && $dlg->none(0), 'no other SUBSCRIBE');

# several dialogs, the NOTIFY first, routes, an id

$p->set(early => 1, notify => 'pending', document => undef,
	record_route => ['<sip:p1.s.test;lr>', '<sip:p2.s.test;lr;x=y>']);

my @w = map { $hw->watcher('r@s.test', %w, event => "presence;id=$_",
	record_route => ['<sip:a.test;lr>', '<sip:b.test;lr>']) } 1 .. 3;

$_->{check} = 1 for @w;
$hp->{silent} = 1;

$_->send_subscribe() for @w;
is(join(' ', map { $_->response()->code() } @w), '200 200 200',
	'several dialogs');
is(join(' ', map { $_->notify(undef, 'pending')->state() } @w),
	'pending pending pending', 'several dialogs - pending');

my @dlg = map { $p->subscription() } 1 .. 3;
is(join(' ', map { $_->request()->header('Event') } @dlg),
	'presence;id=1 presence;id=2 presence;id=3', 'several dialogs - ids');

is($dlg[1]->notified('active', undef)->code(), 200, 'one of them');
is($w[1]->notify()->state(), 'active', 'one of them - active');
ok($w[0]->none(0) && $w[2]->none(0), 'one of them - only');

is($hw->wrong(), '', 'nothing is wrong with NOTIFYs');
like($hp->forgive(), qr/Event/, 'initial Event with an id is wrong');

# by hand: answers later, other codes

$p->set(answer => 0, notify => undef, early => 0, record_route => []);
$w = $hw->watcher('r@s.test', %w, answer => 0);
$w->send_subscribe();
$dlg = $p->subscription();
$dlg->reply(423, 'Min-Expires: 7200');
$r = $w->response();
is($r->code() . $r->header('Min-Expires'), '4237200', 'answer by hand');

$w = $hw->watcher('r@s.test', %w, answer => 0);
$w->send_subscribe();
$dlg = $p->subscription();
$dlg->reply(200, 'Expires: 60');
is($w->response()->header('Expires'), 60, 'answer by hand, 200');
my $q = $dlg->notify('active');
$n = $w->notify();
is($n->state_param('expires'), 60, 'granted');
$w->reply($n, 500, 'Retry-After: 7');
is($dlg->response($q)->header('Retry-After'), 7, 'answer of NOTIFY by hand');

$w->set(answer => [481]);
is($dlg->notified('active')->code(), 481, 'answer of NOTIFY');
is($dlg->none(0.05), 1, 'no refresh');
is(eval { $dlg->next(0.05) }, undef, 'no refresh - dies');

# what is wrong is found

$hw->{silent} = 1;
$hw->forgive();

foreach (
	['To tag', 'active', undef, to => '<sip:u@x.test>;tag=x'],
	['To is not', 'active', undef, to => '<sip:v@x.test>;tag=x'],
	['From tag', 'active', undef, tag => 'x'],
	['From is not', 'active', undef, from => '<sip:q@s.test>;tag=x'],
	['CSeq does not', 'active', undef, cseq => 1],
	['Event', 'active', undef, event => 'presence;id=1'],
	['Event', 'active', undef, event => 'dialog'],
	['Subscription-State', undef, undef],
	['Subscription-State', 'foo', undef],
	['no expires', 'active;x=y', undef],
	['expires is more', 'active;expires=61', undef],
	['no Contact', 'active', undef, Contact => undef],
	['another Contact', 'active', undef, Contact => '<sip:other@s.test>'],
	['Max-Forwards', 'active', undef, 'Max-Forwards' => 69],
	['entity', 'active', pidf('pres:q@s.test', [])],
	['PIDF', 'active', '<presence/>'],
	['Content-Type', 'active', pidf('pres:r@s.test', []),
		content_type => 'text/plain'],
	['presence within', 'pending', [{ id => 'a', basic => 'open' }]],
	['no reason', 'terminated', undef],
	['after the end', 'active', undef])
{
	my ($why, $state, @more) = @$_;
	$w->{remote_cseq} = $dlg->{cseq};
	$dlg->notified($state, @more);
	like($hw->forgive(), qr/^watcher of sip:r\@s.test: \Q$why\E/m,
		"found: $why");
}

$dlg->{hub}->forgive();
$w->set(answer => 0, terminated => 0);
@{$w->{queue}} = ();
$dlg->notify('active') for 1 .. 2;
$w->notify() for 1 .. 2;
is(eval { $w->notify(0, 'pending'); 1 }, undef, 'no such state');
like($hw->forgive(), qr/is not answered/, 'found: not answered');

# strays, cases

$dlg->notify('active', undef, call_id => 'unknown');
Test::Nginx::Peers::wait_until(sub { $hw->stray() });
is(() = $hw->stray(), 1, 'stray');

TODO: {
local $TODO = 'dies within';
case('a case that dies', sub { die "on purpose\n" });
}

case('a case after it', sub { pass('alive'); });

###############################################################################
