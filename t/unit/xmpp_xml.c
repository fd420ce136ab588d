
/*
 * Tests of ngx_xmpp_xml.c beneath the streams: how much was taken when the
 * parser is stopped (RFC 6120, 4.3.3), encodings (11.6), and what a peer may
 * make it do (SEC).
 */


#include "unit.h"
#include "ngx_xmpp_xml.h"


#define HEADER  "<stream:stream xmlns='jabber:server'"                        \
                " xmlns:stream='http://etherx.jabber.org/streams'>"
#define SIZE    262144
#define NAMES   262145         /* one more than another parser takes */


static ngx_xmpp_xml_t  xml;
static ngx_uint_t      elements;
static ngx_uint_t      renew;


static void
on_header(void *data, ngx_xmpp_element_t *root)
{
}


static void
on_element(void *data, ngx_xmpp_element_t *el)
{
    elements++;

    if (ngx_xmpp_equal(&el->name, "stop")) {
        ngx_xmpp_xml_stop(&xml);
    }

    if (renew) {
        xml.names = NAMES;
    }
}


static void
on_end(void *data)
{
    ngx_xmpp_xml_stop(&xml);
}


static const ngx_xmpp_xml_ops_t  ops = { on_header, on_element, on_end };


static void
start(void)
{
    xml.ops = &ops;
    xml.stanza_size = SIZE;
    xml.max_depth = 16;
    xml.max_attributes = 16;

    elements = 0;

    unit_ok(ngx_xmpp_xml_init(&xml) == NGX_OK, "begun");
}


static ngx_int_t
feed(const char *text, size_t piece)
{
    size_t      n;
    u_char     *copy;
    ngx_int_t   rc;
    ngx_str_t   s;

    s = unit_string(text);
    rc = NGX_OK;

    while (s.len && rc == NGX_OK) {
        n = ngx_min(s.len, piece);

        copy = malloc(n);
        memcpy(copy, s.data, n);

        rc = ngx_xmpp_xml_parse(&xml, copy, n);

        free(copy);

        s.data += n;
        s.len -= n;
    }

    return rc;
}


static void
test_stop(void)
{
    size_t       i;
    const char  *text;

    text = HEADER "<a/> <b><c/></b><stop/><d/>";

    for (i = 0; i < 2; i++) {
        renew = i;
        start();

        unit_ok(feed(text, SIZE) == NGX_DONE, "stopped");
        unit_ok(xml.used == strlen(text) - strlen("<d/>"),
                "taken so far%s", renew ? ", by other parsers, too" : "");
        unit_ok(elements == 3, "all before it");
    }

    renew = 0;
}


static void
test_encoding(void)
{
    start();

    unit_ok(ngx_xmpp_xml_parse(&xml, (u_char *) "<\0s\0", 4) == NGX_ERROR
            && strcmp(xml.error, "unsupported-encoding") == 0, "UTF-16");

    start();

    unit_ok(ngx_xmpp_xml_parse(&xml, (u_char *) "\xff\xfe", 2) == NGX_ERROR
            && strcmp(xml.error, "unsupported-encoding") == 0, "a BOM of it");

    start();

    (void) ngx_xmpp_xml_parse(&xml, (u_char *) "<a", 2);

    unit_ok(ngx_xmpp_xml_parse(&xml, (u_char *) "bc\0", 3) == NGX_ERROR
            && strcmp(xml.error, "not-well-formed") == 0,
            "NUL behind the first four octets");
}


/* "head", n octets, "tail" */

static char *
text_of(const char *head, size_t n, const char *tail)
{
    char  *s;

    s = malloc(strlen(head) + n + strlen(tail) + 1);

    strcpy(s, head);
    memset(s + strlen(head), 'x', n);
    strcpy(s + strlen(head) + n, tail);

    return s;
}


/* a parser looks at what is no whole token from its start each time */

static void
test_pieces(void)
{
    char  *s;

    static const struct {
        const char   *what;
        const char   *head;
        const char   *tail;
        size_t        n;
        size_t        piece;
        const char   *error;
    } cases[] = {
        { "a long text, octet by octet", "<a><b>", "</b></a>", 200000, 1,
          NULL },
        { "a start tag, octet by octet", "<a b='", "'/>", 3000, 1, NULL },
        { "a long start tag in segments", "<a b='", "'/>", 200000, 1400,
          NULL },
        { "a long start tag, octet by octet", "<a b='", "'/>", 200000, 1,
          "policy-violation" },
        { "a long comment, octet by octet", "<!--", "-->", 200000, 1,
          "policy-violation" },
        { "a stanza of many start tags, octet by octet",
          "<a><b c='1'><d/></b><b c='1'><d/></b><b c='1'><d/></b>", "</a>",
          100000, 1, NULL }
    };

    ngx_uint_t  i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        start();
        (void) feed(HEADER, SIZE);

        s = text_of(cases[i].head, cases[i].n, cases[i].tail);

        if (cases[i].error) {
            unit_ok(feed(s, cases[i].piece) == NGX_ERROR
                    && strcmp(xml.error, cases[i].error) == 0,
                    "%s", cases[i].what);

        } else {
            unit_ok(feed(s, cases[i].piece) == NGX_OK && elements == 1,
                    "%s", cases[i].what);
        }

        free(s);
    }

    /* a stanza begins anew */

    start();
    (void) feed(HEADER, SIZE);

    s = text_of("<a b='", 5000, "'/>");

    for (i = 0; i < 4; i++) {
        unit_ok(feed(s, 1) == NGX_OK && elements == i + 1, "one of several");
    }

    free(s);
}


int
main(int argc, char **argv)
{
    test_stop();
    test_encoding();
    test_pieces();

    ngx_xmpp_xml_done(&xml);

    return unit_done();
}
