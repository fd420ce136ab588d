#!/usr/bin/perl

# Unit tests of the pure files in C: each program in t/unit is compiled with
# the files it tests and prints TAP.  `t/unit.t bench` builds and runs the
# benchmark instead.

###############################################################################

use warnings;
use strict;

use Test::More;

use Cwd qw/ abs_path /;
use File::Temp qw/ tempdir /;
use FindBin;
use TAP::Parser;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my %programs = (
	address => [ qw/ address precis text / ],
	cpim => [ qw/ sip_cpim sip_field text / ],
	due => [ qw/ due / ],
	error => [ qw/ error / ],
	imdn => [ qw/ sip_imdn sip_iscomposing sip_xml sip_field xml / ],
	ocs_document => [ qw/ ocs_document sip_pidf sip_xml sip_field presence
		address precis text xml / ],
	ocs_text => [ qw/ ocs_text sip_field / ],
	pidf => [ qw/ sip_pidf sip_xml sip_field address precis text xml / ],
	presence => [ qw/ presence / ],
	sip_diff => [ qw/ sip_parse sip_field / ],
	sip_parse => [ qw/ sip_parse sip_field hash sip_multipart / ],
	text => [ qw/ text / ],
	xmpp_xml => [ qw/ xmpp_xml xml / ],
);

# the other parser

my %options = (
	sip_diff => '-I/usr/include/sofia-sip-1.12 -lsofia-sip-ua',
);

my $top = abs_path("$FindBin::Bin/..");
my $unit = "$top/t/unit";
my $src = "$top/ngx_xmpp_sip_module/federation";
my $sip = "$top/ngx_xmpp_sip_module/sip";
my $cc = $ENV{CC} || 'cc';
my $dir = tempdir('ngx-unit-XXXXXXXXXX', TMPDIR => 1, CLEANUP => 1);

my $includes = includes();

unless (defined $includes) {
	my $why = 'no configured nginx headers: run make, or set NGX_OBJS to '
		. 'the directory of ngx_auto_config.h';

	die "$why\n" if $ENV{CI};
	plan(skip_all => $why);
}

my $flags = "-Wall -Wextra -Wno-unused-parameter -Werror $includes -I$src "
	. "-I$sip -I$sip/ocs -I$unit";
my $libs = '-lexpat -lidn2 -lunistring';

bench() if @ARGV && $ARGV[0] eq 'bench';

my $sanitize = sanitizers();

diag("no sanitizers with $cc") unless $sanitize;

$ENV{ASAN_OPTIONS} = 'detect_leaks=1:detect_stack_use_after_return=1';
$ENV{UBSAN_OPTIONS} = 'print_stacktrace=1';

for my $name (sort keys %programs) {
	my @files = ("$unit/$name.c", map {
		/^ocs_/ ? "$sip/ocs/ngx_sip_$_.c"
			: /^sip_/ ? "$sip/ngx_$_.c"
			: /^xmpp_/ ? "$top/ngx_xmpp_sip_module/xmpp/ngx_$_.c"
			: "$src/ngx_fed_$_.c"
	} @{$programs{$name}});

	my $binary = compile($name, "-g -O1 $sanitize", @files);
	ok($binary, "$name compiles") or next;

	run($name, $binary);
}

done_testing();

###############################################################################

sub run {
	my ($name, $binary) = @_;

	my $parser = TAP::Parser->new({ exec => [ $binary, $unit ] });

	while (my $result = $parser->next()) {
		if ($result->is_test()) {
			my $text = $result->description();
			$text =~ s/^- //;
			ok($result->is_ok(), "$name: $text");

		} elsif ($result->is_comment() || $result->is_bailout()
			|| $result->is_unknown())
		{
			note($result->as_string());
		}
	}

	ok($parser->exit() == 0 && !$parser->parse_errors(),
		"$name ran to its end")
		or diag('exit ' . $parser->exit(), $parser->parse_errors());
}

sub compile {
	my ($name, $opts, @files) = @_;

	my $out = "$dir/$name";

	my $extra = $options{$name} || '';

	my $log = `$cc $opts $flags -o $out @files $unit/unit.c \\
		$unit/ngx_shim.c $libs $extra 2>&1`;

	diag($log) if $log;

	return $? ? undef : $out;
}

sub includes {
	for my $file (map { "$_/cflags" } grep { defined } $ENV{NGX_OBJS},
		$ENV{TEST_NGINX_BUILD}, "$top/build")
	{
		open my $f, '<', $file or next;
		local $/;
		return join ' ', split ' ', <$f>;
	}

	# the tree that nginx's ./configure was run in

	my $objs = $ENV{NGX_OBJS};

	return undef unless defined $objs && -f "$objs/ngx_auto_config.h";

	return join ' ', map { "-I$_" } $objs, map { "$objs/../src/$_" }
		qw{ core event event/modules os/unix stream };
}

sub sanitizers {
	my $opts = '-fsanitize=address,undefined '
		. '-fno-sanitize-recover=undefined -fno-omit-frame-pointer';

	# NULL + 0, as nginx has it everywhere

	$opts .= ' -fno-sanitize=pointer-overflow' if `$cc --version` =~ /clang/;

	open my $f, '>', "$dir/probe.c" or die "$dir/probe.c: $!";
	print $f "int main(void) { return 0; }\n";
	close $f;

	`$cc $opts -o $dir/probe $dir/probe.c 2>&1 && $dir/probe 2>&1`;

	return $? ? '' : $opts;
}

sub bench {
	my $binary = compile('bench', '-O2', "$unit/bench.c",
		map { "$src/ngx_fed_$_.c" } @{$programs{address}});

	die "no benchmark\n" unless $binary;
	exit(system($binary) >> 8);
}

###############################################################################
