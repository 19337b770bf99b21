-- SPDX-License-Identifier: Apache-2.0
-- The consistency check knows what an account's provider last said of it when it was asked, and what an
-- account belongs to.

SET LOCAL ROLE postrider_owner;

ALTER TABLE channels_account
    ADD COLUMN asked_at        timestamptz, -- when its provider was last asked of it, by the clock; NULL: not yet
    ADD COLUMN reported_type   text,        -- the account type that it then named; NULL: none
    ADD COLUMN reported_absent boolean NOT NULL DEFAULT false; -- it knew no such account

-- Who is to be asked next.
CREATE INDEX channels_account_asked ON channels_account (coalesce(asked_at, created_at))
    WHERE credentials IS NOT NULL AND status <> 'disconnected';

GRANT UPDATE (asked_at, reported_type, reported_absent) ON channels_account TO postrider_sender;

-- What was said of the old credentials says nothing of new ones.
CREATE FUNCTION forget_report() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.reported_type := NULL;
    NEW.reported_absent := false;
    RETURN NEW;
END
$$;
CREATE TRIGGER forget_report BEFORE UPDATE OF credentials ON channels_account FOR EACH ROW
    WHEN (NEW.credentials IS DISTINCT FROM OLD.credentials) EXECUTE FUNCTION forget_report();

-- By which accounts webhooks of a channel may name it: its own, and what that belongs to.
CREATE FUNCTION channel_accounts(c channels_account) RETURNS text[] LANGUAGE sql IMMUTABLE AS
$$ SELECT ARRAY[c.external_account_id, c.parent_external_id] $$;

-- Records that wait for an account that is there, and that nobody has been told to publish again; a tenant
-- that has the account.
CREATE FUNCTION waiting_in_vain(most integer) RETURNS TABLE (tenant_id uuid, id uuid) LANGUAGE sql STABLE AS $$
    SELECT DISTINCT ON (q.id) c.tenant_id, q.id
    FROM channels_account c
    CROSS JOIN LATERAL (SELECT k.id, k.tenant_id FROM quarantine k
                        WHERE k.provider = c.provider AND k.account = ANY (channel_accounts(c))
                          AND k.reason = 'unknown_account' AND k.replayed_at IS NULL AND k.dropped_at IS NULL
                        LIMIT most) q
    WHERE (q.tenant_id IS NULL OR q.tenant_id = c.tenant_id) AND NOT EXISTS (
        SELECT FROM outbox o WHERE o.object_kind = 'quarantine' AND o.object_id = q.id)
    ORDER BY q.id
$$;

