
/*
 * What targets check that read and write presence documents.
 */


#ifndef _FUZZ_PRESENCE_H_INCLUDED_
#define _FUZZ_PRESENCE_H_INCLUDED_


#include "fuzz.h"
#include "ngx_fed_address.h"
#include "ngx_fed_presence.h"
#include "ngx_fed_text.h"


/* whose presence a document is read as */

static inline void
presence_entity(ngx_fed_address_t *entity)
{
    entity->user = fuzz_string("romeo");
    entity->domain = fuzz_string("s.test");
    entity->resource = fuzz_string("");
    entity->unicode = fuzz_string("");
}


static inline void
presence_check(ngx_fed_presence_t *presence)
{
    ngx_uint_t           i, j;
    ngx_fed_resource_t  *r;

    fuzz_ok(presence->n <= NGX_FED_RESOURCES);

    for (i = 0; i < presence->n; i++) {
        r = &presence->resources[i];

        fuzz_ok(r->show <= NGX_FED_SHOW_XA);
        fuzz_ok(r->priority == NGX_FED_NO_PRIORITY
                || (r->priority >= -128 && r->priority <= 127));
        fuzz_ok(r->nstatuses <= NGX_FED_STATUSES);
        fuzz_ok(r->stamp >= 0);
        fuzz_ok(ngx_fed_text_valid(r->name.data, r->name.len));
        fuzz_ok(fuzz_is_line(&r->name));
        fuzz_ok(ngx_fed_presence_find(presence, &r->name) == r);

        for (j = 0; j < r->nstatuses; j++) {
            fuzz_ok(r->statuses[j].lang.len <= NGX_FED_LANG_LEN);
            fuzz_ok(r->statuses[j].text.len <= NGX_FED_STATUS_LEN);
            fuzz_ok(ngx_fed_text_valid(r->statuses[j].text.data,
                                       r->statuses[j].text.len));
            fuzz_ok(fuzz_is_line(&r->statuses[j].lang));
        }
    }
}


static inline ngx_uint_t
presence_same(ngx_fed_presence_t *a, ngx_fed_presence_t *b)
{
    ngx_uint_t  i;

    if (a->n != b->n) {
        return 0;
    }

    for (i = 0; i < a->n; i++) {
        if (!fuzz_same(&a->resources[i].name, &b->resources[i].name)
            || !ngx_fed_resource_equal(&a->resources[i], &b->resources[i]))
        {
            return 0;
        }
    }

    return 1;
}


/* as the zone keeps it, which leaves out what has no room */

static inline void
presence_pack(ngx_fed_presence_t *presence, u_char *buf)
{
    size_t               size;
    ngx_fed_presence_t   again;

    size = ngx_fed_presence_pack(buf, presence);

    fuzz_ok(size <= NGX_FED_PACKED_MAX);
    fuzz_ok(ngx_fed_presence_unpack(buf, size, &again) == NGX_OK);
    fuzz_ok(again.n == presence->n);

    *presence = again;
}


#endif /* _FUZZ_PRESENCE_H_INCLUDED_ */
