
/*
 * Presence documents of Microsoft's servers and clients: MSRTC and XPIDF are
 * read, MSRTC and PIDF with RPID of a draft are written (ocs-wire, 4.4, 4.5).
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <expat.h>
#include "ngx_fed_xml.h"
#include "ngx_sip_parse.h"
#include "ngx_sip_pidf.h"
#include "ngx_sip_xml.h"
#include "ngx_sip_ocs_document.h"


#define NGX_SIP_OCS_SEPARATOR   '|'
#define NGX_SIP_OCS_DEPTH       32
#define NGX_SIP_OCS_ATTRIBUTES  64      /* of an element */
#define NGX_SIP_OCS_TEXT        4096    /* userInfo has 1024 characters */

#define NGX_SIP_OCS_NS_PIDF     "urn:ietf:params:xml:ns:pidf"
#define NGX_SIP_OCS_NS_DRAFT    NGX_SIP_OCS_NS_PIDF ":status:rpid-status"
#define NGX_SIP_OCS_NS_MSRTC                                                  \
    "http://schemas.microsoft.com/2002/09/sip/presence"

#define NGX_SIP_OCS_REACHABLE   100     /* availability */

/* the one endpoint that a user of ours has there: 10 hex digits */

#define NGX_SIP_OCS_EPID        "6e67696e78"

#define NGX_SIP_OCS_DECL        "<?xml version=\"1.0\" encoding=\"utf-8\"?>"


#define ngx_sip_ocs_put(dst, text)  ngx_cpymem(dst, text, sizeof(text) - 1)


typedef enum {
    NGX_SIP_OCS_IGNORED = 0,
    NGX_SIP_OCS_DOCUMENT,

    /* MSRTC */

    NGX_SIP_OCS_PRESENTITY,
    NGX_SIP_OCS_AVAILABILITY,
    NGX_SIP_OCS_ACTIVITY,
    NGX_SIP_OCS_DEVICES,
    NGX_SIP_OCS_DEVICE,
    NGX_SIP_OCS_DEVICE_ACTIVITY,
    NGX_SIP_OCS_USER_INFO,
    NGX_SIP_OCS_STATES,
    NGX_SIP_OCS_STATE,
    NGX_SIP_OCS_NOTE,

    /* XPIDF */

    NGX_SIP_OCS_XPIDF,
    NGX_SIP_OCS_XPIDF_PRESENTITY,
    NGX_SIP_OCS_ATOM,
    NGX_SIP_OCS_ADDRESS,
    NGX_SIP_OCS_STATUS,
    NGX_SIP_OCS_SUBSTATUS
} ngx_sip_ocs_element_e;


/* elements are known by their local name, as namespaces vary */

typedef struct {
    ngx_sip_ocs_element_e         parent;
    ngx_str_t                     name;
    ngx_sip_ocs_element_e         element;
} ngx_sip_ocs_rule_t;


/* a range of numbers, up to which and no more, and what it stands for */

typedef struct {
    ngx_uint_t                    end;
    ngx_fed_show_e                show;
    ngx_str_t                     text;
} ngx_sip_ocs_range_t;


typedef struct {
    ngx_str_t                     name;
    ngx_fed_show_e                show;
    ngx_str_t                     text;
} ngx_sip_ocs_substatus_t;


/* what is written, in the order of ngx_fed_show_e */

typedef struct {
    ngx_str_t                     draft;     /* activity of RPID */
    ngx_str_t                     activity;  /* of MSRTC */
    ngx_str_t                     description;
} ngx_sip_ocs_state_t;


typedef struct {
    XML_Parser                    parser;
    ngx_pool_t                   *pool;
    ngx_fed_address_t            *entity;
    ngx_int_t                     rc;

    ngx_uint_t                    depth;
    ngx_sip_ocs_element_e         levels[NGX_SIP_OCS_DEPTH + 1];

    ngx_uint_t                    availability;
    ngx_uint_t                    activity;
    ngx_uint_t                    state;     /* what the user chose */

    ngx_fed_show_e                show;      /* XPIDF */
    ngx_str_t                     text;

    ngx_str_t                     note;
    ngx_str_t                     device_note;

    size_t                        len;
    u_char                        buf[NGX_SIP_OCS_TEXT];

    unsigned                      stranger:1;
    unsigned                      named:1;   /* it says whose it is */
    unsigned                      xpidf:1;
    unsigned                      open:1;    /* XPIDF: an address was */
    unsigned                      here:1;    /* and is the one at hand */
} ngx_sip_ocs_reader_t;


