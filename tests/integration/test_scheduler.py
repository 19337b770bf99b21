# SPDX-License-Identifier: Apache-2.0
"""The scheduler: what is due goes, what was left half done is brought to an end, nothing goes twice unseen."""
import uuid

import pytest

from support.sending import Sending, new_id, claimed
from support.wait import steady, wait_until


@pytest.fixture
def sending(stack):
    stack.start("router")
    return Sending(stack, stack.start_simulator())


def free_channel(sending, provider="telegram", **options):
    """One whose pace no test waits for."""
    return sending.channel(provider, send_per_minute=0, send_per_minute_to_one=0, **options)


def outbox(stack):
    return stack.scalar("SELECT count(*) FROM outbox")


def add_outbox(stack, tenant, kind, ids):
    stack.query(
        "INSERT INTO outbox (tenant_id, id, object_kind, object_id) "
        "SELECT %s, gen_random_uuid(), %s, i FROM unnest(%s::uuid[]) i RETURNING 1", tenant.id, kind, list(ids),
    )  # fmt: skip


def texts(simulator):
    return [row["text"] for row in simulator.ledger()]


# --- the outbox --------------------------------------------------------------------------------------------


def test_what_others_change_reaches_the_stream(sending):
    stack = sending.stack
    stack.start("notifier")
    sending.start()
    c = free_channel(sending).conversation(901)
    stream = sending.tenant.stream()
    stack.query("UPDATE conversations SET status = 'closed', rev = rev + 1 WHERE id = %s RETURNING 1", c.id)
    add_outbox(stack, sending.tenant, "conversation", [c.id])
    add_outbox(stack, sending.tenant, "channel", [c.channel.id])
    wait_until(lambda: [u for u in stream.updates("conversation.updated") if u["data"]["status"] == "closed"], 30,
               "the change is on the stream")  # fmt: skip
    wait_until(lambda: [u for u in stream.updates("channel.status") if u["data"]["id"] == c.channel.id], 30,
               "the channel's too")  # fmt: skip
    wait_until(lambda: outbox(stack) == 0, 30, "the outbox is empty")


def test_a_kill_in_the_middle_of_the_outbox_loses_nothing(stack):
    sending = Sending(stack, stack.start_simulator())
    ids = {str(uuid.uuid4()) for _ in range(30_000)}
    add_outbox(stack, sending.tenant, "conversation", ids)
    sender = sending.start(ready=False)
    wait_until(lambda: outbox(stack) < len(ids), 60, "the outbox is being emptied")
    sender.kill()
    left = outbox(stack)
    assert 0 < left < len(ids), "the kill came too late or too early"
    sender.start()
    wait_until(lambda: outbox(stack) == 0, 60, "the outbox is empty")
    told = {r.value["event"]["object_id"] for r in stack.topics.records("results")}
    assert told == ids


def test_a_channel_that_is_mended_wakes_what_waits_for_it(sending):
    stack = sending.stack
    sending.start()
    channel = free_channel(sending)
    stack.query("UPDATE channels_account SET status = 'auth_required' WHERE id = %s RETURNING 1", channel.id)
    c = channel.conversation(902)
    m = c.store("waits for its channel")
    looked = "SELECT wake_at > now() + interval '20 seconds' FROM messages WHERE id = %s"
    wait_until(lambda: stack.scalar("SELECT wake_at IS NOT NULL FROM messages WHERE id = %s", m), 30, "it was looked at")
    stack.query("UPDATE messages SET wake_at = now() + interval '1 hour' WHERE id = %s RETURNING 1", m)
    assert stack.scalar(looked, m) and c.message(m)["status"] == "queued"
    stack.query("UPDATE channels_account SET status = 'ok' WHERE id = %s RETURNING 1", channel.id)
    add_outbox(stack, sending.tenant, "channel", [channel.id])
    c.wait_status(m, "sent")


# --- what is due -------------------------------------------------------------------------------------------


