
/*
 * The subscriber: XMPP users watch SIP users (RFC 6665, 4.1; RFC 8048, 5.2).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"


#define NGX_SIP_REFRESH_LEAD  32000      /* ms, or a tenth of the time */
#define NGX_SIP_DUE_POOL      1024
#define NGX_SIP_TURN          100        /* ms that a turn may be off */
#define NGX_SIP_SUBSCRIBE_LEN 256        /* rows of the package */


/* a SUBSCRIBE that was sent */

typedef struct {
    ngx_fed_key_t                 id;
    uint64_t                      tag;
    ngx_fed_event_t              *ev;        /* that waits for it, or NULL */
    ngx_msec_t                    expires;   /* asked for; 0: to end it */
} ngx_sip_asked_t;


/* what is due of a dialog */

typedef enum {
    NGX_SIP_DUE_NOTHING = 0,
    NGX_SIP_DUE_END,
    NGX_SIP_DUE_ENDED,
    NGX_SIP_DUE_BEGIN,
    NGX_SIP_DUE_UNHEARD,
    NGX_SIP_DUE_LOST,
    NGX_SIP_DUE_REFRESH
} ngx_sip_due_e;


/* RFC 6665, 4.1.3 */

typedef enum {
    NGX_SIP_STATE_PENDING = 0, /* or one that is not known */
    NGX_SIP_STATE_ACTIVE,
    NGX_SIP_STATE_TERMINATED
} ngx_sip_state_e;


typedef enum {
    NGX_SIP_REASON_NONE = 0,
    NGX_SIP_REASON_DEACTIVATED,
    NGX_SIP_REASON_GIVEUP,
    NGX_SIP_REASON_INVARIANT,
    NGX_SIP_REASON_NORESOURCE,
    NGX_SIP_REASON_PROBATION,
    NGX_SIP_REASON_REJECTED,
    NGX_SIP_REASON_TIMEOUT
} ngx_sip_reason_e;


/* a NOTIFY that is being handled, or a response that stands for one */

typedef struct {
    ngx_sip_conn_t               *conn;
    ngx_sip_msg_t                *msg;
    ngx_fed_key_t                 key;
    ngx_fed_event_t              *ev;
    ngx_fed_pair_t                pair;
    uint64_t                      tag;
    ngx_sip_addr_t               *remote;
    uint32_t                      cseq;

    const ngx_sip_presence_t     *speaks;

    ngx_int_t                     event;     /* of ngx_sip_dialog_event() */
    ngx_str_t                     event_id;
    ngx_str_t                     texts[NGX_FED_TEXTS];

    ngx_sip_state_e               state;
    ngx_sip_reason_e              reason;
    ngx_uint_t                    expires;   /* s */
    ngx_uint_t                    retry_after;

    unsigned                      cseq_set:1;
    unsigned                      expires_set:1;
    unsigned                      told:1;    /* the watcher is, of a grant */
    unsigned                      document:1;
    unsigned                      other:1;   /* it is about somebody else */
    unsigned                      ending:1;  /* we do not want to know */
    unsigned                      end:1;     /* which must be said yet */
    unsigned                      owed:1;    /* who ended it waits */

    ngx_fed_presence_t            presence;  /* large, and so the last */
} ngx_sip_notified_t;


static void ngx_sip_subscriber_forbid(ngx_sip_ctx_t *ctx,
    ngx_fed_pair_t *pair, uint64_t tag);
