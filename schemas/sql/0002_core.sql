-- SPDX-License-Identifier: Apache-2.0
-- The tables. Every key of a tenant's table leads with tenant_id, so that it is hash partitioned here
-- and can be distributed by Citus unchanged. No foreign keys between the hot tables: a check per row
-- costs more than the row, and the router, their only writer, holds the references in one
-- transaction. `rev` grows with each change of an object that a client sees. Times that order facts
-- are the provider's; the key of the event breaks ties, so that any order of the same events gives the
-- same rows.

-- What this file makes belongs to postrider_owner, whoever migrates.
SET LOCAL ROLE postrider_owner;

CREATE FUNCTION set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;

-- Held by whoever connects an account, and by the router while it stores a quarantined record of one
-- that it did not find: so that no record waits for an account that has come meanwhile.
CREATE FUNCTION account_lock(provider text, account text) RETURNS void LANGUAGE sql VOLATILE AS
$$ SELECT pg_advisory_xact_lock(hashtextextended('account:' || provider || ':' || account, 0)) $$;

CREATE TABLE tenants (
    id               uuid PRIMARY KEY,
    name             text NOT NULL CHECK (name <> ''),
    status           text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    -- What becomes of a message whose sending is uncertain for good: ask a person, or send it again.
    uncertain_policy text NOT NULL DEFAULT 'ask' CHECK (uncertain_policy IN ('ask', 'resend')),
    settings         jsonb NOT NULL DEFAULT '{}',
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    tenant_id     uuid NOT NULL REFERENCES tenants (id),
    id            uuid NOT NULL,
    email         text NOT NULL,
    role          text NOT NULL DEFAULT 'agent' CHECK (role IN ('owner', 'agent', 'operator')),
    status        text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'invited', 'disabled')),
    last_login_at timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
) PARTITION BY HASH (tenant_id);
CREATE UNIQUE INDEX users_email ON users (tenant_id, lower(email));

CREATE TABLE user_credentials (
    tenant_id  uuid NOT NULL,
    id         uuid NOT NULL,
    user_id    uuid NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('password', 'refresh_token')),
    secret     text NOT NULL, -- argon2id string, or the hash of a token; never the secret itself
    family     uuid,          -- refresh tokens that were rotated from one login
    expires_at timestamptz,
    used_at    timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
) PARTITION BY HASH (tenant_id);
CREATE INDEX user_credentials_user ON user_credentials (tenant_id, user_id, kind);

CREATE TABLE user_profiles (
    tenant_id    uuid NOT NULL,
    user_id      uuid NOT NULL,
    display_name text NOT NULL DEFAULT '',
    locale       text,
    time_zone    text,
    avatar_url   text,
    settings     jsonb NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id)
) PARTITION BY HASH (tenant_id);

-- Not partitioned (a reference table in Citus): one account belongs to one tenant, which only a
-- global key can promise.
CREATE TABLE channels_account (
    id                  uuid PRIMARY KEY,
    tenant_id           uuid NOT NULL REFERENCES tenants (id),
    provider            text NOT NULL,
    external_account_id text NOT NULL CHECK (external_account_id <> ''),
    account_type        text NOT NULL,
    platform            text NOT NULL,
    name                text,
    username            text,
    -- disconnected: by us; the rest: as the provider last said.
    status              text NOT NULL DEFAULT 'ok' CHECK (status IN
        ('ok', 'connecting', 'created', 'auth_required', 'error', 'stopped', 'deleted', 'disconnected')),
    provider_status     text,
    status_at           timestamptz, -- provider's time and key of the event that set the status
    status_key          text,
    base_url            text,
    settings            jsonb NOT NULL DEFAULT '{}',
    credentials         bytea, -- encrypted by the api; key id beside it
    credentials_key_id  text,
    rev                 bigint NOT NULL DEFAULT 1,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    UNIQUE (provider, external_account_id)
);
CREATE INDEX channels_account_tenant ON channels_account (tenant_id, id);

CREATE TABLE conversations (
    tenant_id            uuid NOT NULL,
    id                   uuid NOT NULL,
    channel_id           uuid NOT NULL,
    provider             text NOT NULL,
    platform             text NOT NULL,
    external_id          text NOT NULL,
    alias                text, -- the network's own id of the same thread
    is_group             boolean NOT NULL DEFAULT false,
    name                 text,
    name_at              timestamptz,
    contact_id           text,
    contact_name         text,
    contact_at           timestamptz,
    status               text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed', 'snoozed')),
    assigned_to          uuid,
    last_message_id      uuid,
    last_message_at      timestamptz,
    last_message_ext     text, -- breaks ties of last_message_at
    last_inbound_at      timestamptz,
    unread_count         integer NOT NULL DEFAULT 0,
    agent_read_at        timestamptz, -- up to here our side has read
    delivered_up_to      timestamptz, -- the contact's watermarks
    read_up_to           timestamptz,
    next_seq             bigint NOT NULL DEFAULT 1, -- of messages.conversation_seq
    rev                  bigint NOT NULL DEFAULT 1,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, channel_id, external_id)
) PARTITION BY HASH (tenant_id);
CREATE INDEX conversations_recent ON conversations (tenant_id, last_message_at DESC, id);

