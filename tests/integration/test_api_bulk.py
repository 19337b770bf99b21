# SPDX-License-Identifier: Apache-2.0
"""Bulks through the api: from a request or a file of many to the provider's own ledger."""
import json
import uuid

import pytest

from support.sending import Sending
from support.wait import steady, wait_until

BULK = "/api/messages/bulk"


@pytest.fixture(scope="module")
def sending(shared_stack):
    shared_stack.start("router")
    files = {"media_folder": str(shared_stack.folder / "media")}
    shared_stack.start("api", **files)
    sending = Sending(shared_stack, shared_stack.start_simulator())
    sending.start(bulk_rate=20, bulk_ahead="500ms", **files)
    return sending


@pytest.fixture
def channel(sending):
    return sending.channel("telegram", send_per_minute=0, send_per_minute_to_one=0)


@pytest.fixture
def api(sending):
    return sending.tenant.api()


def request_of(channel, people, text="hello {{name}}", **message):
    recipients = [{"to": str(p), "variables": {"name": f"N{p}"}} for p in people]
    return {"channel_id": channel.id, "message": {"text": text, **message}, "recipients": recipients}


def csv_query(channel, text="hello {{name}}", **more):
    return {"channel_id": channel.id, "message": json.dumps({"text": text}), **more}


def post_csv(api, channel, body, status=202, **query):
    return api.ok("POST", BULK, status, data=body.encode(), headers={"Content-Type": "text/csv"},
                  params=csv_query(channel, **query))  # fmt: skip


def texts(channel):
    return [row["text"] for row in channel.sending.simulator.ledger(account=channel.account)]


def wait_done(api, bulk, **progress):
    def reached():
        now = api.ok("GET", f"{BULK}/{bulk}")
        return now if all(now["progress"][k] == n for k, n in progress.items()) else None

    return wait_until(reached, 60, f"the bulk has come to {progress}")


def test_a_list_goes_out_once_each_and_says_how_far_it_is(channel, api):
    people = range(8000, 8030)
    asked = request_of(channel, [*people, 8003])
    asked["name"] = "spring"
    made = api.ok("POST", BULK, 202, json=asked)
    assert made["duplicates"] == 1
    bulk = made["bulk"]
    assert (bulk["total"], bulk["status"], bulk["name"], bulk["text"]) == (30, "running", "spring", "hello {{name}}")
    assert bulk["progress"]["queued"] == 30
    end = wait_done(api, bulk["id"], queued=0)
    assert end["status"] == "done" and end["handed_out"] == 30 and end["finished_at"]
    assert sum(end["progress"].values()) == 30 and not end["progress"]["failed"]
    assert sorted(texts(channel)) == sorted(f"hello N{p}" for p in people)
    listed = api.ok("GET", f"{BULK}?limit=1")
    assert listed["items"][0]["id"] == bulk["id"] and "progress" not in listed["items"][0]


def test_a_file_goes_out_with_its_columns(channel, api):
    body = '\ufeffto,name,"the.place"\r\n9001,"Anne ""A"", née B",Köln\r\n\r\n9002,Bo,"two\nlines"\r\n9003,,x'
    made = post_csv(api, channel, body, text="Dear {{name}} of {{ the.place }}")
    assert made["bulk"]["total"] == 3 and made["duplicates"] == 0
    wait_done(api, made["bulk"]["id"], queued=0)
    assert sorted(texts(channel)) == ["Dear  of x", 'Dear Anne "A", née B of Köln', "Dear Bo of two\nlines"]


