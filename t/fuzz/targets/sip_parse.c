
/*
 * SIP messages on a stream: how the octets are split changes nothing, and a
 * message written again without folds says the same.
 */


#include "fuzz.h"
#include "ngx_sip_parse.h"


#define MESSAGES    16
#define HEADER_MAX  8192
#define BODY_MAX    4096


typedef struct {
    ngx_int_t         rc;
    size_t            at;
    size_t            size;
    ngx_uint_t        error;
    uint64_t          sum;       /* of all that was read */
} result_t;


static ngx_sip_msg_t  msg, again;


static void
add(uint64_t *sum, uint64_t n)
{
    *sum = (*sum ^ n) * UINT64_C(0x100000001b3);
}


static void
add_slice(uint64_t *sum, ngx_str_t *s, ngx_str_t *of)
{
    fuzz_ok(fuzz_within(s, of));

    add(sum, s->len);
    add(sum, s->len ? s->data - of->data : 0);
}


static uint64_t
summary(ngx_sip_msg_t *m, ngx_str_t *of)
{
    uint64_t     sum;
    ngx_uint_t   i;

    sum = 1;

    add(&sum, m->response);
    add(&sum, m->method);
    add(&sum, m->status);
    add(&sum, m->nvias);
    add(&sum, m->max_forwards);
    add(&sum, m->version);
    add(&sum, m->length_set);
    add(&sum, m->nheaders);

    add_slice(&sum, &m->method_name, of);
    add_slice(&sum, &m->uri, of);
    add_slice(&sum, &m->reason, of);
    add_slice(&sum, &m->via.all, of);
    add_slice(&sum, &m->via.branch, of);
    add_slice(&sum, &m->from.uri, of);
    add_slice(&sum, &m->from.tag, of);
    add_slice(&sum, &m->to.uri, of);
    add_slice(&sum, &m->to.tag, of);
    add_slice(&sum, &m->call_id, of);
    add_slice(&sum, &m->cseq_method, of);

    for (i = 1; i <= m->nheaders; i++) {
        add_slice(&sum, &m->headers[i].name, of);
        add_slice(&sum, &m->headers[i].value, of);
        add(&sum, m->headers[i].id);
        add(&sum, m->headers[i].next);
        add(&sum, m->headers[i].folded);

        fuzz_ok(m->headers[i].next == 0 || m->headers[i].next > i);
        fuzz_ok(m->headers[i].next <= m->nheaders);
    }

    return sum;
}


/* folds become spaces */

static u_char *
unfold(u_char *p, ngx_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        *p++ = (s->data[i] == CR || s->data[i] == LF) ? ' ' : s->data[i];
    }

    return p;
}


static ngx_uint_t
same_unfolded(ngx_str_t *a, ngx_str_t *b)
{
    u_char     buf[HEADER_MAX];
    ngx_str_t  s;

    s.data = buf;
    s.len = unfold(buf, a) - buf;

    return fuzz_same(&s, b);
}


/* a message that is right, its rows written one by one */

static void
rewrite(ngx_pool_t *pool, ngx_sip_msg_t *m, u_char *start)
{
    u_char            *p, *lf;
    ngx_int_t          rc;
    ngx_str_t          text;
    ngx_uint_t         i;
    ngx_sip_parser_t   sp;

    text.data = ngx_pnalloc(pool, 2 * m->size + 4 * NGX_SIP_HEADERS);

    lf = memchr(start, LF, m->size);
    p = ngx_cpymem(text.data, start, lf + 1 - start);

    for (i = 1; i <= m->nheaders; i++) {
        p = ngx_cpymem(p, m->headers[i].name.data, m->headers[i].name.len);
        *p++ = ':';
        *p++ = ' ';
        p = unfold(p, &m->headers[i].value);
        *p++ = CR;
        *p++ = LF;
    }

    *p++ = CR;
    *p++ = LF;
    p = ngx_cpymem(p, m->body.data, m->body.len);

    text.len = p - text.data;

    ngx_memzero(&sp, sizeof(ngx_sip_parser_t));

    rc = ngx_sip_parse(&sp, &again, text.data, p, text.len + 1, BODY_MAX);

    fuzz_ok(rc == NGX_OK);
    fuzz_ok(again.size == text.len);
    fuzz_ok(ngx_sip_check(&again) == NGX_OK);
    fuzz_ok(again.nheaders == m->nheaders);
    fuzz_ok(again.response == m->response);
    fuzz_ok(again.status == m->status);
    fuzz_ok(again.method == m->method);
    fuzz_ok(again.nvias == m->nvias);
    fuzz_ok(again.cseq == m->cseq);
    fuzz_ok(again.max_forwards == m->max_forwards);
    fuzz_ok(fuzz_same(&again.uri, &m->uri));
    fuzz_ok(fuzz_same(&again.body, &m->body));
    fuzz_ok(fuzz_same(&again.call_id, &m->call_id));
    fuzz_ok(fuzz_same(&again.cseq_method, &m->cseq_method));
    fuzz_ok(fuzz_same(&again.from.uri, &m->from.uri));
    fuzz_ok(fuzz_same(&again.from.tag, &m->from.tag));
    fuzz_ok(fuzz_same(&again.to.uri, &m->to.uri));
    fuzz_ok(fuzz_same(&again.to.tag, &m->to.tag));
    fuzz_ok(same_unfolded(&m->via.branch, &again.via.branch));

    for (i = 1; i <= m->nheaders; i++) {
        fuzz_ok(again.headers[i].id == m->headers[i].id);
        fuzz_ok(again.headers[i].next == m->headers[i].next);
        fuzz_ok(!again.headers[i].folded);
        fuzz_ok(same_unfolded(&m->headers[i].value,
                              &again.headers[i].value));
    }
}


