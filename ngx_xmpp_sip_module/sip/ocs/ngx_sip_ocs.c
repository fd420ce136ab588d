
/*
 * The dialect "ocs", of Microsoft OCS, Lync and Skype for Business: its table
 * of functions, and what its header fields are.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_ocs.h"


static ngx_int_t ngx_sip_ocs_init(ngx_sip_ctx_t *ctx, ngx_sip_rows_t *rows);


const ngx_sip_dialect_t  ngx_sip_dialect_ocs = {
    ngx_sip_ocs_init,
    ngx_sip_ocs_read,
    ngx_sip_ocs_write,
    ngx_sip_ocs_send,
    ngx_sip_ocs_session,
    ngx_sip_ocs_composing
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
