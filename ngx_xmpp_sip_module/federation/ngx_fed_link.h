
/*
 * A link: a connection of either leg, accepted or dialled, with what is
 * buffered on it and the events that came on it.
 */


#ifndef _NGX_FED_LINK_H_INCLUDED_
#define _NGX_FED_LINK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_fed_event.h"


/*
 * What a leg does with a link.  Each may close the link.  A closed link stays
 * valid memory until the event loop's next turn: look at link->closed after
 * any call that may have closed it.
 *
 *   input()    bytes lie at link->in->pos .. last; the leg moves pos
 *   secured()  the TLS handshake asked for by ngx_fed_link_secure() succeeded
 *   quit()     the process wants to end, or its idle link is wanted back
 *   closed()   the connection is gone, link->reason says why: the leg drops
 *              what it holds.  Called once, also from ngx_fed_link_close()
 */

typedef struct {
    void                        (*input)(ngx_fed_link_t *link);
    void                        (*secured)(ngx_fed_link_t *link);
    void                        (*quit)(ngx_fed_link_t *link);
    void                        (*closed)(ngx_fed_link_t *link);
} ngx_fed_link_ops_t;


struct ngx_fed_link_s {
    uint32_t                      signature;         /* "LINK" */

    ngx_connection_t             *connection;
    ngx_stream_session_t         *session;   /* NULL: dialled */
    ngx_fed_conf_t               *conf;
    ngx_pool_t                   *pool;      /* the connection's */
    ngx_log_t                    *log;       /* the connection's */

    const ngx_fed_link_ops_t     *ops;
    void                         *data;      /* the leg's stream, etc. */

    ngx_buf_t                    *in;
    size_t                        in_max;
    ngx_buf_t                     out;

    ngx_queue_t                   events;    /* open, they came on this link */
    ngx_uint_t                    nevents;

    ngx_queue_t                   turn;      /* conf->turns, if it waits */
    ngx_event_t                   flush;     /* posted */
    ngx_event_t                   timer;     /* write side; see set_timeout */

    void                        (*timeout)(ngx_fed_link_t *link);

    ngx_ssl_t                    *ssl;       /* of the handshake to begin */
    ngx_str_t                     sni;
    ngx_str_t                     alpn;      /* offered, as RFC 7301, 3.1 has
                                                it; set by the leg; or empty */

    const char                   *reason;    /* why it closes, for logs */
    ngx_str_t                     peer;      /* domain, for logs; or empty */

    ngx_queue_t                   preauth;   /* fcf->xmpp_preauth, etc. */
    ngx_fed_preauth_t            *unproven;  /* the same; or NULL */

    ngx_msec_t                    last_in;
    ngx_msec_t                    last_out;

    unsigned                      secure:1;  /* TLS is up */
    unsigned                      handshake:1;
    unsigned                      client:1;  /* in the handshake */
    unsigned                      paused:1;  /* not read: too much is open */
    unsigned                      waiting:1; /* for its turn to be read */
    unsigned                      closing:1; /* flush what is left, close */
    unsigned                      closed:1;
    unsigned                      lingering:1;
    unsigned                      eof:1;     /* the peer closed its side */
    unsigned                      busy:1;
    unsigned                      ending:1;  /* see ngx_fed_event_ending() */
};


void ngx_fed_link_init_process(ngx_fed_conf_t *fcf);
ngx_fed_link_t *ngx_fed_link_create(ngx_fed_conf_t *fcf, ngx_connection_t *c,
    ngx_stream_session_t *s, const ngx_fed_link_ops_t *ops, void *data,
    size_t in_size, size_t in_max);
void ngx_fed_link_start(ngx_fed_link_t *link);

u_char *ngx_fed_link_reserve(ngx_fed_link_t *link, size_t size);
void ngx_fed_link_commit(ngx_fed_link_t *link, u_char *last);
ngx_int_t ngx_fed_link_write(ngx_fed_link_t *link, u_char *p, size_t len);
#define ngx_fed_link_literal(link, text)                                      \
    ngx_fed_link_write(link, (u_char *) text, sizeof(text) - 1)

ngx_int_t ngx_fed_link_grow(ngx_fed_link_t *link, size_t size);

void ngx_fed_link_secure(ngx_fed_link_t *link, ngx_ssl_t *ssl,
    ngx_uint_t client, ngx_str_t *sni);
int ngx_fed_link_verify(int ok, X509_STORE_CTX *store);
void ngx_fed_link_set_timeout(ngx_fed_link_t *link, ngx_msec_t timeout,
    void (*handler)(ngx_fed_link_t *link), ngx_uint_t cancelable);
void ngx_fed_link_busy(ngx_fed_link_t *link, ngx_uint_t busy);
void ngx_fed_link_pause(ngx_fed_link_t *link);

void ngx_fed_preauth_init(ngx_fed_preauth_t *preauth);
void ngx_fed_link_unproven(ngx_fed_link_t *link, ngx_fed_preauth_t *preauth);
void ngx_fed_link_proven(ngx_fed_link_t *link);

void ngx_fed_link_shutdown(ngx_fed_link_t *link, const char *reason);
void ngx_fed_link_close(ngx_fed_link_t *link, const char *reason);

void ngx_fed_link_event_done(ngx_fed_link_t *link);


#endif /* _NGX_FED_LINK_H_INCLUDED_ */
