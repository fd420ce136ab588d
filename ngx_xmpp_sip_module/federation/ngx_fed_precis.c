
/*
 * PRECIS: internationalized strings prepared and enforced (RFC 8264, RFC 8265).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>
#include <unictype.h>
#include "ngx_fed_precis.h"


/* classes of characters in a string from right to left, RFC 5893, 2 */

#define NGX_FED_PRECIS_RTL                                                    \
    (1U << UC_BIDI_R | 1U << UC_BIDI_AL | 1U << UC_BIDI_AN)

#define NGX_FED_PRECIS_NEUTRAL                                                \
    (1U << UC_BIDI_EN | 1U << UC_BIDI_ES | 1U << UC_BIDI_CS                   \
     | 1U << UC_BIDI_ET | 1U << UC_BIDI_ON | 1U << UC_BIDI_BN                 \
     | 1U << UC_BIDI_NSM)


typedef enum {
    NGX_FED_PRECIS_IDENTIFIER = 0,
    NGX_FED_PRECIS_FREEFORM
} ngx_fed_precis_class_e;


typedef struct {
    uint32_t                      first;
    uint32_t                      last;
} ngx_fed_precis_range_t;


static ngx_int_t ngx_fed_precis_width(u_char *dst, size_t *size, u_char *src,
    size_t len);
static ngx_int_t ngx_fed_precis_result(u_char *dst, size_t *size, u_char *res,
    size_t len);
static ngx_int_t ngx_fed_precis_check(u_char *p, size_t len,
    ngx_fed_precis_class_e class);
static ngx_int_t ngx_fed_precis_valid(uint32_t *s, size_t n, size_t i,
    ngx_fed_precis_class_e class);
static ngx_int_t ngx_fed_precis_category(uint32_t ch,
    ngx_fed_precis_class_e class);
static ngx_uint_t ngx_fed_precis_compat(uint32_t ch);
static ngx_int_t ngx_fed_precis_context(uint32_t *s, size_t n, size_t i);
static ngx_int_t ngx_fed_precis_joins(uint32_t *s, size_t n, size_t i);
static ngx_uint_t ngx_fed_precis_script(uint32_t ch, const char *name);
static ngx_uint_t ngx_fed_precis_in(ngx_fed_precis_range_t *range,
    uint32_t ch);


/* Exceptions, RFC 8264, 9.6 */

static ngx_fed_precis_range_t  ngx_fed_precis_pvalid[] = {
    { 0x00df, 0x00df },
    { 0x03c2, 0x03c2 },
    { 0x06fd, 0x06fe },
    { 0x0f0b, 0x0f0b },
    { 0x3007, 0x3007 },
    { 0, 0 }
};


static ngx_fed_precis_range_t  ngx_fed_precis_contexto[] = {
    { 0x00b7, 0x00b7 },
    { 0x0375, 0x0375 },
    { 0x05f3, 0x05f4 },
    { 0x0660, 0x0669 },
    { 0x06f0, 0x06f9 },
    { 0x30fb, 0x30fb },
    { 0, 0 }
};


static ngx_fed_precis_range_t  ngx_fed_precis_disallowed[] = {
    { 0x0640, 0x0640 },
    { 0x07fa, 0x07fa },
    { 0x302e, 0x302f },
    { 0x3031, 0x3035 },
    { 0x303b, 0x303b },

    /* OldHangulJamo, RFC 8264, 9.9 */

    { 0x1100, 0x11ff },
    { 0xa960, 0xa97c },
    { 0xd7b0, 0xd7c6 },
    { 0xd7cb, 0xd7fb },
    { 0, 0 }
};


/*
 * Maps fullwidth and halfwidth characters, then to lower case, then to NFC
 * (RFC 8264, 7; for domains RFC 7622, 3.2).  src is valid UTF-8 of 1 ..
 * NGX_FED_PRECIS_MAX octets, dst has room for as many.  Returns NGX_OK,
 * NGX_DECLINED if it doesn't fit, NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_fed_precis_fold(u_char *dst, size_t *size, u_char *src, size_t len)
{
    size_t     n;
    u_char    *lower;
    ngx_int_t  rc;

    rc = ngx_fed_precis_width(dst, size, src, len);
    if (rc != NGX_OK) {
        return rc;
    }

    n = 0;
    lower = u8_tolower(dst, *size, NULL, UNINORM_NFC, NULL, &n);

    return ngx_fed_precis_result(dst, size, lower, n);
}


/*
 * Enforces UsernameCaseMapped (RFC 8265, 3.3) but for the bidi rule, which
 * ngx_fed_precis_bidi() tells, and but for ASCII, all of which passes.  Takes
 * and returns what ngx_fed_precis_fold() does; NGX_DECLINED also stands for a
 * character that the IdentifierClass hasn't.
 */

