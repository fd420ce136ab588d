
/*
 * What the files of the SIP leg share.
 */


#ifndef _NGX_SIP_CORE_H_INCLUDED_
#define _NGX_SIP_CORE_H_INCLUDED_


#include "ngx_fed.h"
#include "ngx_sip.h"
#include "ngx_fed_hash.h"
#include "ngx_sip_parse.h"
#include "ngx_sip_cpim.h"


#define NGX_SIP_BUCKETS          1024    /* a power of two */
#define NGX_SIP_RECENT           1024    /* finals kept for repetition */

#define NGX_SIP_COMPOSING_BUCKETS  256   /* a power of two */

#define NGX_SIP_PORT             5060
#define NGX_SIP_TLS_PORT         5061

#define NGX_SIP_TAG_LEN          16      /* hex digits */
#define NGX_SIP_BRANCH_LEN       34      /* of ngx_fed_id_text() */
#define NGX_SIP_REASON_LEN       128
#define NGX_SIP_CALL_ID_LEN      128
#define NGX_SIP_STAMP_LEN        (sizeof("2026-01-01T00:00:00Z") - 1)
#define NGX_SIP_DIAGNOSIS_LEN    512

#define NGX_SIP_PAIR_DIALOGS     64      /* at most */

#define NGX_SIP_ALLOW                                                         \
    "Allow: OPTIONS, MESSAGE, SUBSCRIBE, NOTIFY, CANCEL" CRLF
#define NGX_SIP_ALLOW_NO_MESSAGE                                              \
    "Allow: OPTIONS, SUBSCRIBE, NOTIFY, CANCEL" CRLF
#define NGX_SIP_ALLOW_EVENTS_ROW "Allow-Events: presence" CRLF
#define NGX_SIP_ACCEPT_PRESENCE  "Accept: application/pidf+xml" CRLF
#define NGX_SIP_ACCEPT_TEXT                                                   \
    "Accept: text/plain;charset=UTF-8, multipart/alternative,"                \
    " multipart/mixed"
#define NGX_SIP_ACCEPT_ROW       NGX_SIP_ACCEPT_TEXT CRLF


#define ngx_sip_bucket(array, key)                                            \
    (&(array)[(key)->lo & (NGX_SIP_BUCKETS - 1)])


typedef struct ngx_sip_ctx_s      ngx_sip_ctx_t;
typedef struct ngx_sip_conn_s     ngx_sip_conn_t;
typedef struct ngx_sip_peer_s     ngx_sip_peer_t;
typedef struct ngx_sip_pair_s     ngx_sip_pair_t;
typedef struct ngx_sip_client_s   ngx_sip_client_t;
typedef struct ngx_sip_server_s   ngx_sip_server_t;
typedef struct ngx_sip_reply_s    ngx_sip_reply_t;


/* a connection */

struct ngx_sip_conn_s {
    ngx_queue_t                   queue;     /* ctx->conns */
    ngx_queue_t                   usable;    /* peer->conns */

    ngx_sip_ctx_t                *ctx;
    ngx_fed_link_t               *link;
    ngx_sip_peer_t               *peer;      /* dialled, or an alias of it */
    ngx_sip_reply_t              *reply;     /* dialled for it */

    ngx_sip_parser_t              parser;
    size_t                        skip;      /* rest of a refused body */
    ngx_uint_t                    newlines;

    ngx_uint_t                    nservers;  /* open transactions */
    ngx_uint_t                    nclients;
    ngx_queue_t                   clients;

    /* who the other side is, RFC 5922 */

    ngx_array_t                  *names;     /* ngx_fed_cert_name_t */
    const char                   *problem;   /* with its certificate */
    ngx_fed_key_t                 identity;
    ngx_str_t                     spoken;    /* domain it may speak for */
    ngx_fed_domain_t             *spoken_domain;


    ngx_msec_t                    used;      /* last message */
    ngx_msec_t                    partial_since;
    ngx_msec_t                    avoid;     /* until then, RFC 3261, 21.5.4 */
    ngx_uint_t                    rank;      /* of its address when dialled */
    ngx_msec_t                    since;     /* up */

    unsigned                      dialled:1;
    unsigned                      up:1;      /* it may be sent to */
    unsigned                      is_client:1;     /* as EKU allows */
    unsigned                      is_server:1;
    unsigned                      has_san:1;
    unsigned                      partial:1;
    unsigned                      pinged:1;
    unsigned                      ponged:1;
    unsigned                      avoided:1;
    unsigned                      spared:1;  /* avoided if there is another */
    unsigned                      quitting:1;
};


