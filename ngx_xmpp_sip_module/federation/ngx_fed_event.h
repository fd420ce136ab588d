
/*
 * An event: one thing that a user of one side sends to a user of the other,
 * and what became of it.
 */


#ifndef _NGX_FED_EVENT_H_INCLUDED_
#define _NGX_FED_EVENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_stream.h>
#include "ngx_fed_address.h"
#include "ngx_fed_error.h"
#include "ngx_fed_hash.h"
#include "ngx_fed_presence.h"


typedef struct ngx_fed_conf_s    ngx_fed_conf_t;
typedef struct ngx_fed_domain_s  ngx_fed_domain_t;
typedef struct ngx_fed_event_s   ngx_fed_event_t;
typedef struct ngx_fed_leg_s     ngx_fed_leg_t;
typedef struct ngx_fed_link_s    ngx_fed_link_t;
typedef struct ngx_fed_answer_s  ngx_fed_answer_t;
typedef struct ngx_fed_pair_s    ngx_fed_pair_t;
typedef struct ngx_fed_upgrade_s ngx_fed_upgrade_t;


typedef enum {
    NGX_FED_MESSAGE = 0,
    NGX_FED_SUBSCRIPTION,
    NGX_FED_PRESENCE,
    NGX_FED_COMPOSING,
    NGX_FED_RECEIPT,
    NGX_FED_SESSION,           /* of messages; it is only admitted */
    NGX_FED_KINDS
} ngx_fed_kind_e;


typedef enum {
    NGX_FED_NORMAL = 0,
    NGX_FED_CHAT,
    NGX_FED_HEADLINE
} ngx_fed_message_type_e;


/* what a user is about to say, in the terms of XEP-0085, 2 */

typedef enum {
    NGX_FED_CHAT_NONE = 0,
    NGX_FED_CHAT_ACTIVE,
    NGX_FED_CHAT_COMPOSING,
    NGX_FED_CHAT_PAUSED,
    NGX_FED_CHAT_INACTIVE,
    NGX_FED_CHAT_GONE
} ngx_fed_chat_state_e;


/* what became of a message, in the terms of XEP-0184, XEP-0333, RFC 5438 */

typedef enum {
    NGX_FED_NO_RECEIPT = 0,
    NGX_FED_DELIVERED,
    NGX_FED_DISPLAYED,
    NGX_FED_FAILED,
    NGX_FED_FAILED_UNKNOWN
} ngx_fed_receipt_e;


/* what a subscription or a presence is, in the terms of RFC 6121, 4.7.1 */

typedef enum {
    NGX_FED_AVAILABLE = 0,
    NGX_FED_UNAVAILABLE,
    NGX_FED_SUBSCRIBE,
    NGX_FED_SUBSCRIBED,
    NGX_FED_UNSUBSCRIBE,
    NGX_FED_UNSUBSCRIBED,
    NGX_FED_PROBE
} ngx_fed_presence_type_e;


typedef enum {
    NGX_FED_PROTOCOL_SIP = 0,
    NGX_FED_PROTOCOL_XMPP,
    NGX_FED_PROTOCOLS
} ngx_fed_protocol_e;


/* what DNS says of a protocol that a domain may speak */

typedef enum {
    NGX_FED_OFFERS_UNKNOWN = 0,
    NGX_FED_OFFERS_IT,
    NGX_FED_OFFERS_NOT,        /* there is no record */
    NGX_FED_OFFERS_NEVER       /* the record has the target "." */
} ngx_fed_offers_e;


typedef struct {
    ngx_msec_t                    until;
    uint8_t                       offers[8]; /* by ngx_fed_protocol_e */
} ngx_fed_speaks_t;


typedef void (*ngx_fed_resume_pt)(ngx_fed_event_t *ev);


struct ngx_fed_event_s {
    uint32_t                      signature; /* "EVNT" */

    ngx_queue_t                   queue;     /* the link's open events */
    ngx_queue_t                   wait;      /* for the target leg's use; or
                                                it waits for DNS */

    ngx_pool_t                   *pool;
    ngx_fed_conf_t               *conf;
    ngx_fed_link_t               *link;      /* it came on; NULL if gone */
    ngx_fed_leg_t                *source;
    ngx_fed_leg_t                *target;
    void                         *source_data;   /* e.g. server transaction */
    void                         *target_data;   /* e.g. client transaction */

    ngx_fed_kind_e                kind;
    ngx_fed_message_type_e        type;
    ngx_fed_presence_type_e       presence;
    ngx_fed_chat_state_e          chat_state;    /* of NGX_FED_COMPOSING */
    ngx_uint_t                    refresh;       /* seconds that composing
                                                    lasts; 0: not known */
    ngx_fed_receipt_e             receipt;       /* of NGX_FED_RECEIPT */

    /* kept until the outcome: in the event's pool */

    ngx_fed_address_t             from;
    ngx_fed_address_t             to;
    ngx_fed_domain_t             *from_domain;
    ngx_fed_domain_t             *to_domain;
    ngx_str_t                     id;        /* stanza id, or Call-ID; of a
                                                receipt that of the message */
    uint64_t                      seq;       /* the id that it has over there;
                                                0: none was drawn yet */

    /*
     * may lie in the source's read buffer, valid until send() of the target
     * leg returns: UTF-8, lines end in LF
     */

