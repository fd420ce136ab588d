#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Attacks on streams that are bidirectional (XEP-0288) or managed (XEP-0198):
# what a hostile or broken server does to have stanzas that are not its own, to
# have lost ones taken for delivered, or to keep us busy.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Peers;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $BIDI = 'urn:xmpp:bidi';
my $SM = 'urn:xmpp:sm:3';

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(39);

my $federation = <<'EOF_';
        xmpp_domain y.test tls=optional server=127.0.0.1:%%PORT_8269%%;
        xmpp_domain z.test server=127.0.0.1:%%PORT_8269%%
                           server=localhost:%%PORT_8269%%;
        sip_domain  a.test home server=127.0.0.1:%%PORT_8061%% name=s.test;
        sip_domain  b.test home server=127.0.0.1:%%PORT_8061%% name=s.test;
        trying_timeout 500ms;
        confirm_timeout 5s;
        transaction_timeout 8s;
        stream_resume 5s;
        stream_domains 2;
EOF_

my $g = Test::Nginx::Gateway->new($t, workers => 1,
	federation => $federation);

$g->{ca}->issue('y', cn => 'y.test', dns => 'y.test');
$g->{ca}->issue('xz', cn => 'x.test', dns => ['x.test', 'z.test']);

$g->start(xmpp => { domains => ['x.test', 'y.test', 'z.test'], bidi => 1,
	$g->{ca}->ssl('xz') });

my ($x, $s) = ($g->{x}, $g->{s});
my $sip = $g->sip();
my ($xp, $xp2, $c, $e, $id, $m, $n, $q);

###############################################################################

# STARTTLS after dialback in clear: what was proven is forgotten, and no stanza
# goes to whoever is at the other end of TLS

$x->set(bidi => 0);
$xp = Test::Nginx::XMPP->connect(PeerAddr => '127.0.0.1:' . port(8270),
	from => 'y.test', to => 's.test', $g->{ca}->ssl('y'));
$xp->open();
$xp->send("<bidi xmlns='$BIDI'/>");
is($xp->dialback(), 'valid', 'proven in clear');
$xp->send("<enable xmlns='$SM'/>");
ok($xp->expect('enabled', $SM), 'with stream management');
$x->link($xp);
$m = crossed('clear', 'u@y.test');
is($m->{conn}, $xp, 'goes back on the stream');

ok($xp->starttls(), 'STARTTLS after all');
$x->{links} = [];
$m = crossed('tls', 'u@y.test');
isnt($m->{conn}, $xp, 'nothing goes back ahead of another proof');
$xp->open(from => 'x.test');
ok($xp->silent(0.2), 'nor later');
$xp->send("<r xmlns='$SM'/>");
ok($xp->silent(0.2), 'nothing is counted');
$xp->close();
$g->renew();

# SASL after dialback: nothing goes back between the headers

$xp = Test::Nginx::XMPP->connect(PeerAddr => '127.0.0.1:' . port(8270),
	from => 'y.test', to => 's.test', $g->{ca}->ssl('y'));
$xp->open();
$xp->starttls();
$xp->open();
$xp->send("<bidi xmlns='$BIDI'/>");
is($xp->dialback(), 'valid', 'proven by dialback');
$x->link($xp);
$m = crossed('dialback', 'u@y.test');
is($m->{conn}, $xp, 'goes back on the stream');
is($xp->external(), 'success', 'SASL after all');
$x->{links} = [];
$m = crossed('sasl', 'u@y.test', 504);
isnt($m->{conn}, $xp, 'nothing goes back ahead of the header');
$g->renew();
$xp->open();
$m = crossed('opened', 'u@y.test');
is($m->{conn}, $xp, 'but after it');
$xp->close();
$g->renew();

###############################################################################

# a server that says it had more than was sent when it resumes: messages are
# uncertain, whatever another address of it says

$x->set(extra_features => "<sm xmlns='$SM'/>", pings => 0);
$q = $sip->request('MESSAGE', 'sip:u@z.test', body => 'h');
$c = $x->stanza(undef, 'message')->{conn};
$c->expect('enable', $SM);
$c->send("<enabled xmlns='$SM' id='1' resume='true' max='60'/>");
$c->expect('r', $SM);
$n = $x->conns();
$c->reset();
ok(Test::Nginx::Peers::wait_until(sub { $x->conns() > $n }), 'it comes back');
$c = $x->conn();
ok($c->expect('resume', $SM), 'and resumes');
$x->set(pings => 1);
$c->send("<resumed xmlns='$SM' previd='1' h='99'/>");
is($c->stream_error(), 'undefined-condition', 'too much was acknowledged');
crossed('h2', 'u@z.test');
is($sip->response_to($q, 10)->code(), 504, 'the message is uncertain');
$x->set(extra_features => undef);
$g->renew();

