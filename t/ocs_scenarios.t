#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# What users do, with the same words for each dialect and each generation of
# clients: add, approve, see, write, type, remove.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Edge;
use Test::Nginx::Gateway;
use Test::Nginx::Presence ();

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my @scenarios = qw/ sip_adds xmpp_adds writing typing both_remove /;
my $n = @scenarios * (1 + @Test::Nginx::Edge::GENERATIONS);

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan($n + 3);

my $g = Test::Nginx::Gateway->new($t, dialect => 'ocs', zone => '4m',
	federation => <<'EOF');
        notify_interval 20ms;
        chatstates on;
        chatstates_interval 50ms;
        poll_wait 100ms;
EOF

$g->start();

my $xmpp = $g->xmpp();
my $serial = 0;

# how each generation tells presence, of the forms of ocs-wire 4.4

my %document = ('lcc-1.3' => 'msrtc', 'oc-2.0' => 'msrtc',
	'oc-3.5' => 'pidf-draft', 'uccapi-15' => 'msrtc',
	'oc-16.0' => 'pidf-draft', sipe => 'pidf-rpid');

my %subscribe = ('lcc-1.3' => 'piggyback', 'oc-2.0' => 'piggyback');
my %notify = ('oc-2.0' => 'benotify', 'uccapi-15' => 'benotify');

foreach my $generation (@Test::Nginx::Edge::GENERATIONS) {
	run($generation, sub { Test::OCS->new($g, @_,
		generation => $generation,
		subscribe => $subscribe{$generation} || 200,
		notify => $notify{$generation} || 'notify',
		document => $document{$generation}) });
}

is($g->{edge}->wrong(), '', 'ocs, dialogs are as they should be');
is(join("\n", map { $_->start_line() } $g->{edge}->stray()), '',
	'ocs, nothing astray');

# the same, with dialect=simple

undef $xmpp;
Test::Nginx::Peers::stop($t);
$g->{edge}->server()->close();
$g->{x}->close();
delete $g->{$_} for qw/ edge s x /;

$g->write(dialect => '');
$g->start();
$xmpp = $g->xmpp();

my $hub = Test::Nginx::Presence->new($g);
run('simple', sub { Test::Simple::User->new($g, $hub, @_) });

is($hub->wrong(), '', 'simple, dialogs are as they should be');

undef $xmpp;

###############################################################################

sub run {
	my ($name, $driver) = @_;

	foreach my $scenario (@scenarios) {
		my $id = 'u' . ++$serial;
		my ($r, $u) = ("$id\@s.test", "$id\@x.test");

		case("$name: $scenario", sub {
			no strict 'refs';
			&$scenario($driver->($r), $r, $u);
		});
	}
}

# a user of SIP adds one of XMPP

sub sip_adds {
	my ($sip, $r, $u) = @_;

	is($sip->add($u), 200, 'added');
	is(told($u), "subscribe $r", 'request');

	says($u, $r, type => 'subscribed');
	says("$u/res", $r);
	ok($sip->shown('available'), 'available');

	for (['away', 'away'], ['dnd', 'busy'], ['chat', 'available'],
		['xa', 'away'])
	{
		says("$u/res", $r, show => $_->[0]);
		ok($sip->shown($_->[1]), "$_->[0]: $_->[1]");
	}

	says("$u/res", $r);
	ok($sip->shown('available'), 'available again');
	says("$u/res", $r, type => 'unavailable');
	ok($sip->shown('offline'), 'offline');

	says($u, $r, type => 'unsubscribed');
	ok($sip->hidden(), 'no longer shown');
}

# a user of XMPP adds one of SIP

sub xmpp_adds {
	my ($sip, $r, $u) = @_;

	says($u, $r, type => 'subscribe');
	$sip->asked();
	is(told($u), "subscribed $r", 'approved');
	is(told($u), "available $r", 'available');

	$sip->presence('away');
	is(told($u), "available $r away", 'away');
	$sip->presence('busy');
	is(told($u), "available $r dnd", 'busy');
	$sip->presence('available');
	is(told($u), "available $r", 'available again');
	$sip->presence('offline');
	is(told($u), "unavailable $r", 'offline');
	$sip->presence('available');
	is(told($u), "available $r", 'and back');

	says($u, $r, type => 'unsubscribe');
	ok($sip->dropped(), 'removed');
	is(told($u), "unavailable $r", 'unavailable');
	is(told($u), "unsubscribed $r", 'confirmed');
}

# they write, without any presence