/* a SIP domain as the next hop */

struct ngx_sip_peer_s {
    ngx_str_node_t                sn;        /* its name */

    ngx_sip_ctx_t                *ctx;
    ngx_fed_domain_t             *domain;

    ngx_queue_t                   conns;     /* usable */
    ngx_queue_t                   waiting;   /* client transactions */
    ngx_uint_t                    nwaiting;

    ngx_fed_dial_t               *dial;
    ngx_sip_conn_t               *connecting;
    ngx_fed_outcome_e             result;    /* of the last dial */
    ngx_msec_t                    retry;
    ngx_msec_t                    delay;
    ngx_msec_t                    probe;     /* of better addresses, when */
    ngx_msec_t                    patience;  /* and how long after this one */

    ngx_sockaddr_t                sockaddr;  /* dialled last */
    socklen_t                     socklen;

    ngx_event_t                   timer;     /* forgets an unused peer */

    unsigned                      dialling:1;
    unsigned                      probing:1;
    unsigned                      failed:1;
};


/* requests of one user to another one, in order (RFC 3428, 8) */

struct ngx_sip_pair_s {
    ngx_queue_t                   queue;
    ngx_fed_key_t                 key;
    ngx_sip_client_t             *current;
    ngx_queue_t                   waiting;
    ngx_uint_t                    nwaiting;
    ngx_queue_t                   hold;      /* of those that are held */
    ngx_fed_turn_t               *turn;      /* or NULL */
    unsigned                      advancing:1;
    unsigned                      held:1;    /* until it is its turn */
};


/*
 * A client transaction (RFC 3261, 17.1), in the pool of its event or in one of
 * its own.  handler is called with its outcome and, if it was a response read
 * by this process, with that.  If retry is set, it is asked before: with NGX_OK
 * it has taken the transaction back, to send its request again.
 */

typedef void (*ngx_sip_client_handler_pt)(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome, ngx_sip_msg_t *msg);
typedef ngx_int_t (*ngx_sip_client_retry_pt)(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome);


struct ngx_sip_client_s {
    ngx_queue_t                   queue;     /* by seq */
    ngx_queue_t                   list;      /* of pair, peer or connection */
    ngx_fed_timer_t               timer;     /* Timer F, or in a queue */

    ngx_sip_ctx_t                *ctx;
    ngx_pool_t                   *pool;
    ngx_fed_event_t              *event;     /* or NULL */
    ngx_sip_client_handler_pt     handler;
    ngx_sip_client_retry_pt       retry;
    void                         *data;
    ngx_str_t                     method;
    ngx_str_t                     name;      /* domain of the recipient */
    ngx_fed_domain_t             *domain;
    ngx_sip_pair_t               *pair;
    ngx_sip_peer_t               *peer;
    ngx_sip_conn_t               *conn;      /* written to, and open */
    ngx_sip_conn_t               *from;      /* that the response came by */
    uint64_t                      seq;

    /* the request but for its Via */

    ngx_str_t                     line;
    ngx_str_t                     rest;
    uint32_t                      cseq;

    ngx_uint_t                    status;    /* 503 of a target before */
    ngx_uint_t                    retry_after;
    ngx_uint_t                    ntargets;  /* so far */

    unsigned                      waiting:1; /* at the pair */
    unsigned                      queued:1;  /* at the peer */
    unsigned                      redialled:1;
    unsigned                      lost:1;    /* with its connection */
    unsigned                      proceeding:1;    /* INVITE: 1xx came */
};


/* a request that was seen: open, or with a final response */

typedef struct {
    ngx_queue_t                   queue;
    ngx_fed_key_t                 key;
    ngx_sip_server_t             *server;    /* NULL: completed */
    ngx_uint_t                    status;
    ngx_str_t                     tail;      /* allocated */
    ngx_msec_t                    time;
} ngx_sip_known_t;


/* a server transaction (RFC 3261, 17.2.2), in the pool of its event */

struct ngx_sip_server_s {
    ngx_sip_known_t               known;
    ngx_queue_t                   merge;
    ngx_fed_key_t                 merge_key; /* RFC 3261, 8.2.2.2 */
    ngx_fed_timer_t               trying;
    ngx_fed_timer_t               expire;

