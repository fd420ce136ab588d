
/*
 * The life of an event: policy, hand-over to the other leg, outcome, log.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_fed.h"


#define NGX_FED_EVENT_SIGNATURE  0x544e5645      /* "EVNT" */

#define NGX_FED_EVENT_POOL       2048


static ngx_fed_event_t *ngx_fed_event_alloc(ngx_fed_conf_t *fcf,
    ngx_fed_leg_t *source, ngx_fed_kind_e kind);
static void ngx_fed_event_go(ngx_fed_event_t *ev);
static ngx_int_t ngx_fed_event_keep(ngx_fed_event_t *ev);
static void ngx_fed_event_native(ngx_fed_event_t *ev);
static ngx_fed_outcome_e ngx_fed_event_policy(ngx_fed_event_t *ev,
    const char **text);
static ngx_fed_outcome_e ngx_fed_event_rate(ngx_fed_event_t *ev,
    const char **text);
static ngx_uint_t ngx_fed_event_ends(ngx_fed_event_t *ev);
static ngx_int_t ngx_fed_event_permitted(ngx_fed_event_t *ev);
static ngx_int_t ngx_fed_event_session(ngx_fed_event_t *ev);
static ngx_int_t ngx_fed_event_detach(ngx_fed_event_t *ev,
    ngx_connection_t *lc);
static void ngx_fed_event_redirection(ngx_fed_event_t *ev);
static void ngx_fed_event_mask(ngx_fed_event_t *ev, ngx_uint_t flags);
static void ngx_fed_event_refused(ngx_fed_event_t *ev);
static void ngx_fed_event_log(ngx_fed_event_t *ev);
static void ngx_fed_event_destroy(ngx_fed_event_t *ev);


/*
 * Makes an event that came on a link, with a pool of its own.  The leg fills
 * it in and either submits or drops it.  Returns NULL if there is no memory.
 */

ngx_fed_event_t *
ngx_fed_event_create(ngx_fed_link_t *link, ngx_fed_leg_t *source,
    ngx_fed_kind_e kind)
{
    ngx_fed_event_t  *ev;

    ev = ngx_fed_event_alloc(link->conf, source, kind);
    if (ev == NULL) {
        return NULL;
    }

    ev->link = link;

    ngx_queue_insert_tail(&link->events, &ev->queue);
    link->nevents++;

    return ev;
}


/*
 * Makes an event that came on no link: what a time-out brings about, after an
 * event of the same users that was admitted.  It is ready for send() of its
 * target.
 */

ngx_fed_event_t *
ngx_fed_event_create_own(ngx_fed_conf_t *fcf, ngx_fed_leg_t *source,
    ngx_fed_kind_e kind)
{
    ngx_fed_event_t  *ev;

    ev = ngx_fed_event_alloc(fcf, source, kind);
    if (ev == NULL) {
        return NULL;
    }

    ev->target = (source == fcf->sip) ? fcf->xmpp : fcf->sip;
    ev->submitted = 1;
    ev->admitted = 1;

    return ev;
}


