
/*
 * Thread and Call-ID (RFC 7572, 4 and 5): each stands for the other as it is
 * where that is legal and gives nothing away; else a hash does, and for a
 * while it is known what the hash stands for.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_stream.h>
#include "ngx_sip_core.h"


static ngx_fed_key_t ngx_sip_thread_hash(ngx_sip_ctx_t *ctx,
    ngx_fed_key_t *users, ngx_str_t *text);
static ngx_int_t ngx_sip_thread_find(ngx_sip_ctx_t *ctx,
    ngx_fed_key_t *users, ngx_fed_key_t *key, ngx_str_t *text);
static void ngx_sip_thread_remember(ngx_sip_ctx_t *ctx, ngx_fed_key_t *users,
    ngx_fed_key_t *key, ngx_str_t *text);
static ngx_int_t ngx_sip_thread_parse(ngx_str_t *text, ngx_fed_key_t *key);
static u_char *ngx_sip_thread_text(u_char *dst, ngx_fed_key_t *key);
static ngx_fed_key_t ngx_sip_thread_chat(ngx_sip_ctx_t *ctx,
    ngx_fed_key_t *users, u_char *call_id, size_t len);


/*
 * Writes the Call-ID for the thread of an event, or one of its own if it has
 * none: NGX_SIP_CALL_ID_LEN octets at most, never with a host (RFC 3261,
 * 8.1.1.4).  Returns its length.
 */

size_t
ngx_sip_thread_call_id(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev, u_char *dst)
{
    u_char         *p, text[NGX_FED_NOTE_TEXT];
    ngx_str_t      *thread, known;
    ngx_fed_key_t   key, users;

    thread = &ev->thread;

    if (thread->len == 0) {
        key = ngx_sip_unique(ctx);
        return ngx_sip_thread_text(dst, &key) - dst;
    }

    users = ngx_sip_thread_users(ctx, ev);

    known.data = text;

    if (ngx_sip_thread_parse(thread, &key) == NGX_OK
        && ngx_sip_thread_find(ctx, &users, &key, &known) == NGX_OK
        && known.len <= NGX_SIP_CALL_ID_LEN)
    {
        p = ngx_cpymem(dst, known.data, known.len);

    } else if (thread->len <= NGX_SIP_CALL_ID_LEN
               && ngx_sip_is_token(thread->data, thread->len))
    {
        p = ngx_cpymem(dst, thread->data, thread->len);

    } else {
        key = ngx_sip_thread_hash(ctx, &users, thread);
        p = ngx_sip_thread_text(dst, &key);

        ngx_sip_thread_remember(ctx, &users, &key, thread);
    }

    if (ctx->conf->mirror_chat && ev->type == NGX_FED_CHAT) {
        ngx_str_null(&known);
        key = ngx_sip_thread_chat(ctx, &users, dst, p - dst);

        ngx_sip_thread_remember(ctx, &users, &key, &known);
    }

    return p - dst;
}


/*
 * Sets the thread of an event that came with a Call-ID, and its type if the
 * Call-ID is that of a chat.  Returns NGX_ERROR if there is no memory.
 */

ngx_int_t
ngx_sip_thread_read(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev,
    ngx_str_t *call_id)
{
    u_char         text[NGX_FED_NOTE_TEXT];
    ngx_str_t      known;
    ngx_fed_key_t  key, users;

    users = ngx_sip_thread_users(ctx, ev);

    known.data = text;

    if (ctx->conf->mirror_chat) {
        key = ngx_sip_thread_chat(ctx, &users, call_id->data, call_id->len);

        if (ngx_sip_thread_find(ctx, &users, &key, &known) == NGX_OK) {
            ev->type = NGX_FED_CHAT;
        }
    }

    if (ngx_sip_thread_parse(call_id, &key) == NGX_OK
        && ngx_sip_thread_find(ctx, &users, &key, &known) == NGX_OK)
    {
        ev->thread.data = ngx_pstrdup(ev->pool, &known);
        ev->thread.len = known.len;

        return ev->thread.data ? NGX_OK : NGX_ERROR;
    }

    if (call_id->len <= NGX_SIP_CALL_ID_LEN
        && ngx_strlchr(call_id->data, call_id->data + call_id->len, '@')
           == NULL)
    {
        ev->thread = *call_id;
        return NGX_OK;
    }

    /* what is behind an "@" is an address, which is nobody's business */

    key = ngx_sip_thread_hash(ctx, &users, call_id);

    ev->thread.data = ngx_pnalloc(ev->pool, NGX_FED_HASH_TEXT);
    if (ev->thread.data == NULL) {
        return NGX_ERROR;
    }

    ev->thread.len = NGX_FED_HASH_TEXT;

    (void) ngx_sip_thread_text(ev->thread.data, &key);

    ngx_sip_thread_remember(ctx, &users, &key, call_id);

    return NGX_OK;
}


