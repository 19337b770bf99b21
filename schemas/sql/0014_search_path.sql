-- SPDX-License-Identifier: Apache-2.0
-- A function that runs by its owner's right finds a caller's temporary table before ours of the same name,
-- unless its search path says that those come last.

SET LOCAL ROLE postrider_owner;

DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT oid FROM pg_proc
             WHERE pronamespace = 'public'::regnamespace AND prosecdef AND proowner = 'postrider_owner'::regrole
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = public, pg_temp', f);
    END LOOP;
END
$$;

RESET ROLE;
