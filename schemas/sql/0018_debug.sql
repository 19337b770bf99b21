-- SPDX-License-Identifier: Apache-2.0
-- What an operator looks at when something stands still: one message, one channel, or all findings. By the
-- owner's right, and without anybody's words, contacts or secrets.

SET LOCAL ROLE postrider_owner;

-- As the api writes times; infinity is none.
CREATE FUNCTION time_text(t timestamptz) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT CASE WHEN isfinite(t) THEN to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END $$;

CREATE FUNCTION consistency_findings_of_all()
RETURNS TABLE ("check" text, severity text, count bigint, examples jsonb, detail text, command text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$ SELECT * FROM consistency_findings() $$;

-- What waits in quarantine for a channel: a row for each reason, of the first thousand records.
CREATE FUNCTION debug_quarantine(c channels_account) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('reason', r.reason, 'count', r.n, 'oldest_at', time_text(r.oldest),
                                                 'example', r.example) ORDER BY r.reason), '[]')
    FROM (SELECT q.reason, count(*) AS n, min(q.received_at) AS oldest, min(q.id::text) AS example
          FROM (SELECT k.id, k.reason, k.received_at FROM quarantine k
                WHERE k.provider = c.provider AND k.account = ANY (channel_accounts(c))
                  AND k.replayed_at IS NULL AND k.dropped_at IS NULL LIMIT 1000) q
          GROUP BY q.reason) r
$$;

CREATE FUNCTION debug_message(wanted uuid) RETURNS TABLE (tenant_id uuid, document jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
WITH m AS MATERIALIZED (
    -- Whose it is nobody says: each tenant's own index is asked.
    SELECT x.* FROM tenants t CROSS JOIN LATERAL
        (SELECT * FROM messages k WHERE k.tenant_id = t.id AND k.id = wanted LIMIT 1) x
)
SELECT m.tenant_id, jsonb_build_object(
    'message', jsonb_build_object(
        'id', m.id, 'tenant_id', m.tenant_id, 'channel_id', m.channel_id, 'conversation_id', m.conversation_id,
        'provider', m.provider, 'platform', m.platform, 'external_message_id', m.external_message_id,
        'client_ref', m.client_ref, 'direction', m.direction, 'status', m.status, 'kind', m.kind,
        'has_text', m.body IS NOT NULL, 'attachments', m.attachment_count, 'bulk_id', m.bulk_id,
        'error_code', m.error_code, 'error_message', m.error_message, 'stored_at', time_text(m.stored_at),
        'edited_at', time_text(m.edited_at), 'deleted_at', time_text(m.deleted_at), 'updated_at', time_text(m.updated_at),
        'rev', m.rev),
    'claim', CASE m.direction WHEN 'out' THEN jsonb_build_object(
        'unsettled', m.unsettled, 'conversation_seq', m.conversation_seq, 'attempt', m.attempt, 'held', m.held,
        'send_at', time_text(m.send_at), 'next_attempt_at', time_text(m.next_attempt_at),
        'lease_until', time_text(m.lease_until), 'wake_at', time_text(m.wake_at),
        'is_left_to_a_person', coalesce(m.wake_at = 'infinity', false),
        'waits_for', CASE WHEN m.unsettled THEN (
            SELECT h.id FROM messages h
            WHERE h.tenant_id = m.tenant_id AND h.channel_id = m.channel_id AND h.conversation_id = m.conversation_id
              AND h.unsettled AND h.conversation_seq < m.conversation_seq AND message_holds(h.status, h.send_at, h.wake_at)
            ORDER BY h.conversation_seq LIMIT 1) END) END,
    'attempts', (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'attempt', a.attempt, 'started_at', time_text(a.started_at), 'finished_at', time_text(a.finished_at),
            'outcome', a.outcome, 'class', a.class, 'http_status', a.http_status, 'error_code', a.error_code,
            'retry_at', time_text(a.retry_at), 'claim_id', a.claim_id) ORDER BY a.attempt), '[]')
        FROM (SELECT * FROM send_attempts s WHERE s.tenant_id = m.tenant_id AND s.message_id = m.id
              ORDER BY s.attempt DESC LIMIT 100) a),
    'receipts', (SELECT coalesce(jsonb_agg(jsonb_build_object('status', r.status, 'at', time_text(r.at)) ORDER BY r.at), '[]')
        FROM (SELECT p.status, p.at FROM message_receipts p WHERE p.tenant_id = m.tenant_id
              AND p.channel_id = m.channel_id AND p.external_message_id = m.external_message_id LIMIT 100) r),
    -- The index on time finds the record that it came with.
    'events', (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'kind', e.kind, 'change', e.change, 'topic', e.topic, 'partition', e.partition, 'offset', e."offset",
            'index', e.idx, 'stored_at', time_text(e.stored_at)) ORDER BY e.stored_at, e.idx), '[]')
        FROM (SELECT * FROM events v WHERE v.tenant_id = m.tenant_id AND v.channel_id = m.channel_id
              AND v.message_id = m.id
              AND v.stored_at BETWEEN m.stored_at - interval '1 second' AND m.stored_at + interval '1 second'
              LIMIT 20) e),
    'outbox', (SELECT coalesce(jsonb_agg(time_text(o.created_at) ORDER BY o.created_at), '[]')
        FROM (SELECT w.created_at FROM outbox w WHERE w.tenant_id = m.tenant_id AND w.object_kind = 'message'
              AND w.object_id = m.id LIMIT 20) o),
    'channel', (SELECT jsonb_build_object('status', c.status, 'provider_status', c.provider_status,
            'credentials', credential_health(c.credential_status, c.credential_expires_at))
        FROM channels_account c WHERE c.id = m.channel_id),
    'quarantine', (SELECT debug_quarantine(c) FROM channels_account c WHERE c.id = m.channel_id))
