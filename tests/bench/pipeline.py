#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Webhook to websocket: latency at a steady rate, and what an event costs in each part.

The simulator posts at RATE; a client holds, for each message, the moment its frame arrived against the moment
the provider gave it (the simulator stamps an event with the time at which it is due to be sent). acks=all,
PostgreSQL with fsync on.

    ./dev bench pipeline [RATE] [SECONDS]
"""
import json
import sys
import threading
import time

from measure import Bench, Meter, percentile, rss_mib, table
from support.wait import steady, wait_until
from websockets.sync.client import connect

RATE = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 20


class Clock(threading.Thread):
    """A client that notes how old each new message is when its frame arrives."""

    def __init__(self, url, token):
        super().__init__(daemon=True)
        self.ages_ms = []
        self.socket = connect(url, subprotocols=[f"bearer.{token}"], compression=None, max_size=None)

    def run(self):
        for text in self.socket:
            now = time.time() * 1000
            if '"message.created"' in text[:400]:
                at = json.loads(text)["data"]["provider_at"]
                self.ages_ms.append(now - parse_ms(at))


def parse_ms(text):
    from datetime import datetime

    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000


def main():
    with Bench() as bench:
        stack = bench.stack(partitions=4)
        daemons = stack.start_all()
        tenant = stack.tenant()
        tenant.connect("unipile", "acme", "WHATSAPP")
        tenant.connect("instagram", "17841400000000001")
        clock = Clock(stack.stream_url, tenant.token())
        clock.start()
        rows = []
        for rate in (RATE // 10, RATE):
            rows.append(measure(stack, daemons, tenant, clock, rate))
        print(f"\n{SECONDS} s at each rate; messages 64 %, receipts, reactions, edits and deletes the rest\n")
        table(["events/s", "p50 ms", "p99 ms", "max ms", *(f"{n} us/event" for n in ("ingest", "router", "notifier", "postgres", "kafka"))], rows)
        print("RSS MiB: " + ", ".join(f"{d.name} {rss_mib(d.pid):.1f}" for d in daemons))
        clock.socket.close()
        stack.close()


def measure(stack, daemons, tenant, clock, rate):
    count = rate * SECONDS
    before = stack.scalar("SELECT count(*) FROM events")
    simulate(stack, tenant, rate, rate * 3, seed=rate)  # warm
    wait_until(lambda: stack.scalar("SELECT count(*) FROM events") >= before + rate * 3, 120, "the warm-up is stored")
    steady(lambda: len(clock.ages_ms), 0.5, 60, "the warm-up has been seen")
    clock.ages_ms.clear()
    before = stack.scalar("SELECT count(*) FROM events")
    meter = Meter(**{d.kind: d.pid for d in daemons}, postgres=stack.postgres.process.pid, kafka=stack.kafka.process.pid)
    simulate(stack, tenant, rate, count, seed=rate + 1)
    wait_until(lambda: stack.scalar("SELECT count(*) FROM events") >= before + count, 120, "every event is stored")
    us = meter.per_unit_us(count)
    steady(lambda: len(clock.ages_ms), 0.5, 60, "every event has been seen")
    ages = clock.ages_ms
    return [rate, f"{percentile(ages, 50):.1f}", f"{percentile(ages, 99):.1f}", f"{max(ages):.1f}",
            *(f"{us[n]:.1f}" for n in ("ingest", "router", "notifier", "postgres", "kafka"))]  # fmt: skip


def simulate(stack, tenant, rate, count, seed):
    stack.run("simulate", "webhooks", "--provider", "unipile,instagram", "--tenant", tenant.id, "--account",
              "unipile:acme:WHATSAPP,instagram:17841400000000001", "--rate", rate, "--count", count, "--seed", seed,
              "--conversations", 200, timeout=600)  # fmt: skip


if __name__ == "__main__":
    main()
