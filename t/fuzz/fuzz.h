
/*
 * What the fuzz targets share: checks, copies, and numbers that depend on
 * nothing but the input.
 */


#ifndef _FUZZ_H_INCLUDED_
#define _FUZZ_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define FUZZ_SIZE  65536


/* allocations that succeed before the others fail; -1: all do */

extern ngx_int_t  ngx_shim_allocations;


#define fuzz_ok(condition)                                                    \
    if (!(condition)) {                                                       \
        fuzz_failed(#condition, __FILE__, __LINE__);                          \
    }


/* of each target: the input is a copy of its own, of just its size */

void fuzz_target(ngx_pool_t *pool, ngx_str_t *in);

/* where there is one, it is called once more, with little memory */

void fuzz_starve(ngx_pool_t *pool, ngx_str_t *in);


void fuzz_failed(const char *condition, const char *file, int line);

ngx_uint_t fuzz_random(ngx_uint_t n);
size_t fuzz_split(size_t len);

ngx_str_t fuzz_copy(ngx_pool_t *pool, ngx_str_t *s);
ngx_str_t fuzz_take(ngx_str_t *in, u_char end);
ngx_str_t fuzz_string(const char *text);

ngx_uint_t fuzz_same(ngx_str_t *a, ngx_str_t *b);
ngx_uint_t fuzz_within(ngx_str_t *s, ngx_str_t *of);
ngx_uint_t fuzz_is_line(ngx_str_t *s);
ngx_uint_t fuzz_is_xml(ngx_str_t *s);


#endif /* _FUZZ_H_INCLUDED_ */
