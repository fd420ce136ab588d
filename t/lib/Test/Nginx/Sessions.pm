package Test::Nginx::Sessions;

# (C) The ngx_xmpp_sip_module authors

# Numbered messages both ways, as in Test::Nginx::Traffic, to and from a SIP
# server with the dialect "ocs": each two users write within a session, which
# whoever writes first begins, and which is begun anew when it is gone.

###############################################################################

use warnings;
use strict;

use Test::Nginx::Peers;
use Test::Nginx::Traffic;

our @ISA = qw/ Test::Nginx::Traffic /;

###############################################################################

my $SDP = join '', map { "$_\x0d\x0a" } 'v=0', 'o=- 0 0 IN IP4 10.0.0.1',
	's=session', 'c=IN IP4 10.0.0.1', 't=0 0', 'm=message 5060 sip null',
	'a=accept-types:text/plain';

# dialogs, by Call-ID; the one that a pair writes in; INVITEs under way

sub new {
	my ($class, $g, %args) = @_;

	return $class->SUPER::new($g, %args, dialogs => {}, current => [],
		inviting => [], serial => 0, refused => 0);
}

sub sip_class { return 'Test::Nginx::Sessions::SIP'; }

# the SIP server ends all sessions, or has forgotten them

sub end_sessions {
	my ($self, $silently) = @_;

	foreach my $d ($silently ? () : values %{$self->{dialogs}}) {
		my $c = $self->{sip_out}[$d->{pair} % $self->{conns}];
		$self->in_dialog($c, $d, 'BYE', ++$d->{cseq}, 'bye-'
			. ++$self->{serial}) if $c && $c->{up};
	}

	$self->{dialogs} = {};
	$self->{current} = [];
}

# a request in a dialog

sub in_dialog {
	my ($self, $c, $d, $method, $cseq, $branch, %a) = @_;

	$c->send($self->sip_request($c, $method, $d->{target},
		branch => $branch, from => $d->{local}, to => $d->{remote},
		call_id => $d->{call_id}, cseq => $cseq,
		rows => join('', map { "Route: $_\x0d\x0a" } @{$d->{routes}}),
		%a));
}

sub sip_ready {
	my ($self, $c, $pair) = @_;
	my $p = $pair->{pair};

	return 1 if $self->{current}[$p];

	my $now = Test::Nginx::Peers::now();
	my $old = $self->{inviting}[$p];

	return 0 if $old && $now - $old->{time} < $self->{patience};

	my $n = ++$self->{serial};
	my $to = Test::Nginx::Traffic::sip_to($pair);

	my $d = $self->{inviting}[$p] = { pair => $p, conn => $c->{serial},
		time => $now, n => $n, call_id => "invite-$p-$n-$self->{run}",
		local => "<sip:r$p\@s.test>;tag=t$n", remote => "<sip:$to>",
		target => "sip:$to", cseq => 1, routes => [] };

	$self->in_dialog($c, $d, 'INVITE', 1, $d->{call_id},
		rows => "Contact: <sip:r$p\@s.test;opaque=x>\x0d\x0a",
		type => 'application/sdp', body => $SDP);

	return 0;
}

sub sip_message {
	my ($self, $c, $pair, $i) = @_;

	my $id = "sx-$pair->{pair}-$i-$self->{run}";
	my $d = $self->{current}[$pair->{pair}];

	$self->start($c, $pair, $i);
	$pair->{sent}[$i]{dialog} = $d;

	$self->in_dialog($c, $d, 'MESSAGE', ++$d->{cseq}, $id,
		type => 'text/plain; charset=UTF-8', body => $id);
}

# a response to an INVITE of ours; the 200 of one that is up comes again when
# the ACK was lost

sub invited {
	my ($self, $c, $p, $n, $code, $head) = @_;

	my $call_id = "invite-$p-$n-$self->{run}";
	my $known = $self->{dialogs}{$call_id};
	my $d = $known || $self->{inviting}[$p];

	return if $code < 200 || !$d || $d->{n} != $n;

	($d->{remote}) = $head =~ /^To: *([^\x0d]*)/mi;

	if ($code >= 300) {
		$self->{stats}{"INVITE $code"}++;
		$self->in_dialog($c, $d, 'ACK', 1, $call_id);
		Test::Nginx::Peers::after(0.05, sub {
			$self->{inviting}[$p] = undef
				if ($self->{inviting}[$p] || 0) == $d;
		});
		return;
	}

	learn($d, $head);
	$d->{routes} = [reverse @{$d->{routes}}];
	$self->in_dialog($c, $d, 'ACK', 1, 'ack-' . ++$self->{serial});

	return if $known;

	$self->{stats}{'sessions of SIP'}++;
	$self->{inviting}[$p] = undef;
	$self->{dialogs}{$call_id} = $self->{current}[$p] = $d;
	$self->fill();
}

