# SPDX-License-Identifier: Apache-2.0
"""The operator's part of the api, and a tenant's own quarantine, consistency and audit log."""
import uuid

import pytest

from support.api import Api, forged_cursor
from support.sending import Sending
from support.tokens import make_token
from support.wait import wait_until
from test_refusals import unipile, wait_quarantined


@pytest.fixture(scope="module")
def running(shared_stack):
    for daemon in ("api", "ingest", "router"):
        shared_stack.start(daemon)
    return shared_stack


@pytest.fixture
def shop(running):
    return running, running.tenant()


def operator(stack):
    """An operator's token names the nil tenant."""
    return Api(stack.api_url, make_token(stack.secrets["jwt_secret"], uuid.UUID(int=0), role="operator", sub="root"))


def test_tenants_are_created_listed_changed_and_limited(shop):
    stack, tenant = shop
    api = operator(stack)
    made = api.post("/api/operator/tenants", {"name": "Zoe's", "max_channels": 1}, headers={"Idempotency-Key": "k1"})
    assert made.status_code == 201, made.text
    again = api.post("/api/operator/tenants", {"name": "Zoe's", "max_channels": 1}, headers={"Idempotency-Key": "k1"})
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (made.json(), "true")
    zoe = made.json()["id"]
    assert stack.query("SELECT name, max_channels FROM tenants WHERE id = %s", zoe) == [("Zoe's", 1)]
    listed, cursor = [], None
    while cursor or not listed:
        page = api.get("/api/operator/tenants", params={"limit": 1, **({"cursor": cursor} if cursor else {})}).json()
        assert len(page["items"]) == 1
        listed, cursor = listed + [page["items"][0]["id"]], page["next_cursor"]
    assert {tenant.id, zoe} <= set(listed) and len(set(listed)) == len(listed) == stack.scalar("SELECT count(*) FROM tenants")
    api.problem(422, "invalid_cursor", "GET", f"/api/operator/tenants?cursor={forged_cursor('1', '', 'Zoe', 'no')}")

    stack.run("channel", "connect", zoe, "telegram", "1")
    refused = stack.run("channel", "connect", zoe, "telegram", "2", check=False)
    assert refused.returncode != 0 and "may have 1 channels" in refused.stderr
    lifted = api.patch(f"/api/operator/tenants/{zoe}", {"max_channels": None})
    assert lifted.status_code == 200 and lifted.json()["max_channels"] is None and lifted.json()["channels"] == 1
    stack.run("channel", "connect", zoe, "telegram", "2")

    stale = api.patch(f"/api/operator/tenants/{zoe}", {"name": "Z"}, headers={"If-Match": made.headers["ETag"]})
    assert (stale.status_code, stale.json()["code"]) == (412, "changed_meanwhile")
    assert api.get(f"/api/operator/tenants/{uuid.uuid4()}").status_code == 404
    actions = [a["action"] for a in api.get(f"/api/operator/tenants/{zoe}/audit").json()["items"]]
    assert actions == ["tenant.change", "tenant.create"]


def test_a_suspended_tenant_is_refused_within_seconds_and_admitted_again(shop):
    stack, tenant = shop
    api, owner = operator(stack), tenant.api()
    assert owner.get("/api/me").status_code == 200
    assert api.patch(f"/api/operator/tenants/{tenant.id}", {"status": "suspended"}).status_code == 200
    refused = wait_until(lambda: (a := owner.get("/api/me")).status_code == 403 and [a], 30, "the tenant is refused")
    assert refused[0].json()["code"] == "tenant_suspended"
    assert api.patch(f"/api/operator/tenants/{tenant.id}", {"status": "active"}).status_code == 200
    wait_until(lambda: owner.get("/api/me").status_code == 200, 30, "the tenant is admitted")


def test_the_token_of_a_tenant_that_is_gone_opens_nothing(shop):
    stack, _ = shop
    gone = Api(stack.api_url, make_token(stack.secrets["jwt_secret"], uuid.uuid4(), role="owner"))
    assert (gone.get("/api/me").status_code, gone.get("/api/me").json()["code"]) == (401, "invalid_token")


def test_a_tenant_is_no_operator(shop):
    stack, tenant = shop
    for role in ("owner", "agent"):
        assert tenant.api(role).get("/api/operator/tenants").status_code == 403
    assert tenant.api("agent").get("/api/audit").status_code == 403
    assert operator(stack).get("/api/audit").status_code == 403


