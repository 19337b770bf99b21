# SPDX-License-Identifier: Apache-2.0
"""The stream as docs/stream.md promises it: who is let in, what comes, and how a client resumes."""
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.sync.client import connect
from websockets.uri import parse_uri

from support.ports import free_port
from support.tokens import make_token
from support.wait import steady, wait_until
from support.webhooks import Webhooks

IG_SENDER = "9000000000000101"


@pytest.fixture(scope="module")
def pipeline(shared_stack):
    """ingest, router and notifier, which run through all tests of this file."""
    shared_stack.start_all()
    return shared_stack


class Shop:
    """A tenant of one test's own, with a UniPile channel and an Instagram one."""

    def __init__(self, stack):
        self.stack = stack
        self.tenant = stack.tenant()
        self.id = self.tenant.id
        self.account = f"wa-{self.id}"
        self.page = str(int(self.id[-12:], 16))
        self.unipile = self.tenant.connect("unipile", self.account, "WHATSAPP")
        self.instagram = self.tenant.connect("instagram", self.page)
        self.n_posted = 0

    def token(self, **claims):
        return make_token(self.stack.secrets["jwt_secret"], self.id, **claims)

    def stream(self, cursor=None, **options):
        return self.stack.open_stream(self.token(), cursor, **options)

    def post(self, n=1, chat="chat-1", text="Good morning", webhooks=None):
        """n messages of one conversation, each acknowledged; their ids."""
        ids = []
        for _ in range(n):
            self.n_posted += 1
            ids.append(f"m-{self.n_posted}")
            body = {
                "event": "message_received", "account_id": self.account, "account_type": "WHATSAPP", "chat_id": chat,
                "timestamp": f"2026-01-01T{self.n_posted // 3600:02}:{self.n_posted // 60 % 60:02}:{self.n_posted % 60:02}.000Z",
                "message_id": ids[-1], "message": f"{text} {self.id}",
                "account_info": {"type": "WHATSAPP", "user_id": "15550100001@s.whatsapp.net"},
                "sender": {"attendee_id": "a1", "attendee_provider_id": "15550100002@s.whatsapp.net", "attendee_name": "Pat"},
            }  # fmt: skip
            assert (webhooks or self.stack.webhooks).unipile(self.tenant, body).status_code == 200
        return ids

    def post_instagram(self, mid):
        item = {"sender": {"id": IG_SENDER}, "recipient": {"id": self.page}, "timestamp": 1767225601000,
                "message": {"mid": mid, "text": "hi"}}  # fmt: skip
        entry = {"id": self.page, "time": 1767225601100, "messaging": [item]}
        assert self.stack.webhooks.meta("instagram", {"object": "instagram", "entry": [entry]}).status_code == 200

    def told(self):
        """The ids of all updates of this tenant, in order, as the topic has them once the router is through."""
        group = f"{self.stack.topic_prefix}router"
        wait_until(lambda: self.stack.topics.lag(group, "inbound") == 0, 60, "the router has read all")
        return [r.value["id"] for r in self.stack.topics.records("updates") if r.key == self.id]


@pytest.fixture
def shop(pipeline):
    return Shop(pipeline)


@contextmanager
def another_notifier(stack, **settings):
    """One more notifier on the same topic, with settings of its own; its stream's address."""
    port = free_port()
    daemon = stack.start("notifier", listen_port=port, **settings)
    try:
        yield daemon, f"ws://127.0.0.1:{port}/v1/stream"
    finally:
        daemon.stop()


def ids(frames):
    return [f["id"] for f in frames]


def external_ids(stream):
    return [f["data"]["external_message_id"] for f in stream.updates("message.created")]


def settle(stream):
    """All that was queued for this client has come: the server answers a ping behind it."""
    n = len(stream.of_type("pong"))
    stream.send({"type": "ping"})
    stream.wait(lambda: len(stream.of_type("pong")) > n, 20, "the server says pong")


def wait_exactly(stream, want):
    """The updates of this stream become `want`, and not one more."""
    stream.wait_updates(len(want))
    settle(stream)
    assert ids(stream.updates()) == want