CREATE TABLE messages (
    tenant_id           uuid NOT NULL,
    id                  uuid NOT NULL,
    channel_id          uuid NOT NULL,
    conversation_id     uuid NOT NULL,
    provider            text NOT NULL,
    platform            text NOT NULL,
    external_message_id text, -- NULL until the provider has named it
    client_ref          text, -- our own reference, where the provider echoes it
    direction           text NOT NULL CHECK (direction IN ('in', 'out')),
    status              text NOT NULL CHECK (CASE direction
        WHEN 'in' THEN status IN ('received', 'read')
        ELSE status IN ('queued', 'retry', 'sending', 'uncertain', 'sent', 'delivered', 'read', 'failed',
                        'cancelled') END),
    kind                text NOT NULL,
    body                text,
    content             jsonb, -- NULL for plain text: jsonb costs 14 us a row
    reply_to            text,
    sender_id           text,
    sender_name         text,
    source_key          text, -- event that the content is from: least (time, key) of its kind
    provider_at         timestamptz NOT NULL,
    stored_at           timestamptz NOT NULL DEFAULT now(),
    edited_at           timestamptz,
    edit_key            text,
    deleted_at          timestamptz,
    error_code          text,
    error_message       text,
    attachment_count    smallint NOT NULL DEFAULT 0,
    -- sending
    conversation_seq    bigint,
    attempt             integer NOT NULL DEFAULT 0,
    send_at             timestamptz,
    next_attempt_at     timestamptz,
    lease_until         timestamptz,
    unsettled           boolean GENERATED ALWAYS AS (status IN ('queued', 'retry', 'sending', 'uncertain')) STORED,
    created_by          uuid,
    rev                 bigint NOT NULL DEFAULT 1,
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, channel_id, external_message_id)
) PARTITION BY HASH (tenant_id);
CREATE INDEX messages_history ON messages (tenant_id, conversation_id, provider_at DESC, id);
CREATE UNIQUE INDEX messages_client_ref ON messages (tenant_id, channel_id, client_ref)
    WHERE client_ref IS NOT NULL;
-- By a column of its own, not by status: sent, delivered and read then touch no index (HOT updates).
CREATE INDEX messages_to_send ON messages (tenant_id, channel_id, conversation_id, conversation_seq) WHERE unsettled;

-- One row per accepted event, insert-only: what makes it count once. The position tells our own
-- redelivery (publish again what it changed) from the provider's duplicate (drop).
CREATE TABLE events (
    tenant_id           uuid NOT NULL,
    channel_id          uuid NOT NULL,
    event_key           text NOT NULL,
    kind                text NOT NULL,
    topic               text NOT NULL,
    partition           integer NOT NULL,
    "offset"            bigint NOT NULL,
    idx                 integer NOT NULL, -- which event of its record
    change              text,   -- what it did to its message: created, updated, status, deleted; NULL: nothing
    conversation_change text,
    message_id          uuid,
    conversation_id     uuid,
    also                uuid[], -- further messages that it changed (watermarks)
    stored_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, channel_id, event_key)
) PARTITION BY HASH (tenant_id);

-- Facts about a message that has not come yet, in the columns of the message that they will be merged
-- into; the row goes when the message comes. (Reactions and receipts need none: their rows name the
-- message by its external id.)
CREATE TABLE early_facts (
    tenant_id           uuid NOT NULL,
    channel_id          uuid NOT NULL,
    external_message_id text NOT NULL,
    conversation_id     uuid,
    status              text, -- highest so far: sent, failed, delivered, read
    error_code          text,
    error_message       text,
    edited_at           timestamptz,
    edit_key            text,
    edit_body           text,
    deleted_at          timestamptz,
    stored_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, channel_id, external_message_id)
) PARTITION BY HASH (tenant_id);

-- Changes of objects made by others than the router, to be published by it: see ARCHITECTURE.md.
CREATE TABLE outbox (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    object_kind text NOT NULL, -- message, conversation, channel, quarantine (replay it)
    object_id   uuid NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
) PARTITION BY HASH (tenant_id);
CREATE INDEX outbox_due ON outbox (created_at);

CREATE TABLE message_receipts (
    tenant_id           uuid NOT NULL,
    channel_id          uuid NOT NULL,
    external_message_id text NOT NULL,
    participant_id      text NOT NULL,
    status              text NOT NULL CHECK (status IN ('sent', 'failed', 'delivered', 'read', 'played')),
    at                  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, channel_id, external_message_id, participant_id)
) PARTITION BY HASH (tenant_id);

