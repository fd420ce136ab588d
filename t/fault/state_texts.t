#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# State files that somebody else wrote, with a checksum that is right: nothing
# in them gets onto the wire as it is, or makes nginx read beyond them.

###############################################################################

use warnings;
use strict;

use Test::More;
use Compress::Raw::Zlib qw/crc32/;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;
use Test::Nginx::Host;
use Test::Nginx::Presence;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(35);
my $d = $t->testdir();

my $g = Test::Nginx::Gateway->new($t, zone => '4m', federation => <<"EOF");
        state $d/state interval=50ms;
        subscription_expires 1h;
        notify_interval 50ms;
EOF

$g->start();

my $hub = Test::Nginx::Presence->new($g);
my $xmpp = $g->xmpp();

# a file with a watch of each direction, a dialog under each, and presence

my $w = $hub->watcher('u1@x.test', from => 'sip:r1@s.test');
is($w->subscribe()->code(), 200, 'SUBSCRIBE');
is($hub->told('u1@x.test'), 'subscribe r1@s.test', 'request');
ask('u1@x.test', 'r1@s.test', 'subscribed');
ask('u1@x.test/a', 'r1@s.test');
$w->notify_line('ID-a:open');

my $p = $hub->presentity('r2@s.test', answer => 200, notify => 'active',
	document => pidf('r2@s.test', [{ id => 'ID-a', basic => 'open',
		note => 'at the sea' }]));
ask('u2@x.test', 'r2@s.test', 'subscribe');
my $dialog = $p->subscription();
is($hub->told('u2@x.test'), 'subscribed r2@s.test', 'grant');
is($hub->told('u2@x.test'), 'available r2@s.test/a', 'presence');

until_true(sub {
	my $s = eval { $t->read_file('state/state') };
	return $s && $s =~ /u1x\.testr1|r1s\.testu1/ && $s =~ /at the sea/;
});

Test::Nginx::Peers::stop($t);

my $good = $t->read_file('state/state');
my $file = parse($good);

is(@{$file->{watches}}, 2, 'watches');
is(join(' ', map { scalar @{$_->{dialogs}} } @{$file->{watches}}), '1 1',
	'dialogs');
ok(make($file) eq $good, 'the file is understood');

# each text in turn: Call-ID, tag, target, routes, event id, URIs

my $evil = "a\r\nEvil: yes";

bad("$_ - line end", sub {
	$_[0]{watches}[1]{dialogs}[0]{texts}[$_] = $evil;
}) for 0 .. 6;

bad('tag - parameter', sub {
	$_[0]{watches}[1]{dialogs}[0]{texts}[1] = 'a;b=c';
});
bad('tag - none', sub { $_[0]{watches}[1]{dialogs}[0]{texts}[1] = ''; });
bad('target - end', sub {
	$_[0]{watches}[1]{dialogs}[0]{texts}[2] = 'sip:a@b> SIP/2.0';
});
bad('target - NUL', sub {
	$_[0]{watches}[1]{dialogs}[0]{texts}[2] = "sip:a\@b\0";
});

# users and domains

bad("name $_ - control", sub {
	$_[0]{watches}[0]{names}[$_] = "a\x01b";
}) for 0 .. 3;
bad('user - not UTF-8', sub { $_[0]{watches}[0]{names}[0] = "a\xffb"; });
bad('domain - markup', sub {
	$_[0]{watches}[0]{names}[1] = "x.test'><evil/>";
});
bad('domain - empty', sub { $_[0]{watches}[0]{names}[3] = ''; });

# what is unlike a record

bad('state', sub { $_[0]{watches}[0]{state} = 77; });
bad('more dialogs than there are', sub {
	$_[0]{watches}[-1]{ndialogs} = 200;
});
bad('trailing garbage', sub { $_[0]{end} .= "\0" x 8; });
bad('no end', sub { $_[0]{end} = ''; });

$t->write_file('state/state', make($file, 3));
like(check(), qr/another version of the module/, 'another version');

# presence is left out

damage(sub { $_[0] =~ s/at the sea/at\x01the sea/; });
like(check(), qr/^$/, 'presence - control');

# what a text can not show

my $n = 200;
my %seen;

srand(5261);

