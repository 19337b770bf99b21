# SPDX-License-Identifier: Apache-2.0
"""The sender: each message once, in order, as fast as the provider allows. The simulator's ledger judges.

One stack for all: each test has channels of its own. Where settings do not matter the sender goes on running.
"""
import json

import pytest

from support.sending import Sending, produce_commands
from support.wait import steady, wait_until

FREE = {"send_per_minute": 0, "send_per_minute_to_one": 0}
BRIEF = {"lease": "7s", "call_timeout": "3s"}


@pytest.fixture(scope="module")
def world(shared_stack):
    shared_stack.start("router")
    return Sending(shared_stack, shared_stack.start_simulator())


@pytest.fixture
def sending(world):
    world.simulator.reset()
    return world


@pytest.fixture
def simulator(sending):
    return sending.simulator


@pytest.fixture
def second(world):
    """second(**settings): one more sender, the same instance each time; stopped at the test's end."""
    yield world.second_sender
    world.stop_second()


def goes_on_steadily(conversation):
    """Nothing more is done for it."""
    steady(lambda: conversation.channel.texts(), 1.5, 30, "nothing more is sent")


# --- once ------------------------------------------------------------------------------------------------


def test_a_message_goes_out_once_and_is_sent(sending):
    sending.sender()
    c = sending.channel().conversation(501)
    m = c.send("hello")
    row = c.wait_status(m, "sent")
    (sent,) = c.channel.wait_sends(1)
    assert sent["text"] == "hello" and sent["to"] == "501"
    assert row["external_message_id"] == sent["external_id"] and row["attempt"] == 1
    assert c.attempts(m) == [(1, "sent", "sent")]


def test_a_row_without_a_command_is_sent_too(sending):
    sending.sender()
    c = sending.channel().conversation(502)
    c.wait_status(c.store("never commanded"), "sent")
    assert c.channel.texts() == ["never commanded"]


def test_dropped_before_it_is_accepted_or_after_nobody_knows(sending, simulator):
    sending.sender()
    channel = sending.channel(**FREE)
    after, other = channel.conversation(504), channel.conversation(505)
    simulator.fault("drop_after", provider="telegram", account=channel.account, count=1)
    m = after.send("accepted, unanswered")
    simulator.wait_struck("drop_after")
    after.wait_status(m, "uncertain")
    other.wait_status(other.send("goes on"), "sent")
    goes_on_steadily(after)
    assert channel.texts() == ["accepted, unanswered", "goes on"]


def test_it_stops_in_order(sending, simulator):
    sender = sending.sender()
    channel = sending.channel(**FREE)
    simulator.fault("slow", ms=300, provider="telegram", account=channel.account, count=-1)
    channel.send_to_each(channel.conversations(100))
    simulator.wait_struck("slow", 10)
    sender.stop()
    assert sending.stack.scalar("SELECT count(*) FROM send_attempts WHERE channel_id = %s AND finished_at IS NULL", channel.id) == 0
    simulator.faults()
    sending.sender()
    rows = channel.wait_sends(100)
    assert len({row["text"] for row in rows}) == 100


# --- order -----------------------------------------------------------------------------------------------


def test_a_retry_parks_those_behind_it_and_only_those(sending, simulator):
    sending.sender()
    channel = sending.channel(**FREE)
    parked, free = channel.conversation(701), channel.conversation(702)
    simulator.fault("rate_limit", provider="telegram", to="701", count=-1, retry_after=1)
    ids = {c: c.send_all([f"{c.external_id}-{i}" for i in range(5)]) for c in (parked, free)}
    free.wait_status(ids[free][-1], "sent")
    simulator.wait_struck("rate_limit", 2)
    assert channel.texts() == [f"702-{i}" for i in range(5)]
    assert len(parked.attempts(ids[parked][0])) >= 2 and not parked.attempts(ids[parked][1])
    simulator.faults()
    parked.wait_status(ids[parked][-1], "sent")
    assert channel.texts()[5:] == [f"701-{i}" for i in range(5)]


def test_a_long_conversation_goes_in_order_without_waiting_for_the_router(sending):
    sending.sender()
    c = sending.channel(**FREE).conversation(703)
    ids = c.send_all([str(i) for i in range(60)])
    c.wait_status(ids[-1], "sent")
    assert c.channel.texts() == [str(i) for i in range(60)]


# --- accounts --------------------------------------------------------------------------------------------