static ngx_int_t ngx_sip_ocs_parse(ngx_sip_ocs_reader_t *reader,
    ngx_str_t *body);
static void ngx_sip_ocs_fail(ngx_sip_ocs_reader_t *reader, ngx_int_t rc);
static void XMLCALL ngx_sip_ocs_start_handler(void *data, const XML_Char *name,
    const XML_Char **atts);
static void XMLCALL ngx_sip_ocs_end_handler(void *data, const XML_Char *name);
static void XMLCALL ngx_sip_ocs_text_handler(void *data, const XML_Char *s,
    int len);
static void XMLCALL ngx_sip_ocs_doctype_handler(void *data,
    const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid,
    int subset);
static void XMLCALL ngx_sip_ocs_pi_handler(void *data, const XML_Char *target,
    const XML_Char *s);
static ngx_sip_ocs_element_e ngx_sip_ocs_element(ngx_sip_ocs_reader_t *reader,
    const char *name);
static ngx_int_t ngx_sip_ocs_begin(ngx_sip_ocs_reader_t *reader,
    ngx_sip_ocs_element_e element, const char **atts);
static ngx_int_t ngx_sip_ocs_name(ngx_sip_ocs_reader_t *reader,
    const char **atts);
static void ngx_sip_ocs_number(const char **atts, const char *name,
    ngx_uint_t *n);
static ngx_int_t ngx_sip_ocs_note(ngx_sip_ocs_reader_t *reader,
    ngx_str_t *note, ngx_str_t *text);
static void ngx_sip_ocs_status(ngx_sip_ocs_reader_t *reader,
    const char **atts);
static void ngx_sip_ocs_substatus(ngx_sip_ocs_reader_t *reader,
    const char **atts);
static void ngx_sip_ocs_resource(ngx_sip_ocs_reader_t *reader,
    ngx_fed_resource_t *res);
static void ngx_sip_ocs_msrtc(ngx_sip_ocs_reader_t *reader,
    ngx_fed_resource_t *res, ngx_str_t *text);
static const ngx_sip_ocs_range_t *ngx_sip_ocs_range(
    const ngx_sip_ocs_range_t *range, ngx_uint_t n);

static ngx_str_t *ngx_sip_ocs_text(ngx_fed_resource_t *res);
static u_char *ngx_sip_ocs_write_entity(u_char *p, ngx_fed_address_t *entity);


static const ngx_sip_ocs_rule_t  ngx_sip_ocs_rules[] = {

    /* MS-SIP, 2.2.1 */

    { NGX_SIP_OCS_DOCUMENT, ngx_string("presentity"), NGX_SIP_OCS_PRESENTITY },
    { NGX_SIP_OCS_PRESENTITY, ngx_string("availability"),
      NGX_SIP_OCS_AVAILABILITY },
    { NGX_SIP_OCS_PRESENTITY, ngx_string("activity"), NGX_SIP_OCS_ACTIVITY },
    { NGX_SIP_OCS_PRESENTITY, ngx_string("devices"), NGX_SIP_OCS_DEVICES },
    { NGX_SIP_OCS_DEVICES, ngx_string("devicePresence"), NGX_SIP_OCS_DEVICE },
    { NGX_SIP_OCS_DEVICE, ngx_string("activity"),
      NGX_SIP_OCS_DEVICE_ACTIVITY },
    { NGX_SIP_OCS_PRESENTITY, ngx_string("userInfo"), NGX_SIP_OCS_USER_INFO },
    { NGX_SIP_OCS_USER_INFO, ngx_string("note"), NGX_SIP_OCS_NOTE },
    { NGX_SIP_OCS_USER_INFO, ngx_string("states"), NGX_SIP_OCS_STATES },
    { NGX_SIP_OCS_STATES, ngx_string("state"), NGX_SIP_OCS_STATE },

    /* MS-SIP, 4.11 */

    { NGX_SIP_OCS_DOCUMENT, ngx_string("presence"), NGX_SIP_OCS_XPIDF },
    { NGX_SIP_OCS_XPIDF, ngx_string("presentity"),
      NGX_SIP_OCS_XPIDF_PRESENTITY },
    { NGX_SIP_OCS_XPIDF, ngx_string("atom"), NGX_SIP_OCS_ATOM },
    { NGX_SIP_OCS_ATOM, ngx_string("address"), NGX_SIP_OCS_ADDRESS },
    { NGX_SIP_OCS_ADDRESS, ngx_string("status"), NGX_SIP_OCS_STATUS },
    { NGX_SIP_OCS_ADDRESS, ngx_string("msnsubstatus"),
      NGX_SIP_OCS_SUBSTATUS },

    { NGX_SIP_OCS_IGNORED, ngx_null_string, NGX_SIP_OCS_IGNORED }
};


