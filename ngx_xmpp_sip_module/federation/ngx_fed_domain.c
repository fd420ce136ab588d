
/*
 * The domain table: which leg a domain is reached by, its next hop, its policy.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_fed.h"


#define NGX_FED_DOMAIN_SIZE      65536           /* message_size= */
#define NGX_FED_DOMAIN_SIZE_SRV  1300            /* RFC 3428, 8 */
#define NGX_FED_DOMAIN_DIRECT    5270            /* port of direct TLS */
#define NGX_FED_DOMAIN_RATE_MAX  1000000


typedef char *(*ngx_fed_domain_set_pt)(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value);


typedef struct {
    ngx_str_t                     name;
    ngx_fed_domain_set_pt         set;
    ngx_uint_t                    legs;
} ngx_fed_domain_param_t;


#define NGX_FED_DOMAIN_XMPP      0x01
#define NGX_FED_DOMAIN_SIP       0x02


static char *ngx_fed_domain_auto(ngx_conf_t *cf, ngx_fed_conf_t *fcf);
static char *ngx_fed_domain_params(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_uint_t first);
static ngx_fed_domain_t *ngx_fed_domain_add(ngx_conf_t *cf,
    ngx_fed_conf_t *fcf, ngx_array_t *domains, ngx_str_t *name);
static ngx_fed_domain_t *ngx_fed_domain_create(ngx_conf_t *cf);
static char *ngx_fed_domain_home(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value);
static char *ngx_fed_domain_server(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value);
static char *ngx_fed_domain_tls(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value);
static char *ngx_fed_domain_auth(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value);
static char *ngx_fed_domain_name(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value);
static char *ngx_fed_domain_dialect(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value);
static char *ngx_fed_domain_message_size(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value);
static char *ngx_fed_domain_rate(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value);
static char *ngx_fed_domain_user_rate(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value);
static char *ngx_fed_domain_user_burst(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value);
static char *ngx_fed_domain_set_rate(ngx_str_t *value, ngx_uint_t *field);
static char *ngx_fed_domain_eku(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value);
static char *ngx_fed_domain_prefer(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value);
static char *ngx_fed_domain_finish(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain);
static void ngx_fed_domain_direct(ngx_array_t *servers);
static ngx_str_t *ngx_fed_domain_push(ngx_conf_t *cf, ngx_array_t **array);
static ngx_int_t ngx_fed_domain_hash(ngx_conf_t *cf, ngx_array_t *domains,
    ngx_hash_combined_t *hash);
static int ngx_libc_cdecl ngx_fed_domain_cmp_wildcards(const void *one,
    const void *two);


static ngx_fed_domain_param_t  ngx_fed_domain_parameters[] = {

    { ngx_string("home"), ngx_fed_domain_home,
      NGX_FED_DOMAIN_XMPP|NGX_FED_DOMAIN_SIP },

    { ngx_string("server="), ngx_fed_domain_server,
      NGX_FED_DOMAIN_XMPP|NGX_FED_DOMAIN_SIP },

    { ngx_string("tls="), ngx_fed_domain_tls,
      NGX_FED_DOMAIN_XMPP|NGX_FED_DOMAIN_SIP },

    { ngx_string("auth="), ngx_fed_domain_auth,
      NGX_FED_DOMAIN_XMPP },

    { ngx_string("name="), ngx_fed_domain_name,
      NGX_FED_DOMAIN_SIP },

    { ngx_string("dialect="), ngx_fed_domain_dialect,
      NGX_FED_DOMAIN_SIP },

    { ngx_string("message_size="), ngx_fed_domain_message_size,
      NGX_FED_DOMAIN_XMPP|NGX_FED_DOMAIN_SIP },

    { ngx_string("rate="), ngx_fed_domain_rate,
      NGX_FED_DOMAIN_XMPP|NGX_FED_DOMAIN_SIP },

    { ngx_string("user_rate="), ngx_fed_domain_user_rate,
      NGX_FED_DOMAIN_XMPP|NGX_FED_DOMAIN_SIP },

    { ngx_string("user_burst="), ngx_fed_domain_user_burst,
      NGX_FED_DOMAIN_XMPP|NGX_FED_DOMAIN_SIP },

    { ngx_string("eku="), ngx_fed_domain_eku,
      NGX_FED_DOMAIN_SIP },

    { ngx_string("prefer="), ngx_fed_domain_prefer,
      NGX_FED_DOMAIN_XMPP },

    { ngx_null_string, NULL, 0 }
};


