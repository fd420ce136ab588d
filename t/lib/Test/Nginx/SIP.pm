package Test::Nginx::SIP;

# Scripted SIP peer: one connection, opened by us or by the gateway.

###############################################################################

use warnings;
use strict;

use Scalar::Util qw/ weaken /;

use Test::Nginx::Peers;

our @ISA = qw/ Test::Nginx::Peers::Conn /;

###############################################################################

my %compact = (
	a => 'accept-contact', b => 'referred-by', c => 'content-type',
	d => 'request-disposition', e => 'content-encoding', f => 'from',
	i => 'call-id', j => 'reject-contact', k => 'supported',
	l => 'content-length', m => 'contact', n => 'identity-info',
	o => 'event', r => 'refer-to', s => 'subject', t => 'to',
	u => 'allow-events', v => 'via', x => 'session-expires',
	y => 'identity',
);

my %single = map { $_ => 1 } qw/ from to call-id cseq max-forwards
	content-length content-type event expires min-expires
	subscription-state content-encoding content-disposition /;

our %REASON = (
	100 => 'Trying', 180 => 'Ringing', 200 => 'OK', 202 => 'Accepted',
	302 => 'Moved Temporarily', 400 => 'Bad Request',
	401 => 'Unauthorized', 403 => 'Forbidden', 404 => 'Not Found',
	405 => 'Method Not Allowed', 406 => 'Not Acceptable',
	407 => 'Proxy Authentication Required', 408 => 'Request Timeout',
	410 => 'Gone', 413 => 'Request Entity Too Large',
	415 => 'Unsupported Media Type', 416 => 'Unsupported URI Scheme',
	420 => 'Bad Extension', 423 => 'Interval Too Brief',
	480 => 'Temporarily Unavailable',
	481 => 'Call/Transaction Does Not Exist', 482 => 'Loop Detected',
	483 => 'Too Many Hops', 486 => 'Busy Here',
	488 => 'Not Acceptable Here', 489 => 'Bad Event',
	500 => 'Server Internal Error', 501 => 'Not Implemented',
	502 => 'Bad Gateway', 503 => 'Service Unavailable',
	504 => 'Server Time-out', 505 => 'Version Not Supported',
	513 => 'Message Too Large', 600 => 'Busy Everywhere',
	603 => 'Decline', 604 => 'Does Not Exist Anywhere',
	606 => 'Not Acceptable',
);

sub token {
	return join('', map { sprintf('%08x', rand(2 ** 32)) }
		1 .. ($_[0] || 2));
}

# connects to the gateway: PeerAddr, tls => 1 (with SSL_* arguments), from =>
# default From URI, host => name for Via and Contact; undef if refused. With
# TLS it is the caller's to check tls_up()

sub connect {
	my ($class, %args) = @_;

	my $self = $class->dial(_fields(role => 'client', %args)) or return;

	if ($self->{use_tls}) {
		$self->start_tls(0, defined $self->{sni}
			? (SSL_hostname => $self->{sni}) : ());
		$self->wait_tls();
	}

	return $self;
}

sub _fields {
	my (%args) = @_;

	my $tls = delete $args{tls};

	return (
		strict => 1,
		auto_pong => 1,
		host => 'sp.test',
		responses => [],
		requests => [],
		crlf => 0,
		pings => 0,
		buf => '',
		%args,
		use_tls => $tls,
	);
}

# whether TLS is up; the reason is in tls_error

sub tls_up {
	my ($self) = @_;
	return $self->{tls} && !$self->{tls_error} ? 1 : 0;
}

sub label {
	my ($self) = @_;
	return "sip $self->{role}";
}

###############################################################################

# builds a request, see t/README; send it with send_request

