
/*
 * default auto: which of the two protocols a domain speaks, as DNS says, and
 * which pairs of users stay with the one that they use.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_fed.h"


#define NGX_FED_LOOKUPS          512     /* at once, in a worker */
#define NGX_FED_LOOKUP_POOL      512
#define NGX_FED_LOOKUP_MIN       1000    /* ms, for DNS to answer */
#define NGX_FED_LOOKUP_QUERIES   3

/* keys of what is kept in the zone */

#define NGX_FED_AUTO_DOMAIN      1
#define NGX_FED_AUTO_PAIR        2


/* a look-up of a domain, and the events that wait for it */

typedef struct {
    ngx_str_node_t                sn;

    ngx_fed_conf_t               *conf;
    ngx_pool_t                   *pool;
    ngx_resolver_ctx_t           *ctx[NGX_FED_LOOKUP_QUERIES];
    ngx_fed_offers_e              answers[NGX_FED_LOOKUP_QUERIES];
    ngx_fed_speaks_t              speaks;
    time_t                        valid;     /* of what was found */

    ngx_queue_t                   waiting;   /* ngx_fed_event_t */
    ngx_uint_t                    nwaiting;

    ngx_event_t                   timer;     /* or posted, when it is done */
} ngx_fed_lookup_t;


/* a worker's own */

typedef struct {
    ngx_rbtree_t                  lookups;
    ngx_rbtree_node_t             sentinel;
    ngx_uint_t                    nlookups;
    ngx_uint_t                    nwaiting;
} ngx_fed_auto_t;


static ngx_uint_t ngx_fed_auto_asks(ngx_fed_event_t *ev);
static ngx_uint_t ngx_fed_auto_live(ngx_fed_event_t *ev);
static ngx_uint_t ngx_fed_auto_watches(ngx_fed_event_t *ev,
    ngx_fed_address_t *watcher, ngx_fed_address_t *presentity,
    ngx_uint_t sip);
static ngx_fed_protocol_e ngx_fed_auto_prefer(ngx_fed_event_t *ev);
static ngx_fed_outcome_e ngx_fed_auto_decide(ngx_fed_speaks_t *speaks,
    ngx_fed_protocol_e prefer, ngx_fed_protocol_e *protocol);
static void ngx_fed_auto_domain_key(ngx_fed_conf_t *fcf, ngx_str_t *name,
    ngx_fed_key_t *key);
static void ngx_fed_auto_pair_key(ngx_fed_event_t *ev, ngx_fed_key_t *key);
static ngx_fed_lookup_t *ngx_fed_auto_lookup(ngx_fed_conf_t *fcf,
    ngx_str_t *name);
static void ngx_fed_auto_start(ngx_fed_lookup_t *lookup);
static ngx_uint_t ngx_fed_auto_skips(ngx_fed_lookup_t *lookup, ngx_uint_t i);
static void ngx_fed_auto_resolve_handler(ngx_resolver_ctx_t *ctx);
static ngx_fed_offers_e ngx_fed_auto_offers(ngx_fed_lookup_t *lookup,
    ngx_fed_protocol_e protocol);
static void ngx_fed_auto_read(ngx_fed_lookup_t *lookup, ngx_uint_t i);
static void ngx_fed_auto_done_handler(ngx_event_t *ev);
static void ngx_fed_auto_keep(ngx_fed_lookup_t *lookup);
static void ngx_fed_auto_free(ngx_fed_lookup_t *lookup);


static const struct {
    ngx_str_t                     service;
    ngx_fed_protocol_e            protocol;
    unsigned                      direct:1;  /* TLS, XEP-0368 */

} ngx_fed_auto_queries[NGX_FED_LOOKUP_QUERIES] = {
    { ngx_string("sipfederationtls"), NGX_FED_PROTOCOL_SIP, 0 },
    { ngx_string("xmpp-server"), NGX_FED_PROTOCOL_XMPP, 0 },
    { ngx_string("xmpps-server"), NGX_FED_PROTOCOL_XMPP, 1 }
};


