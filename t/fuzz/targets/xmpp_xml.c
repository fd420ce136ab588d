
/*
 * XML streams: neither how the octets are split nor that another parser takes
 * over between two stanzas changes what is read; and the readers of stanzas.
 */


#include "fuzz.h"
#include "ngx_fed_text.h"
#include "ngx_xmpp_stream.h"


#define NAMES        262145      /* one more than another parser takes */
#define STANZA_SIZE  8192
#define DEPTH        16
#define ATTRIBUTES   16


typedef struct {
    ngx_xmpp_xml_t   xml;
    ngx_str_t        said;
    size_t           size;
    size_t           used;       /* octets */
    const char      *error;
    ngx_uint_t       restarts;

    unsigned         renew:1;
    unsigned         ended:1;
    unsigned         stop:1;
} stream_t;


static void stream_header(void *data, ngx_xmpp_element_t *root);
static void stream_element(void *data, ngx_xmpp_element_t *el);
static void stream_end(void *data);


static const ngx_xmpp_xml_ops_t  ops = {
    stream_header, stream_element, stream_end
};


static void
say(stream_t *stream, u_char *p, size_t len)
{
    while (stream->said.len + len > stream->size) {
        stream->size = stream->size ? 2 * stream->size : 1024;
        stream->said.data = realloc(stream->said.data, stream->size);
    }

    if (len) {
        ngx_memcpy(stream->said.data + stream->said.len, p, len);
        stream->said.len += len;
    }
}


static void
say_element(stream_t *stream, ngx_xmpp_element_t *el, ngx_uint_t depth)
{
    u_char               head[4];
    ngx_uint_t           i;
    ngx_xmpp_element_t  *child;

    fuzz_ok(depth <= NGX_XMPP_XML_KEEP);
    fuzz_ok(el->name.len > 0);
    fuzz_ok(fuzz_is_line(&el->name));
    fuzz_ok(ngx_fed_text_valid(el->name.data, el->name.len));
    fuzz_ok(ngx_fed_text_valid(el->text.data, el->text.len));
    fuzz_ok(el->text.len <= el->text_size || el->text.len == 0);
    fuzz_ok((el->first == NULL) == (el->last == NULL));

    head[0] = '<';
    head[1] = '0' + depth;
    head[2] = 'a' + el->ns;
    head[3] = '0' + el->prefixed;

    say(stream, head, 4);
    say(stream, el->name.data, el->name.len);

    for (i = 0; i < NGX_XMPP_ATTRS; i++) {

        if (el->attr[i].data == NULL) {
            continue;
        }

        fuzz_ok(ngx_fed_text_valid(el->attr[i].data, el->attr[i].len));

        head[1] = '0' + i;
        say(stream, head, 2);
        say(stream, el->attr[i].data, el->attr[i].len);
    }

    say(stream, (u_char *) ">", 1);
    say(stream, el->text.data, el->text.len);

    for (child = el->first; child; child = child->next) {
        say_element(stream, child, depth + 1);
        fuzz_ok(child->next != NULL || child == el->last);
    }
}


/* what is told of a stanza lies in it */

static void
read_stanza(ngx_xmpp_element_t *el)
{
    ngx_str_t             *id;
    ngx_fed_outcome_t      outcome;
    ngx_fed_chat_state_e   state;

    state = ngx_xmpp_chatstate(el);
    fuzz_ok(state <= NGX_FED_CHAT_GONE);

    id = ngx_xmpp_receipt(el);
    fuzz_ok(id == NULL || id->len > 0);

    ngx_memzero(&outcome, sizeof(ngx_fed_outcome_t));
    ngx_xmpp_stanza_condition(el, &outcome);

    fuzz_ok(outcome.condition != NGX_FED_NO_CONDITION);
    fuzz_ok(ngx_fed_text_valid(outcome.text.data, outcome.text.len));
    fuzz_ok(ngx_fed_text_valid(outcome.address.data, outcome.address.len));
}


/* ids are of no account here */

u_char *
ngx_fed_id_text(ngx_fed_conf_t *fcf, u_char *dst, uint64_t seq)
{
    ngx_memset(dst, 'i', NGX_FED_ID_LEN);
    return dst + NGX_FED_ID_LEN;
}


/* a message made of the stanza is one element, and well-formed */

