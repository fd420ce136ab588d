
/*
 * Whom a peer's certificate identifies (RFC 6120, 13.7, RFC 9525).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include <openssl/x509v3.h>
#include "ngx_xmpp_stream.h"


#define NGX_XMPP_TLS_PROBLEM  256


static ngx_uint_t ngx_xmpp_tls_name(ngx_pool_t *pool,
    ngx_fed_cert_name_t *name, ngx_str_t *domain);
static ngx_uint_t ngx_xmpp_tls_dns(ngx_str_t *name, ngx_str_t *domain);
static time_t ngx_xmpp_tls_expires(X509 *cert);
static void ngx_xmpp_tls_names(ngx_pool_t *pool, ngx_array_t *names,
    ngx_str_t *problem);


/*
 * Does the certificate of the stream's peer prove that it speaks for the
 * domain?  Returns NGX_OK, with the time when that ends in the stream, or
 * NGX_DECLINED with what is wrong as a text for logs, which goes with the
 * stanza.
 */

ngx_int_t
ngx_xmpp_tls_identity(ngx_xmpp_stream_t *stream, ngx_str_t *domain,
    ngx_str_t *problem)
{
    X509                 *cert;
    time_t                expires;
    ngx_uint_t            i;
    const char           *text;
    ngx_pool_t           *pool;
    ngx_array_t          *names;
    ngx_connection_t     *c;
    ngx_fed_cert_name_t  *name;

    c = stream->link->connection;
    pool = stream->xml.pool;

    text = ngx_fed_cert_problem(c);

    if (text) {
        problem->len = ngx_strlen(text);
        problem->data = (u_char *) text;
        return NGX_DECLINED;
    }

    cert = SSL_get_peer_certificate(c->ssl->connection);

    names = ngx_fed_cert_names(pool, cert);
    expires = ngx_xmpp_tls_expires(cert);

    X509_free(cert);

    if (names == NULL) {
        ngx_str_set(problem, "no memory");
        return NGX_DECLINED;
    }

    name = names->elts;

    for (i = 0; i < names->nelts; i++) {
        if (ngx_xmpp_tls_name(pool, &name[i], domain)) {
            stream->expires = expires;
            return NGX_OK;
        }
    }

    ngx_xmpp_tls_names(pool, names, problem);

    return NGX_DECLINED;
}


/* A common name is no identity (RFC 9525, 2), nor is an URI here. */

static ngx_uint_t
ngx_xmpp_tls_name(ngx_pool_t *pool, ngx_fed_cert_name_t *name,
    ngx_str_t *domain)
{
    size_t     len;
    ngx_str_t  value;

    value = name->value;

    switch (name->type) {

    case NGX_FED_CERT_DNS:
        return ngx_xmpp_tls_dns(&value, domain);

    case NGX_FED_CERT_SRV:
        len = sizeof("_xmpp-server.") - 1;

        if (value.len <= len
            || ngx_strncasecmp(value.data, (u_char *) "_xmpp-server.", len))
        {
            return 0;
        }

        value.data += len;
        value.len -= len;

        return ngx_xmpp_tls_dns(&value, domain);

    case NGX_FED_CERT_XMPP:

        if (ngx_xmpp_domain(pool, &name->value, &value) != NGX_OK) {
            return 0;
        }

        return value.len == domain->len
               && ngx_memcmp(value.data, domain->data, value.len) == 0;

    default:
        return 0;
    }
}


/* A wildcard stands for the whole left-most label only (RFC 9525, 6.3). */

static ngx_uint_t
ngx_xmpp_tls_dns(ngx_str_t *name, ngx_str_t *domain)
{
    u_char     *dot;
    ngx_str_t   n, d;

    n = *name;
    d = *domain;

    if (n.len && n.data[n.len - 1] == '.') {
        n.len--;
    }

    if (n.len > 2 && n.data[0] == '*' && n.data[1] == '.') {

        dot = ngx_strlchr(d.data, d.data + d.len, '.');

        if (dot == NULL || dot == d.data) {
            return 0;
        }

        d.len -= dot - d.data;
        d.data = dot;

        n.data++;
        n.len--;
    }

    return n.len && n.len == d.len
           && ngx_strncasecmp(n.data, d.data, n.len) == 0;
}


/* Returns the time when the certificate ends to be good, or 0. */

static time_t
ngx_xmpp_tls_expires(X509 *cert)
{
    int  days, seconds;

    if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert))) {
        return 0;
    }

    return ngx_time() + (time_t) days * 86400 + seconds;
}


/* "it is for a.example, b.example" */

static void
ngx_xmpp_tls_names(ngx_pool_t *pool, ngx_array_t *names, ngx_str_t *problem)
{
    u_char               *p, *last, buf[NGX_XMPP_LOG_TEXT];
    ngx_str_t             text;
    ngx_uint_t            i;
    ngx_fed_cert_name_t  *name;

    p = ngx_pnalloc(pool, NGX_XMPP_TLS_PROBLEM);

    if (p == NULL || names->nelts == 0) {
        ngx_str_set(problem, "it names nobody");
        return;
    }

    problem->data = p;
    last = p + NGX_XMPP_TLS_PROBLEM;

    p = ngx_slprintf(p, last, "it is for ");

    name = names->elts;

    for (i = 0; i < names->nelts; i++) {
        text = ngx_fed_text_log(buf, NGX_XMPP_LOG_TEXT, &name[i].value);

        p = ngx_slprintf(p, last, "%s%V%s", i ? ", " : "", &text,
                         name[i].type == NGX_FED_CERT_CN
                             ? " (common name, which does not count)" : "");
    }

    problem->len = p - problem->data;
}
