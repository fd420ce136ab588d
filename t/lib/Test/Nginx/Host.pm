package Test::Nginx::Host;

# (C) The ngx_xmpp_sip_module authors

# The processes of an nginx under test, and what a host may do to them: kill
# them, put another binary in the place of one that runs.  Peers are served
# while something is awaited.

###############################################################################

use warnings;
use strict;

use base qw/ Exporter /;
our @EXPORT = qw/ alive children errors logged master slay until_true upgrade
	workers /;

use Test::Nginx::Peers;

###############################################################################

our $WAIT = 20;

# what another binary needs of the environment, of which nginx keeps nothing

our $ENV = join ' ', map { "env $_;" } qw/ LD_PRELOAD ASAN_OPTIONS
	UBSAN_OPTIONS /;

# waits for what no peer sees: looks at it again and again

sub until_true {
	my ($code, $s) = @_;
	my $end = Test::Nginx::Peers::now() + (defined $s ? $s : $WAIT);
	my $rv;

	until ($rv = $code->()) {
		return if Test::Nginx::Peers::now() > $end;
		Test::Nginx::Peers::idle(0.02);
	}

	return $rv;
}

# the process id of the master, or of the one before it while there are two

sub master {
	my ($t, $old) = @_;

	my $text = eval { $t->read_file('nginx.pid' . ($old ? '.oldbin' : '')) };
	return defined $text && $text =~ /(\d+)/ ? $1 : 0;
}

# false for those that ended, and wait for their parent

sub alive {
	my ($pid) = @_;

	open my $f, '<', "/proc/$pid/stat" or return 0;
	my $stat = <$f>;
	return defined $stat && $stat !~ /^\d+ \(.*\) Z /s;
}

sub children {
	my ($pid) = @_;
	my @all;

	for (glob('/proc/[0-9]*/stat')) {
		open my $f, '<', $_ or next;
		my $stat = <$f>;
		push @all, $1 if defined $stat
			&& $stat =~ /^(\d+) \(.*\) [^Z] $pid /s;
	}

	return @all;
}

# the children that are workers, those that shut down included if asked for

sub workers {
	my ($pid, $all) = @_;

	return grep {
		my $title = '';
		if (open my $f, '<', "/proc/$_/cmdline") {
			local $/;
			$title = <$f> // '';
		}
		$title =~ /worker process/
			&& ($all || $title !~ /shutting down/);
	} children($pid);
}

# sends USR2 and waits until the new master has workers; returns its id and
# that of the old one

sub upgrade {
	my ($t) = @_;

	my $old = master($t);
	kill 'USR2', $old;

	my $new;

	until_true(sub {
		$new = master($t);
		return $new && $new != $old && master($t, 1) == $old
			&& workers($new);
	})
		or die "upgrade: there is no new master\n";

	return ($new, $old);
}

# kills all processes of nginx, as a power failure would

sub slay {
	my ($t) = @_;

	my @masters = grep { $_ } master($t), master($t, 1);
	my @all = (@masters, map { children($_) } @masters);

	kill 'KILL', @all;
	waitpid($t->{_child}, 0);
	until_true(sub { !grep { alive($_) } @all });

	$t->{_started} = 0;
	unlink map { $t->testdir() . "/$_" } 'nginx.pid', 'nginx.pid.oldbin';
}

# lines of error.log that match

sub logged {
	my ($t, $re) = @_;
	return grep { /$re/ } split /\n/, $t->read_file('error.log');
}

sub errors {
	my ($t) = @_;
	return join "\n", logged($t, qr/\[(?:error|emerg|crit|alert)\]/);
}

###############################################################################

1;

###############################################################################