###############################################################################

# a server that breaks the stream whenever it gets a certain stanza has it twice

$x->set(extra_features => "<sm xmlns='$SM'/>", at => { stanza => sub {
	my ($c, $e) = @_;
	return 0 unless $e->name() eq 'iq' && $e->attr('type') eq 'result';
	$n++;
	$c->send("<enabled xmlns='$SM'/>");
	$c->flush();
	$c->reset();
	return 1;
} });

$n = 0;
$xp = $g->xmpp();
$xp->send("<iq type='get' id='p' from='x.test' to='s.test'>"
	. "<ping xmlns='urn:xmpp:ping'/></iq>");
ok(Test::Nginx::Peers::wait_until(sub { $n == 2 }), 'sent once more');
Test::Nginx::Peers::wait_until(sub { $n > 2 }, 1);
is($n, 2, 'but no more');
$x->set(at => undef);
$xp->close_stream();

# a server that breaks its streams has others no less able to resume theirs

$x->set(extra_features => undef);
my @ids;

for (1 .. 9) {
	$xp = $g->xmpp();
	$xp->send("<enable xmlns='$SM' resume='true'/>");
	push @ids, $xp->expect('enabled', $SM)->attr('id');
	$xp->reset();
}

is(join(' ', map { resumes($_) } @ids), 'resumed ' x 8 . 'failed',
	'eight of one server are kept');
$x->set(extra_features => "<sm xmlns='$SM'/>");
$g->renew();

# a server that breaks the stream whenever it is resumed

$m = crossed('r1');
$c = $m->{conn};
$c->expect('enable', $SM);
$c->send("<enabled xmlns='$SM' id='1' resume='true' max='60'/>");
$c->expect('r', $SM);
$c->send("<a xmlns='$SM' h='2'/><r xmlns='$SM'/>");
ok($c->expect('a', $SM), 'acknowledged');
$n = $x->conns();
my %done;
$c->reset();

Test::Nginx::Peers::wait_until(sub {
	foreach my $c (grep { !$done{$_} } @{$x->{conns}}[$n .. $x->conns() - 1]) {
		next unless grep { $_->name() eq 'resume' } $c->log();
		$done{$c} = 1;
		$c->send("<resumed xmlns='$SM' previd='1' h='2'/>");
		$c->flush();
		$c->reset();
	}
	return 0;
}, 2);

cmp_ok(scalar(keys %done), '>', 1, 'it is resumed again');
cmp_ok(scalar(keys %done), '<', 40, 'after a while');
$x->set(extra_features => undef, at => undef);
$g->renew();

###############################################################################

# no more domains of ours on a stream than the peer may send to on it

$x->set(bidi => 1, sasl_external => 0);
my %q = map { $_ => $sip->request('MESSAGE', 'sip:u@x.test', body => $_,
	from => "sip:r\@$_.test") } qw/ s a b /;
is(join(' ', map { $sip->response_to($q{$_}, 10)->code() } sort keys %q),
	'202 202 202', 'three domains');
my %on = map { $_->attr('from') =~ /\@(\w)/ => $_->{conn} }
	grep { $_->name() eq "message" && $_->raw() =~ /<body>[sab]</ }
		$x->seen();

foreach my $d (sort keys %on) {
	$on{$d}->send($g->message("to $d", to => "r\@$d.test"));
	ok($g->arrived("to $d"), "sends to $d.test where that sends");
}

$x->set(sasl_external => 1);
$g->renew();

###############################################################################

# a stream that is about to end can not be resumed

$g->write(federation => $federation . 'xmpp_idle_timeout 1s;');
$t->reload();
ok($g->wait_log(qr/gracefully shutting down/), 'reloaded');

