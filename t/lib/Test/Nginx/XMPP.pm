package Test::Nginx::XMPP;

# Scripted XMPP server: one stream, opened by us or by the gateway.

###############################################################################

use warnings;
use strict;

use Digest::SHA qw/ sha256_hex hmac_sha256_hex /;
use Scalar::Util qw/ weaken /;

use Test::Nginx::Peers;
use Test::Nginx::XML;

our @ISA = qw/ Test::Nginx::Peers::Conn /;

###############################################################################

our $SECRET = 'secret of the test peers';

my %NS = (
	server	=> 'jabber:server',
	db	=> 'jabber:server:dialback',
	stream	=> 'http://etherx.jabber.org/streams',
	tls	=> 'urn:ietf:params:xml:ns:xmpp-tls',
	sasl	=> 'urn:ietf:params:xml:ns:xmpp-sasl',
	streams	=> 'urn:ietf:params:xml:ns:xmpp-streams',
	stanzas	=> 'urn:ietf:params:xml:ns:xmpp-stanzas',
	ping	=> 'urn:xmpp:ping',
	bidi	=> 'urn:xmpp:bidi',
);

sub esc { return Test::Nginx::XML::escape($_[0]); }

# connects to the gateway: PeerAddr, from, to; undef if refused

sub connect {
	my ($class, %args) = @_;

	my $self = $class->dial(role => 'client', queue => [], log => [],
		secret => $SECRET, %args) or return;

	$self->{parser} = Test::Nginx::XML->new();

	return $self;
}

# connects and negotiates: tls => 1 | 0 | 'direct' | 'optional';
# auth => 'external' | 'dialback' | 'any' | 'none'; authzid, bidi.
# Dies if the gateway does not let us in, unless may_fail is set:
# then see ready() and failed()

sub login {
	my ($class, %args) = @_;

	my $self = $class->connect(tls_mode => delete $args{tls}, %args,
		auto => 1)
		or die "xmpp: can't connect to $args{PeerAddr}: $!\n";

	$self->begin();

	Test::Nginx::Peers::wait_until(sub {
		return $self->{ready} || $self->{failed};
	}, $args{timeout});

	$self->{failed} ||= 'timeout' unless $self->{ready};

	die "xmpp: login failed: $self->{failed}\n"
		if $self->{failed} && !$args{may_fail};

	return $self;
}

# stream is ready for stanzas

sub ready { return $_[0]->{ready}; }

# why login failed

sub failed { return $_[0]->{failed}; }

# starts the automatic negotiation

sub begin {
	my ($self) = @_;

	$self->{auto} = 1;
	$self->{tls_mode} = 1 unless defined $self->{tls_mode};
	$self->{auth} ||= 'any';

	if ($self->{tls_mode} eq 'direct') {
		$self->start_tls(0, SSL_hostname => $self->{to},
			SSL_alpn_protocols => ['xmpp-server']);
		return;
	}

	$self->header();
}

sub label {
	my ($self) = @_;
	return "xmpp $self->{role}" . ($self->{from} ? " $self->{from}" : '');
}

###############################################################################

# sends an initial (or response) stream header; attributes may be overridden,
# and left out with undef; a new parser is used for what follows

sub header {
	my ($self, %attrs) = @_;

	if ($self->{role} eq 'client') {
		$self->{parser} = Test::Nginx::XML->new();
		delete @$self{qw/ got_header stream_id stream_end /};
	}

	$self->send($self->header_bytes(%attrs));
}

# a stream header as a string

sub header_bytes {
	my ($self, %attrs) = @_;

	my %all = (
		'xmlns' => $NS{server},
		'xmlns:stream' => $NS{stream},
		'xmlns:db' => $NS{db},
		from => $self->{from},
		to => $self->{to},
		version => '1.0',
		'xml:lang' => 'en',
		%attrs
	);

	return "<?xml version='1.0'?><stream:stream"
		. join('', map { " $_='" . esc($all{$_}) . "'" }
			grep { defined $all{$_} } sort keys %all)
		. '>';
}

# waits for the gateway's header, returns it as an element

sub wait_header {
	my ($self, $timeout) = @_;

	Test::Nginx::Peers::wait_until(sub {
		return $self->{got_header} || $self->{ended};
	}, $timeout);

	return $self->{got_header};
}

# waits for stream features

sub features {
	my ($self, $timeout) = @_;
	return $self->expect('features', $NS{stream}, $timeout);
}

# header, wait_header, features in one; returns the features

sub open {
	my ($self, %attrs) = @_;
	$self->header(%attrs);
	$self->wait_header() or return;
	return $self->features();
}

