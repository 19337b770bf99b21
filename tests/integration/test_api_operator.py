# SPDX-License-Identifier: Apache-2.0
"""The operator's part of the api, and a tenant's own quarantine, consistency and audit log."""
import uuid

import pytest

from support.api import Api, forged_cursor
from support.tokens import make_token
from support.wait import wait_until
from test_refusals import unipile, wait_quarantined


@pytest.fixture
def shop(stack):
    stack.start("api")
    return stack, stack.tenant()


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
    first = api.get("/api/operator/tenants?limit=1").json()
    rest = api.get("/api/operator/tenants", params={"cursor": first["next_cursor"]}).json()
    assert {t["id"] for t in first["items"] + rest["items"]} == {tenant.id, zoe} and rest["next_cursor"] is None
    api.problem(400, "invalid_cursor", "GET", f"/api/operator/tenants?cursor={forged_cursor('1', '', 'Zoe', 'no')}")

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
    stack.start("ingest")
    stack.start("router")
    for i in range(3):
        stack.webhooks.unipile(tenant, unipile(account="nobody", message_id=f"m-{i}"))
    wait_until(lambda: stack.scalar("SELECT count(*) FROM quarantine") == 3, 30, "three records wait")
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
    assert stack.scalar("SELECT count(*) FROM outbox WHERE object_kind = 'quarantine'") == 1
    assert owner.delete(f"/api/webhooks/quarantine/{ids[1]}").status_code == 204
    settled = owner.post(f"/api/webhooks/quarantine/{ids[1]}/replay")
    assert (settled.status_code, settled.json()["code"]) == (409, "quarantine_settled")
    log = owner.get("/api/audit").json()["items"]
    assert [(a["action"], a["object_id"]) for a in log] == [
        ("quarantine.drop", ids[1]), ("quarantine.replay", ids[0])]


def test_the_consistency_check_shows_a_tenant_its_own_findings(shop):
    stack, tenant = shop
    stack.start("ingest")
    stack.start("router")
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
