
/*
 * The shared zone: what all workers of a federation know.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_channel.h>
#include <sys/eventfd.h>
#include <openssl/rand.h>
#include "ngx_fed.h"


#define NGX_FED_ZONE_MAGIC    0x3446464e         /* "NFF4" */

#define NGX_FED_SLOTS         128                /* processes of one master */
#define NGX_FED_RING          32768
#define NGX_FED_RING_ALIGN    16

#define NGX_FED_ZONE_NOTE     8192               /* of the zone, for a note */
#define NGX_FED_ZONE_CHOICE   2048               /* ... a choice */
#define NGX_FED_ZONE_RATE     1024               /* ... the rate of a user */

/* pages that are kept for what messages need, streams first of all */

#define NGX_FED_ZONE_RESERVE  16                 /* at least */
#define NGX_FED_ZONE_PART     64                 /* of all */

#define NGX_FED_SWEEP         1000               /* ms, when nothing is due */
#define NGX_FED_LEASE         60000              /* ms */
#define NGX_FED_SWEEP_MAX     64                 /* in one turn */


/* a pair of a remote domain and one of ours */

typedef struct {
    u_char                        color;
    u_char                        unused[3];
    ngx_fed_streams_t             streams;
    uint16_t                      len;
    ngx_queue_t                   open;          /* ngx_fed_zone_stream_t */
    ngx_queue_t                   queue;         /* if none is */
    ngx_msec_t                    closed;        /* when the last one was */
    u_char                        name[1];       /* remote, NUL, local */
} ngx_fed_zone_pair_t;


/* a stream that is open, and the process that has it */

typedef struct {
    ngx_queue_t                   queue;
    ngx_uint_t                    slot;
} ngx_fed_zone_stream_t;


typedef struct {
    ngx_pid_t                     pid;
    uint32_t                      nonce;         /* of the process; 0: none */
    uint32_t                      generation;    /* of its configuration */
    ngx_atomic_t                  pending;       /* answers it waits for */
    uint32_t                      head;
    uint32_t                      tail;
    u_char                       *ring;
} ngx_fed_slot_t;


typedef struct {
    uint32_t                      magic;
    uint32_t                      size;          /* of this: its layout */

    uint64_t                      id;            /* of this zone; not 0 */

    u_char                        secret[NGX_FED_SECRET_LEN];

    ngx_fed_rates_t               rates;

    ngx_rbtree_t                  pairs;
    ngx_rbtree_node_t             pairs_sentinel;
    ngx_queue_t                   closed;        /* pairs without a stream */

    ngx_fed_notes_t               notes;
    ngx_fed_notes_t               choices;       /* of "default auto" */
    ngx_atomic_t                  number;

    ngx_fed_watches_t             watches;
    ngx_msec_t                    turn;          /* of the next refresh */

    ngx_fed_sessions_t            sessions;
    ngx_fed_turns_t               turns;

    ngx_atomic_t                  counts[NGX_FED_KINDS][2][NGX_FED_COUNTS];

    ngx_fed_slot_t                slots[NGX_FED_SLOTS];
    u_char                       *rings;         /* spare ones, linked */
} ngx_fed_zone_t;


/* an answer in a ring; its strings follow */

typedef struct {
    uint32_t                      size;          /* 0: go on at the start */
    uint32_t                      nonce;
    uint64_t                      seq;
    uint8_t                       leg;
    uint8_t                       kind;
    uint8_t                       result;
    uint8_t                       condition;
    uint8_t                       type;
    uint16_t                      status;
    uint32_t                      retry_after;
    uint16_t                      len[4];
} ngx_fed_ring_entry_t;


/* a worker's own */

typedef struct {
    ngx_cycle_t                  *cycle;
    ngx_fed_zone_t               *zone;
    ngx_slab_pool_t              *shpool;
    ngx_uint_t                    slot;          /* NGX_FED_SLOTS: none */
    uint32_t                      nonce;
    uint64_t                      seq;
    uint64_t                      key;           /* hides the sequence */
    ngx_event_t                   sweep;
} ngx_fed_zone_ctx_t;


