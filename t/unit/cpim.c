
/*
 * Tests of ngx_sip_cpim.c: RCP-10, RCP-11.
 */


#include "unit.h"
#include "ngx_sip_cpim.h"
#include "ngx_fed_text.h"


#define SIZE  8192

#define NS    "NS: imdn <urn:ietf:params:imdn>\r\n"
#define PART  "\r\nContent-Type: text/plain\r\n\r\nhi"


typedef struct {
    const char   *name;
    const char   *input;
    const char   *output;     /* as dump() has it */
} cpim_case_t;


static char  rich[] =
    "From: \"R\\u00e9 \\\"x\\\" \\\\ \\t\" <im:r@s.test>\r\n"
    "To: <im:u@x.test>\r\n"
    "cc: <im:v@x.test>\r\n"
    "DateTime: 2026-11-25T10:00:00Z\r\n"
    "Subject: the weather\r\n"
    "Subject:;lang=fr beau temps\r\n"
    NS
    "imdn.Message-ID: 34jk324j\r\n"
    "imdn.IMDN-Record-Route: <sip:relay@s.test>\r\n"
    "imdn.Disposition-Notification: positive-delivery, negative-delivery\r\n"
    "imdn.Disposition-Notification: display;x=y\r\n"
    "NS: my <urn:my>\r\n"
    "my.Thing: any\r\n"
    "Require: imdn.Message-ID, Subject\r\n"
    PART;

static char  rich_dump[] =
    "R\xc3\xa9 \"x\" \\ \t|im:r@s.test|im:u@x.test|the weather|"
    "2026-11-25T10:00:00Z|34jk324j|sip:relay@s.test|7|"
    "Content-Type: text/plain\r\n\r\nhi";


static cpim_case_t  cases[] = {
    { "all there is", rich, rich_dump },
    { "a sender only", "From: <im:r@s.test>\r\n\r\n", "|im:r@s.test||||||0|" },
    { "a name of tokens", "From: R S <im:r@s.test>\r\n\r\n",
      "R S|im:r@s.test||||||0|" },
    { "a name as the case is", "from: <im:r@s.test>\r\nFROM: <a:b>\r\n\r\n",
      "|||||||0|" },
    { "two recipients", "To: <a:1>\r\nTo: <a:2>\r\n\r\n", "||a:1|||||0|" },
    { "no namespace", "imdn.Message-ID: x\r\n\r\n", "|||||||0|" },
    { "a namespace that comes late", "imdn.Message-ID: x\r\n" NS "\r\n",
      "|||||||0|" },
    { "another prefix", "NS: a <urn:ietf:params:imdn>\r\na.Message-ID: x\r\n"
      "\r\n", "|||||x||0|" },
    { "no prefix", "NS: <urn:ietf:params:imdn>\r\nMessage-ID: x\r\n\r\n",
      "|||||x||0|" },
    { "two prefixes", NS "NS: a <urn:ietf:params:imdn>\r\n"
      "a.Message-ID: x\r\nimdn.Disposition-Notification: display\r\n\r\n",
      "|||||x||4|" },
    { "a prefix of something else", "NS: imdn <urn:other>\r\n"
      "imdn.Message-ID: x\r\n\r\n", "|||||||0|" },
    { "a prefix that comes to be of something else", NS
      "NS: imdn <urn:other>\r\nimdn.Message-ID: x\r\n\r\n", "|||||||0|" },
    { "unknown dispositions", NS "imdn.Disposition-Notification: processing,"
      " Display, positive-delivery;a=b\r\n\r\n", "|||||||1|" },
    { "no disposition", NS "imdn.Disposition-Notification: \r\n\r\n",
      "|||||||0|" },
    { "all escapes", "Subject: \\\\\\\"\\'\\b\\t\\n\\r\\u20ac\\x\r\n\r\n",
      "|||\\\"'\b\t\n\r\xe2\x82\xacx||||0|" },
    { "characters that are none",
      "Subject: a\\ud800b\\u0000c\\uzzzzd\\u12\r\n\r\n",
      "|||abcuzzzzdu12||||0|" },
    { "an escape with a character of its own",
      "Subject: \\u00\xe2\x82\xac\\u0\xc3\xa9\r\n\r\n",
      "|||u00\xe2\x82\xacu0\xc3\xa9||||0|" },
    { "a backslash at the end", "Subject: a\\\r\n\r\n", "|||a\\||||0|" },
    { "spaces", "Subject:  a \r\n\r\n", "||| a ||||0|" },
    { "an empty value", "Subject: \r\n\r\n", "|||||||0|" },
    { "parameters", "Subject:;lang=fr;x=y a\r\n\r\n", "|||a||||0|" },
    { "known ones required", "Require: From,To\r\n\r\n", "|||||||0|" },
    { "a prefix required ahead of it", "Require: imdn.Message-ID\r\n" NS
      "\r\n", "|||||||0|" },

    { "unknown ones required", "Require: From, Other\r\n\r\n", "declined" },
    { "an unknown prefix required", "Require: a.Message-ID\r\n" NS "\r\n",
      "declined" },
    { "an unknown IMDN field required", NS "Require: imdn.Other\r\n\r\n",
      "declined" },

    { "nothing", "", "abort" },
    { "no end", "From: <a:b>\r\n", "abort" },
    { "half a line", "From: <a:b>", "abort" },
    { "LF only", "From: <a:b>\n\n", "abort" },
    { "LF at the end", "From: <a:b>\r\n\n", "abort" },
    { "no colon", "From <a:b>\r\n\r\n", "abort" },
    { "no name", ": <a:b>\r\n\r\n", "abort" },
    { "a name with a space", "From : <a:b>\r\n\r\n", "abort" },
    { "no space", "From:<a:b>\r\n\r\n", "abort" },
    { "a tab", "From:\t<a:b>\r\n\r\n", "abort" },
    { "something else behind the colon", "Subject:x y\r\n\r\n", "abort" },
    { "no URI", "From: a\r\n\r\n", "abort" },
    { "an empty URI", "From: <>\r\n\r\n", "abort" },
    { "half a URI", "From: a>\r\n\r\n", "abort" },
    { "no UTF-8", "Subject: \xff\r\n\r\n", "abort" },
    { "a control", "Subject: a\x01\r\n\r\n", "abort" },
    { "CR", "Subject: a\rb\r\n\r\n", "abort" },
    { "Require twice", "Require: To\r\nRequire: Other\r\n\r\n", "abort" },
    { "too many prefixes", "NS: a <urn:ietf:params:imdn>\r\n"
      "NS: b <urn:ietf:params:imdn>\r\nNS: c <urn:ietf:params:imdn>\r\n"
      "NS: d <urn:ietf:params:imdn>\r\nNS: e <urn:ietf:params:imdn>\r\n\r\n",
      "abort" }
};


