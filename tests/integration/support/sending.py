# SPDX-License-Identifier: Apache-2.0
"""Messages to send, stored and commanded as the api does it: rows by SQL, commands by an independent client."""
import io
import json
import time
import uuid

import fastavro
from confluent_kafka import Producer
from fastavro.schema import fingerprint, to_parsing_canonical_form

from .topics import MAGIC, SCHEMAS
from .vault import KeyRing
from .wait import wait_until

_command = json.loads((SCHEMAS / "send_command.avsc").read_text(encoding="utf-8"))
_prefix = MAGIC + bytes.fromhex(fingerprint(to_parsing_canonical_form(_command), "CRC-64-AVRO"))
_parsed = fastavro.parse_schema(_command)


def new_id():
    """A UUIDv7."""
    ms = time.time_ns() // 1_000_000
    raw = bytearray(ms.to_bytes(6, "big") + uuid.uuid4().bytes[:10])
    raw[6], raw[8] = 0x70 | raw[6] & 0x0F, 0x80 | raw[8] & 0x3F
    return str(uuid.UUID(bytes=bytes(raw)))


def encode_command(conversation, message_id, priority=0):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _parsed, {
        "tenant_id": str(conversation.channel.tenant.id), "message_id": message_id, "channel_id": conversation.channel.id,
        "conversation_id": conversation.id, "provider": conversation.channel.provider, "attempt": 0,
        "created_at": int(time.time() * 1000), "priority": priority,
    })  # fmt: skip
    return _prefix + out.getvalue()


def produce_commands(topics, conversations, message_ids, priority=0):
    """Many at once, acknowledged."""
    producer = Producer({"bootstrap.servers": topics._brokers, "log_level": 0, "linger.ms": 20})
    for c, m in zip(conversations, message_ids):
        producer.produce(topics.name("outbound"), encode_command(c, m, priority), f"{c.channel.id}:{c.id}")
        producer.poll(0)
    assert producer.flush(60) == 0, "not all commands were acknowledged"


class Sending:
    """Channels whose provider is `simulator`, and messages on them."""

    def __init__(self, stack, simulator):
        self.stack, self.simulator = stack, simulator
        self.ring = KeyRing(stack.folder / "key_ring")
        self.tenant = stack.tenant()
        self._senders = {}
        self.defaults = {
            "key_ring": self.ring.path, "allowed_hosts": simulator.host, "retry_first": "200ms",
            "scheduler_poll": "50ms", "unclaimed_after": "500ms", "session_timeout": "6s",
        }  # fmt: skip

    def start(self, ready=True, **settings):
        """A sender whose retries are quick enough for a test."""
        return self.stack.start("sender", ready=ready, **{**self.defaults, **settings})

    def sender(self, **settings):
        """The one sender of this stack, running with these settings: it is begun again only when they differ.

        The same instance gets its partitions back at once.
        """
        return self._instance("first", settings)

    def second_sender(self, **settings):
        return self._instance("second", settings)

    def stop_second(self):
        daemon, _ = self._senders.get("second", (None, None))
        if daemon is not None and daemon.is_running():
            daemon.stop()

    def _instance(self, name, settings):
        daemon, running = self._senders.get(name, (None, None))
        if daemon is None:
            daemon = self.start(**settings)
        elif settings != running or not daemon.is_running():
            if daemon.is_running():
                daemon.stop()
            daemon.configure({**self.defaults, **settings})
            daemon.start()
        self._senders[name] = daemon, settings
        return daemon

    def channel(self, provider="telegram", account=None, kind=None, tenant=None, **settings):
        account = account or str(uuid.uuid4().int % 10**9 + 10**9)
        tenant = tenant or self.tenant
        tenant.connect(provider, account, kind)
        return Channel(self, tenant, provider, account, settings)


