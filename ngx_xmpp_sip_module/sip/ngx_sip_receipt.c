
/*
 * Receipts: what is remembered of a message that one of the sides wants to hear
 * of again, and the notifications of its fate (RFC 5438, XEP-0184).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"
#include "ngx_sip_imdn.h"


#define NGX_SIP_RECEIPT_FIELDS  5        /* of a note on a SIP message */

/*
 * A note on a message of an XMPP user, and one on a message of a SIP user: they
 * have different forms, and either side may name an id that the other knows.
 */

#define NGX_SIP_RECEIPT_OURS    "message"
#define NGX_SIP_RECEIPT_THEIRS  "sip message"


/* what is remembered of a message of a SIP user */

typedef struct {
    ngx_uint_t                    dispositions;
    ngx_str_t                     fields[NGX_SIP_RECEIPT_FIELDS];
    u_char                        text[NGX_FED_NOTE_TEXT];
} ngx_sip_receipt_t;

#define NGX_SIP_RECEIPT_ID      0
#define NGX_SIP_RECEIPT_DATE    1
#define NGX_SIP_RECEIPT_FROM    2
#define NGX_SIP_RECEIPT_TO      3
#define NGX_SIP_RECEIPT_ROUTE   4


static ngx_int_t ngx_sip_receipt_note(ngx_fed_event_t *ev, ngx_str_t *id,
    const char *what, ngx_str_t *text);
static ngx_uint_t ngx_sip_receipt_anonymous(ngx_fed_address_t *addr);
static ngx_uint_t ngx_sip_receipt_once(ngx_fed_event_t *ev, ngx_str_t *id,
    const char *what);
static ngx_int_t ngx_sip_receipt_find(ngx_fed_event_t *ev,
    ngx_sip_receipt_t *receipt);
static ngx_int_t ngx_sip_receipt_write(ngx_fed_event_t *ev,
    ngx_sip_receipt_t *receipt);
static void ngx_sip_receipt_route(ngx_fed_event_t *ev, ngx_str_t *uri);
static ngx_str_t ngx_sip_receipt_uri(ngx_pool_t *pool,
    ngx_fed_address_t *addr);
static void ngx_sip_receipt_key(ngx_fed_event_t *ev, const char *what,
    ngx_str_t *id, ngx_fed_key_t *key);


/*
 * Wraps the text of a message so that its delivery is told (RFC 5438, 7.1.1),
 * and remembers whom to tell.  Returns NGX_DECLINED if it is to be sent as it
 * is, NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_sip_receipt_wrap(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_str_t *content)
{
    u_char          *p, id[NGX_FED_HASH_TEXT], text[NGX_FED_NOTE_TEXT];
    time_t           date;
    u_char           stamp[NGX_SIP_STAMP_LEN];
    ngx_str_t        note;
    ngx_fed_key_t    key;
    ngx_sip_cpim_t   cpim;

    if (ev->id.len == 0
        || ev->id.len + ev->from.resource.len + 4 > NGX_FED_NOTE_TEXT
        || ngx_sip_receipt_anonymous(&ev->to))
    {
        return NGX_DECLINED;
    }

    key = ngx_sip_unique(ctx);

    ngx_memzero(&cpim, sizeof(ngx_sip_cpim_t));

    (void) ngx_sip_hex(ngx_sip_hex(id, key.lo), key.hi);

    cpim.id.data = id;
    cpim.id.len = NGX_FED_HASH_TEXT;

    note.data = text;

    p = text;
    *p++ = (u_char) ev->type;
    *p++ = (u_char) ev->markable;
    *p++ = (u_char) (ev->id.len >> 8);
    *p++ = (u_char) ev->id.len;

    p = ngx_cpymem(p, ev->id.data, ev->id.len);

    if (ev->from.resource.len) {
        p = ngx_cpymem(p, ev->from.resource.data, ev->from.resource.len);
    }

    note.len = p - text;

    if (ngx_sip_receipt_note(ev, &cpim.id, NGX_SIP_RECEIPT_OURS, &note)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    date = ngx_fed_text_time(&ev->stamp);

    cpim.date.data = stamp;
    cpim.date.len = ngx_sip_stamp(stamp, date == (time_t) NGX_ERROR
                                         ? ngx_time() : date)
                    - stamp;

    cpim.dispositions = NGX_SIP_CPIM_POSITIVE;

    if (ev->markable) {
        cpim.dispositions |= NGX_SIP_CPIM_DISPLAY;
    }

    cpim.from = ngx_sip_receipt_uri(ev->pool, &ev->from);
    cpim.to = ngx_sip_receipt_uri(ev->pool, &ev->to);

    if (cpim.from.data == NULL || cpim.to.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(ev->pool, ngx_sip_cpim_size(&cpim)
                         + sizeof("Content-Type: text/plain;charset=UTF-8" CRLF
                                  CRLF)
                         + ngx_fed_text_crlf_size(ev->body.data,
                                                  ev->body.len));
    if (p == NULL) {
        return NGX_ERROR;
    }

    content->data = p;

    p = ngx_sip_cpim_write(p, &cpim);
    p = ngx_cpymem(p, "Content-Type: text/plain;charset=UTF-8" CRLF CRLF,
                   sizeof("Content-Type: text/plain;charset=UTF-8" CRLF CRLF)
                   - 1);
    p = ngx_fed_text_crlf(p, ev->body.data, ev->body.len);

    content->len = p - content->data;

    return NGX_OK;
}


/* RFC 3323, 4.1.1.3 */

