# SPDX-License-Identifier: Apache-2.0
"""Accounts in the database: who may read what opens them, connecting in one place, and what frontends query there."""
import uuid

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

SECRET_COLUMNS = ("credentials", "credentials_key_id")
CONNECT = (
    "SELECT channel_connect(%s::uuid, gen_random_uuid(), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::timestamptz)")


@pytest.fixture(scope="module")
def stack(shared_stack):
    return shared_stack


def as_role(stack, role):
    return stack.postgres.connect(role, stack.database)


class Api:
    """The api's role with a tenant chosen, a transaction for each statement."""

    def __init__(self, stack, tenant_id):
        self.stack, self.tenant_id = stack, tenant_id

    def query(self, statement, *values):
        with as_role(self.stack, "postrider_api") as db, db.transaction():
            db.execute("SELECT set_config('postrider.tenant_id', %s, true)", (self.tenant_id,))
            cursor = db.execute(statement, values)
            names = [c.name for c in cursor.description]
            return [dict(zip(names, row)) for row in cursor.fetchall()]

    def connect(self, provider, account, kind="instagram", platform="instagram", name=None, username=None, url=None,
                secret=None, key=None, expires=None):  # fmt: skip
        row = self.query(CONNECT, self.tenant_id, provider, account, kind, platform, name, username, url, secret, key, expires)
        return str(next(iter(row[0].values())))


@pytest.fixture
def api(stack):
    return Api(stack, stack.tenant().id)


def account():
    return f"acct-{uuid.uuid4().hex[:12]}"


# --- grants ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", SECRET_COLUMNS)
def test_the_router_cannot_read_what_opens_an_account(stack, column):
    with as_role(stack, "postrider_router") as db:
        for statement in (f"SELECT {column} FROM channels_account", "SELECT * FROM channels_account",
                          f"UPDATE channels_account SET {column} = NULL"):  # fmt: skip
            with pytest.raises(InsufficientPrivilege):
                db.execute(statement)
        assert db.execute("SELECT count(id) FROM channels_account").fetchone()[0] >= 0
        db.execute("SELECT id FROM channels_account ORDER BY id FOR UPDATE")


@pytest.mark.parametrize(("role", "columns"), [
    ("postrider_router", {"status", "provider_status", "status_at", "status_key", "parent_external_id", "rev", "updated_at"}),
    ("postrider_sender", {"status", "provider_status", "status_at", "status_key", "settings", "credential_status",
                          "credential_detail", "credential_checked_at", "credential_expires_at", "asked_at", "reported_type",
                          "reported_absent", "rev", "updated_at"}),
])  # fmt: skip
def test_who_tells_of_an_account_changes_neither_whose_it_is_nor_what_opens_it(stack, role, columns):
    may = stack.query(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'channels_account'::regclass AND attnum > 0"
        " AND NOT attisdropped AND has_column_privilege(%s, 'channels_account', attname, 'UPDATE')", role)  # fmt: skip
    assert {name for (name,) in may} == columns


@pytest.mark.parametrize("role", ["postrider_router", "postrider_sender"])
def test_a_tenants_own_access_is_none_of_the_routers_and_senders_business(stack, role):
    names = stack.query(
        "SELECT relname FROM pg_class WHERE relname = 'tenant_credentials' OR relname LIKE 'tenant_credentials_p__'")
    assert len(names) == 17
    for (name,) in names:
        for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            assert not stack.scalar("SELECT has_table_privilege(%s, %s, %s)", role, name, privilege), (name, privilege)


@pytest.mark.parametrize(("table", "privilege"), [
    ("channels_account", "DELETE"), ("webhook_health", "INSERT"), ("webhook_health", "UPDATE"), ("webhook_health", "DELETE"),
])  # fmt: skip
def test_the_api_has_no_right_that_it_does_not_use(stack, table, privilege):
    assert not stack.scalar("SELECT has_table_privilege('postrider_api', %s, %s)", table, privilege)


@pytest.mark.parametrize("function", [
    "channel_connect(uuid, uuid, text, text, text, text, text, text, text, bytea, text, timestamptz)",
    "channel_disconnect(uuid)", "get_user_instagram_status()", "get_instagram_chats(integer)",
])  # fmt: skip
def test_the_functions_are_the_apis_and_nobody_elses(stack, function):
    assert stack.scalar("SELECT has_function_privilege('postrider_api', %s, 'EXECUTE')", function)
    for role in ("postrider_router", "postrider_sender"):
        assert not stack.scalar("SELECT has_function_privilege(%s, %s, 'EXECUTE')", role, function), role


# --- connecting -----------------------------------------------------------------------------------------


