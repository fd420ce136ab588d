
/*
 * The parser of SIP messages beside another one, Sofia-SIP's: the messages of
 * RFC 4475, the seeds of the fuzzer and mutations of all of them are read by
 * both, and what they make of them is the same but for what a table lists.
 */


#include "unit.h"
#include <dirent.h>
#include <regex.h>
#include "ngx_sip_parse.h"

#undef CR
#undef LF
#undef CRLF

#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/msg_mclass.h>


#define SIZE        65536
#define HEADER_MAX  65536
#define BODY_MAX    65536
#define MESSAGES    256
#define ROUNDS      100000    /* of mutations, unless UNIT_ROUNDS says else */

#define DIFF_HASH_LAST     -5     /* the empty line, and what follows it */


typedef enum {
    DIFF_NONE = 0,
    DIFF_REFUSED,              /* by us only */
    DIFF_ACCEPTED,             /* by us only */
    DIFF_START,
    DIFF_URI,
    DIFF_ROWS,
    DIFF_NAME,
    DIFF_VALUE,
    DIFF_FROM,
    DIFF_TO,
    DIFF_CALL_ID,
    DIFF_CSEQ,
    DIFF_VIA,
    DIFF_BODY,
    DIFF_KINDS
} diff_e;


typedef ngx_uint_t (*diff_pt)(ngx_str_t *text, sip_t *sip);


/* what is right although it differs, and why */

typedef struct {
    diff_e        kind;
    const char   *problem;     /* of ours, or NULL */
    diff_pt       is;          /* or NULL */
    const char   *why;
    ngx_uint_t    count;
} diff_allowed_t;


static const char  *kinds[] = {
    "none", "refused", "accepted", "start line", "Request-URI", "rows",
    "names", "values", "From", "To", "Call-ID", "CSeq", "Via", "body"
};


/* in the order of ngx_sip_header_e */

static const char  *names[] = {
    "", "Accept", "Allow-Events", "Call-ID", "Contact", "Content-Encoding",
    "Content-Language", "Content-Length", "Content-Type", "CSeq", "Date",
    "Event", "Expires", "From", "Max-Forwards", "Min-Expires",
    "ms-piggyback-cseq", "Record-Route", "Require", "Retry-After", "Route",
    "Session-Expires", "Subject", "Subscription-State", "Supported",
    "Timestamp", "To", "Via"
};


/* RFC 3261, 25.1, for POSIX; folds are blanks before */

#define TOKEN    "[-.!%*_+`'~A-Za-z0-9]+"
#define OWS      "[ \t]*"
#define ESC      "%[0-9A-Fa-f][0-9A-Fa-f]"
#define QUOTED   "\"([^\"\\]|\\\\.)*\""
#define USER     "([-A-Za-z0-9_.!~*'()&=+$,;?/]|" ESC ")+"
#define PASS     "(:([-A-Za-z0-9_.!~*'()&=+$,]|" ESC ")*)?"
#define HOST     "([-A-Za-z0-9._]+|\\[[0-9A-Fa-f:.]{2,}])"
#define PORT     "(:[0-9]{1,5})?"
#define PARAM    "([][A-Za-z0-9_.!~*'()/:&+$-]|" ESC ")+"
#define ADDRESS  "(sips?|im|pres):(" USER PASS "@)?" HOST PORT
#define HEADERS  "([?]([][A-Za-z0-9_.!~*'()?/:&=+$-]|" ESC ")*)?"
#define VALUE    "(" TOKEN "|" HOST "|" QUOTED ")"
#define GENERIC  "(" OWS ";" OWS TOKEN "(" OWS "=" OWS VALUE ")?)*" OWS
#define LAX      "(" OWS ";" OWS TOKEN "(" OWS "=" OWS "(" QUOTED            \
                 "|[^ \t;,\"<>\x7f]*))?)*" OWS
#define NAME     "((" TOKEN "[ \t]+)*" TOKEN OWS "|" QUOTED OWS "|)"
#define LAX_NAME "([^\x01-\x1f \"(),/:;<=>?@[\\{}\x7f]|[ \t])*"
#define WORD     "[][!%*_.+`'~()<>:\\\"/?{}A-Za-z0-9-]+"
#define SENT_BY  OWS TOKEN OWS "/" OWS TOKEN OWS "/" OWS TOKEN "[ \t]+" HOST  \
                 "(" OWS ":" OWS "[0-9]{1,5})?"


