
/*
 * SIP domains as next hops: the connections to each, dialled or accepted, and
 * what waits for one (RFC 3263, 4; RFC 5922, 7.3; RFC 5923).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"


#define NGX_SIP_PEER_UNUSED  60000
#define NGX_SIP_AVOID_MAX    300
#define NGX_SIP_TARGETS      16          /* of a request */
#define NGX_SIP_PATIENCE     64          /* times reconnect_max */


static void ngx_sip_peer_write(ngx_sip_client_t *client, ngx_sip_conn_t *conn);
static void ngx_sip_peer_queue(ngx_sip_client_t *client);
static ngx_sip_conn_t *ngx_sip_peer_conn(ngx_sip_peer_t *peer,
    ngx_uint_t spare);
static void ngx_sip_peer_probe(ngx_sip_peer_t *peer, ngx_sip_conn_t *conn);
static void ngx_sip_peer_dial(ngx_sip_peer_t *peer);
static void ngx_sip_peer_dial_handler(ngx_fed_dial_t *dial,
    ngx_connection_t *c);
static ngx_sip_conn_t *ngx_sip_peer_connected(ngx_sip_peer_t *peer,
    ngx_connection_t *c);
static void ngx_sip_peer_up(ngx_sip_conn_t *conn);
static void ngx_sip_peer_insert(ngx_sip_conn_t *conn);
static void ngx_sip_peer_flush(ngx_sip_peer_t *peer, ngx_sip_conn_t *conn);
static void ngx_sip_peer_probed(ngx_sip_peer_t *peer);
static void ngx_sip_peer_failed(ngx_sip_peer_t *peer);
static void ngx_sip_peer_rest(ngx_sip_peer_t *peer);
static void ngx_sip_peer_unused_handler(ngx_event_t *ev);
static void ngx_sip_peer_free(ngx_sip_peer_t *peer);
static ngx_uint_t ngx_sip_peer_has_addr(ngx_fed_domain_t *domain,
    struct sockaddr *sockaddr, socklen_t socklen);


static const ngx_str_t  ngx_sip_services[] = {
    ngx_string("_sipfederationtls._tcp"),
    ngx_string("_sips._tcp"),
    ngx_null_string
};


/* Finds a domain, or adds it.  Returns NULL if there is no memory. */

ngx_sip_peer_t *
ngx_sip_peer_get(ngx_sip_ctx_t *ctx, ngx_str_t *name, ngx_fed_domain_t *domain)
{
    uint32_t         hash;
    ngx_sip_peer_t  *peer;

    hash = ngx_crc32_short(name->data, name->len);

    peer = (ngx_sip_peer_t *) ngx_str_rbtree_lookup(&ctx->peers, name, hash);

    if (peer) {
        return peer;
    }

    peer = ngx_calloc(sizeof(ngx_sip_peer_t) + name->len, ctx->conf->log);
    if (peer == NULL) {
        return NULL;
    }

    peer->sn.node.key = hash;
    peer->sn.str.len = name->len;
    peer->sn.str.data = (u_char *) peer + sizeof(ngx_sip_peer_t);
    ngx_memcpy(peer->sn.str.data, name->data, name->len);

    peer->ctx = ctx;
    peer->domain = domain;

    ngx_queue_init(&peer->conns);
    ngx_queue_init(&peer->waiting);

    peer->timer.handler = ngx_sip_peer_unused_handler;
    peer->timer.data = peer;
    peer->timer.log = ctx->conf->log;
    peer->timer.cancelable = 1;

    ngx_rbtree_insert(&ctx->peers, &peer->sn.node);

    return peer;
}


/*
 * Sends a request on a connection to the domain of its recipient, as soon as
 * there is one.
 */

