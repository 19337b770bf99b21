# SPDX-License-Identifier: Apache-2.0
"""The simulated providers' APIs: what is sent through them comes back by webhook, as from the real ones."""
import pytest
import requests

from support.wait import wait_until


def _unipile(sim, account, text):
    answer = requests.post(
        f"{sim.base_url('unipile')}/api/v1/chats/chat-1/messages",
        headers={"X-API-KEY": "sim-key"}, files={"account_id": (None, account), "text": (None, text)}, timeout=30,
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    return answer.json()["message_id"]


def _x(sim, account, text):
    answer = requests.post(
        f"{sim.base_url('x')}/2/dm_conversations/with/1500000000000000702/messages",
        headers={"Authorization": f"Bearer sim-{account}"}, json={"text": text}, timeout=30,
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]["dm_event_id"]


def _instagram(sim, account, text):
    answer = requests.post(
        f"{sim.base_url('instagram')}/v25.0/{account}/messages",
        headers={"Authorization": "Bearer sim-token"}, timeout=30,
        json={"recipient": {"id": "700000001"}, "message": {"text": text}},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    return answer.json()["message_id"]


def _messenger(sim, account, text):
    answer = requests.post(
        f"{sim.base_url('messenger')}/v25.0/{account}/messages",
        headers={"Authorization": "Bearer sim-token"}, timeout=30,
        json={"recipient": {"id": "700000001"}, "messaging_type": "RESPONSE", "message": {"text": text}},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    return answer.json()["message_id"]


# How to send, an account's id, its type, whether its text comes back, the last that is reported.
PROVIDERS = {
    "unipile": (_unipile, "sim-unipile-1", "WHATSAPP", True, "read"),
    "instagram": (_instagram, "17840000000000001", None, True, "read"),
    "messenger": (_messenger, "100000000000001", None, True, "read"),
    "x": (_x, "1500000000000000701", None, True, "read"),
}


def _connect(stack, sim, provider, account=None):
    _, usual, kind, _, _ = PROVIDERS[provider]
    account = account or usual
    tenant = stack.tenant(provider)
    tenant.connect(provider, account, kind)
    sim.account(provider, account, tenant=tenant.id, **({"type": kind} if kind else {}))
    return account


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_sent_comes_back_once_whatever_webhooks_do(shared_stack, provider):
    stack = shared_stack
    sim = _services(stack)
    sim.reset()
    send, _, _, has_text, last = PROVIDERS[provider]
    account = _connect(stack, sim, provider)
    sim.webhooks(duplicates=50, spread_ms=30, delay_ms=5, batch=3)
    sent = [send(sim, account, f"number {i}") for i in range(30)]
    sim.wait_reported()
    counts = sim.counts()["webhooks"]
    assert counts["duplicates"] > 0 and counts["refused"] == 0 and counts["unreportable"] == 0, counts
    rows = "FROM messages WHERE external_message_id = ANY(%s)"
    stack.wait_rows(30, f"SELECT count(*) {rows}", sent)
    wait_until(
        lambda: stack.scalar(f"SELECT count(*) {rows} AND status = %s", sent, last) == 30, 60, f"all are {last}"
    )
    assert stack.scalar(f"SELECT count(*) {rows} AND direction = 'out'", sent) == 30
    if has_text:
        bodies = {row[0] for row in stack.query(f"SELECT body {rows}", sent)}
        assert bodies == {f"number {i}" for i in range(30)}
    assert [row["external_id"] for row in sim.ledger(provider=provider)] == sent


def test_webhooks_that_find_no_ingest_are_tried_until_one_is_there(shared_stack):
    stack = shared_stack
    sim = _services(stack)
    sim.reset()
    account = _connect(stack, sim, "unipile", "sim-unipile-2")
    sim.webhooks(duplicates=0, spread_ms=0, delay_ms=5, batch=1)
    ingest = next(d for d in stack.daemons if d.name == "ingest")
    ingest.stop()
    sent = _unipile(sim, account, "while nobody listens")
    wait_until(lambda: sim.counts()["webhooks"]["tries"] > 3, 30, "several tries were made")
    assert sim.counts()["webhooks"]["acknowledged"] == 0
    ingest.start()
    sim.wait_reported()
    stack.wait_rows(1, "SELECT count(*) FROM messages WHERE external_message_id = %s", sent)


def test_x_asks_our_ingest_before_it_takes_an_address(shared_stack):
    stack = shared_stack
    sim = _services(stack)
    hooks, app = f"{sim.base_url('x')}/2/webhooks", {"Authorization": "Bearer sim-app"}
    wrong = requests.post(hooks, headers=app, json={"url": "https://gateway.example/nowhere"}, timeout=30)
    assert wrong.status_code == 400 and "CrcValidationFailed" in wrong.text
    right = requests.post(hooks, headers=app, json={"url": "https://gateway.example/webhooks/x"}, timeout=30)
    assert right.status_code == 201 and right.json()["data"]["valid"] is True, right.text
    again = requests.put(f"{hooks}/{right.json()['data']['id']}", headers=app, timeout=30)
    assert again.json() == {"data": {"valid": True}}
    assert [h["url"] for h in requests.get(hooks, headers=app, timeout=30).json()["data"]] == [
        "https://gateway.example/webhooks/x"
    ]


def test_faults_strike_as_told_and_are_counted(shared_stack):
    sim = _services(shared_stack)
    sim.reset()
    sim.faults({"fault": "drop_after", "provider": "unipile", "skip": 1, "count": 1}, {"fault": "slow", "ms": 1})
    first = _unipile(sim, "faulty", "one")
    with pytest.raises(requests.ConnectionError):
        _unipile(sim, "faulty", "two")
    assert [(r["text"], r["answered"]) for r in sim.ledger(account="faulty")] == [("one", True), ("two", False)]
    assert sim.struck("drop_after") == 1 and sim.struck("slow") == 2
    listed = requests.get(
        f"{sim.base_url('unipile')}/api/v1/chats/chat-1/messages", headers={"X-API-KEY": "sim-key"}, timeout=30
    ).json()["items"]
    assert [m["text"] for m in listed] == ["two", "one"] and listed[1]["id"] == first


def test_a_limit_refuses_what_is_over_it_and_counts_who_does_not_wait(shared_stack):
    sim = _services(shared_stack)
    sim.reset()
    sim.limit("x", bucket={"burst": 3, "window_ms": 900000})
    for i in range(3):
        _x(sim, "1500000000000000709", f"{i}")
    for _ in range(2):
        answer = requests.post(
            f"{sim.base_url('x')}/2/dm_conversations/with/1500000000000000702/messages",
            headers={"Authorization": "Bearer sim-1500000000000000709"}, json={"text": "over"}, timeout=30,
        )  # fmt: skip
        assert answer.status_code == 429 and answer.headers["x-rate-limit-remaining"] == "0"
    counts = sim.account_counts("x", "1500000000000000709")
    assert (counts["accepted"], counts["refused"], counts["too_early"]) == (3, 2, 1)


def _services(stack):
    """The pipeline and the simulator of this file's stack, started by the first test that asks."""
    if not stack.daemons:
        stack.start("ingest")
        stack.start("router")
        stack.start_simulator()
    return next(d for d in stack.daemons if d.name == "simulator")
