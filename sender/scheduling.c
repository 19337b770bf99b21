/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduling.h"

#include <assert.h>
#include <stdio.h>

#define COLUMN_BYTES ((size_t)32 << 20)
#define MORE_MAX     2

void sender_columns(struct scheduling *s, int n)
{
    assert(n <= (int)ARRAY_LEN(s->columns));
    for (int i = 0; i < n; i++) {
        if (!s->columns[i].buf.max)
            pg_array_init(&s->columns[i], COLUMN_BYTES);
        pg_array_clear(&s->columns[i]);
    }
    s->n_columns = n;
}

bool sender_columns_send(struct scheduling *s, const struct pg_stmt *stmt,
                         const struct pg_param *more, int n_more, struct err *err)
{
    struct pg_param params[ARRAY_LEN(s->columns) + MORE_MAX];
    assert(n_more <= MORE_MAX);
    for (int i = 0; i < s->n_columns; i++)
        params[i] = pg_array_param(&s->columns[i]);
    for (int i = 0; i < n_more; i++)
        params[s->n_columns + i] = more[i];
    return pg_send(s->pg, stmt, params, s->n_columns + n_more, err);
}

struct pg_param sender_param_i64(struct scheduling *s, int64_t v)
{
    char *text = arena_alloc(s->arena, 24);
    (void)snprintf(text, 24, "%lld", (long long)v);
    return (struct pg_param){.value = text};
}

bool sender_rollback(struct scheduling *s)
{
    struct err ignored = {0}; // a connection that cannot roll back is dropped, which does
    if (pg_is_connected(s->pg))
        (void)pg_rollback(s->pg, &ignored);
    return false;
}

struct pg_result *sender_begin(struct scheduling *s, const struct pg_stmt *stmt,
                               const struct pg_param *params, int n_params, struct err *err)
{
    static const struct pg_stmt begin = {"begin", "BEGIN"};
    struct pg_result *results[2] = {0};
    if (!pg_send(s->pg, &begin, NULL, 0, err) || !pg_send(s->pg, stmt, params, n_params, err) ||
        !pg_run(s->pg, results, 2, err)) {
        sender_rollback(s);
        return NULL;
    }
    pg_result_free(results[0]);
    return results[1];
}

#define QUEUED_MAX 20 /* one for each partition of a table, and more */

bool sender_commit(struct scheduling *s, int n_queued, struct err *err)
{
    static const struct pg_stmt commit = {"commit", "COMMIT"};
    struct pg_result *results[QUEUED_MAX + 1] = {0};
    assert(n_queued <= QUEUED_MAX);
    if (!pg_send(s->pg, &commit, NULL, 0, err) || !pg_run(s->pg, results, n_queued + 1, err))
        return sender_rollback(s);
    for (int i = 0; i <= n_queued; i++)
        pg_result_free(results[i]);
    return true;
}

/* One question instead of six transactions. Of the outbox the first entry of a partial index in
 * each partition is read, of the messages what is under way and, when all is well, not yet a lease
 * old. */
bool sender_scheduling_peek(struct scheduling *s, struct scheduling_work *out, struct err *err)
{
    static const struct pg_stmt stmt = {
        "peek",
        "SELECT (SELECT (date_part('epoch', now() - min(created_at)))::bigint FROM outbox "
        "WHERE object_kind <> 'quarantine'), "
        "EXISTS (SELECT FROM outbox WHERE object_kind = 'quarantine'), m.due, m.sending, m.uncertain, "
        "EXISTS (SELECT FROM bulks WHERE status = 'running') FROM (SELECT "
        "bool_or(status IN ('queued', 'retry') AND (wake_at IS NOT NULL OR send_at IS NOT NULL "
        "OR next_attempt_at IS NOT NULL OR stored_at <= now() - $1::bigint * interval '1 ms')) AS due, "
        "bool_or(status = 'sending' AND lease_until <= now()) AS sending, "
        "bool_or(status = 'uncertain') AS uncertain FROM messages "
        "WHERE unsettled AND greatest(stored_at, send_at, next_attempt_at, wake_at) <= now()) m"};
    struct pg_result *results[1] = {0};
    struct pg_param after = sender_param_i64(s, s->conf->unclaimed_after);
    if (!pg_send(s->pg, &stmt, &after, 1, err) || !pg_run(s->pg, results, 1, err))
        return err_wrap(err, "looking for work");
    const struct pg_result *r = results[0];
    *out = (struct scheduling_work){.outbox = !pg_null(r, 0, 0),
                                    .outbox_age_s = pg_i64(r, 0, 0),
                                    .replay = str_eq_c(pg_text(r, 0, 1), "t"),
                                    .due = str_eq_c(pg_text(r, 0, 2), "t"),
                                    .sending = str_eq_c(pg_text(r, 0, 3), "t"),
                                    .uncertain = str_eq_c(pg_text(r, 0, 4), "t"),
                                    .bulk = str_eq_c(pg_text(r, 0, 5), "t")};
    pg_result_free(results[0]);
    return true;
}
