# SPDX-License-Identifier: Apache-2.0
"""Accounts through the api: credentials, channels, Instagram's paths, and how webhooks do."""
import datetime
import json
import uuid

import pytest

from support.services import ROOT
from support.wait import wait_until
from support.webhooks import derived_secret

KEY = "sim-unipile-canary-7f3e"


@pytest.fixture(scope="module")
def stack(shared_stack):
    return shared_stack


@pytest.fixture(scope="module")
def sim(stack):
    return stack.start_simulator()


@pytest.fixture(scope="module", autouse=True)
def daemon(stack, sim):
    return stack.start_api(sim, ingest_url="https://in.example.com", user_rate=10000, tenant_rate=10000,
                           provider_connect_timeout="500ms")  # fmt: skip


@pytest.fixture
def tenant(stack):
    return stack.tenant()


@pytest.fixture
def api(tenant):
    return tenant.api()


def unipile(api, sim, key=KEY, **more):
    return api.ok("POST", "/api/user/credentials", json={
        "unipile_api_key": key, "unipile_api_url": sim.base_url("unipile"), **more})  # fmt: skip


def known(sim, tenant, kind="WHATSAPP", provider="unipile", **of):
    account = of.pop("account", f"acct{uuid.uuid4().hex[:12]}")
    sim.account(provider, account, type=kind, tenant=tenant.id, **of)
    return account


def audited(stack, tenant):
    return [r[0] for r in stack.query("SELECT action FROM audit_log WHERE tenant_id = %s ORDER BY id", tenant.id)]


def findings(api):
    return {f["check"]: f for f in api.ok("GET", "/api/webhooks/consistency-check")["findings"]}


# --- credentials ----------------------------------------------------------------------------------------


def test_credentials_are_tried_sealed_masked_and_forgotten(stack, sim, tenant, api):
    assert api.ok("GET", "/api/user/credentials")["configured"] is False
    account = known(sim, tenant)
    stored = unipile(api, sim, whatsapp_phone_number="+4915112345678", webhook_url="https://relay.example.com/in")
    assert stored["configured"] and stored["unipile_api_key"] == "…" + KEY[-4:]
    assert account in {a["external_account_id"] for a in stored["accounts"]}
    secret = derived_secret(stack.secrets["webhook_master_key"], "unipile", tenant.id)
    assert stored["webhook"] == {
        "url": f"https://in.example.com/webhooks/unipile/{tenant.id}", "header": "Unipile-Auth", "secret": secret}  # fmt: skip
    read = api.ok("GET", "/api/user/credentials")
    assert {**read, "accounts": stored["accounts"]} == stored and read["whatsapp_phone_number"] == "+4915112345678"
    assert tenant.api("agent").ok("GET", "/api/user/credentials")["webhook"]["secret"] is None
    assert stack.scalar("SELECT position(%s::bytea IN credentials) FROM tenant_credentials WHERE tenant_id = %s",
                        KEY.encode(), tenant.id) == 0  # fmt: skip
    for _ in range(2):
        assert api.delete("/api/user/credentials").status_code == 204
    assert api.ok("GET", "/api/user/credentials")["configured"] is False
    assert audited(stack, tenant) == ["credentials.stored", "credentials.deleted"]


def test_credentials_that_the_provider_refuses_are_not_stored(stack, sim, tenant, api):
    body = {"unipile_api_key": "nobody-knows-this", "unipile_api_url": sim.base_url("unipile")}
    api.problem(422, "credentials_refused", "POST", "/api/user/credentials", json=body)
    assert api.ok("GET", "/api/user/credentials")["configured"] is False and audited(stack, tenant) == []


@pytest.mark.parametrize(("change", "status"), [
    ({"whatsapp_phone_number": "0151 1234"}, 422), ({"unipile_api_url": "http://10.0.0.1/"}, 422), ({"webhook_url": "https://localhost/"}, 422),
    ({"unknown": 1}, 400), ({"unipile_api_key": "short"}, 400),
])  # fmt: skip
def test_what_is_wrong_with_credentials_is_named(sim, api, change, status):
    body = {"unipile_api_key": KEY, "unipile_api_url": sim.base_url("unipile"), **change}
    answer = api.post("/api/user/credentials", json=body)
    (member,) = change
    assert answer.status_code == status and [e["pointer"] for e in answer.json()["errors"]] == [f"#/{member}"], answer.text