sub writing {
	my ($sip, $r, $u) = @_;

	$xmpp->send(chat("$u/res", $r, 'hello'));
	is($sip->hears(), 'hello', 'to SIP');

	for (1 .. 3) {
		like($sip->says($u, "text $_"), qr/^20[02]$/, 'accepted');
		is(text($u), "$r $u: text $_", 'from SIP');
		$xmpp->send(chat("$u/res", $r, "answer $_ <&> gr\xc3\xbc"));
		is($sip->hears(), "answer $_ <&> gr\xc3\xbc", 'to SIP');
	}

	$g->{x}->set(bounce => { $u => 'item-not-found' });
	like($sip->says($u, 'lost'), qr/^[46]\d\d$/, 'refused');
	$g->{x}->set(bounce => {});
	text($u);

	$sip->refuses(486);
	$xmpp->send(chat("$u/res", $r, 'lost', id => 'm1'));
	like(text($u), qr/^$r $u error m1 /, 'error');
	$sip->hears();
	$sip->refuses(0);

	$xmpp->send(chat("$u/res", $r, 'at last'));
	is($sip->hears(), 'at last', 'to SIP');
}

sub typing {
	my ($sip, $r, $u) = @_;

	$xmpp->send(chat("$u/res", $r, 'hello'));
	is($sip->hears(), 'hello', 'to SIP');

	$xmpp->send(chat_state("$u/res", $r, 'composing'));
	is($sip->typed(), 'type', 'XMPP types');
	$xmpp->send(chat_state("$u/res", $r, 'paused'));
	is($sip->typed(), 'idle', 'and no longer');

	like($sip->types($u, 'type'), qr/^20[02]$/, 'accepted');
	is(text($u), "$r $u composing", 'SIP types');
	like($sip->types($u, 'idle'), qr/^20[02]$/, 'accepted');
	like(text($u), qr/^$r $u (?:active|paused)$/, 'and no longer');

	like($sip->types($u, 'type'), qr/^20[02]$/, 'accepted');
	is(text($u), "$r $u composing", 'SIP types again');
	like($sip->says($u, 'done'), qr/^20[02]$/, 'accepted');
	is(text($u), "$r $u: done", 'text');
}

# both have each other, until they have not: the user of SIP goes, which says
# nothing of what he is to others, and then she removes him

