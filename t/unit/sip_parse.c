
/*
 * Tests of ngx_sip_parse.c, ngx_sip_field.c, ngx_sip_multipart.c and
 * ngx_fed_hash.c: the messages of RFC 4475 (TT-01 .. TT-49), the syntax rules
 * SP-01 .. SP-29, framing at every split, bodies of several parts (IM-41),
 * mutations.
 */


#include "unit.h"
#include "ngx_fed_hash.h"
#include "ngx_sip_parse.h"


#define SIZE        65536
#define HEADER_MAX  65536
#define BODY_MAX    65536

#define VIA  "Via: SIP/2.0/TLS h.test;branch=z9hG4bKab\n"
#define TO   "To: <sip:u@x.test>\n"
#define FROM "From: <sip:r@s.test>;tag=1\n"
#define ID   "Call-ID: a@b\n"
#define SEQ  "CSeq: 1 MESSAGE\n"
#define LEN  "Content-Length: 0\n\n"
#define MSG  "MESSAGE sip:u@x.test SIP/2.0\n"
#define OPT  "OPTIONS sip:u@x.test SIP/2.0\n"
#define REST VIA TO FROM ID SEQ LEN


/* \n stands for CRLF, \\0 for NUL; 0 is what ngx_sip_parse() returns */

typedef struct {
    const char   *name;
    const char   *text;
    ngx_int_t     rc;
    ngx_uint_t    error;      /* after ngx_sip_check() */
} parse_case_t;


