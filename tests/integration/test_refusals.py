# SPDX-License-Identifier: Apache-2.0
"""Webhooks that are wrong in every way: each gets the documented answer, and nothing is lost."""
import json
import socket
import uuid

import pytest

from support.wait import steady, wait_until


def unipile(event="message_received", account="acme-whatsapp", kind="WHATSAPP", **members):
    return {
        "event": event, "account_id": account, "account_type": kind, "chat_id": "chat-1",
        "timestamp": "2026-01-01T00:00:01.000Z", "message_id": "m-1", "message": "Good morning",
        "account_info": {"type": kind, "user_id": "15550100001@s.whatsapp.net"},
        "sender": {"attendee_id": "a1", "attendee_provider_id": "15550100002@s.whatsapp.net", "attendee_name": "Pat"},
        **members,
    }  # fmt: skip


def instagram(*items, account="17841400000000001", object="instagram"):
    return {"object": object, "entry": [{"id": account, "time": 1767225601100, "messaging": list(items)}]}


def ig_message(mid, text="hi", sender="9000000000000101", account="17841400000000001"):
    return {"sender": {"id": sender}, "recipient": {"id": account}, "timestamp": 1767225601000,
            "message": {"mid": mid, "text": text}}  # fmt: skip


class Shop:
    """A tenant with channels of its own; the daemons are the file's."""

    def __init__(self, stack):
        self.stack, self.tenant = stack, stack.tenant()
        n = uuid.uuid4().int
        self.account, self.page = f"acme-{n % 10**9}", str(n)[:17]
        self.tenant.connect("unipile", self.account, "WHATSAPP")
        self.tenant.connect("instagram", self.page)

    def unipile(self, event="message_received", **members):
        return unipile(event, **{"account": self.account, **members})

    def instagram(self, *mids, **members):
        return instagram(*(ig_message(mid, account=self.page, **members) for mid in mids), account=self.page)

    def records(self, topic):
        """Those that speak of it."""
        names = [name.encode() for name in (self.account, self.page, self.tenant.id)]
        return [r for r in self.stack.topics.records(topic) if any(n in r.key.encode() + (r.raw or b"") for n in names)]

    def messages(self):
        return self.stack.scalar("SELECT count(*) FROM messages WHERE tenant_id = %s", self.tenant.id)

    def wait_messages(self, n):
        self.stack.wait_rows(n, "SELECT count(*) FROM messages WHERE tenant_id = %s", self.tenant.id)

    def quarantined(self, reason):
        """Those of its own, and those that are nobody's and carry its name."""
        return [row for row in quarantined(self.stack, reason)
                if row[0] == self.tenant.id or any(n.encode() in bytes(row[2]) for n in (self.account, self.page))]  # fmt: skip

    def wait_quarantined(self, reason):
        return wait_until(lambda: self.quarantined(reason), 30, f"a record is quarantined as {reason}")[0]


@pytest.fixture(scope="module")
def served(shared_stack):
    shared_stack.start_all()
    return shared_stack


@pytest.fixture
def shop(served):
    return Shop(served)


def quarantined(stack, reason):
    return stack.query("SELECT tenant_id::text, provider, body, detail FROM quarantine WHERE reason = %s", reason)


def wait_quarantined(stack, reason):
    return wait_until(lambda: quarantined(stack, reason), 30, f"a record is quarantined as {reason}")[0]


def test_a_signature_that_is_wrong_or_missing_is_refused_and_nothing_reaches_kafka(shop):
    stack, tenant = shop.stack, shop.tenant
    body = json.dumps(shop.instagram("mid.1")).encode()
    assert stack.webhooks.post("/webhooks/instagram", body).status_code == 401
    assert stack.webhooks.meta("instagram", body, secret="not the secret").status_code == 403
    assert stack.webhooks.post("/webhooks/instagram", body, {"X-Hub-Signature-256": "sha256=00"}).status_code == 403
    assert stack.webhooks.post(f"/webhooks/unipile/{tenant.id}", shop.unipile()).status_code == 401
    assert stack.webhooks.unipile(tenant, shop.unipile(), secret="x" * 43).status_code == 403
    other = stack.tenant("other")
    assert stack.webhooks.post(
        f"/webhooks/unipile/{other.id}", shop.unipile(),
        {"Unipile-Auth": stack.run("tenant", "webhook-secret", tenant.id, "unipile").stdout.strip()},
    ).status_code == 403, "one tenant's secret opens another's webhook"  # fmt: skip
    assert shop.records("inbound") == []
    assert shop.records("quarantine") == []


