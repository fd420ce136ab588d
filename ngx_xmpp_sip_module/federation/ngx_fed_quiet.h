
/*
 * What peers can bring about again and again is logged once, then counted.
 */


#ifndef _NGX_FED_QUIET_H_INCLUDED_
#define _NGX_FED_QUIET_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_event.h"


typedef struct ngx_fed_quiet_s  ngx_fed_quiet_t;


/* what is logged, in the order of ngx_fed_quiet_names */

typedef enum {
    NGX_FED_QUIET_RATE = 0,
    NGX_FED_QUIET_POLICY,
    NGX_FED_QUIET_NATIVE,
    NGX_FED_QUIET_FULL,
    NGX_FED_QUIET_SESSIONS,
    NGX_FED_QUIET_PREAUTH,
    NGX_FED_QUIET_PLAINTEXT,
    NGX_FED_QUIET_CERTIFICATE,
    NGX_FED_QUIET_SASL,
    NGX_FED_QUIET_DIALBACK,
    NGX_FED_QUIET_KEY,
    NGX_FED_QUIET_UNSOLICITED,
    NGX_FED_QUIET_RESUME,
    NGX_FED_QUIET_STREAM,
    NGX_FED_QUIET_STREAM_ERROR,
    NGX_FED_QUIET_SENDER,
    NGX_FED_QUIET_ANSWER,
    NGX_FED_QUIET_DOCUMENT,
    NGX_FED_QUIET_DROP,
    NGX_FED_QUIET_BOUNCE,
    NGX_FED_QUIET_SILENCE,
    NGX_FED_QUIET_SUBSCRIBE,
    NGX_FED_QUIET_INVITE,
    NGX_FED_QUIET_DNS,
    NGX_FED_QUIET_PRIVATE
} ngx_fed_quiet_e;


ngx_int_t ngx_fed_quiet_init_process(ngx_fed_conf_t *fcf);
void ngx_fed_quiet_exit_process(ngx_fed_conf_t *fcf);

ngx_uint_t ngx_fed_quiet_level(ngx_fed_conf_t *fcf, ngx_fed_quiet_e what,
    ngx_str_t *name, ngx_uint_t level);


#endif /* _NGX_FED_QUIET_H_INCLUDED_ */
