# SPDX-License-Identifier: Apache-2.0
"""The program under test: its verbs and its daemons, in a database and under topics of their own."""
import base64
import json
import os
import pathlib
import secrets
import subprocess

import requests

from .api import Api
from .ports import free_port
from .process import Process
from .services import ROOT
from .simulator import Simulator
from .stream import Stream
from .topics import Topics
from .wait import wait_until
from .webhooks import Webhooks


def program():
    return os.environ.get("POSTRIDER_PROGRAM") or str(ROOT / "build" / "asan" / "postrider")


class Daemon(Process):
    """One daemon with its own admin port; several of one kind may run side by side."""

    def __init__(self, stack, kind, number, settings):
        self.kind = kind
        self.admin_port = free_port()
        name = kind if number == 1 else f"{kind}-{number}"
        self._given = {
            **stack.daemon_env(kind),
            f"POSTRIDER_{kind.upper()}_ADMIN_PORT": str(self.admin_port),
            f"POSTRIDER_{kind.upper()}_INSTANCE": f"{stack.name}-{name}",
        }
        super().__init__(name, [program(), kind], stack.folder / f"{name}.log")
        self.configure(settings)

    def configure(self, settings):
        """From its next start on."""
        own = {f"POSTRIDER_{self.kind.upper()}_{key.upper()}": str(value) for key, value in settings.items()}
        self.env = {**self._given, **own}

    def start(self, ready=True):
        super().start()
        if ready:
            self.wait_ready()
        return self

    def _admin(self, path):
        return requests.get(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5)

    def readiness(self):
        """(is ready, why not)."""
        answer = self._admin("/readyz")
        return answer.status_code == 200, answer.text

    def wait_ready(self, timeout=60):
        self.wait_for(lambda: self.readiness()[0], timeout, f"{self.name} is ready")

    def wait_not_ready(self, timeout=60):
        self.wait_for(lambda: not self.readiness()[0], timeout, f"{self.name} says that it is not ready")

    def metric(self, name, **labels):
        """The sum of a metric's samples that have these labels; 0 when there is none."""
        total = 0.0
        for line in self._admin("/metrics").text.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(f'{k}="{v}"' in series for k, v in labels.items()):
                total += float(value)
        return total

    def stop(self, timeout=30):
        """SIGTERM; a daemon drains and ends with status 0."""
        status = self.terminate(timeout)
        assert status == 0, f"{self.name} ended with status {status}:\n{self.log_tail()}"


class Tenant:
    def __init__(self, stack, tenant_id):
        self._stack, self.id = stack, tenant_id

    def connect(self, provider, account, account_type=None):
        """Connect a channel; its id, when the verb prints one."""
        kind = ["--type", account_type] if account_type else []
        return self._stack.run("channel", "connect", self.id, provider, account, *kind).stdout.strip()

    def token(self, ttl="1h", role="owner"):
        return self._stack.run("tenant", "token", self.id, "--ttl", ttl, "--role", role).stdout.strip()

    def api(self, role="owner"):
        """A caller of the api with a token of this tenant."""
        return Api(self._stack.api_url, self.token(role=role))

    def stream(self, cursor=None, **options):
        """A websocket client that has had its `hello` and records every frame."""
        return self._stack.open_stream(self.token(), cursor, **options)


