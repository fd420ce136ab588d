
/*
 * Turns: what one user sends another one keeps its order when his server goes
 * on at another process.
 */


#ifndef _NGX_FED_TURN_H_INCLUDED_
#define _NGX_FED_TURN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_event.h"
#include "ngx_fed_hash.h"


typedef struct ngx_fed_turn_s  ngx_fed_turn_t;


typedef struct {
    ngx_rbtree_t                  tree;
    ngx_rbtree_node_t             sentinel;
    ngx_atomic_t                  n;
    uint64_t                      number;    /* of the next one */
} ngx_fed_turns_t;


void ngx_fed_turns_init(ngx_fed_turns_t *turns);
void ngx_fed_turns_forget(ngx_fed_conf_t *fcf, ngx_uint_t slot);

ngx_fed_turn_t *ngx_fed_turn_take(ngx_fed_conf_t *fcf, ngx_fed_key_t *key);
void ngx_fed_turn_end(ngx_fed_conf_t *fcf, ngx_fed_turn_t *turn);
ngx_uint_t ngx_fed_turn_wait(ngx_fed_conf_t *fcf, ngx_fed_key_t *key,
    ngx_fed_turn_t *own);


#endif /* _NGX_FED_TURN_H_INCLUDED_ */
