
/*
 * Small XML documents in bodies.
 */


#ifndef _NGX_SIP_XML_H_INCLUDED_
#define _NGX_SIP_XML_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <expat.h>


/*
 * Called at the end of each element, depth being 1 for the root: name is
 * "namespace|local", text what it contains, without blanks around it, and
 * nothing if it has children.  Both are gone when it returns.  What it returns
 * ends the reading, unless it is NGX_OK.
 */

typedef ngx_int_t (*ngx_sip_xml_handler_pt)(void *data, ngx_uint_t depth,
    const char *name, ngx_str_t *text);


ngx_int_t ngx_sip_xml_run(XML_Parser parser, ngx_str_t *body, ngx_int_t *rc);
void ngx_sip_xml_stop(XML_Parser parser, ngx_int_t *rc, ngx_int_t why);
ngx_int_t ngx_sip_xml_read(ngx_str_t *body, ngx_sip_xml_handler_pt handler,
    void *data);


#endif /* _NGX_SIP_XML_H_INCLUDED_ */
