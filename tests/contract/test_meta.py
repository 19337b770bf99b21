# SPDX-License-Identifier: Apache-2.0
"""Instagram, Messenger and WhatsApp: what the adapters build is taken by the simulated Graph API, what is broken is
refused in Meta's own words, and each answer is judged for what it is."""
import copy
import json
import pathlib

import pytest
from conftest import reply_of

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
META = ("instagram", "messenger", "whatsapp")
ACCOUNTS = {
    "instagram": {"external_id": "17841400000000001", "type": "instagram"},
    "messenger": {"external_id": "100000000000201", "type": "page"},
    "whatsapp": {"external_id": "300000000000501", "type": "whatsapp_business_account", "parent_id": "200000000000401"},
}
TEXT = {"kind": "text", "text": "Hello", "to": "15550100002"}


def golden_requests():
    """Every case of a request that an adapter builds."""
    for provider in META:
        for path in sorted((GOLDEN / provider / "send").glob("*.in.json")):
            case = json.loads(path.read_text(encoding="utf-8"))
            built = json.loads(path.with_name(path.name.replace(".in.", ".out.")).read_text(encoding="utf-8"), strict=False)
            # Of an app's webhook the address is asked first: tests/integration/test_simulated_meta.py.
            asks = case.get("webhook", {}).get("what") == "create" and not case["webhook"].get("part")
            if "request" in built and not asks:
                yield pytest.param(provider, case, id=f"{provider}-{path.name[:-8]}")


def prepare(api, provider, case):
    """The case against the simulator, of an account whose token is good."""
    case = copy.deepcopy(case)
    account = case["account"]
    account["base_url"] = f"{api.url}/{provider}"
    account["token"] = f"sim-{account.get('external_id', '1')}"
    return case


def send(api, adapter, provider, case, body=None):
    """Built, called, judged: (answer, result)."""
    built = adapter.run(provider, case)
    assert "request" in built, built
    request = built["request"]
    answer = api.call(request, case["account"]["token"], body)
    return answer, adapter.run(provider, {**case, "is_final": request.get("is_final", False), "reply": reply_of(answer)})


def know_page(api, account, page):
    """The Instagram account is behind this page."""
    api.tell("accounts", {"accounts": [{"provider": "instagram", "account": account, "parent": page}]})


def text_to(api, provider, to="15550100002", **account):
    return prepare(api, provider, {"account": {**ACCOUNTS[provider], **account}, "message": {**TEXT, "to": to}})


@pytest.mark.parametrize("provider, case", golden_requests())
def test_what_an_adapter_builds_is_taken(api, adapter, provider, case):
    case = prepare(api, provider, case)
    if case["account"].get("login") == "page" and "external_id" in case["account"]:
        know_page(api, case["account"]["external_id"], case["account"]["parent_id"])
    answer, result = send(api, adapter, provider, case)
    assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
    if "message" in case:
        assert result["judgement"]["outcome"] in ("sent", "next"), result
    else:
        understood = result.keys() & {"found", "sent", "webhook"}
        assert understood or result["judgement"]["outcome"] == "permanent", result


