
/*
 * Tests of ngx_fed_text.c: UTF-8 (RFC 3629), line ends (IM-47), lines (IM-05,
 * ERR-21, SEC-10), logs (SEC-35).
 */


#include "unit.h"
#include "ngx_fed_text.h"


#define SIZE  1024


typedef struct {
    const char   *input;
    size_t        max;
    const char   *output;
} text_case_t;


static const char  *valid[] = {
    "", "a", "abcdefgh", "abcdefghi", "\xc2\x80", "\xdf\xbf",
    "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
    "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "abcdefg\xc3\xbczzzzzzzz",
    "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", "\x01\x7f"
};


static const char  *broken[] = {
    "\x80", "\xbf", "\xc0\x80", "\xc0\xaf", "\xc1\xbf", "\xc2", "\xc2z",
    "\xc2\xc2", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe1\x80", "\xe1\x80z",
    "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
    "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff",
    "abcdefgh\xff", "abcdefg\xffzzzzzzzz", "\xf8\x88\x80\x80\x80"
};


static text_case_t  lines[] = {
    { "hello", 100, "hello" },
    { "", 100, "" },
    { " \r\n\t ", 100, "" },
    { "  a  b  ", 100, "a b" },
    { "hi\r\nRoute: <sip:evil.test>", 100, "hi Route: <sip:evil.test>" },
    { "hi\r\n folded", 100, "hi folded" },
    { "a\x01\x1b[31m\x7f" "b", 100, "a [31m b" },
    { "a\xc2\x85" "b", 100, "a b" },
    { "a\xe2\x80\xa8" "b\xe2\x80\xa9" "c", 100, "a b c" },
    { "a\xff" "b", 100, "ab" },
    { "a\xed\xa0\x80" "b", 100, "ab" },
    { "a\xc3", 100, "a" },
    { "gr\xc3\xbc\xc3\x9f", 100, "gr\xc3\xbc\xc3\x9f" },
    { "gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f" },
    { "gr\xc3\xbc\xc3\x9f", 5, "gr\xc3\xbc" },
    { "gr\xc3\xbc\xc3\x9f", 3, "gr" },
    { "a b", 2, "a" },
    { "a b", 0, "" },
    { "\xf0\x9f\x98\x80", 3, "" }
};


static text_case_t  logs[] = {
    { "romeo@s.test", 100, "romeo@s.test" },
    { "o\\27malley@s.test", 100, "o\\27malley@s.test" },
    { "", 100, "" },
    { "a\x1b\n2026/01/01 [alert] x", 100, "a\\x1B\\x0A2026/01/01 [alert] x" },
    { "a\"b", 100, "a\\x22b" },
    { "a\"", 100, "a\\x22" },
    { "\n", 100, "\\x0A" },
    { "m\xc3\xbcller", 100, "m\xc3\xbcller" },
    { "a\xc2\x85", 100, "a\\xC2\\x85" },
    { "a\xe2\x80\xae" "b", 100, "a\\xE2\\x80\\xAE" "b" },
    { "a\xff\xc3", 100, "a\\xFF\\xC3" },
    { "a\x7f", 100, "a\\x7F" },
    { "abcdefgh", 8, "abcdefgh" },
    { "abcdefghi", 8, "abcde..." },
    { "abcdefg\xc3\xbc", 8, "abcde..." },
    { "abcd\xc3\xbc\xc3\xbc", 8, "abcd\xc3\xbc\xc3\xbc" },
    { "abcd\xc3\xbc\xc3\xbcx", 8, "abcd..." },
    { "ab\n\n", 8, "ab..." },
    { "abcdefghi", 2, ".." },
    { "abc", 0, "" }
};


static void
test_valid(void)
{
    ngx_str_t    s, copy;
    ngx_uint_t   i;

    for (i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        s = unit_string(valid[i]);
        copy = unit_copy(&s);
        unit_ok(ngx_fed_text_valid(copy.data, copy.len) == 1,
                "valid %u", (unsigned) i);
        free(copy.data);
    }

    for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        s = unit_string(broken[i]);
        copy = unit_copy(&s);
        unit_ok(ngx_fed_text_valid(copy.data, copy.len) == 0,
                "SEC-15 broken %u", (unsigned) i);
        free(copy.data);
    }

    unit_ok(ngx_fed_text_valid((u_char *) "a\0b", 3) == 1, "NUL is UTF-8");
}


static void
test_line(void)
{
    u_char       buf[SIZE];
    ngx_str_t    s, got;
    ngx_uint_t   i;

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        s = unit_string(lines[i].input);
        s = unit_copy(&s);
        got.data = malloc(lines[i].max + 1);
        got.len = ngx_fed_text_line(got.data, s.data, s.len, lines[i].max);
        free(s.data);

        s = unit_string(lines[i].output);
        unit_is(&got, &s, "SEC-10 line %u", (unsigned) i);
        free(got.data);

        /* in place */

        s = unit_string(lines[i].input);
        memcpy(buf, s.data, s.len);
        got.data = buf;
        got.len = ngx_fed_text_line(buf, buf, s.len, lines[i].max);

        s = unit_string(lines[i].output);
        unit_is(&got, &s, "SEC-10 line %u in place", (unsigned) i);
    }

    got.data = buf;
    got.len = ngx_fed_text_line(buf, (u_char *) "a\0\0b", 4, SIZE);
    s = unit_string("a b");
    unit_is(&got, &s, "SEC-10 NUL");
}


