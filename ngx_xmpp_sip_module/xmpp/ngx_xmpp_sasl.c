
/*
 * SASL EXTERNAL between servers (RFC 6120, 6, XEP-0178).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_xmpp_stream.h"


static const char *ngx_xmpp_sasl_external(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static ngx_int_t ngx_xmpp_sasl_decode(ngx_pool_t *pool, ngx_str_t *text,
    ngx_str_t *authzid);


/* On an inbound stream: the peer wants to authenticate. */

void
ngx_xmpp_sasl_in(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_uint_t   level;
    const char  *condition;

    if (ngx_xmpp_equal(&el->name, "auth")) {
        condition = ngx_xmpp_sasl_external(stream, el);

    } else if (ngx_xmpp_equal(&el->name, "abort")) {
        condition = "aborted";

    } else {
        condition = "malformed-request";
    }

    if (condition == NULL) {
        stream->sasl_done = 1;
        stream->restart = 1;

        /* what goes back, after dialback, does not come between the headers */

        ngx_xmpp_out_closing(stream);

        (void) ngx_xmpp_stream_write(stream,
                       "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        ngx_xmpp_xml_stop(&stream->xml);
        return;
    }

    level = ngx_fed_quiet_level(stream->conf, NGX_FED_QUIET_SASL,
                                &stream->remote, NGX_LOG_WARN);

    ngx_log_error(level, stream->link->log, 0,
                  "SASL of \"%V\" failed: %s", &stream->remote, condition);

    (void) ngx_xmpp_stream_write(stream,
                       "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                       "<%s/></failure>", condition);

    if (++stream->tries >= stream->conf->sasl_attempts) {
        ngx_xmpp_stream_error(stream, "policy-violation",
                              "too many SASL failures");
    }
}


/* Returns the condition of the failure (RFC 6120, 6.5), or NULL. */

static const char *
ngx_xmpp_sasl_external(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_int_t   rc;
    ngx_str_t   authzid, domain;

    if (!stream->link->secure) {
        return "encryption-required";
    }

    if (!ngx_xmpp_equal(&el->attr[NGX_XMPP_MECHANISM], "EXTERNAL")
        || stream->sasl_done)
    {
        return "invalid-mechanism";
    }

    rc = ngx_xmpp_sasl_decode(stream->xml.pool, &el->text, &authzid);

    if (rc == NGX_DECLINED) {
        return "incorrect-encoding";
    }

    if (rc != NGX_OK) {
        return "temporary-auth-failure";
    }

    if (!stream->trusted
        || stream->domain->auth == NGX_FED_AUTH_DIALBACK)
    {
        return "not-authorized";
    }

    if (authzid.len == 0) {
        return NULL;
    }

    if (ngx_xmpp_domain(stream->xml.pool, &authzid, &domain) != NGX_OK
        || domain.len != stream->remote.len
        || ngx_memcmp(domain.data, stream->remote.data, domain.len) != 0)
    {
        return "invalid-authzid";
    }

    return NULL;
}


/*
 * Decodes strictly (RFC 6120, 13.9.1): NGX_DECLINED for what is no base64.
 * "=" is an empty authorization identity.
 */

static ngx_int_t
ngx_xmpp_sasl_decode(ngx_pool_t *pool, ngx_str_t *text, ngx_str_t *authzid)
{
    size_t      i, pad;
    u_char      ch;
    ngx_str_t  *src;

    src = text;

    if (ngx_xmpp_equal(src, "=")) {
        ngx_str_null(authzid);
        return NGX_OK;
    }

    if (src->len == 0 || src->len % 4) {
        return NGX_DECLINED;
    }

    pad = 0;

    for (i = 0; i < src->len; i++) {
        ch = src->data[i];

        if (ch == '=' && i >= src->len - 2) {
            pad++;
            continue;
        }

        if (pad
            || !((ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z')
                 || (ch >= '0' && ch <= '9') || ch == '+' || ch == '/'))
        {
            return NGX_DECLINED;
        }
    }

    authzid->data = ngx_pnalloc(pool, ngx_base64_decoded_length(src->len));
    if (authzid->data == NULL) {
        return NGX_ERROR;
    }

    if (ngx_decode_base64(authzid, src) != NGX_OK || authzid->len == 0) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* On an outbound stream: authenticates us by our certificate. */

ngx_int_t
ngx_xmpp_sasl_auth(ngx_xmpp_stream_t *stream)
{
    ngx_str_t  domain, authzid;

    domain = ngx_xmpp_domain_text(stream->pool, &stream->local);

    authzid.data = ngx_pnalloc(stream->pool,
                               ngx_base64_encoded_length(domain.len));
    if (authzid.data == NULL) {
        return NGX_ERROR;
    }

    ngx_encode_base64(&authzid, &domain);

    stream->state = NGX_XMPP_SUCCESS;

    return ngx_xmpp_stream_write(stream,
                         "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
                         " mechanism='EXTERNAL'>%V</auth>", &authzid);
}