def test_a_refused_account_stops_and_goes_on_in_order_when_it_is_mended(sending):
    sending.sender()
    broken, well = sending.channel(), sending.channel()
    broken.credentials("sim-revoked")
    c = broken.conversation(801)
    ids = c.send_all([str(i) for i in range(3)])
    wait_until(lambda: broken.status() == "auth_required", 30, "the channel is marked")
    other = well.conversation(802)
    other.wait_status(other.send("unharmed"), "sent")
    assert [c.message(m)["status"] for m in ids] == ["retry", "queued", "queued"]
    assert broken.texts() == []
    tried = len(c.attempts(ids[0]))
    steady(lambda: len(c.attempts(ids[0])), 1.5, 30, "it is not tried again meanwhile")
    assert len(c.attempts(ids[0])) == tried
    broken.credentials()
    c.wait_status(ids[-1], "sent")
    assert broken.texts() == ["0", "1", "2"]


# --- failures --------------------------------------------------------------------------------------------


def test_a_token_whose_time_is_over_is_told_from_a_withdrawn_one(sending):
    sending.sender()
    for kind, health in (("sim-expired", "expired"), ("sim-revoked", "revoked")):
        channel = sending.channel("messenger")
        channel.credentials(kind)
        channel.conversation("7000000000000303").send("nobody takes it")
        wait_until(lambda: channel.status() == "auth_required", 30, "the channel is marked")
        found = sending.stack.query("SELECT credential_status, credential_detail FROM channels_account WHERE id = %s", channel.id)[0]
        assert found[0] == health and found[1], found
        assert channel.texts() == []


def test_what_can_never_be_sent_fails_with_a_sentence_and_holds_nobody(sending, simulator):
    sending.sender()
    c = sending.channel(**FREE).conversation(901)
    simulator.fault("refused", provider="telegram", account=c.channel.account, count=1)
    m, unsupported, last = c.send("no"), c.send("", kind="template", outgoing={"template": {"name": "n"}}), c.send("yes")
    row = c.wait_status(m, "failed")
    assert row["error_code"] and row["error_message"].endswith(".")
    assert c.wait_status(unsupported, "failed")["error_message"]
    c.wait_status(last, "sent")
    assert c.channel.texts() == ["yes"]


def test_a_limit_is_waited_for_and_is_no_failure(sending, simulator):
    sending.sender()
    c = sending.channel(**FREE).conversation(902)
    simulator.fault("rate_limit", provider="telegram", account=c.channel.account, count=1, retry_after=1)
    m = c.send("late")
    assert c.wait_status(m, "sent")["attempt"] == 2
    assert [a[1:] for a in c.attempts(m)] == [("retry", "rate_limited"), ("sent", "sent")]


# --- limits of pairs -------------------------------------------------------------------------------------


def test_a_pair_s_limit_holds_its_conversation_only(sending):
    sending.sender()
    channel = sending.channel(send_per_minute=0, send_per_minute_to_one=120)
    slow, quick = channel.conversation(1), channel.conversations(20)
    slow.send_all([str(i) for i in range(5)])
    channel.send_to_each(quick, "q{ext}")
    rows = channel.wait_sends(25)
    at = [row["at_ms"] for row in rows if row["to"] == "1"]
    assert all(b - a >= 450 for a, b in zip(at, at[1:])), at
    assert max(row["at_ms"] for row in rows if row["to"] != "1") < at[-1]


def test_whatsapp_s_pair_takes_forty_five_at_once_and_then_waits(sending, simulator):
    """The provider's own limits on both sides: not one more than it takes, nobody else waits."""
    sending.sender()
    channel = sending.channel("whatsapp", send_per_minute=0)
    simulator.limit("whatsapp", channel.account, pair={"burst": 45, "per_minute": 10})
    busy, other = channel.conversation("15550001"), channel.conversation("15550002")
    busy.send_all([f"b{i}" for i in range(48)])
    wait_until(lambda: len(channel.texts()) >= 45, 60, "the burst is out")
    other.wait_status(other.send("unharmed"), "sent")
    counts = simulator.account_counts("whatsapp", channel.account)
    assert counts["refused"] == 0 and counts["too_early"] == 0
    rows = simulator.ledger(account=channel.account)
    sent = [row["text"] for row in rows if row["to"] == "15550001"]
    assert sent == [f"b{i}" for i in range(len(sent))] and 45 <= len(sent) <= 47
    assert channel.settled()["queued"] >= 1