def test_an_agent_changes_no_credentials_and_connects_nothing(api, tenant):
    agent = tenant.api("agent")
    agent.problem(403, "forbidden", "POST", "/api/user/credentials", json={"unipile_api_key": KEY, "unipile_api_url": "https://a.example.com"})
    agent.problem(403, "forbidden", "DELETE", "/api/user/credentials")
    agent.problem(403, "forbidden", "POST", "/api/channels/whatsapp/connect", json={"external_account_id": "a"})


# --- addresses that lead to us --------------------------------------------------------------------------


def corpus():
    for line in (ROOT / "tests" / "corpus" / "urls.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            verdict, url = line.split("\t")[:2]
            yield verdict, url.encode().decode("unicode_escape") if "\\x" in url else url


def test_every_place_that_takes_a_url_refuses_those_that_lead_elsewhere(sim, api):
    n = {"pass": 0, "refuse": 0}
    for verdict, url in corpus():
        body = {"unipile_api_key": KEY, "unipile_api_url": sim.base_url("unipile"), "webhook_url": url}
        status = api.post("/api/user/credentials", json=body).status_code
        # An empty one is none.
        assert status == 200 if verdict == "pass" or not url else status in (400, 422), url
        if verdict == "refuse":
            answer = api.post("/api/user/credentials", json={"unipile_api_key": KEY, "unipile_api_url": url})
            assert answer.status_code in (400, 422), url
        n[verdict] += 1
    assert n["pass"] > 10 and n["refuse"] > 40


# --- channels through UniPile -----------------------------------------------------------------------------


def test_accounts_behind_unipile_are_listed_by_platform_tried_connected_and_disconnected(stack, sim, tenant, api):
    account, other = known(sim, tenant, name="Front desk"), known(sim, tenant, "LINKEDIN")
    api.problem(409, "no_credentials", "GET", "/api/channels/linkedin/available")
    unipile(api, sim)
    listed, cursor = {}, None
    while cursor is not None or not listed:
        page = api.ok("GET", "/api/channels/whatsapp/available" + (f"?cursor={cursor}" if cursor else ""))
        listed.update({a["external_account_id"]: a for a in page["items"]})
        cursor = page["next_cursor"]
    assert listed[account]["channel_id"] is None and listed[account]["platform"] == "whatsapp" and other not in listed
    tried = api.ok("POST", "/api/channels/whatsapp/test", json={"external_account_id": account})
    assert tried["ok"] and tried["account"]["external_account_id"] == account
    assert api.ok("GET", "/api/channels")["items"] == []
    channel = api.ok("POST", "/api/channels/whatsapp/connect", 201, json={"external_account_id": account})["channel"]
    assert (channel["provider"], channel["platform"], channel["account_type"], channel["status"]) == ("unipile", "whatsapp", "WHATSAPP", "ok")
    assert channel["credentials"]["present"] and channel["credentials"]["health"] == "valid"
    assert api.ok("GET", f"/api/channels/{channel['id']}") == channel
    assert [c["id"] for c in api.ok("GET", "/api/channels?platform=whatsapp")["items"]] == [channel["id"]]
    assert api.ok("GET", "/api/channels?platform=x")["items"] == []
    assert api.delete(f"/api/channels/{channel['id']}").status_code == 204
    gone = api.ok("GET", f"/api/channels/{channel['id']}")
    assert gone["status"] == "disconnected" and not gone["credentials"]["present"]
    again = api.ok("POST", f"/api/channels/{channel['id']}/reconnect", json={})["channel"]
    assert again["id"] == channel["id"] and again["status"] == "ok" and again["credentials"]["present"]
    assert audited(stack, tenant)[1:] == ["channel.connected", "channel.disconnected", "channel.reconnected"]


def test_an_account_is_connected_as_what_it_is(sim, tenant, api):
    account = known(sim, tenant, "LINKEDIN")
    unipile(api, sim)
    api.problem(422, "wrong_platform", "POST", "/api/channels/whatsapp/connect", json={"external_account_id": account})
    api.problem(422, "account_wanted", "POST", "/api/channels/whatsapp/connect", json={})
    api.problem(404, "invalid_request", "POST", "/api/channels/fax/connect", json={"external_account_id": account})
    api.problem(404, "not_found", "POST", "/api/channels/linkedin/connect?via=direct", json={"external_account_id": account})
    assert api.ok("GET", "/api/channels")["items"] == []


def test_an_account_belongs_to_one_tenant_and_the_other_learns_nothing(stack, sim, tenant, api):
    account, other = known(sim, tenant), stack.tenant("Blue Lagoon")
    for caller in (other.api(), api):
        unipile(caller, sim)
    channel = other.api().ok("POST", "/api/channels/whatsapp/connect", 201, json={"external_account_id": account})["channel"]
    answer = api.post("/api/channels/whatsapp/connect", json={"external_account_id": account})
    assert answer.status_code == 409 and answer.json()["code"] == "account_taken"
    for word in (other.id, channel["id"], "Blue Lagoon"):
        assert word not in answer.text
    page = api.ok("GET", "/api/channels/whatsapp/available")["items"]
    assert [a["channel_id"] for a in page if a["external_account_id"] == account] in ([None], [])
    for method, path in (("GET", ""), ("GET", "?live=true"), ("DELETE", ""), ("POST", "/reconnect")):
        api.problem(404, "not_found", method, f"/api/channels/{channel['id']}{path}")
    assert other.api().ok("GET", f"/api/channels/{channel['id']}")["status"] == "ok"
    assert "channel.disconnected" not in audited(stack, tenant)


def test_a_key_makes_one_connection_of_two_requests(sim, tenant, api):
    account, key = known(sim, tenant), {"Idempotency-Key": uuid.uuid4().hex}
    unipile(api, sim)
    first = api.post("/api/channels/whatsapp/connect", json={"external_account_id": account}, headers=key)
    second = api.post("/api/channels/whatsapp/connect", json={"external_account_id": account}, headers=key)
    assert first.status_code == second.status_code == 201 and first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"


def test_new_credentials_reach_the_channels_and_deleted_ones_leave_them(stack, sim, tenant, api):
    account = known(sim, tenant)
    unipile(api, sim)
    channel = api.ok("POST", "/api/channels/whatsapp/connect", 201, json={"external_account_id": account})["channel"]["id"]

    def sealed():
        return stack.query("SELECT credentials, status, credential_status FROM channels_account WHERE id = %s", channel)[0]

    before = sealed()
    unipile(api, sim, key="sim-another-key")
    assert sealed()[0] not in (None, before[0])
    assert api.ok("GET", f"/api/channels/{channel}?live=true")["status"] == "ok"
    api.delete("/api/user/credentials")
    assert sealed() == (None, "auth_required", "revoked")


# --- channels by their own credentials --------------------------------------------------------------------


def test_a_bot_is_connected_by_its_token(stack, sim, tenant, api):
    token = "sim-7000001-bot-canary"
    body = {"credentials": {"access_token": token}}
    channel = api.ok("POST", "/api/channels/telegram/connect", 201, json=body)["channel"]
    assert (channel["provider"], channel["external_account_id"], channel["account_type"]) == ("telegram", "7000001", "bot")
    row = stack.query("SELECT credentials, base_url FROM channels_account WHERE id = %s", channel["id"])[0]
    assert token.encode() not in row[0] and row[1] == sim.base_url("telegram")
    live = api.ok("GET", f"/api/channels/{channel['id']}?live=true")
    assert live["credentials"]["health"] == "valid" and live["rev"] > channel["rev"]
    api.problem(422, "credentials_wanted", "POST", "/api/channels/telegram/connect?via=direct", json={"external_account_id": "1"})
    api.delete(f"/api/channels/{channel['id']}")
    api.problem(409, "credentials_wanted", "POST", f"/api/channels/{channel['id']}/reconnect", json={})
    assert api.ok("POST", f"/api/channels/{channel['id']}/reconnect", json=body)["channel"]["status"] == "ok"


def test_a_token_that_is_refused_marks_the_channel_when_it_is_looked_at(stack, sim, tenant, api):
    body = {"credentials": {"access_token": "sim-7000002-good"}}
    channel = api.ok("POST", "/api/channels/telegram/connect", 201, json=body)["channel"]["id"]
    refused = api.ok("POST", "/api/channels/telegram/test", json={"credentials": {"access_token": "sim-revoked-7000002"}})
    assert refused["ok"] is False and refused["reason"] and refused["account"] is None
    api.problem(422, "credentials_refused", "POST", f"/api/channels/{channel}/reconnect",
                json={"credentials": {"access_token": "sim-revoked-7000002"}})  # fmt: skip
    assert api.ok("GET", f"/api/channels/{channel}")["status"] == "ok", "nothing was changed"


def in_days(n):
    return f"{datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=n):%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize(("expires", "health"), [
    ("2020-01-01T00:00:00Z", "expired"), (in_days(3), "expiring"), ("2099-01-01T00:00:00Z", "valid"),
])  # fmt: skip
def test_credentials_expire_when_they_were_said_to(api, expires, health):
    number = 10**8 + uuid.uuid4().int % 10**9
    body = {"credentials": {"access_token": f"sim-{number}-x", "expires_at": expires}}
    channel = api.ok("POST", "/api/channels/telegram/connect", 201, json=body)["channel"]
    assert channel["credentials"]["health"] == health
    assert channel["credentials"]["expires_at"] == expires.replace("Z", ".000Z")
    # A look at the provider, which takes the token, changes nothing of when it ends.
    for shown in (api.ok("GET", f"/api/channels/{channel['id']}?live=true"), api.ok("GET", "/api/channels")["items"][0]):
        assert shown["credentials"]["health"] == health
    (webhooks,) = api.ok("GET", "/api/webhooks/health")["items"]
    assert webhooks["credentials"] == health
    found = findings(api).get("credentials_run_out", {"count": 0, "examples": [], "command": ""})
    assert found["count"] == (health != "valid") and found["examples"] == [channel["id"]] * found["count"]
    assert found["count"] == 0 or found["command"].endswith(f"POST /api/channels/{channel['id']}/reconnect")


