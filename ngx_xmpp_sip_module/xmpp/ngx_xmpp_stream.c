
/*
 * Streams, whoever opened them: headers, errors, the end (RFC 6120, 4).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_xmpp_stream.h"


#define NGX_XMPP_WRITE  4096


static void ngx_xmpp_stream_stopped(ngx_xmpp_stream_t *stream);
static void ngx_xmpp_stream_starttls(ngx_xmpp_stream_t *stream);
static ngx_int_t ngx_xmpp_stream_version(ngx_str_t *value,
    ngx_uint_t *version);
static void ngx_xmpp_stream_alive_handler(ngx_fed_link_t *link);
static void ngx_xmpp_stream_close_handler(ngx_fed_link_t *link);


/*
 * Makes a stream, to which the caller gives its link.  Returns NULL if there
 * is no memory.
 */

ngx_xmpp_stream_t *
ngx_xmpp_stream_create(ngx_xmpp_t *xmpp, ngx_pool_t *pool,
    ngx_xmpp_role_e role, const ngx_xmpp_xml_ops_t *ops)
{
    ngx_fed_conf_t     *fcf;
    ngx_xmpp_stream_t  *stream;

    stream = ngx_pcalloc(pool, sizeof(ngx_xmpp_stream_t));
    if (stream == NULL) {
        return NULL;
    }

    fcf = xmpp->conf;

    stream->xmpp = xmpp;
    stream->conf = fcf;
    stream->pool = pool;
    stream->log = pool->log;
    stream->role = role;
    stream->last = ngx_current_msec;

    ngx_queue_init(&stream->pairs);
    ngx_queue_init(&stream->routes);

    stream->xml.log = pool->log;
    stream->xml.ops = ops;
    stream->xml.data = stream;
    stream->xml.stanza_size = fcf->stanza_size;
    stream->xml.max_depth = fcf->xml_depth;
    stream->xml.max_attributes = fcf->xml_attributes;

    ngx_queue_insert_tail(&xmpp->streams, &stream->queue);

    return stream;
}


/* Frees what is not in the pool. */

void
ngx_xmpp_stream_free(ngx_xmpp_stream_t *stream)
{
    ngx_xmpp_sm_done(stream);
    ngx_queue_remove(&stream->queue);
    ngx_xmpp_xml_done(&stream->xml);
}


/* The peer's next header is awaited. */

ngx_int_t
ngx_xmpp_stream_restart(ngx_xmpp_stream_t *stream)
{
    stream->state = NGX_XMPP_HEADER;
    stream->restart = 0;
    stream->header_sent = 0;
    stream->version = 0;

    ngx_str_null(&stream->id);
    ngx_str_null(&stream->lang);

    return ngx_xmpp_xml_init(&stream->xml);
}


/* Takes what was read on the link of a stream. */

void
ngx_xmpp_stream_input(ngx_fed_link_t *link)
{
    size_t              len;
    ngx_int_t           rc;
    ngx_buf_t          *b;
    ngx_xmpp_stream_t  *stream;

    b = link->in;
    stream = link->data;

    while (b->pos < b->last) {

        if (stream->error_sent || stream->close_received
            || stream->state == NGX_XMPP_TLS)
        {
            b->pos = b->last;
            return;
        }

        if (stream->xml.fed == 0 && ngx_strchr(" \t\r\n", *b->pos) && *b->pos) {
            b->pos++;
            continue;
        }

        len = b->last - b->pos;

        if (stream->role == NGX_XMPP_INBOUND && stream->nproven == 0) {
            stream->received += len;

            if (stream->received > stream->conf->preauth_size) {
                b->pos = b->last;
                ngx_xmpp_stream_error(stream, "policy-violation",
                                      "too much was sent unauthenticated");
                return;
            }
        }

        rc = ngx_xmpp_xml_parse(&stream->xml, b->pos, len);

        if (stream->gone) {
            link->ops->closed(link);
            return;
        }

        if (rc == NGX_OK) {
            b->pos = b->last;
            return;
        }

        if (rc == NGX_ERROR) {
            b->pos = b->last;

            if (!stream->error_sent) {
                ngx_xmpp_stream_error(stream, stream->xml.error,
                                      stream->xml.error);
            }

            return;
        }

        b->pos += stream->xml.used;

        ngx_xmpp_stream_stopped(stream);

        if (link->closed) {
            return;
        }
    }
}