    ngx_sip_ctx_t                *ctx;
    ngx_fed_event_t              *event;
    ngx_fed_key_t                 identity;

    ngx_str_t                     head;      /* Via to To */
    ngx_str_t                     tag;       /* with ";tag=", or empty */
    ngx_str_t                     tail;      /* the end of To to CSeq */
    ngx_str_t                     timestamp;

    ngx_sockaddr_t                sockaddr;  /* for responses, if the */
    socklen_t                     socklen;   /* connection is gone */

    unsigned                      tried:1;   /* 100 was sent */
    unsigned                      answered:1;
};


/* a dialog of the zone, and what a request within it needs, in a pool */

typedef struct {
    ngx_fed_pair_t                pair;
    ngx_fed_address_t            *local;     /* the XMPP user */
    ngx_fed_address_t            *remote;
    uint64_t                      tag;       /* ours */
    uint32_t                      cseq;
    ngx_uint_t                    format;    /* of documents */
    ngx_str_t                     texts[NGX_FED_TEXTS];
} ngx_sip_dialog_t;


/* how a request is refused, or answered */

typedef struct {
    ngx_uint_t                    status;
    const char                   *reason;    /* NULL: that of the status */
    ngx_fed_outcome_e             result;    /* if policy refuses it */
    ngx_str_t                     headers;   /* rows */
    ngx_str_t                     body;      /* with ngx_sip_server_answer() */
    unsigned                      parked:1;  /* no refusal: the request waits,
                                                see ngx_sip_park() */
} ngx_sip_refusal_t;


/* a document for a watcher, and rows of header fields that tell what it is */

typedef struct {
    ngx_str_t                     headers;
    ngx_str_t                     body;
} ngx_sip_document_t;


/*
 * Header fields that a dialect wants, as rows.  "all" stands in each request
 * and response: ngx_sip_client_write() and ngx_sip_respond_tail() write it.
 * Who writes what makes a dialog puts "dialog" into the request, writes
 * ngx_sip_respond_routes() into the 2xx, and ngx_sip_contact() into both.
 */

typedef struct {
    ngx_str_t                     all;
    ngx_str_t                     dialog;    /* Record-Route of requests */
    ngx_str_t                     answer;    /* and of responses */
    ngx_str_t                     contact;   /* URI; empty: that of the user */

    unsigned                      user:1;    /* contact is to name the user */
    unsigned                      bare:1;    /* Route is to have URIs only */
} ngx_sip_rows_t;


/* what a worker holds for a federation */

struct ngx_sip_ctx_s {
    ngx_fed_conf_t               *conf;
    ngx_pool_t                   *pool;

    ngx_fed_key_t                 secret;    /* same in all workers */
    ngx_fed_key_t                 random;
    uint64_t                      unique;

    ngx_str_t                     via_tls;   /* up to the branch's cookie */
    ngx_str_t                     via_tcp;
    ngx_sip_rows_t                rows[NGX_FED_DIALECTS];

    ngx_queue_t                   conns;
    ngx_uint_t                    nreplies;

    ngx_rbtree_t                  peers;
    ngx_rbtree_node_t             sentinel;

    ngx_queue_t                   free_pairs;
    ngx_queue_t                   held_pairs;
    ngx_event_t                   held;
    ngx_queue_t                   pairs[NGX_SIP_BUCKETS];
    ngx_queue_t                   clients[NGX_SIP_BUCKETS];
    ngx_fed_timers_t              timer_f;

    ngx_queue_t                   known[NGX_SIP_BUCKETS];
    ngx_queue_t                   merge[NGX_SIP_BUCKETS];
    ngx_fed_timers_t              trying;
    ngx_fed_timers_t              expire;
    ngx_sip_known_t              *recent;
    ngx_uint_t                    next_recent;

    ngx_queue_t                   composing[NGX_SIP_COMPOSING_BUCKETS];
    ngx_queue_t                   composing_recent;
    ngx_uint_t                    ncomposing;

    ngx_uint_t                    nending;   /* of IM sessions */

    ngx_sip_msg_t                 msg;       /* being read */
    ngx_fed_event_t              *parked;    /* ... again, after it waited */
};


