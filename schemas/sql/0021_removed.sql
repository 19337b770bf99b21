-- SPDX-License-Identifier: Apache-2.0
-- Users who were taken away: their access tokens are signed and not yet expired, and are refused by this.
-- That a user's row is missing says nothing, because another issuer's users have none.

SET LOCAL ROLE postrider_owner;

CREATE TABLE removed_users (
    tenant_id  uuid NOT NULL,
    user_id    uuid NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id)
);
ALTER TABLE removed_users ENABLE ROW LEVEL SECURITY;
ALTER TABLE removed_users FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON removed_users TO postrider_api
    USING (tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT ON removed_users TO postrider_api;

RESET ROLE;
