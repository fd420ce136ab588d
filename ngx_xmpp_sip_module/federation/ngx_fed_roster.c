
/*
 * Who may see whom: the authorization state machine of RFC 8048, which joins
 * the one of RFC 6121, appendix A, to subscriptions of RFC 6665.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_fed.h"


#define NGX_FED_ROSTER_POOL      1024
#define NGX_FED_ROSTER_LATE      100     /* ms that a turn may be off */
#define NGX_FED_ROSTER_DOUBLE    16      /* times that a delay doubles */


/* a presence and what its strings lie in */

typedef struct {
    ngx_fed_presence_t            presence;
    u_char                        packed[NGX_FED_PACKED_MAX];
} ngx_fed_snapshot_t;


static void ngx_fed_roster_subscribe(ngx_fed_event_t *ev,
    ngx_fed_pair_t *pair);
static void ngx_fed_roster_full(ngx_fed_event_t *ev);
static void ngx_fed_roster_forgive(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair);
static void ngx_fed_roster_unsubscribe(ngx_fed_event_t *ev,
    ngx_fed_pair_t *pair);
static void ngx_fed_roster_probe(ngx_fed_event_t *ev, ngx_fed_pair_t *pair);
static void ngx_fed_roster_replay(ngx_fed_event_t *ev,
    ngx_fed_presence_t *presence);
static void ngx_fed_roster_absent(ngx_fed_event_t *ev,
    ngx_fed_presence_t *presence);
static void ngx_fed_roster_reply(ngx_fed_event_t *ev,
    ngx_fed_presence_type_e type, ngx_str_t *id);
static void ngx_fed_roster_decided(ngx_fed_event_t *ev, ngx_fed_pair_t *pair,
    ngx_uint_t granted);
static void ngx_fed_roster_presence(ngx_fed_event_t *ev,
    ngx_fed_pair_t *pair);
static ngx_uint_t ngx_fed_roster_update(ngx_fed_conf_t *fcf,
    ngx_fed_watch_t *watch, ngx_fed_event_t *ev);
static ngx_uint_t ngx_fed_roster_set(ngx_fed_presence_t *presence,
    ngx_fed_resource_t *resource);
static ngx_uint_t ngx_fed_roster_close(ngx_fed_presence_t *presence,
    ngx_fed_resource_t *resource);
static void ngx_fed_roster_snapshot(ngx_fed_watch_t *watch,
    ngx_fed_snapshot_t *snapshot);
static void ngx_fed_roster_told(ngx_fed_watch_t *watch,
    ngx_fed_snapshot_t *snapshot);
static ngx_uint_t ngx_fed_roster_hold(ngx_fed_conf_t *fcf,
    ngx_fed_watch_t *watch, ngx_fed_presence_t *presence,
    ngx_fed_presence_t *told);
static void ngx_fed_roster_release(ngx_fed_conf_t *fcf, ngx_fed_key_t *id);
static void ngx_fed_roster_gone(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_fed_presence_t *presence);
static void ngx_fed_roster_forget(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch);
static ngx_fed_watch_t *ngx_fed_roster_reverse(ngx_fed_conf_t *fcf,
    ngx_fed_pair_t *pair);
static ngx_fed_end_e ngx_fed_roster_reason(ngx_fed_outcome_t *outcome);
static void ngx_fed_roster_bounced(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_fed_outcome_t *outcome);
static void ngx_fed_roster_rest(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch);
static ngx_msec_t ngx_fed_roster_left(ngx_fed_conf_t *fcf,
    ngx_fed_watch_t *watch);
static ngx_uint_t ngx_fed_roster_turn(ngx_fed_conf_t *fcf,
    ngx_fed_watch_t *watch);
static void ngx_fed_roster_again(ngx_fed_conf_t *fcf, ngx_fed_key_t *id);


/*
 * Takes an event of the XMPP side, subscription or presence, that policy has
 * let pass, and brings about its outcome.
 */

void
ngx_fed_roster_event(ngx_fed_event_t *ev)
{
    ngx_fed_pair_t     watches, watched;
    ngx_fed_watch_t   *watch;
    ngx_fed_address_t  from, to;

    /* RFC 6121, 3.1.1: bare JIDs */

    from = ev->from;
    to = ev->to;

    ngx_str_null(&from.resource);
    ngx_str_null(&to.resource);

    ngx_fed_pair(ev->conf, &watches, &from, &to);
    ngx_fed_pair(ev->conf, &watched, &to, &from);

    switch (ev->presence) {

    case NGX_FED_SUBSCRIBE:
        ngx_fed_roster_forgive(ev->conf, &watched);
        ngx_fed_roster_subscribe(ev, &watches);
        return;

    case NGX_FED_UNSUBSCRIBE:
        ngx_fed_roster_unsubscribe(ev, &watches);
        return;

    case NGX_FED_PROBE:
        ngx_fed_roster_probe(ev, &watches);
        return;

    case NGX_FED_SUBSCRIBED:
        ngx_fed_roster_decided(ev, &watched, 1);
        return;

    case NGX_FED_UNSUBSCRIBED:
        ngx_fed_roster_decided(ev, &watched, 0);
        return;

    case NGX_FED_AVAILABLE:
    case NGX_FED_UNAVAILABLE:
        break;
    }

    if (ev->presence == NGX_FED_AVAILABLE) {

        ngx_fed_zone_lock(ev->conf);

        watch = ngx_fed_watch_find(ev->conf, &watches.id);

        if (watch) {
            watch->seen = ngx_fed_seconds();
        }

        ngx_fed_zone_unlock(ev->conf);
    }

    ngx_fed_roster_presence(ev, &watched);
}


/* RFC 8048, 5.2.1; RFC 6121, 3.1.3 */