static ngx_int_t ngx_fed_zone_init(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_fed_zone_create_secret(ngx_fed_conf_t *fcf,
    ngx_fed_zone_t *zone);
static void ngx_fed_zone_rings(ngx_fed_zone_ctx_t *ctx, size_t size);
static u_char *ngx_fed_zone_ring(ngx_fed_zone_ctx_t *ctx);
static void ngx_fed_zone_eventfd_handler(ngx_event_t *rev);
static ngx_uint_t ngx_fed_zone_take(ngx_fed_conf_t *fcf,
    ngx_fed_leg_t **leg, ngx_fed_answer_t *answer);
static u_char *ngx_fed_zone_ring_space(ngx_fed_slot_t *slot, size_t size);
static void ngx_fed_zone_expire_pairs(ngx_fed_conf_t *fcf);
static ngx_fed_zone_pair_t *ngx_fed_zone_pair(ngx_fed_zone_ctx_t *ctx,
    ngx_str_t *remote, ngx_str_t *local, ngx_uint_t add);
static ngx_uint_t ngx_fed_zone_forget(ngx_fed_zone_ctx_t *ctx,
    ngx_fed_zone_pair_t *pair, ngx_uint_t slot, ngx_uint_t broken);
static void ngx_fed_zone_forget_all(ngx_fed_zone_ctx_t *ctx,
    ngx_uint_t slot);
static ngx_uint_t ngx_fed_zone_slot_alive(ngx_fed_slot_t *slot);
static void ngx_fed_zone_sweep_handler(ngx_event_t *ev);
static void *ngx_fed_zone_slab(ngx_fed_zone_ctx_t *ctx, size_t size);
static uint64_t ngx_fed_id_mix(uint64_t n);


/*
 * Made before workers are forked, so that each of them, of any generation, can
 * wake any other; they stay as long as the master does.
 */

static int       ngx_fed_eventfds[NGX_FED_SLOTS];
static int       ngx_fed_neventfds;

static uint32_t  ngx_fed_generation;


/* Declares the zone of a federation, of size octets. */

char *
ngx_fed_zone_add(ngx_conf_t *cf, ngx_fed_conf_t *fcf, ngx_str_t *name,
    ssize_t size)
{
    ngx_fed_zone_ctx_t  *ctx;

    fcf->shm_zone = ngx_shared_memory_add(cf, name, size, &ngx_xmpp_sip_module);
    if (fcf->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    if (fcf->shm_zone->data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is used by another federation", name);
        return NGX_CONF_ERROR;
    }

    ctx = ngx_pcalloc(cf->pool, sizeof(ngx_fed_zone_ctx_t));
    if (ctx == NULL) {
        return NGX_CONF_ERROR;
    }

    ctx->cycle = cf->cycle;

    if (ngx_fed_upgrade_add(cf, fcf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    fcf->zone_data = ctx;
    fcf->zone_name = *name;

    fcf->shm_zone->init = ngx_fed_zone_init;
    fcf->shm_zone->data = fcf;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_fed_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    size_t               len;
    ngx_int_t            rc;
    ngx_fed_conf_t      *fcf;
    ngx_fed_zone_t      *zone;
    ngx_slab_pool_t     *shpool;
    ngx_fed_zone_ctx_t  *ctx;

    fcf = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    ctx = fcf->zone_data;

    ctx->shpool = shpool;
    ctx->zone = shpool->data;
    ctx->slot = NGX_FED_SLOTS;

    if (data || shm_zone->shm.exists) {

        zone = shpool->data;

        if (zone->magic != NGX_FED_ZONE_MAGIC
            || zone->size != sizeof(ngx_fed_zone_t))
        {
            ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                          "zone \"%V\" was made by another version of the "
                          "module: restart nginx instead of reloading it",
                          &shm_zone->shm.name);
            return NGX_ERROR;
        }

        if (ngx_fed_upgrade_init_zone(fcf, zone->id, shm_zone->shm.log)
            == NGX_ERROR)
        {
            return NGX_ERROR;
        }

        return ngx_fed_zone_create_secret(fcf, zone);
    }

    zone = ngx_slab_calloc(shpool, sizeof(ngx_fed_zone_t));
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->magic = NGX_FED_ZONE_MAGIC;
    zone->size = sizeof(ngx_fed_zone_t);

    ngx_queue_init(&zone->closed);
    ngx_rbtree_init(&zone->pairs, &zone->pairs_sentinel,
                    ngx_rbtree_insert_value);

    ngx_fed_rates_init(&zone->rates, shm_zone->shm.size / NGX_FED_ZONE_RATE);
    ngx_fed_sessions_init(&zone->sessions);
    ngx_fed_turns_init(&zone->turns);

    /* higher than those that were drawn before a restart */

    zone->number = (ngx_atomic_uint_t) ngx_time() * 4;

    ngx_fed_notes_init(&zone->notes, shm_zone->shm.size / NGX_FED_ZONE_NOTE);
    ngx_fed_notes_init(&zone->choices,
                       shm_zone->shm.size / NGX_FED_ZONE_CHOICE);

    if (ngx_fed_watches_init(&zone->watches) != NGX_OK
        || RAND_bytes((u_char *) &zone->id, sizeof(uint64_t)) != 1)
    {
        return NGX_ERROR;
    }

    zone->id |= 1;

    len = sizeof(" in federation zone \"\"") + shm_zone->shm.name.len;

    shpool->log_ctx = ngx_slab_alloc(shpool, len);
    if (shpool->log_ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(shpool->log_ctx, " in federation zone \"%V\"%Z",
                &shm_zone->shm.name);

    shpool->log_nomem = 0;
    shpool->data = zone;

    ctx->zone = zone;

    ngx_fed_zone_rings(ctx, shm_zone->shm.size);

    rc = ngx_fed_upgrade_init_zone(fcf, zone->id, shm_zone->shm.log);

    if (rc == NGX_ERROR || ngx_fed_zone_create_secret(fcf, zone) != NGX_OK) {
        return NGX_ERROR;
    }

    if (fcf->state == NULL || rc == NGX_AGAIN) {
        return NGX_OK;
    }

    return ngx_fed_state_read(fcf, shm_zone->shm.log);
}


/*
 * The zone takes the place of one that served since this one was made, or did
 * so: what the state file says is to be in it.  Returns NGX_ERROR if that can
 * not be read.
 */

ngx_int_t
ngx_fed_zone_renew(ngx_fed_conf_t *fcf)
{
    ngx_fed_zone_lock(fcf);
    ngx_fed_watches_clear(fcf);
    ngx_fed_zone_unlock(fcf);

    return fcf->state ? ngx_fed_state_read(fcf, ngx_cycle->log) : NGX_OK;
}


/*
 * Makes the rings of two generations of workers before anything else may fill
 * the zone: a worker that can not have one would end, and so would the next.
 */

static void
ngx_fed_zone_rings(ngx_fed_zone_ctx_t *ctx, size_t size)
{
    u_char           *ring;
    ngx_int_t         n;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(ctx->cycle->conf_ctx,
                                           ngx_core_module);

    n = ngx_min(2 * ccf->worker_processes, (ngx_int_t) (size / 2
                                                        / NGX_FED_RING));

    while (n-- > 0) {

        ring = ngx_slab_alloc(ctx->shpool, NGX_FED_RING);
        if (ring == NULL) {
            return;
        }

        *(u_char **) ring = ctx->zone->rings;
        ctx->zone->rings = ring;
    }
}


/* Returns a spare ring, or that of a process that is gone, or a new one. */

static u_char *
ngx_fed_zone_ring(ngx_fed_zone_ctx_t *ctx)
{
    u_char          *ring;
    ngx_uint_t       i;
    ngx_fed_slot_t  *slot;

    ring = ctx->zone->rings;

    if (ring) {
        ctx->zone->rings = *(u_char **) ring;
        return ring;
    }

    for (i = 0; i < NGX_FED_SLOTS; i++) {
        slot = &ctx->zone->slots[i];

        if (slot->ring && slot->nonce == 0) {
            ring = slot->ring;
            slot->ring = NULL;
            return ring;
        }
    }

    return ngx_slab_alloc_locked(ctx->shpool, NGX_FED_RING);
}


/*
 * The dialback secret: the configured one, or one drawn when the first zone was
 * made, which binaries that follow have as well (XEP-0185, 3: the key of the
 * HMAC is the hex text of a hash).
 */

static ngx_int_t
ngx_fed_zone_create_secret(ngx_fed_conf_t *fcf, ngx_fed_zone_t *zone)
{
    u_char  *shared, random[32], hash[EVP_MAX_MD_SIZE];

    shared = NULL;

    if (fcf->dialback_secret.len) {

        if (EVP_Digest(fcf->dialback_secret.data, fcf->dialback_secret.len,
                       hash, NULL, EVP_sha256(), NULL)
            != 1)
        {
            return NGX_ERROR;
        }

    } else {

        if (zone->secret[0]) {
            return NGX_OK;
        }

        shared = ngx_fed_upgrade_secret(fcf);

        if (shared && shared[0]) {
            ngx_memcpy(zone->secret, shared, NGX_FED_SECRET_LEN);
            return NGX_OK;
        }

        if (RAND_bytes(random, sizeof(random)) != 1
            || EVP_Digest(random, sizeof(random), hash, NULL, EVP_sha256(),
                          NULL)
               != 1)
        {
            return NGX_ERROR;
        }
    }

    ngx_hex_dump(zone->secret, hash, NGX_FED_SECRET_LEN / 2);

    if (shared) {
        ngx_memcpy(shared, zone->secret, NGX_FED_SECRET_LEN);
    }

    return NGX_OK;
}


/*
 * Called in the master before it forks: makes what workers wake each other
 * with.
 */

ngx_int_t
ngx_fed_zone_init_module(ngx_cycle_t *cycle)
{
    int               fd;
    ngx_int_t         n;
    ngx_core_conf_t  *ccf;

    ngx_fed_generation++;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    /* two generations and some that were respawned */

    n = ngx_min(2 * ccf->worker_processes + 16, NGX_FED_SLOTS);

    while (ngx_fed_neventfds < n) {

        fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

        if (fd == -1) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                          "eventfd() failed");
            return NGX_ERROR;
        }

        ngx_fed_eventfds[ngx_fed_neventfds++] = fd;
    }

    return NGX_OK;
}


/* Called in each worker, for each federation. */

ngx_int_t
ngx_fed_zone_init_process(ngx_fed_conf_t *fcf, ngx_cycle_t *cycle)
{
    ngx_fed_slot_t      *slot;
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    if (RAND_bytes((u_char *) &ctx->key, sizeof(uint64_t)) != 1
        || RAND_bytes((u_char *) &ctx->nonce, sizeof(uint32_t)) != 1)
    {
        ngx_ssl_error(NGX_LOG_EMERG, cycle->log, 0, "RAND_bytes() failed");
        return NGX_ERROR;
    }

    ctx->nonce |= 1;

    ctx->sweep.handler = ngx_fed_zone_sweep_handler;
    ctx->sweep.data = fcf;
    ctx->sweep.log = cycle->log;
    ctx->sweep.cancelable = 1;

    ngx_add_timer(&ctx->sweep, NGX_FED_SWEEP);

    if (ngx_process_slot >= ngx_fed_neventfds) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "too many processes: answers that reach another worker "
                      "than the one that waits for them will be lost");
        return NGX_OK;
    }

    slot = &ctx->zone->slots[ngx_process_slot];

    ngx_shmtx_lock(&ctx->shpool->mutex);

    if (slot->ring == NULL) {
        slot->ring = ngx_fed_zone_ring(ctx);
    }

    if (slot->nonce) {

        /* the process that had the slot did not end in good order */

        ngx_fed_zone_forget_all(ctx, ngx_process_slot);
        ngx_fed_turns_forget(fcf, ngx_process_slot);
    }

    slot->head = 0;
    slot->tail = 0;
    slot->pid = ngx_pid;
    slot->generation = ngx_fed_generation;
    slot->pending = 0;
    slot->nonce = slot->ring ? ctx->nonce : 0;

    ngx_shmtx_unlock(&ctx->shpool->mutex);

    if (slot->ring == NULL) {

        /* an older generation may have what there is, and will give it back */

        ngx_log_error(NGX_LOG_CRIT, cycle->log, 0,
                      "federation zone \"%V\" is too small: no room for what "
                      "workers hand over to each other, answers that reach "
                      "another worker than the one that waits for them will "
                      "be lost", &fcf->zone_name);

    } else {
        ctx->slot = ngx_process_slot;
    }

    return NGX_OK;
}