static parse_case_t  cases[] = {

    /* RFC 4475, 3.1.1 */

    { "TT-01 wsinv",
      "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\n"
      "TO :\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\n"
      "from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\n"
      "  ;\n  tag = 98asjd8\n"
      "MaX-fOrWaRdS: 0068\n"
      "Call-ID: wsinv.ndaksdj@192.0.2.1\n"
      "Content-Length   : 0\n"
      "cseq: 0009\n  INVITE\n"
      "Via  : SIP  /   2.0\n /UDP\n    192.0.2.2;branch=390skdjuw\n"
      "s :\n"
      "NewFangledHeader:   newfangled value\n continued newfangled value\n"
      "UnknownHeaderWithUnusualValue: ;;,,;;,;\n"
      "Content-Type: application/sdp\n"
      "Route:\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value"
      ">\n"
      "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\n"
      "  branch  =   z9hG4bK9ikj8  ,\n"
      " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\n"
      " z9hG4bK30239\n"
      "m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\n"
      "      newvalue ;\n  secondparam ; q = 0.33\n\n", NGX_OK, 0 },

    { "TT-02 intmeth",
      "!interesting-Method0123456789_*+`.%indeed'~ "
      "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*"
      "pas$wo~d_too.(doesn't-it)@example.com SIP/2.0\n"
      "Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\n"
      "To: \"BEL:\\\x07 NUL:\\\\0 DEL:\\\x7F\" "
      "<sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>\n"
      "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>"
      ";fromParam''~+*_!.-%=\"\xD1\x80\xD0\xB0\xD0\xB1\xD0\xBE\xD1\x82\xD0\xB0"
      "\"\n ;tag=_token~1'+`*%!-.\n"
      "Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\n"
      "CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\n"
      "Max-Forwards: 255\n"
      "extensionHeader-!.%*+_`'~:\xEF\xBB\xBF\xE5\xA4\xA7\xE5\x81\x9C\xE9\x9B"
      "\xBB\n"
      "Content-Length: 0\n\n", NGX_OK, 0 },

    { "TT-03 esc01",
      "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0\n"
      "To: sip:%75se%72@example.com\n"
      "From: <sip:I%20have%20spaces@example.net>;tag=938\n"
      "Max-Forwards: 87\n"
      "i: esc01.239409asdfakjkn23onasd0-3234\n"
      "CSeq: 234234 INVITE\n"
      "Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw\n"
      "C: application/sdp\n"
      "Contact:\n  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34"
      "1>\n"
      "l: 0\n\n", NGX_OK, 0 },

    { "TT-04 escnull",
      "REGISTER sip:example.com SIP/2.0\n"
      "To: sip:null-%00-null@example.com\n"
      "From: sip:null-%00-null@example.com;tag=839923423\n"
      "Max-Forwards: 70\n"
      "Call-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd\n"
      "CSeq: 14398234 REGISTER\n"
      "Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw\n"
      "Contact: <sip:%00@host5.example.com>\n"
      "Contact: <sip:%00%00@host5.example.com>\n"
      "L:0\n\n", NGX_OK, 0 },

    { "TT-05 esc02",
      "RE%47IST%45R sip:registrar.example.com SIP/2.0\n"
      "To: \"%Z%45\" <sip:resource@example.com>\n"
      "From: \"%Z%45\" <sip:resource@example.com>;tag=f232jadfj23\n"
      "Call-ID: esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf\n"
      "Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234\n"
      "CSeq: 29344 RE%47IST%45R\n"
      "Max-Forwards: 70\n"
      "Contact: <sip:alias1@host1.example.com>\n"
      "C%6Fntact: <sip:alias2@host2.example.com>\n"
      "Contact: <sip:alias3@host3.example.com>\n"
      "l: 0\n\n", NGX_OK, 0 },

    { "TT-06 lwsdisp",
      "OPTIONS sip:user@example.com SIP/2.0\n"
      "To: sip:user@example.com\n"
      "From: caller<sip:caller@example.com>;tag=323\n"
      "Max-Forwards: 70\n"
      "Call-ID: lwsdisp.1234abcd@funky.example.com\n"
      "CSeq: 60 OPTIONS\n"
      "Via: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuw\n"
      "l: 0\n\n", NGX_OK, 0 },

    { "TT-09 semiuri",
      "OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0\n"
      "To: sip:j_user@example.com\n"
      "From: sip:caller@example.org;tag=33242\n"
      "Max-Forwards: 3\n"
      "Call-ID: semiuri.0ha0isndaksdj\n"
      "CSeq: 8 OPTIONS\n"
      "Accept: application/sdp, application/pkcs7-mime,\n"
      "        multipart/mixed, multipart/signed,\n"
      "        message/sip, message/sipfrag\n"
      "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw\n"
      "l: 0\n\n", NGX_OK, 0 },

    { "TT-10 transports",
      "OPTIONS sip:user@example.com SIP/2.0\n"
      "To: sip:user@example.com\n"
      "From: <sip:caller@example.com>;tag=323\n"
      "Max-Forwards: 70\n"
      "Call-ID:  transports.kijh4akdnaqjkwendsasfdj\n"
      "Accept: application/sdp\n"
      "CSeq: 60 OPTIONS\n"
      "Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw\n"
      "Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf\n"
      "Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj\n"
      "Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en\n"
      "Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee\n"
      "l: 0\n\n", NGX_OK, 0 },

    { "TT-11 mpart01, its header",
      "MESSAGE sip:kumiko@example.org SIP/2.0\n"
      "Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-d87543-4dade06d0bdb11ee"
      "-1--d87543-;rport\n"
      "Max-Forwards: 70\n"
      "Route: <sip:127.0.0.1:5080>\n"
      "Identity: r5mwreLuyDRYBi/0TiPwEsY3rEVsk/G2WxhgTV1PF7hHuLI1NcSs=\n"
      "Identity-Info: <https://localhost:5080/example.der>;alg=rsa-sha1\n"
      "Contact: <sip:fluffy@127.0.0.1:5070>\n"
      "To: <sip:kumiko@example.org>\n"
      "From: <sip:fluffy@example.com>;tag=2fb0dcc9\n"
      "Call-ID: 3d9485ad0c49859b@Zmx1ZmZ5LW1hYy0xNi5sb2NhbA..\n"
      "CSeq: 1 MESSAGE\n"
      "Content-Transfer-Encoding: binary\n"
      "Content-Type: multipart/mixed;boundary=7a9cbec02ceef655\n"
      "Date: Sat, 15 Oct 2005 04:44:56 GMT\n"
      "User-Agent: SIPimp.org/0.2.5 (curses)\n"
      "Content-Length: 5\n\n\\0\\0a\\0b", NGX_OK, 0 },

    { "TT-12 unreason",
      "SIP/2.0 200 = 2**3 * 5**2 \xD0\xBD\xD0\xBE \xD1\x81\xD1\x82\xD0\xBE\n"
      "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\n"
      "Call-ID: unreason.1234ksdfak3j2erwedfsASdf\n"
      "CSeq: 35 INVITE\n"
      "From: sip:user@example.com;tag=11141343\n"
      "To: sip:user@example.edu;tag=2229\n"
      "Content-Length: 0\n\n", NGX_OK, 0 },

    { "TT-13 noreason",
      "SIP/2.0 100 \n"
      "Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe\n"
      "Call-ID: noreason.asndj203insdf99223ndf\n"
      "CSeq: 35 INVITE\n"
      "From: <sip:user@example.com>;tag=39ansfi3\n"
      "To: <sip:user@example.edu>;tag=902jndnke3\n"
      "Content-Length: 0\n\n", NGX_OK, 0 },

    { "TT-13 noreason without the space",
      "SIP/2.0 100\n" REST, NGX_OK, 0 },

    /* RFC 4475, 3.1.2 */

    { "TT-14 badinv01",
      "INVITE sip:user@example.com SIP/2.0\n"
      "To: sip:j.user@example.com\n"
      "From: sip:caller@example.net;tag=134161461246\n"
      "Max-Forwards: 7\n"
      "Call-ID: badinv01.0ha0isndaksdjasdf3234nas\n"
      "CSeq: 8 INVITE\n"
      "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\n"
      "Contact: \"Joe\" <sip:joe@example.org>;;;;\n"
      "Content-Length: 0\n\n", NGX_OK, 400 },

    { "TT-15 clerr",
      "INVITE sip:user@example.com SIP/2.0\n" VIA TO FROM ID
      "CSeq: 1 INVITE\nContent-Length: 9999\n\nv=0", NGX_AGAIN, 0 },

    { "TT-16 ncl",
      "INVITE sip:user@example.com SIP/2.0\n" VIA TO FROM ID
      "CSeq: 1 INVITE\nContent-Length: -999\n\n", NGX_ERROR, 400 },

    { "TT-17 scalar02",
      "REGISTER sip:example.com SIP/2.0\n"
      "Via: SIP/2.0/TCP host129.example.com;branch=z9hG4bK342sdfoi3\n"
      "To: <sip:user@example.com>\n"
      "From: <sip:user@example.com>;tag=239232jh3\n"
      "CSeq: 36893488147419103232 REGISTER\n"
      "Call-ID: scalar02.23o0pd9vanlq3wnrlnewofjas9ui32\n"
      "Max-Forwards: 300\n"
      "Expires: 10000000000000000000000000000000000000000000000\n"
      "Contact: <sip:user@host129.example.com>;expires=280297596632815\n"
      "Content-Length: 0\n\n", NGX_OK, 400 },

    { "TT-18 scalarlg",
      "SIP/2.0 503 Service Unavailable\n"
      "Via: SIP/2.0/TCP host129.example.com;branch=z9hG4bKzzxdiwo34sw\n"
      "To: <sip:user@example.com>\n"
      "From: <sip:other@example.net>;tag=2easdjfejw\n"
      "CSeq: 9292394834772304023312 OPTIONS\n"
      "Call-ID: scalarlg.noase0of0234hn2qofoaf0232aewf2394r\n"
      "Retry-After: 949302838503028349304023988\n"
      "Warning: 1812 overture \"In Progress\"\n"
      "Content-Length: 0\n\n", NGX_OK, 400 },

    { "TT-19 quotbal",
      "INVITE sip:user@example.com SIP/2.0\n"
      "To: \"Mr. J. User <sip:j.user@example.com>\n"
      "From: sip:caller@example.net;tag=93334\n"
      "Max-Forwards: 10\nCall-ID: quotbal.aksdj\n"
      "CSeq: 8 INVITE\n"
      "Via: SIP/2.0/UDP 192.0.2.59:5050;branch=z9hG4bKkdjuw39234\n"
      "Content-Length: 0\n\n", NGX_OK, 400 },

    { "TT-20 ltgtruri",
      "INVITE <sip:user@example.com> SIP/2.0\n" REST, NGX_OK, 400 },

    { "TT-21 lwsruri",
      "INVITE sip:user@example.com; lr SIP/2.0\n" REST, NGX_OK, 400 },

    { "TT-22 lwsstart",
      "INVITE  sip:user@example.com  SIP/2.0\n" REST, NGX_OK, 400 },

    { "TT-23 trws",
      "OPTIONS sip:remote-target@example.com SIP/2.0  \n"
      VIA TO FROM ID "CSeq: 1 OPTIONS\n" LEN, NGX_OK, 400 },

    { "TT-24 escruri",
      "INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0\n"
      VIA TO FROM ID "CSeq: 1 INVITE\n" LEN, NGX_OK, 400 },

    { "TT-25 baddate",
      MSG VIA TO FROM ID SEQ "Date: Fri, 01 Jan 2010 16:00:00 EST\n" LEN,
      NGX_OK, 0 },

    { "TT-27 badaspec",
      "OPTIONS sip:user@example.org SIP/2.0\n"
      "Via: SIP/2.0/UDP host4.example.com:5060;branch=z9hG4bKkdju43234\n"
      "Max-Forwards: 70\n"
      "From: \"Bell, Alexander\" <sip:a.g.bell@example.com>;tag=433423\n"
      "To: \"Watson, Thomas\" < sip:t.watson@example.org >\n"
      "Call-ID: badaspec.sdf0234n2nds0a099u23h3hnnw009cdkne3\n"
      "Accept: application/sdp\n"
      "CSeq: 3923239 OPTIONS\n"
      "l: 0\n\n", NGX_OK, 400 },

    { "TT-28 baddn",
      "OPTIONS sip:t.watson@example.org SIP/2.0\n"
      "Via: SIP/2.0/UDP c.example.com:5060;branch=z9hG4bKkdjuw\n"
      "Max-Forwards: 70\n"
      "From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43\n"
      "To: Watson, Thomas <sip:t.watson@example.org>\n"
      "Call-ID: baddn.31415@c.example.com\n"
      "Accept: application/sdp\n"
      "CSeq: 3923239 OPTIONS\n"
      "l: 0\n\n", NGX_OK, 400 },

    { "TT-29 badvers",
      "OPTIONS sip:t.watson@example.org SIP/7.0\n"
      VIA TO FROM ID "CSeq: 1 OPTIONS\n" LEN, NGX_OK, 0 },

    { "TT-30 mismatch01",
      "OPTIONS sip:user@example.com SIP/2.0\n"
      VIA TO FROM ID "CSeq: 8 INVITE\n" LEN, NGX_OK, 400 },

    { "TT-31 mismatch02",
      "NEWMETHOD sip:user@example.com SIP/2.0\n"
      VIA TO FROM ID "CSeq: 8 INVITE\n" LEN, NGX_OK, 0 },

    { "TT-32 bigcode",
      "SIP/2.0 4294967301 better not break the receiver\n" REST,
      NGX_OK, 400 },

    /* RFC 4475, 3.2 to 3.4 */

    { "TT-33 badbranch",
      "OPTIONS sip:user@example.com SIP/2.0\n"
      "To: sip:user@example.com\n"
      "From: sip:caller@example.org;tag=33242\n"
      "Max-Forwards: 3\n"
      "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK\n"
      "Accept: application/sdp\n"
      "Call-ID: badbranch.sadonfo23i420jv0as0derf3j3n\n"
      "CSeq: 8 OPTIONS\n"
      "l: 0\n\n", NGX_OK, 400 },

    { "TT-34 insuf",
      "INVITE sip:user@example.com SIP/2.0\n"
      "CSeq: 193942 INVITE\n"
      "Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\n"
      "Content-Type: application/sdp\n"
      "l: 0\n\n", NGX_OK, 400 },

    { "TT-35 unkscm",
      "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0\n"
      VIA "To: sip:user@example.com\n" FROM ID "CSeq: 1 OPTIONS\n" LEN,
      NGX_OK, 0 },

    { "TT-36 novelsc",
      "OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0\n"
      VIA TO FROM ID "CSeq: 1 OPTIONS\n" LEN, NGX_OK, 0 },

    { "TT-37 unksm2",
      "REGISTER sip:example.com SIP/2.0\n"
      "To: isbn:2983792873\n"
      "From: <http://www.example.com>;tag=3234233\n"
      "Call-ID: unksm2.daksdj@hyphenated-host.example.com\n"
      "CSeq: 234902 REGISTER\n"
      "Max-Forwards: 70\n"
      "Via: SIP/2.0/UDP 192.0.2.21:5060;branch=z9hG4bKkdjuw\n"
      "Contact: <name:John_Smith>\n"
      "l: 0\n\n", NGX_OK, 0 },

    { "TT-41 multi01",
      "INVITE sip:user@company.com SIP/2.0\n"
      "Contact: <sip:caller@host25.example.net>\n"
      "Via: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKkdjuw\n"
      "Max-Forwards: 70\n"
      "CSeq: 5 INVITE\n"
      "Call-ID: multi01.98asdh@192.0.2.1\n"
      "CSeq: 59 INVITE\n"
      "Call-ID: multi01.98asdh@192.0.2.2\n"
      "From: sip:caller@example.com;tag=3413415\n"
      "To: sip:user@example.com\n"
      "To: sip:other@example.net\n"
      "From: sip:caller@example.net;tag=2923420123\n"
      "Content-Type: application/sdp\n"
      "l: 0\n"
      "Contact: <sip:caller@host36.example.net>\n"
      "Max-Forwards: 5\n\n", NGX_OK, 400 },

    { "TT-42 mcl01",
      "OPTIONS sip:user@example.com SIP/2.0\n"
      "Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bK293423\n"
      "To: sip:user@example.com\n"
      "From: sip:other@example.net;tag=3923942\n"
      "Call-ID: mcl01.fhn2323orihawfdoa3o4r52o3irsdf\n"
      "CSeq: 15932 OPTIONS\n"
      "Content-Length: 13\n"
      "Max-Forwards: 60\n"
      "Content-Length: 5\n"
      "Content-Type: text/plain\n\n"
      "There's no way to know how many octets are supposed to be here.\n",
      NGX_ERROR, 400 },

    { "TT-43 bcast",
      "SIP/2.0 200 OK\n"
      "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\n"
      "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23\n"
      "Call-ID: bcast.0384840201234ksdfak3j2erwedfsASdf\n"
      "CSeq: 35 INVITE\n"
      "From: sip:user@example.com;tag=11141343\n"
      "To: sip:user@example.edu;tag=2229\n"
      "Content-Length: 0\n\n", NGX_OK, 0 },

    { "TT-49 inv2543 on a stream",
      "INVITE sip:UserB@example.com SIP/2.0\n"
      "Via: SIP/2.0/UDP iftgw.example.com\n"
      "From: <sip:+13035551111@ift.client.example.net;user=phone>\n"
      "Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>\n"
      "To: sip:+16505552222@ss1.example.net;user=phone\n"
      "Call-ID: inv2543.1717@ift.client.example.com\n"
      "CSeq: 56 INVITE\n"
      "Content-Type: application/sdp\n\nv=0\n", NGX_ERROR, 400 },

    { "TT-49 inv2543 with a length",
      "INVITE sip:UserB@example.com SIP/2.0\n"
      "Via: SIP/2.0/UDP iftgw.example.com\n"
      "From: <sip:+13035551111@ift.client.example.net;user=phone>\n"
      "To: sip:+16505552222@ss1.example.net;user=phone\n"
      "Call-ID: inv2543.1717@ift.client.example.com\n"
      "CSeq: 56 INVITE\nl:0\n\n", NGX_OK, 0 },

    /* conformance part 9 */

    { "SP-02 compact", "MESSAGE sip:u@x.test SIP/2.0\n"
      "v:SIP/2.0/TLS h;branch=z9hG4bK1\nt:<sip:u@x.test>\nf:<sip:r@s.test>\n"
      "i:1\ncSEQ:1 MESSAGE\nc:text/plain\ne:identity\nk:a\ns:hi\n"
      "m:<sip:a@b>\no:presence\nu:presence\nx:90\na:b\nr:y\nl:0\n\n",
      NGX_OK, 0 },
    { "SP-05 no Content-Length", MSG VIA TO FROM ID SEQ "\n", NGX_ERROR, 400 },
    { "SP-06 length is no number", MSG VIA TO FROM ID SEQ
      "Content-Length: 5a\n\nhello", NGX_ERROR, 400 },
    { "SP-06 empty length", MSG VIA TO FROM ID SEQ "Content-Length:\n\n",
      NGX_ERROR, 400 },
    { "SP-06 length overflows", MSG VIA TO FROM ID SEQ
      "Content-Length: 4294967301\n\nhello", NGX_ERROR, 400 },
    { "SP-06 length overflows 64 bits", MSG VIA TO FROM ID SEQ
      "Content-Length: 18446744073709551621\n\nhello", NGX_ERROR, 400 },
    { "SP-06 same length twice", MSG VIA TO FROM ID SEQ
      "Content-Length: 5\nl: 05\n\nhello", NGX_OK, 0 },
    { "SP-06 good and bad length", MSG VIA TO FROM ID SEQ
      "Content-Length: x\nl: 5\n\nhello", NGX_ERROR, 400 },
    { "SP-07 body is short", MSG VIA TO FROM ID SEQ
      "Content-Length: 6\n\nhello", NGX_AGAIN, 0 },
    { "SP-08 body too long", MSG VIA TO FROM ID SEQ
      "Content-Length: 65537\n\nhello", NGX_DECLINED, 0 },
    { "SP-09 tab in the request line", "MESSAGE\tsip:u@x.test SIP/2.0\n" REST,
      NGX_OK, 400 },
    { "SP-10 version in lower case", "MESSAGE sip:u@x.test sip/2.0\n" REST,
      NGX_OK, 0 },
    { "SP-10 no version", "MESSAGE sip:u@x.test\n" REST, NGX_OK, 400 },
    { "SP-10 bad version", "MESSAGE sip:u@x.test SIP/2\n" REST, NGX_OK, 400 },
    { "SP-10 other protocol", "MESSAGE sip:u@x.test HTTP/1.1\n" REST,
      NGX_OK, 400 },
    { "SP-13 no To", MSG VIA FROM ID SEQ LEN, NGX_OK, 400 },
    { "SP-13 no From", MSG VIA TO ID SEQ LEN, NGX_OK, 400 },
    { "SP-13 no CSeq", MSG VIA TO FROM ID LEN, NGX_OK, 400 },
    { "SP-13 no Call-ID", MSG VIA TO FROM SEQ LEN, NGX_OK, 400 },
    { "SP-13 no Via", MSG TO FROM ID SEQ LEN, NGX_OK, 400 },
    { "SP-14 Max-Forwards is garbage", MSG VIA TO FROM ID SEQ
      "Max-Forwards: x\n" LEN, NGX_OK, 0 },
    { "SP-15 repeated To", MSG VIA TO TO FROM ID SEQ LEN, NGX_OK, 400 },
    { "SP-15 repeated From", MSG VIA TO FROM FROM ID SEQ LEN, NGX_OK, 400 },
    { "SP-15 repeated Call-ID", MSG VIA TO FROM ID ID SEQ LEN, NGX_OK, 400 },
    { "SP-15 repeated CSeq", MSG VIA TO FROM ID SEQ SEQ LEN, NGX_OK, 400 },
    { "SP-15 repeated Max-Forwards", MSG VIA TO FROM ID SEQ
      "Max-Forwards: 70\nMax-Forwards: 70\n" LEN, NGX_OK, 400 },
    { "SP-15 From in a list", MSG VIA TO
      "From: <sip:a@b>;tag=1, <sip:c@d>;tag=2\n" ID SEQ LEN, NGX_OK, 400 },
    { "SP-16 largest CSeq", MSG VIA TO FROM ID "CSeq: 4294967295 MESSAGE\n"
      LEN, NGX_OK, 0 },
    { "SP-16 CSeq too large", MSG VIA TO FROM ID "CSeq: 4294967296 MESSAGE\n"
      LEN, NGX_OK, 400 },
    { "SP-16 CSeq without method", MSG VIA TO FROM ID "CSeq: 1\n" LEN,
      NGX_OK, 400 },
    { "SP-16 leading zeros", MSG VIA TO FROM ID
      "CSeq: 000000000000000001 MESSAGE\n" LEN, NGX_OK, 0 },
    { "SP-19 unknown header", MSG VIA "X-Foo: bar\nDate: garbage\n" TO FROM ID
      SEQ LEN, NGX_OK, 0 },
    { "SP-20 unquoted specials", MSG VIA TO "From: a@b <sip:r@s.test>\n" ID SEQ
      LEN, NGX_OK, 400 },
    { "SP-20 UTF-8 display name", MSG VIA TO
      "From: J\xC3\xB6rg <sip:r@s.test>\n" ID SEQ LEN, NGX_OK, 0 },
    { "SP-21 From without tag", MSG VIA TO "From: <sip:r@s.test>\n" ID SEQ
      LEN, NGX_OK, 0 },
    { "empty tag", MSG VIA TO "From: <sip:r@s.test>;tag=\n" ID SEQ LEN,
      NGX_OK, 400 },
    { "two tags", MSG VIA TO "From: <sip:r@s.test>;tag=1;tag=2\n" ID SEQ LEN,
      NGX_OK, 400 },
    { "SP-22 NUL in a quoted pair", MSG VIA TO
      "From: \"a\\\\0b\" <sip:r@s.test>;tag=1\n" ID SEQ LEN, NGX_OK, 0 },
    { "SP-22 NUL in a method", "MESS\\0AGE sip:u@x.test SIP/2.0\n" REST,
      NGX_OK, 400 },
    { "SP-22 NUL in a Request-URI", "MESSAGE sip:u\\0@x.test SIP/2.0\n" REST,
      NGX_OK, 400 },
    { "SP-28 empty branch", MSG "Via: SIP/2.0/TLS h;branch=\n" TO FROM ID SEQ
      LEN, NGX_OK, 400 },
    { "SP-28 two branches", MSG "Via: SIP/2.0/TLS h;branch=a;branch=b\n" TO
      FROM ID SEQ LEN, NGX_OK, 400 },
    { "SP-28 stray comma", MSG "Via: SIP/2.0/TLS h;branch=a,\n" TO FROM ID SEQ
      LEN, NGX_OK, 400 },
    { "SP-28 odd parameters", MSG "Via: SIP/2.0/TLS [2001:db8::9:1]:5061"
      ";branch=z9hG4bKx;received=[2001:db8::9:255];ttl=999;ms-x=\"a,;b\""
      ";opaque=a/b+c==;maddr=1.2.3.4\n" TO FROM ID SEQ LEN, NGX_OK, 0 },
    { "Via without transport", MSG "Via: SIP/2.0 h;branch=a\n" TO FROM ID SEQ
      LEN, NGX_OK, 400 },
    { "Via without host", MSG "Via: SIP/2.0/TLS ;branch=a\n" TO FROM ID SEQ
      LEN, NGX_OK, 400 },
    { "Via with a bad port", MSG "Via: SIP/2.0/TLS h:65536;branch=a\n" TO FROM
      ID SEQ LEN, NGX_OK, 400 },
    { "bare LF", "MESSAGE sip:u@x.test SIP/2.0\\n" REST, NGX_ERROR, 400 },
    { "bare CR", MSG VIA "X: a\\rb\n" TO FROM ID SEQ LEN, NGX_OK, 400 },
    { "row without colon", MSG VIA "foo\n" TO FROM ID SEQ LEN, NGX_OK, 400 },
    { "row without name", MSG VIA ": foo\n" TO FROM ID SEQ LEN, NGX_OK, 400 },
    { "name with a space", MSG VIA "a b: foo\n" TO FROM ID SEQ LEN,
      NGX_OK, 400 },
    { "folded start line", "MESSAGE sip:u@x.test SIP/2.0\n foo: bar\n" REST,
      NGX_OK, 400 },
    { "Call-ID with a space", MSG VIA TO FROM "Call-ID: a b\n" SEQ LEN,
      NGX_OK, 400 },
    { "Call-ID with two at signs", MSG VIA TO FROM "Call-ID: a@b@c\n" SEQ LEN,
      NGX_OK, 400 },
    { "empty Call-ID", MSG VIA TO FROM "Call-ID:\n" SEQ LEN, NGX_OK, 400 },
    { "IPv6 in the Request-URI", "MESSAGE sip:u@[2001:db8::10]:5070 SIP/2.0\n"
      REST, NGX_OK, 0 },
    { "open IPv6 reference", "MESSAGE sip:u@[2001:db8::10 SIP/2.0\n" REST,
      NGX_OK, 400 },
    { "bad escape in the Request-URI", "MESSAGE sip:u%4@x.test SIP/2.0\n" REST,
      NGX_OK, 400 },
    { "escape in the host", "MESSAGE sip:u@x%2Etest SIP/2.0\n" REST,
      NGX_OK, 400 },
    { "two at signs", "MESSAGE sip:u@v@x.test SIP/2.0\n" REST, NGX_OK, 400 },
    { "empty user", "MESSAGE sip:@x.test SIP/2.0\n" REST, NGX_OK, 400 },
    { "im", "MESSAGE im:u@x.test SIP/2.0\n" REST, NGX_OK, 0 },
    { "status 700", "SIP/2.0 700 x\n" REST, NGX_OK, 400 },
    { "status 099", "SIP/2.0 099 x\n" REST, NGX_OK, 400 },
    { "CR in a reason", "SIP/2.0 200 O\\rK\n" REST, NGX_OK, 400 }
};


