/* SPDX-License-Identifier: Apache-2.0 */
#include "asking_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* $1 how many, $2 the lease in milliseconds. What an earlier uncertain attempt brought there
 * counts, too. An attempt whose result the router has not written down yet waits; one that is
 * settled is done with. */
static const struct pg_stmt take = {
    "asks_take",
    "WITH due AS MATERIALIZED (SELECT a.tenant_id, a.message_id, a.attempt, a.channel_id, a.ask_at"
    " FROM send_attempts a WHERE a.ask_at <= now() ORDER BY a.ask_at LIMIT 512 FOR UPDATE SKIP LOCKED),"
    "ranked AS (SELECT d.*, row_number() OVER (PARTITION BY d.channel_id ORDER BY d.ask_at) AS place FROM due d),"
    "seen AS MATERIALIZED (SELECT r.tenant_id, r.message_id, r.attempt, m.channel_id, m.conversation_id,"
    " m.provider, m.kind, m.body, m.outgoing, m.reply_to, m.client_ref,"
    " CASE WHEN m.attempt <> r.attempt THEN 'gone' WHEN m.status = 'uncertain' THEN 'here'"
    "  WHEN m.status = 'sending' THEN 'early' ELSE 'gone' END AS place"
    " FROM (SELECT * FROM ranked WHERE place <= 2 ORDER BY ask_at LIMIT $1::int) r"
    " CROSS JOIN LATERAL (SELECT * FROM messages m WHERE m.tenant_id = r.tenant_id AND m.id = r.message_id LIMIT 1) m),"
    "put AS (UPDATE send_attempts a SET asks = a.asks + (s.place = 'here')::int,"
    " ask_at = CASE s.place WHEN 'here' THEN now() + $2::bigint * interval '1 ms'"
    "  WHEN 'early' THEN now() + interval '1 s' END"
    " FROM seen s WHERE a.tenant_id = s.tenant_id AND a.message_id = s.message_id AND a.attempt = s.attempt"
    " RETURNING a.tenant_id, a.message_id, a.attempt, a.outcome, a.external_message_id,"
    "  (extract(epoch FROM (SELECT min(e.started_at) FROM send_attempts e WHERE e.tenant_id = a.tenant_id"
    "   AND e.message_id = a.message_id AND e.outcome IN ('uncertain', 'sent'))) * 1000)::bigint AS began_ms)"
    "SELECT s.tenant_id, s.message_id, s.channel_id, s.conversation_id, s.provider, s.attempt, p.began_ms,"
    " p.outcome = 'sent', p.external_message_id, s.kind, s.body, s.outgoing::text,"
    " CASE WHEN s.outgoing ? 'media' THEN ("
    "  SELECT jsonb_object_agg(f.id, jsonb_build_object('name', f.name, 'mime', f.mime, 'size', f.size_bytes))"
    "  FROM jsonb_array_elements(s.outgoing->'media') e"
    "  JOIN media f ON f.tenant_id = s.tenant_id AND f.id::text = e->>'media_id') END::text,"
    " s.reply_to, s.client_ref, v.external_id, v.contact_id, v.is_group, c.account_type, c.external_account_id,"
    " c.base_url, encode(c.credentials, 'hex'), c.credentials_key_id"
    " FROM seen s JOIN put p ON p.tenant_id = s.tenant_id AND p.message_id = s.message_id AND p.attempt = s.attempt"
    " CROSS JOIN LATERAL (SELECT * FROM conversations v WHERE v.tenant_id = s.tenant_id AND v.id = s.conversation_id LIMIT 1) v"
    " JOIN channels_account c ON c.id = s.channel_id WHERE s.place = 'here'"};

/* Of one conversation one is settled at a time, so that no listed message counts for two of ours.
 */
static const struct pg_stmt alone = {"asks_alone",
                                     "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"};

/* $1 tenant, $2 message, $3 channel, $4 conversation, $5 attempt, $6 ids, $7 matches, $8 how it was
 * asked, $9 wait, $10 hold, $11 ask_after. A listed message is another's where a row of ours that
 * was sent has its id, or an attempt that the router has not written down yet. One of our side that
 * no row has may be ours all the same, rewritten by the network: then nobody says that ours is
 * absent. */