for (1 .. $n) {
	my $s = substr($good, 0, -4);

	for (0 .. rand 4) {
		my $at = 16 + int rand(length($s) - 16);

		if (rand() < 0.1) {
			substr($s, $at, 1 + rand 40) = '';
			last if length($s) < 40;

		} elsif (rand() < 0.5) {
			substr($s, $at, 1) = chr rand 256;

		} else {
			substr($s, $at, 1) = (map { chr } 0, 0xff, 0x7f, 0x80,
				1)[rand 5];
		}
	}

	$t->write_file('state/state', $s . pack 'L', crc32($s));
	check();
	$seen{$?}++;
}

is(join(' ', map { "$_:$seen{$_}" } sort keys %seen), "0:$n",
	'any octets are survived');

# nginx goes on without it

damage(sub { $_[0]; });
$t->write_file('state/state', make(with($file, sub {
	$_[0]{watches}[1]{dialogs}[0]{texts}[2] = $evil;
})));
$t->write_file('error.log', '');
$t->run();
$xmpp = $g->xmpp();
$hub->settle();
$hub->settle_sip($xmpp);
pass('messages cross');
is(scalar(grep { ($_->raw() // '') =~ /^Evil/m } $g->{s}->seen()), 0,
	'nothing on the wire');
is((() = glob("$d/state/state.bad-*")), 1, 'the file is kept');

undef $_ for $w, $p, $dialog, $hub, $xmpp, $g, $t;

###############################################################################

sub ask {
	$xmpp->send(Test::Nginx::XMPP::presence_xml(from => $_[0],
		to => $_[1], type => $_[2]));
}

# nginx -t reads the file, and says what it thinks of it; the status is in $?

sub check {
	local $ENV{LD_PRELOAD} = $ENV{TEST_NGINX_PRELOAD} // '';
	my $nginx = $ENV{TEST_NGINX_BINARY} // 'nginx';
	my $s = `$nginx -t -p $d/ -c nginx.conf -e error.log 2>&1`;

	return join '', grep { /\[(?:error|emerg|alert)\]|Sanitizer/ }
		split /^/, $s;
}

sub bad {
	my ($name, $code) = @_;

	$t->write_file('state/state', make(with($file, $code)));
	like(check(), qr/is not used: its records are none/, $name);
}

# a change of the octets themselves

sub damage {
	my ($code) = @_;
	my $s = substr($good, 0, -4);

	$code->($s);
	$t->write_file('state/state', $s . pack 'L', crc32($s));
}

# a copy with changes

sub with {
	my ($f, $code) = @_;
	my $copy = parse(make($f));

	$code->($copy);

	return $copy;
}

# the layout of ngx_fed_state.c

sub parse {
	my ($s) = @_;

	my %f = (header => substr($s, 0, 80), watches => []);
	my $pos = 80;

	while (1) {
		my %w;
		my @len;

		(@w{qw/ asked until seen size /}, @len[0 .. 2],
			@w{qw/ presence state flags failures ndialogs /})
			= unpack 'l3 S S3 S C4 x2', substr($s, $pos, 28);
		$pos += 28;

		last if $w{size} == 0;

		$len[3] = $w{size} - $len[0] - $len[1] - $len[2];

		for (@len) {
			push @{$w{names}}, substr($s, $pos, $_);
			$pos += $_;
		}

		$w{packed} = substr($s, $pos, $w{presence});
		$pos += $w{presence};
		$w{dialogs} = [];

		for (1 .. $w{ndialogs}) {
			my ($fixed, @l) = unpack 'a24 S7', substr($s, $pos, 40);
			my %dialog = (fixed => $fixed,
				flags => substr($s, $pos + 38, 2));
			$pos += 40;

			for (@l) {
				push @{$dialog{texts}}, substr($s, $pos, $_);
				$pos += $_;
			}

			push @{$w{dialogs}}, \%dialog;
		}

		push @{$f{watches}}, \%w;
	}

	$f{end} = substr($s, $pos - 28, -4);

	return \%f;
}

sub make {
	my ($f, $version) = @_;

	my $s = $f->{header};

	substr($s, 12, 4) = pack 'L', $version if $version;

	for my $w (@{$f->{watches}}) {
		my @names = @{$w->{names}};

		$s .= pack 'l3 S S3 S C4 x2', @$w{qw/ asked until seen /},
			length(join '', @names), map({ length } @names[0 .. 2]),
			@$w{qw/ presence state flags failures ndialogs /};
		$s .= join '', @names, $w->{packed};

		$s .= $_->{fixed} . pack('S7', map { length } @{$_->{texts}})
			. $_->{flags} . join '', @{$_->{texts}}
			for @{$w->{dialogs}};
	}

	$s .= $f->{end};

	return $s . pack 'L', crc32($s);
}

###############################################################################
