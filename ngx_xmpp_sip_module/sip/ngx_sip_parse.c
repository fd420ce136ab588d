
/*
 * SIP messages on a stream: framing by Content-Length, start line, header
 * field rows, and the checks that every message must pass (RFC 3261, 7, 18.3).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_sip_parse.h"


#define NGX_SIP_LENGTH_MAX  0x7fffffff


typedef struct {
    ngx_str_t                     name;
    ngx_uint_t                    id;
} ngx_sip_name_t;


static ngx_int_t ngx_sip_find_end(ngx_sip_parser_t *sp, u_char *pos,
    u_char *last);
static void ngx_sip_lines(ngx_sip_msg_t *msg, u_char *pos, u_char *last);
static void ngx_sip_request_line(ngx_sip_msg_t *msg, u_char *p, u_char *last);
static void ngx_sip_status_line(ngx_sip_msg_t *msg, u_char *p, u_char *last);
static ngx_uint_t ngx_sip_version(u_char *p, size_t len);
static void ngx_sip_row(ngx_sip_msg_t *msg, u_char *p, u_char *last,
    ngx_uint_t folded);
static ngx_uint_t ngx_sip_header_id(u_char *name, size_t len);
static void ngx_sip_row_length(ngx_sip_msg_t *msg, ngx_str_t *value);
static ngx_sip_method_e ngx_sip_method(u_char *name, size_t len);
static ngx_int_t ngx_sip_check_vias(ngx_sip_msg_t *msg);
static ngx_int_t ngx_sip_check_addr(ngx_sip_msg_t *msg, ngx_sip_header_e id,
    ngx_sip_addr_t *addr);
static ngx_int_t ngx_sip_check_call_id(ngx_sip_msg_t *msg);
static ngx_int_t ngx_sip_check_max_forwards(ngx_sip_msg_t *msg);
static ngx_int_t ngx_sip_check_cseq(ngx_sip_msg_t *msg);
static ngx_int_t ngx_sip_check_uri(ngx_sip_msg_t *msg);
static ngx_int_t ngx_sip_problem(ngx_sip_msg_t *msg, ngx_uint_t status,
    const char *problem);


/* RFC 3261, 20; the letters of 7.3.3, RFC 6665, 8.4, and RFC 4028; MS-SIP */

static const ngx_sip_name_t  ngx_sip_names_1[] = {
    { ngx_string("v"), NGX_SIP_VIA },
    { ngx_string("f"), NGX_SIP_FROM },
    { ngx_string("t"), NGX_SIP_TO },
    { ngx_string("i"), NGX_SIP_CALL_ID },
    { ngx_string("l"), NGX_SIP_CONTENT_LENGTH },
    { ngx_string("m"), NGX_SIP_CONTACT },
    { ngx_string("c"), NGX_SIP_CONTENT_TYPE },
    { ngx_string("e"), NGX_SIP_CONTENT_ENCODING },
    { ngx_string("k"), NGX_SIP_SUPPORTED },
    { ngx_string("s"), NGX_SIP_SUBJECT },
    { ngx_string("o"), NGX_SIP_EVENT },
    { ngx_string("u"), NGX_SIP_ALLOW_EVENTS },
    { ngx_string("x"), NGX_SIP_SESSION_EXPIRES },
    { ngx_null_string, 0 }
};

static const ngx_sip_name_t  ngx_sip_names_2[] = {
    { ngx_string("To"), NGX_SIP_TO },
    { ngx_null_string, 0 }
};

static const ngx_sip_name_t  ngx_sip_names_3[] = {
    { ngx_string("Via"), NGX_SIP_VIA },
    { ngx_null_string, 0 }
};

static const ngx_sip_name_t  ngx_sip_names_4[] = {
    { ngx_string("From"), NGX_SIP_FROM },
    { ngx_string("CSeq"), NGX_SIP_CSEQ },
    { ngx_string("Date"), NGX_SIP_DATE },
    { ngx_null_string, 0 }
};