/*
 * Called in each worker once: begins to listen for what other workers hand
 * over.  The federations, of type ngx_fed_conf_t *, outlive the worker.
 */

ngx_int_t
ngx_fed_zone_listen(ngx_array_t *federations, ngx_cycle_t *cycle)
{
    ngx_event_t       *rev, *wev;
    ngx_connection_t  *c;

    if (ngx_process_slot >= ngx_fed_neventfds) {
        return NGX_OK;
    }

    c = ngx_get_connection(ngx_fed_eventfds[ngx_process_slot], cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->pool = cycle->pool;
    c->data = federations;

    rev = c->read;
    wev = c->write;

    rev->log = cycle->log;
    wev->log = cycle->log;
    rev->channel = 1;
    wev->channel = 1;
    c->idle = 1;

    rev->handler = ngx_fed_zone_eventfd_handler;

    if (ngx_add_event(rev, NGX_READ_EVENT,
                      (ngx_event_flags & NGX_USE_CLEAR_EVENT) ? NGX_CLEAR_EVENT
                                                              : 0)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Returns whether this was the last worker that knows the zone. */

ngx_uint_t
ngx_fed_zone_exit_process(ngx_fed_conf_t *fcf)
{
    ngx_uint_t           i, n;
    ngx_fed_slot_t      *slot;
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    if (ctx == NULL || ctx->slot == NGX_FED_SLOTS) {
        return 0;
    }

    slot = &ctx->zone->slots[ctx->slot];
    n = 0;

    ngx_shmtx_lock(&ctx->shpool->mutex);

    if (slot->nonce == ctx->nonce) {
        slot->nonce = 0;
        ngx_fed_zone_forget_all(ctx, ctx->slot);
        ngx_fed_turns_forget(fcf, ctx->slot);
    }

    for (i = 0; i < NGX_FED_SLOTS; i++) {
        n += ngx_fed_zone_slot_alive(&ctx->zone->slots[i]);
    }

    ngx_shmtx_unlock(&ctx->shpool->mutex);

    return n == 0;
}


/* How many answers this process waits for. */

void
ngx_fed_zone_set_pending(ngx_fed_conf_t *fcf, ngx_uint_t n)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    if (ctx->slot != NGX_FED_SLOTS) {
        ctx->zone->slots[ctx->slot].pending = n;
    }
}


/*
 * Returns how many answers this process and those wait for that began, and
 * end, with it.
 */

ngx_uint_t
ngx_fed_zone_pending(ngx_fed_conf_t *fcf)
{
    ngx_uint_t           i, n;
    ngx_fed_slot_t      *slot;
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;
    n = 0;

    for (i = 0; i < NGX_FED_SLOTS; i++) {
        slot = &ctx->zone->slots[i];

        if (slot->generation == ngx_fed_generation && slot->pending
            && ngx_fed_zone_slot_alive(slot))
        {
            n += slot->pending;
        }
    }

    return n;
}


/* A process that was killed, and has no successor, left its nonce. */

static ngx_uint_t
ngx_fed_zone_slot_alive(ngx_fed_slot_t *slot)
{
    return slot->nonce
           && (kill(slot->pid, 0) == 0 || ngx_errno != NGX_ESRCH);
}


static void
ngx_fed_zone_eventfd_handler(ngx_event_t *rev)
{
    uint64_t           n;
    ngx_uint_t         i;
    ngx_array_t       *federations;
    ngx_fed_leg_t     *leg;
    ngx_fed_conf_t   **fcf;
    ngx_connection_t  *c;
    ngx_fed_answer_t   answer;

    c = rev->data;

    federations = c->data;
    fcf = federations->elts;

    if (c->close) {

        /* this process is to finish what it has */

        c->close = 0;
        c->idle = 0;

        for (i = 0; i < federations->nelts; i++) {
            ngx_fed_upgrade_leave(fcf[i]);
        }
    }

    if (read(c->fd, &n, sizeof(uint64_t)) == -1
        && ngx_errno != NGX_EAGAIN && ngx_errno != NGX_EINTR)
    {
        ngx_log_error(NGX_LOG_ALERT, rev->log, ngx_errno,
                      "read() from eventfd failed");
    }

    for (i = 0; i < federations->nelts; i++) {
        while (ngx_fed_zone_take(fcf[i], &leg, &answer)) {
            leg->answer(fcf[i], &answer);
        }
    }
}


static ngx_uint_t
ngx_fed_zone_take(ngx_fed_conf_t *fcf, ngx_fed_leg_t **leg,
    ngx_fed_answer_t *answer)
{
    u_char                *p;
    ngx_str_t             *str[4];
    ngx_uint_t             i, found;
    ngx_fed_slot_t        *slot;
    ngx_fed_zone_ctx_t    *ctx;
    ngx_fed_ring_entry_t  *entry;

    ctx = fcf->zone_data;

    if (ctx->slot == NGX_FED_SLOTS) {
        return 0;
    }

    slot = &ctx->zone->slots[ctx->slot];
    found = 0;

    ngx_shmtx_lock(&ctx->shpool->mutex);

    while (slot->head != slot->tail && !found) {

        entry = (ngx_fed_ring_entry_t *) (slot->ring + slot->head);

        if (entry->size == 0) {
            slot->head = 0;
            continue;
        }

        slot->head += entry->size;

        if (slot->head == NGX_FED_RING) {
            slot->head = 0;
        }

        if (entry->nonce != ctx->nonce) {
            continue;
        }

        found = 1;

        *leg = entry->leg ? fcf->sip : fcf->xmpp;

        ngx_memzero(&answer->outcome, sizeof(ngx_fed_outcome_t));

        answer->kind = entry->kind;
        answer->seq = entry->seq;
        answer->outcome.result = entry->result;
        answer->outcome.condition = entry->condition;
        answer->outcome.type = entry->type;
        answer->outcome.status = entry->status;
        answer->outcome.retry_after = entry->retry_after;

        str[0] = &answer->outcome.text;
        str[1] = &answer->outcome.address;
        str[2] = &answer->from;
        str[3] = &answer->to;

        p = (u_char *) entry + sizeof(ngx_fed_ring_entry_t);

        ngx_memcpy(answer->data, p,
                   entry->len[0] + entry->len[1] + entry->len[2]
                   + entry->len[3]);

        p = answer->data;

        for (i = 0; i < 4; i++) {
            str[i]->len = entry->len[i];
            str[i]->data = p;
            p += entry->len[i];
        }
    }

    ngx_shmtx_unlock(&ctx->shpool->mutex);

    return found;
}


/*
 * Hands an answer over to the process that an id names.  Strings that are too
 * long are left out, a process that is gone or whose ring is full loses the
 * answer: who waits for it sees a time-out.  Returns NGX_OK or NGX_DECLINED.
 */

ngx_int_t
ngx_fed_zone_hand_over(ngx_fed_conf_t *fcf, ngx_fed_leg_t *leg,
    ngx_fed_id_t *id, ngx_fed_answer_t *answer)
{
    u_char                *p;
    size_t                 size;
    uint64_t               one;
    ngx_str_t             *str[4];
    ngx_uint_t             i;
    ngx_fed_slot_t        *slot;
    ngx_fed_zone_ctx_t    *ctx;
    ngx_fed_ring_entry_t  *entry;

    ctx = fcf->zone_data;

    if (id->slot >= (ngx_uint_t) ngx_fed_neventfds) {
        return NGX_DECLINED;
    }

    str[0] = &answer->outcome.text;
    str[1] = &answer->outcome.address;
    str[2] = &answer->from;
    str[3] = &answer->to;

    size = sizeof(ngx_fed_ring_entry_t);

    for (i = 0; i < 4; i++) {
        if (str[i]->len > NGX_FED_ANSWER_TEXT) {
            str[i]->len = 0;
        }

        size += str[i]->len;
    }

    size = ngx_align(size, NGX_FED_RING_ALIGN);
    slot = &ctx->zone->slots[id->slot];

    ngx_shmtx_lock(&ctx->shpool->mutex);

    p = NULL;

    if (slot->nonce == id->nonce) {
        p = ngx_fed_zone_ring_space(slot, size);
    }

    if (p) {
        entry = (ngx_fed_ring_entry_t *) p;

        ngx_memzero(entry, sizeof(ngx_fed_ring_entry_t));

        entry->size = (uint32_t) size;
        entry->nonce = id->nonce;
        entry->seq = id->seq;
        entry->leg = (leg == fcf->sip);
        entry->kind = answer->kind;
        entry->result = answer->outcome.result;
        entry->condition = answer->outcome.condition;
        entry->type = answer->outcome.type;
        entry->status = (uint16_t) answer->outcome.status;
        entry->retry_after = (uint32_t) answer->outcome.retry_after;

        p += sizeof(ngx_fed_ring_entry_t);

        for (i = 0; i < 4; i++) {
            entry->len[i] = (uint16_t) str[i]->len;

            if (str[i]->len) {
                p = ngx_cpymem(p, str[i]->data, str[i]->len);
            }
        }
    }

    ngx_shmtx_unlock(&ctx->shpool->mutex);

    if (p == NULL) {
        return NGX_DECLINED;
    }

    one = 1;

    if (write(ngx_fed_eventfds[id->slot], &one, sizeof(uint64_t)) == -1
        && ngx_errno != NGX_EAGAIN)
    {
        ngx_log_error(NGX_LOG_ALERT, fcf->log, ngx_errno,
                      "write() to eventfd failed");
    }

    return NGX_OK;
}


/* Finds size octets in a row, moves the tail behind them. */

static u_char *
ngx_fed_zone_ring_space(ngx_fed_slot_t *slot, size_t size)
{
    u_char                *p;
    ngx_fed_ring_entry_t  *entry;

    if (slot->tail >= slot->head) {

        /* what is left up to the end must not catch up with the head */

        if (slot->tail + size < NGX_FED_RING
            || (slot->tail + size == NGX_FED_RING && slot->head > 0))
        {
            p = slot->ring + slot->tail;
            slot->tail = (slot->tail + size) % NGX_FED_RING;
            return p;
        }

        if (size >= slot->head) {
            return NULL;
        }

        entry = (ngx_fed_ring_entry_t *) (slot->ring + slot->tail);
        entry->size = 0;
        slot->tail = 0;
    }

    if (slot->tail + size >= slot->head) {
        return NULL;
    }

    p = slot->ring + slot->tail;
    slot->tail += size;

    return p;
}


/* Returns the key of dialback's HMAC, NGX_FED_SECRET_LEN octets of text. */

u_char *
ngx_fed_zone_secret(ngx_fed_conf_t *fcf)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    return ctx->zone->secret;
}


/* Returns the key under which a name is found in a tree of the zone. */

ngx_rbtree_key_t
ngx_fed_zone_hash(u_char *p, size_t len)
{
    uint64_t  hash;

    hash = (uint64_t) ngx_crc32_short(p, len) << 32;

    return (ngx_rbtree_key_t) (hash | ngx_murmur_hash2(p, len));
}


/* Counts the outcome of an event. */

void
ngx_fed_zone_count(ngx_fed_conf_t *fcf, ngx_fed_kind_e kind,
    ngx_fed_leg_t *source, ngx_fed_count_e count)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    (void) ngx_atomic_fetch_add(
                        &ctx->zone->counts[kind][source == fcf->sip][count], 1);
}


