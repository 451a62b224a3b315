"""What is held in every scenario, read from a run's own log at its end: no storm, no hang, no tick that takes long."""

import datetime
import os
import re

TRANSITION = re.compile(r"^(\S+Z) \w+ +.*?connection (\d+) ([A-Z]+) -> ([A-Z]+)(.*)$", re.MULTILINE)
NEXT_TRY = re.compile(r"; next try in ([\d.]+) s")
TICK = re.compile(r"a tick took (\d+) ms of processor time")

ROUNDING_S = 0.06               # a delay of a second and more is logged in tenths
LATE_S = 5.0                    # a loaded machine may run us this late; a hang is longer
TICK_MS = 400 if os.environ.get("TEST_ASAN") else 50
STATE_DEADLINES = {"CONNECTING": ("connect_timeout",), "PROBING": ("probe_timeout",),
                   "RECONNECTING": ("reconnect_timeout", "probe_reconnect_timeout")}
DEFAULTS = {"connect_timeout": 15, "reconnect_timeout": 15, "probe_reconnect_timeout": 10, "probe_timeout": 5,
            "max_retry_delay": 30}


def seconds(text):
    """A duration as the options have it: 500ms, 2s, 1m, plain seconds."""
    number, unit = re.fullmatch(r"([\d.]+)(ms|s|m|h|)", str(text)).groups()
    return float(number) * {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600}[unit]


def transitions(log):
    """(time, connection, from, to, the rest of the line) of each step that the log has."""
    for stamp, conn, before, after, rest in TRANSITION.findall(log):
        yield datetime.datetime.fromisoformat(stamp).timestamp(), int(conn), before, after, rest


def hold(run):
    """O4, O8, and the half of O5 that needs no healing: called at the end of each run of a report."""
    def limit(*names):
        return max(seconds(run.options.get(name) or DEFAULTS[name]) for name in names)
    since, due = {}, {}
    for at, conn, before, after, rest in transitions(run.log):
        entered = since.get(conn)
        if before in STATE_DEADLINES and entered is not None:
            most = limit(*STATE_DEADLINES[before])
            assert at - entered <= most + LATE_S, f"connection {conn} was {before} for {at - entered:.3f} s"
        if before == "BACKOFF" and after in ("CONNECTING", "RECONNECTING") and conn in due:
            assert at >= due[conn] - ROUNDING_S, f"connection {conn} dialled {due[conn] - at:.3f} s too soon"
        wait = NEXT_TRY.search(rest) if after == "BACKOFF" else None
        if wait:
            delay = float(wait.group(1))
            # One that waits for the canary's dial asks again when that must be over.
            most = limit("max_retry_delay") + limit("connect_timeout", "reconnect_timeout", "probe_reconnect_timeout")
            assert delay <= most + ROUNDING_S, f"connection {conn} waits for {delay} s"
            due[conn] = at + delay
        if after == "HEALTHY" and before in ("CONNECTING", "RECONNECTING"):
            due.clear()                     # one is up: the others follow it, at times of their own
        since[conn] = at
    slow = [int(ms) for ms in TICK.findall(run.log) if int(ms) > TICK_MS]
    assert not slow, f"ticks took {slow} ms of processor time"


def hold_links(proxy):
    """O3: never more links of ours than max_concurrent, but for cancels and as many that are still being closed."""
    assert proxy.peak() <= 2 * proxy.limit, f"{proxy.peak()} links at a time, of {proxy.limit} allowed"