static const ngx_sip_name_t  ngx_sip_names_5[] = {
    { ngx_string("Event"), NGX_SIP_EVENT },
    { ngx_string("Route"), NGX_SIP_ROUTE },
    { ngx_null_string, 0 }
};

static const ngx_sip_name_t  ngx_sip_names_6[] = {
    { ngx_string("Accept"), NGX_SIP_ACCEPT },
    { ngx_null_string, 0 }
};

static const ngx_sip_name_t  ngx_sip_names_7[] = {
    { ngx_string("Call-ID"), NGX_SIP_CALL_ID },
    { ngx_string("Contact"), NGX_SIP_CONTACT },
    { ngx_string("Subject"), NGX_SIP_SUBJECT },
    { ngx_string("Expires"), NGX_SIP_EXPIRES },
    { ngx_string("Require"), NGX_SIP_REQUIRE },
    { ngx_null_string, 0 }
};

static const ngx_sip_name_t  ngx_sip_names_9[] = {
    { ngx_string("Supported"), NGX_SIP_SUPPORTED },
    { ngx_string("Timestamp"), NGX_SIP_TIMESTAMP },
    { ngx_null_string, 0 }
};

static const ngx_sip_name_t  ngx_sip_names_11[] = {
    { ngx_string("Retry-After"), NGX_SIP_RETRY_AFTER },
    { ngx_string("Min-Expires"), NGX_SIP_MIN_EXPIRES },
    { ngx_null_string, 0 }
};

static const ngx_sip_name_t  ngx_sip_names_12[] = {
    { ngx_string("Max-Forwards"), NGX_SIP_MAX_FORWARDS },
    { ngx_string("Content-Type"), NGX_SIP_CONTENT_TYPE },
    { ngx_string("Record-Route"), NGX_SIP_RECORD_ROUTE },
    { ngx_string("Allow-Events"), NGX_SIP_ALLOW_EVENTS },
    { ngx_null_string, 0 }
};

static const ngx_sip_name_t  ngx_sip_names_14[] = {
    { ngx_string("Content-Length"), NGX_SIP_CONTENT_LENGTH },
    { ngx_null_string, 0 }
};

static const ngx_sip_name_t  ngx_sip_names_15[] = {
    { ngx_string("Session-Expires"), NGX_SIP_SESSION_EXPIRES },
    { ngx_null_string, 0 }
};

static const ngx_sip_name_t  ngx_sip_names_16[] = {
    { ngx_string("Content-Language"), NGX_SIP_CONTENT_LANGUAGE },
    { ngx_string("Content-Encoding"), NGX_SIP_CONTENT_ENCODING },
    { ngx_null_string, 0 }
};

static const ngx_sip_name_t  ngx_sip_names_17[] = {
    { ngx_string("ms-piggyback-cseq"), NGX_SIP_PIGGYBACK_CSEQ },
    { ngx_null_string, 0 }
};

static const ngx_sip_name_t  ngx_sip_names_18[] = {
    { ngx_string("Subscription-State"), NGX_SIP_SUBSCRIPTION_STATE },
    { ngx_null_string, 0 }
};

static const ngx_sip_name_t  *const ngx_sip_names[] = {
    NULL, ngx_sip_names_1, ngx_sip_names_2, ngx_sip_names_3, ngx_sip_names_4,
    ngx_sip_names_5, ngx_sip_names_6, ngx_sip_names_7, NULL, ngx_sip_names_9,
    NULL, ngx_sip_names_11, ngx_sip_names_12, NULL, ngx_sip_names_14,
    ngx_sip_names_15, ngx_sip_names_16, ngx_sip_names_17, ngx_sip_names_18
};


/* RFC 3261, 3262, 3311, 3428, 3515, 3903, 6086, 6665, and MS-SIP */

