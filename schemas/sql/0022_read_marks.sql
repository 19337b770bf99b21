-- SPDX-License-Identifier: Apache-2.0
-- What our side has read is told to the provider: one row for each conversation of which it is to be told.
-- Never a message: nobody is shown it, and nothing waits for it.

SET LOCAL ROLE postrider_owner;

CREATE TABLE read_marks (
    tenant_id       uuid NOT NULL,
    conversation_id uuid NOT NULL,
    channel_id      uuid NOT NULL,
    target          text NOT NULL, -- the provider's id of the latest message that was read
    due_at          timestamptz NOT NULL DEFAULT now(), -- not before; while it is being told: until then
    tries           integer NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, conversation_id)
) PARTITION BY HASH (tenant_id);
CREATE INDEX read_marks_due ON read_marks (due_at);

DO $$
BEGIN
    FOR i IN 0..15 LOOP
        EXECUTE format('CREATE TABLE read_marks_p%s PARTITION OF read_marks FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
                       lpad(i::text, 2, '0'), i);
        EXECUTE format('ALTER TABLE read_marks_p%s ENABLE ROW LEVEL SECURITY', lpad(i::text, 2, '0'));
        EXECUTE format('ALTER TABLE read_marks_p%s FORCE ROW LEVEL SECURITY', lpad(i::text, 2, '0'));
    END LOOP;
END
$$;
ALTER TABLE read_marks ENABLE ROW LEVEL SECURITY;
ALTER TABLE read_marks FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON read_marks TO postrider_api
    USING (tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid);
CREATE POLICY sender ON read_marks TO postrider_sender USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON read_marks TO postrider_api;
GRANT SELECT, UPDATE, DELETE ON read_marks TO postrider_sender;

RESET ROLE;
