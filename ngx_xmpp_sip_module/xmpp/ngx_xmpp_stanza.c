
/*
 * Stanzas: message to event, event to message, and stanza errors (RFC 6120, 8,
 * RFC 7572).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_xmpp_stream.h"


#define NGX_XMPP_ERROR_TEXT  256         /* octets, of a text element */


/* what an error has to mirror, as it was received */

typedef struct {
    ngx_str_t                     from;
    ngx_str_t                     to;
    ngx_xmpp_sm_item_t            item;
} ngx_xmpp_source_t;


static ngx_int_t ngx_xmpp_stanza_jid(ngx_pool_t *pool, ngx_str_t *jid,
    ngx_fed_address_t *addr);
static void ngx_xmpp_stanza_message(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static void ngx_xmpp_stanza_status(ngx_xmpp_element_t *el,
    ngx_fed_event_t *ev, ngx_fed_domain_t *domain);
static ngx_xmpp_element_t *ngx_xmpp_stanza_choose(ngx_xmpp_element_t *el,
    ngx_str_t *lang, const char *name);
static void ngx_xmpp_stanza_bounce(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el, ngx_fed_address_t *from, ngx_fed_address_t *to);
static void ngx_xmpp_stanza_late(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el, ngx_fed_address_t *from, ngx_fed_address_t *to);
static void ngx_xmpp_stanza_answer(ngx_fed_event_t *ev);
static ngx_str_t ngx_xmpp_stanza_uri(ngx_fed_event_t *ev, ngx_str_t *uri);


/* A stanza on an inbound stream that is authenticated for some pair. */

void
ngx_xmpp_stanza_in(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_int_t           rc;
    ngx_str_t          *type;
    ngx_xmpp_pair_t    *pair;
    ngx_fed_address_t   from, to;

    type = &el->attr[NGX_XMPP_TYPE];

    if (ngx_xmpp_equal(&el->name, "message")
        && !ngx_xmpp_equal(type, "error"))
    {
        ngx_xmpp_stanza_message(stream, el);
        return;
    }

    if (ngx_xmpp_equal(&el->name, "presence")) {
        ngx_xmpp_presence_in(stream, el);
        return;
    }

    rc = ngx_xmpp_stanza_addresses(stream, stream->xml.pool, el, &from, &to,
                                   &pair);

    if (rc == NGX_ERROR) {
        return;
    }

    if (ngx_xmpp_equal(&el->name, "message")) {
        ngx_xmpp_stanza_bounce(stream, el, &from, &to);
        return;
    }

    if (ngx_xmpp_equal(&el->name, "iq")) {

        if (rc == NGX_DECLINED) {
            if (!ngx_xmpp_equal(type, "error")
                && !ngx_xmpp_equal(type, "result"))
            {
                ngx_xmpp_stanza_refuse(stream, el, &from, &to,
                                       NGX_FED_JID_MALFORMED,
                                       NGX_FED_TYPE_MODIFY);
            }

            return;
        }

        ngx_xmpp_iq_in(stream, el, &from, &to);
    }
}


/*
 * Reads and checks the addresses of a stanza (RFC 6120, 8.1.1.2, 8.1.2.2).
 * Returns NGX_DECLINED if one of them is none although its domain is good,
 * NGX_ERROR after a stream error.
 */

ngx_int_t
ngx_xmpp_stanza_addresses(ngx_xmpp_stream_t *stream, ngx_pool_t *pool,
    ngx_xmpp_element_t *el, ngx_fed_address_t *from, ngx_fed_address_t *to,
    ngx_xmpp_pair_t **pair)
{
    ngx_int_t   rc, rc_to;
    ngx_uint_t  level;

    rc = ngx_xmpp_stanza_jid(pool, &el->attr[NGX_XMPP_FROM], from);
    rc_to = ngx_xmpp_stanza_jid(pool, &el->attr[NGX_XMPP_TO], to);

    if (rc == NGX_ABORT || rc_to == NGX_ABORT) {
        ngx_xmpp_stream_error(stream, "improper-addressing",
                              "address of a stanza");
        return NGX_ERROR;
    }

    if (rc == NGX_ERROR || rc_to == NGX_ERROR) {
        ngx_xmpp_stream_error(stream, "internal-server-error", "no memory");
        return NGX_ERROR;
    }

    *pair = ngx_xmpp_pair(stream, &from->domain, &to->domain);

    if (*pair && (*pair)->proven) {
        return rc == NGX_OK ? rc_to : rc;
    }

    if (!ngx_xmpp_hosted(stream->xmpp, &to->domain, &from->domain)) {
        ngx_xmpp_stream_error(stream, "host-unknown", "stanza to elsewhere");
        return NGX_ERROR;
    }

    level = ngx_fed_quiet_level(stream->conf, NGX_FED_QUIET_SENDER,
                                &stream->link->peer, NGX_LOG_WARN);

    ngx_log_error(level, stream->link->log, 0,
                  "stanza from \"%V\" to \"%V\", which was not proven on this "
                  "XMPP stream", &from->domain, &to->domain);

    ngx_xmpp_stream_error(stream, "invalid-from", "stanza from elsewhere");

    return NGX_ERROR;
}


/*
 * Returns NGX_DECLINED, with the domain only, for a JID whose localpart or
 * resource are not allowed; NGX_ABORT for what has not the form of one.
 */

static ngx_int_t
ngx_xmpp_stanza_jid(ngx_pool_t *pool, ngx_str_t *jid, ngx_fed_address_t *addr)
{
    u_char     *p, *last, *slash, *at;
    ngx_int_t   rc;
    ngx_str_t   domain;

    rc = ngx_fed_address_from_jid(pool, jid, addr);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    p = jid->data;
    last = p + jid->len;

    slash = jid->len ? ngx_strlchr(p, last, '/') : NULL;

    if (slash) {
        if (slash + 1 == last || last - slash - 1 > NGX_FED_PART_MAX) {
            return NGX_ABORT;
        }

        last = slash;
    }

    at = (p < last) ? ngx_strlchr(p, last, '@') : NULL;

    if (at) {
        if (at == p || at - p > NGX_FED_PART_MAX) {
            return NGX_ABORT;
        }

        p = at + 1;
    }

    domain.data = p;
    domain.len = last - p;

    ngx_memzero(addr, sizeof(ngx_fed_address_t));

    return ngx_xmpp_domain(pool, &domain, &addr->domain) == NGX_OK
           ? NGX_DECLINED : NGX_ABORT;
}


/* RFC 7572, 4 */

static void
ngx_xmpp_stanza_message(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_int_t            rc;
    ngx_str_t           *type, *lang;
    ngx_fed_event_t     *ev;
    ngx_xmpp_pair_t     *pair;
    ngx_fed_domain_t    *domain;
    ngx_xmpp_source_t   *source;
    ngx_fed_condition_e  condition;
    ngx_xmpp_element_t  *body, *child;

    ev = ngx_fed_event_create(stream->link, &ngx_xmpp_leg, NGX_FED_MESSAGE);
    if (ev == NULL) {
        ngx_xmpp_stream_error(stream, "internal-server-error", "no memory");
        return;
    }

    rc = ngx_xmpp_stanza_addresses(stream, ev->pool, el, &ev->from, &ev->to,
                                   &pair);

    if (rc == NGX_ERROR) {
        ngx_fed_event_drop(ev);
        return;
    }

    type = &el->attr[NGX_XMPP_TYPE];
    condition = NGX_FED_NO_CONDITION;

    if (rc == NGX_DECLINED) {
        condition = NGX_FED_JID_MALFORMED;

    } else if (ev->to.user.len == 0 || ngx_xmpp_equal(type, "groupchat")) {
        condition = NGX_FED_SERVICE_UNAVAILABLE;
    }

    if (condition) {
        ngx_xmpp_stanza_refuse(stream, el, &ev->from, &ev->to, condition,
                               condition == NGX_FED_JID_MALFORMED
                                   ? NGX_FED_TYPE_MODIFY
                                   : NGX_FED_TYPE_CANCEL);
        ngx_fed_event_drop(ev);
        return;
    }

    lang = &el->attr[NGX_XMPP_LANG];

    if (lang->data == NULL) {
        lang = &stream->lang;
    }

    body = ngx_xmpp_stanza_choose(el, lang, "body");

    domain = ngx_fed_domain_find(stream->conf, &ev->to.domain,
                                 stream->conf->sip);

    if (body == NULL) {
        ngx_xmpp_stanza_status(el, ev, domain);
        return;
    }

    if (ngx_xmpp_stanza_event(ev, el) != NGX_OK) {
        ngx_fed_event_drop(ev);
        ngx_xmpp_stream_error(stream, "internal-server-error", "no memory");
        return;
    }

    /* a carriage return may come as a character reference */

    ev->body.data = body->text.data;
    ev->body.len = ngx_fed_text_lf(body->text.data, body->text.data,
                                   body->text.len);
    ev->lang = body->attr[NGX_XMPP_LANG].data ? body->attr[NGX_XMPP_LANG]
                                              : *lang;

    child = ngx_xmpp_stanza_choose(el, lang, "subject");

    if (child) {
        ev->subject = child->text;
    }

    child = ngx_xmpp_xml_child(el, NGX_XMPP_NS_SERVER, "thread");

    if (child) {
        ev->thread = child->text;
    }

    child = ngx_xmpp_xml_child(el, NGX_XMPP_NS_DELAY, "delay");

    if (child) {
        ev->stamp = child->attr[NGX_XMPP_STAMP];
    }

    if (ngx_xmpp_equal(type, "chat")) {
        ev->type = NGX_FED_CHAT;

    } else if (ngx_xmpp_equal(type, "headline")) {
        ev->type = NGX_FED_HEADLINE;
    }

    if (domain->receipts
        && ev->id.len
        && ngx_xmpp_xml_child(el, NGX_XMPP_NS_RECEIPTS, "request")
        && ngx_xmpp_receipt(el) == NULL)
    {
        ev->confirm = 1;
        ev->markable = (ngx_xmpp_xml_child(el, NGX_XMPP_NS_MARKERS, "markable")
                        != NULL);
    }

    source = ev->source_data;

    ngx_xmpp_sm_open(stream, &source->item);

    ngx_fed_event_submit(ev);
}


/* A message without a body: a chat state or a receipt, if it is anything. */

static void
ngx_xmpp_stanza_status(ngx_xmpp_element_t *el, ngx_fed_event_t *ev,
    ngx_fed_domain_t *domain)
{
    ngx_str_t           *id;
    ngx_xmpp_element_t  *thread;

    id = ngx_xmpp_receipt(el);

    if (id && domain->receipts) {
        ev->kind = NGX_FED_RECEIPT;
        ev->receipt = NGX_FED_DELIVERED;

    } else if (ngx_xmpp_equal(&el->attr[NGX_XMPP_TYPE], "chat")
               && domain->chatstates != NGX_FED_CHATSTATES_OFF)
    {
        ev->kind = NGX_FED_COMPOSING;
        ev->type = NGX_FED_CHAT;
        ev->chat_state = ngx_xmpp_chatstate(el);

        if (ev->chat_state == NGX_FED_CHAT_NONE) {
            ngx_fed_event_drop(ev);
            return;
        }

        id = &el->attr[NGX_XMPP_ID];

    } else {
        ngx_fed_event_drop(ev);
        return;
    }

    if (id->len) {
        ev->id.data = ngx_pstrdup(ev->pool, id);

        if (ev->id.data == NULL) {
            ngx_fed_event_drop(ev);
            return;
        }

        ev->id.len = id->len;
    }

    thread = ngx_xmpp_xml_child(el, NGX_XMPP_NS_SERVER, "thread");

    if (thread && ev->kind == NGX_FED_COMPOSING) {
        ev->thread = thread->text;
    }

    ngx_fed_event_submit(ev);
}


/*
 * Of several children in different languages, the one in that of the stanza,
 * else the first (RFC 6121, 5.2.3); one without text does not count.
 */

static ngx_xmpp_element_t *
ngx_xmpp_stanza_choose(ngx_xmpp_element_t *el, ngx_str_t *lang,
    const char *name)
{
    size_t               len;
    ngx_str_t           *own;
    ngx_xmpp_element_t  *child, *first;

    first = NULL;
    len = ngx_strlen(name);

    for (child = el->first; child; child = child->next) {

        if (child->ns != NGX_XMPP_NS_SERVER
            || child->text.len == 0
            || child->name.len != len
            || ngx_memcmp(child->name.data, name, len) != 0)
        {
            continue;
        }

        own = &child->attr[NGX_XMPP_LANG];

        if (own->data == NULL
            || (own->len == lang->len
                && ngx_strncasecmp(own->data, lang->data, lang->len) == 0))
        {
            return child;
        }

        if (first == NULL) {
            first = child;
        }
    }

    return first;
}


/* Keeps what is needed until the outcome. */

ngx_int_t
ngx_xmpp_stanza_event(ngx_fed_event_t *ev, ngx_xmpp_element_t *el)
{
    u_char             *p;
    ngx_str_t          *from, *to, *id;
    ngx_xmpp_source_t  *source;

    from = &el->attr[NGX_XMPP_FROM];
    to = &el->attr[NGX_XMPP_TO];
    id = &el->attr[NGX_XMPP_ID];

    source = ngx_pcalloc(ev->pool, sizeof(ngx_xmpp_source_t));
    p = ngx_pnalloc(ev->pool, from->len + to->len + id->len + 1);

    if (source == NULL || p == NULL) {
        return NGX_ERROR;
    }

    source->from.len = from->len;
    source->from.data = p;
    p = ngx_cpymem(p, from->data, from->len);

    source->to.len = to->len;
    source->to.data = p;
    p = ngx_cpymem(p, to->data, to->len);

    if (id->data) {
        ev->id.len = id->len;
        ev->id.data = p;
        ngx_memcpy(p, id->data, id->len);
    }

    ev->source_data = source;

    return NGX_OK;
}


/*
 * The outcome of a stanza that came on an inbound stream.  An error goes back
 * on our own stream to the sender's domain, as the inbound one is one-way.
 */

void
ngx_xmpp_stanza_done(ngx_fed_event_t *ev)
{
    ngx_xmpp_source_t  *source;

    ngx_xmpp_stanza_answer(ev);

    source = ev->source_data;

    if (source) {
        ngx_xmpp_sm_settled(&source->item);
    }
}


static void
ngx_xmpp_stanza_answer(ngx_fed_event_t *ev)
{
    ngx_str_t                text, address;
    const char              *name;
    ngx_xmpp_source_t       *source;
    ngx_fed_stanza_error_t   error;

    if (ev->outcome.result == NGX_FED_ACCEPTED
        || ev->type == NGX_FED_HEADLINE)
    {
        return;
    }

    name = "message";

    if (ev->kind != NGX_FED_MESSAGE) {

        /* RFC 6121, 3.1.2: of presence only requests are answered */

        if (ev->presence != NGX_FED_SUBSCRIBE || ev->told) {
            return;
        }

        name = "presence";
    }

    source = ev->source_data;

    ngx_str_null(&address);

    text = ev->outcome.text;
    error = ngx_fed_error_condition(&ev->outcome);

    if (error.address) {
        address = ngx_xmpp_stanza_uri(ev, &ev->outcome.address);
    }

    ngx_xmpp_stanza_error(ev->conf->xmpp_data, ev->pool, name,
                          &ev->to.domain, &ev->from.domain, &source->to,
                          &source->from, &ev->id, &error, &address, &text);
}


/*
 * The address of gone and redirect: an XMPP IRI if it is the SIP URI of
 * somebody whom we are the XMPP server of (RFC 7247, 7.2, note 1).
 */

static ngx_str_t
ngx_xmpp_stanza_uri(ngx_fed_event_t *ev, ngx_str_t *uri)
{
    u_char             *p, *last, *dst;
    ngx_str_t           text;
    ngx_fed_address_t   addr;

    if (ngx_fed_address_from_sip(ev->pool, uri, &addr) != NGX_OK
        || addr.user.len == 0
        || !ngx_xmpp_hosted(ev->conf->xmpp_data, &addr.domain,
                            &ev->from.domain))
    {
        return *uri;
    }

    ngx_str_null(&addr.resource);

    p = ngx_pnalloc(ev->pool, ngx_fed_address_jid_size(&addr));
    dst = ngx_pnalloc(ev->pool, sizeof("xmpp:") - 1
                                + 3 * ngx_fed_address_jid_size(&addr));

    if (p == NULL || dst == NULL) {
        return *uri;
    }

    last = ngx_fed_address_to_jid(p, &addr);

    text.data = dst;
    dst = ngx_cpymem(dst, "xmpp:", sizeof("xmpp:") - 1);
    dst = (u_char *) ngx_escape_uri(dst, p, last - p, NGX_ESCAPE_URI);
    text.len = dst - text.data;

    return text;
}


/*
 * Sends a stanza error (RFC 6120, 8.3): from and to are those it has to have,
 * local and remote their domains.
 */

void
ngx_xmpp_stanza_error(ngx_xmpp_t *xmpp, ngx_pool_t *pool, const char *name,
    ngx_str_t *local, ngx_str_t *remote, ngx_str_t *from, ngx_str_t *to,
    ngx_str_t *id, ngx_fed_stanza_error_t *error, ngx_str_t *address,
    ngx_str_t *text)
{
    u_char      *p, line[NGX_XMPP_ERROR_TEXT];
    size_t       len, size;
    ngx_str_t    stanza, *type, *condition;

    type = ngx_fed_error_type_name(error->type);
    condition = ngx_fed_error_condition_name(error->condition);

    len = 0;

    if (text->len && ngx_fed_text_valid(text->data, text->len)) {
        len = ngx_fed_text_line(line, text->data, text->len,
                                NGX_XMPP_ERROR_TEXT);
    }

    size = 512 + 6 * len + 2 * condition->len
           + ngx_fed_xml_size(from->data, from->len, 1)
           + ngx_fed_xml_size(to->data, to->len, 1)
           + ngx_fed_xml_size(id->data, id->len, 1)
           + ngx_fed_xml_size(address->data, address->len, 0);

    p = ngx_pnalloc(pool, size);
    if (p == NULL) {
        return;
    }

    stanza.data = p;

    p = ngx_sprintf(p, "<%s type='error' from='", name);
    p = ngx_fed_xml_escape(p, from->data, from->len, 1);
    p = ngx_cpymem(p, "' to='", 6);
    p = ngx_fed_xml_escape(p, to->data, to->len, 1);

    if (id->data) {
        p = ngx_cpymem(p, "' id='", 6);
        p = ngx_fed_xml_escape(p, id->data, id->len, 1);
    }

    p = ngx_sprintf(p, "'><error type='%V'>"
                    "<%V xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'",
                    type, condition);

    if (address->len) {
        *p++ = '>';
        p = ngx_fed_xml_escape(p, address->data, address->len, 0);
        p = ngx_sprintf(p, "</%V>", condition);

    } else {
        p = ngx_cpymem(p, "/>", 2);
    }

    if (len) {
        p = ngx_sprintf(p, "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"
                        " xml:lang='en'>");
        p = ngx_fed_xml_escape(p, line, len, 0);
        p = ngx_cpymem(p, "</text>", sizeof("</text>") - 1);
    }

    p = ngx_sprintf(p, "</error></%s>", name);

    stanza.len = p - stanza.data;

    ngx_xmpp_out_stanza(xmpp, local, remote, &stanza);
}


/* Answers a stanza with an error of ours. */

void
ngx_xmpp_stanza_refuse(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el,
    ngx_fed_address_t *from, ngx_fed_address_t *to,
    ngx_fed_condition_e condition, ngx_fed_error_type_e type)
{
    ngx_str_t               none;
    const char             *name;
    ngx_fed_stanza_error_t  error;

    ngx_str_null(&none);

    error.condition = condition;
    error.type = type;
    error.address = 0;

    name = ngx_xmpp_equal(&el->name, "iq") ? "iq"
           : ngx_xmpp_equal(&el->name, "presence") ? "presence" : "message";

    ngx_xmpp_stanza_error(stream->xmpp, stream->xml.pool, name, &to->domain,
                          &from->domain, &el->attr[NGX_XMPP_TO],
                          &el->attr[NGX_XMPP_FROM], &el->attr[NGX_XMPP_ID],
                          &error, &none, &none);
}


/* A message of type error: it may be a message of ours that bounced. */

static void
ngx_xmpp_stanza_bounce(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el,
    ngx_fed_address_t *from, ngx_fed_address_t *to)
{
    ngx_fed_answer_t  answer;

    answer.kind = NGX_FED_ANSWER_STANZA;
    answer.from = from->domain;
    answer.to = to->domain;

    ngx_memzero(&answer.outcome, sizeof(ngx_fed_outcome_t));

    answer.outcome.result = NGX_FED_STANZA_ERROR;

    ngx_xmpp_stanza_condition(el, &answer.outcome);

    ngx_xmpp_barrier_received(stream->xmpp, &el->attr[NGX_XMPP_ID], &answer);

    ngx_xmpp_stanza_late(stream, el, from, to);
}


/*
 * The sender of a message that bounces after it was taken may have asked to be
 * told of that.
 */

static void
ngx_xmpp_stanza_late(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el,
    ngx_fed_address_t *from, ngx_fed_address_t *to)
{
    ngx_str_t         *id;
    ngx_fed_id_t       ours;
    ngx_fed_event_t   *ev;
    ngx_fed_domain_t  *domain;

    id = &el->attr[NGX_XMPP_ID];

    domain = ngx_fed_domain_find(stream->conf, &to->domain, stream->conf->sip);

    if (!domain->receipts
        || to->user.len == 0
        || ngx_fed_id_parse(stream->conf, id->data, id->len, &ours) != NGX_OK)
    {
        return;
    }

    ev = ngx_fed_event_create(stream->link, &ngx_xmpp_leg, NGX_FED_RECEIPT);
    if (ev == NULL) {
        return;
    }

    if (ngx_fed_address_from_jid(ev->pool, &el->attr[NGX_XMPP_FROM], &ev->from)
           != NGX_OK
        || ngx_fed_address_from_jid(ev->pool, &el->attr[NGX_XMPP_TO], &ev->to)
           != NGX_OK)
    {
        ngx_fed_event_drop(ev);
        return;
    }

    ev->id.data = ngx_pstrdup(ev->pool, id);

    if (ev->id.data == NULL) {
        ngx_fed_event_drop(ev);
        return;
    }

    ev->id.len = id->len;
    ev->receipt = NGX_FED_FAILED;

    ngx_fed_event_submit(ev);
}


/* RFC 6120, 8.3.2 */

void
ngx_xmpp_stanza_condition(ngx_xmpp_element_t *el, ngx_fed_outcome_t *outcome)
{
    ngx_str_t            *type, *name;
    ngx_uint_t            i;
    ngx_xmpp_element_t   *error, *child;
    ngx_fed_condition_e   condition;

    outcome->condition = NGX_FED_UNDEFINED_CONDITION;
    outcome->type = NGX_FED_TYPE_CANCEL;

    error = ngx_xmpp_xml_child(el, NGX_XMPP_NS_SERVER, "error");

    if (error == NULL) {
        return;
    }

    type = &error->attr[NGX_XMPP_TYPE];

    for (i = NGX_FED_TYPE_CANCEL; i <= NGX_FED_TYPE_WAIT; i++) {
        name = ngx_fed_error_type_name(i);

        if (name->len == type->len
            && ngx_memcmp(name->data, type->data, name->len) == 0)
        {
            outcome->type = i;
        }
    }

    for (child = error->first; child; child = child->next) {

        if (child->ns != NGX_XMPP_NS_STANZA_ERRORS) {
            continue;
        }

        if (ngx_xmpp_equal(&child->name, "text")) {
            outcome->text = child->text;
            continue;
        }

        condition = ngx_fed_error_condition_find(child->name.data,
                                                 child->name.len);

        if (condition != NGX_FED_NO_CONDITION) {
            outcome->condition = condition;
            outcome->address = child->text;
        }
    }
}


/* XEP-0085, 5.1: who sends chat states says so, or he is sent none. */

#define ngx_xmpp_message_active(ev)                                           \
    ((ev)->type == NGX_FED_CHAT                                               \
     && (ev)->from_domain->chatstates != NGX_FED_CHATSTATES_OFF)


/*
 * The size that ngx_xmpp_message_write() takes at most, from and to being the
 * JIDs.
 */

size_t
ngx_xmpp_message_size(ngx_fed_event_t *ev, ngx_str_t *from, ngx_str_t *to)
{
    return sizeof("<message from='' to='' id='' type='headline' xml:lang=''>"
                  "<subject></subject><thread></thread><body></body>"
                  "<delay xmlns='urn:xmpp:delay' stamp=''/></message>") - 1
           + NGX_FED_ID_LEN
           + (ev->confirm ? sizeof("<request xmlns='" NGX_XMPP_RECEIPTS "'/>")
                          : 0)
           + (ngx_xmpp_message_active(ev)
              ? sizeof("<active xmlns='" NGX_XMPP_CHATSTATES "'/>") : 0)
           + ngx_fed_xml_size(from->data, from->len, 1)
           + ngx_fed_xml_size(to->data, to->len, 1)
           + ngx_fed_xml_size(ev->lang.data, ev->lang.len, 1)
           + ngx_fed_xml_size(ev->subject.data, ev->subject.len, 0)
           + ngx_fed_xml_size(ev->thread.data, ev->thread.len, 0)
           + ngx_fed_xml_size(ev->body.data, ev->body.len, 0)
           + ngx_fed_xml_size(ev->stamp.data, ev->stamp.len, 1);
}


#define ngx_xmpp_literal(p, text)  ngx_cpymem(p, text, sizeof(text) - 1)


/* RFC 7572, 5; XEP-0203, 2 */

u_char *
ngx_xmpp_message_write(u_char *p, ngx_fed_event_t *ev, ngx_str_t *from,
    ngx_str_t *to, ngx_xmpp_item_t *item)
{
    p = ngx_xmpp_literal(p, "<message from='");
    p = ngx_fed_xml_escape(p, from->data, from->len, 1);
    p = ngx_xmpp_literal(p, "' to='");
    p = ngx_fed_xml_escape(p, to->data, to->len, 1);
    p = ngx_xmpp_literal(p, "' id='");
    p = ngx_fed_id_text(ev->conf, p, item->seq);

    if (ev->type == NGX_FED_CHAT) {
        p = ngx_xmpp_literal(p, "' type='chat");

    } else if (ev->type == NGX_FED_HEADLINE) {
        p = ngx_xmpp_literal(p, "' type='headline");
    }

    if (ev->lang.len) {
        p = ngx_xmpp_literal(p, "' xml:lang='");
        p = ngx_fed_xml_escape(p, ev->lang.data, ev->lang.len, 1);
    }

    p = ngx_xmpp_literal(p, "'>");

    if (ev->subject.len) {
        p = ngx_xmpp_literal(p, "<subject>");
        p = ngx_fed_xml_escape(p, ev->subject.data, ev->subject.len, 0);
        p = ngx_xmpp_literal(p, "</subject>");
    }

    if (ev->thread.len) {
        p = ngx_xmpp_literal(p, "<thread>");
        p = ngx_fed_xml_escape(p, ev->thread.data, ev->thread.len, 0);
        p = ngx_xmpp_literal(p, "</thread>");
    }

    p = ngx_xmpp_literal(p, "<body>");
    p = ngx_fed_xml_escape(p, ev->body.data, ev->body.len, 0);
    p = ngx_xmpp_literal(p, "</body>");

    if (ev->stamp.len) {
        p = ngx_xmpp_literal(p, "<delay xmlns='urn:xmpp:delay' stamp='");
        p = ngx_fed_xml_escape(p, ev->stamp.data, ev->stamp.len, 1);
        p = ngx_xmpp_literal(p, "'/>");
    }

    if (ngx_xmpp_message_active(ev)) {
        p = ngx_xmpp_literal(p, "<active xmlns='" NGX_XMPP_CHATSTATES "'/>");
    }

    if (ev->confirm) {
        p = ngx_xmpp_literal(p, "<request xmlns='" NGX_XMPP_RECEIPTS "'/>");
    }

    return ngx_xmpp_literal(p, "</message>");
}
