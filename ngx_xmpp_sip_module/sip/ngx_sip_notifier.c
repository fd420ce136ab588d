
/*
 * The notifier: SIP users watch XMPP users (RFC 6665, 4.2; RFC 3856; RFC 8048,
 * 5.3).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"


#define NGX_SIP_HEADERS_LEN     512
#define NGX_SIP_NOTIFY_FAILURES 5
#define NGX_SIP_NOTIFY_RETRY    2000     /* ms */
#define NGX_SIP_CAP_RETRY       "Retry-After: 60" CRLF


/* a SUBSCRIBE that is being handled */

typedef struct {
    ngx_sip_conn_t               *conn;
    ngx_sip_msg_t                *msg;
    ngx_fed_key_t                 key;
    ngx_fed_event_t              *ev;
    ngx_fed_pair_t                pair;

    ngx_str_t                     event_id;
    ngx_str_t                     texts[NGX_FED_TEXTS];
    ngx_msec_t                    expires;
    uint64_t                      tag;       /* of the dialog */
    ngx_uint_t                    format;

    ngx_uint_t                    status;
    ngx_uint_t                    todo;
    ngx_uint_t                    run;       /* NOTIFY is to be sent */
    ngx_str_t                     headers;
} ngx_sip_subscribe_t;


/* a NOTIFY that was sent */

typedef struct {
    ngx_fed_key_t                 id;
    uint64_t                      tag;
    ngx_str_t                     domain;
} ngx_sip_notify_t;


static void ngx_sip_notifier_forbid(ngx_sip_ctx_t *ctx, ngx_fed_key_t *id,
    ngx_sip_msg_t *msg);