def test_telegram_s_groups_are_slower_than_its_people(sending, simulator):
    """One a second to a person, one each three seconds to a group: as many waits for as many messages."""
    sending.sender()
    channel = sending.channel()
    person, group = channel.conversation(7001), channel.conversation(-7002, is_group=True)
    person.send_all([f"p{i}" for i in range(4)])
    group.send_all([f"g{i}" for i in range(3)])
    rows = channel.wait_sends(7)
    at = {who: [row["at_ms"] for row in rows if row["text"][0] == who] for who in "pg"}
    gaps = {who: [b - a for a, b in zip(ms, ms[1:])] for who, ms in at.items()}
    assert min(gaps["p"]) >= 950 and min(gaps["g"]) >= 2950, gaps
    assert at["p"][-1] < at["g"][-1]
    assert simulator.account_counts("telegram", channel.account)["refused"] == 0


# --- fair ------------------------------------------------------------------------------------------------


def test_replies_go_before_the_bulk_that_came_before_them(sending):
    """Everything is commanded before the sender runs: the last one in is among the first out."""
    sending.sender().stop()
    channel = sending.channel(send_per_minute=3000, send_per_minute_to_one=0)  # 50 a second
    other = sending.channel(tenant=sending.stack.tenant("other"), send_per_minute=3000, send_per_minute_to_one=0)
    channel.send_to_each(channel.conversations(250), "bulk", bulk=True)
    channel.send_to_each([channel.conversation(5)], "reply")
    other.send_to_each([other.conversation(6)], "other's reply")
    sending.sender()
    rows = channel.wait_sends(251)
    (others,) = other.wait_sends(1)
    assert [row["text"] for row in rows].index("reply") < 100
    assert others["number"] < rows[100]["number"]


def test_a_bulk_without_limits_leaves_calls_for_replies(sending, simulator):
    sending.sender(in_flight=16, per_channel=16)
    bulk, reply = sending.channel(**FREE), sending.channel(send_per_minute=0)
    simulator.fault("slow", ms=20, provider="telegram", account=bulk.account, count=-1)
    bulk.send_to_each(bulk.conversations(1500), bulk=True)
    wait_until(lambda: simulator.struck("slow") > 100, 60, "the bulk runs")
    c = reply.conversation(5)
    c.send("quick")
    reply.wait_sends(1)
    assert simulator.struck("slow") < 1400
    simulator.faults()
    bulk.wait_sends(1500)


# --- once, when something dies ---------------------------------------------------------------------------


def test_kafka_away_in_the_middle_loses_and_repeats_nothing(sending, simulator):
    """What was commanded goes on by the database alone; results wait, or are told by the scheduler."""
    sender = sending.sender(**BRIEF)
    channel, kafka = sending.channel(send_per_minute=3000, send_per_minute_to_one=0), sending.stack.kafka
    conversations = channel.conversations(200)
    channel.send_to_each(conversations)
    wait_until(lambda: len(channel.texts()) > 10, 60, "it sends")
    kafka.kill()
    before = len(channel.texts())
    wait_until(lambda: len(channel.texts()) > before, 60, "it goes on without Kafka")
    kafka.start()
    wait_until(lambda: channel.settled() == {"sent": 200}, 120, "the router has written all down")
    assert sorted(channel.texts()) == sorted(c.external_id for c in conversations)
    assert sender.is_running() and before < 200


def test_the_database_away_in_the_middle_loses_and_repeats_nothing(sending, simulator):
    sender, postgres = sending.sender(**BRIEF), sending.stack.postgres
    channel = sending.channel(**FREE)
    conversations = channel.conversations(150)
    simulator.fault("slow", ms=200, provider="telegram", account=channel.account, count=-1)
    channel.send_to_each(conversations)
    simulator.wait_struck("slow", 20)
    postgres.kill()
    sender.wait_not_ready()
    postgres.start()
    sender.wait_ready()
    wait_until(
        lambda: sum(n for status, n in channel.settled().items() if status in ("sent", "uncertain")) == 150, 120,
        "all messages are settled",
    )  # fmt: skip
    assert sorted(channel.texts()) == sorted(c.external_id for c in conversations)


def test_killed_between_call_and_result_it_is_uncertain_and_not_sent_again(sending, simulator):
    sender = sending.sender(**BRIEF)
    c = sending.channel(**FREE).conversation(503)
    simulator.fault("slow", ms=2500, provider="telegram", account=c.channel.account, count=1)
    m = c.send("perhaps")
    simulator.wait_struck("slow")
    sender.kill()
    assert c.attempts(m) == [(1, None, None)]
    sending.sender(**BRIEF)
    c.wait_status(m, "uncertain")
    behind = c.send("behind it")
    goes_on_steadily(c)
    assert c.message(behind)["status"] == "queued" and c.channel.texts() in ([], ["perhaps"])
    assert c.message(m)["attempt"] == 1


