
/*
 * The names in a peer's certificate and what it may be used for.
 */


#ifndef _NGX_FED_CERT_H_INCLUDED_
#define _NGX_FED_CERT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


typedef enum {
    NGX_FED_CERT_DNS = 0,
    NGX_FED_CERT_URI,
    NGX_FED_CERT_SRV,          /* SRVName, RFC 4985 */
    NGX_FED_CERT_XMPP,         /* XmppAddr, RFC 6120, 13.7.1.4 */
    NGX_FED_CERT_CN            /* the last common name of the subject */
} ngx_fed_cert_name_e;


typedef struct {
    ngx_fed_cert_name_e           type;
    ngx_str_t                     value;     /* no NUL within */
} ngx_fed_cert_name_t;


ngx_array_t *ngx_fed_cert_names(ngx_pool_t *pool, X509 *cert);
ngx_int_t ngx_fed_cert_usable(X509 *cert, ngx_uint_t client);
const char *ngx_fed_cert_problem(ngx_connection_t *c);


#endif /* _NGX_FED_CERT_H_INCLUDED_ */
