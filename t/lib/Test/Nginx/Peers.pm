package Test::Nginx::Peers;

# One select loop that keeps all scripted peers of a test process alive.

###############################################################################

use warnings;
use strict;

use Scalar::Util qw/ refaddr weaken /;
use Time::HiRes qw//;

###############################################################################

# default time for every wait, in seconds

our $TIMEOUT = $ENV{TEST_NGINX_TIMEOUT}
	|| ($ENV{TEST_NGINX_WRAPPER} ? 60 : $ENV{TEST_NGINX_PRELOAD} ? 15 : 5);

my %peers;
my @timers;
our $pumping = 0;

# a write to a closed connection must not kill the test

$SIG{PIPE} = 'IGNORE';

sub now {
	return Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC());
}

# takes care of an object as long as somebody else holds it

sub add {
	my ($peer) = @_;
	weaken($peers{refaddr($peer)} = $peer);
}

sub remove {
	my ($peer) = @_;
	delete $peers{refaddr($peer)};
}

# calls a function later, from within some wait

sub after {
	my ($seconds, $code) = @_;
	push @timers, [now() + $seconds, $code];
	@timers = sort { $a->[0] <=> $b->[0] } @timers;
}

# one round: waits until anything happens, and handles it

sub pump {
	my ($timeout) = @_;

	local $pumping = 1;
	my ($r, $w) = ('', '');
	my @all = grep { defined $_ && defined $_->fd() } values %peers;

	$timeout = 0 if grep { $_->ready_now() } @all;

	if (@timers) {
		my $left = $timers[0][0] - now();
		$left = 0 if $left < 0;
		$timeout = $left if $left < $timeout;
	}

	foreach my $p (@all) {
		vec($r, $p->fd(), 1) = 1 if $p->want_read();
		vec($w, $p->fd(), 1) = 1 if $p->want_write();
	}

	my $n = select($r, $w, undef, $timeout);

	if ($n < 0) {
		return 0 if $!{EINTR};
		die "select() failed: $!\n";
	}

	foreach my $p (@all) {
		my $fd = $p->fd();
		next unless defined $fd;
		$p->handle(vec($r, $fd, 1), vec($w, $fd, 1));
	}

	while (@timers && $timers[0][0] <= now()) {
		my $timer = shift @timers;
		$timer->[1]->();
	}

	return $n;
}

# pumps until the function returns true; undef after the timeout

sub wait_until {
	my ($code, $timeout) = @_;

	$timeout = $TIMEOUT unless defined $timeout;
	my $end = now() + $timeout;

	while (1) {
		my $rv = $code->();
		return $rv if $rv;

		my $left = $end - now();
		pump($left > 0 ? $left : 0);

		return $code->() || undef if $left <= 0;
	}
}

# pumps for a time in which nothing is awaited

sub idle {
	my ($seconds) = @_;
	my $end = now() + $seconds;

	while ((my $left = $end - now()) > 0) {
		pump($left);
	}
}

# runs a blocking function (such as stop of the genuine library) while the
# peers stay alive

sub background {
	my ($code) = @_;
	my $error;

	local $SIG{ALRM} = sub {
		return if $pumping;
		local ($!, $@, $?);
		eval { pump(0); 1 } or $error ||= $@;
	};

	Time::HiRes::setitimer(Time::HiRes::ITIMER_REAL(), 0.05, 0.05);
	my $ok = eval { $code->(); 1 };
	Time::HiRes::setitimer(Time::HiRes::ITIMER_REAL(), 0);

	$error ||= $@ unless $ok;
	die $error if $error;
}

# stops nginx while the peers stay alive, so that streams end cleanly

sub stop {
	my ($t) = @_;
	background(sub { $t->stop() });
}

# in a forked child: drops all connections without touching them

sub forget {
	my @all = grep { defined } values %peers;
	%peers = ();
	@timers = ();
	$_->abandon() foreach @all;
}

