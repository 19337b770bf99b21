# SPDX-License-Identifier: Apache-2.0
"""Free TCP ports that no other test process takes at the same time.

A port is held by a lock on a file for the life of this process, and lies below the range from which the
kernel picks ports for outgoing connections.
"""
import fcntl
import os
import random
import socket
import tempfile

FIRST, LAST = 12000, 19999
_held = []


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port():
    folder = os.path.join(tempfile.gettempdir(), f"postrider-ports-{os.getuid()}")
    os.makedirs(folder, exist_ok=True)
    for port in random.sample(range(FIRST, LAST + 1), 500):
        lock = os.open(os.path.join(folder, str(port)), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        if _is_free(port):
            _held.append(lock)
            return port
        os.close(lock)
    raise RuntimeError(f"no free port between {FIRST} and {LAST}")
