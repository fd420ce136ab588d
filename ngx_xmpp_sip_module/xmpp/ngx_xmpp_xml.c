
/*
 * XML as streams may carry it: no DTD, comment, processing instruction or
 * entity (RFC 6120, 11), within limits.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_xmpp_xml.h"


#define NGX_XMPP_XML_SEPARATOR  '|'
#define NGX_XMPP_XML_POOL       2048
#define NGX_XMPP_XML_ELEMENTS   512          /* kept of a stanza */
#define NGX_XMPP_XML_NAMES      262144       /* octets, then a new parser */
#define NGX_XMPP_XML_HEADER     4096
#define NGX_XMPP_XML_AGAIN      16777216     /* octets looked at in vain */


static ngx_int_t ngx_xmpp_xml_create(ngx_xmpp_xml_t *xml);
static ngx_int_t ngx_xmpp_xml_renew(ngx_xmpp_xml_t *xml);
static void ngx_xmpp_xml_fail(ngx_xmpp_xml_t *xml, const char *error);
static void ngx_xmpp_xml_taken(ngx_xmpp_xml_t *xml);
static const char *ngx_xmpp_xml_error(ngx_xmpp_xml_t *xml, u_char *p,
    size_t len);
static void XMLCALL ngx_xmpp_xml_start_handler(void *data,
    const XML_Char *name, const XML_Char **atts);
static void XMLCALL ngx_xmpp_xml_end_handler(void *data, const XML_Char *name);
static void XMLCALL ngx_xmpp_xml_text_handler(void *data, const XML_Char *s,
    int len);
static void XMLCALL ngx_xmpp_xml_ns_handler(void *data, const XML_Char *prefix,
    const XML_Char *uri);
static void XMLCALL ngx_xmpp_xml_decl_handler(void *data,
    const XML_Char *version, const XML_Char *encoding, int standalone);
static void XMLCALL ngx_xmpp_xml_doctype_handler(void *data,
    const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid,
    int subset);
static void XMLCALL ngx_xmpp_xml_comment_handler(void *data,
    const XML_Char *s);
static void XMLCALL ngx_xmpp_xml_pi_handler(void *data, const XML_Char *target,
    const XML_Char *s);
static ngx_xmpp_ns_e ngx_xmpp_xml_ns(u_char *p, size_t len);
static ngx_xmpp_element_t *ngx_xmpp_xml_element(ngx_xmpp_xml_t *xml,
    u_char *name);
static ngx_int_t ngx_xmpp_xml_attributes(ngx_xmpp_xml_t *xml,
    ngx_xmpp_element_t *el, const XML_Char **atts);
static ngx_uint_t ngx_xmpp_xml_attribute(u_char *name, size_t len);
static ngx_int_t ngx_xmpp_xml_append(ngx_xmpp_xml_t *xml,
    ngx_xmpp_element_t *el, u_char *p, size_t len);
static void ngx_xmpp_xml_declaration(ngx_xmpp_xml_t *xml, const char *prefix,
    const char *uri);
static void ngx_xmpp_xml_root(ngx_xmpp_xml_t *xml, u_char *name);
static u_char *ngx_xmpp_xml_header(ngx_xmpp_xml_t *xml, size_t size);


/* in the order of ngx_xmpp_ns_e */

static ngx_str_t  ngx_xmpp_namespaces[] = {
    ngx_string("jabber:server"),
    ngx_string("http://etherx.jabber.org/streams"),
    ngx_string("jabber:server:dialback"),
    ngx_string("urn:ietf:params:xml:ns:xmpp-tls"),
    ngx_string("urn:ietf:params:xml:ns:xmpp-sasl"),
    ngx_string("urn:ietf:params:xml:ns:xmpp-streams"),
    ngx_string("urn:ietf:params:xml:ns:xmpp-stanzas"),
    ngx_string("urn:xmpp:features:dialback"),
    ngx_string("urn:xmpp:stream-limits:0"),
    ngx_string("urn:xmpp:delay"),
    ngx_string("urn:xmpp:ping"),
    ngx_string("http://jabber.org/protocol/disco#info"),
    ngx_string("http://jabber.org/protocol/disco#items"),
    ngx_string("http://jabber.org/protocol/chatstates"),
    ngx_string("urn:xmpp:receipts"),
    ngx_string("urn:xmpp:chat-markers:0"),
    ngx_string("urn:xmpp:sm:3"),
    ngx_string("urn:xmpp:bidi"),
    ngx_string("urn:xmpp:features:bidi"),
    ngx_null_string
};


