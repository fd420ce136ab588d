package Test::Nginx::Interop;

# Starts real servers and clients: Prosody, ejabberd, Kamailio, linphonec, and
# an XMPP client.

###############################################################################

use warnings;
use strict;

use File::Basename qw/ dirname /;
use File::Path qw/ make_path /;
use File::Spec;
use IO::Socket::INET;
use POSIX qw//;
use Test::More ();

use Test::Nginx;
use Test::Nginx::Peers;

###############################################################################

my $CLIENT = File::Spec->rel2abs(dirname(__FILE__)
	. '/../../../interop/xmpp-client');

# time for a real server to start, in seconds

our $START = 120;

my $linphones = 0;

###############################################################################

# an interpreter that knows slixmpp; undef if there is none

sub python {
	foreach my $dir ('/usr/bin', File::Spec->path()) {
		my $python = "$dir/python3";
		next unless -x $python;
		return $python if system("'$python' -c 'import slixmpp'"
			. ' >/dev/null 2>&1') == 0;
	}

	return;
}

# skips the test if one of these is not here: a program, slixmpp, or presence,
# the modules of Kamailio; but fails it where CI says that all has to be there

sub need {
	my @missing = grep {
		$_ eq 'slixmpp' ? !defined python()
		: $_ eq 'presence' ? !_kamailio_has(qw/ presence presence_xml
			db_sqlite /)
		: !_program($_)
	} @_;

	return unless @missing;

	my $why = 'no ' . join(', ', @missing);

	die "$why, run misc/deps test\n" if $ENV{CI};
	Test::More::plan(skip_all => $why);
}

sub _program {
	my ($name) = @_;
	return grep { -x "$_/$name" } File::Spec->path();
}

sub _kamailio_modules {
	return (glob('/usr/lib/*/kamailio/modules'),
		'/usr/lib/kamailio/modules')[0];
}

sub _kamailio_has {
	my $dir = _kamailio_modules();
	return !grep { ! -e "$dir/$_.so" } @_;
}

# starts a program as a daemon of the test, its output goes to a file

sub _daemon {
	my ($t, $log, $env, @command) = @_;

	$t->run_daemon(sub {
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>>', $log) or POSIX::_exit(126);
		open(STDERR, '>&', \*STDOUT);
		@ENV{keys %$env} = values %$env;
		exec(@command) or print STDERR "cannot exec $command[0]: $!\n";
		POSIX::_exit(127);
	});
}

sub _write {
	my ($file, $text) = @_;
	open(my $fh, '>', $file) or die "Can't create $file: $!\n";
	print $fh $text;
	close($fh) or die "Can't write $file: $!\n";
}

sub _read {
	my ($file) = @_;
	open(my $fh, '<', $file) or return '';
	local $/;
	my $text = <$fh>;
	return defined $text ? $text : '';
}

sub _tail {
	my ($file) = @_;
	my @lines = split(/^/, _read($file));
	return join('', @lines > 30 ? @lines[-30 .. -1] : @lines);
}

# waits for a line of nginx's error log above debug

sub error_log {
	my ($t, $re) = @_;

	my $end = Test::Nginx::Peers::now() + $Test::Nginx::Peers::TIMEOUT;

	while (1) {
		my ($line) = grep { !/\[debug\]/ && $_ =~ $re }
			split(/\n/, $t->read_file('error.log'));
		return $line if defined $line
			|| Test::Nginx::Peers::now() > $end;
		Test::Nginx::Peers::idle(0.1);
	}
}

# waits until ports are open, or dies with what the program logged

sub _wait_ports {
	my ($what, $log, @ports) = @_;

	my $end = Test::Nginx::Peers::now() + $START;

	foreach my $port (@ports) {
		until (IO::Socket::INET->new(Proto => 'tcp',
			PeerAddr => "127.0.0.1:$port"))
		{
			die "$what did not start:\n" . _tail($log)
				if Test::Nginx::Peers::now() > $end;
			Test::Nginx::Peers::idle(0.05);
		}
	}
}

###############################################################################

# Prosody: prosody($t, $ca, c2s => port, s2s => port, dns => address,
# auth => 'external' | 'dialback', hosts => { 'x.test' => { cert => name,
# users => { name => password } } }, bidi => 1, direct => port); returns its
# log's name

