# SPDX-License-Identifier: Apache-2.0
"""What people do in an inbox, through the api: lists, changes, notes, messages out."""
import base64
import uuid

import pytest


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
    inbox.api.problem(400, "invalid_cursor", "GET", "/api/conversations?cursor=nonsense")
    inbox.api.problem(400, "invalid_request", "GET", "/api/conversations?limit=101")
    inbox.api.problem(400, "invalid_request", "GET", "/api/conversations?color=red")


def test_forged_cursors_are_refused_and_never_reach_the_database(inbox):
    for parts in (["1", "", "x", str(uuid.uuid4())], ["1", "", "9" * 18, str(uuid.uuid4())], ["1", "", "1", "no"],
                  ["1", "ab", "1", str(uuid.uuid4())], ["1", "", "1"], ["2", "", "1", str(uuid.uuid4())]):  # fmt: skip
        cursor = base64.urlsafe_b64encode("\x1f".join(parts).encode()).rstrip(b"=").decode()
        inbox.api.problem(400, "invalid_cursor", "GET", f"/api/conversations?cursor={cursor}")


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