def test_a_bulks_messages_show_their_files_as_others_do(channel, api):
    png = b"\x89PNG\r\n\x1a\n" + bytes(64)
    file = api.ok("POST", "/api/media?name=a.png", 201, data=png, headers={"Content-Type": "image/png"})
    message = {"text": "look, {{name}}", "media": [{"type": "image", "media_id": file["id"]}]}
    body = {**request_of(channel, [9101, 9102]), "message": message}
    bulk = api.ok("POST", BULK, 202, json=body)["bulk"]
    wait_done(api, bulk["id"], queued=0)
    alone = api.ok("POST", "/api/messages", 202, json={"channel_id": channel.id, "to": "9103", **message})
    assert alone["attachments"][0]["size_bytes"] == len(png)
    rows = channel.sending.stack.query("SELECT id::text FROM messages WHERE bulk_id = %s", bulk["id"])
    shown = [api.ok("GET", f"/api/messages/{row[0]}") for row in rows]
    assert sorted(m["body"] for m in shown) == ["look, N9101", "look, N9102"]
    assert [m["attachments"] for m in shown] == [alone["attachments"]] * 2
    assert {row["kind"] for row in channel.sending.simulator.ledger(account=channel.account)} == {"image"}


def errors(problem):
    return [(e.get("pointer") or e.get("parameter"), e["detail"]) for e in problem["errors"]]


def test_what_is_wrong_is_named_by_its_place_and_nothing_is_kept(channel, api):
    stack = channel.sending.stack
    before = stack.scalar("SELECT count(*) FROM bulks")

    def refused(body, status=400, code="invalid_request", kind="text/csv", **query):
        params = {**csv_query(channel), **query} if kind == "text/csv" else None
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        return errors(api.problem(status, code, "POST", BULK, data=data, headers={"Content-Type": kind}, params=params))

    bad = refused("to,name\n1,a\n,b\n3,c,d\n4,e\n" + "5" * 300 + ",f\n")
    assert [detail.partition(":")[0] for _, detail in bad] == ["line 3", "line 4", "line 6"]
    assert refused('to,name\n1,"a\n') == [(None, "line 2: a quoted value does not end")]
    assert "line 1" in refused("name,to\n1,2\n")[0][1]
    assert refused("to\n", 422, "no_recipients")[0][0] == "#/recipients"
    assert refused("to\n1\n", message="{")[0][0] == "message"
    assert refused("to\n1\n", message='{"text":1}')[0][0] == "#/message/text"
    assert refused("to\n1\n", channel_id=str(uuid.uuid4()), status=422, code="unknown_channel")[0][0] == "#/channel_id"

    good = request_of(channel, [1, 2, 3])
    wrong = {**good, "recipients": [*good["recipients"], {"to": ""}, {"to": "5", "name": "x"}, {"to": "6", "variables": {"a": []}}]}
    assert [at for at, _ in refused(wrong, kind="application/json")] == [f"#/recipients/{i}" for i in (3, 4, 5)]
    assert refused({**good, "more": 1}, kind="application/json")[0][0] == "#/more"
    assert refused({**good, "recipients": {}}, kind="application/json")[0][0] == "#/recipients"
    assert refused('{"recipients": [{"to": "1"}', kind="application/json")[0][0] == "#"
    cut = json.dumps(good)[:-2] + ", not json]}"
    assert refused(cut, kind="application/json")[0][0] == "#/recipients/3"
    assert refused({**good, "recipients": []}, 422, "no_recipients", kind="application/json")
    api.problem(422, "not_for_bulk", "POST", BULK, json=request_of(channel, [1], reply_to=str(uuid.uuid4())))
    api.problem(415, "unsupported_media_type", "POST", BULK, data=b"x", headers={"Content-Type": "text/plain"})
    assert stack.scalar("SELECT count(*) FROM bulks") == before
    assert stack.scalar("SELECT count(*) FROM bulk_recipients") == 0