typedef enum {
    RE_REQUEST = 0,            /* the URI is looked at apart */
    RE_STATUS,
    RE_ROW,
    RE_URI,
    RE_URI_HEADERS,
    RE_URI_OTHER,
    RE_NAME,
    RE_PARAMS,
    RE_VIA,
    RE_CALL_ID,
    RE_CSEQ,
    RE_NUMBER,
    RE_BAD_TAG,                /* none, or two */
    RE_BAD_BRANCH,
    RE_LAX_URI,
    RE_LAX_URI_HEADERS,
    RE_LAX_URI_OTHER,
    RE_LAX_NAME,
    RE_LAX_PARAMS,
    RE_LAX_VIA,
    RE_MAX
} diff_re_e;


static const char  *patterns[] = {
    "^" TOKEN " [^ ]+ [sS][iI][pP]/[0-9]+[.][0-9]+$",
    "^[sS][iI][pP]/2[.]0 [1-6][0-9][0-9]( [^\r]*)?$",
    "^" TOKEN OWS ":",
    "^" ADDRESS "(;" PARAM "(=" PARAM ")?)*$",
    "^" ADDRESS "(;" PARAM "(=" PARAM ")?)*" HEADERS "$",
    "^[A-Za-z][-+.A-Za-z0-9]*:[]!#-;=?-[\\^-~]+$",
    "^" NAME "<",
    "^" GENERIC "$",
    "^" SENT_BY GENERIC "(," SENT_BY GENERIC ")*$",
    "^" WORD "(@" WORD ")?$",
    "^[0-9]+[ \t]+" TOKEN "$",
    "^[0-9]+$",
    "^[^\"]*;" OWS "tag" OWS "(;|$|=[^\"]*;" OWS "tag" OWS "(=|;|$))",
    ";" OWS "branch" OWS "(;|,|$|=[^,]*;" OWS "branch" OWS "(=|;|,|$))",
    "^" ADDRESS "(;(" PARAM "|[=;])*)?$",
    "^" ADDRESS "(;(" PARAM "|[=;])*)?" HEADERS "$",
    "^[A-Za-z][-+.A-Za-z0-9]*:[^\x01-\x1f \"<>\x7f]+$",
    "^(" LAX_NAME "|" QUOTED OWS ")<",
    "^" LAX "$",
    "^" SENT_BY LAX "(," SENT_BY LAX ")*$"
};


