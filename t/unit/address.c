
/*
 * Tests of ngx_fed_address.c and ngx_fed_precis.c: rules ADR, the vectors of
 * address_escaping.tsv both ways, and mutations of them.
 */


#include "unit.h"
#include "ngx_fed_address.h"
#include "ngx_fed_precis.h"


#define SIZE  4096


typedef struct {
    const char   *input;
    ngx_int_t     rc;
    const char   *output;    /* of the other form, with NGX_OK */
    const char   *name;
} address_case_t;


static char  x1023[1024], x1024[1025];


/* JIDs, and the SIP URIs that come of them */

static address_case_t  jids[] = {
    { "u@x.test/a/b@c", NGX_OK, "sip:u@x.test;gr=a/b%40c",
      "ADR-01 only the first slash counts" },
    { "a.x.test/b@c", NGX_OK, "sip:a.x.test;gr=b%40c",
      "ADR-01 resource before localpart" },
    { "a@b@x.test", NGX_DECLINED, NULL, "ADR-01 two at-signs" },
    { "", NGX_DECLINED, NULL, "ADR-02 empty" },
    { "@", NGX_DECLINED, NULL, "ADR-02 only an at-sign" },
    { "/", NGX_DECLINED, NULL, "ADR-02 only a slash" },
    { "@/", NGX_DECLINED, NULL, "ADR-02 nothing between" },
    { "\\2Fa@x.test", NGX_OK, "sip:/a@x.test",
      "ADR-05 escapes are undone after case mapping" },
    { "\\5c41@x.test", NGX_DECLINED, NULL,
      "ADR-29 an escape that is none aliases \\41" },
    { "a\\5c@x.test", NGX_DECLINED, NULL,
      "ADR-29 an escaped backslash at the end aliases a\\" },
    { "a\\5c\\20b@x.test", NGX_DECLINED, NULL,
      "ADR-29 an escaped backslash before an escape" },
    { "a\\@x.test", NGX_OK, "sip:a%5C@x.test", "ADR-06 backslash at the end" },
    { "a\\2@x.test", NGX_OK, "sip:a%5C2@x.test", "ADR-06 cut escape" },
    { "\\5c20a@x.test", NGX_OK, "sip:%5C20a@x.test",
      "ADR-07 what looks like a space at the start is none" },
    { "\\20@x.test", NGX_DECLINED, NULL, "ADR-07 a space alone" },
    { "a&b@x.test", NGX_DECLINED, NULL, "ADR-04 ampersand" },
    { "a'b@x.test", NGX_DECLINED, NULL, "ADR-04 apostrophe" },
    { "a:b@x.test", NGX_DECLINED, NULL, "ADR-04 colon" },
    { "a<b@x.test", NGX_DECLINED, NULL, "ADR-04 less" },
    { "a>b@x.test", NGX_DECLINED, NULL, "ADR-04 greater" },
    { "a\tb@x.test", NGX_DECLINED, NULL, "ADR-04 tab" },
    { "a\x7f" "b@x.test", NGX_DECLINED, NULL, "ADR-04 delete" },
    { "a@x.test.", NGX_OK, "sip:a@x.test", "ADR-17 trailing dot" },
    { "a@x.test..", NGX_DECLINED, NULL, "ADR-17 one dot only" },
    { "a@.", NGX_DECLINED, NULL, "ADR-17 dot alone" },
    { "a@.x.test", NGX_DECLINED, NULL, "empty label" },
    { "a@x..test", NGX_DECLINED, NULL, "empty label within" },
    { "a@-x.test", NGX_DECLINED, NULL, "hyphen first" },
    { "a@x-.test", NGX_DECLINED, NULL, "hyphen last" },
    { "a@x_y.test", NGX_DECLINED, NULL, "underscore" },
    { "a@x%2etest", NGX_DECLINED, NULL, "ADR-16 percent sign" },
    { "a@x.test:5269", NGX_DECLINED, NULL, "port in a JID" },
    { "a@localhost", NGX_OK, "sip:a@localhost", "single label" },
    { "a@3com.test", NGX_OK, "sip:a@3com.test", "digit first" },
    { "a@x.3test", NGX_DECLINED, NULL, "top label with digit first" },
    { "a@192.0.2.1", NGX_DECLINED, NULL, "ADR-28 IPv4" },
    { "a@[2001:db8::1]", NGX_DECLINED, NULL, "ADR-28 IPv6" },
    { "a@xn--mnchen-3ya.test", NGX_OK, "sip:a@xn--mnchen-3ya.test",
      "ADR-14 A-label" },
    { "a@XN--MNCHEN-3YA.test", NGX_OK, "sip:a@xn--mnchen-3ya.test",
      "ADR-14 A-label in upper case" },
    { "a@xn--zzzzzz.test", NGX_DECLINED, NULL, "ADR-15 fake A-label" },
    { "a@xn--a.test", NGX_DECLINED, NULL, "ADR-15 A-label of ASCII" },
    { "a@xn--.test", NGX_DECLINED, NULL, "ADR-15 empty A-label" },
    { "a@M\xc3\x9cNCHEN.test", NGX_OK, "sip:a@xn--mnchen-3ya.test",
      "ADR-14 upper case" },
    { "a@mu\xcc\x88nchen.test", NGX_OK, "sip:a@xn--mnchen-3ya.test",
      "ADR-14 decomposed" },
    { "a@m\xc3\xbcnchen\xe3\x80\x82test", NGX_OK,
      "sip:a@xn--mnchen-3ya.test", "ADR-14 ideographic full stop" },
    { "a@m\xc3\xbcnchen.test.", NGX_OK, "sip:a@xn--mnchen-3ya.test",
      "ADR-14 and ADR-17" },
    { "a@\xef\xbd\x98.test", NGX_OK, "sip:a@x.test", "fullwidth domain" },
    { "a@\xe2\x99\x9a.test", NGX_DECLINED, NULL, "IDNA2008 has no symbols" },
    { "a@\xc3.test", NGX_DECLINED, NULL, "domain not UTF-8" },
    { "a@x\xef\xbc\xa0y.test", NGX_DECLINED, NULL, "fullwidth at in domain" },
    { "\xef\xbc\xa1@x.test", NGX_OK, "sip:a@x.test", "ADR-03 fullwidth A" },
    { "\xef\xbc\xa0@x.test", NGX_DECLINED, NULL,
      "ADR-04 fullwidth at-sign" },
    { "a\xe3\x80\x80" "b@x.test", NGX_DECLINED, NULL,
      "ADR-04 ideographic space" },
    { "\xef\xbc\xbc" "20a@x.test", NGX_DECLINED, NULL,
      "ADR-07 fullwidth backslash" },
    { "u\xcc\x88@x.test", NGX_OK, "sip:%C3%BC@x.test", "ADR-03 NFC" },
    { "\xc4\xb0@x.test", NGX_OK, "sip:i%CC%87@x.test",
      "ADR-29 I with dot above" },
    { "\xe2\x84\xaa@x.test", NGX_DECLINED, NULL, "ADR-29 Kelvin sign" },
    { "l\xc2\xb7l@x.test", NGX_OK, "sip:l%C2%B7l@x.test",
      "middle dot between l" },
    { "a\xc2\xb7l@x.test", NGX_DECLINED, NULL, "middle dot elsewhere" },
    { "\xd7\x90\xd7\x91@x.test", NGX_OK, "sip:%D7%90%D7%91@x.test",
      "ADR-03 Hebrew" },
    { "a\xd7\x91@x.test", NGX_DECLINED, NULL, "ADR-03 bidi mixed" },
    { "1\xd7\x91@x.test", NGX_DECLINED, NULL, "ADR-03 bidi digit first" },
    { "\xd7\x91\x31@x.test", NGX_OK, "sip:%D7%911@x.test",
      "ADR-03 bidi digit last" },
    { "\xd7\x91.@x.test", NGX_DECLINED, NULL, "ADR-03 bidi dot last" },
    { "\xd9\xa1\xdb\xb1@x.test", NGX_DECLINED, NULL,
      "Arabic digits of both sets" },
    { "\xd8\xa7\xd9\xa1\xd9\xaa\xdb\xb1@x.test", NGX_DECLINED, NULL,
      "Arabic digits of both sets apart" },
    { "\xd8\xa7\xd9\xa1\xd8\xa7\xd9\xa2@x.test", NGX_OK,
      "sip:%D8%A7%D9%A1%D8%A7%D9%A2@x.test", "Arabic digits of one set" },
    { "\xd8\xa7\xd9\xa1\xdb\xba\xdb\xb1@x.test", NGX_DECLINED, NULL,
      "Arabic digits of both sets around a letter" },
    { "\xe3\x83\xbb" "a\xe3\x83\xbb\xe3\x82\xab@x.test", NGX_OK,
      "sip:%E3%83%BBa%E3%83%BB%E3%82%AB@x.test", "Katakana middle dots" },
    { "a\xe3\x83\xbb@x.test", NGX_DECLINED, NULL,
      "Katakana middle dot alone" },
    { "\xd8\xa8\xe2\x80\x8c\xd8\xa8@x.test", NGX_OK,
      "sip:%D8%A8%E2%80%8C%D8%A8@x.test", "non-joiner between joining" },
    { "\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8d\xe0\xa4\xb7@x.test", NGX_OK,
      "sip:%E0%A4%95%E0%A5%8D%E2%80%8D%E0%A4%B7@x.test",
      "joiner after a virama" },
    { "a\xe2\x80\x8d" "b@x.test", NGX_DECLINED, NULL, "joiner" },
    { "a\xc2\xad" "b@x.test", NGX_DECLINED, NULL, "soft hyphen" },
    { "a\xc2\x85" "b@x.test", NGX_DECLINED, NULL, "C1 control" },
    { "\\3c\xcc\xb8@x.test", NGX_DECLINED, NULL,
      "ADR-29 un-escaped text that NFC changes" },
    { "a\xff@x.test", NGX_DECLINED, NULL, "localpart not UTF-8" },
    { "a@x.test/\xff", NGX_DECLINED, NULL, "resource not UTF-8" },
    { "a@x.test/\xc2\xa0z", NGX_OK, "sip:a@x.test;gr=%20z",
      "OpaqueString maps spaces" },
    { "a@x.test/u\xcc\x88", NGX_OK, "sip:a@x.test;gr=%C3%BC",
      "OpaqueString has NFC" },
    { "a@x.test/\xe2\x85\xa3", NGX_OK, "sip:a@x.test;gr=%E2%85%A3",
      "FreeformClass has compatibility characters" },
    { "a@x.test/\xc2\x85", NGX_DECLINED, NULL, "C1 control in resource" },
    { "a@x.test/\xe2\x80\xae", NGX_DECLINED, NULL,
      "direction override in resource" },
    { "a@x.test/R\xc3\x9c", NGX_OK, "sip:a@x.test;gr=R%C3%9C",
      "resource keeps its case" }
};


