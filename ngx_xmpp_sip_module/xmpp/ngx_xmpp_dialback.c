
/*
 * Server dialback (XEP-0220) in all three roles, with keys by XEP-0185.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include <openssl/hmac.h>
#include "ngx_xmpp_stream.h"


#define NGX_XMPP_STREAM_ID_MAX  256


static void ngx_xmpp_dialback_result(ngx_xmpp_stream_t *stream,
    ngx_str_t *remote, ngx_str_t *local, ngx_str_t *key);
static const char *ngx_xmpp_dialback_policy(ngx_xmpp_stream_t *stream,
    ngx_str_t *remote, ngx_str_t *local);
static void ngx_xmpp_dialback_authoritative(ngx_xmpp_stream_t *stream,
    ngx_str_t *receiving, ngx_str_t *originating, ngx_str_t *id,
    ngx_str_t *key);
static void ngx_xmpp_dialback_type(ngx_xmpp_stream_t *stream,
    ngx_str_t *remote, ngx_str_t *local, const char *type);
static void ngx_xmpp_dialback_error(ngx_xmpp_stream_t *stream,
    ngx_str_t *remote, ngx_str_t *local, const char *condition);
static ngx_xmpp_route_t *ngx_xmpp_dialback_route(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static void ngx_xmpp_dialback_further(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static void ngx_xmpp_dialback_unsolicited(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static ngx_str_t ngx_xmpp_dialback_trim(ngx_str_t *text);


/* On an inbound stream: we are the receiving or the authoritative server. */

void
ngx_xmpp_dialback_in(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_str_t    from, to, key, *id;
    ngx_pool_t  *pool;

    if (el->attr[NGX_XMPP_TYPE].data) {
        ngx_xmpp_dialback_unsolicited(stream, el);
        return;
    }

    pool = stream->xml.pool;

    if (ngx_xmpp_domain(pool, &el->attr[NGX_XMPP_FROM], &from) != NGX_OK
        || ngx_xmpp_domain(pool, &el->attr[NGX_XMPP_TO], &to) != NGX_OK)
    {
        ngx_xmpp_stream_error(stream, "improper-addressing", "dialback");
        return;
    }

    key = ngx_xmpp_dialback_trim(&el->text);

    if (ngx_xmpp_equal(&el->name, "result")) {
        ngx_xmpp_dialback_result(stream, &from, &to, &key);
        return;
    }

    if (ngx_xmpp_equal(&el->name, "verify")) {
        id = &el->attr[NGX_XMPP_ID];
        ngx_xmpp_dialback_authoritative(stream, &from, &to, id, &key);
    }
}


/* XEP-0220, 2.1.2: the peer wants to send from remote to local */

