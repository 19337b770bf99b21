# SPDX-License-Identifier: Apache-2.0
"""Tenants apart, through the api: made from its description, so that each operation that is added is tried too.

Tenants A and B have the same things. B calls every operation, once with an id that is nobody's and once with A's in its
place; the two answers must be the same. Whatever B asks, nothing of A's is in the answer.
"""
import copy
import json
import uuid

import pytest

from support.described import carried, is_reference, least, operations, references
from support.tokens import make_token
from support.world import PIXEL, World

OPERATIONS = operations()
every_operation = pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.id)

# What the last word of a path before an id, and the name of a reference in a query or body, lead to.
IN_PATHS = {"users": "user", "channels": "channel", "conversations": "conversation", "notes": "note", "messages": "message",
            "media": "media", "quarantine": "quarantine", "tenants": "tenant", "bulk": "bulk", "bulks": "bulk",
            "templates": "template", "rules": "rule"}  # fmt: skip
IN_NAMES = {"channel_id": "channel", "assignee": "user", "assigned_to": "user", "user_id": "user", "message_id": "message",
            "target_id": "message", "reply_to": "message", "media_id": "media", "conversation_id": "conversation",
            "bulk_id": "bulk", "template_id": "template", "tenant_id": "tenant", "tenant": "tenant"}  # fmt: skip

