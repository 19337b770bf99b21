/* SPDX-License-Identifier: Apache-2.0 */
#include "store_sql.h"

/* From which states a move starts is a parameter: state.c has the table. */

const struct pg_stmt sender_sql_channels = {
    "sender_channels",
    "SELECT c.id, c.account_type, c.external_account_id, c.base_url, encode(c.credentials, 'hex'),"
    " c.credentials_key_id, c.settings->>'send_per_minute', c.settings->>'send_per_minute_to_one'"
    " FROM channels_account c WHERE c.id = ANY($1::uuid[])"};

const struct pg_stmt sender_sql_pace_rows = {
    "sender_pace_rows", "INSERT INTO send_pace (key, tat_us) SELECT k, 0 FROM unnest($1::text[]) k"
                        " ORDER BY k ON CONFLICT (key) DO NOTHING"};

/* GCRA, several slots at once: the rows are locked in one order, so that senders do not deadlock,
 * and the time is taken once they are. What an app's pause forbids is not given. */
const struct pg_stmt sender_sql_reserve = {
    "sender_reserve",
    "WITH want AS MATERIALIZED ("
    " SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])"
    " WITH ORDINALITY AS w(key, app_key, step_us, burst_us, n, ord)),"
    "held AS MATERIALIZED ("
    " SELECT p.key, p.tat_us FROM send_pace p JOIN want w ON w.key = p.key ORDER BY p.key FOR UPDATE OF p),"
    "timed AS MATERIALIZED ("
    " SELECT w.*, h.tat_us, coalesce(a.tat_us, 0) AS app_us,"
    "  (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us"
    " FROM held h JOIN want w ON w.key = h.key LEFT JOIN send_pace a ON a.key = w.app_key),"
    "planned AS ("
    " SELECT t.*, greatest(t.tat_us, t.now_us, t.app_us) AS from_us FROM timed t),"
    "counted AS MATERIALIZED ("
    " SELECT p.*, least(p.n, greatest(0,"
    "  (p.now_us + $6::bigint + p.burst_us - p.from_us) / p.step_us"
    "  + CASE WHEN p.now_us + $6::bigint + p.burst_us >= p.from_us THEN 1 ELSE 0 END)) AS given"
    " FROM planned p),"
    "taken AS ("
    " UPDATE send_pace p SET tat_us = c.from_us + c.given * c.step_us FROM counted c"
    " WHERE p.key = c.key AND c.given > 0)"
    "SELECT c.ord, c.from_us - c.burst_us - c.now_us, c.given FROM counted c"};

/* Each of these statements looks up a few rows by their keys. Without statistics (a young table,
 * one that has just changed) the planner would rather read a tenant's whole index and join by hash.
 */
const struct pg_stmt sender_sql_by_keys = {
    "sender_by_keys",
    "SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),"
    " set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),"
    " set_config('enable_material', 'off', true), set_config('jit', 'off', true),"
    " set_config('plan_cache_mode', 'force_generic_plan', true)"};

/* The first message of each conversation that still holds those behind it, if it is one to claim.
 * One whose answer is stored is over, although the router has not written it down yet. LIMIT 1
 * keeps each look-up what it is: one row by its key; the order says by which: without it any index
 * of the channel is as good to a planner without statistics, and reads all that waits there. All
 * rows come first, then those that were claimed. */
