#!/usr/bin/perl

# (C) The ngx_xmpp_sip_module authors

# Tests for the messages of RFC 4475, bit by bit as in its archive: area TT.
# Each is sent as it is, and as a MESSAGE: with that method, a short text, a
# sender for whom the peer may speak and, as IM-60 wants one, a user in the
# Request-URI, but otherwise the same.  Whatever became of it, a plain MESSAGE
# goes through.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Gateway;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

# What becomes of the message, and of the MESSAGE: a status, "closes" if the
# connection is closed after it; "none", it is dropped; "waits", for the rest of
# it, and closes; or a JID that it is delivered to.  undef: there is no such
# variant.

my @rows = (
	# 3.1.1, valid messages

	['TT-01', 'wsinv', 405, 481],		# it has a To tag: ST-19
	['TT-02', 'intmeth', 501, undef],
	['TT-03', 'esc01', 405, 'sips\3auser\40example.com@example.net'],
	['TT-04', 'escnull', 405, 403],
	['TT-05', 'esc02', 501, 'u@registrar.example.com'],
	['TT-06', 'lwsdisp', 200, 'user@example.com'],
	['TT-07', 'longreq', 405, 'user@example.com'],
	['TT-08', 'dblreq', '405 405 closes',	# octets are left over
		'u@example.com joe@example.com'],
	['TT-09', 'semiuri', 200, 'user;par=u\40example.net@example.com'],
	['TT-10', 'transports', 200, 'user@example.com'],
	['TT-11', 'mpart01', 403, 415],		# who sends it comes first
	['TT-12', 'unreason', 'none', undef],
	['TT-13', 'noreason', 'none', undef],

	# 3.1.2, invalid messages

	['TT-14', 'badinv01', 400, 400],
	['TT-15', 'clerr', 'waits', 'waits'],
	['TT-16', 'ncl', '400 closes', '400 closes'],
	['TT-17', 'scalar02', 400, 400],
	['TT-18', 'scalarlg', 'none', undef],
	['TT-19', 'quotbal', 400, 400],
	['TT-20', 'ltgtruri', 400, 400],
	['TT-21', 'lwsruri', 400, 400],
	['TT-22', 'lwsstart', 400, 400],
	['TT-23', 'trws', 400, 400],
	['TT-24', 'escruri', 400, 400],
	['TT-25', 'baddate', 405, 'user@example.com'],
	['TT-26', 'regbadct', 405, 'u@example.com'],
	['TT-27', 'badaspec', 400, 400],
	['TT-28', 'baddn', 400, 400],
	['TT-29', 'badvers', 505, 505],
	['TT-30', 'mismatch01', 400, 400],
	['TT-31', 'mismatch02', 501, undef],
	['TT-32', 'bigcode', 'none', undef],

	# 3.2, 3.3

	['TT-33', 'badbranch', 400, 400],
	['TT-34', 'insuf', 400, 400],
	['TT-35', 'unkscm', 416, 416],
	['TT-36', 'novelsc', 416, 416],
	['TT-37', 'unksm2', 405, 403],
	['TT-38', 'bext01', 420, 420],
	['TT-39', 'invut', 405, 415],
	['TT-40', 'regaut01', 405, 'u@example.com'],
	['TT-41', 'multi01', 400, 400],
	['TT-42', 'mcl01', '400 closes', '400 closes'],
	['TT-43', 'bcast', 'none', undef],
	['TT-44', 'zeromf', 200, 483],
	['TT-45', 'cparam01', 405, 'u@example.com'],
	['TT-46', 'cparam02', 405, 'u@example.com'],
	['TT-47', 'regescrt', 405, 'u@example.com'],
	['TT-48', 'sdp01', 405, undef],

	# 3.4

	['TT-49', 'inv2543', '400 closes', '400 closes'],
);

# of a MESSAGE, what its row of the table is about is left as it is

my %keep = map { $_ => 1 } qw/ clerr invut mcl01 mpart01 ncl inv2543 /;

my @domains = ('x.test', 'example.com', 'example.net', 'example.org',
	'chair-dnrc.example.com', 'registrar.example.com', 'company.com');

###############################################################################

my $t = Test::Nginx->new()->has(qw/stream stream_ssl socket_ssl/)
	->has_daemon('openssl')->plan(289);

