
/*
 * Rates: how much each domain, and each user, has sent lately, in the zone.
 */


#ifndef _NGX_FED_RATE_H_INCLUDED_
#define _NGX_FED_RATE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_event.h"


/* what is counted apart */

typedef enum {
    NGX_FED_RATE_EVENTS = 0,
    NGX_FED_RATE_STATUS,       /* chat states and receipts */
    NGX_FED_RATES
} ngx_fed_rate_e;


typedef struct {
    ngx_rbtree_t                  tree;
    ngx_rbtree_node_t             sentinel;
    ngx_queue_t                   domains;   /* least recently used last */
    ngx_queue_t                   users;     /* the same */
    ngx_uint_t                    nusers;
    ngx_uint_t                    max_users;
} ngx_fed_rates_t;


void ngx_fed_rates_init(ngx_fed_rates_t *rates, ngx_uint_t max_users);
ngx_uint_t ngx_fed_rates_evict(ngx_fed_conf_t *fcf);

ngx_int_t ngx_fed_rate_admit(ngx_fed_conf_t *fcf, ngx_fed_domain_t *domain,
    ngx_fed_address_t *from, ngx_fed_rate_e what);


#endif /* _NGX_FED_RATE_H_INCLUDED_ */
