
/*
 * Text that crosses: UTF-8, line ends, lines for headers and logs, times.
 */


#ifndef _NGX_FED_TEXT_H_INCLUDED_
#define _NGX_FED_TEXT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define ngx_fed_str_equal(a, b)                                               \
    ((a)->len == (b)->len                                                     \
     && ((a)->len == 0 || ngx_memcmp((a)->data, (b)->data, (b)->len) == 0))


ngx_int_t ngx_fed_text_valid(u_char *p, size_t len);

size_t ngx_fed_text_line(u_char *dst, u_char *src, size_t len, size_t max);

size_t ngx_fed_text_lf(u_char *dst, u_char *src, size_t len);
size_t ngx_fed_text_crlf_size(u_char *src, size_t len);
u_char *ngx_fed_text_crlf(u_char *dst, u_char *src, size_t len);

time_t ngx_fed_text_time(ngx_str_t *text);

ngx_str_t ngx_fed_text_log(u_char *buf, size_t size, ngx_str_t *in);


#endif /* _NGX_FED_TEXT_H_INCLUDED_ */