def test_connecting_hands_on_what_waits_and_tells_clients(stack, tenant, api):
    bot = str(10**8 + uuid.uuid4().int % 10**9)
    waiting = uuid.uuid4()
    stack.query("INSERT INTO quarantine (id, tenant_id, provider, account, reason, topic, partition, \"offset\", body, received_at)"
                " VALUES (%s, %s, 'telegram', %s, 'unknown_account', %s, 0, 0, 'x', now()) RETURNING 1",
                waiting, tenant.id, bot, waiting.hex)  # fmt: skip
    body = {"credentials": {"access_token": f"sim-{bot}-x"}}
    channel = api.ok("POST", "/api/channels/telegram/connect", 201, json=body)["channel"]
    told = stack.query("SELECT object_kind, object_id::text FROM outbox WHERE tenant_id = %s ORDER BY 1", tenant.id)
    assert told == [("channel", channel["id"]), ("quarantine", str(waiting))]


def test_no_token_is_in_the_log(stack, daemon, sim, tenant, api):
    unipile(api, sim)
    api.post("/api/channels/telegram/test", json={"credentials": {"access_token": "sim-7-log-canary"}})
    text = daemon.log_path.read_text()
    assert "api listens" in text
    for canary in (KEY, "log-canary", "bot-canary"):
        assert canary not in text