static const ngx_sip_name_t  ngx_sip_methods[] = {
    { ngx_string("MESSAGE"), NGX_SIP_MESSAGE },
    { ngx_string("OPTIONS"), NGX_SIP_OPTIONS },
    { ngx_string("ACK"), NGX_SIP_ACK },
    { ngx_string("BENOTIFY"), NGX_SIP_BENOTIFY },
    { ngx_string("BYE"), NGX_SIP_BYE },
    { ngx_string("CANCEL"), NGX_SIP_CANCEL },
    { ngx_string("INFO"), NGX_SIP_INFO },
    { ngx_string("INVITE"), NGX_SIP_INVITE },
    { ngx_string("NOTIFY"), NGX_SIP_NOTIFY },
    { ngx_string("PRACK"), NGX_SIP_PRACK },
    { ngx_string("PUBLISH"), NGX_SIP_PUBLISH },
    { ngx_string("REFER"), NGX_SIP_REFER },
    { ngx_string("REGISTER"), NGX_SIP_REGISTER },
    { ngx_string("SUBSCRIBE"), NGX_SIP_SUBSCRIBE },
    { ngx_string("UPDATE"), NGX_SIP_UPDATE },
    { ngx_null_string, 0 }
};


/*
 * Reads one message from the octets at pos, which is where it begins; sp is
 * zeroed then, and kept while more is read.  Returns
 *
 *     NGX_OK        msg->size octets are a message; msg->error, if set, says
 *                   what is wrong with it
 *     NGX_AGAIN     more is needed: sp->size octets in all, if that is known
 *     NGX_DECLINED  the header section of sp->header octets is followed by a
 *                   body of msg->content_length, which is over body_max
 *     NGX_ERROR     where the next message begins is unknown: the connection
 *                   is to be closed once msg->error is answered, if there is
 *                   a Via to answer with (RFC 3261, 18.3, 20.14)
 *
 * The slices of msg are valid while the octets stay where they are.
 */

ngx_int_t
ngx_sip_parse(ngx_sip_parser_t *sp, ngx_sip_msg_t *msg, u_char *pos,
    u_char *last, size_t header_max, size_t body_max)
{
    ngx_int_t  rc;

    msg->nheaders = 0;

    if (sp->header == 0) {

        rc = ngx_sip_find_end(sp, pos, last);

        if (rc == NGX_OK && sp->header <= header_max) {
            goto found;
        }

        if (rc == NGX_AGAIN && (size_t) (last - pos) < header_max) {
            return NGX_AGAIN;
        }

        ngx_sip_lines(msg, pos, last);

        if (rc == NGX_ERROR) {
            (void) ngx_sip_problem(msg, 400, "Bare CR or LF");

        } else {
            msg->error = 513;
            msg->problem = "Header Section Too Large";
        }

        return NGX_ERROR;
    }

    if ((size_t) (last - pos) < sp->size) {
        return NGX_AGAIN;
    }

found:

    ngx_sip_lines(msg, pos, pos + sp->header - 2);

    if (!msg->length_set) {
        return NGX_ERROR;
    }

    if (msg->content_length > body_max) {
        return NGX_DECLINED;
    }

    sp->size = sp->header + msg->content_length;

    if ((size_t) (last - pos) < sp->size) {
        return NGX_AGAIN;
    }

    msg->size = sp->size;
    msg->body.data = pos + sp->header;
    msg->body.len = msg->content_length;

    return NGX_OK;
}


/* Looks for the empty line, at each octet once. */

static ngx_int_t
ngx_sip_find_end(ngx_sip_parser_t *sp, u_char *pos, u_char *last)
{
    u_char  *p;

    p = pos + sp->scanned;

    for ( ;; ) {

        p = memchr(p, LF, last - p);

        if (p == NULL) {
            sp->scanned = last - pos;
            return NGX_AGAIN;
        }

        if (p == pos || p[-1] != CR) {
            return NGX_ERROR;
        }

        if (last - p < 3) {
            sp->scanned = p - pos;
            return NGX_AGAIN;
        }

        if (p[1] == CR && p[2] == LF) {
            sp->header = p + 3 - pos;
            return NGX_OK;
        }

        p++;
    }
}


/* Reads start line and rows; what has no end of line yet is left out. */

