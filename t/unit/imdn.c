
/*
 * Tests of ngx_sip_imdn.c, ngx_sip_iscomposing.c and ngx_sip_xml.c: what RCP
 * and CST say of documents, SEC-12.
 */


#include "unit.h"
#include "ngx_sip_imdn.h"
#include "ngx_sip_iscomposing.h"


#define SIZE      8192

#define IMDN(inner)                                                           \
    "<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\">" inner "</imdn>"
#define ID        "<message-id>m1</message-id>"
#define DELIVERY(inner)                                                       \
    "<delivery-notification><status>" inner "</status></delivery-notification>"
#define DISPLAY(inner)                                                        \
    "<display-notification><status>" inner "</status></display-notification>"

#define COMPOSING(inner)                                                      \
    "<isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\">" inner     \
    "</isComposing>"
#define ACTIVE    "<state>active</state>"


typedef struct {
    const char   *rule;
    const char   *input;
    const char   *output;     /* id and status, or state and refresh */
} doc_case_t;


static const char  *statuses[] = {
    "other", "delivered", "displayed", "failed", "error"
};


static doc_case_t  imdns[] = {
    { "RCP-03", IMDN(ID DELIVERY("<delivered/>")), "m1 delivered" },
    { "RCP-03", "<?xml version=\"1.0\"?>\r\n<!-- c -->\r\n<i:imdn"
      " xmlns:i=\"urn:ietf:params:xml:ns:imdn\"><i:message-id> m1\n"
      "</i:message-id><i:delivery-notification><i:status><i:delivered/>"
      "</i:status></i:delivery-notification></i:imdn>", "m1 delivered" },
    { "RCP-03", IMDN(DELIVERY("<delivered/>") ID), "m1 delivered" },
    { "RCP-03", IMDN("<message-id>a&lt;&#x41;&amp;</message-id>"
      DELIVERY("<delivered/>")), "a<A& delivered" },
    { "RCP-05", IMDN(ID DISPLAY("<displayed/>")), "m1 displayed" },
    { "RCP-06", IMDN(ID DELIVERY("<failed/>")), "m1 failed" },
    { "RCP-06", IMDN(ID DELIVERY("<error/>")), "m1 error" },
    { "RFC 5438, 11.1.9", IMDN(ID DELIVERY("<forbidden/>")), "m1 other" },
    { "RFC 5438, 11.1.9", IMDN(ID DELIVERY("<displayed/>")), "m1 other" },
    { "RFC 5438, 11.1.9", IMDN(ID DISPLAY("<delivered/>")), "m1 other" },
    { "RFC 5438, 11.1.9", IMDN(ID DISPLAY("<error/>")), "m1 other" },
    { "RFC 5438, 11.1.9", IMDN(ID "<processing-notification><status><stored/>"
      "</status></processing-notification>"), "m1 other" },
    { "RFC 5438, 11.1.9", IMDN(ID "<delivery-notification><delivered/>"
      "</delivery-notification>"), "m1 other" },
    { "RFC 5438, 11.1.9", IMDN(ID), "m1 other" },
    { "RFC 5438, 11.1.9", IMDN(ID "<x><y><delivered/></y></x>"
      "<delivery-notification/>"), "m1 other" },
    { "RFC 5438, 11.1.9", IMDN(ID DELIVERY("<delivered xmlns=\"a:b\"/>")),
      "m1 other" },
    { "RFC 5438, 11.1.9", IMDN(DELIVERY("<delivered/>")), "abort" },
    { "RFC 5438, 11.1.9", IMDN("<message-id/>"), "abort" },
    { "RFC 5438, 11.1.9", "<imdn>" ID "</imdn>", "abort" },
    { "SEC-12", "<!DOCTYPE imdn>" IMDN(ID), "abort" },
    { "SEC-12", "<?a b?>" IMDN(ID), "abort" },
    { "SEC-12", IMDN(ID "<x>&a;</x>"), "abort" },
    { "SEC-12", "", "abort" }
};


