
/*
 * The XMPP leg, as the front door sees it.
 */


#ifndef _NGX_XMPP_H_INCLUDED_
#define _NGX_XMPP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_fed.h"


#define NGX_XMPP_ALPN  "\x0b" "xmpp-server"      /* XEP-0368, RFC 7301, 3.1 */


extern ngx_fed_leg_t  ngx_xmpp_leg;


void ngx_xmpp_accept(ngx_stream_session_t *s, ngx_fed_conf_t *fcf,
    ngx_ssl_t *ssl);


#endif /* _NGX_XMPP_H_INCLUDED_ */
