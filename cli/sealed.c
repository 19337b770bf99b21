/* SPDX-License-Identifier: Apache-2.0 */
#include "sealed.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "crypto.h"
#include "mem.h"

#define BATCH      100
#define PASSES_MAX 100
#define SQL_MAX    1024
#define NO_UUID    "00000000-0000-0000-0000-000000000000"
/* A token and its few companions, sealed. */
#define SECRET_MAX_BYTES ((size_t)64 << 10)

const struct sealed_column sealed_columns[] = {
    {"channels_account", "credentials", "credentials_key_id", "id", "uuid", NO_UUID},
    {"tenant_credentials", "credentials", "credentials_key_id", "provider", "text", ""},
    {0},
};

/* --- counting --------------------------------------------------------------------------------- */

static bool add_count(struct sealed_count *counts, size_t *n, struct str id, int64_t rows,
                      struct err *err)
{
    for (size_t i = 0; i < *n; i++)
        if (str_eq_c(id, counts[i].key_id)) {
            counts[i].rows += rows;
            return true;
        }
    if (*n == SEALED_COUNTS_MAX)
        return err_set(err, ERR_LIMITED, "more than %d keys are named", SEALED_COUNTS_MAX);
    (void)snprintf(counts[*n].key_id, sizeof counts[*n].key_id, "%.*s", STR_ARG(id));
    counts[(*n)++].rows = rows;
    return true;
}

bool sealed_count(struct pg *pg, struct sealed_count out[SEALED_COUNTS_MAX], size_t *n,
                  struct err *err)
{
    *n = 0;
    for (const struct sealed_column *c = sealed_columns; c->table; c++) {
        char sql[SQL_MAX];
        (void)snprintf(sql, sizeof sql,
                       "SELECT coalesce(%s, ''), count(*) FROM %s WHERE %s IS NOT NULL "
                       "GROUP BY 1 ORDER BY 1",
                       c->key_column, c->table, c->column);
        auto_result r = database_query(pg, sql, NULL, 0, err);
        if (!r)
            return err_wrap(err, "%s", c->table);
        for (int i = 0; i < pg_rows(r); i++)
            if (!add_count(out, n, pg_text(r, i, 0), pg_i64(r, i, 1), err))
                return false;
    }
    return true;
}

/* --- sealing anew ----------------------------------------------------------------------------- */

struct pass {
    struct pg *pg;
    struct vault *vault;
    const struct sealed_column *column;
    const char *place; /* "table.column" */
    struct arena *a;   /* of one batch */
    struct str active;
    char tenant[64], row[256]; /* where the pass is: the last row that was read */
    struct sealed_progress *progress;
};

static struct pg_result *read_batch(struct pass *p, struct err *err)
{
    const struct sealed_column *c = p->column;
    char sql[SQL_MAX];
    (void)snprintf(sql, sizeof sql,
                   "SELECT tenant_id, %s, encode(%s, 'hex'), %s FROM %s "
                   "WHERE %s IS NOT NULL AND %s IS DISTINCT FROM $1 AND length(%s) <= %zu "
                   "AND (tenant_id, %s) > ($2::uuid, $3::%s) ORDER BY tenant_id, %s LIMIT %d",
                   c->row, c->column, c->key_column, c->table, c->column, c->key_column, c->column,
                   SECRET_MAX_BYTES, c->row, c->row_type, c->row, BATCH);
    const char *const values[] = {str_c(p->a, p->active), p->tenant, p->row};
    return database_query(p->pg, sql, values, 3, err);
}

static void note_not_opened(struct pass *p, const struct err *err)
{
    struct sealed_progress *g = p->progress;
    if (g->not_opened++ == 0)
        (void)snprintf(g->first_not_opened, sizeof g->first_not_opened, "%s %.40s/%.40s: %.100s",
                       p->column->table, p->tenant, p->row, err->msg);
}

/* The rows of a batch that were sealed anew, as the arrays of one statement. */
enum { TENANT, ROW, OLD, ANEW, KEY, N_ARRAYS };
struct batch {
    struct pg_array arrays[N_ARRAYS];
    int n;
};

