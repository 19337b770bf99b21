# SPDX-License-Identifier: Apache-2.0
"""The database's schema, who may see what in it, and the verbs with which the operator works on it."""
import base64
import hashlib
import hmac
import json
import re
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from support.ports import free_port
from support.stack import program
from support.wait import wait_until
from support.webhooks import derived_secret

# One account belongs to one tenant, and a quarantined record may be nobody's: only these are unique over all tenants.
GLOBAL_KEYS = {
    "logins": {("email",), ("tenant_id", "user_id")},
    "channels_account": {("id",), ("provider", "external_account_id")},
    "quarantine": {("id",), ("topic", "partition", "offset")},
}
# Functions that run by the right of their owner, each with a reason where it is made.
DEFINERS = {"conversations_with", "login_find", "login_register", "login_claim", "login_release", "api_sweep", "replay_parent",
            "debug_message", "debug_channel", "consistency_findings_of_all", "uploads_stale", "analyze_grown"}  # fmt: skip
# What belongs to no tenant: the pace of sending, by the account at the provider.
NOBODYS = {"send_pace"}
# What the router has no business with.
NOT_THE_ROUTERS = ["users", "user_credentials", "user_profiles", "audit_log", "rules", "templates"]


@pytest.fixture(scope="module")
def stack(shared_stack):
    return shared_stack


@pytest.fixture
def fresh(stack):
    """An empty database; migrate(words) in it."""
    name = f"{stack.name}_{uuid.uuid4().hex[:8]}"
    stack.postgres.create_database(name)
    return Database(stack, name)


class Database:
    def __init__(self, stack, name):
        self._stack, self.name = stack, name

    def env(self, role="postrider_owner"):
        return {"POSTRIDER_DATABASE_URL": self._stack.postgres.url(role, self.name)}

    def run(self, *words, role="postrider_owner", **options):
        return self._stack.run(*words, env=self.env(role), **options)

    def migrate(self, *words, **options):
        return self.run("migrate", *words, **options)

    def connect(self, role="postrider_owner"):
        return self._stack.postgres.connect(role, self.name)

    def query(self, statement, *values):
        with self.connect() as db:
            return db.execute(statement, values).fetchall()

    def tables(self):
        return [r[0] for r in self.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]


# --- migrations -----------------------------------------------------------------------------------------


def test_migrate_from_nothing_and_again_and_a_dry_run_changes_nothing(fresh):
    planned = json.loads(fresh.migrate("--dry-run", "--json").stdout)
    assert planned["dry_run"] is True and planned["already_applied"] == 0
    assert planned["would_apply"] == sorted(planned["would_apply"]) != []
    assert fresh.tables() == []
    applied = json.loads(fresh.migrate("--json").stdout)
    assert applied == {"dry_run": False, "already_applied": 0, "applied": planned["would_apply"]}
    assert [r[0] for r in fresh.query("SELECT name FROM schema_migrations ORDER BY name")] == applied["applied"]
    before = fresh.query("SELECT * FROM schema_migrations")
    n = len(applied["applied"])
    assert fresh.migrate().stdout == f"nothing to do: all {n} migrations are applied\n"
    assert json.loads(fresh.migrate("--json").stdout) == {"dry_run": False, "already_applied": n, "applied": []}
    assert fresh.query("SELECT * FROM schema_migrations") == before


def test_everything_belongs_to_the_owner_whoever_migrates(fresh):
    assert "applied" in fresh.migrate(role="postgres").stdout
    owners = fresh.query(
        "SELECT relname, pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p', 'v', 'S')")  # fmt: skip
    assert owners and {owner for _, owner in owners} == {"postrider_owner"}
    assert "nothing to do" in fresh.migrate().stdout


