# SPDX-License-Identifier: Apache-2.0
"""What a core dump of a process would hold: its writable memory, without what was marked as not to be dumped."""
import pathlib
import re

_STEP = 4 << 20
_HEAD = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$")


def _regions(pid):
    """(start, end, name) of writable memory that is there and would be dumped."""
    found, head = [], None
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as smaps:
        for line in smaps:
            match = _HEAD.match(line)
            if match:
                head, rss = match, 0
            elif line.startswith("Rss:"):
                rss = int(line.split()[1])
            elif line.startswith("VmFlags:") and head[3].startswith("rw") and rss and "dd" not in line.split():
                found.append((int(head[1], 16), int(head[2], 16), head[4] or "anonymous"))
    return found


def find_in_memory(pid, needles):
    """{needle: [where, ...]} of those that are found."""
    found = {}
    longest = max(map(len, needles))
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, name in _regions(pid):
            at, tail = start, b""
            while at < end:
                try:
                    memory.seek(at)
                    data = memory.read(min(_STEP, end - at))
                except OSError:
                    break
                if not data:
                    break
                window = tail + data
                for needle in needles:
                    place = window.find(needle)
                    if place >= 0:
                        around = window[max(0, place - 80) : place + len(needle) + 40]
                        found.setdefault(needle, []).append(f"{name}: {around!r}")
                tail = data[-longest:]
                at += len(data)
    return found


def peak_mib(pid, begin=False):
    """The most memory that it had since the last `begin`."""
    if begin:
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
