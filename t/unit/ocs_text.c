
/*
 * Tests of ngx_sip_ocs_text.c: session descriptions, HTML, keyboard activity
 * (ocs-wire 2.1, 2.3, 2.4), mutations.
 */


#include "unit.h"
#include "ngx_sip_ocs_text.h"


#define SIZE  4096


typedef struct {
    const char           *name;
    const char           *text;
    ngx_sip_ocs_offer_e   offer;
} offer_case_t;


typedef struct {
    const char   *input;
    const char   *output;
} html_case_t;


typedef struct {
    const char   *text;
    ngx_int_t     rc;
} keyboard_case_t;


static offer_case_t  offers[] = {
    { "Skype for Business",
      "v=0\r\no=- 0 0 IN IP4 192.168.66.57\r\ns=session\r\n"
      "c=IN IP4 192.168.66.57\r\nt=0 0\r\nm=message 5060 sip null\r\n"
      "a=accept-types:text/plain multipart/alternative image/gif text/rtf "
      "text/html application/x-ms-ink application/ms-imdn+xml "
      "text/x-msmsgsinvite \r\n", NGX_SIP_OCS_MESSAGE },
    { "LCS 2005", "v=0\r\nm=x-ms-message 5060 sip null\r\n",
      NGX_SIP_OCS_X_MESSAGE },
    { "LF, no end", "v=0\nm=message 5060 sip null", NGX_SIP_OCS_MESSAGE },
    { "any type", "m=message 0 sip null\r\na=accept-types:*\r\n",
      NGX_SIP_OCS_MESSAGE },
    { "any text", "m=message 0 sip null\r\na=accept-types: text/* a/b\r\n",
      NGX_SIP_OCS_MESSAGE },
    { "no text", "m=message 0 sip null\r\na=accept-types:text/rtf\r\n",
      NGX_SIP_OCS_OTHER },
    { "no type", "m=message 0 sip null\r\na=accept-types:\r\n",
      NGX_SIP_OCS_MESSAGE },
    { "a call", "v=0\r\nm=audio 1 RTP/AVP 0\r\n", NGX_SIP_OCS_OTHER },
    { "a call, too", "m=message 1 sip null\r\nm=audio 1 RTP/AVP 0\r\n",
      NGX_SIP_OCS_OTHER },
    { "messages, too", "m=audio 1 RTP/AVP 0\r\nm=message 1 sip null\r\n",
      NGX_SIP_OCS_OTHER },
    { "sharing", "m=applicationsharing 1 TCP/RTP/AVP 127\r\n",
      NGX_SIP_OCS_OTHER },
    { "MSRP", "m=message 1 TCP/MSRP *\r\nm=data 1 x\r\n", NGX_SIP_OCS_OTHER },
    { "no media", "v=0\r\ns=-\r\n", NGX_SIP_OCS_OTHER },
    { "empty media", "m=\r\nm= \r\n", NGX_SIP_OCS_OTHER },
    { "nothing", "", NGX_SIP_OCS_OTHER }
};


