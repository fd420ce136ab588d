package Test::Nginx::Traffic;

# (C) The ngx_xmpp_sip_module authors

# Numbered messages both ways between a SIP server and an XMPP server that are
# scripted, through a real gateway, while something goes wrong: each is
# delivered once, or its sender holds an error, and those of a pair of users
# keep their order.

###############################################################################

use warnings;
use strict;

use Scalar::Util qw/ weaken /;
use Test::More ();

use Test::Nginx qw/ port /;
use Test::Nginx::Peers;
use Test::Nginx::SIP;
use Test::Nginx::XMPP;

###############################################################################

# outcomes after which a message may have arrived all the same: nobody knows

my $SM = 'urn:xmpp:sm:3';
my $runs = 0;

my %UNCERTAIN = map { $_ => 1 } qw/ 408 504 cut remote-server-timeout /;

# A run over a Test::Nginx::Gateway that is written, and not yet started.
# Arguments, with their defaults: n, messages each way; pairs of users; window,
# messages under way of a pair; conns, the SIP server's connections; unknown,
# how many of the pairs write to a user who does not exist; refused, what these
# may be told besides; patience, s after which a sender gives up waiting (64 * T1,
# RFC 3261, 17.1.2.2); silence, s after which one of XMPP takes it that his
# message arrived; sm, the XMPP server speaks XEP-0198; bidi, it speaks XEP-0288:
# "in" on the stream that it opens, "out" on those that the gateway opens, as it
# opens none unless there is none, "both" on any.

sub new {
	my ($class, $g, %args) = @_;

	my $self = bless {
		n => 10000,
		pairs => 20,
		window => 4,
		conns => 4,
		unknown => 1,
		patience => 40,
		silence => 40,
		sip_tls => 1,
		bidi => '',
		g => $g,
		run => ++$runs,
		%args,
		hooks => [],
		settled => 0,
		problems => [],
		stats => {},
		outputs => {},
		replies => [],
	}, $class;

	foreach my $way (qw/ sx xs /) {
		my @pairs = map { {
			way => $way, pair => $_, total => 0, next => 0, open => 0,
			low => 0,
			sent => [], got => [], last => -1, unknown => 0,
		} } 0 .. $self->{pairs} - 1;

		$pairs[$_ % $self->{pairs}]{total}++ for 0 .. $self->{n} - 1;
		$pairs[$_]{unknown} = 1 for 0 .. $self->{unknown} - 1;

		$self->{$way} = \@pairs;
	}

	return $self;
}

# Calls a function when so many messages, of both ways, have their fate.

sub at {
	my ($self, $n, $code) = @_;
	push @{$self->{hooks}}, [$n, $code];
	@{$self->{hooks}} = sort { $a->[0] <=> $b->[0] } @{$self->{hooks}};
	return $self;
}

# Makes the servers listen; before nginx is started.

sub listen {
	my ($self) = @_;

	$self->listen_sip();
	$self->listen_xmpp();

	return $self;
}

sub sip_class { return 'Test::Nginx::Traffic::SIP'; }

sub listen_sip {
	my ($self) = @_;
	weaken(my $weak = $self);

	$self->{sip_listener} = Test::Nginx::Peers::Listener->new(
		'127.0.0.1:' . port(8061), sub {
			my $c = $weak->sip_class()->attach($_[0],
				Test::Nginx::SIP::_fields(role => 'server',
				traffic => $weak, %{$weak->{sip} || {}},
				$weak->{g}{ca}->ssl('s')));
			push @{$weak->{sip_in}}, $c;
			$c->start_tls(1) if $weak->{sip_tls};
		});
}

sub listen_xmpp {
	my ($self) = @_;
	weaken(my $weak = $self);

	$self->{xmpp_listener} = Test::Nginx::Traffic::Server->listen(
		'127.0.0.1:' . port(8269), domains => ['x.test'],
		$self->{g}{ca}->ssl('x'), sasl_external => 1,
		$self->{sm} ? (extra_features => "<sm xmlns='$SM'/>") : (),
		bidi => scalar($self->{bidi} =~ /out|both/),
		traffic => $weak, %{$self->{xmpp} || {}});
}

# No server: connections are refused.

sub unlisten {
	my ($self, $leg) = @_;
	(delete $self->{"${leg}_listener"})->close();
}

###############################################################################

# Sends all messages and waits until each has its fate, and a moment more for
# what should not come.  Returns what is wrong, as texts.

sub run {
	my ($self, %args) = @_;

	my $end = Test::Nginx::Peers::now() + ($args{timeout} || 240);
	my $total = 2 * $self->{n};

	$self->{running} = 1;
	$self->connect_sip($_) for 0 .. $self->{conns} - 1;
	$self->connect_xmpp();

	$self->sweep();
	$self->fill();

	while ($self->{settled} < $total || @{$self->{hooks}}) {

		Test::Nginx::Peers::pump(0.1);

		if (Test::Nginx::Peers::now() > $end) {
			push @{$self->{problems}}, "only $self->{settled} of "
				. "$total messages had a fate in time";
			$self->stuck();
			last;
		}

		while (@{$self->{hooks}}
			&& $self->{hooks}[0][0] <= $self->{settled})
		{
			(shift @{$self->{hooks}})->[1]->($self);
		}
	}

	Test::Nginx::Peers::idle($args{linger} || 0.5);
	$self->{running} = 0;

	return $self->judge();
}