def test_two_migrations_at_once_do_the_work_once(stack, fresh):
    command, env = [program(), "migrate", "--json"], {**stack.verb_env(), **fresh.env()}
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'postrider'"
    with fresh.connect() as holder, stack.postgres.connect() as observer:
        # A table of that name on its way makes the first wait in the middle of its work.
        holder.execute("BEGIN")
        holder.execute("CREATE TABLE schema_migrations (name text)")
        both = [
            subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        wait_until(lambda: observer.execute(waiting, (fresh.name,)).fetchone()[0] == 2, 30, "both are at work")
        wait_until(
            lambda: observer.execute(waiting + " AND wait_event_type = 'Lock'", (fresh.name,)).fetchone()[0] == 1,
            30, "one of them is in the middle of it")  # fmt: skip
        holder.execute("ROLLBACK")
    outputs = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    done = sorted((json.loads(out) for out, _ in outputs), key=lambda d: len(d["applied"]))
    assert done[0]["applied"] == [] and done[0]["already_applied"] == len(done[1]["applied"]) > 0
    assert "nothing to do" in fresh.migrate().stdout


def test_a_migration_whose_text_was_changed_is_refused_and_named(fresh):
    fresh.migrate()
    with fresh.connect() as db:
        db.execute("UPDATE schema_migrations SET checksum = 'changed' WHERE name LIKE '0002%'")
    refused = fresh.migrate(check=False)
    assert refused.returncode == 1
    assert "0002_core" in refused.stderr and "differs from the one that was applied" in refused.stderr
    assert "write a new migration" in refused.stderr
    doctor = fresh.run("doctor", check=False)
    assert doctor.returncode == 1 and "differs from the one that was applied" in doctor.stdout


def test_a_database_that_is_newer_or_lacks_a_migration_is_refused(fresh):
    fresh.migrate()
    with fresh.connect() as db:
        db.execute("INSERT INTO schema_migrations VALUES ('9999_tomorrow', 'x')")
        newer = fresh.migrate(check=False)
        assert newer.returncode == 1 and "9999_tomorrow" in newer.stderr and "newer" in newer.stderr
        db.execute("DELETE FROM schema_migrations WHERE name = '9999_tomorrow' OR name LIKE '0002%'")
    gap = fresh.migrate(check=False)
    assert gap.returncode == 1 and "0002_core" in gap.stderr and "missing" in gap.stderr


def test_a_migration_that_fails_is_taken_back_whole_and_goes_on_when_its_cause_is_gone(fresh):
    with fresh.connect() as db:
        db.execute("CREATE TABLE audit_log (in_the_way text)")  # near the end of 0002
        failed = fresh.migrate(check=False)
        assert failed.returncode == 1 and "0002_core" in failed.stderr and "audit_log" in failed.stderr
        assert fresh.tables() == ["audit_log", "schema_migrations"]
        db.execute("DROP TABLE audit_log")
    assert "applied" in fresh.migrate().stdout
    assert "nothing to do" in fresh.migrate().stdout


def test_a_verb_on_an_empty_database_says_what_to_run(fresh):
    done = fresh.run("tenant", "list", check=False)
    assert done.returncode == 1 and "postrider migrate" in done.stderr


# --- row level security: catalogs -----------------------------------------------------------------------


def tenant_tables(stack):
    """Tables that belong to tenants, without their partitions: name -> its column of the tenant."""
    rows = stack.query(
        "SELECT c.relname, (SELECT attname FROM pg_attribute a WHERE a.attrelid = c.oid AND attname = 'tenant_id')"
        " FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
        " AND NOT c.relispartition AND c.relname <> 'schema_migrations' ORDER BY 1")  # fmt: skip
    found = {name: column or "id" for name, column in rows if name not in NOBODYS}
    assert [name for name, column in found.items() if column == "id"] == ["tenants"], "a table that is no tenant's"
    assert len(found) > 15
    return found


def test_row_level_security_is_enabled_and_forced_on_every_table_and_partition(stack):
    rows = stack.query(
        "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') AND relname <> 'schema_migrations'")  # fmt: skip
    assert set(tenant_tables(stack)) <= {name for name, _, _ in rows}
    assert [name for name, enabled, forced in rows if not (enabled and forced)] == []


def test_every_unique_key_leads_with_tenant_id(stack):
    keys = stack.query(
        "SELECT c.relname, i.indexrelid::regclass::text, array_agg(a.attname::text ORDER BY k.n)"
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
        " CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, n)"
        " LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum"
        " WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition GROUP BY 1, 2")  # fmt: skip
    tables = tenant_tables(stack)
    keyed = {table for table, _, _ in keys}
    assert set(tables) <= keyed, "a table without a key"
    for table, index, columns in keys:
        if table in GLOBAL_KEYS:
            assert tuple(columns) in GLOBAL_KEYS[table], index
        elif table != "schema_migrations" and table not in NOBODYS:
            assert columns[0] == tables[table], index


def test_no_view_and_no_function_goes_around_row_level_security(stack):
    assert stack.query(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'v'"
        " AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)") == []
    assert stack.query("SELECT matviewname FROM pg_matviews WHERE schemaname = 'public'") == []
    definers = stack.query(
        "SELECT proname::text, coalesce(proconfig::text, '') FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace AND prosecdef")  # fmt: skip
    assert {name for name, _ in definers} <= DEFINERS
    assert all("search_path=public, pg_temp" in config for _, config in definers)


def test_the_search_by_the_owners_right_sees_the_chosen_tenant_alone(stack):
    a, b = stack.tenant("a").id, stack.tenant("b").id
    rows = {tenant: str(uuid.uuid4()) for tenant in (a, b)}
    with stack.postgres.connect("postrider_owner", stack.database) as db:
        for tenant, row in rows.items():
            db.execute(
                "INSERT INTO conversations (tenant_id, id, channel_id, provider, platform, external_id, contact_name)"
                " VALUES (%s, %s, %s, 'x', 'x', 'e', 'Greta 100%% Garbo')", (tenant, row, uuid.uuid4()))  # fmt: skip
    find = "SELECT conversations_with(%s)::text"
    with api(stack) as db:
        assert db.execute(find, ("garbo",)).fetchall() == []
        for tenant, row in rows.items():
            with db.transaction():
                set_tenant(db, tenant)
                for q in ("garbo", "GRETA", "100%", "a 1"):
                    assert db.execute(find, (q,)).fetchall() == [(row,)], q
                for q in ("100_", "%garbo%", "greta_100"):
                    assert db.execute(find, (q,)).fetchall() == [], q
    with stack.postgres.connect("postrider_router", stack.database) as db:
        with pytest.raises(InsufficientPrivilege):
            db.execute(find, ("garbo",))
        db.execute("UPDATE conversations SET contact_name = 'Ingrid' WHERE id = %s", (rows[a],))
    assert stack.scalar("SELECT words FROM conversation_search WHERE conversation_id = %s", rows[a]) == "ingrid"


def test_the_daemons_roles_are_plain_and_belong_to_no_other(stack):
    rows = stack.query(
        "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,"
        " (SELECT count(*) FROM pg_auth_members m WHERE m.member = r.oid) FROM pg_roles r"
        " WHERE rolname IN ('postrider_api', 'postrider_router', 'postrider_sender', 'postrider_operator')")  # fmt: skip
    assert len(rows) == 4
    for name, *powers, memberships in rows:
        assert not any(powers) and memberships == 0, name


# What each daemon's role may do with each table: Select, Insert, Update, Delete; a small letter: some columns only.
# A table or a right that is new is written here by who has thought about it.
RIGHTS = """
    table                  api    router sender operator
    attachments            DISU   DISU   IS     -
    audit_log              IS     -      -      IS
    bulk_recipients        IS     -      DS     -
    bulks                  ISU    -      SU     -
    channels_account       ISU    su     Su     s
    conversation_search    DISU   DISU   ISU    -
    conversations          ISU    DISU   ISU    -
    early_facts            S      DISU   -      -
    events                 S      IS     -      -
    idempotency_keys       DISU   -      -      DISU
    logins                 -      -      -      -
    media                  DIS    -      S      -
    message_receipts       S      ISU    -      -
    messages               ISU    DISU   ISU    -
    notes                  DIS    SU     -      -
    outbox                 IS     IS     DISU   -
    quarantine             SU     ISU    SU     s
    read_marks             ISU    -      DSU    -
    reactions              S      ISU    -      -
    removed_users          IS     -      -      -
    rules                  DISU   -      -      -
    schema_migrations      -      -      -      -
    send_attempts          S      S      ISU    -
    send_pace              -      -      DISU   -
    templates              DISU   -      S      -
    tenant_credentials     DISU   -      -      -
    tenants                Su     S      S      ISu
    uploads                DIS    -      -      -
    user_connections       S      -      -      -
    user_credentials       DISU   -      -      -
    user_profiles          DISU   -      -      -
    users                  DISU   -      -      -
    webhook_health         S      -      ISU    -
"""


def test_each_role_has_the_rights_that_it_was_given_and_no_other(stack):
    head, *rows = [line.split() for line in RIGHTS.strip().splitlines()]
    want = {(role, row[0]): row[i].replace("-", "") for row in rows for i, role in enumerate(head) if i}
    letters = stack.query(
        "SELECT replace(r.rolname, 'postrider_', ''), c.relname, string_agg("
        " CASE WHEN has_table_privilege(r.oid, c.oid, p) THEN left(p, 1)"
        "      WHEN p <> 'DELETE' AND has_any_column_privilege(r.oid, c.oid, p) THEN lower(left(p, 1)) ELSE '' END, ''"
        " ORDER BY p) FROM pg_roles r, pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p"
        " WHERE r.rolname LIKE 'postrider\\_%%' AND r.rolname <> 'postrider_owner' AND c.relnamespace = 'public'::regnamespace"
        " AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition GROUP BY 1, 2")  # fmt: skip
    assert {(role, table): rights for role, table, rights in letters} == want
    partitions = stack.query(
        "SELECT r.rolname, c.relname FROM pg_roles r, pg_class c WHERE r.rolname LIKE 'postrider\\_%%'"
        " AND r.rolname <> 'postrider_owner' AND c.relispartition AND c.relkind = 'r'"
        " AND (has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE') OR has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE'))")
    assert partitions == []


@pytest.mark.parametrize("table", NOT_THE_ROUTERS)
def test_the_router_has_no_grant_on_what_is_none_of_its_business(stack, table):
    assert stack.scalar("SELECT to_regclass(%s) IS NOT NULL", table)
    for name in [table, *(r[0] for r in stack.query(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", table))]:
        for privilege in ("SELECT", "INSERT", "UPDATE", "REFERENCES"):
            assert not stack.scalar("SELECT has_any_column_privilege('postrider_router', %s, %s)", name, privilege), name
        for privilege in ("DELETE", "TRUNCATE", "TRIGGER"):
            assert not stack.scalar("SELECT has_table_privilege('postrider_router', %s, %s)", name, privilege), name
    with stack.postgres.connect("postrider_router", stack.database) as db:
        with pytest.raises(InsufficientPrivilege):
            db.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))


# --- row level security: at work ------------------------------------------------------------------------

# Columns whose value a check constrains.
CHECKED = {"direction": "in", ("messages", "status"): "received", ("message_receipts", "status"): "read",
           ("user_credentials", "kind"): "password"}  # fmt: skip
BY_TYPE = {
    "uuid": uuid.uuid4, "text": lambda: uuid.uuid4().hex, "timestamp with time zone": lambda: "2026-01-01T00:00:00Z",
    "integer": lambda: 1, "smallint": lambda: 1, "bigint": lambda: uuid.uuid4().int >> 66, "jsonb": lambda: "{}",
    "bytea": lambda: b"x", "boolean": lambda: False,
}  # fmt: skip


def row_for(stack, table, column, tenant_id):
    """The least row of a table that its constraints let in."""
    columns = stack.query(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s"
        " AND is_nullable = 'NO' AND column_default IS NULL AND is_generated = 'NEVER'", table)  # fmt: skip
    row = {name: CHECKED.get((table, name), CHECKED.get(name)) or BY_TYPE[kind]() for name, kind in columns}
    return {**row, column: tenant_id}


def insert(db, table, row):
    db.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join([sql.Placeholder()] * len(row))),
        list(row.values()))  # fmt: skip


