# SPDX-License-Identifier: Apache-2.0
"""Secrets that pass through are nowhere afterwards: not in the database's files, in Kafka's, in logs, metrics or memory."""
import base64
import os
import pathlib
import uuid

import pytest
import requests

from support.api import Api
from support.memory import find_in_memory
from support.ports import free_port
from support.process import Process
from support.stack import Daemon, program
from support.wait import wait_until
from support.webhooks import derived_secret


def canary(kind):
    return f"canary-{kind}-{uuid.uuid4().hex}"


class Story:
    """A tenant that registers, logs in, gives its access away, connects a bot and has it say something."""

    def __init__(self, stack):
        self.stack = stack
        self.sim = stack.start_simulator()
        # What is read of their memory here is what a core file would hold.
        for kind in ("ingest", "router", "notifier"):
            stack.start(kind, core_dumps="true")
        stack.start_api(self.sim, password_memory="8MiB", core_dumps="true")
        stack.start("sender", allowed_hosts=self.sim.host, scheduler_poll="50ms", core_dumps="true")
        self.text = f"hello-{uuid.uuid4().hex}"
        self.bot = str(10**8 + uuid.uuid4().int % 10**9)
        self.password = canary("password")
        self.token = f"sim-{self.bot}-{uuid.uuid4().hex}"
        self.key = f"sim-{canary('key')}"
        self.refused = f"{self.bot}:{canary('refused')}"
        self.sessions = []
        self.tell()

    def call(self, method, path, status, body=None):
        """A connection of its own, that ends with the call."""
        with requests.request(
            method, self.stack.api_url + path, json=body, timeout=60,
            headers={"Connection": "close", **({"Authorization": f"Bearer {self.sessions[-1]['access_token']}"} if self.sessions else {})},
        ) as answer:  # fmt: skip
            assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
            return answer.json() if answer.content else None

    def tell(self):
        mail = f"{uuid.uuid4().hex}@example.com"
        self.sessions.append(self.call("POST", "/api/auth/register", 201, {
            "email": mail, "password": self.password, "name": "Ada", "tenant_name": "Acme"}))  # fmt: skip
        self.tenant = self.sessions[0]["tenant"]["id"]
        self.sessions.append(self.call("POST", "/api/auth/login", 200, {"email": mail, "password": self.password}))
        self.call("POST", "/api/auth/login", 401, {"email": mail, "password": self.password[::-1]})
        self.call("POST", "/api/auth/login", 400, {"email": mail, "password": self.password, "more": 1})
        again = {"refresh_token": self.sessions[-1]["refresh_token"]}
        self.sessions.append(self.call("POST", "/api/auth/refresh", 200, again))
        invited = self.call("POST", "/api/users", 201, {"email": f"b{mail}"})
        self.invitation = invited["invitation"]["token"]
        self.call("POST", "/api/user/credentials", 200, {
            "unipile_api_key": self.key, "unipile_api_url": self.sim.base_url("unipile")})  # fmt: skip
        self.call("GET", "/api/user/credentials", 200)
        self.call("POST", "/api/channels/telegram/test?via=direct", 200, {"credentials": {"access_token": self.refused}})
        connected = self.call("POST", "/api/channels/telegram/connect?via=direct", 201, {"credentials": {"access_token": self.token}})
        self.channel = connected["channel"]["id"]
        self.call("GET", f"/api/channels/{self.channel}?live=true", 200)
        sent = self.call("POST", "/api/messages", 202, {"channel_id": self.channel, "to": "4711", "text": self.text})
        wait_until(lambda: self.sim.sends(self.text) == 1, 60, "the message was sent")
        wait_until(lambda: self.stack.scalar("SELECT status FROM messages WHERE id = %s", sent["id"]) in ("sent", "delivered", "read"),
                   60, "and is known to have been")  # fmt: skip
        self.call("GET", "/api/me", 200)  # what is freed at the next call, is

    def passed_through(self):
        """Secrets of people, of which nothing is needed after the call."""
        out = {"password": self.password, "password, wrong": self.password[::-1], "bot's token": self.token,
               "UniPile's key": self.key, "refused token": self.refused, "invitation": self.invitation}  # fmt: skip
        for i, session in enumerate(self.sessions):
            out[f"refresh token {i}"] = session["refresh_token"]
            out[f"access token {i}"] = session["access_token"]
            out[f"access token's signature {i}"] = session["access_token"].rpartition(".")[2]
        return out

    def settings(self):
        """Secrets of the installation: the processes that use them have them in memory as long as they run."""
        ring = self.stack.key_ring.read_text().split()[-1]
        webhook = derived_secret(self.stack.secrets["webhook_master_key"], "unipile", self.tenant)
        return {**self.stack.secrets, "key ring": ring, "webhook's secret": webhook}


