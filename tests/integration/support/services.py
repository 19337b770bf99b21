# SPDX-License-Identifier: Apache-2.0
"""A real Kafka broker and a real PostgreSQL server of the tests' own, on free ports."""
import os
import pathlib
import signal
import socket
import subprocess
import tempfile

import psycopg
from confluent_kafka.admin import AdminClient

from .ports import free_port
from .process import Process
from .wait import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]
SERVICE = str(ROOT / "deploy" / "service")


def service_folder():
    """A folder that the user postgres can reach (pytest's own are closed to others)."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postrider-test-"))
    folder.chmod(0o755)
    return folder


class Kafka:
    def __init__(self, folder):
        self.port, self._controller_port = free_port(), free_port()
        self.brokers = f"127.0.0.1:{self.port}"
        self.process = Process(
            "kafka",
            [SERVICE, "kafka", str(folder / "kafka"), str(self.port), str(self._controller_port)],
            folder / "kafka.log",
        )

    def start(self):
        """Start, or start again with the same data, and wait until it serves requests."""
        self.process.start()
        self.process.wait_for(self._serves, 90, "Kafka serves requests")
        return self

    def kill(self):
        """kill -9, and proof that nobody listens any more."""
        self.process.kill()
        assert not self.accepts(), "the broker was killed, but its port still answers"

    def stop(self):
        self.process.terminate(60)
        assert not self.accepts(), "the broker was stopped, but its port still answers"

    def restart(self):
        self.kill()
        self.start()

    def accepts(self):
        with socket.socket() as probe:
            probe.settimeout(2)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def admin(self):
        return AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})

    def _serves(self):
        return self.accepts() and self.admin().list_topics(timeout=2).brokers

    def end(self):
        self.process.end()


class Postgres:
    def __init__(self, folder):
        self.port = free_port()
        self.process = Process(
            "postgres",
            [SERVICE, "postgres", str(folder / "postgres"), str(self.port)],
            folder / "postgres.log",
            # setpriv clears the death signal that Process asks for, so it sets its own.
            env={**os.environ, "PG_DEATH_SIGNAL": "INT"},
        )

    def start(self):
        self.process.start()
        self.process.wait_for(self._serves, 60, "PostgreSQL accepts connections")
        return self

    def kill(self):
        """kill -9 of the server, which ends its children with it, as a crash of the machine would."""
        self.process.kill()
        wait_until(lambda: not self.accepts(), 30, "PostgreSQL's port is closed")

    def stop(self):
        """A fast shutdown: clients are disconnected."""
        self.process.terminate(60, signal.SIGINT)
        assert not self.accepts(), "PostgreSQL was stopped, but its port still answers"

    def accepts(self):
        with socket.socket() as probe:
            probe.settimeout(2)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def url(self, role, database):
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def connect(self, role="postgres", database="postgres"):
        """A connection in autocommit mode: what others committed is seen at once."""
        return psycopg.connect(self.url(role, database), autocommit=True, connect_timeout=5)

    def create_database(self, name, template="template1"):
        """A new database, owned as in production by a role that is no superuser; a copy of `template`."""
        with self.connect() as db:
            if not db.execute("SELECT 1 FROM pg_roles WHERE rolname = 'postrider_owner'").fetchone():
                db.execute("CREATE ROLE postrider_owner LOGIN CREATEDB CREATEROLE BYPASSRLS")
            db.execute(f"CREATE DATABASE {name} OWNER postrider_owner TEMPLATE {template}")

    def _serves(self):
        with self.connect() as db:
            return db.execute("SELECT 1").fetchone()

    def end(self):
        if self.process.is_running():
            self.process.terminate(30, signal.SIGQUIT)
        self.process.end()


class Services:
    """Both, in one folder that disappears with them (POSTRIDER_KEEP=1 keeps it for a look)."""

    def __init__(self):
        subprocess.run([SERVICE, "prepare"], check=True, stdout=subprocess.DEVNULL)
        self.folder = service_folder()
        self.kafka = Kafka(self.folder)
        self.postgres = Postgres(self.folder)
        self.migrated = None  # a database that `postrider migrate` has made: stacks' are copies of it

    def start(self):
        self.kafka.process.start()
        self.postgres.start()
        self.kafka.process.wait_for(self.kafka._serves, 90, "Kafka serves requests")
        return self

    def close(self):
        self.postgres.end()
        self.kafka.end()
        if not os.environ.get("POSTRIDER_KEEP"):
            # Some thousand small files for each stack: nobody has to wait for that.
            subprocess.Popen(["nice", "rm", "-rf", str(self.folder)], start_new_session=True)
