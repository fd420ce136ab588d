
/*
 * default auto: which of the two protocols a domain speaks, as DNS says, and
 * which pairs of users stay with the one that they use.
 */


#ifndef _NGX_FED_AUTO_H_INCLUDED_
#define _NGX_FED_AUTO_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_event.h"


ngx_fed_outcome_e ngx_fed_auto_choose(ngx_fed_event_t *ev, const char **text);
ngx_fed_outcome_e ngx_fed_auto_wait(ngx_fed_event_t *ev,
    ngx_fed_resume_pt resume, const char **text);
void ngx_fed_auto_used(ngx_fed_event_t *ev);

ngx_int_t ngx_fed_auto_init_process(ngx_fed_conf_t *fcf);
void ngx_fed_auto_exit_process(ngx_fed_conf_t *fcf);


#endif /* _NGX_FED_AUTO_H_INCLUDED_ */