@pytest.fixture(scope="module")
def populated(stack):
    """Two tenants with one row in every table, and a row of a third that is nobody's: (tables, A, B)."""
    tables = tenant_tables(stack)
    a, b = stack.tenant("a").id, stack.tenant("b").id
    with stack.postgres.connect("postrider_owner", stack.database) as db:
        for table, column in tables.items():
            for tenant_id in (a, b):
                if table != "tenants":
                    insert(db, table, row_for(stack, table, column, tenant_id))
        insert(db, "quarantine", row_for(stack, "quarantine", "tenant_id", None))
    return tables, a, b


def api(stack):
    return stack.postgres.connect("postrider_api", stack.database)


def may(stack, table, privilege):
    return stack.scalar("SELECT has_table_privilege('postrider_api', %s, %s)", table, privilege)


def set_tenant(db, tenant_id):
    db.execute("SELECT set_config('postrider.tenant_id', %s, true)", (tenant_id,))


def seen(db, table, column):
    return [str(r[0]) for r in db.execute(sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.Identifier(table)))]


def refused(db, statement, values=None):
    """The message of the refusal, for want of a right; the transaction goes on."""
    with pytest.raises(InsufficientPrivilege) as info, db.transaction():
        db.execute(statement, values)
    return str(info.value)


def refused_insert(db, table, row):
    with pytest.raises(InsufficientPrivilege) as info, db.transaction():
        insert(db, table, row)
    return str(info.value)


