
/*
 * Notes: small texts that all workers remember for a while.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_notes.h"


typedef struct {
    ngx_rbtree_node_t             node;      /* by the first octets of key */
    ngx_queue_t                   queue;
    ngx_str_t                     text;
    u_char                        key[NGX_FED_NOTE_KEY];
    u_char                        data[1];
} ngx_fed_note_t;


static ngx_fed_note_t *ngx_fed_notes_find(ngx_fed_notes_t *notes,
    u_char *key);
static void ngx_fed_notes_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static void ngx_fed_notes_forget(ngx_fed_notes_t *notes,
    ngx_slab_pool_t *shpool);


/* Prepares for max notes at most. */

void
ngx_fed_notes_init(ngx_fed_notes_t *notes, ngx_uint_t max)
{
    ngx_rbtree_init(&notes->tree, &notes->sentinel, ngx_fed_notes_insert);
    ngx_queue_init(&notes->queue);

    notes->n = 0;
    notes->max = max;
}


/*
 * Remembers a text under a key of NGX_FED_NOTE_KEY octets, which is to be a
 * keyed hash.  What was not used for longest makes room.  The lock of the slab
 * pool is held.  Returns NGX_DECLINED if there is one under that key already,
 * NGX_ERROR if it is too long, or there is no room.
 */

ngx_int_t
ngx_fed_notes_put(ngx_fed_notes_t *notes, ngx_slab_pool_t *shpool, u_char *key,
    ngx_str_t *text)
{
    size_t           size;
    ngx_fed_note_t  *note;

    if (text->len > NGX_FED_NOTE_TEXT) {
        return NGX_ERROR;
    }

    if (ngx_fed_notes_find(notes, key)) {
        return NGX_DECLINED;
    }

    if (notes->n >= notes->max) {
        ngx_fed_notes_forget(notes, shpool);
    }

    size = offsetof(ngx_fed_note_t, data) + text->len;

    note = ngx_slab_alloc_locked(shpool, size);

    if (note == NULL && notes->n) {
        ngx_fed_notes_forget(notes, shpool);

        note = ngx_slab_alloc_locked(shpool, size);
    }

    if (note == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(note->key, key, NGX_FED_NOTE_KEY);
    ngx_memcpy(&note->node.key, key, sizeof(ngx_rbtree_key_t));

    note->text.len = text->len;
    note->text.data = note->data;

    if (text->len) {
        ngx_memcpy(note->data, text->data, text->len);
    }

    ngx_rbtree_insert(&notes->tree, &note->node);
    ngx_queue_insert_head(&notes->queue, &note->queue);

    notes->n++;

    return NGX_OK;
}


/*
 * Returns the text remembered under a key, or NULL.  It may be looked at while
 * the lock of the slab pool is held.
 */

ngx_str_t *
ngx_fed_notes_get(ngx_fed_notes_t *notes, u_char *key)
{
    ngx_fed_note_t  *note;

    note = ngx_fed_notes_find(notes, key);

    return note ? &note->text : NULL;
}


static ngx_fed_note_t *
ngx_fed_notes_find(ngx_fed_notes_t *notes, u_char *key)
{
    ngx_int_t           rc;
    ngx_fed_note_t     *note;
    ngx_rbtree_key_t    first;
    ngx_rbtree_node_t  *node, *sentinel;

    ngx_memcpy(&first, key, sizeof(ngx_rbtree_key_t));

    node = notes->tree.root;
    sentinel = notes->tree.sentinel;

    while (node != sentinel) {

        if (first != node->key) {
            node = (first < node->key) ? node->left : node->right;
            continue;
        }

        note = (ngx_fed_note_t *) node;

        rc = ngx_memcmp(key, note->key, NGX_FED_NOTE_KEY);

        if (rc == 0) {
            ngx_queue_remove(&note->queue);
            ngx_queue_insert_head(&notes->queue, &note->queue);
            return note;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


static void
ngx_fed_notes_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_fed_note_t      *n, *t;
    ngx_rbtree_node_t  **p;

    for ( ;; ) {

        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            n = (ngx_fed_note_t *) node;
            t = (ngx_fed_note_t *) temp;

            p = (ngx_memcmp(n->key, t->key, NGX_FED_NOTE_KEY) < 0)
                ? &temp->left : &temp->right;
        }

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


static void
ngx_fed_notes_forget(ngx_fed_notes_t *notes, ngx_slab_pool_t *shpool)
{
    ngx_queue_t     *q;
    ngx_fed_note_t  *note;

    q = ngx_queue_last(&notes->queue);
    note = ngx_queue_data(q, ngx_fed_note_t, queue);

    ngx_queue_remove(q);
    ngx_rbtree_delete(&notes->tree, &note->node);
    ngx_slab_free_locked(shpool, note);

    notes->n--;
}