def test_a_scheduled_message_goes_in_its_second_and_holds_nobody(sending):
    stack = sending.stack
    sending.start()
    c = free_channel(sending).conversation(903)
    at = stack.scalar("SELECT date_trunc('second', now()) + interval '6 seconds'")
    later = c.store("at its hour", send_at=at)
    now = c.send("at once")
    c.wait_status(now, "sent")
    assert c.message(later)["status"] == "queued"
    c.wait_status(later, "sent")
    late = stack.scalar(
        "SELECT extract(epoch FROM a.started_at - m.send_at) FROM messages m JOIN send_attempts a "
        "ON a.tenant_id = m.tenant_id AND a.message_id = m.id WHERE m.id = %s", later,
    )  # fmt: skip
    assert 0 <= late < 2, f"{late} s after its time"
    assert texts(sending.simulator) == ["at once", "at its hour"]


def test_rows_that_nobody_commanded_are_commanded_once_in_a_while_and_heads_only(stack):
    """Without a router nothing is settled, so the command of the head repeats and those behind it stay."""
    sending = Sending(stack, stack.start_simulator())
    sending.start()
    channel = free_channel(sending)
    stack.query("UPDATE tenants SET status = 'suspended' WHERE id = %s RETURNING 1", sending.tenant.id)
    c = channel.conversation(904)
    head, *behind = [c.store(str(i)) for i in range(3)]
    wait_until(lambda: len([r for r in stack.topics.records("outbound")]) >= 3, 60, "the head is commanded again and again")
    told = {r.value["message_id"] for r in stack.topics.records("outbound")}
    assert told == {head} and not told & set(behind)
    times = [r.value["created_at"] for r in stack.topics.records("outbound")]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert gaps[1] > 1.5 * gaps[0], "each time it waits longer"


# --- leases ------------------------------------------------------------------------------------------------


def test_a_stored_answer_is_told_again_and_none_is_uncertain(sending):
    sender = sending.start()
    channel = free_channel(sending)
    answered, silent = channel.conversation(904), channel.conversation(905)
    m, n = claimed(answered, "answered", "sent"), claimed(silent, "silent")
    assert answered.wait_status(m, "sent")["external_message_id"] == "904:55"
    row = silent.wait_status(n, "uncertain")
    assert row["error_code"] == "lease_expired"
    assert sender.metric("postrider_sender_leases_total", what="answered") == 1
    assert sender.metric("postrider_sender_leases_total", what="uncertain") == 1
    assert texts(sending.simulator) == [], "an uncertain message was sent again"


def echo(stack, page, person, mid, text, ref):
    message = {"mid": mid, "text": text, "is_echo": True, "app_id": 1, "metadata": ref}
    item = {"sender": {"id": page}, "recipient": {"id": person}, "timestamp": 1767225615000, "message": message}
    body = {"object": "page", "entry": [{"id": page, "time": 1767225615150, "messaging": [item]}]}
    assert stack.webhooks.meta("messenger", body).status_code == 200


def test_an_echo_settles_an_uncertain_message(sending):
    stack = sending.stack
    stack.start("ingest")
    sending.start()
    c = free_channel(sending, "messenger", account="100000000000201").conversation("7000000000000301")
    m = claimed(c, "perhaps")
    c.wait_status(m, "uncertain")
    behind = c.send("behind it")
    echo(stack, "100000000000201", "7000000000000301", "m_echo", "perhaps", "pr-" + m.replace("-", ""))
    assert c.wait_status(m, "sent")["external_message_id"] == "m_echo"
    c.wait_status(behind, "sent", "delivered", "read")
    assert texts(sending.simulator) == ["behind it"]
    assert stack.scalar("SELECT count(*) FROM messages") == 2


def test_after_its_hold_an_uncertain_message_is_left_to_a_person_and_lets_the_others_go(sending):
    sender = sending.start(uncertain_hold="2s")
    c = free_channel(sending).conversation(906)
    m = claimed(c, "nobody knows")
    c.wait_status(m, "uncertain")
    behind = c.send("behind it")
    c.wait_status(behind, "sent")
    assert c.message(m)["status"] == "uncertain"
    assert sender.metric("postrider_sender_settled_total", how="asked") == 1
    steady(lambda: len(sending.simulator.ledger()), 2, 30, "nothing more is sent")
    assert texts(sending.simulator) == ["behind it"]


def test_a_tenant_that_wants_it_gets_it_sent_again(sending):
    sending.stack.query("UPDATE tenants SET uncertain_policy = 'resend' WHERE id = %s RETURNING 1", sending.tenant.id)
    sender = sending.start(uncertain_hold="1s")
    c = free_channel(sending).conversation(907)
    m = claimed(c, "again, please")
    assert c.wait_status(m, "sent")["attempt"] == 2
    assert sender.metric("postrider_sender_settled_total", how="resent") == 1
    assert texts(sending.simulator) == ["again, please"]


