
/*
 * Tests of ngx_fed_due.c: the order of what is due, far times, times that are
 * past, the lowest bit, and the wrap of ngx_current_msec.
 */


#include "unit.h"
#include "ngx_fed_due.h"


#define TICK  NGX_FED_DUE_TICK
#define TURN  ((ngx_msec_t) NGX_FED_DUE_TICK * NGX_FED_DUE_SLOTS)
#define N     2000


volatile ngx_msec_t  ngx_current_msec;

static ngx_fed_wheel_t  wheel;
static ngx_fed_due_t    dues[N];


static void
start(ngx_msec_t now)
{
    ngx_current_msec = now;

    memset(dues, 0, sizeof(dues));
    memset(&wheel, 0, sizeof(wheel));

    ngx_fed_wheel_init(&wheel);
}


/* takes out all that is due, and returns how many those were */

static ngx_uint_t
drain(void)
{
    ngx_uint_t  n;

    for (n = 0; ngx_fed_wheel_next(&wheel); n++) { /* void */ }

    return n;
}


static ngx_uint_t
set(ngx_fed_due_t *due)
{
    return due->queue.next != NULL;
}


static void
test_empty(void)
{
    start(1000);

    unit_ok(ngx_fed_wheel_next(&wheel) == NULL, "nothing is due at once");
    unit_ok(ngx_fed_wheel_wait(&wheel, 500) == 500, "empty: all the time");

    ngx_current_msec += 10 * TURN;

    unit_ok(ngx_fed_wheel_next(&wheel) == NULL, "nothing is due later");
    unit_ok(wheel.turned == ngx_current_msec / TICK * TICK,
            "the wheel has turned");

    ngx_fed_wheel_clear(&dues[0]);
    unit_ok(!set(&dues[0]), "clearing what is not set");
}


static void
test_times(void)
{
    ngx_uint_t  i;

    static ngx_msec_t  deltas[] = {
        1, 2, TICK - 1, TICK, TICK + 1, 5000, TURN - TICK, TURN - 1, TURN,
        TURN + 1, TURN + TICK, 3 * TURN + 12345, 24 * 3600 * 1000
    };

    for (i = 0; i < sizeof(deltas) / sizeof(deltas[0]); i++) {

        start(1000037);
        ngx_fed_wheel_set(&wheel, &dues[0], ngx_current_msec + deltas[i]);

        ngx_current_msec += deltas[i] - 1;
        unit_ok(ngx_fed_wheel_next(&wheel) == NULL,
                "%u ms - not before", (unsigned) deltas[i]);

        ngx_current_msec++;
        unit_ok(ngx_fed_wheel_next(&wheel) == &dues[0]
                && !set(&dues[0])
                && ngx_fed_wheel_next(&wheel) == NULL,
                "%u ms - then, once", (unsigned) deltas[i]);
    }
}


/* the wheel is looked at often: far times must not be met a revolution early */

static void
test_far(void)
{
    ngx_uint_t  early;

    start(77);
    ngx_fed_wheel_set(&wheel, &dues[0], ngx_current_msec + 3 * TURN + 10);

    early = 0;

    while (ngx_current_msec < 77 + 3 * TURN + 10 - TICK) {
        ngx_current_msec += TICK;
        early += drain();
    }

    unit_ok(early == 0, "three revolutions - not before");

    ngx_current_msec += 2 * TICK;
    unit_ok(drain() == 1, "three revolutions - then");
}


