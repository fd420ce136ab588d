
/*
 * Variables of an event, for access_log, map and permit.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_fed.h"


#define NGX_FED_VAR_FROM          0
#define NGX_FED_VAR_TO            1
#define NGX_FED_VAR_SIP           2
#define NGX_FED_VAR_XMPP          3

#define NGX_FED_VAR_KIND          0
#define NGX_FED_VAR_DIRECTION     1
#define NGX_FED_VAR_ID            2
#define NGX_FED_VAR_BODY          3
#define NGX_FED_VAR_REASON        4
#define NGX_FED_VAR_CONDITION     5
#define NGX_FED_VAR_TEXT          6
#define NGX_FED_VAR_NAME          7


static ngx_int_t ngx_fed_variable_address(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_fed_variable_domain(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data);
static ngx_fed_address_t *ngx_fed_variable_which(ngx_fed_event_t *ev,
    uintptr_t data);
static ngx_int_t ngx_fed_variable_text(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_fed_variable_status(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_fed_variable_count(ngx_fed_conf_t *fcf, ngx_str_t rest,
    ngx_uint_t *n);
static ngx_int_t ngx_fed_variable_gauge(ngx_fed_conf_t *fcf, ngx_str_t *rest,
    ngx_uint_t *n);
static ngx_int_t ngx_fed_variable_counter(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data);
static ngx_uint_t ngx_fed_variable_skip(ngx_str_t *name, ngx_str_t *part);
static ngx_int_t ngx_fed_variable_time(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data);


static ngx_str_t  ngx_fed_variable_kinds[NGX_FED_KINDS] = {
    ngx_string("message"),
    ngx_string("subscription"),
    ngx_string("presence"),
    ngx_string("composing"),
    ngx_string("receipt"),
    ngx_string("session")
};


static ngx_stream_variable_t  ngx_fed_variables[] = {

    { ngx_string("federation_from"), NULL, ngx_fed_variable_address,
      NGX_FED_VAR_FROM, NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("federation_to"), NULL, ngx_fed_variable_address,
      NGX_FED_VAR_TO, NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("federation_sip_user"), NULL, ngx_fed_variable_address,
      NGX_FED_VAR_SIP, NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("federation_xmpp_user"), NULL, ngx_fed_variable_address,
      NGX_FED_VAR_XMPP, NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("federation_from_domain"), NULL, ngx_fed_variable_domain,
      NGX_FED_VAR_FROM, NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("federation_to_domain"), NULL, ngx_fed_variable_domain,
      NGX_FED_VAR_TO, NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("federation_name"), NULL, ngx_fed_variable_text,
      NGX_FED_VAR_NAME, NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("federation_kind"), NULL, ngx_fed_variable_text,
      NGX_FED_VAR_KIND, NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("federation_direction"), NULL, ngx_fed_variable_text,
      NGX_FED_VAR_DIRECTION, NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("federation_id"), NULL, ngx_fed_variable_text,
      NGX_FED_VAR_ID, NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("federation_body"), NULL, ngx_fed_variable_text,
      NGX_FED_VAR_BODY, NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("federation_reason"), NULL, ngx_fed_variable_text,
      NGX_FED_VAR_REASON, NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("federation_condition"), NULL, ngx_fed_variable_text,
      NGX_FED_VAR_CONDITION, NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("federation_text"), NULL, ngx_fed_variable_text,
      NGX_FED_VAR_TEXT, NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("federation_status"), NULL, ngx_fed_variable_status,
      0, NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("federation_time"), NULL, ngx_fed_variable_time,
      0, NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("federation_counter_"), NULL, ngx_fed_variable_counter,
      0, NGX_STREAM_VAR_NOCACHEABLE|NGX_STREAM_VAR_PREFIX, 0 },

      ngx_stream_null_variable
};


/* in the order of ngx_fed_count_e */

static ngx_str_t  ngx_fed_variable_counts[] = {
    ngx_string("accepted"),
    ngx_string("refused"),
    ngx_string("failed"),
    ngx_string("late")
};


