
/*
 * XML as streams may carry it: no DTD, comment, processing instruction or
 * entity (RFC 6120, 11), within limits.
 */


#ifndef _NGX_XMPP_XML_H_INCLUDED_
#define _NGX_XMPP_XML_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <expat.h>
#include "ngx_fed_xml.h"


typedef enum {
    NGX_XMPP_NS_SERVER = 0,
    NGX_XMPP_NS_STREAM,
    NGX_XMPP_NS_DIALBACK,
    NGX_XMPP_NS_TLS,
    NGX_XMPP_NS_SASL,
    NGX_XMPP_NS_STREAM_ERRORS,
    NGX_XMPP_NS_STANZA_ERRORS,
    NGX_XMPP_NS_DIALBACK_FEATURE,
    NGX_XMPP_NS_LIMITS,
    NGX_XMPP_NS_DELAY,
    NGX_XMPP_NS_PING,
    NGX_XMPP_NS_DISCO_INFO,
    NGX_XMPP_NS_DISCO_ITEMS,
    NGX_XMPP_NS_CHATSTATES,
    NGX_XMPP_NS_RECEIPTS,
    NGX_XMPP_NS_MARKERS,
    NGX_XMPP_NS_SM,
    NGX_XMPP_NS_BIDI,
    NGX_XMPP_NS_BIDI_FEATURE,
    NGX_XMPP_NS_OTHER,
    NGX_XMPP_NS_NONE
} ngx_xmpp_ns_e;


typedef enum {
    NGX_XMPP_FROM = 0,
    NGX_XMPP_TO,
    NGX_XMPP_ID,
    NGX_XMPP_TYPE,
    NGX_XMPP_LANG,             /* xml:lang */
    NGX_XMPP_VERSION,
    NGX_XMPP_MECHANISM,
    NGX_XMPP_STAMP,
    NGX_XMPP_NODE,
    NGX_XMPP_H,
    NGX_XMPP_PREVID,
    NGX_XMPP_RESUME,
    NGX_XMPP_MAX,
    NGX_XMPP_ATTRS
} ngx_xmpp_attr_e;


typedef struct ngx_xmpp_element_s  ngx_xmpp_element_t;

struct ngx_xmpp_element_s {
    ngx_xmpp_element_t           *next;
    ngx_xmpp_element_t           *first;     /* child */
    ngx_xmpp_element_t           *last;
    ngx_str_t                     name;
    ngx_str_t                     text;      /* its own, without children's */
    size_t                        text_size;
    ngx_str_t                    *attr;      /* NGX_XMPP_ATTRS; absent: data
                                                is NULL */
    ngx_xmpp_ns_e                 ns;

    unsigned                      prefixed:1;
};


#define ngx_xmpp_is(el, space, literal)                                       \
    ((el)->ns == space && (el)->name.len == sizeof(literal) - 1               \
     && ngx_memcmp((el)->name.data, literal, sizeof(literal) - 1) == 0)

#define ngx_xmpp_equal(str, literal)                                          \
    ((str)->len == sizeof(literal) - 1                                        \
     && ngx_memcmp((str)->data, literal, sizeof(literal) - 1) == 0)


/*
 * Called from within the parser: they neither parse nor reset it, and what
 * they are given is gone when they return
 */

typedef struct {
    void                        (*header)(void *data,
                                          ngx_xmpp_element_t *root);
    void                        (*element)(void *data, ngx_xmpp_element_t *el);
    void                        (*end)(void *data);
} ngx_xmpp_xml_ops_t;


#define NGX_XMPP_XML_KEEP     4         /* depth that is kept: stream, stanza,
                                           child, grandchild */

typedef struct {
    XML_Parser                    parser;
    ngx_pool_t                   *pool;      /* of the stanza being read */
    ngx_log_t                    *log;
    const ngx_xmpp_xml_ops_t     *ops;
    void                         *data;

    ngx_xmpp_element_t           *open[NGX_XMPP_XML_KEEP + 1];
    ngx_uint_t                    depth;
    ngx_uint_t                    elements;  /* kept, of the stanza */
    ngx_xmpp_ns_e                 content;   /* default namespace */

    uint64_t                      fed;       /* to this parser, before the
                                                octets being parsed */
    uint64_t                      boundary;  /* where the last stanza ended */
    uint64_t                      taken;     /* where the last token ended */
    uint64_t                      again;     /* octets, of the stanza, that
                                                were looked at in vain */
    size_t                        names;     /* octets of uncommon names */
    ngx_str_t                     header;    /* to begin another parser with */

    size_t                        stanza_size;
    ngx_uint_t                    max_depth;
    ngx_uint_t                    max_attributes;

    size_t                        used;      /* octets, up to a stop */
    const char                   *error;     /* stream error condition */

    unsigned                      parsing:1;
    unsigned                      replay:1;
    unsigned                      stopped:1;
    unsigned                      renew:1;
    unsigned                      too_big:1; /* the error is a big stanza */
} ngx_xmpp_xml_t;


ngx_int_t ngx_xmpp_xml_init(ngx_xmpp_xml_t *xml);
ngx_int_t ngx_xmpp_xml_parse(ngx_xmpp_xml_t *xml, u_char *p, size_t len);
void ngx_xmpp_xml_stop(ngx_xmpp_xml_t *xml);
void ngx_xmpp_xml_done(ngx_xmpp_xml_t *xml);

ngx_xmpp_element_t *ngx_xmpp_xml_child(ngx_xmpp_element_t *el,
    ngx_xmpp_ns_e ns, const char *name);


#endif /* _NGX_XMPP_XML_H_INCLUDED_ */
