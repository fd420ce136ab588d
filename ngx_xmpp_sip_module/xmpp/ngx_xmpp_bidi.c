
/*
 * Bidirectional streams (XEP-0288): what goes back on a stream that the peer
 * opened, and whom one of ours is read for.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_xmpp_stream.h"


static ngx_uint_t ngx_xmpp_bidi_may(ngx_xmpp_route_t *route);
static ngx_uint_t ngx_xmpp_bidi_open(ngx_xmpp_stream_t *stream);


/*
 * Returns the feature of an inbound stream that may become bidirectional, or an
 * empty string (2.1).
 */

const char *
ngx_xmpp_bidi_feature(ngx_xmpp_stream_t *stream)
{
    return (stream->conf->stream_bidi && !stream->sasl_done)
           ? "<bidi xmlns='urn:xmpp:features:bidi'/>" : "";
}


/*
 * On an inbound stream: the peer asks for stanzas of ours on it.  It has to do
 * so before it authenticates itself (2.1); what it asked for ahead of TLS is
 * forgotten then.
 */

void
ngx_xmpp_bidi_in(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    if (!ngx_xmpp_equal(&el->name, "bidi")
        || !stream->conf->stream_bidi
        || stream->sasl_done
        || stream->npairs)
    {
        return;
    }

    stream->bidi = 1;
}


/*
 * A pair was proven on an inbound stream, and the peer has been told: what our
 * domain sends to its one may go back on the stream (2.2).
 */

void
ngx_xmpp_bidi_proven(ngx_xmpp_pair_t *pair)
{
    ngx_queue_t        *q, *next;
    ngx_xmpp_route_t   *route;
    ngx_xmpp_remote_t  *remote;
    ngx_xmpp_stream_t  *stream;

    stream = pair->stream;

    if (!stream->bidi || !pair->proven || pair->peer) {
        return;
    }

    remote = ngx_xmpp_out_remote(stream->xmpp, &pair->remote);
    if (remote == NULL) {
        return;
    }

    pair->peer = remote;

    ngx_queue_insert_tail(&remote->pairs, &pair->member);

    for (q = ngx_queue_head(&remote->routes);
         q != ngx_queue_sentinel(&remote->routes);
         q = next)
    {
        next = ngx_queue_next(q);
        route = ngx_queue_data(q, ngx_xmpp_route_t, queue);

        if (!ngx_fed_str_equal(&route->local, &pair->local)
            || ngx_queue_empty(&route->waiting)
            || !ngx_xmpp_bidi_may(route))
        {
            continue;
        }

        ngx_xmpp_out_abandon(route);
        ngx_xmpp_out_connect(route);
    }
}


/*
 * Takes an inbound stream for what a route sends, if there is one.  Returns
 * whether there is.
 */

ngx_uint_t
ngx_xmpp_bidi_carry(ngx_xmpp_route_t *route)
{
    ngx_queue_t        *q;
    ngx_xmpp_pair_t    *pair;
    ngx_xmpp_stream_t  *stream;
    ngx_xmpp_remote_t  *remote;

    remote = route->remote;

    if (!ngx_xmpp_bidi_may(route)) {
        return 0;
    }

    for (q = ngx_queue_last(&remote->pairs);
         q != ngx_queue_sentinel(&remote->pairs);
         q = ngx_queue_prev(q))
    {
        pair = ngx_queue_data(q, ngx_xmpp_pair_t, member);
        stream = pair->stream;

        if (!ngx_fed_str_equal(&pair->local, &route->local)
            || !ngx_xmpp_bidi_open(stream))
        {
            continue;
        }

        ngx_log_error(NGX_LOG_INFO, stream->link->log, 0,
                      "inbound XMPP stream from \"%V\" takes what \"%V\" "
                      "sends as well", &pair->remote, &pair->local);

        ngx_xmpp_out_attach(route, stream);

        route->ready = 1;
        stream->ready = 1;

        ngx_xmpp_out_flush(route);
        ngx_xmpp_out_idle(stream);

        return 1;
    }

    return 0;
}


static ngx_uint_t
ngx_xmpp_bidi_may(ngx_xmpp_route_t *route)
{
    ngx_xmpp_sm_t  *sm;

    /* a stream of ours that broke is taken up first */

    sm = route->remote->sm;

    if (sm && sm->route == route) {
        return 0;
    }

    /* what goes on another stream may still be read: it would be overtaken */

    return !ngx_xmpp_barrier_pending(route);
}


static ngx_uint_t
ngx_xmpp_bidi_open(ngx_xmpp_stream_t *stream)
{
    return !stream->link->closed && !stream->close_sent
           && !stream->close_received && !stream->quit;
}


/*
 * On an outbound stream whose features came: asks for stanzas of the peer on
 * it, ahead of authentication, as nothing but that follows.
 */

void
ngx_xmpp_bidi_request(ngx_xmpp_stream_t *stream, ngx_xmpp_element_t *el)
{
    if (!stream->conf->stream_bidi || stream->bidi
        || ngx_xmpp_xml_child(el, NGX_XMPP_NS_BIDI_FEATURE, "bidi") == NULL)
    {
        return;
    }

    if (ngx_xmpp_stream_write(stream, "<bidi xmlns='urn:xmpp:bidi'/>")
        == NGX_OK)
    {
        stream->bidi = 1;
    }
}


/*
 * The peer took our proof for a route of an outbound stream: it may send to the
 * route's domain.  Who it is was proven by its certificate; where policy is
 * content with dialback, by DNS, which led us to it.
 */

void
ngx_xmpp_bidi_ready(ngx_xmpp_route_t *route)
{
    ngx_xmpp_pair_t    *pair;
    ngx_xmpp_stream_t  *stream;

    stream = route->stream;

    if (!stream->bidi) {
        return;
    }

    pair = ngx_xmpp_pair_add(stream, &stream->remote, &route->local);

    if (pair) {
        ngx_xmpp_pair_proven(pair, NULL);
    }
}