sub prosody {
	my ($t, $ca, %a) = @_;

	my $name = $a{name} || 'prosody';
	my $d = $t->testdir() . "/$name";
	make_path("$d/data", "$d/certs");

	my ($dns_host, $dns_port) = split(/:/, $a{dns});
	my $external = ($a{auth} || 'external') eq 'external';
	my $dialback = '"dialback";';
	my ($enabled, $disabled) = $external ? ('', $dialback)
		: ($dialback, '');
	$enabled .= ' "s2s_bidi";' if $a{bidi};
	my $secure = $external ? 'true' : 'false';
	my $direct = $a{direct} || '';
	my $hosts = '';

	foreach my $host (sort keys %{$a{hosts}}) {
		my $h = $a{hosts}{$host};

		$hosts .= "VirtualHost \"$host\"\n    ssl = { "
			. _prosody_ssl($ca, $h->{cert}) . " }\n";

		# for direct TLS it looks for them by the name

		symlink($ca->crt($h->{cert}), "$d/certs/$host.crt");
		symlink($ca->key($h->{cert}), "$d/certs/$host.key");

		(my $dir = $host) =~ s/([^A-Za-z0-9])/sprintf('%%%02x', ord $1)
			/gex;
		make_path("$d/data/$dir/accounts");

		foreach my $user (keys %{$h->{users}}) {
			_write("$d/data/$dir/accounts/$user.dat",
				"return { [\"password\"] = "
				. "\"$h->{users}{$user}\" };\n");
		}
	}

	my $ssl = _prosody_ssl($ca, $a{hosts}{(sort keys %{$a{hosts}})[0]}
		{cert});

	_write("$d/prosody.cfg.lua", <<EOF);
run_as_root = true
daemonize = false
pidfile = "$d/prosody.pid"
data_path = "$d/data"
log = { debug = "$d/prosody.log" }
interfaces = { "127.0.0.1" }
local_interfaces = { "127.0.0.1" }
c2s_ports = { $a{c2s} }
s2s_ports = { $a{s2s} }
s2s_direct_tls_ports = { $direct }
http_ports = { }
https_ports = { }
use_ipv6 = false
modules_enabled = {
    "roster"; "saslauth"; "tls"; "disco"; "ping"; "presence"; "message"; "iq";
    "c2s"; "s2s"; "s2s_auth_certs"; "smacks"; $enabled
}
modules_disabled = { "posix"; "offline"; "register"; $disabled }
authentication = "internal_plain"
c2s_require_encryption = true
s2s_require_encryption = true
s2s_secure_auth = $secure
s2s_timeout = 10
unbound = {
    resolvconf = false; hoststxt = false; forward = "$dns_host\@$dns_port";
    options = {
        ["do-not-query-localhost:"] = "no"; ["module-config:"] = "iterator";
    }
}
ssl = { $ssl }
$hosts
EOF

	_daemon($t, "$d/out", {}, 'prosody', '--config', "$d/prosody.cfg.lua",
		'-F');
	_wait_ports('Prosody', "$d/out", $a{c2s}, $a{s2s}, $a{direct} || ());

	return "$d/prosody.log";
}

sub _prosody_ssl {
	my ($ca, $cert) = @_;
	return 'certificate = "' . $ca->crt($cert) . '"; key = "'
		. $ca->key($cert) . '"; cafile = "' . $ca->file() . '"';
}

###############################################################################

# ejabberd: the same arguments as Prosody has

