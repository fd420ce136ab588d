
/*
 * The shared zone: what all workers of a federation know.
 */


#ifndef _NGX_FED_ZONE_H_INCLUDED_
#define _NGX_FED_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_event.h"
#include "ngx_fed_notes.h"
#include "ngx_fed_rate.h"
#include "ngx_fed_session.h"
#include "ngx_fed_turn.h"
#include "ngx_fed_watch.h"


#define NGX_FED_SECRET_LEN        64     /* hex text, XEP-0185 */

#define NGX_FED_ID_LEN            40     /* at most */
#define NGX_FED_ANSWER_TEXT       160


/*
 * An id of ours: it names the process that waits for its answer.  Its text is
 * made of hex digits and fits a stanza id as well as a SIP branch.
 */

typedef struct {
    ngx_uint_t                    slot;
    uint32_t                      nonce;     /* of the process in the slot */
    uint64_t                      seq;       /* of the request within it */
} ngx_fed_id_t;


/* an answer that arrived at another worker than the one that waits for it */

typedef enum {
    NGX_FED_ANSWER_STANZA = 0,    /* iq result or error, or a bounce */
    NGX_FED_ANSWER_RESPONSE       /* SIP final response */
} ngx_fed_answer_e;


struct ngx_fed_answer_s {
    ngx_fed_answer_e              kind;
    uint64_t                      seq;
    ngx_fed_outcome_t             outcome;   /* strings lie in data */
    ngx_str_t                     from;      /* domain the answer is from */
    ngx_str_t                     to;        /* domain it is for */
    u_char                        data[4 * NGX_FED_ANSWER_TEXT];
};


/* the streams on which a remote domain sends to one of ours, all workers */

typedef struct {
    uint32_t                      opened;    /* so far */
    uint32_t                      broken;    /* of these, without an end tag */
    uint32_t                      open;      /* at the moment */
} ngx_fed_streams_t;


typedef enum {
    NGX_FED_COUNT_ACCEPTED = 0,
    NGX_FED_COUNT_REFUSED,
    NGX_FED_COUNT_FAILED,
    NGX_FED_COUNT_LATE,
    NGX_FED_COUNTS
} ngx_fed_count_e;


typedef enum {
    NGX_FED_GAUGE_AUTHORIZATIONS = 0,
    NGX_FED_GAUGE_DIALOGS,
    NGX_FED_GAUGE_FREE         /* octets of the zone */
} ngx_fed_gauge_e;


char *ngx_fed_zone_add(ngx_conf_t *cf, ngx_fed_conf_t *fcf, ngx_str_t *name,
    ssize_t size);

ngx_int_t ngx_fed_zone_init_module(ngx_cycle_t *cycle);
ngx_int_t ngx_fed_zone_init_process(ngx_fed_conf_t *fcf, ngx_cycle_t *cycle);
ngx_int_t ngx_fed_zone_listen(ngx_array_t *federations, ngx_cycle_t *cycle);
ngx_uint_t ngx_fed_zone_exit_process(ngx_fed_conf_t *fcf);
void ngx_fed_zone_set_pending(ngx_fed_conf_t *fcf, ngx_uint_t n);
ngx_uint_t ngx_fed_zone_pending(ngx_fed_conf_t *fcf);
ngx_int_t ngx_fed_zone_renew(ngx_fed_conf_t *fcf);

ngx_uint_t ngx_fed_zone_counter(ngx_fed_conf_t *fcf, ngx_fed_kind_e kind,
    ngx_fed_leg_t *source, ngx_fed_count_e count);

ngx_uint_t ngx_fed_zone_gauge(ngx_fed_conf_t *fcf, ngx_fed_gauge_e gauge);

u_char *ngx_fed_zone_secret(ngx_fed_conf_t *fcf);

ngx_rbtree_key_t ngx_fed_zone_hash(u_char *p, size_t len);
void ngx_fed_zone_count(ngx_fed_conf_t *fcf, ngx_fed_kind_e kind,
    ngx_fed_leg_t *source, ngx_fed_count_e count);

ngx_int_t ngx_fed_zone_stream_opened(ngx_fed_conf_t *fcf, ngx_str_t *remote,
    ngx_str_t *local);
void ngx_fed_zone_stream_closed(ngx_fed_conf_t *fcf, ngx_str_t *remote,
    ngx_str_t *local, ngx_uint_t broken);
ngx_fed_streams_t ngx_fed_zone_streams(ngx_fed_conf_t *fcf, ngx_str_t *remote,
    ngx_str_t *local);

ngx_uint_t ngx_fed_zone_number(ngx_fed_conf_t *fcf, ngx_uint_t n);
void ngx_fed_zone_set_number(ngx_fed_conf_t *fcf, ngx_uint_t number);
ngx_int_t ngx_fed_zone_note(ngx_fed_conf_t *fcf, u_char *key,
    ngx_str_t *text);
ngx_int_t ngx_fed_zone_noted(ngx_fed_conf_t *fcf, u_char *key, u_char *dst,
    size_t *len);

ngx_int_t ngx_fed_zone_choice(ngx_fed_conf_t *fcf, ngx_fed_key_t *key,
    void *dst, size_t size);
void ngx_fed_zone_choose(ngx_fed_conf_t *fcf, ngx_fed_key_t *key, void *src,
    size_t size);

void ngx_fed_zone_lock(ngx_fed_conf_t *fcf);
void ngx_fed_zone_unlock(ngx_fed_conf_t *fcf);
void *ngx_fed_zone_alloc(ngx_fed_conf_t *fcf, size_t size);
void *ngx_fed_zone_alloc_reserve(ngx_fed_conf_t *fcf, size_t size);
void ngx_fed_zone_free(ngx_fed_conf_t *fcf, void *p);
ngx_fed_rates_t *ngx_fed_zone_rates(ngx_fed_conf_t *fcf);
ngx_fed_watches_t *ngx_fed_zone_watches(ngx_fed_conf_t *fcf);
ngx_fed_sessions_t *ngx_fed_zone_sessions(ngx_fed_conf_t *fcf);
ngx_fed_turns_t *ngx_fed_zone_turns(ngx_fed_conf_t *fcf);
void ngx_fed_zone_due(ngx_fed_conf_t *fcf, ngx_fed_due_t *due,
    ngx_msec_t time);
ngx_msec_t ngx_fed_zone_turn(ngx_fed_conf_t *fcf);
uint32_t ngx_fed_zone_self(ngx_fed_conf_t *fcf, ngx_uint_t *slot);
ngx_uint_t ngx_fed_zone_alive(ngx_fed_conf_t *fcf, ngx_uint_t slot,
    uint32_t nonce);

uint64_t ngx_fed_id_next(ngx_fed_conf_t *fcf);
u_char *ngx_fed_id_text(ngx_fed_conf_t *fcf, u_char *dst, uint64_t seq);
ngx_int_t ngx_fed_id_parse(ngx_fed_conf_t *fcf, u_char *text, size_t len,
    ngx_fed_id_t *id);
ngx_int_t ngx_fed_id_mine(ngx_fed_conf_t *fcf, ngx_fed_id_t *id);

ngx_int_t ngx_fed_zone_hand_over(ngx_fed_conf_t *fcf, ngx_fed_leg_t *leg,
    ngx_fed_id_t *id, ngx_fed_answer_t *answer);


#endif /* _NGX_FED_ZONE_H_INCLUDED_ */
