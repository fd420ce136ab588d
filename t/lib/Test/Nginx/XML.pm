package Test::Nginx::XML;

# Incremental parser of XMPP streams, strict about what XMPP forbids.

###############################################################################

use warnings;
use strict;

###############################################################################

my $NCNAME = qr/[A-Za-z_\x{80}-\x{10ffff}][-.\w\x{b7}\x{80}-\x{10ffff}]*/;
my $QNAME = qr/(?:$NCNAME:)?$NCNAME/;

my %entity = (lt => '<', gt => '>', amp => '&', apos => "'", quot => '"');

my $XML_NS = 'http://www.w3.org/XML/1998/namespace';

# a parser; with fragment => 1 it starts inside of an s2s stream

sub new {
	my ($class, %opts) = @_;

	my $self = bless {
		buf => '',
		stack => [],
		events => [],
		ns => [{ xml => $XML_NS, '' => '' }],
		raw => '',
	}, $class;

	if ($opts{fragment}) {
		$self->feed("<stream:stream xmlns='jabber:server'"
			. " xmlns:stream='http://etherx.jabber.org/streams'"
			. " xmlns:db='jabber:server:dialback'>");
		$self->next();
	}

	return $self;
}

# parses one complete element, such as a stanza or a document

sub parse {
	my ($class, $bytes) = @_;

	my $self = $class->new();
	$bytes =~ s/^\s*<\?xml[^>]*\?>//;
	$self->feed("<x>$bytes</x>");
	$self->next();

	my @e;

	while (my $event = $self->next()) {
		push @e, $event->[1] if $event->[0] eq 'element';
	}

	die "not one element in \"$bytes\"\n"
		unless @e == 1 && $self->{ended};

	return $e[0];
}

# adds bytes

sub feed {
	my ($self, $bytes) = @_;
	$self->{buf} .= $bytes;
	return $self;
}

# bytes that were not parsed yet

sub rest {
	my ($self) = @_;
	return $self->{buf};
}

# next event: [header => $element], [element => $element], [space => $n],
# [end => undef]; undef if more bytes are needed; dies on forbidden input

sub next {
	my ($self) = @_;

	while (1) {
		return if $self->{ended} && $self->{buf} !~ /[^ \t\r\n]/;
		my $event = $self->_step();
		return unless $event;
		return $event if ref $event;
	}
}

sub _bad {
	my ($self, $why, $where) = @_;
	$where = substr($self->{buf}, 0, 60) unless defined $where;
	$where =~ s/([^\x20-\x7e])/sprintf('\\x%02x', ord $1)/ge;
	die "forbidden XML: $why near \"$where\"\n";
}

# takes one piece of markup or text; 1 to go on, undef for more input

