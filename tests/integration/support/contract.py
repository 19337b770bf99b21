# SPDX-License-Identifier: Apache-2.0
"""Schemathesis against a running api: calls made from its description, each answer held against it."""
import json
import os
import pathlib
import re
import subprocess
import sys

from .inbox_rows import fill
from .world import World

SETTINGS = pathlib.Path(__file__).with_name("schemathesis.toml")
AS_TENANT, AS_OPERATOR = ("--exclude-path-regex", "^/api/operator"), ("--include-path-regex", "^/api/operator")


class Contract:
    """A tenant that has something of everything, and the operator beside it."""

    def __init__(self, stack):
        self._stack, simulator = stack, stack.start_simulator()
        self.api = stack.start_api(
            simulator, allowed_origins="*", media_folder=str(stack.folder / "media"), user_rate=100000, tenant_rate=1000000,
            password_memory="8MiB", provider_connect_timeout="500ms",
        )  # fmt: skip
        self._world = World(stack, simulator)
        ids = self._world.ids
        with stack.postgres.connect("postrider_owner", stack.database) as db:
            fill(db, self._world.tenant, ids["channel"], conversations=10, messages=40, platform="telegram")

        def some(table):
            return [str(row[0]) for row in stack.query(f"SELECT id FROM {table} WHERE tenant_id = %s ORDER BY id LIMIT 6", self._world.tenant)]

        self._things = {
            "channels": [ids["channel"]], "conversations": some("conversations"), "messages": some("messages"), "bulk": [ids["bulk"]],
            "media": [ids["media"]], "users": [ids["user"]], "quarantine": [ids["quarantine"]], "tenants": [str(stack.tenant().id)],
        }  # fmt: skip

    def _start(self, role, words):
        token = self._world.token(role, ttl=24 * 3600)
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", SETTINGS, "run", "--no-color", f"{self._stack.api_url}/api/openapi.json",
                   "--checks", "all", "--continue-on-failure", "--header", f"Authorization: Bearer {token}", *map(str, words)]  # fmt: skip
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(SETTINGS.parents[1]), "CONTRACT_THINGS": json.dumps(self._things)}
        log = self._stack.folder / f"schemathesis-{role}.log"
        with open(log, "w", encoding="utf-8") as out:
            return log, subprocess.Popen(command, cwd=self._stack.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env)

    def hold(self, *words, timeout):
        """How many calls were made, as a tenant's owner and as the operator, and what was found with them."""
        runs = [self._start("owner", (*AS_TENANT, *words)), self._start("operator", (*AS_OPERATOR, *words))]
        n, found = 0, []
        try:
            for log, process in runs:
                status = process.wait(timeout)
                printed = log.read_text(encoding="utf-8")
                n += int((re.search(r"(\d+) generated", printed) or [0, 0])[1])
                if status != 0:
                    found.append(printed)
        finally:
            for _, process in runs:
                process.kill()
        if not self.api.is_running() or self.api.sanitizer_report():
            found.append(self.api.sanitizer_report() or self.api.log_tail())
        return n, "\n".join(found)
