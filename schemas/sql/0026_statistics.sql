-- SPDX-License-Identifier: Apache-2.0
-- Statistics for what grows fast. Autovacuum looks once a minute, and until then a table that was empty
-- when it was analyzed last seems empty: any index of it is as good as its key to the planner. The first
-- 10,000 messages of a tenant's bulk are written in that minute.

SET LOCAL ROLE postrider_owner;

-- Analyzes the smallest table that has more than twice the rows of its statistics; NULL: there is none.
-- One a call, because plans change when it commits. One that somebody analyzes or vacuums is left to them.
CREATE FUNCTION analyze_grown() RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    t regclass;
BEGIN
    FOR t IN SELECT c.oid FROM pg_class c
             WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
               AND pg_get_userbyid(c.relowner) = current_user
               AND pg_stat_get_live_tuples(c.oid) > 500 + 2 * greatest(c.reltuples, 0)
             ORDER BY pg_stat_get_live_tuples(c.oid) LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_locks l WHERE l.relation = t AND l.mode = 'ShareUpdateExclusiveLock'
                              AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()));
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', t);
        RETURN t::text;
    END LOOP;
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION analyze_grown() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION analyze_grown() TO postrider_sender;

RESET ROLE;
