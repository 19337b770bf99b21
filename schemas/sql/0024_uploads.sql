-- SPDX-License-Identifier: Apache-2.0
-- A file is kept before there is its row in media, and the row may fail, or the process die between the two.
-- What is being kept is written down here before; a file that came to no row is then found and removed.

SET LOCAL ROLE postrider_owner;

CREATE TABLE uploads (
    tenant_id uuid NOT NULL,
    id        uuid NOT NULL, -- of the medium that it is to become
    began_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
) PARTITION BY HASH (tenant_id);
CREATE INDEX uploads_age ON uploads (began_at);

DO $$
BEGIN
    FOR i IN 0..15 LOOP
        EXECUTE format('CREATE TABLE uploads_p%s PARTITION OF uploads FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
                       lpad(i::text, 2, '0'), i);
        EXECUTE format('ALTER TABLE uploads_p%s ENABLE ROW LEVEL SECURITY', lpad(i::text, 2, '0'));
        EXECUTE format('ALTER TABLE uploads_p%s FORCE ROW LEVEL SECURITY', lpad(i::text, 2, '0'));
    END LOOP;
END
$$;
ALTER TABLE uploads ENABLE ROW LEVEL SECURITY;
ALTER TABLE uploads FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON uploads TO postrider_api
    USING (tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, DELETE ON uploads TO postrider_api;

-- Files of all tenants that came to nothing: begun an hour ago, and no row. They are given once more after
-- a while, until they are said to be gone. Whose upload has a row after all is forgotten.
CREATE FUNCTION uploads_stale(at_most integer) RETURNS TABLE (tenant_id uuid, id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM uploads u WHERE u.began_at < now() - interval '1 hour'
        AND EXISTS (SELECT FROM media m WHERE m.tenant_id = u.tenant_id AND m.id = u.id);
    RETURN QUERY
    UPDATE uploads u SET began_at = now() - interval '30 minutes'
    FROM (SELECT k.tenant_id, k.id FROM uploads k WHERE k.began_at < now() - interval '1 hour'
          ORDER BY k.began_at LIMIT at_most FOR UPDATE SKIP LOCKED) s
    WHERE u.tenant_id = s.tenant_id AND u.id = s.id RETURNING u.tenant_id, u.id;
END
$$;
REVOKE EXECUTE ON FUNCTION uploads_stale(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION uploads_stale(integer) TO postrider_api;

RESET ROLE;
