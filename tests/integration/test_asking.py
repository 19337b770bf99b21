# SPDX-License-Identifier: Apache-2.0
"""Messages of which nobody knows whether they were sent: their provider is asked. The simulator's ledger judges."""
import pytest
import requests

from support.sending import Sending, claimed
from support.wait import wait_until

KINDS = {"unipile": "WHATSAPP"}
PEOPLE = {
    "unipile": "chat_asked", "x": "1500000000000000801", "messenger": "7000000000000301", "instagram": "7000000000000302",
    "telegram": "950",
}  # fmt: skip


@pytest.fixture(scope="module")
def world(shared_stack):
    """One stack, and one sender that asks soon. No echo tells what became of a message."""
    shared_stack.start("router")
    sending = Sending(shared_stack, shared_stack.start_simulator())
    sending.simulator.webhooks(paused=True)
    sending.sender = sending.start(ask_after="100ms", uncertain_hold="4s")
    return sending


@pytest.fixture
def asking(world):
    """A tenant of its own, and an empty ledger."""
    world.simulator.reset()
    world.simulator.webhooks(paused=True)
    world.tenant = world.stack.tenant()
    return world


def conversation(sending, provider):
    channel = sending.channel(provider, kind=KINDS.get(provider), send_per_minute=0, send_per_minute_to_one=0)
    person = PEOPLE[provider]
    return channel.conversation(f"{channel.account}-{person}" if provider == "x" else person)


def uncertain(sending, c, text, fault="drop_after", **columns):
    """A message whose connection broke; whether it was accepted is the fault's business."""
    before = sending.simulator.struck(fault)
    sending.simulator.fault(fault, provider=c.channel.provider, count=1)
    m = c.send(text, **columns)
    sending.simulator.wait_struck(fault, before + 1)
    return m


@pytest.mark.parametrize("provider", ["unipile", "x", "messenger", "instagram"])
def test_what_was_accepted_is_found_and_not_sent_again(asking, provider):
    c = conversation(asking, provider)
    before = c.send("the same words")
    c.wait_status(before, "sent")
    m = uncertain(asking, c, "the same words")
    behind = c.send("behind it")
    row = c.wait_status(m, "sent")
    c.wait_status(behind, "sent")
    first, second, third = asking.simulator.wait_sends(3)
    assert not second["answered"] and row["external_message_id"] == second["external_id"] and row["attempt"] == 1
    assert third["text"] == "behind it", "what waited behind it came first"
    assert c.attempts(m) == [(1, "sent", "found")]
    assert c.message(before)["external_message_id"] == first["external_id"]


def test_two_of_the_same_words_are_two_of_the_list(asking):
    c = conversation(asking, "unipile")
    ids = []
    for _ in range(2):
        m = uncertain(asking, c, "twice the same")
        ids.append(c.wait_status(m, "sent")["external_message_id"])
    assert ids == [row["external_id"] for row in asking.simulator.wait_sends(2)]


def test_a_file_is_found_by_being_one(asking):
    c = conversation(asking, "instagram")
    m = uncertain(asking, c, None, kind="image", outgoing={"kind": "media", "media": [{"type": "image", "url": "https://media.example/a.png"}]})
    row = c.wait_status(m, "sent")
    (sent,) = asking.simulator.wait_sends(1)
    assert row["external_message_id"] == sent["external_id"]


def by_hand(sending, c, text):
    """Our side writes into a chat of UniPile, past us."""
    answer = requests.post(
        f"{sending.simulator.base_url('unipile')}/api/v1/chats/{c.external_id}/messages",
        headers={"X-API-KEY": "sim-key"}, files={"account_id": (None, c.channel.account), "text": (None, text)}, timeout=30,
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    return answer.json()["message_id"]


def test_what_a_dead_sender_has_sent_is_found(asking):
    c = conversation(asking, "unipile")
    m = claimed(c, "its last word")
    sent = by_hand(asking, c, "its last word")  # by the sender that died
    row = c.wait_status(m, "sent")
    assert (row["external_message_id"], row["attempt"]) == (sent, 1)
    asking.simulator.wait_sends(1)


def test_what_may_be_ours_in_other_words_leaves_it_open(asking):
    c = conversation(asking, "unipile")
    m = uncertain(asking, c, "never arrived, or did it?", fault="drop_before")
    by_hand(asking, c, "Never arrived. Or did it?")
    wait_until(lambda: asking.stack.scalar("SELECT wake_at = 'infinity' FROM messages WHERE id = %s", m), 60, "a person is asked")
    row = c.message(m)
    assert row["status"] == "uncertain" and row["error_code"] != "not_listed", row
    asking.simulator.wait_sends(1)


def test_what_the_provider_does_not_have_is_left_to_a_person(asking):
    c = conversation(asking, "unipile")
    absent = asking.sender.metric("postrider_sender_settled_total", how="absent")
    m = uncertain(asking, c, "never arrived", fault="drop_before")
    behind = c.send("behind it")
    c.wait_status(behind, "sent")
    row = wait_until(lambda: (r := c.message(m))["error_code"] == "not_listed" and r, 60, "it is known to be absent")
    assert row["status"] == "uncertain" and "does not have this message" in row["error_message"]
    assert [r["text"] for r in asking.simulator.ledger()] == ["behind it"]
    assert asking.sender.metric("postrider_sender_settled_total", how="absent") == absent + 1


def test_what_the_provider_does_not_have_is_sent_again_for_a_tenant_that_wants_it(asking):
    asking.stack.query("UPDATE tenants SET uncertain_policy = 'resend' WHERE id = %s RETURNING 1", asking.tenant.id)
    c = conversation(asking, "messenger")
    m = uncertain(asking, c, "again, please", fault="drop_before")
    row = c.wait_status(m, "sent")
    (sent,) = asking.simulator.wait_sends(1)
    assert row["attempt"] == 2 and row["external_message_id"] == sent["external_id"]
    # Of what it has the provider is believed, whatever the tenant wants.
    n = uncertain(asking, c, "once is enough")
    assert c.wait_status(n, "sent")["attempt"] == 1
    assert len(asking.simulator.wait_sends(2)) == 2


def test_a_provider_that_does_not_answer_is_asked_again(asking):
    c = conversation(asking, "x")
    faults = asking.simulator
    before = faults.struck("drop_after")
    faults.faults(
        {"fault": "drop_after", "provider": "x", "count": 1},
        {"fault": "error", "provider": "x", "path": "/dm_events", "on": "all", "count": 2},
    )
    m = c.send("asked three times")
    faults.wait_struck("drop_after", before + 1)
    faults.wait_struck("error", 2)
    c.wait_status(m, "sent")
    assert asking.stack.scalar("SELECT asks FROM send_attempts WHERE message_id = %s", m) == 3
    faults.wait_sends(1)


def test_who_lists_nothing_is_not_asked(asking):
    c = conversation(asking, "telegram")
    m = uncertain(asking, c, "nobody knows")
    behind = c.send("behind it")
    c.wait_status(behind, "sent")
    row = c.message(m)
    assert row["status"] == "uncertain" and row["error_code"] != "not_listed"
    assert asking.sender.metric("postrider_sender_asked_total", provider="telegram", what="for_none") == 1
    asking.simulator.wait_sends(2)
