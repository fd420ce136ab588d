
/*
 * Session descriptions of IM sessions (RFC 4566, and "m=message").
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_ocs.h"


static ngx_uint_t ngx_sip_ocs_sdp_accepts(ngx_str_t *types);
static ngx_uint_t ngx_sip_ocs_sdp_line(u_char **pos, u_char *last,
    ngx_str_t *line);
static ngx_uint_t ngx_sip_ocs_sdp_word(ngx_str_t *text, ngx_str_t *word);


/*
 * Tells what the body of an INVITE or UPDATE offers: messages and nothing
 * else, by a media line of OCS or of LCS 2005, with text among the types that
 * are accepted, or something else.
 */

ngx_sip_ocs_offer_e
ngx_sip_ocs_offer(ngx_sip_msg_t *msg)
{
    u_char               *p, *last;
    ngx_str_t             line, word;
    ngx_sip_media_t       media;
    ngx_sip_header_t     *h;
    ngx_sip_ocs_offer_e   offer;

    h = ngx_sip_header(msg, NGX_SIP_CONTENT_TYPE);

    if (msg->body.len == 0) {
        return NGX_SIP_OCS_NO_OFFER;
    }

    if (h == NULL || h->next
        || ngx_sip_media_type(&h->value, &media) != NGX_OK
        || !ngx_sip_is(&media.type, "application")
        || !ngx_sip_is(&media.subtype, "sdp"))
    {
        return NGX_SIP_OCS_OTHER;
    }

    offer = NGX_SIP_OCS_OTHER;

    p = msg->body.data;
    last = p + msg->body.len;

    while (ngx_sip_ocs_sdp_line(&p, last, &line)) {

        if (line.len > 2 && line.data[0] == 'm' && line.data[1] == '=') {

            line.data += 2;
            line.len -= 2;

            if (offer != NGX_SIP_OCS_OTHER
                || !ngx_sip_ocs_sdp_word(&line, &word))
            {
                return NGX_SIP_OCS_OTHER;
            }

            if (ngx_sip_is(&word, "message")) {
                offer = NGX_SIP_OCS_MESSAGE;

            } else if (ngx_sip_is(&word, "x-ms-message")) {
                offer = NGX_SIP_OCS_X_MESSAGE;

            } else {
                return NGX_SIP_OCS_OTHER;
            }

        } else if (line.len > sizeof("a=accept-types:") - 1
                   && ngx_memcmp(line.data, "a=accept-types:",
                                 sizeof("a=accept-types:") - 1)
                      == 0)
        {
            line.data += sizeof("a=accept-types:") - 1;
            line.len -= sizeof("a=accept-types:") - 1;

            if (!ngx_sip_ocs_sdp_accepts(&line)) {
                return NGX_SIP_OCS_OTHER;
            }
        }
    }

    return offer;
}


static ngx_uint_t
ngx_sip_ocs_sdp_accepts(ngx_str_t *types)
{
    ngx_str_t  word;

    while (ngx_sip_ocs_sdp_word(types, &word)) {

        if (ngx_sip_is(&word, "*") || ngx_sip_is(&word, "text/*")
            || ngx_sip_is(&word, "text/plain"))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_sip_ocs_sdp_line(u_char **pos, u_char *last, ngx_str_t *line)
{
    u_char  *p;

    p = *pos;

    if (p == last) {
        return 0;
    }

    line->data = p;

    p = ngx_strlchr(p, last, LF);

    if (p == NULL) {
        p = last;
        *pos = last;

    } else {
        *pos = p + 1;
    }

    if (p > line->data && p[-1] == CR) {
        p--;
    }

    line->len = p - line->data;

    return 1;
}


/* Takes a word off the text. */

static ngx_uint_t
ngx_sip_ocs_sdp_word(ngx_str_t *text, ngx_str_t *word)
{
    while (text->len && *text->data == ' ') {
        text->data++;
        text->len--;
    }

    word->data = text->data;

    while (text->len && *text->data != ' ') {
        text->data++;
        text->len--;
    }

    word->len = text->data - word->data;

    return word->len != 0;
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