static void
ngx_xmpp_dialback_result(ngx_xmpp_stream_t *stream, ngx_str_t *remote,
    ngx_str_t *local, ngx_str_t *key)
{
    u_char             buf[NGX_XMPP_LOG_TEXT];
    ngx_str_t          name;
    ngx_uint_t         level;
    const char        *condition;
    ngx_xmpp_pair_t   *pair;

    condition = ngx_xmpp_dialback_policy(stream, remote, local);

    if (condition) {
        name = ngx_fed_text_log(buf, NGX_XMPP_LOG_TEXT, local);

        level = ngx_fed_quiet_level(stream->conf, NGX_FED_QUIET_DIALBACK,
                                    remote, NGX_LOG_WARN);

        ngx_log_error(level, stream->link->log, 0,
                      "dialback from \"%V\" to \"%V\" refused: %s",
                      remote, &name, condition);

        ngx_xmpp_dialback_error(stream, remote, local, condition);
        return;
    }

    if (key->len == 0 || key->len > NGX_XMPP_KEY_MAX) {
        ngx_xmpp_dialback_error(stream, remote, local, "bad-request");
        return;
    }

    pair = ngx_xmpp_pair_add(stream, remote, local);

    if (pair == NULL) {
        level = ngx_fed_quiet_level(stream->conf, NGX_FED_QUIET_DIALBACK,
                                    remote, NGX_LOG_WARN);

        ngx_log_error(level, stream->link->log, 0,
                      "dialback from \"%V\" refused: there are %ui pairs of "
                      "domains on its stream already",
                      remote, stream->npairs);
        ngx_xmpp_dialback_error(stream, remote, local, "resource-constraint");
        return;
    }

    if (pair->verify) {
        return;
    }

    if (!pair->proven && stream->trusted
        && ngx_fed_domain_find(stream->conf, remote, &ngx_xmpp_leg)->auth
           != NGX_FED_AUTH_DIALBACK
        && stream->remote.len == remote->len
        && ngx_memcmp(stream->remote.data, remote->data, remote->len) == 0)
    {
        ngx_xmpp_pair_proven(pair, "certificate");

        if (!pair->proven) {
            return;
        }
    }

    if (pair->proven) {
        ngx_xmpp_dialback_type(stream, remote, local, "valid");
        ngx_xmpp_bidi_proven(pair);
        return;
    }

    /* strangers have us connect to whom they please */

    if (stream->xmpp->nverify >= stream->conf->preauth_connections) {

        level = ngx_fed_quiet_level(stream->conf, NGX_FED_QUIET_DIALBACK,
                                    remote, NGX_LOG_WARN);

        ngx_log_error(level, stream->link->log, 0,
                      "dialback from \"%V\" refused: %ui keys are being "
                      "verified already, see \"preauth_connections\"",
                      remote, stream->xmpp->nverify);
        ngx_xmpp_dialback_error(stream, remote, local, "resource-constraint");
        return;
    }

    pair->verify = ngx_xmpp_out_verify(pair, key);

    if (pair->verify == NULL) {
        ngx_xmpp_dialback_error(stream, remote, local,
                                "internal-server-error");
    }
}


/* Returns the condition a pair is refused with, or NULL. */

static const char *
ngx_xmpp_dialback_policy(ngx_xmpp_stream_t *stream, ngx_str_t *remote,
    ngx_str_t *local)
{
    ngx_str_t          problem;
    ngx_fed_domain_t  *domain;

    if (!ngx_xmpp_hosted(stream->xmpp, local, remote)) {
        return "item-not-found";
    }

    domain = ngx_fed_domain_find(stream->conf, remote, &ngx_xmpp_leg);

    if (domain == NULL || domain->leg != stream->conf->xmpp) {
        return "not-allowed";
    }

    if (!stream->link->secure && domain->tls == NGX_FED_TLS_REQUIRED) {
        return "policy-violation";
    }

    if (domain->auth == NGX_FED_AUTH_EXTERNAL
        && ngx_xmpp_tls_identity(stream, remote, &problem) != NGX_OK)
    {
        return "not-authorized";
    }

    return NULL;
}


/*
 * XEP-0220, 2.2.2: somebody asks whether a key is ours, on a stream that needs
 * not be authenticated
 */

