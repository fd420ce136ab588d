
/*
 * Text that crosses: UTF-8, line ends, lines for headers and logs, times.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_text.h"


#define NGX_FED_TEXT_HIGH_BITS  UINT64_C(0x8080808080808080)
#define NGX_FED_TEXT_BROKEN     0xffffffff


static u_char *ngx_fed_text_ascii(u_char *p, u_char *last);
static uint32_t ngx_fed_text_decode(u_char **pos, u_char *last);
static ngx_uint_t ngx_fed_text_blank(uint32_t ch);
static ngx_uint_t ngx_fed_text_unsafe(uint32_t ch);


/*
 * Tells whether the octets are UTF-8 (RFC 3629, 3 and 4): no overlong form,
 * no surrogate, nothing above U+10FFFF.  Returns 1 or 0.
 */

ngx_int_t
ngx_fed_text_valid(u_char *p, size_t len)
{
    u_char  *last;

    last = p + len;

    for ( ;; ) {
        p = ngx_fed_text_ascii(p, last);

        if (p == last) {
            return 1;
        }

        if (ngx_fed_text_decode(&p, last) == NGX_FED_TEXT_BROKEN) {
            return 0;
        }
    }
}


/*
 * Copies text as one line for a header field or a reason phrase: controls and
 * all kinds of line ends become spaces, runs of spaces become one, none is
 * left at either end, broken UTF-8 is dropped.  Writes at most max octets, cut
 * between characters, and returns their number.  dst may be src.
 */

size_t
ngx_fed_text_line(u_char *dst, u_char *src, size_t len, size_t max)
{
    u_char      *p, *d, *last, *end, *start;
    size_t       n;
    uint32_t     ch;
    ngx_uint_t   space;

    p = src;
    d = dst;
    last = src + len;
    end = dst + max;
    space = 0;

    while (p < last) {
        start = p;
        ch = ngx_fed_text_decode(&p, last);

        if (ch == NGX_FED_TEXT_BROKEN) {
            continue;
        }

        if (ngx_fed_text_blank(ch)) {
            space = (d != dst);
            continue;
        }

        n = p - start;

        if ((size_t) (end - d) < n + space) {
            break;
        }

        if (space) {
            *d++ = ' ';
            space = 0;
        }

        ngx_memmove(d, start, n);
        d += n;
    }

    return d - dst;
}


/*
 * Copies text with each CRLF and each lone CR made LF, as XML has it (XML 1.0,
 * 2.11).  Returns the length, which is never greater than len.  dst may be
 * src.
 */

size_t
ngx_fed_text_lf(u_char *dst, u_char *src, size_t len)
{
    u_char  *cr, *d, *last;
    size_t   n;

    d = dst;
    last = src + len;

    while (src < last) {
        cr = memchr(src, CR, last - src);
        n = (cr ? cr : last) - src;

        if (d != src) {
            ngx_memmove(d, src, n);
        }

        d += n;
        src += n;

        if (cr) {
            *d++ = LF;
            src++;

            if (src < last && *src == LF) {
                src++;
            }
        }
    }

    return d - dst;
}


/*
 * Returns the size of what ngx_fed_text_crlf() writes.
 */

size_t
ngx_fed_text_crlf_size(u_char *src, size_t len)
{
    u_char  *last;
    size_t   size;

    size = len;
    last = src + len;

    while (src < last) {
        src = memchr(src, LF, last - src);

        if (src == NULL) {
            break;
        }

        src++;
        size++;
    }

    return size;
}


/*
 * Copies text whose lines end in LF with each LF made CRLF, the canonical form
 * of MIME text (RFC 2046, 4.1.1).  Returns the end of what was written.
 */

u_char *
ngx_fed_text_crlf(u_char *dst, u_char *src, size_t len)
{
    u_char  *lf, *last;

    last = src + len;

    while (src < last) {
        lf = memchr(src, LF, last - src);

        if (lf == NULL) {
            return ngx_cpymem(dst, src, last - src);
        }

        dst = ngx_cpymem(dst, src, lf - src);
        *dst++ = CR;
        *dst++ = LF;

        src = lf + 1;
    }

    return dst;
}


/*
 * Makes text of a peer fit for a log line: controls, quotes, line separators,
 * characters that turn the direction of the text and broken UTF-8 are written
 * as \xHH.  What doesn't fit into the size octets at buf is cut and ends in
 * "...".  Returns the text in buf, or the string itself if there was nothing
 * to do; it is to be printed before either goes.
 */

ngx_str_t
ngx_fed_text_log(u_char *buf, size_t size, ngx_str_t *in)
{
    u_char        *p, *d, *last, *end, *start;
    size_t         n;
    uint32_t       ch;
    ngx_str_t      out;
    ngx_uint_t     unsafe;
    static u_char  hex[] = "0123456789ABCDEF";

    p = in->data;
    last = p + in->len;

    unsafe = 0;

    while (p < last && !unsafe) {
        unsafe = ngx_fed_text_unsafe(ngx_fed_text_decode(&p, last));
    }

    if (!unsafe && in->len <= size) {
        return *in;
    }

    p = in->data;
    d = buf;
    end = buf + size;

    while (p < last) {
        start = p;
        ch = ngx_fed_text_decode(&p, last);

        unsafe = ngx_fed_text_unsafe(ch);
        n = (p - start) * (unsafe ? sizeof("\\xHH") - 1 : 1);

        /* room for the dots is kept until the end is in sight */

        if ((size_t) (end - d) < n + (p < last ? 3 : 0)) {
            n = ngx_min(3, end - d);
            d = ngx_cpymem(d, "...", n);
            break;
        }

        if (!unsafe) {
            d = ngx_cpymem(d, start, n);
            continue;
        }

        while (start < p) {
            *d++ = '\\';
            *d++ = 'x';
            *d++ = hex[*start >> 4];
            *d++ = hex[*start++ & 0xf];
        }
    }

    out.data = buf;
    out.len = d - buf;

    return out;
}


