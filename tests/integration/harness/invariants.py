"""What holds in every scenario, read from a run's own log at its end: no storm and no dial off its schedule.

Times are the program's own, of the clock that its ticks go by: how late a loaded machine ran it makes no difference.
"""

import re

TRANSITION = re.compile(r"connection (\d+) ([A-Z]+) -> ([A-Z]+).*? \[tick (\d+) ms(?:, due (\d+) ms)?\]$", re.MULTILINE)
DEFAULTS = {"connect_timeout": 15, "reconnect_timeout": 15, "probe_reconnect_timeout": 10, "max_retry_delay": 30}


def milliseconds(text):
    """A duration as the options have it: 500ms, 2s, 1m, plain seconds."""
    number, unit = re.fullmatch(r"([\d.]+)(ms|s|m|h|)", str(text)).groups()
    return float(number) * {"ms": 1, "": 1000, "s": 1000, "m": 60000, "h": 3600000}[unit]


def transitions(log):
    """(at, connection, from, to, due) of each step that a log at level debug has; due: the next try, into BACKOFF."""
    for conn, before, after, at, due in TRANSITION.findall(log):
        yield int(at), int(conn), before, after, int(due) if due else None


def delays(log, behind=None):
    """How long each wait for the next try is to be, in ms, in the log's order; `behind`: from that state alone."""
    return [due - at for at, _, before, after, due in transitions(log)
            if after == "BACKOFF" and behind in (None, before)]


def one_dials_alone(log):
    """Check that from the first loss until a connection is up no two connections dial at a time. Returns the dials."""
    dialling, dials = set(), 0
    for _, conn, before, after, _ in transitions(log):
        if before == "RECONNECTING" and after == "HEALTHY":
            return dials
        dialling.discard(conn)
        if after == "RECONNECTING":
            dialling.add(conn)
            dials += 1
        assert len(dialling) <= 1, f"connections {dialling} dialled at a time"
    return dials


def check(run):
    """Check O8, and O5's bound that no wait is longer than the cap; called at the end of each run of a report."""
    def limit(*names):
        return max(milliseconds(run.options.get(name) or DEFAULTS[name]) for name in names)
    # One that waits for the canary's dial asks again when that must be over.
    most = limit("max_retry_delay") + limit("connect_timeout", "reconnect_timeout", "probe_reconnect_timeout")
    waits = {}
    for at, conn, before, after, due in transitions(run.log):
        if before == "BACKOFF" and after in ("CONNECTING", "RECONNECTING") and conn in waits:
            assert at >= waits[conn], f"connection {conn} dialled at {at} ms, {waits[conn] - at} ms too soon"
        if after == "BACKOFF":
            assert due - at <= most, f"connection {conn} waits for {due - at} ms"
            waits[conn] = due
        if after == "HEALTHY" and before in ("CONNECTING", "RECONNECTING"):
            waits.clear()                   # one is up: the others follow it, at times of their own


def check_links(proxy):
    """Check O3: never more of the program's links than max_concurrent, not counting cancels, and as many that are being
    closed."""
    assert proxy.peak() <= 2 * proxy.limit, f"{proxy.peak()} links at a time, of {proxy.limit} allowed"
