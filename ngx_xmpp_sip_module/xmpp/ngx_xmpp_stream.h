
/*
 * Streams and what hangs off them, as the files of the XMPP leg see them.
 */


#ifndef _NGX_XMPP_STREAM_H_INCLUDED_
#define _NGX_XMPP_STREAM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_fed.h"
#include "ngx_xmpp.h"
#include "ngx_xmpp_xml.h"


#define NGX_XMPP_KEY_LEN         64      /* hex text, XEP-0185 */
#define NGX_XMPP_KEY_MAX         256
#define NGX_XMPP_ID_LEN          32      /* of a stream, hex text */
#define NGX_XMPP_PINGS           8       /* in flight for a pair */
#define NGX_XMPP_LATE            1024    /* messages remembered */
#define NGX_XMPP_LATE_TEXT       112
#define NGX_XMPP_LOG_TEXT        256     /* octets of a peer's, in a log */

#define NGX_XMPP_CHATSTATES      "http://jabber.org/protocol/chatstates"
#define NGX_XMPP_RECEIPTS        "urn:xmpp:receipts"
#define NGX_XMPP_MARKERS         "urn:xmpp:chat-markers:0"


typedef struct ngx_xmpp_s         ngx_xmpp_t;
typedef struct ngx_xmpp_stream_s  ngx_xmpp_stream_t;
typedef struct ngx_xmpp_pair_s    ngx_xmpp_pair_t;
typedef struct ngx_xmpp_remote_s  ngx_xmpp_remote_t;
typedef struct ngx_xmpp_route_s   ngx_xmpp_route_t;
typedef struct ngx_xmpp_batch_s   ngx_xmpp_batch_t;
typedef struct ngx_xmpp_item_s    ngx_xmpp_item_t;
typedef struct ngx_xmpp_sm_s      ngx_xmpp_sm_t;


/* a message that was taken by the peer, for what bounces late */

typedef struct {
    uint64_t                      seq;
    u_char                        from_len;
    u_char                        to_len;
    u_char                        text[NGX_XMPP_LATE_TEXT];
} ngx_xmpp_late_t;


/* what a worker holds for the XMPP leg of a federation */

struct ngx_xmpp_s {
    ngx_fed_conf_t               *conf;
    ngx_log_t                    *log;

    ngx_queue_t                   streams;
    ngx_rbtree_t                  remotes;   /* ngx_xmpp_remote_t */
    ngx_rbtree_node_t             remotes_sentinel;
    ngx_rbtree_t                  pending;   /* ngx_xmpp_item_t */
    ngx_rbtree_node_t             pending_sentinel;
    ngx_uint_t                    npending;
    ngx_uint_t                    nverify;   /* streams of NGX_XMPP_VERIFY */
    ngx_queue_t                   sms;       /* ngx_xmpp_sm_t */
    ngx_uint_t                    nsuspended;

    ngx_fed_timers_t              confirm;   /* of items */
    ngx_fed_timers_t              own;       /* of those without an event */
    ngx_fed_timers_t              dialback;  /* of routes */

    ngx_str_t                     hosted;    /* the only domain, or empty */

    ngx_xmpp_late_t              *late;

    u_char                        random[256];
    ngx_uint_t                    nrandom;   /* octets left */
};


/*
 * Stream management (XEP-0198) of a stream, which outlives its link.  Counts
 * are modulo 2^32.
 */

#define NGX_XMPP_SM_ID_LEN       32
#define NGX_XMPP_SM_PREVID_LEN   256
#define NGX_XMPP_SM_PREVID_SIZE  (6 * NGX_XMPP_SM_PREVID_LEN)
#define NGX_XMPP_SM_AGAIN        ((uint64_t) -1)

struct ngx_xmpp_sm_s {
    ngx_queue_t                   queue;     /* all of the worker */
    ngx_xmpp_t                   *xmpp;
    ngx_xmpp_stream_t            *stream;    /* NULL: it broke */
    ngx_str_t                     remote;
    ngx_str_t                     local;
    ngx_event_t                   timer;     /* to be taken up until then */

    /* what was received */

    ngx_queue_t                   open;      /* ngx_xmpp_sm_item_t */
    uint32_t                      received;
    uint32_t                      asked;     /* received, at the last <r/> */
    u_char                        id[NGX_XMPP_SM_ID_LEN];

