
/*
 * Who is writing to whom, for all dialects: what is told to the other side, how
 * often, and until when (RFC 3994, 3; XEP-0085, 5).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"


#define NGX_SIP_COMPOSINGS           4096    /* of a worker, at most */
#define NGX_SIP_COMPOSING_REFRESH    600     /* seconds, at most */
#define NGX_SIP_COMPOSING_DAY        86400


typedef struct {
    ngx_queue_t                   queue;     /* of the bucket */
    ngx_queue_t                   recent;    /* ctx->composing_recent */
    ngx_sip_ctx_t                *ctx;
    ngx_fed_key_t                 key;       /* from and to, in this order */
    ngx_event_t                   timer;
    ngx_fed_event_t              *event;     /* to be sent by then, or NULL */
    ngx_fed_chat_state_e          told;      /* composing, paused, or none */
    ngx_msec_t                    time;      /* of that */
} ngx_sip_composing_t;


static ngx_sip_composing_t *ngx_sip_composing_find(ngx_sip_ctx_t *ctx,
    ngx_fed_key_t *key);
static ngx_sip_composing_t *ngx_sip_composing_get(ngx_sip_ctx_t *ctx,
    ngx_fed_event_t *ev);
static void ngx_sip_composing_free(ngx_sip_composing_t *composing);
static ngx_int_t ngx_sip_composing_arm(ngx_sip_composing_t *composing,
    ngx_fed_event_t *ev, ngx_fed_chat_state_e state, ngx_msec_t wait);
static void ngx_sip_composing_disarm(ngx_sip_composing_t *composing);
static ngx_fed_event_t *ngx_sip_composing_copy(ngx_fed_event_t *ev);
static ngx_int_t ngx_sip_composing_copy_address(ngx_pool_t *pool,
    ngx_fed_address_t *dst, ngx_fed_address_t *src);
static ngx_int_t ngx_sip_composing_copy_text(ngx_pool_t *pool,
    ngx_str_t *dst, ngx_str_t *src);
static void ngx_sip_composing_handler(ngx_event_t *event);
static void ngx_sip_composing_note(ngx_fed_event_t *ev, const char *what);
static ngx_uint_t ngx_sip_composing_noted(ngx_fed_event_t *ev,
    const char *what);
static void ngx_sip_composing_key(ngx_fed_event_t *ev, const char *what,
    ngx_fed_key_t *key);
static void ngx_sip_composing_day(ngx_fed_event_t *ev, time_t day,
    ngx_fed_key_t *key);


void
ngx_sip_composing_init(ngx_sip_ctx_t *ctx)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_SIP_COMPOSING_BUCKETS; i++) {
        ngx_queue_init(&ctx->composing[i]);
    }

    ngx_queue_init(&ctx->composing_recent);
}


void
ngx_sip_composing_exit(ngx_sip_ctx_t *ctx)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&ctx->composing_recent)) {
        q = ngx_queue_head(&ctx->composing_recent);
        ngx_sip_composing_free(ngx_queue_data(q, ngx_sip_composing_t, recent));
    }
}


/*
 * Takes a chat state of a SIP user that was answered: an event with from and
 * to, thread, chat_state and, if it is known, refresh.  It is told to the XMPP
 * user if it is another one than he was told last, and that the composing is
 * over is told as well when nothing more comes.  The event is gone when this
 * returns.
 */

void
ngx_sip_composing_received(ngx_fed_event_t *ev)
{
    ngx_uint_t            refresh;
    const char           *text;
    ngx_sip_ctx_t        *ctx;
    ngx_fed_outcome_e     result;
    ngx_fed_chat_state_e  idle;
    ngx_sip_composing_t  *composing;

    ctx = ev->conf->sip_data;

    text = NULL;

    result = ngx_fed_event_admit(ev, &text);

    if (result != NGX_FED_ACCEPTED) {
        ngx_fed_event_fail(ev, result, text);
        return;
    }

    if (ev->from_domain->chatstates == NGX_FED_CHATSTATES_OFF) {
        ngx_fed_event_drop(ev);
        return;
    }

    if (ev->from_domain->chatstates == NGX_FED_CHATSTATES_AUTO) {
        ngx_sip_composing_note(ev, "composes");
    }

    composing = ngx_sip_composing_get(ctx, ev);

    if (composing == NULL) {
        ngx_fed_event_fail(ev, NGX_FED_INTERNAL, NULL);
        return;
    }

    idle = ev->from_domain->chatstates_idle;

    if (ev->chat_state != NGX_FED_CHAT_COMPOSING) {
        ngx_sip_composing_disarm(composing);

        if (composing->told == NGX_FED_CHAT_PAUSED) {
            ngx_fed_event_drop(ev);
            return;
        }

        composing->told = NGX_FED_CHAT_PAUSED;
        ev->chat_state = idle;

        ngx_fed_event_submit(ev);
        return;
    }

    refresh = ngx_min(ev->refresh, NGX_SIP_COMPOSING_REFRESH);

    if (refresh == 0) {
        refresh = ngx_sip_dialects[ev->from_domain->dialect]->refresh;
    }

    if (ngx_sip_composing_arm(composing, ev, idle, refresh * 1000) != NGX_OK) {
        ngx_fed_event_fail(ev, NGX_FED_INTERNAL, NULL);
        return;
    }

    if (composing->told == NGX_FED_CHAT_COMPOSING) {
        ngx_fed_event_drop(ev);
        return;
    }

    composing->told = NGX_FED_CHAT_COMPOSING;

    ngx_fed_event_submit(ev);
}


