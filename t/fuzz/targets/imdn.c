
/*
 * Small documents: IMDN, which is also written, and isComposing.
 */


#include "fuzz.h"
#include "ngx_fed_text.h"
#include "ngx_sip_imdn.h"
#include "ngx_sip_iscomposing.h"


static void
there_and_back(ngx_pool_t *pool, ngx_sip_imdn_t *imdn)
{
    size_t           size;
    ngx_str_t        text;
    ngx_sip_imdn_t   again;

    size = ngx_sip_imdn_size(imdn);

    text.data = ngx_pnalloc(pool, size);
    text.len = ngx_sip_imdn_write(text.data, imdn) - text.data;

    fuzz_ok(text.len <= size);
    fuzz_ok(fuzz_is_xml(&text));

    text = fuzz_copy(pool, &text);

    /* what is longer than documents may be is only written */

    if (text.len > 8192 || imdn->id.len > 1024) {
        return;
    }

    fuzz_ok(ngx_sip_imdn_read(pool, &text, &again) == NGX_OK);
    fuzz_ok(again.status == (imdn->status == NGX_SIP_IMDN_DELIVERED
                             ? NGX_SIP_IMDN_DELIVERED : NGX_SIP_IMDN_FAILED));
    fuzz_ok(fuzz_same(&again.id, &imdn->id));
}


void
fuzz_target(ngx_pool_t *pool, ngx_str_t *in)
{
    ngx_int_t               rc;
    ngx_str_t               rest;
    ngx_sip_imdn_t          imdn;
    ngx_sip_iscomposing_t   doc;

    rc = ngx_sip_imdn_read(pool, in, &imdn);

    fuzz_ok(rc == NGX_OK || rc == NGX_ABORT);

    if (rc == NGX_OK) {
        fuzz_ok(imdn.id.len > 0 && imdn.id.len <= in->len);
        fuzz_ok(fuzz_is_xml(in));
        there_and_back(pool, &imdn);
    }

    rc = ngx_sip_iscomposing_read(in, &doc);

    fuzz_ok(rc == NGX_OK || rc == NGX_ABORT);
    fuzz_ok(rc != NGX_OK || fuzz_is_xml(in));

    /* any octets as what came in an envelope */

    ngx_memzero(&imdn, sizeof(ngx_sip_imdn_t));

    rest = *in;

    imdn.id = fuzz_string("id1");
    imdn.date = fuzz_take(&rest, LF);
    imdn.recipient = rest;
    imdn.status = 1 + fuzz_random(4);

    there_and_back(pool, &imdn);
}


void
fuzz_starve(ngx_pool_t *pool, ngx_str_t *in)
{
    ngx_sip_imdn_t  imdn;

    (void) ngx_sip_imdn_read(pool, in, &imdn);
}
