
/*
 * Dialling: SRV, A and AAAA, connect, and the next address when one fails
 * (RFC 2782, RFC 6120, 3.2, RFC 3263, 4, XEP-0368).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>
#include "ngx_fed.h"


#define NGX_FED_DIAL_POOL      1024
#define NGX_FED_DIAL_LINK_POOL 1024
#define NGX_FED_DIAL_ADDRS     16       /* tried at most */
#define NGX_FED_DIAL_RECORDS   64       /* addresses looked at, of an answer */
#define NGX_FED_DIAL_WAIT      3000     /* ms for the second answer */


/* an SRV record */

typedef struct {
    ngx_addr_t                   *addrs;
    ngx_uint_t                    naddrs;
    ngx_uint_t                    priority;
    ngx_uint_t                    weight;
    ngx_uint_t                    direct;
} ngx_fed_dial_target_t;


static void ngx_fed_dial_configured(ngx_fed_dial_t *dial);
static void ngx_fed_dial_resolve(ngx_fed_dial_t *dial);
static void ngx_fed_dial_ask(ngx_fed_dial_t *dial,
    ngx_fed_dial_query_t *query);
static void ngx_fed_dial_resolve_handler(ngx_resolver_ctx_t *ctx);
static void ngx_fed_dial_answered(ngx_fed_dial_t *dial);
static ngx_fed_dial_answer_e ngx_fed_dial_read(ngx_fed_dial_t *dial,
    ngx_fed_dial_query_t *query);
