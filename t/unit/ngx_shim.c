
/*
 * The few functions of nginx that the pure files need, so that they can be
 * tested without it.  Each allocation is one of malloc(): sanitizers see where
 * it ends.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <arpa/inet.h>


/* how many allocations succeed before the others fail; -1: all do */

ngx_int_t  ngx_shim_allocations = -1;


ngx_pool_t *
ngx_create_pool(size_t size, ngx_log_t *log)
{
    ngx_pool_t  *pool;

    pool = calloc(1, sizeof(ngx_pool_t));

    if (pool) {
        pool->max = size;
        pool->log = log;
    }

    return pool;
}


void
ngx_reset_pool(ngx_pool_t *pool)
{
    ngx_pool_large_t  *l, *next;

    for (l = pool->large; l; l = next) {
        next = l->next;
        free(l->alloc);
        free(l);
    }

    pool->large = NULL;
}


void
ngx_destroy_pool(ngx_pool_t *pool)
{
    ngx_reset_pool(pool);
    free(pool);
}


ngx_int_t
ngx_pfree(ngx_pool_t *pool, void *p)
{
    ngx_pool_large_t  *l;

    for (l = pool->large; l; l = l->next) {
        if (l->alloc == p) {
            free(l->alloc);
            l->alloc = NULL;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


void *
ngx_alloc(size_t size, ngx_log_t *log)
{
    return malloc(size);
}


void *
ngx_palloc(ngx_pool_t *pool, size_t size)
{
    ngx_pool_large_t  *l;

    if (ngx_shim_allocations == 0) {
        return NULL;
    }

    if (ngx_shim_allocations > 0) {
        ngx_shim_allocations--;
    }

    l = malloc(sizeof(ngx_pool_large_t));
    if (l == NULL) {
        return NULL;
    }

    l->alloc = malloc(size ? size : 1);
    l->next = pool->large;
    pool->large = l;

    return l->alloc;
}


/* the benchmark has one of its own */

__attribute__((weak)) void *
ngx_pnalloc(ngx_pool_t *pool, size_t size)
{
    return ngx_palloc(pool, size);
}


void *
ngx_pcalloc(ngx_pool_t *pool, size_t size)
{
    void  *p;

    p = ngx_palloc(pool, size);

    if (p) {
        memset(p, 0, size);
    }

    return p;
}


ngx_array_t *
ngx_array_create(ngx_pool_t *pool, ngx_uint_t n, size_t size)
{
    ngx_array_t  *a;

    a = ngx_palloc(pool, sizeof(ngx_array_t));

    if (a == NULL || ngx_array_init(a, pool, n, size) != NGX_OK) {
        return NULL;
    }

    return a;
}


void *
ngx_array_push(ngx_array_t *a)
{
    void  *p;

    if (a->nelts == a->nalloc) {

        p = ngx_palloc(a->pool, 2 * a->nalloc * a->size);
        if (p == NULL) {
            return NULL;
        }

        ngx_memcpy(p, a->elts, a->nelts * a->size);

        a->elts = p;
        a->nalloc *= 2;
    }

    return (u_char *) a->elts + a->size * a->nelts++;
}


u_char *
ngx_cpystrn(u_char *dst, u_char *src, size_t n)
{
    if (n == 0) {
        return dst;
    }

    while (--n) {
        *dst = *src;

        if (*dst == '\0') {
            return dst;
        }

        dst++;
        src++;
    }

    *dst = '\0';

    return dst;
}


void
ngx_strlow(u_char *dst, u_char *src, size_t n)
{
    while (n--) {
        *dst++ = ngx_tolower(*src);
        src++;
    }
}


ngx_int_t
ngx_strcasecmp(u_char *s1, u_char *s2)
{
    return ngx_strncasecmp(s1, s2, ngx_strlen(s1) + 1);
}


ngx_int_t
ngx_strncasecmp(u_char *s1, u_char *s2, size_t n)
{
    ngx_uint_t  c1, c2;

    while (n--) {
        c1 = (ngx_uint_t) *s1++;
        c2 = (ngx_uint_t) *s2++;

        c1 = ngx_tolower(c1);
        c2 = ngx_tolower(c2);

        if (c1 != c2) {
            return c1 - c2;
        }

        if (c1 == 0) {
            break;
        }
    }

    return 0;
}


ngx_int_t
ngx_atoi(u_char *line, size_t n)
{
    ngx_int_t  value;

    if (n == 0) {
        return NGX_ERROR;
    }

    for (value = 0; n--; line++) {
        if (*line < '0' || *line > '9'
            || value > (NGX_MAX_INT_T_VALUE - (*line - '0')) / 10)
        {
            return NGX_ERROR;
        }

        value = value * 10 + (*line - '0');
    }

    return value;
}


ngx_int_t
ngx_hextoi(u_char *line, size_t n)
{
    u_char     ch;
    ngx_int_t  value;

    if (n == 0) {
        return NGX_ERROR;
    }

    for (value = 0; n--; line++) {
        ch = ngx_tolower(*line);

        if (ch >= '0' && ch <= '9') {
            ch -= '0';

        } else if (ch >= 'a' && ch <= 'f') {
            ch -= 'a' - 10;

        } else {
            return NGX_ERROR;
        }

        if (value > NGX_MAX_INT_T_VALUE / 16) {
            return NGX_ERROR;
        }

        value = value * 16 + ch;
    }

    return value;
}


uint32_t
ngx_utf8_decode(u_char **p, size_t n)
{
    size_t    len;
    uint32_t  u, i, valid;

    u = **p;

    if (u >= 0xf8) {
        (*p)++;
        return 0xffffffff;
    }

    if (u >= 0xf0) {
        u &= 0x07;
        valid = 0xffff;
        len = 3;

    } else if (u >= 0xe0) {
        u &= 0x0f;
        valid = 0x7ff;
        len = 2;

    } else if (u >= 0xc2) {
        u &= 0x1f;
        valid = 0x7f;
        len = 1;

    } else {
        (*p)++;
        return 0xffffffff;
    }

    if (n - 1 < len) {
        return 0xfffffffe;
    }

    (*p)++;

    while (len) {
        i = *(*p)++;

        if (i < 0x80) {
            return 0xffffffff;
        }

        u = (u << 6) | (i & 0x3f);

        len--;
    }

    return u > valid ? u : 0xffffffff;
}


void
ngx_gmtime(time_t t, ngx_tm_t *tp)
{
    gmtime_r(&t, tp);

    tp->ngx_tm_year += 1900;
    tp->ngx_tm_mon++;
}


ngx_int_t
ngx_inet6_addr(u_char *p, size_t len, u_char *addr)
{
    char  text[INET6_ADDRSTRLEN];

    if (len >= sizeof(text) || memchr(p, '\0', len)) {
        return NGX_ERROR;
    }

    memcpy(text, p, len);
    text[len] = '\0';

    return inet_pton(AF_INET6, text, addr) == 1 ? NGX_OK : NGX_ERROR;
}
