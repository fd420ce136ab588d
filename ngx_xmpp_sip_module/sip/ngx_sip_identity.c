
/*
 * Who is at the other end of a connection, and for which domains he may speak
 * (RFC 5922, 7).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include <openssl/x509v3.h>
#include "ngx_sip_core.h"


static ngx_int_t ngx_sip_identify_cert(ngx_sip_conn_t *conn);
static ngx_uint_t ngx_sip_identity_matches(ngx_sip_conn_t *conn,
    ngx_str_t *name, ngx_fed_domain_t *domain);
static ngx_uint_t ngx_sip_identity_has(ngx_sip_conn_t *conn,
    ngx_str_t *name);
static ngx_uint_t ngx_sip_identity_same(ngx_str_t *have, ngx_str_t *want);
static ngx_uint_t ngx_sip_identity_server(ngx_sip_conn_t *conn,
    ngx_fed_domain_t *domain);


/*
 * Reads the certificate of the peer, once TLS is up, or takes its address for
 * its identity where there is none.  Returns NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_sip_identify(ngx_sip_conn_t *conn)
{
    u_char            *text;
    size_t             len;
    ngx_int_t          rc;
    ngx_fed_hash_t     hash;
    ngx_connection_t  *c;
    u_char             buf[NGX_SOCKADDR_STRLEN];

    c = conn->link->connection;

    conn->problem = ngx_fed_cert_problem(c);

    if (conn->link->secure) {

        rc = ngx_sip_identify_cert(conn);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    text = buf;
    len = ngx_sock_ntop(c->sockaddr, c->socklen, text, NGX_SOCKADDR_STRLEN, 0);

    ngx_fed_hash_init(&hash, &conn->ctx->secret);
    ngx_fed_hash_update(&hash, text, len);
    conn->identity = ngx_fed_hash_final(&hash);

    return NGX_OK;
}


static ngx_int_t
ngx_sip_identify_cert(ngx_sip_conn_t *conn)
{
    X509            *cert;
    unsigned int     len;
    ngx_fed_hash_t   hash;
    u_char           digest[EVP_MAX_MD_SIZE];

    cert = SSL_get_peer_certificate(conn->link->connection->ssl->connection);
    if (cert == NULL) {
        return NGX_DECLINED;
    }

    conn->names = ngx_fed_cert_names(conn->link->pool, cert);
    conn->is_client = ngx_fed_cert_usable(cert, 1);
    conn->is_server = ngx_fed_cert_usable(cert, 0);
    conn->has_san = (X509_get_ext_by_NID(cert, NID_subject_alt_name, -1) >= 0);

    len = 0;

    if (X509_digest(cert, EVP_sha256(), digest, &len) != 1) {
        conn->names = NULL;
    }

    X509_free(cert);

    if (conn->names == NULL) {
        return NGX_ERROR;
    }

    ngx_fed_hash_init(&hash, &conn->ctx->secret);
    ngx_fed_hash_update(&hash, digest, len);
    conn->identity = ngx_fed_hash_final(&hash);

    return NGX_OK;
}


/*
 * Tells whether requests of users of a domain may come on this connection
 * (RFC 5922, 7.4).  Returns NGX_OK, NGX_DECLINED with the reason in *why, or
 * NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_sip_may_speak(ngx_sip_conn_t *conn, ngx_str_t *name,
    ngx_fed_domain_t *domain, const char **why)
{
    if (conn->spoken_domain == domain && conn->spoken.len == name->len
        && ngx_memcmp(conn->spoken.data, name->data, name->len) == 0)
    {
        return NGX_OK;
    }

    *why = ngx_sip_identity_check(conn, name, domain);

    if (*why) {
        return NGX_DECLINED;
    }

    /* the domain of the last request is most often that of the next */

    if (conn->spoken.data == NULL) {
        conn->spoken.data = ngx_pnalloc(conn->link->pool, NGX_FED_PART_MAX);

        if (conn->spoken.data == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_memcpy(conn->spoken.data, name->data, name->len);
    conn->spoken.len = name->len;
    conn->spoken_domain = domain;

    ngx_fed_link_proven(conn->link);

    if (conn->link->peer.len == 0) {
        ngx_sip_conn_name(conn, name);
    }

    return NGX_OK;
}


/* Returns NULL, or why the peer is not one of the domain. */

const char *
ngx_sip_identity_check(ngx_sip_conn_t *conn, ngx_str_t *name,
    ngx_fed_domain_t *domain)
{
    if (!conn->link->secure) {

        if (domain->tls != NGX_FED_TLS_OFF) {
            return "TLS is required for this domain, see \"tls=\"";
        }

        if (!ngx_sip_identity_server(conn, domain)) {
            return "without TLS only the addresses of \"server=\" may";
        }

        return NULL;
    }

    if (conn->problem) {
        return conn->problem;
    }

    if (!domain->eku_any
        && !(conn->dialled ? conn->is_server : conn->is_client))
    {
        return conn->dialled ? "the extended key usage of the certificate does "
                               "not allow TLS servers"
                             : "the extended key usage of the certificate does "
                               "not allow TLS clients";
    }

    if (!ngx_sip_identity_matches(conn, name, domain)) {
        return "the certificate has no name that may speak for this domain, "
               "see \"name=\"";
    }

    return NULL;
}


static ngx_uint_t
ngx_sip_identity_matches(ngx_sip_conn_t *conn, ngx_str_t *name,
    ngx_fed_domain_t *domain)
{
    ngx_str_t   *names;
    ngx_uint_t   i;

    /* a line for many domains can name none of them */

    if ((domain->any || domain->wildcard)
        && ngx_sip_identity_has(conn, name))
    {
        return 1;
    }

    if (domain->names == NULL) {
        return 0;
    }

    names = domain->names->elts;

    for (i = 0; i < domain->names->nelts; i++) {
        if (ngx_sip_identity_has(conn, &names[i])) {
            return 1;
        }
    }

    return 0;
}


/*
 * RFC 5922, 7.1 and 7.2: SIP URIs without a user; only if there is none, DNS
 * names; only if there is no subjectAltName, the common name.  There are no
 * wildcards.
 */

static ngx_uint_t
ngx_sip_identity_has(ngx_sip_conn_t *conn, ngx_str_t *name)
{
    ngx_uint_t             i, uris;
    ngx_sip_uri_t          uri;
    ngx_fed_cert_name_t   *have;
    ngx_fed_cert_name_e    type;

    have = conn->names->elts;
    uris = 0;

    for (i = 0; i < conn->names->nelts; i++) {

        if (have[i].type != NGX_FED_CERT_URI
            || ngx_sip_uri(&have[i].value, &uri) != NGX_OK
            || uri.scheme != NGX_SIP_SCHEME_SIP || uri.user.len)
        {
            continue;
        }

        if (ngx_sip_identity_same(&uri.host, name)) {
            return 1;
        }

        uris++;
    }

    if (uris) {
        return 0;
    }

    type = conn->has_san ? NGX_FED_CERT_DNS : NGX_FED_CERT_CN;

    for (i = 0; i < conn->names->nelts; i++) {
        if (have[i].type == type
            && ngx_sip_identity_same(&have[i].value, name))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_sip_identity_same(ngx_str_t *have, ngx_str_t *want)
{
    return have->len == want->len
           && ngx_strncasecmp(have->data, want->data, want->len) == 0;
}


static ngx_uint_t
ngx_sip_identity_server(ngx_sip_conn_t *conn, ngx_fed_domain_t *domain)
{
    ngx_uint_t         i, j;
    ngx_connection_t  *c;
    ngx_fed_server_t  *server;

    if (domain->servers == NULL) {
        return 0;
    }

    c = conn->link->connection;
    server = domain->servers->elts;

    for (i = 0; i < domain->servers->nelts; i++) {

        for (j = 0; j < server[i].naddrs; j++) {

            if (ngx_cmp_sockaddr(c->sockaddr, c->socklen,
                                 server[i].addrs[j].sockaddr,
                                 server[i].addrs[j].socklen, 0)
                == NGX_OK)
            {
                return 1;
            }
        }
    }

    return 0;
}


/*
 * Lists the names in the peer's certificate for a log line, but for that of the
 * subject where it does not count.
 */

ngx_str_t
ngx_sip_identity_log(ngx_sip_conn_t *conn, u_char *buf, size_t size)
{
    u_char               *p, *last;
    ngx_str_t             text;
    ngx_uint_t            i;
    ngx_fed_cert_name_t  *name;
    u_char                safe[256];

    p = buf;
    last = buf + size;

    name = conn->names ? conn->names->elts : NULL;

    for (i = 0; name && i < conn->names->nelts; i++) {

        if (name[i].type == NGX_FED_CERT_CN && conn->has_san) {
            continue;
        }

        text = ngx_fed_text_log(safe, sizeof(safe), &name[i].value);
        p = ngx_slprintf(p, last, "%s%V", p == buf ? "" : ", ", &text);
    }

    if (p == buf) {
        ngx_str_set(&text, "none");
        return text;
    }

    text.data = buf;
    text.len = p - buf;

    return text;
}
