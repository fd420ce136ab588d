
/*
 * The names in a certificate, and what it may be used for.
 */


#include "fuzz.h"
#include <openssl/x509.h>
#include "ngx_fed_cert.h"


void
fuzz_target(ngx_pool_t *pool, ngx_str_t *in)
{
    X509                 *cert;
    ngx_uint_t            i;
    ngx_array_t          *names;
    const u_char         *p;
    ngx_fed_cert_name_t  *name;

    p = in->data;
    cert = d2i_X509(NULL, &p, in->len);

    if (cert == NULL) {
        return;
    }

    names = ngx_fed_cert_names(pool, cert);

    fuzz_ok(names != NULL);

    name = names->elts;

    for (i = 0; i < names->nelts; i++) {
        fuzz_ok(name[i].type <= NGX_FED_CERT_CN);
        fuzz_ok(name[i].value.len > 0 && name[i].value.len <= in->len);
        fuzz_ok(memchr(name[i].value.data, '\0', name[i].value.len) == NULL);
        fuzz_ok(name[i].type != NGX_FED_CERT_CN || i == names->nelts - 1);
    }

    fuzz_ok(ngx_fed_cert_usable(cert, 0) <= 1);
    fuzz_ok(ngx_fed_cert_usable(cert, 1) <= 1);

    X509_free(cert);
}


void
fuzz_starve(ngx_pool_t *pool, ngx_str_t *in)
{
    X509          *cert;
    const u_char  *p;

    p = in->data;
    cert = d2i_X509(NULL, &p, in->len);

    if (cert) {
        (void) ngx_fed_cert_names(pool, cert);
        X509_free(cert);
    }
}