void
ngx_sip_peer_send(ngx_sip_client_t *client)
{
    ngx_sip_ctx_t   *ctx;
    ngx_sip_conn_t  *conn;
    ngx_sip_peer_t  *peer;

    ctx = client->ctx;

    peer = ngx_sip_peer_get(ctx, &client->name, client->domain);

    if (peer == NULL) {
        ngx_sip_client_fail(client, NGX_FED_INTERNAL, NULL);
        return;
    }

    client->peer = peer;

    conn = ngx_sip_peer_conn(peer, 1);

    if (conn) {
        ngx_sip_peer_probe(peer, conn);
        ngx_sip_peer_write(client, conn);
        return;
    }

    if (peer->failed
        && (ngx_msec_int_t) (peer->retry - ngx_current_msec) > 0)
    {
        ngx_sip_client_fail(client, peer->result, NULL);
        return;
    }

    if (peer->nwaiting >= ctx->conf->domain_queue) {
        ngx_sip_client_fail(client, NGX_FED_QUEUE_FULL,
                            "too many messages wait for this domain");
        return;
    }

    client->redialled = 1;

    ngx_sip_peer_queue(client);

    if (!client->timer.set) {
        ngx_fed_timers_add(&ctx->timer_f, &client->timer);
    }

    if (!peer->dialling) {
        ngx_sip_peer_dial(peer);
    }
}


static void
ngx_sip_peer_write(ngx_sip_client_t *client, ngx_sip_conn_t *conn)
{
    ngx_buf_t  *out;

    out = &conn->link->out;

    if ((size_t) (out->last - out->pos) >= client->ctx->conf->output_size) {
        ngx_sip_client_fail(client, NGX_FED_QUEUE_FULL,
                            "the SIP side does not read");
        return;
    }

    ngx_sip_client_write(client, conn);
}


static void
ngx_sip_peer_queue(ngx_sip_client_t *client)
{
    client->queued = 1;

    ngx_queue_insert_tail(&client->peer->waiting, &client->list);
    client->peer->nwaiting++;
}


/* Takes a request off the queue for a connection. */

void
ngx_sip_peer_unqueue(ngx_sip_client_t *client)
{
    client->queued = 0;

    ngx_queue_remove(&client->list);
    client->peer->nwaiting--;
}


/*
 * Returns the connection to the best address of those that are usable, or NULL.
 * One that is spared is better than none if spare is set.
 */

static ngx_sip_conn_t *
ngx_sip_peer_conn(ngx_sip_peer_t *peer, ngx_uint_t spare)
{
    ngx_queue_t     *q;
    ngx_sip_conn_t  *conn, *spared;

    spared = NULL;

    for (q = ngx_queue_head(&peer->conns);
         q != ngx_queue_sentinel(&peer->conns);
         q = ngx_queue_next(q))
    {
        conn = ngx_queue_data(q, ngx_sip_conn_t, usable);

        if (conn->link->closing || conn->link->closed || conn->quitting) {
            continue;
        }

        if (conn->avoided) {

            if ((ngx_msec_int_t) (conn->avoid - ngx_current_msec) > 0) {

                if (conn->spared && spared == NULL) {
                    spared = conn;
                }

                continue;
            }

            conn->avoided = 0;
        }

        return conn;
    }

    return spare ? spared : NULL;
}


/*
 * While a connection to an address that was not the first one is used, those
 * before it are tried again from time to time: what they were passed over for
 * may be mended.
 */

static void
ngx_sip_peer_probe(ngx_sip_peer_t *peer, ngx_sip_conn_t *conn)
{
    if (conn->rank == 0 || peer->dialling || ngx_exiting
        || (ngx_msec_int_t) (peer->probe - ngx_current_msec) > 0)
    {
        return;
    }

    peer->probing = 1;

    ngx_sip_peer_dial(peer);
}