    /* what was sent */

    ngx_queue_t                   copies;    /* not acknowledged */
    size_t                        size;      /* octets of them */
    uint32_t                      sent;
    uint32_t                      acked;
    ngx_event_t                   request;

    /* outbound */

    ngx_xmpp_route_t             *route;     /* the only one */
    ngx_uint_t                    generation;    /* its, when it broke */
    ngx_msec_t                    time;
    ngx_str_t                     previd;    /* as it stands in XML */
    u_char                        previd_buf[NGX_XMPP_SM_PREVID_SIZE];

    unsigned                      outbound:1;
    unsigned                      enabled:1;     /* by the peer */
    unsigned                      resumable:1;
    unsigned                      suspended:1;
    unsigned                      counted:1; /* its pair, in the zone */
    unsigned                      resume_sent:1;
    unsigned                      ask:1;     /* an answer is still owed */
    unsigned                      requested:1;   /* ... to us */
    unsigned                      dirty:1;   /* sent since the last <r/> */
    unsigned                      overflow:1;    /* copies were given up */
};


/* a stanza that has no outcome yet */

typedef struct {
    ngx_queue_t                   queue;
    ngx_xmpp_sm_t                *sm;        /* NULL: nobody asks */
    uint32_t                      n;
} ngx_xmpp_sm_item_t;


/* a pair of domains that stanzas are received for: their from and to */

struct ngx_xmpp_pair_s {
    ngx_queue_t                   queue;
    ngx_queue_t                   member;    /* of the peer's pairs */
    ngx_xmpp_remote_t            *peer;      /* NULL: the stream is one-way */
    ngx_str_t                     remote;
    ngx_str_t                     local;
    ngx_xmpp_stream_t            *stream;
    ngx_xmpp_stream_t            *verify;    /* which asks for it, or NULL */

    unsigned                      proven:1;
};


typedef enum {
    NGX_XMPP_INBOUND = 0,
    NGX_XMPP_OUTBOUND,
    NGX_XMPP_VERIFY            /* outbound, for one db:verify */
} ngx_xmpp_role_e;


typedef enum {
    NGX_XMPP_HEADER = 0,       /* the peer's is awaited */
    NGX_XMPP_FEATURES,
    NGX_XMPP_PROCEED,
    NGX_XMPP_TLS,
    NGX_XMPP_SUCCESS,          /* of SASL */
    NGX_XMPP_RESULT,           /* of dialback */
    NGX_XMPP_OPEN              /* inbound: after the header */
} ngx_xmpp_state_e;


struct ngx_xmpp_stream_s {
    ngx_queue_t                   queue;     /* all of the worker */
    ngx_xmpp_t                   *xmpp;
    ngx_fed_conf_t               *conf;
    ngx_fed_link_t               *link;      /* NULL: none at the moment */
    ngx_pool_t                   *pool;
    ngx_log_t                    *log;

    ngx_xmpp_role_e               role;
    ngx_xmpp_state_e              state;
    ngx_xmpp_xml_t                xml;

    ngx_str_t                     local;     /* domains of the header, in */
    ngx_str_t                     remote;    /* A-labels; empty: unknown */
    ngx_fed_domain_t             *domain;    /* of remote, or NULL */
    ngx_str_t                     id;        /* of the receiver's header */
    ngx_str_t                     lang;      /* of the peer's header */
    ngx_uint_t                    version;   /* major, of the peer's header */
    ngx_uint_t                    tries;     /* of SASL */
    ngx_msec_t                    last;      /* when a stanza passed */
    ngx_msec_t                    up;        /* since when; outbound */
    time_t                        expires;   /* the peer's certificate; or 0 */
    ngx_xmpp_sm_t                *sm;        /* or NULL */

    /* what is received */

    ngx_queue_t                   pairs;
    ngx_uint_t                    npairs;
    ngx_uint_t                    nproven;
    ngx_msec_t                    quit_time;

    /* what is sent */

    ngx_queue_t                   routes;

    /* inbound */

    ngx_ssl_t                    *ssl;       /* for STARTTLS, or NULL */
    size_t                        received;  /* before anything was proven */

    /* outbound */