sub build {
	my ($self, $method, $uri, %a) = @_;

	my $transport = $self->{use_tls} ? 'TLS' : 'TCP';
	my $from = defined $a{from} ? $a{from}
		: defined $self->{from} ? $self->{from} : 'sip:r@s.test';
	my $to = defined $a{to} ? $a{to} : $uri;

	$from = "<$from>" unless $from =~ /</;
	$to = "<$to>" unless $to =~ /</;
	$from .= ';tag=' . token() unless $from =~ />.*;\s*tag=/;

	my $body = defined $a{body} ? $a{body} : '';
	utf8::encode($body) if utf8::is_utf8($body);

	my $cseq = defined $a{cseq} ? $a{cseq} : ++$self->{cseq};

	my @h = (
		['Via', "SIP/2.0/$transport $self->{host};branch="
			. (defined $a{branch} ? $a{branch}
			: 'z9hG4bK' . token()) . ($a{alias} ? ';alias' : '')],
		['Max-Forwards', 70],
		['From', $from],
		['To', $to],
		['Call-ID', defined $a{call_id} ? $a{call_id} : token(3)],
		['CSeq', "$cseq $method"],
	);

	push @h, ['Contact', "<sip:$self->{host}"
		. ($self->{use_tls} ? '' : ';transport=tcp') . '>']
		if $method =~ /^(?:SUBSCRIBE|NOTIFY|INVITE|UPDATE|REFER)$/;

	push @h, _pairs($a{headers});

	push @h, ['Content-Type', defined $a{content_type} ? $a{content_type}
		: 'text/plain'] if length $body
		&& !grep { lc $_->[0] eq 'content-type' } @h;
	push @h, ['Content-Length', length $body];

	# capitalized arguments replace headers, or take them out

	foreach my $name (grep { /^[A-Z]/ } sort keys %a) {
		my $v = $a{$name};
		my @v = !defined $v ? () : ref $v ? @$v : ($v);
		my ($done, @new);

		foreach my $h (@h) {
			if (lc $h->[0] ne lc $name) {
				push @new, $h;
				next;
			}

			push @new, map { [$name, $_] } @v unless $done++;
		}

		push @new, map { [$name, $_] } @v unless $done;
		@h = @new;
	}

	my $raw = "$method $uri SIP/2.0\x0d\x0a"
		. join('', map { "$_->[0]: $_->[1]\x0d\x0a" } @h) . "\x0d\x0a";
	utf8::encode($raw) if utf8::is_utf8($raw);
	$raw .= $body;

	return Test::Nginx::SIP::Message->parse($raw);
}

sub _pairs {
	my ($headers) = @_;

	return () unless defined $headers;

	if (ref $headers eq 'HASH') {
		return map { [$_, $headers->{$_}] } sort keys %$headers;
	}

	return map {
		ref $_ ? $_ : /^([^:]+?)\s*:\s*(.*)$/s ? [$1, $2]
			: die "sip: not a header: $_\n"
	} @$headers;
}

# builds and sends a request, returns it

sub request {
	my ($self, $method, $uri, %a) = @_;
	my $m = $self->build($method, $uri, %a);
	$self->send($m->raw());
	return $m;
}

# sends bytes, or a message

sub send_raw {
	my ($self, $what) = @_;
	return $self->send(ref $what ? $what->raw() : $what);
}

sub send_request { goto &send_raw; }

# request and its final response

sub transact {
	my ($self, $method, $uri, %a) = @_;
	return $self->response_to($self->request($method, $uri, %a),
		$a{timeout});
}

# next response; with final => 1 1xx are passed over

sub response {
	my ($self, $timeout, %a) = @_;
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		shift @{$self->{responses}} while $a{final}
			&& @{$self->{responses}}
			&& $self->{responses}[0]->code() < 200;
		return $found = shift @{$self->{responses}}
			if @{$self->{responses}};
		return $self->{ended};
	}, $timeout);

	return $found;
}

# final response to a request; others stay in the queue

sub response_to {
	my ($self, $req, $timeout) = @_;
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		my $q = $self->{responses};

		for my $i (0 .. $#$q) {
			next unless $q->[$i]->answers($req);
			next if $q->[$i]->code() < 200;
			$found = splice(@$q, $i, 1);
			return 1;
		}

		return $self->{ended};
	}, $timeout);

	return $found;
}

# next request on this connection, optionally of a method

sub wait_request {
	my ($self, $timeout, $method) = @_;
	return _take($self, $self->{requests}, $timeout, $method);
}

