
/*
 * Tests of ngx_sip_pidf.c: rules PN and the rows of both presence tables that
 * are of documents, SEC-11, SEC-12, SEC-13, SEC-14, SEC-36.
 */


#include "unit.h"
#include "ngx_sip_pidf.h"
#include "ngx_fed_text.h"


#define SIZE  65536

#define HEAD  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"                    \
              "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\""               \
              " entity=\"pres:romeo@s.test\">"
#define TAIL  "</presence>"

#define PERSON(activity)                                                      \
    "<dm:person xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\""          \
    " xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" id=\"person\">"         \
    "<rpid:activities>" activity "</rpid:activities></dm:person>"

#define TUPLE(id, inner)                                                      \
    "<tuple id='" id "'><status><basic>open</basic></status>" inner "</tuple>"

#define STATUS(id, inner)                                                     \
    "<tuple id='" id "'><status>" inner "</status></tuple>"

#define RPID(inner)                                                           \
    "<activities xmlns='urn:ietf:params:xml:ns:pidf:rpid'>" inner             \
    "</activities>"

#define SHOW(value)  "<show xmlns='jabber:client'>" value "</show>"
#define OPEN         "<basic>open</basic>"
#define CLOSED       "<basic>closed</basic>"

#define A20          "aaaaaaaaaaaaaaaaaaaa"
#define A80          A20 A20 A20 A20


typedef struct {
    const char   *rule;
    const char   *input;
    const char   *output;     /* as dump() has it */
} pidf_case_t;


typedef struct {
    const char   *rule;
    const char   *input;
    const char   *charset;
    ngx_int_t     rc;
} pidf_rc_t;


static const char  *shows[] = { "", "away", "chat", "dnd", "xa" };


/* what is between HEAD and TAIL */