/* what goes into header fields, zone and logs */

static void
check(ngx_pool_t *pool, ngx_sip_msg_t *m, u_char *start, ngx_uint_t whole)
{
    if (ngx_sip_check(m) != NGX_OK) {
        fuzz_ok(m->error >= 400 && m->error <= 699);
        fuzz_ok(m->problem != NULL);
        return;
    }

    fuzz_ok(m->error == 0);
    fuzz_ok(m->nvias > 0);
    fuzz_ok(m->length_set);
    fuzz_ok(m->call_id.len > 0 && fuzz_is_line(&m->call_id));
    fuzz_ok(m->cseq_method.len > 0 && fuzz_is_line(&m->cseq_method));
    fuzz_ok(fuzz_is_line(&m->method_name));
    fuzz_ok(fuzz_is_line(&m->uri));
    fuzz_ok(m->from.uri.len > 0 && fuzz_is_line(&m->from.uri));
    fuzz_ok(m->to.uri.len > 0 && fuzz_is_line(&m->to.uri));
    fuzz_ok(m->from.tag.len == 0
            || ngx_sip_is_token(m->from.tag.data, m->from.tag.len));
    fuzz_ok(m->to.tag.len == 0
            || ngx_sip_is_token(m->to.tag.data, m->to.tag.len));
    fuzz_ok(fuzz_is_line(&m->via.host) && m->via.port <= 65535);

    if (m->response) {
        fuzz_ok(m->status >= 100 && m->status <= 699);

    } else {
        fuzz_ok(m->uri.len > 0 && m->method_name.len > 0);
    }

    if (whole) {
        rewrite(pool, m, start);
    }
}


/* all messages of the input, as a connection gets them */

static ngx_uint_t
run(ngx_pool_t *pool, ngx_str_t *in, ngx_uint_t split, result_t *results)
{
    size_t            pos, end, skip, step;
    u_char           *copy;
    ngx_int_t         rc;
    ngx_str_t         of;
    result_t         *r;
    ngx_uint_t        n;
    ngx_sip_parser_t  sp;

    n = 0;
    pos = 0;
    skip = 0;
    end = split ? 0 : in->len;

    ngx_memzero(&sp, sizeof(ngx_sip_parser_t));

    for ( ;; ) {

        step = ngx_min(skip, end - pos);
        pos += step;
        skip -= step;

        while (sp.scanned == 0 && sp.header == 0 && pos < end
               && (in->data[pos] == CR || in->data[pos] == LF))
        {
            pos++;
        }

        of.len = end - pos;
        of.data = malloc(of.len);
        copy = of.data;

        if (of.len == 0) {
            rc = NGX_AGAIN;

        } else {
            ngx_memcpy(copy, in->data + pos, of.len);
            rc = ngx_sip_parse(&sp, &msg, copy, copy + of.len, HEADER_MAX,
                               BODY_MAX);
        }

        if (rc == NGX_AGAIN) {
            free(copy);

            if (end == in->len) {
                results[n].rc = NGX_AGAIN;
                results[n].at = pos;
                results[n].size = sp.size;
                results[n].error = 0;
                results[n].sum = 0;
                return n + 1;
            }

            step = fuzz_split(in->len);
            end += ngx_min(step, in->len - end);
            continue;
        }

        if (rc == NGX_OK || rc == NGX_DECLINED) {
            of.len = (rc == NGX_OK) ? msg.size : sp.header;
            check(pool, &msg, copy, rc == NGX_OK && !split);

        } else {
            fuzz_ok(rc == NGX_ERROR && msg.error != 0);
            (void) ngx_sip_check(&msg);
        }

        r = &results[n++];
        r->rc = rc;
        r->at = pos;
        r->error = msg.error;
        r->size = (rc == NGX_OK) ? msg.size : 0;
        r->sum = summary(&msg, &of);

        free(copy);

        if (rc == NGX_ERROR || n == MESSAGES - 1) {
            return n;
        }

        if (rc == NGX_OK) {
            fuzz_ok(msg.body.len == msg.content_length);
            fuzz_ok(msg.size <= end - pos && msg.size > msg.body.len);
            pos += msg.size;

        } else {
            fuzz_ok(msg.content_length > BODY_MAX);
            pos += sp.header;
            skip = msg.content_length;
        }

        ngx_memzero(&sp, sizeof(ngx_sip_parser_t));
    }
}


void
fuzz_target(ngx_pool_t *pool, ngx_str_t *in)
{
    result_t     whole[MESSAGES], parts[MESSAGES];
    ngx_uint_t   i, n;

    n = run(pool, in, 0, whole);

    fuzz_ok(run(pool, in, 1, parts) == n);

    for (i = 0; i < n; i++) {
        fuzz_ok(parts[i].rc == whole[i].rc);
        fuzz_ok(parts[i].at == whole[i].at);
        fuzz_ok(parts[i].size == whole[i].size);

        /* which of two faults is found first is up to the buffer */

        if (whole[i].rc != NGX_ERROR) {
            fuzz_ok(parts[i].error == whole[i].error);
            fuzz_ok(parts[i].sum == whole[i].sum);
        }
    }
}