def test_the_api_without_a_tenant_sees_nothing_and_inserts_nothing(stack, populated):
    tables, a, _ = populated
    for chosen in (None, ""):
        with api(stack) as db, db.transaction():
            if chosen is not None:
                set_tenant(db, chosen)
            for table, column in tables.items():
                if may(stack, table, "SELECT"):
                    assert seen(db, table, column) == [], table
                else:
                    refused(db, sql.SQL("SELECT 1 FROM {}").format(sql.Identifier(table)))
                why = refused_insert(db, table, row_for(stack, table, column, a))
                assert ("row-level security" in why) == may(stack, table, "INSERT"), (table, why)


def test_the_api_with_a_tenant_sees_its_rows_alone(stack, populated):
    tables, a, _ = populated
    n = 0
    with api(stack) as db, db.transaction():
        set_tenant(db, a)
        for table, column in tables.items():
            if may(stack, table, "SELECT"):
                assert seen(db, table, column) == [a], table
                n += 1
    assert n > 12
    with api(stack) as db:
        with db.transaction():
            set_tenant(db, a)
            assert seen(db, "tenants", "id") == [a]
        assert seen(db, "tenants", "id") == [], "the choice outlived its transaction"
        with pytest.raises(psycopg.errors.InvalidTextRepresentation), db.transaction():
            set_tenant(db, "rubbish")
            seen(db, "tenants", "id")


def test_the_api_with_a_tenant_inserts_its_own_rows_and_none_of_anothers(stack, populated):
    tables, a, b = populated
    n = 0
    with api(stack) as db, db.transaction(force_rollback=True):
        set_tenant(db, a)
        for table, column in tables.items():
            if may(stack, table, "INSERT"):
                assert "row-level security" in refused_insert(db, table, row_for(stack, table, column, b)), table
                insert(db, table, row_for(stack, table, column, a))
                assert seen(db, table, column) == [a, a], table
                n += 1
    assert n > 8


