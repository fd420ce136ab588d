
/*
 * IM sessions as who is called: the dialog that an INVITE makes, and the
 * requests in it (RFC 3261, 12 to 15).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_ocs.h"


#define NGX_SIP_OCS_T1           500
#define NGX_SIP_OCS_T2           4000
#define NGX_SIP_OCS_RETRY_AFTER  "Retry-After: 30" CRLF
#define NGX_SIP_OCS_WARNING                                                   \
    "Warning: 304 %V \"Media type not available\"" CRLF
#define NGX_SIP_OCS_EXPIRED_MAX  64      /* in one turn */
#define NGX_SIP_OCS_ENDING_MAX   1024    /* at a time */


/* a request being looked at */

typedef struct {
    ngx_sip_conn_t               *conn;
    ngx_sip_msg_t                *msg;
    ngx_fed_event_t              *ev;
    ngx_fed_key_t                 key;
    ngx_fed_pair_t                pair;
    uint64_t                      tag;       /* ours */
    ngx_str_t                     texts[NGX_FED_TEXTS];
    ngx_sip_client_t             *bye;       /* of the dialog before, */
    ngx_sip_client_t             *evicted;   /* and of another one */
} ngx_sip_ocs_request_t;


/* a 200 to an INVITE, sent until the ACK is there; in the event's pool */

typedef struct {
    ngx_event_t                   timer;
    ngx_sip_ctx_t                *ctx;
    ngx_fed_event_t              *event;
    ngx_fed_key_t                 id;
    uint64_t                      tag;
    ngx_str_t                     tail;
    ngx_msec_t                    interval;
    ngx_msec_t                    deadline;
} ngx_sip_ocs_accept_t;