def refusal(url, **options):
    """The answer to a handshake that is refused, and the problem document in it."""
    with pytest.raises(InvalidStatus) as info:
        connect(url, compression=None, open_timeout=20, **options).close()
    response = info.value.response
    assert response.headers["Content-Type"].startswith("application/problem+json")
    problem = json.loads(response.body)
    assert problem["status"] == response.status_code
    return response.status_code, problem


class RawClient:
    """A client that reads only when it is told to, and answers no ping."""

    def __init__(self, url, token):
        self.protocol = ClientProtocol(parse_uri(url), subprotocols=[f"bearer.{token}"], max_size=None)
        address = parse_uri(url)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(30)
        self._socket.connect((address.host, address.port))
        self.protocol.send_request(self.protocol.connect())
        self._socket.sendall(b"".join(self.protocol.data_to_send()))
        self.frames, self.pings, self._text = [], 0, b""
        while not self.frames:
            assert self._read(), "the server closed instead of a hello"
        assert self.frames[0]["type"] == "hello"

    def _read(self):
        try:
            data = self._socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            return False
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if getattr(event, "opcode", None) in (Opcode.TEXT, Opcode.CONT):
                self._text += event.data
                if event.fin:
                    self.frames.append(json.loads(self._text))
                    self._text = b""
            elif getattr(event, "opcode", None) is Opcode.PING:
                self.pings += 1
        self.protocol.data_to_send()  # answers that are never given
        return self.protocol.state is State.OPEN

    def read_to_the_end(self):
        """What the server had written until it closed; the close code."""
        while self._read():
            pass
        self._socket.close()
        return self.protocol.close_rcvd.code if self.protocol.close_rcvd else None


# --- what comes ---------------------------------------------------------------------------------------


def test_hello_comes_first_with_the_cursor_and_the_heartbeat(shop):
    watcher = shop.stream()
    assert watcher.frames[0] == {"type": "hello", "cursor": watcher.hello["cursor"], "heartbeat_s": 25}
    shop.post(1)
    wait_until(lambda: watcher.updates("message.created"), 30, "the message is pushed")
    assert watcher.frames[0]["type"] == "hello"
    assert len(watcher.of_type("hello")) == 1


def test_an_update_carries_the_whole_object_as_it_is_stored(shop):
    watcher = shop.stream()
    shop.post(1)
    update = watcher.wait_updates(1, "message.created")[0]
    row = shop.stack.query(
        "SELECT id::text, conversation_id::text, channel_id::text, rev, body, status FROM messages WHERE tenant_id = %s",
        shop.id)[0]  # fmt: skip
    data = update["data"]
    assert (data["id"], update["conversation_id"], update["channel_id"], update["rev"], data["body"], data["status"]) == row
    assert data["rev"] == update["rev"]
    assert update["provider"] == "unipile"
    inbound = [r for r in shop.stack.topics.records("inbound") if shop.account in r.key]
    assert inbound[0].headers["traceparent"].split("-")[1] == update["trace"]


def test_a_tenant_sees_its_own_updates_and_nobody_elses_while_both_are_busy(pipeline):
    shops = [Shop(pipeline), Shop(pipeline)]
    watchers = [shop.stream() for shop in shops]
    with ThreadPoolExecutor(2) as pool:  # the same external ids on both sides
        posted = list(pool.map(lambda shop: shop.post(40, webhooks=Webhooks(pipeline)), shops))
    assert posted[0] == posted[1]
    told = [shop.told() for shop in shops]
    assert not set(told[0]) & set(told[1])
    for shop, watcher, want in zip(shops, watchers, told):
        wait_exactly(watcher, want)
        rows = pipeline.query("SELECT id::text FROM messages WHERE tenant_id = %s", shop.id)
        assert {f["data"]["id"] for f in watcher.updates("message.created")} == {r[0] for r in rows}
        assert external_ids(watcher) == posted[0]
        assert all(f["data"]["body"].endswith(shop.id) for f in watcher.updates("message.created"))
    # Nor by a cursor of the other's: it resumes in the own updates, or not at all.
    stranger = shops[1].stream(watchers[0].hello["cursor"])
    settle(stranger)
    assert set(ids(stranger.updates())) <= set(told[1])


