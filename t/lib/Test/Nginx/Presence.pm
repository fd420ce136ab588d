package Test::Nginx::Presence;

# (C) The ngx_xmpp_sip_module authors

# Presence over SIP, RFC 6665 and RFC 3856: scripted watchers, who subscribe to
# users behind the gateway, and scripted presentities, whom the gateway
# subscribes to.  Each dialog of theirs judges what it is sent.

###############################################################################

use warnings;
use strict;

use base qw/ Exporter /;
our @EXPORT = qw/ case line pidf /;

use Scalar::Util qw/ weaken /;
use Test::More ();

use Test::Nginx::PIDF qw/ pidf /;
use Test::Nginx::Peers;
use Test::Nginx::SIP;
use Test::Nginx::XMPP;

###############################################################################

# takes over the requests that reach the SIP server of a gateway (Gateway
# object, or server => ..., sip => code that connects); what is for no dialog
# and no presentity is answered as the server did before

sub new {
	my ($class, $g, %args) = @_;

	my $server = $args{server} || $g->{s};

	my $self = bless {
		server => $server,
		sip => $args{sip} || sub { $g->sip(@_) },
		x => $g && $g->{x},
		auto => $server->{auto},
		watchers => {},
		presentities => {},
		notifiers => {},
		tags => {},
		wrong => [],
		stray => [],
		serial => 0,
	}, $class;

	weaken(my $weak = $self);
	$server->set(auto => sub { $weak ? $weak->_on_request(@_) : () });

	return $self;
}

# a connection into the gateway whose requests are handled as well

sub connect {
	my ($self, %args) = @_;

	my $c = $self->{sip}->(%args) or die "presence: can't connect\n";
	$self->{server}->link($c);

	return $c;
}

# the one that is used by default

sub conn {
	my ($self) = @_;

	my $c = $self->{conn};
	$c = $self->{conn} = $self->connect()
		if !$c || !$c->{sock} || $c->{ended};

	return $c;
}

# a SIP user who watches: watcher('u@x.test', from => 'sip:r@s.test', ...)

sub watcher {
	my ($self, $to, %args) = @_;
	return Test::Nginx::Presence::Watcher->new($self, $to, %args);
}

# a SIP user who is watched: presentity('r@s.test', ...)

sub presentity {
	my ($self, $user, %args) = @_;
	return Test::Nginx::Presence::Presentity->new($self, $user, %args);
}

# what was wrong so far, as text; empty is good

sub wrong {
	my ($self, $why) = @_;

	if (defined $why) {
		push @{$self->{wrong}}, $why;
		Test::More::diag("presence: $why") unless $self->{silent};
	}

	return join("\n", @{$self->{wrong}});
}

# the same, and it counts no more

sub forgive {
	my ($self) = @_;
	return join("\n", splice(@{$self->{wrong}}));
}

# NOTIFYs that belong to no watcher

sub stray { return @{$_[0]->{stray}}; }

# everything that the gateway had to send to XMPP before this is there: a
# message has gone the same way

sub settle {
	my ($self, $c) = @_;
	my $body = 'settled ' . ++$self->{serial};

	$c = $self->conn() unless $c;

	my $q = $c->request('MESSAGE', 'sip:settle@x.test', body => $body,
		from => 'sip:settle@s.test');

	Test::Nginx::Peers::wait_until(sub {
		return grep { ($_->text('body') || '') eq $body }
			$self->{x}->seen();
	})
		or die "presence: a message from SIP did not cross\n";

	$c->response_to($q);
}

# the same for what it had to send over SIP because of a stream

sub settle_sip {
	my ($self, $xmpp) = @_;
	my $body = 'settled ' . ++$self->{serial};

	$xmpp->send("<message from='settle\@x.test' to='settle\@s.test'>"
		. "<body>$body</body></message>");

	Test::Nginx::Peers::wait_until(sub {
		return grep { $_->body() eq $body } $self->{server}->seen();
	})
		or die "presence: a message from XMPP did not cross\n";
}

# true if the user of XMPP gets no presence, at least not for a while more

sub quiet {
	my ($self, %a) = @_;

	my $s = delete $a{for};
	my $c = delete $a{conn};

	$self->settle($c);
	my $e = $self->{x}->presence(defined $s ? $s : 0.1, %a);

	Test::More::diag('presence: not quiet: ' . $e->raw()) if $e;

	return $e ? 0 : 1;
}

# next presence for a user of XMPP as a line, such as "subscribed r@s.test" or
# "available r@s.test/dev away"

