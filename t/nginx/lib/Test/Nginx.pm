package Test::Nginx;

# Runs nginx under test: a replacement of the nginx-tests library.

###############################################################################

use warnings;
use strict;

use base qw/ Exporter /;

our @EXPORT = qw/ log_in log_out http http_get http_head port /;
our @EXPORT_OK = qw/
	http_gzip_request http_gzip_like http_start http_end http_content
/;
our %EXPORT_TAGS = (gzip => [qw/ http_gzip_request http_gzip_like /]);

###############################################################################

use File::Path qw/ remove_tree /;
use File::Spec;
use File::Temp;
use IO::Socket::INET;
use POSIX qw/ WNOHANG /;
use Test::More qw//;
use Time::HiRes qw//;

###############################################################################

# the nginx binary: the environment, a source tree nearby, or the system's

our $NGINX = _find_binary();

# everything is slower under valgrind or with a sanitizer

our $PATIENCE = $ENV{TEST_NGINX_WRAPPER} ? 12
	: $ENV{TEST_NGINX_PRELOAD} ? 3 : 1;

our $TODO;

my %port;
my $version_text;
my $peer_error;

# modules that may be built as shared objects, by feature name

my %shared = (
	http_geoip	=> 'ngx_http_geoip_module',
	http_image_filter => 'ngx_http_image_filter_module',
	image_filter	=> 'ngx_http_image_filter_module',
	http_perl	=> 'ngx_http_perl_module',
	perl		=> 'ngx_http_perl_module',
	http_xslt	=> 'ngx_http_xslt_filter_module',
	xslt		=> 'ngx_http_xslt_filter_module',
	mail		=> 'ngx_mail_module',
	stream		=> 'ngx_stream_module',
	stream_geoip	=> 'ngx_stream_geoip_module',
);

# order in which shared objects depend on each other, and the configure name

my @load_order = qw/
	http_geoip http_image_filter http_perl http_xslt
	mail stream stream_geoip
/;

sub _find_binary {
	return $ENV{TEST_NGINX_BINARY} if defined $ENV{TEST_NGINX_BINARY};

	my $near = '../nginx/objs/nginx';
	return $near if -x $near;

	foreach my $dir (split(/:/, $ENV{PATH} || ''), '/usr/sbin',
		'/usr/local/sbin', '/usr/local/nginx/sbin')
	{
		return "$dir/nginx" if -x "$dir/nginx";
	}

	return $near;
}

# makes a test object with its own directory

sub new {
	my ($class) = @_;

	Test::More::BAIL_OUT("nginx binary $NGINX is missing")
		unless -x $NGINX;

	my $dir = File::Temp::tempdir('nginx-test-XXXXXXXXXX', TMPDIR => 1);

	return bless {
		_pid => $$,
		_testdir => $dir,
		_alerts => 1,
		_daemons => [],
	}, ref $class || $class;
}

sub DESTROY {
	my ($self) = @_;

	return if $self->{_pid} != $$;

	local ($?, $@, $!);

	eval { $self->stop(); };
	warn "while stopping: $@" if $@;
	$self->stop_daemons();

	if (Test::More->builder()->expected_tests()) {
		my $log = eval { $self->read_file('error.log') };
		$log = '' unless defined $log;

		{
			local $TODO = 'alerts' unless $self->{_alerts};
			my @found = grep { /\[alert\]/ } split(/\n/, $log);
			Test::More::is(join("\n", @found), '', 'no alerts');
		}

		local $TODO;
		my @found = grep { /Sanitizer|: runtime error: / }
			split(/\n/, $log);
		Test::More::is(join("\n", @found), '', 'no sanitizer errors');
	}

	if ($ENV{TEST_NGINX_CATLOG}) {
		my $log = eval { $self->read_file('error.log') };
		print $log if defined $log;
	}

	if ($ENV{TEST_NGINX_LEAVE}) {
		Test::More::diag("left $self->{_testdir}");
		return;
	}

	remove_tree($self->{_testdir}, { error => \my $ignored });
}

###############################################################################

# skips the whole test unless all features or modules are there

sub has($;) {
	my ($self, @names) = @_;

	foreach my $name (@names) {
		next if $self->has_module($name) || $self->has_feature($name);
		Test::More::plan(skip_all => "no $name available");
	}

	return $self;
}

# output of nginx -V

sub _version_text {
	my ($self) = @_;

	unless (defined $version_text) {
		$version_text = `$NGINX -V 2>&1`;
		$version_text = '' unless defined $version_text;
	}

	return $version_text;
}