def test_connecting_again_keeps_the_channel_and_what_was_not_given(stack, api):
    name = account()
    first = api.connect("instagram", name, name="Shop", username="shop", url="https://a.example", secret=b"one", key="k1")
    assert api.connect("instagram", name, username="shop2") == first
    row = stack.query(
        "SELECT name, username, base_url, credentials, credentials_key_id, credential_status, status, rev"
        " FROM channels_account WHERE id = %s", first)[0]  # fmt: skip
    assert row == ("Shop", "shop2", "https://a.example", b"one", "k1", "valid", "ok", 2)
    assert api.connect("instagram", name, secret=b"two", key="k2", expires="2030-01-01T00:00:00Z") == first
    row = stack.query("SELECT base_url, credentials, credentials_key_id, credential_expires_at::text FROM channels_account"
                      " WHERE id = %s", first)[0]  # fmt: skip
    assert row[:3] == (None, b"two", "k2") and row[3].startswith("2030-01-01")


def test_new_credentials_mend_a_channel_and_a_mere_connection_does_not(stack, api):
    name = account()
    channel = api.connect("instagram", name, secret=b"one", key="k1")
    stack.query("UPDATE channels_account SET status = 'auth_required', credential_status = 'expired' WHERE id = %s"
                " RETURNING 1", channel)  # fmt: skip
    api.connect("instagram", name)
    assert stack.query("SELECT status, credential_status FROM channels_account WHERE id = %s", channel) == [
        ("auth_required", "expired")]
    api.connect("instagram", name, secret=b"two", key="k1")
    assert stack.query("SELECT status, credential_status FROM channels_account WHERE id = %s", channel) == [("ok", "valid")]


def test_anothers_account_is_refused_without_a_word_of_whose_it_is(stack, api):
    name, other = account(), Api(stack, stack.tenant("Blue Lagoon").id)
    channel = other.connect("instagram", name, secret=b"theirs", key="k1")
    with pytest.raises(psycopg.errors.UniqueViolation) as info:
        api.connect("instagram", name, secret=b"mine", key="k1")
    for word in (other.tenant_id, channel, "Blue Lagoon"):
        assert word not in str(info.value)
    assert stack.query("SELECT tenant_id::text, credentials FROM channels_account WHERE id = %s", channel) == [
        (other.tenant_id, b"theirs")]


def test_disconnecting_forgets_what_opens_the_account_and_is_told_once(stack, api):
    channel = api.connect("instagram", account(), secret=b"one", key="k1")
    other = Api(stack, stack.tenant().id)
    assert other.query("SELECT channel_disconnect(%s::uuid) AS id", channel) == [{"id": None}]
    for _ in range(2):
        assert str(api.query("SELECT channel_disconnect(%s::uuid) AS id", channel)[0]["id"]) == channel
    row = stack.query("SELECT status, credentials, credentials_key_id, credential_status FROM channels_account WHERE id = %s", channel)
    assert row == [("disconnected", None, None, "unknown")]
    told = stack.scalar("SELECT count(*) FROM outbox WHERE tenant_id = %s AND object_id = %s", api.tenant_id, channel)
    assert told == 2


def quarantine(stack, provider, name, tenant_id=None, reason="unknown_account", replayed=False):
    row = uuid.uuid4()
    stack.query(
        "INSERT INTO quarantine (id, tenant_id, provider, account, reason, topic, partition, \"offset\", body, received_at,"
        " replayed_at) VALUES (%s, %s, %s, %s, %s, %s, 0, 0, 'x', now(), CASE WHEN %s THEN now() END) RETURNING 1",
        row, tenant_id, provider, name, reason, row.hex, replayed)  # fmt: skip
    return str(row)


def test_what_waits_for_an_account_is_handed_on_when_the_api_connects_it_and_nothing_else(stack, api):
    name, other = account(), stack.tenant().id
    waits = {quarantine(stack, "instagram", name), quarantine(stack, "instagram", name, api.tenant_id)}
    for row in ((name, other, "unknown_account", False), (name, None, "poison", False), (name, None, "unknown_account", True),
                (account(), None, "unknown_account", False)):  # fmt: skip
        quarantine(stack, "instagram", *row)
    quarantine(stack, "messenger", name)
    assert api.query("SELECT id FROM quarantine WHERE tenant_id IS NULL") == [], "not theirs before"
    api.connect("instagram", name)
    handed = stack.query("SELECT object_id::text FROM outbox WHERE tenant_id = %s AND object_kind = 'quarantine'", api.tenant_id)
    assert {h for (h,) in handed} == waits and len(handed) == 2
    seen = api.query("SELECT account, reason FROM quarantine WHERE tenant_id IS NULL")
    assert {(r["account"], r["reason"]) for r in seen} == {(name, "unknown_account")}
    assert Api(stack, other).query("SELECT id FROM quarantine WHERE tenant_id IS NULL") == []


