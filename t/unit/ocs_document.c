
/*
 * Tests of ngx_sip_ocs_document.c: the documents of ocs-wire 4.4 and the states
 * of 4.5; SEC-12, SEC-13, SEC-14.
 */


#include "unit.h"
#include "ngx_sip_ocs_document.h"
#include "ngx_sip_pidf.h"
#include "ngx_fed_text.h"


#define SIZE  65536

#define MSRTC  "http://schemas.microsoft.com/2002/09/sip/presence"

#define PRESENTITY(inner)                                                     \
    "<presentity uri=\"romeo@s.test\" xmlns=\"" MSRTC "\">" inner             \
    "</presentity>"

#define AGGREGATE(availability, activity)                                     \
    "<availability aggregate=\"" availability "\" description=\"\""           \
    " epid=\"03640fc59f\"/>"                                                  \
    "<activity aggregate=\"" activity "\" description=\"\""                   \
    " epid=\"03640fc59f\"/>"

#define STATE(avail)                                                          \
    "<userInfo xmlns=\"urn:x\"><states><state avail=\"" avail "\"/></states>" \
    "</userInfo>"

#define DOCTYPE                                                               \
    "<!DOCTYPE presence PUBLIC \"-//IETF//DTD RFCxxxx XPIDF 1.0//EN\""        \
    " \"xpidf.dtd\">"

#define XPIDF(inner)                                                          \
    "<presence><presentity uri=\"sip:romeo@s.test;method=SUBSCRIBE\"/>" inner \
    "</presence>"

#define ATOM(status, substatus)                                               \
    "<atom id=\"1002\"><address uri=\"sip:romeo@s.test\" priority=\"0.6\">"   \
    "<status status=\"" status "\"/><msnsubstatus substatus=\"" substatus     \
    "\"/></address></atom>"

#define DRAFT(entity, basic, activities)                                      \
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n"                          \
    "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\""                         \
    " xmlns:ep=\"urn:ietf:params:xml:ns:pidf:status:rpid-status\""            \
    " xmlns:et=\"urn:ietf:params:xml:ns:pidf:rpid-tuple\""                    \
    " xmlns:ci=\"urn:ietf:params:xml:ns:pidf:cipid\" entity=\"" entity "\">"  \
    "<tuple id=\"0\"><status><basic>" basic "</basic>" activities             \
    "</status></tuple><ci:display-name>John Doe</ci:display-name></presence>"

#define ACTIVITY(name)                                                        \
    "<ep:activities><ep:activity>" name "</ep:activity></ep:activities>"


typedef struct {
    const char   *what;
    const char   *input;
    const char   *output;     /* as dump() has it, or NULL */
    ngx_int_t     rc;         /* if it is not NGX_OK */
} document_case_t;


static const char  *shows[] = { "", "away", "chat", "dnd", "xa" };