def test_a_body_that_was_changed_on_the_way_is_refused(shop):
    stack = shop.stack
    from support.webhooks import meta_signature

    body = json.dumps(shop.instagram("mid.1")).encode()
    headers = {"X-Hub-Signature-256": meta_signature(stack.secrets["meta_app_secret"], body)}
    assert stack.webhooks.post("/webhooks/instagram", body + b" ", headers).status_code == 403
    assert stack.webhooks.post("/webhooks/instagram", body, headers).status_code == 200


def test_paths_and_methods_that_are_nobodys(shop):
    stack, tenant = shop.stack, shop.tenant
    post, get = stack.webhooks.post, stack.webhooks.get
    assert post("/webhooks/nobody", b"{}").status_code == 404
    assert post("/webhooks/unipile/not-a-uuid", b"{}").status_code == 404
    assert post("/webhooks/unipile", b"{}").status_code == 404
    assert get("/").status_code == 404
    assert get(f"/webhooks/unipile/{tenant.id}").status_code == 405


def test_the_handshake_of_meta(shop):
    stack = shop.stack
    token = stack.secrets["meta_verify_token"]
    for path in ("/webhooks/instagram", "/api/instagram/webhook"):
        good = stack.webhooks.get(path, **{"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1158201444"})
        assert (good.status_code, good.text) == (200, "1158201444")
        wrong = stack.webhooks.get(path, **{"hub.mode": "subscribe", "hub.verify_token": "no", "hub.challenge": "1"})
        assert wrong.status_code == 403
        assert stack.webhooks.get(path).status_code == 400


def test_an_unknown_tenant_behind_a_valid_secret_is_quarantined(shop):
    stack = shop.stack
    nobody = str(uuid.uuid4())
    assert stack.webhooks.unipile(nobody, shop.unipile()).status_code == 200
    _, provider, body, _ = shop.wait_quarantined("unknown_tenant")
    assert provider == "unipile"
    assert json.loads(bytes(body)) == shop.unipile()


def test_an_unknown_account_is_quarantined_whole(shop):
    stack, tenant = shop.stack, shop.tenant
    assert stack.webhooks.unipile(tenant, shop.unipile(account="nobodys")).status_code == 200
    tenant_id, _, body, _ = shop.wait_quarantined("unknown_account")
    assert tenant_id == tenant.id
    assert json.loads(bytes(body))["account_id"] == "nobodys"


def test_another_tenants_account_is_unknown_to_this_one(shop):
    stack, tenant = shop.stack, shop.tenant
    other = stack.tenant("other")
    other.connect("unipile", "others-account", "WHATSAPP")
    assert stack.webhooks.unipile(tenant, shop.unipile(account="others-account")).status_code == 200
    tenant_id, _, _, detail = shop.wait_quarantined("unknown_account")
    assert tenant_id == tenant.id
    assert other.id not in detail, "the other tenant's existence must not show"
    assert stack.scalar("SELECT count(*) FROM messages WHERE tenant_id IN (%s, %s)", tenant.id, other.id) == 0


def test_a_wrong_account_type_is_quarantined_and_never_stored_under_the_channel(shop):
    stack, tenant = shop.stack, shop.tenant
    watcher = tenant.stream()
    assert stack.webhooks.unipile(tenant, shop.unipile(kind="LINKEDIN")).status_code == 200
    tenant_id, _, _, _ = shop.wait_quarantined("account_type_mismatch")
    assert tenant_id == tenant.id
    assert watcher.wait_updates(1, "quarantine.added")[0]["data"]["reason"] == "account_type_mismatch"
    assert shop.messages() == 0