my $g = Test::Nginx::Gateway->new($t, federation => join '',
	'sip_read_timeout 1s;', map { "xmpp_domain $_ "
	. 'server=127.0.0.1:%%PORT_8269%%;' } @domains[1 .. $#domains]);

$g->start(xmpp => { domains => \@domains });

my ($c, $plain) = (connection(), 0);
my %answers;

for my $row (@rows) {
	my ($id, $name, $original, $message) = @$row;

	my $bytes = dat($name);

	try("$id $name", $name, $original, $bytes);

	try("$id $name, MESSAGE", "$name MESSAGE", $message,
		message($name, $bytes)) if defined $message;
}

is(scalar(keys %{{ map { $_->[1] => 1 } @rows }}), scalar(glob_dat()),
	'all of them');

# what else the table wants of an answer

like(answer('wsinv')->header('Allow'), qr/\bMESSAGE\b/, 'TT-01 - Allow');
like(join(', ', answer('wsinv')->all('Via')),
	qr/192\.0\.2\.2.*spindle\.example\.com.*192\.168\.255\.111/,
	'TT-01 - Via in order');
like(answer('intmeth')->header('Allow'), qr/\bMESSAGE\b/, 'TT-02 - Allow');
is(scalar(answer('longreq')->all('Via')), 34, 'TT-07 - Via');
is(scalar(answer('longreq MESSAGE')->all('Via')), 34, 'TT-07 - Via, MESSAGE');
is(scalar(answer('transports')->all('Via')), 5, 'TT-10 - Via');
like(answer('mpart01 MESSAGE')->header('Accept'), qr!text/plain!, 'TT-11 - Accept');
is(answer('bext01')->header('Unsupported'),
	'nothingSupportsThis, nothingSupportsThisEither',
	'TT-38 - Unsupported');
like(answer('invut MESSAGE')->header('Accept'), qr!text/plain!,
	'TT-39 - Accept');

is((grep { $_->header('Route') } map { @$_ } values %answers), 0,
	'TT-24 - no Route');

is(stanza(qr/^sips/)->attr('from'), 'i\20have\20spaces@s.test',
	'TT-03 - from');
is(scalar(grep { $_->raw() =~ /Route/ } $g->{x}->seen()), 0,
	'TT-24 - no Route in a stanza');

# responses to requests of the gateway: what comes after them tells that they
# were final, or were not

my $xp = $g->xmpp();

$g->{s}->set(auto => undef);

is(replied('unreason', 200, '200 = 2**3'), 'm2 404',
	'TT-12 unreason as an answer');
is(replied('noreason', 100, '100 '), 'm1 480 m2 404',
	'TT-13 noreason as an answer');
is(replied('noreason', 100, '100'), 'm1 480 m2 404',
	'TT-13 noreason as an answer, without a space');

undef $xp;
undef $c;

$t->stop();

my $log = $t->read_file('error.log');

unlike($log, qr/255\.255\.255\.255/, 'TT-43 - nothing is sent there');


###############################################################################

sub connection {
	return $g->sip(strict => 0);
}

sub dat {
	my ($name) = @_;

	open my $f, '<:raw', "rfc4475/$name.dat" or die "rfc4475/$name.dat: $!";
	local $/;
	return scalar <$f>;
}

sub glob_dat {
	my @files = glob('rfc4475/*.dat');
	return @files;
}

# the same as a MESSAGE

sub message {
	my ($name, $bytes) = @_;

	my @messages;

	while ($bytes =~ /\G(?:\x0d\x0a)*(.+?\x0d\x0a\x0d\x0a)/gcs) {
		my $head = $1;
		my $start = pos $bytes;
		my $next = $name eq 'dblreq' && !@messages
			? index($bytes, 'INVITE', $start) : length $bytes;

		my $body = substr($bytes, $start, $next - $start);
		pos($bytes) = $next;

		$head =~ s/^(\S+)(?= )/MESSAGE/;
		$head =~ s/^(MESSAGE sip:)(?=[\w.]+ )/$1u\@/;
		$head =~ s/^(CSeq[ \t]*:\s*\d+\s+)\S+/$1MESSAGE/mi
			unless $name eq 'mismatch01';
		$head =~ s/^((?:From|f)[ \t]*:.*?[@])[\w.]+/$1s.test/msi
			unless $name eq 'insuf';

		if (!$keep{$name}) {
			$body = 'hi';
			$head =~ s/^(?:Content-Type|c)[ \t]*:[^\x0d]*\x0d\x0a//mi;
			$head =~ s/^((?:Content-Length|l)[ \t]*:[ \t]*)\d+/$1 2/mi;
			$head =~ s/\x0d\x0a$/Content-Type: text\/plain\x0d\x0a\x0d\x0a/;
		}

		# the branch of cparam01 once more would be a retransmission

		$head =~ s/(?<=branch=z9hG4bKkdjuw)/2/ if $name eq 'cparam02';

		push @messages, $head . $body;
	}

	return join '', @messages;
}

sub try {
	my ($what, $key, $expected, $bytes) = @_;

	my (@codes, @jids);
	my $seen = messages();

	$c->send($bytes);

	if ($expected eq 'none') {
		ok($c->silent(0.2), "$what is dropped");

	} elsif ($expected eq 'waits') {
		ok($c->silent(0.3), "$what - waits") if $expected eq 'waits';
		ok($c->eof_within(10), "$what - closes");

	} else {
		for (split / /, $expected) {
			next if $_ eq 'closes';

			my $r = $c->response(undef, final => 1);
			push @{$answers{$key}}, $r || ();
			push @codes, $r ? $r->code() : 'no answer';

			same($what, $bytes, $r) if $r && @codes == 1;
		}

		if ($expected =~ /^([\d ]+?)( closes)?$/) {
			is("@codes", $1, $what);
			ok($c->eof_within(10), "$what - closes") if $2;

		} else {
			@jids = map { $_->attr('to') }
				splice @{[messages()]}, $seen;

			is("@codes @jids", join(' ', (202) x split(/ /,
				$expected), $expected), $what);
		}
	}

	$c = connection() if $expected =~ /closes|waits/;

	$plain++;

	my $q = $c->build('MESSAGE', 'sip:u@x.test', body => "plain $plain");
	$c->send_raw($q);

	my $r = $c->response_to($q);
	my ($m) = reverse messages();

	is($r && $m ? $r->code() . ' ' . ($m->text('body') || '') : 'nothing',
		"202 plain $plain", "$what, then a plain one");

	$c = connection() unless $r;
}

# what an answer has of the request, where that has it

sub same {
	my ($what, $bytes, $r) = @_;

	my ($head) = $bytes =~ /^(.*?\x0d\x0a)\x0d\x0a/s;
	$head =~ s/\x0d\x0a[ \t]+/ /g;

	my %field;

	for (['Call-ID', 'i'], ['CSeq'], ['From', 'f'], ['To', 't']) {
		my $names = join '|', @$_;

		my @values = $head =~ /^(?:$names)[ \t]*:[ \t]*(.*?)[ \t]*\x0d$/mig;
		next unless @values == 1;

		my $got = $r->header($_->[0]);

		if (!defined $got) {
			$field{$_->[0]} = 'missing';
			next;
		}

		s/\s+/ /g for $got, $values[0];
		$field{$_->[0]} = $got unless index($got, $values[0]) == 0;
	}

	is_deeply(\%field, {}, "$what - echoed");
}

# what the XMPP server got

sub messages {
	return grep { $_->name() eq 'message' } $g->{x}->seen();
}

# Two messages, of which one is answered by a start line of the RFC, then by
# 480, and the other by 404.  Returns what of these came back as errors.

sub replied {
	my ($name, $status, $line) = @_;

	my $n = messages();
	my ($start) = dat($name) =~ /^([^\x0d]*)/;

	$start = "SIP/2.0 $line" unless $start =~ /^\QSIP\/2.0 $line\E./;

	$xp->send($g->message('hi', id => 'm1'));
	my $q = $g->{s}->wait_request();

	my $reply = $q->conn()->build_reply($q, $status);
	$reply =~ s/^[^\x0d]*/$start/;
	$q->conn()->send_raw($reply);
	$q->conn()->reply($q, 480);

	$xp->send($g->message('hi', id => 'm2'));
	$q = $g->{s}->wait_request();
	$q->conn()->reply($q, 404);

	my @errors;

	Test::Nginx::Peers::wait_until(sub {
		@errors = splice @{[messages()]}, $n;
		return @errors && $errors[-1]->attr('id') eq 'm2';
	});

	return join ' ', map { $_->attr('id') . ' '
		. ($_->condition() eq 'item-not-found' ? 404 : 480) } @errors;
}

sub answer {
	my ($key) = @_;
	return $answers{$key}[0];
}

sub stanza {
	my ($to) = @_;

	return (grep { ($_->attr('to') || '') =~ $to } $g->{x}->seen())[-1];
}

###############################################################################
