# SPDX-License-Identifier: Apache-2.0
"""The pool of connections against a real server, directly and behind PgBouncer in transaction mode."""
import os
import pathlib
import subprocess
import uuid

import pytest

from support.api import Api
from support.pooler import Pooler
from support.stack import program

PASSWORD = "orchard-tumbler-93"


@pytest.fixture
def pooler(stack):
    made = Pooler(stack.postgres, stack.folder)
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