# --- Instagram's own paths --------------------------------------------------------------------------------


def instagram(sim, tenant):
    account = f"1784{uuid.uuid4().int % 10**13:013d}"
    sim.account("instagram", account, tenant=tenant.id, username="shop", name="Shop")
    return account, f"sim-{account}-ig"


def test_instagram_is_tried_connected_and_shown_by_its_old_paths(stack, sim, tenant, api):
    account, token = instagram(sim, tenant)
    assert api.ok("GET", "/api/instagram/test") == {"ok": False, "connected": False, "accounts": []}
    tried = api.ok("POST", "/api/instagram/test-connection", json={"username": "@Shop", "access_token": token})
    assert tried["ok"] is True, tried
    assert tried["account"]["id"] == account and tried["account"]["username"] == "shop"
    assert "instagram_business_manage_messages" in tried["permissions"]
    wrong = api.ok("POST", "/api/instagram/test-connection", json={"username": "somebody", "access_token": token})
    assert wrong["ok"] is False and "user name" in wrong["reason"]
    body = {"username": "shop", "access_token": token, "business": {"name": "The shop", "city": "Ulm"}}
    api.problem(422, "wrong_account", "POST", "/api/user/update-instagram", json={**body, "username": "somebody"})
    channel = api.ok("POST", "/api/user/update-instagram", json=body)["channel"]
    assert (channel["external_account_id"], channel["name"], channel["provider"]) == (account, "The shop", "instagram")
    assert stack.scalar("SELECT settings -> 'business' ->> 'city' FROM channels_account WHERE id = %s", channel["id"]) == "Ulm"
    state = api.ok("GET", "/api/instagram/test")
    assert state["ok"] and state["connected"] and [a["channel_id"] for a in state["accounts"]] == [channel["id"]]


# --- what is said to an account that was connected so ------------------------------------------------------