/* Returns a counter; source is the leg that the events came from. */

ngx_uint_t
ngx_fed_zone_counter(ngx_fed_conf_t *fcf, ngx_fed_kind_e kind,
    ngx_fed_leg_t *source, ngx_fed_count_e count)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    return ctx->zone->counts[kind][source == fcf->sip][count];
}


/* Returns how much there is at the moment. */

ngx_uint_t
ngx_fed_zone_gauge(ngx_fed_conf_t *fcf, ngx_fed_gauge_e gauge)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    switch (gauge) {

    case NGX_FED_GAUGE_AUTHORIZATIONS:
        return ctx->zone->watches.nwatches;

    case NGX_FED_GAUGE_DIALOGS:
        return ctx->zone->watches.ndialogs;

    default:
        return ctx->shpool->pfree * ngx_pagesize;
    }
}


/*
 * Forgets pairs whose last stream is gone for so long that nobody compares the
 * counts with those before any more.  The zone is locked.
 */

static void
ngx_fed_zone_expire_pairs(ngx_fed_conf_t *fcf)
{
    ngx_uint_t            i;
    ngx_queue_t          *q;
    ngx_rbtree_node_t    *node;
    ngx_fed_zone_ctx_t   *ctx;
    ngx_fed_zone_pair_t  *pair;

    ctx = fcf->zone_data;

    for (i = 0; i < 2 && !ngx_queue_empty(&ctx->zone->closed); i++) {

        q = ngx_queue_last(&ctx->zone->closed);
        pair = ngx_queue_data(q, ngx_fed_zone_pair_t, queue);

        if ((ngx_msec_int_t) (ngx_current_msec - pair->closed)
            < (ngx_msec_int_t) (2 * fcf->confirm_timeout))
        {
            return;
        }

        node = (ngx_rbtree_node_t *)
                   ((u_char *) pair - offsetof(ngx_rbtree_node_t, color));

        ngx_queue_remove(q);
        ngx_rbtree_delete(&ctx->zone->pairs, node);
        ngx_slab_free_locked(ctx->shpool, node);
    }
}


