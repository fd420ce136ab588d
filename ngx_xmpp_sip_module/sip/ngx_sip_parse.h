
/*
 * SIP messages as bytes: framing, start line, header fields, and the syntax of
 * those that a user agent has to understand (RFC 3261, 7 and 25).
 */


#ifndef _NGX_SIP_PARSE_H_INCLUDED_
#define _NGX_SIP_PARSE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_SIP_HEADERS          256     /* header field rows of a message */

#define NGX_SIP_COOKIE           "z9hG4bK"      /* RFC 3261, 8.1.1.7 */
#define NGX_SIP_COOKIE_LEN       (sizeof(NGX_SIP_COOKIE) - 1)


typedef enum {
    NGX_SIP_OTHER_METHOD = 0,
    NGX_SIP_ACK,
    NGX_SIP_BENOTIFY,
    NGX_SIP_BYE,
    NGX_SIP_CANCEL,
    NGX_SIP_INFO,
    NGX_SIP_INVITE,
    NGX_SIP_MESSAGE,
    NGX_SIP_NOTIFY,
    NGX_SIP_OPTIONS,
    NGX_SIP_PRACK,
    NGX_SIP_PUBLISH,
    NGX_SIP_REFER,
    NGX_SIP_REGISTER,
    NGX_SIP_SUBSCRIBE,
    NGX_SIP_UPDATE
} ngx_sip_method_e;


typedef enum {
    NGX_SIP_OTHER_HEADER = 0,
    NGX_SIP_ACCEPT,
    NGX_SIP_ALLOW_EVENTS,
    NGX_SIP_CALL_ID,
    NGX_SIP_CONTACT,
    NGX_SIP_CONTENT_ENCODING,
    NGX_SIP_CONTENT_LANGUAGE,
    NGX_SIP_CONTENT_LENGTH,
    NGX_SIP_CONTENT_TYPE,
    NGX_SIP_CSEQ,
    NGX_SIP_DATE,
    NGX_SIP_EVENT,
    NGX_SIP_EXPIRES,
    NGX_SIP_FROM,
    NGX_SIP_MAX_FORWARDS,
    NGX_SIP_MIN_EXPIRES,
    NGX_SIP_PIGGYBACK_CSEQ,
    NGX_SIP_RECORD_ROUTE,
    NGX_SIP_REQUIRE,
    NGX_SIP_RETRY_AFTER,
    NGX_SIP_ROUTE,
    NGX_SIP_SESSION_EXPIRES,
    NGX_SIP_SUBJECT,
    NGX_SIP_SUBSCRIPTION_STATE,
    NGX_SIP_SUPPORTED,
    NGX_SIP_TIMESTAMP,
    NGX_SIP_TO,
    NGX_SIP_VIA,
    NGX_SIP_HEADER_IDS
} ngx_sip_header_e;


typedef enum {
    NGX_SIP_SCHEME_SIP = 0,
    NGX_SIP_SCHEME_SIPS,
    NGX_SIP_SCHEME_IM,
    NGX_SIP_SCHEME_PRES,
    NGX_SIP_SCHEME_OTHER
} ngx_sip_scheme_e;


/* a row: no LWS at the ends of the value, but maybe folds within it */

typedef struct {
    ngx_str_t                     name;
    ngx_str_t                     value;
    uint16_t                      id;
    uint16_t                      next;      /* of the same id, or 0 */
    unsigned                      folded:1;
} ngx_sip_header_t;


/* no part is unescaped */

typedef struct {
    ngx_sip_scheme_e              scheme;
    ngx_str_t                     user;      /* without the password */
    ngx_str_t                     host;
    ngx_uint_t                    port;      /* 0: not given */
    ngx_str_t                     params;    /* with the first ";" */
    ngx_str_t                     headers;   /* with the "?" */
} ngx_sip_uri_t;


/* From, To, Contact, Route */

typedef struct {
    ngx_str_t                     uri;       /* the addr-spec */
    ngx_str_t                     params;    /* of the header field */
    ngx_str_t                     tag;
} ngx_sip_addr_t;


typedef struct {
    ngx_str_t                     type;
    ngx_str_t                     subtype;
    ngx_str_t                     charset;   /* without quotes, or empty */
    ngx_str_t                     boundary;
} ngx_sip_media_t;


typedef ngx_uint_t (*ngx_sip_media_pt)(ngx_sip_media_t *media);


/* of a body of several parts */

typedef struct {
    ngx_str_t                     content;
    ngx_sip_media_t               media;
    unsigned                      encoded:1;
    unsigned                      optional:1;
} ngx_sip_part_t;