static pidf_case_t  cases[] = {

    /* basic */

    { "PN-20 PS01 open", TUPLE("ID-a", ""), "a:1::-:0\n" },
    { "PN-20 PS02 closed, no show, no priority",
      "<tuple id='ID-a'><status>" CLOSED SHOW("away") "</status>"
      "<contact priority='1'>sip:romeo@s.test</contact>"
      "<note>gone</note></tuple>",
      "a:0::-:0[=gone]\n" },
    { "PS35 no tuples", "", "" },
    { "PS35 a note only", "<note>hi</note>", "" },
    { "PN-34 order",
      TUPLE("ID-b", "") TUPLE("ID-a", "") TUPLE("ID-c", ""),
      "b:1::-:0\na:1::-:0\nc:1::-:0\n" },
    { "basic in other case", STATUS("ID-a", "<basic> Open\n</basic>"),
      "a:1::-:0\n" },
    { "basic of another value", STATUS("ID-a", "<basic>ajar</basic>"),
      "a:0::-:0\n" },
    { "basic twice", STATUS("ID-a", CLOSED OPEN), "a:0::-:0\n" },
    { "basic empty", STATUS("ID-a", "<basic/>"), "a:0::-:0\n" },
    { "PN-29 PS36 no basic", STATUS("ID-a", ""), "a:0::-:0\n" },
    { "PN-29 PS36 no status", "<tuple id='ID-a'/>", "a:0::-:0\n" },
    { "PN-29 show instead of basic", STATUS("ID-a", SHOW("dnd")),
      "a:1:dnd:-:0\n" },
    { "PN-29 another extension instead of basic",
      STATUS("ID-a", "<x xmlns='urn:x'>open</x>"), "a:0::-:0\n" },
    { "PN-29 an activity instead of basic",
      STATUS("ID-a", RPID("<away/>")), "a:0::-:0\n" },
    { "PN-29 bad show instead of basic", STATUS("ID-a", SHOW("busy")),
      "a:0::-:0\n" },

    /* names */

    { "PN-21 PS28 ID-", TUPLE("ID-dev", ""), "dev:1::-:0\n" },
    { "PN-21 gr", TUPLE("bs35r9", "<contact>sip:romeo@s.test;gr=balcony"
                        "</contact>"), "balcony:1::-:0\n" },
    { "PN-21 two contacts", TUPLE("x", "<contact>sip:romeo@s.test;gr=a"
                                  "</contact><contact>sip:romeo@s.test;gr=b"
                                  "</contact>"), "a:1::-:0\n" },
    { "PN-21 gr of sips", TUPLE("bs35r9", "<contact> sips:romeo@s.test"
                                ";gr=b%20c</contact>"), "b c:1::-:0\n" },
    { "PN-21 ID- before gr", TUPLE("ID-a", "<contact>sip:romeo@s.test;gr=b"
                                   "</contact>"), "a:1::-:0\n" },
    { "PN-21 id as it is", TUPLE("bs35r9", "<contact>sip:romeo@s.test"
                                 "</contact>"), "bs35r9:1::-:0\n" },
    { "PN-21 id with a bad contact", TUPLE("bs35r9", "<contact>sip:;;"
                                           "</contact>"), "bs35r9:1::-:0\n" },
    { "PN-21 nothing in ID-", TUPLE("ID-", ""), ":1::-:0\n" },
    { "PN-21 no id", "<tuple><status>" OPEN "</status></tuple>",
      ":1::-:0\n" },
    { "PN-21 decoded", TUPLE("ID-a_x0020_b_x002F_c_x1F600_", ""),
      "a b/c\xf0\x9f\x98\x80:1::-:0\n" },
    { "PN-21 lower case, more digits", TUPLE("ID-_x002f__x01f600_", ""),
      "/\xf0\x9f\x98\x80:1::-:0\n" },
    { "PN-21 not escapes",
      TUPLE("ID-_x41__x00G0__x_x110000__x0000041__xD800__x0041", ""),
      "_x41__x00G0__x_x110000__x0000041__xD800__x0041:1::-:0\n" },
    { "PN-21 once only", TUPLE("ID-_x005F_x0041_", ""),
      "_x0041_:1::-:0\n" },
    { "PN-21 SEC-11 control", TUPLE("ID-a_x0001_", ""), ":1::-:0\n" },
    { "PN-21 SEC-11 NUL", TUPLE("ID-a_x0000_b", ""), ":1::-:0\n" },
    { "PN-21 SEC-11 no character", TUPLE("ID-a_xFFFF_", ""), ":1::-:0\n" },
    { "PN-21 control, but gr", TUPLE("ID-_x0007_", "<contact>sip:romeo@s.test"
                                     ";gr=b</contact>"), "b:1::-:0\n" },
    { "PN-21 SEC-14 control in gr", TUPLE("x", "<contact>sip:romeo@s.test"
                                          ";gr=b%07</contact>"),
      "x:1::-:0\n" },
    { "PN-21 SEC-15 broken UTF-8 in gr",
      TUPLE("x", "<contact>sip:romeo@s.test;gr=%C0%AF</contact>"),
      "x:1::-:0\n" },
    { "PN-21 same id", TUPLE("ID-a", "<note>1</note>")
                       TUPLE("ID-a", "<note>2</note>"),
      "a:1::-:0[=1]\n" },
    { "PN-21 same id, closed and open", STATUS("ID-a", CLOSED)
                                        TUPLE("ID-b", "")
                                        TUPLE("ID-a", "<note>2</note>"),
      "a:1::-:0[=2]\nb:1::-:0\n" },
    { "PN-21 same id, open and closed", TUPLE("ID-a", "<note>1</note>")
                                        STATUS("ID-a", CLOSED),
      "a:1::-:0[=1]\n" },
    { "PN-21 same name from gr", TUPLE("ID-a", "")
                                 TUPLE("x", "<contact>sip:romeo@s.test;gr=a"
                                       "</contact><note>2</note>"),
      "a:1::-:0\n" },

    /* show */

    { "PN-26 PS33 away", STATUS("ID-a", OPEN SHOW("away")),
      "a:1:away:-:0\n" },
    { "PN-26 PS33 chat", STATUS("ID-a", OPEN SHOW(" chat ")),
      "a:1:chat:-:0\n" },
    { "PN-26 PS33 dnd", STATUS("ID-a", OPEN SHOW("dnd")), "a:1:dnd:-:0\n" },
    { "PN-26 PS33 xa", STATUS("ID-a", OPEN SHOW("xa")), "a:1:xa:-:0\n" },
    { "PN-26 busy", STATUS("ID-a", OPEN SHOW("busy")), "a:1::-:0\n" },
    { "PN-26 other case", STATUS("ID-a", OPEN SHOW("DND")), "a:1::-:0\n" },
    { "PN-26 two", STATUS("ID-a", OPEN SHOW("dnd") SHOW("away")),
      "a:1:dnd:-:0\n" },
    { "PN-26 two, the first is bad",
      STATUS("ID-a", OPEN SHOW("busy") SHOW("away")), "a:1::-:0\n" },
    { "PN-26 in no namespace",
      STATUS("ID-a", OPEN "<show xmlns=''>away</show>"), "a:1::-:0\n" },
    { "PN-26 in that of PIDF", STATUS("ID-a", OPEN "<show>away</show>"),
      "a:1::-:0\n" },
    { "PN-26 not in status", TUPLE("ID-a", SHOW("away")), "a:1::-:0\n" },

    /* activities; each is tested by its row of the table */

    { "PN-27 busy and away", STATUS("ID-a", OPEN RPID("<busy/><away/>")),
      "a:1:dnd:-:0\n" },
    { "PN-27 away and busy", STATUS("ID-a", OPEN RPID("<away/><busy/>")),
      "a:1:dnd:-:0\n" },
    { "PN-27 away and vacation",
      STATUS("ID-a", OPEN RPID("<away/><vacation/>")),
      "a:1:xa:-:0\n" },
    { "PN-27 vacation and away",
      STATUS("ID-a", OPEN RPID("<vacation/><away/>")),
      "a:1:xa:-:0\n" },
    { "PN-27 in the tuple", TUPLE("ID-a", RPID("<away/>")), "a:1:away:-:0\n" },
    { "PN-27 of the person", TUPLE("ID-a", "") PERSON("<rpid:meal/>"),
      "a:1:away:-:0\n" },
    { "PN-27 of the person, before the tuples",
      PERSON("<rpid:meal/>") TUPLE("ID-a", "") TUPLE("ID-b", ""),
      "a:1:away:-:0\nb:1:away:-:0\n" },
    { "PN-27 of the tuple and the person",
      TUPLE("ID-a", RPID("<away/>")) PERSON("<rpid:busy/>"),
      "a:1:dnd:-:0\n" },
    { "PN-27 of the person and the tuple",
      TUPLE("ID-a", RPID("<busy/>")) PERSON("<rpid:away/>"),
      "a:1:dnd:-:0\n" },
    { "PN-27 show wins", STATUS("ID-a", OPEN SHOW("chat") RPID("<busy/>")),
      "a:1:chat:-:0\n" },
    { "PN-27 bad show doesn't", STATUS("ID-a", OPEN SHOW("busy")
                                       RPID("<away/>")),
      "a:1:away:-:0\n" },
    { "PN-27 closed", STATUS("ID-a", CLOSED) PERSON("<rpid:busy/>"),
      "a:0::-:0\n" },
    { "PN-27 person as another tuple's show",
      STATUS("ID-a", OPEN SHOW("dnd")) TUPLE("ID-b", "")
      PERSON("<rpid:busy/>"),
      "a:1:dnd:-:0\nb:1::-:0\n" },
    { "PN-27 person as another tuple's show, xa",
      STATUS("ID-a", OPEN SHOW("xa")) TUPLE("ID-b", "")
      PERSON("<rpid:away/>"),
      "a:1:xa:-:0\nb:1::-:0\n" },
    { "PN-27 person unlike another tuple's show",
      STATUS("ID-a", OPEN SHOW("away")) TUPLE("ID-b", "")
      PERSON("<rpid:busy/>"),
      "a:1:away:-:0\nb:1:dnd:-:0\n" },
    { "PN-27 unknown activity", TUPLE("ID-a", RPID("<rp/><busyy/><bus/>")),
      "a:1::-:0\n" },
    { "PN-27 activity of another namespace",
      TUPLE("ID-a", RPID("<busy xmlns='urn:x'/>")), "a:1::-:0\n" },
    { "PN-27 activity within an activity",
      TUPLE("ID-a", RPID("<unknown><busy/></unknown>")), "a:1::-:0\n" },
    { "PN-27 activities in no place for them",
      RPID("<busy/>") TUPLE("ID-a", ""), "a:1::-:0\n" },
    { "PN-27 form of drafts",
      STATUS("ID-a", OPEN "<ep:activities xmlns:ep="
             "'urn:ietf:params:xml:ns:pidf:status:rpid-status'>"
             "<ep:activity>on-the-phone</ep:activity></ep:activities>"),
      "a:1:dnd:-:0\n" },
    { "PS-R-idle with show",
      STATUS("ID-a", OPEN SHOW("chat") "<user-input xmlns="
             "'urn:ietf:params:xml:ns:pidf:rpid'>idle</user-input>"),
      "a:1:chat:-:0\n" },
    { "PS-R-idle active",
      TUPLE("ID-a", "<user-input xmlns='urn:ietf:params:xml:ns:pidf:rpid'>"
            "active</user-input>"), "a:1::-:0\n" },
    { "PS-R-idle with an activity",
      TUPLE("ID-a", RPID("<sleeping/>") "<user-input xmlns="
            "'urn:ietf:params:xml:ns:pidf:rpid'>idle</user-input>"),
      "a:1:xa:-:0\n" },

    /* priority */

    { "PN-25 PS29 0.5", TUPLE("ID-a", "<contact priority='0.5'>sip:r@s.test"
                              "</contact>"), "a:1::64:0\n" },
    { "PN-25 two contacts",
      TUPLE("ID-a", "<contact priority='0.5'>sip:r@s.test</contact>"
            "<contact priority='1'>sip:r@s.test</contact>"), "a:1::64:0\n" },
    { "PN-25 priority of the tuple", "<tuple id='ID-a' priority='1'><status>"
      OPEN "</status><contact>sip:r@s.test</contact></tuple>",
      "a:1::-:0\n" },

    /* notes */

    { "PN-24 PS30 note", TUPLE("ID-a", "<note> at home \n</note>"),
      "a:1::-:0[=at home]\n" },
    { "PN-24 PS30 languages",
      TUPLE("ID-a", "<note xml:lang='fr'>un</note><note xml:lang='cs'>jedna"
            "</note><note>one</note><note xml:lang='FR'>deux</note>"
            "<note>two</note>"),
      "a:1::-:0[fr=un][cs=jedna][=one]\n" },
    { "PN-24 too many languages",
      TUPLE("ID-a", "<note xml:lang='a'>1</note><note xml:lang='b'>2</note>"
            "<note xml:lang='c'>3</note><note xml:lang='d'>4</note>"
            "<note xml:lang='e'>5</note>"),
      "a:1::-:0[a=1][b=2][c=3][d=4]\n" },
    { "PN-24 PS31 of the document",
      TUPLE("ID-a", "<note>mine</note>") TUPLE("ID-b", "")
      STATUS("ID-c", CLOSED) "<note xml:lang='en'>all</note>",
      "a:1::-:0[=mine]\nb:1::-:0[en=all]\nc:0::-:0[en=all]\n" },
    { "PN-24 PS31 of the person",
      TUPLE("ID-a", "") "<person id='p' xmlns="
      "'urn:ietf:params:xml:ns:pidf:data-model'><note>all</note></person>",
      "a:1::-:0[=all]\n" },
    { "PN-24 of the activities",
      TUPLE("ID-a", RPID("<note>in a meeting</note><meeting/>")),
      "a:1:dnd:-:0[=in a meeting]\n" },
    { "PN-24 of the person's activities",
      TUPLE("ID-a", "") PERSON("<rpid:note>in a meeting</rpid:note>"),
      "a:1::-:0[=in a meeting]\n" },
    { "PN-24 of the tuple before the activities",
      TUPLE("ID-a", RPID("<note>in a meeting</note>") "<note>here</note>"),
      "a:1::-:0[=here]\n" },
    { "PS-R-other text", TUPLE("ID-a", RPID("<other>fishing</other>")),
      "a:1::-:0[=fishing]\n" },
    { "PS-R-other text of the person",
      TUPLE("ID-a", "") PERSON("<rpid:other>fishing</rpid:other>"),
      "a:1::-:0[=fishing]\n" },
    { "PS-R-other with a note",
      TUPLE("ID-a", RPID("<other>fishing</other>")) "<note>gone</note>",
      "a:1::-:0[=gone]\n" },
    { "PS-R-other closed",
      STATUS("ID-a", CLOSED RPID("<other>fishing</other>")), "a:0::-:0\n" },
    { "PN-24 empty", TUPLE("ID-a", "<note> </note><note/><note>x</note>"),
      "a:1::-:0[=x]\n" },
    { "PN-24 empty, then the document's",
      TUPLE("ID-a", "<note/>") "<note>all</note>", "a:1::-:0[=all]\n" },
    { "PN-24 language in scope",
      "<tuple id='ID-a' xml:lang='de'><status>" OPEN "</status>"
      "<note>eins</note><note xml:lang='en'>one</note></tuple>"
      TUPLE("ID-b", "<note>1</note>"),
      "a:1::-:0[de=eins][en=one]\nb:1::-:0[=1]\n" },
    { "PN-35 no language",
      TUPLE("ID-a", "<note xml:lang=\"x' y\">1</note>"), "a:1::-:0[=1]\n" },
    { "PN-35 markup in a language",
      TUPLE("ID-a", "<note xml:lang='&lt;a>'>1</note>"), "a:1::-:0[=1]\n" },
    { "PN-35 language too long",
      TUPLE("ID-a", "<note xml:lang='en-aaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa'>"
            "1</note>"), "a:1::-:0[=1]\n" },
    { "PN-35 subtags",
      TUPLE("ID-a", "<note xml:lang='zh-Hant-TW'>1</note>"
            "<note xml:lang='de-1996'>2</note><note xml:lang='de-'>3</note>"
            "<note xml:lang='1a'>4</note><note xml:lang='abcdefghi'>5</note>"
            "<note xml:lang='a--b'>6</note><note xml:lang='-a'>7</note>"),
      "a:1::-:0[zh-Hant-TW=1][de-1996=2][=3]\n" },
    { "PN-35 SEC-11 markup",
      TUPLE("ID-a", "<note>&lt;/status>&lt;/presence><![CDATA[<message/>]]>"
            "</note>"),
      "a:1::-:0[=</status></presence><message/>]\n" },
    { "PN-35 elements in a note",
      TUPLE("ID-a", "<note>a<b>c<note>x</note></b>d</note>"),
      "a:1::-:0[=ad]\n" },
    { "SEC-11 references", TUPLE("ID-a", "<note>&amp;#0; &#x41;&lt;</note>"),
      "a:1::-:0[=&#0; A<]\n" },
    { "a comment in a note", TUPLE("ID-a", "<note>a<!-- x -->b</note>"),
      "a:1::-:0[=ab]\n" },

    /* timestamp */

    { "PN-11 timestamp",
      TUPLE("ID-a", "<timestamp>2001-10-27T16:49:29Z</timestamp>"),
      "a:1::-:1004201369\n" },
    { "PN-11 two timestamps",
      TUPLE("ID-a", "<timestamp>now</timestamp>"
            "<timestamp>2001-10-27T16:49:29Z</timestamp>"
            "<timestamp>2002-10-27T16:49:29Z</timestamp>"),
      "a:1::-:1004201369\n" },
    { "PN-11 timestamp elsewhere",
      TUPLE("ID-a", "<timestamp> 2001-10-27T18:49:29.5+02:00 </timestamp>"),
      "a:1::-:1004201369\n" },
    { "PN-11 SEC-36 no timestamp",
      TUPLE("ID-a", "<timestamp>yesterday</timestamp>")
      TUPLE("ID-b", "<timestamp>2001-10-27T16:49:29</timestamp>")
      TUPLE("ID-c", "<timestamp>2001-13-27T16:49:29Z</timestamp>")
      TUPLE("ID-d", "<timestamp>99999999999999999999-01-01T00:00:00Z"
            "</timestamp>")
      TUPLE("ID-e", "<timestamp>1969-01-01T00:00:00Z</timestamp>")
      TUPLE("ID-f", "<timestamp/>"),
      "a:1::-:0\nb:1::-:0\nc:1::-:0\nd:1::-:0\ne:1::-:0\nf:1::-:0\n" },

    /* what is unknown */

    { "PN-28 unknown elements",
      "<x xmlns='urn:x'><tuple xmlns='urn:ietf:params:xml:ns:pidf' id='no'>"
      "<status>" OPEN "</status></tuple></x>"
      "<tuple id='ID-a'><y/><status>" OPEN "<z xmlns='urn:x'>"
      "<basic xmlns='urn:ietf:params:xml:ns:pidf'>closed</basic></z>"
      "</status></tuple>",
      "a:1::-:0\n" },
    { "PN-28 unknown element with a nested basic ahead",
      STATUS("ID-a", "<z xmlns='urn:x'><basic xmlns="
             "'urn:ietf:params:xml:ns:pidf'>closed</basic></z>" OPEN),
      "a:1::-:0\n" },
    { "PN-28 mustUnderstand",
      STATUS("ID-a", "<z xmlns='urn:x' xmlns:p='urn:ietf:params:xml:ns:pidf'"
             " p:mustUnderstand='1'>q</z>" OPEN), "a:1::-:0\n" },
    { "PN-28 elements in wrong places",
      "<basic>open</basic><status/>"
      TUPLE("ID-a", CLOSED "<tuple id='ID-b'><status>" OPEN "</status>"
            "</tuple>"),
      "a:1::-:0\n" },
    { "PN-32 names of other namespaces",
      "<tuple xmlns='urn:x' id='ID-a'/><tuple xmlns='' id='ID-b'/><presence/>"
      "<x:tuple xmlns:x='urn:ietf:params:xml:ns:pidf:' id='ID-c'/>", "" }
};