static doc_case_t  states[] = {
    { "CST-05", COMPOSING(ACTIVE), "active 0" },
    { "CST-05", COMPOSING("<state>\n active\t</state>"), "active 0" },
    { "CST-08", COMPOSING(ACTIVE "<contenttype>text/plain</contenttype>"
      "<refresh>60</refresh>"), "active 60" },
    { "CST-08", COMPOSING(ACTIVE "<refresh>-1</refresh>"), "active 0" },
    { "CST-08", COMPOSING(ACTIVE "<refresh>99999999999</refresh>"),
      "active 0" },
    { "CST-06", COMPOSING("<state>idle</state>"
      "<lastactive>2026-11-25T10:00:00Z</lastactive>"), "idle 0" },
    { "CST-07", COMPOSING("<state>typing</state>"), "idle 0" },
    { "CST-07", COMPOSING("<state>Active</state>"), "idle 0" },
    { "CST-07", COMPOSING("<state/>"), "idle 0" },
    { "CST-07", COMPOSING(ACTIVE "<x xmlns=\"a:b\" a=\"b\"><state>idle</state>"
      "</x>"), "active 0" },
    { "CST-07", COMPOSING("<state><x/>active</state>"), "idle 0" },
    { "CST-15", COMPOSING(""), "abort" },
    { "CST-15", COMPOSING("<state xmlns=\"a:b\">active</state>"), "abort" },
    { "CST-15", "<isComposing>" ACTIVE "</isComposing>", "abort" },
    { "CST-15", IMDN(ACTIVE), "abort" },
    { "CST-15", "active", "abort" },
    { "CST-15", COMPOSING(ACTIVE) "x", "abort" },
    { "CST-15", "<!DOCTYPE a [<!ENTITY a \"active\">]>"
      COMPOSING("<state>&a;</state>"), "abort" },
    { "CST-15", COMPOSING(ACTIVE "<?a b?>"), "abort" },
    { "CST-15", COMPOSING(ACTIVE "<a><a><a><a><a><a><a><a><a><a><a><a><a><a>"
      "<a><a/></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a>"),
      "abort" },
    { "CST-15", COMPOSING("<state a='' b='' c='' d='' e='' f='' g='' h='' i=''"
      " j='' k='' l='' m='' n='' o='' p='' q=''>active</state>"), "abort" }
};


static ngx_str_t
read_imdn(ngx_str_t *body)
{
    static char      buf[SIZE];
    ngx_int_t        rc;
    ngx_pool_t      *pool;
    ngx_sip_imdn_t   imdn;

    pool = ngx_create_pool(4096, NULL);

    rc = ngx_sip_imdn_read(pool, body, &imdn);

    if (rc == NGX_OK) {
        snprintf(buf, SIZE, "%.*s %s", (int) imdn.id.len,
                 (char *) imdn.id.data, statuses[imdn.status]);

    } else {
        snprintf(buf, SIZE, "%s", rc == NGX_ABORT ? "abort" : "error");
    }

    ngx_destroy_pool(pool);

    return unit_string(buf);
}


static ngx_str_t
read_state(ngx_str_t *body)
{
    static char             buf[SIZE];
    ngx_int_t               rc;
    ngx_sip_iscomposing_t   doc;

    rc = ngx_sip_iscomposing_read(body, &doc);

    if (rc == NGX_OK) {
        snprintf(buf, SIZE, "%s %u", doc.active ? "active" : "idle",
                 (unsigned) doc.refresh);

    } else {
        snprintf(buf, SIZE, "%s", rc == NGX_ABORT ? "abort" : "error");
    }

    return unit_string(buf);
}


static void
test_cases(doc_case_t *cases, ngx_uint_t n, ngx_str_t (*read)(ngx_str_t *))
{
    ngx_str_t   s, got, expected;
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        s = unit_string(cases[i].input);
        s = unit_copy(&s);

        got = read(&s);
        expected = unit_string(cases[i].output);

        unit_is(&got, &expected, "%s: %u, %s", cases[i].rule, (unsigned) i,
                cases[i].output);

        free(s.data);
    }
}


