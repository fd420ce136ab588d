
/*
 * A response whose connection is gone: over a new one, to where the request
 * came from (RFC 3261, 18.2.2).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"


#define NGX_SIP_REPLY_POOL  2048
#define NGX_SIP_REPLIES     128     /* at one time */


struct ngx_sip_reply_s {
    ngx_pool_t                   *pool;
    ngx_sip_ctx_t                *ctx;
    ngx_fed_dial_t               *dial;
    ngx_sip_conn_t               *conn;

    ngx_str_t                     name;
    ngx_fed_domain_t             *domain;
    ngx_str_t                     data;

    ngx_fed_domain_t              target;    /* the address alone */
    ngx_array_t                   servers;
    ngx_fed_server_t              server;
    ngx_addr_t                    addr;
    ngx_sockaddr_t                sockaddr;
};


static void ngx_sip_reply_dial_handler(ngx_fed_dial_t *dial,
    ngx_connection_t *c);
static void ngx_sip_reply_write(ngx_sip_reply_t *reply);
static void ngx_sip_reply_free(ngx_sip_reply_t *reply);


/*
 * Dials the address that a request came from, at the port of its sent-by, and
 * sends the response, a copy of data, to a peer of the domain only.
 */

void
ngx_sip_reply(ngx_sip_server_t *server, ngx_str_t *data)
{
    ngx_uint_t        level;
    ngx_pool_t       *pool;
    ngx_sip_ctx_t    *ctx;
    ngx_fed_event_t  *ev;
    ngx_sip_reply_t  *reply;

    ctx = server->ctx;
    ev = server->event;

    if (ctx->nreplies == NGX_SIP_REPLIES) {
        level = ngx_fed_quiet_level(ctx->conf, NGX_FED_QUIET_DROP,
                                    &ev->from.domain, NGX_LOG_ERR);

        ngx_log_error(level, ctx->conf->log, 0,
                      "response to a SIP MESSAGE from a user of \"%V\" is "
                      "dropped: too many wait for a connection",
                      &ev->from.domain);
        return;
    }

    pool = ngx_create_pool(NGX_SIP_REPLY_POOL, ctx->conf->log);
    if (pool == NULL) {
        return;
    }

    reply = ngx_pcalloc(pool, sizeof(ngx_sip_reply_t));
    if (reply == NULL) {
        ngx_destroy_pool(pool);
        return;
    }

    reply->pool = pool;
    reply->ctx = ctx;
    reply->domain = ev->from_domain;

    ctx->nreplies++;

    reply->name.data = ngx_pstrdup(pool, &ev->from.domain);
    reply->name.len = ev->from.domain.len;
    reply->data.data = ngx_pstrdup(pool, data);
    reply->data.len = data->len;

    if (reply->name.data == NULL || reply->data.data == NULL) {
        ngx_sip_reply_free(reply);
        return;
    }

    reply->sockaddr = server->sockaddr;
    reply->addr.sockaddr = &reply->sockaddr.sockaddr;
    reply->addr.socklen = server->socklen;

    reply->server.addrs = &reply->addr;
    reply->server.naddrs = 1;
    reply->servers.elts = &reply->server;
    reply->servers.nelts = 1;

    reply->target = *ev->from_domain;
    reply->target.servers = &reply->servers;

    reply->dial = ngx_fed_dial_create(ctx->conf, &reply->name, &reply->target);

    if (reply->dial == NULL) {
        ngx_sip_reply_free(reply);
        return;
    }

    reply->dial->data = reply;
    reply->dial->handler = ngx_sip_reply_dial_handler;

    ngx_fed_dial_start(reply->dial);
}


static void
ngx_sip_reply_dial_handler(ngx_fed_dial_t *dial, ngx_connection_t *c)
{
    ngx_sip_ctx_t    *ctx;
    ngx_sip_conn_t   *conn;
    ngx_sip_reply_t  *reply;

    reply = dial->data;
    ctx = reply->ctx;

    if (c == NULL) {
        ngx_log_error(NGX_LOG_INFO, ctx->conf->log, 0,
                      "response to a SIP MESSAGE from a user of \"%V\" is "
                      "dropped, as his connection is gone", &reply->name);
        ngx_sip_reply_free(reply);
        return;
    }

    conn = ngx_sip_conn_dialled(ctx, c, &reply->name);

    if (conn == NULL) {
        ngx_sip_reply_free(reply);
        return;
    }

    conn->reply = reply;
    reply->conn = conn;

    if (reply->domain->tls == NGX_FED_TLS_OFF) {
        ngx_sip_reply_write(reply);
        return;
    }

    ngx_sip_conn_secure(conn);
}


/* TLS is up: the peer must be the one that asked, or one of his domain. */

void
ngx_sip_reply_secured(ngx_sip_conn_t *conn)
{
    const char       *why;
    ngx_sip_reply_t  *reply;

    reply = conn->reply;

    if (ngx_sip_identify(conn) != NGX_OK) {
        ngx_fed_link_close(conn->link, "no memory");
        return;
    }

    why = ngx_sip_identity_check(conn, &reply->name, reply->domain);

    if (why) {
        ngx_log_error(NGX_LOG_ERR, conn->link->log, 0,
                      "SIP response is not sent, as the peer is not one of "
                      "\"%V\": %s", &reply->name, why);
        ngx_fed_link_close(conn->link, why);
        return;
    }

    ngx_sip_reply_write(reply);
}


static void
ngx_sip_reply_write(ngx_sip_reply_t *reply)
{
    ngx_sip_conn_t  *conn;

    conn = reply->conn;

    if (ngx_fed_link_write(conn->link, reply->data.data, reply->data.len)
        == NGX_OK)
    {
        ngx_fed_link_shutdown(conn->link, "response sent");
    }
}


/* Called when the connection is gone, whatever for. */

void
ngx_sip_reply_closed(ngx_sip_conn_t *conn)
{
    ngx_sip_reply_t  *reply;

    reply = conn->reply;
    conn->reply = NULL;

    ngx_sip_reply_free(reply);
}


static void
ngx_sip_reply_free(ngx_sip_reply_t *reply)
{
    reply->ctx->nreplies--;

    if (reply->dial) {
        ngx_fed_dial_free(reply->dial);
    }

    ngx_destroy_pool(reply->pool);
}