static ngx_uint_t is_bad_row(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_bad_start(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_bad_uri(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_bad_via(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_cookie(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_bad_from(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_bad_to(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_bad_call_id(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_bad_cseq(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_bad_length(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_no_length(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_bare(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_hops_twice(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_right(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_odd(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_method(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_length_twice(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_nul(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_large(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_blank_line(ngx_str_t *text, sip_t *sip);
static ngx_uint_t is_fold(ngx_str_t *text, sip_t *sip);


/*
 * Each is shown by a function that knows nothing of the parser but only the
 * grammar.
 */

static diff_allowed_t  allowed[] = {

    /* what we refuse is wrong, and they overlook it */

    { DIFF_REFUSED, "Bad Header Field", is_bad_row,
      "a row is no header field (RFC 3261, 7.3)", 0 },
    { DIFF_REFUSED, "Bad Request Line", is_bad_start,
      "spaces too many in the request line, by choice (TT-22, TT-23)", 0 },
    { DIFF_REFUSED, "Bad Request-URI", is_bad_uri,
      "the Request-URI is none, or has header fields (TT-20, TT-24)", 0 },
    { DIFF_REFUSED, "Bad Status Line", is_bad_start,
      "the status line is none (RFC 3261, 7.2)", 0 },
    { DIFF_REFUSED, "Bad Status-Code", is_bad_start,
      "the status is out of range (TT-32)", 0 },
    { DIFF_REFUSED, "Bad Via", is_bad_via,
      "a Via is none (TT-14)", 0 },
    { DIFF_REFUSED, "Bad Via", is_cookie,
      "a branch is nothing but the cookie (TT-33)", 0 },
    { DIFF_REFUSED, "Bad From", is_bad_from,
      "From is none, or repeated (TT-28, TT-41)", 0 },
    { DIFF_REFUSED, "Bad To", is_bad_to,
      "To is none, or repeated (TT-27, TT-41)", 0 },
    { DIFF_REFUSED, "Bad Call-ID", is_bad_call_id,
      "Call-ID is none, or repeated (TT-41)", 0 },
    { DIFF_REFUSED, "Bad CSeq", is_bad_cseq,
      "CSeq is none, or repeated (TT-17, TT-41)", 0 },
    { DIFF_REFUSED, "Bad Content-Length", is_bad_length,
      "Content-Length is none, or contradicts itself (TT-16, TT-42)", 0 },
    { DIFF_REFUSED, "Missing Content-Length", is_no_length,
      "a stream needs Content-Length (RFC 3261, 18.3)", 0 },
    { DIFF_REFUSED, NULL, is_bare,
      "CR and LF are nothing but CRLF (RFC 3261, 25.1)", 0 },
    { DIFF_REFUSED, NULL, is_large, "the body is over the limit (SP-08)", 0 },
    { DIFF_REFUSED, "Repeated Max-Forwards", is_hops_twice,
      "Max-Forwards is repeated (SP-15)", 0 },

    /* what we accept is right, or tolerated */

    { DIFF_ACCEPTED, NULL, is_right,
      "all that matters is of the grammar", 0 },
    { DIFF_ACCEPTED, NULL, is_odd,
      "values of parameters that are no tokens, UTF-8 without quotes", 0 },
    { DIFF_VIA, NULL, is_odd, "the same in a Via that is left out there", 0 },
    { DIFF_FROM, NULL, is_odd, "the same in From, read otherwise there", 0 },
    { DIFF_TO, NULL, is_odd, "the same in To, read otherwise there", 0 },
    { DIFF_VIA, NULL, is_blank_line, "a continuation line of blanks", 0 },
    { DIFF_FROM, NULL, is_fold, "a fold behind an addr-spec", 0 },
    { DIFF_TO, NULL, is_fold, "a fold behind an addr-spec", 0 },
    { DIFF_ACCEPTED, NULL, is_method,
      "CSeq has another method than an unknown one: that is 501 (TT-31)", 0 },
    { DIFF_VALUE, NULL, is_nul,
      "NUL ends nothing (TT-04)", 0 },
    { DIFF_ACCEPTED, NULL, is_length_twice,
      "Content-Length is there twice, but the same", 0 },

    { DIFF_NONE, NULL, NULL, NULL, 0 }
};


static ngx_sip_msg_t  msg;
static char           detail[512];
static regex_t        res[RE_MAX];


/* folds and blanks become one space, those at the ends nothing */

static ngx_str_t
squeeze(u_char *dst, const char *p, size_t len)
{
    u_char     *d;
    size_t      i;
    ngx_str_t   s;

    d = dst;

    for (i = 0; i < len; i++) {

        if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r' && p[i] != '\n') {
            *d++ = p[i];

        } else if (d > dst && d[-1] != ' ') {
            *d++ = ' ';
        }
    }

    if (d > dst && d[-1] == ' ') {
        d--;
    }

    s.data = dst;
    s.len = d - dst;

    return s;
}


/* the same text, with regard to case or without, and to percent-encoding */

static ngx_uint_t
equal(ngx_str_t *ours, const char *theirs)
{
    size_t  len;

    len = theirs ? strlen(theirs) : 0;

    return ours->len == len
           && (len == 0 || strncasecmp((char *) ours->data, theirs, len) == 0);
}


/* Takes the next line off, with those that continue it, as one. */

static ngx_str_t
next_row(ngx_str_t *rest)
{
    size_t      i;
    ngx_str_t   row;

    row = *rest;

    for (i = 0; i + 1 < rest->len; i++) {

        if (memcmp(rest->data + i, "\r\n", 2) == 0
            && (i == 0 || i + 2 == rest->len
                || (rest->data[i + 2] != ' ' && rest->data[i + 2] != '\t')))
        {
            row.len = i;
            rest->data += i + 2;
            rest->len -= i + 2;
            return row;
        }
    }

    rest->len = 0;
    return row;
}


/* Takes the start line off, which nothing continues. */

static ngx_str_t
start_line(ngx_str_t *text, ngx_str_t *rest)
{
    size_t     i;
    ngx_str_t  line;

    line = *text;
    *rest = *text;

    for (i = 0; i + 1 < text->len; i++) {
        if (memcmp(text->data + i, "\r\n", 2) == 0) {
            line.len = i;
            break;
        }
    }

    rest->data += ngx_min(text->len, line.len + 2);
    rest->len -= ngx_min(text->len, line.len + 2);

    return line;
}


/* Takes the rows of a message up to the empty line. */

static ngx_uint_t
next_field(ngx_str_t *rest, ngx_str_t *row)
{
    *row = next_row(rest);
    return row->len != 0;
}


/*
 * Returns how often a header field is there, and the value of the first one,
 * or of the nth.
 */

static ngx_uint_t
field(ngx_str_t *text, const char *name, const char *letter, ngx_uint_t nth,
    ngx_str_t *value)
{
    size_t          len;
    u_char         *colon;
    ngx_str_t       rest, row;
    ngx_uint_t      n;
    static u_char   buf[SIZE];

    n = 0;
    ngx_str_null(value);
    (void) start_line(text, &rest);

    while (next_field(&rest, &row)) {

        colon = memchr(row.data, ':', row.len);
        if (colon == NULL) {
            continue;
        }

        for (len = colon - row.data;
             len && (row.data[len - 1] == ' ' || row.data[len - 1] == '\t');
             len--)
        { /* void */ }

        if ((len == strlen(name)
             && strncasecmp((char *) row.data, name, len) == 0)
            || (letter && len == strlen(letter)
                && strncasecmp((char *) row.data, letter, len) == 0))
        {
            if (n++ == nth) {
                colon++;
                *value = squeeze(buf, (char *) colon,
                                 row.data + row.len - colon);
                buf[value->len] = '\0';
            }
        }
    }

    return n;
}


/* NUL is some other control to a pattern */

static ngx_uint_t
match(diff_re_e re, ngx_str_t *s, size_t *end)
{
    size_t        i;
    regmatch_t    m;
    static char   buf[SIZE];

    for (i = 0; i < s->len; i++) {
        buf[i] = s->data[i] ? s->data[i] : '\1';
    }

    buf[i] = '\0';

    if (regexec(&res[re], buf, 1, &m, 0) != 0) {
        return 0;
    }

    if (end) {
        *end = m.rm_eo;
    }

    return 1;
}


static ngx_uint_t
uri_is_good(ngx_str_t *uri, ngx_uint_t headers, ngx_uint_t lax)
{
    size_t      i;
    diff_re_e   re;
    ngx_str_t   scheme;

    for (i = 0; i < uri->len && uri->data[i] != ':'; i++) { /* void */ }

    scheme.data = uri->data;
    scheme.len = i;

    if (equal(&scheme, "sip") || equal(&scheme, "sips")
        || equal(&scheme, "im") || equal(&scheme, "pres"))
    {
        re = headers ? RE_URI_HEADERS : RE_URI;

        return match(lax ? re + RE_LAX_URI - RE_URI : re, uri, NULL);
    }

    return match(lax ? RE_LAX_URI_OTHER : RE_URI_OTHER, uri, NULL);
}


static ngx_uint_t
addr_is_good(ngx_str_t *text, const char *name, const char *letter,
    ngx_uint_t lax)
{
    size_t      end;
    ngx_str_t   value, uri;

    if (field(text, name, letter, 0, &value) != 1) {
        return 0;
    }

    uri = value;

    if (match(lax ? RE_LAX_NAME : RE_NAME, &value, &end)) {
        value.data += end;
        value.len -= end;

        uri.data = value.data;
        uri.len = strcspn((char *) value.data, "> \t\"<");

        if (uri.len >= value.len || value.data[uri.len] != '>') {
            return 0;
        }

        value.data += uri.len + 1;
        value.len -= uri.len + 1;

    } else {
        for (end = 0; end < value.len
             && !memchr(" \t;,?<>\"", value.data[end], 8); end++)
        { /* void */ }

        uri.len = end;
        value.data += end;
        value.len -= end;
    }

    return uri_is_good(&uri, 1, lax)
           && match(lax ? RE_LAX_PARAMS : RE_PARAMS, &value, NULL)
           && !match(RE_BAD_TAG, &value, NULL);
}


static ngx_uint_t
start_is_good(ngx_str_t *text)
{
    ngx_str_t  row, rest;

    row = start_line(text, &rest);

    return match(RE_REQUEST, &row, NULL) || match(RE_STATUS, &row, NULL);
}


static ngx_uint_t
request_uri_is_good(ngx_str_t *text, ngx_uint_t lax)
{
    u_char     *p;
    ngx_str_t   row, rest, uri;

    row = start_line(text, &rest);

    if (match(RE_STATUS, &row, NULL)) {
        return 1;
    }

    uri = row;

    p = memchr(row.data, ' ', row.len);
    if (p == NULL) {
        return 0;
    }

    uri.data = p + 1;
    uri.len = row.data + row.len - uri.data;

    p = memchr(uri.data, ' ', uri.len);
    if (p == NULL) {
        return 0;
    }

    uri.len = p - uri.data;

    return uri_is_good(&uri, 0, lax);
}


static ngx_uint_t
vias_are_good(ngx_str_t *text, ngx_uint_t lax)
{
    ngx_str_t   value;
    ngx_uint_t  i, n;

    n = field(text, "Via", "v", 0, &value);

    for (i = 0; i < n; i++) {
        (void) field(text, "Via", "v", i, &value);

        if (!match(lax ? RE_LAX_VIA : RE_VIA, &value, NULL)
            || match(RE_BAD_BRANCH, &value, NULL))
        {
            return 0;
        }
    }

    return n != 0;
}


static ngx_uint_t
is_bad_row(ngx_str_t *text, sip_t *sip)
{
    ngx_str_t  rest, row;

    (void) start_line(text, &rest);

    while (next_field(&rest, &row)) {
        if (!match(RE_ROW, &row, NULL)) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
is_bad_start(ngx_str_t *text, sip_t *sip)
{
    return !start_is_good(text);
}


static ngx_uint_t
is_bad_uri(ngx_str_t *text, sip_t *sip)
{
    return !request_uri_is_good(text, 0);
}


static ngx_uint_t
is_bad_via(ngx_str_t *text, sip_t *sip)
{
    return !vias_are_good(text, 0);
}


static ngx_uint_t
is_cookie(ngx_str_t *text, sip_t *sip)
{
    sip_via_t  *via;

    for (via = sip->sip_via; via; via = via->v_next) {
        if (via->v_branch && strcasecmp(via->v_branch, "z9hG4bK") == 0) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
is_bad_from(ngx_str_t *text, sip_t *sip)
{
    return !addr_is_good(text, "From", "f", 0);
}


static ngx_uint_t
is_bad_to(ngx_str_t *text, sip_t *sip)
{
    return !addr_is_good(text, "To", "t", 0);
}


static ngx_uint_t
is_bad_call_id(ngx_str_t *text, sip_t *sip)
{
    ngx_str_t  value;

    return field(text, "Call-ID", "i", 0, &value) != 1
           || !match(RE_CALL_ID, &value, NULL);
}


static ngx_uint_t
is_bad_cseq(ngx_str_t *text, sip_t *sip)
{
    ngx_str_t  value;

    return field(text, "CSeq", NULL, 0, &value) != 1
           || !match(RE_CSEQ, &value, NULL)
           || strtod((char *) value.data, NULL) > 4294967295.0;
}


static ngx_uint_t
is_bad_length(ngx_str_t *text, sip_t *sip)
{
    double      first;
    ngx_str_t   value;
    ngx_uint_t  i, n;

    n = field(text, "Content-Length", "l", 0, &value);
    first = n ? strtod((char *) value.data, NULL) : 0;

    for (i = 0; i < n; i++) {
        (void) field(text, "Content-Length", "l", i, &value);

        if (!match(RE_NUMBER, &value, NULL)
            || strtod((char *) value.data, NULL) != first
            || first > 2147483647.0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
is_no_length(ngx_str_t *text, sip_t *sip)
{
    ngx_str_t  value;

    return field(text, "Content-Length", "l", 0, &value) == 0;
}


static ngx_uint_t
is_length_twice(ngx_str_t *text, sip_t *sip)
{
    ngx_str_t  value;

    return field(text, "Content-Length", "l", 0, &value) > 1
           && !is_bad_length(text, sip);
}


static ngx_uint_t
is_hops_twice(ngx_str_t *text, sip_t *sip)
{
    ngx_str_t  value;

    return field(text, "Max-Forwards", NULL, 0, &value) > 1;
}


static ngx_uint_t
is_bare(ngx_str_t *text, sip_t *sip)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {

        if (text->len - i >= 4 && memcmp(text->data + i, "\r\n\r\n", 4) == 0)
        {
            return 0;
        }

        if ((text->data[i] == '\n' && (i == 0 || text->data[i - 1] != '\r'))
            || (text->data[i] == '\r'
                && (i + 1 == text->len || text->data[i + 1] != '\n')))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
is_good(ngx_str_t *text, ngx_uint_t lax)
{
    return start_is_good(text) && request_uri_is_good(text, lax)
           && vias_are_good(text, lax)
           && addr_is_good(text, "From", "f", lax)
           && addr_is_good(text, "To", "t", lax)
           && !is_bad_row(text, NULL) && !is_bad_call_id(text, NULL)
           && !is_bad_cseq(text, NULL) && !is_bad_length(text, NULL)
           && !is_no_length(text, NULL) && !is_length_twice(text, NULL);
}


static ngx_uint_t
is_right(ngx_str_t *text, sip_t *sip)
{
    return is_good(text, 0) && !is_method(text, sip);
}


static ngx_uint_t
is_odd(ngx_str_t *text, sip_t *sip)
{
    return !is_good(text, 0) && is_good(text, 1);
}


static ngx_uint_t
is_method(ngx_str_t *text, sip_t *sip)
{
    return !msg.response && msg.method == NGX_SIP_OTHER_METHOD
           && (msg.method_name.len != msg.cseq_method.len
               || memcmp(msg.method_name.data, msg.cseq_method.data,
                         msg.method_name.len));
}


static ngx_uint_t
is_nul(ngx_str_t *text, sip_t *sip)
{
    return memchr(text->data, '\0', text->len) != NULL;
}


static ngx_uint_t
is_large(ngx_str_t *text, sip_t *sip)
{
    return msg.length_set && msg.content_length > BODY_MAX;
}


static ngx_uint_t
is_blank_line(ngx_str_t *text, sip_t *sip)
{
    size_t      i;
    ngx_str_t   rest, row;

    (void) start_line(text, &rest);

    while (next_field(&rest, &row)) {

        for (i = 0; i < row.len; i++) {
            if (row.data[i] == '\n' && row.len - i > 1) {
                do {
                    i++;
                } while (i < row.len
                         && (row.data[i] == ' ' || row.data[i] == '\t'));

                if (i < row.len && row.data[i--] == '\r') {
                    return 1;
                }
            }
        }
    }

    return 0;
}


/* a part of the host there, although our reading is of the grammar */

static ngx_uint_t
is_fold(ngx_str_t *text, sip_t *sip)
{
    return is_good(text, 1)
           && ((sip->sip_from->a_host && strchr(sip->sip_from->a_host, '\r'))
               || (sip->sip_to->a_host && strchr(sip->sip_to->a_host, '\r')));
}


static size_t
decode(u_char *dst, const u_char *p, size_t len)
{
    u_char         *d;
    ngx_int_t       n;
    const u_char   *last;

    d = dst;
    last = p + len;

    while (p < last) {
        n = (*p == '%' && last - p > 2) ? ngx_hextoi((u_char *) p + 1, 2)
                                        : NGX_ERROR;

        if (n == NGX_ERROR) {
            *d++ = *p++;
            continue;
        }

        *d++ = (u_char) n;
        p += 3;
    }

    return d - dst;
}


static ngx_uint_t
equal_decoded(ngx_str_t *ours, const char *theirs)
{
    size_t         a, b;
    static u_char  us[SIZE], them[SIZE];

    a = decode(us, ours->data, ours->len);
    b = decode(them, (u_char *) theirs, theirs ? strlen(theirs) : 0);

    return a == b && memcmp(us, them, a) == 0;
}


static ngx_uint_t
same_uri(ngx_str_t *ours, url_t *theirs)
{
    size_t          len;
    unsigned long   port;
    ngx_sip_uri_t   uri;

    snprintf(detail, sizeof(detail), "%.*s / %s %s %s", (int) ours->len,
             (char *) ours->data,
             theirs->url_user ? theirs->url_user : "",
             theirs->url_host ? theirs->url_host : "",
             theirs->url_port ? theirs->url_port : "");

    if (ngx_sip_uri(ours, &uri) != NGX_OK) {
        return 0;
    }

    len = theirs->url_scheme ? strlen(theirs->url_scheme) : 0;

    if (len == 0 || len >= ours->len || ours->data[len] != ':'
        || strncasecmp((char *) ours->data, theirs->url_scheme, len) != 0)
    {
        return 0;
    }

    if (uri.scheme == NGX_SIP_SCHEME_OTHER) {
        return theirs->url_type != url_sip && theirs->url_type != url_sips;
    }

    port = theirs->url_port ? strtoul(theirs->url_port, NULL, 10) : 0;

    return equal_decoded(&uri.user, theirs->url_user)
           && equal(&uri.host, theirs->url_host)
           && uri.port == port;
}


/* whether they take it for a message that can be answered */

static ngx_uint_t
they_accept(msg_t *m, sip_t *sip)
{
    return sip && !(sip->sip_flags & (MSG_FLG_ERROR|MSG_FLG_TRUNC))
           && sip_sanity_check(sip) == 0;
}


static diff_e
compare_rows(ngx_str_t *text, msg_t *m)
{
    char           *start, *colon;
    ngx_str_t       a, b;
    ngx_uint_t      i;
    msg_header_t   *h;
    static u_char   ours[SIZE], theirs[SIZE];

    i = 0;
    start = NULL;

    for (h = *msg_chain_head(m); h; h = h->sh_succ) {

        if (h->sh_len == 0) {
            continue;
        }

        if (start == NULL) {
            start = (char *) h->sh_data;
            continue;
        }

        if (h->sh_class->hc_hash <= DIFF_HASH_LAST) {
            break;
        }

        if (++i > msg.nheaders) {
            return DIFF_ROWS;
        }

        snprintf(detail, sizeof(detail), "row %u: %.*s", (unsigned) i,
                 (int) h->sh_len, (char *) h->sh_data);

        if ((char *) h->sh_data - start
            != (char *) msg.headers[i].name.data - (char *) text->data)
        {
            return DIFF_ROWS;
        }

        if (msg.headers[i].id != NGX_SIP_OTHER_HEADER
            && h->sh_class->hc_name && h->sh_class->hc_len
            && strcasecmp(h->sh_class->hc_name, names[msg.headers[i].id]))
        {
            return DIFF_NAME;
        }

        colon = memchr(h->sh_data, ':', h->sh_len);

        if (colon == NULL) {
            return DIFF_ROWS;
        }

        a = squeeze(ours, (char *) msg.headers[i].name.data,
                    msg.headers[i].name.len);
        b = squeeze(theirs, h->sh_data, colon - (char *) h->sh_data);

        if (a.len != b.len || memcmp(a.data, b.data, a.len)) {
            return DIFF_NAME;
        }

        colon++;

        a = squeeze(ours, (char *) msg.headers[i].value.data,
                    msg.headers[i].value.len);
        b = squeeze(theirs, colon, (char *) h->sh_data + h->sh_len - colon);

        if (a.len != b.len || memcmp(a.data, b.data, a.len)) {
            return DIFF_VALUE;
        }
    }

    return i == msg.nheaders ? DIFF_NONE : DIFF_ROWS;
}


static diff_e
compare_via(sip_t *sip)
{
    ngx_uint_t   n;
    sip_via_t   *via;

    n = 0;

    for (via = sip->sip_via; via; via = via->v_next) {
        n++;
    }

    via = sip->sip_via;

    snprintf(detail, sizeof(detail), "%u of %s:%s %s", (unsigned) n,
             via->v_host, via->v_port ? via->v_port : "",
             via->v_branch ? via->v_branch : "");

    if (n != msg.nvias || !equal(&msg.via.branch, via->v_branch)
        || !equal(&msg.via.host, via->v_host)
        || msg.via.port != (via->v_port ? strtoul(via->v_port, NULL, 10) : 0))
    {
        return DIFF_VIA;
    }

    return DIFF_NONE;
}


/* what both accept */

static diff_e
compare_read(ngx_str_t *text, msg_t *m, sip_t *sip)
{
    size_t  len;
    diff_e  diff;

    if (msg.response != (sip->sip_status != NULL)) {
        return DIFF_START;
    }

    if (sip->sip_status) {
        if (msg.status != (ngx_uint_t) sip->sip_status->st_status) {
            return DIFF_START;
        }

    } else {

        if (!equal(&msg.method_name, sip->sip_request->rq_method_name)) {
            return DIFF_START;
        }

        if (!same_uri(&msg.uri, sip->sip_request->rq_url)) {
            return DIFF_URI;
        }
    }

    diff = compare_rows(text, m);
    if (diff != DIFF_NONE) {
        return diff;
    }

    diff = compare_via(sip);
    if (diff != DIFF_NONE) {
        return diff;
    }

    if (!same_uri(&msg.from.uri, sip->sip_from->a_url)
        || !equal(&msg.from.tag, sip->sip_from->a_tag))
    {
        return DIFF_FROM;
    }

    if (!same_uri(&msg.to.uri, sip->sip_to->a_url)
        || !equal(&msg.to.tag, sip->sip_to->a_tag))
    {
        return DIFF_TO;
    }

    if (!equal(&msg.call_id, sip->sip_call_id->i_id)) {
        return DIFF_CALL_ID;
    }

    if (msg.cseq != sip->sip_cseq->cs_seq
        || !equal(&msg.cseq_method, sip->sip_cseq->cs_method_name))
    {
        return DIFF_CSEQ;
    }

    len = sip->sip_payload ? sip->sip_payload->pl_len : 0;

    snprintf(detail, sizeof(detail), "%u / %u", (unsigned) msg.body.len,
             (unsigned) len);

    if (msg.body.len != len
        || (len && memcmp(msg.body.data, sip->sip_payload->pl_data, len)))
    {
        return DIFF_BODY;
    }

    return DIFF_NONE;
}


/* reads a message with both parsers */

static diff_e
compare(ngx_str_t *text, msg_t **m, sip_t **sip)
{
    ngx_int_t         rc;
    ngx_uint_t        us, them;
    ngx_sip_parser_t  sp;

    memset(&sp, 0, sizeof(sp));
    detail[0] = '\0';

    rc = ngx_sip_parse(&sp, &msg, text->data, text->data + text->len,
                       HEADER_MAX, BODY_MAX);

    *m = msg_make(sip_default_mclass(), MSG_DO_EXTRACT_COPY, text->data,
                  text->len);
    *sip = *m ? sip_object(*m) : NULL;

    if (rc == NGX_AGAIN) {
        return DIFF_NONE;
    }

    us = ngx_sip_check(&msg) == NGX_OK && rc == NGX_OK;
    them = they_accept(*m, *sip);

    if (us != them) {
        if (*sip) {
            snprintf(detail, sizeof(detail), "flags %x:%s%s%s%s%s%s",
                     (*sip)->sip_flags,
                     (*sip)->sip_request || (*sip)->sip_status ? "" : " start",
                     (*sip)->sip_via ? "" : " Via",
                     (*sip)->sip_from ? "" : " From",
                     (*sip)->sip_to ? "" : " To",
                     (*sip)->sip_call_id ? "" : " Call-ID",
                     (*sip)->sip_cseq ? "" : " CSeq");
        }

        return us ? DIFF_ACCEPTED : DIFF_REFUSED;
    }

    return us ? compare_read(text, *m, *sip) : DIFF_NONE;
}


static ngx_uint_t
is_allowed(diff_e kind, ngx_str_t *text, sip_t *sip)
{
    diff_allowed_t  *a;

    for (a = allowed; a->kind != DIFF_NONE; a++) {

        if (a->kind != kind
            || (a->problem
                && (msg.problem == NULL || strcmp(a->problem, msg.problem)))
            || (a->is && !a->is(text, sip)))
        {
            continue;
        }

        a->count++;
        return 1;
    }

    return 0;
}


static ngx_uint_t
check(const char *name, ngx_str_t *text)
{
    diff_e       diff;
    msg_t       *m;
    sip_t       *sip;
    ngx_str_t    copy;
    ngx_uint_t   ok;

    copy = unit_copy(text);

    /* as a connection does ahead of a message */

    while (copy.len && (*copy.data == '\r' || *copy.data == '\n')) {
        memmove(copy.data, copy.data + 1, --copy.len);
    }

    diff = compare(&copy, &m, &sip);
    ok = diff == DIFF_NONE || is_allowed(diff, &copy, sip);

    if (!ok) {
        unit_diag("%s: %s (%s) %s", name, kinds[diff],
                  msg.problem ? msg.problem : "", detail);
    }

    msg_destroy(m);
    free(copy.data);

    return ok;
}


static ngx_uint_t
load(const char *dir, const char *sub, char **file, ngx_str_t *messages)
{
    int             i, n;
    char            path[4096];
    FILE           *f;
    ngx_uint_t      count;
    struct dirent **list;

    count = 0;

    snprintf(path, sizeof(path), "%s/%s", dir, sub);
    n = scandir(path, &list, NULL, alphasort);

    for (i = 0; i < n; i++) {

        if (list[i]->d_name[0] != '.' && count < MESSAGES) {
            snprintf(path, sizeof(path), "%s/%s/%s", dir, sub,
                     list[i]->d_name);

            f = fopen(path, "rb");

            if (f) {
                messages[count].data = malloc(SIZE);
                messages[count].len = fread(messages[count].data, 1, SIZE / 4,
                                            f);
                file[count++] = strdup(list[i]->d_name);
                fclose(f);
            }
        }

        free(list[i]);
    }

    if (n >= 0) {
        free(list);
    }

    return count;
}


int
main(int argc, char **argv)
{
    static char        *file[2 * MESSAGES];
    static ngx_str_t    messages[2 * MESSAGES];
    static u_char       buf[SIZE];

    ngx_str_t           text;
    ngx_uint_t          i, n, rfc, bad, rounds;
    diff_allowed_t     *a;

    static const char  *words[] = {
        "\r\n", "\n", "\r", " ", "\t", "\r\n ", ":", ";", ",", "<", ">", "\"",
        "\\", "=", "@", "[", "]", "%", "%00", "%zz", "SIP/2.0", "Via: ", "v:",
        "Content-Length: 1\r\n", "l: 5\r\n", "\r\n\r\n", "z9hG4bK", ";tag=a",
        "sip:", "sips:", "?", "/", "tel:1", "\xc3\xbc", "\xff", "z9hG4bKa",
        ";branch=", ";rport", "4294967296", "To: <sip:a@b>\r\n", "MESSAGE ",
        "From: ", "Call-ID: x\r\n", "CSeq: 1 MESSAGE\r\n", "[2001:db8::9]"
    };

    for (i = 0; i < RE_MAX; i++) {
        if (regcomp(&res[i], patterns[i], REG_EXTENDED|REG_ICASE) != 0) {
            printf("Bail out! no pattern: %s\n", patterns[i]);
            return 2;
        }
    }

    rfc = load(argv[1], "../rfc4475", file, messages);
    n = rfc + load(argv[1], "../fuzz/seeds/sip_parse", file + rfc,
                   messages + rfc);

    unit_ok(rfc == 49 && n > rfc, "messages are found");

    for (i = 0; i < n; i++) {
        unit_ok(check(file[i], &messages[i]), "%s", file[i]);
    }

    bad = 0;
    rounds = getenv("UNIT_ROUNDS") ? unit_rounds() : ROUNDS;

    for (i = 0; i < rounds && bad < 20; i++) {
        text = messages[unit_random(n)];

        memcpy(buf, text.data, text.len);
        text.data = buf;

        unit_mutate(&text, SIZE / 2, words, sizeof(words) / sizeof(words[0]));

        bad += !check("mutation", &text);
    }

    unit_ok(bad == 0, "mutations are read alike");

    for (a = allowed; a->kind != DIFF_NONE; a++) {
        unit_diag("%u %s: %s", (unsigned) a->count, kinds[a->kind], a->why);
    }

    for (i = 0; i < n; i++) {
        free(messages[i].data);
        free(file[i]);
    }

    for (i = 0; i < RE_MAX; i++) {
        regfree(&res[i]);
    }

    return unit_done();
}