/*
 * How a domain speaks of presence.  accept() returns the row of what is read.
 * format() tells from a SUBSCRIBE what a watcher takes, as ngx_fed_dialog_t
 * keeps it, or returns NGX_DECLINED; write() makes a document of that format,
 * or returns NGX_ERROR.  read() reads one as ngx_sip_pidf_read() does, or
 * returns NGX_DONE if it is of no type that is known.  offline() tells whether
 * who waits for an approval is to see a user who is offline; NULL: he is told
 * that it is pending.  grants() tells whether NOTIFY that says active, with a
 * presence or NULL, is an approval; NULL: it is.  piggyback: a response may
 * have the first document.
 */

typedef struct {
    const ngx_str_t            *(*accept)(ngx_sip_ctx_t *ctx);
    ngx_int_t                   (*format)(ngx_sip_ctx_t *ctx,
                                          ngx_sip_msg_t *msg);
    ngx_int_t                   (*read)(ngx_pool_t *pool,
                                        ngx_sip_media_t *media,
                                        ngx_str_t *body, ngx_str_t *lang,
                                        ngx_fed_address_t *entity,
                                        ngx_fed_presence_t *presence);
    ngx_int_t                   (*write)(ngx_sip_ctx_t *ctx, ngx_pool_t *pool,
                                         ngx_uint_t format,
                                         ngx_fed_presence_t *presence,
                                         ngx_fed_address_t *entity,
                                         ngx_sip_document_t *document);
    ngx_uint_t                  (*offline)(ngx_sip_ctx_t *ctx);
    ngx_uint_t                  (*grants)(ngx_sip_ctx_t *ctx,
                                          ngx_fed_presence_t *presence);
    ngx_uint_t                    piggyback;
} ngx_sip_presence_t;


/*
 * How a domain speaks: one file each, or a folder.  init() sets the rows.
 *
 * read() fills in an event from a MESSAGE that starts no dialog, and returns
 * NGX_OK, NGX_DECLINED with the refusal filled in, or NGX_ERROR.  write() makes
 * of the event of a transaction the request but for its Via, or that part of it
 * which does not change, and send() sends it, once it has its turn.  session()
 * takes a request that makes an IM session or belongs to one, or an ACK; NULL:
 * there are none.  accepted() takes every 2xx to an INVITE, whether or not
 * somebody waits for it.  idle() ends sessions that nobody uses.  composing()
 * sends a chat state, if it can be sent at once, and brings about the outcome,
 * or drops it: see ngx_sip_composing_send().
 *
 * hop() takes a request that is for no user, from whom the link is, or returns
 * NGX_DECLINED.  diagnose() writes rows of NGX_SIP_DIAGNOSIS_LEN at most about
 * an error response.  Either may be NULL.
 */

typedef struct {
    ngx_int_t                   (*init)(ngx_sip_ctx_t *ctx,
                                        ngx_sip_rows_t *rows);
    ngx_int_t                   (*read)(ngx_sip_ctx_t *ctx,
                                        ngx_sip_msg_t *msg,
                                        ngx_fed_event_t *ev,
                                        ngx_sip_refusal_t *refusal);
    ngx_int_t                   (*write)(ngx_sip_ctx_t *ctx,
                                         ngx_fed_event_t *ev,
                                         ngx_sip_client_t *client);
    void                        (*send)(ngx_sip_client_t *client);
    void                        (*session)(ngx_sip_conn_t *conn,
                                           ngx_sip_msg_t *msg);
    void                        (*accepted)(ngx_sip_conn_t *conn,
                                            ngx_sip_msg_t *msg);
    void                        (*idle)(ngx_sip_ctx_t *ctx);
    void                        (*composing)(ngx_fed_event_t *ev);
    ngx_int_t                   (*hop)(ngx_sip_conn_t *conn,
                                       ngx_sip_msg_t *msg);
    u_char                     *(*diagnose)(ngx_sip_ctx_t *ctx, u_char *dst,
                                            ngx_uint_t status,
                                            ngx_str_t *reason);
    const ngx_sip_presence_t     *presence;

    const char                   *allow;     /* row of the methods */
    ngx_uint_t                    refresh;   /* seconds that a chat state of
                                                composing lasts */
    ngx_uint_t                    receipts;  /* it has them */

    /* unless configured */

    ngx_uint_t                    chatstates;
    ngx_uint_t                    chatstates_idle;
    ngx_uint_t                    errors;    /* for ngx_fed_error_status() */
} ngx_sip_dialect_t;


