
/*
 * Presence: stanzas of all types, in and out (RFC 6121, 3 and 4).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_xmpp_stream.h"


#define NGX_XMPP_STAMP_LEN  (sizeof("2026-01-01T00:00:00Z") - 1)


static ngx_int_t ngx_xmpp_presence_type(ngx_str_t *name,
    ngx_fed_presence_type_e *type);
static void ngx_xmpp_presence_error(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el);
static void ngx_xmpp_presence_refuse(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el, ngx_fed_event_t *ev,
    ngx_fed_condition_e condition);
static void ngx_xmpp_presence_domain(ngx_fed_event_t *ev);
static ngx_int_t ngx_xmpp_presence_resource(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el, ngx_fed_event_t *ev);
static void ngx_xmpp_presence_status(ngx_fed_resource_t *r,
    ngx_xmpp_element_t *child, ngx_str_t *lang);
static ngx_fed_show_e ngx_xmpp_presence_show(ngx_str_t *text);
static ngx_int_t ngx_xmpp_presence_priority(ngx_str_t *text);
static size_t ngx_xmpp_presence_size(ngx_fed_resource_t *r, ngx_str_t *id);
static u_char *ngx_xmpp_presence_content(u_char *p, ngx_fed_resource_t *r,
    ngx_uint_t available);


/* in the order of ngx_fed_presence_type_e */

static const ngx_str_t  ngx_xmpp_presence_types[] = {
    ngx_null_string,
    ngx_string("unavailable"),
    ngx_string("subscribe"),
    ngx_string("subscribed"),
    ngx_string("unsubscribe"),
    ngx_string("unsubscribed"),
    ngx_string("probe")
};


/* in the order of ngx_fed_show_e */

static const ngx_str_t  ngx_xmpp_shows[] = {
    ngx_null_string,
    ngx_string("away"),
    ngx_string("chat"),
    ngx_string("dnd"),
    ngx_string("xa")
};


/* A presence on an inbound stream. */

void
ngx_xmpp_presence_in(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_int_t                 rc;
    ngx_uint_t                known;
    ngx_fed_event_t          *ev;
    ngx_xmpp_pair_t          *pair;
    ngx_fed_presence_type_e   type;

    if (ngx_xmpp_equal(&el->attr[NGX_XMPP_TYPE], "error")) {
        ngx_xmpp_presence_error(stream, el);
        return;
    }

    known = (ngx_xmpp_presence_type(&el->attr[NGX_XMPP_TYPE], &type)
             == NGX_OK);

    ev = ngx_fed_event_create(stream->link, &ngx_xmpp_leg,
                              known && type > NGX_FED_UNAVAILABLE
                              ? NGX_FED_SUBSCRIPTION : NGX_FED_PRESENCE);
    if (ev == NULL) {
        ngx_xmpp_stream_error(stream, "internal-server-error", "no memory");
        return;
    }

    ev->presence = type;

    rc = ngx_xmpp_stanza_addresses(stream, ev->pool, el, &ev->from, &ev->to,
                                   &pair);

    if (rc == NGX_ERROR) {
        ngx_fed_event_drop(ev);
        return;
    }

    if (!known) {
        ngx_xmpp_presence_refuse(stream, el, ev, NGX_FED_BAD_REQUEST);
        return;
    }

    if (rc == NGX_DECLINED) {

        /* RFC 6121, 8.5.1: who can not be is not to be seen */

        if (type == NGX_FED_SUBSCRIBE) {
            ngx_xmpp_presence_refuse(stream, el, ev, NGX_FED_JID_MALFORMED);

        } else {
            ngx_fed_event_drop(ev);
        }

        return;
    }

    if (ev->to.user.len == 0 || ev->from.user.len == 0) {
        ngx_xmpp_presence_domain(ev);
        return;
    }

    if (ngx_xmpp_stanza_event(ev, el) != NGX_OK
        || ngx_xmpp_presence_resource(stream, el, ev) != NGX_OK)
    {
        ngx_fed_event_drop(ev);
        ngx_xmpp_stream_error(stream, "internal-server-error", "no memory");
        return;
    }

    ngx_fed_event_submit(ev);
}


