
/*
 * Server transactions: repeated requests, and for MESSAGE 100 Trying, the final
 * response, and that it is never late (RFC 3261, 17.2.2; RFC 4320, 4).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"


#define NGX_SIP_RETRY_AFTER  30
#define NGX_SIP_TAIL_LEN     (1024 + NGX_SIP_DIAGNOSIS_LEN)
#define NGX_SIP_CONTACT_LEN  512


static void ngx_sip_server_address(ngx_sip_server_t *server,
    ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
static void ngx_sip_server_trying(ngx_fed_timers_t *timers,
    ngx_fed_timer_t *timer);
static void ngx_sip_server_expire(ngx_fed_timers_t *timers,
    ngx_fed_timer_t *timer);
static void ngx_sip_server_send_trying(ngx_sip_server_t *server,
    ngx_fed_link_t *link);
static void ngx_sip_server_final(ngx_sip_server_t *server, ngx_uint_t status,
    ngx_str_t *tail);
static void ngx_sip_server_send(ngx_sip_server_t *server, ngx_uint_t status,
    ngx_str_t *tail);
static u_char *ngx_sip_server_status(u_char *dst, ngx_uint_t status,
    ngx_str_t *tail, ngx_str_t *rest);
static ngx_fed_link_t *ngx_sip_server_link(ngx_sip_server_t *server);
static void ngx_sip_server_release(ngx_sip_server_t *server);
static void ngx_sip_server_remember(ngx_sip_ctx_t *ctx, ngx_fed_key_t *key,
    ngx_uint_t status, ngx_str_t *tail);
static void ngx_sip_server_write(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_key_t *key, ngx_uint_t status, ngx_str_t *tail);
static ngx_uint_t ngx_sip_server_tail(ngx_fed_event_t *ev, u_char *dst,
    ngx_str_t *tail);
static ngx_int_t ngx_sip_server_contact(ngx_fed_event_t *ev,
    ngx_str_t *contact);


ngx_int_t
ngx_sip_server_init(ngx_sip_ctx_t *ctx)
{
    ngx_uint_t       i;
    ngx_msec_t       timeout;
    ngx_fed_conf_t  *fcf;

    fcf = ctx->conf;

    ctx->recent = ngx_pcalloc(ctx->pool,
                              NGX_SIP_RECENT * sizeof(ngx_sip_known_t));
    if (ctx->recent == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_SIP_RECENT; i++) {
        ngx_queue_init(&ctx->recent[i].queue);
    }

    /* time for the response to arrive before the client gives up */

    timeout = fcf->transaction_timeout - fcf->transaction_timeout / 16;

    ngx_fed_timers_init(&ctx->trying, fcf->trying_timeout,
                        ngx_sip_server_trying, ctx, fcf->log);
    ngx_fed_timers_init(&ctx->expire, timeout, ngx_sip_server_expire, ctx,
                        fcf->log);

    return NGX_OK;
}


void
ngx_sip_server_exit(ngx_sip_ctx_t *ctx)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_SIP_RECENT; i++) {
        if (ctx->recent[i].tail.data) {
            ngx_free(ctx->recent[i].tail.data);
        }
    }
}


/*
 * Names the transaction of a request, or the one that a CANCEL is about if
 * method is another than its own (RFC 3261, 17.2.3, 9.2).  The identity of the
 * peer belongs to it, so that nobody else learns what became of a request.
 */

ngx_fed_key_t
ngx_sip_server_key(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg, ngx_str_t *method)
{
    u_char             c;
    size_t             i;
    ngx_uint_t         port, id;
    ngx_sip_via_t     *via;
    ngx_fed_hash_t     hash;
    ngx_sip_header_t  *h;

    static const ngx_sip_header_e  ids[] = {
        NGX_SIP_TO, NGX_SIP_FROM, NGX_SIP_CALL_ID, NGX_SIP_CSEQ, NGX_SIP_VIA
    };

    via = &msg->via;

    ngx_fed_hash_init(&hash, &conn->ctx->secret);
    ngx_fed_hash_update(&hash, (u_char *) &conn->identity,
                        sizeof(ngx_fed_key_t));

    if (via->branch.len > NGX_SIP_COOKIE_LEN
        && ngx_strncasecmp(via->branch.data, (u_char *) NGX_SIP_COOKIE,
                           NGX_SIP_COOKIE_LEN)
           == 0)
    {
        port = via->port;

        if (port == 0) {
            port = ngx_sip_is(&via->transport, "TLS") ? NGX_SIP_TLS_PORT
                                                      : NGX_SIP_PORT;
        }

        ngx_fed_hash_str(&hash, &via->branch);
        ngx_fed_hash_str(&hash, method);
        ngx_fed_hash_update(&hash, (u_char *) &port, sizeof(ngx_uint_t));

        for (i = 0; i < via->host.len; i++) {
            c = ngx_tolower(via->host.data[i]);
            ngx_fed_hash_update(&hash, &c, 1);
        }

        return ngx_fed_hash_final(&hash);
    }

    /* of RFC 2543; To has its tag here, as a new one starts no dialog */

    ngx_fed_hash_str(&hash, &msg->uri);

    for (id = 0; id < sizeof(ids) / sizeof(ids[0]); id++) {

        h = ngx_sip_header(msg, ids[id]);

        if (h) {
            ngx_fed_hash_str(&hash, &h->value);
        }
    }

    return ngx_fed_hash_final(&hash);
}