/* the aggregate of activity (ocs-wire, 4.4, 4.5) */

static const ngx_sip_ocs_range_t  ngx_sip_ocs_activities[] = {
    { 100, NGX_FED_SHOW_NONE, ngx_null_string },
    { 150, NGX_FED_SHOW_AWAY, ngx_null_string },
    { 200, NGX_FED_SHOW_AWAY, ngx_string("Out to lunch") },
    { 300, NGX_FED_SHOW_AWAY, ngx_null_string },
    { 400, NGX_FED_SHOW_AWAY, ngx_string("Be right back") },
    { 500, NGX_FED_SHOW_NONE, ngx_null_string },
    { 600, NGX_FED_SHOW_DND, ngx_string("In a call") },
    { 700, NGX_FED_SHOW_DND, ngx_string("Busy") },
    { 800, NGX_FED_SHOW_AWAY, ngx_null_string },
    { 0, NGX_FED_SHOW_NONE, ngx_null_string }
};


/* the availability that a user chose, of later servers (ocs-wire, 4.4, 7) */

static const ngx_sip_ocs_range_t  ngx_sip_ocs_states[] = {
    { 6000, NGX_FED_SHOW_NONE, ngx_null_string },
    { 9000, NGX_FED_SHOW_DND, ngx_string("Busy") },
    { 12000, NGX_FED_SHOW_DND, ngx_string("Do not disturb") },
    { 15000, NGX_FED_SHOW_AWAY, ngx_string("Be right back") },
    { 18000, NGX_FED_SHOW_AWAY, ngx_null_string },
    { 0, NGX_FED_SHOW_NONE, ngx_null_string }
};


static const ngx_sip_ocs_substatus_t  ngx_sip_ocs_substatuses[] = {
    { ngx_string("away"), NGX_FED_SHOW_AWAY, ngx_null_string },
    { ngx_string("online"), NGX_FED_SHOW_NONE, ngx_null_string },
    { ngx_string("idle"), NGX_FED_SHOW_AWAY, ngx_null_string },
    { ngx_string("busy"), NGX_FED_SHOW_DND, ngx_string("Busy") },
    { ngx_string("berightback"), NGX_FED_SHOW_AWAY,
      ngx_string("Be right back") },
    { ngx_string("onthephone"), NGX_FED_SHOW_DND, ngx_string("In a call") },
    { ngx_string("outtolunch"), NGX_FED_SHOW_AWAY,
      ngx_string("Out to lunch") },
    { ngx_null_string, NGX_FED_SHOW_NONE, ngx_null_string }
};


/* ocs-wire, 4.5: there is no more of it in PIDF than busy and away */

static const ngx_sip_ocs_state_t  ngx_sip_ocs_written[] = {
    { ngx_null_string, ngx_string("400"), ngx_string("Active") },
    { ngx_string("away"), ngx_string("100"), ngx_string("Away") },
    { ngx_null_string, ngx_string("400"), ngx_string("Active") },
    { ngx_string("busy"), ngx_string("600"), ngx_string("Busy") },
    { ngx_string("away"), ngx_string("100"), ngx_string("Away") }
};


