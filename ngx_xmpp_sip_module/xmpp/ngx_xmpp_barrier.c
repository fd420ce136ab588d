
/*
 * When a message counts as taken: after a batch of them a ping goes the same
 * way, and whatever answers it says that the peer's router has had the batch.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_xmpp_stream.h"


#define NGX_XMPP_BATCHES  (NGX_XMPP_PINGS + 1)
#define NGX_XMPP_FLUSH    5                  /* ms between looks */


#define ngx_xmpp_batch(route, i)                                              \
    (&(route)->batches[((route)->first + (i)) % NGX_XMPP_BATCHES])

/* the one that messages are added to */

#define ngx_xmpp_batch_open(route)  ngx_xmpp_batch(route, (route)->nbatches)


static void ngx_xmpp_barrier_handler(ngx_event_t *ev);
static void ngx_xmpp_barrier_ping(ngx_xmpp_route_t *route);
static void ngx_xmpp_barrier_flushed(ngx_xmpp_route_t *route);
static void ngx_xmpp_barrier_settle(ngx_xmpp_batch_t *batch);
static ngx_uint_t ngx_xmpp_barrier_void(ngx_xmpp_batch_t *batch,
    ngx_fed_streams_t *now);
static void ngx_xmpp_barrier_finish(ngx_xmpp_batch_t *batch,
    ngx_fed_outcome_e result, const char *text);
static void ngx_xmpp_barrier_advance(ngx_xmpp_route_t *route);
static void ngx_xmpp_barrier_remove(ngx_xmpp_item_t *item);
static ngx_xmpp_item_t *ngx_xmpp_barrier_find(ngx_xmpp_t *xmpp, uint64_t seq);
static void ngx_xmpp_barrier_remember(ngx_xmpp_item_t *item);
static void ngx_xmpp_barrier_late(ngx_xmpp_t *xmpp, ngx_fed_answer_t *answer);


void
ngx_xmpp_barrier_init(ngx_xmpp_route_t *route)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_XMPP_BATCHES; i++) {
        route->batches[i].ping.route = route;
        route->batches[i].ping.ping = 1;
        ngx_queue_init(&route->batches[i].messages);
    }

    route->barrier.handler = ngx_xmpp_barrier_handler;
    route->barrier.data = route;
    route->barrier.log = route->remote->xmpp->log;
}


/* An answer to the item's id is waited for, for a limited time. */

void
ngx_xmpp_barrier_add(ngx_xmpp_item_t *item)
{
    ngx_xmpp_t  *xmpp;

    xmpp = item->route->remote->xmpp;

    item->pending = 1;
    item->node.key = (ngx_rbtree_key_t) item->seq;

    ngx_rbtree_insert(&xmpp->pending, &item->node);
    ngx_fed_zone_set_pending(xmpp->conf, ++xmpp->npending);

    ngx_fed_timers_add(&xmpp->confirm, &item->timer);
}


/*
 * A message is about to be written.  The ping is posted ahead of the link's
 * output, so that both leave together.
 */

void
ngx_xmpp_barrier_begin(ngx_xmpp_route_t *route)
{
    if (route->remote->xmpp->conf->confirm == NGX_FED_CONFIRM_PING
        && !route->barrier.posted)
    {
        ngx_post_event(&route->barrier, &ngx_posted_events);
    }
}


/* The message was written to the stream. */

void
ngx_xmpp_barrier_written(ngx_xmpp_item_t *item)
{
    ngx_fed_conf_t    *fcf;
    ngx_xmpp_batch_t  *batch;
    ngx_xmpp_route_t  *route;

    route = item->route;
    fcf = route->remote->xmpp->conf;
    batch = ngx_xmpp_batch_open(route);

    if (ngx_queue_empty(&batch->messages)) {
        batch->generation = route->generation;
        batch->sent = 0;
        batch->done = 0;

        batch->streams = ngx_fed_zone_streams(fcf, &route->remote->sn.str,
                                              &route->local);
        ngx_fed_link_busy(route->stream->link, 1);
    }

    ngx_queue_insert_tail(&batch->messages, &item->queue);

    route->stream->last = ngx_current_msec;

    if (fcf->confirm == NGX_FED_CONFIRM_WRITE && !route->barrier.posted
        && !route->barrier.timer_set)
    {
        ngx_post_event(&route->barrier, &ngx_posted_events);
    }
}


