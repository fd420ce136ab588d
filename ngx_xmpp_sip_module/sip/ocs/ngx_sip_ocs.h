
/*
 * What the files of the dialect "ocs" share.
 */


#ifndef _NGX_SIP_OCS_H_INCLUDED_
#define _NGX_SIP_OCS_H_INCLUDED_


#include "ngx_sip_core.h"
#include "ngx_sip_ocs_text.h"


#define NGX_SIP_OCS_ALLOW                                                     \
    "Allow: INVITE, ACK, CANCEL, BYE, INFO, UPDATE, MESSAGE, OPTIONS,"        \
    " SUBSCRIBE, NOTIFY, BENOTIFY" CRLF
#define NGX_SIP_OCS_SDP_ROW      "Content-Type: application/sdp" CRLF


/* ngx_sip_ocs_session.c */

void ngx_sip_ocs_session(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
ngx_fed_session_t *ngx_sip_ocs_add(ngx_fed_event_t *ev, ngx_fed_key_t *id,
    ngx_str_t *texts, ngx_sip_client_t **bye);
ngx_int_t ngx_sip_ocs_dialog(ngx_sip_ctx_t *ctx, ngx_pool_t *pool,
    ngx_fed_session_t *session, ngx_sip_dialog_t *dialog);
ngx_sip_client_t *ngx_sip_ocs_ending(ngx_sip_ctx_t *ctx,
    ngx_fed_session_t *session);
void ngx_sip_ocs_bye(ngx_sip_client_t *bye);
void ngx_sip_ocs_ended(ngx_sip_client_t *client, ngx_fed_outcome_t *outcome,
    ngx_sip_msg_t *msg);
void ngx_sip_ocs_drop(ngx_sip_ctx_t *ctx, ngx_fed_key_t *id, uint64_t tag,
    ngx_uint_t bye);
void ngx_sip_ocs_idle(ngx_sip_ctx_t *ctx);

/* ngx_sip_ocs_invite.c */

ngx_int_t ngx_sip_ocs_write(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_sip_client_t *client);
void ngx_sip_ocs_send(ngx_sip_client_t *client);
void ngx_sip_ocs_accepted(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
void ngx_sip_ocs_composing(ngx_fed_event_t *ev);

/* ngx_sip_ocs_content.c */

ngx_int_t ngx_sip_ocs_read(ngx_sip_ctx_t *ctx, ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal);
ngx_fed_chat_state_e ngx_sip_ocs_typing(ngx_sip_msg_t *msg);

/* ngx_sip_ocs_sdp.c */

ngx_sip_ocs_offer_e ngx_sip_ocs_offer(ngx_sip_msg_t *msg);
ngx_int_t ngx_sip_ocs_sdp(ngx_sip_ctx_t *ctx, ngx_pool_t *pool,
    ngx_sip_ocs_offer_e offer, ngx_str_t *uri, ngx_str_t *sdp);


#endif /* _NGX_SIP_OCS_H_INCLUDED_ */