static const struct pg_stmt settle = {
    "asks_settle",
    "WITH listed AS MATERIALIZED (SELECT u.id, u.is_match, u.ord,"
    " EXISTS (SELECT FROM messages o WHERE o.tenant_id = $1::uuid AND o.channel_id = $3::uuid"
    "  AND o.external_message_id = u.id) AS is_known,"
    " EXISTS (SELECT FROM messages o WHERE o.tenant_id = $1::uuid AND o.channel_id = $3::uuid"
    "  AND o.external_message_id = u.id AND o.attempt > 0 AND o.id <> $2::uuid)"
    " OR EXISTS (SELECT FROM messages o JOIN send_attempts s ON s.tenant_id = o.tenant_id AND s.message_id = o.id"
    "  WHERE o.tenant_id = $1::uuid AND o.channel_id = $3::uuid AND o.conversation_id = $4::uuid AND o.unsettled"
    "  AND o.id <> $2::uuid AND s.external_message_id = u.id) AS is_anothers"
    " FROM unnest($6::text[], $7::boolean[]) WITH ORDINALITY AS u(id, is_match, ord)),"
    "told AS MATERIALIZED (SELECT"
    " (SELECT l.id FROM listed l WHERE l.is_match AND NOT l.is_anothers ORDER BY l.ord LIMIT 1) AS id,"
    " $8 = 'listed' AND NOT EXISTS (SELECT FROM listed l WHERE NOT l.is_match AND NOT l.is_known"
    "  AND NOT l.is_anothers) AS is_sure),"
    "judged AS MATERIALIZED (SELECT a.tenant_id, a.message_id, a.attempt, t.id, CASE"
    "  WHEN t.id IS NOT NULL THEN 'found'"
    "  WHEN $8 = 'none' THEN 'over'"
    "  WHEN a.finished_at + $10::bigint * interval '1 ms' > now() THEN 'later'"
    "  WHEN t.is_sure THEN 'absent'"
    "  WHEN $8 = 'listed' OR a.finished_at + $10::bigint * interval '2 ms' <= now() THEN 'over'"
    "  ELSE 'later' END AS how,"
    " now() + least($10::bigint, greatest($9::bigint, $11::bigint << least(a.asks, 16))) * interval '1 ms' AS next_at,"
    " a.finished_at + $10::bigint * interval '1 ms' AS until"
    " FROM send_attempts a CROSS JOIN told t WHERE a.tenant_id = $1::uuid AND a.message_id = $2::uuid"
    "  AND a.attempt = $5::int AND a.outcome = 'uncertain' AND a.ask_at IS NOT NULL),"
    "put AS (UPDATE send_attempts a SET"
    " outcome = CASE WHEN j.how = 'found' THEN 'sent' ELSE a.outcome END,"
    " class = CASE WHEN j.how = 'found' THEN 'found' ELSE a.class END,"
    " external_message_id = coalesce(j.id, a.external_message_id),"
    " error_code = CASE j.how WHEN 'found' THEN NULL WHEN 'absent' THEN 'not_listed' ELSE a.error_code END,"
    " error_message = CASE j.how WHEN 'found' THEN NULL"
    "  WHEN 'absent' THEN 'The network was asked and does not have this message: it was probably not sent.'"
    "  ELSE a.error_message END,"
    " ask_at = CASE j.how WHEN 'found' THEN now() + interval '10 s'"
    "  WHEN 'later' THEN CASE WHEN j.until > now() THEN least(j.next_at, j.until) ELSE j.next_at END END"
    " FROM judged j WHERE a.tenant_id = j.tenant_id AND a.message_id = j.message_id AND a.attempt = j.attempt"
    " RETURNING j.how, j.id),"
    "policy AS (UPDATE messages m SET wake_at = now() FROM put p WHERE m.tenant_id = $1::uuid AND m.id = $2::uuid"
    " AND m.status = 'uncertain' AND m.wake_at < 'infinity' AND p.how IN ('absent', 'over')),"
    "freed AS (UPDATE messages m SET wake_at = now() FROM put p WHERE m.tenant_id = $1::uuid AND m.channel_id = $3::uuid"
    " AND m.conversation_id = $4::uuid AND m.unsettled AND m.status IN ('queued', 'retry') AND m.wake_at > now()"
    " AND p.how = 'found')"
    "SELECT how, id FROM put"};

static const struct pg_stmt by_keys = {
    "asks_by_keys",
    "SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),"
    " set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),"
    " set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)"};

struct asked {
    sender_on_asks *on_asks;
    sender_on_asked *on_asked;
    void *ctx;
};

static struct pg_param text(struct str s)
{
    return (struct pg_param){.value = s.ptr, .len = (int)s.len};
}

/* --- take ----------------------------------------------------------------------------------- */