static ngx_int_t ngx_sip_ocs_request(ngx_sip_ocs_request_t *rq,
    ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_ocs_admit(ngx_sip_ocs_request_t *rq);
static ngx_int_t ngx_sip_ocs_invite(ngx_sip_ocs_request_t *rq,
    ngx_sip_refusal_t *refusal);
static ngx_uint_t ngx_sip_ocs_is_multiparty(ngx_sip_msg_t *msg);
static ngx_int_t ngx_sip_ocs_begin(ngx_sip_ocs_request_t *rq,
    ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_ocs_reinvite(ngx_sip_ocs_request_t *rq,
    ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_ocs_accept(ngx_sip_ocs_request_t *rq,
    ngx_str_t *headers, ngx_str_t *sdp);
static void ngx_sip_ocs_accept_handler(ngx_event_t *ev);
static ngx_int_t ngx_sip_ocs_answer(ngx_sip_ocs_request_t *rq,
    ngx_sip_ocs_offer_e offer, ngx_str_t *headers, ngx_str_t *sdp);
static ngx_int_t ngx_sip_ocs_media_refused(ngx_sip_ocs_request_t *rq,
    ngx_sip_refusal_t *refusal);
static ngx_fed_session_t *ngx_sip_ocs_find(ngx_sip_ocs_request_t *rq);
static ngx_int_t ngx_sip_ocs_within(ngx_sip_ocs_request_t *rq,
    ngx_sip_refusal_t *refusal);
static void ngx_sip_ocs_ack(ngx_sip_ocs_request_t *rq);
static ngx_int_t ngx_sip_ocs_message(ngx_sip_ocs_request_t *rq,
    ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_ocs_info(ngx_sip_ocs_request_t *rq,
    ngx_sip_refusal_t *refusal);


/* Takes INVITE, ACK, BYE, INFO and UPDATE, and MESSAGE within a dialog. */

void
ngx_sip_ocs_session(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_int_t              rc;
    ngx_fed_kind_e         kind;
    ngx_sip_refusal_t      refusal;
    ngx_sip_ocs_request_t  rq;

    ngx_memzero(&rq, sizeof(ngx_sip_ocs_request_t));
    ngx_memzero(&refusal, sizeof(ngx_sip_refusal_t));

    rq.conn = conn;
    rq.msg = msg;

    kind = (msg->method == NGX_SIP_MESSAGE) ? NGX_FED_MESSAGE
           : (msg->method == NGX_SIP_INFO) ? NGX_FED_COMPOSING
                                           : NGX_FED_SESSION;

    if (msg->method == NGX_SIP_ACK) {
        rq.ev = ngx_fed_event_create(conn->link, &ngx_sip_leg, kind);

    } else {
        rq.ev = ngx_sip_begin(conn, msg, kind, &rq.key);
    }

    if (rq.ev == NULL) {
        return;
    }

    rc = ngx_sip_users(conn, msg, rq.ev, &refusal);

    if (rc == NGX_OK) {
        ngx_fed_pair(conn->ctx->conf, &rq.pair, &rq.ev->from, &rq.ev->to);

        if (msg->method == NGX_SIP_ACK) {
            ngx_sip_ocs_ack(&rq);

        } else {
            ngx_sip_peer_alias(conn, msg, &rq.ev->from.domain,
                               rq.ev->from_domain);

            rc = ngx_sip_ocs_request(&rq, &refusal);
        }
    }

    if (msg->method == NGX_SIP_ACK) {
        ngx_fed_event_drop(rq.ev);
        return;
    }

    if (rc == NGX_DONE) {
        return;
    }

    if (rc != NGX_OK) {
        ngx_sip_reject(conn, msg, &rq.key, rq.ev, &refusal);
        return;
    }

    refusal.status = 200;

    ngx_sip_server_answer(conn, msg, &rq.key, &refusal);

    ngx_fed_event_drop(rq.ev);
}


/*
 * Returns NGX_OK for a 200 with the headers and the body of the refusal,
 * NGX_DECLINED to refuse, NGX_ERROR if there is no memory, and NGX_DONE if the
 * event has gone its way.
 */

static ngx_int_t
ngx_sip_ocs_request(ngx_sip_ocs_request_t *rq, ngx_sip_refusal_t *refusal)
{
    ngx_int_t  rc;

    switch (rq->msg->method) {

    case NGX_SIP_INVITE:
        return ngx_sip_ocs_invite(rq, refusal);

    case NGX_SIP_UPDATE:
        return ngx_sip_ocs_reinvite(rq, refusal);

    case NGX_SIP_MESSAGE:
        return ngx_sip_ocs_message(rq, refusal);

    case NGX_SIP_INFO:
        return ngx_sip_ocs_info(rq, refusal);

    default: /* NGX_SIP_BYE */

        rc = ngx_sip_ocs_within(rq, refusal);

        if (rc == NGX_OK) {
            ngx_sip_ocs_drop(rq->conn->ctx, &rq->pair.id, rq->tag, 0);
        }

        return rc;
    }
}


/* A session that is a new one, or another offer in one that is there. */

static ngx_int_t
ngx_sip_ocs_invite(ngx_sip_ocs_request_t *rq, ngx_sip_refusal_t *refusal)
{
    ngx_int_t             rc;
    ngx_str_t             headers, sdp;
    ngx_sip_msg_t        *msg;
    ngx_sip_ocs_offer_e   offer;

    msg = rq->msg;

    if (msg->to.tag.len) {
        return ngx_sip_ocs_reinvite(rq, refusal);
    }

    offer = ngx_sip_ocs_offer(msg);

    if (offer == NGX_SIP_OCS_OTHER || ngx_sip_ocs_is_multiparty(msg)) {
        return ngx_sip_ocs_media_refused(rq, refusal);
    }

    rc = ngx_sip_dialog_texts(rq->conn, rq->ev->pool, msg, rq->texts);

    if (rc == NGX_DECLINED || msg->from.tag.len == 0) {
        refusal->status = 400;
        refusal->reason = "Bad Contact, Record-Route Or From";
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    rq->texts[NGX_FED_TEXT_LOCAL] = msg->to.uri;
    rq->texts[NGX_FED_TEXT_REMOTE] = msg->from.uri;

    if (ngx_sip_ocs_admit(rq) != NGX_OK) {
        return NGX_DONE;
    }

    if (ngx_sip_ocs_answer(rq, offer, &headers, &sdp) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_sip_ocs_begin(rq, refusal);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_sip_ocs_accept(rq, &headers, &sdp);

    if (rc != NGX_DONE) {
        ngx_sip_ocs_drop(rq->conn->ctx, &rq->pair.id, rq->tag, 0);
    }

    return rc;
}


/* Policy: if it forbids the session, the event is answered and gone. */

static ngx_int_t
ngx_sip_ocs_admit(ngx_sip_ocs_request_t *rq)
{
    const char         *text;
    ngx_fed_event_t    *ev;
    ngx_sip_refusal_t   refusal;
    ngx_fed_outcome_e   result;

    ev = rq->ev;
    text = NULL;

    result = ngx_fed_event_admit(ev, &text);

    if (result == NGX_FED_ACCEPTED) {
        return NGX_OK;
    }

    ngx_memzero(&refusal, sizeof(ngx_sip_refusal_t));

    refusal.status = (result == NGX_FED_REFUSED) ? 403 : 500;
    refusal.reason = text;

    if (result == NGX_FED_RATE) {
        ngx_str_set(&refusal.headers, "Retry-After: 1" CRLF);
    }

    ngx_log_error(NGX_LOG_INFO, rq->conn->link->log, 0,
                  "SIP INVITE from a user of \"%V\" to one of \"%V\" is "
                  "refused by %ui: %s", &ev->from.domain, &ev->to.domain,
                  refusal.status, text ? text : "internal error");

    ngx_sip_server_answer(rq->conn, rq->msg, &rq->key, &refusal);

    ngx_fed_event_fail(ev, result, text);

    return NGX_DECLINED;
}


/* Sessions of more than two, as LCS 2005 had them (ocs-wire 2.1, 2.9). */

static ngx_uint_t
ngx_sip_ocs_is_multiparty(ngx_sip_msg_t *msg)
{
    u_char            *p, *last;
    ngx_str_t          item;
    ngx_uint_t         i, n;
    ngx_sip_header_t  *h;

    n = 0;

    for (i = 1; i <= msg->nheaders; i++) {

        h = &msg->headers[i];

        if (ngx_sip_is(&h->name, "TriggeredInvite")
            && ngx_sip_is(&h->value, "TRUE"))
        {
            return 1;
        }

        if (ngx_sip_is(&h->name, "EndPoints")) {

            p = h->value.data;
            last = p + h->value.len;

            while (ngx_sip_item(&p, last, &item) == NGX_OK) {
                n++;
            }
        }
    }

    return n > 2;
}


/*
 * Makes the session.  It takes the place of another one of the same users: the
 * newest wins, and with an INVITE of ours under way, theirs.
 */

static ngx_int_t
ngx_sip_ocs_begin(ngx_sip_ocs_request_t *rq, ngx_sip_refusal_t *refusal)
{
    ngx_str_t           texts[NGX_FED_TEXTS];
    ngx_uint_t          level, merged;
    ngx_sip_ctx_t      *ctx;
    ngx_fed_conf_t     *fcf;
    ngx_fed_session_t  *session;

    ctx = rq->conn->ctx;
    fcf = ctx->conf;

    merged = 0;

    ngx_fed_zone_lock(fcf);

    session = ngx_fed_session_find(fcf, &rq->pair.id);

    if (session) {
        ngx_fed_session_texts(session, texts);

        merged = session->state != NGX_FED_SESSION_INVITING
                 && ngx_fed_str_equal(&texts[NGX_FED_TEXT_CALL_ID],
                                      &rq->msg->call_id)
                 && ngx_fed_str_equal(&texts[NGX_FED_TEXT_TAG],
                                      &rq->msg->from.tag);

        if (!merged) {
            rq->bye = ngx_sip_ocs_ending(ctx, session);
        }
    }

    rq->tag = rq->key.lo;

    session = merged ? NULL : ngx_sip_ocs_add(rq->ev, &rq->pair.id, rq->texts,
                                              &rq->evicted);
    if (session) {
        session->tag = rq->tag;
        session->remote_cseq = rq->msg->cseq;
        session->remote_set = 1;

        ngx_fed_session_wait(fcf, session, NGX_FED_SESSION_ACCEPTED);
    }

    ngx_fed_zone_unlock(fcf);

    if (rq->bye) {
        ngx_sip_ocs_bye(rq->bye);
    }

    if (rq->evicted) {
        ngx_sip_ocs_bye(rq->evicted);
    }

    if (session) {
        return NGX_OK;
    }

    if (merged) {
        refusal->status = 482;
        return NGX_DECLINED;
    }

    level = ngx_fed_quiet_level(rq->ev->conf, NGX_FED_QUIET_SESSIONS, NULL,
                                NGX_LOG_ERR);

    ngx_log_error(level, rq->conn->link->log, 0,
                  "no room for an IM session of a user of \"%V\", see "
                  "\"zone\" and \"sessions\"", &rq->ev->from.domain);

    refusal->status = 500;
    ngx_str_set(&refusal->headers, NGX_SIP_OCS_RETRY_AFTER);

    return NGX_DECLINED;
}


/*
 * A target, or a route, that is a new one (ocs-wire 2.5); the description does
 * not change.
 */

static ngx_int_t
ngx_sip_ocs_reinvite(ngx_sip_ocs_request_t *rq, ngx_sip_refusal_t *refusal)
{
    ngx_int_t             rc;
    ngx_str_t             texts[NGX_FED_TEXTS], headers, sdp;
    ngx_sip_msg_t        *msg;
    ngx_fed_conf_t       *fcf;
    ngx_fed_session_t    *session;
    ngx_sip_ocs_offer_e   offer;

    msg = rq->msg;
    fcf = rq->conn->ctx->conf;

    rc = ngx_sip_ocs_within(rq, refusal);

    if (rc != NGX_OK) {
        return rc;
    }

    offer = ngx_sip_ocs_offer(msg);

    if (offer == NGX_SIP_OCS_OTHER) {
        return ngx_sip_ocs_media_refused(rq, refusal);
    }

    if (ngx_sip_header(msg, NGX_SIP_CONTACT)) {

        rc = ngx_sip_dialog_texts(rq->conn, rq->ev->pool, msg, rq->texts);

        if (rc == NGX_DECLINED) {
            refusal->status = 400;
            refusal->reason = "Bad Contact Or Record-Route";
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (ngx_sip_ocs_answer(rq, offer, &headers, &sdp) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_fed_zone_lock(fcf);

    session = ngx_sip_ocs_find(rq);

    if (session) {

        if (rq->texts[NGX_FED_TEXT_TARGET].len) {

            ngx_fed_session_texts(session, texts);

            texts[NGX_FED_TEXT_TARGET] = rq->texts[NGX_FED_TEXT_TARGET];

            if (rq->texts[NGX_FED_TEXT_ROUTES].len) {
                texts[NGX_FED_TEXT_ROUTES] = rq->texts[NGX_FED_TEXT_ROUTES];
            }

            (void) ngx_fed_session_set_texts(fcf, session, texts);
        }

        if (msg->method == NGX_SIP_INVITE) {
            ngx_fed_session_wait(fcf, session, NGX_FED_SESSION_ACCEPTED);
        }
    }

    ngx_fed_zone_unlock(fcf);

    if (session == NULL) {
        refusal->status = 481;
        return NGX_DECLINED;
    }

    if (msg->method == NGX_SIP_INVITE) {

        rc = ngx_sip_ocs_accept(rq, &headers, &sdp);

        if (rc != NGX_DONE) {
            ngx_sip_ocs_drop(rq->conn->ctx, &rq->pair.id, rq->tag, 1);
        }

        return rc;
    }

    refusal->headers = headers;

    if (offer != NGX_SIP_OCS_NO_OFFER) {
        refusal->body = sdp;
        return NGX_OK;
    }

    refusal->headers.len -= sizeof(NGX_SIP_OCS_SDP_ROW) - 1;

    return NGX_OK;
}


static ngx_int_t
ngx_sip_ocs_media_refused(ngx_sip_ocs_request_t *rq,
    ngx_sip_refusal_t *refusal)
{
    u_char     *p;
    ngx_str_t  *host;

    host = &rq->conn->ctx->conf->host;

    p = ngx_pnalloc(rq->ev->pool, sizeof(NGX_SIP_OCS_WARNING) + host->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    refusal->status = 488;
    refusal->headers.data = p;
    refusal->headers.len = ngx_sprintf(p, NGX_SIP_OCS_WARNING, host) - p;

    return NGX_DECLINED;
}


/* Makes the header fields of a 200, Content-Type last, and a description. */

static ngx_int_t
ngx_sip_ocs_answer(ngx_sip_ocs_request_t *rq, ngx_sip_ocs_offer_e offer,
    ngx_str_t *headers, ngx_str_t *sdp)
{
    u_char          *p;
    size_t           size;
    ngx_str_t        local;
    ngx_pool_t      *pool;
    ngx_sip_rows_t  *rows;

    pool = rq->ev->pool;
    rows = &rq->conn->ctx->rows[rq->ev->from_domain->dialect];

    local.data = ngx_pnalloc(pool, ngx_fed_address_sip_size(&rq->ev->to));
    if (local.data == NULL) {
        return NGX_ERROR;
    }

    local.len = ngx_fed_address_to_sip(local.data, &rq->ev->to) - local.data;

    if (ngx_sip_ocs_sdp(rq->conn->ctx, pool, offer, &local, sdp) != NGX_OK) {
        return NGX_ERROR;
    }

    size = sizeof(NGX_SIP_OCS_ALLOW NGX_SIP_OCS_SDP_ROW)
           + ngx_sip_respond_routes_size(rq->conn, rq->msg)
           + ngx_sip_contact_size(rows, &rq->ev->to);

    p = ngx_pnalloc(pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    headers->data = p;

    p = ngx_sip_respond_routes(p, rq->conn, rq->msg);
    p = ngx_sip_contact(p, rows, &rq->ev->to);
    p = ngx_cpymem(p, NGX_SIP_OCS_ALLOW NGX_SIP_OCS_SDP_ROW,
                   sizeof(NGX_SIP_OCS_ALLOW NGX_SIP_OCS_SDP_ROW) - 1);

    headers->len = p - headers->data;

    return NGX_OK;
}


/*
 * Answers an INVITE by a 200, and goes on to do so until the ACK comes, maybe
 * to another process (RFC 3261, 13.3.1.4).  Returns NGX_DONE, or NGX_ERROR if
 * there is no memory.
 */

static ngx_int_t
ngx_sip_ocs_accept(ngx_sip_ocs_request_t *rq, ngx_str_t *headers,
    ngx_str_t *sdp)
{
    u_char                *p;
    ngx_sip_ctx_t         *ctx;
    ngx_fed_key_t          merge_key;
    ngx_fed_event_t       *ev;
    ngx_sip_ocs_accept_t  *accept;

    ev = rq->ev;
    ctx = rq->conn->ctx;

    accept = ngx_pcalloc(ev->pool, sizeof(ngx_sip_ocs_accept_t));
    if (accept == NULL) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(ev->pool, sizeof("OK" CRLF "Content-Length: " CRLF CRLF)
                              + headers->len + sdp->len + NGX_SIZE_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    accept->ctx = ctx;
    accept->event = ev;
    accept->id = rq->pair.id;
    accept->tag = rq->tag;
    accept->interval = NGX_SIP_OCS_T1;
    accept->deadline = ngx_current_msec + ctx->conf->transaction_timeout;

    accept->tail.data = p;
    p = ngx_sprintf(p, "OK" CRLF "%VContent-Length: %uz" CRLF CRLF "%V",
                    headers, sdp->len, sdp);
    accept->tail.len = p - accept->tail.data;

    merge_key = ngx_sip_server_merge_key(rq->conn, rq->msg);

    if (ngx_sip_server_create(rq->conn, rq->msg, &rq->key, &merge_key, ev)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    accept->timer.handler = ngx_sip_ocs_accept_handler;
    accept->timer.data = accept;
    accept->timer.log = ctx->conf->log;

    ngx_add_timer(&accept->timer, accept->interval);

    ngx_sip_server_accept(ev->source_data, &accept->tail);

    return NGX_DONE;
}


static void
ngx_sip_ocs_accept_handler(ngx_event_t *timer)
{
    ngx_uint_t             waits, late, level;
    ngx_fed_conf_t        *fcf;
    ngx_sip_client_t      *bye;
    ngx_fed_session_t     *session;
    ngx_sip_ocs_accept_t  *accept;

    accept = timer->data;
    fcf = accept->ctx->conf;

    late = (ngx_msec_int_t) (accept->deadline - ngx_current_msec) <= 0;
    bye = NULL;

    ngx_fed_zone_lock(fcf);

    session = ngx_fed_session_find(fcf, &accept->id);

    waits = session && session->tag == accept->tag
            && session->state == NGX_FED_SESSION_ACCEPTED;

    if (waits && late) {
        bye = ngx_sip_ocs_ending(accept->ctx, session);
    }

    ngx_fed_zone_unlock(fcf);

    if (waits && !late) {
        ngx_sip_server_accept(accept->event->source_data, &accept->tail);

        accept->interval = ngx_min(accept->interval * 2, NGX_SIP_OCS_T2);
        ngx_add_timer(timer, accept->interval);
        return;
    }

    if (waits) {
        level = ngx_fed_quiet_level(fcf, NGX_FED_QUIET_SILENCE,
                                    &accept->event->from.domain, NGX_LOG_ERR);

        ngx_log_error(level, fcf->log, 0,
                      "no ACK from a user of SIP domain \"%V\" for the 200 to "
                      "his INVITE: the IM session ends",
                      &accept->event->from.domain);
    }

    ngx_sip_server_end(accept->event);
    ngx_fed_event_drop(accept->event);

    if (bye) {
        ngx_sip_ocs_bye(bye);
    }
}


/* Returns the session that a request is within; the zone is locked. */

static ngx_fed_session_t *
ngx_sip_ocs_find(ngx_sip_ocs_request_t *rq)
{
    ngx_str_t           texts[NGX_FED_TEXTS];
    ngx_sip_msg_t      *msg;
    ngx_fed_session_t  *session;

    msg = rq->msg;

    if (ngx_sip_dialog_tag(&msg->to.tag, &rq->tag) != NGX_OK) {
        return NULL;
    }

    session = ngx_fed_session_find(rq->conn->ctx->conf, &rq->pair.id);

    if (session == NULL || session->tag != rq->tag
        || session->state == NGX_FED_SESSION_INVITING)
    {
        return NULL;
    }

    ngx_fed_session_texts(session, texts);

    if (!ngx_fed_str_equal(&texts[NGX_FED_TEXT_CALL_ID], &msg->call_id)
        || !ngx_fed_str_equal(&texts[NGX_FED_TEXT_TAG], &msg->from.tag))
    {
        return NULL;
    }

    return session;
}


/*
 * Checks that a request is within a session, and is newer than those before
 * (RFC 3261, 12.2.2).  An INFO that was overtaken on another connection is not
 * worth a failure.
 */

static ngx_int_t
ngx_sip_ocs_within(ngx_sip_ocs_request_t *rq, ngx_sip_refusal_t *refusal)
{
    ngx_fed_conf_t     *fcf;
    ngx_fed_session_t  *session;

    fcf = rq->conn->ctx->conf;

    ngx_fed_zone_lock(fcf);

    session = ngx_sip_ocs_find(rq);

    if (session == NULL) {
        refusal->status = 481;

    } else if (rq->msg->method == NGX_SIP_INFO) {
        ngx_fed_session_used(fcf, session);

    } else if (session->remote_set
               && rq->msg->cseq <= session->remote_cseq)
    {
        refusal->status = 500;
        refusal->reason = "CSeq Is Too Low";

    } else {
        session->remote_cseq = rq->msg->cseq;
        session->remote_set = 1;

        ngx_fed_session_used(fcf, session);
    }

    ngx_fed_zone_unlock(fcf);

    return refusal->status ? NGX_DECLINED : NGX_OK;
}


static void
ngx_sip_ocs_ack(ngx_sip_ocs_request_t *rq)
{
    ngx_fed_session_t  *session;

    ngx_fed_zone_lock(rq->conn->ctx->conf);

    session = ngx_sip_ocs_find(rq);

    if (session && session->state == NGX_FED_SESSION_ACCEPTED) {
        session->state = NGX_FED_SESSION_LIVE;
    }

    ngx_fed_zone_unlock(rq->conn->ctx->conf);
}


static ngx_int_t
ngx_sip_ocs_message(ngx_sip_ocs_request_t *rq, ngx_sip_refusal_t *refusal)
{
    ngx_int_t         rc;
    ngx_fed_key_t     merge_key;
    ngx_fed_event_t  *ev;

    ev = rq->ev;

    rc = ngx_sip_ocs_within(rq, refusal);

    if (rc == NGX_OK) {
        rc = ngx_sip_ocs_read(rq->conn->ctx, rq->msg, ev, refusal);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    ev->type = NGX_FED_CHAT;

    if (ev->kind != NGX_FED_MESSAGE) {
        ngx_sip_im_status(rq->conn, rq->msg, &rq->key, ev);
        return NGX_DONE;
    }

    merge_key = ngx_sip_server_merge_key(rq->conn, rq->msg);

    if (ngx_sip_server_create(rq->conn, rq->msg, &rq->key, &merge_key, ev)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_sip_composing_content(ev);
    ngx_fed_event_submit(ev);

    return NGX_DONE;
}


/* Of all that an INFO may tell, typing is what has a form over there. */

static ngx_int_t
ngx_sip_ocs_info(ngx_sip_ocs_request_t *rq, ngx_sip_refusal_t *refusal)
{
    ngx_int_t  rc;

    rc = ngx_sip_ocs_within(rq, refusal);

    if (rc != NGX_OK) {
        return rc;
    }

    rq->ev->type = NGX_FED_CHAT;
    rq->ev->chat_state = ngx_sip_ocs_typing(rq->msg);

    if (rq->ev->chat_state == NGX_FED_CHAT_NONE) {
        return NGX_OK;
    }

    ngx_sip_im_status(rq->conn, rq->msg, &rq->key, rq->ev);

    return NGX_DONE;
}


/*
 * Adds a session of the users of an event to the zone, which is locked; if
 * that is full the one that was used least recently makes room, and *bye,
 * which may be NULL, is to be sent when the zone is unlocked.  Returns NULL if
 * there is no room.
 */

ngx_fed_session_t *
ngx_sip_ocs_add(ngx_fed_event_t *ev, ngx_fed_key_t *id, ngx_str_t *texts,
    ngx_sip_client_t **bye)
{
    uint64_t            partner;
    ngx_fed_conf_t     *fcf;
    ngx_fed_session_t  *session;

    *bye = NULL;

    fcf = ev->conf;
    partner = ngx_fed_session_partner(fcf, ev);

    session = ngx_fed_session_add(fcf, id, partner, texts);

    if (session) {
        return session;
    }

    session = ngx_fed_session_spare(fcf, partner);

    if (session == NULL) {
        return NULL;
    }

    *bye = ngx_sip_ocs_ending(fcf->sip_data, session);

    return ngx_fed_session_add(fcf, id, partner, texts);
}


/*
 * Removes a session from the zone, which is locked.  Returns the BYE to be sent
 * after that, or NULL if there is no dialog to be ended, or no memory.
 */

ngx_sip_client_t *
ngx_sip_ocs_ending(ngx_sip_ctx_t *ctx, ngx_fed_session_t *session)
{
    ngx_sip_client_t  *bye;
    ngx_sip_dialog_t  *dialog;

    static ngx_str_t  method = ngx_string("BYE");

    bye = NULL;

    if (session->state != NGX_FED_SESSION_INVITING) {
        bye = ngx_sip_client_create(ctx, &method);
    }

    if (bye) {
        dialog = ngx_palloc(bye->pool, sizeof(ngx_sip_dialog_t));

        if (dialog == NULL
            || ngx_sip_ocs_dialog(ctx, bye->pool, session, dialog) != NGX_OK)
        {
            ngx_destroy_pool(bye->pool);
            bye = NULL;

        } else {
            bye->data = dialog;
            bye->handler = ngx_sip_ocs_ended;
        }
    }

    ngx_fed_session_free(ctx->conf, session);

    return bye;
}


/*
 * Copies a session for a request of ours in it, which takes the next CSeq; the
 * zone is locked.  Returns NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_sip_ocs_dialog(ngx_sip_ctx_t *ctx, ngx_pool_t *pool,
    ngx_fed_session_t *session, ngx_sip_dialog_t *dialog)
{
    u_char      *p;
    size_t       size;
    ngx_str_t   *texts;
    ngx_uint_t   i;

    texts = dialog->texts;

    ngx_memzero(dialog, sizeof(ngx_sip_dialog_t));
    ngx_fed_session_texts(session, texts);

    size = 0;

    for (i = 0; i < NGX_FED_TEXTS; i++) {
        size += texts[i].len;
    }

    p = ngx_pnalloc(pool, ngx_max(size, 1));

    dialog->local = ngx_palloc(pool, sizeof(ngx_fed_address_t));
    dialog->remote = ngx_palloc(pool, sizeof(ngx_fed_address_t));

    if (p == NULL || dialog->local == NULL || dialog->remote == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, session->text, size);
    ngx_fed_texts_unpack(p, session->len, texts);

    if (ngx_fed_address_from_sip(pool, &texts[NGX_FED_TEXT_LOCAL],
                                 dialog->local)
        != NGX_OK
        || ngx_fed_address_from_sip(pool, &texts[NGX_FED_TEXT_REMOTE],
                                    dialog->remote)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    dialog->tag = session->tag;
    dialog->cseq = ++session->cseq;

    return NGX_OK;
}


/*
 * Sends what ngx_sip_ocs_ending() made, unless too many wait for an answer: who
 * begins sessions without end, and answers nothing, hears of an end when he
 * uses them.
 */

void
ngx_sip_ocs_bye(ngx_sip_client_t *bye)
{
    ngx_str_t  none;

    if (bye->ctx->nending == NGX_SIP_OCS_ENDING_MAX) {
        ngx_destroy_pool(bye->pool);
        return;
    }

    bye->ctx->nending++;

    ngx_str_null(&none);

    (void) ngx_sip_dialog_send(bye, bye->data, &none, &none);
}


/* Whatever the answer is, the dialog has ended (RFC 3261, 15.1.1). */

void
ngx_sip_ocs_ended(ngx_sip_client_t *client, ngx_fed_outcome_t *outcome,
    ngx_sip_msg_t *msg)
{
    client->ctx->nending--;

    ngx_log_debug2(NGX_LOG_DEBUG_STREAM, client->ctx->conf->log, 0,
                   "sip session with \"%V\" ended: %ui", &client->name,
                   outcome->status);
}


/* Ends a session, if it still has this tag of ours, with or without a BYE. */

void
ngx_sip_ocs_drop(ngx_sip_ctx_t *ctx, ngx_fed_key_t *id, uint64_t tag,
    ngx_uint_t bye)
{
    ngx_sip_client_t   *client;
    ngx_fed_session_t  *session;

    client = NULL;

    ngx_fed_zone_lock(ctx->conf);

    session = ngx_fed_session_find(ctx->conf, id);

    if (session && session->tag == tag) {

        if (bye) {
            client = ngx_sip_ocs_ending(ctx, session);

        } else {
            ngx_fed_session_free(ctx->conf, session);
        }
    }

    ngx_fed_zone_unlock(ctx->conf);

    if (client) {
        ngx_sip_ocs_bye(client);
    }
}


/* Ends sessions that nobody has used for "session_timeout". */

void
ngx_sip_ocs_idle(ngx_sip_ctx_t *ctx)
{
    ngx_uint_t          i;
    ngx_sip_client_t   *bye;
    ngx_fed_session_t  *session;

    for (i = 0; i < NGX_SIP_OCS_EXPIRED_MAX; i++) {

        ngx_fed_zone_lock(ctx->conf);

        session = ngx_fed_session_idle(ctx->conf);
        bye = session ? ngx_sip_ocs_ending(ctx, session) : NULL;

        ngx_fed_zone_unlock(ctx->conf);

        if (session == NULL) {
            return;
        }

        if (bye) {
            ngx_sip_ocs_bye(bye);
        }
    }
}