static document_case_t  cases[] = {

    /* PIDF, both shapes */

    { "4.4 PIDF of a draft", DRAFT("sip:romeo@s.test", "open",
                                   ACTIVITY("on-the-phone")), "0:1:dnd\n", 0 },
    { "4.4 busy", DRAFT("sip:romeo@s.test", "open", ACTIVITY("busy")),
      "0:1:dnd\n", 0 },
    { "4.4 away", DRAFT("sip:romeo@s.test", "open", ACTIVITY("away")),
      "0:1:away\n", 0 },
    { "4.4 another activity", DRAFT("sip:romeo@s.test", "open",
                                    ACTIVITY("juggling")), "0:1:\n", 0 },
    { "4.4 no activity", DRAFT("sip:romeo@s.test", "open", ""), "0:1:\n", 0 },
    { "4.4 closed", DRAFT("sip:romeo@s.test", "closed", ACTIVITY("away")),
      "0:0:\n", 0 },
    { "4.4 PIDF declared utf-16 over UTF-8",
      "<?xml version='1.0' encoding='utf-16'?>"
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='romeo@s.test'><note>\xc3\xa9</note><tuple id='0'><status>"
      "<basic>open</basic></status></tuple></presence>",
      "0:1:[\xc3\xa9]\n", 0 },
    { "4.4 no scheme", DRAFT("romeo@s.test", "open", ""), "0:1:\n", 0 },
    { "RFC 4480 person",
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model'"
      " xmlns:rpid='urn:ietf:params:xml:ns:pidf:rpid'"
      " entity='pres:romeo@s.test'><tuple id='ID-a'><status>"
      "<basic>open</basic></status></tuple><dm:person id='p'>"
      "<rpid:activities><rpid:meeting/></rpid:activities></dm:person>"
      "</presence>", "a:1:dnd\n", 0 },
    { "RFC 4480 tuple",
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " xmlns:rpid='urn:ietf:params:xml:ns:pidf:rpid'"
      " entity='pres:romeo@s.test'><tuple id='ID-a'><status>"
      "<basic>open</basic><rpid:activities><rpid:away/></rpid:activities>"
      "</status></tuple></presence>", "a:1:away\n", 0 },
    { "PN-30 PIDF of another user", DRAFT("sip:other@s.test", "open", ""),
      NULL, NGX_DECLINED },

    /* MSRTC */

    { "4.4 MSRTC",
      "<presentity uri=\"romeo@s.test\" xmlns=\"" MSRTC "\""
      " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">"
      AGGREGATE("300", "400")
      "<displayName displayName=\"User 1\"/> <email email=\"r@s.test\"/>"
      " <phoneNumber label=\"\" number=\"1\"/>"
      "<devices><devicePresence epid=\"03640fc59f\" ageOfPresence=\"30\">"
      "<availability aggregate=\"0\" description=\"online\"/>"
      " <activity aggregate=\"600\" description=\"Active\" note=\"\"/>"
      "<deviceName name=\"x\" xmlns=\"urn:x\"/></devicePresence></devices>"
      "</presentity>", ":1:\n", 0 },
    { "4.4 MSRTC offline", PRESENTITY(AGGREGATE("0", "0")), ":0:\n", 0 },
    { "4.4 uri with a scheme",
      "<presentity uri='sip:Romeo@s.test'>" AGGREGATE("300", "400")
      "</presentity>", ":1:\n", 0 },
    { "4.4 declared utf-16 over UTF-8",
      "<?xml version=\"1.0\" encoding=\"utf-16\"?>"
      PRESENTITY(AGGREGATE("300", "600")), ":1:dnd[Busy]\n", 0 },
    { "4.5 0-99 offline, whatever he does",
      PRESENTITY(AGGREGATE("99", "600")), ":0:\n", 0 },
    { "4.5 may be reached", PRESENTITY(AGGREGATE("100", "400")), ":1:\n", 0 },
    { "4.5 no activity", PRESENTITY(AGGREGATE("300", "0")), ":1:\n", 0 },
    { "4.5 no activity element",
      PRESENTITY("<availability aggregate='300'/>"), ":1:\n", 0 },
    { "4.5 nothing at all", PRESENTITY(""), ":0:\n", 0 },
    { "4.5 99", PRESENTITY(AGGREGATE("300", "99")), ":1:\n", 0 },
    { "4.5 100 away", PRESENTITY(AGGREGATE("300", "100")), ":1:away\n", 0 },
    { "4.5 149 away", PRESENTITY(AGGREGATE("300", "149")), ":1:away\n", 0 },
    { "4.5 150 out to lunch", PRESENTITY(AGGREGATE("300", "150")),
      ":1:away[Out to lunch]\n", 0 },
    { "4.5 199 out to lunch", PRESENTITY(AGGREGATE("300", "199")),
      ":1:away[Out to lunch]\n", 0 },
    { "4.5 200 idle", PRESENTITY(AGGREGATE("300", "200")), ":1:away\n", 0 },
    { "4.5 299 idle", PRESENTITY(AGGREGATE("300", "299")), ":1:away\n", 0 },
    { "4.5 300 be right back", PRESENTITY(AGGREGATE("300", "300")),
      ":1:away[Be right back]\n", 0 },
    { "4.5 399 be right back", PRESENTITY(AGGREGATE("300", "399")),
      ":1:away[Be right back]\n", 0 },
    { "4.5 400 active", PRESENTITY(AGGREGATE("300", "400")), ":1:\n", 0 },
    { "4.5 499 active", PRESENTITY(AGGREGATE("300", "499")), ":1:\n", 0 },
    { "4.5 500 in a call", PRESENTITY(AGGREGATE("300", "500")),
      ":1:dnd[In a call]\n", 0 },
    { "4.5 599 in a call", PRESENTITY(AGGREGATE("300", "599")),
      ":1:dnd[In a call]\n", 0 },
    { "4.5 600 busy", PRESENTITY(AGGREGATE("300", "600")),
      ":1:dnd[Busy]\n", 0 },
    { "4.5 699 busy", PRESENTITY(AGGREGATE("300", "699")),
      ":1:dnd[Busy]\n", 0 },
    { "4.5 700 away", PRESENTITY(AGGREGATE("300", "700")), ":1:away\n", 0 },
    { "4.5 799 away", PRESENTITY(AGGREGATE("300", "799")), ":1:away\n", 0 },
    { "4.5 800 active", PRESENTITY(AGGREGATE("300", "800")), ":1:\n", 0 },
    { "4.5 999 active", PRESENTITY(AGGREGATE("300", "999")), ":1:\n", 0 },
    { "4.5 far more", PRESENTITY(AGGREGATE("4294967295", "4294967295")),
      ":1:\n", 0 },
    { "SEC-36 no numbers", PRESENTITY(AGGREGATE("-1", "99999999999")),
      ":0:\n", 0 },

    /* what the user chose, 7 */

    { "7 state available", PRESENTITY(AGGREGATE("300", "600") STATE("3500")),
      ":1:dnd[Busy]\n", 0 },
    { "7 state busy", PRESENTITY(AGGREGATE("300", "400") STATE("6500")),
      ":1:dnd[Busy]\n", 0 },
    { "7 state do not disturb",
      PRESENTITY(AGGREGATE("300", "400") STATE("9500")),
      ":1:dnd[Do not disturb]\n", 0 },
    { "7 state do not disturb, and away",
      PRESENTITY(AGGREGATE("300", "100") STATE("9500")),
      ":1:dnd[Do not disturb]\n", 0 },
    { "7 state be right back",
      PRESENTITY(AGGREGATE("300", "400") STATE("12500")),
      ":1:away[Be right back]\n", 0 },
    { "7 state away", PRESENTITY(AGGREGATE("300", "400") STATE("15500")),
      ":1:away\n", 0 },
    { "7 state away, in a call",
      PRESENTITY(AGGREGATE("300", "500") STATE("15500")),
      ":1:dnd[In a call]\n", 0 },
    { "7 state offline", PRESENTITY(AGGREGATE("300", "400") STATE("18500")),
      ":1:\n", 0 },
    { "7 state busy, but offline",
      PRESENTITY(AGGREGATE("0", "0") STATE("6500")), ":0:\n", 0 },

    /* notes */

    { "4.4 note of the device",
      PRESENTITY(AGGREGATE("300", "600") "<devices><devicePresence>"
                 "<activity aggregate='600' note=' in town&#10;'/>"
                 "</devicePresence><devicePresence>"
                 "<activity aggregate='600' note='2'/>"
                 "</devicePresence></devices>"),
      ":1:dnd[in town]\n", 0 },
    { "4.4 note of the user",
      PRESENTITY(AGGREGATE("300", "400") "<userInfo><note> at &lt;home> "
                 "</note></userInfo><devices><devicePresence>"
                 "<activity aggregate='400' note='in town'/>"
                 "</devicePresence></devices>"),
      ":1:[at <home>]\n", 0 },
    { "4.4 note of the user, offline",
      PRESENTITY(AGGREGATE("0", "0") "<userInfo><note>gone</note></userInfo>"),
      ":0:[gone]\n", 0 },
    { "4.4 empty note",
      PRESENTITY(AGGREGATE("300", "600") "<userInfo><note/></userInfo>"),
      ":1:dnd[Busy]\n", 0 },
    { "note elsewhere",
      PRESENTITY(AGGREGATE("300", "400") "<x><note>x</note></x>"
                 "<note>y</note>"), ":1:\n", 0 },
    { "aggregates elsewhere",
      PRESENTITY(AGGREGATE("0", "0") "<x>" AGGREGATE("300", "400") "</x>"),
      ":0:\n", 0 },

    { "PN-30 MSRTC of another user",
      "<presentity uri='other@s.test'>" AGGREGATE("300", "400")
      "</presentity>", NULL, NGX_DECLINED },
    { "MSRTC of nobody",
      "<presentity>" AGGREGATE("300", "400") "</presentity>", NULL,
      NGX_ABORT },

    /* XPIDF */

    { "4.4 XPIDF", DOCTYPE XPIDF(ATOM("open", "online")), ":1:\n", 0 },
    { "4.4 XPIDF with a declaration",
      "<?xml version=\"1.0\"?>\r\n" DOCTYPE "\r\n"
      XPIDF(ATOM("open", "online")), ":1:\n", 0 },
    { "4.4 no DOCTYPE", XPIDF(ATOM("open", "online")), ":1:\n", 0 },
    { "4.4 away", XPIDF(ATOM("open", "away")), ":1:away\n", 0 },
    { "4.4 idle", XPIDF(ATOM("open", "idle")), ":1:away\n", 0 },
    { "4.4 busy", XPIDF(ATOM("open", "busy")), ":1:dnd[Busy]\n", 0 },
    { "4.4 berightback", XPIDF(ATOM("open", "berightback")),
      ":1:away[Be right back]\n", 0 },
    { "4.4 onthephone", XPIDF(ATOM("open", "onthephone")),
      ":1:dnd[In a call]\n", 0 },
    { "4.4 outtolunch", XPIDF(ATOM("open", "outtolunch")),
      ":1:away[Out to lunch]\n", 0 },
    { "4.4 unknown", XPIDF(ATOM("open", "unknown")), ":1:\n", 0 },
    { "4.4 inuse", XPIDF(ATOM("inuse", "unknown")), ":1:dnd\n", 0 },
    { "4.4 inuse, away", XPIDF(ATOM("inuse", "away")), ":1:away\n", 0 },
    { "4.4 closed", XPIDF(ATOM("closed", "busy")), ":0:\n", 0 },
    { "4.4 no atom", XPIDF(""), ":0:\n", 0 },
    { "4.4 the first that is not closed",
      XPIDF(ATOM("closed", "away") ATOM("open", "busy") ATOM("open", "idle")),
      ":1:dnd[Busy]\n", 0 },
    { "4.4 of two, closed behind", XPIDF(ATOM("open", "busy")
                                         ATOM("closed", "idle")),
      ":1:dnd[Busy]\n", 0 },
    { "PN-30 XPIDF of another user",
      "<presence><presentity uri='sip:other@s.test'/>"
      ATOM("open", "online") "</presence>", NULL, NGX_DECLINED },
    { "XPIDF of nobody", "<presence>" ATOM("open", "online") "</presence>",
      NULL, NGX_ABORT },

    /* SEC-12 */

    { "SEC-12 internal subset",
      "<!DOCTYPE presence SYSTEM 'xpidf.dtd' [<!ENTITY x 'busy'>]>"
      XPIDF(ATOM("open", "&x;")), NULL, NGX_ABORT },
    { "SEC-12 empty internal subset",
      "<!DOCTYPE presence SYSTEM 'xpidf.dtd' []>"
      XPIDF(ATOM("open", "busy")), NULL, NGX_ABORT },
    { "SEC-12 internal subset of MSRTC",
      "<!DOCTYPE presentity [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
      PRESENTITY("<userInfo><note>&x;</note></userInfo>"), NULL, NGX_ABORT },
    { "SEC-12 parameter entity",
      "<!DOCTYPE presence [<!ENTITY % x SYSTEM 'file:///etc/passwd'> %x;]>"
      XPIDF(ATOM("open", "busy")), NULL, NGX_ABORT },
    { "SEC-12 billion laughs",
      "<!DOCTYPE presentity [<!ENTITY a 'lol'><!ENTITY b '&a;&a;&a;&a;&a;'>"
      "<!ENTITY c '&b;&b;&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;&c;&c;'>]>"
      PRESENTITY("<userInfo><note>&d;</note></userInfo>"), NULL, NGX_ABORT },
    { "SEC-12 DOCTYPE without an external identifier",
      "<!DOCTYPE presence>" XPIDF(ATOM("open", "busy")), NULL, NGX_ABORT },
    { "SEC-12 undeclared entity", PRESENTITY("<userInfo><note>&nbsp;</note>"
                                             "</userInfo>"), NULL, NGX_ABORT },
    { "SEC-12 entities of a DTD that is not read",
      DOCTYPE XPIDF("&x;" ATOM("open", "busy")), ":1:dnd[Busy]\n", 0 },
    { "SEC-12 processing instruction", PRESENTITY("<?x y?>"), NULL,
      NGX_ABORT },
    { "SEC-12 DOCTYPE of PIDF",
      "<!DOCTYPE presence SYSTEM 'x'>"
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='pres:romeo@s.test'/>", NULL, NGX_ABORT },

    /* none of them */

    { "PIDF that is broken",
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='pres:romeo@s.test'><presentity uri='romeo@s.test'/>", NULL,
      NGX_ABORT },
    { "another root", "<x><presentity uri='romeo@s.test'/></x>", NULL,
      NGX_ABORT },
    { "ISO-8859-1",
      "<?xml version='1.0' encoding='ISO-8859-1'?>"
      PRESENTITY("<userInfo><note>\xe9t\xe9</note></userInfo>"), NULL,
      NGX_ABORT },
    { "cut off", "<presentity uri='romeo@s.test'>", NULL, NGX_ABORT },
    { "no XML", "hello", NULL, NGX_ABORT },
    { "nothing", "", NULL, NGX_ABORT },
    { "SEC-14 broken UTF-8",
      PRESENTITY("<userInfo><note>\xc3</note></userInfo>"), NULL, NGX_ABORT },
    { "SEC-14 control", PRESENTITY("<userInfo><note>\x01</note></userInfo>"),
      NULL, NGX_ABORT }
};


static const char  rich[] =
    "<?xml version=\"1.0\" encoding=\"utf-16\"?>"
    "<presentity uri=\"sip:romeo@s.test\" xmlns=\"" MSRTC "\">"
    AGGREGATE("300", "200") STATE("6500")
    "<userInfo><note>at home</note></userInfo>"
    "<devices><devicePresence epid=\"03640fc59f\" ageOfPresence=\"30\">"
    "<activity aggregate=\"400\" description=\"Active\" note=\"in town\"/>"
    "</devicePresence></devices></presentity>";


static const char  *words[] = {
    "<", ">", "</", "/>", "'", "\"", "&", ";", "&amp;", "&#x10ffff;", "]]>",
    "<![CDATA[", "<!--", "-->", "<?x?>", "<!DOCTYPE x [", DOCTYPE, "xmlns='",
    "urn:ietf:params:xml:ns:pidf", "<presence", "<presentity", "<atom>",
    "<address>", "<status status='open'/>", "<msnsubstatus substatus='busy'/>",
    "aggregate='", "avail='", "note='", "<userInfo>", "<note>", "</note>",
    "romeo@s.test", "\xc3\xa9", "\xff", "4294967296"
};


static ngx_fed_address_t  entity;


static ngx_str_t
dump(ngx_fed_presence_t *presence)
{
    u_char               *p;
    ngx_str_t             s;
    ngx_uint_t            i, k;
    ngx_fed_status_t     *status;
    ngx_fed_resource_t   *res;
    static u_char         buf[SIZE];

    p = buf;

    for (i = 0; i < presence->n; i++) {
        res = &presence->resources[i];

        p += sprintf((char *) p, "%.*s:%d:%s", (int) res->name.len,
                     (char *) res->name.data, res->available,
                     shows[res->show]);

        for (k = 0; k < res->nstatuses; k++) {
            status = &res->statuses[k];

            p += sprintf((char *) p, "[%.*s]", (int) status->text.len,
                         (char *) status->text.data);
        }

        *p++ = LF;
    }

    s.data = buf;
    s.len = p - buf;

    return s;
}


/* the body is gone when it returns: nothing of the presence lies in there */

static ngx_int_t
read_document(ngx_pool_t *pool, ngx_str_t *body, const char *charset,
    ngx_fed_presence_t *presence)
{
    ngx_int_t   rc;
    ngx_str_t   copy, s, none;

    copy = unit_copy(body);
    s = unit_string(charset);
    none = unit_string("");

    memset(presence, 0xa5, sizeof(ngx_fed_presence_t));

    rc = ngx_sip_ocs_document_read(pool, &copy, &s, &none, &entity, presence);

    free(copy.data);

    if (rc != NGX_OK && presence->n) {
        unit_ok(0, "presence is empty with rc %d", (int) rc);
    }

    return rc;
}


static void
check_read(const char *what, ngx_str_t *body, const char *charset,
    const char *output, ngx_int_t expected)
{
    ngx_int_t            rc;
    ngx_str_t            s, got;
    ngx_pool_t          *pool;

    static ngx_fed_presence_t  presence;

    pool = ngx_create_pool(4096, NULL);

    rc = read_document(pool, body, charset, &presence);

    if (rc != expected) {
        unit_ok(0, "%s: rc %d", what, (int) rc);

    } else if (output == NULL) {
        unit_ok(1, "%s", what);

    } else {
        got = dump(&presence);
        s = unit_string(output);
        unit_is(&got, &s, "%s", what);
    }

    ngx_destroy_pool(pool);
}


static void
test_read(void)
{
    u_char       utf16[4096];
    size_t       i;
    ngx_str_t    s;
    ngx_uint_t   n;

    for (n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        s = unit_string(cases[n].input);
        check_read(cases[n].what, &s, "", cases[n].output, cases[n].rc);
    }

    s = unit_string(rich);
    check_read("all of it", &s, "", ":1:dnd[at home]\n", NGX_OK);
    check_read("charset utf-8", &s, "utf-8", ":1:dnd[at home]\n", NGX_OK);
    check_read("charset iso-8859-1", &s, "iso-8859-1", NULL, NGX_ABORT);

    /* what really is in UTF-16 */

    for (i = 0; i < s.len; i++) {
        utf16[2 * i] = s.data[i];
        utf16[2 * i + 1] = 0;
    }

    s.data = utf16;
    s.len *= 2;
    check_read("UTF-16", &s, "", NULL, NGX_ABORT);
}


static ngx_str_t
repeat(const char *head, const char *text, ngx_uint_t n, const char *tail)
{
    u_char      *p;
    ngx_str_t    s;

    s.data = malloc(strlen(head) + strlen(tail) + n * strlen(text));

    p = ngx_cpymem(s.data, head, strlen(head));

    while (n--) {
        p = ngx_cpymem(p, text, strlen(text));
    }

    p = ngx_cpymem(p, tail, strlen(tail));

    s.len = p - s.data;

    return s;
}


static void
test_limits(void)
{
    ngx_str_t            s;
    ngx_uint_t           i, ok;
    ngx_pool_t          *pool;
    ngx_fed_resource_t  *res;

    static ngx_fed_presence_t  presence;

    static struct {
        const char      *what;
        const char      *text;
        ngx_uint_t       n;
        ngx_int_t        rc;
    } limits[] = {
        { "SEC-13 depth", "<x>", 10000, NGX_ABORT },
        { "SEC-13 elements", "<x/>", 10000, NGX_OK },
        { "SEC-13 devices", "<devices><devicePresence>"
          "<activity note='x'/></devicePresence></devices>", 5000, NGX_OK },
        { "SEC-13 states", STATE("6500"), 5000, NGX_OK }
    };

    for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        pool = ngx_create_pool(4096, NULL);
        s = repeat("<presentity uri='romeo@s.test'>", limits[i].text,
                   limits[i].n, "</presentity>");
        unit_ok(read_document(pool, &s, "", &presence) == limits[i].rc, "%s",
                limits[i].what);
        free(s.data);
        ngx_destroy_pool(pool);
    }

    for (i = 60; i < 67; i++) {
        char    head[8192], *p;
        size_t  n;

        p = head + sprintf(head, "<presentity uri='romeo@s.test'");

        for (n = 1; n < i; n++) {
            p += sprintf(p, " a%u=''", (unsigned) n);
        }

        s = repeat(head, "", 0, "/>");
        check_read("SEC-13 attributes", &s, "", i > 64 ? NULL : ":0:\n",
                   i > 64 ? NGX_ABORT : NGX_OK);
        free(s.data);
    }

    ok = 1;

    for (i = 1; i < 3000; i += (i > 10 && i < 330) ? 300 : 1) {
        pool = ngx_create_pool(4096, NULL);
        s = repeat("<presentity uri='romeo@s.test'>" AGGREGATE("300", "400")
                   "<userInfo><note> x", i & 1 ? "\xf0\x9f\x98\x80"
                                               : "\xe2\x82\xac",
                   i, " </note></userInfo></presentity>");

        res = &presence.resources[0];

        if (read_document(pool, &s, "", &presence) != NGX_OK
            || presence.n != 1 || res->nstatuses != 1
            || res->statuses[0].text.len > NGX_FED_STATUS_LEN
            || (i > 400
                && res->statuses[0].text.len < NGX_FED_STATUS_LEN - 3)
            || !ngx_fed_text_valid(res->statuses[0].text.data,
                                   res->statuses[0].text.len))
        {
            ok = 0;
        }

        free(s.data);
        ngx_destroy_pool(pool);

        i += (i > 1500) * 100;
    }

    unit_ok(ok, "SEC-13 long notes are cut between characters");
}