static void read_row(const struct pg_result *r, int i, struct sender_ask_row *row)
{
    int col = 0;
    struct str *const names[] = {&row->tenant_id, &row->message_id, &row->channel_id,
                                 &row->conversation_id, &row->provider};
    struct str *const contents[] = {&row->external_id, &row->kind,         &row->body,
                                    &row->outgoing,    &row->media,        &row->reply_to,
                                    &row->client_ref,  &row->conversation, &row->contact_id};
    struct str *const channel[] = {&row->account_type, &row->external_account, &row->base_url,
                                   &row->credentials, &row->credentials_key_id};
    for (size_t k = 0; k < ARRAY_LEN(names); k++)
        *names[k] = pg_text(r, i, col++);
    row->attempt = pg_i64(r, i, col++);
    row->began_at_ms = pg_i64(r, i, col++);
    row->is_found = str_eq_c(pg_text(r, i, col++), "t");
    for (size_t k = 0; k < ARRAY_LEN(contents); k++)
        *contents[k] = pg_text(r, i, col++);
    row->is_group = str_eq_c(pg_text(r, i, col++), "t");
    for (size_t k = 0; k < ARRAY_LEN(channel); k++)
        *channel[k] = pg_text(r, i, col++);
}

static void on_taken(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                     const char *sqlstate, const char *constraint)
{
    struct asked *a = ctx;
    struct sender_ask_row rows[SENDER_ASKS_MAX];
    size_t n_rows = 0;
    (void)n, (void)sqlstate, (void)constraint;
    for (int i = 0; !err && i < pg_rows(results[1]) && n_rows < SENDER_ASKS_MAX; i++)
        read_row(results[1], i, &rows[n_rows++]);
    a->on_asks(a->ctx, rows, n_rows, err);
    free(a);
}

void sender_asks_take(struct pg_pool *pool, size_t most, int64_t lease_ms, sender_on_asks *cb,
                      void *ctx)
{
    struct asked *a = xalloc(sizeof *a);
    char n[24], lease[24];
    *a = (struct asked){.on_asks = cb, .ctx = ctx};
    (void)snprintf(n, sizeof n, "%zu", most);
    (void)snprintf(lease, sizeof lease, "%lld", (long long)lease_ms);
    struct pg_param params[] = {text(str_of(n)), text(str_of(lease))};
    struct pg_tx *tx = pg_begin(pool, STR_NONE);
    pg_tx_send(tx, &by_keys, NULL, 0);
    pg_tx_send(tx, &take, params, ARRAY_LEN(params));
    pg_tx_commit(tx, on_taken, a);
}

/* --- settle --------------------------------------------------------------------------------- */

static void on_settled(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                       const char *sqlstate, const char *constraint)
{
    struct asked *a = ctx;
    (void)n, (void)sqlstate, (void)constraint;
    bool is_there = !err && pg_rows(results[2]) > 0;
    a->on_asked(a->ctx, is_there ? pg_text(results[2], 0, 0) : STR("gone"),
                is_there ? pg_text(results[2], 0, 1) : STR_NONE, err);
    free(a);
}

void sender_asks_settle(struct pg_pool *pool, const struct sender_ask_answer *v,
                        sender_on_asked *cb, void *ctx)
{
    static const char *const words[] = {[ASKED_LISTED] = "listed",
                                        [ASKED_IN_PART] = "part",
                                        [ASKED_IN_VAIN] = "vain",
                                        [ASKED_FOR_NONE] = "none"};
    const int64_t numbers[] = {v->attempt, v->wait_ms, v->hold_ms, v->ask_after_ms};
    char texts[ARRAY_LEN(numbers)][24];
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        (void)snprintf(texts[i], sizeof texts[i], "%lld", (long long)numbers[i]);
    struct asked *a = xalloc(sizeof *a);
    *a = (struct asked){.on_asked = cb, .ctx = ctx};
    struct pg_param conversation = text(v->conversation_id);
    struct pg_param params[] = {text(v->tenant_id),         text(v->message_id),
                                text(v->channel_id),        conversation,
                                text(str_of(texts[0])),     pg_array_param(v->ids),
                                pg_array_param(v->matches), text(str_of(words[v->asked])),
                                text(str_of(texts[1])),     text(str_of(texts[2])),
                                text(str_of(texts[3]))};
    struct pg_tx *tx = pg_begin(pool, STR_NONE);
    pg_tx_send(tx, &by_keys, NULL, 0);
    pg_tx_send(tx, &alone, &conversation, 1);
    pg_tx_send(tx, &settle, params, ARRAY_LEN(params));
    pg_tx_commit(tx, on_settled, a);
}