/*
 * Reads a document as ngx_sip_pidf_read() does; what is none of PIDF may be
 * MSRTC or XPIDF, which are told by their root element: they are of one
 * resource, the bare JID.  It has to be in UTF-8, whatever it says of itself
 * (ocs-wire, 4.4).
 */

ngx_int_t
ngx_sip_ocs_document_read(ngx_pool_t *pool, ngx_str_t *body,
    ngx_str_t *charset, ngx_str_t *lang, ngx_fed_address_t *entity,
    ngx_fed_presence_t *presence)
{
    ngx_int_t              rc;
    ngx_str_t              none, utf8;
    ngx_fed_resource_t    *res;
    ngx_sip_ocs_reader_t  *reader;

    ngx_str_set(&utf8, "UTF-8");

    rc = ngx_sip_pidf_read(pool, body, charset->len ? charset : &utf8, lang,
                           entity, presence);

    if (rc != NGX_ABORT
        || (charset->len && !ngx_sip_pidf_charset(charset))
        || body->len == 0
        || body->len > NGX_MAX_INT32_VALUE
        || memchr(body->data, '\0', body->len))
    {
        return rc;
    }

    reader = ngx_pcalloc(pool, sizeof(ngx_sip_ocs_reader_t));
    if (reader == NULL) {
        return NGX_ERROR;
    }

    reader->pool = pool;
    reader->entity = entity;
    reader->levels[0] = NGX_SIP_OCS_DOCUMENT;

    rc = ngx_sip_ocs_parse(reader, body);

    if (rc != NGX_OK) {
        return rc;
    }

    if (!reader->named) {
        return NGX_ABORT;
    }

    if (reader->stranger) {
        return NGX_DECLINED;
    }

    ngx_str_null(&none);

    res = ngx_fed_presence_add(presence, &none);

    ngx_sip_ocs_resource(reader, res);

    return NGX_OK;
}


static ngx_int_t
ngx_sip_ocs_parse(ngx_sip_ocs_reader_t *reader, ngx_str_t *body)
{
    XML_Parser  parser;

    parser = XML_ParserCreateNS("UTF-8", NGX_SIP_OCS_SEPARATOR);
    if (parser == NULL) {
        return NGX_ERROR;
    }

    reader->parser = parser;

    XML_SetUserData(parser, reader);
    XML_SetElementHandler(parser, ngx_sip_ocs_start_handler,
                          ngx_sip_ocs_end_handler);
    XML_SetCharacterDataHandler(parser, ngx_sip_ocs_text_handler);
    XML_SetStartDoctypeDeclHandler(parser, ngx_sip_ocs_doctype_handler);
    XML_SetProcessingInstructionHandler(parser, ngx_sip_ocs_pi_handler);

    return ngx_sip_xml_run(parser, body, &reader->rc);
}


static void
ngx_sip_ocs_fail(ngx_sip_ocs_reader_t *reader, ngx_int_t rc)
{
    ngx_sip_xml_stop(reader->parser, &reader->rc, rc);
}


static void XMLCALL
ngx_sip_ocs_start_handler(void *data, const XML_Char *name,
    const XML_Char **atts)
{
    ngx_int_t               rc;
    ngx_uint_t              n;
    ngx_sip_ocs_reader_t   *reader;
    ngx_sip_ocs_element_e   element;

    reader = data;

    if (reader->rc != NGX_OK) {
        return;
    }

    for (n = 0; atts[2 * n]; n++) { /* void */ }

    if (reader->depth == NGX_SIP_OCS_DEPTH || n > NGX_SIP_OCS_ATTRIBUTES) {
        ngx_sip_ocs_fail(reader, NGX_ABORT);
        return;
    }

    element = ngx_sip_ocs_element(reader, name);

    reader->depth++;
    reader->levels[reader->depth] = element;

    if (element == NGX_SIP_OCS_IGNORED && reader->depth == 1) {
        ngx_sip_ocs_fail(reader, NGX_ABORT);
        return;
    }

    rc = ngx_sip_ocs_begin(reader, element, atts);

    if (rc != NGX_OK) {
        ngx_sip_ocs_fail(reader, rc);
    }
}


