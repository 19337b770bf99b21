# SPDX-License-Identifier: Apache-2.0
"""What does not fit together is found, named with the command that mends it, and mended where that needs no person."""
import json

import pytest

from support.wait import wait_until
from test_refusals import unipile, wait_quarantined


# What a test may leave behind. Each begins with none of it, so that one stack serves all of them.
TABLES = ("messages", "conversations", "attachments", "events", "early_facts", "quarantine", "outbox", "channels_account")


@pytest.fixture(scope="module")
def running(shared_stack):
    shared_stack.start("ingest")
    shared_stack.start("router")
    return shared_stack


@pytest.fixture
def shop(running):
    stack = running
    stack.query("WITH " + ", ".join(f"d_{t} AS (DELETE FROM {t})" for t in TABLES) + " SELECT 1")
    tenant = stack.tenant()
    tenant.connect("unipile", "acme-whatsapp", "WHATSAPP")
    for i in range(3):
        assert stack.webhooks.unipile(tenant, unipile(message_id=f"m-{i}")).status_code == 200
    stack.wait_rows(3, "SELECT count(*) FROM messages")
    return stack, tenant


def findings(stack, status=None):
    done = stack.run("consistency", "--json", check=False)
    found = {f["check"]: f for f in json.loads(done.stdout)}
    if status is not None:
        assert done.returncode == status, done.stdout + done.stderr
    return found


def test_a_healthy_installation_has_no_finding(shop):
    stack, _ = shop
    assert findings(stack, status=0) == {}
    assert "everything fits together" in stack.run("consistency").stdout


def test_a_counter_that_drifted_is_found_and_mended(shop):
    stack, _ = shop
    stack.query("UPDATE conversations SET unread_count = 7 RETURNING 1")
    before = stack.scalar("SELECT rev FROM conversations")
    found = findings(stack)["unread_count"]
    assert (found["count"], found["severity"]) == (1, "warning")
    assert found["examples"] == [stack.scalar("SELECT id::text FROM conversations")]
    assert stack.scalar("SELECT unread_count FROM conversations") == 7, "looking changes nothing"
    mended = {row["check"]: row["count"] for row in stack.run_json("consistency", "--repair")}
    assert mended["unread_count"] == "1"
    assert stack.query("SELECT unread_count, rev FROM conversations") == [(3, before + 1)]
    assert stack.scalar("SELECT count(*) FROM outbox WHERE object_kind = 'conversation'") == 1, "clients are told"
    assert findings(stack, status=0) == {}


def test_a_message_under_a_channel_of_another_platform_is_critical(shop):
    stack, _ = shop
    stack.query("UPDATE messages SET platform = 'telegram' WHERE external_message_id = 'm-1' RETURNING 1")
    found = findings(stack, status=1)["wrong_platform"]
    assert (found["count"], found["severity"]) == (1, "critical")


def test_an_account_that_is_connected_twice_or_gone_is_an_error(shop):
    stack, tenant = shop
    stack.query("UPDATE channels_account SET username = 'Acme' RETURNING 1")
    tenant.connect("whatsapp", "106540352242922")
    stack.query("UPDATE channels_account SET username = 'acme' WHERE provider = 'whatsapp' RETURNING 1")
    found = findings(stack, status=1)["account_claimed_twice"]
    assert found["count"] == 1 and found["command"].startswith("postrider channel disconnect ")
    stack.query("UPDATE channels_account SET status = 'auth_required' WHERE provider = 'whatsapp' RETURNING 1")
    assert findings(stack, status=1)["account_gone"]["count"] == 1


def test_a_type_mismatch_names_the_channel_and_what_waits(shop):
    stack, tenant = shop
    stack.webhooks.unipile(tenant, unipile(kind="TELEGRAM", message_id="m-9"))
    wait_quarantined(stack, "account_type_mismatch")
    found = findings(stack, status=1)
    assert found["account_type_mismatch"]["examples"] == [stack.scalar("SELECT id::text FROM channels_account")]
    assert found["quarantine_account_type_mismatch"]["count"] == 1