# Makes the servers listen, runs and ends, as a test with a name: what is wrong
# is told, and how long it took, and what became of all.

sub check {
	my ($self, $name, %args) = @_;
	my $start = Test::Nginx::Peers::now();

	$self->listen();

	my @problems = $self->run(%args);

	Test::More::is(@problems, 0, $name);
	Test::More::diag(join("\n", splice(@problems, 0, 10))) if @problems;
	Test::More::note(sprintf('%.1f s, %s', Test::Nginx::Peers::now() - $start,
		$self->summary()));

	$self->end();

	return $self;
}

# What the connections are doing, as a problem.

sub stuck {
	my ($self) = @_;

	foreach my $kind (qw/ sip_out sip_in xmpp_out xmpp_in /) {
		push @{$self->{problems}}, "$kind: " . join(', ', map {
			"$_->{serial}" . ($_->{up} ? ' up' : '')
			. ($_->{stalled} ? ' stalled' : '')
			. ($_->{sent_end} ? ' left' : '')
			. ($_->{failed} ? " $_->{failed}" : '')
			} $self->conns($kind));
	}

	foreach my $pair (map { @{$self->{$_}} } qw/ sx xs /) {
		push @{$self->{problems}}, "$pair->{way}-$pair->{pair}: "
			. "$pair->{open} open, $pair->{next} of $pair->{total}"
			if $pair->{open} || $pair->{next} < $pair->{total};
	}
}

# Closes everything, so that another run may follow.

sub end {
	my ($self) = @_;

	# or else the gateway waits for it to be resumed

	my $c = $self->{xmpp_out};

	if ($self->{sm} && $c) {
		$c->leave();
		Test::Nginx::Peers::wait_until(sub { $c->{orderly} });
	}

	$_->reset() foreach grep { $_ } @{delete $self->{sip_out} || []},
		@{delete $self->{sip_in} || []}, delete $self->{xmpp_out},
		@{$self->{xmpp_listener} ? $self->{xmpp_listener}{conns} : []};

	foreach my $leg (qw/ sip xmpp /) {
		$self->unlisten($leg) if $self->{"${leg}_listener"};
	}
}

# Ends this run, and sends some messages more, to see whether all is well again.
# Returns that run, which has ended, too.

sub afterwards {
	my ($self) = @_;

	my $after = ref($self)->new($self->{g}, n => 500);

	$self->end();
	Test::Nginx::Peers::idle(0.5);

	$after->listen();
	$after->run(timeout => 60);
	$after->end();

	return $after;
}

# The connections of a kind that are there: sip_out and xmpp_out are into the
# gateway, sip_in and xmpp_in are those that it made.

sub conns {
	my ($self, $kind) = @_;

	my @all = $kind eq 'sip_out' ? @{$self->{sip_out}}
		: $kind eq 'sip_in' ? @{$self->{sip_in} || []}
		: $kind eq 'xmpp_out' ? $self->{xmpp_out}
		: $self->{xmpp_listener} ? @{$self->{xmpp_listener}{conns}}
		: ();

	return grep { $_ && $_->{sock} && !$_->{ended} } @all;
}

# Ends connections: by "close" (close_notify and FIN), "reset", "fin" (ours
# only, the rest is read), "leave" (</stream:stream>).

sub break {
	my ($self, $how, @kinds) = @_;

	foreach my $c (map { $self->conns($_) } @kinds) {

		if ($how eq 'leave') {
			$c->leave();
			next;
		}

		$self->maim() if $c->isa('Test::Nginx::Traffic::XMPP')
			&& ($c->{role} eq 'server' || $self->{bidi});

		$c->{broken} = 1;

		if ($how eq 'fin') {
			$c->{up} = 0;
			$c->half_close();
			$self->next_stream($c);
			next;
		}

		$c->$how();
		$self->ended($c);
	}
}

# Asks for TLS to be negotiated anew, as server or client; it is OpenSSL that
# ends a connection on which this is refused.  Returns those that asked.

sub renegotiate {
	my ($self, @kinds) = @_;
	my @all = grep { $_->{tls} } map { $self->conns($_) } @kinds;

	foreach my $c (@all) {
		$self->maim() if $c->isa('Test::Nginx::Traffic::XMPP')
			&& $c->{role} eq 'server';

		my $ssl = $c->{sock}->_get_ssl_object();

		# it begins when something is read, which there may be or not

		Net::SSLeay::renegotiate($ssl);
		Net::SSLeay::peek($ssl, 1);
		$c->{broken} = 1;
	}

	return @all;
}

# A server is gone for some seconds, with all its connections.

sub restart {
	my ($self, $leg, $seconds) = @_;

	return unless $self->{"${leg}_listener"};

	$self->break('reset', "${leg}_in", "${leg}_out");
	$self->unlisten($leg);

	Test::Nginx::Peers::after($seconds, sub {
		$self->can("listen_$leg")->($self) if $self->{running};
	});
}

# Stops reading for some seconds.

