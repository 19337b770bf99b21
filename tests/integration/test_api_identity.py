# SPDX-License-Identifier: Apache-2.0
"""The api's frame, and identity: registering, sessions, users."""
import concurrent.futures
import json
import uuid

import pytest

from support.api import Api
from support.ports import free_port
from support.wait import wait_until

PASSWORD = "orchard-tumbler-93"


@pytest.fixture(scope="module")
def api(shared_stack):
    """A caller without a token; argon2id with little memory, so that tests are quick."""
    shared_stack.start(
        "api", allowed_origins="https://inbox.example.com", password_memory="8MiB", user_rate=10000,
        trusted_proxies=1,
    )  # fmt: skip
    return Api(shared_stack.api_url)


def register(api, **changes):
    """A new tenant: a caller with its owner's token, and the session."""
    body = {"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD, "name": "Ada", "tenant_name": "acme"}
    session = api.ok("POST", "/api/auth/register", 201, json={**body, **changes})
    return Api(api.url, session["access_token"]), session


def invite(owner, **changes):
    body = {"email": f"{uuid.uuid4().hex}@example.com", **changes}
    return owner.ok("POST", "/api/users", 201, json=body)


# --- the frame ---------------------------------------------------------------------------------------


def test_the_frame_answers_as_the_description_says(api, shared_stack):
    tenant = shared_stack.tenant("acme")
    caller = tenant.api()
    me = caller.ok("GET", "/api/me")
    assert me["tenant"]["id"] == tenant.id and me["tenant"]["name"] == "acme"
    assert me["user"] is None and me["role"] == "owner"
    caller.problem(401, "unauthorized", "GET", "/api/me", token="")
    caller.problem(401, "invalid_token", "GET", "/api/me", token="nonsense")
    caller.problem(404, "not_found", "GET", "/api/nothing")
    wrong = caller.problem(400, "invalid_request", "GET", "/api/me?x=1")
    assert wrong["errors"][0]["parameter"] == "x"
    answer = caller.post("/api/me")
    assert answer.status_code == 405 and answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    head = caller.call("HEAD", "/api/me")
    assert head.status_code == 200 and not head.content
    assert int(head.headers["RateLimit-Remaining"]) < int(head.headers["RateLimit-Limit"])
    assert head.headers["Cache-Control"] == "no-store"
    assert caller.get("/api/me", headers={"X-Request-Id": "mine-1"}).headers["X-Request-Id"] == "mine-1"
    assert caller.get("/api/me", headers={"X-Request-Id": "not mine"}).headers["X-Request-Id"] != "not mine"


def test_a_body_that_is_not_as_described_is_refused_with_a_pointer(api):
    def refused(body, pointer):
        problem = api.problem(400, "invalid_request", "POST", "/api/auth/register", json=body)
        assert pointer in [e["pointer"] for e in problem["errors"]], problem

    good = {"email": "a@example.com", "password": PASSWORD, "name": "A", "tenant_name": "T"}
    refused({}, "#/email")
    refused({**good, "email": "nobody"}, "#/email")
    refused({**good, "name": ""}, "#/name")
    refused({**good, "name": "x" * 201}, "#/name")
    refused({**good, "name": 1}, "#/name")
    refused({**good, "more": 1}, "#/more")
    refused({**good, "a/b~": 1}, "#/a~1b~0")
    refused([], "#")
    headers = {"Content-Type": "application/json"}
    for text in ("", "{", "nul", '{"a":1}x', "[" * 100, "\ufeff{}"):
        api.problem(400, "invalid_request", "POST", "/api/auth/login", data=text.encode(), headers=headers)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp"):
        api.problem(
            415, "unsupported_media_type", "POST", "/api/auth/login", data="{}", headers={"Content-Type": kind}
        )
    large = api.post("/api/auth/login", json={"email": "x" * 300_000, "password": "x"})
    assert large.status_code == 413


def test_pages_of_configured_origins_may_call(api):
    preflight = api.call(
        "OPTIONS", "/api/users",
        headers={"Origin": "https://inbox.example.com", "Access-Control-Request-Method": "POST"},
    )  # fmt: skip
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://inbox.example.com"
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert "Idempotency-Key" in preflight.headers["Access-Control-Allow-Headers"]
    other = api.get("/api/me", headers={"Origin": "https://evil.example.com"})
    assert "Access-Control-Allow-Origin" not in other.headers
    allowed = api.get("/api/me", headers={"Origin": "https://inbox.example.com"})
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://inbox.example.com"
    assert "Origin" in allowed.headers["Vary"]


def test_who_calls_too_often_is_told_when_to_come_back(stack):
    stack.start("api", user_rate=2)
    caller = stack.tenant().api()
    answers = [caller.get("/api/me") for _ in range(12)]
    assert [a.status_code for a in answers[:8]] == [200] * 8
    late = [a for a in answers if a.status_code == 429]
    assert late and int(late[0].headers["Retry-After"]) >= 1
    assert late[0].headers["RateLimit-Remaining"] == "0" and late[0].json()["code"] == "limited"


def test_the_description_and_a_page_that_shows_it_are_served(api):
    description = api.ok("GET", "/api/openapi.json")
    assert description["openapi"].startswith("3.1") and "/api/me" in description["paths"]
    page = api.get("/api/docs")
    assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "http://" not in page.text and "https://" not in page.text


def test_what_had_its_time_is_swept(stack):
    tenant = stack.tenant()
    stack.query(
        "WITH i AS (INSERT INTO idempotency_keys (tenant_id, user_id, key, operation, fingerprint, created_at) "
        "SELECT %s, %s, decode(md5(n::text), 'hex'), 'x', '', now() - interval '25 hours' FROM generate_series(1, 1500) n "
        "RETURNING 1) SELECT count(*) FROM i",
        tenant.id, tenant.id,
    )  # fmt: skip
    stack.start("api")
    wait_until(lambda: stack.scalar("SELECT count(*) FROM idempotency_keys") == 0, 30, "old keys are gone")


# --- sessions ----------------------------------------------------------------------------------------


def test_registering_gives_a_tenant_an_owner_and_a_session(api, shared_stack):
    owner, session = register(api, email="Ada.Lovelace@Example.com", tenant_name="Analytical Engines")
    me = owner.ok("GET", "/api/me")
    assert me["tenant"] == session["tenant"] and me["user"] == session["user"]
    assert me["tenant"]["name"] == "Analytical Engines" and me["user"]["role"] == "owner"
    again = {"email": "ada.lovelace@example.COM", "password": PASSWORD, "name": "Eve", "tenant_name": "x"}
    problem = api.problem(409, "email_taken", "POST", "/api/auth/register", json=again)
    assert problem["errors"][0]["pointer"] == "#/email"
    login = api.ok("POST", "/api/auth/login", json={"email": "ADA.lovelace@example.com", "password": PASSWORD})
    assert login["user"]["id"] == session["user"]["id"] and 0 < login["expires_in"] <= 900
    api.problem(
        401, "invalid_credentials", "POST", "/api/auth/login",
        json={"email": "ada.lovelace@example.com", "password": PASSWORD + "x"},
    )  # fmt: skip
    rows = shared_stack.query(
        "SELECT secret FROM user_credentials WHERE tenant_id = %s AND kind = 'password'", session["tenant"]["id"]
    )
    assert len(rows) == 1 and rows[0][0].startswith("$argon2id$")
    actions = shared_stack.query("SELECT action FROM audit_log WHERE tenant_id = %s", session["tenant"]["id"])
    assert actions == [("tenant.registered",)]


@pytest.mark.parametrize(
    "password", ["short", "password123", "P4ssw0rd2024!", "1234567890", "qwertyuiop", "aaaaaaaaaaaa", "someone.else1"]
)
def test_a_password_that_is_easy_to_guess_is_refused(api, password):
    body = {"email": "someone.else@example.com", "password": password, "name": "A", "tenant_name": "T"}
    problem = api.problem(422, "weak_password", "POST", "/api/auth/register", json=body)
    assert problem["errors"][0]["pointer"] == "#/password"


def test_a_refresh_token_is_good_once_and_its_family_ends_with_its_reuse(api):
    _, first = register(api)
    second = api.ok("POST", "/api/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert Api(api.url, second["access_token"]).ok("GET", "/api/me")["user"] == second["user"]
    api.problem(401, "invalid_token", "POST", "/api/auth/refresh", json={"refresh_token": first["refresh_token"]})
    # The thief, or the one who was robbed: neither goes on.
    api.problem(401, "invalid_token", "POST", "/api/auth/refresh", json={"refresh_token": second["refresh_token"]})


def test_one_refresh_token_sent_many_times_at_once_gives_one_session(api):
    _, session = register(api)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _: Api(api.url).post("/api/auth/refresh", json={"refresh_token": session["refresh_token"]}),
                range(8),
            )
        )
    assert sorted(a.status_code for a in answers) == [200] + [401] * 7


