
/*
 * A keyed hash (SipHash-2-4, 128 bits) for tables that peers fill, and for
 * names that must be stable but not to be guessed.
 */


#ifndef _NGX_FED_HASH_H_INCLUDED_
#define _NGX_FED_HASH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_FED_HASH_TEXT        32      /* hex digits */


typedef struct {
    uint64_t                      lo;
    uint64_t                      hi;
} ngx_fed_key_t;


typedef struct {
    uint64_t                      v[4];
    uint64_t                      tail;
    size_t                        len;
} ngx_fed_hash_t;


void ngx_fed_hash_init(ngx_fed_hash_t *hash, ngx_fed_key_t *secret);
void ngx_fed_hash_update(ngx_fed_hash_t *hash, const u_char *p, size_t len);
ngx_fed_key_t ngx_fed_hash_final(ngx_fed_hash_t *hash);

/* a part and its length, so that parts can not run into each other */

#define ngx_fed_hash_str(hash, s)                                             \
    ngx_fed_hash_update(hash, (u_char *) &(s)->len, sizeof(size_t));          \
    ngx_fed_hash_update(hash, (s)->data, (s)->len)

#define ngx_fed_key_equal(a, b)  ((a)->lo == (b)->lo && (a)->hi == (b)->hi)


#endif /* _NGX_FED_HASH_H_INCLUDED_ */
