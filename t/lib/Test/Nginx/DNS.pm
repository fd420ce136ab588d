package Test::Nginx::DNS;

# Stub DNS server with a table of answers.

###############################################################################

use warnings;
use strict;

use IO::Select;
use IO::Socket::INET;
use Socket qw/ inet_aton inet_pton AF_INET6 SOCK_STREAM /;
use Storable qw/ nstore retrieve /;
use Time::HiRes qw/ stat time /;

use Test::Nginx;

###############################################################################

my %type = (A => 1, NS => 2, CNAME => 5, SOA => 6, TXT => 16, AAAA => 28,
	SRV => 33, NAPTR => 35, ANY => 255);
my %type_name = reverse %type;

my %rcode = (FORMERR => 1, SERVFAIL => 2, NXDOMAIN => 3, NOTIMP => 4,
	REFUSED => 5);

# a server on the nominal port 8053: new($t, zone), or new($t, zone,
# port => 8953, ttl => 1). Make it before write_file_expand and write
# "resolver 127.0.0.1:%%PORT_8053_UDP%%;"

sub new {
	my ($class, $t, $zone, %args) = @_;

	my $nominal = $args{port} || 8053;

	my $self = bless {
		t => $t,
		nominal => $nominal,
		port => port($nominal, udp => 1),
		ttl => defined $args{ttl} ? $args{ttl} : 1,
		file => $t->testdir() . "/dns-$nominal.zone",
		log => $t->testdir() . "/dns-$nominal.log",
	}, $class;

	$self->set($zone || {});

	return $self;
}

# starts it as a daemon of the test

sub start {
	my ($self) = @_;

	my $lock = port($self->{nominal}, udp => 1, socket => 1);
	my $up = $self->{t}->testdir() . "/dns-$self->{nominal}.up";

	$self->{t}->run_daemon(\&serve, $self->{port}, $self->{file},
		$self->{log}, ttl => $self->{ttl}, lock => $lock, up => $up);
	$self->{t}->waitforfile($up) or die "DNS server did not start\n";

	# the object must not keep the test object alive

	delete $self->{t};

	return $self;
}

# replaces the table, also while running

sub set {
	my ($self, $zone) = @_;

	$self->{zone} = $zone;
	nstore($zone, "$self->{file}.new");
	rename("$self->{file}.new", $self->{file})
		or die "Can't rename $self->{file}: $!\n";

	return $self;
}

# adds or replaces names

sub add {
	my ($self, %names) = @_;
	return $self->set({ %{$self->{zone}}, %names });
}

# removes names

sub remove {
	my ($self, @names) = @_;
	my %zone = %{$self->{zone}};
	delete @zone{@names};
	return $self->set(\%zone);
}

# queries so far, as "SRV _xmpp-server._tcp.x.test"; with a pattern only those
# that match

sub queries {
	my ($self, $re) = @_;

	open(my $fh, '<', $self->{log}) or return;
	my @all = map { chomp; (split(' ', $_, 3))[2] } <$fh>;
	@all = grep { /$re/ } @all if defined $re;

	return @all;
}

# forgets the queries so far

sub clear {
	my ($self) = @_;
	truncate($self->{log}, 0) if -e $self->{log};
}

# address of the server

sub addr { return "127.0.0.1:$_[0]->{port}"; }

###############################################################################

# the daemon: port, table (or file with one), log file

sub serve {
	my ($port, $zone, $log, %args) = @_;

	Test::Nginx::Peers::forget() if Test::Nginx::Peers->can('forget');

	local $SIG{PIPE} = 'IGNORE';
	$SIG{TERM} = 'DEFAULT';

	my ($udp, $tcp);

	if ($args{lock}) {
		($args{lock}->socktype() == SOCK_STREAM ? $tcp : $udp)
			= $args{lock};
	}

	$udp ||= IO::Socket::INET->new(
		Proto => 'udp',
		LocalAddr => "127.0.0.1:$port",
	)
		or die "Can't create DNS socket: $!\n";

	$tcp ||= IO::Socket::INET->new(
		Proto => 'tcp',
		LocalAddr => "127.0.0.1:$port",
		Listen => 16,
		ReuseAddr => 1,
	);

	if ($args{up}) {
		open(my $fh, '>', $args{up}) or die "$args{up}: $!\n";
		close($fh);
	}

	my $set = IO::Select->new(grep { $_ } $udp, $tcp);
	my (@later, %buf);

	my $state = { zone => $zone, ttl => $args{ttl}, log => $log };

	while (1) {
		my $wait = @later ? $later[0][0] - time() : 60;

		foreach my $s ($set->can_read($wait > 0 ? $wait : 0)) {
			if ($s == $udp) {
				my $peer = recv($udp, my $query, 65536, 0);
				next unless defined $peer;
				my ($reply, $delay) = _answer($state, $query,
					'udp');
				next unless defined $reply;
				push @later, [time() + $delay,
					sub { send($udp, $reply, 0, $peer) }];
				next;
			}

			if ($tcp && $s == $tcp) {
				my $c = $tcp->accept() or next;
				$set->add($c);
				$buf{$c} = '';
				next;
			}

			my $n = sysread($s, $buf{$s}, 65536, length $buf{$s});

			if (!$n) {
				$set->remove($s);
				delete $buf{$s};
				close($s);
				next;
			}

			while (length $buf{$s} >= 2) {
				my $len = unpack('n', $buf{$s});
				last if length $buf{$s} < 2 + $len;
				my $query = substr($buf{$s}, 0, 2 + $len, '');
				my ($reply, $delay) = _answer($state,
					substr($query, 2), 'tcp');
				next unless defined $reply;
				push @later, [time() + $delay, sub {
					syswrite($s, pack('n/a*', $reply));
				}];
			}
		}

		@later = sort { $a->[0] <=> $b->[0] } @later;

		while (@later && $later[0][0] <= time()) {
			(shift @later)->[1]->();
		}
	}
}