static void XMLCALL
ngx_sip_ocs_end_handler(void *data, const XML_Char *name)
{
    ngx_str_t              text;
    ngx_sip_ocs_reader_t  *reader;

    reader = data;

    if (reader->rc != NGX_OK) {
        return;
    }

    if (reader->levels[reader->depth--] != NGX_SIP_OCS_NOTE) {
        return;
    }

    text.data = reader->buf;
    text.len = reader->len;

    if (ngx_sip_ocs_note(reader, &reader->note, &text) != NGX_OK) {
        ngx_sip_ocs_fail(reader, NGX_ERROR);
    }
}


/* What has no room is left out, in whole characters. */

static void XMLCALL
ngx_sip_ocs_text_handler(void *data, const XML_Char *s, int len)
{
    size_t                 n;
    ngx_sip_ocs_reader_t  *reader;

    reader = data;

    if (reader->rc != NGX_OK
        || reader->levels[reader->depth] != NGX_SIP_OCS_NOTE)
    {
        return;
    }

    n = len;

    if (n > NGX_SIP_OCS_TEXT - reader->len) {
        n = NGX_SIP_OCS_TEXT - reader->len;

        while (n && (s[n] & 0xc0) == 0x80) {
            n--;
        }
    }

    ngx_memcpy(reader->buf + reader->len, s, n);
    reader->len += n;
}


/*
 * XPIDF names its DTD, which is not read; there are no declarations within the
 * document, and so no entities (SEC-12).
 */

static void XMLCALL
ngx_sip_ocs_doctype_handler(void *data, const XML_Char *name,
    const XML_Char *sysid, const XML_Char *pubid, int subset)
{
    if (subset || sysid == NULL) {
        ngx_sip_ocs_fail(data, NGX_ABORT);
    }
}


static void XMLCALL
ngx_sip_ocs_pi_handler(void *data, const XML_Char *target, const XML_Char *s)
{
    ngx_sip_ocs_fail(data, NGX_ABORT);
}


static ngx_sip_ocs_element_e
ngx_sip_ocs_element(ngx_sip_ocs_reader_t *reader, const char *name)
{
    size_t                      len;
    const char                 *local;
    ngx_sip_ocs_element_e       parent;
    const ngx_sip_ocs_rule_t   *rule;

    parent = reader->levels[reader->depth];
    local = strrchr(name, NGX_SIP_OCS_SEPARATOR);
    local = local ? local + 1 : name;
    len = ngx_strlen(local);

    for (rule = ngx_sip_ocs_rules; rule->name.len; rule++) {

        if (rule->parent != parent
            || rule->name.len != len
            || ngx_memcmp(rule->name.data, local, len) != 0)
        {
            continue;
        }

        /* with a namespace, it is a broken document of another kind */

        if (rule->element == NGX_SIP_OCS_XPIDF && local != name) {
            return NGX_SIP_OCS_IGNORED;
        }

        return rule->element;
    }

    return NGX_SIP_OCS_IGNORED;
}


static ngx_int_t
ngx_sip_ocs_begin(ngx_sip_ocs_reader_t *reader, ngx_sip_ocs_element_e element,
    const char **atts)
{
    ngx_str_t  text;

    switch (element) {

    case NGX_SIP_OCS_XPIDF:
        reader->xpidf = 1;
        return NGX_OK;

    case NGX_SIP_OCS_PRESENTITY:
    case NGX_SIP_OCS_XPIDF_PRESENTITY:
        return ngx_sip_ocs_name(reader, atts);

    case NGX_SIP_OCS_AVAILABILITY:
        ngx_sip_ocs_number(atts, "aggregate", &reader->availability);
        return NGX_OK;

    case NGX_SIP_OCS_ACTIVITY:
        ngx_sip_ocs_number(atts, "aggregate", &reader->activity);
        return NGX_OK;

    case NGX_SIP_OCS_STATE:
        ngx_sip_ocs_number(atts, "avail", &reader->state);
        return NGX_OK;

    case NGX_SIP_OCS_DEVICE_ACTIVITY:

        if (ngx_sip_pidf_attribute(atts, "note", &text) != NGX_OK) {
            return NGX_OK;
        }

        return ngx_sip_ocs_note(reader, &reader->device_note, &text);

    case NGX_SIP_OCS_NOTE:
        reader->len = 0;
        return NGX_OK;

    case NGX_SIP_OCS_STATUS:
        ngx_sip_ocs_status(reader, atts);
        return NGX_OK;

    case NGX_SIP_OCS_SUBSTATUS:
        ngx_sip_ocs_substatus(reader, atts);
        return NGX_OK;

    default:
        return NGX_OK;
    }
}