# Bodies that are taken, where the least that the schema lets in is not. "{channel}" is an id.
BODIES = {
    "updateConversation": [{"assigned_to": "{user}"}, {"status": "closed"}],
    "markConversationRead": [{"message_id": "{message}"}, None],
    "sendMessage": [
        {"text": "x"}, {"text": "x", "reply_to": "{message}"}, {"emoji": "👍", "target_id": "{message}"},
        {"media": [{"type": "image", "media_id": "{media}"}]},
    ],
    "startConversation": [
        {"channel_id": "{channel}", "to": "+4915112345678", "text": "x"},
        {"channel_id": "{channel}", "to": "+4915112345678", "text": "x", "reply_to": "{message}"},
        {"channel_id": "{channel}", "to": "+4915112345678", "emoji": "👍", "target_id": "{message}"},
        {"channel_id": "{channel}", "to": "+4915112345678", "media": [{"type": "image", "media_id": "{media}"}]},
    ],
    "createBulk": [
        {"channel_id": "{channel}", "recipients": [{"to": "4711"}], "message": {"text": "x"}},
        {"channel_id": "{channel}", "recipients": [{"to": "4711"}], "message": {"text": "x", "reply_to": "{message}"}},
        {"channel_id": "{channel}", "recipients": [{"to": "4711"}], "message": {"emoji": "👍", "target_id": "{message}"}},
        {"channel_id": "{channel}", "recipients": [{"to": "4711"}],
         "message": {"media": [{"type": "image", "media_id": "{media}"}]}},
    ],
    "sendInstagramMessage": [
        {"recipient": "4711", "text": "x", "channel_id": "{channel}"},
        {"recipient": "4711", "attachment": {"type": "image", "media_id": "{media}"}},
    ],
    "reconnectChannel": [{"credentials": {"access_token": "sim-x"}}],
    "changeTenant": [{"name": "x"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def worlds(shared_stack, tmp_path_factory):
    """A, B."""
    simulator = shared_stack.start_simulator()
    shared_stack.start_api(simulator, user_rate=100000, tenant_rate=1000000, password_memory="8MiB",
                           media_folder=str(shared_stack.folder / "media"))  # fmt: skip
    return World(shared_stack, simulator), World(shared_stack, simulator)


def filled(template, ids):
    """A body with ids in its holes."""
    text = json.dumps(template)
    for kind, value in ids.items():
        text = text.replace(f'"{{{kind}}}"', json.dumps(value))
    return json.loads(text)


def kind_of(name, table):
    assert name in table, f"'{name}' leads to an id, but the test does not know of what: say so in its tables"
    return table[name]


def path_ids(op):
    """{parameter: kind} of those that are ids."""
    words, kinds = op.path.split("/"), {}
    for p in op.of("path"):
        if is_reference(p["schema"]):
            kinds[p["name"]] = kind_of(words[words.index(f"{{{p['name']}}}") - 1], IN_PATHS)
    return kinds


def path_of(op, ids):
    path = op.path
    for p in op.of("path"):
        value = ids[p["name"]] if p["name"] in ids else least(p["schema"])
        assert value, f"{op}: no value for {p['name']}"
        path = path.replace(f"{{{p['name']}}}", str(value))
    return path


def with_references(schema, node=None):
    """The least body, with its references as holes."""
    body = least(schema)
    for at in references(schema):
        node = body
        for name in at[:-1]:
            assert isinstance(node, dict) and isinstance(node.get(name), dict), f"say in BODIES where {at} goes"
            node = node[name]
        node[at[-1]] = f"{{{kind_of(at[-1], IN_NAMES)}}}"
    return body


def bodies(op):
    """Templates; all references of the schema stand in one of them."""
    if op.media_type != "application/json":
        return [PIXEL if op.media_type else None]
    found = BODIES.get(op.id) or [with_references(op.schema)]
    missing = references(op.schema) - set().union(*(carried(b) for b in found))
    assert not missing, f"{op}: no body of the test carries {missing}"
    return found


def call(world, op, path, body, token=None, query=None, headers=None):
    wanted = {p["name"]: world.ids[IN_NAMES[p["name"]]] if is_reference(p["schema"]) else least(p["schema"])
              for p in op.of("query") if p.get("required")}  # fmt: skip
    query = {**wanted, **(query or {})}
    more = {"data": body, "headers": {"Content-Type": "image/png", **(headers or {})}} if isinstance(body, bytes) else {
        "json": body, "headers": headers or {}}  # fmt: skip
    return world.owner.call(op.method, path, token=world.tokens["owner"] if token is None else token, params=query, **more)


def own_token(world, op):
    """Of the tenant, in a role that may."""
    return next((world.tokens[role] for role in ("owner", "agent") if role in op.roles), world.tokens["owner"])


PASSING = {"date", "x-request-id", "ratelimit-remaining", "ratelimit-reset", "content-length"}


def gist(answer, *ids):
    """What an answer says, without what differs between any two calls, and without the ids that were asked for."""
    text = answer.text
    for one in ids:
        text = text.replace(one, "<id>")
    try:
        body = json.loads(text)
        body.pop("instance", None)
    except (ValueError, AttributeError):
        body = text
    return answer.status_code, body, {k.lower(): v for k, v in answer.headers.items() if k.lower() not in PASSING}


def assert_no_trace(answer, world, asked=()):
    said = answer.text + json.dumps(dict(answer.headers))
    found = [trace for trace in world.traces() - set(asked) if trace in said]
    assert not found, f"{answer.request.method} {answer.request.url} tells {found}: {answer.text[:500]}"


@every_operation
def test_an_id_of_anothers_is_as_good_as_nobodys(worlds, op):
    """In each path parameter alone, and in all together; the other ids of the call are the caller's own."""
    a, b = worlds
    kinds = path_ids(op)
    own = {name: b.ids[kind] for name, kind in kinds.items()}
    swaps = [{name} for name in kinds] + ([set(kinds)] if len(kinds) > 1 else [])
    for names in swaps:
        for template in bodies(op):
            body = filled(template, b.ids) if not isinstance(template, bytes) else template
            nobodys = {**own, **{name: str(uuid.uuid4()) for name in names}}
            theirs = {**own, **{name: a.ids[kinds[name]] for name in names}}
            want = call(b, op, path_of(op, nobodys), body, own_token(b, op))
            got = call(b, op, path_of(op, theirs), body, own_token(b, op))
            refused = 404 if {"owner", "agent"} & set(op.roles) else 403 if op.roles else want.status_code
            assert want.status_code == refused >= 400, f"{op}: {want.text}"
            assert gist(got, *theirs.values()) == gist(want, *nobodys.values()), op
            assert_no_trace(got, a, theirs.values())


@every_operation
def test_a_reference_to_what_is_anothers_is_as_good_as_nobodys(worlds, op):
    a, b = worlds
    own = {name: b.ids[kind] for name, kind in path_ids(op).items()}
    token = own_token(b, op)
    asked = [p for p in op.of("query") if is_reference(p["schema"])]
    for p in asked:
        kind, nobodys = kind_of(p["name"], IN_NAMES), str(uuid.uuid4())
        want = call(b, op, path_of(op, own), None, token, {p["name"]: nobodys})
        got = call(b, op, path_of(op, own), None, token, {p["name"]: a.ids[kind]})
        assert gist(got, a.ids[kind]) == gist(want, nobodys), op
        assert_no_trace(got, a, [a.ids[kind]])
    if op.media_type != "application/json":
        return
    kinds = {kind for kind in IN_NAMES.values() for t in bodies(op) if f'"{{{kind}}}"' in json.dumps(t)}
    for kind in sorted(kinds):
        for template in (t for t in bodies(op) if f'"{{{kind}}}"' in json.dumps(t)):
            nobodys = {**b.ids, kind: str(uuid.uuid4())}
            want = call(b, op, path_of(op, own), filled(template, nobodys), token)
            got = call(b, op, path_of(op, own), filled(template, {**b.ids, kind: a.ids[kind]}), token)
            assert 400 <= want.status_code < 500, f"{op}: {want.text}"
            assert gist(got, a.ids[kind]) == gist(want, nobodys[kind]), op
            assert_no_trace(got, a, [a.ids[kind]])


@every_operation
def test_without_a_token_or_with_one_that_is_no_good_nothing_is_opened(worlds, op):
    a, _ = worlds
    if not op.roles:
        assert op.node.get("security") == [], f"{op}: say `security: []`, or x-roles"
        return
    path = path_of(op, {name: a.ids[kind] for name, kind in path_ids(op).items()})
    body = bodies(op)[0]
    body = body if isinstance(body, bytes) else filled(body, a.ids)
    good = own_token(a, op)
    unsigned = make_token("", a.tenant, algorithm="none", role="owner")
    for token in ("", "x", good[:-4] + "AAAA", unsigned, make_token("another secret", a.tenant, role="owner"),
                  make_token(a._stack.secrets["jwt_secret"], a.tenant, ttl=-60, role="owner")):  # fmt: skip
        answer = call(a, op, path, body, token)
        assert answer.status_code == 401 and "Bearer" in answer.headers["WWW-Authenticate"], f"{op}: {answer.text}"
        assert_no_trace(answer, a)


@every_operation
def test_a_role_that_is_not_named_is_refused(worlds, op):
    a, _ = worlds
    path = path_of(op, {name: a.ids[kind] for name, kind in path_ids(op).items()})
    body = bodies(op)[0]
    body = body if isinstance(body, bytes) else filled(body, a.ids)
    for role in set(a.tokens) - set(op.roles) if op.roles else ():
        answer = call(a, op, path, body, a.tokens[role])
        assert answer.status_code == 403 and answer.json()["code"] == "forbidden", f"{op} as {role}: {answer.text}"
        assert_no_trace(answer, a)


def test_what_is_read_is_the_callers_own(worlds):
    """The ids of the test are real: each opens for its tenant what stays shut for the other. Lists hold the caller's things alone."""
    a, b = worlds
    opened = 0
    for op in (op for op in OPERATIONS if op.method == "GET" and {"owner", "agent"} & set(op.roles)):
        own = {name: b.ids[kind] for name, kind in path_ids(op).items()}
        answer = call(b, op, path_of(op, own), None, own_token(b, op))
        assert answer.status_code == 200, f"{op}: {answer.text}"
        assert_no_trace(answer, a)
        opened += any(trace in answer.text for trace in b.traces())
    assert opened >= 10


def test_a_cursor_of_anothers_list_opens_nothing(worlds):
    a, b = worlds
    paged = [op for op in OPERATIONS if any(p["name"] == "cursor" for p in op.of("query")) and "owner" in op.roles]
    assert len(paged) >= 5
    tried = 0
    for op in paged:
        theirs = path_of(op, {name: a.ids[kind] for name, kind in path_ids(op).items()})
        mine = path_of(op, {name: b.ids[kind] for name, kind in path_ids(op).items()})
        page = call(a, op, theirs, None, query={"limit": 1} if any(p["name"] == "limit" for p in op.of("query")) else None)
        cursors = [v for k, v in page.json().items() if k.endswith("cursor") and v]
        for cursor in cursors:
            assert_no_trace(call(b, op, mine, None, query={"cursor": cursor}), a)
            tried += 1
    assert tried >= 2


def test_an_answer_that_is_kept_for_a_key_is_its_tenants(worlds):
    a, b = worlds
    same = {"Idempotency-Key": f"key-{uuid.uuid4().hex}"}
    for op in (op for op in OPERATIONS if op.node.get("x-idempotent") and "owner" in op.roles):
        for template in bodies(op)[:1]:
            answers = []
            for world in (a, b):
                own = {name: world.ids[kind] for name, kind in path_ids(op).items()}
                body = copy.deepcopy(template) if isinstance(template, bytes) else filled(template, world.ids)
                answers.append(call(world, op, path_of(op, own), body, headers={"Idempotency-Key": f"{same['Idempotency-Key']}{op.id}"}))
            assert "Idempotency-Replayed" not in answers[1].headers, op
            assert_no_trace(answers[1], a)


@pytest.mark.parametrize("op", [op for op in OPERATIONS if op.roles and not path_ids(op)], ids=lambda op: op.id)
def test_what_a_call_without_ids_does_touches_nothing_of_anothers(worlds, op):
    """After all others: these change things."""
    a, b = worlds
    if not {"owner", "agent"} & set(op.roles):
        return
    for template in bodies(op):
        body = template if isinstance(template, bytes) else filled(template, b.ids)
        answer = call(b, op, path_of(op, {}), body, own_token(b, op))
        assert answer.status_code < 500, f"{op}: {answer.text}"
        assert_no_trace(answer, a)


def test_a_is_as_before(worlds):
    a, _ = worlds
    for op in (op for op in OPERATIONS if op.method == "GET" and {"owner", "agent"} & set(op.roles) and path_ids(op)):
        own = {name: a.ids[kind] for name, kind in path_ids(op).items()}
        assert call(a, op, path_of(op, own), None, own_token(a, op)).status_code == 200, op
    mails = [user["email"] for user in a.owner.ok("GET", "/api/users")["items"]]
    assert f"{a.mark}@example.com" in mails and f"colleague-{a.mark}@example.com" in mails
    assert a.owner.ok("GET", "/api/user/credentials")["configured"] is True
