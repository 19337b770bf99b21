-- SPDX-License-Identifier: Apache-2.0
-- What an inbox asks for: lists by filter in the order of the latest message, search by name, labels and
-- notes.

-- Both come with PostgreSQL and are trusted, so that who may create in the database may add them.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE EXTENSION IF NOT EXISTS btree_gin;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'role "%" may not add the extensions pg_trgm and btree_gin', current_user
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'As a superuser run in this database: CREATE EXTENSION pg_trgm; CREATE EXTENSION btree_gin; then migrate again.';
END
$$;

SET LOCAL ROLE postrider_owner;

ALTER TABLE conversations ADD COLUMN labels text[] NOT NULL DEFAULT '{}';

-- The order of every list. One direction, so that a page begins behind (time, id) by one comparison;
-- by when it was made, as long as nothing was said in it. One index for each filter by itself; what
-- several have in common is filtered from the most selective. All of them hold what each message
-- changes, so they are few, and partial where most rows need not be in them.
DROP INDEX conversations_recent;
CREATE INDEX conversations_recent ON conversations (tenant_id, coalesce(last_message_at, created_at), id);
CREATE INDEX conversations_status ON conversations (tenant_id, status, coalesce(last_message_at, created_at), id);
CREATE INDEX conversations_channel ON conversations (tenant_id, channel_id, coalesce(last_message_at, created_at), id);
CREATE INDEX conversations_assignee ON conversations (tenant_id, assigned_to, coalesce(last_message_at, created_at), id)
    WHERE assigned_to IS NOT NULL;
CREATE INDEX conversations_unread ON conversations (tenant_id, coalesce(last_message_at, created_at), id)
    WHERE unread_count > 0;

-- Some providers' times are whole seconds: of one second the order is that of the ids.
DROP INDEX messages_history;
CREATE INDEX messages_history ON messages (tenant_id, conversation_id, provider_at, id);

-- What people look for: names, and the contact's number or user name. In a table of its own, because
-- each message changes its conversation's row, and would write its trigrams anew.
CREATE TABLE conversation_search (
    tenant_id       uuid NOT NULL,
    conversation_id uuid NOT NULL,
    channel_id      uuid NOT NULL,
    contact_id      text,
    words           text NOT NULL, -- lower case
    PRIMARY KEY (tenant_id, conversation_id)
) PARTITION BY HASH (tenant_id);

CREATE TABLE notes (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL,
    conversation_id uuid NOT NULL,
    body            text NOT NULL,
    created_by      uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
) PARTITION BY HASH (tenant_id);

DO $$
DECLARE
    t text;
    p text;
BEGIN
    FOREACH t IN ARRAY ARRAY['conversation_search', 'notes'] LOOP
        FOR i IN 0..15 LOOP
            p := t || '_p' || lpad(i::text, 2, '0');
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 16, REMAINDER %s)', p, t, i);
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', p);
            EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', p);
        END LOOP;
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO postrider_api '
                       'USING (tenant_id = nullif(current_setting(''postrider.tenant_id'', true), '''')::uuid) '
                       'WITH CHECK (tenant_id = nullif(current_setting(''postrider.tenant_id'', true), '''')::uuid)', t);
    END LOOP;
END
$$;
CREATE INDEX conversation_search_words ON conversation_search USING gin (tenant_id, words gin_trgm_ops);
CREATE INDEX conversation_search_contact ON conversation_search (tenant_id, channel_id, contact_id);
CREATE INDEX notes_conversation ON notes (tenant_id, conversation_id, id);
CREATE POLICY router ON conversation_search TO postrider_router USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON conversation_search TO postrider_api, postrider_router;
GRANT SELECT, INSERT, DELETE ON notes TO postrider_api;
GRANT DELETE ON attachments TO postrider_api;

-- Whoever writes a conversation's names writes its words.
CREATE FUNCTION conversation_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM conversation_search s WHERE s.tenant_id = OLD.tenant_id AND s.conversation_id = OLD.id;
        RETURN NULL;
    END IF;
    INSERT INTO conversation_search AS s (tenant_id, conversation_id, channel_id, contact_id, words)
    VALUES (NEW.tenant_id, NEW.id, NEW.channel_id, left(NEW.contact_id, 500),
            lower(concat_ws(' ', left(NEW.name, 500), left(NEW.contact_name, 500), left(NEW.contact_id, 500))))
    ON CONFLICT (tenant_id, conversation_id) DO UPDATE SET contact_id = excluded.contact_id, words = excluded.words;
    RETURN NULL;
END
$$;
CREATE TRIGGER words_of_new AFTER INSERT ON conversations FOR EACH ROW
    WHEN (NEW.name IS NOT NULL OR NEW.contact_name IS NOT NULL OR NEW.contact_id IS NOT NULL)
    EXECUTE FUNCTION conversation_words();
CREATE TRIGGER words AFTER UPDATE ON conversations FOR EACH ROW
    WHEN (NEW.name IS DISTINCT FROM OLD.name OR NEW.contact_name IS DISTINCT FROM OLD.contact_name
          OR NEW.contact_id IS DISTINCT FROM OLD.contact_id)
    EXECUTE FUNCTION conversation_words();
CREATE TRIGGER words_of_gone AFTER DELETE ON conversations FOR EACH ROW EXECUTE FUNCTION conversation_words();

INSERT INTO conversation_search (tenant_id, conversation_id, channel_id, contact_id, words)
SELECT tenant_id, id, channel_id, left(contact_id, 500),
       lower(concat_ws(' ', left(name, 500), left(contact_name, 500), left(contact_id, 500)))
FROM conversations WHERE coalesce(name, contact_name, contact_id) IS NOT NULL;

-- The conversations of the transaction's tenant whose words hold `q`. Row level security lets no index
-- serve an operator that is not leakproof, as LIKE is not; so this runs by the right of its owner, and
-- takes the tenant from where the policies take it.
CREATE FUNCTION conversations_with(q text) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT s.conversation_id FROM conversation_search s
    WHERE s.tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid
      AND s.words LIKE '%' || replace(replace(replace(lower(q), '\', '\\'), '%', '\%'), '_', '\_') || '%'
$$;
REVOKE EXECUTE ON FUNCTION conversations_with(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION conversations_with(text) TO postrider_api;

RESET ROLE;