static ngx_uint_t
ngx_sip_receipt_anonymous(ngx_fed_address_t *addr)
{
    return ngx_sip_is(&addr->user, "anonymous")
           || ngx_sip_is(&addr->domain, "anonymous.invalid");
}


/*
 * Reads a notification of a SIP user: the event becomes a receipt, of no kind
 * if there is nobody to be told, or not any more.  Returns NGX_OK, NGX_DECLINED
 * with the refusal filled in, or NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_sip_receipt_read(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev, ngx_str_t *body,
    ngx_sip_refusal_t *refusal)
{
    u_char               *p, text[NGX_FED_NOTE_TEXT];
    size_t                len, n;
    ngx_int_t             rc;
    ngx_uint_t            displayed;
    ngx_fed_key_t         key[2];
    ngx_sip_imdn_t        imdn;
    ngx_fed_receipt_e     receipt;

    /* in the order of ngx_sip_imdn_status_e */

    static const ngx_fed_receipt_e  receipts[] = {
        NGX_FED_NO_RECEIPT,
        NGX_FED_DELIVERED,
        NGX_FED_DISPLAYED,
        NGX_FED_FAILED,
        NGX_FED_FAILED_UNKNOWN
    };

    rc = ngx_sip_imdn_read(ev->pool, body, &imdn);

    if (rc == NGX_ABORT) {
        refusal->status = 400;
        refusal->reason = "Bad Notification";
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ev->kind = NGX_FED_RECEIPT;

    receipt = receipts[imdn.status];
    displayed = (receipt == NGX_FED_DISPLAYED);

    ngx_sip_receipt_key(ev, NGX_SIP_RECEIPT_OURS, &imdn.id, key);

    if (receipt == NGX_FED_NO_RECEIPT
        || ngx_fed_zone_noted(ctx->conf, (u_char *) key, text, &len) != NGX_OK
        || (displayed && !text[1])
        || !ngx_sip_receipt_once(ev, &imdn.id, displayed ? "displayed"
                                                         : "delivered"))
    {
        return NGX_OK;
    }

    p = ngx_pnalloc(ev->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    n = text[2] << 8 | text[3];
    len -= 4;

    ngx_memcpy(p, text + 4, len);

    ev->receipt = receipt;
    ev->type = text[0];

    ev->id.data = p;
    ev->id.len = n;

    ev->to.resource.data = p + n;
    ev->to.resource.len = len - n;

    return NGX_OK;
}


/*
 * Takes up what a SIP user wants to know of his message: draws its id on the
 * other side and remembers how to answer.
 */

void
ngx_sip_receipt_asked(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_sip_cpim_t *cpim)
{
    u_char             *p, id[NGX_FED_ID_LEN], text[NGX_FED_NOTE_TEXT];
    ngx_str_t           name, note, *field[NGX_SIP_RECEIPT_FIELDS];
    ngx_uint_t          i, dispositions;
    ngx_fed_address_t   addr;

    dispositions = cpim->dispositions
                   & (NGX_SIP_CPIM_POSITIVE|NGX_SIP_CPIM_NEGATIVE);

    /* nobody is told who is not the sender (RFC 5438, 14) */

    if (dispositions == 0
        || cpim->id.len == 0
        || cpim->id.len + cpim->date.len + cpim->from.len + cpim->to.len
           + cpim->route.len + 1 + NGX_SIP_RECEIPT_FIELDS > NGX_FED_NOTE_TEXT
        || ngx_fed_address_from_sip(ev->pool, &cpim->from, &addr) != NGX_OK
        || !ngx_fed_str_equal(&addr.user, &ev->from.user)
        || !ngx_fed_str_equal(&addr.domain, &ev->from.domain))
    {
        return;
    }

    field[NGX_SIP_RECEIPT_ID] = &cpim->id;
    field[NGX_SIP_RECEIPT_DATE] = &cpim->date;
    field[NGX_SIP_RECEIPT_FROM] = &cpim->from;
    field[NGX_SIP_RECEIPT_TO] = &cpim->to;
    field[NGX_SIP_RECEIPT_ROUTE] = &cpim->route;

    note.data = text;

    p = text;
    *p++ = (u_char) dispositions;

    for (i = 0; i < NGX_SIP_RECEIPT_FIELDS; i++) {

        if (field[i]->len) {
            p = ngx_cpymem(p, field[i]->data, field[i]->len);
        }

        *p++ = LF;
    }

    note.len = p - text;

    ev->seq = ngx_fed_id_next(ctx->conf);

    name.data = id;
    name.len = ngx_fed_id_text(ctx->conf, id, ev->seq) - id;

    if (ngx_sip_receipt_note(ev, &name, NGX_SIP_RECEIPT_THEIRS, &note)
        != NGX_OK)
    {
        return;
    }

    ev->confirm = (dispositions & NGX_SIP_CPIM_POSITIVE) ? 1 : 0;
    ev->report = (dispositions & NGX_SIP_CPIM_NEGATIVE) ? 1 : 0;
}


/*
 * The sender of a message with "report" was told that it was taken: if it
 * bounces from now on, he hears of it (RFC 5438, 8.2).
 */

void
ngx_sip_receipt_taken(ngx_fed_event_t *ev)
{
    u_char         text[NGX_FED_ID_LEN];
    ngx_str_t      id;

    id.data = text;
    id.len = ngx_fed_id_text(ev->conf, text, ev->seq) - text;

    (void) ngx_sip_receipt_once(ev, &id, "taken");
}


/* Tells a SIP user what became of his message, if he asked, and once. */

void
ngx_sip_receipt_send(ngx_fed_event_t *ev)
{
    size_t              len;
    u_char              text[NGX_FED_NOTE_TEXT];
    ngx_uint_t          asked;
    ngx_fed_key_t       key[2];
    ngx_sip_receipt_t   receipt;

    if (ngx_sip_receipt_find(ev, &receipt) != NGX_OK) {
        ngx_fed_event_drop(ev);
        return;
    }

    if (ev->receipt == NGX_FED_DELIVERED) {
        asked = receipt.dispositions & NGX_SIP_CPIM_POSITIVE;

    } else {
        ngx_sip_receipt_key(ev, "taken", &ev->id, key);

        asked = ev->receipt == NGX_FED_FAILED
                && (receipt.dispositions & NGX_SIP_CPIM_NEGATIVE)
                && ngx_fed_zone_noted(ev->conf, (u_char *) key, text, &len)
                   == NGX_OK;
    }

    if (!asked || !ngx_sip_receipt_once(ev, &ev->id, "delivered")) {
        ngx_fed_event_drop(ev);
        return;
    }

    if (ngx_sip_receipt_write(ev, &receipt) != NGX_OK) {
        ngx_fed_event_fail(ev, NGX_FED_INTERNAL, NULL);
        return;
    }

    ngx_sip_receipt_route(ev, &receipt.fields[NGX_SIP_RECEIPT_ROUTE]);

    ngx_sip_client_message(ev);
}


static ngx_int_t
ngx_sip_receipt_find(ngx_fed_event_t *ev, ngx_sip_receipt_t *receipt)
{
    u_char         *p, *last;
    size_t          len;
    ngx_uint_t      i;
    ngx_fed_key_t   key[2];

    ngx_sip_receipt_key(ev, NGX_SIP_RECEIPT_THEIRS, &ev->id, key);

    if (ngx_fed_zone_noted(ev->conf, (u_char *) key, receipt->text, &len)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    p = receipt->text;
    last = p + len;

    receipt->dispositions = *p++;

    for (i = 0; i < NGX_SIP_RECEIPT_FIELDS; i++) {
        receipt->fields[i].data = p;

        p = ngx_strlchr(p, last, LF);

        if (p == NULL) {
            return NGX_DECLINED;
        }

        receipt->fields[i].len = p++ - receipt->fields[i].data;
    }

    return NGX_OK;
}


/* The notification becomes the body of the event (RFC 5438, 7.2.1.1). */

static ngx_int_t
ngx_sip_receipt_write(ngx_fed_event_t *ev, ngx_sip_receipt_t *receipt)
{
    u_char          *p, *end, id[NGX_FED_HASH_TEXT];
    size_t           size;
    ngx_str_t       *field;
    ngx_fed_key_t    key;
    ngx_sip_cpim_t   cpim;
    ngx_sip_imdn_t   imdn;

    field = receipt->fields;

    imdn.id = field[NGX_SIP_RECEIPT_ID];
    imdn.date = field[NGX_SIP_RECEIPT_DATE];
    imdn.recipient = field[NGX_SIP_RECEIPT_TO];
    imdn.status = (ev->receipt == NGX_FED_DELIVERED) ? NGX_SIP_IMDN_DELIVERED
                                                     : NGX_SIP_IMDN_FAILED;

    ngx_memzero(&cpim, sizeof(ngx_sip_cpim_t));

    key = ngx_sip_unique(ev->conf->sip_data);

    (void) ngx_sip_hex(ngx_sip_hex(id, key.lo), key.hi);

    cpim.id.data = id;
    cpim.id.len = NGX_FED_HASH_TEXT;
    cpim.to = field[NGX_SIP_RECEIPT_FROM];
    cpim.route = field[NGX_SIP_RECEIPT_ROUTE];
    cpim.from = ngx_sip_receipt_uri(ev->pool, &ev->from);

    if (cpim.from.data == NULL) {
        return NGX_ERROR;
    }

    size = ngx_sip_imdn_size(&imdn);

    p = ngx_pnalloc(ev->pool, ngx_sip_cpim_size(&cpim) + size
                    + sizeof("Content-Type: message/imdn+xml" CRLF
                             "Content-Disposition: notification" CRLF
                             "Content-Length: " CRLF CRLF) + NGX_SIZE_T_LEN);
    end = ngx_pnalloc(ev->pool, size);

    if (p == NULL || end == NULL) {
        return NGX_ERROR;
    }

    size = ngx_sip_imdn_write(end, &imdn) - end;

    ev->body.data = p;

    p = ngx_sip_cpim_write(p, &cpim);
    p = ngx_sprintf(p, "Content-Type: message/imdn+xml" CRLF
                    "Content-Disposition: notification" CRLF
                    "Content-Length: %uz" CRLF CRLF, size);
    p = ngx_cpymem(p, end, size);

    ev->body.len = p - ev->body.data;

    return NGX_OK;
}


/*
 * Who recorded himself gets the notification, if he is of the domain that the
 * message came from.
 */

static void
ngx_sip_receipt_route(ngx_fed_event_t *ev, ngx_str_t *uri)
{
    ngx_fed_address_t  addr;

    if (uri->len
        && ngx_fed_address_from_sip(ev->pool, uri, &addr) == NGX_OK
        && ngx_fed_str_equal(&addr.domain, &ev->to.domain))
    {
        ev->to = addr;
    }
}


/* Without a resource; data is NULL if there is no memory. */

static ngx_str_t
ngx_sip_receipt_uri(ngx_pool_t *pool, ngx_fed_address_t *addr)
{
    ngx_str_t          uri;
    ngx_fed_address_t  bare;

    bare = *addr;

    ngx_str_null(&bare.resource);

    uri.len = 0;
    uri.data = ngx_pnalloc(pool, ngx_fed_address_sip_size(&bare));

    if (uri.data) {
        uri.len = ngx_fed_address_to_sip(uri.data, &bare) - uri.data;
    }

    return uri;
}


static ngx_int_t
ngx_sip_receipt_note(ngx_fed_event_t *ev, ngx_str_t *id, const char *what,
    ngx_str_t *text)
{
    ngx_fed_key_t  key[2];

    ngx_sip_receipt_key(ev, what, id, key);

    return ngx_fed_zone_note(ev->conf, (u_char *) key, text);
}


/* Tells whether it is the first time, for all workers. */

static ngx_uint_t
ngx_sip_receipt_once(ngx_fed_event_t *ev, ngx_str_t *id, const char *what)
{
    ngx_str_t      none;
    ngx_fed_key_t  key[2];

    ngx_str_null(&none);

    ngx_sip_receipt_key(ev, what, id, key);

    return ngx_fed_zone_note(ev->conf, (u_char *) key, &none) != NGX_DECLINED;
}


/* An id counts between the two users only. */

static void
ngx_sip_receipt_key(ngx_fed_event_t *ev, const char *what, ngx_str_t *id,
    ngx_fed_key_t *key)
{
    ngx_sip_ctx_t   *ctx;
    ngx_fed_hash_t   hash;

    ctx = ev->conf->sip_data;

    ngx_fed_hash_init(&hash, &ctx->secret);
    ngx_fed_hash_update(&hash, (u_char *) what, ngx_strlen(what));
    ngx_fed_hash_str(&hash, id);

    key[0] = ngx_fed_hash_final(&hash);
    key[1] = ngx_sip_thread_users(ctx, ev);
}