# next top-level element; undef on timeout or end

sub read_stanza {
	my ($self, $timeout) = @_;

	Test::Nginx::Peers::wait_until(sub {
		return @{$self->{queue}} || $self->{stream_end}
			|| $self->{ended};
	}, $timeout);

	return shift @{$self->{queue}};
}

# waits for an element by name (and namespace), passing over others

sub expect {
	my ($self, $name, $ns, $timeout) = @_;
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		my $q = $self->{queue};

		for my $i (0 .. $#$q) {
			next if $q->[$i]{name} ne $name;
			next if defined $ns && $q->[$i]{ns} ne $ns;
			$found = splice(@$q, $i, 1);
			return 1;
		}

		return $self->{stream_end} || $self->{ended};
	}, $timeout);

	return $found;
}

# waits for a stream error, returns its condition

sub stream_error {
	my ($self, $timeout) = @_;
	my $e = $self->{stream_error}
		|| $self->expect('error', $NS{stream}, $timeout);

	return unless $e;
	$self->{stream_error} = $e;

	return $e->condition();
}

# whether the peer closed its stream within the time

sub stream_closed {
	my ($self, $timeout) = @_;

	return Test::Nginx::Peers::wait_until(sub {
		return $self->{stream_end} || $self->{ended};
	}, $timeout) && $self->{stream_end} ? 1 : 0;
}

# closes our stream and waits for the other one; true if it ended cleanly

sub close_stream {
	my ($self, $timeout) = @_;

	$self->send('</stream:stream>') unless $self->{sent_end}++;

	my $clean = $self->stream_closed($timeout);
	$self->close();

	return $clean;
}

###############################################################################

# asks for TLS and does the handshake; true if it is up

sub starttls {
	my ($self, %ssl) = @_;

	$self->send("<starttls xmlns='$NS{tls}'/>");
	my $e = $self->expect('proceed', $NS{tls}) or return 0;
	$self->_check_rest();
	$self->start_tls(0, SSL_hostname => $self->{to}, %ssl);

	return $self->wait_tls();
}

# SASL EXTERNAL: 'success', or the condition of the failure. The authzid is
# sent as it is, base64 is the caller's: '=' by default

sub external {
	my ($self, $authzid) = @_;

	$authzid = '=' unless defined $authzid;
	$self->send("<auth xmlns='$NS{sasl}' mechanism='EXTERNAL'>"
		. "$authzid</auth>");

	$self->{in_sasl} = 1;

	return $self->sasl_answer();
}

# result of a SASL attempt: 'success', a condition, undef

sub sasl_answer {
	my ($self, $timeout) = @_;
	my $rv;

	Test::Nginx::Peers::wait_until(sub {
		my $q = $self->{queue};

		for my $i (0 .. $#$q) {
			next if $q->[$i]{ns} ne $NS{sasl};
			my $e = splice(@$q, $i, 1);
			my ($c) = grep { $_->name() ne 'text' } $e->children();
			$rv = $e->name() eq 'success' ? 'success'
				: $c ? $c->name() : 'undefined';
			return 1;
		}

		return $self->{stream_end} || $self->{ended};
	}, $timeout);

	return $rv;
}

# dialback key: hmac of receiving and originating domain and stream id

sub key {
	my ($secret, $receiving, $originating, $id) = @_;
	return hmac_sha256_hex("$receiving $originating $id",
		sha256_hex($secret));
}

# asks to be let in by dialback: 'valid', 'invalid', 'error' (then see
# dialback_answer for the element); a Server of the same secret must be
# listening, to which the gateway comes with its question

sub dialback {
	my ($self, $from, $to, $key) = @_;

	$from = $self->{from} unless defined $from;
	$to = $self->{to} unless defined $to;
	$key = key($self->{secret}, $to, $from, $self->stream_id())
		unless defined $key;

	$self->send_result($from, $to, $key);

	my $e = $self->expect('result', $NS{db}) or return;
	$self->{dialback_answer} = $e;

	return $e->attr('type');
}

sub dialback_answer { return $_[0]->{dialback_answer}; }

# sends db:result without waiting

sub send_result {
	my ($self, $from, $to, $key) = @_;
	$self->send('<db:result from=\'' . esc($from) . '\' to=\'' . esc($to)
		. "'>$key</db:result>");
}

# asks the gateway whether it made a key: type of the answer; the element is
# in verify_answer