# code[-subcode], outcome, scope
CODES = {
    "instagram": [
        ("1", "retry", None), ("2", "retry", None), ("2-1545133", "retry", None), ("3", "auth", "app"),
        ("4", "rate_limited", "app"), ("9-2018352", "rate_limited", "account"), ("10", "auth", "account"),
        ("10-2534022", "window", None), ("17", "rate_limited", "account"), ("100", "permanent", None),
        ("100-33", "permanent", None), ("100-2534014", "permanent", None), ("100-2534025", "permanent", None),
        ("102", "auth", "account"), ("190", "auth", "account"), ("190-458", "auth", "account"), ("190-460", "auth", "account"),
        ("190-463", "auth", "account"), ("200", "auth", "account"), ("341", "rate_limited", "app"), ("368", "auth", "account"),
        ("506", "permanent", None), ("551-1545041", "permanent", None), ("613", "rate_limited", "account"),
        ("36000", "permanent", None), ("80002", "rate_limited", "account"),
    ],
    "messenger": [
        ("10-2018278", "window", None), ("32", "rate_limited", "account"), ("100-2018001", "permanent", None),
        ("230", "auth", "account"), ("551-1545041", "permanent", None), ("613", "rate_limited", "account"),
        ("80006", "rate_limited", "account"), ("190-463", "auth", "account"),
    ],
    "whatsapp": [
        ("4", "rate_limited", "app"), ("190", "auth", "account"), ("368", "auth", "account"), ("470", "window", None),
        ("613", "rate_limited", "account"), ("80007", "rate_limited", "account"), ("130429", "rate_limited", "account"),
        ("131000", "retry", None), ("131005", "auth", "account"), ("131008", "permanent", None), ("131009", "permanent", None),
        ("131016", "retry", None), ("131021", "permanent", None), ("131026", "permanent", None), ("131030", "permanent", None),
        ("131031", "auth", "account"), ("131042", "auth", "account"), ("131047", "window", None),
        ("131048", "rate_limited", "account"), ("131051", "permanent", None), ("131052", "retry", None),
        ("131053", "retry", None), ("131056", "rate_limited", "pair"), ("131057", "retry", None), ("132000", "permanent", None),
        ("132001", "permanent", None), ("133010", "auth", "account"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    "provider, code, outcome, scope",
    [pytest.param(p, *row, id=f"{p}-{row[0]}") for p, rows in CODES.items() for row in rows],
)
def test_each_code_of_the_graph_api_is_judged(api, adapter, provider, code, outcome, scope):
    answer, result = send(api, adapter, provider, text_to(api, provider, f"error-{code}"))
    error = answer.json()["error"]
    assert error["fbtrace_id"] and error["message"] and error["type"]
    assert f"{error['code']}" == code.split("-")[0]
    judged = result["judgement"]
    assert (judged["outcome"], judged.get("scope")) == (outcome, scope), judged
    assert judged["code"] == code.replace("-", "/")
    assert not api.ledger()


BROKEN = {
    "instagram": [
        ("a recipient without id", {"recipient": {}, "message": {"text": "x"}}),
        ("no recipient", {"message": {"text": "x"}}),
        ("a recipient that is text", {"recipient": "1", "message": {"text": "x"}}),
        ("neither message nor action", {"recipient": {"id": "1"}}),
        ("message and action", {"recipient": {"id": "1"}, "message": {"text": "x"}, "sender_action": "typing_on"}),
        ("a text that is a number", {"recipient": {"id": "1"}, "message": {"text": 1}}),
        ("an empty text", {"recipient": {"id": "1"}, "message": {"text": ""}}),
        ("a text of 1001 bytes", {"recipient": {"id": "1"}, "message": {"text": "é" * 500 + "x"}}),
        ("a misspelt member", {"recipient": {"id": "1"}, "message": {"txt": "x"}}),
        ("an attachment without payload", {"recipient": {"id": "1"}, "message": {"attachment": {"type": "image"}}}),
        ("an attachment of a strange type", {"recipient": {"id": "1"}, "message": {"attachment": {"type": "hologram", "payload": {"url": "https://x.example/y"}}}}),
        ("an attachment that is no address", {"recipient": {"id": "1"}, "message": {"attachment": {"type": "image", "payload": {"url": "y.jpg"}}}}),
        ("text beside an attachment", {"recipient": {"id": "1"}, "message": {"text": "x", "attachment": {"type": "image", "payload": {"url": "https://x.example/y"}}}}),
        ("an action nobody knows", {"recipient": {"id": "1"}, "sender_action": "dance"}),
        ("a reaction without its message", {"recipient": {"id": "1"}, "sender_action": "react", "payload": {"reaction": "love"}}),
        ("another reaction than love", {"recipient": {"id": "1"}, "sender_action": "react", "payload": {"message_id": "m", "reaction": "angry"}}),
        ("a quick reply's title of 21 characters", {"recipient": {"id": "1"}, "message": {"text": "x", "quick_replies": [{"content_type": "text", "title": "x" * 21, "payload": "p"}]}}),
        ("14 quick replies", {"recipient": {"id": "1"}, "message": {"text": "x", "quick_replies": [{"content_type": "text", "title": "x", "payload": "p"}] * 14}}),
        ("a tag that Instagram lacks", {"recipient": {"id": "1"}, "messaging_type": "MESSAGE_TAG", "tag": "ACCOUNT_UPDATE", "message": {"text": "x"}}),
    ],
    "messenger": [
        ("no messaging_type", {"recipient": {"id": "1"}, "message": {"text": "x"}}),
        ("a messaging_type nobody knows", {"recipient": {"id": "1"}, "messaging_type": "SPAM", "message": {"text": "x"}}),
        ("MESSAGE_TAG without a tag", {"recipient": {"id": "1"}, "messaging_type": "MESSAGE_TAG", "message": {"text": "x"}}),
        ("a text of 2001 characters", {"recipient": {"id": "1"}, "messaging_type": "RESPONSE", "message": {"text": "x" * 2001}}),
        ("metadata of 1001 characters", {"recipient": {"id": "1"}, "messaging_type": "RESPONSE", "message": {"text": "x", "metadata": "x" * 1001}}),
        ("two images in one message", {"recipient": {"id": "1"}, "messaging_type": "RESPONSE", "message": {"attachments": []}}),
        ("four buttons", {"recipient": {"id": "1"}, "messaging_type": "RESPONSE", "message": {"attachment": {"type": "template", "payload": {"template_type": "button", "text": "x", "buttons": [{"type": "postback", "title": "x", "payload": "p"}] * 4}}}}),
    ],
    "whatsapp": [
        ("no messaging_product", {"to": "1", "type": "text", "text": {"body": "x"}}),
        ("another product", {"messaging_product": "messenger", "to": "1", "type": "text", "text": {"body": "x"}}),
        ("nobody to write to", {"messaging_product": "whatsapp", "type": "text", "text": {"body": "x"}}),
        ("a number that is none", {"messaging_product": "whatsapp", "to": "pat", "type": "text", "text": {"body": "x"}}),
        ("a type nobody knows", {"messaging_product": "whatsapp", "to": "1", "type": "hologram", "hologram": {}}),
        ("a type without its member", {"messaging_product": "whatsapp", "to": "1", "type": "image"}),
        ("an empty text", {"messaging_product": "whatsapp", "to": "1", "type": "text", "text": {"body": ""}}),
        ("a text of 4097 characters", {"messaging_product": "whatsapp", "to": "1", "type": "text", "text": {"body": "x" * 4097}}),
        ("a caption on audio", {"messaging_product": "whatsapp", "to": "1", "type": "audio", "audio": {"link": "https://x.example/y", "caption": "x"}}),
        ("a medium of two sources", {"messaging_product": "whatsapp", "to": "1", "type": "image", "image": {"link": "https://x.example/y", "id": "1"}}),
        ("a template without language", {"messaging_product": "whatsapp", "to": "1", "type": "template", "template": {"name": "x"}}),
        ("a template that is not there", {"messaging_product": "whatsapp", "to": "1", "type": "template", "template": {"name": "absent", "language": {"code": "en"}}}),
        ("four buttons", {"messaging_product": "whatsapp", "to": "1", "type": "interactive", "interactive": {"type": "button", "body": {"text": "x"}, "action": {"buttons": [{"type": "reply", "reply": {"id": "i", "title": "t"}}] * 4}}}),
        ("a row's title of 25 characters", {"messaging_product": "whatsapp", "to": "1", "type": "interactive", "interactive": {"type": "list", "body": {"text": "x"}, "action": {"button": "b", "sections": [{"rows": [{"id": "i", "title": "x" * 25}]}]}}}),
        ("a reaction without emoji", {"messaging_product": "whatsapp", "to": "1", "type": "reaction", "reaction": {"message_id": "wamid.x"}}),
        ("a status nobody knows", {"messaging_product": "whatsapp", "status": "seen", "message_id": "wamid.x"}),
        ("a reference of 513 characters", {"messaging_product": "whatsapp", "to": "1", "type": "text", "text": {"body": "x"}, "biz_opaque_callback_data": "x" * 513}),
        ("buttons in a group", {"messaging_product": "whatsapp", "recipient_type": "group", "to": "g", "type": "interactive", "interactive": {"type": "button", "body": {"text": "x"}, "action": {"buttons": [{"type": "reply", "reply": {"id": "i", "title": "t"}}]}}}),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    "provider, body",
    [pytest.param(p, body, id=f"{p}: {name}") for p, rows in BROKEN.items() for name, body in rows],
)
def test_what_is_broken_is_refused_for_good(api, adapter, provider, body):
    answer, result = send(api, adapter, provider, text_to(api, provider), body)
    assert answer.status_code in (400, 404), answer.text
    assert answer.json()["error"]["code"] in (100, 131051, 132001)
    assert result["judgement"]["outcome"] == "permanent"
    assert not api.ledger()


@pytest.mark.parametrize("provider", META)
@pytest.mark.parametrize(
    "token, code", [("sim-expired-1", "190/463"), ("sim-revoked-1", "190/460"), ("something", "190")]
)
def test_a_token_that_is_no_longer_good_stops_the_account(api, adapter, provider, token, code):
    case = text_to(api, provider)
    case["account"]["token"] = token
    answer, result = send(api, adapter, provider, case)
    assert answer.status_code == 401
    assert (result["judgement"]["outcome"], result["judgement"]["code"]) == ("auth", code)


@pytest.mark.parametrize("provider", META)
@pytest.mark.parametrize("version", ["v3.1", "v99.0", "25.0", "v25.7"])
def test_a_version_that_is_not_served_is_refused(api, adapter, provider, version):
    answer, result = send(api, adapter, provider, text_to(api, provider, api_version=version))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 2500)
    assert result["judgement"]["outcome"] == "permanent"


@pytest.mark.parametrize("provider", META)
def test_other_versions_that_are_served_are_taken(api, adapter, provider):
    answer, _ = send(api, adapter, provider, text_to(api, provider, api_version="v23.0"))
    assert answer.status_code == 200


@pytest.mark.parametrize("provider", META)
def test_faults_look_as_they_do_at_meta(api, adapter, provider):
    expected = {
        "rate_limit": "rate_limited", "window": "window", "refused": "permanent", "expired": "auth", "revoked": "auth",
    }  # fmt: skip
    for fault, outcome in expected.items():
        api.faults({"fault": fault, "provider": provider, "count": 1})
        _, result = send(api, adapter, provider, text_to(api, provider))
        assert result["judgement"]["outcome"] == outcome, fault
    api.faults({"fault": "error", "provider": provider, "count": 1, "status": 503})
    answer, result = send(api, adapter, provider, text_to(api, provider))
    assert answer.status_code == 503
    assert result["judgement"]["outcome"] in ("retry", "ambiguous")
    api.faults({"fault": "malformed", "provider": provider, "count": 1})
    _, result = send(api, adapter, provider, text_to(api, provider))
    assert result["judgement"]["outcome"] == "ambiguous", "it was taken, and nobody knows under which id"
    assert len(api.ledger()) == 1


@pytest.mark.parametrize("provider", META)
def test_a_limit_for_minutes_is_named_in_the_usage(api, adapter, provider):
    api.faults({"fault": "rate_limit", "provider": provider, "count": 1, "retry_after": 120})
    answer, result = send(api, adapter, provider, text_to(api, provider))
    usage = json.loads(answer.headers["X-Business-Use-Case-Usage"])
    assert usage[ACCOUNTS[provider]["external_id"]][0]["estimated_time_to_regain_access"] == 2
    assert result["judgement"]["wait_ms"] == 120_000


def test_a_pair_of_whatsapp_has_a_limit_of_its_own(api, adapter):
    api.tell("limits", {"limits": [{"provider": "whatsapp", "pair": {"burst": 2, "per_minute": 1}}]})
    outcomes = [send(api, adapter, "whatsapp", text_to(api, "whatsapp"))[1]["judgement"] for _ in range(3)]
    assert [j["outcome"] for j in outcomes] == ["sent", "sent", "rate_limited"]
    assert (outcomes[2]["code"], outcomes[2]["scope"]) == ("131056", "pair")
    other = send(api, adapter, "whatsapp", text_to(api, "whatsapp", "15550100003"))[1]["judgement"]
    assert other["outcome"] == "sent"


def test_an_instagram_account_behind_a_page_is_the_one_that_sends(api, adapter):
    know_page(api, "17841400000000009", "100000000000209")
    case = text_to(api, "instagram", external_id="17841400000000009", login="page", parent_id="100000000000209")
    _, result = send(api, adapter, "instagram", case)
    assert result["judgement"]["outcome"] == "sent"
    assert [row["account"] for row in api.ledger()] == ["17841400000000009"]
    listed = send(api, adapter, "instagram", {"account": case["account"], "discover": "list"})[1]["found"]
    assert ("17841400000000009", "100000000000209") in [(f["external_id"], f["parent_id"]) for f in listed]


def test_our_reference_is_kept_where_the_network_returns_it(api, adapter):
    for provider in META:
        case = text_to(api, provider)
        case["message"]["client_ref"] = "pr-0001"
        send(api, adapter, provider, case)
    assert [row.get("client_ref") for row in api.ledger()] == [None, "pr-0001", "pr-0001"]
