
/*
 * Documents that say whether somebody writes (RFC 3994).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_sip_parse.h"
#include "ngx_sip_xml.h"
#include "ngx_sip_iscomposing.h"


#define NGX_SIP_ISCOMPOSING_NS  "urn:ietf:params:xml:ns:im-iscomposing"

#define NGX_SIP_ISCOMPOSING_HEAD                                              \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>" CRLF                         \
    "<isComposing xmlns=\"" NGX_SIP_ISCOMPOSING_NS "\">"
#define NGX_SIP_ISCOMPOSING_TAIL  "</isComposing>" CRLF


typedef struct {
    ngx_sip_iscomposing_t        *doc;
    unsigned                      state:1;   /* there was one */
} ngx_sip_iscomposing_reader_t;


static ngx_int_t ngx_sip_iscomposing_element(void *data, ngx_uint_t depth,
    const char *name, ngx_str_t *text);


/* The documents that are sent: of text, and the refresh is not below 60 s. */

const ngx_str_t  ngx_sip_iscomposing_active = ngx_string(
    NGX_SIP_ISCOMPOSING_HEAD "<state>active</state>"
    "<contenttype>text/plain</contenttype><refresh>"
    ngx_value(NGX_SIP_ISCOMPOSING_REFRESH) "</refresh>"
    NGX_SIP_ISCOMPOSING_TAIL);

const ngx_str_t  ngx_sip_iscomposing_idle = ngx_string(
    NGX_SIP_ISCOMPOSING_HEAD "<state>idle</state>" NGX_SIP_ISCOMPOSING_TAIL);


/*
 * Reads a document: a state that is not known is idle (3.5), and what else it
 * has is ignored.  Returns NGX_OK, NGX_ABORT if it is no such document, or
 * NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_sip_iscomposing_read(ngx_str_t *body, ngx_sip_iscomposing_t *doc)
{
    ngx_sip_iscomposing_reader_t  reader;

    ngx_memzero(doc, sizeof(ngx_sip_iscomposing_t));

    reader.doc = doc;
    reader.state = 0;

    return ngx_sip_xml_read(body, ngx_sip_iscomposing_element, &reader);
}


static ngx_int_t
ngx_sip_iscomposing_element(void *data, ngx_uint_t depth, const char *name,
    ngx_str_t *text)
{
    uint32_t                       n;
    ngx_sip_iscomposing_reader_t  *reader;

    reader = data;

    if (depth == 1) {
        return (reader->state
                && ngx_strcmp(name, NGX_SIP_ISCOMPOSING_NS "|isComposing")
                   == 0)
               ? NGX_OK : NGX_ABORT;
    }

    if (depth != 2) {
        return NGX_OK;
    }

    if (ngx_strcmp(name, NGX_SIP_ISCOMPOSING_NS "|state") == 0) {
        reader->state = 1;
        reader->doc->active = (text->len == sizeof("active") - 1
                               && ngx_memcmp(text->data, "active", text->len)
                                  == 0);

    } else if (ngx_strcmp(name, NGX_SIP_ISCOMPOSING_NS "|refresh") == 0
               && ngx_sip_number(text, &n) == NGX_OK)
    {
        reader->doc->refresh = n;
    }

    return NGX_OK;
}