sub both_remove {
	my ($sip, $r, $u) = @_;

	says($u, $r, type => 'subscribe');
	$sip->asked();
	is(told($u), "subscribed $r", 'approved');
	is(told($u), "available $r", 'available');

	is($sip->add($u), 200, 'added');
	is(told($u), "subscribe $r", 'request');
	says($u, $r, type => 'subscribed');
	says("$u/res", $r);
	ok($sip->shown('available'), 'available');

	is($sip->remove($u), 200, 'removed by SIP, or logged off');
	$xmpp->send(chat("$u/res", $r, 'still there?'));
	is($sip->hears(), 'still there?', 'to SIP');
	is(scalar(grep { ($_->attr('to') // '') =~ /^\Q$u/
		&& ($_->attr('type') // '') =~ /^unsubscribe/ }
		$g->{x}->seen()), 0, 'which XMPP is not told');

	# and back, without being asked again

	is($sip->add($u), 200, 'back');
	says("$u/res", $r, show => 'away');
	ok($sip->shown('away'), 'away');
	is(scalar(grep { ($_->attr('to') // '') eq $u
		&& ($_->attr('type') // '') eq 'subscribe' }
		$g->{x}->seen()), 1, 'asked once');

	says($u, $r, type => 'unsubscribed');
	ok($sip->hidden(), 'hidden from SIP');
	says($u, $r, type => 'unsubscribe');
	ok($sip->dropped(), 'removed by XMPP');
}

# stanzas of a user of XMPP, and what he is told

sub says {
	my ($from, $to, %a) = @_;
	$xmpp->send_presence(from => $from, to => $to, %a);
}

sub told {
	my ($u) = @_;
	my $e = $g->{x}->presence(undef, to => $u) or return 'nothing';
	my $type = $e->attr('type') // 'available';
	(my $from = $e->attr('from')) =~ s!/.*!!;

	return "$type $from" . ($type eq 'available' && defined $e->text('show')
		? ' ' . $e->text('show') : '');
}

sub text {
	my ($u) = @_;
	my $q = $g->{x}{queue};
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		for my $i (0 .. $#$q) {
			next if $q->[$i]->name() ne 'message'
				|| $q->[$i]->attr('to') !~ /^\Q$u\E(?:\/|$)/;
			$found = splice(@$q, $i, 1);
			return 1;
		}
	});

	return Test::Nginx::Edge::line($found);
}

###############################################################################

package Test::OCS;

# A user of SIP behind an Access Edge.

use warnings;
use strict;

sub new {
	my ($class, $g, $r, %args) = @_;

	return bless { client => $g->{edge}->client($r, %args,
		presence => 'available') }, $class;
}

sub add {
	my ($self, $u) = @_;
	$self->{watch} = $self->{client}->watch($u);
	return $self->{watch}->answer()->code();
}

sub shown {
	my ($self, $state) = @_;
	return $self->{watch}->shown($state);
}

# ocs-wire 4.3: who is not to be seen any longer is offline, or the dialog ends

sub hidden {
	my ($self) = @_;
	my $w = $self->{watch};

	return Test::Nginx::Peers::wait_until(sub {
		my ($m) = @{$w->{notifies}}[-1];
		return $m && ($m->{state} =~ /^terminated/
			|| (Test::Nginx::Edge::Watch::presence($m) // '')
			eq 'offline');
	});
}

sub remove {
	my ($self, $u) = @_;
	return $self->{watch}->refresh(expires => 0)->code();
}

sub asked {
	my ($self) = @_;
	return $self->{dialog} = $self->{client}->subscription();
}

sub presence {
	my ($self, $state) = @_;
	$self->{client}->publish($state);
}

sub dropped {
	my ($self) = @_;

	return Test::Nginx::Peers::wait_until(sub {
		return $self->{dialog}{over};
	});
}

sub says {
	my ($self, $u, $text) = @_;
	return $self->_session($u)->say($text);
}

# the session that there is, whoever began it

sub _session {
	my ($self, $u) = @_;

	while (my $s = $self->{client}->session_if(0)) {
		$self->{session} = $s;
	}

	$self->{session} = $self->{client}->start($u)
		if !$self->{session} || $self->{session}{ended};

	return $self->{session};
}

sub hears { return $_[0]->{client}->heard(); }

sub refuses {
	my ($self, $status) = @_;
	$self->{client}->set(message => $status || 200);
}

sub types {
	my ($self, $u, $status) = @_;
	return $self->_session($u)->typing($status);
}

sub typed { return $_[0]->{client}->typed(); }

###############################################################################

package Test::Simple::User;

# A user of SIP/SIMPLE.

use warnings;
use strict;

use Test::Nginx::PIDF qw/ pidf /;

sub new {
	my ($class, $g, $hub, $r) = @_;

	return bless { g => $g, hub => $hub, r => $r, status => 200,
		presentity => $hub->presentity($r, notify => 'active',
			document => document('available')) }, $class;
}

sub document {
	my ($state) = @_;

	my %show = (away => 'away', busy => 'dnd');

	return [{ id => 'ID-a', show => $show{$state},
		basic => $state eq 'offline' ? 'closed' : 'open' }];
}

sub add {
	my ($self, $u) = @_;
	my $w = $self->{watcher} = $self->{hub}->watcher($u,
		from => "sip:$self->{r}");
	return $w->subscribe()->code();
}

my %line;

BEGIN { %line = (available => qr/:open(?::chat)?$/,
	away => qr/:open:(?:away|xa)$/,
	busy => qr/:open:dnd$/, offline => qr/^$|:closed/); }

sub shown {
	my ($self, $state) = @_;
	return $self->{watcher}->notify_line($line{$state});
}

sub hidden {
	my ($self) = @_;
	return $self->{watcher}->notify(undef, 'terminated');
}

sub remove {
	my ($self, $u) = @_;
	return $self->{watcher}->unsubscribe()->code();
}

sub asked {
	my ($self) = @_;
	return $self->{dialog} = $self->{presentity}->subscription();
}

sub presence {
	my ($self, $state) = @_;
	$self->{dialog}->notified('active', document($state));
}

sub dropped {
	my ($self) = @_;
	return $self->{dialog}->next()->header('Expires') eq '0';
}

sub says {
	my ($self, $u, $text) = @_;
	return $self->_message($u, body => $text);
}

sub _message {
	my ($self, $u, %a) = @_;
	return $self->{hub}->conn()->transact('MESSAGE', "sip:$u",
		from => "sip:$self->{r}", %a)->code();
}

sub hears {
	my ($self) = @_;
	my $m = $self->_next(qr!^text/plain!) or die "nothing heard\n";
	return $m->body();
}

sub _next {
	my ($self, $type) = @_;
	my $q = $self->{g}{s}{requests};
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		for my $i (0 .. $#$q) {
			next if $q->[$i]->method() ne 'MESSAGE'
				|| $q->[$i]->uri() !~ /^sip:\Q$self->{r}\E/
				|| $q->[$i]->header('Content-Type') !~ $type;
			$found = splice(@$q, $i, 1);
			return 1;
		}
	});

	return $found;
}

sub refuses {
	my ($self, $status) = @_;
	$self->{hub}{auto} = $status || 200;
}

sub types {
	my ($self, $u, $status) = @_;

	return $self->_message($u, content_type => 'application/im-iscomposing'
		. '+xml', body => '<?xml version="1.0" encoding="UTF-8"?>'
		. '<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing">'
		. '<state>'
		. ($status eq 'type' ? 'active' : 'idle')
		. '</state></isComposing>');
}

sub typed {
	my ($self) = @_;
	my $m = $self->_next(qr!^application/im-iscomposing\+xml!)
		or die "nobody types\n";
	return $m->body() =~ /<state>active</ ? 'type' : 'idle';
}

###############################################################################
