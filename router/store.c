/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "clock.h"
#include "store_sql.h"

/* A batch's statements join a few hundred keys with hash-partitioned tables. The good plan is
 * always the same: a nested loop over the keys, each reading one index of the one partition that
 * its tenant hashes to. Statistics could only talk the planner out of it (an empty table, a table
 * that has grown since), so it is not asked. The timeouts end a session whose router has gone in
 * the middle. */
static const char *const session_sql[] = {
    "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; "
    "SET plan_cache_mode = force_generic_plan; SET jit = off; SET row_security = on; "
    "SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '60s'",
    // An offset must not outlive its row, however the server is set.
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'",
};

struct store *router_store_new(const char *url, const char *application_name, int64_t timeout_ms)
{
    struct store *s = xalloc(sizeof *s);
    struct pg_opts opts = {.url = url,
                           .application_name = application_name,
                           .session_sql = session_sql,
                           .n_session = ARRAY_LEN(session_sql),
                           .timeout_ms = timeout_ms,
                           .replans = true};
    s->pg = pg_new(&opts);
    for (int i = 0; i < COLUMNS_MAX; i++)
        pg_array_init(&s->columns[i], COLUMN_BYTES);
    return s;
}

void router_store_free(struct store *s)
{
    if (!s)
        return;
    pg_free(s->pg);
    for (int i = 0; i < COLUMNS_MAX; i++)
        pg_array_done(&s->columns[i]);
    free(s);
}

bool router_store_connect(struct store *s, struct err *err)
{
    return pg_connect(s->pg, err);
}

bool router_store_ping(struct store *s, struct err *err)
{
    if (!pg_connect(s->pg, err))
        return false;
    struct pg_result *r = pg_exec(s->pg, "SELECT FROM tenants LIMIT 1", NULL, 0, err);
    pg_result_free(r);
    return r != NULL;
}

void router_store_rollback(struct store *s)
{
    struct err ignored = {0}; // a connection that cannot roll back is dropped, which does
    s->n_sent = 0;
    if (pg_is_connected(s->pg))
        (void)pg_rollback(s->pg, &ignored);
}

void router_store_columns(struct store *s, int n)
{
    s->n_columns = n;
    for (int i = 0; i < n; i++)
        pg_array_clear(&s->columns[i]);
}

static void note_sent(struct store *s, int id)
{
    s->sent[s->n_sent++] = id;
}

bool router_store_send(struct store *s, int id, const struct pg_stmt *stmt, struct err *err)
{
    struct pg_param params[COLUMNS_MAX];
    for (int i = 0; i < s->n_columns; i++)
        params[i] = pg_array_param(&s->columns[i]);
    note_sent(s, id);
    return pg_send(s->pg, stmt, params, s->n_columns, err);
}

bool router_store_send_plain(struct store *s, int id, const struct pg_stmt *stmt, struct err *err)
{
    note_sent(s, id);
    return pg_send(s->pg, stmt, NULL, 0, err);
}

bool router_store_run(struct store *s, struct batch *b, store_take *take, struct err *err)
{
    struct pg_result *results[STATEMENTS_MAX];
    int n = s->n_sent;
    s->n_sent = 0;
    if (!pg_run(s->pg, results, n, err))
        return false;
    for (int i = 0; i < n; i++) {
        take(s, b, s->sent[i], results[i]);
        pg_result_free(results[i]);
    }
    return true;
}

struct str router_store_text(struct batch *b, const struct pg_result *r, int row, int col)
{
    struct str text = pg_text(r, row, col);
    return text.ptr ? str_dup(b->arena, text) : text;
}

struct channel *router_store_read_channel(struct batch *b, const struct pg_result *r, int row,
                                          int first_col)
{
    int col = first_col;
    struct str id = router_store_text(b, r, row, col++),
               tenant = router_store_text(b, r, row, col++);
    struct str provider = router_store_text(b, r, row, col++),
               account = router_store_text(b, r, row, col++);
    struct channel *ch = router_batch_channel(b, provider, account);
    if (!ch)
        ch = router_batch_add_channel(b, provider, account);
    ch->id = id;
    router_table_put(&b->channels_by_id, NULL, id, ch);
    ch->tenant_id = tenant;
    ch->account_type = router_store_text(b, r, row, col++);
    ch->platform = router_store_text(b, r, row, col++);
    ch->name = router_store_text(b, r, row, col++);
    ch->username = router_store_text(b, r, row, col++);
    ch->status = router_store_text(b, r, row, col++);
    ch->provider_status = router_store_text(b, r, row, col++);
    ch->status_key = router_store_text(b, r, row, col++);
    ch->status_at_ms = pg_i64(r, row, col++);
    ch->rev = pg_i64(r, row, col++);
    if (!ch->parent_changed)
        ch->parent = router_store_text(b, r, row, col);
    return ch;
}

static const char *const change_names[] = {[CHANGE_NONE] = NULL,
                                           [CHANGE_STATUS] = "status",
                                           [CHANGE_UPDATED] = "updated",
                                           [CHANGE_DELETED] = "deleted",
                                           [CHANGE_CREATED] = "created"};

const char *router_store_change_name(enum change c)
{
    return change_names[c];
}

enum change router_store_change_of(struct str name)
{
    for (size_t i = 1; i < ARRAY_LEN(change_names); i++)
        if (str_eq_c(name, change_names[i]))
            return (enum change)i;
    return CHANGE_NONE;
}