static void
ngx_fed_roster_subscribe(ngx_fed_event_t *ev, ngx_fed_pair_t *pair)
{
    ngx_uint_t           granted, live;
    ngx_fed_conf_t      *fcf;
    ngx_fed_watch_t     *watch;
    ngx_fed_snapshot_t   snapshot;

    fcf = ev->conf;
    snapshot.presence.n = 0;

    ngx_str_null(&ev->to.resource);

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    if (watch == NULL) {
        watch = ngx_fed_watch_add(fcf, pair, 0, 0);
    }

    if (watch == NULL) {
        ngx_fed_zone_unlock(fcf);
        ngx_fed_roster_full(ev);
        return;
    }

    watch->seen = ngx_fed_seconds();

    granted = (watch->state == NGX_FED_WATCH_GRANTED);
    live = (ngx_fed_watch_live(watch) != NULL);

    if (granted) {
        watch->told = 1;
        ngx_fed_roster_snapshot(watch, &snapshot);

    } else {

        /* an answer to an unsubscribe would be taken for one to this */

        if (watch->state != NGX_FED_WATCH_PENDING) {
            ngx_fed_roster_told(watch, &snapshot);
            ngx_fed_roster_forget(fcf, watch);
        }

        watch->state = NGX_FED_WATCH_PENDING;
        watch->told = 0;
        watch->owed = 0;
        watch->failures = 0;

        ngx_fed_watch_due(fcf, watch, 0);
        ngx_fed_watch_changed(fcf);
    }

    ngx_fed_zone_unlock(fcf);

    if (granted) {
        ngx_fed_roster_reply(ev, NGX_FED_SUBSCRIBED, NULL);
        ngx_fed_roster_replay(ev, &snapshot.presence);

    } else {
        ngx_fed_roster_gone(fcf, pair, &snapshot.presence);
    }

    if (live) {
        ngx_fed_event_accept(ev);
        return;
    }

    fcf->sip->send(ev);
}


/* SEC-01, PB-44 */

static void
ngx_fed_roster_full(ngx_fed_event_t *ev)
{
    ngx_uint_t  level;

    level = ngx_fed_quiet_level(ev->conf, NGX_FED_QUIET_FULL, NULL,
                                NGX_LOG_WARN);

    ngx_log_error(level, ev->conf->log, 0,
                  "subscription of a user of \"%V\" to a user of \"%V\" is "
                  "refused: the zone \"%V\" is full, or there are too many, "
                  "see \"user_watchers\", \"user_contacts\" and "
                  "\"domain_subscriptions\"",
                  &ev->from.domain, &ev->to.domain, &ev->conf->zone_name);

    ngx_fed_event_fail(ev, NGX_FED_QUEUE_FULL, "too many subscriptions");
}


/*
 * Who wants to watch somebody whom he has refused before may be asked again
 * by him.
 */

static void
ngx_fed_roster_forgive(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair)
{
    ngx_fed_watch_t  *watch;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    if (watch && watch->state == NGX_FED_WATCH_DENIED) {
        watch->state = NGX_FED_WATCH_NONE;
        ngx_fed_roster_rest(fcf, watch);
    }

    ngx_fed_zone_unlock(fcf);
}


/* RFC 8048, 5.2.3; RFC 6121, A.3.2 */

static void
ngx_fed_roster_unsubscribe(ngx_fed_event_t *ev, ngx_fed_pair_t *pair)
{
    ngx_uint_t        live;
    ngx_fed_conf_t   *fcf;
    ngx_fed_watch_t  *watch;

    fcf = ev->conf;
    live = 0;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    if (watch) {
        watch->state = NGX_FED_WATCH_NONE;
        watch->owed = 1;
        live = (ngx_fed_watch_live(watch) != NULL);
        ngx_fed_watch_due(fcf, watch, 0);
        ngx_fed_watch_changed(fcf);
    }

    ngx_fed_zone_unlock(fcf);

    if (live) {
        fcf->sip->send(ev);
        return;
    }

    ngx_fed_roster_ended(fcf, pair);
    ngx_fed_event_accept(ev);
}


/* RFC 6121, 4.3.2; RFC 8048, 5.2.2 */

static void
ngx_fed_roster_probe(ngx_fed_event_t *ev, ngx_fed_pair_t *pair)
{
    ngx_uint_t           live, known, state;
    ngx_fed_conf_t      *fcf;
    ngx_fed_watch_t     *watch;
    ngx_fed_snapshot_t   snapshot;

    fcf = ev->conf;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    if (watch == NULL) {
        watch = ngx_fed_watch_add(fcf, pair, 0, 0);

        if (watch == NULL) {
            ngx_fed_zone_unlock(fcf);
            ngx_fed_roster_full(ev);
            return;
        }

        /* to the user's server there is an authorization */

        watch->state = NGX_FED_WATCH_PENDING;
        watch->told = 1;
    }

    watch->seen = ngx_fed_seconds();

    state = watch->state;
    live = (ngx_fed_watch_live(watch) != NULL);
    known = watch->known;

    ngx_fed_roster_snapshot(watch, &snapshot);

    ngx_fed_zone_unlock(fcf);

    if (state == NGX_FED_WATCH_DENIED || state == NGX_FED_WATCH_NONE) {
        ngx_fed_roster_reply(ev, NGX_FED_UNSUBSCRIBED, &ev->id);
        ngx_fed_event_accept(ev);
        return;
    }

    if (!live) {
        fcf->sip->send(ev);
        return;
    }

    if (state == NGX_FED_WATCH_GRANTED && known) {

        if (ngx_fed_presence_open(&snapshot.presence)) {
            ngx_fed_roster_replay(ev, &snapshot.presence);

        } else {
            ngx_fed_roster_absent(ev, &snapshot.presence);
        }
    }

    ngx_fed_event_accept(ev);
}


/* None of the resources of a SIP user is there, since a time. */

static void
ngx_fed_roster_absent(ngx_fed_event_t *ev, ngx_fed_presence_t *presence)
{
    ngx_uint_t          i;
    ngx_fed_conf_t     *fcf;
    ngx_fed_resource_t  mere;

    fcf = ev->conf;

    ngx_memzero(&mere, sizeof(ngx_fed_resource_t));

    for (i = 0; i < presence->n; i++) {
        mere.stamp = ngx_max(mere.stamp, presence->resources[i].stamp);
    }

    if (mere.stamp == 0) {
        mere.stamp = ngx_time();
    }

    fcf->xmpp->presence(fcf, NGX_FED_UNAVAILABLE, &ev->to, &ev->from, &mere,
                        &ev->id);
}


