
/*
 * Addresses of users: JID (RFC 7622) and SIP URI (RFC 3261), both ways.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <idn2.h>
#include "ngx_fed_address.h"
#include "ngx_fed_precis.h"
#include "ngx_fed_text.h"


#define NGX_FED_JID_MAX      3071       /* RFC 7622, 3.1 */

#define NGX_FED_IDN_FLAGS    (IDN2_NFC_INPUT|IDN2_NO_TR46)


/* what an octet may be */

#define NGX_FED_USER         0x01       /* user, RFC 3261, 25 */
#define NGX_FED_PARAM        0x02       /* paramchar */
#define NGX_FED_PASSWORD     0x04       /* password */
#define NGX_FED_HOST         0x08       /* of a hostname */
#define NGX_FED_ESCAPE       0x10       /* not in a localpart, RFC 7622, 3.3.1,
                                           thus escaped, XEP-0106 */
#define NGX_FED_BACKSLASH    0x20
#define NGX_FED_CONTROL      0x40
#define NGX_FED_WIDE         0x80       /* beyond ASCII */


/* a SIP URI, taken apart */

typedef struct {
    ngx_str_t                     user;
    ngx_str_t                     host;
    ngx_str_t                     gr;        /* RFC 5627, 4.2 */
    ngx_uint_t                    literal;   /* host is an IPv6 reference */
} ngx_fed_address_uri_t;


static ngx_int_t ngx_fed_address_localpart(ngx_pool_t *pool, u_char *buf,
    ngx_str_t *part, ngx_str_t *user);
static ngx_int_t ngx_fed_address_enforce(ngx_pool_t *pool, ngx_str_t *user);
static ngx_int_t ngx_fed_address_unescape(ngx_str_t *user);
static ngx_uint_t ngx_fed_address_code(u_char *p, u_char *last);
static u_char *ngx_fed_address_escape(u_char *dst, ngx_str_t *user);
static ngx_int_t ngx_fed_address_representable(ngx_str_t *user);
static ngx_int_t ngx_fed_address_user(ngx_pool_t *pool, u_char *buf,
    ngx_str_t *part, ngx_str_t *user);
static ngx_int_t ngx_fed_address_resource(ngx_pool_t *pool, u_char *buf,
    ngx_str_t *part, ngx_str_t *resource);

static ngx_int_t ngx_fed_address_uri(ngx_str_t *text,
    ngx_fed_address_uri_t *uri);
static ngx_int_t ngx_fed_address_scheme(u_char **pos, u_char *last);
static ngx_int_t ngx_fed_address_userinfo(u_char *p, u_char *last,
    ngx_fed_address_uri_t *uri);
static ngx_int_t ngx_fed_address_hostport(u_char **pos, u_char *last,
    ngx_fed_address_uri_t *uri);
static ngx_int_t ngx_fed_address_params(u_char *p, u_char *last,
    ngx_fed_address_uri_t *uri);
static u_char *ngx_fed_address_skip(u_char *p, u_char *last,
    ngx_uint_t class);
static u_char *ngx_fed_address_percent_decode(u_char *dst, ngx_str_t *text);
static u_char *ngx_fed_address_percent_encode(u_char *dst, ngx_str_t *text,
    ngx_uint_t class);

static ngx_int_t ngx_fed_address_host(ngx_pool_t *pool, u_char *buf,
    ngx_str_t *text, ngx_str_t *domain, ngx_str_t *unicode);
static ngx_int_t ngx_fed_address_labels(ngx_str_t *domain, ngx_uint_t *ace);
static ngx_int_t ngx_fed_address_label(u_char *p, size_t len);
static ngx_uint_t ngx_fed_address_ipv4(ngx_str_t *text);
static ngx_int_t ngx_fed_address_to_ascii(ngx_pool_t *pool, ngx_str_t *text,
    ngx_str_t *domain);
static ngx_int_t ngx_fed_address_to_unicode(ngx_pool_t *pool,
    ngx_str_t *domain, ngx_str_t *text);
static ngx_int_t ngx_fed_address_copy(ngx_pool_t *pool, ngx_str_t *dst,
    u_char *src, size_t len);


