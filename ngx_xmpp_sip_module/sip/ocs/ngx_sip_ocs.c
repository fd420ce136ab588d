
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
    ngx_sip_ocs_accepted,
    ngx_sip_ocs_idle,
    ngx_sip_ocs_composing
};


static ngx_int_t
ngx_sip_ocs_init(ngx_sip_ctx_t *ctx, ngx_sip_rows_t *rows)
{
    return NGX_OK;
}
