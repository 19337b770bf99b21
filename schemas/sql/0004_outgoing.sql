-- SPDX-License-Identifier: Apache-2.0
-- What is to be sent, beside what is shown. A plain text needs none of it: body, reply_to and the
-- conversation say all.

SET LOCAL ROLE postrider_owner;

ALTER TABLE messages
    -- The api's body as it was accepted: {kind, text, media: [{type, media_id | url, name, mime}],
    -- choices: [{title, payload, url, description}], choices_title, template: {name, language,
    -- components}, location: {latitude, longitude, name, address}, emoji, target_id, to_person, tag,
    -- human_agent}. NULL: plain text to the conversation.
    ADD COLUMN outgoing jsonb,
    ADD COLUMN bulk_id  uuid, -- of the bulk it belongs to: it waits behind replies; NULL: a reply
    -- Set while the sending of it may not go on: by a bulk's pause, by a channel whose credentials fail.
    ADD COLUMN held     boolean NOT NULL DEFAULT false;

-- Files that people upload to send. The bytes are in the storage, under their id.
CREATE TABLE media (
    tenant_id  uuid NOT NULL,
    id         uuid NOT NULL,
    name       text NOT NULL,
    mime       text NOT NULL,
    size_bytes bigint NOT NULL,
    sha256     bytea NOT NULL,
    created_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
) PARTITION BY HASH (tenant_id);

DO $$
BEGIN
    FOR i IN 0..15 LOOP
        EXECUTE format('CREATE TABLE media_p%s PARTITION OF media FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
                       lpad(i::text, 2, '0'), i);
        EXECUTE format('ALTER TABLE media_p%s ENABLE ROW LEVEL SECURITY', lpad(i::text, 2, '0'));
        EXECUTE format('ALTER TABLE media_p%s FORCE ROW LEVEL SECURITY', lpad(i::text, 2, '0'));
    END LOOP;
END
$$;
ALTER TABLE media ENABLE ROW LEVEL SECURITY;
ALTER TABLE media FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON media TO postrider_api
    USING (tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid);
CREATE POLICY sender ON media TO postrider_sender USING (true);
GRANT SELECT, INSERT, DELETE ON media TO postrider_api;
GRANT SELECT ON media TO postrider_sender;

RESET ROLE;
