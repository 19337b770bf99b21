#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the api does for an inbox: list conversations, read a page of messages, send; requests a second at 16
connections (wrk, on the same machine), and CPU of api and PostgreSQL for each request.

The tenant has CONVERSATIONS conversations and MESSAGES messages, made in SQL; PostgreSQL with fsync and
synchronous_commit on, Kafka for the commands. No router and no sender run.

    ./dev bench api [CONVERSATIONS [MESSAGES [SECONDS]]]
"""
import json
import sys

from measure import BENCH, Bench, Meter, rss_mib, run, table
from support.inbox_rows import fill

CONVERSATIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
MESSAGES = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
SECONDS = int(sys.argv[3]) if len(sys.argv) > 3 else 10
CONNECTIONS = 16


def wrk(url, requests, token, seconds):
    out = run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(BENCH / "api.lua"), url, "--",
               str(requests), token])  # fmt: skip
    result = json.loads(next(line for line in out.splitlines() if line.startswith("JSON "))[5:])
    assert result["errors"] == 0, f"{requests.name}: {result}"
    return result


def kinds(first):
    """name -> requests, which are made in turn."""
    ids, cursor = [item["id"] for item in first["items"]], first["next_cursor"]
    inbox = "/api/conversations?limit=50"
    return {
        "list conversations, 50": [("GET", inbox, "")],
        "  the next page": [("GET", f"{inbox}&cursor={cursor}", "")],
        "  the open ones": [("GET", f"{inbox}&status=open", "")],
        "  the unread ones": [("GET", f"{inbox}&unread=true", "")],
        "  search of a name": [("GET", f"{inbox}&q=novak%20{n}", "") for n in range(1000)],
        "one conversation": [("GET", f"/api/conversations/{i}", "") for i in ids],
        "a page of 50 messages": [("GET", f"/api/conversations/{i}/messages?limit=50", "") for i in ids],
        "send": [("POST", f"/api/conversations/{i}/messages", json.dumps({"text": "It is on its way."})) for i in ids],
    }  # fmt: skip


def measure(bench, stack, api, token, name, requests):
    path = bench.folder / "requests"
    path.write_text("".join(f"{method}\t{where}\t{body}\n" for method, where, body in requests), encoding="utf-8")
    wrk(stack.api_url, path, token, 2)  # plans are made, pages are in memory
    meter = Meter(api=api.pid, postgres=stack.postgres.process.pid)
    result = wrk(stack.api_url, path, token, SECONDS)
    us = meter.per_unit_us(result["requests"])
    return [name, f"{result['requests'] / result['seconds']:.0f}", f"{result['p50_ms']:.1f}", f"{result['p99_ms']:.1f}",
            f"{us['api']:.0f}", f"{us['postgres']:.0f}", f"{rss_mib(api.pid):.1f}"]  # fmt: skip


def main():
    with Bench() as bench:
        stack = bench.stack()
        tenant = stack.tenant()
        channel = tenant.connect("instagram", "17841400000000001")
        with stack.postgres.connect("postrider_owner", stack.database) as db:
            fill(db, tenant.id, channel, CONVERSATIONS, MESSAGES)
        api = stack.start("api", user_rate=100000, tenant_rate=1000000)
        token = tenant.token(ttl="6h")
        first = tenant.api().ok("GET", "/api/conversations?limit=50")
        rows = [measure(bench, stack, api, token, name, requests) for name, requests in kinds(first).items()]
        print(f"\n{CONVERSATIONS} conversations, {MESSAGES} messages of one tenant; {CONNECTIONS} connections\n")
        table(["request", "requests/s", "p50 ms", "p99 ms", "api us/request", "postgres us/request", "api RSS MiB"], rows)
        stack.close()


if __name__ == "__main__":
    main()
