#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests of Test::Nginx::Traffic: it notices what a bad gateway would do, which
# peers do here in its stead.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Traffic;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(7);

my $g = Test::Nginx::Gateway->new($t);
$t->run();

is(wrong(), '', 'nothing is wrong');

# lost: answered, or taken, and not counted

is(wrong(on_sip => at(7, sub {
	my ($tr, $c, $head) = @_;
	$c->answer($head, 200);
	return 1;
})), 'xs-3-7: was lost: silence', 'lost on the way to SIP');

is(wrong(on_xmpp => at(7, sub { return 1; })), 'sx-3-7: was lost: 202',
	'lost on the way to XMPP');

# doubled

is(wrong(on_sip => at(7, sub {
	my ($tr) = @_;
	$tr->got('xs', 3, 7);
	return 0;
})), 'xs-3-7: arrived 2 times', 'doubled');

# refused, and delivered

is(wrong(on_sip => at(7, sub {
	my ($tr, $c, $head) = @_;
	$c->answer($head, 404);
	$tr->got('xs', 3, 7);
	return 1;
})), 'xs-3-7: failed with item-not-found, but arrived',
	'refused, but delivered');

# more than was sent

is(wrong(on_xmpp => at(7, sub {
	my ($tr) = @_;
	$tr->{outputs}{message} += 200;
	return 0;
})), '400 of message, for 200 of SIP and 200 of XMPP', 'amplified');

# out of order

is(wrong(on_xmpp => sub {
	my ($tr, $pair, $i) = @_[0, 3, 4];

	return 1 if $pair == 3 && $i == 6;

	if ($pair == 3 && $i == 7) {
		$tr->got('sx', 3, 7);
		$tr->got('sx', 3, 6);
		return 1;
	}

	return 0;
}), 'sx-3-6: arrived after 7', 'out of order');

###############################################################################

# what is wrong with some traffic over a bad server, the first of it

sub wrong {
	my (%args) = @_;
	my $traffic;

	foreach my $name (grep { /^on_/ } keys %args) {
		my $code = $args{$name};
		$args{$name} = sub { $code->($traffic, @_); };
	}

	$traffic = Test::Nginx::Traffic->new($g, n => 200, silence => 1,
		%args)->listen();

	my ($first) = $traffic->run(linger => 0.1);

	$traffic->end();

	return '' unless defined $first;
	return $first;
}

# does it with one of the messages

sub at {
	my ($i, $code) = @_;

	return sub {
		my ($tr, $c, $head, $pair, $n) = @_;
		return 0 if $pair != 3 || $n != $i;
		return $code->($tr, $c, $head);
	};
}

###############################################################################
