
/*
 * A federation as configured, and what a worker holds for it.
 */


#ifndef _NGX_FED_CONF_H_INCLUDED_
#define _NGX_FED_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_fed_event.h"
#include "ngx_fed_domain.h"
#include "ngx_fed_quiet.h"
#include "ngx_fed_zone.h"


#define NGX_FED_CONFIRM_PING      0
#define NGX_FED_CONFIRM_WRITE     1

#define NGX_FED_CHATSTATES_OFF    0
#define NGX_FED_CHATSTATES_ON     1
#define NGX_FED_CHATSTATES_AUTO   2      /* to who has them, too */

#define NGX_FED_OCS_ROUTE_OFF       0
#define NGX_FED_OCS_ROUTE_REQUESTS  1
#define NGX_FED_OCS_ROUTE_ON        2

#define NGX_FED_OCS_CONTACT_HOST    0
#define NGX_FED_OCS_CONTACT_USER    1

/* of the dialect "ocs" */

#define NGX_FED_OCS_PIDF          0x0002    /* after NGX_CONF_BITMASK_SET */
#define NGX_FED_OCS_MSRTC         0x0004

#define NGX_FED_OCS_OFFLINE       0
#define NGX_FED_OCS_PENDING       1

#define NGX_FED_OCS_ACTIVE        0
#define NGX_FED_OCS_OPEN          1


/* accepted connections of a leg that prove nothing as yet */

typedef struct {
    ngx_queue_t                   queue;     /* the oldest first */
    ngx_uint_t                    n;
} ngx_fed_preauth_t;


struct ngx_fed_conf_s {
    ngx_str_t                     name;
    u_char                       *file;
    ngx_uint_t                    line;

    ngx_stream_conf_ctx_t        *ctx;       /* of stream {} */

    ngx_shm_zone_t               *shm_zone;
    ngx_str_t                     zone_name;
    ngx_fed_upgrade_t            *upgrade;
    ngx_str_t                     dialback_secret;  /* empty: a random one */

    ngx_path_t                   *state;     /* a directory; or NULL */
    ngx_msec_t                    state_interval;
    uint64_t                      state_saved;      /* changes, by then */
    ngx_uint_t                    state_number;     /* the same */
    ngx_msec_t                    state_failed;     /* was logged; or 0 */
    ngx_file_uniq_t               state_uniq;       /* of what was written */

    /* domains */

    ngx_array_t                   domains;   /* ngx_fed_domain_t * */
    ngx_array_t                   denied;    /* ngx_fed_domain_t * */
    ngx_hash_combined_t           domains_hash;
    ngx_hash_combined_t           denied_hash;
    ngx_fed_domain_t             *any;       /* default; leg NULL: deny */
    ngx_fed_domain_t             *any_sip;   /* ... if SIP asks: the same, or
                                                that of "default auto" */
    ngx_fed_domain_t              none;      /* leg NULL: what deny finds */
    ngx_array_t                  *permit;    /* ngx_stream_complex_value_t */

    /* default auto */

    ngx_stream_complex_value_t   *prefer;    /* NULL: SIP */
    ngx_msec_t                    auto_idle;
    ngx_msec_t                    auto_min;  /* of the time that an answer of */
    ngx_msec_t                    auto_max;  /* DNS is used for */
    ngx_uint_t                    dialects;  /* bits, of those in use */

    ngx_str_t                     host;      /* ours, in Via and Contact */
    in_port_t                     port;

    ngx_fed_leg_t                *xmpp;
    ngx_fed_leg_t                *sip;

    /* TLS when dialling; one context for each leg, as their peers differ */

    ngx_ssl_t                    *xmpp_ssl;
    ngx_ssl_t                    *sip_ssl;
    ngx_ssl_t                    *verify_ssl;  /* holds the trusted store */
    ngx_array_t                  *certificates;
    ngx_array_t                  *certificate_keys;
    ngx_array_t                  *passwords;
    ngx_array_t                  *conf_commands;
    ngx_str_t                     trusted_certificate;
    ngx_str_t                     crl;
    ngx_str_t                     ciphers;
    ngx_uint_t                    protocols;
    ngx_uint_t                    verify_depth;

    ngx_array_t                  *sip_conf_commands;   /* of the SIP leg */
    ngx_str_t                     sip_ciphers;
    ngx_uint_t                    sip_protocols;

    /* limits and time-outs, conformance part 14 */