# whether configure knows an option; the word may carry "=dynamic"

sub _configured_with {
	my ($self, $word) = @_;
	return $self->_version_text() =~ /--with-\Q$word\E(?:=dynamic)?(?!\S)/;
}

# whether a module is built in, or can be loaded

sub has_module($) {
	my ($self, $name) = @_;
	my $text = $self->_version_text();

	if (defined $shared{$name}) {
		my $globals = $ENV{TEST_NGINX_GLOBALS} || '';
		return 1 if $globals
			=~ /load_module\s[^;]*\Q$shared{$name}\E[-\w]*\.so/;

		my ($word) = grep { $shared{$_} eq $shared{$name} } @load_order;
		$word .= '_module' if $word =~ /_/;

		return 0 unless $self->_configured_with($word);
		return 1 if $text !~ /--with-\Q$word\E=dynamic(?!\S)/;
		return -e $self->_modules_path() . "/$shared{$name}.so" ? 1 : 0;
	}

	return $text =~ /TLS SNI support enabled/ ? 1 : 0 if $name eq 'sni';

	# modules that are off unless asked for

	my @optional = qw/ addition auth_request dav flv gunzip gzip_static mp4
		random_index realip secure_link slice ssl stub_status sub v2 v3 /;

	if (grep { $name eq $_ || $name eq "http_$_" } @optional) {
		(my $word = $name) =~ s/^http_//;
		return $self->_configured_with("http_${word}_module") ? 1 : 0;
	}

	if ($name =~ /^(?:stream|mail)_(?:ssl|ssl_preread|realip)$/) {
		return $self->_configured_with("${name}_module") ? 1 : 0;
	}

	# modules and functions that are on unless switched off

	return $text =~ /--without-\Q$name\E(?!\S)/ ? 0 : 1
		if $name eq 'pcre' || $name eq 'http';

	return $text =~ /--without-http-cache(?!\S)/ ? 0 : 1
		if $name eq 'cache';

	if ($name =~ /^(?:pop3|imap|smtp)$/) {
		return $text =~ /--without-mail_${name}_module/ ? 0 : 1;
	}

	if ($name =~ /^stream_(?:access|geo|limit_conn|map|pass|return|set
		|split_clients|upstream_\w+)$/x)
	{
		return $text =~ /--without-${name}_module/ ? 0 : 1;
	}

	if ($name =~ /^(?:charset|gzip|ssi|mirror|userid|access|auth_basic
		|autoindex|geo|map|referer|rewrite|proxy|fastcgi|uwsgi|scgi|grpc
		|memcached|limit_conn|limit_req|empty_gif|browser|split_clients
		|tunnel|upstream_\w+)$/x)
	{
		return $text =~ /--without-http_${name}_module/ ? 0 : 1;
	}

	# anything else is a pattern

	return $text =~ /$name/ ? 1 : 0;
}

# whether the system or a perl module can do something

sub has_feature($) {
	my ($self, $name) = @_;

	return 1 if $name =~ /^(?:symlink|unix|udp)$/;

	if ($name =~ /^socket_ssl(?:_(\w+))?$/) {
		my $what = $1;
		return 0 unless eval { require IO::Socket::SSL; 1 };
		return 1 unless defined $what;

		my %probe = (
			sni => sub { IO::Socket::SSL->can_client_sni() },
			alpn => sub { IO::Socket::SSL->can_alpn() },
			sslversion => sub {
				IO::Socket::SSL->can('get_sslversion')
			},
			reused => sub {
				IO::Socket::SSL->can('get_session_reused')
			},
		);

		return 0 unless $probe{$what};
		return eval { $probe{$what}->() } ? 1 : 0;
	}

	if ($name =~ /^(openssl|libressl):([\d.]+)([a-z]*)$/) {
		my ($lib, $need, $letter) = ($1, $2, $3);
		return 0 unless $self->_version_text()
			=~ /with $lib ([\d.]+)([a-z]*)/i;
		my ($have, $patch) = ($1, $2);
		my $order = _compare($have, $need);
		return $order > 0 || $order == 0 && $patch ge $letter ? 1 : 0;
	}

	if ($name eq 'cryptx') {
		return eval {
			require Crypt::Misc;
			Crypt::Misc->VERSION(0.067);
			1;
		} ? 1 : 0;
	}

	return 0;
}

# compares two dotted versions

