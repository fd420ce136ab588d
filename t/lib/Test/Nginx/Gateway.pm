package Test::Nginx::Gateway;

# (C) The ngx_xmpp_sip_module authors

# A gateway between an XMPP domain x.test and a SIP domain s.test, with both of
# their servers scripted: what tests of events that cross begin with.

###############################################################################

use warnings;
use strict;

use Test::More ();

use Test::Nginx qw/:DEFAULT port/;
use Test::Nginx::CA;
use Test::Nginx::Peers;
use Test::Nginx::SIP;
use Test::Nginx::XMPP;

use Scalar::Util qw/weaken/;

###############################################################################

# Writes nginx.conf and makes the peers' certificates.  Arguments, each a piece
# of configuration: federation, stream, main, events; daemon (off); level (debug)
# of error.log; xmpp and sip, parameters of the two domain lines (home is
# s.test); dialect, of s.test; listen, parameters of both "listen"; server, for
# both servers.

sub new {
	my ($class, $t, %args) = @_;

	my $self = bless { t => $t, args => \%args }, $class;
	weaken($self->{t});

	my $ca = $self->{ca} = Test::Nginx::CA->new($t->testdir());

	$ca->issue('gw', cn => 'gw.test', dns => ['gw.test', 's.test'],
		srv => '_xmpp-server.s.test', uri => 'sip:x.test');
	$ca->issue('x', cn => 'x.test', dns => 'x.test');
	$ca->issue('s', cn => 's.test', dns => 's.test', uri => 'sip:s.test');

	$ca->issue('edge', cn => 'edge.test', dns => 'edge.test')
		if ($args{dialect} || '') eq 'ocs';

	$self->write();

	return $self;
}

# Writes nginx.conf anew, with some arguments changed.

sub write {
	my ($self, %args) = @_;

	my $t = $self->{t};
	my $d = $t->testdir();

	my %a = (daemon => 'off', main => '', events => '', federation => '',
		stream => '', xmpp => '', sip => '', listen => '', server => '',
		zone => '1m', %{$self->{args}}, %args);
	$self->{args} = \%a;

	# a log that takes no longer than what it is about

	$t->test_globals();
	$t->{_test_globals} =~ s/(error_log \S+) debug;/$1 $a{level};/
		if $a{level};

	my $dialect = !$a{dialect} ? '' : "dialect=$a{dialect}"
		. ($a{dialect} eq 'ocs' ? ' name=edge.test' : '');

	my $workers = $a{workers} || $ENV{TEST_NGINX_WORKERS} || 1;
	my $reuse = $workers > 1 && !defined $a{reuseport} ? 'reuseport' : '';

	$t->write_file_expand('nginx.conf', <<EOF);

%%TEST_GLOBALS%%

daemon $a{daemon};
worker_processes $workers;
$a{main}

events {
    $a{events}
}

stream {
    %%TEST_GLOBALS_STREAM%%

    log_format f '\$federation_kind \$federation_direction '
                 '\$federation_from \$federation_to '
                 '\$federation_status \$federation_reason';
    access_log $d/federation.log f;

    $a{stream}

    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate $d/gw.crt;
    ssl_certificate_key $d/gw.key;

    federation test {
        zone test $a{zone};

        ssl_certificate $d/gw.crt;
        ssl_certificate_key $d/gw.key;
        ssl_trusted_certificate $d/ca.crt;

        sip_domain s.test home server=127.0.0.1:%%PORT_8061%% name=s.test
                   $dialect $a{sip};
        xmpp_domain x.test server=127.0.0.1:%%PORT_8269%% $a{xmpp};

        reconnect_delay 10ms 100ms;
        $a{federation}
    }

    server {
        listen 127.0.0.1:%%PORT_8270%% $reuse $a{listen};
        xmpp_federation test;
        $a{server}
    }

    server {
        listen 127.0.0.1:%%PORT_8062%% ssl $reuse $a{listen};
        ssl_client_certificate $d/ca.crt;
        ssl_verify_client on;
        sip_federation test;
        $a{server}
    }
}

EOF
}

# Starts the peers' servers, with more arguments for them, and nginx.  In the
# dialect "ocs" the server of s.test is an Edge, see Test::Nginx::Edge.

