
/*
 * IM sessions as who calls: an INVITE for a message that has no session, and
 * MESSAGE and INFO within one (RFC 3261, 12 to 15).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_ocs.h"


#define NGX_SIP_OCS_POLL        100      /* ms, while a session is made */
#define NGX_SIP_OCS_INVITES     2        /* for one message */
#define NGX_SIP_OCS_KEYBOARD                                                  \
    "<?xml version=\"1.0\"?><KeyboardActivity>"                               \
    " <status status=\"%s\" /></KeyboardActivity>"


/* a message, in the pool of its event */

typedef struct {
    ngx_event_t                   timer;
    ngx_sip_client_t             *client;
    ngx_fed_key_t                 id;        /* of the pair */
    uint64_t                      tag;       /* of the session it was sent in */
    ngx_str_t                     headers;
    ngx_str_t                     body;
    ngx_msec_t                    deadline;
    ngx_uint_t                    ninvites;

    unsigned                      again:1;   /* it was sent before */
} ngx_sip_ocs_im_t;


/* an INVITE, in the pool of its transaction */

typedef struct {
    ngx_event_t                   timer;
    ngx_sip_client_t             *client;
    ngx_sip_ocs_im_t             *im;        /* NULL: it waits no longer */
    ngx_fed_key_t                 id;
    uint64_t                      tag;
    ngx_msec_t                    deadline;

    unsigned                      cancelled:1;
} ngx_sip_ocs_invite_t;


static ngx_int_t ngx_sip_ocs_retry(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome);
static void ngx_sip_ocs_sent(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome, ngx_sip_msg_t *msg);
static void ngx_sip_ocs_settled(ngx_sip_ctx_t *ctx, ngx_sip_ocs_im_t *im);
static ngx_uint_t ngx_sip_ocs_gone(ngx_fed_outcome_t *outcome);
static void ngx_sip_ocs_wait(ngx_sip_ocs_im_t *im);
static void ngx_sip_ocs_wait_handler(ngx_event_t *ev);
static void ngx_sip_ocs_failed(ngx_sip_ocs_im_t *im,
    ngx_fed_outcome_e result, ngx_uint_t status, const char *text);
static void ngx_sip_ocs_call(ngx_sip_ocs_im_t *im);
static ngx_int_t ngx_sip_ocs_invitation(ngx_sip_ocs_invite_t *invite);
static ngx_int_t ngx_sip_ocs_invitation_dialog(ngx_sip_ocs_invite_t *invite,
    ngx_sip_dialog_t *dialog);
static ngx_int_t ngx_sip_ocs_invitation_text(ngx_sip_ocs_invite_t *invite,
    ngx_str_t *headers, ngx_str_t *sdp);
static void ngx_sip_ocs_invite_handler(ngx_event_t *ev);
static void ngx_sip_ocs_invited(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome, ngx_sip_msg_t *msg);
static void ngx_sip_ocs_refused(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome, ngx_sip_msg_t *msg);
static ngx_int_t ngx_sip_ocs_accepted_dialog(ngx_sip_conn_t *conn,
    ngx_sip_client_t *client, ngx_sip_msg_t *msg, ngx_sip_dialog_t *dialog);
static ngx_uint_t ngx_sip_ocs_establish(ngx_sip_ctx_t *ctx,
    ngx_sip_dialog_t *dialog, ngx_sip_msg_t *msg);