/*
 * Finds the entry of a domain given in lower case and A-labels: exact, then the
 * longest wildcard, then the default.  Never NULL: leg is NULL if the domain is
 * denied or not federated with.  The leg that asks matters with "default auto",
 * which has an entry for each: what it says is how the domain is spoken with
 * over that leg, not that it is to be (see ngx_fed_auto_choose()).
 */

ngx_fed_domain_t *
ngx_fed_domain_find(ngx_fed_conf_t *fcf, ngx_str_t *name, ngx_fed_leg_t *leg)
{
    ngx_uint_t         key;
    ngx_fed_domain_t  *domain;

    if (name->len == 0) {
        return &fcf->none;
    }

    key = ngx_hash_key(name->data, name->len);

    if (fcf->denied.nelts
        && ngx_hash_find_combined(&fcf->denied_hash, key, name->data,
                                  name->len))
    {
        return &fcf->none;
    }

    domain = ngx_hash_find_combined(&fcf->domains_hash, key, name->data,
                                    name->len);

    if (domain) {
        return domain;
    }

    return (leg == fcf->sip) ? fcf->any_sip : fcf->any;
}


/* sip_domain and xmpp_domain */

char *
ngx_fed_domain_line(ngx_conf_t *cf, ngx_fed_conf_t *fcf, ngx_fed_leg_t *leg)
{
    ngx_str_t         *value;
    ngx_fed_domain_t  *domain;

    value = cf->args->elts;

    domain = ngx_fed_domain_add(cf, fcf, &fcf->domains, &value[1]);
    if (domain == NULL) {
        return NGX_CONF_ERROR;
    }

    domain->leg = leg;

    return ngx_fed_domain_params(cf, fcf, domain, 2);
}


/* deny */

char *
ngx_fed_domain_deny(ngx_conf_t *cf, ngx_fed_conf_t *fcf)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_fed_domain_add(cf, fcf, &fcf->denied, &value[i]) == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* default */

char *
ngx_fed_domain_default(ngx_conf_t *cf, ngx_fed_conf_t *fcf)
{
    ngx_str_t         *value;
    ngx_fed_domain_t  *domain;

    if (fcf->any) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "deny") == 0) {

        if (cf->args->nelts > 2) {
            return "has parameters that \"deny\" does not take";
        }

        fcf->any = &fcf->none;

        return NGX_CONF_OK;
    }

    domain = ngx_fed_domain_create(cf);
    if (domain == NULL) {
        return NGX_CONF_ERROR;
    }

    domain->any = 1;
    fcf->any = domain;

    if (ngx_strcmp(value[1].data, "auto") == 0) {
        return ngx_fed_domain_auto(cf, fcf);
    }

    if (ngx_strcmp(value[1].data, "xmpp") == 0) {
        domain->leg = fcf->xmpp;

    } else if (ngx_strcmp(value[1].data, "sip") == 0) {
        domain->leg = fcf->sip;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"default\", "
                           "it must be \"deny\", \"xmpp\", \"sip\" or "
                           "\"auto\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    return ngx_fed_domain_params(cf, fcf, domain, 2);
}


/*
 * default auto: an entry for each leg, to which those of the parameters go that
 * it has.  SIP is over TLS always, as its peers are found by DNS.
 */

