
/*
 * Responses: what is copied from the request (RFC 3261, 8.2.6, 18.2.1).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"


static u_char *ngx_sip_copy_rows(u_char *dst, ngx_sip_msg_t *msg,
    ngx_sip_header_e id, const char *name, size_t len);
static u_char *ngx_sip_copy_value(u_char *dst, ngx_sip_header_t *h, u_char *p,
    u_char *last);
static u_char *ngx_sip_copy_top_via(u_char *dst, ngx_sip_conn_t *conn,
    ngx_sip_msg_t *msg, ngx_sip_header_t *h);


/*
 * Refuses a request, or answers it with a 2xx.  The To tag is the same when
 * the same request comes again.  BENOTIFY is never answered (MS-SIP, 3.5).
 */

void
ngx_sip_respond(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg, ngx_fed_key_t *key,
    ngx_sip_refusal_t *refusal)
{
    u_char      *p;
    ngx_str_t    reason;

    if (msg->method == NGX_SIP_BENOTIFY) {
        return;
    }

    if (refusal->reason) {
        reason.data = (u_char *) refusal->reason;
        reason.len = ngx_strlen(refusal->reason);

    } else {
        reason = *ngx_fed_error_reason(refusal->status);
    }

    p = ngx_fed_link_reserve(conn->link,
                             sizeof("SIP/2.0 200 " CRLF) + reason.len
                             + ngx_sip_respond_size(conn, msg)
                             + refusal->headers.len + NGX_SIP_DIAGNOSIS_LEN
                             + sizeof("Content-Length: 0" CRLF CRLF));
    if (p == NULL) {
        return;
    }

    p = ngx_sprintf(p, "SIP/2.0 %03ui %V" CRLF, refusal->status, &reason);

    p = ngx_sip_respond_head(p, conn, msg);
    p = ngx_sip_respond_tag(p, msg, key);
    p = ngx_sip_respond_tail(p, conn, msg);

    if (refusal->headers.len) {
        p = ngx_cpymem(p, refusal->headers.data, refusal->headers.len);
    }

    p = ngx_sip_diagnose(p, conn->ctx, ngx_sip_conn_domain(conn),
                         refusal->status, &reason);

    p = ngx_cpymem(p, "Content-Length: 0" CRLF CRLF,
                   sizeof("Content-Length: 0" CRLF CRLF) - 1);

    ngx_fed_link_commit(conn->link, p);
}


/* Returns what the functions below write at most, in all. */

size_t
ngx_sip_respond_size(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    size_t             size;
    ngx_uint_t         i;
    ngx_sip_header_t  *h;

    size = sizeof(";received=;rport==65535") + NGX_SOCKADDR_STRLEN
           + sizeof(";tag=") + NGX_SIP_TAG_LEN
           + ngx_sip_rows(conn)->all.len;

    for (i = 1; i <= msg->nheaders; i++) {

        h = &msg->headers[i];

        switch (h->id) {

        case NGX_SIP_VIA:
        case NGX_SIP_FROM:
        case NGX_SIP_TO:
        case NGX_SIP_CALL_ID:
        case NGX_SIP_CSEQ:
            size += sizeof("Call-ID: " CRLF) + h->value.len;
        }
    }

    return size;
}


/* Writes Via, From, and To without its end. */

u_char *
ngx_sip_respond_head(u_char *dst, ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_sip_header_t  *h;

    h = ngx_sip_header(msg, NGX_SIP_VIA);

    for ( /* void */ ; h; h = ngx_sip_header_next(msg, h)) {

        dst = ngx_cpymem(dst, "Via: ", sizeof("Via: ") - 1);

        if (h == ngx_sip_header(msg, NGX_SIP_VIA) && msg->via.all.len) {
            dst = ngx_sip_copy_top_via(dst, conn, msg, h);

        } else {
            dst = ngx_sip_copy_value(dst, h, h->value.data,
                                     h->value.data + h->value.len);
        }

        *dst++ = CR;
        *dst++ = LF;
    }

    dst = ngx_sip_copy_rows(dst, msg, NGX_SIP_FROM, "From: ", 6);

    /* of a repeated To, which is refused, the first is enough */

    h = ngx_sip_header(msg, NGX_SIP_TO);

    if (h) {
        dst = ngx_cpymem(dst, "To: ", sizeof("To: ") - 1);
        dst = ngx_sip_copy_value(dst, h, h->value.data,
                                 h->value.data + h->value.len);
    }

    return dst;
}


/* Writes the tag to be added to To, if it is a To and has none. */

u_char *
ngx_sip_respond_tag(u_char *dst, ngx_sip_msg_t *msg, ngx_fed_key_t *key)
{
    if (msg->to.uri.len == 0 || msg->to.tag.len) {
        return dst;
    }

    dst = ngx_cpymem(dst, ";tag=", sizeof(";tag=") - 1);

    return ngx_sip_hex(dst, key->lo);
}


/* Writes the end of To, Call-ID, CSeq, and what the peer's dialect wants. */

u_char *
ngx_sip_respond_tail(u_char *dst, ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_str_t  *all;

    all = &ngx_sip_rows(conn)->all;

    if (ngx_sip_header(msg, NGX_SIP_TO)) {
        *dst++ = CR;
        *dst++ = LF;
    }

    dst = ngx_sip_copy_rows(dst, msg, NGX_SIP_CALL_ID, "Call-ID: ", 9);

    dst = ngx_sip_copy_rows(dst, msg, NGX_SIP_CSEQ, "CSeq: ", 6);

    return all->len ? ngx_cpymem(dst, all->data, all->len) : dst;
}


/* Returns what ngx_sip_respond_routes() writes at most. */