def test_a_forged_refresh_token_is_nobody(api):
    _, mine = register(api)
    text = mine["refresh_token"]
    for forged in (text[:-4] + "AAAA", "prr_" + "A" * 86, "pri_" + text[4:], text[4:], "x"):
        api.problem(401, "invalid_token", "POST", "/api/auth/refresh", json={"refresh_token": forged})
    api.ok("POST", "/api/auth/refresh", json={"refresh_token": text})


def test_logging_out_ends_the_family(api):
    _, session = register(api)
    following = api.ok("POST", "/api/auth/refresh", json={"refresh_token": session["refresh_token"]})
    api.ok("POST", "/api/auth/logout", 204, json={"refresh_token": following["refresh_token"]})
    api.problem(401, "invalid_token", "POST", "/api/auth/refresh", json={"refresh_token": following["refresh_token"]})
    api.ok("POST", "/api/auth/logout", 204, json={"refresh_token": "unknown"})


def test_guessing_is_slowed_down_and_the_owner_is_not_locked_out(api):
    _, session = register(api)
    email = session["user"]["email"]
    home, thief = {"X-Forwarded-For": "192.0.2.7"}, {"X-Forwarded-For": "198.51.100.9"}
    good = {"email": email, "password": PASSWORD}
    api.ok("POST", "/api/auth/login", json=good, headers=home)
    answers = [
        api.post("/api/auth/login", json={"email": email, "password": f"guess{i}"}, headers=thief) for i in range(10)
    ]
    assert [a.status_code for a in answers[:3]] == [401] * 3
    assert answers[3].status_code == 429 and int(answers[3].headers["Retry-After"]) >= 1
    # What the thief may not try, the owner may.
    assert api.post("/api/auth/login", json=good, headers=thief).status_code == 429
    api.ok("POST", "/api/auth/login", json=good, headers=home)


