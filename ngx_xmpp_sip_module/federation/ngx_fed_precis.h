
/*
 * PRECIS: internationalized strings prepared and enforced (RFC 8264, RFC 8265).
 */


#ifndef _NGX_FED_PRECIS_H_INCLUDED_
#define _NGX_FED_PRECIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* the most that goes in and comes out, in octets */

#define NGX_FED_PRECIS_MAX   1023


ngx_int_t ngx_fed_precis_fold(u_char *dst, size_t *size, u_char *src,
    size_t len);
ngx_int_t ngx_fed_precis_username(u_char *dst, size_t *size, u_char *src,
    size_t len);
ngx_int_t ngx_fed_precis_opaque(u_char *dst, size_t *size, u_char *src,
    size_t len);
ngx_int_t ngx_fed_precis_bidi(u_char *p, size_t len);


#endif /* _NGX_FED_PRECIS_H_INCLUDED_ */
