package Test::Nginx::Stream;

# Stream client for nginx tests: a replacement of the nginx-tests module.

###############################################################################

use warnings;
use strict;

use base qw/ Exporter /;

our @EXPORT_OK = qw/ stream dgram /;

use IO::Select;
use IO::Socket::INET;
use Socket qw/ SOCK_DGRAM /;

use Test::Nginx;

###############################################################################

# TCP client: stream(addr) or stream(PeerAddr => addr, ...)

sub stream {
	return __PACKAGE__->new(@_);
}

# UDP client

sub dgram {
	my @args = @_ == 1 ? (PeerAddr => @_) : @_;
	return __PACKAGE__->new(Proto => 'udp', @args);
}

sub new {
	my $class = shift;
	my %args = @_ == 1 ? (PeerAddr => $_[0]) : @_;

	my $self = bless {}, $class;

	my $ok = eval {
		local $SIG{ALRM} = sub { die "timeout\n" };
		local $SIG{PIPE} = sub { die "sigpipe\n" };
		alarm(8 * ($Test::Nginx::PATIENCE || 1));

		$self->{_socket} = IO::Socket::INET->new(
			Proto => 'tcp',
			PeerAddr => '127.0.0.1',
			%args
		)
			or die "Can't connect to nginx: $!\n";

		$self->_start_ssl(%args) if $args{SSL};

		alarm(0);
		1;
	};
	alarm(0);

	log_in("died: $@") unless $ok;

	$self->{_socket}->autoflush(1) if $self->{_socket};

	return $self;
}

sub _start_ssl {
	my ($self, %args) = @_;

	require IO::Socket::SSL;

	IO::Socket::SSL->start_SSL($self->{_socket},
		SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_NONE(),
		%args
	)
		or die "$IO::Socket::SSL::SSL_ERROR\n";

	log_in('ssl cipher: ' . $self->{_socket}->get_cipher());
}

sub DESTROY {
	my ($self) = @_;
	$self->{_socket}->close() if $self->{_socket};
}

# sends bytes; closes the connection when it cannot

sub write {
	my ($self, $data, %opts) = @_;

	my $s = $self->{_socket};
	my $select = IO::Select->new($s);

	local $SIG{PIPE} = 'IGNORE';

	$s->blocking(0);

	# an empty datagram is something to send as well

	while ($select->can_write($opts{write_timeout} || 1.5)) {
		my $n = $s->syswrite($data);
		last unless $n;
		log_out(substr($data, 0, $n, ''));
		last unless length $data;
	}

	$s->close() if length $data;
}

# next piece of data, '' at the end, undef on timeout

sub read {
	my ($self, %opts) = @_;

	my $s = $self->{_socket};
	my $select = IO::Select->new($s);
	my $data;

	$s->blocking(0);

	while ($s->can('pending') && $s->pending()
		|| $select->can_read($opts{read_timeout} || 8))
	{
		my $n = $s->sysread($data, 1024);
		last if defined $n || !$!{EWOULDBLOCK};
	}

	log_in($data);

	return $data;
}

# sends bytes, then reads to the end, "read" pieces, or "length" bytes

sub io {
	my ($self, $data, %opts) = @_;

	$opts{read} = 1 if !defined $opts{read}
		&& $self->{_socket}->socktype() == SOCK_DGRAM;

	$self->write($data, %opts);

	my $reply = '';

	for (my $n = 0; !defined $opts{read} || $n < $opts{read}; $n++) {
		my $piece = $self->read(%opts);
		last unless defined $piece && length $piece;
		$reply .= $piece;
		last if defined $opts{length}
			&& length $reply >= $opts{length};
	}

	return $reply;
}

# our own address

sub sockaddr { return $_[0]->{_socket}->sockaddr(); }
sub sockhost { return $_[0]->{_socket}->sockhost(); }
sub sockport { return $_[0]->{_socket}->sockport(); }

# the socket itself

sub socket { return $_[0]->{_socket}; }

###############################################################################

1;

###############################################################################