ngx_uint_t
ngx_xmpp_barrier_pending(ngx_xmpp_route_t *route)
{
    return route->nbatches
           || !ngx_queue_empty(&ngx_xmpp_batch_open(route)->messages);
}


static void
ngx_xmpp_barrier_handler(ngx_event_t *ev)
{
    ngx_xmpp_route_t  *route;

    route = ev->data;

    if (!route->ready
        || ngx_queue_empty(&ngx_xmpp_batch_open(route)->messages))
    {
        return;
    }

    if (route->remote->xmpp->conf->confirm == NGX_FED_CONFIRM_WRITE) {
        ngx_xmpp_barrier_flushed(route);
        return;
    }

    if (route->nbatches < NGX_XMPP_PINGS) {
        ngx_xmpp_barrier_ping(route);
    }
}


static void
ngx_xmpp_barrier_ping(ngx_xmpp_route_t *route)
{
    u_char            *p, *start;
    size_t             size;
    ngx_xmpp_t        *xmpp;
    ngx_xmpp_batch_t  *batch;

    xmpp = route->remote->xmpp;

    size = sizeof("<iq from='' to='' id='' type='get'>"
                  "<ping xmlns='urn:xmpp:ping'/></iq>")
           + route->text.len + route->remote->text.len + NGX_FED_ID_LEN;

    p = ngx_fed_link_reserve(route->stream->link, size);
    if (p == NULL) {
        return;
    }

    start = p;

    batch = ngx_xmpp_batch_open(route);
    batch->ping.seq = ngx_fed_id_next(xmpp->conf);

    p = ngx_cpymem(p, "<iq from='", sizeof("<iq from='") - 1);
    p = ngx_cpymem(p, route->text.data, route->text.len);
    p = ngx_cpymem(p, "' to='", sizeof("' to='") - 1);
    p = ngx_cpymem(p, route->remote->text.data, route->remote->text.len);
    p = ngx_cpymem(p, "' id='", sizeof("' id='") - 1);
    p = ngx_fed_id_text(xmpp->conf, p, batch->ping.seq);
    p = ngx_cpymem(p, "' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
                   sizeof("' type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
                   - 1);

    batch->sent = 1;
    route->nbatches++;

    ngx_xmpp_barrier_add(&batch->ping);

    ngx_fed_link_commit(route->stream->link, p);

    ngx_xmpp_sm_sent(route->stream, start, p - start, batch->ping.seq);
    ngx_xmpp_sm_pinged(route->stream);
}


/* confirm write: what was written is with the socket, or will be soon */

static void
ngx_xmpp_barrier_flushed(ngx_xmpp_route_t *route)
{
    ngx_fed_link_t     *link;
    ngx_xmpp_stream_t  *stream;

    stream = route->stream;
    link = stream->link;

    if (link->out.pos < link->out.last) {
        ngx_add_timer(&route->barrier, NGX_XMPP_FLUSH);
        return;
    }

    ngx_xmpp_barrier_finish(ngx_xmpp_batch_open(route), NGX_FED_ACCEPTED,
                            NULL);
    ngx_xmpp_out_idle(stream);
}


/*
 * The stream is about to be closed in good order: what was written is still
 * followed by its ping.  Another stream has batches of its own.
 */

void
ngx_xmpp_barrier_flush(ngx_xmpp_route_t *route)
{
    ngx_xmpp_batch_t  *batch;

    batch = ngx_xmpp_batch_open(route);

    if (!ngx_queue_empty(&batch->messages)) {

        if (route->remote->xmpp->conf->confirm == NGX_FED_CONFIRM_WRITE) {
            ngx_xmpp_barrier_finish(batch, NGX_FED_ACCEPTED, NULL);

        } else if (route->nbatches < NGX_XMPP_PINGS) {
            ngx_xmpp_barrier_ping(route);

        } else {
            ngx_xmpp_barrier_finish(batch, NGX_FED_TIMEOUT,
                                    "XMPP stream was closed");
        }
    }

    route->generation++;
}


/* The stream broke: nobody knows what became of what was written to it. */

void
ngx_xmpp_barrier_broken(ngx_xmpp_route_t *route)
{
    ngx_xmpp_barrier_lost(route, route->generation++);
}


/* ... that had the generation */

void
ngx_xmpp_barrier_lost(ngx_xmpp_route_t *route, ngx_uint_t generation)
{
    ngx_uint_t         i;
    ngx_xmpp_batch_t  *batch;

    for (i = 0; i < NGX_XMPP_BATCHES; i++) {
        batch = &route->batches[i];

        if (batch->generation == generation) {
            ngx_xmpp_barrier_finish(batch, NGX_FED_TIMEOUT,
                                    "XMPP stream broke");
        }
    }

    ngx_xmpp_barrier_advance(route);
}


/* Nothing came in time. */

void
ngx_xmpp_barrier_timeout(ngx_fed_timers_t *timers, ngx_fed_timer_t *timer)
{
    ngx_uint_t         level, current, generation;
    ngx_xmpp_item_t   *item;
    ngx_xmpp_batch_t  *batch;
    ngx_xmpp_route_t  *route;

    item = ngx_queue_data(&timer->queue, ngx_xmpp_item_t, timer.queue);
    route = item->route;

    if (item->ping) {
        batch = ngx_queue_data(&item->queue, ngx_xmpp_batch_t, ping.queue);

        level = ngx_fed_quiet_level(route->remote->xmpp->conf,
                                    NGX_FED_QUIET_SILENCE,
                                    &route->remote->sn.str, NGX_LOG_WARN);

        ngx_log_error(level, route->remote->xmpp->log, 0,
                      "XMPP domain \"%V\" did not answer a ping from \"%V\" "
                      "in time", &route->remote->sn.str, &route->local);

        current = (route->ready && batch->generation == route->generation);
        generation = route->generation;

        ngx_xmpp_barrier_finish(batch, NGX_FED_TIMEOUT,
                                "no confirmation in time");
        ngx_xmpp_barrier_advance(route);

        /*
         * RFC 6120, 4.6.1: who does not answer may be gone; if not, what he
         * sent on the stream is read to its end.  The outcomes may have ended
         * it already.
         */

        current = (current && route->ready && route->generation == generation);

        if (current && route->stream->nproven) {
            ngx_xmpp_stream_close(route->stream, "a ping was not answered");
            return;
        }

        if (current) {
            ngx_xmpp_stream_error(route->stream, "connection-timeout",
                                  "a ping was not answered");
            return;
        }

        if (route->stream) {
            ngx_xmpp_out_idle(route->stream);
        }

        return;
    }

    if (item->ev) {
        ngx_xmpp_barrier_fail(item, NGX_FED_TIMEOUT,
                              item->waiting ? "no XMPP stream in time"
                                            : "no confirmation in time");
        return;
    }

    ngx_log_error(NGX_LOG_INFO, route->remote->xmpp->log, 0,
                  "stanza for XMPP domain \"%V\" dropped: no stream in time",
                  &route->remote->sn.str);

    ngx_xmpp_barrier_fail(item, NGX_FED_TIMEOUT, NULL);
}


/* An item that waits, or was written, comes to nothing. */

void
ngx_xmpp_barrier_fail(ngx_xmpp_item_t *item, ngx_fed_outcome_e result,
    const char *text)
{
    ngx_xmpp_barrier_remove(item);

    if (item->ev) {
        ngx_fed_event_fail(item->ev, result, text);
        return;
    }

    ngx_free(item);
}


/*
 * An answer arrived on a stream of this worker: it is for this one, or for
 * another.
 */

void
ngx_xmpp_barrier_received(ngx_xmpp_t *xmpp, ngx_str_t *text,
    ngx_fed_answer_t *answer)
{
    ngx_fed_id_t  id;

    if (ngx_fed_id_parse(xmpp->conf, text->data, text->len, &id) != NGX_OK) {
        return;
    }

    answer->seq = id.seq;

    if (ngx_fed_id_mine(xmpp->conf, &id)) {
        ngx_xmpp_barrier_answer(xmpp, answer);
        return;
    }

    (void) ngx_fed_zone_hand_over(xmpp->conf, &ngx_xmpp_leg, &id, answer);
}


/* Takes an answer, which counts if it is from where the question went. */

void
ngx_xmpp_barrier_answer(ngx_xmpp_t *xmpp, ngx_fed_answer_t *answer)
{
    ngx_str_t          *from, *to;
    ngx_uint_t          ping, level;
    ngx_xmpp_item_t    *item;
    ngx_xmpp_batch_t   *batch;
    ngx_xmpp_route_t   *route;

    item = ngx_xmpp_barrier_find(xmpp, answer->seq);

    if (item == NULL) {
        ngx_xmpp_barrier_late(xmpp, answer);
        return;
    }

    route = item->route;
    from = &route->remote->sn.str;
    to = &route->local;
    ping = (answer->outcome.result == NGX_FED_ACCEPTED);

    if (item->waiting
        || item->ping != ping
        || answer->from.len != from->len
        || ngx_memcmp(answer->from.data, from->data, from->len) != 0
        || answer->to.len != to->len
        || ngx_memcmp(answer->to.data, to->data, to->len) != 0)
    {
        level = ngx_fed_quiet_level(xmpp->conf, NGX_FED_QUIET_ANSWER,
                                    &answer->from, NGX_LOG_WARN);

        ngx_log_error(level, xmpp->log, 0,
                      "answer from XMPP domain \"%V\" to \"%V\" ignored: the "
                      "stanza went from \"%V\" to \"%V\"",
                      &answer->from, &answer->to, to, from);
        return;
    }

    if (ping) {
        batch = ngx_queue_data(&item->queue, ngx_xmpp_batch_t, ping.queue);
        ngx_xmpp_barrier_settle(batch);
        return;
    }

    ngx_xmpp_barrier_remove(item);
    ngx_fed_event_outcome(item->ev, &answer->outcome);
}


/* The batch and those before it on its stream are with the peer's router. */

static void
ngx_xmpp_barrier_settle(ngx_xmpp_batch_t *batch)
{
    ngx_uint_t          i, n, generation;
    ngx_fed_streams_t   now;
    ngx_xmpp_batch_t   *b;
    ngx_xmpp_route_t   *route;

    route = batch->ping.route;
    generation = batch->generation;
    n = batch - route->batches;

    now = ngx_fed_zone_streams(route->remote->xmpp->conf,
                               &route->remote->sn.str, &route->local);

    i = route->first;

    for ( ;; ) {
        b = &route->batches[i];

        if (b->sent && !b->done && b->generation == generation) {

            if (ngx_xmpp_barrier_void(b, &now)) {
                ngx_xmpp_barrier_finish(b, NGX_FED_TIMEOUT,
                                        "peer's XMPP stream changed");

            } else {
                ngx_xmpp_barrier_finish(b, NGX_FED_ACCEPTED, NULL);
            }
        }

        if (i == n) {
            break;
        }

        i = (i + 1) % NGX_XMPP_BATCHES;
    }

    ngx_xmpp_barrier_advance(route);

    if (route->stream) {
        ngx_xmpp_out_idle(route->stream);
    }
}


/*
 * A bounce may be lost when a stream broke that the peer sent on, and be
 * overtaken when it sends on another one as well by now.  One that took the
 * place of a stream that ended in good order is no harm: that was read to its
 * end.
 */

static ngx_uint_t
ngx_xmpp_barrier_void(ngx_xmpp_batch_t *batch, ngx_fed_streams_t *now)
{
    ngx_fed_streams_t  *then;

    then = &batch->streams;

    if (now->broken != then->broken) {
        return 1;
    }

    return now->opened != then->opened && now->open > 1;
}


/* All messages of a batch get their outcome. */

static void
ngx_xmpp_barrier_finish(ngx_xmpp_batch_t *batch, ngx_fed_outcome_e result,
    const char *text)
{
    ngx_queue_t        *q;
    ngx_xmpp_item_t    *item;
    ngx_fed_outcome_t   outcome;

    if (batch->sent && !batch->done) {
        batch->done = 1;
        ngx_queue_init(&batch->ping.queue);
        ngx_xmpp_barrier_remove(&batch->ping);
    }

    ngx_memzero(&outcome, sizeof(ngx_fed_outcome_t));

    outcome.result = NGX_FED_ACCEPTED;

    /* an outcome may bring about new messages, even the end of the stream */

    while (!ngx_queue_empty(&batch->messages)) {

        q = ngx_queue_head(&batch->messages);
        item = ngx_queue_data(q, ngx_xmpp_item_t, queue);

        if (result != NGX_FED_ACCEPTED) {
            ngx_xmpp_barrier_fail(item, result, text);
            continue;
        }

        ngx_xmpp_barrier_remember(item);
        ngx_xmpp_barrier_remove(item);
        ngx_fed_event_outcome(item->ev, &outcome);
    }
}


/* Frees the places of the oldest batches; a ping may wait for one. */

static void
ngx_xmpp_barrier_advance(ngx_xmpp_route_t *route)
{
    while (route->nbatches && route->batches[route->first].done) {
        route->first = (route->first + 1) % NGX_XMPP_BATCHES;
        route->nbatches--;
    }

    if (route->ready
        && !ngx_queue_empty(&ngx_xmpp_batch_open(route)->messages))
    {
        ngx_xmpp_barrier_begin(route);
    }
}


static void
ngx_xmpp_barrier_remove(ngx_xmpp_item_t *item)
{
    ngx_xmpp_t  *xmpp;

    xmpp = item->route->remote->xmpp;

    if (item->pending) {
        item->pending = 0;
        ngx_rbtree_delete(&xmpp->pending, &item->node);
        ngx_fed_zone_set_pending(xmpp->conf, --xmpp->npending);
    }

    ngx_fed_timers_del(&xmpp->confirm, &item->timer);

    if (item->waiting) {
        item->waiting = 0;
        item->route->remote->nwaiting--;
    }

    ngx_queue_remove(&item->queue);
}


static ngx_xmpp_item_t *
ngx_xmpp_barrier_find(ngx_xmpp_t *xmpp, uint64_t seq)
{
    ngx_rbtree_key_t    key;
    ngx_rbtree_node_t  *node, *sentinel;

    key = (ngx_rbtree_key_t) seq;
    node = xmpp->pending.root;
    sentinel = xmpp->pending.sentinel;

    while (node != sentinel) {

        if (key == node->key) {
            return ngx_rbtree_data(node, ngx_xmpp_item_t, node);
        }

        node = (key < node->key) ? node->left : node->right;
    }

    return NULL;
}


/* Tells whether the outcome of a message, or a ping, is still open. */

ngx_uint_t
ngx_xmpp_barrier_waits(ngx_xmpp_t *xmpp, uint64_t seq)
{
    return ngx_xmpp_barrier_find(xmpp, seq) != NULL;
}


/* Keeps who wrote to whom for a while, for what bounces late. */

static void
ngx_xmpp_barrier_remember(ngx_xmpp_item_t *item)
{
    size_t              n;
    u_char             *p, *last;
    ngx_str_t          *part[4];
    ngx_uint_t          i;
    ngx_fed_event_t    *ev;
    ngx_xmpp_late_t    *late;

    ev = item->ev;
    late = &item->route->remote->xmpp->late[item->seq % NGX_XMPP_LATE];

    late->seq = item->seq;

    part[0] = &ev->from.user;
    part[1] = &ev->from.domain;
    part[2] = &ev->to.user;
    part[3] = &ev->to.domain;

    p = late->text;
    last = p + NGX_XMPP_LATE_TEXT;

    for (i = 0; i < 4; i++) {
        n = ngx_min(part[i]->len, (size_t) (last - p));

        if (n) {
            p = ngx_cpymem(p, part[i]->data, n);

            if (!(i & 1) && p < last) {
                *p++ = '@';
            }
        }

        if (i == 1) {
            late->from_len = (u_char) (p - late->text);
        }
    }

    late->to_len = (u_char) (p - late->text - late->from_len);
}


/* RFC 7572 has no form in which to tell the sender now. */

static void
ngx_xmpp_barrier_late(ngx_xmpp_t *xmpp, ngx_fed_answer_t *answer)
{
    u_char            buf[2][NGX_XMPP_LOG_TEXT];
    ngx_str_t         from, to, *domain;
    ngx_uint_t        level;
    ngx_xmpp_late_t  *late;

    late = &xmpp->late[answer->seq % NGX_XMPP_LATE];
    domain = &answer->from;

    if (answer->seq == 0
        || late->seq != answer->seq
        || answer->outcome.result != NGX_FED_STANZA_ERROR)
    {
        return;
    }

    from.data = late->text;
    from.len = late->from_len;

    to.data = late->text + late->from_len;
    to.len = late->to_len;

    if (to.len < domain->len
        || ngx_memcmp(to.data + to.len - domain->len, domain->data,
                      domain->len) != 0)
    {
        return;
    }

    late->seq = 0;

    from = ngx_fed_text_log(buf[0], NGX_XMPP_LOG_TEXT, &from);
    to = ngx_fed_text_log(buf[1], NGX_XMPP_LOG_TEXT, &to);

    level = ngx_fed_quiet_level(xmpp->conf, NGX_FED_QUIET_BOUNCE, domain,
                                NGX_LOG_WARN);

    ngx_log_error(level, xmpp->log, 0,
                  "message from \"%V\" to \"%V\" was accepted but bounced "
                  "later: %V", &from, &to,
                  ngx_fed_error_condition_name(answer->outcome.condition));

    ngx_fed_zone_count(xmpp->conf, NGX_FED_MESSAGE, xmpp->conf->sip,
                       NGX_FED_COUNT_LATE);
}