/*
 * Decides whether this gateway is the way of an event, when one of its domains
 * is among those of "default auto".  Returns NGX_FED_ACCEPTED, NGX_FED_PENDING
 * if DNS is to be asked first, by ngx_fed_auto_wait(), or the outcome that the
 * event is to have, with the reason in *text.
 *
 * Who sends was authenticated on the leg that he sends on, which shows that his
 * domain speaks it: it is the recipient's that is looked up.  A pair of users
 * who exchanged messages lately, or one of whom sees the other, stays with the
 * leg in use: only if neither is so does the preference count.
 */

ngx_fed_outcome_e
ngx_fed_auto_choose(ngx_fed_event_t *ev, const char **text)
{
    ngx_uint_t           pinned, live, fresh;
    ngx_msec_t           used;
    ngx_fed_key_t        pair[2], name[2];
    ngx_fed_conf_t      *fcf;
    ngx_fed_speaks_t     speaks;
    ngx_fed_outcome_e    result;
    ngx_fed_protocol_e   wanted, protocol;

    fcf = ev->conf;

    if (!ev->to_domain->automatic || !ngx_fed_auto_asks(ev)) {
        return NGX_FED_ACCEPTED;
    }

    ngx_fed_auto_pair_key(ev, pair);
    ngx_fed_auto_domain_key(fcf, &ev->to.domain, name);

    ngx_fed_zone_lock(fcf);

    pinned = (ngx_fed_zone_choice(fcf, pair, &used, sizeof(ngx_msec_t))
              == NGX_OK
              && ngx_current_msec - used < fcf->auto_idle);

    live = !pinned && ngx_fed_auto_live(ev);

    fresh = ev->looked_up;
    speaks = ev->speaks;

    if (!pinned && !fresh
        && ngx_fed_zone_choice(fcf, name, &speaks, sizeof(ngx_fed_speaks_t))
           == NGX_OK)
    {
        fresh = ((ngx_msec_int_t) (speaks.until - ngx_current_msec) > 0);
    }

    ngx_fed_zone_unlock(fcf);

    if (pinned) {
        return NGX_FED_ACCEPTED;
    }

    if (!fresh) {

        if (!live) {
            return NGX_FED_PENDING;
        }

        /* so that it is known later whether the leg is still there */

        (void) ngx_fed_auto_lookup(fcf, &ev->to.domain);

        return NGX_FED_ACCEPTED;
    }

    wanted = (ev->target == fcf->sip) ? NGX_FED_PROTOCOL_SIP
                                      : NGX_FED_PROTOCOL_XMPP;

    result = ngx_fed_auto_decide(&speaks,
                                 live ? wanted : ngx_fed_auto_prefer(ev),
                                 &protocol);

    if ((result == NGX_FED_ACCEPTED && protocol == wanted)
        || (result == NGX_FED_TIMEOUT && live))
    {
        return NGX_FED_ACCEPTED;
    }

    if (result == NGX_FED_TIMEOUT) {
        *text = "DNS does not tell which protocol the domain speaks";
        return NGX_FED_TIMEOUT;
    }

    if (speaks.offers[!wanted] == NGX_FED_OFFERS_IT) {
        *text = (wanted == NGX_FED_PROTOCOL_SIP)
                ? "recipient's domain speaks XMPP itself, as DNS says"
                : "recipient's domain speaks SIP itself, as DNS says";
        return NGX_FED_NATIVE;
    }

    *text = (wanted == NGX_FED_PROTOCOL_SIP)
            ? "recipient's domain has no SIP service in DNS"
            : "recipient's domain has no XMPP service, as DNS says";

    return NGX_FED_NO_DOMAIN;
}


/*
 * What begins something asks.  What ends something, or answers, or tells of a
 * presence, goes where there is somebody who waits for it, and else nowhere.
 */

static ngx_uint_t
ngx_fed_auto_asks(ngx_fed_event_t *ev)
{
    switch (ev->kind) {

    case NGX_FED_PRESENCE:
        return 0;

    case NGX_FED_SUBSCRIPTION:
        return ev->source == ev->conf->sip
               || ev->presence == NGX_FED_SUBSCRIBE
               || ev->presence == NGX_FED_PROBE;

    default:
        return 1;
    }
}


