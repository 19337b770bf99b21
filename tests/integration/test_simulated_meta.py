# SPDX-License-Identifier: Apache-2.0
"""What is sent through the simulated Graph API comes back as Meta's webhooks say it, and an app's address is asked
before it is believed."""
import pytest
import requests

ACCOUNTS = {"instagram": "17841400000000001", "messenger": "100000000000201", "whatsapp": "300000000000501"}
PERSON = "4915100000001"


def post(simulator, provider, path, token="sim-1", **options):
    return requests.post(
        f"{simulator.base_url(provider)}/v25.0/{path}", headers={"Authorization": f"Bearer {token}"}, timeout=20, **options)


def send(simulator, provider, text):
    """A message to PERSON; its external id."""
    body = {"recipient": {"id": PERSON}, "messaging_type": "RESPONSE", "message": {"text": text}}
    if provider == "whatsapp":
        body = {"messaging_product": "whatsapp", "to": PERSON, "type": "text", "text": {"body": text}}
    answer = post(simulator, provider, f"{ACCOUNTS[provider]}/messages", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["messages"][0]["id"] if provider == "whatsapp" else answer.json()["message_id"]


@pytest.fixture
def running(stack):
    """ingest, router, the simulator and a tenant with a channel of each."""
    stack.start("ingest")
    stack.start("router")
    tenant = stack.tenant()
    for provider, account in ACCOUNTS.items():
        tenant.connect(provider, account)
    return stack, tenant, stack.start_simulator()


def test_what_was_sent_comes_back_as_echo_and_receipts(running):
    stack, tenant, simulator = running
    simulator.webhooks(duplicates=50)
    ids = {provider: send(simulator, provider, f"Hello of {provider}") for provider in ACCOUNTS}
    kinds = {
        "instagram": {"message", "read"},
        "messenger": {"message", "delivered", "read"},
        "whatsapp": {"sent", "delivered", "read"},  # no echo of what the API sent: its statuses are the echo
    }
    wanted = sorted((provider, kind) for provider, of in kinds.items() for kind in of)
    stack.wait_rows(len(wanted), "SELECT count(*) FROM events WHERE tenant_id = %s", tenant.id)
    rows = stack.query(
        "SELECT c.provider, e.kind FROM events e JOIN channels_account c ON c.id = e.channel_id WHERE e.tenant_id = %s"
        " ORDER BY 1, 2", tenant.id)  # fmt: skip
    assert rows == wanted
    messages = stack.query(
        "SELECT external_message_id, direction, body, status FROM messages WHERE tenant_id = %s ORDER BY 1", tenant.id)
    assert messages == sorted((ids[p], "out", f"Hello of {p}", "read") for p in ("instagram", "messenger"))
    assert stack.scalar("SELECT count(*) FROM quarantine") == 0


def subscribe(stack, simulator, provider, verify_token):
    objects = {"instagram": "instagram", "messenger": "page", "whatsapp": "whatsapp_business_account"}
    return post(simulator, provider, "111000000000001/subscriptions", data={
        "object": objects[provider], "callback_url": f"https://gateway.example/webhooks/{provider}",
        "fields": "messages", "verify_token": verify_token})  # fmt: skip


@pytest.mark.parametrize("provider", list(ACCOUNTS))
def test_an_address_is_asked_before_it_is_believed(running, provider):
    stack, _, simulator = running
    refused = subscribe(stack, simulator, provider, "not the verify token")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, 2200)
    headers = {"Authorization": "Bearer sim-1"}
    where = f"{simulator.base_url(provider)}/v25.0/111000000000001/subscriptions"
    assert requests.get(where, headers=headers, timeout=20).json() == {"data": []}
    taken = subscribe(stack, simulator, provider, stack.secrets["meta_verify_token"])
    assert (taken.status_code, taken.json()) == (200, {"success": True})
    (found,) = requests.get(where, headers=headers, timeout=20).json()["data"]
    assert found["callback_url"] == f"https://gateway.example/webhooks/{provider}"
    assert [field["name"] for field in found["fields"]] == ["messages"]
