# SPDX-License-Identifier: Apache-2.0
"""The topics as others read them: with kcat and fastavro, and through a schema registry."""
import io
import json
import struct
import subprocess

import fastavro
import pytest

from support.registry import Registry
from support.topics import decode
from support.wait import wait_until
from test_refusals import ig_message, instagram, unipile


def kcat(stack, topic, form):
    """Every record of the topic, one after the other, in kcat's own words."""
    return subprocess.run(
        ["kcat", "-C", "-q", "-e", "-b", stack.kafka.brokers, "-t", stack.topic_prefix + topic, "-o", "beginning",
         "-X", "isolation.level=read_committed", "-f", form],
        check=True, capture_output=True, timeout=60).stdout  # fmt: skip


def values(stack, topic):
    """Raw values: kcat prints each with its length before it, because they are binary."""
    raw, found = io.BytesIO(kcat(stack, topic, "%S\n%s")), []
    while line := raw.readline():
        found.append(raw.read(int(line)))
    return found


def fill(stack):
    """Something on inbound, updates and quarantine."""
    tenant = stack.tenant()
    tenant.connect("unipile", "acme-whatsapp", "WHATSAPP")
    tenant.connect("instagram", "17841400000000001")
    watcher = tenant.stream()
    assert stack.webhooks.unipile(tenant, unipile()).status_code == 200
    assert stack.webhooks.meta("instagram", instagram(ig_message("mid.1", "grüezi 👋"))).status_code == 200
    assert stack.webhooks.meta("instagram", b"{").status_code == 200
    watcher.wait_updates(2, "message.created")
    stack.wait_rows(1, "SELECT count(*) FROM quarantine")
    return tenant


def test_kcat_and_fastavro_read_every_topic_that_has_records(stack):
    stack.start_all()
    tenant = fill(stack)

    inbound = [decode(v) for v in values(stack, "inbound")]
    assert {(e["provider"], e["account"], e["conversation"]) for e in inbound} == {
        ("unipile", "acme-whatsapp", "chat-1"), ("instagram", "17841400000000001", "9000000000000101")}  # fmt: skip
    assert {e["tenant_id"] for e in inbound} == {tenant.id, None}
    by_provider = {e["provider"]: e for e in inbound}
    assert json.loads(by_provider["unipile"]["body"]) == unipile(), "the raw body passes untouched"

    updates = [decode(v) for v in values(stack, "updates")]
    assert {u["tenant_id"] for u in updates} == {tenant.id}
    created = [u for u in updates if u["kind"] == "message.created"]
    assert sorted(json.loads(u["data"])["body"] for u in created) == ["Good morning", "grüezi 👋"]

    quarantined = [decode(v) for v in values(stack, "quarantine")]
    assert [(q["reason"], q["topic"], q["body"]) for q in quarantined] == [("not_json", "http", b"{")]


def test_every_record_has_its_key_and_headers(stack):
    stack.start_all()
    tenant = fill(stack)
    keys = set(kcat(stack, "inbound", "%k\n").decode().split())
    assert keys == {"unipile:acme-whatsapp:chat-1", "instagram:17841400000000001:9000000000000101"}
    assert set(kcat(stack, "updates", "%k\n").decode().split()) == {tenant.id}
    for topic, schema in (("inbound", "WebhookEvent"), ("updates", "Update"), ("quarantine", "Quarantined")):
        for record in stack.topics.records(topic):
            assert record.headers["postrider-schema"] == schema
            assert record.headers["postrider-provider"] in ("unipile", "instagram")
            assert len(record.headers["traceparent"]) == 55
    # One trace from the webhook to the update.
    trace = {r.value["provider"]: r.headers["traceparent"].split("-")[1] for r in stack.topics.records("inbound")}
    for record in stack.topics.records("updates"):
        if record.value["kind"] == "message.created":
            assert record.headers["traceparent"].split("-")[1] == trace[record.value["provider"]]


@pytest.fixture
def registry(tmp_path):
    running = Registry(tmp_path)
    try:
        yield running.start()
    finally:
        running.end()


def test_with_a_registry_the_wire_format_is_the_registrys(stack, registry):
    settings = {"schema_registry_url": registry.url}
    for daemon in ("ingest", "router", "notifier"):
        stack.start(daemon, **settings)
    fill(stack)
    subjects = set(registry.get("/subjects"))
    assert {stack.topic_prefix + t + "-value" for t in ("inbound", "updates", "quarantine")} <= subjects
    for topic, n in (("inbound", 2), ("quarantine", 1)):
        got = values(stack, topic)
        assert len(got) == n
        for raw in got:
            magic, schema_id = struct.unpack(">bI", raw[:5])
            assert magic == 0
            schema = fastavro.parse_schema(json.loads(registry.get(f"/schemas/ids/{schema_id}")["schema"]))
            value = fastavro.schemaless_reader(io.BytesIO(raw[5:]), schema, None)
            assert value["provider"] in ("unipile", "instagram")
    assert len(values(stack, "updates")) >= 2


def test_the_tail_verb_prints_every_record_as_json(stack):
    stack.start_all()
    fill(stack)
    lines = [json.loads(line) for line in stack.run("tail", "inbound", "--from", "beginning").stdout.splitlines()]
    assert sorted(line["key"] for line in lines) == [
        "instagram:17841400000000001:9000000000000101", "unipile:acme-whatsapp:chat-1"]  # fmt: skip
    assert all(line["value"]["provider"] == line["headers"]["postrider-provider"] for line in lines)
    wait_until(lambda: len(stack.run("tail", "updates", "--from", "beginning").stdout.splitlines()) >= 2, 20, "updates")