static void
ngx_xmpp_dialback_authoritative(ngx_xmpp_stream_t *stream,
    ngx_str_t *receiving, ngx_str_t *originating, ngx_str_t *id,
    ngx_str_t *key)
{
    u_char       ours[NGX_XMPP_KEY_LEN], buf[NGX_XMPP_STREAM_ID_MAX * 6];
    ngx_str_t    from, to, escaped;
    ngx_uint_t   level;
    const char  *answer;

    if (id->len > NGX_XMPP_STREAM_ID_MAX) {
        ngx_xmpp_stream_error(stream, "policy-violation", "dialback id");
        return;
    }

    escaped.data = buf;
    escaped.len = ngx_fed_xml_escape(buf, id->data, id->len, 1) - buf;

    from = ngx_xmpp_domain_text(stream->xml.pool, originating);
    to = ngx_xmpp_domain_text(stream->xml.pool, receiving);

    if (!ngx_xmpp_hosted(stream->xmpp, originating, receiving)) {
        answer = "type='error'><error type='cancel'><item-not-found"
                 " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
                 "</db:verify>";

    } else if (id->len
               && key->len == NGX_XMPP_KEY_LEN
               && ngx_xmpp_dialback_key(stream->xmpp, receiving, originating,
                                        id, ours)
                  == NGX_OK
               && CRYPTO_memcmp(ours, key->data, NGX_XMPP_KEY_LEN) == 0)
    {
        answer = "type='valid'/>";

    } else {
        level = ngx_fed_quiet_level(stream->conf, NGX_FED_QUIET_KEY,
                                    receiving, NGX_LOG_WARN);

        ngx_log_error(level, stream->link->log, 0,
                      "\"%V\" got a dialback key from somebody who is not "
                      "us, claiming to be \"%V\"", receiving, originating);
        answer = "type='invalid'/>";
    }

    (void) ngx_xmpp_stream_write(stream,
                                 "<db:verify from='%V' to='%V' id='%V' %s",
                                 &from, &to, &escaped, answer);
}


static void
ngx_xmpp_dialback_type(ngx_xmpp_stream_t *stream, ngx_str_t *remote,
    ngx_str_t *local, const char *type)
{
    ngx_str_t  from, to;

    from = ngx_xmpp_domain_text(stream->xml.pool, local);
    to = ngx_xmpp_domain_text(stream->xml.pool, remote);

    (void) ngx_xmpp_stream_write(stream,
                                 "<db:result from='%V' to='%V' type='%s'/>",
                                 &from, &to, type);
}


/* XEP-0220, 2.5 */

static void
ngx_xmpp_dialback_error(ngx_xmpp_stream_t *stream, ngx_str_t *remote,
    ngx_str_t *local, const char *condition)
{
    ngx_str_t               from, to, *type;
    ngx_uint_t              i;

    static const struct {
        const char           *condition;
        ngx_fed_error_type_e  type;
    } types[] = {
        { "bad-request", NGX_FED_TYPE_MODIFY },
        { "forbidden", NGX_FED_TYPE_AUTH },
        { "not-authorized", NGX_FED_TYPE_AUTH },
        { "policy-violation", NGX_FED_TYPE_MODIFY },
        { "remote-server-timeout", NGX_FED_TYPE_WAIT },
        { "resource-constraint", NGX_FED_TYPE_WAIT },
        { NULL, NGX_FED_TYPE_CANCEL }
    };

    for (i = 0; types[i].condition; i++) {
        if (ngx_strcmp(types[i].condition, condition) == 0) {
            break;
        }
    }

    type = ngx_fed_error_type_name(types[i].type);

    from = ngx_xmpp_domain_text(stream->xml.pool, local);
    to = ngx_xmpp_domain_text(stream->xml.pool, remote);

    (void) ngx_xmpp_stream_write(stream,
                  "<db:result from='%V' to='%V' type='error'>"
                  "<error type='%V'>"
                  "<%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                  "</error></db:result>",
                  &from, &to, type, condition);
}


/* We are the originating server: sends the key of a route (2.1.1). */

void
ngx_xmpp_dialback_request(ngx_xmpp_route_t *route)
{
    u_char              key[NGX_XMPP_KEY_LEN];
    ngx_str_t           from, to;
    ngx_xmpp_stream_t  *stream;

    stream = route->stream;

    if (stream->id.len == 0 || stream->id.len > NGX_XMPP_STREAM_ID_MAX) {
        ngx_xmpp_out_failed(stream, NGX_FED_DIALBACK_ERROR,
                            "peer's stream has no id, which dialback needs");
        return;
    }

    if (ngx_xmpp_dialback_key(stream->xmpp, &route->remote->sn.str,
                              &route->local, &stream->id, key)
        != NGX_OK)
    {
        ngx_xmpp_out_failed(stream, NGX_FED_INTERNAL, "no dialback key");
        return;
    }

    from = ngx_xmpp_domain_text(stream->pool, &route->local);
    to = ngx_xmpp_domain_text(stream->pool, &stream->remote);

    route->result = 1;
    ngx_fed_timers_add(&stream->xmpp->dialback, &route->timer);

    (void) ngx_xmpp_stream_write(stream,
                            "<db:result from='%V' to='%V'>%*s</db:result>",
                            &from, &to, (size_t) NGX_XMPP_KEY_LEN, key);
}