static ngx_fed_zone_pair_t *
ngx_fed_zone_pair(ngx_fed_zone_ctx_t *ctx, ngx_str_t *remote, ngx_str_t *local,
    ngx_uint_t add)
{
    u_char               *p, name[2 * 256];
    size_t                len;
    ngx_rbtree_key_t      hash;
    ngx_rbtree_node_t    *node, *sentinel;
    ngx_fed_zone_pair_t  *pair;

    if (remote->len > 255 || local->len > 255) {
        return NULL;
    }

    p = ngx_cpymem(name, remote->data, remote->len);
    *p++ = '\0';
    p = ngx_cpymem(p, local->data, local->len);

    len = p - name;
    hash = ngx_fed_zone_hash(name, len);

    node = ctx->zone->pairs.root;
    sentinel = ctx->zone->pairs.sentinel;

    while (node != sentinel) {

        if (hash != node->key) {
            node = (hash < node->key) ? node->left : node->right;
            continue;
        }

        pair = (ngx_fed_zone_pair_t *) &node->color;

        if (pair->len == len && ngx_memcmp(pair->name, name, len) == 0) {
            return pair;
        }

        node = node->right;
    }

    if (!add) {
        return NULL;
    }

    node = ngx_slab_alloc_locked(ctx->shpool,
                                 offsetof(ngx_rbtree_node_t, color)
                                 + offsetof(ngx_fed_zone_pair_t, name) + len);
    if (node == NULL) {
        return NULL;
    }

    node->key = hash;

    pair = (ngx_fed_zone_pair_t *) &node->color;

    ngx_memzero(&pair->streams, sizeof(ngx_fed_streams_t));
    pair->len = (uint16_t) len;
    ngx_queue_init(&pair->open);
    pair->closed = ngx_current_msec;
    ngx_queue_insert_head(&ctx->zone->closed, &pair->queue);
    ngx_memcpy(pair->name, name, len);

    ngx_rbtree_insert(&ctx->zone->pairs, node);

    return pair;
}