/* SIP URIs, and the JIDs that come of them */

static address_case_t  uris[] = {
    { "", NGX_FED_ADDRESS_SYNTAX, NULL, "empty" },
    { "sip", NGX_FED_ADDRESS_SYNTAX, NULL, "no colon" },
    { ":a@s.test", NGX_FED_ADDRESS_SYNTAX, NULL, "no scheme" },
    { "sip:", NGX_FED_ADDRESS_SYNTAX, NULL, "no host" },
    { "sip:a@", NGX_FED_ADDRESS_SYNTAX, NULL, "no host after user" },
    { "sip: a@s.test", NGX_FED_ADDRESS_SYNTAX, NULL, "space" },
    { "s p:a@s.test", NGX_FED_ADDRESS_SYNTAX, NULL, "space in scheme" },
    { "1sip:a@s.test", NGX_FED_ADDRESS_SYNTAX, NULL, "digit in scheme" },
    { "SIPS:a@s.test", NGX_FED_ADDRESS_SECURE, NULL, "ARC-06 sips" },
    { "h323:a@s.test", NGX_FED_ADDRESS_SCHEME, NULL, "ADR-20 scheme" },
    { "Pres:a@s.test", NGX_OK, "a@s.test", "ADR-20 pres" },
    { "sip:a:@s.test", NGX_OK, "a@s.test", "empty password" },
    { "sip::b@s.test", NGX_FED_ADDRESS_SYNTAX, NULL, "password alone" },
    { "sip:a:b;c@s.test", NGX_FED_ADDRESS_SYNTAX, NULL, "bad password" },
    { "sip:a:b%4@s.test", NGX_FED_ADDRESS_SYNTAX, NULL, "cut escape" },
    { "sip:a:b%40@s.test", NGX_OK, "a@s.test", "escape in password" },
    { "sip:a%@s.test", NGX_FED_ADDRESS_SYNTAX, NULL, "ADR-10 percent" },
    { "sip:a%4@s.test", NGX_FED_ADDRESS_SYNTAX, NULL, "ADR-10 one digit" },
    { "sip:a%7F@s.test", NGX_FED_ADDRESS_UNMAPPABLE, NULL, "ADR-10 delete" },
    { "sip:a%C2%85@s.test", NGX_FED_ADDRESS_UNMAPPABLE, NULL,
      "ADR-10 C1 control" },
    { "sip:a%20@s.test", NGX_FED_ADDRESS_UNMAPPABLE, NULL,
      "ADR-07 trailing space" },
    { "sip:a\xc3\xbc@s.test", NGX_FED_ADDRESS_SYNTAX, NULL, "raw UTF-8" },
    { "sip:a@s\xc3\xbc.test", NGX_FED_ADDRESS_SYNTAX, NULL,
      "raw UTF-8 in host" },
    { "sip:a@s.test:0", NGX_FED_ADDRESS_SYNTAX, NULL, "port 0" },
    { "sip:a@s.test:65535", NGX_OK, "a@s.test", "port 65535" },
    { "sip:a@s.test:65536", NGX_FED_ADDRESS_SYNTAX, NULL, "port 65536" },
    { "sip:a@s.test:99999999999999999999", NGX_FED_ADDRESS_SYNTAX, NULL,
      "huge port" },
    { "sip:a@s.test:", NGX_FED_ADDRESS_SYNTAX, NULL, "empty port" },
    { "sip:a@s.test:5060x", NGX_FED_ADDRESS_SYNTAX, NULL, "port and more" },
    { "sip:a@192.0.2.1", NGX_FED_ADDRESS_UNMAPPABLE, NULL, "ADR-28 IPv4" },
    { "sip:a@192.0.2.1:5061;gr=x", NGX_FED_ADDRESS_UNMAPPABLE, NULL,
      "ADR-28 IPv4 and port" },
    { "sip:a@192.0.2", NGX_FED_ADDRESS_SYNTAX, NULL, "no IPv4, no hostname" },
    { "sip:a@[2001:db8::1]", NGX_FED_ADDRESS_UNMAPPABLE, NULL,
      "ADR-28 IPv6" },
    { "sip:a@[2001:db8::1]:5061;lr", NGX_FED_ADDRESS_UNMAPPABLE, NULL,
      "ADR-28 IPv6 and port" },
    { "sip:a@[2001:db8::1]x", NGX_FED_ADDRESS_SYNTAX, NULL,
      "IPv6 and more" },
    { "sip:a@[2001:db8::1", NGX_FED_ADDRESS_SYNTAX, NULL, "open bracket" },
    { "sip:a@[x]", NGX_FED_ADDRESS_SYNTAX, NULL, "bad IPv6" },
    { "sip:a@[::1];x?y=z", NGX_FED_ADDRESS_SYNTAX, NULL,
      "ADR-19 a bad URI is bad before it is unmappable" },
    { "sip:a@s.test;", NGX_FED_ADDRESS_SYNTAX, NULL, "empty parameter" },
    { "sip:a@s.test;;lr", NGX_FED_ADDRESS_SYNTAX, NULL, "empty parameter" },
    { "sip:a@s.test;=x", NGX_FED_ADDRESS_SYNTAX, NULL, "nameless parameter" },
    { "sip:a@s.test;x=", NGX_FED_ADDRESS_SYNTAX, NULL, "empty value" },
    { "sip:a@s.test;x=y=z", NGX_FED_ADDRESS_SYNTAX, NULL, "two values" },
    { "sip:a@s.test;maddr=[2001:db8::1];ttl=1;method=INVITE", NGX_OK,
      "a@s.test", "ADR-18 parameters" },
    { "sip:a@s.test;opaque=user:epid:pNlx2WVAAA;gruu", NGX_OK, "a@s.test",
      "ADR-18 parameters of OCS" },
    { "sip:a@s.test;x=%zz", NGX_FED_ADDRESS_SYNTAX, NULL,
      "bad escape in a parameter" },
    { "sip:a@s.test;gr;gr=x", NGX_FED_ADDRESS_SYNTAX, NULL,
      "ADR-24 gr twice" },
    { "sip:a@s.test;gr=x;GR", NGX_FED_ADDRESS_SYNTAX, NULL,
      "ADR-24 gr twice" },
    { "sip:a@s.test;gr=", NGX_FED_ADDRESS_SYNTAX, NULL, "empty gr" },
    { "sip:a@s.test;grx=y", NGX_OK, "a@s.test", "a parameter like gr" },
    { "sip:a@s.test;gr=%00", NGX_FED_ADDRESS_UNMAPPABLE, NULL, "NUL in gr" },
    { "sip:a@s.test;gr=%FF", NGX_FED_ADDRESS_UNMAPPABLE, NULL,
      "gr not UTF-8" },
    { "sip:a@s.test?x=y", NGX_FED_ADDRESS_SYNTAX, NULL, "ADR-19 headers" },
    { "sip:a@s.test;lr?x=y", NGX_FED_ADDRESS_SYNTAX, NULL, "ADR-19 headers" },
    { "sip:a@S.TEST.:5061", NGX_OK, "a@s.test", "ADR-17 dot before port" },
    { "sip:a@xn--zzzzzz.test", NGX_FED_ADDRESS_UNMAPPABLE, NULL,
      "ADR-15 fake A-label" },
    { "sip:a@XN--mnchen-3ya.test", NGX_OK, "a@m\xc3\xbcnchen.test",
      "ADR-15 A-label in upper case" },
    { "sip:a@-s.test", NGX_FED_ADDRESS_SYNTAX, NULL, "hyphen first" },
    { "sip:%EF%BC%A0@s.test", NGX_OK, "\\40@s.test", "fullwidth at-sign" },
    { "sip:%EF%BC%BC2f@s.test", NGX_OK, "\\5c2f@s.test",
      "ADR-11 fullwidth backslash" },
    { "sip:%E3%80%80a@s.test", NGX_FED_ADDRESS_UNMAPPABLE, NULL,
      "ADR-07 ideographic space first" },
    { "sip:%D7%90/%D7%91@s.test", NGX_FED_ADDRESS_UNMAPPABLE, NULL,
      "ADR-13 the escape of a slash breaks the bidi rule" },
    { "sip:%D7%90%20%D7%91@s.test", NGX_OK, "\xd7\x90\\20\xd7\x91@s.test",
      "ADR-13 the escape of a space doesn't" },
    { "sip:%3C%CC%B8@s.test", NGX_FED_ADDRESS_UNMAPPABLE, NULL,
      "ADR-13 NFC makes it a symbol" },
    { "sip:%E1%84%80@s.test", NGX_FED_ADDRESS_UNMAPPABLE, NULL,
      "ADR-13 old Hangul jamo" },
    { "sip:a%2fb@s.test", NGX_OK, "a\\2fb@s.test", "lower case hex" }
};


