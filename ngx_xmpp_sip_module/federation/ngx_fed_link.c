
/*
 * A link: a connection of either leg, accepted or dialled, with what is
 * buffered on it and the events that came on it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_fed.h"


#define NGX_FED_LINK_SIGNATURE  0x4b4e494c       /* "LINK" */

#define NGX_FED_LINK_OUT        16384
#define NGX_FED_LINK_TURN       16384            /* octets read in one turn */
#define NGX_FED_LINK_LINGER     2000
#define NGX_FED_LINK_LOG_CONF   256


extern ngx_module_t  ngx_stream_log_module;


static ngx_fed_link_t *ngx_fed_link_get(ngx_connection_t *c);
static void ngx_fed_link_read_handler(ngx_event_t *rev);
static void ngx_fed_link_wait(ngx_fed_link_t *link);
static void ngx_fed_link_turn_handler(ngx_event_t *ev);
static void ngx_fed_link_write_handler(ngx_event_t *wev);
static void ngx_fed_link_flush_handler(ngx_event_t *ev);
static void ngx_fed_link_timer_handler(ngx_event_t *ev);
static void ngx_fed_link_destroy_handler(ngx_event_t *ev);
static ngx_int_t ngx_fed_link_space(ngx_fed_link_t *link);
static ngx_uint_t ngx_fed_link_overloaded(ngx_fed_link_t *link);
static void ngx_fed_link_resume(ngx_fed_link_t *link);
static void ngx_fed_link_flush(ngx_fed_link_t *link);
static void ngx_fed_link_handshake(ngx_fed_link_t *link);
static void ngx_fed_link_handshake_handler(ngx_connection_t *c);
static void ngx_fed_link_finish(ngx_fed_link_t *link);
static void ngx_fed_link_finish_ssl(ngx_connection_t *c);
static void ngx_fed_link_linger_handler(ngx_event_t *rev);
static void ngx_fed_link_end(ngx_fed_link_t *link);
static void ngx_fed_link_empty_handler(ngx_event_t *ev);
static void ngx_fed_link_silence(ngx_stream_session_t *s);
static void ngx_fed_link_cleanup(void *data);
static u_char *ngx_fed_link_log_dialled(ngx_log_t *log, u_char *buf,
    size_t len);
static u_char *ngx_fed_link_log_session(ngx_log_t *log, u_char *buf,
    size_t len);


/* Prepares the turns of a worker's links. */

void
ngx_fed_link_init_process(ngx_fed_conf_t *fcf)
{
    ngx_queue_init(&fcf->turns);

    fcf->turn.handler = ngx_fed_link_turn_handler;
    fcf->turn.data = fcf;
    fcf->turn.log = fcf->log;
}


/*
 * Makes a link of a connection: one that was accepted, of session s, or, with
 * s of NULL, one that was dialled; its pool, which the link takes over, ends
 * with it.  The buffer for what is read has in_size octets and grows up to
 * in_max.  Returns NULL if there is no memory; the connection is then still
 * the caller's.
 */