sub ejabberd {
	my ($t, $ca, %a) = @_;

	my $name = $a{name} || 'ejabberd';
	my $d = $t->testdir() . "/$name";
	make_path("$d/mnesia");

	my ($dns_port) = $a{dns} =~ /:(\d+)$/;
	my $external = ($a{auth} || 'external') eq 'external';
	my $dialback = $external ? '' : "\n  mod_s2s_dialback: {}";
	my @hosts = sort keys %{$a{hosts}};

	my $direct = $a{direct} ? <<EOF : '';
  - port: $a{direct}
    ip: 127.0.0.1
    module: ejabberd_s2s_in
    tls: true
EOF

	my $hosts = join("\n", map { "  - $_" } @hosts);
	my $certs = join("\n", map { my $c = $a{hosts}{$_}{cert};
		'  - ' . $ca->crt($c) . "\n  - " . $ca->key($c) } @hosts);

	_write("$d/ejabberd.yml", <<EOF);
loglevel: info
hosts:
$hosts
certfiles:
$certs
ca_file: @{[ $ca->file() ]}
listen:
  - port: $a{c2s}
    ip: 127.0.0.1
    module: ejabberd_c2s
    starttls_required: true
  - port: $a{s2s}
    ip: 127.0.0.1
    module: ejabberd_s2s_in
${direct}s2s_use_starttls: required
s2s_cafile: @{[ $ca->file() ]}
auth_method: internal
auth_password_format: plain
acl:
  local:
    user_regexp: ""
access_rules:
  local:
    allow: local
api_permissions: {}
modules:
  mod_disco: {}
  mod_ping: {}
  mod_roster: {}$dialback
EOF

	_write("$d/inetrc", "{resolv_conf, \"\"}.\n{hosts_file, \"\"}.\n"
		. "{lookup, [dns]}.\n{nameserver, {127,0,0,1}, "
		. "$dns_port}.\n{timeout, 2000}.\n{cache_size, 0}.\n");

	# there is neither a node name nor a cookie: no port mapper is needed

	my $users = '';

	foreach my $host (@hosts) {
		my $users_of = $a{hosts}{$host}{users};

		$users .= "ok = ejabberd_auth:try_register(<<\"$_\">>, "
			. "<<\"$host\">>, <<\"$users_of->{$_}\">>), "
			foreach sort keys %$users_of;
	}

	_daemon($t, "$d/out", {
		HOME => $d,
		EJABBERD_CONFIG_PATH => "$d/ejabberd.yml",
		EJABBERD_LOG_PATH => "$d/ejabberd.log",
		ERL_INETRC => "$d/inetrc",
		ERL_CRASH_DUMP => "$d/crash",
	}, 'erl', '-noinput', '-pa', glob('/usr/lib/*/*/ebin'),
		'-mnesia', 'dir', "\"$d/mnesia\"", '-s', 'ejabberd',
		'-eval', $users
		. "file:write_file(\"$d/up\", <<\"up\">>).");

	my $end = Test::Nginx::Peers::now() + $START;

	until (-e "$d/up") {
		die "ejabberd did not start:\n" . _tail("$d/out")
			if Test::Nginx::Peers::now() > $end;
		Test::Nginx::Peers::idle(0.05);
	}

	_wait_ports('ejabberd', "$d/out", $a{c2s}, $a{s2s}, $a{direct} || ());

	return "$d/ejabberd.log";
}

###############################################################################

# Kamailio: kamailio($t, $ca, domain => 's.test', cert => name, port => of
# the federation, clients => port of its users, peer => 'x.test', gateway =>
# address, users => [...]); returns its log's name.  Users need no password.
#
# More pairs of listener and gateway, each with a certificate of its own, by
# more => [[port, cert, domain => gateway address], ...].
#
# With presence => 'active' it is a presence server by which everybody may watch
# everybody, with 'rules' one that asks its users, see presence_rules(), and
# with 'relay' its users publish nothing and are asked themselves.

