# SPDX-License-Identifier: Apache-2.0
"""A provider that answers at once (tests/bench/answers.c), and messages to send through it."""
import os
import pathlib
import subprocess

from support.sending import Sending, produce_commands


def bench_program(name):
    return str(pathlib.Path(os.environ["POSTRIDER_PROGRAM"]).parent / "tests" / f"bench_{name}")


class Answers:
    """Stands in for the simulator: base_url, host."""

    def __init__(self, folder, is_recorded=True):
        self.path = folder / "answers"
        command = [bench_program("answers"), *([str(self.path)] if is_recorded else [])]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.host = f"127.0.0.1:{self.process.stdout.readline().strip()}"
        self.url = f"http://{self.host}"

    def base_url(self, _provider):
        return self.url

    def times(self):
        """{text: nanoseconds of the monotonic clock at which its first byte was there}"""
        whole = self.path.read_text(encoding="utf-8").rpartition("\n")[0]
        rows = (line.split(" ", 1) for line in whole.splitlines())
        return {text: int(ns) for ns, text in rows}

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


FREE = {"send_per_minute": 0, "send_per_minute_to_one": 0}


class Load(Sending):
    """Many messages in few statements."""

    def start(self, **settings):
        return self.stack.start(
            "sender", key_ring=self.ring.path, allowed_hosts=self.simulator.host, **settings
        )  # fmt: skip

    def store(self, channel, conversations, each, first_seq=1):
        """`each` messages to each of them, uncommanded."""
        self.stack.query(
            "WITH u AS (SELECT m.* FROM (SELECT gen_random_uuid() AS id, c.id AS conversation_id, s AS seq, c.external_id AS ext "
            "FROM unnest(%s::uuid[]) x(id) JOIN conversations c ON c.tenant_id = %s AND c.id = x.id, "
            "generate_series(%s::int, %s::int) s) m ORDER BY m.seq) "
            "INSERT INTO messages (tenant_id, id, channel_id, conversation_id, provider, platform, client_ref, direction, "
            "status, kind, body, provider_at, conversation_seq) "
            "SELECT %s, u.id, %s, u.conversation_id, %s, %s, 'pr-' || replace(u.id::text, '-', ''), 'out', 'queued', 'text', "
            "'Your order ' || u.seq || ' has left our house for ' || u.ext, now(), u.seq FROM u RETURNING 1",
            [c.id for c in conversations], channel.tenant.id, first_seq, first_seq + each - 1, channel.tenant.id, channel.id,
            channel.provider, channel.platform,
        )  # fmt: skip

    def command(self, conversations):
        """Wake these conversations, as the api does with a message of each."""
        produce_commands(self.stack.topics, conversations, [c.id for c in conversations])
