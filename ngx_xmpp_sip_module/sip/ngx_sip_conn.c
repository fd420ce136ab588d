
/*
 * A SIP connection: messages in, keepalive, time-outs, and the end of it
 * (RFC 3261, 18; RFC 5626, 4.4.1; RFC 5923, 8).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"


#define NGX_SIP_IN             16384
#define NGX_SIP_SKIP_MAX       (16 * 65536)    /* of a body that is refused */
#define NGX_SIP_PONG_TIMEOUT   10000           /* RFC 5626, 4.4.1 */


static void ngx_sip_handshake_timeout(ngx_fed_link_t *link);
static void ngx_sip_input(ngx_fed_link_t *link);
static void ngx_sip_secured(ngx_fed_link_t *link);
static void ngx_sip_quit(ngx_fed_link_t *link);
static void ngx_sip_closed(ngx_fed_link_t *link);
static void ngx_sip_blank(ngx_sip_conn_t *conn);
static ngx_int_t ngx_sip_input_message(ngx_sip_conn_t *conn);
static void ngx_sip_refuse_body(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
static void ngx_sip_refuse_framing(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
static void ngx_sip_partial_handler(ngx_fed_link_t *link);
static ngx_msec_t ngx_sip_idle_interval(ngx_fed_conf_t *fcf);
static void ngx_sip_idle_handler(ngx_fed_link_t *link);


static const ngx_fed_link_ops_t  ngx_sip_link_ops = {
    ngx_sip_input,
    ngx_sip_secured,
    ngx_sip_quit,
    ngx_sip_closed
};


/*
 * Makes a SIP connection of a connection, accepted if there is a session.
 * Returns NULL if there is no memory.
 */

ngx_sip_conn_t *
ngx_sip_conn_create(ngx_sip_ctx_t *ctx, ngx_connection_t *c,
    ngx_stream_session_t *s)
{
    ngx_fed_conf_t  *fcf;
    ngx_sip_conn_t  *conn;

    fcf = ctx->conf;

    conn = ngx_pcalloc(c->pool, sizeof(ngx_sip_conn_t));
    if (conn == NULL) {
        return NULL;
    }

    conn->ctx = ctx;
    conn->used = ngx_current_msec;
    conn->dialled = (s == NULL);

    ngx_queue_init(&conn->queue);
    ngx_queue_init(&conn->usable);
    ngx_queue_init(&conn->clients);

    conn->link = ngx_fed_link_create(fcf, c, s, &ngx_sip_link_ops, conn,
                                     NGX_SIP_IN,
                                     fcf->sip_header_size
                                     + fcf->sip_body_size);
    if (conn->link == NULL) {
        return NULL;
    }

    return conn;
}


/*
 * Makes a SIP connection of one that was dialled for a domain.  Returns NULL
 * if there is no memory: the connection is then closed.
 */

ngx_sip_conn_t *
ngx_sip_conn_dialled(ngx_sip_ctx_t *ctx, ngx_connection_t *c, ngx_str_t *name)
{
    ngx_sip_conn_t  *conn;

    conn = ngx_sip_conn_create(ctx, c, NULL);

    if (conn == NULL) {
        ngx_sip_conn_discard(c);
        return NULL;
    }

    ngx_sip_conn_name(conn, name);

    ngx_queue_insert_tail(&ctx->conns, &conn->queue);

    return conn;
}


/* Closes what was dialled for nothing. */

void
ngx_sip_conn_discard(ngx_connection_t *c)
{
    ngx_pool_t  *pool;

    pool = c->pool;

    ngx_close_connection(c);
    ngx_destroy_pool(pool);
}


/* Sets the name of the peer's domain, for log lines. */

void
ngx_sip_conn_name(ngx_sip_conn_t *conn, ngx_str_t *name)
{
    ngx_str_t  *peer;

    peer = &conn->link->peer;

    peer->data = ngx_pstrdup(conn->link->pool, name);
    peer->len = peer->data ? name->len : 0;
}


/* Begins TLS on a dialled connection, with its name as SNI (RFC 5922, 7.8). */

void
ngx_sip_conn_secure(ngx_sip_conn_t *conn)
{
    ngx_fed_conf_t  *fcf;

    fcf = conn->ctx->conf;

    ngx_fed_link_set_timeout(conn->link, fcf->handshake_timeout,
                             ngx_sip_handshake_timeout, 0);

    ngx_fed_link_secure(conn->link, fcf->sip_ssl, 1, &conn->link->peer);
}


static void
ngx_sip_handshake_timeout(ngx_fed_link_t *link)
{
    ngx_fed_link_close(link, "TLS handshake timed out");
}


/* The connection is set up: nothing is pending on it. */

void
ngx_sip_conn_ready(ngx_sip_conn_t *conn)
{
    conn->up = 1;

    ngx_fed_link_set_timeout(conn->link,
                             ngx_sip_idle_interval(conn->ctx->conf),
                             ngx_sip_idle_handler, 1);

    ngx_sip_conn_settle(conn);
}


/*
 * Called whenever something ended on the connection: the process need not wait
 * for it when nothing is pending.
 */

void
ngx_sip_conn_settle(ngx_sip_conn_t *conn)
{
    ngx_uint_t  busy;

    busy = !conn->up || conn->nservers || conn->nclients || conn->partial;

    ngx_fed_link_busy(conn->link, busy);

    if (!busy && conn->quitting) {
        ngx_fed_link_shutdown(conn->link, "the process ends");
    }
}


static void
ngx_sip_input(ngx_fed_link_t *link)
{
    size_t           n;
    ngx_buf_t       *b;
    ngx_uint_t       partial, done;
    ngx_sip_conn_t  *conn;

    conn = link->data;
    b = link->in;
    done = 0;

    while (b->pos < b->last && !link->closing) {

        /* what comes now is for the processes that stay */

        if (ngx_exiting && conn->nservers && conn->nclients == 0) {
            ngx_fed_link_pause(link);
            return;
        }

        if (conn->skip) {
            n = ngx_min(conn->skip, (size_t) (b->last - b->pos));
            conn->skip -= n;
            b->pos += n;
            continue;
        }

        if (*b->pos == CR || *b->pos == LF) {
            ngx_sip_blank(conn);

            if (link->closed) {
                return;
            }

            continue;
        }

        if (ngx_sip_input_message(conn) == NGX_AGAIN) {
            break;
        }

        if (link->closed) {
            return;
        }

        done = 1;
    }

    if (link->closing) {
        b->pos = b->last;
        return;
    }

    partial = (b->pos < b->last || conn->skip);

    if (done || !conn->partial) {
        conn->partial_since = ngx_current_msec;
    }

    if (partial != conn->partial) {
        conn->partial = partial;

        if (partial) {
            ngx_fed_link_set_timeout(link, link->conf->sip_read_timeout,
                                     ngx_sip_partial_handler, 0);
        } else {
            ngx_fed_link_set_timeout(link, ngx_sip_idle_interval(link->conf),
                                     ngx_sip_idle_handler, 1);
        }
    }

    ngx_sip_conn_settle(conn);
}


/*
 * Line ends between messages are ignored (RFC 3261, 7.5), but two are a ping,
 * answered by one, and one alone answers ours (RFC 5626, 4.4.1).
 */

static void
ngx_sip_blank(ngx_sip_conn_t *conn)
{
    u_char      ch;
    ngx_buf_t  *b;

    b = conn->link->in;
    ch = *b->pos++;

    if (ch == CR) {
        return;
    }

    if (conn->pinged) {
        conn->pinged = 0;
        conn->ponged = 1;

        if (b->pos == b->last) {
            conn->newlines = 0;
            return;
        }
    }

    if (++conn->newlines == 2) {
        conn->newlines = 0;
        conn->used = ngx_current_msec;
        (void) ngx_fed_link_literal(conn->link, CRLF);
    }
}


/* Returns NGX_AGAIN if there is no whole message yet. */

static ngx_int_t
ngx_sip_input_message(ngx_sip_conn_t *conn)
{
    ngx_int_t       rc;
    ngx_buf_t      *b;
    ngx_sip_ctx_t  *ctx;
    ngx_sip_msg_t  *msg;

    ctx = conn->ctx;
    msg = &ctx->msg;
    b = conn->link->in;

    rc = ngx_sip_parse(&conn->parser, msg, b->pos, b->last,
                       ctx->conf->sip_header_size, ctx->conf->sip_body_size);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    conn->newlines = 0;
    conn->used = ngx_current_msec;

    if (rc == NGX_ERROR) {
        ngx_sip_refuse_framing(conn, msg);
        return NGX_OK;
    }

    if (rc == NGX_DECLINED) {
        b->pos += conn->parser.header;
        ngx_memzero(&conn->parser, sizeof(ngx_sip_parser_t));
        ngx_sip_refuse_body(conn, msg);
        return NGX_OK;
    }

    b->pos += msg->size;
    ngx_memzero(&conn->parser, sizeof(ngx_sip_parser_t));

    if (msg->response) {
        ngx_sip_client_response(conn, msg);

    } else {
        ngx_sip_request(conn, msg);
    }

    return NGX_OK;
}


/* RFC 3261, 21.4.11 */

static void
ngx_sip_refuse_body(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_log_error(NGX_LOG_INFO, conn->link->log, 0,
                  "peer sent a SIP message with a body of %uz octets, which is "
                  "over \"sip_body_size\"", msg->content_length);

    if (!msg->response) {
        msg->error = 413;
        msg->problem = NULL;
        ngx_sip_request(conn, msg);
    }

    if (msg->content_length > NGX_SIP_SKIP_MAX) {
        ngx_fed_link_shutdown(conn->link, "SIP body too large");
        return;
    }

    conn->skip = msg->content_length;
}


/* Where the next message begins is unknown (RFC 3261, 18.3, 20.14). */

static void
ngx_sip_refuse_framing(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_log_error(NGX_LOG_INFO, conn->link->log, 0,
                  "peer sent what can not be told apart from what follows: "
                  "%s; the connection is closed", msg->problem);

    if (!msg->response) {
        ngx_sip_request(conn, msg);
    }

    ngx_fed_link_shutdown(conn->link, "bad framing");
}


/* The rest of a message does not come (RFC 3261, 18.3). */

static void
ngx_sip_partial_handler(ngx_fed_link_t *link)
{
    ngx_msec_t       left;
    ngx_sip_conn_t  *conn;

    conn = link->data;

    /* it may be there, but is not read while too much is open */

    if (link->paused) {
        conn->partial_since = ngx_current_msec;
    }

    left = conn->partial_since + link->conf->sip_read_timeout
           - ngx_current_msec;

    if ((ngx_msec_int_t) left > 0) {
        ngx_fed_link_set_timeout(link, left, ngx_sip_partial_handler, 0);
        return;
    }

    ngx_log_error(NGX_LOG_INFO, link->log, 0,
                  "peer sent a part of a SIP message, and no more for %M ms",
                  link->conf->sip_read_timeout);

    ngx_fed_link_shutdown(link, "a SIP message was not completed");
}


/* How often a connection is looked after; keepalive may be off. */

static ngx_msec_t
ngx_sip_idle_interval(ngx_fed_conf_t *fcf)
{
    if (fcf->sip_keepalive == 0) {
        return ngx_max(fcf->sip_idle_timeout, 1);
    }

    return ngx_max(ngx_min(fcf->sip_keepalive, fcf->sip_idle_timeout), 1);
}


/* Nothing but whole messages was read for a while. */

static void
ngx_sip_idle_handler(ngx_fed_link_t *link)
{
    ngx_msec_t       next;
    ngx_sip_conn_t  *conn;

    conn = link->data;
    next = ngx_sip_idle_interval(link->conf);

    if (conn->pinged && conn->ponged) {
        ngx_log_error(NGX_LOG_INFO, link->log, 0,
                      "peer answers keepalive no more");
        ngx_fed_link_close(link, "no answer to keepalive");
        return;
    }

    if (conn->nservers == 0 && conn->nclients == 0
        && ngx_current_msec - conn->used >= link->conf->sip_idle_timeout)
    {
        ngx_fed_link_shutdown(link, "idle");
        return;
    }

    /* who opened the connection keeps it alive */

    if (conn->dialled && link->conf->sip_keepalive) {

        if (ngx_fed_link_literal(link, CRLF CRLF) != NGX_OK) {
            return;
        }

        conn->pinged = 1;

        if (conn->ponged) {
            next = ngx_min(NGX_SIP_PONG_TIMEOUT, next);

        } else {
            next += ngx_random() % (next / 4 + 1);
        }
    }

    ngx_fed_link_set_timeout(link, next, ngx_sip_idle_handler, 1);
}


static void
ngx_sip_secured(ngx_fed_link_t *link)
{
    ngx_sip_conn_t  *conn;

    conn = link->data;

    if (conn->reply) {
        ngx_sip_reply_secured(conn);
        return;
    }

    ngx_sip_peer_secured(conn);
}


static void
ngx_sip_quit(ngx_fed_link_t *link)
{
    ngx_sip_conn_t  *conn;

    conn = link->data;
    conn->quitting = 1;

    ngx_sip_conn_settle(conn);
}


static void
ngx_sip_closed(ngx_fed_link_t *link)
{
    ngx_sip_conn_t  *conn;

    conn = link->data;

    conn->up = 0;

    ngx_queue_remove(&conn->queue);
    ngx_queue_init(&conn->queue);

    if (conn->reply) {
        ngx_sip_reply_closed(conn);
        return;
    }

    ngx_sip_peer_closed(conn);
    ngx_sip_client_lost(conn);
}