sub verify {
	my ($self, %a) = @_;

	$self->send("<db:verify from='" . esc($a{from}) . "' to='"
		. esc($a{to}) . "' id='" . esc($a{id}) . "'>$a{key}</db:verify>");

	my $e = $self->expect('verify', $NS{db}) or return;
	$self->{verify_answer} = $e;

	return $e->attr('type');
}

sub verify_answer { return $_[0]->{verify_answer}; }

# a presence stanza: from, to, type ('available' and none are the same), id,
# show, status, priority, lang, and xml for anything else

sub presence_xml {
	my (%a) = @_;

	my $type = $a{type};
	undef $type if defined $type && $type eq 'available';

	my %attrs = (from => $a{from}, to => $a{to}, type => $type,
		id => $a{id}, 'xml:lang' => $a{lang});

	return '<presence' . join('', map { " $_='" . esc($attrs{$_}) . "'" }
			grep { defined $attrs{$_} } sort keys %attrs) . '>'
		. join('', map { "<$_>" . esc($a{$_}) . "</$_>" }
			grep { defined $a{$_} } qw/ show status priority /)
		. (defined $a{xml} ? $a{xml} : '') . '</presence>';
}

# sends presence stanzas

sub send_presence {
	my ($self, %a) = @_;
	return $self->send(presence_xml(%a));
}

# id of the gateway's response header

sub stream_id { return $_[0]->{stream_id}; }

# all elements received on this stream, those handled automatically as well

sub log { return @{$_[0]->{log}}; }

###############################################################################

sub on_input {
	my ($self, $bytes) = @_;

	return if $self->{raw_only};

	my $parser = $self->{parser};
	$parser->feed($bytes);

	while ($self->{parser} && $self->{parser} == $parser) {
		my $event = eval { $parser->next() };

		if ($@) {
			(my $why = $@) =~ s/\n$//;
			$self->{raw_only} = 1;
			$self->violation($why);
		}

		return unless $event;
		$self->_event(@$event);
	}
}

# bytes that came too early, before TLS

sub _check_rest {
	my ($self) = @_;
	my $rest = $self->{parser}->rest();
	$self->violation("bytes before TLS: $rest") if length $rest;
}

sub _event {
	my ($self, $type, $e) = @_;

	if ($type eq 'space') {
		$self->{spaces} += $e;
		$self->violation('whitespace within the SASL exchange')
			if $self->{in_sasl};
		return;
	}

	if ($type eq 'end') {
		$self->{stream_end} = 1;

		if ($self->{role} eq 'server' || $self->{auto}) {
			$self->send('</stream:stream>')
				unless $self->{sent_end}++
				|| $self->{server} && $self->{server}{no_close};
		}

		$self->{failed} ||= $self->{stream_error}
			? 'stream error ' . $self->{stream_error}->condition()
			: 'stream closed' unless $self->{ready};
		return;
	}

	if ($type eq 'header') {
		$self->violation('wrong stream element')
			if $e->name() ne 'stream' || $e->ns() ne $NS{stream};
		$self->violation('wrong stream namespace')
			if ($e->{decls}{''} || '') ne $NS{server};
		$self->violation('no dialback namespace')
			if ($e->{decls}{db} || '') ne $NS{db}
			&& $self->{strict_header};

		$self->{got_header} = $e;
		$self->{stream_id} = $e->attr('id')
			if $self->{role} eq 'client';

		$self->{server}->_on_header($self, $e)
			if $self->{role} eq 'server' && $self->{server};
		return;
	}

	push @{$self->{log}}, $e;
	delete $self->{in_sasl};
	$self->_check_element($e);

	$self->{stream_error} = $e
		if $e->name() eq 'error' && $e->ns() eq $NS{stream};

	return if $self->{role} eq 'server' && $self->{server}
		&& $self->{server}->_on_element($self, $e);

	if ($self->{role} eq 'client') {
		return if $self->{auto} && $self->_auto($e);
		return if $self->{server} && $e->ns() eq $NS{server}
			&& $self->{server}->_on_stanza($self, $e);
	}

	push @{$self->{queue}}, $e;
}

# stanzas must not use a prefix

sub _check_element {
	my ($self, $e) = @_;
	my @all = ($e);

	while (my $x = shift @all) {
		$self->violation('prefixed stanza element: ' . $e->raw())
			if $x->ns() eq $NS{server} && $x->prefix() ne '';
		push @all, $x->children();
	}

	$self->violation('element of an unknown namespace: ' . $e->raw())
		if $e->ns() eq '';
}

sub on_end {
	my ($self) = @_;
	$self->{failed} ||= "connection closed: $self->{ended}"
		. ($self->{tls_error} ? " ($self->{tls_error})" : '')
		unless $self->{ready};
	$self->{server}->_on_end($self) if $self->{server};
}