CREATE TABLE reactions (
    tenant_id           uuid NOT NULL,
    channel_id          uuid NOT NULL,
    external_message_id text NOT NULL,
    sender_id           text NOT NULL,
    id                  uuid NOT NULL,
    conversation_id     uuid,
    sender_name         text,
    emoji               text, -- NULL: taken away; the row stays, so that an older event cannot bring it back
    at                  timestamptz NOT NULL,
    event_key           text NOT NULL,
    rev                 bigint NOT NULL DEFAULT 1,
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, channel_id, external_message_id, sender_id)
) PARTITION BY HASH (tenant_id);

CREATE TABLE attachments (
    tenant_id    uuid NOT NULL,
    message_id   uuid NOT NULL,
    position     smallint NOT NULL,
    type         text NOT NULL,
    url          text,
    provider_ref text,
    mime         text,
    name         text,
    size_bytes   bigint,
    text         text,
    extra        jsonb,
    PRIMARY KEY (tenant_id, message_id, position)
) PARTITION BY HASH (tenant_id);

CREATE TABLE send_attempts (
    tenant_id           uuid NOT NULL,
    message_id          uuid NOT NULL,
    attempt             integer NOT NULL,
    channel_id          uuid NOT NULL,
    started_at          timestamptz NOT NULL DEFAULT now(),
    finished_at         timestamptz,
    outcome             text CHECK (outcome IN ('sent', 'retry', 'failed', 'uncertain')),
    http_status         integer,
    external_message_id text,
    error_code          text,
    error_message       text,
    retry_at            timestamptz,
    PRIMARY KEY (tenant_id, message_id, attempt)
) PARTITION BY HASH (tenant_id);

-- tenant_id is NULL when nobody knows whose it is, so this table is not partitioned.
CREATE TABLE quarantine (
    id          uuid PRIMARY KEY,
    tenant_id   uuid,
    provider    text NOT NULL,
    account     text,
    reason      text NOT NULL,
    detail      text NOT NULL DEFAULT '',
    topic       text NOT NULL, -- where it came from; http: a body that ingest could not understand,
    partition   integer NOT NULL, -- then partition and offset are those in the quarantine topic
    "offset"    bigint NOT NULL,
    key         bytea,
    body        bytea NOT NULL,
    headers     jsonb NOT NULL DEFAULT '{}',
    rev         bigint NOT NULL DEFAULT 1,
    received_at timestamptz NOT NULL,
    stored_at   timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz,
    dropped_at  timestamptz,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (topic, partition, "offset")
);
CREATE INDEX quarantine_tenant ON quarantine (tenant_id, received_at);
CREATE INDEX quarantine_account ON quarantine (provider, account) WHERE replayed_at IS NULL AND dropped_at IS NULL;

CREATE TABLE templates (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    channel_id  uuid, -- NULL: of all channels
    name        text NOT NULL,
    language    text,
    body        text NOT NULL,
    provider_id text,
    status      text NOT NULL DEFAULT 'active',
    settings    jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
) PARTITION BY HASH (tenant_id);

CREATE TABLE rules (
    tenant_id  uuid NOT NULL,
    id         uuid NOT NULL,
    name       text NOT NULL,
    position   integer NOT NULL DEFAULT 0,
    enabled    boolean NOT NULL DEFAULT true,
    condition  jsonb NOT NULL DEFAULT '{}',
    action     jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
) PARTITION BY HASH (tenant_id);

CREATE TABLE audit_log (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    actor       text NOT NULL,
    action      text NOT NULL,
    object_kind text,
    object_id   text,
    detail      jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
) PARTITION BY HASH (tenant_id);

CREATE TABLE webhook_health (
    tenant_id        uuid NOT NULL,
    channel_id       uuid NOT NULL,
    last_event_at    timestamptz,
    last_error_at    timestamptz,
    last_error       text,
    registered_at    timestamptz,
    provider_webhook text,
    status           text NOT NULL DEFAULT 'unknown',
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, channel_id)
) PARTITION BY HASH (tenant_id);

-- Sixteen partitions each; a table whose rows change while they are hot leaves room in its pages, so
-- that an update stays in its page and touches no index.
DO $$
DECLARE
    t       text;
    options text;
BEGIN
    FOR t IN SELECT relname FROM pg_class c
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'p' ORDER BY relname
    LOOP
        options := CASE WHEN t IN ('conversations', 'messages', 'reactions', 'message_receipts', 'early_facts')
                        THEN ' WITH (fillfactor = 85)' ELSE '' END;
        FOR i IN 0..15 LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 16, REMAINDER %s)%s',
                           t || '_p' || lpad(i::text, 2, '0'), t, i, options);
        END LOOP;
    END LOOP;
END
$$;

-- updated_at, where the statement did not set it itself.
DO $$
DECLARE
    t text;
BEGIN
    FOR t IN SELECT c.relname FROM pg_class c
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'updated_at'
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('p', 'r')
               AND NOT c.relispartition
    LOOP
        EXECUTE format('CREATE TRIGGER updated_at BEFORE UPDATE ON %I FOR EACH ROW
                        WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
                        EXECUTE FUNCTION set_updated_at()', t);
    END LOOP;
END
$$;

RESET ROLE;
