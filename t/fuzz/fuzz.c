
/*
 * What the fuzz targets share; see fuzz.h.
 */


#include "fuzz.h"
#include <expat.h>


#define FUZZ_STARVED  24    /* allocations, at most, when there is no more */
#define FUZZ_SECONDS  2     /* of CPU, that an input may take */


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


#pragma weak fuzz_starve


static uint64_t  fuzz_seed;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t       i;
    clock_t      start;
    ngx_str_t    in, copy;
    ngx_pool_t  *pool;

    if (size > FUZZ_SIZE) {
        return -1;
    }

    fuzz_seed = UINT64_C(0x9e3779b97f4a7c15);

    for (i = 0; i < size; i++) {
        fuzz_seed = (fuzz_seed ^ data[i]) * UINT64_C(0x100000001b3);
    }

    in.data = (u_char *) data;
    in.len = size;

    ngx_shim_allocations = -1;

    pool = ngx_create_pool(4096, NULL);
    copy = fuzz_copy(pool, &in);

    start = clock();

    fuzz_target(pool, &copy);

    fuzz_ok(clock() - start < FUZZ_SECONDS * CLOCKS_PER_SEC);

    ngx_destroy_pool(pool);

    if (fuzz_starve == NULL) {
        return 0;
    }

    pool = ngx_create_pool(4096, NULL);
    copy = fuzz_copy(pool, &in);

    ngx_shim_allocations = fuzz_random(FUZZ_STARVED);

    fuzz_starve(pool, &copy);

    ngx_destroy_pool(pool);

    return 0;
}


void
fuzz_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
    abort();
}


ngx_uint_t
fuzz_random(ngx_uint_t n)
{
    fuzz_seed ^= fuzz_seed << 13;
    fuzz_seed ^= fuzz_seed >> 7;
    fuzz_seed ^= fuzz_seed << 17;

    return (fuzz_seed >> 16) % n;
}


/* The size of the next piece of what has len octets, some dozens in all. */

size_t
fuzz_split(size_t len)
{
    if (len > 64) {
        len /= 16;
    }

    return 1 + fuzz_random(fuzz_random(2) ? len + 1 : ngx_min(len + 1, 4));
}


/* An allocation of its own, so that reading beyond it is noticed. */

ngx_str_t
fuzz_copy(ngx_pool_t *pool, ngx_str_t *s)
{
    ngx_str_t  copy;

    copy.len = s->len;
    copy.data = ngx_pnalloc(pool, s->len);

    if (s->len) {
        ngx_memcpy(copy.data, s->data, s->len);
    }

    return copy;
}


/* Takes what comes before the next such octet off the input, or all of it. */

ngx_str_t
fuzz_take(ngx_str_t *in, u_char end)
{
    u_char     *p;
    ngx_str_t   piece;

    piece = *in;
    p = in->len ? memchr(in->data, end, in->len) : NULL;

    if (p == NULL) {
        in->data += in->len;
        in->len = 0;
        return piece;
    }

    piece.len = p - in->data;

    in->data = p + 1;
    in->len -= piece.len + 1;

    return piece;
}


ngx_str_t
fuzz_string(const char *text)
{
    ngx_str_t  s;

    s.data = (u_char *) text;
    s.len = strlen(text);

    return s;
}


ngx_uint_t
fuzz_same(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}


/* Tells whether a string is a slice of the other one. */

ngx_uint_t
fuzz_within(ngx_str_t *s, ngx_str_t *of)
{
    return s->len == 0
           || (s->data >= of->data
               && s->data + s->len <= of->data + of->len);
}


/* Tells whether a string can stand in a header field. */

ngx_uint_t
fuzz_is_line(ngx_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] == CR || s->data[i] == LF || s->data[i] == '\0') {
            return 0;
        }
    }

    return 1;
}


/* Tells whether it is a document that is well-formed. */

ngx_uint_t
fuzz_is_xml(ngx_str_t *s)
{
    XML_Parser       parser;
    enum XML_Status  status;

    parser = XML_ParserCreateNS("UTF-8", '|');
    status = XML_Parse(parser, (char *) s->data, (int) s->len, 1);

    XML_ParserFree(parser);

    return status == XML_STATUS_OK;
}
