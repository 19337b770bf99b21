-- SPDX-License-Identifier: Apache-2.0
-- What an account belongs to: WhatsApp's webhooks about a business account name it, and none of the phone
-- numbers that are its channels. The router learns it from the signed webhooks of a number itself; what a
-- tenant says of it would open another's reports to him.

SET LOCAL ROLE postrider_owner;

ALTER TABLE channels_account ADD COLUMN parent_external_id text CHECK (parent_external_id <> '');
CREATE INDEX channels_account_parent ON channels_account (provider, parent_external_id)
    WHERE parent_external_id IS NOT NULL;

GRANT SELECT (parent_external_id), UPDATE (parent_external_id) ON channels_account TO postrider_router;

-- What waits for the parent is replayed, as with an account that is connected.
CREATE FUNCTION replay_parent() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM account_lock(NEW.provider, NEW.parent_external_id);
    INSERT INTO outbox (tenant_id, id, object_kind, object_id)
    SELECT NEW.tenant_id, gen_random_uuid(), 'quarantine', q.id FROM quarantine q
    WHERE q.provider = NEW.provider AND q.account = NEW.parent_external_id AND q.reason = 'unknown_account'
      AND q.replayed_at IS NULL AND q.dropped_at IS NULL AND (q.tenant_id IS NULL OR q.tenant_id = NEW.tenant_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER replay_parent AFTER UPDATE OF parent_external_id ON channels_account FOR EACH ROW
    WHEN (NEW.parent_external_id IS NOT NULL AND NEW.parent_external_id IS DISTINCT FROM OLD.parent_external_id)
    EXECUTE FUNCTION replay_parent();

RESET ROLE;