static ngx_str_t
dump(ngx_sip_cpim_t *cpim)
{
    u_char         *p;
    ngx_str_t       s, *parts[7];
    ngx_uint_t      i;

    static u_char  buf[2 * SIZE];

    parts[0] = &cpim->name;
    parts[1] = &cpim->from;
    parts[2] = &cpim->to;
    parts[3] = &cpim->subject;
    parts[4] = &cpim->date;
    parts[5] = &cpim->id;
    parts[6] = &cpim->route;

    p = buf;

    for (i = 0; i < 7; i++) {
        if (parts[i]->len) {
            p = ngx_cpymem(p, parts[i]->data, parts[i]->len);
        }

        *p++ = '|';
    }

    *p++ = '0' + cpim->dispositions;
    *p++ = '|';

    if (cpim->content.len) {
        p = ngx_cpymem(p, cpim->content.data, cpim->content.len);
    }

    s.data = buf;
    s.len = p - buf;

    return s;
}


static ngx_str_t
result(ngx_int_t rc, ngx_sip_cpim_t *cpim)
{
    switch (rc) {

    case NGX_OK:
        return dump(cpim);

    case NGX_DECLINED:
        return unit_string("declined");

    case NGX_ABORT:
        return unit_string("abort");

    default:
        return unit_string("error");
    }
}


static void
test_read(void)
{
    ngx_int_t        rc;
    ngx_str_t        s, got, expected;
    ngx_uint_t       i;
    ngx_pool_t      *pool;
    ngx_sip_cpim_t   cpim;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pool = ngx_create_pool(4096, NULL);

        s = unit_string(cases[i].input);
        s = unit_copy(&s);

        rc = ngx_sip_cpim_read(pool, &s, &cpim);

        got = result(rc, &cpim);
        expected = unit_string(cases[i].output);

        unit_is(&got, &expected, "RCP-10: %s", cases[i].name);

        free(s.data);
        ngx_destroy_pool(pool);
    }
}


