
/*
 * Many timers of one length: a queue in the order in which they are due.
 */


#ifndef _NGX_FED_TIMER_H_INCLUDED_
#define _NGX_FED_TIMER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


typedef struct {
    ngx_queue_t                   queue;
    ngx_msec_t                    due;
    unsigned                      set:1;
} ngx_fed_timer_t;


typedef struct ngx_fed_timers_s  ngx_fed_timers_t;

struct ngx_fed_timers_s {
    ngx_queue_t                   queue;
    ngx_event_t                   event;
    ngx_msec_t                    length;
    void                        (*handler)(ngx_fed_timers_t *timers,
                                           ngx_fed_timer_t *timer);
    void                         *data;
};


void ngx_fed_timers_init(ngx_fed_timers_t *timers, ngx_msec_t length,
    void (*handler)(ngx_fed_timers_t *timers, ngx_fed_timer_t *timer),
    void *data, ngx_log_t *log);
void ngx_fed_timers_done(ngx_fed_timers_t *timers);
void ngx_fed_timers_add(ngx_fed_timers_t *timers, ngx_fed_timer_t *timer);
void ngx_fed_timers_expire(ngx_fed_timers_t *timers, ngx_fed_timer_t *timer);
void ngx_fed_timers_del(ngx_fed_timers_t *timers, ngx_fed_timer_t *timer);


#endif /* _NGX_FED_TIMER_H_INCLUDED_ */