static void
test_truncated(void)
{
    size_t        len;
    ngx_str_t     s;
    ngx_uint_t    i, bad;
    ngx_pool_t   *pool;

    static ngx_fed_presence_t  presence;

    static const char  *documents[] = {
        rich, DOCTYPE XPIDF(ATOM("open", "busy"))
    };

    bad = 0;

    for (i = 0; i < 2; i++) {
        s = unit_string(documents[i]);

        for (len = s.len; len > 0; len--) {
            s.len = len - 1;

            pool = ngx_create_pool(4096, NULL);
            bad += (read_document(pool, &s, "", &presence) != NGX_ABORT);
            ngx_destroy_pool(pool);
        }
    }

    unit_ok(bad == 0, "truncated documents are none");
}


static void
test_memory(void)
{
    ngx_int_t     n, rc;
    ngx_str_t     s;
    ngx_pool_t   *pool;

    static ngx_fed_presence_t  presence;

    s = unit_string(rich);

    for (n = 0; n < 1000; n++) {
        pool = ngx_create_pool(4096, NULL);

        ngx_shim_allocations = n;
        rc = read_document(pool, &s, "", &presence);
        ngx_shim_allocations = -1;

        ngx_destroy_pool(pool);

        if (rc == NGX_OK) {
            break;
        }

        if (rc != NGX_ERROR) {
            unit_ok(0, "rc %d after %u allocations", (int) rc, (unsigned) n);
        }
    }

    unit_ok(n > 3 && n < 1000, "%u allocations, each may fail", (unsigned) n);
}