ngx_sip_known_t *
ngx_sip_server_find(ngx_sip_ctx_t *ctx, ngx_fed_key_t *key)
{
    ngx_queue_t      *q, *bucket;
    ngx_sip_known_t  *known;

    bucket = ngx_sip_bucket(ctx->known, key);

    for (q = ngx_queue_head(bucket); q != bucket; q = ngx_queue_next(q)) {

        known = ngx_queue_data(q, ngx_sip_known_t, queue);

        if (!ngx_fed_key_equal(&known->key, key)) {
            continue;
        }

        if (known->server == NULL
            && ngx_current_msec - known->time
               >= ctx->conf->transaction_timeout)
        {
            continue;
        }

        return known;
    }

    return NULL;
}


/* Names what is one request however it came (RFC 3261, 8.2.2.2). */

ngx_fed_key_t
ngx_sip_server_merge_key(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_fed_hash_t  hash;

    ngx_fed_hash_init(&hash, &conn->ctx->secret);
    ngx_fed_hash_update(&hash, (u_char *) &conn->identity,
                        sizeof(ngx_fed_key_t));
    ngx_fed_hash_str(&hash, &msg->from.tag);
    ngx_fed_hash_str(&hash, &msg->call_id);
    ngx_fed_hash_update(&hash, (u_char *) &msg->cseq, sizeof(uint32_t));

    return ngx_fed_hash_final(&hash);
}


ngx_sip_server_t *
ngx_sip_server_merged(ngx_sip_ctx_t *ctx, ngx_fed_key_t *key)
{
    ngx_queue_t       *q, *bucket;
    ngx_sip_server_t  *server;

    bucket = ngx_sip_bucket(ctx->merge, key);

    for (q = ngx_queue_head(bucket); q != bucket; q = ngx_queue_next(q)) {

        server = ngx_queue_data(q, ngx_sip_server_t, merge);

        if (ngx_fed_key_equal(&server->merge_key, key)) {
            return server;
        }
    }

    return NULL;
}


/* The request came again: so does what was answered (RFC 3261, 17.2.2). */

void
ngx_sip_server_repeat(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_sip_known_t *known)
{
    ngx_sip_server_t  *server;

    server = known->server;

    if (server) {
        if (server->tried) {
            ngx_sip_server_send_trying(server, conn->link);
        }

        return;
    }

    ngx_sip_server_write(conn, msg, &known->key, known->status, &known->tail);
}


/*
 * Answers a request at once, and keeps the answer in case that the request
 * comes again.
 */

void
ngx_sip_server_answer(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_key_t *key, ngx_sip_refusal_t *answer)
{
    u_char     *p, *tail;
    size_t      size;
    ngx_str_t   reason, text;

    if (answer->reason) {
        reason.data = (u_char *) answer->reason;
        reason.len = ngx_strlen(answer->reason);

    } else {
        reason = *ngx_fed_error_reason(answer->status);
    }

    size = reason.len + answer->headers.len + answer->body.len
           + sizeof(CRLF "Content-Length: " CRLF CRLF) + NGX_SIZE_T_LEN
           + NGX_SIP_DIAGNOSIS_LEN;

    tail = ngx_alloc(size, conn->link->log);
    if (tail == NULL) {
        return;
    }

    p = ngx_cpymem(tail, reason.data, reason.len);
    *p++ = CR;
    *p++ = LF;

    if (answer->headers.len) {
        p = ngx_cpymem(p, answer->headers.data, answer->headers.len);
    }

    p = ngx_sip_diagnose(p, conn->ctx, ngx_sip_conn_domain(conn),
                         answer->status, &reason);

    p = ngx_sprintf(p, "Content-Length: %uz" CRLF CRLF, answer->body.len);

    if (answer->body.len) {
        p = ngx_cpymem(p, answer->body.data, answer->body.len);
    }

    text.data = tail;
    text.len = p - tail;

    ngx_sip_server_write(conn, msg, key, answer->status, &text);
    ngx_sip_server_remember(conn->ctx, key, answer->status, &text);

    ngx_free(tail);
}