/*
 * A stream on which remote sends to local was authorized, at any worker.
 * Returns NGX_ERROR if the zone is full: what was sent on it when it breaks
 * would be taken for delivered.
 */

ngx_int_t
ngx_fed_zone_stream_opened(ngx_fed_conf_t *fcf, ngx_str_t *remote,
    ngx_str_t *local)
{
    ngx_uint_t              level;
    ngx_fed_zone_ctx_t     *ctx;
    ngx_fed_zone_pair_t    *pair;
    ngx_fed_zone_stream_t  *stream;

    ctx = fcf->zone_data;
    stream = NULL;

    ngx_shmtx_lock(&ctx->shpool->mutex);

    ngx_fed_zone_expire_pairs(fcf);

    pair = ngx_fed_zone_pair(ctx, remote, local, 1);

    if (pair) {
        stream = ngx_slab_alloc_locked(ctx->shpool,
                                       sizeof(ngx_fed_zone_stream_t));
    }

    if (stream) {
        stream->slot = ctx->slot;

        if (ngx_queue_empty(&pair->open)) {
            ngx_queue_remove(&pair->queue);
        }

        ngx_queue_insert_tail(&pair->open, &stream->queue);
        pair->streams.opened++;
        pair->streams.open++;
    }

    ngx_shmtx_unlock(&ctx->shpool->mutex);

    if (stream == NULL) {
        level = ngx_fed_quiet_level(fcf, NGX_FED_QUIET_FULL, NULL,
                                    NGX_LOG_ERR);

        ngx_log_error(level, fcf->log, 0,
                      "federation zone \"%V\" is full: a stream from \"%V\" "
                      "is refused, make it larger, see \"zone\"",
                      &fcf->zone_name, remote);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * ... and is one no more: it broke, or ended in good order, so that all that
 * remote had sent on it was read.
 */

void
ngx_fed_zone_stream_closed(ngx_fed_conf_t *fcf, ngx_str_t *remote,
    ngx_str_t *local, ngx_uint_t broken)
{
    ngx_fed_zone_ctx_t   *ctx;
    ngx_fed_zone_pair_t  *pair;

    ctx = fcf->zone_data;

    ngx_shmtx_lock(&ctx->shpool->mutex);

    pair = ngx_fed_zone_pair(ctx, remote, local, 0);

    if (pair) {
        (void) ngx_fed_zone_forget(ctx, pair, ctx->slot, broken);
    }

    ngx_shmtx_unlock(&ctx->shpool->mutex);
}


/* Forgets a stream of the process in a slot; returns whether there was one. */

static ngx_uint_t
ngx_fed_zone_forget(ngx_fed_zone_ctx_t *ctx, ngx_fed_zone_pair_t *pair,
    ngx_uint_t slot, ngx_uint_t broken)
{
    ngx_queue_t            *q;
    ngx_fed_zone_stream_t  *stream;

    for (q = ngx_queue_head(&pair->open);
         q != ngx_queue_sentinel(&pair->open);
         q = ngx_queue_next(q))
    {
        stream = ngx_queue_data(q, ngx_fed_zone_stream_t, queue);

        if (stream->slot == slot) {
            ngx_queue_remove(q);
            ngx_slab_free_locked(ctx->shpool, stream);
            pair->streams.broken += broken;
            pair->streams.open--;

            if (ngx_queue_empty(&pair->open)) {
                pair->closed = ngx_current_msec;
                ngx_queue_insert_head(&ctx->zone->closed, &pair->queue);
            }

            return 1;
        }
    }

    return 0;
}


static void
ngx_fed_zone_forget_all(ngx_fed_zone_ctx_t *ctx, ngx_uint_t slot)
{
    ngx_rbtree_t         *tree;
    ngx_rbtree_node_t    *node;
    ngx_fed_zone_pair_t  *pair;

    tree = &ctx->zone->pairs;

    if (tree->root == tree->sentinel) {
        return;
    }

    for (node = ngx_rbtree_min(tree->root, tree->sentinel);
         node;
         node = ngx_rbtree_next(tree, node))
    {
        pair = (ngx_fed_zone_pair_t *) &node->color;

        while (ngx_fed_zone_forget(ctx, pair, slot, 1)) { /* void */ }
    }
}


/* What is known of such streams. */

ngx_fed_streams_t
ngx_fed_zone_streams(ngx_fed_conf_t *fcf, ngx_str_t *remote, ngx_str_t *local)
{
    ngx_fed_streams_t     streams;
    ngx_fed_zone_ctx_t   *ctx;
    ngx_fed_zone_pair_t  *pair;

    ctx = fcf->zone_data;

    ngx_shmtx_lock(&ctx->shpool->mutex);

    pair = ngx_fed_zone_pair(ctx, remote, local, 0);

    if (pair) {
        streams = pair->streams;

    } else {
        ngx_memzero(&streams, sizeof(ngx_fed_streams_t));
    }

    ngx_shmtx_unlock(&ctx->shpool->mutex);

    return streams;
}


/*
 * Draws n numbers, higher than all that were drawn before, in any worker, and
 * returns the first one.
 */

ngx_uint_t
ngx_fed_zone_number(ngx_fed_conf_t *fcf, ngx_uint_t n)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    return ngx_atomic_fetch_add(&ctx->zone->number, n);
}


/* What another zone has drawn is not drawn here. */

void
ngx_fed_zone_set_number(ngx_fed_conf_t *fcf, ngx_uint_t number)
{
    ngx_fed_zone_t      *zone;
    ngx_atomic_uint_t    old;
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;
    zone = ctx->zone;

    do {
        old = zone->number;

        if ((ngx_int_t) (number - old) <= 0) {
            return;
        }

    } while (!ngx_atomic_cmp_set(&zone->number, old, number));
}


/* Remembers a text, for all workers: see ngx_fed_notes_put(). */

ngx_int_t
ngx_fed_zone_note(ngx_fed_conf_t *fcf, u_char *key, ngx_str_t *text)
{
    ngx_int_t            rc;
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    ngx_shmtx_lock(&ctx->shpool->mutex);

    rc = ngx_fed_notes_put(&ctx->zone->notes, ctx->shpool, key, text);

    ngx_shmtx_unlock(&ctx->shpool->mutex);

    return rc;
}


/*
 * Copies a text that is remembered under a key to dst, which has room for
 * NGX_FED_NOTE_TEXT octets.  Returns NGX_OK and its length, or NGX_DECLINED.
 */

ngx_int_t
ngx_fed_zone_noted(ngx_fed_conf_t *fcf, u_char *key, u_char *dst, size_t *len)
{
    ngx_str_t           *text;
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    ngx_shmtx_lock(&ctx->shpool->mutex);

    text = ngx_fed_notes_get(&ctx->zone->notes, key);

    if (text) {
        *len = text->len;
        ngx_memcpy(dst, text->data, text->len);
    }

    ngx_shmtx_unlock(&ctx->shpool->mutex);

    return text ? NGX_OK : NGX_DECLINED;
}


/*
 * Copies what is kept under a key of two halves, size octets of it.  Returns
 * NGX_DECLINED if there is nothing; the zone is locked.
 */

ngx_int_t
ngx_fed_zone_choice(ngx_fed_conf_t *fcf, ngx_fed_key_t *key, void *dst,
    size_t size)
{
    ngx_str_t           *text;
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    text = ngx_fed_notes_get(&ctx->zone->choices, (u_char *) key);

    if (text == NULL || text->len != size) {
        return NGX_DECLINED;
    }

    ngx_memcpy(dst, text->data, size);

    return NGX_OK;
}


/* Keeps it there, as long as there is room; the zone is locked. */

void
ngx_fed_zone_choose(ngx_fed_conf_t *fcf, ngx_fed_key_t *key, void *src,
    size_t size)
{
    ngx_str_t            new, *text;
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    text = ngx_fed_notes_get(&ctx->zone->choices, (u_char *) key);

    if (text && text->len == size) {
        ngx_memcpy(text->data, src, size);
        return;
    }

    new.data = src;
    new.len = size;

    (void) ngx_fed_notes_put(&ctx->zone->choices, ctx->shpool, (u_char *) key,
                             &new);
}


/*
 * What is between these two is done in no other process.  Nothing is logged
 * there, and nothing waited for.
 */

void
ngx_fed_zone_lock(ngx_fed_conf_t *fcf)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    ngx_shmtx_lock(&ctx->shpool->mutex);
}