def test_a_subscription_filters_by_provider_channel_and_conversation_until_it_is_lifted(shop):
    watcher, everything = shop.stream(), shop.stream()

    def subscribe(**lists):
        watcher.send({"type": "subscribe", **lists})
        settle(watcher)
        return len(watcher.frames)

    def pushed_after(mark, mid):
        """The messages among the frames behind `mark`, once the tenant has been told of `mid`."""
        everything.wait(lambda: mid in external_ids(everything), 30, f"{mid} is pushed")
        shop.told()
        settle(watcher)
        return [f["data"]["external_message_id"] for f in watcher.frames[mark:] if f.get("kind") == "message.created"]

    mark = subscribe(providers=["instagram"])
    shop.post(1)
    shop.post_instagram("mid.1")
    assert pushed_after(mark, "mid.1") == ["mid.1"]
    mark = subscribe(channels=[shop.unipile])
    shop.post_instagram("mid.2")
    (second,) = shop.post(1)
    assert pushed_after(mark, second) == [second]
    (third,) = shop.post(1, chat="chat-2")
    pushed_after(mark, third)
    conversation = next(
        f["conversation_id"] for f in everything.updates("message.created") if f["data"]["external_message_id"] == third)
    mark = subscribe(conversations=[conversation])
    shop.post(1, chat="chat-1")
    (fifth,) = shop.post(1, chat="chat-2")
    assert pushed_after(mark, fifth) == [fifth]
    mark = subscribe(conversations=[conversation], providers=["instagram"])
    (sixth,) = shop.post(1, chat="chat-2")
    assert pushed_after(mark, sixth) == []
    mark = subscribe(channels=[])
    (seventh,) = shop.post(1)
    assert pushed_after(mark, seventh) == []
    mark = subscribe()
    (eighth,) = shop.post(1)
    shop.post_instagram("mid.3")
    assert set(pushed_after(mark, "mid.3")) == {eighth, "mid.3"}


def test_a_message_that_is_not_understood_is_answered_and_changes_nothing(shop):
    watcher = shop.stream()
    watcher.send({"type": "subscribe", "providers": ["instagram"]})
    bad = ["not json", "[]", '{"type": 7}', '{"type": "shout"}', '{"type": "subscribe", "channels": "all"}',
           '{"type": "subscribe", "channels": ["no uuid"]}', '{"type": "auth"}']  # fmt: skip
    for message in bad:
        watcher.send(message)
    settle(watcher)
    assert [f["code"] for f in watcher.of_type("error")] == ["bad_message"] * len(bad)
    mark = len(watcher.frames)
    shop.post(1)
    shop.post_instagram("mid.1")
    watcher.wait_updates(1, "message.created")
    shop.told()
    settle(watcher)
    assert {f["provider"] for f in watcher.frames[mark:] if f["type"] == "update"} == {"instagram"}


def test_a_client_that_sends_too_much_is_closed_with_its_own_code_or_the_protocols(shop):
    chatty, large, binary, bystander = shop.stream(), shop.stream(), shop.stream(), shop.stream()
    try:
        for _ in range(200):
            chatty.send({"type": "ping"})
    except ConnectionClosed:
        pass
    assert chatty.wait_closed() == 4029
    large.send({"type": "subscribe", "channels": ["x" * (17 << 10)]})
    binary.send(b'{"type": "ping"}')
    assert (large.wait_closed(), binary.wait_closed()) == (1009, 1003)
    settle(bystander)


# --- who is let in --------------------------------------------------------------------------------------


def test_a_token_is_taken_as_subprotocol_as_query_and_as_first_message(shop):
    url, token = shop.stack.stream_url, shop.token()
    with connect(url, subprotocols=["chat", f"bearer.{token}"], compression=None) as client:
        assert client.subprotocol == f"bearer.{token}", "the server answers with the protocol that it took"
        assert json.loads(client.recv(20))["type"] == "hello"
    with connect(url + "?" + urlencode({"token": token}), compression=None) as client:
        assert client.subprotocol is None
        assert json.loads(client.recv(20))["type"] == "hello"
    silent = shop.stack.open_stream(None, hello=False)
    silent.send({"type": "auth", "token": token})
    wait_until(lambda: silent.of_type("hello"), 20, "the stream says hello")
    shop.post(1)
    silent.wait_updates(1, "message.created")