/* A handler stopped the parser, for what is not to be done within it. */

static void
ngx_xmpp_stream_stopped(ngx_xmpp_stream_t *stream)
{
    if (stream->error_sent || stream->close_received) {
        return;
    }

    if (stream->starttls) {
        ngx_xmpp_stream_starttls(stream);
        return;
    }

    if (stream->restart && ngx_xmpp_stream_restart(stream) != NGX_OK) {
        ngx_fed_link_close(stream->link, "no memory");
        return;
    }

    if (stream->role != NGX_XMPP_INBOUND
        && stream->state == NGX_XMPP_HEADER)
    {
        (void) ngx_xmpp_stream_header(stream);
    }
}


/*
 * RFC 6120, 5.4.3: what came after <starttls/> or <proceed/> is nothing that
 * may be read once TLS is up.
 */

static void
ngx_xmpp_stream_starttls(ngx_xmpp_stream_t *stream)
{
    ngx_buf_t       *b;
    ngx_uint_t       level;
    ngx_fed_link_t  *link;

    link = stream->link;
    b = link->in;

    stream->starttls = 0;

    if (b->pos < b->last) {
        level = ngx_fed_quiet_level(stream->conf, NGX_FED_QUIET_PLAINTEXT,
                                    NULL, NGX_LOG_WARN);

        ngx_log_error(level, link->log, 0,
                      "XMPP peer sent plaintext ahead of its TLS handshake");
        ngx_fed_link_close(link, "plaintext ahead of TLS");
        return;
    }

    stream->state = NGX_XMPP_TLS;

    if (stream->role != NGX_XMPP_INBOUND) {
        ngx_fed_link_secure(link, stream->conf->xmpp_ssl, 1, &stream->remote);
        return;
    }

    ngx_xmpp_in_forget(stream);
    ngx_xmpp_xml_done(&stream->xml);

    ngx_fed_link_secure(link, stream->ssl, 0, NULL);
}


/* Says for logs how the stream is secured. */

const char *
ngx_xmpp_stream_tls(ngx_xmpp_stream_t *stream)
{
    if (!stream->link->secure) {
        return "no TLS";
    }

    return stream->direct ? "direct TLS" : "TLS";
}


/*
 * Writes a text as ngx_sprintf() makes it.  Returns NGX_ERROR if the link is
 * closed.
 */

ngx_int_t ngx_cdecl
ngx_xmpp_stream_write(ngx_xmpp_stream_t *stream, const char *fmt, ...)
{
    u_char   *p, *last;
    va_list   args;

    if (stream->link == NULL || stream->close_sent) {
        return NGX_ERROR;
    }

    p = ngx_fed_link_reserve(stream->link, NGX_XMPP_WRITE);
    if (p == NULL) {
        return NGX_ERROR;
    }

    va_start(args, fmt);
    last = ngx_vslprintf(p, p + NGX_XMPP_WRITE, fmt, args);
    va_end(args);

    if (last == p + NGX_XMPP_WRITE) {
        ngx_log_error(NGX_LOG_ALERT, stream->link->log, 0,
                      "too long for a stream: \"%s\"", fmt);
        return NGX_ERROR;
    }

    ngx_fed_link_commit(stream->link, last);

    return NGX_OK;
}


/*
 * Sends our header (RFC 6120, 4.7).  That of an outbound stream names us only
 * under TLS, or when there will be none.
 */

