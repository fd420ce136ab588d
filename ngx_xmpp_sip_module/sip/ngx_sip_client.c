
/*
 * Client transactions and their responses (RFC 3261, 17.1.2, 18.1), and that
 * there is one MESSAGE at a time from a user to another one (RFC 3428, 8).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"


#define NGX_SIP_RETRY_MAX    86400
#define NGX_SIP_CLIENT_POOL  1024
#define NGX_SIP_CLIENT_HELD  10              /* ms between looks */


static ngx_sip_pair_t *ngx_sip_pair_find(ngx_sip_ctx_t *ctx,
    ngx_fed_key_t *key);
static ngx_sip_pair_t *ngx_sip_pair_get(ngx_sip_ctx_t *ctx,
    ngx_fed_event_t *ev);
static void ngx_sip_pair_held_handler(ngx_event_t *ev);
static void ngx_sip_pair_next(ngx_sip_ctx_t *ctx, ngx_sip_pair_t *pair);
static ngx_sip_client_t *ngx_sip_client_find(ngx_sip_ctx_t *ctx, uint64_t seq);
static void ngx_sip_client_event(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome, ngx_sip_msg_t *msg);
static void ngx_sip_client_timeout(ngx_fed_timers_t *timers,
    ngx_fed_timer_t *timer);
static ngx_int_t ngx_sip_client_put(ngx_sip_client_t *client,
    ngx_sip_conn_t *conn);
static ngx_int_t ngx_sip_client_invited(ngx_sip_conn_t *conn,
    ngx_sip_msg_t *msg, ngx_fed_id_t *id);
static void ngx_sip_client_provisional(ngx_sip_ctx_t *ctx, ngx_fed_id_t *id,
    ngx_str_t *name);
static void ngx_sip_client_ack(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg);
static u_char *ngx_sip_client_rows(u_char *p, ngx_sip_msg_t *msg,
    ngx_sip_header_e id, const char *name);
static void ngx_sip_client_foreign(ngx_sip_conn_t *conn, ngx_str_t *domain);
static void ngx_sip_client_outcome(ngx_sip_msg_t *msg, u_char *text,
    ngx_fed_outcome_t *outcome);
static void ngx_sip_client_contact(ngx_sip_msg_t *msg, ngx_str_t *address);
static ngx_int_t ngx_sip_client_q(ngx_sip_addr_t *addr);
static void ngx_sip_client_hand_over(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_id_t *id);
static ngx_int_t ngx_sip_client_proven(ngx_sip_conn_t *conn,
    ngx_sip_client_t *client);


ngx_int_t
ngx_sip_client_init(ngx_sip_ctx_t *ctx)
{
    ngx_fed_timers_init(&ctx->timer_f, ctx->conf->transaction_timeout,
                        ngx_sip_client_timeout, ctx, ctx->conf->log);

    ctx->held.handler = ngx_sip_pair_held_handler;
    ctx->held.data = ctx;
    ctx->held.log = ctx->conf->log;

    return NGX_OK;
}


void
ngx_sip_client_exit(ngx_sip_ctx_t *ctx)
{
    if (ctx->held.timer_set) {
        ngx_del_timer(&ctx->held);
    }

    if (ctx->held.posted) {
        ngx_delete_posted_event(&ctx->held);
    }
}


/*
 * Makes a transaction with a pool of its own, for a request that the caller
 * writes into it and hands to ngx_sip_peer_send().  Returns NULL if there is no
 * memory.
 */