/* False: it does not open, and *err says why. */
static bool reseal(struct pass *p, const struct pg_result *rows, int i, struct batch *b,
                   struct err *err)
{
    struct str hex = pg_text(rows, i, 2), secret;
    size_t n = hex.len / 2;
    uint8_t *old = arena_alloc(p->a, n + 1);
    const struct vault_place place = {pg_text(rows, i, 0), p->place};
    struct str sealed = {(const char *)old, n};
    if (!hex_decode(hex, old, n) ||
        !vault_unseal(p->vault, p->a, &place, pg_text(rows, i, 3), sealed, &secret, err))
        return false;
    struct str anew = vault_seal(p->vault, p->a, &place, secret);
    crypto_wipe((void *)secret.ptr, secret.len);
    pg_array_str(&b->arrays[TENANT], pg_text(rows, i, 0));
    pg_array_str(&b->arrays[ROW], pg_text(rows, i, 1));
    pg_array_str(&b->arrays[OLD], hex);
    pg_array_str(&b->arrays[ANEW], hex_encode(p->a, anew));
    pg_array_str(&b->arrays[KEY], vault_key_of(anew));
    b->n++;
    return true;
}

/* Only what has not changed since it was read: what is newer stays. */
static bool store(struct pass *p, struct batch *b, struct err *err)
{
    const struct sealed_column *c = p->column;
    struct pg_param params[N_ARRAYS];
    char sql[SQL_MAX];
    (void)snprintf(sql, sizeof sql,
                   "UPDATE %s t SET %s = decode(u.anew, 'hex'), %s = u.key FROM "
                   "unnest($1::uuid[], $2::%s[], $3::text[], $4::text[], $5::text[]) "
                   "AS u (tenant_id, row_id, old, anew, key) WHERE t.tenant_id = u.tenant_id "
                   "AND t.%s = u.row_id AND t.%s = decode(u.old, 'hex') RETURNING 1",
                   c->table, c->column, c->key_column, c->row_type, c->row, c->column);
    for (int i = 0; i < N_ARRAYS; i++)
        params[i] = pg_array_param(&b->arrays[i]);
    auto_result r = pg_exec(p->pg, sql, params, N_ARRAYS, err);
    if (!r && err->kind != ERR_CONFLICT)
        return false;
    int done = r ? pg_rows(r) : 0;
    p->progress->resealed += done;
    p->progress->overtaken += b->n - done;
    return true;
}

static bool run_batch(struct pass *p, const struct pg_result *rows, struct err *err)
{
    struct batch b = {0};
    for (int i = 0; i < N_ARRAYS; i++)
        pg_array_init(&b.arrays[i], (2 * SECRET_MAX_BYTES + 1024) * BATCH);
    for (int i = 0; i < pg_rows(rows); i++) {
        struct err why = {0};
        (void)snprintf(p->tenant, sizeof p->tenant, "%.*s", STR_ARG(pg_text(rows, i, 0)));
        (void)snprintf(p->row, sizeof p->row, "%.*s", STR_ARG(pg_text(rows, i, 1)));
        if (!reseal(p, rows, i, &b, &why))
            note_not_opened(p, &why);
    }
    bool ok = b.n == 0 || store(p, &b, err);
    for (int i = 0; i < N_ARRAYS; i++)
        pg_array_done(&b.arrays[i]);
    return ok;
}

/* From the first row to the last. */
static bool run_pass(struct pass *p, struct err *err)
{
    (void)snprintf(p->tenant, sizeof p->tenant, "%s", NO_UUID);
    (void)snprintf(p->row, sizeof p->row, "%s", p->column->row_first);
    for (;;) {
        p->a = arena_new((SECRET_MAX_BYTES * 6 + (8 << 10)) * BATCH);
        auto_result rows = read_batch(p, err);
        int n = rows ? pg_rows(rows) : 0;
        bool ok = rows && (n == 0 || run_batch(p, rows, err));
        arena_free_wiped(p->a);
        if (!ok || n < BATCH)
            return ok;
    }
}

bool sealed_rotate(struct pg *pg, struct vault *v, struct sealed_progress *out, struct err *err)
{
    *out = (struct sealed_progress){0};
    for (const struct sealed_column *c = sealed_columns; c->table; c++) {
        char place[128];
        (void)snprintf(place, sizeof place, "%s.%s", c->table, c->column);
        struct pass p = {.pg = pg, .vault = v, .column = c, .place = place, .progress = out};
        for (int i = 0;; i++) {
            int64_t resealed = out->resealed, overtaken = out->overtaken;
            int64_t not_opened = out->not_opened;
            p.active = vault_active_key(v);
            if (!run_pass(&p, err))
                return err_wrap(err, "%s", c->table);
            // Who had read the ring before it was changed may just have stored one more.
            if (out->resealed == resealed && out->overtaken == overtaken)
                break;
            if (i == PASSES_MAX)
                return err_set(err, ERR_BUSY,
                               "%s: others go on sealing under an older key: has "
                               "every host the new key ring?",
                               c->table);
            out->not_opened = not_opened; // the next pass meets them again
        }
    }
    return true;
}