void
ngx_fed_zone_unlock(ngx_fed_conf_t *fcf)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    ngx_shmtx_unlock(&ctx->shpool->mutex);
}


/*
 * Allocates in the zone, which is locked.  Rates make room, authorizations
 * never do.  Returns NULL if the zone is full.
 */

void *
ngx_fed_zone_alloc(ngx_fed_conf_t *fcf, size_t size)
{
    void                *p;
    ngx_uint_t           tries;
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    for (tries = 0; tries < 16; tries++) {

        p = ngx_fed_zone_slab(ctx, size);

        if (p || !ngx_fed_rates_evict(fcf)) {
            return p;
        }
    }

    return NULL;
}


/* The same, for what messages need: if there is no room, of the reserve. */

void *
ngx_fed_zone_alloc_reserve(ngx_fed_conf_t *fcf, size_t size)
{
    void                *p;
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    p = ngx_fed_zone_alloc(fcf, size);

    return p ? p : ngx_slab_alloc_locked(ctx->shpool, size);
}


/* Allocates, but takes no page of the reserve. */

static void *
ngx_fed_zone_slab(ngx_fed_zone_ctx_t *ctx, size_t size)
{
    void        *p;
    ngx_uint_t   before, reserve;

    reserve = ngx_max((ngx_uint_t) (ctx->shpool->last - ctx->shpool->pages)
                      / NGX_FED_ZONE_PART,
                      NGX_FED_ZONE_RESERVE);

    before = ctx->shpool->pfree;

    p = ngx_slab_alloc_locked(ctx->shpool, size);

    if (p && ctx->shpool->pfree < before && ctx->shpool->pfree < reserve) {
        ngx_slab_free_locked(ctx->shpool, p);
        return NULL;
    }

    return p;
}


void
ngx_fed_zone_free(ngx_fed_conf_t *fcf, void *p)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    ngx_slab_free_locked(ctx->shpool, p);
}


ngx_fed_rates_t *
ngx_fed_zone_rates(ngx_fed_conf_t *fcf)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    return &ctx->zone->rates;
}


ngx_fed_watches_t *
ngx_fed_zone_watches(ngx_fed_conf_t *fcf)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    return &ctx->zone->watches;
}


ngx_fed_turns_t *
ngx_fed_zone_turns(ngx_fed_conf_t *fcf)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    return &ctx->zone->turns;
}


ngx_fed_sessions_t *
ngx_fed_zone_sessions(ngx_fed_conf_t *fcf)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    return &ctx->zone->sessions;
}


/*
 * Sets when something in the zone, which is locked, is due: some worker will
 * take it, this one unless it ends meanwhile.
 */

void
ngx_fed_zone_due(ngx_fed_conf_t *fcf, ngx_fed_due_t *due, ngx_msec_t time)
{
    ngx_msec_int_t       wait;
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    ngx_fed_wheel_set(&ctx->zone->watches.wheel, due, time);

    if (!ctx->sweep.timer_set) {
        return;
    }

    wait = (ngx_msec_int_t) (time - ngx_current_msec);

    if ((ngx_msec_int_t) (time - ctx->sweep.timer.key) < 0) {
        ngx_del_timer(&ctx->sweep);
        ngx_add_timer(&ctx->sweep, ngx_max(wait, 1));
    }
}