/* in the order of ngx_xmpp_attr_e */

static ngx_str_t  ngx_xmpp_attributes[] = {
    ngx_string("from"),
    ngx_string("to"),
    ngx_string("id"),
    ngx_string("type"),
    ngx_string("http://www.w3.org/XML/1998/namespace|lang|xml"),
    ngx_string("version"),
    ngx_string("mechanism"),
    ngx_string("stamp"),
    ngx_string("node"),
    ngx_string("h"),
    ngx_string("previd"),
    ngx_string("resume"),
    ngx_string("max"),
    ngx_null_string
};


static ngx_str_t  ngx_xmpp_no_attributes[NGX_XMPP_ATTRS];


/*
 * Begins a document: a stream, or what comes after its restart.  What was
 * there before goes.  Returns NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_xmpp_xml_init(ngx_xmpp_xml_t *xml)
{
    ngx_xmpp_xml_done(xml);

    xml->depth = 0;
    xml->elements = 0;
    xml->content = NGX_XMPP_NS_NONE;
    xml->names = 0;
    xml->error = NULL;
    xml->replay = 0;
    xml->stopped = 0;
    xml->renew = 0;
    xml->too_big = 0;

    ngx_memzero(xml->open, sizeof(xml->open));

    xml->pool = ngx_create_pool(NGX_XMPP_XML_POOL, xml->log);
    if (xml->pool == NULL) {
        return NGX_ERROR;
    }

    return ngx_xmpp_xml_create(xml);
}


/* Frees all.  Not to be called from within the parser. */

void
ngx_xmpp_xml_done(ngx_xmpp_xml_t *xml)
{
    if (xml->parser) {
        XML_ParserFree(xml->parser);
        xml->parser = NULL;
    }

    if (xml->pool) {
        ngx_destroy_pool(xml->pool);
        xml->pool = NULL;
    }

    if (xml->header.data) {
        ngx_free(xml->header.data);
        ngx_str_null(&xml->header);
    }
}


static ngx_int_t
ngx_xmpp_xml_create(ngx_xmpp_xml_t *xml)
{
    XML_Parser  parser;

    parser = XML_ParserCreateNS("UTF-8", NGX_XMPP_XML_SEPARATOR);
    if (parser == NULL) {
        return NGX_ERROR;
    }

    xml->parser = parser;
    xml->fed = 0;
    xml->boundary = 0;
    xml->taken = 0;
    xml->again = 0;

#if (NGX_FED_HAVE_XML_REPARSE)

    /* else a stanza may wait in the parser for the next one */

    XML_SetReparseDeferralEnabled(parser, XML_FALSE);

#endif

    XML_SetUserData(parser, xml);
    XML_SetReturnNSTriplet(parser, 1);
    XML_SetElementHandler(parser, ngx_xmpp_xml_start_handler,
                          ngx_xmpp_xml_end_handler);
    XML_SetCharacterDataHandler(parser, ngx_xmpp_xml_text_handler);
    XML_SetStartNamespaceDeclHandler(parser, ngx_xmpp_xml_ns_handler);
    XML_SetXmlDeclHandler(parser, ngx_xmpp_xml_decl_handler);
    XML_SetStartDoctypeDeclHandler(parser, ngx_xmpp_xml_doctype_handler);
    XML_SetCommentHandler(parser, ngx_xmpp_xml_comment_handler);
    XML_SetProcessingInstructionHandler(parser, ngx_xmpp_xml_pi_handler);

    return NGX_OK;
}