def test_records_that_wait_for_an_account_that_is_there_are_handed_over_again(shop):
    stack, tenant = shop
    stack.webhooks.unipile(tenant, unipile(account="acme-telegram", kind="TELEGRAM", message_id="m-8"))
    wait_quarantined(stack, "unknown_account")
    tenant.connect("unipile", "acme-telegram", "TELEGRAM")
    # As if the handing over had been lost.
    stack.query("DELETE FROM outbox WHERE object_kind = 'quarantine' RETURNING 1")
    assert findings(stack, status=1)["quarantine_of_connected_account"]["count"] == 1
    mended = {row["check"]: row["count"] for row in stack.run_json("consistency", "--repair")}
    assert mended["quarantine_of_connected_account"] == "1"
    assert "quarantine_of_connected_account" not in findings(stack, status=0)


def test_records_that_wait_for_what_an_account_belongs_to_are_handed_over_too(shop):
    """WhatsApp's webhooks about a business account name it, and none of the numbers that are its channels."""
    stack, tenant = shop
    for number in ("106540352242922", "106540352242923"):
        tenant.connect("whatsapp", number)
    stack.query("INSERT INTO quarantine (id, provider, account, reason, topic, partition, \"offset\", body, received_at)"
                " VALUES (gen_random_uuid(), 'whatsapp', '102290129340398', 'unknown_account', 'inbound', 0, 77, 'x', now())"
                " RETURNING 1")  # fmt: skip
    record = stack.scalar("SELECT id::text FROM quarantine")
    refused = stack.run("quarantine", "replay", record, check=False)
    assert refused.returncode == 1 and "no tenant has connected" in refused.stdout
    assert "quarantine_of_connected_account" not in findings(stack)
    stack.query("UPDATE channels_account SET parent_external_id = '102290129340398' WHERE provider = 'whatsapp' RETURNING 1")
    stack.query("DELETE FROM outbox WHERE object_kind = 'quarantine' RETURNING 1")
    found = findings(stack, status=1)["quarantine_of_connected_account"]
    assert (found["count"], found["examples"]) == (1, [record]), "once, though two numbers belong to it"
    mended = {row["check"]: row["count"] for row in stack.run_json("consistency", "--repair")}
    assert mended["quarantine_of_connected_account"] == "1"
    assert stack.query("SELECT object_id::text FROM outbox WHERE object_kind = 'quarantine'") == [(record,)]
    assert "quarantine_of_connected_account" not in findings(stack)
    assert stack.run_json("quarantine", "replay", record) == [{"id": record, "result": "queued"}]


def test_a_record_is_replayed_or_dropped_by_hand_and_only_once(shop):
    stack, tenant = shop
    for i in range(2):
        stack.webhooks.unipile(tenant, unipile(account="acme-x", kind="TWITTER", message_id=f"x-{i}"))
    wait_until(lambda: stack.scalar("SELECT count(*) FROM quarantine") == 2, 30, "two records wait")
    first, second = (row[0] for row in stack.query("SELECT id::text FROM quarantine ORDER BY received_at, \"offset\""))
    assert stack.run_json("quarantine", "replay", first) == [{"id": first, "result": "queued"}]
    assert stack.run_json("quarantine", "replay", first) == [{"id": first, "result": "queued"}]
    assert stack.scalar("SELECT count(*) FROM outbox WHERE object_kind = 'quarantine'") == 1, "asked twice, queued once"
    assert stack.run_json("quarantine", "drop", second) == [{"id": second, "result": "dropped"}]
    refused = stack.run("quarantine", "replay", second, check=False)
    assert refused.returncode == 1 and "is dropped" in refused.stdout
    absent = stack.run("quarantine", "replay", "00000000-0000-0000-0000-000000000000", check=False)
    assert absent.returncode == 1 and "is not in quarantine" in absent.stdout
    unclear = stack.run("quarantine", "replay", check=False)
    assert unclear.returncode == 2 and "--reason" in unclear.stderr
    assert stack.run("quarantine", "replay", "--reason", "unknown_tenant").stdout == "nothing waits\n"


def test_partitions_that_a_router_does_not_read_are_found(shop):
    """The last one here: it stops the router."""
    stack, _ = shop
    stack.daemons[1].terminate()
    assert not stack.daemons[1].is_running()
    stack.topics.produce_many("inbound", [b"x" * 8] * 10_001, partition=0)
    found = findings(stack, status=1)["partitions_behind"]
    assert found["count"] == 1 and "inbound" in found["examples"][0]