static u_char                buf[SIZE];
static ngx_sip_msg_t         msg;
static ngx_sip_msg_t         other;


static ngx_str_t
parse_text(const char *s)
{
    u_char     *p;
    ngx_str_t   text;

    p = buf;

    for ( /* void */ ; *s; s++) {

        if (*s == '\n') {
            *p++ = '\r';
            *p++ = '\n';
            continue;
        }

        if (*s == '\\' && (s[1] == '0' || s[1] == 'n' || s[1] == 'r')) {
            s++;
            *p++ = *s == '0' ? '\0' : *s == 'n' ? '\n' : '\r';
            continue;
        }

        *p++ = *s;
    }

    text.data = buf;
    text.len = p - buf;

    return text;
}


static ngx_int_t
parse_once(ngx_str_t *text, ngx_sip_msg_t *m)
{
    ngx_sip_parser_t  sp;

    memset(&sp, 0, sizeof(sp));

    return ngx_sip_parse(&sp, m, text->data, text->data + text->len,
                         HEADER_MAX, BODY_MAX);
}


/* what is read octet by octet, each time at another place, is the same */

static ngx_uint_t
parse_split(ngx_str_t *text, ngx_int_t expected, ngx_uint_t step)
{
    size_t            n;
    u_char           *copy;
    ngx_int_t         rc;
    ngx_uint_t        same;
    ngx_sip_parser_t  sp;

    memset(&sp, 0, sizeof(sp));
    rc = NGX_AGAIN;
    same = 1;

    for (n = step; rc == NGX_AGAIN; n += step) {

        n = ngx_min(n, text->len);

        copy = malloc(n);
        memcpy(copy, text->data, n);

        rc = ngx_sip_parse(&sp, &other, copy, copy + n, HEADER_MAX, BODY_MAX);

        if (rc != NGX_AGAIN) {
            (void) ngx_sip_check(&other);

            same = rc == expected && other.error == msg.error
                   && (rc == NGX_ERROR
                       || (other.status == msg.status
                           && other.method == msg.method
                           && other.cseq == msg.cseq
                           && other.nheaders == msg.nheaders));
        }

        free(copy);

        if (n == text->len) {
            break;
        }
    }

    return same && rc == expected;
}


