
/*
 * What the unit tests share: TAP, tables, random mutations.
 */


#ifndef _UNIT_H_INCLUDED_
#define _UNIT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define UNIT_COLUMNS  12


/* a row of a table: NUL-terminated strings, those that lack are empty */

typedef struct {
    char         *column[UNIT_COLUMNS];
} unit_row_t;


typedef struct {
    unit_row_t   *rows;
    ngx_uint_t    nrows;
    char         *text;
} unit_table_t;


/* allocations that succeed before the others fail; -1: all do */

extern ngx_int_t  ngx_shim_allocations;


void unit_ok(ngx_uint_t ok, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void unit_is(ngx_str_t *got, ngx_str_t *expected, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void unit_diag(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int unit_done(void);

void unit_table(unit_table_t *table, const char *dir, const char *name);
void unit_table_free(unit_table_t *table);
ngx_str_t unit_string(const char *s);
ngx_str_t unit_copy(ngx_str_t *s);

ngx_uint_t unit_random(ngx_uint_t n);
ngx_uint_t unit_rounds(void);
void unit_mutate(ngx_str_t *s, size_t size, const char **words,
    ngx_uint_t nwords);


#endif /* _UNIT_H_INCLUDED_ */