@pytest.fixture(scope="module")
def way_out(stack, sim):
    stack.start("ingest"), stack.start("router")
    # Accounts are asked about when a test says that they are due.
    return stack.start("sender", allowed_hosts=sim.host, scheduler_poll="50ms", account_check="1h")


def wait_message(api, message, status):
    wait_until(lambda: api.ok("GET", f"/api/messages/{message['id']}")["status"] == status, 60, f"the message is {status}")


def test_what_is_said_by_instagrams_old_path_goes_out_once_and_is_read(sim, tenant, api, way_out):
    text, person = f"See you at {uuid.uuid4().hex[:8]}", f"8{uuid.uuid4().int % 10**15:015d}"
    account, token = instagram(sim, tenant)
    body = {"recipient": person, "text": text}
    api.problem(422, "unknown_channel", "POST", "/api/instagram/send-message", json=body)
    first = api.ok("POST", "/api/user/update-instagram", json={"access_token": token})["channel"]
    once = {"Idempotency-Key": uuid.uuid4().hex}
    said = [tenant.api("agent").ok("POST", "/api/instagram/send-message", 202, json=body, headers=once) for _ in range(2)]
    message = said[0]["message"]
    assert said[1]["message"]["id"] == message["id"] and message["status"] == "queued" and message["body"] == text
    wait_message(api, message, "read")
    sent = [row for row in sim.ledger(account=account) if row["text"] == text]
    assert [row["to"] for row in sent] == [person]
    other = api.ok("POST", "/api/user/update-instagram", json={"access_token": instagram(sim, tenant)[1]})["channel"]
    api.problem(422, "channel_wanted", "POST", "/api/instagram/send-message", json=body)
    picture = {"recipient": person, "channel_id": other["id"], "attachment": {"type": "image", "url": "https://a.example.com/b.jpg"}}
    message = api.ok("POST", "/api/instagram/send-message", 202, json=picture)["message"]
    assert (message["channel_id"], message["kind"]) == (other["id"], "image") and first["id"] != other["id"]
    nobodys = {**body, "channel_id": str(uuid.uuid4())}
    api.problem(422, "unknown_channel", "POST", "/api/instagram/send-message", json=nobodys)
    api.problem(422, "empty_message", "POST", "/api/instagram/send-message", json={"recipient": person, "channel_id": other["id"]})


def test_what_is_said_through_unipile_goes_out_and_is_read(sim, tenant, api, way_out):
    account, text = known(sim, tenant), f"Yes, {uuid.uuid4().hex[:8]}"
    unipile(api, sim)
    channel = api.ok("POST", "/api/channels/whatsapp/connect", 201, json={"external_account_id": account})["channel"]
    body = {"channel_id": channel["id"], "to": "+4915112345678", "text": text}
    wait_message(api, api.ok("POST", "/api/messages", 202, json=body), "read")
    assert sim.sends(text, account=account) == 1


def came_in(stack, tenant, api, account, **members):
    """A message through UniPile, and its conversation."""
    body = {"event": "message_received", "account_id": account, "account_type": "WHATSAPP", "chat_id": f"chat-{account}",
            "timestamp": "2026-01-01T00:00:01.000Z", "message_id": f"in-{account}", "message": "Good morning",
            "account_info": {"type": "WHATSAPP", "user_id": "15550100001@s.whatsapp.net"},
            "sender": {"attendee_id": "a1", "attendee_provider_id": "15550100002@s.whatsapp.net", "attendee_name": "Pat"},
            **members}  # fmt: skip
    assert stack.webhooks.unipile(tenant, body).status_code == 200
    return wait_until(lambda: [c for c in api.ok("GET", "/api/conversations?unread=true")["items"]
                               if c["external_id"] == body["chat_id"]], 30, "the message is there")[0]  # fmt: skip


def marks(stack, tenant):
    return stack.query("SELECT target, tries, due_at > now() FROM read_marks WHERE tenant_id = %s", tenant.id)