/* Does one of the two see the other over the legs of the event? */

static ngx_uint_t
ngx_fed_auto_live(ngx_fed_event_t *ev)
{
    ngx_uint_t  sip;

    sip = (ev->source == ev->conf->sip);

    return ngx_fed_auto_watches(ev, &ev->from, &ev->to, sip)
           || ngx_fed_auto_watches(ev, &ev->to, &ev->from, !sip);
}


static ngx_uint_t
ngx_fed_auto_watches(ngx_fed_event_t *ev, ngx_fed_address_t *watcher,
    ngx_fed_address_t *presentity, ngx_uint_t sip)
{
    ngx_fed_pair_t    pair;
    ngx_fed_watch_t  *watch;

    ngx_fed_pair(ev->conf, &pair, watcher, presentity);

    watch = ngx_fed_watch_find(ev->conf, &pair.id);

    return watch && watch->sip == sip && ngx_fed_watch_live(watch);
}


static ngx_fed_protocol_e
ngx_fed_auto_prefer(ngx_fed_event_t *ev)
{
    u_char           buf[64];
    ngx_str_t        value;
    ngx_fed_conf_t  *fcf;

    fcf = ev->conf;

    if (fcf->prefer == NULL
        || ngx_fed_event_value(ev, fcf->prefer, &value) != NGX_OK)
    {
        return NGX_FED_PROTOCOL_SIP;
    }

    if (value.len == 4 && ngx_strncmp(value.data, "xmpp", 4) == 0) {
        return NGX_FED_PROTOCOL_XMPP;
    }

    if (value.len && !(value.len == 3
                       && ngx_strncmp(value.data, "sip", 3) == 0))
    {
        value = ngx_fed_text_log(buf, sizeof(buf), &value);

        ngx_log_error(NGX_LOG_WARN, fcf->log, 0,
                      "\"prefer\" of \"default auto\" is \"%V\" for an event "
                      "from a user of \"%V\" to one of \"%V\", which is "
                      "neither \"sip\" nor \"xmpp\"",
                      &value, &ev->from.domain, &ev->to.domain);
    }

    return NGX_FED_PROTOCOL_SIP;
}


/*
 * Of two protocols that are offered it is the preferred one.  What DNS has
 * records of neither for may be an XMPP server all the same (RFC 6120, 3.2.2).
 * Returns NGX_FED_TIMEOUT if it hangs on what is not known.
 */

static ngx_fed_outcome_e
ngx_fed_auto_decide(ngx_fed_speaks_t *speaks, ngx_fed_protocol_e prefer,
    ngx_fed_protocol_e *protocol)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_FED_PROTOCOLS; i++) {

        *protocol = (i == 0) ? prefer : (ngx_fed_protocol_e) !prefer;

        if (speaks->offers[*protocol] == NGX_FED_OFFERS_IT) {
            return NGX_FED_ACCEPTED;
        }

        if (speaks->offers[*protocol] == NGX_FED_OFFERS_UNKNOWN) {
            return NGX_FED_TIMEOUT;
        }
    }

    *protocol = NGX_FED_PROTOCOL_XMPP;

    return (speaks->offers[NGX_FED_PROTOCOL_XMPP] == NGX_FED_OFFERS_NEVER)
           ? NGX_FED_NO_DOMAIN : NGX_FED_ACCEPTED;
}


/*
 * The two users of an event, one of them of a domain of "default auto", have
 * exchanged something: they stay with the leg until they are idle.
 */

void
ngx_fed_auto_used(ngx_fed_event_t *ev)
{
    ngx_msec_t       now;
    ngx_fed_key_t    key[2];
    ngx_fed_conf_t  *fcf;

    fcf = ev->conf;

    if (ev->from_domain == NULL || ev->to_domain == NULL
        || !(ev->from_domain->automatic || ev->to_domain->automatic))
    {
        return;
    }

    now = ngx_current_msec;

    ngx_fed_auto_pair_key(ev, key);

    ngx_fed_zone_lock(fcf);
    ngx_fed_zone_choose(fcf, key, &now, sizeof(ngx_msec_t));
    ngx_fed_zone_unlock(fcf);
}