sub kamailio {
	my ($t, $ca, %a) = @_;

	my $name = $a{name} || 'kamailio';
	my $d = $t->testdir() . "/$name";
	make_path($d);

	my @legs = ([$a{port}, $a{cert}, $a{peer}, $a{gateway}],
		@{$a{more} || []});

	my $tls = '';
	my $listen = '';
	my $route = '';
	my $local = '';

	my $section = sub {
		my ($title, $cert, $verify) = @_;
		$tls .= "[$title]\nmethod = TLSv1.2+\n"
			. "verify_certificate = $verify\n"
			. "require_certificate = $verify\n"
			. 'certificate = ' . $ca->crt($cert) . "\n"
			. 'private_key = ' . $ca->key($cert) . "\n"
			. 'ca_list = ' . $ca->file() . "\n";
	};

	$section->('server:default', $a{cert}, 'yes');
	$section->('client:default', $a{cert}, 'yes');
	$section->("server:127.0.0.1:$a{clients}", $a{cert}, 'no');

	foreach my $leg (@legs) {
		my ($port, $cert, $peer, $gateway) = @$leg;

		$section->("server:127.0.0.1:$port", $cert, 'yes');
		$section->('client:any', $cert, 'yes');
		$tls .= "server_name = $cert\nserver_id = $cert\n";
		$listen .= "listen=tls:127.0.0.1:$port\n";
		next unless defined $gateway;
		$route .= <<EOF;
    if (\$rd == "$peer") {
        \$du = "sip:$gateway;transport=tls";
        \$fs = "tls:127.0.0.1:$port";
        \$xavp(tls=>server_id) = "$cert";
        route(GATEWAY);
    }
EOF
		$local .= <<EOF;
    if (\$rd == "$peer") {
        \$du = "sip:$gateway;transport=tls";
        \$fs = "tls:127.0.0.1:$port";
        \$xavp(tls=>server_id) = "$cert";
    }
EOF
	}

	my $mpath = _kamailio_modules();
	my $users = join('|', @{$a{users}});

	my ($modules, $dispatch, $routes) = $a{presence}
		? _kamailio_presence($d, $users, $route, $local, %a)
		: ('', '', '');

	_write("$d/tls.cfg", $tls);
	_write("$d/kamailio.cfg", <<EOF);
#!KAMAILIO
debug=2
log_stderror=yes
children=1
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
dns_try_naptr=no
enable_tls=yes
tcp_connection_lifetime=3600
tcp_accept_no_cl=no
alias="localhost"
listen=tls:127.0.0.1:$a{clients}
$listen
mpath="$mpath/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "xlog.so"
loadmodule "tls.so"
modparam("tls", "config", "$d/tls.cfg")
modparam("tls", "xavp_cfg", "tls")
modparam("usrloc", "db_mode", 0)
modparam("tm", "fr_timer", 8000)
$modules
request_route {
    if (!mf_process_maxfwd_header("10")) {
        sl_send_reply("483", "Too Many Hops");
        exit;
    }

    if (is_method("REGISTER")) {
        save("location");
        exit;
    }

    loose_route();
$dispatch
    if (!is_method("MESSAGE")) {
        sl_send_reply("405", "Method Not Allowed");
        exit;
    }

    xlog("L_NOTICE", "MESSAGE from \$fu to \$ru on port \$Rp\\n");

    if (\$Rp == $a{clients} && \$fd != "$a{domain}") {
        sl_send_reply("403", "Not Your Domain");
        exit;
    }

$route
    if (\$rd != "$a{domain}") {
        sl_send_reply("403", "No Such Route");
        exit;
    }

    if (!(\$rU =~ "^($users)\$")) {
        sl_send_reply("404", "Not Found");
        exit;
    }

    if (!lookup("location")) {
        sl_send_reply("480", "Temporarily Unavailable");
        exit;
    }

    t_relay();
    exit;
}

route[GATEWAY] {
    if (\$Rp != $a{clients}) {
        sl_send_reply("403", "No Relaying");
        exit;
    }

    t_on_reply("GATEWAY");
    t_relay();
    exit;
}

onreply_route[GATEWAY] {
    xlog("L_NOTICE", "reply \$rs \$rr of the gateway\\n");
}
$routes
EOF

	_daemon($t, "$d/log", {}, 'kamailio', '-DD', '-E', '-f',
		"$d/kamailio.cfg", '-m', 64, '-M', 8, '-Y', $d, '-w', $d);
	_wait_ports('Kamailio', "$d/log", $a{clients}, map { $_->[0] } @legs);

	return "$d/log";
}

# what of its configuration makes it a presence server: modules, a piece of the
# request route, more routes