def test_what_is_read_is_told_to_the_provider_and_is_no_message(stack, sim, tenant, api, way_out):
    account = known(sim, tenant)
    unipile(api, sim)
    channel = api.ok("POST", "/api/channels/whatsapp/connect", 201, json={"external_account_id": account})["channel"]
    conversation = came_in(stack, tenant, api, account)
    read = api.ok("POST", f"/api/conversations/{conversation['id']}/read")
    assert read["unread_count"] == 0
    wait_until(lambda: not marks(stack, tenant), 60, "the mark is over")

    def told():
        return [row["kind"] for row in sim.ledger(provider="unipile") if row["to"] == conversation["external_id"]]

    assert told() == ["read"]
    shown = api.ok("GET", f"/api/conversations/{conversation['id']}")
    assert shown["last_message_at"] == conversation["last_message_at"], "nothing was sent that anybody is shown"
    assert [m["direction"] for m in api.ok("GET", f"/api/conversations/{conversation['id']}/messages")["items"]] == ["in"]
    api.ok("POST", f"/api/conversations/{conversation['id']}/read")
    assert marks(stack, tenant) == [], "what was read before is not told again"

    # A provider that does not answer is told later; one that will not hear of it, never. The caller notices neither.
    for day, fault, later in ((2, "error", True), (3, "refused", False)):
        came_in(stack, tenant, api, account, message_id=f"{fault}-{account}", timestamp=f"2026-01-0{day}T00:00:00.000Z")
        before = told()
        sim.fault(fault, provider="unipile", to=conversation["external_id"], count=1, status=503)
        assert api.ok("POST", f"/api/conversations/{conversation['id']}/read")["unread_count"] == 0
        sim.wait_struck(fault)
        if later:
            wait_until(lambda: marks(stack, tenant) == [(f"{fault}-{account}", 1, True)], 30, "it waits")
            stack.query("UPDATE read_marks SET due_at = now() WHERE tenant_id = %s RETURNING 1", tenant.id)
        wait_until(lambda: not marks(stack, tenant), 60, "the mark is over")
        assert told() == before + ["read"] * later
    text = f"Now {uuid.uuid4().hex[:8]}"
    wait_message(api, api.ok("POST", "/api/messages", 202, json={"channel_id": channel["id"], "to": "+4915112345678", "text": text}),
                 "read")  # fmt: skip


def test_a_network_without_read_marks_is_told_nothing(stack, sim, tenant, api, way_out):
    bot = str(10**8 + uuid.uuid4().int % 10**9)
    channel = api.ok("POST", "/api/channels/telegram/connect", 201, json={"credentials": {"access_token": f"sim-{bot}-x"}})["channel"]
    conversation = str(uuid.uuid4())
    stack.query("INSERT INTO conversations (tenant_id, id, channel_id, provider, platform, external_id, unread_count, last_inbound_at)"
                " VALUES (%s, %s, %s, 'telegram', 'telegram', '42', 1, now()) RETURNING 1", tenant.id, conversation, channel["id"])
    stack.query("INSERT INTO messages (tenant_id, id, channel_id, conversation_id, provider, platform, external_message_id, direction,"
                " status, kind, body, provider_at) VALUES (%s, gen_random_uuid(), %s, %s, 'telegram', 'telegram', '42:7', 'in',"
                " 'received', 'text', 'hi', now() - interval '1 minute') RETURNING 1", tenant.id, channel["id"], conversation)  # fmt: skip
    assert api.ok("POST", f"/api/conversations/{conversation}/read")["unread_count"] == 0
    assert marks(stack, tenant) == []


# --- what the provider says of an account -------------------------------------------------------------------


def reported(stack, channel):
    """As when the last look at it is long ago: what the next one brought."""
    stack.query("UPDATE channels_account SET asked_at = now() - interval '2 hours' WHERE id = %s RETURNING 1", channel)
    wait_until(lambda: stack.scalar("SELECT asked_at > now() - interval '1 hour' FROM channels_account WHERE id = %s", channel),
               60, "the account was asked about")  # fmt: skip


