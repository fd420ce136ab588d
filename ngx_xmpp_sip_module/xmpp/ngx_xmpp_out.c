
/*
 * Outbound streams: the initiating entity's part of RFC 6120, what waits for a
 * stream, and when the next attempt is made.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_xmpp_stream.h"


#define NGX_XMPP_OUT_POOL     2048
#define NGX_XMPP_OUT_BUFFER   4096
#define NGX_XMPP_OUT_SWEEP    60000
#define NGX_XMPP_OUT_NAMES    512        /* octets, of a route */
#define NGX_XMPP_OUT_ROUTES   1000       /* of a domain, before some go */
#define NGX_XMPP_OUT_CROWDED  1000       /* ms before they do */
#define NGX_XMPP_OUT_PORT     5269
#define NGX_XMPP_OUT_ID       256        /* octets of a stream id */


#define ngx_xmpp_out_of(node)                                                 \
    ((ngx_xmpp_remote_t *) ((u_char *) (node)                                 \
                            - offsetof(ngx_xmpp_remote_t, sn)))


static ngx_xmpp_route_t *ngx_xmpp_out_route(ngx_xmpp_t *xmpp,
    ngx_str_t *remote, ngx_str_t *local);
static void ngx_xmpp_out_sweep(ngx_xmpp_remote_t *remote);
static ngx_uint_t ngx_xmpp_out_needed(ngx_xmpp_route_t *route);
static void ngx_xmpp_out_free_route(ngx_xmpp_route_t *route);
static size_t ngx_xmpp_out_size(ngx_fed_event_t *ev, ngx_str_t *from,
    ngx_str_t *to);
static u_char *ngx_xmpp_out_write(u_char *p, ngx_fed_event_t *ev,
    ngx_str_t *from, ngx_str_t *to, ngx_xmpp_item_t *item);
static void ngx_xmpp_out_own(ngx_xmpp_t *xmpp, ngx_str_t *local,
    ngx_str_t *remote, ngx_str_t *stanza, ngx_uint_t again);
static void ngx_xmpp_out_wait(ngx_xmpp_route_t *route, ngx_xmpp_item_t *item);
static ngx_uint_t ngx_xmpp_out_share(ngx_xmpp_route_t *route);
static ngx_uint_t ngx_xmpp_out_crowded(ngx_xmpp_stream_t *stream);
static ngx_xmpp_stream_t *ngx_xmpp_out_create(ngx_xmpp_t *xmpp,
    ngx_xmpp_role_e role, ngx_str_t *local, ngx_str_t *remote);
static void ngx_xmpp_out_detach(ngx_xmpp_route_t *route);
static void ngx_xmpp_out_dialled(ngx_fed_dial_t *dial, ngx_connection_t *c);
static ngx_int_t ngx_xmpp_out_begin(ngx_xmpp_stream_t *stream,
    ngx_connection_t *c);