/* Answers a request with the outcome of its event. */

void
ngx_sip_server_outcome(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_key_t *key, ngx_fed_event_t *ev)
{
    u_char      buf[NGX_SIP_TAIL_LEN];
    ngx_str_t   tail;
    ngx_uint_t  status;

    status = ngx_sip_server_tail(ev, buf, &tail);

    ngx_sip_server_write(conn, msg, key, status, &tail);
}


/* The tail is what ngx_sip_server_final() takes. */

static void
ngx_sip_server_write(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_key_t *key, ngx_uint_t status, ngx_str_t *tail)
{
    u_char     *p;
    ngx_str_t   rest;

    if (msg->method == NGX_SIP_BENOTIFY) {
        return;
    }

    p = ngx_fed_link_reserve(conn->link,
                             sizeof("SIP/2.0 200 ") + tail->len
                             + ngx_sip_respond_size(conn, msg));
    if (p == NULL) {
        return;
    }

    p = ngx_sip_server_status(p, status, tail, &rest);
    p = ngx_sip_respond_head(p, conn, msg);
    p = ngx_sip_respond_tag(p, msg, key);
    p = ngx_sip_respond_tail(p, conn, msg);
    p = ngx_cpymem(p, rest.data, rest.len);

    ngx_fed_link_commit(conn->link, p);
}


/*
 * Opens the transaction of a request that became an event.  Returns NGX_ERROR
 * if there is no memory.
 */

ngx_int_t
ngx_sip_server_create(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_key_t *key, ngx_fed_key_t *merge_key, ngx_fed_event_t *ev)
{
    u_char            *p;
    ngx_sip_ctx_t     *ctx;
    ngx_sip_header_t  *h;
    ngx_sip_server_t  *server;

    ctx = conn->ctx;

    server = ngx_pcalloc(ev->pool, sizeof(ngx_sip_server_t));
    if (server == NULL) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(ev->pool, ngx_sip_respond_size(conn, msg));
    if (p == NULL) {
        return NGX_ERROR;
    }

    server->ctx = ctx;
    server->event = ev;
    server->identity = conn->identity;

    server->head.data = p;
    p = ngx_sip_respond_head(p, conn, msg);
    server->head.len = p - server->head.data;

    server->tag.data = p;
    p = ngx_sip_respond_tag(p, msg, key);
    server->tag.len = p - server->tag.data;

    server->tail.data = p;
    p = ngx_sip_respond_tail(p, conn, msg);
    server->tail.len = p - server->tail.data;

    h = ngx_sip_header(msg, NGX_SIP_TIMESTAMP);

    if (h && !h->folded) {
        server->timestamp.data = ngx_pstrdup(ev->pool, &h->value);

        if (server->timestamp.data) {
            server->timestamp.len = h->value.len;
        }
    }

    ngx_sip_server_address(server, conn, msg);

    server->known.key = *key;
    server->known.server = server;
    server->merge_key = *merge_key;

    ngx_queue_insert_head(ngx_sip_bucket(ctx->known, key),
                          &server->known.queue);
    ngx_queue_insert_head(ngx_sip_bucket(ctx->merge, merge_key),
                          &server->merge);

    ngx_fed_timers_add(&ctx->trying, &server->trying);
    ngx_fed_timers_add(&ctx->expire, &server->expire);

    ev->source_data = server;

    conn->nservers++;

    return NGX_OK;
}


/* RFC 3261, 18.2.2: the address it came from, the port of sent-by */

static void
ngx_sip_server_address(ngx_sip_server_t *server, ngx_sip_conn_t *conn,
    ngx_sip_msg_t *msg)
{
    in_port_t          port;
    ngx_connection_t  *c;

    c = conn->link->connection;

    server->socklen = ngx_min(c->socklen, (socklen_t) sizeof(ngx_sockaddr_t));
    ngx_memcpy(&server->sockaddr, c->sockaddr, server->socklen);

    port = (in_port_t) msg->via.port;

    if (port == 0) {
        port = conn->link->secure ? NGX_SIP_TLS_PORT : NGX_SIP_PORT;
    }

    ngx_inet_set_port(&server->sockaddr.sockaddr, port);
}


