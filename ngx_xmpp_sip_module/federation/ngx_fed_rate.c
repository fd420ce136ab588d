
/*
 * Rates: how much each domain, and each user, has sent lately, in the zone.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_fed.h"


#define NGX_FED_RATE_IDLE  60000                 /* ms */


/*
 * A leaky bucket: of a domain, by its name, or of a user, by a keyed hash and
 * without one.  The latter takes 64 octets.
 */

typedef struct {
    u_char                        color;
    u_char                        len;
    u_char                        unused[2];
    uint32_t                      excess;        /* 1000 * events */
    ngx_queue_t                   queue;
    ngx_msec_t                    last;
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
static ngx_uint_t ngx_fed_rate_next(ngx_fed_rate_t *rate, ngx_uint_t n);
static void ngx_fed_rate_done(ngx_fed_rate_t *rate, ngx_queue_t *queue,
    ngx_uint_t excess, ngx_uint_t taken);
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
    ngx_fed_address_t *from)
{
    ngx_int_t         rc;
    ngx_uint_t        user_excess, excess;
    ngx_fed_rate_t   *user, *rate;
    ngx_fed_rates_t  *rates;

    if (domain->rate == 0 && domain->user_rate == 0) {
        return NGX_OK;
    }

    user = NULL;
    rate = NULL;
    user_excess = 0;
    excess = 0;
    rc = NGX_OK;

    ngx_fed_zone_lock(fcf);

    rates = ngx_fed_zone_rates(fcf);

    if (domain->user_rate) {

        /* for whom there is no room has the rate of his domain */

        user = ngx_fed_rate_user(fcf, from);

        if (user) {
            user_excess = ngx_fed_rate_next(user, domain->user_rate);

            if (user_excess > domain->user_burst) {
                rc = NGX_DECLINED;
            }
        }
    }

    if (domain->rate && rc == NGX_OK) {
        rate = ngx_fed_rate_domain(fcf, &from->domain);

        if (rate == NULL) {
            rc = NGX_ERROR;

        } else {
            excess = ngx_fed_rate_next(rate, domain->rate);

            /* a second's worth may come at once */

            if (excess > domain->rate) {
                rc = NGX_BUSY;
            }
        }
    }

    if (user) {
        ngx_fed_rate_done(user, &rates->users, user_excess, rc == NGX_OK);
    }

    if (rate) {
        ngx_fed_rate_done(rate, &rates->domains, excess, rc == NGX_OK);
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
            && (ngx_msec_int_t) (ngx_current_msec - old->last)
               < NGX_FED_RATE_IDLE)
        {
            break;
        }

        ngx_fed_rate_forget(fcf, old);
    }

    return ngx_fed_rate_add(fcf, key, &none);
}


/*
 * What is found, or added, is in no queue, so that it does not make room for
 * something else, until ngx_fed_rate_done().
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
    rate->excess = 0;
    rate->last = ngx_current_msec;

    if (name->len) {
        ngx_memcpy(rate->name, name->data, name->len);

    } else {
        rates->nusers++;
    }

    ngx_rbtree_insert(&rates->tree, node);

    return rate;
}


/* Returns what one more event would make of the excess. */

static ngx_uint_t
ngx_fed_rate_next(ngx_fed_rate_t *rate, ngx_uint_t n)
{
    ngx_int_t       excess;
    ngx_msec_int_t  ms;

    ms = (ngx_msec_int_t) (ngx_current_msec - rate->last);
    ms = ngx_max(ms, 0);

    excess = (ngx_int_t) rate->excess - (ngx_int_t) (n * ms / 1000);

    return (ngx_uint_t) ngx_max(excess, 0) + 1000;
}


static void
ngx_fed_rate_done(ngx_fed_rate_t *rate, ngx_queue_t *queue, ngx_uint_t excess,
    ngx_uint_t taken)
{
    ngx_queue_insert_head(queue, &rate->queue);

    if (taken) {
        rate->excess = (uint32_t) excess;
        rate->last = ngx_current_msec;
    }
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
            || (ngx_msec_int_t) (rate->last - oldest->last) < 0)
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
