
/*
 * Presence of the dialect "ocs": which documents are asked for, sent and taken,
 * and what they say of an approval (ocs-wire, 4.1 to 4.4).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_ocs.h"
#include "ngx_sip_ocs_document.h"


#define NGX_SIP_OCS_PIDF   0
#define NGX_SIP_OCS_MSRTC  1


static const ngx_str_t *ngx_sip_ocs_accept(ngx_sip_ctx_t *ctx);
static ngx_int_t ngx_sip_ocs_format(ngx_sip_ctx_t *ctx, ngx_sip_msg_t *msg);
static ngx_int_t ngx_sip_ocs_read_document(ngx_pool_t *pool,
    ngx_sip_media_t *media, ngx_str_t *body, ngx_str_t *lang,
    ngx_fed_address_t *entity, ngx_fed_presence_t *presence);
static ngx_int_t ngx_sip_ocs_write_document(ngx_sip_ctx_t *ctx,
    ngx_pool_t *pool, ngx_uint_t format, ngx_fed_presence_t *presence,
    ngx_fed_address_t *entity, ngx_sip_document_t *document);
static ngx_uint_t ngx_sip_ocs_offline(ngx_sip_ctx_t *ctx);
static ngx_uint_t ngx_sip_ocs_grants(ngx_sip_ctx_t *ctx,
    ngx_fed_presence_t *presence);


const ngx_sip_presence_t  ngx_sip_presence_ocs = {
    ngx_sip_ocs_accept,
    ngx_sip_ocs_format,
    ngx_sip_ocs_read_document,
    ngx_sip_ocs_write_document,
    ngx_sip_ocs_offline,
    ngx_sip_ocs_grants,
    1
};


/* by format */

static const ngx_str_t  ngx_sip_ocs_types[] = {
    ngx_string("application/pidf+xml"),
    ngx_string("text/xml+msrtc.pidf"),
    ngx_null_string
};

static const ngx_str_t  ngx_sip_ocs_type_rows[] = {
    ngx_string("Content-Type: application/pidf+xml" CRLF),
    ngx_string("Content-Type: text/xml+msrtc.pidf" CRLF)
};


/* ocs-wire, 4.2: what it is, the root element tells */

static const ngx_str_t  ngx_sip_ocs_read_types[] = {
    ngx_string("application/pidf+xml"),
    ngx_string("text/xml+msrtc.pidf"),
    ngx_string("text/xml+pidf"),
    ngx_string("application/xpidf+xml"),
    ngx_null_string
};


/* by the halves of NGX_FED_OCS_PIDF and NGX_FED_OCS_MSRTC */

static const ngx_str_t  ngx_sip_ocs_accept_rows[] = {
    ngx_null_string,
    ngx_string("Accept: application/pidf+xml" CRLF),
    ngx_string("Accept: text/xml+msrtc.pidf" CRLF),
    ngx_string("Accept: text/xml+msrtc.pidf, application/pidf+xml" CRLF)
};


static const ngx_str_t *
ngx_sip_ocs_accept(ngx_sip_ctx_t *ctx)
{
    ngx_uint_t  mask;

    mask = ctx->conf->ocs_presence_accept
           & (NGX_FED_OCS_PIDF|NGX_FED_OCS_MSRTC);

    return &ngx_sip_ocs_accept_rows[mask / NGX_FED_OCS_PIDF];
}


/* The one that is wanted, if the watcher takes it, else the other one. */

static ngx_int_t
ngx_sip_ocs_format(ngx_sip_ctx_t *ctx, ngx_sip_msg_t *msg)
{
    ngx_uint_t  mask;

    mask = ngx_sip_accepts(msg, ngx_sip_ocs_types);

    if (mask == 0) {
        return NGX_DECLINED;
    }

    if (ctx->conf->ocs_presence == NGX_FED_OCS_MSRTC) {
        return (mask & (1 << NGX_SIP_OCS_MSRTC)) ? NGX_SIP_OCS_MSRTC
                                                 : NGX_SIP_OCS_PIDF;
    }

    return (mask & (1 << NGX_SIP_OCS_PIDF)) ? NGX_SIP_OCS_PIDF
                                            : NGX_SIP_OCS_MSRTC;
}


static ngx_int_t
ngx_sip_ocs_read_document(ngx_pool_t *pool, ngx_sip_media_t *media,
    ngx_str_t *body, ngx_str_t *lang, ngx_fed_address_t *entity,
    ngx_fed_presence_t *presence)
{
    if (!ngx_sip_media_in(media, ngx_sip_ocs_read_types)) {
        return NGX_DONE;
    }

    return ngx_sip_ocs_document_read(pool, body, &media->charset, lang, entity,
                                     presence);
}


static ngx_int_t
ngx_sip_ocs_write_document(ngx_sip_ctx_t *ctx, ngx_pool_t *pool,
    ngx_uint_t format, ngx_fed_presence_t *presence, ngx_fed_address_t *entity,
    ngx_sip_document_t *document)
{
    u_char  *p;

    p = ngx_pnalloc(pool, ngx_sip_ocs_document_size(presence, entity));
    if (p == NULL) {
        return NGX_ERROR;
    }

    document->body.data = p;

    if (format == NGX_SIP_OCS_MSRTC) {
        p = ngx_sip_ocs_msrtc_write(p, presence, entity);

    } else {
        format = NGX_SIP_OCS_PIDF;
        p = ngx_sip_ocs_pidf_write(p, presence, entity,
                                   ctx->conf->ocs_presence_note);
    }

    document->body.len = p - document->body.data;
    document->headers = ngx_sip_ocs_type_rows[format];

    return NGX_OK;
}


/* ocs-wire, 4.3: as a user of OCS is seen by whom he did not let see him */

static ngx_uint_t
ngx_sip_ocs_offline(ngx_sip_ctx_t *ctx)
{
    return ctx->conf->ocs_pending == NGX_FED_OCS_OFFLINE;
}


/* ocs-wire, 4.3: who was not let in, or not yet, sees a user who is offline */

static ngx_uint_t
ngx_sip_ocs_grants(ngx_sip_ctx_t *ctx, ngx_fed_presence_t *presence)
{
    return ctx->conf->ocs_subscribed == NGX_FED_OCS_ACTIVE
           || (presence && ngx_fed_presence_open(presence));
}