sub told {
	my ($self, $to, $timeout) = @_;
	return line($self->{x}->presence($timeout, to => $to));
}

sub line {
	my ($e) = @_;

	return 'nothing' unless $e;

	my $type = $e->attr('type');
	my $s = (defined $type ? $type : 'available') . ' ' . $e->attr('from');

	$s .= ' ' . $e->text('show') if defined $e->text('show');
	$s .= ' ' . $e->condition() if defined $e->condition();

	return $s;
}

# a case of a test: one that dies fails alone

sub case {
	my ($name, $code) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	Test::More::subtest($name, sub {
		eval { $code->(); 1 } or do {
			(my $why = $@) =~ s/\n$//;
			Test::More::fail("went on to the end: $why");
		};

		Test::More::done_testing();
	});
}

sub _on_request {
	my ($self, $m, $c) = @_;

	$m->{time} = Test::Nginx::Peers::now();

	my $method = $m->method();
	my $to_tag = $m->to_tag();
	my $id = $m->call_id();

	if ($method eq 'NOTIFY') {
		my $w = $self->{watchers}{$id};

		if ($w) {
			$w->_on_notify($m, $c);
			return 0;
		}

		push @{$self->{stray}}, $m;
		$c->reply($m, 481);
		return 0;
	}

	if ($method eq 'SUBSCRIBE' && defined $to_tag) {
		my $n = $self->{notifiers}{$id};

		if ($n) {
			$n->_on_subscribe($m, $c);
			return 0;
		}
	}

	if ($method eq 'SUBSCRIBE' && !defined $to_tag) {
		my ($user) = $m->uri() =~ /^sip:([^;?]*)/;
		my $p = $self->{presentities}{$user};

		if ($p) {
			$p->_on_subscribe($m, $c);
			return 0;
		}
	}

	$self->{server}->auto_answer($m, $self->{auto}, $c)
		if defined $self->{auto};

	return 0;
}

# answers as said: a code, [code, headers...], a function of the request that
# returns one of those; 0 or undef: not now. Returns the code and the reply

sub _answer {
	my ($how, $m, $c, @headers) = @_;

	$how = $how->($m) if ref $how eq 'CODE';
	return unless $how;

	my ($code, @more) = ref $how ? @$how : ($how);
	my %seen = map { /^([^:]+)/ ? (lc $1 => 1) : () } @more;

	push @more, grep { !/^([^:]+)/ || !$seen{lc $1} } @headers
		if $code < 300;

	return ($code, $c->reply($m, $code, undef, headers => \@more));
}

# removes the parameters of a header's address, but for those of the URI

sub _uri {
	my ($v) = @_;
	return '' unless defined $v;
	return $v =~ /<([^>]*)>/ ? $1 : $v =~ /^([^;]*)/ ? $1 : '';
}

# the first one that is good; what came before it is taken out as well

sub _take {
	my ($q, $timeout, $code) = @_;
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		for my $i (0 .. $#$q) {
			next if $code && !$code->($q->[$i]);
			$found = (splice(@$q, 0, $i + 1))[-1];
			return 1;
		}

		return 0;
	}, $timeout);

	return $found;
}

###############################################################################

package Test::Nginx::Presence::Watcher;

# One dialog of a SIP user who watches a user of XMPP.

use warnings;
use strict;

use Scalar::Util qw/ weaken /;

sub new {
	my ($class, $hub, $to, %args) = @_;

	my $n = ++$hub->{serial};

	my $self = bless {
		expires => 600,
		event => 'presence',
		accept => 'application/pidf+xml',
		answer => 200,
		from => 'sip:r@s.test',
		contact => "sip:w$n\@s.test",
		headers => [],
		record_route => [],
		check => 1,
		%args,
		hub => $hub,
		uri => $to =~ /^\w+:/ ? $to : "sip:$to",
		call_id => Test::Nginx::SIP::token(3),
		cseq => int(rand(1000)),
		tag => Test::Nginx::SIP::token(),
		queue => [],
		all => [],
		open => 0,
	}, $class;

	$self->{to} = $self->{uri} unless defined $self->{to};

	weaken($self->{hub});
	$hub->{watchers}{$self->{call_id}} = $self;

	return $self;
}

sub _wrong {
	my ($self, $why, $m) = @_;

	return unless $self->{check};
	$self->{hub}->wrong("watcher of $self->{uri}: $why"
		. ($m ? " in\n" . $m->{head} : ''));
}

# builds a SUBSCRIBE of the dialog, as of now; arguments as of build, and
# expires, event, contact, accept

