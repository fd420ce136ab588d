
/*
 * What is due when: a wheel in the zone that all workers turn.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_fed_due.h"


#define ngx_fed_due_slot(wheel, time)                                         \
    (&(wheel)->slots[(time) / NGX_FED_DUE_TICK % NGX_FED_DUE_SLOTS])


void
ngx_fed_wheel_init(ngx_fed_wheel_t *wheel)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_FED_DUE_SLOTS; i++) {
        ngx_queue_init(&wheel->slots[i]);
    }

    wheel->turned = ngx_current_msec;
}


/*
 * Sets when something is due, in ms of ngx_current_msec, or sets it anew; the
 * lowest bit of the time is the caller's, and is kept.
 */

void
ngx_fed_wheel_set(ngx_fed_wheel_t *wheel, ngx_fed_due_t *due, ngx_msec_t time)
{
    ngx_fed_wheel_clear(due);

    /* what is due already must not wait for the wheel's next revolution */

    if ((ngx_msec_int_t) (time - wheel->turned) < 0) {
        time = (wheel->turned & ~(ngx_msec_t) 1) | (time & 1);
    }

    due->time = time;

    ngx_queue_insert_tail(ngx_fed_due_slot(wheel, time), &due->queue);
}


void
ngx_fed_wheel_clear(ngx_fed_due_t *due)
{
    if (due->queue.next) {
        ngx_queue_remove(&due->queue);
        due->queue.next = NULL;
    }
}


/* Takes out something that is due by now, or returns NULL. */

ngx_fed_due_t *
ngx_fed_wheel_next(ngx_fed_wheel_t *wheel)
{
    ngx_msec_t      now, next;
    ngx_queue_t    *q, *slot;
    ngx_fed_due_t  *due;

    now = ngx_current_msec;

    /* one revolution meets all */

    if (now - wheel->turned > NGX_FED_DUE_SLOTS * NGX_FED_DUE_TICK
        && (ngx_msec_int_t) (now - wheel->turned) > 0)
    {
        wheel->turned = now - NGX_FED_DUE_SLOTS * NGX_FED_DUE_TICK;
    }

    for ( ;; ) {

        slot = ngx_fed_due_slot(wheel, wheel->turned);

        for (q = ngx_queue_head(slot); q != slot; q = ngx_queue_next(q)) {

            due = ngx_queue_data(q, ngx_fed_due_t, queue);

            if ((ngx_msec_int_t) (due->time - now) <= 0) {
                ngx_fed_wheel_clear(due);
                return due;
            }
        }

        /* the time may wrap */

        next = (wheel->turned / NGX_FED_DUE_TICK + 1) * NGX_FED_DUE_TICK;

        if ((ngx_msec_int_t) (now - next) < 0) {
            return NULL;
        }

        wheel->turned = next;
    }
}


/* Returns in how many ms something is due, max at most. */

ngx_msec_t
ngx_fed_wheel_wait(ngx_fed_wheel_t *wheel, ngx_msec_t max)
{
    ngx_msec_t       now, time, wait;
    ngx_queue_t     *q, *slot;
    ngx_fed_due_t   *due;
    ngx_msec_int_t   left;

    now = ngx_current_msec;
    wait = max;

    for (time = wheel->turned;
         (ngx_msec_int_t) (time - now - wait) < NGX_FED_DUE_TICK;
         time += NGX_FED_DUE_TICK)
    {
        slot = ngx_fed_due_slot(wheel, time);

        for (q = ngx_queue_head(slot); q != slot; q = ngx_queue_next(q)) {

            due = ngx_queue_data(q, ngx_fed_due_t, queue);
            left = (ngx_msec_int_t) (due->time - now);

            if (left < (ngx_msec_int_t) wait) {
                wait = ngx_max(left, 1);
            }
        }
    }

    return wait;
}