static void
test_cases(void)
{
    ngx_int_t      rc;
    ngx_str_t      text, copy;
    ngx_uint_t     i;
    parse_case_t  *c;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        c = &cases[i];

        text = parse_text(c->text);
        copy = unit_copy(&text);

        rc = parse_once(&copy, &msg);

        if (rc != NGX_AGAIN) {
            (void) ngx_sip_check(&msg);
        }

        unit_ok(rc == c->rc && (rc == NGX_AGAIN || msg.error == c->error),
                "%s", c->name);

        if (rc != c->rc || (rc != NGX_AGAIN && msg.error != c->error)) {
            unit_diag("%d, %u %s", (int) rc, (unsigned) msg.error,
                      msg.problem ? msg.problem : "");
        }

        if (rc != NGX_AGAIN) {
            unit_ok(parse_split(&copy, rc, 1) && parse_split(&copy, rc, 7),
                    "%s, split", c->name);
        }

        free(copy.data);
    }
}


static void
test_values(void)
{
    u_char            *p;
    ngx_str_t          text, item, s;
    ngx_uint_t         n;
    ngx_sip_via_t      via;
    ngx_sip_uri_t      uri;
    ngx_sip_addr_t     addr;
    ngx_sip_media_t    media;
    ngx_sip_header_t  *h;

    text = parse_text(cases[0].text);
    (void) parse_once(&text, &msg);
    (void) ngx_sip_check(&msg);

    s = unit_string("1918181833n");
    unit_is(&msg.to.tag, &s, "wsinv: To tag");
    s = unit_string("98asjd8");
    unit_is(&msg.from.tag, &s, "wsinv: From tag");
    s = unit_string("sip:jdrosen@example.com");
    unit_is(&msg.from.uri, &s, "wsinv: From URI");
    s = unit_string("sip:vivekg@chair-dnrc.example.com");
    unit_is(&msg.to.uri, &s, "wsinv: To URI");
    unit_ok(msg.nvias == 3, "wsinv: Vias");
    unit_ok(msg.cseq == 9, "wsinv: CSeq");
    unit_ok(msg.max_forwards == 68, "wsinv: Max-Forwards");
    s = unit_string("390skdjuw");
    unit_is(&msg.via.branch, &s, "wsinv: branch");

    h = ngx_sip_header(&msg, NGX_SIP_VIA);
    h = ngx_sip_header_next(&msg, h);
    p = h->value.data;
    (void) ngx_sip_via(&p, h->value.data + h->value.len, &via);
    s = unit_string("spindle.example.com");
    unit_is(&via.host, &s, "wsinv: second Via");
    p++;
    (void) ngx_sip_via(&p, h->value.data + h->value.len, &via);
    s = unit_string("z9hG4bK30239");
    unit_is(&via.branch, &s, "wsinv: third Via");

    h = ngx_sip_header(&msg, NGX_SIP_SUBJECT);
    unit_ok(h && h->value.len == 0, "wsinv: empty Subject");

    text = parse_text(cases[4].text);
    (void) parse_once(&text, &msg);
    n = 0;
    h = ngx_sip_header(&msg, NGX_SIP_CONTACT);

    for ( /* void */ ; h; h = ngx_sip_header_next(&msg, h)) {
        n++;
    }

    unit_ok(n == 2, "esc02: two Contacts");

    text = parse_text("SIP/2.0/TLS h:70;rport;alias;branch=z9hG4bK1"
                      ";received=1.2.3.4 , SIP/2.0/TCP g");
    p = text.data;
    unit_ok(ngx_sip_via(&p, text.data + text.len, &via) == NGX_OK
            && via.alias && via.port == 70 && via.rport.len == 5
            && !via.rport_set && *p == ',', "via parameters");
    s = unit_string("SIP/2.0/TLS h:70;rport;alias;branch=z9hG4bK1"
                    ";received=1.2.3.4");
    unit_is(&via.all, &s, "via-parm");

    /* TT-45, TT-46: parameters of the header field, and of the URI */

    text = parse_text("sip:+19725552222@gw1.example.net;unknownparam");
    p = text.data;
    (void) ngx_sip_addr(&p, text.data + text.len, &addr);
    s = unit_string("sip:+19725552222@gw1.example.net");
    unit_is(&addr.uri, &s, "cparam01");

    text = parse_text("<sip:+19725552222@gw1.example.net;unknownparam>");
    p = text.data;
    (void) ngx_sip_addr(&p, text.data + text.len, &addr);
    s = unit_string("sip:+19725552222@gw1.example.net;unknownparam");
    unit_is(&addr.uri, &s, "cparam02");

    /* TT-47 */

    text = parse_text("<sip:user@example.com?Route=%3Csip:sip.example.com%3E>");
    p = text.data;
    unit_ok(ngx_sip_addr(&p, text.data + text.len, &addr) == NGX_OK
            && ngx_sip_uri(&addr.uri, &uri) == NGX_OK
            && uri.headers.len == 32, "regescrt");

    /* TT-26 */

    text = parse_text("sip:user@example.com?Route=%3Csip:sip.example.com%3E");
    p = text.data;
    unit_ok(ngx_sip_addr(&p, text.data + text.len, &addr) == NGX_ERROR,
            "regbadct");

    text = parse_text("a, ,b ;q=\"x,y\",\n c");
    p = text.data;
    (void) ngx_sip_item(&p, text.data + text.len, &item);
    (void) ngx_sip_item(&p, text.data + text.len, &item);
    s = unit_string("b ;q=\"x,y\"");
    unit_is(&item, &s, "item with a comma in quotes");
    (void) ngx_sip_item(&p, text.data + text.len, &item);
    s = unit_string("c");
    unit_is(&item, &s, "last item");
    unit_ok(ngx_sip_item(&p, text.data + text.len, &item) == NGX_DONE,
            "no more items");

    text = parse_text("text / plain ; format=flowed; Charset=\"utf-8\"");
    unit_ok(ngx_sip_media_type(&text, &media) == NGX_OK
            && ngx_sip_media_is_text(&media)
            && ngx_sip_is(&media.charset, "UTF-8"), "media type");

    text = parse_text("sip:a:b@h:5062;x=y");
    unit_ok(ngx_sip_uri(&text, &uri) == NGX_OK && uri.user.len == 1
            && uri.port == 5062 && uri.params.len == 4, "URI");
}


