
/*
 * Which of two zones serves a federation, while the workers of one binary, or
 * of one configuration, take the place of those of another.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_md5.h>
#include <sys/mman.h>
#include "ngx_fed.h"


/*
 * A binary that takes the place of another has a zone of its own.  Two of them
 * would send within the same dialogs, so one serves, and the workers of the
 * other one accept nothing until the last worker of the former has left, or
 * has been about to leave for some time; then they begin with its state file.
 *
 * What both know is a file without a name, whose descriptor the new binary
 * inherits, as it does those of the listening sockets.  Locks on its octets
 * tell who is there: they go with the process that has them, however it ends.
 */

#define NGX_FED_UPGRADE_VAR      "NGX_XMPP_SIP"
#define NGX_FED_UPGRADE_MAGIC    0x3247464e  /* "NFG2" */
#define NGX_FED_UPGRADE_ENTRIES  256

#define NGX_FED_UPGRADE_NUMBER   65536       /* drawn by those who leave */
#define NGX_FED_UPGRADE_POLL     50          /* ms between looks */
#define NGX_FED_UPGRADE_PATIENCE 5000        /* ms with those who leave */
#define NGX_FED_UPGRADE_AGAIN    1000        /* ms, if there is no state */

/* octets, of each entry, that are locked */

#define NGX_FED_UPGRADE_TAKE     0           /* by who takes, or writes */
#define NGX_FED_UPGRADE_ALIVE    1           /* by who may use the zone */
#define NGX_FED_UPGRADE_STAYS    2           /* ... and does not leave */
#define NGX_FED_UPGRADE_WAITS    3           /* by who waits for that */
#define NGX_FED_UPGRADE_LOCKS    4


typedef struct {
    u_char                        key[16];
    uint64_t                      owner;     /* id of the zone that serves */
    uint64_t                      number;    /* ngx_fed_zone_number(), of one
                                                that served */
    u_char                        secret[NGX_FED_SECRET_LEN];
} ngx_fed_upgrade_entry_t;


typedef struct {
    uint32_t                      magic;
    uint32_t                      size;      /* of this */
    ngx_fed_upgrade_entry_t       entries[NGX_FED_UPGRADE_ENTRIES];
} ngx_fed_upgrade_table_t;


struct ngx_fed_upgrade_s {
    ngx_fed_upgrade_entry_t      *entry;     /* NULL: there is no other one */
    off_t                         locks;
    uint64_t                      id;        /* of the zone */

    /* a process' own */

    ngx_msec_t                    left;      /* since when nobody stays */
    ngx_msec_t                    again;     /* not before; or 0 */
    ngx_array_t                   held;      /* ngx_connection_t * */
    ngx_event_t                   event;
    unsigned                      leaving:1;
};


static ngx_int_t ngx_fed_upgrade_open(ngx_log_t *log);
static ngx_int_t ngx_fed_upgrade_map(ngx_log_t *log);
static ngx_fed_upgrade_entry_t *ngx_fed_upgrade_entry(ngx_fed_conf_t *fcf,
    ngx_log_t *log);
static ngx_int_t ngx_fed_upgrade_join(ngx_fed_conf_t *fcf);
static void ngx_fed_upgrade_handler(ngx_event_t *ev);
static ngx_int_t ngx_fed_upgrade_fcntl(ngx_fed_upgrade_t *upgrade, int cmd,
    int type, ngx_uint_t lock);
static ngx_uint_t ngx_fed_upgrade_locked(ngx_fed_upgrade_t *upgrade,
    ngx_uint_t lock);


/* The master's, and of the binary that comes after it. */

static ngx_fd_t                  ngx_fed_upgrade_fd = NGX_INVALID_FILE;
static ngx_fed_upgrade_table_t  *ngx_fed_upgrade_table;