# --- the quarantine ----------------------------------------------------------------------------------------


def unipile(account, chat, i):
    return {"event": "message_received", "account_id": account, "account_type": "WHATSAPP", "chat_id": chat,
            "timestamp": "2026-01-01T00:00:01.000Z", "message_id": f"{chat}-{i}", "message": f"hello {i}",
            "sender": {"attendee_provider_id": "15550100002@s.whatsapp.net"}}  # fmt: skip


def test_quarantined_records_are_replayed_in_order_and_count_once(sending):
    stack, tenant = sending.stack, sending.tenant
    stack.start("ingest")
    sender = sending.start(replay_rate=200)
    for i in range(20):
        for chat in ("c1", "c2"):
            assert stack.webhooks.unipile(tenant, unipile("late", chat, i)).status_code == 200
    stack.wait_rows(40, "SELECT count(*) FROM quarantine WHERE reason = 'unknown_account'")
    before = len(stack.topics.records("inbound"))
    tenant.connect("unipile", "late", "WHATSAPP")
    stack.wait_rows(40, "SELECT count(*) FROM quarantine WHERE replayed_at IS NOT NULL")
    stack.wait_rows(40, "SELECT count(*) FROM messages")
    again = stack.topics.records("inbound")
    assert len(again) == 2 * before
    for chat in ("c1", "c2"):
        ids = [r.value["body"].decode().partition('"message_id":"')[2].partition('"')[0] for r in again
               if r.value["conversation"] == chat]  # fmt: skip
        assert ids == 2 * [f"{chat}-{i}" for i in range(20)]
    assert {r.value["account_type"] for r in again} == {"WHATSAPP"}
    assert sender.metric("postrider_sender_replayed_total") == 40

    # What a crash between Kafka's acknowledgement and the mark leaves: all of it is published once more.
    ids = [str(row[0]) for row in stack.query("UPDATE quarantine SET replayed_at = NULL RETURNING id")]
    add_outbox(stack, tenant, "quarantine", ids)
    stack.wait_rows(40, "SELECT count(*) FROM quarantine WHERE replayed_at IS NOT NULL")
    assert len(stack.topics.records("inbound")) == 3 * before
    wait_until(lambda: stack.topics.lag(stack.topic_prefix + "router", "inbound") == 0, 30, "the router has read them")
    assert stack.scalar("SELECT count(*) FROM messages") == 40
    assert stack.scalar("SELECT count(*) FROM quarantine") == 40


def test_a_record_of_the_wrong_type_stays_out_when_it_is_replayed_uncorrected(sending):
    stack, tenant = sending.stack, sending.tenant
    stack.start("ingest")
    sending.start()
    tenant.connect("unipile", "typed", "INSTAGRAM")
    assert stack.webhooks.unipile(tenant, unipile("typed", "c3", 1)).status_code == 200
    stack.wait_rows(1, "SELECT count(*) FROM quarantine WHERE reason = 'account_type_mismatch'")
    add_outbox(stack, tenant, "quarantine", [stack.scalar("SELECT id FROM quarantine")])
    stack.wait_rows(2, "SELECT count(*) FROM quarantine WHERE reason = 'account_type_mismatch'")
    assert stack.scalar("SELECT count(*) FROM messages") == 0


def test_a_body_that_nobody_understands_stays_for_people(sending):
    stack, tenant = sending.stack, sending.tenant
    stack.start("ingest")
    sending.start()
    assert stack.webhooks.unipile(tenant, b"not json at all").status_code == 200
    stack.wait_rows(1, "SELECT count(*) FROM quarantine WHERE topic = 'http'")
    add_outbox(stack, tenant, "quarantine", [stack.scalar("SELECT id FROM quarantine")])
    wait_until(lambda: outbox(stack) == 0, 30, "it was tried")
    assert stack.query("SELECT replayed_at IS NULL, detail LIKE 'replayed in vain%%' FROM quarantine") == [(True, True)]


# --- bulks -------------------------------------------------------------------------------------------------


