
/*
 * What is said within an IM session: text in its several forms, and that
 * somebody types.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_ocs.h"


static ngx_int_t ngx_sip_ocs_text(ngx_sip_msg_t *msg, ngx_fed_event_t *ev,
    ngx_str_t *text);
static ngx_int_t ngx_sip_ocs_from_html(ngx_fed_event_t *ev, ngx_str_t *text);


/*
 * Fills in an event from a MESSAGE within a session, or outside of one.  All
 * that its clients know of success is 200 (ocs-wire 2.3).
 */

ngx_int_t
ngx_sip_ocs_read(ngx_sip_ctx_t *ctx, ngx_sip_msg_t *msg, ngx_fed_event_t *ev,
    ngx_sip_refusal_t *refusal)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    ev->ok = 1;

    rc = ngx_sip_ocs_text(msg, ev, &text);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_OK) {
        rc = ngx_sip_simple_fill(ctx, msg, &text, ev, refusal);

    } else {
        rc = ngx_sip_simple_read(ctx, msg, ev, refusal);
    }

    if (rc == NGX_DECLINED && refusal->status == 415) {
        ngx_str_set(&refusal->headers, "Accept: text/plain, text/html,"
                                       " multipart/alternative" CRLF
                                       "Accept-Encoding: identity" CRLF);
    }

    return rc;
}


/* Finds text that was marked up.  Returns NGX_DECLINED if there is none. */

static ngx_int_t
ngx_sip_ocs_text(ngx_sip_msg_t *msg, ngx_fed_event_t *ev, ngx_str_t *text)
{
    ngx_sip_media_t    media;
    ngx_sip_header_t  *h;

    h = ngx_sip_header(msg, NGX_SIP_CONTENT_ENCODING);

    if (h && h->value.len && !ngx_sip_is(&h->value, "identity")) {
        return NGX_DECLINED;
    }

    h = ngx_sip_header(msg, NGX_SIP_CONTENT_TYPE);

    if (h == NULL || h->next
        || ngx_sip_media_type(&h->value, &media) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (ngx_sip_media_is_html(&media)) {
        *text = msg->body;
        return ngx_sip_ocs_from_html(ev, text);
    }

    if (!ngx_sip_is(&media.type, "multipart")
        || ngx_sip_multipart(&media, &msg->body, ngx_sip_media_is_text, text)
           == NGX_OK
        || ngx_sip_multipart(&media, &msg->body, ngx_sip_media_is_html, text)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return ngx_sip_ocs_from_html(ev, text);
}


static ngx_int_t
ngx_sip_ocs_from_html(ngx_fed_event_t *ev, ngx_str_t *text)
{
    u_char  *p;

    p = ngx_pnalloc(ev->pool, ngx_max(text->len, 1));
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->len = ngx_sip_ocs_html(p, text->data, text->len);
    text->data = p;

    return NGX_OK;
}


/* Tells what an INFO says of its user, or NGX_FED_CHAT_NONE. */

ngx_fed_chat_state_e
ngx_sip_ocs_typing(ngx_sip_msg_t *msg)
{
    ngx_sip_media_t    media;
    ngx_sip_header_t  *h;

    h = ngx_sip_header(msg, NGX_SIP_CONTENT_TYPE);

    if (h == NULL || h->next
        || ngx_sip_media_type(&h->value, &media) != NGX_OK
        || !ngx_sip_is(&media.type, "application")
        || !ngx_sip_is(&media.subtype, "xml"))
    {
        return NGX_FED_CHAT_NONE;
    }

    switch (ngx_sip_ocs_keyboard(&msg->body)) {

    case 1:
        return NGX_FED_CHAT_COMPOSING;

    case 0:
        return NGX_FED_CHAT_PAUSED;

    default:
        return NGX_FED_CHAT_NONE;
    }
}
