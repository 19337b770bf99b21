# SPDX-License-Identifier: Apache-2.0
"""The providers' APIs as the simulator serves them: `stack.start_simulator()`."""
import json

import requests

from .ports import free_port
from .process import Process
from .wait import wait_until


class Simulator(Process):
    """`postrider simulate`. A channel's base address is `base_url(provider)`; tokens begin with "sim-"."""

    def __init__(self, stack, program, settings):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.host = f"127.0.0.1:{self.port}"  # for `allowed_hosts`
        env = {
            **stack.daemon_env("simulator"),
            "POSTRIDER_SIMULATOR_LISTEN_PORT": str(self.port),
            "POSTRIDER_SIMULATOR_INGEST_URL": stack.ingest_url,
            **{f"POSTRIDER_SIMULATOR_{key.upper()}": str(value) for key, value in settings.items()},
        }
        super().__init__("simulator", [program, "simulate"], stack.folder / "simulator.log", env)

    def start(self):
        super().start()
        self.wait_for(self._answers, 30, "the simulator answers")
        return self

    def _answers(self):
        try:
            return requests.get(f"{self.url}/_sim/ready", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    def base_url(self, provider):
        return f"{self.url}/{provider}"

    def settings(self):
        """Of a daemon or verb: the providers are here."""
        names = ("instagram", "messenger", "whatsapp", "telegram", "x")
        urls = ",".join(f"{name}={self.base_url(name)}" for name in names)
        return {"allowed_hosts": self.host, "provider_urls": urls}

    def _get(self, what, **query):
        answer = requests.get(f"{self.url}/_sim/{what}", params=query, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer

    def _tell(self, method, what, body):
        answer = requests.request(method, f"{self.url}/_sim/{what}", json=body, timeout=30)
        assert answer.status_code == 200, answer.text

    # --- what was sent ---------------------------------------------------------------------------

    def ledger(self, since=0, **of):
        """Accepted sends, oldest first, as dicts; `of`: provider=, account=."""
        return [json.loads(line) for line in self._get("ledger", since=since, **of).text.splitlines()]

    def sends(self, text, **of):
        """How often this text was accepted."""
        return sum(1 for row in self.ledger(**of) if row.get("text") == text)

    def wait_sends(self, n, timeout=60, **of):
        """Wait until n sends were accepted; exactly n is then asserted. They are returned."""
        wait_until(lambda: len(self.ledger(**of)) >= n, timeout, f"{n} sends at the simulator")
        rows = self.ledger(**of)
        assert len(rows) == n, rows
        return rows

    def counts(self):
        """{"sends", "answers": {"unipile 201": n}, "accounts": [...], "webhooks": {...}, "faults": {...}}"""
        return self._get("counts").json()

    def account_counts(self, provider, account):
        """{"accepted", "refused", "too_early", "busiest_second"} of an account; zeros when it sent nothing."""
        none = {"accepted": 0, "refused": 0, "too_early": 0, "busiest_second": 0}
        found = [a for a in self.counts()["accounts"] if (a["provider"], a["account"]) == (provider, account)]
        return found[0] if found else none

    # --- what goes wrong -------------------------------------------------------------------------

    def faults(self, *rules):
        """Take the place of all faults: dicts as of sim_faults_set (simulator/faults.h), or only a fault's name."""
        rules = [{"fault": rule} if isinstance(rule, str) else rule for rule in rules]
        self._tell("PUT", "faults", {"faults": rules})

    def fault(self, name, **of):
        """One fault, and no others: sim.fault("drop_after", provider="unipile", count=1)."""
        self.faults({"fault": name, **of})

    def struck(self, name):
        """How often a fault struck since the last reset."""
        return self.counts()["faults"][name]

    def wait_struck(self, name, n=1, timeout=60):
        wait_until(lambda: self.struck(name) >= n, timeout, f"the fault {name} struck {n} times")

    # --- how it behaves --------------------------------------------------------------------------

    def account(self, provider, account, **of):
        """Make an account known: type=, tenant=, name=, username=, status=."""
        self._tell("PUT", "accounts", {"accounts": [{"provider": provider, "account": account, **of}]})

    def limit(self, provider, account=None, bucket=None, pair=None):
        """A token bucket for an account (None: each of the provider's), and for each recipient of one.

        {"burst": 5, "per_minute": 60}, or {"burst": 15, "window_ms": 900000}. Takes the place of all limits.
        """
        row = {"provider": provider, "account": account, "bucket": bucket, "pair": pair}
        self._tell("PUT", "limits", {"limits": [{k: v for k, v in row.items() if v is not None}]})

    def webhooks(self, **manners):
        """echo, delivered, read, paused (bool); delay_ms, spread_ms, duplicates (percent), batch."""
        self._tell("PUT", "webhooks", manners)

    def wait_reported(self, timeout=60):
        """Wait until every webhook about what was sent was acknowledged or refused."""
        wait_until(lambda: self.counts()["webhooks"]["pending"] == 0, timeout, "all webhooks are delivered")

    def reset(self):
        """Forget sends, faults, limits and counts; accounts and registered webhooks stay."""
        self._tell("POST", "reset", {})
