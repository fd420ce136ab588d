
/*
 * The state file: any octets where its records are, with a header and a
 * checksum that are right.  The zone is one that keeps what it is given in the
 * heap.
 */


#include "fuzz.h"
#include "ngx_fed_state.c"


#define WATCHES  64


static ngx_fed_watch_t    *watches[WATCHES];
static ngx_uint_t          nwatches;
static ngx_fed_dialog_t   *dialogs;
static ngx_uint_t          room;
static ngx_uint_t          locked;


volatile ngx_msec_t   ngx_current_msec = 1000000000;
volatile ngx_time_t  *ngx_cached_time;

uint32_t              ngx_crc32_table256[256];


/* once, IEEE 802.3 */

static void
crc_table(void)
{
    uint32_t    n, bit;

    if (ngx_crc32_table256[255]) {
        return;
    }

    for (n = 0; n < 256; n++) {
        ngx_crc32_table256[n] = n;

        for (bit = 0; bit < 8; bit++) {
            ngx_crc32_table256[n] = (ngx_crc32_table256[n] >> 1)
                                    ^ ((ngx_crc32_table256[n] & 1)
                                       ? 0xedb88320 : 0);
        }
    }
}


/* what goes into stanzas and header fields later */

static ngx_uint_t
fuzz_is_text(ngx_str_t *s)
{
    return ngx_fed_text_valid(s->data, s->len)
           && (s->len == 0 || memchr(s->data, '\0', s->len) == NULL);
}


void
ngx_fed_zone_lock(ngx_fed_conf_t *fcf)
{
    fuzz_ok(!locked);
    locked = 1;
}


void
ngx_fed_zone_unlock(ngx_fed_conf_t *fcf)
{
    fuzz_ok(locked);
    locked = 0;
}


void
ngx_fed_zone_set_number(ngx_fed_conf_t *fcf, ngx_uint_t number)
{
}


void
ngx_fed_pair(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair,
    ngx_fed_address_t *watcher, ngx_fed_address_t *presentity)
{
    size_t      i, j;
    ngx_str_t  *parts[4];

    parts[0] = &watcher->user;
    parts[1] = &watcher->domain;
    parts[2] = &presentity->user;
    parts[3] = &presentity->domain;

    ngx_memzero(pair, sizeof(ngx_fed_pair_t));

    for (i = 0; i < 4; i++) {
        fuzz_ok(parts[i]->len > 0 && fuzz_is_text(parts[i]));

        for (j = 0; j < parts[i]->len; j++) {
            pair->id.lo = (pair->id.lo ^ parts[i]->data[j]) * 31;
        }
    }
}


ngx_fed_watch_t *
ngx_fed_watch_find(ngx_fed_conf_t *fcf, ngx_fed_key_t *id)
{
    ngx_uint_t  i;

    for (i = 0; i < nwatches; i++) {
        if (watches[i]->id == id->lo) {
            return watches[i];
        }
    }

    return NULL;
}


ngx_fed_watch_t *
ngx_fed_watch_add(ngx_fed_conf_t *fcf, ngx_fed_pair_t *pair, ngx_uint_t sip,
    ngx_uint_t unlimited)
{
    ngx_fed_watch_t  *watch;

    fuzz_ok(locked);

    if (nwatches == WATCHES || nwatches == room) {
        return NULL;
    }

    watch = calloc(1, sizeof(ngx_fed_watch_t));

    watch->id = pair->id.lo;
    watch->sip = (sip != 0);

    watches[nwatches++] = watch;

    return watch;
}


ngx_int_t
ngx_fed_watch_set_presence(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch,
    ngx_fed_presence_t *presence)
{
    u_char               buf[NGX_FED_PACKED_MAX];
    ngx_uint_t           i, j;
    ngx_fed_resource_t  *r;

    fuzz_ok(ngx_fed_presence_pack(buf, presence) <= NGX_FED_PACKED_MAX);

    for (i = 0; i < presence->n; i++) {
        r = &presence->resources[i];

        fuzz_ok(fuzz_is_text(&r->name));

        for (j = 0; j < r->nstatuses; j++) {
            fuzz_ok(fuzz_is_text(&r->statuses[j].lang));
            fuzz_ok(fuzz_is_text(&r->statuses[j].text));
        }
    }

    return NGX_OK;
}