static void
ngx_fed_auto_domain_key(ngx_fed_conf_t *fcf, ngx_str_t *name,
    ngx_fed_key_t *key)
{
    ngx_fed_hash_t  hash;

    ngx_fed_hash_init(&hash, &ngx_fed_zone_watches(fcf)->key);
    ngx_fed_hash_str(&hash, name);

    key[0] = ngx_fed_hash_final(&hash);
    key[1].lo = NGX_FED_AUTO_DOMAIN;
    key[1].hi = 0;
}


/* It says which of the two is the SIP user, and hence which legs are used. */

static void
ngx_fed_auto_pair_key(ngx_fed_event_t *ev, ngx_fed_key_t *key)
{
    ngx_fed_hash_t      hash;
    ngx_fed_address_t  *sip, *xmpp;

    sip = (ev->source == ev->conf->sip) ? &ev->from : &ev->to;
    xmpp = (sip == &ev->from) ? &ev->to : &ev->from;

    ngx_fed_hash_init(&hash, &ngx_fed_zone_watches(ev->conf)->key);
    ngx_fed_hash_str(&hash, &sip->user);
    ngx_fed_hash_str(&hash, &sip->domain);
    ngx_fed_hash_str(&hash, &xmpp->user);
    ngx_fed_hash_str(&hash, &xmpp->domain);

    key[0] = ngx_fed_hash_final(&hash);
    key[1].lo = NGX_FED_AUTO_PAIR;
    key[1].hi = 0;
}


/*
 * Lets an event wait for what DNS says of the recipient's domain: resume() is
 * called later, with ev->speaks set, and never from within this.  What the
 * event needs until then must be its own.  Returns NGX_FED_PENDING, or the
 * outcome that the event is to have, with the reason in *text.
 */

ngx_fed_outcome_e
ngx_fed_auto_wait(ngx_fed_event_t *ev, ngx_fed_resume_pt resume,
    const char **text)
{
    ngx_fed_auto_t    *automatic;
    ngx_fed_conf_t    *fcf;
    ngx_fed_lookup_t  *lookup;

    fcf = ev->conf;
    automatic = fcf->auto_data;

    lookup = ngx_fed_auto_lookup(fcf, &ev->to.domain);

    if (lookup == NULL || lookup->nwaiting >= fcf->domain_queue
        || automatic->nwaiting >= fcf->link_events)
    {
        *text = "too many events wait for DNS";
        return NGX_FED_QUEUE_FULL;
    }

    ev->resume = resume;

    ngx_queue_insert_tail(&lookup->waiting, &ev->wait);

    lookup->nwaiting++;
    automatic->nwaiting++;

    return NGX_FED_PENDING;
}


/*
 * Finds the look-up of a domain that is under way, or begins one.  Returns NULL
 * if there are too many, or no memory.
 */

