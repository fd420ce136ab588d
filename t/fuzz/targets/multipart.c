
/*
 * Bodies of several parts; the first line of the input is the Content-Type.
 */


#include "fuzz.h"
#include "ngx_sip_parse.h"


static void
check(ngx_sip_media_t *media, ngx_str_t *body, ngx_sip_media_pt is)
{
    size_t      i;
    ngx_int_t   rc;
    ngx_str_t   text;

    rc = ngx_sip_multipart(media, body, is, &text);

    fuzz_ok(rc == NGX_OK || rc == NGX_DECLINED || rc == NGX_ERROR);

    if (rc != NGX_OK) {
        return;
    }

    fuzz_ok(text.data != NULL && fuzz_within(&text, body));

    /* no delimiter of the outermost body is within */

    for (i = 0; i + media->boundary.len + 6 <= text.len; i++) {
        fuzz_ok(ngx_memcmp(text.data + i, CRLF "--", 4) != 0
                || ngx_memcmp(text.data + i + 4, media->boundary.data,
                              media->boundary.len) != 0
                || ngx_memcmp(text.data + i + 4 + media->boundary.len, CRLF,
                              2) != 0);
    }
}


void
fuzz_target(ngx_pool_t *pool, ngx_str_t *in)
{
    ngx_str_t         type, body;
    ngx_sip_part_t    part;
    ngx_sip_media_t   media;

    body = *in;
    type = fuzz_take(&body, LF);

    type = fuzz_copy(pool, &type);
    body = fuzz_copy(pool, &body);

    if (ngx_sip_media_type(&type, &media) == NGX_OK) {
        check(&media, &body, ngx_sip_media_is_text);
        check(&media, &body, ngx_sip_media_is_html);
    }

    if (ngx_sip_part(body.data, body.data + body.len, &part) == NGX_OK) {
        fuzz_ok(fuzz_within(&part.content, &body));
        fuzz_ok(part.content.data + part.content.len == body.data + body.len);
        fuzz_ok(part.media.type.len && part.media.subtype.len);
    }
}