static u_char *
ngx_fed_text_ascii(u_char *p, u_char *last)
{
    uint64_t  word;

    while (last - p >= (ssize_t) sizeof(word)) {
        ngx_memcpy(&word, p, sizeof(word));

        if (word & NGX_FED_TEXT_HIGH_BITS) {
            break;
        }

        p += sizeof(word);
    }

    while (p < last && *p < 0x80) {
        p++;
    }

    return p;
}


/* moves past one character, or past one octet if it begins none */

static uint32_t
ngx_fed_text_decode(u_char **pos, u_char *last)
{
    u_char      *p;
    uint32_t     ch, least;
    ngx_uint_t   n;

    p = *pos;
    ch = *p++;
    *pos = p;

    if (ch < 0x80) {
        return ch;
    }

    if (ch >= 0xc2 && ch <= 0xdf) {
        n = 1;
        ch &= 0x1f;
        least = 0x80;

    } else if (ch >= 0xe0 && ch <= 0xef) {
        n = 2;
        ch &= 0x0f;
        least = 0x800;

    } else if (ch >= 0xf0 && ch <= 0xf4) {
        n = 3;
        ch &= 0x07;
        least = 0x10000;

    } else {
        return NGX_FED_TEXT_BROKEN;
    }

    if ((size_t) (last - p) < n) {
        return NGX_FED_TEXT_BROKEN;
    }

    while (n--) {
        if ((*p & 0xc0) != 0x80) {
            return NGX_FED_TEXT_BROKEN;
        }

        ch = ch << 6 | (*p++ & 0x3f);
    }

    if (ch < least || ch > 0x10ffff || (ch >= 0xd800 && ch <= 0xdfff)) {
        return NGX_FED_TEXT_BROKEN;
    }

    *pos = p;

    return ch;
}


static ngx_uint_t
ngx_fed_text_blank(uint32_t ch)
{
    return ch <= 0x20
           || (ch >= 0x7f && ch <= 0x9f)
           || ch == 0x2028
           || ch == 0x2029;
}


static ngx_uint_t
ngx_fed_text_unsafe(uint32_t ch)
{
    if (ch < 0x7f) {
        return ch < 0x20 || ch == '"';
    }

    return ch <= 0x9f
           || ch == 0x200e
           || ch == 0x200f
           || (ch >= 0x2028 && ch <= 0x202e)
           || (ch >= 0x2066 && ch <= 0x2069)
           || ch == NGX_FED_TEXT_BROKEN;
}


/*
 * Reads the date and time of XEP-0082 and of presence documents (RFC 3339,
 * 5.6).  Returns NGX_ERROR if it is none, or before 1970.
 */

time_t
ngx_fed_text_time(ngx_str_t *text)
{
    u_char             *p, *last;
    time_t              date, zone;
    ngx_int_t           n[6], hour, min;
    ngx_uint_t          i;
    struct tm           tm;

    static const struct {
        u_char          offset;
        u_char          len;
    } parts[] = {
        { 0, 4 }, { 5, 2 }, { 8, 2 }, { 11, 2 }, { 14, 2 }, { 17, 2 }
    };

    static const u_char  form[] = "0000-00-00T00:00:00";

    if (text->len < sizeof(form)) {
        return (time_t) NGX_ERROR;
    }

    p = text->data;
    last = p + text->len;

    for (i = 0; i < sizeof(form) - 1; i++) {
        if (form[i] != '0' && form[i] != p[i]) {
            return (time_t) NGX_ERROR;
        }
    }

    for (i = 0; i < 6; i++) {
        n[i] = ngx_atoi(p + parts[i].offset, parts[i].len);

        if (n[i] == NGX_ERROR) {
            return (time_t) NGX_ERROR;
        }
    }

    p += sizeof(form) - 1;

    if (*p == '.') {
        for (p++; p < last && *p >= '0' && *p <= '9'; p++) { /* void */ }
    }

    zone = 0;

    if (last - p == sizeof("+00:00") - 1 && (*p == '+' || *p == '-')
        && p[3] == ':')
    {
        hour = ngx_atoi(p + 1, 2);
        min = ngx_atoi(p + 4, 2);

        if (hour == NGX_ERROR || min == NGX_ERROR) {
            return (time_t) NGX_ERROR;
        }

        zone = (hour * 60 + min) * (*p == '+' ? 60 : -60);

    } else if (last - p != 1 || *p != 'Z') {
        return (time_t) NGX_ERROR;
    }

    if (n[0] < 1970 || n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > 31
        || n[3] > 23 || n[4] > 59 || n[5] > 60)
    {
        return (time_t) NGX_ERROR;
    }

    ngx_memzero(&tm, sizeof(struct tm));

    tm.tm_year = (int) n[0] - 1900;
    tm.tm_mon = (int) n[1] - 1;
    tm.tm_mday = (int) n[2];
    tm.tm_hour = (int) n[3];
    tm.tm_min = (int) n[4];
    tm.tm_sec = (int) n[5];

    date = timegm(&tm);

    return date - zone;
}
