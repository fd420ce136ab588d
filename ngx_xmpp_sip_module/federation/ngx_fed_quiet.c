
/*
 * What peers can bring about again and again is logged once, then counted.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_fed.h"


#define NGX_FED_QUIET_MAX   256                  /* names of a worker */
#define NGX_FED_QUIET_NAME  256


typedef struct {
    ngx_str_node_t                sn;            /* what, and then the name */
    ngx_fed_timer_t               timer;
    ngx_uint_t                    level;
    ngx_uint_t                    n;             /* lines that were left out */
} ngx_fed_quiet_entry_t;


struct ngx_fed_quiet_s {
    ngx_fed_conf_t               *conf;
    ngx_rbtree_t                  tree;
    ngx_rbtree_node_t             sentinel;
    ngx_fed_timers_t              timers;
    ngx_uint_t                    n;
};


static ngx_fed_quiet_entry_t *ngx_fed_quiet_add(ngx_fed_quiet_t *quiet,
    ngx_str_t *key, uint32_t hash);
static void ngx_fed_quiet_handler(ngx_fed_timers_t *timers,
    ngx_fed_timer_t *timer);
static void ngx_fed_quiet_log(ngx_fed_quiet_t *quiet,
    ngx_fed_quiet_entry_t *entry);
static void ngx_fed_quiet_free(ngx_fed_quiet_t *quiet,
    ngx_fed_quiet_entry_t *entry);


static const char  *ngx_fed_quiet_names[] = {
    "events over a rate",
    "events that policy refuses",
    "events to a domain of the sender's own side",
    "what the zone has no room for",
    "IM sessions that there is no room for",
    "connections that are not authenticated",
    "plaintext ahead of TLS",
    "certificates that do not prove a domain",
    "SASL that failed",
    "dialback that was refused",
    "dialback keys of somebody else",
    "dialback that nobody asked for",
    "XMPP streams of somebody else",
    "XMPP streams that failed",
    "XMPP stream errors received",
    "senders for whom the peer may not speak",
    "answers that were ignored",
    "documents that were ignored",
    "stanzas that were dropped",
    "messages that bounced after they were accepted",
    "requests that were not answered",
    "SUBSCRIBE that failed",
    "INVITE that failed",
    "names that DNS does not lead anywhere",
    "names that DNS leads inside"
};