def test_an_account_that_changes_or_goes_at_its_provider_is_found(stack, sim, tenant, api, way_out):
    account = known(sim, tenant)
    unipile(api, sim)
    connect = {"external_account_id": account}
    channel = api.ok("POST", "/api/channels/whatsapp/connect", 201, json=connect)["channel"]["id"]
    reported(stack, channel)
    assert findings(api) == {}, "it is what it was connected as"

    sim.account("unipile", account, type="INSTAGRAM")
    reported(stack, channel)
    found = wait_until(lambda: findings(api), 30, "the other type is stored")["provider_type_mismatch"]
    assert (found["severity"], found["count"], found["examples"]) == ("error", 1, [channel])
    assert found["command"] == f"postrider channel connect {tenant.id} unipile {account} --type INSTAGRAM"
    stack.run(*found["command"].split()[1:])
    assert findings(api) == {}, "the command mends it"

    sim.account("unipile", account, type="INSTAGRAM", status="CREDENTIALS")
    reported(stack, channel)
    wait_until(lambda: "account_gone" in findings(api), 30, "the account is cut off")
    assert api.ok("GET", f"/api/channels/{channel}")["status"] == "auth_required"
    sim.account("unipile", account, type="INSTAGRAM", status="OK")
    reported(stack, channel)
    wait_until(lambda: findings(api) == {}, 30, "it is back, and nobody had to do anything")

    # The simulator knows no account of such a name.
    stack.query("UPDATE channels_account SET external_account_id = %s WHERE id = %s RETURNING 1", f"absent-{account}", channel)
    reported(stack, channel)
    found = wait_until(lambda: findings(api), 30, "the account's absence is stored")["provider_account_absent"]
    assert found["examples"] == [channel] and f"/api/channels/{channel}/reconnect" in found["command"]
    stack.query("UPDATE channels_account SET external_account_id = %s WHERE id = %s RETURNING 1", account, channel)
    assert api.ok("GET", f"/api/channels/{channel}?live=true")["status"] == "ok"
    assert findings(api) == {}, "who looks at it through the api hears the same"
    for result, least in (("there", 3), ("absent", 1)):
        assert way_out.metric("postrider_sender_account_checks_total", provider="unipile", result=result) >= least


def test_credentials_that_are_withdrawn_or_run_out_are_noticed_before_anybody_sends(stack, sim, tenant, api, way_out):
    number = str(10**8 + uuid.uuid4().int % 10**9)
    body = {"credentials": {"access_token": f"sim-{number}-x"}}
    channel = api.ok("POST", "/api/channels/telegram/connect", 201, json=body)["channel"]["id"]

    def health():
        shown = api.ok("GET", f"/api/channels/{channel}")
        return shown["status"], shown["credentials"]["health"]

    sim.fault("revoked", provider="telegram", account=number, on="all", count=1)
    reported(stack, channel)
    sim.wait_struck("revoked")
    wait_until(lambda: health() == ("auth_required", "revoked"), 30, "the channel is marked")
    assert api.ok("GET", f"/api/channels/{channel}")["credentials"]["detail"], "in words for people"
    # No answer that says it changes nothing.
    sim.fault("error", provider="telegram", account=number, on="all", count=1, status=503)
    reported(stack, channel)
    sim.wait_struck("error")
    before = way_out.metric("postrider_sender_account_checks_total", provider="telegram", result="there")
    assert health() == ("auth_required", "revoked")
    reported(stack, channel)
    wait_until(lambda: way_out.metric("postrider_sender_account_checks_total", provider="telegram", result="there") > before,
               30, "it answers again")  # fmt: skip
    wait_until(lambda: health() == ("ok", "valid"), 30, "and is well")


# --- how webhooks do --------------------------------------------------------------------------------------


def test_the_health_of_webhooks_counts_what_came_and_what_waits(stack, tenant, api):
    channel = tenant.connect("telegram", f"9{uuid.uuid4().int % 10**8}")
    account = stack.scalar("SELECT external_account_id FROM channels_account WHERE id = %s", channel)
    stack.query("INSERT INTO events (tenant_id, channel_id, event_key, kind, topic, partition, \"offset\", idx, stored_at)"
                " SELECT %s, %s, 'k' || n, 'message', 't', 0, n, 0, now() - n * interval '20 minutes'"
                " FROM generate_series(0, 5) n RETURNING 1", tenant.id, channel)  # fmt: skip
    for n in range(2):
        stack.query("INSERT INTO quarantine (id, tenant_id, provider, account, reason, topic, partition, \"offset\", body,"
                    " received_at) VALUES (gen_random_uuid(), %s, 'telegram', %s, 'poison', %s, 0, %s, 'x', now()) RETURNING 1",
                    tenant.id, account, account, n)  # fmt: skip
    rows = api.ok("GET", "/api/webhooks/health")["items"]
    assert [r["channel_id"] for r in rows] == [channel]
    assert (rows[0]["events_last_hour"], rows[0]["lost"], rows[0]["failures_last_day"]) == (3, 2, 2)
    assert rows[0]["last_event_at"] and rows[0]["oldest_lost_at"] and rows[0]["lag_ms"] is None
    assert stack.tenant().api().ok("GET", "/api/webhooks/health")["items"] == []


