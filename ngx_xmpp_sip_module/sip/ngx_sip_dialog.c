
/*
 * Dialogs: what of a request makes one, and requests within one (RFC 3261,
 * 12).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"


#define NGX_SIP_ROUTES_LEN  8192


static ngx_int_t ngx_sip_dialog_route(ngx_sip_header_t *h, u_char **pos,
    ngx_sip_addr_t *addr);
static ngx_uint_t ngx_sip_dialog_strict(ngx_str_t *routes, ngx_str_t *first,
    ngx_str_t *rest);
static u_char *ngx_sip_dialog_uri(u_char *p, ngx_str_t *text,
    ngx_fed_address_t *addr);


/*
 * Copies what requests within a dialog need into the pool; the zone is locked.
 * Returns NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_sip_dialog_copy(ngx_sip_ctx_t *ctx, ngx_pool_t *pool,
    ngx_fed_dialog_t *from, ngx_sip_dialog_t *dialog)
{
    u_char           *p;
    size_t            size;
    ngx_uint_t        i;
    ngx_fed_watch_t  *watch;

    watch = from->watch;

    if (ngx_fed_watch_pair(ctx->conf, pool, watch, &dialog->pair) != NGX_OK) {
        return NGX_ERROR;
    }

    dialog->local = watch->sip ? dialog->pair.presentity
                               : dialog->pair.watcher;
    dialog->remote = watch->sip ? dialog->pair.watcher
                                : dialog->pair.presentity;
    dialog->tag = from->tag;
    dialog->cseq = from->cseq;
    dialog->format = from->format;

    ngx_fed_dialog_texts(from, dialog->texts);

    size = 0;

    for (i = 0; i < NGX_FED_TEXTS; i++) {
        size += dialog->texts[i].len;
    }

    p = ngx_pnalloc(pool, ngx_max(size, 1));
    if (p == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_FED_TEXTS; i++) {
        ngx_memcpy(p, dialog->texts[i].data, dialog->texts[i].len);
        dialog->texts[i].data = p;
        p += dialog->texts[i].len;
    }

    return NGX_OK;
}


/* Reads a tag of ours.  Returns NGX_DECLINED if it is none. */

ngx_int_t
ngx_sip_dialog_tag(ngx_str_t *text, uint64_t *tag)
{
    u_char  ch;
    size_t  i;

    if (text->len != NGX_SIP_TAG_LEN) {
        return NGX_DECLINED;
    }

    *tag = 0;

    for (i = 0; i < text->len; i++) {

        ch = text->data[i];

        if (ch >= '0' && ch <= '9') {
            ch -= '0';

        } else if (ch >= 'a' && ch <= 'f') {
            ch -= 'a' - 10;

        } else {
            return NGX_DECLINED;
        }

        *tag = (*tag << 4) | ch;
    }

    return NGX_OK;
}


/*
 * Sets the texts of a dialog that a request to us makes (RFC 3261, 12.1.1), or
 * a response (12.1.2), but for those of the event package.  Returns
 * NGX_DECLINED if there is no Contact to be used, or too long a route, or
 * NGX_ERROR if there is no memory.
 *
 * A NOTIFY has to have a Contact (RFC 6665, 8.2.1), but that of Linphone has
 * none: then there is no target.
 */