sub on_tls {
	my ($self) = @_;

	if ($self->{role} eq 'server') {
		$self->{parser} = Test::Nginx::XML->new();
		$self->{server}->_on_tls($self) if $self->{server};
		return;
	}

	$self->header() if $self->{auto};
}

# automatic negotiation of a client stream

sub _auto {
	my ($self, $e) = @_;
	my ($name, $ns) = ($e->name(), $e->ns());

	if ($name eq 'features' && $ns eq $NS{stream}) {
		return $self->_auto_features($e);
	}

	if ($name eq 'proceed' && $ns eq $NS{tls}) {
		$self->_check_rest();
		$self->start_tls(0, SSL_hostname => $self->{to});
		return 1;
	}

	if ($ns eq $NS{sasl}) {
		if ($name eq 'success') {
			$self->{authenticated} = 'external';
			$self->header();
			return 1;
		}

		my ($c) = map { $_->name() } $e->children();
		$self->{failed} = "SASL failure $c";
		return 1;
	}

	if (!$self->{ready} && $name eq 'result' && $ns eq $NS{db}) {
		$self->{dialback_answer} = $e;
		my $type = $e->attr('type') || '';

		if ($type eq 'valid') {
			$self->{authenticated} = 'dialback';
			$self->_ready();
			return 1;
		}

		$self->{failed} = "dialback $type "
			. ($e->condition() || '');
		return 1;
	}

	return 0;
}

sub _auto_features {
	my ($self, $f) = @_;

	$self->{features} = $f;

	if (!$self->{tls} && $self->{tls_mode}) {
		if ($f->child('starttls', $NS{tls})) {
			$self->send("<starttls xmlns='$NS{tls}'/>");
			return 1;
		}

		if ($self->{tls_mode} ne 'optional') {
			$self->{failed} = 'STARTTLS not offered';
			return 1;
		}
	}

	if ($self->{authenticated} || $self->{auth} eq 'none') {
		$self->_ready();
		return 1;
	}

	$self->send("<bidi xmlns='$NS{bidi}'/>") if $self->{bidi};

	my $offered = grep { $_->text() eq 'EXTERNAL' }
		map { $_->children('mechanism') }
		$f->children('mechanisms', $NS{sasl});

	if ($self->{auth} eq 'external' || $self->{auth} eq 'any' && $offered) {
		if (!$offered) {
			$self->{failed} = 'EXTERNAL not offered';
			return 1;
		}

		my $authzid = defined $self->{authzid} ? $self->{authzid} : '=';
		$self->{in_sasl} = 1;
		$self->send("<auth xmlns='$NS{sasl}' mechanism='EXTERNAL'>"
			. "$authzid</auth>");
		return 1;
	}

	$self->send_result($self->{from}, $self->{to},
		key($self->{secret}, $self->{to}, $self->{from},
			$self->stream_id()));

	return 1;
}

sub _ready {
	my ($self) = @_;
	$self->{ready} = 1;
	$self->{server}->_on_ready($self) if $self->{server};
}

###############################################################################

package Test::Nginx::XMPP::Server;

# Scripted XMPP server: accepts the gateway's streams.

use warnings;
use strict;

use Scalar::Util qw/ weaken /;

# listens; see t/README for the arguments

sub listen {
	my ($class, $addr, %args) = @_;

	my $self = bless {
		tls => 1,
		dialback => 1,
		sasl_external => 0,
		pings => 1,
		secret => $Test::Nginx::XMPP::SECRET,
		strict => 1,
		%args,
		addr => $addr,
		conns => [],
		queue => [],
		seen => [],
		outgoing => [],
		links => [],
		keys => [],
		verified => [],
		ping_list => [],
	}, $class;

	$self->{domains} = [$self->{domains}]
		if defined $self->{domains} && !ref $self->{domains};
	$self->{domains} ||= [];

	weaken(my $weak = $self);

	$self->{listener} = Test::Nginx::Peers::Listener->new($addr,
		sub { $weak->_on_accept($_[0]) if $weak });

	return $self;
}

sub _on_accept {
	my ($self, $sock) = @_;

	my $c = Test::Nginx::XMPP->attach($sock,
		role => 'server',
		queue => [],
		log => [],
		ready => 1,
		pairs => {},
		parser => Test::Nginx::XML->new(),
		map { $_ => $self->{$_} } grep { /^SSL_/ } CORE::keys %$self,
	);

	weaken($c->{server} = $self);
	push @{$self->{conns}}, $c;

	# a bad certificate is no reason to refuse TLS

	weaken(my $weak = $c);
	$c->{ssl}{SSL_verify_callback} ||= sub {
		$weak->{bad_certificate} = $_[2] unless $_[0];
		return 1;
	} unless ($self->{SSL_verify_mode} || 0) > 1;

	return if $self->_step($c, 'connect');

	if ($self->{tls} eq 'direct') {
		$c->start_tls(1, SSL_alpn_protocols => ['xmpp-server']);
	}
}

