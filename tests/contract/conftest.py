# SPDX-License-Identifier: Apache-2.0
"""An adapter on one side, the simulated API on the other."""
import json
import os
import pathlib
import subprocess
import sys

import pytest
import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from support.ports import free_port  # noqa: E402
from support.process import Process  # noqa: E402


class Adapter:
    """build and judge of the adapters, as tests/contract/adapter.c runs them."""

    def __init__(self):
        self._process = subprocess.Popen(
            [os.environ["POSTRIDER_ADAPTER"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")

    def run(self, provider, case):
        self._process.stdin.write(json.dumps({**case, "provider": provider}) + "\n")
        self._process.stdin.flush()
        lines = []
        for line in self._process.stdout:
            if line == "\x1e\n":
                return json.loads("".join(lines), strict=False)
            lines.append(line)
        raise AssertionError(f"the adapter ended: {case}")

    def close(self):
        self._process.stdin.close()
        assert self._process.wait(30) == 0


class Api:
    """The simulated APIs, and the calls that an adapter asks for."""

    def __init__(self, folder):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("POSTRIDER_SIMULATOR")}
        self._process = Process(
            "simulator", [os.environ["POSTRIDER_PROGRAM"], "simulate"], folder / "simulator.log",
            {**kept, "POSTRIDER_SIMULATOR_LISTEN_PORT": str(self.port), "POSTRIDER_SIMULATOR_LOG_LEVEL": "warn"})  # fmt: skip
        self._process.start()
        self._process.wait_for(self._answers, 30, "the simulator answers")

    def _answers(self):
        try:
            return requests.get(f"{self.url}/_sim/ready", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    def tell(self, what, body):
        answer = requests.put(f"{self.url}/_sim/{what}", json=body, timeout=10)
        assert answer.status_code == 200, answer.text

    def faults(self, *rules):
        self.tell("faults", {"faults": list(rules)})

    def reset(self):
        assert requests.post(f"{self.url}/_sim/reset", timeout=10).status_code == 200

    def ledger(self):
        return [json.loads(line) for line in requests.get(f"{self.url}/_sim/ledger", timeout=10).text.splitlines()]

    def call(self, request, token, body=None):
        """What an adapter built, with the token where it is masked; `body` takes the place of its own."""
        headers = {k: v.replace("***", token) for k, v in request["headers"].items()}
        options = {}
        if body is not None:
            options["data"] = json.dumps(body).encode()
        elif "body" in request:
            options["data"] = json.dumps(request["body"]).encode()
        elif "form" in request:
            options["data"] = request["form"].replace("***", token).encode()
        elif "parts" in request:
            options["files"] = [(part["name"], self._part(part)) for part in request["parts"]]
        return requests.request(
            request["method"], request["url"].replace("***", token), headers=headers, timeout=20, **options)

    @staticmethod
    def _part(part):
        if "value" in part:
            return (None, part["value"], part["value_mime"]) if "value_mime" in part else (None, part["value"])
        bytes_of_file = bytes(range(256)) * 8
        if "length" in part:
            bytes_of_file = bytes_of_file[part.get("from", 0) :][: part["length"]]
        return part.get("filename", "file"), bytes_of_file, part.get("mime", "application/octet-stream")

    def close(self):
        status = self._process.terminate(30)
        assert status == 0, self._process.log_tail()
        report = self._process.sanitizer_report()
        assert not report, report


def reply_of(answer):
    """An answer as a case has it."""
    return {"status": answer.status_code, "headers": dict(answer.headers), "body": answer.text}


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    made = Api(tmp_path_factory.mktemp("simulator"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def adapter():
    made = Adapter()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def fresh(api):
    api.reset()