static void
test_long(void)
{
    u_char            *p;
    ngx_int_t          rc;
    ngx_str_t          text;
    ngx_uint_t         i;
    ngx_sip_parser_t   sp;

    /* TT-07 longreq */

    text = parse_text("INVITE sip:u@x.test SIP/2.0\n"
                      "F: sip:amazinglylongcallername@example.net;tag=1\n" TO
                      ID "CSeq: 3882340 INVITE\n");
    p = text.data + text.len;

    for (i = 0; i < 34; i++) {
        p += sprintf((char *) p, "v: SIP/2.0/TCP sip%u.example.com\r\n",
                     (unsigned) i);
    }

    p += sprintf((char *) p, "Unknown-");
    memset(p, 'L', 8000);
    p += 8000;
    p += sprintf((char *) p, ": ");
    memset(p, 'v', 8000);
    p += 8000;
    p += sprintf((char *) p, "\r\nl:0\r\n\r\n");
    text.len = p - text.data;

    rc = parse_once(&text, &msg);
    unit_ok(rc == NGX_OK && ngx_sip_check(&msg) == NGX_OK && msg.nvias == 34,
            "TT-07 longreq");

    /* SP-08 */

    text = parse_text(MSG VIA TO FROM ID SEQ "X: ");
    memset(text.data + text.len, 'x', 5000);
    memset(&sp, 0, sizeof(sp));
    rc = ngx_sip_parse(&sp, &msg, text.data, text.data + 4000, 4096, 4096);
    unit_ok(rc == NGX_AGAIN, "SP-08 within the limit");
    rc = ngx_sip_parse(&sp, &msg, text.data, text.data + 4096, 4096, 4096);
    (void) ngx_sip_check(&msg);
    unit_ok(rc == NGX_ERROR && msg.error == 513 && msg.nvias == 1,
            "SP-08 over it");

    /* more rows than there is room for */

    text = parse_text(MSG VIA TO FROM ID SEQ "l: 0\n");
    p = text.data + text.len;

    for (i = 0; i < 300; i++) {
        p += sprintf((char *) p, "a:b\r\n");
    }

    p += sprintf((char *) p, "\r\n");
    text.len = p - text.data;
    rc = parse_once(&text, &msg);
    unit_ok(rc == NGX_OK && msg.error == 400, "many rows");

    /* SP-27, TT-08: what follows is the next message */

    text = parse_text(MSG VIA TO FROM ID SEQ "Content-Length: 5\n\nhello" MSG);
    rc = parse_once(&text, &msg);
    unit_ok(rc == NGX_OK && msg.size == text.len - 30 && msg.body.len == 5
            && memcmp(msg.body.data, "hello", 5) == 0, "SP-27 pipelined");
}