static u_char  ngx_fed_address_classes[] = {
    0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40,
    0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40,
    0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40,
    0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40,

    /* sp     !     "     #     $     %     &     ' */
    0x10, 0x07, 0x10, 0x00, 0x07, 0x00, 0x17, 0x17,
    /* (      )     *     +     ,     -     .     / */
    0x07, 0x07, 0x07, 0x07, 0x05, 0x0f, 0x0f, 0x13,
    /* 0 .. 7 */
    0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f,
    /* 8      9     :     ;     <     =     >     ? */
    0x0f, 0x0f, 0x12, 0x01, 0x10, 0x05, 0x10, 0x01,

    /* @      A .. G */
    0x10, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f,
    0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f,
    0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f,
    /* X      Y     Z     [     \     ]     ^     _ */
    0x0f, 0x0f, 0x0f, 0x02, 0x20, 0x02, 0x00, 0x07,

    /* `      a .. g */
    0x00, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f,
    0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f,
    0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f,
    /* x      y     z     {     |     }     ~   del */
    0x0f, 0x0f, 0x0f, 0x00, 0x00, 0x00, 0x07, 0x40,

    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80
};


/*
 * Reads a JID, bare or full (RFC 7622, 3.1), which may lie in a read buffer,
 * and undoes the escapes of XEP-0106.  Returns NGX_OK, NGX_DECLINED if it is
 * malformed or its domain is an IP address, or NGX_ERROR.
 */

ngx_int_t
ngx_fed_address_from_jid(ngx_pool_t *pool, ngx_str_t *jid,
    ngx_fed_address_t *addr)
{
    u_char     *p, *at, *last, *slash, *buf;
    ngx_int_t   rc;
    ngx_str_t   part;

    if (jid->len == 0 || jid->len > NGX_FED_JID_MAX) {
        return NGX_DECLINED;
    }

    p = jid->data;
    last = p + jid->len;

    ngx_memzero(addr, sizeof(ngx_fed_address_t));

    buf = ngx_pnalloc(pool, jid->len);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    slash = ngx_strlchr(p, last, '/');

    if (slash) {
        part.data = slash + 1;
        part.len = last - part.data;

        rc = ngx_fed_address_resource(pool, buf + (part.data - p), &part,
                                      &addr->resource);
        if (rc != NGX_OK) {
            return rc;
        }

        last = slash;
    }

    at = ngx_strlchr(p, last, '@');

    if (at) {
        part.data = p;
        part.len = at - p;

        rc = ngx_fed_address_localpart(pool, buf, &part, &addr->user);
        if (rc != NGX_OK) {
            return rc;
        }

        buf += part.len;
        p = at + 1;
    }

    part.data = p;
    part.len = last - p;

    rc = ngx_fed_address_host(pool, buf, &part, &addr->domain, &addr->unicode);

    return (rc == NGX_OK || rc == NGX_ERROR) ? rc : NGX_DECLINED;
}


/*
 * Reads a sip, im or pres URI (RFC 3261, 25; RFC 7247, 6.4), which may lie in
 * a read buffer; what is no part of an address, such as port, password and
 * parameters other than gr, is checked and dropped.  Returns NGX_OK, one of
 * NGX_FED_ADDRESS_*, or NGX_ERROR.
 */

ngx_int_t
ngx_fed_address_from_sip(ngx_pool_t *pool, ngx_str_t *text,
    ngx_fed_address_t *addr)
{
    u_char                 *buf;
    ngx_int_t               rc;
    ngx_fed_address_uri_t   uri;

    rc = ngx_fed_address_uri(text, &uri);
    if (rc != NGX_OK) {
        return rc;
    }

    if (uri.literal) {
        return NGX_FED_ADDRESS_UNMAPPABLE;
    }

    ngx_memzero(addr, sizeof(ngx_fed_address_t));

    buf = ngx_pnalloc(pool, uri.user.len + uri.host.len + uri.gr.len);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_fed_address_host(pool, buf, &uri.host, &addr->domain,
                              &addr->unicode);

    buf += uri.host.len;

    if (rc == NGX_OK && uri.user.len) {
        rc = ngx_fed_address_user(pool, buf, &uri.user, &addr->user);
        buf += uri.user.len;
    }

    if (rc == NGX_OK && uri.gr.len) {
        uri.gr.len = ngx_fed_address_percent_decode(buf, &uri.gr) - buf;
        uri.gr.data = buf;

        rc = ngx_fed_address_resource(pool, buf, &uri.gr, &addr->resource);
    }

    return (rc == NGX_DECLINED) ? NGX_FED_ADDRESS_UNMAPPABLE : rc;
}


/*
 * Reads what gone, redirect and Contact have: an XMPP IRI, of which the query
 * is left out (RFC 5122, 2.2), or a SIP URI.  Returns NGX_OK, NGX_DECLINED if
 * it is neither, or NGX_ERROR.
 */

