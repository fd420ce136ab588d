
/*
 * Watches: who may see whose presence, the dialogs under that, and the
 * presence that was seen last; all of it in the zone.
 */


#ifndef _NGX_FED_WATCH_H_INCLUDED_
#define _NGX_FED_WATCH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_address.h"
#include "ngx_fed_due.h"
#include "ngx_fed_event.h"
#include "ngx_fed_hash.h"
#include "ngx_fed_presence.h"


typedef struct ngx_fed_watch_s   ngx_fed_watch_t;
typedef struct ngx_fed_dialog_s  ngx_fed_dialog_t;


/* the authorization of the watcher */

typedef enum {
    NGX_FED_WATCH_NONE = 0,
    NGX_FED_WATCH_PENDING,
    NGX_FED_WATCH_GRANTED,     /* until it is cancelled (RFC 8048, 5.1) */
    NGX_FED_WATCH_DENIED       /* until watch->until */
} ngx_fed_watch_e;


typedef enum {
    NGX_FED_TEXT_CALL_ID = 0,
    NGX_FED_TEXT_TAG,          /* theirs */
    NGX_FED_TEXT_TARGET,
    NGX_FED_TEXT_ROUTES,       /* as they go into Route; or empty */
    NGX_FED_TEXT_EVENT_ID,
    NGX_FED_TEXT_LOCAL,        /* URIs; empty: that of the user */
    NGX_FED_TEXT_REMOTE,
    NGX_FED_TEXTS
} ngx_fed_dialog_text_e;


/*
 * A watcher and whom he watches.  The layout is that of an allocation of 128
 * octets: there may be very many of them.
 */

struct ngx_fed_watch_s {
    ngx_rbtree_node_t             node;      /* by the first half of the id */
    ngx_fed_due_t                 due;       /* when there is no dialog */
    uint64_t                      id;        /* the second half */
    ngx_fed_dialog_t             *dialogs;
    u_char                       *names;
    u_char                       *presence;  /* packed, or NULL */
    uint32_t                      asked;     /* s: authorization, last time;
                                                or a dialog ahead of its time */
    uint32_t                      until;     /* s */
    uint32_t                      seen;      /* s: a sign of the watcher; of a
                                                SIP user, SUBSCRIBE */
    uint16_t                      presence_len;
    uint16_t                      names_len[3];  /* the last one follows */
    uint16_t                      names_size;
    uint8_t                       state;
    uint8_t                       ndialogs;
    uint8_t                       failures;  /* in a row */

    unsigned                      held:1;    /* of the presence, untold */
    unsigned                      sip:1;     /* the watcher is a SIP user */
    unsigned                      known:1;   /* the presence is */
    unsigned                      told:1;    /* the watcher knows of a grant */
    unsigned                      owed:1;    /* an answer to unsubscribe */
    unsigned                      slotted:1; /* its turn is at due */
    unsigned                      stale:1;   /* the presence may be old */

    uint32_t                      sent;      /* ms: a presence to the watcher */
};


/* a SIP dialog; again 128 octets */

struct ngx_fed_dialog_s {
    ngx_fed_due_t                 due;
    ngx_fed_watch_t              *watch;
    ngx_fed_dialog_t             *next;
    u_char                       *text;
    uint64_t                      tag;       /* ours */
    uint64_t                      expires;   /* ms */
    uint64_t                      sent;      /* ms: our last request */
    uint32_t                      cseq;      /* ours */
    uint32_t                      remote_cseq;
    uint32_t                      hash;      /* of what was sent last */
    uint32_t                      nonce;     /* of the process that waits for
                                                a response; 0: none does */
    uint16_t                      len[NGX_FED_TEXTS];
    uint8_t                       slot;      /* of that process */
    uint8_t                       failures;  /* in a row */
    uint8_t                       reason;    /* it ends, why; or 0 */

    unsigned                      dirty:1;   /* something is to be sent, */
    unsigned                      forced:1;  /* even if nothing changed */
    unsigned                      notified:1;    /* since we sent SUBSCRIBE */
    unsigned                      active:1;  /* NOTIFY said so */
    unsigned                      remote_set:1;  /* remote_cseq */
    unsigned                      retried:1; /* after 423 */
    unsigned                      slotted:1; /* its turn is at due */
    unsigned                      poll:1;    /* it was for one NOTIFY only */
    unsigned                      format:2;  /* of documents; the leg's */
};


/* how many watches a user or a domain has, or IM sessions a domain */