static void
ngx_sip_peer_dial(ngx_sip_peer_t *peer)
{
    ngx_fed_dial_t  *dial;

    if (peer->dial) {
        ngx_fed_dial_free(peer->dial);
        peer->dial = NULL;
    }

    dial = ngx_fed_dial_create(peer->ctx->conf, &peer->sn.str, peer->domain);

    peer->dial = dial;
    peer->dialling = 1;
    peer->failed = 0;

    if (dial == NULL) {
        peer->result = NGX_FED_INTERNAL;
        ngx_sip_peer_failed(peer);
        return;
    }

    dial->services = ngx_sip_services;
    dial->port = NGX_SIP_TLS_PORT;
    dial->data = peer;
    dial->handler = ngx_sip_peer_dial_handler;

    ngx_fed_dial_start(dial);
}


static void
ngx_sip_peer_dial_handler(ngx_fed_dial_t *dial, ngx_connection_t *c)
{
    ngx_sip_ctx_t   *ctx;
    ngx_uint_t       rank;
    ngx_sip_conn_t  *conn;
    ngx_sip_peer_t  *peer;

    peer = dial->data;
    ctx = peer->ctx;

    if (c == NULL) {
        peer->result = dial->result;
        ngx_sip_peer_failed(peer);
        return;
    }

    rank = dial->current - 1;

    /* what is connected already would have been used if it were of use */

    conn = ngx_sip_peer_connected(peer, c);

    if (conn) {
        ngx_sip_conn_discard(c);

        conn->rank = ngx_min(conn->rank, rank);

        if (peer->probing) {
            ngx_sip_peer_probed(peer);

        } else {
            ngx_fed_dial_next(dial);
        }

        return;
    }

    conn = ngx_sip_conn_dialled(ctx, c, &peer->sn.str);

    if (conn == NULL) {
        ngx_fed_dial_next(dial);
        return;
    }

    conn->peer = peer;
    conn->rank = rank;

    peer->connecting = conn;
    peer->socklen = ngx_min(c->socklen, (socklen_t) sizeof(ngx_sockaddr_t));
    ngx_memcpy(&peer->sockaddr, c->sockaddr, peer->socklen);

    if (peer->domain->tls == NGX_FED_TLS_OFF) {

        if (ngx_sip_identify(conn) != NGX_OK) {
            ngx_fed_link_close(conn->link, "no memory");
            return;
        }

        ngx_fed_link_start(conn->link);
        ngx_sip_peer_up(conn);
        return;
    }

    ngx_sip_conn_secure(conn);
}


static ngx_sip_conn_t *
ngx_sip_peer_connected(ngx_sip_peer_t *peer, ngx_connection_t *c)
{
    ngx_queue_t       *q;
    ngx_sip_conn_t    *conn;
    ngx_connection_t  *have;

    for (q = ngx_queue_head(&peer->conns);
         q != ngx_queue_sentinel(&peer->conns);
         q = ngx_queue_next(q))
    {
        conn = ngx_queue_data(q, ngx_sip_conn_t, usable);
        have = conn->link->connection;

        if (conn->dialled && !conn->link->closing && !conn->quitting
            && ngx_cmp_sockaddr(have->sockaddr, have->socklen, c->sockaddr,
                                c->socklen, 1)
               == NGX_OK)
        {
            return conn;
        }
    }

    return NULL;
}


/*
 * TLS is up on a dialled connection: the certificate must be one of the domain
 * that was asked for, not of the host that DNS named (RFC 5922, 7.3).
 */

void
ngx_sip_peer_secured(ngx_sip_conn_t *conn)
{
    u_char           buf[512];
    ngx_str_t        names;
    const char      *why;
    ngx_sip_peer_t  *peer;

    peer = conn->peer;

    if (ngx_sip_identify(conn) != NGX_OK) {
        ngx_fed_link_close(conn->link, "no memory");
        return;
    }

    why = ngx_sip_identity_check(conn, &peer->sn.str, peer->domain);

    if (why) {
        names = ngx_sip_identity_log(conn, buf, sizeof(buf));

        ngx_log_error(NGX_LOG_ERR, conn->link->log, 0,
                      "the SIP peer is not one of \"%V\": %s; names in its "
                      "certificate: %V", &peer->sn.str, why, &names);

        ngx_fed_link_close(conn->link, why);
        return;
    }

    ngx_sip_peer_up(conn);
}


