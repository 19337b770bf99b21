-- SPDX-License-Identifier: Apache-2.0
-- The roles. postrider_owner owns every table and has BYPASSRLS (migrations, operators' verbs); the
-- daemons' roles have neither, and see what 0003_access.sql gives them. Passwords are not set here:
-- an operator sets them (ALTER ROLE ... PASSWORD) or configures another way to log in.

DO $$
DECLARE
    r text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postrider_owner') THEN
        BEGIN
            CREATE ROLE postrider_owner LOGIN BYPASSRLS;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE EXCEPTION 'role "%" may not create the role postrider_owner', current_user
                USING ERRCODE = 'insufficient_privilege',
                      HINT = 'As a superuser run: CREATE ROLE postrider_owner LOGIN BYPASSRLS; then migrate again.';
        END;
    ELSIF NOT EXISTS (SELECT FROM pg_roles
                      WHERE rolname = 'postrider_owner' AND (rolbypassrls OR rolsuper)) THEN
        BEGIN
            ALTER ROLE postrider_owner BYPASSRLS;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE EXCEPTION 'the role postrider_owner lacks BYPASSRLS and "%" may not grant it', current_user
                USING ERRCODE = 'insufficient_privilege',
                      HINT = 'As a superuser run: ALTER ROLE postrider_owner BYPASSRLS; then migrate again.';
        END;
    END IF;

    FOREACH r IN ARRAY ARRAY['postrider_router', 'postrider_api', 'postrider_sender'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I LOGIN NOBYPASSRLS', r);
            EXCEPTION WHEN insufficient_privilege THEN
                RAISE EXCEPTION 'role "%" may not create the role %', current_user, r
                    USING ERRCODE = 'insufficient_privilege',
                          HINT = format('As a superuser run: CREATE ROLE %I LOGIN; then migrate again.', r);
            END;
        ELSIF EXISTS (SELECT FROM pg_roles WHERE rolname = r AND (rolbypassrls OR rolsuper)) THEN
            RAISE EXCEPTION 'the role % could bypass row level security', r
                USING HINT = format('As a superuser run: ALTER ROLE %I NOSUPERUSER NOBYPASSRLS; then migrate again.', r);
        END IF;
    END LOOP;
END
$$;

DO $$
DECLARE
    r text;
BEGIN
    IF current_user <> 'postrider_owner' THEN
        EXECUTE 'GRANT CREATE, USAGE ON SCHEMA public TO postrider_owner';
        IF NOT pg_has_role(current_user, 'postrider_owner', 'MEMBER') THEN
            EXECUTE format('GRANT postrider_owner TO %I', current_user);
        END IF;
    ELSIF NOT has_schema_privilege('public', 'CREATE') THEN
        RAISE EXCEPTION 'postrider_owner may not create tables in the schema public'
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'As a superuser run in this database: GRANT CREATE, USAGE ON SCHEMA public TO postrider_owner; then migrate again.';
    END IF;
    FOREACH r IN ARRAY ARRAY['postrider_router', 'postrider_api', 'postrider_sender'] LOOP
        IF NOT has_schema_privilege(r, 'public', 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', r);
        END IF;
    END LOOP;
END
$$;