/*
 * On an outbound stream: the answer to a key.  What does not answer a request
 * sent on this very stream proves nothing (XEP-0220, 3.1).
 */

void
ngx_xmpp_dialback_out(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    u_char               buf[NGX_XMPP_LOG_TEXT];
    ngx_str_t           *type, text;
    ngx_xmpp_route_t    *route;
    ngx_xmpp_element_t  *error;

    type = &el->attr[NGX_XMPP_TYPE];

    if (type->data == NULL && stream->bidi) {
        ngx_xmpp_dialback_further(stream, el);
        return;
    }

    route = ngx_xmpp_dialback_route(stream, el);

    if (route == NULL || type->data == NULL) {
        ngx_xmpp_dialback_unsolicited(stream, el);
        return;
    }

    route->result = 0;
    ngx_fed_timers_del(&stream->xmpp->dialback, &route->timer);

    if (ngx_xmpp_equal(type, "valid")) {
        ngx_xmpp_out_ready(route, "dialback");
        return;
    }

    if (ngx_xmpp_equal(type, "invalid")) {
        ngx_log_error(NGX_LOG_ERR, stream->link->log, 0,
                      "\"%V\" found our dialback key for \"%V\" invalid: do "
                      "the DNS records of that domain lead here?",
                      &stream->remote, &route->local);
        ngx_xmpp_out_refused(route, NGX_FED_DIALBACK_INVALID,
                             "dialback key is invalid");
        return;
    }

    ngx_str_set(&text, "no condition");

    error = ngx_xmpp_xml_child(el, NGX_XMPP_NS_DIALBACK, "error");

    if (error == NULL) {
        error = ngx_xmpp_xml_child(el, NGX_XMPP_NS_SERVER, "error");
    }

    if (error && error->first) {
        text = ngx_fed_text_log(buf, NGX_XMPP_LOG_TEXT, &error->first->name);
    }

    ngx_log_error(NGX_LOG_ERR, stream->link->log, 0,
                  "\"%V\" answered our dialback key for \"%V\" with an error: "
                  "%V", &stream->remote, &route->local, &text);

    ngx_xmpp_out_refused(route, NGX_FED_DIALBACK_ERROR, "dialback error");
}


/*
 * On a bidirectional stream of ours the peer wants to prove yet another domain:
 * it is told at once that it has to do so on a stream of its own.
 */

static void
ngx_xmpp_dialback_further(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_str_t    from, to;
    ngx_pool_t  *pool;

    pool = stream->xml.pool;

    if (!ngx_xmpp_equal(&el->name, "result")
        || ngx_xmpp_domain(pool, &el->attr[NGX_XMPP_FROM], &from) != NGX_OK
        || ngx_xmpp_domain(pool, &el->attr[NGX_XMPP_TO], &to) != NGX_OK)
    {
        ngx_xmpp_dialback_unsolicited(stream, el);
        return;
    }

    ngx_xmpp_dialback_error(stream, &from, &to, "feature-not-implemented");
}


