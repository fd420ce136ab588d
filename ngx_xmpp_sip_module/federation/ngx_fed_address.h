
/*
 * Addresses of users: JID (RFC 7622) and SIP URI (RFC 3261), both ways.
 */


#ifndef _NGX_FED_ADDRESS_H_INCLUDED_
#define _NGX_FED_ADDRESS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_FED_PART_MAX     1023       /* RFC 7622, 3.1: octets in a part */
#define NGX_FED_DOMAIN_MAX   253        /* RFC 1035, 2.3.4: as text */


/*
 * What both forms have in common.  The user part and the resource are plain
 * UTF-8 text with no escapes of either protocol; the user part has its case
 * folded (RFC 8265, 3.3).  The domain is in lower case, in A-labels, without
 * the trailing dot.  Absent parts are empty.
 */

typedef struct {
    ngx_str_t                     user;
    ngx_str_t                     domain;
    ngx_str_t                     resource;
    ngx_str_t                     unicode;  /* the domain in U-labels; empty
                                               stands for the domain itself */
} ngx_fed_address_t;


/*
 * Results of the readers apart from NGX_OK and NGX_ERROR (no memory): a JID
 * that is malformed (RFC 6120, 8.3.3.8) is NGX_DECLINED, a URI has one of the
 * following.  The address is set with NGX_OK only, and lies in the pool.
 */

#define NGX_FED_ADDRESS_SYNTAX     1    /* 400: not a URI of the grammar */
#define NGX_FED_ADDRESS_SCHEME     2    /* 416: neither sip, im nor pres */
#define NGX_FED_ADDRESS_SECURE     3    /* 480: sips, never translated */
#define NGX_FED_ADDRESS_UNMAPPABLE 4    /* 404: no such address over there */


ngx_int_t ngx_fed_address_from_jid(ngx_pool_t *pool, ngx_str_t *jid,
    ngx_fed_address_t *addr);
ngx_int_t ngx_fed_address_from_sip(ngx_pool_t *pool, ngx_str_t *uri,
    ngx_fed_address_t *addr);
ngx_int_t ngx_fed_address_from_any(ngx_pool_t *pool, ngx_str_t *uri,
    ngx_fed_address_t *addr);

size_t ngx_fed_address_jid_size(ngx_fed_address_t *addr);
u_char *ngx_fed_address_to_jid(u_char *dst, ngx_fed_address_t *addr);

size_t ngx_fed_address_sip_size(ngx_fed_address_t *addr);
u_char *ngx_fed_address_to_sip(u_char *dst, ngx_fed_address_t *addr);

ngx_int_t ngx_fed_address_domain(ngx_pool_t *pool, ngx_str_t *text,
    ngx_str_t *domain);
ngx_int_t ngx_fed_address_domain_unicode(ngx_pool_t *pool, ngx_str_t *domain,
    ngx_str_t *text);


#endif /* _NGX_FED_ADDRESS_H_INCLUDED_ */
