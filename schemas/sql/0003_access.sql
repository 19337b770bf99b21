-- SPDX-License-Identifier: Apache-2.0
-- Who may see what. Row level security is forced on every table: without a matching policy there are
-- no rows, for a table's owner too (postrider_owner has BYPASSRLS). A tenant is chosen per
-- transaction: SET LOCAL postrider.tenant_id = '...'; after such a transaction the setting is '' and
-- not NULL, hence nullif (inline and not in a function of ours, so that partitions are pruned by it).
-- router and sender serve all tenants, by named policies on the tables that they need and no others;
-- the api never crosses tenants.

SET LOCAL ROLE postrider_owner;

-- Partitions too: without policies of their own, nobody reads around their parent.
DO $$
DECLARE
    t text;
BEGIN
    FOR t IN SELECT relname FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('p', 'r')
               AND relowner = 'postrider_owner'::regrole AND relname <> 'schema_migrations'
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    END LOOP;
END
$$;

DO $$
DECLARE
    t       text;
    tenant  text;
    router  text[] := ARRAY['tenants', 'channels_account', 'conversations', 'messages', 'events', 'early_facts',
                            'message_receipts', 'reactions', 'attachments', 'send_attempts', 'quarantine', 'outbox'];
    sender  text[] := ARRAY['tenants', 'channels_account', 'conversations', 'messages', 'attachments',
                            'send_attempts', 'outbox', 'templates', 'quarantine', 'webhook_health'];
BEGIN
    FOR t IN SELECT relname FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('p', 'r') AND NOT relispartition
               AND relowner = 'postrider_owner'::regrole AND relname <> 'schema_migrations'
    LOOP
        tenant := format('%I = nullif(current_setting(''postrider.tenant_id'', true), '''')::uuid', CASE t WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END);
        EXECUTE format('CREATE POLICY tenant ON %I TO postrider_api USING (%s) WITH CHECK (%s)', t, tenant, tenant);
        IF t = ANY (router) THEN
            EXECUTE format('CREATE POLICY router ON %I TO postrider_router USING (true) WITH CHECK (true)', t);
        END IF;
        IF t = ANY (sender) THEN
            EXECUTE format('CREATE POLICY sender ON %I TO postrider_sender USING (true) WITH CHECK (true)', t);
        END IF;
    END LOOP;
END
$$;

GRANT SELECT ON tenants, send_attempts TO postrider_router;
GRANT SELECT, UPDATE ON channels_account TO postrider_router;
GRANT SELECT, INSERT, UPDATE ON conversations, messages, message_receipts, reactions, attachments, quarantine
    TO postrider_router;
GRANT SELECT, INSERT ON events, outbox TO postrider_router;
GRANT DELETE ON attachments, messages TO postrider_router; -- an echo's row merged into the api's
GRANT SELECT, INSERT, UPDATE, DELETE ON early_facts TO postrider_router;

GRANT SELECT ON tenants, attachments, templates TO postrider_sender;
GRANT SELECT, UPDATE ON channels_account, conversations, messages, quarantine TO postrider_sender;
GRANT SELECT, INSERT, UPDATE ON send_attempts, webhook_health TO postrider_sender;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO postrider_sender;

GRANT SELECT, UPDATE ON tenants TO postrider_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON users, user_credentials, user_profiles, channels_account, templates, rules,
    webhook_health TO postrider_api;
GRANT SELECT, INSERT, UPDATE ON conversations, messages, attachments TO postrider_api;
GRANT SELECT, UPDATE ON quarantine TO postrider_api;
GRANT SELECT ON events, message_receipts, reactions, send_attempts TO postrider_api;
GRANT SELECT, INSERT ON outbox, audit_log TO postrider_api;

RESET ROLE;