/* the three writers of a document, into just as much as it is said to take */

static ngx_str_t
write_document(ngx_fed_presence_t *presence, ngx_fed_address_t *addr,
    ngx_uint_t msrtc, ngx_uint_t note)
{
    size_t      size;
    ngx_str_t   s;

    size = ngx_sip_ocs_document_size(presence, addr);

    s.data = malloc(size);

    s.len = (msrtc ? ngx_sip_ocs_msrtc_write(s.data, presence, addr)
                   : ngx_sip_ocs_pidf_write(s.data, presence, addr, note))
            - s.data;

    if (s.len > size) {
        unit_ok(0, "size %u of %u", (unsigned) size, (unsigned) s.len);
    }

    return s;
}


static void
check_write(const char *what, ngx_fed_presence_t *presence,
    ngx_fed_address_t *addr, ngx_uint_t msrtc, ngx_uint_t note,
    const char *expected)
{
    ngx_str_t  got, s;

    got = write_document(presence, addr, msrtc, note);
    s = unit_string(expected);
    unit_is(&got, &s, "%s", what);
    free(got.data);
}


static ngx_fed_resource_t *
add(ngx_fed_presence_t *presence, const char *name, ngx_uint_t available,
    ngx_fed_show_e show, ngx_int_t priority, const char *text)
{
    ngx_str_t            s;
    ngx_fed_resource_t  *res;

    s = unit_string(name);
    res = ngx_fed_presence_add(presence, &s);

    res->available = available;
    res->show = show;
    res->priority = priority;

    if (text) {
        res->nstatuses = 1;
        res->statuses[0].text = unit_string(text);
    }

    return res;
}