/*
 * Parses len octets.  Returns NGX_OK if all were taken; NGX_DONE if a handler
 * stopped the parser, which xml->used octets were given to; NGX_ERROR if the
 * document is not one that a stream may be: then xml->error names the stream
 * error condition.
 */

ngx_int_t
ngx_xmpp_xml_parse(ngx_xmpp_xml_t *xml, u_char *p, size_t len)
{
    size_t           taken;
    enum XML_Status  status;

    /* the parser knows UTF-16 by itself, RFC 6120, 11.6, does not */

    if (xml->fed < 4
        && (ngx_strlchr(p, p + ngx_min(len, 4 - xml->fed), '\0')
            || (xml->fed == 0 && *p >= 0xfe)))
    {
        xml->error = "unsupported-encoding";
        return NGX_ERROR;
    }

    taken = 0;

    for ( ;; ) {
        xml->used = len;
        xml->parsing = 1;

        status = XML_Parse(xml->parser, (char *) p, (int) len, 0);

        xml->parsing = 0;

        if (xml->error) {
            return NGX_ERROR;
        }

        if (xml->stopped) {
            xml->used += taken;
            return NGX_DONE;
        }

        if (xml->renew) {

            if (ngx_xmpp_xml_renew(xml) != NGX_OK) {
                xml->error = "internal-server-error";
                return NGX_ERROR;
            }

            taken += xml->used;
            p += xml->used;
            len -= xml->used;

            continue;
        }

        if (status != XML_STATUS_OK) {
            xml->error = ngx_xmpp_xml_error(xml, p, len);
            return NGX_ERROR;
        }

        xml->fed += len;

        if (xml->fed - xml->boundary > xml->stanza_size) {
            xml->error = "policy-violation";
            xml->too_big = 1;
            return NGX_ERROR;
        }

        /*
         * the parser looks at a tag from its start whenever more of it comes:
         * a long one in pieces of an octet is there to keep a worker busy
         */

        xml->again += xml->fed - xml->taken;

        if (xml->again > NGX_XMPP_XML_AGAIN) {
            xml->error = "policy-violation";
            return NGX_ERROR;
        }

        return NGX_OK;
    }
}


/* Stops the parser from within a handler, where the element ends. */

void
ngx_xmpp_xml_stop(ngx_xmpp_xml_t *xml)
{
    xml->stopped = 1;

    if (xml->parsing) {
        xml->used = (size_t) (XML_GetCurrentByteIndex(xml->parser)
                              + XML_GetCurrentByteCount(xml->parser)
                              - xml->fed);

        (void) XML_StopParser(xml->parser, XML_FALSE);
    }
}


static void
ngx_xmpp_xml_fail(ngx_xmpp_xml_t *xml, const char *error)
{
    if (xml->error == NULL) {
        xml->error = error;
        (void) XML_StopParser(xml->parser, XML_FALSE);
    }
}


/* Notes, from within a handler, how far the parser is. */

static void
ngx_xmpp_xml_taken(ngx_xmpp_xml_t *xml)
{
    xml->taken = XML_GetCurrentByteIndex(xml->parser)
                 + XML_GetCurrentByteCount(xml->parser);
}


/*
 * A parser keeps every name it ever saw: between two stanzas another one takes
 * over, which is told of the stream's header.
 */

static ngx_int_t
ngx_xmpp_xml_renew(ngx_xmpp_xml_t *xml)
{
    XML_ParserFree(xml->parser);
    xml->parser = NULL;

    if (ngx_xmpp_xml_create(xml) != NGX_OK) {
        return NGX_ERROR;
    }

    xml->renew = 0;
    xml->replay = 1;
    xml->depth = 0;
    xml->names = 0;

    if (XML_Parse(xml->parser, (char *) xml->header.data,
                  (int) xml->header.len, 0)
        != XML_STATUS_OK)
    {
        return NGX_ERROR;
    }

    xml->replay = 0;
    xml->fed = xml->header.len;
    xml->boundary = xml->fed;
    xml->taken = xml->fed;

    return NGX_OK;
}