/*
 * What is known of a SIP user; of one of his resources, if that is asked, no
 * more than that it is available (RFC 6121, 4.3.2).
 */

static void
ngx_fed_roster_replay(ngx_fed_event_t *ev, ngx_fed_presence_t *presence)
{
    ngx_uint_t           i;
    ngx_str_t           *name;
    ngx_fed_conf_t      *fcf;
    ngx_fed_resource_t  *r, mere;

    fcf = ev->conf;
    name = &ev->to.resource;

    for (i = 0; i < presence->n; i++) {

        r = &presence->resources[i];

        if (!r->available) {
            continue;
        }

        if (name->len) {

            if (!ngx_fed_str_equal(name, &r->name)) {
                continue;
            }

            ngx_memzero(&mere, sizeof(ngx_fed_resource_t));

            mere.name = r->name;
            mere.available = 1;
            mere.priority = NGX_FED_NO_PRIORITY;

            r = &mere;
        }

        fcf->xmpp->presence(fcf, NGX_FED_AVAILABLE, &ev->to, &ev->from, r,
                            NULL);
    }
}


/* Answers an event by a stanza between the bare JIDs. */

static void
ngx_fed_roster_reply(ngx_fed_event_t *ev, ngx_fed_presence_type_e type,
    ngx_str_t *id)
{
    ev->conf->xmpp->presence(ev->conf, type, &ev->to, &ev->from, NULL, id);
}


/* An XMPP user has answered the request of a SIP user (RFC 8048, 5.3.1). */

static void
ngx_fed_roster_decided(ngx_fed_event_t *ev, ngx_fed_pair_t *pair,
    ngx_uint_t granted)
{
    ngx_uint_t        state, reason;
    ngx_fed_conf_t   *fcf;
    ngx_fed_watch_t  *watch;

    fcf = ev->conf;
    reason = NGX_FED_END_NONE;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);
    state = watch ? watch->state : NGX_FED_WATCH_NONE;

    /* RFC 6121, A.3.3 and A.3.4: what was not asked for is ignored */

    if (granted ? (state != NGX_FED_WATCH_PENDING)
                : (state != NGX_FED_WATCH_PENDING
                   && state != NGX_FED_WATCH_GRANTED))
    {
        ngx_fed_zone_unlock(fcf);
        ngx_fed_event_accept(ev);
        return;
    }

    if (granted) {
        watch->state = NGX_FED_WATCH_GRANTED;
        watch->asked = ngx_fed_seconds()
                       - (uint32_t) ngx_fed_in_seconds(fcf->subscription_min);
        ngx_fed_watch_due(fcf, watch, 0);
        ngx_fed_roster_rest(fcf, watch);

    } else {

        /* he may be asked again after a grant, not after a denial */

        watch->state = (state == NGX_FED_WATCH_PENDING) ? NGX_FED_WATCH_DENIED
                                                        : NGX_FED_WATCH_NONE;
        watch->until = ngx_fed_seconds()
                       + (uint32_t) ngx_fed_in_seconds(fcf->denial_time);
        reason = NGX_FED_END_REJECTED;
        ngx_fed_roster_rest(fcf, watch);
    }

    ngx_fed_watch_changed(fcf);
    ngx_fed_zone_unlock(fcf);

    fcf->sip->changed(fcf, pair, reason);

    ngx_fed_event_accept(ev);
}


/* What an XMPP user's resource says (RFC 8048, 6.2). */

static void
ngx_fed_roster_presence(ngx_fed_event_t *ev, ngx_fed_pair_t *pair)
{
    ngx_uint_t           changed, todo;
    ngx_fed_conf_t      *fcf;
    ngx_fed_watch_t     *watch;
    ngx_fed_presence_t   presence;

    fcf = ev->conf;
    changed = 0;
    todo = 0;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    /* without a dialog nobody is told, and nothing kept (RFC 6665, 4.2.1) */

    if (watch && watch->state == NGX_FED_WATCH_GRANTED && watch->dialogs) {

        /*
         * by this Prosody answers the request of a stranger, and on a new
         * stream it may send that after what the user himself has said since
         */

        if (ev->presence == NGX_FED_UNAVAILABLE
            && ev->resource->name.len == 0
            && ngx_fed_watch_presence(watch, &presence) == NGX_OK
            && ngx_fed_presence_open(&presence))
        {
            todo = NGX_FED_TODO_PROBE;
        }

        changed = ngx_fed_roster_update(fcf, watch, ev);
    }

    ngx_fed_zone_unlock(fcf);

    if (changed) {
        fcf->sip->changed(fcf, pair, NGX_FED_END_NONE);
    }

    ngx_fed_roster_todo(fcf, pair, todo);

    ngx_fed_event_accept(ev);
}


/* Returns whether anything is different now. */

static ngx_uint_t
ngx_fed_roster_update(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch,
    ngx_fed_event_t *ev)
{
    ngx_uint_t          changed, known;
    ngx_fed_presence_t  presence;

    known = watch->known;
    watch->known = 1;

    if (ngx_fed_watch_presence(watch, &presence) != NGX_OK) {
        presence.n = 0;
    }

    changed = (ev->presence == NGX_FED_AVAILABLE)
              ? ngx_fed_roster_set(&presence, ev->resource)
              : ngx_fed_roster_close(&presence, ev->resource);

    if (!changed) {
        return !known;
    }

    if (ngx_fed_watch_set_presence(fcf, watch, &presence) != NGX_OK) {
        watch->known = 0;
    }

    return 1;
}


static ngx_uint_t
ngx_fed_roster_set(ngx_fed_presence_t *presence, ngx_fed_resource_t *resource)
{
    ngx_uint_t           i;
    ngx_fed_resource_t  *r;

    r = ngx_fed_presence_find(presence, &resource->name);

    if (r && ngx_fed_resource_equal(r, resource)) {
        return 0;
    }

    /* a resource that is gone is mentioned no more once another one changes */

    for (i = presence->n; i-- > 0; /* void */ ) {
        if (!presence->resources[i].available) {
            ngx_fed_presence_remove(presence, &presence->resources[i]);
        }
    }

    r = ngx_fed_presence_find(presence, &resource->name);

    if (r == NULL) {
        r = ngx_fed_presence_add(presence, &resource->name);
    }

    if (r == NULL) {
        return 0;
    }

    *r = *resource;

    return 1;
}