/* the vector of 15 octets of the reference implementation, 128 bits */

static void
test_hash(void)
{
    u_char          in[15], out[16];
    size_t          i;
    ngx_uint_t      n;
    ngx_fed_key_t   secret, key;
    ngx_fed_hash_t  hash;

    static const u_char  expected[] = {
        0x54, 0x93, 0xe9, 0x99, 0x33, 0xb0, 0xa8, 0x11,
        0x7e, 0x08, 0xec, 0x0f, 0x97, 0xcf, 0xc3, 0xd9
    };

    for (i = 0; i < 16; i++) {
        ((u_char *) &secret)[i] = (u_char) i;

        if (i < 15) {
            in[i] = (u_char) i;
        }
    }

    for (n = 0; n < 3; n++) {
        ngx_fed_hash_init(&hash, &secret);

        if (n == 0) {
            ngx_fed_hash_update(&hash, in, 15);

        } else {
            for (i = 0; i < 15; i += n) {
                ngx_fed_hash_update(&hash, in + i, ngx_min(n, 15 - i));
            }
        }

        key = ngx_fed_hash_final(&hash);
        memcpy(out, &key.lo, 8);
        memcpy(out + 8, &key.hi, 8);

        unit_ok(memcmp(out, expected, 16) == 0, "SipHash, %u", (unsigned) n);
    }
}


