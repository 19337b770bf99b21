# SPDX-License-Identifier: Apache-2.0
"""The pool of connections against a real server, directly and behind PgBouncer in transaction mode."""
import os
import pathlib
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from support.api import Api
from support.inbox_rows import fill
from support.pooler import Pooler
from support.stack import program

PASSWORD = "orchard-tumbler-93"


@pytest.fixture
def pooler(stack, request):
    made = Pooler(stack.postgres, stack.folder, getattr(request, "param", 3))
    yield made.start()
    print(made.process.log_tail())
    made.end()


def run_unit(name, url, **settings):
    """A unit test's program, with a server."""
    path = pathlib.Path(program()).parent / "tests" / name
    if not path.exists():
        pytest.skip(f"{path} is not built")
    done = subprocess.run(
        [path], env={**os.environ, "POSTRIDER_TEST_DATABASE_URL": url, **settings}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[:4000]
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", ["common_pg_test", "common_pg_pool_test"])
def test_every_case_holds_with_a_server(stack, name):
    assert "SKIPPED" not in run_unit(name, stack.postgres.url("postrider_owner", stack.database))


def test_the_pool_holds_behind_a_pooler(stack, pooler):
    run_unit("common_pg_pool_test", pooler.url("postrider_owner", stack.database), POSTRIDER_TEST_POOLED="1")


def test_the_api_works_behind_a_pooler(stack, pooler):
    """More callers than the pooler has connections; a tenant's setting never stays behind for another."""
    stack.start(
        "api", database_url=pooler.url("postrider_api", stack.database), database_prepare="false",
        database_connections=8, password_memory="8MiB", user_rate=10000,
    )  # fmt: skip
    for _ in range(3):
        session = Api(stack.api_url).ok(
            "POST", "/api/auth/register", 201,
            json={"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD, "name": "A", "tenant_name": "T"},
        )  # fmt: skip
        owner = Api(stack.api_url, session["access_token"])
        body, key = {"email": f"{uuid.uuid4().hex}@example.com"}, {"Idempotency-Key": "k"}
        first = owner.post("/api/users", json=body, headers=key)
        assert first.status_code == 201 and owner.post("/api/users", json=body, headers=key).json() == first.json()
        assert len(owner.ok("GET", "/api/users")["items"]) == 2
    assert stack.scalar("SELECT count(*) FROM tenants") == 3


class Shop:
    """A tenant with ten conversations, and what it must see and no more."""

    def __init__(self, stack):
        session = Api(stack.api_url).ok(
            "POST", "/api/auth/register", 201,
            json={"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD, "name": "A", "tenant_name": "T"},
        )  # fmt: skip
        self.id, self.owner = session["tenant"]["id"], session["user"]["id"]
        self.token, self._url = session["access_token"], stack.api_url
        channel = stack.run("channel", "connect", self.id, "telegram", str(uuid.uuid4().int % 10**9)).stdout.strip()
        with stack.postgres.connect("postrider_owner", stack.database) as db:
            fill(db, self.id, channel, conversations=10, messages=30, platform="telegram")
        self.conversations = {str(row[0]) for row in stack.query("SELECT id FROM conversations WHERE tenant_id = %s", self.id)}

    def work(self, other, rounds):
        """Reads and writes of its own, and tries at the other's, one after the other."""
        api = Api(self._url, self.token)
        for n in range(rounds):
            listed = api.ok("GET", "/api/conversations?limit=100")["items"]
            assert {c["id"] for c in listed} == self.conversations and {c["tenant_id"] for c in listed} == {self.id}
            assert api.ok("GET", "/api/me")["tenant"]["id"] == self.id
            own, foreign = sorted(self.conversations)[n % 10], sorted(other.conversations)[n % 10]
            api.ok("POST", f"/api/conversations/{own}/notes", 201, json={"body": self.id}, headers={"Idempotency-Key": uuid.uuid4().hex})
            notes = api.ok("GET", f"/api/conversations/{own}/notes?limit=100")["items"]
            assert {note["body"] for note in notes} == {self.id}
            for method, path, body in (("GET", "", None), ("PATCH", "", {"status": "closed"}), ("POST", "/notes", {"body": "x"})):
                api.problem(404, "not_found", method, f"/api/conversations/{foreign}{path}", json=body)
            assert {a["tenant_id"] for a in api.ok("GET", "/api/audit?limit=10")["items"]} == {self.id}


@pytest.mark.parametrize("pooler", [1], indirect=True)
def test_two_tenants_at_once_share_one_connection_and_see_nothing_of_each_other(stack, pooler):
    stack.start(
        "api", database_url=pooler.url("postrider_api", stack.database), database_prepare="false",
        database_connections=8, password_memory="8MiB", user_rate=10000, tenant_rate=100000,
    )  # fmt: skip
    a, b = Shop(stack), Shop(stack)
    of_the_api = ("SELECT array_agg(pid) FROM pg_stat_activity WHERE usename = 'postrider_api' AND datname = %s", stack.database)
    before = stack.scalar(*of_the_api)
    with ThreadPoolExecutor(8) as threads, psycopg.connect(pooler.url("postrider_api", stack.database), prepare_threshold=None) as between:
        callers = [threads.submit(one.work, other, 8) for _ in range(4) for one, other in ((a, b), (b, a))]
        n = 0
        while not all(c.done() for c in callers):
            # Whoever comes between the calls of both stands in no tenant, and sees none.
            setting, rows = between.execute(
                "SELECT current_setting('postrider.tenant_id', true), (SELECT count(*) FROM conversations)").fetchone()  # fmt: skip
            between.commit()
            assert not setting and rows == 0
            n += 1
        for caller in callers:
            caller.result()
    assert n > 10 and len(before) == 1 and stack.scalar(*of_the_api) == before
    assert stack.query("SELECT tenant_id::text, count(*) FROM notes WHERE body = tenant_id::text GROUP BY 1 ORDER BY 1") == sorted(
        [(a.id, 32), (b.id, 32)])  # fmt: skip
    # What a setting of the session would have done: the next client has it. So the connection is shared, and we look at it.
    with psycopg.connect(pooler.url("postrider_api", stack.database), autocommit=True, prepare_threshold=None) as one:
        one.execute(f"SET postrider.tenant_id = '{a.id}'")
    with psycopg.connect(pooler.url("postrider_api", stack.database), autocommit=True, prepare_threshold=None) as next_one:
        assert next_one.execute("SELECT count(*) FROM conversations").fetchone() == (10,)
        next_one.execute("RESET postrider.tenant_id")