def add_bulk(channel, people, body="hello {{name}}"):
    stack, bulk = channel.sending.stack, new_id()
    stack.query(
        "INSERT INTO bulks (tenant_id, id, channel_id, kind, body, total) VALUES (%s, %s, %s, 'text', %s, %s) RETURNING 1",
        channel.tenant.id, bulk, channel.id, body, len(people),
    )  # fmt: skip
    stack.query(
        "INSERT INTO bulk_recipients (tenant_id, bulk_id, position, recipient, variables) "
        "SELECT %s, %s, u.i, u.who, jsonb_build_object('name', 'N' || u.who) "
        "FROM unnest(%s::text[]) WITH ORDINALITY u(who, i) RETURNING 1", channel.tenant.id, bulk, people,
    )  # fmt: skip
    return bulk


def bulk_row(stack, bulk):
    return stack.query("SELECT status, handed_out, total FROM bulks WHERE id = %s", bulk)[0]


def set_bulk(stack, bulk, status):
    stack.query("UPDATE bulks SET status = %s WHERE id = %s RETURNING 1", status, bulk)


def test_a_bulk_is_paused_resumed_and_ends(sending):
    stack = sending.stack
    sending.start(bulk_rate=20, bulk_ahead="500ms")
    channel = free_channel(sending)
    people = [str(2000 + i) for i in range(120)]
    bulk = add_bulk(channel, people)
    wait_until(lambda: bulk_row(stack, bulk)[1] >= 20, 60, "it is on its way")
    set_bulk(stack, bulk, "paused")
    paused = steady(lambda: bulk_row(stack, bulk)[1], 2, 30, "nothing more is handed out")
    assert paused < len(people), "the pause came too late"
    c = channel.conversation(3000)
    c.wait_status(c.send("a reply meanwhile"), "sent")
    set_bulk(stack, bulk, "running")
    wait_until(lambda: bulk_row(stack, bulk)[0] == "done", 60, "all were handed out")
    wait_until(lambda: len(sending.simulator.ledger()) >= 121, 60, "all were sent")
    sent = [t for t in texts(sending.simulator) if t != "a reply meanwhile"]
    assert sorted(sent) == sorted(f"hello N{p}" for p in people)
    assert stack.scalar("SELECT count(*) FROM bulk_recipients") == 0


def test_a_cancelled_bulk_sends_no_more(sending):
    stack = sending.stack
    sending.start(bulk_rate=20, bulk_ahead="500ms")
    bulk = add_bulk(free_channel(sending), [str(4000 + i) for i in range(200)])
    wait_until(lambda: bulk_row(stack, bulk)[1] >= 20, 60, "it is on its way")
    set_bulk(stack, bulk, "cancelled")
    handed_out = steady(lambda: bulk_row(stack, bulk)[1], 2, 30, "nothing more is handed out")
    assert handed_out < 200, "the cancelling came too late"
    wait_until(lambda: len(sending.simulator.ledger()) == handed_out, 60, "what was handed out is sent")


def test_two_senders_hand_a_bulk_out_once(sending):
    stack = sending.stack
    first, second = sending.start(bulk_rate=200), sending.start(bulk_rate=200)
    people = [str(5000 + i) for i in range(300)]
    bulk = add_bulk(free_channel(sending), people)
    wait_until(lambda: bulk_row(stack, bulk)[0] == "done", 60, "all were handed out")
    assert stack.scalar("SELECT count(*) FROM messages WHERE bulk_id = %s", bulk) == 300
    wait_until(lambda: len(sending.simulator.ledger()) >= 300, 120, "all were sent")
    assert len(set(texts(sending.simulator))) == len(texts(sending.simulator)) == 300
    assert first.metric("postrider_sender_commands_total", why="bulk") + second.metric(
        "postrider_sender_commands_total", why="bulk") == 300  # fmt: skip


def read_rows(stack, table):
    """Rows that scans fetched from the table's partitions so far."""
    return stack.scalar(
        "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::int FROM pg_stat_user_tables WHERE relname ~ %s", f"^{table}_p")


def without_statistics(stack, *tables):
    """Their statistics stay those of now."""
    with stack.postgres.connect("postrider_owner", stack.database) as db:
        for table in tables:
            for (name,) in stack.query("SELECT relid::regclass::text FROM pg_partition_tree(%s) WHERE isleaf", table):
                db.execute(f"ALTER TABLE {name} SET (autovacuum_enabled = false)")
                db.execute(f"VACUUM (ANALYZE, TRUNCATE false) {name}")


