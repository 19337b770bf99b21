#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a delivery and an idle connection cost the notifier.

CLIENTS websockets of one tenant; UPDATES updates are put into the topic. Loopback runs the receivers' TCP in the
sender's time, so the figures are upper bounds.

    ./dev bench notifier [CLIENTS] [UPDATES]
"""
import base64
import io
import json
import os
import selectors
import socket
import sys
import threading
import time
import uuid

import fastavro
from confluent_kafka import Producer
from fastavro.schema import fingerprint, to_parsing_canonical_form

from measure import Bench, Meter, rss_mib, table
from support.topics import MAGIC, SCHEMAS
from support.wait import wait_until

CLIENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
UPDATES = int(sys.argv[2]) if len(sys.argv) > 2 else 500


class Receivers(threading.Thread):
    """Sockets that only count bytes."""

    def __init__(self, port, token):
        super().__init__(daemon=True)
        self.port, self.token = port, token
        self.selector = selectors.DefaultSelector()
        self.bytes = 0
        self.sockets = []

    def open(self, n):
        for _ in range(n):
            one = socket.create_connection(("127.0.0.1", self.port))
            key = base64.b64encode(os.urandom(16)).decode()
            one.sendall((f"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\n"
                         f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
                         f"Sec-WebSocket-Protocol: bearer.{self.token}\r\n\r\n").encode())  # fmt: skip
            answer = one.recv(4096)
            assert answer.startswith(b"HTTP/1.1 101"), answer
            one.setblocking(False)
            self.selector.register(one, selectors.EVENT_READ)
            self.sockets.append(one)

    def run(self):
        while True:
            for key, _ in self.selector.select(1):
                try:
                    self.bytes += len(key.fileobj.recv(1 << 18))
                except BlockingIOError:
                    pass


class Updates:
    def __init__(self, stack, tenant_id):
        schema = json.loads((SCHEMAS / "update.avsc").read_text(encoding="utf-8"))
        self.magic = MAGIC + bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))
        self.schema = fastavro.parse_schema(schema)
        self.topic, self.tenant_id = stack.topic_prefix + "updates", tenant_id
        self.producer = Producer({"bootstrap.servers": stack.kafka.brokers, "partitioner": "murmur2_random", "linger.ms": 0})

    def publish(self, n, pause=0.0):
        data = json.dumps({"id": str(uuid.uuid4()), "body": "x" * 100, "rev": 1})
        for rev in range(n):
            out = io.BytesIO(self.magic)
            out.seek(0, 2)
            fastavro.schemaless_writer(out, self.schema, {
                "id": str(uuid.uuid4()), "tenant_id": self.tenant_id, "kind": "message.created", "provider": "unipile",
                "channel_id": None, "conversation_id": None, "object_id": str(uuid.uuid4()), "rev": rev + 1,
                "at": int(time.time() * 1000), "data": data})  # fmt: skip
            self.producer.produce(self.topic, out.getvalue(), self.tenant_id)
            self.producer.poll(0)
            if pause:
                self.producer.flush()
                time.sleep(pause)
        self.producer.flush()


def main():
    with Bench() as bench:
        stack = bench.stack(partitions=4)
        notifier = stack.start("notifier")
        tenant = stack.tenant()
        empty = rss_mib(notifier.pid)
        receivers = Receivers(stack.stream_port, tenant.token())
        meter = Meter(notifier=notifier.pid)
        receivers.open(CLIENTS)
        open_us = meter.per_unit_us(CLIENTS)["notifier"]
        receivers.start()
        idle_kib = (rss_mib(notifier.pid) - empty) * 1024 / CLIENTS
        updates = Updates(stack, tenant.id)
        rows = []
        for label, n, pause in (("one at a time", UPDATES // 5, 0.02), ("as fast as it goes", UPDATES, 0)):
            before = notifier.metric("postrider_notifier_deliveries_total")
            meter = Meter(notifier=notifier.pid)
            updates.publish(n, pause)
            wait_until(lambda: notifier.metric("postrider_notifier_deliveries_total") >= before + n * CLIENTS, 300, "all delivered")
            seconds, us = meter.seconds(), meter.per_unit_us(n * CLIENTS)["notifier"]
            rows.append([label, n, f"{n * CLIENTS / seconds:.0f}", f"{us:.2f}"])
        assert receivers.bytes > UPDATES * CLIENTS * 200
        print(f"\n{CLIENTS} websockets of one tenant, frames of about 450 bytes\n")
        table(["updates", "n", "deliveries/s", "CPU us/delivery"], rows)
        print(f"opening a websocket: {open_us:.0f} us of CPU; an idle one: {idle_kib:.1f} KiB of RSS; "
              f"RSS {rss_mib(notifier.pid):.1f} MiB, empty {empty:.1f} MiB")
        stack.close()


if __name__ == "__main__":
    main()
