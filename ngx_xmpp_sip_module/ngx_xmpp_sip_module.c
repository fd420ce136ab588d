
/*
 * The front door: directives and their merging, start and stop of processes.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include <ngx_sha1.h>
#include <ngx_stream_ssl_module.h>
#include "ngx_fed.h"
#include "ngx_xmpp.h"
#include "ngx_sip.h"


#define NGX_STREAM_FED_CONF     0x10000000

#define NGX_XMPP_SIP_ZONE_MIN   (512 * 1024)

#define NGX_XMPP_SIP_OCS_VERIFICATION                                         \
    "ms-asserted-verification-level: ms-source-verified-user=verified"


#if (nginx_version >= 1025005)
typedef ngx_stream_ssl_srv_conf_t  ngx_xmpp_sip_ssl_conf_t;
#else
typedef ngx_stream_ssl_conf_t  ngx_xmpp_sip_ssl_conf_t;
#endif


typedef struct {
    ngx_fed_conf_t               *fcf;
    ngx_fed_leg_t                *leg;           /* NULL: not ours */
    ngx_str_t                     name;
    u_char                       *file;
    ngx_uint_t                    line;
    ngx_uint_t                    plain;         /* tls=off */
} ngx_xmpp_sip_srv_conf_t;


static void ngx_xmpp_sip_handler(ngx_stream_session_t *s);

static ngx_int_t ngx_xmpp_sip_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_xmpp_sip_postconfiguration(ngx_conf_t *cf);
static void *ngx_xmpp_sip_create_main_conf(ngx_conf_t *cf);
static void *ngx_xmpp_sip_create_srv_conf(ngx_conf_t *cf);
static char *ngx_xmpp_sip_merge_srv_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_xmpp_sip_merge_xmpp(ngx_conf_t *cf,
    ngx_xmpp_sip_srv_conf_t *conf);
static char *ngx_xmpp_sip_merge_sip(ngx_conf_t *cf,
    ngx_xmpp_sip_srv_conf_t *conf);
static ngx_int_t ngx_xmpp_sip_session_context(ngx_ssl_t *ssl,
    ngx_fed_conf_t *fcf);
static char *ngx_xmpp_sip_merge_alpn(ngx_conf_t *cf,
    ngx_xmpp_sip_srv_conf_t *conf);
static int ngx_xmpp_sip_alpn_select(ngx_ssl_conn_t *ssl_conn,
    const unsigned char **out, unsigned char *outlen, const unsigned char *in,
    unsigned int inlen, void *arg);
static ngx_uint_t ngx_xmpp_sip_listens_ssl(ngx_conf_t *cf);