def nobody_analyzes(stack):
    with stack.postgres.connect("postrider_owner", stack.database) as db:
        db.execute("CREATE OR REPLACE FUNCTION analyze_grown() RETURNS text LANGUAGE sql AS 'SELECT NULL::text'")


def test_handing_out_reads_what_it_hands_out_whatever_the_statistics_say(sending):
    stack, n = sending.stack, 20_000
    without_statistics(stack, "bulk_recipients")
    nobody_analyzes(stack)
    bulk = add_bulk(free_channel(sending), [str(10_000 + i) for i in range(n)])
    sending.start(bulk_rate=10_000)
    wait_until(lambda: bulk_row(stack, bulk)[1] >= 4000, 120, "some thousands are handed out")
    set_bulk(stack, bulk, "paused")
    made = steady(lambda: bulk_row(stack, bulk)[1], 2, 30, "nothing more is handed out")
    assert made < n, "the pause came too late"
    steady(lambda: read_rows(stack, "bulk_recipients"), 2, 30, "what was read has been counted")
    assert made <= read_rows(stack, "bulk_recipients") < 5 * made


def test_what_has_grown_is_analyzed_before_autovacuum_comes(sending):
    stack = sending.stack
    sending.start()
    without_statistics(stack, "bulk_recipients")
    bulk = add_bulk(free_channel(sending), [str(10_000 + i) for i in range(2000)])
    known = "SELECT sum(reltuples)::int FROM pg_class WHERE relname ~ '^bulk_recipients_p[0-9]+$' AND reltuples > 0"
    set_bulk(stack, bulk, "paused")
    wait_until(lambda: (stack.scalar(known) or 0) >= 1000, 60, "its rows are in the statistics")


# --- where a message went ----------------------------------------------------------------------------------


def begun(channel, person):
    """A conversation that the api began: nobody has told its name yet."""
    c = channel.conversation(f"to:{person}")
    channel.sending.stack.query("UPDATE conversations SET contact_id = %s WHERE id = %s RETURNING 1", person, c.id)
    return c


@pytest.mark.parametrize("provider", ["messenger", "instagram"])
def test_metas_answer_names_the_conversation(sending, provider):
    sending.start()
    channel = free_channel(sending, provider, account="100000000000201")
    c = begun(channel, "7000000000000301")
    m = c.send("hello", outgoing={"kind": "text", "text": "hello", "to_person": "7000000000000301"})
    c.wait_status(m, "sent", "delivered", "read")
    assert sending.stack.query("SELECT id::text, external_id FROM conversations") == [(c.id, "7000000000000301")]


def test_a_conversation_that_we_began_gets_its_name_or_joins_the_one_that_is_there(sending):
    stack = sending.stack
    stack.start("notifier")
    sending.start()
    stream = sending.tenant.stream()
    channel = free_channel(sending)
    new, known, old = begun(channel, "801"), begun(channel, "802"), channel.conversation("802")
    stack.query(
        "INSERT INTO notes (tenant_id, id, conversation_id, body) VALUES (%s, %s, %s, 'calls back') RETURNING 1",
        sending.tenant.id, new_id(), known.id,
    )  # fmt: skip
    m = new.send("to a stranger", outgoing={"kind": "text", "text": "to a stranger", "to_person": "801"})
    n = known.send("to an old friend", outgoing={"kind": "text", "text": "to an old friend", "to_person": "802"})
    new.wait_status(m, "sent")
    known.wait_status(n, "sent")
    assert stack.scalar("SELECT conversation_id::text FROM notes") == old.id
    assert stack.query("SELECT id::text, external_id FROM conversations ORDER BY external_id") == [
        (new.id, "801"), (old.id, "802")
    ]  # fmt: skip
    assert stack.scalar("SELECT conversation_id::text FROM messages WHERE id = %s", n) == old.id
    (gone,) = stream.wait_updates(1, "conversation.deleted")
    assert gone["data"]["id"] == known.id and gone["data"]["merged_into"] == old.id
    after = old.send("and one more")
    old.wait_status(after, "sent")