static const char  *words[] = {
    "%", "%2", "%20", "%5C", "%00", "%C3%BC", "%E2%99%9A", "%D7%90", "%FF",
    "\\", "\\20", "\\5c", "\\2f", "\\40", "\\2", "@", "/", ":", ";", ";gr=",
    ";gr", "?", ".", "..", "-", "xn--", "xn--mnchen-3ya", "[", "]", "[::1]",
    "127.0.0.1", " ", "\"", "&", "'", "<", ">", "\t", "\r\n", "\xc3\xbc",
    "\xcc\x88", "\xcc\xb8", "\xef\xbc\xa0", "\xef\xbc\xbc", "\xd7\x90",
    "\xd9\xa1", "\xe2\x80\x8d", "\xc2\xb7", "\xe3\x80\x82", "\xe2\x84\xaa",
    "\xc4\xb0", "\xce\xa3", "\xe3\x82\xab", "\xf0\x9f\x98\x80", "\xff",
    "\xed\xa0\x80", "\xc0\xaf", "sip:", "sips:", "im:", "A", "l", "0", "5c"
};


static ngx_str_t
to_jid(ngx_fed_address_t *addr, u_char *buf)
{
    ngx_str_t  s;

    s.data = buf;
    s.len = ngx_fed_address_to_jid(buf, addr) - buf;

    if (s.len > ngx_fed_address_jid_size(addr)) {
        unit_ok(0, "size of a JID");
    }

    return s;
}