def test_a_tenant_sees_replays_and_drops_its_own_quarantine(shop):
    stack, tenant = shop
    for i in range(3):
        stack.webhooks.unipile(tenant, unipile(account="nobody", message_id=f"m-{i}"))
    wait_until(lambda: stack.scalar("SELECT count(*) FROM quarantine WHERE account = 'nobody'") == 3, 30, "three records wait")
    owner, other = tenant.api(), stack.tenant("other").api()
    listed = owner.get("/api/webhooks/quarantine?limit=2").json()
    assert listed["reasons"][0]["reason"] == "unknown_account" and listed["reasons"][0]["count"] == 3
    rest = owner.get("/api/webhooks/quarantine", params={"cursor": listed["next_cursor"]}).json()
    ids = [item["id"] for item in listed["items"] + rest["items"]]
    assert len(set(ids)) == 3
    assert other.get("/api/webhooks/quarantine").json()["items"] == []
    whole = owner.get(f"/api/webhooks/quarantine/{ids[0]}").json()
    assert '"m-0"' in whole["body"] and whole["headers"]["postrider-provider"] == "unipile"
    for call in (other.get, other.delete):
        assert call(f"/api/webhooks/quarantine/{ids[0]}").status_code == 404
    assert other.post(f"/api/webhooks/quarantine/{ids[0]}/replay").status_code == 404
    assert tenant.api("agent").delete(f"/api/webhooks/quarantine/{ids[0]}").status_code == 403

    assert owner.post(f"/api/webhooks/quarantine/{ids[0]}/replay").json() == {"id": ids[0], "result": "queued"}
    assert stack.scalar("SELECT count(*) FROM outbox WHERE object_kind = 'quarantine' AND tenant_id = %s", tenant.id) == 1
    assert owner.delete(f"/api/webhooks/quarantine/{ids[1]}").status_code == 204
    settled = owner.post(f"/api/webhooks/quarantine/{ids[1]}/replay")
    assert (settled.status_code, settled.json()["code"]) == (409, "quarantine_settled")
    log = owner.get("/api/audit").json()["items"]
    assert [(a["action"], a["object_id"]) for a in log] == [
        ("quarantine.drop", ids[1]), ("quarantine.replay", ids[0])]


class Nowhere:
    """The provider of channels that send nothing."""

    host = "nowhere.example.com"

    @staticmethod
    def base_url(provider):
        return f"https://{provider}.example.com"


