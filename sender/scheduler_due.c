/* SPDX-License-Identifier: Apache-2.0 */
/* Rows whose time has come become commands: send_at or next_attempt_at reached, or queued and
 * claimed by nobody for a while (the api died before it told, Kafka lost it, the claim was given
 * up). The row is the truth and a command only wakes a sender, so one too many is dropped by the
 * claim. First the rows are put off, then they are published: after a crash in between they are due
 * again soon. */
#include "clock.h"
#include "scheduling.h"

#define BLOCKED_MS 5000
#define LONGEST_MS 600000

/* $1 unclaimed_after, $2 rows, $3 for those behind others or held, $4 the longest, in milliseconds.
 * Those that nobody takes are told again after twice the time. */
static const struct pg_stmt take = {
    "due_take",
    "WITH due AS MATERIALIZED (SELECT m.tenant_id, m.id, m.channel_id, m.conversation_id, m.conversation_seq, "
    "m.provider, m.status, m.attempt, m.held, m.bulk_id, m.send_at, m.wake_at, "
    "greatest(m.stored_at, m.send_at, m.next_attempt_at) AS base "
    "FROM messages m WHERE m.unsettled AND greatest(m.stored_at, m.send_at, m.next_attempt_at, m.wake_at) <= now() "
    "AND m.status IN ('queued', 'retry') AND (m.wake_at IS NOT NULL OR m.send_at IS NOT NULL "
    "OR m.next_attempt_at IS NOT NULL OR m.stored_at <= now() - $1::bigint * interval '1 ms') "
    "ORDER BY greatest(m.stored_at, m.send_at, m.next_attempt_at, m.wake_at) LIMIT $2::int "
    "FOR UPDATE SKIP LOCKED), "
    "judged AS (SELECT d.*, extract(epoch FROM now() - d.base) * 1000 AS age_ms, "
    "NOT d.held AND ch.status NOT IN ('auth_required', 'stopped', 'deleted', 'disconnected') AND NOT EXISTS (SELECT FROM messages b "
    "WHERE b.tenant_id = d.tenant_id AND b.channel_id = d.channel_id AND b.conversation_id = d.conversation_id "
    "AND b.conversation_seq < d.conversation_seq AND b.unsettled "
    "AND message_holds(b.status, b.send_at, b.wake_at)) AS may_go "
    "FROM due d JOIN channels_account ch ON ch.id = d.channel_id) "
    "UPDATE messages m SET wake_at = now() + interval '1 ms' * CASE "
    "WHEN j.may_go THEN least(greatest($1::bigint, j.age_ms), $4::bigint) "
    "ELSE least(greatest($3::bigint, j.age_ms), 60000) END "
    "FROM judged j WHERE m.tenant_id = j.tenant_id AND m.id = j.id RETURNING m.tenant_id, m.id, m.channel_id, "
    "m.conversation_id, m.provider, m.attempt, (j.bulk_id IS NOT NULL)::int, j.may_go, "
    "CASE WHEN j.wake_at IS NOT NULL AND j.wake_at >= j.base THEN 'unclaimed' WHEN j.status = 'retry' THEN 'retry' "
    "WHEN j.send_at IS NOT NULL THEN 'due' ELSE 'unclaimed' END, (j.age_ms * 1000)::bigint"};

enum { TENANT, ID, CHANNEL, CONVERSATION, PROVIDER, ATTEMPT, BULK, MAY_GO, WHY, LATE_US };

static const char *why_of(const struct pg_result *r, int i)
{
    static const char *const words[] = {"due", "retry"};
    for (size_t k = 0; k < ARRAY_LEN(words); k++)
        if (str_eq_c(pg_text(r, i, WHY), words[k]))
            return words[k];
    return "unclaimed";
}

static void count(struct scheduling *s, const struct pg_result *r, int i)
{
    const char *why = why_of(r, i);
    metric_add(metric_cell(s->opts->metrics, SENDER_METRIC_COMMANDS, why), 1);
    if (why[0] != 'u')
        metric_observe_us(metric_cell(s->opts->metrics, SENDER_METRIC_DUE_LATE),
                          pg_i64(r, i, LATE_US));
}

bool sender_due_command(struct scheduling *s, int *done, struct err *err)
{
    struct pg_param params[] = {sender_param_i64(s, s->conf->unclaimed_after),
                                sender_param_i64(s, SCHEDULING_ROWS_MAX),
                                sender_param_i64(s, BLOCKED_MS), sender_param_i64(s, LONGEST_MS)};
    auto_result r = sender_begin(s, &take, params, ARRAY_LEN(params), err);
    if (!r || !sender_commit(s, 0, err))
        return err_wrap(err, "taking rows that are due");
    *done = pg_rows(r);
    bool ok = true;
    for (int i = 0; ok && i < pg_rows(r); i++) {
        if (!str_eq_c(pg_text(r, i, MAY_GO), "t"))
            continue;
        struct send_command c = {.tenant_id = pg_text(r, i, TENANT),
                                 .message_id = pg_text(r, i, ID),
                                 .channel_id = pg_text(r, i, CHANNEL),
                                 .conversation_id = pg_text(r, i, CONVERSATION),
                                 .provider = pg_text(r, i, PROVIDER),
                                 .attempt = pg_i64(r, i, ATTEMPT),
                                 .created_at_ms = clock_at_ms(),
                                 .priority = pg_i64(r, i, BULK)};
        ok = sender_records_command(s->records, &c, err);
        count(s, r, i);
    }
    struct err late = {0};
    ok &= sender_records_wait(s->records, ok ? err : &late);
    return ok || err_wrap(err, "commanding rows that are due");
}