sub stall {
	my ($self, $seconds, @kinds) = @_;
	my @all = map { $self->conns($_) } @kinds;

	my $maim = grep { $_ eq 'xmpp_in' || $self->{bidi} && /xmpp/ } @kinds;

	# the gateway may have given up the stream by then, with all that was on it

	$_->stall(1) foreach @all;
	$self->maim() if $maim;

	Test::Nginx::Peers::after($seconds, sub {
		$_->stall(0) foreach @all;
		$self->maim() if $maim;
	});
}

# Sends what the windows have room for.

sub fill {
	my ($self) = @_;

	foreach my $pair (@{$self->{sx}}) {
		my $c = $self->{sip_out}[$pair->{pair} % $self->{conns}];
		next unless $c && $c->{up};

		while ($pair->{open} < $self->{window}
			&& $pair->{next} < $pair->{total}
			&& $self->sip_ready($c, $pair))
		{
			$self->sip_message($c, $pair, $pair->{next}++);
		}
	}

	my $c = $self->{xmpp_out};
	return unless $c && $c->{up};

	foreach my $pair (@{$self->{xs}}) {
		while ($pair->{open} < $self->{window}
			&& $pair->{next} < $pair->{total})
		{
			$self->xmpp_message($c, $pair, $pair->{next}++);
		}
	}
}

sub start {
	my ($self, $c, $pair, $i) = @_;

	$pair->{open}++;
	$pair->{sent}[$i] = {
		conn => $c->{serial},
		time => Test::Nginx::Peers::now(),
		got => 0,
	};
}

# The sender of a message learns of its fate: once.

sub fate {
	my ($self, $pair, $i, $what) = @_;

	my $m = $pair->{sent}[$i];

	if (!$m) {
		$self->problem($pair, $i, "fate $what of what was not sent");
		return;
	}

	# an error may still come when the sender's stream broke meanwhile

	if ($pair->{way} eq 'xs' && "@{$m->{fate} || []}" eq 'cut') {
		$self->{stats}{'xs cut'}--;
		$self->{stats}{"xs $what"}++;
		$m->{fate} = [$what];
		return;
	}

	# a transaction that ended with its connection takes no response

	return if $pair->{way} eq 'sx' && "@{$m->{fate} || []}" eq 'cut';

	push @{$m->{fate}}, $what;

	return if $m->{settled}++;

	$self->{stats}{"$pair->{way} $what"}++;
	$self->{settled}++;
	$pair->{open}--;
}

# A message arrived.  One of XMPP has its fate thereby.

sub got {
	my ($self, $way, $pair, $i) = @_;

	my $p = $self->{$way}[$pair];
	my $m = $p ? $p->{sent}[$i] : undef;

	if (!$m) {
		$self->problem({ way => $way, pair => $pair }, $i,
			'received, but not sent');
		return;
	}

	$m->{got}++;
	push @{$p->{got}}, $i if $m->{got} == 1;

	return if $way eq 'sx' || $m->{settled} || $p->{unknown};

	$m->{settled} = 1;
	$self->{stats}{'xs taken'}++;
	$self->{settled}++;
	$p->{open}--;
}

# A connection of a sender broke: what it carried is uncertain to him.