def test_the_token_that_the_verb_mints_opens_the_stream(shop):
    watcher = shop.tenant.stream()
    shop.post(1)
    watcher.wait_updates(1, "message.created")


def bad_tokens(shop):
    """(name, token, a word of the reason)."""
    good = shop.token()
    head, body, signature = good.split(".")
    other = make_token(shop.stack.secrets["jwt_secret"], shop.id, sub="somebody-else").split(".")[1]
    return [
        ("expired", shop.token(ttl=-1, iat=1), "expired"),
        ("of another key", make_token("x" * 32, shop.id), "signature"),
        ("of no algorithm", shop.token(algorithm="none"), "HS256"),
        ("of another algorithm", shop.token(algorithm="HS384"), "HS256"),
        ("without its signature", f"{head}.{body}.", "signature"),
        ("with other claims", f"{head}.{other}.{signature}", "signature"),
        ("that never expires", shop.token(exp=None), "exp"),
        ("with a time in words", shop.token(exp="tomorrow"), "time"),
        ("not valid yet", shop.token(nbf=4102444800), "not valid yet"),
        ("of no tenant", make_token(shop.stack.secrets["jwt_secret"], "acme"), "tenant_id"),
        ("of nobody", shop.token(sub=""), "sub"),
        ("that is none", "rubbish", "JWT"),
    ]


def test_a_token_that_is_not_good_is_refused_with_401_and_the_reason(shop):
    url = shop.stack.stream_url
    for name, token, reason in bad_tokens(shop):
        for options in ({"url": url, "subprotocols": [f"bearer.{token}"]}, {"url": f"{url}?token={token}"}):
            status, problem = refusal(**options)
            assert status == 401, name
            assert reason in problem["detail"], name


def test_a_first_message_without_a_good_token_closes_with_4001_and_the_reason(shop):
    for name, token, reason in bad_tokens(shop):
        stranger = shop.stack.open_stream(None, hello=False)
        stranger.send({"type": "auth", "token": token})
        assert stranger.wait_closed() == 4001, name
        assert reason in stranger.close_reason, name
        assert stranger.frames == []
    for message in ({"type": "subscribe"}, {"type": "ping"}, "not json"):
        stranger = shop.stack.open_stream(None, hello=False)
        stranger.send(message)
        assert stranger.wait_closed() == 4001
        assert "auth" in stranger.close_reason


def test_a_client_that_says_nothing_is_closed_with_4001_and_has_seen_nothing(shop):
    with another_notifier(shop.stack, auth_timeout="1s") as (_, url):
        silent = shop.stack.open_stream(None, url=url, hello=False)
        shop.post(1)
        assert silent.wait_closed() == 4001
        assert "in time" in silent.close_reason
        assert silent.frames == []


def test_an_expiring_token_is_announced_refreshed_by_the_same_user_and_closes_when_it_is_over(shop):
    stack = shop.stack
    fading = stack.open_stream(shop.token(ttl=30))
    fading.wait(lambda: fading.of_type("error"), 20, "the server warns")
    assert fading.of_type("error")[0]["code"] == "token_expiring"
    stranger = Shop(stack)
    for token in (stranger.token(), shop.token(sub="somebody-else"), make_token("x" * 32, shop.id)):
        fading.send({"type": "auth", "token": token})
    settle(fading)
    assert [f["code"] for f in fading.of_type("error")[1:]] == ["token_refused"] * 3
    fading.send({"type": "auth", "token": shop.token()})
    fading.wait(lambda: fading.of_type("authenticated"), 20, "the new token is in force")
    stranger.post(1)
    shop.post(1)
    fading.wait_updates(1, "message.created")
    stranger.told()
    settle(fading)
    assert {f["data"]["body"] for f in fading.updates("message.created")} == {f"Good morning {shop.id}"}
    over = stack.open_stream(shop.token(ttl=2))
    assert over.wait_closed() == 4001
    assert "expired" in over.close_reason