@pytest.mark.parametrize(
    "body",
    [b'{"object": "instagram", "entry": [', b"", b"\xff\xfe\x00", b"[" * 100_000, b'"a string"'],
    ids=["cut off", "empty", "not text", "too deep", "no object"],
)
def test_a_body_behind_a_valid_signature_that_is_not_understood_is_kept_whole(shop, body):
    stack = shop.stack
    assert stack.webhooks.meta("instagram", body).status_code == 200
    rows = wait_until(
        lambda: stack.query("SELECT body, topic FROM quarantine WHERE reason IN ('not_json', 'not_understood') AND body = %s", body),
        30, "the body is quarantined")  # fmt: skip
    assert [bytes(b) for b, _ in rows] == [body]
    assert rows[0][1] == "http"


def test_a_body_over_the_limit_is_refused(shop):
    stack, tenant = shop.stack, shop.tenant
    big = shop.unipile(message="x" * (1 << 20))
    assert stack.webhooks.unipile(tenant, big).status_code == 413
    assert stack.webhooks.unipile(tenant, shop.unipile(message="x" * (900 << 10))).status_code == 200
    shop.wait_messages(1)


def test_an_event_nobody_knows_is_kept_whole_and_its_neighbours_are_served(shop):
    stack, tenant = shop.stack, shop.tenant
    assert stack.webhooks.unipile(tenant, shop.unipile("message_pinned")).status_code == 200
    _, _, body, detail = shop.wait_quarantined("unknown_event")
    assert json.loads(bytes(body)) == shop.unipile("message_pinned")
    assert "message_pinned" in detail
    item = {"sender": {"id": "9000000000000101"}, "recipient": {"id": shop.page},
            "timestamp": 1767225634000, "brand_new_thing": {"x": 1}}  # fmt: skip
    batch = instagram(ig_message("mid.1", account=shop.page), item,
                      ig_message("mid.2", sender="9000000000000102", account=shop.page), account=shop.page)  # fmt: skip
    assert stack.webhooks.meta("instagram", batch).status_code == 200
    shop.wait_messages(2)
    wait_until(lambda: len(shop.quarantined("unknown_event")) == 2, 30, "the unknown item is quarantined too")
    assert any(b"brand_new_thing" in bytes(row[2]) for row in shop.quarantined("unknown_event"))


def test_a_batch_across_accounts_and_conversations_is_split_and_each_event_stored(shop):
    stack, tenant = shop.stack, shop.tenant
    first, second = shop.page, str(uuid.uuid4().int)[:17]
    tenant.connect("instagram", second)
    body = {"object": "instagram", "entry": [
        {"id": first, "time": 1, "messaging": [ig_message(f"mid.{i}", sender=str(9000 + i % 3), account=first) for i in range(9)]},
        {"id": second, "time": 1, "messaging": [ig_message("mid.other", account=second)]},
    ]}  # fmt: skip
    assert stack.webhooks.meta("instagram", body).status_code == 200
    shop.wait_messages(10)
    assert stack.scalar("SELECT count(*) FROM conversations WHERE tenant_id = %s", tenant.id) == 4
    records = [r for r in stack.topics.records("inbound") if r.key.split(":")[1] in (first, second)]
    assert sorted(r.key for r in records) == sorted([
        f"instagram:{first}:9000", f"instagram:{first}:9001", f"instagram:{first}:9002",
        f"instagram:{second}:9000000000000101",
    ])  # fmt: skip


def test_a_message_sent_twice_at_once_is_stored_once(shop):
    stack, tenant = shop.stack, shop.tenant
    watcher, router = tenant.stream(), stack.daemons[1]

    def dropped():
        return router.metric("postrider_router_events_total", outcome="duplicate")

    before = dropped()
    for _ in range(5):
        assert stack.webhooks.unipile(tenant, shop.unipile()).status_code == 200
    watcher.wait_updates(1, "message.created")
    wait_until(lambda: dropped() - before == 4, 30, "four are dropped")
    assert shop.messages() == 1
    assert steady(lambda: len(watcher.updates("message.created")), 0.5, 20, "no more come") == 1


