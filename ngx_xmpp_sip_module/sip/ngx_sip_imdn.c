
/*
 * Documents that say what became of a message (RFC 5438, 7.2.1.1).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_xml.h"
#include "ngx_sip_xml.h"
#include "ngx_sip_imdn.h"


#define NGX_SIP_IMDN_NS  "urn:ietf:params:xml:ns:imdn"


typedef struct {
    const char                   *notification;
    const char                   *status;
    ngx_sip_imdn_status_e         value;
} ngx_sip_imdn_rule_t;


typedef struct {
    ngx_pool_t                   *pool;
    ngx_sip_imdn_t               *imdn;
    ngx_uint_t                    found;     /* bits of rules */
} ngx_sip_imdn_reader_t;


static ngx_int_t ngx_sip_imdn_element(void *data, ngx_uint_t depth,
    const char *name, ngx_str_t *text);


/* RFC 5438, 11.1.9; what else there is says nothing that we can tell */

static const ngx_sip_imdn_rule_t  ngx_sip_imdn_rules[] = {
    { NGX_SIP_IMDN_NS "|delivery-notification",
      NGX_SIP_IMDN_NS "|delivered", NGX_SIP_IMDN_DELIVERED },
    { NGX_SIP_IMDN_NS "|delivery-notification",
      NGX_SIP_IMDN_NS "|failed", NGX_SIP_IMDN_FAILED },
    { NGX_SIP_IMDN_NS "|delivery-notification",
      NGX_SIP_IMDN_NS "|error", NGX_SIP_IMDN_ERROR },
    { NGX_SIP_IMDN_NS "|display-notification",
      NGX_SIP_IMDN_NS "|displayed", NGX_SIP_IMDN_DISPLAYED }
};

#define ngx_sip_imdn_put(dst, text)  ngx_cpymem(dst, text, sizeof(text) - 1)

#define NGX_SIP_IMDN_RULES                                                    \
    (sizeof(ngx_sip_imdn_rules) / sizeof(ngx_sip_imdn_rules[0]))


/*
 * Reads the id, which lies in the pool, and the status.  Returns NGX_OK,
 * NGX_ABORT if it is no such document, or NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_sip_imdn_read(ngx_pool_t *pool, ngx_str_t *body, ngx_sip_imdn_t *imdn)
{
    ngx_sip_imdn_reader_t  reader;

    ngx_memzero(imdn, sizeof(ngx_sip_imdn_t));

    reader.pool = pool;
    reader.imdn = imdn;
    reader.found = 0;

    return ngx_sip_xml_read(body, ngx_sip_imdn_element, &reader);
}


static ngx_int_t
ngx_sip_imdn_element(void *data, ngx_uint_t depth, const char *name,
    ngx_str_t *text)
{
    ngx_uint_t              i;
    ngx_sip_imdn_t         *imdn;
    ngx_sip_imdn_reader_t  *reader;

    reader = data;
    imdn = reader->imdn;

    switch (depth) {

    case 1:
        return (imdn->id.len
                && ngx_strcmp(name, NGX_SIP_IMDN_NS "|imdn") == 0)
               ? NGX_OK : NGX_ABORT;

    case 2:

        if (ngx_strcmp(name, NGX_SIP_IMDN_NS "|message-id") == 0) {
            imdn->id.data = ngx_pnalloc(reader->pool, text->len);

            if (imdn->id.data == NULL) {
                return NGX_ERROR;
            }

            ngx_memcpy(imdn->id.data, text->data, text->len);
            imdn->id.len = text->len;

            return NGX_OK;
        }

        for (i = 0; i < NGX_SIP_IMDN_RULES; i++) {

            if ((reader->found & (1 << i))
                && ngx_strcmp(name, ngx_sip_imdn_rules[i].notification) == 0)
            {
                imdn->status = ngx_sip_imdn_rules[i].value;
            }
        }

        reader->found = 0;
        return NGX_OK;

    case 4:

        for (i = 0; i < NGX_SIP_IMDN_RULES; i++) {
            if (ngx_strcmp(name, ngx_sip_imdn_rules[i].status) == 0) {
                reader->found |= 1 << i;
            }
        }

        return NGX_OK;

    default:
        return NGX_OK;
    }
}


/* The size that ngx_sip_imdn_write() takes at most. */

size_t
ngx_sip_imdn_size(ngx_sip_imdn_t *imdn)
{
    return sizeof("<?xml version=\"1.0\" encoding=\"UTF-8\"?>" CRLF
                  "<imdn xmlns=\"" NGX_SIP_IMDN_NS "\">"
                  "<message-id></message-id><datetime></datetime>"
                  "<recipient-uri></recipient-uri>"
                  "<delivery-notification><status><delivered/></status>"
                  "</delivery-notification></imdn>" CRLF)
           + ngx_fed_xml_size(imdn->id.data, imdn->id.len, 0)
           + ngx_fed_xml_size(imdn->date.data, imdn->date.len, 0)
           + ngx_fed_xml_size(imdn->recipient.data, imdn->recipient.len, 0);
}


/* Writes that a message was delivered or, with another status, was not. */

u_char *
ngx_sip_imdn_write(u_char *dst, ngx_sip_imdn_t *imdn)
{
    dst = ngx_sip_imdn_put(dst, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
                           CRLF "<imdn xmlns=\"" NGX_SIP_IMDN_NS "\">"
                           "<message-id>");
    dst = ngx_fed_xml_escape(dst, imdn->id.data, imdn->id.len, 0);
    dst = ngx_sip_imdn_put(dst, "</message-id><datetime>");
    dst = ngx_fed_xml_escape(dst, imdn->date.data, imdn->date.len, 0);
    dst = ngx_sip_imdn_put(dst, "</datetime>");

    if (imdn->recipient.len) {
        dst = ngx_sip_imdn_put(dst, "<recipient-uri>");
        dst = ngx_fed_xml_escape(dst, imdn->recipient.data,
                                 imdn->recipient.len, 0);
        dst = ngx_sip_imdn_put(dst, "</recipient-uri>");
    }

    dst = ngx_sip_imdn_put(dst, "<delivery-notification><status>");

    if (imdn->status == NGX_SIP_IMDN_DELIVERED) {
        dst = ngx_sip_imdn_put(dst, "<delivered/>");

    } else {
        dst = ngx_sip_imdn_put(dst, "<failed/>");
    }

    return ngx_sip_imdn_put(dst, "</status></delivery-notification></imdn>"
                            CRLF);
}