const struct pg_stmt sender_sql_claim = {
    "sender_claim",
    "WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us),"
    "want AS MATERIALIZED ("
    " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[],"
    "  $7::bigint[], $8::bigint[]) WITH ORDINALITY"
    " AS w(tenant_id, channel_id, conversation_id, in_us, pair_us, pair_burst_us, group_us, group_burst_us,"
    "  ord)),"
    "head AS MATERIALIZED ("
    " SELECT w.ord, w.tenant_id, w.channel_id, w.conversation_id, w.in_us, m.id, v.is_group, v.external_id,"
    "  v.contact_id, CASE WHEN v.is_group THEN w.group_us ELSE w.pair_us END AS step_us,"
    "  CASE WHEN v.is_group THEN w.group_burst_us ELSE w.pair_burst_us END AS burst_us"
    " FROM want w"
    " CROSS JOIN LATERAL (SELECT c.tenant_id FROM channels_account c WHERE c.id = w.channel_id"
    "  AND c.tenant_id = w.tenant_id"
    "  AND c.status NOT IN ('auth_required', 'stopped', 'deleted', 'disconnected') LIMIT 1) c"
    " CROSS JOIN LATERAL (SELECT t.id FROM tenants t WHERE t.id = w.tenant_id AND t.status = 'active'"
    "  LIMIT 1) t"
    " CROSS JOIN LATERAL (SELECT v.is_group, v.external_id, v.contact_id FROM conversations v"
    "  WHERE v.tenant_id = w.tenant_id AND v.id = w.conversation_id LIMIT 1) v"
    " CROSS JOIN LATERAL ("
    "  SELECT m.id, m.status, m.held, m.send_at, m.next_attempt_at FROM messages m"
    "  WHERE m.tenant_id = w.tenant_id AND m.channel_id = w.channel_id"
    "   AND m.conversation_id = w.conversation_id AND m.unsettled"
    "   AND message_holds(m.status, m.send_at, m.wake_at)"
    "   AND NOT coalesce((SELECT a.outcome IN ('sent', 'failed') FROM send_attempts a"
    "    WHERE a.tenant_id = m.tenant_id AND a.message_id = m.id AND a.attempt = m.attempt LIMIT 1), false)"
    "  ORDER BY m.conversation_seq LIMIT 1) m"
    " WHERE m.status = ANY($11::text[]) AND NOT m.held"
    "  AND coalesce(m.next_attempt_at, m.send_at, '-infinity') <= now()),"
    "paced AS MATERIALIZED ("
    " SELECT h.*, coalesce(p.tat_us, 0) AS tat_us, k.us,"
    "  CASE WHEN h.step_us > 0 THEN greatest(0, coalesce(p.tat_us, 0) - h.burst_us - k.us - h.in_us)"
    "   ELSE 0 END AS early_us"
    " FROM head h CROSS JOIN clock k"
    " LEFT JOIN LATERAL (SELECT s.tat_us FROM send_pace s WHERE h.step_us > 0"
    "  AND s.key = 'pair:' || h.conversation_id LIMIT 1) p ON true),"
    "locked AS MATERIALIZED ("
    " SELECT p.* FROM paced p CROSS JOIN LATERAL ("
    "  SELECT m.id FROM messages m WHERE m.tenant_id = p.tenant_id AND m.id = p.id"
    "   AND m.status = ANY($11::text[]) AND NOT m.held"
    "   AND coalesce(m.next_attempt_at, m.send_at, '-infinity') <= now()"
    "  LIMIT 1 FOR UPDATE SKIP LOCKED) m"
    " WHERE p.early_us <= 0),"
    "claimed AS ("
    " UPDATE messages m SET status = 'sending', attempt = m.attempt + 1,"
    "  lease_until = clock_timestamp() + $9::bigint * interval '1 millisecond', rev = m.rev + 1,"
    "  error_code = NULL, error_message = NULL, updated_at = clock_timestamp()"
    " FROM locked l WHERE m.tenant_id = l.tenant_id AND m.id = l.id"
    " RETURNING l.ord, l.external_id, l.contact_id, l.is_group, l.step_us, l.tat_us, l.us, l.in_us,"
    "  m.tenant_id, m.channel_id, m.conversation_id, m.conversation_seq, m.id, m.attempt, m.kind, m.body,"
    "  m.outgoing, m.reply_to, m.client_ref, greatest(m.stored_at, m.send_at) AS accepted),"
    "noted AS ("
    " INSERT INTO send_attempts (tenant_id, message_id, attempt, channel_id, claim_id)"
    " SELECT c.tenant_id, c.id, c.attempt, c.channel_id, $10::uuid FROM claimed c),"
    "spent AS ("
    " INSERT INTO send_pace AS s (key, tat_us)"
    " SELECT 'pair:' || c.conversation_id, greatest(c.tat_us, c.us + c.in_us) + c.step_us"
    " FROM claimed c WHERE c.step_us > 0"
    " ON CONFLICT (key) DO UPDATE SET tat_us = greatest(s.tat_us, excluded.tat_us))"
    "SELECT p.ord, p.early_us, NULL::uuid, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL::boolean,"
    " NULL::boolean, NULL::int, NULL::bigint, NULL::bigint, NULL::bigint FROM paced p"
    " UNION ALL "
    "SELECT c.ord, 0, c.id, c.kind, c.body, c.outgoing::text,"
    " CASE WHEN c.outgoing ? 'media' THEN ("
    "  SELECT jsonb_object_agg(f.id, jsonb_build_object('name', f.name, 'mime', f.mime,"
    "   'size', f.size_bytes))"
    "  FROM jsonb_array_elements(c.outgoing->'media') e"
    "  JOIN media f ON f.tenant_id = c.tenant_id AND f.id::text = e->>'media_id') END::text,"
    " c.reply_to, c.client_ref, c.external_id, c.contact_id, c.is_group,"
    " (SELECT true FROM messages n WHERE n.tenant_id = c.tenant_id AND n.channel_id = c.channel_id"
    "  AND n.conversation_id = c.conversation_id AND n.unsettled"
    "  AND n.conversation_seq > c.conversation_seq ORDER BY n.conversation_seq LIMIT 1) IS NOT NULL,"
    " c.attempt,"
    " CASE WHEN c.attempt > 1 THEN (SELECT count(*) FROM send_attempts a WHERE a.tenant_id = c.tenant_id"
    "  AND a.message_id = c.id AND a.class = 'retry') END,"
    " CASE WHEN c.attempt > 1 THEN (SELECT count(*) FROM send_attempts a WHERE a.tenant_id = c.tenant_id"
    "  AND a.message_id = c.id AND a.class = 'rate_limited') END,"
    " (extract(epoch FROM c.accepted) * 1000)::bigint FROM claimed c"};