static void
test_mutations(void)
{
    u_char            *p;
    ngx_str_t          text, copy;
    ngx_uint_t         i, n, bad;
    ngx_sip_header_t  *h;
    ngx_str_t          item;
    ngx_sip_uri_t      uri;
    ngx_sip_media_t    media;

    static const char  *words[] = {
        "\r\n", "\n", "\r", " ", "\t", "\r\n ", ":", ";", ",", "<", ">", "\"",
        "\\", "=", "@", "[", "]", "%", "%00", "%zz", "SIP/2.0", "Via: ", "v:",
        "Content-Length: 1\r\n", "l: 5\r\n", "\r\n\r\n", "z9hG4bK", ";tag=a",
        "sip:", "sips:", "?", "/", "tel:1", "\xc3\xbc", "\xff", "z9hG4bKa",
        ";branch=", ";rport", "4294967296", "To: <sip:a@b>\r\n", "MESSAGE "
    };

    bad = 0;

    for (n = unit_rounds(); n; n--) {

        i = unit_random(sizeof(cases) / sizeof(cases[0]));
        text = parse_text(cases[i].text);
        unit_mutate(&text, SIZE / 2, words, sizeof(words) / sizeof(words[0]));
        copy = unit_copy(&text);

        switch (parse_once(&copy, &msg)) {

        case NGX_OK:
            bad += msg.size > copy.len;
            bad += msg.body.data + msg.body.len > copy.data + copy.len;
            break;

        case NGX_AGAIN:
            free(copy.data);
            continue;

        case NGX_ERROR:
            bad += msg.error == 0;
        }

        if (ngx_sip_check(&msg) != NGX_OK) {
            bad += msg.error == 0 || msg.problem == NULL;
        }

        for (i = 1; i <= msg.nheaders; i++) {
            h = &msg.headers[i];
            bad += h->value.data + h->value.len > copy.data + copy.len;
            p = h->value.data;
            (void) ngx_sip_media_type(&h->value, &media);
            (void) ngx_sip_uri(&h->value, &uri);

            while (ngx_sip_item(&p, h->value.data + h->value.len, &item)
                   == NGX_OK)
            {
                bad += item.len == 0;
            }
        }

        free(copy.data);
    }

    unit_ok(bad == 0, "mutations");
}


