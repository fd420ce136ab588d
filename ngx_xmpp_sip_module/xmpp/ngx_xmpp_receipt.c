
/*
 * Receipts: that a message was delivered or displayed, or was not (XEP-0184,
 * XEP-0333).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_xmpp_stream.h"


/*
 * Returns the id of the message that the stanza says was delivered, or NULL if
 * it is no receipt.
 */

ngx_str_t *
ngx_xmpp_receipt(ngx_xmpp_element_t *el)
{
    ngx_xmpp_element_t  *received;

    received = ngx_xmpp_xml_child(el, NGX_XMPP_NS_RECEIPTS, "received");

    if (received == NULL || received->attr[NGX_XMPP_ID].len == 0) {
        return NULL;
    }

    return &received->attr[NGX_XMPP_ID];
}


/*
 * The size that ngx_xmpp_receipt_write() takes at most, from and to being the
 * JIDs.
 */

size_t
ngx_xmpp_receipt_size(ngx_fed_event_t *ev, ngx_str_t *from, ngx_str_t *to)
{
    return sizeof("<message from='' to='' id='' type='headline'>"
                  "<received xmlns='" NGX_XMPP_MARKERS "' id=''/>"
                  "<error type='cancel'><recipient-unavailable"
                  " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
                  "</message>")
           + NGX_FED_ID_LEN
           + ngx_fed_xml_size(from->data, from->len, 1)
           + ngx_fed_xml_size(to->data, to->len, 1)
           + ngx_fed_xml_size(ev->id.data, ev->id.len, 1);
}


/* XEP-0184, 7; what was not delivered comes back as if it had bounced. */

u_char *
ngx_xmpp_receipt_write(u_char *p, ngx_fed_event_t *ev, ngx_str_t *from,
    ngx_str_t *to, ngx_xmpp_item_t *item)
{
    ngx_uint_t  failed;

    failed = (ev->receipt == NGX_FED_FAILED
              || ev->receipt == NGX_FED_FAILED_UNKNOWN);

    p = ngx_sprintf(p, "<message from='");
    p = ngx_fed_xml_escape(p, from->data, from->len, 1);
    p = ngx_sprintf(p, "' to='");
    p = ngx_fed_xml_escape(p, to->data, to->len, 1);
    p = ngx_sprintf(p, "' id='");

    if (failed) {
        p = ngx_fed_xml_escape(p, ev->id.data, ev->id.len, 1);

        return ngx_sprintf(p, "' type='error'><error type='%s'><%s"
                           " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                           "</error></message>",
                           ev->receipt == NGX_FED_FAILED
                               ? "wait" : "cancel",
                           ev->receipt == NGX_FED_FAILED
                               ? "recipient-unavailable"
                               : "undefined-condition");
    }

    p = ngx_fed_id_text(ev->conf, p, item->seq);

    if (ev->type == NGX_FED_CHAT) {
        p = ngx_sprintf(p, "' type='chat");
    }

    if (ev->receipt == NGX_FED_DELIVERED) {
        p = ngx_sprintf(p, "'><received xmlns='" NGX_XMPP_RECEIPTS "' id='");

    } else {
        p = ngx_sprintf(p, "'><displayed xmlns='" NGX_XMPP_MARKERS "' id='");
    }

    p = ngx_fed_xml_escape(p, ev->id.data, ev->id.len, 1);

    return ngx_sprintf(p, "'/></message>");
}