static ngx_str_t
to_sip(ngx_fed_address_t *addr, u_char *buf)
{
    ngx_str_t  s;

    s.data = buf;
    s.len = ngx_fed_address_to_sip(buf, addr) - buf;

    if (s.len > ngx_fed_address_sip_size(addr)) {
        unit_ok(0, "size of a SIP URI");
    }

    return s;
}


/* reads a copy that is gone when the result is used */

static ngx_int_t
from(ngx_pool_t *pool, ngx_str_t *text, ngx_uint_t sip,
    ngx_fed_address_t *addr)
{
    ngx_int_t  rc;
    ngx_str_t  copy;

    copy = unit_copy(text);

    rc = sip ? ngx_fed_address_from_sip(pool, &copy, addr)
             : ngx_fed_address_from_jid(pool, &copy, addr);

    if (copy.len != text->len || memcmp(copy.data, text->data, copy.len)) {
        unit_ok(0, "the input was written to");
    }

    free(copy.data);

    return rc;
}


static ngx_uint_t
same_string(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}


static ngx_uint_t
same(ngx_fed_address_t *a, ngx_fed_address_t *b)
{
    return same_string(&a->user, &b->user)
           && same_string(&a->domain, &b->domain)
           && same_string(&a->unicode, &b->unicode)
           && same_string(&a->resource, &b->resource);
}