sub _compare {
	my ($x, $y) = map { [split(/\./, $_)] } @_;

	while (@$x || @$y) {
		my $order = (shift(@$x) || 0) <=> (shift(@$y) || 0);
		return $order if $order;
	}

	return 0;
}

# whether nginx is of that version or newer

sub has_version($) {
	my ($self, $need) = @_;
	return 0 unless $self->_version_text() =~ m!nginx/([\d.]+)!;
	return _compare($1, $need) >= 0 ? 1 : 0;
}

# skips the whole test unless a program is installed

sub has_daemon($) {
	my ($self, $name) = @_;

	my @dirs = $name =~ m!/! ? ('') : map { "$_/" } File::Spec->path();
	Test::More::plan(skip_all => "$name not found")
		unless grep { -x "$_$name" && !-d _ } @dirs;

	return $self;
}

# declares the number of tests, ours excluded

sub plan($) {
	my ($self, $n) = @_;
	Test::More::plan(tests => $n + 2);
	return $self;
}

# alerts are expected

sub todo_alerts() {
	my ($self) = @_;
	$self->{_alerts} = 0;
	return $self;
}

###############################################################################

# sleeps, while scripted peers in this process stay alive

sub _pause {
	my ($seconds) = @_;

	my $pump = Test::Nginx::Peers->can('pump');

	if (defined $pump && !defined $peer_error) {
		return if eval { $pump->($seconds); 1 };
		$peer_error = $@;
	}

	select(undef, undef, undef, $seconds);
}

# dies of what went wrong with a peer meanwhile

sub _peer_error {
	my $error = $peer_error;
	undef $peer_error;
	die $error if defined $error;
}

# calls a function until it returns true or the time is over

sub _until {
	my ($seconds, $code) = @_;
	my $end = Time::HiRes::time() + $seconds;

	while (1) {
		my $rv = $code->();
		return $rv if $rv;
		return if Time::HiRes::time() >= $end;
		_pause(0.02);
	}
}

# arguments that every start of nginx gets

sub _arguments {
	my ($self) = @_;
	my $dir = $self->{_testdir};

	my @args = ('-p', "$dir/", '-c', 'nginx.conf', '-e', 'error.log');

	push @args, '-g', "pid $dir/nginx.pid; error_log $dir/error.log debug;"
		unless defined $self->{_test_globals};

	return @args;
}

# replaces this process by nginx

sub _exec_nginx {
	my ($self, @more) = @_;

	$ENV{LD_PRELOAD} = $ENV{TEST_NGINX_PRELOAD}
		if $ENV{TEST_NGINX_PRELOAD};

	my @wrapper = split(' ', $ENV{TEST_NGINX_WRAPPER} || '');

	exec(@wrapper, $NGINX, @more, $self->_arguments())
		or print STDERR "cannot exec $NGINX: $!\n";
	POSIX::_exit(127);
}

# starts nginx and waits until it is up

sub run(;$) {
	my ($self, $conf) = @_;

	if (defined $conf) {
		open(my $fh, '<', $conf) or die "Can't open $conf: $!\n";
		local $/;
		$self->write_file_expand('nginx.conf', scalar <$fh>);
	}

	my $pid = fork();
	die "Can't fork: $!\n" unless defined $pid;

	$self->_exec_nginx() if $pid == 0;

	$self->{_child} = $pid;

	$self->waitforfile("$self->{_testdir}/nginx.pid", $pid)
		or die "Can't start nginx";

	# the file is created before the number is written

	_until(5, sub { -s "$self->{_testdir}/nginx.pid" });

	$self->{_started} = 1;

	return $self;
}

# starts nginx, or skips the whole test if it refuses

sub try_run($$) {
	my ($self, $message) = @_;

	open(my $saved, '>&', \*STDERR) or die "Can't dup stderr: $!\n";
	open(STDERR, '>', File::Spec->devnull()) or die "Can't open null: $!\n";

	my $ok = eval { $self->run(); 1 };

	open(STDERR, '>&', $saved) or die "Can't restore stderr: $!\n";

	return $self if $ok;

	if ($ENV{TEST_NGINX_VERBOSE}) {
		my $log = eval { $self->read_file('error.log') };
		log_core('||', $log) if defined $log;
	}

	Test::More::plan(skip_all => $message);

	return $self;
}

# output of nginx -T

sub dump_config() {
	my ($self) = @_;

	my $pid = open(my $out, '-|');
	die "Can't fork: $!\n" unless defined $pid;

	if ($pid == 0) {
		open(STDERR, '>&', \*STDOUT);
		$self->_exec_nginx('-T');
	}

	local $/;
	my $text = <$out>;
	close($out);

	return $text;
}

