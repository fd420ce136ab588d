
/*
 * Chat states: what a user is about to say (XEP-0085).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_xmpp_stream.h"


/* in the order of ngx_fed_chat_state_e */

static const ngx_str_t  ngx_xmpp_chatstates[] = {
    ngx_null_string,
    ngx_string("active"),
    ngx_string("composing"),
    ngx_string("paused"),
    ngx_string("inactive"),
    ngx_string("gone")
};


/*
 * Returns the chat state of a message, or NGX_FED_CHAT_NONE if it has none, or
 * more than one (XEP-0085, 5.6).
 */

ngx_fed_chat_state_e
ngx_xmpp_chatstate(ngx_xmpp_element_t *el)
{
    ngx_uint_t            i;
    ngx_xmpp_element_t   *child;
    ngx_fed_chat_state_e  state;

    state = NGX_FED_CHAT_NONE;

    for (child = el->first; child; child = child->next) {

        if (child->ns != NGX_XMPP_NS_CHATSTATES) {
            continue;
        }

        for (i = NGX_FED_CHAT_ACTIVE; i <= NGX_FED_CHAT_GONE; i++) {

            if (child->name.len != ngx_xmpp_chatstates[i].len
                || ngx_memcmp(child->name.data, ngx_xmpp_chatstates[i].data,
                              child->name.len)
                   != 0)
            {
                continue;
            }

            if (state != NGX_FED_CHAT_NONE) {
                return NGX_FED_CHAT_NONE;
            }

            state = i;
        }
    }

    return state;
}


/*
 * The size that ngx_xmpp_chatstate_write() takes at most, from and to being the
 * JIDs.
 */

size_t
ngx_xmpp_chatstate_size(ngx_fed_event_t *ev, ngx_str_t *from, ngx_str_t *to)
{
    return sizeof("<message from='' to='' id='' type='chat'>"
                  "<thread></thread><composing xmlns='" NGX_XMPP_CHATSTATES
                  "'/></message>")
           + NGX_FED_ID_LEN
           + ngx_fed_xml_size(from->data, from->len, 1)
           + ngx_fed_xml_size(to->data, to->len, 1)
           + ngx_fed_xml_size(ev->thread.data, ev->thread.len, 0);
}


/* XEP-0085, 5.6: a standalone notification has the state and the thread. */

u_char *
ngx_xmpp_chatstate_write(u_char *p, ngx_fed_event_t *ev, ngx_str_t *from,
    ngx_str_t *to, ngx_xmpp_item_t *item)
{
    p = ngx_sprintf(p, "<message from='");
    p = ngx_fed_xml_escape(p, from->data, from->len, 1);
    p = ngx_sprintf(p, "' to='");
    p = ngx_fed_xml_escape(p, to->data, to->len, 1);
    p = ngx_sprintf(p, "' id='");
    p = ngx_fed_id_text(ev->conf, p, item->seq);
    p = ngx_sprintf(p, "' type='chat'>");

    if (ev->thread.len) {
        p = ngx_sprintf(p, "<thread>");
        p = ngx_fed_xml_escape(p, ev->thread.data, ev->thread.len, 0);
        p = ngx_sprintf(p, "</thread>");
    }

    return ngx_sprintf(p, "<%V xmlns='" NGX_XMPP_CHATSTATES "'/></message>",
                       &ngx_xmpp_chatstates[ev->chat_state]);
}