/* RFC 4320, 4.1 */

static void
ngx_sip_server_trying(ngx_fed_timers_t *timers, ngx_fed_timer_t *timer)
{
    ngx_sip_server_t  *server;

    server = (ngx_sip_server_t *)
                 ((u_char *) timer - offsetof(ngx_sip_server_t, trying));

    server->tried = 1;

    if (server->event->link) {
        ngx_sip_server_send_trying(server, server->event->link);
    }
}


static void
ngx_sip_server_send_trying(ngx_sip_server_t *server, ngx_fed_link_t *link)
{
    u_char  *p;

    p = ngx_fed_link_reserve(link, sizeof("SIP/2.0 100 Trying" CRLF
                                          "Timestamp: " CRLF
                                          "Content-Length: 0" CRLF CRLF)
                                   + server->head.len + server->tail.len
                                   + server->timestamp.len);
    if (p == NULL) {
        return;
    }

    p = ngx_cpymem(p, "SIP/2.0 100 Trying" CRLF,
                   sizeof("SIP/2.0 100 Trying" CRLF) - 1);
    p = ngx_cpymem(p, server->head.data, server->head.len);
    p = ngx_cpymem(p, server->tail.data, server->tail.len);

    if (server->timestamp.len) {
        p = ngx_sprintf(p, "Timestamp: %V" CRLF, &server->timestamp);
    }

    p = ngx_cpymem(p, "Content-Length: 0" CRLF CRLF,
                   sizeof("Content-Length: 0" CRLF CRLF) - 1);

    ngx_fed_link_commit(link, p);
}


/*
 * The other side has no answer, and the client is about to give up: a final
 * response that comes later is worth nothing, and 408 is not for us to send
 * (RFC 4320, 4.2).
 */

static void
ngx_sip_server_expire(ngx_fed_timers_t *timers, ngx_fed_timer_t *timer)
{
    u_char             buf[NGX_SIP_TAIL_LEN], *p;
    ngx_str_t          tail, reason;
    ngx_uint_t         level;
    ngx_sip_server_t  *server;

    server = (ngx_sip_server_t *)
                 ((u_char *) timer - offsetof(ngx_sip_server_t, expire));

    level = ngx_fed_quiet_level(server->ctx->conf, NGX_FED_QUIET_SILENCE,
                                &server->event->to.domain, NGX_LOG_ERR);

    ngx_log_error(level, timers->event.log, 0,
                  "no outcome of a SIP MESSAGE to a user of \"%V\" in %M ms: "
                  "answered by 504", &server->event->to.domain,
                  timers->length);

    ngx_str_set(&reason, "Server Time-out");

    p = ngx_sprintf(buf, "%V" CRLF, &reason);
    p = ngx_sip_diagnose(p, server->ctx, server->event->from_domain, 504,
                         &reason);
    p = ngx_sprintf(p, "Content-Length: 0" CRLF CRLF);

    tail.data = buf;
    tail.len = p - buf;

    ngx_sip_server_final(server, 504, &tail);
}


/* The outcome of an event that came from the SIP side. */

void
ngx_sip_server_done(ngx_fed_event_t *ev)
{
    u_char             buf[NGX_SIP_TAIL_LEN];
    ngx_str_t          tail;
    ngx_uint_t         status;
    ngx_sip_server_t  *server;

    server = ev->source_data;

    if (server == NULL) {
        return;
    }

    if (server->answered) {
        ngx_log_error(NGX_LOG_INFO, ev->conf->log, 0,
                      "late outcome of a SIP MESSAGE to a user of \"%V\": %V",
                      &ev->to.domain,
                      ngx_fed_error_result_name(ev->outcome.result));

    } else {
        status = ngx_sip_server_tail(ev, buf, &tail);
        ngx_sip_server_final(server, status, &tail);

        if (ev->report && ev->outcome.result == NGX_FED_ACCEPTED) {
            ngx_sip_receipt_taken(ev);
        }
    }

    ngx_sip_server_end(ev);
}


/*
 * Sends a 200 to an INVITE, or sends it again (RFC 3261, 13.3.1.4).  The tail
 * is the status line from the reason on, and what follows CSeq.
 */