static void
check(const char *id, const char *input, ngx_uint_t sip, ngx_int_t expected,
    const char *output, ngx_uint_t again)
{
    u_char              buf[SIZE * 4], *p;
    ngx_int_t           rc;
    ngx_str_t           in, out, text;
    ngx_pool_t         *pool;
    ngx_fed_address_t   addr;

    pool = ngx_create_pool(SIZE, NULL);

    /* the table writes these two as names */

    in = unit_string(input);
    in = unit_copy(&in);

    p = (u_char *) memmem(in.data, in.len, "<CR><LF>", 8);
    if (p) {
        *p++ = CR;
        *p++ = LF;
        memmove(p, p + 6, in.data + in.len - p - 6);
        in.len -= 6;
    }

    rc = from(pool, &in, sip, &addr);

    if (expected != NGX_OK) {
        unit_ok(rc == expected, "%s: refused", id);
        goto done;
    }

    if (rc != NGX_OK) {
        unit_ok(0, "%s: refused: %d", id, (int) rc);
        goto done;
    }

    out = sip ? to_jid(&addr, buf) : to_sip(&addr, buf);
    text = unit_string(output);

    unit_is(&out, &text, "%s", id);

    if (again) {
        rc = from(pool, &out, !sip, &addr);

        if (rc == NGX_OK) {
            out = sip ? to_sip(&addr, buf) : to_jid(&addr, buf);
            unit_is(&out, &in, "%s: and back", id);

        } else {
            unit_ok(0, "%s: and back: %d", id, (int) rc);
        }
    }

done:

    free(in.data);
    ngx_destroy_pool(pool);
}


