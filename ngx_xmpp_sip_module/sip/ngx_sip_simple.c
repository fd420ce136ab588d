
/*
 * The dialect "simple": instant messages are MESSAGE requests outside of any
 * dialog (RFC 3428, RFC 7572).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"
#include "ngx_sip_iscomposing.h"


#define NGX_SIP_SUBJECT_LEN   1024
#define NGX_SIP_LANGUAGE_LEN  64
#define NGX_SIP_TYPE_LEN      (sizeof("application/im-iscomposing+xml") - 1)
#define NGX_SIP_DATE_LEN      (sizeof("Thu, 01 Jan 2026 00:00:00 GMT") - 1)
#define NGX_SIP_OLD           60      /* seconds, from which Date is told */


static ngx_int_t ngx_sip_simple_init(ngx_sip_ctx_t *ctx, ngx_sip_rows_t *rows);
static ngx_int_t ngx_sip_simple_header(ngx_sip_ctx_t *ctx, ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev);
static ngx_int_t ngx_sip_simple_content(ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev, ngx_sip_media_t *media, ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_simple_part(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_sip_media_t *media, ngx_str_t *body, ngx_sip_refusal_t *refusal,
    ngx_uint_t wrapped);
static ngx_int_t ngx_sip_simple_iscomposing(ngx_fed_event_t *ev,
    ngx_str_t *body, ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_simple_cpim(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_str_t *body, ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_simple_text(ngx_fed_event_t *ev,
    ngx_sip_media_t *media, ngx_str_t *body, ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_simple_unsupported(ngx_fed_event_t *ev,
    ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_simple_body(ngx_str_t *text, ngx_fed_event_t *ev,
    ngx_sip_refusal_t *refusal);
static ngx_int_t ngx_sip_simple_subject(ngx_fed_event_t *ev, ngx_str_t *text);
static ngx_int_t ngx_sip_simple_language(ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev);
static ngx_int_t ngx_sip_simple_date(ngx_sip_msg_t *msg, ngx_fed_event_t *ev);
static ngx_int_t ngx_sip_simple_write(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_sip_client_t *client);
static ngx_int_t ngx_sip_simple_request(ngx_sip_ctx_t *ctx,
    ngx_fed_event_t *ev, ngx_sip_client_t *client, const char *type,
    const ngx_str_t *content);
static void ngx_sip_simple_composing(ngx_fed_event_t *ev);
static void ngx_sip_simple_composed(ngx_sip_client_t *client,
    ngx_fed_outcome_t *outcome, ngx_sip_msg_t *msg);


const ngx_sip_dialect_t  ngx_sip_dialect_simple = {
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
    &ngx_sip_presence_simple,

    NGX_SIP_ALLOW,
    NGX_SIP_ISCOMPOSING_REFRESH,
    1,

    NGX_FED_CHATSTATES_OFF,
    NGX_FED_CHAT_ACTIVE,
    0
};


static ngx_int_t
ngx_sip_simple_init(ngx_sip_ctx_t *ctx, ngx_sip_rows_t *rows)
{
    return NGX_OK;
}


/*
 * Fills in an event from a MESSAGE: where that is configured, it may come to be
 * one of a chat state or a receipt.  Returns NGX_OK, NGX_DECLINED with the
 * refusal filled in, or NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_sip_simple_read(ngx_sip_ctx_t *ctx, ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal)
{
    ngx_int_t        rc;
    ngx_sip_media_t  media;

    ev->type = NGX_FED_NORMAL;

    rc = ngx_sip_simple_content(msg, ev, &media, refusal);

    if (rc == NGX_OK) {
        rc = ngx_sip_simple_part(ctx, ev, &media, &msg->body, refusal, 0);
    }

    if (rc != NGX_OK || ev->kind == NGX_FED_RECEIPT) {
        return rc;
    }

    return ngx_sip_simple_header(ctx, msg, ev);
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

    ev->type = NGX_FED_NORMAL;

    rc = ngx_sip_simple_body(text, ev, refusal);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_sip_simple_header(ctx, msg, ev);
}


static ngx_int_t
ngx_sip_simple_header(ngx_sip_ctx_t *ctx, ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev)
{
    ngx_sip_header_t  *h;

    ev->id.len = msg->call_id.len;
    ev->id.data = ngx_pstrdup(ev->pool, &msg->call_id);

    if (ev->id.data == NULL
        || ngx_sip_thread_read(ctx, ev, &msg->call_id) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ev->kind == NGX_FED_COMPOSING) {
        return NGX_OK;
    }

    h = ngx_sip_header(msg, NGX_SIP_SUBJECT);

    if (h && ngx_sip_simple_subject(ev, &h->value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_sip_simple_language(msg, ev) != NGX_OK
        || ngx_sip_simple_date(msg, ev) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* RFC 3261, 8.2.3; RFC 3428, 7 */

static ngx_int_t
ngx_sip_simple_content(ngx_sip_msg_t *msg, ngx_fed_event_t *ev,
    ngx_sip_media_t *media, ngx_sip_refusal_t *refusal)
{
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

    if (h->next || ngx_sip_media_type(&h->value, media) != NGX_OK) {
        refusal->status = 400;
        refusal->reason = "Bad Content-Type";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_sip_simple_part(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_sip_media_t *media, ngx_str_t *body, ngx_sip_refusal_t *refusal,
    ngx_uint_t wrapped)
{
    if (ev->from_domain->chatstates != NGX_FED_CHATSTATES_OFF
        && ngx_sip_is(&media->type, "application")
        && ngx_sip_is(&media->subtype, "im-iscomposing+xml"))
    {
        return ngx_sip_simple_iscomposing(ev, body, refusal);
    }

    if (ev->from_domain->receipts && ngx_sip_is(&media->type, "message")) {

        if (ngx_sip_is(&media->subtype, "cpim") && !wrapped) {
            return ngx_sip_simple_cpim(ctx, ev, body, refusal);
        }

        if (ngx_sip_is(&media->subtype, "imdn+xml")) {
            return ngx_sip_receipt_read(ctx, ev, body, refusal);
        }
    }

    return ngx_sip_simple_text(ev, media, body, refusal);
}


static ngx_int_t
ngx_sip_simple_iscomposing(ngx_fed_event_t *ev, ngx_str_t *body,
    ngx_sip_refusal_t *refusal)
{
    ngx_int_t              rc;
    ngx_sip_iscomposing_t  doc;

    rc = ngx_sip_iscomposing_read(body, &doc);

    if (rc == NGX_ABORT) {
        refusal->status = 400;
        refusal->reason = "Bad Composing Indication";
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ev->kind = NGX_FED_COMPOSING;
    ev->chat_state = doc.active ? NGX_FED_CHAT_COMPOSING : NGX_FED_CHAT_PAUSED;
    ev->refresh = doc.refresh ? doc.refresh : NGX_SIP_ISCOMPOSING_DEFAULT;

    return NGX_OK;
}


/* RFC 3862, with what RFC 5438 adds */

static ngx_int_t
ngx_sip_simple_cpim(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev, ngx_str_t *body,
    ngx_sip_refusal_t *refusal)
{
    ngx_int_t        rc;
    ngx_sip_cpim_t   cpim;
    ngx_sip_part_t   part;

    rc = ngx_sip_cpim_read(ev->pool, body, &cpim);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_OK
        && ngx_sip_part(cpim.content.data,
                        cpim.content.data + cpim.content.len, &part)
           != NGX_OK)
    {
        rc = NGX_ABORT;
    }

    if (rc == NGX_ABORT) {
        refusal->status = 400;
        refusal->reason = "Bad CPIM Message";
        return NGX_DECLINED;
    }

    if (rc != NGX_OK || part.encoded) {
        return ngx_sip_simple_unsupported(ev, refusal);
    }

    rc = ngx_sip_simple_part(ctx, ev, &part.media, &part.content, refusal, 1);

    if (rc != NGX_OK || ev->kind != NGX_FED_MESSAGE) {
        return rc;
    }

    ngx_sip_receipt_asked(ctx, ev, &cpim);

    return ngx_sip_simple_subject(ev, &cpim.subject);
}


static ngx_int_t
ngx_sip_simple_text(ngx_fed_event_t *ev, ngx_sip_media_t *media,
    ngx_str_t *body, ngx_sip_refusal_t *refusal)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    if (ngx_sip_is(&media->type, "multipart")) {
        rc = ngx_sip_multipart(media, body, ngx_sip_media_is_text, &text);

    } else {
        rc = ngx_sip_media_is_text(media) ? NGX_OK : NGX_DECLINED;
        text = *body;
    }

    if (rc == NGX_ERROR) {
        refusal->status = 400;
        refusal->reason = "Bad Multipart Body";
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        return ngx_sip_simple_unsupported(ev, refusal);
    }

    return ngx_sip_simple_body(&text, ev, refusal);
}


static ngx_int_t
ngx_sip_simple_unsupported(ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal)
{
    refusal->status = 415;
    refusal->headers = ngx_sip_accept_row(ev->from_domain->chatstates,
                                          ev->from_domain->receipts);

    return NGX_DECLINED;
}


/* Returns the row of Accept for a MESSAGE. */

ngx_str_t
ngx_sip_accept_row(ngx_uint_t chatstates, ngx_uint_t receipts)
{
    static const ngx_str_t  rows[] = {
        ngx_string(NGX_SIP_ACCEPT_ROW),
        ngx_string(NGX_SIP_ACCEPT_TEXT ", application/im-iscomposing+xml"
                   CRLF),
        ngx_string(NGX_SIP_ACCEPT_TEXT ", message/cpim, message/imdn+xml"
                   CRLF),
        ngx_string(NGX_SIP_ACCEPT_TEXT ", application/im-iscomposing+xml,"
                   " message/cpim, message/imdn+xml" CRLF)
    };

    return rows[(chatstates ? 1 : 0) + (receipts ? 2 : 0)];
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
ngx_sip_simple_subject(ngx_fed_event_t *ev, ngx_str_t *text)
{
    if (text->len == 0) {
        return NGX_OK;
    }

    ev->subject.data = ngx_pnalloc(ev->pool, text->len);
    if (ev->subject.data == NULL) {
        return NGX_ERROR;
    }

    ev->subject.len = ngx_fed_text_line(ev->subject.data, text->data,
                                        text->len, text->len);
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

    ev->stamp.data = ngx_pnalloc(ev->pool, NGX_SIP_STAMP_LEN);
    if (ev->stamp.data == NULL) {
        return NGX_ERROR;
    }

    ev->stamp.len = ngx_sip_stamp(ev->stamp.data, date) - ev->stamp.data;

    return NGX_OK;
}


/* Writes a time in UTC, in NGX_SIP_STAMP_LEN octets (RFC 3339, XEP-0082). */

u_char *
ngx_sip_stamp(u_char *dst, time_t time)
{
    ngx_tm_t  tm;

    ngx_gmtime(time, &tm);

    return ngx_snprintf(dst, NGX_SIP_STAMP_LEN, "%4d-%02d-%02dT%02d:%02d:%02dZ",
                        tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                        tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);
}


/*
 * Makes a MESSAGE of an event, but for its Via, in the event's pool (RFC 7572,
 * 4; RFC 3428, 4).  Returns NGX_ERROR if there is no memory.
 */

static ngx_int_t
ngx_sip_simple_write(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_sip_client_t *client)
{
    ngx_int_t         rc;
    ngx_str_t         wrapped;
    const ngx_str_t  *content;

    if (ev->kind == NGX_FED_COMPOSING) {
        content = (ev->chat_state == NGX_FED_CHAT_COMPOSING)
                  ? &ngx_sip_iscomposing_active : &ngx_sip_iscomposing_idle;

        return ngx_sip_simple_request(ctx, ev, client,
                                      "application/im-iscomposing+xml",
                                      content);
    }

    if (ev->kind == NGX_FED_RECEIPT) {
        return ngx_sip_simple_request(ctx, ev, client, "message/cpim",
                                      &ev->body);
    }

    if (ev->confirm) {
        rc = ngx_sip_receipt_wrap(ctx, ev, &wrapped);

        if (rc == NGX_OK) {
            return ngx_sip_simple_request(ctx, ev, client, "message/cpim",
                                          &wrapped);
        }

        if (rc != NGX_DECLINED) {
            return NGX_ERROR;
        }
    }

    return ngx_sip_simple_request(ctx, ev, client, "text/plain;charset=UTF-8",
                                  NULL);
}


/* Without content it is the text of the event. */

static ngx_int_t
ngx_sip_simple_request(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_sip_client_t *client, const char *type, const ngx_str_t *content)
{
    u_char         *p;
    size_t          size, from, to, body;
    ngx_fed_key_t   tag;

    from = ngx_fed_address_sip_size(&ev->from);
    to = ngx_fed_address_sip_size(&ev->to);
    body = content ? content->len
                   : ngx_fed_text_crlf_size(ev->body.data, ev->body.len);

    size = sizeof("MESSAGE  SIP/2.0" CRLF
                  "Max-Forwards: 70" CRLF
                  "From: <>;tag=" CRLF
                  "To: <>" CRLF
                  "Call-ID: " CRLF
                  "CSeq:  MESSAGE" CRLF
                  "Subject: " CRLF
                  "Content-Language: " CRLF
                  "Date: " CRLF
                  "Content-Type: " CRLF
                  "Content-Length: " CRLF CRLF)
           + to + from + NGX_SIP_TAG_LEN + to + NGX_SIP_CALL_ID_LEN
           + NGX_INT32_LEN + ngx_min(ev->subject.len, NGX_SIP_SUBJECT_LEN)
           + NGX_SIP_LANGUAGE_LEN + NGX_SIP_DATE_LEN + NGX_SIP_TYPE_LEN
           + NGX_SIZE_T_LEN + body;

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

    client->cseq = ngx_fed_zone_number(ctx->conf, 1) & 0x7fffffff;

    p = ngx_sprintf(p, CRLF "CSeq: %uD MESSAGE" CRLF, client->cseq);

    p = ngx_sip_simple_optional(p, ev);

    p = ngx_sprintf(p, "Content-Type: %s" CRLF
                       "Content-Length: %uz" CRLF CRLF, type, body);

    p = content ? ngx_cpymem(p, content->data, content->len)
                : ngx_fed_text_crlf(p, ev->body.data, ev->body.len);

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


/* RFC 3994; there is no session that somebody could be gone from. */

static void
ngx_sip_simple_composing(ngx_fed_event_t *ev)
{
    if (ev->chat_state == NGX_FED_CHAT_GONE
        || ngx_sip_composing_is_refused(ev))
    {
        ngx_fed_event_drop(ev);
        return;
    }

    ngx_sip_client_page(ev, ngx_sip_simple_composed);
}


/* RFC 3994, 4 */

static void
ngx_sip_simple_composed(ngx_sip_client_t *client, ngx_fed_outcome_t *outcome,
    ngx_sip_msg_t *msg)
{
    if (outcome->result == NGX_FED_SIP_STATUS && outcome->status == 415) {
        ngx_sip_composing_refused(client->event);
    }

    ngx_fed_event_outcome(client->event, outcome);
}