sub start {
	my ($self, %args) = @_;

	$self->xmpp_server(%{$args{xmpp} || {}}) unless $args{no_xmpp};
	if (($self->{args}{dialect} || '') eq 'ocs') {
		require Test::Nginx::Edge;
		$self->{edge} = Test::Nginx::Edge->new($self,
			%{$args{edge} || {}});
		$self->{s} = $self->{edge}->server();

	} elsif (!$args{no_sip}) {
		$self->sip_server(%{$args{sip} || {}});
	}

	$self->{t}->run();

	return $self;
}

# The XMPP server of x.test that the gateway dials.

sub xmpp_server {
	my ($self, %args) = @_;

	return $self->{x} = Test::Nginx::XMPP::Server->listen(
		'127.0.0.1:' . port(8269), domains => ['x.test'],
		$self->{ca}->ssl('x'), sasl_external => 1,
		gateway => '127.0.0.1:' . port(8270), %args);
}

# The SIP server of s.test that the gateway dials; it answers 200.

sub sip_server {
	my ($self, %args) = @_;

	return $self->{s} = Test::Nginx::SIP::Server->listen(
		'127.0.0.1:' . port(8061), tls => 1, $self->{ca}->ssl('s'),
		auto => 200, %args);
}

# A stream of x.test into the gateway, authenticated.  The server of x.test
# sends its answers on it, too, as a second one would make them uncertain.

sub xmpp {
	my ($self, %args) = @_;

	my $xp = Test::Nginx::XMPP->login(PeerAddr => '127.0.0.1:' . port(8270),
		from => 'x.test', to => 's.test', $self->{ca}->ssl('x'),
		auth => 'external', %args);

	$self->{x}->link($xp) if $self->{x} && !$args{from};

	return $xp;
}

# A SIP connection of s.test into the gateway.

sub sip {
	my ($self, %args) = @_;

	return Test::Nginx::SIP->connect(PeerAddr => '127.0.0.1:' . port(8062),
		tls => 1, $self->{ca}->ssl('s'), from => 'sip:r@s.test',
		host => 's.test', %args);
}

# The XML of a message from u@x.test to r@s.test.

sub message {
	my (undef, $body, %a) = @_;

	%a = (from => 'u@x.test/res', to => 'r@s.test', id => 'm1', %a);
	$body = Test::Nginx::XML::escape($body);

	return '<message' . join('', map { " $_='$a{$_}'" }
		grep { defined $a{$_} } sort keys %a)
		. "><body>$body</body></message>";
}

# A message of a SIP connection to u@x.test, or another, is answered by 202, or
# another code, and reaches the XMPP server: returns it.

sub crossed {
	my ($self, $sip, $body, $to, $code) = @_;
	my $x = $self->{x};
	my $found;

	my $q = $sip->request('MESSAGE', 'sip:' . ($to || 'u@x.test'),
		body => $body);
	my $r = $sip->response_to($q, 10);

	$code ||= 202;
	Test::More::is($r ? $r->code() : undef, $code,
		"$body is answered by $code") unless $r && $r->code() == $code;

	Test::Nginx::Peers::wait_until(sub {
		($found) = grep { $_->name() eq 'message'
			&& $_->child('body')
			&& $_->child('body')->text() eq $body } $x->seen();
		return $found;
	});

	$x->{queue} = [];

	return $found;
}

# A message reaches the SIP server: returns it.

sub arrived {
	my ($self, $body) = @_;
	my $found;

	Test::Nginx::Peers::wait_until(sub {
		($found) = grep { $_->body() eq $body } $self->{s}->seen();
		return $found;
	});

	return $found;
}

# Ends the streams that the gateway opened: it has to open another one.

sub renew {
	my ($self) = @_;
	my $x = $self->{x};

	foreach my $c (grep { !$_->closed() } $x->conns()) {
		$c->send('</stream:stream>') unless $c->{sent_end}++;
		$c->eof_within();
		$c->close();
	}

	$x->{waited} = $x->conns();
}

# Waits for something in error.log.

sub wait_log {
	my ($self, $re, $timeout) = @_;
	return Test::Nginx::Peers::wait_until(sub {
		return $self->{t}->read_file('error.log') =~ $re;
	}, $timeout);
}

# Lines of access_log so far.

sub log {
	my ($self) = @_;
	return split /\n/, $self->{t}->read_file('federation.log');
}

###############################################################################

1;

###############################################################################