static ngx_int_t
reject(ngx_uint_t sip, const char *with)
{
    if (!sip) {
        return NGX_DECLINED;
    }

    if (strcmp(with, "400") == 0) {
        return NGX_FED_ADDRESS_SYNTAX;
    }

    if (strcmp(with, "416") == 0) {
        return NGX_FED_ADDRESS_SCHEME;
    }

    if (strcmp(with, "480/416") == 0) {
        return NGX_FED_ADDRESS_SECURE;
    }

    return NGX_FED_ADDRESS_UNMAPPABLE;
}


static void
test_table(unit_table_t *table)
{
    char        **row;
    ngx_uint_t    i, sip;

    for (i = 0; i < table->nrows; i++) {
        row = table->rows[i].column;
        sip = (strcmp(row[1], "s2x") == 0);

        check(row[0], row[2], sip,
              strcmp(row[5], "ok") == 0 ? NGX_OK : reject(sip, row[6]),
              row[3], strcmp(row[7], "y") == 0);
    }

    unit_ok(table->nrows == 108, "108 vectors");
}


static void
test_sizes(void)
{
    char         jid[SIZE], uri[SIZE + 4];
    ngx_uint_t   i, n;

    memset(x1023, 'x', 1023);
    memset(x1024, 'x', 1024);

    snprintf(jid, SIZE, "%s@x.test/%s", x1023, x1023);
    snprintf(uri, SIZE, "sip:%s@x.test;gr=%s", x1023, x1023);
    check("ADR-02 1023 octets", jid, 0, NGX_OK, uri, 1);
    check("ADR-02 1023 octets", uri, 1, NGX_OK, jid, 1);

    snprintf(jid, SIZE, "%s@x.test", x1024);
    check("ADR-02 localpart of 1024", jid, 0, NGX_DECLINED, NULL, 0);

    snprintf(jid, SIZE, "a@x.test/%s", x1024);
    check("ADR-02 resource of 1024", jid, 0, NGX_DECLINED, NULL, 0);

    snprintf(jid, SIZE, "a@%s", x1024);
    check("ADR-02 domain of 1024", jid, 0, NGX_DECLINED, NULL, 0);

    snprintf(uri, SIZE, "sip:%s@x.test", x1024);
    check("ADR-02 user of 1024", uri, 1, NGX_FED_ADDRESS_UNMAPPABLE, NULL, 0);

    /* 341 slashes make 1023 octets, 342 are too many */

    for (i = 341; i <= 342; i++) {
        snprintf(uri, SIZE, "sip:%.*s@x.test", (int) i, x1023);
        memset(uri + 4, '/', i);

        snprintf(jid, SIZE, "%.*s@x.test", (int) i * 3, x1024);

        for (n = 0; n < i && i == 341; n++) {
            memcpy(jid + 3 * n, "\\2f", 3);
        }

        check("ADR-02 escaped localpart", uri, 1,
              i == 341 ? NGX_OK : NGX_FED_ADDRESS_UNMAPPABLE, jid, i == 341);
    }

    snprintf(jid, SIZE, "%.*s.%.*s.%.*s.%.*s", 63, x1023, 63, x1023, 63, x1023,
             61, x1023);
    snprintf(uri, SIZE + 4, "sip:%s", jid);
    check("domain of 253", jid, 0, NGX_OK, uri, 1);

    snprintf(jid, SIZE, "%.*s.%.*s.%.*s.%.*s", 63, x1023, 63, x1023, 63, x1023,
             62, x1023);
    snprintf(uri, SIZE + 4, "sip:%s", jid);
    check("domain of 254", jid, 0, NGX_DECLINED, NULL, 0);
    check("domain of 254", uri, 1, NGX_FED_ADDRESS_UNMAPPABLE, NULL, 0);

    snprintf(uri, SIZE, "sip:%.*s.test", 64, x1023);
    check("label of 64", uri, 1, NGX_FED_ADDRESS_UNMAPPABLE, NULL, 0);
}