# runs what the test wants at a step of the negotiation: at => { step =>
# 'stall' | 'close' | 'reset' | 'fin' | [error => condition] | [raw => bytes]
# | code }; true if the normal action must not be taken

sub _step {
	my ($self, $c, $step, $e) = @_;

	my $what = $self->{at} && $self->{at}{$step};
	return 0 unless $what;

	if (ref $what eq 'CODE') {
		return $what->($c, $e, $self);
	}

	if ($what eq 'stall') {
		return 1;
	}

	if ($what eq 'close') {
		$c->close();
		return 1;
	}

	if ($what eq 'reset') {
		$c->reset();
		return 1;
	}

	if ($what eq 'fin') {
		$c->half_close();
		return 1;
	}

	my ($kind, $value) = @$what;

	if ($kind eq 'error') {
		$self->send_stream_error($c, $value);
		return 1;
	}

	$c->send($value);
	return 1;
}

# sends a stream error and closes the stream

sub send_stream_error {
	my ($self, $c, $condition, $more) = @_;

	$c->send($c->header_bytes()) unless $c->{sent_header}++;
	$c->send("<stream:error><$condition xmlns='$NS{streams}'/>"
		. ($more || '') . '</stream:error></stream:stream>');
	$c->{sent_end} = 1;
}

sub _random {
	return join('', map { sprintf('%08x', rand(2 ** 32)) } 1 .. 3);
}

sub _on_header {
	my ($self, $c, $h) = @_;

	$c->{peer} = $h->attr('from');
	$c->{domain} = $h->attr('to');
	$c->{id} = _random();
	push @{$c->{headers}}, $h;

	return if $self->_step($c, 'header', $h);

	$c->{from} = defined $c->{domain} ? $c->{domain}
		: $self->{domains}[0];
	$c->{to} = $c->{peer};
	$c->{sent_header} = 1;

	my $s = $c->header_bytes(id => $c->{id}, %{$self->{header} || {}});
	my $step = $c->{tls} ? 'tls-features' : 'features';

	if (@{$self->{domains}} && !grep { $_ eq lc($c->{from} || '') }
		@{$self->{domains}})
	{
		$c->send($s);
		$self->send_stream_error($c, 'host-unknown');
		return;
	}

	if (defined $h->attr('version')
		&& !($self->{header} && exists $self->{header}{version}))
	{
		if ($self->{at} && $self->{at}{$step}) {
			$c->send($s);
			return if $self->_step($c, $step, $h);
			$s = '';
		}

		$s .= $self->_features($c);
	}

	$c->send($s);
}

sub _features {
	my ($self, $c) = @_;
	my $s = '';

	return "<stream:features>$self->{features}</stream:features>"
		if defined $self->{features};

	if (!$c->{tls} && $self->{tls} && $self->{tls} ne 'direct') {
		$s .= "<starttls xmlns='$NS{tls}'>"
			. ($self->{tls} eq 'optional' ? '' : '<required/>')
			. '</starttls>';
	}

	if (($c->{tls} || !$self->{tls} || $self->{tls} eq 'optional')
		&& !$c->{external})
	{
		$s .= "<mechanisms xmlns='$NS{sasl}'><mechanism>EXTERNAL"
			. '</mechanism></mechanisms>'
			if $self->_may_external($c);
		$s .= "<dialback xmlns='urn:xmpp:features:dialback'>"
			. '<errors/></dialback>' if $self->{dialback};
	}

	$s .= "<bidi xmlns='urn:xmpp:features:bidi'/>"
		if $self->{bidi} && !$c->{external};
	$s .= $self->{extra_features}
		if defined $self->{extra_features};

	return "<stream:features>$s</stream:features>";
}

# EXTERNAL is for those whose certificate is good, or for 'always'

sub _may_external {
	my ($self, $c) = @_;

	return 0 unless $self->{sasl_external} && $c->{tls};
	return 1 if $self->{sasl_external} eq 'always' || !$self->{SSL_ca_file};
	return $c->{tls_seen}{subject} && !$c->{bad_certificate};
}