sub _take {
	my ($self, $q, $timeout, $method) = @_;
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		for my $i (0 .. $#$q) {
			next if defined $method && $q->[$i]->method() ne $method;
			$found = splice(@$q, $i, 1);
			return 1;
		}

		return $self->{ended};
	}, $timeout);

	return $found;
}

# builds a response: headers and overrides as with build; tag => undef leaves
# the To tag out

sub build_reply {
	my ($self, $req, $code, $reason, %a) = @_;

	$reason = $REASON{$code} unless defined $reason;
	$reason = 'Unknown' unless defined $reason;

	my $to = $req->header('To');

	if ($code > 100 && $to !~ />.*;\s*tag=|^[^<]*;\s*tag=/i) {
		my $tag = exists $a{tag} ? $a{tag}
			: ($req->{local_tag} ||= token());
		$to .= ";tag=$tag" if defined $tag;
	}

	my $body = defined $a{body} ? $a{body} : '';

	my @h = (
		(map { ['Via', $_] } $req->all('Via')),
		(map { ['Record-Route', $_] } $code > 100 && $code < 300
			? $req->all('Record-Route') : ()),
		['From', $req->header('From')],
		['To', $to],
		['Call-ID', $req->header('Call-ID')],
		['CSeq', $req->header('CSeq')],
		_pairs($a{headers}),
	);

	push @h, ['Contact', "<sip:$self->{host}"
		. ($self->{use_tls} ? '' : ';transport=tcp') . '>']
		if $code >= 200 && $code < 300 && $req->method()
			=~ /^(?:SUBSCRIBE|NOTIFY|INVITE)$/
		&& !grep { lc $_->[0] eq 'contact' } @h;
	push @h, ['Expires', $req->header('Expires')]
		if $code >= 200 && $code < 300 && $req->method() eq 'SUBSCRIBE'
		&& defined $req->header('Expires')
		&& !grep { lc $_->[0] eq 'expires' } @h;
	push @h, ['Content-Type', defined $a{content_type} ? $a{content_type}
		: 'text/plain'] if length $body;
	push @h, ['Content-Length', length $body];

	foreach my $name (grep { /^[A-Z]/ } keys %a) {
		@h = grep { lc $_->[0] ne lc $name } @h;
		push @h, [$name, $a{$name}] if defined $a{$name};
	}

	return "SIP/2.0 $code $reason\x0d\x0a"
		. join('', map { "$_->[0]: $_->[1]\x0d\x0a" } @h)
		. "\x0d\x0a$body";
}

# answers a request on the connection it came by

sub reply {
	my ($self, $req, $code, $reason, %a) = @_;

	my $c = $req->{conn} || $self;
	my $raw = $self->build_reply($req, $code, $reason, %a);

	$req->{answered} = $code if $code >= 200;
	$c->send($raw);

	return Test::Nginx::SIP::Message->parse($raw);
}

###############################################################################

# sends a keepalive; true if the answer (one CRLF) came

sub ping {
	my ($self, $timeout) = @_;
	my $before = $self->{crlf};

	$self->send("\x0d\x0a\x0d\x0a");

	return Test::Nginx::Peers::wait_until(sub {
		return $self->{crlf} > $before || $self->{ended};
	}, $timeout) && $self->{crlf} > $before ? 1 : 0;
}

# number of CRLFs received between messages, and of keepalives among them

sub crlfs { return $_[0]->{crlf}; }
sub pings { return $_[0]->{pings}; }

###############################################################################

