#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast the sender sends, and what a send costs, beside the barest libcurl-multi loop against the same local
server in the same run. The messages' rows and commands are there before the sender starts; its channels have no
limit of their own. A send is claimed, called, its answer stored and told: the bare loop does the call alone.

    ./dev bench sender [MESSAGES] [IN_FLIGHT]
"""
import os
import pathlib
import subprocess
import sys

from measure import Bench, Meter, cpu_seconds, rss_mib, table
from support.ports import free_port
from support.sending import Sending, produce_commands
from support.wait import wait_until

MESSAGES = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
IN_FLIGHT = int(sys.argv[2]) if len(sys.argv) > 2 else 64
TENANTS, PER_TENANT = 10, 4


def http():
    return str(pathlib.Path(os.environ["POSTRIDER_PROGRAM"]).parent / "tests" / "bench_sender_http")


class Server:
    """Answers every POST as Telegram does, and counts."""

    def __init__(self):
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self._process = subprocess.Popen([http(), "serve", str(self.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def base_url(self, _):
        return f"http://{self.host}"

    def count(self):
        self._process.stdin.write("?\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait(10)


def bare(server):
    """(requests/s, CPU us a request) of the client alone."""
    before = os.times()
    out = subprocess.run(
        [http(), "send", f"http://{server.host}/bot1/sendMessage", str(MESSAGES), str(IN_FLIGHT)], check=True, capture_output=True,
        text=True,
    ).stdout  # fmt: skip
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return MESSAGES / float(out.split()[0]), cpu / MESSAGES * 1e6


def sender(bench, server):
    stack = bench.stack(partitions=4)
    sending = Sending(stack, server)
    every = MESSAGES // (TENANTS * PER_TENANT)
    for t in range(TENANTS):
        tenant = stack.tenant(f"tenant {t}")
        for _ in range(PER_TENANT):
            channel = sending.channel(tenant=tenant, send_per_minute=0, send_per_minute_to_one=0)
            conversations = channel.conversations(every)
            ids = channel.store_to_each(conversations, "a message of an ordinary length, as people write them")
            produce_commands(stack.topics, conversations, ids)
    n, before = every * TENANTS * PER_TENANT, server.count()
    daemon = sending.start(ready=False, in_flight=IN_FLIGHT, per_channel=IN_FLIGHT, unclaimed_after="10m", scheduler_poll="1s", log_level="info")
    wait_until(lambda: server.count() > before, 60, "the first message is sent")
    first, meter, cpu = server.count() - before, Meter(postgres=stack.postgres.process.pid), cpu_seconds(daemon.pid)
    wait_until(lambda: server.count() - before >= n, 600, "all are sent")
    seconds = meter.seconds()
    wait_until(lambda: daemon.metric("postrider_sender_in_flight") + daemon.metric("postrider_sender_unstored_answers") == 0, 60, "all is stored")
    us, sent = (cpu_seconds(daemon.pid) - cpu) / (n - first) * 1e6, (n - first) / seconds
    postgres = meter.per_unit_us(n - first)["postgres"]
    claims = daemon.metric("postrider_sender_claims_total", what="claimed") / daemon.metric("postrider_sender_rounds_total", what="claim")
    assert server.count() - before == n, "sent more than once"
    row = [f"{sent:.0f}", f"{us:.0f}", f"{postgres:.0f}", f"{claims:.0f}", f"{rss_mib(daemon.pid):.0f}"]
    stack.close()
    return row


def main():
    server = Server()
    with Bench() as bench:
        rate, us = bare(server)
        measured = sender(bench, server)
        again, us_again = bare(server)
        print(f"\n{MESSAGES} messages, {IN_FLIGHT} in flight; {TENANTS} tenants with {PER_TENANT} channels each\n")
        table(
            ["", "sends/s", "us of CPU per send", "PostgreSQL's", "claimed per round", "RSS MiB"],
            [["bare libcurl multi", f"{rate:.0f}, {again:.0f}", f"{us:.0f}, {us_again:.0f}", "", "", ""], ["sender", *measured]],
        )  # fmt: skip
    server.close()


if __name__ == "__main__":
    main()
