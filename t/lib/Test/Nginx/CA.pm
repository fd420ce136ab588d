package Test::Nginx::CA;

# Test certification authority: issues certificates of any shape.

###############################################################################

use warnings;
use strict;

use POSIX qw/ strftime /;

###############################################################################

# seconds ago that certificates begin

our $AGO = 3600;

# makes a CA in a directory: new($dir, name => 'ca', cn => 'test ca',
# key => 'ec' | 'rsa')

sub new {
	my ($class, $dir, %args) = @_;

	my $self = bless {
		dir => $dir,
		name => defined $args{name} ? $args{name} : 'ca',
		parent => $args{parent},
	}, $class;

	my $name = $self->{name};
	my $cn = defined $args{cn} ? $args{cn} : "test $name";

	mkdir("$dir/$name.ca") or die "Can't make $dir/$name.ca: $!\n";
	_write("$dir/$name.ca/index", '');
	_write("$dir/$name.ca/index.attr", "unique_subject = no\n");
	_write("$dir/$name.ca/serial", sprintf("%08X\n",
		0x10000000 + rand(0x6fffffff)));
	_write("$dir/$name.ca/crlnumber", "01\n");

	my %shape = (
		cn => $cn,
		key => $args{key},
		ext => "basicConstraints = critical,CA:TRUE\n"
			. "keyUsage = critical,keyCertSign,cRLSign\n"
			. "subjectKeyIdentifier = hash\n",
		days => 3650,
	);

	if ($args{parent}) {
		$args{parent}->issue($name, %shape);

	} else {
		$self->issue($name, %shape, self_signed => 1);
	}

	return $self;
}

# an intermediate CA, signed by this one; chain() has both

sub sub_ca {
	my ($self, $name, %args) = @_;
	return (ref $self)->new($self->{dir}, %args, name => $name,
		parent => $self);
}

# the CA's certificate

sub file {
	my ($self) = @_;
	return "$self->{dir}/$self->{name}.crt";
}

# certificate and key of an issued name

sub crt { return "$_[0]->{dir}/$_[1].crt"; }
sub key { return "$_[0]->{dir}/$_[1].key"; }

# arguments for IO::Socket::SSL: own certificate of that name, if given, and
# this CA to trust

sub ssl {
	my ($self, $name) = @_;

	return (
		defined $name ? (
			SSL_cert_file => $self->crt($name),
			SSL_key_file => $self->key($name),
		) : (),
		SSL_ca_file => $self->root()->file(),
	);
}

sub root {
	my ($self) = @_;
	return $self->{parent} ? $self->{parent}->root() : $self;
}

sub _write {
	my ($file, $text) = @_;
	open(my $fh, '>', $file) or die "Can't create $file: $!\n";
	print $fh $text;
	close($fh) or die "Can't write $file: $!\n";
}

sub _openssl {
	my ($self, @args) = @_;
	my $log = "$self->{dir}/openssl.out";

	my $pid = fork();
	die "Can't fork: $!\n" unless defined $pid;

	if ($pid == 0) {
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>>', $log);
		open(STDERR, '>>', $log);
		delete $ENV{LD_PRELOAD};
		exec('openssl', @args) or POSIX::_exit(127);
	}

	waitpid($pid, 0);

	if ($?) {
		open(my $fh, '<', $log);
		local $/;
		my $text = <$fh>;
		die "openssl @args failed:\n$text\n";
	}
}

# issues name.crt and name.key; see t/README for the shapes