static void
test_log(void)
{
    u_char      *buf;
    ngx_str_t    s, in, got;
    ngx_uint_t   i;

    for (i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
        in = unit_string(logs[i].input);
        in = unit_copy(&in);
        buf = malloc(logs[i].max + !logs[i].max);

        got = ngx_fed_text_log(buf, logs[i].max, &in);

        s = unit_string(logs[i].output);
        unit_is(&got, &s, "SEC-35 log %u", (unsigned) i);

        free(in.data);
        free(buf);
    }

    in = unit_string("romeo@s.test");
    got = ngx_fed_text_log(NULL, SIZE, &in);
    unit_ok(got.data == in.data, "what is fit for a log is not copied");
}


static void
test_line_ends(void)
{
    size_t       n;
    u_char       buf[SIZE];
    ngx_str_t    s, got, copy;
    ngx_uint_t   i;

    static text_case_t  lf[] = {
        { "", 0, "" }, { "a", 0, "a" }, { "\r", 0, "\n" },
        { "\r\n", 0, "\n" }, { "\n\r", 0, "\n\n" }, { "\r\r\n", 0, "\n\n" },
        { "a\r\nb\rc\nd", 0, "a\nb\nc\nd" }, { "\r\n\r\n", 0, "\n\n" },
        { "a\r", 0, "a\n" }
    };

    static text_case_t  crlf[] = {
        { "", 0, "" }, { "a", 0, "a" }, { "\n", 0, "\r\n" },
        { "a\nb\n", 0, "a\r\nb\r\n" }, { "\n\n", 0, "\r\n\r\n" },
        { "a\nb", 0, "a\r\nb" }
    };

    for (i = 0; i < sizeof(lf) / sizeof(lf[0]); i++) {
        s = unit_string(lf[i].input);
        copy = unit_copy(&s);
        got.data = malloc(s.len + 1);
        got.len = ngx_fed_text_lf(got.data, copy.data, copy.len);
        s = unit_string(lf[i].output);
        unit_is(&got, &s, "IM-47 to LF %u", (unsigned) i);
        free(got.data);

        copy.len = ngx_fed_text_lf(copy.data, copy.data, copy.len);
        unit_is(&copy, &s, "IM-47 to LF %u in place", (unsigned) i);
        free(copy.data);
    }

    for (i = 0; i < sizeof(crlf) / sizeof(crlf[0]); i++) {
        s = unit_string(crlf[i].input);
        copy = unit_copy(&s);

        n = ngx_fed_text_crlf_size(copy.data, copy.len);
        got.data = malloc(n + 1);
        got.len = ngx_fed_text_crlf(got.data, copy.data, copy.len) - got.data;

        s = unit_string(crlf[i].output);
        unit_is(&got, &s, "IM-47 to CRLF %u", (unsigned) i);
        unit_ok(n == got.len, "IM-02 size with CRLF %u", (unsigned) i);

        memcpy(buf, got.data, got.len);
        free(got.data);
        got.data = buf;
        got.len = ngx_fed_text_lf(buf, buf, got.len);
        unit_is(&got, &copy, "IM-47 to CRLF %u and back", (unsigned) i);
        free(copy.data);
    }
}


/* one line, valid, of no more than max octets, whatever comes in */

static ngx_uint_t
fit(ngx_str_t *s, size_t max)
{
    size_t  i;

    if (s->len > max || !ngx_fed_text_valid(s->data, s->len)) {
        return 0;
    }

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < 0x20 || s->data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


static void
test_mutations(void)
{
    u_char       buf[SIZE], out[SIZE * 2];
    size_t       max;
    ngx_str_t    s, in, got;
    ngx_uint_t   n, bad;

    static const char  *words[] = {
        "\r\n", "\r", "\n", " ", "\t", "\xc3\xbc", "\xe2\x80\xa8",
        "\xe2\x80\xae", "\xf0\x9f\x98\x80", "\xc2\x85", "\xff", "\xed\xa0\x80",
        "\"", "\\", "abcdefghijklmnop", "\xc3", "\xf0\x9f"
    };

    bad = 0;

    for (n = unit_rounds(); n; n--) {
        s.data = buf;
        s.len = unit_random(40);
        memset(buf, 'x', s.len);
        unit_mutate(&s, SIZE, words, sizeof(words) / sizeof(words[0]));
        unit_mutate(&s, SIZE, words, sizeof(words) / sizeof(words[0]));

        in = unit_copy(&s);
        max = unit_random(64);
        got.data = malloc(max + 1);

        got.len = ngx_fed_text_line(got.data, in.data, in.len, max);

        if (!fit(&got, max)
            || (got.len && (got.data[0] == ' '
                            || got.data[got.len - 1] == ' '))
            || ngx_fed_text_line(out, got.data, got.len, max) != got.len)
        {
            bad++;
        }

        s = ngx_fed_text_log(got.data, max, &in);

        if (!fit(&s, max)) {
            bad++;
        }

        free(got.data);

        s.data = malloc(in.len + 1);
        s.len = ngx_fed_text_lf(s.data, in.data, in.len);

        got.len = ngx_fed_text_crlf_size(s.data, s.len);
        got.data = malloc(got.len + 1);

        if (ngx_fed_text_crlf(got.data, s.data, s.len)
            != got.data + got.len
            || ngx_fed_text_lf(got.data, got.data, got.len) != s.len
            || memcmp(got.data, s.data, s.len) != 0
            || memchr(s.data, CR, s.len) != NULL)
        {
            bad++;
        }

        free(got.data);
        free(s.data);
        free(in.data);
    }

    unit_ok(bad == 0, "mutations stay within one line and within size");
}


int
main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);

    test_valid();
    test_line();
    test_log();
    test_line_ends();
    test_mutations();

    return unit_done();
}