def test_the_api_with_a_tenant_changes_none_of_anothers_rows_and_gives_none_away(stack, populated):
    tables, a, b = populated
    updated = deleted = 0
    with api(stack) as db, db.transaction(force_rollback=True):
        set_tenant(db, a)
        for table, column in tables.items():
            names = {"t": sql.Identifier(table), "c": sql.Identifier(column)}
            if may(stack, table, "UPDATE"):
                touch = sql.SQL("UPDATE {t} SET {c} = {c}").format(**names)
                assert db.execute(touch + sql.SQL(" WHERE {c} = %s").format(**names), (b,)).rowcount == 0, table
                assert db.execute(touch).rowcount == 1, table
                why = refused(db, sql.SQL("UPDATE {t} SET {c} = %s").format(**names), (b,))
                assert "row-level security" in why, table
                updated += 1
            if may(stack, table, "DELETE"):
                assert db.execute(sql.SQL("DELETE FROM {t} WHERE {c} = %s").format(**names), (b,)).rowcount == 0, table
                assert db.execute(sql.SQL("DELETE FROM {t}").format(**names)).rowcount == 1, table
                deleted += 1
            assert not may(stack, table, "TRUNCATE"), table
    assert updated > 5 and deleted > 3
    assert stack.scalar("SELECT count(*) FROM users WHERE tenant_id IN (%s, %s)", a, b) == 2


def test_the_api_cannot_read_a_partition_around_its_table(stack, populated):
    partitions = [r[0] for r in stack.query(
        "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND relnamespace = 'public'::regnamespace")]
    assert len(partitions) > 100
    with api(stack) as db, db.transaction():
        set_tenant(db, populated[1])
        for name in partitions:
            refused(db, sql.SQL("SELECT 1 FROM {}").format(sql.Identifier(name)))


@pytest.mark.parametrize("statement", [
    "SET ROLE postrider_owner",
    "SET ROLE postrider_router",
    "SET SESSION AUTHORIZATION postrider_owner",
    "ALTER ROLE postrider_api BYPASSRLS",
    "GRANT postrider_owner TO postrider_api",
    "ALTER TABLE messages DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE messages NO FORCE ROW LEVEL SECURITY",
    "CREATE POLICY mine ON messages TO postrider_api USING (true)",
    "DROP POLICY tenant ON messages",
    "CREATE TABLE public.mine (x int)",
    "SELECT 1 FROM schema_migrations",
    "SET LOCAL row_security = off; SELECT 1 FROM messages",
])  # fmt: skip
def test_the_api_cannot_step_over_row_level_security(stack, statement):
    with api(stack) as db, db.transaction(force_rollback=True):
        refused(db, statement)


@pytest.mark.parametrize("role", ["router", "sender", "operator"])
def test_what_a_role_may_read_it_reads_of_all_tenants(stack, populated, role):
    """And what it may not is refused, not merely empty."""
    tables, a, b = populated
    n = 0
    with stack.postgres.connect(f"postrider_{role}", stack.database) as db, db.transaction():
        for table, column in tables.items():
            if stack.scalar("SELECT has_column_privilege(%s, %s, %s, 'SELECT')", f"postrider_{role}", table, column):
                if (role, table) == ("operator", "idempotency_keys"):
                    assert seen(db, table, column) == []  # its own are of no tenant
                else:
                    assert {a, b} <= set(seen(db, table, column)), table
                n += 1
            else:
                refused(db, sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.Identifier(table)))
        for statement in ("SET ROLE postrider_owner", "SET ROLE postrider_api", "ALTER TABLE messages DISABLE ROW LEVEL SECURITY"):
            refused(db, statement)
    assert n >= 4


@pytest.mark.parametrize("statement", [
    "SELECT body FROM messages", "SELECT contact_name FROM conversations", "SELECT email FROM users",
    "SELECT secret FROM user_credentials", "SELECT credentials FROM channels_account", "SELECT credentials FROM tenant_credentials",
    "SELECT body FROM quarantine", "SELECT external_account_id FROM channels_account", "UPDATE audit_log SET action = 'x'",
    "DELETE FROM audit_log", "DELETE FROM tenants", "SELECT body FROM notes", "SELECT name FROM media",
])  # fmt: skip
def test_the_operator_reads_no_tenants_messages_contacts_or_secrets(stack, statement):
    with stack.postgres.connect("postrider_operator", stack.database) as db, db.transaction(force_rollback=True):
        refused(db, statement)


def test_the_operator_keeps_answers_of_its_own_calls_alone(stack, populated):
    _, a, _ = populated
    insert = "INSERT INTO idempotency_keys (tenant_id, user_id, key, operation, fingerprint) VALUES (%s, gen_random_uuid(), 'k', 'o', 'f')"
    with stack.postgres.connect("postrider_operator", stack.database) as db, db.transaction(force_rollback=True):
        db.execute(insert, (uuid.UUID(int=0),))
        assert db.execute("SELECT tenant_id FROM idempotency_keys").fetchall() == [(uuid.UUID(int=0),)]
        assert db.execute("DELETE FROM idempotency_keys WHERE tenant_id = %s", (a,)).rowcount == 0
        refused(db, "UPDATE idempotency_keys SET tenant_id = %s", (a,))
        with pytest.raises(InsufficientPrivilege):
            db.execute(insert, (a,))


@pytest.mark.parametrize("call", [
    "debug_message(gen_random_uuid())", "debug_channel(gen_random_uuid())", "consistency_findings_of_all()",
])  # fmt: skip
def test_what_looks_across_tenants_is_the_operators_alone(stack, call):
    with stack.postgres.connect("postrider_operator", stack.database) as db:
        db.execute(f"SELECT * FROM {call}")
    for role in ("api", "router", "sender"):
        with stack.postgres.connect(f"postrider_{role}", stack.database) as db, db.transaction(force_rollback=True):
            refused(db, f"SELECT * FROM {call}")