const struct pg_stmt sender_sql_release = {
    "sender_release",
    "WITH mine AS ("
    " SELECT m.tenant_id, m.id, m.attempt FROM unnest($1::uuid[], $2::uuid[], $3::uuid[])"
    "  AS w(tenant_id, channel_id, conversation_id)"
    " JOIN messages m ON m.tenant_id = w.tenant_id AND m.channel_id = w.channel_id"
    "  AND m.conversation_id = w.conversation_id AND m.unsettled AND m.status = ANY($5::text[])"
    " JOIN send_attempts a ON a.tenant_id = m.tenant_id AND a.message_id = m.id AND a.attempt = m.attempt"
    "  AND a.claim_id = $4::uuid AND a.finished_at IS NULL),"
    "freed AS ("
    " UPDATE messages m SET status = 'retry', next_attempt_at = now(), lease_until = NULL, rev = m.rev + 1,"
    "  updated_at = clock_timestamp()"
    " FROM mine WHERE m.tenant_id = mine.tenant_id AND m.id = mine.id AND m.status = ANY($5::text[]))"
    "UPDATE send_attempts a SET finished_at = now(), outcome = 'retry', class = 'unclaimed', retry_at = now()"
    " FROM mine WHERE a.tenant_id = mine.tenant_id AND a.message_id = mine.id AND a.attempt = mine.attempt"};

/* Only what is still ours. */
const struct pg_stmt sender_sql_renew = {
    "sender_renew",
    "UPDATE messages m SET lease_until = clock_timestamp() + $4::bigint * interval '1 millisecond'"
    " FROM unnest($1::uuid[], $2::uuid[], $3::int[]) WITH ORDINALITY AS l(tenant_id, id, attempt, ord)"
    " WHERE m.tenant_id = l.tenant_id AND m.id = l.id AND m.attempt = l.attempt AND m.status = 'sending'"
    " AND m.lease_until > clock_timestamp() RETURNING l.ord"};

/* A proof that comes after its lease has ended goes over what the scheduler wrote then. $12: after
 * so many milliseconds the provider is asked whether it has what is uncertain. */
const struct pg_stmt sender_sql_answers = {
    "sender_answers",
    "UPDATE send_attempts a SET finished_at = clock_timestamp(), outcome = r.outcome, class = r.class,"
    " http_status = nullif(r.status, 0), external_message_id = r.external_id, conversation = r.conversation,"
    " error_code = r.code, error_message = r.message,"
    " retry_at = CASE WHEN r.retry_at_ms > 0 THEN to_timestamp(r.retry_at_ms / 1000.0) END,"
    " ask_at = CASE WHEN r.outcome = 'uncertain' THEN clock_timestamp() + $12::bigint * interval '1 ms' END"
    " FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::int[], $7::text[],"
    "  $8::text[], $9::text[], $10::text[], $11::bigint[])"
    " AS r(tenant_id, message_id, attempt, outcome, class, status, external_id, conversation, code, message,"
    "  retry_at_ms)"
    " WHERE a.tenant_id = r.tenant_id AND a.message_id = r.message_id AND a.attempt = r.attempt"
    "  AND (a.finished_at IS NULL OR a.error_code = 'lease_expired' AND r.outcome IN ('sent', 'failed'))"};

/* The next slot of these is not before the pause has passed; then they go on as the rate allows,
 * without a burst. */