ngx_fed_link_t *
ngx_fed_link_create(ngx_fed_conf_t *fcf, ngx_connection_t *c,
    ngx_stream_session_t *s, const ngx_fed_link_ops_t *ops, void *data,
    size_t in_size, size_t in_max)
{
    ngx_fed_link_t      *link;
    ngx_pool_cleanup_t  *cln;

    link = ngx_pcalloc(c->pool, sizeof(ngx_fed_link_t));
    if (link == NULL) {
        return NULL;
    }

    link->in = ngx_calloc_buf(c->pool);
    if (link->in == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(c->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_fed_link_cleanup;
    cln->data = link;

    link->signature = NGX_FED_LINK_SIGNATURE;
    link->connection = c;
    link->session = s;
    link->conf = fcf;
    link->pool = c->pool;
    link->log = c->log;
    link->ops = ops;
    link->data = data;
    link->in_max = in_max;
    link->last_in = ngx_current_msec;
    link->last_out = ngx_current_msec;
    link->secure = (c->ssl != NULL);

    ngx_queue_init(&link->events);

    if (ngx_fed_link_grow(link, in_size) != NGX_OK) {
        return NULL;
    }

    link->flush.handler = ngx_fed_link_flush_handler;
    link->flush.data = link;
    link->flush.log = c->log;

    link->timer.handler = ngx_fed_link_timer_handler;
    link->timer.data = link;
    link->timer.log = c->log;

    if (s) {
        ngx_stream_set_ctx(s, link, ngx_xmpp_sip_module);
        s->log_handler = ngx_fed_link_log_session;

    } else {
        c->data = link;
        c->log->data = link;
        c->log->handler = ngx_fed_link_log_dialled;
    }

    c->read->handler = ngx_fed_link_read_handler;
    c->write->handler = ngx_fed_link_write_handler;

    link->busy = 1;

    return link;
}


/*
 * Begins to read.  What a phase of the session read ahead is input at once.
 */

void
ngx_fed_link_start(ngx_fed_link_t *link)
{
    size_t             size;
    ngx_connection_t  *c;

    c = link->connection;

    if (c->buffer && c->buffer->pos < c->buffer->last) {

        size = c->buffer->last - c->buffer->pos;

        if ((size_t) (link->in->end - link->in->last) < size
            && ngx_fed_link_grow(link, size) != NGX_OK)
        {
            ngx_fed_link_close(link, "no memory");
            return;
        }

        link->in->last = ngx_cpymem(link->in->last, c->buffer->pos, size);
        c->buffer->pos = c->buffer->last;

        link->ops->input(link);

        if (link->closed) {
            return;
        }
    }

    ngx_post_event(c->read, &ngx_posted_events);
}


static ngx_fed_link_t *
ngx_fed_link_get(ngx_connection_t *c)
{
    ngx_fed_link_t        *link;
    ngx_stream_session_t  *s;

    link = c->data;

    if (link->signature == NGX_FED_LINK_SIGNATURE) {
        return link;
    }

    s = c->data;

    return ngx_stream_get_module_ctx(s, ngx_xmpp_sip_module);
}


static void
ngx_fed_link_read_handler(ngx_event_t *rev)
{
    size_t             left, size;
    ssize_t            n;
    ngx_fed_link_t    *link;
    ngx_connection_t  *c;

    c = rev->data;
    link = ngx_fed_link_get(c);

    if (c->close) {
        c->close = 0;

        if (c->error) {
            ngx_fed_link_close(link, "worker_shutdown_timeout passed");
            return;
        }

        link->ops->quit(link);

        if (link->closed) {
            return;
        }
    }

    if (link->waiting) {
        return;
    }

    for (left = NGX_FED_LINK_TURN; left; left -= n) {

        if (link->handshake || link->ssl) {
            return;
        }

        if (link->paused || ngx_fed_link_overloaded(link)) {
            link->paused = 1;
            return;
        }

        if (ngx_fed_link_space(link) != NGX_OK) {
            ngx_fed_link_close(link, "no memory");
            return;
        }

        size = ngx_min((size_t) (link->in->end - link->in->last), left);

        n = c->recv(c, link->in->last, size);

        if (n == NGX_AGAIN) {
            if (ngx_handle_read_event(rev, 0) != NGX_OK) {
                ngx_fed_link_close(link, "no event");
            }

            return;
        }

        if (n == NGX_ERROR) {
            ngx_fed_link_close(link, "reading failed");
            return;
        }

        if (n == 0) {
            link->eof = 1;

            ngx_fed_link_flush(link);

            if (!link->closing) {
                ngx_fed_link_close(link, "closed by the peer");
            }

            return;
        }

        link->in->last += n;
        link->last_in = ngx_current_msec;

        if (link->session) {
            link->session->received += n;
        }

        if (link->closing) {
            link->in->last = link->in->pos;
            continue;
        }

        link->ops->input(link);

        if (link->closed || link->paused) {
            return;
        }

        if (!rev->ready) {
            if (ngx_handle_read_event(rev, 0) != NGX_OK) {
                ngx_fed_link_close(link, "no event");
            }

            return;
        }
    }

    ngx_fed_link_wait(link);
}


/*
 * A link on which more may have come than is read in one turn waits for the
 * next one.  Of all that wait one has its turn each time that the event loop
 * goes round, so that those who send much, over however many links, have as
 * much of the worker as one of them, and the others are heard in between.
 */

static void
ngx_fed_link_wait(ngx_fed_link_t *link)
{
    ngx_fed_conf_t  *fcf;

    if (link->waiting) {
        return;
    }

    fcf = link->conf;

    link->waiting = 1;

    ngx_queue_insert_tail(&fcf->turns, &link->turn);

    if (!fcf->turn.posted) {
        ngx_post_event(&fcf->turn, &ngx_posted_next_events);
    }
}


static void
ngx_fed_link_turn_handler(ngx_event_t *ev)
{
    ngx_queue_t     *q;
    ngx_fed_conf_t  *fcf;
    ngx_fed_link_t  *link;

    fcf = ev->data;

    if (ngx_queue_empty(&fcf->turns)) {
        return;
    }

    q = ngx_queue_head(&fcf->turns);
    link = ngx_queue_data(q, ngx_fed_link_t, turn);

    ngx_queue_remove(q);
    link->waiting = 0;

    ngx_fed_link_read_handler(link->connection->read);

    if (!ngx_queue_empty(&fcf->turns) && !ev->posted) {
        ngx_post_event(ev, &ngx_posted_next_events);
    }
}


/* Makes room in the buffer, at its end. */

static ngx_int_t
ngx_fed_link_space(ngx_fed_link_t *link)
{
    ngx_buf_t  *b;

    b = link->in;

    if (b->pos == b->last) {
        b->pos = b->start;
        b->last = b->start;
        return NGX_OK;
    }

    if (b->last < b->end) {
        return NGX_OK;
    }

    if (b->pos > b->start) {
        ngx_memmove(b->start, b->pos, b->last - b->pos);
        b->last = b->start + (b->last - b->pos);
        b->pos = b->start;
        return NGX_OK;
    }

    return ngx_fed_link_grow(link, 1);
}


/*
 * Grows the buffer for what is read so that it takes size octets more than it
 * holds.  Returns NGX_DECLINED if that is over the limit, NGX_ERROR if there
 * is no memory.
 */

ngx_int_t
ngx_fed_link_grow(ngx_fed_link_t *link, size_t size)
{
    u_char     *p;
    size_t      len, have;
    ngx_buf_t  *b;

    b = link->in;

    len = b->last - b->pos;
    have = ngx_max((size_t) (b->end - b->start) * 2, len + size);
    have = ngx_min(have, link->in_max);

    if (have < len + size) {
        return NGX_DECLINED;
    }

    p = ngx_alloc(have, link->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (len) {
        ngx_memcpy(p, b->pos, len);
    }

    if (b->start) {
        ngx_free(b->start);
    }

    b->start = p;
    b->pos = p;
    b->last = p + len;
    b->end = p + have;

    return NGX_OK;
}


static ngx_uint_t
ngx_fed_link_overloaded(ngx_fed_link_t *link)
{
    return link->nevents >= link->conf->link_events
           || (size_t) (link->out.last - link->out.pos)
              >= link->conf->output_size;
}


static void
ngx_fed_link_resume(ngx_fed_link_t *link)
{
    if (link->nevents > link->conf->link_events / 2
        || (size_t) (link->out.last - link->out.pos)
           > link->conf->output_size / 2)
    {
        return;
    }

    link->paused = 0;

    ngx_fed_link_wait(link);
}


/* Reads no more until one of the events that came on the link is done. */

void
ngx_fed_link_pause(ngx_fed_link_t *link)
{
    link->paused = 1;
}


/* One of the events that came on the link is done. */

void
ngx_fed_link_event_done(ngx_fed_link_t *link)
{
    link->nevents--;

    if (link->paused && !link->closed) {
        ngx_fed_link_resume(link);
    }
}


/*
 * Finds room for size octets of output and returns where they go, or NULL if
 * there is no memory or the peer does not read: the link is then closed.
 * ngx_fed_link_commit() says how much was written there.
 */

u_char *
ngx_fed_link_reserve(ngx_fed_link_t *link, size_t size)
{
    u_char     *p;
    size_t      len, have;
    ngx_buf_t  *b;

    if (link->closed || link->closing) {
        return NULL;
    }

    b = &link->out;

    if ((size_t) (b->end - b->last) >= size) {
        return b->last;
    }

    len = b->last - b->pos;

    if (len + size <= (size_t) (b->end - b->start) && len < NGX_FED_LINK_OUT) {
        ngx_memmove(b->start, b->pos, len);
        b->pos = b->start;
        b->last = b->start + len;
        return b->last;
    }

    if (len > 4 * link->conf->output_size) {
        ngx_log_error(NGX_LOG_ERR, link->log, 0,
                      "the peer does not read: %uz octets wait", len);
        ngx_fed_link_close(link, "the peer does not read");
        return NULL;
    }

    have = ngx_max((size_t) (b->end - b->start) * 2, NGX_FED_LINK_OUT);

    while (have < len + size) {
        have *= 2;
    }

    p = ngx_alloc(have, link->log);
    if (p == NULL) {
        ngx_fed_link_close(link, "no memory");
        return NULL;
    }

    if (len) {
        ngx_memcpy(p, b->pos, len);
    }

    if (b->start) {
        ngx_free(b->start);
    }

    b->start = p;
    b->pos = p;
    b->last = p + len;
    b->end = p + have;

    return b->last;
}


/* Takes what was written up to last, and sends it at the end of the turn. */

void
ngx_fed_link_commit(ngx_fed_link_t *link, u_char *last)
{
    link->out.last = last;

    if (!link->flush.posted && !link->handshake) {
        ngx_post_event(&link->flush, &ngx_posted_events);
    }
}


/* Sends len octets.  Returns NGX_ERROR if the link is closed. */

ngx_int_t
ngx_fed_link_write(ngx_fed_link_t *link, u_char *p, size_t len)
{
    u_char  *dst;

    dst = ngx_fed_link_reserve(link, len);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    ngx_fed_link_commit(link, ngx_cpymem(dst, p, len));

    return NGX_OK;
}


static void
ngx_fed_link_write_handler(ngx_event_t *wev)
{
    ngx_connection_t  *c;

    c = wev->data;

    ngx_fed_link_flush(ngx_fed_link_get(c));
}


static void
ngx_fed_link_flush_handler(ngx_event_t *ev)
{
    ngx_fed_link_flush(ev->data);
}


static void
ngx_fed_link_flush(ngx_fed_link_t *link)
{
    ssize_t            n;
    ngx_buf_t         *b;
    ngx_connection_t  *c;

    if (link->closed || link->handshake) {
        return;
    }

    b = &link->out;
    c = link->connection;

    while (b->pos < b->last) {

        n = c->send(c, b->pos, b->last - b->pos);

        if (n == NGX_AGAIN) {
            if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
                ngx_fed_link_close(link, "no event");
            }

            return;
        }

        if (n == NGX_ERROR) {
            ngx_fed_link_close(link, "writing failed");
            return;
        }

        b->pos += n;
        link->last_out = ngx_current_msec;
    }

    b->pos = b->start;
    b->last = b->start;

    if (b->end - b->start > 4 * NGX_FED_LINK_OUT) {
        ngx_free(b->start);
        ngx_memzero(b, sizeof(ngx_buf_t));
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        ngx_fed_link_close(link, "no event");
        return;
    }

    if (link->ssl) {
        ngx_fed_link_handshake(link);
        return;
    }

    if (link->closing) {
        ngx_fed_link_finish(link);
        return;
    }

    if (link->paused) {
        ngx_fed_link_resume(link);
    }
}


/*
 * Begins TLS, as the client or as the server, once what was written before is
 * sent; ops->secured() tells of its success.  A failure closes the link.  What
 * the peer's certificate proves is for ops->secured() to find out.
 */

void
ngx_fed_link_secure(ngx_fed_link_t *link, ngx_ssl_t *ssl, ngx_uint_t client,
    ngx_str_t *sni)
{
    link->ssl = ssl;
    link->client = client;

    if (sni && sni->len) {
        link->sni.data = ngx_pnalloc(link->pool, sni->len + 1);
        if (link->sni.data == NULL) {
            ngx_fed_link_close(link, "no memory");
            return;
        }

        ngx_cpystrn(link->sni.data, sni->data, sni->len + 1);
        link->sni.len = sni->len;
    }

    ngx_fed_link_flush(link);
}


static void
ngx_fed_link_handshake(ngx_fed_link_t *link)
{
    SSL               *sc;
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = link->connection;

    if (ngx_ssl_create_connection(link->ssl, c,
                                  link->client ? NGX_SSL_CLIENT : 0)
        != NGX_OK)
    {
        ngx_fed_link_close(link, "no memory");
        return;
    }

    link->ssl = NULL;
    link->handshake = 1;

    sc = c->ssl->connection;

    if (link->client) {

#ifdef SSL_OP_NO_RENEGOTIATION
        /* nginx sets it for servers only: RFC 6120, 5.3.5 */

        SSL_set_options(sc, SSL_OP_NO_RENEGOTIATION);
#endif

        if (link->sni.len
            && SSL_set_tlsext_host_name(sc, (char *) link->sni.data) == 0)
        {
            ngx_ssl_error(NGX_LOG_ERR, c->log, 0,
                          "SSL_set_tlsext_host_name(\"%s\") failed",
                          link->sni.data);
            ngx_fed_link_close(link, "TLS failed");
            return;
        }

        if (link->alpn.len
            && SSL_set_alpn_protos(sc, link->alpn.data, link->alpn.len) != 0)
        {
            ngx_ssl_error(NGX_LOG_ERR, c->log, 0,
                          "SSL_set_alpn_protos() failed");
            ngx_fed_link_close(link, "TLS failed");
            return;
        }
    }

    link->log->action = "SSL handshaking";

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = ngx_fed_link_handshake_handler;
        return;
    }

    ngx_fed_link_handshake_handler(c);
}


/* OpenSSL's callback that takes any certificate: its result is kept. */

int
ngx_fed_link_verify(int ok, X509_STORE_CTX *store)
{
    return 1;
}


static void
ngx_fed_link_handshake_handler(ngx_connection_t *c)
{
    ngx_fed_link_t  *link;

    link = ngx_fed_link_get(c);

    link->handshake = 0;

    if (!c->ssl->handshaked) {
        ngx_fed_link_close(link, "TLS handshake failed");
        return;
    }

    link->log->action = NULL;
    link->secure = 1;
    link->last_in = ngx_current_msec;

    c->read->handler = ngx_fed_link_read_handler;
    c->write->handler = ngx_fed_link_write_handler;

    link->ops->secured(link);

    if (link->closed) {
        return;
    }

    ngx_post_event(c->read, &ngx_posted_events);
}


/*
 * Calls handler after timeout milliseconds, in place of what was set before;
 * 0 takes the timer back.  A process that ends does not wait for a cancelable
 * one.
 */

void
ngx_fed_link_set_timeout(ngx_fed_link_t *link, ngx_msec_t timeout,
    void (*handler)(ngx_fed_link_t *link), ngx_uint_t cancelable)
{
    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    if (timeout == 0 || link->closed) {
        return;
    }

    link->timeout = handler;
    link->timer.cancelable = cancelable;

    ngx_add_timer(&link->timer, timeout);
}


static void
ngx_fed_link_timer_handler(ngx_event_t *ev)
{
    ngx_fed_link_t  *link;

    link = ev->data;

    if (!link->closed) {
        link->timeout(link);
    }
}


/*
 * Says whether something is pending on the link, so that the process can not
 * end, or none is: then ops->quit() is called when it wants to.
 */

void
ngx_fed_link_busy(ngx_fed_link_t *link, ngx_uint_t busy)
{
    ngx_connection_t  *c;

    if (link->closed || link->busy == busy) {
        return;
    }

    c = link->connection;

    link->busy = busy;
    c->idle = !busy;

    if (!busy && ngx_exiting) {
        c->close = 1;
        ngx_post_event(c->read, &ngx_posted_events);
    }
}


void
ngx_fed_preauth_init(ngx_fed_preauth_t *preauth)
{
    ngx_queue_init(&preauth->queue);
    preauth->n = 0;
}


/*
 * The link, which was accepted, proves nothing as yet: if there are too many of
 * those, the oldest one is closed, at once and without another word, as it
 * takes room until it is gone.
 */

void
ngx_fed_link_unproven(ngx_fed_link_t *link, ngx_fed_preauth_t *preauth)
{
    ngx_uint_t       level;
    ngx_queue_t     *q;
    ngx_fed_conf_t  *fcf;
    ngx_fed_link_t  *old;

    if (link->closed || link->unproven) {
        return;
    }

    fcf = link->conf;

    if (preauth->n >= fcf->preauth_connections) {

        q = ngx_queue_head(&preauth->queue);
        old = ngx_queue_data(q, ngx_fed_link_t, preauth);

        level = ngx_fed_quiet_level(fcf, NGX_FED_QUIET_PREAUTH, NULL,
                                    NGX_LOG_WARN);

        ngx_log_error(level, old->log, 0,
                      "the oldest of %ui connections that are not "
                      "authenticated is closed: see \"preauth_connections\", "
                      "and \"limit_conn\" against a single address",
                      preauth->n);

        ngx_fed_link_proven(old);

        if (old->lingering) {
            ngx_fed_link_end(old);

        } else {
            ngx_fed_link_close(old, "too many are not authenticated");
        }
    }

    link->unproven = preauth;

    ngx_queue_insert_tail(&preauth->queue, &link->preauth);
    preauth->n++;
}


/* The link is one of those no more. */

void
ngx_fed_link_proven(ngx_fed_link_t *link)
{
    if (link->unproven) {
        ngx_queue_remove(&link->preauth);
        link->unproven->n--;
        link->unproven = NULL;
    }
}


/*
 * Closes the link once its output is sent, as TLS and TCP want it: with
 * close_notify, and without cutting off what the peer has yet to read.
 */

void
ngx_fed_link_shutdown(ngx_fed_link_t *link, const char *reason)
{
    if (link->closed || link->closing) {
        return;
    }

    link->closing = 1;
    link->reason = reason;

    ngx_fed_link_busy(link, 1);

    if (!link->flush.posted) {
        ngx_post_event(&link->flush, &ngx_posted_events);
    }

    ngx_fed_link_set_timeout(link, link->conf->close_timeout,
                             ngx_fed_link_finish, 0);
}


/*
 * Detaches the link from its leg, then waits a moment for the peer's end, as a
 * reset would take away what the peer has not read yet.
 */

static void
ngx_fed_link_finish(ngx_fed_link_t *link)
{
    ngx_connection_t  *c;

    c = link->connection;

    link->lingering = 1;

    ngx_fed_link_close(link, link->reason);

    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;

        if (ngx_ssl_shutdown(c) == NGX_AGAIN) {
            c->ssl->handler = ngx_fed_link_finish_ssl;
            return;
        }
    }

    ngx_fed_link_finish_ssl(c);
}