#define PIDF(uri, inner)                                                      \
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>"                              \
    "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\""                         \
    " xmlns:ep=\"urn:ietf:params:xml:ns:pidf:status:rpid-status\""            \
    " entity=\"" uri "\"><tuple id=\"0\">" inner "</tuple></presence>"

#define BUSY                                                                  \
    "<status><basic>open</basic><ep:activities><ep:activity>busy"             \
    "</ep:activity></ep:activities></status>"

#define EPID  " description=\"\" epid=\"6e67696e78\"/>"

#define DEVICE(activity, description, note)                                   \
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>"                              \
    "<presentity uri=\"romeo@s.test\" xmlns=\"" MSRTC "\">"                   \
    "<availability aggregate=\"300\"" EPID                                    \
    "<activity aggregate=\"" activity "\"" EPID                               \
    "<devices><devicePresence epid=\"6e67696e78\" ageOfPresence=\"0\">"       \
    "<availability aggregate=\"300\" description=\"online\"/>"                \
    "<activity aggregate=\"" activity "\" description=\"" description "\""    \
    note "/></devicePresence></devices></presentity>"


/* 4.5, PX21 to PX26 */

static void
test_write(void)
{
    ngx_uint_t           i;
    ngx_fed_address_t    addr;

    static ngx_fed_presence_t  p;

    static struct {
        ngx_fed_show_e   show;
        const char      *pidf;
        const char      *msrtc;
    } states[] = {
        { NGX_FED_SHOW_NONE,
          PIDF("sip:romeo@s.test", "<status><basic>open</basic></status>"),
          DEVICE("400", "Active", "") },
        { NGX_FED_SHOW_CHAT,
          PIDF("sip:romeo@s.test", "<status><basic>open</basic></status>"),
          DEVICE("400", "Active", "") },
        { NGX_FED_SHOW_AWAY,
          PIDF("sip:romeo@s.test", "<status><basic>open</basic>"
               ACTIVITY("away") "</status>"),
          DEVICE("100", "Away", "") },
        { NGX_FED_SHOW_XA,
          PIDF("sip:romeo@s.test", "<status><basic>open</basic>"
               ACTIVITY("away") "</status>"),
          DEVICE("100", "Away", "") },
        { NGX_FED_SHOW_DND, PIDF("sip:romeo@s.test", BUSY),
          DEVICE("600", "Busy", "") }
    };

    for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        p.n = 0;
        add(&p, "a", 1, states[i].show, 0, NULL);

        check_write("4.5 PIDF", &p, &entity, 0, 1, states[i].pidf);
        check_write("4.5 MSRTC", &p, &entity, 1, 1, states[i].msrtc);
    }

    /* nobody there */

    p.n = 0;

    for (i = 0; i < 2; i++) {
        check_write("4.5 closed", &p, &entity, 0, 1,
                    PIDF("sip:romeo@s.test",
                         "<status><basic>closed</basic></status>"));
        check_write("4.5 offline", &p, &entity, 1, 1,
                    "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
                    "<presentity uri=\"romeo@s.test\" xmlns=\"" MSRTC "\">"
                    "<availability aggregate=\"0\"" EPID
                    "<activity aggregate=\"0\"" EPID "</presentity>");

        add(&p, "a", 0, NGX_FED_SHOW_NONE, NGX_FED_NO_PRIORITY, "bye");
    }

    /* the one that messages go to */

    p.n = 0;
    add(&p, "a", 1, NGX_FED_SHOW_AWAY, 5, "a");
    add(&p, "b", 1, NGX_FED_SHOW_DND, 9, "b \"<&>'\n");
    add(&p, "c", 0, NGX_FED_SHOW_NONE, 10, "c");

    check_write("one of several", &p, &entity, 0, 0,
                PIDF("sip:romeo@s.test", BUSY));
    check_write("with its note", &p, &entity, 0, 1,
                PIDF("sip:romeo@s.test",
                     BUSY "<note>b &quot;&lt;&amp;&gt;&apos;\n</note>"));
    check_write("MSRTC with its note", &p, &entity, 1, 0,
                DEVICE("600", "Busy",
                       " note=\"b &quot;&lt;&amp;&gt;&apos;&#10;\""));

    /* names */

    p.n = 0;
    add(&p, "a", 1, NGX_FED_SHOW_DND, 5, NULL);

    ngx_memzero(&addr, sizeof(addr));
    addr.user = unit_string("o'r&o <x>");
    addr.domain = unit_string("s.test");

    check_write("SEC-11 PIDF of a name", &p, &addr, 0, 1,
                PIDF("sip:o&apos;r&amp;o%20%3Cx%3E@s.test", BUSY));
}