static void
ngx_sip_peer_up(ngx_sip_conn_t *conn)
{
    ngx_sip_peer_t  *peer;

    peer = conn->peer;

    if (conn->rank || peer->probing) {
        ngx_log_error(NGX_LOG_NOTICE, conn->link->log, 0,
                      "SIP domain \"%V\" is reached at %V, which is %s",
                      &peer->sn.str, &conn->link->connection->addr_text,
                      conn->rank ? "not its first address"
                                 : "its first address again");
    }

    peer->connecting = NULL;
    peer->dialling = 0;
    peer->probing = 0;
    peer->delay = 0;

    if (peer->patience == 0) {
        peer->patience = peer->ctx->conf->reconnect_max;
    }

    peer->probe = ngx_current_msec + peer->patience;

    conn->since = ngx_current_msec;

    ngx_sip_peer_insert(conn);

    ngx_sip_conn_ready(conn);

    ngx_sip_peer_flush(peer, conn);
}


/* Dialled ones by the order of their addresses, and what is accepted last. */

static void
ngx_sip_peer_insert(ngx_sip_conn_t *conn)
{
    ngx_queue_t     *q, *conns;
    ngx_sip_conn_t  *other;

    conns = &conn->peer->conns;

    for (q = ngx_queue_head(conns);
         q != ngx_queue_sentinel(conns);
         q = ngx_queue_next(q))
    {
        other = ngx_queue_data(q, ngx_sip_conn_t, usable);

        if (!other->dialled || other->rank >= conn->rank) {
            break;
        }
    }

    /* before q */

    ngx_queue_insert_tail(q, &conn->usable);
}


/* Sends what waits on a connection. */

static void
ngx_sip_peer_flush(ngx_sip_peer_t *peer, ngx_sip_conn_t *conn)
{
    ngx_queue_t       *q;
    ngx_sip_client_t  *client;

    while (!ngx_queue_empty(&peer->waiting) && !conn->link->closed) {

        q = ngx_queue_head(&peer->waiting);
        client = ngx_queue_data(q, ngx_sip_client_t, list);

        ngx_sip_peer_unqueue(client);
        ngx_sip_peer_write(client, conn);
    }
}


/* No better address answers. */

static void
ngx_sip_peer_probed(ngx_sip_peer_t *peer)
{
    ngx_sip_conn_t  *conn;

    if (peer->dial) {
        ngx_fed_dial_free(peer->dial);
        peer->dial = NULL;
    }

    peer->dialling = 0;
    peer->probing = 0;
    peer->probe = ngx_current_msec + peer->patience;

    conn = ngx_sip_peer_conn(peer, 1);

    if (conn) {
        ngx_sip_peer_flush(peer, conn);

    } else if (!ngx_queue_empty(&peer->waiting)) {
        ngx_sip_peer_dial(peer);
    }
}


/* No target is left: nobody waits any longer, and the next dial does. */

