
/*
 * The SIP leg: what a worker holds for a federation, accepted connections, and
 * the way of events in and out.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include "ngx_sip_core.h"


#define NGX_SIP_POOL       4096


static ngx_int_t ngx_sip_init_process(ngx_fed_conf_t *fcf);
static void ngx_sip_exit_process(ngx_fed_conf_t *fcf);
static ngx_int_t ngx_sip_init_keys(ngx_sip_ctx_t *ctx);
static ngx_int_t ngx_sip_init_vias(ngx_sip_ctx_t *ctx);
static ngx_int_t ngx_sip_init_dialects(ngx_sip_ctx_t *ctx);
static void ngx_sip_init_domains(ngx_fed_conf_t *fcf);
static void ngx_sip_send(ngx_fed_event_t *ev);
static void ngx_sip_done(ngx_fed_event_t *ev);
static void ngx_sip_answer(ngx_fed_conf_t *fcf, ngx_fed_answer_t *answer);
static void ngx_sip_idle(ngx_fed_conf_t *fcf);


ngx_fed_leg_t  ngx_sip_leg = {
    ngx_string("sip"),
    ngx_sip_init_process,
    ngx_sip_exit_process,
    ngx_sip_send,
    ngx_sip_done,
    ngx_sip_answer,
    NULL,
    NULL,
    ngx_sip_notifier_changed,
    ngx_sip_subscriber_begin,
    ngx_sip_dialog_due,
    ngx_sip_idle,
    ngx_sip_client_ordered
};


/* by NGX_FED_DIALECT_* */

const ngx_sip_dialect_t  *const ngx_sip_dialects[] = {
    &ngx_sip_dialect_simple,
    &ngx_sip_dialect_ocs
};


/*
 * Takes a connection accepted by a listener of the federation, with TLS up if
 * the listener has it.
 */

void
ngx_sip_accept(ngx_stream_session_t *s, ngx_fed_conf_t *fcf)
{
    ngx_sip_conn_t  *conn;

    conn = ngx_sip_conn_create(fcf->sip_data, s->connection, s);

    if (conn == NULL || ngx_sip_identify(conn) != NGX_OK) {
        ngx_stream_finalize_session(s, NGX_STREAM_INTERNAL_SERVER_ERROR);
        return;
    }

    ngx_queue_insert_tail(&conn->ctx->conns, &conn->queue);

    ngx_sip_conn_ready(conn);
    ngx_fed_link_unproven(conn->link, &fcf->sip_preauth);
    ngx_fed_link_start(conn->link);
}