static ngx_uint_t
ngx_fed_roster_close(ngx_fed_presence_t *presence,
    ngx_fed_resource_t *resource)
{
    ngx_uint_t           i, changed;
    ngx_fed_resource_t  *r;

    changed = 0;

    for (i = presence->n; i-- > 0; /* void */ ) {

        r = &presence->resources[i];

        if (resource->name.len
            && !ngx_fed_str_equal(&r->name, &resource->name))
        {
            if (!r->available) {
                ngx_fed_presence_remove(presence, r);
            }

            continue;
        }

        if (!r->available) {
            continue;
        }

        changed = 1;

        r->available = 0;
        r->show = NGX_FED_SHOW_NONE;
        r->priority = NGX_FED_NO_PRIORITY;
        r->stamp = resource->stamp;
        r->nstatuses = resource->nstatuses;

        ngx_memcpy(r->statuses, resource->statuses, sizeof(r->statuses));
    }

    return changed;
}


/* Copies the presence out of the zone. */

static void
ngx_fed_roster_snapshot(ngx_fed_watch_t *watch, ngx_fed_snapshot_t *snapshot)
{
    size_t  len;

    len = 0;

    if (watch->presence) {
        len = watch->presence_len;
        ngx_memcpy(snapshot->packed, watch->presence, len);
    }

    if (ngx_fed_presence_unpack(snapshot->packed, len, &snapshot->presence)
        != NGX_OK)
    {
        snapshot->presence.n = 0;
    }
}


/*
 * Copies what the watcher was told, at most: of a resource of which something
 * is held back nobody knows whether he has heard of it.
 */

static void
ngx_fed_roster_told(ngx_fed_watch_t *watch, ngx_fed_snapshot_t *snapshot)
{
    ngx_uint_t           i;
    ngx_fed_resource_t  *r;

    ngx_fed_roster_snapshot(watch, snapshot);

    for (i = 0; i < snapshot->presence.n; i++) {
        r = &snapshot->presence.resources[i];
        r->available |= r->untold;
    }
}


/*
 * The SIP side says that an XMPP user may see a SIP user, and with presence
 * what there is to see, else that it has not changed (RFC 8048, 5.2.1, 6.3).
 * What follows a change within presence_interval is kept, and the last of it
 * is told when that is over.
 */

void
ngx_fed_roster_notified(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_fed_presence_t *presence)
{
    ngx_uint_t           i, told, mask;
    ngx_fed_watch_t     *watch;
    ngx_fed_resource_t  *r, *was;
    ngx_fed_snapshot_t   old;

    mask = 0;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    if (watch == NULL
        || (watch->state != NGX_FED_WATCH_PENDING
            && watch->state != NGX_FED_WATCH_GRANTED))
    {
        ngx_fed_zone_unlock(fcf);
        return;
    }

    told = watch->told;

    if (watch->state != NGX_FED_WATCH_GRANTED || !told) {
        ngx_fed_watch_changed(fcf);
    }

    watch->state = NGX_FED_WATCH_GRANTED;
    watch->told = 1;
    watch->failures = 0;

    ngx_fed_roster_told(watch, &old);

    if (presence) {

        for (i = 0; i < presence->n; i++) {

            r = &presence->resources[i];
            was = ngx_fed_presence_find(&old.presence, &r->name);

            if (was && ngx_fed_resource_equal(r, was)) {
                r->stamp = was->stamp;
                r->untold = was->untold;

            } else {
                r->stamp = ngx_time();
                r->untold = 1;
            }
        }

        if (told && ngx_fed_roster_hold(fcf, watch, presence, &old.presence)) {
            ngx_fed_zone_unlock(fcf);
            return;
        }

        for (i = 0; i < presence->n; i++) {
            mask |= (ngx_uint_t) presence->resources[i].untold << i;
            presence->resources[i].untold = 0;
        }

        watch->held = 0;
        watch->known = (ngx_fed_watch_set_presence(fcf, watch, presence)
                        == NGX_OK);

        /* what is not remembered is not told, as its end would not be either */

        if (!watch->known) {
            presence->n = 0;
        }

        for (i = 0; i < presence->n; i++) {
            was = ngx_fed_presence_find(&old.presence,
                                        &presence->resources[i].name);
            if (was) {
                was->available = 0;
            }
        }
    }

    ngx_fed_zone_unlock(fcf);

    if (!told) {
        fcf->xmpp->presence(fcf, NGX_FED_SUBSCRIBED, pair->presentity,
                            pair->watcher, NULL, NULL);
    }

    if (presence == NULL) {
        return;
    }

    for (i = 0; i < presence->n; i++) {
        if (mask & ((ngx_uint_t) 1 << i)) {
            r = &presence->resources[i];

            fcf->xmpp->presence(fcf, r->available ? NGX_FED_AVAILABLE
                                                  : NGX_FED_UNAVAILABLE,
                                pair->presentity, pair->watcher, r, NULL);
        }
    }

    ngx_fed_roster_gone(fcf, pair, &old.presence);
}


/*
 * Tells whether what is untold of a presence is to be held back, and keeps it
 * then, together with the end of what the watcher was told and is not there any
 * more.
 */

