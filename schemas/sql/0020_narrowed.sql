-- SPDX-License-Identifier: Apache-2.0
-- Kept answers of the operator's own calls are of no tenant, and tenants' are none of its business: until now
-- its role could read, change and delete every tenant's.

SET LOCAL ROLE postrider_owner;

DROP POLICY operator ON idempotency_keys;
CREATE POLICY operator ON idempotency_keys TO postrider_operator
    USING (tenant_id = '00000000-0000-0000-0000-000000000000')
    WITH CHECK (tenant_id = '00000000-0000-0000-0000-000000000000');

RESET ROLE;