static char *ngx_xmpp_sip_federation(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_fed_conf_t *ngx_xmpp_sip_create_federation(ngx_conf_t *cf,
    ngx_str_t *name);
static char *ngx_xmpp_sip_init_federation(ngx_conf_t *cf, ngx_fed_conf_t *fcf);
static void ngx_xmpp_sip_init_limits(ngx_fed_conf_t *fcf);
static void ngx_xmpp_sip_init_presence(ngx_fed_conf_t *fcf);
static ngx_int_t ngx_xmpp_sip_check_types(ngx_str_t *types);
static ngx_ssl_t *ngx_xmpp_sip_create_ssl(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_leg_t *leg);
static char *ngx_xmpp_sip_init_host(ngx_conf_t *cf, ngx_fed_conf_t *fcf);
static char *ngx_xmpp_sip_listen(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_xmpp_sip_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_xmpp_sip_state(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_xmpp_sip_domain(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_xmpp_sip_deny(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_xmpp_sip_default(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_xmpp_sip_permit(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_xmpp_sip_host(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_xmpp_sip_backoff(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_xmpp_sip_rate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_xmpp_sip_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_xmpp_sip_verification(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_xmpp_sip_password_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

static ngx_int_t ngx_xmpp_sip_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_xmpp_sip_init_process(ngx_cycle_t *cycle);
static ngx_int_t ngx_xmpp_sip_hold(ngx_cycle_t *cycle);
static void ngx_xmpp_sip_exit_process(ngx_cycle_t *cycle);


static ngx_conf_enum_t  ngx_xmpp_sip_confirm[] = {
    { ngx_string("ping"), NGX_FED_CONFIRM_PING },
    { ngx_string("write"), NGX_FED_CONFIRM_WRITE },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_xmpp_sip_chatstates[] = {
    { ngx_string("off"), NGX_FED_CHATSTATES_OFF },
    { ngx_string("on"), NGX_FED_CHATSTATES_ON },
    { ngx_string("auto"), NGX_FED_CHATSTATES_AUTO },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_xmpp_sip_ocs_routes[] = {
    { ngx_string("off"), NGX_FED_OCS_ROUTE_OFF },
    { ngx_string("requests"), NGX_FED_OCS_ROUTE_REQUESTS },
    { ngx_string("on"), NGX_FED_OCS_ROUTE_ON },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_xmpp_sip_idle_states[] = {
    { ngx_string("active"), NGX_FED_CHAT_ACTIVE },
    { ngx_string("paused"), NGX_FED_CHAT_PAUSED },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_xmpp_sip_ocs_presence[] = {
    { ngx_string("pidf"), NGX_FED_OCS_PIDF },
    { ngx_string("msrtc"), NGX_FED_OCS_MSRTC },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_xmpp_sip_ocs_contacts[] = {
    { ngx_string("host"), NGX_FED_OCS_CONTACT_HOST },
    { ngx_string("user"), NGX_FED_OCS_CONTACT_USER },
    { ngx_null_string, 0 }
};


static ngx_conf_bitmask_t  ngx_xmpp_sip_ocs_presence_accept[] = {
    { ngx_string("pidf"), NGX_FED_OCS_PIDF },
    { ngx_string("msrtc"), NGX_FED_OCS_MSRTC },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_xmpp_sip_ocs_negotiations[] = {
    { ngx_string("200"), 200 },
    { ngx_string("405"), 405 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_xmpp_sip_ocs_pending[] = {
    { ngx_string("offline"), NGX_FED_OCS_OFFLINE },
    { ngx_string("pending"), NGX_FED_OCS_PENDING },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_xmpp_sip_ocs_subscribed[] = {
    { ngx_string("active"), NGX_FED_OCS_ACTIVE },
    { ngx_string("open"), NGX_FED_OCS_OPEN },
    { ngx_null_string, 0 }
};


static ngx_conf_bitmask_t  ngx_xmpp_sip_protocols[] = {
    { ngx_string("TLSv1"), NGX_SSL_TLSv1 },
    { ngx_string("TLSv1.1"), NGX_SSL_TLSv1_1 },
    { ngx_string("TLSv1.2"), NGX_SSL_TLSv1_2 },
    { ngx_string("TLSv1.3"), NGX_SSL_TLSv1_3 },
    { ngx_null_string, 0 }
};


static ngx_conf_num_bounds_t  ngx_xmpp_sip_positive = {
    ngx_conf_check_num_bounds, 1, 1000000
};

static ngx_conf_num_bounds_t  ngx_xmpp_sip_depth = {
    ngx_conf_check_num_bounds, 4, 1024
};

static ngx_conf_num_bounds_t  ngx_xmpp_sip_attempts = {
    ngx_conf_check_num_bounds, 2, 5
};

static ngx_conf_num_bounds_t  ngx_xmpp_sip_message_statuses = {
    ngx_conf_check_num_bounds, 200, 202
};


static ngx_conf_num_bounds_t  ngx_xmpp_sip_dialogs = {
    ngx_conf_check_num_bounds, 1, 64
};


static ngx_msec_t  ngx_xmpp_sip_reconnect_max = 60000;
static ngx_msec_t  ngx_xmpp_sip_resubscribe_max = 3600000;
static ngx_msec_t  ngx_xmpp_sip_auto_max = 3600000;


#define ngx_xmpp_sip_command(name, type, set, field, post)                    \
    { ngx_string(name),                                                       \
      NGX_STREAM_FED_CONF|type,                                               \
      set,                                                                    \
      NGX_STREAM_SRV_CONF_OFFSET,                                             \
      offsetof(ngx_fed_conf_t, field),                                        \
      post }

#define ngx_xmpp_sip_msec(name, field)                                        \
    ngx_xmpp_sip_command(name, NGX_CONF_TAKE1, ngx_conf_set_msec_slot, field, \
                         NULL)

#define ngx_xmpp_sip_size(name, field)                                        \
    ngx_xmpp_sip_command(name, NGX_CONF_TAKE1, ngx_conf_set_size_slot, field, \
                         NULL)

#define ngx_xmpp_sip_flag(name, field)                                        \
    ngx_xmpp_sip_command(name, NGX_CONF_FLAG, ngx_conf_set_flag_slot, field,  \
                         NULL)

#define ngx_xmpp_sip_num(name, field, bounds)                                 \
    ngx_xmpp_sip_command(name, NGX_CONF_TAKE1, ngx_conf_set_num_slot, field,  \
                         &bounds)


static ngx_command_t  ngx_xmpp_sip_commands[] = {

    { ngx_string("federation"),
      NGX_STREAM_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_xmpp_sip_federation,
      0,
      0,
      NULL },

    { ngx_string("xmpp_federation"),
      NGX_STREAM_SRV_CONF|NGX_CONF_TAKE12,
      ngx_xmpp_sip_listen,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      &ngx_xmpp_leg },

    { ngx_string("sip_federation"),
      NGX_STREAM_SRV_CONF|NGX_CONF_TAKE1,
      ngx_xmpp_sip_listen,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      &ngx_sip_leg },

    /* within the federation block */

    { ngx_string("zone"),
      NGX_STREAM_FED_CONF|NGX_CONF_TAKE2,
      ngx_xmpp_sip_zone,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("state"),
      NGX_STREAM_FED_CONF|NGX_CONF_TAKE12,
      ngx_xmpp_sip_state,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("sip_domain"),
      NGX_STREAM_FED_CONF|NGX_CONF_1MORE,
      ngx_xmpp_sip_domain,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      &ngx_sip_leg },

    { ngx_string("xmpp_domain"),
      NGX_STREAM_FED_CONF|NGX_CONF_1MORE,
      ngx_xmpp_sip_domain,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      &ngx_xmpp_leg },

    { ngx_string("deny"),
      NGX_STREAM_FED_CONF|NGX_CONF_1MORE,
      ngx_xmpp_sip_deny,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("default"),
      NGX_STREAM_FED_CONF|NGX_CONF_1MORE,
      ngx_xmpp_sip_default,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("permit"),
      NGX_STREAM_FED_CONF|NGX_CONF_1MORE,
      ngx_xmpp_sip_permit,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("sip_host"),
      NGX_STREAM_FED_CONF|NGX_CONF_TAKE1,
      ngx_xmpp_sip_host,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("reconnect_delay"),
      NGX_STREAM_FED_CONF|NGX_CONF_TAKE12,
      ngx_xmpp_sip_backoff,
      NGX_STREAM_SRV_CONF_OFFSET,
      offsetof(ngx_fed_conf_t, reconnect_delay),
      &ngx_xmpp_sip_reconnect_max },

    { ngx_string("auto_valid"),
      NGX_STREAM_FED_CONF|NGX_CONF_TAKE12,
      ngx_xmpp_sip_backoff,
      NGX_STREAM_SRV_CONF_OFFSET,
      offsetof(ngx_fed_conf_t, auto_min),
      &ngx_xmpp_sip_auto_max },

    { ngx_string("resubscribe_delay"),
      NGX_STREAM_FED_CONF|NGX_CONF_TAKE12,
      ngx_xmpp_sip_backoff,
      NGX_STREAM_SRV_CONF_OFFSET,
      offsetof(ngx_fed_conf_t, resubscribe_delay),
      &ngx_xmpp_sip_resubscribe_max },

    { ngx_string("refresh_rate"),
      NGX_STREAM_FED_CONF|NGX_CONF_TAKE1,
      ngx_xmpp_sip_rate,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("unavailable_status"),
      NGX_STREAM_FED_CONF|NGX_CONF_TAKE1,
      ngx_xmpp_sip_status,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ocs_verification"),
      NGX_STREAM_FED_CONF|NGX_CONF_TAKE1,
      ngx_xmpp_sip_verification,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ssl_password_file"),
      NGX_STREAM_FED_CONF|NGX_CONF_TAKE1,
      ngx_xmpp_sip_password_file,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

    ngx_xmpp_sip_command("dialback_secret", NGX_CONF_TAKE1,
                         ngx_conf_set_str_slot, dialback_secret, NULL),

    ngx_xmpp_sip_command("ssl_certificate", NGX_CONF_TAKE1,
                         ngx_conf_set_str_array_slot, certificates, NULL),

    ngx_xmpp_sip_command("ssl_certificate_key", NGX_CONF_TAKE1,
                         ngx_conf_set_str_array_slot, certificate_keys, NULL),

    ngx_xmpp_sip_command("ssl_trusted_certificate", NGX_CONF_TAKE1,
                         ngx_conf_set_str_slot, trusted_certificate, NULL),

    ngx_xmpp_sip_command("ssl_crl", NGX_CONF_TAKE1,
                         ngx_conf_set_str_slot, crl, NULL),

    ngx_xmpp_sip_command("ssl_ciphers", NGX_CONF_TAKE1,
                         ngx_conf_set_str_slot, ciphers, NULL),

    ngx_xmpp_sip_command("ssl_protocols", NGX_CONF_1MORE,
                         ngx_conf_set_bitmask_slot, protocols,
                         &ngx_xmpp_sip_protocols),

    ngx_xmpp_sip_command("ssl_conf_command", NGX_CONF_TAKE2,
                         ngx_conf_set_keyval_slot, conf_commands, NULL),

    ngx_xmpp_sip_command("sip_ssl_ciphers", NGX_CONF_TAKE1,
                         ngx_conf_set_str_slot, sip_ciphers, NULL),

    ngx_xmpp_sip_command("sip_ssl_protocols", NGX_CONF_1MORE,
                         ngx_conf_set_bitmask_slot, sip_protocols,
                         &ngx_xmpp_sip_protocols),

    ngx_xmpp_sip_command("sip_ssl_conf_command", NGX_CONF_TAKE2,
                         ngx_conf_set_keyval_slot, sip_conf_commands, NULL),

    ngx_xmpp_sip_num("ssl_verify_depth", verify_depth, ngx_xmpp_sip_positive),

    ngx_xmpp_sip_command("confirm", NGX_CONF_TAKE1, ngx_conf_set_enum_slot,
                         confirm, &ngx_xmpp_sip_confirm),

    ngx_xmpp_sip_command("ocs_record_route", NGX_CONF_TAKE1,
                         ngx_conf_set_enum_slot, ocs_record_route,
                         &ngx_xmpp_sip_ocs_routes),

    ngx_xmpp_sip_command("ocs_contact", NGX_CONF_TAKE1,
                         ngx_conf_set_enum_slot, ocs_contact,
                         &ngx_xmpp_sip_ocs_contacts),

    ngx_xmpp_sip_command("ocs_negotiate", NGX_CONF_TAKE1,
                         ngx_conf_set_enum_slot, ocs_negotiate,
                         &ngx_xmpp_sip_ocs_negotiations),

    ngx_xmpp_sip_flag("ocs_diagnostics", ocs_diagnostics),
    ngx_xmpp_sip_flag("log_bodies", log_bodies),
    ngx_xmpp_sip_flag("private_addresses", private_addresses),
    ngx_xmpp_sip_flag("mask_recipients", mask_recipients),
    ngx_xmpp_sip_flag("message_6xx", message_6xx),
    ngx_xmpp_sip_flag("mirror_chat", mirror_chat),
    ngx_xmpp_sip_flag("stream_management", stream_management),
    ngx_xmpp_sip_flag("stream_bidi", stream_bidi),

    ngx_xmpp_sip_flag("receipts", receipts),

    ngx_xmpp_sip_command("chatstates", NGX_CONF_TAKE1, ngx_conf_set_enum_slot,
                         chatstates, &ngx_xmpp_sip_chatstates),

    ngx_xmpp_sip_command("chatstates_idle", NGX_CONF_TAKE1,
                         ngx_conf_set_enum_slot, chatstates_idle,
                         &ngx_xmpp_sip_idle_states),

    ngx_xmpp_sip_msec("chatstates_interval", chatstates_interval),
    ngx_xmpp_sip_msec("log_interval", log_interval),

    ngx_xmpp_sip_num("message_status", message_status,
                     ngx_xmpp_sip_message_statuses),

    ngx_xmpp_sip_msec("connect_timeout", connect_timeout),
    ngx_xmpp_sip_msec("handshake_timeout", handshake_timeout),
    ngx_xmpp_sip_msec("dialback_timeout", dialback_timeout),
    ngx_xmpp_sip_msec("transaction_timeout", transaction_timeout),
    ngx_xmpp_sip_msec("trying_timeout", trying_timeout),
    ngx_xmpp_sip_msec("confirm_timeout", confirm_timeout),
    ngx_xmpp_sip_msec("close_timeout", close_timeout),
    ngx_xmpp_sip_msec("xmpp_keepalive", xmpp_keepalive),
    ngx_xmpp_sip_msec("sip_keepalive", sip_keepalive),
    ngx_xmpp_sip_msec("xmpp_idle_timeout", xmpp_idle_timeout),
    ngx_xmpp_sip_msec("stream_resume", stream_resume),
    ngx_xmpp_sip_msec("sip_idle_timeout", sip_idle_timeout),
    ngx_xmpp_sip_msec("sip_read_timeout", sip_read_timeout),

    ngx_xmpp_sip_size("stanza_size", stanza_size),
    ngx_xmpp_sip_size("preauth_size", preauth_size),
    ngx_xmpp_sip_size("sip_header_size", sip_header_size),
    ngx_xmpp_sip_size("sip_body_size", sip_body_size),
    ngx_xmpp_sip_size("output_size", output_size),

    ngx_xmpp_sip_num("preauth_connections", preauth_connections,
                     ngx_xmpp_sip_positive),
    ngx_xmpp_sip_num("xml_depth", xml_depth, ngx_xmpp_sip_depth),
    ngx_xmpp_sip_num("xml_attributes", xml_attributes, ngx_xmpp_sip_depth),
    ngx_xmpp_sip_num("sasl_attempts", sasl_attempts, ngx_xmpp_sip_attempts),
    ngx_xmpp_sip_num("stream_domains", stream_domains, ngx_xmpp_sip_positive),
    ngx_xmpp_sip_num("domain_queue", domain_queue, ngx_xmpp_sip_positive),
    ngx_xmpp_sip_num("pair_queue", pair_queue, ngx_xmpp_sip_positive),
    ngx_xmpp_sip_num("link_events", link_events, ngx_xmpp_sip_positive),

    ngx_xmpp_sip_msec("subscription_expires", subscription_expires),
    ngx_xmpp_sip_msec("subscription_min", subscription_min),
    ngx_xmpp_sip_msec("subscription_max", subscription_max),
    ngx_xmpp_sip_msec("notify_interval", notify_interval),
    ngx_xmpp_sip_msec("presence_interval", presence_interval),
    ngx_xmpp_sip_msec("notify_timeout", notify_timeout),
    ngx_xmpp_sip_msec("poll_wait", poll_wait),
    ngx_xmpp_sip_msec("presence_idle", presence_idle),
    ngx_xmpp_sip_msec("auto_idle", auto_idle),
    ngx_xmpp_sip_msec("subscribe_interval", subscribe_interval),
    ngx_xmpp_sip_msec("denial_time", denial_time),
    ngx_xmpp_sip_msec("contact_expires", contact_expires),

    ngx_xmpp_sip_num("pair_dialogs", pair_dialogs, ngx_xmpp_sip_dialogs),
    ngx_xmpp_sip_num("user_watchers", user_watchers, ngx_xmpp_sip_positive),
    ngx_xmpp_sip_num("user_contacts", user_contacts, ngx_xmpp_sip_positive),
    ngx_xmpp_sip_num("domain_subscriptions", domain_subscriptions,
                     ngx_xmpp_sip_positive),

    ngx_xmpp_sip_msec("invite_timeout", invite_timeout),
    ngx_xmpp_sip_msec("session_timeout", session_timeout),
    ngx_xmpp_sip_num("sessions", sessions, ngx_xmpp_sip_positive),
    ngx_xmpp_sip_command("ocs_accept_types", NGX_CONF_TAKE1,
                         ngx_conf_set_str_slot, ocs_accept_types, NULL),

    ngx_xmpp_sip_command("ocs_presence", NGX_CONF_TAKE1,
                         ngx_conf_set_enum_slot, ocs_presence,
                         &ngx_xmpp_sip_ocs_presence),

    ngx_xmpp_sip_flag("ocs_presence_note", ocs_presence_note),

    ngx_xmpp_sip_command("ocs_presence_accept", NGX_CONF_TAKE12,
                         ngx_conf_set_bitmask_slot, ocs_presence_accept,
                         &ngx_xmpp_sip_ocs_presence_accept),

    ngx_xmpp_sip_command("ocs_pending", NGX_CONF_TAKE1,
                         ngx_conf_set_enum_slot, ocs_pending,
                         &ngx_xmpp_sip_ocs_pending),

    ngx_xmpp_sip_command("ocs_subscribed", NGX_CONF_TAKE1,
                         ngx_conf_set_enum_slot, ocs_subscribed,
                         &ngx_xmpp_sip_ocs_subscribed),

      ngx_null_command
};


static ngx_stream_module_t  ngx_xmpp_sip_module_ctx = {
    ngx_xmpp_sip_preconfiguration,         /* preconfiguration */
    ngx_xmpp_sip_postconfiguration,        /* postconfiguration */

    ngx_xmpp_sip_create_main_conf,         /* create main configuration */
    NULL,                                  /* init main configuration */

    ngx_xmpp_sip_create_srv_conf,          /* create server configuration */
    ngx_xmpp_sip_merge_srv_conf            /* merge server configuration */
};


ngx_module_t  ngx_xmpp_sip_module = {
    NGX_MODULE_V1,
    &ngx_xmpp_sip_module_ctx,              /* module context */
    ngx_xmpp_sip_commands,                 /* module directives */
    NGX_STREAM_MODULE,                     /* module type */
    NULL,                                  /* init master */
    ngx_xmpp_sip_init_module,              /* init module */
    ngx_xmpp_sip_init_process,             /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_xmpp_sip_exit_process,             /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void
ngx_xmpp_sip_handler(ngx_stream_session_t *s)
{
    ngx_xmpp_sip_srv_conf_t  *sscf;
    ngx_xmpp_sip_ssl_conf_t  *sslcf;

    sscf = ngx_stream_get_module_srv_conf(s, ngx_xmpp_sip_module);

    if (sscf->leg == &ngx_sip_leg) {
        ngx_sip_accept(s, sscf->fcf);
        return;
    }

    sslcf = ngx_stream_get_module_srv_conf(s, ngx_stream_ssl_module);

    ngx_xmpp_accept(s, sscf->fcf, sslcf->ssl.ctx ? &sslcf->ssl : NULL);
}


static ngx_int_t
ngx_xmpp_sip_preconfiguration(ngx_conf_t *cf)
{
    return ngx_fed_variables_add(cf);
}


static void *
ngx_xmpp_sip_create_main_conf(ngx_conf_t *cf)
{
    ngx_fed_main_conf_t  *smcf;

    smcf = ngx_pcalloc(cf->pool, sizeof(ngx_fed_main_conf_t));
    if (smcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&smcf->federations, cf->pool, 2,
                       sizeof(ngx_fed_conf_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return smcf;
}


static void *
ngx_xmpp_sip_create_srv_conf(ngx_conf_t *cf)
{
    /*
     * set by ngx_pcalloc():
     *
     *     conf->fcf = NULL;
     *     conf->leg = NULL;
     *     conf->name = { 0, NULL };
     *     conf->plain = 0;
     */

    return ngx_pcalloc(cf->pool, sizeof(ngx_xmpp_sip_srv_conf_t));
}


static char *
ngx_xmpp_sip_merge_srv_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_xmpp_sip_srv_conf_t *conf = child;

    ngx_uint_t              i;
    ngx_fed_conf_t        **fcf;
    ngx_fed_main_conf_t    *smcf;

    if (conf->leg == NULL) {
        return NGX_CONF_OK;
    }

    smcf = ngx_stream_conf_get_module_main_conf(cf, ngx_xmpp_sip_module);
    fcf = smcf->federations.elts;

    for (i = 0; i < smcf->federations.nelts; i++) {

        if (fcf[i]->name.len == conf->name.len
            && ngx_memcmp(fcf[i]->name.data, conf->name.data, conf->name.len)
               == 0)
        {
            conf->fcf = fcf[i];
            break;
        }
    }

    if (conf->fcf == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "unknown federation \"%V\" in %s:%ui",
                      &conf->name, conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    return (conf->leg == &ngx_xmpp_leg) ? ngx_xmpp_sip_merge_xmpp(cf, conf)
                                        : ngx_xmpp_sip_merge_sip(cf, conf);
}


/*
 * The XMPP listener asks for the certificate of the peer by itself, and refuses
 * no peer for it: dialback may follow (RFC 6120, 5.4.3.1).  STARTTLS and direct
 * TLS have that in common.
 */

static char *
ngx_xmpp_sip_merge_xmpp(ngx_conf_t *cf, ngx_xmpp_sip_srv_conf_t *conf)
{
    SSL_CTX                  *ctx;
    ngx_uint_t                direct;
    ngx_fed_conf_t           *fcf;
    ngx_xmpp_sip_ssl_conf_t  *sslcf;

    sslcf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_ssl_module);

    fcf = conf->fcf;
    ctx = sslcf->ssl.ctx;
    direct = ngx_xmpp_sip_listens_ssl(cf);

    if (conf->plain && direct) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"tls=off\" of the \"xmpp_federation\" directive in "
                      "%s:%ui does not go with \"listen ... ssl\"",
                      conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    if (conf->plain) {
        return NGX_CONF_OK;
    }

    if (ctx == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no \"ssl_certificate\" is defined for "
                      "the \"xmpp_federation\" directive in %s:%ui",
                      conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    /* RFC 9325, 3.1.1 */

    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);

    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, ngx_fed_link_verify);
    SSL_CTX_set_verify_depth(ctx, (int) fcf->verify_depth);
    SSL_CTX_set_purpose(ctx, X509_PURPOSE_ANY);

    if (SSL_CTX_set1_verify_cert_store(ctx,
                                 SSL_CTX_get_cert_store(fcf->verify_ssl->ctx))
        == 0)
    {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "SSL_CTX_set1_verify_cert_store() failed");
        return NGX_CONF_ERROR;
    }

    if (ngx_xmpp_sip_session_context(&sslcf->ssl, fcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return direct ? ngx_xmpp_sip_merge_alpn(cf, conf) : NGX_CONF_OK;
}


/*
 * A session of TLS that is resumed brings the judgement of the certificate: it
 * must be one of this federation, and of the same trust.
 */

static ngx_int_t
ngx_xmpp_sip_session_context(ngx_ssl_t *ssl, ngx_fed_conf_t *fcf)
{
    X509          *cert;
    u_char         buf[EVP_MAX_MD_SIZE];
    ngx_sha1_t     sha1;
    unsigned int   len;

    ngx_sha1_init(&sha1);

    ngx_sha1_update(&sha1, fcf->name.data, fcf->name.len);
    ngx_sha1_update(&sha1, "", 1);
    ngx_sha1_update(&sha1, fcf->trusted_certificate.data,
                    fcf->trusted_certificate.len);
    ngx_sha1_update(&sha1, "", 1);

    cert = SSL_CTX_get0_certificate(ssl->ctx);

    if (cert && X509_digest(cert, EVP_sha1(), buf, &len)) {
        ngx_sha1_update(&sha1, buf, len);
    }

    ngx_sha1_final(buf, &sha1);

    if (SSL_CTX_set_session_id_context(ssl->ctx, buf, 20) == 0) {
        ngx_ssl_error(NGX_LOG_EMERG, ssl->log, 0,
                      "SSL_CTX_set_session_id_context() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* XEP-0368 */

static char *
ngx_xmpp_sip_merge_alpn(ngx_conf_t *cf, ngx_xmpp_sip_srv_conf_t *conf)
{
    u_char                   *p, len;
    ngx_xmpp_sip_ssl_conf_t  *sslcf;

    sslcf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_ssl_module);

    if (sslcf->alpn.len == 0) {
        SSL_CTX_set_alpn_select_cb(sslcf->ssl.ctx, ngx_xmpp_sip_alpn_select,
                                   NULL);
        return NGX_CONF_OK;
    }

    if (SSL_select_next_proto(&p, &len, sslcf->alpn.data, sslcf->alpn.len,
                              (u_char *) NGX_XMPP_ALPN,
                              sizeof(NGX_XMPP_ALPN) - 1)
        == OPENSSL_NPN_NEGOTIATED)
    {
        return NGX_CONF_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"ssl_alpn\" lacks \"xmpp-server\", which is what peers "
                  "offer to the \"xmpp_federation\" directive in %s:%ui",
                  conf->file, conf->line);

    return NGX_CONF_ERROR;
}


/* Within STARTTLS the protocol is known, whatever the peer offers. */

static int
ngx_xmpp_sip_alpn_select(ngx_ssl_conn_t *ssl_conn, const unsigned char **out,
    unsigned char *outlen, const unsigned char *in, unsigned int inlen,
    void *arg)
{
    ngx_connection_t      *c;
    ngx_stream_session_t  *s;

    c = ngx_ssl_get_connection(ssl_conn);
    s = c->data;

    if (ngx_stream_get_module_ctx(s, ngx_xmpp_sip_module)) {
        return SSL_TLSEXT_ERR_NOACK;
    }

    if (SSL_select_next_proto((unsigned char **) out, outlen,
                              (u_char *) NGX_XMPP_ALPN,
                              sizeof(NGX_XMPP_ALPN) - 1, in, inlen)
        != OPENSSL_NPN_NEGOTIATED)
    {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }

    return SSL_TLSEXT_ERR_OK;
}


/*
 * What a SIP peer may do with its certificate is a matter of its domain, which
 * is not known yet when TLS asks.
 */

static char *
ngx_xmpp_sip_merge_sip(ngx_conf_t *cf, ngx_xmpp_sip_srv_conf_t *conf)
{
    ngx_xmpp_sip_ssl_conf_t  *sslcf;

    if (!ngx_xmpp_sip_listens_ssl(cf)) {
        return NGX_CONF_OK;
    }

    sslcf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_ssl_module);

    if (sslcf->verify == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"ssl_verify_client on\" is needed for "
                      "the \"sip_federation\" directive in %s:%ui: "
                      "a SIP peer is known by its certificate",
                      conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    SSL_CTX_set_purpose(sslcf->ssl.ctx, X509_PURPOSE_ANY);

    return NGX_CONF_OK;
}


/* Tells whether the server has a "listen ... ssl". */

static ngx_uint_t
ngx_xmpp_sip_listens_ssl(ngx_conf_t *cf)
{
#if (nginx_version >= 1025005)

    ngx_uint_t                     i, j, k;
    ngx_stream_conf_addr_t        *addr;
    ngx_stream_conf_port_t        *port;
    ngx_stream_core_srv_conf_t    *cscf, **servers;
    ngx_stream_core_main_conf_t   *cmcf;

    cscf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_core_module);
    cmcf = ngx_stream_conf_get_module_main_conf(cf, ngx_stream_core_module);

    if (cmcf->ports == NULL) {
        return 0;
    }

    port = cmcf->ports->elts;

    for (i = 0; i < cmcf->ports->nelts; i++) {

        addr = port[i].addrs.elts;

        for (j = 0; j < port[i].addrs.nelts; j++) {

            servers = addr[j].servers.elts;

            for (k = 0; addr[j].opt.ssl && k < addr[j].servers.nelts; k++) {

                if (servers[k] == cscf) {
                    return 1;
                }
            }
        }
    }

    return 0;

#else

    ngx_uint_t                    i;
    ngx_stream_listen_t          *listen;
    ngx_stream_core_main_conf_t  *cmcf;

    cmcf = ngx_stream_conf_get_module_main_conf(cf, ngx_stream_core_module);

    listen = cmcf->listen.elts;

    for (i = 0; i < cmcf->listen.nelts; i++) {
        if (listen[i].ssl && listen[i].ctx == cf->ctx) {
            return 1;
        }
    }

    return 0;

#endif
}


static ngx_int_t
ngx_xmpp_sip_postconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                    i;
    ngx_fed_conf_t              **fcf;
    ngx_fed_domain_t             *domain;
    ngx_fed_main_conf_t          *smcf;
    ngx_stream_core_srv_conf_t   *cscf;

    smcf = ngx_stream_conf_get_module_main_conf(cf, ngx_xmpp_sip_module);
    cscf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_core_module);

    fcf = smcf->federations.elts;

    for (i = 0; i < smcf->federations.nelts; i++) {

        fcf[i]->resolver = cscf->resolver;
        fcf[i]->resolver_timeout = cscf->resolver_timeout;

        if (fcf[i]->resolver_timeout == NGX_CONF_UNSET_MSEC) {
            fcf[i]->resolver_timeout = 30000;
        }

        if (cscf->resolver && cscf->resolver->connections.nelts) {
            continue;
        }

        if (fcf[i]->resolver == NULL) {
            fcf[i]->resolver = ngx_resolver_create(cf, NULL, 0);
            if (fcf[i]->resolver == NULL) {
                return NGX_ERROR;
            }
        }

        if (!ngx_fed_domain_needs_resolver(fcf[i], &domain)) {
            continue;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no \"resolver\" is defined in \"stream\" to find "
                      "%s%s%V in %s:%ui",
                      domain->any ? "the default domains" : "",
                      domain->wildcard ? "*." : "", &domain->name,
                      domain->file, domain->line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* federation name { ... } */

static char *
ngx_xmpp_sip_federation(ngx_conf_t *cf, ngx_command_t *cmd, void *dummy)
{
    char                   *rv;
    ngx_str_t              *value;
    ngx_uint_t              i;
    ngx_conf_t              pcf;
    ngx_fed_conf_t         *fcf, **fcfp;
    ngx_fed_main_conf_t    *smcf;
    ngx_stream_conf_ctx_t  *ctx;

    value = cf->args->elts;

    smcf = ngx_stream_conf_get_module_main_conf(cf, ngx_xmpp_sip_module);
    fcfp = smcf->federations.elts;

    for (i = 0; i < smcf->federations.nelts; i++) {

        if (fcfp[i]->name.len == value[1].len
            && ngx_memcmp(fcfp[i]->name.data, value[1].data, value[1].len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate federation \"%V\", it was first "
                               "given in %s:%ui",
                               &value[1], fcfp[i]->file, fcfp[i]->line);
            return NGX_CONF_ERROR;
        }
    }

    fcf = ngx_xmpp_sip_create_federation(cf, &value[1]);
    if (fcf == NULL) {
        return NGX_CONF_ERROR;
    }

    fcfp = ngx_array_push(&smcf->federations);
    if (fcfp == NULL) {
        return NGX_CONF_ERROR;
    }

    *fcfp = fcf;

    ctx = ngx_pcalloc(cf->pool, sizeof(ngx_stream_conf_ctx_t));
    if (ctx == NULL) {
        return NGX_CONF_ERROR;
    }

    ctx->main_conf = fcf->ctx->main_conf;

    ctx->srv_conf = ngx_pcalloc(cf->pool,
                                sizeof(void *) * ngx_stream_max_module);
    if (ctx->srv_conf == NULL) {
        return NGX_CONF_ERROR;
    }

    ctx->srv_conf[ngx_xmpp_sip_module.ctx_index] = fcf;

    pcf = *cf;
    cf->ctx = ctx;
    cf->cmd_type = NGX_STREAM_FED_CONF;

    rv = ngx_conf_parse(cf, NULL);

    *cf = pcf;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_xmpp_sip_init_federation(cf, fcf);
}


static ngx_fed_conf_t *
ngx_xmpp_sip_create_federation(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_fed_conf_t  *fcf;

    fcf = ngx_pcalloc(cf->pool, sizeof(ngx_fed_conf_t));
    if (fcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     fcf->protocols = 0;
     *     fcf->dialback_secret = { 0, NULL };
     *     fcf->trusted_certificate = { 0, NULL };
     *     fcf->crl = { 0, NULL };
     *     fcf->ciphers = { 0, NULL };
     *     fcf->sip_protocols = 0;
     *     fcf->sip_ciphers = { 0, NULL };
     */

    fcf->name = *name;
    fcf->file = cf->conf_file->file.name.data;
    fcf->line = cf->conf_file->line;
    fcf->ctx = cf->ctx;
    fcf->xmpp = &ngx_xmpp_leg;
    fcf->sip = &ngx_sip_leg;

    fcf->certificates = NGX_CONF_UNSET_PTR;
    fcf->certificate_keys = NGX_CONF_UNSET_PTR;
    fcf->conf_commands = NGX_CONF_UNSET_PTR;
    fcf->sip_conf_commands = NGX_CONF_UNSET_PTR;
    fcf->passwords = NGX_CONF_UNSET_PTR;
    fcf->verify_depth = NGX_CONF_UNSET_UINT;

    fcf->confirm = NGX_CONF_UNSET_UINT;
    fcf->log_bodies = NGX_CONF_UNSET;
    fcf->log_interval = NGX_CONF_UNSET_MSEC;
    fcf->private_addresses = NGX_CONF_UNSET;
    fcf->mask_recipients = NGX_CONF_UNSET;
    fcf->message_6xx = NGX_CONF_UNSET;
    fcf->mirror_chat = NGX_CONF_UNSET;
    fcf->stream_management = NGX_CONF_UNSET;
    fcf->stream_bidi = NGX_CONF_UNSET;
    fcf->chatstates = NGX_CONF_UNSET_UINT;
    fcf->chatstates_idle = NGX_CONF_UNSET_UINT;
    fcf->chatstates_interval = NGX_CONF_UNSET_MSEC;
    fcf->receipts = NGX_CONF_UNSET;
    fcf->message_status = NGX_CONF_UNSET_UINT;

    fcf->ocs_record_route = NGX_CONF_UNSET_UINT;
    fcf->ocs_contact = NGX_CONF_UNSET_UINT;
    fcf->ocs_negotiate = NGX_CONF_UNSET_UINT;
    fcf->ocs_diagnostics = NGX_CONF_UNSET;

    fcf->connect_timeout = NGX_CONF_UNSET_MSEC;
    fcf->handshake_timeout = NGX_CONF_UNSET_MSEC;
    fcf->dialback_timeout = NGX_CONF_UNSET_MSEC;
    fcf->transaction_timeout = NGX_CONF_UNSET_MSEC;
    fcf->trying_timeout = NGX_CONF_UNSET_MSEC;
    fcf->confirm_timeout = NGX_CONF_UNSET_MSEC;
    fcf->close_timeout = NGX_CONF_UNSET_MSEC;
    fcf->xmpp_keepalive = NGX_CONF_UNSET_MSEC;
    fcf->sip_keepalive = NGX_CONF_UNSET_MSEC;
    fcf->xmpp_idle_timeout = NGX_CONF_UNSET_MSEC;
    fcf->stream_resume = NGX_CONF_UNSET_MSEC;
    fcf->sip_idle_timeout = NGX_CONF_UNSET_MSEC;
    fcf->sip_read_timeout = NGX_CONF_UNSET_MSEC;
    fcf->reconnect_delay = NGX_CONF_UNSET_MSEC;
    fcf->reconnect_max = NGX_CONF_UNSET_MSEC;

    fcf->stanza_size = NGX_CONF_UNSET_SIZE;
    fcf->preauth_size = NGX_CONF_UNSET_SIZE;
    fcf->preauth_connections = NGX_CONF_UNSET_UINT;
    fcf->sip_header_size = NGX_CONF_UNSET_SIZE;
    fcf->sip_body_size = NGX_CONF_UNSET_SIZE;
    fcf->output_size = NGX_CONF_UNSET_SIZE;
    fcf->xml_depth = NGX_CONF_UNSET_UINT;
    fcf->xml_attributes = NGX_CONF_UNSET_UINT;
    fcf->sasl_attempts = NGX_CONF_UNSET_UINT;
    fcf->stream_domains = NGX_CONF_UNSET_UINT;
    fcf->domain_queue = NGX_CONF_UNSET_UINT;
    fcf->pair_queue = NGX_CONF_UNSET_UINT;
    fcf->link_events = NGX_CONF_UNSET_UINT;

    fcf->subscription_expires = NGX_CONF_UNSET_MSEC;
    fcf->subscription_min = NGX_CONF_UNSET_MSEC;
    fcf->subscription_max = NGX_CONF_UNSET_MSEC;
    fcf->notify_interval = NGX_CONF_UNSET_MSEC;
    fcf->presence_interval = NGX_CONF_UNSET_MSEC;
    fcf->notify_timeout = NGX_CONF_UNSET_MSEC;
    fcf->poll_wait = NGX_CONF_UNSET_MSEC;
    fcf->presence_idle = NGX_CONF_UNSET_MSEC;
    fcf->auto_idle = NGX_CONF_UNSET_MSEC;
    fcf->auto_min = NGX_CONF_UNSET_MSEC;
    fcf->auto_max = NGX_CONF_UNSET_MSEC;
    fcf->subscribe_interval = NGX_CONF_UNSET_MSEC;
    fcf->denial_time = NGX_CONF_UNSET_MSEC;
    fcf->contact_expires = NGX_CONF_UNSET_MSEC;
    fcf->resubscribe_delay = NGX_CONF_UNSET_MSEC;
    fcf->resubscribe_max = NGX_CONF_UNSET_MSEC;
    fcf->refresh_rate = NGX_CONF_UNSET_UINT;
    fcf->pair_dialogs = NGX_CONF_UNSET_UINT;
    fcf->user_watchers = NGX_CONF_UNSET_UINT;
    fcf->user_contacts = NGX_CONF_UNSET_UINT;
    fcf->domain_subscriptions = NGX_CONF_UNSET_UINT;

    fcf->invite_timeout = NGX_CONF_UNSET_MSEC;
    fcf->session_timeout = NGX_CONF_UNSET_MSEC;
    fcf->sessions = NGX_CONF_UNSET_UINT;

    fcf->ocs_presence = NGX_CONF_UNSET_UINT;
    fcf->ocs_presence_note = NGX_CONF_UNSET;
    fcf->ocs_pending = NGX_CONF_UNSET_UINT;
    fcf->ocs_subscribed = NGX_CONF_UNSET_UINT;

    if (ngx_array_init(&fcf->domains, cf->pool, 8, sizeof(ngx_fed_domain_t *))
        != NGX_OK
        || ngx_array_init(&fcf->denied, cf->pool, 4, sizeof(ngx_fed_domain_t *))
           != NGX_OK)
    {
        return NULL;
    }

    return fcf;
}


/* The block was read: defaults, and what does not go together. */

static char *
ngx_xmpp_sip_init_federation(ngx_conf_t *cf, ngx_fed_conf_t *fcf)
{
    char  *rv;

    if (fcf->shm_zone == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no \"zone\" is defined for federation \"%V\" in %s:%ui",
                      &fcf->name, fcf->file, fcf->line);
        return NGX_CONF_ERROR;
    }

    ngx_xmpp_sip_init_limits(fcf);
    ngx_xmpp_sip_init_presence(fcf);

    if (fcf->subscription_min > fcf->subscription_expires
        || fcf->subscription_min > 3600000
        || fcf->subscription_expires > fcf->subscription_max
        || fcf->subscription_expires < 1000)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"subscription_expires\" of federation \"%V\" in "
                      "%s:%ui must be 1s at least, not less than "
                      "\"subscription_min\", which is 1h at most, and not "
                      "more than \"subscription_max\"",
                      &fcf->name, fcf->file, fcf->line);
        return NGX_CONF_ERROR;
    }

    if (fcf->invite_timeout < 1000
        || fcf->session_timeout < 2 * fcf->invite_timeout)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"invite_timeout\" of federation \"%V\" in %s:%ui "
                      "must be 1s at least, and \"session_timeout\" twice "
                      "that", &fcf->name, fcf->file, fcf->line);
        return NGX_CONF_ERROR;
    }

    if (ngx_xmpp_sip_check_types(&fcf->ocs_accept_types) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"ocs_accept_types\" of federation \"%V\" in %s:%ui "
                      "must be media types with blanks between them, "
                      "\"text/plain\" among them",
                      &fcf->name, fcf->file, fcf->line);
        return NGX_CONF_ERROR;
    }

    if (fcf->notify_timeout == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"notify_timeout\" of federation \"%V\" in %s:%ui "
                      "must not be 0: no NOTIFY would ever be in time",
                      &fcf->name, fcf->file, fcf->line);
        return NGX_CONF_ERROR;
    }

    if (fcf->stanza_size < 10000 || fcf->sip_header_size < 16384) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" of federation \"%V\" in %s:%ui is too small: "
                      "%s",
                      fcf->stanza_size < 10000 ? "stanza_size"
                                               : "sip_header_size",
                      &fcf->name, fcf->file, fcf->line,
                      fcf->stanza_size < 10000 ? "RFC 6120 has 10000 at least"
                                               : "it must be 16k at least");
        return NGX_CONF_ERROR;
    }

    if (fcf->trying_timeout + fcf->confirm_timeout >= fcf->transaction_timeout)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"confirm_timeout\" and \"trying_timeout\" together "
                      "must be less than \"transaction_timeout\" in "
                      "federation \"%V\" in %s:%ui",
                      &fcf->name, fcf->file, fcf->line);
        return NGX_CONF_ERROR;
    }

    rv = ngx_fed_domain_init(cf, fcf);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if ((fcf->certificates == NULL) != (fcf->certificate_keys == NULL)
        || (fcf->certificates
            && fcf->certificates->nelts != fcf->certificate_keys->nelts))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "each \"ssl_certificate\" of federation \"%V\" needs "
                      "a \"ssl_certificate_key\" in %s:%ui",
                      &fcf->name, fcf->file, fcf->line);
        return NGX_CONF_ERROR;
    }

    if (fcf->certificates == NULL
        && (fcf->dialects & ((ngx_uint_t) 1 << NGX_FED_DIALECT_OCS)))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"dialect=ocs\" in federation \"%V\" in %s:%ui needs "
                      "\"ssl_certificate\": an Edge takes no link without "
                      "a certificate of ours",
                      &fcf->name, fcf->file, fcf->line);
        return NGX_CONF_ERROR;
    }

    fcf->xmpp_ssl = ngx_xmpp_sip_create_ssl(cf, fcf, &ngx_xmpp_leg);
    fcf->sip_ssl = ngx_xmpp_sip_create_ssl(cf, fcf, &ngx_sip_leg);
    fcf->verify_ssl = ngx_xmpp_sip_create_ssl(cf, fcf, NULL);

    if (fcf->xmpp_ssl == NULL || fcf->sip_ssl == NULL
        || fcf->verify_ssl == NULL)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_xmpp_sip_init_host(cf, fcf);
}


/* conformance to RFC 3261, RFC 4320, RFC 6120 and XEP-0205 */

static void
ngx_xmpp_sip_init_limits(ngx_fed_conf_t *fcf)
{
    ngx_conf_init_uint_value(fcf->confirm, NGX_FED_CONFIRM_PING);
    ngx_conf_init_value(fcf->log_bodies, 0);
    ngx_conf_init_msec_value(fcf->log_interval, 60000);
    ngx_conf_init_value(fcf->private_addresses, 0);
    ngx_conf_init_value(fcf->mask_recipients, 0);
    ngx_conf_init_value(fcf->mirror_chat, 0);
    ngx_conf_init_value(fcf->stream_management, 1);
    ngx_conf_init_value(fcf->stream_bidi, 1);
    ngx_conf_init_msec_value(fcf->chatstates_interval, 10000);
    ngx_conf_init_value(fcf->receipts, 0);
    ngx_conf_init_uint_value(fcf->message_status, 202);

    if (fcf->ocs_verification.data == NULL) {
        ngx_str_set(&fcf->ocs_verification, NGX_XMPP_SIP_OCS_VERIFICATION CRLF);
    }

    ngx_conf_init_uint_value(fcf->ocs_record_route, NGX_FED_OCS_ROUTE_ON);
    ngx_conf_init_uint_value(fcf->ocs_contact, NGX_FED_OCS_CONTACT_HOST);
    ngx_conf_init_uint_value(fcf->ocs_negotiate, 405);
    ngx_conf_init_value(fcf->ocs_diagnostics, 0);

    ngx_conf_init_msec_value(fcf->connect_timeout, 10000);
    ngx_conf_init_msec_value(fcf->handshake_timeout, 30000);
    ngx_conf_init_msec_value(fcf->dialback_timeout, 30000);
    ngx_conf_init_msec_value(fcf->transaction_timeout, 32000);
    ngx_conf_init_msec_value(fcf->trying_timeout, 3500);
    ngx_conf_init_msec_value(fcf->confirm_timeout, 20000);
    ngx_conf_init_msec_value(fcf->close_timeout, 10000);
    ngx_conf_init_msec_value(fcf->xmpp_keepalive, 300000);
    ngx_conf_init_msec_value(fcf->sip_keepalive, 110000);
    ngx_conf_init_msec_value(fcf->xmpp_idle_timeout, 3600000);
    ngx_conf_init_msec_value(fcf->stream_resume, 60000);
    ngx_conf_init_msec_value(fcf->sip_idle_timeout, 3600000);
    ngx_conf_init_msec_value(fcf->sip_read_timeout, 32000);
    ngx_conf_init_msec_value(fcf->reconnect_delay, 1000);
    ngx_conf_init_msec_value(fcf->reconnect_max, 60000);

    ngx_conf_init_size_value(fcf->stanza_size, 262144);
    ngx_conf_init_size_value(fcf->preauth_size, 16384);
    ngx_conf_init_uint_value(fcf->preauth_connections, 0);
    ngx_conf_init_size_value(fcf->sip_header_size, 65536);
    ngx_conf_init_size_value(fcf->sip_body_size, 65536);
    ngx_conf_init_size_value(fcf->output_size, 1024 * 1024);
    ngx_conf_init_uint_value(fcf->xml_depth, 64);
    ngx_conf_init_uint_value(fcf->xml_attributes, 64);
    ngx_conf_init_uint_value(fcf->sasl_attempts, 3);
    ngx_conf_init_uint_value(fcf->stream_domains, 50);
    ngx_conf_init_uint_value(fcf->domain_queue, 1000);
    ngx_conf_init_uint_value(fcf->pair_queue, 100);
    ngx_conf_init_uint_value(fcf->link_events, 4096);

    ngx_conf_init_uint_value(fcf->verify_depth, 5);
    ngx_conf_init_ptr_value(fcf->certificates, NULL);
    ngx_conf_init_ptr_value(fcf->certificate_keys, NULL);
    ngx_conf_init_ptr_value(fcf->conf_commands, NULL);
    ngx_conf_init_ptr_value(fcf->sip_conf_commands, fcf->conf_commands);
    ngx_conf_init_ptr_value(fcf->passwords, NULL);

    if (fcf->protocols == 0) {
        fcf->protocols = NGX_CONF_BITMASK_SET|NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3;
    }

    if (fcf->ciphers.len == 0) {
        ngx_str_set(&fcf->ciphers, "HIGH:!aNULL:!MD5");
    }

    if (fcf->sip_protocols == 0) {
        fcf->sip_protocols = fcf->protocols;
    }

    if (fcf->sip_ciphers.len == 0) {
        fcf->sip_ciphers = fcf->ciphers;
    }
}


/* RFC 3856, RFC 6665, and conformance part 14 */

static void
ngx_xmpp_sip_init_presence(ngx_fed_conf_t *fcf)
{
    ngx_conf_init_msec_value(fcf->subscription_expires, 3600000);
    ngx_conf_init_msec_value(fcf->subscription_min,
                             ngx_min(60000, fcf->subscription_expires));
    ngx_conf_init_msec_value(fcf->subscription_max,
                             ngx_max(86400000, fcf->subscription_expires));
    ngx_conf_init_msec_value(fcf->notify_interval, 5000);
    ngx_conf_init_msec_value(fcf->presence_interval, 1000);
    ngx_conf_init_msec_value(fcf->notify_timeout, 32000);
    ngx_conf_init_msec_value(fcf->poll_wait, 1000);
    ngx_conf_init_msec_value(fcf->presence_idle, 21600000);
    ngx_conf_init_msec_value(fcf->auto_idle, 1800000);
    ngx_conf_init_msec_value(fcf->auto_min, 60000);
    ngx_conf_init_msec_value(fcf->auto_max, 3600000);
    ngx_conf_init_msec_value(fcf->subscribe_interval, 86400000);
    ngx_conf_init_msec_value(fcf->denial_time, 86400000);
    ngx_conf_init_msec_value(fcf->contact_expires, 7776000000);
    ngx_conf_init_msec_value(fcf->resubscribe_delay, 30000);
    ngx_conf_init_msec_value(fcf->resubscribe_max, 3600000);
    ngx_conf_init_uint_value(fcf->refresh_rate, 100);
    ngx_conf_init_uint_value(fcf->pair_dialogs, 8);
    ngx_conf_init_uint_value(fcf->user_watchers, 2000);
    ngx_conf_init_uint_value(fcf->user_contacts, 2000);
    ngx_conf_init_uint_value(fcf->domain_subscriptions, 100000);

    ngx_conf_init_msec_value(fcf->invite_timeout, 60000);
    ngx_conf_init_msec_value(fcf->session_timeout, 900000);
    ngx_conf_init_uint_value(fcf->sessions, 10000);

    if (fcf->ocs_accept_types.data == NULL) {
        ngx_str_set(&fcf->ocs_accept_types, "text/plain");
    }

    ngx_conf_init_uint_value(fcf->ocs_presence, NGX_FED_OCS_PIDF);
    ngx_conf_init_value(fcf->ocs_presence_note, 0);
    ngx_conf_init_uint_value(fcf->ocs_pending, NGX_FED_OCS_OFFLINE);
    ngx_conf_init_uint_value(fcf->ocs_subscribed, NGX_FED_OCS_ACTIVE);

    if (fcf->ocs_presence_accept == 0) {
        fcf->ocs_presence_accept = NGX_CONF_BITMASK_SET|NGX_FED_OCS_PIDF
                          |NGX_FED_OCS_MSRTC;
    }
}


/* They stand in a line of a session description. */

static ngx_int_t
ngx_xmpp_sip_check_types(ngx_str_t *types)
{
    size_t      i, start;
    ngx_uint_t  plain, slash;

    plain = 0;
    slash = 0;
    start = 0;

    for (i = 0; i <= types->len; i++) {

        if (i < types->len && types->data[i] != ' ') {

            if (types->data[i] < ' ' || types->data[i] >= 0x7f) {
                return NGX_ERROR;
            }

            slash += (types->data[i] == '/');
            continue;
        }

        if (slash != 1) {
            return NGX_ERROR;
        }

        plain |= (i - start == sizeof("text/plain") - 1
                  && ngx_memcmp(types->data + start, "text/plain", i - start)
                     == 0);

        start = i + 1;
        slash = 0;
    }

    return plain ? NGX_OK : NGX_ERROR;
}


/* A TLS context for a leg to dial, or, without one, for verifying. */

static ngx_ssl_t *
ngx_xmpp_sip_create_ssl(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_leg_t *leg)
{
    ngx_ssl_t           *ssl;
    ngx_uint_t           sip;
    ngx_pool_cleanup_t  *cln;

    sip = (leg == &ngx_sip_leg);

    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    if (ssl == NULL) {
        return NULL;
    }

    ssl->log = cf->log;

    if (ngx_ssl_create(ssl, sip ? fcf->sip_protocols : fcf->protocols, NULL)
        != NGX_OK)
    {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(ssl);
        return NULL;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    if (ngx_ssl_ciphers(cf, ssl, sip ? &fcf->sip_ciphers : &fcf->ciphers, 0)
        != NGX_OK)
    {
        return NULL;
    }

    if (leg && fcf->certificates
        && ngx_ssl_certificates(cf, ssl, fcf->certificates,
                                fcf->certificate_keys, fcf->passwords)
           != NGX_OK)
    {
        return NULL;
    }

    if (fcf->trusted_certificate.len == 0) {

        /* that of the system */

        if (SSL_CTX_set_default_verify_paths(ssl->ctx) == 0) {
            ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                          "SSL_CTX_set_default_verify_paths() failed");
            return NULL;
        }

        SSL_CTX_set_verify_depth(ssl->ctx, (int) fcf->verify_depth);

    } else if (ngx_ssl_trusted_certificate(cf, ssl, &fcf->trusted_certificate,
                                           fcf->verify_depth)
               != NGX_OK)
    {
        return NULL;
    }

    if (ngx_ssl_crl(cf, ssl, &fcf->crl) != NGX_OK) {
        return NULL;
    }

    if (ngx_ssl_conf_commands(cf, ssl, sip ? fcf->sip_conf_commands
                                           : fcf->conf_commands)
        != NGX_OK)
    {
        return NULL;
    }

    /* the legs judge what a certificate may be used for */

    SSL_CTX_set_purpose(ssl->ctx, X509_PURPOSE_ANY);
    SSL_CTX_set_verify(ssl->ctx, SSL_VERIFY_NONE, NULL);

    return ssl;
}


/* The name by which SIP peers know us: a DNS name of our certificate. */

static char *
ngx_xmpp_sip_init_host(ngx_conf_t *cf, ngx_fed_conf_t *fcf)
{
    X509                 *cert;
    ngx_uint_t            i;
    ngx_array_t          *names;
    ngx_fed_cert_name_t  *name;

    if (fcf->port == 0) {
        fcf->port = 5061;
    }

    if (fcf->host.len) {
        return NGX_CONF_OK;
    }

    fcf->host = cf->cycle->hostname;

    cert = SSL_CTX_get0_certificate(fcf->sip_ssl->ctx);

    if (cert == NULL) {
        return NGX_CONF_OK;
    }

    names = ngx_fed_cert_names(cf->pool, cert);
    if (names == NULL) {
        return NGX_CONF_ERROR;
    }

    name = names->elts;

    for (i = 0; i < names->nelts; i++) {

        if ((name[i].type == NGX_FED_CERT_DNS
             || name[i].type == NGX_FED_CERT_CN)
            && name[i].value.data[0] != '*')
        {
            /* a common name may be anything */

            if (ngx_fed_address_domain(cf->pool, &name[i].value, &fcf->host)
                == NGX_OK)
            {
                return NGX_CONF_OK;
            }

            fcf->host = cf->cycle->hostname;
        }
    }

    return NGX_CONF_OK;
}


/* xmpp_federation name [tls=off]; sip_federation name */

static char *
ngx_xmpp_sip_listen(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_xmpp_sip_srv_conf_t *sscf = conf;

    ngx_str_t                   *value;
    ngx_stream_core_srv_conf_t  *cscf;
#if (nginx_version < 1025005)
    ngx_xmpp_sip_ssl_conf_t     *sslcf;
#endif

    if (sscf->leg) {
        return "is duplicate";
    }

    value = cf->args->elts;

    sscf->leg = cmd->post;
    sscf->name = value[1];
    sscf->file = cf->conf_file->file.name.data;
    sscf->line = cf->conf_file->line;

    if (cf->args->nelts == 3) {

        if (ngx_strcmp(value[2].data, "tls=off") != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[2]);
            return NGX_CONF_ERROR;
        }

        sscf->plain = 1;
    }

    cscf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_core_module);
    cscf->handler = ngx_xmpp_sip_handler;

#if (nginx_version < 1025005)

    /* no "listen ... ssl", but the context is needed for STARTTLS */

    if (sscf->leg == &ngx_xmpp_leg && !sscf->plain) {
        sslcf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_ssl_module);

        sslcf->listen = 1;
        sslcf->file = sscf->file;
        sslcf->line = sscf->line;
    }

#endif

    return NGX_CONF_OK;
}


static char *
ngx_xmpp_sip_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_fed_conf_t *fcf = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (fcf->shm_zone) {
        return "is duplicate";
    }

    value = cf->args->elts;

    size = ngx_parse_size(&value[2]);

    if (size == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone size \"%V\"", &value[2]);
        return NGX_CONF_ERROR;
    }

    if (size < (ssize_t) NGX_XMPP_SIP_ZONE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is too small, it must be 512k at least",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    return ngx_fed_zone_add(cf, fcf, &value[1], size);
}


static char *
ngx_xmpp_sip_state(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_fed_state_add(cf, conf);
}


static char *
ngx_xmpp_sip_domain(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_fed_domain_line(cf, conf, cmd->post);
}


static char *
ngx_xmpp_sip_deny(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_fed_domain_deny(cf, conf);
}


static char *
ngx_xmpp_sip_default(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_fed_domain_default(cf, conf);
}


/* permit value ... : a value that is empty or "0" refuses the event */

static char *
ngx_xmpp_sip_permit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_fed_conf_t *fcf = conf;

    void                                *ctx;
    ngx_str_t                           *value;
    ngx_uint_t                           i;
    ngx_stream_complex_value_t          *cv;
    ngx_stream_compile_complex_value_t   ccv;

    if (fcf->permit == NULL) {
        fcf->permit = ngx_array_create(cf->pool, 2,
                                       sizeof(ngx_stream_complex_value_t));
        if (fcf->permit == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        cv = ngx_array_push(fcf->permit);
        if (cv == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_stream_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &value[i];
        ccv.complex_value = cv;

        /* variables are those of stream {} */

        ctx = cf->ctx;
        cf->ctx = fcf->ctx;

        if (ngx_stream_compile_complex_value(&ccv) != NGX_OK) {
            cf->ctx = ctx;
            return NGX_CONF_ERROR;
        }

        cf->ctx = ctx;
    }

    return NGX_CONF_OK;
}


static char *
ngx_xmpp_sip_host(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_fed_conf_t *fcf = conf;

    u_char     *p;
    ngx_int_t   port;
    ngx_str_t  *value, host;

    if (fcf->host.len) {
        return "is duplicate";
    }

    value = cf->args->elts;
    host = value[1];
    port = 5061;

    p = ngx_strlchr(host.data, host.data + host.len, ':');

    if (p) {
        port = ngx_atoi(p + 1, host.data + host.len - p - 1);
        host.len = p - host.data;
    }

    if (port < 1 || port > 65535
        || ngx_fed_address_domain(cf->pool, &host, &fcf->host) != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid host \"%V\", it must be a name, maybe with "
                           "a port", &value[1]);
        return NGX_CONF_ERROR;
    }

    fcf->port = (in_port_t) port;

    return NGX_CONF_OK;
}


/* a delay that doubles: first [max] */

static char *
ngx_xmpp_sip_backoff(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_int_t    ms;
    ngx_str_t   *value;
    ngx_msec_t  *delay, *max;

    /* delay[0] is the first one, delay[1] the greatest one */

    delay = (ngx_msec_t *) (p + cmd->offset);
    max = cmd->post;

    if (delay[0] != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    ms = ngx_parse_time(&value[1], 0);
    if (ms == NGX_ERROR || ms == 0) {
        return "invalid value";
    }

    delay[0] = ms;
    delay[1] = ngx_max(delay[0], *max);

    if (cf->args->nelts == 3) {

        ms = ngx_parse_time(&value[2], 0);
        if (ms == NGX_ERROR || (ngx_msec_t) ms < delay[0]) {
            return "invalid value";
        }

        delay[1] = ms;
    }

    return NGX_CONF_OK;
}


/* refresh_rate Nr/s */

static char *
ngx_xmpp_sip_rate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_fed_conf_t *fcf = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    if (fcf->refresh_rate != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    n = NGX_ERROR;

    if (value[1].len > 3
        && ngx_strncmp(value[1].data + value[1].len - 3, "r/s", 3) == 0)
    {
        n = ngx_atoi(value[1].data, value[1].len - 3);
    }

    if (n <= 0 || n > 1000000) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid rate \"%V\", it must be as \"100r/s\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    fcf->refresh_rate = n;

    return NGX_CONF_OK;
}


static char *
ngx_xmpp_sip_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_fed_conf_t *fcf = conf;

    ngx_str_t  *value;

    if (fcf->unavailable_status) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "403") == 0) {
        fcf->unavailable_status = 403;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "480") == 0) {
        fcf->unavailable_status = 480;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\", it must be 403 or 480",
                       &value[1]);

    return NGX_CONF_ERROR;
}


/* ocs_verification "name: value" | off: a row for all that we send */

static char *
ngx_xmpp_sip_verification(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_fed_conf_t *fcf = conf;

    u_char      *p, *last, *colon;
    ngx_str_t   *value, *row;
    ngx_uint_t   i;

    /* those that SIP itself needs, and their short names (RFC 3261, 7.3.3) */

    static const char  *own[] = {
        "Via", "v", "From", "f", "To", "t", "Call-ID", "i", "CSeq",
        "Max-Forwards", "Route", "Record-Route", "Contact", "m",
        "Content-Length", "l", "Content-Type", "c", "Content-Encoding", "e",
        "Content-Disposition", "Require", "Proxy-Require", "Event", "o",
        "Subscription-State", "Expires", NULL
    };

    row = &fcf->ocs_verification;

    if (row->data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        ngx_str_set(row, "");
        return NGX_CONF_OK;
    }

    p = value[1].data;
    last = p + value[1].len;
    colon = ngx_strlchr(p, last, ':');

    if (colon == NULL || colon == p) {
        goto invalid;
    }

    for ( /* void */ ; p < colon; p++) {
        if ((*p | 0x20) < 'a' || (*p | 0x20) > 'z') {
            if (*p != '-' && (*p < '0' || *p > '9')) {
                goto invalid;
            }
        }
    }

    for (i = 0; own[i]; i++) {
        if (ngx_strlen(own[i]) == (size_t) (colon - value[1].data)
            && ngx_strncasecmp(value[1].data, (u_char *) own[i],
                               colon - value[1].data)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "header field \"%V\" is one of SIP itself",
                               &value[1]);
            return NGX_CONF_ERROR;
        }
    }

    while (++p < last && *p == ' ') { /* void */ }

    if (p == last) {
        goto invalid;
    }

    for ( /* void */ ; p < last; p++) {
        if (*p < ' ' || *p > '~') {
            goto invalid;
        }
    }

    p = ngx_pnalloc(cf->pool, value[1].len + sizeof(CRLF) - 1);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    row->data = p;
    row->len = ngx_sprintf(p, "%V" CRLF, &value[1]) - p;

    return NGX_CONF_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid header field \"%V\", it must be as "
                       "\"name: value\", or \"off\"", &value[1]);

    return NGX_CONF_ERROR;
}


static char *
ngx_xmpp_sip_password_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_fed_conf_t *fcf = conf;

    ngx_str_t  *value;

    if (fcf->passwords != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    fcf->passwords = ngx_ssl_read_password_file(cf, &value[1]);

    if (fcf->passwords == NULL) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_xmpp_sip_init_module(ngx_cycle_t *cycle)
{
    ngx_fed_main_conf_t  *smcf;

    smcf = ngx_stream_cycle_get_module_main_conf(cycle, ngx_xmpp_sip_module);

    if (smcf == NULL || smcf->federations.nelts == 0 || ngx_test_config) {
        return NGX_OK;
    }

    if (ngx_fed_upgrade_init_module(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_fed_zone_init_module(cycle);
}


static ngx_int_t
ngx_xmpp_sip_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t              i;
    ngx_fed_conf_t        **fcf;
    ngx_fed_main_conf_t    *smcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    smcf = ngx_stream_cycle_get_module_main_conf(cycle, ngx_xmpp_sip_module);

    if (smcf == NULL || smcf->federations.nelts == 0) {
        return NGX_OK;
    }

    fcf = smcf->federations.elts;

    for (i = 0; i < smcf->federations.nelts; i++) {

        fcf[i]->cycle = cycle;
        fcf[i]->log = cycle->log;

        ngx_fed_link_init_process(fcf[i]);
        ngx_fed_preauth_init(&fcf[i]->xmpp_preauth);
        ngx_fed_preauth_init(&fcf[i]->sip_preauth);

        if (fcf[i]->preauth_connections == 0) {
            fcf[i]->preauth_connections = ngx_max(cycle->connection_n / 4, 1);
        }

        if (ngx_fed_zone_init_process(fcf[i], cycle) != NGX_OK
            || ngx_fed_upgrade_init_process(fcf[i], cycle) != NGX_OK
            || ngx_fed_quiet_init_process(fcf[i]) != NGX_OK
            || ngx_fed_auto_init_process(fcf[i]) != NGX_OK
            || fcf[i]->xmpp->init_process(fcf[i]) != NGX_OK
            || fcf[i]->sip->init_process(fcf[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ngx_xmpp_sip_hold(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_fed_zone_listen(&smcf->federations, cycle);
}


/* Listening sockets of federations that are not served here as yet. */

static ngx_int_t
ngx_xmpp_sip_hold(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i;
    ngx_listening_t             *ls;
    ngx_stream_port_t           *port;
    ngx_stream_in_addr_t        *addr;
    ngx_stream_conf_ctx_t       *ctx;
    ngx_stream_addr_conf_t      *conf;
    ngx_xmpp_sip_srv_conf_t     *sscf;
#if (NGX_HAVE_INET6)
    ngx_stream_in6_addr_t       *addr6;
#endif

    ls = cycle->listening.elts;

    for (i = 0; i < cycle->listening.nelts; i++) {

        if (ls[i].handler != ngx_stream_init_connection
            || ls[i].connection == NULL || ls[i].type != SOCK_STREAM)
        {
            continue;
        }

#if (NGX_HAVE_REUSEPORT)
        if (ls[i].reuseport && ls[i].worker != ngx_worker) {
            continue;
        }
#endif

        port = ls[i].servers;

#if (NGX_HAVE_INET6)
        if (ls[i].sockaddr->sa_family == AF_INET6) {
            addr6 = port->addrs;
            conf = &addr6[0].conf;

        } else
#endif
        {
            addr = port->addrs;
            conf = &addr[0].conf;
        }

#if (nginx_version >= 1025005)
        ctx = conf->default_server->ctx;
#else
        ctx = conf->ctx;
#endif

        sscf = ctx->srv_conf[ngx_xmpp_sip_module.ctx_index];

        if (sscf->leg
            && ngx_fed_upgrade_hold(sscf->fcf, ls[i].connection) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_xmpp_sip_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t              i;
    ngx_fed_conf_t        **fcf;
    ngx_fed_main_conf_t    *smcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return;
    }

    smcf = ngx_stream_cycle_get_module_main_conf(cycle, ngx_xmpp_sip_module);

    if (smcf == NULL) {
        return;
    }

    fcf = smcf->federations.elts;

    for (i = 0; i < smcf->federations.nelts; i++) {
        ngx_fed_auto_exit_process(fcf[i]);
        fcf[i]->xmpp->exit_process(fcf[i]);
        fcf[i]->sip->exit_process(fcf[i]);
        ngx_fed_quiet_exit_process(fcf[i]);

        if (ngx_fed_zone_exit_process(fcf[i])) {
            ngx_fed_state_exit(fcf[i]);
        }
    }
}
