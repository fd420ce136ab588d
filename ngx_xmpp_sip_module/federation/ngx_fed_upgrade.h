
/*
 * Which of two zones serves a federation, while the workers of one binary, or
 * of one configuration, take the place of those of another.
 */


#ifndef _NGX_FED_UPGRADE_H_INCLUDED_
#define _NGX_FED_UPGRADE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_event.h"


char *ngx_fed_upgrade_add(ngx_conf_t *cf, ngx_fed_conf_t *fcf);
ngx_int_t ngx_fed_upgrade_init_zone(ngx_fed_conf_t *fcf, uint64_t id,
    ngx_log_t *log);
ngx_int_t ngx_fed_upgrade_init_module(ngx_cycle_t *cycle);
ngx_int_t ngx_fed_upgrade_init_process(ngx_fed_conf_t *fcf,
    ngx_cycle_t *cycle);
ngx_int_t ngx_fed_upgrade_hold(ngx_fed_conf_t *fcf, ngx_connection_t *c);
void ngx_fed_upgrade_leave(ngx_fed_conf_t *fcf);

u_char *ngx_fed_upgrade_secret(ngx_fed_conf_t *fcf);
ngx_uint_t ngx_fed_upgrade_serves(ngx_fed_conf_t *fcf);
ngx_int_t ngx_fed_upgrade_take(ngx_fed_conf_t *fcf);
void ngx_fed_upgrade_lock(ngx_fed_conf_t *fcf);
void ngx_fed_upgrade_unlock(ngx_fed_conf_t *fcf);


#endif /* _NGX_FED_UPGRADE_H_INCLUDED_ */