-- Hand a quarantined record to the scheduler, which publishes it again. 'queued', 'replayed' (it went
-- before), 'dropped', 'nobody' (no tenant has its account yet, so that it would only come back) or
-- 'absent'.
CREATE OR REPLACE FUNCTION quarantine_replay(record uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    q      record;
    tenant uuid;
BEGIN
    SELECT * INTO q FROM quarantine WHERE id = record FOR UPDATE;
    IF NOT FOUND THEN RETURN 'absent'; END IF;
    IF q.dropped_at IS NOT NULL THEN RETURN 'dropped'; END IF;
    IF q.replayed_at IS NOT NULL THEN RETURN 'replayed'; END IF;
    tenant := coalesce(q.tenant_id, (SELECT c.tenant_id FROM channels_account c
        WHERE c.provider = q.provider AND (c.external_account_id = q.account OR c.parent_external_id = q.account)
        LIMIT 1));
    IF tenant IS NULL THEN RETURN 'nobody'; END IF;
    IF NOT EXISTS (SELECT FROM outbox o WHERE o.tenant_id = tenant AND o.object_kind = 'quarantine' AND o.object_id = q.id) THEN
        INSERT INTO outbox (tenant_id, id, object_kind, object_id)
        VALUES (tenant, gen_random_uuid(), 'quarantine', q.id);
    END IF;
    RETURN 'queued';
END
$$;

-- What does not fit together, worst first; a row for each kind of finding. Reads at most `most` rows
-- of each tenant, or channel, of the tables that grow.
CREATE OR REPLACE FUNCTION consistency_findings(most integer DEFAULT 500)
RETURNS TABLE ("check" text, severity text, count bigint, examples jsonb, detail text, command text)
LANGUAGE sql STABLE AS $$
WITH findings AS (
    SELECT 'wrong_platform' AS "check", 'critical' AS severity, m.id::text AS example,
           'messages stored under a channel of another platform' AS detail,
           'stop the router and ask for help: this must not happen' AS command
    FROM channels_account c
    CROSS JOIN LATERAL (SELECT k.id, k.platform, k.provider FROM messages k
                        WHERE k.tenant_id = c.tenant_id AND k.channel_id = c.id LIMIT most) m
    WHERE m.platform <> c.platform OR m.provider <> c.provider

    UNION ALL
    SELECT 'account_type_mismatch', 'error', c.id::text,
           'webhooks say another account type than the channel''s',
           'postrider channel connect ' || c.tenant_id || ' ' || c.provider || ' ' || c.external_account_id || ' --type TYPE'
    FROM channels_account c
    WHERE EXISTS (SELECT FROM quarantine q WHERE q.provider = c.provider AND q.account = ANY (channel_accounts(c))
                  AND q.reason = 'account_type_mismatch' AND q.replayed_at IS NULL AND q.dropped_at IS NULL)

    UNION ALL
    SELECT 'provider_type_mismatch', 'error', c.id::text,
           'the provider, when asked, named another account type than the channel''s',
           'postrider channel connect ' || c.tenant_id || ' ' || c.provider || ' ' || c.external_account_id || ' --type '
               || c.reported_type
    FROM channels_account c
    WHERE c.status <> 'disconnected' AND c.reported_type <> c.account_type

    UNION ALL
    SELECT 'provider_account_absent', 'error', c.id::text,
           'the provider, when asked, knew no such account',
           'connect it again (POST /api/channels/' || c.id || '/reconnect), or postrider channel disconnect ' || c.id
    FROM channels_account c
    WHERE c.status <> 'disconnected' AND c.reported_absent

    UNION ALL
    SELECT 'account_gone', 'error', c.id::text,
           'the provider says that the account is gone, stopped or must log in again',
           'reconnect it at the provider, then POST /api/channels/' || c.id || '/reconnect'
    FROM channels_account c WHERE c.status IN ('auth_required', 'error', 'stopped', 'deleted')

    UNION ALL
    SELECT 'credentials_run_out', 'warning', c.id::text, 'credentials that end within a week, or have ended',
           'give new ones: POST /api/channels/' || c.id || '/reconnect'
    FROM channels_account c
    WHERE c.status NOT IN ('disconnected', 'auth_required', 'deleted')
      AND credential_health(c.credential_status, c.credential_expires_at) IN ('expiring', 'expired')

    UNION ALL
    SELECT 'account_claimed_twice', 'error', c.id::text,
           'one account is connected by two ways, so that each message comes twice',
           'postrider channel disconnect ' || c.id
    FROM channels_account c
    WHERE c.status <> 'disconnected' AND EXISTS (
        SELECT FROM channels_account o
        WHERE o.tenant_id = c.tenant_id AND o.platform = c.platform AND o.id < c.id AND o.status <> 'disconnected'
          AND (lower(o.username) = lower(c.username) OR o.external_account_id = c.external_account_id))

    UNION ALL
    SELECT 'quarantine_of_connected_account', 'error', w.id::text,
           'records wait for an account that is connected', 'postrider consistency --repair'
    FROM waiting_in_vain(most) w

    UNION ALL
    SELECT 'unread_count', 'warning', d.id::text, 'conversations whose counter of unread messages drifted',
           'postrider consistency --repair'
    FROM drifted_conversations(most) d

    UNION ALL
    SELECT 'fact_without_message', 'warning', e.external_message_id,
           'receipts, edits or deletions of a message that has not come for a day',
           'the provider did not deliver the message: look for it there'
    FROM tenants t
    CROSS JOIN LATERAL (SELECT k.external_message_id FROM early_facts k
                        WHERE k.tenant_id = t.id AND k.stored_at < now() - interval '1 day' LIMIT most) e

    UNION ALL
    SELECT 'uncertain_message', 'warning', m.id::text,
           'messages of which nobody knows whether they were sent', 'look for it at the provider: what did not come is to be written again'
    FROM channels_account c
    CROSS JOIN LATERAL (SELECT k.id FROM messages k
                        WHERE k.tenant_id = c.tenant_id AND k.channel_id = c.id AND k.unsettled
                          AND k.status = 'uncertain' AND k.updated_at < now() - interval '10 minutes' LIMIT most) m
), quarantined AS (
    SELECT q.reason, q.id, q.received_at FROM quarantine q
    WHERE q.replayed_at IS NULL AND q.dropped_at IS NULL ORDER BY q.received_at LIMIT most * 20
), rows AS (
    SELECT f."check", f.severity, count(*) AS count, (array_agg(f.example ORDER BY f.example))[1:5] AS examples,
           min(f.detail) AS detail, min(f.command) AS command
    FROM findings f GROUP BY f."check", f.severity
    UNION ALL
    SELECT 'quarantine_' || q.reason, 'info', count(*), (array_agg(q.id::text ORDER BY q.received_at))[1:5],
           'records wait in quarantine, the oldest since '
               || to_char(min(q.received_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
           'postrider quarantine list --reason ' || q.reason
    FROM quarantined q GROUP BY q.reason
)
SELECT r."check", r.severity, r.count, to_jsonb(r.examples), r.detail, r.command
FROM rows r
ORDER BY array_position(ARRAY['critical', 'error', 'warning', 'info'], r.severity), r."check"
$$;

-- Mend what can be mended without a person: counters, and records that wait for an account that is
-- there. What was done, a row for each kind.
CREATE OR REPLACE FUNCTION consistency_repair(most integer DEFAULT 500)
RETURNS TABLE ("check" text, count bigint) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY
    WITH drifted AS (
        SELECT c.tenant_id, c.id FROM conversations c
        JOIN drifted_conversations(most) d ON d.tenant_id = c.tenant_id AND d.id = c.id
        ORDER BY c.tenant_id, c.id FOR UPDATE OF c
    ), mended AS (
        -- Counted anew under the row's lock: the router may have been there meanwhile.
        UPDATE conversations c SET unread_count = conversation_unread(c), rev = c.rev + 1
        FROM drifted d WHERE c.tenant_id = d.tenant_id AND c.id = d.id RETURNING c.tenant_id, c.id
    ), told AS (
        INSERT INTO outbox (tenant_id, id, object_kind, object_id)
        SELECT m.tenant_id, gen_random_uuid(), 'conversation', m.id FROM mended m RETURNING 1
    )
    SELECT 'unread_count', count(*) FROM told;

    RETURN QUERY
    WITH told AS (
        INSERT INTO outbox (tenant_id, id, object_kind, object_id)
        SELECT w.tenant_id, gen_random_uuid(), 'quarantine', w.id FROM waiting_in_vain(most) w RETURNING 1
    )
    SELECT 'quarantine_of_connected_account', count(*) FROM told;
END
$$;

RESET ROLE;