/* whole documents */

static pidf_rc_t  rcs[] = {
    { "PN-04 a document", HEAD TAIL, "", NGX_OK },
    { "PN-31 no declaration",
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='pres:romeo@s.test'/>", "", NGX_OK },
    { "a BOM", "\xef\xbb\xbf" HEAD TAIL, "", NGX_OK },
    { "a comment", "<!-- x -->"
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='pres:romeo@s.test'/>", "", NGX_OK },
    { "PN-32 prefix",
      "<impp:presence xmlns:impp='urn:ietf:params:xml:ns:pidf'"
      " entity='pres:romeo@s.test'/>", "", NGX_OK },

    /* PN-30, C48 */

    { "PN-30 sip", "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='sip:romeo@s.test'/>", "", NGX_OK },
    { "PN-30 sips", "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='SIPS:romeo@s.test'/>", "", NGX_OK },
    { "PN-30 im", "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='im:romeo@s.test'/>", "", NGX_OK },
    { "PN-30 case", "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='PRES:Romeo@S.Test'/>", "", NGX_OK },
    { "PN-30 escapes, port, parameters",
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity=' sip:%72omeo@s.test:5061;transport=tls '/>", "", NGX_OK },
    { "no scheme, ocs-wire 4.4",
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='Romeo@s.test'/>", "", NGX_OK },
    { "PN-30 no scheme, another user",
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='other@s.test'/>", "", NGX_DECLINED },
    { "PN-30 another scheme, and no more",
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='x:romeo@s.test'/>", "", NGX_DECLINED },
    { "PN-30 another user", "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='pres:other@s.test'/>", "", NGX_DECLINED },
    { "PN-30 another domain", "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='pres:romeo@x.test'/>", "", NGX_DECLINED },
    { "PN-30 no user", "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='pres:s.test'/>", "", NGX_DECLINED },
    { "PN-30 another scheme", "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='mailto:romeo@s.test'/>", "", NGX_DECLINED },
    { "PN-30 no URI", "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='sips'/>", "", NGX_DECLINED },
    { "PN-30 sips and no more", "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='sips:'/>", "", NGX_DECLINED },
    { "PN-30 empty", "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity=''/>", "", NGX_DECLINED },
    { "PN-30 no entity", "<presence xmlns='urn:ietf:params:xml:ns:pidf'/>",
      "", NGX_ABORT },
    { "PN-30 another user, and broken",
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='pres:other@s.test'>", "", NGX_ABORT },

    /* PN-31 */

    { "PN-31 declared ISO-8859-1",
      "<?xml version='1.0' encoding='ISO-8859-1'?>"
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='pres:romeo@s.test'/>", "", NGX_ABORT },
    { "PN-31 declared ISO-8859-1, charset utf-8",
      "<?xml version='1.0' encoding='ISO-8859-1'?>"
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='pres:romeo@s.test'/>", "utf-8", NGX_OK },
    { "PN-31 declared us-ascii", "<?xml version='1.0' encoding='us-ascii'?>"
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='pres:romeo@s.test'/>", "", NGX_OK },
    { "PN-31 declared UTF-16", "<?xml version='1.0' encoding='UTF-16'?>"
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='pres:romeo@s.test'/>", "", NGX_ABORT },
    { "PN-31 charset iso-8859-1", HEAD TAIL, "iso-8859-1", NGX_ABORT },
    { "PN-31 charset UTF-8", HEAD TAIL, "UTF-8", NGX_OK },

    /* no such documents */

    { "no root in that namespace",
      "<presence entity='pres:romeo@s.test'/>", "", NGX_ABORT },
    { "no presence", "<tuple xmlns='urn:ietf:params:xml:ns:pidf'/>", "",
      NGX_ABORT },
    { "XPIDF", "<presence><presentity uri='sip:romeo@s.test'/></presence>",
      "", NGX_ABORT },
    { "no XML", "hello", "", NGX_ABORT },
    { "nothing", "", "", NGX_ABORT },
    { "a space", " ", "", NGX_ABORT },
    { "two roots", HEAD TAIL "<x/>", "", NGX_ABORT },
    { "text behind", HEAD TAIL "x", "", NGX_ABORT },
    { "unbound prefix", HEAD "<p:tuple/>" TAIL, "", NGX_ABORT },
    { "SEC-14 ]]>", HEAD "<note>]]></note>" TAIL, "", NGX_ABORT },
    { "SEC-14 &#0;", HEAD "<note>&#0;</note>" TAIL, "", NGX_ABORT },
    { "SEC-14 &#x1;", HEAD "<note>&#x1;</note>" TAIL, "", NGX_ABORT },
    { "SEC-14 surrogate", HEAD "<note>&#xD800;</note>" TAIL, "", NGX_ABORT },
    { "SEC-14 control", HEAD "<note>\x01</note>" TAIL, "", NGX_ABORT },
    { "SEC-14 surrogate in UTF-8", HEAD "<note>\xed\xa0\x80</note>" TAIL, "",
      NGX_ABORT },
    { "SEC-14 broken UTF-8", HEAD "<note>\xc3</note>" TAIL, "", NGX_ABORT },
    { "SEC-14 overlong UTF-8", HEAD "<note>\xc0\xbc</note>" TAIL, "",
      NGX_ABORT },
    { "SEC-14 broken UTF-8 where all is ignored",
      HEAD "<x xmlns='urn:x'>\xff</x>" TAIL, "", NGX_ABORT },

    /* SEC-12 */

    { "SEC-12 DTD", "<!DOCTYPE presence>" "<presence xmlns="
      "'urn:ietf:params:xml:ns:pidf' entity='pres:romeo@s.test'/>", "",
      NGX_ABORT },
    { "SEC-12 external DTD", "<!DOCTYPE presence SYSTEM 'file:///etc/passwd'>"
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='pres:romeo@s.test'/>", "", NGX_ABORT },
    { "SEC-12 external entity",
      "<!DOCTYPE presence [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='pres:romeo@s.test'><note>&x;</note></presence>", "",
      NGX_ABORT },
    { "SEC-12 billion laughs",
      "<!DOCTYPE lolz [<!ENTITY a 'lol'>"
      "<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
      "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>"
      "<!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>"
      "<!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;'>"
      "<!ENTITY f '&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;'>"
      "<!ENTITY g '&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;'>]>"
      "<presence xmlns='urn:ietf:params:xml:ns:pidf'"
      " entity='pres:romeo@s.test'><note>&g;</note></presence>", "",
      NGX_ABORT },
    { "SEC-12 undeclared entity", HEAD "<note>&nbsp;</note>" TAIL, "",
      NGX_ABORT },
    { "SEC-12 undeclared entity in an attribute",
      HEAD "<tuple id='&x;'/>" TAIL, "", NGX_ABORT },
    { "SEC-12 processing instruction", HEAD "<?php x?>" TAIL, "", NGX_ABORT },
    { "SEC-12 processing instruction ahead",
      "<?xml-stylesheet href='x'?><presence xmlns="
      "'urn:ietf:params:xml:ns:pidf' entity='pres:romeo@s.test'/>", "",
      NGX_ABORT }
};


static const char  rich[] =
    "<?xml version='1.0' encoding='UTF-8'?>"
    "<impp:presence xmlns:impp='urn:ietf:params:xml:ns:pidf'"
    " xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model'"
    " xmlns:rpid='urn:ietf:params:xml:ns:pidf:rpid'"
    " entity='sips:romeo@s.test'>"
    "<impp:tuple id='ID-a_x0020_b'>"
    "<impp:status><impp:basic>open</impp:basic>"
    "<show xmlns='jabber:client'>dnd</show>"
    "<x:ext xmlns:x='urn:x' impp:mustUnderstand='1'><x:y>z</x:y></x:ext>"
    "</impp:status>"
    "<rpid:user-input>idle</rpid:user-input>"
    "<impp:contact priority='0.8'>sip:romeo@s.test;gr=a%20b</impp:contact>"
    "<impp:note xml:lang='en'>Don't <![CDATA[<disturb>]]></impp:note>"
    "<impp:note xml:lang='fr'>&#xe9;t\xc3\xa9 &amp; hiver</impp:note>"
    "<impp:timestamp>2001-10-27T16:49:29Z</impp:timestamp>"
    "</impp:tuple>"
    "<impp:tuple id='t\xc3\xa9l'><impp:status>"
    "<impp:basic>open</impp:basic></impp:status>"
    "<impp:contact priority='0.25'>sips:romeo@s.test;gr=urn%3Ax</impp:contact>"
    "</impp:tuple>"
    "<impp:tuple id='\xc3\xa9t\xc3\xa9'><impp:status>"
    "<impp:basic>closed</impp:basic></impp:status></impp:tuple>"
    "<impp:note>all</impp:note>"
    "<dm:person id='p1' xml:lang='de'><rpid:activities>"
    "<rpid:note>x</rpid:note><rpid:away/><rpid:other>fishing</rpid:other>"
    "</rpid:activities><dm:note>person</dm:note></dm:person>"
    "</impp:presence>";


static const char  rich_dump[] =
    "a b:1:dnd:102:1004201369[en=Don't <disturb>]"
    "[fr=\xc3\xa9t\xc3\xa9 & hiver]\n"
    "urn:x:1:away:32:0[cs=all][de=person]\n"
    "\xc3\xa9t\xc3\xa9:0::-:0[cs=all][de=person]\n";


static const char  *words[] = {
    "<", ">", "</", "/>", "'", "\"", "&", ";", "&amp;", "&#", "&#x10ffff;",
    "]]>", "<![CDATA[", "<!--", "-->", "<?x?>", "<!DOCTYPE x [", "xmlns='",
    "urn:ietf:params:xml:ns:pidf", "<impp:tuple id='ID-", "</impp:tuple>",
    "<impp:status>", "</impp:status>", "<impp:basic>open</impp:basic>",
    "<impp:note>", "</impp:note>", "<rpid:activities>", "<rpid:busy/>",
    "</rpid:activities>", "<show xmlns='jabber:client'>xa</show>", "_x", "_",
    "_x0041_", "_x10FFFF_", "_x0000_", "ID-", ";gr=", "%41", "%ff", "0.5",
    "priority='", "xml:lang='", "en-US", "\xc3\xa9", "\xf0\x9f\x98\x80",
    "\xff", "\xed\xa0\x80", "2001-10-27T16:49:29Z", "+02:00"
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

        p += sprintf((char *) p, "%.*s:%d:%s:", (int) res->name.len,
                     (char *) res->name.data, res->available,
                     shows[res->show]);

        if (res->priority == NGX_FED_NO_PRIORITY) {
            *p++ = '-';

        } else {
            p += sprintf((char *) p, "%d", (int) res->priority);
        }

        p += sprintf((char *) p, ":%ld", (long) res->stamp);

        for (k = 0; k < res->nstatuses; k++) {
            status = &res->statuses[k];

            p += sprintf((char *) p, "[%.*s=%.*s]", (int) status->lang.len,
                         (char *) status->lang.data, (int) status->text.len,
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
    const char *lang, ngx_fed_presence_t *presence)
{
    ngx_int_t   rc;
    ngx_str_t   copy, s, l;

    copy = unit_copy(body);
    s = unit_string(charset);
    l = unit_string(lang);
    l = unit_copy(&l);

    memset(presence, 0xa5, sizeof(ngx_fed_presence_t));

    rc = ngx_sip_pidf_read(pool, &copy, &s, &l, &entity, presence);

    free(copy.data);
    free(l.data);

    if (rc != NGX_OK && presence->n) {
        unit_ok(0, "presence is empty with rc %d", (int) rc);
    }

    return rc;
}


/* into just as much as it is said to take */

static ngx_str_t
write_document(ngx_fed_presence_t *presence, ngx_fed_address_t *addr)
{
    size_t      size;
    ngx_str_t   s;

    size = ngx_sip_pidf_size(presence, addr);

    s.data = malloc(size);
    s.len = ngx_sip_pidf_write(s.data, presence, addr) - s.data;

    if (s.len > size) {
        unit_ok(0, "size %u of %u", (unsigned) size, (unsigned) s.len);
    }

    return s;
}


static void
check_read(const char *rule, ngx_str_t *body, const char *lang,
    const char *expected)
{
    ngx_int_t            rc;
    ngx_str_t            s, got;
    ngx_pool_t          *pool;
    ngx_fed_presence_t   presence;

    pool = ngx_create_pool(4096, NULL);

    rc = read_document(pool, body, "", lang, &presence);

    if (rc != NGX_OK) {
        unit_ok(0, "%s: rc %d", rule, (int) rc);

    } else {
        got = dump(&presence);
        s = unit_string(expected);
        unit_is(&got, &s, "%s", rule);
    }

    ngx_destroy_pool(pool);
}


static void
test_read(void)
{
    char         buf[SIZE];
    ngx_int_t    rc;
    ngx_str_t    s;
    ngx_uint_t   i;
    ngx_pool_t  *pool;

    static ngx_fed_presence_t  presence;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(buf, sizeof(buf), HEAD "%s" TAIL, cases[i].input);
        s = unit_string(buf);
        check_read(cases[i].rule, &s, "", cases[i].output);
    }

    for (i = 0; i < sizeof(rcs) / sizeof(rcs[0]); i++) {
        pool = ngx_create_pool(4096, NULL);
        s = unit_string(rcs[i].input);
        rc = read_document(pool, &s, rcs[i].charset, "", &presence);
        unit_ok(rc == rcs[i].rc, "%s: %d", rcs[i].rule, (int) rc);
        ngx_destroy_pool(pool);
    }

    s = unit_string(rich);
    check_read("PN-32 a prefix for each namespace", &s, "cs, en", rich_dump);

    /* PS32 */

    s = unit_string(HEAD TUPLE("ID-a", "<note xml:lang='fr'>un</note>"
                               "<note>one</note>") TAIL);
    check_read("PN-24 PS32 Content-Language", &s, " en-US , cs",
               "a:1::-:0[fr=un][en-US=one]\n");
    check_read("PN-35 PS32 no Content-Language", &s, "<x>",
               "a:1::-:0[fr=un][=one]\n");
    check_read("PS32 Content-Language as the note's", &s, "FR",
               "a:1::-:0[fr=un]\n");

    s = unit_string(HEAD TUPLE("ID-a", "<note xml:lang=\"x' y\">un</note>")
                    TAIL);
    check_read("PN-35 Content-Language instead", &s, "en",
               "a:1::-:0[en=un]\n");
}


static void
test_rows_to_xmpp(const char *dir)
{
    char           buf[4096], expected[256], *name;
    const char    *show;
    ngx_str_t      s;
    ngx_uint_t     i, k, n;
    unit_table_t   table;

    static const char  *forms[] = {
        HEAD "<tuple id='ID-a'><status>" OPEN RPID("<%s/>") "</status></tuple>"
        TAIL,
        HEAD TUPLE("ID-a", RPID("<%s>x</%s>")) TAIL,
        HEAD TUPLE("ID-a", "") PERSON("<rpid:%s/>") TAIL
    };

    unit_table(&table, dir, "presence_sip_to_xmpp.tsv");

    n = 0;

    for (i = 0; i < table.nrows; i++) {
        name = table.rows[i].column[1];

        if (strncmp(table.rows[i].column[0], "PS-R-", 5) != 0) {
            continue;
        }

        show = strstr(table.rows[i].column[3], "show=");
        show = show ? show + 5 : "?";

        snprintf(expected, sizeof(expected), "a:1:%.*s:-:0\n",
                 (int) (show[0] == '(' ? 0 : strcspn(show, ";")), show);

        if (strcmp(name, "rpid user-input idle") == 0) {
            s = unit_string(HEAD TUPLE("ID-a", "<user-input xmlns="
                                       "'urn:ietf:params:xml:ns:pidf:rpid'>"
                                       "idle</user-input>") TAIL);
            check_read(table.rows[i].column[0], &s, "", expected);
            n++;
            continue;
        }

        name = strchr(name, '/') + 1;

        for (k = 0; k < 3; k++) {

            if (k == 1 && strcmp(name, "other") == 0) {
                strcpy(strchr(expected, '\n'), "[=x]\n");
            }

            if (k == 2 && strcmp(name, "other") == 0) {
                strcpy(strchr(expected, '['), "\n");
            }

            snprintf(buf, sizeof(buf), forms[k], name, name);
            s = unit_string(buf);
            check_read(table.rows[i].column[0], &s, "", expected);
        }

        n++;
    }

    unit_ok(n == 28, "PN-27 %u rows PS-R", (unsigned) n);
    unit_table_free(&table);
}


static void
test_rows_to_sip(const char *dir)
{
    char                 **row, *in, buf[4096];
    const char            *p, *activity;
    ngx_str_t              s, got;
    ngx_uint_t             i, k, n, show;
    unit_table_t           table;
    ngx_fed_presence_t     presence;

    unit_table(&table, dir, "presence_xmpp_to_sip.tsv");

    n = 0;

    for (i = 0; i < table.nrows; i++) {
        row = table.rows[i].column;
        in = row[1];

        if (strncmp(in, "show=", 5) != 0) {
            continue;
        }

        show = 0;

        for (k = 1; k < 5; k++) {
            if (strcmp(in + 5, shows[k]) == 0) {
                show = k;
            }
        }

        memset(&presence, 0, sizeof(presence));
        presence.n = 1;
        presence.resources[0].available = 1;
        presence.resources[0].show = show;
        presence.resources[0].name = unit_string("a");
        presence.resources[0].priority = NGX_FED_NO_PRIORITY;

        p = strstr(row[3], "rpid ");
        activity = "";

        if (strcmp(p, "rpid away") == 0) {
            activity = PERSON("<rpid:away/>");

        } else if (strcmp(p, "rpid busy") == 0) {
            activity = PERSON("<rpid:busy/>");
        }

        snprintf(buf, sizeof(buf), HEAD "<tuple id=\"ID-a\"><status>"
                 "<basic>open</basic><show xmlns=\"jabber:client\">%s</show>"
                 "</status><contact>sip:romeo@s.test;gr=a</contact></tuple>"
                 "%s" TAIL, shows[show], activity);

        got = write_document(&presence, &entity);
        s = unit_string(buf);
        unit_is(&got, &s, "PN-08 %s %s", row[0], in);
        free(got.data);
        n++;
    }

    unit_ok(n == 4, "PX22 .. PX25: %u rows", (unsigned) n);
    unit_table_free(&table);
}


static ngx_fed_resource_t *
add(ngx_fed_presence_t *presence, const char *name, ngx_uint_t available,
    ngx_fed_show_e show, ngx_int_t priority)
{
    ngx_fed_resource_t  *res;

    res = &presence->resources[presence->n++];
    memset(res, 0, sizeof(ngx_fed_resource_t));

    res->name = unit_string(name);
    res->available = available;
    res->show = show;
    res->priority = priority;

    return res;
}


static void
say(ngx_fed_resource_t *res, const char *lang, const char *text)
{
    res->statuses[res->nstatuses].lang = unit_string(lang);
    res->statuses[res->nstatuses++].text = unit_string(text);
}


static void
check_write(ngx_fed_presence_t *presence, const char *expected,
    const char *rule)
{
    ngx_str_t  s, got;

    got = write_document(presence, &entity);
    s = unit_string(expected);
    unit_is(&got, &s, "%s", rule);
    free(got.data);
}


static void
test_write(void)
{
    ngx_str_t            got, s;
    ngx_fed_address_t    addr;
    ngx_fed_resource_t  *res;

    static ngx_fed_presence_t  presence;

    check_write(&presence, HEAD TAIL, "PN-04 no tuples");

    res = add(&presence, "1", 1, NGX_FED_SHOW_NONE, 64);
    res->stamp = 1004201369;
    say(res, "en", "a < b & c");
    say(res, "cs", "doma");
    say(res, "", "x\x01y");
    say(res, "x' y", "]]>");

    res = add(&presence, "a b", 0, NGX_FED_SHOW_AWAY, 5);
    res->stamp = (time_t) 253402300800;

    res = add(&presence, "", 1, NGX_FED_SHOW_NONE, -1);
    res->stamp = -1;

    check_write(&presence, HEAD
                "<tuple id=\"ID-1\"><status><basic>open</basic></status>"
                "<contact priority=\"0.503\">sip:romeo@s.test;gr=1</contact>"
                "<note xml:lang=\"en\">a &lt; b &amp; c</note>"
                "<note xml:lang=\"cs\">doma</note>"
                "<note>x\xef\xbf\xbdy</note>"
                "<note>]]&gt;</note>"
                "<timestamp>2001-10-27T16:49:29Z</timestamp></tuple>"
                "<tuple id=\"ID-a_x0020_b\"><status><basic>closed</basic>"
                "</status><contact>sip:romeo@s.test;gr=a%20b</contact></tuple>"
                "<tuple id=\"ID-\"><status><basic>open</basic></status>"
                "<contact>sip:romeo@s.test</contact></tuple>" TAIL,
                "PN-01 PN-03 PN-05 PN-06 PN-09 PN-11 PN-14 PX27 PX29 PX32");

    /* the whole of a user part, and of a resource, in a URI and in XML */

    presence.n = 0;
    add(&presence, "o'&\"<b>;=", 1, NGX_FED_SHOW_NONE, NGX_FED_NO_PRIORITY);

    memset(&addr, 0, sizeof(addr));
    addr.user = unit_string("o'm&a?l/;,e y");
    addr.domain = unit_string("s.test");
    addr.resource = unit_string("no");

    say(&presence.resources[0], "en", "");

    got = write_document(&presence, &addr);
    s = unit_string("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
                    "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\""
                    " entity=\"pres:o%27m%26a%3Fl%2F%3B%2Ce%20y@s.test\">"
                    "<tuple id=\"ID-o_x0027__x0026__x0022__x003C_b_x003E_"
                    "_x003B__x003D_\"><status><basic>open</basic></status>"
                    "<contact>sip:o&apos;m&amp;a?l/;,e%20y@s.test"
                    ";gr=o&apos;&amp;%22%3Cb%3E%3B%3D</contact></tuple>" TAIL);
    unit_is(&got, &s, "PN-04 SEC-11 C48 addresses in XML");
    free(got.data);

    /* what should never be there: no user, a resource that isn't UTF-8 */

    presence.n = 0;
    add(&presence, "a\xff\xe2\x82", 1, NGX_FED_SHOW_NONE, 1000);

    ngx_str_null(&addr.user);

    got = write_document(&presence, &addr);
    s = unit_string("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
                    "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\""
                    " entity=\"pres:s.test\"><tuple id=\"ID-a_xFFFD__xFFFD_\">"
                    "<status><basic>open</basic></status>"
                    "<contact priority=\"1\">sip:s.test;gr=a%FF%E2%82"
                    "</contact></tuple>" TAIL);
    unit_is(&got, &s, "SEC-14 a resource that isn't UTF-8");
    free(got.data);
}


/* the person does what the resource with the highest priority says */

static void
check_person(ngx_fed_presence_t *presence, const char *activity,
    const char *what)
{
    ngx_str_t   got;
    ngx_uint_t  away, busy;

    got = write_document(presence, &entity);

    got.data = realloc(got.data, got.len + 1);
    got.data[got.len] = '\0';

    away = strstr((char *) got.data, "<rpid:away/>") != NULL;
    busy = strstr((char *) got.data, "<rpid:busy/>") != NULL;

    unit_ok(away == (strcmp(activity, "away") == 0)
            && busy == (strcmp(activity, "busy") == 0),
            "PN-08 %s: %s", what, activity[0] ? activity : "none");

    free(got.data);
    presence->n = 0;
}


static void
test_person(void)
{
    static ngx_fed_presence_t  p;

    add(&p, "a", 1, NGX_FED_SHOW_DND, 5);
    add(&p, "b", 1, NGX_FED_SHOW_NONE, 0);
    check_person(&p, "busy", "dnd ahead of none");

    add(&p, "a", 1, NGX_FED_SHOW_DND, 0);
    add(&p, "b", 1, NGX_FED_SHOW_NONE, 5);
    check_person(&p, "", "none ahead of dnd");

    add(&p, "a", 1, NGX_FED_SHOW_DND, 0);
    add(&p, "b", 1, NGX_FED_SHOW_AWAY, NGX_FED_NO_PRIORITY);
    check_person(&p, "away", "dnd beside away, 0 beside none");

    add(&p, "a", 1, NGX_FED_SHOW_CHAT, 1);
    add(&p, "b", 1, NGX_FED_SHOW_XA, 1);
    check_person(&p, "", "chat beside xa");

    add(&p, "a", 1, NGX_FED_SHOW_XA, -128);
    check_person(&p, "away", "xa with a negative priority");

    add(&p, "a", 0, NGX_FED_SHOW_NONE, NGX_FED_NO_PRIORITY);
    add(&p, "b", 1, NGX_FED_SHOW_DND, -1);
    check_person(&p, "busy", "dnd beside unavailable");

    add(&p, "a", 0, NGX_FED_SHOW_DND, 100);
    check_person(&p, "", "unavailable");
}


static void
test_priority(void)
{
    char                 buf[4096];
    ngx_str_t            s;
    ngx_int_t            p;
    ngx_uint_t           i, bad;
    ngx_pool_t          *pool;

    static ngx_fed_presence_t  presence, back;

    static struct {
        const char      *text;
        ngx_int_t        priority;
    } values[] = {
        { "0", 0 }, { "1", 127 }, { "0.0", 0 }, { "1.0", 127 },
        { "1.000", 127 }, { "1.", 127 }, { ".5", 64 }, { "0.5", 64 },
        { " 0.5 ", 64 }, { "0.001", 1 }, { "0.3", 39 },
        { "0.007", 1 }, { "0.015", 2 }, { "0.992", 126 },
        { "0.0071", 1 }, { "0.0001", 0 }, { "0.9999", 127 },
        { "0.50000000000000000000000000", 64 }, { "00.5", 64 },
        { "1.0000000", 127 }, { "1.0001", NGX_FED_NO_PRIORITY },
        { "1.001", NGX_FED_NO_PRIORITY }, { "2", NGX_FED_NO_PRIORITY },
        { "abc", NGX_FED_NO_PRIORITY }, { "", NGX_FED_NO_PRIORITY },
        { ".", NGX_FED_NO_PRIORITY }, { "-0.5", NGX_FED_NO_PRIORITY },
        { "-1", NGX_FED_NO_PRIORITY }, { "0,5", NGX_FED_NO_PRIORITY },
        { "0.5x", NGX_FED_NO_PRIORITY }, { "0.5.5", NGX_FED_NO_PRIORITY },
        { "1e0", NGX_FED_NO_PRIORITY }, { "NaN", NGX_FED_NO_PRIORITY },
        { "2147483648", NGX_FED_NO_PRIORITY },
        { "4294967296", NGX_FED_NO_PRIORITY },
        { "18446744073709551616", NGX_FED_NO_PRIORITY },
        { "1000000000000000000000000000000", NGX_FED_NO_PRIORITY }
    };

    static struct {
        ngx_int_t        priority;
        const char      *attribute;
    } written[] = {
        { 0, " priority=\"0\"" }, { 1, " priority=\"0.007\"" },
        { 2, " priority=\"0.015\"" }, { 126, " priority=\"0.992\"" },
        { 127, " priority=\"1\"" }, { 64, " priority=\"0.503\"" },
        { 33, " priority=\"0.259\"" }, { 89, " priority=\"0.7\"" },
        { 108, " priority=\"0.85\"" },
        { -1, "" }, { -128, "" }, { NGX_FED_NO_PRIORITY, "" }
    };

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        snprintf(buf, sizeof(buf), HEAD TUPLE("ID-a", "<contact priority='%s'>"
                 "sip:romeo@s.test</contact>") TAIL, values[i].text);
        s = unit_string(buf);

        pool = ngx_create_pool(4096, NULL);
        (void) read_document(pool, &s, "", "", &back);
        unit_ok(back.n == 1
                && back.resources[0].priority == values[i].priority,
                "PN-25 PS29 SEC-36 priority \"%s\"", values[i].text);
        ngx_destroy_pool(pool);
    }

    for (i = 0; i < sizeof(written) / sizeof(written[0]); i++) {
        presence.n = 0;
        add(&presence, "a", 1, NGX_FED_SHOW_NONE, written[i].priority);

        snprintf(buf, sizeof(buf), HEAD "<tuple id=\"ID-a\"><status>"
                 "<basic>open</basic></status><contact%s>"
                 "sip:romeo@s.test;gr=a</contact></tuple>" TAIL,
                 written[i].attribute);
        check_write(&presence, buf, "PN-06 PN-07 PX28 PX29 PX30");
    }

    bad = 0;

    for (p = 0; p < 128; p++) {
        presence.n = 0;
        add(&presence, "a", 1, NGX_FED_SHOW_NONE, p);

        pool = ngx_create_pool(4096, NULL);
        s = write_document(&presence, &entity);
        (void) read_document(pool, &s, "", "", &back);

        if (back.n != 1 || back.resources[0].priority != p) {
            unit_diag("priority %d", (int) p);
            bad++;
        }

        free(s.data);
        ngx_destroy_pool(pool);
    }

    unit_ok(bad == 0, "PN-07 PX28 PS29 all 128 priorities there and back");
}


/* the id of the only tuple */

static ngx_str_t
tuple_id(ngx_str_t *doc)
{
    u_char     *p;
    ngx_str_t   id;

    p = doc->data + sizeof(HEAD "<tuple id=\"") - 1;

    id.data = p;
    id.len = (u_char *) memchr(p, '"', doc->data + doc->len - p) - p;

    return id;
}


static ngx_uint_t
is_ncname(ngx_str_t *id)
{
    size_t  i;
    u_char  ch;

    for (i = 0; i < id->len; i++) {
        ch = id->data[i];

        if (!((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z') && ch != '_'
            && (i == 0 || (!(ch >= '0' && ch <= '9') && ch != '-'
                           && ch != '.')))
        {
            return 0;
        }
    }

    return id->len != 0;
}


static ngx_uint_t
check_name(ngx_str_t *name, ngx_str_t *id)
{
    ngx_str_t           doc;
    ngx_uint_t          ok;
    ngx_pool_t         *pool;

    static ngx_fed_presence_t  presence, back;

    presence.n = 0;
    add(&presence, "", 1, NGX_FED_SHOW_NONE, NGX_FED_NO_PRIORITY);
    presence.resources[0].name = *name;

    pool = ngx_create_pool(4096, NULL);
    doc = write_document(&presence, &entity);
    *id = tuple_id(&doc);

    ok = is_ncname(id)
         && read_document(pool, &doc, "", "", &back) == NGX_OK
         && back.n == 1
         && back.resources[0].name.len == name->len
         && (name->len == 0
             || memcmp(back.resources[0].name.data, name->data, name->len)
                == 0);

    *id = unit_copy(id);

    free(doc.data);
    ngx_destroy_pool(pool);

    return ok;
}


static void
test_names(void)
{
    u_char       buf[2048];
    size_t       len;
    ngx_str_t    name, other, id, s;
    ngx_uint_t   i, bad;

    static struct {
        const char  *name;
        const char  *id;
    } names[] = {
        { "dev", "ID-dev" },
        { "1", "ID-1" },
        { "", "ID-" },
        { "a b", "ID-a_x0020_b" },
        { "a/b", "ID-a_x002F_b" },
        { "a:b", "ID-a_x003A_b" },
        { "-._", "ID--._" },
        { "a_b", "ID-a_b" },
        { "_x", "ID-_x005F_x" },
        { "_X", "ID-_X" },
        { "__x", "ID-__x005F_x" },
        { "x_", "ID-x_" },
        { "/x_", "ID-_x002F_x_" },
        { "/x0041_", "ID-_x002F_x0041_" },
        { "_x0041_", "ID-_x005F_x0041_" },
        { "_x005F_x0041_", "ID-_x005F_x005F_x005F_x0041_" },
        { "ID-a", "ID-ID-a" },
        { "<&\"'>", "ID-_x003C__x0026__x0022__x0027__x003E_" },
        { "\xc3\xa9", "ID-_x00E9_" },
        { "\xe2\x82\xac", "ID-_x20AC_" },
        { "\xf0\x9f\x98\x80", "ID-_x1F600_" }
    };

    static const char  *pieces[] = {
        "_", "x", "_x", "0041", "_x0041_", "X", "A", "a", "ID-", "/", " a",
        "5F", "-", ".", ":", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xe2\x82\xac",
        "\""
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        name = unit_string(names[i].name);
        bad = !check_name(&name, &id);
        s = unit_string(names[i].id);
        unit_is(&id, &s, "PN-02 PX32 id of \"%s\"", names[i].name);
        unit_ok(!bad, "PN-21 PS28 and back");
        free(id.data);
    }

    bad = 0;

    for (i = 0; i < 20000; i++) {
        len = 0;

        do {
            s = unit_string(pieces[unit_random(sizeof(pieces)
                                               / sizeof(pieces[0]))]);
            memcpy(buf + len, s.data, s.len);
            len += s.len;
        } while (len < 40 && unit_random(6));

        name.data = buf;
        name.len = len;

        if (!check_name(&name, &id)) {
            bad++;
            unit_diag("%.*s", (int) name.len, (char *) name.data);
        }

        free(id.data);
    }

    unit_ok(bad == 0, "PN-02 PN-21 random names there and back");

    /* as long as may be */

    memset(buf, '/', 1023);
    name.data = buf;
    name.len = 1023;
    unit_ok(check_name(&name, &id) && id.len == 3 + 1023 * 7,
            "PN-02 a name of 1023 octets");
    free(id.data);

    memset(buf, '\'', 1023);
    unit_ok(check_name(&name, &id), "PN-02 a name that XML makes longer");
    free(id.data);

    name.len = 1024;
    unit_ok(!check_name(&name, &other), "PN-21 a name of 1024 octets");
    free(other.data);
}


/* content, where there are octets of each kind */

static ngx_str_t
random_text(ngx_pool_t *pool, size_t max, const char **pieces, ngx_uint_t n)
{
    ngx_str_t   s, piece;

    s.data = ngx_pnalloc(pool, max + 8);
    s.len = 0;

    do {
        piece = unit_string(pieces[unit_random(n)]);
        memcpy(s.data + s.len, piece.data, piece.len);
        s.len += piece.len;
    } while (s.len < max && unit_random(12));

    return s;
}


static void
test_round_trip(void)
{
    ngx_str_t             doc, got, expected;
    ngx_uint_t            i, k, n, bad;
    ngx_pool_t           *pool;
    ngx_fed_resource_t   *res;

    static ngx_fed_presence_t  presence, back;

    static const char  *langs[] = { "", "en", "de-CH-1996", "zh-Hant" };

    static const char  *pieces[] = {
        "a", "b c", "<", "&", ">", "'", "\"", "]]>", "\r", "\n", "\t", "&#0;",
        "</note>", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "x"
    };

    bad = 0;

    for (n = 0; n < 2000; n++) {
        pool = ngx_create_pool(4096, NULL);

        memset(&presence, 0, sizeof(presence));
        presence.n = unit_random(NGX_FED_RESOURCES + 1);

        for (i = 0; i < presence.n; i++) {
            res = &presence.resources[i];

            res->name.data = ngx_pnalloc(pool, 64);
            res->name.len = sprintf((char *) res->name.data,
                                    "%u %c_x_\xc3\xa9", (unsigned) i,
                                    (int) ('a' + unit_random(26)));

            if (i == 0 && unit_random(2)) {
                res->name.len = 0;
            }

            res->available = unit_random(4) != 0;
            res->priority = NGX_FED_NO_PRIORITY;
            res->stamp = unit_random(2) ? (time_t) unit_random(253402300800)
                                        : 0;

            if (res->available) {
                res->show = unit_random(5);
                res->priority = unit_random(2) ? (ngx_int_t) unit_random(128)
                                               : NGX_FED_NO_PRIORITY;
            }

            res->nstatuses = unit_random(NGX_FED_STATUSES + 1);

            for (k = 0; k < res->nstatuses; k++) {
                res->statuses[k].lang = unit_string(langs[k]);
                res->statuses[k].text = random_text(pool, 100, pieces,
                                                    sizeof(pieces)
                                                    / sizeof(pieces[0]));

                /* the ends are trimmed */

                res->statuses[k].text.data[0] = '(';
                memcpy(res->statuses[k].text.data
                       + res->statuses[k].text.len, ")", 1);
                res->statuses[k].text.len++;

                if (!ngx_fed_text_valid(res->statuses[k].text.data,
                                        res->statuses[k].text.len))
                {
                    res->statuses[k].text = unit_string("(\xc3\xa9)");
                }
            }
        }

        doc = write_document(&presence, &entity);

        if (read_document(pool, &doc, "", "", &back) != NGX_OK) {
            bad++;
            unit_diag("%.*s", (int) doc.len, (char *) doc.data);

        } else {
            expected = dump(&presence);
            expected = unit_copy(&expected);
            got = dump(&back);

            if (got.len != expected.len
                || memcmp(got.data, expected.data, got.len) != 0)
            {
                bad++;
                unit_diag("%.*s", (int) doc.len, (char *) doc.data);
                unit_is(&got, &expected, "there and back");
            }

            free(expected.data);
        }

        free(doc.data);
        ngx_destroy_pool(pool);
    }

    unit_ok(bad == 0, "PN-03 PN-34 random documents there and back");
}


/* HEAD, n times each of the three, TAIL */

static ngx_str_t
repeat(const char *open, const char *middle, const char *close, ngx_uint_t n,
    const char *head, const char *tail)
{
    u_char      *p;
    ngx_str_t    s;
    ngx_uint_t   i;

    s.data = malloc(strlen(head) + strlen(tail) + strlen(middle)
                    + n * (strlen(open) + 16 + strlen(close)));

    p = s.data;
    p += sprintf((char *) p, "%s", head);

    for (i = 0; i < n; i++) {
        p += strchr(open, '%') ? sprintf((char *) p, open, (unsigned) i)
                               : sprintf((char *) p, "%s", open);
    }

    p = ngx_cpymem(p, middle, strlen(middle));

    for (i = 0; i < n; i++) {
        p = ngx_cpymem(p, close, strlen(close));
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
    ngx_fed_status_t    *status;

    static ngx_fed_presence_t  presence;

    static struct {
        const char      *what;
        const char      *open;
        const char      *close;
        ngx_uint_t       n;
        ngx_int_t        rc;
        ngx_uint_t       tuples;
    } limits[] = {
        { "SEC-13 depth", "<x>", "</x>", 31, NGX_OK, 0 },
        { "SEC-13 too much depth", "<x>", "</x>", 32, NGX_ABORT, 0 },
        { "SEC-13 a lot of depth", "<x>", "</x>", 10000, NGX_ABORT, 0 },
        { "SEC-13 endless depth", "<tuple>", "", 10000, NGX_ABORT, 0 },
        { "SEC-13 many elements", "<x%u/>", "", 10000, NGX_OK, 0 },
        { "PN-33 SEC-13 many tuples",
          "<tuple id='ID-%u'><status><basic>open</basic></status></tuple>", "",
          100, NGX_OK, 16 },
        { "SEC-13 many tuples of one name", "<tuple id='ID-x'/>", "", 100,
          NGX_OK, 1 }
    };

    static struct {
        const char      *what;
        const char      *head;
        const char      *fill;
        ngx_uint_t       n;
        const char      *tail;
        const char      *output;
    } texts[] = {
        { "PN-21 SEC-13 a long id", HEAD "<tuple id='ID-b", "_x0061_", 80,
          "'/>" TAIL, "b" A80 ":0::-:0\n" },
        { "SEC-13 too long an id", HEAD TUPLE("ID-a", "") "<tuple id='", "x",
          60000, "'/>" TAIL, "a:1::-:0\n:0::-:0\n" },
        { "SEC-13 too long a user", HEAD "<tuple id='x'><contact>sip:", "x",
          60000, "@s.test;gr=y</contact></tuple>" TAIL, "x:0::-:0\n" },
        { "SEC-13 too long a contact",
          HEAD "<tuple id='x'><contact>sip:romeo@s.test;gr=y;p=", "x", 60000,
          "</contact><note>hi</note></tuple>" TAIL, "x:0::-:0[=hi]\n" },
        { "SEC-13 space ahead of a note",
          HEAD "<tuple id='x'><note>", " ", 8190,
          "\xe2\x82\xac</note></tuple>" TAIL, "x:0::-:0\n" },
        { "SEC-13 space ahead of a note that has room",
          HEAD "<tuple id='x'><note>", " ", 8189,
          "\xe2\x82\xac\xe2\x82\xac</note></tuple>" TAIL,
          "x:0::-:0[=\xe2\x82\xac]\n" }
    };

    for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        pool = ngx_create_pool(4096, NULL);
        s = repeat(limits[i].open, "", limits[i].close, limits[i].n, HEAD,
                   TAIL);
        unit_ok(read_document(pool, &s, "", "", &presence) == limits[i].rc,
                "%s", limits[i].what);

        if (limits[i].rc == NGX_OK) {
            unit_ok(presence.n == limits[i].tuples, "%s: %u", limits[i].what,
                    (unsigned) presence.n);
        }

        free(s.data);
        ngx_destroy_pool(pool);
    }

    for (i = 64; i <= 5000; i += 1 + (i > 65) * 4933) {
        pool = ngx_create_pool(4096, NULL);
        s = repeat(" a%u='x'", "/>", "", i, HEAD "<x", TAIL);
        unit_ok(read_document(pool, &s, "", "", &presence)
                == (i > 64 ? NGX_ABORT : NGX_OK),
                "SEC-13 %u attributes", (unsigned) i);
        free(s.data);
        ngx_destroy_pool(pool);
    }

    /* texts of all lengths near the limits, of wide characters */

    ok = 1;

    for (i = 250; i < 5000; i += (i > 265 && i < 2030) ? 500 : 1) {
        pool = ngx_create_pool(4096, NULL);
        s = repeat(i & 1 ? "\xf0\x9f\x98\x80" : "\xe2\x82\xac", "", "",
                   i, HEAD TUPLE("ID-a", "") "<note> x", " </note>" TAIL);

        if (read_document(pool, &s, "", "", &presence) != NGX_OK
            || presence.n != 1 || presence.resources[0].nstatuses != 1)
        {
            ok = 0;

        } else {
            status = &presence.resources[0].statuses[0];

            if (status->text.len > NGX_FED_STATUS_LEN
                || (i > 400 && status->text.len < NGX_FED_STATUS_LEN - 3)
                || !ngx_fed_text_valid(status->text.data, status->text.len))
            {
                ok = 0;
            }
        }

        free(s.data);
        ngx_destroy_pool(pool);

        i += (i > 2060) * 1000;
    }

    unit_ok(ok, "PN-24 SEC-13 long notes are cut between characters");

    /* what is longer than anything may be counts as if it weren't there */

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        s = repeat(texts[i].fill, "", "", texts[i].n, texts[i].head,
                   texts[i].tail);
        check_read(texts[i].what, &s, "", texts[i].output);
        free(s.data);
    }
}


static void
test_truncated(void)
{
    ngx_str_t    s;
    ngx_uint_t   i, bad;
    ngx_pool_t  *pool;

    static ngx_fed_presence_t  presence;

    s = unit_string(rich);
    bad = 0;

    for (i = s.len; i > 0; i--) {
        s.len = i - 1;

        pool = ngx_create_pool(4096, NULL);
        bad += (read_document(pool, &s, "", "", &presence) != NGX_ABORT);
        ngx_destroy_pool(pool);
    }

    unit_ok(bad == 0, "truncated documents are none");

    /* UTF-16, with and without a BOM */

    for (i = 0; i < 4; i++) {
        s.data = malloc(4096);
        s.len = 0;

        if (i & 1) {
            s.data[s.len++] = i & 2 ? 0xff : 0xfe;
            s.data[s.len++] = i & 2 ? 0xfe : 0xff;
        }

        for (bad = 0; (HEAD TAIL)[bad]; bad++) {
            s.data[s.len++] = i & 2 ? (HEAD TAIL)[bad] : 0;
            s.data[s.len++] = i & 2 ? 0 : (HEAD TAIL)[bad];
        }

        pool = ngx_create_pool(4096, NULL);
        unit_ok(read_document(pool, &s, "", "", &presence) == NGX_ABORT,
                "PN-31 UTF-16, form %u", (unsigned) i);
        ngx_destroy_pool(pool);
        free(s.data);
    }
}


static void
test_memory(void)
{
    ngx_int_t     n, rc;
    ngx_str_t     s, got;
    ngx_pool_t   *pool;

    static ngx_fed_presence_t  presence;

    s = unit_string(rich);

    for (n = 0; n < 1000; n++) {
        pool = ngx_create_pool(4096, NULL);

        ngx_shim_allocations = n;
        rc = read_document(pool, &s, "", "cs", &presence);
        ngx_shim_allocations = -1;

        if (rc == NGX_OK) {
            got = dump(&presence);
            s = unit_string(rich_dump);
            unit_is(&got, &s, "after %u allocations", (unsigned) n);
            ngx_destroy_pool(pool);
            break;
        }

        if (rc != NGX_ERROR) {
            unit_ok(0, "rc %d after %u allocations", (int) rc, (unsigned) n);
        }

        ngx_destroy_pool(pool);
    }

    unit_ok(n > 15 && n < 1000, "%u allocations, each may fail", (unsigned) n);
}


/* whatever is read can be written, and read again */

static void
test_random(void)
{
    u_char       *buf;
    ngx_int_t     rc;
    ngx_str_t     s, doc, name;
    ngx_uint_t    i, n, k, good, bad;
    ngx_pool_t   *pool;

    static ngx_fed_presence_t  presence, back;

    good = 0;
    bad = 0;
    buf = malloc(SIZE);
    n = unit_rounds() / 4;

    for (i = 0; i < n; i++) {
        s.data = buf;
        s.len = sizeof(rich) - 1;
        memcpy(buf, rich, s.len);

        unit_mutate(&s, SIZE, words, sizeof(words) / sizeof(words[0]));

        pool = ngx_create_pool(4096, NULL);
        rc = read_document(pool, &s, "", "", &presence);

        if (rc == NGX_OK) {
            good++;

            for (k = 0; k < presence.n; k++) {
                name = presence.resources[k].name;

                if (name.len
                    && (name.len > 1023
                        || !ngx_fed_text_valid(name.data, name.len)))
                {
                    bad++;
                }
            }

            doc = write_document(&presence, &entity);

            if (read_document(pool, &doc, "", "", &back) != NGX_OK
                || back.n != presence.n)
            {
                bad++;
                unit_diag("%.*s", (int) doc.len, (char *) doc.data);
            }

            free(doc.data);

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
    const char  *dir;

    setvbuf(stdout, NULL, _IOLBF, 0);

    dir = argc > 1 ? argv[1] : ".";

    entity.user = unit_string("romeo");
    entity.domain = unit_string("s.test");

    test_read();
    test_rows_to_xmpp(dir);
    test_rows_to_sip(dir);
    test_write();
    test_person();
    test_priority();
    test_names();
    test_round_trip();
    test_limits();
    test_truncated();
    test_memory();
    test_random();

    return unit_done();
}