# makes nginx read its configuration again

sub reload() {
	my ($self) = @_;
	kill('HUP', $self->_nginx_pid()) if $self->{_started};
	return $self;
}

sub _nginx_pid {
	my ($self) = @_;
	my $pid = eval { $self->read_file('nginx.pid') };
	return defined $pid && $pid =~ /(\d+)/ ? $1 : $self->{_child};
}

# stops nginx gracefully, by force after 90 seconds

sub stop() {
	my ($self) = @_;

	return $self unless $self->{_started};
	$self->{_started} = 0;

	my $pid = $self->_nginx_pid();
	my $child = $self->{_child};

	my $gone = sub {
		my $rc = waitpid($child, WNOHANG);
		return if $rc == 0;
		return $pid == $child || !kill(0, $pid)
			|| waitpid($pid, WNOHANG) != 0;
	};

	kill('QUIT', $pid);

	if (!_until(90, $gone)) {
		kill('TERM', $pid);

		if (!_until(10, $gone)) {
			kill('KILL', $pid, $child);
			waitpid($child, 0);
		}
	}

	_peer_error();

	return $self;
}

# starts a helper: a function, or a command, with arguments

sub run_daemon($;@) {
	my ($self, $what, @args) = @_;

	my $pid = fork();
	die "Can't fork daemon: $!\n" unless defined $pid;

	if ($pid == 0) {
		if (ref $what eq 'CODE') {
			$what->(@args);
			exit 0;
		}

		exec($what, @args) or print STDERR "cannot exec $what: $!\n";
		POSIX::_exit(127);
	}

	push @{$self->{_daemons}}, $pid;

	return $self;
}

# stops all helpers

sub stop_daemons() {
	my ($self) = @_;

	while (defined(my $pid = shift @{$self->{_daemons}})) {
		kill('TERM', $pid);
		next if _until(5, sub { waitpid($pid, WNOHANG) != 0 });
		kill('KILL', $pid);
		waitpid($pid, 0);
	}

	return $self;
}

# waits for a file, as long as the given process lives

sub waitforfile($;$) {
	my ($self, $file, $pid) = @_;

	my $rv = _until(5 * $PATIENCE, sub {
		return 1 if -e $file;
		return unless $pid && waitpid($pid, WNOHANG) != 0;
		return -e $file ? 1 : -1;
	});

	return !defined $rv ? undef : $rv > 0 ? 1 : 0;
}

# waits until an address accepts connections

sub waitforsocket($) {
	my ($self, $addr) = @_;

	return _until(5 * $PATIENCE, sub {
		return IO::Socket::INET->new(
			Proto => 'tcp',
			PeerAddr => $addr
		) ? 1 : 0;
	}) ? 1 : undef;
}

###############################################################################

# content of a file in the test directory

sub read_file($) {
	my ($self, $name) = @_;

	open(my $fh, '<', "$self->{_testdir}/$name")
		or die "Can't open $name: $!";
	local $/;
	my $text = <$fh>;
	close($fh);

	return defined $text ? $text : '';
}

# writes a file into the test directory

sub write_file($$) {
	my ($self, $name, $text) = @_;

	open(my $fh, '>', "$self->{_testdir}/$name")
		or die "Can't create $name: $!";
	binmode($fh);
	print $fh $text;
	close($fh) or die "Can't write $name: $!";

	return $self;
}

# ditto, with macros and ports replaced

sub write_file_expand($$) {
	my ($self, $name, $text) = @_;

	my %macro = (
		TEST_GLOBALS => sub { $self->test_globals() },
		TEST_GLOBALS_HTTP => sub { $self->test_globals_http() },
		TEST_GLOBALS_STREAM => sub { $self->test_globals_stream() },
	);

	$text =~ s/%%(\w+?)%%/$macro{$1} ? $macro{$1}->() : "%%$1%%"/ge;
	$text =~ s/%%TESTDIR%%/$self->{_testdir}/g;

	$text =~ s/127\.0\.0\.1:(8\d{3})/'127.0.0.1:' . port($1)/ge;
	$text =~ s/%%PORT_(\d+)%%/port($1)/ge;
	$text =~ s/%%PORT_(\d+)_UDP%%/port($1, udp => 1)/ge;

	return $self->write_file($name, $text);
}

# the test directory

sub testdir() {
	my ($self) = @_;
	return $self->{_testdir};
}

###############################################################################

# directives for the main level

