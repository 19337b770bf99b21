/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts whose lease ran out, and what becomes of uncertain messages. The router stays the only
 * one that says what happened to a message: an attempt without an answer is told to it as a
 * SendResult with the outcome uncertain, one with a stored answer as that answer, once more. Only
 * where nothing happened, when a tenant's policy sends again what stayed uncertain, the row goes
 * back to the queue here. */
#include "clock.h"
#include "scheduling.h"

#define ROWS_MAX  200
#define REPEAT_MS 10000 /* until then the router has had its time */

/* An answer that comes after this still counts: the sender stores it over ours. $3 ask_after: then
 * the provider is asked. */
static const struct pg_stmt expire = {
    "lease_expire",
    "WITH gone AS MATERIALIZED (SELECT m.tenant_id, m.id, m.channel_id, m.attempt FROM messages m "
    "WHERE m.unsettled AND greatest(m.stored_at, m.send_at, m.next_attempt_at, m.wake_at) <= now() "
    "AND m.status = 'sending' AND m.lease_until <= now() "
    "ORDER BY greatest(m.stored_at, m.send_at, m.next_attempt_at, m.wake_at) LIMIT $1::int FOR UPDATE SKIP LOCKED), "
    "told AS (INSERT INTO send_attempts AS a (tenant_id, message_id, attempt, channel_id, finished_at, outcome, "
    "error_code, error_message, ask_at) SELECT g.tenant_id, g.id, g.attempt, g.channel_id, now(), 'uncertain', "
    "'lease_expired', 'the sender ended before the provider''s answer was stored', "
    "now() + $3::bigint * interval '1 ms' FROM gone g "
    "ON CONFLICT (tenant_id, message_id, attempt) DO UPDATE SET outcome = coalesce(a.outcome, excluded.outcome), "
    "finished_at = coalesce(a.finished_at, excluded.finished_at), "
    "error_code = CASE WHEN a.outcome IS NULL THEN excluded.error_code ELSE a.error_code END, "
    "error_message = CASE WHEN a.outcome IS NULL THEN excluded.error_message ELSE a.error_message END, "
    "ask_at = CASE WHEN a.outcome IS NULL THEN excluded.ask_at ELSE a.ask_at END "
    "RETURNING tenant_id, message_id, attempt, outcome, external_message_id, error_code, error_message, "
    "(date_part('epoch', retry_at) * 1000)::bigint AS retry_ms, conversation) "
    "UPDATE messages m SET wake_at = now() + $2::bigint * interval '1 ms' FROM told t "
    "WHERE m.tenant_id = t.tenant_id AND m.id = t.message_id "
    "RETURNING m.tenant_id, m.id, m.channel_id, m.conversation_id, t.attempt, t.outcome, t.external_message_id, "
    "t.error_code, t.error_message, t.retry_ms, t.conversation"};

enum {
    TENANT,
    ID,
    CHANNEL,
    CONVERSATION,
    ATTEMPT,
    OUTCOME,
    EXTERNAL_ID,
    CODE,
    MESSAGE,
    RETRY_MS,
    PLACE
};

static bool tell(struct scheduling *s, const struct pg_result *r, int i, struct err *err)
{
    struct result v = {.kind = RESULT_SEND,
                       .tenant_id = pg_text(r, i, TENANT),
                       .at_ms = clock_at_ms(),
                       .message_id = pg_text(r, i, ID),
                       .attempt = pg_i64(r, i, ATTEMPT),
                       .outcome = pg_text(r, i, OUTCOME),
                       .external_message_id = pg_text(r, i, EXTERNAL_ID),
                       .error_code = pg_text(r, i, CODE),
                       .error_message = pg_text(r, i, MESSAGE),
                       .retry_at_ms = pg_i64(r, i, RETRY_MS),
                       .conversation = pg_text(r, i, PLACE)};
    struct str key = str_fmt(s->arena, "%.*s:%.*s", STR_ARG(pg_text(r, i, CHANNEL)),
                             STR_ARG(pg_text(r, i, CONVERSATION)));
    metric_add(metric_cell(s->opts->metrics, SENDER_METRIC_LEASES,
                           str_eq_c(v.outcome, "uncertain") ? "uncertain" : "answered"),
               1);
    return sender_records_result(s->records, key, &v, err);
}

bool sender_leases_expire(struct scheduling *s, int *done, struct err *err)
{
    struct pg_param params[] = {sender_param_i64(s, ROWS_MAX), sender_param_i64(s, REPEAT_MS),
                                sender_param_i64(s, s->conf->ask_after)};
    auto_result r = sender_begin(s, &expire, params, ARRAY_LEN(params), err);
    if (!r || !sender_commit(s, 0, err))
        return err_wrap(err, "taking leases that ran out");
    *done = pg_rows(r);
    bool ok = true;
    for (int i = 0; ok && i < pg_rows(r); i++)
        ok = tell(s, r, i, err);
    struct err late = {0};
    ok &= sender_records_wait(s->records, ok ? err : &late);
    return ok || err_wrap(err, "telling what became of attempts");
}
