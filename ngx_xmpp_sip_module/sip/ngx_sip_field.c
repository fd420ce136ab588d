
/*
 * The values of SIP header fields: Via, name-addr, URI, parameters
 * (RFC 3261, 20 and 25.1).  All is slices; folds count as LWS.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_sip_parse.h"


#define ngx_sip_in(set, c)                                                    \
    (set[(u_char) (c) >> 5] & (1U << ((u_char) (c) & 0x1f)))


static u_char *ngx_sip_lws(u_char *p, u_char *last);
static u_char *ngx_sip_token(u_char *p, u_char *last);
static u_char *ngx_sip_quoted(u_char *p, u_char *last);
static u_char *ngx_sip_host(u_char *p, u_char *last);
static ngx_int_t ngx_sip_port(u_char **pos, u_char *last, ngx_uint_t *port);
static ngx_int_t ngx_sip_via_param(ngx_sip_via_t *via, ngx_str_t *name,
    ngx_str_t *value);
static u_char *ngx_sip_display_name(u_char *p, u_char *last);
static ngx_int_t ngx_sip_uri_chars(const uint32_t *set, u_char *p,
    u_char *last);
static ngx_uint_t ngx_sip_media_is_utf8(ngx_sip_media_t *media);
static ngx_int_t ngx_sip_uri_rest(u_char *p, u_char *last, ngx_sip_uri_t *uri);


/* characters of RFC 3261, 25.1, other than "%" of escapes */

static const uint32_t  ngx_sip_token_set[] = {
    0x00000000, 0x03ff6ca2, 0x87fffffe, 0x47ffffff, 0, 0, 0, 0
};

static const uint32_t  ngx_sip_user_set[] = {
    0x00000000, 0xabffffd2, 0x87fffffe, 0x47fffffe, 0, 0, 0, 0
};

static const uint32_t  ngx_sip_password_set[] = {
    0x00000000, 0x23ff7fd2, 0x87fffffe, 0x47fffffe, 0, 0, 0, 0
};

static const uint32_t  ngx_sip_param_set[] = {
    0x00000000, 0x2fffefd2, 0xaffffffe, 0x47fffffe, 0, 0, 0, 0
};

static const uint32_t  ngx_sip_headers_set[] = {
    0x00000000, 0xa7ffefd2, 0xaffffffe, 0x47fffffe, 0, 0, 0, 0
};

static const uint32_t  ngx_sip_word_set[] = {
    0x00000000, 0xd7ffefa6, 0xbffffffe, 0x6fffffff, 0, 0, 0, 0
};

static const uint32_t  ngx_sip_host_set[] = {
    0x00000000, 0x03ff6000, 0x87fffffe, 0x07fffffe, 0, 0, 0, 0
};


static u_char *
ngx_sip_lws(u_char *p, u_char *last)
{
    while (p < last && (*p == ' ' || *p == '\t' || *p == CR || *p == LF)) {
        p++;
    }

    return p;
}


static u_char *
ngx_sip_token(u_char *p, u_char *last)
{
    while (p < last && ngx_sip_in(ngx_sip_token_set, *p)) {
        p++;
    }

    return p;
}


/* Returns what follows the quoted-string at p, or NULL if it has no end. */

static u_char *
ngx_sip_quoted(u_char *p, u_char *last)
{
    for (p++; p < last; p++) {

        if (*p == '"') {
            return p + 1;
        }

        if (*p == '\\' && ++p < last && (*p == CR || *p == LF)) {
            return NULL;
        }
    }

    return NULL;
}


/* Returns what follows the host at p, or p if there is none. */

static u_char *
ngx_sip_host(u_char *p, u_char *last)
{
    u_char  *start;

    start = p;

    if (p < last && *p == '[') {

        for (p++; p < last; p++) {

            if (*p == ']') {
                return p - start > 2 ? p + 1 : start;
            }

            if (!((*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a'
                  && (*p | 0x20) <= 'f') || *p == ':' || *p == '.'))
            {
                return start;
            }
        }

        return start;
    }

    while (p < last && ngx_sip_in(ngx_sip_host_set, *p)) {
        p++;
    }

    return p;
}