ngx_sip_client_t *
ngx_sip_client_create(ngx_sip_ctx_t *ctx, ngx_str_t *method)
{
    ngx_pool_t        *pool;
    ngx_sip_client_t  *client;

    pool = ngx_create_pool(NGX_SIP_CLIENT_POOL, ctx->conf->log);
    if (pool == NULL) {
        return NULL;
    }

    client = ngx_pcalloc(pool, sizeof(ngx_sip_client_t));
    if (client == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    client->ctx = ctx;
    client->pool = pool;
    client->method = *method;

    return client;
}


/* A message for the SIP side. */

void
ngx_sip_client_message(ngx_fed_event_t *ev)
{
    ngx_sip_client_page(ev, ngx_sip_client_event);
}


/*
 * Sends what the dialect writes of an event as a MESSAGE, once the ones before
 * it are answered; a chat state does not wait for that, and is forgotten.
 * handler brings about the outcome of the event.
 */

void
ngx_sip_client_page(ngx_fed_event_t *ev, ngx_sip_client_handler_pt handler)
{
    size_t             size;
    ngx_int_t          rc;
    ngx_sip_ctx_t     *ctx;
    ngx_sip_pair_t    *pair;
    ngx_sip_client_t  *client;

    ctx = ev->conf->sip_data;

    client = ngx_pcalloc(ev->pool, sizeof(ngx_sip_client_t));
    if (client == NULL) {
        ngx_fed_event_fail(ev, NGX_FED_INTERNAL, NULL);
        return;
    }

    client->ctx = ctx;
    client->pool = ev->pool;
    client->event = ev;
    client->handler = handler;
    client->name = ev->to.domain;
    client->domain = ev->to_domain;

    ngx_str_set(&client->method, "MESSAGE");

    ev->target_data = client;

    rc = ngx_sip_dialects[ev->to_domain->dialect]->write(ctx, ev, client);

    if (rc != NGX_OK) {
        ngx_fed_event_fail(ev, rc == NGX_DECLINED ? NGX_FED_UNMAPPABLE
                                                  : NGX_FED_INTERNAL, NULL);
        return;
    }

    size = client->line.len + client->rest.len
           + ctx->rows[ev->to_domain->dialect].all.len;

    if (ev->to_domain->tls == NGX_FED_TLS_OFF) {
        size += ctx->via_tcp.len + NGX_SIP_BRANCH_LEN + sizeof(CRLF) - 1;

    } else {
        size += ctx->via_tls.len + NGX_SIP_BRANCH_LEN
                + sizeof(";alias" CRLF) - 1;
    }

    if (size > ev->to_domain->message_size && ev->confirm) {

        /* the text matters more than that one knows of its arrival */

        ev->confirm = 0;
        ngx_sip_client_page(ev, handler);
        return;
    }

    if (size > ev->to_domain->message_size) {
        ngx_fed_event_fail(ev, NGX_FED_TOO_LARGE, "message is too large");
        return;
    }

    pair = ngx_sip_pair_get(ctx, ev);

    if (pair == NULL) {
        ngx_fed_event_fail(ev, NGX_FED_INTERNAL, NULL);
        return;
    }

    if (pair->turn == NULL && ev->link && ev->link->ending) {
        pair->turn = ngx_fed_turn_take(ctx->conf, &pair->key);
    }

    if (pair->current == NULL && !pair->held) {
        pair->current = client;
        client->pair = pair;
        ngx_sip_dialects[client->domain->dialect]->send(client);
        return;
    }

    if (ev->kind == NGX_FED_COMPOSING) {
        ngx_fed_event_drop(ev);
        return;
    }

    if (pair->nwaiting >= ctx->conf->pair_queue) {
        ngx_fed_event_fail(ev, NGX_FED_QUEUE_FULL,
                           "too many messages wait for this recipient");
        return;
    }

    client->pair = pair;
    client->waiting = 1;

    ngx_queue_insert_tail(&pair->waiting, &client->list);
    pair->nwaiting++;

    ngx_fed_timers_add(&ctx->timer_f, &client->timer);
}


static void
ngx_sip_client_event(ngx_sip_client_t *client, ngx_fed_outcome_t *outcome,
    ngx_sip_msg_t *msg)
{
    ngx_fed_event_outcome(client->event, outcome);
}


static ngx_sip_pair_t *
ngx_sip_pair_find(ngx_sip_ctx_t *ctx, ngx_fed_key_t *key)
{
    ngx_queue_t     *q, *bucket;
    ngx_sip_pair_t  *pair;

    bucket = ngx_sip_bucket(ctx->pairs, key);

    for (q = ngx_queue_head(bucket); q != bucket; q = ngx_queue_next(q)) {

        pair = ngx_queue_data(q, ngx_sip_pair_t, queue);

        if (ngx_fed_key_equal(&pair->key, key)) {
            return pair;
        }
    }

    return NULL;
}


static ngx_sip_pair_t *
ngx_sip_pair_get(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev)
{
    ngx_queue_t     *q;
    ngx_fed_key_t    key;
    ngx_sip_pair_t  *pair;

    key = ngx_sip_pair_key(ctx, &ev->from, &ev->to);

    pair = ngx_sip_pair_find(ctx, &key);

    /*
     * what comes on a link behind one that ended goes behind what came to other
     * processes meanwhile
     */

    if (pair
        && (pair->turn == NULL || (ev->link && ev->link->ending)))
    {
        return pair;
    }

    if (!ngx_queue_empty(&ctx->free_pairs)) {
        q = ngx_queue_head(&ctx->free_pairs);
        ngx_queue_remove(q);
        pair = ngx_queue_data(q, ngx_sip_pair_t, queue);

    } else {
        pair = ngx_palloc(ctx->pool, sizeof(ngx_sip_pair_t));
        if (pair == NULL) {
            return NULL;
        }
    }

    pair->key = key;
    pair->current = NULL;
    pair->nwaiting = 0;
    pair->turn = NULL;
    pair->advancing = 0;
    pair->held = ngx_fed_turn_wait(ctx->conf, &key, NULL);

    ngx_queue_init(&pair->waiting);
    ngx_queue_insert_head(ngx_sip_bucket(ctx->pairs, &key), &pair->queue);

    if (pair->held) {
        ngx_queue_insert_tail(&ctx->held_pairs, &pair->hold);

        if (!ctx->held.timer_set) {
            ngx_add_timer(&ctx->held, NGX_SIP_CLIENT_HELD);
        }
    }

    return pair;
}


/* Looks whether it is the turn of pairs that are held. */

static void
ngx_sip_pair_held_handler(ngx_event_t *ev)
{
    ngx_queue_t     *q, pairs;
    ngx_sip_ctx_t   *ctx;
    ngx_sip_pair_t  *pair;

    ctx = ev->data;

    ngx_queue_init(&pairs);
    ngx_queue_add(&pairs, &ctx->held_pairs);
    ngx_queue_init(&ctx->held_pairs);

    while (!ngx_queue_empty(&pairs)) {

        q = ngx_queue_head(&pairs);
        ngx_queue_remove(q);

        pair = ngx_queue_data(q, ngx_sip_pair_t, hold);

        if (ngx_fed_turn_wait(ctx->conf, &pair->key, pair->turn)) {
            ngx_queue_insert_tail(&ctx->held_pairs, q);
            continue;
        }

        pair->held = 0;
        ngx_sip_pair_next(ctx, pair);
    }

    if (!ngx_queue_empty(&ctx->held_pairs) && !ev->timer_set) {
        ngx_add_timer(ev, NGX_SIP_CLIENT_HELD);
    }
}


/*
 * The next messages of this pair may come to another process, which has to
 * wait for those that are here.
 */

void
ngx_sip_client_ordered(ngx_fed_event_t *ev)
{
    ngx_sip_pair_t    *pair;
    ngx_sip_client_t  *client;

    client = ev->target_data;
    pair = client->pair;

    if (pair && pair->turn == NULL) {
        pair->turn = ngx_fed_turn_take(ev->conf, &pair->key);
    }
}


/* Tells whether messages of this user to that one are on their way. */

ngx_uint_t
ngx_sip_client_pair_busy(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev)
{
    ngx_fed_key_t  key;

    key = ngx_sip_pair_key(ctx, &ev->from, &ev->to);

    return ngx_sip_pair_find(ctx, &key) != NULL;
}


/*
 * What became of the request of a pair becomes of all that wait behind it,
 * too.
 */

void
ngx_sip_client_pair_fail(ngx_sip_client_t *client, ngx_fed_outcome_t *outcome)
{
    ngx_uint_t         advancing;
    ngx_queue_t       *q;
    ngx_sip_ctx_t     *ctx;
    ngx_sip_pair_t    *pair;
    ngx_sip_client_t  *next;

    ctx = client->ctx;
    pair = client->pair;

    /* the next one has no turn */

    advancing = pair->advancing;
    pair->advancing = 1;

    client->retry = NULL;
    ngx_sip_client_finish(client, outcome, NULL);

    while (!ngx_queue_empty(&pair->waiting)) {

        q = ngx_queue_head(&pair->waiting);
        next = ngx_queue_data(q, ngx_sip_client_t, list);

        next->retry = NULL;
        ngx_sip_client_finish(next, outcome, NULL);
    }

    if (!advancing) {
        pair->advancing = 0;
        ngx_sip_pair_next(ctx, pair);
    }
}


/*
 * The next request of the pair has its turn, and those behind it as long as
 * they fail at once: then this is called again from within the loop.
 */

static void
ngx_sip_pair_next(ngx_sip_ctx_t *ctx, ngx_sip_pair_t *pair)
{
    ngx_queue_t       *q;
    ngx_sip_client_t  *client;

    pair->current = NULL;

    if (pair->advancing) {
        return;
    }

    pair->advancing = 1;

    while (pair->current == NULL && !ngx_queue_empty(&pair->waiting)) {

        q = ngx_queue_head(&pair->waiting);
        ngx_queue_remove(q);
        pair->nwaiting--;

        client = ngx_queue_data(q, ngx_sip_client_t, list);

        client->waiting = 0;
        pair->current = client;

        ngx_sip_dialects[client->domain->dialect]->send(client);
    }

    pair->advancing = 0;

    if (pair->current == NULL) {

        if (pair->turn) {
            ngx_fed_turn_end(ctx->conf, pair->turn);

            if (!ngx_queue_empty(&ctx->held_pairs) && !ctx->held.posted) {
                ngx_post_event(&ctx->held, &ngx_posted_events);
            }
        }

        ngx_queue_remove(&pair->queue);
        ngx_queue_insert_head(&ctx->free_pairs, &pair->queue);
    }
}


/*
 * Writes the request with a branch of its own and starts Timer F (RFC 3261,
 * 17.1.2.2, 18.1.1; RFC 5923, 8.1).
 */

void
ngx_sip_client_write(ngx_sip_client_t *client, ngx_sip_conn_t *conn)
{
    ngx_sip_ctx_t  *ctx;

    ctx = client->ctx;

    if (ngx_sip_client_put(client, conn) != NGX_OK) {
        ngx_sip_client_fail(client, NGX_FED_NO_LINK, NULL);
        return;
    }

    client->conn = conn;

    ngx_queue_insert_tail(&conn->clients, &client->list);
    ngx_queue_insert_head(&ctx->clients[client->seq & (NGX_SIP_BUCKETS - 1)],
                          &client->queue);

    ngx_fed_timers_add(&ctx->timer_f, &client->timer);

    conn->used = ngx_current_msec;

    if (conn->nclients++ == 0) {
        ngx_sip_conn_settle(conn);
    }
}


/*
 * Writes a request that gets no response, which is an ACK (RFC 3261,
 * 13.2.2.4), and drops it.
 */

void
ngx_sip_client_post(ngx_sip_client_t *client, ngx_sip_conn_t *conn)
{
    (void) ngx_sip_client_put(client, conn);

    conn->used = ngx_current_msec;

    ngx_destroy_pool(client->pool);
}


static ngx_int_t
ngx_sip_client_put(ngx_sip_client_t *client, ngx_sip_conn_t *conn)
{
    u_char         *p;
    ngx_str_t      *via, *all;
    ngx_sip_ctx_t  *ctx;

    ctx = client->ctx;
    via = conn->link->secure ? &ctx->via_tls : &ctx->via_tcp;
    all = &ctx->rows[client->domain->dialect].all;

    p = ngx_fed_link_reserve(conn->link,
                             client->line.len + via->len + NGX_FED_ID_LEN
                             + sizeof(";alias" CRLF) + all->len
                             + client->rest.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    client->seq = ngx_fed_id_next(ctx->conf);

    p = ngx_cpymem(p, client->line.data, client->line.len);
    p = ngx_cpymem(p, via->data, via->len);
    p = ngx_fed_id_text(ctx->conf, p, client->seq);

    if (conn->link->secure) {
        p = ngx_cpymem(p, ";alias", sizeof(";alias") - 1);
    }

    *p++ = CR;
    *p++ = LF;

    if (all->len) {
        p = ngx_cpymem(p, all->data, all->len);
    }

    p = ngx_cpymem(p, client->rest.data, client->rest.len);

    ngx_fed_link_commit(conn->link, p);

    return NGX_OK;
}


/*
 * Cancels an INVITE that nobody has answered finally, once it was answered
 * provisionally (RFC 3261, 9.1).
 */

void
ngx_sip_client_cancel(ngx_sip_client_t *client)
{
    u_char          *p, *end;
    ngx_str_t       *via, *all;
    ngx_sip_ctx_t   *ctx;
    ngx_sip_conn_t  *conn;

    static const char  cseq[] = CRLF "CSeq: ";

    ctx = client->ctx;
    conn = client->conn;

    if (conn == NULL || !client->proceeding) {
        return;
    }

    /* Max-Forwards, Route, From, To and Call-ID are the same */

    end = ngx_strnstr(client->rest.data, (char *) cseq, client->rest.len);

    if (end == NULL) {
        return;
    }

    via = conn->link->secure ? &ctx->via_tls : &ctx->via_tcp;
    all = &ctx->rows[client->domain->dialect].all;

    p = ngx_fed_link_reserve(conn->link,
                             client->line.len + via->len + NGX_FED_ID_LEN
                             + all->len + client->rest.len
                             + sizeof(";alias" CRLF "CSeq:  CANCEL" CRLF
                                      "Content-Length: 0" CRLF CRLF)
                             + NGX_INT32_LEN);
    if (p == NULL) {
        return;
    }

    p = ngx_cpymem(p, "CANCEL", sizeof("CANCEL") - 1);
    p = ngx_cpymem(p, client->line.data + sizeof("INVITE") - 1,
                   client->line.len - (sizeof("INVITE") - 1));
    p = ngx_cpymem(p, via->data, via->len);
    p = ngx_fed_id_text(ctx->conf, p, client->seq);

    if (conn->link->secure) {
        p = ngx_cpymem(p, ";alias", sizeof(";alias") - 1);
    }

    *p++ = CR;
    *p++ = LF;

    if (all->len) {
        p = ngx_cpymem(p, all->data, all->len);
    }

    p = ngx_cpymem(p, client->rest.data, end - client->rest.data);
    p = ngx_sprintf(p, "%s%uD CANCEL" CRLF "Content-Length: 0" CRLF CRLF, cseq,
                    client->cseq);

    ngx_fed_link_commit(conn->link, p);
}


static ngx_sip_client_t *
ngx_sip_client_find(ngx_sip_ctx_t *ctx, uint64_t seq)
{
    ngx_queue_t       *q, *bucket;
    ngx_sip_client_t  *client;

    bucket = &ctx->clients[seq & (NGX_SIP_BUCKETS - 1)];

    for (q = ngx_queue_head(bucket); q != bucket; q = ngx_queue_next(q)) {

        client = ngx_queue_data(q, ngx_sip_client_t, queue);

        if (client->seq == seq) {
            return client;
        }
    }

    return NULL;
}


static void
ngx_sip_client_timeout(ngx_fed_timers_t *timers, ngx_fed_timer_t *timer)
{
    ngx_uint_t          level;
    ngx_sip_client_t   *client;
    ngx_fed_outcome_t   outcome;

    client = (ngx_sip_client_t *)
                 ((u_char *) timer - offsetof(ngx_sip_client_t, timer));

    if (client->lost) {
        client->lost = 0;
        ngx_sip_client_fail(client, NGX_FED_TIMEOUT, "connection closed");
        return;
    }

    level = ngx_fed_quiet_level(client->ctx->conf, NGX_FED_QUIET_SILENCE,
                                &client->name, NGX_LOG_ERR);

    ngx_log_error(level, timers->event.log, 0,
                  "SIP domain \"%V\" %s a %V in %M ms", &client->name,
                  client->conn ? "did not answer" : "could not be sent",
                  &client->method, timers->length);

    if (client->status) {
        ngx_sip_client_refused(client);
        return;
    }

    ngx_memzero(&outcome, sizeof(ngx_fed_outcome_t));

    outcome.result = NGX_FED_TIMEOUT;

    if (client->conn) {

        /* RFC 3261, 8.1.3.1 */

        outcome.status = 408;
        ngx_str_set(&outcome.text, "no answer");

    } else {
        ngx_str_set(&outcome.text, "not sent in time");
    }

    ngx_sip_client_finish(client, &outcome, NULL);
}


/* Takes the transaction off its connection. */

void
ngx_sip_client_detach(ngx_sip_client_t *client)
{
    ngx_sip_conn_t  *conn;

    conn = client->conn;

    if (conn == NULL) {
        return;
    }

    client->conn = NULL;

    ngx_queue_remove(&client->list);
    ngx_queue_remove(&client->queue);

    if (--conn->nclients == 0 && !conn->link->closed) {
        ngx_sip_conn_settle(conn);
    }
}


/* The end of a transaction, wherever it is; its memory goes. */

void
ngx_sip_client_finish(ngx_sip_client_t *client, ngx_fed_outcome_t *outcome,
    ngx_sip_msg_t *msg)
{
    ngx_pool_t      *pool;
    ngx_sip_ctx_t   *ctx;
    ngx_sip_pair_t  *pair;

    ctx = client->ctx;
    pair = client->pair;
    pool = client->event ? NULL : client->pool;

    ngx_fed_timers_del(&ctx->timer_f, &client->timer);

    if (client->waiting) {
        ngx_queue_remove(&client->list);
        pair->nwaiting--;
        pair = NULL;

    } else if (client->queued) {
        ngx_sip_peer_unqueue(client);

    } else {
        ngx_sip_client_detach(client);
    }

    if (client->retry && client->retry(client, outcome) == NGX_OK) {
        return;
    }

    client->handler(client, outcome, msg);

    if (pool) {
        ngx_destroy_pool(pool);
    }

    if (pair) {
        ngx_sip_pair_next(ctx, pair);
    }
}


void
ngx_sip_client_fail(ngx_sip_client_t *client, ngx_fed_outcome_e result,
    const char *text)
{
    ngx_fed_outcome_t  outcome;

    ngx_memzero(&outcome, sizeof(ngx_fed_outcome_t));

    outcome.result = result;

    if (text) {
        outcome.text.len = ngx_strlen(text);
        outcome.text.data = (u_char *) text;
    }

    ngx_sip_client_finish(client, &outcome, NULL);
}


/* No target was left after one that answered by 503. */

void
ngx_sip_client_refused(ngx_sip_client_t *client)
{
    ngx_fed_outcome_t  outcome;

    ngx_memzero(&outcome, sizeof(ngx_fed_outcome_t));

    outcome.result = NGX_FED_SIP_STATUS;
    outcome.status = client->status;
    outcome.retry_after = client->retry_after;

    ngx_sip_client_finish(client, &outcome, NULL);
}


/*
 * The connection is gone: what was sent on it may have arrived, or not.  As
 * there may be thousands, Timer F ends them, some in each turn, in the order in
 * which they were sent.
 */

void
ngx_sip_client_lost(ngx_sip_conn_t *conn)
{
    ngx_uint_t         level;
    ngx_queue_t       *q;
    ngx_sip_ctx_t     *ctx;
    ngx_sip_client_t  *client;

    ctx = conn->ctx;

    while (!ngx_queue_empty(&conn->clients)) {

        q = ngx_queue_last(&conn->clients);
        client = ngx_queue_data(q, ngx_sip_client_t, list);

        level = ngx_fed_quiet_level(ctx->conf, NGX_FED_QUIET_SILENCE,
                                    &client->name, NGX_LOG_ERR);

        ngx_log_error(level, conn->link->log, 0,
                      "connection closed before a %V was answered: %s",
                      &client->method, conn->link->reason);

        if (!client->timer.set) {
            ngx_sip_client_fail(client, NGX_FED_TIMEOUT, "connection closed");
            continue;
        }

        ngx_sip_client_detach(client);

        client->lost = 1;
        ngx_fed_timers_expire(&ctx->timer_f, &client->timer);
    }
}


/*
 * Takes a response that ngx_sip_parse() read (RFC 3261, 17.1.3, 18.1.2).
 * What does not fit is dropped without an answer.
 */

void
ngx_sip_client_response(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_fed_id_t        id;
    ngx_sip_ctx_t      *ctx;
    ngx_sip_client_t   *client;
    ngx_fed_outcome_t   outcome;
    u_char              text[NGX_SIP_REASON_LEN];

    ctx = conn->ctx;

    if (ngx_sip_check(msg) != NGX_OK || msg->nvias != 1
        || !ngx_sip_via_is_ours(ctx, &msg->via, &id))
    {
        ngx_log_error(NGX_LOG_INFO, conn->link->log, 0,
                      "peer sent a SIP response to no request of ours: %s",
                      msg->problem ? msg->problem : "Via is not ours");
        return;
    }

    if (ngx_sip_is(&msg->cseq_method, "INVITE")
        && ngx_sip_client_invited(conn, msg, &id) != NGX_OK)
    {
        return;
    }

    if (msg->status < 200) {
        return;
    }

    if (!ngx_fed_id_mine(ctx->conf, &id)) {
        ngx_sip_client_hand_over(conn, msg, &id);
        return;
    }

    client = ngx_sip_client_find(ctx, id.seq);

    if (client == NULL || client->cseq != msg->cseq
        || msg->cseq_method.len != client->method.len
        || ngx_memcmp(msg->cseq_method.data, client->method.data,
                      client->method.len)
           != 0)
    {
        ngx_log_debug1(NGX_LOG_DEBUG_STREAM, conn->link->log, 0,
                       "sip response %ui matches no transaction", msg->status);
        return;
    }

    if (client->conn != conn && ngx_sip_client_proven(conn, client) != NGX_OK) {
        ngx_sip_client_foreign(conn, &client->name);
        return;
    }

    ngx_sip_client_outcome(msg, text, &outcome);

    client->from = conn;

    /* RFC 3263, 4.3 */

    if (msg->status == 503) {
        client->status = 503;
        client->retry_after = outcome.retry_after;

        if (ngx_sip_peer_next_target(client, outcome.retry_after) == NGX_OK) {
            return;
        }
    }

    ngx_sip_client_finish(client, &outcome, msg);
}


/*
 * What is done with a response to an INVITE, whether or not somebody waits for
 * it (RFC 3261, 13.2.2, 17.1.1).  Returns NGX_DECLINED if that is all.
 */

static ngx_int_t
ngx_sip_client_invited(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_id_t *id)
{
    u_char                    host[NGX_FED_DOMAIN_MAX];
    ngx_str_t                 name;
    ngx_sip_uri_t             uri;
    ngx_fed_domain_t         *domain;
    const ngx_sip_dialect_t  *dialect;

    if (ngx_sip_uri(&msg->to.uri, &uri) != NGX_OK || uri.host.len == 0
        || uri.host.len > sizeof(host))
    {
        return NGX_DECLINED;
    }

    ngx_strlow(host, uri.host.data, uri.host.len);

    name.data = host;
    name.len = uri.host.len;

    domain = ngx_fed_domain_find(conn->ctx->conf, &name, &ngx_sip_leg);

    if (domain->leg != conn->ctx->conf->sip
        || (!(conn->dialled && conn->peer
              && ngx_fed_str_equal(&conn->peer->sn.str, &name))
            && ngx_sip_identity_check(conn, &name, domain)))
    {
        ngx_sip_client_foreign(conn, &name);
        return NGX_DECLINED;
    }

    if (msg->status < 200) {
        ngx_sip_client_provisional(conn->ctx, id, &name);
        return NGX_DECLINED;
    }

    if (msg->status >= 300) {
        ngx_sip_client_ack(conn, msg);
        return NGX_OK;
    }

    dialect = ngx_sip_dialects[domain->dialect];

    if (dialect->accepted) {
        dialect->accepted(conn, msg);
    }

    return NGX_OK;
}


/*
 * It is no longer Timer B that ends the INVITE (RFC 3261, 17.1.1.2), if the
 * response is of the domain that it went to.
 */

static void
ngx_sip_client_provisional(ngx_sip_ctx_t *ctx, ngx_fed_id_t *id,
    ngx_str_t *name)
{
    ngx_sip_client_t  *client;

    if (!ngx_fed_id_mine(ctx->conf, id)) {
        return;
    }

    client = ngx_sip_client_find(ctx, id->seq);

    if (client && ngx_sip_is(&client->method, "INVITE")
        && ngx_fed_str_equal(&client->name, name))
    {
        client->proceeding = 1;
        ngx_fed_timers_del(&ctx->timer_f, &client->timer);
    }
}


/*
 * RFC 3261, 17.1.1.3: an INVITE of ours has no Route, and its Request-URI is
 * that of To.
 */

static void
ngx_sip_client_ack(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    u_char         *p;
    size_t          size;
    ngx_str_t      *via, *all;
    ngx_sip_ctx_t  *ctx;

    ctx = conn->ctx;
    via = conn->link->secure ? &ctx->via_tls : &ctx->via_tcp;
    all = &ngx_sip_rows(conn)->all;

    size = sizeof("ACK  SIP/2.0" CRLF ";alias" CRLF "Max-Forwards: 70" CRLF
                  "CSeq:  ACK" CRLF "Content-Length: 0" CRLF CRLF)
           + msg->to.uri.len + via->len + msg->via.branch.len + NGX_INT32_LEN
           + all->len + ngx_sip_respond_size(conn, msg);

    p = ngx_fed_link_reserve(conn->link, size);
    if (p == NULL) {
        return;
    }

    p = ngx_sprintf(p, "ACK %V SIP/2.0" CRLF "%V%*s%s" CRLF
                       "Max-Forwards: 70" CRLF,
                    &msg->to.uri, via,
                    msg->via.branch.len - NGX_SIP_COOKIE_LEN,
                    msg->via.branch.data + NGX_SIP_COOKIE_LEN,
                    conn->link->secure ? ";alias" : "");

    p = ngx_sip_client_rows(p, msg, NGX_SIP_FROM, "From");
    p = ngx_sip_client_rows(p, msg, NGX_SIP_TO, "To");
    p = ngx_sip_client_rows(p, msg, NGX_SIP_CALL_ID, "Call-ID");

    p = ngx_sprintf(p, "CSeq: %uD ACK" CRLF, msg->cseq);

    if (all->len) {
        p = ngx_cpymem(p, all->data, all->len);
    }

    p = ngx_cpymem(p, "Content-Length: 0" CRLF CRLF,
                   sizeof("Content-Length: 0" CRLF CRLF) - 1);

    ngx_fed_link_commit(conn->link, p);
}


static u_char *
ngx_sip_client_rows(u_char *p, ngx_sip_msg_t *msg, ngx_sip_header_e id,
    const char *name)
{
    size_t             i;
    ngx_sip_header_t  *h;

    h = ngx_sip_header(msg, id);

    p = ngx_sprintf(p, "%s: ", name);

    for (i = 0; i < h->value.len; i++) {
        *p++ = (h->value.data[i] == CR || h->value.data[i] == LF)
               ? ' ' : h->value.data[i];
    }

    *p++ = CR;
    *p++ = LF;

    return p;
}


/* The response on another connection must be of the same peer. */

static ngx_int_t
ngx_sip_client_proven(ngx_sip_conn_t *conn, ngx_sip_client_t *client)
{
    if (conn->dialled && conn->peer == client->peer) {
        return NGX_OK;
    }

    return ngx_sip_identity_check(conn, &client->name, client->domain)
           == NULL ? NGX_OK : NGX_DECLINED;
}


static void
ngx_sip_client_foreign(ngx_sip_conn_t *conn, ngx_str_t *domain)
{
    u_char      safe[256];
    ngx_str_t   name;
    ngx_uint_t  level;

    name = ngx_fed_text_log(safe, sizeof(safe), domain);

    level = ngx_fed_quiet_level(conn->ctx->conf, NGX_FED_QUIET_ANSWER, domain,
                                NGX_LOG_ERR);

    ngx_log_error(level, conn->link->log, 0,
                  "SIP response for domain \"%V\" came from a peer that may "
                  "not speak for it, and is ignored", &name);
}


/* Reads what a final response says; text has room for the reason. */

static void
ngx_sip_client_outcome(ngx_sip_msg_t *msg, u_char *text,
    ngx_fed_outcome_t *outcome)
{
    uint32_t           n;
    ngx_str_t          digits;
    ngx_sip_header_t  *h;

    ngx_memzero(outcome, sizeof(ngx_fed_outcome_t));

    if (msg->status < 300) {
        outcome->result = NGX_FED_ACCEPTED;
        return;
    }

    outcome->result = NGX_FED_SIP_STATUS;
    outcome->status = msg->status;

    outcome->text.data = text;
    outcome->text.len = ngx_fed_text_line(text, msg->reason.data,
                                          msg->reason.len, NGX_SIP_REASON_LEN);

    /* what a 423 wants is a time, too */

    h = ngx_sip_header(msg, msg->status == 423 ? NGX_SIP_MIN_EXPIRES
                                               : NGX_SIP_RETRY_AFTER);
    if (h) {
        digits = h->value;

        for (n = 0; n < digits.len; n++) {
            if (digits.data[n] < '0' || digits.data[n] > '9') {
                break;
            }
        }

        digits.len = n;

        if (ngx_sip_number(&digits, &n) == NGX_OK) {
            outcome->retry_after = (msg->status == 423 && n > NGX_SIP_RETRY_MAX)
                                   ? 0 : ngx_min(n, NGX_SIP_RETRY_MAX);
        }
    }

    if (msg->status < 400) {
        ngx_sip_client_contact(msg, &outcome->address);
    }
}


/* Of several addresses the first with the highest q (RFC 3261, 20.10). */

static void
ngx_sip_client_contact(ngx_sip_msg_t *msg, ngx_str_t *address)
{
    u_char            *p, *last;
    ngx_int_t          q, best;
    ngx_sip_addr_t     addr;
    ngx_sip_header_t  *h;

    best = -1;
    h = ngx_sip_header(msg, NGX_SIP_CONTACT);

    for ( /* void */ ; h; h = ngx_sip_header_next(msg, h)) {

        p = h->value.data;
        last = p + h->value.len;

        while (p < last && ngx_sip_addr(&p, last, &addr) == NGX_OK) {

            q = ngx_sip_client_q(&addr);

            if (q > best) {
                best = q;
                *address = addr.uri;
            }

            p++;
        }
    }
}


/* In thousandths; 1 if it is not given. */

static ngx_int_t
ngx_sip_client_q(ngx_sip_addr_t *addr)
{
    u_char     *p, *last;
    ngx_int_t   q;
    ngx_str_t   name, value;

    p = addr->params.data;
    last = p + addr->params.len;

    while (ngx_sip_param(&p, last, &name, &value) == NGX_OK) {

        if (ngx_sip_is(&name, "q")) {
            q = ngx_atofp(value.data, value.len, 3);

            return (q == NGX_ERROR || q > 1000) ? 0 : q;
        }
    }

    return 1000;
}


/* Another worker waits for this response. */

static void
ngx_sip_client_hand_over(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_fed_id_t *id)
{
    ngx_str_t          name;
    ngx_fed_conf_t    *fcf;
    ngx_sip_uri_t      uri;
    ngx_fed_answer_t   answer;
    ngx_fed_domain_t  *domain;
    u_char             host[NGX_FED_ANSWER_TEXT], text[NGX_SIP_REASON_LEN];

    fcf = conn->ctx->conf;

    /* which domain the answer is from, as far as this peer may tell */

    if (ngx_sip_uri(&msg->to.uri, &uri) != NGX_OK || uri.host.len == 0
        || uri.host.len > sizeof(host))
    {
        return;
    }

    ngx_strlow(host, uri.host.data, uri.host.len);

    name.data = host;
    name.len = uri.host.len;

    domain = ngx_fed_domain_find(fcf, &name, fcf->sip);

    if (ngx_sip_identity_check(conn, &name, domain)) {
        ngx_sip_client_foreign(conn, &name);
        return;
    }

    answer.kind = NGX_FED_ANSWER_RESPONSE;
    answer.seq = id->seq;
    answer.from = name;

    ngx_str_null(&answer.to);

    ngx_sip_client_outcome(msg, text, &answer.outcome);

    (void) ngx_fed_zone_hand_over(fcf, &ngx_sip_leg, id, &answer);
}


/* Takes a response that another worker read. */

void
ngx_sip_client_answer(ngx_sip_ctx_t *ctx, ngx_fed_answer_t *answer)
{
    ngx_sip_client_t  *client;

    if (answer->kind != NGX_FED_ANSWER_RESPONSE) {
        return;
    }

    client = ngx_sip_client_find(ctx, answer->seq);

    if (client == NULL || client->name.len != answer->from.len
        || ngx_memcmp(client->name.data, answer->from.data, answer->from.len)
           != 0)
    {
        return;
    }

    ngx_sip_client_finish(client, &answer->outcome, NULL);
}


/*
 * Tells whether a Via is one of ours, and which request it belongs to
 * (RFC 3261, 18.1.2).
 */

ngx_uint_t
ngx_sip_via_is_ours(ngx_sip_ctx_t *ctx, ngx_sip_via_t *via, ngx_fed_id_t *id)
{
    ngx_fed_conf_t  *fcf;

    fcf = ctx->conf;

    return via->host.len == fcf->host.len
           && ngx_strncasecmp(via->host.data, fcf->host.data, fcf->host.len)
              == 0
           && (via->port == 0 || via->port == fcf->port)
           && via->branch.len > NGX_SIP_COOKIE_LEN
           && ngx_memcmp(via->branch.data, NGX_SIP_COOKIE, NGX_SIP_COOKIE_LEN)
              == 0
           && ngx_fed_id_parse(fcf, via->branch.data + NGX_SIP_COOKIE_LEN,
                               via->branch.len - NGX_SIP_COOKIE_LEN, id)
              == NGX_OK;
}