sub build {
	my ($self, %a) = @_;

	%a = (%{$self->{extra} || {}}, %a);

	foreach my $name (qw/ expires event accept contact /) {
		$a{$name} = $self->{$name} unless exists $a{$name};
	}

	my $c = $a{conn} || $self->conn();
	my @headers;

	push @headers, "Event: $a{event}" if defined $a{event};
	push @headers, "Accept: $a{accept}" if defined $a{accept};
	push @headers, "Expires: $a{expires}" if defined $a{expires};
	push @headers, map { "Record-Route: $_" } @{$self->{record_route}}
		unless $self->{remote_tag};

	my $in = defined $self->{remote_tag} && !$a{initial};

	return $c->build('SUBSCRIBE', $in && $self->{target} || $self->{uri},
		from => "<$self->{from}>;tag=$self->{tag}",
		to => "<$self->{to}>" . ($in ? ";tag=$self->{remote_tag}" : ''),
		call_id => $self->{call_id},
		cseq => ++$self->{cseq},
		Contact => defined $a{contact} ? "<$a{contact}>" : undef,
		(map { $_ => $a{$_} } grep { /^[A-Z]/ || /^(?:cseq|branch|to|
			from|body|content_type|call_id|alias)$/x } keys %a),
		headers => [@headers, @{$self->{headers}},
			Test::Nginx::SIP::_pairs($a{headers})],
	);
}

sub conn {
	my ($self) = @_;

	my $c = $self->{conn};
	return $c if $c && $c->{sock} && !$c->{ended};

	return $self->{hub}->conn();
}

# sends a SUBSCRIBE (the first one, or a refresh), returns it

sub send_subscribe {
	my ($self, %a) = @_;

	my $c = $a{conn} || $self->conn();
	my $m = $self->build(%a);

	$self->{expires} = $a{expires} if exists $a{expires};
	$self->{contact} = $a{contact} if defined $a{contact};
	$self->{asked} = $self->{expires};

	# a NOTIFY may overtake the response

	my $until = Test::Nginx::Peers::now() + (defined $self->{asked}
		? $self->{asked} : 3600);
	$self->{until} = $until if defined $self->{until}
		&& $self->{until} < $until;

	$self->{request} = $m;
	$m->{conn} = $c;
	$c->send_raw($m);

	return $m;
}

# the final response to a SUBSCRIBE; dies if there is none

sub response {
	my ($self, $m, $timeout) = @_;

	$m = $self->{request} unless $m;

	my $r = $m->{conn}->response_to($m, $timeout)
		or die "no response to SUBSCRIBE $self->{uri}\n";

	$self->_on_response($m, $r);

	return $r;
}

# both; a dialog begins or goes on if it is 200

sub subscribe {
	my ($self, %a) = @_;
	return $self->response($self->send_subscribe(%a), $a{timeout});
}

sub refresh { goto &subscribe; }

sub unsubscribe {
	my ($self, %a) = @_;
	return $self->subscribe(expires => 0, %a);
}

sub _on_response {
	my ($self, $m, $r) = @_;

	$r->{time} = Test::Nginx::Peers::now();

	if ($r->code() == 202) {
		$self->_wrong('202 is not for SUBSCRIBE', $r); # PB-08
	}

	return if $r->code() >= 300;

	my $expires = $r->header('Expires');

	if (!defined $expires || $expires !~ /^\d+$/) {
		$self->_wrong('no Expires', $r);
		$expires = 0;
	}

	$self->_wrong('Expires is more than asked', $r) if $expires
		> (defined $self->{asked} ? $self->{asked} : 3600); # PB-03

	my $contact = $r->address('Contact');
	$self->_wrong('no Contact', $r) unless defined $contact
		&& $contact =~ /^sip:[^\s]+$/; # PB-33
	$self->_wrong('another Contact', $r) if defined $self->{target}
		&& defined $contact && $contact ne $self->{target};

	if (!defined $m->to_tag()) {
		$self->_wrong('Record-Route is not copied', $r)
			if join(',', grep { !/^<sip:gw\.test:/ }
				$r->list('Record-Route'))
			ne join(',', $m->list('Record-Route')); # SD-01
	}

	my $tag = $r->to_tag();
	$self->_wrong('another To tag', $r)
		if defined $self->{remote_tag} && $tag ne $self->{remote_tag};

	$self->{remote_tag} = $tag;
	$self->{target} = $contact if defined $contact;
	$self->{granted} = $expires;
	$self->{until} = $r->{time} + $expires;
}