sub _on_tls {
	my ($self, $c) = @_;
	delete @$c{qw/ got_header sent_header bidi_on /};
	$c->{tls_seen} = $c->tls_info();
}

# a top-level element of the gateway; true if it was handled

sub _on_element {
	my ($self, $c, $e) = @_;
	my ($name, $ns) = ($e->name(), $e->ns());

	if ($ns eq $NS{tls} && $name eq 'starttls') {
		return 1 if $self->_step($c, 'starttls', $e);
		$c->_check_rest();
		$c->send("<proceed xmlns='$NS{tls}'/>");
		$c->flush();

		# closes, stalls here leave the handshake undone

		return 1 if $self->_step($c, 'tls', $e);
		$c->start_tls(1);
		return 1;
	}

	if ($ns eq $NS{sasl} && $name eq 'auth') {
		push @{$self->{auths}}, $e;
		return 1 if $self->_step($c, 'auth', $e);

		if ($self->{external_failure} || !$self->{sasl_external}) {
			my $why = $self->{external_failure}
				|| 'invalid-mechanism';
			$c->send("<failure xmlns='$NS{sasl}'><$why/></failure>");
			return 1;
		}

		$c->send("<success xmlns='$NS{sasl}'/>");
		$c->{external} = 1;
		delete @$c{qw/ got_header sent_header /};
		my $rest = $c->{parser}->rest();
		$c->{parser} = Test::Nginx::XML->new();
		$c->violation("bytes before success: $rest") if length $rest;
		return 1;
	}

	if ($ns eq $NS{bidi} && $name eq 'bidi') {
		$c->{bidi_on} = 1 if $self->{bidi};
		return 1;
	}

	if ($ns eq $NS{db} && !defined $e->attr('type')) {
		return $name eq 'result' ? $self->_on_result($c, $e)
			: $name eq 'verify' ? $self->_on_verify($c, $e) : 0;
	}

	if ($ns eq $NS{server} && $name =~ /^(?:message|presence|iq)$/) {
		return 1 if $self->_step($c, 'stanza', $e);
		$self->_check_proof($c, $e);
		return $self->_on_stanza($c, $e);
	}

	return 0;
}

# the gateway must not send stanzas before we let it in

sub _check_proof {
	my ($self, $c, $e) = @_;

	return if !$self->{strict} || $c->{external};

	my ($from, $to) = map { lc(_domain($e->attr($_))) } qw/ from to /;

	$c->violation('stanza on an unproven stream: ' . $e->raw())
		unless $c->{pairs}{"$from $to"};
}

sub _domain {
	my ($jid) = @_;
	return '' unless defined $jid;
	$jid =~ s!/.*!!s;
	$jid =~ s/^[^@]*@//;
	return $jid;
}

# the gateway wants to prove its domain

sub _on_result {
	my ($self, $c, $e) = @_;
	my ($from, $to) = ($e->attr('from'), $e->attr('to'));

	push @{$self->{keys}}, {
		from => $from, to => $to, id => $c->{id}, key => $e->text(),
		conn => $c,
	};

	return 1 if $self->_step($c, 'result', $e);

	$self->answer_result($c, $from, $to, $self->{result});

	return 1;
}

# answers db:result: 'valid', 'invalid' or a condition for an error

sub answer_result {
	my ($self, $c, $from, $to, $how) = @_;

	$how = 'valid' unless defined $how;
	$c->{pairs}{lc "$from $to"} = 1 if $how eq 'valid';

	$self->_answer($c, 'result', $from, $to, '', $how);
}

# the gateway asks whether a key is ours

sub _on_verify {
	my ($self, $c, $e) = @_;
	my ($from, $to, $id) = map { $e->attr($_) } qw/ from to id /;

	push @{$self->{verified}}, $e;

	return 1 if $self->_step($c, 'verify', $e);

	my $how = $self->{verify};
	$how = $e->text() eq Test::Nginx::XMPP::key($self->{secret}, $from, $to,
		$id) ? 'valid' : 'invalid' unless defined $how;

	$self->_answer($c, 'verify', $from, $to,
		" id='" . Test::Nginx::XMPP::esc($id) . "'", $how);

	return 1;
}

sub _answer {
	my ($self, $c, $name, $from, $to, $id, $how) = @_;

	my $s = "<db:$name from='" . Test::Nginx::XMPP::esc($to) . "' to='"
		. Test::Nginx::XMPP::esc($from) . "'$id type='";

	$s .= $how =~ /^(?:in)?valid$/ ? "$how'/>"
		: "error'><error type='cancel'><$how xmlns='$NS{stanzas}'/>"
			. "</error></db:$name>";

	$c->send($s);
}

