
/*
 * Presence of a user: what each of his resources says, and how that is kept
 * in the zone.
 */


#ifndef _NGX_FED_PRESENCE_H_INCLUDED_
#define _NGX_FED_PRESENCE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_FED_RESOURCES        16      /* of a user */
#define NGX_FED_STATUSES         4       /* of a resource: languages */
#define NGX_FED_STATUS_LEN       1023    /* octets of one text */
#define NGX_FED_LANG_LEN         35      /* RFC 5646, 4.4.1 */

#define NGX_FED_NO_PRIORITY      -1000


/* RFC 6121, 4.7.2.1 */

typedef enum {
    NGX_FED_SHOW_NONE = 0,
    NGX_FED_SHOW_AWAY,
    NGX_FED_SHOW_CHAT,
    NGX_FED_SHOW_DND,
    NGX_FED_SHOW_XA
} ngx_fed_show_e;


typedef struct {
    ngx_str_t                     lang;      /* or empty */
    ngx_str_t                     text;      /* UTF-8 */
} ngx_fed_status_t;


typedef struct {
    ngx_str_t                     name;      /* plain text; empty: bare JID */
    ngx_fed_show_e                show;
    ngx_int_t                     priority;  /* -128 .. 127, or none */
    time_t                        stamp;     /* of the last change; 0: none */
    ngx_uint_t                    nstatuses;
    ngx_fed_status_t              statuses[NGX_FED_STATUSES];

    unsigned                      available:1;
    unsigned                      untold:1;  /* what it says is held back */
} ngx_fed_resource_t;


/* the complete state of a user, his resources in a stable order */

typedef struct {
    ngx_uint_t                    n;
    ngx_fed_resource_t            resources[NGX_FED_RESOURCES];
} ngx_fed_presence_t;


/* a presence as the zone and the state file keep it */

#define NGX_FED_PACKED_MAX       4096


ngx_fed_resource_t *ngx_fed_presence_find(ngx_fed_presence_t *presence,
    ngx_str_t *name);
ngx_fed_resource_t *ngx_fed_presence_add(ngx_fed_presence_t *presence,
    ngx_str_t *name);
void ngx_fed_presence_remove(ngx_fed_presence_t *presence,
    ngx_fed_resource_t *resource);
ngx_uint_t ngx_fed_presence_open(ngx_fed_presence_t *presence);
ngx_uint_t ngx_fed_resource_equal(ngx_fed_resource_t *a,
    ngx_fed_resource_t *b);

size_t ngx_fed_presence_pack(u_char *dst, ngx_fed_presence_t *presence);
ngx_int_t ngx_fed_presence_unpack(u_char *src, size_t len,
    ngx_fed_presence_t *presence);


#endif /* _NGX_FED_PRESENCE_H_INCLUDED_ */
