-- SPDX-License-Identifier: Apache-2.0
-- Accounts and what opens them: credentials and their health, connecting and disconnecting in one place,
-- and what frontends read from the database itself.

SET LOCAL ROLE postrider_owner;

-- --- credentials ----------------------------------------------------------------------------------------

ALTER TABLE channels_account
    -- What the provider last said of the credentials. `expiring` is no state but a matter of time: see
    -- credential_health().
    ADD COLUMN credential_status     text NOT NULL DEFAULT 'unknown'
        CHECK (credential_status IN ('unknown', 'valid', 'expired', 'revoked')),
    ADD COLUMN credential_detail     text, -- for people
    ADD COLUMN credential_checked_at timestamptz,
    ADD COLUMN credential_expires_at timestamptz; -- NULL: nobody knows, or never

-- A tenant's own access to a provider that serves many accounts (UniPile), from which its channels are
-- connected.
CREATE TABLE tenant_credentials (
    tenant_id             uuid NOT NULL,
    provider              text NOT NULL,
    credentials           bytea NOT NULL, -- sealed; place "tenant_credentials.credentials"
    credentials_key_id    text NOT NULL,
    hint                  text NOT NULL, -- the end of the key, to tell one from another
    base_url              text,
    whatsapp_phone_number text,
    webhook_url           text, -- where the tenant has its webhooks sent, if not to us directly
    status                text NOT NULL DEFAULT 'valid' CHECK (status IN ('valid', 'expired', 'revoked')),
    checked_at            timestamptz,
    created_by            uuid,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, provider)
) PARTITION BY HASH (tenant_id);

DO $$
BEGIN
    FOR i IN 0..15 LOOP
        EXECUTE format('CREATE TABLE tenant_credentials_p%s PARTITION OF tenant_credentials '
                       'FOR VALUES WITH (MODULUS 16, REMAINDER %s)', lpad(i::text, 2, '0'), i);
        EXECUTE format('ALTER TABLE tenant_credentials_p%s ENABLE ROW LEVEL SECURITY', lpad(i::text, 2, '0'));
        EXECUTE format('ALTER TABLE tenant_credentials_p%s FORCE ROW LEVEL SECURITY', lpad(i::text, 2, '0'));
    END LOOP;
END
$$;
ALTER TABLE tenant_credentials ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_credentials FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenant_credentials TO postrider_api
    USING (tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid);
CREATE TRIGGER updated_at BEFORE UPDATE ON tenant_credentials FOR EACH ROW
    WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) EXECUTE FUNCTION set_updated_at();
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_credentials TO postrider_api;