ngx_int_t
ngx_xmpp_stream_header(ngx_xmpp_stream_t *stream)
{
    ngx_str_t    id, from, to, *local;
    ngx_uint_t   inbound;
    const char  *version;

    if (stream->header_sent) {
        return NGX_OK;
    }

    inbound = (stream->role == NGX_XMPP_INBOUND);
    local = &stream->local;

    ngx_str_null(&id);
    ngx_str_null(&from);

    if (inbound) {

        if (stream->id.len == 0 && ngx_xmpp_stream_id(stream) != NGX_OK) {
            return NGX_ERROR;
        }

        id = stream->id;

        if (local->len == 0) {
            local = &stream->xmpp->hosted;
        }

        from = ngx_xmpp_domain_text(stream->pool, local);

    } else if (stream->link->secure || stream->domain->tls == NGX_FED_TLS_OFF) {
        from = ngx_xmpp_domain_text(stream->pool, local);
    }

    to = ngx_xmpp_domain_text(stream->pool, &stream->remote);

    version = " version='1.0'";

    if (inbound && stream->state != NGX_XMPP_HEADER && stream->version == 0) {
        version = "";
    }

    stream->header_sent = 1;

    return ngx_xmpp_stream_write(stream, "<?xml version='1.0'?>"
                 "<stream:stream xmlns='jabber:server'"
                 " xmlns:stream='http://etherx.jabber.org/streams'"
                 " xmlns:db='jabber:server:dialback'"
                 "%s%V%s%s%V%s%s%V%s xml:lang='en'%s>",
                 id.len ? " id='" : "", &id, id.len ? "'" : "",
                 from.len ? " from='" : "", &from, from.len ? "'" : "",
                 to.len ? " to='" : "", &to, to.len ? "'" : "",
                 version);
}


/* RFC 6120, 4.7.3: nobody guesses it, and it never comes again. */

ngx_int_t
ngx_xmpp_stream_id(ngx_xmpp_stream_t *stream)
{
    stream->id.data = ngx_pnalloc(stream->pool, NGX_XMPP_ID_LEN);
    if (stream->id.data == NULL) {
        return NGX_ERROR;
    }

    stream->id.len = NGX_XMPP_ID_LEN;

    ngx_xmpp_random_hex(stream->xmpp, stream->id.data, NGX_XMPP_ID_LEN);

    return NGX_OK;
}


/*
 * Checks the namespaces and the version of the peer's header (RFC 6120, 4.7.5,
 * 4.8) and keeps what the stream needs of it.  Returns the condition of the
 * stream error, or NULL.
 */

const char *
ngx_xmpp_stream_check(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *root)
{
    ngx_str_t  *lang;

    if (!ngx_xmpp_equal(&root->name, "stream")) {
        return "bad-format";
    }

    if (root->ns != NGX_XMPP_NS_STREAM) {
        return "invalid-namespace";
    }

    if (stream->xml.content != NGX_XMPP_NS_SERVER
        && (stream->xml.content != NGX_XMPP_NS_STREAM || root->prefixed))
    {
        return "invalid-namespace";
    }

    if (ngx_xmpp_stream_version(&root->attr[NGX_XMPP_VERSION],
                                &stream->version)
        != NGX_OK)
    {
        return "unsupported-version";
    }

    lang = &root->attr[NGX_XMPP_LANG];

    if (lang->len && lang->len < 64) {
        stream->lang.data = ngx_pstrdup(stream->pool, lang);

        if (stream->lang.data == NULL) {
            return "internal-server-error";
        }

        stream->lang.len = lang->len;
    }

    return NULL;
}


/* RFC 6120, 4.7.5: "major.minor", compared as numbers; absent is 0.9 */

static ngx_int_t
ngx_xmpp_stream_version(ngx_str_t *value, ngx_uint_t *version)
{
    u_char     *dot;
    ngx_int_t   major, minor;

    if (value->data == NULL) {
        *version = 0;
        return NGX_OK;
    }

    dot = ngx_strlchr(value->data, value->data + value->len, '.');

    if (dot == NULL) {
        return NGX_ERROR;
    }

    major = ngx_atoi(value->data, dot - value->data);
    minor = ngx_atoi(dot + 1, value->data + value->len - (dot + 1));

    if (major == NGX_ERROR || minor == NGX_ERROR) {
        return NGX_ERROR;
    }

    *version = major;

    return NGX_OK;
}


/*
 * Ends the stream with a stream error of ours (RFC 6120, 4.9).  The reason is
 * for the log.
 */

