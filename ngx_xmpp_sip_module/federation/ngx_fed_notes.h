
/*
 * Notes: small texts that all workers remember for a while.
 */


#ifndef _NGX_FED_NOTES_H_INCLUDED_
#define _NGX_FED_NOTES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_FED_NOTE_KEY      32
#define NGX_FED_NOTE_TEXT     1024


typedef struct {
    ngx_rbtree_t                  tree;
    ngx_rbtree_node_t             sentinel;
    ngx_queue_t                   queue;     /* the latest first */
    ngx_uint_t                    n;
    ngx_uint_t                    max;
} ngx_fed_notes_t;


void ngx_fed_notes_init(ngx_fed_notes_t *notes, ngx_uint_t max);
ngx_int_t ngx_fed_notes_put(ngx_fed_notes_t *notes, ngx_slab_pool_t *shpool,
    u_char *key, ngx_str_t *text);
ngx_str_t *ngx_fed_notes_get(ngx_fed_notes_t *notes, u_char *key);


#endif /* _NGX_FED_NOTES_H_INCLUDED_ */