static void
ngx_sip_peer_failed(ngx_sip_peer_t *peer)
{
    ngx_queue_t       *q;
    ngx_fed_conf_t    *fcf;
    ngx_sip_client_t  *client;
    ngx_fed_outcome_e  result;

    fcf = peer->ctx->conf;

    if (peer->probing) {
        ngx_sip_peer_probed(peer);
        return;
    }

    if (peer->dial) {
        ngx_fed_dial_free(peer->dial);
        peer->dial = NULL;
    }

    peer->dialling = 0;
    peer->failed = 1;

    peer->delay = peer->delay ? ngx_min(peer->delay * 2, fcf->reconnect_max)
                              : ngx_max(fcf->reconnect_delay, 1);
    peer->retry = ngx_current_msec + peer->delay;

    result = peer->result;

    ngx_log_error(NGX_LOG_ERR, fcf->log, 0,
                  "SIP domain \"%V\" can not be reached (%V): %ui requests are "
                  "returned, and no others are taken for %M ms",
                  &peer->sn.str, ngx_fed_error_result_name(result),
                  peer->nwaiting, peer->delay);

    while (!ngx_queue_empty(&peer->waiting)) {

        q = ngx_queue_head(&peer->waiting);
        client = ngx_queue_data(q, ngx_sip_client_t, list);

        if (client->status) {
            ngx_sip_client_refused(client);

        } else {
            ngx_sip_client_fail(client, result, NULL);
        }
    }

    ngx_sip_peer_rest(peer);
}


/*
 * A target answered by 503: the request goes to the next one, if there is one,
 * as a new transaction (RFC 3263, 4.3).  With Retry-After, nothing goes there
 * for that time (RFC 3261, 21.5.4); without, others go first for a while.
 * Returns NGX_DECLINED if it can not.
 */

ngx_int_t
ngx_sip_peer_next_target(ngx_sip_client_t *client, ngx_uint_t retry_after)
{
    ngx_uint_t       more;
    ngx_sip_conn_t  *conn, *other;
    ngx_sip_peer_t  *peer;

    peer = client->peer;
    conn = client->conn;

    if (retry_after) {
        conn->spared = 0;
        conn->avoided = 1;
        conn->avoid = ngx_current_msec
                      + 1000 * ngx_min(retry_after, NGX_SIP_AVOID_MAX);

    } else if (!conn->avoided) {
        conn->spared = 1;
        conn->avoided = 1;
        conn->avoid = ngx_current_msec + client->ctx->conf->reconnect_max;
    }

    if (++client->ntargets >= NGX_SIP_TARGETS) {
        return NGX_DECLINED;
    }

    other = ngx_sip_peer_conn(peer, 0);

    if (other) {
        ngx_sip_client_detach(client);
        ngx_sip_peer_write(client, other);
        return NGX_OK;
    }

    more = peer->dialling
           || (peer->dial && peer->dial->current < peer->dial->naddrs);

    /* the targets may have been used up for another request, long ago */

    if (!more && client->redialled) {
        return NGX_DECLINED;
    }

    ngx_sip_client_detach(client);
    ngx_sip_peer_queue(client);

    if (peer->dialling) {
        return NGX_OK;
    }

    if (more) {
        peer->dialling = 1;
        ngx_fed_dial_next(peer->dial);

    } else {
        client->redialled = 1;
        ngx_sip_peer_dial(peer);
    }

    return NGX_OK;
}


/* A connection is gone, maybe while it was being set up. */

void
ngx_sip_peer_closed(ngx_sip_conn_t *conn)
{
    ngx_msec_t       max;
    ngx_sip_peer_t  *peer;

    peer = conn->peer;

    if (peer == NULL) {
        return;
    }

    if (peer->connecting == conn) {
        peer->connecting = NULL;

        ngx_log_error(NGX_LOG_ERR, conn->link->log, 0,
                      "SIP connection could not be set up: %s",
                      conn->link->reason);

        ngx_fed_dial_next(peer->dial);
        return;
    }

    ngx_queue_remove(&conn->usable);
    ngx_queue_init(&conn->usable);

    /* what fails soon after it was found again is not tried as often */

    if (conn->dialled && conn->rank == 0) {
        max = peer->ctx->conf->reconnect_max;

        peer->patience = (ngx_current_msec - conn->since < peer->patience)
                         ? ngx_min(peer->patience * 2, max * NGX_SIP_PATIENCE)
                         : max;
    }

    if (!ngx_queue_empty(&peer->waiting) && !peer->dialling) {
        ngx_sip_peer_dial(peer);
    }

    ngx_sip_peer_rest(peer);
}