sub _kamailio_presence {
	my ($d, $users, $route, $local, %a) = @_;

	my $dispatch = <<EOF;

    if (is_method("SUBSCRIBE|NOTIFY|PUBLISH")) {
        route(PRESENCE);
    }
EOF

	my $modules = <<EOF;
loadmodule "nathelper.so"
EOF

	my $serve = <<EOF;
        if (!is_method("SUBSCRIBE")) {
            sl_send_reply("405", "Method Not Allowed");
            exit;
        }

        if (!lookup("location")) {
            sl_send_reply("480", "Temporarily Unavailable");
            exit;
        }

        record_route();
        t_relay();
        exit;
EOF

	if ($a{presence} ne 'relay') {
		_kamailio_tables("$d/kamailio.db");

		my $active = $a{presence} eq 'active' ? 1 : 0;

		$modules .= <<EOF;
loadmodule "textopsx.so"
loadmodule "kex.so"
loadmodule "ctl.so"
loadmodule "db_sqlite.so"
loadmodule "presence.so"
loadmodule "presence_xml.so"
modparam("ctl", "binrpc", "unix:$d/ctl")
modparam("presence", "db_url", "sqlite:///$d/kamailio.db")
modparam("presence", "server_address", "sip:127.0.0.1:$a{port};transport=tls")
modparam("presence", "min_expires", 10)
modparam("presence", "notifier_processes", 0)
modparam("presence", "subs_db_mode", 3)
modparam("presence_xml", "db_url", "sqlite:///$d/kamailio.db")
modparam("presence_xml", "force_active", $active)
modparam("presence_xml", "integrated_xcap_server", 1)
EOF

		# it would look for the Contact of the gateway in DNS

		my ($host, $port) = split(/:/, $a{gateway});
		my $alias = <<EOF;
            if (\$fd == "$a{peer}") {
                add_contact_alias("$host", "$port", "tls");
                msg_apply_changes();
            }
EOF

		$serve = <<EOF;
        if (!t_newtran()) {
            sl_reply_error();
            exit;
        }

        if (is_method("PUBLISH")) {
            handle_publish();

        } else if (is_method("SUBSCRIBE")) {
$alias
            handle_subscribe();

        } else {
            t_reply("405", "Method Not Allowed");
        }

        t_release();
        exit;
EOF
	}

	my $routes = <<EOF;

route[PRESENCE] {
    xlog("L_NOTICE", "\$rm from \$fu to \$ru on port \$Rp, \$hdr(Subscription-State)\\n");

    if (\$Rp == $a{clients} && \$fd != "$a{domain}") {
        sl_send_reply("403", "Not Your Domain");
        exit;
    }

    if (\$Rp == $a{clients} && !has_totag()) {
        record_route();
    }

    # a Contact with gr, as of Linphone, is an address that is registered

    if (has_totag() && \$rd == "$a{domain}") {
        if (!lookup("location")) {
            sl_send_reply("481", "Subscription Does Not Exist");
            exit;
        }

        t_relay();
        exit;
    }

$route
    if (uri == myself || \$rd == "$a{domain}") {
        if (\$rd == "$a{domain}" && !(\$rU =~ "^($users)\$")) {
            sl_send_reply("404", "Not Found");
            exit;
        }

$serve
    }

    if (!has_totag()) {
        sl_send_reply("403", "No Such Route");
        exit;
    }

    t_relay();
    exit;
}

event_route[tm:local-request] {
    xlog("L_NOTICE", "\$rm to \$ru, \$hdr(Subscription-State)\\n");

$local
}
EOF

	return ($modules, $dispatch, $routes);
}

# the tables that it needs

sub _kamailio_tables {
	my ($db) = @_;

	my $sql = join('', map {
		_read("/usr/share/kamailio/db_sqlite/$_-create.sql")
	} qw/ standard presence /);

	_sql($db, $sql);
}

sub _sql {
	my ($db, $sql) = @_;

	open(my $fh, '|-', python(), '-c', <<'EOF', $db) or die "python: $!\n";
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=10)
db.executescript(sys.stdin.read())
db.close()
EOF
	print $fh $sql;
	close($fh) or die "can't change $db\n";
}

# Says who may watch a user of Kamailio with presence => 'rules', and has it
# look at that: presence_rules($t, 'r@s.test', 'u@x.test' => 'allow', 'block',
# 'polite-block' or 'confirm', ...)

sub presence_rules {
	my ($t, $user, %rules) = @_;

	my $d = $t->testdir() . '/kamailio';
	my ($name, $domain) = split(/\@/, $user);

	my $doc = '<?xml version="1.0" encoding="UTF-8"?>'
		. '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" '
		. 'xmlns:pr="urn:ietf:params:xml:ns:pres-rules">'
		. join('', map { my $id = $_; $id =~ s/\W/-/g;
			"<rule id=\"$id\"><conditions><identity>"
			. "<one id=\"sip:$_\"/></identity></conditions>"
			. "<actions><pr:sub-handling>$rules{$_}"
			. '</pr:sub-handling></actions><transformations/></rule>'
		} sort keys %rules) . '</ruleset>';

	_sql("$d/kamailio.db", <<EOF);
DELETE FROM xcap WHERE username = '$name' AND domain = '$domain';
INSERT INTO xcap (username, domain, doc, doc_type, etag, source, doc_uri, port)
VALUES ('$name', '$domain', '$doc', 2, 'e', 0, 'pres-rules/$user', 0);
EOF

	system('kamcmd', '-s', "unix:$d/ctl", 'presence.refreshWatchers',
		"sip:$user", 'presence', 0) == 0 or die "kamcmd failed\n";
}

###############################################################################