@pytest.mark.parametrize(("status", "expires", "health"), [
    ("unknown", None, "unknown"), ("valid", None, "valid"), ("valid", "30 days", "valid"), ("valid", "6 days", "expiring"),
    ("valid", "-1 hours", "expired"), ("unknown", "-1 hours", "expired"), ("revoked", "-1 hours", "revoked"),
    ("expired", "30 days", "expired"),
])  # fmt: skip
def test_the_health_of_credentials_follows_from_what_was_said_and_the_time(stack, status, expires, health):
    assert stack.scalar("SELECT credential_health(%s, now() + %s::interval)", status, expires) == health


# --- what frontends query -------------------------------------------------------------------------------


def test_user_connections_shows_the_tenants_own_and_nothing_secret(stack, api):
    channel = api.connect("instagram", account(), name="Shop", secret=b"one", key="k1", expires="2030-01-01T00:00:00Z")
    Api(stack, stack.tenant().id).connect("instagram", account())
    rows = api.query("SELECT * FROM user_connections")
    assert [str(r["id"]) for r in rows] == [channel]
    assert rows[0]["is_connected"] is True and rows[0]["credential_status"] == "valid" and rows[0]["name"] == "Shop"
    assert not set(SECRET_COLUMNS) & set(rows[0])
    api.query("SELECT channel_disconnect(%s::uuid)", channel)
    assert [(r["is_connected"], r["status"]) for r in api.query("SELECT * FROM user_connections")] == [(False, "disconnected")]
    with as_role(stack, "postrider_api") as db:
        assert db.execute("SELECT count(*) FROM user_connections").fetchone()[0] == 0


def test_the_instagram_status_says_what_is_connected_whatever_the_way(stack, api):
    none = api.query("SELECT * FROM get_user_instagram_status()")
    assert [(r["is_connected"], r["channel_id"], r["status"]) for r in none] == [(False, None, "disconnected")]
    direct = api.connect("instagram", account(), username="shop")
    through = api.connect("unipile", account(), "INSTAGRAM")
    api.connect("unipile", account(), "WHATSAPP", "whatsapp")
    gone = api.connect("instagram", account())
    api.query("SELECT channel_disconnect(%s::uuid)", gone)
    stack.query("INSERT INTO conversations (tenant_id, id, channel_id, provider, platform, external_id, unread_count,"
                " last_message_at) SELECT %s, gen_random_uuid(), %s, 'instagram', 'instagram', 'c' || n, n,"
                " now() - n * interval '1 hour' FROM generate_series(1, 3) n RETURNING 1", api.tenant_id, direct)  # fmt: skip
    rows = {str(r["channel_id"]): r for r in api.query("SELECT * FROM get_user_instagram_status()")}
    assert set(rows) == {direct, through}
    assert (rows[direct]["conversations"], rows[direct]["unread"], rows[direct]["username"]) == (3, 6, "shop")
    assert (rows[through]["provider"], rows[through]["conversations"], rows[through]["last_message_at"]) == ("unipile", 0, None)


def test_instagram_chats_come_latest_first_over_all_its_channels(stack, api):
    one, two = api.connect("instagram", account()), api.connect("unipile", account(), "INSTAGRAM")
    other = api.connect("unipile", account(), "WHATSAPP", "whatsapp")
    for n, channel in enumerate((one, two, one, other, two)):
        conversation, message = uuid.uuid4(), uuid.uuid4()
        with stack.postgres.connect("postrider_owner", stack.database) as db:
            values = {"t": api.tenant_id, "m": message, "c": channel, "v": conversation, "b": f"text {n}", "n": n,
                      "p": "whatsapp" if channel == other else "instagram"}  # fmt: skip
            db.execute(
                "INSERT INTO messages (tenant_id, id, channel_id, conversation_id, provider, platform, direction, status,"
                " kind, body, provider_at) VALUES (%(t)s, %(m)s, %(c)s, %(v)s, 'p', %(p)s, 'in', 'received', 'text', %(b)s,"
                " now())", values)  # fmt: skip
            db.execute(
                "INSERT INTO conversations (tenant_id, id, channel_id, provider, platform, external_id, last_message_id,"
                " last_message_at) VALUES (%(t)s, %(v)s, %(c)s, 'p', %(p)s, %(b)s, %(m)s,"
                " now() - %(n)s * interval '1 minute')", values)  # fmt: skip
    chats = api.query("SELECT * FROM get_instagram_chats()")
    assert [c["last_message"] for c in chats] == ["text 0", "text 1", "text 2", "text 4"]
    assert {str(c["channel_id"]) for c in chats} == {one, two}
    assert [c["last_message"] for c in api.query("SELECT * FROM get_instagram_chats(2)")] == ["text 0", "text 1"]
    assert len(api.query("SELECT * FROM get_instagram_chats(-5)")) == 1
    assert Api(stack, stack.tenant().id).query("SELECT * FROM get_instagram_chats()") == []