static void
test_limits(void)
{
    ngx_str_t   s, got, expected;
    ngx_int_t   rc;

    ngx_pool_t      *pool;
    ngx_sip_imdn_t   imdn;

    s.len = SIZE + 1;
    s.data = malloc(s.len);

    memset(s.data, ' ', s.len);
    memcpy(s.data, COMPOSING(ACTIVE), sizeof(COMPOSING(ACTIVE)) - 1);

    expected = unit_string("abort");
    got = read_state(&s);
    unit_is(&got, &expected, "CST-15: too large");

    s.len = SIZE;
    expected = unit_string("active 0");
    got = read_state(&s);
    unit_is(&got, &expected, "CST-15: as large as may be");

    s.data[200] = '\0';
    expected = unit_string("abort");
    got = read_state(&s);
    unit_is(&got, &expected, "CST-15: NUL");

    free(s.data);

    pool = ngx_create_pool(4096, NULL);
    s = unit_string(IMDN(ID));

    ngx_shim_allocations = 0;
    rc = ngx_sip_imdn_read(pool, &s, &imdn);
    ngx_shim_allocations = -1;

    unit_ok(rc == NGX_ERROR, "no memory");

    ngx_destroy_pool(pool);
}


static void
test_write(void)
{
    u_char          *p;
    size_t           size;
    ngx_str_t        s, got, expected;
    ngx_sip_imdn_t   imdn;

    imdn.id = unit_string("a<&\r\x01" "b");
    imdn.date = unit_string("2026-11-25T10:00:00Z");
    imdn.recipient = unit_string("im:u@x.test;a=\"b\"");
    imdn.status = NGX_SIP_IMDN_DELIVERED;

    size = ngx_sip_imdn_size(&imdn);
    p = malloc(size);

    s.data = p;
    s.len = ngx_sip_imdn_write(p, &imdn) - p;

    expected = unit_string("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
        IMDN("<message-id>a&lt;&amp;&#13;\xef\xbf\xbd" "b</message-id>"
             "<datetime>2026-11-25T10:00:00Z</datetime>"
             "<recipient-uri>im:u@x.test;a=&quot;b&quot;</recipient-uri>"
             DELIVERY("<delivered/>")) "\r\n");

    unit_is(&s, &expected, "RCP-09: written");
    unit_ok(s.len <= size, "within its size");

    imdn.id = unit_string("m1");
    imdn.status = NGX_SIP_IMDN_FAILED;
    ngx_str_null(&imdn.recipient);

    s.len = ngx_sip_imdn_write(p, &imdn) - p;

    got = read_imdn(&s);
    expected = unit_string("m1 failed");

    unit_is(&got, &expected, "RCP-12: read again");

    free(p);

    s = ngx_sip_iscomposing_active;
    got = read_state(&s);
    expected = unit_string("active 90");
    unit_is(&got, &expected, "CST-01, CST-09: read again");

    s = ngx_sip_iscomposing_idle;
    got = read_state(&s);
    expected = unit_string("idle 0");
    unit_is(&got, &expected, "CST-02: read again");
}


static void
test_mutations(void)
{
    u_char      *buf;
    ngx_str_t    s, copy, got;
    ngx_uint_t   i, n, good;

    static const char  imdn[] = IMDN(ID DELIVERY("<delivered/>"));
    static const char  state[] = COMPOSING(ACTIVE "<refresh>60</refresh>");

    static const char  *words[] = {
        "<", ">", "</", "/>", "&", ";", "<![CDATA[", "]]>", "<!--", "<?a?>",
        "<!DOCTYPE a>", "xmlns=''", "<state>", "<status>", "\xff"
    };

    good = 0;
    buf = malloc(SIZE);
    n = unit_rounds() / 2;

    for (i = 0; i < n; i++) {
        s.data = buf;
        s.len = (i & 1) ? sizeof(imdn) - 1 : sizeof(state) - 1;
        memcpy(buf, (i & 1) ? imdn : state, s.len);

        unit_mutate(&s, SIZE, words, sizeof(words) / sizeof(words[0]));

        copy = unit_copy(&s);
        got = (i & 1) ? read_imdn(&copy) : read_state(&copy);
        good += (got.data[0] != 'a' || got.data[1] != 'b');

        free(copy.data);
    }

    free(buf);

    unit_ok(good > 0 && good < n, "mutations");
}


int
main(int argc, char **argv)
{
    test_cases(imdns, sizeof(imdns) / sizeof(imdns[0]), read_imdn);
    test_cases(states, sizeof(states) / sizeof(states[0]), read_state);
    test_limits();
    test_write();
    test_mutations();

    return unit_done();
}
