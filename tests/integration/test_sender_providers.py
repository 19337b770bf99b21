# SPDX-License-Identifier: Apache-2.0
"""Each provider end to end: api, Kafka, sender, the provider, its receipts, router, and the browser's websocket."""
import http.server
import threading

import pytest

from support.memory import peak_mib
from support.sending import Sending
from support.wait import wait_until

MIB = 1 << 20
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
RANK = ["queued", "retry", "sending", "uncertain", "sent", "delivered", "read"]


class Case:
    def __init__(self, account, person, last, kind=None):
        self.account, self.person, self.last, self.kind = account, person, last, kind


# An account, whom it writes to, and the last that the provider reports of what was sent.
CASES = {
    "unipile": Case("sim-unipile-9", "chat-9", "read", "WHATSAPP"),
    "instagram": Case("17840000000000009", "700000009", "read"),
    "messenger": Case("100000000000009", "700000009", "read"),
    "whatsapp": Case("300000000000009", "4915100000009", "read"),
    "telegram": Case("700000009", "5009", "sent"),
    "x": Case("1500000000000000909", "1500000000000000702-1500000000000000909", "read"),
}


@pytest.fixture(scope="module")
def files():
    """An address under which a picture lies."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(PNG)))
            self.end_headers()
            self.wfile.write(PNG)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.fixture(scope="module")
def sending(shared_stack, files):
    stack = shared_stack
    for kind in ("ingest", "router", "notifier"):
        stack.start(kind)
    simulator = stack.start_simulator()
    hosts = f"{simulator.host},127.0.0.1:{files}"
    stack.start("api", allowed_hosts=hosts, media_folder=stack.folder / "media")
    sending = Sending(stack, simulator)
    sending.defaults.update(allowed_hosts=hosts, media_folder=stack.folder / "media")
    sending.sender()
    return sending


def post(api, conversation, **message):
    return api.ok("POST", f"/api/conversations/{conversation.id}/messages", 202, json=message)["id"]


def upload(api, data, name):
    answer = api.call("POST", "/api/media", data=data, params={"name": name}, headers={"Content-Type": "application/octet-stream"})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def statuses(stream, message_id):
    return [f["data"]["status"] for f in stream.updates() if f["data"].get("id") == message_id]


@pytest.mark.parametrize("provider", list(CASES))
def test_text_and_files_go_out_and_come_back(sending, files, provider):
    case, stack, simulator = CASES[provider], sending.stack, sending.simulator
    tenant = stack.tenant(provider)
    channel = sending.channel(provider, case.account, case.kind, tenant, send_per_minute=0, send_per_minute_to_one=0)
    simulator.account(provider, case.account, tenant=tenant.id, **({"type": case.kind} if case.kind else {}))
    api, stream = tenant.api(), tenant.stream()
    conversation = channel.conversation(case.person)
    picture = upload(api, PNG, "picture.png")
    ids = [
        post(api, conversation, text="in words"),
        post(api, conversation, media=[{"type": "image", "url": f"http://127.0.0.1:{files}/picture.png"}]),
        post(api, conversation, media=[{"type": "image", "media_id": picture}]),
    ]
    wait_until(lambda: [(statuses(stream, m) or [None])[-1] for m in ids] == [case.last] * 3, 60, f"all are {case.last}")
    rows = channel.wait_sends(3)
    assert rows[0]["kind"] == "text" and rows[0]["text"] == "in words"
    assert all(row["kind"] in ("image", "file", "media") for row in rows[1:]), rows
    for m in ids:
        ranks = [RANK.index(status) for status in statuses(stream, m)]
        assert ranks == sorted(ranks), statuses(stream, m)
        assert conversation.message(m)["attempt"] == 1
    assert stack.scalar("SELECT count(*) FROM messages WHERE channel_id = %s", channel.id) == 3


def connected(sending, provider):
    """A tenant of its own with a channel; a conversation on it and the tenant's api."""
    case = CASES[provider]
    account = case.account[:-1] + "8"
    channel = sending.channel(provider, account, case.kind, sending.stack.tenant("large"), send_per_minute=0, send_per_minute_to_one=0)
    return channel.conversation(case.person[:-1] + "8"), channel.tenant.api()


def test_a_large_file_is_never_whole_in_memory(sending):
    conversation, api = connected(sending, "telegram")
    sender = sending.sender()
    size = 40 * MIB
    warm = post(api, conversation, media=[{"type": "file", "media_id": upload(api, b"%PDF-1.7\n" + bytes(1000), "small.pdf")}])
    conversation.wait_status(warm, "sent")
    large = upload(api, b"%PDF-1.7\n" + b"x" * (size - 9), "large.pdf")
    before = peak_mib(sender.pid, begin=True)
    m = post(api, conversation, media=[{"type": "file", "media_id": large}])
    conversation.wait_status(m, "sent", timeout=120)
    grown = peak_mib(sender.pid) - before
    assert conversation.channel.wait_sends(2)[1]["kind"] != "text"
    assert grown < size / MIB / 4, f"{grown:.1f} MiB for a file of {size / MIB:.0f}"


def test_an_upload_that_takes_longer_than_a_lease_keeps_its_claim(sending):
    """Four requests, each slower than what is left of the claim when the first one ends."""
    conversation, api = connected(sending, "x")
    simulator, sender = sending.simulator, sending.sender(lease="6s", call_timeout="2s")
    video = upload(api, b"\0\0\0\x18ftypmp42" + bytes(2000), "film.mp4")
    simulator.fault("slow", ms=900, provider="x", count=-1, on="all")
    m = post(api, conversation, media=[{"type": "video", "media_id": video}])
    conversation.wait_status(m, "sent", "delivered", "read")
    assert simulator.struck("slow") >= 4
    simulator.faults()
    assert conversation.message(m)["attempt"] == 1 and len(conversation.attempts(m)) == 1
    conversation.channel.wait_sends(1)
    assert sender.metric("postrider_sender_rounds_total", what="renew") >= 1