static ngx_uint_t
ngx_fed_roster_hold(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch,
    ngx_fed_presence_t *presence, ngx_fed_presence_t *told)
{
    uint32_t             now, since;
    ngx_uint_t           i, n, changed;
    ngx_fed_resource_t  *r, *gone[NGX_FED_RESOURCES];

    n = 0;
    changed = 0;

    for (i = 0; i < presence->n; i++) {
        changed |= presence->resources[i].untold;
    }

    for (i = 0; i < told->n; i++) {
        r = &told->resources[i];

        if (r->available && ngx_fed_presence_find(presence, &r->name) == NULL) {
            gone[n++] = r;
        }
    }

    if (!changed && n == 0) {
        return 0;
    }

    now = (uint32_t) ngx_current_msec;
    since = now - watch->sent;

    if (!watch->known
        || since >= fcf->presence_interval
        || presence->n + n > NGX_FED_RESOURCES)
    {
        watch->sent = now;
        return 0;
    }

    for (i = 0; i < n; i++) {

        r = ngx_fed_presence_add(presence, &gone[i]->name);

        if (r) {
            r->available = 0;
            r->untold = 1;
            r->priority = NGX_FED_NO_PRIORITY;
            r->stamp = ngx_time();
        }
    }

    n = presence->n;

    if (ngx_fed_watch_set_presence(fcf, watch, presence) != NGX_OK
        || presence->n != n)
    {
        return 0;
    }

    watch->held = 1;

    ngx_fed_watch_due(fcf, watch, ngx_current_msec + fcf->presence_interval
                                  - since);

    return 1;
}


/* Tells what was held back, if it is time for that. */

static void
ngx_fed_roster_release(ngx_fed_conf_t *fcf, ngx_fed_key_t *id)
{
    ngx_int_t            rc;
    ngx_pool_t          *pool;
    ngx_fed_pair_t       pair;
    ngx_fed_watch_t     *watch;
    ngx_fed_snapshot_t   held;

    pool = ngx_create_pool(NGX_FED_ROSTER_POOL, fcf->log);
    if (pool == NULL) {
        return;
    }

    rc = NGX_DECLINED;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, id);

    if (watch && watch->held && !watch->sip
        && watch->state == NGX_FED_WATCH_GRANTED)
    {
        rc = ngx_fed_watch_pair(fcf, pool, watch, &pair);
        ngx_fed_roster_snapshot(watch, &held);
    }

    ngx_fed_zone_unlock(fcf);

    if (rc == NGX_OK) {
        ngx_fed_roster_notified(fcf, &pair, &held.presence);
    }

    ngx_destroy_pool(pool);
}


/* Resources that were available are so no longer (RFC 6121, 4.5). */

static void
ngx_fed_roster_gone(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_fed_presence_t *presence)
{
    ngx_uint_t           i;
    ngx_fed_resource_t  *r;

    for (i = 0; i < presence->n; i++) {

        r = &presence->resources[i];

        if (!r->available) {
            continue;
        }

        r->nstatuses = 0;

        fcf->xmpp->presence(fcf, NGX_FED_UNAVAILABLE, pair->presentity,
                            pair->watcher, r, NULL);
    }
}


/*
 * The SIP side refuses an XMPP user, or will no longer be watched by him (RFC
 * 8048, 5.2.2).
 */

void
ngx_fed_roster_refused(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair)
{
    ngx_fed_watch_t     *watch;
    ngx_fed_snapshot_t   old;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    if (watch == NULL || watch->state == NGX_FED_WATCH_NONE) {

        if (watch) {
            ngx_fed_roster_rest(fcf, watch);
        }

        ngx_fed_zone_unlock(fcf);
        return;
    }

    watch->state = NGX_FED_WATCH_DENIED;
    watch->told = 0;
    watch->until = ngx_fed_seconds()
                   + (uint32_t) ngx_fed_in_seconds(fcf->denial_time);

    ngx_fed_roster_told(watch, &old);
    ngx_fed_roster_forget(fcf, watch);
    ngx_fed_roster_rest(fcf, watch);

    ngx_fed_zone_unlock(fcf);

    ngx_fed_roster_gone(fcf, pair, &old.presence);

    fcf->xmpp->presence(fcf, NGX_FED_UNSUBSCRIBED, pair->presentity,
                        pair->watcher, NULL, NULL);
}


/* Nothing is known of a SIP user any longer, but the authorization stays. */

void
ngx_fed_roster_lost(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair)
{
    ngx_fed_watch_t     *watch;
    ngx_fed_snapshot_t   old;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    /* there may be another dialog by now */

    if (watch == NULL || ngx_fed_watch_live(watch)) {
        ngx_fed_zone_unlock(fcf);
        return;
    }

    ngx_fed_roster_told(watch, &old);
    ngx_fed_roster_forget(fcf, watch);

    ngx_fed_zone_unlock(fcf);

    ngx_fed_roster_gone(fcf, pair, &old.presence);
}


/*
 * No dialog is to follow for now: what was asked for, and not granted, is
 * forgotten, as who asked will ask again.
 */

void
ngx_fed_roster_idle(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair)
{
    ngx_fed_watch_t  *watch;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    if (watch) {
        ngx_fed_roster_rest(fcf, watch);
    }

    ngx_fed_zone_unlock(fcf);
}


/*
 * The SIP side took a request to watch a user, and said no more (RFC 6665,
 * 4.1.2.4): who asked is told, if he waits.
 */

void
ngx_fed_roster_unheard(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair)
{
    ngx_uint_t           waits, level;
    ngx_fed_watch_t     *watch;
    ngx_fed_outcome_t    outcome;
    ngx_fed_snapshot_t   old;

    waits = 0;
    old.presence.n = 0;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    if (watch && ngx_fed_watch_live(watch) == NULL) {

        if (watch->state == NGX_FED_WATCH_PENDING && !watch->told) {
            watch->state = NGX_FED_WATCH_NONE;
            waits = 1;
        }

        /* what an earlier dialog said is not known to be so any longer */

        ngx_fed_roster_told(watch, &old);
        ngx_fed_roster_forget(fcf, watch);
        ngx_fed_roster_retry(fcf, watch, 0);
    }

    ngx_fed_zone_unlock(fcf);

    level = ngx_fed_quiet_level(fcf, NGX_FED_QUIET_SILENCE,
                                &pair->presentity->domain, NGX_LOG_WARN);

    ngx_log_error(level, fcf->log, 0,
                  "no NOTIFY came for a subscription to a user of \"%V\"",
                  &pair->presentity->domain);

    ngx_fed_roster_gone(fcf, pair, &old.presence);

    if (waits) {
        ngx_memzero(&outcome, sizeof(ngx_fed_outcome_t));

        outcome.result = NGX_FED_TIMEOUT;

        fcf->xmpp->refused(fcf, pair->presentity, pair->watcher, &outcome);
    }
}


