
/*
 * Text as it may stand in XML, which documents of both legs are made of.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_xml.h"


#define NGX_FED_XML_REPLACEMENT  "\xef\xbf\xbd"      /* U+FFFD */


static ngx_uint_t ngx_fed_xml_char(u_char *p, u_char *last);


static const u_char  ngx_fed_xml_escapes[128] = {
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 6, 7, 0x80, 0x80, 5, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,

    /*   ! " # $ % & ' */  0, 0, 8, 0, 0, 0, 3, 4,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,

    /* 8 9 : ; < = > ? */  0, 0, 0, 0, 1, 0, 2, 0
};


static const ngx_str_t  ngx_fed_xml_references[] = {
    ngx_null_string,
    ngx_string("&lt;"),
    ngx_string("&gt;"),
    ngx_string("&amp;"),
    ngx_string("&apos;"),
    ngx_string("&#13;"),
    ngx_string("&#9;"),
    ngx_string("&#10;"),
    ngx_string("&quot;")
};


/*
 * Returns what ngx_fed_xml_escape() writes for len octets of src, in content
 * or, with attr, in an attribute's value.
 */

size_t
ngx_fed_xml_size(u_char *src, size_t len, ngx_uint_t attr)
{
    size_t       size;
    u_char      *last;
    ngx_uint_t   n;

    size = 0;
    last = src + len;

    while (src < last) {

        if (*src >= 0x80) {
            n = ngx_fed_xml_char(src, last);
            size += n ? n : 3;
            src += n ? n : 1;
            continue;
        }

        n = ngx_fed_xml_escapes[*src++];

        if (!attr && (n == 6 || n == 7)) {
            n = 0;
        }

        size += (n == 0) ? 1 : (n == 0x80) ? 3 : ngx_fed_xml_references[n].len;
    }

    return size;
}


/*
 * Writes text, marked up, and with U+FFFD for what is no character of XML or
 * no UTF-8 (XML 1.0, 2.2, RFC 6120, 11.3).  Returns the end.
 */

u_char *
ngx_fed_xml_escape(u_char *dst, u_char *src, size_t len, ngx_uint_t attr)
{
    u_char      *last;
    ngx_uint_t   n;

    last = src + len;

    while (src < last) {

        if (*src >= 0x80) {
            n = ngx_fed_xml_char(src, last);

            if (n) {
                dst = ngx_cpymem(dst, src, n);
                src += n;

            } else {
                dst = ngx_cpymem(dst, NGX_FED_XML_REPLACEMENT, 3);
                src++;
            }

            continue;
        }

        n = ngx_fed_xml_escapes[*src];

        if (n == 0 || (!attr && (n == 6 || n == 7))) {
            *dst++ = *src++;
            continue;
        }

        src++;

        if (n == 0x80) {
            dst = ngx_cpymem(dst, NGX_FED_XML_REPLACEMENT, 3);

        } else {
            dst = ngx_cpymem(dst, ngx_fed_xml_references[n].data,
                             ngx_fed_xml_references[n].len);
        }
    }

    return dst;
}


/*
 * Returns the length of the non-ASCII character at p, or 0 if there is none
 * that XML has (RFC 3629, 4).
 */

static ngx_uint_t
ngx_fed_xml_char(u_char *p, u_char *last)
{
    size_t  left;

    left = last - p;

    if (p[0] < 0xc2) {
        return 0;
    }

    if (p[0] < 0xe0) {
        return (left >= 2 && (p[1] & 0xc0) == 0x80) ? 2 : 0;
    }

    if (p[0] < 0xf0) {

        if (left < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80
            || (p[0] == 0xe0 && p[1] < 0xa0)
            || (p[0] == 0xed && p[1] > 0x9f)
            || (p[0] == 0xef && p[1] == 0xbf && p[2] > 0xbd))
        {
            return 0;
        }

        return 3;
    }

    if (left < 4 || p[0] > 0xf4 || (p[1] & 0xc0) != 0x80
        || (p[2] & 0xc0) != 0x80 || (p[3] & 0xc0) != 0x80
        || (p[0] == 0xf0 && p[1] < 0x90)
        || (p[0] == 0xf4 && p[1] > 0x8f))
    {
        return 0;
    }

    return 4;
}
