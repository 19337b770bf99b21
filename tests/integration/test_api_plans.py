# SPDX-License-Identifier: Apache-2.0
"""Every query of the inbox is served by an index: read from the plans of the very statements that the api runs."""
import re
import uuid

import pytest

from support.inbox_rows import fill
from support.wait import wait_until

LARGE = {"conversations", "messages", "conversation_search", "attachments"}
REPEATS = 7  # from the sixth time on PostgreSQL may take a plan for any parameters


@pytest.fixture
def explained(stack):
    """A stack whose PostgreSQL writes the plan of each statement of the api to its log."""
    settings = {"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0",
                "auto_explain.log_format": "json", "auto_explain.log_nested_statements": "on"}  # fmt: skip
    with stack.postgres.connect() as db:
        db.execute("LOAD 'auto_explain'")
        for name, value in settings.items():
            db.execute(f"ALTER ROLE postrider_api IN DATABASE {stack.database} SET {name} = '{value}'")
    yield stack


class Plans:
    """What stands in PostgreSQL's log from now on."""

    def __init__(self, stack):
        self.path = stack.postgres.process.log_path
        self.start = self.path.stat().st_size

    def text(self):
        return self.path.read_bytes()[self.start :].decode(errors="replace")

    def scanned(self, node):
        """Relation -> a query that reads it in that way."""
        found = {}
        for plan in self.text().split('"Query Text": ')[1:]:
            for name in re.findall(rf'"Node Type": "{node}",(?:(?!"Node Type").)*?"Relation Name": "(\w+)"', plan, re.S):
                found[name] = plan.partition("\n")[0]
        return found


def paths(api, tenant, channel):
    """Everything that reads, with each filter and at each edge of a page."""
    first = api.ok("GET", "/api/conversations?limit=20")
    one = first["items"][3]["id"]
    messages = api.ok("GET", f"/api/conversations/{one}/messages?limit=2")
    message = messages["items"][0]["id"]
    filters = ["", "status=open", "status=snoozed", "status=closed", f"channel_id={channel}", f"assignee={tenant}",
               "assignee=none", "unread=true", "provider=instagram", "platform=instagram", "q=carla", "q=4917123",
               "q=c", "q=carla&status=open&unread=true", "status=open&assignee=none&unread=false"]  # fmt: skip
    for chosen in filters:
        joined = "&" + chosen if chosen else ""
        yield f"/api/conversations?limit=20{joined}"
        yield f"/api/conversations?limit=20{joined}&cursor={first['next_cursor']}"
    yield f"/api/conversations/{one}"
    yield f"/api/conversations/{one}/messages?limit=20"
    yield f"/api/conversations/{one}/messages?limit=20&cursor={messages['next_cursor']}"
    yield f"/api/conversations/{one}/messages?limit=20&cursor={messages['newer_cursor']}"
    yield f"/api/conversations/{one}/notes"
    yield f"/api/messages/{message}"
    yield f"/api/messages/{message}/timeline"
    yield f"/api/media/{uuid.uuid4()}/link"


def test_no_query_of_an_inbox_reads_a_whole_table(explained):
    stack = explained
    tenant = stack.tenant("acme")
    channel = tenant.connect("instagram", "17841400000000001")
    with stack.postgres.connect("postrider_owner", stack.database) as db:
        fill(db, tenant.id, channel, 12_000, 60_000)
    stack.start("api", user_rate=100000, tenant_rate=100000)
    api = tenant.api()
    plans = Plans(stack)
    n = 0
    for path in paths(api, tenant.id, channel):
        for _ in range(REPEATS):
            answer = api.get(path)
            assert answer.status_code == (404 if "/media/" in path else 200), answer.text
            n += 1
    one = api.ok("GET", "/api/conversations?unread=true&limit=1")["items"][0]["id"]
    for i in range(REPEATS):
        sent = api.ok("POST", f"/api/conversations/{one}/messages", 202, json={"text": f"hello {i}"})
        api.ok("POST", "/api/messages", 202, json={"channel_id": channel, "to": "+4917123", "text": "hello"})
        api.ok("POST", f"/api/conversations/{one}/read")
        api.ok("PATCH", f"/api/conversations/{one}", json={"labels": [f"l{i}"]})
        api.ok("DELETE", f"/api/messages/{sent['id']}")
    wait_until(lambda: plans.text().count('"Query Text"') > n, 20, "the plans are in the log")
    # The log has what was asked: the search's own statement, and each kind of list.
    for part in ("words LIKE", "LIMIT $", "unread_count > 0", "next_seq + 1", "s.contact_id = ANY", "message_receipts r"):
        assert part in plans.text(), part
    read = {**plans.scanned("Index Scan"), **plans.scanned("Index Only Scan"), **plans.scanned("Bitmap Heap Scan")}
    assert {re.sub(r"_p\d\d$", "", name) for name in read} >= {"conversations", "messages", "conversation_search"}
    # Of an empty partition the cheapest plan reads all of its nothing: those with rows count.
    large = {name for name, in stack.query(
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        " AND reltuples >= 1000")}  # fmt: skip
    assert {re.sub(r"_p\d\d$", "", name) for name in large} == LARGE
    assert {name: query for name, query in plans.scanned("Seq Scan").items() if name in large} == {}


def test_a_search_for_a_rare_name_reads_few_rows(explained):
    """Of 12,000 names in 16 partitions the index leads to the one, not the policy through all of them."""
    stack = explained
    tenant = stack.tenant("acme")
    channel = tenant.connect("instagram", "17841400000000001")
    with stack.postgres.connect("postrider_owner", stack.database) as db:
        fill(db, tenant.id, channel, 12_000, 12_000)
        db.execute("SELECT set_config('postrider.tenant_id', %s, false)", (tenant.id,))
        plan = "\n".join(row[0] for row in db.execute(
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT s.conversation_id FROM conversation_search s"
            " WHERE s.tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid"
            " AND s.words LIKE '%novak 9999%'").fetchall())  # fmt: skip
    assert "conversation_search_p" in plan and "Bitmap Index Scan" in plan, plan
    found = [int(n) for n in re.findall(r"Bitmap Index Scan on \w+ \(actual rows=(\d+)", plan)]
    assert found and max(found) < 50, plan
