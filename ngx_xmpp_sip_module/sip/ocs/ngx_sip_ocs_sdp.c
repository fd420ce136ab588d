
/*
 * Session descriptions of IM sessions (RFC 4566, and "m=message").
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_ocs.h"


/* Tells what the body of an INVITE or UPDATE offers. */

ngx_sip_ocs_offer_e
ngx_sip_ocs_offer(ngx_sip_msg_t *msg)
{
    ngx_sip_media_t    media;
    ngx_sip_header_t  *h;

    if (msg->body.len == 0) {
        return NGX_SIP_OCS_NO_OFFER;
    }

    h = ngx_sip_header(msg, NGX_SIP_CONTENT_TYPE);

    if (h == NULL || h->next
        || ngx_sip_media_type(&h->value, &media) != NGX_OK
        || !ngx_sip_is(&media.type, "application")
        || !ngx_sip_is(&media.subtype, "sdp"))
    {
        return NGX_SIP_OCS_OTHER;
    }

    return ngx_sip_ocs_sdp_offer(&msg->body);
}


/*
 * Makes a description in the pool: an answer with the URI of its user, or
 * without one an offer.  Returns NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_sip_ocs_sdp(ngx_sip_ctx_t *ctx, ngx_pool_t *pool,
    ngx_sip_ocs_offer_e offer, ngx_str_t *uri, ngx_str_t *sdp)
{
    u_char          *p;
    size_t           size;
    ngx_str_t        host;
    const char      *family;
    ngx_fed_conf_t  *fcf;

    static ngx_str_t  null = ngx_string("null");

    fcf = ctx->conf;
    host = fcf->host;
    family = "4";

    if (host.data[0] == '[') {
        host.data++;
        host.len -= 2;
        family = "6";
    }

    if (uri == NULL) {
        uri = &null;
    }

    size = sizeof("v=0" CRLF
                  "o=- 0 0 IN IP4 " CRLF
                  "s=session" CRLF
                  "c=IN IP4 " CRLF
                  "t=0 0" CRLF
                  "m=x-ms-message 5060 sip sip:" CRLF
                  "a=accept-types:" CRLF)
           + 2 * host.len + uri->len + fcf->ocs_accept_types.len;

    p = ngx_pnalloc(pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    sdp->data = p;

    p = ngx_sprintf(p, "v=0" CRLF
                       "o=- 0 0 IN IP%s %V" CRLF
                       "s=session" CRLF
                       "c=IN IP%s %V" CRLF
                       "t=0 0" CRLF
                       "m=%s 5060 sip %V" CRLF,
                    family, &host, family, &host,
                    offer == NGX_SIP_OCS_X_MESSAGE ? "x-ms-message"
                                                   : "message",
                    uri);

    if (offer != NGX_SIP_OCS_X_MESSAGE) {
        p = ngx_sprintf(p, "a=accept-types:%V" CRLF, &fcf->ocs_accept_types);
    }

    sdp->len = p - sdp->data;

    return NGX_OK;
}