typedef struct {
    ngx_rbtree_node_t             node;      /* by a hash of 64 bits */
    uint32_t                      n;
} ngx_fed_tally_t;


typedef struct {
    ngx_fed_key_t                 key;       /* of the zone, for ids */
    ngx_rbtree_t                  watches;
    ngx_rbtree_node_t             watches_sentinel;
    ngx_rbtree_t                  tallies;
    ngx_rbtree_node_t             tallies_sentinel;
    ngx_uint_t                    nwatches;
    ngx_uint_t                    ndialogs;
    uint64_t                      changes;   /* so far, for the state file */
    ngx_fed_wheel_t               wheel;
} ngx_fed_watches_t;


/* the two users, the watcher first */

struct ngx_fed_pair_s {
    ngx_fed_address_t            *watcher;
    ngx_fed_address_t            *presentity;
    ngx_fed_key_t                 id;
};


ngx_int_t ngx_fed_watches_init(ngx_fed_watches_t *watches);
void ngx_fed_watches_clear(ngx_fed_conf_t *fcf);

void ngx_fed_pair(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_fed_address_t *watcher, ngx_fed_address_t *presentity);

/* all of the following want the zone to be locked */

ngx_fed_watch_t *ngx_fed_watch_find(ngx_fed_conf_t *fcf, ngx_fed_key_t *id);
ngx_fed_watch_t *ngx_fed_watch_add(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_uint_t sip, ngx_uint_t unlimited);
void ngx_fed_watch_free(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch);
ngx_int_t ngx_fed_watch_pair(ngx_fed_conf_t *fcf, ngx_pool_t *pool,
    ngx_fed_watch_t *watch, ngx_fed_pair_t *pair);
void ngx_fed_watch_names(ngx_fed_watch_t *watch, ngx_str_t *names);
ngx_int_t ngx_fed_watch_presence(ngx_fed_watch_t *watch,
    ngx_fed_presence_t *presence);
ngx_int_t ngx_fed_watch_set_presence(ngx_fed_conf_t *fcf,
    ngx_fed_watch_t *watch, ngx_fed_presence_t *presence);
void ngx_fed_watch_due(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch,
    ngx_msec_t time);
void ngx_fed_watch_changed(ngx_fed_conf_t *fcf);

uint64_t ngx_fed_watch_hash(ngx_fed_conf_t *fcf, ngx_str_t *user,
    ngx_str_t *domain);
void ngx_fed_tally_add(ngx_fed_conf_t *fcf, uint64_t hash, ngx_int_t add);
ngx_uint_t ngx_fed_tally(ngx_fed_conf_t *fcf, uint64_t hash);

ngx_fed_dialog_t *ngx_fed_dialog_add(ngx_fed_conf_t *fcf,
    ngx_fed_watch_t *watch, ngx_str_t *texts);
ngx_int_t ngx_fed_dialog_set_texts(ngx_fed_conf_t *fcf,
    ngx_fed_dialog_t *dialog, ngx_str_t *texts);
void ngx_fed_dialog_texts(ngx_fed_dialog_t *dialog, ngx_str_t *texts);
u_char *ngx_fed_texts_pack(ngx_fed_conf_t *fcf, ngx_str_t *texts,
    uint16_t *len);
void ngx_fed_texts_unpack(u_char *text, uint16_t *len, ngx_str_t *texts);
ngx_fed_dialog_t *ngx_fed_watch_live(ngx_fed_watch_t *watch);
ngx_fed_dialog_t *ngx_fed_dialog_find(ngx_fed_watch_t *watch, uint64_t tag);
ngx_fed_dialog_t *ngx_fed_dialog_lookup(ngx_fed_conf_t *fcf, ngx_fed_key_t *id,
    ngx_uint_t sip, uint64_t tag);
void ngx_fed_dialog_free(ngx_fed_conf_t *fcf, ngx_fed_dialog_t *dialog);
void ngx_fed_dialog_due(ngx_fed_conf_t *fcf, ngx_fed_dialog_t *dialog,
    ngx_msec_t time);
void ngx_fed_due_find(ngx_fed_due_t *due, ngx_fed_watch_t **watch,
    ngx_fed_dialog_t **dialog);


#define ngx_fed_seconds()        ((uint32_t) (ngx_current_msec / 1000))
#define ngx_fed_in_seconds(ms)   (((ms) + 999) / 1000)


#endif /* _NGX_FED_WATCH_H_INCLUDED_ */
