
/*
 * Text that crosses: lines, line ends, logs, times, and as content and
 * attribute of XML, which another parser has to read back.
 */


#include "fuzz.h"
#include <expat.h>
#include "ngx_fed_text.h"
#include "ngx_fed_xml.h"


#define NOT_CHARACTER(p)  ((p)[0] == 0xef && (p)[1] == 0xbf && (p)[2] >= 0xbe)


typedef struct {
    ngx_str_t   content;
    ngx_str_t   attr;
} back_t;


static void XMLCALL
start_handler(void *data, const XML_Char *name, const XML_Char **atts)
{
    back_t  *back;

    back = data;

    fuzz_ok(atts[0] && strcmp(atts[0], "a") == 0 && atts[2] == NULL);

    back->attr.len = strlen(atts[1]);
    ngx_memcpy(back->attr.data, atts[1], back->attr.len);
}


static void XMLCALL
text_handler(void *data, const XML_Char *s, int len)
{
    back_t  *back;

    back = data;

    ngx_memcpy(back->content.data + back->content.len, s, len);
    back->content.len += len;
}


static void
check_xml(ngx_pool_t *pool, ngx_str_t *in)
{
    u_char          *p, *q, *doc;
    size_t           i, size, attr_size;
    back_t           back;
    ngx_uint_t       plain;
    XML_Parser       parser;

    size = ngx_fed_xml_size(in->data, in->len, 0);
    attr_size = ngx_fed_xml_size(in->data, in->len, 1);

    fuzz_ok(size <= 6 * in->len && attr_size <= 6 * in->len);

    doc = ngx_pnalloc(pool, size + attr_size + sizeof("<x a=''></x>") - 1);

    p = ngx_cpymem(doc, "<x a='", 6);
    q = p;
    p = ngx_fed_xml_escape(p, in->data, in->len, 1);
    fuzz_ok((size_t) (p - q) == attr_size);

    p = ngx_cpymem(p, "'>", 2);
    q = p;
    p = ngx_fed_xml_escape(p, in->data, in->len, 0);
    fuzz_ok((size_t) (p - q) == size);

    p = ngx_cpymem(p, "</x>", 4);

    back.attr.data = ngx_pnalloc(pool, 3 * in->len);
    back.attr.len = 0;
    back.content.data = ngx_pnalloc(pool, 3 * in->len);
    back.content.len = 0;

    parser = XML_ParserCreate("UTF-8");

    XML_SetUserData(parser, &back);
    XML_SetStartElementHandler(parser, start_handler);
    XML_SetCharacterDataHandler(parser, text_handler);

    fuzz_ok(XML_Parse(parser, (char *) doc, (int) (p - doc), 1)
            == XML_STATUS_OK);

    XML_ParserFree(parser);

    fuzz_ok(fuzz_same(&back.attr, &back.content));

    /* what XML can carry comes back as it was */

    plain = ngx_fed_text_valid(in->data, in->len);

    for (i = 0; i < in->len; i++) {
        if ((in->data[i] < ' ' && !memchr("\t\n\r", in->data[i], 3))
            || (i + 2 < in->len && NOT_CHARACTER(in->data + i)))
        {
            plain = 0;
        }
    }

    fuzz_ok(!plain || fuzz_same(&back.content, in));
}


static void
check_line(ngx_pool_t *pool, ngx_str_t *in)
{
    size_t     i, max;
    ngx_str_t  line, again;

    max = fuzz_random(2) ? in->len : fuzz_random(in->len + 1);

    line.data = ngx_pnalloc(pool, max);
    line.len = ngx_fed_text_line(line.data, in->data, in->len, max);

    fuzz_ok(line.len <= max);
    fuzz_ok(fuzz_is_line(&line));
    fuzz_ok(ngx_fed_text_valid(line.data, line.len));

    for (i = 0; i < line.len; i++) {
        fuzz_ok(line.data[i] >= ' ' && line.data[i] != 0x7f);
    }

    if (line.len) {
        fuzz_ok(line.data[0] != ' ' && line.data[line.len - 1] != ' ');
    }

    again = fuzz_copy(pool, &line);
    again.len = ngx_fed_text_line(again.data, again.data, again.len,
                                  again.len);

    fuzz_ok(fuzz_same(&again, &line));
}


static void
check_ends(ngx_pool_t *pool, ngx_str_t *in)
{
    size_t     i;
    ngx_str_t  lf, crlf, again;

    lf.data = ngx_pnalloc(pool, in->len);
    lf.len = ngx_fed_text_lf(lf.data, in->data, in->len);

    fuzz_ok(lf.len <= in->len);
    fuzz_ok(lf.len == 0 || memchr(lf.data, CR, lf.len) == NULL);

    crlf.len = ngx_fed_text_crlf_size(lf.data, lf.len);
    crlf.data = ngx_pnalloc(pool, crlf.len);

    fuzz_ok(ngx_fed_text_crlf(crlf.data, lf.data, lf.len)
            == crlf.data + crlf.len);

    for (i = 0; i < crlf.len; i++) {
        fuzz_ok(crlf.data[i] != LF || (i && crlf.data[i - 1] == CR));
        fuzz_ok(crlf.data[i] != CR
                || (i + 1 < crlf.len && crlf.data[i + 1] == LF));
    }

    again = fuzz_copy(pool, &crlf);
    again.len = ngx_fed_text_lf(again.data, again.data, again.len);

    fuzz_ok(fuzz_same(&again, &lf));
}


static void
check_log(ngx_pool_t *pool, ngx_str_t *in)
{
    size_t      i, size;
    u_char     *buf;
    ngx_str_t   log;

    size = fuzz_random(256);
    buf = ngx_pnalloc(pool, size);

    log = ngx_fed_text_log(buf, size, in);

    fuzz_ok(log.len <= size);
    fuzz_ok(ngx_fed_text_valid(log.data, log.len));

    for (i = 0; i < log.len; i++) {
        fuzz_ok(log.data[i] >= ' ' && log.data[i] != 0x7f
                && log.data[i] != '"');
    }
}


void
fuzz_target(ngx_pool_t *pool, ngx_str_t *in)
{
    time_t  t;

    check_xml(pool, in);
    check_line(pool, in);
    check_ends(pool, in);
    check_log(pool, in);

    t = ngx_fed_text_time(in);

    fuzz_ok(t >= (time_t) NGX_ERROR - 99 * 3660 && t < 253402300800 + 366000);
}
