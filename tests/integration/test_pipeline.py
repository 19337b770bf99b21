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
