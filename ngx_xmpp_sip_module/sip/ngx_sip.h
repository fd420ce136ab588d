
/*
 * The SIP leg, as the front door sees it.
 */


#ifndef _NGX_SIP_H_INCLUDED_
#define _NGX_SIP_H_INCLUDED_


#include "ngx_fed.h"


extern ngx_fed_leg_t  ngx_sip_leg;


void ngx_sip_accept(ngx_stream_session_t *s, ngx_fed_conf_t *fcf);


#endif /* _NGX_SIP_H_INCLUDED_ */