static void ngx_xmpp_out_header(void *data, ngx_xmpp_element_t *root);
static void ngx_xmpp_out_element(void *data, ngx_xmpp_element_t *el);
static void ngx_xmpp_out_error(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static void ngx_xmpp_out_tls(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static void ngx_xmpp_out_sasl(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static void ngx_xmpp_out_features(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static void ngx_xmpp_out_limits(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static ngx_uint_t ngx_xmpp_out_starttls(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static void ngx_xmpp_out_authenticate(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static void ngx_xmpp_out_dialback(ngx_xmpp_stream_t *stream);
static ngx_uint_t ngx_xmpp_out_external(ngx_xmpp_element_t *el);
static ngx_uint_t ngx_xmpp_out_mandatory(ngx_xmpp_element_t *el);
static void ngx_xmpp_out_others(ngx_xmpp_stream_t *stream);
static void ngx_xmpp_out_fail(ngx_xmpp_route_t *route,
    ngx_fed_outcome_e result, const char *reason);
static void ngx_xmpp_out_secured(ngx_fed_link_t *link);
static void ngx_xmpp_out_quit(ngx_fed_link_t *link);
static void ngx_xmpp_out_closed(ngx_fed_link_t *link);
static void ngx_xmpp_out_timeout(ngx_fed_link_t *link);
static void ngx_xmpp_out_next_handler(ngx_event_t *ev);
static void ngx_xmpp_out_end(ngx_xmpp_stream_t *stream);
static void ngx_xmpp_out_backoff(ngx_xmpp_remote_t *remote);
static void ngx_xmpp_out_timer_handler(ngx_event_t *ev);
static void ngx_xmpp_out_release(ngx_xmpp_remote_t *remote);
static void ngx_xmpp_out_free(ngx_xmpp_remote_t *remote);


static const ngx_xmpp_xml_ops_t  ngx_xmpp_out_xml = {
    ngx_xmpp_out_header,
    ngx_xmpp_out_element,
    ngx_xmpp_stream_end
};


static const ngx_fed_link_ops_t  ngx_xmpp_out_link = {
    ngx_xmpp_stream_input,
    ngx_xmpp_out_secured,
    ngx_xmpp_out_quit,
    ngx_xmpp_out_closed
};


static const ngx_str_t  ngx_xmpp_out_services[] = {
    ngx_string("xmpp-server"),
    ngx_null_string
};


static const ngx_str_t  ngx_xmpp_out_direct[] = {
    ngx_string("xmpps-server"),
    ngx_null_string
};


/*
 * Sends the message of an event, its chat state or receipt, or its request to
 * see a user's presence, or queues it until there is a stream.
 */

void
ngx_xmpp_out_send(ngx_fed_event_t *ev)
{
    u_char            *p, *start;
    size_t             size, limit;
    ngx_str_t          from, to;
    ngx_uint_t         queue;
    ngx_xmpp_t        *xmpp;
    ngx_xmpp_item_t   *item;
    ngx_xmpp_route_t  *route;

    xmpp = ev->conf->xmpp_data;

    route = ngx_xmpp_out_route(xmpp, &ev->to.domain, &ev->from.domain);

    item = ngx_pcalloc(ev->pool, sizeof(ngx_xmpp_item_t));
    p = ngx_pnalloc(ev->pool, ngx_fed_address_jid_size(&ev->from)
                              + ngx_fed_address_jid_size(&ev->to));

    if (route == NULL || item == NULL || p == NULL) {
        ngx_fed_event_fail(ev, NGX_FED_INTERNAL, "no memory");
        return;
    }

    from.data = p;
    p = ngx_fed_address_to_jid(p, &ev->from);
    from.len = p - from.data;

    to.data = p;
    to.len = ngx_fed_address_to_jid(p, &ev->to) - p;

    size = ngx_xmpp_out_size(ev, &from, &to);

    limit = ev->to_domain->message_size;

    if (route->ready && route->stream->max_bytes) {
        limit = limit ? ngx_min(limit, route->stream->max_bytes)
                      : route->stream->max_bytes;
    }

    if (limit && size > limit) {
        ngx_fed_event_fail(ev, NGX_FED_TOO_LARGE, "message is too large");
        return;
    }

    item->route = route;
    item->ev = ev;
    item->seq = ev->seq ? ev->seq : ngx_fed_id_next(ev->conf);

    if (route->ready) {

        if (ev->kind == NGX_FED_MESSAGE) {
            ngx_xmpp_barrier_begin(route);
        }

        p = ngx_fed_link_reserve(route->stream->link, size);

        if (p) {
            start = p;
            p = ngx_xmpp_out_write(p, ev, &from, &to, item);

            ngx_fed_link_commit(route->stream->link, p);

            ngx_xmpp_sm_sent(route->stream, start, p - start,
                             ev->kind == NGX_FED_MESSAGE ? item->seq : 0);

            if (ev->kind != NGX_FED_MESSAGE) {
                route->stream->last = ngx_current_msec;
                ngx_fed_event_accept(ev);
                return;
            }

            ngx_xmpp_barrier_add(item);
            ngx_xmpp_barrier_written(item);
            return;
        }

        /* the stream broke just now */
    }

    queue = ev->conf->domain_queue;

    if (ev->kind == NGX_FED_COMPOSING) {
        queue /= 2;
    }

    if (route->remote->nwaiting >= queue) {
        ngx_fed_event_fail(ev, NGX_FED_QUEUE_FULL,
                           "too many messages wait for the XMPP domain");
        return;
    }

    p = ngx_pnalloc(ev->pool, size);
    if (p == NULL) {
        ngx_fed_event_fail(ev, NGX_FED_INTERNAL, "no memory");
        return;
    }

    item->stanza.data = p;
    item->stanza.len = ngx_xmpp_out_write(p, ev, &from, &to, item) - p;

    ngx_xmpp_barrier_add(item);
    ngx_xmpp_out_wait(route, item);
}


static size_t
ngx_xmpp_out_size(ngx_fed_event_t *ev, ngx_str_t *from, ngx_str_t *to)
{
    switch (ev->kind) {

    case NGX_FED_MESSAGE:
        return ngx_xmpp_message_size(ev, from, to);

    case NGX_FED_COMPOSING:
        return ngx_xmpp_chatstate_size(ev, from, to);

    case NGX_FED_RECEIPT:
        return ngx_xmpp_receipt_size(ev, from, to);

    default:
        return ngx_xmpp_subscribe_size(from, to);
    }
}


static u_char *
ngx_xmpp_out_write(u_char *p, ngx_fed_event_t *ev, ngx_str_t *from,
    ngx_str_t *to, ngx_xmpp_item_t *item)
{
    switch (ev->kind) {

    case NGX_FED_MESSAGE:
        return ngx_xmpp_message_write(p, ev, from, to, item);

    case NGX_FED_COMPOSING:
        return ngx_xmpp_chatstate_write(p, ev, from, to, item);

    case NGX_FED_RECEIPT:
        return ngx_xmpp_receipt_write(p, ev, from, to, item);

    default:
        return ngx_xmpp_subscribe_write(p, from, to);
    }
}


/*
 * Sends a stanza that nothing is waited for: an error, or the answer to an IQ.
 * The text is copied.
 */

void
ngx_xmpp_out_stanza(ngx_xmpp_t *xmpp, ngx_str_t *local, ngx_str_t *remote,
    ngx_str_t *stanza)
{
    ngx_xmpp_out_own(xmpp, local, remote, stanza, 0);
}


/* Sends such a stanza again, as its stream broke, but not a third time. */

void
ngx_xmpp_out_again(ngx_xmpp_t *xmpp, ngx_str_t *local, ngx_str_t *remote,
    ngx_str_t *stanza)
{
    ngx_xmpp_out_own(xmpp, local, remote, stanza, 1);
}


static void
ngx_xmpp_out_own(ngx_xmpp_t *xmpp, ngx_str_t *local, ngx_str_t *remote,
    ngx_str_t *stanza, ngx_uint_t again)
{
    ngx_uint_t         level;
    ngx_fed_conf_t    *fcf;
    ngx_xmpp_item_t   *item;
    ngx_xmpp_route_t  *route;

    fcf = xmpp->conf;

    if (ngx_fed_domain_find(fcf, remote, fcf->xmpp)->leg != fcf->xmpp) {
        return;
    }

    route = ngx_xmpp_out_route(xmpp, remote, local);
    if (route == NULL) {
        return;
    }

    if (route->ready
        && ngx_fed_link_write(route->stream->link, stanza->data, stanza->len)
           == NGX_OK)
    {
        route->stream->last = ngx_current_msec;
        ngx_xmpp_sm_sent(route->stream, stanza->data, stanza->len,
                         again ? NGX_XMPP_SM_AGAIN : 0);
        return;
    }

    if (route->remote->nwaiting >= fcf->domain_queue) {
        level = ngx_fed_quiet_level(fcf, NGX_FED_QUIET_DROP, remote,
                                    NGX_LOG_WARN);

        ngx_log_error(level, xmpp->log, 0,
                      "stanza for XMPP domain \"%V\" dropped: too many wait",
                      remote);
        return;
    }

    item = ngx_alloc(sizeof(ngx_xmpp_item_t) + stanza->len, xmpp->log);
    if (item == NULL) {
        return;
    }

    ngx_memzero(item, sizeof(ngx_xmpp_item_t));

    item->route = route;
    item->again = again;
    item->stanza.len = stanza->len;
    item->stanza.data = (u_char *) item + sizeof(ngx_xmpp_item_t);

    ngx_memcpy(item->stanza.data, stanza->data, stanza->len);

    ngx_fed_timers_add(&xmpp->own, &item->timer);
    ngx_xmpp_out_wait(route, item);
}


static void
ngx_xmpp_out_wait(ngx_xmpp_route_t *route, ngx_xmpp_item_t *item)
{
    item->waiting = 1;
    route->remote->nwaiting++;

    ngx_queue_insert_tail(&route->waiting, &item->queue);

    ngx_xmpp_out_connect(route);
}


static ngx_xmpp_route_t *
ngx_xmpp_out_route(ngx_xmpp_t *xmpp, ngx_str_t *remote_name, ngx_str_t *local)
{
    ngx_pool_t         *pool;
    ngx_queue_t        *q;
    ngx_msec_int_t      left;
    ngx_xmpp_route_t   *route;
    ngx_xmpp_remote_t  *remote;

    remote = ngx_xmpp_out_remote(xmpp, remote_name);
    if (remote == NULL) {
        return NULL;
    }

    for (q = ngx_queue_head(&remote->routes);
         q != ngx_queue_sentinel(&remote->routes);
         q = ngx_queue_next(q))
    {
        route = ngx_queue_data(q, ngx_xmpp_route_t, queue);

        if (route->local.len == local->len
            && ngx_memcmp(route->local.data, local->data, local->len) == 0)
        {
            route->used = 1;
            return route;
        }
    }

    pool = ngx_create_pool(sizeof(ngx_xmpp_route_t) + NGX_XMPP_OUT_NAMES,
                           xmpp->log);
    if (pool == NULL) {
        return NULL;
    }

    route = ngx_pcalloc(pool, sizeof(ngx_xmpp_route_t));

    if (route == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    route->pool = pool;
    route->remote = remote;
    route->used = 1;
    route->local.len = local->len;
    route->local.data = ngx_pstrdup(pool, local);

    if (route->local.data == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    route->text = ngx_xmpp_domain_text(pool, &route->local);

    ngx_queue_init(&route->waiting);
    ngx_queue_insert_head(&remote->routes, &route->queue);
    remote->nroutes++;

    ngx_xmpp_barrier_init(route);

    left = remote->timer.timer_set
           ? (ngx_msec_int_t) (remote->timer.timer.key - ngx_current_msec)
           : NGX_XMPP_OUT_SWEEP;

    if (remote->nroutes > NGX_XMPP_OUT_ROUTES && !remote->backoff
        && left > NGX_XMPP_OUT_CROWDED)
    {
        ngx_add_timer(&remote->timer, NGX_XMPP_OUT_CROWDED);
    }

    return route;
}


/*
 * Frees routes that were not used lately: a peer may make us know of as many
 * domains of ours as a wildcard stands for.
 */

static void
ngx_xmpp_out_sweep(ngx_xmpp_remote_t *remote)
{
    ngx_uint_t         n;
    ngx_queue_t       *q, *next;
    ngx_xmpp_route_t  *route;

    n = 0;

    for (q = ngx_queue_head(&remote->routes);
         q != ngx_queue_sentinel(&remote->routes);
         q = next)
    {
        next = ngx_queue_next(q);
        route = ngx_queue_data(q, ngx_xmpp_route_t, queue);

        if (route->used || ngx_xmpp_out_needed(route)) {
            route->used = 0;
            continue;
        }

        if (route->stream) {
            ngx_xmpp_out_detach(route);
        }

        ngx_queue_remove(q);
        ngx_xmpp_out_free_route(route);
        n++;
    }

    remote->nroutes -= n;

    ngx_log_error(NGX_LOG_INFO, remote->xmpp->log, 0,
                  "%ui domains of ours that sent to XMPP domain \"%V\" are "
                  "forgotten, %ui are left",
                  n, &remote->sn.str, remote->nroutes);
}


static ngx_uint_t
ngx_xmpp_out_needed(ngx_xmpp_route_t *route)
{
    ngx_queue_t        *q;
    ngx_xmpp_stream_t  *stream;
    ngx_xmpp_remote_t  *remote;

    remote = route->remote;

    if (!ngx_queue_empty(&route->waiting)
        || ngx_xmpp_barrier_pending(route)
        || (route->stream && !route->ready)
        || (remote->sm && remote->sm->route == route))
    {
        return 1;
    }

    for (q = ngx_queue_head(&remote->streams);
         q != ngx_queue_sentinel(&remote->streams);
         q = ngx_queue_next(q))
    {
        stream = ngx_queue_data(q, ngx_xmpp_stream_t, member);

        if (stream->primary == route) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_xmpp_out_free_route(ngx_xmpp_route_t *route)
{
    if (route->barrier.posted) {
        ngx_delete_posted_event(&route->barrier);
    }

    if (route->barrier.timer_set) {
        ngx_del_timer(&route->barrier);
    }

    ngx_destroy_pool(route->pool);
}


/* Finds a remote domain, or makes it.  Returns NULL if there is no memory. */

ngx_xmpp_remote_t *
ngx_xmpp_out_remote(ngx_xmpp_t *xmpp, ngx_str_t *name)
{
    uint32_t            hash;
    ngx_pool_t         *pool;
    ngx_str_node_t     *sn;
    ngx_xmpp_remote_t  *remote;

    hash = ngx_crc32_short(name->data, name->len);

    sn = ngx_str_rbtree_lookup(&xmpp->remotes, name, hash);

    if (sn) {
        return ngx_xmpp_out_of(sn);
    }

    pool = ngx_create_pool(NGX_XMPP_OUT_POOL * 2, xmpp->log);
    if (pool == NULL) {
        return NULL;
    }

    remote = ngx_pcalloc(pool, sizeof(ngx_xmpp_remote_t));

    if (remote == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    remote->pool = pool;
    remote->xmpp = xmpp;
    remote->domain = ngx_fed_domain_find(xmpp->conf, name, &ngx_xmpp_leg);

    remote->sn.node.key = hash;
    remote->sn.str.len = name->len;
    remote->sn.str.data = ngx_pstrdup(pool, name);

    if (remote->sn.str.data == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    remote->text = ngx_xmpp_domain_text(pool, &remote->sn.str);

    remote->timer.handler = ngx_xmpp_out_timer_handler;
    remote->timer.data = remote;
    remote->timer.log = xmpp->log;
    remote->timer.cancelable = 1;

    ngx_queue_init(&remote->streams);
    ngx_queue_init(&remote->pairs);
    ngx_queue_init(&remote->routes);

    ngx_rbtree_insert(&xmpp->remotes, &remote->sn.node);

    return remote;
}


/* Sees to it that there will be a stream for the route. */

void
ngx_xmpp_out_connect(ngx_xmpp_route_t *route)
{
    ngx_msec_int_t      left;
    ngx_xmpp_stream_t  *stream;
    ngx_xmpp_remote_t  *remote;

    remote = route->remote;

    if (route->stream || ngx_xmpp_bidi_carry(route)
        || ngx_xmpp_out_share(route))
    {
        return;
    }

    if (remote->backoff) {

        left = (ngx_msec_int_t) (remote->timer.timer.key - ngx_current_msec);

        if (left > (ngx_msec_int_t) remote->xmpp->conf->confirm_timeout) {
            ngx_xmpp_out_fail(route, remote->result,
                              "no XMPP stream could be set up lately");
        }

        return;
    }

    stream = ngx_xmpp_out_create(remote->xmpp, NGX_XMPP_OUTBOUND,
                                 &route->local, &remote->sn.str);
    if (stream == NULL) {
        remote->result = NGX_FED_INTERNAL;
        ngx_xmpp_out_backoff(remote);
        return;
    }

    if (remote->timer.timer_set) {
        ngx_del_timer(&remote->timer);
    }

    stream->peer = remote;
    stream->primary = route;

    ngx_queue_insert_tail(&remote->streams, &stream->member);

    ngx_xmpp_out_attach(route, stream);

    ngx_fed_dial_start(stream->dial);
}


/*
 * A stream to the same domain carries other domains of ours as well, if the
 * peer takes dialback (XEP-0220, 2.6).
 */

static ngx_uint_t
ngx_xmpp_out_share(ngx_xmpp_route_t *route)
{
    ngx_queue_t        *q;
    ngx_xmpp_stream_t  *stream;
    ngx_xmpp_remote_t  *remote;

    remote = route->remote;

    if (remote->domain->auth == NGX_FED_AUTH_EXTERNAL) {
        return 0;
    }

    for (q = ngx_queue_head(&remote->streams);
         q != ngx_queue_sentinel(&remote->streams);
         q = ngx_queue_next(q))
    {
        stream = ngx_queue_data(q, ngx_xmpp_stream_t, member);

        if (stream->quit || stream->close_sent || stream->close_received
            || stream->result != NGX_FED_PENDING
            || ((stream->bidi || !stream->ready)
                && ngx_xmpp_out_crowded(stream)))
        {
            continue;
        }

        if (!stream->ready) {
            ngx_xmpp_out_attach(route, stream);
            return 1;
        }

        if (stream->link && stream->dialback) {
            ngx_xmpp_out_attach(route, stream);
            ngx_xmpp_dialback_request(route);
            return 1;
        }
    }

    return 0;
}


/* Each route of a bidirectional stream is a pair that is received for. */

static ngx_uint_t
ngx_xmpp_out_crowded(ngx_xmpp_stream_t *stream)
{
    ngx_uint_t    n;
    ngx_queue_t  *q;

    n = 0;

    for (q = ngx_queue_head(&stream->routes);
         q != ngx_queue_sentinel(&stream->routes);
         q = ngx_queue_next(q))
    {
        n++;
    }

    return ngx_max(n, stream->npairs) >= stream->conf->stream_domains;
}


/* Makes a stream with a dial that is yet to be started. */

static ngx_xmpp_stream_t *
ngx_xmpp_out_create(ngx_xmpp_t *xmpp, ngx_xmpp_role_e role, ngx_str_t *local,
    ngx_str_t *remote)
{
    u_char             *p;
    ngx_pool_t         *pool;
    ngx_fed_dial_t     *dial;
    ngx_fed_domain_t   *domain;
    ngx_xmpp_stream_t  *stream;

    pool = ngx_create_pool(NGX_XMPP_OUT_POOL, xmpp->log);
    if (pool == NULL) {
        return NULL;
    }

    p = ngx_pnalloc(pool, local->len + remote->len);
    stream = ngx_xmpp_stream_create(xmpp, pool, role, &ngx_xmpp_out_xml);

    if (stream == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    domain = ngx_fed_domain_find(xmpp->conf, remote, &ngx_xmpp_leg);

    dial = ngx_fed_dial_create(xmpp->conf, remote, domain);

    if (p == NULL || dial == NULL) {
        if (dial) {
            ngx_fed_dial_free(dial);
        }

        ngx_xmpp_stream_free(stream);
        ngx_destroy_pool(pool);
        return NULL;
    }

    stream->domain = domain;
    stream->local.len = local->len;
    stream->local.data = p;
    stream->remote.len = remote->len;
    stream->remote.data = ngx_cpymem(p, local->data, local->len);

    ngx_memcpy(stream->remote.data, remote->data, remote->len);

    stream->next.handler = ngx_xmpp_out_next_handler;
    stream->next.data = stream;
    stream->next.log = xmpp->log;

    stream->dial = dial;

    if (domain->direct) {
        dial->services = ngx_xmpp_out_direct;

    } else {
        dial->services = ngx_xmpp_out_services;
        dial->port = NGX_XMPP_OUT_PORT;

        if (domain->tls != NGX_FED_TLS_OFF) {
            dial->secure = ngx_xmpp_out_direct;
        }
    }

    dial->data = stream;
    dial->handler = ngx_xmpp_out_dialled;

    return stream;
}


/*
 * Opens a stream of its own to the authoritative server of the pair's remote
 * domain, found by our own look-up, to ask for a key (XEP-0220, 2.1.2).  What
 * becomes of it is told later.  Returns NULL if there is no memory.
 */

ngx_xmpp_stream_t *
ngx_xmpp_out_verify(ngx_xmpp_pair_t *pair, ngx_str_t *key)
{
    u_char             *p;
    ngx_str_t          *id;
    ngx_xmpp_stream_t  *stream;

    stream = ngx_xmpp_out_create(pair->stream->xmpp, NGX_XMPP_VERIFY,
                                 &pair->local, &pair->remote);
    if (stream == NULL) {
        return NULL;
    }

    id = &pair->stream->id;

    p = ngx_pnalloc(stream->pool, id->len + key->len);
    if (p == NULL) {
        ngx_fed_dial_free(stream->dial);
        ngx_xmpp_stream_free(stream);
        ngx_destroy_pool(stream->pool);
        return NULL;
    }

    stream->verify_id.len = id->len;
    stream->verify_id.data = p;
    stream->key.len = key->len;
    stream->key.data = ngx_cpymem(p, id->data, id->len);

    ngx_memcpy(stream->key.data, key->data, key->len);

    stream->pair = pair;
    stream->xmpp->nverify++;

    ngx_fed_dial_start(stream->dial);

    return stream;
}


/* The stream carries, or will carry, what the route sends. */

void
ngx_xmpp_out_attach(ngx_xmpp_route_t *route, ngx_xmpp_stream_t *stream)
{
    route->stream = stream;
    route->generation++;

    ngx_queue_insert_tail(&stream->routes, &route->member);
}


static void
ngx_xmpp_out_detach(ngx_xmpp_route_t *route)
{
    ngx_queue_remove(&route->member);

    route->stream = NULL;
    route->ready = 0;
    route->result = 0;

    ngx_fed_timers_del(&route->remote->xmpp->dialback, &route->timer);
}


static void
ngx_xmpp_out_dialled(ngx_fed_dial_t *dial, ngx_connection_t *c)
{
    ngx_pool_t         *pool;
    ngx_xmpp_stream_t  *stream;

    stream = dial->data;

    if (c == NULL) {

        if (stream->result == NGX_FED_PENDING) {
            stream->result = dial->result;
        }

        stream->final = 1;

        ngx_post_event(&stream->next, &ngx_posted_events);
        return;
    }

    if (ngx_xmpp_out_begin(stream, c) == NGX_OK) {
        return;
    }

    pool = c->pool;

    ngx_close_connection(c);
    ngx_destroy_pool(pool);

    ngx_post_event(&stream->next, &ngx_posted_events);
}


static ngx_int_t
ngx_xmpp_out_begin(ngx_xmpp_stream_t *stream, ngx_connection_t *c)
{
    ngx_str_t        peer;
    ngx_fed_link_t  *link;

    peer.len = stream->remote.len;
    peer.data = ngx_pstrdup(c->pool, &stream->remote);

    if (peer.data == NULL || ngx_xmpp_stream_restart(stream) != NGX_OK) {
        return NGX_ERROR;
    }

    link = ngx_fed_link_create(stream->conf, c, NULL, &ngx_xmpp_out_link,
                               stream, NGX_XMPP_OUT_BUFFER,
                               NGX_XMPP_OUT_BUFFER * 4);
    if (link == NULL) {
        return NGX_ERROR;
    }

    link->peer = peer;

    stream->link = link;
    stream->result = NGX_FED_PENDING;
    stream->reason = NULL;
    stream->error_sent = 0;
    stream->close_sent = 0;
    stream->close_received = 0;
    stream->sasl_done = 0;
    stream->sasl_failed = 0;
    stream->trusted = 0;
    stream->dialback = 0;
    stream->bidi = 0;
    stream->gone = 0;
    stream->sm_offered = 0;
    stream->resuming = 0;
    stream->direct = stream->dial->direct;

    ngx_fed_link_set_timeout(link, stream->conf->handshake_timeout,
                             ngx_xmpp_out_timeout, 0);

    if (stream->direct) {
        ngx_str_set(&link->alpn, NGX_XMPP_ALPN);

        stream->state = NGX_XMPP_TLS;

        ngx_fed_link_secure(link, stream->conf->xmpp_ssl, 1, &stream->remote);

        return NGX_OK;
    }

    (void) ngx_xmpp_stream_header(stream);

    ngx_fed_link_start(link);

    return NGX_OK;
}


static void
ngx_xmpp_out_header(void *data, ngx_xmpp_element_t *root)
{
    ngx_str_t          *id;
    const char         *condition;
    ngx_xmpp_stream_t  *stream;

    stream = data;

    condition = ngx_xmpp_stream_check(stream, root);

    if (condition) {
        ngx_xmpp_stream_error(stream, condition, "stream header");
        return;
    }

    id = &root->attr[NGX_XMPP_ID];

    if (id->len && id->len <= NGX_XMPP_OUT_ID) {
        stream->id.len = id->len;
        stream->id.data = ngx_pstrdup(stream->pool, id);

        if (stream->id.data == NULL) {
            stream->id.len = 0;
        }
    }

    stream->state = NGX_XMPP_FEATURES;

    if (stream->version == 0) {
        ngx_xmpp_out_features(stream, root);
    }
}


static void
ngx_xmpp_out_element(void *data, ngx_xmpp_element_t *el)
{
    ngx_xmpp_stream_t  *stream;

    stream = data;

    switch (el->ns) {

    case NGX_XMPP_NS_STREAM:

        if (ngx_xmpp_equal(&el->name, "error")) {
            ngx_xmpp_out_error(stream, el);

        } else if (ngx_xmpp_equal(&el->name, "features")
                   && stream->state == NGX_XMPP_FEATURES)
        {
            ngx_xmpp_out_features(stream, el);
        }

        return;

    case NGX_XMPP_NS_TLS:
        ngx_xmpp_out_tls(stream, el);
        return;

    case NGX_XMPP_NS_SASL:
        ngx_xmpp_out_sasl(stream, el);
        return;

    case NGX_XMPP_NS_DIALBACK:

        if (stream->role == NGX_XMPP_VERIFY) {
            ngx_xmpp_dialback_verified(stream, el);

        } else {
            ngx_xmpp_dialback_out(stream, el);
        }

        return;

    case NGX_XMPP_NS_SM:

        if (stream->state == NGX_XMPP_OPEN) {
            ngx_xmpp_sm_out(stream, el);
        }

        return;

    case NGX_XMPP_NS_SERVER:

        if (stream->bidi) {
            ngx_xmpp_in_stanza(stream, el);
            return;
        }

        /* streams between servers are one-way, RFC 6120, 4.5 */

        if (!stream->oneway) {
            stream->oneway = 1;
            ngx_log_error(NGX_LOG_INFO, stream->link->log, 0,
                          "stanzas on our outbound XMPP stream are ignored");
        }

        return;

    default:
        return;
    }
}


/* RFC 6120, 4.9 */

static void
ngx_xmpp_out_error(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_str_t          condition;
    ngx_fed_outcome_e  result;

    ngx_xmpp_stream_received_error(stream, el, &condition);

    result = NGX_FED_NO_LINK;

    if (ngx_xmpp_equal(&condition, "host-unknown")
        || ngx_xmpp_equal(&condition, "host-gone"))
    {
        result = NGX_FED_HOST_UNKNOWN;

    } else if (stream->state == NGX_XMPP_RESULT) {
        result = NGX_FED_DIALBACK_ERROR;
    }

    ngx_xmpp_out_failed(stream, result, "stream error received");
}


static void
ngx_xmpp_out_tls(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    if (stream->state != NGX_XMPP_PROCEED) {
        return;
    }

    if (ngx_xmpp_equal(&el->name, "proceed")) {
        stream->starttls = 1;
        ngx_xmpp_xml_stop(&stream->xml);
        return;
    }

    ngx_xmpp_out_failed(stream, NGX_FED_NO_LINK, "peer refused STARTTLS");
}


static void
ngx_xmpp_out_sasl(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    u_char     buf[NGX_XMPP_LOG_TEXT];
    ngx_str_t  text;

    if (stream->state != NGX_XMPP_SUCCESS) {
        return;
    }

    if (ngx_xmpp_equal(&el->name, "success")) {
        stream->sasl_done = 1;
        stream->restart = 1;
        ngx_xmpp_xml_stop(&stream->xml);
        return;
    }

    ngx_str_null(&text);

    if (el->first) {
        text = ngx_fed_text_log(buf, NGX_XMPP_LOG_TEXT, &el->first->name);
    }

    ngx_log_error(NGX_LOG_WARN, stream->link->log, 0,
                  "\"%V\" refused our certificate for \"%V\" in SASL: %V",
                  &stream->remote, &stream->local, &text);

    stream->sasl_failed = 1;

    ngx_xmpp_out_dialback(stream);
}


/* RFC 6120, 4.3.2: chooses what comes next */

static void
ngx_xmpp_out_features(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    stream->dialback = (ngx_xmpp_xml_child(el, NGX_XMPP_NS_DIALBACK_FEATURE,
                                           "dialback")
                        != NULL);

    ngx_xmpp_out_limits(stream, el);

    if (!stream->link->secure && stream->domain->tls != NGX_FED_TLS_OFF
        && ngx_xmpp_out_starttls(stream, el))
    {
        return;
    }

    if (stream->role == NGX_XMPP_VERIFY) {
        ngx_xmpp_dialback_verify(stream);
        return;
    }

    stream->sm_offered = (ngx_xmpp_xml_child(el, NGX_XMPP_NS_SM, "sm")
                          != NULL);

    if (stream->sasl_done) {
        stream->state = NGX_XMPP_OPEN;

        ngx_xmpp_bidi_ready(stream->primary);

        if (stream->close_sent || ngx_xmpp_sm_begin(stream)) {
            return;
        }

        ngx_xmpp_out_ready(stream->primary, "certificate");
        return;
    }

    ngx_xmpp_bidi_request(stream, el);
    ngx_xmpp_out_authenticate(stream, el);
}


/* XEP-0478 */

static void
ngx_xmpp_out_limits(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ssize_t              size;
    ngx_xmpp_element_t  *limits, *max;

    stream->max_bytes = 0;

    limits = ngx_xmpp_xml_child(el, NGX_XMPP_NS_LIMITS, "limits");

    if (limits == NULL) {
        return;
    }

    max = ngx_xmpp_xml_child(limits, NGX_XMPP_NS_LIMITS, "max-bytes");

    if (max == NULL) {
        return;
    }

    size = ngx_atosz(max->text.data, max->text.len);

    if (size > 0) {
        stream->max_bytes = size;
    }
}


/* Returns 0 if the stream goes on without TLS, as policy allows. */

static ngx_uint_t
ngx_xmpp_out_starttls(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_uint_t  offered;

    offered = (ngx_xmpp_xml_child(el, NGX_XMPP_NS_TLS, "starttls") != NULL
               && stream->conf->xmpp_ssl != NULL);

    if (offered) {
        stream->state = NGX_XMPP_PROCEED;

        (void) ngx_xmpp_stream_write(stream,
                       "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        return 1;
    }

    if (stream->domain->tls == NGX_FED_TLS_REQUIRED) {
        ngx_log_error(NGX_LOG_ERR, stream->link->log, 0,
                      "XMPP peer offers no STARTTLS, which is required for "
                      "\"%V\"", &stream->remote);

        ngx_xmpp_out_failed(stream, NGX_FED_NO_LINK, "no STARTTLS");
        return 1;
    }

    return 0;
}


static void
ngx_xmpp_out_authenticate(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    if (stream->link->secure
        && stream->conf->certificates
        && stream->domain->auth != NGX_FED_AUTH_DIALBACK
        && !stream->sasl_failed
        && ngx_xmpp_out_external(el))
    {
        if (ngx_xmpp_sasl_auth(stream) != NGX_OK) {
            ngx_xmpp_out_failed(stream, NGX_FED_INTERNAL, "no memory");
        }

        return;
    }

    if (!stream->dialback && ngx_xmpp_out_mandatory(el)) {
        ngx_xmpp_stream_error(stream, "unsupported-feature",
                              "a mandatory feature is unknown");
        return;
    }

    ngx_xmpp_out_dialback(stream);
}


static void
ngx_xmpp_out_dialback(ngx_xmpp_stream_t *stream)
{
    if (stream->domain->auth == NGX_FED_AUTH_EXTERNAL) {
        ngx_log_error(NGX_LOG_ERR, stream->link->log, 0,
                      "\"%V\" takes no certificate of \"%V\", and its "
                      "auth=external allows nothing else",
                      &stream->remote, &stream->local);

        ngx_xmpp_out_failed(stream, NGX_FED_NO_LINK, "no SASL EXTERNAL");
        return;
    }

    stream->state = NGX_XMPP_RESULT;

    ngx_xmpp_dialback_request(stream->primary);
}


static ngx_uint_t
ngx_xmpp_out_external(ngx_xmpp_element_t *el)
{
    ngx_xmpp_element_t  *mechanism, *mechanisms;

    mechanisms = ngx_xmpp_xml_child(el, NGX_XMPP_NS_SASL, "mechanisms");

    if (mechanisms == NULL) {
        return 0;
    }

    for (mechanism = mechanisms->first;
         mechanism;
         mechanism = mechanism->next)
    {
        if (ngx_xmpp_is(mechanism, NGX_XMPP_NS_SASL, "mechanism")
            && ngx_xmpp_equal(&mechanism->text, "EXTERNAL"))
        {
            return 1;
        }
    }

    return 0;
}


/* RFC 6120, 4.3.2: a feature that we do not know and cannot do without */

static ngx_uint_t
ngx_xmpp_out_mandatory(ngx_xmpp_element_t *el)
{
    ngx_xmpp_element_t  *feature, *child;

    for (feature = el->first; feature; feature = feature->next) {

        if (feature->ns != NGX_XMPP_NS_OTHER) {
            continue;
        }

        for (child = feature->first; child; child = child->next) {
            if (ngx_xmpp_equal(&child->name, "required")) {
                return 1;
            }
        }
    }

    return 0;
}


/* The stream comes to nothing, or to an end that is none of a good order. */

void
ngx_xmpp_out_failed(ngx_xmpp_stream_t *stream, ngx_fed_outcome_e result,
    const char *reason)
{
    if (stream->result == NGX_FED_PENDING) {
        stream->result = result;
    }

    if (stream->reason == NULL) {
        stream->reason = reason;
    }

    switch (result) {

    case NGX_FED_HOST_UNKNOWN:
    case NGX_FED_DIALBACK_INVALID:
    case NGX_FED_DIALBACK_ERROR:
    case NGX_FED_INTERNAL:
        stream->final = 1;
        break;

    default:
        break;
    }

    if (stream->link == NULL) {
        return;
    }

    if (stream->header_sent && stream->state != NGX_XMPP_TLS) {
        (void) ngx_xmpp_stream_write(stream, "</stream:stream>");
    }

    stream->error_sent = 1;
    stream->close_sent = 1;

    if (stream->xml.parsing) {
        ngx_xmpp_xml_stop(&stream->xml);
    }

    ngx_fed_link_shutdown(stream->link, reason);
}


/* The peer takes what the route's domain sends. */

void
ngx_xmpp_out_ready(ngx_xmpp_route_t *route, const char *how)
{
    ngx_uint_t          first;
    ngx_xmpp_stream_t  *stream;
    ngx_xmpp_remote_t  *remote;

    stream = route->stream;
    remote = route->remote;

    ngx_xmpp_bidi_ready(route);

    if (stream->close_sent) {
        return;
    }

    first = !stream->ready;

    route->ready = 1;
    stream->ready = 1;

    remote->backoff = 0;

    ngx_log_error(NGX_LOG_NOTICE, stream->link->log, 0,
                  "outbound XMPP stream is up: from \"%V\" to \"%V\", "
                  "proven by %s, %s%s%s",
                  &route->local, &remote->sn.str, how,
                  ngx_xmpp_stream_tls(stream),
                  stream->trusted ? ", peer's certificate is good" : "",
                  stream->bidi ? ", both ways" : "");

    if (first) {
        stream->state = NGX_XMPP_OPEN;
        stream->last = ngx_current_msec;
        stream->up = ngx_current_msec;

        ngx_fed_dial_free(stream->dial);
        stream->dial = NULL;

        ngx_xmpp_stream_alive(stream);

        if (stream->link) {
            ngx_xmpp_sm_ready(stream);
        }
    }

    ngx_xmpp_out_flush(route);

    if (first && stream->link) {
        ngx_xmpp_out_others(stream);
    }

    ngx_xmpp_out_idle(stream);
}


/* Sends what waited for the route. */

void
ngx_xmpp_out_flush(ngx_xmpp_route_t *route)
{
    u_char           *p;
    size_t            limit;
    ngx_queue_t      *q;
    ngx_fed_link_t   *link;
    ngx_xmpp_item_t  *item;

    while (route->ready && !ngx_queue_empty(&route->waiting)) {

        q = ngx_queue_head(&route->waiting);
        item = ngx_queue_data(q, ngx_xmpp_item_t, queue);

        link = route->stream->link;
        limit = route->stream->max_bytes;

        if (limit && item->stanza.len > limit) {
            ngx_xmpp_barrier_fail(item, NGX_FED_TOO_LARGE,
                                  "message is too large");
            continue;
        }

        if (item->ev && item->ev->kind == NGX_FED_MESSAGE) {
            ngx_xmpp_barrier_begin(route);
        }

        p = ngx_fed_link_reserve(link, item->stanza.len);
        if (p == NULL) {
            return;
        }

        p = ngx_cpymem(p, item->stanza.data, item->stanza.len);
        ngx_fed_link_commit(link, p);

        ngx_xmpp_sm_sent(route->stream, item->stanza.data, item->stanza.len,
                         (item->ev && item->ev->kind == NGX_FED_MESSAGE)
                             ? item->seq
                             : item->again ? NGX_XMPP_SM_AGAIN : 0);

        /* a request is taken when it is written */

        if (item->ev == NULL || item->ev->kind != NGX_FED_MESSAGE) {
            ngx_xmpp_barrier_fail(item, NGX_FED_ACCEPTED, NULL);
            continue;
        }

        item->waiting = 0;
        route->remote->nwaiting--;
        ngx_queue_remove(&item->queue);

        ngx_xmpp_barrier_written(item);
    }
}


/* The routes that waited for the first one to be proven. */

static void
ngx_xmpp_out_others(ngx_xmpp_stream_t *stream)
{
    ngx_queue_t       *q, *next;
    ngx_xmpp_route_t  *route;

    for (q = ngx_queue_head(&stream->routes);
         q != ngx_queue_sentinel(&stream->routes) && stream->link;
         q = next)
    {
        next = ngx_queue_next(q);
        route = ngx_queue_data(q, ngx_xmpp_route_t, member);

        if (route->ready || route->result) {
            continue;
        }

        if (stream->dialback) {
            ngx_xmpp_dialback_request(route);
            continue;
        }

        ngx_xmpp_out_detach(route);
        ngx_xmpp_out_connect(route);
    }
}


/* The peer does not take what the route's domain sends. */

void
ngx_xmpp_out_refused(ngx_xmpp_route_t *route, ngx_fed_outcome_e result,
    const char *reason)
{
    ngx_xmpp_stream_t  *stream;

    stream = route->stream;

    if (!stream->ready) {
        ngx_xmpp_out_failed(stream, result, reason);
        return;
    }

    ngx_xmpp_out_detach(route);
    ngx_xmpp_out_fail(route, result, reason);
}


/*
 * The messages that wait for the route get the result.  Our own stanzas, an
 * error of a message among them, are for nobody else to tell: they wait for the
 * next attempt, as long as they may.
 */

static void
ngx_xmpp_out_fail(ngx_xmpp_route_t *route, ngx_fed_outcome_e result,
    const char *reason)
{
    ngx_queue_t      *q, *next, failed;
    ngx_xmpp_item_t  *item;

    /* an outcome may make new ones wait: they are for the next attempt */

    ngx_queue_init(&failed);

    for (q = ngx_queue_head(&route->waiting);
         q != ngx_queue_sentinel(&route->waiting);
         q = next)
    {
        next = ngx_queue_next(q);
        item = ngx_queue_data(q, ngx_xmpp_item_t, queue);

        if (item->ev) {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&failed, q);
        }
    }

    while (!ngx_queue_empty(&failed)) {
        q = ngx_queue_head(&failed);
        item = ngx_queue_data(q, ngx_xmpp_item_t, queue);

        ngx_xmpp_barrier_fail(item, result, reason);
    }
}


/* Is the outcome of anything on the stream, or of the stream, open? */

ngx_uint_t
ngx_xmpp_out_pending(ngx_xmpp_stream_t *stream)
{
    ngx_queue_t       *q;
    ngx_xmpp_route_t  *route;

    for (q = ngx_queue_head(&stream->routes);
         q != ngx_queue_sentinel(&stream->routes);
         q = ngx_queue_next(q))
    {
        route = ngx_queue_data(q, ngx_xmpp_route_t, member);

        if (route->result || ngx_xmpp_barrier_pending(route)) {
            return 1;
        }
    }

    return 0;
}


/* Something on the stream was settled. */

void
ngx_xmpp_out_idle(ngx_xmpp_stream_t *stream)
{
    if (stream->link && stream->ready && !stream->close_sent
        && !ngx_xmpp_out_pending(stream))
    {
        ngx_fed_link_busy(stream->link, 0);
    }
}


/*
 * The stream is about to be closed in good order: nothing more is sent on it,
 * but what was sent may still be answered.
 */

void
ngx_xmpp_out_closing(ngx_xmpp_stream_t *stream)
{
    ngx_queue_t       *q;
    ngx_xmpp_route_t  *route;

    if (!stream->ready) {
        return;
    }

    stream->quit = 1;

    while (stream->link && !ngx_queue_empty(&stream->routes)) {

        q = ngx_queue_head(&stream->routes);
        route = ngx_queue_data(q, ngx_xmpp_route_t, member);

        if (route->ready) {
            ngx_xmpp_barrier_flush(route);
        }

        if (route->stream == stream) {
            ngx_xmpp_out_detach(route);
        }

        if (!ngx_queue_empty(&route->waiting)) {
            ngx_xmpp_out_connect(route);
        }
    }
}


static void
ngx_xmpp_out_secured(ngx_fed_link_t *link)
{
    ngx_str_t           problem;
    ngx_uint_t          level;
    ngx_xmpp_stream_t  *stream;

    stream = link->data;

    if (ngx_xmpp_tls_identity(stream, &stream->remote, &problem) == NGX_OK) {
        stream->trusted = 1;

    } else {
        level = (stream->domain->auth == NGX_FED_AUTH_EXTERNAL) ? NGX_LOG_ERR
                                                                : NGX_LOG_WARN;

        ngx_log_error(level, link->log, 0,
                      "certificate does not prove XMPP domain \"%V\": %V",
                      &stream->remote, &problem);

        if (stream->domain->auth == NGX_FED_AUTH_EXTERNAL) {
            ngx_xmpp_out_failed(stream, NGX_FED_NO_LINK, "certificate");
            return;
        }
    }

    if (ngx_xmpp_stream_restart(stream) != NGX_OK) {
        ngx_fed_link_close(link, "no memory");
        return;
    }

    (void) ngx_xmpp_stream_header(stream);
}


static void
ngx_xmpp_out_quit(ngx_fed_link_t *link)
{
    ngx_xmpp_stream_t  *stream;

    stream = link->data;

    if (stream->nproven) {
        ngx_xmpp_in_quit(link);
        return;
    }

    ngx_xmpp_stream_close(stream, "the process ends");
}


static void
ngx_xmpp_out_closed(ngx_fed_link_t *link)
{
    ngx_uint_t          level, suspended;
    ngx_queue_t        *q;
    ngx_xmpp_route_t   *route;
    ngx_xmpp_stream_t  *stream;

    stream = link->data;

    if (stream->xml.parsing) {
        stream->gone = 1;
        return;
    }

    if (stream->reason == NULL) {
        stream->reason = link->reason;
    }

    stream->resuming = 0;
    suspended = ngx_xmpp_sm_suspend(stream);

    if (stream->ready) {
        ngx_log_error(NGX_LOG_NOTICE, link->log, 0,
                      "outbound XMPP stream is down: %s%s", stream->reason,
                      suspended ? ", it is to be resumed" : "");

    } else if (!stream->final || stream->result != NGX_FED_PENDING) {
        level = ngx_fed_quiet_level(stream->conf, NGX_FED_QUIET_STREAM,
                                    &stream->remote, NGX_LOG_ERR);

        ngx_log_error(level, link->log, 0,
                      "XMPP stream to \"%V\" failed: %s",
                      &stream->remote, stream->reason);
    }

    ngx_xmpp_in_drop(stream, !stream->close_received);

    stream->link = NULL;

    ngx_post_event(&stream->next, &ngx_posted_events);

    if (!stream->ready) {

        for (q = ngx_queue_head(&stream->routes);
             q != ngx_queue_sentinel(&stream->routes);
             q = ngx_queue_next(q))
        {
            route = ngx_queue_data(q, ngx_xmpp_route_t, member);

            route->result = 0;
            ngx_fed_timers_del(&stream->xmpp->dialback, &route->timer);
        }

        return;
    }

    /* what breaks as soon as it is up is not tried again at once */

    if (!stream->close_received
        && ngx_current_msec - stream->up < stream->conf->reconnect_delay)
    {
        ngx_xmpp_out_backoff(stream->peer);

    } else {
        stream->peer->delay = 0;
    }

    ngx_xmpp_out_broken(stream, suspended);
}


/*
 * The link of a stream is gone: its routes look for another one.  What they
 * wrote to a stream that is suspended is not given up yet.
 */

void
ngx_xmpp_out_broken(ngx_xmpp_stream_t *stream, ngx_uint_t suspended)
{
    ngx_queue_t       *q;
    ngx_xmpp_route_t  *route;

    while (!ngx_queue_empty(&stream->routes)) {

        q = ngx_queue_head(&stream->routes);
        route = ngx_queue_data(q, ngx_xmpp_route_t, member);

        ngx_xmpp_out_detach(route);

        if (suspended) {
            ngx_xmpp_out_connect(route);
            continue;
        }

        ngx_xmpp_barrier_broken(route);

        if (!ngx_queue_empty(&route->waiting)) {
            ngx_xmpp_out_connect(route);
        }
    }
}


static void
ngx_xmpp_out_timeout(ngx_fed_link_t *link)
{
    ngx_xmpp_stream_t  *stream;

    stream = link->data;

    if (stream->role == NGX_XMPP_VERIFY) {
        stream->result = NGX_FED_TIMEOUT;
    }

    if (stream->state == NGX_XMPP_TLS) {
        stream->reason = "TLS handshake timed out";
        ngx_fed_link_close(link, stream->reason);
        return;
    }

    ngx_xmpp_out_failed(stream, NGX_FED_NO_LINK, "negotiation timed out");
}


/* The link of a stream is gone: tries the next address, or ends it. */

static void
ngx_xmpp_out_next_handler(ngx_event_t *ev)
{
    ngx_xmpp_stream_t  *stream;

    stream = ev->data;

    if (!stream->ready && !stream->final && !stream->dial->done) {
        ngx_fed_dial_next(stream->dial);
        return;
    }

    ngx_xmpp_out_end(stream);
}


static void
ngx_xmpp_out_end(ngx_xmpp_stream_t *stream)
{
    ngx_pool_t         *pool;
    ngx_queue_t        *q;
    ngx_xmpp_route_t   *route, *primary;
    ngx_xmpp_remote_t  *remote;
    ngx_fed_outcome_e   result;

    remote = stream->peer;
    primary = stream->primary;
    result = stream->result;

    if (result == NGX_FED_PENDING) {
        result = (stream->state == NGX_XMPP_RESULT) ? NGX_FED_DIALBACK_ERROR
                                                    : NGX_FED_NO_LINK;
    }

    if (stream->dial) {
        ngx_fed_dial_free(stream->dial);
        stream->dial = NULL;
    }

    if (stream->role == NGX_XMPP_VERIFY) {
        stream->xmpp->nverify--;
        ngx_xmpp_dialback_failed(stream, result);

    } else {
        ngx_queue_remove(&stream->member);

        if (!stream->ready && !stream->quit) {
            remote->result = result;
            ngx_xmpp_out_backoff(remote);
        }

        while (!ngx_queue_empty(&stream->routes)) {

            q = ngx_queue_head(&stream->routes);
            route = ngx_queue_data(q, ngx_xmpp_route_t, member);

            ngx_xmpp_out_detach(route);

            /* another domain of ours may fare better with dialback */

            if (route != primary
                && (result == NGX_FED_DIALBACK_INVALID
                    || result == NGX_FED_DIALBACK_ERROR))
            {
                continue;
            }

            ngx_xmpp_out_fail(route, result, stream->reason);
        }

        ngx_xmpp_out_release(remote);
    }

    if (stream->next.posted) {
        ngx_delete_posted_event(&stream->next);
    }

    pool = stream->pool;

    ngx_xmpp_stream_free(stream);
    ngx_destroy_pool(pool);
}


/*
 * RFC 6120, 3.3: the next attempt is made after a time that doubles, with some
 * chance in it
 */

static void
ngx_xmpp_out_backoff(ngx_xmpp_remote_t *remote)
{
    ngx_msec_t       wait;
    ngx_fed_conf_t  *fcf;

    fcf = remote->xmpp->conf;

    remote->delay = remote->delay ? ngx_min(remote->delay * 2,
                                            fcf->reconnect_max)
                                  : fcf->reconnect_delay;

    wait = remote->delay - remote->delay / 4
           + (ngx_msec_t) ngx_random() % (remote->delay / 2 + 1);

    remote->backoff = 1;

    ngx_add_timer(&remote->timer, ngx_max(wait, 1));
}


static void
ngx_xmpp_out_timer_handler(ngx_event_t *ev)
{
    ngx_queue_t        *q;
    ngx_xmpp_route_t   *route;
    ngx_xmpp_remote_t  *remote;

    remote = ev->data;

    if (!remote->backoff) {
        remote->delay = 0;
    }

    remote->backoff = 0;

    for (q = ngx_queue_head(&remote->routes);
         q != ngx_queue_sentinel(&remote->routes);
         q = ngx_queue_next(q))
    {
        route = ngx_queue_data(q, ngx_xmpp_route_t, queue);

        if (!ngx_queue_empty(&route->waiting)
            || (remote->sm && remote->sm->route == route))
        {
            ngx_xmpp_out_connect(route);
        }
    }

    if (remote->nroutes > NGX_XMPP_OUT_ROUTES) {
        ngx_xmpp_out_sweep(remote);
    }

    ngx_xmpp_out_release(remote);
}


/*
 * The route may have another stream: it does not wait for one that is not even
 * connected.
 */

void
ngx_xmpp_out_abandon(ngx_xmpp_route_t *route)
{
    ngx_xmpp_stream_t  *stream;

    stream = route->stream;

    if (stream == NULL || stream->role != NGX_XMPP_OUTBOUND || stream->ready
        || stream->link
        || ngx_queue_head(&stream->routes) != ngx_queue_last(&stream->routes))
    {
        return;
    }

    ngx_xmpp_out_detach(route);
    ngx_xmpp_out_cancel(stream);
}


/* Ends a stream on which nothing was settled yet, and that nobody needs. */

void
ngx_xmpp_out_cancel(ngx_xmpp_stream_t *stream)
{
    stream->quit = 1;
    stream->final = 1;

    if (stream->link) {
        ngx_fed_link_close(stream->link, "not needed any more");
        return;
    }

    if (stream->dial) {
        ngx_fed_dial_free(stream->dial);
        stream->dial = NULL;
    }

    ngx_post_event(&stream->next, &ngx_posted_events);
}


/* An inbound stream, which went to the remote domain as well, is gone. */

void
ngx_xmpp_out_leave(ngx_xmpp_remote_t *remote)
{
    if (!remote->timer.timer_set) {
        ngx_add_timer(&remote->timer, NGX_XMPP_OUT_SWEEP);
    }
}


/* Frees a remote domain that nothing is going on with, or looks again later. */

static void
ngx_xmpp_out_release(ngx_xmpp_remote_t *remote)
{
    ngx_uint_t         busy;
    ngx_queue_t       *q;
    ngx_xmpp_route_t  *route;

    if (remote->timer.timer_set || !ngx_queue_empty(&remote->streams)
        || !ngx_queue_empty(&remote->pairs))
    {
        return;
    }

    busy = (remote->nwaiting || remote->delay || remote->sm);

    for (q = ngx_queue_head(&remote->routes);
         q != ngx_queue_sentinel(&remote->routes);
         q = ngx_queue_next(q))
    {
        route = ngx_queue_data(q, ngx_xmpp_route_t, queue);
        busy |= ngx_xmpp_barrier_pending(route);
    }

    if (busy) {
        ngx_add_timer(&remote->timer, NGX_XMPP_OUT_SWEEP);
        return;
    }

    ngx_xmpp_out_free(remote);
}


static void
ngx_xmpp_out_free(ngx_xmpp_remote_t *remote)
{
    ngx_queue_t  *q;

    if (remote->timer.timer_set) {
        ngx_del_timer(&remote->timer);
    }

    while (!ngx_queue_empty(&remote->routes)) {
        q = ngx_queue_head(&remote->routes);

        ngx_queue_remove(q);
        ngx_xmpp_out_free_route(ngx_queue_data(q, ngx_xmpp_route_t, queue));
    }

    ngx_rbtree_delete(&remote->xmpp->remotes, &remote->sn.node);
    ngx_destroy_pool(remote->pool);
}


/* The process ends. */

void
ngx_xmpp_out_exit(ngx_xmpp_t *xmpp)
{
    ngx_rbtree_t       *tree;
    ngx_rbtree_node_t  *node;

    tree = &xmpp->remotes;

    while (tree->root != tree->sentinel) {
        node = ngx_rbtree_min(tree->root, tree->sentinel);
        ngx_xmpp_out_free(ngx_xmpp_out_of(node));
    }
}