def test_an_operator_sees_why_a_message_and_its_channel_stand_still_and_nobodys_words(shop):
    stack, tenant = shop
    api, mark = operator(stack), uuid.uuid4().hex
    channel = Sending(stack, Nowhere).channel(tenant=tenant, send_per_minute=30)
    c = channel.conversation(f"chat-{mark}")
    stack.query("UPDATE conversations SET contact_name = %s, contact_id = %s, last_message_at = now() WHERE id = %s RETURNING 1",
                f"name {mark}", f"phone {mark}", c.id)  # fmt: skip
    first, second = c.store(f"words {mark}"), c.store(f"more words {mark}")
    stack.query("UPDATE messages SET status = 'retry', attempt = 1, next_attempt_at = now() + interval '1 hour', "
                "error_code = '429' WHERE id = %s RETURNING 1", first)  # fmt: skip
    stack.query("INSERT INTO send_attempts (tenant_id, message_id, attempt, channel_id, finished_at, outcome, class, http_status, "
                "error_code, retry_at) VALUES (%s, %s, 1, %s, now(), 'retry', 'rate_limited', 429, '429', now()) RETURNING 1",
                tenant.id, first, channel.id)  # fmt: skip
    stack.query("INSERT INTO send_pace (key, tat_us) VALUES (%s, 2000000000000000) RETURNING 1", channel.id)
    stack.query("INSERT INTO quarantine (id, tenant_id, provider, account, reason, topic, partition, \"offset\", body, received_at)"
                " VALUES (gen_random_uuid(), %s, 'telegram', %s, 'poison', %s, 0, 0, %s, now()) RETURNING 1",
                tenant.id, channel.account, mark, f"bytes {mark}".encode())  # fmt: skip

    answer = api.get(f"/api/operator/debug/messages/{second}")
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["message"]["tenant_id"], shown["message"]["status"], shown["message"]["has_text"]) == (tenant.id, "queued", True)
    assert shown["claim"]["waits_for"] == first and shown["claim"]["unsettled"] and shown["attempts"] == []
    ahead = api.get(f"/api/operator/debug/messages/{first}").json()
    assert ahead["claim"]["waits_for"] is None and ahead["claim"]["next_attempt_at"] > ahead["message"]["stored_at"]
    assert [(a["attempt"], a["class"], a["http_status"]) for a in ahead["attempts"]] == [(1, "rate_limited", 429)]
    assert [(q["reason"], q["count"]) for q in ahead["quarantine"]] == [("poison", 1)]

    held = api.get(f"/api/operator/debug/channels/{channel.id}")
    assert held.status_code == 200, held.text
    held = held.json()
    assert (held["channel"]["external_account_id"], held["channel"]["send_per_minute"]) == (channel.account, "30")
    assert (held["credentials"]["present"], held["credentials"]["health"]) == (True, "valid")
    assert held["pace"] == [{"of": "account", "next_at": "2033-05-18T03:33:20.000Z"}]
    assert [(w["status"], w["count"], w["example"]) for w in held["waiting"]] == [("queued", 1, second), ("retry", 1, first)]
    assert held["quarantine"] == ahead["quarantine"]

    for text in (answer.text, str(ahead), str(held)):
        assert mark not in text and f"sim-{channel.account}" not in text, "words, people or secrets"
    looks = [a for a in api.get(f"/api/operator/tenants/{tenant.id}/audit?action=operator.look").json()["items"]]
    assert [(a["actor"], a["object_kind"], a["object_id"]) for a in looks] == [
        ("root", "channel", channel.id), ("root", "message", first), ("root", "message", second)]  # fmt: skip
    for path in ("messages", "channels"):
        assert api.get(f"/api/operator/debug/{path}/{uuid.uuid4()}").status_code == 404
        assert tenant.api().get(f"/api/operator/debug/{path}/{second}").status_code == 403


def test_what_came_in_is_followed_to_its_record(shop):
    stack, tenant = shop
    api, account = operator(stack), f"acct{uuid.uuid4().hex[:8]}"
    tenant.connect("unipile", account, "WHATSAPP")
    assert stack.webhooks.unipile(tenant, unipile(account=account, message_id=f"in-{account}")).status_code == 200
    message = wait_until(lambda: stack.query("SELECT id::text FROM messages WHERE external_message_id = %s", f"in-{account}"),
                         30, "the message is stored")[0][0]  # fmt: skip
    shown = api.get(f"/api/operator/debug/messages/{message}").json()
    (event,) = shown["events"]
    assert (event["kind"], event["change"], event["topic"]) == ("message", "created", f"{stack.topic_prefix}inbound")
    assert shown["claim"] is None and shown["channel"]["status"] == "ok"
    last = api.get(f"/api/operator/debug/channels/{shown['message']['channel_id']}").json()
    assert [m["message_id"] for m in last["latest"]] == [message] and last["events"]["last_hour"] == 1


def test_the_consistency_check_shows_a_tenant_its_own_findings_and_the_operator_all(shop):
    """The last one here: it leaves records that nobody reads."""
    stack, tenant = shop
    tenant.connect("unipile", "acme-whatsapp", "WHATSAPP")
    stack.webhooks.unipile(tenant, unipile(kind="TELEGRAM"))
    wait_quarantined(stack, "account_type_mismatch")
    # No sender runs: nobody reads these.
    stack.topics.produce_many("outbound", [b"x" * 8] * 10_001, partition=0)
    found = tenant.api().get("/api/webhooks/consistency-check").json()["findings"]
    assert [f["check"] for f in found] == [
        "account_type_mismatch", "partitions_behind", "quarantine_account_type_mismatch"]
    assert found[1]["examples"] == [f"{stack.topic_prefix}outbound[0]: 10001"] and found[1]["severity"] == "error"
    others = stack.tenant("other").api().get("/api/webhooks/consistency-check").json()["findings"]
    assert [f["check"] for f in others] == ["partitions_behind"], "the installation's, and nothing of another tenant's"
    everything = operator(stack).get("/api/operator/consistency-check").json()["findings"]
    assert {f["check"] for f in found} <= {f["check"] for f in everything}
    assert tenant.api().get("/api/operator/consistency-check").status_code == 403
