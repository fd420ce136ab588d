
/*
 * Rates: how much each domain, and each user, has sent lately, in the zone.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_fed.h"


#define NGX_FED_RATE_IDLE  60000                 /* ms */
#define NGX_FED_RATE_LATE  60000                 /* ms, of another worker */


/*
 * Leaky buckets: of a domain, by its name, or of a user, by a keyed hash and
 * without one.  The latter take 64 octets.
 */

typedef struct {
    u_char                        color;
    u_char                        len;
    u_char                        unused[2];
    uint32_t                      last;          /* ms */
    ngx_queue_t                   queue;
    uint32_t                      excess[NGX_FED_RATES];   /* 1000 * events */
    u_char                        name[1];
} ngx_fed_rate_t;


static ngx_fed_rate_t *ngx_fed_rate_domain(ngx_fed_conf_t *fcf,
    ngx_str_t *name);
static ngx_fed_rate_t *ngx_fed_rate_user(ngx_fed_conf_t *fcf,
    ngx_fed_address_t *from);
static ngx_fed_rate_t *ngx_fed_rate_find(ngx_fed_rates_t *rates,
    ngx_rbtree_key_t key, ngx_str_t *name);
static ngx_fed_rate_t *ngx_fed_rate_add(ngx_fed_conf_t *fcf,
    ngx_rbtree_key_t key, ngx_str_t *name);
static void ngx_fed_rate_leak(ngx_fed_rate_t *rate, ngx_uint_t n);
static void ngx_fed_rate_forget(ngx_fed_conf_t *fcf, ngx_fed_rate_t *rate);


/* Prepares for the rates of so many users at most. */

void
ngx_fed_rates_init(ngx_fed_rates_t *rates, ngx_uint_t max_users)
{
    ngx_rbtree_init(&rates->tree, &rates->sentinel, ngx_rbtree_insert_value);

    ngx_queue_init(&rates->domains);
    ngx_queue_init(&rates->users);

    rates->nusers = 0;
    rates->max_users = max_users;
}


/*
 * Counts an event against the rates of who sends it and of his domain, if both
 * allow it: what one of them refuses is not counted.  Returns NGX_OK,
 * NGX_DECLINED if it is over the user's rate, NGX_BUSY if it is over the
 * domain's, NGX_ERROR if there is no room to count for the domain.
 */

ngx_int_t
ngx_fed_rate_admit(ngx_fed_conf_t *fcf, ngx_fed_domain_t *domain,
    ngx_fed_address_t *from, ngx_fed_rate_e what)
{
    ngx_int_t         rc;
    ngx_fed_rate_t   *user, *rate;
    ngx_fed_rates_t  *rates;

    if (domain->rate == 0 && domain->user_rate == 0) {
        return NGX_OK;
    }

    user = NULL;
    rate = NULL;
    rc = NGX_OK;

    ngx_fed_zone_lock(fcf);

    rates = ngx_fed_zone_rates(fcf);

    if (domain->user_rate) {

        /* for whom there is no room has the rate of his domain */

        user = ngx_fed_rate_user(fcf, from);

        if (user) {
            ngx_fed_rate_leak(user, domain->user_rate);

            if (user->excess[what] + 1000 > domain->user_burst) {
                rc = NGX_DECLINED;
            }
        }
    }

    if (domain->rate && rc == NGX_OK) {
        rate = ngx_fed_rate_domain(fcf, &from->domain);

        if (rate == NULL) {
            rc = NGX_ERROR;

        } else {
            ngx_fed_rate_leak(rate, domain->rate);

            /* a second's worth may come at once */

            if (rate->excess[what] + 1000 > domain->rate) {
                rc = NGX_BUSY;
            }
        }
    }

    if (user) {
        user->excess[what] += (rc == NGX_OK) ? 1000 : 0;
        ngx_queue_insert_head(&rates->users, &user->queue);
    }

    if (rate) {
        rate->excess[what] += (rc == NGX_OK) ? 1000 : 0;
        ngx_queue_insert_head(&rates->domains, &rate->queue);
    }

    ngx_fed_zone_unlock(fcf);

    return rc;
}


static ngx_fed_rate_t *
ngx_fed_rate_domain(ngx_fed_conf_t *fcf, ngx_str_t *name)
{
    ngx_fed_rate_t    *rate;
    ngx_rbtree_key_t   key;

    if (name->len > 255) {
        return NULL;
    }

    key = ngx_fed_zone_hash(name->data, name->len);

    rate = ngx_fed_rate_find(ngx_fed_zone_rates(fcf), key, name);

    return rate ? rate : ngx_fed_rate_add(fcf, key, name);
}


/* Who has sent nothing for longest makes room for another one. */

