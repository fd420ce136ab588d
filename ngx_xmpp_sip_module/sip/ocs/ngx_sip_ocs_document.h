
/*
 * Presence documents of Microsoft's servers and clients (ocs-wire, 4.4, 4.5).
 */


#ifndef _NGX_SIP_OCS_DOCUMENT_H_INCLUDED_
#define _NGX_SIP_OCS_DOCUMENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_address.h"
#include "ngx_fed_presence.h"


ngx_int_t ngx_sip_ocs_document_read(ngx_pool_t *pool, ngx_str_t *body,
    ngx_str_t *charset, ngx_str_t *lang, ngx_fed_address_t *entity,
    ngx_fed_presence_t *presence);

size_t ngx_sip_ocs_document_size(ngx_fed_presence_t *presence,
    ngx_fed_address_t *entity);
u_char *ngx_sip_ocs_pidf_write(u_char *dst, ngx_fed_presence_t *presence,
    ngx_fed_address_t *entity, ngx_uint_t note);
u_char *ngx_sip_ocs_msrtc_write(u_char *dst, ngx_fed_presence_t *presence,
    ngx_fed_address_t *entity);


#endif /* _NGX_SIP_OCS_DOCUMENT_H_INCLUDED_ */
