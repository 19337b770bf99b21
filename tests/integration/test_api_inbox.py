# SPDX-License-Identifier: Apache-2.0
"""What people do in an inbox, through the api: lists, changes, notes, messages out."""
import json
import pathlib
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest

from support.api import forged_cursor
from support.run import EVERY_PROVIDER, Run
from support.wait import wait_until

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "instagram"


class Inbox:
    """A tenant with a channel, and conversations that are made in SQL."""

    def __init__(self, stack):
        self.stack = stack
        self.tenant = stack.tenant("acme")
        self.channel = self.tenant.connect("instagram", uuid.uuid4().hex)
        self.api = self.tenant.api()

    def conversation(self, minute=0, **columns):
        """The id of a new conversation whose latest message is of that minute."""
        row = {
            "tenant_id": self.tenant.id, "id": str(uuid.uuid4()), "channel_id": self.channel, "provider": "instagram",
            "platform": "instagram", "external_id": uuid.uuid4().hex,
            "last_message_at": f"2026-01-01T{minute // 60:02}:{minute % 60:02}:00Z", **columns,
        }  # fmt: skip
        self.insert("conversations", row)
        return row["id"]

    def message(self, conversation, second=0, **columns):
        row = {
            "tenant_id": self.tenant.id, "id": str(uuid.uuid4()), "channel_id": self.channel,
            "conversation_id": conversation, "provider": "instagram", "platform": "instagram", "direction": "in",
            "status": "received", "kind": "text", "body": "hello", "external_message_id": uuid.uuid4().hex,
            "provider_at": f"2026-01-01T00:{second // 60:02}:{second % 60:02}Z", **columns,
        }  # fmt: skip
        self.insert("messages", row)
        return row["id"]

    def insert(self, table, row):
        names, holes = ", ".join(row), ", ".join(["%s"] * len(row))
        self.stack.query(f"INSERT INTO {table} ({names}) VALUES ({holes}) RETURNING 1", *row.values())

    def ids(self, query=""):
        return [item["id"] for item in self.api.ok("GET", f"/api/conversations?{query}")["items"]]

    def pages(self, path, limit):
        """All items of a list, page by page, and how many pages there were."""
        items, n, cursor = [], 0, ""
        while cursor is not None:
            joint = "&" if "?" in path else "?"
            page = self.api.ok("GET", f"{path}{joint}limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
            assert len(page["items"]) <= limit
            items += page["items"]
            n, cursor = n + 1, page["next_cursor"]
        return items, n


@pytest.fixture(scope="module")
def served(shared_stack):
    shared_stack.start("api")
    return shared_stack


@pytest.fixture
def inbox(served):
    return Inbox(served)


# --- lists ------------------------------------------------------------------------------------------------


def test_a_list_is_paged_in_the_order_of_the_latest_message(inbox):
    # Some of one time, one without any message: it stands where it was made.
    made = [inbox.conversation(minute) for minute in (1, 2, 3, 3, 3, 4, 5)]
    silent = inbox.conversation(last_message_at=None, created_at="2026-01-01T00:02:30Z")
    items, n = inbox.pages("/api/conversations", 2)
    ids = [item["id"] for item in items]
    tied = sorted(made[2:5], reverse=True)
    assert ids == [made[6], made[5], *tied, silent, made[1], made[0]] and n == 4
    assert inbox.pages("/api/conversations", 100)[1] == 1
    inbox.api.problem(422, "invalid_cursor", "GET", "/api/conversations?cursor=nonsense")
    inbox.api.problem(400, "invalid_request", "GET", "/api/conversations?limit=101")
    inbox.api.problem(400, "invalid_request", "GET", "/api/conversations?color=red")


def test_forged_cursors_are_refused_and_never_reach_the_database(inbox):
    for parts in (["1", "", "x", str(uuid.uuid4())], ["1", "", "9" * 18, str(uuid.uuid4())], ["1", "", "1", "no"],
                  ["1", "ab", "1", str(uuid.uuid4())], ["1", "", "1"], ["2", "", "1", str(uuid.uuid4())]):  # fmt: skip
        inbox.api.problem(422, "invalid_cursor", "GET", f"/api/conversations?cursor={forged_cursor(*parts)}")


def test_every_list_refuses_a_forged_cursor_in_the_same_way(inbox):
    one = f"/api/conversations/{inbox.conversation()}"
    for path in ("/api/users", "/api/channels", "/api/conversations", f"{one}/messages", f"{one}/notes", "/api/messages/bulk",
                 "/api/webhooks/health", "/api/webhooks/quarantine", "/api/audit"):  # fmt: skip
        for key in ("", "1"):
            inbox.api.problem(422, "invalid_cursor", "GET", f"{path}?cursor={forged_cursor('1', '', key, 'no')}")


def test_filters_hold_alone_and_together(inbox):
    me = str(uuid.uuid4())
    other_channel = inbox.tenant.connect("telegram", uuid.uuid4().hex)
    closed = inbox.conversation(1, status="closed")
    mine = inbox.conversation(2, assigned_to=me)
    unread = inbox.conversation(3, unread_count=2, status="snoozed")
    telegram = inbox.conversation(4, channel_id=other_channel, provider="telegram", platform="telegram",
                                  unread_count=1)  # fmt: skip
    assert inbox.ids("status=closed") == [closed]
    assert inbox.ids("status=open") == [telegram, mine]
    assert inbox.ids(f"assignee={me}") == [mine]
    assert inbox.ids("assignee=none") == [telegram, unread, closed]
    assert inbox.ids("assignee=me") == []
    assert inbox.ids("unread=true") == [telegram, unread]
    assert inbox.ids("unread=false") == [mine, closed]
    assert inbox.ids(f"channel_id={other_channel}") == [telegram]
    assert inbox.ids("provider=telegram") == inbox.ids("platform=telegram") == [telegram]
    assert inbox.ids("provider=instagram&unread=true&status=snoozed&assignee=none") == [unread]
    inbox.api.problem(400, "invalid_request", "GET", "/api/conversations?assignee=somebody")


def test_search_finds_names_and_numbers_by_any_part_of_them(inbox):
    anna = inbox.conversation(1, contact_name="Anna Müller", contact_id="+491701234567")
    group = inbox.conversation(2, name="Sales 100% team", is_group=True)
    inbox.conversation(3, contact_name="Bob")
    for q, found in (("müller", [anna]), ("MÜLLER", [anna]), ("na m", [anna]), ("0123", [anna]), ("%2B4917", [anna]),
                     ("100%25", [group]), ("a", [group, anna]), ("%25", [group]), ("zz", [])):  # fmt: skip
        assert inbox.ids(f"q={q}") == found, q
    assert inbox.ids("q=a&status=closed") == []
    other = Inbox(inbox.stack)
    assert other.ids("q=anna") == []


# --- one --------------------------------------------------------------------------------------------------


def test_a_conversation_is_changed_under_its_revision(inbox):
    one = inbox.conversation(1)
    path = f"/api/conversations/{one}"
    answer = inbox.api.get(path)
    etag = answer.headers["ETag"]
    assert answer.json()["labels"] == [] and answer.json()["channel_name"] is None and etag == '"1"'
    changed = inbox.api.call("PATCH", path, headers={"If-Match": etag},
                             json={"status": "closed", "labels": ["vip", "angry", "vip"]})  # fmt: skip
    assert changed.status_code == 200, changed.text
    assert changed.json()["status"] == "closed" and changed.json()["labels"] == ["angry", "vip"]
    assert changed.headers["ETag"] == '"2"' and changed.json()["rev"] == 2
    inbox.api.problem(412, "precondition_failed", "PATCH", path, headers={"If-Match": etag}, json={"status": "open"})
    inbox.api.problem(412, "precondition_failed", "PATCH", path, headers={"If-Match": "x"}, json={"status": "open"})
    assert inbox.api.ok("GET", path)["status"] == "closed"
    outbox = "SELECT object_kind FROM outbox WHERE tenant_id = %s AND object_id = %s"
    assert inbox.stack.query(outbox, inbox.tenant.id, one) == [("conversation",)]
    inbox.api.problem(400, "invalid_request", "PATCH", path, json={"state": "open"})
    inbox.api.problem(422, "unknown_user", "PATCH", path, json={"assigned_to": str(uuid.uuid4())})
    colleague = str(uuid.uuid4())
    inbox.insert("users", {"tenant_id": inbox.tenant.id, "id": colleague, "email": "c@example.com"})
    assert inbox.api.ok("PATCH", path, json={"assigned_to": colleague})["assigned_to"] == colleague
    kept = inbox.api.ok("PATCH", path, json={"labels": []})
    assert kept["assigned_to"] == colleague and kept["labels"] == [] and kept["status"] == "closed"
    assert inbox.api.ok("PATCH", path, json={"assigned_to": None})["assigned_to"] is None


def test_reading_clears_what_is_unread_up_to_there(inbox):
    one = inbox.conversation(1, unread_count=3, last_inbound_at="2026-01-01T00:00:03Z")
    first, second, third = (inbox.message(one, s) for s in (1, 2, 3))
    path = f"/api/conversations/{one}/read"
    half = inbox.api.ok("POST", path, json={"message_id": second})
    assert half["unread_count"] == 1 and half["agent_read_at"] == "2026-01-01T00:00:02.000Z"
    back = inbox.api.ok("POST", path, json={"message_id": first})
    assert back["unread_count"] == 1 and back["agent_read_at"] == half["agent_read_at"]
    whole = inbox.api.ok("POST", path)
    assert whole["unread_count"] == 0 and whole["agent_read_at"] == "2026-01-01T00:00:03.000Z"
    assert inbox.api.ok("POST", path)["rev"] == whole["rev"], "nothing changed, nothing is told"
    assert third
    inbox.api.problem(422, "unknown_message", "POST", path, json={"message_id": str(uuid.uuid4())})
    inbox.api.problem(404, "not_found", "POST", f"/api/conversations/{uuid.uuid4()}/read")


def test_notes_belong_to_who_wrote_them(inbox):
    one = inbox.conversation(1)
    path = f"/api/conversations/{one}/notes"
    agent, other = inbox.tenant.api(role="agent"), inbox.tenant.api(role="agent")
    notes = [agent.ok("POST", path, 201, json={"body": f"note {i}"}) for i in range(3)]
    items, n = inbox.pages(path, 2)
    assert items == notes[::-1] and n == 2
    assert notes[0]["conversation_id"] == one and notes[0]["created_by"]
    again = {"headers": {"Idempotency-Key": "k1"}, "json": {"body": "once"}}
    assert agent.ok("POST", path, 201, **again) == agent.ok("POST", path, 201, **again)
    assert len(inbox.pages(path, 100)[0]) == 4
    assert inbox.api.delete(f"{path}/{notes[1]['id']}").status_code == 204
    inbox.api.problem(404, "not_found", "DELETE", f"{path}/{notes[1]['id']}")
    inbox.api.problem(404, "not_found", "DELETE", f"{path}/{uuid.uuid4()}")
    assert other


def test_what_is_another_tenants_is_not_there(inbox):
    theirs = Inbox(inbox.stack)
    one = theirs.conversation(1)
    message = theirs.message(one)
    note = theirs.api.ok("POST", f"/api/conversations/{one}/notes", 201, json={"body": "x"})["id"]
    for method, path, body in (
        ("GET", f"/api/conversations/{one}", None), ("PATCH", f"/api/conversations/{one}", {"status": "closed"}),
        ("POST", f"/api/conversations/{one}/read", None), ("GET", f"/api/conversations/{one}/notes", None),
        ("POST", f"/api/conversations/{one}/notes", {"body": "x"}),
        ("DELETE", f"/api/conversations/{one}/notes/{note}", None),
    ):  # fmt: skip
        inbox.api.problem(404, "not_found", method, path, json=body)
        mine = path.replace(one, str(uuid.uuid4()))
        inbox.api.problem(404, "not_found", method, mine, json=body)
    assert inbox.ids() == [] and message
    assert theirs.api.ok("GET", f"/api/conversations/{one}")["status"] == "open"


# --- a conversation's messages ----------------------------------------------------------------------------


def test_messages_are_paged_both_ways_newest_first(inbox):
    one = inbox.conversation(1)
    # Two of each second: many providers tell whole seconds.
    made = [inbox.message(one, second // 2) for second in range(7)]
    path = f"/api/conversations/{one}/messages"
    order = [row[0] for row in inbox.stack.query(
        "SELECT id::text FROM messages WHERE conversation_id = %s ORDER BY provider_at DESC, id DESC", one)]  # fmt: skip
    items, n = inbox.pages(path, 3)
    assert [m["id"] for m in items] == order and n == 3 and set(order) == set(made)
    first = inbox.api.ok("GET", f"{path}?limit=3")
    none = inbox.api.ok("GET", f"{path}?limit=3&cursor={first['newer_cursor']}")
    assert none["items"] == [] and none["next_cursor"] is None and none["newer_cursor"] == first["newer_cursor"]
    later = [inbox.message(one, second) for second in (10, 11, 12, 13)]
    page = inbox.api.ok("GET", f"{path}?limit=3&cursor={first['newer_cursor']}")
    assert [m["id"] for m in page["items"]] == later[2::-1]
    rest = inbox.api.ok("GET", f"{path}?limit=3&cursor={page['newer_cursor']}")
    assert [m["id"] for m in rest["items"]] == [later[3]]
    back = inbox.api.ok("GET", f"{path}?limit=3&cursor={page['next_cursor']}")
    assert [m["id"] for m in back["items"]] == order[:3]
    empty = inbox.api.ok("GET", f"/api/conversations/{inbox.conversation(2)}/messages")
    assert empty == {"items": [], "next_cursor": None, "newer_cursor": None}
    inbox.api.problem(404, "not_found", "GET", f"/api/conversations/{uuid.uuid4()}/messages")


# --- messages out -----------------------------------------------------------------------------------------


def commands(inbox, n):
    """The send commands of the tenant, as soon as there are n."""
    def of_tenant():
        return [r for r in inbox.stack.topics.records("outbound") if r.value["tenant_id"] == inbox.tenant.id]

    wait_until(lambda: len(of_tenant()) >= n, 30, f"{n} commands")
    return of_tenant()


def row(inbox, message):
    names = ("status", "kind", "body", "client_ref", "conversation_seq", "outgoing", "content", "reply_to", "send_at",
             "created_by", "direction", "conversation_id")  # fmt: skip
    found = inbox.stack.query(f"SELECT {', '.join(names)} FROM messages WHERE id = %s", message)
    return dict(zip(names, found[0]))


def test_a_message_is_stored_in_order_shown_and_its_sender_is_woken(inbox):
    one = inbox.conversation(1)
    path = f"/api/conversations/{one}/messages"
    answer = inbox.api.post(path, {"text": "first"})
    assert answer.status_code == 202, answer.text
    first = answer.json()
    second = inbox.api.ok("POST", path, 202, json={"text": "second 👍"})
    stored = [row(inbox, m["id"]) for m in (first, second)]
    assert [r["conversation_seq"] for r in stored] == [1, 2]
    for message, r in zip((first, second), stored):
        assert r["status"] == message["status"] == "queued" and r["direction"] == "out" and r["kind"] == "text"
        assert r["client_ref"] == "pr-" + message["id"].replace("-", "") and r["outgoing"] is None
        assert str(r["created_by"]) == message["created_by"] and r["body"] == message["body"]
        assert inbox.api.ok("GET", f"/api/messages/{message['id']}") == message
    shown = inbox.api.ok("GET", f"/api/conversations/{one}")
    assert shown["last_message_id"] == second["id"] and shown["last_message_at"] == second["provider_at"]
    assert [m["id"] for m in inbox.api.ok("GET", path)["items"]] == [second["id"], first["id"]]
    sent = commands(inbox, 2)
    assert [r.value["message_id"] for r in sent] == [first["id"], second["id"]]
    assert {r.key for r in sent} == {f"{inbox.channel}:{one}"} and sent[0].value["provider"] == "instagram"
    assert sent[0].headers["postrider-schema"] == "SendCommand" and sent[0].headers["traceparent"]
    told = inbox.stack.query("SELECT object_kind, count(*) FROM outbox WHERE tenant_id = %s"
                             " AND object_kind <> 'channel' GROUP BY 1 ORDER BY 1", inbox.tenant.id)  # fmt: skip
    assert told == [("conversation", 2), ("message", 2)]


def test_an_idempotency_key_sends_once(inbox):
    one = inbox.conversation(1)
    path = f"/api/conversations/{one}/messages"
    again = {"headers": {"Idempotency-Key": "k-1"}, "json": {"text": "once"}}
    first, second = inbox.api.call("POST", path, **again), inbox.api.call("POST", path, **again)
    assert first.status_code == second.status_code == 202 and first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert inbox.stack.scalar("SELECT count(*) FROM messages WHERE conversation_id = %s", one) == 1
    assert len(commands(inbox, 1)) == 1


def test_what_cannot_be_sent_is_refused_with_a_reason_before_it_is_stored(inbox):
    one = inbox.conversation(1)
    path = f"/api/conversations/{one}/messages"
    other = inbox.message(inbox.conversation(2))
    queued = inbox.api.ok("POST", path, 202, json={"text": "x"})["id"]
    for body, code, pointer in (
        ({}, "empty_message", "#/text"),
        ({"media": [{"type": "image"}]}, "no_file", "#/media/0"),
        ({"media": [{"type": "image", "url": "https://x.example/a.png", "media_id": str(uuid.uuid4())}]}, "no_file",
         "#/media/0"),
        ({"media": [{"type": "image", "url": "http://x.example/a.png"}]}, "bad_url", "#/media/0/url"),
        ({"media": [{"type": "image", "url": "https://169.254.169.254/latest"}]}, "bad_url", "#/media/0/url"),
        ({"media": [{"type": "image", "media_id": str(uuid.uuid4())}]}, "unknown_file", "#/media/0/media_id"),
        ({"emoji": "👍", "text": "x"}, "no_target", "#/target_id"),
        ({"emoji": "👍", "target_id": other}, "unknown_message", "#/target_id"),
        ({"text": "x", "reply_to": other}, "unknown_message", "#/reply_to"),
        ({"text": "x", "reply_to": queued}, "message_not_sent", "#/reply_to"),
        ({"emoji": "👍", "location": {"latitude": 1, "longitude": 2}}, "several_contents", "#/emoji"),
        ({"text": "x", "send_at": "2999-01-01T00:00:00Z"}, "bad_time", "#/send_at"),
    ):  # fmt: skip
        problem = inbox.api.problem(422, code, "POST", path, json=body)
        assert problem["errors"][0]["pointer"] == pointer, problem
    long = inbox.api.problem(422, "not_sendable", "POST", path, json={"text": "x" * 5000})
    assert "Instagram" in long["detail"] and "shorten" in long["detail"]
    inbox.api.problem(422, "not_sendable", "POST", path,
                      json={"template": {"name": "hello", "language": "en_US"}})  # fmt: skip
    inbox.api.problem(400, "invalid_request", "POST", path, json={"txt": "x"})
    inbox.api.problem(404, "not_found", "POST", f"/api/conversations/{uuid.uuid4()}/messages", json={"text": "x"})
    assert inbox.stack.scalar("SELECT count(*) FROM messages WHERE conversation_id = %s", one) == 1
    inbox.stack.query("UPDATE channels_account SET status = 'disconnected' WHERE id = %s RETURNING 1", inbox.channel)
    inbox.api.problem(409, "channel_disconnected", "POST", path, json={"text": "x"})


def test_more_than_text_is_kept_as_it_is_to_be_sent_and_as_it_is_shown(inbox):
    one = inbox.conversation(1)
    path = f"/api/conversations/{one}/messages"
    target = inbox.message(one, external_message_id="mid.1")
    media = inbox.api.ok("POST", path, 202, json={
        "media": [{"type": "image", "url": "https://x.example/a.png", "name": "a.png"}]})  # fmt: skip
    assert media["kind"] == "image" and media["attachments"] == [{
        "type": "image", "url": "https://x.example/a.png", "provider_ref": None, "mime": None, "name": "a.png",
        "size_bytes": None, "text": None, "extra": None}]  # fmt: skip
    assert row(inbox, media["id"])["outgoing"] == {
        "kind": "media", "media": [{"type": "image", "url": "https://x.example/a.png", "name": "a.png"}]}  # fmt: skip
    choices = inbox.api.ok("POST", path, 202, json={
        "text": "Which?", "reply_to": target, "choices": [{"title": "A", "payload": "a"}, {"title": "B\u0000\ud800", "payload": "b"}],
    })  # fmt: skip
    assert choices["kind"] == "choices" and choices["reply_to"] == "mid.1" and choices["body"] == "Which?"
    assert choices["content"]["choices"][1]["title"] == "B��"
    assert row(inbox, choices["id"])["outgoing"]["choices"] == choices["content"]["choices"]
    before = inbox.api.ok("GET", f"/api/conversations/{one}")["last_message_id"]
    reaction = inbox.api.ok("POST", path, 202, json={"emoji": "❤", "target_id": target})
    assert row(inbox, reaction["id"])["outgoing"] == {"kind": "reaction", "emoji": "❤", "target_id": "mid.1"}
    assert inbox.api.ok("GET", f"/api/conversations/{one}")["last_message_id"] == before


def test_a_message_to_a_person_finds_the_conversation_or_begins_one(inbox):
    whatsapp = inbox.tenant.connect("whatsapp", uuid.uuid4().hex)
    known = inbox.conversation(1, channel_id=whatsapp, provider="whatsapp", platform="whatsapp",
                               contact_id="491701234567")  # fmt: skip
    inbox.conversation(2, channel_id=whatsapp, provider="whatsapp", platform="whatsapp", contact_id="491701234567",
                       is_group=True)  # fmt: skip

    def start(to, status=202, **body):
        body = {"channel_id": whatsapp, "to": to, "text": "hi", **body}
        return inbox.api.ok("POST", "/api/messages", status, json=body)

    for spelling in ("491701234567", "+49 170 1234567", "+49 (170) 123-4567"):
        assert start(spelling)["conversation_id"] == known, spelling
    fresh = start("+491790000000")
    again = start("+491790000000")
    assert fresh["conversation_id"] == again["conversation_id"] != known
    made = inbox.api.ok("GET", f"/api/conversations/{fresh['conversation_id']}")
    assert made["external_id"] == "to:+491790000000" and made["contact_id"] == "+491790000000"
    assert row(inbox, fresh["id"])["outgoing"] == {"kind": "text", "to_person": "+491790000000"}
    assert [row(inbox, m["id"])["conversation_seq"] for m in (fresh, again)] == [1, 2]
    body = {"channel_id": str(uuid.uuid4()), "to": "x", "text": "hi"}
    inbox.api.problem(422, "unknown_channel", "POST", "/api/messages", json=body)
    body = {"channel_id": inbox.channel, "to": "1789", "text": "hi", "reply_to": str(uuid.uuid4())}
    inbox.api.problem(422, "unknown_message", "POST", "/api/messages", json=body)


def test_two_that_begin_one_conversation_at_once_share_it(inbox):
    whatsapp = inbox.tenant.connect("whatsapp", uuid.uuid4().hex)
    body = {"channel_id": whatsapp, "to": "+491791111111", "text": "hi"}

    def start(_):
        return inbox.tenant.api().ok("POST", "/api/messages", 202, json=body)

    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(start, range(8)))
    assert len({m["conversation_id"] for m in sent}) == 1
    assert sorted(row(inbox, m["id"])["conversation_seq"] for m in sent) == list(range(1, 9))


def test_a_message_for_later_waits_and_is_not_shown_as_the_latest(inbox):
    one = inbox.conversation(1)
    path = f"/api/conversations/{one}/messages"
    at = (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    later = inbox.api.ok("POST", path, 202, json={"text": "later", "send_at": at})
    assert later["send_at"] == at and later["status"] == "queued"
    assert inbox.api.ok("GET", f"/api/conversations/{one}")["last_message_id"] is None
    now = inbox.api.ok("POST", path, 202, json={"text": "now", "send_at": "2020-01-01T00:00:00Z"})
    assert now["send_at"] is None
    assert [r.value["message_id"] for r in commands(inbox, 1)] == [now["id"]]


def test_a_message_is_cancelled_only_while_it_waits_and_lets_its_follower_go(inbox):
    one = inbox.conversation(1)
    path = f"/api/conversations/{one}/messages"
    first, second = (inbox.api.ok("POST", path, 202, json={"text": t})["id"] for t in ("a", "b"))
    commands(inbox, 2)
    gone = inbox.api.ok("DELETE", f"/api/messages/{first}")
    assert gone["status"] == "cancelled" and gone["rev"] == 2
    assert [r.value["message_id"] for r in commands(inbox, 3)] == [first, second, second]
    inbox.api.problem(409, "not_cancellable", "DELETE", f"/api/messages/{first}")
    inbox.stack.query("UPDATE messages SET status = 'sending' WHERE id = %s RETURNING 1", second)
    problem = inbox.api.problem(409, "not_cancellable", "DELETE", f"/api/messages/{second}")
    assert "sending" in problem["detail"]
    incoming = inbox.message(one)
    inbox.api.problem(409, "not_cancellable", "DELETE", f"/api/messages/{incoming}")
    inbox.api.problem(404, "not_found", "DELETE", f"/api/messages/{uuid.uuid4()}")


def test_a_timeline_tells_what_happened_in_order(inbox):
    one = inbox.conversation(1)
    sent = inbox.message(one, 1, direction="out", status="read", stored_at="2026-01-01T00:00:01Z")
    external = inbox.api.ok("GET", f"/api/messages/{sent}")["external_message_id"]
    attempt = {"tenant_id": inbox.tenant.id, "message_id": sent, "channel_id": inbox.channel}
    inbox.insert("send_attempts", {**attempt, "attempt": 1, "started_at": "2026-01-01T00:00:02Z", "outcome": "retry",
                                   "finished_at": "2026-01-01T00:00:03Z", "http_status": 500, "error_code": "2",
                                   "error_message": "later"})  # fmt: skip
    inbox.insert("send_attempts", {**attempt, "attempt": 2, "started_at": "2026-01-01T00:00:04Z", "outcome": "sent",
                                   "finished_at": "2026-01-01T00:00:05Z", "http_status": 200})  # fmt: skip
    inbox.insert("message_receipts", {"tenant_id": inbox.tenant.id, "channel_id": inbox.channel,
                                      "external_message_id": external, "participant_id": "p", "status": "read",
                                      "at": "2026-01-01T00:00:09Z"})  # fmt: skip
    timeline = inbox.api.ok("GET", f"/api/messages/{sent}/timeline")
    assert timeline["status"] == "read" and timeline["message_id"] == sent
    told = [(i["event"], i["attempt"], i["status"], i["http_status"]) for i in timeline["items"]]
    assert told == [("accepted", None, None, None), ("attempt_started", 1, None, None),
                    ("attempt_finished", 1, "retry", 500), ("attempt_started", 2, None, None),
                    ("attempt_finished", 2, "sent", 200), ("receipt", None, "read", None)]  # fmt: skip
    assert timeline["items"][2]["error_message"] == "later" and timeline["items"][5]["participant"] == "p"
    inbox.api.problem(404, "not_found", "GET", f"/api/messages/{uuid.uuid4()}/timeline")


# --- as the stream tells it -------------------------------------------------------------------------------


def test_the_streams_objects_are_the_apis(stack):
    """The last update of each object is, member by member, what the api answers."""
    stack.start_all()
    stack.start("api", user_rate=100000)
    run = Run(stack, 800, seed=3, accounts=EVERY_PROVIDER, conversations=8)
    run.finish()
    # The simulator says words only; these bring files and a place.
    for name in ("02-message-image", "06-message-multi-image", "08-message-share"):
        assert stack.webhooks.meta("instagram", (GOLDEN / f"{name}.in.json").read_bytes()).status_code == 200
    stack.wait_rows(run.count + 3, "SELECT count(*) FROM events")

    def latest():
        found = {}
        for record in stack.topics.records("updates"):
            update = record.value
            if update["kind"].startswith(("message.", "conversation.")):
                key = (update["kind"].partition(".")[0], update["object_id"])
                if key not in found or update["rev"] >= found[key]["rev"]:
                    found[key] = json.loads(update["data"])
        return found

    api = run.tenant.api()

    def is_told(key, object_, told):
        # A revision may stand for what the router keeps to itself: a contact's times.
        rev = told.get(key, {}).get("rev", 0)
        return rev <= object_["rev"] and {**told.get(key, {}), "rev": 0} == {**object_, "rev": 0}

    def differing():
        told = latest()
        return [(key, told.get(key), o) for key, o in objects.items() if not is_told(key, o, told)]

    objects = {
        (kind, str(object_id)): api.ok("GET", f"/api/{kind}s/{object_id}")
        for kind, object_id in stack.query("SELECT 'message', id FROM messages UNION ALL SELECT 'conversation', id FROM conversations")
    }  # fmt: skip
    wait_until(lambda: len(latest()) == len(objects) and not differing(), 30, "the stream tells what the api answers")
    counts = Counter(kind for kind, _ in objects)
    attachments = sum(len(o.get("attachments", ())) for o in objects.values())
    assert counts["message"] > 200 and counts["conversation"] > 10 and attachments > 0, (counts, attachments)