FROM m
$$;

CREATE FUNCTION debug_channel(wanted uuid) RETURNS TABLE (tenant_id uuid, document jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
SELECT c.tenant_id, jsonb_build_object(
    'channel', jsonb_build_object(
        'id', c.id, 'tenant_id', c.tenant_id, 'tenant_status', (SELECT t.status FROM tenants t WHERE t.id = c.tenant_id),
        'provider', c.provider, 'platform', c.platform, 'external_account_id', c.external_account_id,
        'account_type', c.account_type, 'belongs_to', c.parent_external_id, 'status', c.status,
        'provider_status', c.provider_status, 'status_at', time_text(c.status_at), 'status_key', c.status_key,
        'send_per_minute', c.settings ->> 'send_per_minute',
        'send_per_minute_to_one', c.settings ->> 'send_per_minute_to_one', 'rev', c.rev,
        'created_at', time_text(c.created_at), 'updated_at', time_text(c.updated_at)),
    'credentials', jsonb_build_object(
        'present', c.credentials IS NOT NULL, 'key_id', c.credentials_key_id,
        'health', credential_health(c.credential_status, c.credential_expires_at), 'detail', c.credential_detail,
        'checked_at', time_text(c.credential_checked_at), 'expires_at', time_text(c.credential_expires_at)),
    'provider', jsonb_build_object('asked_at', time_text(c.asked_at), 'account_type', c.reported_type,
                                   'is_absent', c.reported_absent),
    -- Who sends before that time waits. Breakers are each sender's own, in its metrics.
    'pace', (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'of', CASE WHEN p.key = c.id::text THEN 'account' ELSE 'app' END,
            'next_at', time_text(to_timestamp(p.tat_us / 1000000.0))) ORDER BY p.key), '[]')
        FROM send_pace p WHERE p.key IN (c.id::text, 'app:' || c.provider, 'app:' || c.provider || ':' || c.tenant_id)),
    'waiting', (SELECT coalesce(jsonb_agg(jsonb_build_object('status', w.status, 'bulk', w.is_bulk, 'held', w.held,
                                                             'count', w.n, 'oldest_at', time_text(w.oldest),
                                                             'example', w.example)
                                          ORDER BY w.status, w.is_bulk, w.held), '[]')
        FROM (SELECT k.status, k.bulk_id IS NOT NULL AS is_bulk, k.held, count(*) AS n, min(k.stored_at) AS oldest,
                     min(k.id::text) AS example
              FROM (SELECT * FROM messages x WHERE x.tenant_id = c.tenant_id AND x.channel_id = c.id AND x.unsettled
                    LIMIT 10000) k
              GROUP BY 1, 2, 3) w),
    'bulks', (SELECT count(*) FROM bulks b WHERE b.tenant_id = c.tenant_id AND b.channel_id = c.id AND b.status = 'running'),
    'latest', (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'message_id', l.id, 'direction', l.direction, 'kind', l.kind, 'status', l.status, 'error_code', l.error_code,
            'attempt', l.attempt, 'stored_at', time_text(l.stored_at)) ORDER BY l.stored_at DESC), '[]')
        FROM (SELECT m.* FROM (SELECT v.last_message_id FROM conversations v
                               WHERE v.tenant_id = c.tenant_id AND v.channel_id = c.id
                               ORDER BY coalesce(v.last_message_at, v.created_at) DESC, v.id DESC LIMIT 10) r
              JOIN messages m ON m.tenant_id = c.tenant_id AND m.id = r.last_message_id) l),
    'events', (SELECT jsonb_build_object('last_hour', count(*), 'last_at', time_text(max(e.stored_at)))
        FROM (SELECT v.stored_at FROM events v WHERE v.tenant_id = c.tenant_id AND v.channel_id = c.id
              AND v.stored_at > now() - interval '1 hour' LIMIT 10000) e),
    'webhook', (SELECT jsonb_build_object('status', h.status, 'registered_at', time_text(h.registered_at),
                                          'last_error_at', time_text(h.last_error_at), 'last_error', h.last_error)
        FROM webhook_health h WHERE h.tenant_id = c.tenant_id AND h.channel_id = c.id),
    'outbox', (SELECT count(*) FROM outbox o WHERE o.tenant_id = c.tenant_id AND o.object_kind = 'channel' AND o.object_id = c.id),
    'quarantine', debug_quarantine(c))
FROM channels_account c WHERE c.id = wanted
$$;

REVOKE EXECUTE ON FUNCTION debug_message(uuid), debug_channel(uuid), consistency_findings_of_all() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION debug_message(uuid), debug_channel(uuid), consistency_findings_of_all() TO postrider_operator;

RESET ROLE;
