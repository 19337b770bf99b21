# SPDX-License-Identifier: Apache-2.0
"""The one place where the tests wait: for a condition, up to a limit, and never by the clock alone."""
import time


def wait_until(condition, timeout, what):
    """Return the first true value of `condition()`; after `timeout` seconds fail and say `what`.

    The message ends with the last value seen, or the last error: `what` reads "the message is stored".
    """
    end = time.monotonic() + timeout
    pause, last = 0.005, None
    while True:
        try:
            last = condition()
            if last:
                return last
        except Exception as error:  # the condition may ask something that is not there yet
            last = error
        if time.monotonic() >= end:
            raise AssertionError(f"not after {timeout} s: {what} (last seen: {last!r})")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


def steady(value, seconds, timeout, what):
    """Wait until `value()` has stayed the same for `seconds`, and return it: for "and nothing more came"."""
    seen = {"value": value(), "since": time.monotonic()}

    def unchanged():
        now = value()
        if now != seen["value"]:
            seen.update(value=now, since=time.monotonic())
        return time.monotonic() - seen["since"] >= seconds

    wait_until(unchanged, timeout, what)
    return seen["value"]
