-- SPDX-License-Identifier: Apache-2.0
-- The search of an inbox, with its plan kept: a function in SQL is planned anew at each call, for all
-- partitions, which takes longer than the search.

SET LOCAL ROLE postrider_owner;

CREATE OR REPLACE FUNCTION conversations_with(q text) RETURNS SETOF uuid LANGUAGE plpgsql STABLE SECURITY DEFINER
ROWS 50 SET search_path = public, pg_temp AS $$
DECLARE
    tenant  uuid := nullif(current_setting('postrider.tenant_id', true), '')::uuid;
    pattern text := '%' || replace(replace(replace(lower(q), '\', '\\'), '%', '\%'), '_', '\_') || '%';
BEGIN
    RETURN QUERY SELECT s.conversation_id FROM conversation_search s
                 WHERE s.tenant_id = tenant AND s.words LIKE pattern;
END
$$;

RESET ROLE;
