package Test::Nginx::Edge;

# (C) The ngx_xmpp_sip_module authors

# An Access Edge of Microsoft's, with clients of several generations behind it.
# What they send are the files of t/edge, filled in; what they get is judged by
# what is known of them (ocs-wire), and by RFC 3261.

###############################################################################

use warnings;
use strict;

use MIME::Base64 qw/ encode_base64 /;
use Scalar::Util qw/ weaken /;
use Test::More ();

use Test::Nginx qw/ port /;
use Test::Nginx::Peers;
use Test::Nginx::SIP;
use Test::Nginx::XML;

use base qw/ Exporter /;
our @EXPORT = qw/ case chat chat_state /;

###############################################################################

our $CHAT_STATES = 'http://jabber.org/protocol/chatstates';

# all generations of clients that there are files of

our @GENERATIONS = qw/ lcc-1.3 oc-2.0 oc-3.5 uccapi-15 oc-16.0 sipe /;

# header fields that a partner must not send (ocs-wire 5.1), and option tags
# that promise what we do not do (2.1, 4.1)

my @FORBIDDEN = qw/ ms-edge-proxy-message-trust P-Asserted-Identity
	ms-split-domain-info ms-user-data Proxy-Require Require Session-Expires
	Compression /;
my @PROMISES = qw/ ms-text-format ms-embedded-first-message ms-benotify
	ms-piggyback-first-notify com.microsoft.autoextend timer
	com.microsoft.rtc-multiparty ms-conf-invite 100rel /;

# Listens as the Edge of s.test, which the gateway dials; the links that it
# opens itself, "links" of them, come up when they are needed.  Arguments:
# generation of clients; routes => 0: do not judge Record-Route and Contact of
# the gateway; spread => 1: each request goes over the next link.

sub new {
	my ($class, $g, %args) = @_;

	my $self = bless {
		generation => 'oc-16.0',
		host => 'edge.test',
		domain => 's.test',
		peer_domain => 'x.test',
		peer_domains => [],
		gateway => 'gw.test',
		links => 1,
		routes => 1,
		spread => 0,
		%args,
		g => $g,
		link => [],
		turn => 0,
		clients => {},
		sessions => {},
		transactions => {},
		conversations => {},
		queue => [],
		wrong => [],
		stray => [],
	}, $class;

	weaken($self->{g});

	my $server = $self->{server} = Test::Nginx::SIP::Server->listen(
		'127.0.0.1:' . port(8061), tls => 1, $g->{ca}->ssl('edge'),
		host => $self->{host});

	weaken(my $weak = $self);
	$server->set(auto => sub { $weak ? $weak->_on_request(@_) : 0 },
		on_response => sub { $weak ? $weak->_on_response(@_) : 1 });

	return $self;
}

sub server { return $_[0]->{server}; }

sub set {
	my ($self, %args) = @_;
	@$self{keys %args} = values %args;
	return $self;
}

# a link of ours, opened if it is not there

sub link {
	my ($self, $i) = @_;

	my $c = $self->{link}[$i ||= 0];
	return $c if $c && $c->{sock} && !$c->{ended};

	$c = Test::Nginx::SIP->connect(PeerAddr => '127.0.0.1:' . port(8062),
		tls => 1, $self->{g}{ca}->ssl('edge'), host => $self->{host})
		or die "edge: can't connect\n";
	die "edge: no TLS: $c->{tls_error}\n" unless $c->tls_up();

	$self->{server}->link($c);

	return $self->{link}[$i] = $c;
}

# closes the links of ours

sub unlink {
	my ($self) = @_;
	$_->close() foreach grep { $_ && $_->{sock} } @{$self->{link}};
	$self->{link} = [];
}

# a user with a client: client('r@s.test', generation => 'oc-2.0')

sub client {
	my ($self, $user, %args) = @_;
	return Test::Nginx::Edge::Client->new($self, $user, %args);
}

# what was wrong so far, as text; empty is good

sub wrong {
	my ($self, $why, $m) = @_;

	if (defined $why) {
		push @{$self->{wrong}}, $why;
		Test::More::diag("edge: $why" . ($m ? " in\n$m->{head}" : ''))
			unless $self->{silent};
	}

	return join("\n", @{$self->{wrong}});
}

# the same, and it counts no more

sub forgive {
	my ($self) = @_;
	return join("\n", splice(@{$self->{wrong}}));
}

# requests that belonged to nothing

sub stray { return @{$_[0]->{stray}}; }

# Next message that a user of XMPP got, as a line: "r@s.test u@x.test: text",
# "r@s.test u@x.test composing", "r@s.test u@x.test error m1 item-not-found";
# those of others stay in the queue.  "nothing" if there is none.

sub told {
	my ($self, $user, $timeout) = @_;
	my $q = $self->{g}{x}{queue};
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		for my $i (0 .. $#$q) {
			next if $q->[$i]->name() ne 'message';
			next if defined $user
				&& ($q->[$i]->attr('to') // '')
				!~ /^\Q$user\E(?:\/|$)/;
			$found = splice(@$q, $i, 1);
			return 1;
		}

		return 0;
	}, $timeout);

	return line($found);
}