static void
test_domain(void)
{
    u_char              buf[SIZE];
    ngx_str_t           text, domain, unicode, expected;
    ngx_pool_t         *pool;
    ngx_fed_address_t   addr;

    pool = ngx_create_pool(SIZE, NULL);

    text = unit_string("M\xc3\x9cNCHEN.Example.");
    unit_ok(ngx_fed_address_domain(pool, &text, &domain) == NGX_OK, "domain");
    expected = unit_string("xn--mnchen-3ya.example");
    unit_is(&domain, &expected, "domain in A-labels");

    unit_ok(ngx_fed_address_domain_unicode(pool, &domain, &unicode) == NGX_OK,
            "domain in U-labels");
    expected = unit_string("m\xc3\xbcnchen.example");
    unit_is(&unicode, &expected, "domain in U-labels");

    text = unit_string("Example.COM");
    unit_ok(ngx_fed_address_domain(pool, &text, &domain) == NGX_OK, "domain");
    expected = unit_string("example.com");
    unit_is(&domain, &expected, "domain in lower case");

    unit_ok(ngx_fed_address_domain_unicode(pool, &domain, &unicode) == NGX_OK
            && unicode.data == domain.data,
            "U-labels of an ASCII domain are no copy");

    text = unit_string("");
    unit_ok(ngx_fed_address_domain(pool, &text, &domain) == NGX_DECLINED,
            "no domain");

    text = unit_string("192.0.2.1");
    unit_ok(ngx_fed_address_domain(pool, &text, &domain) == NGX_DECLINED,
            "ADR-28 IPv4");

    text = unit_string("*.example.com");
    unit_ok(ngx_fed_address_domain(pool, &text, &domain) == NGX_DECLINED,
            "wildcard");

    text = unit_string("x.test' to='y.test");
    unit_ok(ngx_fed_address_domain(pool, &text, &domain) == NGX_DECLINED,
            "SEC-10 domain");

    /* U+13EB is valid in IDNA, but its U-label has another case in a JID */

    text = unit_string("xn--bce.test");
    unit_ok(ngx_fed_address_domain(pool, &text, &domain) == NGX_DECLINED,
            "ADR-15 A-label without a U-label");

    /* an address made by hand */

    memset(&addr, 0, sizeof(addr));
    addr.domain = unit_string("x.test");
    text = to_jid(&addr, buf);
    unit_is(&text, &addr.domain, "JID without U-labels");

    text = unit_string("a@x.test");
    unit_ok(from(pool, &text, 0, &addr) == NGX_OK
            && addr.unicode.data == addr.domain.data,
            "U-labels of an ASCII domain are the same text");

    ngx_destroy_pool(pool);
}


