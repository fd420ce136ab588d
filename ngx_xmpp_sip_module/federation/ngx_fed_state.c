
/*
 * The state file: what of the zone is to be there again after a restart.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_fed.h"


#define NGX_FED_STATE_MAGIC      "nginxfed"
#define NGX_FED_STATE_ORDER      0x01020304      /* of octets */
#define NGX_FED_STATE_VERSION    2

#define NGX_FED_STATE_NAME       "/state"
#define NGX_FED_STATE_NEW        "/state.new-"   /* and a process slot */
#define NGX_FED_STATE_BAD        "/state.bad-"

#define NGX_FED_STATE_BUFFER     (256 * 1024)
#define NGX_FED_STATE_RECORD     (64 * 1024)     /* then no more dialogs */
#define NGX_FED_STATE_ROOM       (3 * NGX_FED_STATE_RECORD)
#define NGX_FED_STATE_INTERVAL   5000
#define NGX_FED_STATE_WAIT       50
#define NGX_FED_STATE_TELL       60000   /* ms between logs of failures */
#define NGX_FED_STATE_CSEQ       1024    /* requests that were not recorded */
#define NGX_FED_STATE_OLD        0x3fffffff      /* s */
#define NGX_FED_STATE_NUMBER     65536   /* requests beyond dialogs, the same */

#define NGX_FED_STATE_DOMAIN     255
#define NGX_FED_STATE_DOMAIN_CHARS                                            \
    "abcdefghijklmnopqrstuvwxyz0123456789-._:[]"

#define NGX_FED_STATE_BOOT       36
#define NGX_FED_STATE_BOOT_FILE  "/proc/sys/kernel/random/boot_id"

#define NGX_FED_STATE_SIP        0x01
#define NGX_FED_STATE_KNOWN      0x02
#define NGX_FED_STATE_TOLD       0x04
#define NGX_FED_STATE_SEEN       0x08            /* is meant, of a SIP user */

#define NGX_FED_STATE_ACTIVE     0x01
#define NGX_FED_STATE_REMOTE     0x02
#define NGX_FED_STATE_FORMAT     2               /* bits to shift by */
#define NGX_FED_STATE_FORMATS    0x03


typedef struct {
    u_char                        magic[8];
    uint32_t                      order;
    uint32_t                      version;
    int64_t                       time;          /* s, since 1970 */
    int64_t                       uptime;        /* ms, since the boot */
    uint64_t                      number;        /* ngx_fed_zone_number() */
    u_char                        boot[NGX_FED_STATE_BOOT];
    u_char                        unused[4];
} ngx_fed_state_header_t;


/* names, presence and dialogs follow; times are relative to the header's */

typedef struct {
    int32_t                       asked;         /* s */
    int32_t                       until;         /* s */
    int32_t                       seen;          /* s */
    uint16_t                      size;          /* of all names */
    uint16_t                      len[3];
    uint16_t                      presence;
    uint8_t                       state;
    uint8_t                       flags;
    uint8_t                       failures;
    uint8_t                       ndialogs;
} ngx_fed_state_watch_t;


/* texts follow */

typedef struct {
    uint64_t                      tag;
    int64_t                       expires;       /* ms */
    uint32_t                      cseq;
    uint32_t                      remote_cseq;
    uint16_t                      len[NGX_FED_TEXTS];
    uint16_t                      flags;
} ngx_fed_state_dialog_t;


/* the last record has only zeroes; then follows a checksum of all before */

typedef struct {
    ngx_fd_t                      fd;
    u_char                       *name;
    ngx_log_t                    *log;
    ngx_uint_t                    level;         /* to log failures at */
    uint32_t                      crc;
    u_char                       *buf;
    u_char                       *pos;
} ngx_fed_state_file_t;


/* reading */

typedef struct {
    ngx_fed_conf_t               *conf;
    u_char                       *pos;
    u_char                       *last;
    int32_t                       elapsed;       /* s, since it was written */
    ngx_uint_t                    nwatches;
    ngx_uint_t                    ndialogs;
    unsigned                      full:1;
} ngx_fed_state_reader_t;


static ngx_msec_t ngx_fed_state_manager(void *data);
static ngx_uint_t ngx_fed_state_is_ours(ngx_fed_conf_t *fcf);
static u_char *ngx_fed_state_name(ngx_fed_conf_t *fcf, const char *name);
static ngx_int_t ngx_fed_state_write(ngx_fed_conf_t *fcf, ngx_log_t *log);
static ngx_int_t ngx_fed_state_replace(ngx_fed_conf_t *fcf,
    ngx_fed_state_file_t *file, u_char *to);
static ngx_int_t ngx_fed_state_write_all(ngx_fed_conf_t *fcf,
    ngx_fed_state_file_t *file);
static ngx_rbtree_node_t *ngx_fed_state_after(ngx_fed_watches_t *watches,
    ngx_rbtree_key_t key);
