
/*
 * What is due when: a wheel in the zone that all workers turn.
 */


#ifndef _NGX_FED_DUE_H_INCLUDED_
#define _NGX_FED_DUE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_FED_DUE_SLOTS        4096
#define NGX_FED_DUE_TICK         64      /* ms */


typedef struct {
    ngx_queue_t                   queue;     /* next NULL: it is not set */
    ngx_msec_t                    time;
} ngx_fed_due_t;


typedef struct {
    ngx_msec_t                    turned;    /* what was due before is done */
    ngx_queue_t                   slots[NGX_FED_DUE_SLOTS];
} ngx_fed_wheel_t;


void ngx_fed_wheel_init(ngx_fed_wheel_t *wheel);
void ngx_fed_wheel_set(ngx_fed_wheel_t *wheel, ngx_fed_due_t *due,
    ngx_msec_t time);
void ngx_fed_wheel_clear(ngx_fed_due_t *due);
ngx_fed_due_t *ngx_fed_wheel_next(ngx_fed_wheel_t *wheel);
ngx_msec_t ngx_fed_wheel_wait(ngx_fed_wheel_t *wheel, ngx_msec_t max);


#endif /* _NGX_FED_DUE_H_INCLUDED_ */