    ngx_queue_t                   member;    /* of the remote's streams */
    ngx_xmpp_remote_t            *peer;
    ngx_xmpp_route_t             *primary;   /* that of the header */
    ngx_fed_dial_t               *dial;
    ngx_fed_outcome_e             result;    /* of what failed */
    const char                   *reason;
    size_t                        max_bytes; /* a stanza, for the peer; or 0 */
    ngx_event_t                   next;      /* what comes after the link */

    /* verification */

    ngx_xmpp_pair_t              *pair;      /* NULL: gone */
    ngx_str_t                     verify_id;
    ngx_str_t                     key;

    unsigned                      header_sent:1;
    unsigned                      error_sent:1;
    unsigned                      close_sent:1;
    unsigned                      close_received:1;
    unsigned                      sasl_done:1;
    unsigned                      sasl_failed:1;
    unsigned                      trusted:1;    /* certificate proves remote */
    unsigned                      dialback:1;   /* the peer offers it */
    unsigned                      direct:1;     /* TLS without STARTTLS */
    unsigned                      bidi:1;       /* XEP-0288 */
    unsigned                      ready:1;      /* something may be sent */
    unsigned                      final:1;      /* no other address is tried */
    unsigned                      starttls:1;   /* once the parser returns */
    unsigned                      restart:1;    /* ditto */
    unsigned                      gone:1;       /* the link closed meanwhile */
    unsigned                      quit:1;
    unsigned                      oneway:1;     /* was logged */
    unsigned                      sm_offered:1;
    unsigned                      resuming:1;   /* XEP-0198 */
};


/* a message of an event, a stanza of ours that waits, or a ping */

struct ngx_xmpp_item_s {
    ngx_rbtree_node_t             node;      /* by seq */
    ngx_queue_t                   queue;
    ngx_fed_timer_t               timer;
    uint64_t                      seq;
    ngx_xmpp_route_t             *route;
    ngx_fed_event_t              *ev;        /* of a message */
    ngx_str_t                     stanza;    /* while it waits */

    unsigned                      ping:1;
    unsigned                      waiting:1;
    unsigned                      pending:1; /* is in the tree */
    unsigned                      again:1;   /* was lost once */
};


/* the messages of a pair between two pings, confirmed by the second */

struct ngx_xmpp_batch_s {
    ngx_xmpp_item_t               ping;
    ngx_queue_t                   messages;
    ngx_fed_streams_t             streams;   /* the peer's, when it began */
    ngx_uint_t                    generation;

    unsigned                      sent:1;    /* the ping */
    unsigned                      done:1;
};


/* from a local domain to a remote one */

struct ngx_xmpp_route_s {
    ngx_queue_t                   queue;     /* of the remote */
    ngx_queue_t                   member;    /* of the stream */
    ngx_pool_t                   *pool;
    ngx_xmpp_remote_t            *remote;
    ngx_xmpp_stream_t            *stream;    /* which carries it, or will */
    ngx_str_t                     local;
    ngx_str_t                     text;      /* local, as it stands in XML */
    ngx_queue_t                   waiting;   /* ngx_xmpp_item_t */
    ngx_fed_timer_t               timer;     /* of dialback */

    ngx_xmpp_batch_t              batches[NGX_XMPP_PINGS + 1];
    ngx_uint_t                    first;     /* in flight */
    ngx_uint_t                    nbatches;  /* in flight */
    ngx_uint_t                    generation;    /* of the stream */
    ngx_event_t                   barrier;

    unsigned                      ready:1;
    unsigned                      result:1;  /* of dialback is awaited */
    unsigned                      used:1;    /* lately */
};


/* a remote domain */

struct ngx_xmpp_remote_s {
    ngx_str_node_t                sn;
    ngx_pool_t                   *pool;
    ngx_xmpp_t                   *xmpp;
    ngx_str_t                     text;      /* the domain, as in XML */
    ngx_fed_domain_t             *domain;
    ngx_queue_t                   streams;   /* outbound */
    ngx_queue_t                   pairs;     /* of inbound streams, for what
                                                goes back */
    ngx_queue_t                   routes;
    ngx_uint_t                    nroutes;
    ngx_uint_t                    nwaiting;
    ngx_xmpp_sm_t                *sm;        /* of a stream that broke */

    ngx_event_t                   timer;
    ngx_msec_t                    delay;     /* before the next attempt */
    ngx_fed_outcome_e             result;    /* of the last one */

