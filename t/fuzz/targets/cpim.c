
/*
 * The envelope of CPIM: what was read is written and read again, any name of
 * who sends is written so that it can't end its line.
 */


#include "fuzz.h"
#include "ngx_fed_text.h"
#include "ngx_sip_cpim.h"


static void
there_and_back(ngx_pool_t *pool, ngx_sip_cpim_t *cpim)
{
    u_char          *p;
    size_t           size;
    ngx_str_t        text;
    ngx_uint_t       lines;
    ngx_sip_cpim_t   again;

    size = ngx_sip_cpim_size(cpim);

    text.data = ngx_pnalloc(pool, size);
    text.len = ngx_sip_cpim_write(text.data, cpim) - text.data;

    fuzz_ok(text.len <= size);

    lines = 0;

    for (p = text.data; p < text.data + text.len; p++) {
        fuzz_ok(*p >= ' ' || *p == CR || *p == LF);
        fuzz_ok(*p != LF || (p > text.data && p[-1] == CR));
        lines += (*p == LF);
    }

    fuzz_ok(lines == (ngx_uint_t) 3 + (cpim->id.len ? 2 : 0)
                     + (cpim->date.len ? 1 : 0) + (cpim->route.len ? 1 : 0)
                     + (cpim->dispositions ? 1 : 0));

    text = fuzz_copy(pool, &text);

    fuzz_ok(ngx_sip_cpim_read(pool, &text, &again) == NGX_OK);
    fuzz_ok(fuzz_same(&again.name, &cpim->name));
    fuzz_ok(fuzz_same(&again.from, &cpim->from));
    fuzz_ok(fuzz_same(&again.to, &cpim->to));
    fuzz_ok(fuzz_same(&again.id, &cpim->id));
    fuzz_ok(fuzz_same(&again.date, &cpim->date));
    fuzz_ok(again.content.len == 0);

    /* without an id there is no namespace */

    if (cpim->id.len) {
        fuzz_ok(again.dispositions == cpim->dispositions);
    }
}


void
fuzz_target(ngx_pool_t *pool, ngx_str_t *in)
{
    ngx_int_t        rc;
    ngx_sip_cpim_t   cpim, ours;

    rc = ngx_sip_cpim_read(pool, in, &cpim);

    fuzz_ok(rc == NGX_OK || rc == NGX_DECLINED || rc == NGX_ABORT);

    if (rc == NGX_OK) {
        fuzz_ok(fuzz_within(&cpim.content, in));
        fuzz_ok(fuzz_is_line(&cpim.from) && fuzz_is_line(&cpim.to));
        fuzz_ok(fuzz_is_line(&cpim.id) && fuzz_is_line(&cpim.date));
        fuzz_ok(fuzz_is_line(&cpim.route));
        fuzz_ok(cpim.name.len <= in->len && cpim.subject.len <= in->len);
        fuzz_ok(ngx_fed_text_valid(cpim.name.data, cpim.name.len));
        fuzz_ok(ngx_fed_text_valid(cpim.subject.data, cpim.subject.len));

        if (cpim.from.len && cpim.to.len) {
            there_and_back(pool, &cpim);
        }
    }

    /* a name comes from an XMPP stanza */

    if (!ngx_fed_text_valid(in->data, in->len)
        || (in->len && memchr(in->data, '\0', in->len)))
    {
        return;
    }

    ngx_memzero(&ours, sizeof(ngx_sip_cpim_t));

    ours.name = *in;
    ours.from = fuzz_string("im:u@x.test");
    ours.to = fuzz_string("im:r@s.test");
    ours.id = fuzz_string("id1");
    ours.date = fuzz_string("2026-01-01T00:00:00Z");
    ours.dispositions = 1 + fuzz_random(7);

    there_and_back(pool, &ours);
}


void
fuzz_starve(ngx_pool_t *pool, ngx_str_t *in)
{
    ngx_sip_cpim_t  cpim;

    (void) ngx_sip_cpim_read(pool, in, &cpim);
}