static ngx_int_t
ngx_sip_ocs_name(ngx_sip_ocs_reader_t *reader, const char **atts)
{
    ngx_int_t  rc;
    ngx_str_t  uri;

    if (ngx_sip_pidf_attribute(atts, "uri", &uri) != NGX_OK) {
        return NGX_ABORT;
    }

    rc = ngx_sip_pidf_is(reader->pool, &uri, reader->entity);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    reader->named = 1;

    if (rc != NGX_OK) {
        reader->stranger = 1;
    }

    return NGX_OK;
}


/* What is no number is not there; of several, the greatest counts. */

static void
ngx_sip_ocs_number(const char **atts, const char *name, ngx_uint_t *n)
{
    uint32_t   value;
    ngx_str_t  text;

    if (ngx_sip_pidf_attribute(atts, name, &text) == NGX_OK
        && ngx_sip_number(&text, &value) == NGX_OK
        && value > *n)
    {
        *n = value;
    }
}


/* The first one that says something. */

static ngx_int_t
ngx_sip_ocs_note(ngx_sip_ocs_reader_t *reader, ngx_str_t *note,
    ngx_str_t *text)
{
    ngx_sip_pidf_trim(text);

    text->len = ngx_sip_pidf_cut(text);

    if (text->len == 0 || note->len) {
        return NGX_OK;
    }

    return ngx_sip_pidf_copy(reader->pool, note, text);
}


/* The first address that is not closed says it all. */

static void
ngx_sip_ocs_status(ngx_sip_ocs_reader_t *reader, const char **atts)
{
    ngx_str_t   text;
    ngx_uint_t  inuse;

    reader->here = 0;

    if (reader->open
        || ngx_sip_pidf_attribute(atts, "status", &text) != NGX_OK)
    {
        return;
    }

    inuse = ngx_sip_is(&text, "inuse");

    if (inuse || ngx_sip_is(&text, "open")) {
        reader->open = 1;
        reader->here = 1;
        reader->show = inuse ? NGX_FED_SHOW_DND : NGX_FED_SHOW_NONE;
    }
}


static void
ngx_sip_ocs_substatus(ngx_sip_ocs_reader_t *reader, const char **atts)
{
    ngx_str_t                       text;
    const ngx_sip_ocs_substatus_t  *sub;

    if (!reader->here
        || ngx_sip_pidf_attribute(atts, "substatus", &text) != NGX_OK)
    {
        return;
    }

    for (sub = ngx_sip_ocs_substatuses; sub->name.len; sub++) {

        if (ngx_sip_str_is(&text, (char *) sub->name.data, sub->name.len)) {
            reader->show = sub->show;
            reader->text = sub->text;
            return;
        }
    }
}


/* What the user wrote counts more than the name of his state. */

static void
ngx_sip_ocs_resource(ngx_sip_ocs_reader_t *reader, ngx_fed_resource_t *res)
{
    ngx_str_t  text;

    ngx_str_null(&text);

    if (reader->xpidf) {
        res->available = reader->open;
        res->show = reader->show;
        text = reader->text;

    } else {
        ngx_sip_ocs_msrtc(reader, res, &text);
    }

    if (reader->note.len) {
        text = reader->note;

    } else if (res->available && reader->device_note.len) {
        text = reader->device_note;
    }

    if (text.len) {
        res->nstatuses = 1;
        res->statuses[0].text = text;
    }
}