static void
ngx_fed_link_finish_ssl(ngx_connection_t *c)
{
    c->read->handler = ngx_fed_link_linger_handler;
    c->write->handler = ngx_fed_link_linger_handler;

    if (ngx_shutdown_socket(c->fd, NGX_WRITE_SHUTDOWN) == -1) {

        /* the peer is gone already */

        ngx_fed_link_end(ngx_fed_link_get(c));
        return;
    }

    ngx_add_timer(c->read, NGX_FED_LINK_LINGER);

    ngx_fed_link_linger_handler(c->read);
}


static void
ngx_fed_link_linger_handler(ngx_event_t *rev)
{
    u_char             buf[NGX_FED_LINK_TURN];
    ssize_t            n;
    ngx_fed_link_t    *link;
    ngx_connection_t  *c;

    c = rev->data;
    rev = c->read;
    link = ngx_fed_link_get(c);

    if (!rev->timedout && !c->close) {

        n = c->recv(c, buf, sizeof(buf));

        if (n > 0) {
            ngx_post_event(rev, &ngx_posted_next_events);
            return;
        }

        if (n == NGX_AGAIN && ngx_handle_read_event(rev, 0) == NGX_OK) {
            return;
        }
    }

    ngx_fed_link_end(link);
}


static void
ngx_fed_link_end(ngx_fed_link_t *link)
{
    link->lingering = 0;

    ngx_post_event(&link->flush, &ngx_posted_events);
}