static ngx_int_t ngx_fed_dial_read_addrs(ngx_fed_dial_t *dial,
    ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_fed_dial_read_srvs(ngx_fed_dial_t *dial,
    ngx_fed_dial_query_t *query);
static ngx_int_t ngx_fed_dial_copy(ngx_fed_dial_t *dial, ngx_addr_t *addr,
    struct sockaddr *sockaddr, socklen_t socklen, ngx_str_t *name);
static void ngx_fed_dial_timer_handler(ngx_event_t *ev);
static void ngx_fed_dial_forget(ngx_fed_dial_t *dial);
static void ngx_fed_dial_judge(ngx_fed_dial_t *dial);
static void ngx_fed_dial_explain(ngx_fed_dial_t *dial, ngx_uint_t level);
static ngx_int_t ngx_fed_dial_order(ngx_fed_dial_t *dial);
static ngx_fed_dial_target_t *ngx_fed_dial_pick(ngx_fed_dial_target_t *targets,
    ngx_uint_t n);
static void ngx_fed_dial_posted_handler(ngx_event_t *ev);
static void ngx_fed_dial_connect(ngx_fed_dial_t *dial);
static ngx_int_t ngx_fed_dial_try(ngx_fed_dial_t *dial, ngx_addr_t *addr);
static void ngx_fed_dial_connect_handler(ngx_event_t *ev);
static ngx_int_t ngx_fed_dial_test(ngx_connection_t *c);
static void ngx_fed_dial_connected(ngx_fed_dial_t *dial);
static void ngx_fed_dial_drop(ngx_fed_dial_t *dial);
static void ngx_fed_dial_fail(ngx_fed_dial_t *dial, ngx_fed_outcome_e result);
static ngx_uint_t ngx_fed_dial_private(struct sockaddr *sa);
static u_char *ngx_fed_dial_log(ngx_log_t *log, u_char *buf, size_t len);


/*
 * Makes a dial of a domain, whose name is copied.  The leg sets services, port,
 * data and handler, and starts it; it frees the dial at any time, also from
 * within the handler.  Returns NULL if there is no memory.
 */

ngx_fed_dial_t *
ngx_fed_dial_create(ngx_fed_conf_t *fcf, ngx_str_t *name,
    ngx_fed_domain_t *domain)
{
    ngx_pool_t      *pool;
    ngx_fed_dial_t  *dial;

    pool = ngx_create_pool(NGX_FED_DIAL_POOL, fcf->log);
    if (pool == NULL) {
        return NULL;
    }

    dial = ngx_pcalloc(pool, sizeof(ngx_fed_dial_t));
    if (dial == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    dial->name.len = name->len;
    dial->name.data = ngx_pstrdup(pool, name);

    if (dial->name.data == NULL
        || ngx_array_init(&dial->targets, pool, 4,
                          sizeof(ngx_fed_dial_target_t))
           != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NULL;
    }

    dial->conf = fcf;
    dial->pool = pool;
    dial->domain = domain;

    dial->log = *fcf->log;
    dial->log.handler = ngx_fed_dial_log;
    dial->log.data = dial;

    pool->log = &dial->log;

    dial->posted.handler = ngx_fed_dial_posted_handler;
    dial->posted.data = dial;
    dial->posted.log = &dial->log;

    dial->timer.handler = ngx_fed_dial_timer_handler;
    dial->timer.data = dial;
    dial->timer.log = &dial->log;

    return dial;
}


void
ngx_fed_dial_start(ngx_fed_dial_t *dial)
{
    if (dial->domain->servers) {
        ngx_fed_dial_configured(dial);
        return;
    }

    ngx_fed_dial_resolve(dial);
}


/* The addresses of server=, in the order of the configuration. */

static void
ngx_fed_dial_configured(ngx_fed_dial_t *dial)
{
    ngx_uint_t            i, j, n;
    ngx_fed_server_t     *server;
    ngx_fed_dial_addr_t  *addr;

    server = dial->domain->servers->elts;
    n = 0;

    for (i = 0; i < dial->domain->servers->nelts; i++) {
        n += server[i].naddrs;
    }

    dial->addrs = ngx_palloc(dial->pool, n * sizeof(ngx_fed_dial_addr_t));
    if (dial->addrs == NULL) {
        ngx_fed_dial_fail(dial, NGX_FED_INTERNAL);
        return;
    }

    for (i = 0; i < dial->domain->servers->nelts; i++) {

        for (j = 0; j < server[i].naddrs; j++) {
            addr = &dial->addrs[dial->naddrs++];

            addr->addr = server[i].addrs[j];
            addr->addr.name = server[i].host;
            addr->direct = dial->domain->direct;
        }
    }

    ngx_post_event(&dial->posted, &ngx_posted_events);
}


/*
 * Asks for SRV records of the current service, or for addresses after all.  The
 * records of direct TLS are asked for together with those of the first service.
 */

static void
ngx_fed_dial_resolve(ngx_fed_dial_t *dial)
{
    ngx_uint_t             i;
    ngx_fed_dial_query_t  *query;

    ngx_memzero(dial->queries, sizeof(dial->queries));

    query = dial->queries;

    query[0].service = &dial->services[dial->service];
    query[0].direct = dial->domain->direct;
    dial->nqueries = 1;

    if (dial->secure && dial->service == 0) {
        query[1].service = dial->secure;
        query[1].direct = 1;
        dial->nqueries = 2;
    }

    dial->asking = 1;

    for (i = 0; i < dial->nqueries; i++) {
        ngx_fed_dial_ask(dial, &query[i]);
    }

    dial->asking = 0;

    ngx_fed_dial_answered(dial);
}


/* What cannot be asked remains unknown. */

static void
ngx_fed_dial_ask(ngx_fed_dial_t *dial, ngx_fed_dial_query_t *query)
{
    ngx_fed_conf_t      *fcf;
    ngx_resolver_ctx_t  *ctx;

    fcf = dial->conf;

    query->state = NGX_RESOLVE_SERVFAIL;

    ctx = ngx_resolve_start(fcf->resolver, NULL);

    if (ctx == NULL) {
        return;
    }

    if (ctx == NGX_NO_RESOLVER) {
        ngx_log_error(NGX_LOG_ERR, &dial->log, 0,
                      "no resolver defined to find %V", &dial->name);
        return;
    }

    ctx->name = dial->name;
    ctx->service = *query->service;
    ctx->handler = ngx_fed_dial_resolve_handler;
    ctx->data = dial;
    ctx->timeout = fcf->resolver_timeout;

    query->ctx = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        query->ctx = NULL;
    }
}


static void
ngx_fed_dial_resolve_handler(ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t             i;
    ngx_fed_dial_t        *dial;
    ngx_fed_dial_query_t  *query;

    dial = ctx->data;

    for (i = 0; dial->queries[i].ctx != ctx; i++) { /* void */ }

    query = &dial->queries[i];

    query->state = ctx->state;
    query->answer = ngx_fed_dial_read(dial, query);
    query->ctx = NULL;

    ngx_resolve_name_done(ctx);

    if (!dial->asking) {
        ngx_fed_dial_answered(dial);
    }
}


/* Once there are addresses, another answer is not waited for much longer. */

static void
ngx_fed_dial_answered(ngx_fed_dial_t *dial)
{
    ngx_uint_t  i, found, pending;

    found = 0;
    pending = 0;

    for (i = 0; i < dial->nqueries; i++) {
        found |= (dial->queries[i].answer == NGX_FED_DIAL_FOUND);
        pending |= (dial->queries[i].ctx != NULL);
    }

    if (!pending) {
        dial->asked = 1;
        ngx_post_event(&dial->posted, &ngx_posted_events);
        return;
    }

    if (found) {
        ngx_add_timer(&dial->timer, NGX_FED_DIAL_WAIT);
    }
}


static ngx_fed_dial_answer_e
ngx_fed_dial_read(ngx_fed_dial_t *dial, ngx_fed_dial_query_t *query)
{
    ngx_int_t                 rc;
    ngx_resolver_ctx_t       *ctx;
    ngx_resolver_srv_name_t  *srv;

    ctx = query->ctx;

    if (ctx->state == NGX_OK && ctx->naddrs) {

        rc = query->service->len ? ngx_fed_dial_read_srvs(dial, query)
                                 : ngx_fed_dial_read_addrs(dial, ctx);

        return rc == NGX_OK ? NGX_FED_DIAL_FOUND : NGX_FED_DIAL_UNKNOWN;
    }

    if (ctx->state != NGX_OK && ctx->state != NGX_RESOLVE_NXDOMAIN) {
        return NGX_FED_DIAL_UNKNOWN;
    }

    if (query->service->len == 0 || ctx->nsrvs == 0) {
        return NGX_FED_DIAL_NONE;
    }

    srv = ctx->srvs;

    if (ctx->nsrvs == 1
        && (srv->name.len == 0
            || (srv->name.len == 1 && srv->name.data[0] == '.')))
    {
        return NGX_FED_DIAL_REFUSED;
    }

    return NGX_FED_DIAL_DEAD;
}


/* The domain's own addresses: one target, as good as a record for each. */

static ngx_int_t
ngx_fed_dial_read_addrs(ngx_fed_dial_t *dial, ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t              i, n;
    ngx_fed_dial_target_t  *target;

    target = ngx_array_push(&dial->targets);
    if (target == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(target, sizeof(ngx_fed_dial_target_t));

    n = ngx_min(ctx->naddrs, NGX_FED_DIAL_ADDRS);

    target->weight = 1;
    target->addrs = ngx_palloc(dial->pool, n * sizeof(ngx_addr_t));

    if (target->addrs == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (ngx_fed_dial_copy(dial, &target->addrs[i], ctx->addrs[i].sockaddr,
                              ctx->addrs[i].socklen, &dial->name)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_inet_set_port(target->addrs[i].sockaddr, dial->port);
        target->naddrs++;
    }

    return NGX_OK;
}


/* The records come in the order of their priorities. */

static ngx_int_t
ngx_fed_dial_read_srvs(ngx_fed_dial_t *dial, ngx_fed_dial_query_t *query)
{
    ngx_addr_t               *addr;
    ngx_uint_t                i, j, n;
    ngx_resolver_ctx_t       *ctx;
    ngx_fed_dial_target_t    *target;
    ngx_resolver_srv_name_t  *srv;

    ctx = query->ctx;
    n = 0;

    for (i = 0; i < ctx->nsrvs && n < NGX_FED_DIAL_RECORDS; i++) {

        srv = &ctx->srvs[i];

        if (srv->naddrs == 0) {
            continue;
        }

        target = ngx_array_push(&dial->targets);
        if (target == NULL) {
            return NGX_ERROR;
        }

        target->naddrs = 0;
        target->priority = srv->priority;
        target->weight = ngx_max(srv->weight, 1);
        target->direct = query->direct;
        target->addrs = ngx_palloc(dial->pool,
                                   srv->naddrs * sizeof(ngx_addr_t));

        if (target->addrs == NULL) {
            return NGX_ERROR;
        }

        for (j = 0; j < srv->naddrs && n < NGX_FED_DIAL_RECORDS; j++, n++) {

            addr = &srv->addrs[j];

            if (ngx_fed_dial_copy(dial, &target->addrs[j], addr->sockaddr,
                                  addr->socklen, &srv->name)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            target->naddrs++;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_fed_dial_copy(ngx_fed_dial_t *dial, ngx_addr_t *addr,
    struct sockaddr *sockaddr, socklen_t socklen, ngx_str_t *name)
{
    addr->socklen = socklen;
    addr->sockaddr = ngx_palloc(dial->pool, socklen);
    addr->name.len = name->len;
    addr->name.data = ngx_pstrdup(dial->pool, name);

    if (addr->sockaddr == NULL || addr->name.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(addr->sockaddr, sockaddr, socklen);

    return NGX_OK;
}


/* There are addresses, and the other answer does not come. */

static void
ngx_fed_dial_timer_handler(ngx_event_t *ev)
{
    ngx_uint_t       i;
    ngx_fed_dial_t  *dial;

    dial = ev->data;

    for (i = 0; i < dial->nqueries; i++) {
        if (dial->queries[i].ctx) {
            dial->queries[i].state = NGX_RESOLVE_TIMEDOUT;
        }
    }

    ngx_fed_dial_forget(dial);
    ngx_fed_dial_judge(dial);
}


/* Awaits no answer any more. */

static void
ngx_fed_dial_forget(ngx_fed_dial_t *dial)
{
    ngx_uint_t  i;

    for (i = 0; i < dial->nqueries; i++) {

        if (dial->queries[i].ctx) {
            ngx_resolve_name_done(dial->queries[i].ctx);
            dial->queries[i].ctx = NULL;
        }
    }

    if (dial->timer.timer_set) {
        ngx_del_timer(&dial->timer);
    }
}


/*
 * The answers are there.  What has SRV records is not looked for elsewhere
 * (RFC 6120, 3.2.1), nor is what says that it has no direct TLS (XEP-0368).  Of
 * two answers one that failed takes nothing from the other.
 */

static void
ngx_fed_dial_judge(ngx_fed_dial_t *dial)
{
    ngx_uint_t              i, level, n[NGX_FED_DIAL_FOUND + 1];
    ngx_fed_dial_answer_e   answer;

    ngx_fed_dial_forget(dial);

    ngx_memzero(n, sizeof(n));

    for (i = 0; i < dial->nqueries; i++) {
        n[dial->queries[i].answer]++;
    }

    if (n[NGX_FED_DIAL_FOUND]) {

        ngx_fed_dial_explain(dial, NGX_LOG_WARN);

        if (ngx_fed_dial_order(dial) != NGX_OK) {
            ngx_fed_dial_fail(dial, NGX_FED_INTERNAL);
            return;
        }

        ngx_fed_dial_connect(dial);
        return;
    }

    answer = dial->queries[0].answer;

    if (answer == NGX_FED_DIAL_NONE
        && n[NGX_FED_DIAL_NONE] + n[NGX_FED_DIAL_UNKNOWN] == dial->nqueries
        && dial->queries[0].service->len
        && (dial->services[dial->service + 1].len || dial->port))
    {
        ngx_fed_dial_explain(dial, NGX_LOG_WARN);

        dial->service++;
        ngx_fed_dial_resolve(dial);
        return;
    }

    ngx_fed_dial_explain(dial, NGX_LOG_ERR);

    if (n[NGX_FED_DIAL_UNKNOWN] || n[NGX_FED_DIAL_DEAD]) {
        ngx_fed_dial_fail(dial, NGX_FED_NO_DNS);
        return;
    }

    if (n[NGX_FED_DIAL_NONE] == dial->nqueries) {
        level = ngx_fed_quiet_level(dial->conf, NGX_FED_QUIET_DNS, &dial->name,
                                    NGX_LOG_ERR);

        ngx_log_error(level, &dial->log, 0,
                      dial->domain->direct
                      ? "%V has no direct TLS service in DNS"
                      : "%V does not exist in DNS", &dial->name);
    }

    ngx_fed_dial_fail(dial, NGX_FED_NO_DOMAIN);
}


/* Logs what is wrong with the answers; for one of two "." is not. */

static void
ngx_fed_dial_explain(ngx_fed_dial_t *dial, ngx_uint_t level)
{
    ngx_uint_t             i, counted;
    const ngx_str_t       *service;
    ngx_fed_dial_query_t  *query;

    counted = 0;

    for (i = 0; i < dial->nqueries; i++) {

        query = &dial->queries[i];
        service = query->service;

        if (query->answer == NGX_FED_DIAL_FOUND
            || query->answer == NGX_FED_DIAL_NONE
            || (query->answer == NGX_FED_DIAL_REFUSED && level == NGX_LOG_WARN))
        {
            continue;
        }

        if (!counted) {
            level = ngx_fed_quiet_level(dial->conf, NGX_FED_QUIET_DNS,
                                        &dial->name, level);
            counted = 1;
        }

        if (query->answer == NGX_FED_DIAL_UNKNOWN) {
            ngx_log_error(level, &dial->log, 0,
                          "%V%s%V could not be resolved (%i: %s)",
                          service, service->len ? " of " : "", &dial->name,
                          query->state, ngx_resolver_strerror(query->state));

        } else if (query->answer == NGX_FED_DIAL_REFUSED) {
            ngx_log_error(level, &dial->log, 0,
                          "%V says by DNS that it has no %V service",
                          &dial->name, service);

        } else {
            ngx_log_error(level, &dial->log, 0,
                          "no target of the SRV records %V of %V has an "
                          "address", service, &dial->name);
        }
    }
}


/* Makes the list of the addresses to try from the targets (RFC 2782). */

static ngx_int_t
ngx_fed_dial_order(ngx_fed_dial_t *dial)
{
    ngx_uint_t              i, n;
    ngx_fed_dial_addr_t    *addr;
    ngx_fed_dial_target_t  *targets, *target;

    dial->addrs = ngx_palloc(dial->pool,
                             NGX_FED_DIAL_ADDRS * sizeof(ngx_fed_dial_addr_t));
    if (dial->addrs == NULL) {
        return NGX_ERROR;
    }

    targets = dial->targets.elts;

    for (n = dial->targets.nelts; n; n--) {

        target = ngx_fed_dial_pick(targets, n);

        for (i = 0; i < target->naddrs; i++) {

            if (dial->naddrs == NGX_FED_DIAL_ADDRS) {
                return NGX_OK;
            }

            addr = &dial->addrs[dial->naddrs++];

            addr->addr = target->addrs[i];
            addr->direct = target->direct;
        }

        *target = targets[n - 1];
    }

    return NGX_OK;
}


/*
 * Picks one of the n targets: of those with the lowest priority any, with the
 * probability of its weight.
 */

static ngx_fed_dial_target_t *
ngx_fed_dial_pick(ngx_fed_dial_target_t *targets, ngx_uint_t n)
{
    ngx_uint_t  i, sum, left, priority;

    sum = 0;
    priority = targets[0].priority;

    for (i = 0; i < n; i++) {

        if (targets[i].priority < priority) {
            priority = targets[i].priority;
            sum = 0;
        }

        if (targets[i].priority == priority) {
            sum += targets[i].weight;
        }
    }

    left = ngx_random() % sum;

    for (i = 0; i < n; i++) {

        if (targets[i].priority != priority) {
            continue;
        }

        if (left < targets[i].weight) {
            break;
        }

        left -= targets[i].weight;
    }

    return &targets[i];
}


/* The connection that was handed out served for nothing: tries the next. */

void
ngx_fed_dial_next(ngx_fed_dial_t *dial)
{
    ngx_post_event(&dial->posted, &ngx_posted_events);
}


static void
ngx_fed_dial_posted_handler(ngx_event_t *ev)
{
    ngx_fed_dial_t  *dial;

    dial = ev->data;

    if (dial->asked) {
        dial->asked = 0;
        ngx_fed_dial_judge(dial);
        return;
    }

    ngx_fed_dial_connect(dial);
}


static void
ngx_fed_dial_connect(ngx_fed_dial_t *dial)
{
    ngx_int_t             rc;
    ngx_fed_dial_addr_t  *addr;

    while (dial->current < dial->naddrs) {

        addr = &dial->addrs[dial->current++];

        dial->direct = addr->direct;

        rc = ngx_fed_dial_try(dial, &addr->addr);

        if (rc == NGX_OK) {
            ngx_fed_dial_connected(dial);
            return;
        }

        if (rc == NGX_AGAIN) {
            return;
        }
    }

    ngx_fed_dial_fail(dial, NGX_FED_NO_LINK);
}


static ngx_int_t
ngx_fed_dial_try(ngx_fed_dial_t *dial, ngx_addr_t *addr)
{
    u_char                 *p;
    ngx_int_t               rc;
    ngx_log_t              *log;
    ngx_pool_t             *pool;
    ngx_uint_t              level;
    ngx_connection_t       *c;
    ngx_peer_connection_t  *pc;

    pc = &dial->peer;

    pool = ngx_create_pool(NGX_FED_DIAL_LINK_POOL, &dial->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(pool, NGX_SOCKADDR_STRLEN);
    log = ngx_palloc(pool, sizeof(ngx_log_t));

    if (p == NULL || log == NULL) {
        goto failed;
    }

    dial->target.data = dial->text;
    dial->target.len = ngx_sock_ntop(addr->sockaddr, addr->socklen, dial->text,
                                     NGX_SOCKADDR_STRLEN, 1);

    if (dial->domain->servers == NULL && !dial->conf->private_addresses
        && ngx_fed_dial_private(addr->sockaddr))
    {
        level = ngx_fed_quiet_level(dial->conf, NGX_FED_QUIET_PRIVATE,
                                    &dial->name, NGX_LOG_ERR);

        ngx_log_error(level, &dial->log, 0,
                      "DNS has a private address for %V, which is not "
                      "connected to unless \"private_addresses\" is on",
                      &dial->name);
        goto failed;
    }

    ngx_memzero(pc, sizeof(ngx_peer_connection_t));

    pc->sockaddr = addr->sockaddr;
    pc->socklen = addr->socklen;
    pc->name = &addr->name;
    pc->get = ngx_event_get_peer;
    pc->log = &dial->log;
    pc->log_error = NGX_ERROR_ERR;

    dial->log.action = "connecting";

    rc = ngx_event_connect_peer(pc);

    c = pc->connection;

    if (rc == NGX_ERROR || rc == NGX_BUSY || rc == NGX_DECLINED) {
        pc->connection = NULL;
        goto failed;
    }

    *log = dial->log;
    pool->log = log;

    c->data = dial;
    c->pool = pool;
    c->log = log;
    c->read->log = log;
    c->write->log = log;
    c->sockaddr = ngx_palloc(pool, addr->socklen);
    c->socklen = addr->socklen;
    c->addr_text.len = dial->target.len;
    c->addr_text.data = p;
    ngx_memcpy(p, dial->text, dial->target.len);

    if (c->sockaddr == NULL || ngx_tcp_nodelay(c) != NGX_OK) {
        ngx_fed_dial_drop(dial);
        return NGX_ERROR;
    }

    ngx_memcpy(c->sockaddr, addr->sockaddr, addr->socklen);

    c->read->handler = ngx_fed_dial_connect_handler;
    c->write->handler = ngx_fed_dial_connect_handler;

    if (rc == NGX_AGAIN) {
        ngx_add_timer(c->write, dial->conf->connect_timeout);
    }

    return rc;

failed:

    ngx_str_null(&dial->target);
    ngx_destroy_pool(pool);

    return NGX_ERROR;
}


static void
ngx_fed_dial_connect_handler(ngx_event_t *ev)
{
    ngx_fed_dial_t    *dial;
    ngx_connection_t  *c;

    c = ev->data;
    dial = c->data;

    if (c->close) {

        /* worker_shutdown_timeout passed */

        ngx_fed_dial_drop(dial);
        ngx_fed_dial_fail(dial, NGX_FED_NO_LINK);
        return;
    }

    if (ev->timedout) {
        ngx_log_error(NGX_LOG_ERR, &dial->log, NGX_ETIMEDOUT,
                      "connect() timed out");

    } else if (ngx_fed_dial_test(c) == NGX_OK) {

        ngx_fed_dial_connected(dial);
        return;
    }

    ngx_fed_dial_drop(dial);
    ngx_fed_dial_connect(dial);
}


static ngx_int_t
ngx_fed_dial_test(ngx_connection_t *c)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        (void) ngx_connection_error(c, err, "connect() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_fed_dial_connected(ngx_fed_dial_t *dial)
{
    ngx_connection_t  *c;

    c = dial->peer.connection;
    dial->peer.connection = NULL;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    c->log->action = NULL;
    c->log->handler = NULL;
    dial->log.action = NULL;

    dial->handler(dial, c);
}


static void
ngx_fed_dial_drop(ngx_fed_dial_t *dial)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    c = dial->peer.connection;

    if (c == NULL) {
        return;
    }

    dial->peer.connection = NULL;
    ngx_str_null(&dial->target);

    pool = c->pool;

    ngx_close_connection(c);
    ngx_destroy_pool(pool);
}


static void
ngx_fed_dial_fail(ngx_fed_dial_t *dial, ngx_fed_outcome_e result)
{
    dial->result = result;
    dial->done = 1;

    dial->handler(dial, NULL);
}


/* Ends a dial, whatever it waits for. */

void
ngx_fed_dial_free(ngx_fed_dial_t *dial)
{
    if (dial->posted.posted) {
        ngx_delete_posted_event(&dial->posted);
    }

    ngx_fed_dial_forget(dial);
    ngx_fed_dial_drop(dial);

    ngx_destroy_pool(dial->pool);
}


/* Addresses that a foreign domain's DNS has no business to send us to. */

static ngx_uint_t
ngx_fed_dial_private(struct sockaddr *sa)
{
    u_char               *p;
    uint32_t              a;
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    switch (sa->sa_family) {

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sa;
        p = sin6->sin6_addr.s6_addr;

        if (!IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            return IN6_IS_ADDR_UNSPECIFIED(&sin6->sin6_addr)
                   || IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr)
                   || IN6_IS_ADDR_LINKLOCAL(&sin6->sin6_addr)
                   || IN6_IS_ADDR_MULTICAST(&sin6->sin6_addr)
                   || (p[0] & 0xfe) == 0xfc;
        }

        p += 12;
        break;
#endif

    case AF_INET:
        sin = (struct sockaddr_in *) sa;
        p = (u_char *) &sin->sin_addr.s_addr;
        break;

    default:
        return 1;
    }

    a = ((uint32_t) p[0] << 24) + (p[1] << 16) + (p[2] << 8) + p[3];

    return p[0] == 0 || p[0] == 10 || p[0] == 127 || p[0] >= 224
           || (a & 0xffc00000) == 0x64400000     /* 100.64.0.0/10 */
           || (a & 0xffff0000) == 0xa9fe0000     /* 169.254.0.0/16 */
           || (a & 0xfff00000) == 0xac100000     /* 172.16.0.0/12 */
           || (a & 0xffff0000) == 0xc0a80000;    /* 192.168.0.0/16 */
}


static u_char *
ngx_fed_dial_log(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char          *p;
    ngx_fed_dial_t  *dial;

    if (log->action) {
        p = ngx_snprintf(buf, len, " while %s", log->action);
        len -= p - buf;
        buf = p;
    }

    dial = log->data;

    if (dial->target.len) {
        p = ngx_snprintf(buf, len, ", peer: %V", &dial->target);
        len -= p - buf;
        buf = p;
    }

    return ngx_snprintf(buf, len, ", domain: %V, federation: %V",
                        &dial->name, &dial->conf->name);
}