ngx_int_t
ngx_fed_precis_username(u_char *dst, size_t *size, u_char *src, size_t len)
{
    ngx_int_t  rc;

    /* the class is that of the text before its case is mapped, 3.3.1 */

    rc = ngx_fed_precis_width(dst, size, src, len);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_fed_precis_check(dst, *size, NGX_FED_PRECIS_IDENTIFIER);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_fed_precis_fold(dst, size, dst, *size);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_fed_precis_check(dst, *size, NGX_FED_PRECIS_IDENTIFIER);
}


/*
 * Enforces OpaqueString (RFC 8265, 4.2) but for ASCII, all of which passes.
 * Takes and returns what ngx_fed_precis_fold() does; NGX_DECLINED also stands
 * for a character that the FreeformClass hasn't.
 */

ngx_int_t
ngx_fed_precis_opaque(u_char *dst, size_t *size, u_char *src, size_t len)
{
    int        n;
    u_char     text[NGX_FED_PRECIS_MAX], *d, *p, *last, *nfc;
    size_t     length;
    ucs4_t     ch;
    ngx_int_t  rc;

    if (len > NGX_FED_PRECIS_MAX) {
        return NGX_DECLINED;
    }

    rc = ngx_fed_precis_check(src, len, NGX_FED_PRECIS_FREEFORM);
    if (rc != NGX_OK) {
        return rc;
    }

    d = text;
    last = src + len;

    for (p = src; p < last; p += n) {
        n = u8_mbtouc(&ch, p, last - p);

        if (ch > 0x7f && uc_is_general_category(ch, UC_SPACE_SEPARATOR)) {
            *d++ = ' ';

        } else {
            d = ngx_cpymem(d, p, n);
        }
    }

    length = 0;
    nfc = u8_normalize(UNINORM_NFC, text, d - text, NULL, &length);

    rc = ngx_fed_precis_result(dst, size, nfc, length);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_fed_precis_check(dst, *size, NGX_FED_PRECIS_FREEFORM);
}


/*
 * Tells whether the text meets the bidi rule (RFC 5893, 2), as it must if any
 * of it runs from right to left (RFC 8265, 3.3.2).  Returns NGX_OK or
 * NGX_DECLINED.
 */

