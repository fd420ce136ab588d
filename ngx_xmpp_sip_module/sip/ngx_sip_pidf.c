
/*
 * Presence documents: PIDF with what RPID adds (RFC 3863, RFC 4480), and how
 * RFC 8048, 6, maps them.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <expat.h>
#include "ngx_fed_text.h"
#include "ngx_fed_xml.h"
#include "ngx_sip_parse.h"
#include "ngx_sip_pidf.h"
#include "ngx_sip_xml.h"


#define NGX_SIP_PIDF_SEPARATOR   '|'
#define NGX_SIP_PIDF_DEPTH       32
#define NGX_SIP_PIDF_ATTRIBUTES  64          /* of an element */
#define NGX_SIP_PIDF_TEXT        8192        /* longer than any contact */

#define NGX_SIP_PIDF_PREFIX      "ID-"       /* RFC 8048, 6.2 */
#define NGX_SIP_PIDF_ESCAPE      "_x002F_"
#define NGX_SIP_PIDF_ID_MAX                                                   \
    (sizeof(NGX_SIP_PIDF_PREFIX) - 1                                          \
     + NGX_FED_PART_MAX * (sizeof(NGX_SIP_PIDF_ESCAPE) - 1))

#define NGX_SIP_PIDF_STAMP       "0000-00-00T00:00:00Z"
#define NGX_SIP_PIDF_STAMP_MAX   INT64_C(253402300799)     /* of year 9999 */

#define NGX_SIP_PIDF_NS          "urn:ietf:params:xml:ns:pidf"
#define NGX_SIP_PIDF_NS_PERSON   NGX_SIP_PIDF_NS ":data-model"
#define NGX_SIP_PIDF_NS_RPID     NGX_SIP_PIDF_NS ":rpid"
#define NGX_SIP_PIDF_NS_DRAFT    NGX_SIP_PIDF_NS ":status:rpid-status"
#define NGX_SIP_PIDF_NS_JABBER   "jabber:client"
#define NGX_SIP_PIDF_LANG        "http://www.w3.org/XML/1998/namespace|lang"


#define ngx_sip_pidf_put(dst, text)  ngx_cpymem(dst, text, sizeof(text) - 1)


typedef enum {
    NGX_SIP_PIDF_IGNORED = 0,
    NGX_SIP_PIDF_DOCUMENT,
    NGX_SIP_PIDF_PRESENCE,
    NGX_SIP_PIDF_TUPLE,
    NGX_SIP_PIDF_STATUS,
    NGX_SIP_PIDF_PERSON,
    NGX_SIP_PIDF_ACTIVITIES,

    /* these have text */

    NGX_SIP_PIDF_BASIC,
    NGX_SIP_PIDF_SHOW,
    NGX_SIP_PIDF_CONTACT,
    NGX_SIP_PIDF_TIMESTAMP,
    NGX_SIP_PIDF_ACTIVITY,
    NGX_SIP_PIDF_USER_INPUT,
    NGX_SIP_PIDF_NOTE,
    NGX_SIP_PIDF_ACTIVITY_NOTE,
    NGX_SIP_PIDF_OTHER
} ngx_sip_pidf_element_e;


typedef struct {
    ngx_sip_pidf_element_e        parent;
    ngx_str_t                     name;      /* "namespace|local" */
    ngx_sip_pidf_element_e        element;
} ngx_sip_pidf_rule_t;


typedef struct {
    ngx_str_t                     name;
    ngx_fed_show_e                show;
} ngx_sip_pidf_activity_t;


typedef struct {
    ngx_uint_t                    n;
    ngx_fed_status_t              statuses[NGX_FED_STATUSES];
} ngx_sip_pidf_notes_t;


/* what a tuple says, or the document outside of its tuples */

typedef struct {
    ngx_str_t                     id;
    ngx_str_t                     gr;        /* of the contact */
    ngx_int_t                     priority;
    time_t                        stamp;
    ngx_fed_show_e                show;      /* of jabber:client */
    ngx_fed_show_e                activity;  /* of RPID */

    ngx_sip_pidf_notes_t          note;
    ngx_sip_pidf_notes_t          activity_note;
    ngx_sip_pidf_notes_t          other;

    unsigned                      basic:1;
    unsigned                      open:1;
    unsigned                      shown:1;
    unsigned                      contact:1;
    unsigned                      idle:1;
} ngx_sip_pidf_scope_t;


typedef struct {
    ngx_sip_pidf_element_e        element;
    ngx_str_t                     lang;      /* in scope; or empty */
} ngx_sip_pidf_level_t;


typedef struct {
    XML_Parser                    parser;
    ngx_pool_t                   *pool;
    ngx_fed_address_t            *entity;
    ngx_int_t                     rc;

    ngx_uint_t                    depth;
    ngx_sip_pidf_level_t          levels[NGX_SIP_PIDF_DEPTH + 1];

    ngx_sip_pidf_scope_t         *scope;
    ngx_sip_pidf_scope_t          document;
    ngx_uint_t                    ntuples;
    ngx_sip_pidf_scope_t          tuples[NGX_FED_RESOURCES];

    size_t                        len;
    u_char                        text[NGX_SIP_PIDF_TEXT];

    unsigned                      charset:1; /* no matter what is declared */
    unsigned                      stranger:1;
    unsigned                      full:1;    /* there was more text */
} ngx_sip_pidf_reader_t;


static ngx_int_t ngx_sip_pidf_parse(ngx_sip_pidf_reader_t *reader,
    ngx_str_t *body);
static void ngx_sip_pidf_fail(ngx_sip_pidf_reader_t *reader, ngx_int_t rc);
static void XMLCALL ngx_sip_pidf_start_handler(void *data,
    const XML_Char *name, const XML_Char **atts);
static void XMLCALL ngx_sip_pidf_end_handler(void *data, const XML_Char *name);
static void XMLCALL ngx_sip_pidf_text_handler(void *data, const XML_Char *s,
    int len);
static void XMLCALL ngx_sip_pidf_decl_handler(void *data,
    const XML_Char *version, const XML_Char *encoding, int standalone);
static void XMLCALL ngx_sip_pidf_doctype_handler(void *data,
    const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid,
    int subset);
static void XMLCALL ngx_sip_pidf_pi_handler(void *data, const XML_Char *target,
    const XML_Char *s);
static ngx_sip_pidf_element_e ngx_sip_pidf_element(
    ngx_sip_pidf_reader_t *reader, ngx_str_t *name);
static ngx_int_t ngx_sip_pidf_begin(ngx_sip_pidf_reader_t *reader,
    ngx_sip_pidf_element_e element, const XML_Char **atts);
static ngx_int_t ngx_sip_pidf_finish(ngx_sip_pidf_reader_t *reader,
    ngx_sip_pidf_level_t *level, ngx_str_t *text);
static ngx_uint_t ngx_sip_pidf_equal(const ngx_str_t *a, const ngx_str_t *b);
static ngx_int_t ngx_sip_pidf_address(ngx_pool_t *pool, ngx_str_t *uri,
    ngx_fed_address_t *addr);
static ngx_int_t ngx_sip_pidf_entity(ngx_sip_pidf_reader_t *reader,
    const XML_Char **atts);
static ngx_int_t ngx_sip_pidf_contact(ngx_sip_pidf_reader_t *reader,
    ngx_str_t *uri);
