package Mischief;

# (C) The ngx_xmpp_sip_module authors

# Peers that misbehave, each a function that runs in a process of its own until
# it is told to stop, and the servers that some of them write to.

###############################################################################

use warnings;
use strict;

use IO::Socket::INET;
use Socket qw/ SOL_SOCKET SO_LINGER SOCK_STREAM sockaddr_in inet_aton /;

use Test::Nginx qw/ port /;
use Test::Nginx::Peers;
use Test::Nginx::SIP;
use Test::Nginx::Traffic;
use Test::Nginx::XMPP;

###############################################################################

my (@names, %text, %code, $pipe, @children);
my ($did, $unit) = (0, '');

# Cases in the order of their definition.

sub cases { return @names; }

sub text {
	my ($case) = @_;
	return $text{$case} || die "no case \"$case\"\n";
}

sub code { return $code{$_[0]}; }

sub add {
	my ($name, $text, $code) = @_;

	push @names, $name;
	$text{$name} = $text;
	$code{$name} = $code;
}

# Of a process: runs a function, which calls ready() once it has begun.

sub run {
	my ($fh, $code, @args) = @_;

	$pipe = $fh;

	$SIG{TERM} = sub {
		kill 'KILL', @children;
		print $pipe "did $did $unit\n";
		POSIX::_exit(0);
	};

	$code->(@args);
	die "it ended by itself\n";
}

sub ready {
	($unit) = @_;
	$did = 0;
	print $pipe "ready\n";
}

###############################################################################

# A stream of a domain into the gateway.

sub stream {
	my ($g, $name, $to, %args) = @_;

	return Test::Nginx::XMPP->login(PeerAddr => '127.0.0.1:' . port(8270),
		from => "$name.test", to => $to, $g->{ca}->ssl($name),
		auth => 'external', %args);
}

# A SIP connection into the gateway.

sub connection {
	my ($g, $name) = @_;

	my $c = Test::Nginx::SIP->connect(PeerAddr => '127.0.0.1:' . port(8062),
		tls => 1, $g->{ca}->ssl($name)) or die "sip: refused\n";

	$c->tls_up() or die "sip: $c->{tls_error}\n";
	return $c;
}

# Writes what a function returns, again and again, as fast as it is taken, and
# throws away what comes; each piece counts as so many.  Returns when a
# connection ends.

sub pour {
	my ($code, $each, $cs, %args) = @_;
	my %out = map { $_ => '' } 0 .. $#$cs;
	my $end = Test::Nginx::Peers::now() + ($args{seconds} || 1e9);

	while (Test::Nginx::Peers::now() < $end) {
		my ($r, $w) = ('', '');

		foreach my $c (@$cs) {
			vec($r, $c->fd(), 1) = 1 unless $args{stalled};
			vec($w, $c->fd(), 1) = 1;
		}

		select($r, $w, undef, $args{seconds});

		foreach my $i (0 .. $#$cs) {
			my $c = $cs->[$i];

			if (vec($w, $c->fd(), 1)) {
				$out{$i} = $code->() unless length $out{$i};

				my $n = syswrite($c->{sock}, $out{$i},
					length $out{$i} > 16384 ? 16384
					: length $out{$i});

				if (defined $n) {
					substr($out{$i}, 0, $n, '');
					$did += $each unless length $out{$i};

				} elsif (!$!{EAGAIN} && !$!{EWOULDBLOCK}) {
					return;
				}
			}

			next unless vec($r, $c->fd(), 1);

			for (1 .. 16) {
				my $n = sysread($c->{sock}, my $buf, 65536);
				return if defined $n && $n == 0;
				last unless defined $n;
			}
		}
	}
}

# Many messages of many pairs of users, about 16 KB: a function that makes them,
# and how many there are.

sub many {
	my ($one) = @_;
	my $n = int(16384 / length $one) || 1;
	my $serial = 0;
	my $piece = join '', map { $one =~ s/%NNNN/%NNNN.$_/gr } 1 .. $n;

	return (sub {
		my $k = $serial++;
		return $piece =~ s/%NNNN/$k/gr;
	}, $n);
}