ngx_int_t
ngx_fed_precis_bidi(u_char *p, size_t len)
{
    int        n, class, first, final;
    u_char    *last;
    ucs4_t     ch;
    uint32_t   seen;

    last = p + len;
    first = -1;
    final = -1;
    seen = 0;

    for ( /* void */ ; p < last; p += n) {
        n = u8_mbtouc(&ch, p, last - p);
        class = uc_bidi_class(ch);

        seen |= 1U << class;

        if (first == -1) {
            first = class;
        }

        if (class != UC_BIDI_NSM) {
            final = class;
        }
    }

    if (!(seen & NGX_FED_PRECIS_RTL)) {
        return NGX_OK;
    }

    /*
     * a string that has such characters and begins with one of class L breaks
     * condition 5; one that begins with neither breaks condition 1
     */

    if (first != UC_BIDI_R && first != UC_BIDI_AL) {
        return NGX_DECLINED;
    }

    if (seen & ~(NGX_FED_PRECIS_RTL|NGX_FED_PRECIS_NEUTRAL)) {
        return NGX_DECLINED;
    }

    if (final != UC_BIDI_R && final != UC_BIDI_AL
        && final != UC_BIDI_EN && final != UC_BIDI_AN)
    {
        return NGX_DECLINED;
    }

    if ((seen & (1U << UC_BIDI_EN)) && (seen & (1U << UC_BIDI_AN))) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* dst may be src: the decompositions are no longer than what they replace */

static ngx_int_t
ngx_fed_precis_width(u_char *dst, size_t *size, u_char *src, size_t len)
{
    int      n, tag, width;
    u_char  *d, *last;
    ucs4_t   ch, wide[UC_DECOMPOSITION_MAX_LENGTH];

    if (len > NGX_FED_PRECIS_MAX) {
        return NGX_DECLINED;
    }

    d = dst;
    last = src + len;

    for ( /* void */ ; src < last; src += n) {
        n = u8_mbtouc(&ch, src, last - src);

        if ((ch == 0x3000 || ch >= 0xff00)
            && uc_decomposition(ch, &tag, wide) == 1
            && (tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW))
        {
            width = u8_uctomb(d, wide[0], n);
            if (width < 0) {
                return NGX_DECLINED;
            }

            d += width;
            continue;
        }

        ngx_memmove(d, src, n);
        d += n;
    }

    *size = d - dst;

    return NGX_OK;
}


/* takes what the library allocated, and frees it */

static ngx_int_t
ngx_fed_precis_result(u_char *dst, size_t *size, u_char *res, size_t len)
{
    if (res == NULL) {
        return (ngx_errno == NGX_ENOMEM) ? NGX_ERROR : NGX_DECLINED;
    }

    if (len == 0 || len > NGX_FED_PRECIS_MAX) {
        free(res);
        return NGX_DECLINED;
    }

    ngx_memcpy(dst, res, len);
    *size = len;

    free(res);

    return NGX_OK;
}


static ngx_int_t
ngx_fed_precis_check(u_char *p, size_t len, ngx_fed_precis_class_e class)
{
    u_char    *last;
    size_t     i, n;
    uint32_t   s[NGX_FED_PRECIS_MAX];

    n = 0;
    last = p + len;

    while (p < last) {
        p += u8_mbtouc(&s[n++], p, last - p);
    }

    for (i = 0; i < n; i++) {
        if (s[i] > 0x7e && ngx_fed_precis_valid(s, n, i, class) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* the algorithm of RFC 8264, 8, in its order, ASCII7 apart */

static ngx_int_t
ngx_fed_precis_valid(uint32_t *s, size_t n, size_t i,
    ngx_fed_precis_class_e class)
{
    uint32_t  ch;

    ch = s[i];

    if (ngx_fed_precis_in(ngx_fed_precis_pvalid, ch)) {
        return NGX_OK;
    }

    if (ch == 0x200c || ch == 0x200d
        || ngx_fed_precis_in(ngx_fed_precis_contexto, ch))
    {
        return ngx_fed_precis_context(s, n, i);
    }

    if (ngx_fed_precis_in(ngx_fed_precis_disallowed, ch)) {
        return NGX_DECLINED;
    }

    return ngx_fed_precis_category(ch, class);
}


static ngx_int_t
ngx_fed_precis_category(uint32_t ch, ngx_fed_precis_class_e class)
{
    uint32_t  letters, others, mask;

    /* Unassigned, PrecisIgnorableProperties, Controls */

    if (uc_is_general_category_withtable(ch, UC_CATEGORY_MASK_Cn
                                             | UC_CATEGORY_MASK_Cc)
        || uc_is_property_default_ignorable_code_point(ch)
        || uc_is_property_not_a_character(ch))
    {
        return NGX_DECLINED;
    }

    letters = UC_CATEGORY_MASK_Ll | UC_CATEGORY_MASK_Lu | UC_CATEGORY_MASK_Lo
              | UC_CATEGORY_MASK_Nd | UC_CATEGORY_MASK_Lm
              | UC_CATEGORY_MASK_Mn | UC_CATEGORY_MASK_Mc;

    others = UC_CATEGORY_MASK_Lt | UC_CATEGORY_MASK_Nl | UC_CATEGORY_MASK_No
             | UC_CATEGORY_MASK_Me | UC_CATEGORY_MASK_Zs | UC_CATEGORY_MASK_S
             | UC_CATEGORY_MASK_P;

    if (class == NGX_FED_PRECIS_FREEFORM) {

        /* HasCompat is free, whatever its category */

        mask = letters | others;

        return (uc_is_general_category_withtable(ch, mask)
                || ngx_fed_precis_compat(ch)) ? NGX_OK : NGX_DECLINED;
    }

    if (!uc_is_general_category_withtable(ch, letters)
        || ngx_fed_precis_compat(ch))
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* HasCompat, RFC 8264, 9.17: NFKC changes it */

static ngx_uint_t
ngx_fed_precis_compat(uint32_t ch)
{
    int         tag;
    size_t      len;
    uint32_t    buf[UC_DECOMPOSITION_MAX_LENGTH], *res;
    ngx_uint_t  compat;

    if (uc_decomposition(ch, &tag, buf) < 0) {
        return 0;
    }

    len = UC_DECOMPOSITION_MAX_LENGTH;
    res = u32_normalize(UNINORM_NFKC, &ch, 1, buf, &len);

    if (res == NULL) {
        return 1;
    }

    compat = (len != 1 || res[0] != ch);

    if (res != buf) {
        free(res);
    }

    return compat;
}


/* the contextual rules of RFC 5892, appendix A */

static ngx_int_t
ngx_fed_precis_context(uint32_t *s, size_t n, size_t i)
{
    size_t      k;
    uint32_t    ch, set, before, after;
    ngx_uint_t  ok;

    ch = s[i];
    before = (i > 0) ? s[i - 1] : 0;
    after = (i + 1 < n) ? s[i + 1] : 0;
    ok = 0;

    switch (ch) {

    case 0x200c:
        if (ngx_fed_precis_joins(s, n, i) == NGX_OK) {
            return NGX_OK;
        }

        /* fall through */

    case 0x200d:
        ok = (i > 0 && uc_combining_class(before) == UC_CCC_VR);
        break;

    case 0x00b7:
        ok = (before == 'l' && after == 'l');
        break;

    case 0x0375:
        ok = ngx_fed_precis_script(after, "Greek");
        break;

    case 0x05f3:
    case 0x05f4:
        ok = ngx_fed_precis_script(before, "Hebrew");
        break;

    case 0x30fb:

        /* those before i have passed, and the rule is the same for all */

        for (k = 0; k < i && !ok; k++) {
            ok = (s[k] == 0x30fb);
        }

        for (k = 0; k < n && !ok; k++) {
            ok = ngx_fed_precis_script(s[k], "Hiragana")
                 || ngx_fed_precis_script(s[k], "Katakana")
                 || ngx_fed_precis_script(s[k], "Han");
        }

        break;

    default: /* an Arabic digit: the next one is of the same set */
        ok = 1;

        for (k = i + 1; k < n; k++) {
            set = s[k] & ~0xf;

            if ((set == 0x0660 || set == 0x06f0) && (s[k] & 0xf) <= 9) {
                ok = (set == (ch & ~0xf));
                break;
            }
        }

        break;
    }

    return ok ? NGX_OK : NGX_DECLINED;
}


/* RFC 5892, A.1: ({L,D}) T* ZWNJ T* ({R,D}) */

static ngx_int_t
ngx_fed_precis_joins(uint32_t *s, size_t n, size_t i)
{
    int     type;
    size_t  k;

    type = UC_JOINING_TYPE_U;

    for (k = i; k > 0; k--) {
        type = uc_joining_type(s[k - 1]);

        if (type != UC_JOINING_TYPE_T) {
            break;
        }
    }

    if (type != UC_JOINING_TYPE_L && type != UC_JOINING_TYPE_D) {
        return NGX_DECLINED;
    }

    type = UC_JOINING_TYPE_U;

    for (k = i + 1; k < n; k++) {
        type = uc_joining_type(s[k]);

        if (type != UC_JOINING_TYPE_T) {
            break;
        }
    }

    if (type != UC_JOINING_TYPE_R && type != UC_JOINING_TYPE_D) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_fed_precis_script(uint32_t ch, const char *name)
{
    const uc_script_t  *script;

    script = uc_script(ch);

    return script != NULL && strcmp(script->name, name) == 0;
}


static ngx_uint_t
ngx_fed_precis_in(ngx_fed_precis_range_t *range, uint32_t ch)
{
    while (range->last) {
        if (ch >= range->first && ch <= range->last) {
            return 1;
        }

        range++;
    }

    return 0;
}