static ngx_fed_lookup_t *
ngx_fed_auto_lookup(ngx_fed_conf_t *fcf, ngx_str_t *name)
{
    uint32_t           hash;
    ngx_pool_t        *pool;
    ngx_fed_auto_t    *automatic;
    ngx_str_node_t    *sn;
    ngx_fed_lookup_t  *lookup;

    automatic = fcf->auto_data;
    hash = ngx_crc32_short(name->data, name->len);

    sn = ngx_str_rbtree_lookup(&automatic->lookups, name, hash);

    if (sn) {
        return (ngx_fed_lookup_t *) sn;
    }

    if (automatic->nlookups >= NGX_FED_LOOKUPS) {
        return NULL;
    }

    pool = ngx_create_pool(NGX_FED_LOOKUP_POOL, fcf->log);
    if (pool == NULL) {
        return NULL;
    }

    lookup = ngx_pcalloc(pool, sizeof(ngx_fed_lookup_t));
    if (lookup == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    lookup->sn.node.key = hash;
    lookup->sn.str.len = name->len;
    lookup->sn.str.data = ngx_pstrdup(pool, name);

    if (lookup->sn.str.data == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    lookup->conf = fcf;
    lookup->pool = pool;
    lookup->valid = NGX_MAX_INT_T_VALUE;

    lookup->timer.handler = ngx_fed_auto_done_handler;
    lookup->timer.data = lookup;
    lookup->timer.log = fcf->log;

    ngx_queue_init(&lookup->waiting);

    ngx_rbtree_insert(&automatic->lookups, &lookup->sn.node);
    automatic->nlookups++;

    ngx_fed_auto_start(lookup);

    return lookup;
}


/*
 * DNS has until then what an event of a SIP sender may take apart from being
 * confirmed.
 */

static void
ngx_fed_auto_start(ngx_fed_lookup_t *lookup)
{
    ngx_msec_t           timeout;
    ngx_uint_t           i, pending;
    ngx_fed_conf_t      *fcf;
    ngx_resolver_ctx_t  *ctx;

    fcf = lookup->conf;

    timeout = fcf->transaction_timeout - fcf->trying_timeout
              - fcf->confirm_timeout;

    timeout = ngx_max(timeout, NGX_FED_LOOKUP_MIN);
    timeout = ngx_min(timeout, fcf->resolver_timeout);

    pending = 0;

    for (i = 0; i < NGX_FED_LOOKUP_QUERIES; i++) {

        if (ngx_fed_auto_skips(lookup, i)) {
            lookup->answers[i] = NGX_FED_OFFERS_NOT;
            continue;
        }

        ctx = ngx_resolve_start(fcf->resolver, NULL);

        if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
            continue;
        }

        ctx->name = lookup->sn.str;
        ctx->service = ngx_fed_auto_queries[i].service;
        ctx->handler = ngx_fed_auto_resolve_handler;
        ctx->data = lookup;
        ctx->timeout = timeout;

        lookup->ctx[i] = ctx;

        if (ngx_resolve_name(ctx) != NGX_OK) {
            lookup->ctx[i] = NULL;
        }
    }

    for (i = 0; i < NGX_FED_LOOKUP_QUERIES; i++) {
        pending += (lookup->ctx[i] != NULL);
    }

    if (pending) {
        ngx_add_timer(&lookup->timer, timeout);

    } else if (!lookup->timer.posted) {
        ngx_post_event(&lookup->timer, &ngx_posted_events);
    }
}


/* What tls= of the XMPP side has no use for is not asked for. */

static ngx_uint_t
ngx_fed_auto_skips(ngx_fed_lookup_t *lookup, ngx_uint_t i)
{
    ngx_fed_domain_t  *domain;

    if (ngx_fed_auto_queries[i].protocol != NGX_FED_PROTOCOL_XMPP) {
        return 0;
    }

    domain = lookup->conf->any;

    return ngx_fed_auto_queries[i].direct ? domain->tls == NGX_FED_TLS_OFF
                                          : domain->direct;
}


static void
ngx_fed_auto_resolve_handler(ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t         i;
    ngx_fed_lookup_t  *lookup;

    lookup = ctx->data;

    for (i = 0; lookup->ctx[i] != ctx; i++) { /* void */ }

    ngx_fed_auto_read(lookup, i);

    lookup->ctx[i] = NULL;

    ngx_resolve_name_done(ctx);

    for (i = 0; i < NGX_FED_LOOKUP_QUERIES; i++) {
        if (lookup->ctx[i]
            && ngx_fed_auto_offers(lookup, ngx_fed_auto_queries[i].protocol)
               != NGX_FED_OFFERS_IT)
        {
            return;
        }
    }

    /* before the timer is set it is within ngx_fed_auto_start() */

    if (lookup->timer.timer_set) {
        ngx_del_timer(&lookup->timer);
        ngx_post_event(&lookup->timer, &ngx_posted_events);
    }
}


/*
 * What is there of an answer: records tell that a protocol is offered, whether
 * or not their targets have addresses (RFC 2782).
 */

static void
ngx_fed_auto_read(ngx_fed_lookup_t *lookup, ngx_uint_t i)
{
    ngx_resolver_ctx_t       *ctx;
    ngx_resolver_srv_name_t  *srv;

    ctx = lookup->ctx[i];

    if (ctx->nsrvs) {

        srv = ctx->srvs;

        if (ctx->nsrvs == 1
            && (srv->name.len == 0
                || (srv->name.len == 1 && srv->name.data[0] == '.')))
        {
            lookup->answers[i] = NGX_FED_OFFERS_NEVER;
            return;
        }

        lookup->answers[i] = NGX_FED_OFFERS_IT;
        lookup->valid = ngx_min(lookup->valid, ctx->valid);
        return;
    }

    if (ctx->state == NGX_RESOLVE_NXDOMAIN) {
        lookup->answers[i] = NGX_FED_OFFERS_NOT;
        return;
    }

    if (ctx->state > NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, lookup->conf->log, 0,
                      "%V of %V could not be resolved (%i: %s), "
                      "federation: %V",
                      &ngx_fed_auto_queries[i].service, &lookup->sn.str,
                      ctx->state,
                      ngx_resolver_strerror(ctx->state), &lookup->conf->name);
    }
}