static char *
ngx_fed_domain_auto(ngx_conf_t *cf, ngx_fed_conf_t *fcf)
{
    ngx_fed_domain_t  *sip;

    sip = ngx_fed_domain_create(cf);
    if (sip == NULL) {
        return NGX_CONF_ERROR;
    }

    sip->any = 1;
    sip->automatic = 1;
    sip->leg = fcf->sip;

    fcf->any->automatic = 1;
    fcf->any->leg = fcf->xmpp;
    fcf->any_sip = sip;

    if (ngx_fed_domain_params(cf, fcf, fcf->any, 2) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_fed_domain_params(cf, fcf, sip, 2);
}


static char *
ngx_fed_domain_params(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_uint_t first)
{
    char                    *rv;
    ngx_str_t               *value, v;
    ngx_uint_t               i, leg;
    ngx_fed_domain_param_t  *param;

    value = cf->args->elts;
    leg = (domain->leg == fcf->sip) ? NGX_FED_DOMAIN_SIP : NGX_FED_DOMAIN_XMPP;

    for (i = first; i < cf->args->nelts; i++) {

        for (param = ngx_fed_domain_parameters; param->name.len; param++) {

            v = value[i];

            if (param->name.data[param->name.len - 1] != '='
                && v.len != param->name.len)
            {
                continue;
            }

            if (v.len < param->name.len
                || ngx_strncmp(v.data, param->name.data, param->name.len) != 0)
            {
                continue;
            }

            if (param->legs & leg) {
                break;
            }

            if (domain->automatic && param->legs) {
                break;
            }

            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "parameter \"%V\" is not one of %s domains",
                               &value[i],
                               leg == NGX_FED_DOMAIN_SIP ? "SIP" : "XMPP");
            return NGX_CONF_ERROR;
        }

        if (param->name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        v.data += param->name.len;
        v.len -= param->name.len;

        if (!(param->legs & leg)) {

            /* it is the other entry's */

            continue;
        }

        rv = param->set(cf, fcf, domain, &v);

        if (rv != NGX_CONF_OK) {

            if (rv != NGX_CONF_ERROR) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "invalid parameter \"%V\": %s",
                                   &value[i], rv);
            }

            return NGX_CONF_ERROR;
        }
    }

    return ngx_fed_domain_finish(cf, fcf, domain);
}


static ngx_fed_domain_t *
ngx_fed_domain_add(ngx_conf_t *cf, ngx_fed_conf_t *fcf, ngx_array_t *domains,
    ngx_str_t *name)
{
    ngx_str_t           text;
    ngx_uint_t          i;
    ngx_fed_domain_t   *domain, **dp;

    domain = ngx_fed_domain_create(cf);
    if (domain == NULL) {
        return NULL;
    }

    text = *name;

    if (text.len > 2 && text.data[0] == '*' && text.data[1] == '.') {
        text.data += 2;
        text.len -= 2;
        domain->wildcard = 1;
    }

    if (ngx_fed_address_domain(cf->pool, &text, &domain->name) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid domain name \"%V\"", name);
        return NULL;
    }

    dp = domains->elts;

    for (i = 0; i < domains->nelts; i++) {

        if (dp[i]->wildcard == domain->wildcard
            && dp[i]->name.len == domain->name.len
            && ngx_memcmp(dp[i]->name.data, domain->name.data,
                          domain->name.len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate domain \"%V\", it was first given "
                               "in %s:%ui", name, dp[i]->file, dp[i]->line);
            return NULL;
        }
    }

    dp = ngx_array_push(domains);
    if (dp == NULL) {
        return NULL;
    }

    *dp = domain;

    return domain;
}


static ngx_fed_domain_t *
ngx_fed_domain_create(ngx_conf_t *cf)
{
    ngx_fed_domain_t  *domain;

    domain = ngx_pcalloc(cf->pool, sizeof(ngx_fed_domain_t));
    if (domain == NULL) {
        return NULL;
    }

    domain->tls = NGX_CONF_UNSET_UINT;
    domain->auth = NGX_CONF_UNSET_UINT;
    domain->dialect = NGX_CONF_UNSET_UINT;

    domain->file = cf->conf_file->file.name.data;
    domain->line = cf->conf_file->line;

    return domain;
}


