
/*
 * Dialling: SRV, A and AAAA, connect, and the next address when one fails
 * (RFC 2782, RFC 6120, 3.2, RFC 3263, 4, XEP-0368).
 */


#ifndef _NGX_FED_DIAL_H_INCLUDED_
#define _NGX_FED_DIAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>
#include "ngx_fed_event.h"


#define NGX_FED_DIAL_QUERIES  2          /* at once */


typedef struct ngx_fed_dial_s  ngx_fed_dial_t;


/* what an answer of DNS comes to */

typedef enum {
    NGX_FED_DIAL_UNKNOWN = 0,  /* it is awaited, or there is none */
    NGX_FED_DIAL_NONE,         /* no records */
    NGX_FED_DIAL_REFUSED,      /* the target ".": no such service */
    NGX_FED_DIAL_DEAD,         /* no target has an address */
    NGX_FED_DIAL_FOUND
} ngx_fed_dial_answer_e;


typedef struct {
    const ngx_str_t              *service;   /* empty: addresses */
    ngx_resolver_ctx_t           *ctx;       /* NULL: not under way */
    ngx_int_t                     state;     /* of the resolver */
    ngx_fed_dial_answer_e         answer;
    unsigned                      direct:1;
} ngx_fed_dial_query_t;


typedef struct {
    ngx_addr_t                    addr;      /* name: the target host */
    unsigned                      direct:1;
} ngx_fed_dial_addr_t;


struct ngx_fed_dial_s {
    /* set by the leg before ngx_fed_dial_start() */

    ngx_str_t                     name;      /* domain; must outlive the dial */
    ngx_fed_domain_t             *domain;    /* servers, tls, direct */
    const ngx_str_t              *services;  /* asked in order; ends with an
                                                empty one */
    const ngx_str_t              *secure;    /* service of direct TLS, whose
                                                records count as ones of the
                                                first (XEP-0368); NULL: none */
    in_port_t                     port;      /* of the A fallback; 0: none */
    void                         *data;

    /*
     * called once for each connection made, with it, and once with NULL when
     * none is left: then result says why.  If direct is set, TLS is to begin
     * on the connection at once.  The leg owns the connection, with its pool
     * and log, and asks for the next by ngx_fed_dial_next()
     */

    void                        (*handler)(ngx_fed_dial_t *dial,
                                           ngx_connection_t *c);

    /* the dial's own */

    ngx_fed_conf_t               *conf;
    ngx_pool_t                   *pool;
    ngx_log_t                     log;
    ngx_fed_outcome_e             result;
    ngx_fed_dial_query_t          queries[NGX_FED_DIAL_QUERIES];
    ngx_uint_t                    nqueries;
    ngx_uint_t                    service;
    ngx_array_t                   targets;   /* of SRV records, so far */
    ngx_fed_dial_addr_t          *addrs;
    ngx_uint_t                    naddrs;
    ngx_uint_t                    current;
    ngx_peer_connection_t         peer;
    ngx_event_t                   posted;
    ngx_event_t                   timer;     /* of the second answer */
    ngx_str_t                     target;    /* being tried, for logs */
    u_char                        text[NGX_SOCKADDR_STRLEN];

    unsigned                      asking:1;
    unsigned                      asked:1;   /* answers are to be judged */
    unsigned                      direct:1;
    unsigned                      done:1;
};


ngx_fed_dial_t *ngx_fed_dial_create(ngx_fed_conf_t *fcf, ngx_str_t *name,
    ngx_fed_domain_t *domain);
void ngx_fed_dial_start(ngx_fed_dial_t *dial);
void ngx_fed_dial_next(ngx_fed_dial_t *dial);
void ngx_fed_dial_free(ngx_fed_dial_t *dial);


#endif /* _NGX_FED_DIAL_H_INCLUDED_ */