/* whatever is read can be written, and read again: its text stays */

static void
test_random(void)
{
    u_char       *buf;
    ngx_int_t     rc;
    ngx_str_t     s, doc;
    ngx_uint_t    i, n, k, good, bad;
    ngx_pool_t   *pool;

    static ngx_fed_presence_t  presence, back;

    static const char  *documents[] = {
        rich, DOCTYPE XPIDF(ATOM("open", "busy")),
        DRAFT("romeo@s.test", "open", ACTIVITY("busy"))
    };

    good = 0;
    bad = 0;
    buf = malloc(SIZE);
    n = unit_rounds() / 4;

    for (i = 0; i < n; i++) {
        s = unit_string(documents[i % 3]);
        memcpy(buf, s.data, s.len);
        s.data = buf;

        unit_mutate(&s, SIZE, words, sizeof(words) / sizeof(words[0]));

        pool = ngx_create_pool(4096, NULL);
        rc = read_document(pool, &s, "", &presence);

        if (rc == NGX_OK) {
            good++;

            for (k = 0; k < 2; k++) {
                doc = write_document(&presence, &entity, k, 1);

                if (read_document(pool, &doc, "", &back) != NGX_OK
                    || back.n != 1
                    || back.resources[0].available
                       != ngx_fed_presence_open(&presence))
                {
                    bad++;
                    unit_diag("%.*s", (int) doc.len, (char *) doc.data);
                }

                free(doc.data);
            }

        } else if (rc != NGX_ABORT && rc != NGX_DECLINED) {
            bad++;
        }

        ngx_destroy_pool(pool);
    }

    free(buf);

    unit_ok(bad == 0 && good > n / 50 && good < n,
            "SEC-14 %u mutations, %u of them documents", (unsigned) n,
            (unsigned) good);
}


int
main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);

    entity.user = unit_string("romeo");
    entity.domain = unit_string("s.test");

    test_read();
    test_limits();
    test_truncated();
    test_memory();
    test_write();
    test_random();

    return unit_done();
}