# pumps for ever: for daemons

sub loop {
	pump(60) while 1;
}

###############################################################################

package Test::Nginx::Peers::Socket;

# What connections and listeners share.

use warnings;
use strict;

sub fd {
	my ($self) = @_;
	my $s = $self->{sock};
	return defined $s ? CORE::fileno($s) : undef;
}

# changes arguments: set(auto => 404)

sub set {
	my ($self, %args) = @_;
	@$self{keys %args} = values %args;
	return $self;
}

sub want_read { 1 }
sub want_write { 0 }
sub ready_now { 0 }

# address as host:port

sub sockaddr {
	my ($self) = @_;
	my $host = $self->{sock}->sockhost();
	$host = "[$host]" if $host =~ /:/;
	return "$host:" . $self->{sock}->sockport();
}

sub abandon {
	my ($self) = @_;
	my $s = delete $self->{sock};
	return unless $s;

	if ($s->isa('IO::Socket::SSL')) {
		$s->close(SSL_no_shutdown => 1, SSL_ctx_free => 0);

	} else {
		CORE::close($s);
	}
}

###############################################################################

package Test::Nginx::Peers::Listener;

# Accepts connections and makes an object of each.

use warnings;
use strict;

use IO::Socket::IP;
use Scalar::Util qw/ weaken /;

our @ISA = qw/ Test::Nginx::Peers::Socket /;

# addr is host:port; on_accept gets the new socket

sub new {
	my ($class, $addr, $on_accept) = @_;

	my $s = IO::Socket::IP->new(
		Proto => 'tcp',
		LocalAddr => $addr,
		Listen => 64,
		ReuseAddr => 1,
		V6Only => 1,
	)
		or die "Can't listen on $addr: $@\n";

	$s->blocking(0);

	my $self = bless {
		sock => $s,
		on_accept => $on_accept,
		addr => $addr,
		accepted => 0,
		paused => 0,
		pid => $$,
	}, $class;

	Test::Nginx::Peers::add($self);

	return $self;
}

sub want_read {
	my ($self) = @_;
	return !$self->{paused};
}

sub handle {
	my ($self, $r, $w) = @_;

	return unless $r;

	while (defined $self->{sock} && defined(my $s = $self->{sock}->accept()))
	{
		$self->{accepted}++;
		$self->{on_accept}->($s);
	}
}

# no more connections: the port refuses them

sub close {
	my ($self) = @_;
	Test::Nginx::Peers::remove($self);
	CORE::close(delete $self->{sock}) if $self->{sock};
}

sub DESTROY {
	my ($self) = @_;
	local ($!, $@, $?);
	$self->close();
}

###############################################################################

package Test::Nginx::Peers::Conn;

# A connection: buffers, TLS at any time, and what became of it in the end.

use warnings;
use strict;

use IO::Socket::IP;
use IO::Socket::SSL;
use Net::SSLeay;
use Socket qw/ SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY /;

use Test::Nginx;

our @ISA = qw/ Test::Nginx::Peers::Socket /;

my $serial = 0;

# wraps a connected socket

sub attach {
	my ($class, $sock, %args) = @_;

	$sock->blocking(0);
	setsockopt($sock, IPPROTO_TCP, TCP_NODELAY, pack('i', 1));

	my $self = bless {
		%args,
		sock => $sock,
		out => '',
		received => '',
		unread => '',
		serial => ++$serial,
		pid => $$,
		ssl => { map { $_ => $args{$_} } grep { /^SSL_/ } keys %args },
	}, $class;

	Test::Nginx::Peers::add($self);

	return $self;
}

# connects to PeerAddr (from LocalAddr, if given); undef if refused

sub dial {
	my ($class, %args) = @_;

	my $sock = IO::Socket::IP->new(
		Proto => 'tcp',
		PeerAddr => $args{PeerAddr},
		defined $args{LocalAddr}
			? (LocalAddr => $args{LocalAddr}) : (),
	)
		or return;

	return $class->attach($sock, %args);
}