size_t
ngx_sip_respond_routes_size(ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    size_t             size;
    ngx_sip_header_t  *h;

    size = ngx_sip_rows(conn)->answer.len;

    h = ngx_sip_header(msg, NGX_SIP_RECORD_ROUTE);

    for ( /* void */ ; h; h = ngx_sip_header_next(msg, h)) {
        size += sizeof("Record-Route: " CRLF) + h->value.len;
    }

    return size;
}


/*
 * Writes the rows of Record-Route of a 2xx that makes a dialog: those of the
 * request (RFC 3261, 12.1.1), and ahead of them, as if a proxy stood before us,
 * that of the dialect (ocs-wire 5.1).
 */

u_char *
ngx_sip_respond_routes(u_char *dst, ngx_sip_conn_t *conn, ngx_sip_msg_t *msg)
{
    ngx_str_t         *own;
    ngx_sip_header_t  *h;

    own = &ngx_sip_rows(conn)->answer;

    if (own->len) {
        dst = ngx_cpymem(dst, own->data, own->len);
    }

    h = ngx_sip_header(msg, NGX_SIP_RECORD_ROUTE);

    for ( /* void */ ; h; h = ngx_sip_header_next(msg, h)) {
        dst = ngx_cpymem(dst, "Record-Route: ", sizeof("Record-Route: ") - 1);
        dst = ngx_sip_copy_value(dst, h, h->value.data,
                                 h->value.data + h->value.len);
        *dst++ = CR;
        *dst++ = LF;
    }

    return dst;
}


static u_char *
ngx_sip_copy_rows(u_char *dst, ngx_sip_msg_t *msg, ngx_sip_header_e id,
    const char *name, size_t len)
{
    ngx_sip_header_t  *h;

    h = ngx_sip_header(msg, id);

    if (h == NULL) {
        return dst;
    }

    dst = ngx_cpymem(dst, name, len);
    dst = ngx_sip_copy_value(dst, h, h->value.data,
                             h->value.data + h->value.len);

    *dst++ = CR;
    *dst++ = LF;

    return dst;
}


/* Octet by octet, but each fold becomes a space (RFC 3261, 7.3.1). */

static u_char *
ngx_sip_copy_value(u_char *dst, ngx_sip_header_t *h, u_char *p, u_char *last)
{
    if (!h->folded) {
        return ngx_cpymem(dst, p, last - p);
    }

    while (p < last) {

        if (*p != CR && *p != LF) {
            *dst++ = *p++;
            continue;
        }

        while (p < last
               && (*p == CR || *p == LF || *p == ' ' || *p == '\t'))
        {
            p++;
        }

        *dst++ = ' ';
    }

    return dst;
}


/*
 * The topmost Via says where the request came from, if that is not what
 * sent-by says (RFC 3261, 18.2.1), or if it was asked for (RFC 3581, 4).
 */

static u_char *
ngx_sip_copy_top_via(u_char *dst, ngx_sip_conn_t *conn, ngx_sip_msg_t *msg,
    ngx_sip_header_t *h)
{
    u_char            *p, *end, *last;
    size_t             len;
    ngx_str_t         *host;
    ngx_uint_t         differs;
    ngx_sip_via_t     *via;
    ngx_connection_t  *c;
    u_char             addr[NGX_SOCKADDR_STRLEN];

    via = &msg->via;
    c = conn->link->connection;

    p = h->value.data;
    end = via->all.data + via->all.len;
    last = h->value.data + h->value.len;

    len = ngx_sock_ntop(c->sockaddr, c->socklen, addr, NGX_SOCKADDR_STRLEN, 0);

    host = &via->host;

    if (host->data[0] == '[') {
        differs = (host->len - 2 != len
                   || ngx_strncasecmp(host->data + 1, addr, len) != 0);

    } else {
        differs = (host->len != len || ngx_memcmp(host->data, addr, len) != 0);
    }

    if (via->rport.len && !via->rport_set) {
        dst = ngx_sip_copy_value(dst, h, p, via->rport.data + via->rport.len);
        dst = ngx_sprintf(dst, "=%ui",
                          (ngx_uint_t) ngx_inet_get_port(c->sockaddr));

        p = via->rport.data + via->rport.len;
        differs = 1;
    }

    dst = ngx_sip_copy_value(dst, h, p, end);

    if (differs && via->received.len == 0) {
        dst = ngx_cpymem(dst, ";received=", sizeof(";received=") - 1);
        dst = ngx_cpymem(dst, addr, len);
    }

    return ngx_sip_copy_value(dst, h, end, last);
}


/*
 * Makes a Reason-Phrase of text, of NGX_SIP_REASON_LEN octets at most, and
 * returns its length (RFC 3261, 25.1): one line of UTF-8, and of ASCII what is
 * allowed in it.
 */

size_t
ngx_sip_phrase(u_char *dst, ngx_str_t *text)
{
    size_t               i, len;
    static const u_char  bad[] = "\"#%<>[\\]^`{|}";

    len = ngx_fed_text_line(dst, text->data, text->len, NGX_SIP_REASON_LEN);

    for (i = 0; i < len; i++) {
        if (ngx_strlchr((u_char *) bad, (u_char *) bad + sizeof(bad) - 1,
                        dst[i]))
        {
            dst[i] = '\'';
        }
    }

    return len;
}


/* Writes what the dialect of a domain has to say of an error response. */

u_char *
ngx_sip_diagnose(u_char *dst, ngx_sip_ctx_t *ctx, ngx_fed_domain_t *domain,
    ngx_uint_t status, ngx_str_t *reason)
{
    const ngx_sip_dialect_t  *dialect;

    if (status < 300 || domain == NULL) {
        return dst;
    }

    dialect = ngx_sip_dialects[domain->dialect];

    return dialect->diagnose ? dialect->diagnose(ctx, dst, status, reason)
                             : dst;
}