static void
test_past(void)
{
    start(1000000);

    ngx_fed_wheel_set(&wheel, &dues[0], 2);
    unit_ok(ngx_fed_wheel_wait(&wheel, 500) == 1, "past - no wait");
    unit_ok(ngx_fed_wheel_next(&wheel) == &dues[0], "past - at once");

    ngx_fed_wheel_set(&wheel, &dues[0], ngx_current_msec);
    unit_ok(ngx_fed_wheel_next(&wheel) == &dues[0], "now - at once");

    /* the slot of that time is behind */

    ngx_current_msec += 10 * TICK;
    (void) drain();

    ngx_fed_wheel_set(&wheel, &dues[0], ngx_current_msec - 5 * TICK);
    unit_ok(ngx_fed_wheel_next(&wheel) == &dues[0], "behind - at once");

    ngx_fed_wheel_set(&wheel, &dues[0], ngx_current_msec - 2);
    unit_ok(ngx_fed_wheel_next(&wheel) == &dues[0], "just now - at once");

    /* the bit is worth a millisecond */

    ngx_fed_wheel_set(&wheel, &dues[0], 1);
    unit_ok(ngx_fed_wheel_wait(&wheel, 500) == 1, "past, odd - no wait");
    ngx_current_msec++;
    unit_ok(ngx_fed_wheel_next(&wheel) == &dues[0], "past, odd - at once");
}


static void
test_bit(void)
{
    start(1000001);

    ngx_fed_wheel_set(&wheel, &dues[0], 2000000);
    ngx_fed_wheel_set(&wheel, &dues[1], 2000001);
    unit_ok((dues[0].time & 1) == 0 && (dues[1].time & 1) == 1,
            "lowest bit - of what is to come");

    ngx_fed_wheel_set(&wheel, &dues[0], 4);
    ngx_fed_wheel_set(&wheel, &dues[1], 5);
    unit_ok((dues[0].time & 1) == 0 && (dues[1].time & 1) == 1,
            "lowest bit - of what is past");
    unit_ok(drain() == 2, "lowest bit - both are due");
}


static void
test_again(void)
{
    start(5000);

    ngx_fed_wheel_set(&wheel, &dues[0], 6000);
    ngx_fed_wheel_set(&wheel, &dues[1], 6000);
    ngx_fed_wheel_set(&wheel, &dues[2], 6000);

    ngx_fed_wheel_set(&wheel, &dues[0], 9000);
    ngx_fed_wheel_clear(&dues[1]);
    unit_ok(!set(&dues[1]), "cleared");

    ngx_current_msec = 6000;
    unit_ok(ngx_fed_wheel_next(&wheel) == &dues[2]
            && ngx_fed_wheel_next(&wheel) == NULL,
            "only what was left as it was");

    ngx_current_msec = 9000;
    unit_ok(ngx_fed_wheel_next(&wheel) == &dues[0]
            && ngx_fed_wheel_next(&wheel) == NULL,
            "set anew: at the later time");

    ngx_fed_wheel_set(&wheel, &dues[0], 20000);
    ngx_fed_wheel_set(&wheel, &dues[0], 9500);
    ngx_current_msec = 9500;
    unit_ok(ngx_fed_wheel_next(&wheel) == &dues[0], "or at the earlier one");

    ngx_current_msec = 30000;
    unit_ok(ngx_fed_wheel_next(&wheel) == NULL, "and not twice");
}


static void
test_wait(void)
{
    start(100000);

    ngx_fed_wheel_set(&wheel, &dues[0], ngx_current_msec + 300);
    ngx_fed_wheel_set(&wheel, &dues[1], ngx_current_msec + 200);
    ngx_fed_wheel_set(&wheel, &dues[2], ngx_current_msec + TURN + 100);

    unit_ok(ngx_fed_wheel_wait(&wheel, 1000) == 200, "wait for the next one");
    unit_ok(ngx_fed_wheel_wait(&wheel, 150) == 150, "no longer than asked");

    ngx_fed_wheel_clear(&dues[1]);
    unit_ok(ngx_fed_wheel_wait(&wheel, 1000) == 300, "or for the one after it");

    ngx_fed_wheel_clear(&dues[0]);
    unit_ok(ngx_fed_wheel_wait(&wheel, 1000) == 1000,
            "one of a later revolution does not count");

    /* what was missed */

    ngx_fed_wheel_set(&wheel, &dues[0], ngx_current_msec + 10);
    ngx_current_msec += 500;
    unit_ok(ngx_fed_wheel_wait(&wheel, 1000) == 1, "late: no wait");
}