static void
ngx_sip_lines(ngx_sip_msg_t *msg, u_char *pos, u_char *last)
{
    u_char      *p, *lf;
    ngx_uint_t   folded;

    ngx_memzero(msg, offsetof(ngx_sip_msg_t, headers));

    lf = memchr(pos, LF, last - pos);

    if (lf == NULL || lf == pos) {
        (void) ngx_sip_problem(msg, 400, "Bad Request");
        return;
    }

    if (lf - pos > 4 && ngx_strncasecmp(pos, (u_char *) "SIP/", 4) == 0) {
        ngx_sip_status_line(msg, pos, lf - 1);

    } else {
        ngx_sip_request_line(msg, pos, lf - 1);
    }

    for (p = lf + 1; p < last; p = lf + 1) {

        lf = ngx_sip_row_end(p, last, &folded);

        if (lf == NULL) {
            return;
        }

        ngx_sip_row(msg, p, lf > p ? lf - 1 : lf, folded);
    }

    if (!msg->length_set && msg->error == 0) {
        (void) ngx_sip_problem(msg, 400, "Missing Content-Length");
    }
}


/* RFC 3261, 7.1: single spaces, and none within the Request-URI. */

static void
ngx_sip_request_line(ngx_sip_msg_t *msg, u_char *p, u_char *last)
{
    u_char      *uri, *end;
    ngx_uint_t   version;

    end = memchr(p, ' ', last - p);

    if (end == NULL || !ngx_sip_is_token(p, end - p)) {
        (void) ngx_sip_problem(msg, 400, "Bad Request Line");
        return;
    }

    msg->method_name.data = p;
    msg->method_name.len = end - p;
    msg->method = ngx_sip_method(p, end - p);

    uri = end + 1;
    end = memchr(uri, ' ', last - uri);

    if (end == NULL) {
        (void) ngx_sip_problem(msg, 400, "Bad Request Line");
        return;
    }

    if (end == uri) {
        (void) ngx_sip_problem(msg, 400, "Bad Request-URI");
        return;
    }

    for (p = uri; p < end; p++) {
        if (*p <= ' ' || *p >= 0x7f || *p == '<' || *p == '>' || *p == '"') {
            (void) ngx_sip_problem(msg, 400, "Bad Request-URI");
            return;
        }
    }

    msg->uri.data = uri;
    msg->uri.len = end - uri;

    version = ngx_sip_version(end + 1, last - (end + 1));

    if (version == 0) {
        (void) ngx_sip_problem(msg, 400, "Bad Request Line");
        return;
    }

    msg->version = (version == 2);
}


/* RFC 3261, 7.2; the reason may be missing, with the space ahead of it. */

static void
ngx_sip_status_line(ngx_sip_msg_t *msg, u_char *p, u_char *last)
{
    u_char    *end;
    uint32_t   status;
    ngx_str_t  code;

    msg->response = 1;

    end = memchr(p, ' ', last - p);

    if (end == NULL || ngx_sip_version(p, end - p) != 2) {
        (void) ngx_sip_problem(msg, 400, "Bad Status Line");
        return;
    }

    msg->version = 1;

    code.data = end + 1;

    end = memchr(code.data, ' ', last - code.data);

    code.len = (end ? end : last) - code.data;

    if (code.len != 3 || ngx_sip_number(&code, &status) != NGX_OK
        || status < 100 || status > 699)
    {
        (void) ngx_sip_problem(msg, 400, "Bad Status-Code");
        return;
    }

    msg->status = status;

    if (end) {
        msg->reason.data = end + 1;
        msg->reason.len = last - (end + 1);

        if (ngx_strlchr(end + 1, last, CR)) {
            (void) ngx_sip_problem(msg, 400, "Bare CR or LF");
        }
    }
}


/* Returns 2 for SIP/2.0, 1 for another version, 0 for what is none. */