char *
ngx_fed_upgrade_add(ngx_conf_t *cf, ngx_fed_conf_t *fcf)
{
    fcf->upgrade = ngx_pcalloc(cf->pool, sizeof(ngx_fed_upgrade_t));
    if (fcf->upgrade == NULL) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/*
 * Called in the master when the zone with this id is made, or is there.
 * Returns NGX_OK if it serves, NGX_AGAIN if another one does as yet, or
 * NGX_ERROR.
 */

ngx_int_t
ngx_fed_upgrade_init_zone(ngx_fed_conf_t *fcf, uint64_t id, ngx_log_t *log)
{
    ngx_int_t           rc;
    ngx_fed_upgrade_t  *upgrade;

    upgrade = fcf->upgrade;

    upgrade->id = id;

    if (ngx_test_config) {
        return NGX_OK;
    }

    if (ngx_fed_upgrade_open(log) != NGX_OK) {
        return NGX_ERROR;
    }

    upgrade->entry = ngx_fed_upgrade_entry(fcf, log);

    if (upgrade->entry == NULL) {
        return NGX_OK;
    }

    upgrade->locks = (off_t) (upgrade->entry - ngx_fed_upgrade_table->entries)
                     * NGX_FED_UPGRADE_LOCKS;

    ngx_fed_upgrade_lock(fcf);

    rc = NGX_OK;

    if (upgrade->entry->owner != id) {

        if (ngx_fed_upgrade_locked(upgrade, NGX_FED_UPGRADE_ALIVE)) {
            rc = NGX_AGAIN;

        } else {
            upgrade->entry->owner = id;
        }
    }

    ngx_fed_upgrade_unlock(fcf);

    return rc;
}


/* Finds the table that the binary before has left, or makes one. */

static ngx_int_t
ngx_fed_upgrade_open(ngx_log_t *log)
{
    char       *value;
    ngx_int_t   n;

    if (ngx_fed_upgrade_table) {
        return NGX_OK;
    }

    value = getenv(NGX_FED_UPGRADE_VAR);

    if (value) {
        n = ngx_atoi((u_char *) value, ngx_strlen(value));

        if (n > 2) {
            ngx_fed_upgrade_fd = (ngx_fd_t) n;

            if (ngx_fed_upgrade_map(log) == NGX_OK) {
                return NGX_OK;
            }
        }

        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "the binary before has left nothing that is understood "
                      "in the environment variable " NGX_FED_UPGRADE_VAR);
    }

    ngx_fed_upgrade_fd = memfd_create("ngx_xmpp_sip", 0);

    if (ngx_fed_upgrade_fd == NGX_INVALID_FILE
        || ftruncate(ngx_fed_upgrade_fd, sizeof(ngx_fed_upgrade_table_t))
           == -1)
    {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "memfd_create() failed");
        return NGX_ERROR;
    }

    return ngx_fed_upgrade_map(log);
}


static ngx_int_t
ngx_fed_upgrade_map(ngx_log_t *log)
{
    ngx_file_info_t           fi;
    ngx_fed_upgrade_table_t  *table;

    if (ngx_fd_info(ngx_fed_upgrade_fd, &fi) == NGX_FILE_ERROR
        || !ngx_is_file(&fi)
        || ngx_file_size(&fi) != (off_t) sizeof(ngx_fed_upgrade_table_t))
    {
        return NGX_DECLINED;
    }

    table = mmap(NULL, sizeof(ngx_fed_upgrade_table_t), PROT_READ|PROT_WRITE,
                 MAP_SHARED, ngx_fed_upgrade_fd, 0);

    if (table == MAP_FAILED) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "mmap() failed");
        return NGX_ERROR;
    }

    if (table->magic == 0 && table->size == 0) {
        table->magic = NGX_FED_UPGRADE_MAGIC;
        table->size = sizeof(ngx_fed_upgrade_table_t);
    }

    if (table->magic != NGX_FED_UPGRADE_MAGIC
        || table->size != sizeof(ngx_fed_upgrade_table_t))
    {
        (void) munmap(table, sizeof(ngx_fed_upgrade_table_t));
        return NGX_DECLINED;
    }

    ngx_fed_upgrade_table = table;

    return NGX_OK;
}


/* Who has one state file is one federation, whatever its zone is called. */

