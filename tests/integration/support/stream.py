# SPDX-License-Identifier: Apache-2.0
"""A websocket client of /v1/stream that records every frame in order."""
import json
import threading
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from .wait import wait_until


class Stream:
    """Opens at once. `frames` holds them parsed."""

    def __init__(self, url, token=None, cursor=None, hello=True, **options):
        self._url, self._token, self._options = url, token, options
        self.frames, self.close_code, self.close_reason = [], None, None
        query = {"cursor": cursor} if cursor is not None else {}
        self._socket = connect(
            url + ("?" + urlencode(query) if query else ""),
            subprotocols=[f"bearer.{token}"] if token else None,
            compression=None,
            max_size=16 << 20,
            open_timeout=20,
            **options,
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        if hello:
            self.wait(lambda: self.of_type("hello"), 20, "the stream says hello")

    def _read(self):
        try:
            for text in self._socket:
                self.frames.append(json.loads(text))
        except ConnectionClosed:
            pass
        except OSError:
            pass
        self.close_code, self.close_reason = self._socket.close_code, self._socket.close_reason

    def send(self, frame):
        self._socket.send(frame if isinstance(frame, (str, bytes)) else json.dumps(frame))

    def of_type(self, kind):
        return [frame for frame in list(self.frames) if frame.get("type") == kind]

    @property
    def hello(self):
        return self.of_type("hello")[0]

    def updates(self, kind=None):
        return [f for f in self.of_type("update") if kind is None or f.get("kind") == kind]

    @property
    def cursor(self):
        """Where to resume: after the last update, or where the stream began."""
        for frame in reversed(list(self.frames)):
            if frame.get("cursor") is not None:
                return frame["cursor"]
        return None

    def wait(self, condition, timeout, what):
        return wait_until(condition, timeout, what)

    def wait_updates(self, n, kind=None, timeout=60):
        wait_until(lambda: len(self.updates(kind)) >= n, timeout, f"{n} updates {kind or ''} on the stream")
        return self.updates(kind)

    def wait_closed(self, timeout=30):
        wait_until(lambda: not self._thread.is_alive(), timeout, "the server closes the stream")
        return self.close_code

    def is_open(self):
        return self._thread.is_alive()

    def again(self):
        """A new client that resumes where this one stopped."""
        return Stream(self._url, self._token, self.cursor, **self._options)

    def drop(self):
        """Lose the connection without a goodbye, as a train in a tunnel does."""
        self._socket.socket.close()

    def close(self):
        try:
            self._socket.close()
        except (OSError, ConnectionClosed):
            pass
        self._thread.join(10)