/* Declares the variables. */

ngx_int_t
ngx_fed_variables_add(ngx_conf_t *cf)
{
    ngx_stream_variable_t  *var, *v;

    for (v = ngx_fed_variables; v->name.len; v++) {

        var = ngx_stream_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


/* A bare address, as a JID is written. */

static ngx_int_t
ngx_fed_variable_address(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data)
{
    u_char             *p;
    ngx_fed_event_t    *ev;
    ngx_fed_address_t   addr;

    ev = ngx_fed_event_of_session(s);

    if (ev == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    addr = *ngx_fed_variable_which(ev, data);
    ngx_str_null(&addr.resource);

    p = ngx_pnalloc(s->connection->pool, ngx_fed_address_jid_size(&addr));
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->data = p;
    v->len = ngx_fed_address_to_jid(p, &addr) - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_fed_variable_domain(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data)
{
    ngx_fed_event_t    *ev;
    ngx_fed_address_t  *addr;

    ev = ngx_fed_event_of_session(s);

    if (ev == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    addr = ngx_fed_variable_which(ev, data);

    v->data = addr->domain.data;
    v->len = addr->domain.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_fed_address_t *
ngx_fed_variable_which(ngx_fed_event_t *ev, uintptr_t data)
{
    switch (data) {

    case NGX_FED_VAR_FROM:
        return &ev->from;

    case NGX_FED_VAR_TO:
        return &ev->to;

    case NGX_FED_VAR_SIP:
        return (ev->source == ev->conf->sip) ? &ev->from : &ev->to;

    default: /* NGX_FED_VAR_XMPP */
        return (ev->source == ev->conf->sip) ? &ev->to : &ev->from;
    }
}


/*
 * A counter of the zone, found in any session: the name goes on with that of
 * the federation, the kind unless it is that of messages, the direction, and
 * the counter; or with what is counted in the zone at the moment.
 */

static ngx_int_t
ngx_fed_variable_counter(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data)
{
    ngx_str_t            *name, rest;
    ngx_uint_t            i, n;
    ngx_fed_conf_t      **fcf;
    ngx_fed_main_conf_t  *fmcf;

    name = (ngx_str_t *) data;

    fmcf = ngx_stream_get_module_main_conf(s, ngx_xmpp_sip_module);
    fcf = fmcf->federations.elts;

    for (i = 0; i < fmcf->federations.nelts; i++) {

        rest.data = name->data + sizeof("federation_counter_") - 1;
        rest.len = name->len - (sizeof("federation_counter_") - 1);

        if (!ngx_fed_variable_skip(&rest, &fcf[i]->name)
            || (ngx_fed_variable_count(fcf[i], rest, &n) != NGX_OK
                && ngx_fed_variable_gauge(fcf[i], &rest, &n) != NGX_OK))
        {
            continue;
        }

        v->data = ngx_pnalloc(s->connection->pool, NGX_INT_T_LEN);
        if (v->data == NULL) {
            return NGX_ERROR;
        }

        v->len = ngx_sprintf(v->data, "%ui", n) - v->data;
        v->valid = 1;
        v->no_cacheable = 0;
        v->not_found = 0;

        return NGX_OK;
    }

    v->not_found = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_fed_variable_count(ngx_fed_conf_t *fcf, ngx_str_t rest, ngx_uint_t *n)
{
    ngx_uint_t      i;
    ngx_fed_kind_e  kind;
    ngx_fed_leg_t  *source;

    static ngx_str_t  s2x = ngx_string("s2x");
    static ngx_str_t  x2s = ngx_string("x2s");

    kind = NGX_FED_MESSAGE;

    for (i = 0; i < NGX_FED_KINDS; i++) {

        if (ngx_fed_variable_skip(&rest, &ngx_fed_variable_kinds[i])) {
            kind = i;
            break;
        }
    }

    if (ngx_fed_variable_skip(&rest, &s2x)) {
        source = fcf->sip;

    } else if (ngx_fed_variable_skip(&rest, &x2s)) {
        source = fcf->xmpp;

    } else {
        return NGX_DECLINED;
    }

    for (i = 0; i < NGX_FED_COUNTS; i++) {

        if (rest.len == ngx_fed_variable_counts[i].len
            && ngx_memcmp(rest.data, ngx_fed_variable_counts[i].data, rest.len)
               == 0)
        {
            *n = ngx_fed_zone_counter(fcf, kind, source, i);
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_fed_variable_gauge(ngx_fed_conf_t *fcf, ngx_str_t *rest, ngx_uint_t *n)
{
    ngx_uint_t  i;

    static const ngx_str_t  names[] = {
        ngx_string("authorizations"),
        ngx_string("dialogs"),
        ngx_string("free")
    };

    for (i = 0; i < sizeof(names) / sizeof(ngx_str_t); i++) {

        if (rest->len == names[i].len
            && ngx_memcmp(rest->data, names[i].data, rest->len) == 0)
        {
            *n = ngx_fed_zone_gauge(fcf, i);
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/* Takes a part and the "_" after it off the beginning of a name. */

static ngx_uint_t
ngx_fed_variable_skip(ngx_str_t *name, ngx_str_t *part)
{
    if (name->len <= part->len
        || name->data[part->len] != '_'
        || ngx_strncasecmp(name->data, part->data, part->len) != 0)
    {
        return 0;
    }

    name->data += part->len + 1;
    name->len -= part->len + 1;

    return 1;
}


static ngx_int_t
ngx_fed_variable_text(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data)
{
    ngx_str_t               text;
    ngx_fed_event_t        *ev;
    ngx_fed_stanza_error_t  error;

    static ngx_str_t  s2x = ngx_string("s2x");
    static ngx_str_t  x2s = ngx_string("x2s");

    ev = ngx_fed_event_of_session(s);

    if (ev == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_str_null(&text);

    switch (data) {

    case NGX_FED_VAR_NAME:
        text = ev->conf->name;
        break;

    case NGX_FED_VAR_KIND:
        text = ngx_fed_variable_kinds[ev->kind];
        break;

    case NGX_FED_VAR_DIRECTION:
        text = (ev->source == ev->conf->sip) ? s2x : x2s;
        break;

    case NGX_FED_VAR_ID:
        text = ev->id;
        break;

    case NGX_FED_VAR_BODY:
        text = ev->logged_body;
        break;

    case NGX_FED_VAR_REASON:
        text = *ngx_fed_error_result_name(ev->outcome.result);
        break;

    case NGX_FED_VAR_CONDITION:

        if (ev->outcome.result > NGX_FED_ACCEPTED) {
            error = ngx_fed_error_condition(&ev->outcome);
            text = *ngx_fed_error_condition_name(error.condition);
        }

        break;

    case NGX_FED_VAR_TEXT:
        text = ev->outcome.text;
        break;
    }

    if (text.len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = text.data;
    v->len = text.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* The status of a final SIP response, sent or received, or its equivalent. */

static ngx_int_t
ngx_fed_variable_status(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data)
{
    ngx_fed_event_t  *ev;

    ev = ngx_fed_event_of_session(s);

    if (ev == NULL || ev->status == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = ngx_pnalloc(s->connection->pool, NGX_INT_T_LEN);
    if (v->data == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(v->data, "%03ui", ev->status) - v->data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* How long the event took, in seconds with milliseconds. */

static ngx_int_t
ngx_fed_variable_time(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data)
{
    ngx_msec_t        ms;
    ngx_fed_event_t  *ev;

    ev = ngx_fed_event_of_session(s);

    if (ev == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    ms = ngx_current_msec - ev->start;

    v->data = ngx_pnalloc(s->connection->pool, NGX_TIME_T_LEN + 4);
    if (v->data == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(v->data, "%T.%03M", (time_t) ms / 1000, ms % 1000)
             - v->data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}
