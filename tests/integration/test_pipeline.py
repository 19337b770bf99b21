# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline: what the providers send, twice and out of order, is stored once and seen once."""
from support.run import EVERY_PROVIDER, Run


def test_100000_webhooks_with_duplicates_and_shuffled_are_each_stored_and_seen_once(stack):
    _, router, _ = stack.start_all()
    run = Run(stack, 100_000, seed=7, conversations=200, batch=3)
    run.finish()
    assert router.metric("postrider_router_events_total", outcome="duplicate") > 0
    assert router.metric("postrider_router_events_total", outcome="new") == 100_000


def test_what_any_of_the_six_providers_sends_is_stored_and_seen_once(stack):
    stack.start_all()
    ledger = Run(stack, 12_000, seed=5, accounts=EVERY_PROVIDER, conversations=50, batch=4).finish()
    # Each kind that a provider has came, so that the comparison said something about it.
    everything = {"message", "delivered", "read", "reaction", "edited", "deleted"}
    kinds = {
        "unipile": everything, "instagram": everything - {"delivered"}, "messenger": everything,
        "whatsapp": everything, "telegram": {"message", "reaction", "edited", "deleted"}, "x": {"message", "read"},
    }  # fmt: skip
    assert set(ledger.counts()) == {(provider, kind) for provider in kinds for kind in kinds[provider]}


def test_two_routers_share_the_work_and_one_comes_and_goes(make_stack):
    stack = make_stack(partitions=4)
    _, first, _ = stack.start_all()
    second = stack.start("router")
    run = Run(stack, 30_000, seed=11, conversations=200)
    run.wait_stored(4_000)
    second.stop()
    run.wait_stored(8_000)
    second.start()
    run.wait_stored(12_000)
    before = second.metric("postrider_router_events_total", outcome="new")
    run.finish()
    assert first.metric("postrider_router_events_total", outcome="new") > 0
    assert second.metric("postrider_router_events_total", outcome="new") > before, (
        "the second router got no share after its return"
    )


def test_what_is_answered_is_named_by_the_id_that_clients_know_whichever_comes_first(stack):
    """UniPile has an id of its own for a message, and the network's where it is answered."""
    stack.start("ingest"), stack.start("router")
    tenant = stack.tenant()
    tenant.connect("unipile", "wa-1", "WHATSAPP")

    def post(number, chat, answers=None):
        body = {
            "event": "message_received", "account_id": "wa-1", "account_type": "WHATSAPP", "chat_id": chat,
            "timestamp": f"2026-01-01T00:00:{number:02}.000Z", "message_id": f"u-{chat}-{number}", "message": f"number {number}",
            "provider_message_id": f"3EB0{number}", "quoted": answers and {"provider_id": f"3EB0{answers}", "text": "as before"},
            "account_info": {"type": "WHATSAPP", "user_id": "15550100001@s.whatsapp.net"},
            "sender": {"attendee_id": "a1", "attendee_provider_id": "15550100002@s.whatsapp.net", "attendee_name": "Pat"},
        }  # fmt: skip
        assert stack.webhooks.unipile(tenant, body).status_code == 200

    def answered():
        return {row[0]: row[1:] for row in stack.query(
            "SELECT external_message_id, reply_to, rev FROM messages WHERE tenant_id = %s AND reply_to IS NOT NULL", tenant.id)}

    post(1, "first")
    post(2, "first", answers=1)
    post(4, "late", answers=3)
    stack.wait_rows(3, "SELECT count(*) FROM messages WHERE tenant_id = %s", tenant.id)
    assert answered() == {"u-first-2": ("u-first-1", 1), "u-late-4": ("3EB03", 1)}
    post(3, "other")  # the same id in another conversation is another message
    post(3, "late")
    stack.wait_rows(5, "SELECT count(*) FROM messages WHERE tenant_id = %s", tenant.id)
    assert answered() == {"u-first-2": ("u-first-1", 1), "u-late-4": ("u-late-3", 2)}
    assert stack.query("SELECT m.external_message_id FROM outbox o JOIN messages m ON m.id = o.object_id") == [("u-late-4",)], (
        "clients that have seen it hear what it answers"
    )