class Stack:
    def __init__(self, services, name, folder, partitions=None):
        self.services, self.name = services, name
        self.kafka, self.postgres = services.kafka, services.postgres
        self.folder = pathlib.Path(folder)
        self.database = name
        self.topic_prefix = f"{name}."
        self.secrets = {
            key: secrets.token_urlsafe(24)
            for key in (
                "webhook_master_key", "jwt_secret", "meta_app_secret", "meta_verify_token", "x_consumer_secret",
            )
        }  # fmt: skip
        self.key_ring = self.folder / "key_ring"
        self.key_ring.parent.mkdir(parents=True, exist_ok=True)
        self.key_ring.write_text(f"active k1\nkey k1 {base64.b64encode(secrets.token_bytes(32)).decode()}\n")
        self.key_ring.chmod(0o600)
        self.daemons = []
        self._streams = []
        self.ingest_port, self.stream_port, self.api_port = free_port(), free_port(), free_port()
        self.ingest_url = f"http://127.0.0.1:{self.ingest_port}"
        self.stream_url = f"ws://127.0.0.1:{self.stream_port}/v1/stream"
        self.api_url = f"http://127.0.0.1:{self.api_port}"
        self.webhooks = Webhooks(self)
        self.topics = Topics(self.kafka.brokers, self.topic_prefix)
        if services.migrated is None:
            self._migrate("migrated")
            services.migrated = "migrated"
        self.postgres.create_database(name, template=services.migrated)
        self.run("topics", *(["--partitions", str(partitions)] if partitions else []))
        self._db = None

    def _migrate(self, database):
        """Once for each PostgreSQL: a copy takes a tenth of the time of a database made anew."""
        self.postgres.create_database(database)
        self.run("migrate", env={"POSTRIDER_DATABASE_URL": self.postgres.url("postrider_owner", database)})

    # --- settings --------------------------------------------------------------------------------

    def _settings(self):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("POSTRIDER_", "INSTAGRAM_"))}
        return {
            **kept,
            "POSTRIDER_KAFKA_BROKERS": self.kafka.brokers,
            "POSTRIDER_TOPIC_PREFIX": self.topic_prefix,
            "POSTRIDER_LOG_LEVEL": "debug",
            "POSTRIDER_LOG_FORMAT": "json",
            "POSTRIDER_INGEST_LISTEN_PORT": str(self.ingest_port),
            "POSTRIDER_NOTIFIER_LISTEN_PORT": str(self.stream_port),
            "POSTRIDER_API_LISTEN_PORT": str(self.api_port),
            "POSTRIDER_KEY_RING": str(self.key_ring),
            **{f"POSTRIDER_{key.upper()}": value for key, value in self.secrets.items()},
        }

    def daemon_env(self, kind):
        """A daemon gets the URL of its own role, never the owner's."""
        env = self._settings()
        role = {"router": "postrider_router", "api": "postrider_api", "sender": "postrider_sender"}.get(kind)
        if role:
            env[f"POSTRIDER_{kind.upper()}_DATABASE_URL"] = self.postgres.url(role, self.database)
        if kind == "api":
            env["POSTRIDER_API_OPERATOR_DATABASE_URL"] = self.postgres.url("postrider_operator", self.database)
        return env

    def verb_env(self):
        return {
            **self._settings(),
            "POSTRIDER_DATABASE_URL": self.postgres.url("postrider_owner", self.database),
            "POSTRIDER_INGEST_URL": self.ingest_url,
            "POSTRIDER_STREAM_URL": self.stream_url,
        }

    # --- the operator's verbs ----------------------------------------------------------------------

    def run(self, *words, timeout=120, check=True, env=None):
        """Run `postrider WORDS...` as the operator; its result, whose failure is the test's unless `check` is off.

        `env`: variables that come on top of the stack's.
        """
        done = subprocess.run(
            [program(), *map(str, words)], env={**self.verb_env(), **(env or {})}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        if check:
            assert done.returncode == 0, (
                f"postrider {' '.join(map(str, words))} ended with {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def run_json(self, *words, **options):
        return json.loads(self.run(*words, "--json", **options).stdout)

    def background(self, name, *words):
        """A verb that goes on until it is stopped: a Process with its own log."""
        process = Process(name, [program(), *map(str, words)], self.folder / f"{name}.log", self.verb_env())
        self.daemons.append(process)
        return process.start()

    def tenant(self, name="acme"):
        return Tenant(self, self.run("tenant", "create", name).stdout.strip())

    # --- daemons -------------------------------------------------------------------------------------

    def start(self, kind, ready=True, **settings):
        """Start a daemon (a second call of one kind: a second instance) and wait until it is ready.

        A second ingest, notifier or api needs its own `listen_port` among the settings.
        """
        number = 1 + sum(1 for d in self.daemons if isinstance(d, Daemon) and d.kind == kind)
        daemon = Daemon(self, kind, number, settings)
        self.daemons.append(daemon)
        return daemon.start(ready)

    def start_all(self):
        """ingest, router, notifier: the pipeline."""
        return tuple(self.start(kind) for kind in ("ingest", "router", "notifier"))

    def start_api(self, simulator, **settings):
        """The api, whose providers are the simulator's."""
        return self.start("api", **{**simulator.settings(), **settings})

    def start_simulator(self, **settings):
        """The providers' APIs, with webhooks to this stack's ingest: a support.simulator.Simulator."""
        simulator = Simulator(self, program(), settings)
        self.daemons.append(simulator)
        return simulator.start()

    def open_stream(self, token, cursor=None, **options):
        stream = Stream(options.pop("url", self.stream_url), token, cursor, **options)
        self._streams.append(stream)
        return stream

    # --- the database ----------------------------------------------------------------------------------

    def query(self, sql, *values):
        """Rows as seen by the owner."""
        if self._db is None or self._db.closed or self._db.broken:
            self._db = self.postgres.connect("postrider_owner", self.database)
        return self._db.execute(sql, values).fetchall()

    def scalar(self, sql, *values):
        return self.query(sql, *values)[0][0]

    def wait_rows(self, n, sql, *values, timeout=60):
        """Wait until a `SELECT count(*) ...` has reached n; exactly n is then asserted."""
        wait_until(lambda: self.scalar(sql, *values) >= n, timeout, f"{n} rows: {sql}")
        assert self.scalar(sql, *values) == n

    # --- the end -----------------------------------------------------------------------------------------

    def close(self):
        """Stop what still runs; fail on a sanitizer's report or an unclean end."""
        for stream in self._streams:
            stream.close()
        if self._db is not None:
            self._db.close()
        problems = []
        for process in reversed(self.daemons):
            if process.is_running():
                try:
                    status = process.terminate(30)
                    if status not in (0, -15):
                        problems.append(f"{process.name} ended with status {status}:\n{process.log_tail()}")
                except AssertionError as error:
                    problems.append(str(error))
            process.end()
        for process in self.daemons:
            report = process.sanitizer_report()
            if report:
                problems.append(f"{process.name} ({process.log_path}):\n{report}")
        assert not problems, "\n\n".join(problems)

    def logs(self):
        return "\n".join(f"--- {p.name}: {p.log_path}\n{p.log_tail(40)}" for p in self.daemons)
