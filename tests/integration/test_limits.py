# SPDX-License-Identifier: Apache-2.0
"""What is too large, too long or no record at all: kept whole, and in nobody's way."""
import json

import pytest
from confluent_kafka import Producer

from support.wait import wait_until


def unipile(message_id="m-1", account="acme-whatsapp", **members):
    return {
        "event": "message_received", "account_id": account, "account_type": "WHATSAPP", "chat_id": "chat-1",
        "timestamp": "2026-01-01T00:00:01.000Z", "message_id": message_id, "message": "Good morning",
        "sender": {"attendee_id": "a1", "attendee_provider_id": "15550100002@s.whatsapp.net", "attendee_name": "Pat"},
        **members,
    }  # fmt: skip


@pytest.fixture
def shop(stack):
    stack.start_all()
    tenant = stack.tenant()
    tenant.connect("unipile", "acme-whatsapp", "WHATSAPP")
    return stack, tenant


def assert_others_are_served(stack, tenant):
    assert stack.webhooks.unipile(tenant, unipile("after")).status_code == 200
    stack.wait_rows(1, "SELECT count(*) FROM messages WHERE external_message_id = 'after'")


@pytest.mark.parametrize("length", [3_000, 500_000])
def test_an_account_longer_than_any_index_takes_is_parked_whole(shop, length):
    stack, tenant = shop
    account = "".join(chr(33 + i * i % 89) for i in range(length)).replace('"', "q").replace("\\", "b")
    body = json.dumps(unipile(account=account)).encode()
    assert stack.webhooks.unipile(tenant, body).status_code == 200
    wait_until(lambda: stack.query("SELECT FROM quarantine"), 30, "it is kept")
    [(reason, kept)] = stack.query("SELECT reason, body FROM quarantine")
    assert reason == "unknown_account"
    assert bytes(kept) == body
    assert_others_are_served(stack, tenant)


@pytest.mark.parametrize("topic", ["inbound", "results", "quarantine"])
def test_what_is_no_record_is_kept_as_it_is(shop, topic):
    stack, tenant = shop
    producer = Producer({"bootstrap.servers": stack.kafka.brokers, "message.max.bytes": 2_097_152})
    values = [b"no record at all", b"\x00" * (2_097_152 - 200)]
    for value in values:
        producer.produce(stack.topics.name(topic), value, key=b"k")
    assert producer.flush(30) == 0
    stack.wait_rows(2, "SELECT count(*) FROM quarantine WHERE reason = 'poison'")
    rows = stack.query('SELECT topic, body FROM quarantine ORDER BY length(body)')
    assert [bytes(body) for _, body in rows] == values
    assert {name for name, _ in rows} == {stack.topics.name(topic)}
    assert_others_are_served(stack, tenant)


def test_of_a_message_that_no_update_holds_the_stream_tells_the_outline(shop):
    stack, tenant = shop
    watcher = tenant.stream()
    body = json.dumps(unipile("large", message="~~")).encode().replace(b"~~", b"\xff" * 900_000)  # 3 bytes each, when mended
    assert stack.webhooks.unipile(tenant, body).status_code == 200
    [update] = watcher.wait_updates(1, "message.created")
    assert update["data"]["external_message_id"] == "large"
    assert update["data"]["truncated"] is True
    assert update["data"]["body"] is None
    assert stack.scalar("SELECT length(body) FROM messages") == 900_000
    assert_others_are_served(stack, tenant)


def test_messages_of_another_app_with_one_reference_stay_two(shop):
    stack, tenant = shop
    tenant.connect("messenger", "1000000000000001")
    for mid in ("mid.1", "mid.2"):
        item = {"sender": {"id": "1000000000000001"}, "recipient": {"id": "9000000000000101"}, "timestamp": 1767225601000,
                "message": {"mid": mid, "text": mid, "is_echo": True, "app_id": 7, "metadata": "their app"}}  # fmt: skip
        body = {"object": "page", "entry": [{"id": "1000000000000001", "time": 1767225601100, "messaging": [item]}]}
        assert stack.webhooks.meta("messenger", body).status_code == 200
    stack.wait_rows(2, "SELECT count(*) FROM messages WHERE provider = 'messenger'")
