
/*
 * Text as it may stand in XML, which documents of both legs are made of.
 */


#ifndef _NGX_FED_XML_H_INCLUDED_
#define _NGX_FED_XML_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


size_t ngx_fed_xml_size(u_char *src, size_t len, ngx_uint_t attr);
u_char *ngx_fed_xml_escape(u_char *dst, u_char *src, size_t len,
    ngx_uint_t attr);


#endif /* _NGX_FED_XML_H_INCLUDED_ */