static ngx_int_t ngx_sip_pidf_read_priority(ngx_str_t *text);
static ngx_int_t ngx_sip_pidf_add_note(ngx_sip_pidf_reader_t *reader,
    ngx_sip_pidf_notes_t *notes, ngx_str_t *lang, ngx_str_t *text);
static ngx_fed_show_e ngx_sip_pidf_show(ngx_str_t *text);
static void ngx_sip_pidf_activity(ngx_sip_pidf_scope_t *scope,
    ngx_str_t *name);
static ngx_uint_t ngx_sip_pidf_language(ngx_str_t *tag);

static ngx_int_t ngx_sip_pidf_resources(ngx_sip_pidf_reader_t *reader,
    ngx_fed_presence_t *presence);
static void ngx_sip_pidf_resource(ngx_sip_pidf_reader_t *reader,
    ngx_sip_pidf_scope_t *tuple, ngx_uint_t said, ngx_fed_resource_t *res);
static ngx_sip_pidf_notes_t *ngx_sip_pidf_notes(
    ngx_sip_pidf_scope_t *document, ngx_sip_pidf_scope_t *tuple,
    ngx_uint_t available);
static ngx_int_t ngx_sip_pidf_name(ngx_pool_t *pool,
    ngx_sip_pidf_scope_t *tuple, ngx_str_t *name);
static ngx_int_t ngx_sip_pidf_name_check(ngx_pool_t *pool, ngx_str_t *text,
    ngx_str_t *name);
static u_char *ngx_sip_pidf_decode(u_char *dst, ngx_str_t *text);
static u_char *ngx_sip_pidf_utf8(u_char *dst, uint32_t ch);

static u_char *ngx_sip_pidf_write_tuple(u_char *p, ngx_fed_resource_t *res,
    ngx_fed_address_t *entity);
static u_char *ngx_sip_pidf_write_person(u_char *p,
    ngx_fed_presence_t *presence);
static u_char *ngx_sip_pidf_write_entity(u_char *p, ngx_fed_address_t *entity);
static u_char *ngx_sip_pidf_write_name(u_char *p, ngx_str_t *name);
static u_char *ngx_sip_pidf_write_priority(u_char *p, ngx_int_t priority);
static u_char *ngx_sip_pidf_write_note(u_char *p, ngx_fed_status_t *status);
static u_char *ngx_sip_pidf_write_stamp(u_char *p, time_t stamp);
static u_char *ngx_sip_pidf_digits(u_char *p, ngx_uint_t n, ngx_uint_t width);


static const ngx_sip_pidf_rule_t  ngx_sip_pidf_rules[] = {

    /* RFC 3863, 4.1 */

    { NGX_SIP_PIDF_DOCUMENT, ngx_string(NGX_SIP_PIDF_NS "|presence"),
      NGX_SIP_PIDF_PRESENCE },
    { NGX_SIP_PIDF_PRESENCE, ngx_string(NGX_SIP_PIDF_NS "|tuple"),
      NGX_SIP_PIDF_TUPLE },
    { NGX_SIP_PIDF_TUPLE, ngx_string(NGX_SIP_PIDF_NS "|status"),
      NGX_SIP_PIDF_STATUS },
    { NGX_SIP_PIDF_STATUS, ngx_string(NGX_SIP_PIDF_NS "|basic"),
      NGX_SIP_PIDF_BASIC },
    { NGX_SIP_PIDF_TUPLE, ngx_string(NGX_SIP_PIDF_NS "|contact"),
      NGX_SIP_PIDF_CONTACT },
    { NGX_SIP_PIDF_TUPLE, ngx_string(NGX_SIP_PIDF_NS "|note"),
      NGX_SIP_PIDF_NOTE },
    { NGX_SIP_PIDF_TUPLE, ngx_string(NGX_SIP_PIDF_NS "|timestamp"),
      NGX_SIP_PIDF_TIMESTAMP },
    { NGX_SIP_PIDF_PRESENCE, ngx_string(NGX_SIP_PIDF_NS "|note"),
      NGX_SIP_PIDF_NOTE },

    /* RFC 4479, 3.7 */

    { NGX_SIP_PIDF_PRESENCE, ngx_string(NGX_SIP_PIDF_NS_PERSON "|person"),
      NGX_SIP_PIDF_PERSON },
    { NGX_SIP_PIDF_PERSON, ngx_string(NGX_SIP_PIDF_NS_PERSON "|note"),
      NGX_SIP_PIDF_NOTE },

    /* RFC 4480, 3.2 and 3.14 */

    { NGX_SIP_PIDF_PERSON, ngx_string(NGX_SIP_PIDF_NS_RPID "|activities"),
      NGX_SIP_PIDF_ACTIVITIES },
    { NGX_SIP_PIDF_TUPLE, ngx_string(NGX_SIP_PIDF_NS_RPID "|activities"),
      NGX_SIP_PIDF_ACTIVITIES },
    { NGX_SIP_PIDF_STATUS, ngx_string(NGX_SIP_PIDF_NS_RPID "|activities"),
      NGX_SIP_PIDF_ACTIVITIES },
    { NGX_SIP_PIDF_ACTIVITIES, ngx_string(NGX_SIP_PIDF_NS_RPID "|note"),
      NGX_SIP_PIDF_ACTIVITY_NOTE },
    { NGX_SIP_PIDF_ACTIVITIES, ngx_string(NGX_SIP_PIDF_NS_RPID "|other"),
      NGX_SIP_PIDF_OTHER },
    { NGX_SIP_PIDF_PERSON, ngx_string(NGX_SIP_PIDF_NS_RPID "|user-input"),
      NGX_SIP_PIDF_USER_INPUT },
    { NGX_SIP_PIDF_TUPLE, ngx_string(NGX_SIP_PIDF_NS_RPID "|user-input"),
      NGX_SIP_PIDF_USER_INPUT },
    { NGX_SIP_PIDF_STATUS, ngx_string(NGX_SIP_PIDF_NS_RPID "|user-input"),
      NGX_SIP_PIDF_USER_INPUT },

    /* what Microsoft's servers took from a draft of RFC 4480 */

    { NGX_SIP_PIDF_STATUS, ngx_string(NGX_SIP_PIDF_NS_DRAFT "|activities"),
      NGX_SIP_PIDF_ACTIVITIES },
    { NGX_SIP_PIDF_ACTIVITIES, ngx_string(NGX_SIP_PIDF_NS_DRAFT "|activity"),
      NGX_SIP_PIDF_ACTIVITY },

    /* RFC 8048, 6.1 */

    { NGX_SIP_PIDF_STATUS, ngx_string(NGX_SIP_PIDF_NS_JABBER "|show"),
      NGX_SIP_PIDF_SHOW },

    { NGX_SIP_PIDF_IGNORED, ngx_null_string, NGX_SIP_PIDF_IGNORED }
};


/* RFC 4480, 3.2; "other" has text of its own */