typedef struct {
    ngx_str_t                     all;       /* the whole via-parm */
    ngx_str_t                     transport;
    ngx_str_t                     host;      /* sent-by */
    ngx_uint_t                    port;      /* 0: not given */
    ngx_str_t                     branch;
    ngx_str_t                     received;
    ngx_str_t                     rport;     /* the name, when without value */

    unsigned                      alias:1;   /* RFC 5923, 5 */
    unsigned                      rport_set:1;
} ngx_sip_via_t;


typedef struct {
    ngx_uint_t                    response;
    ngx_sip_method_e              method;
    ngx_str_t                     method_name;
    ngx_str_t                     uri;       /* Request-URI */
    ngx_uint_t                    status;
    ngx_str_t                     reason;

    /* what is wrong with it, with the status to answer; 0: nothing so far */

    ngx_uint_t                    error;
    const char                   *problem;

    /* by ngx_sip_parse() */

    size_t                        size;      /* octets in all */
    size_t                        content_length;
    ngx_str_t                     body;

    /* by ngx_sip_check() */

    ngx_sip_via_t                 via;       /* the topmost one */
    ngx_uint_t                    nvias;
    ngx_sip_addr_t                from;
    ngx_sip_addr_t                to;
    ngx_str_t                     call_id;
    uint32_t                      cseq;
    ngx_str_t                     cseq_method;
    ngx_uint_t                    max_forwards;

    unsigned                      version:1;      /* SIP/2.0 */
    unsigned                      length_set:1;

    ngx_uint_t                    nheaders;       /* row 0 is not used */
    uint16_t                      first[NGX_SIP_HEADER_IDS];
    uint16_t                      last[NGX_SIP_HEADER_IDS];
    ngx_sip_header_t              headers[NGX_SIP_HEADERS];
} ngx_sip_msg_t;


/* how far a message is read; zeroed at its start */

typedef struct {
    size_t                        scanned;
    size_t                        header;    /* octets of the header section,
                                                with the empty line */
    size_t                        size;      /* of all, when it is known */
} ngx_sip_parser_t;


ngx_int_t ngx_sip_parse(ngx_sip_parser_t *sp, ngx_sip_msg_t *msg, u_char *pos,
    u_char *last, size_t header_max, size_t body_max);
ngx_int_t ngx_sip_check(ngx_sip_msg_t *msg);

u_char *ngx_sip_row_end(u_char *p, u_char *last, ngx_uint_t *folded);
ngx_int_t ngx_sip_row_split(u_char *p, u_char *last, ngx_str_t *name,
    ngx_str_t *value);
ngx_int_t ngx_sip_multipart(ngx_sip_media_t *media, ngx_str_t *body,
    ngx_sip_media_pt is, ngx_str_t *text);
ngx_int_t ngx_sip_part(u_char *p, u_char *last, ngx_sip_part_t *part);

ngx_sip_header_t *ngx_sip_header(ngx_sip_msg_t *msg, ngx_sip_header_e id);
ngx_sip_header_t *ngx_sip_header_next(ngx_sip_msg_t *msg, ngx_sip_header_t *h);

ngx_int_t ngx_sip_via(u_char **pos, u_char *last, ngx_sip_via_t *via);
ngx_int_t ngx_sip_addr(u_char **pos, u_char *last, ngx_sip_addr_t *addr);
ngx_int_t ngx_sip_uri(ngx_str_t *text, ngx_sip_uri_t *uri);
ngx_int_t ngx_sip_param(u_char **pos, u_char *last, ngx_str_t *name,
    ngx_str_t *value);
ngx_int_t ngx_sip_item(u_char **pos, u_char *last, ngx_str_t *item);
ngx_int_t ngx_sip_media_type(ngx_str_t *value, ngx_sip_media_t *media);
ngx_uint_t ngx_sip_media_is_text(ngx_sip_media_t *media);
ngx_uint_t ngx_sip_media_is_html(ngx_sip_media_t *media);
ngx_int_t ngx_sip_number(ngx_str_t *text, uint32_t *number);

ngx_uint_t ngx_sip_is_token(u_char *p, size_t len);
ngx_uint_t ngx_sip_is_word(u_char *p, size_t len);
ngx_uint_t ngx_sip_str_is(ngx_str_t *s, const char *text, size_t len);
#define ngx_sip_is(s, text)  ngx_sip_str_is(s, text, sizeof(text) - 1)


#endif /* _NGX_SIP_PARSE_H_INCLUDED_ */