/*
 * The dialog of an XMPP watcher is about to be refreshed: whether he is there
 * at all is asked on behalf of the SIP user, if that may know (RFC 8048, 8.1).
 */

void
ngx_fed_roster_refresh(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair)
{
    ngx_uint_t        may;
    ngx_fed_watch_t  *watch;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_roster_reverse(fcf, pair);
    may = (watch && watch->state == NGX_FED_WATCH_GRANTED && watch->dialogs);

    ngx_fed_zone_unlock(fcf);

    if (may) {
        fcf->xmpp->presence(fcf, NGX_FED_PROBE, pair->presentity,
                            pair->watcher, NULL, NULL);
    }
}


/*
 * An XMPP user watches a SIP user no longer, as he wanted; his server is told
 * (RFC 6121, 3.3.3).
 */

void
ngx_fed_roster_ended(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair)
{
    ngx_fed_watch_t     *watch;
    ngx_fed_snapshot_t   old;

    old.presence.n = 0;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    /* he may know already, or have changed his mind */

    if (watch && !watch->owed) {
        ngx_fed_zone_unlock(fcf);
        return;
    }

    if (watch) {
        watch->owed = 0;
        ngx_fed_roster_told(watch, &old);
        ngx_fed_roster_forget(fcf, watch);
        ngx_fed_roster_rest(fcf, watch);
    }

    ngx_fed_zone_unlock(fcf);

    ngx_fed_roster_gone(fcf, pair, &old.presence);

    fcf->xmpp->presence(fcf, NGX_FED_UNSUBSCRIBED, pair->presentity,
                        pair->watcher, NULL, NULL);
}


static void
ngx_fed_roster_forget(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch)
{
    watch->known = 0;
    watch->held = 0;

    (void) ngx_fed_watch_set_presence(fcf, watch, NULL);

    ngx_fed_watch_changed(fcf);
}


/*
 * Tells whether an XMPP user is there to see whom he watches: as the SIP user
 * sees him, or by what was heard of him lately (RFC 8048, 8.1).  The zone is
 * locked.
 */

ngx_uint_t
ngx_fed_roster_active(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair)
{
    ngx_fed_watch_t     *watch;
    ngx_fed_presence_t   presence;

    watch = ngx_fed_roster_reverse(fcf, pair);

    if (watch && watch->state == NGX_FED_WATCH_GRANTED && watch->known
        && ngx_fed_watch_presence(watch, &presence) == NGX_OK)
    {
        return ngx_fed_presence_open(&presence);
    }

    watch = ngx_fed_watch_find(fcf, &pair->id);

    return watch
           && (int32_t) (ngx_fed_seconds() - watch->seen)
              < (int32_t) ngx_fed_in_seconds(fcf->presence_idle);
}


/* The watch the other way round, or NULL. */

static ngx_fed_watch_t *
ngx_fed_roster_reverse(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair)
{
    ngx_fed_pair_t  reverse;

    ngx_fed_pair(fcf, &reverse, pair->presentity, pair->watcher);

    return ngx_fed_watch_find(fcf, &reverse.id);
}


/*
 * The dialog of an XMPP watcher is gone: the next attempt is made after some
 * seconds or, if that is 0, after a time that doubles.  The zone is locked.
 */

void
ngx_fed_roster_retry(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch,
    ngx_uint_t seconds)
{
    ngx_msec_t  wait;

    if (watch->state != NGX_FED_WATCH_PENDING
        && watch->state != NGX_FED_WATCH_GRANTED)
    {
        ngx_fed_roster_rest(fcf, watch);
        return;
    }

    if (seconds) {
        wait = seconds * 1000;

    } else {
        wait = ngx_fed_roster_delay(fcf, watch->failures);
        wait += (ngx_msec_t) ngx_random() % (wait / 8 + 1);
    }

    if (watch->failures < 255) {
        watch->failures++;
    }

    ngx_fed_watch_due(fcf, watch, ngx_current_msec + wait);
}


/*
 * Returns how long to wait after so many failures in a row, in ms: twice as
 * long each time, up to resubscribe_max.
 */

ngx_msec_t
ngx_fed_roster_delay(ngx_fed_conf_t *fcf, ngx_uint_t failures)
{
    ngx_msec_t  wait;

    wait = fcf->resubscribe_delay << ngx_min(failures, NGX_FED_ROSTER_DOUBLE);

    return ngx_min(wait, fcf->resubscribe_max);
}


/*
 * A SIP user has begun to watch an XMPP user by one more dialog.  Returns what
 * is to be done, by ngx_fed_roster_todo().  The zone is locked.
 */

ngx_uint_t
ngx_fed_roster_watch(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch)
{
    uint32_t  now;

    now = ngx_fed_seconds();

    switch (watch->state) {

    case NGX_FED_WATCH_GRANTED:
        return watch->known ? 0 : NGX_FED_TODO_PROBE;

    case NGX_FED_WATCH_DENIED:

        if ((int32_t) (watch->until - now) > 0) {
            return NGX_FED_TODO_REFUSE;
        }

        break;

    case NGX_FED_WATCH_PENDING:

        if (now - watch->asked < ngx_fed_in_seconds(fcf->subscribe_interval)) {
            return 0;
        }

        break;
    }

    watch->state = NGX_FED_WATCH_PENDING;
    watch->asked = now;

    /* of a grant before, if a dialog of that time has not ended yet */

    ngx_fed_roster_forget(fcf, watch);

    return NGX_FED_TODO_SUBSCRIBE;
}


/*
 * A SIP user asks once what an XMPP user's presence is, and it is not known.
 * Returns what is to be done, which is not so often.  The zone is locked.
 */

ngx_uint_t
ngx_fed_roster_poll(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch)
{
    uint32_t  now;

    now = ngx_fed_seconds();

    if (watch->state != NGX_FED_WATCH_GRANTED || watch->known
        || now - watch->asked < ngx_fed_in_seconds(fcf->subscription_min))
    {
        return 0;
    }

    watch->asked = now;

    return NGX_FED_TODO_PROBE;
}


/*
 * The last dialog by which a SIP user watched an XMPP user is gone; the watch
 * may be gone when this returns.  Returns what is to be done.  The zone is
 * locked.
 */

