#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ingest beside Benthos 4.27 in the same run, on the same broker, with the same bodies.

ingest verifies the signature, splits, makes the key, encodes; Benthos passes the body through. Both answer
after acks=all. Rounds alternate, so that the machine's other load falls on both.

    ./dev bench ingest [ROUNDS] [SECONDS]
"""
import json
import os
import pathlib
import sys

from measure import BENCH, Bench, Meter, median, rss_mib, run, table
from support.ports import free_port
from support.process import Process
from support.wait import wait_until
from support.webhooks import meta_signature

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 10
CACHE = pathlib.Path(os.environ["POSTRIDER_CACHE_DIR"])


def body(n):
    """A message of 900 bytes in one of 500 conversations."""
    item = {
        "sender": {"id": str(9000000000000000 + n % 500)}, "recipient": {"id": "17841400000000001"},
        "timestamp": 1767225601000 + n,
        "message": {"mid": f"aWdfZAG1faXRlbToxOklHTWVzc2FnZAUlEOjE3ODQxNDAwMDAwMDAwMDAxOjM0MDI4MjM2Njg0MTcx{n:060d}",
                    "text": ""},
    }  # fmt: skip
    whole = {"object": "instagram", "entry": [{"id": "17841400000000001", "time": 1767225601200 + n, "messaging": [item]}]}
    item["message"]["text"] = "x" * (900 - len(json.dumps(whole, separators=(",", ":"))))
    return json.dumps(whole, separators=(",", ":")).encode()


def write_bodies(path, secret):
    with open(path, "wb") as out:
        for n in range(2000):
            text = body(n)
            out.write(meta_signature(secret, text).encode() + b"\t" + text + b"\n")


def build_benthos():
    program = CACHE / "benthos-4.27.0"
    if not program.exists():
        print("building Benthos 4.27.0 (two minutes, once)")
        folder = CACHE / "benthos-build"
        folder.mkdir(exist_ok=True)
        for name in ("go.mod", "main.go"):
            (folder / name).write_text((BENCH / "benthos" / name).read_text(encoding="utf-8"), encoding="utf-8")
        run(["go", "build", "-o", str(program), "."], cwd=folder, env={**os.environ, "GOFLAGS": "-mod=mod"})
    return program


def wrk(url, bodies, connections, seconds):
    out = run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(BENCH / "signed.lua"), url, "--", str(bodies)])
    result = json.loads(next(line for line in out.splitlines() if line.startswith("JSON "))[5:])
    assert result["errors"] == 0, f"{url}: {result}"
    return result


def main():
    with Bench() as bench:
        stack = bench.stack(partitions=4)
        bodies = bench.folder / "bodies"
        write_bodies(bodies, stack.secrets["meta_app_secret"])
        ingest = stack.start("ingest")
        port, topic = free_port(), stack.topic_prefix + "benthos"
        create_topic(stack, topic)
        benthos = Process(
            "benthos", [str(build_benthos()), "-c", str(BENCH / "benthos" / "benthos.yaml")], bench.folder / "benthos.log",
            {**os.environ, "PORT": str(port), "BROKERS": stack.kafka.brokers, "TOPIC": topic})  # fmt: skip
        benthos.start()
        stack.daemons.append(benthos)
        targets = {
            "ingest": (f"{stack.ingest_url}/webhooks/instagram", ingest),
            "Benthos": (f"http://127.0.0.1:{port}/post", benthos),
        }
        wait_until(lambda: wrk(targets["Benthos"][0], bodies, 1, 1)["requests"] > 0, 60, "Benthos answers")
        figures = measure(targets, bodies, stack)
        report(figures)
        stack.close()


def create_topic(stack, name):
    from confluent_kafka.admin import NewTopic

    for done in stack.kafka.admin().create_topics([NewTopic(name, 4, 1)]).values():
        done.result(30)


def measure(targets, bodies, stack):
    figures = {}
    for connections in (64, 256):
        for target in targets.values():
            wrk(target[0], bodies, connections, 2)  # warm
        for _ in range(ROUNDS):
            for name, (url, process) in targets.items():
                meter = Meter(server=process.pid, broker=stack.kafka.process.pid)
                result = wrk(url, bodies, connections, SECONDS)
                us = meter.per_unit_us(result["requests"])
                figures.setdefault((name, connections), []).append(
                    {**result, "rps": result["requests"] / result["seconds"], "us": us["server"],
                     "broker_us": us["broker"], "rss": rss_mib(process.pid)})  # fmt: skip
    return figures


def report(figures):
    rows = []
    for (name, connections), runs in sorted(figures.items(), key=lambda f: (f[0][1], f[0][0] != "ingest")):
        mid = {key: median([r[key] for r in runs]) for key in runs[0]}
        rows.append([name, connections, f"{mid['rps']:.0f}", f"{mid['p50_ms']:.1f}", f"{mid['p99_ms']:.1f}",
                     f"{mid['us']:.1f}", f"{mid['broker_us']:.1f}", f"{mid['rss']:.1f}"])  # fmt: skip
    print(f"\n900-byte webhooks, acks=all, medians of {ROUNDS} rounds of {SECONDS} s\n")
    table(["server", "connections", "req/s", "p50 ms", "p99 ms", "CPU us/event", "broker us/event", "RSS MiB"], rows)
    for connections in (64, 256):
        ours, theirs = (median([r["us"] for r in figures[name, connections]]) for name in ("ingest", "Benthos"))
        print(f"{connections} connections: ingest takes {100 * ours / theirs:.0f} % of Benthos' CPU per event")


if __name__ == "__main__":
    main()
