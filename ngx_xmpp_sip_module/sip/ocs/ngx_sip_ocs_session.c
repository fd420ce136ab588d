
/*
 * IM sessions: a dialog that an INVITE makes, with MESSAGE and INFO in it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_ocs.h"


ngx_int_t
ngx_sip_ocs_read(ngx_sip_ctx_t *ctx, ngx_sip_msg_t *msg, ngx_fed_event_t *ev,
    ngx_sip_refusal_t *refusal)
{
    return ngx_sip_simple_read(ctx, msg, ev, refusal);
}


ngx_int_t
ngx_sip_ocs_write(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_sip_client_t *client)
{
    return ngx_sip_dialect_simple.write(ctx, ev, client);
}


void
ngx_sip_ocs_send(ngx_sip_client_t *client)
{
    ngx_sip_peer_send(client);
}


void
ngx_sip_ocs_session(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_fed_key_t      key;
    ngx_sip_refusal_t  refusal;

    if (msg->method == NGX_SIP_ACK) {
        return;
    }

    ngx_memzero(&refusal, sizeof(ngx_sip_refusal_t));
    refusal.status = 481;

    key = ngx_sip_server_key(conn, msg, &msg->method_name);

    ngx_sip_respond(conn, msg, &key, &refusal);
}


void
ngx_sip_ocs_composing(ngx_fed_event_t *ev)
{
    ngx_fed_event_accept(ev);
}