static ngx_uint_t
ngx_sip_version(u_char *p, size_t len)
{
    size_t      i;
    ngx_uint_t  dots;

    if (len < sizeof("SIP/1.0") - 1
        || ngx_strncasecmp(p, (u_char *) "SIP/", 4) != 0)
    {
        return 0;
    }

    if (len == 7 && p[4] == '2' && p[5] == '.' && p[6] == '0') {
        return 2;
    }

    dots = 0;

    for (i = 4; i < len; i++) {

        if (p[i] == '.' && i > 4 && i < len - 1) {
            dots++;
            continue;
        }

        if (p[i] < '0' || p[i] > '9') {
            return 0;
        }
    }

    return dots == 1;
}


static void
ngx_sip_row(ngx_sip_msg_t *msg, u_char *p, u_char *last, ngx_uint_t folded)
{
    u_char            *cr;
    ngx_sip_header_t  *h;

    if (msg->nheaders == NGX_SIP_HEADERS - 1) {
        (void) ngx_sip_problem(msg, 400, "Too Many Header Fields");
        return;
    }

    for (cr = p; (cr = memchr(cr, CR, last - cr)) != NULL; cr++) {
        if (cr[1] != LF) {
            (void) ngx_sip_problem(msg, 400, "Bare CR or LF");
            return;
        }
    }

    h = &msg->headers[msg->nheaders + 1];

    if (ngx_sip_row_split(p, last, &h->name, &h->value) != NGX_OK) {
        (void) ngx_sip_problem(msg, 400, "Bad Header Field");
        return;
    }

    msg->nheaders++;

    h->id = (uint16_t) ngx_sip_header_id(h->name.data, h->name.len);
    h->next = 0;
    h->folded = folded;

    if (h->id == NGX_SIP_OTHER_HEADER) {
        return;
    }

    if (msg->first[h->id] == 0) {
        msg->first[h->id] = (uint16_t) msg->nheaders;

    } else {
        msg->headers[msg->last[h->id]].next = (uint16_t) msg->nheaders;
    }

    msg->last[h->id] = (uint16_t) msg->nheaders;

    if (h->id == NGX_SIP_CONTENT_LENGTH) {
        ngx_sip_row_length(msg, &h->value);
    }
}


/*
 * Returns the LF that ends the row at p, with the lines that continue it, or
 * NULL if there is none.
 */

u_char *
ngx_sip_row_end(u_char *p, u_char *last, ngx_uint_t *folded)
{
    u_char  *lf;

    *folded = 0;

    for ( ;; ) {

        lf = memchr(p, LF, last - p);

        if (lf == NULL || lf + 1 == last || (lf[1] != ' ' && lf[1] != '\t')) {
            return lf;
        }

        *folded = 1;
        p = lf + 1;
    }
}


/* Takes a row without its end apart, LWS around name and value left out. */

ngx_int_t
ngx_sip_row_split(u_char *p, u_char *last, ngx_str_t *name, ngx_str_t *value)
{
    u_char  *colon, *end;

    colon = memchr(p, ':', last - p);

    if (colon == NULL) {
        return NGX_ERROR;
    }

    end = colon;

    while (end > p && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }

    if (!ngx_sip_is_token(p, end - p)) {
        return NGX_ERROR;
    }

    name->data = p;
    name->len = end - p;

    p = colon + 1;

    while (p < last && (*p == ' ' || *p == '\t' || *p == CR || *p == LF)) {
        p++;
    }

    while (last > p && (last[-1] == ' ' || last[-1] == '\t'
                        || last[-1] == CR || last[-1] == LF))
    {
        last--;
    }

    value->data = p;
    value->len = last - p;

    return NGX_OK;
}


static ngx_uint_t
ngx_sip_header_id(u_char *name, size_t len)
{
    const ngx_sip_name_t  *n;

    if (len >= sizeof(ngx_sip_names) / sizeof(ngx_sip_names[0])) {
        return NGX_SIP_OTHER_HEADER;
    }

    n = ngx_sip_names[len];

    if (n == NULL) {
        return NGX_SIP_OTHER_HEADER;
    }

    for ( /* void */ ; n->name.len; n++) {
        if ((n->name.data[0] | 0x20) == (name[0] | 0x20)
            && ngx_strncasecmp(n->name.data, name, len) == 0)
        {
            return n->id;
        }
    }

    return NGX_SIP_OTHER_HEADER;
}