extern const ngx_sip_dialect_t  *const ngx_sip_dialects[];
extern const ngx_sip_dialect_t  ngx_sip_dialect_simple;
extern const ngx_sip_dialect_t  ngx_sip_dialect_ocs;
extern const ngx_sip_presence_t  ngx_sip_presence_simple;
extern const ngx_sip_presence_t  ngx_sip_presence_ocs;


/* ngx_sip_conn.c */

ngx_sip_conn_t *ngx_sip_conn_create(ngx_sip_ctx_t *ctx, ngx_connection_t *c,
    ngx_stream_session_t *s);
ngx_sip_conn_t *ngx_sip_conn_dialled(ngx_sip_ctx_t *ctx, ngx_connection_t *c,
    ngx_str_t *name);
void ngx_sip_conn_discard(ngx_connection_t *c);
void ngx_sip_conn_name(ngx_sip_conn_t *conn, ngx_str_t *name);
void ngx_sip_conn_secure(ngx_sip_conn_t *conn);
void ngx_sip_conn_ready(ngx_sip_conn_t *conn);
void ngx_sip_conn_settle(ngx_sip_conn_t *conn);

/* ngx_sip_identity.c */

ngx_int_t ngx_sip_identify(ngx_sip_conn_t *conn);
const char *ngx_sip_identity_check(ngx_sip_conn_t *conn, ngx_str_t *name,
    ngx_fed_domain_t *domain);
ngx_int_t ngx_sip_may_speak(ngx_sip_conn_t *conn, ngx_str_t *name,
    ngx_fed_domain_t *domain, const char **why);
ngx_str_t ngx_sip_identity_log(ngx_sip_conn_t *conn, u_char *buf, size_t size);

/* ngx_sip_request.c */

