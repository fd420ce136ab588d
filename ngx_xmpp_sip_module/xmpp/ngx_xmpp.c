
/*
 * The XMPP leg: what the federation calls.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_xmpp_stream.h"


static ngx_int_t ngx_xmpp_init_process(ngx_fed_conf_t *fcf);
static void ngx_xmpp_exit_process(ngx_fed_conf_t *fcf);
static void ngx_xmpp_send(ngx_fed_event_t *ev);
static void ngx_xmpp_done(ngx_fed_event_t *ev);
static void ngx_xmpp_answer(ngx_fed_conf_t *fcf, ngx_fed_answer_t *answer);
static void ngx_xmpp_find_hosted(ngx_xmpp_t *xmpp);


ngx_fed_leg_t  ngx_xmpp_leg = {
    ngx_string("xmpp"),
    ngx_xmpp_init_process,
    ngx_xmpp_exit_process,
    ngx_xmpp_send,
    ngx_xmpp_done,
    ngx_xmpp_answer,
    ngx_xmpp_presence,
    ngx_xmpp_presence_refused,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL
};


static ngx_int_t
ngx_xmpp_init_process(ngx_fed_conf_t *fcf)
{
    ngx_xmpp_t  *xmpp;

    xmpp = ngx_pcalloc(fcf->cycle->pool, sizeof(ngx_xmpp_t));
    if (xmpp == NULL) {
        return NGX_ERROR;
    }

    xmpp->late = ngx_pcalloc(fcf->cycle->pool,
                             NGX_XMPP_LATE * sizeof(ngx_xmpp_late_t));
    if (xmpp->late == NULL) {
        return NGX_ERROR;
    }

    xmpp->conf = fcf;
    xmpp->log = fcf->log;

    ngx_queue_init(&xmpp->streams);
    ngx_queue_init(&xmpp->sms);

    ngx_rbtree_init(&xmpp->remotes, &xmpp->remotes_sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_rbtree_init(&xmpp->pending, &xmpp->pending_sentinel,
                    ngx_rbtree_insert_value);

    ngx_fed_timers_init(&xmpp->confirm, fcf->confirm_timeout,
                        ngx_xmpp_barrier_timeout, xmpp, fcf->log);

    /* there is another attempt meanwhile, whatever the time between them */

    ngx_fed_timers_init(&xmpp->own, fcf->confirm_timeout
                                    + fcf->reconnect_max,
                        ngx_xmpp_barrier_timeout, xmpp, fcf->log);

    ngx_fed_timers_init(&xmpp->dialback, fcf->dialback_timeout,
                        ngx_xmpp_dialback_timeout, xmpp, fcf->log);

    ngx_xmpp_find_hosted(xmpp);

    fcf->xmpp_data = xmpp;

    return NGX_OK;
}


/* A peer that does not say whom it wants means the only domain there is. */

static void
ngx_xmpp_find_hosted(ngx_xmpp_t *xmpp)
{
    ngx_uint_t          i, n;
    ngx_fed_conf_t     *fcf;
    ngx_fed_domain_t  **domain;

    n = 0;
    fcf = xmpp->conf;
    domain = fcf->domains.elts;

    for (i = 0; i < fcf->domains.nelts; i++) {

        if (domain[i]->leg != fcf->sip) {
            continue;
        }

        n++;

        if (!domain[i]->wildcard) {
            xmpp->hosted = domain[i]->name;
        }
    }

    if (n != 1 || (fcf->any && fcf->any->leg == fcf->sip)) {
        ngx_str_null(&xmpp->hosted);
    }
}


static void
ngx_xmpp_exit_process(ngx_fed_conf_t *fcf)
{
    ngx_xmpp_t  *xmpp;

    xmpp = fcf->xmpp_data;

    if (xmpp == NULL) {
        return;
    }

    if (xmpp->npending) {
        ngx_log_error(NGX_LOG_WARN, xmpp->log, 0,
                      "process ends with %ui messages to XMPP domains of "
                      "federation \"%V\" unconfirmed",
                      xmpp->npending, &fcf->name);
    }

    ngx_xmpp_sm_exit(xmpp);
    ngx_xmpp_out_exit(xmpp);
}


static void
ngx_xmpp_send(ngx_fed_event_t *ev)
{
    ngx_xmpp_out_send(ev);
}


static void
ngx_xmpp_done(ngx_fed_event_t *ev)
{
    ngx_xmpp_stanza_done(ev);
}


static void
ngx_xmpp_answer(ngx_fed_conf_t *fcf, ngx_fed_answer_t *answer)
{
    ngx_xmpp_barrier_answer(fcf->xmpp_data, answer);
}
