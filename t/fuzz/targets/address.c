
/*
 * The address mapper: whatever it accepts goes to the other protocol and back
 * unchanged, and is fit for header fields and stanzas.
 */


#include "fuzz.h"
#include "ngx_fed_address.h"
#include "ngx_fed_precis.h"
#include "ngx_fed_text.h"


static void
same(ngx_fed_address_t *a, ngx_fed_address_t *b)
{
    fuzz_ok(fuzz_same(&a->user, &b->user));
    fuzz_ok(fuzz_same(&a->domain, &b->domain));
    fuzz_ok(fuzz_same(&a->resource, &b->resource));
    fuzz_ok(fuzz_same(&a->unicode, &b->unicode));
}


/* what an address says of itself */

static void
check_parts(ngx_fed_address_t *addr)
{
    size_t  i;

    fuzz_ok(addr->domain.len > 0 && addr->domain.len <= NGX_FED_DOMAIN_MAX);
    fuzz_ok(addr->user.len <= NGX_FED_PART_MAX);
    fuzz_ok(addr->resource.len <= NGX_FED_PART_MAX);
    fuzz_ok(addr->unicode.len <= NGX_FED_PART_MAX);

    for (i = 0; i < addr->domain.len; i++) {
        fuzz_ok((addr->domain.data[i] >= 'a' && addr->domain.data[i] <= 'z')
                || (addr->domain.data[i] >= '0' && addr->domain.data[i] <= '9')
                || memchr("-._", addr->domain.data[i], 3));
    }

    fuzz_ok(ngx_fed_text_valid(addr->user.data, addr->user.len));
    fuzz_ok(ngx_fed_text_valid(addr->resource.data, addr->resource.len));
    fuzz_ok(ngx_fed_text_valid(addr->unicode.data, addr->unicode.len));

    for (i = 0; i < addr->user.len; i++) {
        fuzz_ok(addr->user.data[i] >= ' ' && addr->user.data[i] != 0x7f);
        fuzz_ok(!(addr->user.data[i] >= 'A' && addr->user.data[i] <= 'Z'));
    }

    for (i = 0; i < addr->resource.len; i++) {
        fuzz_ok(addr->resource.data[i] >= ' '
                && addr->resource.data[i] != 0x7f);
    }
}


static void
check_address(ngx_pool_t *pool, ngx_fed_address_t *addr)
{
    size_t              i;
    ngx_str_t           uri, jid, domain, unicode;
    ngx_fed_address_t   other;

    check_parts(addr);

    uri.data = ngx_pnalloc(pool, ngx_fed_address_sip_size(addr));
    uri.len = ngx_fed_address_to_sip(uri.data, addr) - uri.data;

    fuzz_ok(uri.len <= ngx_fed_address_sip_size(addr));

    for (i = 0; i < uri.len; i++) {
        fuzz_ok(uri.data[i] > ' ' && uri.data[i] < 0x7f);
        fuzz_ok(!memchr("<>\"\\#{}|^`", uri.data[i], 10));
    }

    uri = fuzz_copy(pool, &uri);

    fuzz_ok(ngx_fed_address_from_sip(pool, &uri, &other) == NGX_OK);
    same(&other, addr);

    fuzz_ok(ngx_fed_address_from_any(pool, &uri, &other) == NGX_OK);
    same(&other, addr);

    jid.data = ngx_pnalloc(pool, ngx_fed_address_jid_size(addr));
    jid.len = ngx_fed_address_to_jid(jid.data, addr) - jid.data;

    fuzz_ok(jid.len <= ngx_fed_address_jid_size(addr));
    fuzz_ok(fuzz_is_line(&jid));

    jid = fuzz_copy(pool, &jid);

    fuzz_ok(ngx_fed_address_from_jid(pool, &jid, &other) == NGX_OK);
    same(&other, addr);

    fuzz_ok(ngx_fed_address_domain(pool, &addr->domain, &domain) == NGX_OK);
    fuzz_ok(fuzz_same(&domain, &addr->domain));

    fuzz_ok(ngx_fed_address_domain_unicode(pool, &domain, &unicode) == NGX_OK);
    fuzz_ok(fuzz_same(&unicode, &addr->unicode));

    fuzz_ok(ngx_fed_address_domain(pool, &unicode, &domain) == NGX_OK);
    fuzz_ok(fuzz_same(&domain, &addr->domain));
}


static void
check_precis(ngx_str_t *in)
{
    u_char     text[NGX_FED_PRECIS_MAX], again[NGX_FED_PRECIS_MAX];
    size_t     len, size;
    ngx_int_t  rc;

    if (in->len == 0 || in->len > NGX_FED_PRECIS_MAX
        || !ngx_fed_text_valid(in->data, in->len))
    {
        return;
    }

    if (ngx_fed_precis_opaque(text, &len, in->data, in->len) == NGX_OK) {
        fuzz_ok(len <= NGX_FED_PRECIS_MAX && ngx_fed_text_valid(text, len));
        fuzz_ok(ngx_fed_precis_opaque(again, &size, text, len) == NGX_OK);
        fuzz_ok(size == len && memcmp(text, again, len) == 0);
    }

    rc = ngx_fed_precis_username(text, &len, in->data, in->len);

    fuzz_ok(rc == NGX_OK || rc == NGX_DECLINED);

    if (rc == NGX_OK) {
        fuzz_ok(len <= NGX_FED_PRECIS_MAX && ngx_fed_text_valid(text, len));
    }
}


void
fuzz_target(ngx_pool_t *pool, ngx_str_t *in)
{
    ngx_int_t           rc;
    ngx_str_t           domain, again;
    ngx_fed_address_t   addr;

    rc = ngx_fed_address_from_sip(pool, in, &addr);

    fuzz_ok(rc >= NGX_OK && rc <= NGX_FED_ADDRESS_UNMAPPABLE);

    if (rc == NGX_OK) {
        check_address(pool, &addr);
    }

    rc = ngx_fed_address_from_jid(pool, in, &addr);

    fuzz_ok(rc == NGX_OK || rc == NGX_DECLINED);

    if (rc == NGX_OK) {
        check_address(pool, &addr);
    }

    rc = ngx_fed_address_from_any(pool, in, &addr);

    fuzz_ok(rc == NGX_OK || rc == NGX_DECLINED);

    if (rc == NGX_OK) {
        check_address(pool, &addr);
    }

    rc = ngx_fed_address_domain(pool, in, &domain);

    fuzz_ok(rc == NGX_OK || rc == NGX_DECLINED);

    if (rc == NGX_OK) {
        fuzz_ok(ngx_fed_address_domain(pool, &domain, &again) == NGX_OK);
        fuzz_ok(fuzz_same(&domain, &again));
    }

    check_precis(in);
}


void
fuzz_starve(ngx_pool_t *pool, ngx_str_t *in)
{
    ngx_fed_address_t  addr;

    (void) ngx_fed_address_from_sip(pool, in, &addr);
    (void) ngx_fed_address_from_jid(pool, in, &addr);
}
