# SPDX-License-Identifier: Apache-2.0
"""The sender: each message once, in order, as fast as the provider allows. The simulator's ledger judges."""
import pytest

from support.sending import Sending, produce_commands
from support.wait import steady, wait_until


@pytest.fixture
def sending(stack):
    stack.start("router")
    return Sending(stack, stack.start_simulator())


def texts(simulator, **of):
    return [row["text"] for row in simulator.ledger(**of)]


# --- once ------------------------------------------------------------------------------------------------


def test_a_message_goes_out_once_and_is_sent(sending):
    sending.start()
    c = sending.channel().conversation(501)
    m = c.send("hello")
    row = c.wait_status(m, "sent")
    (sent,) = sending.simulator.wait_sends(1)
    assert sent["text"] == "hello" and sent["to"] == "501"
    assert row["external_message_id"] == sent["external_id"] and row["attempt"] == 1
    assert c.attempts(m) == [(1, "sent", "sent")]


def test_redelivered_commands_and_two_senders_send_once(sending):
    first, second = sending.start(), sending.start()
    channel = sending.channel(send_per_minute=0, send_per_minute_to_one=0)
    conversations = [channel.conversation(600 + i) for i in range(10)]
    wanted = []
    for i in range(5):
        for c in conversations:
            m = c.store(f"{c.external_id}-{i}")
            c.command(m, times=3)
            wanted.append((c, m))
    for c, m in wanted:
        c.wait_status(m, "sent")
    assert sorted(texts(sending.simulator)) == sorted(f"{c.external_id}-{i}" for i in range(5) for c in conversations)
    assert first.metric("postrider_sender_claims_total", what="claimed") + second.metric(
        "postrider_sender_claims_total", what="claimed"
    ) == len(wanted)


def test_a_row_without_a_command_is_sent_too(sending):
    sending.start()
    c = sending.channel().conversation(502)
    m = c.store("never commanded")
    c.wait_status(m, "sent")
    assert texts(sending.simulator) == ["never commanded"]


def test_killed_between_call_and_result_it_is_uncertain_and_not_sent_again(sending):
    sender = sending.start(lease="10s", call_timeout="5s")
    c = sending.channel(send_per_minute=0, send_per_minute_to_one=0).conversation(503)
    sending.simulator.fault("slow", ms=60000, provider="telegram", count=1)
    m = c.send("perhaps")
    sending.simulator.wait_struck("slow")
    sender.kill()
    sending.simulator.faults()
    sender.start()
    c.wait_status(m, "uncertain", timeout=60)
    behind = c.send("behind it")
    sender.stop()
    assert c.message(behind)["status"] == "queued"
    assert texts(sending.simulator).count("perhaps") <= 1


def test_dropped_before_it_is_accepted_or_after_nobody_knows(sending):
    sending.start()
    channel = sending.channel(send_per_minute=0, send_per_minute_to_one=0)
    after, other = channel.conversation(504), channel.conversation(505)
    sending.simulator.fault("drop_after", provider="telegram", count=1)
    m = after.send("accepted, unanswered")
    sending.simulator.wait_struck("drop_after")
    after.wait_status(m, "uncertain")
    n = other.send("goes on")
    other.wait_status(n, "sent")
    steady(lambda: len(sending.simulator.ledger()), 2, 30, "nothing more is sent")
    assert texts(sending.simulator) == ["accepted, unanswered", "goes on"]


def test_the_database_away_in_the_middle_loses_and_repeats_nothing(own_stack):
    own_stack.start("router")
    sending = Sending(own_stack, own_stack.start_simulator())
    sender = sending.start()
    channel = sending.channel(send_per_minute=0, send_per_minute_to_one=0)
    conversations = channel.conversations(200)
    sending.simulator.fault("slow", ms=300, provider="telegram", count=-1)
    channel.store_to_each(conversations)
    sending.simulator.wait_struck("slow", 20)
    own_stack.postgres.kill()
    sender.wait_not_ready()
    own_stack.postgres.start()
    sender.wait_ready()
    wait_until(
        lambda: own_stack.scalar("SELECT count(*) FROM messages WHERE status IN ('sent', 'uncertain')") == 200, 120,
        "all messages are settled",
    )  # fmt: skip
    sent = texts(sending.simulator)
    assert len(sent) == len(set(sent)) == 200


