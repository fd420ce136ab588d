
/*
 * Readers of what is said within an IM session.
 */


#ifndef _NGX_SIP_OCS_TEXT_H_INCLUDED_
#define _NGX_SIP_OCS_TEXT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* what a body of an INVITE offers */

typedef enum {
    NGX_SIP_OCS_NO_OFFER = 0,  /* there is none: the answer is the offer */
    NGX_SIP_OCS_MESSAGE,
    NGX_SIP_OCS_X_MESSAGE,     /* of LCS 2005 */
    NGX_SIP_OCS_OTHER
} ngx_sip_ocs_offer_e;


ngx_sip_ocs_offer_e ngx_sip_ocs_sdp_offer(ngx_str_t *body);
size_t ngx_sip_ocs_html(u_char *dst, u_char *src, size_t len);
ngx_int_t ngx_sip_ocs_keyboard(ngx_str_t *body);


#endif /* _NGX_SIP_OCS_TEXT_H_INCLUDED_ */
