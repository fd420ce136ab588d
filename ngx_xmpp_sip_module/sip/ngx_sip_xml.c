
/*
 * Small XML documents in bodies: no DTD, no processing instruction, within
 * limits.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <expat.h>
#include "ngx_sip_xml.h"


#define NGX_SIP_XML_SEPARATOR   '|'
#define NGX_SIP_XML_SIZE        8192         /* of a document */
#define NGX_SIP_XML_DEPTH       16
#define NGX_SIP_XML_ATTRIBUTES  16           /* of an element */
#define NGX_SIP_XML_TEXT        1024         /* what is longer is cut */


typedef struct {
    XML_Parser                    parser;
    ngx_sip_xml_handler_pt        handler;
    void                         *data;
    ngx_int_t                     rc;
    ngx_uint_t                    depth;
    size_t                        len;
    u_char                        text[NGX_SIP_XML_TEXT];

    unsigned                      leaf:1;    /* no child has ended in it */
} ngx_sip_xml_reader_t;


static void ngx_sip_xml_fail(ngx_sip_xml_reader_t *reader, ngx_int_t rc);
static void XMLCALL ngx_sip_xml_start_handler(void *data,
    const XML_Char *name, const XML_Char **atts);
static void XMLCALL ngx_sip_xml_end_handler(void *data, const XML_Char *name);
static void XMLCALL ngx_sip_xml_text_handler(void *data, const XML_Char *s,
    int len);
static void XMLCALL ngx_sip_xml_doctype_handler(void *data,
    const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid,
    int subset);
static void XMLCALL ngx_sip_xml_pi_handler(void *data, const XML_Char *target,
    const XML_Char *s);


/*
 * Reads a document in UTF-8, calling the handler.  Returns NGX_OK, NGX_ABORT if
 * it is no such document, NGX_ERROR if there is no memory, or what the handler
 * returned.
 */

ngx_int_t
ngx_sip_xml_read(ngx_str_t *body, ngx_sip_xml_handler_pt handler, void *data)
{
    ngx_sip_xml_reader_t  reader;

    /* the parser knows UTF-16 by itself, in which "<" has a NUL */

    if (body->len == 0
        || body->len > NGX_SIP_XML_SIZE
        || memchr(body->data, '\0', body->len))
    {
        return NGX_ABORT;
    }

    reader.parser = XML_ParserCreateNS("UTF-8", NGX_SIP_XML_SEPARATOR);
    if (reader.parser == NULL) {
        return NGX_ERROR;
    }

    reader.handler = handler;
    reader.data = data;
    reader.rc = NGX_OK;
    reader.depth = 0;
    reader.len = 0;
    reader.leaf = 0;

    XML_SetUserData(reader.parser, &reader);
    XML_SetElementHandler(reader.parser, ngx_sip_xml_start_handler,
                          ngx_sip_xml_end_handler);
    XML_SetCharacterDataHandler(reader.parser, ngx_sip_xml_text_handler);
    XML_SetStartDoctypeDeclHandler(reader.parser, ngx_sip_xml_doctype_handler);
    XML_SetProcessingInstructionHandler(reader.parser, ngx_sip_xml_pi_handler);

    return ngx_sip_xml_run(reader.parser, body, &reader.rc);
}


/*
 * Parses a whole document with a parser that has its handlers, and frees the
 * parser.  Returns *rc, which is NGX_OK before: what ngx_sip_xml_stop() set,
 * NGX_ABORT if it is no XML, or NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_sip_xml_run(XML_Parser parser, ngx_str_t *body, ngx_int_t *rc)
{
    enum XML_Status  status;

    status = XML_Parse(parser, (char *) body->data, (int) body->len, 1);

    if (status != XML_STATUS_OK && *rc == NGX_OK) {
        *rc = (XML_GetErrorCode(parser) == XML_ERROR_NO_MEMORY) ? NGX_ERROR
                                                                : NGX_ABORT;
    }

    XML_ParserFree(parser);

    return *rc;
}


/* Ends the parsing from within a handler; the first reason counts. */

void
ngx_sip_xml_stop(XML_Parser parser, ngx_int_t *rc, ngx_int_t why)
{
    if (*rc == NGX_OK) {
        *rc = why;
        (void) XML_StopParser(parser, XML_FALSE);
    }
}


static void
ngx_sip_xml_fail(ngx_sip_xml_reader_t *reader, ngx_int_t rc)
{
    ngx_sip_xml_stop(reader->parser, &reader->rc, rc);
}


static void XMLCALL
ngx_sip_xml_start_handler(void *data, const XML_Char *name,
    const XML_Char **atts)
{
    ngx_uint_t             n;
    ngx_sip_xml_reader_t  *reader;

    reader = data;

    if (reader->rc != NGX_OK) {
        return;
    }

    for (n = 0; atts[2 * n]; n++) { /* void */ }

    if (reader->depth == NGX_SIP_XML_DEPTH || n > NGX_SIP_XML_ATTRIBUTES) {
        ngx_sip_xml_fail(reader, NGX_ABORT);
        return;
    }

    reader->depth++;
    reader->len = 0;
    reader->leaf = 1;
}


static void XMLCALL
ngx_sip_xml_end_handler(void *data, const XML_Char *name)
{
    ngx_int_t              rc;
    ngx_str_t              text;
    ngx_sip_xml_reader_t  *reader;

    reader = data;

    if (reader->rc != NGX_OK) {
        return;
    }

    text.data = reader->text;
    text.len = reader->leaf ? reader->len : 0;

    while (text.len && text.data[text.len - 1] <= ' ') {
        text.len--;
    }

    while (text.len && *text.data <= ' ') {
        text.data++;
        text.len--;
    }

    rc = reader->handler(reader->data, reader->depth--, name, &text);

    reader->leaf = 0;

    if (rc != NGX_OK) {
        ngx_sip_xml_fail(reader, rc);
    }
}


static void XMLCALL
ngx_sip_xml_text_handler(void *data, const XML_Char *s, int len)
{
    size_t                 n;
    ngx_sip_xml_reader_t  *reader;

    reader = data;

    if (reader->rc != NGX_OK || !reader->leaf) {
        return;
    }

    n = ngx_min((size_t) len, NGX_SIP_XML_TEXT - reader->len);

    ngx_memcpy(reader->text + reader->len, s, n);
    reader->len += n;
}


static void XMLCALL
ngx_sip_xml_doctype_handler(void *data, const XML_Char *name,
    const XML_Char *sysid, const XML_Char *pubid, int subset)
{
    ngx_sip_xml_fail(data, NGX_ABORT);
}


static void XMLCALL
ngx_sip_xml_pi_handler(void *data, const XML_Char *target, const XML_Char *s)
{
    ngx_sip_xml_fail(data, NGX_ABORT);
}
