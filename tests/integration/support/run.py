# SPDX-License-Identifier: Apache-2.0
"""One simulated run through the whole pipeline, and the comparison of its end with the ledger."""
from .collector import Collector
from .oracle import Ledger
from .wait import steady, wait_until

# (provider, account, type where the account names its own)
ACCOUNTS = (
    ("unipile", "acme-whatsapp", "WHATSAPP"), ("unipile", "acme-linkedin", "LINKEDIN"),
    ("instagram", "17841400000000001", None),
)  # fmt: skip
EVERY_PROVIDER = ACCOUNTS + (
    ("messenger", "100000000000201", None), ("messenger", "100000000000202", None),
    ("whatsapp", "300000000000501", None), ("whatsapp", "300000000000502", None),
    ("telegram", "500000601", None), ("x", "1500000000000000701", None),
)  # fmt: skip


class Run:
    def __init__(self, stack, count, seed, accounts=ACCOUNTS, **options):
        self.stack, self.count = stack, count
        self.tenant = stack.tenant()
        for account in accounts:
            self.tenant.connect(*account)
        self.client = Collector(stack.stream_url, self.tenant.token())
        self._ledger = stack.folder / "ledger.jsonl"
        words = ["--provider", ",".join(dict.fromkeys(provider for provider, _, _ in accounts)),
                 "--tenant", self.tenant.id, "--account", ",".join(":".join(filter(None, a)) for a in accounts),
                 "--count", count, "--duplicates", 20, "--shuffle", "true", "--seed", seed,
                 "--ledger", self._ledger, "--json"]  # fmt: skip
        for name, value in options.items():
            words += [f"--{name}", value]
        self.simulator = stack.background("simulator", "simulate", "webhooks", *words)

    def stored(self):
        return self.stack.scalar("SELECT count(*) FROM events WHERE tenant_id = %s", self.tenant.id)

    def wait_stored(self, n, timeout=300):
        wait_until(lambda: self.stored() >= n, timeout, f"{n} events are stored")

    def finish(self, timeout=900):
        """Wait for the end of the run, then hold everything against the ledger."""
        wait_until(lambda: not self.simulator.is_running(), timeout, "every webhook is acknowledged")
        assert self.simulator._popen.returncode == 0, self.simulator.log_tail()
        ledger = Ledger(self._ledger)
        assert len(ledger.events) == self.count
        self.wait_stored(self.count, timeout)
        self._check_events(ledger)
        self._check_messages(ledger)
        self._check_reactions(ledger)
        self._check_client(ledger)
        self.client.close()
        return ledger

    def _check_events(self, ledger):
        rows = self.stack.query(
            "SELECT c.provider, e.kind, count(*) FROM events e JOIN channels_account c ON c.id = e.channel_id"
            " WHERE e.tenant_id = %s GROUP BY 1, 2", self.tenant.id)  # fmt: skip
        assert {(p, k): n for p, k, n in rows} == dict(ledger.counts())
        assert self.stack.scalar("SELECT count(*) FROM quarantine") == 0

    def _check_messages(self, ledger):
        rows = self.stack.query(
            "SELECT external_message_id, direction, body, deleted_at IS NOT NULL, edited_at IS NOT NULL FROM messages"
            " WHERE tenant_id = %s", self.tenant.id)  # fmt: skip
        want = ledger.messages()
        assert len(rows) == len(want), "a message is missing or stored twice"
        for external_id, direction, body, deleted, edited in rows:
            expected = want[external_id]
            assert direction == expected["direction"], external_id
            assert deleted == expected["deleted"], external_id
            assert edited == expected["edited"], external_id
            if not deleted:
                assert body == expected["body"], external_id

    def _check_reactions(self, ledger):
        rows = self.stack.query(
            "SELECT external_message_id, emoji FROM reactions WHERE tenant_id = %s", self.tenant.id)
        assert {external_id: emoji for external_id, emoji in rows} == ledger.reactions()

    def _check_client(self, ledger):
        """Each message once, no update twice, no revision backwards, and the client ends with the database's state."""
        want = ledger.messages()
        wait_until(lambda: len(self.client.created) >= len(want), 120, "the client has seen every message")
        steady(lambda: len(self.client.update_ids), 1.5, 120, "no more updates come")
        assert self.client.resyncs == 0
        assert not self.client.seen_twice()
        assert set(self.client.created) == set(want)
        assert set(self.client.created.values()) == {1}
        assert not self.client.backwards, self.client.backwards[:5]
        rows = self.stack.query(
            "SELECT id::text, rev, status FROM messages WHERE tenant_id = %s", self.tenant.id)
        for message_id, rev, status in rows:
            seen_rev, data = self.client.objects[message_id]
            assert (seen_rev, data["status"]) == (rev, status), message_id