ngx_int_t
ngx_fed_address_from_any(ngx_pool_t *pool, ngx_str_t *uri,
    ngx_fed_address_t *addr)
{
    u_char     *p, *last;
    ngx_int_t   rc;
    ngx_str_t   jid;

    if (uri->len <= sizeof("xmpp:") - 1
        || ngx_strncasecmp(uri->data, (u_char *) "xmpp:", sizeof("xmpp:") - 1)
           != 0)
    {
        rc = ngx_fed_address_from_sip(pool, uri, addr);

        return (rc == NGX_OK || rc == NGX_ERROR) ? rc : NGX_DECLINED;
    }

    jid.data = uri->data + sizeof("xmpp:") - 1;
    last = ngx_strlchr(jid.data, uri->data + uri->len, '?');

    if (last == NULL) {
        last = uri->data + uri->len;
    }

    jid.len = last - jid.data;

    for (p = jid.data; p < last; p++) {
        if (*p == '%'
            && (last - p < (ssize_t) (sizeof("%20") - 1)
                || ngx_hextoi(p + 1, 2) == NGX_ERROR))
        {
            return NGX_DECLINED;
        }
    }

    p = ngx_pnalloc(pool, jid.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    jid.len = ngx_fed_address_percent_decode(p, &jid) - p;
    jid.data = p;

    return ngx_fed_address_from_jid(pool, &jid, addr);
}


/*
 * Returns what ngx_fed_address_to_jid() writes at most.
 */

size_t
ngx_fed_address_jid_size(ngx_fed_address_t *addr)
{
    return addr->user.len * (sizeof("\\20") - 1) + sizeof("@") - 1
           + ngx_max(addr->domain.len, addr->unicode.len)
           + sizeof("/") - 1 + addr->resource.len;
}


/*
 * Writes the JID, with XEP-0106 escapes and the domain in U-labels (RFC 7247,
 * 6.4; RFC 7622, 3.2.1).  Returns its end.  It is not escaped for XML.
 */

u_char *
ngx_fed_address_to_jid(u_char *dst, ngx_fed_address_t *addr)
{
    ngx_str_t  *domain;

    if (addr->user.len) {
        dst = ngx_fed_address_escape(dst, &addr->user);
        *dst++ = '@';
    }

    domain = addr->unicode.len ? &addr->unicode : &addr->domain;

    dst = ngx_cpymem(dst, domain->data, domain->len);

    if (addr->resource.len) {
        *dst++ = '/';
        dst = ngx_cpymem(dst, addr->resource.data, addr->resource.len);
    }

    return dst;
}


/*
 * Returns what ngx_fed_address_to_sip() writes at most.
 */

size_t
ngx_fed_address_sip_size(ngx_fed_address_t *addr)
{
    return sizeof("sip:") - 1
           + addr->user.len * (sizeof("%20") - 1) + sizeof("@") - 1
           + addr->domain.len
           + sizeof(";gr=") - 1 + addr->resource.len * (sizeof("%20") - 1);
}


/*
 * Writes the SIP URI, the resource as its gr parameter (RFC 7247, 6.5; RFC
 * 5627, 4.2).  Returns its end.  In a header field it has to stand between
 * angle brackets (RFC 3261, 20.10).
 */

u_char *
ngx_fed_address_to_sip(u_char *dst, ngx_fed_address_t *addr)
{
    dst = ngx_cpymem(dst, "sip:", sizeof("sip:") - 1);

    if (addr->user.len) {
        dst = ngx_fed_address_percent_encode(dst, &addr->user, NGX_FED_USER);
        *dst++ = '@';
    }

    dst = ngx_cpymem(dst, addr->domain.data, addr->domain.len);

    if (addr->resource.len) {
        dst = ngx_cpymem(dst, ";gr=", sizeof(";gr=") - 1);
        dst = ngx_fed_address_percent_encode(dst, &addr->resource,
                                             NGX_FED_PARAM);
    }

    return dst;
}


/*
 * Brings a domain, which may lie in a read buffer, into the form used for
 * look-ups: lower case, A-labels, no trailing dot (RFC 7622, 3.2; RFC 5891, 5).
 * Returns NGX_OK, NGX_DECLINED if it is no domain name or an IP address, or
 * NGX_ERROR.
 */

ngx_int_t
ngx_fed_address_domain(ngx_pool_t *pool, ngx_str_t *text, ngx_str_t *domain)
{
    u_char     *buf;
    ngx_int_t   rc;

    if (text->len == 0 || text->len > NGX_FED_PART_MAX) {
        return NGX_DECLINED;
    }

    buf = ngx_pnalloc(pool, text->len);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_fed_address_host(pool, buf, text, domain, NULL);

    return (rc == NGX_OK || rc == NGX_ERROR) ? rc : NGX_DECLINED;
}


/*
 * Writes a domain as ngx_fed_address_domain() returns it in U-labels (RFC
 * 7622, 3.2.1); without A-labels it is the same string, not a copy.  Returns
 * NGX_OK, NGX_DECLINED if a label is a fake A-label (RFC 5890, 2.3.1), or
 * NGX_ERROR.
 */

ngx_int_t
ngx_fed_address_domain_unicode(ngx_pool_t *pool, ngx_str_t *domain,
    ngx_str_t *text)
{
    ngx_uint_t  ace;

    if (ngx_fed_address_labels(domain, &ace) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (!ace) {
        *text = *domain;
        return NGX_OK;
    }

    return ngx_fed_address_to_unicode(pool, domain, text);
}


/* RFC 7622, 3.3, then RFC 7247, 6.5, steps 2 and 3; buf has room for part */

static ngx_int_t
ngx_fed_address_localpart(ngx_pool_t *pool, u_char *buf, ngx_str_t *part,
    ngx_str_t *user)
{
    u_char      ch, *d, *p, *last;
    ngx_int_t   rc;
    ngx_uint_t  seen;

    if (part->len == 0 || part->len > NGX_FED_PART_MAX) {
        return NGX_DECLINED;
    }

    seen = 0;

    d = buf;
    last = part->data + part->len;

    for (p = part->data; p < last; p++) {
        ch = *p;
        seen |= ngx_fed_address_classes[ch];
        *d++ = ngx_tolower(ch);
    }

    if (seen & (NGX_FED_ESCAPE|NGX_FED_CONTROL)) {
        return NGX_DECLINED;
    }

    user->data = buf;
    user->len = part->len;

    if (!(seen & (NGX_FED_WIDE|NGX_FED_BACKSLASH))) {
        return NGX_OK;
    }

    if (!(seen & NGX_FED_WIDE)) {
        return ngx_fed_address_unescape(user);
    }

    rc = ngx_fed_address_enforce(pool, user);
    if (rc != NGX_OK) {
        return rc;
    }

    /* fullwidth forms may have become what is not allowed */

    last = user->data + user->len;

    for (p = user->data; p < last; p++) {
        if (ngx_fed_address_classes[*p] & NGX_FED_ESCAPE) {
            return NGX_DECLINED;
        }
    }

    if (ngx_fed_address_unescape(user) != NGX_OK) {
        return NGX_DECLINED;
    }

    return ngx_fed_address_representable(user);
}


/* UsernameCaseMapped, RFC 8265, 3.3, but for the bidi rule */

static ngx_int_t
ngx_fed_address_enforce(ngx_pool_t *pool, ngx_str_t *user)
{
    u_char     text[NGX_FED_PRECIS_MAX];
    size_t     len;
    ngx_int_t  rc;

    if (!ngx_fed_text_valid(user->data, user->len)) {
        return NGX_DECLINED;
    }

    rc = ngx_fed_precis_username(text, &len, user->data, user->len);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_fed_address_copy(pool, user, text, len);
}


/*
 * XEP-0106, 3.3, in place, in one pass.  An escaped backslash that did not
 * need to be is refused: it would make two JIDs one address.
 */

static ngx_int_t
ngx_fed_address_unescape(ngx_str_t *user)
{
    u_char      *d, *p, *last;
    ngx_uint_t   ch;

    p = user->data;
    d = p;
    last = p + user->len;

    while (p < last) {

        if (*p != '\\') {
            *d++ = *p++;
            continue;
        }

        ch = ngx_fed_address_code(p + 1, last);

        if (ch == 0) {
            *d++ = *p++;
            continue;
        }

        p += sizeof("\\20") - 1;

        if (ch == '\\' && ngx_fed_address_code(p, last) == 0) {
            return NGX_DECLINED;
        }

        *d++ = (u_char) ch;
    }

    user->len = d - user->data;

    if (user->data[0] == ' ' || d[-1] == ' ') {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* the character that a code of XEP-0106, 3.2, stands for, or 0 */

static ngx_uint_t
ngx_fed_address_code(u_char *p, u_char *last)
{
    ngx_uint_t  ch;

    if (last - p < 2 || p[0] < '2' || p[0] > '5') {
        return 0;
    }

    ch = (p[0] - '0') << 4;

    if (p[1] >= '0' && p[1] <= '9') {
        ch |= p[1] - '0';

    } else if (p[1] >= 'a' && p[1] <= 'f') {
        ch |= p[1] - 'a' + 10;

    } else {
        return 0;
    }

    if (ngx_fed_address_classes[ch] & (NGX_FED_ESCAPE|NGX_FED_BACKSLASH)) {
        return ch;
    }

    return 0;
}


/* XEP-0106, 3.2 and 4.2 */

static u_char *
ngx_fed_address_escape(u_char *dst, ngx_str_t *user)
{
    u_char         ch, *p, *last;
    ngx_uint_t     class;
    static u_char  hex[] = "0123456789abcdef";

    p = user->data;
    last = p + user->len;

    while (p < last) {
        ch = *p++;
        class = ngx_fed_address_classes[ch];

        if ((class & NGX_FED_ESCAPE)
            || ((class & NGX_FED_BACKSLASH) && ngx_fed_address_code(p, last)))
        {
            *dst++ = '\\';
            *dst++ = hex[ch >> 4];
            *dst++ = hex[ch & 0xf];
            continue;
        }

        *dst++ = ch;
    }

    return dst;
}


/*
 * whether a user part beyond ASCII has a JID that is read as that user part
 * again: enforcing it changes nothing (RFC 8264, 7), escaped or not, and it
 * meets the bidi rule
 */

static ngx_int_t
ngx_fed_address_representable(ngx_str_t *user)
{
    u_char     jid[3 * NGX_FED_PART_MAX], text[NGX_FED_PRECIS_MAX];
    size_t     len, size;
    ngx_int_t  rc;

    len = ngx_fed_address_escape(jid, user) - jid;

    if (len > NGX_FED_PART_MAX) {
        return NGX_DECLINED;
    }

    rc = ngx_fed_precis_fold(text, &size, jid, len);
    if (rc != NGX_OK) {
        return rc;
    }

    if (size != len || ngx_memcmp(text, jid, len) != 0) {
        return NGX_DECLINED;
    }

    rc = ngx_fed_precis_fold(text, &size, user->data, user->len);
    if (rc != NGX_OK) {
        return rc;
    }

    if (size != user->len || ngx_memcmp(text, user->data, size) != 0) {
        return NGX_DECLINED;
    }

    return ngx_fed_precis_bidi(jid, len);
}


/* RFC 7247, 6.4, steps 3 to 5; buf has room for part */

static ngx_int_t
ngx_fed_address_user(ngx_pool_t *pool, u_char *buf, ngx_str_t *part,
    ngx_str_t *user)
{
    u_char      ch, *p, *last, jid[3 * NGX_FED_PART_MAX];
    ngx_int_t   rc;
    ngx_uint_t  seen;

    last = ngx_fed_address_percent_decode(buf, part);

    if (last - buf > NGX_FED_PART_MAX) {
        return NGX_DECLINED;
    }

    seen = 0;

    for (p = buf; p < last; p++) {
        ch = *p;
        seen |= ngx_fed_address_classes[ch];
        *p = ngx_tolower(ch);
    }

    if (seen & NGX_FED_CONTROL) {
        return NGX_DECLINED;
    }

    user->data = buf;
    user->len = last - buf;

    if (seen & NGX_FED_WIDE) {
        rc = ngx_fed_address_enforce(pool, user);
        if (rc != NGX_OK) {
            return rc;
        }

        rc = ngx_fed_address_representable(user);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (user->data[0] == ' ' || user->data[user->len - 1] == ' ') {
        return NGX_DECLINED;
    }

    if (user->len > NGX_FED_PART_MAX / 3
        && ngx_fed_address_escape(jid, user) - jid > NGX_FED_PART_MAX)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* RFC 7622, 3.4; buf has room for part and may be where it lies */

static ngx_int_t
ngx_fed_address_resource(ngx_pool_t *pool, u_char *buf, ngx_str_t *part,
    ngx_str_t *resource)
{
    u_char      ch, *d, *p, *last, text[NGX_FED_PRECIS_MAX];
    size_t      len;
    ngx_int_t   rc;
    ngx_uint_t  seen;

    if (part->len == 0 || part->len > NGX_FED_PART_MAX) {
        return NGX_DECLINED;
    }

    seen = 0;

    d = buf;
    last = part->data + part->len;

    for (p = part->data; p < last; p++) {
        ch = *p;
        seen |= ngx_fed_address_classes[ch];
        *d++ = ch;
    }

    if (seen & NGX_FED_CONTROL) {
        return NGX_DECLINED;
    }

    resource->data = buf;
    resource->len = part->len;

    if (!(seen & NGX_FED_WIDE)) {
        return NGX_OK;
    }

    if (!ngx_fed_text_valid(buf, part->len)) {
        return NGX_DECLINED;
    }

    rc = ngx_fed_precis_opaque(text, &len, buf, part->len);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_fed_address_copy(pool, resource, text, len);
}


static ngx_int_t
ngx_fed_address_uri(ngx_str_t *text, ngx_fed_address_uri_t *uri)
{
    u_char     *p, *at, *last;
    ngx_int_t   rc;

    ngx_memzero(uri, sizeof(ngx_fed_address_uri_t));

    p = text->data;
    last = p + text->len;

    rc = ngx_fed_address_scheme(&p, last);
    if (rc != NGX_OK) {
        return rc;
    }

    /* a raw "@" may stand nowhere but after the userinfo */

    at = ngx_strlchr(p, last, '@');

    if (at) {
        if (ngx_fed_address_userinfo(p, at, uri) != NGX_OK) {
            return NGX_FED_ADDRESS_SYNTAX;
        }

        p = at + 1;
    }

    if (ngx_fed_address_hostport(&p, last, uri) != NGX_OK) {
        return NGX_FED_ADDRESS_SYNTAX;
    }

    return ngx_fed_address_params(p, last, uri);
}


static ngx_int_t
ngx_fed_address_scheme(u_char **pos, u_char *last)
{
    u_char  ch, *p, *colon;
    size_t  len;

    p = *pos;
    colon = ngx_strlchr(p, last, ':');

    if (colon == NULL || colon == p) {
        return NGX_FED_ADDRESS_SYNTAX;
    }

    *pos = colon + 1;
    len = colon - p;

    if ((len == 3 && ngx_strncasecmp(p, (u_char *) "sip", 3) == 0)
        || (len == 2 && ngx_strncasecmp(p, (u_char *) "im", 2) == 0)
        || (len == 4 && ngx_strncasecmp(p, (u_char *) "pres", 4) == 0))
    {
        return NGX_OK;
    }

    if (len == 4 && ngx_strncasecmp(p, (u_char *) "sips", 4) == 0) {
        return NGX_FED_ADDRESS_SECURE;
    }

    ch = ngx_tolower(*p);

    if (ch < 'a' || ch > 'z') {
        return NGX_FED_ADDRESS_SYNTAX;
    }

    while (p < colon) {
        ch = *p++;

        if (!(ngx_fed_address_classes[ch] & NGX_FED_HOST) && ch != '+') {
            return NGX_FED_ADDRESS_SYNTAX;
        }
    }

    return NGX_FED_ADDRESS_SCHEME;
}


static ngx_int_t
ngx_fed_address_userinfo(u_char *p, u_char *last, ngx_fed_address_uri_t *uri)
{
    u_char  *end;

    end = ngx_fed_address_skip(p, last, NGX_FED_USER);

    if (end == p) {
        return NGX_ERROR;
    }

    uri->user.data = p;
    uri->user.len = end - p;

    if (end < last && *end == ':') {
        end = ngx_fed_address_skip(end + 1, last, NGX_FED_PASSWORD);
    }

    return (end == last) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_fed_address_hostport(u_char **pos, u_char *last,
    ngx_fed_address_uri_t *uri)
{
    u_char      *p, *start, addr[16];
    ngx_uint_t   port;

    p = *pos;

    if (p < last && *p == '[') {
        start = ++p;
        p = ngx_strlchr(p, last, ']');

        if (p == NULL || ngx_inet6_addr(start, p - start, addr) != NGX_OK) {
            return NGX_ERROR;
        }

        p++;
        uri->literal = 1;

    } else {
        uri->host.data = p;

        while (p < last && (ngx_fed_address_classes[*p] & NGX_FED_HOST)) {
            p++;
        }

        uri->host.len = p - uri->host.data;

        if (uri->host.len == 0) {
            return NGX_ERROR;
        }
    }

    if (p < last && *p == ':') {
        start = ++p;
        port = 0;

        while (p < last && *p >= '0' && *p <= '9' && port <= 65535) {
            port = port * 10 + (*p++ - '0');
        }

        if (p == start || port == 0 || port > 65535) {
            return NGX_ERROR;
        }
    }

    *pos = p;

    return NGX_OK;
}


/* headers, which would begin with "?", are not for any URI read here */

static ngx_int_t
ngx_fed_address_params(u_char *p, u_char *last, ngx_fed_address_uri_t *uri)
{
    u_char      *start;
    ngx_str_t    name, value;
    ngx_uint_t   gr;

    gr = 0;

    while (p < last) {

        if (*p++ != ';') {
            return NGX_FED_ADDRESS_SYNTAX;
        }

        start = p;
        p = ngx_fed_address_skip(p, last, NGX_FED_PARAM);

        name.data = start;
        name.len = p - start;

        ngx_str_null(&value);

        if (p < last && *p == '=') {
            start = ++p;
            p = ngx_fed_address_skip(p, last, NGX_FED_PARAM);

            value.data = start;
            value.len = p - start;
        }

        if (name.len == 0 || (value.data && value.len == 0)) {
            return NGX_FED_ADDRESS_SYNTAX;
        }

        if (name.len == 2
            && ngx_strncasecmp(name.data, (u_char *) "gr", 2) == 0)
        {
            if (gr++) {
                return NGX_FED_ADDRESS_SYNTAX;
            }

            uri->gr = value;
        }
    }

    return NGX_OK;
}


/* moves past characters of the class and escapes, RFC 3261, 25 */

static u_char *
ngx_fed_address_skip(u_char *p, u_char *last, ngx_uint_t class)
{
    while (p < last) {

        if (ngx_fed_address_classes[*p] & class) {
            p++;
            continue;
        }

        if (*p != '%' || last - p < 3 || ngx_hextoi(p + 1, 2) == NGX_ERROR) {
            break;
        }

        p += 3;
    }

    return p;
}


/* dst has room for the text */

static u_char *
ngx_fed_address_percent_decode(u_char *dst, ngx_str_t *text)
{
    u_char  *p, *last;

    p = text->data;
    last = p + text->len;

    while (p < last) {

        if (*p == '%') {
            *dst++ = (u_char) ngx_hextoi(p + 1, 2);
            p += 3;
            continue;
        }

        *dst++ = *p++;
    }

    return dst;
}


static u_char *
ngx_fed_address_percent_encode(u_char *dst, ngx_str_t *text, ngx_uint_t class)
{
    u_char         ch, *p, *last;
    static u_char  hex[] = "0123456789ABCDEF";

    p = text->data;
    last = p + text->len;

    while (p < last) {
        ch = *p++;

        if (ngx_fed_address_classes[ch] & class) {
            *dst++ = ch;
            continue;
        }

        *dst++ = '%';
        *dst++ = hex[ch >> 4];
        *dst++ = hex[ch & 0xf];
    }

    return dst;
}


/*
 * buf has room for the text; unicode may be NULL.  Returns NGX_OK, NGX_ERROR,
 * NGX_FED_ADDRESS_SYNTAX or NGX_FED_ADDRESS_UNMAPPABLE
 */

static ngx_int_t
ngx_fed_address_host(ngx_pool_t *pool, u_char *buf, ngx_str_t *text,
    ngx_str_t *domain, ngx_str_t *unicode)
{
    u_char      ch, *d, *p, *last;
    ngx_int_t   rc;
    ngx_str_t   copy;
    ngx_uint_t  ace, seen, common;

    domain->data = buf;
    domain->len = text->len;

    seen = 0;
    common = NGX_FED_HOST;

    d = buf;
    last = text->data + text->len;

    for (p = text->data; p < last; p++) {
        ch = *p;
        seen |= ngx_fed_address_classes[ch];
        common &= ngx_fed_address_classes[ch];
        *d++ = ngx_tolower(ch);
    }

    if (seen & NGX_FED_WIDE) {
        rc = ngx_fed_address_to_ascii(pool, text, domain);
        if (rc != NGX_OK) {
            return rc;
        }

    } else if (common == 0) {
        return NGX_FED_ADDRESS_SYNTAX;

    } else if (domain->len && buf[domain->len - 1] == '.') {
        domain->len--;
    }

    rc = ngx_fed_address_labels(domain, &ace);
    if (rc != NGX_OK) {
        return rc;
    }

    if (!ace) {
        if (unicode) {
            *unicode = *domain;
        }

        return NGX_OK;
    }

    rc = ngx_fed_address_to_unicode(pool, domain, &copy);

    if (unicode) {
        *unicode = copy;
    }

    return (rc == NGX_DECLINED) ? NGX_FED_ADDRESS_UNMAPPABLE : rc;
}


/* hostname of RFC 3261, 25, in lower case; sets ace if it has A-labels */

static ngx_int_t
ngx_fed_address_labels(ngx_str_t *domain, ngx_uint_t *ace)
{
    u_char     *p, *dot, *last;
    size_t      len;
    ngx_int_t   rc;

    p = domain->data;
    last = p + domain->len;
    *ace = 0;

    for ( ;; ) {
        dot = ngx_strlchr(p, last, '.');
        len = (dot ? dot : last) - p;

        rc = ngx_fed_address_label(p, len);
        if (rc != NGX_OK) {
            return rc;
        }

        if (len > 4 && ngx_strncmp(p, "xn--", 4) == 0) {
            *ace = 1;
        }

        if (dot == NULL) {
            break;
        }

        p = dot + 1;
    }

    /* the top label begins with a letter */

    if (*p >= '0' && *p <= '9') {
        return ngx_fed_address_ipv4(domain) ? NGX_FED_ADDRESS_UNMAPPABLE
                                            : NGX_FED_ADDRESS_SYNTAX;
    }

    if (domain->len > NGX_FED_DOMAIN_MAX) {
        return NGX_FED_ADDRESS_UNMAPPABLE;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_fed_address_label(u_char *p, size_t len)
{
    if (len == 0 || p[0] == '-' || p[len - 1] == '-') {
        return NGX_FED_ADDRESS_SYNTAX;
    }

    return (len > 63) ? NGX_FED_ADDRESS_UNMAPPABLE : NGX_OK;
}


/* IPv4address of RFC 3261, 25 */

static ngx_uint_t
ngx_fed_address_ipv4(ngx_str_t *text)
{
    size_t      i;
    ngx_uint_t  dots, digits;

    dots = 0;
    digits = 0;

    for (i = 0; i < text->len; i++) {

        if (text->data[i] == '.') {
            dots++;
            digits = 0;
            continue;
        }

        if (text->data[i] < '0' || text->data[i] > '9' || ++digits > 3) {
            return 0;
        }
    }

    return dots == 3;
}


/* RFC 7622, 3.2, and RFC 5891, 5 */

static ngx_int_t
ngx_fed_address_to_ascii(ngx_pool_t *pool, ngx_str_t *text, ngx_str_t *domain)
{
    int         rc;
    u_char      buf[NGX_FED_PRECIS_MAX + 1], *p, *d, *last, *ascii;
    size_t      len;
    ngx_int_t   ret;
    ngx_uint_t  class;

    if (text->len > NGX_FED_PART_MAX
        || !ngx_fed_text_valid(text->data, text->len))
    {
        return NGX_FED_ADDRESS_SYNTAX;
    }

    ret = ngx_fed_precis_fold(buf, &len, text->data, text->len);

    if (ret != NGX_OK) {
        return (ret == NGX_ERROR) ? NGX_ERROR : NGX_FED_ADDRESS_UNMAPPABLE;
    }

    p = buf;
    d = buf;
    last = buf + len;

    while (p < last) {

        /* ideographic full stop, RFC 5895, 2 */

        if (last - p >= 3 && ngx_memcmp(p, "\xe3\x80\x82", 3) == 0) {
            *d++ = '.';
            p += 3;
            continue;
        }

        class = ngx_fed_address_classes[*p];

        if (!(class & (NGX_FED_HOST|NGX_FED_WIDE))) {
            return NGX_FED_ADDRESS_SYNTAX;
        }

        *d++ = *p++;
    }

    if (d > buf && d[-1] == '.') {
        d--;
    }

    *d = '\0';

    rc = idn2_lookup_u8(buf, &ascii, NGX_FED_IDN_FLAGS);

    if (rc != IDN2_OK) {
        return (rc == IDN2_MALLOC) ? NGX_ERROR : NGX_FED_ADDRESS_UNMAPPABLE;
    }

    ret = ngx_fed_address_copy(pool, domain, ascii, ngx_strlen(ascii));

    idn2_free(ascii);

    return ret;
}


/*
 * The U-labels have to give the very same A-labels, RFC 5890, 2.3.2.1, also
 * when they are read from a JID: letters whose case IDNA folds to upper case
 * don't, as RFC 5895 maps them to lower case
 */

static ngx_int_t
ngx_fed_address_to_unicode(ngx_pool_t *pool, ngx_str_t *domain,
    ngx_str_t *text)
{
    int         rc;
    char       *u;
    u_char      buf[NGX_FED_DOMAIN_MAX + 1], fold[NGX_FED_PRECIS_MAX], *p, *a;
    size_t      len, size;
    ngx_int_t   ret;

    p = ngx_cpymem(buf, domain->data, domain->len);
    *p = '\0';

    rc = idn2_to_unicode_8z8z((char *) buf, &u, IDN2_NO_TR46);

    if (rc != IDN2_OK) {
        return (rc == IDN2_MALLOC) ? NGX_ERROR : NGX_DECLINED;
    }

    rc = idn2_lookup_u8((u_char *) u, &a, NGX_FED_IDN_FLAGS);

    if (rc != IDN2_OK) {
        idn2_free(u);
        return (rc == IDN2_MALLOC) ? NGX_ERROR : NGX_DECLINED;
    }

    len = ngx_strlen(u);
    size = 0;

    ret = (ngx_strcmp(a, buf) == 0)
          ? ngx_fed_precis_fold(fold, &size, (u_char *) u, len) : NGX_DECLINED;

    if (ret == NGX_OK) {
        ret = (size == len && ngx_memcmp(fold, u, len) == 0)
              ? ngx_fed_address_copy(pool, text, (u_char *) u, len)
              : NGX_DECLINED;
    }

    idn2_free(a);
    idn2_free(u);

    return ret;
}


static ngx_int_t
ngx_fed_address_copy(ngx_pool_t *pool, ngx_str_t *dst, u_char *src,
    size_t len)
{
    dst->data = ngx_pnalloc(pool, len);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(dst->data, src, len);
    dst->len = len;

    return NGX_OK;
}