# Linphone: linphone($t, $ca, 'user', 's.test', port of the proxy); the proxy's
# certificate is to be for localhost; publish => 1 to have it publish presence

sub linphone {
	my ($t, $ca, $user, $domain, $port, %a) = @_;

	my $d = $t->testdir() . "/linphone-$user";
	my $log = "$d/log" . (-e "$d/log" ? '-' . ++$linphones : '');
	make_path("$d/.local/share/linphone", "$d/.config/linphone");

	my $publish = $a{publish} ? 1 : 0;

	_write("$d/rc", <<EOF);
[sip]
default_proxy=0
sip_port=-1
sip_tcp_port=-1
sip_tls_port=-2
use_ipv6=0
root_ca=@{[ $ca->file() ]}
verify_server_certs=1
verify_server_cn=1
[proxy_0]
reg_proxy=<sip:localhost:$port;transport=tls>
reg_route=<sip:localhost:$port;transport=tls;lr>
reg_identity=<sip:$user\@$domain>
reg_expires=600
reg_sendregister=1
publish=$publish
EOF

	my $p = Test::Nginx::Interop::Process->new($t, "linphone-$user",
		{ HOME => $d, TERM => 'dumb' }, 'linphonec', '-c', "$d/rc",
		'-d', 6, '-l', $log);

	$p->{log} = $log;
	$p->logged(qr/ to \[LinphoneRegistrationOk\]/, $START)
		or die "$user did not register:\n" . _tail($p->{log});

	return $p;
}

###############################################################################

# XMPP client: xmpp_client($t, $ca, 'u@x.test', password, port); without a CA the
# server's certificate is not verified

sub xmpp_client {
	my ($t, $ca, $jid, $password, $port) = @_;

	my $p = Test::Nginx::Interop::Process->new($t, "client-$jid", {},
		python(), $CLIENT, $jid, $password, '127.0.0.1', $port,
		defined $ca ? $ca->file() : '');

	($p->line(qr/"event": "(?:online|failed)"/, $START) || '') =~ /online/
		or die "$jid did not log in:\n" . _tail($p->{log});

	return $p;
}

###############################################################################

package Test::Nginx::Interop::Process;

# A program that we talk to by its standard input and output.

###############################################################################

use warnings;
use strict;

use JSON::PP qw//;
use Socket qw/ AF_UNIX SOCK_STREAM /;

our @ISA = qw/ Test::Nginx::Peers::Socket /;

###############################################################################

# starts it: test object, name of its log, environment, command

sub new {
	my ($class, $t, $name, $env, @command) = @_;

	socketpair(my $ours, my $its, AF_UNIX, SOCK_STREAM, 0)
		or die "Can't create socketpair: $!\n";

	$name =~ tr,/,-,;
	my $log = $t->testdir() . "/$name.log";

	$t->run_daemon(sub {
		open(STDIN, '<&', $its);
		open(STDOUT, '>&', $its);
		open(STDERR, '>>', $log);
		Test::Nginx::Interop::_write("$log.pid", $$);
		@ENV{keys %$env} = values %$env;
		exec(@command) or print STDERR "cannot exec $command[0]: $!\n";
		POSIX::_exit(127);
	});

	close($its);
	$ours->blocking(0);

	my $self = bless {
		sock => $ours,
		log => $log,
		pid => "$log.pid",
		buf => '',
		lines => [],
	}, $class;

	Test::Nginx::Peers::add($self);

	return $self;
}

# what it wrote to standard error

sub log {
	my ($self) = @_;
	return Test::Nginx::Interop::_read($self->{log});
}

sub abandon {
	my ($self) = @_;
	Test::Nginx::Peers::remove($self);
	close(delete $self->{sock}) if $self->{sock};
}

