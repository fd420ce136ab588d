
/*
 * Documents that say whether somebody writes (RFC 3994).
 */


#ifndef _NGX_SIP_ISCOMPOSING_H_INCLUDED_
#define _NGX_SIP_ISCOMPOSING_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_SIP_ISCOMPOSING_REFRESH  90      /* that we give, seconds */
#define NGX_SIP_ISCOMPOSING_DEFAULT  120     /* RFC 3994, 3.3 */


typedef struct {
    ngx_uint_t                    refresh;   /* seconds; 0: not given */
    unsigned                      active:1;
} ngx_sip_iscomposing_t;


ngx_int_t ngx_sip_iscomposing_read(ngx_str_t *body,
    ngx_sip_iscomposing_t *doc);


extern const ngx_str_t  ngx_sip_iscomposing_active;
extern const ngx_str_t  ngx_sip_iscomposing_idle;


#endif /* _NGX_SIP_ISCOMPOSING_H_INCLUDED_ */
