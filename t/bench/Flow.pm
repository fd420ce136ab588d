package Flow;

# (C) The ngx_xmpp_sip_module authors

# Messages at a fixed rate each way between an XMPP server and a SIP server, and
# how long each takes.

###############################################################################

use warnings;
use strict;

use Scalar::Util qw/ weaken /;

use Test::Nginx::Peers;
use Test::Nginx::Traffic;

our @ISA = qw/ Test::Nginx::Traffic /;

###############################################################################

our %WAYS = (
	sx => 'SIP to XMPP',
	'sx done' => 'SIP to XMPP, answered',
	xs => 'XMPP to SIP',
);

sub new {
	my ($class, $g, %args) = @_;
	return $class->SUPER::new($g, n => 0, unknown => 0, rate => 200, %args);
}

# Begins, and returns when messages flow.

sub begin {
	my ($self) = @_;

	$self->listen();
	$self->{running} = 1;
	$self->connect_sip($_) for 0 .. $self->{conns} - 1;
	$self->connect_xmpp();

	Test::Nginx::Peers::wait_until(sub {
		return $self->{xmpp_out}{up}
			&& !grep { !$_->{up} } @{$self->{sip_out}};
	})
		or die "the flow does not begin\n";

	$self->sample();
	$self->{begun} = Test::Nginx::Peers::now();
	$self->tick();

	return $self;
}

# Messages belong to a new sample from now on.

sub sample {
	my ($self) = @_;
	return $self->{sample} = bless { open => 0, sent => {}, took => {} },
		'Flow::Sample';
}

# Ends it, with its servers.

sub end {
	my ($self) = @_;
	$self->{running} = 0;
	$self->SUPER::end();
}

# sends what is due

sub tick {
	my ($self) = @_;
	weaken(my $weak = $self);

	return unless $self->{running};

	my $due = (Test::Nginx::Peers::now() - $self->{begun}) * $self->{rate};

	while ($self->{n} < $due) {
		my $i = $self->{n}++;
		my $pair = $i % $self->{pairs};
		my $c = $self->{sip_out}[$pair % $self->{conns}];

		die "a connection of the flow ended\n"
			unless $c && $c->{up} && $self->{xmpp_out}{up};

		$self->sip_message($c, $self->{sx}[$pair], $i);
		$self->xmpp_message($self->{xmpp_out}, $self->{xs}[$pair], $i);
	}

	Test::Nginx::Peers::after($self->{n} / $self->{rate} + $self->{begun}
		- Test::Nginx::Peers::now(), sub { $weak->tick() if $weak });
}

# what the base class would do with its windows

sub fill { }
sub sweep { }

# of each message

sub start {
	my ($self, $c, $pair, $i) = @_;

	$self->sent($pair->{way}, $i);
	$self->sent('sx done', $i) if $pair->{way} eq 'sx';
}

sub sent {
	my ($self, $way, $i) = @_;
	my $sample = $self->{of}{$way}{$i} = $self->{sample};

	$sample->{sent}{$way}{$i} = Test::Nginx::Peers::now();
	$sample->{open}++;
}

sub got {
	my ($self, $way, $pair, $i) = @_;
	$self->took($way, $i);
}

sub fate {
	my ($self, $pair, $i, $what) = @_;

	die "a message of the flow failed: $pair->{way} $what\n"
		unless $what eq '200' || $what eq '202';

	$self->took('sx done', $i);
}

sub took {
	my ($self, $way, $i) = @_;
	my $sample = delete $self->{of}{$way}{$i} or return;

	$sample->{took}{$way}{$i} = Test::Nginx::Peers::now()
		- delete $sample->{sent}{$way}{$i};
	$sample->{open}--;
}

###############################################################################

package Flow::Sample;

use warnings;
use strict;

# Latencies of a way, in seconds, of those that did not arrive so far.

sub take {
	my ($self, $way) = @_;
	my $now = Test::Nginx::Peers::now();

	return [values %{$self->{took}{$way}},
		map { $now - $_ } values %{$self->{sent}{$way}}];
}

###############################################################################

1;

###############################################################################