/* A length that can not be believed leaves length_set unset for good. */

static void
ngx_sip_row_length(ngx_sip_msg_t *msg, ngx_str_t *value)
{
    uint32_t  length;

    if (ngx_sip_number(value, &length) != NGX_OK
        || length > NGX_SIP_LENGTH_MAX)
    {
        goto failed;
    }

    if (msg->first[NGX_SIP_CONTENT_LENGTH] != msg->nheaders
        && (!msg->length_set || msg->content_length != length))
    {
        goto failed;
    }

    msg->length_set = 1;
    msg->content_length = length;

    return;

failed:

    msg->length_set = 0;
    msg->error = 0;

    (void) ngx_sip_problem(msg, 400, "Bad Content-Length");
}


/* The method is compared with regard to case (RFC 3261, 7.1). */

static ngx_sip_method_e
ngx_sip_method(u_char *name, size_t len)
{
    const ngx_sip_name_t  *m;

    for (m = ngx_sip_methods; m->name.len; m++) {
        if (m->name.len == len && ngx_memcmp(m->name.data, name, len) == 0) {
            return m->id;
        }
    }

    return NGX_SIP_OTHER_METHOD;
}


/*
 * Checks that the header fields each message must have are there, once, and of
 * the grammar, and reads them (RFC 3261, 8.1.1, 8.2).  Returns NGX_OK, or
 * NGX_ERROR with msg->error set: then those that are right are read too.
 */

