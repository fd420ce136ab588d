package Test::Nginx::PIDF;

# (C) The ngx_xmpp_sip_module authors

# Presence documents, RFC 3863: made for the gateway, and judged.

###############################################################################

use warnings;
use strict;

use base qw/ Exporter /;
our @EXPORT_OK = qw/ pidf /;

use Test::Nginx::XML;

###############################################################################

our $NS = 'urn:ietf:params:xml:ns:pidf';
our $DATA_MODEL = 'urn:ietf:params:xml:ns:pidf:data-model';
our $RPID = 'urn:ietf:params:xml:ns:pidf:rpid';
our $CLIENT = 'jabber:client';
our $DRAFT = 'urn:ietf:params:xml:ns:pidf:status:rpid-status';
our $MSRTC = 'http://schemas.microsoft.com/2002/09/sip/presence';

# a document: pidf('pres:r@s.test', \@tuples, note => ..., xml => ...), where a
# tuple is { id, basic, show, status => xml within status, xml => extensions,
# contact, priority, note, timestamp }, and a note a text, or a list of texts
# and [lang, text]

sub pidf {
	my ($entity, $tuples, %a) = @_;

	return (defined $a{decl} ? $a{decl}
		: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n")
		. "<presence xmlns=\"$NS\" entity=\"" . _esc($entity) . '">'
		. join('', map { tuple($_) } ref $tuples eq 'HASH' ? $tuples
			: @{$tuples || []})
		. _notes($a{note})
		. (defined $a{xml} ? $a{xml} : '')
		. '</presence>';
}

sub tuple {
	my ($t) = @_;

	my $status = (defined $t->{basic} ? "<basic>$t->{basic}</basic>" : '')
		. (defined $t->{show} ? "<show xmlns=\"$CLIENT\">"
			. _esc($t->{show}) . '</show>' : '')
		. (defined $t->{status} ? $t->{status} : '');

	my $s = '<tuple' . (defined $t->{id} ? ' id="' . _esc($t->{id}) . '"'
		: '') . "><status>$status</status>";

	$s .= $t->{xml} if defined $t->{xml};

	if (defined $t->{contact} || defined $t->{priority}) {
		my $contact = defined $t->{contact} ? $t->{contact}
			: 'sip:r@s.test';
		$s .= '<contact' . (defined $t->{priority}
			? ' priority="' . _esc($t->{priority}) . '"' : '')
			. '>' . _esc($contact) . '</contact>';
	}

	$s .= _notes($t->{note});
	$s .= "<timestamp>$t->{timestamp}</timestamp>"
		if defined $t->{timestamp};

	return "$s</tuple>";
}

# a person of the data model, with RPID activities

sub person {
	my (@activities) = @_;

	return "<person xmlns=\"$DATA_MODEL\" id=\"p1\"><activities "
		. "xmlns=\"$RPID\">" . join('', map { "<$_/>" } @activities)
		. '</activities></person>';
}

sub _notes {
	my ($notes) = @_;

	return '' unless defined $notes;

	return join('', map {
		my ($lang, $text) = ref $_ ? @$_ : (undef, $_);
		'<note' . (defined $lang ? ' xml:lang="' . _esc($lang) . '"'
			: '') . '>' . _esc($text) . '</note>'
	} ref $notes eq 'ARRAY' ? @$notes : ($notes));
}

sub _esc { return Test::Nginx::XML::escape($_[0]); }

###############################################################################

# parses a document of the gateway; dies if it breaks the schema

sub parse {
	my ($class, $bytes) = @_;

	_bad('no XML declaration with its encoding') unless $bytes
		=~ /^<\?xml version=(["'])1\.0\1 encoding=(["'])UTF-8\2\?>/i;

	my $root = Test::Nginx::XML->parse($bytes);

	_bad('root element ' . $root->name()) if $root->name() ne 'presence';
	_bad('root namespace ' . $root->ns()) if $root->ns() ne $NS;
	_attrs($root, qw/ entity /);

	my $self = bless {
		root => $root,
		raw => $bytes,
		entity => $root->attr('entity'),
		tuples => [],
		notes => [],
	}, $class;

	_bad('no entity') unless length($self->{entity} || '');
	_bad("entity $self->{entity}") if $self->{entity}
		!~ /^[a-z]+:[^\s\@<>"]+\@[^\s\@<>"]+$/;

	my %ids;
	my $order = _order($root, 'tuple*', 'note*', '*');

	foreach my $e (@{$order->{'tuple*'}}) {
		push @{$self->{tuples}}, _tuple($e, \%ids);
	}

	$self->{notes} = [map { _note($_) } @{$order->{'note*'}}];
	$self->{extensions} = $order->{'*'};

	foreach my $e (@{$order->{'*'}}) {
		_id($e->attr('id'), \%ids) if $e->ns() eq $DATA_MODEL;
	}

	return $self;
}

# parses a document for Microsoft's servers: PIDF of one tuple with RPID of a
# draft, or MSRTC; dies if it is of another shape than ocs-wire 4.4 has

sub ocs {
	my ($class, $bytes) = @_;

	_bad('no XML declaration with its encoding') unless $bytes
		=~ /^<\?xml version="1\.0" encoding="utf-8"\?>/;

	my $root = Test::Nginx::XML->parse($bytes);

	my $self = bless {
		root => $root,
		raw => $bytes,
		notes => [],
	}, $class;

	return $self->_msrtc($root) if $root->name() eq 'presentity';

	_bad('root ' . $root->ns() . ' ' . $root->name())
		if $root->name() ne 'presence' || $root->ns() ne $NS;
	_attrs($root, qw/ entity /);

	$self->{entity} = $root->attr('entity');

	my $tuple = _only($root, 'tuple', $NS);
	_bad('id') if ($tuple->attr('id') // '') ne '0';

	my ($status, @notes) = $tuple->children();
	_bad('no status') if !$status || $status->name() ne 'status';
	_bad('not a note') if grep { $_->name() ne 'note' } @notes;

	my ($basic, @more) = $status->children();
	_bad('no basic') if !$basic || $basic->name() ne 'basic';
	_bad('in status') if @more > 1;

	$self->{line} = $basic->text();
	$self->{notes} = [map { _note($_) } @notes];

	if (@more) {
		_bad('not activities') if $more[0]->name() ne 'activities'
			|| $more[0]->ns() ne $DRAFT;
		my $activity = _only($more[0], 'activity', $DRAFT);
		$self->{line} .= ':' . $activity->text();
		_bad('prefix') if $bytes !~ /<ep:activities><ep:activity>/;
	}

	return $self;
}

sub _msrtc {
	my ($self, $root) = @_;

	_bad('namespace ' . $root->ns()) if $root->ns() ne $MSRTC;
	_attrs($root, qw/ uri /);

	$self->{entity} = $root->attr('uri');

	my ($availability, $activity, @more) = $root->children();
	_bad('no availability') if ($availability || $root)->name()
		ne 'availability';
	_bad('no activity') if ($activity || $root)->name() ne 'activity';

	$self->{line} = join(':', 'msrtc', map { $_->attr('aggregate') }
		$availability, $activity);

	foreach my $e ($availability, $activity) {
		_attrs($e, qw/ aggregate description epid /);
		_bad('epid') if $e->attr('epid') !~ /^[0-9a-f]{10}$/;
	}

	if (@more) {
		_bad('not devices') if @more > 1 || $more[0]->name() ne 'devices';
		my $device = _only($more[0], 'devicePresence', $MSRTC);
		my ($a, $b) = $device->children();
		_bad('of device') if $a->attr('aggregate')
			ne $availability->attr('aggregate')
			|| $b->attr('aggregate') ne $activity->attr('aggregate');
		$self->{notes} = [[undef, $b->attr('note')]]
			if defined $b->attr('note');
	}

	return $self;
}

sub _only {
	my ($e, $name, $ns) = @_;

	my @children = $e->children();
	_bad("not one $name in " . $e->name()) if @children != 1
		|| $children[0]->name() ne $name || $children[0]->ns() ne $ns;

	return $children[0];
}

# the first note of such a document

sub note {
	my ($self) = @_;
	return $self->{notes}[0] ? $self->{notes}[0][1] : undef;
}

sub _bad {
	my ($why) = @_;
	die "PIDF: $why\n";
}

# children in the order of the schema: 'name' once, 'name?', 'name*', and '*'
# for elements of other namespaces

sub _order {
	my ($e, @model) = @_;

	my @children = $e->children();
	my %found;

	foreach my $text (grep { !ref $_ } @{$e->{nodes}}) {
		_bad('text in ' . $e->name()) if $text =~ /\S/;
	}

	foreach my $part (@model) {
		my ($name, $how) = $part =~ /^(\w*)([?*]?)$/;
		$found{$part} = [];

		while (@children) {
			my $c = $children[0];

			last if $name eq '' ? $c->ns() eq $NS
				: $c->ns() ne $NS || $c->name() ne $name;

			push @{$found{$part}}, shift @children;
			last if $how ne '*';
		}

		_bad("no $name in " . $e->name()) if $how eq ''
			&& !@{$found{$part}};
	}

	_bad('misplaced ' . $children[0]->name() . ' in ' . $e->name())
		if @children;

	return \%found;
}

sub _attrs {
	my ($e, @allowed) = @_;
	my %allowed = map { $_ => 1 } @allowed;

	foreach my $name (keys %{$e->attrs()}) {
		next if $name =~ /^\{/ || $allowed{$name};
		_bad("attribute $name of " . $e->name());
	}
}

sub _id {
	my ($id, $ids) = @_;

	_bad('no id') unless defined $id;

	my $chars = $id;
	utf8::decode($chars);

	_bad("id \"$id\" is not a NCName")
		if $chars !~ /^[_\p{L}][-._\p{L}\p{M}\p{N}\x{b7}]*$/;
	_bad("id \"$id\" twice") if $ids->{$id}++;
}

sub _tuple {
	my ($e, $ids) = @_;

	_attrs($e, 'id');
	_id($e->attr('id'), $ids);

	my $order = _order($e, 'status', '*', 'contact?', 'note*',
		'timestamp?');
	my $status = _order($order->{status}[0], 'basic?', '*');
	my $t = { id => $e->attr('id'), raw => $e->raw(), element => $e };

	if (my $basic = $status->{'basic?'}[0]) {
		$t->{basic} = $basic->text();
		_bad("basic $t->{basic}") if $t->{basic} !~ /^(?:open|closed)$/;
	}

	foreach my $x (@{$status->{'*'}}) {
		next if $x->ns() ne $CLIENT || $x->name() ne 'show';
		_bad('two shows') if defined $t->{show};
		$t->{show} = $x->text();
	}

	if (my $contact = $order->{'contact?'}[0]) {
		_attrs($contact, 'priority');
		$t->{contact} = $contact->text();
		$t->{priority} = $contact->attr('priority');

		_bad("contact $t->{contact}")
			if $t->{contact} !~ /^[a-z]+:[^\s<>"]+$/;
		_bad("priority $t->{priority}") if defined $t->{priority}
			&& $t->{priority} !~ /^(?:0(?:\.\d{1,3})?|1(?:\.0{1,3})?)$/;
	}

	$t->{notes} = [map { _note($_) } @{$order->{'note*'}}];

	if (my $time = $order->{'timestamp?'}[0]) {
		$t->{timestamp} = $time->text();
		_bad("timestamp $t->{timestamp}") if $t->{timestamp}
			!~ /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;
	}

	return $t;
}

sub _note {
	my ($e) = @_;

	_attrs($e);
	_bad('elements in note') if $e->children();

	my $lang = $e->attr('xml:lang');
	_bad("language $lang") if defined $lang
		&& $lang !~ /^[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*$/;

	return [$lang, $e->text()];
}

###############################################################################

sub raw { $_[0]->{raw} }
sub entity { $_[0]->{entity} }

# tuples are hashes of id, basic, show, contact, priority, notes (a list of
# [lang, text]), timestamp

sub tuples { return @{$_[0]->{tuples}}; }

sub tuple_of {
	my ($self, $id) = @_;
	return (grep { $_->{id} eq $id } @{$self->{tuples}})[0];
}

# one line, such as "ID-a:open:away ID-b:closed", sorted; of ocs "open:away",
# "closed", "msrtc:300:100"

sub line {
	my ($self) = @_;

	return $self->{line} if defined $self->{line};

	return join(' ', sort map {
		join(':', $_->{id}, defined $_->{basic} ? $_->{basic} : 'none',
			defined $_->{show} ? $_->{show} : ())
	} @{$self->{tuples}});
}

# RPID activities, wherever they are

sub activities {
	my ($self) = @_;
	my @all = ($self->{root});
	my @found;

	while (my $e = shift @all) {
		push @found, map { $_->name() } $e->children()
			if $e->name() eq 'activities' && $e->ns() eq $RPID;
		push @all, $e->children();
	}

	return @found;
}

###############################################################################

1;

###############################################################################