def test_an_expect_100_and_a_chunked_body_are_taken(shop):
    stack, tenant = shop.stack, shop.tenant
    from support.webhooks import derived_secret

    secret = derived_secret(stack.secrets["webhook_master_key"], "unipile", tenant.id)
    body = json.dumps(shop.unipile(message_id="chunked")).encode()
    half = len(body) // 2
    request = (
        f"POST /webhooks/unipile/{tenant.id} HTTP/1.1\r\nHost: x\r\nUnipile-Auth: {secret}\r\n"
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", stack.ingest_port), timeout=30) as client:
        client.sendall(request)
        for part in (body[:half], body[half:]):
            client.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        client.sendall(b"0\r\n\r\n")
        answer = client.makefile("rb").readline()
    assert answer.startswith(b"HTTP/1.1 200")
    stack.wait_rows(1, "SELECT count(*) FROM messages WHERE external_message_id = 'chunked'")


def test_what_is_about_a_business_account_reaches_each_of_its_channels_once(shop):
    """WhatsApp names the business account in such webhooks, and none of its phone numbers."""
    stack, tenant = shop.stack, shop.tenant
    other, nobody = stack.tenant("other"), stack.tenant("third")
    business, strange = "200000000000401", "200000000000999"
    channels = {n: t.connect("whatsapp", n) for n, t in
                (("3001", tenant), ("3002", tenant), ("3003", other), ("3009", nobody))}  # fmt: skip

    def post(of, **change):
        body = {"object": "whatsapp_business_account", "entry": [{"id": of, "time": change.pop("time", 1767225660), "changes": [change]}]}
        assert stack.webhooks.meta("whatsapp", body).status_code == 200

    def message(number, of):
        post(of, field="messages", value={
            "messaging_product": "whatsapp", "metadata": {"display_phone_number": "15550100001", "phone_number_id": number},
            "messages": [{"from": "15550100002", "id": f"wamid.{number}", "timestamp": "1767225700", "type": "text", "text": {"body": "x"}}]})  # fmt: skip

    def statuses():
        return {n: s for n, s in stack.query("SELECT external_account_id, status FROM channels_account WHERE provider = 'whatsapp'")}

    streams = {t: t.stream() for t in (tenant, other, nobody)}
    restricted = {"field": "account_update", "value": {"event": "ACCOUNT_RESTRICTION", "restriction_info": [{"restriction_type": "X"}]}}
    # Nobody knows yet whose it is: it waits, and is replayed when a number says so.
    post(business, **restricted)
    wait_until(lambda: "whatsapp" in [row[1] for row in quarantined(stack, "unknown_account")], 30, "it waits")
    assert [row[0] for row in quarantined(stack, "unknown_account") if row[1] == "whatsapp"] == [None]
    message("3009", strange)
    message("3001", business)
    stack.wait_rows(1, "SELECT count(*) FROM channels_account WHERE external_account_id = '3001' AND parent_external_id = %s", business)
    stack.start("sender", scheduler_poll="50ms")
    wait_until(lambda: statuses()["3001"] == "error", 60, "what waited for the business account is replayed")
    for number in ("3002", "3003"):
        message(number, business)
    stack.wait_rows(3, "SELECT count(*) FROM channels_account WHERE parent_external_id = %s", business)
    for _ in range(2):  # and once more, as providers do
        post(business, time=1767229999, field="account_update", value={"event": "PARTNER_REMOVED"})
    wait_until(lambda: list(statuses().values()).count("auth_required") == 3, 30, "the status is on each channel")
    post(strange, time=1767230000, field="account_update", value={"event": "ACCOUNT_DELETED"})
    wait_until(lambda: statuses()["3009"] == "deleted", 30, "the last webhook is through")
    assert statuses() == {"3001": "auth_required", "3002": "auth_required", "3003": "auth_required", "3009": "deleted"}

    def told(t):
        return sorted(u["data"]["id"] for u in streams[t].updates("channel.status") if u["data"]["status"] in ("auth_required", "deleted"))

    for t, numbers in ((tenant, ("3001", "3002")), (other, ("3003",)), (nobody, ("3009",))):
        wait_until(lambda t=t, n=len(numbers): len(told(t)) >= n, 30, "the tenant is told")
        assert told(t) == sorted(channels[n] for n in numbers), "each tenant is told of its own, once"
    rows = stack.query("SELECT count(*) FROM quarantine WHERE replayed_at IS NULL AND provider = 'whatsapp'")
    assert rows == [(0,)], "nothing about a known business account is refused"
