# SPDX-License-Identifier: Apache-2.0
"""A Confluent-compatible schema registry of one test's own."""
import requests

from .ports import free_port
from .process import Process
from .services import SERVICE


class Registry:
    def __init__(self, folder):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/apis/ccompat/v7"
        self.process = Process("registry", [SERVICE, "registry", str(folder / "registry"), str(self.port)], folder / "registry.log")

    def start(self):
        self.process.start()
        # The first start ever fetches it.
        self.process.wait_for(lambda: self.get("/subjects") is not None, 240, "the schema registry answers")
        return self

    def get(self, path):
        answer = requests.get(self.url + path, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def end(self):
        self.process.end()
