
/*
 * Stream management: what a peer says of it, in any order, on streams of its
 * own and of ours, while stanzas go, links break, and streams are taken up.
 */


#include "fuzz.h"
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_fed.h"
#include "ngx_fed_text.h"
#include "ngx_xmpp_stream.h"


#define STREAMS  4
#define ITEMS    64


typedef struct {
    ngx_xmpp_stream_t    stream;     /* NULL link: none */
    ngx_fed_link_t       link;
    ngx_xmpp_pair_t      pair;
    ngx_uint_t           error;
} end_t;


static ngx_xmpp_t         xmpp;
static ngx_fed_conf_t     conf;
static ngx_log_t          nolog;
static ngx_xmpp_remote_t  remote;
static ngx_xmpp_route_t   route;
static end_t             *in[STREAMS], *out;
static ngx_uint_t         parsing, fail, ids, streams;
static ngx_int_t          counted;

static ngx_xmpp_sm_item_t  *items[ITEMS];
static ngx_uint_t           nitems;


/* what nginx has */

sig_atomic_t            ngx_terminate;
ngx_uint_t              ngx_exiting;
volatile ngx_msec_t     ngx_current_msec;
ngx_rbtree_t            ngx_event_timer_rbtree;
ngx_queue_t             ngx_posted_events;


void
ngx_rbtree_insert(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
}


void
ngx_rbtree_delete(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
}


void *
ngx_calloc(size_t size, ngx_log_t *log)
{
    return calloc(1, size);
}


/* what the rest of the module has */

ngx_uint_t
ngx_fed_quiet_level(ngx_fed_conf_t *fcf, ngx_fed_quiet_e what, ngx_str_t *name,
    ngx_uint_t level)
{
    return level;
}


void
ngx_fed_zone_stream_closed(ngx_fed_conf_t *fcf, ngx_str_t *remote,
    ngx_str_t *local, ngx_uint_t broken)
{
    fuzz_ok(counted > 0);
    counted--;
}


void
ngx_xmpp_random_hex(ngx_xmpp_t *xmpp, u_char *dst, size_t len)
{
    ngx_memset(dst, '0' + ids++ % 10, len);
}


ngx_xmpp_pair_t *
ngx_xmpp_pair(ngx_xmpp_stream_t *stream, ngx_str_t *remote, ngx_str_t *local)
{
    return stream->npairs ? ngx_queue_data(ngx_queue_head(&stream->pairs),
                                           ngx_xmpp_pair_t, queue)
                          : NULL;
}


ngx_uint_t
ngx_xmpp_barrier_waits(ngx_xmpp_t *xmpp, uint64_t seq)
{
    return seq & 1;
}


ngx_uint_t
ngx_xmpp_barrier_pending(ngx_xmpp_route_t *route)
{
    return 0;
}


void
ngx_xmpp_barrier_lost(ngx_xmpp_route_t *route, ngx_uint_t generation)
{
}


void
ngx_xmpp_out_again(ngx_xmpp_t *xmpp, ngx_str_t *local, ngx_str_t *remote,
    ngx_str_t *stanza)
{
    fuzz_ok(stanza->len && stanza->data[0] == '<'
            && stanza->data[stanza->len - 1] == '>');
}


static end_t *
end_of(ngx_xmpp_stream_t *stream)
{
    return (end_t *) ((u_char *) stream - offsetof(end_t, stream));
}


/* as closed() of either leg, which is put off while the peer is read */

static void
closed(end_t *end)
{
    ngx_uint_t          i;
    ngx_xmpp_stream_t  *stream;

    stream = &end->stream;

    if (parsing) {
        stream->gone = 1;
        return;
    }

    end->link.closed = 1;

    if (stream->role == NGX_XMPP_OUTBOUND) {
        stream->resuming = 0;
    }

    (void) ngx_xmpp_sm_suspend(stream);

    if (stream->nproven && end->pair.proven) {
        ngx_fed_zone_stream_closed(&conf, NULL, NULL, 1);
    }

    ngx_queue_init(&stream->pairs);
    stream->npairs = 0;
    stream->nproven = 0;

    ngx_xmpp_sm_done(stream);

    for (i = 0; i < STREAMS; i++) {
        if (in[i] == end) {
            in[i] = NULL;
        }
    }

    if (out == end) {
        out = NULL;
        route.stream = NULL;
        route.generation++;
    }

    streams--;
    free(end);
}


void
ngx_fed_link_close(ngx_fed_link_t *link, const char *reason)
{
    if (!link->closed) {
        link->closed = 1;
        closed(link->data);
    }
}


void
ngx_fed_link_busy(ngx_fed_link_t *link, ngx_uint_t busy)
{
}