ngx_int_t
ngx_fed_quiet_init_process(ngx_fed_conf_t *fcf)
{
    ngx_fed_quiet_t  *quiet;

    quiet = ngx_pcalloc(fcf->cycle->pool, sizeof(ngx_fed_quiet_t));
    if (quiet == NULL) {
        return NGX_ERROR;
    }

    quiet->conf = fcf;

    ngx_rbtree_init(&quiet->tree, &quiet->sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_fed_timers_init(&quiet->timers, fcf->log_interval,
                        ngx_fed_quiet_handler, quiet, fcf->log);

    fcf->quiet = quiet;

    return NGX_OK;
}


void
ngx_fed_quiet_exit_process(ngx_fed_conf_t *fcf)
{
    ngx_fed_quiet_t        *quiet;
    ngx_fed_quiet_entry_t  *entry;

    quiet = fcf->quiet;

    if (quiet == NULL) {
        return;
    }

    fcf->quiet = NULL;

    while (quiet->tree.root != &quiet->sentinel) {
        entry = (ngx_fed_quiet_entry_t *) quiet->tree.root;

        ngx_fed_timers_del(&quiet->timers, &entry->timer);
        ngx_fed_quiet_log(quiet, entry);
        ngx_fed_quiet_free(quiet, entry);
    }

    ngx_fed_timers_done(&quiet->timers);
}


/*
 * Returns the level at which to log what is about a domain, or with NULL about
 * none: the one given if there was no such line in this worker for
 * log_interval, else that of debugging.  How many were left out is logged at
 * the end of each interval.
 */

ngx_uint_t
ngx_fed_quiet_level(ngx_fed_conf_t *fcf, ngx_fed_quiet_e what, ngx_str_t *name,
    ngx_uint_t level)
{
    u_char                  buf[1 + NGX_FED_QUIET_NAME];
    uint32_t                hash;
    ngx_str_t               key;
    ngx_fed_quiet_t        *quiet;
    ngx_fed_quiet_entry_t  *entry;

    quiet = fcf->quiet;

    if (quiet == NULL || fcf->log_interval == 0) {
        return level;
    }

    buf[0] = (u_char) what;

    key.data = buf;
    key.len = 1;

    if (name && name->len) {
        key.len += ngx_min(name->len, NGX_FED_QUIET_NAME);
        ngx_memcpy(buf + 1, name->data, key.len - 1);
    }

    for ( ;; ) {
        hash = ngx_crc32_short(key.data, key.len);

        entry = (ngx_fed_quiet_entry_t *)
                    ngx_str_rbtree_lookup(&quiet->tree, &key, hash);

        if (entry && level < entry->level) {

            /* it is worse than what was logged */

            entry->level = level;
            return level;
        }

        if (entry) {
            entry->n++;
            return NGX_LOG_DEBUG;
        }

        if (quiet->n < NGX_FED_QUIET_MAX || key.len == 1) {
            break;
        }

        /* there are too many: those that come now are as one */

        key.len = 1;
    }

    entry = ngx_fed_quiet_add(quiet, &key, hash);

    if (entry) {
        entry->level = level;
    }

    return level;
}


static ngx_fed_quiet_entry_t *
ngx_fed_quiet_add(ngx_fed_quiet_t *quiet, ngx_str_t *key, uint32_t hash)
{
    u_char                 *p;
    ngx_fed_quiet_entry_t  *entry;

    entry = ngx_calloc(sizeof(ngx_fed_quiet_entry_t) + key->len,
                       quiet->conf->log);
    if (entry == NULL) {
        return NULL;
    }

    p = (u_char *) entry + sizeof(ngx_fed_quiet_entry_t);

    ngx_memcpy(p, key->data, key->len);

    entry->sn.node.key = hash;
    entry->sn.str.data = p;
    entry->sn.str.len = key->len;

    ngx_rbtree_insert(&quiet->tree, &entry->sn.node);
    quiet->n++;

    ngx_fed_timers_add(&quiet->timers, &entry->timer);

    /* no process waits for it to end */

    quiet->timers.event.cancelable = 1;

    return entry;
}


static void
ngx_fed_quiet_handler(ngx_fed_timers_t *timers, ngx_fed_timer_t *timer)
{
    ngx_fed_quiet_t        *quiet;
    ngx_fed_quiet_entry_t  *entry;

    quiet = timers->data;

    entry = (ngx_fed_quiet_entry_t *)
                ((u_char *) timer - offsetof(ngx_fed_quiet_entry_t, timer));

    if (entry->n == 0) {
        ngx_fed_quiet_free(quiet, entry);
        return;
    }

    ngx_fed_quiet_log(quiet, entry);

    entry->n = 0;

    ngx_fed_timers_add(timers, timer);
    timers->event.cancelable = 1;
}


static void
ngx_fed_quiet_log(ngx_fed_quiet_t *quiet, ngx_fed_quiet_entry_t *entry)
{
    u_char      buf[NGX_FED_QUIET_NAME];
    ngx_str_t   name;
    ngx_uint_t  known;

    if (entry->n == 0) {
        return;
    }

    name.data = entry->sn.str.data + 1;
    name.len = entry->sn.str.len - 1;

    known = (name.len != 0);

    if (known) {
        name = ngx_fed_text_log(buf, sizeof(buf), &name);
    }

    ngx_log_error(entry->level, quiet->conf->log, 0,
                  "%ui more lines were left out in %M ms: %s%s%V%s, "
                  "federation: \"%V\"", entry->n, quiet->conf->log_interval,
                  ngx_fed_quiet_names[entry->sn.str.data[0]],
                  known ? ", domain \"" : "", &name, known ? "\"" : "",
                  &quiet->conf->name);
}


static void
ngx_fed_quiet_free(ngx_fed_quiet_t *quiet, ngx_fed_quiet_entry_t *entry)
{
    ngx_rbtree_delete(&quiet->tree, &entry->sn.node);
    quiet->n--;

    ngx_free(entry);
}