ngx_int_t
ngx_sip_check(ngx_sip_msg_t *msg)
{
    (void) ngx_sip_check_vias(msg);
    (void) ngx_sip_check_addr(msg, NGX_SIP_FROM, &msg->from);
    (void) ngx_sip_check_addr(msg, NGX_SIP_TO, &msg->to);
    (void) ngx_sip_check_call_id(msg);
    (void) ngx_sip_check_cseq(msg);

    if (!msg->response && msg->uri.len) {
        (void) ngx_sip_check_max_forwards(msg);
        (void) ngx_sip_check_uri(msg);
    }

    return msg->error ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_sip_check_vias(ngx_sip_msg_t *msg)
{
    u_char            *p, *last;
    ngx_sip_via_t      via, *v;
    ngx_sip_header_t  *h;

    msg->nvias = 0;

    h = ngx_sip_header(msg, NGX_SIP_VIA);

    for ( /* void */ ; h; h = ngx_sip_header_next(msg, h)) {

        p = h->value.data;
        last = p + h->value.len;

        for ( ;; ) {
            v = msg->nvias ? &via : &msg->via;

            if (ngx_sip_via(&p, last, v) != NGX_OK
                || (v->branch.len == NGX_SIP_COOKIE_LEN
                    && ngx_sip_is(&v->branch, NGX_SIP_COOKIE)))
            {
                return ngx_sip_problem(msg, 400, "Bad Via");
            }

            msg->nvias++;

            if (p == last) {
                break;
            }

            p++;
        }
    }

    if (msg->nvias == 0) {
        return ngx_sip_problem(msg, 400, "Missing Via");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_sip_check_addr(ngx_sip_msg_t *msg, ngx_sip_header_e id,
    ngx_sip_addr_t *addr)
{
    u_char            *p, *last;
    ngx_sip_uri_t      uri;
    ngx_sip_header_t  *h;

    h = ngx_sip_header(msg, id);

    if (h == NULL) {
        return ngx_sip_problem(msg, 400, id == NGX_SIP_FROM ? "Missing From"
                                                            : "Missing To");
    }

    p = h->value.data;
    last = p + h->value.len;

    if (h->next || ngx_sip_addr(&p, last, addr) != NGX_OK || p != last
        || ngx_sip_uri(&addr->uri, &uri) != NGX_OK)
    {
        return ngx_sip_problem(msg, 400, id == NGX_SIP_FROM ? "Bad From"
                                                            : "Bad To");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_sip_check_call_id(ngx_sip_msg_t *msg)
{
    u_char            *at, *p, *last;
    ngx_sip_header_t  *h;

    h = ngx_sip_header(msg, NGX_SIP_CALL_ID);

    if (h == NULL) {
        return ngx_sip_problem(msg, 400, "Missing Call-ID");
    }

    p = h->value.data;
    last = p + h->value.len;
    at = ngx_strlchr(p, last, '@');

    if (h->next || !ngx_sip_is_word(p, (at ? at : last) - p)
        || (at && !ngx_sip_is_word(at + 1, last - (at + 1))))
    {
        return ngx_sip_problem(msg, 400, "Bad Call-ID");
    }

    msg->call_id = h->value;

    return NGX_OK;
}


static ngx_int_t
ngx_sip_check_max_forwards(ngx_sip_msg_t *msg)
{
    uint32_t           n;
    ngx_sip_header_t  *h;

    msg->max_forwards = 70;

    h = ngx_sip_header(msg, NGX_SIP_MAX_FORWARDS);

    if (h == NULL) {
        return NGX_OK;
    }

    if (h->next) {
        return ngx_sip_problem(msg, 400, "Repeated Max-Forwards");
    }

    /* what is no number counts as missing, which is tolerated */

    if (ngx_sip_number(&h->value, &n) == NGX_OK && n < 256) {
        msg->max_forwards = n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_sip_check_cseq(ngx_sip_msg_t *msg)
{
    u_char            *p, *last;
    ngx_str_t          number;
    ngx_sip_header_t  *h;

    h = ngx_sip_header(msg, NGX_SIP_CSEQ);

    if (h == NULL) {
        return ngx_sip_problem(msg, 400, "Missing CSeq");
    }

    p = h->value.data;
    last = p + h->value.len;

    number.data = p;

    while (p < last && *p >= '0' && *p <= '9') {
        p++;
    }

    number.len = p - number.data;

    while (p < last && (*p == ' ' || *p == '\t' || *p == CR || *p == LF)) {
        p++;
    }

    msg->cseq_method.data = p;
    msg->cseq_method.len = last - p;

    if (h->next || ngx_sip_number(&number, &msg->cseq) != NGX_OK
        || p == number.data + number.len
        || !ngx_sip_is_token(p, last - p))
    {
        return ngx_sip_problem(msg, 400, "Bad CSeq");
    }

    if (!msg->response && msg->method != NGX_SIP_OTHER_METHOD
        && (msg->cseq_method.len != msg->method_name.len
            || ngx_memcmp(p, msg->method_name.data, last - p) != 0))
    {
        return ngx_sip_problem(msg, 400, "CSeq Method Mismatch");
    }

    return NGX_OK;
}


/* Header fields in a Request-URI are not allowed (RFC 3261, 19.1.1). */

static ngx_int_t
ngx_sip_check_uri(ngx_sip_msg_t *msg)
{
    ngx_sip_uri_t  uri;

    if (ngx_sip_uri(&msg->uri, &uri) != NGX_OK || uri.headers.len) {
        return ngx_sip_problem(msg, 400, "Bad Request-URI");
    }

    return NGX_OK;
}


/* Notes the first problem. */

static ngx_int_t
ngx_sip_problem(ngx_sip_msg_t *msg, ngx_uint_t status, const char *problem)
{
    if (msg->error == 0) {
        msg->error = status;
        msg->problem = problem;
    }

    return NGX_ERROR;
}


/* Returns the first row of that name, or NULL. */

ngx_sip_header_t *
ngx_sip_header(ngx_sip_msg_t *msg, ngx_sip_header_e id)
{
    return msg->first[id] ? &msg->headers[msg->first[id]] : NULL;
}


/* Returns the next row of the same name, or NULL. */

ngx_sip_header_t *
ngx_sip_header_next(ngx_sip_msg_t *msg, ngx_sip_header_t *h)
{
    return h->next ? &msg->headers[h->next] : NULL;
}
