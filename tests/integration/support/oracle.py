# SPDX-License-Identifier: Apache-2.0
"""What must be stored and pushed after a simulated run, computed from the simulator's ledger alone.

The ledger has one line for each distinct event. Here they are applied in the plainest way, in the order of
the provider's time, to what the database must then hold.
"""
import json
from collections import Counter

OUT_RANK = {"sent": 1, "failed": 2, "delivered": 3, "read": 4}


class Ledger:
    def __init__(self, path):
        with open(path, encoding="utf-8") as lines:
            self.events = [json.loads(line) for line in lines]
        unacknowledged = [e for e in self.events if not e["acknowledged"]]
        assert not unacknowledged, f"{len(unacknowledged)} events were never acknowledged: {unacknowledged[:3]}"

    def counts(self):
        """Counter of (provider, kind)."""
        return Counter((e["provider"], e["kind"]) for e in self.events)

    def messages(self):
        """external id -> what the row must say."""
        found = {}
        for e in self.events:
            if e["kind"] == "message":
                found[e["external_id"]] = {
                    "direction": e["direction"], "body": e["text"], "deleted": False, "edited": False,
                    "status": "received" if e["direction"] == "in" else "sent",
                }  # fmt: skip
        for e in sorted(self.events, key=lambda e: e["at_ms"]):
            row = found.get(e.get("target"))
            if row is None:
                continue
            if e["kind"] == "edited":
                row["body"], row["edited"] = e["text"], True
            elif e["kind"] == "deleted":
                row["deleted"] = True
        return found

    def reactions(self):
        """(external id, conversation) -> the latest emoji, or None when it was taken away."""
        found = {}
        for e in sorted((e for e in self.events if e["kind"] == "reaction"), key=lambda e: e["at_ms"]):
            found[e["target"]] = e["emoji"] or None
        return found