# a NOTIFY of ours: judged, answered, kept

sub _on_notify {
	my ($self, $m, $c) = @_;

	bless $m, 'Test::Nginx::Presence::Notify';

	$self->_judge($m);

	push @{$self->{all}}, $m;
	push @{$self->{queue}}, $m;

	$self->{open}++;
	weaken($m->{conn} = $c);

	Test::Nginx::Presence::_answer($self->{answer}, $m, $c);
	$self->{open}-- if $m->{answered};
}

sub _judge {
	my ($self, $m) = @_;

	# the dialog: PB-32

	$self->_wrong('To is not the watcher', $m)
		if Test::Nginx::Presence::_uri($m->header('To'))
		ne $self->{from};
	$self->_wrong('To tag', $m)
		if ($m->to_tag() || '') ne $self->{tag};
	$self->_wrong('From is not the one who is watched', $m)
		if Test::Nginx::Presence::_uri($m->header('From'))
		ne $self->{to};
	$self->_wrong('From tag', $m) if defined $self->{remote_tag}
		&& ($m->from_tag() || '') ne $self->{remote_tag};
	$self->_wrong('Request-URI is not the Contact', $m)
		if !$self->{strict_route} && $m->uri() ne $self->{contact}
		&& !grep { $m->uri() eq $_ } @{$self->{contacts}};
	$self->_wrong('Route', $m) if !$self->{strict_route}
		&& join(',', $m->list('Route'))
		ne join(',', @{$self->{record_route}});

	$self->{remote_tag} = $m->from_tag()
		unless defined $self->{remote_tag};

	my $contact = $m->address('Contact');
	$self->_wrong('no Contact', $m)
		unless defined $contact && $contact =~ /^sip:/;
	$self->_wrong('another Contact', $m) if defined $self->{target}
		&& defined $contact && $contact ne $self->{target}; # PB-33

	$self->_wrong('Max-Forwards', $m)
		if $m->header('Max-Forwards') != 70; # ARC-16

	# order: SD-06, PB-28, PB-47

	$self->_wrong('CSeq does not follow ' . $self->{remote_cseq}, $m)
		if defined $self->{remote_cseq}
		&& $m->cseq() != $self->{remote_cseq} + 1;
	$self->{remote_cseq} = $m->cseq();

	$self->_wrong('another NOTIFY is not answered yet', $m)
		if $self->{open};
	$self->_wrong('after the end of the subscription', $m)
		if $self->{terminated};

	# the event: PB-41, SE-03

	my $event = $m->header('Event');

	$self->_wrong('Event', $m) if !defined $event
		|| _event($event) ne _event($self->{event});

	# Subscription-State: PB-26

	my $state = $m->header('Subscription-State');

	if (!defined $state
		|| $state !~ /^(active|pending|terminated)((?:;[-\w]+=[-\w]+)*)$/)
	{
		$self->_wrong('Subscription-State', $m);
		return;
	}

	$m->{state} = $1;
	$m->{params} = { map { split /=/, $_, 2 } grep { length }
		split(/;/, $2) };

	my $expires = $m->{params}{expires};

	if ($m->{state} eq 'terminated') {
		$self->{terminated} = 1;
		$self->_wrong('no reason', $m) unless $m->{params}{reason};

	} elsif (!defined $expires || $expires !~ /^\d+$/) {
		$self->_wrong('no expires', $m);

	} else {
		$self->_wrong('expires is more than what is left', $m)
			if defined $self->{until}
			&& $expires > $self->{until} - $m->{time} + 1.1;
		$self->_wrong('expires is more than asked', $m)
			if $self->{asked} && $expires > $self->{asked};
	}

	# the document

	if (length $m->body() && $self->{ocs}) {
		$self->_judge_ocs($m);

	} elsif (length $m->body()) {
		my $type = lc($m->header('Content-Type') || '');

		$self->_wrong("Content-Type $type", $m)
			if $type !~ /^application\/pidf\+xml(?:;\s*charset="?
				utf-8"?)?$/x;

		$m->{document} = eval { Test::Nginx::PIDF->parse($m->body()) };

		if (!$m->{document}) {
			(my $why = $@) =~ s/\n$//;
			$self->_wrong("$why:\n" . $m->body());

		} else {
			my ($user) = $self->{to} =~ /^\w+:([^;?]*)/;
			my $entity = $m->{document}->entity();

			$self->_wrong("entity $entity", $m)
				if $entity ne "pres:$user"; # PN-04
			$self->_wrong('presence within a pending subscription',
				$m) if $m->{state} eq 'pending'
				&& $m->body() =~ />open</; # PB-10
		}

	} elsif (defined $m->header('Content-Type')) {
		$self->_wrong('Content-Type of no body', $m);
	}
}

# ocs-wire 4.4

sub _judge_ocs {
	my ($self, $m) = @_;

	my $type = $m->header('Content-Type') || '';

	$m->{document} = eval { Test::Nginx::PIDF->ocs($m->body()) };

	if (!$m->{document}) {
		(my $why = $@) =~ s/\n$//;
		$self->_wrong("$why:\n" . $m->body());
		return;
	}

	my ($user) = $self->{to} =~ /^\w+:([^;?]*)/;
	my $msrtc = $m->{document}->line() =~ /^msrtc/;

	$self->_wrong("Content-Type $type", $m) if $type
		ne ($msrtc ? 'text/xml+msrtc.pidf' : 'application/pidf+xml');
	$self->_wrong('entity ' . $m->{document}->entity(), $m)
		if $m->{document}->entity() ne ($msrtc ? $user : "sip:$user");
	$self->_wrong('presence within a pending subscription', $m)
		if $m->{state} eq 'pending'
		&& $m->{document}->line() !~ /^closed|^msrtc:0:0/; # PB-10
}

sub _event {
	my ($event) = @_;

	my ($type) = $event =~ /^\s*([^\s;]+)/;
	my ($id) = $event =~ /;\s*id\s*=\s*([^\s;]+)/;

	return $type . (defined $id ? ";id=$id" : '');
}

# next NOTIFY, of a state if given: those before it are taken out as well; dies
# if there is none

sub notify {
	my ($self, $timeout, $state) = @_;

	my $m = Test::Nginx::Presence::_take($self->{queue}, $timeout, sub {
		return !defined $state || ($_[0]{state} || '') eq $state;
	});

	die 'no NOTIFY' . (defined $state ? " $state" : '')
		. " from $self->{uri}\n" unless $m;

	return $m;
}

# the next one whose document reads so (as with line of PIDF); dies likewise

sub notify_line {
	my ($self, $line, $timeout) = @_;

	my @seen;
	my $m = Test::Nginx::Presence::_take($self->{queue}, $timeout, sub {
		my $is = $_[0]{document} ? $_[0]{document}->line() : '';
		push @seen, $is;
		return ref $line ? $is =~ $line : $is eq $line;
	});

	die "no NOTIFY from $self->{uri} with \"$line\", but "
		. join(', ', map { "\"$_\"" } $seen[-1] // 'nothing') . "\n"
		unless $m;

	return $m;
}

# all so far, and whether no more comes in that time

sub notifies { return @{$_[0]->{all}}; }

sub none {
	my ($self, $s) = @_;

	my $m = Test::Nginx::Presence::_take($self->{queue}, $s);

	Test::More::diag("presence: unexpected NOTIFY:\n" . $m->{raw}) if $m;

	return $m ? 0 : 1;
}

# how NOTIFYs are answered from now on: 200, [500, 'Retry-After: 1'], a
# function; 0: later, by reply

sub set {
	my ($self, %args) = @_;
	@$self{keys %args} = values %args;
	return $self;
}

sub reply {
	my ($self, $m, @how) = @_;

	$self->{open}-- unless $m->{answered};
	$m->{answered} = $how[0];

	return $m->{conn}->reply($m, $how[0], undef,
		headers => [@how[1 .. $#how]]);
}

###############################################################################

package Test::Nginx::Presence::Notify;

# A NOTIFY that a watcher got.

use warnings;
use strict;

our @ISA = qw/ Test::Nginx::SIP::Message /;

# active, pending or terminated; its parameters; the document, or undef

sub state { return defined $_[0]->{state} ? $_[0]->{state} : ''; }
sub state_param { return $_[0]->{params}{$_[1]}; }
sub document { return $_[0]->{document}; }
sub time { return $_[0]->{time}; }

# one line: "active ID-a:open", "terminated rejected"

sub line {
	my ($self) = @_;

	return join(' ', $self->state(), grep { defined && length }
		$self->state() eq 'terminated'
			? $self->state_param('reason') : undef,
		$self->{document} ? $self->{document}->line() : undef);
}

###############################################################################

package Test::Nginx::Presence::Presentity;

# A SIP user whom users of XMPP watch, by way of the gateway.

use warnings;
use strict;

use Scalar::Util qw/ weaken /;

# answer => 200 | [423, 'Min-Expires: 7200'] | code | 0 (by hand)
# notify => 'active' | 'pending' | ..., sent after the answer, and again after
# each refresh; undef: by hand
# document => PIDF, or tuples of pidf, or a function
# refresh => as answer, for SUBSCRIBEs in a dialog
# expires => what is granted at most
# early => 1: the NOTIFY goes before the answer

sub new {
	my ($class, $hub, $user, %args) = @_;

	my $self = bless {
		answer => 200,
		refresh => 200,
		expires => 3600,
		record_route => [],
		check => 1,
		%args,
		hub => $hub,
		user => $user,
		queue => [],
		all => [],
	}, $class;

	weaken($self->{hub});
	$hub->{presentities}{$user} = $self;

	return $self;
}

sub set {
	my ($self, %args) = @_;
	@$self{keys %args} = values %args;
	return $self;
}

# next SUBSCRIBE out of a dialog: the notifier of its dialog; dies if none

sub subscription {
	my ($self, $timeout) = @_;

	return Test::Nginx::Presence::_take($self->{queue}, $timeout)
		|| die "no SUBSCRIBE to $self->{user}\n";
}

# all so far, and whether no more comes in that time

sub subscriptions { return @{$_[0]->{all}}; }

sub none {
	my ($self, $s) = @_;

	my $n = Test::Nginx::Presence::_take($self->{queue}, $s);

	Test::More::diag("presence: unexpected SUBSCRIBE:\n"
		. $n->{request}{raw}) if $n;

	return $n ? 0 : 1;
}

sub _on_subscribe {
	my ($self, $m, $c) = @_;

	$self->_judge($m) if $self->{check};

	my $n = Test::Nginx::Presence::Notifier->new($self, $m, $c);

	push @{$self->{all}}, $n;
	push @{$self->{queue}}, $n;

	$n->_auto($m, $c, $self->{answer});
}

# PA-01

sub _judge {
	my ($self, $m) = @_;

	my $hub = $self->{hub};
	my $wrong = sub { $hub->wrong("SUBSCRIBE to $self->{user}: $_[0] in\n"
		. $m->{raw}) };

	$wrong->('To') if Test::Nginx::Presence::_uri($m->header('To'))
		ne $m->uri();
	$wrong->('Request-URI') if $m->uri() ne "sip:$self->{user}";
	$wrong->('From is not a bare one') if $m->header('From')
		!~ /^<sip:[^;>@]+\@[^;>@]+>;tag=[^;]+$/;
	$wrong->('Event') if ($m->header('Event') || '') ne 'presence';
	$wrong->('Accept') if ($m->header('Accept') || '')
		!~ /(?:^|,\s*)application\/pidf\+xml(?:[,;\s]|$)/;
	$wrong->('Expires') if ($m->header('Expires') // '') !~ /^\d+$/;
	$wrong->('Max-Forwards') if $m->header('Max-Forwards') != 70;
	$wrong->('Contact') if ($m->address('Contact') || '')
		!~ /^sip:[^\s<>]+$/;
	$wrong->('body') if length $m->body();
	$wrong->('CSeq') if $m->cseq() >= 2 ** 31;
	$wrong->('Subscription-State')
		if defined $m->header('Subscription-State'); # SE-07

	# only the repetition after a 423 may have them again

	my $before = $hub->{notifiers}{$m->call_id()};
	return if $before && ($before->{request}{answered} || 0) == 423;

	$wrong->('the same Call-ID again') if $before;
	$wrong->('the same From tag again')
		if $hub->{tags}{$m->from_tag()}++;
}

###############################################################################

package Test::Nginx::Presence::Notifier;

# One dialog of a presentity.

use warnings;
use strict;

use Scalar::Util qw/ weaken /;

sub new {
	my ($class, $p, $m, $c) = @_;

	my $hub = $p->{hub};

	my $self = bless {
		p => $p,
		hub => $hub,
		request => $m,
		last => $m,
		conn => $c,
		call_id => $m->call_id(),
		tag => Test::Nginx::SIP::token(),
		remote_tag => $m->from_tag(),
		local => $m->header('To'),
		remote => $m->header('From'),
		target => $m->address('Contact'),
		event => $m->header('Event'),
		contact => 'sip:n' . ++$hub->{serial} . '@s.test',
		route => [$m->list('Record-Route')],
		record_route => $p->{record_route},
		cseq => int(rand(1000)),
		remote_cseq => $m->cseq(),
		queue => [],
		all => [],
		check => $p->{check},
	}, $class;

	$m->{local_tag} = $self->{tag};
	weaken($self->{$_}) for qw/ p hub conn /;
	$hub->{notifiers}{$self->{call_id}} = $self;

	return $self;
}

sub request { return $_[0]->{request}; }
sub uri { return $_[0]->{request}->uri(); }

sub _wrong {
	my ($self, $why, $m) = @_;

	return unless $self->{check};
	$self->{hub}->wrong("dialog with $self->{p}{user}: $why in\n"
		. $m->{raw});
}

# answers, and notifies, as the presentity says

sub _auto {
	my ($self, $m, $c, $how) = @_;
	my $p = $self->{p};

	my $asked = $m->header('Expires');
	$asked = 3600 unless defined $asked && $asked =~ /^\d+$/;
	my $granted = $asked > $p->{expires} ? $p->{expires} : $asked;

	$self->{granted} = $granted;
	$self->_auto_notify($granted) if $p->{early};

	my ($code) = Test::Nginx::Presence::_answer($how, $m, $c,
		"Expires: $granted", "Contact: <$self->{contact}>");

	return unless $code;

	$self->{up} = 1 if $code < 300;
	$self->_auto_notify($granted) if $code < 300 && !$p->{early};
}

sub _auto_notify {
	my ($self, $granted) = @_;
	my $p = $self->{p};

	return unless defined $p->{notify};

	my $doc = $p->{document};
	$doc = $doc->($self) if ref $doc eq 'CODE';

	$self->notify($granted ? $p->{notify} : 'terminated;reason=timeout',
		$doc);
}

# a SUBSCRIBE in this dialog

sub _on_subscribe {
	my ($self, $m, $c) = @_;

	$self->_judge($m);

	$self->{last} = $m;
	weaken($self->{conn} = $c);
	push @{$self->{all}}, $m;
	push @{$self->{queue}}, $m;

	$self->_auto($m, $c, $self->{p}{refresh});
}

# PA-16, SD-02, SD-03, SD-06, SD-07

sub _judge {
	my ($self, $m) = @_;

	$self->_wrong('From', $m) if $m->header('From') ne $self->{remote};
	$self->_wrong('To', $m) if Test::Nginx::Presence::_uri(
		$m->header('To')) ne Test::Nginx::Presence::_uri(
		$self->{local});
	$self->_wrong('To tag', $m) if $m->to_tag() ne $self->{tag};
	$self->_wrong('CSeq does not follow', $m)
		if $m->cseq() != $self->{remote_cseq} + 1;
	$self->{remote_cseq} = $m->cseq();
	$self->_wrong('Event', $m) if ($m->header('Event') || '')
		ne $self->{event};
	$self->_wrong('Contact', $m) if ($m->address('Contact') || '')
		ne $self->{target};
	$self->_wrong('Expires', $m)
		if ($m->header('Expires') // '') !~ /^\d+$/;
	$self->_wrong('Max-Forwards', $m)
		if $m->header('Max-Forwards') != 70;

	return if $self->{strict_route};

	$self->_wrong('Request-URI', $m) if $m->uri() ne $self->{contact};

	# without what follows each URI, if that is what is wanted

	my @route = @{$self->{record_route}};
	@route = map { s/>.*/>/r } @route if $self->{p}{bare};

	$self->_wrong('Route', $m) if join(',', $m->list('Route'))
		ne join(',', @route);
}

# answers the last SUBSCRIBE by hand: reply(403), reply(200, 'Expires: 60')

sub reply {
	my ($self, $code, @headers) = @_;

	my $m = $self->{last};
	my $c = $m->{conn} || $self->conn();

	my ($granted) = map { /^Expires:\s*(\d+)/i ? $1 : () } @headers;
	$granted = $m->header('Expires') unless defined $granted;

	if ($code < 300) {
		$self->{granted} = $granted;
		$self->{up} = 1;
		push @headers, "Contact: <$self->{contact}>"
			unless grep { /^Contact:/i } @headers;
	}

	return $c->reply($m, $code, undef, tag => $self->{tag},
		headers => \@headers);
}

# the same with what a NOTIFY would have: piggyback($document, cseq => 1,
# content_type => ..., state => ..., headers => [...])

sub piggyback {
	my ($self, $doc, %a) = @_;

	my $m = $self->{last};
	my $c = $m->{conn} || $self->conn();
	my $granted = defined $a{expires} ? $a{expires}
		: $m->header('Expires');

	$self->{granted} = $granted;
	$self->{up} = 1;
	$self->{cseq} = $a{cseq} if defined $a{cseq};
	$self->{contact} = $a{contact} if defined $a{contact};

	return $c->reply($m, 200, undef, tag => $self->{tag},
		defined $doc ? (body => $doc, content_type => $a{content_type}
			|| 'application/pidf+xml') : (),
		headers => ["Contact: <$self->{contact}>",
			"Expires: $granted",
			defined $a{cseq} ? "ms-piggyback-cseq: $a{cseq}" : (),
			defined $a{state} ? "subscription-state: $a{state}" : (),
			(map { "Record-Route: $_" } @{$self->{response_route}}),
			Test::Nginx::SIP::_pairs($a{headers})]);
}

# the connection for NOTIFYs: the one of the last SUBSCRIBE, or the newest

sub conn {
	my ($self) = @_;

	my $c = $self->{conn};
	return $c if $c && $c->{sock} && !$c->{ended};

	($c) = grep { $_->{sock} && !$_->{ended} }
		reverse $self->{hub}{server}->conns();

	return $c || $self->{hub}->conn();
}

# builds a NOTIFY: a state ("active" gets its expires), a document (bytes, or
# tuples), and conn, tag, cseq, event, contact, record_route, headers, method, or
# anything that build takes

sub build {
	my ($self, $state, $doc, %a) = @_;

	my $c = $a{conn} || $self->conn();

	$state .= ';expires=' . (defined $self->{granted} ? $self->{granted}
		: 3600) if defined $state && $state =~ /^(?:active|pending)$/;

	if (ref $doc) {
		my ($user) = $self->uri() =~ /^\w+:([^;?]*)/;
		$doc = Test::Nginx::PIDF::pidf("pres:$user", $doc);
	}

	$self->{contact} = $a{contact} if defined $a{contact};
	$self->{cseq} = $a{cseq} if defined $a{cseq} && $a{cseq} > $self->{cseq};

	my $tag = defined $a{tag} ? $a{tag} : $self->{tag};
	my $event = exists $a{event} ? $a{event} : $self->{event};
	my @routes = map { "Record-Route: $_" }
		@{$a{record_route} || $self->{record_route}};

	return $c->build($a{method} || 'NOTIFY', $self->{target},
		from => "$self->{local};tag=$tag",
		to => $self->{remote},
		call_id => $self->{call_id},
		cseq => defined $a{cseq} ? $a{cseq} : ++$self->{cseq},
		Contact => "<$self->{contact}>",
		defined $doc ? (content_type => 'application/pidf+xml',
			body => $doc) : (), # or content_type
		(map { $_ => $a{$_} } grep { /^[A-Z]/ || /^(?:branch|to|from|
			body|content_type|call_id|alias)$/x } keys %a),
		headers => [
			(map { "Route: $_" } @{$self->{route}}),
			defined $event ? "Event: $event" : (),
			defined $state ? "Subscription-State: $state" : (),
			@routes,
			Test::Nginx::SIP::_pairs($a{headers}),
		],
	);
}

# sends it

sub notify {
	my ($self, $state, $doc, %a) = @_;

	my $c = $a{conn} || $self->conn();
	my $m = $self->build($state, $doc, %a, conn => $c);

	$m->{conn} = $c;
	$c->send_raw($m);

	return $m;
}

# sends it, and returns the final response; dies if there is none

sub notified {
	my ($self, $state, $doc, %a) = @_;
	return $self->response($self->notify($state, $doc, %a), $a{timeout});
}

sub response {
	my ($self, $m, $timeout) = @_;

	my $r = $m->{conn}->response_to($m, $timeout)
		or die "no response to NOTIFY of $self->{p}{user}\n";

	$self->_wrong('202 is not for NOTIFY', $r)
		if $r->code() == 202; # PB-08
	$self->_wrong('body', $r) if length $r->body(); # SE-02

	return $r;
}

# next SUBSCRIBE in this dialog, dies if none; all of them; whether none comes

sub next {
	my ($self, $timeout) = @_;

	return Test::Nginx::Presence::_take($self->{queue}, $timeout)
		|| die "no SUBSCRIBE in the dialog of $self->{p}{user}\n";
}

sub refreshes { return @{$_[0]->{all}}; }

sub none {
	my ($self, $s) = @_;

	my $m = Test::Nginx::Presence::_take($self->{queue}, $s);

	Test::More::diag("presence: unexpected SUBSCRIBE:\n$m->{raw}") if $m;

	return $m ? 0 : 1;
}

###############################################################################

1;

###############################################################################
