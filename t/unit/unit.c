
/*
 * What the unit tests share: TAP, tables, random mutations.
 */


#include "unit.h"


static ngx_uint_t  unit_count;
static ngx_uint_t  unit_failed;


static void
unit_print(ngx_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < 0x20 || s->data[i] == 0x7f) {
            printf("\\x%02X", s->data[i]);

        } else {
            putchar(s->data[i]);
        }
    }
}


static void
unit_result(ngx_uint_t ok, const char *fmt, va_list args)
{
    printf("%sok %u - ", ok ? "" : "not ", (unsigned) ++unit_count);
    vprintf(fmt, args);
    putchar('\n');

    if (!ok) {
        unit_failed++;
    }
}


void
unit_ok(ngx_uint_t ok, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    unit_result(ok, fmt, args);
    va_end(args);
}


void
unit_is(ngx_str_t *got, ngx_str_t *expected, const char *fmt, ...)
{
    va_list     args;
    ngx_uint_t  ok;

    ok = got->len == expected->len
         && (got->len == 0
             || memcmp(got->data, expected->data, got->len) == 0);

    va_start(args, fmt);
    unit_result(ok, fmt, args);
    va_end(args);

    if (!ok) {
        printf("#      got: '");
        unit_print(got);
        printf("'\n# expected: '");
        unit_print(expected);
        printf("'\n");
    }
}


void
unit_diag(const char *fmt, ...)
{
    va_list  args;

    printf("# ");
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}


int
unit_done(void)
{
    printf("1..%u\n", (unsigned) unit_count);

    return unit_failed ? 1 : 0;
}


/* the first line names the columns and is left out */

void
unit_table(unit_table_t *table, const char *dir, const char *name)
{
    char        *p, *line, *next, path[4096];
    long         size;
    FILE        *file;
    ngx_uint_t   i, n;

    snprintf(path, sizeof(path), "%s/%s", dir, name);

    file = fopen(path, "rb");
    if (file == NULL) {
        printf("Bail out! no %s\n", path);
        exit(2);
    }

    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);

    table->text = malloc(size + 1);
    if (table->text == NULL
        || fread(table->text, 1, size, file) != (size_t) size)
    {
        printf("Bail out! cannot read %s\n", path);
        exit(2);
    }

    table->text[size] = '\0';
    fclose(file);

    for (n = 0, p = table->text; *p; p++) {
        if (*p == '\n') {
            n++;
        }
    }

    table->rows = calloc(n + 1, sizeof(unit_row_t));
    table->nrows = 0;

    line = strchr(table->text, '\n');

    for (line = line ? line + 1 : NULL; line && *line; line = next) {
        next = strchr(line, '\n');

        if (next) {
            *next++ = '\0';
        }

        for (i = 0, p = line; i < UNIT_COLUMNS; i++) {
            table->rows[table->nrows].column[i] = p;

            p += strcspn(p, "\t");

            if (*p) {
                *p++ = '\0';
            }
        }

        table->nrows++;
    }
}


void
unit_table_free(unit_table_t *table)
{
    free(table->rows);
    free(table->text);
}


ngx_str_t
unit_string(const char *s)
{
    ngx_str_t  str;

    str.data = (u_char *) s;
    str.len = strlen(s);

    return str;
}


/* an allocation of its own, so that reading beyond it is noticed */

ngx_str_t
unit_copy(ngx_str_t *s)
{
    ngx_str_t  copy;

    copy.len = s->len;
    copy.data = malloc(s->len ? s->len : 1);

    if (copy.data == NULL) {
        exit(2);
    }

    memcpy(copy.data, s->data, s->len);

    return copy;
}


ngx_uint_t
unit_random(ngx_uint_t n)
{
    static uint64_t  x = UINT64_C(0x9e3779b97f4a7c15);

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;

    return (x >> 16) % n;
}


ngx_uint_t
unit_rounds(void)
{
    char  *env;

    env = getenv("UNIT_ROUNDS");

    return env ? strtoul(env, NULL, 10) : 200000;
}


void
unit_mutate(ngx_str_t *s, size_t size, const char **words, ngx_uint_t nwords)
{
    u_char      *p;
    size_t       len;
    ngx_str_t    word;
    ngx_uint_t   n;

    for (n = 1 + unit_random(4); n; n--) {
        p = s->data + unit_random(s->len + 1);
        len = s->data + s->len - p;

        switch (unit_random(5)) {

        case 0: /* change */
            if (len) {
                *p = unit_random(256);
            }

            break;

        case 1: /* cut out */
            if (len) {
                len = 1 + unit_random(ngx_min(len, 4));
                memmove(p, p + len, s->data + s->len - p - len);
                s->len -= len;
            }

            break;

        case 2: /* double */
            if (len) {
                len = 1 + unit_random(ngx_min(len, 64));

                if (s->len + len <= size) {
                    memmove(p + len, p, s->data + s->len - p);
                    s->len += len;
                }
            }

            break;

        default: /* insert */
            word = unit_string(words[unit_random(nwords)]);

            if (s->len + word.len <= size) {
                memmove(p + word.len, p, len);
                memcpy(p, word.data, word.len);
                s->len += word.len;
            }

            break;
        }
    }
}
