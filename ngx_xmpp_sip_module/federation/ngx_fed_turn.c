
/*
 * Turns: what one user sends another one keeps its order when his server goes
 * on at another process.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_fed.h"


/*
 * A process with messages under way of a link that ends takes a turn for each
 * pair of users; others, to whom the next messages may come, wait for those
 * that were taken before.  As long as no link ends there are none.
 */

struct ngx_fed_turn_s {
    ngx_rbtree_node_t             node;      /* by the first half of the key */
    uint64_t                      hi;        /* the second half */
    uint64_t                      number;
    uint32_t                      nonce;     /* of the process */
    uint32_t                      slot;
};


static void ngx_fed_turn_free(ngx_fed_conf_t *fcf, ngx_fed_turn_t *turn);


void
ngx_fed_turns_init(ngx_fed_turns_t *turns)
{
    ngx_rbtree_init(&turns->tree, &turns->sentinel, ngx_rbtree_insert_value);
}


/* The process that had a slot is gone, or goes; the zone is locked. */

void
ngx_fed_turns_forget(ngx_fed_conf_t *fcf, ngx_uint_t slot)
{
    ngx_fed_turn_t     *turn;
    ngx_fed_turns_t    *turns;
    ngx_rbtree_node_t  *node, *next;

    turns = ngx_fed_zone_turns(fcf);

    if (turns->tree.root == turns->tree.sentinel) {
        return;
    }

    node = ngx_rbtree_min(turns->tree.root, turns->tree.sentinel);

    while (node) {
        next = ngx_rbtree_next(&turns->tree, node);
        turn = (ngx_fed_turn_t *) node;

        if (turn->slot == slot) {
            ngx_fed_turn_free(fcf, turn);
        }

        node = next;
    }
}


/*
 * Takes a turn.  Returns what ends it, or NULL if there is no room: then the
 * order is not kept.
 */

ngx_fed_turn_t *
ngx_fed_turn_take(ngx_fed_conf_t *fcf, ngx_fed_key_t *key)
{
    ngx_uint_t        slot;
    ngx_fed_turn_t   *turn;
    ngx_fed_turns_t  *turns;

    turns = ngx_fed_zone_turns(fcf);

    ngx_fed_zone_lock(fcf);

    turn = ngx_fed_zone_alloc(fcf, sizeof(ngx_fed_turn_t));

    if (turn) {
        turn->node.key = (ngx_rbtree_key_t) key->lo;
        turn->hi = key->hi;
        turn->number = turns->number++;
        turn->nonce = ngx_fed_zone_self(fcf, &slot);
        turn->slot = (uint32_t) slot;

        ngx_rbtree_insert(&turns->tree, &turn->node);
        turns->n++;
    }

    ngx_fed_zone_unlock(fcf);

    return turn;
}


void
ngx_fed_turn_end(ngx_fed_conf_t *fcf, ngx_fed_turn_t *turn)
{
    ngx_fed_zone_lock(fcf);
    ngx_fed_turn_free(fcf, turn);
    ngx_fed_zone_unlock(fcf);
}


static void
ngx_fed_turn_free(ngx_fed_conf_t *fcf, ngx_fed_turn_t *turn)
{
    ngx_fed_turns_t  *turns;

    turns = ngx_fed_zone_turns(fcf);

    ngx_rbtree_delete(&turns->tree, &turn->node);
    turns->n--;

    ngx_fed_zone_free(fcf, turn);
}


/*
 * Tells whether there is another turn, one that was taken before ours if own is
 * not NULL.
 */

ngx_uint_t
ngx_fed_turn_wait(ngx_fed_conf_t *fcf, ngx_fed_key_t *key, ngx_fed_turn_t *own)
{
    ngx_uint_t          found;
    ngx_fed_turn_t     *turn;
    ngx_fed_turns_t    *turns;
    ngx_rbtree_key_t    first;
    ngx_rbtree_node_t  *node, *sentinel;

    turns = ngx_fed_zone_turns(fcf);

    if (turns->n == 0) {
        return 0;
    }

    first = (ngx_rbtree_key_t) key->lo;
    found = 0;

    ngx_fed_zone_lock(fcf);

    node = turns->tree.root;
    sentinel = turns->tree.sentinel;

    /* the first one; those of one key stand next to each other */

    turn = NULL;

    while (node != sentinel) {

        if (node->key >= first) {
            turn = (ngx_fed_turn_t *) node;
            node = node->left;

        } else {
            node = node->right;
        }
    }

    while (turn && turn->node.key == first) {

        if (turn->hi == key->hi
            && turn != own
            && (own == NULL || turn->number < own->number)
            && ngx_fed_zone_alive(fcf, turn->slot, turn->nonce))
        {
            found = 1;
            break;
        }

        turn = (ngx_fed_turn_t *) ngx_rbtree_next(&turns->tree, &turn->node);
    }

    ngx_fed_zone_unlock(fcf);

    return found;
}
