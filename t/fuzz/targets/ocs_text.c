
/*
 * What is said within an IM session: session descriptions, HTML, keyboard
 * activity.
 */


#include "fuzz.h"
#include "ngx_fed_text.h"
#include "ngx_sip_ocs_text.h"


void
fuzz_target(ngx_pool_t *pool, ngx_str_t *in)
{
    ngx_int_t   rc;
    ngx_str_t   text;
    ngx_uint_t  offer;

    text.data = ngx_pnalloc(pool, in->len);
    text.len = ngx_sip_ocs_html(text.data, in->data, in->len);

    fuzz_ok(text.len <= in->len);

    if (ngx_fed_text_valid(in->data, in->len)) {
        fuzz_ok(ngx_fed_text_valid(text.data, text.len));
    }

    if (text.len) {
        fuzz_ok(text.data[text.len - 1] != ' '
                && text.data[text.len - 1] != LF);
    }

    offer = ngx_sip_ocs_sdp_offer(in);

    fuzz_ok(offer == NGX_SIP_OCS_MESSAGE || offer == NGX_SIP_OCS_X_MESSAGE
            || offer == NGX_SIP_OCS_OTHER);

    rc = ngx_sip_ocs_keyboard(in);

    fuzz_ok(rc == 0 || rc == 1 || rc == NGX_DECLINED || rc == NGX_ERROR);
}
