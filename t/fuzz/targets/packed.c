
/*
 * A presence as the zone and the state file keep it: any octets.
 */


#include "presence.h"


static ngx_fed_presence_t  presence, again;


void
fuzz_target(ngx_pool_t *pool, ngx_str_t *in)
{
    u_char      buf[NGX_FED_PACKED_MAX];
    size_t      size;
    ngx_uint_t  i, j;

    if (ngx_fed_presence_unpack(in->data, in->len, &presence) != NGX_OK) {
        return;
    }

    fuzz_ok(presence.n <= NGX_FED_RESOURCES);

    for (i = 0; i < presence.n; i++) {
        fuzz_ok(presence.resources[i].nstatuses <= NGX_FED_STATUSES);
        fuzz_ok(presence.resources[i].show <= NGX_FED_SHOW_XA);
        fuzz_ok(fuzz_within(&presence.resources[i].name, in));

        for (j = 0; j < presence.resources[i].nstatuses; j++) {
            fuzz_ok(fuzz_within(&presence.resources[i].statuses[j].lang, in));
            fuzz_ok(fuzz_within(&presence.resources[i].statuses[j].text, in));
        }
    }

    size = ngx_fed_presence_pack(buf, &presence);

    fuzz_ok(size <= NGX_FED_PACKED_MAX);
    fuzz_ok(ngx_fed_presence_unpack(buf, size, &again) == NGX_OK);
    fuzz_ok(again.n == presence.n);

    /* what was written is all there when it is written again */

    presence = again;

    fuzz_ok(ngx_fed_presence_pack(buf, &presence) == size);
    fuzz_ok(presence_same(&presence, &again));
}
