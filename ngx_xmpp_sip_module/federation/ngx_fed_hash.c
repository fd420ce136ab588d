
/*
 * A keyed hash: SipHash-2-4 with 128 bits of result.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_hash.h"


#define ngx_fed_rotl(x, n)  (((x) << (n)) | ((x) >> (64 - (n))))


static void ngx_fed_hash_word(ngx_fed_hash_t *hash, uint64_t word);
static void ngx_fed_hash_rounds(uint64_t *v, ngx_uint_t n);


void
ngx_fed_hash_init(ngx_fed_hash_t *hash, ngx_fed_key_t *secret)
{
    hash->v[0] = secret->lo ^ 0x736f6d6570736575ULL;
    hash->v[1] = secret->hi ^ 0x646f72616e646f6dULL ^ 0xee;
    hash->v[2] = secret->lo ^ 0x6c7967656e657261ULL;
    hash->v[3] = secret->hi ^ 0x7465646279746573ULL;
    hash->tail = 0;
    hash->len = 0;
}


void
ngx_fed_hash_update(ngx_fed_hash_t *hash, const u_char *p, size_t len)
{
    uint64_t       word;
    const u_char  *last;

    last = p + len;

    while (p < last && (hash->len & 7)) {
        hash->tail |= (uint64_t) *p++ << (8 * (hash->len & 7));

        if ((++hash->len & 7) == 0) {
            ngx_fed_hash_word(hash, hash->tail);
            hash->tail = 0;
        }
    }

    for ( /* void */ ; last - p >= 8; p += 8) {
        ngx_memcpy(&word, p, 8);
        ngx_fed_hash_word(hash, word);
        hash->len += 8;
    }

    while (p < last) {
        hash->tail |= (uint64_t) *p++ << (8 * (hash->len++ & 7));
    }
}


ngx_fed_key_t
ngx_fed_hash_final(ngx_fed_hash_t *hash)
{
    uint64_t       *v;
    ngx_fed_key_t   key;

    v = hash->v;

    ngx_fed_hash_word(hash, hash->tail | (uint64_t) hash->len << 56);

    v[2] ^= 0xee;
    ngx_fed_hash_rounds(v, 4);
    key.lo = v[0] ^ v[1] ^ v[2] ^ v[3];

    v[1] ^= 0xdd;
    ngx_fed_hash_rounds(v, 4);
    key.hi = v[0] ^ v[1] ^ v[2] ^ v[3];

    return key;
}


static void
ngx_fed_hash_word(ngx_fed_hash_t *hash, uint64_t word)
{
    hash->v[3] ^= word;
    ngx_fed_hash_rounds(hash->v, 2);
    hash->v[0] ^= word;
}


static void
ngx_fed_hash_rounds(uint64_t *v, ngx_uint_t n)
{
    while (n--) {
        v[0] += v[1];
        v[1] = ngx_fed_rotl(v[1], 13) ^ v[0];
        v[0] = ngx_fed_rotl(v[0], 32);
        v[2] += v[3];
        v[3] = ngx_fed_rotl(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = ngx_fed_rotl(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = ngx_fed_rotl(v[1], 17) ^ v[2];
        v[2] = ngx_fed_rotl(v[2], 32);
    }
}
