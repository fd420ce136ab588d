#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests that each directive, parameter and variable is documented, stands in an
# example, and is tested.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

###############################################################################

my $src = '../ngx_xmpp_sip_module';
my $module = slurp("$src/ngx_xmpp_sip_module.c");

my ($commands) = $module =~ /ngx_xmpp_sip_commands\[\] = \{(.*?)ngx_null_comm/s;
my @directives = $commands =~ /ngx_(?:string|xmpp_sip_\w+)\("(\w+)"/g;

my ($params) = slurp("$src/federation/ngx_fed_domain.c")
	=~ /ngx_fed_domain_parameters\[\] = \{(.*?)ngx_null_string/s;
my @params = $params =~ /ngx_string\("([\w=]+)"\)/g;

my ($vars) = slurp("$src/federation/ngx_fed_variable.c")
	=~ /ngx_fed_variables\[\] = \{(.*?)ngx_stream_null_variable/s;
my @vars = $vars =~ /ngx_string\("(\w+)"\)/g;

my $docs = slurp('../docs/directives.md');
my $examples = join '', map { slurp($_) } glob('../examples/*.conf');
my $tests = join '', map { slurp($_) } grep { !/docs\.t$/ } glob('*.t'),
	glob('lib/Test/Nginx/Gateway.pm');

cmp_ok(@directives, '>', 50, 'directives are found');

for my $name (@directives) {
	ok($docs =~ /^(?:    Syntax:   $name |\| `$name )/m, "$name - docs");
	ok($examples =~ /^\s+$name /m, "$name - example");
	ok($tests =~ /\b$name /, "$name - test");
}

for my $name (@params) {
	ok($docs =~ /`\Q$name\E`/, "$name - docs");
	ok($examples =~ /\b\Q$name\E/, "$name - example");
	ok($tests =~ /\b\Q$name\E/, "$name - test");
}

for my $name (@vars) {
	ok($docs =~ /`\$$name`/, "\$$name - docs");
	ok($tests =~ /\$$name(?:\b|(?<=_))/, "\$$name - test");
}

# links within the documents

my %anchors;

for my $file (qw!../README.md!, glob('../docs/*.md')) {
	my ($name) = $file =~ m!([^/]+)$!;

	for my $title (slurp($file) =~ /^#+ (.*)$/mg) {
		$title = lc $title;
		$title =~ s/[^\w -]//g;
		$title =~ tr/ /-/;
		$anchors{"$name#$title"} = 1;
	}

	$anchors{$name} = 1;
}

for my $file (qw!../README.md!, glob('../docs/*.md')) {
	my ($dir, $name) = $file =~ m!^(.*)/([^/]+)$!;

	my @dead = grep {
		my ($path, $anchor) = /^([^#]*)(.*)$/;
		$path eq '' ? !$anchors{$name . $anchor}
			: !-e "$dir/$path" || $path =~ /\.md$/
			&& !$anchors{($path =~ m!([^/]+)$!)[0] . $anchor};
	} grep { !/^https?:/ } slurp($file) =~ /\]\(([^)\s]+)\)/g;

	is("@dead", '', "$name - links");
}

done_testing();

###############################################################################

sub slurp {
	my ($name) = @_;
	open my $fh, '<', $name or die "$name: $!";
	local $/;
	return <$fh>;
}

###############################################################################
