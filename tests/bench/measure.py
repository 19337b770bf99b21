# SPDX-License-Identifier: Apache-2.0
"""What every bench shares: services, CPU time of processes, and the table that is printed."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from support.services import Services  # noqa: E402
from support.stack import Stack  # noqa: E402

BENCH = pathlib.Path(__file__).resolve().parent
HZ = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of one process with its threads."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        fields = stat.read().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / HZ


def tree_cpu_seconds(pid):
    """The same with its children, living and waited for (PostgreSQL forks a process a connection)."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        fields = stat.read().rpartition(") ")[2].split()
    total = sum(int(fields[i]) for i in (11, 12, 13, 14)) / HZ
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    for child in children:
        try:
            total += cpu_seconds(int(child))
        except FileNotFoundError:
            pass
    return total


def rss_mib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        for line in status:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0.0


class Meter:
    """CPU time of named processes over a stretch."""

    def __init__(self, **pids):
        self.pids = pids
        self.start = {name: tree_cpu_seconds(pid) for name, pid in pids.items()}
        self.began = time.monotonic()

    def per_unit_us(self, units):
        return {name: (tree_cpu_seconds(pid) - self.start[name]) / units * 1e6 for name, pid in self.pids.items()}

    def seconds(self):
        return time.monotonic() - self.began


class Bench:
    """A stack of release daemons on services of its own; `with Bench() as bench`."""

    def __enter__(self):
        print(machine())
        self.services = Services().start()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postrider-bench-"))
        self.stacks = 0
        return self

    def stack(self, **options):
        self.stacks += 1
        folder = self.folder / str(self.stacks)
        folder.mkdir()
        stack = Stack(self.services, f"bench{os.getpid()}_{self.stacks}", folder, **options)
        settings = stack._settings
        stack._settings = lambda: {**settings(), "POSTRIDER_LOG_LEVEL": "info"}
        return stack

    def __exit__(self, *_):
        self.services.close()


def machine():
    model = next((line.split(": ")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if "model name" in line), "?")
    return f"{os.cpu_count()} cores of {model}; everything on this machine, over loopback"


def table(head, rows):
    cells = [[str(c) for c in row] for row in [head, *rows]]
    width = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for n, row in enumerate(cells):
        print("| " + " | ".join(c.ljust(w) for c, w in zip(row, width)) + " |")
        if n == 0:
            print("|" + "|".join("-" * (w + 2) for w in width) + "|")


def run(command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]


def median(values):
    return percentile(values, 50)