# the SSL_* arguments; those given override the object's

sub ssl_args {
	my ($self, $server, %more) = @_;

	my %ssl = (%{$self->{ssl}},
		map { $_ => $more{$_} } grep { /^SSL_/ } keys %more);

	if (!defined $ssl{SSL_verify_mode}) {
		$ssl{SSL_verify_mode} = $server && $ssl{SSL_ca_file}
			? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
	}

	$ssl{SSL_verifycn_scheme} = 'none'
		unless $server || defined $ssl{SSL_verifycn_scheme};

	if (!$server && !$ssl{SSL_cert_file} && !exists $ssl{SSL_use_cert}) {
		$ssl{SSL_use_cert} = 0;
	}

	# a peer's certificate may serve clients only by its other purpose

	return %ssl;
}

# starts TLS, without waiting for it

sub start_tls {
	my ($self, $server, %more) = @_;

	my $sock = IO::Socket::SSL->start_SSL($self->{sock},
		$self->ssl_args($server, %more),
		SSL_server => $server ? 1 : 0,
		SSL_startHandshake => 0,
	);

	die "Can't start TLS: $IO::Socket::SSL::SSL_ERROR\n" unless $sock;

	$sock->blocking(0);
	$self->{sock} = $sock;
	$self->{handshake} = $server ? 'accept_SSL' : 'connect_SSL';
	$self->{tls_want} = $server ? 'r' : 'w';
	$self->{tls_server} = $server;

	$self->_handshake() unless $server;
}

sub _handshake {
	my ($self) = @_;
	my $method = $self->{handshake};

	if ($self->{sock}->$method()) {
		delete $self->{handshake};
		delete $self->{tls_want};
		$self->{tls} = 1;
		$self->_log("tls up: " . $self->{sock}->get_sslversion() . ' '
			. $self->{sock}->get_cipher());
		local $self->{busy} = 1;
		$self->on_tls();
		$self->_flush();
		return;
	}

	if ($IO::Socket::SSL::SSL_ERROR == SSL_WANT_READ) {
		$self->{tls_want} = 'r';
		return;
	}

	if ($IO::Socket::SSL::SSL_ERROR == SSL_WANT_WRITE) {
		$self->{tls_want} = 'w';
		return;
	}

	$self->{tls_error} = "$IO::Socket::SSL::SSL_ERROR";
	$self->_log("tls failed: $self->{tls_error}");
	$self->_ended('tls');
	$self->abandon();
}

# waits for the handshake; true if it succeeded

sub wait_tls {
	my ($self, $timeout) = @_;

	Test::Nginx::Peers::wait_until(sub {
		return !$self->{handshake} || $self->{ended};
	}, $timeout);

	return $self->{tls} && !$self->{tls_error} ? 1 : 0;
}

# version, cipher, sni, alpn, subject and certificate of the peer

sub tls_info {
	my ($self) = @_;

	return unless $self->{tls} && $self->{sock};
	my $s = $self->{sock};

	return {
		version => scalar $s->get_sslversion(),
		cipher => scalar $s->get_cipher(),
		sni => $self->{tls_server} ? scalar $s->get_servername()
			: undef,
		alpn => scalar $s->alpn_selected(),
		subject => scalar $s->peer_certificate('subject'),
		cert => scalar $s->peer_certificate(),
		resumed => scalar $s->get_session_reused(),
	};
}

# hooks for subclasses

sub on_tls { }
sub on_input { }
sub on_end { }
sub label { 'peer' }

sub _log {
	my ($self, $text) = @_;
	Test::Nginx::log_core($self->label() . "#$self->{serial} --", $text);
}

# the peer broke a rule: the test must not go on

sub violation {
	my ($self, $text) = @_;
	push @{$self->{violations}}, $text;
	die $self->label() . "#$self->{serial}: $text\n";
}