class Channel:
    def __init__(self, sending, tenant, provider, account, settings):
        self.sending, self.tenant, self.provider, self.account = sending, tenant, provider, account
        self._stack = sending.stack
        self.id, self.platform = map(str, self._stack.query(
            "SELECT id, platform FROM channels_account WHERE provider = %s AND external_account_id = %s", provider, account
        )[0])  # fmt: skip
        self._stack.query(
            "UPDATE channels_account SET base_url = %s, settings = %s WHERE id = %s RETURNING 1",
            sending.simulator.base_url(provider), json.dumps(settings), self.id,
        )  # fmt: skip
        self.credentials()

    def credentials(self, kind="sim", **more):
        """As when the account is connected again: what was refused is forgotten. "sim-revoked": it is refused."""
        sealed = self.sending.ring.seal(self.tenant.id, {"token": f"{kind}-{self.account}", **more})
        self._stack.query(
            "UPDATE channels_account SET credentials = %s, credentials_key_id = %s, status = 'ok', credential_status = 'valid' "
            "WHERE id = %s RETURNING 1", sealed, self.sending.ring.name, self.id,
        )  # fmt: skip

    def conversation(self, external_id, is_group=False):
        conversation_id = new_id()
        self._stack.query(
            "INSERT INTO conversations (tenant_id, id, channel_id, provider, platform, external_id, is_group) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING 1",
            self.tenant.id, conversation_id, self.id, self.provider, self.platform, str(external_id), is_group,
        )  # fmt: skip
        return Conversation(self, conversation_id, str(external_id))

    def conversations(self, n, first=1000):
        """n of them, in one statement."""
        rows = [(new_id(), str(first + i)) for i in range(n)]
        self._stack.query(
            "INSERT INTO conversations (tenant_id, id, channel_id, provider, platform, external_id) "
            "SELECT %s, u.id::uuid, %s, %s, %s, u.ext FROM unnest(%s::text[], %s::text[]) u(id, ext) RETURNING 1",
            self.tenant.id, self.id, self.provider, self.platform, [r[0] for r in rows], [r[1] for r in rows],
        )  # fmt: skip
        return [Conversation(self, *row) for row in rows]

    def store_to_each(self, conversations, text="{ext}", bulk=False):
        """One message to each, in one statement; their ids, uncommanded."""
        ids, bulk_id = [new_id() for _ in conversations], new_id() if bulk else None
        self._stack.query(
            "WITH u AS (SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[]) u(id, conversation_id, body)), "
            "c AS (UPDATE conversations c SET next_seq = next_seq + 1 FROM u WHERE c.tenant_id = %s AND c.id = u.conversation_id "
            "RETURNING c.id, c.next_seq - 1 AS seq) "
            "INSERT INTO messages (tenant_id, id, channel_id, conversation_id, provider, platform, client_ref, direction, "
            "status, kind, body, provider_at, conversation_seq, bulk_id) "
            "SELECT %s, u.id, %s, u.conversation_id, %s, %s, 'pr-' || replace(u.id::text, '-', ''), 'out', 'queued', 'text', "
            "u.body, now(), c.seq, %s FROM u JOIN c ON c.id = u.conversation_id RETURNING 1",
            ids, [c.id for c in conversations], [text.format(ext=c.external_id) for c in conversations], self.tenant.id,
            self.tenant.id, self.id, self.provider, self.platform, bulk_id,
        )  # fmt: skip
        return ids

    def send_to_each(self, conversations, text="{ext}", bulk=False):
        """The same, commanded."""
        ids = self.store_to_each(conversations, text, bulk)
        produce_commands(self._stack.topics, conversations, ids, int(bulk))
        return ids

    def texts(self):
        """What the provider accepted, in its order."""
        return [row["text"] for row in self.sending.simulator.ledger(account=self.account)]

    def wait_sends(self, n, timeout=60):
        return self.sending.simulator.wait_sends(n, timeout, account=self.account)

    def settled(self):
        """Its messages by status."""
        return dict(self._stack.query(
            "SELECT status, count(*) FROM messages WHERE tenant_id = %s AND channel_id = %s GROUP BY 1", self.tenant.id, self.id
        ))  # fmt: skip

    def status(self):
        return self._stack.scalar("SELECT status FROM channels_account WHERE id = %s", self.id)