static ngx_int_t ngx_sip_subscriber_read(ngx_sip_notified_t *ntf,
    ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_subscriber_content(ngx_sip_notified_t *ntf,
    ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_subscriber_state(ngx_sip_notified_t *ntf);
static ngx_int_t ngx_sip_subscriber_document(ngx_sip_notified_t *ntf,
    ngx_sip_refusal_t *refusal);
static ngx_uint_t ngx_sip_subscriber_match(ngx_sip_notified_t *ntf,
    ngx_uint_t *status);
static ngx_int_t ngx_sip_subscriber_take(ngx_sip_notified_t *ntf,
    ngx_fed_dialog_t *dialog);
static ngx_int_t ngx_sip_subscriber_retarget(ngx_sip_notified_t *ntf,
    ngx_fed_dialog_t *dialog);
static void ngx_sip_subscriber_schedule(ngx_fed_conf_t *fcf,
    ngx_fed_dialog_t *dialog);
static void ngx_sip_subscriber_tell(ngx_sip_notified_t *ntf);
static void ngx_sip_subscriber_terminated(ngx_sip_notified_t *ntf);
static void ngx_sip_subscriber_resume(ngx_fed_conf_t *fcf,
    ngx_fed_pair_t *pair);
static ngx_sip_client_t *ngx_sip_subscriber_client(ngx_sip_ctx_t *ctx,
    ngx_fed_key_t *id, ngx_fed_event_t *ev, ngx_msec_t expires);
static void ngx_sip_subscriber_first(ngx_sip_ctx_t *ctx, ngx_fed_pair_t *pair,
    ngx_fed_event_t *ev);
static void ngx_sip_subscriber_no_room(ngx_fed_conf_t *fcf,
    ngx_fed_pair_t *pair, ngx_fed_event_t *ev);
static void ngx_sip_subscriber_last(ngx_sip_ctx_t *ctx, ngx_fed_pair_t *pair,
    ngx_fed_event_t *ev);
static void ngx_sip_subscriber_end(ngx_sip_ctx_t *ctx, ngx_fed_key_t *id,
    uint64_t tag, ngx_fed_event_t *ev);
static void ngx_sip_subscriber_again(ngx_sip_ctx_t *ctx, ngx_fed_key_t *id,
    uint64_t tag, ngx_fed_event_t *ev, ngx_msec_t expires);
static void ngx_sip_subscriber_write(ngx_sip_client_t *client,
    ngx_sip_dialog_t *dialog);
static void ngx_sip_subscriber_handler(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome, ngx_sip_msg_t *msg);
static void ngx_sip_subscriber_accepted(ngx_sip_client_t *client,
    ngx_sip_msg_t *msg);
static void ngx_sip_subscriber_piggyback(ngx_sip_client_t *client,
    ngx_sip_msg_t *msg);
static ngx_int_t ngx_sip_subscriber_piggybacked(ngx_sip_notified_t *ntf,
    ngx_sip_client_t *client);
static ngx_uint_t ngx_sip_subscriber_dropped(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome);
static ngx_uint_t ngx_sip_subscriber_brief(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome);
static void ngx_sip_subscriber_refused(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome);
static void ngx_sip_subscriber_failed(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome);
static void ngx_sip_subscriber_settle(ngx_fed_event_t *ev,
    ngx_fed_outcome_t *outcome);
static void ngx_sip_subscriber_lost(ngx_fed_conf_t *fcf,
    ngx_fed_pair_t *pair, ngx_uint_t seconds);
static ngx_int_t ngx_sip_subscriber_pair(ngx_sip_ctx_t *ctx, ngx_pool_t *pool,
    ngx_fed_key_t *id, ngx_fed_pair_t *pair);
static ngx_sip_due_e ngx_sip_subscriber_judge(ngx_sip_ctx_t *ctx,
    ngx_fed_dialog_t *dialog, ngx_fed_pair_t *pair);
static ngx_sip_due_e ngx_sip_subscriber_judge_end(ngx_fed_conf_t *fcf,
    ngx_fed_dialog_t *dialog);


static ngx_str_t  ngx_sip_subscribe = ngx_string("SUBSCRIBE");


/* in the order of ngx_sip_reason_e */

static const ngx_str_t  ngx_sip_reasons[] = {
    ngx_null_string,
    ngx_string("deactivated"),
    ngx_string("giveup"),
    ngx_string("invariant"),
    ngx_string("noresource"),
    ngx_string("probation"),
    ngx_string("rejected"),
    ngx_string("timeout")
};


/*
 * NOTIFY: answered at once, whatever the XMPP side does (RFC 6665, 4.1.3); or
 * BENOTIFY, which is not answered.
 */

void
ngx_sip_subscriber_request(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_int_t            rc;
    ngx_uint_t           status;
    const char          *text;
    ngx_fed_event_t     *ev;
    ngx_sip_refusal_t    refusal;
    ngx_fed_outcome_e    result;
    ngx_sip_notified_t   ntf;

    ngx_memzero(&ntf, offsetof(ngx_sip_notified_t, presence));
    ngx_memzero(&refusal, sizeof(ngx_sip_refusal_t));

    ntf.conn = conn;
    ntf.msg = msg;
    ntf.remote = &msg->from;
    ntf.cseq = msg->cseq;
    ntf.cseq_set = 1;
    ntf.presence.n = 0;

    ev = ngx_sip_begin(conn, msg, NGX_FED_PRESENCE, &ntf.key);

    if (ev == NULL) {
        return;
    }

    ntf.ev = ev;

    rc = ngx_sip_users(conn, msg, ev, &refusal);

    if (rc == NGX_OK) {
        rc = ngx_sip_subscriber_read(&ntf, &refusal);
    }

    if (rc == NGX_OK) {
        text = NULL;
        result = ngx_fed_event_admit(ev, &text);

        if (result != NGX_FED_ACCEPTED) {
            refusal.status = 403;
            ngx_sip_respond(conn, msg, &ntf.key, &refusal);

            if (result == NGX_FED_REFUSED) {
                ngx_sip_subscriber_forbid(conn->ctx, &ntf.pair, ntf.tag);
            }

            ngx_fed_event_fail(ev, result, text);
            return;
        }

        if (!ngx_sip_subscriber_match(&ntf, &status)) {
            refusal.status = status;
            rc = NGX_DECLINED;
        }
    }

    if (rc != NGX_OK) {

        if (refusal.status == 489) {
            ngx_str_set(&refusal.headers, NGX_SIP_ALLOW_EVENTS_ROW);
        }

        ngx_sip_reject(conn, msg, &ntf.key, ev, &refusal);
        return;
    }

    ngx_sip_peer_alias(conn, msg, &ev->from.domain, ev->from_domain);

    refusal.status = 200;
    ngx_sip_server_answer(conn, msg, &ntf.key, &refusal);

    ngx_sip_subscriber_tell(&ntf);

    ngx_fed_event_accept(ev);
}


/* Policy forbids what it has allowed before: the watcher sees no more. */

static void
ngx_sip_subscriber_forbid(ngx_sip_ctx_t *ctx, ngx_fed_pair_t *pair,
    uint64_t tag)
{
    ngx_fed_conf_t    *fcf;
    ngx_fed_dialog_t  *dialog;

    fcf = ctx->conf;

    ngx_fed_zone_lock(fcf);

    dialog = ngx_fed_dialog_lookup(fcf, &pair->id, 0, tag);

    if (dialog && dialog->reason == NGX_FED_END_NONE) {
        dialog->reason = NGX_FED_END_TIMEOUT;
        dialog->forced = 1;
        ngx_fed_dialog_due(fcf, dialog, ngx_current_msec);

    } else {
        dialog = NULL;
    }

    ngx_fed_zone_unlock(fcf);

    if (dialog) {
        ngx_fed_roster_lost(fcf, pair);
    }
}


/*
 * Reads what can be read without knowing of a dialog.  Returns NGX_DECLINED
 * with the refusal filled in, NGX_ERROR if there is no memory.
 */

static ngx_int_t
ngx_sip_subscriber_read(ngx_sip_notified_t *ntf, ngx_sip_refusal_t *refusal)
{
    ngx_sip_msg_t    *msg;
    ngx_fed_event_t  *ev;

    msg = ntf->msg;
    ev = ntf->ev;

    ngx_str_null(&ev->from.resource);
    ngx_str_null(&ev->to.resource);

    ngx_fed_pair(ntf->conn->ctx->conf, &ntf->pair, &ev->to, &ev->from);

    if (msg->to.tag.len == 0
        || ngx_sip_dialog_tag(&msg->to.tag, &ntf->tag) != NGX_OK
        || msg->from.tag.len == 0)
    {
        refusal->status = 481;
        return NGX_DECLINED;
    }

    ntf->event = ngx_sip_dialog_event(msg, &ntf->event_id);
    ntf->speaks = ngx_sip_dialects[ev->from_domain->dialect]->presence;

    return ngx_sip_subscriber_content(ntf, refusal);
}


/* Reads what a NOTIFY and a response have in common, likewise. */

static ngx_int_t
ngx_sip_subscriber_content(ngx_sip_notified_t *ntf, ngx_sip_refusal_t *refusal)
{
    ngx_int_t         rc;
    ngx_sip_msg_t    *msg;
    ngx_fed_event_t  *ev;

    msg = ntf->msg;
    ev = ntf->ev;

    ev->id.len = msg->call_id.len;
    ev->id.data = ngx_pstrdup(ev->pool, &msg->call_id);

    if (ev->id.data == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_sip_dialog_texts(ntf->conn, ev->pool, msg, ntf->texts);

    if (rc == NGX_DECLINED) {
        refusal->status = 400;
        refusal->reason = "Bad Contact Or Record-Route";
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_sip_subscriber_state(ntf) != NGX_OK) {
        refusal->status = 400;
        refusal->reason = "Bad Subscription-State";
        return NGX_DECLINED;
    }

    if (msg->body.len == 0) {
        return NGX_OK;
    }

    return ngx_sip_subscriber_document(ntf, refusal);
}


/* RFC 6665, 8.4; a response may leave it to be understood */

static ngx_int_t
ngx_sip_subscriber_state(ngx_sip_notified_t *ntf)
{
    u_char            *p, *last;
    uint32_t           n;
    ngx_int_t          rc;
    ngx_str_t          state, name, value;
    ngx_uint_t         i;
    ngx_sip_header_t  *h;

    h = ngx_sip_header(ntf->msg, NGX_SIP_SUBSCRIPTION_STATE);

    if (h == NULL && ntf->msg->response) {
        ntf->state = NGX_SIP_STATE_ACTIVE;
        return NGX_OK;
    }

    if (h == NULL || h->next) {
        return NGX_ERROR;
    }

    p = h->value.data;
    last = p + h->value.len;

    for (state.data = p; p < last && *p != ';' && *p > ' '; p++) { /* void */ }

    state.len = p - state.data;

    if (!ngx_sip_is_token(state.data, state.len)) {
        return NGX_ERROR;
    }

    if (ngx_sip_is(&state, "active")) {
        ntf->state = NGX_SIP_STATE_ACTIVE;

    } else if (ngx_sip_is(&state, "terminated")) {
        ntf->state = NGX_SIP_STATE_TERMINATED;
    }

    for ( ;; ) {
        rc = ngx_sip_param(&p, last, &name, &value);

        if (rc != NGX_OK) {
            return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
        }

        if (ngx_sip_is(&name, "expires")
            && ngx_sip_number(&value, &n) == NGX_OK)
        {
            ntf->expires = n;
            ntf->expires_set = 1;

        } else if (ngx_sip_is(&name, "retry-after")
                   && ngx_sip_number(&value, &n) == NGX_OK)
        {
            ntf->retry_after = n;

        } else if (ngx_sip_is(&name, "reason")) {

            for (i = 1; i < sizeof(ngx_sip_reasons) / sizeof(ngx_str_t); i++) {
                if (ngx_sip_str_is(&value, (char *) ngx_sip_reasons[i].data,
                                   ngx_sip_reasons[i].len))
                {
                    ntf->reason = i;
                }
            }
        }
    }
}


/* RFC 3856, 6.5 */

static ngx_int_t
ngx_sip_subscriber_document(ngx_sip_notified_t *ntf,
    ngx_sip_refusal_t *refusal)
{
    u_char            *p;
    ngx_int_t          rc;
    ngx_str_t          lang, name;
    ngx_uint_t         level;
    ngx_sip_msg_t     *msg;
    ngx_fed_event_t   *ev;
    ngx_sip_media_t    media;
    ngx_sip_header_t  *h;
    u_char             safe[256];

    msg = ntf->msg;
    ev = ntf->ev;

    h = ngx_sip_header(msg, NGX_SIP_CONTENT_ENCODING);

    if (h && h->value.len && !ngx_sip_is(&h->value, "identity")) {
        refusal->status = 415;
        ngx_str_set(&refusal->headers, "Accept-Encoding: identity" CRLF);
        return NGX_DECLINED;
    }

    h = ngx_sip_header(msg, NGX_SIP_CONTENT_TYPE);

    rc = (h && h->next == 0) ? ngx_sip_media_type(&h->value, &media)
                             : NGX_DECLINED;

    ngx_str_null(&lang);

    h = ngx_sip_header(msg, NGX_SIP_CONTENT_LANGUAGE);

    if (h) {
        p = h->value.data;

        if (ngx_sip_item(&p, h->value.data + h->value.len, &lang) != NGX_OK) {
            ngx_str_null(&lang);
        }
    }

    rc = (rc == NGX_OK) ? ntf->speaks->read(ev->pool, &media, &msg->body,
                                            &lang, &ev->from, &ntf->presence)
                        : NGX_DONE;

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_DONE) {
        refusal->status = 415;
        refusal->headers = *ntf->speaks->accept(ntf->conn->ctx);
        return NGX_DECLINED;
    }

    if (rc == NGX_DECLINED) {

        /* SEC-08 */

        name = ngx_fed_text_log(safe, sizeof(safe), &ntf->remote->uri);

        level = ngx_fed_quiet_level(ev->conf, NGX_FED_QUIET_DOCUMENT,
                                    &ev->from.domain, NGX_LOG_WARN);

        ngx_log_error(level, ntf->conn->link->log, 0,
                      "presence document from \"%V\" is about somebody else, "
                      "and is ignored", &name);

        ntf->other = 1;
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        refusal->status = 400;
        refusal->reason = "Bad Presence Document";
        return NGX_DECLINED;
    }

    ntf->document = 1;

    return NGX_OK;
}


/*
 * Finds the dialog of a NOTIFY and takes it up.  Returns 0 with the status if
 * that is not possible.
 */

static ngx_uint_t
ngx_sip_subscriber_match(ngx_sip_notified_t *ntf, ngx_uint_t *status)
{
    ngx_str_t          texts[NGX_FED_TEXTS];
    ngx_fed_conf_t    *fcf;
    ngx_fed_dialog_t  *dialog;

    fcf = ntf->conn->ctx->conf;
    *status = 0;

    ngx_fed_zone_lock(fcf);

    dialog = ngx_fed_dialog_lookup(fcf, &ntf->pair.id, 0, ntf->tag);

    if (dialog) {
        ngx_fed_dialog_texts(dialog, texts);
    }

    if (dialog == NULL
        || !ngx_fed_str_equal(&texts[NGX_FED_TEXT_CALL_ID],
                              &ntf->msg->call_id)
        || (texts[NGX_FED_TEXT_TAG].len
            && !ngx_fed_str_equal(&texts[NGX_FED_TEXT_TAG],
                                  &ntf->remote->tag)))
    {
        *status = 481;

    } else if (ntf->event != NGX_OK) {
        *status = 489;

    } else if (ntf->event_id.len) {
        *status = 481;

    } else if (ntf->cseq_set && dialog->remote_set
               && ntf->cseq <= dialog->remote_cseq)
    {
        *status = 500;

    } else if (ngx_sip_subscriber_take(ntf, dialog) != NGX_OK) {
        *status = 500;
    }

    ngx_fed_zone_unlock(fcf);

    return *status == 0;
}


/*
 * Takes up what a NOTIFY says of its dialog.  Returns NGX_ERROR if the zone has
 * no room for the first one: nothing has changed then.
 */

static ngx_int_t
ngx_sip_subscriber_take(ngx_sip_notified_t *ntf, ngx_fed_dialog_t *dialog)
{
    ngx_msec_t        now, expires;
    ngx_uint_t        fresh;
    ngx_fed_conf_t   *fcf;
    ngx_fed_watch_t  *watch;

    fcf = ntf->conn->ctx->conf;
    watch = dialog->watch;

    if (ntf->state != NGX_SIP_STATE_TERMINATED
        && ngx_sip_subscriber_retarget(ntf, dialog) != NGX_OK)
    {
        return NGX_ERROR;
    }

    fresh = !dialog->notified;

    if (ntf->cseq_set) {
        dialog->remote_cseq = ntf->cseq;
        dialog->remote_set = 1;
    }

    dialog->notified = 1;
    dialog->failures = 0;

    ntf->ending = (dialog->reason != 0);
    ntf->told = watch->told;

    if (ntf->state == NGX_SIP_STATE_TERMINATED) {
        ngx_fed_dialog_free(fcf, dialog);

        /* the response to what ended it may come later */

        ntf->owed = watch->owed;

        if (ntf->ending) {
            ngx_fed_roster_retry(fcf, watch, 1);
        }

        return NGX_OK;
    }

    if (ntf->ending) {
        ntf->end = dialog->forced;
        dialog->forced = 0;
        return NGX_OK;
    }

    now = ngx_current_msec;

    if (ntf->expires_set) {

        expires = now + 1000 * ngx_min(ntf->expires,
                                       fcf->subscription_max / 1000);

        /* the response may have said less */

        if (fresh && dialog->nonce == 0 && dialog->expires) {
            expires = ngx_min(expires, (ngx_msec_t) dialog->expires);
        }

        dialog->expires = expires;

    } else if (dialog->expires == 0) {
        dialog->expires = now + fcf->subscription_expires;
    }

    dialog->active = (ntf->state == NGX_SIP_STATE_ACTIVE);

    ngx_sip_subscriber_schedule(fcf, dialog);

    ngx_fed_watch_changed(fcf);

    return NGX_OK;
}


/*
 * The first NOTIFY makes the dialog, with its route (RFC 6665, 4.4.1); what it
 * lacks is that of the response, which may come later.  The others may change
 * the target.
 */

static ngx_int_t
ngx_sip_subscriber_retarget(ngx_sip_notified_t *ntf, ngx_fed_dialog_t *dialog)
{
    ngx_str_t        texts[NGX_FED_TEXTS], *target;
    ngx_fed_conf_t  *fcf;

    fcf = ntf->conn->ctx->conf;
    target = &ntf->texts[NGX_FED_TEXT_TARGET];

    ngx_fed_dialog_texts(dialog, texts);

    if (texts[NGX_FED_TEXT_TAG].len == 0) {

        if (target->len == 0) {
            *target = texts[NGX_FED_TEXT_TARGET];
        }

        if (ntf->texts[NGX_FED_TEXT_ROUTES].len == 0) {
            ntf->texts[NGX_FED_TEXT_ROUTES] = texts[NGX_FED_TEXT_ROUTES];
        }

        return ngx_fed_dialog_set_texts(fcf, dialog, ntf->texts);
    }

    if (target->len
        && !ngx_fed_str_equal(&texts[NGX_FED_TEXT_TARGET], target))
    {
        texts[NGX_FED_TEXT_TARGET] = *target;
        (void) ngx_fed_dialog_set_texts(fcf, dialog, texts);
    }

    return NGX_OK;
}


/*
 * Sets when the dialog is to be refreshed: some time before it expires, not at
 * the same time as all the others (RFC 6665, 4.1.2.2).
 */

static void
ngx_sip_subscriber_schedule(ngx_fed_conf_t *fcf, ngx_fed_dialog_t *dialog)
{
    ngx_msec_t  now, left, lead;

    now = ngx_current_msec;
    left = ngx_max((ngx_msec_int_t) (dialog->expires - now), 1);

    lead = ngx_max(left / 10, NGX_SIP_REFRESH_LEAD);

    if (lead > left / 2) {
        lead = left / 2;
    }

    lead += (ngx_msec_t) ngx_random() % (lead / 8 + 1);

    dialog->slotted = 0;

    ngx_fed_dialog_due(fcf, dialog, dialog->expires - lead);
}


/* The NOTIFY was answered: what is its news? */

static void
ngx_sip_subscriber_tell(ngx_sip_notified_t *ntf)
{
    ngx_sip_ctx_t       *ctx;
    ngx_fed_conf_t      *fcf;
    ngx_fed_presence_t  *presence;

    ctx = ntf->conn->ctx;
    fcf = ctx->conf;

    if (ntf->ending) {

        if (ntf->end) {
            ngx_sip_subscriber_end(ctx, &ntf->pair.id, ntf->tag, NULL);

        } else if (ntf->owed) {
            ngx_fed_roster_ended(fcf, &ntf->pair);
        }

        return;
    }

    switch (ntf->state) {

    case NGX_SIP_STATE_PENDING:
        return;

    case NGX_SIP_STATE_ACTIVE:

        presence = ntf->document ? &ntf->presence : NULL;

        if (!ntf->other
            && (ntf->told || ntf->speaks->grants == NULL
                || ntf->speaks->grants(ctx, presence)))
        {
            ngx_fed_roster_notified(fcf, &ntf->pair, presence);
        }

        return;

    case NGX_SIP_STATE_TERMINATED:
        ngx_sip_subscriber_terminated(ntf);
    }
}


/* RFC 6665, 4.1.3 */

static void
ngx_sip_subscriber_terminated(ngx_sip_notified_t *ntf)
{
    ngx_uint_t       active;
    ngx_fed_conf_t  *fcf;

    fcf = ntf->conn->ctx->conf;

    switch (ntf->reason) {

    case NGX_SIP_REASON_REJECTED:
    case NGX_SIP_REASON_NORESOURCE:
        ngx_fed_roster_refused(fcf, &ntf->pair);
        return;

    case NGX_SIP_REASON_DEACTIVATED:
        ngx_sip_subscriber_resume(fcf, &ntf->pair);
        return;

    case NGX_SIP_REASON_INVARIANT:
        ngx_fed_roster_idle(fcf, &ntf->pair);
        return;

    case NGX_SIP_REASON_TIMEOUT:

        ngx_fed_zone_lock(fcf);
        active = ngx_fed_roster_active(fcf, &ntf->pair);
        ngx_fed_zone_unlock(fcf);

        if (active) {
            ngx_sip_subscriber_resume(fcf, &ntf->pair);
            return;
        }

        break;

    default:
        break;
    }

    ngx_sip_subscriber_lost(fcf, &ntf->pair,
                            ngx_min(ntf->retry_after,
                                    fcf->subscription_max / 1000));
}


/*
 * The other side has ended a dialog, and another one is wanted at once; but if
 * it does so again and again, then not faster than after a failure.
 */

static void
ngx_sip_subscriber_resume(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair)
{
    uint32_t          now;
    ngx_uint_t        again;
    ngx_fed_watch_t  *watch;

    now = ngx_fed_seconds();
    again = 0;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    if (watch
        && now - watch->asked >= ngx_fed_in_seconds(fcf->resubscribe_delay))
    {
        watch->asked = now;
        again = 1;

    } else if (watch && ngx_fed_watch_live(watch) == NULL) {
        ngx_fed_roster_retry(fcf, watch, 0);
    }

    ngx_fed_zone_unlock(fcf);

    if (again) {
        ngx_sip_subscriber_begin(fcf, pair);
    }
}


/*
 * An event of the XMPP side for the SIP side: somebody wants to watch
 * somebody, or no longer.
 */

void
ngx_sip_subscriber_send(ngx_fed_event_t *ev)
{
    ngx_fed_pair_t     pair;
    ngx_fed_address_t  from, to;

    from = ev->from;
    to = ev->to;

    ngx_str_null(&from.resource);
    ngx_str_null(&to.resource);

    ngx_fed_pair(ev->conf, &pair, &from, &to);

    if (ev->presence == NGX_FED_UNSUBSCRIBE) {
        ngx_sip_subscriber_last(ev->conf->sip_data, &pair, ev);
        return;
    }

    ngx_sip_subscriber_first(ev->conf->sip_data, &pair, ev);
}


/* Begins a dialog for a watch that has none. */

void
ngx_sip_subscriber_begin(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair)
{
    ngx_sip_subscriber_first(fcf->sip_data, pair, NULL);
}


static ngx_sip_client_t *
ngx_sip_subscriber_client(ngx_sip_ctx_t *ctx, ngx_fed_key_t *id,
    ngx_fed_event_t *ev, ngx_msec_t expires)
{
    ngx_sip_asked_t   *asked;
    ngx_sip_client_t  *client;

    client = ngx_sip_client_create(ctx, &ngx_sip_subscribe);
    if (client == NULL) {
        return NULL;
    }

    asked = ngx_palloc(client->pool, sizeof(ngx_sip_asked_t));
    if (asked == NULL) {
        ngx_destroy_pool(client->pool);
        return NULL;
    }

    asked->id = *id;
    asked->tag = 0;
    asked->ev = ev;
    asked->expires = expires;

    client->data = asked;
    client->handler = ngx_sip_subscriber_handler;

    return client;
}


/* RFC 6665, 4.1.2.1; RFC 8048, 5.2.1 */

static void
ngx_sip_subscriber_first(ngx_sip_ctx_t *ctx, ngx_fed_pair_t *pair,
    ngx_fed_event_t *ev)
{
    u_char             call_id[NGX_FED_HASH_TEXT];
    ngx_str_t          texts[NGX_FED_TEXTS];
    ngx_fed_key_t      key;
    ngx_fed_conf_t    *fcf;
    ngx_fed_watch_t   *watch;
    ngx_sip_asked_t   *asked;
    ngx_sip_client_t  *client;
    ngx_sip_dialog_t   copy;
    ngx_fed_dialog_t  *dialog;

    fcf = ctx->conf;

    client = ngx_sip_subscriber_client(ctx, &pair->id, ev,
                                       fcf->subscription_expires);
    if (client == NULL) {
        ngx_sip_subscriber_no_room(fcf, pair, ev);
        return;
    }

    key = ngx_sip_unique(ctx);

    ngx_memzero(texts, sizeof(texts));

    texts[NGX_FED_TEXT_CALL_ID].data = call_id;
    texts[NGX_FED_TEXT_CALL_ID].len = NGX_FED_HASH_TEXT;

    (void) ngx_sip_hex(ngx_sip_hex(call_id, key.lo), key.hi);

    key = ngx_sip_unique(ctx);

    asked = client->data;
    asked->tag = key.lo;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    dialog = watch ? ngx_fed_watch_live(watch) : NULL;

    /* somebody was faster, or he does not want it any longer */

    if (watch == NULL || dialog
        || (watch->state != NGX_FED_WATCH_PENDING
            && watch->state != NGX_FED_WATCH_GRANTED))
    {
        ngx_fed_zone_unlock(fcf);
        ngx_destroy_pool(client->pool);
        ngx_fed_roster_idle(fcf, pair);
        ngx_sip_subscriber_settle(ev, NULL);
        return;
    }

    /* too many are ending yet: SEC-05 */

    if (watch->ndialogs >= fcf->pair_dialogs) {
        ngx_fed_roster_retry(fcf, watch, 1);
        ngx_fed_zone_unlock(fcf);
        ngx_destroy_pool(client->pool);
        ngx_sip_subscriber_settle(ev, NULL);
        return;
    }

    ngx_fed_watch_due(fcf, watch, 0);

    dialog = ngx_fed_dialog_add(fcf, watch, texts);

    if (dialog == NULL) {
        ngx_fed_zone_unlock(fcf);
        ngx_destroy_pool(client->pool);
        ngx_sip_subscriber_no_room(fcf, pair, ev);
        return;
    }

    dialog->tag = asked->tag;

    ngx_sip_dialog_claim(ctx, dialog);
    ngx_fed_dialog_due(fcf, dialog, ngx_current_msec + fcf->notify_timeout);

    if (ngx_sip_dialog_copy(ctx, client->pool, dialog, &copy) != NGX_OK) {
        ngx_fed_dialog_free(fcf, dialog);
        ngx_fed_zone_unlock(fcf);
        ngx_destroy_pool(client->pool);
        ngx_sip_subscriber_no_room(fcf, pair, ev);
        return;
    }

    ngx_fed_zone_unlock(fcf);

    ngx_sip_subscriber_write(client, &copy);
}


/* Who asked is told, and asks again if he wants to. */

static void
ngx_sip_subscriber_no_room(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_fed_event_t *ev)
{
    ngx_uint_t        level;
    ngx_fed_watch_t  *watch;

    level = ngx_fed_quiet_level(fcf, NGX_FED_QUIET_FULL, NULL, NGX_LOG_ERR);

    ngx_log_error(level, fcf->log, 0,
                  "no room to subscribe a user of \"%V\" to a user of \"%V\", "
                  "see \"zone\"", &pair->watcher->domain,
                  &pair->presentity->domain);

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    if (watch && ngx_fed_watch_live(watch) == NULL) {

        if (ev && watch->state == NGX_FED_WATCH_PENDING && !watch->told) {
            watch->state = NGX_FED_WATCH_NONE;
        }

        ngx_fed_roster_retry(fcf, watch, 0);
    }

    ngx_fed_zone_unlock(fcf);

    if (ev) {
        ngx_fed_event_fail(ev, NGX_FED_QUEUE_FULL, "no room");
    }
}


/* RFC 8048, 5.2.3 */

static void
ngx_sip_subscriber_last(ngx_sip_ctx_t *ctx, ngx_fed_pair_t *pair,
    ngx_fed_event_t *ev)
{
    uint64_t           tag;
    ngx_uint_t         waiting;
    ngx_fed_conf_t    *fcf;
    ngx_fed_watch_t   *watch;
    ngx_fed_dialog_t  *dialog;

    fcf = ctx->conf;
    waiting = 0;
    tag = 0;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    dialog = watch ? ngx_fed_watch_live(watch) : NULL;

    if (dialog) {
        tag = dialog->tag;
        dialog->reason = NGX_FED_END_TIMEOUT;

        /* a dialog that is not there yet is ended once it is */

        waiting = (dialog->len[NGX_FED_TEXT_TAG] == 0);
        dialog->forced = waiting;

        if (waiting) {
            ngx_fed_dialog_due(fcf, dialog,
                               ngx_current_msec + fcf->notify_timeout);
        }
    }

    ngx_fed_zone_unlock(fcf);

    if (dialog && !waiting) {
        ngx_sip_subscriber_end(ctx, &pair->id, tag, ev);
        return;
    }

    ngx_fed_roster_ended(fcf, pair);
    ngx_fed_event_accept(ev);
}


/* Sends SUBSCRIBE with Expires of 0 within a dialog. */

static void
ngx_sip_subscriber_end(ngx_sip_ctx_t *ctx, ngx_fed_key_t *id, uint64_t tag,
    ngx_fed_event_t *ev)
{
    ngx_sip_subscriber_again(ctx, id, tag, ev, 0);
}


/* Sends SUBSCRIBE within a dialog (RFC 6665, 4.1.2.2, 4.1.2.3). */

static void
ngx_sip_subscriber_again(ngx_sip_ctx_t *ctx, ngx_fed_key_t *id, uint64_t tag,
    ngx_fed_event_t *ev, ngx_msec_t expires)
{
    ngx_fed_conf_t    *fcf;
    ngx_sip_asked_t   *asked;
    ngx_sip_client_t  *client;
    ngx_sip_dialog_t   copy;
    ngx_fed_dialog_t  *dialog;

    fcf = ctx->conf;

    client = ngx_sip_subscriber_client(ctx, id, ev, expires);
    if (client == NULL) {
        ngx_sip_subscriber_settle(ev, NULL);
        return;
    }

    asked = client->data;
    asked->tag = tag;

    ngx_fed_zone_lock(fcf);

    dialog = ngx_fed_dialog_lookup(fcf, id, 0, tag);

    if (dialog == NULL) {
        ngx_fed_zone_unlock(fcf);
        ngx_destroy_pool(client->pool);
        ngx_sip_subscriber_settle(ev, NULL);
        return;
    }

    ngx_sip_dialog_claim(ctx, dialog);

    dialog->notified = 0;
    dialog->slotted = 0;

    ngx_fed_dialog_due(fcf, dialog, ngx_current_msec + fcf->notify_timeout);

    if (ngx_sip_dialog_copy(ctx, client->pool, dialog, &copy) != NGX_OK) {
        dialog->nonce = 0;
        ngx_fed_zone_unlock(fcf);
        ngx_destroy_pool(client->pool);
        ngx_sip_subscriber_settle(ev, NULL);
        return;
    }

    ngx_fed_zone_unlock(fcf);

    ngx_sip_subscriber_write(client, &copy);
}


static void
ngx_sip_subscriber_write(ngx_sip_client_t *client, ngx_sip_dialog_t *dialog)
{
    u_char            buf[NGX_SIP_SUBSCRIBE_LEN];
    ngx_str_t         headers, body;
    ngx_sip_ctx_t    *ctx;
    ngx_sip_asked_t  *asked;

    ctx = client->ctx;
    asked = client->data;

    headers.data = buf;
    headers.len = ngx_snprintf(buf, NGX_SIP_SUBSCRIBE_LEN,
                               "Event: presence" CRLF "Expires: %M" CRLF "%V",
                               ngx_fed_in_seconds(asked->expires),
                               ngx_sip_presence_of(ctx, dialog->remote)
                                   ->accept(ctx))
                  - buf;

    ngx_str_null(&body);

    (void) ngx_sip_dialog_send(client, dialog, &headers, &body);
}


/* A SUBSCRIBE was answered, or was not (RFC 8048, 5.2.2). */

static void
ngx_sip_subscriber_handler(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome, ngx_sip_msg_t *msg)
{
    ngx_fed_pair_t    pair;
    ngx_sip_ctx_t    *ctx;
    ngx_sip_asked_t  *asked;

    ctx = client->ctx;
    asked = client->data;

    if (asked->expires == 0) {

        /* whatever the answer is, it is over */

        ngx_sip_subscriber_accepted(client, NULL);

        if (ngx_sip_subscriber_pair(ctx, client->pool, &asked->id, &pair)
            == NGX_OK)
        {
            ngx_fed_roster_ended(ctx->conf, &pair);
        }

        ngx_sip_subscriber_settle(asked->ev, NULL);
        return;
    }

    if (outcome->result == NGX_FED_ACCEPTED) {
        ngx_sip_subscriber_accepted(client, msg);
        ngx_sip_subscriber_settle(asked->ev, NULL);

        if (msg && client->from && !client->from->link->closed) {
            ngx_sip_subscriber_piggyback(client, msg);
        }

        return;
    }

    if (ngx_sip_subscriber_dropped(client, outcome)) {
        return;
    }

    if (outcome->result == NGX_FED_SIP_STATUS) {

        switch (outcome->status) {

        case 423:

            if (ngx_sip_subscriber_brief(client, outcome)) {
                return;
            }

            break;

        case 403:
        case 489:
        case 603:
            ngx_sip_subscriber_refused(client, outcome);
            return;
        }
    }

    ngx_sip_subscriber_failed(client, outcome);
}


/*
 * A 2xx says for how long, but not yes (RFC 6665, 4.1.2.1).  Where it may make
 * the dialog, it has the route if the NOTIFY has none (RFC 3265, 3.1.4.4).
 */

static void
ngx_sip_subscriber_accepted(ngx_sip_client_t *client, ngx_sip_msg_t *msg)
{
    uint32_t                   n;
    ngx_str_t                  texts[NGX_FED_TEXTS], routes;
    ngx_msec_t                 expires;
    ngx_fed_conf_t            *fcf;
    ngx_sip_asked_t           *asked;
    ngx_sip_header_t          *h;
    ngx_fed_dialog_t          *dialog;
    const ngx_sip_presence_t  *speaks;

    fcf = client->ctx->conf;
    asked = client->data;
    expires = 0;

    ngx_str_null(&routes);

    speaks = ngx_sip_dialects[client->domain->dialect]->presence;

    if (msg && client->from && speaks->piggyback
        && ngx_sip_dialog_routes(client->from, client->pool, msg, &routes)
           != NGX_OK)
    {
        ngx_str_null(&routes);
    }

    h = msg ? ngx_sip_header(msg, NGX_SIP_EXPIRES) : NULL;

    if (h && ngx_sip_number(&h->value, &n) == NGX_OK) {
        expires = ngx_current_msec
                  + ngx_min(n, fcf->subscription_max / 1000) * 1000;
    }

    ngx_fed_zone_lock(fcf);

    dialog = ngx_fed_dialog_lookup(fcf, &asked->id, 0, asked->tag);

    if (dialog) {
        dialog->nonce = 0;
        dialog->retried = 0;

        ngx_fed_dialog_texts(dialog, texts);

        if (msg && speaks->piggyback
            && (texts[NGX_FED_TEXT_ROUTES].len == 0
                || texts[NGX_FED_TEXT_TARGET].len == 0)
            && (texts[NGX_FED_TEXT_TAG].len == 0
                || ngx_fed_str_equal(&texts[NGX_FED_TEXT_TAG], &msg->to.tag)))
        {
            if (texts[NGX_FED_TEXT_ROUTES].len == 0) {
                texts[NGX_FED_TEXT_ROUTES] = routes;
            }

            if (texts[NGX_FED_TEXT_TARGET].len == 0) {
                (void) ngx_sip_dialog_contact(msg,
                                              &texts[NGX_FED_TEXT_TARGET]);
            }

            (void) ngx_fed_dialog_set_texts(fcf, dialog, texts);
        }

        if (expires && !dialog->notified) {
            dialog->expires = expires;

        } else if (expires && expires < dialog->expires) {
            dialog->expires = expires;
        }

        if (dialog->notified && dialog->reason == NGX_FED_END_NONE) {
            ngx_sip_subscriber_schedule(fcf, dialog);
        }

        ngx_fed_watch_changed(fcf);
    }

    ngx_fed_zone_unlock(fcf);
}


/*
 * What a 2xx says beyond that: it may have the first document, and then there
 * is no NOTIFY for it (MS-SIP, 3.4; ocs-wire, 4.1).  It is taken as a NOTIFY
 * is, but that there is nothing to answer.
 */

static void
ngx_sip_subscriber_piggyback(ngx_sip_client_t *client, ngx_sip_msg_t *msg)
{
    ngx_int_t                  rc;
    ngx_uint_t                 status;
    const char                *text;
    ngx_fed_event_t           *ev;
    ngx_fed_outcome_e          result;
    ngx_sip_notified_t         ntf;
    const ngx_sip_presence_t  *speaks;

    speaks = ngx_sip_dialects[client->domain->dialect]->presence;

    if (!speaks->piggyback || msg->to.tag.len == 0
        || (msg->body.len == 0
            && ngx_sip_header(msg, NGX_SIP_PIGGYBACK_CSEQ) == NULL))
    {
        return;
    }

    ngx_memzero(&ntf, offsetof(ngx_sip_notified_t, presence));

    ntf.conn = client->from;
    ntf.msg = msg;
    ntf.remote = &msg->to;
    ntf.speaks = speaks;
    ntf.event = NGX_OK;
    ntf.presence.n = 0;

    ev = ngx_fed_event_create(ntf.conn->link, &ngx_sip_leg, NGX_FED_PRESENCE);
    if (ev == NULL) {
        return;
    }

    ntf.ev = ev;

    rc = ngx_sip_subscriber_piggybacked(&ntf, client);

    if (rc == NGX_OK) {
        text = NULL;
        result = ngx_fed_event_admit(ev, &text);

        if (result != NGX_FED_ACCEPTED) {

            if (result == NGX_FED_REFUSED) {
                ngx_sip_subscriber_forbid(client->ctx, &ntf.pair, ntf.tag);
            }

            ngx_fed_event_fail(ev, result, text);
            return;
        }
    }

    /* a NOTIFY may have come before it */

    if (rc != NGX_OK || !ngx_sip_subscriber_match(&ntf, &status)) {
        ngx_fed_event_drop(ev);
        return;
    }

    ngx_sip_subscriber_tell(&ntf);

    ngx_fed_event_accept(ev);
}


/*
 * Reads such a response.  Returns NGX_DECLINED if there is nothing to be taken
 * up, NGX_ERROR if there is no memory.
 */

static ngx_int_t
ngx_sip_subscriber_piggybacked(ngx_sip_notified_t *ntf,
    ngx_sip_client_t *client)
{
    ngx_int_t          rc;
    ngx_uint_t         level;
    ngx_sip_asked_t   *asked;
    ngx_fed_event_t   *ev;
    ngx_sip_header_t  *h;
    ngx_sip_refusal_t  refusal;

    ev = ntf->ev;
    asked = client->data;

    ntf->tag = asked->tag;

    rc = ngx_sip_subscriber_pair(client->ctx, ev->pool, &asked->id, &ntf->pair);

    if (rc != NGX_OK) {
        return rc;
    }

    ev->from = *ntf->pair.presentity;
    ev->to = *ntf->pair.watcher;

    h = ngx_sip_header(ntf->msg, NGX_SIP_PIGGYBACK_CSEQ);

    if (h && ngx_sip_number(&h->value, &ntf->cseq) == NGX_OK) {
        ntf->cseq_set = 1;
    }

    ngx_memzero(&refusal, sizeof(ngx_sip_refusal_t));

    rc = ngx_sip_subscriber_content(ntf, &refusal);

    if (rc == NGX_DECLINED) {
        level = ngx_fed_quiet_level(ev->conf, NGX_FED_QUIET_DOCUMENT,
                                    &client->name, NGX_LOG_WARN);

        ngx_log_error(level, ntf->conn->link->log, 0,
                      "what a SIP response to a SUBSCRIBE to a user of \"%V\" "
                      "has for a NOTIFY is ignored: it would be refused by %ui",
                      &client->name, refusal.status);
    }

    return rc;
}


/*
 * Tells whether a request failed whose dialog was given up meanwhile: that says
 * nothing of another one, which may have been begun since.
 */

static ngx_uint_t
ngx_sip_subscriber_dropped(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome)
{
    ngx_uint_t         dropped;
    ngx_fed_conf_t    *fcf;
    ngx_fed_watch_t   *watch;
    ngx_sip_asked_t   *asked;
    ngx_fed_dialog_t  *dialog;

    fcf = client->ctx->conf;
    asked = client->data;

    ngx_fed_zone_lock(fcf);

    dialog = ngx_fed_dialog_lookup(fcf, &asked->id, 0, asked->tag);

    dropped = (dialog && dialog->reason);

    if (dropped
        && (dialog->len[NGX_FED_TEXT_TAG] == 0 || ngx_sip_dialog_dies(outcome)))
    {
        watch = dialog->watch;

        ngx_fed_dialog_free(fcf, dialog);
        ngx_fed_roster_retry(fcf, watch, 1);
    }

    ngx_fed_zone_unlock(fcf);

    if (dropped && asked->ev) {
        asked->ev->told = 1;
        ngx_sip_subscriber_settle(asked->ev, outcome);
    }

    return dropped;
}


/*
 * 423: once more, for as long as the other side wants it (RFC 6665, 4.1.2.1).
 * Returns 0 if that is no way.
 */

static ngx_uint_t
ngx_sip_subscriber_brief(ngx_sip_client_t *client, ngx_fed_outcome_t *outcome)
{
    ngx_uint_t         retry;
    ngx_fed_conf_t    *fcf;
    ngx_sip_asked_t   *asked;
    ngx_fed_dialog_t  *dialog;

    fcf = client->ctx->conf;
    asked = client->data;
    retry = 0;

    ngx_fed_zone_lock(fcf);

    dialog = ngx_fed_dialog_lookup(fcf, &asked->id, 0, asked->tag);

    if (dialog && !dialog->retried
        && outcome->retry_after * 1000 > asked->expires
        && outcome->retry_after * 1000 <= fcf->subscription_max)
    {
        dialog->retried = 1;
        retry = 1;
    }

    ngx_fed_zone_unlock(fcf);

    if (retry) {
        ngx_sip_subscriber_again(client->ctx, &asked->id, asked->tag,
                                 asked->ev, outcome->retry_after * 1000);
        return 1;
    }

    ngx_memzero(outcome, sizeof(ngx_fed_outcome_t));

    outcome->result = NGX_FED_STANZA_ERROR;
    outcome->condition = NGX_FED_RESOURCE_CONSTRAINT;
    outcome->type = NGX_FED_TYPE_WAIT;

    return 0;
}


/* The authorization is cancelled (RFC 8048, 5.2.2). */

static void
ngx_sip_subscriber_refused(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome)
{
    ngx_int_t          rc;
    ngx_uint_t         end;
    ngx_sip_ctx_t     *ctx;
    ngx_fed_pair_t     pair;
    ngx_fed_conf_t    *fcf;
    ngx_sip_asked_t   *asked;
    ngx_fed_dialog_t  *dialog;

    ctx = client->ctx;
    fcf = ctx->conf;
    asked = client->data;
    end = 0;

    rc = ngx_sip_subscriber_pair(ctx, client->pool, &asked->id, &pair);

    ngx_fed_zone_lock(fcf);

    dialog = ngx_fed_dialog_lookup(fcf, &asked->id, 0, asked->tag);

    if (dialog) {

        if (dialog->len[NGX_FED_TEXT_TAG] && outcome->status != 489) {

            /* it lives on all the same (RFC 5057, 5.1) */

            dialog->reason = NGX_FED_END_TIMEOUT;
            dialog->nonce = 0;
            end = 1;

        } else {
            ngx_fed_dialog_free(fcf, dialog);
        }
    }

    ngx_fed_zone_unlock(fcf);

    if (rc == NGX_OK) {
        ngx_fed_roster_refused(fcf, &pair);
    }

    if (end) {
        ngx_sip_subscriber_end(ctx, &asked->id, asked->tag, NULL);
    }

    if (asked->ev) {
        asked->ev->told = 1;
        ngx_sip_subscriber_settle(asked->ev, outcome);
    }
}


/*
 * No answer, or one that says nothing of the authorization: the dialog may be
 * over, or refreshed later (RFC 6665, 4.1.2.2).
 */

static void
ngx_sip_subscriber_failed(ngx_sip_client_t *client, ngx_fed_outcome_t *outcome)
{
    ngx_int_t          rc;
    ngx_msec_t         wait;
    ngx_uint_t         over, live, level;
    ngx_sip_ctx_t     *ctx;
    ngx_fed_pair_t     pair;
    ngx_fed_conf_t    *fcf;
    ngx_fed_watch_t   *watch;
    ngx_sip_asked_t   *asked;
    ngx_fed_dialog_t  *dialog;

    ctx = client->ctx;
    fcf = ctx->conf;
    asked = client->data;
    watch = NULL;
    over = 0;
    live = 0;

    rc = ngx_sip_subscriber_pair(ctx, client->pool, &asked->id, &pair);

    ngx_fed_zone_lock(fcf);

    dialog = ngx_fed_dialog_lookup(fcf, &asked->id, 0, asked->tag);

    if (dialog) {
        watch = dialog->watch;

        dialog->nonce = 0;
        live = (dialog->len[NGX_FED_TEXT_TAG] != 0);
        over = !live || ngx_sip_dialog_dies(outcome);

        if (over) {
            ngx_fed_dialog_free(fcf, dialog);

        } else {
            dialog->notified = 1;

            wait = ngx_fed_roster_delay(fcf, dialog->failures);

            dialog->failures++;

            ngx_fed_dialog_due(fcf, dialog, ngx_min(dialog->expires,
                                                    ngx_current_msec + wait));
        }
    }

    /* who asked is told, and asks again if he wants to */

    if (over && !live && watch->state == NGX_FED_WATCH_PENDING && !watch->told)
    {
        watch->state = NGX_FED_WATCH_NONE;
        ngx_fed_roster_retry(fcf, watch, 0);
        over = 0;
    }

    ngx_fed_zone_unlock(fcf);

    if (over && rc == NGX_OK) {

        if (live && outcome->status == 481) {
            ngx_sip_subscriber_begin(fcf, &pair);

        } else {
            ngx_sip_subscriber_lost(fcf, &pair, 0);
        }

        if (asked->ev) {
            asked->ev->told = 1;
        }
    }

    level = ngx_fed_quiet_level(fcf, NGX_FED_QUIET_SUBSCRIBE, &client->name,
                                NGX_LOG_WARN);

    ngx_log_error(level, fcf->log, 0,
                  "SUBSCRIBE to a user of \"%V\" failed: %V %ui", &client->name,
                  ngx_fed_error_result_name(outcome->result), outcome->status);

    ngx_sip_subscriber_settle(asked->ev, outcome);
}


/* With NULL, the event has come to what it wanted. */

static void
ngx_sip_subscriber_settle(ngx_fed_event_t *ev, ngx_fed_outcome_t *outcome)
{
    if (ev == NULL) {
        return;
    }

    if (outcome == NULL) {
        ngx_fed_event_accept(ev);
        return;
    }

    ngx_fed_event_outcome(ev, outcome);
}


/*
 * A dialog is over: what it had said is not known to be so any longer, and
 * another one is tried after some seconds or, with 0, later and later.
 */

static void
ngx_sip_subscriber_lost(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_uint_t seconds)
{
    ngx_fed_watch_t  *watch;

    ngx_fed_roster_lost(fcf, pair);

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    if (watch && ngx_fed_watch_live(watch) == NULL) {
        ngx_fed_roster_retry(fcf, watch, seconds);
    }

    ngx_fed_zone_unlock(fcf);
}


/* Copies the addresses of a watch.  Returns NGX_DECLINED if it is gone. */

static ngx_int_t
ngx_sip_subscriber_pair(ngx_sip_ctx_t *ctx, ngx_pool_t *pool,
    ngx_fed_key_t *id, ngx_fed_pair_t *pair)
{
    ngx_int_t         rc;
    ngx_fed_watch_t  *watch;

    ngx_fed_zone_lock(ctx->conf);

    watch = ngx_fed_watch_find(ctx->conf, id);
    rc = watch ? ngx_fed_watch_pair(ctx->conf, pool, watch, pair)
               : NGX_DECLINED;

    ngx_fed_zone_unlock(ctx->conf);

    return rc;
}


/*
 * The time that was set for a dialog has come: to refresh it, or to see that
 * it expired, or that no NOTIFY came.
 */

void
ngx_sip_subscriber_due(ngx_sip_ctx_t *ctx, ngx_fed_key_t *id, uint64_t tag)
{
    ngx_pool_t        *pool;
    ngx_sip_due_e      due;
    ngx_fed_pair_t     pair;
    ngx_fed_conf_t    *fcf;
    ngx_fed_dialog_t  *dialog;

    fcf = ctx->conf;
    due = NGX_SIP_DUE_NOTHING;

    pool = ngx_create_pool(NGX_SIP_DUE_POOL, fcf->log);
    if (pool == NULL) {
        return;
    }

    ngx_fed_zone_lock(fcf);

    dialog = ngx_fed_dialog_lookup(fcf, id, 0, tag);

    if (dialog
        && ngx_fed_watch_pair(fcf, pool, dialog->watch, &pair) == NGX_OK)
    {
        due = ngx_sip_subscriber_judge(ctx, dialog, &pair);
    }

    ngx_fed_zone_unlock(fcf);

    switch (due) {

    case NGX_SIP_DUE_NOTHING:
        break;

    case NGX_SIP_DUE_END:
        ngx_sip_subscriber_end(ctx, id, tag, NULL);
        break;

    case NGX_SIP_DUE_ENDED:
        ngx_fed_roster_ended(fcf, &pair);
        break;

    case NGX_SIP_DUE_BEGIN:
        ngx_sip_subscriber_begin(fcf, &pair);
        break;

    case NGX_SIP_DUE_UNHEARD:
        ngx_fed_roster_unheard(fcf, &pair);
        break;

    case NGX_SIP_DUE_LOST:
        ngx_sip_subscriber_lost(fcf, &pair, 0);
        break;

    case NGX_SIP_DUE_REFRESH:
        ngx_fed_roster_refresh(fcf, &pair);
        ngx_sip_subscriber_again(ctx, id, tag, NULL,
                                 fcf->subscription_expires);
    }

    ngx_destroy_pool(pool);
}


/*
 * Tells what is due: if nothing, a later time is set, and if the dialog is
 * over, it is freed.  The zone is locked.
 */

static ngx_sip_due_e
ngx_sip_subscriber_judge(ngx_sip_ctx_t *ctx, ngx_fed_dialog_t *dialog,
    ngx_fed_pair_t *pair)
{
    ngx_msec_t        now, turn;
    ngx_uint_t        live;
    ngx_fed_conf_t   *fcf;
    ngx_fed_watch_t  *watch;

    fcf = ctx->conf;
    watch = dialog->watch;

    now = ngx_current_msec;
    live = (dialog->len[NGX_FED_TEXT_TAG] != 0);

    if (ngx_sip_dialog_claimed(ctx, dialog)
        && now - dialog->sent < fcf->notify_timeout)
    {
        ngx_fed_dialog_due(fcf, dialog, dialog->sent + fcf->notify_timeout);
        return NGX_SIP_DUE_NOTHING;
    }

    if (dialog->reason == NGX_FED_END_NONE
        && watch->state != NGX_FED_WATCH_PENDING
        && watch->state != NGX_FED_WATCH_GRANTED)
    {
        /* nobody wants it, and who was to end it did not */

        dialog->reason = NGX_FED_END_TIMEOUT;
        dialog->forced = 1;
    }

    if (dialog->reason) {
        return ngx_sip_subscriber_judge_end(fcf, dialog);
    }

    if (!dialog->notified) {

        /* Timer N (RFC 6665, 4.1.2.4) */

        ngx_fed_dialog_free(fcf, dialog);
        return live ? NGX_SIP_DUE_BEGIN : NGX_SIP_DUE_UNHEARD;
    }

    if ((ngx_msec_int_t) (dialog->expires - now) <= 0) {
        ngx_fed_dialog_free(fcf, dialog);
        return NGX_SIP_DUE_LOST;
    }

    if (!ngx_fed_roster_active(fcf, pair)) {

        /* nobody is there to see it: it may expire (RFC 8048, 8.1) */

        ngx_fed_dialog_due(fcf, dialog, dialog->expires);
        return NGX_SIP_DUE_NOTHING;
    }

    if (!dialog->slotted) {
        turn = ngx_fed_zone_turn(fcf);

        if (turn > now + NGX_SIP_TURN) {
            dialog->slotted = 1;
            ngx_fed_dialog_due(fcf, dialog, turn);
            return NGX_SIP_DUE_NOTHING;
        }
    }

    return NGX_SIP_DUE_REFRESH;
}


/* The dialog is to end, or should have ended. */

static ngx_sip_due_e
ngx_sip_subscriber_judge_end(ngx_fed_conf_t *fcf, ngx_fed_dialog_t *dialog)
{
    ngx_fed_watch_t  *watch;

    watch = dialog->watch;

    if (dialog->len[NGX_FED_TEXT_TAG] && dialog->forced) {
        dialog->forced = 0;
        return NGX_SIP_DUE_END;
    }

    if (ngx_current_msec - dialog->sent < fcf->notify_timeout) {
        ngx_fed_dialog_due(fcf, dialog, dialog->sent + fcf->notify_timeout);
        return NGX_SIP_DUE_NOTHING;
    }

    ngx_fed_dialog_free(fcf, dialog);

    if (watch->owed) {
        return NGX_SIP_DUE_ENDED;
    }

    ngx_fed_roster_retry(fcf, watch, 0);

    return NGX_SIP_DUE_NOTHING;
}