static char *
ngx_fed_domain_home(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value)
{
    if (domain->home) {
        return "is duplicate";
    }

    if (domain->any) {
        return "the default is not a home domain";
    }

    domain->home = 1;

    return NGX_CONF_OK;
}


static char *
ngx_fed_domain_server(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value)
{
    ngx_url_t          u;
    ngx_fed_server_t  *server;

    if (value->len == 3 && ngx_strncmp(value->data, "srv", 3) == 0) {

        if (domain->servers) {
            return "\"srv\" does not go with a host";
        }

        domain->srv = 1;

        return NGX_CONF_OK;
    }

    if (domain->srv) {
        return "\"srv\" does not go with a host";
    }

    if (domain->automatic) {
        return "servers of \"default auto\" are found by DNS";
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *value;
    u.default_port = (domain->leg == fcf->sip) ? 5061 : 5269;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0) {
        return u.err ? u.err : "invalid host";
    }

    if (u.family == AF_UNIX) {
        return "it must be host:port";
    }

    if (domain->servers == NULL) {
        domain->servers = ngx_array_create(cf->pool, 2,
                                           sizeof(ngx_fed_server_t));
        if (domain->servers == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    server = ngx_array_push(domain->servers);
    if (server == NULL) {
        return NGX_CONF_ERROR;
    }

    server->host = u.host;
    server->port = u.port;
    server->addrs = u.addrs;
    server->naddrs = u.naddrs;
    server->no_port = u.no_port;

    return NGX_CONF_OK;
}


static char *
ngx_fed_domain_tls(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value)
{
    if (domain->tls != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    if (domain->automatic && domain->leg == fcf->sip) {
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value->data, "required") == 0) {
        domain->tls = NGX_FED_TLS_REQUIRED;

    } else if (ngx_strcmp(value->data, "optional") == 0) {

        if (domain->leg == fcf->sip) {
            return "SIP has no optional TLS: it must be \"required\" or "
                   "\"off\"";
        }

        domain->tls = NGX_FED_TLS_OPTIONAL;

    } else if (ngx_strcmp(value->data, "off") == 0) {
        domain->tls = NGX_FED_TLS_OFF;

    } else if (ngx_strcmp(value->data, "direct") == 0
               && domain->leg == fcf->xmpp)
    {
        domain->tls = NGX_FED_TLS_REQUIRED;
        domain->direct = 1;

    } else if (domain->leg == fcf->sip) {
        return "it must be \"required\" or \"off\"";

    } else {
        return "it must be \"required\", \"direct\", \"optional\" or "
               "\"off\"";
    }

    return NGX_CONF_OK;
}


static char *
ngx_fed_domain_auth(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value)
{
    if (domain->auth != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    if (ngx_strcmp(value->data, "any") == 0) {
        domain->auth = NGX_FED_AUTH_ANY;

    } else if (ngx_strcmp(value->data, "external") == 0) {
        domain->auth = NGX_FED_AUTH_EXTERNAL;

    } else if (ngx_strcmp(value->data, "dialback") == 0) {
        domain->auth = NGX_FED_AUTH_DIALBACK;

    } else {
        return "it must be \"any\", \"external\" or \"dialback\"";
    }

    return NGX_CONF_OK;
}


static char *
ngx_fed_domain_name(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value)
{
    ngx_str_t  *name;

    name = ngx_fed_domain_push(cf, &domain->names);
    if (name == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_fed_address_domain(cf->pool, value, name) != NGX_OK) {
        return "it is no domain name";
    }

    return NGX_CONF_OK;
}


static char *
ngx_fed_domain_dialect(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value)
{
    if (domain->dialect != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    if (ngx_strcmp(value->data, "simple") == 0) {
        domain->dialect = NGX_FED_DIALECT_SIMPLE;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value->data, "ocs") == 0) {
        domain->dialect = NGX_FED_DIALECT_OCS;
        return NGX_CONF_OK;
    }

    return "it must be \"simple\" or \"ocs\"";
}


static char *
ngx_fed_domain_message_size(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value)
{
    ssize_t  size;

    if (domain->size_set) {
        return "is duplicate";
    }

    size = ngx_parse_size(value);

    if (size == NGX_ERROR || size < 256 || size > 1024 * 1024) {
        return "it must be a size from 256 to 1m";
    }

    domain->message_size = size;
    domain->size_set = 1;

    return NGX_CONF_OK;
}


static char *
ngx_fed_domain_rate(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value)
{
    return ngx_fed_domain_set_rate(value, &domain->rate);
}


static char *
ngx_fed_domain_user_rate(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value)
{
    return ngx_fed_domain_set_rate(value, &domain->user_rate);
}


static char *
ngx_fed_domain_set_rate(ngx_str_t *value, ngx_uint_t *field)
{
    ngx_int_t  rate;

    if (*field) {
        return "is duplicate";
    }

    if (value->len < 4
        || ngx_strncmp(value->data + value->len - 3, "r/s", 3) != 0)
    {
        return "it must be a number followed by \"r/s\"";
    }

    rate = ngx_atoi(value->data, value->len - 3);

    if (rate <= 0 || rate > NGX_FED_DOMAIN_RATE_MAX) {
        return "it must be from 1r/s to 1000000r/s";
    }

    *field = rate * 1000;

    return NGX_CONF_OK;
}


static char *
ngx_fed_domain_user_burst(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value)
{
    ngx_int_t  burst;

    if (domain->user_burst) {
        return "is duplicate";
    }

    burst = ngx_atoi(value->data, value->len);

    if (burst <= 0 || burst > NGX_FED_DOMAIN_RATE_MAX) {
        return "it must be a number from 1 to 1000000";
    }

    domain->user_burst = burst * 1000;

    return NGX_CONF_OK;
}


static char *
ngx_fed_domain_eku(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value)
{
    if (ngx_strcmp(value->data, "any") == 0) {
        domain->eku_any = 1;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value->data, "strict") == 0) {
        domain->eku_any = 0;
        return NGX_CONF_OK;
    }

    return "it must be \"strict\" or \"any\"";
}


/* default auto: "sip" or "xmpp", or what has variables, for each event */

static char *
ngx_fed_domain_prefer(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain, ngx_str_t *value)
{
    void                                *ctx;
    ngx_stream_compile_complex_value_t   ccv;

    if (!domain->automatic) {
        return "it is one of \"default auto\" only";
    }

    if (fcf->prefer) {
        return "is duplicate";
    }

    fcf->prefer = ngx_pcalloc(cf->pool, sizeof(ngx_stream_complex_value_t));
    if (fcf->prefer == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_stream_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = fcf->prefer;

    /* variables of the stream module are compiled in its own context */

    ctx = cf->ctx;
    cf->ctx = fcf->ctx;

    if (ngx_stream_compile_complex_value(&ccv) != NGX_OK) {
        cf->ctx = ctx;
        return NGX_CONF_ERROR;
    }

    cf->ctx = ctx;

    if (fcf->prefer->lengths == NULL
        && ngx_strcmp(value->data, "sip") != 0
        && ngx_strcmp(value->data, "xmpp") != 0)
    {
        return "it must be \"sip\", \"xmpp\" or a variable";
    }

    return NGX_CONF_OK;
}


/* Defaults, and what does not go together. */

static char *
ngx_fed_domain_finish(ngx_conf_t *cf, ngx_fed_conf_t *fcf,
    ngx_fed_domain_t *domain)
{
    ngx_str_t         *name;
    ngx_uint_t         i;
    ngx_fed_server_t  *server;

    if (domain->tls == NGX_FED_TLS_OFF
        && domain->auth == NGX_FED_AUTH_EXTERNAL)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"auth=external\" needs TLS, which \"tls=off\" "
                           "forbids");
        return NGX_CONF_ERROR;
    }

    if (domain->tls == NGX_FED_TLS_OFF && domain->leg == fcf->sip
        && domain->servers == NULL)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"tls=off\" needs \"server=\": without TLS a SIP "
                           "peer is known by its address only");
        return NGX_CONF_ERROR;
    }

    if (domain->tls == NGX_FED_TLS_OFF
        && domain->dialect == NGX_FED_DIALECT_OCS)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"dialect=ocs\" needs TLS, which \"tls=off\" "
                           "forbids");
        return NGX_CONF_ERROR;
    }

    if (domain->user_burst && domain->user_rate == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"user_burst=\" needs \"user_rate=\"");
        return NGX_CONF_ERROR;
    }

    if (domain->user_burst == 0) {

        /* a second's worth, as of the domain */

        domain->user_burst = domain->user_rate;
    }

    ngx_conf_init_uint_value(domain->tls, NGX_FED_TLS_REQUIRED);
    ngx_conf_init_uint_value(domain->auth, NGX_FED_AUTH_ANY);
    ngx_conf_init_uint_value(domain->dialect, NGX_FED_DIALECT_SIMPLE);

    fcf->dialects |= (ngx_uint_t) 1 << domain->dialect;

    if (domain->direct && domain->servers) {
        ngx_fed_domain_direct(domain->servers);
    }

    if (!domain->size_set) {
        domain->message_size = NGX_FED_DOMAIN_SIZE;

        if (domain->leg == fcf->sip
            && (domain->servers == NULL || domain->tls == NGX_FED_TLS_OFF))
        {
            domain->message_size = NGX_FED_DOMAIN_SIZE_SRV;
        }
    }

    if (domain->leg != fcf->sip || domain->names) {
        return NGX_CONF_OK;
    }

    if (!domain->any && !domain->wildcard) {

        name = ngx_fed_domain_push(cf, &domain->names);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = domain->name;
    }

    if (domain->servers == NULL) {
        return NGX_CONF_OK;
    }

    server = domain->servers->elts;

    for (i = 0; i < domain->servers->nelts; i++) {

        name = ngx_fed_domain_push(cf, &domain->names);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        /* an address as the host is no name that a certificate could have */

        if (ngx_fed_address_domain(cf->pool, &server[i].host, name) != NGX_OK) {
            domain->names->nelts--;
        }
    }

    return NGX_CONF_OK;
}