sub _on_end {
	my ($self, $c) = @_;

	return if $c->{role} eq 'client';

	# what they end, we end, after everything was sent

	$c->{out} = '' if $c->{ended} eq 'reset';
	$c->close() if $c->{sock} && !$self->{keep_open};
}

###############################################################################

# a stanza of the gateway: pings are answered, bounces made, others queued

sub _on_stanza {
	my ($self, $c, $e) = @_;

	push @{$self->{seen}}, $e;
	$e->{conn} = $c;
	weaken($e->{conn});

	if ($self->{on_stanza}) {
		return 1 if $self->{on_stanza}->($self, $e, $c);
	}

	if ($e->name() eq 'iq' && ($e->attr('type') || '') eq 'get'
		&& $e->child('ping', $NS{ping}) && $self->{pings})
	{
		push @{$self->{ping_list}}, $e;

		if ($self->{ping_delay}) {
			weaken($self);
			Test::Nginx::Peers::after($self->{ping_delay},
				sub { $self->pong($e) if $self });

		} else {
			$self->pong($e);
		}

		return 1;
	}

	my $type = $e->attr('type') || '';
	my $bare = $e->attr('to');
	$bare = '' unless defined $bare;
	$bare =~ s!/.*!!s;

	my $how = $self->{bounce} && $type ne 'error' && $type ne 'result'
		? $self->{bounce}{$bare} : undef;

	if (defined $how) {
		$self->bounce($e, $how);
	}

	push @{$self->{queue}}, $e;

	return 1;
}

# answers a ping

sub pong {
	my ($self, $iq) = @_;

	if ($self->{pings} eq 'error') {
		$self->bounce($iq, 'service-unavailable');
		return;
	}

	$self->reply($iq, "<iq type='result'" . _swapped($iq) . '/>');
}

# attributes of an answer: addresses swapped, same id

sub _swapped {
	my ($e) = @_;
	my $s = '';

	foreach (['from', 'to'], ['to', 'from'], ['id', 'id']) {
		my $v = $e->attr($_->[1]);
		$s .= " $_->[0]='" . Test::Nginx::XMPP::esc($v) . "'"
			if defined $v;
	}

	return $s;
}

# returns a stanza with an error: a condition, [type, condition, extra xml],
# or code that returns the xml to send

sub bounce {
	my ($self, $e, $how) = @_;

	return $self->reply($e, scalar $how->($e)) if ref $how eq 'CODE';

	my ($type, $condition, $extra) = ref $how ? @$how : ('cancel', $how);
	my $name = $e->name();

	$self->reply($e, "<$name type='error'" . _swapped($e)
		. "><error type='$type'><$condition xmlns='$NS{stanzas}'/>"
		. ($extra || '') . "</error></$name>");
}

# sends xml in answer to a stanza, over the stream that leads back

sub reply {
	my ($self, $e, $xml) = @_;

	return unless defined $xml && length $xml;

	my $c = $e->{conn};

	if ($c && $c->{sock} && ($c->{bidi_on} || $c->{role} eq 'client')) {
		$c->send($xml);
		return;
	}

	$self->send_stanza($xml, _domain($e->attr('to')),
		_domain($e->attr('from')));
}

# sends a stanza to the gateway over a linked stream (or one made now, if
# gateway => addr was given), chosen by our domain and theirs

sub send_stanza {
	my ($self, $xml, $from, $to) = @_;

	if (!defined $from || !defined $to) {
		my $e = Test::Nginx::XML->parse($xml);
		$from = _domain($e->attr('from')) unless defined $from;
		$to = _domain($e->attr('to')) unless defined $to;
	}

	my $c = $self->stream_to($from, $to);

	if ($c && $c->{ready}) {
		$c->send($xml);
		return $c;
	}

	push @{$self->{outgoing}}, [$from, $to, $xml];

	if (!$c && defined $self->{gateway}) {
		$c = $self->_dial($from, $to);
	}

	warn "xmpp server: no stream from $from to $to, answer is kept\n"
		unless $c;

	return $c;
}

# the live stream that leads from our domain to theirs

sub stream_to {
	my ($self, $from, $to) = @_;

	my @live = grep { $_ && $_->{sock} && !$_->{ended} && !$_->{stream_end} }
		@{$self->{links}};
	my ($c) = grep { lc $_->{from} eq lc $from && lc $_->{to} eq lc $to }
		@live;

	($c) = grep { lc $_->{from} eq lc $from } @live
		if !$c && !defined $self->{gateway};

	return $c;
}

# answers go over this stream; it must be ready for stanzas