static ngx_xmpp_route_t *
ngx_xmpp_dialback_route(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_str_t          from, to;
    ngx_pool_t        *pool;
    ngx_queue_t       *q;
    ngx_xmpp_route_t  *route;

    pool = stream->xml.pool;

    if (!ngx_xmpp_equal(&el->name, "result")
        || ngx_xmpp_domain(pool, &el->attr[NGX_XMPP_FROM], &from) != NGX_OK
        || ngx_xmpp_domain(pool, &el->attr[NGX_XMPP_TO], &to) != NGX_OK
        || from.len != stream->remote.len
        || ngx_memcmp(from.data, stream->remote.data, from.len) != 0)
    {
        return NULL;
    }

    for (q = ngx_queue_head(&stream->routes);
         q != ngx_queue_sentinel(&stream->routes);
         q = ngx_queue_next(q))
    {
        route = ngx_queue_data(q, ngx_xmpp_route_t, member);

        if (route->result
            && route->local.len == to.len
            && ngx_memcmp(route->local.data, to.data, to.len) == 0)
        {
            return route;
        }
    }

    return NULL;
}


/* We are the receiving server: asks the authoritative one (2.1.2). */

void
ngx_xmpp_dialback_verify(ngx_xmpp_stream_t *stream)
{
    u_char     id[NGX_XMPP_ID_LEN], buf[NGX_XMPP_KEY_MAX * 6];
    ngx_str_t  from, to, key;

    stream->state = NGX_XMPP_RESULT;

    ngx_memcpy(id, stream->verify_id.data, NGX_XMPP_ID_LEN);

    key.data = buf;
    key.len = ngx_fed_xml_escape(buf, stream->key.data, stream->key.len, 0)
              - buf;

    from = ngx_xmpp_domain_text(stream->pool, &stream->local);
    to = ngx_xmpp_domain_text(stream->pool, &stream->remote);

    (void) ngx_xmpp_stream_write(stream,
                    "<db:verify from='%V' to='%V' id='%*s'>%V</db:verify>",
                    &from, &to, (size_t) NGX_XMPP_ID_LEN, id, &key);
}


/* The authoritative server's answer, on the stream that it was asked on. */

void
ngx_xmpp_dialback_verified(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_str_t           from, to, *type, *id;
    ngx_uint_t          level;
    ngx_pool_t         *pool;
    ngx_xmpp_pair_t    *pair;
    ngx_xmpp_stream_t  *inbound;

    pool = stream->xml.pool;
    type = &el->attr[NGX_XMPP_TYPE];
    id = &el->attr[NGX_XMPP_ID];

    if (stream->state != NGX_XMPP_RESULT
        || !ngx_xmpp_equal(&el->name, "verify")
        || type->data == NULL
        || id->len != stream->verify_id.len
        || ngx_memcmp(id->data, stream->verify_id.data, id->len) != 0
        || ngx_xmpp_domain(pool, &el->attr[NGX_XMPP_FROM], &from) != NGX_OK
        || ngx_xmpp_domain(pool, &el->attr[NGX_XMPP_TO], &to) != NGX_OK
        || from.len != stream->remote.len
        || ngx_memcmp(from.data, stream->remote.data, from.len) != 0
        || to.len != stream->local.len
        || ngx_memcmp(to.data, stream->local.data, to.len) != 0)
    {
        ngx_xmpp_dialback_unsolicited(stream, el);
        return;
    }

    pair = stream->pair;
    stream->pair = NULL;
    stream->final = 1;

    if (pair) {
        pair->verify = NULL;
        inbound = pair->stream;

        if (ngx_xmpp_equal(type, "valid")) {
            ngx_xmpp_pair_proven(pair, "dialback");
            ngx_xmpp_dialback_type(inbound, &pair->remote, &pair->local,
                                   "valid");
            ngx_xmpp_bidi_proven(pair);

        } else if (ngx_xmpp_equal(type, "invalid")) {

            level = ngx_fed_quiet_level(inbound->conf, NGX_FED_QUIET_DIALBACK,
                                        &pair->remote, NGX_LOG_WARN);

            ngx_log_error(level, inbound->link->log, 0,
                          "dialback key from somebody claiming to be \"%V\" "
                          "is invalid", &pair->remote);

            if (inbound->nproven) {
                ngx_xmpp_dialback_error(inbound, &pair->remote, &pair->local,
                                        "forbidden");

            } else {
                ngx_xmpp_dialback_type(inbound, &pair->remote, &pair->local,
                                       "invalid");
                ngx_xmpp_stream_close(inbound, "dialback key is invalid");
            }

        } else {
            ngx_xmpp_dialback_error(inbound, &pair->remote, &pair->local,
                                    "remote-server-not-found");
        }
    }

    ngx_xmpp_stream_close(stream, "verified");
}