static ngx_int_t
ngx_sip_port(u_char **pos, u_char *last, ngx_uint_t *port)
{
    u_char      *p;
    ngx_uint_t   n;

    n = 0;

    for (p = *pos; p < last && *p >= '0' && *p <= '9'; p++) {

        n = n * 10 + (*p - '0');

        if (n > 65535) {
            return NGX_ERROR;
        }
    }

    if (p == *pos) {
        return NGX_ERROR;
    }

    *pos = p;
    *port = n;

    return NGX_OK;
}


/*
 * Reads the parameter at *pos, which may begin with LWS, and moves *pos behind
 * it.  A quoted value keeps its quotes.  Returns NGX_DONE if no semicolon is
 * next, NGX_ERROR if it is not followed by a parameter.
 */

ngx_int_t
ngx_sip_param(u_char **pos, u_char *last, ngx_str_t *name, ngx_str_t *value)
{
    u_char  *p, *start;

    p = ngx_sip_lws(*pos, last);

    if (p == last || *p != ';') {
        *pos = p;
        return NGX_DONE;
    }

    start = ngx_sip_lws(p + 1, last);
    p = ngx_sip_token(start, last);

    if (p == start) {
        return NGX_ERROR;
    }

    name->data = start;
    name->len = p - start;

    ngx_str_null(value);

    *pos = p;

    p = ngx_sip_lws(p, last);

    if (p == last || *p != '=') {
        return NGX_OK;
    }

    start = ngx_sip_lws(p + 1, last);

    if (start < last && *start == '"') {

        p = ngx_sip_quoted(start, last);

        if (p == NULL) {
            return NGX_ERROR;
        }

    } else {

        for (p = start; p < last; p++) {

            if (*p <= ' ' || *p == ';' || *p == ',' || *p == '"' || *p == '<'
                || *p == '>' || *p == 0x7f)
            {
                break;
            }
        }
    }

    value->data = start;
    value->len = p - start;

    *pos = p;

    return NGX_OK;
}


/*
 * Reads the via-parm at *pos and moves *pos to the comma behind it, or to last
 * (RFC 3261, 20.42).  Any transport and parameter will do.
 */

