
/*
 * IM sessions: at most one of a SIP user with an XMPP user, in the zone.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_fed.h"


#define NGX_FED_SESSIONS_SEEN    64      /* in one search */
#define NGX_FED_SESSION_LINGERS  2000    /* ms */


static void ngx_fed_session_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);


void
ngx_fed_sessions_init(ngx_fed_sessions_t *sessions)
{
    ngx_rbtree_init(&sessions->tree, &sessions->sentinel,
                    ngx_fed_session_insert);
    ngx_queue_init(&sessions->lru);

    sessions->n = 0;
}


static void
ngx_fed_session_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t  **p;
    ngx_fed_session_t   *session, *other;

    session = (ngx_fed_session_t *) node;

    for ( ;; ) {

        other = (ngx_fed_session_t *) temp;

        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            p = (session->id < other->id) ? &temp->left : &temp->right;
        }

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


/* Returns the session of a pair, or NULL. */

ngx_fed_session_t *
ngx_fed_session_find(ngx_fed_conf_t *fcf, ngx_fed_key_t *id)
{
    ngx_rbtree_node_t   *node;
    ngx_fed_session_t   *session;
    ngx_fed_sessions_t  *sessions;

    sessions = ngx_fed_zone_sessions(fcf);

    node = sessions->tree.root;

    while (node != &sessions->sentinel) {

        session = (ngx_fed_session_t *) node;

        if (id->lo != node->key) {
            node = (id->lo < node->key) ? node->left : node->right;
            continue;
        }

        if (id->hi == session->id) {
            return session;
        }

        node = (id->hi < session->id) ? node->left : node->right;
    }

    return NULL;
}


/*
 * Names whose share of the sessions one of these users is: that of the domain
 * that is not at home.
 */

uint64_t
ngx_fed_session_partner(ngx_fed_conf_t *fcf, ngx_fed_event_t *ev)
{
    ngx_str_t  *name;

    static ngx_str_t  user = ngx_string("/session");

    name = ev->from_domain->home ? &ev->to.domain : &ev->from.domain;

    return ngx_fed_watch_hash(fcf, &user, name);
}


/*
 * Adds a session, of a pair that has none, with NGX_FED_TEXTS texts.  Returns
 * NULL if the zone is full or the limit reached.
 */

ngx_fed_session_t *
ngx_fed_session_add(ngx_fed_conf_t *fcf, ngx_fed_key_t *id, uint64_t partner,
    ngx_str_t *texts)
{
    ngx_fed_session_t   *session;
    ngx_fed_sessions_t  *sessions;

    sessions = ngx_fed_zone_sessions(fcf);

    if (sessions->n >= fcf->sessions) {
        return NULL;
    }

    session = ngx_fed_zone_alloc(fcf, sizeof(ngx_fed_session_t));
    if (session == NULL) {
        return NULL;
    }

    ngx_memzero(session, sizeof(ngx_fed_session_t));

    if (ngx_fed_session_set_texts(fcf, session, texts) != NGX_OK) {
        ngx_fed_zone_free(fcf, session);
        return NULL;
    }

    session->node.key = id->lo;
    session->id = id->hi;
    session->partner = partner;
    session->used = ngx_current_msec;

    ngx_fed_tally_add(fcf, partner, 1);

    ngx_rbtree_insert(&sessions->tree, &session->node);
    ngx_queue_insert_tail(&sessions->lru, &session->queue);

    sessions->n++;

    return session;
}


/* Replaces the texts.  Returns NGX_ERROR if the zone is full. */

ngx_int_t
ngx_fed_session_set_texts(ngx_fed_conf_t *fcf, ngx_fed_session_t *session,
    ngx_str_t *texts)
{
    u_char  *text;

    text = ngx_fed_texts_pack(fcf, texts, session->len);
    if (text == NULL) {
        return NGX_ERROR;
    }

    if (session->text) {
        ngx_fed_zone_free(fcf, session->text);
    }

    session->text = text;

    return NGX_OK;
}


/* Reads the texts, which lie in the zone. */

void
ngx_fed_session_texts(ngx_fed_session_t *session, ngx_str_t *texts)
{
    ngx_fed_texts_unpack(session->text, session->len, texts);
}