static ngx_int_t ngx_fed_state_flush(ngx_fed_state_file_t *file);
static u_char *ngx_fed_state_put(u_char *p, ngx_fed_watch_t *watch);
static u_char *ngx_fed_state_put_dialog(u_char *p, ngx_fed_dialog_t *dialog);
static ngx_int_t ngx_fed_state_load(ngx_fed_conf_t *fcf, ngx_log_t *log,
    u_char *buf, size_t size, const char **why);
static ngx_int_t ngx_fed_state_get(ngx_fed_state_reader_t *reader);
static ngx_fed_watch_t *ngx_fed_state_restore(ngx_fed_state_reader_t *reader,
    ngx_fed_state_watch_t *record, u_char *names, u_char *packed);
static ngx_int_t ngx_fed_state_get_dialog(ngx_fed_state_reader_t *reader,
    ngx_fed_watch_t *watch);
static void ngx_fed_state_resume(ngx_fed_state_reader_t *reader,
    ngx_fed_watch_t *watch);
static void ngx_fed_state_boot(u_char *boot);
static int32_t ngx_fed_state_elapsed(ngx_fed_state_header_t *header);
static ngx_uint_t ngx_fed_state_names_valid(ngx_fed_state_watch_t *record,
    u_char *names);
static ngx_uint_t ngx_fed_state_texts_valid(ngx_str_t *texts);
static ngx_uint_t ngx_fed_state_presence_valid(ngx_fed_presence_t *presence);
static ngx_uint_t ngx_fed_state_text_valid(ngx_str_t *text);
static void ngx_fed_state_set_aside(ngx_fed_conf_t *fcf, ngx_log_t *log,
    u_char *name);


/* state path [interval=time] */