def test_only_pages_of_allowed_origins_may_open_a_stream(shop):
    stack, token = shop.stack, shop.token()
    protocols = [f"bearer.{token}"]
    same_host = f"http://127.0.0.1:{stack.stream_port}"
    shop.stream()  # without an Origin
    shop.stream(origin=same_host)
    for origin in ("https://evil.example.com", "http://127.0.0.1:1", "null"):
        status, problem = refusal(stack.stream_url, subprotocols=protocols, origin=origin)
        assert status == 403, origin
        assert "allowed_origins" in problem["detail"]
    with another_notifier(stack, allowed_origins="https://inbox.example.com, https://b.example.com:8443/") as (_, url):
        for origin in ("https://inbox.example.com", "https://b.example.com:8443", None):
            stack.open_stream(token, url=url, origin=origin)
        for origin in ("https://inbox.example.com.evil.example", "http://inbox.example.com", "https://b.example.com", same_host):
            assert refusal(url, subprotocols=protocols, origin=origin)[0] == 403, origin
    with another_notifier(stack, allowed_origins="*") as (_, url):
        stack.open_stream(token, url=url, origin="https://anywhere.example.com")


def test_a_full_tenant_is_refused_with_429_and_another_is_not(pipeline):
    shops = [Shop(pipeline), Shop(pipeline)]
    with another_notifier(pipeline, tenant_max_clients=2) as (_, url):
        first = [shops[0].stream(url=url) for _ in range(2)]
        assert refusal(url, subprotocols=[f"bearer.{shops[0].token()}"])[0] == 429
        late = pipeline.open_stream(None, url=url, hello=False)
        late.send({"type": "auth", "token": shops[0].token()})
        assert late.wait_closed() == 4029
        shops[1].stream(url=url)
        first[0].close()
        wait_until(lambda: pipeline.open_stream(shops[0].token(), url=url), 20, "there is room again")


# --- resume ---------------------------------------------------------------------------------------------


def check_resumes_from_each_cursor(shop, reference, told, **options):
    """From each cursor of the reference exactly what it had behind that cursor comes, in order, once."""
    places = [(reference.hello["cursor"], 0)]
    places += [(f["cursor"], i + 1) for i, f in enumerate(reference.updates())]
    assert len(places) == len(told) + 1
    for cursor, n in places:
        client = shop.stream(cursor, **options)
        assert client.hello["cursor"] == cursor, "hello repeats a cursor behind which nothing is missing"
        wait_exactly(client, told[n:])
        assert [f["type"] for f in client.frames if f["type"] not in ("update", "pong")] == ["hello"]
        client.close()


def test_any_cursor_that_was_seen_resumes_with_exactly_what_followed(shop):
    watcher = shop.stream()
    shop.post(6)
    shop.post(4, chat="chat-2")
    told = shop.told()
    wait_exactly(watcher, told)
    check_resumes_from_each_cursor(shop, watcher, told)


def test_a_client_that_resumes_goes_on_with_live_updates_without_a_seam(shop):
    watcher = shop.stream()
    shop.post(5)
    watcher.wait_updates(5, "message.created")
    cut = watcher.updates()[1]["cursor"]
    with ThreadPoolExecutor(1) as pool:
        posting = pool.submit(shop.post, 60, webhooks=Webhooks(shop.stack))
        clients = [shop.stream(cut) for _ in range(10)]
        posting.result()
    told = shop.told()
    for client in clients:
        wait_exactly(client, told[2:])


def test_a_cursor_resumes_after_the_notifier_was_killed_and_started_again(shop):
    notifier = shop.stack.daemons[2]
    assert notifier.kind == "notifier"
    idle = Shop(shop.stack).stream()
    watcher = shop.stream()
    shop.post(4)
    before = shop.told()
    wait_exactly(watcher, before)
    notifier.kill()
    for client in (watcher, idle):
        assert client.wait_closed() == 1006
    shop.post(3)
    notifier.start()
    told = shop.told()
    assert told[: len(before)] == before and len(told) > len(before)
    again = watcher.again()
    assert again.hello["cursor"] == watcher.cursor
    wait_exactly(again, told[len(before) :])
    early = shop.stream(watcher.hello["cursor"])
    wait_exactly(early, told)
    check_resumes_from_each_cursor(shop, early, told)
    settle(idle.again())


