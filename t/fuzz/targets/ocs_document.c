
/*
 * Presence documents of Microsoft's servers and clients: what is written is
 * well-formed and says the same of the user as a whole.
 */


#include "presence.h"
#include "ngx_sip_ocs_document.h"


static ngx_fed_presence_t  presence, again;


typedef u_char *(*write_pt)(u_char *dst, ngx_fed_presence_t *p,
    ngx_fed_address_t *entity);


static ngx_int_t
read_document(ngx_pool_t *pool, ngx_str_t *body, ngx_fed_address_t *entity,
    ngx_fed_presence_t *to)
{
    ngx_str_t  charset, lang;

    charset = fuzz_string("");
    lang = fuzz_string("en");

    presence_entity(entity);

    return ngx_sip_ocs_document_read(pool, body, &charset, &lang, entity, to);
}


static u_char *
write_pidf(u_char *dst, ngx_fed_presence_t *p, ngx_fed_address_t *entity)
{
    return ngx_sip_ocs_pidf_write(dst, p, entity, 1);
}


static u_char *
write_pidf_bare(u_char *dst, ngx_fed_presence_t *p, ngx_fed_address_t *entity)
{
    return ngx_sip_ocs_pidf_write(dst, p, entity, 0);
}


static void
there_and_back(ngx_pool_t *pool, ngx_fed_address_t *entity, write_pt write)
{
    size_t     size;
    ngx_str_t  text;

    size = ngx_sip_ocs_document_size(&presence, entity);

    text.data = ngx_pnalloc(pool, size);
    text.len = write(text.data, &presence, entity) - text.data;

    fuzz_ok(text.len <= size);
    fuzz_ok(fuzz_is_xml(&text));

    text = fuzz_copy(pool, &text);

    fuzz_ok(read_document(pool, &text, entity, &again) == NGX_OK);

    presence_check(&again);

    fuzz_ok(ngx_fed_presence_open(&again) == ngx_fed_presence_open(&presence));
}


void
fuzz_target(ngx_pool_t *pool, ngx_str_t *in)
{
    u_char              buf[NGX_FED_PACKED_MAX];
    ngx_int_t           rc;
    ngx_fed_address_t   entity;

    rc = read_document(pool, in, &entity, &presence);

    fuzz_ok(rc != NGX_ERROR);

    if (rc != NGX_OK) {
        return;
    }

    presence_check(&presence);
    presence_pack(&presence, buf);

    there_and_back(pool, &entity, write_pidf);
    there_and_back(pool, &entity, write_pidf_bare);
    there_and_back(pool, &entity, ngx_sip_ocs_msrtc_write);
}


void
fuzz_starve(ngx_pool_t *pool, ngx_str_t *in)
{
    ngx_fed_address_t  entity;

    (void) read_document(pool, in, &entity, &presence);
}
