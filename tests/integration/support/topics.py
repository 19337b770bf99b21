# SPDX-License-Identifier: Apache-2.0
"""The topics read by an independent client: confluent-kafka's own librdkafka, and fastavro."""
import io
import json
import pathlib

import fastavro
from confluent_kafka import Consumer, Producer, TopicPartition
from fastavro.schema import fingerprint, to_parsing_canonical_form

from .wait import wait_until

SCHEMAS = pathlib.Path(__file__).resolve().parents[3] / "schemas" / "avro"
MAGIC = b"\xc3\x01"


def _schemas():
    """fingerprint (8 bytes) -> parsed schema, of every schema in the tree."""
    found = {}
    for path in SCHEMAS.glob("*.avsc"):
        schema = json.loads(path.read_text(encoding="utf-8"))
        print_ = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
        found[bytes.fromhex(print_)] = fastavro.parse_schema(schema)
    return found


class Record:
    """One record: where it lies, its key, headers, and its value decoded."""

    def __init__(self, message, schemas):
        self.topic, self.partition, self.offset = message.topic(), message.partition(), message.offset()
        self.key = (message.key() or b"").decode(errors="replace")
        self.headers = {name: (value or b"").decode(errors="replace") for name, value in message.headers() or []}
        self.raw = message.value()
        self.value = decode(self.raw, schemas) if self.raw else None

    def __repr__(self):
        return f"Record({self.topic}/{self.partition}@{self.offset} {self.key!r} {self.value!r})"


def decode(raw, schemas=None):
    """A value in Avro's single-object encoding."""
    schemas = schemas or _schemas()
    assert raw[:2] == MAGIC, f"not in single-object encoding: {raw[:10]!r}"
    assert raw[2:10] in schemas, f"unknown schema fingerprint {raw[2:10].hex()}"
    return fastavro.schemaless_reader(io.BytesIO(raw[10:]), schemas[raw[2:10]], None)


class Topics:
    def __init__(self, brokers, prefix):
        self._brokers, self._prefix = brokers, prefix
        self._schemas = _schemas()

    def name(self, topic):
        return self._prefix + topic

    def _consumer(self, committed):
        return Consumer({
            "bootstrap.servers": self._brokers,
            "group.id": "test-reader",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "enable.partition.eof": True,
            "log_level": 0,
        })  # fmt: skip

    def records(self, topic, committed=True):
        """All records that are there now, by partition and offset. Aborted ones are left out."""
        consumer = self._consumer(committed)
        try:
            name = self.name(topic)
            partitions = list(consumer.list_topics(name, timeout=20).topics[name].partitions)
            consumer.assign([TopicPartition(name, p, 0) for p in partitions])
            found, at_end = [], set()
            while len(at_end) < len(partitions):
                message = consumer.poll(20)
                assert message is not None, f"{name}: the broker does not answer"
                if message.error():
                    at_end.add(message.partition())
                else:
                    found.append(Record(message, self._schemas))
            return sorted(found, key=lambda r: (r.partition, r.offset))
        finally:
            consumer.close()

    def everything(self):
        """(topic, the bytes of a record: key, value, headers) of all our topics, transactions' aborted ones too."""
        consumer = self._consumer(committed=False)
        try:
            topics = {n: t.partitions for n, t in consumer.list_topics(timeout=20).topics.items() if n.startswith(self._prefix)}
            parts = [TopicPartition(name, p, 0) for name, partitions in topics.items() for p in partitions]
            consumer.assign(parts)
            at_end = set()
            while len(at_end) < len(parts):
                message = consumer.poll(20)
                assert message is not None, "the broker does not answer"
                if message.error():
                    at_end.add((message.topic(), message.partition()))
                else:
                    headers = [v or b"" for _, v in message.headers() or []]
                    yield message.topic(), b"\n".join([message.key() or b"", message.value() or b"", *headers])
        finally:
            consumer.close()

    def wait(self, topic, n, timeout=60):
        """Wait until the topic holds n records or more; all of them."""
        seen = []

        def enough():
            seen[:] = self.records(topic)
            return len(seen) >= n

        wait_until(enough, timeout, f"{n} records in {self.name(topic)}")
        return list(seen)

    def produce(self, topic, value, key=None, headers=None, partition=-1):
        """One record, acknowledged; its (partition, offset)."""
        done = []
        producer = Producer({"bootstrap.servers": self._brokers, "log_level": 0})
        producer.produce(
            self.name(topic), value, key, partition, lambda error, message: done.append((error, message)),
            headers=headers or {},
        )  # fmt: skip
        producer.flush(30)
        assert done and done[0][0] is None, f"not produced: {done}"
        return done[0][1].partition(), done[0][1].offset()

    def produce_many(self, topic, values, partition):
        """All of them, acknowledged."""
        failed = []
        producer = Producer({"bootstrap.servers": self._brokers, "log_level": 0})
        for value in values:
            producer.produce(
                self.name(topic), value, partition=partition,
                on_delivery=lambda error, _: error and failed.append(error),
            )  # fmt: skip
        assert producer.flush(60) == 0 and not failed, failed[:3]

    def lag(self, group, topic):
        """Records that the group has not committed, over all partitions."""
        consumer = Consumer({"bootstrap.servers": self._brokers, "group.id": group, "log_level": 0})
        try:
            name = self.name(topic)
            parts = [TopicPartition(name, p) for p in consumer.list_topics(name, timeout=20).topics[name].partitions]
            total = 0
            for part in consumer.committed(parts, timeout=20):
                low, high = consumer.get_watermark_offsets(part, timeout=20)
                total += high - (part.offset if part.offset >= 0 else low)
            return total
        finally:
            consumer.close()