    ngx_uint_t                    confirm;
    ngx_flag_t                    log_bodies;
    ngx_msec_t                    log_interval;        /* 0: each line */
    ngx_flag_t                    private_addresses;
    ngx_flag_t                    mask_recipients;     /* ERR-24 */
    ngx_flag_t                    message_6xx;   /* ERR-13; unset: as dialect */
    ngx_flag_t                    mirror_chat;         /* IM-35 */
    ngx_flag_t                    stream_management;   /* XEP-0198 */
    ngx_flag_t                    stream_bidi;         /* XEP-0288 */
    ngx_uint_t                    chatstates;    /* unset: as the dialect */
    ngx_uint_t                    chatstates_idle;     /* the same */
    ngx_msec_t                    chatstates_interval;
    ngx_flag_t                    receipts;
    ngx_uint_t                    message_status;      /* 202 or 200, IM-36 */
    ngx_uint_t                    unavailable_status;  /* 403 or 480, ERR-14;
                                                          0: as the dialect */

    ngx_msec_t                    connect_timeout;
    ngx_msec_t                    handshake_timeout;   /* until authenticated */
    ngx_msec_t                    dialback_timeout;
    ngx_msec_t                    transaction_timeout; /* Timer F */
    ngx_msec_t                    trying_timeout;      /* RFC 4320, 4.1 */
    ngx_msec_t                    confirm_timeout;
    ngx_msec_t                    close_timeout;
    ngx_msec_t                    xmpp_keepalive;
    ngx_msec_t                    sip_keepalive;
    ngx_msec_t                    xmpp_idle_timeout;
    ngx_msec_t                    stream_resume;       /* 0: never */
    ngx_msec_t                    sip_idle_timeout;
    ngx_msec_t                    sip_read_timeout;    /* of a part of one */
    ngx_msec_t                    reconnect_delay;     /* doubles */
    ngx_msec_t                    reconnect_max;

    size_t                        stanza_size;
    size_t                        preauth_size;
    ngx_uint_t                    preauth_connections; /* 0: by default */
    ngx_uint_t                    xml_depth;
    ngx_uint_t                    xml_attributes;
    size_t                        sip_header_size;
    size_t                        sip_body_size;
    ngx_uint_t                    sasl_attempts;
    ngx_uint_t                    stream_domains;      /* pairs on a stream */
    ngx_uint_t                    domain_queue;        /* waiting for a link */
    ngx_uint_t                    pair_queue;          /* behind one MESSAGE */
    ngx_uint_t                    link_events;         /* open, of one link */
    size_t                        output_size;         /* high water mark */

    /* of dialect=ocs */

    ngx_str_t                     ocs_verification;    /* a row, or empty */
    ngx_uint_t                    ocs_record_route;
    ngx_uint_t                    ocs_contact;
    ngx_uint_t                    ocs_negotiate;       /* 405 or 200 */
    ngx_flag_t                    ocs_diagnostics;

    /* presence */

    ngx_msec_t                    subscription_expires;
    ngx_msec_t                    subscription_min;
    ngx_msec_t                    subscription_max;
    ngx_msec_t                    notify_interval;     /* RFC 3856, 6.10 */
    ngx_msec_t                    presence_interval;   /* the other way */
    ngx_msec_t                    notify_timeout;      /* Timer N */
    ngx_msec_t                    poll_wait;
    ngx_msec_t                    presence_idle;
    ngx_msec_t                    subscribe_interval;  /* to XMPP users */
    ngx_msec_t                    denial_time;
    ngx_msec_t                    contact_expires;     /* 0: never */
    ngx_msec_t                    resubscribe_delay;   /* doubles */
    ngx_msec_t                    resubscribe_max;
    ngx_uint_t                    refresh_rate;        /* a second */
    ngx_uint_t                    pair_dialogs;
    ngx_uint_t                    user_watchers;
    ngx_uint_t                    user_contacts;
    ngx_uint_t                    domain_subscriptions;

    /* IM sessions */

    ngx_msec_t                    invite_timeout;
    ngx_msec_t                    session_timeout;
    ngx_uint_t                    sessions;            /* in the zone */
    ngx_str_t                     ocs_accept_types;

    ngx_uint_t                    ocs_presence;        /* documents sent, */
    ngx_flag_t                    ocs_presence_note;
    ngx_uint_t                    ocs_presence_accept; /* and asked for */
    ngx_uint_t                    ocs_pending;
    ngx_uint_t                    ocs_subscribed;

    /* a worker's own, from init_process */

    ngx_cycle_t                  *cycle;
    ngx_log_t                    *log;
    ngx_resolver_t               *resolver;
    ngx_msec_t                    resolver_timeout;
    void                         *xmpp_data;
    void                         *sip_data;
    void                         *zone_data;
    void                         *auto_data;
    ngx_queue_t                   turns;     /* of links that wait for one */
    ngx_event_t                   turn;
    ngx_fed_quiet_t              *quiet;
    ngx_fed_preauth_t             xmpp_preauth;
    ngx_fed_preauth_t             sip_preauth;
};


typedef struct {
    ngx_array_t                   federations;   /* ngx_fed_conf_t * */
} ngx_fed_main_conf_t;


extern ngx_module_t  ngx_xmpp_sip_module;


#endif /* _NGX_FED_CONF_H_INCLUDED_ */
