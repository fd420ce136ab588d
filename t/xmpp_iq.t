#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for IQ: what the gateway answers for its domain and its users
# (RFC 6120, 8.2.3, XEP-0199, XEP-0030).

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/ :DEFAULT port /;
use Test::Nginx::Gateway;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(37);

my $g = Test::Nginx::Gateway->new($t);

$g->start();

my $x = $g->{x};
my $c = $g->xmpp();

my $info = 'http://jabber.org/protocol/disco#info';
my $items = 'http://jabber.org/protocol/disco#items';
my $ping = "<ping xmlns='urn:xmpp:ping'/>";

# ping: XQ-01

my $e = iq('get', 's.test', $ping, id => 'p&1');
is($e->attr('type'), 'result', 'ping');
is($e->attr('id'), 'p&1', 'ping - id');
is($e->attr('from'), 's.test', 'ping - from');
is($e->attr('to'), 'u@x.test/res', 'ping - to');
is($e->children(), 0, 'ping - empty');
is($e->{conn}{role}, 'server', 'ping - on our own stream'); # XB-06

is(iq('get', 'S.Test', $ping)->attr('from'), 'S.Test',
	'ping - domain in capitals');

$e = iq('get', 'r@s.test', $ping);
is($e->attr('type'), 'error', 'ping of a user');
is($e->condition(), 'service-unavailable', 'ping of a user - condition');
is($e->attr('from'), 'r@s.test', 'ping of a user - from');

# disco: XQ-02, XQ-03, XQ-04, ADR-30

$e = iq('get', 's.test', "<query xmlns='$info'/>");
is($e->attr('type'), 'result', 'info');
my $i = $e->at('query/identity');
is($i && $i->attr('category'), 'gateway', 'info - category');
is($i && $i->attr('type'), 'simple', 'info - type');
is(join(' ', sort map { $_->attr('var') }
	$e->child('query', $info)->children('feature')),
	"$info $items jid\\20escaping urn:xmpp:ping", 'info - features');

is(iq('get', 's.test', "<query xmlns='$info' node='n'/>")->condition(),
	'item-not-found', 'info - node');

$e = iq('get', 's.test', "<query xmlns='$items'/>");
is($e->attr('type'), 'result', 'items');
is($e->child('query', $items)->children(), 0, 'items - empty');

for my $q ($info, $items) {
	my @e = map { iq('get', "$_\@s.test", "<query xmlns='$q'/>", id => 'q') }
		qw/ r nouser /;
	is($e[0]->condition(), 'service-unavailable', "$q of a user");
	(my $raw = $e[1]->raw()) =~ s/nouser/r/;
	is($raw, $e[0]->raw(), "$q of nobody is the same");
}

# anything else: XQ-05, XQ-06, ERR-28

for (['get', 's.test', "<q xmlns='urn:foo'/>", 'unknown payload'],
	['set', 's.test', "<q xmlns='urn:foo'/>", 'set'],
	['set', 's.test', "<query xmlns='$info'/>", 'set of a query'],
	['get', 'r@s.test', "<vCard xmlns='vcard-temp'/>", 'vcard'],
	['get', 'r@s.test/x', "<q xmlns='urn:foo'/>", 'full JID'])
{
	is(iq(@$_[0 .. 2])->condition(), 'service-unavailable', $_->[3]);
}

# malformed: XS-45

is(iq('get', 's.test', $ping, id => undef)->condition(), 'bad-request',
	'no id');
is(iq('foo', 's.test', $ping)->condition(), 'bad-request', 'unknown type');
is(iq(undef, 's.test', $ping)->condition(), 'bad-request', 'no type');
is(iq('get', 's.test', '')->condition(), 'bad-request', 'no child');
is(iq('get', 's.test', $ping x 2)->condition(), 'bad-request',
	'two children');

# answers are not answered: XQ-07, ARC-13

$c->send("<iq type='result' id='x' from='x.test' to='s.test'/>"
	. "<iq type='error' id='y' from='u\@x.test' to='r\@s.test'/>"
	. "<iq type='result' from='x.test' to='s.test'/>"
	. "<message type='error' from='u\@x.test' to='r\@s.test'>"
	. "<body>bounced</body></message>");
is($x->stanza(0.5), undef, 'answers are not answered');

# nor is presence of which nobody has asked

$c->send("<presence from='u\@x.test/a' to='r\@s.test'/>"
	. $g->message('after all'));
is($g->{s}->wait_request()->body(), 'after all', 'presence');

# a message to the domain, and one to a room: IM-59, IM-20

for (['s.test', undef], ['s.test/x', undef], ['r@s.test', 'groupchat']) {
	$c->send($g->message('x', to => $_->[0], type => $_->[1], id => 'm'));
	$e = $x->stanza();
	is($e->condition(), 'service-unavailable', "message to $_->[0]");
}

ok(!$g->{s}->wait_request(0.3), 'nothing for SIP'); # ARC-01

undef $c;

Test::Nginx::Peers::stop($t);

###############################################################################

# sends an iq, returns the answer

sub iq {
	my ($type, $to, $payload, %a) = @_;

	%a = (id => 'i' . ++$g->{iqs}, from => 'u@x.test/res', to => $to,
		type => $type, %a);
	$c->send('<iq' . join('', map { " $_='"
		. Test::Nginx::XML::escape($a{$_}) . "'" }
		grep { defined $a{$_} } sort keys %a) . ">$payload</iq>");

	return $x->stanza();
}

###############################################################################
