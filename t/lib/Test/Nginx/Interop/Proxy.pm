package Test::Nginx::Interop::Proxy;

# (C) The ngx_xmpp_sip_module authors

# What stands for an Access Edge and the clients behind it, without a line of
# ours: Kamailio, which puts itself into the route of every dialog, and SIPp.

###############################################################################

use warnings;
use strict;

use File::Basename qw/ dirname /;
use File::Path qw/ make_path /;
use File::Spec;

use Test::Nginx::Interop;
use Test::Nginx::Peers;

###############################################################################

my $SCENARIOS = File::Spec->rel2abs(dirname(__FILE__)
	. '/../../../../interop/sipp');

# starts the proxy: test object, CA, and cert, its name; domain; port, of TLS
# towards the gateway; gateway, its address, and host, its name; clients, the
# port of TCP for users; phone, where they are

sub new {
	my ($class, $t, $ca, %a) = @_;

	my $d = $t->testdir() . '/proxy';
	make_path($d);

	my $mpath = Test::Nginx::Interop::_kamailio_modules();

	my $tls = join('', map { "[$_:default]\nmethod = TLSv1.2+\n"
		. "verify_certificate = yes\nrequire_certificate = yes\n"
		. 'certificate = ' . $ca->crt($a{cert}) . "\n"
		. 'private_key = ' . $ca->key($a{cert}) . "\n"
		. 'ca_list = ' . $ca->file() . "\n" } qw/ server client /);

	Test::Nginx::Interop::_write("$d/tls.cfg", $tls);
	Test::Nginx::Interop::_write("$d/kamailio.cfg", <<EOF);
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
listen=tls:127.0.0.1:$a{port}
listen=tcp:127.0.0.1:$a{clients}
mpath="$mpath/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "tls.so"
modparam("tls", "config", "$d/tls.cfg")
modparam("rr", "enable_double_rr", 1)
modparam("tm", "fr_timer", 8000)

request_route {
    if (!mf_process_maxfwd_header("10")) {
        sl_send_reply("483", "Too Many Hops");
        exit;
    }

    xlog("L_NOTICE", "\$rm \$ru route \$hdr(Route)\\n");

    if (has_totag()) {

        if (!loose_route()) {
            xlog("L_ERR", "no route in \$rm within a dialog\\n");
            sl_send_reply("404", "No Route");
            exit;
        }

        route(NEXT);
    }

    record_route();
    route(NEXT);
}

route[NEXT] {
    if (\$Rp == $a{clients}) {
        \$du = "sip:$a{gateway};transport=tls";
        \$fs = "tls:127.0.0.1:$a{port}";

    } else if (\$du == \$null || \$(du{uri.port}) == "$a{clients}") {

        if (!has_totag()) {
            \$du = "sip:$a{phone};transport=tcp";
        }
    }

    t_relay();
    exit;
}
EOF

	Test::Nginx::Interop::_daemon($t, "$d/log", {}, 'kamailio', '-DD',
		'-E', '-f', "$d/kamailio.cfg", '-m', 64, '-M', 8, '-Y', $d,
		'-w', $d);
	Test::Nginx::Interop::_wait_ports('Kamailio', "$d/log", $a{clients},
		$a{port});

	return bless { t => $t, d => $d, log => "$d/log", %a }, $class;
}

# what it logged

sub log {
	my ($self) = @_;
	return Test::Nginx::Interop::_read($self->{log});
}

# starts SIPp with a scenario of t/interop/sipp: phone('uac', port, s => 'user')

sub phone {
	my ($self, $scenario, $port, %a) = @_;

	my $d = "$self->{d}/$scenario";
	make_path($d);

	my @remote = $a{remote} ? ($a{remote}) : ();

	my $p = Test::Nginx::Interop::Process->new($self->{t},
		"sipp-$scenario", { TERM => 'dumb' }, 'sh', '-c',
		'cd "$0" && "$@"; echo "exit $?"', $d, 'sipp', '-sf',
		"$SCENARIOS/$scenario.xml", '-t', 't1', '-i', '127.0.0.1',
		'-p', $port, '-m', 1, '-nd', '-nostdin', '-timeout', '30s',
		'-timeout_error', '-trace_err', '-trace_msg', '-trace_shortmsg',
		(map { ("-$_", $a{$_}) } grep { /^s$/ } keys %a),
		(map { ('-key', $_, $a{key}{$_}) } sort keys %{$a{key} || {}}),
		@remote);

	$p->{dir} = $d;

	Test::Nginx::Interop::_wait_ports('SIPp', $p->{log}, $port)
		unless @remote;

	return $p;
}

# how a scenario ended: empty is well

sub ended {
	my ($self, $p, $timeout) = @_;

	my $line = $p->line(qr/^exit \d+/, $timeout || 40);

	return 'still runs' unless defined $line;
	return '' if $line =~ /^exit 0/;

	return "$line\n" . join("\n", map { Test::Nginx::Interop::_tail($_) }
		glob("$p->{dir}/*_errors.log"), $p->{log});
}

###############################################################################

1;
