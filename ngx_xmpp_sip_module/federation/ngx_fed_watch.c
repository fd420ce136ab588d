
/*
 * Watches: who may see whose presence, the dialogs under that, and the
 * presence that was seen last; all of it in the zone.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <openssl/rand.h>
#include "ngx_fed.h"


#define NGX_FED_WATCH_BLOCK  128


static ngx_int_t ngx_fed_watch_admit(ngx_fed_conf_t *fcf,
    ngx_fed_pair_t *pair, ngx_uint_t sip);
static void ngx_fed_watch_tally(ngx_fed_conf_t *fcf, ngx_str_t *names,
    ngx_uint_t sip, ngx_int_t add);
static ngx_fed_tally_t *ngx_fed_tally_find(ngx_fed_conf_t *fcf,
    uint64_t hash);
static ngx_uint_t ngx_fed_watchers(ngx_fed_conf_t *fcf, uint64_t presentity,
    ngx_uint_t max);


/* Returns NGX_ERROR if there is no randomness. */

ngx_int_t
ngx_fed_watches_init(ngx_fed_watches_t *watches)
{
    ngx_rbtree_init(&watches->watches, &watches->watches_sentinel,
                    ngx_rbtree_insert_value);
    ngx_rbtree_init(&watches->tallies, &watches->tallies_sentinel,
                    ngx_rbtree_insert_value);

    ngx_fed_wheel_init(&watches->wheel);

    if (RAND_bytes((u_char *) &watches->key, sizeof(ngx_fed_key_t)) != 1) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Removes all watches; the zone is locked. */

void
ngx_fed_watches_clear(ngx_fed_conf_t *fcf)
{
    ngx_fed_watches_t  *watches;

    watches = ngx_fed_zone_watches(fcf);

    while (watches->watches.root != watches->watches.sentinel) {
        ngx_fed_watch_free(fcf, (ngx_fed_watch_t *) watches->watches.root);
    }
}


/*
 * Names a watcher and whom he watches.  The watches of one presentity stand
 * next to each other in the tree.
 */

void
ngx_fed_pair(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_fed_address_t *watcher, ngx_fed_address_t *presentity)
{
    uint64_t        prefix;
    ngx_fed_hash_t  hash;

    pair->watcher = watcher;
    pair->presentity = presentity;

    ngx_fed_hash_init(&hash, &ngx_fed_zone_watches(fcf)->key);
    ngx_fed_hash_str(&hash, &watcher->user);
    ngx_fed_hash_str(&hash, &watcher->domain);
    ngx_fed_hash_str(&hash, &presentity->user);
    ngx_fed_hash_str(&hash, &presentity->domain);

    pair->id = ngx_fed_hash_final(&hash);

    prefix = ngx_fed_watch_hash(fcf, &presentity->user, &presentity->domain);

    pair->id.lo = (prefix & 0xffffffff00000000) | (pair->id.lo & 0xffffffff);
}


/* Names a user, or a domain if user is empty, for what is counted of him. */

uint64_t
ngx_fed_watch_hash(ngx_fed_conf_t *fcf, ngx_str_t *user, ngx_str_t *domain)
{
    ngx_fed_hash_t  hash;

    ngx_fed_hash_init(&hash, &ngx_fed_zone_watches(fcf)->key);
    ngx_fed_hash_str(&hash, user);
    ngx_fed_hash_str(&hash, domain);

    return ngx_fed_hash_final(&hash).lo;
}


ngx_fed_watch_t *
ngx_fed_watch_find(ngx_fed_conf_t *fcf, ngx_fed_key_t *id)
{
    ngx_fed_watch_t    *watch;
    ngx_rbtree_key_t    key;
    ngx_rbtree_node_t  *node, *sentinel;
    ngx_fed_watches_t  *watches;

    watches = ngx_fed_zone_watches(fcf);

    key = (ngx_rbtree_key_t) id->lo;
    node = watches->watches.root;
    sentinel = watches->watches.sentinel;

    while (node != sentinel) {

        if (key != node->key) {
            node = (key < node->key) ? node->left : node->right;
            continue;
        }

        watch = (ngx_fed_watch_t *) node;

        if (watch->id == id->hi) {
            return watch;
        }

        node = node->right;
    }

    return NULL;
}


/*
 * Adds a watch without an authorization; sip says that the watcher is the SIP
 * user.  Returns NULL if the zone is full, or, unless unlimited, if one of the
 * users, or the remote domain, has too many.
 */

ngx_fed_watch_t *
ngx_fed_watch_add(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair, ngx_uint_t sip,
    ngx_uint_t unlimited)
{
    u_char             *p;
    size_t              size;
    ngx_str_t           names[4];
    ngx_uint_t          i;
    ngx_fed_watch_t    *watch;
    ngx_fed_watches_t  *watches;

    if (!unlimited && ngx_fed_watch_admit(fcf, pair, sip) != NGX_OK) {
        return NULL;
    }

    names[0] = pair->watcher->user;
    names[1] = pair->watcher->domain;
    names[2] = pair->presentity->user;
    names[3] = pair->presentity->domain;

    size = names[0].len + names[1].len + names[2].len + names[3].len;

    watch = ngx_fed_zone_alloc(fcf, ngx_max(sizeof(ngx_fed_watch_t),
                                            NGX_FED_WATCH_BLOCK));
    if (watch == NULL) {
        return NULL;
    }

    ngx_memzero(watch, sizeof(ngx_fed_watch_t));

    watch->names = ngx_fed_zone_alloc(fcf, size);
    if (watch->names == NULL) {
        ngx_fed_zone_free(fcf, watch);
        return NULL;
    }

    p = watch->names;

    for (i = 0; i < 4; i++) {

        if (names[i].len) {
            p = ngx_cpymem(p, names[i].data, names[i].len);
        }

        if (i < 3) {
            watch->names_len[i] = (uint16_t) names[i].len;
        }
    }

    watch->names_size = (uint16_t) size;
    watch->node.key = (ngx_rbtree_key_t) pair->id.lo;
    watch->id = pair->id.hi;
    watch->sip = sip;

    watches = ngx_fed_zone_watches(fcf);

    ngx_rbtree_insert(&watches->watches, &watch->node);

    watches->nwatches++;
    watches->changes++;

    ngx_fed_watch_tally(fcf, names, sip, 1);

    return watch;
}


/* SEC-01, PB-44 */

static ngx_int_t
ngx_fed_watch_admit(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair, ngx_uint_t sip)
{
    ngx_str_t  none;

    ngx_str_null(&none);

    if (ngx_fed_tally(fcf, ngx_fed_watch_hash(fcf, &pair->watcher->user,
                                              &pair->watcher->domain))
        >= fcf->user_contacts)
    {
        return NGX_DECLINED;
    }

    if (!ngx_fed_domain_find(fcf, &pair->watcher->domain, fcf->sip)->home
        && ngx_fed_tally(fcf, ngx_fed_watch_hash(fcf, &none,
                                                 &pair->watcher->domain))
           >= fcf->domain_subscriptions)
    {
        return NGX_DECLINED;
    }

    if (ngx_fed_watchers(fcf, pair->id.lo, fcf->user_watchers)
        >= fcf->user_watchers)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* The names of a watch, of which there are four. */

void
ngx_fed_watch_names(ngx_fed_watch_t *watch, ngx_str_t *names)
{
    u_char      *p;
    ngx_uint_t   i;

    p = watch->names;

    for (i = 0; i < 3; i++) {
        names[i].data = p;
        names[i].len = watch->names_len[i];
        p += names[i].len;
    }

    names[3].data = p;
    names[3].len = watch->names + watch->names_size - p;
}


static void
ngx_fed_watch_tally(ngx_fed_conf_t *fcf, ngx_str_t *names, ngx_uint_t sip,
    ngx_int_t add)
{
    uint64_t    hash;
    ngx_str_t   none;
    ngx_uint_t  i;

    ngx_str_null(&none);

    for (i = 0; i < 2; i++) {
        hash = ngx_fed_watch_hash(fcf, i ? &none : &names[0], &names[1]);

        ngx_fed_tally_add(fcf, hash, add);
    }
}


/* Counts one more, or with a negative number one less. */

void
ngx_fed_tally_add(ngx_fed_conf_t *fcf, uint64_t hash, ngx_int_t add)
{
    ngx_fed_tally_t    *tally;
    ngx_fed_watches_t  *watches;

    watches = ngx_fed_zone_watches(fcf);

    tally = ngx_fed_tally_find(fcf, hash);

    if (tally == NULL) {

        if (add < 0) {
            return;
        }

        /* what is not counted is not limited */

        tally = ngx_fed_zone_alloc(fcf, sizeof(ngx_fed_tally_t));
        if (tally == NULL) {
            return;
        }

        tally->node.key = (ngx_rbtree_key_t) hash;
        tally->n = 0;

        ngx_rbtree_insert(&watches->tallies, &tally->node);
    }

    if (add < 0 && --tally->n == 0) {
        ngx_rbtree_delete(&watches->tallies, &tally->node);
        ngx_fed_zone_free(fcf, tally);

    } else if (add > 0) {
        tally->n++;
    }
}


ngx_uint_t
ngx_fed_tally(ngx_fed_conf_t *fcf, uint64_t hash)
{
    ngx_fed_tally_t  *tally;

    tally = ngx_fed_tally_find(fcf, hash);

    return tally ? tally->n : 0;
}


static ngx_fed_tally_t *
ngx_fed_tally_find(ngx_fed_conf_t *fcf, uint64_t hash)
{
    ngx_rbtree_key_t    key;
    ngx_rbtree_node_t  *node, *sentinel;
    ngx_fed_watches_t  *watches;

    watches = ngx_fed_zone_watches(fcf);

    key = (ngx_rbtree_key_t) hash;
    node = watches->tallies.root;
    sentinel = watches->tallies.sentinel;

    while (node != sentinel) {

        if (key == node->key) {
            return (ngx_fed_tally_t *) node;
        }

        node = (key < node->key) ? node->left : node->right;
    }

    return NULL;
}


/* Counts those who watch a user, up to max; their ids begin alike. */

static ngx_uint_t
ngx_fed_watchers(ngx_fed_conf_t *fcf, uint64_t presentity, ngx_uint_t max)
{
    ngx_uint_t          n;
    ngx_rbtree_key_t    first, last;
    ngx_rbtree_node_t  *node, *found, *sentinel;
    ngx_fed_watches_t  *watches;

    watches = ngx_fed_zone_watches(fcf);

    first = (ngx_rbtree_key_t) (presentity & 0xffffffff00000000);
    last = (ngx_rbtree_key_t) (presentity | 0xffffffff);

    node = watches->watches.root;
    sentinel = watches->watches.sentinel;
    found = NULL;

    while (node != sentinel) {

        if (node->key >= first) {
            found = node;
            node = node->left;

        } else {
            node = node->right;
        }
    }

    for (n = 0; found && found->key <= last && n < max; n++) {
        found = ngx_rbtree_next(&watches->watches, found);
    }

    return n;
}


/* Removes a watch with its dialogs. */

void
ngx_fed_watch_free(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch)
{
    ngx_str_t           names[4];
    ngx_fed_watches_t  *watches;

    while (watch->dialogs) {
        ngx_fed_dialog_free(fcf, watch->dialogs);
    }

    watches = ngx_fed_zone_watches(fcf);

    ngx_fed_watch_names(watch, names);
    ngx_fed_watch_tally(fcf, names, watch->sip, -1);

    ngx_fed_wheel_clear(&watch->due);
    ngx_rbtree_delete(&watches->watches, &watch->node);

    if (watch->presence) {
        ngx_fed_zone_free(fcf, watch->presence);
    }

    ngx_fed_zone_free(fcf, watch->names);
    ngx_fed_zone_free(fcf, watch);

    watches->nwatches--;
    watches->changes++;
}


/*
 * Copies the addresses of a watch into the pool.  Returns NGX_ERROR if there
 * is no memory.
 */

ngx_int_t
ngx_fed_watch_pair(ngx_fed_conf_t *fcf, ngx_pool_t *pool,
    ngx_fed_watch_t *watch, ngx_fed_pair_t *pair)
{
    u_char             *p;
    ngx_str_t           names[4];
    ngx_uint_t          i;
    ngx_fed_address_t  *addr;

    addr = ngx_pcalloc(pool, 2 * sizeof(ngx_fed_address_t));
    p = ngx_pnalloc(pool, watch->names_size);

    if (addr == NULL || p == NULL) {
        return NGX_ERROR;
    }

    ngx_fed_watch_names(watch, names);

    for (i = 0; i < 4; i++) {
        ngx_memcpy(p, names[i].data, names[i].len);
        names[i].data = p;
        p += names[i].len;
    }

    addr[0].user = names[0];
    addr[0].domain = names[1];
    addr[1].user = names[2];
    addr[1].domain = names[3];

    pair->watcher = &addr[0];
    pair->presentity = &addr[1];
    pair->id.lo = watch->node.key;
    pair->id.hi = watch->id;

    for (i = 0; i < 2; i++) {
        if (ngx_fed_address_domain_unicode(pool, &addr[i].domain,
                                           &addr[i].unicode)
            == NGX_ERROR)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* Reads the presence; strings lie in the zone. */

ngx_int_t
ngx_fed_watch_presence(ngx_fed_watch_t *watch, ngx_fed_presence_t *presence)
{
    if (watch->presence == NULL) {
        presence->n = 0;
        return NGX_OK;
    }

    return ngx_fed_presence_unpack(watch->presence, watch->presence_len,
                                   presence);
}


/*
 * Replaces the presence, whose strings may lie in the zone.  Returns NGX_ERROR
 * if the zone is full: there is none then.
 */

ngx_int_t
ngx_fed_watch_set_presence(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch,
    ngx_fed_presence_t *presence)
{
    size_t  len;
    u_char  buf[NGX_FED_PACKED_MAX];

    len = presence ? ngx_fed_presence_pack(buf, presence) : 0;

    if (watch->presence && watch->presence_len == len
        && ngx_memcmp(watch->presence, buf, len) == 0)
    {
        return NGX_OK;
    }

    ngx_fed_watch_changed(fcf);

    if (watch->presence) {
        ngx_fed_zone_free(fcf, watch->presence);
        watch->presence = NULL;
        watch->presence_len = 0;
    }

    if (len == 0) {
        return NGX_OK;
    }

    watch->presence = ngx_fed_zone_alloc(fcf, len);
    if (watch->presence == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(watch->presence, buf, len);
    watch->presence_len = (uint16_t) len;

    return NGX_OK;
}


/* Sets when to look at a watch, in ms of ngx_current_msec; 0: never. */

void
ngx_fed_watch_due(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch, ngx_msec_t time)
{
    if (time == 0) {
        ngx_fed_wheel_clear(&watch->due);
        return;
    }

    ngx_fed_zone_due(fcf, &watch->due, time | 1);
}


/* Something is to be written to the state file. */

void
ngx_fed_watch_changed(ngx_fed_conf_t *fcf)
{
    ngx_fed_zone_watches(fcf)->changes++;
}


/*
 * Adds a dialog with NGX_FED_TEXTS texts to a watch.  Returns NULL if the zone
 * is full.
 */

ngx_fed_dialog_t *
ngx_fed_dialog_add(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch,
    ngx_str_t *texts)
{
    ngx_fed_dialog_t   *dialog;
    ngx_fed_watches_t  *watches;

    dialog = ngx_fed_zone_alloc(fcf, ngx_max(sizeof(ngx_fed_dialog_t),
                                             NGX_FED_WATCH_BLOCK));
    if (dialog == NULL) {
        return NULL;
    }

    ngx_memzero(dialog, sizeof(ngx_fed_dialog_t));

    if (ngx_fed_dialog_set_texts(fcf, dialog, texts) != NGX_OK) {
        ngx_fed_zone_free(fcf, dialog);
        return NULL;
    }

    dialog->watch = watch;
    dialog->next = watch->dialogs;
    watch->dialogs = dialog;
    watch->ndialogs++;

    watches = ngx_fed_zone_watches(fcf);

    watches->ndialogs++;
    watches->changes++;

    return dialog;
}


/* Replaces the texts.  Returns NGX_ERROR if the zone is full. */

ngx_int_t
ngx_fed_dialog_set_texts(ngx_fed_conf_t *fcf, ngx_fed_dialog_t *dialog,
    ngx_str_t *texts)
{
    u_char  *text;

    text = ngx_fed_texts_pack(fcf, texts, dialog->len);
    if (text == NULL) {
        return NGX_ERROR;
    }

    if (dialog->text) {
        ngx_fed_zone_free(fcf, dialog->text);
    }

    dialog->text = text;

    ngx_fed_watch_changed(fcf);

    return NGX_OK;
}


/* Reads the texts, which lie in the zone. */

void
ngx_fed_dialog_texts(ngx_fed_dialog_t *dialog, ngx_str_t *texts)
{
    ngx_fed_texts_unpack(dialog->text, dialog->len, texts);
}


/*
 * Copies NGX_FED_TEXTS texts into the zone, which is locked, and sets their
 * lengths.  Returns NULL, and sets none, if it is full.
 */

u_char *
ngx_fed_texts_pack(ngx_fed_conf_t *fcf, ngx_str_t *texts, uint16_t *len)
{
    u_char      *p, *text;
    size_t       size;
    ngx_uint_t   i;

    size = 0;

    for (i = 0; i < NGX_FED_TEXTS; i++) {
        size += texts[i].len;
    }

    if (size > 65535) {
        return NULL;
    }

    text = ngx_fed_zone_alloc(fcf, ngx_max(size, 1));
    if (text == NULL) {
        return NULL;
    }

    p = text;

    for (i = 0; i < NGX_FED_TEXTS; i++) {
        len[i] = (uint16_t) texts[i].len;

        if (texts[i].len) {
            p = ngx_cpymem(p, texts[i].data, texts[i].len);
        }
    }

    return text;
}


/* Sets the texts to slices of what was packed. */

void
ngx_fed_texts_unpack(u_char *text, uint16_t *len, ngx_str_t *texts)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_FED_TEXTS; i++) {
        texts[i].data = text;
        texts[i].len = len[i];
        text += len[i];
    }
}


/* Returns the dialog that has this tag of ours, or NULL. */

ngx_fed_dialog_t *
ngx_fed_dialog_find(ngx_fed_watch_t *watch, uint64_t tag)
{
    ngx_fed_dialog_t  *dialog;

    for (dialog = watch->dialogs; dialog; dialog = dialog->next) {
        if (dialog->tag == tag) {
            return dialog;
        }
    }

    return NULL;
}


/*
 * Returns the dialog with this tag of the watch with this id, whose watcher is
 * a SIP user or is not, or NULL.  The zone is locked.
 */

ngx_fed_dialog_t *
ngx_fed_dialog_lookup(ngx_fed_conf_t *fcf, ngx_fed_key_t *id, ngx_uint_t sip,
    uint64_t tag)
{
    ngx_fed_watch_t  *watch;

    watch = ngx_fed_watch_find(fcf, id);

    if (watch == NULL || watch->sip != sip) {
        return NULL;
    }

    return ngx_fed_dialog_find(watch, tag);
}


/* Returns a dialog that is not about to end, or NULL. */

ngx_fed_dialog_t *
ngx_fed_watch_live(ngx_fed_watch_t *watch)
{
    ngx_fed_dialog_t  *dialog;

    for (dialog = watch->dialogs; dialog; dialog = dialog->next) {
        if (dialog->reason == 0) {
            return dialog;
        }
    }

    return NULL;
}


void
ngx_fed_dialog_free(ngx_fed_conf_t *fcf, ngx_fed_dialog_t *dialog)
{
    ngx_fed_watch_t     *watch;
    ngx_fed_dialog_t   **p;
    ngx_fed_watches_t   *watches;

    watch = dialog->watch;

    for (p = &watch->dialogs; *p != dialog; p = &(*p)->next) { /* void */ }

    *p = dialog->next;
    watch->ndialogs--;

    ngx_fed_wheel_clear(&dialog->due);
    ngx_fed_zone_free(fcf, dialog->text);
    ngx_fed_zone_free(fcf, dialog);

    watches = ngx_fed_zone_watches(fcf);

    watches->ndialogs--;
    watches->changes++;
}


/*
 * Tells what is due: a watch, or a dialog, whose times are even.
 */

void
ngx_fed_due_find(ngx_fed_due_t *due, ngx_fed_watch_t **watch,
    ngx_fed_dialog_t **dialog)
{
    if (due->time & 1) {
        *watch = (ngx_fed_watch_t *)
                     ((u_char *) due - offsetof(ngx_fed_watch_t, due));
        *dialog = NULL;
        return;
    }

    *dialog = (ngx_fed_dialog_t *)
                  ((u_char *) due - offsetof(ngx_fed_dialog_t, due));
    *watch = (*dialog)->watch;
}


/* Sets when to look at a dialog, in ms of ngx_current_msec. */

void
ngx_fed_dialog_due(ngx_fed_conf_t *fcf, ngx_fed_dialog_t *dialog,
    ngx_msec_t time)
{
    ngx_fed_zone_due(fcf, &dialog->due, time & ~(ngx_msec_t) 1);
}