/* tls=direct has a port of its own where server= has none. */

static void
ngx_fed_domain_direct(ngx_array_t *servers)
{
    ngx_uint_t         i, j;
    ngx_fed_server_t  *server;

    server = servers->elts;

    for (i = 0; i < servers->nelts; i++) {

        if (!server[i].no_port) {
            continue;
        }

        server[i].port = NGX_FED_DOMAIN_DIRECT;

        for (j = 0; j < server[i].naddrs; j++) {
            ngx_inet_set_port(server[i].addrs[j].sockaddr, server[i].port);
        }
    }
}


static ngx_str_t *
ngx_fed_domain_push(ngx_conf_t *cf, ngx_array_t **array)
{
    if (*array == NULL) {
        *array = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
        if (*array == NULL) {
            return NULL;
        }
    }

    return ngx_array_push(*array);
}


/* Finds a line that can only be served with the help of DNS. */

ngx_uint_t
ngx_fed_domain_needs_resolver(ngx_fed_conf_t *fcf, ngx_fed_domain_t **domain)
{
    ngx_uint_t          i;
    ngx_fed_domain_t  **dp;

    dp = fcf->domains.elts;

    for (i = 0; i < fcf->domains.nelts; i++) {

        if (dp[i]->servers == NULL) {
            *domain = dp[i];
            return 1;
        }
    }

    if (fcf->any->leg && fcf->any->servers == NULL) {
        *domain = fcf->any;
        return 1;
    }

    return 0;
}