/*
 * Closes the link at once.  The events that came on it lose it, ops->closed()
 * is called, and its memory goes with the event loop's next turn.
 */

void
ngx_fed_link_close(ngx_fed_link_t *link, const char *reason)
{
    ngx_uint_t         handshake;
    ngx_connection_t  *c;

    if (link->closed) {
        return;
    }

    c = link->connection;

    ngx_log_debug1(NGX_LOG_DEBUG_STREAM, link->log, 0,
                   "fed link close: %s", reason);

    link->closed = 1;
    link->reason = reason;

    handshake = link->handshake;
    link->handshake = 0;

    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    if (link->flush.posted) {
        ngx_delete_posted_event(&link->flush);
    }

    if (link->waiting) {
        ngx_queue_remove(&link->turn);
        link->waiting = 0;
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    c->idle = 0;

    if (handshake && c->ssl) {
        c->ssl->no_send_shutdown = 1;
        c->ssl->no_wait_shutdown = 1;
    }

    ngx_fed_event_orphan(link);

    link->ops->closed(link);

    link->flush.handler = ngx_fed_link_destroy_handler;

    if (!link->lingering) {
        c->read->handler = ngx_fed_link_empty_handler;
        c->write->handler = ngx_fed_link_empty_handler;
        ngx_post_event(&link->flush, &ngx_posted_events);
    }
}


static void
ngx_fed_link_destroy_handler(ngx_event_t *ev)
{
    ngx_pool_t        *pool;
    ngx_fed_link_t    *link;
    ngx_connection_t  *c;

    link = ev->data;
    c = link->connection;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
    }

    if (link->session) {
        ngx_fed_link_silence(link->session);
        ngx_stream_finalize_session(link->session, NGX_STREAM_OK);
        return;
    }

    if (c->ssl) {
        (void) ngx_ssl_shutdown(c);
    }

    pool = c->pool;

    ngx_close_connection(c);
    ngx_destroy_pool(pool);
}