/* The authoritative server could not be asked. */

void
ngx_xmpp_dialback_failed(ngx_xmpp_stream_t *stream, ngx_fed_outcome_e result)
{
    ngx_xmpp_pair_t  *pair;

    pair = stream->pair;

    if (pair == NULL) {
        return;
    }

    stream->pair = NULL;
    pair->verify = NULL;

    ngx_xmpp_dialback_error(pair->stream, &pair->remote, &pair->local,
                            result == NGX_FED_TIMEOUT
                                ? "remote-server-timeout"
                                : "remote-server-not-found");
}


/*
 * Makes the key of a stream (XEP-0185): NGX_XMPP_KEY_LEN octets.  Any worker
 * makes the same.
 */

ngx_int_t
ngx_xmpp_dialback_key(ngx_xmpp_t *xmpp, ngx_str_t *receiving,
    ngx_str_t *originating, ngx_str_t *id, u_char *key)
{
    u_char        *p, buf[3 * 1024], md[EVP_MAX_MD_SIZE];
    unsigned int   len;

    if (receiving->len + originating->len + id->len + 2 > sizeof(buf)) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(buf, "%V %V %V", receiving, originating, id);

    if (HMAC(EVP_sha256(), ngx_fed_zone_secret(xmpp->conf), NGX_FED_SECRET_LEN,
             buf, p - buf, md, &len)
        == NULL)
    {
        ngx_ssl_error(NGX_LOG_ALERT, xmpp->log, 0, "HMAC() failed");
        return NGX_ERROR;
    }

    (void) ngx_hex_dump(key, md, NGX_XMPP_KEY_LEN / 2);

    return NGX_OK;
}


void
ngx_xmpp_dialback_timeout(ngx_fed_timers_t *timers, ngx_fed_timer_t *timer)
{
    ngx_xmpp_route_t  *route;

    route = ngx_queue_data(&timer->queue, ngx_xmpp_route_t, timer.queue);

    route->result = 0;

    ngx_log_error(NGX_LOG_ERR, timers->event.log, NGX_ETIMEDOUT,
                  "\"%V\" did not answer our dialback key for \"%V\"",
                  &route->remote->sn.str, &route->local);

    ngx_xmpp_out_refused(route, NGX_FED_DIALBACK_ERROR, "dialback timed out");
}


static void
ngx_xmpp_dialback_unsolicited(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el)
{
    u_char      buf[2][NGX_XMPP_LOG_TEXT];
    ngx_str_t   name, from;
    ngx_uint_t  level;

    name = ngx_fed_text_log(buf[0], NGX_XMPP_LOG_TEXT, &el->name);
    from = ngx_fed_text_log(buf[1], NGX_XMPP_LOG_TEXT,
                            &el->attr[NGX_XMPP_FROM]);

    level = ngx_fed_quiet_level(stream->conf, NGX_FED_QUIET_UNSOLICITED,
                                &stream->remote, NGX_LOG_WARN);

    ngx_log_error(level, stream->link->log, 0,
                  "unsolicited dialback %V from \"%V\" ignored",
                  &name, &from);
}


static ngx_str_t
ngx_xmpp_dialback_trim(ngx_str_t *text)
{
    u_char     *p, *last;
    ngx_str_t   key;

    p = text->data;
    last = p + text->len;

    while (p < last && *p <= ' ') {
        p++;
    }

    while (p < last && last[-1] <= ' ') {
        last--;
    }

    key.data = p;
    key.len = last - p;

    return key;
}