def test_a_client_changes_over_to_another_notifier_with_its_cursor(shop):
    watcher = shop.stream()
    shop.post(4)
    told = shop.told()
    wait_exactly(watcher, told)
    with another_notifier(shop.stack) as (_, url):
        check_resumes_from_each_cursor(shop, watcher, told, url=url)


def test_the_hello_cursor_of_a_stack_on_which_nothing_ever_happened_resumes(make_stack):
    stack = make_stack(partitions=1)
    notifier = stack.start("notifier")
    shop = Shop(stack)
    idle = shop.stream()
    settle(idle)
    assert idle.updates() == []
    idle.close()
    notifier.kill()
    stack.start("ingest")
    stack.start("router")
    shop.post(3)
    notifier.start()
    wait_exactly(shop.stream(idle.hello["cursor"]), shop.told())


def test_a_cursor_that_was_never_ours_gets_resync_and_then_live_updates(shop):
    watcher = shop.stream()
    shop.post(1)
    told = shop.told()
    wait_exactly(watcher, told)
    partition = watcher.cursor.split("-")[0]
    foreign = f"{(int(partition) + 1) % 4}-0"
    for cursor in (foreign, "999-0", "rubbish", "0", "-1-5", f"0{watcher.cursor}", "9" * 100, "' OR 1=1", "\u00fc-1"):
        client = shop.stream(cursor)
        client.wait(lambda: client.of_type("resync"), 20, f"the cursor {cursor!r} is told to resync")
        assert [f["type"] for f in client.frames[:2]] == ["hello", "resync"], cursor
        assert client.hello["cursor"] == client.of_type("resync")[0]["cursor"] != cursor
    ahead = shop.stream(f"{partition}-999999999")
    ahead.wait(lambda: ahead.of_type("resync"), 20, "a cursor far ahead is told to resync")
    assert ahead.of_type("resync")[0]["cursor"] != f"{partition}-999999999"
    shop.post(1)
    new = shop.told()[len(told) :]
    for late in (client, ahead):
        wait_exactly(late, new)


def test_a_cursor_older_than_what_is_kept_gets_resync_and_an_idle_clients_is_kept_young(make_stack):
    stack = make_stack(partitions=1)
    stack.start("ingest")
    stack.start("router")
    notifier = stack.start("notifier", ring_records=64, heartbeat="200ms")
    shop = Shop(stack)
    watcher = shop.stream()
    idle = Shop(stack)
    idler = idle.stream()
    assert watcher.hello["heartbeat_s"] == 1
    shop.post(80)
    told = shop.told()
    wait_exactly(watcher, told)
    assert len(told) > 64
    old = shop.stream(watcher.hello["cursor"])
    old.wait(lambda: old.of_type("resync"), 20, "the old cursor is told to resync")
    assert old.hello["cursor"] == old.of_type("resync")[0]["cursor"] != watcher.hello["cursor"]
    assert notifier.metric("postrider_notifier_resyncs_total", reason="not_held") == 1
    recent = watcher.updates()[-20]["cursor"]
    wait_exactly(shop.stream(recent), told[-19:])
    # Nothing happened for the idle tenant, whose place the others have left behind.
    idler.wait(lambda: idler.of_type("cursor"), 20, "the idle client gets a newer cursor")
    assert idler.updates() == []
    again = idle.stream(idler.cursor)
    assert again.hello["cursor"] == idler.cursor
    settle(again)
    assert again.of_type("resync") == []
    shop.post(1)
    new = shop.told()[len(told) :]
    wait_exactly(old, new)


# --- slow, silent, stalled, stopped ---------------------------------------------------------------------


