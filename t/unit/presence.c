
/*
 * Tests of ngx_fed_presence.c: resources, and the form that the zone and the
 * state file keep.
 */


#include "unit.h"
#include "ngx_fed_presence.h"


/* flags, priority, stamp, length of the name; then the number of statuses */

#define HEAD  (1 + 1 + 4 + 2)


typedef struct {
    const char   *name;
    const char   *bytes;
    size_t        len;
    ngx_uint_t    ok;
} presence_case_t;


#define bytes(s)  s, sizeof(s) - 1


static presence_case_t  packed[] = {
    { "nothing", bytes(""), 1 },
    { "bare", bytes("\1\0\0\0\0\0\0\0\0"), 1 },
    { "a name", bytes("\1\0\0\0\0\0\1\0x\0"), 1 },
    { "two", bytes("\1\0\0\0\0\0\1\0x\0\0\0\0\0\0\0\1\0y\0"), 1 },
    { "a status", bytes("\1\0\0\0\0\0\0\0\1\2en\2\0hi"), 1 },
    { "four statuses", bytes("\1\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0"), 1 },
    { "the last show", bytes("\x41\0\0\0\0\0\0\0\0"), 1 },

    { "one octet", bytes("\1"), 0 },
    { "no number of statuses", bytes("\1\0\0\0\0\0\0\0"), 0 },
    { "no name", bytes("\1\0\0\0\0\0\1\0"), 0 },
    { "a name and no more", bytes("\1\0\0\0\0\0\1\0x"), 0 },
    { "a name that is too long", bytes("\1\0\0\0\0\0\2\0x\0"), 0 },
    { "a very long name", bytes("\1\0\0\0\0\0\377\377x\0"), 0 },
    { "no such show", bytes("\x51\0\0\0\0\0\0\0\0"), 0 },
    { "the greatest show", bytes("\xf1\0\0\0\0\0\0\0\0"), 0 },
    { "a status is missing", bytes("\1\0\0\0\0\0\0\0\1"), 0 },
    { "a status without its text", bytes("\1\0\0\0\0\0\0\0\1\0\2\0h"), 0 },
    { "a status without its length", bytes("\1\0\0\0\0\0\0\0\1\0\0"), 0 },
    { "a language that is too long", bytes("\1\0\0\0\0\0\0\0\1\3en\0"), 0 },
    { "a very long language", bytes("\1\0\0\0\0\0\0\0\1\377en\0\0"), 0 },
    { "a very long text", bytes("\1\0\0\0\0\0\0\0\1\2en\377\377hi"), 0 },
    { "five statuses",
      bytes("\1\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), 0 },
    { "an octet too much", bytes("\1\0\0\0\0\0\0\0\0\1"), 0 }
};


static ngx_fed_resource_t *
add(ngx_fed_presence_t *presence, const char *name)
{
    ngx_str_t  s;

    s = unit_string(name);

    return ngx_fed_presence_add(presence, &s);
}


static ngx_fed_resource_t *
find(ngx_fed_presence_t *presence, const char *name)
{
    ngx_str_t  s;

    s = unit_string(name);

    return ngx_fed_presence_find(presence, &s);
}


static void
status(ngx_fed_resource_t *r, const char *lang, const char *text)
{
    r->statuses[r->nstatuses].lang = unit_string(lang);
    r->statuses[r->nstatuses++].text = unit_string(text);
}


static ngx_uint_t
same(ngx_fed_presence_t *a, ngx_fed_presence_t *b)
{
    ngx_uint_t           i;
    ngx_fed_resource_t  *r, *s;

    if (a->n != b->n) {
        return 0;
    }

    for (i = 0; i < a->n; i++) {
        r = &a->resources[i];
        s = &b->resources[i];

        if (r->name.len != s->name.len
            || (r->name.len
                && memcmp(r->name.data, s->name.data, r->name.len) != 0)
            || r->stamp != s->stamp
            || !ngx_fed_resource_equal(r, s))
        {
            return 0;
        }
    }

    return 1;
}


static void
test_resources(void)
{
    ngx_uint_t           i;
    ngx_fed_presence_t   presence;
    ngx_fed_resource_t  *r, a, b;

    presence.n = 0;

    unit_ok(find(&presence, "x") == NULL, "nothing is found in nothing");
    unit_ok(!ngx_fed_presence_open(&presence), "nothing is available");

    memset(&presence.resources, 0x5a, sizeof(presence.resources));

    r = add(&presence, "x");
    unit_ok(r && presence.n == 1 && !r->available && r->nstatuses == 0
            && r->show == NGX_FED_SHOW_NONE && r->stamp == 0
            && r->priority == NGX_FED_NO_PRIORITY,
            "a new resource says nothing");
    unit_ok(!ngx_fed_presence_open(&presence), "and is not available");

    unit_ok(add(&presence, "") == find(&presence, ""), "the bare JID is one");
    unit_ok(find(&presence, "X") == NULL && find(&presence, "xx") == NULL,
            "names differ by case and length");

    add(&presence, "y")->available = 1;
    unit_ok(ngx_fed_presence_open(&presence), "one of three is available");

    ngx_fed_presence_remove(&presence, find(&presence, ""));
    unit_ok(presence.n == 2 && find(&presence, "") == NULL
            && find(&presence, "x") == &presence.resources[0]
            && find(&presence, "y") == &presence.resources[1],
            "removed, the others stay in their order");

    ngx_fed_presence_remove(&presence, find(&presence, "y"));
    ngx_fed_presence_remove(&presence, find(&presence, "x"));
    unit_ok(presence.n == 0, "removed, the last ones");

    for (i = 0; i < NGX_FED_RESOURCES; i++) {
        (void) add(&presence, "r");
    }

    unit_ok(presence.n == NGX_FED_RESOURCES && add(&presence, "z") == NULL
            && presence.n == NGX_FED_RESOURCES,
            "no more than %d", NGX_FED_RESOURCES);

    memset(&a, 0, sizeof(a));
    status(&a, "en", "here");

    b = a;
    b.stamp = 1;
    b.name = unit_string("b");
    unit_ok(ngx_fed_resource_equal(&a, &b), "equal, whoever and whenever");

    b = a;
    b.available = 1;
    unit_ok(!ngx_fed_resource_equal(&a, &b), "available or not");

    b = a;
    b.show = NGX_FED_SHOW_XA;
    unit_ok(!ngx_fed_resource_equal(&a, &b), "another show");

    b = a;
    b.priority = 1;
    unit_ok(!ngx_fed_resource_equal(&a, &b), "another priority");

    b = a;
    b.nstatuses = 0;
    unit_ok(!ngx_fed_resource_equal(&a, &b), "no status");

    b.nstatuses = 0;
    status(&b, "cs", "here");
    unit_ok(!ngx_fed_resource_equal(&a, &b), "another language");

    b.nstatuses = 0;
    status(&b, "en", "herf");
    unit_ok(!ngx_fed_resource_equal(&a, &b), "another text");

    b.nstatuses = 0;
    status(&b, "en", "her");
    unit_ok(!ngx_fed_resource_equal(&a, &b), "a shorter text");
}


static void
test_round_trip(void)
{
    size_t               len;
    u_char              *copy;
    ngx_int_t            i;
    ngx_uint_t           bad;
    ngx_fed_presence_t   in, out;
    ngx_fed_resource_t  *r;
    u_char               buf[NGX_FED_PACKED_MAX];

    in.n = 0;
    unit_ok(ngx_fed_presence_pack(buf, &in) == 0, "nothing takes nothing");
    unit_ok(ngx_fed_presence_unpack(buf, 0, &out) == NGX_OK && out.n == 0,
            "and is nothing again");

    r = add(&in, "b\xc3\xbcro");
    r->available = 1;
    r->show = NGX_FED_SHOW_DND;
    r->priority = -128;
    r->stamp = 1700000000;
    status(r, "en", "busy");
    status(r, "", "");
    status(r, "cs-CZ", "nem\xc3\xa1m \xc4\x8d" "as");
    status(r, "sr-Latn-RS-x-abcdefgh-abcdefghijklm", "zauzet");

    r = add(&in, "");
    r->stamp = 4102444800;
    status(r, "", "gone");

    len = ngx_fed_presence_pack(buf, &in);
    copy = malloc(len);
    memcpy(copy, buf, len);

    unit_ok(ngx_fed_presence_unpack(copy, len, &out) == NGX_OK
            && same(&in, &out), "all of it comes back");
    unit_ok(out.resources[0].name.data > copy
            && out.resources[0].name.data < copy + len,
            "its strings lie in the source");

    free(copy);

    in.n = 0;
    r = add(&in, "x");
    r->available = 1;
    bad = 0;

    for (i = -128; i < 128; i++) {
        r->priority = i;
        len = ngx_fed_presence_pack(buf, &in);
        bad += (ngx_fed_presence_unpack(buf, len, &out) != NGX_OK
                || out.resources[0].priority != i);
    }

    unit_ok(bad == 0, "each priority");

    r->priority = NGX_FED_NO_PRIORITY;
    len = ngx_fed_presence_pack(buf, &in);
    unit_ok(ngx_fed_presence_unpack(buf, len, &out) == NGX_OK
            && out.resources[0].priority == NGX_FED_NO_PRIORITY, "and none");

    r->untold = 1;
    len = ngx_fed_presence_pack(buf, &in);
    unit_ok(ngx_fed_presence_unpack(buf, len, &out) == NGX_OK
            && out.resources[0].untold && out.resources[0].available,
            "that it is not told yet");
    r->untold = 0;

    bad = 0;

    for (i = NGX_FED_SHOW_NONE; i <= NGX_FED_SHOW_XA; i++) {
        r->show = i;
        len = ngx_fed_presence_pack(buf, &in);
        bad += (ngx_fed_presence_unpack(buf, len, &out) != NGX_OK
                || out.resources[0].show != (ngx_fed_show_e) i);
    }

    unit_ok(bad == 0, "each show");

    status(r, "sr-Latn-RS-x-abcdefgh-abcdefghijklmn", "too long a language");
    status(r, "en", "here");
    len = ngx_fed_presence_pack(buf, &in);
    unit_ok(ngx_fed_presence_unpack(buf, len, &out) == NGX_OK
            && out.resources[0].nstatuses == 1
            && out.resources[0].statuses[0].text.len == 4,
            "a text of too long a language is left out");

    in.n = 0;

    for (i = 0; i < NGX_FED_RESOURCES; i++) {
        add(&in, "r")->available = i & 1;
    }

    len = ngx_fed_presence_pack(buf, &in);
    unit_ok(ngx_fed_presence_unpack(buf, len, &out) == NGX_OK
            && same(&in, &out), "%d resources", NGX_FED_RESOURCES);

    memcpy(buf + len, "\1\0\0\0\0\0\0\0\0", HEAD + 1);
    unit_ok(ngx_fed_presence_unpack(buf, len + HEAD + 1, &out) == NGX_ERROR,
            "and one more is an error");
}


/* what has no room is left out, and nothing is written behind the end */

static void
test_room(void)
{
    u_char              *dst, *text;
    size_t               len;
    ngx_uint_t           i, k;
    ngx_fed_presence_t   in, out;
    ngx_fed_resource_t  *r;

    dst = malloc(NGX_FED_PACKED_MAX);
    text = malloc(NGX_FED_PACKED_MAX);

    memset(text, 'x', NGX_FED_PACKED_MAX);

    in.n = 0;

    for (i = 0; i < NGX_FED_RESOURCES; i++) {
        r = add(&in, "r");
        r->available = 1;

        for (k = 0; k < NGX_FED_STATUSES; k++) {
            r->statuses[k].lang = unit_string("en");
            r->statuses[k].text.data = text;
            r->statuses[k].text.len = NGX_FED_STATUS_LEN;
        }

        r->nstatuses = NGX_FED_STATUSES;
    }

    len = ngx_fed_presence_pack(dst, &in);
    unit_ok(len <= NGX_FED_PACKED_MAX, "all texts of all resources: in size");
    unit_ok(ngx_fed_presence_unpack(dst, len, &out) == NGX_OK
            && out.n == NGX_FED_RESOURCES
            && out.resources[0].nstatuses == 3
            && out.resources[1].nstatuses == 0,
            "texts are left out first");
    unit_ok(ngx_fed_presence_open(&out)
            && out.resources[NGX_FED_RESOURCES - 1].available,
            "who is available is kept");

    in.n = 0;

    for (i = 0; i < NGX_FED_RESOURCES; i++) {
        r = add(&in, "");
        r->name.data = text;
        r->name.len = 1023;
    }

    len = ngx_fed_presence_pack(dst, &in);
    unit_ok(len <= NGX_FED_PACKED_MAX
            && ngx_fed_presence_unpack(dst, len, &out) == NGX_OK
            && out.n == 3,
            "resources of the longest names are left out from the end");

    in.n = 0;
    r = add(&in, "");
    r->name.data = text;
    r->name.len = NGX_FED_PACKED_MAX - HEAD - 1;

    len = ngx_fed_presence_pack(dst, &in);
    unit_ok(len == NGX_FED_PACKED_MAX
            && ngx_fed_presence_unpack(dst, len, &out) == NGX_OK
            && out.n == 1, "it may be full to the last octet");

    r->name.len++;
    unit_ok(ngx_fed_presence_pack(dst, &in) == 0, "and not fuller");

    free(dst);
    free(text);
}


static void
test_packed(void)
{
    u_char              *copy;
    ngx_int_t            rc;
    ngx_uint_t           i;
    ngx_fed_presence_t   presence;

    for (i = 0; i < sizeof(packed) / sizeof(packed[0]); i++) {

        copy = malloc(packed[i].len ? packed[i].len : 1);
        memcpy(copy, packed[i].bytes, packed[i].len);

        rc = ngx_fed_presence_unpack(copy, packed[i].len, &presence);

        unit_ok(rc == (packed[i].ok ? NGX_OK : NGX_ERROR),
                "packed: %s - %s", packed[i].name,
                packed[i].ok ? "taken" : "refused");

        free(copy);
    }
}


/* whatever is read, it stays within, and is written as it was read */

static void
test_mutations(void)
{
    size_t               len;
    ngx_str_t            s, in;
    ngx_uint_t           n, bad, cut, taken;
    ngx_fed_presence_t   presence, again;
    ngx_fed_resource_t  *r;
    u_char               buf[2 * NGX_FED_PACKED_MAX];
    u_char               out[NGX_FED_PACKED_MAX];

    static const char  *words[] = {
        "\1", "\x41", "\xff", "\xff\xff", "\4", "\5", "en", "r", "\x80"
    };

    bad = 0;
    cut = 0;
    taken = 0;

    for (n = unit_rounds(); n; n--) {

        presence.n = 0;

        while (unit_random(3)) {
            r = add(&presence, unit_random(2) ? "phone" : "");

            if (r == NULL) {
                break;
            }

            r->available = unit_random(2);
            r->show = unit_random(NGX_FED_SHOW_XA + 1);
            r->priority = (ngx_int_t) unit_random(256) - 128;
            r->stamp = unit_random(UINT32_MAX);

            while (r->nstatuses < NGX_FED_STATUSES && unit_random(2)) {
                status(r, unit_random(2) ? "en" : "", "here and there");
            }
        }

        s.data = buf;
        s.len = ngx_fed_presence_pack(buf, &presence);

        /* no beginning of it is a presence, unless a resource ends there */

        if (s.len) {
            in.data = malloc(s.len);
            in.len = unit_random(s.len);
            memcpy(in.data, s.data, in.len);

            if (ngx_fed_presence_unpack(in.data, in.len, &again) == NGX_OK
                && again.n >= presence.n)
            {
                cut++;
            }

            free(in.data);
        }

        unit_mutate(&s, sizeof(buf), words, sizeof(words) / sizeof(words[0]));

        in = unit_copy(&s);

        if (ngx_fed_presence_unpack(in.data, in.len, &presence) == NGX_OK) {

            taken++;

            len = ngx_fed_presence_pack(out, &presence);

            if (ngx_fed_presence_unpack(out, len, &again) != NGX_OK
                || again.n > presence.n)
            {
                bad++;
            }
        }

        free(in.data);
    }

    unit_ok(cut == 0, "the beginning of a presence is not all of it");
    unit_ok(bad == 0, "what was read can be written");
    unit_ok(taken > 0, "some mutations are read (%u)", (unsigned) taken);
}


int
main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);

    test_resources();
    test_round_trip();
    test_room();
    test_packed();
    test_mutations();

    return unit_done();
}
