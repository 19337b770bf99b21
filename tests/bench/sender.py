#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a message out costs: the HTTP side beside a bare libcurl loop, the whole sender with PostgreSQL and Kafka;
how soon it goes out, whether memory stays flat, whether an allowed rate is used, and who waits for whom.

The provider is a program that answers at once (tests/bench/answers.c); its CPU is not counted. Without WHAT: all.

    ./dev bench sender [http|rate|latency|memory|pace|fair ...] [N]     N: sends of rate and memory
"""
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time

from measure import Bench, Meter, percentile, rss_mib, run, table
from provider import FREE, Answers, Load, bench_program
from support.wait import wait_until

ALL = ("http", "rate", "latency", "memory", "pace", "fair")
WHAT = [word for word in sys.argv[1:] if word in ALL] or list(ALL)
NUMBERS = [int(word) for word in sys.argv[1:] if word.isdigit()]


# --- the HTTP side alone ---------------------------------------------------------------------------------


def measure_http(bench):
    """The three ways in turn, several times: the machine's other work then weighs on all of them."""
    answers = Answers(bench.folder, is_recorded=False)
    us = {way: [] for way in ("bare", "fetch", "exchange")}
    rates = {way: [] for way in us}
    for _ in range(9):
        for way in us:
            got = json.loads(run([bench_program("curl_multi"), way, answers.url, "20000", "64"]))
            us[way].append(got["cpu_us"])
            rates[way].append(got["per_second"])
    answers.close()
    bare = statistics.median(us["bare"])
    names = {"bare": "bare libcurl multi", "fetch": "common/fetch", "exchange": "client/exchange: build, fetch, judge"}
    print("\nThe same POST of a text message, 20,000 times on 64 connections; medians of 9 alternating runs\n")
    table(["loop", "CPU us/post", "least", "posts/CPU second", "of bare"],
          [[names[w], f"{statistics.median(us[w]):.1f}", f"{min(us[w]):.1f}", f"{1e6 / statistics.median(us[w]):.0f}",
            f"{100 * bare / statistics.median(us[w]):.0f} % (least: {100 * min(us['bare']) / min(us[w]):.0f} %)"] for w in us])  # fmt: skip


# --- the whole sender ------------------------------------------------------------------------------------


class Free:
    """A stack with a sender whose channels have no limit: `n_channels` channels of 250 conversations each."""

    def __init__(self, bench, n_channels, is_recorded=False, **settings):
        self.stack = bench.stack(partitions=4)
        self.router = self.stack.start("router")
        self.answers = Answers(self.stack.folder, is_recorded)
        self.load = Load(self.stack, self.answers)
        self.sender = self.load.start(**settings)
        self.channels = [self.load.channel(**FREE) for _ in range(n_channels)]
        self.conversations = {ch: ch.conversations(250, first=1000) for ch in self.channels}
        self.seq = 1

    def meter(self):
        return Meter(sender=self.sender.pid, postgres=self.stack.postgres.process.pid, router=self.router.pid,
                     kafka=self.stack.kafka.process.pid)  # fmt: skip

    def wave(self, each):
        """`each` messages to each conversation; until all are sent. Seconds."""
        before = self.sent()  # the scheduler finds some before they are commanded
        for ch, conversations in self.conversations.items():
            self.load.store(ch, conversations, each, self.seq)
        self.seq += each
        n = each * 250 * len(self.channels)
        began = time.monotonic()
        for conversations in self.conversations.values():
            self.load.command(conversations)
        wait_until(lambda: self.sent() >= before + n, 900, f"{n} messages are sent")
        return time.monotonic() - began

    def sent(self):
        return self.sender.metric("postrider_sender_answers_total")

    def close(self):
        self.stack.close()
        self.answers.close()