###############################################################################

sub want_read {
	my ($self) = @_;
	return 0 if $self->{ended} || $self->{busy};
	return $self->{tls_want} eq 'r' if $self->{handshake};
	return !$self->{stalled};
}

sub want_write {
	my ($self) = @_;
	return 0 if $self->{ended} && $self->{ended} ne 'fin'
		&& $self->{ended} ne 'notify';
	return $self->{tls_want} eq 'w' if $self->{handshake};
	return length $self->{out} > 0;
}

sub ready_now {
	my ($self) = @_;
	return 0 if $self->{stalled} || $self->{ended} || $self->{busy}
		|| $self->{handshake};
	return $self->{tls} && $self->{sock}->pending() > 0;
}

sub handle {
	my ($self, $r, $w) = @_;

	# a callback of this very connection may wait for something else

	if ($self->{busy}) {
		$self->_flush() if $w && !$self->{handshake};
		return;
	}

	if ($self->{handshake}) {
		$self->_handshake() if $r || $w;
		return unless $self->{sock} && !$self->{handshake};
		$r = 1;
	}

	$self->_flush() if $w;
	$self->_read() if $r || $self->ready_now();
}

sub _read {
	my ($self) = @_;

	for (1 .. 256) {
		return if !$self->{sock} || $self->{handshake}
			|| $self->{stalled} || $self->{ended};

		$! = 0;
		my $n = sysread($self->{sock}, my $buf, 16384);

		if (!defined $n) {
			return if $!{EAGAIN} || $!{EWOULDBLOCK} || $!{EINTR};

			if ($!{ECONNRESET} || !$self->{tls}) {
				$self->_ended('reset');
				return;
			}

			# openssl 3 sees a missing close_notify as an error

			$self->{tls_error} = "$IO::Socket::SSL::SSL_ERROR";
			$self->_ended($self->{tls_error} =~ /alert/ ? 'alert'
				: $self->{tls_error} =~ /unexpected eof/
				? 'fin' : 'tls');
			return;
		}

		if ($n == 0) {
			$self->_ended($self->{tls} && $self->_notified()
				? 'notify' : 'fin');
			return;
		}

		Test::Nginx::log_core($self->label() . "#$self->{serial} <<",
			$buf);

		$self->{received} .= $buf;
		$self->{unread} .= $buf;

		local $self->{busy} = 1;
		$self->on_input($buf);
	}
}

# whether close_notify was received

sub _notified {
	my ($self) = @_;
	my $ssl = $self->{sock}->_get_ssl_object() or return 0;
	return Net::SSLeay::get_shutdown($ssl) & 2 ? 1 : 0;
}

sub _ended {
	my ($self, $how) = @_;
	return if $self->{ended};
	$self->{ended} = $how;
	$self->_log("closed by peer: $how"
		. ($self->{tls_error} ? " ($self->{tls_error})" : ''));
	$self->on_end();
}

sub _flush {
	my ($self) = @_;

	while (length $self->{out} && $self->{sock} && !$self->{handshake}) {
		my $size = $self->{chunk} || 16384;
		my $n = syswrite($self->{sock}, $self->{out},
			$size < length $self->{out} ? $size
			: length $self->{out});

		if (!defined $n) {
			return if $!{EAGAIN} || $!{EWOULDBLOCK} || $!{EINTR};
			$self->{out} = '';
			$self->{write_error} = "$!";

			# what was received before the reset is still there

			return;
		}

		substr($self->{out}, 0, $n, '');
	}
}

###############################################################################

# sends any bytes

sub send {
	my ($self, $bytes) = @_;

	utf8::encode($bytes) if utf8::is_utf8($bytes);

	Test::Nginx::log_core($self->label() . "#$self->{serial} >>", $bytes);

	return 0 unless $self->{sock};
	$self->{out} .= $bytes;
	$self->_flush();

	return $self;
}

# sends bytes in pieces of the given size, as separate segments and TLS records