sub handle {
	my ($self, $r, $w) = @_;

	return unless $r;

	my $n = sysread($self->{sock}, $self->{buf}, 65536,
		length $self->{buf});

	return if !defined $n && ($!{EAGAIN} || $!{EINTR});
	return $self->abandon() unless $n;

	while ($self->{buf} =~ s/^([^\n]*)\n//) {
		my $line = $1;
		Test::Nginx::log_in($line);
		push @{$self->{lines}}, $line;
		$self->_roster($line) if $line =~ /^\{"event": "roster"/;
	}
}

# what the server says of contacts is kept

sub _roster {
	my ($self, $line) = @_;

	my $e = JSON::PP->new()->utf8()->decode($line);

	$self->{roster}{$e->{jid}} = join(' ', grep { length }
		$e->{subscription}, $e->{ask} || '');
}

# next line that matches; those before it are dropped

sub line {
	my ($self, $re, $timeout) = @_;

	return Test::Nginx::Peers::wait_until(sub {
		while (defined(my $line = shift @{$self->{lines}})) {
			return $line if $line =~ $re;
		}
		return;
	}, $timeout);
}

# waits until its log matches, returns what a group of the pattern matched;
# the log's beginning may be skipped

sub logged {
	my ($self, $re, $timeout, $start) = @_;

	my $end = Test::Nginx::Peers::now() + (defined $timeout ? $timeout
		: $Test::Nginx::Peers::TIMEOUT);

	while (1) {
		if (substr($self->log(), $start || 0) =~ $re) {
			return defined $1 ? $1 : 1;
		}

		return if Test::Nginx::Peers::now() > $end;
		Test::Nginx::Peers::idle(0.05);
	}
}

# next event of that name (of the XMPP client) as a hash

sub event {
	my ($self, $name, $timeout) = @_;

	my $line = $self->line(qr/"event": "\Q$name\E"/, $timeout);
	return defined $line ? JSON::PP->new()->utf8()->decode($line) : undef;
}

# sends a message (by Linphone), returns the final response and what Linphone
# says of the message

sub chat {
	my ($self, $uri, $text, $timeout) = @_;

	my $start = length $self->log();

	$self->say("chat $uri $text");

	my $state = $self->logged(qr/moving from InProgress to (\w+)/,
		$timeout, $start);
	my $log = substr($self->log(), $start);
	my ($head) = $log =~ /^MESSAGE\ \Q$uri\E(?:;\S*)?\ SIP\/2\.0\r?\n
		((?:[^\r\n]+\r?\n)+)\r?\n\Q$text\E/mx;
	my ($id) = ($head || '') =~ /^Call-ID: (\S+)/m;
	my $status;

	if (defined $id) {
		($status) = $log =~ /^SIP\/2\.0\ ([2-6]\d\d\ [^\r\n]*)\r?\n
			(?:[^\r\n]+\r?\n)*?Call-ID:\ \Q$id\E\r?\n/mx;
	}

	return ($status, $state);
}

# writes a line

sub say {
	my ($self, $line) = @_;
	Test::Nginx::log_out($line);
	syswrite($self->{sock}, "$line\n");
}

# sends a message (by the XMPP client): to, body, id, type, ...

sub message {
	my ($self, %what) = @_;
	$self->say(JSON::PP->new()->utf8()->canonical()->encode(\%what));
}

# sends presence (by the XMPP client): a type or 'available'; to, show, status,
# priority

sub presence {
	my ($self, $type, %what) = @_;
	$self->message(presence => $type, %what);
}

# next presence that the XMPP client was told, as a line such as "subscribe
# r@s.test" or "available r@s.test/dev away"; with a pattern the next such one

sub told {
	my ($self, $re, $timeout) = @_;

	my ($last, $found) = ('nothing');

	while (!defined $found && (my $e = $self->event('presence',
		$timeout || 20)))
	{
		$last = join(' ', grep { length } $e->{type}, $e->{from},
			$e->{show}, $e->{condition} || '');
		$found = $last if !defined $re || $last =~ $re;
		$self->{last} = $e;
	}

	return defined $found ? $found : $last;
}

# ends it (the XMPP client, or by the command of another), and waits for that

sub quit {
	my ($self, $command) = @_;

	if (defined $command) {
		$self->say($command);

	} else {
		$self->message(quit => JSON::PP::true());
	}

	Test::Nginx::Peers::wait_until(sub { return !$self->{sock} }, 10)
		or die "a client does not quit\n";
}

# ends it without a chance to say so

sub crash {
	my ($self) = @_;

	kill('KILL', Test::Nginx::Interop::_read($self->{pid}));
	$self->abandon();
}

# waits until a contact is so in the roster: "both", "none subscribe"

sub contact {
	my ($self, $jid, $want, $timeout) = @_;

	return Test::Nginx::Peers::wait_until(sub {
		return ($self->{roster}{$jid} || '') eq $want;
	}, $timeout || 20) ? $want : $self->{roster}{$jid};
}

sub DESTROY {
	my ($self) = @_;
	local ($!, $@, $?);
	$self->abandon();
}

###############################################################################

1;

###############################################################################