static ngx_fed_upgrade_entry_t *
ngx_fed_upgrade_entry(ngx_fed_conf_t *fcf, ngx_log_t *log)
{
    u_char                    key[16];
    ngx_str_t                *name;
    ngx_md5_t                 md5;
    ngx_uint_t                i;
    ngx_fed_upgrade_entry_t  *entry;

    name = fcf->state ? &fcf->state->name : &fcf->zone_name;

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, fcf->state ? "state" : "zone ", 5);
    ngx_md5_update(&md5, name->data, name->len);
    ngx_md5_final(key, &md5);

    for (i = 0; i < NGX_FED_UPGRADE_ENTRIES; i++) {
        entry = &ngx_fed_upgrade_table->entries[i];

        if (entry->owner == 0) {
            ngx_memcpy(entry->key, key, 16);
            return entry;
        }

        if (ngx_memcmp(entry->key, key, 16) == 0) {
            return entry;
        }
    }

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "too many federations: \"%V\" can not be upgraded on the "
                  "fly, restart nginx instead", &fcf->name);

    return NULL;
}


/* Called in the master before it forks: the next binary finds the table. */

ngx_int_t
ngx_fed_upgrade_init_module(ngx_cycle_t *cycle)
{
    u_char           *p;
    ngx_str_t        *var;
    ngx_core_conf_t  *ccf;

    if (ngx_fed_upgrade_table == NULL) {
        return NGX_OK;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    p = ngx_pnalloc(cycle->pool, sizeof(NGX_FED_UPGRADE_VAR "=")
                                 + NGX_INT_T_LEN);
    var = ngx_array_push(&ccf->env);

    if (p == NULL || var == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(p, NGX_FED_UPGRADE_VAR "=%d%Z", ngx_fed_upgrade_fd);

    /* as of "env": the value follows the name */

    var->len = sizeof(NGX_FED_UPGRADE_VAR) - 1;
    var->data = p;

    return NGX_OK;
}


/* Called in each worker: joins those who serve, or begins to wait. */

ngx_int_t
ngx_fed_upgrade_init_process(ngx_fed_conf_t *fcf, ngx_cycle_t *cycle)
{
    ngx_fed_upgrade_t  *upgrade;

    upgrade = fcf->upgrade;

    if (ngx_array_init(&upgrade->held, cycle->pool, 4,
                       sizeof(ngx_connection_t *))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_fed_upgrade_join(fcf) == NGX_OK) {
        return NGX_OK;
    }

    (void) ngx_fed_upgrade_fcntl(upgrade, F_SETLK, F_RDLCK,
                                 NGX_FED_UPGRADE_WAITS);

    upgrade->event.handler = ngx_fed_upgrade_handler;
    upgrade->event.data = fcf;
    upgrade->event.log = cycle->log;
    upgrade->event.cancelable = 1;

    ngx_add_timer(&upgrade->event, NGX_FED_UPGRADE_POLL);

    ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                  "federation \"%V\" waits for the workers before to leave",
                  &fcf->name);

    return NGX_OK;
}


static ngx_int_t
ngx_fed_upgrade_join(ngx_fed_conf_t *fcf)
{
    ngx_fed_upgrade_t  *upgrade;

    upgrade = fcf->upgrade;

    if (!ngx_fed_upgrade_serves(fcf)) {
        return NGX_AGAIN;
    }

    if (upgrade->entry == NULL) {
        return NGX_OK;
    }

    (void) ngx_fed_upgrade_fcntl(upgrade, F_SETLKW, F_RDLCK,
                                 NGX_FED_UPGRADE_ALIVE);
    (void) ngx_fed_upgrade_fcntl(upgrade, F_SETLKW, F_RDLCK,
                                 NGX_FED_UPGRADE_STAYS);

    /* somebody may have taken it meanwhile */

    if (!ngx_fed_upgrade_serves(fcf)) {
        (void) ngx_fed_upgrade_fcntl(upgrade, F_SETLK, F_UNLCK,
                                     NGX_FED_UPGRADE_ALIVE);
        (void) ngx_fed_upgrade_fcntl(upgrade, F_SETLK, F_UNLCK,
                                     NGX_FED_UPGRADE_STAYS);
        return NGX_AGAIN;
    }

    return NGX_OK;
}


/*
 * A worker that waits does not accept on a listening socket: those who serve
 * do.  Returns NGX_ERROR if that is not possible.
 */

ngx_int_t
ngx_fed_upgrade_hold(ngx_fed_conf_t *fcf, ngx_connection_t *c)
{
    ngx_connection_t   **held;
    ngx_fed_upgrade_t   *upgrade;

    upgrade = fcf->upgrade;

    if (!upgrade->event.timer_set || !c->read->active) {
        return NGX_OK;
    }

    held = ngx_array_push(&upgrade->held);

    if (held == NULL || ngx_del_event(c->read, NGX_READ_EVENT, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    *held = c;

    return NGX_OK;
}


static void
ngx_fed_upgrade_handler(ngx_event_t *ev)
{
    ngx_uint_t           i;
    ngx_fed_conf_t      *fcf;
    ngx_connection_t   **held;
    ngx_fed_upgrade_t   *upgrade;

    fcf = ev->data;
    upgrade = fcf->upgrade;

    if (ngx_exiting) {
        return;
    }

    /* with a state file the process that writes it takes */

    if ((fcf->state == NULL && ngx_fed_upgrade_take(fcf) != NGX_OK)
        || ngx_fed_upgrade_join(fcf) != NGX_OK)
    {
        ngx_add_timer(ev, NGX_FED_UPGRADE_POLL);
        return;
    }

    (void) ngx_fed_upgrade_fcntl(upgrade, F_SETLK, F_UNLCK,
                                 NGX_FED_UPGRADE_WAITS);

    held = upgrade->held.elts;

    for (i = 0; i < upgrade->held.nelts; i++) {

        if (!held[i]->read->active
            && ngx_add_event(held[i]->read, NGX_READ_EVENT, 0) != NGX_OK)
        {
            ngx_log_error(NGX_LOG_ALERT, ev->log, 0,
                          "federation \"%V\" can not accept connections",
                          &fcf->name);
        }
    }

    upgrade->held.nelts = 0;

    ngx_log_error(NGX_LOG_NOTICE, ev->log, 0,
                  "federation \"%V\" is served from now on", &fcf->name);
}


/*
 * Called in a worker that is told to finish what it has: who waits may take
 * soon.
 */

void
ngx_fed_upgrade_leave(ngx_fed_conf_t *fcf)
{
    ngx_fed_upgrade_t  *upgrade;

    upgrade = fcf->upgrade;

    if (upgrade->entry == NULL || upgrade->leaving
        || !ngx_fed_upgrade_serves(fcf))
    {
        return;
    }

    upgrade->leaving = 1;
    upgrade->entry->number = ngx_fed_zone_number(fcf, 0);

    /*
     * each one that leaves writes, as it can not tell whether it is the last
     * worker: the cache manager process stays, too
     */

    if (ngx_fed_upgrade_locked(upgrade, NGX_FED_UPGRADE_WAITS)) {
        ngx_fed_state_exit(fcf);
    }

    (void) ngx_fed_upgrade_fcntl(upgrade, F_SETLK, F_UNLCK,
                                 NGX_FED_UPGRADE_STAYS);
}


/* Returns the dialback secret of the binary before, with room for one. */

u_char *
ngx_fed_upgrade_secret(ngx_fed_conf_t *fcf)
{
    ngx_fed_upgrade_t  *upgrade;

    upgrade = fcf->upgrade;

    return upgrade->entry ? upgrade->entry->secret : NULL;
}


/* Tells whether it is the zone of this process that serves. */

ngx_uint_t
ngx_fed_upgrade_serves(ngx_fed_conf_t *fcf)
{
    ngx_fed_upgrade_t  *upgrade;

    upgrade = fcf->upgrade;

    return upgrade->entry == NULL
           || *(volatile uint64_t *) &upgrade->entry->owner == upgrade->id;
}


/*
 * Takes the federation over if nobody serves it any more, with what the state
 * file says.  Returns NGX_OK if this zone serves now, else NGX_AGAIN.
 */

ngx_int_t
ngx_fed_upgrade_take(ngx_fed_conf_t *fcf)
{
    ngx_int_t           rc;
    ngx_fed_upgrade_t  *upgrade;

    upgrade = fcf->upgrade;

    if (upgrade->entry == NULL) {
        return NGX_OK;
    }

    if (ngx_fed_upgrade_serves(fcf)) {
        return ngx_fed_upgrade_join(fcf);
    }

    if (upgrade->again
        && (ngx_msec_int_t) (ngx_current_msec - upgrade->again) < 0)
    {
        return NGX_AGAIN;
    }

    if (ngx_fed_upgrade_locked(upgrade, NGX_FED_UPGRADE_STAYS)) {
        upgrade->left = 0;
        return NGX_AGAIN;
    }

    if (upgrade->left == 0) {
        upgrade->left = ngx_max(ngx_current_msec, 1);
    }

    if (ngx_fed_upgrade_locked(upgrade, NGX_FED_UPGRADE_ALIVE)
        && ngx_current_msec - upgrade->left < NGX_FED_UPGRADE_PATIENCE)
    {
        return NGX_AGAIN;
    }

    if (ngx_fed_upgrade_fcntl(upgrade, F_SETLK, F_WRLCK, NGX_FED_UPGRADE_TAKE)
        != NGX_OK)
    {
        return NGX_AGAIN;
    }

    upgrade->left = 0;
    rc = NGX_AGAIN;

    if (!ngx_fed_upgrade_locked(upgrade, NGX_FED_UPGRADE_STAYS)
        && !ngx_fed_upgrade_serves(fcf))
    {
        if (ngx_fed_zone_renew(fcf) == NGX_OK) {
            ngx_fed_zone_set_number(fcf, (ngx_uint_t) upgrade->entry->number
                                         + NGX_FED_UPGRADE_NUMBER);

            *(volatile uint64_t *) &upgrade->entry->owner = upgrade->id;
            rc = ngx_fed_upgrade_join(fcf);

        } else {
            ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                          "federation \"%V\" is not served until its state "
                          "can be read", &fcf->name);

            upgrade->again = ngx_current_msec + NGX_FED_UPGRADE_AGAIN;
        }
    }

    ngx_fed_upgrade_unlock(fcf);

    return rc;
}


/* Between these two no other process takes, or writes the state file. */

void
ngx_fed_upgrade_lock(ngx_fed_conf_t *fcf)
{
    if (fcf->upgrade->entry) {
        (void) ngx_fed_upgrade_fcntl(fcf->upgrade, F_SETLKW, F_WRLCK,
                                     NGX_FED_UPGRADE_TAKE);
    }
}


void
ngx_fed_upgrade_unlock(ngx_fed_conf_t *fcf)
{
    if (fcf->upgrade->entry) {
        (void) ngx_fed_upgrade_fcntl(fcf->upgrade, F_SETLK, F_UNLCK,
                                     NGX_FED_UPGRADE_TAKE);
    }
}


static ngx_int_t
ngx_fed_upgrade_fcntl(ngx_fed_upgrade_t *upgrade, int cmd, int type,
    ngx_uint_t lock)
{
    struct flock  fl;

    ngx_memzero(&fl, sizeof(struct flock));

    fl.l_type = type;
    fl.l_whence = SEEK_SET;
    fl.l_start = upgrade->locks + lock;
    fl.l_len = 1;

    while (fcntl(ngx_fed_upgrade_fd, cmd, &fl) == -1) {

        if (ngx_errno != NGX_EINTR) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* Tells whether another process has a lock. */

static ngx_uint_t
ngx_fed_upgrade_locked(ngx_fed_upgrade_t *upgrade, ngx_uint_t lock)
{
    struct flock  fl;

    ngx_memzero(&fl, sizeof(struct flock));

    fl.l_type = F_WRLCK;
    fl.l_whence = SEEK_SET;
    fl.l_start = upgrade->locks + lock;
    fl.l_len = 1;

    return fcntl(ngx_fed_upgrade_fd, F_GETLK, &fl) != -1
           && fl.l_type != F_UNLCK;
}