static void
write_message(ngx_xmpp_element_t *el)
{
    size_t               size;
    ngx_str_t            text;
    ngx_fed_event_t      ev;
    ngx_xmpp_item_t      item;
    ngx_fed_domain_t     domain;
    ngx_xmpp_element_t  *child;

    ngx_memzero(&ev, sizeof(ngx_fed_event_t));
    ngx_memzero(&item, sizeof(ngx_xmpp_item_t));
    ngx_memzero(&domain, sizeof(ngx_fed_domain_t));

    ev.from_domain = &domain;
    ev.type = fuzz_random(2) ? NGX_FED_CHAT : NGX_FED_HEADLINE;
    ev.confirm = fuzz_random(2);
    ev.lang = el->attr[NGX_XMPP_LANG];
    ev.thread = el->attr[NGX_XMPP_ID];
    ev.body = el->text;
    ev.stamp = el->attr[NGX_XMPP_STAMP];

    for (child = el->first; child; child = child->next) {
        ev.subject = child->text;
    }

    size = ngx_xmpp_message_size(&ev, &el->attr[NGX_XMPP_FROM],
                                 &el->attr[NGX_XMPP_TO]);
    text.data = malloc(size);
    text.len = ngx_xmpp_message_write(text.data, &ev, &el->attr[NGX_XMPP_FROM],
                                      &el->attr[NGX_XMPP_TO], &item)
               - text.data;

    fuzz_ok(text.len <= size);
    fuzz_ok(fuzz_is_xml(&text));

    free(text.data);
}


static void
stream_header(void *data, ngx_xmpp_element_t *root)
{
    say_element(data, root, 0);
}


static void
stream_element(void *data, ngx_xmpp_element_t *el)
{
    stream_t  *stream;

    stream = data;

    fuzz_ok(!stream->ended);
    fuzz_ok(el != NULL);

    say_element(stream, el, 1);

    read_stanza(el);
    write_message(el);

    if (ngx_xmpp_is(el, NGX_XMPP_NS_TLS, "proceed")
        || ngx_xmpp_is(el, NGX_XMPP_NS_SASL, "success"))
    {
        stream->stop = 1;
        ngx_xmpp_xml_stop(&stream->xml);
    }

    if (stream->renew) {
        stream->xml.names = NAMES;
    }
}


static void
stream_end(void *data)
{
    stream_t  *stream;

    stream = data;
    stream->ended = 1;

    say(stream, (u_char *) "</>", 3);

    ngx_xmpp_xml_stop(&stream->xml);
}


/* a stream and those that follow when it is restarted, for TLS or SASL */

static void
run(ngx_str_t *in, ngx_uint_t split, stream_t *stream)
{
    u_char     *copy;
    size_t      pos, len;
    ngx_int_t   rc;

    stream->xml.ops = &ops;
    stream->xml.data = stream;
    stream->xml.stanza_size = STANZA_SIZE;
    stream->xml.max_depth = DEPTH;
    stream->xml.max_attributes = ATTRIBUTES;

    fuzz_ok(ngx_xmpp_xml_init(&stream->xml) == NGX_OK);

    pos = 0;

    while (pos < in->len) {
        len = split ? fuzz_split(in->len) : in->len;
        len = ngx_min(len, in->len - pos);

        copy = malloc(len);
        ngx_memcpy(copy, in->data + pos, len);

        rc = ngx_xmpp_xml_parse(&stream->xml, copy, len);

        free(copy);

        if (rc == NGX_OK) {
            pos += len;
            continue;
        }

        if (rc == NGX_ERROR) {
            fuzz_ok(stream->xml.error != NULL);
            stream->error = stream->xml.error;
            break;
        }

        fuzz_ok(rc == NGX_DONE && (stream->stop || stream->ended));
        fuzz_ok(stream->xml.used > 0 && stream->xml.used <= len);

        pos += stream->xml.used;

        if (stream->ended) {
            break;
        }

        stream->stop = 0;
        stream->restarts++;

        fuzz_ok(ngx_xmpp_xml_init(&stream->xml) == NGX_OK);
    }

    stream->used = pos;

    ngx_xmpp_xml_done(&stream->xml);
}


static void
compare(stream_t *a, stream_t *b)
{
    size_t  len;

    fuzz_ok((a->error == NULL) == (b->error == NULL));

    /* which of two faults is found first is up to how it was split */

    if (a->error == NULL) {
        fuzz_ok(a->said.len == b->said.len);
        fuzz_ok(a->used == b->used);
        fuzz_ok(a->restarts == b->restarts);
    }

    len = ngx_min(a->said.len, b->said.len);

    fuzz_ok(len == 0 || memcmp(a->said.data, b->said.data, len) == 0);
}


void
fuzz_target(ngx_pool_t *pool, ngx_str_t *in)
{
    stream_t  whole, parts, renewed;

    ngx_memzero(&whole, sizeof(stream_t));
    ngx_memzero(&parts, sizeof(stream_t));
    ngx_memzero(&renewed, sizeof(stream_t));

    renewed.renew = 1;

    run(in, 0, &whole);
    run(in, 1, &parts);
    run(in, fuzz_random(2), &renewed);

    compare(&whole, &parts);
    compare(&whole, &renewed);

    free(whole.said.data);
    free(parts.said.data);
    free(renewed.said.data);
}
