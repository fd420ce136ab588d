
/*
 * Bodies of several parts: the plain text among them (RFC 2046, 5.1; RFC 5621).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_sip_parse.h"


#define NGX_SIP_PARTS_DEPTH   4
#define NGX_SIP_BOUNDARY_MAX  70      /* RFC 2046, 5.1.1 */


static ngx_int_t ngx_sip_parts(ngx_sip_media_t *media, ngx_str_t *body,
    ngx_sip_media_pt is, ngx_str_t *text, ngx_uint_t depth);
static ngx_int_t ngx_sip_part_text(ngx_sip_part_t *part, ngx_sip_media_pt is,
    ngx_str_t *text, ngx_uint_t depth);
static ngx_int_t ngx_sip_delimiter(u_char **pos, u_char *last,
    ngx_str_t *boundary, u_char **end);
static ngx_int_t ngx_sip_part_field(ngx_sip_part_t *part, ngx_str_t *name,
    ngx_str_t *value);
static ngx_uint_t ngx_sip_part_optional(ngx_str_t *value);


/*
 * Finds the text in a body of that multipart type: of alternatives the last
 * one that is of the media type wanted, else the only one, where all others may
 * be ignored ("handling=optional").  Returns NGX_OK with a slice of the body,
 * NGX_DECLINED if there is none, or NGX_ERROR if it is not of the grammar.
 */

ngx_int_t
ngx_sip_multipart(ngx_sip_media_t *media, ngx_str_t *body,
    ngx_sip_media_pt is, ngx_str_t *text)
{
    return ngx_sip_parts(media, body, is, text, 0);
}


static ngx_int_t
ngx_sip_parts(ngx_sip_media_t *media, ngx_str_t *body, ngx_sip_media_pt is,
    ngx_str_t *text, ngx_uint_t depth)
{
    u_char          *p, *end, *last, *start;
    ngx_int_t        rc, next;
    ngx_str_t        found;
    ngx_uint_t       alternative;
    ngx_sip_part_t   part;

    if (media->boundary.len == 0 || media->boundary.len > NGX_SIP_BOUNDARY_MAX
        || depth == NGX_SIP_PARTS_DEPTH)
    {
        return NGX_ERROR;
    }

    alternative = ngx_sip_is(&media->subtype, "alternative");

    ngx_str_null(text);

    p = body->data;
    last = p + body->len;

    next = ngx_sip_delimiter(&p, last, &media->boundary, &end);

    while (next == NGX_OK) {

        start = p;
        next = ngx_sip_delimiter(&p, last, &media->boundary, &end);

        if (next == NGX_ERROR || ngx_sip_part(start, end, &part) != NGX_OK) {
            return NGX_ERROR;
        }

        rc = ngx_sip_part_text(&part, is, &found, depth);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK && (alternative || text->data == NULL)) {
            *text = found;

        } else if (!alternative && !part.optional) {
            return NGX_DECLINED;
        }
    }

    if (next != NGX_DONE) {
        return NGX_ERROR;
    }

    return text->data ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_sip_part_text(ngx_sip_part_t *part, ngx_sip_media_pt is, ngx_str_t *text,
    ngx_uint_t depth)
{
    if (part->encoded) {
        return NGX_DECLINED;
    }

    if (ngx_sip_is(&part->media.type, "multipart")) {
        return ngx_sip_parts(&part->media, &part->content, is, text,
                             depth + 1);
    }

    if (!is(&part->media)) {
        return NGX_DECLINED;
    }

    *text = part->content;

    return NGX_OK;
}


/*
 * Moves *pos behind the next delimiter and sets *end to where the part ahead
 * of it ends.  Returns NGX_DONE if it is the last one, NGX_ERROR if there is
 * none.
 */

static ngx_int_t
ngx_sip_delimiter(u_char **pos, u_char *last, ngx_str_t *boundary,
    u_char **end)
{
    u_char  *p, *q;

    for (p = *pos; (size_t) (last - p) >= boundary->len + 2; p++) {

        if (p[0] == '-' && p[1] == '-'
            && (p == *pos || (p - *pos >= 2 && p[-2] == CR))
            && ngx_memcmp(p + 2, boundary->data, boundary->len) == 0)
        {
            *end = (p == *pos) ? p : p - 2;

            q = p + 2 + boundary->len;

            if (last - q >= 2 && q[0] == '-' && q[1] == '-') {
                return NGX_DONE;
            }

            while (q < last && (*q == ' ' || *q == '\t')) {
                q++;
            }

            if (last - q >= 2 && q[0] == CR && q[1] == LF) {
                *pos = q + 2;
                return NGX_OK;
            }
        }

        p = memchr(p, LF, last - p);

        if (p == NULL) {
            break;
        }
    }

    return NGX_ERROR;
}


/*
 * Takes a part into its header fields and its content.  Returns NGX_ERROR if it
 * is not of the grammar.
 */

ngx_int_t
ngx_sip_part(u_char *p, u_char *last, ngx_sip_part_t *part)
{
    u_char      *lf;
    ngx_str_t    name, value;
    ngx_uint_t   folded;

    ngx_memzero(part, sizeof(ngx_sip_part_t));

    ngx_str_set(&part->media.type, "text");
    ngx_str_set(&part->media.subtype, "plain");

    for ( ;; ) {

        if (last - p >= 2 && p[0] == CR && p[1] == LF) {
            part->content.data = p + 2;
            part->content.len = last - (p + 2);
            return NGX_OK;
        }

        lf = ngx_sip_row_end(p, last, &folded);

        if (lf == NULL || lf == p
            || ngx_sip_row_split(p, lf - 1, &name, &value) != NGX_OK
            || ngx_sip_part_field(part, &name, &value) != NGX_OK)
        {
            return NGX_ERROR;
        }

        p = lf + 1;
    }
}


static ngx_int_t
ngx_sip_part_field(ngx_sip_part_t *part, ngx_str_t *name, ngx_str_t *value)
{
    if (ngx_sip_is(name, "Content-Type")) {
        return ngx_sip_media_type(value, &part->media);
    }

    if (ngx_sip_is(name, "Content-Disposition")) {
        part->optional = ngx_sip_part_optional(value);

    } else if (ngx_sip_is(name, "Content-Transfer-Encoding")) {
        part->encoded |= !ngx_sip_is(value, "7bit")
                         && !ngx_sip_is(value, "8bit")
                         && !ngx_sip_is(value, "binary");

    } else if (ngx_sip_is(name, "Content-Encoding")) {
        part->encoded |= !ngx_sip_is(value, "identity");
    }

    return NGX_OK;
}


/* RFC 3261, 20.11 */

static ngx_uint_t
ngx_sip_part_optional(ngx_str_t *value)
{
    u_char     *p, *last;
    ngx_str_t   name, text;

    last = value->data + value->len;
    p = ngx_strlchr(value->data, last, ';');

    while (p && ngx_sip_param(&p, last, &name, &text) == NGX_OK) {
        if (ngx_sip_is(&name, "handling")) {
            return ngx_sip_is(&text, "optional");
        }
    }

    return 0;
}
