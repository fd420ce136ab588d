
/*
 * What the files of the dialect "ocs" share.
 */


#ifndef _NGX_SIP_OCS_H_INCLUDED_
#define _NGX_SIP_OCS_H_INCLUDED_


#include "ngx_sip_core.h"


/* ngx_sip_ocs_session.c */

ngx_int_t ngx_sip_ocs_read(ngx_sip_ctx_t *ctx, ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal);
ngx_int_t ngx_sip_ocs_write(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_sip_client_t *client);
void ngx_sip_ocs_send(ngx_sip_client_t *client);
void ngx_sip_ocs_session(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
void ngx_sip_ocs_composing(ngx_fed_event_t *ev);


#endif /* _NGX_SIP_OCS_H_INCLUDED_ */
