
/*
 * Presence documents: what was read, as the zone keeps it, is written
 * well-formed and says the same when it is read again.
 */


#include "presence.h"
#include "ngx_sip_pidf.h"


static ngx_fed_presence_t  presence, again;


static ngx_int_t
read_document(ngx_pool_t *pool, ngx_str_t *body, ngx_fed_address_t *entity,
    ngx_fed_presence_t *to)
{
    ngx_str_t  charset, lang;

    charset = fuzz_string("");
    lang = fuzz_string("");

    presence_entity(entity);

    return ngx_sip_pidf_read(pool, body, &charset, &lang, entity, to);
}


void
fuzz_target(ngx_pool_t *pool, ngx_str_t *in)
{
    u_char              buf[NGX_FED_PACKED_MAX];
    size_t              size;
    ngx_int_t           rc;
    ngx_str_t           text;
    ngx_fed_address_t   entity;

    rc = read_document(pool, in, &entity, &presence);

    fuzz_ok(rc != NGX_ERROR);

    if (rc != NGX_OK) {
        return;
    }

    presence_check(&presence);
    presence_pack(&presence, buf);

    size = ngx_sip_pidf_size(&presence, &entity);

    text.data = ngx_pnalloc(pool, size);
    text.len = ngx_sip_pidf_write(text.data, &presence, &entity) - text.data;

    fuzz_ok(text.len <= size);
    fuzz_ok(fuzz_is_xml(&text));

    text = fuzz_copy(pool, &text);

    fuzz_ok(read_document(pool, &text, &entity, &again) == NGX_OK);

    presence_check(&again);

    fuzz_ok(presence_same(&again, &presence));
}


void
fuzz_starve(ngx_pool_t *pool, ngx_str_t *in)
{
    ngx_int_t           rc;
    ngx_fed_address_t   entity;

    rc = read_document(pool, in, &entity, &presence);

    fuzz_ok(rc == NGX_OK || presence.n == 0);
}