void
ngx_sip_server_accept(ngx_sip_server_t *server, ngx_str_t *tail)
{
    if (server->answered) {
        ngx_sip_server_send(server, 200, tail);
        return;
    }

    ngx_sip_server_final(server, 200, tail);
}


/* The end of a transaction that was answered; its event goes next. */

void
ngx_sip_server_end(ngx_fed_event_t *ev)
{
    ngx_sip_conn_t  *conn;

    ngx_sip_server_release(ev->source_data);

    if (ev->link) {
        conn = ev->link->data;
        conn->nservers--;

        if (!ev->link->closed) {
            ngx_sip_conn_settle(conn);
        }
    }
}


/* The tail is the status line from the reason on, and what follows CSeq. */

static void
ngx_sip_server_final(ngx_sip_server_t *server, ngx_uint_t status,
    ngx_str_t *tail)
{
    server->answered = 1;

    ngx_fed_timers_del(&server->ctx->trying, &server->trying);
    ngx_fed_timers_del(&server->ctx->expire, &server->expire);

    ngx_sip_server_send(server, status, tail);

    ngx_queue_remove(&server->known.queue);
    server->known.queue.next = NULL;

    ngx_sip_server_remember(server->ctx, &server->known.key, status, tail);
}


static void
ngx_sip_server_send(ngx_sip_server_t *server, ngx_uint_t status,
    ngx_str_t *tail)
{
    u_char          *p;
    size_t           size;
    ngx_str_t        rest, data;
    ngx_fed_link_t  *link;

    size = sizeof("SIP/2.0 200 ") + tail->len + server->head.len
           + server->tag.len + server->tail.len;

    link = ngx_sip_server_link(server);

    data.data = link ? ngx_fed_link_reserve(link, size)
                     : ngx_pnalloc(server->event->pool, size);

    if (data.data) {
        p = ngx_sip_server_status(data.data, status, tail, &rest);
        p = ngx_cpymem(p, server->head.data, server->head.len);
        p = ngx_cpymem(p, server->tag.data, server->tag.len);
        p = ngx_cpymem(p, server->tail.data, server->tail.len);
        p = ngx_cpymem(p, rest.data, rest.len);

        if (link) {
            ngx_fed_link_commit(link, p);

        } else {
            data.len = p - data.data;
            ngx_sip_reply(server, &data);
        }
    }
}


/* Writes the status line; rest is what follows the copied header fields. */

static u_char *
ngx_sip_server_status(u_char *dst, ngx_uint_t status, ngx_str_t *tail,
    ngx_str_t *rest)
{
    rest->data = ngx_strlchr(tail->data, tail->data + tail->len, LF) + 1;
    rest->len = tail->data + tail->len - rest->data;

    dst = ngx_cpymem(dst, "SIP/2.0 ", sizeof("SIP/2.0 ") - 1);

    *dst++ = (u_char) ('0' + status / 100);
    *dst++ = (u_char) ('0' + status / 10 % 10);
    *dst++ = (u_char) ('0' + status % 10);
    *dst++ = ' ';

    return ngx_cpymem(dst, tail->data, rest->data - tail->data);
}


/*
 * The connection of the request, or another one of the same peer if that is
 * gone, or NULL.
 */

static ngx_fed_link_t *
ngx_sip_server_link(ngx_sip_server_t *server)
{
    ngx_queue_t     *q;
    ngx_sip_ctx_t   *ctx;
    ngx_fed_link_t  *link;
    ngx_sip_conn_t  *conn;

    ctx = server->ctx;
    link = server->event->link;

    if (link && !link->closing && !link->closed) {
        return link;
    }

    for (q = ngx_queue_head(&ctx->conns);
         q != ngx_queue_sentinel(&ctx->conns);
         q = ngx_queue_next(q))
    {
        conn = ngx_queue_data(q, ngx_sip_conn_t, queue);

        if (conn->up && !conn->link->closing
            && ngx_fed_key_equal(&conn->identity, &server->identity))
        {
            return conn->link;
        }
    }

    return NULL;
}


static void
ngx_sip_server_release(ngx_sip_server_t *server)
{
    ngx_queue_remove(&server->merge);

    if (server->known.queue.next) {
        ngx_queue_remove(&server->known.queue);
    }

    ngx_fed_timers_del(&server->ctx->trying, &server->trying);
    ngx_fed_timers_del(&server->ctx->expire, &server->expire);
}