/* One service is enough, and what one has none of the other may have. */

static ngx_fed_offers_e
ngx_fed_auto_offers(ngx_fed_lookup_t *lookup, ngx_fed_protocol_e protocol)
{
    ngx_uint_t         i;
    ngx_fed_offers_e   offers, answer;

    offers = NGX_FED_OFFERS_NOT;

    for (i = 0; i < NGX_FED_LOOKUP_QUERIES; i++) {

        if (ngx_fed_auto_queries[i].protocol != protocol) {
            continue;
        }

        answer = lookup->answers[i];

        if (answer == NGX_FED_OFFERS_IT) {
            return answer;
        }

        if (answer == NGX_FED_OFFERS_UNKNOWN
            || offers == NGX_FED_OFFERS_NOT)
        {
            offers = answer;
        }
    }

    return offers;
}


/* The answers are there, or DNS had its time. */

static void
ngx_fed_auto_done_handler(ngx_event_t *ev)
{
    ngx_uint_t         i;
    ngx_queue_t       *q, waiting;
    ngx_fed_event_t   *event;
    ngx_fed_lookup_t  *lookup;
    ngx_fed_speaks_t   speaks;

    lookup = ev->data;

    for (i = 0; i < NGX_FED_LOOKUP_QUERIES; i++) {
        if (lookup->ctx[i]) {
            ngx_fed_auto_read(lookup, i);
        }
    }

    for (i = 0; i < NGX_FED_PROTOCOLS; i++) {
        lookup->speaks.offers[i] = ngx_fed_auto_offers(lookup, i);
    }

    ngx_fed_auto_keep(lookup);

    speaks = lookup->speaks;

    ngx_queue_init(&waiting);

    if (!ngx_queue_empty(&lookup->waiting)) {
        ngx_queue_add(&waiting, &lookup->waiting);
    }

    ngx_fed_auto_free(lookup);

    while (!ngx_queue_empty(&waiting)) {

        q = ngx_queue_head(&waiting);
        ngx_queue_remove(q);

        event = ngx_queue_data(q, ngx_fed_event_t, wait);

        event->speaks = speaks;
        event->looked_up = 1;

        event->resume(event);
    }
}


/*
 * What DNS did not tell is as it was.  After a failure it is asked again before
 * long; what has no records is found out sooner than that there are none.
 */