# --- order -----------------------------------------------------------------------------------------------


def test_a_retry_parks_those_behind_it_and_only_those(sending):
    sending.start()
    channel = sending.channel(send_per_minute=0, send_per_minute_to_one=0)
    parked, free = channel.conversation(701), channel.conversation(702)
    sending.simulator.fault("rate_limit", provider="telegram", to="701", count=-1, retry_after=1)
    ids = {c: [c.send(f"{c.external_id}-{i}") for i in range(5)] for c in (parked, free)}
    free.wait_status(ids[free][-1], "sent")
    sending.simulator.wait_struck("rate_limit", 2)
    assert texts(sending.simulator) == [f"702-{i}" for i in range(5)]
    assert len(parked.attempts(ids[parked][0])) >= 2 and not parked.attempts(ids[parked][1])
    sending.simulator.faults()
    parked.wait_status(ids[parked][-1], "sent")
    assert texts(sending.simulator)[5:] == [f"701-{i}" for i in range(5)]


def test_a_long_conversation_goes_in_order_without_waiting_for_the_router(sending):
    sending.start()
    c = sending.channel(send_per_minute=0, send_per_minute_to_one=0).conversation(703)
    ids = [c.send(str(i)) for i in range(100)]
    c.wait_status(ids[-1], "sent")
    assert texts(sending.simulator) == [str(i) for i in range(100)]


# --- accounts --------------------------------------------------------------------------------------------


def test_a_refused_account_stops_and_goes_on_in_order_when_it_is_mended(sending):
    sending.start()
    broken, well = sending.channel(), sending.channel()
    broken.credentials("sim-revoked")
    c = broken.conversation(801)
    ids = [c.send(str(i)) for i in range(3)]
    wait_until(lambda: broken.status() == "auth_required", 30, "the channel is marked")
    other = well.conversation(802)
    other.wait_status(other.send("unharmed"), "sent")
    assert [c.message(m)["status"] for m in ids] == ["retry", "queued", "queued"]
    assert texts(sending.simulator, account=broken.account) == []
    tried = len(c.attempts(ids[0]))
    steady(lambda: len(c.attempts(ids[0])), 2, 30, "it is not tried again meanwhile")
    assert len(c.attempts(ids[0])) == tried
    broken.credentials()
    c.wait_status(ids[-1], "sent")
    assert texts(sending.simulator, account=broken.account) == ["0", "1", "2"]


# --- failures --------------------------------------------------------------------------------------------


def test_a_token_whose_time_is_over_is_told_from_a_withdrawn_one(sending):
    sending.start()
    for kind, health in (("sim-expired", "expired"), ("sim-revoked", "revoked")):
        channel = sending.channel("messenger")
        channel.credentials(kind)
        channel.conversation("7000000000000303").send("nobody takes it")
        wait_until(lambda: channel.status() == "auth_required", 30, "the channel is marked")
        found = sending.stack.query("SELECT credential_status, credential_detail FROM channels_account WHERE id = %s", channel.id)[0]
        assert found[0] == health and found[1], found
    assert texts(sending.simulator) == []


def test_what_can_never_be_sent_fails_with_a_sentence_and_holds_nobody(sending):
    sending.start()
    c = sending.channel(send_per_minute=0, send_per_minute_to_one=0).conversation(901)
    sending.simulator.fault("refused", provider="telegram", count=1)
    m, unsupported, last = c.send("no"), c.send("", kind="template", outgoing={"template": {"name": "n"}}), c.send("yes")
    row = c.wait_status(m, "failed")
    assert row["error_code"] and row["error_message"].endswith(".")
    assert c.wait_status(unsupported, "failed")["error_message"]
    c.wait_status(last, "sent")
    assert texts(sending.simulator) == ["yes"]