sub stanzas {
	my ($from, $to, $user) = @_;
	$user = 'u%NNNN' unless defined $user;

	return many("<message from='$user\@$from/res' to='r\@$to' id='i' "
		. "type='chat'><body>" . 'x' x 60 . '</body></message>');
}

sub requests {
	my ($from, $to, %args) = @_;
	my $body = $args{body} || 'x' x 60;
	my $rows = $args{rows} || '';

	return many("MESSAGE sip:u\@$to SIP/2.0\x0d\x0a"
		. "Via: SIP/2.0/TLS $from;branch=z9hG4bK$$.%NNNN\x0d\x0a"
		. "Max-Forwards: 70\x0d\x0aFrom: <sip:r%NNNN\@$from>;tag=t\x0d"
		. "\x0aTo: <sip:u\@$to>\x0d\x0aCall-ID: $$.%NNNN\x0d\x0a"
		. "CSeq: 1 MESSAGE\x0d\x0a$rows" . "Content-Type: text/plain"
		. "\x0d\x0aContent-Length: " . length($body)
		. "\x0d\x0a\x0d\x0a$body");
}

# One that pours them, over so many connections; where it is thrown out it comes
# again.

sub sip {
	my ($g, $name, $unit, $code, $each, %args) = @_;
	again(sub { connection($g, $name) }, $unit, $code, $each, %args);
}

sub xmpp {
	my ($g, $name, $to, $unit, $code, $each, %args) = @_;
	again(sub { stream($g, $name, $to) }, $unit, $code, $each, %args);
}

sub again {
	my ($connect, $unit, $code, $each, %args) = @_;
	my @cs = map { $connect->() } 1 .. $args{n} || 1;

	ready($unit);

	while (1) {
		pour($code, $each, \@cs, %args);
		$_->reset() foreach splice @cs;
		@cs = map { $connect->() } 1 .. $args{n} || 1;
	}
}

###############################################################################

add('nothing', 'nothing at all', sub {
	ready('');
	Test::Nginx::Peers::loop();
});

add('spin', 'a program that only takes its processor', sub {
	ready('');
	1 while 1;
});

# peers that are slow

add('stall', 'an XMPP server that does not read what is sent to it', sub {
	my ($g) = @_;
	my $stalled;

	my $x = Test::Nginx::XMPP::Server->listen('127.0.0.1:' . port(8273),
		domains => ['stalled.test'], $g->{ca}->ssl('stalled'),
		sasl_external => 1, on_stanza => sub {
			$_[2]->stall(1);
			return $stalled = 1;
		});

	my $c = connection($g, 's');
	my ($code, $each) = requests('s.test', 'stalled.test', body => 'x' x 4000);

	$c->send($code->());
	Test::Nginx::Peers::wait_until(sub { $stalled })
		or die "nothing is sent to it\n";

	ready('messages to it');

	# what is stalled waits for the process to end

	pour($code, $each, [$c]);
	sleep 1 while 1;
});

add('stall-sip', 'a SIP peer that does not read the responses', sub {
	my ($g) = @_;
	sip($g, 'e', 'requests', requests('e.test', 'nowhere.test'),
		stalled => 1);
});

add('drip', '8 streams that send start tags octet by octet', sub {
	my ($g) = @_;
	my $text = '<message ' . join('', map { "a$_='" . 'x' x 4000 . "' " }
		1 .. 60) . '/>';
	my $at = 0;

	xmpp($g, 'bad', 's.test', 'octets', sub {
		return substr($text, $at++ / 8 % length $text, 1);
	}, 1, n => 8);
});

add('drip-large', '8 streams that go on so with start tags of 200 KB', sub {
	my ($g) = @_;
	my @cs = map { stream($g, 'bad', 's.test') } 1 .. 8;
	my $text = '<message ' . join('', map { "a$_='" . 'x' x 4000 . "' " }
		1 .. 50) . "b='";

	$_->send($text) && $_->flush() foreach @cs;

	ready('octets');
	pour(sub { 'x' }, 1, \@cs);
	sleep 1 while 1;
});

