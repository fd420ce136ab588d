
/*
 * Many timers of one length: a queue in the order in which they are due.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_fed_timer.h"


#define NGX_FED_TIMERS_TURN  64      /* handlers called in one turn */


static void ngx_fed_timers_soon(ngx_fed_timers_t *timers);
static void ngx_fed_timers_handler(ngx_event_t *ev);


/*
 * Prepares a queue of timers of length milliseconds; handler is called with
 * each that is due, already removed.
 */

void
ngx_fed_timers_init(ngx_fed_timers_t *timers, ngx_msec_t length,
    void (*handler)(ngx_fed_timers_t *timers, ngx_fed_timer_t *timer),
    void *data, ngx_log_t *log)
{
    ngx_memzero(timers, sizeof(ngx_fed_timers_t));

    ngx_queue_init(&timers->queue);

    timers->length = length;
    timers->handler = handler;
    timers->data = data;

    timers->event.handler = ngx_fed_timers_handler;
    timers->event.data = timers;
    timers->event.log = log;
}


/* Sets the timer, or sets it anew. */

void
ngx_fed_timers_add(ngx_fed_timers_t *timers, ngx_fed_timer_t *timer)
{
    if (timer->set) {
        ngx_queue_remove(&timer->queue);
    }

    timer->set = 1;
    timer->due = ngx_current_msec + timers->length;

    ngx_queue_insert_tail(&timers->queue, &timer->queue);

    timers->event.cancelable = 0;

    if (!timers->event.timer_set) {
        ngx_add_timer(&timers->event, timers->length);
    }
}


/* Removes the timer if it is set. */

void
ngx_fed_timers_del(ngx_fed_timers_t *timers, ngx_fed_timer_t *timer)
{
    if (!timer->set) {
        return;
    }

    timer->set = 0;

    ngx_queue_remove(&timer->queue);

    /*
     * a timer event that finds nothing due costs less than moving it about;
     * a process that wants to end does not wait for it
     */

    timers->event.cancelable = ngx_queue_empty(&timers->queue);
}


/* Makes a timer that is set due now, ahead of all others. */

void
ngx_fed_timers_expire(ngx_fed_timers_t *timers, ngx_fed_timer_t *timer)
{
    ngx_queue_remove(&timer->queue);
    ngx_queue_insert_head(&timers->queue, &timer->queue);

    timer->due = ngx_current_msec;

    ngx_fed_timers_soon(timers);
}


/* nginx would leave the event where it is if it is set for about that time */

static void
ngx_fed_timers_soon(ngx_fed_timers_t *timers)
{
    if (timers->event.timer_set) {
        ngx_del_timer(&timers->event);
    }

    ngx_add_timer(&timers->event, 1);
}


/* Ends the queue before its memory goes; no handler is called. */

void
ngx_fed_timers_done(ngx_fed_timers_t *timers)
{
    if (timers->event.timer_set) {
        ngx_del_timer(&timers->event);
    }
}


static void
ngx_fed_timers_handler(ngx_event_t *ev)
{
    ngx_uint_t         n;
    ngx_queue_t       *q;
    ngx_msec_int_t     left;
    ngx_fed_timer_t   *timer;
    ngx_fed_timers_t  *timers;

    timers = ev->data;
    n = 0;

    while (!ngx_queue_empty(&timers->queue)) {

        q = ngx_queue_head(&timers->queue);
        timer = ngx_queue_data(q, ngx_fed_timer_t, queue);

        left = (ngx_msec_int_t) (timer->due - ngx_current_msec);

        if (left > 0) {

            /* the event is set too late if a handler added a timer */

            ngx_add_timer(ev, (ngx_msec_t) left);
            return;
        }

        /* others have their turn */

        if (n++ == NGX_FED_TIMERS_TURN) {
            ngx_fed_timers_soon(timers);
            return;
        }

        ngx_fed_timers_del(timers, timer);

        timers->handler(timers, timer);
    }
}