/* what is written may be too much for a peer that does not read */

static ngx_int_t
written(ngx_fed_link_t *link)
{
    if (link->closed) {
        return NGX_ERROR;
    }

    if (fail && --fail == 0) {
        ngx_fed_link_close(link, "the peer does not read");
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_fed_link_write(ngx_fed_link_t *link, u_char *p, size_t len)
{
    fuzz_ok(len && p[0] == '<' && p[len - 1] == '>');

    return written(link);
}


/* no number that we tell is of a stanza whose outcome is open */

static void
check_count(ngx_xmpp_stream_t *stream, ngx_str_t *text)
{
    uint32_t        h;
    ngx_uint_t      i;
    const char     *p;
    ngx_xmpp_sm_t  *sm;

    text->data[text->len] = '\0';

    p = strstr((char *) text->data, " h='");
    sm = stream->sm ? stream->sm : remote.sm;

    if (p == NULL || sm == NULL) {
        return;
    }

    h = (uint32_t) strtoul(p + 4, NULL, 10);

    fuzz_ok(h <= sm->received);

    for (i = 0; i < nitems; i++) {
        fuzz_ok(items[i]->sm != sm || items[i]->n > h);
    }
}


ngx_int_t ngx_cdecl
ngx_xmpp_stream_write(ngx_xmpp_stream_t *stream, const char *fmt, ...)
{
    u_char      buf[4096], *p;
    va_list     args;
    ngx_str_t   text, *s;

    if (stream->link == NULL || stream->close_sent) {
        return NGX_ERROR;
    }

    p = buf;

    va_start(args, fmt);

    while (*fmt) {

        if (*fmt != '%') {
            *p++ = *fmt++;
            continue;
        }

        switch (fmt[1]) {

        case 'V':
            s = va_arg(args, ngx_str_t *);
            p = ngx_cpymem(p, s->data, s->len);
            fmt += 2;
            break;

        case 's':
            p += sprintf((char *) p, "%s", va_arg(args, char *));
            fmt += 2;
            break;

        case 'M':
            p += sprintf((char *) p, "%lu",
                         (unsigned long) va_arg(args, ngx_msec_t));
            fmt += 2;
            break;

        default:
            fuzz_ok(fmt[1] == 'u' && fmt[2] == 'D');
            p += sprintf((char *) p, "%u", va_arg(args, uint32_t));
            fmt += 3;
        }
    }

    va_end(args);

    text.data = buf;
    text.len = p - buf;

    fuzz_ok(fuzz_is_xml(&text));
    check_count(stream, &text);

    return written(stream->link);
}


void
ngx_xmpp_stream_error(ngx_xmpp_stream_t *stream, const char *condition,
    const char *reason)
{
    fuzz_ok(stream->link != NULL);

    stream->error_sent = 1;
    stream->close_sent = 1;
    end_of(stream)->error = 1;
}


void
ngx_xmpp_out_ready(ngx_xmpp_route_t *r, const char *how)
{
    ngx_xmpp_stream_t  *stream;

    stream = r->stream;

    fuzz_ok(r == &route && stream != NULL && !stream->ready);
    fuzz_ok(!stream->resuming || stream->link->closed);

    stream->ready = 1;

    ngx_xmpp_sm_ready(stream);
}


/* the peer, or we, made a stream, and it is authenticated */

static end_t *
begin(ngx_xmpp_role_e role, ngx_uint_t bidi)
{
    end_t              *end;
    ngx_xmpp_stream_t  *stream;

    end = calloc(1, sizeof(end_t));
    stream = &end->stream;

    stream->xmpp = &xmpp;
    stream->conf = &conf;
    stream->log = &nolog;
    stream->role = role;
    stream->link = &end->link;
    stream->sasl_done = 1;
    stream->bidi = bidi;
    stream->remote = fuzz_string("x.test");
    stream->local = fuzz_string("s.test");
    stream->state = NGX_XMPP_OPEN;

    end->link.log = &nolog;
    end->link.data = end;

    ngx_queue_init(&stream->pairs);
    ngx_queue_init(&stream->routes);

    streams++;

    if (role == NGX_XMPP_INBOUND || bidi) {
        ngx_queue_insert_tail(&stream->pairs, &end->pair.queue);
        end->pair.proven = 1;
        stream->npairs = 1;
        stream->nproven = 1;
        counted++;
    }

    if (role == NGX_XMPP_OUTBOUND) {
        out = end;
        stream->peer = &remote;
        stream->primary = &route;
        stream->sm_offered = 1;
        route.stream = stream;
        ngx_queue_insert_tail(&stream->routes, &route.member);

        parsing = 1;

        if (!ngx_xmpp_sm_begin(stream)) {
            ngx_xmpp_out_ready(&route, "certificate");
        }

        parsing = 0;
    }

    return end;
}


/* name="value" name="value" ... */

static void
element(ngx_xmpp_element_t *el, ngx_str_t *attrs, ngx_str_t *line)
{
    size_t      i;
    ngx_str_t   word, name;

    static const char  *names[NGX_XMPP_ATTRS] = {
        [NGX_XMPP_ID] = "id", [NGX_XMPP_H] = "h",
        [NGX_XMPP_PREVID] = "previd", [NGX_XMPP_RESUME] = "resume",
        [NGX_XMPP_MAX] = "max"
    };

    ngx_memzero(el, sizeof(ngx_xmpp_element_t));
    ngx_memzero(attrs, NGX_XMPP_ATTRS * sizeof(ngx_str_t));

    el->ns = NGX_XMPP_NS_SM;
    el->name = fuzz_take(line, ' ');
    el->attr = attrs;

    while (line->len) {
        word = fuzz_take(line, ' ');
        name = fuzz_take(&word, '=');

        for (i = 0; i < NGX_XMPP_ATTRS; i++) {
            if (names[i] && name.len == strlen(names[i])
                && memcmp(name.data, names[i], name.len) == 0)
            {
                attrs[i] = word;
            }
        }
    }
}


static void
check(void)
{
    size_t                size;
    uint32_t              n;
    ngx_uint_t            suspended;
    ngx_queue_t          *q, *c;
    ngx_xmpp_sm_t        *sm;

    suspended = 0;

    for (q = ngx_queue_head(&xmpp.sms);
         q != ngx_queue_sentinel(&xmpp.sms);
         q = ngx_queue_next(q))
    {
        sm = ngx_queue_data(q, ngx_xmpp_sm_t, queue);
        suspended += sm->suspended;

        n = 0;

        for (c = ngx_queue_head(&sm->copies);
             c != ngx_queue_sentinel(&sm->copies);
             c = ngx_queue_next(c))
        {
            n++;
        }

        size = sm->size;

        fuzz_ok(n <= sm->sent - sm->acked);
        fuzz_ok(size <= conf.output_size && (n > 0) == (size > 0));
        fuzz_ok(sm->stream == NULL || sm->stream->sm == sm);
        fuzz_ok(sm->stream != NULL || sm->suspended);
        fuzz_ok(!sm->suspended || sm->stream || sm->timer.timer_set);
        fuzz_ok(remote.sm != sm || (sm->suspended && sm->outbound));
    }

    fuzz_ok(suspended == xmpp.nsuspended);
    fuzz_ok(suspended <= 64);
}


static void
posted(void)
{
    ngx_queue_t  *q;
    ngx_event_t  *ev;

    while (!ngx_queue_empty(&ngx_posted_events)) {
        q = ngx_queue_head(&ngx_posted_events);
        ev = ngx_queue_data(q, ngx_event_t, queue);

        ngx_delete_posted_event(ev);
        ev->handler(ev);
    }
}


/* the time of a stream that nobody took up has passed */

static void
timeout(void)
{
    ngx_queue_t    *q;
    ngx_xmpp_sm_t  *sm;

    for (q = ngx_queue_head(&xmpp.sms);
         q != ngx_queue_sentinel(&xmpp.sms);
         q = ngx_queue_next(q))
    {
        sm = ngx_queue_data(q, ngx_xmpp_sm_t, queue);

        if (sm->timer.timer_set) {
            sm->timer.timer_set = 0;
            sm->timer.handler(&sm->timer);
            return;
        }
    }
}


static void
settle(ngx_uint_t n)
{
    ngx_xmpp_sm_item_t  *item;

    if (nitems == 0) {
        return;
    }

    n %= nitems;
    item = items[n];

    nitems--;
    ngx_memmove(&items[n], &items[n + 1],
                (nitems - n) * sizeof(ngx_xmpp_sm_item_t *));

    ngx_xmpp_sm_settled(item);
    free(item);
}


static void
received(end_t *end, ngx_uint_t open)
{
    ngx_xmpp_sm_item_t  *item;

    parsing = 1;

    if (!end->stream.error_sent && end->stream.nproven
        && ngx_xmpp_sm_received(&end->stream) == NGX_OK && open
        && nitems < ITEMS)
    {
        item = calloc(1, sizeof(ngx_xmpp_sm_item_t));
        items[nitems++] = item;
        ngx_xmpp_sm_open(&end->stream, item);
    }

    parsing = 0;
}


static void
sent(end_t *end, ngx_uint_t seq)
{
    u_char  text[300];
    size_t  len;

    if (!end->stream.ready && end->stream.role == NGX_XMPP_OUTBOUND) {
        return;
    }

    len = 2 + seq % 297;

    ngx_memset(text, 'x', len);
    text[0] = '<';
    text[len - 1] = '>';

    ngx_xmpp_sm_sent(&end->stream, text, len,
                     seq % 4 == 3 ? NGX_XMPP_SM_AGAIN : seq % 4 ? seq : 0);

    if (seq % 4 == 1) {
        ngx_xmpp_sm_pinged(&end->stream);
    }
}


static void
read_element(end_t *end, ngx_str_t *line)
{
    ngx_str_t           attrs[NGX_XMPP_ATTRS];
    ngx_xmpp_element_t  el;

    if (end->stream.error_sent) {
        return;
    }

    element(&el, attrs, line);

    parsing = 1;

    if (end->stream.role == NGX_XMPP_INBOUND) {
        ngx_xmpp_sm_in(&end->stream, &el);

    } else {
        ngx_xmpp_sm_out(&end->stream, &el);
    }

    parsing = 0;
}


/* closes what was to be closed in the meantime */

static void
sweep(void)
{
    ngx_uint_t  i;

    for (i = 0; i < STREAMS; i++) {
        if (in[i] && (in[i]->stream.gone || in[i]->error)) {
            closed(in[i]);
        }
    }

    if (out && (out->stream.gone || out->error)) {
        closed(out);
    }
}


static void
act(ngx_str_t *line)
{
    u_char       ch;
    end_t       *end, **slot;
    ngx_uint_t   n;

    if (line->len < 2) {
        return;
    }

    /* which stream, and what */

    slot = (line->data[0] == 'o') ? &out : &in[line->data[0] % STREAMS];
    end = *slot;
    ch = line->data[1];

    line->data += 2;
    line->len -= 2;
    n = line->len ? line->data[0] : 0;

    switch (ch) {

    case '+':
    case '*':
        if (end == NULL) {
            if (slot == &out) {
                (void) begin(NGX_XMPP_OUTBOUND, ch == '*');

            } else {
                *slot = begin(NGX_XMPP_INBOUND, ch == '*');
            }
        }

        break;

    case '-':
        if (end) {
            ngx_fed_link_close(&end->link, "reset");
        }

        break;

    case '/':
        if (end) {
            end->stream.close_received = 1;
            ngx_fed_link_close(&end->link, "closed");
        }

        break;

    case 'm':
    case 'M':
        if (end) {
            received(end, ch == 'M');
        }

        break;

    case 's':
        if (end) {
            sent(end, n);
        }

        break;

    case 'd':
        settle(n);
        break;

    case 't':
        timeout();
        break;

    case 'p':
        posted();
        break;

    case '!':
        fail = 1 + n % 4;
        break;

    case ' ':
        if (end) {
            read_element(end, line);
        }

        break;
    }

    sweep();
    check();
}


void
fuzz_target(ngx_pool_t *pool, ngx_str_t *in_text)
{
    ngx_str_t    line;
    ngx_uint_t   i;

    ngx_memzero(&xmpp, sizeof(ngx_xmpp_t));
    ngx_memzero(&conf, sizeof(ngx_fed_conf_t));
    ngx_memzero(&remote, sizeof(ngx_xmpp_remote_t));
    ngx_memzero(&route, sizeof(ngx_xmpp_route_t));

    conf.stream_management = 1;
    conf.stream_resume = 60000;
    conf.confirm_timeout = 20000;
    conf.output_size = 1024;

    xmpp.conf = &conf;
    xmpp.log = &nolog;
    remote.xmpp = &xmpp;
    route.remote = &remote;

    ngx_queue_init(&xmpp.sms);
    ngx_queue_init(&xmpp.streams);
    ngx_queue_init(&ngx_posted_events);

    parsing = 0;
    fail = 0;
    ids = 0;
    counted = 0;
    streams = 0;

    while (in_text->len) {
        line = fuzz_take(in_text, LF);
        act(&line);
    }

    fail = 0;

    for (i = 0; i < STREAMS; i++) {
        if (in[i]) {
            ngx_fed_link_close(&in[i]->link, "the end");
        }
    }

    if (out) {
        ngx_fed_link_close(&out->link, "the end");
    }

    check();

    while (xmpp.nsuspended) {
        timeout();
    }

    while (nitems) {
        settle(0);
    }

    fuzz_ok(streams == 0 && counted == 0);
    fuzz_ok(ngx_queue_empty(&xmpp.sms));
    fuzz_ok(ngx_queue_empty(&ngx_posted_events));
}