sub on_input {
	my ($self, $bytes) = @_;

	return if $self->{raw_only};

	$self->{buf} .= $bytes;

	while (1) {

		# keepalives

		if ($self->{buf} =~ /^((?:\x0d\x0a)+)/) {
			my $n = length($1) / 2;
			substr($self->{buf}, 0, 2 * $n, '');

			$self->{crlf} += $n;
			$self->{crlf_run} = ($self->{crlf_run} || 0) + $n;

			while ($self->{crlf_run} >= 2) {
				$self->{crlf_run} -= 2;
				$self->{pings}++;
				$self->send("\x0d\x0a") if $self->{auto_pong};
			}
		}

		return if $self->{buf} eq '' || $self->{buf} eq "\x0d";

		$self->_forbidden('line feed alone', $self->{buf})
			if $self->{buf} =~ /^[\x0d\x0a]/;

		my $end = index($self->{buf}, "\x0d\x0a\x0d\x0a");

		if ($end < 0) {
			$self->_forbidden('line feed alone', $self->{buf})
				if $self->{buf} =~ /(?<!\x0d)\x0a/;
			return;
		}

		my $head = substr($self->{buf}, 0, $end + 4);
		my @len = $head =~ /^Content-Length:[ \t]*([^\x0d]*)\x0d$/mgi;

		$self->_forbidden('no Content-Length', $head) if @len == 0;
		$self->_forbidden('Content-Length twice', $head) if @len > 1;
		$self->_forbidden('wrong Content-Length', $head)
			if $len[0] !~ /^\d{1,9}$/;

		return if length $self->{buf} < $end + 4 + $len[0];

		my $raw = substr($self->{buf}, 0, $end + 4 + $len[0], '');
		$self->{crlf_run} = 0;
		$self->_message($raw);
	}
}

sub _forbidden {
	my ($self, $why, $raw) = @_;
	$raw = substr($raw, 0, 400);
	$raw =~ s/([^\x20-\x7e\x0a])/$1 eq "\x0d" ? '' : sprintf('\\x%02x',
		ord $1)/ge;
	$self->{raw_only} = 1;
	$self->violation("forbidden SIP: $why in:\n$raw");
}

sub _message {
	my ($self, $raw) = @_;

	my $m = Test::Nginx::SIP::Message->parse($raw);

	if ($self->{strict}) {
		my $why = $m->check();
		$self->_forbidden($why, $raw) if defined $why;
	}

	weaken($m->{conn} = $self);
	push @{$self->{messages}}, $m;

	if ($m->is_response()) {
		my $hook = $self->{server} && $self->{server}{on_response};
		push @{$self->{responses}}, $m
			unless $hook && $hook->($m, $self);
		return;
	}

	if ($self->{server}) {
		$self->{server}->_on_request($self, $m);
		return;
	}

	$self->auto_answer($m);
	push @{$self->{requests}}, $m unless $m->{answered}
		&& $self->{auto_only};
}

# answers as the auto argument says: a code, { 'user@host' => code, METHOD =>
# code, default => code }, or a function of the request that returns a code (or
# undef for no answer) and arguments for reply

sub auto_answer {
	my ($self, $m, $auto, $from) = @_;

	$auto = $self->{auto} unless defined $auto;
	return unless defined $auto;
	return if $m->method() eq 'ACK' && ref $auto ne 'CODE';

	my ($code, @more);

	if (ref $auto eq 'CODE') {
		($code, @more) = $auto->($m, $from || $self);

	} elsif (ref $auto eq 'HASH') {
		my ($user) = $m->uri() =~ /^\w+:([^;?]*)/;

		foreach my $k ($user, $m->method(), 'default') {
			next unless exists $auto->{$k};
			$code = $auto->{$k};
			last;
		}

		($code, @more) = $code->($m, $from || $self)
			if ref $code eq 'CODE';
		($code, @more) = @$code if ref $code eq 'ARRAY';

	} else {
		$code = $auto;
	}

	return unless $code;

	($from || $self)->reply($m, $code, @more % 2 ? @more : (undef, @more));
}

sub on_end {
	my ($self) = @_;
	$self->{server}->_on_end($self) if $self->{server};
}

###############################################################################

package Test::Nginx::SIP::Message;

# A request or a response.

use warnings;
use strict;

# parses complete bytes

sub parse {
	my ($class, $raw) = @_;

	my ($head, $body) = split(/\x0d\x0a\x0d\x0a/, $raw, 2);
	my @lines = split(/\x0d\x0a/, $head, -1);
	my $start = shift @lines;

	my $self = bless {
		raw => $raw,
		head => $head,
		body => defined $body ? $body : '',
		start => $start,
		lines => [@lines],
		headers => [],
	}, $class;

	if ($start =~ m!^SIP/2\.0 (\d+) ?(.*)$!s) {
		@$self{qw/ code reason /} = ($1, $2);

	} elsif ($start =~ /^(\S+) +(\S+)/) {
		@$self{qw/ method uri /} = ($1, $2);
	}

	foreach my $line (@lines) {
		if ($line =~ /^[ \t]/ && @{$self->{headers}}) {
			$line =~ s/^[ \t]+/ /;
			$self->{headers}[-1][1] .= $line;
			next;
		}

		my ($name, $value) = $line =~ /^([^:]*?)[ \t]*:[ \t]*(.*?)[ \t]*$/s;
		next unless defined $name;
		push @{$self->{headers}}, [$name, $value];
	}

	return $self;
}