static ngx_int_t
ngx_sip_init_process(ngx_fed_conf_t *fcf)
{
    ngx_uint_t      i;
    ngx_pool_t     *pool;
    ngx_sip_ctx_t  *ctx;

    pool = ngx_create_pool(NGX_SIP_POOL, fcf->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    ctx = ngx_pcalloc(pool, sizeof(ngx_sip_ctx_t));
    if (ctx == NULL) {
        ngx_destroy_pool(pool);
        return NGX_ERROR;
    }

    ctx->conf = fcf;
    ctx->pool = pool;

    ngx_queue_init(&ctx->conns);
    ngx_queue_init(&ctx->free_pairs);
    ngx_queue_init(&ctx->held_pairs);

    for (i = 0; i < NGX_SIP_BUCKETS; i++) {
        ngx_queue_init(&ctx->pairs[i]);
        ngx_queue_init(&ctx->clients[i]);
        ngx_queue_init(&ctx->known[i]);
        ngx_queue_init(&ctx->merge[i]);
    }

    ngx_rbtree_init(&ctx->peers, &ctx->sentinel, ngx_str_rbtree_insert_value);

    if (ngx_sip_init_keys(ctx) != NGX_OK
        || ngx_sip_init_vias(ctx) != NGX_OK
        || ngx_sip_init_dialects(ctx) != NGX_OK
        || ngx_sip_server_init(ctx) != NGX_OK
        || ngx_sip_client_init(ctx) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NGX_ERROR;
    }

    ngx_sip_composing_init(ctx);
    ngx_sip_init_domains(fcf);

    fcf->sip_data = ctx;

    return NGX_OK;
}


static void
ngx_sip_exit_process(ngx_fed_conf_t *fcf)
{
    ngx_sip_ctx_t  *ctx;

    ctx = fcf->sip_data;

    if (ctx == NULL) {
        return;
    }

    fcf->sip_data = NULL;

    ngx_sip_peers_free(ctx);
    ngx_sip_server_exit(ctx);
    ngx_sip_client_exit(ctx);
    ngx_sip_composing_exit(ctx);

    ngx_fed_timers_done(&ctx->timer_f);
    ngx_fed_timers_done(&ctx->trying);
    ngx_fed_timers_done(&ctx->expire);

    ngx_destroy_pool(ctx->pool);
}


/*
 * One key that all workers share, now and after a reload, as what is made with
 * it must be the same everywhere, and one of this process.
 */

static ngx_int_t
ngx_sip_init_keys(ngx_sip_ctx_t *ctx)
{
    u_char       hash[EVP_MAX_MD_SIZE];
    EVP_MD_CTX  *md;
    ngx_int_t    rc;

    static const char  label[] = "sip leg";

    rc = NGX_ERROR;

    md = EVP_MD_CTX_new();

    if (md
        && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1
        && EVP_DigestUpdate(md, label, sizeof(label)) == 1
        && EVP_DigestUpdate(md, ngx_fed_zone_secret(ctx->conf),
                            NGX_FED_SECRET_LEN) == 1
        && EVP_DigestFinal_ex(md, hash, NULL) == 1
        && RAND_bytes((u_char *) &ctx->random, sizeof(ngx_fed_key_t)) == 1)
    {
        ngx_memcpy(&ctx->secret, hash, sizeof(ngx_fed_key_t));
        rc = NGX_OK;
    }

    EVP_MD_CTX_free(md);

    return rc;
}


/* Via with the sent-by of all our requests (RFC 3261, 18.1.1). */

static ngx_int_t
ngx_sip_init_vias(ngx_sip_ctx_t *ctx)
{
    u_char          *p;
    size_t           len;
    ngx_uint_t       i, port;
    ngx_str_t       *via;
    ngx_fed_conf_t  *fcf;

    fcf = ctx->conf;

    len = sizeof("Via: SIP/2.0/TLS :65535;branch=" NGX_SIP_COOKIE)
          + fcf->host.len;

    for (i = 0; i < 2; i++) {
        via = i ? &ctx->via_tcp : &ctx->via_tls;
        port = i ? NGX_SIP_PORT : NGX_SIP_TLS_PORT;

        p = ngx_pnalloc(ctx->pool, len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        via->data = p;

        p = ngx_sprintf(p, "Via: SIP/2.0/%s %V", i ? "TCP" : "TLS",
                        &fcf->host);

        if (fcf->port != port) {
            p = ngx_sprintf(p, ":%ui", (ngx_uint_t) fcf->port);
        }

        p = ngx_cpymem(p, ";branch=" NGX_SIP_COOKIE,
                       sizeof(";branch=" NGX_SIP_COOKIE) - 1);

        via->len = p - via->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_sip_init_dialects(ngx_sip_ctx_t *ctx)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_FED_DIALECTS; i++) {
        if (ngx_sip_dialects[i]->init(ctx, &ctx->rows[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* What is not configured is as the dialect of each domain has it. */

static void
ngx_sip_init_domains(ngx_fed_conf_t *fcf)
{
    ngx_uint_t                i;
    ngx_fed_domain_t         *domain, **domains;
    const ngx_sip_dialect_t  *dialect;

    domains = fcf->domains.elts;

    for (i = 0; i <= fcf->domains.nelts; i++) {

        domain = (i < fcf->domains.nelts) ? domains[i] : fcf->any_sip;

        if (domain->leg != fcf->sip) {
            continue;
        }

        dialect = ngx_sip_dialects[domain->dialect];

        domain->receipts = fcf->receipts && dialect->receipts;

        domain->chatstates = fcf->chatstates;
        ngx_conf_init_uint_value(domain->chatstates, dialect->chatstates);

        domain->chatstates_idle = fcf->chatstates_idle;
        ngx_conf_init_uint_value(domain->chatstates_idle,
                                 dialect->chatstates_idle);

        domain->errors = dialect->errors;

        if (fcf->message_6xx != NGX_CONF_UNSET) {
            domain->errors &= ~(ngx_uint_t) NGX_FED_6XX_OFF;
            domain->errors |= fcf->message_6xx ? 0 : NGX_FED_6XX_OFF;
        }

        if (fcf->unavailable_status) {
            domain->errors &= ~(ngx_uint_t) NGX_FED_UNAVAILABLE_480;
            domain->errors |= (fcf->unavailable_status == 480)
                              ? NGX_FED_UNAVAILABLE_480 : 0;
        }
    }
}


static void
ngx_sip_send(ngx_fed_event_t *ev)
{
    switch (ev->kind) {

    case NGX_FED_MESSAGE:
        ngx_sip_composing_content(ev);
        ngx_sip_client_message(ev);
        return;

    case NGX_FED_COMPOSING:
        ngx_sip_composing_send(ev);
        return;

    case NGX_FED_RECEIPT:
        ngx_sip_receipt_send(ev);
        return;

    default:
        ngx_sip_subscriber_send(ev);
    }
}


static void
ngx_sip_done(ngx_fed_event_t *ev)
{
    if (ev->told) {
        return;
    }

    switch (ev->kind) {

    case NGX_FED_MESSAGE:
    case NGX_FED_COMPOSING:
    case NGX_FED_RECEIPT:
        ngx_sip_server_done(ev);
        return;

    case NGX_FED_SUBSCRIPTION:
    case NGX_FED_PRESENCE:
        ngx_sip_notifier_done(ev);
        return;

    default:
        return;
    }
}


static void
ngx_sip_idle(ngx_fed_conf_t *fcf)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_FED_DIALECTS; i++) {
        if (ngx_sip_dialects[i]->idle) {
            ngx_sip_dialects[i]->idle(fcf->sip_data);
        }
    }
}


static void
ngx_sip_answer(ngx_fed_conf_t *fcf, ngx_fed_answer_t *answer)
{
    ngx_sip_client_answer(fcf->sip_data, answer);
}


/* Draws what can not be guessed, for tags and Call-IDs (RFC 3261, 19.3). */

ngx_fed_key_t
ngx_sip_unique(ngx_sip_ctx_t *ctx)
{
    ngx_fed_hash_t  hash;

    ctx->unique++;

    ngx_fed_hash_init(&hash, &ctx->random);
    ngx_fed_hash_update(&hash, (u_char *) &ctx->unique, sizeof(uint64_t));

    return ngx_fed_hash_final(&hash);
}


/*
 * Returns the domain that a connection has proven it speaks for, or was dialled
 * for, or NULL.
 */

ngx_fed_domain_t *
ngx_sip_conn_domain(ngx_sip_conn_t *conn)
{
    if (conn->spoken_domain) {
        return conn->spoken_domain;
    }

    return conn->peer ? conn->peer->domain : NULL;
}


/* Returns the rows of that domain. */

ngx_sip_rows_t *
ngx_sip_rows(ngx_sip_conn_t *conn)
{
    ngx_fed_domain_t       *domain;
    static ngx_sip_rows_t   none;

    domain = ngx_sip_conn_domain(conn);

    return domain ? &conn->ctx->rows[domain->dialect] : &none;
}


/* Tells whether a URI is one of the gateway itself, whatever its user part. */

ngx_uint_t
ngx_sip_is_us(ngx_sip_ctx_t *ctx, ngx_str_t *uri)
{
    ngx_sip_uri_t    us;
    ngx_fed_conf_t  *fcf;

    fcf = ctx->conf;

    return ngx_sip_uri(uri, &us) == NGX_OK
           && (us.port == fcf->port
               || (us.port == 0 && fcf->port == NGX_SIP_TLS_PORT))
           && us.host.len == fcf->host.len
           && ngx_strncasecmp(us.host.data, fcf->host.data, fcf->host.len)
              == 0;
}


/* Writes 16 hex digits. */

u_char *
ngx_sip_hex(u_char *dst, uint64_t n)
{
    ngx_int_t            shift;
    static const u_char  hex[] = "0123456789abcdef";

    for (shift = 60; shift >= 0; shift -= 4) {
        *dst++ = hex[(n >> shift) & 0xf];
    }

    return dst;
}


/* Names two users, in this order, without their resources. */

ngx_fed_key_t
ngx_sip_pair_key(ngx_sip_ctx_t *ctx, ngx_fed_address_t *from,
    ngx_fed_address_t *to)
{
    ngx_fed_hash_t  hash;

    ngx_fed_hash_init(&hash, &ctx->secret);
    ngx_fed_hash_str(&hash, &from->user);
    ngx_fed_hash_str(&hash, &from->domain);
    ngx_fed_hash_str(&hash, &to->user);
    ngx_fed_hash_str(&hash, &to->domain);

    return ngx_fed_hash_final(&hash);
}
