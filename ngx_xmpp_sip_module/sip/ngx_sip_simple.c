
/*
 * The dialect "simple": instant messages are MESSAGE requests outside of any
 * dialog (RFC 3428, RFC 7572).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"


#define NGX_SIP_SUBJECT_LEN   1024
#define NGX_SIP_LANGUAGE_LEN  64
#define NGX_SIP_STAMP_LEN     (sizeof("2026-01-01T00:00:00Z") - 1)
#define NGX_SIP_DATE_LEN      (sizeof("Thu, 01 Jan 2026 00:00:00 GMT") - 1)
#define NGX_SIP_OLD           60      /* seconds, from which Date is told */


static ngx_int_t ngx_sip_simple_init(ngx_sip_ctx_t *ctx, ngx_sip_rows_t *rows);
static ngx_int_t ngx_sip_simple_content(ngx_sip_msg_t *msg, ngx_str_t *text,
    ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_simple_body(ngx_str_t *text, ngx_fed_event_t *ev,
    ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_simple_subject(ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev);
static ngx_int_t ngx_sip_simple_language(ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev);
static ngx_int_t ngx_sip_simple_date(ngx_sip_msg_t *msg, ngx_fed_event_t *ev);
static ngx_int_t ngx_sip_simple_write(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_sip_client_t *client);
static void ngx_sip_simple_composing(ngx_fed_event_t *ev);


const ngx_sip_dialect_t  ngx_sip_dialect_simple = {
    NGX_SIP_ALLOW,
    ngx_sip_simple_init,
    ngx_sip_simple_read,
    ngx_sip_simple_write,
    ngx_sip_peer_send,
    NULL,
    NULL,
    NULL,
    ngx_sip_simple_composing,
    NULL,
    NULL,
    &ngx_sip_presence_simple
};


static ngx_int_t
ngx_sip_simple_init(ngx_sip_ctx_t *ctx, ngx_sip_rows_t *rows)
{
    return NGX_OK;
}


/*
 * Fills in an event from a MESSAGE.  Returns NGX_OK, NGX_DECLINED with the
 * refusal filled in, or NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_sip_simple_read(ngx_sip_ctx_t *ctx, ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    rc = ngx_sip_simple_content(msg, &text, refusal);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_sip_simple_fill(ctx, msg, &text, ev, refusal);
}


/*
 * Fills in an event from the text of a MESSAGE, which is changed, and from its
 * header.  Returns as read() of a dialect does.
 */

ngx_int_t
ngx_sip_simple_fill(ngx_sip_ctx_t *ctx, ngx_sip_msg_t *msg, ngx_str_t *text,
    ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal)
{
    ngx_int_t  rc;

    rc = ngx_sip_simple_body(text, ev, refusal);

    if (rc != NGX_OK) {
        return rc;
    }

    ev->type = NGX_FED_NORMAL;

    ev->id.len = msg->call_id.len;
    ev->id.data = ngx_pstrdup(ev->pool, &msg->call_id);

    if (ev->id.data == NULL
        || ngx_sip_thread_read(ctx, ev, &msg->call_id) != NGX_OK
        || ngx_sip_simple_subject(msg, ev) != NGX_OK
        || ngx_sip_simple_language(msg, ev) != NGX_OK
        || ngx_sip_simple_date(msg, ev) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* RFC 3261, 8.2.3; RFC 3428, 7 */

static ngx_int_t
ngx_sip_simple_content(ngx_sip_msg_t *msg, ngx_str_t *text,
    ngx_sip_refusal_t *refusal)
{
    ngx_int_t          rc;
    ngx_sip_media_t    media;
    ngx_sip_header_t  *h;

    h = ngx_sip_header(msg, NGX_SIP_CONTENT_ENCODING);

    if (h && h->value.len && !ngx_sip_is(&h->value, "identity")) {
        refusal->status = 415;
        ngx_str_set(&refusal->headers, "Accept-Encoding: identity" CRLF);
        return NGX_DECLINED;
    }

    h = ngx_sip_header(msg, NGX_SIP_CONTENT_TYPE);

    if (h == NULL) {
        refusal->status = 400;
        refusal->reason = msg->body.len ? "Missing Content-Type"
                                        : "Empty Message";
        return NGX_DECLINED;
    }

    if (h->next || ngx_sip_media_type(&h->value, &media) != NGX_OK) {
        refusal->status = 400;
        refusal->reason = "Bad Content-Type";
        return NGX_DECLINED;
    }

    if (ngx_sip_is(&media.type, "multipart")) {
        rc = ngx_sip_multipart(&media, &msg->body, ngx_sip_media_is_text,
                               text);

    } else {
        rc = ngx_sip_media_is_text(&media) ? NGX_OK : NGX_DECLINED;
        *text = msg->body;
    }

    if (rc == NGX_ERROR) {
        refusal->status = 400;
        refusal->reason = "Bad Multipart Body";
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        refusal->status = 415;
        ngx_str_set(&refusal->headers, NGX_SIP_ACCEPT_ROW);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* The lines of the text, which lies in the read buffer, come to end in LF. */

static ngx_int_t
ngx_sip_simple_body(ngx_str_t *text, ngx_fed_event_t *ev,
    ngx_sip_refusal_t *refusal)
{
    if (text->len == 0) {
        refusal->status = 400;
        refusal->reason = "Empty Message";
        return NGX_DECLINED;
    }

    if (!ngx_fed_text_valid(text->data, text->len)) {
        refusal->status = 400;
        refusal->reason = "Body Is Not UTF-8";
        return NGX_DECLINED;
    }

    ev->body.data = text->data;
    ev->body.len = ngx_fed_text_lf(text->data, text->data, text->len);

    return NGX_OK;
}


static ngx_int_t
ngx_sip_simple_subject(ngx_sip_msg_t *msg, ngx_fed_event_t *ev)
{
    ngx_sip_header_t  *h;

    h = ngx_sip_header(msg, NGX_SIP_SUBJECT);

    if (h == NULL || h->value.len == 0) {
        return NGX_OK;
    }

    ev->subject.data = ngx_pnalloc(ev->pool, h->value.len);
    if (ev->subject.data == NULL) {
        return NGX_ERROR;
    }

    ev->subject.len = ngx_fed_text_line(ev->subject.data, h->value.data,
                                        h->value.len, h->value.len);
    return NGX_OK;
}


/* The first of the languages, if it is one. */

static ngx_int_t
ngx_sip_simple_language(ngx_sip_msg_t *msg, ngx_fed_event_t *ev)
{
    u_char            *p;
    ngx_str_t          lang;
    ngx_sip_header_t  *h;

    h = ngx_sip_header(msg, NGX_SIP_CONTENT_LANGUAGE);

    if (h == NULL) {
        return NGX_OK;
    }

    p = h->value.data;

    if (ngx_sip_item(&p, h->value.data + h->value.len, &lang) == NGX_OK
        && lang.len <= NGX_SIP_LANGUAGE_LEN
        && ngx_sip_language_prefix(&lang) == lang.len)
    {
        ev->lang = lang;
    }

    return NGX_OK;
}


/*
 * Date becomes a stamp if it is not that of now, as most clients send it with
 * each message (RFC 3261, 20.17), or if the message has expired since: it is
 * not for us to throw it away, but the recipient is to see (RFC 3428, 7).
 */

static ngx_int_t
ngx_sip_simple_date(ngx_sip_msg_t *msg, ngx_fed_event_t *ev)
{
    time_t             date, age;
    uint32_t           expires;
    ngx_tm_t           tm;
    ngx_sip_header_t  *h;

    h = ngx_sip_header(msg, NGX_SIP_DATE);

    if (h == NULL) {
        return NGX_OK;
    }

    date = ngx_parse_http_time(h->value.data, h->value.len);

    if (date == NGX_ERROR) {
        return NGX_OK;
    }

    age = NGX_SIP_OLD;

    h = ngx_sip_header(msg, NGX_SIP_EXPIRES);

    if (h && ngx_sip_number(&h->value, &expires) == NGX_OK) {
        age = ngx_min(age, (time_t) expires);
    }

    if (ngx_time() - date < ngx_max(age, 1)) {
        return NGX_OK;
    }

    ngx_gmtime(date, &tm);

    ev->stamp.data = ngx_pnalloc(ev->pool, NGX_SIP_STAMP_LEN + 8);
    if (ev->stamp.data == NULL) {
        return NGX_ERROR;
    }

    ev->stamp.len = ngx_snprintf(ev->stamp.data, NGX_SIP_STAMP_LEN + 8,
                                 "%4d-%02d-%02dT%02d:%02d:%02dZ",
                                 tm.ngx_tm_year, tm.ngx_tm_mon,
                                 tm.ngx_tm_mday, tm.ngx_tm_hour,
                                 tm.ngx_tm_min, tm.ngx_tm_sec)
                    - ev->stamp.data;
    return NGX_OK;
}


/*
 * Makes a MESSAGE of an event, but for its Via, in the event's pool (RFC 7572,
 * 4; RFC 3428, 4).  Returns NGX_ERROR if there is no memory.
 */

static ngx_int_t
ngx_sip_simple_write(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_sip_client_t *client)
{
    u_char         *p;
    size_t          size, from, to, body;
    ngx_fed_key_t   tag;

    from = ngx_fed_address_sip_size(&ev->from);
    to = ngx_fed_address_sip_size(&ev->to);
    body = ngx_fed_text_crlf_size(ev->body.data, ev->body.len);

    size = sizeof("MESSAGE  SIP/2.0" CRLF
                  "Max-Forwards: 70" CRLF
                  "From: <>;tag=" CRLF
                  "To: <>" CRLF
                  "Call-ID: " CRLF
                  "CSeq:  MESSAGE" CRLF
                  "Content-Type: text/plain;charset=UTF-8" CRLF
                  "Content-Length: " CRLF CRLF)
           + to + from + NGX_SIP_TAG_LEN + to + NGX_SIP_CALL_ID_LEN
           + NGX_INT32_LEN + ngx_sip_simple_optional_size(ev) + NGX_SIZE_T_LEN
           + body;

    p = ngx_pnalloc(ev->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    client->line.data = p;

    p = ngx_cpymem(p, "MESSAGE ", sizeof("MESSAGE ") - 1);
    p = ngx_fed_address_to_sip(p, &ev->to);
    p = ngx_cpymem(p, " SIP/2.0" CRLF, sizeof(" SIP/2.0" CRLF) - 1);

    client->line.len = p - client->line.data;
    client->rest.data = p;

    tag = ngx_sip_unique(ctx);

    p = ngx_cpymem(p, "Max-Forwards: 70" CRLF "From: <",
                   sizeof("Max-Forwards: 70" CRLF "From: <") - 1);
    p = ngx_fed_address_to_sip(p, &ev->from);
    p = ngx_cpymem(p, ">;tag=", sizeof(">;tag=") - 1);
    p = ngx_sip_hex(p, tag.lo);
    p = ngx_cpymem(p, CRLF "To: <", sizeof(CRLF "To: <") - 1);
    p = ngx_cpymem(p, client->line.data + sizeof("MESSAGE ") - 1,
                   client->line.len - (sizeof("MESSAGE  SIP/2.0" CRLF) - 1));
    p = ngx_cpymem(p, ">" CRLF "Call-ID: ", sizeof(">" CRLF "Call-ID: ") - 1);
    p += ngx_sip_thread_call_id(ctx, ev, p);

    client->cseq = ngx_fed_zone_number(ctx->conf) & 0x7fffffff;

    p = ngx_sprintf(p, CRLF "CSeq: %uD MESSAGE" CRLF, client->cseq);

    p = ngx_sip_simple_optional(p, ev);

    p = ngx_sprintf(p, "Content-Type: text/plain;charset=UTF-8" CRLF
                       "Content-Length: %uz" CRLF CRLF, body);
    p = ngx_fed_text_crlf(p, ev->body.data, ev->body.len);

    client->rest.len = p - client->rest.data;

    return NGX_OK;
}


/* Returns what ngx_sip_simple_optional() writes at most. */

size_t
ngx_sip_simple_optional_size(ngx_fed_event_t *ev)
{
    return sizeof("Subject: " CRLF "Content-Language: " CRLF "Date: " CRLF)
           + ngx_min(ev->subject.len, NGX_SIP_SUBJECT_LEN)
           + NGX_SIP_LANGUAGE_LEN + NGX_SIP_DATE_LEN;
}


/* Writes rows for the subject, the language and the time of a message. */

u_char *
ngx_sip_simple_optional(u_char *p, ngx_fed_event_t *ev)
{
    size_t   len;
    u_char  *start;
    time_t   date;

    if (ev->subject.len) {
        start = p;
        p = ngx_cpymem(p, "Subject: ", sizeof("Subject: ") - 1);

        len = ngx_fed_text_line(p, ev->subject.data, ev->subject.len,
                                ngx_min(ev->subject.len, NGX_SIP_SUBJECT_LEN));
        if (len) {
            p += len;
            *p++ = CR;
            *p++ = LF;

        } else {
            p = start;
        }
    }

    len = ngx_sip_language_prefix(&ev->lang);

    if (len) {
        p = ngx_cpymem(p, "Content-Language: ",
                       sizeof("Content-Language: ") - 1);
        p = ngx_cpymem(p, ev->lang.data, len);
        *p++ = CR;
        *p++ = LF;
    }

    date = ngx_fed_text_time(&ev->stamp);

    if (date != (time_t) NGX_ERROR) {
        p = ngx_cpymem(p, "Date: ", sizeof("Date: ") - 1);
        p = ngx_http_time(p, date);
        *p++ = CR;
        *p++ = LF;
    }

    return p;
}


/*
 * Returns the length of the part of a language tag that is one in SIP, where
 * subtags have letters only (RFC 3261, 25.1), or 0.
 */

size_t
ngx_sip_language_prefix(ngx_str_t *lang)
{
    u_char  ch;
    size_t  i, n, good;

    n = 0;
    good = 0;

    for (i = 0; i < lang->len && i < NGX_SIP_LANGUAGE_LEN; i++) {

        ch = lang->data[i] | 0x20;

        if (ch >= 'a' && ch <= 'z') {

            if (++n > 8) {
                return good;
            }

            continue;
        }

        if (lang->data[i] != '-' || n == 0) {
            return good;
        }

        good = i;
        n = 0;
    }

    return (n && i == lang->len) ? i : good;
}


static void
ngx_sip_simple_composing(ngx_fed_event_t *ev)
{
    ngx_fed_event_accept(ev);
}
