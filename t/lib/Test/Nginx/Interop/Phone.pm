package Test::Nginx::Interop::Phone;

# A scripted SIP client of a real server: it publishes its presence, and watches
# others.  The server stands between it and the gateway, so it does not judge
# what it is sent as the peers of the other tests do.

###############################################################################

use warnings;
use strict;

use Test::Nginx::PIDF qw/ pidf /;
use Test::Nginx::Peers;
use Test::Nginx::SIP;

use Scalar::Util qw/ weaken /;

###############################################################################

# connects: new('romeo@s.example', port of the server)

sub new {
	my ($class, $user, $port) = @_;

	my $self = bless {
		user => $user,
		watches => {},
		heard => {},
		serial => 0,
	}, $class;

	weaken(my $weak = $self);

	my $c = $self->{conn} = Test::Nginx::SIP->connect(
		PeerAddr => "127.0.0.1:$port", tls => 1, strict => 0,
		from => "sip:$user", auto => sub { $weak
			? $weak->_on_request(@_) : 0 })
		or die "$user can't connect\n";

	$c->tls_up() or die "$user: no TLS\n";

	my ($name) = split(/\@/, $user);
	my $address = '127.0.0.1:' . $c->{sock}->sockport();

	$c->{host} = $address;
	$self->{contact} = "sip:$name\@$address;transport=tls";

	return $self;
}

# publishes tuples of pidf() by a name, which may be changed and withdrawn;
# returns the final status

sub publish {
	my ($self, $tuples, %a) = @_;

	my $etag = $self->{etag};
	my @body = defined $tuples ? (content_type => 'application/pidf+xml',
		body => pidf("pres:$self->{user}", $tuples, %a)) : ();

	my $r = $self->{conn}->transact('PUBLISH', "sip:$self->{user}", @body,
		headers => ['Event: presence',
			'Expires: ' . (defined $tuples ? 600 : 0),
			defined $etag ? "SIP-If-Match: $etag" : ()],
		timeout => 20);

	return 0 unless $r;

	$self->{etag} = defined $tuples ? $r->header('SIP-ETag') : undef
		if $r->code() < 300;

	return $r->code();
}

# watches a user; returns the final status

sub watch {
	my ($self, $to, %a) = @_;

	my $m = $self->{conn}->request('SUBSCRIBE', "sip:$to",
		Contact => "<$self->{contact}>", headers => _subscribe(%a));

	my $w = $self->{watches}{$to} = { call_id => $m->call_id() };
	$self->{heard}{$to} = [];

	my $r = $self->{conn}->response_to($m, 20) or return 0;

	$w->{dialog} = Test::Nginx::SIP::Dialog->uac($self->{conn}, $m, $r)
		if $r->code() < 300;

	return $r->code();
}

# within the dialog: again, and no longer

sub refresh {
	my ($self, $to, %a) = @_;

	my $r = $self->{watches}{$to}{dialog}->transact('SUBSCRIBE',
		Contact => "<$self->{contact}>", headers => _subscribe(%a),
		timeout => 20);

	return $r ? $r->code() : 0;
}

sub unwatch {
	my ($self, $to) = @_;
	return $self->refresh($to, expires => 0);
}

sub _subscribe {
	my (%a) = @_;

	return ['Event: presence', 'Accept: application/pidf+xml',
		'Expires: ' . (defined $a{expires} ? $a{expires} : 600)];
}

sub _on_request {
	my ($self, $m, $c) = @_;

	my ($to) = grep { $self->{watches}{$_}{call_id} eq $m->call_id() }
		keys %{$self->{watches}};

	if ($m->method() ne 'NOTIFY' || !defined $to) {
		return $m->method() eq 'NOTIFY' ? 481 : 405;
	}

	push @{$self->{heard}{$to}}, $m;

	return 200;
}

# next that is heard of a user, as a line: "active ID-a:open:away",
# "terminated rejected"; with a pattern the next such one

sub heard {
	my ($self, $to, $re, $timeout) = @_;

	my ($last, $found) = ('nothing');

	Test::Nginx::Peers::wait_until(sub {
		while (my $m = shift @{$self->{heard}{$to}}) {
			$last = _line($m);
			next if defined $re && $last !~ $re;
			return $found = $last;
		}
		return;
	}, $timeout || 20);

	return defined $found ? $found : $last;
}

sub _line {
	my ($m) = @_;

	my $state = $m->header('Subscription-State') || '';
	my ($reason) = $state =~ /;\s*reason=([\w-]+)/;
	my $document = length $m->body()
		? eval { Test::Nginx::PIDF->parse($m->body())->line() } || $@
		: undef;

	($state) = $state =~ /^([\w-]*)/;

	return join(' ', grep { defined && length } $state, $reason,
		$document);
}

###############################################################################

1;

###############################################################################