sub issue {
	my ($self, $name, %a) = @_;

	my $dir = $self->{dir};
	my $ca = "$dir/$self->{name}.ca";
	my $base = "$dir/$name";

	my $ext = $a{ext};

	if (!defined $ext) {
		$ext = 'basicConstraints = critical,CA:'
			. ($a{ca} ? 'TRUE' : 'FALSE') . "\n";
		my $eku = exists $a{eku} ? $a{eku} : 'serverAuth,clientAuth';
		$ext .= "extendedKeyUsage = $eku\n" if defined $eku;
		$ext .= "keyUsage = $a{key_usage}\n" if defined $a{key_usage};
	}

	my @san = (
		(map { "DNS:$_" } _list($a{dns})),
		(map { "URI:$_" } _list($a{uri})),
		(map { "IP:$_" } _list($a{ip})),
		(map { "email:$_" } _list($a{email})),
		(map { "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:$_" }
			_list($a{srv})),
		(map { "otherName:1.3.6.1.5.5.7.8.5;UTF8:$_" }
			_list($a{xmppaddr})),
		(map { "otherName:$_" } _list($a{other})),
	);

	my ($n, $san) = (0, '');

	foreach (@san) {
		my ($type, $value) = split(/:/, $_, 2);
		$san .= "$type." . ++$n . " = $value\n";
	}

	$ext .= "subjectAltName = " . ($a{san_critical} ? 'critical,' : '')
		. "\@san\n" if @san;

	my ($alg, $opt) = ($a{key} || 'ec') eq 'rsa'
		? ('rsa', 'rsa_keygen_bits:2048')
		: ('ec', 'ec_paramgen_curve:P-256');

	_write("$base.cnf", <<EOF);
[req]
distinguished_name = dn
prompt = no
string_mask = utf8only
utf8 = yes
[dn]
@{[ defined $a{cn} ? "CN = $a{cn}" : 'O = test' ]}
@{[ $a{subject} || '' ]}
[ca]
default_ca = main
[main]
database = $ca/index
serial = $ca/serial
crlnumber = $ca/crlnumber
new_certs_dir = $ca
default_md = sha256
default_crl_days = 30
policy = any
email_in_dn = no
rand_serial = yes
x509_extensions = ext
[any]
commonName = optional
organizationName = optional
organizationalUnitName = optional
countryName = optional
[ext]
$ext
[san]
$san
EOF

	$self->_openssl('req', '-new', '-newkey', $alg, '-pkeyopt', $opt,
		'-nodes', '-config', "$base.cnf", '-keyout', "$base.key",
		'-out', "$base.csr");

	my $now = time();
	my ($from, $to) = $a{expired} ? ($now - 30 * 86400, $now - 86400)
		: $a{not_yet} ? ($now + 86400, $now + 30 * 86400)
		: ($now - $AGO, $now + ($a{days} || 30) * 86400);

	$from = $a{start} if defined $a{start};
	$to = $a{end} if defined $a{end};

	($from, $to) = map { strftime('%Y%m%d%H%M%SZ', gmtime($_)) }
		($from, $to);

	$self->_openssl('ca', '-batch', '-notext', '-config', "$base.cnf",
		$a{self_signed} ? ('-selfsign', '-keyfile', "$base.key")
			: ('-keyfile', "$dir/$self->{name}.key",
			'-cert', $self->file()),
		'-startdate', $from, '-enddate', $to,
		'-in', "$base.csr", '-out', "$base.crt");

	# an intermediate's certificate goes along

	if ($self->{parent} && !$a{self_signed} && !$a{no_chain}) {
		my $ca = $self;

		open(my $out, '>>', "$base.crt") or die "$base.crt: $!\n";

		while ($ca->{parent}) {
			open(my $in, '<', $ca->file());
			my $pem = join('', <$in>);
			$pem =~ s/(END CERTIFICATE-----\n).*/$1/s;
			print $out $pem;
			$ca = $ca->{parent};
		}

		close($out);
	}

	return $self;
}

sub _list {
	my ($v) = @_;
	return !defined $v ? () : ref $v ? @$v : ($v);
}

# revokes an issued certificate

sub revoke {
	my ($self, $name) = @_;
	$self->_openssl('ca', '-config', "$self->{dir}/$name.cnf",
		'-keyfile', "$self->{dir}/$self->{name}.key",
		'-cert', $self->file(), '-revoke', "$self->{dir}/$name.crt");
	return $self;
}

# writes the revocation list, returns its file name

sub crl {
	my ($self) = @_;
	my $base = "$self->{dir}/$self->{name}";
	$self->_openssl('ca', '-gencrl', '-config', "$base.cnf",
		'-keyfile', "$base.key", '-cert', "$base.crt",
		'-out', "$base.crl");
	return "$base.crl";
}

###############################################################################

1;

###############################################################################
