
/*
 * What a MESSAGE or an INFO says, as both dialects read it: text in its several
 * forms, a subject, a language, a time, and that somebody types.
 */


#include "fuzz.h"
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_fed_text.h"
#include "ngx_sip_ocs.h"


#define HEADER_MAX  8192
#define BODY_MAX    32768
#define NOW         1767225600


typedef ngx_int_t (*read_pt)(ngx_sip_ctx_t *ctx, ngx_sip_msg_t *msg,
    ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal);


static ngx_time_t         now = { NOW, 0, 0 };
volatile ngx_time_t      *ngx_cached_time = &now;

static ngx_sip_msg_t      msg;
static ngx_fed_domain_t   domains[] = {
    { .chatstates = NGX_FED_CHATSTATES_OFF },
    { .chatstates = NGX_FED_CHATSTATES_ON, .receipts = 1 }
};


/* threads and receipts are notes in the zone */

ngx_int_t
ngx_sip_thread_read(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_str_t *call_id)
{
    ev->thread = *call_id;
    return NGX_OK;
}


ngx_int_t
ngx_sip_receipt_read(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev, ngx_str_t *body,
    ngx_sip_refusal_t *refusal)
{
    ev->kind = NGX_FED_RECEIPT;
    return NGX_OK;
}


void
ngx_sip_receipt_asked(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_sip_cpim_t *cpim)
{
}


u_char *
ngx_pstrdup(ngx_pool_t *pool, ngx_str_t *src)
{
    u_char  *dst;

    dst = ngx_pnalloc(pool, src->len);

    if (dst && src->len) {
        ngx_memcpy(dst, src->data, src->len);
    }

    return dst;
}


time_t
ngx_parse_http_time(u_char *value, size_t len)
{
    char       text[64], *end;
    struct tm  tm;

    if (len >= sizeof(text)) {
        return NGX_ERROR;
    }

    ngx_memcpy(text, value, len);
    text[len] = '\0';

    ngx_memzero(&tm, sizeof(struct tm));

    end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);

    if (end == NULL || tm.tm_year < 70 || tm.tm_year > 9999 - 1900) {
        return NGX_ERROR;
    }

    return timegm(&tm);
}


/* of a time, whose conversions those of printf() are */

u_char *
ngx_snprintf(u_char *buf, size_t max, const char *fmt, ...)
{
    int      n;
    char     text[64];
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    fuzz_ok(n > 0 && (size_t) n <= max && (size_t) n < sizeof(text));

    return ngx_cpymem(buf, text, n);
}


/* the message of an input, which is parsed in place; 0 if it is none */

static ngx_uint_t
parse(ngx_str_t *in)
{
    ngx_sip_parser_t  sp;

    ngx_memzero(&sp, sizeof(ngx_sip_parser_t));

    return in->len
           && ngx_sip_parse(&sp, &msg, in->data, in->data + in->len,
                            HEADER_MAX, BODY_MAX)
              == NGX_OK
           && ngx_sip_check(&msg) == NGX_OK;
}


static void
begin(ngx_pool_t *pool, ngx_fed_event_t *ev, ngx_sip_refusal_t *refusal)
{
    ngx_memzero(ev, sizeof(ngx_fed_event_t));
    ngx_memzero(refusal, sizeof(ngx_sip_refusal_t));

    ev->pool = pool;
    ev->from_domain = &domains[fuzz_random(2)];
}


static ngx_uint_t
is_text(ngx_str_t *s)
{
    return s->len == 0
           || (ngx_fed_text_valid(s->data, s->len)
               && memchr(s->data, CR, s->len) == NULL);
}


static void
check_refusal(ngx_sip_refusal_t *refusal)
{
    size_t  len;

    fuzz_ok(refusal->status >= 400 && refusal->status <= 699);

    len = refusal->headers.len;

    fuzz_ok(len == 0
            || (len > 2 && refusal->headers.data[len - 2] == CR
                && refusal->headers.data[len - 1] == LF));
    fuzz_ok(refusal->status != 415 || len > 0);
}


static void
check_event(ngx_fed_event_t *ev)
{
    fuzz_ok(ev->id.len == 0 || fuzz_is_line(&ev->id));

    if (ev->kind == NGX_FED_COMPOSING) {
        fuzz_ok(ev->from_domain->chatstates != NGX_FED_CHATSTATES_OFF);
        fuzz_ok(ev->chat_state == NGX_FED_CHAT_COMPOSING
                || ev->chat_state == NGX_FED_CHAT_PAUSED);
        fuzz_ok(ev->refresh > 0);
        return;
    }

    if (ev->kind == NGX_FED_RECEIPT) {
        fuzz_ok(ev->from_domain->receipts);
        return;
    }

    fuzz_ok(ev->kind == NGX_FED_MESSAGE);
    fuzz_ok(ev->body.len > 0 && ev->body.len <= msg.body.len);
    fuzz_ok(is_text(&ev->body));
    fuzz_ok(is_text(&ev->subject) && fuzz_is_line(&ev->subject));
    fuzz_ok(ngx_sip_language_prefix(&ev->lang) == ev->lang.len);
    fuzz_ok(ev->stamp.len == 0
            || ngx_fed_text_time(&ev->stamp) != (time_t) NGX_ERROR);
}


static void
read_message(ngx_pool_t *pool, ngx_str_t *in, read_pt read)
{
    ngx_int_t          rc;
    ngx_str_t          copy;
    ngx_fed_event_t    ev;
    ngx_sip_refusal_t  refusal;

    /* the text is changed where it lies */

    copy = fuzz_copy(pool, in);

    if (!parse(&copy)) {
        return;
    }

    begin(pool, &ev, &refusal);

    rc = read(NULL, &msg, &ev, &refusal);

    fuzz_ok(rc == NGX_OK || rc == NGX_DECLINED);

    if (rc == NGX_OK) {
        check_event(&ev);

    } else {
        check_refusal(&refusal);
    }
}


void
fuzz_target(ngx_pool_t *pool, ngx_str_t *in)
{
    ngx_fed_chat_state_e  state;

    read_message(pool, in, ngx_sip_simple_read);
    read_message(pool, in, ngx_sip_ocs_read);

    if (!parse(in)) {
        return;
    }

    state = ngx_sip_ocs_typing(&msg);

    fuzz_ok(state == NGX_FED_CHAT_NONE || state == NGX_FED_CHAT_COMPOSING
            || state == NGX_FED_CHAT_PAUSED);

    fuzz_ok(ngx_sip_ocs_offer(&msg) <= NGX_SIP_OCS_OTHER);
}


void
fuzz_starve(ngx_pool_t *pool, ngx_str_t *in)
{
    ngx_fed_event_t    ev;
    ngx_sip_refusal_t  refusal;

    if (!parse(in)) {
        return;
    }

    begin(pool, &ev, &refusal);

    if (fuzz_random(2)) {
        (void) ngx_sip_ocs_read(NULL, &msg, &ev, &refusal);

    } else {
        (void) ngx_sip_simple_read(NULL, &msg, &ev, &refusal);
    }
}