def forms(text):
    """As it is, in hexadecimal digits, and in base64 wherever it begins in a group of three."""
    raw = text.encode()
    yield raw
    yield raw.hex().encode()
    for skip in range(3):
        yield base64.b64encode(b"\0" * skip + raw)[(0, 2, 3)[skip] :].rstrip(b"=")[:-1]


def needles(secrets):
    return {form: name for name, text in secrets.items() for form in forms(text)}


def find_in_files(folder, wanted):
    """{(name, file)}; files that go away while we look are let go."""
    found = set()
    for path in pathlib.Path(folder).rglob("*"):
        try:
            data = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:
            continue
        found |= {(name, path.name) for form, name in wanted.items() if form in data}
    return found


@pytest.fixture(scope="module")
def story(shared_stack):
    return Story(shared_stack)


def all_of(story):
    return needles({**story.passed_through(), **story.settings()})


def test_the_databases_files_and_its_log_hold_no_secret(story, services):
    with services.postgres.connect() as db:
        db.execute("CHECKPOINT")
    folder = next((services.folder / "postgres").rglob("pg_wal")).parent
    control = find_in_files(folder, {story.text.encode(): "text"})
    assert any(name.startswith("0000") for _, name in control), "a message's text is not even in the WAL: the search is blind"
    assert find_in_files(folder, all_of(story)) == set()


def test_kafka_holds_no_secret(story, services):
    story.sim.wait_reported()
    wanted = all_of(story)
    assert find_in_files(services.folder / "kafka", wanted) == set()
    seen = 0
    for topic, data in story.stack.topics.everything():  # batches may be compressed in the files
        assert not [name for form, name in wanted.items() if form in data], topic
        seen += 1
    assert seen > 3


def test_no_log_and_no_metric_holds_a_secret(story):
    wanted = all_of(story)
    assert len(list(story.stack.folder.glob("*.log"))) >= 6
    logs = {(name, file) for name, file in find_in_files(story.stack.folder, wanted) if file != "key_ring"}
    assert logs == set()
    for daemon in (d for d in story.stack.daemons if isinstance(d, Daemon)):
        text = daemon._admin("/metrics").content
        assert b"postrider" in text and not [name for form, name in wanted.items() if form in text], daemon.name


@pytest.mark.parametrize("kind", ["api", "sender", "router", "notifier", "ingest"])
def test_memory_holds_no_secret_that_has_passed_through(story, kind):
    daemon = next(d for d in story.stack.daemons if isinstance(d, Daemon) and d.kind == kind)
    wanted = needles(story.passed_through())
    control = story.stack.kafka.brokers.encode()
    found = find_in_memory(daemon.pid, [*wanted, control])
    assert found.pop(control, None), "the search finds nothing at all"
    assert not found, "\n".join(f"{wanted[form]}: {where}" for form, where in found.items())


@pytest.mark.parametrize("allowed", [False, True])
def test_a_daemon_lets_no_process_of_its_user_read_it_unless_told(story, allowed):
    """The kernel gives root the files in /proc of a process that may not be dumped; for this it must not be root's itself."""
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] if os.getuid() == 0 else []
    settings = {**story.stack.daemon_env("ingest"), "POSTRIDER_KEY_RING": "", "POSTRIDER_INGEST_LISTEN_PORT": str(free_port()),
                "POSTRIDER_INGEST_ADMIN_PORT": str(free_port()), "POSTRIDER_INGEST_CORE_DUMPS": str(allowed).lower()}  # fmt: skip
    process = Process("ingest-plain", [*nobody, program(), "ingest"], story.stack.folder / f"plain-{allowed}.log", settings).start()
    story.stack.daemons.append(process)

    def answers():
        try:
            return requests.get(f"http://127.0.0.1:{settings['POSTRIDER_INGEST_ADMIN_PORT']}/healthz", timeout=5).ok
        except requests.ConnectionError:
            return False

    process.wait_for(answers, 30, "it runs")
    owner = os.stat(f"/proc/{process.pid}/mem").st_uid
    assert owner == (os.getuid() or 65534) if allowed else owner == 0


def test_the_master_keys_stay_out_of_core_dumps(story):
    """They are in memory of their own, that is neither dumped nor swapped."""
    ring = story.settings()["key ring"]
    for daemon in (d for d in story.stack.daemons if isinstance(d, Daemon)):
        assert not find_in_memory(daemon.pid, [base64.b64decode(ring), ring.encode()]), daemon.name