sub send_split {
	my ($self, $bytes, $size) = @_;

	$size ||= 1;
	utf8::encode($bytes) if utf8::is_utf8($bytes);

	Test::Nginx::log_core($self->label() . "#$self->{serial} >>", $bytes);

	while (length $bytes && $self->{sock}) {
		$self->{out} .= substr($bytes, 0, $size, '');
		$self->_flush();
		$self->flush();
		Test::Nginx::Peers::pump(0.0005);
	}

	return $self;
}

# waits until everything is written

sub flush {
	my ($self, $timeout) = @_;

	return Test::Nginx::Peers::wait_until(sub {
		return !length $self->{out} || !$self->{sock};
	}, $timeout);
}

# bytes received since the last call; waits for some

sub read_raw {
	my ($self, $timeout) = @_;

	Test::Nginx::Peers::wait_until(sub {
		return length $self->{unread} || $self->{ended};
	}, $timeout);

	my $bytes = $self->{unread};
	$self->{unread} = '';

	return length $bytes ? $bytes : undef;
}

# waits until unread bytes match, takes and returns them to the match's end

sub expect_raw {
	my ($self, $re, $timeout) = @_;
	my $end;

	Test::Nginx::Peers::wait_until(sub {
		return $end = $+[0] if $self->{unread} =~ $re;
		return $self->{ended};
	}, $timeout);

	return unless defined $end;
	return substr($self->{unread}, 0, $end, '');
}

# true if nothing at all is received in the given time

sub silent {
	my ($self, $seconds) = @_;
	my $before = length $self->{received};

	Test::Nginx::Peers::idle($seconds);

	return length $self->{received} == $before && !$self->{ended};
}

# waits for the end of what the peer sends; true if it came

sub eof_within {
	my ($self, $timeout) = @_;
	return Test::Nginx::Peers::wait_until(sub { $self->{ended} }, $timeout)
		? 1 : 0;
}

# how the peer ended: fin, notify (TLS close_notify), reset, alert (a fatal
# one), tls (other failures of TLS); undef while it lives

sub closed {
	my ($self) = @_;
	Test::Nginx::Peers::pump(0) unless $self->{ended};
	return $self->{ended};
}

# stops and resumes reading: the peer sees full buffers

sub stall {
	my ($self, $on) = @_;
	$self->{stalled} = defined $on ? $on : 1;
	return $self;
}

# TLS close_notify and FIN, once everything is written

sub close {
	my ($self) = @_;

	return unless $self->{sock};

	if ($self->{pid} == $$ && length $self->{out} && !$self->{ended}) {
		eval { $self->flush(); };
	}

	Test::Nginx::Peers::remove($self);

	my $s = delete $self->{sock};
	$self->{ended} ||= 'closed';

	if ($s->isa('IO::Socket::SSL')) {
		$s->close($self->{handshake} || $self->{pid} != $$
			? (SSL_no_shutdown => 1) : ());
		return;
	}

	CORE::close($s);
}

# FIN only: no close_notify, and reading goes on

sub half_close {
	my ($self) = @_;
	$self->flush();
	shutdown($self->{sock}, 1);
}

# TLS close_notify only

sub close_notify {
	my ($self) = @_;
	$self->flush();
	Net::SSLeay::shutdown($self->{sock}->_get_ssl_object());
}

# TCP reset

sub reset {
	my ($self) = @_;

	return unless $self->{sock};

	setsockopt($self->{sock}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
	Test::Nginx::Peers::remove($self);
	$self->{ended} ||= 'closed';
	$self->abandon();
}

sub DESTROY {
	my ($self) = @_;
	local ($!, $@, $?);

	return unless $self->{sock};

	Test::Nginx::Peers::remove($self);

	if ($self->{pid} != $$) {
		$self->abandon();
		return;
	}

	$self->{out} = '';
	$self->close();
}

###############################################################################

1;

###############################################################################