static const char *
ngx_xmpp_xml_error(ngx_xmpp_xml_t *xml, u_char *p, size_t len)
{
    uint64_t  index;

    switch (XML_GetErrorCode(xml->parser)) {

    case XML_ERROR_UNKNOWN_ENCODING:
    case XML_ERROR_INCORRECT_ENCODING:
        return "unsupported-encoding";

    case XML_ERROR_UNDEFINED_ENTITY:
    case XML_ERROR_RECURSIVE_ENTITY_REF:
    case XML_ERROR_EXTERNAL_ENTITY_HANDLING:
        return "restricted-xml";

    case XML_ERROR_NO_MEMORY:
        return "internal-server-error";

    case XML_ERROR_INVALID_TOKEN:
    case XML_ERROR_PARTIAL_CHAR:
        index = XML_GetCurrentByteIndex(xml->parser);

        if (index >= xml->fed && index < xml->fed + len) {
            p += index - xml->fed;

            if (*p >= 0x80 && *p != 0xef) {
                return "unsupported-encoding";
            }
        }

        return "not-well-formed";

    default:
        return "not-well-formed";
    }
}


static void XMLCALL
ngx_xmpp_xml_start_handler(void *data, const XML_Char *name,
    const XML_Char **atts)
{
    ngx_uint_t           n;
    ngx_xmpp_xml_t      *xml;
    ngx_xmpp_element_t  *el, *parent;

    xml = data;

    if (xml->error || xml->stopped) {
        return;
    }

    ngx_xmpp_xml_taken(xml);

    xml->depth++;

    if (xml->depth > xml->max_depth) {
        ngx_xmpp_xml_fail(xml, "policy-violation");
        return;
    }

    for (n = 0; atts[2 * n]; n++) { /* void */ }

    if (n > xml->max_attributes) {
        ngx_xmpp_xml_fail(xml, "policy-violation");
        return;
    }

    if (xml->replay) {
        return;
    }

    if (xml->depth > NGX_XMPP_XML_KEEP
        || (xml->depth > 2 && xml->open[xml->depth - 1] == NULL)
        || xml->elements == NGX_XMPP_XML_ELEMENTS)
    {
        xml->names += ngx_strlen(name) + 64;

        while (n) {
            xml->names += ngx_strlen(atts[2 * --n]) + 64;
        }

        if (xml->depth <= NGX_XMPP_XML_KEEP) {
            xml->open[xml->depth] = NULL;
        }

        return;
    }

    el = ngx_xmpp_xml_element(xml, (u_char *) name);

    if (el == NULL || ngx_xmpp_xml_attributes(xml, el, atts) != NGX_OK) {
        ngx_xmpp_xml_fail(xml, "internal-server-error");
        return;
    }

    if (xml->depth == 1) {
        ngx_xmpp_xml_root(xml, (u_char *) name);

        if (xml->error == NULL) {
            xml->ops->header(xml->data, el);
        }

        xml->boundary = xml->taken;

        ngx_reset_pool(xml->pool);
        return;
    }

    xml->open[xml->depth] = el;
    xml->elements++;

    if (xml->depth > 2) {
        parent = xml->open[xml->depth - 1];

        if (parent->last) {
            parent->last->next = el;

        } else {
            parent->first = el;
        }

        parent->last = el;
    }
}