    unsigned                      backoff:1; /* the timer ends it */
};


/* ngx_xmpp_stream.c */

ngx_xmpp_stream_t *ngx_xmpp_stream_create(ngx_xmpp_t *xmpp, ngx_pool_t *pool,
    ngx_xmpp_role_e role, const ngx_xmpp_xml_ops_t *ops);
void ngx_xmpp_stream_free(ngx_xmpp_stream_t *stream);
ngx_int_t ngx_xmpp_stream_restart(ngx_xmpp_stream_t *stream);
void ngx_xmpp_stream_input(ngx_fed_link_t *link);
ngx_int_t ngx_xmpp_stream_header(ngx_xmpp_stream_t *stream);
const char *ngx_xmpp_stream_check(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *root);
const char *ngx_xmpp_stream_tls(ngx_xmpp_stream_t *stream);
ngx_int_t ngx_xmpp_stream_id(ngx_xmpp_stream_t *stream);
void ngx_xmpp_stream_error(ngx_xmpp_stream_t *stream, const char *condition,
    const char *reason);
void ngx_xmpp_stream_close(ngx_xmpp_stream_t *stream, const char *reason);
void ngx_xmpp_stream_end(void *data);
void ngx_xmpp_stream_received_error(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el, ngx_str_t *condition);
void ngx_xmpp_stream_alive(ngx_xmpp_stream_t *stream);
ngx_int_t ngx_xmpp_domain(ngx_pool_t *pool, ngx_str_t *text,
    ngx_str_t *domain);
ngx_uint_t ngx_xmpp_hosted(ngx_xmpp_t *xmpp, ngx_str_t *domain,
    ngx_str_t *remote);
ngx_str_t ngx_xmpp_domain_text(ngx_pool_t *pool, ngx_str_t *domain);
ngx_int_t ngx_cdecl ngx_xmpp_stream_write(ngx_xmpp_stream_t *stream,
    const char *fmt, ...);
void ngx_xmpp_random_hex(ngx_xmpp_t *xmpp, u_char *dst, size_t len);

/* ngx_xmpp_bidi.c */

const char *ngx_xmpp_bidi_feature(ngx_xmpp_stream_t *stream);
void ngx_xmpp_bidi_in(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el);
void ngx_xmpp_bidi_proven(ngx_xmpp_pair_t *pair);
ngx_uint_t ngx_xmpp_bidi_carry(ngx_xmpp_route_t *route);
void ngx_xmpp_bidi_request(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el);
void ngx_xmpp_bidi_ready(ngx_xmpp_route_t *route);

/* ngx_xmpp_in.c */

void ngx_xmpp_in_forget(ngx_xmpp_stream_t *stream);
void ngx_xmpp_in_stanza(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el);
void ngx_xmpp_in_quit(ngx_fed_link_t *link);
void ngx_xmpp_in_drop(ngx_xmpp_stream_t *stream, ngx_uint_t broken);
ngx_xmpp_pair_t *ngx_xmpp_pair(ngx_xmpp_stream_t *stream, ngx_str_t *remote,
    ngx_str_t *local);
ngx_xmpp_pair_t *ngx_xmpp_pair_add(ngx_xmpp_stream_t *stream,
    ngx_str_t *remote, ngx_str_t *local);
void ngx_xmpp_pair_proven(ngx_xmpp_pair_t *pair, const char *how);

/* ngx_xmpp_tls.c */

ngx_int_t ngx_xmpp_tls_identity(ngx_xmpp_stream_t *stream, ngx_str_t *domain,
    ngx_str_t *problem);

/* ngx_xmpp_dialback.c */