def test_an_answer_after_its_lease_sends_nothing_again_and_moves_nothing_back(sending, simulator, second):
    """The sender is frozen within a call until another one's scheduler has ended its lease."""
    sender = sending.sender(**BRIEF)
    c = sending.channel(**FREE).conversation(506)
    simulator.fault("slow", ms=1000, provider="telegram", account=c.channel.account, count=1)
    m = c.send("slow")
    simulator.wait_struck("slow")
    sender.pause()
    assert c.attempts(m) == [(1, None, None)]
    second(**BRIEF)
    c.wait_status(m, "uncertain")
    sender.resume()
    wait_until(lambda: sender.metric("postrider_sender_answers_total") > 0, 30, "the late answer is judged")
    c.channel.wait_sends(1)
    goes_on_steadily(c)
    assert c.message(m)["attempt"] == 1 and c.message(m)["status"] in ("uncertain", "sent")
    seen = statuses(sending, m)
    assert seen == sorted(seen, key=["queued", "sending", "uncertain", "sent"].index), seen
    assert "uncertain" in seen


def statuses(sending, message_id):
    """Of a message, in the order in which clients hear of them."""
    found = [r.value for r in sending.stack.topics.records("updates") if r.value["object_id"] == message_id]
    return [json.loads(v["data"])["status"] for v in sorted(found, key=lambda v: v["rev"])]


# --- two senders, and hosts that are down ----------------------------------------------------------------


def test_a_host_that_is_down_is_left_alone_and_messages_wait_unclaimed(sending, simulator):
    sender = sending.sender(breaker_failures=3, breaker_pause="500ms", retry_first="100ms", retry_attempts=50)
    channel = sending.channel(**FREE)
    conversations = channel.conversations(30)
    simulator.kill()
    channel.send_to_each(conversations)
    wait_until(lambda: sender.metric("postrider_sender_open_breakers") == 1, 30, "the breaker opens")
    tried = "SELECT count(*) FROM send_attempts WHERE channel_id = %s"
    steady(lambda: sending.stack.scalar(tried, channel.id) > 0, 1, 30, "it tries no more than now and then")
    assert sending.stack.scalar(tried, channel.id) < 60
    simulator.start()
    channel.wait_sends(30)


def test_redelivered_commands_and_two_senders_send_once(sending, second):
    senders = [sending.sender(), second()]
    before = sum(s.metric("postrider_sender_claims_total", what="claimed") for s in senders)
    channel = sending.channel(**FREE)
    conversations = channel.conversations(10)
    rounds = [channel.store_to_each(conversations, f"{{ext}}-{i}") for i in range(5)]
    for ids in rounds * 3:
        produce_commands(sending.stack.topics, conversations, ids)
    rows = channel.wait_sends(50)
    wait_until(lambda: channel.settled() == {"sent": 50}, 60, "all are written down")
    for c in conversations:
        assert [row["text"] for row in rows if row["to"] == c.external_id] == [f"{c.external_id}-{i}" for i in range(5)]
    assert sum(s.metric("postrider_sender_claims_total", what="claimed") for s in senders) == before + 50


def test_two_senders_together_keep_the_rate_and_use_it(sending, simulator, second):
    """The simulator counts what came too early, the senders what they reserved and did not use."""
    senders = [sending.sender(), second()]
    channel = sending.channel(send_per_minute=4800, send_per_minute_to_one=0)  # 80 a second
    simulator.limit("telegram", bucket={"burst": 80, "per_minute": 4800})
    before = [s.metric("postrider_sender_claims_total", what="claimed") for s in senders]
    channel.send_to_each(channel.conversations(400))
    channel.wait_sends(400)
    counts = simulator.account_counts("telegram", channel.account)
    assert counts["refused"] == 0 and counts["too_early"] == 0
    claimed = [s.metric("postrider_sender_claims_total", what="claimed") - n for s, n in zip(senders, before)]
    assert sum(claimed) == 400 and min(claimed) > 50, claimed
    forfeited = sum(s.metric("postrider_sender_slots_total", what="forfeited") for s in senders)
    assert forfeited <= 400 * 0.02
