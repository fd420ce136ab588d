
/*
 * Requests that wait until DNS says whether we are the way to the recipient.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"


#define NGX_SIP_PARK_RETRY  "Retry-After: 10" CRLF


static void ngx_sip_park_handler(ngx_fed_event_t *ev);
static void ngx_sip_park_done(ngx_fed_event_t *ev);


/*
 * Keeps a copy of a request, in the pool of its event, which is to be taken up
 * again as if it had just come.  Returns NGX_DECLINED with refusal->parked set,
 * or with the refusal filled in if it can not wait; NGX_ERROR if there is no
 * memory.
 */

ngx_int_t
ngx_sip_park(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg, ngx_fed_event_t *ev,
    ngx_sip_refusal_t *refusal)
{
    ngx_str_t          *copy;
    ngx_fed_outcome_e   result;

    copy = ngx_palloc(ev->pool, sizeof(ngx_str_t));
    if (copy == NULL) {
        return NGX_ERROR;
    }

    copy->len = msg->size;
    copy->data = ngx_pnalloc(ev->pool, msg->size);

    if (copy->data == NULL) {
        return NGX_ERROR;
    }

    /* it begins with the method */

    ngx_memcpy(copy->data, msg->method_name.data, msg->size);

    ev->source_data = copy;

    result = ngx_fed_auto_wait(ev, ngx_sip_park_handler, &refusal->reason);

    if (result != NGX_FED_PENDING) {
        ev->source_data = NULL;

        refusal->result = result;
        refusal->status = 500;
        ngx_str_set(&refusal->headers, NGX_SIP_PARK_RETRY);

        return NGX_DECLINED;
    }

    refusal->parked = 1;

    /* the process does not end, and the connection is not idle, meanwhile */

    conn->nservers++;

    return NGX_DECLINED;
}


static void
ngx_sip_park_handler(ngx_fed_event_t *ev)
{
    ngx_str_t         *copy;
    ngx_sip_conn_t    *conn;
    ngx_sip_ctx_t     *ctx;
    ngx_sip_parser_t   parser;

    /* without the connection there is nobody to be answered */

    if (ev->link == NULL || ev->link->closing || ev->link->closed) {
        ngx_sip_park_done(ev);
        return;
    }

    conn = ev->link->data;
    ctx = conn->ctx;
    copy = ev->source_data;

    ngx_memzero(&parser, sizeof(ngx_sip_parser_t));

    if (ngx_sip_parse(&parser, &ctx->msg, copy->data, copy->data + copy->len,
                      ctx->conf->sip_header_size, ctx->conf->sip_body_size)
        == NGX_OK)
    {
        ctx->parked = ev;
        ngx_sip_request(conn, &ctx->msg);
        ctx->parked = NULL;
    }

    ngx_sip_park_done(ev);
}


static void
ngx_sip_park_done(ngx_fed_event_t *ev)
{
    ngx_sip_conn_t  *conn;

    if (ev->link) {
        conn = ev->link->data;
        conn->nservers--;

        if (!ev->link->closed) {
            ngx_sip_conn_settle(conn);
        }
    }

    ngx_fed_event_drop(ev);
}