const struct pg_stmt sender_sql_pause = {
    "sender_pause",
    "INSERT INTO send_pace AS s (key, tat_us)"
    " SELECT k.key, max((extract(epoch FROM clock_timestamp()) * 1000000)::bigint + k.us)"
    " FROM unnest($1::text[], $2::bigint[]) AS k(key, us) GROUP BY k.key ORDER BY k.key"
    " ON CONFLICT (key) DO UPDATE SET tat_us = greatest(s.tat_us, excluded.tat_us)"};

/* Only of the credentials that were refused: an account that was reconnected meanwhile has others.
 */
const struct pg_stmt sender_sql_refused = {
    "sender_refused",
    "WITH refused AS (SELECT DISTINCT ON (r.id) r.* FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[],"
    "  $5::text[]) AS r(id, sha256, code, message, health) ORDER BY r.id),"
    "marked AS ("
    " UPDATE channels_account c SET status = 'auth_required', provider_status = r.code,"
    "  status_at = clock_timestamp(), status_key = 'sender', credential_status = r.health,"
    "  credential_detail = r.message, credential_checked_at = clock_timestamp(), rev = c.rev + 1"
    " FROM refused r WHERE c.id = r.id AND c.status NOT IN ('auth_required', 'deleted', 'disconnected')"
    "  AND encode(sha256(coalesce(c.credentials, ''::bytea)), 'hex') = r.sha256"
    " RETURNING c.tenant_id, c.id)"
    "INSERT INTO outbox (tenant_id, id, object_kind, object_id)"
    " SELECT tenant_id, gen_random_uuid(), 'channel', id FROM marked"};

const struct pg_stmt sender_sql_tidy = {
    "sender_tidy", "DELETE FROM send_pace WHERE tat_us <"
                   " ((extract(epoch FROM clock_timestamp()) - 86400) * 1000000)::bigint"};

/* The account that was asked about longest ago, if that is long enough, for one sender alone. */
const struct pg_stmt sender_sql_look = {
    "sender_look",
    "WITH due AS (SELECT id FROM channels_account"
    " WHERE credentials IS NOT NULL AND status <> 'disconnected'"
    "  AND coalesce(asked_at, created_at) < now() - $1::bigint * interval '1 millisecond'"
    " ORDER BY coalesce(asked_at, created_at) LIMIT 1 FOR UPDATE SKIP LOCKED)"
    "UPDATE channels_account c SET asked_at = now() FROM due WHERE c.id = due.id"
    " RETURNING c.id, c.tenant_id, c.provider, c.external_account_id, c.base_url,"
    "  encode(c.credentials, 'hex'), c.credentials_key_id"};

/* Of the credentials that were tried, as above. Clients hear of what they see. */
const struct pg_stmt sender_sql_looked = {
    "sender_looked",
    "WITH said AS (SELECT c.id, coalesce($7::text, c.status) AS status,"
    "  coalesce($5::text, c.credential_status) AS health,"
    "  (coalesce($7::text, c.status), coalesce($5::text, c.credential_status))"
    "   IS DISTINCT FROM (c.status, c.credential_status) AS is_news"
    " FROM channels_account c WHERE c.id = $1::uuid AND c.status <> 'disconnected'"
    "  AND encode(sha256(coalesce(c.credentials, ''::bytea)), 'hex') = $2::text FOR UPDATE),"
    "stored AS ("
    " UPDATE channels_account c SET reported_type = coalesce($3::text, c.reported_type),"
    "  reported_absent = coalesce($4::bool, c.reported_absent), status = s.status,"
    "  credential_status = s.health,"
    "  credential_detail = CASE WHEN $5::text IS NULL THEN c.credential_detail ELSE $6::text END,"
    "  credential_checked_at = CASE WHEN $5::text IS NULL THEN c.credential_checked_at ELSE now() END,"
    "  provider_status = CASE WHEN $7::text IS NULL THEN c.provider_status ELSE coalesce($8::text, c.provider_status) END,"
    "  status_at = CASE WHEN s.status = c.status THEN c.status_at ELSE clock_timestamp() END,"
    "  status_key = CASE WHEN s.status = c.status THEN c.status_key ELSE 'asked' END,"
    "  rev = c.rev + s.is_news::int"
    " FROM said s WHERE c.id = s.id RETURNING c.tenant_id, c.id, s.is_news)"
    "INSERT INTO outbox (tenant_id, id, object_kind, object_id)"
    " SELECT tenant_id, gen_random_uuid(), 'channel', id FROM stored WHERE is_news"};