/* many, looked at now and then, as workers do */

static void
test_many(ngx_msec_t now, const char *what)
{
    ngx_uint_t      i, n, early, late, order, rounds;
    ngx_msec_t      step, last;
    ngx_fed_due_t  *due;

    start(now);

    for (i = 0; i < N; i++) {
        ngx_fed_wheel_set(&wheel, &dues[i],
                          now + unit_random(3 * NGX_FED_DUE_SLOTS) * TICK
                          + unit_random(TICK));
    }

    /* some change their mind */

    for (i = 0; i < N; i += 7) {
        ngx_fed_wheel_set(&wheel, &dues[i], now + unit_random(100000));
    }

    for (i = 3; i < N; i += 10) {
        ngx_fed_wheel_clear(&dues[i]);
    }

    for (n = 0, i = 0; i < N; i++) {
        n += set(&dues[i]);
    }

    early = 0;
    late = 0;
    order = 0;

    for (rounds = 0; n && rounds < 100000; rounds++) {

        step = 1 + unit_random(1000);
        ngx_current_msec += step;
        last = wheel.turned;

        while ((due = ngx_fed_wheel_next(&wheel)) != NULL) {

            early += ((ngx_msec_int_t) (due->time - ngx_current_msec) > 0);
            late += (ngx_current_msec - due->time >= step);

            /* by ticks: within one they come as they were set */

            order += ((ngx_msec_int_t) (due->time - last / TICK * TICK) < 0);
            last = due->time;
            n--;
        }
    }

    unit_ok(n == 0, "%s - all are met", what);
    unit_ok(early == 0, "%s - none early (%u)", what, (unsigned) early);
    unit_ok(late == 0, "%s - none late (%u)", what, (unsigned) late);
    unit_ok(order == 0, "%s - in order (%u)", what, (unsigned) order);
}


/* a process that slept for longer than a revolution */

static void
test_slept(void)
{
    ngx_uint_t  i;

    start(123456);

    for (i = 0; i < N; i++) {
        ngx_fed_wheel_set(&wheel, &dues[i],
                          ngx_current_msec + i * TICK * 3 + i % TICK);
    }

    ngx_current_msec += 20 * TURN;
    unit_ok(drain() == N, "all are met after a long sleep");
    unit_ok(ngx_fed_wheel_next(&wheel) == NULL, "and none is left");
}


static void
test_wrap(void)
{
    ngx_msec_t  now;

    now = (ngx_msec_t) -100;

    start(now);

    ngx_fed_wheel_set(&wheel, &dues[0], now + 50);
    ngx_fed_wheel_set(&wheel, &dues[1], now + 300);
    ngx_fed_wheel_set(&wheel, &dues[2], now + TURN + 300);

    unit_ok(ngx_fed_wheel_wait(&wheel, 1000) == 50, "wrap - wait");

    ngx_current_msec = now + 60;
    unit_ok(ngx_fed_wheel_next(&wheel) == &dues[0]
            && ngx_fed_wheel_next(&wheel) == NULL, "wrap - before");
    unit_ok(ngx_fed_wheel_wait(&wheel, 1000) == 240, "wrap - wait over it");

    ngx_current_msec = now + 299;
    unit_ok(ngx_fed_wheel_next(&wheel) == NULL, "wrap - not early");

    ngx_current_msec = now + 300;
    unit_ok(ngx_fed_wheel_next(&wheel) == &dues[1]
            && ngx_fed_wheel_next(&wheel) == NULL, "wrap - after");

    ngx_current_msec = now + TURN + 300;
    unit_ok(ngx_fed_wheel_next(&wheel) == &dues[2], "wrap - much later");
}


int
main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);

    test_empty();
    test_times();
    test_far();
    test_past();
    test_bit();
    test_again();
    test_wait();
    test_many(987654321, "many");
    test_many((ngx_msec_t) -50000, "many, over the wrap");
    test_slept();
    test_wrap();

    return unit_done();
}
