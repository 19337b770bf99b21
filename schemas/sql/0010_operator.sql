-- SPDX-License-Identifier: Apache-2.0
-- The operator's role: it sees tenants and what was done, and no tenant's messages, contacts or secrets.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postrider_operator') THEN
        BEGIN
            CREATE ROLE postrider_operator LOGIN NOBYPASSRLS;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE EXCEPTION 'role "%" may not create the role postrider_operator', current_user
                USING ERRCODE = 'insufficient_privilege',
                      HINT = 'As a superuser run: CREATE ROLE postrider_operator LOGIN; then migrate again.';
        END;
    ELSIF EXISTS (SELECT FROM pg_roles WHERE rolname = 'postrider_operator' AND (rolbypassrls OR rolsuper)) THEN
        RAISE EXCEPTION 'the role postrider_operator could bypass row level security'
            USING HINT = 'As a superuser run: ALTER ROLE postrider_operator NOSUPERUSER NOBYPASSRLS; then migrate again.';
    END IF;
    IF NOT has_schema_privilege('postrider_operator', 'public', 'USAGE') THEN
        GRANT USAGE ON SCHEMA public TO postrider_operator;
    END IF;
END
$$;

SET LOCAL ROLE postrider_owner;

-- What a tenant may have; NULL: as the settings of the installation say.
ALTER TABLE tenants
    ADD COLUMN max_channels        integer CHECK (max_channels >= 0),
    ADD COLUMN max_users           integer CHECK (max_users >= 0),
    ADD COLUMN requests_per_second integer CHECK (requests_per_second > 0),
    ADD COLUMN rev                 bigint NOT NULL DEFAULT 1;

CREATE POLICY operator ON tenants TO postrider_operator USING (true) WITH CHECK (true);
CREATE POLICY operator ON audit_log TO postrider_operator USING (true) WITH CHECK (true);
CREATE POLICY operator ON channels_account FOR SELECT TO postrider_operator USING (true);
CREATE POLICY operator ON quarantine FOR SELECT TO postrider_operator USING (true);
GRANT SELECT, INSERT ON tenants, audit_log TO postrider_operator;
GRANT UPDATE (name, status, uncertain_policy, max_channels, max_users, requests_per_second, rev, updated_at)
    ON tenants TO postrider_operator;
GRANT SELECT (id, tenant_id, provider, platform, status) ON channels_account TO postrider_operator;
GRANT SELECT (id, tenant_id, provider, account, reason, received_at, replayed_at, dropped_at)
    ON quarantine TO postrider_operator;
-- A tenant may not lift its own limits, nor its own suspension.
REVOKE UPDATE ON tenants FROM postrider_api;
GRANT UPDATE (name, uncertain_policy, settings, updated_at) ON tenants TO postrider_api;

CREATE POLICY operator ON idempotency_keys TO postrider_operator USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO postrider_operator;

CREATE INDEX tenants_name ON tenants (name, id);
CREATE INDEX audit_log_recent ON audit_log (tenant_id, created_at DESC, id);

-- How many channels a tenant may connect. The lock lets two that connect at once count each other.
CREATE FUNCTION check_channel_limit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    most integer;
BEGIN
    SELECT max_channels INTO most FROM tenants WHERE id = NEW.tenant_id FOR NO KEY UPDATE;
    IF most IS NOT NULL AND most <= (SELECT count(*) FROM channels_account
                                     WHERE tenant_id = NEW.tenant_id AND status <> 'disconnected') THEN
        RAISE EXCEPTION 'the tenant may have % channels', most
            USING ERRCODE = 'check_violation', CONSTRAINT = 'tenants_max_channels';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER channel_limit BEFORE INSERT ON channels_account FOR EACH ROW EXECUTE FUNCTION check_channel_limit();

RESET ROLE;
