#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an adapter costs for one webhook: verify, split and parse of each provider's commonest event, a text
message that came in. Time by the CPU clock, the best of several rounds; instructions by callgrind.

    ./dev bench providers [REPETITIONS]
"""
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from measure import machine, run, table

ROOT = pathlib.Path(__file__).resolve().parents[2]
REPETITIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
COUNTED = 200
META = ("X-Hub-Signature-256", "hex")
# Its commonest event, and the proof that it sends: header and form.
PROVIDERS = {
    "unipile": ("01-message-received-text-inbound", ("Unipile-Auth", "secret")),
    "instagram": ("01-message-text", META),
    "messenger": ("01-message-text", META),
    "whatsapp": ("01-message-text", META),
    "telegram": ("01-message-text", ("X-Telegram-Bot-Api-Secret-Token", "secret")),
    "x": ("01-aaa-dm-received", ("x-twitter-webhooks-signature", "base64")),
}
JSON_READER = re.compile(r"/common/json\w*\.[ch]$")


def program():
    return str(pathlib.Path(os.environ["POSTRIDER_PROGRAM"]).parent / "tests" / "bench_providers")


def body(provider):
    """As it comes over the wire: without the golden file's spaces; Meta escapes what is not ASCII."""
    whole = json.loads((ROOT / "tests" / "golden" / provider / f"{PROVIDERS[provider][0]}.in.json").read_text(encoding="utf-8"))
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=PROVIDERS[provider][1] == META).encode()


def command(provider, path, n):
    return [program(), provider, *PROVIDERS[provider][1], str(path), str(n)]


class Profile:
    """Instructions out of callgrind's file: by function alone, and of each call with what it calls."""

    def __init__(self, path):
        self.own = collections.Counter()  # function -> instructions of its own
        self.calls = collections.Counter()  # (caller, callee) -> instructions of the callee and below
        self._names = {}
        self._read(path)

    def _name(self, kind, text):
        """A name is written out once, as `(3) name`, and then only `(3)`."""
        number, _, name = text.partition(" ")
        if not number.startswith("("):
            return text
        if name:
            self._names[kind, number] = name
        return self._names[kind, number]

    def _read(self, path):
        file = function = callee_file = callee = None
        call_follows = False
        for line in path.read_text(encoding="utf-8").splitlines():
            key, equals, value = line.partition("=")
            if not line or (line[0] not in "0123456789+-*" and not equals):
                continue
            if key == "fl":
                file = self._name("file", value)
            elif key in ("fi", "fe"):
                self._name("file", value)  # inlined: counts for the function that it stands in
            elif key == "fn":
                function, callee_file = (file, self._name("fn", value)), file
            elif key in ("cfi", "cfl"):
                callee_file = self._name("file", value)
            elif key == "cfn":
                callee = (callee_file, self._name("fn", value))
            elif key == "calls":
                call_follows = True
            elif line[0] in "0123456789+-*":
                cost = int(line.split()[1])
                if call_follows:
                    self.calls[function, callee] += cost
                    callee_file = function[0]
                else:
                    self.own[function] += cost
                call_follows = False

    def total(self):
        return sum(self.own.values())

    def under(self, is_meant):
        """Instructions of the functions that are meant, with all that they call."""
        return sum(cost for (caller, callee), cost in self.calls.items() if is_meant(callee) and not is_meant(caller))


def count(provider, path, folder):
    out = folder / f"{provider}.callgrind"
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--toggle-collect=once", "--dump-instr=no", f"--callgrind-out-file={out}",
         *command(provider, path, COUNTED), "count"], capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    profile = Profile(out)
    bodies = COUNTED + 1  # the program tries it once before it counts
    json_reader = profile.under(lambda f: bool(JSON_READER.search(f[0])))
    parse = profile.under(lambda f: f[1] == "json_parse")
    proof = profile.under(lambda f: f[1] == "verify" or f[1].endswith("_verify"))
    total = profile.total()
    assert total and json_reader >= parse > 0, "callgrind's file was not understood"
    return {"total": total / bodies, "json_parse": parse / total, "json": json_reader / total, "verify": proof / total}


def main():
    rows = []
    with tempfile.TemporaryDirectory(prefix="postrider-bench-") as name:
        folder = pathlib.Path(name)
        for provider in PROVIDERS:
            path = folder / provider
            path.write_bytes(body(provider))
            ns = json.loads(run(command(provider, path, REPETITIONS)))
            assert ns["events"] == 1, f"{provider}: {ns}"
            counted = count(provider, path, folder)
            rows.append([provider, path.stat().st_size, ns["verify"], ns["split"], ns["parse"], ns["all"],
                         f"{counted['total']:,.0f}", f"{100 * counted['verify']:.0f} %",
                         f"{100 * counted['json_parse']:.0f} %", f"{100 * (counted['json'] - counted['json_parse']):.0f} %"])  # fmt: skip
    print(f"\n{machine()}\nA text message that came in; {REPETITIONS} times, best of 7 rounds, CPU time.\n")
    table(["provider", "bytes", "verify ns", "split ns", "parse ns", "all ns", "instructions", "of these verify",
           "json_parse", "reading its members"], rows)  # fmt: skip


if __name__ == "__main__":
    main()