add('drip-sip', '8 connections that send a header octet by octet', sub {
	my ($g) = @_;
	my $text = "MESSAGE sip:u\@nowhere.test SIP/2.0\x0d\x0a"
		. join('', map { "X$_: " . 'x' x 500 . "\x0d\x0a" } 1 .. 100);
	my $at = 0;

	sip($g, 'e', 'octets', sub {
		return substr($text, $at++ / 8 % length $text, 1);
	}, 1, n => 8);
});

# peers that send as fast as they can

add('flood', 'an XMPP server that sends messages to another SIP domain', sub {
	my ($g) = @_;
	xmpp($g, 'bad', 'bulk.test', 'messages',
		stanzas('bad.test', 'bulk.test'));
});

add('flood-pair', 'an XMPP server that sends messages of one pair of users',
sub {
	my ($g) = @_;
	xmpp($g, 'bad', 'bulk.test', 'messages',
		stanzas('bad.test', 'bulk.test', 'u'));
});

add('flood-many', 'an XMPP server that sends messages over 32 streams', sub {
	my ($g) = @_;
	xmpp($g, 'bad', 'bulk.test', 'messages',
		stanzas('bad.test', 'bulk.test'), n => 32);
});

add('flood-same', 'an XMPP server that sends messages to the same SIP domain',
sub {
	my ($g) = @_;
	xmpp($g, 'bad', 's.test', 'messages', stanzas('bad.test', 's.test'));
});

add('flood-rate', 'an XMPP server that sends more than its rate=100r/s', sub {
	my ($g) = @_;
	xmpp($g, 'rated', 's.test', 'messages',
		stanzas('rated.test', 's.test'));
});

add('flood-denied', 'an XMPP server that sends to a domain that is denied',
sub {
	my ($g) = @_;
	xmpp($g, 'bad', 'late.test', 'messages',
		stanzas('bad.test', 'late.test'));
});

add('flood-sip', 'a SIP server that sends messages to another XMPP domain',
sub {
	my ($g) = @_;
	sip($g, 'e', 'messages', requests('e.test', 'h.test'));
});

add('flood-sip-rate', 'a SIP server that sends more than its rate=100r/s', sub {
	my ($g) = @_;
	sip($g, 'e', 'messages', requests('rated-sip.test', 'h.test'));
});

add('flood-sip-denied', 'a SIP server that sends to a domain that is denied',
sub {
	my ($g) = @_;
	sip($g, 'e', 'messages', requests('e.test', 'nowhere.test'));
});

add('space', 'a stream of white space', sub {
	my ($g) = @_;
	xmpp($g, 'bad', 's.test', 'KB', sub { ' ' x 16384 }, 16);
});

add('crlf', 'a SIP connection of keepalives', sub {
	my ($g) = @_;
	sip($g, 'e', 'KB', sub { "\x0d\x0a" x 8192 }, 16);
});

# what is large or wrong

add('deep', 'stanzas of 120 KB, elements 60 deep with 60 attributes', sub {
	my ($g) = @_;
	my $attrs = join '', map { " a$_='$_'" } 1 .. 60;
	my $xml = join('', map { "<e$_$attrs>" } 1 .. 60)
		. join('', map { "</e$_>" } reverse 1 .. 60);

	xmpp($g, 'bad', 's.test', 'stanzas', sub {
		return "<message from='u\@bad.test' to='r\@s.test'>"
			. $xml x 4 . '</message>';
	}, 1);
});

add('names', 'stanzas in which no two names are the same', sub {
	my ($g) = @_;
	my $k = 0;

	xmpp($g, 'bad', 's.test', 'stanzas', sub {
		$k++;
		return "<message from='u\@bad.test' to='r\@s.test'>"
			. join('', map { "<e$k.$_ xmlns='urn:$k.$_' "
			. "b$k.$_='x'/>" } 1 .. 200) . '</message>';
	}, 1);
});

add('body', 'SIP requests with bodies of 64 KB', sub {
	my ($g) = @_;
	sip($g, 'e', 'messages', requests('e.test', 'h.test',
		body => 'x<&' x 21800));
});

