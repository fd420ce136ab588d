
/*
 * Inbound streams: the receiving entity's part of RFC 6120.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_xmpp_stream.h"


#define NGX_XMPP_IN_BUFFER  4096
#define NGX_XMPP_IN_GRACE   1000         /* ms for what is waited for */
#define NGX_XMPP_IN_QUIT    50           /* ms between looks */


static void ngx_xmpp_in_header(void *data, ngx_xmpp_element_t *root);
static const char *ngx_xmpp_in_addresses(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *root);
static void ngx_xmpp_in_open(ngx_xmpp_stream_t *stream);
static void ngx_xmpp_in_features(ngx_xmpp_stream_t *stream);
static void ngx_xmpp_in_trust(ngx_xmpp_stream_t *stream);
static void ngx_xmpp_in_element(void *data, ngx_xmpp_element_t *el);
static void ngx_xmpp_in_starttls(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static void ngx_xmpp_in_secured(ngx_fed_link_t *link);
static void ngx_xmpp_in_closed(ngx_fed_link_t *link);
static void ngx_xmpp_in_timeout(ngx_fed_link_t *link);


static const ngx_xmpp_xml_ops_t  ngx_xmpp_in_xml = {
    ngx_xmpp_in_header,
    ngx_xmpp_in_element,
    ngx_xmpp_stream_end
};


static const ngx_fed_link_ops_t  ngx_xmpp_in_link = {
    ngx_xmpp_stream_input,
    ngx_xmpp_in_secured,
    ngx_xmpp_in_quit,
    ngx_xmpp_in_closed
};


/*
 * Takes an accepted connection, on which TLS may be up already (XEP-0368).  ssl
 * is what STARTTLS is done with, or NULL without a certificate.
 */

void
ngx_xmpp_accept(ngx_stream_session_t *s, ngx_fed_conf_t *fcf, ngx_ssl_t *ssl)
{
    ngx_fed_link_t     *link;
    ngx_connection_t   *c;
    ngx_xmpp_stream_t  *stream;

    c = s->connection;

    stream = ngx_xmpp_stream_create(fcf->xmpp_data, c->pool, NGX_XMPP_INBOUND,
                                    &ngx_xmpp_in_xml);
    if (stream == NULL) {
        ngx_stream_finalize_session(s, NGX_STREAM_INTERNAL_SERVER_ERROR);
        return;
    }

    stream->ssl = ssl;

    if (ngx_xmpp_xml_init(&stream->xml) != NGX_OK) {
        goto failed;
    }

    link = ngx_fed_link_create(fcf, c, s, &ngx_xmpp_in_link, stream,
                               NGX_XMPP_IN_BUFFER, NGX_XMPP_IN_BUFFER * 4);
    if (link == NULL) {
        goto failed;
    }

    stream->link = link;
    stream->direct = link->secure;

    ngx_fed_link_set_timeout(link, fcf->handshake_timeout, ngx_xmpp_in_timeout,
                             0);

    ngx_fed_link_busy(link, 0);

    ngx_fed_link_unproven(link, &fcf->xmpp_preauth);

    ngx_fed_link_start(link);

    return;

failed:

    ngx_xmpp_stream_free(stream);
    ngx_stream_finalize_session(s, NGX_STREAM_INTERNAL_SERVER_ERROR);
}


static void
ngx_xmpp_in_header(void *data, ngx_xmpp_element_t *root)
{
    const char         *condition;
    ngx_xmpp_stream_t  *stream;

    stream = data;

    condition = ngx_xmpp_stream_check(stream, root);

    if (condition == NULL) {
        condition = ngx_xmpp_in_addresses(stream, root);
    }

    if (condition) {
        ngx_xmpp_stream_error(stream, condition, "stream header");
        return;
    }

    stream->state = NGX_XMPP_OPEN;

    ngx_xmpp_in_open(stream);
}


/* RFC 6120, 4.7.1, 4.7.2 */

static const char *
ngx_xmpp_in_addresses(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *root)
{
    ngx_str_t   *from, *to, domain, proven;
    ngx_pool_t  *pool;

    pool = stream->pool;
    proven = stream->remote;

    from = &root->attr[NGX_XMPP_FROM];
    to = &root->attr[NGX_XMPP_TO];

    ngx_str_null(&stream->local);
    ngx_str_null(&stream->remote);

    if (from->data) {

        if (ngx_xmpp_domain(pool, from, &stream->remote) != NGX_OK) {
            return "improper-addressing";
        }
    }

    if (stream->sasl_done) {

        if (stream->remote.len == 0) {
            stream->remote = proven;
        }

        if (stream->remote.len != proven.len
            || ngx_memcmp(stream->remote.data, proven.data, proven.len) != 0)
        {
            return "invalid-from";
        }
    }

    if (stream->remote.len) {
        stream->domain = ngx_fed_domain_find(stream->conf, &stream->remote,
                                             &ngx_xmpp_leg);
        stream->link->peer = stream->remote;
    }

    if (to->data == NULL) {
        stream->local = stream->xmpp->hosted;
        return stream->local.len ? NULL : "host-unknown";
    }

    if (ngx_xmpp_domain(pool, to, &domain) != NGX_OK) {
        return "improper-addressing";
    }

    if (!ngx_xmpp_hosted(stream->xmpp, &domain, &stream->remote)) {
        return "host-unknown";
    }

    stream->local = domain;

    return NULL;
}


static void
ngx_xmpp_in_open(ngx_xmpp_stream_t *stream)
{
    ngx_uint_t        required;
    ngx_fed_link_t   *link;
    ngx_xmpp_pair_t  *pair;

    link = stream->link;

    required = !link->secure
               && (stream->domain == NULL
                   || stream->domain->tls == NGX_FED_TLS_REQUIRED);

    if (required && (stream->version == 0 || stream->ssl == NULL)) {
        ngx_xmpp_stream_error(stream, stream->version ? "policy-violation"
                                                      : "unsupported-version",
                              "no TLS");
        return;
    }

    if (ngx_xmpp_stream_header(stream) != NGX_OK) {
        return;
    }

    if (link->secure) {
        ngx_xmpp_in_trust(stream);
    }

    if (stream->version) {
        ngx_xmpp_in_features(stream);
    }

    if (stream->sasl_done) {
        stream->quit = 0;

        pair = ngx_xmpp_pair_add(stream, &stream->remote, &stream->local);

        if (pair) {
            ngx_xmpp_pair_proven(pair, "certificate");
            ngx_xmpp_bidi_proven(pair);
        }
    }
}


/* Sees whom the certificate stands for, as soon as the peer says who it is. */

static void
ngx_xmpp_in_trust(ngx_xmpp_stream_t *stream)
{
    ngx_str_t   problem;
    ngx_uint_t  level;

    stream->trusted = 0;

    if (stream->remote.len == 0 || stream->domain->leg != stream->conf->xmpp) {
        return;
    }

    if (ngx_xmpp_tls_identity(stream, &stream->remote, &problem) == NGX_OK) {
        stream->trusted = 1;
        return;
    }

    level = (stream->domain->auth == NGX_FED_AUTH_EXTERNAL) ? NGX_LOG_WARN
                                                            : NGX_LOG_INFO;

    level = ngx_fed_quiet_level(stream->conf, NGX_FED_QUIET_CERTIFICATE,
                                &stream->remote, level);

    ngx_log_error(level, stream->link->log, 0,
                  "certificate does not prove XMPP domain \"%V\": %V",
                  &stream->remote, &problem);
}


static void
ngx_xmpp_in_features(ngx_xmpp_stream_t *stream)
{
    ngx_uint_t         external, required;
    const char        *starttls, *mechanisms, *dialback, *sm;
    ngx_fed_conf_t    *fcf;
    ngx_fed_domain_t  *domain;

    fcf = stream->conf;
    domain = stream->domain;

    starttls = "";
    mechanisms = "";
    dialback = "";

    required = (domain == NULL || domain->tls == NGX_FED_TLS_REQUIRED);

    if (!stream->link->secure && stream->ssl) {
        starttls = required
                   ? "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'>"
                     "<required/></starttls>"
                   : "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    }

    if (stream->trusted && !stream->sasl_done
        && domain->auth != NGX_FED_AUTH_DIALBACK)
    {
        mechanisms = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                     "<mechanism>EXTERNAL</mechanism></mechanisms>";
    }

    external = (domain && domain->auth == NGX_FED_AUTH_EXTERNAL);

    if (!external && (stream->link->secure || !required)) {
        dialback = "<dialback xmlns='urn:xmpp:features:dialback'>"
                   "<errors/></dialback>";
    }

    sm = (stream->sasl_done && fcf->stream_management)
         ? "<sm xmlns='urn:xmpp:sm:3'/>" : "";

    (void) ngx_xmpp_stream_write(stream, "<stream:features>%s%s%s%s%s"
                "<limits xmlns='urn:xmpp:stream-limits:0'>"
                "<max-bytes>%uz</max-bytes>"
                "<idle-seconds>%M</idle-seconds></limits>"
                "</stream:features>",
                starttls, mechanisms, dialback,
                ngx_xmpp_bidi_feature(stream), sm, fcf->stanza_size,
                fcf->xmpp_idle_timeout / 1000);
}


static void
ngx_xmpp_in_element(void *data, ngx_xmpp_element_t *el)
{
    ngx_str_t           condition;
    ngx_xmpp_stream_t  *stream;

    stream = data;

    switch (el->ns) {

    case NGX_XMPP_NS_SERVER:
        ngx_xmpp_in_stanza(stream, el);
        return;

    case NGX_XMPP_NS_DIALBACK:
        ngx_xmpp_dialback_in(stream, el);
        return;

    case NGX_XMPP_NS_TLS:
        ngx_xmpp_in_starttls(stream, el);
        return;

    case NGX_XMPP_NS_SASL:
        ngx_xmpp_sasl_in(stream, el);
        return;

    case NGX_XMPP_NS_SM:
        ngx_xmpp_sm_in(stream, el);
        return;

    case NGX_XMPP_NS_BIDI:
        ngx_xmpp_bidi_in(stream, el);
        return;

    case NGX_XMPP_NS_STREAM:

        if (ngx_xmpp_is(el, NGX_XMPP_NS_STREAM, "error")) {
            ngx_xmpp_stream_received_error(stream, el, &condition);
            ngx_xmpp_stream_close(stream, "stream error received");
        }

        return;

    default:
        return;
    }
}


/* RFC 6120, 5.4.2 */

static void
ngx_xmpp_in_starttls(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    if (!ngx_xmpp_equal(&el->name, "starttls")) {
        return;
    }

    if (stream->link->secure || stream->ssl == NULL || stream->close_sent) {
        (void) ngx_xmpp_stream_write(stream,
                      "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        ngx_xmpp_stream_close(stream, "STARTTLS is not possible");
        return;
    }

    /* what goes back on the stream has no business on what follows */

    ngx_xmpp_out_closing(stream);

    if (ngx_xmpp_stream_write(stream,
                      "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        != NGX_OK)
    {
        return;
    }

    stream->starttls = 1;

    ngx_xmpp_xml_stop(&stream->xml);
}


/*
 * RFC 6120, 5.4.3.3: TLS is about to begin, and what was learnt before does not
 * count any more.
 */

void
ngx_xmpp_in_forget(ngx_xmpp_stream_t *stream)
{
    if (stream->nproven) {
        ngx_fed_link_set_timeout(stream->link, stream->conf->handshake_timeout,
                                 ngx_xmpp_in_timeout, 0);
        ngx_fed_link_unproven(stream->link, &stream->conf->xmpp_preauth);
    }

    ngx_xmpp_sm_done(stream);
    ngx_xmpp_in_drop(stream, 0);

    ngx_str_null(&stream->remote);
    ngx_str_null(&stream->local);
    ngx_str_null(&stream->link->peer);

    stream->domain = NULL;
    stream->bidi = 0;
    stream->ready = 0;
    stream->quit = 0;

    /* while it lasts, the link is not the leg's to close */

    ngx_fed_link_busy(stream->link, 1);
}


/*
 * The pairs of a stream are gone, and what is asked on their behalf is asked in
 * vain.  broken tells that it was not read to its end.
 */

void
ngx_xmpp_in_drop(ngx_xmpp_stream_t *stream, ngx_uint_t broken)
{
    ngx_queue_t      *q;
    ngx_xmpp_pair_t  *pair;

    for (q = ngx_queue_head(&stream->pairs);
         q != ngx_queue_sentinel(&stream->pairs);
         q = ngx_queue_next(q))
    {
        pair = ngx_queue_data(q, ngx_xmpp_pair_t, queue);

        if (pair->proven) {
            ngx_fed_zone_stream_closed(stream->conf, &pair->remote,
                                       &pair->local, broken);
        }

        if (pair->verify) {
            pair->verify->pair = NULL;
            ngx_xmpp_out_cancel(pair->verify);
        }

        if (pair->peer) {
            ngx_queue_remove(&pair->member);
            ngx_xmpp_out_leave(pair->peer);
        }
    }

    ngx_queue_init(&stream->pairs);

    stream->npairs = 0;
    stream->nproven = 0;
}


/* A stanza of the peer, on a stream that it may send on. */

void
ngx_xmpp_in_stanza(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    if (!ngx_xmpp_equal(&el->name, "message")
        && !ngx_xmpp_equal(&el->name, "presence")
        && !ngx_xmpp_equal(&el->name, "iq"))
    {
        ngx_xmpp_stream_error(stream, "unsupported-stanza-type",
                              "unknown stanza");
        return;
    }

    /* RFC 6120, 4.8.5: no prefixes for the content namespace */

    if (el->prefixed) {
        return;
    }

    if (stream->nproven == 0) {
        ngx_xmpp_stream_error(stream, "not-authorized",
                              "stanza ahead of authentication");
        return;
    }

    stream->last = ngx_current_msec;

    if (ngx_xmpp_sm_received(stream) != NGX_OK) {
        return;
    }

    ngx_xmpp_stanza_in(stream, el);
}


static void
ngx_xmpp_in_secured(ngx_fed_link_t *link)
{
    ngx_xmpp_stream_t  *stream;

    stream = link->data;

    if (ngx_xmpp_stream_restart(stream) != NGX_OK) {
        ngx_fed_link_close(link, "no memory");
        return;
    }

    ngx_fed_link_busy(link, 0);
}


/*
 * What this process, or another one that ends with it, waits for may come on
 * the stream, and is void when that ends: a peer that is well answers within
 * the time that it is given.
 */

void
ngx_xmpp_in_quit(ngx_fed_link_t *link)
{
    ngx_xmpp_stream_t  *stream;

    stream = link->data;

    if (!stream->quit) {
        stream->quit = 1;
        stream->quit_time = ngx_current_msec;
    }

    if (stream->nproven == 0
        || ngx_fed_zone_pending(stream->conf) == 0
        || ngx_current_msec - stream->quit_time
           >= NGX_XMPP_IN_GRACE)
    {
        ngx_xmpp_stream_close(stream, "the process ends");
        return;
    }

    ngx_fed_link_busy(link, 1);
    ngx_fed_link_set_timeout(link, NGX_XMPP_IN_QUIT, ngx_xmpp_in_quit, 0);
}


static void
ngx_xmpp_in_closed(ngx_fed_link_t *link)
{
    ngx_xmpp_stream_t  *stream;

    stream = link->data;

    if (stream->xml.parsing) {
        stream->gone = 1;
        return;
    }

    ngx_log_error(NGX_LOG_INFO, link->log, 0,
                  "inbound XMPP stream is down: %s, %ui domain pairs",
                  link->reason ? link->reason : "closed", stream->nproven);

    (void) ngx_xmpp_sm_suspend(stream);

    ngx_xmpp_in_drop(stream, !stream->close_received);
    ngx_xmpp_out_broken(stream, 0);
    ngx_xmpp_stream_free(stream);
}


static void
ngx_xmpp_in_timeout(ngx_fed_link_t *link)
{
    ngx_xmpp_stream_t  *stream;

    stream = link->data;

    if (stream->state == NGX_XMPP_TLS) {
        ngx_log_error(NGX_LOG_INFO, link->log, NGX_ETIMEDOUT,
                      "XMPP peer timed out in its TLS handshake");
        ngx_fed_link_close(link, "TLS handshake timed out");
        return;
    }

    ngx_xmpp_stream_error(stream, "connection-timeout",
                          "not authenticated in time");
}


/*
 * Finds the pair of the domains that stanzas come from and go to, or NULL.  The
 * one found comes first the next time.
 */

ngx_xmpp_pair_t *
ngx_xmpp_pair(ngx_xmpp_stream_t *stream, ngx_str_t *remote, ngx_str_t *local)
{
    ngx_queue_t      *q;
    ngx_xmpp_pair_t  *pair;

    for (q = ngx_queue_head(&stream->pairs);
         q != ngx_queue_sentinel(&stream->pairs);
         q = ngx_queue_next(q))
    {
        pair = ngx_queue_data(q, ngx_xmpp_pair_t, queue);

        if (pair->remote.len == remote->len
            && pair->local.len == local->len
            && ngx_memcmp(pair->remote.data, remote->data, remote->len) == 0
            && ngx_memcmp(pair->local.data, local->data, local->len) == 0)
        {
            if (q != ngx_queue_head(&stream->pairs)) {
                ngx_queue_remove(q);
                ngx_queue_insert_head(&stream->pairs, q);
            }

            return pair;
        }
    }

    return NULL;
}


/* Finds the pair, or adds it.  Returns NULL if there are too many. */

ngx_xmpp_pair_t *
ngx_xmpp_pair_add(ngx_xmpp_stream_t *stream, ngx_str_t *remote,
    ngx_str_t *local)
{
    u_char           *p;
    ngx_xmpp_pair_t  *pair;

    pair = ngx_xmpp_pair(stream, remote, local);

    if (pair) {
        return pair;
    }

    if (stream->npairs == stream->conf->stream_domains) {
        return NULL;
    }

    pair = ngx_pcalloc(stream->pool, sizeof(ngx_xmpp_pair_t));
    p = ngx_pnalloc(stream->pool, remote->len + local->len);

    if (pair == NULL || p == NULL) {
        return NULL;
    }

    pair->stream = stream;
    pair->remote.data = p;
    pair->remote.len = remote->len;
    pair->local.data = ngx_cpymem(p, remote->data, remote->len);
    pair->local.len = local->len;

    ngx_memcpy(pair->local.data, local->data, local->len);

    ngx_queue_insert_tail(&stream->pairs, &pair->queue);
    stream->npairs++;

    return pair;
}


/*
 * The peer may send from the one domain to the other from now on, unless that
 * ends the stream.  how is a text for the log of an inbound one.
 */

void
ngx_xmpp_pair_proven(ngx_xmpp_pair_t *pair, const char *how)
{
    ngx_xmpp_stream_t  *stream;

    if (pair->proven) {
        return;
    }

    stream = pair->stream;

    if (ngx_fed_zone_stream_opened(stream->conf, &pair->remote, &pair->local)
        != NGX_OK)
    {
        ngx_xmpp_stream_error(stream, "resource-constraint",
                              "the zone is full");
        return;
    }

    pair->proven = 1;
    stream->nproven++;

    if (stream->role != NGX_XMPP_INBOUND) {
        return;
    }

    ngx_fed_link_proven(stream->link);

    if (stream->link->peer.len == 0) {
        stream->link->peer = pair->remote;
    }

    ngx_log_error(NGX_LOG_NOTICE, stream->link->log, 0,
                  "inbound XMPP stream is up: from \"%V\" to \"%V\", "
                  "proven by %s, %s",
                  &pair->remote, &pair->local, how,
                  ngx_xmpp_stream_tls(stream));

    if (stream->nproven == 1) {
        stream->last = ngx_current_msec;

        if (!stream->close_sent && !stream->quit) {
            ngx_xmpp_stream_alive(stream);
        }
    }
}