static void
ngx_fed_link_empty_handler(ngx_event_t *ev)
{
    ngx_log_debug0(NGX_LOG_DEBUG_STREAM, ev->log, 0, "fed link is closed");
}


/*
 * Keeps the session of a link out of the access log, which has a line for each
 * event, not for each connection: a log module's configuration of zeroes means
 * that there is no log.
 */

static void
ngx_fed_link_silence(ngx_stream_session_t *s)
{
    void  **conf, *none;

    conf = ngx_palloc(s->connection->pool,
                      sizeof(void *) * ngx_stream_max_module);
    none = ngx_pcalloc(s->connection->pool, NGX_FED_LINK_LOG_CONF);

    if (conf == NULL || none == NULL) {
        return;
    }

    ngx_memcpy(conf, s->srv_conf, sizeof(void *) * ngx_stream_max_module);

    conf[ngx_stream_log_module.ctx_index] = none;

    s->srv_conf = conf;
}


static void
ngx_fed_link_cleanup(void *data)
{
    ngx_fed_link_t  *link = data;

    ngx_fed_link_proven(link);

    if (link->in->start) {
        ngx_free(link->in->start);
    }

    if (link->out.start) {
        ngx_free(link->out.start);
    }
}


static u_char *
ngx_fed_link_log_dialled(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char          *p;
    ngx_fed_link_t  *link;

    if (log->action) {
        p = ngx_snprintf(buf, len, " while %s", log->action);
        len -= p - buf;
        buf = p;
    }

    link = log->data;

    p = ngx_snprintf(buf, len, ", peer: %V, domain: %V, federation: %V",
                     &link->connection->addr_text, &link->peer,
                     &link->conf->name);

    return p;
}


static u_char *
ngx_fed_link_log_session(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                *p;
    ngx_fed_link_t        *link;
    ngx_stream_session_t  *s;

    s = log->data;
    link = ngx_stream_get_module_ctx(s, ngx_xmpp_sip_module);

    p = ngx_snprintf(buf, len, ", domain: %V, federation: %V", &link->peer,
                     &link->conf->name);

    return p;
}