static ngx_fed_event_t *
ngx_fed_event_alloc(ngx_fed_conf_t *fcf, ngx_fed_leg_t *source,
    ngx_fed_kind_e kind)
{
    ngx_pool_t       *pool;
    ngx_fed_event_t  *ev;

    pool = ngx_create_pool(NGX_FED_EVENT_POOL, fcf->log);
    if (pool == NULL) {
        return NULL;
    }

    ev = ngx_pcalloc(pool, sizeof(ngx_fed_event_t));
    if (ev == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    ev->signature = NGX_FED_EVENT_SIGNATURE;
    ev->pool = pool;
    ev->conf = fcf;
    ev->source = source;
    ev->kind = kind;
    ev->start = ngx_current_msec;

    return ev;
}


/*
 * Hands an event over to the other leg, if policy allows.  From now on it gets
 * exactly one outcome, which done() of its source is told, maybe before this
 * returns: the caller does not touch the event any more.
 */

void
ngx_fed_event_submit(ngx_fed_event_t *ev)
{
    ev->submitted = 1;

    if (ev->conf->log_bodies && ev->body.len) {
        ev->logged_body.data = ngx_pstrdup(ev->pool, &ev->body);

        if (ev->logged_body.data) {
            ev->logged_body.len = ev->body.len;
        }
    }

    ngx_fed_event_go(ev);
}


static void
ngx_fed_event_go(ngx_fed_event_t *ev)
{
    const char         *text;
    ngx_fed_conf_t     *fcf;
    ngx_fed_outcome_e   result;

    fcf = ev->conf;
    text = NULL;

    result = ngx_fed_event_admit(ev, &text);

    if (result == NGX_FED_PENDING) {
        result = ngx_fed_event_keep(ev) == NGX_OK
                 ? ngx_fed_auto_wait(ev, ngx_fed_event_go, &text)
                 : NGX_FED_INTERNAL;
    }

    if (result == NGX_FED_PENDING) {
        return;
    }

    if (result != NGX_FED_ACCEPTED) {
        ngx_fed_event_fail(ev, result, text);
        return;
    }

    if (ev->source == fcf->xmpp
        && (ev->kind == NGX_FED_SUBSCRIPTION || ev->kind == NGX_FED_PRESENCE))
    {
        ngx_fed_roster_event(ev);
        return;
    }

    ev->target->send(ev);
}


/* Copies what lies in the read buffer of the source. */

static ngx_int_t
ngx_fed_event_keep(ngx_fed_event_t *ev)
{
    u_char      *p;
    ngx_str_t   *texts[5];
    ngx_uint_t   i;

    texts[0] = &ev->body;
    texts[1] = &ev->subject;
    texts[2] = &ev->thread;
    texts[3] = &ev->lang;
    texts[4] = &ev->stamp;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {

        if (texts[i]->len == 0) {
            continue;
        }

        p = ngx_pstrdup(ev->pool, texts[i]);
        if (p == NULL) {
            return NGX_ERROR;
        }

        texts[i]->data = p;
    }

    return NGX_OK;
}


/*
 * Asks policy whether an event may cross, once.  Returns NGX_FED_ACCEPTED, or
 * the outcome that it is to have, with the reason in *text; NGX_FED_PENDING, if
 * DNS must be asked first, to submit() only: the legs see to that themselves
 * when they must have an answer at once.
 */

ngx_fed_outcome_e
ngx_fed_event_admit(ngx_fed_event_t *ev, const char **text)
{
    ngx_fed_outcome_e  result;

    if (ev->admitted) {
        return NGX_FED_ACCEPTED;
    }

    ev->target = (ev->source == ev->conf->sip) ? ev->conf->xmpp
                                               : ev->conf->sip;

    result = ngx_fed_event_policy(ev, text);

    ev->admitted = (result == NGX_FED_ACCEPTED);

    return result;
}


/* Policy: who may send to whom, and how much. */

static ngx_fed_outcome_e
ngx_fed_event_policy(ngx_fed_event_t *ev, const char **text)
{
    ngx_int_t           rc;
    ngx_fed_conf_t     *fcf;
    ngx_fed_outcome_e   result;

    fcf = ev->conf;

    result = ngx_fed_event_route(ev, text);

    /* within what is there already it goes on until more is known */

    if (result != NGX_FED_ACCEPTED
        && !(result == NGX_FED_PENDING && ev->source == fcf->sip))
    {
        return result;
    }

    result = ngx_fed_event_rate(ev, text);

    if (result != NGX_FED_ACCEPTED) {
        return result;
    }

    if (fcf->permit && !ngx_fed_event_ends(ev)) {

        rc = ngx_fed_event_permitted(ev);

        if (rc == NGX_DECLINED) {
            *text = "not permitted";
            return NGX_FED_REFUSED;
        }

        if (rc != NGX_OK) {
            return NGX_FED_INTERNAL;
        }
    }

    /* what speaks for a domain of "default auto" shows which leg it has */

    if (ev->from_domain->automatic) {
        ngx_fed_auto_used(ev);
    }

    return NGX_FED_ACCEPTED;
}


/*
 * Tells whether this gateway is the way from the sender's domain, who is
 * authenticated, to the recipient's.  Returns NGX_FED_ACCEPTED, NGX_FED_PENDING
 * if DNS must be asked first, see ngx_fed_auto_wait(), or the outcome that the
 * event is to have, with the reason in *text.
 */

ngx_fed_outcome_e
ngx_fed_event_route(ngx_fed_event_t *ev, const char **text)
{
    ngx_fed_conf_t     *fcf;
    ngx_fed_outcome_e   result;

    fcf = ev->conf;

    if (ev->chosen) {
        return NGX_FED_ACCEPTED;
    }

    ev->target = (ev->source == fcf->sip) ? fcf->xmpp : fcf->sip;

    if (ev->from_domain == NULL) {
        ev->from_domain = ngx_fed_domain_find(fcf, &ev->from.domain,
                                              ev->source);
    }

    if (ev->to_domain == NULL) {
        ev->to_domain = ngx_fed_domain_find(fcf, &ev->to.domain, ev->target);
    }

    if (ev->from_domain->leg != ev->source) {
        *text = "sender's domain is not federated";
        return NGX_FED_REFUSED;
    }

    if (ev->to_domain->leg == ev->source && ev->from_domain->home
        && !ev->to_domain->home)
    {
        *text = (ev->source == fcf->sip)
                ? "recipient's domain is native SIP, not bridged here"
                : "recipient's domain is native XMPP, not bridged here";
        ngx_fed_event_native(ev);
        return NGX_FED_NATIVE;
    }

    if (ev->to_domain->leg != ev->target) {
        *text = "recipient's domain is not federated";
        return NGX_FED_REFUSED;
    }

    if (!ev->from_domain->home && !ev->to_domain->home) {
        *text = "neither domain is a home domain";
        return NGX_FED_REFUSED;
    }

    result = ngx_fed_auto_choose(ev, text);

    if (result == NGX_FED_ACCEPTED) {
        ev->chosen = 1;

    } else if (result == NGX_FED_NATIVE) {
        ngx_fed_event_native(ev);
    }

    return result;
}


/* A home server sends here what it is to send to the other server itself. */

static void
ngx_fed_event_native(ngx_fed_event_t *ev)
{
    ngx_uint_t         level;
    const char        *side;
    ngx_fed_conf_t    *fcf;
    ngx_fed_domain_t  *domain;

    fcf = ev->conf;
    domain = ev->to_domain;
    side = (ev->source == fcf->sip) ? "SIP" : "XMPP";

    level = ngx_fed_quiet_level(fcf, NGX_FED_QUIET_NATIVE, &ev->to.domain,
                                NGX_LOG_ERR);

    ngx_log_error(level, fcf->log, 0,
                  "event from a user of \"%V\" to one of \"%V\" is refused: "
                  "that domain is native %s, as %s %s:%ui says: have the %s "
                  "server of \"%V\" route it there itself, federation: %V",
                  &ev->from.domain, &ev->to.domain, side,
                  domain->automatic ? "DNS by the default in"
                                    : "the configuration in",
                  domain->file, domain->line, side, &ev->from.domain,
                  &fcf->name);
}


/*
 * Counts an event against rate= and user_rate=.  Of messages, and of what asks
 * for presence, the sender is told; chat states and receipts, which nobody
 * waits for, are counted apart, so that messages have their rate.  A presence,
 * or an answer, that is lost is one that is wrong from then on: of these the
 * last one counts, see notify_interval and presence_interval.
 */

static ngx_fed_outcome_e
ngx_fed_event_rate(ngx_fed_event_t *ev, const char **text)
{
    ngx_int_t       rc;
    ngx_uint_t      status;
    ngx_fed_rate_e  what;

    status = (ev->kind == NGX_FED_COMPOSING || ev->kind == NGX_FED_RECEIPT);

    if (!status
        && ev->kind != NGX_FED_MESSAGE
        && ev->kind != NGX_FED_SESSION
        && ev->presence != NGX_FED_SUBSCRIBE
        && ev->presence != NGX_FED_PROBE)
    {
        return NGX_FED_ACCEPTED;
    }

    what = status ? NGX_FED_RATE_STATUS : NGX_FED_RATE_EVENTS;

    rc = ngx_fed_rate_admit(ev->conf, ev->from_domain, &ev->from, what);

    switch (rc) {

    case NGX_OK:
        return NGX_FED_ACCEPTED;

    case NGX_DECLINED:
        *text = status ? "too many chat states or receipts from this user"
                       : "too many events from this user";
        return NGX_FED_RATE;

    case NGX_BUSY:
        *text = status ? "too many chat states or receipts from this domain"
                       : "too many events from this domain";
        return NGX_FED_RATE;

    default: /* NGX_ERROR */
        *text = "federation zone is full";
        return NGX_FED_INTERNAL;
    }
}


/* To end it everybody is free. */

static ngx_uint_t
ngx_fed_event_ends(ngx_fed_event_t *ev)
{
    return ev->presence == NGX_FED_UNSUBSCRIBE
           || ev->presence == NGX_FED_UNSUBSCRIBED;
}


static ngx_int_t
ngx_fed_event_permitted(ngx_fed_event_t *ev)
{
    ngx_str_t                    value;
    ngx_uint_t                   i;
    ngx_stream_complex_value_t  *cv;

    cv = ev->conf->permit->elts;

    for (i = 0; i < ev->conf->permit->nelts; i++) {

        if (ngx_fed_event_value(ev, &cv[i], &value) != NGX_OK) {
            return NGX_ERROR;
        }

        if (value.len == 0 || (value.len == 1 && value.data[0] == '0')) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* Evaluates a value whose variables are those of the event. */

ngx_int_t
ngx_fed_event_value(ngx_fed_event_t *ev, ngx_stream_complex_value_t *cv,
    ngx_str_t *value)
{
    if (ngx_fed_event_session(ev) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_stream_complex_value(ev->session, cv, value);
}


/*
 * Settles what becomes of an event and tells its source.  The event is gone
 * when this returns; the outcome's strings need not outlive the call.
 */

void
ngx_fed_event_outcome(ngx_fed_event_t *ev, ngx_fed_outcome_t *outcome)
{
    ngx_uint_t         flags;
    ngx_fed_conf_t    *fcf;
    ngx_fed_count_e    count;
    ngx_fed_domain_t  *domain;

    fcf = ev->conf;

    if (ev->outcome.result != NGX_FED_PENDING) {
        ngx_log_error(NGX_LOG_ALERT, fcf->log, 0,
                      "second outcome of an event of federation \"%V\"",
                      &fcf->name);
        return;
    }

    ev->outcome = *outcome;
    flags = 0;

    switch (outcome->result) {

    case NGX_FED_ACCEPTED:
        count = NGX_FED_COUNT_ACCEPTED;
        ev->status = (ev->source == fcf->sip && ev->kind == NGX_FED_MESSAGE
                      && !ev->ok)
                     ? fcf->message_status : 200;

        if (ev->kind == NGX_FED_MESSAGE) {
            ngx_fed_auto_used(ev);
        }

        break;

    case NGX_FED_REFUSED:
    case NGX_FED_RATE:
        ngx_fed_event_refused(ev);
        /* fall through */

    case NGX_FED_NATIVE:
        count = NGX_FED_COUNT_REFUSED;
        break;

    default:
        count = NGX_FED_COUNT_FAILED;
    }

    if (outcome->result != NGX_FED_ACCEPTED) {
        ngx_fed_event_redirection(ev);

        flags = ev->to.resource.len ? NGX_FED_TO_FULL : 0;

        domain = (ev->source == fcf->sip) ? ev->from_domain : ev->to_domain;

        if (domain) {
            flags |= domain->errors;
        }

        ev->status = ngx_fed_error_status(&ev->outcome, flags);
    }

    ngx_fed_zone_count(fcf, ev->kind, ev->source, count);

    ngx_fed_event_log(ev);

    if (fcf->mask_recipients && ngx_fed_error_reveals(&ev->outcome)) {
        ngx_fed_event_mask(ev, flags);
    }

    ev->source->done(ev);

    ngx_fed_event_destroy(ev);
}


/* Tells the administrator what is refused, and which line makes it so. */

static void
ngx_fed_event_refused(ngx_fed_event_t *ev)
{
    u_char             buf[256];
    ngx_str_t          user;
    ngx_uint_t         level;
    ngx_fed_conf_t    *fcf;
    ngx_fed_domain_t  *domain;

    fcf = ev->conf;
    domain = ev->from_domain;

    if (ev->outcome.result == NGX_FED_RATE) {

        level = ngx_fed_quiet_level(fcf, NGX_FED_QUIET_RATE, &ev->from.domain,
                                    NGX_LOG_WARN);

        user = ngx_fed_text_log(buf, sizeof(buf), &ev->from.user);

        ngx_log_error(level, fcf->log, 0,
                      "events of \"%V@%V\" are refused: %V, see \"rate=\" and "
                      "\"user_rate=\" in %s:%ui, federation: \"%V\"",
                      &user, &ev->from.domain, &ev->outcome.text,
                      domain->file, domain->line, &fcf->name);
        return;
    }

    level = ngx_fed_quiet_level(fcf, NGX_FED_QUIET_POLICY, &ev->from.domain,
                                NGX_LOG_WARN);

    ngx_log_error(level, fcf->log, 0,
                  "event from a user of \"%V\" to one of \"%V\" is refused: "
                  "%V, see \"sip_domain\", \"xmpp_domain\", \"deny\", "
                  "\"default\" and \"permit\" of federation \"%V\"",
                  &ev->from.domain, &ev->to.domain, &ev->outcome.text,
                  &fcf->name);
}


/*
 * An address that a SIP sender can make nothing of is none (RFC 7247, 7.1,
 * note 3).
 */

static void
ngx_fed_event_redirection(ngx_fed_event_t *ev)
{
    ngx_fed_address_t  addr;

    if (ev->source == ev->conf->sip
        && ev->outcome.address.len
        && ngx_fed_address_from_any(ev->pool, &ev->outcome.address, &addr)
           != NGX_OK)
    {
        ngx_str_null(&ev->outcome.address);
    }
}


/*
 * Makes an outcome say nothing of whether the recipient exists.  A request to
 * subscribe gets no answer then, as one that waits for approval (RFC 6121,
 * 8.5.1).
 */

static void
ngx_fed_event_mask(ngx_fed_event_t *ev, ngx_uint_t flags)
{
    if (ev->kind == NGX_FED_SUBSCRIPTION) {
        ev->told = 1;
    }

    ngx_memzero(&ev->outcome, sizeof(ngx_fed_outcome_t));

    ev->outcome.result = NGX_FED_STANZA_ERROR;
    ev->outcome.condition = NGX_FED_SERVICE_UNAVAILABLE;
    ev->outcome.type = NGX_FED_TYPE_CANCEL;

    ev->status = ngx_fed_error_status(&ev->outcome, flags);
}


/* The outcome of an event that this side has taken. */

void
ngx_fed_event_accept(ngx_fed_event_t *ev)
{
    ngx_fed_outcome_t  outcome;

    ngx_memzero(&outcome, sizeof(ngx_fed_outcome_t));

    outcome.result = NGX_FED_ACCEPTED;

    ngx_fed_event_outcome(ev, &outcome);
}


/* The outcome of an event that this side decides. */

void
ngx_fed_event_fail(ngx_fed_event_t *ev, ngx_fed_outcome_e result,
    const char *text)
{
    ngx_fed_outcome_t  outcome;

    ngx_memzero(&outcome, sizeof(ngx_fed_outcome_t));

    outcome.result = result;

    if (text) {
        outcome.text.len = ngx_strlen(text);
        outcome.text.data = (u_char *) text;
    }

    if (result == NGX_FED_RATE) {
        outcome.retry_after = 1;
    }

    ngx_fed_event_outcome(ev, &outcome);
}


/*
 * Takes back an event that was not submitted, or that did not cross as there is
 * nothing to tell, and nobody waits for its outcome.
 */

void
ngx_fed_event_drop(ngx_fed_event_t *ev)
{
    ngx_fed_event_destroy(ev);
}


static void
ngx_fed_event_destroy(ngx_fed_event_t *ev)
{
    ngx_fed_link_t  *link;

    link = ev->link;

    if (link) {
        ngx_queue_remove(&ev->queue);
    }

    ngx_destroy_pool(ev->pool);

    if (link) {
        ngx_fed_link_event_done(link);
    }
}


/*
 * The link is about to be closed, or is: what follows the events that came on
 * it may come on another link, at another process.
 */

void
ngx_fed_event_ending(ngx_fed_link_t *link)
{
    ngx_queue_t      *q;
    ngx_fed_event_t  *ev;

    if (link->ending) {
        return;
    }

    link->ending = 1;

    for (q = ngx_queue_head(&link->events);
         q != ngx_queue_sentinel(&link->events);
         q = ngx_queue_next(q))
    {
        ev = ngx_queue_data(q, ngx_fed_event_t, queue);

        if (ev->target && ev->target->ordered && ev->target_data) {
            ev->target->ordered(ev);
        }
    }
}


/*
 * The link is closed: the events that came on it go on without it, and keep
 * what their log lines say of it.
 */

void
ngx_fed_event_orphan(ngx_fed_link_t *link)
{
    ngx_queue_t      *q;
    ngx_fed_event_t  *ev;

    ngx_fed_event_ending(link);

    while (!ngx_queue_empty(&link->events)) {

        q = ngx_queue_head(&link->events);
        ngx_queue_remove(q);

        ev = ngx_queue_data(q, ngx_fed_event_t, queue);

        if (ngx_fed_event_session(ev) != NGX_OK
            || ngx_fed_event_detach(ev, link->connection) != NGX_OK)
        {
            ev->session = NULL;
        }

        ev->link = NULL;
    }

    link->nevents = 0;
}


/* Copies into the event's pool what was the connection's. */

static ngx_int_t
ngx_fed_event_detach(ngx_fed_event_t *ev, ngx_connection_t *lc)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    /* an address that was not bound to is asked of the socket */

    if (ngx_connection_local_sockaddr(lc, NULL, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    pool = ev->pool;
    c = ev->session->connection;

    c->log = ev->conf->log;
    c->fd = (ngx_socket_t) -1;
    c->ssl = NULL;
    c->proxy_protocol = NULL;

    c->sockaddr = ngx_palloc(pool, lc->socklen);
    c->local_sockaddr = ngx_palloc(pool, lc->local_socklen);
    c->addr_text.data = ngx_pstrdup(pool, &lc->addr_text);

    if (c->sockaddr == NULL || c->local_sockaddr == NULL
        || c->addr_text.data == NULL)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(c->sockaddr, lc->sockaddr, lc->socklen);
    ngx_memcpy(c->local_sockaddr, lc->local_sockaddr, lc->local_socklen);

    c->local_socklen = lc->local_socklen;

    ev->session->srv_conf = ev->conf->ctx->srv_conf;

    return NGX_OK;
}


/*
 * To nginx's variables and logs an event is a session of its own, filled from
 * that of the link it came on.
 */

static ngx_int_t
ngx_fed_event_session(ngx_fed_event_t *ev)
{
    ngx_time_t                   *tp;
    ngx_fed_link_t               *link;
    ngx_connection_t             *c;
    ngx_stream_session_t         *s;
    ngx_stream_core_main_conf_t  *cmcf;

    link = ev->link;

    if (ev->session || link == NULL) {
        return ev->session ? NGX_OK : NGX_ERROR;
    }

    s = ngx_pcalloc(ev->pool, sizeof(ngx_stream_session_t));
    c = ngx_palloc(ev->pool, sizeof(ngx_connection_t));

    if (s == NULL || c == NULL) {
        return NGX_ERROR;
    }

    *c = *link->connection;

    c->pool = ev->pool;
    c->data = s;

    s->signature = NGX_STREAM_MODULE;
    s->connection = c;
    s->main_conf = ev->conf->ctx->main_conf;
    s->srv_conf = link->session ? link->session->srv_conf
                                : ev->conf->ctx->srv_conf;

    tp = ngx_timeofday();

    s->start_sec = tp->sec;
    s->start_msec = tp->msec;

    cmcf = ngx_stream_get_module_main_conf(s, ngx_stream_core_module);

    s->ctx = ngx_pcalloc(ev->pool, sizeof(void *) * ngx_stream_max_module);
    s->variables = ngx_pcalloc(ev->pool, cmcf->variables.nelts
                                         * sizeof(ngx_stream_variable_value_t));

    if (s->ctx == NULL || s->variables == NULL) {
        return NGX_ERROR;
    }

#if (NGX_PCRE)
    if (cmcf->ncaptures) {
        s->captures = ngx_palloc(ev->pool, cmcf->ncaptures * sizeof(int));
        if (s->captures == NULL) {
            return NGX_ERROR;
        }
    }
#endif

    ngx_stream_set_ctx(s, ev, ngx_xmpp_sip_module);

    ev->session = s;

    return NGX_OK;
}


/* Returns the event of a session, or NULL if it is that of a connection. */

ngx_fed_event_t *
ngx_fed_event_of_session(ngx_stream_session_t *s)
{
    ngx_fed_event_t  *ev;

    ev = ngx_stream_get_module_ctx(s, ngx_xmpp_sip_module);

    if (ev == NULL || ev->signature != NGX_FED_EVENT_SIGNATURE) {
        return NULL;
    }

    return ev;
}


static void
ngx_fed_event_log(ngx_fed_event_t *ev)
{
    ngx_uint_t                    i;
    ngx_array_t                  *handlers;
    ngx_stream_handler_pt        *handler;
    ngx_stream_core_main_conf_t  *cmcf;

    if (ngx_fed_event_session(ev) != NGX_OK) {
        return;
    }

    cmcf = ngx_stream_get_module_main_conf(ev->session, ngx_stream_core_module);
    handlers = &cmcf->phases[NGX_STREAM_LOG_PHASE].handlers;
    handler = handlers->elts;

    ev->session->status = ev->status;

    for (i = 0; i < handlers->nelts; i++) {
        handler[i](ev->session);
    }
}
