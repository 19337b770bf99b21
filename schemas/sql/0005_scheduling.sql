-- SPDX-License-Identifier: Apache-2.0
-- When rows are due, what a bulk is made of, and what an attempt was answered.

SET LOCAL ROLE postrider_owner;

ALTER TABLE messages
    -- The scheduler has seen to the row, or has nothing to do for it, until then; NULL: it has not looked
    -- yet; infinity: only a proof or a person moves it. Whoever wants it looked at now sets now().
    ADD COLUMN wake_at   timestamptz,
    -- The provider said by the message's own id that it was delivered or read: then no failure that is
    -- told later counts, as it does against what only a watermark covers.
    ADD COLUMN is_proven boolean NOT NULL DEFAULT false;

-- What the scheduler looks at, all tenants in one order. Of the columns only those change while a message
-- is under way that the scheduler or a retry sets, so that a claim stays in its page.
CREATE INDEX messages_due ON messages (greatest(stored_at, send_at, next_attempt_at, wake_at)) WHERE unsettled;
CREATE INDEX messages_bulk ON messages (tenant_id, bulk_id) WHERE bulk_id IS NOT NULL;
CREATE INDEX messages_bulk_waiting ON messages (tenant_id, channel_id) WHERE unsettled AND bulk_id IS NOT NULL;

-- Objects' changes are many and go at once; records to be replayed may wait long, in great numbers.
DROP INDEX outbox_due;
CREATE INDEX outbox_changes ON outbox (created_at) WHERE object_kind <> 'quarantine';
CREATE INDEX outbox_replays ON outbox (object_id) WHERE object_kind = 'quarantine';

-- Does an unsettled message hold those behind it in its conversation? Not while it waits for its own hour,
-- and not once its uncertain sending was left to a person.
CREATE FUNCTION message_holds(status text, send_at timestamptz, wake_at timestamptz) RETURNS boolean
    LANGUAGE sql STABLE AS
$$ SELECT NOT coalesce((status = 'queued' AND send_at > now()) OR (status = 'uncertain' AND wake_at = 'infinity'), false) $$;

ALTER TABLE send_attempts
    ADD COLUMN conversation text; -- the provider's id of the conversation, where its answer names it

-- One content to many. Its recipients become messages only as fast as the channel may send, so that a
-- pause is one row's change, and a conversation's later reply never stands behind a bulk.
CREATE TABLE bulks (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    channel_id  uuid NOT NULL,
    name        text,
    status      text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'paused', 'cancelled', 'done')),
    kind        text NOT NULL,
    body        text,
    outgoing    jsonb, -- as messages.outgoing; {{name}} in its texts and in body: the recipient's variable
    total       integer NOT NULL,
    handed_out  integer NOT NULL DEFAULT 0, -- recipients that have become messages
    send_at     timestamptz, -- not before
    created_by  uuid,
    rev         bigint NOT NULL DEFAULT 1,
    finished_at timestamptz, -- the last recipient became a message, or it was cancelled
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
) PARTITION BY HASH (tenant_id);
CREATE INDEX bulks_running ON bulks (tenant_id, id) WHERE status = 'running';

-- Rows go as they become messages.
CREATE TABLE bulk_recipients (
    tenant_id uuid NOT NULL,
    bulk_id   uuid NOT NULL,
    position  integer NOT NULL,
    recipient text NOT NULL,
    variables jsonb,
    PRIMARY KEY (tenant_id, bulk_id, position),
    UNIQUE (tenant_id, bulk_id, recipient)
) PARTITION BY HASH (tenant_id);

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['bulks', 'bulk_recipients'] LOOP
        FOR i IN 0..15 LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
                           t || '_p' || lpad(i::text, 2, '0'), t, i);
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t || '_p' || lpad(i::text, 2, '0'));
            EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t || '_p' || lpad(i::text, 2, '0'));
        END LOOP;
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO postrider_api
                        USING (tenant_id = nullif(current_setting(''postrider.tenant_id'', true), '''')::uuid)
                        WITH CHECK (tenant_id = nullif(current_setting(''postrider.tenant_id'', true), '''')::uuid)', t);
        EXECUTE format('CREATE POLICY sender ON %I TO postrider_sender USING (true) WITH CHECK (true)', t);
    END LOOP;
END
$$;

CREATE TRIGGER updated_at BEFORE UPDATE ON bulks FOR EACH ROW
    WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) EXECUTE FUNCTION set_updated_at();

GRANT SELECT, INSERT, UPDATE ON bulks TO postrider_api;
GRANT SELECT, INSERT ON bulk_recipients TO postrider_api;
GRANT SELECT, UPDATE ON bulks TO postrider_sender;
GRANT SELECT, DELETE ON bulk_recipients TO postrider_sender;
GRANT INSERT ON conversations, messages TO postrider_sender; -- a bulk's
-- A conversation that was begun by us and turns out to be one that is there: its notes go with it.
GRANT DELETE ON conversations TO postrider_router;

RESET ROLE;