sub line {
	my ($e) = @_;

	return 'nothing' unless $e;

	my $s = join(' ', map { ($e->attr($_) // '') =~ s!/.*!!sr }
		qw/ from to /);

	return "$s error " . ($e->attr('id') // '') . ' ' . $e->condition()
		if ($e->attr('type') // '') eq 'error';

	return "$s: " . $e->text('body') if $e->child('body');

	my ($state) = grep { $e->child($_, $CHAT_STATES) }
		qw/ active composing paused inactive gone /;

	return "$s " . ($state // $e->raw());
}

# true if the user got no message: one from somebody else has gone the same way

sub quiet {
	my ($self, $user, %a) = @_;
	my $body = 'settled ' . ++$self->{serial};

	my $client = $self->{settler}
		||= $self->client("settler\@$self->{domain}");
	my $m = $client->request('message-page',
		"settled\@$self->{peer_domain}", text => $body, %a);

	$self->told("settled\@$self->{peer_domain}") =~ /: \Q$body\E$/
		or die "edge: a message from SIP did not cross\n";

	my $line = $self->told($user, 0);
	Test::More::diag("edge: not quiet: $line") if $line ne 'nothing';

	return $line eq 'nothing' ? 1 : 0;
}

# stanzas of a user of XMPP: a text, a chat state

sub chat {
	my ($from, $to, $text, %a) = @_;
	return _message($from, $to, '<body>' . Test::Nginx::XML::escape($text)
		. '</body>', %a);
}

sub chat_state {
	my ($from, $to, $state, %a) = @_;
	return _message($from, $to, "<$state xmlns='$CHAT_STATES'/>", %a);
}

sub _message {
	my ($from, $to, $xml, %a) = @_;

	%a = (from => $from, to => $to, type => 'chat', id => 'c'
		. Test::Nginx::SIP::token(1), %a);

	return '<message' . join('', map { " $_='$a{$_}'" }
		grep { defined $a{$_} } sort keys %a) . ">$xml</message>";
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

###############################################################################

# Files: t/edge/<generation>/<name>, or those of the generation that its "set"
# says it is like, or of "common".  Lines that begin with "#" at their head tell
# where in ocs-wire they come from.  %%name%% is a value; a header field with
# one that is not there is left out, and with a list is repeated; %%name.ext%%
# is another file.

my (%files, %sets);

sub file {
	my ($generation, $name) = @_;

	foreach my $dir (_dirs($generation)) {
		my $text = _read("$dir/$name");
		return $text if defined $text;
	}

	die "edge: no file $name of $generation\n";
}

sub _dirs {
	my ($generation) = @_;
	my @dirs;

	while (defined $generation) {
		push @dirs, $generation;
		$generation = _set($generation)->{like};
	}

	return (@dirs, 'common');
}

sub _read {
	my ($path) = @_;

	if (!exists $files{$path}) {
		my $text;

		if (open my $fh, '<:raw', "edge/$path") {
			local $/;
			$text = <$fh>;

			die "edge: $path does not say where it comes from\n"
				unless $text =~ s/^((?:# .*\n)+)//
				&& $1 =~ /ocs-wire|RFC/;
		}

		$files{$path} = $text;
	}

	return $files{$path};
}

sub _set {
	my ($generation) = @_;

	return $sets{$generation} ||= { map {
		/^([-\w]+): (.*)$/ ? ($1, $2) : die "edge: set: $_\n"
	} split(/\n/, _read("$generation/set") // die
		"edge: no generation $generation\n") };
}

# the values of a generation

sub values_of {
	my ($generation) = @_;
	return map { %{_set($_)} } reverse _dirs($generation);
}

# fills in a file, returns bytes

sub fill {
	my ($generation, $name, %v) = @_;

	my %all = (values_of($generation), %v);
	my $text = file($generation, $name);

	$text =~ s/\n\z//;

	return _expand($text, $generation, \%all) unless $name =~ /\.sip$/;

	my ($head, $body) = split(/\n\n/, "$text\n", 2);

	$body = '' unless defined $body;
	$body =~ s/\n\z//;
	$body = _expand($body, $generation, \%all);
	$all{length} = length $body;

	my @rows = map { _row($_, $generation, \%all) } split(/\n/, $head);

	return join('', map { "$_\x0d\x0a" } @rows) . "\x0d\x0a$body";
}

sub _row {
	my ($row, $generation, $v) = @_;

	my ($name) = $row =~ /%%([-\w]+)%%/;
	my $values = defined $name ? $v->{$name} : undef;

	return $row unless defined $name;
	return map { _row($row, $generation, { %$v, $name => $_ }) } @$values
		if ref $values;

	foreach ($row =~ /%%([-\w]+)%%/g) {
		return unless defined $v->{$_};
	}

	return _expand($row, $generation, $v);
}

# values may have others within; files have CRLF at the ends of their lines

sub _expand {
	my ($text, $generation, $v) = @_;

	$text =~ s/\x0d?\n/\x0d\x0a/g;
	$text =~ s{%%([-\w.]+)%%}{
		my $name = $1;
		my $value;

		if ($name =~ /\./) {
			$value = _expand(file($generation, $name), $generation,
				$v);

		} else {
			$value = defined $v->{$name} ? $v->{$name} : '';
			$value =~ s/%%([-\w]+)%%/$v->{$1} \/\/ ''/ge;
		}

		$value;
	}ge;

	return $text;
}

sub b64 {
	my ($bytes) = @_;
	return encode_base64($bytes, '');
}

# font and colours, which are in msgr=: ocs-wire 2.3

sub msgr {
	my $text = 'X-MMS-IM-Format: FN=MS%20Shell%20Dlg%202; EF=; CO=0; CS=0; '
		. "PF=0\x0d\x0a\x0d\x0a";
	my $s = b64(join('', map { pack('v', ord) } split(//, $text)));
	$s =~ s/=+$//;
	return $s;
}

sub hex_of {
	my ($n) = @_;
	return uc substr(Test::Nginx::SIP::token(8), 0, $n);
}

# what the pool and the Edge add on the way: ocs-wire 5.1

sub vias {
	my ($self) = @_;

	return (
		'edge-via' => 'SIP/2.0/TLS 10.0.0.5:5061;branch=z9hG4bK'
			. hex_of(8) . '.' . hex_of(16) . ';branched=FALSE;'
			. 'ms-internal-info="' . b64(hex_of(9)) . '"',
		'pool-via' => 'SIP/2.0/TLS 192.168.73.7:5061;branch=z9hG4bK'
			. hex_of(8) . '.' . hex_of(8) . ';branched=TRUE;'
			. 'ms-received-port=47696;ms-received-cid=200',
	);
}

sub routes {
	my ($self) = @_;

	return (
		'edge-route' => "<sip:$self->{host}:5061;transport=tls;lr;"
			. 'ms-key-info=AAEAAeOt' . hex_of(8) . '+/k%2B;'
			. 'ms-route-sig=' . hex_of(12) . '_zQ==>',
		'pool-route' => "<sip:Pool.$self->{domain}:5061;transport=tls;"
			. 'ms-fe=FE1.s.test;opaque=state:F:Ci.R' . hex_of(6)
			. ';lr;ms-route-sig=fv' . hex_of(10) . 'AAA>;'
			. 'ms-rrsig=' . hex_of(12) . 'AAA;tag=' . hex_of(32),
	);
}

# the URI of a route, with what makes it one

sub uri_of {
	my ($value) = @_;
	return $value =~ /(<[^>]*>)/ ? $1 : $value;
}

###############################################################################

# Sends a request: a file, filled in.  link => number or connection; conn is
# where it went.

sub request {
	my ($self, $generation, $name, %v) = @_;

	my $link = delete $v{link};
	my $raw = fill($generation, "$name.sip", $self->vias(), %v);
	my $m = Test::Nginx::SIP::Message->parse($raw);

	$self->transmit($m, $link);

	return $m;
}

# sends a message, maybe once more

sub transmit {
	my ($self, $m, $link) = @_;

	$link = $self->{spread} ? $self->{turn}++ % $self->{links} : 0
		unless defined $link;

	my $c = ref $link ? $link : $self->link($link);

	$m->{responses} ||= [];
	$m->{conn} = $c;
	$m->{link} = $link;
	$self->{transactions}{_transaction($m)} = $m
		unless $m->method() eq 'ACK';

	$c->send($m->raw());

	return $m;
}

sub _transaction {
	my ($m) = @_;
	return ($m->call_id() // '') . '|' . ($m->header('CSeq') // '');
}

# the final response to a request; dies if there is none

sub response {
	my ($self, $m, $timeout) = @_;

	my $r = $self->response_if($m, $timeout)
		or die 'edge: no response to ' . $m->method() . "\n";

	return $r;
}

# the same, or undef

sub response_if {
	my ($self, $m, $timeout) = @_;
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		($found) = grep { $_->code() >= 200 } @{$m->{responses}};
		return $found;
	}, $timeout);

	return $found;
}

sub _on_response {
	my ($self, $r) = @_;

	my $m = $self->{transactions}{_transaction($r)};

	if (!$m) {
		$self->wrong('response to no request', $r);
		return 1;
	}

	push @{$m->{responses}}, $r;

	$self->_judge_response($m, $r);
	$m->{on_response}->($r) if $m->{on_response};

	return 1;
}

# ocs-wire 2.1, 2.2, 5.1; RFC 3261, 8.2.6.2

sub _judge_response {
	my ($self, $m, $r) = @_;
	my $wrong = sub { $self->wrong("response to " . $m->method()
		. ": $_[0]", $r) };

	# all Vias, byte by byte; to the first one something may be added

	my @sent = $m->all('Via');
	my @got = map { split(/,\s*(?=SIP\/2\.0)/) } $r->all('Via');

	$wrong->('Via') if @sent != @got
		|| substr($got[0], 0, length $sent[0]) ne $sent[0]
		|| join("\n", @sent[1 .. $#sent])
		ne join("\n", @got[1 .. $#got]);

	$wrong->("From") if $r->header('From') ne $m->header('From');
	$wrong->("To") if index($r->header('To'), $m->header('To')) != 0;

	$self->_judge_fields($r, $wrong);

	my $method = $m->method();
	return if $r->code() < 200;

	if ($method eq 'INVITE' && $r->code() < 300) {
		$self->_judge_routes($m, $r, $wrong);
		$self->_judge_sdp($r, $wrong);

		my ($user) = $m->uri() =~ /^(sip:[^;?]+)/;
		$wrong->('m= line names somebody else') if !$m->to_tag()
			&& $r->body() !~ /^m=\S+ \d+ sip \Q$user\E\x0d$/m;

		my $media = $m->body() =~ /^m=(\S+)/m ? $1 : '';
		$wrong->('another m= line than was offered')
			if $media && $r->body() !~ /^m=\Q$media\E /m;
	}

	if ($method eq 'SUBSCRIBE' && $r->code() < 300 && !$m->to_tag()) {
		$self->_judge_routes($m, $r, $wrong);
	}

	$wrong->('body') if $method =~ /^(?:MESSAGE|INFO|BYE|CANCEL)$/
		&& length $r->body();
}

# Record-Route as it came, with that of the gateway before; Contact: its FQDN

sub _judge_routes {
	my ($self, $m, $r, $wrong) = @_;

	my $sent = join(', ', $m->all('Record-Route'));
	my @got = $r->all('Record-Route');
	my $got = join(', ', @got);

	my $ours = length $sent ? quotemeta($sent) : '';
	$wrong->("Record-Route is not echoed") unless $got =~ /(?:^|, )$ours$/;

	return unless $self->{routes};

	$wrong->("Record-Route of the gateway") unless @got
		&& $self->is_gateway_route($got[0]);
	$self->_judge_contact($r, $wrong);
}

sub _judge_contact {
	my ($self, $m, $wrong) = @_;

	my $contact = $m->address('Contact') // '';
	$wrong->("Contact $contact") unless $contact
		=~ /^sip:(?:[^@]+@)?\Q$self->{gateway}\E(?::\d+)?(?:;|$)/
		&& $contact =~ /;transport=tls(?:;|$)/;
}

# whether it is "<sip:gw.test:5061;transport=tls;lr>"

sub is_gateway_route {
	my ($self, $value) = @_;

	my ($params) = $value
		=~ /^<sip:\Q$self->{gateway}\E(?::\d+)?((?:;[^>]*)?)>/
		or return 0;

	return $params =~ /;transport=tls(?:;|$)/ && $params =~ /;lr(?:;|$)/;
}

# ocs-wire 2.2: text/plain, and only what is read; MS-SDP 3.1.5.3

sub _judge_sdp {
	my ($self, $m, $wrong) = @_;

	my $sdp = $m->body();

	$wrong->('Content-Type') if ($m->header('Content-Type') // '')
		!~ m!^application/sdp\s*(?:;|$)!;
	$wrong->("SDP:\n$sdp") if $sdp !~ /^v=0\x0d\x0ao=\S+\x20\d+\x20\d+\x20
		IN\x20IP[46]\x20\S+\x0d\x0as=[^\x0d]+\x0d\x0ac=IN\x20IP[46]
		[^\x0d]+\x0d\x0at=0\x200\x0d\x0a(?:m=message\x20\d+\x20sip\x20
		\S+\x0d\x0aa=accept-types:[^\x0d]+|m=x-ms-message\x20\d+\x20
		sip\x20\S+)\x0d\x0a$/x;

	return if $sdp =~ /^m=x-ms-message /m;

	my ($types) = $sdp =~ /^a=accept-types:\s*([^\x0d]*?)\s*\x0d$/m;
	my @types = split(' ', $types // '');

	$wrong->('accept-types without text/plain')
		unless grep { $_ eq 'text/plain' } @types;
	$wrong->("accept-types $_") for grep { !m!^(?:text/plain|text/html|
		multipart/alternative|multipart/related)$!x } @types;
}

sub _judge_fields {
	my ($self, $m, $wrong) = @_;

	my %name = map { lc($_) => 1 } $m->names();

	$wrong->("$_ is not for a partner to send")
		for grep { $name{lc $_} } @FORBIDDEN;

	my %tag = map { lc($_) => 1 } map { split(/\s*,\s*/) }
		$m->all('Supported');

	$wrong->("Supported: $_ promises too much")
		for grep { $tag{$_} } @PROMISES;
}

###############################################################################

sub _on_request {
	my ($self, $m, $c) = @_;

	weaken($m->{conn} = $c);
	$m->{time} = Test::Nginx::Peers::now();

	$self->_judge_request($m);

	my $method = $m->method();
	my $tag = $m->to_tag();

	if (defined $tag) {
		my $s = $self->{sessions}{$m->call_id() . " $tag"};

		if ($s) {
			$s->_on_request($m, $c);
			return 0;
		}
	}

	if ($method eq 'ACK' || $method eq 'CANCEL') {
		my ($s) = grep { $_ && !$_->{ours}
			&& $_->{call_id} eq $m->call_id()
			&& $_->{invite}->branch() eq $m->branch() }
			values %{$self->{sessions}};

		if ($s) {
			$s->_on_request($m, $c);
			return 0;
		}
	}

	if (!defined $tag && $method =~ /^(?:INVITE|SUBSCRIBE)$/) {
		my ($user) = $m->uri() =~ /^sip:([^;?]*)/;
		my $client = $self->{clients}{$user};

		if ($client) {
			$client->_on_request($m, $c);
			return 0;
		}
	}

	push @{$self->{stray}}, $m;

	$self->reply($m, $method eq 'OPTIONS' ? 200 : defined $tag
		|| $method eq 'CANCEL' ? 481 : 404) if $method ne 'ACK';

	return 0;
}

# ocs-wire 2.1, 5.1, 5.2

sub _judge_request {
	my ($self, $m) = @_;
	my $method = $m->method();
	my $wrong = sub { $self->wrong("$method: $_[0]", $m) };

	$wrong->('must not be sent') if $method eq 'NEGOTIATE';
	$wrong->('Via') if $m->all('Via') != 1;
	$wrong->('Max-Forwards') if $m->header('Max-Forwards') != 70;

	$self->_judge_fields($m, $wrong);

	my ($host) = $m->address('From') =~ /@([^;:>]*)/;
	$wrong->('From of a domain that is not behind the gateway')
		if !grep { ($host // '') eq $_ } $self->{peer_domain},
			@{$self->{peer_domains}};

	# RFC 3261, 20, table 2; RFC 3428, 9; ocs-wire 2.3

	$wrong->('Contact') if $method =~ /^(?:ACK|BYE|CANCEL|INFO|MESSAGE)$/
		&& defined $m->header('Contact');

	return if $method !~ /^(?:INVITE|SUBSCRIBE)$/;

	if ($self->{routes}) {
		my @rr = $m->list('Record-Route');
		$wrong->('Record-Route of the gateway') if !defined $m->to_tag()
			&& (@rr != 1 || !$self->is_gateway_route($rr[0]));
		$self->_judge_contact($m, $wrong);
	}

	return if $method ne 'INVITE';

	$self->_judge_sdp($m, $wrong);

	my $id = $m->header('Ms-Conversation-ID');
	$wrong->('no Ms-Conversation-ID') unless length($id // '');
	$wrong->('the same Ms-Conversation-ID again')
		if !defined $m->to_tag() && defined $id
		&& $self->{conversations}{$id}++;
}

# Answers a request of the gateway: a file (response, ok-invite, progress), with
# status and other values.

sub reply {
	my ($self, $m, $status, %v) = @_;

	my $name = delete $v{file} // 'response';
	my $client = delete $v{client};
	my $generation = $client ? $client->{generation} : $self->{generation};
	my $tag = delete $v{tag};

	my $to = $m->header('To');
	$tag = $m->{local_tag} ||= Test::Nginx::SIP::token(4)
		unless defined $tag;
	$to .= ";tag=$tag" . ($client ? ";epid=$client->{epid}" : '')
		unless defined $m->to_tag() || $status == 100;

	my @via = $m->all('Via');
	$via[0] .= ';received=127.0.0.1;ms-received-port=19020;'
		. 'ms-received-cid=AB5A00';

	my $raw = fill($generation, "$name.sip",
		$client ? $client->values() : (),
		vias => \@via, from => $m->header('From'), to => $to,
		'call-id' => $m->call_id(), cseq => $m->cseq(),
		method => $m->method(), status => $status,
		reason => $Test::Nginx::SIP::REASON{$status} // 'Unknown', %v);

	my $c = $m->{conn};
	$m->{answered} = $status if $status >= 200;
	$c->send($raw) if $c && $c->{sock} && !$c->{ended};

	my $r = Test::Nginx::SIP::Message->parse($raw);
	$r->{conn} = $c;

	return $r;
}

###############################################################################

package Test::Nginx::Edge::Client;

# One client of a user; the newest of several gets what is for him.

use warnings;
use strict;

use Scalar::Util qw/ weaken /;

# answer, message, info, bye => how INVITEs of the gateway and requests in their
# sessions are answered: a status, 0 (by hand), or a function of the request

sub new {
	my ($class, $edge, $user, %args) = @_;

	my $self = bless {
		generation => $edge->{generation},
		answer => 200,
		message => 200,
		info => 200,
		bye => 200,
		subscribe => 200,
		name => '"user1"',
		%args,
		edge => $edge,
		user => $user,
		epid => lc Test::Nginx::Edge::hex_of(10),
		opaque => Test::Nginx::Edge::hex_of(16) . '-xd_I7vAAA',
		incoming => [],
		heard => [],
		typed => [],
		watches => [],
		subscriptions => [],
		serial => 0,
	}, $class;

	weaken($self->{edge});
	$edge->{clients}{$user} = $self;

	return $self;
}

sub set {
	my ($self, %args) = @_;
	@$self{keys %args} = values %args;
	return $self;
}

# what files need of a client

sub values {
	my ($self) = @_;

	return (
		user => "sip:$self->{user}",
		address => $self->{user},
		opaque => $self->{opaque},
		epid => $self->{epid},
	);
}

# the contact as it is in a header

sub contact {
	my ($self) = @_;
	my %v = (Test::Nginx::Edge::values_of($self->{generation}),
		$self->values());
	(my $s = $v{contact}) =~ s/%%([-\w]+)%%/$v{$1}/g;
	return $s;
}

# Begins a session, without waiting.  file => another one than "invite"; toast
# => text of the first message; others are values of the file.

sub invite {
	my ($self, $to, %v) = @_;
	return Test::Nginx::Edge::Session->_start($self, $to, %v);
}

# the same, up to the ACK; dies if it is not accepted

sub start {
	my ($self, $to, %v) = @_;

	my $s = $self->invite($to, %v);
	my $r = $s->answer();

	die 'INVITE is answered by ' . $r->code() . ' ' . $r->reason() . "\n"
		if $r->code() >= 300;

	$s->ack();

	return $s;
}

# a request outside of a session; returns it

sub request {
	my ($self, $name, $to, %v) = @_;

	return $self->{edge}->request($self->{generation}, $name,
		$self->values(),
		uri => "sip:$to",
		peer => "sip:$to",
		from => "$self->{name}<sip:$self->{user}>;tag="
			. Test::Nginx::SIP::token(1) . ";epid=$self->{epid}",
		to => "<sip:$to>",
		contact => $self->contact(),
		'call-id' => Test::Nginx::SIP::token(4),
		cseq => 1,
		'conversation-id' => Test::Nginx::Edge::b64(
			Test::Nginx::SIP::token(2)),
		$self->{edge}->routes(),
		%v);
}

# its final response

sub transact {
	my ($self, $name, $to, %v) = @_;
	return $self->{edge}->response($self->request($name, $to, %v));
}

# next session that the gateway began; dies if there is none

sub session {
	my ($self, $timeout) = @_;

	return $self->session_if($timeout)
		|| die "no INVITE for $self->{user}\n";
}

sub session_if {
	my ($self, $timeout) = @_;

	Test::Nginx::Peers::wait_until(sub { @{$self->{incoming}} }, $timeout);

	return shift @{$self->{incoming}};
}

# text of the next MESSAGE in any session; dies if there is none

sub heard {
	my ($self, $timeout) = @_;
	my $m = $self->message($timeout)
		or die "$self->{user} heard nothing\n";
	return $m->body();
}

sub message {
	my ($self, $timeout, $session) = @_;
	return _take($self->{heard}, $timeout, $session);
}

# status of the next KeyboardActivity

sub typed {
	my ($self, $timeout, $session) = @_;
	my $m = _take($self->{typed}, $timeout, $session)
		or die "$self->{user} was not shown to type\n";
	return $m->{typing};
}

sub _take {
	my ($q, $timeout, $session) = @_;
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		for my $i (0 .. $#$q) {
			next if $session && $q->[$i]{session} != $session;
			$found = splice(@$q, $i, 1);
			return 1;
		}

		return 0;
	}, $timeout);

	return $found;
}

sub _on_request {
	my ($self, $m, $c) = @_;

	if ($m->method() eq 'SUBSCRIBE') {
		Test::Nginx::Edge::Subscription->_asked($self, $m);
		return;
	}

	my $s = Test::Nginx::Edge::Session->_invited($self, $m, $c);

	push @{$self->{incoming}}, $s;

	my $how = $self->{answer};
	$how = $how->($s, $m) if ref $how eq 'CODE';

	return unless $how;

	$how < 300 ? $s->accept() : $s->refuse($how);
}

# presence; see the packages

sub watch {
	my ($self, $to, %v) = @_;
	return Test::Nginx::Edge::Watch->_start($self, $to, %v);
}

# Presence as others see it from now on: available, away, busy, offline, and
# how it is said: pidf-draft, pidf-rpid, msrtc.

sub publish {
	my ($self, $presence, $document) = @_;

	$self->{presence} = $presence;
	$self->{document} = $document if defined $document;

	$_->notify() for grep { $_ && !$_->{over} } @{$self->{subscriptions}};
}

# next subscription to the user; dies if there is none

sub subscription {
	my ($self, $timeout) = @_;
	my $n = $self->{taken_subscriptions} || 0;

	Test::Nginx::Peers::wait_until(sub {
		return @{$self->{subscriptions}} > $n;
	}, $timeout)
		or die "no SUBSCRIBE for $self->{user}\n";

	$self->{taken_subscriptions} = $n + 1;

	return $self->{subscriptions}[$n];
}

my %presence = (
	available => [qw/ open available 300 400 /],
	away => [qw/ open away 300 100 /],
	busy => [qw/ open busy 300 600 /],
	offline => [qw/ closed offline 0 0 /],
);

sub document {
	my ($self) = @_;

	my $kind = $self->{document} || 'pidf-draft';
	my ($basic, $rpid, $availability, $activity)
		= @{$presence{$self->{presence} || 'available'}};

	return (
		'document-type' => $kind eq 'msrtc' ? 'text/xml+msrtc.pidf'
			: 'application/pidf+xml',
		document => Test::Nginx::Edge::fill($self->{generation},
			"$kind.xml", $self->values(), basic => $basic,
			availability => $availability,
			activity => $kind eq 'msrtc' ? $activity : $rpid),
	);
}

###############################################################################

package Test::Nginx::Edge::Dialog;

# What sessions and subscriptions share: requests in a dialog.

use warnings;
use strict;

# the Edge knows all of them until its end

sub _remember {
	my ($self) = @_;
	my $edge = $self->{edge};
	$edge->{sessions}{"$self->{call_id} $self->{tag}"} = $self;
}

# a request in the dialog, of a file: without waiting

sub request {
	my ($self, $name, %v) = @_;
	my $client = $self->{client};

	my $to = "<$self->{peer}>" . (defined $self->{remote_tag}
		? ";tag=$self->{remote_tag}" : '');

	$v{cseq} = ++$self->{cseq} unless exists $v{cseq};

	$v{text} = '' unless defined $v{text};
	$v{html} = Test::Nginx::XML::escape($v{text})
		unless defined $v{html};

	my $m = $self->{edge}->request($client->{generation}, $name,
		$client->values(),
		uri => $self->{target},
		peer => $self->{peer},
		from => $self->{from},
		to => $to,
		contact => $self->{contact},
		'call-id' => $self->{call_id},
		routes => $self->{their_routes},
		msgr => Test::Nginx::Edge::msgr(),
		%v);

	return $m;
}

sub response {
	my ($self, $m, $timeout) = @_;
	return $self->{edge}->response($m, $timeout);
}

sub transact {
	my ($self, $name, %v) = @_;
	return $self->response($self->request($name, %v));
}

sub _wrong {
	my ($self, $why, $m) = @_;
	$self->{edge}->wrong("dialog of $self->{client}{user} with "
		. "$self->{peer}: $why", $m);
}

# a request of the gateway in this dialog: RFC 3261, 12.2.1.1; ocs-wire 5.1

sub _judge {
	my ($self, $m) = @_;

	my $method = $m->method();

	$self->_wrong('Request-URI is not the Contact', $m)
		if !grep { $m->uri() eq $_ } $self->_targets();

	my $got = join(', ', map { Test::Nginx::Edge::uri_of($_) }
		$m->list('Route'));
	$self->_wrong('Route', $m) if !grep { $got eq $_ }
		$self->_route_sets();

	my ($from) = ($m->address('From') // '') =~ /^(sip:[^;]*)/;
	$self->_wrong('From', $m) if ($from // '') ne $self->{peer};
	$self->_wrong('From tag', $m) if defined $self->{remote_tag}
		&& ($m->from_tag() // '') ne $self->{remote_tag};
	$self->_wrong('To', $m) if ($m->address('To') // '')
		ne "sip:$self->{client}{user}";

	return if $method eq 'ACK' || $method eq 'CANCEL';

	$self->_wrong("CSeq does not follow $self->{remote_cseq}", $m)
		if defined $self->{remote_cseq}
		&& $m->cseq() <= $self->{remote_cseq};
	$self->{remote_cseq} = $m->cseq();
}

# a request that was sent while a refresh was under way may have the old ones

sub _targets {
	my ($self) = @_;

	my $target = $self->{contact} =~ /<([^>]*)>/ ? $1 : $self->{contact};
	return ($target, grep { defined } $self->{old_target});
}

sub _route_sets {
	my ($self) = @_;

	return (join(', ', map { Test::Nginx::Edge::uri_of($_) }
		@{$self->{our_routes}}),
		grep { defined } $self->{old_routes});
}

###############################################################################

package Test::Nginx::Edge::Session;

# An IM session, begun by a client or by the gateway: ocs-wire 2.

use warnings;
use strict;

use Scalar::Util qw/ weaken /;

our @ISA = qw/ Test::Nginx::Edge::Dialog /;

sub _new {
	my ($class, $client, %args) = @_;

	my $self = bless {
		client => $client,
		edge => $client->{edge},
		tag => lc Test::Nginx::Edge::hex_of(10),
		acks => [],
		byes => [],
		others => [],
		their_routes => [],
		contact => $client->contact(),
		%args,
	}, $class;

	$self->{routes} = { $self->{edge}->routes() };
	$self->{our_routes} = [@{$self->{routes}}{qw/ edge-route pool-route /}];
	$self->{from} = "$client->{name}<sip:$client->{user}>;tag=$self->{tag}"
		. ";epid=$client->{epid}";

	weaken($self->{edge});

	return $self;
}

sub _start {
	my ($class, $client, $to, %v) = @_;

	my $self = $class->_new($client, ours => 1,
		call_id => delete $v{'call-id'} // Test::Nginx::SIP::token(4),
		peer => "sip:$to", target => "sip:$to", cseq => 0);

	my $toast = delete $v{toast};
	my $file = delete $v{file} // 'invite';
	my $html = defined $toast ? Test::Nginx::XML::escape($toast) : undef;

	$self->_remember();

	my $m = $self->{invite} = $self->request($file,
		'conversation-id' => Test::Nginx::Edge::b64(
			Test::Nginx::SIP::token(2)),
		%{$self->{routes}},
		defined $toast ? (
			'toast-text' => Test::Nginx::Edge::b64($toast),
			'toast-html' => Test::Nginx::Edge::b64(
				"<SPAN>$html</SPAN>"),
			'toast-rtf' => Test::Nginx::Edge::b64(
				"{\\rtf1\\ansi $toast\\par}"),
		) : (), %v);

	# LCC writes no Record-Route of a pool, for example

	$self->{our_routes} = [$m->list('Record-Route')];

	weaken(my $weak = $self);
	$m->{on_response} = sub { $weak->_on_answer($_[0]) if $weak };

	return $self;
}

sub invite { return $_[0]->{invite}; }

# the final response to the INVITE; dies if there is none

sub answer {
	my ($self, $timeout) = @_;
	return $self->response($self->{invite}, $timeout);
}

sub _on_answer {
	my ($self, $r) = @_;

	return if $r->code() < 200;

	if ($r->code() >= 300) {
		$self->_ack_refused($r);
		return;
	}

	if (defined $self->{remote_tag}) {
		$self->_wrong('another To tag', $r)
			if $r->to_tag() ne $self->{remote_tag};
		$self->{repeated}++;
		$self->{edge}->transmit($self->{ack}, $self->{ack}{link})
			if $self->{ack};
		return;
	}

	$self->_established($r);
}

# RFC 3261, 12.1.2: what is left of the route set behind the Edge

sub _established {
	my ($self, $r) = @_;

	my @theirs = $r->list('Record-Route');
	splice(@theirs, @theirs - @{$self->{our_routes}})
		if @theirs >= @{$self->{our_routes}};

	$self->{remote_tag} = $r->to_tag();
	$self->{target} = $r->address('Contact') // $self->{peer};
	$self->{their_routes} = [reverse @theirs];
}

sub _ack_refused {
	my ($self, $r) = @_;
	my $m = $self->{invite};

	my $ack = Test::Nginx::SIP::Message->parse(Test::Nginx::Edge::fill(
		$self->{client}{generation}, 'ack-refused.sip',
		uri => $m->uri(), 'edge-via' => ($m->all('Via'))[0],
		from => $m->header('From'), to => $r->header('To'),
		'call-id' => $self->{call_id}, cseq => $m->cseq()));

	$self->{edge}->transmit($ack, $m->{conn});
}

sub ack {
	my ($self, %v) = @_;
	return $self->{ack} = $self->request('ack',
		cseq => $self->{invite}->cseq(), %v);
}

# CANCEL of our INVITE: hop by hop, with its branch

sub cancel {
	my ($self, %v) = @_;
	my $m = $self->{invite};

	my $cancel = Test::Nginx::SIP::Message->parse(Test::Nginx::Edge::fill(
		$self->{client}{generation}, 'cancel.sip',
		uri => $m->uri(), 'edge-via' => ($m->all('Via'))[0],
		from => $m->header('From'), to => $m->header('To'),
		'call-id' => $self->{call_id}, cseq => $m->cseq(), %v));

	$self->{edge}->transmit($cancel, $v{link} // $m->{conn});

	return $cancel;
}

# Text, as one of the message-* files, without waiting; its status.

sub send_text {
	my ($self, $text, %v) = @_;
	my $file = delete $v{file} // 'message-plain';
	return $self->request($file, text => $text, %v);
}

sub say {
	my ($self, $text, %v) = @_;
	return $self->response($self->send_text($text, %v))->code();
}

# KeyboardActivity: "type" or "idle"

sub typing {
	my ($self, $status, %v) = @_;
	return $self->transact('info-typing', text => $status, %v)->code();
}

# ends it

sub bye {
	my ($self, %v) = @_;
	$self->{over} = 1;
	return $self->transact('bye', %v)->code();
}

# a re-INVITE or UPDATE; with new => 1 from another address and by other routes.
# Returns the response, after an ACK.

sub refresh {
	my ($self, $file, %v) = @_;
	my $client = $self->{client};

	if (delete $v{new}) {
		$self->{old_target} = ($self->_targets())[0];
		$self->{old_routes} = ($self->_route_sets())[0];
		$client->{opaque} = Test::Nginx::Edge::hex_of(16) . '-new';
		$self->{contact} = $client->contact();
		$self->{routes} = { $self->{edge}->routes() };
		$self->{our_routes} = [@{$self->{routes}}
			{qw/ edge-route pool-route /}];
	}

	my $m = $self->request($file, %{$self->{routes}}, %v);
	my $r = $self->response($m);

	if ($r->code() < 300) {
		delete @$self{qw/ old_target old_routes /};
		my $contact = $r->address('Contact');
		$self->{target} = $contact if defined $contact;
	}

	$self->request('ack', cseq => $m->cseq()) if $m->method() eq 'INVITE';

	return $r;
}

# next text in this session, dies if there is none; message: the MESSAGE, or
# undef

sub heard {
	my ($self, $timeout) = @_;
	my $m = $self->message($timeout)
		or die "$self->{client}{user} heard nothing in this session\n";
	return $m->body();
}

sub message {
	my ($self, $timeout) = @_;
	return $self->{client}->message($timeout, $self);
}

sub typed {
	my ($self, $timeout) = @_;
	return $self->{client}->typed($timeout, $self);
}

# whether the gateway ended it, or ends it in that time

sub ended {
	my ($self, $timeout) = @_;

	return Test::Nginx::Peers::wait_until(sub {
		return $self->{ended};
	}, $timeout) ? 1 : 0;
}

###############################################################################

# begun by the gateway

sub _invited {
	my ($class, $client, $m, $c) = @_;

	my ($peer) = ($m->address('From') // '') =~ /^(sip:[^;]*)/;

	my $self = $class->_new($client,
		call_id => $m->call_id(),
		peer => $peer // '',
		target => $m->address('Contact'),
		their_routes => [$m->list('Record-Route')],
		remote_tag => $m->from_tag(),
		remote_cseq => $m->cseq(),
		invite => $m,
		conn => $c,
		cseq => int(rand(1000)));

	# what a client does with the first text of such an INVITE is to show it

	$self->_wrong('the first message is embedded', $m)
		if defined $m->header('ms-text-format')
		|| defined $m->header('ms-im-format');

	$self->_wrong('To is not who is asked', $m)
		if ($m->address('To') // '') ne "sip:$client->{user}";

	$self->{from} = "<sip:$client->{user}>;tag=$self->{tag}"
		. ";epid=$client->{epid}";
	weaken($self->{conn});
	$self->_remember();

	return $self;
}

# 101, 180; 200 by default

sub progress {
	my ($self) = @_;
	$self->{edge}->reply($self->{invite}, 101, file => 'progress',
		client => $self->{client}, tag => $self->{tag});
	return $self;
}

sub ringing {
	my ($self) = @_;
	$self->{edge}->reply($self->{invite}, 180, client => $self->{client},
		tag => $self->{tag});
	return $self;
}

sub accept {
	my ($self, %v) = @_;

	my $m = $self->{invite};
	my @routes = reverse @{$self->{our_routes}};

	$self->{ok} = $self->{edge}->reply($m, 200, file => 'ok-invite',
		client => $self->{client}, tag => $self->{tag},
		contact => $self->{contact},
		'record-routes' => [@routes, $m->all('Record-Route')],
		media => $m->body() =~ /^m=(\S+)/m ? $1 : 'message', %v);

	return $self;
}

# the same 200 again

sub repeat {
	my ($self) = @_;
	$self->{conn}->send($self->{ok}->raw());
	return $self;
}

# another endpoint answers as well: a forked INVITE

sub fork {
	my ($self, %v) = @_;
	my $client = $self->{client};

	my $fork = bless { %$client, epid => 'f0f0f0f0f0',
		opaque => Test::Nginx::Edge::hex_of(16) . '-fork' },
		ref $client;
	my $other = (ref $self)->_invited($fork, $self->{invite},
		$self->{conn});

	return $other->accept(%v);
}

sub refuse {
	my ($self, $status, %v) = @_;
	$self->{refused} = $status;
	$self->{edge}->reply($self->{invite}, $status,
		client => $self->{client}, tag => $self->{tag}, %v);
	return $self;
}

# true if the ACK comes in time

sub acked {
	my ($self, $timeout, $n) = @_;

	return Test::Nginx::Peers::wait_until(sub {
		return @{$self->{acks}} >= ($n || 1);
	}, $timeout) ? 1 : 0;
}

# answers a MESSAGE or INFO that waits, as message => 0

sub reply {
	my ($self, $m, $status, %v) = @_;
	$self->{edge}->reply($m, $status, client => $self->{client}, %v);
}

sub _on_request {
	my ($self, $m, $c) = @_;

	my $method = $m->method();
	my $client = $self->{client};

	$m->{session} = $self;
	weaken($m->{session});

	if ($method eq 'CANCEL') {
		$self->{edge}->reply($m, 200, client => $client,
			tag => $self->{tag});
		return if $self->{invite}{answered};
		$self->{cancelled} = 1;
		return $self->refuse(487);
	}

	if ($method eq 'ACK') {
		push @{$self->{acks}}, $m;

		if ($self->{refused}) {
			$self->_wrong('ACK is not of the transaction', $m)
				if $m->branch() ne $self->{invite}->branch();
			return;
		}

		$self->_judge($m);
		$self->_wrong('ACK with another CSeq', $m)
			if !$self->{ours}
			&& $m->cseq() != $self->{invite}->cseq()
			&& $m->cseq() != ($self->{reinvite} // 0);
		$self->_wrong('ACK with a body', $m) if length $m->body();
		return;
	}

	$self->_judge($m);

	$self->_wrong("$method before ACK", $m) if !$self->{ours}
		&& !@{$self->{acks}} && !$self->{early};
	$self->_wrong("$method after BYE", $m) if $self->{ended};

	if ($method eq 'MESSAGE') {
		$self->_wrong('Content-Type', $m)
			if ($m->header('Content-Type') // '')
			!~ m!^text/plain\s*;\s*charset="?utf-8"?\s*(?:;|$)!i;
		push @{$client->{heard}}, $m;
		return $self->_auto($m, $client->{message});
	}

	if ($method eq 'INFO') {
		my $type = lc($m->header('Content-Type') // '');
		my ($status) = $m->body() =~ /^(?:<\?xml[^>]*\?>\s*)?
			<KeyboardActivity>\s*<status\s+status=["']
			(type|idle)["']\s*\/>\s*<\/KeyboardActivity>\s*$/x;

		$self->_wrong("INFO: $type\n" . $m->body())
			if $type !~ m!^application/xml(?:;|$)!
			|| !defined $status;

		$m->{typing} = $status;
		push @{$client->{typed}}, $m;
		return $self->_auto($m, $client->{info});
	}

	if ($method eq 'BYE') {
		push @{$self->{byes}}, $m;
		$self->{ended} = 1;
		return $self->_auto($m, $client->{bye});
	}

	push @{$self->{others}}, $m;
	$self->{reinvite} = $m->cseq() if $method eq 'INVITE';
	$self->{edge}->reply($m, 200, client => $client,
		$method eq 'INVITE' ? (file => 'ok-invite',
			contact => $self->{contact}) : ());
}

sub _auto {
	my ($self, $m, $how) = @_;

	$how = $how->($self, $m) if ref $how eq 'CODE';
	$self->reply($m, $how) if $how;
}

###############################################################################

package Test::Nginx::Edge::Watch;

# A client watches a user of XMPP: ocs-wire 4.1.

use warnings;
use strict;

use Scalar::Util qw/ weaken /;

our @ISA = qw/ Test::Nginx::Edge::Session /;

sub _start {
	my ($class, $client, $to, %v) = @_;

	my $self = $class->_new($client, ours => 1,
		call_id => Test::Nginx::SIP::token(4), peer => "sip:$to",
		target => "sip:$to", cseq => 0, notifies => []);

	$self->_remember();
	push @{$client->{watches}}, $self;

	my $m = $self->{request} = $self->request('subscribe',
		%{$self->{routes}}, %v);

	$self->{our_routes} = [$m->list('Record-Route')];

	weaken(my $weak = $self);
	$m->{on_response} = sub {
		$weak->_established($_[0]) if $weak && $_[0]->code() < 300
			&& $_[0]->code() >= 200 && !defined $weak->{remote_tag};
	};

	return $self;
}

sub answer {
	my ($self, $timeout) = @_;
	return $self->response($self->{request}, $timeout);
}

# with expires => 0 the end, or that the client logged off

sub refresh {
	my ($self, %v) = @_;
	return $self->transact('subscribe-refresh', %v);
}

sub _on_request {
	my ($self, $m, $c) = @_;

	$self->{remote_tag} = $m->from_tag()
		unless defined $self->{remote_tag};
	$self->_judge($m);
	$self->_wrong('Event', $m) if ($m->header('Event') // '') ne 'presence';

	$m->{state} = $m->header('Subscription-State') // '';
	push @{$self->{notifies}}, $m;

	$self->{edge}->reply($m, $m->method() eq 'NOTIFY' ? 200 : 501,
		client => $self->{client})
		if $m->method() ne 'BENOTIFY';
}

# What a client shows after the next NOTIFY that has a document: available,
# away, busy, offline (ocs-wire 4.4); dies if there is none.  With a value, the
# next one that shows that.

sub shown {
	my ($self, $want, $timeout) = @_;
	my ($found, @seen);

	Test::Nginx::Peers::wait_until(sub {
		while (my $m = shift @{$self->{notifies}}) {
			my $is = presence($m);
			next unless defined $is;
			push @seen, $is;
			next if defined $want && $is ne $want;
			$found = $is;
			return 1;
		}

		return 0;
	}, $timeout);

	die "$self->{client}{user} is not shown "
		. ($want // 'any presence') . ", but: @seen\n"
		unless defined $found;

	return $found;
}

# the reader's rules of SIPE, and the numbers of MSRTC: ocs-wire 4.4

sub presence {
	my ($m) = @_;

	return unless length $m->body();

	my $e = Test::Nginx::XML->parse($m->body());

	if ($e->name() eq 'presentity') {
		my ($a, $b) = map { $e->child($_)->attr('aggregate') }
			qw/ availability activity /;

		return $a < 100 ? 'offline' : $b < 400 || $b >= 700 && $b < 800
			? 'away' : $b >= 500 && $b < 700 ? 'busy' : 'available';
	}

	return 'offline' if $m->body() !~ m!<(?:\w+:)?basic[^>]*>\s*open!;
	return 'busy' if $m->body() =~ m!activity>\s*busy\s*<!;
	return 'away' if $m->body() =~ m!activity>\s*away\s*<!;
	return 'available';
}

###############################################################################

package Test::Nginx::Edge::Subscription;

# A user of XMPP watches that of a client: ocs-wire 4.2.

use warnings;
use strict;

use Scalar::Util qw/ weaken /;

our @ISA = qw/ Test::Nginx::Edge::Session /;

sub _asked {
	my ($class, $client, $m) = @_;

	my ($peer) = ($m->address('From') // '') =~ /^(sip:[^;]*)/;

	my $self = $class->_new($client,
		call_id => $m->call_id(),
		peer => $peer // '',
		target => $m->address('Contact'),
		their_routes => [$m->list('Record-Route')],
		remote_tag => $m->from_tag(),
		remote_cseq => $m->cseq(),
		invite => $m,
		contact => "<sip:pool.s.test:5061;transport=tls>",
		cseq => 0);

	$self->{from} = "<sip:$client->{user}>;tag=$self->{tag}";

	$self->_remember();
	push @{$client->{subscriptions}}, $self;

	$self->_answer($m);

	return $self;
}

# as "subscribe" says: 200 and a NOTIFY, "piggyback", or a refusal

sub _answer {
	my ($self, $m) = @_;

	my $client = $self->{client};
	my $how = $client->{subscribe};
	my $expires = $m->header('Expires') // 3600;

	$self->{over} = 1 unless $expires;

	if ($how =~ /^[3-6]\d\d$/) {
		$self->{over} = 1;
		$self->{edge}->reply($m, $how, client => $client,
			tag => $self->{tag});
		return;
	}

	my @routes = (reverse(@{$self->{our_routes}}), $m->all('Record-Route'));

	$self->{expires} = $expires;
	$self->{edge}->reply($m, 200, client => $client, tag => $self->{tag},
		file => $how eq 'piggyback' && $expires
			? 'ok-subscribe-piggyback' : 'ok-subscribe',
		expires => $expires,
		defined $m->to_tag() ? () : ('record-routes' => \@routes),
		$client->document());

	# the document has the place of the NOTIFY with that CSeq

	$how eq 'piggyback' && $expires ? $self->{cseq}++ : $self->notify();
}

# tells presence; file => 'benotify'

sub notify {
	my ($self, %v) = @_;

	my $file = delete $v{file} // $self->{client}{notify} // 'notify';

	return $self->request($file, state => $self->{expires}
		? "active;expires=$self->{expires}"
		: 'terminated;reason=timeout', $self->{client}->document(), %v);
}

sub _on_request {
	my ($self, $m, $c) = @_;

	$self->_judge($m);
	push @{$self->{others}}, $m;

	$m->method() eq 'SUBSCRIBE' ? $self->_answer($m)
		: $self->{edge}->reply($m, 501, client => $self->{client});
}

###############################################################################

1;

###############################################################################