$xp = $g->xmpp();
$xp->{auto} = 0;
$xp->send("<enable xmlns='$SM' resume='true'/>");
$id = $xp->expect('enabled', $SM)->attr('id');
ok($xp->stream_closed(5), 'idle: we end it');
$xp2 = $g->xmpp();
$xp2->send("<resume xmlns='$SM' previd='$id' h='0'/>");
$e = $xp2->expect('failed', $SM);
ok($e && $e->child('item-not-found'), 'the peer goes on with it');
$sip = $g->sip();
ok(crossed('after'), 'all is well');

done($xp2);

###############################################################################

# a peer that goes through the domains of ours that a wildcard stands for: those
# that nothing is sent from any more are forgotten

my $many = $federation =~ s/(stream_domains) 2/$1 9999/r
	. 'sip_domain *.c.test home server=127.0.0.1:%%PORT_8061%%;';

$g->write(level => 'info', zone => '4m', federation => $many);
$t->stop();
$t->run();

my $keep = $g->xmpp(bidi => 1);
$xp = $g->xmpp(bidi => 1);
$x->{queue} = [];
$n = 0;

# an answer comes from each

asks($xp) for 1 .. 1100;
ok(Test::Nginx::Peers::wait_until(sub { answered($n - 1) }, 20), 'all answer');
$xp->close_stream();

for (1 .. 100) {
	last if $g->wait_log(qr/\d{3,} domains of ours that .* are forgotten/, 0.1);
	asks($keep);
}

like($t->read_file('error.log'),
	qr/\d{3,} domains of ours that sent to XMPP domain "x.test" are forgotten/,
	'most are forgotten');

asks($keep);
ok(Test::Nginx::Peers::wait_until(sub { answered($n - 1) }), 'others are not');
$sip = $g->sip();
$m = crossed('remembered');
is($m->{conn}, $keep, 'nor the stream');
done($keep);

###############################################################################

# a zone that is full of domains which a peer made up: a bidirectional stream of
# ours is refused, and is not tried again and again

$g->write(zone => '512k', federation => $many);
$t->stop();
$t->run();

my @full;
$n = 0;

foreach my $step (500, 20, 1) {
	push @full, filled($step) until @full && $full[-1]->{stream_error};
	is((pop @full)->stream_error(), 'resource-constraint',
		"no more $step domains");
}

$sip = $g->sip();
$x->set(bidi => 1);
$n = $x->conns();
$q = $sip->request('MESSAGE', 'sip:u@z.test', body => 'full');
is($sip->response_to($q, 10)->code(), 504, 'no room for a stream of ours');
is($x->conns() - $n, 2, 'each address is tried once');

undef $_ foreach @full, $keep, $c, $sip, $xp, $xp2, $m, $e, $q, $x, $s, $g, $t;

###############################################################################

# a message from s.test is accepted, or, as answers might come on two streams,
# uncertain; returns it

sub crossed { return $g->crossed($sip, @_); }

# asks another domain of ours for an answer

sub asks {
	my ($c) = @_;
	my $d = $n++ . '.c.test';

	$c->send_result('x.test', $d, 'key');
	$c->send("<iq type='get' id='$d' from='x.test' to='$d'>"
		. "<ping xmlns='urn:xmpp:ping'/></iq>");
}

sub answered {
	my ($n) = @_;
	return grep { ($_->attr('id') || '') eq "$n.c.test" } $x->seen();
}

# a stream of x.test, on which it proves n domains of ours

sub filled {
	my ($count) = @_;

	my $c = $g->xmpp(may_fail => 1);
	$c->{auto} = 0;
	return $c if $c->failed();

	$c->send_result('x.test', $n++ . '.c.test', 'key') for 1 .. $count;

	Test::Nginx::Peers::wait_until(sub {
		return $c->{stream_error} || grep { $_->name() eq 'result'
			&& $_->attr('from') eq $n - 1 . '.c.test' }
			splice @{$c->{queue}};
	});

	return $c;
}

sub done {
	my ($c) = @_;
	$c->close_stream();
	$g->renew();
}

# what comes of the resumption of a stream

sub resumes {
	my ($id) = @_;
	my $e;

	my $c = $g->xmpp();
	$c->send("<resume xmlns='$SM' previd='$id' h='0'/>");

	Test::Nginx::Peers::wait_until(sub {
		($e) = grep { $_->name() =~ /^(?:resumed|failed)$/ } $c->log();
		return $e;
	});

	$c->close_stream();

	return $e ? $e->name() : 'nothing';
}

###############################################################################