-- unknown, valid, expiring (within a week), expired, revoked
CREATE FUNCTION credential_health(status text, expires_at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN status IN ('expired', 'revoked') THEN status
                WHEN expires_at <= now() THEN 'expired'
                WHEN status = 'valid' AND expires_at < now() + interval '7 days' THEN 'expiring'
                ELSE status END
$$;

-- --- who may read and change what of a channel ---------------------------------------------------------

-- The router tells what the provider said of an account, and never sees what opens it.
REVOKE SELECT, UPDATE ON channels_account FROM postrider_router;
GRANT SELECT (id, tenant_id, provider, external_account_id, account_type, platform, name, username, status,
              provider_status, status_at, status_key, settings, rev, created_at, updated_at),
      UPDATE (status, provider_status, status_at, status_key, rev, updated_at)
    ON channels_account TO postrider_router;
-- The sender opens accounts, and changes neither whose they are nor what opens them.
REVOKE UPDATE ON channels_account FROM postrider_sender;
GRANT UPDATE (status, provider_status, status_at, status_key, settings, credential_status, credential_detail,
              credential_checked_at, credential_expires_at, rev, updated_at)
    ON channels_account TO postrider_sender;
-- A channel stays, disconnected, for the sake of what it received.
REVOKE DELETE ON channels_account FROM postrider_api;
REVOKE INSERT, UPDATE, DELETE ON webhook_health FROM postrider_api;

-- What waits for an account is its tenant's as soon as the account is.
CREATE POLICY tenant_waiting ON quarantine FOR SELECT TO postrider_api
    USING (tenant_id IS NULL AND reason = 'unknown_account' AND EXISTS (
        SELECT FROM channels_account c
        WHERE c.provider = quarantine.provider AND c.external_account_id = quarantine.account
          AND c.tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid));

-- --- connecting -----------------------------------------------------------------------------------------

-- Connects an account to a tenant, tells clients, and has what waits for it replayed. Of a channel that is
-- there already, what is NULL here stays. Whose account it is the unique key decides: another tenant's is
-- a unique_violation, which says nothing of whom. A quarantined record that names a tenant waits for that
-- tenant's connection only.
CREATE FUNCTION channel_connect(tenant uuid, new_id uuid, of_provider text, account text, of_type text,
                                on_platform text, is_named text, is_called text, at_url text, secret bytea,
                                secret_key text, secret_expires_at timestamptz)
    RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    channel uuid;
BEGIN
    PERFORM account_lock(of_provider, account);
    UPDATE channels_account c SET
        account_type = of_type, platform = on_platform, name = coalesce(is_named, c.name),
        username = coalesce(is_called, c.username),
        -- New credentials may mend what the old ones could not.
        status = CASE WHEN c.status = 'disconnected' OR secret IS NOT NULL THEN 'ok' ELSE c.status END,
        base_url = CASE WHEN secret IS NULL THEN coalesce(at_url, c.base_url) ELSE at_url END,
        credentials = coalesce(secret, c.credentials),
        credentials_key_id = coalesce(secret_key, c.credentials_key_id),
        credential_status = CASE WHEN secret IS NULL THEN c.credential_status ELSE 'valid' END,
        credential_detail = CASE WHEN secret IS NULL THEN c.credential_detail END,
        credential_checked_at = CASE WHEN secret IS NULL THEN c.credential_checked_at ELSE now() END,
        credential_expires_at = CASE WHEN secret IS NULL THEN c.credential_expires_at ELSE secret_expires_at END,
        rev = c.rev + 1
    WHERE c.tenant_id = tenant AND c.provider = of_provider AND c.external_account_id = account
    RETURNING c.id INTO channel;
    IF channel IS NULL THEN
        INSERT INTO channels_account (id, tenant_id, provider, external_account_id, account_type, platform, name,
                                      username, base_url, credentials, credentials_key_id, credential_status,
                                      credential_checked_at, credential_expires_at)
        VALUES (new_id, tenant, of_provider, account, of_type, on_platform, is_named, is_called, at_url, secret,
                secret_key, CASE WHEN secret IS NULL THEN 'unknown' ELSE 'valid' END,
                CASE WHEN secret IS NOT NULL THEN now() END, secret_expires_at)
        RETURNING id INTO channel;
    END IF;
    INSERT INTO outbox (tenant_id, id, object_kind, object_id)
    SELECT tenant, gen_random_uuid(), 'channel', channel
    UNION ALL
    SELECT tenant, gen_random_uuid(), 'quarantine', q.id FROM quarantine q
    WHERE q.provider = of_provider AND q.account = channel_connect.account AND q.reason = 'unknown_account'
      AND q.replayed_at IS NULL AND q.dropped_at IS NULL AND (q.tenant_id IS NULL OR q.tenant_id = tenant);
    RETURN channel;
END
$$;

-- Disconnects a channel that the caller may see; what it received stays, what opens it does not. NULL:
-- there is none.
CREATE FUNCTION channel_disconnect(channel uuid) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    WITH c AS (UPDATE channels_account SET status = 'disconnected', credentials = NULL, credentials_key_id = NULL,
                      credential_status = 'unknown', credential_detail = NULL, credential_checked_at = NULL,
                      credential_expires_at = NULL, rev = rev + 1
               WHERE id = channel AND status <> 'disconnected' RETURNING tenant_id, id),
         o AS (INSERT INTO outbox (tenant_id, id, object_kind, object_id)
               SELECT tenant_id, gen_random_uuid(), 'channel', id FROM c)
    SELECT id FROM channels_account WHERE id = channel
$$;
REVOKE EXECUTE ON FUNCTION channel_connect(uuid, uuid, text, text, text, text, text, text, text, bytea, text, timestamptz),
    channel_disconnect(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION channel_connect(uuid, uuid, text, text, text, text, text, text, text, bytea, text, timestamptz),
    channel_disconnect(uuid) TO postrider_api;

-- --- health ---------------------------------------------------------------------------------------------

-- Rows come in the order of time, so that a few bytes for each stretch of the table find the latest; an
-- insert pays nothing for it.
CREATE INDEX events_stored ON events USING brin (stored_at) WITH (pages_per_range = 32, autosummarize = on);

-- --- what frontends query -------------------------------------------------------------------------------
-- All by the right of who asks: row level security is the caller's.

CREATE VIEW user_connections WITH (security_invoker = true) AS
SELECT c.id, c.tenant_id, c.provider, c.platform, c.external_account_id, c.account_type, c.name, c.username,
       c.status, c.provider_status, c.status <> 'disconnected' AS is_connected,
       credential_health(c.credential_status, c.credential_expires_at) AS credential_status,
       c.credential_checked_at, c.credential_expires_at, c.rev, c.created_at AS connected_at, c.updated_at
FROM channels_account c;
GRANT SELECT ON user_connections TO postrider_api;

-- A row for each Instagram account of the tenant that is connected, whatever the way to it; without any,
-- one row that says so.
CREATE FUNCTION get_user_instagram_status()
    RETURNS TABLE (is_connected boolean, channel_id uuid, provider text, account_id text, username text, name text,
                   status text, credential_status text, credential_expires_at timestamptz, conversations bigint,
                   unread bigint, last_message_at timestamptz)
    LANGUAGE sql STABLE AS $$
    WITH mine AS (
        SELECT u.* FROM user_connections u
        WHERE u.platform = 'instagram' AND u.is_connected
          AND u.tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid)
    SELECT true, m.id, m.provider, m.external_account_id, m.username, m.name, m.status, m.credential_status,
           m.credential_expires_at, s.n, s.unread, s.latest
    FROM mine m CROSS JOIN LATERAL (
        SELECT count(*), coalesce(sum(v.unread_count), 0), max(v.last_message_at) FROM conversations v
        WHERE v.tenant_id = m.tenant_id AND v.channel_id = m.id) s(n, unread, latest)
    UNION ALL
    SELECT false, NULL, NULL, NULL, NULL, NULL, 'disconnected', 'unknown', NULL, 0, 0, NULL
    WHERE NOT EXISTS (SELECT FROM mine)
$$;

-- The tenant's Instagram conversations, the latest first: of each channel the latest ones, and of those.
CREATE FUNCTION get_instagram_chats(max_rows integer DEFAULT 50)
    RETURNS TABLE (id uuid, channel_id uuid, external_id text, contact_id text, contact_name text, name text,
                   is_group boolean, status text, assigned_to uuid, unread_count integer, last_message_id uuid,
                   last_message text, last_message_kind text, last_message_direction text,
                   last_message_at timestamptz)
    LANGUAGE sql STABLE AS $$
    SELECT v.id, v.channel_id, v.external_id, v.contact_id, v.contact_name, v.name, v.is_group, v.status,
           v.assigned_to, v.unread_count, v.last_message_id, m.body, m.kind, m.direction, v.last_message_at
    FROM channels_account c
    CROSS JOIN LATERAL (
        SELECT x.* FROM conversations x WHERE x.tenant_id = c.tenant_id AND x.channel_id = c.id
        ORDER BY coalesce(x.last_message_at, x.created_at) DESC, x.id DESC
        LIMIT least(greatest(max_rows, 1), 500)) v
    LEFT JOIN messages m ON m.tenant_id = v.tenant_id AND m.id = v.last_message_id
    WHERE c.tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid AND c.platform = 'instagram'
    ORDER BY coalesce(v.last_message_at, v.created_at) DESC, v.id DESC
    LIMIT least(greatest(max_rows, 1), 500)
$$;
REVOKE EXECUTE ON FUNCTION get_user_instagram_status(), get_instagram_chats(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION get_user_instagram_status(), get_instagram_chats(integer) TO postrider_api;

RESET ROLE;