static void
ngx_sip_ocs_msrtc(ngx_sip_ocs_reader_t *reader, ngx_fed_resource_t *res,
    ngx_str_t *text)
{
    const ngx_sip_ocs_range_t  *range, *state;

    if (reader->availability < NGX_SIP_OCS_REACHABLE) {
        return;
    }

    range = ngx_sip_ocs_range(ngx_sip_ocs_activities, reader->activity);
    state = ngx_sip_ocs_range(ngx_sip_ocs_states, reader->state);

    /* what he chose, if it is more than what he does */

    if (state->show == NGX_FED_SHOW_DND ? range->show != NGX_FED_SHOW_DND
                                        : (state->show != NGX_FED_SHOW_NONE
                                           && range->show
                                              == NGX_FED_SHOW_NONE))
    {
        range = state;
    }

    res->available = 1;
    res->show = range->show;
    *text = range->text;
}


static const ngx_sip_ocs_range_t *
ngx_sip_ocs_range(const ngx_sip_ocs_range_t *range, ngx_uint_t n)
{
    while (range->end && n >= range->end) {
        range++;
    }

    return range;
}


/* Returns what either of the two below writes at most. */

size_t
ngx_sip_ocs_document_size(ngx_fed_presence_t *presence,
    ngx_fed_address_t *entity)
{
    size_t               size;
    ngx_str_t           *text;
    ngx_fed_address_t    addr;
    ngx_fed_resource_t  *res;

    addr = *entity;
    ngx_str_null(&addr.resource);

    size = sizeof(NGX_SIP_OCS_DECL
                  "<presentity uri=\"\" xmlns=\"" NGX_SIP_OCS_NS_MSRTC "\">"
                  "<availability aggregate=\"300\" description=\"\""
                  " epid=\"" NGX_SIP_OCS_EPID "\"/>"
                  "<activity aggregate=\"400\" description=\"\""
                  " epid=\"" NGX_SIP_OCS_EPID "\"/>"
                  "<devices><devicePresence epid=\"" NGX_SIP_OCS_EPID "\""
                  " ageOfPresence=\"0\">"
                  "<availability aggregate=\"300\" description=\"online\"/>"
                  "<activity aggregate=\"400\" description=\"Active\""
                  " note=\"\"/>"
                  "</devicePresence></devices></presentity>"
                  "<presence xmlns=\"" NGX_SIP_OCS_NS_PIDF "\" xmlns:ep=\""
                  NGX_SIP_OCS_NS_DRAFT "\" entity=\"\">"
                  "<tuple id=\"0\"><status><basic>closed</basic>"
                  "<ep:activities><ep:activity>away</ep:activity>"
                  "</ep:activities></status><note></note></tuple></presence>")
           + ngx_fed_address_sip_size(&addr) * 2;

    res = ngx_sip_pidf_best(presence);
    text = res ? ngx_sip_ocs_text(res) : NULL;

    if (text) {
        size += ngx_fed_xml_size(text->data, text->len, 1);
    }

    return size;
}


/*
 * Writes PIDF with RPID of a draft, for what the resource says that messages go
 * to, with its text if a note is wanted.  Returns the end.
 */