static void XMLCALL
ngx_xmpp_xml_end_handler(void *data, const XML_Char *name)
{
    size_t               size;
    uint64_t             boundary;
    ngx_xmpp_xml_t      *xml;
    ngx_xmpp_element_t  *el;

    xml = data;

    if (xml->error || xml->stopped) {
        return;
    }

    ngx_xmpp_xml_taken(xml);

    xml->depth--;

    if (xml->depth == 0) {
        xml->ops->end(xml->data);
        return;
    }

    if (xml->depth > 1) {
        return;
    }

    el = xml->open[2];

    boundary = xml->taken;

    size = (size_t) (boundary - xml->boundary);

    xml->boundary = boundary;

    if (size > xml->stanza_size) {
        xml->too_big = 1;
        ngx_xmpp_xml_fail(xml, "policy-violation");
        return;
    }

    xml->elements = 0;
    xml->again = 0;

    xml->ops->element(xml->data, el);

    if (size < NGX_XMPP_XML_POOL * 4) {
        ngx_reset_pool(xml->pool);

    } else {
        ngx_destroy_pool(xml->pool);

        xml->pool = ngx_create_pool(NGX_XMPP_XML_POOL, xml->log);
        if (xml->pool == NULL) {
            ngx_xmpp_xml_fail(xml, "internal-server-error");
            return;
        }
    }

    if (xml->names > NGX_XMPP_XML_NAMES && !xml->stopped) {
        xml->renew = 1;
        xml->used = (size_t) (boundary - xml->fed);
        (void) XML_StopParser(xml->parser, XML_FALSE);
    }
}


static void XMLCALL
ngx_xmpp_xml_text_handler(void *data, const XML_Char *s, int len)
{
    int                  i;
    ngx_xmpp_xml_t      *xml;
    ngx_xmpp_element_t  *el;

    xml = data;

    if (xml->error || xml->stopped) {
        return;
    }

    ngx_xmpp_xml_taken(xml);

    if (xml->depth == 1) {

        for (i = 0; i < len; i++) {
            if (s[i] != ' ' && s[i] != LF && s[i] != CR && s[i] != '\t') {
                ngx_xmpp_xml_fail(xml, "bad-format");
                return;
            }
        }

        xml->boundary = xml->taken;
        return;
    }

    if (xml->depth > NGX_XMPP_XML_KEEP) {
        return;
    }

    el = xml->open[xml->depth];

    if (el && ngx_xmpp_xml_append(xml, el, (u_char *) s, len) != NGX_OK) {
        ngx_xmpp_xml_fail(xml, "internal-server-error");
    }
}


static void XMLCALL
ngx_xmpp_xml_ns_handler(void *data, const XML_Char *prefix,
    const XML_Char *uri)
{
    ngx_xmpp_xml_t  *xml;

    xml = data;

    if (xml->error || xml->stopped || xml->replay) {
        return;
    }

    if (prefix) {
        xml->names += ngx_strlen(prefix) + (uri ? ngx_strlen(uri) : 0) + 64;
    }

    if (xml->depth) {
        return;
    }

    if (prefix == NULL) {
        xml->content = uri ? ngx_xmpp_xml_ns((u_char *) uri, ngx_strlen(uri))
                           : NGX_XMPP_NS_NONE;
    }

    ngx_xmpp_xml_declaration(xml, prefix, uri ? uri : "");
}


/* RFC 6120, 11.6: UTF-8 only */

static void XMLCALL
ngx_xmpp_xml_decl_handler(void *data, const XML_Char *version,
    const XML_Char *encoding, int standalone)
{
    if (encoding && ngx_strcasecmp((u_char *) encoding, (u_char *) "utf-8")) {
        ngx_xmpp_xml_fail(data, "unsupported-encoding");
    }
}


static void XMLCALL
ngx_xmpp_xml_doctype_handler(void *data, const XML_Char *name,
    const XML_Char *sysid, const XML_Char *pubid, int subset)
{
    ngx_xmpp_xml_fail(data, "restricted-xml");
}


static void XMLCALL
ngx_xmpp_xml_comment_handler(void *data, const XML_Char *s)
{
    ngx_xmpp_xml_fail(data, "restricted-xml");
}


