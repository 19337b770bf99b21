#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast the router stores a backlog, and what an event costs in router, PostgreSQL and Kafka.

EVENTS webhooks are put into `inbound` while no router runs; then routers with 1 and 2 workers drain the same
kind of backlog, each into a database of its own. PostgreSQL with fsync and synchronous_commit on, Kafka transactions.

    ./dev bench router [EVENTS]
"""
import sys

from measure import Bench, Meter, rss_mib, table
from support.wait import wait_until

EVENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000


def drain(bench, workers):
    stack = bench.stack(partitions=4)
    ingest = stack.start("ingest")
    tenant = stack.tenant()
    tenant.connect("unipile", "acme", "WHATSAPP")
    tenant.connect("instagram", "17841400000000001")
    stack.run("simulate", "webhooks", "--provider", "unipile,instagram", "--tenant", tenant.id, "--account",
              "unipile:acme:WHATSAPP,instagram:17841400000000001", "--count", EVENTS, "--conversations", 500,
              "--duplicates", 2, "--seed", 1, timeout=600)  # fmt: skip
    ingest.stop()
    router = stack.start("router", ready=False, workers=workers)
    meter = Meter(router=router.pid, postgres=stack.postgres.process.pid, kafka=stack.kafka.process.pid)
    wait_until(lambda: stack.scalar("SELECT count(*) FROM events") >= EVENTS, 600, "the backlog is stored")
    seconds, us = meter.seconds(), meter.per_unit_us(EVENTS)
    row = [workers, f"{EVENTS / seconds:.0f}", f"{us['router']:.1f}", f"{us['postgres']:.1f}", f"{us['kafka']:.1f}",
           f"{rss_mib(router.pid):.1f}"]  # fmt: skip
    stack.close()
    return row


def main():
    with Bench() as bench:
        rows = [drain(bench, workers) for workers in (1, 2)]
        print(f"\n{EVENTS} events (2 % duplicates) drained from 4 partitions, start of the process included\n")
        table(["workers", "events/s", "router us/event", "postgres us/event", "kafka us/event", "router RSS MiB"], rows)


if __name__ == "__main__":
    main()