    ngx_str_t                     body;
    ngx_str_t                     subject;
    ngx_str_t                     thread;    /* text that both sides can carry,
                                                or empty */
    ngx_str_t                     lang;
    ngx_str_t                     stamp;     /* of XEP-0203, or empty */
    ngx_fed_resource_t           *resource;  /* of NGX_FED_AVAILABLE and
                                                NGX_FED_UNAVAILABLE */

    ngx_fed_resume_pt             resume;    /* after DNS was asked, ... */
    ngx_fed_speaks_t              speaks;    /* of the recipient's domain */

    ngx_msec_t                    start;     /* ngx_current_msec */
    ngx_uint_t                    status;    /* SIP, once there is an outcome */
    ngx_fed_outcome_t             outcome;

    ngx_stream_session_t         *session;   /* for variables and logs */

    ngx_str_t                     logged_body;  /* with log_bodies only */

    unsigned                      submitted:1;
    unsigned                      admitted:1;
    unsigned                      chosen:1;  /* "default auto" let it pass */
    unsigned                      looked_up:1;   /* speaks is set */
    unsigned                      told:1;    /* the sender knows already */
    unsigned                      ok:1;      /* success is 200, not 202 */
    unsigned                      confirm:1; /* he asks whether a message is
                                                delivered */
    unsigned                      markable:1;    /* ... and displayed */
    unsigned                      report:1;  /* ... or, late, that it is not */
};


/*
 * A leg.  send() carries an event to the far side, at once or later, and
 * brings about exactly one ngx_fed_event_outcome() for it, within the call or
 * after it; the strings that lie in the source's buffer are gone when it
 * returns.  done() tells the source what became of its event.  answer() takes
 * an answer that arrived at another worker.
 *
 * Of the rest XMPP has presence(), which sends a stanza of a type, for
 * NGX_FED_AVAILABLE and NGX_FED_UNAVAILABLE with what a resource says or, with
 * NULL, of the bare JID, and refused(), which sends one of type error.  With an
 * id it is an answer.  SIP has changed(): what a SIP user sees of an XMPP user
 * has changed, or, with a reason, he sees it no longer; subscribe(): an XMPP
 * user watches a SIP user, and there is no dialog; due(): a time that was set
 * for a dialog has come; idle(): sessions that nobody used may end; ordered():
 * what follows an event, which it has, may come to another process.
 */

struct ngx_fed_leg_s {
    ngx_str_t                     name;      /* "xmpp", "sip" */

    ngx_int_t                   (*init_process)(ngx_fed_conf_t *fcf);
    void                        (*exit_process)(ngx_fed_conf_t *fcf);

    void                        (*send)(ngx_fed_event_t *ev);
    void                        (*done)(ngx_fed_event_t *ev);
    void                        (*answer)(ngx_fed_conf_t *fcf,
                                          ngx_fed_answer_t *answer);

    void                        (*presence)(ngx_fed_conf_t *fcf,
                                          ngx_fed_presence_type_e type,
                                          ngx_fed_address_t *from,
                                          ngx_fed_address_t *to,
                                          ngx_fed_resource_t *resource,
                                          ngx_str_t *id);
    void                        (*refused)(ngx_fed_conf_t *fcf,
                                          ngx_fed_address_t *from,
                                          ngx_fed_address_t *to,
                                          ngx_fed_outcome_t *outcome);
    void                        (*changed)(ngx_fed_conf_t *fcf,
                                          ngx_fed_pair_t *pair,
                                          ngx_uint_t reason);
    void                        (*subscribe)(ngx_fed_conf_t *fcf,
                                          ngx_fed_pair_t *pair);
    void                        (*due)(ngx_fed_conf_t *fcf,
                                          ngx_fed_key_t *id, uint64_t tag);
    void                        (*idle)(ngx_fed_conf_t *fcf);
    void                        (*ordered)(ngx_fed_event_t *ev);
};


ngx_fed_event_t *ngx_fed_event_create(ngx_fed_link_t *link,
    ngx_fed_leg_t *source, ngx_fed_kind_e kind);
ngx_fed_event_t *ngx_fed_event_create_own(ngx_fed_conf_t *fcf,
    ngx_fed_leg_t *source, ngx_fed_kind_e kind);
ngx_fed_outcome_e ngx_fed_event_admit(ngx_fed_event_t *ev, const char **text);
ngx_fed_outcome_e ngx_fed_event_route(ngx_fed_event_t *ev,
    const char **text);
void ngx_fed_event_submit(ngx_fed_event_t *ev);
void ngx_fed_event_outcome(ngx_fed_event_t *ev, ngx_fed_outcome_t *outcome);
void ngx_fed_event_accept(ngx_fed_event_t *ev);
void ngx_fed_event_fail(ngx_fed_event_t *ev, ngx_fed_outcome_e result,
    const char *text);
void ngx_fed_event_drop(ngx_fed_event_t *ev);
void ngx_fed_event_ending(ngx_fed_link_t *link);
void ngx_fed_event_orphan(ngx_fed_link_t *link);

ngx_int_t ngx_fed_event_value(ngx_fed_event_t *ev,
    ngx_stream_complex_value_t *cv, ngx_str_t *value);
ngx_fed_event_t *ngx_fed_event_of_session(ngx_stream_session_t *s);

ngx_int_t ngx_fed_variables_add(ngx_conf_t *cf);


#endif /* _NGX_FED_EVENT_H_INCLUDED_ */