void ngx_xmpp_dialback_in(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el);
void ngx_xmpp_dialback_out(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el);
void ngx_xmpp_dialback_request(ngx_xmpp_route_t *route);
void ngx_xmpp_dialback_verify(ngx_xmpp_stream_t *stream);
void ngx_xmpp_dialback_verified(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
void ngx_xmpp_dialback_failed(ngx_xmpp_stream_t *stream,
    ngx_fed_outcome_e result);
ngx_int_t ngx_xmpp_dialback_key(ngx_xmpp_t *xmpp, ngx_str_t *receiving,
    ngx_str_t *originating, ngx_str_t *id, u_char *key);
void ngx_xmpp_dialback_timeout(ngx_fed_timers_t *timers,
    ngx_fed_timer_t *timer);

/* ngx_xmpp_sasl.c */

void ngx_xmpp_sasl_in(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el);
ngx_int_t ngx_xmpp_sasl_auth(ngx_xmpp_stream_t *stream);

/* ngx_xmpp_stanza.c */

void ngx_xmpp_stanza_in(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el);
ngx_int_t ngx_xmpp_stanza_addresses(ngx_xmpp_stream_t *stream,
    ngx_pool_t *pool, ngx_xmpp_element_t *el, ngx_fed_address_t *from,
    ngx_fed_address_t *to, ngx_xmpp_pair_t **pair);
ngx_int_t ngx_xmpp_stanza_event(ngx_fed_event_t *ev, ngx_xmpp_element_t *el);
void ngx_xmpp_stanza_condition(ngx_xmpp_element_t *el,
    ngx_fed_outcome_t *outcome);
void ngx_xmpp_stanza_refuse(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el,
    ngx_fed_address_t *from, ngx_fed_address_t *to,
    ngx_fed_condition_e condition, ngx_fed_error_type_e type);
size_t ngx_xmpp_message_size(ngx_fed_event_t *ev, ngx_str_t *from,
    ngx_str_t *to);
u_char *ngx_xmpp_message_write(u_char *p, ngx_fed_event_t *ev,
    ngx_str_t *from, ngx_str_t *to, ngx_xmpp_item_t *item);
void ngx_xmpp_stanza_error(ngx_xmpp_t *xmpp, ngx_pool_t *pool,
    const char *name, ngx_str_t *local, ngx_str_t *remote,
    ngx_str_t *from, ngx_str_t *to, ngx_str_t *id,
    ngx_fed_stanza_error_t *error, ngx_str_t *address, ngx_str_t *text);
void ngx_xmpp_stanza_done(ngx_fed_event_t *ev);

/* ngx_xmpp_chatstate.c */

ngx_fed_chat_state_e ngx_xmpp_chatstate(ngx_xmpp_element_t *el);
size_t ngx_xmpp_chatstate_size(ngx_fed_event_t *ev, ngx_str_t *from,
    ngx_str_t *to);
u_char *ngx_xmpp_chatstate_write(u_char *p, ngx_fed_event_t *ev,
    ngx_str_t *from, ngx_str_t *to, ngx_xmpp_item_t *item);

/* ngx_xmpp_receipt.c */

ngx_str_t *ngx_xmpp_receipt(ngx_xmpp_element_t *el);
size_t ngx_xmpp_receipt_size(ngx_fed_event_t *ev, ngx_str_t *from,
    ngx_str_t *to);
u_char *ngx_xmpp_receipt_write(u_char *p, ngx_fed_event_t *ev,
    ngx_str_t *from, ngx_str_t *to, ngx_xmpp_item_t *item);

/* ngx_xmpp_presence.c */

void ngx_xmpp_presence_in(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el);
void ngx_xmpp_presence(ngx_fed_conf_t *fcf, ngx_fed_presence_type_e type,
    ngx_fed_address_t *from, ngx_fed_address_t *to,
    ngx_fed_resource_t *resource, ngx_str_t *id);
void ngx_xmpp_presence_refused(ngx_fed_conf_t *fcf, ngx_fed_address_t *from,
    ngx_fed_address_t *to, ngx_fed_outcome_t *outcome);
size_t ngx_xmpp_subscribe_size(ngx_str_t *from, ngx_str_t *to);
u_char *ngx_xmpp_subscribe_write(u_char *p, ngx_str_t *from, ngx_str_t *to);

/* ngx_xmpp_iq.c */

void ngx_xmpp_iq_in(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el,
    ngx_fed_address_t *from, ngx_fed_address_t *to);

/* ngx_xmpp_out.c */

void ngx_xmpp_out_send(ngx_fed_event_t *ev);
void ngx_xmpp_out_exit(ngx_xmpp_t *xmpp);
void ngx_xmpp_out_stanza(ngx_xmpp_t *xmpp, ngx_str_t *local,
    ngx_str_t *remote, ngx_str_t *stanza);
void ngx_xmpp_out_again(ngx_xmpp_t *xmpp, ngx_str_t *local,
    ngx_str_t *remote, ngx_str_t *stanza);
void ngx_xmpp_out_connect(ngx_xmpp_route_t *route);
void ngx_xmpp_out_attach(ngx_xmpp_route_t *route, ngx_xmpp_stream_t *stream);
void ngx_xmpp_out_failed(ngx_xmpp_stream_t *stream, ngx_fed_outcome_e result,
    const char *reason);
void ngx_xmpp_out_ready(ngx_xmpp_route_t *route, const char *how);
void ngx_xmpp_out_refused(ngx_xmpp_route_t *route, ngx_fed_outcome_e result,
    const char *reason);
void ngx_xmpp_out_flush(ngx_xmpp_route_t *route);
void ngx_xmpp_out_closing(ngx_xmpp_stream_t *stream);
void ngx_xmpp_out_broken(ngx_xmpp_stream_t *stream, ngx_uint_t suspended);
ngx_uint_t ngx_xmpp_out_pending(ngx_xmpp_stream_t *stream);
void ngx_xmpp_out_idle(ngx_xmpp_stream_t *stream);
ngx_xmpp_stream_t *ngx_xmpp_out_verify(ngx_xmpp_pair_t *pair, ngx_str_t *key);
ngx_xmpp_remote_t *ngx_xmpp_out_remote(ngx_xmpp_t *xmpp, ngx_str_t *name);
void ngx_xmpp_out_abandon(ngx_xmpp_route_t *route);
void ngx_xmpp_out_cancel(ngx_xmpp_stream_t *stream);
void ngx_xmpp_out_leave(ngx_xmpp_remote_t *remote);

/* ngx_xmpp_sm.c */

void ngx_xmpp_sm_in(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el);
ngx_int_t ngx_xmpp_sm_received(ngx_xmpp_stream_t *stream);
void ngx_xmpp_sm_open(ngx_xmpp_stream_t *stream, ngx_xmpp_sm_item_t *item);
void ngx_xmpp_sm_settled(ngx_xmpp_sm_item_t *item);
ngx_uint_t ngx_xmpp_sm_begin(ngx_xmpp_stream_t *stream);
void ngx_xmpp_sm_ready(ngx_xmpp_stream_t *stream);
void ngx_xmpp_sm_out(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el);
void ngx_xmpp_sm_sent(ngx_xmpp_stream_t *stream, u_char *p, size_t len,
    uint64_t seq);
void ngx_xmpp_sm_pinged(ngx_xmpp_stream_t *stream);
ngx_uint_t ngx_xmpp_sm_suspend(ngx_xmpp_stream_t *stream);
void ngx_xmpp_sm_done(ngx_xmpp_stream_t *stream);
void ngx_xmpp_sm_exit(ngx_xmpp_t *xmpp);

/* ngx_xmpp_barrier.c */

void ngx_xmpp_barrier_init(ngx_xmpp_route_t *route);
void ngx_xmpp_barrier_add(ngx_xmpp_item_t *item);
void ngx_xmpp_barrier_begin(ngx_xmpp_route_t *route);
void ngx_xmpp_barrier_written(ngx_xmpp_item_t *item);
ngx_uint_t ngx_xmpp_barrier_pending(ngx_xmpp_route_t *route);
void ngx_xmpp_barrier_flush(ngx_xmpp_route_t *route);
void ngx_xmpp_barrier_broken(ngx_xmpp_route_t *route);
void ngx_xmpp_barrier_lost(ngx_xmpp_route_t *route, ngx_uint_t generation);
ngx_uint_t ngx_xmpp_barrier_waits(ngx_xmpp_t *xmpp, uint64_t seq);
void ngx_xmpp_barrier_fail(ngx_xmpp_item_t *item, ngx_fed_outcome_e result,
    const char *text);
void ngx_xmpp_barrier_timeout(ngx_fed_timers_t *timers,
    ngx_fed_timer_t *timer);
void ngx_xmpp_barrier_received(ngx_xmpp_t *xmpp, ngx_str_t *id,
    ngx_fed_answer_t *answer);
void ngx_xmpp_barrier_answer(ngx_xmpp_t *xmpp, ngx_fed_answer_t *answer);


#endif /* _NGX_XMPP_STREAM_H_INCLUDED_ */