add('header', 'SIP requests with headers of 60 KB', sub {
	my ($g) = @_;
	sip($g, 'e', 'messages', requests('e.test', 'nowhere.test',
		rows => join '', map { "X-$_: " . 'x' x 240 . "\x0d\x0a" }
		1 .. 240));
});

add('garbage', 'SIP requests that are wrong', sub {
	my ($g) = @_;
	my $one = "MESSAGE sip:\x01 SIP/2.0\x0d\x0aVia: %%%\x0d\x0a"
		. "Content-Length: 0\x0d\x0a\x0d\x0a";
	my $n = int(16384 / length $one);

	sip($g, 'e', 'messages', sub { $one x $n }, $n);
});

# strangers

add('connect', 'connections that are made and reset', sub {
	ready('connections');

	while (1) {
		foreach (8270, 8062) {
			my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
				PeerPort => port($_)) or next;
			setsockopt($s, SOL_SOCKET, SO_LINGER,
				pack('ii', 1, 0));
			$did++;
		}
	}
});

add('open', '1000 connections that send nothing', sub {
	my @all = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => port($_ % 2 ? 8270 : 8062)) || die "$!\n" }
		1 .. 1000;

	ready('');
	sleep 1 while 1;
});

add('handshake', 'TLS handshakes without a certificate, 32 at once', sub {
	my (@all, $next);

	# each context reads all that the host trusts

	my $ctx = IO::Socket::SSL::SSL_Context->new(SSL_verify_mode => 0);

	$next = sub {
		my ($i) = @_;
		$all[$i]->reset() if $all[$i];
		$all[$i] = Stranger->dial(PeerAddr => '127.0.0.1:' . port(8062),
			next => $next, index => $i);
		$all[$i]->start_tls(0, SSL_reuse_ctx => $ctx) if $all[$i];
	};

	$next->($_) foreach 0 .. 31;

	ready('handshakes');
	Test::Nginx::Peers::loop();
});

# domains that are not there

add('dns', 'messages to domains whose DNS does not answer', sub {
	my ($g) = @_;
	my ($code, $each) = requests('s.test', 'nNNNN.mute.test');
	my $k = 0;

	sip($g, 's', 'messages', sub {
		return $code->() =~ s/nNNNN/'n' . $k++ % 500/ger;
	}, $each);
});

add('hang', 'messages to a domain that no connection is made to', sub {
	my ($g) = @_;
	my $addr = sockaddr_in(port(8066), inet_aton('127.0.0.1'));

	# a full backlog: SYN is dropped

	my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
		LocalPort => port(8066), Listen => 1, ReuseAddr => 1)
		or die "$!\n";
	my @full;

	foreach (1 .. 8) {
		my $s = IO::Socket::INET->new(Proto => 'tcp') or die "$!\n";
		$s->blocking(0);
		connect($s, $addr);
		push @full, $s;
	}

	xmpp($g, 'h', 'hang.test', 'messages', stanzas('h.test', 'hang.test'));
});

add('late', 'messages over 8 streams to a SIP server that never answers', sub {
	my ($g) = @_;

	late($g);
	xmpp($g, 'h', 'late.test', 'messages', stanzas('h.test', 'late.test'),
		n => 8);
});

add('late-reset', 'the same, and the streams are reset every second', sub {
	my ($g) = @_;

	late($g);
	xmpp($g, 'h', 'late.test', 'messages', stanzas('h.test', 'late.test'),
		n => 8, seconds => 1);
});

add('late-drop', 'the same, but it is the server that does so', sub {
	my ($g) = @_;

	late($g, 1);
	xmpp($g, 'h', 'late.test', 'messages', stanzas('h.test', 'late.test'),
		n => 8);
});

add('batch', 'messages that an XMPP server confirms half a second later', sub {
	my ($g) = @_;

	child(sub {
		my $traffic = bless { delay => 0.5 }, 'Mischief::Traffic';
		my $x = server($g, $traffic, 'slow', 8274);

		$traffic->{out} = stream($g, 'slow', 'e.test');
		Test::Nginx::Peers::loop();
	});

	sip($g, 'e', 'messages', requests('e.test', 'slow.test'), n => 16);
});

###############################################################################

