
/*
 * Documents that say what became of a message (RFC 5438, 7.2.1.1).
 */


#ifndef _NGX_SIP_IMDN_H_INCLUDED_
#define _NGX_SIP_IMDN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef enum {
    NGX_SIP_IMDN_OTHER = 0,
    NGX_SIP_IMDN_DELIVERED,
    NGX_SIP_IMDN_DISPLAYED,
    NGX_SIP_IMDN_FAILED,
    NGX_SIP_IMDN_ERROR
} ngx_sip_imdn_status_e;


typedef struct {
    ngx_str_t                     id;        /* of the message */
    ngx_str_t                     date;      /* as it was in the message */
    ngx_str_t                     recipient; /* URI */
    ngx_sip_imdn_status_e         status;
} ngx_sip_imdn_t;


ngx_int_t ngx_sip_imdn_read(ngx_pool_t *pool, ngx_str_t *body,
    ngx_sip_imdn_t *imdn);
size_t ngx_sip_imdn_size(ngx_sip_imdn_t *imdn);
u_char *ngx_sip_imdn_write(u_char *dst, ngx_sip_imdn_t *imdn);


#endif /* _NGX_SIP_IMDN_H_INCLUDED_ */