/* Names the two users of an event, whoever of them sends. */

ngx_fed_key_t
ngx_sip_thread_users(ngx_sip_ctx_t *ctx, ngx_fed_event_t *ev)
{
    if (ev->source == &ngx_sip_leg) {
        return ngx_sip_pair_key(ctx, &ev->to, &ev->from);
    }

    return ngx_sip_pair_key(ctx, &ev->from, &ev->to);
}


static ngx_fed_key_t
ngx_sip_thread_hash(ngx_sip_ctx_t *ctx, ngx_fed_key_t *users, ngx_str_t *text)
{
    ngx_fed_hash_t  hash;

    ngx_fed_hash_init(&hash, &ctx->secret);
    ngx_fed_hash_update(&hash, (u_char *) users, sizeof(ngx_fed_key_t));
    ngx_fed_hash_str(&hash, text);

    return ngx_fed_hash_final(&hash);
}


/* Finds what a hash stands for between two users; text->data has the room. */

static ngx_int_t
ngx_sip_thread_find(ngx_sip_ctx_t *ctx, ngx_fed_key_t *users,
    ngx_fed_key_t *key, ngx_str_t *text)
{
    ngx_fed_key_t  note[2];

    note[0] = *key;
    note[1] = *users;

    return ngx_fed_zone_noted(ctx->conf, (u_char *) note, text->data,
                              &text->len);
}


static void
ngx_sip_thread_remember(ngx_sip_ctx_t *ctx, ngx_fed_key_t *users,
    ngx_fed_key_t *key, ngx_str_t *text)
{
    ngx_fed_key_t  note[2];

    note[0] = *key;
    note[1] = *users;

    (void) ngx_fed_zone_note(ctx->conf, (u_char *) note, text);
}


/* Reads what ngx_sip_thread_text() writes. */

static ngx_int_t
ngx_sip_thread_parse(ngx_str_t *text, ngx_fed_key_t *key)
{
    size_t     i;
    uint64_t  *n;
    u_char     ch;

    if (text->len != NGX_FED_HASH_TEXT) {
        return NGX_DECLINED;
    }

    key->lo = 0;
    key->hi = 0;

    for (i = 0; i < NGX_FED_HASH_TEXT; i++) {

        ch = text->data[i];

        if (ch >= '0' && ch <= '9') {
            ch -= '0';

        } else if (ch >= 'a' && ch <= 'f') {
            ch -= 'a' - 10;

        } else {
            return NGX_DECLINED;
        }

        n = (i < NGX_FED_HASH_TEXT / 2) ? &key->lo : &key->hi;
        *n = (*n << 4) | ch;
    }

    return NGX_OK;
}


static u_char *
ngx_sip_thread_text(u_char *dst, ngx_fed_key_t *key)
{
    dst = ngx_sip_hex(dst, key->lo);

    return ngx_sip_hex(dst, key->hi);
}


/* The key under which it is known that a Call-ID is that of a chat. */

static ngx_fed_key_t
ngx_sip_thread_chat(ngx_sip_ctx_t *ctx, ngx_fed_key_t *users, u_char *call_id,
    size_t len)
{
    ngx_fed_hash_t  hash;

    ngx_fed_hash_init(&hash, &ctx->secret);
    ngx_fed_hash_update(&hash, (u_char *) "chat", 4);
    ngx_fed_hash_update(&hash, (u_char *) users, sizeof(ngx_fed_key_t));
    ngx_fed_hash_update(&hash, call_id, len);

    return ngx_fed_hash_final(&hash);
}