def measure_rate(bench):
    n = NUMBERS[0] if NUMBERS else 50_000
    rows = []
    for n_channels, settings in ((8, {}), (1, {}), (8, {"in_flight": 1024, "per_channel": 256})):
        free = Free(bench, n_channels, **settings)
        each = max(1, n // (250 * n_channels))
        free.wave(max(1, each // 10))
        rounds = {w: free.sender.metric("postrider_sender_rounds_total", what=w) for w in ("claim", "store")}
        meter = free.meter()
        seconds = free.wave(each)
        sends = each * 250 * n_channels
        us = meter.per_unit_us(sends)
        per = {w: sends / (free.sender.metric("postrider_sender_rounds_total", what=w) - rounds[w]) for w in rounds}
        label = f"{n_channels} channel" + "s" * (n_channels > 1) + (", in_flight 1024" if settings else "")
        rows.append([label, sends, f"{sends / seconds:.0f}", *(f"{us[p]:.0f}" for p in us),
                     f"{1e6 / us['sender']:.0f}", f"{per['claim']:.1f}", f"{per['store']:.1f}"])  # fmt: skip
        free.close()
    print("\nNo limits; each message claimed, sent, stored, told and written down by the router\n")
    table(["", "sends", "sends/s", "sender us", "PostgreSQL us", "router us", "Kafka us", "sends/CPU s of the sender",
           "claims a round", "answers a round"], rows)  # fmt: skip


def measure_memory(bench):
    n = NUMBERS[-1] if NUMBERS else 1_000_000
    free = Free(bench, 8)
    rows = [[0, f"{rss_mib(free.sender.pid):.1f}", ""]]
    each = max(1, n // 10 // 2000)
    for _ in range(10):
        seconds = free.wave(each)
        rows.append([f"{int(free.sent()):,}", f"{rss_mib(free.sender.pid):.1f}", f"{each * 2000 / seconds:.0f}"])
    print("\nMemory of one sender over its sends, no limits\n")
    table(["sends", "RSS MiB", "sends/s"], rows)
    free.close()


# --- how soon --------------------------------------------------------------------------------------------


class Callers:
    """Posts messages through the api at a steady rate, each thread with its own connection."""

    def __init__(self, stack, token, conversations):
        self.port, self.token, self.conversations = stack.api_port, token, conversations
        self.answered = {}

    def post(self, rate, seconds, n_threads=8, label=""):
        begin = time.monotonic() + 0.2
        threads = [threading.Thread(target=self._run, args=(begin, i, n_threads, rate, rate * seconds, label)) for i in range(n_threads)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def _run(self, begin, first, step, rate, n, label):
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        for i in range(first, n, step):
            pause = begin + i / rate - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            text = f"{label}{rate}-{i}"
            c = self.conversations[i % len(self.conversations)]
            connection.request(
                "POST", f"/api/conversations/{c.id}/messages", json.dumps({"text": text}),
                {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", "Idempotency-Key": text},
            )  # fmt: skip
            answer = connection.getresponse()
            at_ns = time.monotonic_ns()
            body = answer.read()
            assert answer.status in (200, 201, 202), body
            self.answered[text] = at_ns
        connection.close()


def measure_latency(bench):
    free = Free(bench, 4, is_recorded=True)
    free.stack.start("api", key_ring=free.stack.key_ring, allowed_hosts=free.answers.host, user_rate=100000, tenant_rate=100000)
    conversations = [c for some in zip(*free.conversations.values()) for c in some]
    callers = Callers(free.stack, free.load.tenant.token(), conversations)
    rows = []
    for rate, seconds in ((50, 5), (20, 20), (200, 30)):
        callers.answered.clear()
        callers.post(rate, seconds)
        n = rate * seconds
        wait_until(lambda: callers.answered.keys() <= free.answers.times().keys(), 60, "all are at the provider")
        first = free.answers.times()
        ages = [(first[t] - at) / 1e6 for t, at in callers.answered.items()]
        if rate != 50:  # the first is to warm up
            rows.append([rate, n, *(f"{percentile(ages, p):.1f}" for p in (50, 90, 99)), f"{max(ages):.1f}"])
    print("\nFrom the api's answer to the first byte at the provider, ms: PostgreSQL with fsync, Kafka acks=all\n")
    table(["messages/s", "n", "p50", "p90", "p99", "max"], rows)
    free.close()


# --- pace ------------------------------------------------------------------------------------------------


def measure_pace(bench):
    rows = []
    for senders, per_second, seconds in ((1, 20, 30), (2, 50, 30), (1, 80, 30), (2, 80, 30)):
        stack = bench.stack(partitions=4)
        stack.start("router")
        simulator = stack.start_simulator()
        load = Load(stack, simulator)
        started = [load.start() for _ in range(senders)]
        channel = load.channel(send_per_minute=per_second * 60, send_per_minute_to_one=0)
        simulator.limit("telegram", bucket={"burst": per_second, "per_minute": per_second * 60})
        n = per_second * seconds
        conversations = channel.conversations(n)
        load.store(channel, conversations, 1)
        load.command(conversations)
        sent = simulator.wait_sends(n, timeout=seconds * 2 + 60)
        at = sorted(row["at_ms"] for row in sent)
        # Under backlog: without the first and the last second.
        inner = [ms for ms in at if at[0] + 1000 <= ms < at[-1] - 1000]
        rate = (len(inner) - 1) / (inner[-1] - inner[0]) * 1000
        counts = simulator.account_counts("telegram", channel.account)
        forfeited = sum(s.metric("postrider_sender_slots_total", what="forfeited") for s in started)
        rows.append([senders, per_second, n, f"{rate:.2f}", f"{100 * rate / per_second:.1f} %", counts["refused"],
                     counts["too_early"], f"{bucket_needed(inner, per_second):.1f}", int(forfeited)])  # fmt: skip
        stack.close()
    print("\nAn account's rate under backlog, by the simulator's count; its bucket holds what a second allows\n")
    table(["senders", "allowed/s", "sends", "used/s", "of allowed", "refused", "too early", "bucket needed", "slots forfeited"], rows)


def bucket_needed(at_ms, per_second):
    """The smallest bucket that would have refused none of these."""
    most, fullest = 0, float("-inf")
    for i, ms in enumerate(at_ms):
        filled = ms * per_second / 1000 - i
        fullest = max(fullest, filled)
        most = max(most, fullest - filled + 1)
    return most


# --- who waits for whom ----------------------------------------------------------------------------------


class Replies:
    """One reply each 100 ms through the api; ms from its answer to the first byte at the provider."""

    def __init__(self, free, tenant, conversation):
        self.free, self.callers = free, Callers(free.stack, tenant.token(), [conversation])

    def ages(self, n, label):
        self.callers.answered.clear()
        self.callers.post(10, n // 10, n_threads=1, label=label)
        told = dict(self.callers.answered)
        wait_until(lambda: told.keys() <= self.free.answers.times().keys(), 120, "all replies went out")
        first = self.free.answers.times()
        return [(first[t] - at) / 1e6 for t, at in told.items()]


def measure_fairness(bench):
    """Replies without the bulk and beside it, in one run. Without a limit the bulk takes all that the machine has."""
    n, n_bulk = 200, NUMBERS[0] if NUMBERS else 100_000
    rows = []
    for label, per_minute, n_bulks in (("30/s", 1800, 1), ("80/s", 4800, 1), ("no limit", 0, 4)):
        free = Free(bench, 0, is_recorded=True, bulk_rate=10_000)
        free.stack.start("api", key_ring=free.stack.key_ring, allowed_hosts=free.answers.host, user_rate=100000, tenant_rate=100000)
        channels = free.load.channel(send_per_minute=per_minute, send_per_minute_to_one=0), free.load.channel(
            tenant=free.stack.tenant("other"), **FREE
        )
        bulk, others = channels
        reply = Replies(free, others.tenant, others.conversation(7))
        same = Replies(free, bulk.tenant, free.load.channel(**FREE).conversation(8))
        reply.ages(20, "warm-")
        same.ages(20, "warm-same-")
        ages = {"another tenant's, without": reply.ages(n, "alone-"), "the same tenant's, without": same.ages(n, "same-alone-")}
        request = {"channel_id": bulk.id, "message": {"text": "bulk"}, "recipients": [{"to": str(10**6 + i)} for i in range(n_bulk)]}
        for _ in range(n_bulks):
            bulk.tenant.api().ok("POST", "/api/messages/bulk", 202, json=request)
        wait_until(lambda: free.sent() > 2 * n + 40 + 100, 120, "the bulk runs")
        before, began = free.sent(), time.monotonic()
        ages["another tenant's, beside"] = reply.ages(n, "beside-")
        ages["the same tenant's, beside"] = same.ages(n, "same-beside-")
        running = (free.sent() - before - 2 * n) / (time.monotonic() - began)
        left = free.stack.scalar("SELECT sum(total - handed_out)::int FROM bulks")
        assert left > 0, "the bulk ended before the replies did"
        for name, some in sorted(ages.items()):
            rows.append([label, name, *(f"{percentile(some, p):.1f}" for p in (50, 90, 99)), f"{max(some):.1f}"])
            rows[-1] += [f"{running:.0f}", f"{left:,}"] if "beside" in name else ["", ""]
        free.close()
    print(f"\n{n} replies beside a bulk of {n_bulk:,}: ms from the api's answer to the first byte at the provider\n")
    table(["bulk", "replies", "p50", "p90", "p99", "max", "bulk sends/s", "bulk left after"], rows)


def main():
    do = {"http": measure_http, "rate": measure_rate, "latency": measure_latency, "memory": measure_memory,
          "pace": measure_pace, "fair": measure_fairness}  # fmt: skip
    with Bench() as bench:
        for what in WHAT:
            do[what](bench)


if __name__ == "__main__":
    main()
