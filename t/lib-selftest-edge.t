#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for the test libraries themselves: the Access Edge, and its files.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Edge;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

plan(tests => 6);

# each file says where it comes from, and becomes a message for each generation

my @files = map { s!^edge/!!r } glob('edge/*/*');
my %names = map { m!([^/]+)$! ? ($1 => 1) : () } @files;
my %used;

my %v = (uri => 'sip:u@x.test', peer => 'sip:u@x.test', user => 'sip:r@s.test',
	address => 'r@s.test', from => '"user1"<sip:r@s.test>;tag=a;epid=b',
	to => '<sip:u@x.test>', 'call-id' => 'c', cseq => 1, opaque => 'o',
	epid => 'e', contact => '<sip:r@s.test>', routes => ['<sip:a;lr>',
	'<sip:b;lr>'], vias => ['SIP/2.0/TLS a', 'SIP/2.0/TLS b'],
	'record-routes' => [], text => 'hi', html => 'hi', tag => 't',
	state => 'active', document => '<a/>', 'document-type' => 'a/b',
	expires => 600, method => 'INVITE', status => 404, reason => 'Not',
	'edge-via' => 'SIP/2.0/TLS e;branch=z9hG4bKx', 'pool-via' => 'SIP/2.0/TLS p',
	'edge-route' => '<sip:e;lr>', 'pool-route' => '<sip:p;lr>',
	'conversation-id' => 'x', basic => 'open', activity => 'away',
	availability => 300, msgr => 'WA');

my $bad = '';

foreach my $generation (@Test::Nginx::Edge::GENERATIONS) {
	foreach my $name (sort keys %names) {
		next if $name eq 'set';

		my $text = eval {
			Test::Nginx::Edge::fill($generation, $name, %v);
		};

		if (!defined $text) {
			$bad .= "$generation/$name: $@";
			next;
		}

		$bad .= "$generation/$name has %%\n" if $text =~ /%%/;
		$bad .= "$generation/$name: line end\n"
			if $text =~ /(?<!\x0d)\x0a|\x0d(?!\x0a)/;

		next unless $name =~ /\.sip$/;

		my $m = Test::Nginx::SIP::Message->parse($text);
		my $why = length $m->body() == $m->header('Content-Length')
			? undef : 'Content-Length';

		$why = "no $_" for grep { !$m->all($_) }
			qw/ Via From To Call-ID CSeq /;
		$why = 'CSeq' unless $m->is_response()
			|| $m->header('CSeq') eq '1 ' . $m->method();

		$bad .= "$generation/$name: $why\n" if defined $why;
	}
}

is($bad, '', 'files');

# what is not there is left out, lists are repeated, files are within others

my $m = Test::Nginx::SIP::Message->parse(Test::Nginx::Edge::fill('oc-16.0',
	'message-plain.sip', %v));
is_deeply([$m->all('Route')], ['<sip:a;lr>', '<sip:b;lr>'], 'lists');
is($m->body(), 'hi', 'body');

$m = Test::Nginx::SIP::Message->parse(Test::Nginx::Edge::fill('oc-2.0',
	'invite.sip', %v));
is($m->header('ms-text-format'), undef, 'left out');
like($m->body(), qr/^m=message 5060 sip null\x0d\x0aa=accept-types:text\/plain /m,
	'file within a file');
like(Test::Nginx::Edge::fill('lcc-1.3', 'invite.sip', %v),
	qr/^m=x-ms-message 5060 sip null\x0d$/m, 'value of a generation');

###############################################################################
