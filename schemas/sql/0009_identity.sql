-- SPDX-License-Identifier: Apache-2.0
-- People's logins, and requests that are done once.

SET LOCAL ROLE postrider_owner;

-- An e-mail address belongs to one user of one tenant: who logs in names no tenant. No policy lets anyone
-- read it; the functions below are the only way.
CREATE TABLE logins (
    email      text PRIMARY KEY CHECK (email = lower(email)),
    tenant_id  uuid NOT NULL,
    user_id    uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, user_id)
);
ALTER TABLE logins ENABLE ROW LEVEL SECURITY;
ALTER TABLE logins FORCE ROW LEVEL SECURITY;
INSERT INTO logins (email, tenant_id, user_id)
    SELECT lower(email), tenant_id, id FROM users ORDER BY created_at ON CONFLICT DO NOTHING;

-- An invitation is a token that is shown once; like refresh tokens only its hash is kept.
ALTER TABLE user_credentials DROP CONSTRAINT user_credentials_kind_check;
ALTER TABLE user_credentials ADD CONSTRAINT user_credentials_kind_check
    CHECK (kind IN ('password', 'refresh_token', 'invitation'));
CREATE INDEX user_credentials_family ON user_credentials (tenant_id, family) WHERE family IS NOT NULL;

CREATE FUNCTION current_tenant() RETURNS uuid LANGUAGE sql STABLE AS
$$ SELECT nullif(current_setting('postrider.tenant_id', true), '')::uuid $$;

-- What a login needs, before it is known whose it is.
CREATE FUNCTION login_find(address text)
RETURNS TABLE (tenant_id uuid, user_id uuid, role text, user_status text, tenant_status text, secret text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT u.tenant_id, u.id, u.role, u.status, t.status, c.secret
    FROM logins l
    JOIN users u ON u.tenant_id = l.tenant_id AND u.id = l.user_id
    JOIN tenants t ON t.id = l.tenant_id
    LEFT JOIN user_credentials c ON c.tenant_id = l.tenant_id AND c.user_id = l.user_id AND c.kind = 'password'
    WHERE l.email = lower(address)
$$;

-- A new tenant with its first user. unique_violation of logins_pkey: the address is taken.
CREATE FUNCTION login_register(new_tenant uuid, tenant_name text, new_user uuid, address text, person text,
                               new_secret text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    INSERT INTO logins (email, tenant_id, user_id) VALUES (lower(address), new_tenant, new_user);
    INSERT INTO tenants (id, name) VALUES (new_tenant, tenant_name);
    INSERT INTO users (tenant_id, id, email, role, last_login_at)
        VALUES (new_tenant, new_user, address, 'owner', now());
    INSERT INTO user_profiles (tenant_id, user_id, display_name) VALUES (new_tenant, new_user, person);
    INSERT INTO user_credentials (tenant_id, id, user_id, kind, secret)
        VALUES (new_tenant, gen_random_uuid(), new_user, 'password', new_secret);
END
$$;

-- The address of a user of the tenant that is set. unique_violation of logins_pkey: it is taken.
CREATE FUNCTION login_claim(address text, claimed_by uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM users WHERE tenant_id = current_tenant() AND id = claimed_by
                                       AND lower(email) = lower(address)) THEN
        RAISE EXCEPTION 'no such user in this tenant' USING ERRCODE = 'no_data_found';
    END IF;
    INSERT INTO logins (email, tenant_id, user_id) VALUES (lower(address), current_tenant(), claimed_by);
END
$$;

CREATE FUNCTION login_release(released uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS
$$ DELETE FROM logins WHERE tenant_id = current_tenant() AND user_id = released $$;

-- Requests with an Idempotency-Key: the key's hash, what was asked, and the answer, encrypted.
CREATE TABLE idempotency_keys (
    tenant_id   uuid NOT NULL,
    user_id     uuid NOT NULL,
    key         bytea NOT NULL,
    operation   text NOT NULL,
    fingerprint bytea NOT NULL,
    status      smallint,
    answer      bytea,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id, key)
) PARTITION BY HASH (tenant_id);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

DO $$
DECLARE
    p text;
BEGIN
    FOR i IN 0..15 LOOP
        p := 'idempotency_keys_p' || lpad(i::text, 2, '0');
        EXECUTE format('CREATE TABLE %I PARTITION OF idempotency_keys FOR VALUES WITH (MODULUS 16, REMAINDER %s)', p, i);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', p);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', p);
    END LOOP;
END
$$;
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON idempotency_keys TO postrider_api
    USING (tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO postrider_api;

-- What has had its time, of all tenants: at most so many rows at once. How many went.
CREATE FUNCTION api_sweep(at_most integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    n integer;
    m integer;
BEGIN
    DELETE FROM idempotency_keys WHERE (tenant_id, user_id, key) IN
        (SELECT tenant_id, user_id, key FROM idempotency_keys
         WHERE created_at < now() - interval '24 hours' ORDER BY created_at LIMIT at_most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS n = ROW_COUNT;
    DELETE FROM user_credentials WHERE (tenant_id, id) IN
        (SELECT tenant_id, id FROM user_credentials
         WHERE expires_at < now() - interval '1 day' LIMIT at_most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS m = ROW_COUNT;
    RETURN n + m;
END
$$;

REVOKE ALL ON FUNCTION login_find(text), login_register(uuid, text, uuid, text, text, text),
    login_claim(text, uuid), login_release(uuid), api_sweep(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION login_find(text), login_register(uuid, text, uuid, text, text, text),
    login_claim(text, uuid), login_release(uuid), api_sweep(integer) TO postrider_api;

RESET ROLE;
