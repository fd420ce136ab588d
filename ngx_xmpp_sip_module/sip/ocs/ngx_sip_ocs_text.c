
/*
 * Readers of what is said within an IM session: session descriptions, HTML,
 * keyboard activity.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_text.h"
#include "ngx_sip_parse.h"
#include "ngx_sip_ocs_text.h"


#define NGX_SIP_OCS_ENTITY_LEN  10


typedef struct {
    ngx_str_t                     name;
    ngx_str_t                     text;
} ngx_sip_ocs_entity_t;


static ngx_uint_t ngx_sip_ocs_sdp_accepts(ngx_str_t *types);
static ngx_uint_t ngx_sip_ocs_sdp_line(u_char **pos, u_char *last,
    ngx_str_t *line);
static ngx_uint_t ngx_sip_ocs_sdp_word(ngx_str_t *text, ngx_str_t *word);
static u_char *ngx_sip_ocs_tag(u_char *p, u_char *last, u_char *start,
    u_char **dst);
static u_char *ngx_sip_ocs_skip(u_char *p, u_char *last, ngx_str_t *name);
static u_char *ngx_sip_ocs_alt(u_char *dst, u_char *p, u_char *last);
static u_char *ngx_sip_ocs_entity(u_char *p, u_char *last, u_char **dst);
static u_char *ngx_sip_ocs_utf8(u_char *dst, uint32_t ch);
static u_char *ngx_sip_ocs_find(u_char *p, u_char *last, const char *text);


/* a line ends with them, or they begin one */

static const ngx_str_t  ngx_sip_ocs_blocks[] = {
    ngx_string("br"),
    ngx_string("p"),
    ngx_string("div"),
    ngx_string("li"),
    ngx_string("tr"),
    ngx_string("h1"),
    ngx_string("h2"),
    ngx_string("h3"),
    ngx_null_string
};


/* what they contain is not to be read */

static const ngx_str_t  ngx_sip_ocs_hidden[] = {
    ngx_string("script"),
    ngx_string("style"),
    ngx_string("head"),
    ngx_string("title"),
    ngx_null_string
};


static const ngx_sip_ocs_entity_t  ngx_sip_ocs_entities[] = {
    { ngx_string("amp"), ngx_string("&") },
    { ngx_string("lt"), ngx_string("<") },
    { ngx_string("gt"), ngx_string(">") },
    { ngx_string("quot"), ngx_string("\"") },
    { ngx_string("apos"), ngx_string("'") },
    { ngx_string("nbsp"), ngx_string(" ") },
    { ngx_null_string, ngx_null_string }
};


/*
 * Tells what a session description offers: messages and nothing else, by a
 * media line of OCS or of LCS 2005, with text among the types that are
 * accepted, or something else.
 */

ngx_sip_ocs_offer_e
ngx_sip_ocs_sdp_offer(ngx_str_t *body)
{
    u_char               *p, *last;
    ngx_str_t             line, word;
    ngx_sip_ocs_offer_e   offer;

    offer = NGX_SIP_OCS_OTHER;

    p = body->data;
    last = p + body->len;

    while (ngx_sip_ocs_sdp_line(&p, last, &line)) {

        if (line.len > 2 && line.data[0] == 'm' && line.data[1] == '=') {

            line.data += 2;
            line.len -= 2;

            if (offer != NGX_SIP_OCS_OTHER
                || !ngx_sip_ocs_sdp_word(&line, &word))
            {
                return NGX_SIP_OCS_OTHER;
            }

            if (ngx_sip_is(&word, "message")) {
                offer = NGX_SIP_OCS_MESSAGE;

            } else if (ngx_sip_is(&word, "x-ms-message")) {
                offer = NGX_SIP_OCS_X_MESSAGE;

            } else {
                return NGX_SIP_OCS_OTHER;
            }

        } else if (line.len > sizeof("a=accept-types:") - 1
                   && ngx_memcmp(line.data, "a=accept-types:",
                                 sizeof("a=accept-types:") - 1)
                      == 0)
        {
            line.data += sizeof("a=accept-types:") - 1;
            line.len -= sizeof("a=accept-types:") - 1;

            if (!ngx_sip_ocs_sdp_accepts(&line)) {
                return NGX_SIP_OCS_OTHER;
            }
        }
    }

    return offer;
}