char *
ngx_fed_state_add(ngx_conf_t *cf, ngx_fed_conf_t *fcf)
{
    ngx_int_t    ms;
    ngx_str_t   *value, s;
    ngx_path_t  *path;

    if (fcf->state) {
        return "is duplicate";
    }

    value = cf->args->elts;

    path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (path == NULL) {
        return NGX_CONF_ERROR;
    }

    path->name = value[1];

    if (path->name.len && path->name.data[path->name.len - 1] == '/') {
        path->name.len--;
    }

    if (path->name.len == 0) {
        return "has an empty path";
    }

    if (ngx_conf_full_name(cf->cycle, &path->name, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    fcf->state_interval = NGX_FED_STATE_INTERVAL;

    if (cf->args->nelts == 3) {

        if (ngx_strncmp(value[2].data, "interval=", 9) != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[2]);
            return NGX_CONF_ERROR;
        }

        s.data = value[2].data + 9;
        s.len = value[2].len - 9;

        ms = ngx_parse_time(&s, 0);

        if (ms == NGX_ERROR || ms == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid interval \"%V\"", &value[2]);
            return NGX_CONF_ERROR;
        }

        fcf->state_interval = ms;
    }

    /* the cache manager process writes, so that no worker waits for a disk */

    path->manager = ngx_fed_state_manager;
    path->data = fcf;
    path->conf_file = cf->conf_file->file.name.data;
    path->line = cf->conf_file->line;

    fcf->state = path;

    if (ngx_add_path(cf, &fcf->state) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* Called in the cache manager process; returns when to call it again. */

static ngx_msec_t
ngx_fed_state_manager(void *data)
{
    ngx_fed_conf_t *fcf = data;

    uint64_t    changes;
    ngx_msec_t  start, took;
    ngx_uint_t  number;

    if (ngx_fed_upgrade_take(fcf) != NGX_OK) {
        return NGX_FED_STATE_WAIT;
    }

    ngx_fed_zone_lock(fcf);
    changes = ngx_fed_zone_watches(fcf)->changes;
    ngx_fed_zone_unlock(fcf);

    number = ngx_fed_zone_number(fcf, 0);

    if (changes == fcf->state_saved
        && number - fcf->state_number < NGX_FED_STATE_NUMBER / 2
        && ngx_fed_state_is_ours(fcf))
    {
        return fcf->state_interval;
    }

    ngx_time_update();
    start = ngx_current_msec;

    if (ngx_fed_state_write(fcf, ngx_cycle->log) == NGX_OK) {
        fcf->state_saved = changes;
        fcf->state_number = number;
    }

    /* a tenth of the time of a disk at most */

    ngx_time_update();
    took = ngx_current_msec - start;

    return ngx_max(fcf->state_interval, 10 * took);
}


/*
 * Tells whether the file is the one that this process wrote: a worker that
 * ends with the zone of a configuration before may have replaced it.
 */

static ngx_uint_t
ngx_fed_state_is_ours(ngx_fed_conf_t *fcf)
{
    u_char           *name;
    ngx_uint_t        ours;
    ngx_file_info_t   fi;

    if (fcf->state_uniq == 0) {
        return 1;
    }

    name = ngx_fed_state_name(fcf, NGX_FED_STATE_NAME);
    if (name == NULL) {
        return 1;
    }

    ours = (ngx_file_info(name, &fi) != NGX_FILE_ERROR
            && ngx_file_uniq(&fi) == fcf->state_uniq);

    ngx_free(name);

    return ours;
}


/* Called in the last worker that ends. */

void
ngx_fed_state_exit(ngx_fed_conf_t *fcf)
{
    if (fcf->state == NULL || !ngx_fed_upgrade_serves(fcf)) {
        return;
    }

    (void) ngx_fed_state_write(fcf, fcf->log);
}


/*
 * Returns the name of a file in the directory, or NULL; it is allocated, with
 * room for a number.
 */

static u_char *
ngx_fed_state_name(ngx_fed_conf_t *fcf, const char *name)
{
    u_char     *p;
    ngx_str_t  *dir;

    dir = &fcf->state->name;

    p = ngx_alloc(dir->len + ngx_strlen(name) + NGX_TIME_T_LEN + 1,
                  ngx_cycle->log);
    if (p == NULL) {
        return NULL;
    }

    (void) ngx_sprintf(p, "%V%s%Z", dir, name);

    return p;
}


/*
 * Writes all under another name first, which no other process writes to at the
 * same time.  Returns NGX_ERROR if that failed.
 */

static ngx_int_t
ngx_fed_state_write(ngx_fed_conf_t *fcf, ngx_log_t *log)
{
    u_char                *to;
    ngx_int_t              rc;
    ngx_fed_state_file_t   file;

    ngx_memzero(&file, sizeof(ngx_fed_state_file_t));

    rc = NGX_ERROR;

    /* a disk that is full stays so for long, and may be that of the log */

    file.level = (fcf->state_failed
                  && ngx_current_msec - fcf->state_failed < NGX_FED_STATE_TELL)
                     ? NGX_LOG_INFO : NGX_LOG_CRIT;

    file.log = log;
    file.name = ngx_fed_state_name(fcf, NGX_FED_STATE_NEW);
    to = ngx_fed_state_name(fcf, NGX_FED_STATE_NAME);
    file.buf = ngx_alloc(NGX_FED_STATE_BUFFER, log);

    if (file.name == NULL || to == NULL || file.buf == NULL) {
        goto done;
    }

    (void) ngx_sprintf(file.name, "%V" NGX_FED_STATE_NEW "%i%Z",
                       &fcf->state->name, ngx_process_slot);

    ngx_fed_upgrade_lock(fcf);

    /* what another zone has written since it serves must not be lost */

    if (!ngx_fed_upgrade_serves(fcf)) {
        ngx_fed_upgrade_unlock(fcf);
        goto done;
    }

    rc = ngx_fed_state_replace(fcf, &file, to);

    ngx_fed_upgrade_unlock(fcf);

    if (rc != NGX_OK) {
        ngx_log_error(file.level, log, 0,
                      "state of federation \"%V\" is not saved, the file "
                      "\"%s\" stays as it was: make room, or it lacks what "
                      "changed since when nginx is restarted",
                      &fcf->name, to);

        if (file.level == NGX_LOG_CRIT) {
            fcf->state_failed = ngx_max(ngx_current_msec, 1);
        }

    } else if (fcf->state_failed) {
        fcf->state_failed = 0;

        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "state of federation \"%V\" is saved again",
                      &fcf->name);
    }

done:

    ngx_free(file.name);
    ngx_free(file.buf);
    ngx_free(to);

    return rc;
}


static ngx_int_t
ngx_fed_state_replace(ngx_fed_conf_t *fcf, ngx_fed_state_file_t *file,
    u_char *to)
{
    ngx_int_t        rc;
    ngx_file_info_t  fi;

    file->fd = ngx_open_file(file->name, NGX_FILE_WRONLY, NGX_FILE_TRUNCATE,
                             0600);

    if (file->fd == NGX_INVALID_FILE) {
        ngx_log_error(file->level, file->log, ngx_errno,
                      ngx_open_file_n " \"%s\" failed", file->name);
        return NGX_ERROR;
    }

    rc = ngx_fed_state_write_all(fcf, file);

    if (rc == NGX_OK && fsync(file->fd) == -1) {
        ngx_log_error(file->level, file->log, ngx_errno,
                      "fsync() of \"%s\" failed", file->name);
        rc = NGX_ERROR;
    }

    if (rc == NGX_OK && ngx_fd_info(file->fd, &fi) != NGX_FILE_ERROR) {
        fcf->state_uniq = ngx_file_uniq(&fi);
    }

    if (ngx_close_file(file->fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, file->log, ngx_errno,
                      ngx_close_file_n " \"%s\" failed", file->name);
        rc = NGX_ERROR;
    }

    if (rc == NGX_OK && ngx_rename_file(file->name, to) == NGX_FILE_ERROR) {
        ngx_log_error(file->level, file->log, ngx_errno,
                      ngx_rename_file_n " \"%s\" to \"%s\" failed",
                      file->name, to);
        rc = NGX_ERROR;
    }

    if (rc != NGX_OK) {
        (void) ngx_delete_file(file->name);
    }

    return rc;
}


static ngx_int_t
ngx_fed_state_write_all(ngx_fed_conf_t *fcf, ngx_fed_state_file_t *file)
{
    ngx_fed_watch_t         *watch;
    ngx_rbtree_key_t         key;
    ngx_rbtree_node_t       *node;
    ngx_fed_watches_t       *watches;
    ngx_fed_state_header_t   header;

    ngx_crc32_init(file->crc);

    ngx_memzero(&header, sizeof(ngx_fed_state_header_t));
    ngx_memcpy(header.magic, NGX_FED_STATE_MAGIC, 8);

    header.order = NGX_FED_STATE_ORDER;
    header.version = NGX_FED_STATE_VERSION;
    header.time = ngx_time();
    header.uptime = (int64_t) ngx_current_msec;
    header.number = ngx_fed_zone_number(fcf, 0);

    ngx_fed_state_boot(header.boot);

    file->pos = ngx_cpymem(file->buf, &header, sizeof(ngx_fed_state_header_t));

    watches = ngx_fed_zone_watches(fcf);
    key = 0;

    do {

        /* workers have their turn between two parts */

        ngx_fed_zone_lock(fcf);

        node = ngx_fed_state_after(watches, key);

        while (node) {

            watch = (ngx_fed_watch_t *) node;

            if (watch->node.key != key
                && file->buf + NGX_FED_STATE_BUFFER - file->pos
                   < NGX_FED_STATE_ROOM)
            {
                break;
            }

            key = watch->node.key;

            if (file->buf + NGX_FED_STATE_BUFFER - file->pos
                >= NGX_FED_STATE_ROOM)
            {
                file->pos = ngx_fed_state_put(file->pos, watch);
            }

            node = ngx_rbtree_next(&watches->watches, node);
        }

        ngx_fed_zone_unlock(fcf);

        key++;

        if (ngx_fed_state_flush(file) != NGX_OK) {
            return NGX_ERROR;
        }

    } while (node);

    ngx_memzero(file->pos, sizeof(ngx_fed_state_watch_t));
    file->pos += sizeof(ngx_fed_state_watch_t);

    if (ngx_fed_state_flush(file) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_crc32_final(file->crc);

    file->pos = ngx_cpymem(file->pos, &file->crc, sizeof(uint32_t));

    return ngx_fed_state_flush(file);
}


/* Returns the first watch whose key is not less, or NULL. */

static ngx_rbtree_node_t *
ngx_fed_state_after(ngx_fed_watches_t *watches, ngx_rbtree_key_t key)
{
    ngx_rbtree_node_t  *node, *found, *sentinel;

    node = watches->watches.root;
    sentinel = watches->watches.sentinel;
    found = NULL;

    while (node != sentinel) {

        if (node->key >= key) {
            found = node;
            node = node->left;

        } else {
            node = node->right;
        }
    }

    return found;
}


static ngx_int_t
ngx_fed_state_flush(ngx_fed_state_file_t *file)
{
    u_char   *p;
    ssize_t   n;

    ngx_crc32_update(&file->crc, file->buf, file->pos - file->buf);

    for (p = file->buf; p < file->pos; p += n) {

        n = ngx_write_fd(file->fd, p, file->pos - p);

        if (n <= 0) {
            ngx_log_error(file->level, file->log, ngx_errno,
                          ngx_write_fd_n " to \"%s\" failed", file->name);
            return NGX_ERROR;
        }
    }

    file->pos = file->buf;

    return NGX_OK;
}


/* Writes a watch, if it is to be remembered; the zone is locked. */

static u_char *
ngx_fed_state_put(u_char *p, ngx_fed_watch_t *watch)
{
    u_char                 *start;
    uint32_t                now;
    ngx_fed_dialog_t       *dialog;
    ngx_fed_state_watch_t   record;

    if (watch->state == NGX_FED_WATCH_NONE) {
        return p;
    }

    now = ngx_fed_seconds();

    ngx_memzero(&record, sizeof(ngx_fed_state_watch_t));

    record.asked = (int32_t) (watch->asked - now);
    record.until = (int32_t) (watch->until - now);
    record.seen = (int32_t) (watch->seen - now);
    record.size = watch->names_size;
    record.state = watch->state;
    record.failures = watch->failures;

    ngx_memcpy(record.len, watch->names_len, sizeof(record.len));

    record.flags = (watch->sip ? NGX_FED_STATE_SIP|NGX_FED_STATE_SEEN : 0)
                   | (watch->known ? NGX_FED_STATE_KNOWN : 0)
                   | (watch->told ? NGX_FED_STATE_TOLD : 0);

    /* what an XMPP user says is asked of him again */

    if (!watch->sip && watch->presence) {
        record.presence = watch->presence_len;
    }

    start = p;
    p += sizeof(ngx_fed_state_watch_t);

    p = ngx_cpymem(p, watch->names, watch->names_size);

    if (record.presence) {
        p = ngx_cpymem(p, watch->presence, watch->presence_len);
    }

    for (dialog = watch->dialogs; dialog; dialog = dialog->next) {

        /* what is not there yet, or ends, will not be there */

        if (dialog->reason || dialog->len[NGX_FED_TEXT_TAG] == 0
            || p - start + sizeof(ngx_fed_state_dialog_t)
               > NGX_FED_STATE_RECORD)
        {
            continue;
        }

        record.ndialogs++;
        p = ngx_fed_state_put_dialog(p, dialog);
    }

    ngx_memcpy(start, &record, sizeof(ngx_fed_state_watch_t));

    return p;
}


static u_char *
ngx_fed_state_put_dialog(u_char *p, ngx_fed_dialog_t *dialog)
{
    size_t                   size;
    ngx_uint_t               i;
    ngx_fed_state_dialog_t   record;

    ngx_memzero(&record, sizeof(ngx_fed_state_dialog_t));

    record.tag = dialog->tag;
    record.expires = (int64_t) (dialog->expires - ngx_current_msec);
    record.cseq = dialog->cseq;
    record.remote_cseq = dialog->remote_cseq;
    record.flags = (dialog->active ? NGX_FED_STATE_ACTIVE : 0)
                   | (dialog->remote_set ? NGX_FED_STATE_REMOTE : 0)
                   | (dialog->format << NGX_FED_STATE_FORMAT);

    size = 0;

    for (i = 0; i < NGX_FED_TEXTS; i++) {
        record.len[i] = dialog->len[i];
        size += dialog->len[i];
    }

    p = ngx_cpymem(p, &record, sizeof(ngx_fed_state_dialog_t));

    return ngx_cpymem(p, dialog->text, size);
}


/*
 * Reads the file into a zone that was just made.  A file that is damaged, or
 * none of ours, is set aside.  Returns NGX_ERROR if there may be a good one
 * that can not be read.
 */

ngx_int_t
ngx_fed_state_read(ngx_fed_conf_t *fcf, ngx_log_t *log)
{
    u_char           *name, *buf;
    size_t            size;
    ssize_t           n;
    ngx_fd_t          fd;
    ngx_int_t         rc;
    const char       *why;
    ngx_file_info_t   fi;

    name = ngx_fed_state_name(fcf, NGX_FED_STATE_NAME);
    if (name == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;
    buf = NULL;
    why = NULL;

    fd = ngx_open_file(name, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {

        if (ngx_errno == NGX_ENOENT) {
            ngx_free(name);
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      ngx_open_file_n " \"%s\" failed, "
                      "see \"state\" in %s:%ui",
                      name, fcf->state->conf_file, fcf->state->line);
        ngx_free(name);
        return NGX_ERROR;
    }

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi)) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "\"%s\" is not a file, see \"state\" in %s:%ui",
                      name, fcf->state->conf_file, fcf->state->line);
        goto done;
    }

    size = (size_t) ngx_file_size(&fi);

    buf = ngx_alloc(ngx_max(size, 1), log);
    if (buf == NULL) {
        goto done;
    }

    n = 0;

    while ((size_t) n < size) {
        rc = ngx_read_fd(fd, buf + n, size - n);

        if (rc <= 0) {
            why = "it could not be read to its end";
            break;
        }

        n += rc;
    }

    rc = why ? NGX_DECLINED : ngx_fed_state_load(fcf, log, buf, size, &why);

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "state file \"%s\" is not used: %s", name, why);

        ngx_fed_state_set_aside(fcf, log, name);
    }

    rc = NGX_OK;