/* IM-41: bodies with boundary "b"; text NULL: there is none */

typedef struct {
    const char   *name;
    const char   *type;
    const char   *body;
    ngx_int_t     rc;
    const char   *text;
} parts_case_t;


#define PLAIN  "Content-Type: text/plain\n\n"
#define HTML   "Content-Type: text/html\n\n"
#define OPTIONAL  "Content-Disposition: attachment; handling=optional\n"
#define ALT    "multipart/alternative;boundary=b"
#define MIXED  "multipart/mixed;boundary=\"b\""


static parts_case_t  parts[] = {
    { "one part", MIXED, "--b\n" PLAIN "hi\n--b--\n", NGX_OK, "hi" },
    { "preamble, epilogue, LWS", MIXED,
      "pre--b\n--b \t\n" PLAIN "hi\n--b--\nepi\n--b\n", NGX_OK, "hi" },
    { "no header fields", MIXED, "--b\n\nhi\n\n--b--", NGX_OK, "hi\n" },
    { "empty part", MIXED, "--b\n\n\n--b--", NGX_OK, "" },
    { "lines that begin like it", MIXED,
      "--b\n\n--\n--a\n--bc\n x--b\n--b--", NGX_OK, "--\n--a\n--bc\n x--b" },
    { "alternatives", ALT,
      "--b\n" PLAIN "one\n--b\n" PLAIN "two\n--b\n" HTML "three\n--b--",
      NGX_OK, "two" },
    { "alternatives without text", ALT, "--b\n" HTML "a\n--b--",
      NGX_DECLINED, NULL },
    { "optional part", MIXED,
      "--b\n" OPTIONAL HTML "a\n--b\n" PLAIN "hi\n--b--", NGX_OK, "hi" },
    { "required part", MIXED,
      "--b\n" PLAIN "hi\n--b\nContent-Disposition: render;handling=required\n"
      HTML "a\n--b--", NGX_DECLINED, NULL },
    { "required by default", MIXED,
      "--b\n" PLAIN "hi\n--b\n" HTML "a\n--b--", NGX_DECLINED, NULL },
    { "two texts", MIXED, "--b\n" PLAIN "hi\n--b\n" PLAIN "you\n--b--",
      NGX_DECLINED, NULL },
    { "encoded text", MIXED, "--b\nContent-Transfer-Encoding: base64\n" PLAIN
      "aGk=\n--b--", NGX_DECLINED, NULL },
    { "encoding that is none", MIXED, "--b\ncontent-transfer-encoding:\n 8BIT\n"
      PLAIN "hi\n--b--", NGX_OK, "hi" },
    { "other charset", MIXED, "--b\nContent-Type: text/plain;charset=utf-16\n\n"
      "hi\n--b--", NGX_DECLINED, NULL },
    { "within another", MIXED,
      "--b\nContent-Type: multipart/alternative; boundary=c\n\n"
      "--c\n" PLAIN "hi\n--c\n" HTML "a\n--c--\n--b--", NGX_OK, "hi" },
    { "too deep", "multipart/mixed;boundary=1",
      "--1\nContent-Type: multipart/mixed;boundary=2\n\n"
      "--2\nContent-Type: multipart/mixed;boundary=3\n\n"
      "--3\nContent-Type: multipart/mixed;boundary=4\n\n"
      "--4\nContent-Type: multipart/mixed;boundary=5\n\n"
      "--5\n\nhi\n--5--\n--4--\n--3--\n--2--\n--1--", NGX_ERROR, NULL },
    { "no boundary", "multipart/mixed", "--b\n\nhi\n--b--", NGX_ERROR, NULL },
    { "not in the body", MIXED, "hi", NGX_ERROR, NULL },
    { "no part", MIXED, "--b--", NGX_DECLINED, NULL },
    { "no end", MIXED, "--b\n\nhi\n", NGX_ERROR, NULL },
    { "no end of the delimiter", MIXED, "--b", NGX_ERROR, NULL },
    { "bad header field", MIXED, "--b\nhi\n\nhi\n--b--", NGX_ERROR, NULL },
    { "no empty line", MIXED, "--b\nA: b\n--b--", NGX_ERROR, NULL },
    { "lone LF", MIXED, "--b\n\nhi\\n--b\n--b--", NGX_OK, "hi\\n--b" },
};


static void
test_parts(void)
{
    ngx_int_t         rc;
    ngx_str_t         type, body, copy, text, s;
    ngx_uint_t        i, n, bad;
    parts_case_t     *c;
    ngx_sip_media_t   media;

    static const char  *words[] = {
        "\r\n", "\n", "\r", "--", "--b", "\r\n--b\r\n", "--b--", ":", " ",
        "Content-Type: multipart/mixed;boundary=c\r\n\r\n", "--c\r\n",
        "Content-Type: ", "\r\n\r\n", ";handling=optional", "\"", "text/plain"
    };

    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        c = &parts[i];

        type = unit_string(c->type);
        (void) ngx_sip_media_type(&type, &media);

        text = parse_text(c->body);
        body = unit_copy(&text);

        rc = ngx_sip_multipart(&media, &body, ngx_sip_media_is_text,
                               &text);
        unit_ok(rc == c->rc, "multipart: %s", c->name);

        if (rc != c->rc) {
            unit_diag("%d", (int) rc);
        }

        if (rc == NGX_OK && c->text) {
            copy = unit_copy(&text);
            s = parse_text(c->text);
            unit_is(&copy, &s, "multipart: %s, text", c->name);
            free(copy.data);
        }

        free(body.data);
    }

    bad = 0;

    for (n = unit_rounds(); n; n--) {
        c = &parts[unit_random(sizeof(parts) / sizeof(parts[0]))];

        type = unit_string(c->type);
        (void) ngx_sip_media_type(&type, &media);

        text = parse_text(c->body);
        unit_mutate(&text, SIZE / 2, words, sizeof(words) / sizeof(words[0]));
        body = unit_copy(&text);

        rc = ngx_sip_multipart(&media, &body, ngx_sip_media_is_text,
                               &text);

        if (rc == NGX_OK) {
            bad += text.data < body.data
                   || text.data + text.len > body.data + body.len;
        }

        free(body.data);
    }

    unit_ok(bad == 0, "multipart: mutations");
}


int
main(void)
{
    test_cases();
    test_values();
    test_parts();
    test_long();
    test_hash();
    test_mutations();

    return unit_done();
}
