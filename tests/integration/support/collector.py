# SPDX-License-Identifier: Apache-2.0
"""A frontend: follows the stream of its tenant, reconnects with its cursor, and counts what it saw."""
import json
import threading
from collections import Counter
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from .wait import wait_until


class Collector:
    """Starts at once. Keeps counts and the last revision of each object, not the frames themselves."""

    def __init__(self, url, token):
        self._url, self._token = url, token
        self._stopping = threading.Event()
        self._socket = None
        self.cursor = None
        self.connects = self.resyncs = 0
        self.update_ids = Counter()  # must all be 1
        self.created = Counter()  # message.created by external id
        self.objects = {}  # object id -> (rev, data)
        self.backwards = []  # revisions that a client would have to ignore
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        wait_until(lambda: self.cursor is not None, 30, "the stream says hello")

    def _run(self):
        while not self._stopping.is_set():
            query = "?" + urlencode({"cursor": self.cursor}) if self.cursor is not None else ""
            try:
                with connect(
                    self._url + query, subprotocols=[f"bearer.{self._token}"], compression=None,
                    max_size=16 << 20, open_timeout=20, max_queue=1024,
                ) as self._socket:  # fmt: skip
                    self.connects += 1
                    for text in self._socket:
                        self._on_frame(json.loads(text))
            except (OSError, ConnectionClosed, InvalidHandshake, EOFError):
                pass
            self._stopping.wait(0.05)  # a frontend's pause before it reconnects

    def _on_frame(self, frame):
        kind = frame["type"]
        if kind == "update":
            self._on_update(frame)
        elif kind == "resync":
            self.resyncs += 1
        if frame.get("cursor") is not None:
            self.cursor = frame["cursor"]

    def _on_update(self, frame):
        data = frame["data"]
        self.update_ids[frame["id"]] += 1
        if frame["kind"] == "message.created":
            self.created[data["external_message_id"]] += 1
        key = data.get("id")
        rev = data["rev"]
        # The same revision may come twice, of two events that a crash made the router publish late.
        if key in self.objects and rev < self.objects[key][0]:
            self.backwards.append((frame["kind"], key, self.objects[key][0], rev))
        else:
            self.objects[key] = (rev, data)

    def seen_twice(self):
        return [i for i, n in self.update_ids.items() if n > 1]

    def close(self):
        self._stopping.set()
        if self._socket is not None:
            self._socket.close()
        self._thread.join(15)