void ngx_sip_request(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
void ngx_sip_im_status(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_key_t *key, ngx_fed_event_t *ev);
ngx_int_t ngx_sip_users(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal);
ngx_fed_event_t *ngx_sip_begin(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_kind_e kind, ngx_fed_key_t *key);
void ngx_sip_reject(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_key_t *key, ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal);

/* ngx_sip_park.c */

ngx_int_t ngx_sip_park(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal);

/* ngx_sip_respond.c */

void ngx_sip_respond(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_key_t *key, ngx_sip_refusal_t *refusal);
size_t ngx_sip_respond_size(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
u_char *ngx_sip_respond_head(u_char *dst, ngx_sip_conn_t *conn,
    ngx_sip_msg_t *msg);
u_char *ngx_sip_respond_tag(u_char *dst, ngx_sip_msg_t *msg,
    ngx_fed_key_t *key);
u_char *ngx_sip_respond_tail(u_char *dst, ngx_sip_conn_t *conn,
    ngx_sip_msg_t *msg);
size_t ngx_sip_respond_routes_size(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
u_char *ngx_sip_respond_routes(u_char *dst, ngx_sip_conn_t *conn,
    ngx_sip_msg_t *msg);
size_t ngx_sip_phrase(u_char *dst, ngx_str_t *text);
u_char *ngx_sip_diagnose(u_char *dst, ngx_sip_ctx_t *ctx,
    ngx_fed_domain_t *domain, ngx_uint_t status, ngx_str_t *reason);

/* ngx_sip_server.c */

ngx_fed_key_t ngx_sip_server_key(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_str_t *method);
ngx_sip_known_t *ngx_sip_server_find(ngx_sip_ctx_t *ctx, ngx_fed_key_t *key);
ngx_fed_key_t ngx_sip_server_merge_key(ngx_sip_conn_t *conn,
    ngx_sip_msg_t *msg);
ngx_sip_server_t *ngx_sip_server_merged(ngx_sip_ctx_t *ctx,
    ngx_fed_key_t *key);
void ngx_sip_server_repeat(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_sip_known_t *known);
ngx_int_t ngx_sip_server_create(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_key_t *key, ngx_fed_key_t *merge_key, ngx_fed_event_t *ev);
void ngx_sip_server_answer(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_key_t *key, ngx_sip_refusal_t *answer);
void ngx_sip_server_outcome(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_key_t *key, ngx_fed_event_t *ev);
void ngx_sip_server_accept(ngx_sip_server_t *server, ngx_str_t *tail);
void ngx_sip_server_end(ngx_fed_event_t *ev);
void ngx_sip_server_done(ngx_fed_event_t *ev);
ngx_int_t ngx_sip_server_init(ngx_sip_ctx_t *ctx);
void ngx_sip_server_exit(ngx_sip_ctx_t *ctx);

/* ngx_sip_reply.c */

void ngx_sip_reply(ngx_sip_server_t *server, ngx_str_t *data);
void ngx_sip_reply_secured(ngx_sip_conn_t *conn);
void ngx_sip_reply_closed(ngx_sip_conn_t *conn);

/* ngx_sip_client.c */

ngx_sip_client_t *ngx_sip_client_create(ngx_sip_ctx_t *ctx,
    ngx_str_t *method);
void ngx_sip_client_message(ngx_fed_event_t *ev);
void ngx_sip_client_page(ngx_fed_event_t *ev,
    ngx_sip_client_handler_pt handler);
void ngx_sip_client_write(ngx_sip_client_t *client, ngx_sip_conn_t *conn);
void ngx_sip_client_post(ngx_sip_client_t *client, ngx_sip_conn_t *conn);
void ngx_sip_client_cancel(ngx_sip_client_t *client);
void ngx_sip_client_pair_fail(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome);
void ngx_sip_client_ordered(ngx_fed_event_t *ev);
ngx_uint_t ngx_sip_client_pair_busy(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev);
void ngx_sip_client_finish(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome, ngx_sip_msg_t *msg);
void ngx_sip_client_refused(ngx_sip_client_t *client);
void ngx_sip_client_detach(ngx_sip_client_t *client);
void ngx_sip_client_fail(ngx_sip_client_t *client, ngx_fed_outcome_e result,
    const char *text);
void ngx_sip_client_lost(ngx_sip_conn_t *conn);
void ngx_sip_client_response(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
void ngx_sip_client_answer(ngx_sip_ctx_t *ctx, ngx_fed_answer_t *answer);
ngx_int_t ngx_sip_client_init(ngx_sip_ctx_t *ctx);
void ngx_sip_client_exit(ngx_sip_ctx_t *ctx);

ngx_uint_t ngx_sip_via_is_ours(ngx_sip_ctx_t *ctx, ngx_sip_via_t *via,
    ngx_fed_id_t *id);

/* ngx_sip_peer.c */

ngx_sip_peer_t *ngx_sip_peer_get(ngx_sip_ctx_t *ctx, ngx_str_t *name,
    ngx_fed_domain_t *domain);
void ngx_sip_peer_send(ngx_sip_client_t *client);
void ngx_sip_peer_unqueue(ngx_sip_client_t *client);
ngx_int_t ngx_sip_peer_next_target(ngx_sip_client_t *client,
    ngx_uint_t retry_after);
void ngx_sip_peer_secured(ngx_sip_conn_t *conn);
void ngx_sip_peer_closed(ngx_sip_conn_t *conn);
void ngx_sip_peer_alias(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_str_t *name, ngx_fed_domain_t *domain);
void ngx_sip_peers_free(ngx_sip_ctx_t *ctx);

/* ngx_sip_dialog.c */

ngx_int_t ngx_sip_dialog_copy(ngx_sip_ctx_t *ctx, ngx_pool_t *pool,
    ngx_fed_dialog_t *from, ngx_sip_dialog_t *dialog);
ngx_int_t ngx_sip_dialog_tag(ngx_str_t *text, uint64_t *tag);
ngx_int_t ngx_sip_dialog_texts(ngx_sip_conn_t *conn, ngx_pool_t *pool,
    ngx_sip_msg_t *msg, ngx_str_t *texts);
ngx_int_t ngx_sip_dialog_contact(ngx_sip_msg_t *msg, ngx_str_t *target);
ngx_int_t ngx_sip_dialog_routes(ngx_sip_conn_t *conn, ngx_pool_t *pool,
    ngx_sip_msg_t *msg, ngx_str_t *routes);
size_t ngx_sip_contact_size(ngx_sip_rows_t *rows, ngx_fed_address_t *addr);
u_char *ngx_sip_contact(u_char *dst, ngx_sip_rows_t *rows,
    ngx_fed_address_t *addr);
ngx_int_t ngx_sip_dialog_event(ngx_sip_msg_t *msg, ngx_str_t *id);
ngx_int_t ngx_sip_dialog_write(ngx_sip_client_t *client,
    ngx_sip_dialog_t *dialog, ngx_str_t *headers, ngx_str_t *body);
ngx_int_t ngx_sip_dialog_send(ngx_sip_client_t *client,
    ngx_sip_dialog_t *dialog, ngx_str_t *headers, ngx_str_t *body);
ngx_uint_t ngx_sip_dialog_dies(ngx_fed_outcome_t *outcome);
void ngx_sip_dialog_claim(ngx_sip_ctx_t *ctx, ngx_fed_dialog_t *dialog);
ngx_uint_t ngx_sip_dialog_claimed(ngx_sip_ctx_t *ctx,
    ngx_fed_dialog_t *dialog);
void ngx_sip_dialog_due(ngx_fed_conf_t *fcf, ngx_fed_key_t *id, uint64_t tag);

/* ngx_sip_document.c */

const ngx_sip_presence_t *ngx_sip_presence_of(ngx_sip_ctx_t *ctx,
    ngx_fed_address_t *addr);
ngx_uint_t ngx_sip_accepts(ngx_sip_msg_t *msg, const ngx_str_t *types);
ngx_uint_t ngx_sip_media_in(ngx_sip_media_t *media, const ngx_str_t *types);

/* ngx_sip_notifier.c */

void ngx_sip_notifier_request(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
void ngx_sip_notifier_done(ngx_fed_event_t *ev);
void ngx_sip_notifier_changed(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_uint_t reason);
void ngx_sip_notifier_run(ngx_sip_ctx_t *ctx, ngx_fed_key_t *id,
    uint64_t tag);

/* ngx_sip_subscriber.c */

void ngx_sip_subscriber_request(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
void ngx_sip_subscriber_send(ngx_fed_event_t *ev);
void ngx_sip_subscriber_begin(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair);
void ngx_sip_subscriber_due(ngx_sip_ctx_t *ctx, ngx_fed_key_t *id,
    uint64_t tag);

/* ngx_sip_simple.c */

ngx_int_t ngx_sip_simple_read(ngx_sip_ctx_t *ctx, ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal);
ngx_int_t ngx_sip_simple_fill(ngx_sip_ctx_t *ctx, ngx_sip_msg_t *msg,
    ngx_str_t *text, ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal);
size_t ngx_sip_simple_optional_size(ngx_fed_event_t *ev);
u_char *ngx_sip_simple_optional(u_char *p, ngx_fed_event_t *ev);
size_t ngx_sip_language_prefix(ngx_str_t *lang);
ngx_str_t ngx_sip_accept_row(ngx_uint_t chatstates, ngx_uint_t receipts);
u_char *ngx_sip_stamp(u_char *dst, time_t time);

/* ngx_sip_thread.c */

size_t ngx_sip_thread_call_id(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    u_char *dst);
ngx_int_t ngx_sip_thread_read(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_str_t *call_id);
ngx_fed_key_t ngx_sip_thread_users(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev);

/* ngx_sip_receipt.c */

ngx_int_t ngx_sip_receipt_wrap(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_str_t *content);
ngx_int_t ngx_sip_receipt_read(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_str_t *body, ngx_sip_refusal_t *refusal);
void ngx_sip_receipt_asked(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_sip_cpim_t *cpim);
void ngx_sip_receipt_taken(ngx_fed_event_t *ev);
void ngx_sip_receipt_send(ngx_fed_event_t *ev);

/* ngx_sip_composing.c */

void ngx_sip_composing_init(ngx_sip_ctx_t *ctx);
void ngx_sip_composing_exit(ngx_sip_ctx_t *ctx);
void ngx_sip_composing_received(ngx_fed_event_t *ev);
void ngx_sip_composing_send(ngx_fed_event_t *ev);
void ngx_sip_composing_content(ngx_fed_event_t *ev);
void ngx_sip_composing_refused(ngx_fed_event_t *ev);
ngx_uint_t ngx_sip_composing_is_refused(ngx_fed_event_t *ev);

/* ngx_sip_leg.c */

ngx_fed_key_t ngx_sip_unique(ngx_sip_ctx_t *ctx);
u_char *ngx_sip_hex(u_char *dst, uint64_t n);
ngx_fed_domain_t *ngx_sip_conn_domain(ngx_sip_conn_t *conn);
ngx_sip_rows_t *ngx_sip_rows(ngx_sip_conn_t *conn);
ngx_uint_t ngx_sip_is_us(ngx_sip_ctx_t *ctx, ngx_str_t *uri);
ngx_fed_key_t ngx_sip_pair_key(ngx_sip_ctx_t *ctx, ngx_fed_address_t *from,
    ngx_fed_address_t *to);


#endif /* _NGX_SIP_CORE_H_INCLUDED_ */