ngx_fed_dialog_t *
ngx_fed_dialog_add(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch,
    ngx_str_t *texts)
{
    size_t             size;
    ngx_uint_t         i;
    ngx_fed_dialog_t  *dialog;

    fuzz_ok(locked);

    size = 0;

    for (i = 0; i < NGX_FED_TEXTS; i++) {
        fuzz_ok(fuzz_is_line(&texts[i]));
        size += texts[i].len;
    }

    fuzz_ok(texts[NGX_FED_TEXT_CALL_ID].len && texts[NGX_FED_TEXT_TAG].len);

    dialog = calloc(1, sizeof(ngx_fed_dialog_t) + size);

    dialog->text = (u_char *) dialog + sizeof(ngx_fed_dialog_t);

    for (size = 0, i = 0; i < NGX_FED_TEXTS; i++) {
        ngx_memcpy(dialog->text + size, texts[i].data, texts[i].len);
        size += texts[i].len;
    }

    dialog->watch = watch;
    dialog->next = watch->dialogs;
    watch->dialogs = dialog;

    return dialog;
}


void
ngx_fed_dialog_due(ngx_fed_conf_t *fcf, ngx_fed_dialog_t *dialog,
    ngx_msec_t time)
{
    fuzz_ok(dialog->expires >= ngx_current_msec);
    fuzz_ok(dialog->expires - ngx_current_msec <= fcf->subscription_max);
}


void
ngx_fed_watch_due(ngx_fed_conf_t *fcf, ngx_fed_watch_t *watch,
    ngx_msec_t time)
{
    fuzz_ok(watch->state > NGX_FED_WATCH_NONE
            && watch->state <= NGX_FED_WATCH_DENIED);
}


ngx_msec_t
ngx_fed_zone_turn(ngx_fed_conf_t *fcf)
{
    return ngx_current_msec;
}


void
fuzz_target(ngx_pool_t *pool, ngx_str_t *in)
{
    size_t                  size;
    u_char                 *p;
    uint32_t                crc;
    ngx_int_t               rc;
    ngx_log_t               log;
    ngx_str_t               file;
    ngx_uint_t              i;
    ngx_time_t              now;
    const char             *why;
    ngx_fed_conf_t          fcf;
    ngx_fed_dialog_t       *next;
    ngx_fed_state_header_t  header;

    crc_table();

    ngx_memzero(&fcf, sizeof(ngx_fed_conf_t));
    ngx_memzero(&log, sizeof(ngx_log_t));
    ngx_memzero(&now, sizeof(ngx_time_t));
    ngx_memzero(&header, sizeof(ngx_fed_state_header_t));

    now.sec = 1700000000;
    ngx_cached_time = &now;
    fcf.subscription_max = 3600000;

    nwatches = 0;
    room = fuzz_random(4) ? WATCHES : fuzz_random(3);

    /* as it is */

    why = NULL;
    rc = ngx_fed_state_load(&fcf, &log, in->data, in->len, &why);

    fuzz_ok(rc == NGX_OK || (rc == NGX_DECLINED && why));

    /* its records */

    ngx_memcpy(header.magic, NGX_FED_STATE_MAGIC, 8);
    header.order = NGX_FED_STATE_ORDER;
    header.version = NGX_FED_STATE_VERSION;
    header.time = now.sec - (time_t) fuzz_random(7200) + 60;

    size = sizeof(ngx_fed_state_header_t) + in->len;

    file.len = size + sizeof(uint32_t);
    file.data = ngx_pnalloc(pool, file.len);

    p = ngx_cpymem(file.data, &header, sizeof(ngx_fed_state_header_t));
    p = ngx_cpymem(p, in->data, in->len);

    crc = ngx_crc32_long(file.data, size);
    ngx_memcpy(p, &crc, sizeof(uint32_t));

    why = NULL;
    rc = ngx_fed_state_load(&fcf, &log, file.data, file.len, &why);

    fuzz_ok(rc == NGX_OK || (rc == NGX_DECLINED && why));
    fuzz_ok(!locked);

    for (i = 0; i < nwatches; i++) {

        while ((dialogs = watches[i]->dialogs) != NULL) {
            next = dialogs->next;
            watches[i]->dialogs = next;
            free(dialogs);
        }

        free(watches[i]);
    }
}