sub link {
	my ($self, @streams) = @_;

	foreach my $c (@streams) {
		push @{$self->{links}}, $c;
		weaken($c->{server} = $self);
		$c->{ready} = 1 unless $c->{auto};
		$self->_on_ready($c) if $c->{ready};
	}

	return $self;
}

sub _dial {
	my ($self, $from, $to) = @_;

	my %dial = (tls => $self->{tls}, %{$self->{dial} || {}});
	my $tls = delete $dial{tls};

	my $c = Test::Nginx::XMPP->connect(
		(map { $_ => $self->{$_} } grep { /^SSL_/ } CORE::keys %$self),
		auth => $self->{sasl_external} ? 'any' : 'dialback',
		%dial,
		tls_mode => $tls,
		PeerAddr => $self->{gateway},
		secret => $self->{secret},
		from => $from,
		to => $to,
	)
		or return;

	push @{$self->{links}}, $c;
	weaken($c->{server} = $self);
	$c->begin();

	return $c;
}

sub _on_ready {
	my ($self, $c) = @_;
	my @later;

	foreach (@{$self->{outgoing}}) {
		my ($from, $to, $xml) = @$_;
		my $s = $self->stream_to($from, $to);

		if ($s && $s == $c) {
			$c->send($xml);

		} else {
			push @later, $_;
		}
	}

	$self->{outgoing} = \@later;
}

###############################################################################

# next stanza, optionally of a name; others stay

sub stanza {
	my ($self, $timeout, $name) = @_;
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		my $q = $self->{queue};

		for my $i (0 .. $#$q) {
			next if defined $name && $q->[$i]->name() ne $name;
			$found = splice(@$q, $i, 1);
			return 1;
		}

		return 0;
	}, $timeout);

	return $found;
}

# next presence with the given attributes; others stay. Values are strings or
# regular expressions, type => 'available' is none. Probes are found only if
# they are asked for

sub presence {
	my ($self, $timeout, %a) = @_;
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		my $q = $self->{queue};

		for my $i (0 .. $#$q) {
			next unless _is_presence($q->[$i], %a);
			$found = splice(@$q, $i, 1);
			return 1;
		}

		return 0;
	}, $timeout);

	return $found;
}

# how many of them came so far, taken or not

sub presences {
	my ($self, %a) = @_;
	return grep { _is_presence($_, %a) } @{$self->{seen}};
}

sub _is_presence {
	my ($e, %a) = @_;

	return 0 if $e->name() ne 'presence';

	my $type = $e->attr('type');
	$type = 'available' unless defined $type;
	return 0 if $type eq 'probe' && !defined $a{type};

	foreach my $name (CORE::keys %a) {
		my $want = $a{$name};
		next unless defined $want;

		my $v = $name eq 'type' ? $type : $e->attr($name);
		return 0 if !defined $v || (ref $want ? $v !~ $want
			: $v ne $want);
	}

	return 1;
}

# sends a presence from our domain to the gateway

sub send_presence {
	my ($self, %a) = @_;
	return $self->send_stanza(Test::Nginx::XMPP::presence_xml(%a));
}

# all stanzas so far, pings as well, in order

sub seen { return @{$_[0]->{seen}}; }

# pings that were answered automatically

sub pings { return @{$_[0]->{ping_list}}; }

# db:result of the gateway: hashes of from, to, id, key, conn

sub keys { return @{$_[0]->{keys}}; }

# db:verify of the gateway

sub verified { return @{$_[0]->{verified}}; }

# connections so far; wait_conn waits for the next one

sub conns { return @{$_[0]->{conns}}; }
sub conn { return $_[0]->{conns}[-1]; }

sub wait_conn {
	my ($self, $timeout) = @_;
	$self->{waited} = 0 unless defined $self->{waited};

	Test::Nginx::Peers::wait_until(sub {
		return @{$self->{conns}} > $self->{waited};
	}, $timeout)
		or return;

	return $self->{conns}[$self->{waited}++];
}

# changes the behaviour: set(at => {...}, bounce => {...}, pings => 0)

sub set {
	my ($self, %args) = @_;
	@$self{CORE::keys %args} = values %args;
	return $self;
}

# stops listening

sub stop_listening { $_[0]->{listener}->close(); }

# ends everything

sub close {
	my ($self) = @_;
	$self->{listener}->close();
	$_->close() foreach grep { $_ } @{$self->{conns}}, @{$self->{links}};
	$self->{conns} = [];
	$self->{links} = [];
}

sub addr { return $_[0]->{addr}; }

###############################################################################

1;

###############################################################################