sub _step {
	my ($self) = @_;
	my $depth = @{$self->{stack}};

	return unless length $self->{buf};

	$self->_bad('data after the end of the stream') if $self->{ended};

	# text

	if ($self->{buf} =~ /^([^<]+)/) {
		my $text = $1;
		my $more = length $text == length $self->{buf};

		if ($depth < 2) {
			$self->_bad($depth ? 'text between stanzas'
				: 'text outside of the stream')
				if $text =~ /[^ \t\r\n]/;
			substr($self->{buf}, 0, length $text, '');
			return [space => length $text] if $depth;
			$self->{started} = 1;
			return 1;
		}

		return if $more;

		substr($self->{buf}, 0, length $text, '');
		$self->_bad('"]]>" in text', $text) if $text =~ /]]>/;
		$self->{raw} .= $text;
		$self->_text($self->_decode($text));
		return 1;
	}

	# XML declaration

	if ($self->{buf} =~ /^<\?/) {
		return unless $self->{buf} =~ /^(<\?.*?\?>)/s;
		my $decl = $1;

		$self->_bad('processing instruction')
			unless $decl =~ /^<\?xml[ \t\r\n]/;
		$self->_bad('misplaced XML declaration')
			if $depth || $self->{started};
		$self->_bad('wrong XML declaration') unless $decl =~ /^<\?xml
			\s+version\s*=\s*(?:'1\.0'|"1\.0")
			(?:\s+encoding\s*=\s*(?:'(?i:utf-8)'|"(?i:utf-8)"))?
			(?:\s+standalone\s*=\s*(?:'yes'|"yes"))?\s*\?>$/x;

		substr($self->{buf}, 0, length $decl, '');
		$self->{started} = 1;
		return 1;
	}

	if ($self->{buf} =~ /^<!/) {
		return if length $self->{buf} < 9
			&& '<![CDATA[' =~ /^\Q$self->{buf}\E/;

		$self->_bad($self->{buf} =~ /^<!-/ ? 'comment'
			: 'document type') unless $self->{buf} =~ /^<!\[CDATA\[/;
		$self->_bad('misplaced CDATA') if $depth < 2;

		return unless $self->{buf} =~ /^(<!\[CDATA\[(.*?)\]\]>)/s;
		my ($all, $text) = ($1, $2);

		substr($self->{buf}, 0, length $all, '');
		$self->{raw} .= $all;
		$self->_characters($text);
		$self->_text($text);
		return 1;
	}

	# tags

	return unless $self->{buf} =~ /^(<[^<>"']*(?:(?:"[^"]*"|'[^']*')
		[^<>"']*)*>)/x or $self->_broken_tag();

	my $tag = $1;
	substr($self->{buf}, 0, length $tag, '');
	$self->{started} = 1;
	$self->{raw} = '' if $depth < 2;
	$self->{raw} .= $tag;

	return $tag =~ m!^</! ? $self->_close($tag) : $self->_open($tag);
}

# a tag that never can become complete

sub _broken_tag {
	my ($self) = @_;
	(my $s = $self->{buf}) =~ s/"[^"]*"|'[^']*'//g;
	$s =~ s/["'].*//s;
	$self->_bad('"<" within a tag') if substr($s, 1) =~ /</;
	return 0;
}

sub _open {
	my ($self, $tag) = @_;

	my $chars = $self->_characters($tag);

	$chars =~ /^<($QNAME)((?:\s.*?)?)(\/?)>$/s
		or $self->_bad('malformed tag', $tag);

	my ($qname, $rest, $empty) = ($1, $2, $3);
	my (@attrs, %seen, %ns, %local);

	while ($rest =~ s/^\s+($QNAME)\s*=\s*(?:'([^'<]*)'|"([^"<]*)")//s) {
		my ($name, $value) = ($1, defined $2 ? $2 : $3);

		$self->_bad("duplicate attribute $name", $tag) if $seen{$name}++;

		utf8::encode($value);
		$value =~ s/[\t\r\n]/ /g;
		push @attrs, [$name, $self->_decode($value)];
	}

	$self->_bad('malformed attributes', $tag) if $rest =~ /\S/;

	my %scope = %{$self->{ns}[-1]};

	foreach (@attrs) {
		my ($name, $value) = @$_;

		if ($name eq 'xmlns') {
			$scope{''} = $value;

		} elsif ($name =~ /^xmlns:(.*)/) {
			my $prefix = $1;
			$self->_bad("empty namespace of $prefix", $tag)
				unless length $value;
			$self->_bad("declared prefix $prefix", $tag)
				if $prefix eq 'xmlns' || $prefix eq 'xml'
				&& $value ne $XML_NS;
			$scope{$prefix} = $value;
		}
	}

	my ($prefix, $name) = $qname =~ /^(?:(.*):)?(.*)$/;
	$prefix = '' unless defined $prefix;

	$self->_bad("undeclared prefix $prefix", $tag)
		unless defined $scope{$prefix};

	foreach (@attrs) {
		my ($key) = @$_;
		next if $key =~ /^xmlns(?::|$)/;

		if ($key =~ /^(.*):(.*)$/) {
			$self->_bad("undeclared prefix $1", $tag)
				unless defined $scope{$1};
			$key = "{$scope{$1}}$2";
		}

		$self->_bad("duplicate attribute $key", $tag)
			if exists $local{$key};
		$local{$key} = $_->[1];
	}

	utf8::encode($name);
	utf8::encode($prefix);

	my $e = bless {
		name => $name,
		prefix => $prefix,
		ns => $scope{$prefix},
		attrs => \%local,
		decls => { map { $_->[0] =~ /^xmlns(?::(.*))?$/
			? (defined $1 ? $1 : '', $_->[1]) : () } @attrs },
		nodes => [],
		qname => $qname,
		raw => $tag,
	}, 'Test::Nginx::XML::Element';

	my $depth = @{$self->{stack}};

	if ($depth == 0) {
		$self->_bad('second root element', $tag) if $self->{root}++;
		$self->_bad('empty stream element', $tag) if $empty;

	} elsif ($depth > 1) {
		push @{$self->{stack}[-1]{nodes}}, $e;
	}

	push @{$self->{stack}}, $e;
	push @{$self->{ns}}, \%scope;

	return [header => $e] if $depth == 0;
	return $empty ? $self->_pop() : 1;
}

sub _close {
	my ($self, $tag) = @_;

	my $chars = $self->_characters($tag);
	$chars =~ /^<\/($QNAME)\s*>$/s or $self->_bad('malformed end tag', $tag);

	my $top = $self->{stack}[-1];
	$self->_bad('unexpected end tag', $tag)
		unless $top && $top->{qname} eq $1;

	return $self->_pop();
}

sub _pop {
	my ($self) = @_;

	my $e = pop @{$self->{stack}};
	pop @{$self->{ns}};
	my $depth = @{$self->{stack}};

	if ($depth == 0) {
		$self->{ended} = 1;
		return [end => undef];
	}

	return 1 if $depth > 1;

	$e->{raw} = $self->{raw};
	$self->{raw} = '';

	return [element => $e];
}

sub _text {
	my ($self, $text) = @_;
	my $nodes = $self->{stack}[-1]{nodes};

	if (@$nodes && !ref $nodes->[-1]) {
		$nodes->[-1] .= $text;

	} else {
		push @$nodes, $text;
	}
}

# checks bytes, returns characters

sub _characters {
	my ($self, $bytes) = @_;
	my $chars = $bytes;

	$self->_bad('invalid UTF-8', $bytes)
		unless utf8::decode($chars) || $bytes !~ /[\x80-\xff]/;
	$self->_bad('forbidden character', $bytes)
		if $chars =~ /[^\t\n\r\x{20}-\x{d7ff}\x{e000}-\x{fffd}\x{10000}-\x{10ffff}]/;

	return $chars;
}

# replaces references; checks the bytes

sub _decode {
	my ($self, $text) = @_;

	$self->_characters($text);
	$text =~ s/\r\n?/\n/g;
	$text =~ s/&([^;&<]{0,10});?/$self->_reference($1, $&, $text)/ge;

	return $text;
}

sub _reference {
	my ($self, $name, $all, $text) = @_;

	$self->_bad('bare ampersand', $text) unless $all =~ /;$/;

	return $entity{$name} if defined $entity{$name};

	my $code = $name =~ /^#([0-9]+)$/ ? $1
		: $name =~ /^#x([0-9a-fA-F]+)$/ ? hex($1)
		: $self->_bad("entity $name", $text);

	$self->_bad("character reference $name", $text)
		unless $code == 9 || $code == 10 || $code == 13
		|| $code >= 0x20 && $code <= 0xd7ff
		|| $code >= 0xe000 && $code <= 0xfffd
		|| $code >= 0x10000 && $code <= 0x10ffff;

	my $s = chr($code);
	utf8::encode($s);

	return $s;
}

# escapes text for use in elements and attributes

sub escape {
	my ($s) = @_;

	$s =~ s/&/&amp;/g;
	$s =~ s/</&lt;/g;
	$s =~ s/>/&gt;/g;
	$s =~ s/'/&apos;/g;
	$s =~ s/"/&quot;/g;

	return $s;
}

###############################################################################

package Test::Nginx::XML::Element;

# An element. All strings are bytes (UTF-8).

use warnings;
use strict;

sub name { $_[0]->{name} }
sub ns { $_[0]->{ns} }
sub prefix { $_[0]->{prefix} }
sub raw { $_[0]->{raw} }

# value of an attribute, or undef; with a namespace if given

sub attr {
	my ($self, $name, $ns) = @_;

	$name =~ s/^xml:/{http:\/\/www.w3.org\/XML\/1998\/namespace}/;
	$name = "{$ns}$name" if defined $ns;

	return $self->{attrs}{$name};
}

# all attributes, but for namespace declarations

sub attrs { $_[0]->{attrs} }

# child elements, all or of a name and namespace

sub children {
	my ($self, $name, $ns) = @_;

	return grep {
		ref $_ && (!defined $name || $_->{name} eq $name)
			&& (!defined $ns || $_->{ns} eq $ns)
	} @{$self->{nodes}};
}

# first of them

sub child {
	my ($self, $name, $ns) = @_;
	return ($self->children($name, $ns))[0];
}

# descendant by a path of names: at('error/item-not-found')

sub at {
	my ($self, $path) = @_;
	my $e = $self;

	foreach my $name (split(/\//, $path)) {
		$e = $e->child($name);
		return unless $e;
	}

	return $e;
}

# text directly within the element, or within a descendant

sub text {
	my ($self, $path) = @_;

	my $e = defined $path ? $self->at($path) : $self;
	return unless $e;

	return join('', grep { !ref $_ } @{$e->{nodes}});
}

# condition of a stanza error, or of a stream error

sub condition {
	my ($self) = @_;

	my $e = $self->{name} eq 'error' ? $self : $self->child('error');
	return unless $e;

	foreach my $c ($e->children()) {
		return $c->{name} if $c->{name} ne 'text' && $c->{ns}
			=~ /^urn:ietf:params:xml:ns:xmpp-(?:stanzas|streams)$/;
	}

	return;
}

# type of a stanza error

sub error_type {
	my ($self) = @_;
	my $e = $self->child('error');
	return $e && $e->attr('type');
}

###############################################################################

1;

###############################################################################