# target and routes

sub learn {
	my ($d, $head) = @_;

	($d->{target}) = $head =~ /^Contact:[^<\x0d]*<([^>]*)>/mi;
	$d->{routes} = [map { split /, */ }
		$head =~ /^Record-Route: *([^\x0d]*)/gmi];
}

# the gateway begins a session, in place of the one before

sub asked {
	my ($self, $c, $head, $p, $call_id) = @_;

	my ($from) = $head =~ /^From: *([^\x0d]*)/mi;
	my ($to) = $head =~ /^To: *([^\x0d]*)/mi;

	my $d = { pair => $p, call_id => $call_id, local => "$to;tag=a",
		remote => $from, cseq => 100 };

	learn($d, $head);

	$self->{stats}{'sessions of XMPP'}++;
	$self->{dialogs}{$call_id} = $self->{current}[$p] = $d;

	my $rows = join '', $head =~ /^(Record-Route:.*\x0a)/gmi;

	$c->answer($head, 200, "${rows}Contact: <sip:r$p\@s.test;opaque=x>"
		. "\x0d\x0aContent-Type: application/sdp\x0d\x0a", $SDP);
}

# a dialog is over: another one that there is may be used

sub over {
	my ($self, $d) = @_;

	delete $self->{dialogs}{$d->{call_id}};

	return if ($self->{current}[$d->{pair}] || 0) != $d;

	($self->{current}[$d->{pair}]) = grep { $_->{pair} == $d->{pair} }
		values %{$self->{dialogs}};
}

# INVITEs go with their connection

sub ended {
	my ($self, $c) = @_;

	foreach (@{$self->{inviting}}) {
		undef $_ if $_ && $_->{conn} == $c->{serial};
	}

	return $self->SUPER::ended($c);
}

# a text that was refused with its session is sent in another one; sessions are
# begun for texts, and ended because others have begun

sub most {
	my ($self, %in) = @_;

	return ($self->SUPER::most(%in), MESSAGE => $in{xs} + $self->{refused},
		INVITE => $in{xs}, ACK => 2 * $in{xs}, CANCEL => $in{xs},
		BYE => $in{xs} + $in{sx});
}

###############################################################################

package Test::Nginx::Sessions::SIP;

use warnings;
use strict;

our @ISA = qw/ Test::Nginx::Traffic::SIP /;

sub message {
	my ($self, $head, $body) = @_;
	my $tr = $self->{traffic} or return;

	if ($head =~ m!^SIP/2.0 (\d+)!) {
		my $code = $1;

		my ($kind, $p, $n) = $head =~ /^Via:[^\x0d]*;branch=z9hG4bK
			(\w+)-(\d+)-(\d+)-$tr->{run}\./mix;

		if (($kind || '') eq 'invite') {
			$tr->invited($self, $p, $n, $code, $head)
				if $head =~ /^CSeq: *\d+ +INVITE/mi;
			return;
		}

		$tr->over($tr->{sx}[$p]{sent}[$n]{dialog})
			if ($kind || '') eq 'sx' && $code == 481;

		return $self->SUPER::message($head, $body);
	}

	my ($method) = $head =~ /^(\w+)/;
	my ($call_id) = $head =~ /^Call-ID: *([^\x0d]*)/mi;
	my $d = $tr->{dialogs}{$call_id};

	if ($method eq 'MESSAGE') {
		return $self->SUPER::message($head, $body) if $d;
		$tr->{refused}++;
		return $self->answer($head, 481);
	}

	$tr->{outputs}{$method}++;

	return if $method eq 'ACK';

	if ($method eq 'INVITE') {
		my ($p) = $head =~ /^From:[^\x0d]*sip:u(\d+)\@/mi;

		return $self->answer($head, 404) if $head =~ /^To:.*nobody@/mi;
		return $tr->asked($self, $head, $p, $call_id);
	}

	$tr->over($d) if $method eq 'BYE' && $d;
	$self->answer($head, $d || $method eq 'CANCEL' ? 200 : 481);
}

###############################################################################

1;

###############################################################################
