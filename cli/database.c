/* SPDX-License-Identifier: Apache-2.0 */
#include "database.h"

#include <assert.h>
#include <string.h>

#include "json.h"
#include "verb.h"

#define PARAMS_MAX 16
#define CELL_BYTES 60

struct pg *database_open(const char *url, int64_t timeout_ms, struct err *err)
{
    struct pg *pg = pg_new(
        &(struct pg_opts){.url = url, .application_name = "postrider", .timeout_ms = timeout_ms});
    if (pg_connect(pg, err))
        return pg;
    err_wrap(err, "database (POSTRIDER_DATABASE_URL)");
    pg_free(pg);
    return NULL;
}

struct pg_result *database_query(struct pg *pg, const char *sql, const char *const *values, int n,
                                 struct err *err)
{
    struct pg_param params[PARAMS_MAX] = {0};
    assert(n <= PARAMS_MAX);
    for (int i = 0; i < n; i++)
        params[i].value = values[i];
    struct pg_result *r = pg_exec(pg, sql, params, n, err);
    // The one mistake that everybody makes once.
    if (!r && (strcmp(pg_sqlstate(pg), "42P01") == 0 || strcmp(pg_sqlstate(pg), "42883") == 0))
        err_wrap(err, "run `postrider migrate` first");
    return r;
}

bool database_do(struct pg *pg, const char *sql, const char *const *values, int n, struct err *err)
{
    struct pg_result *r = database_query(pg, sql, values, n, err);
    pg_result_free(r);
    return r != NULL;
}

static size_t shown(struct str s)
{
    // Characters, not bytes: continuation bytes take no column.
    size_t columns = 0;
    for (size_t i = 0; i < s.len; i++)
        columns += ((uint8_t)s.ptr[i] & 0xC0) != 0x80;
    return columns;
}

static void print_cell(struct buf *out, struct str s, size_t width, bool last)
{
    verb_put_text(out, s, false);
    for (size_t i = shown(s); !last && i < width + 2; i++)
        buf_putc(out, ' ');
}

static void print_table(const struct pg_result *r, const char *const *titles, int n,
                        struct buf *out)
{
    size_t width[PARAMS_MAX] = {0};
    assert(n <= PARAMS_MAX);
    for (int c = 0; c < n; c++) {
        width[c] = strlen(titles[c]);
        for (int i = 0; i < pg_rows(r); i++) {
            size_t w = shown(pg_text(r, i, c));
            width[c] = w > width[c] ? w : width[c];
        }
        width[c] = width[c] < CELL_BYTES ? width[c] : CELL_BYTES;
    }
    for (int c = 0; c < n; c++)
        print_cell(out, str_of(titles[c]), width[c], c + 1 == n);
    buf_putc(out, '\n');
    for (int i = 0; i < pg_rows(r); i++) {
        for (int c = 0; c < n; c++)
            print_cell(out, pg_text(r, i, c), width[c], c + 1 == n);
        buf_putc(out, '\n');
    }
}

void database_print(const struct pg_result *r, const char *const *titles, int n, bool json,
                    struct buf *out)
{
    if (!json) {
        print_table(r, titles, n, out);
        return;
    }
    struct json_out o = {.buf = out};
    json_open(&o, '[');
    for (int i = 0; i < pg_rows(r); i++) {
        json_open(&o, '{');
        for (int c = 0; c < n; c++)
            json_put_str(&o, titles[c], pg_text(r, i, c));
        json_close(&o, '}');
    }
    json_close(&o, ']');
    buf_putc(out, '\n');
}

int database_show(const struct pg_result *r, const char *const *titles, int n, bool json)
{
    struct buf out;
    buf_init(&out, VERB_OUT_MAX);
    database_print(r, titles, n, json, &out);
    bool ok = verb_print(&out);
    buf_done(&out);
    return ok ? EXIT_OK : EXIT_FAILED;
}
