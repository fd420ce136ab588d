
/*
 * Prints how many nanoseconds it takes to map an address.  No test: `t/unit.t
 * bench` builds and runs it.
 */


#include <time.h>
#include "unit.h"
#include "ngx_fed_address.h"


#define ROUNDS  2000000


static u_char  arena[4096];


/* as cheap as that of nginx in a pool with room */

void *
ngx_pnalloc(ngx_pool_t *pool, size_t size)
{
    u_char  *p;

    p = pool->d.last;

    if ((size_t) (pool->d.end - p) < size) {
        return NULL;
    }

    pool->d.last = p + size;

    return p;
}


static double
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * 1e9 + ts.tv_nsec;
}


static void
bench(const char *text, ngx_uint_t sip, ngx_uint_t rounds)
{
    double               start;
    u_char               buf[4096], *p;
    ngx_str_t            in;
    ngx_uint_t           n;
    ngx_pool_t           pool;
    ngx_fed_address_t    addr;

    in = unit_string(text);
    memset(&pool, 0, sizeof(pool));

    start = now();
    p = buf;

    for (n = 0; n < rounds; n++) {
        pool.d.last = arena;
        pool.d.end = arena + sizeof(arena);

        if (sip) {
            ngx_fed_address_from_sip(&pool, &in, &addr);
            p = ngx_fed_address_to_jid(buf, &addr);

        } else {
            ngx_fed_address_from_jid(&pool, &in, &addr);
            p = ngx_fed_address_to_sip(buf, &addr);
        }
    }

    printf("%7.1f ns  %s -> %.*s\n", (now() - start) / rounds, text,
           (int) (p - buf), buf);
}


int
main(void)
{
    bench("juliet@example.com", 0, ROUNDS);
    bench("juliet.capulet@xmpp.example.com/balcony-4f2a", 0, ROUNDS);
    bench("here\\27s_a_wild_\\26_address@example.com", 0, ROUNDS);
    bench("tsch\xc3\xbcss@xmpp.example", 0, ROUNDS / 50);
    bench("juliet@m\xc3\xbcnchen.example", 0, ROUNDS / 50);
    bench("sip:romeo@example.net", 1, ROUNDS);
    bench("sip:romeo.montague@sip.example.net:5061;transport=tls", 1, ROUNDS);
    bench("sip:romeo@xn--mnchen-3ya.example", 1, ROUNDS / 50);

    return 0;
}