static void
ngx_fed_zone_sweep_handler(ngx_event_t *ev)
{
    uint64_t             tag;
    ngx_msec_t           wait;
    ngx_uint_t           n;
    ngx_fed_due_t       *due;
    ngx_fed_key_t        id;
    ngx_fed_conf_t      *fcf;
    ngx_fed_watch_t     *watch;
    ngx_fed_dialog_t    *dialog;
    ngx_fed_zone_ctx_t  *ctx;

    fcf = ev->data;
    ctx = fcf->zone_data;

    /* what is due is for the processes that stay */

    if (ngx_exiting) {
        return;
    }

    /* so that it is a timer that is set which what is due may advance */

    ngx_add_timer(ev, NGX_FED_SWEEP);

    if (!ngx_fed_upgrade_serves(fcf)) {
        return;
    }

    fcf->sip->idle(fcf);

    for (n = 0; n < NGX_FED_SWEEP_MAX; n++) {

        ngx_shmtx_lock(&ctx->shpool->mutex);

        due = ngx_fed_wheel_next(&ctx->zone->watches.wheel);

        if (due == NULL) {
            wait = ngx_fed_wheel_wait(&ctx->zone->watches.wheel,
                                      NGX_FED_SWEEP);
            ngx_shmtx_unlock(&ctx->shpool->mutex);

            ngx_del_timer(ev);
            ngx_add_timer(ev, wait);
            return;
        }

        ngx_fed_due_find(due, &watch, &dialog);

        id.lo = watch->node.key;
        id.hi = watch->id;
        tag = dialog ? dialog->tag : 0;

        /* if this process dies now, another one looks again */

        ngx_fed_wheel_set(&ctx->zone->watches.wheel, due,
                          (ngx_current_msec & ~(ngx_msec_t) 1)
                          + NGX_FED_LEASE + (due->time & 1));

        ngx_shmtx_unlock(&ctx->shpool->mutex);

        ngx_fed_roster_due(fcf, &id, tag);
    }

    ngx_del_timer(ev);
    ngx_add_timer(ev, 1);
}


/*
 * Returns the time at which it is the turn of one more request that no user
 * has asked for just now; the zone is locked.
 */

ngx_msec_t
ngx_fed_zone_turn(ngx_fed_conf_t *fcf)
{
    ngx_fed_zone_t      *zone;
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;
    zone = ctx->zone;

    if ((ngx_msec_int_t) (zone->turn - ngx_current_msec * 1000) < 0) {
        zone->turn = ngx_current_msec * 1000;
    }

    zone->turn += ngx_max(1000000 / fcf->refresh_rate, 1);

    return zone->turn / 1000;
}


/* Returns what names this process in the zone. */

uint32_t
ngx_fed_zone_self(ngx_fed_conf_t *fcf, ngx_uint_t *slot)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    *slot = ctx->slot;

    return ctx->nonce;
}


/* Tells whether such a process is still there. */

ngx_uint_t
ngx_fed_zone_alive(ngx_fed_conf_t *fcf, ngx_uint_t slot, uint32_t nonce)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    if (slot >= NGX_FED_SLOTS) {
        return 0;
    }

    return ctx->zone->slots[slot].nonce == nonce
           && ngx_fed_zone_slot_alive(&ctx->zone->slots[slot]);
}


/* Draws the number of a request for whose answer this process waits. */

uint64_t
ngx_fed_id_next(ngx_fed_conf_t *fcf)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    return ++ctx->seq;
}


/*
 * Writes the text of an id, up to NGX_FED_ID_LEN characters, and returns its
 * end: slot, nonce, sequence, and a check that can not be guessed.
 */

u_char *
ngx_fed_id_text(ngx_fed_conf_t *fcf, u_char *dst, uint64_t seq)
{
    uint64_t             check;
    ngx_uint_t           i;
    ngx_fed_zone_ctx_t  *ctx;

    static const u_char  hex[] = "0123456789abcdef";

    ctx = fcf->zone_data;

    check = ngx_fed_id_mix(seq ^ ctx->key);

    *dst++ = hex[ctx->slot >> 4];
    *dst++ = hex[ctx->slot & 0xf];

    for (i = 0; i < 8; i++) {
        *dst++ = hex[(ctx->nonce >> (28 - 4 * i)) & 0xf];
    }

    for (i = 0; i < 12; i++) {
        *dst++ = hex[(seq >> (44 - 4 * i)) & 0xf];
    }

    for (i = 0; i < 12; i++) {
        *dst++ = hex[(check >> (44 - 4 * i)) & 0xf];
    }

    return dst;
}


/*
 * Reads an id of ours, or of another process of this master.  Returns
 * NGX_DECLINED if it is none.
 */

ngx_int_t
ngx_fed_id_parse(ngx_fed_conf_t *fcf, u_char *text, size_t len,
    ngx_fed_id_t *id)
{
    u_char               c;
    uint64_t             n, check;
    ngx_uint_t           i;
    ngx_fed_zone_ctx_t  *ctx;

    if (len != 2 + 8 + 12 + 12) {
        return NGX_DECLINED;
    }

    ctx = fcf->zone_data;
    n = 0;

    for (i = 0; i < len; i++) {

        c = text[i];

        if (c >= '0' && c <= '9') {
            c -= '0';

        } else if (c >= 'a' && c <= 'f') {
            c -= 'a' - 10;

        } else {
            return NGX_DECLINED;
        }

        n = (n << 4) | c;

        switch (i) {

        case 1:
            id->slot = (ngx_uint_t) n;
            n = 0;
            break;

        case 9:
            id->nonce = (uint32_t) n;
            n = 0;
            break;

        case 21:
            id->seq = n;
            n = 0;
            break;
        }
    }

    if (id->slot == ctx->slot && id->nonce == ctx->nonce) {

        check = ngx_fed_id_mix(id->seq ^ ctx->key) & 0xffffffffffff;

        if (check != n) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* Tells whether it is this process that waits for the answer to an id. */

ngx_int_t
ngx_fed_id_mine(ngx_fed_conf_t *fcf, ngx_fed_id_t *id)
{
    ngx_fed_zone_ctx_t  *ctx;

    ctx = fcf->zone_data;

    return id->slot == ctx->slot && id->nonce == ctx->nonce;
}


/* the finalizer of MurmurHash3: a bijection that hides a keyed sequence */

static uint64_t
ngx_fed_id_mix(uint64_t n)
{
    n ^= n >> 33;
    n *= 0xff51afd7ed558ccdULL;
    n ^= n >> 33;
    n *= 0xc4ceb9fe1a85ec53ULL;
    n ^= n >> 33;

    return n;
}