sub raw { $_[0]->{raw} }
sub body { $_[0]->{body} }
sub code { $_[0]->{code} }
sub reason { $_[0]->{reason} }
sub method { $_[0]->{method} }
sub uri { $_[0]->{uri} }
sub conn { $_[0]->{conn} }
sub start_line { $_[0]->{start} }
sub is_response { defined $_[0]->{code} }

# first value of a header

sub header {
	my ($self, $name) = @_;
	return ($self->all($name))[0];
}

# all values, one for each line

sub all {
	my ($self, $name) = @_;
	$name = lc $name;
	$name = $compact{$name} if $compact{$name};

	return map { $_->[1] } grep {
		my $n = lc $_->[0];
		$n = $compact{$n} if $compact{$n};
		$n eq $name;
	} @{$self->{headers}};
}

# names of all headers, in order

sub names { return map { $_->[0] } @{$_[0]->{headers}}; }

# values with lists taken apart

sub list {
	my ($self, $name) = @_;
	return map { /\s*((?:"(?:\\.|[^"\\])*"|<[^>]*>|[^,"<])+?)\s*(?:,|$)/g }
		$self->all($name);
}

# a parameter of a header: param('From', 'tag'), param('Via', 'branch')

sub param {
	my ($self, $name, $param) = @_;
	my $v = ($self->list($name))[0];
	return unless defined $v;
	$v =~ s/"(?:\\.|[^"\\])*"//;
	$v =~ s/<[^>]*>//;
	return $v =~ /;\s*\Q$param\E\s*(?:=\s*("[^"]*"|[^\s;,]+)|(?=[;,]|$))/i
		? defined $1 ? $1 : '' : undef;
}

# the URI of an address header

sub address {
	my ($self, $name) = @_;
	my $v = ($self->list($name))[0];
	return unless defined $v;
	return $v =~ /<([^>]*)>/ ? $1 : $v =~ /^([^;]*)/ ? $1 : undef;
}

sub call_id { $_[0]->header('Call-ID') }
sub branch { $_[0]->param('Via', 'branch') }
sub from_tag { $_[0]->param('From', 'tag') }
sub to_tag { $_[0]->param('To', 'tag') }
sub cseq { ($_[0]->header('CSeq') || '') =~ /^(\d+)/ ? $1 : undef }

# whether this response belongs to a request

sub answers {
	my ($self, $req) = @_;

	foreach my $name ('Call-ID', 'CSeq') {
		my ($x, $y) = ($self->header($name), $req->header($name));
		return 0 if defined $x && defined $y && $x ne $y;
	}

	my ($x, $y) = ($self->branch(), $req->branch());
	return !defined $x || !defined $y || $x eq $y;
}

# what is wrong with a message of the gateway, or undef

