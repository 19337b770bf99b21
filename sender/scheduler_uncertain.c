/* SPDX-License-Identifier: Apache-2.0 */
/* Uncertain messages. An echo or a receipt settles them in the router, at any time, and so does the
 * provider's list when it has them (asking.h). Here the time is kept: for `uncertain_hold` they
 * hold those behind them, then the tenant's policy decides: `ask` leaves them to a person and lets
 * the others go, `resend` queues them again. */
#include "clock.h"
#include "log.h"
#include "scheduling.h"

#define ROWS_MAX 200

/* $1 rows, $2 hold. Those within their hold are looked at when it ends. Where the provider is being
 * asked, its answer is waited for, but not for ever; what it has is about to be sent, and nothing
 * for a policy. */
static const struct pg_stmt decide = {
    "uncertain_decide",
    "WITH due AS MATERIALIZED (SELECT m.tenant_id, m.id, m.attempt, m.updated_at FROM messages m "
    "WHERE m.unsettled AND greatest(m.stored_at, m.send_at, m.next_attempt_at, m.wake_at) <= now() "
    "AND m.status = 'uncertain' ORDER BY greatest(m.stored_at, m.send_at, m.next_attempt_at, m.wake_at) "
    "LIMIT $1::int FOR UPDATE SKIP LOCKED), "
    "judged AS (SELECT d.tenant_id, d.id, t.uncertain_policy AS policy, coalesce(a.error_code = 'not_listed', false) AS is_absent, "
    "a.error_message, CASE WHEN a.outcome = 'sent' THEN now() + interval '10 s' "
    "WHEN a.ask_at IS NOT NULL THEN least(greatest(a.ask_at, a.finished_at + $2::bigint * interval '1 ms') + interval '1 s', "
    "a.finished_at + $2::bigint * interval '2 ms') "
    "ELSE coalesce(a.finished_at, d.updated_at) + $2::bigint * interval '1 ms' END AS until FROM due d "
    "JOIN tenants t ON t.id = d.tenant_id LEFT JOIN send_attempts a ON a.tenant_id = d.tenant_id "
    "AND a.message_id = d.id AND a.attempt = d.attempt), "
    "set_ AS (UPDATE messages m SET "
    "wake_at = CASE WHEN j.until > now() THEN j.until WHEN j.policy = 'ask' THEN 'infinity' ELSE now() END, "
    "status = CASE WHEN j.until <= now() AND j.policy = 'resend' THEN 'queued' ELSE m.status END, "
    "error_code = CASE WHEN j.until > now() THEN m.error_code WHEN j.policy = 'resend' THEN NULL "
    "WHEN j.is_absent THEN 'not_listed' ELSE m.error_code END, "
    "error_message = CASE WHEN j.until > now() THEN m.error_message WHEN j.policy = 'resend' THEN NULL "
    "WHEN j.is_absent THEN j.error_message ELSE m.error_message END, "
    "rev = m.rev + (j.until <= now() AND (j.policy = 'resend' OR j.is_absent))::int "
    "FROM judged j WHERE m.tenant_id = j.tenant_id AND m.id = j.id "
    "RETURNING m.tenant_id, m.id, m.channel_id, m.conversation_id, j.is_absent, "
    "CASE WHEN j.until > now() THEN 'held' WHEN j.policy = 'ask' THEN 'asked' ELSE 'resent' END AS how), "
    "told AS (INSERT INTO outbox (tenant_id, id, object_kind, object_id) "
    "SELECT tenant_id, gen_random_uuid(), 'message', id FROM set_ "
    "WHERE how = 'resent' OR (how = 'asked' AND is_absent)) "
    "SELECT tenant_id, id, channel_id, conversation_id, how FROM set_"};
static const struct pg_stmt release = {
    "uncertain_release",
    "UPDATE messages m SET wake_at = now() FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) "
    "u(tenant, channel, conversation) WHERE m.tenant_id = u.tenant AND m.channel_id = u.channel "
    "AND m.conversation_id = u.conversation AND m.unsettled AND m.status IN ('queued', 'retry') "
    "AND m.wake_at > now()"};

enum { TENANT, ID, CHANNEL, CONVERSATION, HOW };

static bool send_releases(struct scheduling *s, const struct pg_result *r, int *n, struct err *err)
{
    sender_columns(s, 3);
    *n = 0;
    for (int i = 0; i < pg_rows(r); i++) {
        if (!str_eq_c(pg_text(r, i, HOW), "asked"))
            continue;
        for (int col = 0; col < 3; col++)
            pg_array_str(&s->columns[col], pg_text(r, i, col == 0 ? TENANT : col + 1));
        *n = 1;
    }
    return !*n || sender_columns_send(s, &release, NULL, 0, err);
}

bool sender_uncertain_settle(struct scheduling *s, int *done, struct err *err)
{
    struct pg_param params[] = {sender_param_i64(s, ROWS_MAX),
                                sender_param_i64(s, s->conf->uncertain_hold)};
    int n = 0;
    auto_result r = sender_begin(s, &decide, params, ARRAY_LEN(params), err);
    if (!r)
        return err_wrap(err, "deciding about uncertain messages");
    if (!send_releases(s, r, &n, err)) {
        sender_rollback(s);
        return err_wrap(err, "releasing what waits behind uncertain messages");
    }
    if (!sender_commit(s, n, err))
        return err_wrap(err, "deciding about uncertain messages");
    *done = pg_rows(r);
    for (int i = 0; i < pg_rows(r); i++) {
        if (str_eq_c(pg_text(r, i, HOW), "held"))
            continue;
        bool is_asked = str_eq_c(pg_text(r, i, HOW), "asked");
        metric_add(
            metric_cell(s->opts->metrics, SENDER_METRIC_SETTLED, is_asked ? "asked" : "resent"), 1);
        log_info("an uncertain message was left to its tenant's policy",
                 kv_str("tenant", pg_text(r, i, TENANT)), kv_str("message_id", pg_text(r, i, ID)),
                 kv_str("how", pg_text(r, i, HOW)));
    }
    return true;
}