static ngx_fed_rate_t *
ngx_fed_rate_user(ngx_fed_conf_t *fcf, ngx_fed_address_t *from)
{
    ngx_str_t          none;
    ngx_uint_t         i;
    ngx_queue_t       *q;
    ngx_fed_rate_t    *rate, *old;
    ngx_fed_rates_t   *rates;
    ngx_rbtree_key_t   key;

    rates = ngx_fed_zone_rates(fcf);

    ngx_str_null(&none);

    key = (ngx_rbtree_key_t) ngx_fed_watch_hash(fcf, &from->user,
                                                &from->domain);

    rate = ngx_fed_rate_find(rates, key, &none);
    if (rate) {
        return rate;
    }

    for (i = 0; i < 2 && !ngx_queue_empty(&rates->users); i++) {

        q = ngx_queue_last(&rates->users);
        old = ngx_queue_data(q, ngx_fed_rate_t, queue);

        if (rates->nusers < rates->max_users
            && (uint32_t) ngx_current_msec - old->last < NGX_FED_RATE_IDLE)
        {
            break;
        }

        ngx_fed_rate_forget(fcf, old);
    }

    return ngx_fed_rate_add(fcf, key, &none);
}


/*
 * What is found, or added, is in no queue yet, so that it does not make room
 * for something else.
 */

static ngx_fed_rate_t *
ngx_fed_rate_find(ngx_fed_rates_t *rates, ngx_rbtree_key_t key,
    ngx_str_t *name)
{
    ngx_fed_rate_t     *rate;
    ngx_rbtree_node_t  *node, *sentinel;

    node = rates->tree.root;
    sentinel = rates->tree.sentinel;

    while (node != sentinel) {

        if (key != node->key) {
            node = (key < node->key) ? node->left : node->right;
            continue;
        }

        rate = (ngx_fed_rate_t *) &node->color;

        if (rate->len == name->len
            && (name->len == 0
                || ngx_memcmp(rate->name, name->data, name->len) == 0))
        {
            ngx_queue_remove(&rate->queue);
            return rate;
        }

        node = node->right;
    }

    return NULL;
}


static ngx_fed_rate_t *
ngx_fed_rate_add(ngx_fed_conf_t *fcf, ngx_rbtree_key_t key, ngx_str_t *name)
{
    ngx_fed_rate_t     *rate;
    ngx_fed_rates_t    *rates;
    ngx_rbtree_node_t  *node;

    rates = ngx_fed_zone_rates(fcf);

    node = ngx_fed_zone_alloc_reserve(fcf,
                                      offsetof(ngx_rbtree_node_t, color)
                                      + offsetof(ngx_fed_rate_t, name)
                                      + name->len);
    if (node == NULL) {
        return NULL;
    }

    node->key = key;

    rate = (ngx_fed_rate_t *) &node->color;

    rate->len = (u_char) name->len;
    rate->last = (uint32_t) ngx_current_msec;
    ngx_memzero(rate->excess, sizeof(rate->excess));

    if (name->len) {
        ngx_memcpy(rate->name, name->data, name->len);

    } else {
        rates->nusers++;
    }

    ngx_rbtree_insert(&rates->tree, node);

    return rate;
}


/* What came since the bucket was looked at last has run out of it. */

static void
ngx_fed_rate_leak(ngx_fed_rate_t *rate, ngx_uint_t n)
{
    int32_t     ms;
    uint32_t    now;
    uint64_t    out;
    ngx_uint_t  i;

    now = (uint32_t) ngx_current_msec;
    ms = (int32_t) (now - rate->last);

    if (ms < -NGX_FED_RATE_LATE) {

        /* it is long ago */

        ngx_memzero(rate->excess, sizeof(rate->excess));

    } else if (ms <= 0) {
        return;
    }

    out = (uint64_t) n * ms / 1000;

    for (i = 0; i < NGX_FED_RATES; i++) {
        rate->excess[i] -= (uint32_t) ngx_min(out, rate->excess[i]);
    }

    rate->last = now;
}


/*
 * Forgets the rate that was not used for longest.  Returns 0 if there is none.
 * The zone is locked.
 */

ngx_uint_t
ngx_fed_rates_evict(ngx_fed_conf_t *fcf)
{
    ngx_uint_t        i;
    ngx_queue_t      *q, *queues[2];
    ngx_fed_rate_t   *rate, *oldest;
    ngx_fed_rates_t  *rates;

    rates = ngx_fed_zone_rates(fcf);

    queues[0] = &rates->users;
    queues[1] = &rates->domains;

    oldest = NULL;

    for (i = 0; i < 2; i++) {

        if (ngx_queue_empty(queues[i])) {
            continue;
        }

        q = ngx_queue_last(queues[i]);
        rate = ngx_queue_data(q, ngx_fed_rate_t, queue);

        if (oldest == NULL
            || (int32_t) (rate->last - oldest->last) < 0)
        {
            oldest = rate;
        }
    }

    if (oldest == NULL) {
        return 0;
    }

    ngx_fed_rate_forget(fcf, oldest);

    return 1;
}


static void
ngx_fed_rate_forget(ngx_fed_conf_t *fcf, ngx_fed_rate_t *rate)
{
    ngx_fed_rates_t    *rates;
    ngx_rbtree_node_t  *node;

    rates = ngx_fed_zone_rates(fcf);

    node = (ngx_rbtree_node_t *)
               ((u_char *) rate - offsetof(ngx_rbtree_node_t, color));

    if (rate->len == 0) {
        rates->nusers--;
    }

    ngx_queue_remove(&rate->queue);
    ngx_rbtree_delete(&rates->tree, node);
    ngx_fed_zone_free(fcf, node);
}