static const ngx_sip_pidf_activity_t  ngx_sip_pidf_activities[] = {
    { ngx_string("appointment"), NGX_FED_SHOW_AWAY },
    { ngx_string("away"), NGX_FED_SHOW_AWAY },
    { ngx_string("breakfast"), NGX_FED_SHOW_AWAY },
    { ngx_string("busy"), NGX_FED_SHOW_DND },
    { ngx_string("dinner"), NGX_FED_SHOW_AWAY },
    { ngx_string("holiday"), NGX_FED_SHOW_XA },
    { ngx_string("in-transit"), NGX_FED_SHOW_AWAY },
    { ngx_string("looking-for-work"), NGX_FED_SHOW_NONE },
    { ngx_string("lunch"), NGX_FED_SHOW_AWAY },
    { ngx_string("meal"), NGX_FED_SHOW_AWAY },
    { ngx_string("meeting"), NGX_FED_SHOW_DND },
    { ngx_string("on-the-phone"), NGX_FED_SHOW_DND },
    { ngx_string("performance"), NGX_FED_SHOW_DND },
    { ngx_string("permanent-absence"), NGX_FED_SHOW_XA },
    { ngx_string("playing"), NGX_FED_SHOW_AWAY },
    { ngx_string("presentation"), NGX_FED_SHOW_DND },
    { ngx_string("shopping"), NGX_FED_SHOW_AWAY },
    { ngx_string("sleeping"), NGX_FED_SHOW_XA },
    { ngx_string("spectator"), NGX_FED_SHOW_AWAY },
    { ngx_string("steering"), NGX_FED_SHOW_DND },
    { ngx_string("travel"), NGX_FED_SHOW_AWAY },
    { ngx_string("tv"), NGX_FED_SHOW_AWAY },
    { ngx_string("unknown"), NGX_FED_SHOW_NONE },
    { ngx_string("vacation"), NGX_FED_SHOW_XA },
    { ngx_string("working"), NGX_FED_SHOW_NONE },
    { ngx_string("worship"), NGX_FED_SHOW_DND },
    { ngx_null_string, NGX_FED_SHOW_NONE }
};


/* in the order of ngx_fed_show_e */

static const ngx_str_t  ngx_sip_pidf_shows[] = {
    ngx_null_string,
    ngx_string("away"),
    ngx_string("chat"),
    ngx_string("dnd"),
    ngx_string("xa")
};


/* how little available it leaves one, in the order of ngx_fed_show_e */

static const ngx_uint_t  ngx_sip_pidf_restrictive[] = { 0, 1, 0, 3, 2 };


/*
 * Reads a document into the presence, of which all lies in the pool.  Charset
 * and lang are the parameter of its Content-Type and its Content-Language, or
 * empty; entity is whose presence it has to be.  Returns NGX_OK; NGX_DECLINED
 * if it is that of somebody else (RFC 3863, 4.1.1); NGX_ABORT if it is no such
 * document or not in UTF-8 (4.1), or has what no body may (DTD, processing
 * instruction, too much depth); or NGX_ERROR.  With all but NGX_OK the
 * presence is empty.
 */

