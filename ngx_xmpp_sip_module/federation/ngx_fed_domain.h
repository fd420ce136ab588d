
/*
 * The domain table: which leg a domain is reached by, its next hop, its policy.
 */


#ifndef _NGX_FED_DOMAIN_H_INCLUDED_
#define _NGX_FED_DOMAIN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_event.h"


#define NGX_FED_TLS_REQUIRED      0
#define NGX_FED_TLS_OPTIONAL      1
#define NGX_FED_TLS_OFF           2

#define NGX_FED_AUTH_ANY          0
#define NGX_FED_AUTH_EXTERNAL     1
#define NGX_FED_AUTH_DIALBACK     2

#define NGX_FED_DIALECT_SIMPLE    0
#define NGX_FED_DIALECT_OCS       1
#define NGX_FED_DIALECTS          2


/* a host given by server=, resolved when the configuration was read */

typedef struct {
    ngx_str_t                     host;
    in_port_t                     port;
    ngx_addr_t                   *addrs;
    ngx_uint_t                    naddrs;
    unsigned                      no_port:1; /* it is the default */
} ngx_fed_server_t;


struct ngx_fed_domain_s {
    ngx_str_t                     name;      /* lower case, A-labels; of a
                                                wildcard what follows "*." */
    ngx_fed_leg_t                *leg;       /* NULL: denied */
    ngx_array_t                  *servers;   /* ngx_fed_server_t; NULL: srv */
    ngx_array_t                  *names;     /* ngx_str_t; name=, or the domain
                                                and the hosts of server= */
    ngx_uint_t                    tls;
    ngx_uint_t                    auth;
    ngx_uint_t                    dialect;
    size_t                        message_size;   /* octets */
    ngx_uint_t                    rate;           /* 1000 * events/s, 0: off */
    ngx_uint_t                    user_rate;      /* the same */
    ngx_uint_t                    user_burst;     /* 1000 * events */

    /* set by the SIP leg when a process begins */

    ngx_uint_t                    chatstates;     /* NGX_FED_CHATSTATES_* */
    ngx_uint_t                    chatstates_idle;    /* NGX_FED_CHAT_* */
    ngx_uint_t                    receipts;
    ngx_uint_t                    errors;    /* for ngx_fed_error_status() */

    u_char                       *file;
    ngx_uint_t                    line;

    unsigned                      home:1;
    unsigned                      wildcard:1;
    unsigned                      any:1;     /* it is the default */
    unsigned                      automatic:1;   /* ... and DNS says which */
    unsigned                      srv:1;     /* server=srv was given */
    unsigned                      direct:1;  /* TLS, and never by STARTTLS */
    unsigned                      eku_any:1;
    unsigned                      size_set:1;
};


ngx_fed_domain_t *ngx_fed_domain_find(ngx_fed_conf_t *fcf, ngx_str_t *name,
    ngx_fed_leg_t *leg);
ngx_uint_t ngx_fed_domain_needs_resolver(ngx_fed_conf_t *fcf,
    ngx_fed_domain_t **domain);

char *ngx_fed_domain_line(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_leg_t *leg);
char *ngx_fed_domain_deny(ngx_conf_t *cf, ngx_fed_conf_t *fcf);
char *ngx_fed_domain_default(ngx_conf_t *cf, ngx_fed_conf_t *fcf);
char *ngx_fed_domain_init(ngx_conf_t *cf, ngx_fed_conf_t *fcf);


#endif /* _NGX_FED_DOMAIN_H_INCLUDED_ */
