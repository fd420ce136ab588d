
/*
 * The envelope of CPIM (RFC 3862), and what IMDN adds to it (RFC 5438, 6).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_text.h"
#include "ngx_sip_parse.h"
#include "ngx_sip_cpim.h"


#define NGX_SIP_CPIM_IMDN      "urn:ietf:params:imdn"
#define NGX_SIP_CPIM_PREFIXES  4         /* that stand for it */


/* where a header field belongs to */

typedef enum {
    NGX_SIP_CPIM_OTHER = 0,
    NGX_SIP_CPIM_CORE,
    NGX_SIP_CPIM_IMDN_FIELD
} ngx_sip_cpim_space_e;


typedef struct {
    ngx_pool_t                   *pool;
    ngx_sip_cpim_t               *cpim;
    ngx_str_t                     required;
    ngx_str_t                     prefixes[NGX_SIP_CPIM_PREFIXES];
    ngx_uint_t                    nprefixes;
} ngx_sip_cpim_reader_t;


static ngx_int_t ngx_sip_cpim_row(ngx_sip_cpim_reader_t *reader, u_char *p,
    u_char *last);
static ngx_int_t ngx_sip_cpim_core(ngx_sip_cpim_reader_t *reader,
    ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_sip_cpim_imdn(ngx_sip_cpim_reader_t *reader,
    ngx_str_t *name, ngx_str_t *value);
static ngx_sip_cpim_space_e ngx_sip_cpim_space(ngx_sip_cpim_reader_t *reader,
    ngx_str_t *name);
static ngx_int_t ngx_sip_cpim_address(ngx_pool_t *pool, ngx_str_t *value,
    ngx_str_t *name, ngx_str_t *uri);
static ngx_int_t ngx_sip_cpim_namespace(ngx_sip_cpim_reader_t *reader,
    ngx_str_t *value);
static ngx_int_t ngx_sip_cpim_require(ngx_sip_cpim_reader_t *reader,
    ngx_str_t *value);
static ngx_int_t ngx_sip_cpim_unescape(ngx_pool_t *pool, ngx_str_t *in,
    ngx_str_t *out);
static u_char *ngx_sip_cpim_character(u_char *dst, ngx_int_t n);
static u_char *ngx_sip_cpim_escape(u_char *dst, ngx_str_t *text);


#define ngx_sip_cpim_put(dst, text)  ngx_cpymem(dst, text, sizeof(text) - 1)

#define ngx_sip_cpim_is(str, literal)                                         \
    ((str)->len == sizeof(literal) - 1                                        \
     && ngx_memcmp((str)->data, literal, sizeof(literal) - 1) == 0)


static const ngx_str_t  ngx_sip_cpim_fields[] = {
    ngx_string("From"),
    ngx_string("To"),
    ngx_string("cc"),
    ngx_string("DateTime"),
    ngx_string("Subject"),
    ngx_string("NS"),
    ngx_string("Require"),
    ngx_null_string
};

static const ngx_str_t  ngx_sip_cpim_imdn_fields[] = {
    ngx_string("Message-ID"),
    ngx_string("Disposition-Notification"),
    ngx_string("IMDN-Record-Route"),
    ngx_string("IMDN-Route"),
    ngx_string("Original-To"),
    ngx_null_string
};


/*
 * Reads an envelope; the strings are slices of the body or lie in the pool.
 * Returns NGX_OK, NGX_DECLINED if it requires what is not known, NGX_ABORT if
 * it is not of the grammar, or NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_sip_cpim_read(ngx_pool_t *pool, ngx_str_t *body, ngx_sip_cpim_t *cpim)
{
    u_char                 *p, *lf, *last;
    ngx_int_t               rc;
    ngx_sip_cpim_reader_t   reader;

    ngx_memzero(cpim, sizeof(ngx_sip_cpim_t));
    ngx_memzero(&reader, sizeof(ngx_sip_cpim_reader_t));

    reader.pool = pool;
    reader.cpim = cpim;

    p = body->data;
    last = p + body->len;

    for ( ;; ) {

        lf = (p < last) ? memchr(p, LF, last - p) : NULL;

        if (lf == NULL || lf == p || lf[-1] != CR) {
            return NGX_ABORT;
        }

        if (lf - 1 == p) {
            break;
        }

        rc = ngx_sip_cpim_row(&reader, p, lf - 1);

        if (rc != NGX_OK) {
            return rc;
        }

        p = lf + 1;
    }

    cpim->content.data = lf + 1;
    cpim->content.len = last - (lf + 1);

    return ngx_sip_cpim_require(&reader, &reader.required);
}


/* RFC 3862, 3.1: name ":" *( ";" parameter ) SP value */

static ngx_int_t
ngx_sip_cpim_row(ngx_sip_cpim_reader_t *reader, u_char *p, u_char *last)
{
    u_char     *q, *colon, *space;
    ngx_str_t   name, value;

    if (!ngx_fed_text_valid(p, last - p)) {
        return NGX_ABORT;
    }

    for (q = p; q < last; q++) {
        if (*q < 0x20 || *q == 0x7f) {
            return NGX_ABORT;
        }
    }

    colon = memchr(p, ':', last - p);

    if (colon == NULL || !ngx_sip_is_token(p, colon - p)) {
        return NGX_ABORT;
    }

    space = memchr(colon, ' ', last - colon);

    if (space == NULL || (space != colon + 1 && colon[1] != ';')) {
        return NGX_ABORT;
    }

    name.data = p;
    name.len = colon - p;

    value.data = space + 1;
    value.len = last - value.data;

    switch (ngx_sip_cpim_space(reader, &name)) {

    case NGX_SIP_CPIM_CORE:
        return ngx_sip_cpim_core(reader, &name, &value);

    case NGX_SIP_CPIM_IMDN_FIELD:
        return ngx_sip_cpim_imdn(reader, &name, &value);

    default:
        return NGX_OK;
    }
}


/* RFC 3862, 4 */

static ngx_int_t
ngx_sip_cpim_core(ngx_sip_cpim_reader_t *reader, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_sip_cpim_t  *cpim;

    cpim = reader->cpim;

    if (ngx_sip_cpim_is(name, "From")) {
        return ngx_sip_cpim_address(reader->pool, value, &cpim->name,
                                    &cpim->from);
    }

    if (ngx_sip_cpim_is(name, "To")) {
        return cpim->to.len ? NGX_OK
                            : ngx_sip_cpim_address(reader->pool, value, NULL,
                                                   &cpim->to);
    }

    if (ngx_sip_cpim_is(name, "DateTime")) {
        cpim->date = *value;
        return NGX_OK;
    }

    if (ngx_sip_cpim_is(name, "Subject")) {
        return cpim->subject.len ? NGX_OK
                                 : ngx_sip_cpim_unescape(reader->pool, value,
                                                         &cpim->subject);
    }

    if (ngx_sip_cpim_is(name, "NS")) {
        return ngx_sip_cpim_namespace(reader, value);
    }

    if (ngx_sip_cpim_is(name, "Require")) {

        /* it may come ahead of the namespace that it is about */

        if (reader->required.len) {
            return NGX_ABORT;
        }

        reader->required = *value;
    }

    return NGX_OK;
}


/* RFC 5438, 6; the name has no prefix any more */

static ngx_int_t
ngx_sip_cpim_imdn(ngx_sip_cpim_reader_t *reader, ngx_str_t *name,
    ngx_str_t *value)
{
    u_char          *p, *last, *semicolon;
    ngx_str_t        item;
    ngx_sip_cpim_t  *cpim;

    cpim = reader->cpim;

    if (ngx_sip_cpim_is(name, "Message-ID")) {
        cpim->id = *value;
        return NGX_OK;
    }

    if (ngx_sip_cpim_is(name, "IMDN-Record-Route")) {
        return cpim->route.len ? NGX_OK
                               : ngx_sip_cpim_address(reader->pool, value,
                                                      NULL, &cpim->route);
    }

    if (!ngx_sip_cpim_is(name, "Disposition-Notification")) {
        return NGX_OK;
    }

    p = value->data;
    last = p + value->len;

    while (ngx_sip_item(&p, last, &item) == NGX_OK) {

        semicolon = ngx_strlchr(item.data, item.data + item.len, ';');

        if (semicolon) {
            item.len = semicolon - item.data;
        }

        if (ngx_sip_cpim_is(&item, "positive-delivery")) {
            cpim->dispositions |= NGX_SIP_CPIM_POSITIVE;

        } else if (ngx_sip_cpim_is(&item, "negative-delivery")) {
            cpim->dispositions |= NGX_SIP_CPIM_NEGATIVE;

        } else if (ngx_sip_cpim_is(&item, "display")) {
            cpim->dispositions |= NGX_SIP_CPIM_DISPLAY;
        }
    }

    return NGX_OK;
}


/* Tells what a name is, and takes a prefix of IMDN off it (RFC 3862, 3.4). */

static ngx_sip_cpim_space_e
ngx_sip_cpim_space(ngx_sip_cpim_reader_t *reader, ngx_str_t *name)
{
    u_char           *dot;
    ngx_str_t         local, prefix;
    ngx_uint_t        i;
    const ngx_str_t  *field;

    for (field = ngx_sip_cpim_fields; field->len; field++) {
        if (ngx_fed_str_equal(field, name)) {
            return NGX_SIP_CPIM_CORE;
        }
    }

    dot = ngx_strlchr(name->data, name->data + name->len, '.');

    prefix.data = name->data;
    prefix.len = dot ? (size_t) (dot - name->data) : 0;

    local.data = dot ? dot + 1 : name->data;
    local.len = name->data + name->len - local.data;

    for (i = 0; i < reader->nprefixes; i++) {

        if (!ngx_fed_str_equal(&reader->prefixes[i], &prefix)) {
            continue;
        }

        for (field = ngx_sip_cpim_imdn_fields; field->len; field++) {
            if (ngx_fed_str_equal(field, &local)) {
                *name = local;
                return NGX_SIP_CPIM_IMDN_FIELD;
            }
        }
    }

    return NGX_SIP_CPIM_OTHER;
}


/* [ formal name ] "<" URI ">" */

static ngx_int_t
ngx_sip_cpim_address(ngx_pool_t *pool, ngx_str_t *value, ngx_str_t *name,
    ngx_str_t *uri)
{
    u_char     *p, *last;
    ngx_str_t   formal;

    last = value->data + value->len;

    while (last > value->data && last[-1] == ' ') {
        last--;
    }

    if (last == value->data || *--last != '>') {
        return NGX_ABORT;
    }

    for (p = last; p > value->data && *p != '<'; p--) { /* void */ }

    if (*p != '<' || p + 1 == last) {
        return NGX_ABORT;
    }

    uri->data = p + 1;
    uri->len = last - uri->data;

    if (name == NULL) {
        return NGX_OK;
    }

    formal.data = value->data;
    formal.len = p - value->data;

    while (formal.len && formal.data[formal.len - 1] == ' ') {
        formal.len--;
    }

    if (formal.len >= 2 && formal.data[0] == '"'
        && formal.data[formal.len - 1] == '"')
    {
        formal.data++;
        formal.len -= 2;
    }

    return ngx_sip_cpim_unescape(pool, &formal, name);
}


/* RFC 3862, 4.6: [ prefix SP ] "<" URI ">", for what follows */

static ngx_int_t
ngx_sip_cpim_namespace(ngx_sip_cpim_reader_t *reader, ngx_str_t *value)
{
    ngx_int_t   rc;
    ngx_str_t   prefix, uri;
    ngx_uint_t  i;

    rc = ngx_sip_cpim_address(reader->pool, value, &prefix, &uri);

    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; i < reader->nprefixes; i++) {
        if (ngx_fed_str_equal(&reader->prefixes[i], &prefix)) {
            reader->prefixes[i] = reader->prefixes[--reader->nprefixes];
            break;
        }
    }

    if (!ngx_sip_cpim_is(&uri, NGX_SIP_CPIM_IMDN)) {
        return NGX_OK;
    }

    if (reader->nprefixes == NGX_SIP_CPIM_PREFIXES) {
        return NGX_ABORT;
    }

    reader->prefixes[reader->nprefixes++] = prefix;

    return NGX_OK;
}