static ngx_uint_t
ngx_sip_ocs_sdp_accepts(ngx_str_t *types)
{
    ngx_str_t  word;

    while (ngx_sip_ocs_sdp_word(types, &word)) {

        if (ngx_sip_is(&word, "*") || ngx_sip_is(&word, "text/*")
            || ngx_sip_is(&word, "text/plain"))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_sip_ocs_sdp_line(u_char **pos, u_char *last, ngx_str_t *line)
{
    u_char  *p;

    p = *pos;

    if (p == last) {
        return 0;
    }

    line->data = p;

    p = ngx_strlchr(p, last, LF);

    if (p == NULL) {
        p = last;
        *pos = last;

    } else {
        *pos = p + 1;
    }

    if (p > line->data && p[-1] == CR) {
        p--;
    }

    line->len = p - line->data;

    return 1;
}


/* Takes a word off the text. */

static ngx_uint_t
ngx_sip_ocs_sdp_word(ngx_str_t *text, ngx_str_t *word)
{
    while (text->len && *text->data == ' ') {
        text->data++;
        text->len--;
    }

    word->data = text->data;

    while (text->len && *text->data != ' ') {
        text->data++;
        text->len--;
    }

    word->len = text->data - word->data;

    return word->len != 0;
}


/*
 * Reduces HTML to text, which is never longer, and returns its length: white
 * space is one space, blocks are lines, an image is its "alt".
 */

size_t
ngx_sip_ocs_html(u_char *dst, u_char *src, size_t len)
{
    u_char  *d, *p, *last;

    d = dst;
    last = src + len;

    for (p = src; p < last; /* void */) {

        switch (*p) {

        case '<':
            p = ngx_sip_ocs_tag(p, last, dst, &d);
            break;

        case '&':
            p = ngx_sip_ocs_entity(p, last, &d);
            break;

        case ' ':
        case '\t':
        case CR:
        case LF:
            p++;

            if (d > dst && d[-1] != ' ' && d[-1] != LF) {
                *d++ = ' ';
            }

            break;

        default:
            *d++ = *p++;
        }
    }

    while (d > dst && (d[-1] == ' ' || d[-1] == LF)) {
        d--;
    }

    return d - dst;
}


/* Reads a tag or a comment, and writes what it stands for, behind start. */

static u_char *
ngx_sip_ocs_tag(u_char *p, u_char *last, u_char *start, u_char **dst)
{
    u_char      *end, *d, quote;
    ngx_str_t    name;
    ngx_uint_t   i, closing;

    if (last - p >= 4 && ngx_memcmp(p, "<!--", 4) == 0) {
        end = ngx_sip_ocs_find(p + 4, last, "-->");
        return end ? end : last;
    }

    closing = (last - p > 1 && p[1] == '/');

    name.data = p + 1 + closing;

    for (end = name.data;
         end < last
         && (((*end | 0x20) >= 'a' && (*end | 0x20) <= 'z')
             || (end > name.data && *end >= '0' && *end <= '9'));
         end++)
    { /* void */ }

    name.len = end - name.data;

    if (name.len == 0 && !(end < last && (*end == '!' || *end == '?'))) {

        /* it is no tag */

        *(*dst)++ = *p;
        return p + 1;
    }

    quote = 0;

    for ( /* void */ ; end < last; end++) {

        if (quote) {
            if (*end == quote) {
                quote = 0;
            }

        } else if (*end == '"' || *end == '\'') {
            quote = *end;

        } else if (*end == '>') {
            break;
        }
    }

    if (name.len == 3 && ngx_strncasecmp(name.data, (u_char *) "img", 3) == 0) {
        *dst = ngx_sip_ocs_alt(*dst, name.data + 3, end);
    }

    end = ngx_min(end + 1, last);

    for (i = 0; !closing && ngx_sip_ocs_hidden[i].len; i++) {
        if (ngx_sip_str_is(&name, (char *) ngx_sip_ocs_hidden[i].data,
                           ngx_sip_ocs_hidden[i].len))
        {
            return ngx_sip_ocs_skip(end, last, &name);
        }
    }

    for (i = 0; ngx_sip_ocs_blocks[i].len; i++) {

        if (!ngx_sip_str_is(&name, (char *) ngx_sip_ocs_blocks[i].data,
                            ngx_sip_ocs_blocks[i].len))
        {
            continue;
        }

        d = *dst;

        if (d > start && d[-1] == ' ') {
            d--;
        }

        /* only <br> makes an empty line */

        if (d > start && (i == 0 || d[-1] != LF)) {
            *d++ = LF;
        }

        *dst = d;
        break;
    }

    return end;
}


static u_char *
ngx_sip_ocs_skip(u_char *p, u_char *last, ngx_str_t *name)
{
    ngx_str_t  s;

    for ( ;; ) {

        p = ngx_sip_ocs_find(p, last, "</");

        if (p == NULL || (size_t) (last - p) < name->len) {
            return last;
        }

        s.data = p;
        s.len = name->len;

        if (ngx_sip_str_is(&s, (char *) name->data, name->len)) {
            p = ngx_strlchr(p, last, '>');
            return p ? p + 1 : last;
        }
    }
}


/* Emoticons are images. */

static u_char *
ngx_sip_ocs_alt(u_char *dst, u_char *p, u_char *last)
{
    u_char  quote, *end;

    for ( /* void */ ; last - p > 6; p++) {

        if (ngx_strncasecmp(p, (u_char *) "alt=", 4) != 0
            || (p[-1] != ' ' && p[-1] != '\t' && p[-1] != LF && p[-1] != CR))
        {
            continue;
        }

        quote = p[4];

        if (quote != '"' && quote != '\'') {
            return dst;
        }

        p += 5;
        end = ngx_strlchr(p, last, quote);

        if (end == NULL) {
            return dst;
        }

        while (p < end) {

            if (*p == '&') {
                p = ngx_sip_ocs_entity(p, end, &dst);

            } else {
                *dst++ = *p++;
            }
        }

        return dst;
    }

    return dst;
}


static u_char *
ngx_sip_ocs_entity(u_char *p, u_char *last, u_char **dst)
{
    u_char                      *end;
    uint32_t                     ch;
    ngx_int_t                    n;
    ngx_str_t                    name;
    const ngx_sip_ocs_entity_t  *entity;

    end = ngx_strlchr(p, ngx_min(last, p + NGX_SIP_OCS_ENTITY_LEN), ';');

    if (end == NULL) {
        *(*dst)++ = '&';
        return p + 1;
    }

    name.data = p + 1;
    name.len = end - name.data;

    if (name.len > 1 && name.data[0] == '#') {

        n = ((name.data[1] | 0x20) == 'x')
            ? ngx_hextoi(name.data + 2, name.len - 2)
            : ngx_atoi(name.data + 1, name.len - 1);

        ch = (n == NGX_ERROR || n > 0x10ffff || (n >= 0xd800 && n < 0xe000)
              || n == 0)
             ? 0xfffd : (uint32_t) n;

        *dst = ngx_sip_ocs_utf8(*dst, ch);
        return end + 1;
    }

    for (entity = ngx_sip_ocs_entities; entity->name.len; entity++) {
        if (ngx_fed_str_equal(&name, &entity->name)) {
            *dst = ngx_cpymem(*dst, entity->text.data, entity->text.len);
            return end + 1;
        }
    }

    *(*dst)++ = '&';

    return p + 1;
}


/* A reference is never shorter than the character. */

static u_char *
ngx_sip_ocs_utf8(u_char *dst, uint32_t ch)
{
    if (ch < 0x80) {
        *dst++ = (u_char) ch;

    } else if (ch < 0x800) {
        *dst++ = (u_char) (0xc0 | (ch >> 6));
        *dst++ = (u_char) (0x80 | (ch & 0x3f));

    } else if (ch < 0x10000) {
        *dst++ = (u_char) (0xe0 | (ch >> 12));
        *dst++ = (u_char) (0x80 | ((ch >> 6) & 0x3f));
        *dst++ = (u_char) (0x80 | (ch & 0x3f));

    } else {
        *dst++ = (u_char) (0xf0 | (ch >> 18));
        *dst++ = (u_char) (0x80 | ((ch >> 12) & 0x3f));
        *dst++ = (u_char) (0x80 | ((ch >> 6) & 0x3f));
        *dst++ = (u_char) (0x80 | (ch & 0x3f));
    }

    return dst;
}


/* Returns what is behind the text, or NULL if that is not there. */

static u_char *
ngx_sip_ocs_find(u_char *p, u_char *last, const char *text)
{
    size_t  len;

    len = ngx_strlen(text);

    for ( /* void */ ; (size_t) (last - p) >= len; p++) {
        if (ngx_memcmp(p, text, len) == 0) {
            return p + len;
        }
    }

    return NULL;
}


/*
 * Reads what a user does with his keyboard: returns 1 if he types, 0 if he does
 * so no longer, or NGX_DECLINED if it is about something else.
 *
 * <KeyboardActivity> <status status="type" /></KeyboardActivity>
 */

ngx_int_t
ngx_sip_ocs_keyboard(ngx_str_t *body)
{
    u_char     *p, *last, quote;
    ngx_str_t   value;

    p = body->data;
    last = p + body->len;

    p = ngx_sip_ocs_find(p, last, "<KeyboardActivity");
    p = p ? ngx_sip_ocs_find(p, last, "<status") : NULL;
    p = p ? ngx_sip_ocs_find(p, last, "status") : NULL;

    if (p == NULL) {
        return NGX_DECLINED;
    }

    while (p < last && (*p == ' ' || *p == '=' || *p == '\t' || *p == CR
                        || *p == LF))
    {
        p++;
    }

    if (p == last || (*p != '"' && *p != '\'')) {
        return NGX_DECLINED;
    }

    quote = *p++;

    value.data = p;
    p = ngx_strlchr(p, last, quote);

    if (p == NULL) {
        return NGX_DECLINED;
    }

    value.len = p - value.data;

    if (ngx_sip_is(&value, "type")) {
        return 1;
    }

    return ngx_sip_is(&value, "idle") ? 0 : NGX_DECLINED;
}