ngx_int_t
ngx_sip_pidf_read(ngx_pool_t *pool, ngx_str_t *body, ngx_str_t *charset,
    ngx_str_t *lang, ngx_fed_address_t *entity, ngx_fed_presence_t *presence)
{
    u_char                 *p;
    ngx_int_t               rc;
    ngx_str_t               tag;
    ngx_sip_pidf_reader_t  *reader;

    presence->n = 0;

    if (charset->len && !ngx_sip_pidf_charset(charset)) {
        return NGX_ABORT;
    }

    /* the parser knows UTF-16 by itself, in which "<" has a NUL */

    if (body->len == 0
        || body->len > NGX_MAX_INT32_VALUE
        || memchr(body->data, '\0', body->len))
    {
        return NGX_ABORT;
    }

    reader = ngx_pcalloc(pool, sizeof(ngx_sip_pidf_reader_t));
    if (reader == NULL) {
        return NGX_ERROR;
    }

    reader->pool = pool;
    reader->entity = entity;
    reader->charset = (charset->len != 0);
    reader->scope = &reader->document;
    reader->levels[0].element = NGX_SIP_PIDF_DOCUMENT;

    p = lang->data;

    if (lang->len
        && ngx_sip_item(&p, lang->data + lang->len, &tag) == NGX_OK
        && ngx_sip_pidf_language(&tag)
        && ngx_sip_pidf_copy(pool, &reader->levels[0].lang, &tag) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_sip_pidf_parse(reader, body);

    if (rc != NGX_OK) {
        return rc;
    }

    if (reader->stranger) {
        return NGX_DECLINED;
    }

    return ngx_sip_pidf_resources(reader, presence);
}


static ngx_int_t
ngx_sip_pidf_parse(ngx_sip_pidf_reader_t *reader, ngx_str_t *body)
{
    XML_Parser  parser;

    parser = XML_ParserCreateNS("UTF-8", NGX_SIP_PIDF_SEPARATOR);
    if (parser == NULL) {
        return NGX_ERROR;
    }

    reader->parser = parser;

    XML_SetUserData(parser, reader);
    XML_SetElementHandler(parser, ngx_sip_pidf_start_handler,
                          ngx_sip_pidf_end_handler);
    XML_SetCharacterDataHandler(parser, ngx_sip_pidf_text_handler);
    XML_SetXmlDeclHandler(parser, ngx_sip_pidf_decl_handler);
    XML_SetStartDoctypeDeclHandler(parser, ngx_sip_pidf_doctype_handler);
    XML_SetProcessingInstructionHandler(parser, ngx_sip_pidf_pi_handler);

    return ngx_sip_xml_run(parser, body, &reader->rc);
}


static void
ngx_sip_pidf_fail(ngx_sip_pidf_reader_t *reader, ngx_int_t rc)
{
    ngx_sip_xml_stop(reader->parser, &reader->rc, rc);
}


static void XMLCALL
ngx_sip_pidf_start_handler(void *data, const XML_Char *name,
    const XML_Char **atts)
{
    ngx_int_t               rc;
    ngx_str_t               str, lang;
    ngx_uint_t              n;
    ngx_sip_pidf_level_t   *level;
    ngx_sip_pidf_reader_t  *reader;

    reader = data;

    if (reader->rc != NGX_OK) {
        return;
    }

    for (n = 0; atts[2 * n]; n++) { /* void */ }

    if (reader->depth == NGX_SIP_PIDF_DEPTH || n > NGX_SIP_PIDF_ATTRIBUTES) {
        ngx_sip_pidf_fail(reader, NGX_ABORT);
        return;
    }

    str.data = (u_char *) name;
    str.len = ngx_strlen(name);

    level = &reader->levels[reader->depth + 1];

    level->element = ngx_sip_pidf_element(reader, &str);
    level->lang = reader->levels[reader->depth].lang;

    reader->depth++;

    if (level->element == NGX_SIP_PIDF_IGNORED) {

        if (reader->depth == 1) {
            ngx_sip_pidf_fail(reader, NGX_ABORT);
        }

        return;
    }

    /* XML 1.0, 2.12 */

    if (ngx_sip_pidf_attribute(atts, NGX_SIP_PIDF_LANG, &lang) == NGX_OK
        && ngx_sip_pidf_language(&lang)
        && ngx_sip_pidf_copy(reader->pool, &level->lang, &lang) != NGX_OK)
    {
        ngx_sip_pidf_fail(reader, NGX_ERROR);
        return;
    }

    rc = ngx_sip_pidf_begin(reader, level->element, atts);

    if (rc != NGX_OK) {
        ngx_sip_pidf_fail(reader, rc);
    }
}


static void XMLCALL
ngx_sip_pidf_end_handler(void *data, const XML_Char *name)
{
    ngx_str_t               text;
    ngx_sip_pidf_level_t   *level;
    ngx_sip_pidf_reader_t  *reader;

    reader = data;

    if (reader->rc != NGX_OK) {
        return;
    }

    level = &reader->levels[reader->depth--];

    if (level->element == NGX_SIP_PIDF_TUPLE) {
        reader->scope = &reader->document;
        return;
    }

    if (level->element < NGX_SIP_PIDF_BASIC) {
        return;
    }

    text.data = reader->text;
    text.len = reader->len;

    ngx_sip_pidf_trim(&text);

    if (ngx_sip_pidf_finish(reader, level, &text) != NGX_OK) {
        ngx_sip_pidf_fail(reader, NGX_ERROR);
    }
}


static void XMLCALL
ngx_sip_pidf_text_handler(void *data, const XML_Char *s, int len)
{
    size_t                  n;
    ngx_sip_pidf_reader_t  *reader;

    reader = data;

    if (reader->rc != NGX_OK
        || reader->full
        || reader->levels[reader->depth].element < NGX_SIP_PIDF_BASIC)
    {
        return;
    }

    n = len;

    if (n > NGX_SIP_PIDF_TEXT - reader->len) {
        n = NGX_SIP_PIDF_TEXT - reader->len;

        while (n && (s[n] & 0xc0) == 0x80) {
            n--;
        }

        reader->full = 1;
    }

    ngx_memcpy(reader->text + reader->len, s, n);
    reader->len += n;
}


/* RFC 3863, 4.1 */

static void XMLCALL
ngx_sip_pidf_decl_handler(void *data, const XML_Char *version,
    const XML_Char *encoding, int standalone)
{
    ngx_str_t               name;
    ngx_sip_pidf_reader_t  *reader;

    reader = data;

    if (encoding == NULL || reader->charset) {
        return;
    }

    name.data = (u_char *) encoding;
    name.len = ngx_strlen(encoding);

    if (!ngx_sip_pidf_charset(&name)) {
        ngx_sip_pidf_fail(reader, NGX_ABORT);
    }
}


static void XMLCALL
ngx_sip_pidf_doctype_handler(void *data, const XML_Char *name,
    const XML_Char *sysid, const XML_Char *pubid, int subset)
{
    ngx_sip_pidf_fail(data, NGX_ABORT);
}


static void XMLCALL
ngx_sip_pidf_pi_handler(void *data, const XML_Char *target, const XML_Char *s)
{
    ngx_sip_pidf_fail(data, NGX_ABORT);
}


/* Tells what an element is where it stands, and counts an activity in. */

static ngx_sip_pidf_element_e
ngx_sip_pidf_element(ngx_sip_pidf_reader_t *reader, ngx_str_t *name)
{
    ngx_str_t                   activity;
    ngx_sip_pidf_element_e      parent;
    const ngx_sip_pidf_rule_t  *rule;

    parent = reader->levels[reader->depth].element;

    if (parent == NGX_SIP_PIDF_IGNORED) {
        return NGX_SIP_PIDF_IGNORED;
    }

    for (rule = ngx_sip_pidf_rules; rule->name.len; rule++) {

        if (rule->parent == parent && ngx_sip_pidf_equal(&rule->name, name)) {
            return rule->element;
        }
    }

    if (parent == NGX_SIP_PIDF_ACTIVITIES
        && name->len > sizeof(NGX_SIP_PIDF_NS_RPID)
        && ngx_memcmp(name->data, NGX_SIP_PIDF_NS_RPID "|",
                      sizeof(NGX_SIP_PIDF_NS_RPID))
           == 0)
    {
        activity.data = name->data + sizeof(NGX_SIP_PIDF_NS_RPID);
        activity.len = name->len - sizeof(NGX_SIP_PIDF_NS_RPID);

        ngx_sip_pidf_activity(reader->scope, &activity);
    }

    return NGX_SIP_PIDF_IGNORED;
}


static ngx_int_t
ngx_sip_pidf_begin(ngx_sip_pidf_reader_t *reader,
    ngx_sip_pidf_element_e element, const XML_Char **atts)
{
    ngx_str_t              value;
    ngx_sip_pidf_scope_t  *tuple;

    reader->len = 0;
    reader->full = 0;

    switch (element) {

    case NGX_SIP_PIDF_PRESENCE:
        return ngx_sip_pidf_entity(reader, atts);

    case NGX_SIP_PIDF_TUPLE:

        if (reader->ntuples == NGX_FED_RESOURCES) {
            reader->levels[reader->depth].element = NGX_SIP_PIDF_IGNORED;
            return NGX_OK;
        }

        tuple = &reader->tuples[reader->ntuples++];
        tuple->priority = NGX_FED_NO_PRIORITY;

        reader->scope = tuple;

        if (ngx_sip_pidf_attribute(atts, "id", &value) == NGX_OK
            && value.len <= NGX_SIP_PIDF_ID_MAX)
        {
            return ngx_sip_pidf_copy(reader->pool, &tuple->id, &value);
        }

        return NGX_OK;

    case NGX_SIP_PIDF_CONTACT:

        if (!reader->scope->contact
            && ngx_sip_pidf_attribute(atts, "priority", &value) == NGX_OK)
        {
            reader->scope->priority = ngx_sip_pidf_read_priority(&value);
        }

        return NGX_OK;

    default:
        return NGX_OK;
    }
}


/* Takes the text of an element that has ended. */

static ngx_int_t
ngx_sip_pidf_finish(ngx_sip_pidf_reader_t *reader, ngx_sip_pidf_level_t *level,
    ngx_str_t *text)
{
    time_t                 stamp;
    ngx_sip_pidf_scope_t  *scope;

    scope = reader->scope;

    switch (level->element) {

    case NGX_SIP_PIDF_BASIC:

        if (!scope->basic
            && (ngx_sip_is(text, "open") || ngx_sip_is(text, "closed")))
        {
            scope->basic = 1;
            scope->open = ngx_sip_is(text, "open");
        }

        return NGX_OK;

    case NGX_SIP_PIDF_SHOW:

        if (!scope->shown) {
            scope->shown = 1;
            scope->show = ngx_sip_pidf_show(text);
        }

        return NGX_OK;

    case NGX_SIP_PIDF_CONTACT:
        return ngx_sip_pidf_contact(reader, text);

    case NGX_SIP_PIDF_TIMESTAMP:
        stamp = ngx_fed_text_time(text);

        if (scope->stamp == 0 && stamp > 0) {
            scope->stamp = stamp;
        }

        return NGX_OK;

    case NGX_SIP_PIDF_ACTIVITY:
        ngx_sip_pidf_activity(scope, text);
        return NGX_OK;

    case NGX_SIP_PIDF_USER_INPUT:

        if (ngx_sip_is(text, "idle")) {
            scope->idle = 1;
        }

        return NGX_OK;

    case NGX_SIP_PIDF_NOTE:
        return ngx_sip_pidf_add_note(reader, &scope->note, &level->lang, text);

    case NGX_SIP_PIDF_ACTIVITY_NOTE:
        return ngx_sip_pidf_add_note(reader, &scope->activity_note,
                                     &level->lang, text);

    case NGX_SIP_PIDF_OTHER:
        return ngx_sip_pidf_add_note(reader, &scope->other, &level->lang,
                                     text);

    default:
        return NGX_OK;
    }
}


/* Returns NGX_DECLINED if an element has no such attribute. */

ngx_int_t
ngx_sip_pidf_attribute(const char **atts, const char *name, ngx_str_t *value)
{
    for ( /* void */ ; *atts; atts += 2) {

        if (ngx_strcmp(atts[0], name) == 0) {
            value->data = (u_char *) atts[1];
            value->len = ngx_strlen(atts[1]);
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/* RFC 3863, 4.1 */

ngx_uint_t
ngx_sip_pidf_charset(ngx_str_t *name)
{
    return ngx_sip_is(name, "UTF-8") || ngx_sip_is(name, "US-ASCII");
}


static ngx_uint_t
ngx_sip_pidf_equal(const ngx_str_t *a, const ngx_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || ngx_memcmp(a->data, b->data, a->len) == 0);
}


/* Copies a text into the pool.  Returns NGX_ERROR if there is no memory. */

ngx_int_t
ngx_sip_pidf_copy(ngx_pool_t *pool, ngx_str_t *dst, ngx_str_t *src)
{
    u_char  *p;

    p = ngx_pnalloc(pool, src->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, src->data, src->len);

    dst->data = p;
    dst->len = src->len;

    return NGX_OK;
}


/*
 * Here sips only names somebody, and some leave the scheme out (ocs-wire, 4.4).
 */

static ngx_int_t
ngx_sip_pidf_address(ngx_pool_t *pool, ngx_str_t *uri, ngx_fed_address_t *addr)
{
    u_char     *p, *at, *last;
    ngx_int_t   rc;
    ngx_str_t   sip, rest;

    rc = ngx_fed_address_from_sip(pool, uri, addr);

    if (rc == NGX_OK || rc == NGX_ERROR) {
        return rc;
    }

    rest = *uri;
    last = uri->data + uri->len;
    at = ngx_strlchr(uri->data, last, '@');

    if (rc == NGX_FED_ADDRESS_SECURE) {
        rest.data += sizeof("sips:") - 1;
        rest.len -= sizeof("sips:") - 1;

    } else if (at == NULL || ngx_strlchr(uri->data, at, ':')) {
        return NGX_DECLINED;
    }

    sip.len = sizeof("sip:") - 1 + rest.len;
    sip.data = ngx_pnalloc(pool, sip.len);
    if (sip.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sip_pidf_put(sip.data, "sip:");
    ngx_memcpy(p, rest.data, rest.len);

    rc = ngx_fed_address_from_sip(pool, &sip, addr);

    return (rc == NGX_OK || rc == NGX_ERROR) ? rc : NGX_DECLINED;
}


static ngx_int_t
ngx_sip_pidf_entity(ngx_sip_pidf_reader_t *reader, const XML_Char **atts)
{
    ngx_int_t  rc;
    ngx_str_t  uri;

    if (ngx_sip_pidf_attribute(atts, "entity", &uri) != NGX_OK) {
        return NGX_ABORT;
    }

    rc = ngx_sip_pidf_is(reader->pool, &uri, reader->entity);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    reader->stranger = (rc != NGX_OK);

    return NGX_OK;
}


/*
 * Returns NGX_OK if a URI is that of the entity, NGX_DECLINED if it is not, or
 * NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_sip_pidf_is(ngx_pool_t *pool, ngx_str_t *uri, ngx_fed_address_t *entity)
{
    ngx_int_t           rc;
    ngx_fed_address_t   addr;

    ngx_sip_pidf_trim(uri);

    rc = ngx_sip_pidf_address(pool, uri, &addr);

    if (rc != NGX_OK) {
        return rc;
    }

    return (ngx_sip_pidf_equal(&addr.user, &entity->user)
            && ngx_sip_pidf_equal(&addr.domain, &entity->domain))
           ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_sip_pidf_contact(ngx_sip_pidf_reader_t *reader, ngx_str_t *uri)
{
    ngx_int_t           rc;
    ngx_fed_address_t   addr;

    if (reader->scope->contact || reader->full) {
        return NGX_OK;
    }

    reader->scope->contact = 1;

    rc = ngx_sip_pidf_address(reader->pool, uri, &addr);

    if (rc == NGX_OK) {
        reader->scope->gr = addr.resource;
    }

    return (rc == NGX_ERROR) ? NGX_ERROR : NGX_OK;
}


/*
 * The qvalue of RFC 3863, 4.1.5, in thousandths, as the priority that is
 * written so.
 */

static ngx_int_t
ngx_sip_pidf_read_priority(ngx_str_t *text)
{
    u_char      *p, *last;
    ngx_uint_t   n, scale, digits, more;

    ngx_sip_pidf_trim(text);

    p = text->data;
    last = p + text->len;

    n = 0;
    more = 0;
    digits = 0;

    for ( /* void */ ; p < last && *p >= '0' && *p <= '9'; p++, digits++) {
        n = n * 10 + (*p - '0');

        if (n > 1) {
            return NGX_FED_NO_PRIORITY;
        }
    }

    n *= 1000;

    if (p < last && *p == '.') {
        scale = 100;

        for (p++; p < last && *p >= '0' && *p <= '9'; p++, digits++) {
            n += (*p - '0') * scale;
            more |= (scale == 0 && *p != '0');
            scale /= 10;
        }
    }

    if (p < last || digits == 0 || n > 1000 || (n == 1000 && more)) {
        return NGX_FED_NO_PRIORITY;
    }

    return (n * 127 + 999) / 1000;
}


static ngx_int_t
ngx_sip_pidf_add_note(ngx_sip_pidf_reader_t *reader,
    ngx_sip_pidf_notes_t *notes, ngx_str_t *lang, ngx_str_t *text)
{
    ngx_uint_t         i;
    ngx_fed_status_t  *status;

    text->len = ngx_sip_pidf_cut(text);

    if (text->len == 0 || notes->n == NGX_FED_STATUSES) {
        return NGX_OK;
    }

    for (i = 0; i < notes->n; i++) {
        status = &notes->statuses[i];

        if (status->lang.len == lang->len
            && ngx_strncasecmp(status->lang.data, lang->data, lang->len) == 0)
        {
            return NGX_OK;
        }
    }

    status = &notes->statuses[notes->n++];
    status->lang = *lang;

    return ngx_sip_pidf_copy(reader->pool, &status->text, text);
}


/* RFC 6121, 4.7.2.1 */

static ngx_fed_show_e
ngx_sip_pidf_show(ngx_str_t *text)
{
    ngx_fed_show_e  show;

    for (show = NGX_FED_SHOW_AWAY; show <= NGX_FED_SHOW_XA; show++) {

        if (ngx_sip_pidf_equal(&ngx_sip_pidf_shows[show], text)) {
            return show;
        }
    }

    return NGX_FED_SHOW_NONE;
}


/* of several activities, the most restrictive one */

static void
ngx_sip_pidf_activity(ngx_sip_pidf_scope_t *scope, ngx_str_t *name)
{
    const ngx_sip_pidf_activity_t  *activity;

    for (activity = ngx_sip_pidf_activities; activity->name.len; activity++) {

        if (ngx_sip_pidf_equal(&activity->name, name)) {

            if (ngx_sip_pidf_restrictive[activity->show]
                > ngx_sip_pidf_restrictive[scope->activity])
            {
                scope->activity = activity->show;
            }

            return;
        }
    }
}


/* Returns the length of as much as a status may have, in whole characters. */

size_t
ngx_sip_pidf_cut(ngx_str_t *text)
{
    ngx_str_t  cut;

    cut = *text;

    if (cut.len > NGX_FED_STATUS_LEN) {
        cut.len = NGX_FED_STATUS_LEN;

        while (cut.len && (cut.data[cut.len] & 0xc0) == 0x80) {
            cut.len--;
        }

        ngx_sip_pidf_trim(&cut);
    }

    return cut.len;
}


/* Leaves out the white space around a text (XML 1.0, 2.3). */

void
ngx_sip_pidf_trim(ngx_str_t *text)
{
    u_char  *p, *last;

    p = text->data;
    last = p + text->len;

    while (p < last && (*p == ' ' || *p == '\t' || *p == CR || *p == LF)) {
        p++;
    }

    while (p < last && (last[-1] == ' ' || last[-1] == '\t' || last[-1] == CR
                        || last[-1] == LF))
    {
        last--;
    }

    text->data = p;
    text->len = last - p;
}


/* the form of RFC 5646, 2.1, its registries aside */

static ngx_uint_t
ngx_sip_pidf_language(ngx_str_t *tag)
{
    u_char      ch;
    size_t      i;
    ngx_uint_t  n, first;

    if (tag->len > NGX_FED_LANG_LEN) {
        return 0;
    }

    n = 0;
    first = 1;

    for (i = 0; i < tag->len; i++) {
        ch = tag->data[i];

        if (ch == '-') {

            if (n == 0) {
                return 0;
            }

            n = 0;
            first = 0;
            continue;
        }

        if (!((ch >= '0' && ch <= '9' && !first)
              || ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z'))
            || ++n > 8)
        {
            return 0;
        }
    }

    return n != 0;
}


/*
 * What the person does goes for each tuple without a show, unless that is what
 * another tuple's show says already: then it was made of that, as in
 * ngx_sip_pidf_write_person().
 */

static ngx_int_t
ngx_sip_pidf_resources(ngx_sip_pidf_reader_t *reader,
    ngx_fed_presence_t *presence)
{
    ngx_uint_t             i, k, said;
    ngx_fed_resource_t     res;
    ngx_sip_pidf_scope_t  *tuple;

    said = 0;

    for (i = 0; i < reader->ntuples; i++) {
        said |= 1 << reader->tuples[i].show;
    }

    if (said & (1 << NGX_FED_SHOW_XA)) {
        said |= 1 << NGX_FED_SHOW_AWAY;
    }

    for (i = 0; i < reader->ntuples; i++) {
        tuple = &reader->tuples[i];

        ngx_sip_pidf_resource(reader, tuple, said, &res);

        if (ngx_sip_pidf_name(reader->pool, tuple, &res.name) != NGX_OK) {
            presence->n = 0;
            return NGX_ERROR;
        }

        for (k = 0; k < presence->n; k++) {

            if (ngx_sip_pidf_equal(&presence->resources[k].name, &res.name)) {
                break;
            }
        }

        if (k == presence->n) {
            presence->n++;

        } else if (presence->resources[k].available || !res.available) {
            continue;
        }

        presence->resources[k] = res;
    }

    return NGX_OK;
}


static void
ngx_sip_pidf_resource(ngx_sip_pidf_reader_t *reader,
    ngx_sip_pidf_scope_t *tuple, ngx_uint_t said, ngx_fed_resource_t *res)
{
    ngx_fed_show_e         person;
    ngx_sip_pidf_notes_t  *notes;

    ngx_memzero(res, sizeof(ngx_fed_resource_t));

    res->priority = NGX_FED_NO_PRIORITY;
    res->stamp = tuple->stamp;
    res->available = tuple->basic ? tuple->open
                                  : (tuple->show != NGX_FED_SHOW_NONE);

    notes = ngx_sip_pidf_notes(&reader->document, tuple, res->available);

    res->nstatuses = notes->n;
    ngx_memcpy(res->statuses, notes->statuses, sizeof(res->statuses));

    if (!res->available) {
        return;
    }

    res->priority = tuple->priority;
    res->show = tuple->show;

    if (res->show != NGX_FED_SHOW_NONE) {
        return;
    }

    person = reader->document.activity;

    if (said & (1 << person)) {
        person = NGX_FED_SHOW_NONE;
    }

    res->show = (ngx_sip_pidf_restrictive[tuple->activity]
                 >= ngx_sip_pidf_restrictive[person])
                ? tuple->activity : person;

    if (res->show == NGX_FED_SHOW_NONE
        && (tuple->idle || reader->document.idle))
    {
        res->show = NGX_FED_SHOW_AWAY;
    }
}


/* RFC 3863, 4.1.6: those of the tuple, else those of the document */

static ngx_sip_pidf_notes_t *
ngx_sip_pidf_notes(ngx_sip_pidf_scope_t *document, ngx_sip_pidf_scope_t *tuple,
    ngx_uint_t available)
{
    if (tuple->note.n) {
        return &tuple->note;
    }

    if (tuple->activity_note.n) {
        return &tuple->activity_note;
    }

    if (document->note.n) {
        return &document->note;
    }

    if (document->activity_note.n || !available) {
        return &document->activity_note;
    }

    return tuple->other.n ? &tuple->other : &document->other;
}


/*
 * The id without what RFC 8048, 6.2, puts ahead of it, else gr of the contact
 * (RFC 5627, 4.2), else the id as it is, if that may be a resource.
 */

static ngx_int_t
ngx_sip_pidf_name(ngx_pool_t *pool, ngx_sip_pidf_scope_t *tuple,
    ngx_str_t *name)
{
    ngx_int_t    rc;
    ngx_str_t    id;
    ngx_uint_t   prefixed;

    prefixed = (tuple->id.len >= sizeof(NGX_SIP_PIDF_PREFIX) - 1
                && ngx_strncmp(tuple->id.data, NGX_SIP_PIDF_PREFIX,
                               sizeof(NGX_SIP_PIDF_PREFIX) - 1)
                   == 0);

    if (prefixed) {
        id.data = tuple->id.data;
        id.len = ngx_sip_pidf_decode(id.data, &tuple->id) - id.data;

        id.data += sizeof(NGX_SIP_PIDF_PREFIX) - 1;
        id.len -= sizeof(NGX_SIP_PIDF_PREFIX) - 1;

        rc = ngx_sip_pidf_name_check(pool, &id, name);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    if (tuple->gr.len) {
        *name = tuple->gr;
        return NGX_OK;
    }

    if (!prefixed) {
        rc = ngx_sip_pidf_name_check(pool, &tuple->id, name);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    ngx_str_null(name);

    return NGX_OK;
}


/* Takes what is one as the resource of a JID; the domain is of no account. */

static ngx_int_t
ngx_sip_pidf_name_check(ngx_pool_t *pool, ngx_str_t *text, ngx_str_t *name)
{
    u_char              *p;
    ngx_int_t            rc;
    ngx_str_t            jid;
    ngx_fed_address_t    addr;

    if (text->len == 0) {
        ngx_str_null(name);
        return NGX_OK;
    }

    jid.len = sizeof("r/") - 1 + text->len;
    jid.data = ngx_pnalloc(pool, jid.len);
    if (jid.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sip_pidf_put(jid.data, "r/");
    ngx_memcpy(p, text->data, text->len);

    rc = ngx_fed_address_from_jid(pool, &jid, &addr);

    if (rc == NGX_OK) {
        *name = addr.resource;
    }

    return rc;
}


/* dst may be where the text lies */

static u_char *
ngx_sip_pidf_decode(u_char *dst, ngx_str_t *text)
{
    u_char     *p, *end, *last;
    ngx_int_t   ch;

    p = text->data;
    last = p + text->len;

    while (p < last) {

        if (last - p >= (ssize_t) (sizeof("_x002F_") - 1)
            && p[0] == '_' && p[1] == 'x')
        {
            end = ngx_strlchr(p + 2, last, '_');

            if (end && end - p >= 2 + 4 && end - p <= 2 + 6) {
                ch = ngx_hextoi(p + 2, end - (p + 2));

                if (ch != NGX_ERROR && ch <= 0x10ffff
                    && (ch < 0xd800 || ch > 0xdfff))
                {
                    dst = ngx_sip_pidf_utf8(dst, (uint32_t) ch);
                    p = end + 1;
                    continue;
                }
            }
        }

        *dst++ = *p++;
    }

    return dst;
}


static u_char *
ngx_sip_pidf_utf8(u_char *dst, uint32_t ch)
{
    if (ch < 0x80) {
        *dst++ = (u_char) ch;
        return dst;
    }

    if (ch < 0x800) {
        *dst++ = (u_char) (0xc0 | ch >> 6);
        *dst++ = (u_char) (0x80 | (ch & 0x3f));
        return dst;
    }

    if (ch < 0x10000) {
        *dst++ = (u_char) (0xe0 | ch >> 12);

    } else {
        *dst++ = (u_char) (0xf0 | ch >> 18);
        *dst++ = (u_char) (0x80 | (ch >> 12 & 0x3f));
    }

    *dst++ = (u_char) (0x80 | (ch >> 6 & 0x3f));
    *dst++ = (u_char) (0x80 | (ch & 0x3f));

    return dst;
}


/*
 * Returns what ngx_sip_pidf_write() writes at most.
 */

size_t
ngx_sip_pidf_size(ngx_fed_presence_t *presence, ngx_fed_address_t *entity)
{
    size_t               size;
    ngx_uint_t           i, k;
    ngx_fed_status_t    *status;
    ngx_fed_address_t    addr;
    ngx_fed_resource_t  *res;

    size = sizeof("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
                  "<presence xmlns=\"" NGX_SIP_PIDF_NS "\""
                  " entity=\"pres:@\"></presence>"
                  "<dm:person xmlns:dm=\"" NGX_SIP_PIDF_NS_PERSON "\""
                  " xmlns:rpid=\"" NGX_SIP_PIDF_NS_RPID "\" id=\"person\">"
                  "<rpid:activities><rpid:away/></rpid:activities>"
                  "</dm:person>")
           - 1
           + entity->user.len * (sizeof("%20") - 1) + entity->domain.len;

    addr = *entity;

    for (i = 0; i < presence->n; i++) {
        res = &presence->resources[i];

        addr.resource = res->name;

        /* "'" of an address, an octet of three there, is six as "&apos;" */

        size += sizeof("<tuple id=\"" NGX_SIP_PIDF_PREFIX "\">"
                       "<status><basic>closed</basic>"
                       "<show xmlns=\"" NGX_SIP_PIDF_NS_JABBER "\">away</show>"
                       "</status>"
                       "<contact priority=\"0.000\"></contact>"
                       "<timestamp>" NGX_SIP_PIDF_STAMP "</timestamp></tuple>")
                - 1
                + res->name.len * (sizeof(NGX_SIP_PIDF_ESCAPE) - 1)
                + ngx_fed_address_sip_size(&addr) * 2;

        for (k = 0; k < res->nstatuses; k++) {
            status = &res->statuses[k];

            size += sizeof("<note xml:lang=\"\"></note>") - 1
                    + status->lang.len
                    + ngx_fed_xml_size(status->text.data, status->text.len, 0);
        }
    }

    return size;
}


/*
 * Writes the document of the presence, whose user is the entity (RFC 3863,
 * 4.1; RFC 8048, 6.2).  Returns its end.
 */

u_char *
ngx_sip_pidf_write(u_char *dst, ngx_fed_presence_t *presence,
    ngx_fed_address_t *entity)
{
    u_char      *p;
    ngx_uint_t   i;

    p = ngx_sip_pidf_put(dst, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
                         "<presence xmlns=\"" NGX_SIP_PIDF_NS "\" entity=\"");
    p = ngx_sip_pidf_write_entity(p, entity);
    p = ngx_sip_pidf_put(p, "\">");

    for (i = 0; i < presence->n; i++) {
        p = ngx_sip_pidf_write_tuple(p, &presence->resources[i], entity);
    }

    p = ngx_sip_pidf_write_person(p, presence);

    return ngx_sip_pidf_put(p, "</presence>");
}


static u_char *
ngx_sip_pidf_write_tuple(u_char *p, ngx_fed_resource_t *res,
    ngx_fed_address_t *entity)
{
    ngx_uint_t        i;
    const ngx_str_t  *show;

    p = ngx_sip_pidf_put(p, "<tuple id=\"" NGX_SIP_PIDF_PREFIX);

    if (res->name.len) {
        p = ngx_sip_pidf_write_name(p, &res->name);
    }

    p = ngx_sip_pidf_put(p, "\"><status><basic>");

    if (res->available) {
        p = ngx_sip_pidf_put(p, "open</basic>");

    } else {
        p = ngx_sip_pidf_put(p, "closed</basic>");
    }

    if (res->available && res->show != NGX_FED_SHOW_NONE) {
        show = &ngx_sip_pidf_shows[res->show];

        p = ngx_sip_pidf_put(p, "<show xmlns=\"" NGX_SIP_PIDF_NS_JABBER "\">");
        p = ngx_cpymem(p, show->data, show->len);
        p = ngx_sip_pidf_put(p, "</show>");
    }

    p = ngx_sip_pidf_put(p, "</status><contact");

    if (res->available && res->priority >= 0) {
        p = ngx_sip_pidf_put(p, " priority=\"");
        p = ngx_sip_pidf_write_priority(p, res->priority);
        *p++ = '"';
    }

    *p++ = '>';
    p = ngx_sip_pidf_write_uri(p, entity, &res->name);
    p = ngx_sip_pidf_put(p, "</contact>");

    for (i = 0; i < res->nstatuses; i++) {
        p = ngx_sip_pidf_write_note(p, &res->statuses[i]);
    }

    if (res->stamp > 0 && res->stamp <= NGX_SIP_PIDF_STAMP_MAX) {
        p = ngx_sip_pidf_put(p, "<timestamp>");
        p = ngx_sip_pidf_write_stamp(p, res->stamp);
        p = ngx_sip_pidf_put(p, "</timestamp>");
    }

    return ngx_sip_pidf_put(p, "</tuple>");
}


/*
 * Returns the resource that messages go to (RFC 6121, 8.5.2.1.1): the one of
 * the highest priority, and of several, the most available; or NULL if none is
 * available.
 */

ngx_fed_resource_t *
ngx_sip_pidf_best(ngx_fed_presence_t *presence)
{
    ngx_int_t            priority, best;
    ngx_uint_t           i;
    ngx_fed_resource_t  *res, *found;

    best = NGX_FED_NO_PRIORITY;
    found = NULL;

    for (i = 0; i < presence->n; i++) {
        res = &presence->resources[i];

        if (!res->available) {
            continue;
        }

        priority = (res->priority == NGX_FED_NO_PRIORITY) ? 0 : res->priority;

        if (priority > best
            || (priority == best
                && ngx_sip_pidf_restrictive[res->show]
                   < ngx_sip_pidf_restrictive[found->show]))
        {
            best = priority;
            found = res;
        }
    }

    return found;
}


/* What the user does, for those who don't know jabber:client. */

static u_char *
ngx_sip_pidf_write_person(u_char *p, ngx_fed_presence_t *presence)
{
    ngx_fed_resource_t  *res;

    res = ngx_sip_pidf_best(presence);

    if (res == NULL || ngx_sip_pidf_restrictive[res->show] == 0) {
        return p;
    }

    p = ngx_sip_pidf_put(p, "<dm:person xmlns:dm=\"" NGX_SIP_PIDF_NS_PERSON
                         "\" xmlns:rpid=\"" NGX_SIP_PIDF_NS_RPID
                         "\" id=\"person\"><rpid:activities>");

    if (res->show == NGX_FED_SHOW_DND) {
        p = ngx_sip_pidf_put(p, "<rpid:busy/>");

    } else {
        p = ngx_sip_pidf_put(p, "<rpid:away/>");
    }

    return ngx_sip_pidf_put(p, "</rpid:activities></dm:person>");
}


/* RFC 3859, 3: a "?" would begin headers */

static u_char *
ngx_sip_pidf_write_entity(u_char *p, ngx_fed_address_t *entity)
{
    u_char          ch;
    size_t          i;
    static u_char   hex[] = "0123456789ABCDEF";

    p = ngx_sip_pidf_put(p, "pres:");

    for (i = 0; i < entity->user.len; i++) {
        ch = entity->user.data[i];

        if ((ch >= '0' && ch <= '9')
            || ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z')
            || ch == '-' || ch == '.' || ch == '_' || ch == '~' || ch == '!'
            || ch == '$' || ch == '*' || ch == '+' || ch == '=')
        {
            *p++ = ch;
            continue;
        }

        *p++ = '%';
        *p++ = hex[ch >> 4];
        *p++ = hex[ch & 0xf];
    }

    if (entity->user.len) {
        *p++ = '@';
    }

    return ngx_cpymem(p, entity->domain.data, entity->domain.len);
}


/*
 * What no NCName has is written as "_xHHHH_", with as many digits as it takes;
 * so is "_" where it would be read as the beginning of that.
 */

static u_char *
ngx_sip_pidf_write_name(u_char *p, ngx_str_t *name)
{
    u_char         *s, *last;
    uint32_t        ch;
    ngx_uint_t      shift;
    static u_char   hex[] = "0123456789ABCDEF";

    s = name->data;
    last = s + name->len;

    while (s < last) {

        if ((*s >= '0' && *s <= '9')
            || ((*s | 0x20) >= 'a' && (*s | 0x20) <= 'z')
            || *s == '-' || *s == '.'
            || (*s == '_' && (last - s == 1 || s[1] != 'x')))
        {
            *p++ = *s++;
            continue;
        }

        if (*s < 0x80) {
            ch = *s++;

        } else {
            ch = ngx_utf8_decode(&s, last - s);

            if (ch > 0x10ffff) {

                if (ch == 0xfffffffe) {
                    s = last;
                }

                ch = 0xfffd;
            }
        }

        *p++ = '_';
        *p++ = 'x';

        for (shift = 12; ch >> shift > 0xf; shift += 4) { /* void */ }

        for ( ;; ) {
            *p++ = hex[ch >> shift & 0xf];

            if (shift == 0) {
                break;
            }

            shift -= 4;
        }

        *p++ = '_';
    }

    return p;
}


/*
 * Writes the URI of the entity, or of one of its resources, which takes twice
 * ngx_fed_address_sip_size() at most; it is escaped from where it lies, as far
 * behind as the escapes take.
 */

u_char *
ngx_sip_pidf_write_uri(u_char *p, ngx_fed_address_t *entity, ngx_str_t *name)
{
    u_char             *end;
    size_t              len, size;
    ngx_fed_address_t   addr;

    addr = *entity;
    addr.resource = *name;

    end = ngx_fed_address_to_sip(p, &addr);

    len = end - p;
    size = ngx_fed_xml_size(p, len, 0);

    if (size == len) {
        return end;
    }

    ngx_memmove(p + (size - len), p, len);

    return ngx_fed_xml_escape(p, p + (size - len), len, 0);
}


/* RFC 8048, 6.2: in thousandths, of which 127 is the whole */

static u_char *
ngx_sip_pidf_write_priority(u_char *p, ngx_int_t priority)
{
    ngx_uint_t  n;

    n = ngx_min(priority, 127) * 1000 / 127;

    *p++ = (u_char) ('0' + n / 1000);

    n %= 1000;

    if (n == 0) {
        return p;
    }

    *p++ = '.';
    p = ngx_sip_pidf_digits(p, n, 3);

    while (p[-1] == '0') {
        p--;
    }

    return p;
}


static u_char *
ngx_sip_pidf_write_note(u_char *p, ngx_fed_status_t *status)
{
    if (status->text.len == 0) {
        return p;
    }

    p = ngx_sip_pidf_put(p, "<note");

    if (ngx_sip_pidf_language(&status->lang)) {
        p = ngx_sip_pidf_put(p, " xml:lang=\"");
        p = ngx_cpymem(p, status->lang.data, status->lang.len);
        *p++ = '"';
    }

    *p++ = '>';
    p = ngx_fed_xml_escape(p, status->text.data, status->text.len, 0);

    return ngx_sip_pidf_put(p, "</note>");
}


/* RFC 3339, 5.6 */

static u_char *
ngx_sip_pidf_write_stamp(u_char *p, time_t stamp)
{
    ngx_tm_t  tm;

    ngx_gmtime(stamp, &tm);

    p = ngx_sip_pidf_digits(p, tm.ngx_tm_year, 4);
    *p++ = '-';
    p = ngx_sip_pidf_digits(p, tm.ngx_tm_mon, 2);
    *p++ = '-';
    p = ngx_sip_pidf_digits(p, tm.ngx_tm_mday, 2);
    *p++ = 'T';
    p = ngx_sip_pidf_digits(p, tm.ngx_tm_hour, 2);
    *p++ = ':';
    p = ngx_sip_pidf_digits(p, tm.ngx_tm_min, 2);
    *p++ = ':';
    p = ngx_sip_pidf_digits(p, tm.ngx_tm_sec, 2);
    *p++ = 'Z';

    return p;
}


static u_char *
ngx_sip_pidf_digits(u_char *p, ngx_uint_t n, ngx_uint_t width)
{
    ngx_uint_t  i;

    for (i = width; i; i--) {
        p[i - 1] = (u_char) ('0' + n % 10);
        n /= 10;
    }

    return p + width;
}
