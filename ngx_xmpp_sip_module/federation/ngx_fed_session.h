
/*
 * IM sessions: at most one of a SIP user with an XMPP user, in the zone.
 */


#ifndef _NGX_FED_SESSION_H_INCLUDED_
#define _NGX_FED_SESSION_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_event.h"
#include "ngx_fed_hash.h"
#include "ngx_fed_watch.h"


typedef enum {
    NGX_FED_SESSION_INVITING = 0,  /* a process waits for an answer */
    NGX_FED_SESSION_ACCEPTED,      /* a process waits for the ACK */
    NGX_FED_SESSION_BUSY,          /* a process waits for an answer in it */
    NGX_FED_SESSION_LIVE
} ngx_fed_session_e;


typedef struct {
    ngx_rbtree_node_t             node;      /* by the first half of the id */
    ngx_queue_t                   queue;     /* least recently used first */
    uint64_t                      id;        /* the second half */
    uint64_t                      tag;       /* ours */
    uint64_t                      partner;   /* see ngx_fed_session_partner() */
    u_char                       *text;
    ngx_msec_t                    used;
    uint32_t                      cseq;      /* ours */
    uint32_t                      remote_cseq;
    uint32_t                      nonce;     /* of the process that waits */
    uint16_t                      len[NGX_FED_TEXTS];
    uint8_t                       slot;      /* of that process */
    uint8_t                       state;

    unsigned                      remote_set:1;    /* remote_cseq */
} ngx_fed_session_t;


typedef struct {
    ngx_rbtree_t                  tree;
    ngx_rbtree_node_t             sentinel;
    ngx_queue_t                   lru;
    ngx_uint_t                    n;
} ngx_fed_sessions_t;


void ngx_fed_sessions_init(ngx_fed_sessions_t *sessions);

/* all of the following want the zone to be locked */

ngx_fed_session_t *ngx_fed_session_find(ngx_fed_conf_t *fcf,
    ngx_fed_key_t *id);
uint64_t ngx_fed_session_partner(ngx_fed_conf_t *fcf, ngx_fed_event_t *ev);
ngx_fed_session_t *ngx_fed_session_add(ngx_fed_conf_t *fcf, ngx_fed_key_t *id,
    uint64_t partner, ngx_str_t *texts);
ngx_int_t ngx_fed_session_set_texts(ngx_fed_conf_t *fcf,
    ngx_fed_session_t *session, ngx_str_t *texts);
void ngx_fed_session_texts(ngx_fed_session_t *session, ngx_str_t *texts);
void ngx_fed_session_wait(ngx_fed_conf_t *fcf, ngx_fed_session_t *session,
    ngx_fed_session_e state);
ngx_uint_t ngx_fed_session_waits(ngx_fed_conf_t *fcf,
    ngx_fed_session_t *session);
void ngx_fed_session_used(ngx_fed_conf_t *fcf, ngx_fed_session_t *session);
void ngx_fed_session_retire(ngx_fed_conf_t *fcf, ngx_fed_session_t *session);
ngx_fed_session_t *ngx_fed_session_spare(ngx_fed_conf_t *fcf,
    uint64_t partner);
ngx_fed_session_t *ngx_fed_session_idle(ngx_fed_conf_t *fcf);
void ngx_fed_session_free(ngx_fed_conf_t *fcf, ngx_fed_session_t *session);


#endif /* _NGX_FED_SESSION_H_INCLUDED_ */
