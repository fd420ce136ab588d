
/*
 * The names in a peer's certificate and what it may be used for.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <openssl/x509v3.h>
#include "ngx_fed_cert.h"


static ngx_int_t ngx_fed_cert_add(ngx_pool_t *pool, ngx_array_t *names,
    ngx_fed_cert_name_e type, const ASN1_STRING *value);
static ngx_uint_t ngx_fed_cert_is_ca(X509 *cert);
static ngx_int_t ngx_fed_cert_other(ngx_pool_t *pool, ngx_array_t *names,
    OTHERNAME *other);


/*
 * Lists the names in a certificate that can identify a domain, in its order,
 * the common name last (RFC 5280, 4.2.1.6, RFC 4985, RFC 6120, 13.7.1.4).
 * What has a NUL in it is left out.  Returns an array of ngx_fed_cert_name_t
 * in the pool, or NULL if there is no memory.
 */

ngx_array_t *
ngx_fed_cert_names(ngx_pool_t *pool, X509 *cert)
{
    int                n, i;
    ngx_int_t          rc;
    X509_NAME         *subject;
    ngx_array_t       *names;
    GENERAL_NAME      *name;
    GENERAL_NAMES     *alt;
    X509_NAME_ENTRY   *entry;

    names = ngx_array_create(pool, 4, sizeof(ngx_fed_cert_name_t));
    if (names == NULL) {
        return NULL;
    }

    rc = NGX_OK;

    alt = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

    if (alt) {

        n = sk_GENERAL_NAME_num(alt);

        for (i = 0; i < n && rc == NGX_OK; i++) {

            name = sk_GENERAL_NAME_value(alt, i);

            switch (name->type) {

            case GEN_DNS:
                rc = ngx_fed_cert_add(pool, names, NGX_FED_CERT_DNS,
                                      name->d.dNSName);
                break;

            case GEN_URI:
                rc = ngx_fed_cert_add(pool, names, NGX_FED_CERT_URI,
                                      name->d.uniformResourceIdentifier);
                break;

            case GEN_OTHERNAME:
                rc = ngx_fed_cert_other(pool, names, name->d.otherName);
                break;
            }
        }

        GENERAL_NAMES_free(alt);
    }

    if (rc != NGX_OK) {
        return NULL;
    }

    subject = X509_get_subject_name(cert);

    i = -1;
    n = -1;

    while (subject) {
        i = X509_NAME_get_index_by_NID(subject, NID_commonName, i);
        if (i < 0) {
            break;
        }

        n = i;
    }

    if (n >= 0) {
        entry = X509_NAME_get_entry(subject, n);

        if (ngx_fed_cert_add(pool, names, NGX_FED_CERT_CN,
                             X509_NAME_ENTRY_get_data(entry))
            != NGX_OK)
        {
            return NULL;
        }
    }

    return names;
}


static ngx_int_t
ngx_fed_cert_add(ngx_pool_t *pool, ngx_array_t *names,
    ngx_fed_cert_name_e type, const ASN1_STRING *value)
{
    size_t                len;
    const u_char         *data;
    ngx_fed_cert_name_t  *name;

    len = ASN1_STRING_length(value);
    data = ASN1_STRING_get0_data(value);

    if (len == 0 || ngx_strlchr((u_char *) data, (u_char *) data + len, '\0')) {
        return NGX_OK;
    }

    name = ngx_array_push(names);
    if (name == NULL) {
        return NGX_ERROR;
    }

    name->type = type;
    name->value.len = len;
    name->value.data = ngx_pnalloc(pool, len);

    if (name->value.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(name->value.data, data, len);

    return NGX_OK;
}


static ngx_int_t
ngx_fed_cert_other(ngx_pool_t *pool, ngx_array_t *names, OTHERNAME *other)
{
    char  oid[64];
    int   type;

    static const char  srv_name[] = "1.3.6.1.5.5.7.8.7";
    static const char  xmpp_addr[] = "1.3.6.1.5.5.7.8.5";

    if (OBJ_obj2txt(oid, sizeof(oid), other->type_id, 1) <= 0) {
        return NGX_OK;
    }

    type = other->value->type;

    if (type == V_ASN1_IA5STRING && ngx_strcmp(oid, srv_name) == 0) {
        return ngx_fed_cert_add(pool, names, NGX_FED_CERT_SRV,
                                other->value->value.ia5string);
    }

    if (type == V_ASN1_UTF8STRING && ngx_strcmp(oid, xmpp_addr) == 0) {
        return ngx_fed_cert_add(pool, names, NGX_FED_CERT_XMPP,
                                other->value->value.utf8string);
    }

    return NGX_OK;
}


/*
 * Tells by its extended key usage whether a certificate may be used by a TLS
 * client, or server; one without the extension may (RFC 5280, 4.2.1.12).
 */

ngx_int_t
ngx_fed_cert_usable(X509 *cert, ngx_uint_t client)
{
    uint32_t  usage;

    usage = X509_get_extended_key_usage(cert);

    if (!(X509_get_extension_flags(cert) & EXFLAG_XKUSAGE)) {
        return 1;
    }

    return (usage & (XKU_ANYEKU | (client ? XKU_SSL_CLIENT : XKU_SSL_SERVER)))
           != 0;
}


/*
 * Tells why the peer's certificate proves nothing, as a text for logs, or
 * returns NULL if its path is valid and it is one for TLS.  Which names it
 * carries is for the caller to see.
 */

const char *
ngx_fed_cert_problem(ngx_connection_t *c)
{
    long         rc;
    X509        *cert;
    const char  *problem;

    if (c->ssl == NULL) {
        return "no TLS";
    }

    cert = SSL_get_peer_certificate(c->ssl->connection);
    if (cert == NULL) {
        return "no certificate";
    }

    problem = NULL;
    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        problem = X509_verify_cert_error_string(rc);

    } else if (!ngx_fed_cert_usable(cert, 0) && !ngx_fed_cert_usable(cert, 1)) {
        problem = "extended key usage allows neither TLS server nor client";

    } else if (ngx_fed_cert_is_ca(cert)) {
        problem = "it is the certificate of a CA";
    }

    X509_free(cert);

    return problem;
}


/*
 * A certificate that can issue others is not one of a server (RFC 6120,
 * 13.7.1.1), unless it is itself what was configured as trusted: one that is
 * self-signed and verifies is.  (A session that is resumed has no chain to
 * look at.)
 */

static ngx_uint_t
ngx_fed_cert_is_ca(X509 *cert)
{
    uint32_t  flags;

    flags = X509_get_extension_flags(cert);

    return (flags & EXFLAG_CA) && !(flags & EXFLAG_SS);
}