# a SIP server that answers nothing, in a process of its own

sub late {
	my ($g, $seconds) = @_;

	child(sub {
		my $s = Late->listen('127.0.0.1:' . port(8065), $seconds,
			$g->{ca}->ssl('late'));
		Test::Nginx::Peers::loop();
	});
}

sub child {
	my ($code) = @_;

	my $pid = fork();
	die "fork: $!\n" unless defined $pid;

	if ($pid) {
		push @children, $pid;
		return;
	}

	$code->();
	POSIX::_exit(0);
}

# the servers of domains that floods come from or go to: they take all

sub servers {
	my ($g) = @_;
	my @listeners;

	foreach (['bulk', 8063], ['e', 8064]) {
		my ($name, $port) = @$_;

		push @listeners, Mischief::SIP->listen('127.0.0.1:'
			. port($port), $g->{ca}->ssl($name));
	}

	my $traffic = bless {}, 'Mischief::Traffic';

	foreach (['bad', 8271, 'rated.test'], ['h', 8272]) {
		my ($name, $port, @more) = @$_;

		push @listeners, server($g, $traffic, $name, $port, @more);
	}

	# pings are answered on it

	$traffic->{out} = stream($g, 'h', 'e.test');

	ready('');

	Test::Nginx::Peers::loop();
}

sub server {
	my ($g, $traffic, $name, $port, @more) = @_;

	return Mischief::Server->listen('127.0.0.1:' . port($port),
		domains => ["$name.test", @more], $g->{ca}->ssl($name),
		sasl_external => 'always', traffic => $traffic);
}

###############################################################################

package Mischief::Traffic;

use warnings;
use strict;

sub xmpp_reply {
	my ($self, $xml) = @_;

	return $self->{out}->send($xml) unless $self->{delay};

	Test::Nginx::Peers::after($self->{delay}, sub {
		$self->{out}->send($xml);
	});
}

sub fill { }
sub ended { }

###############################################################################

package Mischief::SIP;

# answers all requests

use warnings;
use strict;

our @ISA = qw/ Test::Nginx::Traffic::SIP /;

sub listen {
	my ($class, $addr, %ssl) = @_;
	my @all;

	return Test::Nginx::Peers::Listener->new($addr, sub {
		my $c = $class->attach($_[0],
			Test::Nginx::SIP::_fields(role => 'server', %ssl));
		$c->start_tls(1);
		push @all, $c;
	});
}

sub message {
	my ($self, $head) = @_;
	$self->answer($head, 200) unless $head =~ m!^SIP/!;
}

###############################################################################

package Stranger;

# goes when TLS is up, or refused

use warnings;
use strict;

our @ISA = qw/ Test::Nginx::Peers::Conn /;

sub on_tls {
	my ($self) = @_;
	$did++;
	Test::Nginx::Peers::after(0, sub { $self->{next}->($self->{index}) });
}

sub on_end { goto &on_tls; }

###############################################################################

package Late;

# answers none, and may reset a connection after some time

use warnings;
use strict;

our @ISA = qw/ Mischief::SIP /;

sub listen {
	my ($class, $addr, $seconds, %ssl) = @_;
	return $class->SUPER::listen($addr, seconds => $seconds, %ssl);
}

sub on_tls {
	my ($self) = @_;

	Test::Nginx::Peers::after($self->{seconds}, sub { $self->reset() })
		if $self->{seconds};
}

sub message { }

###############################################################################

package Mischief::Server;

# takes all stanzas, and answers pings

use warnings;
use strict;

our @ISA = qw/ Test::Nginx::Traffic::Server /;

sub _on_accept {
	my ($self, $sock) = @_;

	$self->SUPER::_on_accept($sock);
	bless $self->{conns}[-1], 'Mischief::XMPP';
	@{$self->{conns}} = grep { $_->{sock} } @{$self->{conns}};
}

package Mischief::XMPP;

our @ISA = qw/ Test::Nginx::Traffic::XMPP /;

sub stanza {
	my ($self, $name, $a) = @_;
	$self->pong($a) if $name eq 'iq' && $a->{type} eq 'get';
}

###############################################################################

1;

###############################################################################