sub cut {
	my ($self, $way, $serial) = @_;

	foreach my $pair (@{$self->{$way}}) {
		for my $i (grep { defined $pair->{sent}[$_] }
			0 .. $#{$pair->{sent}})
		{
			my $m = $pair->{sent}[$i];
			next if $m->{settled} || $m->{conn} != $serial;
			$self->fate($pair, $i, 'cut');
		}
	}
}

# The XMPP server broke a stream on which errors come: what was not settled may
# have had one, which it knows.

sub maim {
	my ($self) = @_;

	foreach my $pair (@{$self->{xs}}) {
		$_->{maimed} = 1 foreach grep { $_ && !$_->{settled}
			|| $_ && "@{$_->{fate} || []}" eq 'cut' }
			@{$pair->{sent}};
	}
}

# Who waited too long gives up.

sub sweep {
	my ($self) = @_;
	weaken(my $weak = $self);

	return unless $self->{running};

	my $now = Test::Nginx::Peers::now();

	foreach my $way (qw/ sx xs /) {
		my $limit = $way eq 'sx' ? $self->{patience} : $self->{silence};

		foreach my $pair (@{$self->{$way}}) {
			my $sent = $pair->{sent};

			# those before have their fate

			$pair->{low}++ while $pair->{low} < @$sent
				&& $sent->[$pair->{low}]{settled};

			for my $i ($pair->{low} .. $#$sent) {
				next if $sent->[$i]{settled}
					|| $now - $sent->[$i]{time} < $limit;
				$self->fate($pair, $i,
					$way eq 'sx' ? 408 : 'silence');
			}
		}
	}

	$self->fill();

	Test::Nginx::Peers::after(1, sub { $weak->sweep() if $weak });
}

sub problem {
	my ($self, $pair, $i, $text) = @_;
	push @{$self->{problems}}, "$pair->{way}-$pair->{pair}-$i: $text";
}

# What was promised, and what became of it.

sub judge {
	my ($self) = @_;

	foreach my $pair (map { @{$self->{$_}} } qw/ sx xs /) {

		for my $i (0 .. $#{$pair->{sent}}) {
			$self->judge_message($pair, $i);
		}

		my $last = -1;

		foreach my $i (@{$pair->{got}}) {
			my ($fate) = @{$pair->{sent}[$i]{fate} || []};

			# what its sender gave up may come at any time

			next if defined $fate && $UNCERTAIN{$fate};

			$self->problem($pair, $i, "arrived after $last")
				if $i < $last;
			$last = $i;
		}
	}

	$self->judge_outputs();

	return @{$self->{problems}};
}

# One in is one out at most, and one question for what became of it: ARC-18,
# SEC-04.

sub judge_outputs {
	my ($self) = @_;
	my %in;

	# what was lost with a stream goes again

	return if $self->{sm};

	foreach my $way (qw/ sx xs /) {
		$in{$way} += grep { defined } @{$_->{sent}} foreach @{$self->{$way}};
	}

	my %most = $self->most(%in);

	# a test may have more than messages

	foreach my $kind (sort keys %most) {
		my $n = $self->{outputs}{$kind} || 0;

		push @{$self->{problems}}, "$n of $kind, for $in{sx} of SIP and "
			. "$in{xs} of XMPP" if $n > ($most{$kind} || 0);
	}
}

sub most {
	my ($self, %in) = @_;

	return (MESSAGE => $in{xs}, message => $in{sx}, iq => $in{sx},
		error => $in{xs} + ($self->{stats}{'xs error told twice'} || 0));
}

sub judge_message {
	my ($self, $pair, $i) = @_;

	my $m = $pair->{sent}[$i] or return;
	my @fate = @{$m->{fate} || []};

	# an error that comes on another connection than the one that broke

	shift @fate if @fate == 2 && $fate[0] eq 'cut' && $fate[1] !~ /^2/;

	my $fate = $fate[0];
	my $taken = !defined $fate ? $pair->{way} eq 'xs'
		: $fate eq 'silence' || $fate =~ /^2/;

	if ($m->{got} > 1) {
		$self->problem($pair, $i, "arrived $m->{got} times");
	}

	# an error that may not have arrived is told once more (XEP-0198)

	if (@fate == 2 && $fate[0] eq $fate[1] && $self->{sm}
		&& $pair->{way} eq 'xs')
	{
		$self->{stats}{'xs error told twice'}++;

	} elsif (@fate > 1) {
		$self->problem($pair, $i, "has several fates: @fate");
	}

	if (!$m->{got} && $m->{maimed} && ($fate || '') eq 'silence') {
		$self->{stats}{'xs error lost with its stream'}++;

	} elsif (!defined $fate) {
		return if $m->{got} && $pair->{way} eq 'xs';
		$self->problem($pair, $i, 'has no fate');

	} elsif ($pair->{unknown}) {
		$self->problem($pair, $i, "is for nobody, but: $fate")
			unless $UNCERTAIN{$fate}
			|| ($pair->{way} eq 'sx' ? $fate =~ /^[46]04$/
			: $fate eq 'item-not-found')
			|| $fate eq ($self->{refused} || '');

	} elsif ($taken && !$m->{got}) {
		$self->problem($pair, $i, "was lost: $fate");

	} elsif (!$taken && $m->{got} && !$UNCERTAIN{$fate}) {
		$self->problem($pair, $i, "failed with $fate, but arrived");
	}

	$self->{stats}{"$pair->{way} uncertain, arrived"}++
		if defined $fate && $UNCERTAIN{$fate} && $m->{got};
}

# How many had which fate, for a person.

sub summary {
	my ($self) = @_;
	return join(', ', (map { "$_: $self->{stats}{$_}" }
		sort keys %{$self->{stats}}), map {
		"$_ sent: $self->{outputs}{$_}" } sort keys %{$self->{outputs}});
}

# How many of one way had a fate that is not among the given.

sub others {
	my ($self, $way, @fates) = @_;
	my %known = map { ("$way $_" => 1) } @fates, 'uncertain, arrived',
		'error told twice', 'error lost with its stream';
	my $n = 0;

	foreach my $key (grep { /^$way / } keys %{$self->{stats}}) {
		$n += $self->{stats}{$key} unless $known{$key};
	}

	return $n;
}

###############################################################################

# A connection of the SIP server into the gateway, made again when it ends.

sub connect_sip {
	my ($self, $i) = @_;
	weaken(my $weak = $self);

	return unless $self->{running};

	my $c = $self->{g} ? $self->sip_class()->dial(
		Test::Nginx::SIP::_fields(role => 'client',
		PeerAddr => '127.0.0.1:' . port(8062), traffic => $self,
		$self->{g}{ca}->ssl('s'), index => $i)) : undef;

	$self->{sip_out}[$i] = $c;

	if (!$c) {
		Test::Nginx::Peers::after(0.1,
			sub { $weak->connect_sip($i) if $weak });
		return;
	}

	weaken($c->{traffic});

	if (!$self->{sip_tls}) {
		$c->on_tls();
		return;
	}

	$c->start_tls(0);
}

# The XMPP server's stream into the gateway.

sub connect_xmpp {
	my ($self, $now) = @_;
	weaken(my $weak = $self);

	return if !$self->{running} || $self->{bidi} eq 'out' && !$now;

	my $c = Test::Nginx::Traffic::XMPP->connect(
		PeerAddr => '127.0.0.1:' . port(8270), from => 'x.test',
		to => 's.test', $self->{g}{ca}->ssl('x'), auth => 'external',
		bidi => $self->{bidi} ne '',
		%{$self->{stream} || {}}, traffic => $self);

	$self->{xmpp_out} = $c;

	if (!$c) {
		Test::Nginx::Peers::after(0.1,
			sub { $weak->connect_xmpp() if $weak });
		return;
	}

	weaken($c->{traffic});
	$c->{serials} = [$c->{serial}];
	$c->begin();
}

# A stream of the gateway takes what the XMPP server sends, if no other does.

sub stream_up {
	my ($self, $c) = @_;

	return unless $self->{bidi} eq 'out' && $c->{bidi_on};

	$c->{up} = 1;
	$c->{serials} ||= [$c->{serial}];

	return if $self->{xmpp_out} && $self->{xmpp_out}{up};

	$self->{xmpp_out} = $c;
	$self->xmpp_up($c);
}

# A stream that was in use is so no more: another one, if there is one.

sub next_stream {
	my ($self, $c) = @_;

	return unless $self->{bidi} eq 'out' && $self->{xmpp_out}
		&& $self->{xmpp_out} == $c;

	delete $self->{xmpp_out};
	weaken(my $weak = $self);

	# what was sent on the one that ends is read first

	Test::Nginx::Peers::after(0.3, sub {
		return if !$weak || $weak->{xmpp_out};

		my ($next) = grep { $_->{up} } $weak->conns('xmpp_in');
		return unless $next;

		$weak->{xmpp_out} = $next;
		$weak->given_up();
		$weak->xmpp_up($next);
	});

	# the gateway may have nothing to say

	Test::Nginx::Peers::after(1, sub {
		return if !$weak || $weak->{xmpp_out};
		$weak->given_up();
		$weak->connect_xmpp(1);
	});
}

# The gateway begins anew: streams of it that broke may not be resumed.

sub given_up {
	my ($self) = @_;

	foreach (grep { $_->{serials} } values %{$self->{sessions}}) {
		$self->cut('xs', $_) foreach @{$_->{serials}};
	}
}

# A stream is up: what the XMPP server has to say goes first.

sub xmpp_up {
	my ($self, $c) = @_;

	$c->stanzas(splice @{$self->{replies}}) if @{$self->{replies}};
	$self->fill();
}

sub xmpp_reply {
	my ($self, $xml) = @_;
	my $c = $self->{xmpp_out};

	if ($c && $c->{up}) {
		$c->stanzas($xml);
		return;
	}

	push @{$self->{replies}}, $xml;
}

# whether messages of a pair can be sent

sub sip_ready { return 1; }

sub sip_message {
	my ($self, $c, $pair, $i) = @_;

	my $id = "sx-$pair->{pair}-$i-$self->{run}";
	my $to = sip_to($pair);

	$self->start($c, $pair, $i);

	$c->send($self->sip_request($c, 'MESSAGE', "sip:$to", branch => $id,
		from => "<sip:r$pair->{pair}\@s.test>;tag=t",
		to => "<sip:$to>", call_id => $id, cseq => 1,
		type => 'text/plain', body => $id));
}

sub sip_to {
	my ($pair) = @_;
	return ($pair->{unknown} ? 'nobody' : "u$pair->{pair}") . '@x.test';
}

# the bytes of a request

sub sip_request {
	my ($self, $c, $method, $uri, %a) = @_;

	my $transport = $self->{sip_tls} ? 'TLS' : 'TCP';
	my $body = $a{body} // '';

	return "$method $uri SIP/2.0\x0d\x0a"
		. "Via: SIP/2.0/$transport sp.test;branch=z9hG4bK$a{branch}."
		. $c->{serial} . "\x0d\x0aMax-Forwards: 70\x0d\x0a"
		. "From: $a{from}\x0d\x0aTo: $a{to}\x0d\x0a"
		. "Call-ID: $a{call_id}\x0d\x0aCSeq: $a{cseq} $method\x0d\x0a"
		. ($a{rows} // '')
		. (defined $a{type} ? "Content-Type: $a{type}\x0d\x0a" : '')
		. 'Content-Length: ' . length($body) . "\x0d\x0a\x0d\x0a$body";
}

sub xmpp_message {
	my ($self, $c, $pair, $i) = @_;

	my $id = "xs-$pair->{pair}-$i-$self->{run}";
	my $to = ($pair->{unknown} ? 'nobody' : "r$pair->{pair}") . '@s.test';

	$self->start($c, $pair, $i);

	$c->stanzas("<message from='u$pair->{pair}\@x.test/res' to='$to' "
		. "id='$id' type='chat'><body>$id</body></message>");
}

# A connection of ours ended, whoever ended it.

sub ended {
	my ($self, $c) = @_;
	weaken(my $weak = $self);

	$c->{up} = 0;

	return unless $self->{running}
		&& ($c->{role} eq 'client' || $c->{serials});
	return if $c->{over}++;

	if ($c->isa('Test::Nginx::Traffic::SIP')) {
		my $i = $c->{index};
		$self->cut('sx', $c->{serial});
		Test::Nginx::Peers::after(0.02,
			sub { $weak->connect_sip($i) if $weak });
		return;
	}

	# what was written before a stream ended in good order was read

	if ($c->{role} eq 'server') {

		if ($c->{session} && !$c->{orderly}) {
			@{$c->{session}}{qw/ copies acked serials /}
				= @$c{qw/ copies acked serials /};

		} elsif (!$c->{orderly} || $c->{broken}) {
			$self->cut('xs', $_) foreach @{$c->{serials}};
		}

		$self->next_stream($c);
		return;
	}

	if ($c->{sm_id} && !$c->{orderly}) {
		$self->{resume} = { map { $_ => $c->{$_} }
			qw/ sm_id copies acked serials / };
		$self->{resume}{before} = $c->{session} || $c->{before};

	} elsif (!$c->{orderly} || $c->{broken}) {
		$self->cut('xs', $_) foreach @{$c->{serials}};
	}

	Test::Nginx::Peers::after(0.02,
		sub { $weak->connect_xmpp() if $weak });
}

###############################################################################

package Test::Nginx::Traffic::SIP;

# A connection of the SIP server, either way.  Its input is framed, not parsed.

use warnings;
use strict;

our @ISA = qw/ Test::Nginx::SIP /;

sub on_tls {
	my ($self) = @_;
	$self->{up} = 1;
	$self->{traffic}->fill() if $self->{role} eq 'client';
}

sub on_end {
	my ($self) = @_;
	$self->{traffic}->ended($self) if $self->{traffic};

	# the last answers, if the gateway only stopped to write

	$self->close() unless length $self->{out};
}

sub on_input {
	my ($self, $bytes) = @_;

	$self->{received} = $self->{unread} = '';
	$self->{buf} .= $bytes;

	while ($self->{buf} =~ /\S/) {
		$self->{buf} =~ s/^(?:\x0d\x0a)+//;

		my $end = index($self->{buf}, "\x0d\x0a\x0d\x0a");
		last if $end < 0;

		my ($len) = substr($self->{buf}, 0, $end + 2)
			=~ /^Content-Length: *(\d+)\x0d$/mi;
		$len = 0 unless defined $len;

		last if length $self->{buf} < $end + 4 + $len;

		my $head = substr($self->{buf}, 0, $end + 2);
		my $body = substr($self->{buf}, $end + 4, $len);
		substr($self->{buf}, 0, $end + 4 + $len, '');

		$self->message($head, $body);

		return unless $self->{sock};
	}

	$self->{traffic}->fill() if $self->{traffic};
}

sub message {
	my ($self, $head, $body) = @_;
	my $tr = $self->{traffic} or return;

	if ($head =~ m!^SIP/2.0 (\d+)!) {
		my $code = $1;

		if ($code >= 200
			&& $head =~ /^Via:[^\x0d]*;branch=z9hG4bKsx-(\d+)-(\d+)-
				$tr->{run}\./mix)
		{
			$tr->fate($tr->{sx}[$1], $2, $code);
		}

		return;
	}

	my ($method, $to) = $head =~ /^(\w+) sip:([^@]+)@/;
	my ($pair, $i, $run) = $body =~ /^xs-(\d+)-(\d+)-(\d+)$/;

	$tr->{outputs}{$method}++ if ($run // $tr->{run}) == $tr->{run};

	if ($method ne 'MESSAGE') {
		$self->answer($head, 501);
		return;
	}

	if ($to eq 'nobody') {
		$self->answer($head, 404);
		return;
	}

	# of a run before this one

	return $self->answer($head, 200) if defined $run && $run != $tr->{run};

	if (!defined $i || $to ne "r$pair") {
		push @{$tr->{problems}}, "a MESSAGE to $to with \"$body\"";
		return;
	}

	if ($tr->{on_sip} && $tr->{on_sip}->($self, $head, $pair, $i)) {
		return;
	}

	$tr->got('xs', $pair, $i);
	$self->answer($head, 200);
}

# answers a request, with more rows and a body

sub answer {
	my ($self, $head, $code, $more, $body) = @_;

	my $rows = join '', $head =~ /^((?:Via|From|Call-ID|CSeq):.*\x0a)/gmi;
	my ($to) = $head =~ /^(To:[^\x0d]*)/mi;

	$to .= ';tag=a' if $to !~ /;tag=/;
	$more //= '';
	$body //= '';

	$self->send("SIP/2.0 $code $Test::Nginx::SIP::REASON{$code}\x0d\x0a"
		. "$rows$to\x0d\x0a${more}Content-Length: " . length($body)
		. "\x0d\x0a\x0d\x0a$body");
}

###############################################################################

package Test::Nginx::Traffic::XMPP;

# A stream of the XMPP server, either way.  Once it is up its input is framed,
# not parsed.

use warnings;
use strict;

our @ISA = qw/ Test::Nginx::XMPP /;

sub _ready {
	my ($self) = @_;
	$self->SUPER::_ready();
	$self->{rest} = $self->{parser}->rest();

	my $tr = $self->{traffic};
	my $resume = delete $tr->{resume};

	if ($resume) {
		@$self{keys %$resume} = values %$resume;
		push @{$self->{serials}}, $self->{serial};
		my $h = $self->{before} ? $self->{before}{h} : 0;
		$self->send("<resume xmlns='$SM' previd='$self->{sm_id}' "
			. "h='$h'/>");
		return;
	}

	if ($tr->{sm}) {
		@$self{qw/ copies acked /} = ([], 0);
		$self->send("<enable xmlns='$SM' resume='true'/>");
	}

	$self->{up} = 1;
	$tr->xmpp_up($self);
}

# sends stanzas, and keeps them until they are acknowledged

sub stanzas {
	my ($self, @xml) = @_;

	if ($self->{copies}) {
		push @{$self->{copies}}, @xml;
		push @xml, "<r xmlns='$SM'/>" if rand() < 0.1;
	}

	$self->send(join '', @xml);
}

# an element of XEP-0198

sub sm {
	my ($self, $name, $a) = @_;
	my $tr = $self->{traffic} or return;

	if ($self->{role} eq 'server') {

		if ($name eq 'enable') {
			my $id = 'id&' . $self->{serial};
			$self->{session} = $tr->{sessions}{$id} = { h => 0,
				on => $self->{serial} };
			@$self{qw/ copies acked /} = ([], 0);
			$tr->given_up();
			$id =~ s/&/&amp;/;
			$self->send("<enabled xmlns='$SM' id='$id' "
				. "resume='true' max='60'/>");
			$tr->stream_up($self);

		} elsif ($name eq 'resume') {
			$self->resumed_by_gateway($a);

		} elsif ($name eq 'r') {
			$self->send("<a xmlns='$SM' "
				. "h='$self->{session}{h}'/>");

		} elsif ($name eq 'a') {
			$self->acknowledged($a->{h});
		}

		return;
	}

	if ($name eq 'r') {
		$self->send("<a xmlns='$SM' h='$self->{session}{h}'/>");
		return;
	}

	$self->acknowledged($a->{h}) if $name eq 'a' || $name eq 'resumed';

	if ($name eq 'resumed') {
		$tr->{stats}{'resumed by the peer'}++;

		$self->{session} = delete $self->{before};
		$self->send(join '', @{$self->{copies}});
		$self->{up} = 1;
		$tr->xmpp_up($self);

	} elsif ($name eq 'enabled') {
		$self->{sm_id} = $a->{id};
		$self->{session} = { h => 0 };

	} elsif ($name eq 'failed') {
		my @copies = @{$self->{copies} || []};
		delete @$self{qw/ sm_id copies /};

		$tr->{stats}{'not resumed by the peer'}++;
		$tr->cut('xs', $_) foreach splice @{$self->{serials}};
		$self->{serials} = [$self->{serial}];

		# the server's own answers go once more

		unshift @{$tr->{replies}}, grep { !/ id='xs-/ } @copies;
		@$self{qw/ copies acked /} = ([], 0);
		$self->send("<enable xmlns='$SM' resume='true'/>");
		$self->{up} = 1;
		$tr->xmpp_up($self);
	}
}

# the gateway had h of our stanzas

sub acknowledged {
	my ($self, $h) = @_;
	my $n = $h - $self->{acked};

	push @{$self->{traffic}{problems}}, "$n more acknowledged, of "
		. @{$self->{copies}} if $n < 0 || $n > @{$self->{copies}};

	splice @{$self->{copies}}, 0, $n;
	$self->{acked} = $h;
}

# the gateway takes up a stream of its own again

sub resumed_by_gateway {
	my ($self, $a) = @_;
	my $tr = $self->{traffic};

	(my $id = $a->{previd}) =~ s/&amp;/&/;
	my $session = $self->{session} = $tr->{sessions}{$id};
	$session->{on} = $self->{serial} if $session;
	$tr->{stats}{'resumed by the gateway'}++;

	if (!$session) {
		$self->send("<failed xmlns='$SM'/>");
		return;
	}

	$self->send("<resumed xmlns='$SM' previd='$a->{previd}' "
		. "h='$session->{h}'/>");

	if ($session->{serials}) {
		@$self{qw/ copies acked serials /}
			= @{$session}{qw/ copies acked serials /};
		push @{$self->{serials}}, $self->{serial};
		$self->acknowledged($a->{h});
		$self->send(join '', @{$self->{copies}});
	}

	$tr->stream_up($self);
}

sub on_end {
	my ($self) = @_;
	$self->{traffic}->ended($self) if $self->{traffic};
	$self->SUPER::on_end();
	$self->close() unless length $self->{out};
}

sub on_input {
	my ($self, $bytes) = @_;

	if (!defined $self->{rest}) {
		$self->SUPER::on_input($bytes);

		$self->{rest} = $self->{parser}->rest()
			if $self->{role} eq 'server' && $self->{external}
			&& $self->{got_header};

		return unless defined $self->{rest};
		$bytes = '';

		$self->{traffic}->stream_up($self) if $self->{traffic}
			&& $self->{role} eq 'server' && !$self->{traffic}{sm};
	}

	$self->{received} = $self->{unread} = '';

	# what a stream that was resumed elsewhere still has does not count

	return if $self->{role} eq 'server' && $self->{session}
		&& $self->{session}{on} != $self->{serial};

	$self->{rest} .= $bytes;

	while ($self->{rest} =~ /^\s*<(?:(message|iq|presence|stream:error
			|enabled?|resumed?|failed|r|a)\b
			([^>]*)>|\/stream:stream>)/x)
	{
		my $head = $+[0];

		if (!defined $1) {
			$self->finish();
			return;
		}

		my ($name, $attrs) = ($1, $2);
		my $end = $head;

		if ($attrs !~ /\/$/) {
			$end = index($self->{rest}, "</$name>", $head);
			last if $end < 0;
			$end += length("</$name>");
		}

		my $inner = substr($self->{rest}, $head, $end - $head);
		substr($self->{rest}, 0, $end, '');

		my %a = $attrs =~ /([\w:]+)=['"]([^'"]*)/g;

		if ($name =~ /^(?:enable|resume|failed|[ra]$)/) {
			$self->sm($name, \%a);

		} else {
			$self->{session}{h}++ if $self->{session};
			$self->stanza($name, \%a, $inner);
		}

		return unless $self->{sock};
	}

	$self->{traffic}->fill() if $self->{traffic};
}

# the gateway's </stream:stream>: it reads what was written so far

sub finish {
	my ($self) = @_;
	my $tr = $self->{traffic};

	$self->{orderly} = 1;
	$self->send('</stream:stream>') unless $self->{sent_end}++;
	$self->{up} = 0;
	$self->{rest} = '';

	if ($self->{role} eq 'server') {
		$tr->next_stream($self) if $tr;
		return;
	}

	$self->flush();
	$self->half_close() if !$self->{tls};
	$tr->ended($self);
	delete $self->{traffic};
}

# closes the stream in good order from our side, if it is up

sub leave {
	my ($self) = @_;

	return unless defined $self->{rest};

	$self->send('</stream:stream>') unless $self->{sent_end}++;
	$self->{up} = 0;
	$self->{traffic}->next_stream($self) if $self->{traffic};
}

sub stanza {
	my ($self, $name, $a, $inner) = @_;
	my $tr = $self->{traffic} or return;

	if ($name eq 'stream:error') {
		$inner =~ /<([\w-]+)/;
		$self->{stream_error_seen} = $1;
		$tr->{stats}{"stream error $1"}++;
		return;
	}

	my $type = $a->{type} || '';
	my ($own) = join(' ', $a->{id} // '', $inner)
		=~ /\b[sx]{2}-\d+-\d+-(\d+)\b/;

	$tr->{outputs}{$type eq 'error' ? $type : $name}++
		if ($own // $tr->{run}) == $tr->{run};

	if ($name eq 'iq') {
		return if $type eq 'result' || $type eq 'error';
		return if $tr->{on_ping} && $tr->{on_ping}->($self, $a);
		$self->pong($a);
		return;
	}

	return unless $name eq 'message';

	if ($type eq 'error') {
		$inner =~ /<error[^>]*>\s*<([\w-]+)/;
		my $condition = $1;

		if ($a->{id} =~ /^xs-(\d+)-(\d+)-$tr->{run}$/) {
			$tr->fate($tr->{xs}[$1], $2, $condition);
		}

		return;
	}

	if ($a->{to} =~ /^nobody@/) {
		$self->bounce($a, 'item-not-found')
			for 1 .. $tr->{bounces} || 1;
		return;
	}

	my ($pair, $i, $run)
		= $inner =~ /<body[^>]*>sx-(\d+)-(\d+)-(\d+)<\/body>/;

	return if defined $run && $run != $tr->{run};

	if (!defined $i || $a->{to} !~ /^u$pair@/) {
		push @{$tr->{problems}}, "a message to $a->{to}: $inner";
		return;
	}

	if ($tr->{on_xmpp} && $tr->{on_xmpp}->($self, $a, $pair, $i)) {
		return;
	}

	$tr->got('sx', $pair, $i);
}

sub pong {
	my ($self, $a) = @_;
	$self->{traffic}->xmpp_reply("<iq from='$a->{to}' to='$a->{from}' "
		. "id='$a->{id}' type='result'/>");
}

sub bounce {
	my ($self, $a, $condition) = @_;
	$self->{traffic}->xmpp_reply("<message from='$a->{to}' "
		. "to='$a->{from}' id='$a->{id}' type='error'>"
		. "<error type='cancel'><$condition "
		. "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
		. '</message>');
}

###############################################################################

package Test::Nginx::Traffic::Server;

# The XMPP server that the gateway dials.

use warnings;
use strict;

our @ISA = qw/ Test::Nginx::XMPP::Server /;

sub _on_accept {
	my ($self, $sock) = @_;

	$self->SUPER::_on_accept($sock);

	my $c = bless $self->{conns}[-1], 'Test::Nginx::Traffic::XMPP';
	Scalar::Util::weaken($c->{traffic} = $self->{traffic});
}

###############################################################################

1;

###############################################################################