/*
 * Takes a chat state for a SIP user.  composing() of his dialect is called, now
 * or later, with NGX_FED_CHAT_COMPOSING, NGX_FED_CHAT_PAUSED, which stands for
 * all that is idle, or NGX_FED_CHAT_GONE; but for the latter not more often
 * than once in chatstates_interval, and only with a change.
 */

void
ngx_sip_composing_send(ngx_fed_event_t *ev)
{
    ngx_msec_t                since, interval;
    ngx_sip_ctx_t            *ctx;
    ngx_fed_key_t             key;
    ngx_sip_composing_t      *composing;
    const ngx_sip_dialect_t  *dialect;

    ctx = ev->conf->sip_data;
    dialect = ngx_sip_dialects[ev->to_domain->dialect];

    if (ev->chat_state == NGX_FED_CHAT_GONE) {
        key = ngx_sip_pair_key(ctx, &ev->from, &ev->to);
        composing = ngx_sip_composing_find(ctx, &key);

        if (composing) {
            ngx_sip_composing_disarm(composing);
            composing->told = NGX_FED_CHAT_PAUSED;
        }

        dialect->composing(ev);
        return;
    }

    if (ev->chat_state != NGX_FED_CHAT_COMPOSING) {
        ev->chat_state = NGX_FED_CHAT_PAUSED;
    }

    /* XEP-0085, 5.1 */

    if (ev->to_domain->chatstates == NGX_FED_CHATSTATES_AUTO
        && ngx_sip_composing_noted(ev, "replies")
        && !ngx_sip_composing_noted(ev, "composes"))
    {
        ngx_fed_event_drop(ev);
        return;
    }

    composing = ngx_sip_composing_get(ctx, ev);

    if (composing == NULL) {
        ngx_fed_event_drop(ev);
        return;
    }

    since = ngx_current_msec - composing->time;
    interval = ev->conf->chatstates_interval;

    if (composing->told == ev->chat_state
        && (composing->told == NGX_FED_CHAT_PAUSED
            || since < dialect->refresh * 1000))
    {
        ngx_sip_composing_disarm(composing);
        ngx_fed_event_drop(ev);
        return;
    }

    if (composing->time && since < interval) {
        (void) ngx_sip_composing_arm(composing, ev, ev->chat_state,
                                     composing->timer.timer_set
                                     ? 0 : interval - since);
        ngx_fed_event_drop(ev);
        return;
    }

    ngx_sip_composing_disarm(composing);

    composing->told = ev->chat_state;
    composing->time = ngx_current_msec;

    dialect->composing(ev);
}


/*
 * A message from one user to the other, which ends that he was composing
 * without another word.
 */

void
ngx_sip_composing_content(ngx_fed_event_t *ev)
{
    ngx_sip_ctx_t        *ctx;
    ngx_fed_key_t         key;
    ngx_sip_composing_t  *composing;

    ctx = ev->conf->sip_data;

    if (ev->source == &ngx_sip_leg
        && ev->from_domain->chatstates == NGX_FED_CHATSTATES_AUTO)
    {
        ngx_sip_composing_note(ev, "replies");
    }

    if (ngx_queue_empty(&ctx->composing_recent)) {
        return;
    }

    key = ngx_sip_pair_key(ctx, &ev->from, &ev->to);
    composing = ngx_sip_composing_find(ctx, &key);

    if (composing) {
        ngx_sip_composing_disarm(composing);
        composing->told = NGX_FED_CHAT_PAUSED;
    }
}