/* The oldest of the final responses that are kept makes room. */

static void
ngx_sip_server_remember(ngx_sip_ctx_t *ctx, ngx_fed_key_t *key,
    ngx_uint_t status, ngx_str_t *tail)
{
    ngx_sip_known_t  *known;

    known = &ctx->recent[ctx->next_recent];

    if (known->tail.len < tail->len) {

        if (known->tail.data) {
            ngx_free(known->tail.data);
        }

        known->tail.data = ngx_alloc(tail->len, ctx->conf->log);
    }

    ngx_queue_remove(&known->queue);
    ngx_queue_init(&known->queue);

    if (known->tail.data == NULL) {
        known->tail.len = 0;
        return;
    }

    ctx->next_recent = (ctx->next_recent + 1) % NGX_SIP_RECENT;

    ngx_memcpy(known->tail.data, tail->data, tail->len);
    known->tail.len = tail->len;
    known->key = *key;
    known->status = status;
    known->time = ngx_current_msec;

    ngx_queue_insert_head(ngx_sip_bucket(ctx->known, &known->key),
                          &known->queue);
}


/* Writes what an outcome adds to a response, and returns its status. */

static ngx_uint_t
ngx_sip_server_tail(ngx_fed_event_t *ev, u_char *dst, ngx_str_t *tail)
{
    u_char             *p;
    size_t              len;
    ngx_str_t           contact, reason;
    ngx_uint_t          status, retry_after;
    ngx_fed_outcome_t  *outcome;

    outcome = &ev->outcome;
    status = ev->status;
    contact.len = 0;

    if ((status == 301 || status == 302)
        && ngx_sip_server_contact(ev, &contact) != NGX_OK)
    {
        status = (status == 301) ? 410 : 480;
    }

    p = dst;
    len = 0;

    if (outcome->result != NGX_FED_ACCEPTED) {
        len = ngx_sip_phrase(p, &outcome->text);
    }

    if (len) {
        p += len;

    } else {
        p = ngx_sprintf(p, "%V", ngx_fed_error_reason(status));
    }

    reason.data = dst;
    reason.len = p - dst;

    *p++ = CR;
    *p++ = LF;

    if (contact.len) {
        p = ngx_sprintf(p, "Contact: <%V>" CRLF, &contact);
    }

    if (status == 405) {
        p = ngx_cpymem(p, NGX_SIP_ALLOW_NO_MESSAGE,
                       sizeof(NGX_SIP_ALLOW_NO_MESSAGE) - 1);

    } else if (status == 501) {
        p = ngx_sprintf(p, "%s", ngx_sip_dialects[ev->from_domain->dialect]
                                 ->allow);
    }

    retry_after = outcome->retry_after;

    if (retry_after == 0 && status == 500
        && (outcome->result == NGX_FED_QUEUE_FULL
            || (outcome->result == NGX_FED_STANZA_ERROR
                && outcome->type == NGX_FED_TYPE_WAIT)))
    {
        retry_after = NGX_SIP_RETRY_AFTER;
    }

    if (retry_after) {
        p = ngx_sprintf(p, "Retry-After: %ui" CRLF, retry_after);
    }

    p = ngx_sip_diagnose(p, ev->conf->sip_data, ev->from_domain, status,
                         &reason);

    p = ngx_cpymem(p, "Content-Length: 0" CRLF CRLF,
                   sizeof("Content-Length: 0" CRLF CRLF) - 1);

    tail->data = dst;
    tail->len = p - dst;

    return status;
}


/*
 * The address of gone or redirect as a SIP URI (RFC 7247, 7.1).  Returns
 * NGX_DECLINED if it has no such form, NGX_ERROR if there is no memory.
 */

static ngx_int_t
ngx_sip_server_contact(ngx_fed_event_t *ev, ngx_str_t *contact)
{
    ngx_int_t          rc;
    ngx_fed_address_t  addr;

    rc = ngx_fed_address_from_any(ev->pool, &ev->outcome.address, &addr);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_fed_address_sip_size(&addr) > NGX_SIP_CONTACT_LEN) {
        return NGX_DECLINED;
    }

    contact->data = ngx_pnalloc(ev->pool, ngx_fed_address_sip_size(&addr));
    if (contact->data == NULL) {
        return NGX_ERROR;
    }

    contact->len = ngx_fed_address_to_sip(contact->data, &addr)
                   - contact->data;

    return NGX_OK;
}