sub test_globals() {
	my ($self) = @_;

	return $self->{_test_globals} if defined $self->{_test_globals};

	my $dir = $self->{_testdir};
	my $own = defined $ENV{TEST_NGINX_GLOBALS}
		? $ENV{TEST_NGINX_GLOBALS} : '';

	my $s = "pid $dir/nginx.pid;\nerror_log $dir/error.log debug;\n";

	# workers of root must be able to read the test directory

	$s .= "user root;\n" if $> == 0 && $own !~ /(?:^|[;\s])user\s/;

	# a module given by the environment may need these ones first

	$s .= $self->test_globals_modules();
	$s .= "$own\n" if length $own;

	return $self->{_test_globals} = $s;
}

# where shared objects are

sub _modules_path {
	my ($self) = @_;

	return File::Spec->rel2abs($ENV{TEST_NGINX_MODULES})
		if defined $ENV{TEST_NGINX_MODULES};

	my ($volume, $dir) = File::Spec->splitpath($NGINX);
	$dir = File::Spec->rel2abs(File::Spec->catpath($volume, $dir, ''));
	return $dir if glob("$dir/ngx_*_module.so");

	return $1 if $self->_version_text() =~ /--modules-path=(\S+)/;

	return $dir;
}

# load_module directives for shared objects that exist

sub test_globals_modules() {
	my ($self) = @_;

	my $dir = $self->_modules_path();
	my $own = defined $ENV{TEST_NGINX_GLOBALS}
		? $ENV{TEST_NGINX_GLOBALS} : '';
	my $s = '';

	foreach my $name (@load_order) {
		my $word = $name =~ /_/ ? "${name}_module" : $name;
		next unless $self->_version_text()
			=~ /--with-\Q$word\E=dynamic(?!\S)/;

		my $so = "$dir/$shared{$name}.so";
		next if !-e $so || $own =~ /\Q$shared{$name}\E\.so/;

		$s .= "load_module $so;\n";
	}

	return $s;
}

# directives for the http level

sub test_globals_http() {
	my ($self) = @_;

	return $self->{_test_globals_http}
		if defined $self->{_test_globals_http};

	my $dir = $self->{_testdir};
	my $s = "root $dir;\naccess_log $dir/access.log;\n";

	foreach (['client_body', 'http'], ['proxy', 'proxy'],
		['fastcgi', 'fastcgi'], ['uwsgi', 'uwsgi'], ['scgi', 'scgi'])
	{
		my ($name, $module) = @$_;
		next unless $self->has_module($module);
		$s .= "${name}_temp_path $dir/${name}_temp;\n";
	}

	$s .= "$ENV{TEST_NGINX_GLOBALS_HTTP}\n"
		if defined $ENV{TEST_NGINX_GLOBALS_HTTP};

	return $self->{_test_globals_http} = $s;
}

# directives for the stream level

sub test_globals_stream() {
	my ($self) = @_;

	return $self->{_test_globals_stream}
		if defined $self->{_test_globals_stream};

	my $s = defined $ENV{TEST_NGINX_GLOBALS_STREAM}
		? "$ENV{TEST_NGINX_GLOBALS_STREAM}\n" : '';

	return $self->{_test_globals_stream} = $s;
}

###############################################################################

# a free port for a nominal one; holds the twin of the other protocol as a lock

sub port {
	my ($nominal, %opts) = @_;

	$port{$nominal} ||= _find_port($nominal, $opts{udp});

	return $port{$nominal}{$opts{socket} ? 'lock' : 'port'};
}

sub _bind {
	my ($proto, $n) = @_;

	return IO::Socket::INET->new(
		Proto => $proto,
		LocalAddr => "127.0.0.1:$n",
		$proto eq 'tcp' ? (Listen => 5, ReuseAddr => 1) : ()
	);
}

sub _find_port {
	my ($nominal, $udp) = @_;

	my ($proto, $twin) = $udp ? qw/ udp tcp / : qw/ tcp udp /;
	my $base = $nominal - $nominal % 500;
	my $n = $nominal;

	foreach my $try (1 .. 10) {
		my $lock = _bind($twin, $n);
		my $probe = $lock && _bind($proto, $n);

		if ($probe) {
			close($probe);
			return { port => $n, lock => $lock };
		}

		$n = $base + int(rand(500));
	}

	die "No free port near $nominal";
}

###############################################################################

# prints a message with a prefix, if the test is verbose

