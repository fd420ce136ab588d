
/*
 * Stream management (XEP-0198): what the peer is told of its stanzas, what we
 * keep of ours until they are acknowledged, and streams that are taken up
 * again after they broke.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_fed_xml.h"
#include "ngx_xmpp_stream.h"


#define NGX_XMPP_SM_SUSPENDED  64        /* of a process */
#define NGX_XMPP_SM_INBOUND    32        /* of these */
#define NGX_XMPP_SM_DOMAIN     8         /* and of these, for one domain */
#define NGX_XMPP_SM_SENT       4096      /* stanzas, not acknowledged */


/* a stanza of ours that was not acknowledged */

typedef struct {
    ngx_queue_t                   queue;
    uint64_t                      seq;       /* of a message or a ping that is
                                                waited for; 0: of neither, or
                                                NGX_XMPP_SM_AGAIN */
    size_t                        len;
    u_char                        data[1];
} ngx_xmpp_sm_copy_t;


static void ngx_xmpp_sm_enable(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static void ngx_xmpp_sm_resume(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static ngx_xmpp_sm_t *ngx_xmpp_sm_find(ngx_xmpp_stream_t *stream,
    ngx_str_t *id);
static ngx_uint_t ngx_xmpp_sm_kept(ngx_xmpp_t *xmpp, ngx_xmpp_sm_t *sm);
static ngx_int_t ngx_xmpp_sm_resume_sent(ngx_xmpp_sm_t *sm,
    ngx_xmpp_element_t *el);
static void ngx_xmpp_sm_take_up(ngx_xmpp_sm_t *sm);
static void ngx_xmpp_sm_asked(ngx_xmpp_sm_t *sm);
static void ngx_xmpp_sm_acknowledge(ngx_xmpp_sm_t *sm);
static void ngx_xmpp_sm_refuse(ngx_xmpp_stream_t *stream,
    const char *condition);
static ngx_uint_t ngx_xmpp_sm_go_on(ngx_xmpp_sm_t *sm);
static void ngx_xmpp_sm_enabled(ngx_xmpp_sm_t *sm, ngx_xmpp_element_t *el);
static void ngx_xmpp_sm_resumed(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static void ngx_xmpp_sm_answered(ngx_xmpp_sm_t *sm, ngx_xmpp_element_t *el);
static ngx_int_t ngx_xmpp_sm_acknowledged(ngx_xmpp_sm_t *sm,
    ngx_xmpp_element_t *el);
static void ngx_xmpp_sm_request(ngx_xmpp_sm_t *sm);
static void ngx_xmpp_sm_request_handler(ngx_event_t *ev);
static void ngx_xmpp_sm_again(ngx_xmpp_sm_t *sm, ngx_xmpp_stream_t *stream);
static void ngx_xmpp_sm_lost(ngx_xmpp_sm_t *sm);
static ngx_uint_t ngx_xmpp_sm_full(ngx_xmpp_sm_t *sm);
static void ngx_xmpp_sm_keep_pair(ngx_xmpp_stream_t *stream,
    ngx_xmpp_sm_t *sm);
static void ngx_xmpp_sm_give_pair(ngx_xmpp_sm_t *sm, ngx_uint_t broken);
static ngx_uint_t ngx_xmpp_sm_alone(ngx_xmpp_stream_t *stream,
    ngx_xmpp_sm_t *sm);
static void ngx_xmpp_sm_own(ngx_xmpp_sm_t *sm);
static ngx_xmpp_sm_t *ngx_xmpp_sm_create(ngx_xmpp_stream_t *stream);
static void ngx_xmpp_sm_free(ngx_xmpp_sm_t *sm);
static void ngx_xmpp_sm_drop(ngx_xmpp_sm_t *sm);
static void ngx_xmpp_sm_timeout(ngx_event_t *ev);
static uint32_t ngx_xmpp_sm_handled(ngx_xmpp_sm_t *sm);
static ngx_int_t ngx_xmpp_sm_number(ngx_str_t *text, uint32_t *n);


/* what the peer sends counts from the beginning of stream management on */

#define ngx_xmpp_sm_counts(sm)  (!(sm)->outbound || (sm)->enabled)


/*
 * Takes an element of XEP-0198 on an inbound stream: the peer sends stanzas,
 * and asks what became of them.
 */

void
ngx_xmpp_sm_in(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_xmpp_sm_t  *sm;

    sm = stream->sm;

    if (ngx_xmpp_equal(&el->name, "r")) {

        if (sm) {
            ngx_xmpp_sm_asked(sm);
        }

        return;
    }

    if (ngx_xmpp_equal(&el->name, "a")) {

        if (sm && stream->bidi && !stream->resuming) {
            ngx_xmpp_sm_answered(sm, el);
        }

        return;
    }

    if (ngx_xmpp_equal(&el->name, "enable")) {
        ngx_xmpp_sm_enable(stream, el);

    } else if (ngx_xmpp_equal(&el->name, "resume")) {
        ngx_xmpp_sm_resume(stream, el);
    }
}


/* XEP-0198, 3 */

static void
ngx_xmpp_sm_enable(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_str_t       id, *resume;
    ngx_uint_t      may;
    ngx_xmpp_sm_t  *sm;

    if (!stream->conf->stream_management || stream->nproven == 0
        || stream->sm || stream->resuming || stream->close_sent)
    {
        ngx_xmpp_sm_refuse(stream, "unexpected-request");
        return;
    }

    sm = ngx_xmpp_sm_create(stream);

    if (sm == NULL) {
        ngx_xmpp_sm_refuse(stream, "internal-server-error");
        return;
    }

    resume = &el->attr[NGX_XMPP_RESUME];

    may = (ngx_xmpp_equal(resume, "true") || ngx_xmpp_equal(resume, "1"));

    /* what dialback proved would have to be proven again */

    if (!may || stream->conf->stream_resume == 0 || !stream->sasl_done
        || stream->npairs != 1)
    {
        (void) ngx_xmpp_stream_write(stream,
                                     "<enabled xmlns='urn:xmpp:sm:3'/>");
        return;
    }

    sm->resumable = 1;

    id.len = NGX_XMPP_SM_ID_LEN;
    id.data = sm->id;

    ngx_xmpp_random_hex(stream->xmpp, sm->id, NGX_XMPP_SM_ID_LEN);

    (void) ngx_xmpp_stream_write(stream, "<enabled xmlns='urn:xmpp:sm:3' "
                                 "id='%V' resume='true' max='%M'/>",
                                 &id, stream->conf->stream_resume / 1000);
}


/*
 * XEP-0198, 5: the peer goes on with a stream of this process.  It is told how
 * much was received once all of that has its outcome, so that it sends again
 * nothing that is still under way.
 */

static void
ngx_xmpp_sm_resume(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_xmpp_sm_t  *sm;

    if (!stream->sasl_done || stream->sm || stream->resuming
        || stream->close_sent)
    {
        ngx_xmpp_sm_refuse(stream, "unexpected-request");
        return;
    }

    sm = ngx_xmpp_sm_find(stream, &el->attr[NGX_XMPP_PREVID]);

    if (sm == NULL) {
        ngx_xmpp_sm_refuse(stream, "item-not-found");
        return;
    }

    sm->stream = stream;

    if (ngx_xmpp_sm_resume_sent(sm, el) != NGX_OK) {
        sm->stream = NULL;
        return;
    }

    ngx_del_timer(&sm->timer);

    stream->resuming = 1;
    stream->sm = sm;

    if (ngx_queue_empty(&sm->open)) {
        ngx_xmpp_sm_take_up(sm);
    }
}


/*
 * How much the peer had from us, if the stream was bidirectional: it goes on
 * from there, as what it had not was given up when the stream broke.  Returns
 * NGX_ERROR after a stream error.
 */

static ngx_int_t
ngx_xmpp_sm_resume_sent(ngx_xmpp_sm_t *sm, ngx_xmpp_element_t *el)
{
    if (sm->sent == 0) {
        return NGX_OK;
    }

    if (ngx_xmpp_sm_acknowledged(sm, el) != NGX_OK) {
        return NGX_ERROR;
    }

    sm->sent = sm->acked;
    sm->overflow = 0;

    return NGX_OK;
}


/* Finds what the peer may go on with; it may know first that a link broke. */

static ngx_xmpp_sm_t *
ngx_xmpp_sm_find(ngx_xmpp_stream_t *stream, ngx_str_t *id)
{
    ngx_uint_t          level;
    ngx_queue_t        *q;
    ngx_xmpp_t         *xmpp;
    ngx_xmpp_sm_t      *sm;
    ngx_xmpp_stream_t  *other;

    xmpp = stream->xmpp;

    if (id->len != NGX_XMPP_SM_ID_LEN) {
        return NULL;
    }

    for (q = ngx_queue_head(&xmpp->sms);
         q != ngx_queue_sentinel(&xmpp->sms);
         q = ngx_queue_next(q))
    {
        sm = ngx_queue_data(q, ngx_xmpp_sm_t, queue);

        if (!sm->resumable || sm->outbound
            || ngx_memcmp(sm->id, id->data, NGX_XMPP_SM_ID_LEN) != 0)
        {
            continue;
        }

        if (!ngx_fed_str_equal(&sm->remote, &stream->remote)
            || !ngx_fed_str_equal(&sm->local, &stream->local))
        {
            level = ngx_fed_quiet_level(stream->conf, NGX_FED_QUIET_RESUME,
                                        &stream->remote, NGX_LOG_WARN);

            ngx_log_error(level, stream->link->log, 0,
                          "\"%V\" tried to resume an XMPP stream of \"%V\"",
                          &stream->remote, &sm->remote);
            return NULL;
        }

        other = sm->stream;

        if (other) {

            if (other->resuming) {
                return NULL;
            }

            ngx_fed_link_close(other->link, "resumed by the peer");

            /* one that was ending takes it along */

            return ngx_xmpp_sm_kept(xmpp, sm) ? sm : NULL;
        }

        return sm;
    }

    return NULL;
}


static ngx_uint_t
ngx_xmpp_sm_kept(ngx_xmpp_t *xmpp, ngx_xmpp_sm_t *sm)
{
    ngx_queue_t  *q;

    for (q = ngx_queue_head(&xmpp->sms);
         q != ngx_queue_sentinel(&xmpp->sms);
         q = ngx_queue_next(q))
    {
        if (q == &sm->queue) {
            return sm->suspended;
        }
    }

    return 0;
}


static void
ngx_xmpp_sm_take_up(ngx_xmpp_sm_t *sm)
{
    ngx_str_t           id;
    ngx_xmpp_stream_t  *stream;

    stream = sm->stream;

    stream->resuming = 0;

    sm->suspended = 0;
    sm->xmpp->nsuspended--;
    sm->ask = 0;

    /* it was read to its end, in effect */

    ngx_xmpp_sm_give_pair(sm, 0);

    id.len = NGX_XMPP_SM_ID_LEN;
    id.data = sm->id;

    ngx_log_error(NGX_LOG_NOTICE, stream->link->log, 0,
                  "inbound XMPP stream is resumed: from \"%V\" to \"%V\", "
                  "%uD stanzas so far", &sm->remote, &sm->local, sm->received);

    (void) ngx_xmpp_stream_write(stream, "<resumed xmlns='urn:xmpp:sm:3' "
                                 "previd='%V' h='%uD'/>", &id, sm->received);
}


/*
 * A stanza was received on the stream.  Returns NGX_ERROR after a stream error.
 */

ngx_int_t
ngx_xmpp_sm_received(ngx_xmpp_stream_t *stream)
{
    if (stream->resuming && stream->role == NGX_XMPP_INBOUND) {
        ngx_xmpp_stream_error(stream, "policy-violation",
                              "stanza before the stream was resumed");
        return NGX_ERROR;
    }

    if (stream->sm && ngx_xmpp_sm_counts(stream->sm)) {
        stream->sm->received++;
    }

    return NGX_OK;
}


/*
 * The outcome of the stanza that was received last is open: until the item,
 * whose memory is the caller's, is settled, the peer is not told of it.
 */

void
ngx_xmpp_sm_open(ngx_xmpp_stream_t *stream, ngx_xmpp_sm_item_t *item)
{
    ngx_xmpp_sm_t  *sm;

    sm = stream->sm;

    if (sm && ngx_xmpp_sm_counts(sm)) {
        item->sm = sm;
        item->n = sm->received;
        ngx_queue_insert_tail(&sm->open, &item->queue);
    }
}


void
ngx_xmpp_sm_settled(ngx_xmpp_sm_item_t *item)
{
    ngx_xmpp_sm_t      *sm;
    ngx_xmpp_stream_t  *stream;

    sm = item->sm;

    if (sm == NULL) {
        return;
    }

    item->sm = NULL;
    ngx_queue_remove(&item->queue);

    stream = sm->stream;

    if (stream == NULL) {

        if (sm->outbound) {
            (void) ngx_xmpp_sm_go_on(sm);
        }

        return;
    }

    if (stream->resuming) {

        if (ngx_queue_empty(&sm->open)) {
            ngx_xmpp_sm_take_up(sm);
        }

        return;
    }

    if (sm->ask
        && (int32_t) (ngx_xmpp_sm_handled(sm) - sm->asked) >= 0)
    {
        ngx_xmpp_sm_acknowledge(sm);
    }
}


static void
ngx_xmpp_sm_asked(ngx_xmpp_sm_t *sm)
{
    sm->ask = 1;
    sm->asked = sm->received;

    ngx_xmpp_sm_acknowledge(sm);
}


/* Tells how many stanzas have their outcome, without a gap. */

static void
ngx_xmpp_sm_acknowledge(ngx_xmpp_sm_t *sm)
{
    uint32_t  h;

    h = ngx_xmpp_sm_handled(sm);

    if ((int32_t) (h - sm->asked) >= 0) {
        sm->ask = 0;
    }

    (void) ngx_xmpp_stream_write(sm->stream, "<a xmlns='urn:xmpp:sm:3' "
                                 "h='%uD'/>", h);
}


static uint32_t
ngx_xmpp_sm_handled(ngx_xmpp_sm_t *sm)
{
    ngx_queue_t         *q;
    ngx_xmpp_sm_item_t  *item;

    if (ngx_queue_empty(&sm->open)) {
        return sm->received;
    }

    q = ngx_queue_head(&sm->open);
    item = ngx_queue_data(q, ngx_xmpp_sm_item_t, queue);

    return item->n - 1;
}


static void
ngx_xmpp_sm_refuse(ngx_xmpp_stream_t *stream, const char *condition)
{
    (void) ngx_xmpp_stream_write(stream, "<failed xmlns='urn:xmpp:sm:3'>"
                                 "<%s xmlns="
                                 "'urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                                 "</failed>", condition);
}


/*
 * An outbound stream was authenticated by our certificate, and the peer offers
 * stream management.  Returns 1 if the stream that broke is to be taken up
 * first: ngx_xmpp_out_ready() is called when the peer has said whether it is.
 */

ngx_uint_t
ngx_xmpp_sm_begin(ngx_xmpp_stream_t *stream)
{
    ngx_xmpp_sm_t  *sm;

    sm = stream->peer->sm;

    if (sm == NULL || sm->route != stream->primary) {
        return 0;
    }

    if (!stream->sm_offered) {
        ngx_xmpp_sm_lost(sm);
        return 0;
    }

    stream->resuming = 1;
    sm->resume_sent = 0;

    return ngx_xmpp_sm_go_on(sm);
}


/*
 * Asks for the stream that broke, once all that was received on it has its
 * outcome.  Returns 0 if the new one is closed.
 */

static ngx_uint_t
ngx_xmpp_sm_go_on(ngx_xmpp_sm_t *sm)
{
    ngx_str_t           id;
    ngx_xmpp_stream_t  *stream;

    stream = sm->route->stream;

    if (stream == NULL || !stream->resuming || sm->resume_sent
        || !ngx_queue_empty(&sm->open))
    {
        return 1;
    }

    sm->resume_sent = 1;

    id.len = sm->previd.len;
    id.data = sm->previd.data;

    return ngx_xmpp_stream_write(stream, "<resume xmlns='urn:xmpp:sm:3' "
                                 "previd='%V' h='%uD'/>", &id, sm->received)
           == NGX_OK;
}


/*
 * The outbound stream may be written to: what it has taken up is sent again, or
 * stream management begins.
 */

void
ngx_xmpp_sm_ready(ngx_xmpp_stream_t *stream)
{
    ngx_xmpp_sm_t  *sm;

    sm = stream->sm;

    if (sm) {
        ngx_xmpp_sm_again(sm, stream);
        return;
    }

    if (!stream->sm_offered || !stream->conf->stream_management) {
        return;
    }

    sm = ngx_xmpp_sm_create(stream);

    if (sm == NULL) {
        return;
    }

    sm->outbound = 1;
    sm->route = stream->primary;

    (void) ngx_xmpp_stream_write(stream, stream->conf->stream_resume
                                 ? "<enable xmlns='urn:xmpp:sm:3' "
                                   "resume='true'/>"
                                 : "<enable xmlns='urn:xmpp:sm:3'/>");
}


/* Takes an element of XEP-0198 on an outbound stream. */

void
ngx_xmpp_sm_out(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_xmpp_sm_t  *sm;

    sm = stream->sm;

    if (stream->resuming) {
        ngx_xmpp_sm_resumed(stream, el);
        return;
    }

    if (sm == NULL) {
        return;
    }

    if (ngx_xmpp_equal(&el->name, "a")) {
        ngx_xmpp_sm_answered(sm, el);
        return;
    }

    if (ngx_xmpp_equal(&el->name, "enabled")) {
        ngx_xmpp_sm_enabled(sm, el);

    } else if (ngx_xmpp_equal(&el->name, "failed") && !sm->enabled) {
        ngx_log_error(NGX_LOG_INFO, stream->link->log, 0,
                      "\"%V\" refuses stream management", &stream->remote);
        ngx_xmpp_sm_free(sm);

    } else if (ngx_xmpp_equal(&el->name, "r")) {
        ngx_xmpp_sm_asked(sm);
    }
}


static void
ngx_xmpp_sm_enabled(ngx_xmpp_sm_t *sm, ngx_xmpp_element_t *el)
{
    ngx_str_t   *id, *resume, *max;
    ngx_int_t    seconds;
    ngx_msec_t   time;

    id = &el->attr[NGX_XMPP_ID];
    resume = &el->attr[NGX_XMPP_RESUME];
    max = &el->attr[NGX_XMPP_MAX];

    if (sm->enabled) {
        return;
    }

    sm->enabled = 1;

    time = sm->xmpp->conf->stream_resume;

    if (time == 0 || id->len == 0 || id->len > NGX_XMPP_SM_PREVID_LEN
        || (!ngx_xmpp_equal(resume, "true") && !ngx_xmpp_equal(resume, "1")))
    {
        return;
    }

    if (max->len) {
        seconds = ngx_atoi(max->data, max->len);

        if (seconds >= 0 && (ngx_msec_t) seconds < time / 1000) {
            time = (ngx_msec_t) seconds * 1000;
        }
    }

    /* events do not wait for longer */

    sm->time = ngx_min(time, sm->xmpp->conf->confirm_timeout);

    /* as it stands in an attribute */

    sm->previd.data = sm->previd_buf;
    sm->previd.len = ngx_fed_xml_escape(sm->previd_buf, id->data, id->len, 1)
                     - sm->previd_buf;

    sm->resumable = 1;
}


/* The peer says whether it goes on with a stream that broke. */

static void
ngx_xmpp_sm_resumed(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_xmpp_sm_t  *sm;

    sm = stream->peer->sm;

    if (sm && !sm->resume_sent) {
        return;
    }

    if (ngx_xmpp_equal(&el->name, "resumed") && sm) {

        sm->stream = stream;

        if (ngx_xmpp_sm_acknowledged(sm, el) != NGX_OK) {
            sm->stream = NULL;
            ngx_xmpp_sm_lost(sm);
            return;
        }

        stream->peer->sm = NULL;
        stream->sm = sm;
        stream->resuming = 0;

        ngx_del_timer(&sm->timer);

        sm->suspended = 0;
        sm->xmpp->nsuspended--;
        sm->requested = 0;
        sm->ask = 0;
        sm->route->generation = sm->generation;

        ngx_xmpp_sm_give_pair(sm, 0);

        stream->state = NGX_XMPP_OPEN;
        ngx_xmpp_out_ready(stream->primary, "certificate, and resumed");
        return;
    }

    if (!ngx_xmpp_equal(&el->name, "resumed")
        && !ngx_xmpp_equal(&el->name, "failed"))
    {
        return;
    }

    stream->resuming = 0;

    if (sm) {
        ngx_xmpp_sm_lost(sm);
    }

    stream->state = NGX_XMPP_OPEN;
    ngx_xmpp_out_ready(stream->primary, "certificate");
}


/* The peer says what it had of our stanzas. */

static void
ngx_xmpp_sm_answered(ngx_xmpp_sm_t *sm, ngx_xmpp_element_t *el)
{
    if (ngx_xmpp_sm_acknowledged(sm, el) != NGX_OK) {
        return;
    }

    sm->requested = 0;

    if (sm->dirty) {
        ngx_post_event(&sm->request, &ngx_posted_events);
    }
}


/* Takes the peer's count; returns NGX_ERROR after a stream error. */

static ngx_int_t
ngx_xmpp_sm_acknowledged(ngx_xmpp_sm_t *sm, ngx_xmpp_element_t *el)
{
    uint32_t             h, n;
    ngx_queue_t         *q;
    ngx_xmpp_sm_copy_t  *copy;

    if (ngx_xmpp_sm_number(&el->attr[NGX_XMPP_H], &h) != NGX_OK) {
        ngx_xmpp_stream_error(sm->stream, "undefined-condition",
                              "acknowledgement without a count");
        return NGX_ERROR;
    }

    n = h - sm->acked;

    if (n > sm->sent - sm->acked) {

        ngx_log_error(NGX_LOG_ERR, sm->stream->link->log, 0,
                      "\"%V\" acknowledged %uD XMPP stanzas, %uD were sent",
                      &sm->remote, h, sm->sent);

        /* XEP-0198, 4 */

        ngx_xmpp_stream_error(sm->stream, "undefined-condition",
                              "handled-count-too-high");
        return NGX_ERROR;
    }

    sm->acked = h;

    while (n && !ngx_queue_empty(&sm->copies)) {

        q = ngx_queue_head(&sm->copies);
        copy = ngx_queue_data(q, ngx_xmpp_sm_copy_t, queue);

        ngx_queue_remove(q);

        sm->size -= copy->len;
        ngx_free(copy);

        n--;
    }

    return NGX_OK;
}


/*
 * A stanza was written to a stream.  seq is that of a message or a ping, 0 of a
 * stanza that nobody waits for the outcome of, NGX_XMPP_SM_AGAIN if that was
 * lost once.  When there is too much that was not acknowledged, the stream can
 * not be taken up any more.
 */

void
ngx_xmpp_sm_sent(ngx_xmpp_stream_t *stream, u_char *p, size_t len,
    uint64_t seq)
{
    ngx_xmpp_sm_t       *sm;
    ngx_xmpp_sm_copy_t  *copy;

    sm = stream->sm;

    if (sm == NULL || stream->resuming) {
        return;
    }

    sm->sent++;
    sm->dirty = 1;

    if (!sm->overflow) {

        copy = NULL;

        if (sm->sent - sm->acked <= NGX_XMPP_SM_SENT
            && sm->size + len <= stream->conf->output_size)
        {
            copy = ngx_alloc(sizeof(ngx_xmpp_sm_copy_t) + len, stream->log);
        }

        if (copy) {
            copy->seq = seq;
            copy->len = len;
            ngx_memcpy(copy->data, p, len);

            sm->size += len;
            ngx_queue_insert_tail(&sm->copies, &copy->queue);

        } else {
            sm->overflow = 1;
            ngx_xmpp_sm_drop(sm);
        }
    }

    if (!sm->requested && !sm->request.posted
        && (seq == 0 || seq == NGX_XMPP_SM_AGAIN
            || stream->conf->confirm == NGX_FED_CONFIRM_WRITE))
    {
        ngx_post_event(&sm->request, &ngx_posted_events);
    }
}


/* A ping was written: an acknowledgement is asked for as well. */

void
ngx_xmpp_sm_pinged(ngx_xmpp_stream_t *stream)
{
    if (stream->sm && !stream->sm->requested) {
        ngx_xmpp_sm_request(stream->sm);
    }
}


static void
ngx_xmpp_sm_request(ngx_xmpp_sm_t *sm)
{
    if (sm->stream
        && ngx_xmpp_stream_write(sm->stream, "<r xmlns='urn:xmpp:sm:3'/>")
           == NGX_OK)
    {
        sm->requested = 1;
        sm->dirty = 0;
    }
}


static void
ngx_xmpp_sm_request_handler(ngx_event_t *ev)
{
    ngx_xmpp_sm_t  *sm;

    sm = ev->data;

    if (!sm->requested) {
        ngx_xmpp_sm_request(sm);
    }
}


/*
 * What the peer has not had is sent again, but for what has its outcome by
 * now.
 */

static void
ngx_xmpp_sm_again(ngx_xmpp_sm_t *sm, ngx_xmpp_stream_t *stream)
{
    uint32_t             n;
    ngx_queue_t         *q, *next;
    ngx_xmpp_sm_copy_t  *copy;

    n = 0;

    for (q = ngx_queue_head(&sm->copies);
         q != ngx_queue_sentinel(&sm->copies);
         q = next)
    {
        next = ngx_queue_next(q);
        copy = ngx_queue_data(q, ngx_xmpp_sm_copy_t, queue);

        if (copy->seq && copy->seq != NGX_XMPP_SM_AGAIN
            && !ngx_xmpp_barrier_waits(sm->xmpp, copy->seq))
        {
            ngx_queue_remove(q);
            sm->size -= copy->len;
            ngx_free(copy);
            continue;
        }

        n++;

        if (ngx_fed_link_write(stream->link, copy->data, copy->len)
            != NGX_OK)
        {
            return;
        }
    }

    sm->sent = sm->acked + n;

    ngx_log_error(NGX_LOG_NOTICE, stream->link->log, 0,
                  "outbound XMPP stream is resumed: %uD stanzas are sent "
                  "again", n);

    if (ngx_xmpp_barrier_pending(sm->route)) {
        ngx_fed_link_busy(stream->link, 1);
        ngx_xmpp_barrier_begin(sm->route);
    }

    if (n) {
        ngx_xmpp_sm_request(sm);
    }
}


/*
 * The link of a stream is gone.  Returns 1 if the stream may be taken up again:
 * then an outbound one keeps its route's batches, and the only pair that
 * stanzas were received for is not given back to the zone.
 */

ngx_uint_t
ngx_xmpp_sm_suspend(ngx_xmpp_stream_t *stream)
{
    ngx_xmpp_t     *xmpp;
    ngx_xmpp_sm_t  *sm;

    sm = stream->sm;
    xmpp = stream->xmpp;

    if (sm == NULL) {
        return 0;
    }

    if (stream->resuming) {

        /* it had not begun: the peer may try once more */

        stream->sm = NULL;
        stream->resuming = 0;
        sm->stream = NULL;
        ngx_add_timer(&sm->timer, stream->conf->stream_resume);
        return 0;
    }

    if (stream->close_received || ngx_exiting || ngx_terminate) {
        return 0;
    }

    if (!ngx_xmpp_sm_alone(stream, sm)) {
        return 0;
    }

    if (!sm->resumable || stream->close_sent || ngx_xmpp_sm_full(sm)
        || (sm->outbound && (sm->overflow || stream->peer->sm)))
    {
        ngx_xmpp_sm_own(sm);
        return 0;
    }

    if (sm->outbound) {
        stream->peer->sm = sm;
        sm->generation = sm->route->generation;

    } else {

        /* nobody knows when the peer comes back: others do not wait */

        ngx_xmpp_sm_own(sm);
    }

    ngx_xmpp_sm_keep_pair(stream, sm);

    stream->sm = NULL;

    sm->stream = NULL;
    sm->suspended = 1;
    sm->ask = 0;

    if (sm->request.posted) {
        ngx_delete_posted_event(&sm->request);
    }

    xmpp->nsuspended++;

    ngx_add_timer(&sm->timer, sm->outbound ? sm->time
                                           : stream->conf->stream_resume);
    return 1;
}


/*
 * Are there too many streams that may be taken up?  Peers that break theirs on
 * purpose do not use up the room of others, or of ours.
 */

static ngx_uint_t
ngx_xmpp_sm_full(ngx_xmpp_sm_t *sm)
{
    ngx_uint_t      n, inbound;
    ngx_queue_t    *q;
    ngx_xmpp_t     *xmpp;
    ngx_xmpp_sm_t  *other;

    xmpp = sm->xmpp;

    if (xmpp->nsuspended >= NGX_XMPP_SM_SUSPENDED) {
        return 1;
    }

    if (sm->outbound) {
        return 0;
    }

    n = 0;
    inbound = 0;

    for (q = ngx_queue_head(&xmpp->sms);
         q != ngx_queue_sentinel(&xmpp->sms);
         q = ngx_queue_next(q))
    {
        other = ngx_queue_data(q, ngx_xmpp_sm_t, queue);

        if (!other->suspended || other->outbound) {
            continue;
        }

        inbound++;

        if (ngx_fed_str_equal(&other->remote, &sm->remote)) {
            n++;
        }
    }

    return inbound >= NGX_XMPP_SM_INBOUND || n >= NGX_XMPP_SM_DOMAIN;
}


/* The stream is about to go. */

void
ngx_xmpp_sm_done(ngx_xmpp_stream_t *stream)
{
    if (stream->sm) {
        ngx_xmpp_sm_free(stream->sm);
    }
}


/* The stream of a process that ends, or that nobody came back for. */

static void
ngx_xmpp_sm_timeout(ngx_event_t *ev)
{
    ngx_xmpp_sm_t  *sm;

    sm = ev->data;

    ngx_log_error(NGX_LOG_INFO, sm->xmpp->log, 0,
                  "XMPP stream between \"%V\" and \"%V\" was not resumed in "
                  "time", &sm->remote, &sm->local);

    ngx_xmpp_sm_lost(sm);
}


/*
 * A stream that broke is not taken up.  What it carried is uncertain: messages
 * fail, other stanzas of ours are sent once more.
 */

static void
ngx_xmpp_sm_lost(ngx_xmpp_sm_t *sm)
{
    ngx_uint_t          asked, generation;
    ngx_xmpp_route_t   *route;
    ngx_xmpp_stream_t  *stream;

    ngx_xmpp_sm_give_pair(sm, 1);

    if (!sm->outbound) {
        ngx_xmpp_sm_free(sm);
        return;
    }

    route = sm->route;
    generation = sm->generation;
    asked = sm->resume_sent;

    route->remote->sm = NULL;

    ngx_xmpp_sm_own(sm);
    ngx_xmpp_sm_free(sm);

    ngx_xmpp_barrier_lost(route, generation);

    stream = route->stream;

    if (!asked && stream && stream->link && stream->resuming
        && !stream->close_sent)
    {
        stream->resuming = 0;
        stream->state = NGX_XMPP_OPEN;
        ngx_xmpp_out_ready(route, "certificate");
    }
}


/* The zone goes on counting a suspended stream among those of the peer. */

static void
ngx_xmpp_sm_keep_pair(ngx_xmpp_stream_t *stream, ngx_xmpp_sm_t *sm)
{
    ngx_queue_t      *q;
    ngx_xmpp_pair_t  *pair;

    if (stream->nproven == 0) {
        return;
    }

    q = ngx_queue_head(&stream->pairs);
    pair = ngx_queue_data(q, ngx_xmpp_pair_t, queue);

    pair->proven = 0;
    sm->counted = 1;
}


static void
ngx_xmpp_sm_give_pair(ngx_xmpp_sm_t *sm, ngx_uint_t broken)
{
    if (sm->counted) {
        sm->counted = 0;
        ngx_fed_zone_stream_closed(sm->xmpp->conf, &sm->remote, &sm->local,
                                   broken);
    }
}


/* Does the stream carry what its first pair of domains sends, and no more? */

static ngx_uint_t
ngx_xmpp_sm_alone(ngx_xmpp_stream_t *stream, ngx_xmpp_sm_t *sm)
{
    ngx_queue_t  *q;

    if (!sm->outbound) {
        return stream->npairs == 1
               && ngx_xmpp_pair(stream, &sm->remote, &sm->local);
    }

    q = ngx_queue_head(&stream->routes);

    return q != ngx_queue_sentinel(&stream->routes)
           && q == &stream->primary->member
           && ngx_queue_next(q) == ngx_queue_sentinel(&stream->routes);
}


/* Stanzas of ours that may not have arrived go once more. */

static void
ngx_xmpp_sm_own(ngx_xmpp_sm_t *sm)
{
    ngx_str_t            stanza;
    ngx_queue_t         *q;
    ngx_xmpp_sm_copy_t  *copy;

    while (!ngx_queue_empty(&sm->copies)) {

        q = ngx_queue_head(&sm->copies);
        copy = ngx_queue_data(q, ngx_xmpp_sm_copy_t, queue);

        ngx_queue_remove(q);

        if (copy->seq == 0) {
            stanza.len = copy->len;
            stanza.data = copy->data;

            ngx_xmpp_out_again(sm->xmpp, &sm->local, &sm->remote, &stanza);
        }

        ngx_free(copy);
    }

    sm->size = 0;
}


/* The process ends. */

void
ngx_xmpp_sm_exit(ngx_xmpp_t *xmpp)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&xmpp->sms)) {
        q = ngx_queue_head(&xmpp->sms);
        ngx_xmpp_sm_free(ngx_queue_data(q, ngx_xmpp_sm_t, queue));
    }
}


static ngx_xmpp_sm_t *
ngx_xmpp_sm_create(ngx_xmpp_stream_t *stream)
{
    size_t          len;
    u_char         *p;
    ngx_xmpp_sm_t  *sm;

    len = stream->remote.len + stream->local.len;

    sm = ngx_calloc(sizeof(ngx_xmpp_sm_t) + len, stream->log);
    if (sm == NULL) {
        return NULL;
    }

    p = (u_char *) sm + sizeof(ngx_xmpp_sm_t);

    sm->xmpp = stream->xmpp;
    sm->stream = stream;

    sm->remote.len = stream->remote.len;
    sm->remote.data = p;
    sm->local.len = stream->local.len;
    sm->local.data = ngx_cpymem(p, stream->remote.data, stream->remote.len);

    ngx_memcpy(sm->local.data, stream->local.data, stream->local.len);

    ngx_queue_init(&sm->open);
    ngx_queue_init(&sm->copies);

    sm->timer.handler = ngx_xmpp_sm_timeout;
    sm->timer.data = sm;
    sm->timer.log = stream->xmpp->log;
    sm->timer.cancelable = 1;

    sm->request.handler = ngx_xmpp_sm_request_handler;
    sm->request.data = sm;
    sm->request.log = stream->xmpp->log;

    ngx_queue_insert_tail(&stream->xmpp->sms, &sm->queue);

    stream->sm = sm;

    return sm;
}


static void
ngx_xmpp_sm_free(ngx_xmpp_sm_t *sm)
{
    ngx_queue_t         *q;
    ngx_xmpp_sm_item_t  *item;

    ngx_queue_remove(&sm->queue);

    if (sm->stream) {
        sm->stream->sm = NULL;
    }

    if (sm->suspended) {
        sm->xmpp->nsuspended--;
    }

    if (sm->timer.timer_set) {
        ngx_del_timer(&sm->timer);
    }

    if (sm->request.posted) {
        ngx_delete_posted_event(&sm->request);
    }

    while (!ngx_queue_empty(&sm->open)) {
        q = ngx_queue_head(&sm->open);
        item = ngx_queue_data(q, ngx_xmpp_sm_item_t, queue);

        ngx_queue_remove(q);
        item->sm = NULL;
    }

    ngx_xmpp_sm_drop(sm);

    ngx_free(sm);
}


static void
ngx_xmpp_sm_drop(ngx_xmpp_sm_t *sm)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&sm->copies)) {
        q = ngx_queue_head(&sm->copies);
        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_xmpp_sm_copy_t, queue));
    }

    sm->size = 0;
}


/* a count, modulo 2^32 */

static ngx_int_t
ngx_xmpp_sm_number(ngx_str_t *text, uint32_t *n)
{
    size_t    i;
    uint64_t  value;

    if (text->len == 0 || text->len > NGX_INT32_LEN) {
        return NGX_ERROR;
    }

    value = 0;

    for (i = 0; i < text->len; i++) {

        if (text->data[i] < '0' || text->data[i] > '9') {
            return NGX_ERROR;
        }

        value = value * 10 + (text->data[i] - '0');
    }

    if (value > 0xffffffff) {
        return NGX_ERROR;
    }

    *n = (uint32_t) value;

    return NGX_OK;
}
