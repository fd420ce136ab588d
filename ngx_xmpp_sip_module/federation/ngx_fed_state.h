
/*
 * The state file: what of the zone is to be there again after a restart.
 */


#ifndef _NGX_FED_STATE_H_INCLUDED_
#define _NGX_FED_STATE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_event.h"


char *ngx_fed_state_add(ngx_conf_t *cf, ngx_fed_conf_t *fcf);
ngx_int_t ngx_fed_state_read(ngx_fed_conf_t *fcf, ngx_log_t *log);
void ngx_fed_state_exit(ngx_fed_conf_t *fcf);


#endif /* _NGX_FED_STATE_H_INCLUDED_ */
