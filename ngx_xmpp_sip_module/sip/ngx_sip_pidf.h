
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

/* what readers and writers of other documents need, too */

ngx_int_t ngx_sip_pidf_attribute(const char **atts, const char *name,
    ngx_str_t *value);
ngx_uint_t ngx_sip_pidf_charset(ngx_str_t *name);
ngx_int_t ngx_sip_pidf_copy(ngx_pool_t *pool, ngx_str_t *dst, ngx_str_t *src);
size_t ngx_sip_pidf_cut(ngx_str_t *text);
void ngx_sip_pidf_trim(ngx_str_t *text);
ngx_int_t ngx_sip_pidf_is(ngx_pool_t *pool, ngx_str_t *uri,
    ngx_fed_address_t *entity);
ngx_fed_resource_t *ngx_sip_pidf_best(ngx_fed_presence_t *presence);
u_char *ngx_sip_pidf_write_uri(u_char *p, ngx_fed_address_t *entity,
    ngx_str_t *name);


#endif /* _NGX_SIP_PIDF_H_INCLUDED_ */