static void XMLCALL
ngx_xmpp_xml_pi_handler(void *data, const XML_Char *target, const XML_Char *s)
{
    ngx_xmpp_xml_fail(data, "restricted-xml");
}


static ngx_xmpp_ns_e
ngx_xmpp_xml_ns(u_char *p, size_t len)
{
    ngx_uint_t  i;

    for (i = 0; ngx_xmpp_namespaces[i].len; i++) {

        if (ngx_xmpp_namespaces[i].len == len
            && ngx_memcmp(ngx_xmpp_namespaces[i].data, p, len) == 0)
        {
            return i;
        }
    }

    return NGX_XMPP_NS_OTHER;
}


/* name is "namespace|local|prefix", "namespace|local" or "local" */

static ngx_xmpp_element_t *
ngx_xmpp_xml_element(ngx_xmpp_xml_t *xml, u_char *name)
{
    u_char              *p, *last;
    ngx_xmpp_element_t  *el;

    el = ngx_pcalloc(xml->pool, sizeof(ngx_xmpp_element_t));
    if (el == NULL) {
        return NULL;
    }

    el->ns = NGX_XMPP_NS_NONE;

    last = name + ngx_strlen(name);

    p = ngx_strlchr(name, last, NGX_XMPP_XML_SEPARATOR);

    if (p) {
        el->ns = ngx_xmpp_xml_ns(name, p - name);
        name = p + 1;

        p = ngx_strlchr(name, last, NGX_XMPP_XML_SEPARATOR);

        if (p) {
            el->prefixed = 1;
            last = p;
        }
    }

    if (el->ns >= NGX_XMPP_NS_OTHER) {
        xml->names += last - name + 64;
    }

    el->name.len = last - name;
    el->name.data = ngx_pnalloc(xml->pool, el->name.len);
    if (el->name.data == NULL) {
        return NULL;
    }

    ngx_memcpy(el->name.data, name, el->name.len);

    return el;
}