static void
test_memory(unit_table_t *table)
{
    char               **row;
    ngx_int_t            n, rc, full;
    ngx_str_t            text;
    ngx_uint_t           i, sip, bad;
    ngx_pool_t          *pool;
    ngx_fed_address_t    addr;

    bad = 0;

    for (i = 0; i < table->nrows; i++) {
        row = table->rows[i].column;
        sip = (strcmp(row[1], "s2x") == 0);
        text = unit_string(row[2]);

        pool = ngx_create_pool(SIZE, NULL);
        full = from(pool, &text, sip, &addr);

        for (n = 0; n < 8; n++) {
            ngx_shim_allocations = n;
            rc = from(pool, &text, sip, &addr);

            if (rc != full && rc != NGX_ERROR) {
                bad++;
            }

            if (n == 0 && rc == NGX_OK) {
                bad++;
            }
        }

        if (rc != full) {
            bad++;
        }

        ngx_shim_allocations = -1;
        ngx_destroy_pool(pool);
    }

    unit_ok(bad == 0, "no memory is NGX_ERROR");
}


/* an address that was accepted goes there and back unchanged */

static ngx_uint_t
stable(ngx_pool_t *pool, ngx_fed_address_t *addr)
{
    u_char             *jid, *uri;
    ngx_str_t           text, again;
    ngx_fed_address_t   other;

    jid = ngx_pnalloc(pool, ngx_fed_address_jid_size(addr));
    uri = ngx_pnalloc(pool, ngx_fed_address_sip_size(addr));

    text = to_sip(addr, uri);

    if (from(pool, &text, 1, &other) != NGX_OK || !same(addr, &other)) {
        return 0;
    }

    text = to_jid(addr, jid);

    if (from(pool, &text, 0, &other) != NGX_OK || !same(addr, &other)) {
        return 0;
    }

    jid = ngx_pnalloc(pool, ngx_fed_address_jid_size(&other));
    again = to_jid(&other, jid);

    return same_string(&text, &again);
}


static void
test_mutations(unit_table_t *table)
{
    char               **row;
    u_char               buf[SIZE];
    ngx_int_t            rc;
    ngx_str_t            text, in;
    ngx_uint_t           n, sip, bad, accepted, declined, codes[5];
    ngx_pool_t          *pool;
    ngx_fed_address_t    addr;

    bad = 0;
    accepted = 0;
    declined = 0;
    memset(codes, 0, sizeof(codes));

    for (n = unit_rounds(); n; n--) {
        row = table->rows[unit_random(table->nrows)].column;
        sip = (strcmp(row[1], "s2x") == 0);

        in = unit_string(row[2]);
        memcpy(buf, in.data, in.len);
        text.data = buf;
        text.len = in.len;

        unit_mutate(&text, SIZE, words, sizeof(words) / sizeof(words[0]));

        pool = ngx_create_pool(SIZE, NULL);
        rc = from(pool, &text, sip, &addr);

        if (rc == NGX_OK) {
            accepted++;

            if (!stable(pool, &addr) && bad++ < 10) {
                unit_is(&text, &in, "goes there and back");
            }

        } else if (rc == NGX_DECLINED && !sip) {
            declined++;

        } else if (rc > NGX_OK && rc <= NGX_FED_ADDRESS_UNMAPPABLE && sip) {
            codes[rc]++;

        } else {
            bad++;
            unit_ok(0, "result %d", (int) rc);
        }

        ngx_destroy_pool(pool);
    }

    unit_ok(bad == 0, "mutations go there and back or are refused");
    unit_diag("accepted %u, declined %u, syntax %u, scheme %u, sips %u, "
              "unmappable %u", (unsigned) accepted, (unsigned) declined,
              (unsigned) codes[1], (unsigned) codes[2], (unsigned) codes[3],
              (unsigned) codes[4]);
}


int
main(int argc, char **argv)
{
    ngx_uint_t    i;
    unit_table_t  table;

    setvbuf(stdout, NULL, _IOLBF, 0);

    unit_table(&table, argc > 1 ? argv[1] : ".", "address_escaping.tsv");

    test_table(&table);

    for (i = 0; i < sizeof(jids) / sizeof(jids[0]); i++) {
        check(jids[i].name, jids[i].input, 0, jids[i].rc, jids[i].output, 0);
    }

    for (i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
        check(uris[i].name, uris[i].input, 1, uris[i].rc, uris[i].output, 0);
    }

    test_sizes();
    test_domain();
    test_memory(&table);
    test_mutations(&table);

    unit_table_free(&table);

    return unit_done();
}
