# SPDX-License-Identifier: Apache-2.0
"""A program under test: its output goes to a file, and it never outlives the tests."""
import ctypes
import re
import signal
import subprocess

from .wait import wait_until

_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_REPORT = re.compile(
    r"ERROR: \w*Sanitizer|WARNING: ThreadSanitizer|runtime error:|SUMMARY: \w*Sanitizer|Assertion .* failed"
)


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One program that can be started, stopped, killed and started again, with one log for all lives."""

    def __init__(self, name, command, log, env=None, cwd=None):
        self.name, self.command, self.log_path, self.env, self.cwd = name, command, log, env, cwd
        self._popen = None

    def start(self):
        assert not self.is_running(), f"{self.name} runs already"
        with open(self.log_path, "ab") as log:
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                preexec_fn=_die_with_parent,
                start_new_session=True,
            )
        return self

    @property
    def pid(self):
        return self._popen.pid

    def is_running(self):
        return self._popen is not None and self._popen.poll() is None

    def send_signal(self, number):
        """Send a signal to the live process; the test is wrong if there is none."""
        assert self.is_running(), f"{self.name} does not run:\n{self.log_tail()}"
        self._popen.send_signal(number)

    def kill(self):
        """kill -9. Proves that the process lived, and that this is what ended it."""
        self.send_signal(signal.SIGKILL)
        status = self._popen.wait(30)
        assert status == -signal.SIGKILL, f"{self.name} was to be killed but ended with {status}"

    def terminate(self, timeout=30, number=signal.SIGTERM):
        """Ask it to stop; its exit status."""
        self.send_signal(number)
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            raise AssertionError(
                f"{self.name} did not stop within {timeout} s:\n{self.log_tail()}"
            ) from None

    def pause(self):
        """Freeze it: it holds its connections but does nothing, like a hung machine."""
        self.send_signal(signal.SIGSTOP)
        wait_until(lambda: self._state() == "T", 10, f"{self.name} is frozen")

    def resume(self):
        self.send_signal(signal.SIGCONT)
        wait_until(lambda: self._state() != "T", 10, f"{self.name} goes on")

    def _state(self):
        with open(f"/proc/{self.pid}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(") ")[2].split()[0]

    def end(self):
        """Whatever its state: make it be gone."""
        if self.is_running():
            self._popen.send_signal(signal.SIGCONT)
            self._popen.kill()
            self._popen.wait()

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def log_tail(self, lines=25):
        return "\n".join(self.log().splitlines()[-lines:])

    def sanitizer_report(self):
        """The log from the first finding of a sanitizer on, or None."""
        log = self.log()
        found = _REPORT.search(log)
        return log[max(0, found.start() - 200) : found.start() + 4000] if found else None

    def wait_for(self, condition, timeout, what):
        """wait_until, that gives up at once when the process ends."""

        def alive_and():
            if not self.is_running():
                raise EOFError(f"{self.name} ended with {self._popen.returncode}")
            return condition()

        try:
            return wait_until(lambda: not self.is_running() or alive_and(), timeout, what) and alive_and()
        except (AssertionError, EOFError) as error:
            raise AssertionError(f"{error}\n--- {self.log_path}\n{self.log_tail()}") from None