# --- users -------------------------------------------------------------------------------------------


def test_an_invited_user_chooses_a_password_and_works_in_the_tenant(api, shared_stack):
    owner, session = register(api)
    invited = invite(owner, name="Grace", email=f"grace-{uuid.uuid4().hex}@example.com")
    assert invited["user"]["status"] == "invited" and invited["user"]["role"] == "agent"
    email = invited["user"]["email"]
    api.problem(401, "invalid_credentials", "POST", "/api/auth/login", json={"email": email, "password": PASSWORD})
    body = {"token": invited["invitation"]["token"], "password": PASSWORD}
    api.problem(
        422, "weak_password", "POST", "/api/auth/accept-invitation", json={**body, "password": "password123"}
    )
    accepted = api.ok("POST", "/api/auth/accept-invitation", 201, json=body)
    assert accepted["user"]["name"] == "Grace" and accepted["user"]["status"] == "active"
    assert accepted["tenant"]["id"] == session["tenant"]["id"]
    api.problem(401, "invalid_token", "POST", "/api/auth/accept-invitation", json=body)
    agent = Api(api.url, accepted["access_token"])
    assert {u["id"] for u in agent.ok("GET", "/api/users")["items"]} == {session["user"]["id"], accepted["user"]["id"]}
    agent.problem(403, "forbidden", "POST", "/api/users", json={"email": "x@example.com"})
    owner.problem(409, "email_taken", "POST", "/api/users", json={"email": email.upper()})


def test_a_user_that_is_taken_away_has_no_way_back(api):
    owner, session = register(api)
    invited = invite(owner)
    agent = api.ok(
        "POST", "/api/auth/accept-invitation", 201, json={"token": invited["invitation"]["token"], "password": PASSWORD}
    )
    other, _ = register(api)
    other.problem(404, "not_found", "DELETE", f"/api/users/{agent['user']['id']}")
    owner.ok("DELETE", f"/api/users/{agent['user']['id']}", 204)
    api.problem(401, "invalid_token", "GET", "/api/me", token=agent["access_token"])
    owner.problem(404, "not_found", "DELETE", f"/api/users/{agent['user']['id']}")
    owner.problem(404, "invalid_request", "DELETE", "/api/users/nobody")
    api.problem(401, "invalid_token", "POST", "/api/auth/refresh", json={"refresh_token": agent["refresh_token"]})
    api.problem(
        401, "invalid_credentials", "POST", "/api/auth/login",
        json={"email": agent["user"]["email"], "password": PASSWORD},
    )  # fmt: skip
    owner.problem(409, "own_account", "DELETE", f"/api/users/{session['user']['id']}")
    invite(owner, email=agent["user"]["email"])