void
ngx_xmpp_stream_error(ngx_xmpp_stream_t *stream, const char *condition,
    const char *reason)
{
    ngx_uint_t       level;
    ngx_fed_link_t  *link;

    link = stream->link;

    if (link == NULL || link->closed || stream->error_sent) {
        return;
    }

    level = NGX_LOG_INFO;

    if (stream->role != NGX_XMPP_INBOUND) {
        level = ngx_fed_quiet_level(stream->conf, NGX_FED_QUIET_STREAM_ERROR,
                                    &stream->remote, NGX_LOG_ERR);
    }

    ngx_log_error(level, link->log, 0, "XMPP stream error %s sent: %s",
                  condition, reason);

    if (!stream->close_sent && stream->state != NGX_XMPP_TLS) {
        (void) ngx_xmpp_stream_header(stream);

        (void) ngx_xmpp_stream_write(stream, "<stream:error>"
                   "<%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>%s"
                   "</stream:error></stream:stream>", condition,
                   stream->xml.too_big
                       ? "<stanza-too-big xmlns='urn:xmpp:errors'/>" : "");
    }

    stream->error_sent = 1;
    stream->close_sent = 1;

    if (stream->reason == NULL) {
        stream->reason = reason;
    }

    if (stream->xml.parsing) {
        ngx_xmpp_xml_stop(&stream->xml);
    }

    ngx_fed_link_shutdown(link, reason);
}


/*
 * Ends the stream without an error: what the peer still sends is taken until
 * it ends the stream as well, for a while (RFC 6120, 4.4).
 */

void
ngx_xmpp_stream_close(ngx_xmpp_stream_t *stream, const char *reason)
{
    ngx_fed_link_t  *link;

    link = stream->link;

    if (link == NULL || link->closed || stream->close_sent) {
        return;
    }

    stream->reason = reason;

    if (!stream->header_sent || stream->state == NGX_XMPP_TLS) {
        ngx_fed_link_shutdown(link, reason);
        return;
    }

    ngx_xmpp_out_closing(stream);

    /* the peer goes on on another stream */

    ngx_fed_event_ending(link);

    (void) ngx_xmpp_stream_write(stream, "</stream:stream>");

    stream->close_sent = 1;

    if (stream->close_received) {
        ngx_fed_link_shutdown(link, reason);
        return;
    }

    ngx_fed_link_busy(link, 1);
    ngx_fed_link_set_timeout(link, stream->conf->close_timeout,
                             ngx_xmpp_stream_close_handler, 0);
}


static void
ngx_xmpp_stream_close_handler(ngx_fed_link_t *link)
{
    ngx_fed_link_shutdown(link, "stream was not closed by the peer");
}


/* The peer closed its side of the stream. */

void
ngx_xmpp_stream_end(void *data)
{
    ngx_xmpp_stream_t  *stream;

    stream = data;

    stream->close_received = 1;

    ngx_fed_event_ending(stream->link);

    ngx_xmpp_xml_stop(&stream->xml);

    if (stream->close_sent) {
        ngx_fed_link_shutdown(stream->link, stream->reason);
        return;
    }

    ngx_xmpp_stream_close(stream, "stream closed by the peer");
}


/* Reads the condition of a stream error, in the element's memory, and logs. */

void
ngx_xmpp_stream_received_error(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el, ngx_str_t *condition)
{
    u_char               buf[2][NGX_XMPP_LOG_TEXT];
    ngx_str_t            name, text;
    ngx_uint_t           level;
    ngx_xmpp_element_t  *child, *info;

    ngx_str_set(condition, "undefined-condition");

    for (child = el->first; child; child = child->next) {

        if (child->ns == NGX_XMPP_NS_STREAM_ERRORS
            && !ngx_xmpp_equal(&child->name, "text"))
        {
            *condition = child->name;
            break;
        }
    }

    ngx_str_null(&text);

    info = ngx_xmpp_xml_child(el, NGX_XMPP_NS_STREAM_ERRORS, "text");

    if (info) {
        text = ngx_fed_text_log(buf[0], NGX_XMPP_LOG_TEXT, &info->text);
    }

    name = ngx_fed_text_log(buf[1], NGX_XMPP_LOG_TEXT, condition);

    level = ngx_fed_quiet_level(stream->conf, NGX_FED_QUIET_STREAM_ERROR,
                                &stream->remote, NGX_LOG_ERR);

    ngx_log_error(level, stream->link->log, 0,
                  "XMPP stream error %V received%s%V%s", &name,
                  text.len ? ": \"" : "", &text, text.len ? "\"" : "");
}


/* The stream is up: from now on it is kept alive, and closed when idle. */

