
/*
 * The dialect "ocs", of Microsoft OCS, Lync and Skype for Business: its table
 * of functions, and what its header fields are.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_ocs.h"


#define NGX_SIP_OCS_DIAGNOSIS  60000     /* and the status; nobody's range */


static ngx_int_t ngx_sip_ocs_init(ngx_sip_ctx_t *ctx, ngx_sip_rows_t *rows);
static ngx_int_t ngx_sip_ocs_hop(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
static u_char *ngx_sip_ocs_diagnose(ngx_sip_ctx_t *ctx, u_char *dst,
    ngx_uint_t status, ngx_str_t *reason);


const ngx_sip_dialect_t  ngx_sip_dialect_ocs = {
    ngx_sip_ocs_init,
    ngx_sip_ocs_read,
    ngx_sip_ocs_write,
    ngx_sip_ocs_send,
    ngx_sip_ocs_session,
    ngx_sip_ocs_accepted,
    ngx_sip_ocs_idle,
    ngx_sip_ocs_composing,
    ngx_sip_ocs_hop,
    ngx_sip_ocs_diagnose,
    &ngx_sip_presence_ocs,

    NGX_SIP_OCS_ALLOW,
    30,
    0,

    NGX_FED_CHATSTATES_ON,
    NGX_FED_CHAT_PAUSED,
    NGX_FED_6XX_OFF|NGX_FED_UNAVAILABLE_480
};


/*
 * Sets the rows (ocs-wire 5.1): the mark that the source was verified, and our
 * name, as in our certificate, in Record-Route and Contact.  Returns NGX_ERROR
 * if there is no memory.
 */

static ngx_int_t
ngx_sip_ocs_init(ngx_sip_ctx_t *ctx, ngx_sip_rows_t *rows)
{
    u_char          *p;
    size_t           len;
    ngx_fed_conf_t  *fcf;

    fcf = ctx->conf;

    rows->all = fcf->ocs_verification;
    rows->bare = 1;
    rows->user = (fcf->ocs_contact == NGX_FED_OCS_CONTACT_USER);

    len = sizeof("Record-Route: <sip::65535;transport=tls;lr>" CRLF)
          + fcf->host.len;

    p = ngx_pnalloc(ctx->pool, 2 * len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    rows->contact.data = p;
    p = ngx_sprintf(p, "sip:%V:%ui;transport=tls", &fcf->host,
                    (ngx_uint_t) fcf->port);
    rows->contact.len = p - rows->contact.data;

    if (fcf->ocs_record_route == NGX_FED_OCS_ROUTE_OFF) {
        return NGX_OK;
    }

    rows->dialog.data = p;
    p = ngx_sprintf(p, "Record-Route: <%V;lr>" CRLF, &rows->contact);
    rows->dialog.len = p - rows->dialog.data;

    if (fcf->ocs_record_route == NGX_FED_OCS_ROUTE_ON) {
        rows->answer = rows->dialog;
    }

    return NGX_OK;
}


/*
 * Refuses compression, which an Edge may ask for by the first request on a
 * link, in the form that was chosen (ocs-wire 5.2).  It is between the two
 * ends of the link, whatever Max-Forwards and the Request-URI say.
 */

static ngx_int_t
ngx_sip_ocs_hop(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_fed_key_t      key;
    ngx_sip_refusal_t  refusal;

    if (!ngx_sip_is(&msg->method_name, "NEGOTIATE")) {
        return NGX_DECLINED;
    }

    ngx_memzero(&refusal, sizeof(ngx_sip_refusal_t));

    refusal.status = conn->ctx->conf->ocs_negotiate;

    if (refusal.status == 200) {
        ngx_str_set(&refusal.headers, "Compression: None" CRLF);

    } else {
        ngx_str_set(&refusal.headers, NGX_SIP_OCS_ALLOW);
    }

    key = ngx_sip_server_key(conn, msg, &msg->method_name);

    ngx_sip_respond(conn, msg, &key, &refusal);

    return NGX_OK;
}


/*
 * Writes for an administrator on the other side what the response says in its
 * Reason-Phrase, which the Edge does not show (ocs-wire 2.6).
 */

static u_char *
ngx_sip_ocs_diagnose(ngx_sip_ctx_t *ctx, u_char *dst, ngx_uint_t status,
    ngx_str_t *reason)
{
    u_char          *p, *last;
    ngx_fed_conf_t  *fcf;

    fcf = ctx->conf;

    if (!fcf->ocs_diagnostics) {
        return dst;
    }

    dst = ngx_sprintf(dst, "ms-diagnostics-public: %ui;reason=\"",
                      NGX_SIP_OCS_DIAGNOSIS + status);

    last = reason->data + ngx_min(reason->len, NGX_SIP_REASON_LEN);

    for (p = reason->data; p < last; p++) {
        *dst++ = (*p == '"' || *p == '\\') ? '\'' : *p;
    }

    return ngx_sprintf(dst, "\";source=\"%V\"" CRLF, &fcf->host);
}