ngx_uint_t
ngx_fed_roster_unwatch(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch,
    ngx_fed_pair_t *pair)
{
    ngx_uint_t           todo;
    ngx_fed_watch_t     *reverse;
    ngx_fed_presence_t   presence;

    todo = 0;

    ngx_fed_roster_forget(fcf, watch);

    if (watch->state == NGX_FED_WATCH_GRANTED) {

        /* RFC 8048, 5.3.3: but not to one who sees that it is not so */

        reverse = ngx_fed_roster_reverse(fcf, pair);

        if (reverse == NULL
            || reverse->state != NGX_FED_WATCH_GRANTED
            || ngx_fed_watch_presence(reverse, &presence) != NGX_OK
            || !ngx_fed_presence_open(&presence))
        {
            todo = NGX_FED_TODO_UNAVAILABLE;
        }
    }

    ngx_fed_roster_rest(fcf, watch);

    return todo;
}


/* Does what those above have returned, but for the subscribe. */

void
ngx_fed_roster_todo(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair, ngx_uint_t todo)
{
    if (todo & NGX_FED_TODO_PROBE) {
        fcf->xmpp->presence(fcf, NGX_FED_PROBE, pair->watcher,
                            pair->presentity, NULL, NULL);
    }

    if (todo & NGX_FED_TODO_UNAVAILABLE) {
        fcf->xmpp->presence(fcf, NGX_FED_UNAVAILABLE, pair->watcher,
                            pair->presentity, NULL, NULL);
    }

    if (todo & NGX_FED_TODO_UNSUBSCRIBE) {
        fcf->xmpp->presence(fcf, NGX_FED_UNSUBSCRIBE, pair->watcher,
                            pair->presentity, NULL, NULL);
    }
}


/*
 * The request of a SIP user came to nothing (RFC 6665, 4.2.2).  With
 * "mask_recipients" it is as one that nobody answers.
 */

void
ngx_fed_roster_failed(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_fed_outcome_t *outcome)
{
    ngx_fed_watch_t  *watch;

    if (fcf->mask_recipients && ngx_fed_error_reveals(outcome)) {
        return;
    }

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    if (watch == NULL || watch->state != NGX_FED_WATCH_PENDING) {
        ngx_fed_zone_unlock(fcf);
        return;
    }

    watch->state = NGX_FED_WATCH_NONE;

    ngx_fed_roster_rest(fcf, watch);

    ngx_fed_zone_unlock(fcf);

    fcf->sip->changed(fcf, pair, ngx_fed_roster_reason(outcome));
}


static ngx_fed_end_e
ngx_fed_roster_reason(ngx_fed_outcome_t *outcome)
{
    if (outcome->result == NGX_FED_REFUSED) {
        return NGX_FED_END_REJECTED;
    }

    if (outcome->result != NGX_FED_STANZA_ERROR
        || outcome->type == NGX_FED_TYPE_WAIT)
    {
        return NGX_FED_END_PROBATION;
    }

    switch (outcome->condition) {

    case NGX_FED_ITEM_NOT_FOUND:
    case NGX_FED_SERVICE_UNAVAILABLE:
    case NGX_FED_GONE:
    case NGX_FED_JID_MALFORMED:
        return NGX_FED_END_NORESOURCE;

    case NGX_FED_FORBIDDEN:
    case NGX_FED_NOT_ALLOWED:
    case NGX_FED_NOT_AUTHORIZED:
    case NGX_FED_REGISTRATION_REQUIRED:
    case NGX_FED_SUBSCRIPTION_REQUIRED:
        return NGX_FED_END_REJECTED;

    default:
        return (outcome->type == NGX_FED_TYPE_AUTH) ? NGX_FED_END_REJECTED
                                                    : NGX_FED_END_PROBATION;
    }
}


/*
 * A presence of type error from an XMPP user, or his server, to a SIP user: it
 * is about the request of the one or about the presence of the other.
 */

void
ngx_fed_roster_error(ngx_fed_conf_t *fcf, ngx_fed_address_t *from,
    ngx_fed_address_t *to, ngx_fed_outcome_t *outcome)
{
    ngx_uint_t        pending;
    ngx_fed_pair_t    watches, watched;
    ngx_fed_watch_t  *watch;

    ngx_fed_pair(fcf, &watches, from, to);
    ngx_fed_pair(fcf, &watched, to, from);

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &watched.id);
    pending = (watch && watch->state == NGX_FED_WATCH_PENDING);

    ngx_fed_zone_unlock(fcf);

    if (pending) {
        ngx_fed_roster_failed(fcf, &watched, outcome);
        return;
    }

    ngx_fed_roster_bounced(fcf, &watches, outcome);
}


/* RFC 6121, 4.5.2: what is not wanted is not asked for */

static void
ngx_fed_roster_bounced(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_fed_outcome_t *outcome)
{
    ngx_fed_watch_t   *watch;
    ngx_fed_dialog_t  *dialog;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, &pair->id);

    if (watch == NULL) {
        ngx_fed_zone_unlock(fcf);
        return;
    }

    if (outcome->condition == NGX_FED_GONE
        || outcome->condition == NGX_FED_ITEM_NOT_FOUND)
    {
        watch->state = NGX_FED_WATCH_NONE;
    }

    watch->seen = ngx_fed_seconds()
                  - (uint32_t) ngx_fed_in_seconds(fcf->presence_idle) - 1;

    ngx_fed_roster_forget(fcf, watch);

    for (dialog = watch->dialogs; dialog; dialog = dialog->next) {
        dialog->reason = NGX_FED_END_TIMEOUT;
        dialog->forced = 1;
        ngx_fed_dialog_due(fcf, dialog, ngx_current_msec);
    }

    ngx_fed_roster_rest(fcf, watch);

    ngx_fed_zone_unlock(fcf);
}


/*
 * Sets when a watch without dialogs is looked at, or removes it if nothing is
 * to be remembered.  The zone is locked.
 */