class Conversation:
    def __init__(self, channel, conversation_id, external_id):
        self.channel, self.id, self.external_id = channel, conversation_id, external_id
        self._stack = channel.sending.stack

    def store(self, text, **columns):
        """A message as the api commits it; its id. No command yet."""
        ch, message_id = self.channel, new_id()
        more = {"kind": "text", "outgoing": None, "reply_to": None, "send_at": None, "bulk_id": None, **columns}
        if more["outgoing"] is not None:
            more["outgoing"] = json.dumps(more["outgoing"])
        self._stack.query(
            "WITH c AS (UPDATE conversations SET next_seq = next_seq + 1 WHERE tenant_id = %s AND id = %s RETURNING next_seq - 1 AS seq) "
            "INSERT INTO messages (tenant_id, id, channel_id, conversation_id, provider, platform, client_ref, direction, status, "
            "body, provider_at, conversation_seq, kind, outgoing, reply_to, send_at, bulk_id) "
            "SELECT %s, %s, %s, %s, %s, %s, %s, 'out', 'queued', %s, now(), c.seq, %s, %s, %s, %s, %s FROM c RETURNING 1",
            ch.tenant.id, self.id, ch.tenant.id, message_id, ch.id, self.id, ch.provider, ch.platform,
            "pr-" + message_id.replace("-", ""), text, more["kind"], more["outgoing"], more["reply_to"], more["send_at"],
            more["bulk_id"],
        )  # fmt: skip
        return message_id

    def command(self, message_id, priority=0, times=1):
        for _ in range(times):
            self._stack.topics.produce("outbound", encode_command(self, message_id, priority), f"{self.channel.id}:{self.id}")

    def send(self, text, **columns):
        message_id = self.store(text, **columns)
        self.command(message_id)
        return message_id

    def send_all(self, texts, times=1):
        """In this order; each commanded `times`."""
        ids = [self.store(text) for text in texts]
        produce_commands(self._stack.topics, [self] * len(ids) * times, ids * times)
        return ids

    def message(self, message_id):
        names = "status", "attempt", "external_message_id", "error_code", "error_message", "next_attempt_at", "rev"
        row = self._stack.query(
            f"SELECT {', '.join(names)} FROM messages WHERE tenant_id = %s AND id = %s", self.channel.tenant.id, message_id
        )[0]
        return dict(zip(names, row))

    def wait_status(self, message_id, *statuses, timeout=60):
        def reached():
            row = self.message(message_id)
            return row if row["status"] in statuses else None

        return wait_until(reached, timeout, f"message {message_id} is {' or '.join(statuses)}")

    def attempts(self, message_id):
        """(attempt, outcome, class) of each."""
        return self._stack.query(
            "SELECT attempt, outcome, class FROM send_attempts WHERE tenant_id = %s AND message_id = %s ORDER BY attempt",
            self.channel.tenant.id, message_id,
        )  # fmt: skip


def claimed(c, text, answer=None):
    """A message whose sender died: its lease is over; `answer`: what was stored of its attempt."""
    stack, m = c._stack, c.store(text)
    stack.query("UPDATE messages SET status = 'sending', attempt = 1, lease_until = now(), wake_at = now() WHERE id = %s RETURNING 1", m)
    stack.query(
        "INSERT INTO send_attempts (tenant_id, message_id, attempt, channel_id, finished_at, outcome, external_message_id) "
        "VALUES (%s, %s, 1, %s, CASE WHEN %s::text IS NOT NULL THEN now() END, %s, %s) RETURNING 1",
        c.channel.tenant.id, m, c.channel.id, answer, answer, "904:55" if answer == "sent" else None,
    )  # fmt: skip
    return m
