# SPDX-License-Identifier: Apache-2.0
"""PgBouncer in transaction mode, in front of the tests' PostgreSQL."""
import os

from .ports import free_port
from .process import Process


class Pooler:
    def __init__(self, postgres, folder, connections=3):
        self.port = free_port()
        settings = folder / "pgbouncer.ini"
        users = folder / "pgbouncer.users"
        users.write_text('"postrider_owner" ""\n"postrider_api" ""\n')
        settings.write_text(
            f"[databases]\n* = host=127.0.0.1 port={postgres.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {users}\npool_mode = transaction\ndefault_pool_size = {connections}\nmax_client_conn = 200\n"
            "ignore_startup_parameters = extra_float_digits\n"
        )
        # PgBouncer refuses to run as root.
        as_user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.getuid() == 0 else []
        self._postgres = postgres
        folder.chmod(0o755)
        for parent in folder.parents:
            if parent.stat().st_uid == os.getuid() and str(parent).startswith("/tmp/"):
                parent.chmod(parent.stat().st_mode | 0o055)
        self.process = Process("pgbouncer", [*as_user, "/usr/sbin/pgbouncer", str(settings)], folder / "pgbouncer.log")

    def url(self, role, database):
        return self._postgres.url(role, database).replace(f":{self._postgres.port}/", f":{self.port}/")

    def start(self):
        self.process.start()
        self.process.wait_for(lambda: "process up" in self.process.log_tail(), 30, "PgBouncer listens")
        return self

    def end(self):
        if self.process.is_running():
            self.process.terminate(30)
        self.process.end()