ngx_int_t
ngx_sip_dialog_texts(ngx_sip_conn_t *conn, ngx_pool_t *pool,
    ngx_sip_msg_t *msg, ngx_str_t *texts)
{
    ngx_int_t  rc;

    ngx_memzero(texts, NGX_FED_TEXTS * sizeof(ngx_str_t));

    if ((msg->method != NGX_SIP_NOTIFY && msg->method != NGX_SIP_BENOTIFY)
        || ngx_sip_header(msg, NGX_SIP_CONTACT))
    {
        rc = ngx_sip_dialog_contact(msg, &texts[NGX_FED_TEXT_TARGET]);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    texts[NGX_FED_TEXT_CALL_ID] = msg->call_id;
    texts[NGX_FED_TEXT_TAG] = msg->response ? msg->to.tag : msg->from.tag;

    return ngx_sip_dialog_routes(conn, pool, msg, &texts[NGX_FED_TEXT_ROUTES]);
}


/* RFC 3261, 12.1.1: the only Contact, a SIP URI */

ngx_int_t
ngx_sip_dialog_contact(ngx_sip_msg_t *msg, ngx_str_t *target)
{
    u_char            *p, *last;
    ngx_sip_uri_t      uri;
    ngx_sip_addr_t     addr;
    ngx_sip_header_t  *h;

    h = ngx_sip_header(msg, NGX_SIP_CONTACT);

    if (h == NULL || h->next) {
        return NGX_DECLINED;
    }

    p = h->value.data;
    last = p + h->value.len;

    if (ngx_sip_addr(&p, last, &addr) != NGX_OK || p != last
        || ngx_sip_uri(&addr.uri, &uri) != NGX_OK
        || (uri.scheme != NGX_SIP_SCHEME_SIP
            && uri.scheme != NGX_SIP_SCHEME_SIPS)
        || uri.headers.len)
    {
        return NGX_DECLINED;
    }

    *target = addr.uri;

    return NGX_OK;
}


/*
 * Makes the route set of a dialog of the Record-Route of a request to us, or of
 * a response, from its end (RFC 3261, 12.1.1, 12.1.2): each one octet by octet,
 * as it may be signed (ocs-wire 5.1), without ours, which a dialect adds.
 * Returns NGX_DECLINED if it is bad or too long, NGX_ERROR if there is no
 * memory.
 */

ngx_int_t
ngx_sip_dialog_routes(ngx_sip_conn_t *conn, ngx_pool_t *pool,
    ngx_sip_msg_t *msg, ngx_str_t *routes)
{
    u_char            *p, *pos, *end;
    size_t             size;
    ngx_str_t          params;
    ngx_sip_rows_t    *rows;
    ngx_sip_addr_t     addr;
    ngx_sip_header_t  *h;

    rows = ngx_sip_rows(conn);

    ngx_str_null(routes);

    size = 0;

    h = ngx_sip_header(msg, NGX_SIP_RECORD_ROUTE);

    for ( /* void */ ; h; h = ngx_sip_header_next(msg, h)) {

        pos = h->value.data;

        while (pos < h->value.data + h->value.len) {

            if (ngx_sip_dialog_route(h, &pos, &addr) != NGX_OK) {
                return NGX_DECLINED;
            }

            size += sizeof(", <>") - 1 + addr.uri.len + addr.params.len;
        }
    }

    if (size == 0) {
        return NGX_OK;
    }

    if (size > NGX_SIP_ROUTES_LEN) {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    routes->data = p;
    end = p + size;

    h = ngx_sip_header(msg, NGX_SIP_RECORD_ROUTE);

    for ( /* void */ ; h; h = ngx_sip_header_next(msg, h)) {

        pos = h->value.data;

        while (pos < h->value.data + h->value.len) {

            (void) ngx_sip_dialog_route(h, &pos, &addr);

            if (ngx_sip_is_us(conn->ctx, &addr.uri)) {
                continue;
            }

            params = addr.params;

            if (rows->bare) {
                params.len = 0;
            }

            if (msg->response) {
                end -= sizeof(", <>") - 1 + addr.uri.len + params.len;
                (void) ngx_sprintf(end, ", <%V>%V", &addr.uri, &params);

            } else {
                p = ngx_sprintf(p, ", <%V>%V", &addr.uri, &params);
            }
        }
    }

    if (msg->response) {
        p = routes->data + size;
        routes->data = end;
    }

    /* of folds */

    for (end = routes->data; end < p; end++) {
        if (*end == CR || *end == LF) {
            *end = ' ';
        }
    }

    routes->len = p - routes->data;

    if (routes->len) {
        routes->data += sizeof(", ") - 1;
        routes->len -= sizeof(", ") - 1;
    }

    return NGX_OK;
}


/*
 * Reads the next of a list of routes, of which nothing but its ends matters:
 * what is in it is for those who put it there.
 */

static ngx_int_t
ngx_sip_dialog_route(ngx_sip_header_t *h, u_char **pos, ngx_sip_addr_t *addr)
{
    u_char      *p, *last;
    ngx_uint_t   quoted;

    p = *pos;
    last = h->value.data + h->value.len;

    quoted = 0;

    for ( /* void */ ; p < last && (quoted || *p != '<'); p++) {
        if (*p == '"') {
            quoted = !quoted;
        }
    }

    addr->uri.data = p + 1;

    p = ngx_strlchr(p, last, '>');

    if (p == NULL || p == addr->uri.data) {
        return NGX_ERROR;
    }

    addr->uri.len = p - addr->uri.data;
    addr->params.data = ++p;

    for ( /* void */ ; p < last && (quoted || *p != ','); p++) {
        if (*p == '"') {
            quoted = !quoted;
        }
    }

    addr->params.len = p - addr->params.data;

    *pos = (p < last) ? p + 1 : p;

    return NGX_OK;
}


/* Returns what ngx_sip_contact() writes at most. */

size_t
ngx_sip_contact_size(ngx_sip_rows_t *rows, ngx_fed_address_t *addr)
{
    return sizeof("Contact: <>" CRLF) - 1 + ngx_fed_address_sip_size(addr)
           + rows->contact.len;
}


/*
 * Writes the row of Contact: the user, or the gateway if the dialect wants that
 * (ocs-wire 5.1).
 */

u_char *
ngx_sip_contact(u_char *dst, ngx_sip_rows_t *rows, ngx_fed_address_t *addr)
{
    ngx_fed_address_t  us;

    dst = ngx_cpymem(dst, "Contact: <", sizeof("Contact: <") - 1);

    if (rows->contact.len == 0) {
        dst = ngx_fed_address_to_sip(dst, addr);

    } else if (rows->user) {
        ngx_memzero(&us, sizeof(ngx_fed_address_t));

        us.user = addr->user;
        us.domain.data = rows->contact.data + sizeof("sip:") - 1;
        us.domain.len = rows->contact.len - (sizeof("sip:") - 1);

        dst = ngx_fed_address_to_sip(dst, &us);

    } else {
        dst = ngx_cpymem(dst, rows->contact.data, rows->contact.len);
    }

    return ngx_cpymem(dst, ">" CRLF, sizeof(">" CRLF) - 1);
}


/*
 * Reads Event (RFC 6665, 8.2.1): NGX_OK and its id, or an empty one, if the
 * package is presence; NGX_DECLINED if it is another one, or there is none;
 * NGX_ERROR if there are two.
 */

ngx_int_t
ngx_sip_dialog_event(ngx_sip_msg_t *msg, ngx_str_t *id)
{
    u_char            *p, *start, *last;
    ngx_int_t          rc;
    ngx_str_t          name, value;
    ngx_sip_header_t  *h;

    ngx_str_null(id);

    h = ngx_sip_header(msg, NGX_SIP_EVENT);

    if (h == NULL) {
        return NGX_DECLINED;
    }

    p = h->value.data;
    last = p + h->value.len;

    if (h->next || ngx_strlchr(p, last, ',')) {
        return NGX_ERROR;
    }

    for (start = p; p < last && *p != ';' && *p > ' '; p++) { /* void */ }

    if (p - start != sizeof("presence") - 1
        || ngx_memcmp(start, "presence", sizeof("presence") - 1) != 0)
    {
        return NGX_DECLINED;
    }

    for ( ;; ) {
        rc = ngx_sip_param(&p, last, &name, &value);

        if (rc != NGX_OK) {
            return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
        }

        if (ngx_sip_is(&name, "id")) {
            *id = value;
        }
    }
}


/*
 * Writes a request within a dialog, with rows of header fields and maybe a
 * body, and sends it to the domain of the remote user, whatever the Contact or
 * the route says.  The outcome is told to client->handler, maybe at once.
 */

ngx_int_t
ngx_sip_dialog_send(ngx_sip_client_t *client, ngx_sip_dialog_t *dialog,
    ngx_str_t *headers, ngx_str_t *body)
{
    ngx_fed_conf_t    *fcf;
    ngx_fed_domain_t  *local;

    fcf = client->ctx->conf;

    client->cseq = dialog->cseq;
    client->name = dialog->remote->domain;
    client->domain = ngx_fed_domain_find(fcf, &client->name, fcf->sip);

    local = ngx_fed_domain_find(fcf, &dialog->local->domain, fcf->xmpp);

    /* the configuration may be another one than when the dialog was made */

    if (client->domain->leg != fcf->sip || local->leg != fcf->xmpp
        || (!client->domain->home && !local->home))
    {
        ngx_sip_client_fail(client, NGX_FED_REFUSED, NULL);
        return NGX_DECLINED;
    }

    if (ngx_sip_dialog_write(client, dialog, headers, body) != NGX_OK) {
        ngx_sip_client_fail(client, NGX_FED_INTERNAL, NULL);
        return NGX_ERROR;
    }

    ngx_sip_peer_send(client);

    return NGX_OK;
}


/*
 * Makes the request of a transaction, but for its Via, in its pool.  Without
 * the texts it is one that makes a dialog.  Returns NGX_ERROR if there is no
 * memory.
 */

ngx_int_t
ngx_sip_dialog_write(ngx_sip_client_t *client, ngx_sip_dialog_t *dialog,
    ngx_str_t *headers, ngx_str_t *body)
{
    u_char          *p;
    size_t           size;
    ngx_str_t       *texts, *target, first, rest;
    ngx_uint_t       i, strict;
    ngx_sip_rows_t  *rows;

    texts = dialog->texts;
    target = texts[NGX_FED_TEXT_TARGET].len ? &texts[NGX_FED_TEXT_TARGET]
                                            : &texts[NGX_FED_TEXT_REMOTE];
    rows = &client->ctx->rows[client->domain->dialect];

    size = sizeof("  SIP/2.0" CRLF
                  "Max-Forwards: 70" CRLF
                  "Route: , <>" CRLF
                  "From: <>;tag=" CRLF
                  "To: <>;tag=" CRLF
                  "Call-ID: " CRLF
                  "CSeq:  " CRLF
                  "Content-Length: " CRLF CRLF)
           + NGX_SIP_TAG_LEN + NGX_INT32_LEN + NGX_SIZE_T_LEN
           + 2 * client->method.len + headers->len + body->len
           + ngx_fed_address_sip_size(dialog->local)
           + ngx_sip_contact_size(rows, dialog->local) + rows->dialog.len
           + 2 * ngx_fed_address_sip_size(dialog->remote)
           + texts[NGX_FED_TEXT_TARGET].len;

    for (i = 0; i < NGX_FED_TEXTS; i++) {
        size += texts[i].len;
    }

    p = ngx_pnalloc(client->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    strict = ngx_sip_dialog_strict(&texts[NGX_FED_TEXT_ROUTES], &first, &rest);

    client->line.data = p;

    p = ngx_sprintf(p, "%V ", &client->method);

    if (strict) {
        p = ngx_cpymem(p, first.data, first.len);

    } else {
        p = ngx_sip_dialog_uri(p, target, dialog->remote);
    }

    p = ngx_cpymem(p, " SIP/2.0" CRLF, sizeof(" SIP/2.0" CRLF) - 1);

    client->line.len = p - client->line.data;
    client->rest.data = p;

    p = ngx_cpymem(p, "Max-Forwards: 70" CRLF,
                   sizeof("Max-Forwards: 70" CRLF) - 1);

    if (strict) {
        p = ngx_sprintf(p, "Route: %V%s<", &rest, rest.len ? ", " : "");
        p = ngx_sip_dialog_uri(p, target, dialog->remote);
        p = ngx_cpymem(p, ">" CRLF, sizeof(">" CRLF) - 1);

    } else if (texts[NGX_FED_TEXT_ROUTES].len) {
        p = ngx_sprintf(p, "Route: %V" CRLF, &texts[NGX_FED_TEXT_ROUTES]);
    }

    p = ngx_cpymem(p, "From: <", sizeof("From: <") - 1);
    p = ngx_sip_dialog_uri(p, &texts[NGX_FED_TEXT_LOCAL], dialog->local);
    p = ngx_cpymem(p, ">;tag=", sizeof(">;tag=") - 1);
    p = ngx_sip_hex(p, dialog->tag);

    p = ngx_cpymem(p, CRLF "To: <", sizeof(CRLF "To: <") - 1);
    p = ngx_sip_dialog_uri(p, &texts[NGX_FED_TEXT_REMOTE], dialog->remote);
    *p++ = '>';

    if (texts[NGX_FED_TEXT_TAG].len) {
        p = ngx_sprintf(p, ";tag=%V", &texts[NGX_FED_TEXT_TAG]);
    }

    p = ngx_sprintf(p, CRLF "Call-ID: %V" CRLF "CSeq: %uD %V" CRLF,
                    &texts[NGX_FED_TEXT_CALL_ID], dialog->cseq,
                    &client->method);

    if (texts[NGX_FED_TEXT_TAG].len == 0 && rows->dialog.len) {
        p = ngx_cpymem(p, rows->dialog.data, rows->dialog.len);
    }

    /* RFC 3261, 20, table 2; RFC 3428, 9; RFC 6665, 8.2.1 */

    if (ngx_sip_is(&client->method, "INVITE")
        || ngx_sip_is(&client->method, "SUBSCRIBE")
        || ngx_sip_is(&client->method, "NOTIFY"))
    {
        p = ngx_sip_contact(p, rows, dialog->local);
    }

    if (headers->len) {
        p = ngx_cpymem(p, headers->data, headers->len);
    }

    p = ngx_sprintf(p, "Content-Length: %uz" CRLF CRLF, body->len);

    if (body->len) {
        p = ngx_cpymem(p, body->data, body->len);
    }

    client->rest.len = p - client->rest.data;

    return NGX_OK;
}


/*
 * Tells whether the first of the routes is a strict router, which wants its
 * own URI for the Request-URI (RFC 3261, 12.2.1.1).
 */

static ngx_uint_t
ngx_sip_dialog_strict(ngx_str_t *routes, ngx_str_t *first, ngx_str_t *rest)
{
    u_char          *p, *q, *last;
    ngx_str_t        name, value;
    ngx_sip_uri_t    uri;
    ngx_sip_addr_t   addr;

    if (routes->len == 0) {
        return 0;
    }

    p = routes->data;
    last = p + routes->len;

    if (ngx_sip_addr(&p, last, &addr) != NGX_OK
        || ngx_sip_uri(&addr.uri, &uri) != NGX_OK)
    {
        return 0;
    }

    q = uri.params.data;

    while (uri.params.len
           && ngx_sip_param(&q, uri.params.data + uri.params.len, &name,
                            &value)
              == NGX_OK)
    {
        if (ngx_sip_is(&name, "lr")) {
            return 0;
        }
    }

    *first = addr.uri;

    while (p < last && (*p == ',' || *p == ' ')) {
        p++;
    }

    rest->data = p;
    rest->len = last - p;

    return 1;
}


static u_char *
ngx_sip_dialog_uri(u_char *p, ngx_str_t *text, ngx_fed_address_t *addr)
{
    if (text->len) {
        return ngx_cpymem(p, text->data, text->len);
    }

    return ngx_fed_address_to_sip(p, addr);
}


/* RFC 6665, 4.1.2.2 and 4.2.2; RFC 5057 */

ngx_uint_t
ngx_sip_dialog_dies(ngx_fed_outcome_t *outcome)
{
    if (outcome->result != NGX_FED_SIP_STATUS) {
        return outcome->result == NGX_FED_REFUSED;
    }

    switch (outcome->status) {

    case 404:
    case 405:
    case 410:
    case 416:
    case 480:
    case 481:
    case 482:
    case 483:
    case 484:
    case 485:
    case 489:
    case 501:
    case 604:
        return 1;
    }

    return 0;
}


/*
 * This process is about to send a request within the dialog, and the only one
 * to do so until ngx_fed_dialog_t.nonce is 0 again; the zone is locked.
 */

void
ngx_sip_dialog_claim(ngx_sip_ctx_t *ctx, ngx_fed_dialog_t *dialog)
{
    ngx_uint_t  slot;

    dialog->nonce = ngx_fed_zone_self(ctx->conf, &slot);
    dialog->slot = (uint8_t) slot;
    dialog->sent = ngx_current_msec;
    dialog->cseq++;
}


/* Tells whether a process waits for a response within the dialog. */

ngx_uint_t
ngx_sip_dialog_claimed(ngx_sip_ctx_t *ctx, ngx_fed_dialog_t *dialog)
{
    if (dialog->nonce
        && !ngx_fed_zone_alive(ctx->conf, dialog->slot, dialog->nonce))
    {
        /* it died, and the response will find nobody */

        dialog->nonce = 0;
        dialog->dirty = 1;
        dialog->forced = 1;
    }

    return dialog->nonce != 0;
}


/* The time that was set for a dialog has come. */

void
ngx_sip_dialog_due(ngx_fed_conf_t *fcf, ngx_fed_key_t *id, uint64_t tag)
{
    ngx_uint_t        sip;
    ngx_fed_watch_t  *watch;

    ngx_fed_zone_lock(fcf);

    watch = ngx_fed_watch_find(fcf, id);
    sip = watch ? watch->sip : 0;

    ngx_fed_zone_unlock(fcf);

    if (sip) {
        ngx_sip_notifier_run(fcf->sip_data, id, tag);
        return;
    }

    ngx_sip_subscriber_due(fcf->sip_data, id, tag);
}