/*
 * A peer may ask that its connection serve requests to it as well (RFC 5923,
 * 5): with TLS, a certificate of the domain, and if it is where requests to
 * the domain would go anyway.
 */

void
ngx_sip_peer_alias(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg, ngx_str_t *name,
    ngx_fed_domain_t *domain)
{
    uint32_t           hash;
    in_port_t          port;
    ngx_sockaddr_t     addr;
    ngx_sip_peer_t    *peer;
    ngx_connection_t  *c;

    if (!msg->via.alias || conn->peer || conn->dialled || !conn->link->secure)
    {
        return;
    }

    c = conn->link->connection;

    if (c->socklen > (socklen_t) sizeof(ngx_sockaddr_t)) {
        return;
    }

    ngx_memcpy(&addr, c->sockaddr, c->socklen);

    port = msg->via.port ? (in_port_t) msg->via.port : NGX_SIP_TLS_PORT;
    ngx_inet_set_port(&addr.sockaddr, port);

    hash = ngx_crc32_short(name->data, name->len);

    peer = (ngx_sip_peer_t *) ngx_str_rbtree_lookup(&conn->ctx->peers, name,
                                                    hash);

    if (peer && peer->socklen
        && ngx_cmp_sockaddr(&peer->sockaddr.sockaddr, peer->socklen,
                            &addr.sockaddr, c->socklen, 1)
           == NGX_OK)
    {
        goto found;
    }

    if (!ngx_sip_peer_has_addr(domain, &addr.sockaddr, c->socklen)) {
        return;
    }

    peer = ngx_sip_peer_get(conn->ctx, name, domain);
    if (peer == NULL) {
        return;
    }

found:

    conn->peer = peer;

    ngx_queue_insert_tail(&peer->conns, &conn->usable);
}


static ngx_uint_t
ngx_sip_peer_has_addr(ngx_fed_domain_t *domain, struct sockaddr *sockaddr,
    socklen_t socklen)
{
    ngx_uint_t         i, j;
    ngx_fed_server_t  *server;

    if (domain->servers == NULL) {
        return 0;
    }

    server = domain->servers->elts;

    for (i = 0; i < domain->servers->nelts; i++) {

        for (j = 0; j < server[i].naddrs; j++) {

            if (ngx_cmp_sockaddr(sockaddr, socklen,
                                 server[i].addrs[j].sockaddr,
                                 server[i].addrs[j].socklen, 1)
                == NGX_OK)
            {
                return 1;
            }
        }
    }

    return 0;
}


/* What is not used for a while is forgotten. */

static void
ngx_sip_peer_rest(ngx_sip_peer_t *peer)
{
    if (ngx_queue_empty(&peer->conns) && !peer->dialling
        && !peer->timer.timer_set)
    {
        ngx_add_timer(&peer->timer, ngx_max(NGX_SIP_PEER_UNUSED,
                                            peer->delay * 2));
    }
}


static void
ngx_sip_peer_unused_handler(ngx_event_t *ev)
{
    ngx_sip_peer_t  *peer;

    peer = ev->data;

    if (ngx_queue_empty(&peer->conns) && !peer->dialling
        && ngx_queue_empty(&peer->waiting))
    {
        ngx_sip_peer_free(peer);
    }
}


static void
ngx_sip_peer_free(ngx_sip_peer_t *peer)
{
    if (peer->timer.timer_set) {
        ngx_del_timer(&peer->timer);
    }

    if (peer->dial) {
        ngx_fed_dial_free(peer->dial);
    }

    ngx_rbtree_delete(&peer->ctx->peers, &peer->sn.node);

    ngx_free(peer);
}


void
ngx_sip_peers_free(ngx_sip_ctx_t *ctx)
{
    while (ctx->peers.root != ctx->peers.sentinel) {
        ngx_sip_peer_free((ngx_sip_peer_t *) ctx->peers.root);
    }
}