void
ngx_xmpp_stream_alive(ngx_xmpp_stream_t *stream)
{
    ngx_msec_t       now, idle, wait, silence;
    ngx_fed_conf_t  *fcf;
    ngx_fed_link_t  *link;

    fcf = stream->conf;
    link = stream->link;
    now = ngx_current_msec;

    if (stream->expires && stream->expires <= ngx_time()) {

        ngx_xmpp_out_closing(stream);

        /* RFC 6120, 4.9.3.16 */

        ngx_xmpp_stream_error(stream, "reset",
                              "the peer's certificate expired");
        return;
    }

    idle = now - stream->last;

    if (idle >= fcf->xmpp_idle_timeout) {

        if (!ngx_xmpp_out_pending(stream)) {
            ngx_xmpp_stream_close(stream, "idle");
            return;
        }

        idle = 0;
    }

    wait = fcf->xmpp_idle_timeout - idle;

    if (stream->role == NGX_XMPP_OUTBOUND && fcf->xmpp_keepalive) {

        silence = now - link->last_out;

        if (silence >= fcf->xmpp_keepalive) {

            if (ngx_fed_link_literal(link, " ") != NGX_OK) {
                return;
            }

            silence = 0;
        }

        wait = ngx_min(wait, fcf->xmpp_keepalive - silence);
    }

    if (stream->expires
        && stream->expires - ngx_time() < (time_t) (wait / 1000 + 1))
    {
        wait = (ngx_msec_t) (stream->expires - ngx_time()) * 1000;
    }

    ngx_fed_link_set_timeout(link, wait, ngx_xmpp_stream_alive_handler, 1);
}


static void
ngx_xmpp_stream_alive_handler(ngx_fed_link_t *link)
{
    ngx_xmpp_stream_alive(link->data);
}


/*
 * Reads the name of a domain as it stands in XML: NGX_OK with the form that
 * names are compared in, NGX_DECLINED if there is none.
 */

ngx_int_t
ngx_xmpp_domain(ngx_pool_t *pool, ngx_str_t *text, ngx_str_t *domain)
{
    ngx_str_null(domain);

    if (text->len == 0 || text->len > NGX_FED_PART_MAX) {
        return NGX_DECLINED;
    }

    if (ngx_fed_address_domain(pool, text, domain) != NGX_OK) {
        ngx_str_null(domain);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* The form of a domain that stands in XML (RFC 7622, 3.2.1): U-labels. */

ngx_str_t
ngx_xmpp_domain_text(ngx_pool_t *pool, ngx_str_t *domain)
{
    ngx_str_t  text;

    if (domain->len <= 4
        || ngx_strlcasestrn(domain->data, domain->data + domain->len,
                            (u_char *) "xn--", 4 - 1)
           == NULL
        || ngx_fed_address_domain_unicode(pool, domain, &text) != NGX_OK)
    {
        return *domain;
    }

    return text;
}


/*
 * Are we the XMPP server of the domain, as remote, which may be empty, sees it?
 * To our own XMPP servers we are that of all domains which are federated with,
 * so that a stanza for one that is not behind us is answered by an error which
 * says so.
 */

ngx_uint_t
ngx_xmpp_hosted(ngx_xmpp_t *xmpp, ngx_str_t *domain, ngx_str_t *remote)
{
    ngx_fed_conf_t    *fcf;
    ngx_fed_domain_t  *entry;

    fcf = xmpp->conf;

    entry = ngx_fed_domain_find(fcf, domain, fcf->sip);

    if (entry->leg == fcf->sip && !entry->automatic) {
        return 1;
    }

    if (entry->leg == NULL || entry->home) {
        return 0;
    }

    return remote->len == 0
           || ngx_fed_domain_find(fcf, remote, fcf->xmpp)->home;
}


/* Writes len hex digits, len being even. */

void
ngx_xmpp_random_hex(ngx_xmpp_t *xmpp, u_char *dst, size_t len)
{
    len /= 2;

    if (xmpp->nrandom < len) {

        if (RAND_bytes(xmpp->random, sizeof(xmpp->random)) != 1) {
            ngx_ssl_error(NGX_LOG_EMERG, xmpp->log, 0, "RAND_bytes() failed");
            ngx_abort();
        }

        xmpp->nrandom = sizeof(xmpp->random);
    }

    xmpp->nrandom -= len;

    (void) ngx_hex_dump(dst, xmpp->random + xmpp->nrandom, len);
}