/* RFC 3862, 4.7: names of header fields that have to be understood */

static ngx_int_t
ngx_sip_cpim_require(ngx_sip_cpim_reader_t *reader, ngx_str_t *value)
{
    u_char     *p, *last;
    ngx_str_t   name;

    p = value->data;
    last = p + value->len;

    while (p < last && ngx_sip_item(&p, last, &name) == NGX_OK) {
        if (ngx_sip_cpim_space(reader, &name) == NGX_SIP_CPIM_OTHER) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* RFC 3862, 2.3.1; what is none after a backslash stands for itself */

static ngx_int_t
ngx_sip_cpim_unescape(ngx_pool_t *pool, ngx_str_t *in, ngx_str_t *out)
{
    u_char  *p, *dst, *last;

    ngx_str_null(out);

    if (in->len == 0) {
        return NGX_OK;
    }

    dst = ngx_pnalloc(pool, in->len);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    out->data = dst;

    p = in->data;
    last = p + in->len;

    while (p < last) {

        if (*p != '\\' || p + 1 == last) {
            *dst++ = *p++;
            continue;
        }

        p++;

        switch (*p) {

        case 'b':
            *dst++ = '\b';
            break;

        case 't':
            *dst++ = '\t';
            break;

        case 'n':
            *dst++ = LF;
            break;

        case 'r':
            *dst++ = CR;
            break;

        case 'u':

            if (last - p > 4 && ngx_hextoi(p + 1, 4) != NGX_ERROR) {
                dst = ngx_sip_cpim_character(dst, ngx_hextoi(p + 1, 4));
                p += 4;
                break;
            }

            /* fall through */

        default:
            *dst++ = *p;
        }

        p++;
    }

    out->len = dst - out->data;

    return NGX_OK;
}


/* Writes the character of four hex digits, if it is one. */

static u_char *
ngx_sip_cpim_character(u_char *dst, ngx_int_t n)
{
    if (n == 0 || (n >= 0xd800 && n <= 0xdfff)) {
        return dst;
    }

    if (n < 0x80) {
        *dst++ = (u_char) n;
        return dst;
    }

    if (n < 0x800) {
        *dst++ = (u_char) (0xc0 | (n >> 6));

    } else {
        *dst++ = (u_char) (0xe0 | (n >> 12));
        *dst++ = (u_char) (0x80 | ((n >> 6) & 0x3f));
    }

    *dst++ = (u_char) (0x80 | (n & 0x3f));

    return dst;
}


/* The size that ngx_sip_cpim_write() takes at most. */

size_t
ngx_sip_cpim_size(ngx_sip_cpim_t *cpim)
{
    return sizeof("From: \"\" <>" CRLF "To: <>" CRLF
                  "NS: imdn <" NGX_SIP_CPIM_IMDN ">" CRLF
                  "imdn.Message-ID: " CRLF "DateTime: " CRLF
                  "imdn.IMDN-Route: <>" CRLF
                  "imdn.Disposition-Notification: positive-delivery,"
                  " negative-delivery, display" CRLF CRLF)
           + 6 * cpim->name.len + cpim->from.len + cpim->to.len
           + cpim->id.len + cpim->date.len + cpim->route.len;
}


/* Writes an envelope up to where the MIME part begins. */

u_char *
ngx_sip_cpim_write(u_char *dst, ngx_sip_cpim_t *cpim)
{
    u_char      *p;
    ngx_uint_t   i;

    static const ngx_str_t  dispositions[] = {
        ngx_string("positive-delivery"),
        ngx_string("negative-delivery"),
        ngx_string("display")
    };

    dst = ngx_sip_cpim_put(dst, "From: ");

    if (cpim->name.len) {
        *dst++ = '"';
        dst = ngx_sip_cpim_escape(dst, &cpim->name);
        dst = ngx_sip_cpim_put(dst, "\" ");
    }

    *dst++ = '<';
    dst = ngx_cpymem(dst, cpim->from.data, cpim->from.len);
    dst = ngx_sip_cpim_put(dst, ">" CRLF "To: <");
    dst = ngx_cpymem(dst, cpim->to.data, cpim->to.len);
    dst = ngx_sip_cpim_put(dst, ">" CRLF);

    if (cpim->id.len) {
        dst = ngx_sip_cpim_put(dst, "NS: imdn <" NGX_SIP_CPIM_IMDN ">" CRLF
                                    "imdn.Message-ID: ");
        dst = ngx_cpymem(dst, cpim->id.data, cpim->id.len);
        dst = ngx_sip_cpim_put(dst, CRLF);
    }

    if (cpim->date.len) {
        dst = ngx_sip_cpim_put(dst, "DateTime: ");
        dst = ngx_cpymem(dst, cpim->date.data, cpim->date.len);
        dst = ngx_sip_cpim_put(dst, CRLF);
    }

    if (cpim->route.len) {
        dst = ngx_sip_cpim_put(dst, "imdn.IMDN-Route: <");
        dst = ngx_cpymem(dst, cpim->route.data, cpim->route.len);
        dst = ngx_sip_cpim_put(dst, ">" CRLF);
    }

    if (cpim->dispositions) {
        dst = ngx_sip_cpim_put(dst, "imdn.Disposition-Notification: ");
        p = dst;

        for (i = 0; i < 3; i++) {

            if (!(cpim->dispositions & (1 << i))) {
                continue;
            }

            if (dst != p) {
                dst = ngx_sip_cpim_put(dst, ", ");
            }

            dst = ngx_cpymem(dst, dispositions[i].data, dispositions[i].len);
        }

        dst = ngx_sip_cpim_put(dst, CRLF);
    }

    return ngx_sip_cpim_put(dst, CRLF);
}


/* RFC 3862, 2.3.1, in a string in quotes: six octets for one at most */

static u_char *
ngx_sip_cpim_escape(u_char *dst, ngx_str_t *text)
{
    size_t  i;
    u_char  ch;

    static const u_char  hex[] = "0123456789abcdef";

    for (i = 0; i < text->len; i++) {

        ch = text->data[i];

        switch (ch) {

        case '"':
        case '\\':
            *dst++ = '\\';
            *dst++ = ch;
            break;

        case '\b':
            dst = ngx_sip_cpim_put(dst, "\\b");
            break;

        case '\t':
            dst = ngx_sip_cpim_put(dst, "\\t");
            break;

        case LF:
            dst = ngx_sip_cpim_put(dst, "\\n");
            break;

        case CR:
            dst = ngx_sip_cpim_put(dst, "\\r");
            break;

        default:

            if (ch < 0x20 || ch == 0x7f) {
                dst = ngx_sip_cpim_put(dst, "\\u00");
                *dst++ = hex[ch >> 4];
                *dst++ = hex[ch & 0xf];

            } else {
                *dst++ = ch;
            }
        }
    }

    return dst;
}
