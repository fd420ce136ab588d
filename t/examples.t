#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests that nginx takes the examples as they stand, apart from paths and ports,
# and begins and ends with them.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::CA;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl/)->has_daemon('openssl');
my $d = $t->testdir();

my @examples = sort glob('../examples/*.conf');
my $readme = readme();

$t->plan(2 + 2 * @examples);

my $ca = Test::Nginx::CA->new($d);
rename($ca->file(), "$d/ca.pem") or die "$d/ca.pem: $!";
symlink("$d/ca.pem", $ca->file()) or die $ca->file() . ": $!";

foreach my $name (qw/ gw.campus.example xmpp.campus.example /) {
	$ca->issue($name, cn => $name, dns => [$name, 'campus.example']);
	symlink($ca->crt($name), "$d/$name.pem") or die "$d/$name.pem: $!";
}

$ca->crl();
$t->write_file('passwords', "none\n");

foreach my $file (@examples) {
	open(my $fh, '<', $file) or die "$file: $!";
	local $/;
	is(tried($t, <$fh>), '', $file);
	is(run($t), '', "$file - processes");
}

is(tried($t, "events { }\n$readme"), '', 'README.md');
is(run($t), '', 'README.md - processes');

###############################################################################

# the configuration in README.md

sub readme {
	open(my $fh, '<', '../README.md') or die "README.md: $!";
	local $/;
	my ($conf) = <$fh> =~ /^```nginx\n(.*?)^```/ms;
	return defined $conf ? $conf : 'none';
}

# what nginx -t says of a configuration: nothing, if it is good

sub tried {
	my ($t, $conf) = @_;
	my $d = $t->testdir();

	# modules are loaded by the environment; the rest is of this machine

	$conf =~ s/^load_module .*$//mg;
	$conf =~ s/^(?:user|pid|error_log) .*$//mg;
	$conf =~ s!/etc/nginx/tls/|(?<=\s)(?=\w[\w.]*\.(?:pem|key);)!$d/!g;
	$conf =~ s!/var/(?:log|lib)/nginx/!$d/!g;
	$conf =~ s/(listen\s+(?:127\.0\.0\.1:)?)5/${1}1/g;

	$t->write_file_expand('nginx.conf',
		"%%TEST_GLOBALS%%\ndaemon off;\n$conf");

	my $out = $t->dump_config();

	return $out =~ /test is successful/ ? '' : $out;
}

# what nginx logs of processes that died, when it has begun and ended

sub run {
	my ($t) = @_;
	my $was = length $t->read_file('error.log');

	$t->run()->stop();

	return join("\n", grep { /exited on signal/ }
		split(/\n/, substr($t->read_file('error.log'), $was)));
}

###############################################################################