def test_a_slow_client_is_closed_with_4008_while_another_gets_everything_and_its_cursor_resumes(shop):
    notifier = shop.stack.daemons[2]
    before = notifier.metric("postrider_notifier_slow_closes_total")
    healthy = shop.stream()
    slow = RawClient(shop.stack.stream_url, shop.token())
    n_posted = 0
    while notifier.metric("postrider_notifier_slow_closes_total") == before:
        assert n_posted < 200, "20 MB wait for the slow client and it is not closed"
        n_posted += len(shop.post(4, text="x" * 100_000))
        healthy.wait_updates(n_posted, "message.created")  # it keeps up
    assert notifier.metric("postrider_notifier_slow_closes_total") == before + 1
    assert slow.read_to_the_end() == 4008
    seen = [f for f in slow.frames if f["type"] == "update"]
    shop.post(2)
    told = shop.told()
    wait_exactly(healthy, told)
    assert len(seen) < len(told)
    assert ids(seen) == told[: len(seen)], "up to the close it had everything in order"
    wait_exactly(shop.stream(slow.frames[-1]["cursor"]), told[len(seen) :])


def test_a_silent_client_is_closed_with_4010_while_one_that_answers_pings_stays(shop):
    with another_notifier(shop.stack, heartbeat="200ms", pong_timeout="2s") as (notifier, url):
        alive = shop.stream(url=url)
        dead = RawClient(url, shop.token())
        assert dead.read_to_the_end() == 4010
        assert dead.pings >= 1
        assert notifier.metric("postrider_notifier_closed_total", code="4010") == 1
        settle(alive)


def test_clients_hear_that_the_feed_stalls_and_resumes_around_a_broker_kill(shop):
    stack = shop.stack
    ingest, router, notifier = stack.daemons[:3]
    watcher = shop.stream()
    shop.post(2)
    told = shop.told()
    wait_exactly(watcher, told)

    def codes(client):
        return [f["code"] for f in client.of_type("error")]

    stack.kafka.kill()
    try:
        watcher.wait(lambda: codes(watcher), 60, "the client is told that the feed stalls")
        meanwhile = shop.stream(watcher.cursor)
        meanwhile.wait(lambda: codes(meanwhile), 20, "so is one that connects meanwhile")
        assert [f["type"] for f in meanwhile.frames[:2]] == ["hello", "error"]
        assert notifier.metric("postrider_notifier_feed_stalled") == 1
        notifier.wait_not_ready()
    finally:
        stack.kafka.start()
    for daemon in (ingest, router, notifier):
        daemon.wait_ready()
    for client in (watcher, meanwhile):
        client.wait(lambda: client.of_type("feed_resumed"), 60, "the client is told that the feed goes on")
    shop.post(2)
    all_told = shop.told()
    assert all_told[: len(told)] == told
    wait_exactly(watcher, all_told)
    wait_exactly(meanwhile, all_told[len(told) :])
    for client in (watcher, meanwhile):
        assert codes(client) == ["feed_stalled"], "it is said once"
        assert len(client.of_type("feed_resumed")) == 1
        assert client.of_type("resync") == []
    # The cursor that feed_resumed carries is as good as an update's.
    wait_exactly(shop.stream(watcher.of_type("feed_resumed")[0]["cursor"]), all_told[len(told) :])


def test_a_graceful_stop_closes_every_client_with_1001_and_their_cursors_resume(shop):
    notifier = shop.stack.daemons[2]
    clients = [shop.stream() for _ in range(5)]
    shop.post(3)
    told = shop.told()
    for client in clients:
        wait_exactly(client, told)
    notifier.stop()
    for client in clients:
        assert client.wait_closed() == 1001
    notifier.start()
    shop.post(2)
    told = told + shop.told()[len(told) :]
    for client in clients:
        again = client.again()
        wait_exactly(again, told[len(client.updates()) :])
        assert again.of_type("resync") == []


def test_nothing_comes_to_a_client_whose_tenant_is_idle_while_others_are_busy(pipeline):
    busy, idle = Shop(pipeline), Shop(pipeline)
    watcher = idle.stream()
    busy.post(20)
    busy.told()
    settle(watcher)
    assert steady(lambda: [f["type"] for f in watcher.frames], 0.3, 20, "nothing more comes") == ["hello", "pong"]