static void
ngx_fed_roster_rest(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch)
{
    uint32_t    seconds;
    ngx_msec_t  now, left;

    ngx_fed_watch_changed(fcf);

    if (watch->dialogs) {
        return;
    }

    now = ngx_current_msec;

    /*
     * the answer to a SUBSCRIBE may come after the NOTIFY that it brought
     * about; but if its process is gone, it does not come
     */

    if (watch->owed) {
        ngx_fed_watch_due(fcf, watch, now + 2 * fcf->transaction_timeout);
        return;
    }

    switch (watch->state) {

    case NGX_FED_WATCH_GRANTED:
        left = ngx_fed_roster_left(fcf, watch);
        ngx_fed_watch_due(fcf, watch, left == NGX_TIMER_INFINITE ? 0
                                                                 : now + left);
        return;

    case NGX_FED_WATCH_PENDING:

        if (!watch->sip) {
            break;
        }

        seconds = watch->asked
                  + (uint32_t) ngx_fed_in_seconds(fcf->subscribe_interval)
                  - ngx_fed_seconds();

        if ((int32_t) seconds <= 0) {
            break;
        }

        ngx_fed_watch_due(fcf, watch, now + (ngx_msec_t) seconds * 1000);
        return;

    case NGX_FED_WATCH_DENIED:

        seconds = watch->until - ngx_fed_seconds();

        if ((int32_t) seconds <= 0) {
            break;
        }

        ngx_fed_watch_due(fcf, watch, now + (ngx_msec_t) seconds * 1000);
        return;
    }

    ngx_fed_watch_free(fcf, watch);
}


/*
 * Returns for how long a SIP user who may see an XMPP user, but has no dialog,
 * is remembered, in ms; NGX_TIMER_INFINITE: there is no end to it.
 */

static ngx_msec_t
ngx_fed_roster_left(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch)
{
    uint32_t  seconds;

    if (!watch->sip || watch->dialogs || fcf->contact_expires == 0
        || watch->state != NGX_FED_WATCH_GRANTED)
    {
        return NGX_TIMER_INFINITE;
    }

    /* seconds are whole ones: not ahead of time */

    seconds = watch->seen + 1
              + (uint32_t) ngx_fed_in_seconds(fcf->contact_expires)
              - ngx_fed_seconds();

    return ((int32_t) seconds <= 0) ? 0 : (ngx_msec_t) seconds * 1000;
}


/* The time set for a watch or, with a tag, for one of its dialogs has come. */

void
ngx_fed_roster_due(ngx_fed_conf_t *fcf, ngx_fed_key_t *id, uint64_t tag)
{
    ngx_uint_t        again, held;
    ngx_fed_watch_t  *watch;

    if (tag) {
        fcf->sip->due(fcf, id, tag);
        return;
    }

    again = 0;
    held = 0;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, id);

    if (watch) {

        held = watch->held;

        if (watch->dialogs == NULL) {
            watch->owed = 0;
        }

        if (watch->sip) {
            again = (watch->stale && watch->dialogs)
                    || ngx_fed_roster_left(fcf, watch) == 0;

        } else {
            again = (ngx_fed_watch_live(watch) == NULL
                     && (watch->state == NGX_FED_WATCH_GRANTED
                         || watch->state == NGX_FED_WATCH_PENDING));
        }

        if (again) {
            again = ngx_fed_roster_turn(fcf, watch);

        } else {
            ngx_fed_watch_due(fcf, watch, 0);
            ngx_fed_roster_rest(fcf, watch);
        }
    }

    ngx_fed_zone_unlock(fcf);

    if (held) {
        ngx_fed_roster_release(fcf, id);
    }

    if (again) {
        ngx_fed_roster_again(fcf, id);
    }
}


/* Tells whether it is the watch's turn, or sets when it is. */

static ngx_uint_t
ngx_fed_roster_turn(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch)
{
    ngx_msec_t  turn;

    if (watch->slotted) {
        watch->slotted = 0;
        return 1;
    }

    turn = ngx_fed_zone_turn(fcf);

    if (turn <= ngx_current_msec + NGX_FED_ROSTER_LATE) {
        return 1;
    }

    watch->slotted = 1;
    ngx_fed_watch_due(fcf, watch, turn);

    return 0;
}


/*
 * An XMPP user who watches has no dialog, and gets one if he is there; or what
 * is known of an XMPP user is old, and he is asked; or a SIP user has not asked
 * for him for so long that he gave him up.
 */

static void
ngx_fed_roster_again(ngx_fed_conf_t *fcf, ngx_fed_key_t *id)
{
    ngx_int_t         rc;
    ngx_pool_t       *pool;
    ngx_uint_t        sip, todo;
    ngx_fed_pair_t    pair;
    ngx_fed_watch_t  *watch;

    pool = ngx_create_pool(NGX_FED_ROSTER_POOL, fcf->log);
    if (pool == NULL) {
        return;
    }

    rc = NGX_DECLINED;
    sip = 0;
    todo = NGX_FED_TODO_PROBE;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, id);

    if (watch) {
        rc = ngx_fed_watch_pair(fcf, pool, watch, &pair);
        sip = watch->sip;

        if (rc == NGX_OK && sip && ngx_fed_roster_left(fcf, watch) == 0) {
            todo = NGX_FED_TODO_UNSUBSCRIBE;
            watch->state = NGX_FED_WATCH_NONE;
            ngx_fed_roster_rest(fcf, watch);

        } else if (rc == NGX_OK && sip) {
            watch->stale = 0;
            ngx_fed_watch_due(fcf, watch, 0);

        } else if (rc == NGX_OK && !ngx_fed_roster_active(fcf, &pair)) {
            rc = NGX_DECLINED;
            ngx_fed_watch_due(fcf, watch, 0);

            /* who comes back asks again */

            if (watch->state == NGX_FED_WATCH_PENDING) {
                watch->state = NGX_FED_WATCH_NONE;
                ngx_fed_roster_rest(fcf, watch);
            }
        }
    }

    ngx_fed_zone_unlock(fcf);

    if (rc == NGX_OK && sip) {
        ngx_fed_roster_todo(fcf, &pair, todo);

    } else if (rc == NGX_OK) {
        fcf->sip->subscribe(fcf, &pair);
    }

    ngx_destroy_pool(pool);
}