def test_failures_are_done_again_and_then_given_up(sending):
    sending.start(retry_attempts=3, breaker_failures=1000)
    c = sending.channel(send_per_minute=0, send_per_minute_to_one=0).conversation(902)
    sending.simulator.fault("rate_limit", provider="telegram", count=1, retry_after=1)
    m = c.send("late")
    assert c.wait_status(m, "sent")["attempt"] == 2
    assert [a[1:] for a in c.attempts(m)] == [("retry", "rate_limited"), ("sent", "sent")]


def test_a_host_that_is_down_is_left_alone_and_messages_wait_unclaimed(sending):
    simulator = sending.simulator
    sender = sending.start(breaker_failures=3, breaker_pause="500ms", retry_first="100ms", retry_attempts=50)
    channel = sending.channel(send_per_minute=0, send_per_minute_to_one=0)
    conversations = channel.conversations(30)
    simulator.kill()
    channel.store_to_each(conversations)
    wait_until(lambda: sender.metric("postrider_sender_open_breakers") == 1, 30, "the breaker opens")
    steady(lambda: sender.metric("postrider_sender_answers_total") > 0, 1, 30, "it tries no more than now and then")
    assert own_attempts(sending) < 60
    simulator.start()
    simulator.wait_sends(30)


def own_attempts(sending):
    return sending.stack.scalar("SELECT count(*) FROM send_attempts")


# --- pace ------------------------------------------------------------------------------------------------


def test_two_senders_together_keep_the_rate_and_use_it(sending):
    """The simulator counts what came too early, the senders what they reserved and did not use."""
    senders = [sending.start() for _ in range(2)]
    channel = sending.channel(send_per_minute=4800, send_per_minute_to_one=0)  # 80 a second
    sending.simulator.limit("telegram", bucket={"burst": 80, "per_minute": 4800})
    conversations = channel.conversations(400)
    produce_commands(sending.stack.topics, conversations, channel.store_to_each(conversations))
    sending.simulator.wait_sends(400)
    counts = sending.simulator.account_counts("telegram", channel.account)
    assert counts["refused"] == 0 and counts["too_early"] == 0
    claimed = [s.metric("postrider_sender_claims_total", what="claimed") for s in senders]
    assert sum(claimed) == 400 and min(claimed) > 50, claimed
    forfeited = sum(s.metric("postrider_sender_slots_total", what="forfeited") for s in senders)
    assert forfeited <= 400 * 0.02


def test_a_pair_s_limit_holds_its_conversation_only(sending):
    sending.start()
    channel = sending.channel(send_per_minute=0, send_per_minute_to_one=120)
    slow, quick = channel.conversation(1), channel.conversations(20)
    for i in range(5):
        slow.store(str(i))
    channel.store_to_each(quick, "q{ext}")
    rows = sending.simulator.wait_sends(25)
    at = [row["at_ms"] for row in rows if row["to"] == "1"]
    assert all(b - a >= 450 for a, b in zip(at, at[1:])), at
    assert max(row["at_ms"] for row in rows if row["to"] != "1") < at[-1]


# --- fair ------------------------------------------------------------------------------------------------


def test_a_reply_goes_before_bulk(sending):
    sending.start(in_flight=16, per_channel=16)
    bulk, reply = sending.channel(send_per_minute=0, send_per_minute_to_one=0), sending.channel(send_per_minute=0)
    sending.simulator.fault("slow", ms=20, provider="telegram", count=-1)
    c = reply.conversation(5)
    bulk.store_to_each(bulk.conversations(2000), bulk=True)
    wait_until(lambda: len(sending.simulator.ledger()) > 100, 60, "the bulk runs")
    c.wait_status(c.send("quick"), "sent")
    assert len(sending.simulator.ledger(account=bulk.account)) < 1900


def test_it_stops_in_order(sending):
    sender = sending.start()
    channel = sending.channel(send_per_minute=0, send_per_minute_to_one=0)
    sending.simulator.fault("slow", ms=500, provider="telegram", count=-1)
    channel.store_to_each(channel.conversations(100))
    sending.simulator.wait_struck("slow", 10)
    sender.stop()
    assert sending.stack.scalar("SELECT count(*) FROM send_attempts WHERE finished_at IS NULL") == 0
    sending.start()
    sending.simulator.wait_sends(100)
