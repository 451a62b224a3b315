"""Waits on conditions. A sleep that stands in for a condition makes a test slow and flaky at once."""

import time

POLL_S = 0.02
PATIENCE_S = 600.0      # for what takes moments: it ends a test that hangs and is no claim about time


def eventually(condition, what, patience_s=PATIENCE_S):
    """Poll until `condition()` is true and return its value; fail naming `what` was awaited."""
    end = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited for in vain, for {patience_s:g} s: {what}")
        time.sleep(POLL_S)


def stays_true(condition, what, for_s):
    """Hold that `condition()` is true all the time: for claims that something does not happen."""
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        assert condition(), f"did not stay true for {for_s:g} s: {what}"
        time.sleep(POLL_S)