static void ngx_sip_ocs_unwanted(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
static void ngx_sip_ocs_typed(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome, ngx_sip_msg_t *msg);


/*
 * Makes of a message what does not change of its MESSAGE.  Returns NGX_ERROR if
 * there is no memory.
 */

ngx_int_t
ngx_sip_ocs_write(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_sip_client_t *client)
{
    u_char            *p;
    size_t             size, body;
    ngx_fed_pair_t     pair;
    ngx_sip_ocs_im_t  *im;

    im = ngx_pcalloc(ev->pool, sizeof(ngx_sip_ocs_im_t));
    if (im == NULL) {
        return NGX_ERROR;
    }

    body = ngx_fed_text_crlf_size(ev->body.data, ev->body.len);

    size = sizeof("Content-Type: text/plain;charset=UTF-8" CRLF)
           + ngx_sip_simple_optional_size(ev) + body;

    p = ngx_pnalloc(ev->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_fed_pair(ctx->conf, &pair, &ev->to, &ev->from);

    im->client = client;
    im->id = pair.id;

    im->headers.data = p;
    p = ngx_sip_simple_optional(p, ev);
    p = ngx_cpymem(p, "Content-Type: text/plain;charset=UTF-8" CRLF,
                   sizeof("Content-Type: text/plain;charset=UTF-8" CRLF) - 1);
    im->headers.len = p - im->headers.data;

    im->body.data = p;
    p = ngx_fed_text_crlf(p, ev->body.data, ev->body.len);
    im->body.len = p - im->body.data;

    /* what the size of the message is judged by */

    client->rest.data = im->headers.data;
    client->rest.len = p - im->headers.data;

    client->handler = ngx_sip_ocs_sent;
    client->retry = ngx_sip_ocs_retry;
    client->data = im;

    return NGX_OK;
}


/*
 * Sends a message, which has its turn, in the session of its users, as soon as
 * there is one.
 */

void
ngx_sip_ocs_send(ngx_sip_client_t *client)
{
    ngx_int_t           rc;
    ngx_sip_ctx_t      *ctx;
    ngx_fed_conf_t     *fcf;
    ngx_sip_dialog_t    dialog;
    ngx_sip_ocs_im_t   *im;
    ngx_fed_session_t  *session;

    im = client->data;
    ctx = client->ctx;
    fcf = ctx->conf;

    rc = NGX_DECLINED;

    /* that of waiting for its turn; a session has a deadline of its own */

    ngx_fed_timers_del(&ctx->timer_f, &client->timer);

    ngx_fed_zone_lock(fcf);

    session = ngx_fed_session_find(fcf, &im->id);

    if (session && ngx_fed_session_waits(fcf, session)) {
        rc = NGX_AGAIN;

    } else if (session && session->state == NGX_FED_SESSION_INVITING) {
        ngx_fed_session_free(fcf, session);

    } else if (session) {
        rc = ngx_sip_ocs_dialog(ctx, client->pool, session, &dialog);

        im->tag = session->tag;

        ngx_fed_session_used(fcf, session);
        ngx_fed_session_wait(fcf, session, NGX_FED_SESSION_BUSY);
    }

    ngx_fed_zone_unlock(fcf);

    switch (rc) {

    case NGX_OK:
        (void) ngx_sip_dialog_send(client, &dialog, &im->headers, &im->body);
        return;

    case NGX_AGAIN:
        ngx_sip_ocs_wait(im);
        return;

    case NGX_DECLINED:
        ngx_sip_ocs_call(im);
        return;

    default: /* NGX_ERROR */
        ngx_sip_client_fail(client, NGX_FED_INTERNAL, NULL);
    }
}


/*
 * The other side knows nothing of the session any more: the message is sent
 * once more, in another one (ocs-wire 2.5).  Without any response it is not,
 * as it may have arrived.
 */

static ngx_int_t
ngx_sip_ocs_retry(ngx_sip_client_t *client, ngx_fed_outcome_t *outcome)
{
    ngx_sip_ocs_im_t  *im;

    im = client->data;

    if (im->tag == 0) {
        return NGX_DECLINED;
    }

    ngx_sip_ocs_settled(client->ctx, im);

    if (outcome->result != NGX_FED_TIMEOUT && !ngx_sip_ocs_gone(outcome)) {
        return NGX_DECLINED;
    }

    ngx_sip_ocs_drop(client->ctx, &im->id, im->tag, 0);

    im->tag = 0;

    if (outcome->result == NGX_FED_TIMEOUT || im->again) {
        return NGX_DECLINED;
    }

    im->again = 1;

    ngx_sip_ocs_send(client);

    return NGX_OK;
}


/* Nobody waits for the message any longer: it is another one's turn. */

static void
ngx_sip_ocs_settled(ngx_sip_ctx_t *ctx, ngx_sip_ocs_im_t *im)
{
    ngx_fed_session_t  *session;

    ngx_fed_zone_lock(ctx->conf);

    session = ngx_fed_session_find(ctx->conf, &im->id);

    if (session && session->tag == im->tag
        && session->state == NGX_FED_SESSION_BUSY)
    {
        session->state = NGX_FED_SESSION_LIVE;
    }

    ngx_fed_zone_unlock(ctx->conf);
}


static ngx_uint_t
ngx_sip_ocs_gone(ngx_fed_outcome_t *outcome)
{
    return outcome->result == NGX_FED_SIP_STATUS
           && (outcome->status == 408
               || outcome->status == 480
               || outcome->status == 481);
}


static void
ngx_sip_ocs_sent(ngx_sip_client_t *client, ngx_fed_outcome_t *outcome,
    ngx_sip_msg_t *msg)
{
    ngx_fed_event_outcome(client->event, outcome);
}


/* What another process does, or their ACK, is ahead of the message. */

static void
ngx_sip_ocs_wait(ngx_sip_ocs_im_t *im)
{
    ngx_sip_ctx_t  *ctx;

    ctx = im->client->ctx;

    if (im->deadline == 0) {
        im->deadline = ngx_current_msec + ctx->conf->invite_timeout;

        im->timer.handler = ngx_sip_ocs_wait_handler;
        im->timer.data = im;
        im->timer.log = ctx->conf->log;
    }

    if ((ngx_msec_int_t) (im->deadline - ngx_current_msec) <= 0) {
        ngx_sip_ocs_failed(im, NGX_FED_TIMEOUT, 408,
                           "no IM session in time");
        return;
    }

    ngx_add_timer(&im->timer, NGX_SIP_OCS_POLL);
}


static void
ngx_sip_ocs_wait_handler(ngx_event_t *ev)
{
    ngx_sip_ocs_im_t  *im;

    im = ev->data;

    ngx_sip_ocs_send(im->client);
}


/* There will be no session, for this message or those behind it. */

static void
ngx_sip_ocs_failed(ngx_sip_ocs_im_t *im, ngx_fed_outcome_e result,
    ngx_uint_t status, const char *text)
{
    ngx_fed_outcome_t  outcome;

    ngx_memzero(&outcome, sizeof(ngx_fed_outcome_t));

    outcome.result = result;
    outcome.status = status;
    outcome.text.data = (u_char *) text;
    outcome.text.len = ngx_strlen(text);

    ngx_sip_client_pair_fail(im->client, &outcome);
}


/* Sends an INVITE for a message. */

static void
ngx_sip_ocs_call(ngx_sip_ocs_im_t *im)
{
    ngx_uint_t             level;
    ngx_sip_ctx_t         *ctx;
    ngx_sip_client_t      *client;
    ngx_sip_ocs_invite_t  *invite;

    static ngx_str_t  method = ngx_string("INVITE");

    if (im->ninvites++ == NGX_SIP_OCS_INVITES) {
        ngx_sip_ocs_failed(im, NGX_FED_SIP_STATUS, 480,
                           "IM sessions end as soon as they are made");
        return;
    }

    ctx = im->client->ctx;

    client = ngx_sip_client_create(ctx, &method);

    if (client == NULL) {
        ngx_sip_client_fail(im->client, NGX_FED_INTERNAL, NULL);
        return;
    }

    invite = ngx_pcalloc(client->pool, sizeof(ngx_sip_ocs_invite_t));

    if (invite == NULL) {
        ngx_destroy_pool(client->pool);
        ngx_sip_client_fail(im->client, NGX_FED_INTERNAL, NULL);
        return;
    }

    invite->client = client;
    invite->im = im;
    invite->id = im->id;
    invite->deadline = ngx_current_msec + ctx->conf->invite_timeout;

    client->data = invite;
    client->handler = ngx_sip_ocs_invited;

    switch (ngx_sip_ocs_invitation(invite)) {

    case NGX_OK:
        return;

    case NGX_AGAIN:
        ngx_destroy_pool(client->pool);
        ngx_sip_ocs_wait(im);
        return;

    case NGX_DECLINED:
        ngx_destroy_pool(client->pool);

        level = ngx_fed_quiet_level(ctx->conf, NGX_FED_QUIET_SESSIONS, NULL,
                                    NGX_LOG_ERR);

        ngx_log_error(level, ctx->conf->log, 0,
                      "no room for an IM session with a user of \"%V\", see "
                      "\"zone\" and \"sessions\"", &im->client->name);

        ngx_sip_client_fail(im->client, NGX_FED_QUEUE_FULL,
                            "too many IM sessions");
        return;

    default: /* NGX_ERROR */
        ngx_destroy_pool(client->pool);
        ngx_sip_client_fail(im->client, NGX_FED_INTERNAL, NULL);
    }
}


/*
 * Makes a session that is not answered yet, and sends the INVITE.  Returns
 * NGX_AGAIN if another process was faster, NGX_DECLINED if the zone is full,
 * NGX_ERROR if there is no memory.
 */

static ngx_int_t
ngx_sip_ocs_invitation(ngx_sip_ocs_invite_t *invite)
{
    ngx_str_t           headers, sdp;
    ngx_uint_t          exists;
    ngx_sip_ctx_t      *ctx;
    ngx_sip_client_t   *bye;
    ngx_sip_dialog_t    dialog;
    ngx_fed_session_t  *session;

    ctx = invite->client->ctx;

    if (ngx_sip_ocs_invitation_dialog(invite, &dialog) != NGX_OK
        || ngx_sip_ocs_invitation_text(invite, &headers, &sdp) != NGX_OK)
    {
        return NGX_ERROR;
    }

    invite->tag = dialog.tag;

    ngx_fed_zone_lock(ctx->conf);

    exists = (ngx_fed_session_find(ctx->conf, &invite->id) != NULL);

    bye = NULL;
    session = exists ? NULL
                     : ngx_sip_ocs_add(invite->im->client->event, &invite->id,
                                       dialog.texts, &bye);

    if (session) {
        session->tag = invite->tag;
        session->cseq = 1;

        ngx_fed_session_wait(ctx->conf, session, NGX_FED_SESSION_INVITING);
    }

    ngx_fed_zone_unlock(ctx->conf);

    if (bye) {
        ngx_sip_ocs_bye(bye);
    }

    if (session == NULL) {
        return exists ? NGX_AGAIN : NGX_DECLINED;
    }

    invite->timer.handler = ngx_sip_ocs_invite_handler;
    invite->timer.data = invite;
    invite->timer.log = ctx->conf->log;

    ngx_add_timer(&invite->timer, NGX_SIP_OCS_POLL);

    (void) ngx_sip_dialog_send(invite->client, &dialog, &headers, &sdp);

    return NGX_OK;
}


/*
 * Makes what is known of a dialog ahead of the INVITE, in the pool of that: the
 * event may be gone before the transaction is.
 */

static ngx_int_t
ngx_sip_ocs_invitation_dialog(ngx_sip_ocs_invite_t *invite,
    ngx_sip_dialog_t *dialog)
{
    u_char             *p;
    ngx_str_t          *texts;
    ngx_fed_key_t       call_id;
    ngx_fed_event_t    *ev;
    ngx_sip_client_t   *client;
    ngx_fed_address_t   from, to;

    client = invite->client;
    ev = invite->im->client->event;
    texts = dialog->texts;

    ngx_memzero(dialog, sizeof(ngx_sip_dialog_t));

    /* contacts over there have no "gr" */

    from = ev->from;
    to = ev->to;

    ngx_str_null(&from.resource);
    ngx_str_null(&to.resource);

    call_id = ngx_sip_unique(client->ctx);

    dialog->tag = ngx_sip_unique(client->ctx).lo;
    dialog->cseq = 1;

    p = ngx_pnalloc(client->pool, 2 * NGX_SIP_TAG_LEN
                                  + ngx_fed_address_sip_size(&from)
                                  + ngx_fed_address_sip_size(&to));
    dialog->local = ngx_palloc(client->pool, sizeof(ngx_fed_address_t));
    dialog->remote = ngx_palloc(client->pool, sizeof(ngx_fed_address_t));

    if (p == NULL || dialog->local == NULL || dialog->remote == NULL) {
        return NGX_ERROR;
    }

    texts[NGX_FED_TEXT_CALL_ID].data = p;
    p = ngx_sip_hex(p, call_id.lo);
    p = ngx_sip_hex(p, call_id.hi);
    texts[NGX_FED_TEXT_CALL_ID].len = p - texts[NGX_FED_TEXT_CALL_ID].data;

    texts[NGX_FED_TEXT_LOCAL].data = p;
    p = ngx_fed_address_to_sip(p, &from);
    texts[NGX_FED_TEXT_LOCAL].len = p - texts[NGX_FED_TEXT_LOCAL].data;

    texts[NGX_FED_TEXT_REMOTE].data = p;
    p = ngx_fed_address_to_sip(p, &to);
    texts[NGX_FED_TEXT_REMOTE].len = p - texts[NGX_FED_TEXT_REMOTE].data;

    if (ngx_fed_address_from_sip(client->pool, &texts[NGX_FED_TEXT_LOCAL],
                                 dialog->local)
        != NGX_OK
        || ngx_fed_address_from_sip(client->pool, &texts[NGX_FED_TEXT_REMOTE],
                                    dialog->remote)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * A conversation id of its own keeps Lync from taking the session for one that
 * it has already (ocs-wire 2.1).
 */

static ngx_int_t
ngx_sip_ocs_invitation_text(ngx_sip_ocs_invite_t *invite, ngx_str_t *headers,
    ngx_str_t *sdp)
{
    u_char         *p;
    ngx_str_t       id, text;
    ngx_sip_ctx_t  *ctx;
    ngx_fed_key_t   unique;
    u_char          buf[ngx_base64_encoded_length(sizeof(ngx_fed_key_t))];

    ctx = invite->client->ctx;

    unique = ngx_sip_unique(ctx);

    id.data = (u_char *) &unique;
    id.len = sizeof(ngx_fed_key_t);

    text.data = buf;

    ngx_encode_base64(&text, &id);

    p = ngx_pnalloc(invite->client->pool,
                    sizeof(NGX_SIP_OCS_ALLOW "Ms-Conversation-ID: " CRLF
                           NGX_SIP_OCS_SDP_ROW)
                    + text.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    headers->data = p;
    headers->len = ngx_sprintf(p, NGX_SIP_OCS_ALLOW
                                  "Ms-Conversation-ID: %V" CRLF
                                  NGX_SIP_OCS_SDP_ROW, &text)
                   - p;

    return ngx_sip_ocs_sdp(ctx, invite->client->pool, NGX_SIP_OCS_MESSAGE,
                           NULL, sdp);
}


/*
 * Looks after an INVITE that is under way: the session may be there in another
 * way, or it is late; then it is cancelled.  It may also be there without that
 * the news of its 2xx, which another process read, came here.
 */

static void
ngx_sip_ocs_invite_handler(ngx_event_t *ev)
{
    ngx_uint_t             ours, made, late;
    ngx_fed_conf_t        *fcf;
    ngx_sip_ocs_im_t      *im;
    ngx_sip_client_t      *client;
    ngx_fed_outcome_t      outcome;
    ngx_fed_session_t     *session;
    ngx_sip_ocs_invite_t  *invite;

    invite = ev->data;
    client = invite->client;
    fcf = client->ctx->conf;
    im = invite->im;

    late = (ngx_msec_int_t) (invite->deadline - ngx_current_msec) <= 0;

    ngx_fed_zone_lock(fcf);

    session = ngx_fed_session_find(fcf, &invite->id);

    ours = session && session->tag == invite->tag;
    made = ours && session->state != NGX_FED_SESSION_INVITING;

    if (ours && !made && late) {
        ngx_fed_session_free(fcf, session);
    }

    ngx_fed_zone_unlock(fcf);

    if (made) {
        ngx_memzero(&outcome, sizeof(ngx_fed_outcome_t));
        outcome.result = NGX_FED_ACCEPTED;

        ngx_sip_client_finish(client, &outcome, NULL);
        return;
    }

    if (ours && !late) {
        ngx_add_timer(ev, NGX_SIP_OCS_POLL);
        return;
    }

    if (!invite->cancelled && client->proceeding) {
        invite->cancelled = 1;
        ngx_sip_client_cancel(client);
    }

    invite->im = NULL;

    if ((ngx_msec_int_t) (invite->deadline + fcf->transaction_timeout
                          - ngx_current_msec) <= 0)
    {
        ngx_sip_client_fail(client, NGX_FED_TIMEOUT, NULL);

    } else {
        ngx_add_timer(ev, NGX_SIP_OCS_POLL);
    }

    if (im == NULL) {
        return;
    }

    if (ours) {
        ngx_log_error(NGX_LOG_INFO, fcf->log, 0,
                      "no answer to an INVITE to a user of SIP domain \"%V\" "
                      "in %M ms: cancelled", &im->client->name,
                      fcf->invite_timeout);

        ngx_sip_ocs_failed(im, NGX_FED_TIMEOUT, 408, "no answer");
        return;
    }

    ngx_sip_ocs_send(im->client);
}


/*
 * The outcome of an INVITE; what a 2xx makes is made already, here or by
 * another process.
 */

static void
ngx_sip_ocs_invited(ngx_sip_client_t *client, ngx_fed_outcome_t *outcome,
    ngx_sip_msg_t *msg)
{
    ngx_uint_t             made;
    ngx_fed_conf_t        *fcf;
    ngx_sip_ocs_im_t      *im;
    ngx_fed_session_t     *session;
    ngx_sip_ocs_invite_t  *invite;

    invite = client->data;
    fcf = client->ctx->conf;
    im = invite->im;

    if (invite->timer.timer_set) {
        ngx_del_timer(&invite->timer);
    }

    if (im == NULL) {
        return;
    }

    made = 1;

    ngx_fed_zone_lock(fcf);

    session = ngx_fed_session_find(fcf, &invite->id);

    if (session && session->tag == invite->tag
        && session->state == NGX_FED_SESSION_INVITING)
    {
        ngx_fed_session_free(fcf, session);
        made = 0;

    } else if (session == NULL) {

        /* a session that is over already was there */

        made = (outcome->result == NGX_FED_ACCEPTED);
    }

    ngx_fed_zone_unlock(fcf);

    /* it may be theirs, who have called meanwhile */

    if (made) {
        ngx_sip_ocs_send(im->client);
        return;
    }

    if (outcome->result == NGX_FED_ACCEPTED) {
        ngx_sip_ocs_failed(im, NGX_FED_SIP_STATUS, 500,
                           "the answer to INVITE makes no dialog");
        return;
    }

    ngx_sip_ocs_refused(client, outcome, msg);

    ngx_sip_client_pair_fail(im->client, outcome);
}


/*
 * Logs which answer was that there is no session, with what an Edge lets pass
 * of the reason (ocs-wire 2.6); what else there may be is logged already.  That
 * a user is not there is no matter of administrators.
 */

static void
ngx_sip_ocs_refused(ngx_sip_client_t *client, ngx_fed_outcome_t *outcome,
    ngx_sip_msg_t *msg)
{
    u_char             buf[NGX_SIP_REASON_LEN];
    ngx_str_t          why;
    ngx_uint_t         i, level;
    ngx_sip_header_t  *h;

    if (outcome->result != NGX_FED_SIP_STATUS) {
        return;
    }

    why = outcome->text;
    level = ngx_fed_error_reveals(outcome) ? NGX_LOG_INFO : NGX_LOG_WARN;

    for (i = 1; msg && i <= msg->nheaders; i++) {
        h = &msg->headers[i];

        if (ngx_sip_is(&h->name, "ms-diagnostics-public")) {
            why.data = buf;
            why.len = ngx_fed_text_line(buf, h->value.data, h->value.len,
                                        sizeof(buf));
        }
    }

    level = ngx_fed_quiet_level(client->ctx->conf, NGX_FED_QUIET_INVITE,
                                &client->name, level);

    ngx_log_error(level, client->ctx->conf->log, 0,
                  "INVITE to a user of \"%V\" failed: %ui %V", &client->name,
                  outcome->status, &why);
}


/*
 * Takes a 2xx to an INVITE of ours, at whatever process, however often: an ACK
 * is the answer, and a BYE if its dialog is not the one of the session, because
 * the INVITE was forked, cancelled, or overtaken by one of theirs (RFC 3261,
 * 13.2.2.4).
 */

void
ngx_sip_ocs_accepted(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_str_t          none;
    ngx_uint_t         wanted;
    ngx_sip_ctx_t     *ctx;
    ngx_sip_client_t  *ack;
    ngx_sip_dialog_t   dialog;

    static ngx_str_t  method = ngx_string("ACK");

    ctx = conn->ctx;

    ack = ngx_sip_client_create(ctx, &method);

    if (ack == NULL) {
        return;
    }

    ngx_str_null(&none);

    if (ngx_sip_ocs_accepted_dialog(conn, ack, msg, &dialog) != NGX_OK) {

        ngx_log_error(NGX_LOG_ERR, conn->link->log, 0,
                      "peer sent a 200 to an INVITE that makes no dialog");

        ngx_destroy_pool(ack->pool);
        return;
    }

    wanted = ngx_sip_ocs_establish(ctx, &dialog, msg);

    if (ngx_sip_dialog_write(ack, &dialog, &none, &none) != NGX_OK) {
        ngx_destroy_pool(ack->pool);
        return;
    }

    ngx_sip_client_post(ack, conn);

    if (!wanted) {
        ngx_sip_ocs_unwanted(conn, msg);
    }
}


/* Reads the dialog that a 2xx makes, as one of its user agent client. */

static ngx_int_t
ngx_sip_ocs_accepted_dialog(ngx_sip_conn_t *conn, ngx_sip_client_t *client,
    ngx_sip_msg_t *msg, ngx_sip_dialog_t *dialog)
{
    ngx_str_t   *texts;
    ngx_pool_t  *pool;

    pool = client->pool;
    texts = dialog->texts;

    ngx_memzero(dialog, sizeof(ngx_sip_dialog_t));

    dialog->local = ngx_palloc(pool, sizeof(ngx_fed_address_t));
    dialog->remote = ngx_palloc(pool, sizeof(ngx_fed_address_t));
    dialog->cseq = msg->cseq;

    texts[NGX_FED_TEXT_CALL_ID] = msg->call_id;
    texts[NGX_FED_TEXT_TAG] = msg->to.tag;
    texts[NGX_FED_TEXT_LOCAL] = msg->from.uri;
    texts[NGX_FED_TEXT_REMOTE] = msg->to.uri;

    if (dialog->local == NULL || dialog->remote == NULL
        || msg->to.tag.len == 0
        || ngx_sip_dialog_tag(&msg->from.tag, &dialog->tag) != NGX_OK
        || ngx_sip_dialog_contact(msg, &texts[NGX_FED_TEXT_TARGET]) != NGX_OK
        || ngx_sip_dialog_routes(conn, pool, msg, &texts[NGX_FED_TEXT_ROUTES])
           != NGX_OK
        || ngx_fed_address_from_sip(pool, &msg->from.uri, dialog->local)
           != NGX_OK
        || ngx_fed_address_from_sip(pool, &msg->to.uri, dialog->remote)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    client->cseq = dialog->cseq;
    client->name = dialog->remote->domain;
    client->domain = ngx_fed_domain_find(conn->ctx->conf, &client->name,
                                         &ngx_sip_leg);

    return NGX_OK;
}


/* Tells whether the dialog is that of the session, which it may make live. */

static ngx_uint_t
ngx_sip_ocs_establish(ngx_sip_ctx_t *ctx, ngx_sip_dialog_t *dialog,
    ngx_sip_msg_t *msg)
{
    ngx_str_t           texts[NGX_FED_TEXTS];
    ngx_uint_t          wanted;
    ngx_fed_pair_t      pair;
    ngx_fed_session_t  *session;

    ngx_fed_pair(ctx->conf, &pair, dialog->remote, dialog->local);

    wanted = 0;

    ngx_fed_zone_lock(ctx->conf);

    session = ngx_fed_session_find(ctx->conf, &pair.id);

    if (session && session->tag == dialog->tag) {

        ngx_fed_session_texts(session, texts);

        if (!ngx_fed_str_equal(&texts[NGX_FED_TEXT_CALL_ID], &msg->call_id)) {
            wanted = 0;

        } else if (session->state == NGX_FED_SESSION_LIVE
                   || session->state == NGX_FED_SESSION_BUSY)
        {
            wanted = ngx_fed_str_equal(&texts[NGX_FED_TEXT_TAG], &msg->to.tag);

        } else if (ngx_fed_session_set_texts(ctx->conf, session, dialog->texts)
                   == NGX_OK)
        {
            session->state = NGX_FED_SESSION_LIVE;
            ngx_fed_session_used(ctx->conf, session);

            wanted = 1;
        }
    }

    ngx_fed_zone_unlock(ctx->conf);

    return wanted;
}


static void
ngx_sip_ocs_unwanted(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_sip_client_t  *bye;
    ngx_sip_dialog_t  *dialog;

    static ngx_str_t  method = ngx_string("BYE");

    bye = ngx_sip_client_create(conn->ctx, &method);

    if (bye == NULL) {
        return;
    }

    dialog = ngx_palloc(bye->pool, sizeof(ngx_sip_dialog_t));

    if (dialog == NULL
        || ngx_sip_ocs_accepted_dialog(conn, bye, msg, dialog) != NGX_OK)
    {
        ngx_destroy_pool(bye->pool);
        return;
    }

    dialog->cseq++;

    bye->data = dialog;
    bye->handler = ngx_sip_ocs_ended;

    ngx_sip_ocs_bye(bye);
}


/*
 * Tells that a user types, or does so no longer, if there is a session; when he
 * is gone, so is that (RFC 7573, 6), as soon as what he has said is answered,
 * and their ACK is there (RFC 3261, 15).  Nobody is told how it went.
 */

void
ngx_sip_ocs_composing(ngx_fed_event_t *ev)
{
    u_char                *p;
    uint64_t               tag;
    ngx_int_t              rc;
    ngx_str_t              headers, body;
    ngx_uint_t             busy;
    ngx_sip_ctx_t         *ctx;
    ngx_fed_pair_t         pair;
    ngx_sip_client_t      *client;
    ngx_sip_dialog_t      *dialog;
    ngx_fed_session_t     *session;
    ngx_fed_chat_state_e   state;

    static ngx_str_t  method = ngx_string("INFO");

    ctx = ev->conf->sip_data;
    state = ev->chat_state;

    ngx_fed_pair(ctx->conf, &pair, &ev->to, &ev->from);

    client = NULL;
    rc = NGX_DECLINED;
    tag = 0;

    /* a message says as much, and must not be overtaken */

    busy = ngx_sip_client_pair_busy(ctx, ev);

    if (!busy || state == NGX_FED_CHAT_GONE) {
        client = ngx_sip_client_create(ctx, &method);
    }

    if (client == NULL) {
        ngx_fed_event_drop(ev);
        return;
    }

    dialog = ngx_palloc(client->pool, sizeof(ngx_sip_dialog_t));
    p = ngx_pnalloc(client->pool, sizeof(NGX_SIP_OCS_KEYBOARD) + 4);

    ngx_fed_zone_lock(ctx->conf);

    session = ngx_fed_session_find(ctx->conf, &pair.id);

    if (session && state == NGX_FED_CHAT_GONE
        && session->state != NGX_FED_SESSION_INVITING
        && (busy || session->state != NGX_FED_SESSION_LIVE))
    {
        ngx_fed_session_retire(ctx->conf, session);

    } else if (session && session->state == NGX_FED_SESSION_LIVE
               && dialog && p)
    {

        tag = session->tag;

        if (state != NGX_FED_CHAT_GONE) {
            rc = ngx_sip_ocs_dialog(ctx, client->pool, session, dialog);
        }
    }

    ngx_fed_zone_unlock(ctx->conf);

    if (tag) {
        ngx_fed_event_accept(ev);

    } else {
        ngx_fed_event_drop(ev);
    }

    if (rc != NGX_OK) {
        ngx_destroy_pool(client->pool);

        if (tag && state == NGX_FED_CHAT_GONE) {
            ngx_sip_ocs_drop(ctx, &pair.id, tag, 1);
        }

        return;
    }

    ngx_str_set(&headers, "Content-Type: application/xml" CRLF);

    body.data = p;
    body.len = ngx_sprintf(p, NGX_SIP_OCS_KEYBOARD,
                           state == NGX_FED_CHAT_COMPOSING ? "type" : "idle")
               - p;

    client->data = dialog;
    client->handler = ngx_sip_ocs_typed;

    (void) ngx_sip_dialog_send(client, dialog, &headers, &body);
}


/* That the session is no more is learnt in this way, too (ocs-wire 2.4). */

static void
ngx_sip_ocs_typed(ngx_sip_client_t *client, ngx_fed_outcome_t *outcome,
    ngx_sip_msg_t *msg)
{
    ngx_fed_pair_t     pair;
    ngx_sip_dialog_t  *dialog;

    if (!ngx_sip_ocs_gone(outcome)) {
        return;
    }

    dialog = client->data;

    ngx_fed_pair(client->ctx->conf, &pair, dialog->remote, dialog->local);

    ngx_sip_ocs_drop(client->ctx, &pair.id, dialog->tag, 0);
}