/* Called when the block was read: checks it as a whole, builds the table. */

char *
ngx_fed_domain_init(ngx_conf_t *cf, ngx_fed_conf_t *fcf)
{
    ngx_uint_t          i;
    ngx_fed_domain_t  **dp;

    dp = fcf->domains.elts;

    for (i = 0; i < fcf->domains.nelts; i++) {
        if (dp[i]->home) {
            break;
        }
    }

    if (i == fcf->domains.nelts) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no home domain in federation \"%V\" in %s:%ui",
                      &fcf->name, fcf->file, fcf->line);
        return NGX_CONF_ERROR;
    }

    if (fcf->any == NULL) {
        fcf->any = &fcf->none;
    }

    if (fcf->any_sip == NULL) {
        fcf->any_sip = fcf->any;
    }

    if (ngx_fed_domain_hash(cf, &fcf->domains, &fcf->domains_hash) != NGX_OK
        || ngx_fed_domain_hash(cf, &fcf->denied, &fcf->denied_hash) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_fed_domain_hash(ngx_conf_t *cf, ngx_array_t *domains,
    ngx_hash_combined_t *combined)
{
    u_char                 *p;
    ngx_int_t               rc;
    ngx_str_t               name;
    ngx_uint_t              i, flags;
    ngx_hash_init_t         hash;
    ngx_fed_domain_t      **dp;
    ngx_hash_keys_arrays_t  keys;

    ngx_memzero(combined, sizeof(ngx_hash_combined_t));
    ngx_memzero(&keys, sizeof(ngx_hash_keys_arrays_t));

    if (domains->nelts == 0) {
        return NGX_OK;
    }

    keys.pool = cf->pool;

    keys.temp_pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, cf->log);
    if (keys.temp_pool == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    if (ngx_hash_keys_array_init(&keys, NGX_HASH_LARGE) != NGX_OK) {
        goto done;
    }

    dp = domains->elts;

    for (i = 0; i < domains->nelts; i++) {

        name = dp[i]->name;
        flags = NGX_HASH_READONLY_KEY;

        if (dp[i]->wildcard) {

            name.len += 2;
            name.data = ngx_pnalloc(cf->pool, name.len);
            if (name.data == NULL) {
                goto done;
            }

            p = ngx_cpymem(name.data, "*.", 2);
            ngx_memcpy(p, dp[i]->name.data, dp[i]->name.len);

            flags = NGX_HASH_WILDCARD_KEY;
        }

        if (ngx_hash_add_key(&keys, &name, dp[i], flags) != NGX_OK) {
            goto done;
        }
    }

    hash.key = ngx_hash_key;
    hash.max_size = ngx_max(2048, 4 * domains->nelts);
    hash.bucket_size = ngx_align(512, ngx_cacheline_size);
    hash.name = "federation_hash";
    hash.pool = cf->pool;
    hash.temp_pool = NULL;

    if (keys.keys.nelts) {
        hash.hash = &combined->hash;

        if (ngx_hash_init(&hash, keys.keys.elts, keys.keys.nelts) != NGX_OK) {
            goto done;
        }
    }

    if (keys.dns_wc_head.nelts) {

        ngx_qsort(keys.dns_wc_head.elts, keys.dns_wc_head.nelts,
                  sizeof(ngx_hash_key_t), ngx_fed_domain_cmp_wildcards);

        hash.hash = NULL;
        hash.temp_pool = keys.temp_pool;

        if (ngx_hash_wildcard_init(&hash, keys.dns_wc_head.elts,
                                   keys.dns_wc_head.nelts)
            != NGX_OK)
        {
            goto done;
        }

        combined->wc_head = (ngx_hash_wildcard_t *) hash.hash;
    }

    rc = NGX_OK;

done:

    ngx_destroy_pool(keys.temp_pool);

    return rc;
}


static int ngx_libc_cdecl
ngx_fed_domain_cmp_wildcards(const void *one, const void *two)
{
    ngx_hash_key_t  *first, *second;

    first = (ngx_hash_key_t *) one;
    second = (ngx_hash_key_t *) two;

    return ngx_dns_strcmp(first->key.data, second->key.data);
}
