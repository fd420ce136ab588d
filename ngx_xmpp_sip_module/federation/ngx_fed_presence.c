
/*
 * Presence of a user: what each of his resources says, and how that is kept
 * in the zone.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_fed_presence.h"
#include "ngx_fed_text.h"


#define NGX_FED_PACKED_AVAILABLE  0x01
#define NGX_FED_PACKED_PRIORITY   0x02
#define NGX_FED_PACKED_UNTOLD     0x04
#define NGX_FED_PACKED_SHOW       4          /* bits to shift by */

/* flags, priority, stamp, length of the name, number of statuses */

#define NGX_FED_PACKED_RESOURCE   (1 + 1 + 4 + 2 + 1)
#define NGX_FED_PACKED_STATUS     (1 + 2)


static u_char *ngx_fed_presence_unpack_resource(u_char *p, u_char *last,
    ngx_fed_resource_t *resource);


/* Returns the resource of that name, or NULL. */

ngx_fed_resource_t *
ngx_fed_presence_find(ngx_fed_presence_t *presence, ngx_str_t *name)
{
    ngx_uint_t           i;
    ngx_fed_resource_t  *resource;

    for (i = 0; i < presence->n; i++) {
        resource = &presence->resources[i];

        if (ngx_fed_str_equal(&resource->name, name)) {
            return resource;
        }
    }

    return NULL;
}


/*
 * Returns a new resource at the end, with nothing but its name, or NULL if
 * there are too many.
 */

ngx_fed_resource_t *
ngx_fed_presence_add(ngx_fed_presence_t *presence, ngx_str_t *name)
{
    ngx_fed_resource_t  *resource;

    if (presence->n == NGX_FED_RESOURCES) {
        return NULL;
    }

    resource = &presence->resources[presence->n++];

    ngx_memzero(resource, sizeof(ngx_fed_resource_t));

    resource->name = *name;
    resource->priority = NGX_FED_NO_PRIORITY;

    return resource;
}


void
ngx_fed_presence_remove(ngx_fed_presence_t *presence,
    ngx_fed_resource_t *resource)
{
    ngx_fed_resource_t  *last;

    last = &presence->resources[--presence->n];

    ngx_memmove(resource, resource + 1, (u_char *) last - (u_char *) resource);
}


/* Tells whether any resource is available. */

ngx_uint_t
ngx_fed_presence_open(ngx_fed_presence_t *presence)
{
    ngx_uint_t  i;

    for (i = 0; i < presence->n; i++) {
        if (presence->resources[i].available) {
            return 1;
        }
    }

    return 0;
}


/* Tells whether two resources say the same, whenever that was. */

ngx_uint_t
ngx_fed_resource_equal(ngx_fed_resource_t *a, ngx_fed_resource_t *b)
{
    ngx_uint_t         i;
    ngx_fed_status_t  *s, *t;

    if (a->available != b->available
        || a->show != b->show
        || a->priority != b->priority
        || a->nstatuses != b->nstatuses)
    {
        return 0;
    }

    for (i = 0; i < a->nstatuses; i++) {
        s = &a->statuses[i];
        t = &b->statuses[i];

        if (!ngx_fed_str_equal(&s->lang, &t->lang)
            || !ngx_fed_str_equal(&s->text, &t->text))
        {
            return 0;
        }
    }

    return 1;
}


/*
 * Writes a presence in the form that the zone keeps, NGX_FED_PACKED_MAX octets
 * at most: texts that have no room are left out, and the last resources if even
 * their names have none, which are taken out of the presence as well.  Returns
 * the length.
 */