def test_a_removed_users_token_is_refused_by_every_api_within_seconds(api, shared_stack):
    port = free_port()
    shared_stack.start("api", listen_port=port, password_memory="8MiB")
    elsewhere = f"http://127.0.0.1:{port}"
    owner, _ = register(api)
    accepted = {"token": invite(owner)["invitation"]["token"], "password": PASSWORD}
    agent = api.ok("POST", "/api/auth/accept-invitation", 201, json=accepted)
    there = Api(elsewhere, agent["access_token"])
    assert there.get("/api/me").status_code == there.get("/api/conversations").status_code == 200
    owner.ok("DELETE", f"/api/users/{agent['user']['id']}", 204)
    wait_until(lambda: there.get("/api/conversations").status_code == 401, 15, "the other api refuses the token")
    there.problem(401, "invalid_token", "GET", "/api/me")
    assert Api(elsewhere, owner.token).get("/api/me").status_code == 200


def test_two_owners_who_delete_each_other_leave_one(api):
    owner, session = register(api)
    second = api.ok(
        "POST", "/api/auth/accept-invitation", 201,
        json={"token": invite(owner, role="owner")["invitation"]["token"], "password": PASSWORD},
    )  # fmt: skip
    pairs = [(session, second), (second, session)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(
                lambda p: Api(api.url, p[0]["access_token"]).delete(f"/api/users/{p[1]['user']['id']}"), pairs
            )
        )
    # The second to come is refused for its own sake, for the first's, or because its user has gone.
    assert sorted(a.status_code for a in answers) in ([204, 401], [204, 404], [204, 409])


def test_users_are_listed_by_pages(api):
    owner, session = register(api)
    ids = [session["user"]["id"]] + [invite(owner)["user"]["id"] for _ in range(6)]
    seen, cursor = [], None
    while True:
        page = owner.ok("GET", "/api/users", params={"limit": 3, **({"cursor": cursor} if cursor else {})})
        assert len(page["items"]) <= 3
        seen += [u["id"] for u in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert seen == sorted(ids)
    owner.problem(422, "invalid_cursor", "GET", "/api/users?cursor=nonsense")
    owner.problem(400, "invalid_request", "GET", "/api/users?limit=0")
    owner.problem(400, "invalid_request", "GET", "/api/users?limit=1&limit=2")


# --- idempotency -------------------------------------------------------------------------------------


def test_the_same_key_has_one_effect_and_the_same_answer(api, shared_stack):
    owner, session = register(api)
    key = {"Idempotency-Key": "k-1"}
    body = {"email": f"{uuid.uuid4().hex}@example.com"}
    first = owner.post("/api/users", json=body, headers=key)
    assert first.status_code == 201 and "Idempotency-Replayed" not in first.headers
    again = owner.post("/api/users", json=body, headers=key)
    assert again.status_code == 201 and again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    other = {"email": f"{uuid.uuid4().hex}@example.com"}
    owner.problem(422, "idempotency_mismatch", "POST", "/api/users", json=other, headers=key)
    # Another tenant's key is another key.
    stranger, _ = register(api)
    assert stranger.post("/api/users", json=other, headers=key).status_code == 201
    rows = shared_stack.query(
        "SELECT answer FROM idempotency_keys WHERE tenant_id = %s", session["tenant"]["id"]
    )
    token = first.json()["invitation"]["token"].encode()
    assert len(rows) == 1 and token not in bytes(rows[0][0])


def test_one_key_sent_many_times_at_once_has_one_effect(api, shared_stack):
    owner, session = register(api)
    body = {"email": f"{uuid.uuid4().hex}@example.com"}

    def send(_):
        return Api(api.url, owner.token).post("/api/users", json=body, headers={"Idempotency-Key": "many"})

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert {a.status_code for a in answers} == {201}, [a.text for a in answers]
    assert len({json.dumps(a.json(), sort_keys=True) for a in answers}) == 1
    assert sum("Idempotency-Replayed" not in a.headers for a in answers) == 1
    assert shared_stack.scalar("SELECT count(*) FROM users WHERE tenant_id = %s", session["tenant"]["id"]) == 2


def test_a_key_of_a_call_that_failed_may_be_used_again(api):
    owner, session = register(api)
    key = {"Idempotency-Key": "k-2"}
    owner.problem(409, "email_taken", "POST", "/api/users", json={"email": session["user"]["email"]}, headers=key)
    assert owner.post("/api/users", json={"email": f"{uuid.uuid4().hex}@example.com"}, headers=key).status_code == 201