static html_case_t  htmls[] = {
    { "", "" },
    { "plain", "plain" },
    { "<SPAN lang=\"en-us\" style=\"color:#000000; font-family:Segoe UI; "
      "font-size:10pt;\">qwe</SPAN>", "qwe" },
    { "<FONT color=\"#000000\">a</FONT> <b>b</b>", "a b" },
    { " a \t\r\n b ", "a b" },
    { "a<br>b<br/>c<BR />d", "a\nb\nc\nd" },
    { "a<br><br>b", "a\n\nb" },
    { "<p>a</p><p>b</p>", "a\nb" },
    { "<div>a </div> <div> b</div>", "a\nb" },
    { "<ul><li>a</li><li>b</li></ul>", "a\nb" },
    { "<br>a", "a" },
    { "a &lt;b&gt; &amp;amp; &quot;c&apos;&#39;&nbsp;d",
      "a <b> &amp; \"c'' d" },
    { "&#x1F600;&#128512;", "\xf0\x9f\x98\x80\xf0\x9f\x98\x80" },
    { "&#xfc;&#x20AC;&#X41;", "\xc3\xbc\xe2\x82\xac" "A" },
    { "&#0;&#xd800;&#x110000;&#99999999999;&#x;&#;&;&",
      "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd&#99999999999;\xef\xbf\xbd&#;&;&" },
    { "&bogus; &amp", "&bogus; &amp" },
    { "1 < 2 and 3<4 <", "1 < 2 and 3<4 <" },
    { "<!-- <b>no</b> -->yes<!-- no", "yes" },
    { "<style>p { }</style>a<script>if (1 < 2) '</b>'</script>b<style>c",
      "ab" },
    { "<head><title>x</title></head><body>a</body>", "a" },
    { "<!DOCTYPE html><html>a", "a" },
    { "<?xml version=\"1.0\"?>a", "a" },
    { "<a href=\"x>y\">link</a>", "link" },
    { "<a href='x\">y'>link</a>", "link" },
    { "<b", "" },
    { "a <img src=\"x\" alt=\":)\"> b", "a :) b" },
    { "<img alt='a &lt; b' src=x>", "a < b" },
    { "<img salt=\"no\"><img alt=no><img alt=\"no>", "" },
    { "<img>", "" },
    { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" }
};


static keyboard_case_t  keyboards[] = {
    { "<?xml version=\"1.0\"?><KeyboardActivity> <status status=\"type\" />"
      "</KeyboardActivity>", 1 },
    { "<?xml version=\"1.0\"?><KeyboardActivity> <status status=\"idle\" />"
      "</KeyboardActivity>", 0 },
    { "<KeyboardActivity>\r\n<status\n status = 'type'/>", 1 },
    { "<KeyboardActivity><status status=\"other\"/></KeyboardActivity>",
      NGX_DECLINED },
    { "<KeyboardActivity><status/></KeyboardActivity>", NGX_DECLINED },
    { "<KeyboardActivity><status status", NGX_DECLINED },
    { "<KeyboardActivity><status status=", NGX_DECLINED },
    { "<KeyboardActivity><status status=\"type", NGX_DECLINED },
    { "<ConversationInfo><status status=\"type\"/></ConversationInfo>",
      NGX_DECLINED },
    { "", NGX_DECLINED }
};


static void
test_offers(void)
{
    ngx_str_t    s;
    ngx_uint_t   i;

    for (i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
        s = unit_string(offers[i].text);
        s = unit_copy(&s);

        unit_ok(ngx_sip_ocs_sdp_offer(&s) == offers[i].offer,
                "ocs-wire 2.1: %s", offers[i].name);
        free(s.data);
    }
}


static void
test_html(void)
{
    ngx_str_t    s, in, got;
    ngx_uint_t   i;

    for (i = 0; i < sizeof(htmls) / sizeof(htmls[0]); i++) {
        in = unit_string(htmls[i].input);
        in = unit_copy(&in);

        got.data = malloc(in.len + !in.len);
        got.len = ngx_sip_ocs_html(got.data, in.data, in.len);

        s = unit_string(htmls[i].output);
        unit_is(&got, &s, "ocs-wire 2.3: HTML %u", (unsigned) i);

        free(in.data);
        free(got.data);
    }
}


static void
test_keyboard(void)
{
    ngx_str_t    s;
    ngx_uint_t   i;

    for (i = 0; i < sizeof(keyboards) / sizeof(keyboards[0]); i++) {
        s = unit_string(keyboards[i].text);
        s = unit_copy(&s);

        unit_ok(ngx_sip_ocs_keyboard(&s) == keyboards[i].rc,
                "ocs-wire 2.4: keyboard %u", (unsigned) i);
        free(s.data);
    }
}


/* no octet is read or written that is not there */

static void
test_mutations(void)
{
    u_char      *p, buf[SIZE];
    ngx_str_t    s, copy;
    ngx_uint_t   n, bad;

    static const char  *words[] = {
        "<", ">", "</", "/>", "&", ";", "&#", "&#x", "&amp;", "&#x10ffff;",
        "<br>", "<p>", "<!--", "-->", "<script>", "</script", "<img alt=\"",
        "\"", "'", " ", "\r\n", "m=", "m=message", "a=accept-types:",
        "text/plain", "<KeyboardActivity", "<status", "status=", "=", "\xff"
    };

    bad = 0;

    for (n = unit_rounds(); n; n--) {

        switch (unit_random(3)) {

        case 0:
            s = unit_string(offers[unit_random(sizeof(offers)
                                               / sizeof(offers[0]))].text);
            break;

        case 1:
            s = unit_string(htmls[unit_random(sizeof(htmls)
                                              / sizeof(htmls[0]))].input);
            break;

        default:
            s = unit_string(keyboards[unit_random(sizeof(keyboards)
                                               / sizeof(keyboards[0]))].text);
        }

        memcpy(buf, s.data, s.len);
        s.data = buf;

        unit_mutate(&s, SIZE / 2, words, sizeof(words) / sizeof(words[0]));

        copy = unit_copy(&s);
        p = malloc(copy.len + !copy.len);

        bad += ngx_sip_ocs_html(p, copy.data, copy.len) > copy.len;

        (void) ngx_sip_ocs_sdp_offer(&copy);
        (void) ngx_sip_ocs_keyboard(&copy);

        free(p);
        free(copy.data);
    }

    unit_ok(bad == 0, "mutations");
}


int
main(int argc, char **argv)
{
    test_offers();
    test_html();
    test_keyboard();
    test_mutations();

    return unit_done();
}