u_char *
ngx_sip_ocs_pidf_write(u_char *dst, ngx_fed_presence_t *presence,
    ngx_fed_address_t *entity, ngx_uint_t note)
{
    u_char              *p;
    ngx_str_t           *text;
    const ngx_str_t     *draft;
    ngx_fed_resource_t  *res;

    res = ngx_sip_pidf_best(presence);

    p = ngx_sip_ocs_put(dst, NGX_SIP_OCS_DECL
                        "<presence xmlns=\"" NGX_SIP_OCS_NS_PIDF
                        "\" xmlns:ep=\"" NGX_SIP_OCS_NS_DRAFT
                        "\" entity=\"");
    p = ngx_sip_ocs_write_entity(p, entity);
    p = ngx_sip_ocs_put(p, "\"><tuple id=\"0\"><status><basic>");

    if (res == NULL) {
        return ngx_sip_ocs_put(p, "closed</basic></status></tuple></presence>");
    }

    p = ngx_sip_ocs_put(p, "open</basic>");

    draft = &ngx_sip_ocs_written[res->show].draft;

    if (draft->len) {
        p = ngx_sip_ocs_put(p, "<ep:activities><ep:activity>");
        p = ngx_cpymem(p, draft->data, draft->len);
        p = ngx_sip_ocs_put(p, "</ep:activity></ep:activities>");
    }

    p = ngx_sip_ocs_put(p, "</status>");

    text = note ? ngx_sip_ocs_text(res) : NULL;

    if (text) {
        p = ngx_sip_ocs_put(p, "<note>");
        p = ngx_fed_xml_escape(p, text->data, text->len, 0);
        p = ngx_sip_ocs_put(p, "</note>");
    }

    return ngx_sip_ocs_put(p, "</tuple></presence>");
}


/* Writes MSRTC likewise. */

u_char *
ngx_sip_ocs_msrtc_write(u_char *dst, ngx_fed_presence_t *presence,
    ngx_fed_address_t *entity)
{
    u_char                     *p, *uri;
    ngx_str_t                  *text;
    ngx_fed_resource_t         *res;
    const ngx_sip_ocs_state_t  *state;

    p = ngx_sip_ocs_put(dst, NGX_SIP_OCS_DECL "<presentity uri=\"");

    /* without its scheme */

    uri = p;
    p = ngx_sip_ocs_write_entity(uri, entity) - (sizeof("sip:") - 1);
    ngx_memmove(uri, uri + sizeof("sip:") - 1, p - uri);

    p = ngx_sip_ocs_put(p, "\" xmlns=\"" NGX_SIP_OCS_NS_MSRTC "\">");

    res = ngx_sip_pidf_best(presence);

    if (res == NULL) {
        return ngx_sip_ocs_put(p, "<availability aggregate=\"0\""
                               " description=\"\""
                               " epid=\"" NGX_SIP_OCS_EPID "\"/>"
                               "<activity aggregate=\"0\" description=\"\""
                               " epid=\"" NGX_SIP_OCS_EPID "\"/>"
                               "</presentity>");
    }

    state = &ngx_sip_ocs_written[res->show];

    p = ngx_sip_ocs_put(p, "<availability aggregate=\"300\" description=\"\""
                        " epid=\"" NGX_SIP_OCS_EPID "\"/>"
                        "<activity aggregate=\"");
    p = ngx_cpymem(p, state->activity.data, state->activity.len);
    p = ngx_sip_ocs_put(p, "\" description=\"\""
                        " epid=\"" NGX_SIP_OCS_EPID "\"/>"
                        "<devices><devicePresence"
                        " epid=\"" NGX_SIP_OCS_EPID "\" ageOfPresence=\"0\">"
                        "<availability aggregate=\"300\""
                        " description=\"online\"/>"
                        "<activity aggregate=\"");
    p = ngx_cpymem(p, state->activity.data, state->activity.len);
    p = ngx_sip_ocs_put(p, "\" description=\"");
    p = ngx_cpymem(p, state->description.data, state->description.len);
    *p++ = '"';

    text = ngx_sip_ocs_text(res);

    if (text) {
        p = ngx_sip_ocs_put(p, " note=\"");
        p = ngx_fed_xml_escape(p, text->data, text->len, 1);
        *p++ = '"';
    }

    return ngx_sip_ocs_put(p, "/></devicePresence></devices></presentity>");
}


/* There is room for a text in one language. */

static ngx_str_t *
ngx_sip_ocs_text(ngx_fed_resource_t *res)
{
    return (res->nstatuses && res->statuses[0].text.len)
           ? &res->statuses[0].text : NULL;
}


static u_char *
ngx_sip_ocs_write_entity(u_char *p, ngx_fed_address_t *entity)
{
    ngx_str_t  none;

    ngx_str_null(&none);

    return ngx_sip_pidf_write_uri(p, entity, &none);
}