static void
test_memory(void)
{
    ngx_int_t        rc;
    ngx_str_t        s, got, expected;
    ngx_uint_t       n;
    ngx_pool_t      *pool;
    ngx_sip_cpim_t   cpim;

    s = unit_string(rich);
    rc = NGX_ERROR;

    for (n = 0; n < 100 && rc == NGX_ERROR; n++) {
        pool = ngx_create_pool(4096, NULL);

        ngx_shim_allocations = n;
        rc = ngx_sip_cpim_read(pool, &s, &cpim);
        ngx_shim_allocations = -1;

        if (rc == NGX_OK) {
            got = dump(&cpim);
            expected = unit_string(rich_dump);
            unit_is(&got, &expected, "after %u allocations", (unsigned) n);
        }

        ngx_destroy_pool(pool);
    }

    unit_ok(rc == NGX_OK && n > 2, "allocations, each may fail");
}


/* what is written is read again */

static void
test_write(void)
{
    u_char          *p;
    size_t           size;
    ngx_str_t        s, got, expected;
    ngx_pool_t      *pool;
    ngx_sip_cpim_t   cpim, back;

    ngx_memzero(&cpim, sizeof(ngx_sip_cpim_t));

    cpim.name = unit_string("a\tb\\c\"d\r\ne\bf\x01\x7f\xc3\xa9");
    cpim.from = unit_string("sip:u@x.test");
    cpim.to = unit_string("sip:r@s.test");
    cpim.date = unit_string("2026-11-25T10:00:00Z");
    cpim.id = unit_string("0123");
    cpim.dispositions = NGX_SIP_CPIM_POSITIVE|NGX_SIP_CPIM_DISPLAY;

    size = ngx_sip_cpim_size(&cpim);
    p = malloc(size);

    s.data = p;
    s.len = ngx_sip_cpim_write(p, &cpim) - p;

    expected = unit_string(
        "From: \"a\\tb\\\\c\\\"d\\r\\ne\\bf\\u0001\\u007f\xc3\xa9\""
        " <sip:u@x.test>\r\nTo: <sip:r@s.test>\r\n" NS
        "imdn.Message-ID: 0123\r\nDateTime: 2026-11-25T10:00:00Z\r\n"
        "imdn.Disposition-Notification: positive-delivery, display\r\n\r\n");

    unit_is(&s, &expected, "RCP-11: written");
    unit_ok(s.len <= size, "within its size");

    pool = ngx_create_pool(4096, NULL);

    unit_ok(ngx_sip_cpim_read(pool, &s, &back) == NGX_OK, "read again");

    got = dump(&back);
    got = unit_copy(&got);
    expected = dump(&cpim);

    unit_is(&got, &expected, "RCP-11: read as it was");

    free(got.data);
    free(p);

    ngx_memzero(&cpim, sizeof(ngx_sip_cpim_t));

    cpim.from = unit_string("a:b");
    cpim.to = unit_string("c:d");
    cpim.route = unit_string("sip:relay@s.test");

    p = malloc(ngx_sip_cpim_size(&cpim));
    s.data = p;
    s.len = ngx_sip_cpim_write(p, &cpim) - p;

    expected = unit_string("From: <a:b>\r\nTo: <c:d>\r\n"
                           "imdn.IMDN-Route: <sip:relay@s.test>\r\n\r\n");
    unit_is(&s, &expected, "RCP-11: the least");

    free(p);
    ngx_destroy_pool(pool);
}


static void
test_mutations(void)
{
    u_char          *buf;
    ngx_str_t        s, copy;
    ngx_uint_t       i, n, good;
    ngx_pool_t      *pool;
    ngx_sip_cpim_t   cpim;

    static const char  *words[] = {
        "\r\n", "\n", ":", ": ", "From: <", ">", "\\u", "\\", "NS: ",
        "Require: ", "imdn.", "<urn:ietf:params:imdn>", "\"", ";", ","
    };

    good = 0;
    buf = malloc(SIZE);
    n = unit_rounds();

    for (i = 0; i < n; i++) {
        s.data = buf;
        s.len = sizeof(rich) - 1;
        memcpy(buf, rich, s.len);

        unit_mutate(&s, SIZE, words, sizeof(words) / sizeof(words[0]));

        copy = unit_copy(&s);
        pool = ngx_create_pool(4096, NULL);

        if (ngx_sip_cpim_read(pool, &copy, &cpim) == NGX_OK) {
            (void) dump(&cpim);
            good++;
        }

        ngx_destroy_pool(pool);
        free(copy.data);
    }

    free(buf);

    unit_ok(good > 0 && good < n, "mutations");
}


int
main(int argc, char **argv)
{
    test_read();
    test_memory();
    test_write();
    test_mutations();

    return unit_done();
}