/* This process waits for what makes the session a live one, again. */

void
ngx_fed_session_wait(ngx_fed_conf_t *fcf, ngx_fed_session_t *session,
    ngx_fed_session_e state)
{
    ngx_uint_t  slot;

    session->state = state;
    session->nonce = ngx_fed_zone_self(fcf, &slot);
    session->slot = (uint8_t) slot;
}


/* Tells whether a process that is still there does so. */

ngx_uint_t
ngx_fed_session_waits(ngx_fed_conf_t *fcf, ngx_fed_session_t *session)
{
    return session->state != NGX_FED_SESSION_LIVE
           && ngx_fed_zone_alive(fcf, session->slot, session->nonce);
}


void
ngx_fed_session_used(ngx_fed_conf_t *fcf, ngx_fed_session_t *session)
{
    ngx_queue_remove(&session->queue);
    ngx_queue_insert_tail(&ngx_fed_zone_sessions(fcf)->lru, &session->queue);

    session->used = ngx_current_msec;
}


/* Lets a session count as idle soon, unless it is used until then. */

void
ngx_fed_session_retire(ngx_fed_conf_t *fcf, ngx_fed_session_t *session)
{
    ngx_queue_remove(&session->queue);
    ngx_queue_insert_head(&ngx_fed_zone_sessions(fcf)->lru, &session->queue);

    session->used = ngx_current_msec - fcf->session_timeout
                    + ngx_min(fcf->session_timeout, NGX_FED_SESSION_LINGERS);
}


/*
 * Returns the one that was used least recently, or NULL.  One whose INVITE is
 * not answered yet is none that can be spared: its message would only have to
 * begin another one.  A partner that has more than half of all takes the place
 * of none but its own.
 */

ngx_fed_session_t *
ngx_fed_session_spare(ngx_fed_conf_t *fcf, uint64_t partner)
{
    ngx_uint_t           i, own;
    ngx_queue_t         *q;
    ngx_fed_session_t   *session;
    ngx_fed_sessions_t  *sessions;

    sessions = ngx_fed_zone_sessions(fcf);

    own = (ngx_fed_tally(fcf, partner) > sessions->n / 2);
    i = 0;

    for (q = ngx_queue_head(&sessions->lru);
         q != ngx_queue_sentinel(&sessions->lru) && i < NGX_FED_SESSIONS_SEEN;
         q = ngx_queue_next(q))
    {
        session = ngx_queue_data(q, ngx_fed_session_t, queue);

        if ((!own || session->partner == partner)
            && (session->state != NGX_FED_SESSION_INVITING
                || !ngx_fed_session_waits(fcf, session)))
        {
            return session;
        }

        i++;
    }

    return NULL;
}


/* Returns one that was not used for "session_timeout", or NULL. */

ngx_fed_session_t *
ngx_fed_session_idle(ngx_fed_conf_t *fcf)
{
    ngx_queue_t        *lru;
    ngx_fed_session_t  *session;

    lru = &ngx_fed_zone_sessions(fcf)->lru;

    while (!ngx_queue_empty(lru)) {

        session = ngx_queue_data(ngx_queue_head(lru), ngx_fed_session_t,
                                 queue);

        if ((ngx_msec_int_t) (ngx_current_msec - session->used)
            < (ngx_msec_int_t) fcf->session_timeout)
        {
            return NULL;
        }

        if (!ngx_fed_session_waits(fcf, session)) {
            return session;
        }

        ngx_fed_session_used(fcf, session);
    }

    return NULL;
}


void
ngx_fed_session_free(ngx_fed_conf_t *fcf, ngx_fed_session_t *session)
{
    ngx_fed_sessions_t  *sessions;

    sessions = ngx_fed_zone_sessions(fcf);

    ngx_rbtree_delete(&sessions->tree, &session->node);
    ngx_queue_remove(&session->queue);

    ngx_fed_tally_add(fcf, session->partner, -1);

    ngx_fed_zone_free(fcf, session->text);
    ngx_fed_zone_free(fcf, session);

    sessions->n--;
}