static ngx_int_t
ngx_xmpp_presence_type(ngx_str_t *name, ngx_fed_presence_type_e *type)
{
    ngx_uint_t  i;

    *type = NGX_FED_AVAILABLE;

    if (name->data == NULL) {
        return NGX_OK;
    }

    for (i = NGX_FED_UNAVAILABLE; i <= NGX_FED_PROBE; i++) {

        if (name->len == ngx_xmpp_presence_types[i].len
            && ngx_memcmp(name->data, ngx_xmpp_presence_types[i].data,
                          name->len)
               == 0)
        {
            *type = i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/* Something that we sent was not wanted; errors are never answered. */

static void
ngx_xmpp_presence_error(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    ngx_xmpp_pair_t    *pair;
    ngx_fed_address_t   from, to;
    ngx_fed_outcome_t   outcome;

    if (ngx_xmpp_stanza_addresses(stream, stream->xml.pool, el, &from, &to,
                                  &pair)
        != NGX_OK
        || from.user.len == 0 || to.user.len == 0)
    {
        return;
    }

    ngx_str_null(&from.resource);
    ngx_str_null(&to.resource);

    ngx_memzero(&outcome, sizeof(ngx_fed_outcome_t));

    outcome.result = NGX_FED_STANZA_ERROR;

    ngx_xmpp_stanza_condition(el, &outcome);

    ngx_fed_roster_error(stream->conf, &from, &to, &outcome);
}


static void
ngx_xmpp_presence_refuse(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el,
    ngx_fed_event_t *ev, ngx_fed_condition_e condition)
{
    ngx_xmpp_stanza_refuse(stream, el, &ev->from, &ev->to, condition,
                           NGX_FED_TYPE_MODIFY);
    ngx_fed_event_drop(ev);
}


/* A domain has no presence, and watches nobody (RFC 6121, 8.4). */

static void
ngx_xmpp_presence_domain(ngx_fed_event_t *ev)
{
    ngx_fed_conf_t     *fcf;
    ngx_fed_address_t   from, to;

    fcf = ev->conf;

    if (ev->presence == NGX_FED_SUBSCRIBE || ev->presence == NGX_FED_PROBE) {

        from = ev->to;
        to = ev->from;

        ngx_str_null(&from.resource);
        ngx_str_null(&to.resource);

        ngx_xmpp_presence(fcf, NGX_FED_UNSUBSCRIBED, &from, &to, NULL, NULL);
    }

    ngx_fed_event_drop(ev);
}


/*
 * Reads what a resource says of itself (RFC 6121, 4.7.2).  Strings lie where
 * the stanza does.  Returns NGX_ERROR if there is no memory.
 */

static ngx_int_t
ngx_xmpp_presence_resource(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el,
    ngx_fed_event_t *ev)
{
    time_t               stamp;
    ngx_str_t           *lang;
    ngx_fed_resource_t  *r;
    ngx_xmpp_element_t  *child;

    if (ev->kind != NGX_FED_PRESENCE) {
        return NGX_OK;
    }

    r = ngx_pcalloc(ev->pool, sizeof(ngx_fed_resource_t));
    if (r == NULL) {
        return NGX_ERROR;
    }

    r->name = ev->from.resource;
    r->available = (ev->presence == NGX_FED_AVAILABLE);
    r->priority = NGX_FED_NO_PRIORITY;
    r->stamp = ngx_time();

    ev->resource = r;

    lang = &el->attr[NGX_XMPP_LANG];

    if (lang->data == NULL) {
        lang = &stream->lang;
    }

    /* XEP-0203: since when it is so */

    child = ngx_xmpp_xml_child(el, NGX_XMPP_NS_DELAY, "delay");

    if (child) {
        stamp = ngx_fed_text_time(&child->attr[NGX_XMPP_STAMP]);

        if (stamp > 0 && stamp < r->stamp) {
            r->stamp = stamp;
        }
    }

    for (child = el->first; child; child = child->next) {

        if (child->ns != NGX_XMPP_NS_SERVER) {
            continue;
        }

        if (ngx_xmpp_equal(&child->name, "status")) {
            ngx_xmpp_presence_status(r, child, lang);
            continue;
        }

        if (!r->available) {
            continue;
        }

        if (ngx_xmpp_equal(&child->name, "show")) {
            r->show = ngx_xmpp_presence_show(&child->text);

        } else if (ngx_xmpp_equal(&child->name, "priority")) {
            r->priority = ngx_xmpp_presence_priority(&child->text);
        }
    }

    return NGX_OK;
}


static void
ngx_xmpp_presence_status(ngx_fed_resource_t *r, ngx_xmpp_element_t *child,
    ngx_str_t *lang)
{
    size_t             len;
    ngx_fed_status_t  *status;

    if (r->nstatuses == NGX_FED_STATUSES || child->text.len == 0) {
        return;
    }

    if (child->attr[NGX_XMPP_LANG].data) {
        lang = &child->attr[NGX_XMPP_LANG];
    }

    len = child->text.len;

    if (len > NGX_FED_STATUS_LEN) {

        /* not within a character */

        len = NGX_FED_STATUS_LEN;

        while (len && (child->text.data[len] & 0xc0) == 0x80) {
            len--;
        }
    }

    status = &r->statuses[r->nstatuses++];

    status->text.data = child->text.data;
    status->text.len = len;

    ngx_str_null(&status->lang);

    if (lang->len <= NGX_FED_LANG_LEN) {
        status->lang = *lang;
    }
}


static ngx_fed_show_e
ngx_xmpp_presence_show(ngx_str_t *text)
{
    ngx_uint_t  i;

    for (i = NGX_FED_SHOW_AWAY; i <= NGX_FED_SHOW_XA; i++) {

        if (text->len == ngx_xmpp_shows[i].len
            && ngx_memcmp(text->data, ngx_xmpp_shows[i].data, text->len) == 0)
        {
            return i;
        }
    }

    return NGX_FED_SHOW_NONE;
}


/* RFC 6121, 4.7.2.3: an integer between -128 and 127 */

static ngx_int_t
ngx_xmpp_presence_priority(ngx_str_t *text)
{
    u_char     *p;
    size_t      len;
    ngx_int_t   n;
    ngx_uint_t  negative;

    p = text->data;
    len = text->len;
    negative = 0;

    if (len && (*p == '-' || *p == '+')) {
        negative = (*p == '-');
        p++;
        len--;
    }

    n = ngx_atoi(p, len);

    if (n == NGX_ERROR || n > 127 + (ngx_int_t) negative) {
        return NGX_FED_NO_PRIORITY;
    }

    return negative ? -n : n;
}


/*
 * Sends a presence of that type; see ngx_fed_leg_t.  The strings need not
 * outlive the call.
 */

void
ngx_xmpp_presence(ngx_fed_conf_t *fcf, ngx_fed_presence_type_e type,
    ngx_fed_address_t *from, ngx_fed_address_t *to,
    ngx_fed_resource_t *resource, ngx_str_t *id)
{
    u_char             *p, *start, *jid;
    ngx_str_t           f, t, stanza;
    ngx_pool_t         *pool;
    ngx_fed_address_t   addr;

    pool = ngx_create_pool(1024, fcf->log);
    if (pool == NULL) {
        return;
    }

    addr = *from;

    if (resource) {
        addr.resource = resource->name;

    } else {
        ngx_str_null(&addr.resource);
    }

    jid = ngx_pnalloc(pool, ngx_fed_address_jid_size(&addr)
                            + ngx_fed_address_jid_size(to));
    if (jid == NULL) {
        goto done;
    }

    f.data = jid;
    f.len = ngx_fed_address_to_jid(f.data, &addr) - f.data;

    addr = *to;
    ngx_str_null(&addr.resource);

    t.data = f.data + f.len;
    t.len = ngx_fed_address_to_jid(t.data, &addr) - t.data;

    start = ngx_pnalloc(pool, sizeof("<presence from='' to='' type='' id=''>"
                                     "</presence>")
                              + sizeof("unsubscribed")
                              + ngx_fed_xml_size(f.data, f.len, 1)
                              + ngx_fed_xml_size(t.data, t.len, 1)
                              + ngx_xmpp_presence_size(resource, id));
    if (start == NULL) {
        goto done;
    }

    p = ngx_sprintf(start, "<presence from='");
    p = ngx_fed_xml_escape(p, f.data, f.len, 1);
    p = ngx_sprintf(p, "' to='");
    p = ngx_fed_xml_escape(p, t.data, t.len, 1);

    if (ngx_xmpp_presence_types[type].len) {
        p = ngx_sprintf(p, "' type='%V", &ngx_xmpp_presence_types[type]);
    }

    if (id && id->len) {
        p = ngx_sprintf(p, "' id='");
        p = ngx_fed_xml_escape(p, id->data, id->len, 1);
    }

    p = ngx_sprintf(p, "'>");

    if (resource) {
        p = ngx_xmpp_presence_content(p, resource, type == NGX_FED_AVAILABLE);

        if (id && resource->stamp) {
            ngx_tm_t  tm;

            ngx_gmtime(resource->stamp, &tm);

            p = ngx_sprintf(p, "<delay xmlns='urn:xmpp:delay' stamp='"
                               "%4d-%02d-%02dT%02d:%02d:%02dZ'/>",
                            tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                            tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);
        }
    }

    p = ngx_sprintf(p, "</presence>");

    stanza.data = start;
    stanza.len = p - start;

    ngx_xmpp_out_stanza(fcf->xmpp_data, &from->domain, &to->domain, &stanza);

done:

    ngx_destroy_pool(pool);
}


static size_t
ngx_xmpp_presence_size(ngx_fed_resource_t *r, ngx_str_t *id)
{
    size_t             size;
    ngx_uint_t         i;
    ngx_fed_status_t  *status;

    size = id ? ngx_fed_xml_size(id->data, id->len, 1) : 0;

    if (r == NULL) {
        return size;
    }

    size += sizeof("<show>chat</show><priority>-128</priority>"
                   "<delay xmlns='urn:xmpp:delay' stamp=''/>")
            + NGX_XMPP_STAMP_LEN;

    for (i = 0; i < r->nstatuses; i++) {
        status = &r->statuses[i];

        size += sizeof("<status xml:lang=''></status>")
                + ngx_fed_xml_size(status->lang.data, status->lang.len, 1)
                + ngx_fed_xml_size(status->text.data, status->text.len, 0);
    }

    return size;
}


static u_char *
ngx_xmpp_presence_content(u_char *p, ngx_fed_resource_t *r,
    ngx_uint_t available)
{
    ngx_uint_t         i;
    ngx_fed_status_t  *status;

    /* RFC 6121, 4.5.1: who is not available says no more than why */

    if (available && r->show) {
        p = ngx_sprintf(p, "<show>%V</show>", &ngx_xmpp_shows[r->show]);
    }

    for (i = 0; i < r->nstatuses; i++) {

        status = &r->statuses[i];

        if (status->lang.len) {
            p = ngx_sprintf(p, "<status xml:lang='");
            p = ngx_fed_xml_escape(p, status->lang.data, status->lang.len, 1);
            p = ngx_sprintf(p, "'>");

        } else {
            p = ngx_sprintf(p, "<status>");
        }

        p = ngx_fed_xml_escape(p, status->text.data, status->text.len, 0);
        p = ngx_sprintf(p, "</status>");
    }

    if (available && r->priority != NGX_FED_NO_PRIORITY) {
        p = ngx_sprintf(p, "<priority>%i</priority>", r->priority);
    }

    return p;
}


/* Sends a presence of type error, whose reason is an outcome. */

void
ngx_xmpp_presence_refused(ngx_fed_conf_t *fcf, ngx_fed_address_t *from,
    ngx_fed_address_t *to, ngx_fed_outcome_t *outcome)
{
    ngx_str_t                f, t, none;
    ngx_pool_t              *pool;
    ngx_fed_stanza_error_t   error;

    pool = ngx_create_pool(1024, fcf->log);
    if (pool == NULL) {
        return;
    }

    ngx_str_null(&none);

    error = ngx_fed_error_condition(outcome);

    f.data = ngx_pnalloc(pool, ngx_fed_address_jid_size(from)
                               + ngx_fed_address_jid_size(to));

    if (f.data) {
        f.len = ngx_fed_address_to_jid(f.data, from) - f.data;

        t.data = f.data + f.len;
        t.len = ngx_fed_address_to_jid(t.data, to) - t.data;

        ngx_xmpp_stanza_error(fcf->xmpp_data, pool, "presence", &from->domain,
                              &to->domain, &f, &t, &none, &error, &none,
                              &outcome->text);
    }

    ngx_destroy_pool(pool);
}


/* The size that ngx_xmpp_subscribe_write() takes at most, of JIDs. */

size_t
ngx_xmpp_subscribe_size(ngx_str_t *from, ngx_str_t *to)
{
    return sizeof("<presence from='' to='' type='subscribe'/>")
           + ngx_fed_xml_size(from->data, from->len, 1)
           + ngx_fed_xml_size(to->data, to->len, 1);
}


/* RFC 6121, 3.1.2 */

u_char *
ngx_xmpp_subscribe_write(u_char *p, ngx_str_t *from, ngx_str_t *to)
{
    p = ngx_sprintf(p, "<presence from='");
    p = ngx_fed_xml_escape(p, from->data, from->len, 1);
    p = ngx_sprintf(p, "' to='");
    p = ngx_fed_xml_escape(p, to->data, to->len, 1);

    return ngx_sprintf(p, "' type='subscribe'/>");
}