size_t
ngx_fed_presence_pack(u_char *dst, ngx_fed_presence_t *presence)
{
    u_char              *p, *last, *count, flags;
    size_t               rest;
    uint16_t             len;
    uint32_t             stamp;
    ngx_uint_t           i, j;
    ngx_fed_status_t    *status;
    ngx_fed_resource_t  *r;

    p = dst;
    last = dst + NGX_FED_PACKED_MAX;

    rest = 0;

    for (i = 0; i < presence->n; i++) {
        rest += NGX_FED_PACKED_RESOURCE + presence->resources[i].name.len;
    }

    for (i = 0; i < presence->n; i++) {

        r = &presence->resources[i];

        if ((size_t) (last - p) < NGX_FED_PACKED_RESOURCE + r->name.len) {
            presence->n = i;
            break;
        }

        rest -= NGX_FED_PACKED_RESOURCE + r->name.len;

        flags = (u_char) (r->show << NGX_FED_PACKED_SHOW);

        if (r->available) {
            flags |= NGX_FED_PACKED_AVAILABLE;
        }

        if (r->priority != NGX_FED_NO_PRIORITY) {
            flags |= NGX_FED_PACKED_PRIORITY;
        }

        if (r->untold) {
            flags |= NGX_FED_PACKED_UNTOLD;
        }

        *p++ = flags;
        *p++ = (u_char) r->priority;

        stamp = (uint32_t) r->stamp;
        p = ngx_cpymem(p, &stamp, sizeof(uint32_t));

        len = (uint16_t) r->name.len;
        p = ngx_cpymem(p, &len, sizeof(uint16_t));

        if (r->name.len) {
            p = ngx_cpymem(p, r->name.data, r->name.len);
        }

        count = p++;
        *count = 0;

        for (j = 0; j < r->nstatuses; j++) {

            status = &r->statuses[j];

            if ((size_t) (last - p) < NGX_FED_PACKED_STATUS + status->lang.len
                                      + status->text.len + rest
                || status->lang.len > NGX_FED_LANG_LEN)
            {
                continue;
            }

            *p++ = (u_char) status->lang.len;

            if (status->lang.len) {
                p = ngx_cpymem(p, status->lang.data, status->lang.len);
            }

            len = (uint16_t) status->text.len;
            p = ngx_cpymem(p, &len, sizeof(uint16_t));
            p = ngx_cpymem(p, status->text.data, status->text.len);

            (*count)++;
        }
    }

    return p - dst;
}


/*
 * Reads what ngx_fed_presence_pack() wrote; strings lie in src.  Returns
 * NGX_ERROR if it is something else.
 */

ngx_int_t
ngx_fed_presence_unpack(u_char *src, size_t len, ngx_fed_presence_t *presence)
{
    u_char  *p, *last;

    presence->n = 0;

    p = src;
    last = src + len;

    while (p < last) {

        if (presence->n == NGX_FED_RESOURCES) {
            return NGX_ERROR;
        }

        p = ngx_fed_presence_unpack_resource(p, last,
                                        &presence->resources[presence->n++]);
        if (p == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static u_char *
ngx_fed_presence_unpack_resource(u_char *p, u_char *last,
    ngx_fed_resource_t *r)
{
    u_char             flags;
    uint16_t           len;
    uint32_t           stamp;
    ngx_uint_t         i;
    ngx_fed_status_t  *status;

    ngx_memzero(r, sizeof(ngx_fed_resource_t));

    if (last - p < NGX_FED_PACKED_RESOURCE) {
        return NULL;
    }

    flags = *p++;

    r->available = flags & NGX_FED_PACKED_AVAILABLE;
    r->untold = (flags & NGX_FED_PACKED_UNTOLD) != 0;
    r->show = flags >> NGX_FED_PACKED_SHOW;
    r->priority = (flags & NGX_FED_PACKED_PRIORITY) ? (signed char) *p
                                                    : NGX_FED_NO_PRIORITY;
    p++;

    if (r->show > NGX_FED_SHOW_XA) {
        return NULL;
    }

    ngx_memcpy(&stamp, p, sizeof(uint32_t));
    p += sizeof(uint32_t);
    r->stamp = stamp;

    ngx_memcpy(&len, p, sizeof(uint16_t));
    p += sizeof(uint16_t);

    if (last - p <= len) {
        return NULL;
    }

    r->name.len = len;
    r->name.data = p;
    p += len;

    r->nstatuses = *p++;

    if (r->nstatuses > NGX_FED_STATUSES) {
        return NULL;
    }

    for (i = 0; i < r->nstatuses; i++) {

        status = &r->statuses[i];

        if (last - p < NGX_FED_PACKED_STATUS
            || last - p < NGX_FED_PACKED_STATUS + *p)
        {
            return NULL;
        }

        status->lang.len = *p++;
        status->lang.data = p;
        p += status->lang.len;

        ngx_memcpy(&len, p, sizeof(uint16_t));
        p += sizeof(uint16_t);

        if (last - p < len) {
            return NULL;
        }

        status->text.len = len;
        status->text.data = p;
        p += len;
    }

    return p;
}
