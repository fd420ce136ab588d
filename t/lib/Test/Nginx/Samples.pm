package Test::Nginx::Samples;

# (C) The ngx_xmpp_sip_module authors

# Samples of what an nginx uses in the course of time: memory and descriptors of
# its processes, and what is taken of a shared zone.

###############################################################################

use warnings;
use strict;

no warnings 'portable';		# addresses have 64 bits

use Test::Nginx::Host qw//;

###############################################################################

# Of the nginx of a Test::Nginx; zone is the size of the zone, in octets, which
# no other has.

sub new {
	my ($class, $t, %args) = @_;
	return bless { t => $t, %args, start => time(), all => [], of => {} },
		$class;
}

sub master {
	my ($self) = @_;
	return Test::Nginx::Host::master($self->{t});
}

# The worker processes, also those that are about to end.

sub workers {
	my ($self) = @_;
	return Test::Nginx::Host::workers($self->master(), 1);
}

sub _slurp {
	my ($file) = @_;
	local $/;
	open my $fh, '<', $file or return '';
	return <$fh> // '';
}

# KB of private memory: what is shared is the zone

sub memory {
	my ($pid) = @_;
	return _slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m ? $1 : 0;
}

sub descriptors {
	my ($pid) = @_;
	my @fds = glob("/proc/$pid/fd/*");
	return scalar @fds;
}

# Free pages of the zone, and octets that are taken of the others, as nginx's
# slab counts them (ngx_slab_pool_t).

sub zone {
	my ($self) = @_;
	my $pid = $self->master();
	my $start;

	foreach (split /\n/, _slurp("/proc/$pid/maps")) {
		next unless /^([0-9a-f]+)-([0-9a-f]+) rw-s /;
		next if hex($2) - hex($1) != $self->{zone};
		$start = hex $1;
	}

	return (0, 0) unless defined $start;

	open my $fh, '<:raw', "/proc/$pid/mem" or return (0, 0);

	my @pool = _words($fh, $start, 11);
	my ($shift, $stats, $free) = @pool[3, 9, 10];

	die "Samples: not a slab pool\n" if $shift != 3;

	my $used = 0;

	foreach my $slot (0 .. 8) {
		my (undef, $n) = _words($fh, $stats + 32 * $slot, 2);
		$used += $n * (8 << $slot);
	}

	return ($free, $used);
}

sub _words {
	my ($fh, $at, $n) = @_;
	sysseek($fh, $at, 0);
	sysread($fh, my $buf, 8 * $n);
	return unpack("Q$n", $buf);
}

# Takes a sample.

sub take {
	my ($self) = @_;

	my ($free, $used) = $self->zone();
	my $master = $self->master();

	my %s = (time => time() - $self->{start}, free => $free, used => $used,
		master => memory($master), fds => descriptors($master));

	foreach my $pid ($self->workers()) {
		my %w = (memory => memory($pid), fds => descriptors($pid));
		next unless $w{memory};

		push @{$self->{of}{$pid}}, \%w;
		push @{$s{workers}}, \%w;
	}

	push @{$self->{all}}, \%s;

	return \%s;
}

sub row {
	my ($s) = @_;
	my @w = @{$s->{workers} || []};

	return sprintf('%6d s  zone %6d pages free %9d octets taken  master '
		. '%6d KB %3d fds  workers %s', @$s{qw/ time free used master
		fds /}, join(' ', map { "$_->{memory}/$_->{fds}" } @w));
}

sub _median {
	my @v = sort { $a <=> $b } @_;
	return $v[@v / 2] // 0;
}

# What has grown: the last third of the samples against the first, but for the
# time that all takes to get going.  Of workers those count that lived for long.
# Texts; none if nothing has.

sub growth {
	my ($self) = @_;
	my @all = @{$self->{all}};
	my @bad;

	my $compare = sub {
		my ($what, $slack, @v) = @_;
		my $n = @v;

		return if $n < 9;

		my $first = _median(@v[$n / 9 .. $n / 3]);
		my $last = _median(@v[2 * $n / 3 .. $n - 1]);

		push @bad, "$what: $first at first, $last in the end"
			if $last > $first * 1.1 + $slack;
	};

	$compare->('memory of the master, KB', 512, map { $_->{master} } @all);
	$compare->('descriptors of the master', 8, map { $_->{fds} } @all);
	$compare->('octets taken of the zone', $self->{zone} / 50,
		map { $_->{used} } @all);
	$compare->('pages taken of the zone', $self->{zone} / 4096 / 50,
		map { $self->{zone} / 4096 - $_->{free} } @all);

	foreach my $pid (sort keys %{$self->{of}}) {
		my @w = @{$self->{of}{$pid}};
		next if @w < 20;

		$compare->("memory of worker $pid, KB", 1024,
			map { $_->{memory} } @w);
		$compare->("descriptors of worker $pid", 16,
			map { $_->{fds} } @w);
	}

	return @bad;
}

###############################################################################

1;

###############################################################################