def test_lists_are_paged(stack, tenant, api):
    channels = [tenant.connect("telegram", f"{n}{uuid.uuid4().int % 10**8}") for n in range(1, 4)]
    for path, key in (("/api/channels", "id"), ("/api/webhooks/health", "channel_id")):
        seen, cursor = [], ""
        while cursor is not None:
            page = api.ok("GET", f"{path}?limit=2{cursor}")
            seen += [row[key] for row in page["items"]]
            cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        assert sorted(seen) == sorted(channels), path
        api.problem(400, "invalid_request", "GET", f"{path}?limit=0")


# --- registering webhooks ---------------------------------------------------------------------------------


def register(stack, sim, *words, check=True, **env):
    settings = {f"POSTRIDER_{k.upper()}": v for k, v in {**sim.settings(), "meta_app_id": "111000000000001", "x_app_token": "sim-x-app", **env}.items()}
    return stack.run("webhooks", "register", *words, "--json", env=settings, check=check)


def test_webhooks_are_registered_once_and_found_again(stack, sim, tenant, api):
    known(sim, tenant)
    unipile(api, sim)
    words = (tenant.id, "--provider", "unipile", "--url", "https://in.example.com")
    missing = register(stack, sim, *words, "--check", check=False)
    assert missing.returncode == 1 and [r["result"] for r in json.loads(missing.stdout)] == ["missing", "missing"]
    created = json.loads(register(stack, sim, *words).stdout)
    assert [(r["result"], r["url"]) for r in created] == [("created", f"https://in.example.com/webhooks/unipile/{tenant.id}")] * 2
    found = json.loads(register(stack, sim, *words).stdout)
    assert [(r["result"], r["id"]) for r in found] == [("found", r["id"]) for r in created]
    bot = str(10**8 + uuid.uuid4().int % 10**9)
    channel = api.ok("POST", "/api/channels/telegram/connect", 201, json={"credentials": {"access_token": f"sim-{bot}-x"}})["channel"]
    for want in ("created", "found"):
        rows = json.loads(register(stack, sim, tenant.id, channel["id"], "--url", "https://in.example.com").stdout)
        assert [(r["result"], r["account"]) for r in rows] == [(want, bot)], rows
    health = {r["channel_id"]: r for r in api.ok("GET", "/api/webhooks/health")["items"]}
    assert health[channel["id"]]["registered_at"]


APPS = {  # a channel's account and credentials
    "instagram": lambda n: (f"1784{n:013d}", {"access_token": f"sim-1784{n:013d}-ig"}),
    "messenger": lambda n: (f"1{n:014d}", {"access_token": f"sim-1{n:014d}-page"}),
    "whatsapp": lambda n: (f"3{n:014d}", {"access_token": f"sim-3{n:014d}-wa", "parent_id": f"2{n:014d}"}),
    "x": lambda n: (f"15{n:017d}", {"access_token": f"sim-15{n:017d}-x"}),
}


@pytest.mark.parametrize("provider", APPS)
def test_an_apps_webhook_is_registered_by_its_challenge_and_its_account_subscribed(stack, sim, tenant, api, way_out, provider):
    account, credentials = APPS[provider](uuid.uuid4().int % 10**13)
    sim.account(provider, account, tenant=tenant.id)
    body = {"external_account_id": account, "credentials": credentials}
    channel = api.ok("POST", f"/api/channels/{provider}/connect?via=direct", 201, json=body)["channel"]["id"]

    def results(*words, **env):
        ran = register(stack, sim, tenant.id, channel, "--url", "https://in.example.com", *words, check=False, **env)
        return ran.returncode, [(r["of_app"], r["account"], r["result"], r["message"]) for r in json.loads(ran.stdout)]

    status, rows = results("--check")
    assert (status, rows[0][2]) == (1, "missing"), rows
    if provider != "x":  # its challenge is signed by what signs deliveries: there is no second secret
        status, rows = results(meta_verify_token="not the one that ingest has")
        assert (status, len(rows), rows[0][2]) == (1, 1, "failed") and "verif" in rows[0][3].lower(), rows
        (health,) = api.ok("GET", "/api/webhooks/health")["items"]
        assert "verif" in health["last_error"].lower() and not health["registered_at"], "what was refused is shown"
    for want in ("created", "found"):
        status, rows = results()
        assert (status, [r[:3] for r in rows]) == (0, [(True, None, want), (False, account, want)]), rows
    (health,) = api.ok("GET", "/api/webhooks/health")["items"]
    assert (health["channel_id"], bool(health["registered_at"])) == (channel, True)
