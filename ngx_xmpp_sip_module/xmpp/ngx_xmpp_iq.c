
/*
 * IQ: what we answer for a domain and for its users, and answers to our pings
 * (RFC 6120, 8.2.3, XEP-0199, XEP-0030).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_xmpp_stream.h"


static ngx_fed_condition_e ngx_xmpp_iq_request(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el, ngx_fed_address_t *to, const char **result);
static const char *ngx_xmpp_iq_features(ngx_xmpp_stream_t *stream,
    ngx_str_t *name);
static void ngx_xmpp_iq_result(ngx_xmpp_stream_t *stream,
    ngx_xmpp_element_t *el, ngx_fed_address_t *from, ngx_fed_address_t *to,
    const char *result);


static const char  ngx_xmpp_iq_info[] =
    "<query xmlns='http://jabber.org/protocol/disco#info'>"
    "<identity category='gateway' type='simple'/>"
    "<feature var='http://jabber.org/protocol/disco#info'/>"
    "<feature var='http://jabber.org/protocol/disco#items'/>"
    "<feature var='urn:xmpp:ping'/>"
    "<feature var='jid\\20escaping'/>";

static const char  ngx_xmpp_iq_items[] =
    "<query xmlns='http://jabber.org/protocol/disco#items'/>";


void
ngx_xmpp_iq_in(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el,
    ngx_fed_address_t *from, ngx_fed_address_t *to)
{
    ngx_str_t                *type, none;
    const char               *result;
    ngx_fed_answer_t          answer;
    ngx_fed_condition_e       condition;
    ngx_fed_stanza_error_t    error;

    type = &el->attr[NGX_XMPP_TYPE];

    if (ngx_xmpp_equal(type, "result") || ngx_xmpp_equal(type, "error")) {

        if (from->user.len || to->user.len) {
            return;
        }

        answer.kind = NGX_FED_ANSWER_STANZA;
        answer.from = from->domain;
        answer.to = to->domain;

        ngx_memzero(&answer.outcome, sizeof(ngx_fed_outcome_t));

        answer.outcome.result = NGX_FED_ACCEPTED;

        ngx_xmpp_barrier_received(stream->xmpp, &el->attr[NGX_XMPP_ID],
                                  &answer);
        return;
    }

    condition = ngx_xmpp_iq_request(stream, el, to, &result);

    if (condition == NGX_FED_NO_CONDITION) {
        ngx_xmpp_iq_result(stream, el, from, to, result);
        return;
    }

    ngx_str_null(&none);

    error.condition = condition;
    error.type = (condition == NGX_FED_BAD_REQUEST) ? NGX_FED_TYPE_MODIFY
                                                    : NGX_FED_TYPE_CANCEL;
    error.address = 0;

    ngx_xmpp_stanza_error(stream->xmpp, stream->xml.pool, "iq", &to->domain,
                          &from->domain, &el->attr[NGX_XMPP_TO],
                          &el->attr[NGX_XMPP_FROM], &el->attr[NGX_XMPP_ID],
                          &error, &none, &none);
}


/*
 * Returns NGX_FED_NO_CONDITION with the payload of the result, or the condition
 * of the error; it is the same for users who are there and who are not.
 */

static ngx_fed_condition_e
ngx_xmpp_iq_request(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el,
    ngx_fed_address_t *to, const char **result)
{
    ngx_str_t           *type;
    ngx_xmpp_element_t  *child;

    type = &el->attr[NGX_XMPP_TYPE];
    child = el->first;

    if (el->attr[NGX_XMPP_ID].len == 0
        || (!ngx_xmpp_equal(type, "get") && !ngx_xmpp_equal(type, "set"))
        || child == NULL
        || child->next)
    {
        return NGX_FED_BAD_REQUEST;
    }

    if (to->user.len || to->resource.len || !ngx_xmpp_equal(type, "get")) {
        return NGX_FED_SERVICE_UNAVAILABLE;
    }

    if (ngx_xmpp_is(child, NGX_XMPP_NS_PING, "ping")) {
        *result = "";
        return NGX_FED_NO_CONDITION;
    }

    if (!ngx_xmpp_equal(&child->name, "query")
        || (child->ns != NGX_XMPP_NS_DISCO_INFO
            && child->ns != NGX_XMPP_NS_DISCO_ITEMS))
    {
        return NGX_FED_SERVICE_UNAVAILABLE;
    }

    if (child->attr[NGX_XMPP_NODE].len) {
        return NGX_FED_ITEM_NOT_FOUND;
    }

    *result = (child->ns == NGX_XMPP_NS_DISCO_INFO)
              ? ngx_xmpp_iq_features(stream, &to->domain) : ngx_xmpp_iq_items;

    return *result ? NGX_FED_NO_CONDITION : NGX_FED_INTERNAL_SERVER_ERROR;
}


/* What a domain has; NULL if there is no memory. */

static const char *
ngx_xmpp_iq_features(ngx_xmpp_stream_t *stream, ngx_str_t *name)
{
    u_char            *p;
    ngx_fed_domain_t  *domain;

    static const char  chatstates[] = "<feature var='" NGX_XMPP_CHATSTATES
                                      "'/>";
    static const char  receipts[] = "<feature var='" NGX_XMPP_RECEIPTS "'/>";

    domain = ngx_fed_domain_find(stream->conf, name, stream->conf->sip);

    p = ngx_pnalloc(stream->xml.pool, sizeof(ngx_xmpp_iq_info)
                                      + sizeof(chatstates) + sizeof(receipts)
                                      + sizeof("</query>"));
    if (p == NULL) {
        return NULL;
    }

    *ngx_sprintf(p, "%s%s%s</query>", ngx_xmpp_iq_info,
                 domain->chatstates != NGX_FED_CHATSTATES_OFF ? chatstates
                                                              : "",
                 domain->receipts ? receipts : "")
        = '\0';

    return (char *) p;
}


static void
ngx_xmpp_iq_result(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el,
    ngx_fed_address_t *from, ngx_fed_address_t *to, const char *result)
{
    u_char     *p;
    size_t      size;
    ngx_str_t  *ours, *theirs, *id, stanza;

    ours = &el->attr[NGX_XMPP_TO];
    theirs = &el->attr[NGX_XMPP_FROM];
    id = &el->attr[NGX_XMPP_ID];

    size = sizeof("<iq type='result' from='' to='' id=''></iq>")
           + ngx_fed_xml_size(ours->data, ours->len, 1)
           + ngx_fed_xml_size(theirs->data, theirs->len, 1)
           + ngx_fed_xml_size(id->data, id->len, 1)
           + ngx_strlen(result);

    p = ngx_pnalloc(stream->xml.pool, size);
    if (p == NULL) {
        return;
    }

    stanza.data = p;

    p = ngx_sprintf(p, "<iq type='result' from='");
    p = ngx_fed_xml_escape(p, ours->data, ours->len, 1);
    p = ngx_sprintf(p, "' to='");
    p = ngx_fed_xml_escape(p, theirs->data, theirs->len, 1);
    p = ngx_sprintf(p, "' id='");
    p = ngx_fed_xml_escape(p, id->data, id->len, 1);
    p = ngx_sprintf(p, "'>%s</iq>", result);

    stanza.len = p - stanza.data;

    ngx_xmpp_out_stanza(stream->xmpp, &to->domain, &from->domain, &stanza);
}