sub log_core {
	return unless $ENV{TEST_NGINX_VERBOSE};
	my ($prefix, $text) = @_;

	($prefix, $text) = ('', $prefix) unless defined $text;
	return unless defined $text;
	$prefix .= ' ' if length $prefix;

	if (length $text > 2048) {
		$text = substr($text, 0, 2048) . '(...logged only 2048 of '
			. length($text) . ' bytes)';
	}

	$text =~ s/([^\x20-\x7e\n\r\t])/sprintf('\\x%02x', ord($1) & 255)/ge;
	$text =~ s/\r?\n$//;
	$text =~ s/\r/\\r/g;
	$text =~ s/^/# $prefix/gm;

	local ($\, $,);
	print STDOUT "$text\n";
}

# logs what is sent

sub log_out {
	log_core('>>', @_);
}

# logs what is received

sub log_in {
	log_core('<<', @_);
}

###############################################################################

# GET request

sub http_get($;%) {
	my ($uri, %opts) = @_;
	return http("GET $uri HTTP/1.0\x0d\x0aHost: localhost\x0d\x0a\x0d\x0a",
		%opts);
}

# HEAD request

sub http_head($;%) {
	my ($uri, %opts) = @_;
	return http("HEAD $uri HTTP/1.0\x0d\x0aHost: localhost\x0d\x0a\x0d\x0a",
		%opts);
}

# sends a request, returns the response or (with start) the socket

sub http($;%) {
	my ($request, %opts) = @_;

	my $s = http_start($request, %opts);
	return $s if $opts{start} || !defined $s;

	return http_end($s, %opts);
}

sub _limited {
	my ($code) = @_;
	my $rv;

	my $ok = eval {
		local $SIG{ALRM} = sub { die "timeout\n" };
		local $SIG{PIPE} = sub { die "sigpipe\n" };
		alarm(8 * $PATIENCE);
		$rv = $code->();
		alarm(0);
		1;
	};
	alarm(0);

	log_in("died: $@") unless $ok;

	return $ok ? $rv : undef;
}

# connects and sends a request

sub http_start($;%) {
	my ($request, %opts) = @_;

	return _limited(sub {
		my $s = $opts{socket} || IO::Socket::INET->new(
			Proto => 'tcp',
			PeerAddr => '127.0.0.1:' . port(8080)
		)
			or die "Can't connect to nginx: $!\n";

		if ($opts{SSL}) {
			require IO::Socket::SSL;
			IO::Socket::SSL->start_SSL($s,
				SSL_verify_mode =>
					IO::Socket::SSL::SSL_VERIFY_NONE(),
				%opts
			)
				or die "$IO::Socket::SSL::SSL_ERROR\n";
		}

		log_out($request);
		$s->print($request);

		select(undef, undef, undef, $opts{sleep}) if $opts{sleep};
		return '' if $opts{aborted};

		if (defined $opts{body}) {
			log_out($opts{body});
			$s->print($opts{body});
		}

		return $s;
	});
}

# reads a response to its end

sub http_end($;%) {
	my ($s, %opts) = @_;

	return $s unless ref $s;

	return _limited(sub {
		local $/;
		my $reply = $s->getline();
		$s->close();
		log_in($reply);
		return $reply;
	});
}

# body of a response, chunks joined

sub http_content {
	my ($text) = @_;

	return unless defined $text;
	my ($head, $body) = split(/\x0d\x0a\x0d\x0a/, $text, 2);
	return unless defined $body;
	return $body unless $head =~ /^Transfer-Encoding: chunked\x0d?$/mi;

	my $joined = '';

	while ($body =~ s/^([0-9a-f]+)[^\x0d\x0a]*\x0d\x0a//i) {
		my $n = hex($1);
		last if $n == 0;
		$joined .= substr($body, 0, $n, '');
		$body =~ s/^\x0d\x0a//;
	}

	return $joined;
}

# request for a compressed response

sub http_gzip_request {
	my ($uri) = @_;
	return http(join("\x0d\x0a", "GET $uri HTTP/1.1", 'Host: localhost',
		'Connection: close', 'Accept-Encoding: gzip', '', ''));
}

# compares a compressed response with a pattern

sub http_gzip_like {
	my ($text, $re, $name) = @_;

	SKIP: {
		Test::More::skip('no Compress::Zlib', 1)
			unless eval { require Compress::Zlib; 1 };

		my $body = http_content($text);
		my $plain = defined $body
			? Compress::Zlib::memGunzip(\$body) : undef;

		Test::More::like($plain, $re, $name);
	}
}

###############################################################################

1;

###############################################################################
