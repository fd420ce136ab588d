
/*
 * The readers of header fields: slices lie in the value, what was read can be
 * written and read again.
 */


#include "fuzz.h"
#include "ngx_fed_address.h"
#include "ngx_sip_parse.h"


static void
check_uri(ngx_pool_t *pool, ngx_str_t *text)
{
    u_char             *p;
    ngx_str_t           copy, host;
    ngx_sip_uri_t       uri;
    ngx_fed_address_t   addr;

    copy = fuzz_copy(pool, text);

    if (ngx_sip_uri(&copy, &uri) != NGX_OK) {

        /* nothing is an address that is no URI */

        fuzz_ok(ngx_fed_address_from_sip(pool, &copy, &addr) != NGX_OK);
        return;
    }

    fuzz_ok(fuzz_within(&uri.user, &copy));
    fuzz_ok(fuzz_within(&uri.host, &copy));
    fuzz_ok(fuzz_within(&uri.params, &copy));
    fuzz_ok(fuzz_within(&uri.headers, &copy));

    if (uri.scheme == NGX_SIP_SCHEME_OTHER) {
        fuzz_ok(ngx_fed_address_from_sip(pool, &copy, &addr) != NGX_OK);
        return;
    }

    fuzz_ok(uri.host.len > 0 && uri.port <= 65535);
    fuzz_ok(fuzz_is_line(&copy));
    fuzz_ok(uri.params.len == 0 || uri.params.data[0] == ';');
    fuzz_ok(uri.headers.len == 0 || uri.headers.data[0] == '?');

    /* who is spoken for is who is spoken of */

    if (ngx_fed_address_from_sip(pool, &copy, &addr) != NGX_OK) {
        return;
    }

    host.len = uri.host.len - (uri.host.data[uri.host.len - 1] == '.');
    host.data = ngx_pnalloc(pool, host.len);

    for (p = host.data; p < host.data + host.len; p++) {
        *p = ngx_tolower(uri.host.data[p - host.data]);
    }

    fuzz_ok(fuzz_same(&host, &addr.domain));
    fuzz_ok((uri.user.len == 0) == (addr.user.len == 0));
    fuzz_ok(uri.headers.len == 0);
}


static void
check_addr(ngx_pool_t *pool, ngx_str_t *in)
{
    u_char          *p, *q, *last;
    ngx_str_t        text;
    ngx_sip_addr_t   addr, again;

    p = in->data;
    last = p + in->len;

    while (ngx_sip_addr(&p, last, &addr) == NGX_OK) {

        fuzz_ok(p == last || *p == ',');
        fuzz_ok(addr.uri.len && fuzz_within(&addr.uri, in));
        fuzz_ok(fuzz_within(&addr.params, in));
        fuzz_ok(fuzz_within(&addr.tag, &addr.params));
        fuzz_ok(fuzz_is_line(&addr.uri));

        check_uri(pool, &addr.uri);

        text.data = ngx_pnalloc(pool, addr.uri.len + addr.params.len + 2);
        q = text.data;
        *q++ = '<';
        q = ngx_cpymem(q, addr.uri.data, addr.uri.len);
        *q++ = '>';
        q = ngx_cpymem(q, addr.params.data, addr.params.len);
        text.len = q - text.data;

        q = text.data;

        fuzz_ok(ngx_sip_addr(&q, text.data + text.len, &again) == NGX_OK);
        fuzz_ok(q == text.data + text.len);
        fuzz_ok(fuzz_same(&again.uri, &addr.uri));
        fuzz_ok(fuzz_same(&again.params, &addr.params));
        fuzz_ok(fuzz_same(&again.tag, &addr.tag));

        if (p == last) {
            return;
        }

        p++;
    }
}


static void
check_via(ngx_pool_t *pool, ngx_str_t *in)
{
    u_char         *p, *q, *last;
    ngx_str_t       text;
    ngx_sip_via_t   via, again;

    p = in->data;
    last = p + in->len;

    while (ngx_sip_via(&p, last, &via) == NGX_OK) {

        fuzz_ok(p == last || *p == ',');
        fuzz_ok(fuzz_within(&via.all, in));
        fuzz_ok(via.host.len && fuzz_within(&via.host, &via.all));
        fuzz_ok(via.transport.len && fuzz_within(&via.transport, &via.all));
        fuzz_ok(fuzz_within(&via.branch, &via.all));
        fuzz_ok(fuzz_within(&via.received, &via.all));
        fuzz_ok(fuzz_is_line(&via.host) && via.port <= 65535);

        text = fuzz_copy(pool, &via.all);
        q = text.data;

        fuzz_ok(ngx_sip_via(&q, text.data + text.len, &again) == NGX_OK);
        fuzz_ok(q == text.data + text.len);
        fuzz_ok(fuzz_same(&again.all, &via.all));
        fuzz_ok(fuzz_same(&again.host, &via.host));
        fuzz_ok(fuzz_same(&again.branch, &via.branch));
        fuzz_ok(again.port == via.port && again.alias == via.alias);

        if (p == last) {
            return;
        }

        p++;
    }
}


static void
check_lists(ngx_str_t *in)
{
    u_char           *p, *last;
    uint32_t          n;
    ngx_str_t         item, name, value;
    ngx_uint_t        items;
    ngx_sip_media_t   media;

    p = in->data;
    last = p + in->len;

    for (items = 0; ngx_sip_item(&p, last, &item) == NGX_OK; items++) {
        fuzz_ok(item.len && fuzz_within(&item, in));
        fuzz_ok(!memchr(" \t\r\n", item.data[0], 4));
        fuzz_ok(!memchr(" \t\r\n", item.data[item.len - 1], 4));
        fuzz_ok(p > item.data && p <= last);
    }

    fuzz_ok(items <= in->len);

    p = in->data;

    while (ngx_sip_param(&p, last, &name, &value) == NGX_OK) {
        fuzz_ok(ngx_sip_is_token(name.data, name.len));
        fuzz_ok(fuzz_within(&name, in) && fuzz_within(&value, in));
        fuzz_ok(p > name.data && p <= last);
    }

    if (ngx_sip_media_type(in, &media) == NGX_OK) {
        fuzz_ok(ngx_sip_is_token(media.type.data, media.type.len));
        fuzz_ok(ngx_sip_is_token(media.subtype.data, media.subtype.len));
        fuzz_ok(fuzz_within(&media.charset, in));
        fuzz_ok(fuzz_within(&media.boundary, in));

        if (ngx_sip_media_is_text(&media)) {
            fuzz_ok(!ngx_sip_media_is_html(&media));
        }
    }

    if (ngx_sip_number(in, &n) == NGX_OK) {
        fuzz_ok(ngx_sip_is_token(in->data, in->len));
    }
}


void
fuzz_target(ngx_pool_t *pool, ngx_str_t *in)
{
    check_uri(pool, in);
    check_addr(pool, in);
    check_via(pool, in);
    check_lists(in);
}