done:

    (void) ngx_close_file(fd);

    ngx_free(name);

    if (buf) {
        ngx_free(buf);
    }

    return rc;
}


static void
ngx_fed_state_set_aside(ngx_fed_conf_t *fcf, ngx_log_t *log, u_char *name)
{
    u_char  *to;

    if (ngx_test_config) {
        return;
    }

    to = ngx_fed_state_name(fcf, NGX_FED_STATE_BAD);
    if (to == NULL) {
        return;
    }

    (void) ngx_sprintf(to, "%V" NGX_FED_STATE_BAD "%T%Z", &fcf->state->name,
                       ngx_time());

    if (ngx_rename_file(name, to) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                      ngx_rename_file_n " \"%s\" to \"%s\" failed", name, to);

    } else {
        ngx_log_error(NGX_LOG_ERR, log, 0, "it is kept as \"%s\"", to);
    }

    ngx_free(to);
}


/* Returns NGX_DECLINED with the reason, if not all could be restored. */

static ngx_int_t
ngx_fed_state_load(ngx_fed_conf_t *fcf, ngx_log_t *log, u_char *buf,
    size_t size, const char **why)
{
    uint32_t                 crc;
    ngx_int_t                rc;
    ngx_fed_state_header_t   header;
    ngx_fed_state_reader_t   reader;

    if (size < sizeof(ngx_fed_state_header_t) + sizeof(ngx_fed_state_watch_t)
               + sizeof(uint32_t))
    {
        *why = "it is too short";
        return NGX_DECLINED;
    }

    ngx_memcpy(&header, buf, sizeof(ngx_fed_state_header_t));

    if (ngx_memcmp(header.magic, NGX_FED_STATE_MAGIC, 8) != 0) {
        *why = "it is something else";
        return NGX_DECLINED;
    }

    if (header.order != NGX_FED_STATE_ORDER
        || header.version != NGX_FED_STATE_VERSION)
    {
        *why = "another version of the module, or another machine, wrote it";
        return NGX_DECLINED;
    }

    size -= sizeof(uint32_t);

    ngx_memcpy(&crc, buf + size, sizeof(uint32_t));

    if (crc != ngx_crc32_long(buf, size)) {
        *why = "its checksum is wrong";
        return NGX_DECLINED;
    }

    ngx_memzero(&reader, sizeof(ngx_fed_state_reader_t));

    reader.conf = fcf;
    reader.pos = buf + sizeof(ngx_fed_state_header_t);
    reader.last = buf + size;

    reader.elapsed = ngx_fed_state_elapsed(&header);

    ngx_fed_zone_set_number(fcf, (ngx_uint_t) header.number
                                 + NGX_FED_STATE_NUMBER);

    do {
        ngx_fed_zone_lock(fcf);
        rc = ngx_fed_state_get(&reader);
        ngx_fed_zone_unlock(fcf);
    } while (rc == NGX_OK);

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "federation \"%V\": %ui authorizations and %ui dialogs are "
                  "restored, %D s old",
                  &fcf->name, reader.nwatches, reader.ndialogs,
                  reader.elapsed);

    if (rc == NGX_ERROR) {
        *why = "its records are none";
        return NGX_DECLINED;
    }

    if (reader.full) {
        *why = "the zone is too small for all of it, see \"zone\"";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* Names the time since the machine was started; or has zeroes. */

static void
ngx_fed_state_boot(u_char *boot)
{
    ngx_fd_t  fd;

    ngx_memzero(boot, NGX_FED_STATE_BOOT);

    fd = ngx_open_file(NGX_FED_STATE_BOOT_FILE, NGX_FILE_RDONLY, NGX_FILE_OPEN,
                       0);

    if (fd == NGX_INVALID_FILE) {
        return;
    }

    if (ngx_read_fd(fd, boot, NGX_FED_STATE_BOOT) != NGX_FED_STATE_BOOT) {
        ngx_memzero(boot, NGX_FED_STATE_BOOT);
    }

    (void) ngx_close_file(fd);
}


/*
 * Returns how many seconds ago the file was written: by the clock that nobody
 * sets, unless the machine was started since.
 */

static int32_t
ngx_fed_state_elapsed(ngx_fed_state_header_t *header)
{
    u_char   boot[NGX_FED_STATE_BOOT];
    int64_t  elapsed;

    ngx_fed_state_boot(boot);

    elapsed = (int64_t) ngx_current_msec - header->uptime;

    if (boot[0] && elapsed >= 0
        && ngx_memcmp(boot, header->boot, NGX_FED_STATE_BOOT) == 0)
    {
        elapsed /= 1000;

    } else {
        elapsed = ngx_time() - ngx_min(ngx_max(header->time, 0), ngx_time());
    }

    return (int32_t) ngx_min(elapsed, NGX_FED_STATE_OLD);
}


/* Reads a watch.  Returns NGX_DONE at the end, NGX_ERROR if it is none. */

static ngx_int_t
ngx_fed_state_get(ngx_fed_state_reader_t *reader)
{
    u_char                 *names, *packed;
    ngx_uint_t              i;
    ngx_fed_watch_t        *watch;
    ngx_fed_state_watch_t   record;

    if ((size_t) (reader->last - reader->pos) < sizeof(ngx_fed_state_watch_t)) {
        return NGX_ERROR;
    }

    ngx_memcpy(&record, reader->pos, sizeof(ngx_fed_state_watch_t));
    reader->pos += sizeof(ngx_fed_state_watch_t);

    if (record.size == 0) {
        return (reader->pos == reader->last) ? NGX_DONE : NGX_ERROR;
    }

    if (reader->last - reader->pos < record.size + record.presence
        || record.len[0] == 0 || record.len[1] == 0 || record.len[2] == 0
        || record.len[0] + record.len[1] + record.len[2] >= record.size
        || record.state == NGX_FED_WATCH_NONE
        || record.state > NGX_FED_WATCH_DENIED
        || !ngx_fed_state_names_valid(&record, reader->pos))
    {
        return NGX_ERROR;
    }

    names = reader->pos;
    packed = names + record.size;
    reader->pos = packed + record.presence;

    watch = ngx_fed_state_restore(reader, &record, names, packed);

    for (i = 0; i < record.ndialogs; i++) {
        if (ngx_fed_state_get_dialog(reader, watch) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (watch) {
        ngx_fed_state_resume(reader, watch);
    }

    return NGX_OK;
}


static ngx_fed_watch_t *
ngx_fed_state_restore(ngx_fed_state_reader_t *reader,
    ngx_fed_state_watch_t *record, u_char *names, u_char *packed)
{
    uint32_t             now;
    ngx_uint_t           i;
    ngx_fed_pair_t       pair;
    ngx_fed_conf_t      *fcf;
    ngx_fed_watch_t     *watch;
    ngx_fed_address_t    addr[2];
    ngx_fed_presence_t   presence;

    fcf = reader->conf;

    ngx_memzero(addr, sizeof(addr));

    addr[0].user.data = names;
    addr[0].user.len = record->len[0];
    addr[0].domain.data = addr[0].user.data + record->len[0];
    addr[0].domain.len = record->len[1];
    addr[1].user.data = addr[0].domain.data + record->len[1];
    addr[1].user.len = record->len[2];
    addr[1].domain.data = addr[1].user.data + record->len[2];
    addr[1].domain.len = names + record->size - addr[1].domain.data;

    ngx_fed_pair(fcf, &pair, &addr[0], &addr[1]);

    if (ngx_fed_watch_find(fcf, &pair.id)) {
        return NULL;
    }

    watch = ngx_fed_watch_add(fcf, &pair, record->flags & NGX_FED_STATE_SIP, 1);

    if (watch == NULL) {
        reader->full = 1;
        return NULL;
    }

    now = ngx_fed_seconds() - reader->elapsed;

    watch->state = record->state;
    watch->failures = record->failures;
    watch->asked = now + ngx_min(record->asked, 0);
    watch->until = now + ngx_min(record->until,
                            (int32_t) ngx_fed_in_seconds(fcf->denial_time));
    watch->seen = now + ngx_min(record->seen, 0);

    if (watch->sip && (record->flags & NGX_FED_STATE_SEEN) == 0) {
        watch->seen = ngx_fed_seconds();
    }

    watch->told = ((record->flags & NGX_FED_STATE_TOLD) != 0);

    if (record->presence
        && ngx_fed_presence_unpack(packed, record->presence, &presence)
           == NGX_OK
        && ngx_fed_state_presence_valid(&presence)
        && ngx_fed_watch_set_presence(fcf, watch, &presence) == NGX_OK)
    {
        watch->known = ((record->flags & NGX_FED_STATE_KNOWN) != 0);

        for (i = 0; i < presence.n; i++) {
            watch->held |= presence.resources[i].untold;
        }

        watch->sent = (uint32_t) (ngx_current_msec - fcf->presence_interval);
    }

    reader->nwatches++;

    return watch;
}


static ngx_int_t
ngx_fed_state_get_dialog(ngx_fed_state_reader_t *reader, ngx_fed_watch_t *watch)
{
    u_char                  *p;
    int64_t                  left;
    ngx_str_t                texts[NGX_FED_TEXTS];
    ngx_uint_t               i;
    ngx_fed_dialog_t        *dialog;
    ngx_fed_state_dialog_t   record;

    if ((size_t) (reader->last - reader->pos) < sizeof(ngx_fed_state_dialog_t))
    {
        return NGX_ERROR;
    }

    ngx_memcpy(&record, reader->pos, sizeof(ngx_fed_state_dialog_t));

    p = reader->pos + sizeof(ngx_fed_state_dialog_t);

    for (i = 0; i < NGX_FED_TEXTS; i++) {

        if (reader->last - p < record.len[i]) {
            return NGX_ERROR;
        }

        texts[i].data = p;
        texts[i].len = record.len[i];
        p += record.len[i];
    }

    reader->pos = p;

    if (!ngx_fed_state_texts_valid(texts)) {
        return NGX_ERROR;
    }

    left = ngx_min(record.expires,
                   (int64_t) reader->conf->subscription_max);
    left = ngx_max(left, 0) - (int64_t) reader->elapsed * 1000;

    if (watch == NULL || left <= 0) {
        return NGX_OK;
    }

    dialog = ngx_fed_dialog_add(reader->conf, watch, texts);

    if (dialog == NULL) {
        reader->full = 1;
        return NGX_OK;
    }

    dialog->tag = record.tag;
    dialog->expires = ngx_current_msec + left;
    dialog->remote_cseq = record.remote_cseq;
    dialog->remote_set = ((record.flags & NGX_FED_STATE_REMOTE) != 0);
    dialog->active = ((record.flags & NGX_FED_STATE_ACTIVE) != 0);
    dialog->format = (record.flags >> NGX_FED_STATE_FORMAT)
                     & NGX_FED_STATE_FORMATS;
    dialog->notified = 1;

    /* what was sent since the file was written is not known here */

    dialog->cseq = record.cseq + NGX_FED_STATE_CSEQ;

    reader->ndialogs++;

    return NGX_OK;
}


/*
 * Whatever is in the file, what is made of it is written to peers.  Users are
 * escaped there, domains are names as they were when they were checked first.
 */

static ngx_uint_t
ngx_fed_state_names_valid(ngx_fed_state_watch_t *record, u_char *names)
{
    u_char      *p, *last;
    size_t       len[4];
    ngx_str_t    text;
    ngx_uint_t   i;

    len[0] = record->len[0];
    len[1] = record->len[1];
    len[2] = record->len[2];
    len[3] = record->size - len[0] - len[1] - len[2];

    p = names;

    for (i = 0; i < 4; i++) {

        text.data = p;
        text.len = len[i];
        p += len[i];

        if (!ngx_fed_state_text_valid(&text)) {
            return 0;
        }

        if ((i & 1) == 0) {
            continue;
        }

        if (text.len > NGX_FED_STATE_DOMAIN) {
            return 0;
        }

        last = text.data + text.len;

        for ( /* void */ ; text.data < last; text.data++) {

            if (ngx_strchr(NGX_FED_STATE_DOMAIN_CHARS, *text.data) == NULL) {
                return 0;
            }
        }
    }

    return 1;
}


/* Texts of a dialog stand in lines, and where something ends them. */

static ngx_uint_t
ngx_fed_state_texts_valid(ngx_str_t *texts)
{
    u_char       ch;
    ngx_uint_t   i, j;
    const char  *ends;

    if (texts[NGX_FED_TEXT_CALL_ID].len == 0
        || texts[NGX_FED_TEXT_TAG].len == 0)
    {
        return 0;
    }

    for (i = 0; i < NGX_FED_TEXTS; i++) {

        switch (i) {

        case NGX_FED_TEXT_CALL_ID:
            ends = " ";
            break;

        case NGX_FED_TEXT_ROUTES:
            ends = "";
            break;

        case NGX_FED_TEXT_TAG:
        case NGX_FED_TEXT_EVENT_ID:
            ends = " <>\"();,=";
            break;

        default:
            ends = " <>\"";
        }

        for (j = 0; j < texts[i].len; j++) {
            ch = texts[i].data[j];

            if (ch < 0x20 || ch == 0x7f || ngx_strchr(ends, ch)) {
                return 0;
            }
        }
    }

    return 1;
}


static ngx_uint_t
ngx_fed_state_presence_valid(ngx_fed_presence_t *presence)
{
    ngx_uint_t           i, j;
    ngx_fed_resource_t  *r;

    for (i = 0; i < presence->n; i++) {
        r = &presence->resources[i];

        if (!ngx_fed_state_text_valid(&r->name)) {
            return 0;
        }

        for (j = 0; j < r->nstatuses; j++) {

            if (!ngx_fed_state_text_valid(&r->statuses[j].lang)
                || !ngx_fed_state_text_valid(&r->statuses[j].text))
            {
                return 0;
            }
        }
    }

    return 1;
}


/* Tells whether it is UTF-8 that may stand in XML. */

static ngx_uint_t
ngx_fed_state_text_valid(ngx_str_t *text)
{
    size_t  i;
    u_char  ch;

    for (i = 0; i < text->len; i++) {
        ch = text->data[i];

        if ((ch < 0x20 && ch != '\t' && ch != '\n' && ch != '\r')
            || ch == 0x7f)
        {
            return 0;
        }
    }

    return ngx_fed_text_valid(text->data, text->len);
}


/*
 * Users of either side may have changed their presence meanwhile: each is
 * asked when it is his turn.
 */

static void
ngx_fed_state_resume(ngx_fed_state_reader_t *reader, ngx_fed_watch_t *watch)
{
    ngx_fed_conf_t    *fcf;
    ngx_fed_dialog_t  *dialog;

    fcf = reader->conf;

    for (dialog = watch->dialogs; dialog; dialog = dialog->next) {

        if (watch->sip) {
            ngx_fed_dialog_due(fcf, dialog, dialog->expires);
            continue;
        }

        dialog->slotted = 1;
        ngx_fed_dialog_due(fcf, dialog, ngx_fed_zone_turn(fcf));
    }

    if (watch->sip && watch->dialogs == NULL) {
        ngx_fed_watch_due(fcf, watch, ngx_current_msec);
        return;
    }

    if (watch->sip && watch->state == NGX_FED_WATCH_GRANTED) {
        watch->stale = 1;
    }

    if (watch->held && watch->dialogs) {
        ngx_fed_watch_due(fcf, watch, ngx_current_msec);
        return;
    }

    if (watch->stale || watch->dialogs == NULL) {
        watch->slotted = 1;
        ngx_fed_watch_due(fcf, watch, ngx_fed_zone_turn(fcf));
    }
}
