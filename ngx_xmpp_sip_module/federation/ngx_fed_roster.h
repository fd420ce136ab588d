
/*
 * Who may see whom: the authorization state machine of RFC 8048, which joins
 * the one of RFC 6121, appendix A, to subscriptions of RFC 6665.
 */


#ifndef _NGX_FED_ROSTER_H_INCLUDED_
#define _NGX_FED_ROSTER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_event.h"
#include "ngx_fed_presence.h"
#include "ngx_fed_watch.h"


/* why a SIP watcher sees nothing any longer, RFC 6665, 4.1.3 */

typedef enum {
    NGX_FED_END_NONE = 0,
    NGX_FED_END_DEACTIVATED,
    NGX_FED_END_NORESOURCE,
    NGX_FED_END_PROBATION,
    NGX_FED_END_REJECTED,
    NGX_FED_END_TIMEOUT
} ngx_fed_end_e;


/* what is to be done once the zone is unlocked */

#define NGX_FED_TODO_REFUSE       0x01
#define NGX_FED_TODO_SUBSCRIBE    0x02
#define NGX_FED_TODO_PROBE        0x04
#define NGX_FED_TODO_UNAVAILABLE  0x08
#define NGX_FED_TODO_UNSUBSCRIBE  0x10


/* an event of the XMPP side that policy has let pass */

void ngx_fed_roster_event(ngx_fed_event_t *ev);

/* an XMPP user watches a SIP user */

void ngx_fed_roster_notified(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_fed_presence_t *presence);
void ngx_fed_roster_refused(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair);
void ngx_fed_roster_lost(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair);
void ngx_fed_roster_idle(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair);
void ngx_fed_roster_unheard(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair);
void ngx_fed_roster_refresh(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair);
void ngx_fed_roster_ended(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair);
ngx_uint_t ngx_fed_roster_active(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair);
void ngx_fed_roster_retry(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch,
    ngx_uint_t seconds);
ngx_msec_t ngx_fed_roster_delay(ngx_fed_conf_t *fcf, ngx_uint_t failures);

/* a SIP user watches an XMPP user */

ngx_uint_t ngx_fed_roster_watch(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch);
ngx_uint_t ngx_fed_roster_poll(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch);
ngx_uint_t ngx_fed_roster_unwatch(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch,
    ngx_fed_pair_t *pair);
void ngx_fed_roster_todo(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_uint_t todo);
void ngx_fed_roster_failed(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_fed_outcome_t *outcome);
void ngx_fed_roster_error(ngx_fed_conf_t *fcf, ngx_fed_address_t *from,
    ngx_fed_address_t *to, ngx_fed_outcome_t *outcome);

void ngx_fed_roster_due(ngx_fed_conf_t *fcf, ngx_fed_key_t *id, uint64_t tag);


#endif /* _NGX_FED_ROSTER_H_INCLUDED_ */