/*
 * Remembers, for a day at least, that what the recipient of an event uses takes
 * no chat states.
 */

void
ngx_sip_composing_refused(ngx_fed_event_t *ev)
{
    ngx_str_t      none;
    ngx_fed_key_t  key[2];

    ngx_str_null(&none);

    ngx_sip_composing_day(ev, ngx_time(), key);

    (void) ngx_fed_zone_note(ev->conf, (u_char *) key, &none);
}


ngx_uint_t
ngx_sip_composing_is_refused(ngx_fed_event_t *ev)
{
    size_t         len;
    u_char         text[NGX_FED_NOTE_TEXT];
    ngx_int_t      i;
    ngx_fed_key_t  key[2];

    for (i = 0; i < 2; i++) {
        ngx_sip_composing_day(ev, ngx_time() - i * NGX_SIP_COMPOSING_DAY, key);

        if (ngx_fed_zone_noted(ev->conf, (u_char *) key, text, &len)
            == NGX_OK)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_sip_composing_t *
ngx_sip_composing_find(ngx_sip_ctx_t *ctx, ngx_fed_key_t *key)
{
    ngx_queue_t          *q, *bucket;
    ngx_sip_composing_t  *composing;

    bucket = &ctx->composing[key->lo & (NGX_SIP_COMPOSING_BUCKETS - 1)];

    for (q = ngx_queue_head(bucket); q != bucket; q = ngx_queue_next(q)) {

        composing = ngx_queue_data(q, ngx_sip_composing_t, queue);

        if (ngx_fed_key_equal(&composing->key, key)) {
            return composing;
        }
    }

    return NULL;
}


/* The one that was not used for longest makes room, and has its say. */

static ngx_sip_composing_t *
ngx_sip_composing_get(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev)
{
    ngx_queue_t          *q;
    ngx_fed_key_t         key;
    ngx_sip_composing_t  *composing;

    key = ngx_sip_pair_key(ctx, &ev->from, &ev->to);
    composing = ngx_sip_composing_find(ctx, &key);

    if (composing) {
        ngx_queue_remove(&composing->recent);
        ngx_queue_insert_head(&ctx->composing_recent, &composing->recent);
        return composing;
    }

    if (ctx->ncomposing == NGX_SIP_COMPOSINGS) {
        q = ngx_queue_last(&ctx->composing_recent);
        composing = ngx_queue_data(q, ngx_sip_composing_t, recent);

        if (composing->timer.timer_set) {
            ngx_del_timer(&composing->timer);
            ngx_sip_composing_handler(&composing->timer);
        }

        ngx_sip_composing_free(composing);
    }

    composing = ngx_calloc(sizeof(ngx_sip_composing_t), ctx->conf->log);
    if (composing == NULL) {
        return NULL;
    }

    composing->ctx = ctx;
    composing->key = key;

    composing->timer.handler = ngx_sip_composing_handler;
    composing->timer.data = composing;
    composing->timer.log = ctx->conf->log;
    composing->timer.cancelable = 1;

    ngx_queue_insert_head(&ctx->composing[key.lo & (NGX_SIP_COMPOSING_BUCKETS
                                                    - 1)],
                          &composing->queue);
    ngx_queue_insert_head(&ctx->composing_recent, &composing->recent);
    ctx->ncomposing++;

    return composing;
}


static void
ngx_sip_composing_free(ngx_sip_composing_t *composing)
{
    ngx_sip_composing_disarm(composing);

    ngx_queue_remove(&composing->queue);
    ngx_queue_remove(&composing->recent);
    composing->ctx->ncomposing--;

    ngx_free(composing);
}


/* A state is told after a time, or 0: when the timer that is set says so. */

static ngx_int_t
ngx_sip_composing_arm(ngx_sip_composing_t *composing, ngx_fed_event_t *ev,
    ngx_fed_chat_state_e state, ngx_msec_t wait)
{
    if (composing->event == NULL) {
        composing->event = ngx_sip_composing_copy(ev);

        if (composing->event == NULL) {
            return NGX_ERROR;
        }
    }

    composing->event->chat_state = state;

    if (wait) {
        ngx_add_timer(&composing->timer, wait);
    }

    return NGX_OK;
}


static void
ngx_sip_composing_disarm(ngx_sip_composing_t *composing)
{
    if (composing->timer.timer_set) {
        ngx_del_timer(&composing->timer);
    }

    if (composing->event) {
        ngx_fed_event_drop(composing->event);
        composing->event = NULL;
    }
}


/* An event of the same users that is not bound to the link of this one. */

static ngx_fed_event_t *
ngx_sip_composing_copy(ngx_fed_event_t *ev)
{
    ngx_fed_event_t  *copy;

    copy = ngx_fed_event_create_own(ev->conf, ev->source, NGX_FED_COMPOSING);
    if (copy == NULL) {
        return NULL;
    }

    copy->type = ev->type;
    copy->from_domain = ev->from_domain;
    copy->to_domain = ev->to_domain;

    if (ngx_sip_composing_copy_text(copy->pool, &copy->thread, &ev->thread)
           != NGX_OK
        || ngx_sip_composing_copy_address(copy->pool, &copy->from, &ev->from)
           != NGX_OK
        || ngx_sip_composing_copy_address(copy->pool, &copy->to, &ev->to)
           != NGX_OK)
    {
        ngx_fed_event_drop(copy);
        return NULL;
    }

    return copy;
}


static ngx_int_t
ngx_sip_composing_copy_address(ngx_pool_t *pool, ngx_fed_address_t *dst,
    ngx_fed_address_t *src)
{
    if (ngx_sip_composing_copy_text(pool, &dst->user, &src->user) != NGX_OK
        || ngx_sip_composing_copy_text(pool, &dst->domain, &src->domain)
           != NGX_OK
        || ngx_sip_composing_copy_text(pool, &dst->resource, &src->resource)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_sip_composing_copy_text(pool, &dst->unicode, &src->unicode);
}


static ngx_int_t
ngx_sip_composing_copy_text(ngx_pool_t *pool, ngx_str_t *dst, ngx_str_t *src)
{
    if (src->len == 0) {
        return NGX_OK;
    }

    dst->len = src->len;
    dst->data = ngx_pstrdup(pool, src);

    return dst->data ? NGX_OK : NGX_ERROR;
}


static void
ngx_sip_composing_handler(ngx_event_t *event)
{
    ngx_fed_event_t      *ev;
    ngx_sip_composing_t  *composing;

    composing = event->data;

    ev = composing->event;
    composing->event = NULL;

    composing->told = (ev->chat_state == NGX_FED_CHAT_COMPOSING)
                      ? NGX_FED_CHAT_COMPOSING : NGX_FED_CHAT_PAUSED;
    composing->time = ngx_current_msec;

    if (ev->source == &ngx_sip_leg) {
        ev->target->send(ev);
        return;
    }

    ngx_sip_dialects[ev->to_domain->dialect]->composing(ev);
}


/* Remembers something of two users, for all workers. */

static void
ngx_sip_composing_note(ngx_fed_event_t *ev, const char *what)
{
    ngx_str_t      none;
    ngx_fed_key_t  key[2];

    ngx_str_null(&none);

    ngx_sip_composing_key(ev, what, key);

    (void) ngx_fed_zone_note(ev->conf, (u_char *) key, &none);
}


static ngx_uint_t
ngx_sip_composing_noted(ngx_fed_event_t *ev, const char *what)
{
    size_t         len;
    u_char         text[NGX_FED_NOTE_TEXT];
    ngx_fed_key_t  key[2];

    ngx_sip_composing_key(ev, what, key);

    return ngx_fed_zone_noted(ev->conf, (u_char *) key, text, &len) == NGX_OK;
}


static void
ngx_sip_composing_key(ngx_fed_event_t *ev, const char *what,
    ngx_fed_key_t *key)
{
    ngx_sip_ctx_t   *ctx;
    ngx_fed_hash_t   hash;

    ctx = ev->conf->sip_data;

    ngx_fed_hash_init(&hash, &ctx->secret);
    ngx_fed_hash_update(&hash, (u_char *) what, ngx_strlen(what));

    key[0] = ngx_fed_hash_final(&hash);
    key[1] = ngx_sip_thread_users(ctx, ev);
}


/* Of a SIP user, and a day of the calendar. */

static void
ngx_sip_composing_day(ngx_fed_event_t *ev, time_t day, ngx_fed_key_t *key)
{
    ngx_sip_ctx_t   *ctx;
    ngx_fed_hash_t   hash;

    ctx = ev->conf->sip_data;
    day /= NGX_SIP_COMPOSING_DAY;

    ngx_fed_hash_init(&hash, &ctx->secret);
    ngx_fed_hash_update(&hash, (u_char *) "refuses", sizeof("refuses") - 1);
    ngx_fed_hash_update(&hash, (u_char *) &day, sizeof(time_t));

    key[0] = ngx_fed_hash_final(&hash);
    key[1] = ngx_sip_pair_key(ctx, &ev->to, &ev->to);
}
