
/*
 * Presence documents: PIDF with what RPID adds (RFC 3863, RFC 4480), and how
 * RFC 8048, 6, maps them.
 */


#ifndef _NGX_SIP_PIDF_H_INCLUDED_
#define _NGX_SIP_PIDF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_address.h"
#include "ngx_fed_presence.h"


ngx_int_t ngx_sip_pidf_read(ngx_pool_t *pool, ngx_str_t *body,
    ngx_str_t *charset, ngx_str_t *lang, ngx_fed_address_t *entity,
    ngx_fed_presence_t *presence);

size_t ngx_sip_pidf_size(ngx_fed_presence_t *presence,
    ngx_fed_address_t *entity);
u_char *ngx_sip_pidf_write(u_char *dst, ngx_fed_presence_t *presence,
    ngx_fed_address_t *entity);


#endif /* _NGX_SIP_PIDF_H_INCLUDED_ */