ngx_int_t
ngx_sip_via(u_char **pos, u_char *last, ngx_sip_via_t *via)
{
    u_char     *p, *start;
    ngx_int_t   rc;
    ngx_str_t   name, value;
    ngx_uint_t  i;

    ngx_memzero(via, sizeof(ngx_sip_via_t));

    start = ngx_sip_lws(*pos, last);
    via->all.data = start;

    for (i = 0; i < 3; i++) {

        p = ngx_sip_token(start, last);

        if (p == start) {
            return NGX_ERROR;
        }

        if (i == 2) {
            via->transport.data = start;
            via->transport.len = p - start;
            break;
        }

        p = ngx_sip_lws(p, last);

        if (p == last || *p != '/') {
            return NGX_ERROR;
        }

        start = ngx_sip_lws(p + 1, last);
    }

    p = start + via->transport.len;
    start = ngx_sip_lws(p, last);

    if (start == p) {
        return NGX_ERROR;
    }

    p = ngx_sip_host(start, last);

    if (p == start) {
        return NGX_ERROR;
    }

    via->host.data = start;
    via->host.len = p - start;
    via->all.len = p - via->all.data;

    start = ngx_sip_lws(p, last);

    if (start < last && *start == ':') {
        p = ngx_sip_lws(start + 1, last);

        if (ngx_sip_port(&p, last, &via->port) != NGX_OK) {
            return NGX_ERROR;
        }

        via->all.len = p - via->all.data;
    }

    for ( ;; ) {
        rc = ngx_sip_param(&p, last, &name, &value);

        if (rc == NGX_DONE) {
            break;
        }

        if (rc != NGX_OK || ngx_sip_via_param(via, &name, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        via->all.len = p - via->all.data;
    }

    if (p < last && *p != ',') {
        return NGX_ERROR;
    }

    *pos = p;

    return NGX_OK;
}


static ngx_int_t
ngx_sip_via_param(ngx_sip_via_t *via, ngx_str_t *name, ngx_str_t *value)
{
    switch (name->len) {

    case 5:
        if (ngx_sip_is(name, "alias")) {
            via->alias = 1;

        } else if (ngx_sip_is(name, "rport")) {
            via->rport = *name;
            via->rport_set = (value->data != NULL);
        }

        break;

    case 6:
        if (ngx_sip_is(name, "branch")) {

            if (value->len == 0 || via->branch.len) {
                return NGX_ERROR;
            }

            via->branch = *value;
        }

        break;

    case 8:
        if (ngx_sip_is(name, "received")) {
            via->received = *value;
        }

        break;
    }

    return NGX_OK;
}


/*
 * Reads the name-addr or addr-spec at *pos with its parameters and moves *pos
 * to the comma behind it, or to last (RFC 3261, 20.10).  What follows an
 * addr-spec without angle brackets are parameters of the header field.
 */

ngx_int_t
ngx_sip_addr(u_char **pos, u_char *last, ngx_sip_addr_t *addr)
{
    u_char     *p, *start;
    ngx_int_t   rc;
    ngx_str_t   name, value;

    ngx_memzero(addr, sizeof(ngx_sip_addr_t));

    start = ngx_sip_lws(*pos, last);

    p = ngx_sip_display_name(start, last);

    if (p == NULL) {
        return NGX_ERROR;
    }

    if (p < last && *p == '<') {

        start = p + 1;

        for (p = start; p < last && *p != '>'; p++) {
            if (*p <= ' ' || *p == '<' || *p == '"' || *p == 0x7f) {
                return NGX_ERROR;
            }
        }

        if (p == last || p == start) {
            return NGX_ERROR;
        }

        addr->uri.data = start;
        addr->uri.len = p - start;

        p++;

    } else {

        for (p = start; p < last; p++) {

            if (*p <= ' ' || *p == ';' || *p == ',') {
                break;
            }

            if (*p == '?' || *p == '<' || *p == '>' || *p == '"'
                || *p == 0x7f)
            {
                return NGX_ERROR;
            }
        }

        addr->uri.data = start;
        addr->uri.len = p - start;

        if (ngx_strlchr(start, p, ':') == NULL) {
            return NGX_ERROR;
        }
    }

    addr->params.data = p;

    for ( ;; ) {
        rc = ngx_sip_param(&p, last, &name, &value);

        if (rc == NGX_DONE) {
            break;
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }

        addr->params.len = p - addr->params.data;

        if (ngx_sip_is(&name, "tag")) {

            if (addr->tag.len || !ngx_sip_is_token(value.data, value.len)) {
                return NGX_ERROR;
            }

            addr->tag = value;
        }
    }

    if (p < last && *p != ',') {
        return NGX_ERROR;
    }

    *pos = p;

    return NGX_OK;
}


/*
 * Returns the "<" behind a display name, or what is no display name; NULL if
 * a quoted one has no end or no "<" follows it.
 */

static u_char *
ngx_sip_display_name(u_char *p, u_char *last)
{
    u_char  *start;

    start = p;

    if (p < last && *p == '"') {

        p = ngx_sip_quoted(p, last);

        if (p == NULL) {
            return NULL;
        }

        p = ngx_sip_lws(p, last);

        return (p < last && *p == '<') ? p : NULL;
    }

    while (p < last
           && (ngx_sip_in(ngx_sip_token_set, *p) || *p >= 0x80
               || *p == ' ' || *p == '\t' || *p == CR || *p == LF))
    {
        p++;
    }

    return (p < last && *p == '<') ? p : start;
}


/*
 * Takes a URI apart (RFC 3261, 19.1.1).  One that is none of SIP's is left
 * whole.  Returns NGX_ERROR if it is not of the grammar.
 */

ngx_int_t
ngx_sip_uri(ngx_str_t *text, ngx_sip_uri_t *uri)
{
    u_char     *p, *at, *colon, *last;
    ngx_str_t   scheme;

    ngx_memzero(uri, sizeof(ngx_sip_uri_t));

    p = text->data;
    last = p + text->len;

    colon = ngx_strlchr(p, last, ':');

    if (colon == NULL || colon == p || colon + 1 == last
        || (*p | 0x20) < 'a' || (*p | 0x20) > 'z')
    {
        return NGX_ERROR;
    }

    scheme.data = p;
    scheme.len = colon - p;

    for ( /* void */ ; p < colon; p++) {
        if (!ngx_sip_in(ngx_sip_host_set, *p) && *p != '+') {
            return NGX_ERROR;
        }
    }

    if (ngx_sip_is(&scheme, "sip")) {
        uri->scheme = NGX_SIP_SCHEME_SIP;

    } else if (ngx_sip_is(&scheme, "sips")) {
        uri->scheme = NGX_SIP_SCHEME_SIPS;

    } else if (ngx_sip_is(&scheme, "im")) {
        uri->scheme = NGX_SIP_SCHEME_IM;

    } else if (ngx_sip_is(&scheme, "pres")) {
        uri->scheme = NGX_SIP_SCHEME_PRES;

    } else {
        uri->scheme = NGX_SIP_SCHEME_OTHER;
        return NGX_OK;
    }

    p = colon + 1;
    at = ngx_strlchr(p, last, '@');

    if (at) {
        colon = ngx_strlchr(p, at, ':');

        uri->user.data = p;
        uri->user.len = (colon ? colon : at) - p;

        if (uri->user.len == 0
            || ngx_sip_uri_chars(ngx_sip_user_set, p, p + uri->user.len)
               != NGX_OK
            || (colon && ngx_sip_uri_chars(ngx_sip_password_set, colon + 1, at)
                         != NGX_OK))
        {
            return NGX_ERROR;
        }

        p = at + 1;
    }

    return ngx_sip_uri_rest(p, last, uri);
}


static ngx_int_t
ngx_sip_uri_rest(u_char *p, u_char *last, ngx_sip_uri_t *uri)
{
    u_char  *end, *mark;

    end = ngx_sip_host(p, last);

    if (end == p) {
        return NGX_ERROR;
    }

    uri->host.data = p;
    uri->host.len = end - p;

    p = end;

    if (p < last && *p == ':') {
        p++;

        if (ngx_sip_port(&p, last, &uri->port) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    mark = ngx_strlchr(p, last, '?');

    if (mark) {
        uri->headers.data = mark;
        uri->headers.len = last - mark;

        if (ngx_sip_uri_chars(ngx_sip_headers_set, mark + 1, last) != NGX_OK) {
            return NGX_ERROR;
        }

        last = mark;
    }

    if (p == last) {
        return NGX_OK;
    }

    if (*p != ';') {
        return NGX_ERROR;
    }

    uri->params.data = p;
    uri->params.len = last - p;

    return ngx_sip_uri_chars(ngx_sip_param_set, p, last);
}


static ngx_int_t
ngx_sip_uri_chars(const uint32_t *set, u_char *p, u_char *last)
{
    for ( /* void */ ; p < last; p++) {

        if (ngx_sip_in(set, *p)) {
            continue;
        }

        if (*p != '%' || last - p < 3 || ngx_hextoi(p + 1, 2) == NGX_ERROR) {
            return NGX_ERROR;
        }

        p += 2;
    }

    return NGX_OK;
}


/*
 * Returns in item the next of a list separated by commas, empty ones left out,
 * and NGX_DONE when there is none.
 */

ngx_int_t
ngx_sip_item(u_char **pos, u_char *last, ngx_str_t *item)
{
    u_char  *p, *end, *start;

    p = *pos;

    for ( ;; ) {

        start = ngx_sip_lws(p, last);

        if (start == last) {
            return NGX_DONE;
        }

        for (p = start; p < last && *p != ','; p++) {

            if (*p == '"') {
                end = ngx_sip_quoted(p, last);

                if (end == NULL) {
                    p = last;
                    break;
                }

                p = end - 1;
            }
        }

        end = p;

        while (end > start && (end[-1] == ' ' || end[-1] == '\t'
                               || end[-1] == CR || end[-1] == LF))
        {
            end--;
        }

        if (p < last) {
            p++;
        }

        if (end > start) {
            item->data = start;
            item->len = end - start;
            *pos = p;
            return NGX_OK;
        }
    }
}


/* Takes a Content-Type apart (RFC 3261, 20.15). */

ngx_int_t
ngx_sip_media_type(ngx_str_t *value, ngx_sip_media_t *media)
{
    u_char     *p, *last;
    ngx_int_t   rc;
    ngx_str_t   name, text;

    ngx_memzero(media, sizeof(ngx_sip_media_t));

    last = value->data + value->len;

    media->type.data = ngx_sip_lws(value->data, last);
    p = ngx_sip_token(media->type.data, last);
    media->type.len = p - media->type.data;

    p = ngx_sip_lws(p, last);

    if (media->type.len == 0 || p == last || *p != '/') {
        return NGX_ERROR;
    }

    media->subtype.data = ngx_sip_lws(p + 1, last);
    p = ngx_sip_token(media->subtype.data, last);
    media->subtype.len = p - media->subtype.data;

    if (media->subtype.len == 0) {
        return NGX_ERROR;
    }

    for ( ;; ) {
        rc = ngx_sip_param(&p, last, &name, &text);

        if (rc == NGX_DONE) {
            return p == last ? NGX_OK : NGX_ERROR;
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }

        if (text.len >= 2 && text.data[0] == '"') {
            text.data++;
            text.len -= 2;
        }

        if (ngx_sip_is(&name, "charset")) {
            media->charset = text;

        } else if (ngx_sip_is(&name, "boundary")) {
            media->boundary = text;
        }
    }
}


/* Tells whether it is plain text in UTF-8. */

ngx_uint_t
ngx_sip_media_is_text(ngx_sip_media_t *media)
{
    return ngx_sip_is(&media->subtype, "plain") && ngx_sip_media_is_utf8(media);
}


ngx_uint_t
ngx_sip_media_is_html(ngx_sip_media_t *media)
{
    return ngx_sip_is(&media->subtype, "html") && ngx_sip_media_is_utf8(media);
}


static ngx_uint_t
ngx_sip_media_is_utf8(ngx_sip_media_t *media)
{
    return ngx_sip_is(&media->type, "text")
           && (media->charset.len == 0
               || ngx_sip_is(&media->charset, "UTF-8")
               || ngx_sip_is(&media->charset, "US-ASCII"));
}


/* Reads 1*DIGIT, of any length, up to 2**32-1. */

ngx_int_t
ngx_sip_number(ngx_str_t *text, uint32_t *number)
{
    size_t    i;
    uint64_t  n;

    if (text->len == 0) {
        return NGX_ERROR;
    }

    n = 0;

    for (i = 0; i < text->len; i++) {

        if (text->data[i] < '0' || text->data[i] > '9') {
            return NGX_ERROR;
        }

        n = n * 10 + (text->data[i] - '0');

        if (n > 0xffffffff) {
            return NGX_ERROR;
        }
    }

    *number = (uint32_t) n;

    return NGX_OK;
}


ngx_uint_t
ngx_sip_is_token(u_char *p, size_t len)
{
    return len && ngx_sip_token(p, p + len) == p + len;
}


/* Tells whether the text is a word, which a Call-ID is made of. */

ngx_uint_t
ngx_sip_is_word(u_char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (!ngx_sip_in(ngx_sip_word_set, p[i])) {
            return 0;
        }
    }

    return len != 0;
}


/* Compares without regard to case. */

ngx_uint_t
ngx_sip_str_is(ngx_str_t *s, const char *text, size_t len)
{
    return s->len == len
           && ngx_strncasecmp(s->data, (u_char *) text, len) == 0;
}