sub check {
	my ($self) = @_;
	my $head = $self->{head};

	return 'carriage return or line feed alone'
		if $head =~ /\x0d(?!\x0a)|(?<!\x0d)\x0a/;
	return 'folded header' if $head =~ /\x0a[ \t]/;

	my $copy = $head;
	return 'invalid UTF-8' unless utf8::decode($copy)
		|| $copy !~ /[\x80-\xff]/;

	if ($self->is_response()) {
		return 'wrong status line'
			unless $self->{start} =~ m!^SIP/2\.0 [1-6]\d\d \S.*$!
			|| $self->{start} =~ m!^SIP/2\.0 [1-6]\d\d $!;

	} else {
		return 'wrong request line' unless $self->{start}
			=~ m!^[A-Z]+ [a-z][-+.a-z0-9]*:[^\s<>"]+ SIP/2\.0$!i;

		# within a dialog it is what the other side wrote

		return 'transport=tls in the request line'
			if $self->{start} =~ /transport=tls/i
			&& !defined $self->to_tag();
	}

	my %seen;

	foreach my $line (@{$self->{lines}}) {
		return "malformed header \"$line\"" unless $line
			=~ /^([-.!%*_+`'~A-Za-z0-9]+):(?: (\S(?:.*\S)?)?)?$/s;

		my ($name, $value) = (lc $1, $2);

		return "short header name \"$name\"" if length $name == 1;
		return "control character in \"$name\""
			if $line =~ /[\x00-\x08\x0b-\x1f\x7f]/;
		return "header \"$name\" twice"
			if $seen{$name}++ && $single{$name};
		return "empty header \"$name\"" if !defined $value
			&& $name !~ /^(?:supported|allow|accept.*|allow-events)$/;
	}

	foreach (qw/ via from to call-id cseq /) {
		next if $seen{$_};
		next if $self->is_response() && $self->{code} >= 400;
		return "no header \"$_\"";
	}

	my $cseq = $self->header('CSeq');

	if (defined $cseq) {
		return 'wrong CSeq' unless $cseq =~ /^(\d{1,10}) (\S+)$/
			|| $self->is_response();
		return 'CSeq of another method' if !$self->is_response()
			&& $2 ne $self->{method};
		return 'CSeq over 2^31' if !$self->is_response()
			&& $1 >= 2 ** 31;
	}

	if (!$self->is_response()) {
		return 'no Max-Forwards' unless $seen{'max-forwards'};
		return 'wrong Max-Forwards'
			unless $self->header('Max-Forwards') =~ /^\d{1,3}$/;
		return 'no From tag' unless length($self->from_tag() || '');
		return 'wrong branch'
			unless ($self->branch() || '') =~ /^z9hG4bK./;

	} elsif ($self->{code} > 100 && $seen{to}) {
		return 'no To tag' unless length($self->to_tag() || '')
			|| $self->{code} == 400;
	}

	return 'body without Content-Type'
		if length $self->{body} && !$seen{'content-type'};

	return;
}

###############################################################################

package Test::Nginx::SIP::Server;

# Scripted SIP server: accepts the gateway's connections.

use warnings;
use strict;

use Scalar::Util qw/ weaken /;

our @ISA = qw/ Test::Nginx::SIP /;

# listens: listen($addr, tls => 1, SSL_*, auto => ...)

sub listen {
	my ($class, $addr, %args) = @_;

	my $self = bless {
		Test::Nginx::SIP::_fields(%args),
		role => 'server',
		addr => $addr,
		conns => [],
		seen => [],
	}, $class;

	weaken(my $weak = $self);

	$self->{listener} = Test::Nginx::Peers::Listener->new($addr,
		sub { $weak->_on_accept($_[0]) if $weak });

	return $self;
}

sub _on_accept {
	my ($self, $sock) = @_;

	my $c = Test::Nginx::SIP->attach($sock,
		Test::Nginx::SIP::_fields(role => 'server',
			map { $_ => $self->{$_} } grep { /^SSL_/
				|| /^(?:strict|host|auto_pong|from)$/ }
			keys %$self),
		use_tls => $self->{use_tls});

	weaken($c->{server} = $self);
	push @{$self->{conns}}, $c;

	my $at = $self->{at_connect};

	if (defined $at) {
		return $c->reset() if $at eq 'reset';
		return $c->close() if $at eq 'close';
		return $c->stall() if $at eq 'stall';
	}

	if ($self->{use_tls}) {
		$c->start_tls(1);
	}
}

sub _on_request {
	my ($self, $c, $m) = @_;

	push @{$self->{seen}}, $m;
	$self->auto_answer($m, $self->{auto}, $c) if defined $self->{auto};
	push @{$self->{requests}}, $m;
}

sub _on_end {
	my ($self, $c) = @_;

	$c->{out} = '' if $c->{ended} eq 'reset';
	$c->close() if $c->{sock} && !$self->{keep_open};
}

# all requests so far

sub seen { return @{$_[0]->{seen}}; }

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

# sends on the newest connection that the gateway opened

sub send {
	my ($self, $bytes) = @_;
	my ($c) = grep { $_->{sock} && !$_->{ended} } reverse @{$self->{conns}};
	die "sip server: no connection\n" unless $c;
	return $c->send($bytes);
}

# next response on any connection

sub response {
	my ($self, $timeout, %a) = @_;
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		foreach my $c (@{$self->{conns}}) {
			my $q = $c->{responses};
			shift @$q while $a{final} && @$q
				&& $q->[0]->code() < 200;
			return $found = shift @$q if @$q;
		}
	}, $timeout);

	return $found;
}

sub response_to {
	my ($self, $req, $timeout) = @_;
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		foreach my $c (@{$self->{conns}}) {
			my $q = $c->{responses};

			for my $i (0 .. $#$q) {
				next unless $q->[$i]->answers($req)
					&& $q->[$i]->code() >= 200;
				$found = splice(@$q, $i, 1);
				return 1;
			}
		}
	}, $timeout);

	return $found;
}

# requests that come over a connection we opened are ours as well

sub link {
	my ($self, @conns) = @_;
	weaken($_->{server} = $self) foreach @conns;
	return $self;
}

# the port refuses connections from now on

sub stop_listening { $_[0]->{listener}->close(); }

# ends everything

sub close {
	my ($self) = @_;
	$self->{listener}->close();
	$_->close() foreach grep { $_ } @{$self->{conns}};
	$self->{conns} = [];
}

sub addr { return $_[0]->{addr}; }

sub DESTROY { }

###############################################################################

package Test::Nginx::SIP::Dialog;

# A dialog of ours with the gateway, for SUBSCRIBE and NOTIFY.

use warnings;
use strict;

# as the one who sent the request: uac($peer, $request, $response); route and
# target may come from a NOTIFY instead of the response

sub uac {
	my ($class, $peer, $req, $res) = @_;

	return bless {
		peer => $peer,
		call_id => $req->call_id(),
		local => $req->header('From'),
		remote => $res->is_response() ? $res->header('To')
			: $res->header('From'),
		target => $res->address('Contact'),
		route => $res->is_response() ? [reverse $res->list('Record-Route')]
			: [$res->list('Record-Route')],
		cseq => $req->cseq(),
	}, $class;
}

# as the one who answered: uas($peer, $request, $reply); $reply is what
# reply() returned

sub uas {
	my ($class, $peer, $req, $res) = @_;

	return bless {
		peer => $peer,
		call_id => $req->call_id(),
		local => $res->header('To'),
		remote => $req->header('From'),
		target => $req->address('Contact'),
		route => [$req->list('Record-Route')],
		cseq => int(rand(10000)),
		event => $req->header('Event'),
	}, $class;
}

# builds an in-dialog request; arguments as of build

sub build {
	my ($self, $method, %a) = @_;

	my @route = map { "Route: $_" } @{$self->{route}};

	return $self->{peer}->build($method, $self->{target},
		from => $self->{local},
		to => $self->{remote},
		call_id => $self->{call_id},
		cseq => ++$self->{cseq},
		%a,
		headers => [@route, Test::Nginx::SIP::_pairs($a{headers})],
	);
}

# sends an in-dialog request

sub request {
	my ($self, $method, %a) = @_;
	my $m = $self->build($method, %a);
	$self->{peer}->send_raw($m);
	return $m;
}

# request and final response

sub transact {
	my ($self, $method, %a) = @_;
	return $self->{peer}->response_to($self->request($method, %a),
		$a{timeout});
}

# NOTIFY with a state ('active;expires=300', 'terminated;reason=timeout') and
# a presence document, if given

sub notify {
	my ($self, $state, $pidf, %a) = @_;

	return $self->request('NOTIFY',
		defined $pidf ? (content_type => 'application/pidf+xml',
			body => $pidf) : (),
		%a,
		headers => [
			'Event: ' . (defined $self->{event} ? $self->{event}
				: 'presence'),
			"Subscription-State: $state",
			Test::Nginx::SIP::_pairs($a{headers}),
		],
	);
}

###############################################################################

1;

###############################################################################