static ngx_int_t ngx_sip_notifier_check(ngx_sip_subscribe_t *sub,
    ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_notifier_expires(ngx_sip_subscribe_t *sub,
    ngx_sip_refusal_t *refusal);
static void ngx_sip_notifier_refresh(ngx_sip_subscribe_t *sub);
static void ngx_sip_notifier_create(ngx_sip_subscribe_t *sub);
static ngx_int_t ngx_sip_notifier_room(ngx_sip_subscribe_t *sub,
    ngx_fed_watch_t *watch);
static void ngx_sip_notifier_poll(ngx_sip_subscribe_t *sub,
    ngx_fed_watch_t *watch, ngx_fed_dialog_t *dialog);
static void ngx_sip_notifier_answer(ngx_sip_subscribe_t *sub);
static ngx_uint_t ngx_sip_notifier_wanted(ngx_fed_conf_t *fcf,
    ngx_fed_dialog_t *dialog, ngx_uint_t granted, uint32_t hash);
static ngx_int_t ngx_sip_notifier_snapshot(ngx_pool_t *pool,
    ngx_fed_watch_t *watch, ngx_fed_dialog_t *dialog, ngx_uint_t offline,
    ngx_fed_presence_t *presence);
static void ngx_sip_notifier_closed(ngx_fed_presence_t *presence);
static void ngx_sip_notifier_end(ngx_sip_client_t *client,
    ngx_fed_watch_t *watch, ngx_fed_dialog_t *dialog);
static void ngx_sip_notifier_send(ngx_sip_client_t *client,
    ngx_sip_dialog_t *dialog, ngx_str_t *state, ngx_fed_presence_t *presence);
static ngx_uint_t ngx_sip_notifier_offline(ngx_sip_ctx_t *ctx,
    ngx_sip_dialog_t *dialog);
static void ngx_sip_notifier_handler(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome, ngx_sip_msg_t *msg);
static ngx_uint_t ngx_sip_notifier_failed(ngx_sip_client_t *client,
    ngx_fed_dialog_t *dialog, ngx_fed_outcome_t *outcome);


static ngx_str_t  ngx_sip_notify = ngx_string("NOTIFY");


/* by ngx_fed_end_e */

static const ngx_str_t  ngx_sip_reasons[] = {
    ngx_null_string,
    ngx_string("deactivated"),
    ngx_string("noresource"),
    ngx_string("probation"),
    ngx_string("rejected"),
    ngx_string("timeout")
};


/* SUBSCRIBE: answered at once, whatever the XMPP side does. */

void
ngx_sip_notifier_request(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_int_t             rc;
    const char           *text;
    ngx_fed_event_t      *ev;
    ngx_sip_refusal_t     refusal;
    ngx_fed_outcome_e     result;
    ngx_sip_subscribe_t   sub;

    ngx_memzero(&sub, sizeof(ngx_sip_subscribe_t));
    ngx_memzero(&refusal, sizeof(ngx_sip_refusal_t));

    sub.conn = conn;
    sub.msg = msg;

    ev = ngx_sip_begin(conn, msg, NGX_FED_SUBSCRIPTION, &sub.key);

    if (ev == NULL) {
        return;
    }

    sub.ev = ev;

    rc = ngx_sip_users(conn, msg, ev, &refusal);

    if (rc == NGX_OK) {
        rc = ngx_sip_notifier_check(&sub, &refusal);
    }

    if (rc != NGX_OK) {
        ngx_sip_reject(conn, msg, &sub.key, ev, &refusal);
        return;
    }

    ngx_sip_peer_alias(conn, msg, &ev->from.domain, ev->from_domain);

    ngx_str_null(&ev->from.resource);
    ngx_str_null(&ev->to.resource);

    ev->presence = NGX_FED_SUBSCRIBE;
    ev->source_data = &sub;

    ngx_fed_pair(conn->ctx->conf, &sub.pair, &ev->from, &ev->to);

    /* to end it everybody is free */

    if (sub.expires || msg->to.tag.len == 0) {

        text = NULL;
        result = ngx_fed_event_admit(ev, &text);

        if (result != NGX_FED_ACCEPTED) {
            ngx_fed_event_fail(ev, result, text);

            if (result == NGX_FED_REFUSED || result == NGX_FED_NATIVE) {
                ngx_sip_notifier_forbid(conn->ctx, &sub.pair.id, msg);
            }

            return;
        }
    }

    if (msg->to.tag.len) {
        ngx_sip_notifier_refresh(&sub);

    } else {
        ngx_sip_notifier_create(&sub);
    }

    ngx_sip_notifier_answer(&sub);
}


/* Policy forbids what it has allowed before: the watcher sees no more. */

static void
ngx_sip_notifier_forbid(ngx_sip_ctx_t *ctx, ngx_fed_key_t *id,
    ngx_sip_msg_t *msg)
{
    uint64_t           tag;
    ngx_fed_dialog_t  *dialog;

    if (ngx_sip_dialog_tag(&msg->to.tag, &tag) != NGX_OK) {
        return;
    }

    ngx_fed_zone_lock(ctx->conf);

    dialog = ngx_fed_dialog_lookup(ctx->conf, id, 1, tag);

    if (dialog && dialog->reason == NGX_FED_END_NONE) {
        dialog->reason = NGX_FED_END_REJECTED;
    }

    ngx_fed_zone_unlock(ctx->conf);

    if (dialog) {
        ngx_sip_notifier_run(ctx, id, tag);
    }
}


/*
 * RFC 6665, 4.2.1.1; RFC 3856, 6.5.  Returns NGX_DECLINED with the refusal
 * filled in, or NGX_ERROR if there is no memory.
 */

static ngx_int_t
ngx_sip_notifier_check(ngx_sip_subscribe_t *sub, ngx_sip_refusal_t *refusal)
{
    ngx_int_t                  rc;
    ngx_pool_t                *pool;
    ngx_sip_ctx_t             *ctx;
    ngx_sip_msg_t             *msg;
    ngx_fed_event_t           *ev;
    const ngx_sip_presence_t  *speaks;

    ctx = sub->conn->ctx;
    msg = sub->msg;
    ev = sub->ev;
    pool = ev->pool;

    rc = ngx_sip_dialog_event(msg, &sub->event_id);

    if (rc == NGX_ERROR) {
        refusal->status = 400;
        refusal->reason = "Bad Event";
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        refusal->status = 489;
        ngx_str_set(&refusal->headers, NGX_SIP_ALLOW_EVENTS_ROW);
        return NGX_DECLINED;
    }

    speaks = ngx_sip_dialects[ev->from_domain->dialect]->presence;

    rc = speaks->format(ctx, msg);

    if (rc == NGX_DECLINED) {
        refusal->status = 406;
        refusal->headers = *speaks->accept(ctx);
        return NGX_DECLINED;
    }

    sub->format = rc;

    rc = ngx_sip_dialog_texts(sub->conn, pool, msg, sub->texts);

    if (rc == NGX_DECLINED) {
        refusal->status = 400;
        refusal->reason = "Bad Contact Or Record-Route";
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    if (msg->from.tag.len == 0) {
        refusal->status = 400;
        refusal->reason = "Missing From Tag";
        return NGX_DECLINED;
    }

    ev->id.len = msg->call_id.len;
    ev->id.data = ngx_pstrdup(pool, &msg->call_id);

    if (ev->id.data == NULL) {
        return NGX_ERROR;
    }

    /* the URIs of a dialog are those of the request, octet by octet */

    sub->texts[NGX_FED_TEXT_EVENT_ID] = sub->event_id;
    sub->texts[NGX_FED_TEXT_LOCAL] = msg->to.uri;
    sub->texts[NGX_FED_TEXT_REMOTE] = msg->from.uri;

    return ngx_sip_notifier_expires(sub, refusal);
}


static ngx_int_t
ngx_sip_notifier_expires(ngx_sip_subscribe_t *sub, ngx_sip_refusal_t *refusal)
{
    u_char            *p;
    uint32_t           n;
    ngx_msec_t         min, max;
    ngx_fed_conf_t    *fcf;
    ngx_sip_header_t  *h;

    fcf = sub->conn->ctx->conf;
    min = fcf->subscription_min;
    max = fcf->subscription_max;

    h = ngx_sip_header(sub->msg, NGX_SIP_EXPIRES);

    if (h == NULL || ngx_sip_number(&h->value, &n) != NGX_OK) {
        sub->expires = ngx_min(fcf->subscription_expires, max);
        return NGX_OK;
    }

    sub->expires = ngx_min((ngx_msec_t) n, max / 1000) * 1000;

    if (n && n < 3600 && sub->expires < min) {

        p = ngx_pnalloc(sub->ev->pool,
                        sizeof("Min-Expires: " CRLF) + NGX_INT_T_LEN);
        if (p == NULL) {
            return NGX_ERROR;
        }

        refusal->status = 423;
        refusal->headers.data = p;
        refusal->headers.len = ngx_sprintf(p, "Min-Expires: %M" CRLF,
                                           (min + 999) / 1000)
                               - p;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* SUBSCRIBE within a dialog (RFC 6665, 4.2.1.4; RFC 3261, 12.2.2) */

static void
ngx_sip_notifier_refresh(ngx_sip_subscribe_t *sub)
{
    ngx_str_t          texts[NGX_FED_TEXTS];
    ngx_fed_conf_t    *fcf;
    ngx_fed_watch_t   *watch;
    ngx_fed_dialog_t  *dialog;

    fcf = sub->conn->ctx->conf;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &sub->pair.id);
    dialog = NULL;

    if (watch && watch->sip
        && ngx_sip_dialog_tag(&sub->msg->to.tag, &sub->tag) == NGX_OK)
    {
        dialog = ngx_fed_dialog_find(watch, sub->tag);
    }

    if (dialog) {
        ngx_fed_dialog_texts(dialog, texts);
    }

    if (dialog == NULL || dialog->reason
        || !ngx_fed_str_equal(&texts[NGX_FED_TEXT_CALL_ID], &sub->msg->call_id)
        || !ngx_fed_str_equal(&texts[NGX_FED_TEXT_TAG], &sub->msg->from.tag)
        || !ngx_fed_str_equal(&texts[NGX_FED_TEXT_EVENT_ID], &sub->event_id))
    {
        sub->status = 481;

    } else if (sub->msg->cseq <= dialog->remote_cseq) {
        sub->status = 500;

    } else {
        sub->status = 200;
        sub->run = 1;

        watch->seen = ngx_fed_seconds();
        dialog->remote_cseq = sub->msg->cseq;

        if (sub->expires == 0) {
            dialog->reason = NGX_FED_END_TIMEOUT;

        } else {
            dialog->expires = ngx_current_msec + sub->expires;
            dialog->forced = 1;
            dialog->dirty = 1;
        }

        if (ngx_sip_header(sub->msg, NGX_SIP_ACCEPT)) {
            dialog->format = sub->format;
        }

        /* the target may be a new one, the route is not */

        if (!ngx_fed_str_equal(&texts[NGX_FED_TEXT_TARGET],
                               &sub->texts[NGX_FED_TEXT_TARGET]))
        {
            texts[NGX_FED_TEXT_TARGET] = sub->texts[NGX_FED_TEXT_TARGET];
            (void) ngx_fed_dialog_set_texts(fcf, dialog, texts);
        }

        ngx_fed_watch_changed(fcf);
    }

    ngx_fed_zone_unlock(fcf);
}


/* SUBSCRIBE that makes a dialog (RFC 6665, 4.2.1; RFC 8048, 5.3.1, 7.2) */

static void
ngx_sip_notifier_create(ngx_sip_subscribe_t *sub)
{
    ngx_int_t          rc;
    ngx_uint_t         level;
    ngx_fed_conf_t    *fcf;
    ngx_fed_watch_t   *watch;
    ngx_fed_dialog_t  *dialog;

    fcf = sub->conn->ctx->conf;
    sub->tag = sub->key.lo;
    dialog = NULL;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &sub->pair.id);

    if (watch == NULL) {
        watch = ngx_fed_watch_add(fcf, &sub->pair, 1, 0);
    }

    if (watch) {
        watch->seen = ngx_fed_seconds();
    }

    rc = watch ? ngx_sip_notifier_room(sub, watch) : NGX_ERROR;

    if (rc == NGX_DONE) {

        /* another worker had it before */

        ngx_fed_zone_unlock(fcf);
        return;
    }

    if (rc == NGX_OK) {
        dialog = ngx_fed_dialog_add(fcf, watch, sub->texts);
        rc = dialog ? NGX_OK : NGX_ERROR;
    }

    if (rc == NGX_OK && sub->expires) {
        sub->todo = ngx_fed_roster_watch(fcf, watch);

        if (sub->todo & NGX_FED_TODO_REFUSE) {
            ngx_fed_dialog_free(fcf, dialog);
            dialog = NULL;
            sub->status = 403;
            rc = NGX_DECLINED;
        }
    }

    if (rc == NGX_OK) {
        ngx_fed_watch_due(fcf, watch, 0);

        dialog->tag = sub->tag;
        dialog->format = sub->format;
        dialog->remote_cseq = sub->msg->cseq;
        dialog->expires = ngx_current_msec + sub->expires;
        dialog->forced = 1;
        dialog->dirty = 1;

        sub->status = 200;
        sub->run = 1;

        if (sub->expires == 0) {
            ngx_sip_notifier_poll(sub, watch, dialog);
        }

    } else if (rc == NGX_ERROR) {
        sub->status = 500;
        ngx_str_set(&sub->headers, NGX_SIP_CAP_RETRY);
    }

    if (dialog == NULL && watch && watch->dialogs == NULL) {
        sub->todo = 0;
        (void) ngx_fed_roster_unwatch(fcf, watch, &sub->pair);
    }

    ngx_fed_zone_unlock(fcf);

    if (sub->status == 500) {
        level = ngx_fed_quiet_level(fcf, NGX_FED_QUIET_FULL, NULL,
                                    NGX_LOG_WARN);

        ngx_log_error(level, sub->conn->link->log, 0,
                      "subscription of a user of \"%V\" to a user of \"%V\" "
                      "is refused: the zone \"%V\" is full, or there are too "
                      "many, see \"user_watchers\", \"user_contacts\", "
                      "\"domain_subscriptions\" and \"pair_dialogs\"",
                      &sub->ev->from.domain, &sub->ev->to.domain,
                      &fcf->zone_name);
    }
}


/*
 * Looks at the dialogs that the watcher has already.  Returns NGX_DONE if this
 * one is among them, NGX_DECLINED with a status if it came on another way,
 * NGX_ERROR if there are too many.
 */

static ngx_int_t
ngx_sip_notifier_room(ngx_sip_subscribe_t *sub, ngx_fed_watch_t *watch)
{
    ngx_str_t          texts[NGX_FED_TEXTS];
    ngx_fed_conf_t    *fcf;
    ngx_fed_dialog_t  *dialog, *next, *pending;

    fcf = sub->conn->ctx->conf;
    pending = NULL;

    for (dialog = watch->dialogs; dialog; dialog = next) {

        next = dialog->next;

        if (dialog->tag == sub->tag) {
            sub->status = 200;
            return NGX_DONE;
        }

        ngx_fed_dialog_texts(dialog, texts);

        if (ngx_fed_str_equal(&texts[NGX_FED_TEXT_CALL_ID],
                              &sub->msg->call_id)
            && ngx_fed_str_equal(&texts[NGX_FED_TEXT_TAG],
                                 &sub->msg->from.tag))
        {
            if (dialog->remote_cseq == sub->msg->cseq) {
                sub->status = 482;
                return NGX_DECLINED;
            }

            /* the watcher began anew */

            ngx_fed_dialog_free(fcf, dialog);
            continue;
        }

        if (!dialog->active) {
            pending = dialog;
        }
    }

    if (watch->ndialogs < fcf->pair_dialogs) {
        return NGX_OK;
    }

    /* SEC-05 */

    if (pending) {
        ngx_fed_dialog_free(fcf, pending);
        return NGX_OK;
    }

    return NGX_ERROR;
}


/*
 * What a poller learns is known, or he waits a moment for it (RFC 6665, 4.4.3;
 * RFC 8048, 7.2).
 */

static void
ngx_sip_notifier_poll(ngx_sip_subscribe_t *sub, ngx_fed_watch_t *watch,
    ngx_fed_dialog_t *dialog)
{
    ngx_fed_conf_t  *fcf;

    fcf = sub->conn->ctx->conf;

    dialog->reason = NGX_FED_END_TIMEOUT;
    dialog->poll = 1;

    sub->todo = ngx_fed_roster_poll(fcf, watch);

    if (sub->todo == 0) {
        return;
    }

    sub->run = 0;

    ngx_fed_dialog_due(fcf, dialog, ngx_current_msec + fcf->poll_wait);
}


static void
ngx_sip_notifier_answer(ngx_sip_subscribe_t *sub)
{
    u_char             *p;
    size_t              size;
    ngx_pool_t         *pool;
    ngx_sip_ctx_t      *ctx;
    ngx_sip_conn_t     *conn;
    ngx_sip_rows_t     *rows;
    ngx_fed_event_t    *ev;
    ngx_sip_refusal_t   answer;

    ev = sub->ev;
    conn = sub->conn;
    ctx = conn->ctx;
    pool = ev->pool;

    ngx_memzero(&answer, sizeof(ngx_sip_refusal_t));

    answer.status = sub->status;
    answer.headers = sub->headers;

    if (sub->status != 200) {
        ngx_sip_reject(conn, sub->msg, &sub->key, ev, &answer);
        return;
    }

    rows = ngx_sip_rows(conn);

    size = sizeof("Expires: " CRLF) + NGX_INT_T_LEN
           + ngx_sip_contact_size(rows, &ev->to)
           + ngx_sip_respond_routes_size(conn, sub->msg);

    p = ngx_pnalloc(pool, size);

    if (p) {
        answer.headers.data = p;

        p = ngx_sip_respond_routes(p, conn, sub->msg);
        p = ngx_sip_contact(p, rows, &ev->to);
        p = ngx_sprintf(p, "Expires: %M" CRLF, sub->expires / 1000);

        answer.headers.len = p - answer.headers.data;
    }

    ngx_sip_server_answer(conn, sub->msg, &sub->key, &answer);

    if (sub->run) {
        ngx_sip_notifier_run(ctx, &sub->pair.id, sub->tag);
    }

    ngx_fed_roster_todo(ctx->conf, &sub->pair, sub->todo);

    ev->source_data = NULL;

    if (sub->todo & NGX_FED_TODO_SUBSCRIBE) {
        ngx_fed_event_submit(ev);
        return;
    }

    ngx_fed_event_accept(ev);
}


/*
 * The outcome of the event of a SUBSCRIBE: policy refused it, or the request
 * to the XMPP user was sent, or could not be.
 */

void
ngx_sip_notifier_done(ngx_fed_event_t *ev)
{
    ngx_fed_pair_t        pair;
    ngx_sip_subscribe_t  *sub;

    if (ev->kind != NGX_FED_SUBSCRIPTION
        || ev->outcome.result == NGX_FED_ACCEPTED)
    {
        return;
    }

    sub = ev->source_data;

    if (sub) {
        ngx_sip_server_outcome(sub->conn, sub->msg, &sub->key, ev);
        return;
    }

    ngx_fed_pair(ev->conf, &pair, &ev->from, &ev->to);
    ngx_fed_roster_failed(ev->conf, &pair, &ev->outcome);
}


/* What a SIP user may see of an XMPP user has changed. */

void
ngx_sip_notifier_changed(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_uint_t reason)
{
    uint64_t           tags[NGX_SIP_PAIR_DIALOGS];
    ngx_uint_t         i, n;
    ngx_fed_watch_t   *watch;
    ngx_fed_dialog_t  *dialog;

    n = 0;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    for (dialog = watch ? watch->dialogs : NULL;
         dialog && n < NGX_SIP_PAIR_DIALOGS;
         dialog = dialog->next)
    {
        if (reason && dialog->reason == NGX_FED_END_NONE) {
            dialog->reason = (uint8_t) reason;
        }

        dialog->dirty = 1;

        /* presence follows a grant at once (RFC 6121, 3.1.5) */

        if (watch->state == NGX_FED_WATCH_GRANTED && !watch->known
            && dialog->reason == NGX_FED_END_NONE)
        {
            ngx_fed_dialog_due(fcf, dialog,
                               ngx_current_msec + fcf->poll_wait);
            continue;
        }

        tags[n++] = dialog->tag;
    }

    ngx_fed_zone_unlock(fcf);

    for (i = 0; i < n; i++) {
        ngx_sip_notifier_run(fcf->sip_data, &pair->id, tags[i]);
    }
}


/*
 * Sends NOTIFY within a dialog if there is something to say, and it is not too
 * early: one at a time, and not more often than the watcher must bear (RFC
 * 3856, 6.10), what was asked for excepted.
 */

void
ngx_sip_notifier_run(ngx_sip_ctx_t *ctx, ngx_fed_key_t *id, uint64_t tag)
{
    u_char              buf[64];
    uint32_t            hash;
    uint64_t            sent;
    ngx_int_t           rc;
    ngx_str_t           state;
    ngx_msec_t          now;
    ngx_uint_t          granted, fresh, exempt, offline;
    ngx_fed_conf_t     *fcf;
    ngx_fed_watch_t    *watch;
    ngx_sip_client_t   *client;
    ngx_fed_dialog_t   *dialog;
    ngx_sip_dialog_t    copy;
    ngx_sip_notify_t   *notify;
    ngx_fed_presence_t  presence;

    fcf = ctx->conf;
    offline = 0;

    client = ngx_sip_client_create(ctx, &ngx_sip_notify);
    if (client == NULL) {
        return;
    }

    notify = ngx_palloc(client->pool, sizeof(ngx_sip_notify_t));
    if (notify == NULL) {
        ngx_destroy_pool(client->pool);
        return;
    }

    notify->id = *id;
    notify->tag = tag;

    client->data = notify;
    client->handler = ngx_sip_notifier_handler;

    now = ngx_current_msec;

    ngx_fed_zone_lock(fcf);

    dialog = ngx_fed_dialog_lookup(fcf, id, 1, tag);

    if (dialog == NULL) {
        goto nothing;
    }

    watch = dialog->watch;

    if (ngx_sip_dialog_claimed(ctx, dialog)) {
        ngx_fed_dialog_due(fcf, dialog, now + fcf->transaction_timeout);
        goto nothing;
    }

    if (dialog->reason == NGX_FED_END_NONE
        && (ngx_msec_int_t) (dialog->expires - now) <= 0)
    {
        dialog->reason = NGX_FED_END_TIMEOUT;
    }

    if (dialog->reason) {
        ngx_sip_notifier_end(client, watch, dialog);
        return;
    }

    granted = (watch->state == NGX_FED_WATCH_GRANTED);

    hash = ngx_murmur_hash2(watch->presence, watch->presence_len) ^ granted
           ^ (watch->known << 1);

    if (!ngx_sip_notifier_wanted(fcf, dialog, granted, hash)) {
        goto nothing;
    }

    /* of what was shown once, it is not said that it is not known any more */

    fresh = (!granted || !dialog->active);

    exempt = (dialog->forced || granted != dialog->active);
    sent = dialog->sent;

    ngx_sip_dialog_claim(ctx, dialog);

    if (exempt) {
        dialog->sent = sent;
    }

    dialog->dirty = 0;
    dialog->forced = 0;
    dialog->hash = hash;
    dialog->active = granted;

    ngx_fed_dialog_due(fcf, dialog, ngx_min(dialog->expires,
                                            now + fcf->transaction_timeout));

    rc = ngx_sip_dialog_copy(ctx, client->pool, dialog, &copy);

    if (rc == NGX_OK) {
        offline = ngx_sip_notifier_offline(ctx, &copy);
        rc = ngx_sip_notifier_snapshot(client->pool, watch, dialog,
                                       offline && fresh, &presence);
    }

    if (rc != NGX_OK) {
        dialog->nonce = 0;
        dialog->dirty = 1;
        dialog->forced = 1;
        goto nothing;
    }

    state.data = buf;
    state.len = ngx_sprintf(buf, "%s;expires=%M",
                            granted || offline ? "active" : "pending",
                            (ngx_msec_t) (dialog->expires - now) / 1000)
                - buf;

    ngx_fed_zone_unlock(fcf);

    ngx_sip_notifier_send(client, &copy, &state, &presence);

    return;

nothing:

    ngx_fed_zone_unlock(fcf);
    ngx_destroy_pool(client->pool);
}


/* Tells whether there is news and it is time for it, or sets when that is. */

static ngx_uint_t
ngx_sip_notifier_wanted(ngx_fed_conf_t *fcf, ngx_fed_dialog_t *dialog,
    ngx_uint_t granted, uint32_t hash)
{
    if (dialog->forced) {
        return 1;
    }

    if (!dialog->dirty || hash == dialog->hash) {
        dialog->dirty = 0;
        ngx_fed_dialog_due(fcf, dialog, dialog->expires);
        return 0;
    }

    if (granted == dialog->active && dialog->sent
        && ngx_current_msec - dialog->sent < fcf->notify_interval)
    {
        ngx_fed_dialog_due(fcf, dialog, dialog->sent + fcf->notify_interval);
        return 0;
    }

    return 1;
}


/*
 * Sends the last NOTIFY of a dialog, which is gone when this returns; the zone
 * was locked, and is no more.
 */

static void
ngx_sip_notifier_end(ngx_sip_client_t *client, ngx_fed_watch_t *watch,
    ngx_fed_dialog_t *dialog)
{
    u_char              buf[64], *p;
    ngx_int_t           rc;
    ngx_str_t           state;
    ngx_uint_t          poll, todo;
    ngx_fed_conf_t     *fcf;
    ngx_sip_dialog_t    copy;
    ngx_fed_presence_t  presence;

    fcf = client->ctx->conf;
    poll = dialog->poll;
    todo = 0;

    p = ngx_sprintf(buf, "terminated;reason=%V",
                    &ngx_sip_reasons[dialog->reason]);

    if (dialog->reason == NGX_FED_END_PROBATION) {
        p = ngx_sprintf(p, ";retry-after=%M",
                        (fcf->resubscribe_delay + 999) / 1000);
    }

    state.data = buf;
    state.len = p - buf;

    dialog->cseq++;

    rc = ngx_sip_dialog_copy(client->ctx, client->pool, dialog, &copy);

    if (rc == NGX_OK) {
        rc = ngx_sip_notifier_snapshot(client->pool, watch, dialog,
                                       ngx_sip_notifier_offline(client->ctx,
                                                                &copy),
                                       &presence);
    }

    if (rc != NGX_OK) {
        ngx_fed_dialog_due(fcf, dialog,
                           ngx_current_msec + NGX_SIP_NOTIFY_RETRY);
        ngx_fed_zone_unlock(fcf);
        ngx_destroy_pool(client->pool);
        return;
    }

    ngx_fed_dialog_free(fcf, dialog);

    if (watch->dialogs == NULL) {
        todo = ngx_fed_roster_unwatch(fcf, watch, &copy.pair);
    }

    ngx_fed_zone_unlock(fcf);

    /* a poller has not been there */

    if (!poll) {
        ngx_fed_roster_todo(fcf, &copy.pair, todo);
    }

    ngx_sip_notifier_send(client, &copy, &state, &presence);
}


/* Tells whether who may see nothing is to see a user who is offline. */

static ngx_uint_t
ngx_sip_notifier_offline(ngx_sip_ctx_t *ctx, ngx_sip_dialog_t *dialog)
{
    const ngx_sip_presence_t  *speaks;

    speaks = ngx_sip_presence_of(ctx, dialog->remote);

    return speaks->offline && speaks->offline(ctx);
}


/*
 * Copies into the pool what a dialog is to show; nothing at all is no document
 * (RFC 8048, 6.2), or, with offline, that of a user who is.  Returns NGX_ERROR
 * if there is no memory.
 */

static ngx_int_t
ngx_sip_notifier_snapshot(ngx_pool_t *pool, ngx_fed_watch_t *watch,
    ngx_fed_dialog_t *dialog, ngx_uint_t offline, ngx_fed_presence_t *presence)
{
    u_char      *p;
    ngx_uint_t   known;

    presence->n = 0;

    known = (watch->state == NGX_FED_WATCH_GRANTED && watch->known);

    if (dialog->reason && !dialog->poll) {
        known = dialog->active;
    }

    if (!known) {

        if (offline) {
            ngx_sip_notifier_closed(presence);
        }

        return NGX_OK;
    }

    if (watch->presence) {

        p = ngx_pnalloc(pool, watch->presence_len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(p, watch->presence, watch->presence_len);

        if (ngx_fed_presence_unpack(p, watch->presence_len, presence)
            != NGX_OK)
        {
            presence->n = 0;
        }
    }

    if (presence->n == 0 || (dialog->reason && !dialog->poll)) {
        ngx_sip_notifier_closed(presence);
    }

    return NGX_OK;
}


static void
ngx_sip_notifier_closed(ngx_fed_presence_t *presence)
{
    ngx_str_t            none;
    ngx_uint_t           i;
    ngx_fed_resource_t  *r;

    ngx_str_null(&none);

    if (presence->n == 0) {
        (void) ngx_fed_presence_add(presence, &none);
    }

    for (i = 0; i < presence->n; i++) {
        r = &presence->resources[i];

        if (!r->available) {
            continue;
        }

        r->available = 0;
        r->show = NGX_FED_SHOW_NONE;
        r->priority = NGX_FED_NO_PRIORITY;
        r->nstatuses = 0;
    }
}


/* RFC 6665, 4.2.2; RFC 3856, 6.7 */

static void
ngx_sip_notifier_send(ngx_sip_client_t *client, ngx_sip_dialog_t *dialog,
    ngx_str_t *state, ngx_fed_presence_t *presence)
{
    u_char                    *p;
    ngx_str_t                  headers, *id;
    ngx_pool_t                *pool;
    ngx_sip_document_t         document;
    const ngx_sip_presence_t  *speaks;

    pool = client->pool;
    id = &dialog->texts[NGX_FED_TEXT_EVENT_ID];

    ngx_memzero(&document, sizeof(ngx_sip_document_t));

    if (presence->n) {

        speaks = ngx_sip_presence_of(client->ctx, dialog->remote);

        if (speaks->write(client->ctx, pool, dialog->format, presence,
                          dialog->local, &document)
            != NGX_OK)
        {
            ngx_sip_client_fail(client, NGX_FED_INTERNAL, NULL);
            return;
        }
    }

    p = ngx_pnalloc(pool, NGX_SIP_HEADERS_LEN + id->len
                          + document.headers.len);
    if (p == NULL) {
        ngx_sip_client_fail(client, NGX_FED_INTERNAL, NULL);
        return;
    }

    headers.data = p;

    p = ngx_sprintf(p, "Event: presence%s%V" CRLF "Subscription-State: %V" CRLF
                       "%V",
                    id->len ? ";id=" : "", id, state, &document.headers);

    headers.len = p - headers.data;

    (void) ngx_sip_dialog_send(client, dialog, &headers, &document.body);
}


/* A NOTIFY was answered, or was not. */

static void
ngx_sip_notifier_handler(ngx_sip_client_t *client, ngx_fed_outcome_t *outcome,
    ngx_sip_msg_t *msg)
{
    ngx_uint_t          todo, run;
    ngx_sip_ctx_t      *ctx;
    ngx_fed_pair_t      pair;
    ngx_fed_conf_t     *fcf;
    ngx_fed_watch_t    *watch;
    ngx_fed_dialog_t   *dialog;
    ngx_sip_notify_t   *notify;

    ctx = client->ctx;
    fcf = ctx->conf;
    notify = client->data;
    todo = 0;
    run = 0;

    ngx_fed_zone_lock(fcf);

    dialog = ngx_fed_dialog_lookup(fcf, &notify->id, 1, notify->tag);

    if (dialog) {
        watch = dialog->watch;
        dialog->nonce = 0;

        if (outcome->result == NGX_FED_ACCEPTED) {
            dialog->failures = 0;
            run = (dialog->dirty || dialog->reason);

            ngx_fed_dialog_due(fcf, dialog, dialog->expires);

        } else if (ngx_sip_notifier_failed(client, dialog, outcome)
                   && ngx_fed_watch_pair(fcf, client->pool, watch, &pair)
                      == NGX_OK)
        {
            ngx_fed_dialog_free(fcf, dialog);

            if (watch->dialogs == NULL) {
                todo = ngx_fed_roster_unwatch(fcf, watch, &pair);
            }

        } else {
            run = (dialog->reason != NGX_FED_END_NONE);
        }
    }

    ngx_fed_zone_unlock(fcf);

    if (todo) {
        ngx_fed_roster_todo(fcf, &pair, todo);
    }

    if (run) {
        ngx_sip_notifier_run(ctx, &notify->id, notify->tag);
    }

    if (outcome->result != NGX_FED_ACCEPTED) {
        ngx_log_error(NGX_LOG_INFO, fcf->log, 0,
                      "NOTIFY to a user of \"%V\" failed: %V %ui%s",
                      &client->name, ngx_fed_error_result_name(outcome->result),
                      outcome->status,
                      dialog ? "" : ", the dialog was over");
    }
}


/*
 * Returns whether a dialog is over by a failure (RFC 6665, 4.2.2), or sets when
 * it is tried again.
 */

static ngx_uint_t
ngx_sip_notifier_failed(ngx_sip_client_t *client, ngx_fed_dialog_t *dialog,
    ngx_fed_outcome_t *outcome)
{
    ngx_msec_t       wait;
    ngx_fed_conf_t  *fcf;

    fcf = client->ctx->conf;

    if (ngx_sip_dialog_dies(outcome)
        || (outcome->result == NGX_FED_TIMEOUT && outcome->status == 408))
    {
        return 1;
    }

    /* the watcher does not know what he would have been told */

    dialog->hash = 0;
    dialog->failures++;

    if (outcome->result == NGX_FED_SIP_STATUS) {

        if (dialog->failures >= NGX_SIP_NOTIFY_FAILURES) {
            return 1;
        }

        ngx_fed_dialog_due(fcf, dialog, dialog->expires);
        return 0;
    }

    /* there was no connection: the next one is tried soon */

    dialog->dirty = 1;
    dialog->forced = 1;

    wait = (ngx_msec_t) NGX_SIP_NOTIFY_RETRY << ngx_min(dialog->failures, 5);

    ngx_fed_dialog_due(fcf, dialog, ngx_min(dialog->expires,
                                            ngx_current_msec + wait));
    return 0;
}