static ngx_int_t
ngx_xmpp_xml_attributes(ngx_xmpp_xml_t *xml, ngx_xmpp_element_t *el,
    const XML_Char **atts)
{
    size_t      len;
    ngx_str_t  *value;
    ngx_uint_t  n;

    el->attr = ngx_xmpp_no_attributes;

    for ( /* void */ ; *atts; atts += 2) {

        len = ngx_strlen(atts[0]);
        n = ngx_xmpp_xml_attribute((u_char *) atts[0], len);

        if (n == NGX_XMPP_ATTRS) {
            xml->names += len + 64;
            continue;
        }

        if (el->attr == ngx_xmpp_no_attributes) {
            el->attr = ngx_pcalloc(xml->pool,
                                   NGX_XMPP_ATTRS * sizeof(ngx_str_t));
            if (el->attr == NULL) {
                return NGX_ERROR;
            }
        }

        value = &el->attr[n];

        value->len = ngx_strlen(atts[1]);
        value->data = ngx_pnalloc(xml->pool, value->len + 1);
        if (value->data == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(value->data, atts[1], value->len);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_xmpp_xml_attribute(u_char *name, size_t len)
{
    ngx_uint_t  i;

    for (i = 0; ngx_xmpp_attributes[i].len; i++) {

        if (ngx_xmpp_attributes[i].len == len
            && ngx_memcmp(ngx_xmpp_attributes[i].data, name, len) == 0)
        {
            return i;
        }
    }

    return NGX_XMPP_ATTRS;
}


static ngx_int_t
ngx_xmpp_xml_append(ngx_xmpp_xml_t *xml, ngx_xmpp_element_t *el, u_char *p,
    size_t len)
{
    u_char  *text;
    size_t   size;

    if (el->text.len + len > el->text_size) {

        size = ngx_max(el->text_size * 2, el->text.len + len);

        text = ngx_pnalloc(xml->pool, size);
        if (text == NULL) {
            return NGX_ERROR;
        }

        if (el->text.len) {
            ngx_memcpy(text, el->text.data, el->text.len);
        }

        if (el->text_size > xml->pool->max) {
            (void) ngx_pfree(xml->pool, el->text.data);
        }

        el->text.data = text;
        el->text_size = size;
    }

    ngx_memcpy(el->text.data + el->text.len, p, len);
    el->text.len += len;

    return NGX_OK;
}


/*
 * Keeps a namespace of the stream header, for ngx_xmpp_xml_renew().  They come
 * before the element itself.
 */

static void
ngx_xmpp_xml_declaration(ngx_xmpp_xml_t *xml, const char *prefix,
    const char *uri)
{
    u_char  *p;
    size_t   len, size;

    len = prefix ? ngx_strlen(prefix) : 0;

    size = sizeof(" xmlns:=''") - 1 + len
           + ngx_fed_xml_size((u_char *) uri, ngx_strlen(uri), 1);

    p = ngx_xmpp_xml_header(xml, size);
    if (p == NULL) {
        return;
    }

    p = ngx_cpymem(p, " xmlns", sizeof(" xmlns") - 1);

    if (prefix) {
        *p++ = ':';
        p = ngx_cpymem(p, prefix, len);
    }

    *p++ = '=';
    *p++ = '\'';
    p = ngx_fed_xml_escape(p, (u_char *) uri, ngx_strlen(uri), 1);
    *p++ = '\'';

    xml->header.len = p - xml->header.data;
}


/* Puts the name of the root before its namespaces; see above for its form. */

static void
ngx_xmpp_xml_root(ngx_xmpp_xml_t *xml, u_char *name)
{
    u_char     *p, *last;
    size_t      len;
    ngx_str_t   prefix, *header;

    header = &xml->header;
    last = name + ngx_strlen(name);

    ngx_str_null(&prefix);

    p = ngx_strlchr(name, last, NGX_XMPP_XML_SEPARATOR);

    if (p) {
        name = p + 1;

        p = ngx_strlchr(name, last, NGX_XMPP_XML_SEPARATOR);

        if (p) {
            prefix.data = p + 1;
            prefix.len = last - prefix.data;
            last = p;
        }
    }

    len = sizeof("<") - 1 + (prefix.len ? prefix.len + 1 : 0) + (last - name);

    if (ngx_xmpp_xml_header(xml, len + 1) == NULL) {
        return;
    }

    p = header->data;

    ngx_memmove(p + len, p, header->len);

    *p++ = '<';

    if (prefix.len) {
        p = ngx_cpymem(p, prefix.data, prefix.len);
        *p++ = ':';
    }

    ngx_memcpy(p, name, last - name);

    header->len += len;
    header->data[header->len++] = '>';
}


/* Returns where size octets more of the header go, or NULL. */

static u_char *
ngx_xmpp_xml_header(ngx_xmpp_xml_t *xml, size_t size)
{
    ngx_str_t  *header;

    header = &xml->header;

    if (header->data == NULL) {

        header->data = ngx_alloc(NGX_XMPP_XML_HEADER, xml->log);
        if (header->data == NULL) {
            ngx_xmpp_xml_fail(xml, "internal-server-error");
            return NULL;
        }

        header->len = 0;
    }

    if (size > NGX_XMPP_XML_HEADER - header->len) {
        ngx_xmpp_xml_fail(xml, "policy-violation");
        return NULL;
    }

    return header->data + header->len;
}


/* Returns the first child of that name, or NULL. */

ngx_xmpp_element_t *
ngx_xmpp_xml_child(ngx_xmpp_element_t *el, ngx_xmpp_ns_e ns, const char *name)
{
    size_t               len;
    ngx_xmpp_element_t  *child;

    len = ngx_strlen(name);

    for (child = el->first; child; child = child->next) {

        if (child->ns == ns && child->name.len == len
            && ngx_memcmp(child->name.data, name, len) == 0)
        {
            return child;
        }
    }

    return NULL;
}