static void
ngx_fed_auto_keep(ngx_fed_lookup_t *lookup)
{
    ngx_int_t          rc;
    ngx_msec_t         ms;
    ngx_uint_t         i, failed;
    ngx_fed_key_t      key[2];
    ngx_fed_conf_t    *fcf;
    ngx_fed_speaks_t  *speaks, old;

    fcf = lookup->conf;
    speaks = &lookup->speaks;
    failed = 0;

    ngx_fed_auto_domain_key(fcf, &lookup->sn.str, key);

    ngx_fed_zone_lock(fcf);

    rc = ngx_fed_zone_choice(fcf, key, &old, sizeof(ngx_fed_speaks_t));

    for (i = 0; i < NGX_FED_PROTOCOLS; i++) {

        if (speaks->offers[i] == NGX_FED_OFFERS_UNKNOWN) {
            failed = 1;

            if (rc == NGX_OK) {
                speaks->offers[i] = old.offers[i];
            }
        }
    }

    ms = fcf->auto_min;

    if (failed) {
        ms = ngx_min(fcf->reconnect_delay, fcf->auto_min);

    } else if (lookup->valid != NGX_MAX_INT_T_VALUE
               && lookup->valid > ngx_time())
    {
        ms = (ngx_msec_t) ngx_min(lookup->valid - ngx_time(), 86400) * 1000;
        ms = ngx_max(ngx_min(ms, fcf->auto_max), fcf->auto_min);
    }

    speaks->until = ngx_current_msec + ms;

    ngx_fed_zone_choose(fcf, key, speaks, sizeof(ngx_fed_speaks_t));

    ngx_fed_zone_unlock(fcf);

    ngx_log_debug4(NGX_LOG_DEBUG_STREAM, fcf->log, 0,
                   "federation auto: \"%V\" sip:%ud xmpp:%ud for %M ms",
                   &lookup->sn.str,
                   (uint32_t) speaks->offers[NGX_FED_PROTOCOL_SIP],
                   (uint32_t) speaks->offers[NGX_FED_PROTOCOL_XMPP], ms);
}


static void
ngx_fed_auto_free(ngx_fed_lookup_t *lookup)
{
    ngx_uint_t       i;
    ngx_fed_auto_t  *automatic;

    automatic = lookup->conf->auto_data;

    for (i = 0; i < NGX_FED_LOOKUP_QUERIES; i++) {
        if (lookup->ctx[i]) {
            ngx_resolve_name_done(lookup->ctx[i]);
        }
    }

    if (lookup->timer.timer_set) {
        ngx_del_timer(&lookup->timer);
    }

    if (lookup->timer.posted) {
        ngx_delete_posted_event(&lookup->timer);
    }

    ngx_rbtree_delete(&automatic->lookups, &lookup->sn.node);

    automatic->nlookups--;
    automatic->nwaiting -= lookup->nwaiting;

    ngx_destroy_pool(lookup->pool);
}


ngx_int_t
ngx_fed_auto_init_process(ngx_fed_conf_t *fcf)
{
    ngx_fed_auto_t  *automatic;

    automatic = ngx_pcalloc(fcf->cycle->pool, sizeof(ngx_fed_auto_t));
    if (automatic == NULL) {
        return NGX_ERROR;
    }

    ngx_rbtree_init(&automatic->lookups, &automatic->sentinel,
                    ngx_str_rbtree_insert_value);

    fcf->auto_data = automatic;

    return NGX_OK;
}


/* What waits still is lost with the process. */

void
ngx_fed_auto_exit_process(ngx_fed_conf_t *fcf)
{
    ngx_queue_t       *q;
    ngx_rbtree_t      *tree;
    ngx_fed_auto_t    *automatic;
    ngx_fed_lookup_t  *lookup;

    automatic = fcf->auto_data;

    if (automatic == NULL) {
        return;
    }

    tree = &automatic->lookups;

    while (tree->root != tree->sentinel) {

        lookup = (ngx_fed_lookup_t *) tree->root;

        while (!ngx_queue_empty(&lookup->waiting)) {
            q = ngx_queue_head(&lookup->waiting);
            ngx_queue_remove(q);
            ngx_fed_event_drop(ngx_queue_data(q, ngx_fed_event_t, wait));
        }

        ngx_fed_auto_free(lookup);
    }
}
