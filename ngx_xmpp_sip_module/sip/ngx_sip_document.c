
/*
 * Presence documents as the dialect "simple" has them, PIDF (RFC 3856, 6), and
 * which of several media types a message takes.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"
#include "ngx_sip_pidf.h"


#define NGX_SIP_DOCUMENT_TYPE  "Content-Type: application/pidf+xml" CRLF


static ngx_uint_t ngx_sip_media_is(ngx_sip_media_t *media,
    const ngx_str_t *type);
static const ngx_str_t *ngx_sip_document_accept(ngx_sip_ctx_t *ctx);
static ngx_int_t ngx_sip_document_format(ngx_sip_ctx_t *ctx,
    ngx_sip_msg_t *msg);
static ngx_int_t ngx_sip_document_read(ngx_pool_t *pool,
    ngx_sip_media_t *media, ngx_str_t *body, ngx_str_t *lang,
    ngx_fed_address_t *entity, ngx_fed_presence_t *presence);
static ngx_int_t ngx_sip_document_write(ngx_sip_ctx_t *ctx, ngx_pool_t *pool,
    ngx_uint_t format, ngx_fed_presence_t *presence, ngx_fed_address_t *entity,
    ngx_sip_document_t *document);
static ngx_str_t *ngx_sip_document_language(ngx_fed_presence_t *presence);


const ngx_sip_presence_t  ngx_sip_presence_simple = {
    ngx_sip_document_accept,
    ngx_sip_document_format,
    ngx_sip_document_read,
    ngx_sip_document_write,
    NULL,
    NULL,
    0
};


static const ngx_str_t  ngx_sip_document_types[] = {
    ngx_string("application/pidf+xml"),
    ngx_null_string
};


/* Returns how the domain of a user speaks of presence. */

const ngx_sip_presence_t *
ngx_sip_presence_of(ngx_sip_ctx_t *ctx, ngx_fed_address_t *addr)
{
    ngx_fed_domain_t  *domain;

    domain = ngx_fed_domain_find(ctx->conf, &addr->domain, &ngx_sip_leg);

    return ngx_sip_dialects[domain->dialect]->presence;
}


/*
 * Returns which of some media types a message accepts, as a mask of bits in
 * their order.  Without Accept, or with a wildcard, it is the first one.
 */

ngx_uint_t
ngx_sip_accepts(ngx_sip_msg_t *msg, const ngx_str_t *types)
{
    u_char            *p;
    ngx_str_t          item, any;
    ngx_uint_t         mask;
    ngx_sip_media_t    media;
    ngx_sip_header_t  *h;

    h = ngx_sip_header(msg, NGX_SIP_ACCEPT);

    if (h == NULL) {
        return 1;
    }

    any.data = types[0].data;
    any.len = (u_char *) ngx_strchr(any.data, '/') - any.data;

    mask = 0;

    for ( /* void */ ; h; h = ngx_sip_header_next(msg, h)) {

        p = h->value.data;

        while (ngx_sip_item(&p, h->value.data + h->value.len, &item)
               == NGX_OK)
        {
            if (ngx_sip_media_type(&item, &media) != NGX_OK) {
                continue;
            }

            if (ngx_sip_is(&media.type, "*")
                || (ngx_sip_is(&media.subtype, "*")
                    && ngx_sip_str_is(&media.type, (char *) any.data,
                                      any.len)))
            {
                mask |= 1;
                continue;
            }

            mask |= ngx_sip_media_in(&media, types);
        }
    }

    return mask;
}


/* Returns which of the media types it is, as one bit, or 0. */

ngx_uint_t
ngx_sip_media_in(ngx_sip_media_t *media, const ngx_str_t *types)
{
    ngx_uint_t  i;

    for (i = 0; types[i].len; i++) {
        if (ngx_sip_media_is(media, &types[i])) {
            return (ngx_uint_t) 1 << i;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_sip_media_is(ngx_sip_media_t *media, const ngx_str_t *type)
{
    size_t  len;

    len = media->type.len;

    return type->len == len + 1 + media->subtype.len
           && type->data[len] == '/'
           && ngx_strncasecmp(type->data, media->type.data, len) == 0
           && ngx_strncasecmp(type->data + len + 1, media->subtype.data,
                              media->subtype.len)
              == 0;
}


static const ngx_str_t *
ngx_sip_document_accept(ngx_sip_ctx_t *ctx)
{
    static const ngx_str_t  row = ngx_string(NGX_SIP_ACCEPT_PRESENCE);

    return &row;
}


static ngx_int_t
ngx_sip_document_format(ngx_sip_ctx_t *ctx, ngx_sip_msg_t *msg)
{
    return ngx_sip_accepts(msg, ngx_sip_document_types) ? 0 : NGX_DECLINED;
}


static ngx_int_t
ngx_sip_document_read(ngx_pool_t *pool, ngx_sip_media_t *media,
    ngx_str_t *body, ngx_str_t *lang, ngx_fed_address_t *entity,
    ngx_fed_presence_t *presence)
{
    if (!ngx_sip_media_in(media, ngx_sip_document_types)) {
        return NGX_DONE;
    }

    return ngx_sip_pidf_read(pool, body, &media->charset, lang, entity,
                             presence);
}


static ngx_int_t
ngx_sip_document_write(ngx_sip_ctx_t *ctx, ngx_pool_t *pool,
    ngx_uint_t format, ngx_fed_presence_t *presence, ngx_fed_address_t *entity,
    ngx_sip_document_t *document)
{
    u_char     *p;
    size_t      len, size;
    ngx_str_t  *lang;

    lang = ngx_sip_document_language(presence);
    len = lang ? ngx_sip_language_prefix(lang) : 0;

    size = sizeof("Content-Language: " CRLF NGX_SIP_DOCUMENT_TYPE) + len
           + ngx_sip_pidf_size(presence, entity);

    p = ngx_pnalloc(pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    document->headers.data = p;

    if (len) {
        p = ngx_sprintf(p, "Content-Language: %*s" CRLF, len, lang->data);
    }

    p = ngx_cpymem(p, NGX_SIP_DOCUMENT_TYPE,
                   sizeof(NGX_SIP_DOCUMENT_TYPE) - 1);

    document->headers.len = p - document->headers.data;

    document->body.data = p;
    document->body.len = ngx_sip_pidf_write(p, presence, entity) - p;

    return NGX_OK;
}


/* The language of all that is said, if it is one (RFC 8048, 6.2). */

static ngx_str_t *
ngx_sip_document_language(ngx_fed_presence_t *presence)
{
    ngx_str_t           *lang, *other;
    ngx_uint_t           i, j;
    ngx_fed_resource_t  *r;

    lang = NULL;

    for (i = 0; i < presence->n; i++) {

        r = &presence->resources[i];

        for (j = 0; j < r->nstatuses; j++) {
            other = &r->statuses[j].lang;

            if (lang && !ngx_fed_str_equal(lang, other)) {
                return NULL;
            }

            lang = other;
        }
    }

    return lang;
}