def test_a_hundred_thousand_in_one_request_and_one_key_makes_one_bulk(channel, api):
    later = channel.sending.stack.scalar(
        "SELECT to_char((now() + interval '1 day') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")  # fmt: skip
    asked = request_of(channel, range(100_000), send_at=later)
    key = {"Idempotency-Key": uuid.uuid4().hex}
    made = api.ok("POST", BULK, 202, json=asked, headers=key)
    again = api.call("POST", BULK, json=asked, headers=key)
    assert again.headers["Idempotency-Replayed"] == "true" and again.json() == made
    other = {**asked, "recipients": asked["recipients"][:-1]}
    assert api.call("POST", BULK, json=other, headers=key).status_code in (409, 422)
    bulk = made["bulk"]["id"]
    assert made["bulk"]["total"] == 100_000
    stack = channel.sending.stack
    assert stack.scalar("SELECT count(*) FROM bulk_recipients WHERE bulk_id = %s", bulk) == 100_000
    one_more = request_of(channel, range(100_001), send_at=later)
    api.problem(422, "too_many_recipients", "POST", BULK, json=one_more)
    large = json.dumps(request_of(channel, [1])).encode().ljust((16 << 20) + 4096)
    api.problem(413, "too_large", "POST", BULK, data=large, headers={"Content-Type": "application/json"})
    assert steady(lambda: texts(channel), 1, 20, "nothing goes before its time") == []
    gone = api.ok("POST", f"{BULK}/{bulk}/cancel")
    assert gone["progress"]["cancelled"] == 100_000 and gone["progress"]["queued"] == 0


def test_it_is_paused_resumed_and_cancelled(channel, api):
    people = range(7000, 7200)
    bulk = api.ok("POST", BULK, 202, json=request_of(channel, people))["bulk"]["id"]
    path = f"{BULK}/{bulk}"
    wait_until(lambda: len(texts(channel)) >= 10, 60, "it is on its way")
    assert api.ok("POST", f"{path}/pause")["status"] == "paused"
    assert api.ok("POST", f"{path}/pause")["status"] == "paused"
    paused = steady(lambda: len(texts(channel)), 2, 30, "nothing more goes")
    assert paused < len(people), "the pause came too late"
    assert api.ok("POST", f"{path}/resume")["status"] == "running"
    wait_until(lambda: len(texts(channel)) > paused, 60, "it goes on")
    assert api.ok("POST", f"{path}/cancel")["status"] == "cancelled"
    sent = steady(lambda: len(texts(channel)), 2, 30, "nothing more goes")
    assert sent < len(people), "the cancelling came too late"
    end = wait_done(api, bulk, queued=0)
    assert end["progress"]["cancelled"] == len(people) - sent and len(set(texts(channel))) == sent
    api.problem(409, "bulk_over", "POST", f"{path}/resume")
    api.problem(409, "bulk_over", "POST", f"{path}/pause")
    assert [b["id"] for b in api.ok("GET", f"{BULK}?status=cancelled")["items"]][0] == bulk


def test_a_suspended_tenants_bulk_waits(sending):
    stack, tenant = sending.stack, sending.stack.tenant("suspended")
    channel = sending.channel("telegram", tenant=tenant, send_per_minute=0, send_per_minute_to_one=0)
    soon = stack.scalar("SELECT to_char((now() + interval '2 s') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
    bulk = tenant.api().ok("POST", BULK, 202, json=request_of(channel, range(6000, 6020), send_at=soon))["bulk"]["id"]
    stack.query("UPDATE tenants SET status = 'suspended' WHERE id = %s RETURNING 1", tenant.id)
    row = "SELECT handed_out FROM bulks WHERE id = %s"
    wait_until(lambda: stack.scalar("SELECT send_at < now() - interval '1 s' FROM bulks WHERE id = %s", bulk), 30, "its time has come")
    assert stack.scalar(row, bulk) == 0 and texts(channel) == []
    stack.query("UPDATE tenants SET status = 'active' WHERE id = %s RETURNING 1", tenant.id)
    wait_until(lambda: len(texts(channel)) == 20, 60, "it goes once the tenant is back")


def test_nobody_sees_anothers(channel, api, sending):
    bulk = api.ok("POST", BULK, 202, json=request_of(channel, [1]))["bulk"]["id"]
    other = sending.stack.tenant("other").api()
    other.problem(404, "not_found", "GET", f"{BULK}/{bulk}")
    for verb in ("pause", "resume", "cancel"):
        other.problem(404, "not_found", "POST", f"{BULK}/{bulk}/{verb}")
    assert other.ok("GET", BULK)["items"] == []
    other.problem(422, "unknown_channel", "POST", BULK, json=request_of(channel, [1]))
