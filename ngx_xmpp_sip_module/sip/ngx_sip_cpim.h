
/*
 * The envelope of CPIM (RFC 3862), and what IMDN adds to it (RFC 5438, 6).
 */


#ifndef _NGX_SIP_CPIM_H_INCLUDED_
#define _NGX_SIP_CPIM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* dispositions that are asked for, RFC 5438, 6.4 */

#define NGX_SIP_CPIM_POSITIVE    0x01    /* delivered */
#define NGX_SIP_CPIM_NEGATIVE    0x02    /* not delivered */
#define NGX_SIP_CPIM_DISPLAY     0x04


typedef struct {
    ngx_str_t                     name;      /* of who sends; or empty */
    ngx_str_t                     from;      /* URI */
    ngx_str_t                     to;        /* URI */
    ngx_str_t                     subject;   /* only read */
    ngx_str_t                     date;
    ngx_str_t                     id;        /* Message-ID */
    ngx_str_t                     route;     /* URI: read is the topmost
                                                IMDN-Record-Route, and written
                                                is IMDN-Route */
    ngx_uint_t                    dispositions;
    ngx_str_t                     content;   /* a MIME part, only read */
} ngx_sip_cpim_t;


ngx_int_t ngx_sip_cpim_read(ngx_pool_t *pool, ngx_str_t *body,
    ngx_sip_cpim_t *cpim);
size_t ngx_sip_cpim_size(ngx_sip_cpim_t *cpim);
u_char *ngx_sip_cpim_write(u_char *dst, ngx_sip_cpim_t *cpim);


#endif /* _NGX_SIP_CPIM_H_INCLUDED_ */