# the table, read again when the file has changed

sub _zone {
	my ($state) = @_;

	if (ref $state->{zone}) {
		return $state->{table} ||= {
			map { lc $_ => $state->{zone}{$_} } keys %{$state->{zone}}
		};
	}

	my @st = stat($state->{zone});
	my $mark = "$st[1] $st[7] $st[9]";

	if (!defined $state->{mark} || $state->{mark} ne $mark) {
		my $zone = retrieve($state->{zone});
		$state->{table} = { map { lc $_ => $zone->{$_} } keys %$zone };
		$state->{mark} = $mark;
	}

	return $state->{table};
}

# reply and delay to a query

sub _answer {
	my ($state, $query, $proto) = @_;

	return if length $query < 17;

	my ($id, $flags, $qd) = unpack('n3', $query);
	return if $flags & 0x8000 || $qd != 1;

	my ($name, $pos) = ('', 12);

	while (1) {
		return if $pos >= length $query;
		my $len = ord(substr($query, $pos++, 1));
		last if $len == 0;
		return if $len > 63;
		$name .= ($name eq '' ? '' : '.') . substr($query, $pos, $len);
		$pos += $len;
	}

	my $qtype = unpack('n', substr($query, $pos, 2));
	my $question = substr($query, 12, $pos + 4 - 12);
	my $text = $type_name{$qtype} || "TYPE$qtype";

	if (defined $state->{log}) {
		open(my $fh, '>>', $state->{log});
		syswrite($fh, sprintf("%.3f %s %s %s\n", time(), $proto, $text,
			$name));
	}

	my $table = _zone($state);
	my $entry = $table->{lc $name};

	if (!defined $entry) {
		my $up = lc $name;

		while ($up =~ s/^[^.]*\.//) {
			$entry = $table->{"*.$up"};
			last if defined $entry;
		}
	}

	my ($rcode, $delay, @answers) = (0, 0);
	my $truncated = 0;

	# a failure may be for one type only: { SRV => 'SERVFAIL', A => [...] }

	my $what = ref $entry eq 'HASH' ? $entry->{$text} : $entry;

	if (ref $entry eq 'HASH') {
		$delay = $entry->{delay} || 0;
		$truncated = 1 if $entry->{truncate} && $proto eq 'udp';
	}

	if (!defined $entry) {
		$rcode = 3;

	} elsif (defined $what && !ref $what && ($what eq 'DROP'
		|| $rcode{$what}))
	{
		return if $what eq 'DROP';
		$rcode = $rcode{$what};

	} elsif (ref $entry eq 'HASH' && !$truncated) {
		@answers = _records($entry, $name, $text, $table,
			$state->{ttl});
	}

	my $reply = pack('n6', $id, 0x8580 | ($truncated ? 0x200 : 0) | $rcode,
		1, scalar @answers, 0, 0) . $question . join('', @answers);

	# what does not fit is asked again over TCP

	if ($proto eq 'udp' && length $reply > 4096) {
		$reply = pack('n6', $id, 0x8780, 1, 0, 0, 0) . $question;
	}

	return ($reply, $delay);
}

sub _name {
	my ($name) = @_;
	$name =~ s/\.$//;
	return join('', map { pack('C/a*', $_) } split(/\./, $name)) . "\0";
}

sub _records {
	my ($entry, $name, $text, $table, $ttl) = @_;
	my @out;

	$ttl = defined $entry->{ttl} ? $entry->{ttl}
		: defined $ttl ? $ttl : 1;

	my $add = sub {
		my ($type, $data, $owner) = @_;
		push @out, (defined $owner ? _name($owner) : pack('n', 0xc00c))
			. pack('nnN n/a*', $type{$type}, 1, $ttl, $data);
	};

	my $fill = sub {
		my ($e, $type, $owner) = @_;

		my $v = $e->{$type};
		return if !defined $v;
		$v = [$v] if !ref $v || $type =~ /^(?:SRV|NAPTR)$/
			&& @$v && !ref $v->[0];

		foreach my $r (@$v) {
			$add->($type, $type eq 'A' ? inet_aton($r)
				: $type eq 'AAAA' ? inet_pton(AF_INET6, $r)
				: $type eq 'SRV' ? pack('n3', @$r[0 .. 2])
					. _name($r->[3])
				: $type eq 'NAPTR' ? pack('n2 C/a* C/a* C/a*',
					@$r[0 .. 4]) . _name($r->[5])
				: $type eq 'TXT' ? pack('C/a*', $r)
				: _name($r), $owner);
		}
	};

	if (defined $entry->{CNAME} && $text ne 'CNAME') {
		my $target = lc $entry->{CNAME};
		$fill->($entry, 'CNAME');
		my $e = $table->{$target};
		$fill->($e, $text, $target) if ref $e eq 'HASH';
		return @out;
	}

	$fill->($entry, $text);

	return @out;
}

###############################################################################

1;

###############################################################################