def test_the_router_reads_across_tenants_what_it_needs(stack, populated):
    _, a, b = populated
    with stack.postgres.connect("postrider_router", stack.database) as db:
        assert {a, b} <= set(seen(db, "channels_account", "tenant_id"))
        refused(db, "INSERT INTO tenants (id, name) VALUES (gen_random_uuid(), 'x')")
        refused(db, "SET ROLE postrider_owner")


# --- accounts -------------------------------------------------------------------------------------------


def test_an_account_cannot_be_connected_by_two_tenants_and_the_refusal_names_nobody(stack):
    first, second = stack.tenant("Blue Lagoon"), stack.tenant("second")
    channel = first.connect("unipile", "one-account", "WHATSAPP")
    words = ("channel", "connect", second.id, "unipile", "one-account", "--type", "WHATSAPP")
    for disconnected in (False, True):
        if disconnected:
            assert stack.run("channel", "disconnect", channel).stdout.strip() == channel
        refused_ = stack.run(*words, check=False)
        assert refused_.returncode == 1
        assert "another tenant" in refused_.stderr
        for secret in (first.id, "Blue Lagoon", channel):
            assert secret not in refused_.stderr + refused_.stdout
    assert first.connect("unipile", "one-account", "WHATSAPP") == channel, "its own tenant gets it again"
    rows = stack.query("SELECT tenant_id::text, status FROM channels_account WHERE external_account_id = 'one-account'")
    assert rows == [(first.id, "ok")]
    assert second.connect("instagram", "one-account"), "the same id at another provider is another account"
    # Nor through the api, behind the verb's back.
    with api(stack) as db:
        with pytest.raises(psycopg.errors.UniqueViolation) as info, db.transaction():
            set_tenant(db, second.id)
            insert(db, "channels_account", {
                "id": uuid.uuid4(), "tenant_id": second.id, "provider": "unipile", "external_account_id": "one-account",
                "account_type": "WHATSAPP", "platform": "whatsapp"})  # fmt: skip
        assert first.id not in str(info.value)


def test_of_tenants_that_connect_an_account_at_once_one_gets_it(stack):
    tenants = [stack.tenant() for _ in range(4)]

    def connect(tenant):
        return stack.run("channel", "connect", tenant.id, "instagram", "17841400000000077", check=False).returncode

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(connect, tenants)) == [0, 1, 1, 1]
    assert stack.scalar("SELECT count(*) FROM channels_account WHERE external_account_id = '17841400000000077'") == 1


# --- the operator's verbs -------------------------------------------------------------------------------


def test_tenants_are_created_and_listed(stack):
    tenant_id = stack.run_json("tenant", "create", "Zo\u00eb's shop")["id"]
    assert uuid.UUID(tenant_id).version == 7
    stack.run("channel", "connect", tenant_id, "instagram", "17841400000000088")
    row = next(t for t in stack.run_json("tenant", "list") if t["id"] == tenant_id)
    assert (row["name"], row["status"], row["channels"]) == ("Zo\u00eb's shop", "active", "1")
    assert re.search(rf"^{tenant_id}\s+Zo\u00eb's shop\s+active ", stack.run("tenant", "list").stdout, re.M)
    assert stack.run("tenant", "create", check=False).returncode == 2
    assert stack.run("tenant", "create", "", check=False).returncode != 0


def test_a_minted_token_says_what_was_asked_and_is_signed_with_the_secret(stack):
    tenant = stack.tenant()
    token = stack.run("tenant", "token", tenant.id, "--ttl", "2h", "--role", "agent", "--sub", "pat").stdout.strip()
    head, body, signature = token.split(".")

    def decoded(part):
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

    want = hmac.new(stack.secrets["jwt_secret"].encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    assert decoded(signature) == want
    assert json.loads(decoded(head))["alg"] == "HS256"
    claims = json.loads(decoded(body))
    assert (claims["tenant_id"], claims["role"], claims["sub"]) == (tenant.id, "agent", "pat")
    assert claims["exp"] - claims["iat"] == 7200
    for words in (["not-a-uuid"], [tenant.id, "--role", "king"], [tenant.id, "--ttl", "1s"]):
        done = stack.run("tenant", "token", *words, check=False)
        assert done.returncode == 2 and done.stdout == "" and words[-1] in done.stderr


def test_a_webhook_secret_is_the_derived_one_and_differs_by_tenant_provider_and_version(stack):
    tenant, other = stack.tenant(), stack.tenant()

    def secret(tenant, *words):
        return stack.run("tenant", "webhook-secret", tenant.id, *words).stdout.strip()

    master = stack.secrets["webhook_master_key"]
    assert secret(tenant, "unipile") == derived_secret(master, "unipile", tenant.id)
    assert secret(tenant, "unipile", "--version", "2") == derived_secret(master, "unipile", tenant.id, "2")
    assert len({secret(tenant, "unipile"), secret(other, "unipile"), secret(tenant, "telegram")}) == 3
    for provider, why in (("instagram", "app's secret"), ("nobody", "no provider")):
        done = stack.run("tenant", "webhook-secret", tenant.id, provider, check=False)
        assert done.returncode == 2 and why in done.stderr and done.stdout == ""


def test_channels_are_connected_listed_and_disconnected(stack):
    tenant, other = stack.tenant(), stack.tenant()
    made = stack.run_json("channel", "connect", tenant.id, "unipile", "listed", "--type", "whatsapp", "--name", "Front desk")
    assert (made["tenant_id"], made["account_type"], made["platform"]) == (tenant.id, "WHATSAPP", "whatsapp")
    other.connect("unipile", "others", "LINKEDIN")
    rows = stack.run_json("channel", "list", "--tenant", tenant.id)
    assert [(r["id"], r["status"], r["name"]) for r in rows] == [(made["id"], "ok", "Front desk")]
    assert {"listed", "others"} <= {r["external_account_id"] for r in stack.run_json("channel", "list")}
    assert made["id"] in stack.run("channel", "list").stdout
    for _ in range(2):
        stack.run("channel", "disconnect", made["id"])
        assert stack.run_json("channel", "list", "--tenant", tenant.id)[0]["status"] == "disconnected"
    told = stack.scalar("SELECT count(*) FROM outbox WHERE tenant_id = %s AND object_kind = 'channel'", tenant.id)
    assert told == 2, "connected and disconnected are told, each once"


def test_what_a_channel_verb_cannot_do_it_says(stack):
    tenant = stack.tenant()
    for words, status, why in (
        (["connect", tenant.id, "nobody", "x"], 2, "no provider"),
        (["connect", tenant.id, "unipile", "x"], 2, "--type"),
        (["connect", tenant.id, "instagram", ""], 2, "empty"),
        (["connect", "rubbish", "instagram", "x"], 2, "rubbish"),
        (["connect", str(uuid.uuid4()), "instagram", "x"], 1, "no tenant"),
        (["disconnect", str(uuid.uuid4())], 1, "no channel"),
        (["disconnect", "rubbish"], 2, "UUID"),
        (["list", "--tenant", "rubbish"], 2, "rubbish"),
    ):
        done = stack.run("channel", *words, check=False)
        assert (done.returncode, done.stdout) == (status, ""), words
        assert why in done.stderr, words
    assert stack.run_json("channel", "list", "--tenant", tenant.id) == []


# --- doctor, topics, config, help -----------------------------------------------------------------------


def quiet_ports():
    """Admin ports on which no daemon answers, whatever else runs on this machine."""
    return {f"POSTRIDER_{d}_ADMIN_PORT": str(free_port()) for d in ("INGEST", "ROUTER", "SENDER", "NOTIFIER", "API")}


def doctor(stack, **env):
    done = stack.run("doctor", "--json", check=False, env={**quiet_ports(), **env})
    return done.returncode, {row["check"]: row for row in json.loads(done.stdout)}


def test_the_doctor_finds_a_healthy_installation_healthy(stack):
    status, found = doctor(stack)
    assert status == 0, found
    assert [name for name, row in found.items() if row["result"] == "FAIL"] == []
    for name in ("kafka", "postgresql", "migrations", "row level security", f"{stack.topic_prefix}inbound", "postrider_owner",
                 "postrider_router", "postrider_api", "postrider_sender", "postrider_operator"):  # fmt: skip
        assert found[name]["result"] == "ok", name
    assert found["ingest"]["result"] == "warn", "a daemon may run elsewhere"
    text = stack.run("doctor", env=quiet_ports()).stdout
    assert " 0 to mend" in text
    assert not [secret for secret in stack.secrets.values() if secret in text]


def test_the_doctor_asks_the_daemons(stack):
    notifier = stack.start("notifier")
    try:
        status, found = doctor(stack, POSTRIDER_NOTIFIER_ADMIN_PORT=str(notifier.admin_port))
    finally:
        notifier.stop()
    assert status == 0 and found["notifier"]["result"] == "ok"


def test_the_doctor_says_what_to_mend(stack, fresh):
    closed = free_port()
    for env, name, mend in (
        ({"POSTRIDER_DATABASE_URL": f"postgresql://postrider_owner@127.0.0.1:{closed}/x"}, "postgresql", "POSTRIDER_DATABASE_URL"),
        ({"POSTRIDER_DATABASE_URL": stack.postgres.url("postrider_owner", "absent")}, "postgresql", "POSTRIDER_DATABASE_URL"),
        ({"POSTRIDER_DATABASE_URL": ""}, "postgresql", "POSTRIDER_DATABASE_URL"),
        (fresh.env(), "migrations", "postrider migrate"),
        ({"POSTRIDER_TOPIC_PREFIX": "nowhere."}, "nowhere.inbound", "postrider topics"),
        ({"POSTRIDER_KAFKA_BROKERS": f"127.0.0.1:{closed}"}, "kafka", "POSTRIDER_KAFKA_BROKERS"),
        ({"POSTRIDER_SCHEMA_REGISTRY_URL": f"http://127.0.0.1:{closed}"}, "schema registry",
         "POSTRIDER_SCHEMA_REGISTRY_URL"),
        ({"POSTRIDER_JWT_SECRET": "short"}, "jwt_secret", "POSTRIDER_JWT_SECRET"),
        ({"POSTRIDER_WEBHOOK_MASTER_KEY": ""}, "webhook_master_key", "POSTRIDER_WEBHOOK_MASTER_KEY"),
    ):
        status, found = doctor(stack, **env)
        assert status == 1, env
        assert found[name]["result"] == "FAIL" and mend in found[name]["mend"], (env, found[name])


def test_the_doctor_finds_a_table_or_a_role_that_lets_tenants_see_each_other(stack, fresh):
    fresh.migrate()
    with fresh.connect() as db:
        db.execute("ALTER TABLE messages NO FORCE ROW LEVEL SECURITY")
    status, found = doctor(stack, **fresh.env())
    assert status == 1 and "messages" in found["row level security"]["found"]
    for role in ("postrider_api", "postrider_operator"):
        with stack.postgres.connect() as db:
            db.execute(f"ALTER ROLE {role} BYPASSRLS")
            try:
                status, found = doctor(stack)
            finally:
                db.execute(f"ALTER ROLE {role} NOBYPASSRLS")
        assert status == 1 and "bypasses" in found[role]["found"]
    assert doctor(stack)[0] == 0


def test_topics_check_looks_and_creates_nothing(stack):
    assert stack.run("topics", "--check").stdout.count(" ok") >= 3
    elsewhere = {"POSTRIDER_TOPIC_PREFIX": f"{stack.name}.absent."}
    for _ in range(2):
        done = stack.run("topics", "--check", check=False, env=elsewhere)
        assert done.returncode == 1
        assert "missing" in done.stdout and "postrider topics" in done.stdout
    assert not [t for t in stack.kafka.admin().list_topics(timeout=20).topics if t.startswith(f"{stack.name}.absent.")]
    fewer = stack.run("topics", "--check", "--partitions", 9, check=False)
    assert fewer.returncode == 1 and "fewer partitions" in fewer.stdout


def test_the_settings_in_force_are_printed_without_any_secret(stack):
    env = {"POSTRIDER_DATABASE_URL": "postgresql://someone:pa55word@127.0.0.1/x",
           "POSTRIDER_KAFKA_PROPERTIES": "sasl.password=pa55word"}  # fmt: skip
    hidden = [*stack.secrets.values(), "pa55word"]
    printed = json.loads(stack.run("config", "--json", env=env).stdout)
    assert {"ingest", "router", "notifier"} <= set(printed)
    assert printed["notifier"]["jwt_secret"] == printed["router"]["database_url"] == "***"
    assert printed["ingest"]["webhook_master_key"] == "***"
    assert printed["ingest"]["listen_port"] == str(stack.ingest_port)
    assert printed["router"]["topic_prefix"] == stack.topic_prefix
    for words in (["config"], ["config", "--json"], *([d, "--print-config"] for d in printed)):
        done = stack.run(*words, env=env)
        assert "***" in done.stdout, words
        assert not [secret for secret in hidden if secret in done.stdout + done.stderr], words


def verbs_in_help(stack):
    """Every daemon and verb that `postrider --help` lists."""
    return re.findall(r"^  ([a-z-]+(?: [a-z-]+)?) {2,}\S", stack.run("--help").stdout, re.M)


def test_every_verb_explains_itself(stack):
    verbs = verbs_in_help(stack)
    assert {"ingest", "router", "notifier", "migrate", "doctor", "tenant create", "tenant token", "tenant webhook-secret",
            "channel connect", "channel disconnect", "quarantine list", "simulate webhooks"} <= set(verbs)  # fmt: skip
    for verb in verbs:
        done = stack.run(*verb.split(), "--help")
        assert done.stdout.startswith(f"usage: postrider {verb}"), verb
        assert done.stderr == "", verb
    assert re.fullmatch(r"postrider \d+\.\d+\.\d+\S*\n", stack.run("--version").stdout)
    for group in ("tenant", "channel", "quarantine"):
        assert f"postrider {group} list" in stack.run(group, "--help").stdout


def test_an_unknown_verb_or_option_is_refused_with_a_suggestion(stack):
    for words, hint in (
        (["migrat"], "did you mean 'migrate'?"),
        (["notifer"], "did you mean 'notifier'?"),
        (["tennant", "create"], "did you mean 'tenant create'?"),
        (["tenant", "crate"], "postrider tenant create"),
        (["tenant"], "postrider tenant create"),
        (["zzzzzzzzzzzz"], "postrider --help"),
        (["migrate", "--wrong"], "postrider migrate --help"),
        (["doctor", "extra"], "postrider doctor --help"),
    ):
        done = stack.run(*words, check=False)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert hint in done.stderr, (words, done.stderr)
    assert stack.run(check=False).returncode == 2
