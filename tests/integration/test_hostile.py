"""FAULTS.md 36-40 and SECURITY.md 8-12: a server, or somebody in its place, that says what no server says."""

import os
import re
import struct

import pytest

from harness import expect, wire
from harness.proxy import Plan
from harness.waiting import eventually

MB = 1 << 20
GROWTH = (64 if os.environ.get("TEST_ASAN") else 4) * MB        # a sanitizer keeps what was freed for a while


@pytest.fixture
def dsn(cluster, proxy):
    return cluster.dsn("plain", port=proxy.port)


@pytest.mark.fault(37, 40)
@pytest.mark.security(12)
@pytest.mark.parametrize("kind", [b"G", b"H", b"W", b"V", b"!"],
                         ids=["copy-in", "copy-out", "copy-both", "function-call", "unknown-type"])
def test_fault_40_message_nobody_asked_for_drops_the_link(make_job, proxy, dsn, kind):
    """The first row of the first connection becomes a CopyInResponse or worse; the next connection is honest."""
    def rewrite(message_kind, body, link):
        if message_kind == b"D" and not link.seen:
            link.seen["done"] = True
            return wire.message(kind, b"\0\0\1\0\0")
        return wire.message(message_kind, body)
    proxy.next(Plan(rewrite=rewrite))
    job = make_job(rows=20, dsn=dsn)
    run = job.run(status=0, max_concurrent=1)
    job.complete()
    assert proxy.count == 2
    assert "protocol" in run.log.lower()


@pytest.mark.fault(36)
@pytest.mark.security(9)
@pytest.mark.parametrize("length", [0, 3, 2**31 - 1, 2**32 - 1, 2**30])
def test_fault_36_absurd_length_is_a_protocol_error_not_memory(make_job, proxy, dsn, length):
    def rewrite(message_kind, body, link):
        if message_kind == b"D" and not link.seen:
            link.seen["done"] = True
            return b"D" + length.to_bytes(4, "big") + body
        return wire.message(message_kind, body)
    proxy.next(Plan(rewrite=rewrite))
    job = make_job(rows=20, dsn=dsn)
    job.start(max_concurrent=1, request_timeout="2s", close_timeout="500ms").check(0)
    job.complete()


def once(edit, kind):
    """A rewrite of the first message of that kind on a connection; `edit` gives what is sent in its place."""
    def rewrite(message_kind, body, link):
        if message_kind == kind and not link.seen:
            link.seen["done"] = True
            return edit(body)
        return wire.message(message_kind, body)
    return rewrite


MALFORMED = {
    "unknown-type": (b"D", lambda body: wire.message(b"~", body)),
    "row-with-a-field-too-many": (b"D", lambda body: wire.message(b"D", _count(body, 1) + body[2:])),
    "row-with-a-field-too-few": (b"D", lambda body: wire.message(b"D", _count(body, -1) + body[2:])),
    "field-longer-than-its-row": (b"D", lambda body: wire.message(b"D", body[:2] + b"\0\xff\xff\xff" + body[6:])),
    "field-of-length-minus-2": (b"D", lambda body: wire.message(b"D", body[:2] + b"\xff\xff\xff\xfe" + body[6:])),
    "surplus-behind-the-fields": (b"D", lambda body: wire.message(b"D", body + b"\0\0\0\0")),
    "empty-row": (b"D", lambda body: wire.message(b"D")),
    "description-without-its-end": (b"T", lambda body: wire.message(b"T", body[:-3])),
    "description-name-without-an-end": (b"T", lambda body: wire.message(b"T", body.replace(b"\0", b"x"))),
    "complete-without-an-end": (b"C", lambda body: wire.message(b"C", body[:-1])),
    "error-without-an-end": (b"C", lambda body: wire.message(b"E", b"SERROR")),
    "ready-without-a-state": (b"C", lambda body: wire.message(b"Z")),
    "ready-in-an-unknown-state": (b"C", lambda body: wire.message(b"C", body) + wire.message(b"Z", b"?")),
}


def _count(body, more):
    return struct.pack("!h", struct.unpack_from("!h", body)[0] + more)


def behind_login(rewrite):
    """The rewrite, from the first ReadyForQuery on."""
    def wait(kind, body, link):
        if not link.ready_seen:
            link.ready_seen = kind == b"Z"
            return wire.message(kind, body)
        return rewrite(kind, body, link)
    return wait


@pytest.mark.fault(37)
@pytest.mark.security(9)
@pytest.mark.parametrize("kind, edit", MALFORMED.values(), ids=MALFORMED.keys())
def test_fault_37_malformed_message_drops_the_link_and_the_statement_runs_again(make_job, proxy, dsn, kind, edit):
    proxy.next(Plan(rewrite=behind_login(once(edit, kind))))
    job = make_job(rows=20, dsn=dsn)
    run = job.run(status=0, max_concurrent=1)
    job.complete()
    assert proxy.count == 2, "the link with the malformed message was not used again"
    assert re.search("(?i)protocol", run.log)


ANSWERS = {
    "ready-missing": (b"Z", lambda body: b""),
    "ready-doubled": (b"Z", lambda body: 2 * wire.message(b"Z", body)),
    "ready-early": (b"D", lambda body: wire.message(b"Z", b"I") + wire.message(b"D", body)),
    "complete-missing": (b"C", lambda body: b""),
    "complete-doubled": (b"C", lambda body: 2 * wire.message(b"C", body)),
    "complete-early": (b"D", lambda body: wire.message(b"C", b"SELECT 0\0") + wire.message(b"D", body)),
    "bind-complete-missing": (b"2", lambda body: b""),
    "row-behind-the-end": (b"Z", lambda body: wire.message(b"Z", body) + wire.message(b"D", b"\0\0")),
}


@pytest.mark.fault(38)
@pytest.mark.parametrize("kind, edit", ANSWERS.values(), ids=ANSWERS.keys())
def test_fault_38_answer_missing_doubled_or_early_never_puts_rows_on_the_wrong_line(make_job, proxy, dsn, kind, edit):
    """Each of the first connections plays false at its third answer of that kind; the file must be the true one."""
    def third(message_kind, body, link):
        link.seen[message_kind] = link.seen.get(message_kind, 0) + 1
        if message_kind == kind and link.seen[kind] == 3:
            return edit(body)
        return wire.message(message_kind, body)
    proxy.next(*[Plan(rewrite=behind_login(third)) for _ in range(3)])
    job = make_job(rows=40, dsn=dsn)
    job.run(status=0, request_timeout="700ms", retry_delay="50ms", close_timeout="200ms")
    job.complete()
    assert proxy.count > 3


@pytest.mark.fault(39)
def test_fault_39_flipped_bit_is_an_error_or_a_detected_desync_never_a_hang(make_job, proxy, dsn):
    """One bit in each of 200 connections, behind the login. A flip inside a value, or of a tag, cannot be seen without
    TLS, and one in a column's name is a changed query: so names are spared, and the lines that differ are counted."""
    offsets = list(range(0, 8 * 15, 7)) + list(range(8 * 110, 8 * 380, 12))
    proxy.next(*[Plan(flip=bit + bit // 12 % 8, cut_down=400, after_login=True) for bit in offsets])
    job = make_job(rows=1500, dsn=dsn, sql="SELECT $1::int AS n, repeat('x', 20) AS filler")
    run = job.start(request_timeout="400ms", close_timeout="50ms", retry_delay="2ms", max_retry_delay="4ms",
                    max_retries=1000, log_level="info")
    assert run.finish() in (0, 2), run.tail()
    lines = job.output.read_bytes().split(b"\n")
    wrong = [line for line in lines if not re.fullmatch(rb"(\d+),\1,x{20}|id,n,filler|", line)]
    assert len(wrong) <= len(offsets)
    assert proxy.count > len(offsets)
    assert run.logged("broke the protocol") >= 20 and run.logged("request_timeout") >= 1


@pytest.mark.fault(39)
def test_fault_39_flipped_bit_under_tls_is_always_found(make_job, proxy, cluster):
    offsets = list(range(8 * 3600, 8 * 6000, 401))
    proxy.next(*[Plan(flip=bit) for bit in offsets])
    job = make_job(rows=100, dsn=cluster.dsn(port=proxy.port))
    run = job.run(status=0, request_timeout="1s", retry_delay="2ms", max_retry_delay="4ms", max_retries=1000,
                  close_timeout="50ms")
    job.complete()
    assert run.logged("BACKOFF: TLS failure") >= 3 and run.logged("broke the protocol") == 0


def resident(run):
    with open(f"/proc/{run.pid}/status", encoding="ascii") as status:
        found = re.search(r"VmRSS:\s+(\d+) kB", status.read())
    return int(found.group(1)) * 1024 if found else 0


@pytest.fixture
def drowned(holdfast, proxy):
    """Run a query through the proxy until its own deadline; how much its memory grew when 16 MB had come: more than lies in
    sockets, so that it was in the midst of them."""
    def measure(dsn, sql):
        with open("/dev/null", "wb") as sink:
            run = holdfast("query", sql, dsn=dsn, format="csv", request_timeout="2s", max_retries=0,
                           close_timeout="300ms", stdout=sink, wait=False)
        sizes = []

        def ended():
            came = sum(link.down_count for link in proxy.links)     # before the look: what is there by then
            sizes.append((came, resident(run) if run.running else 0))
            return not run.running
        eventually(ended, "the end")
        assert run.finish() == 4, run.stderr
        assert "request_timeout" in run.stderr, run.stderr
        full = [size for came, size in sizes if came >= 16 * MB and size] or [0]
        return max(full) - full[0]
    return measure


@pytest.mark.security(10)
@pytest.mark.parametrize("sql", [
    "SELECT chatter()", "SELECT repeat('x', 1000) FROM generate_series(1, 1000000000) g"], ids=["notices", "rows"])
def test_security_10_server_that_never_ends_meets_the_time_out_in_flat_memory(drowned, cluster, proxy, sql):
    cluster.sql("""CREATE OR REPLACE FUNCTION chatter() RETURNS void LANGUAGE plpgsql AS $$
        BEGIN LOOP RAISE NOTICE '%', repeat('all the time', 20); END LOOP; END $$""")
    assert drowned(cluster.dsn(port=proxy.port), sql) <= GROWTH


FLOODS = {
    "parameters": wire.message(b"S", b"application_name\0other\0"),
    "notifications": wire.message(b"A", b"\0\0\0\x07channel\0payload\0"),
    "long-notices": wire.notice("01000", "x" * 3000),
}


@pytest.mark.security(10)
@pytest.mark.parametrize("message", FLOODS.values(), ids=FLOODS.keys())
def test_security_10_flood_of_messages_meets_the_time_out_in_flat_memory(drowned, proxy, dsn, message):
    proxy.default = Plan(flood=message * (60000 // len(message)), after_login=True)
    assert drowned(dsn, "SELECT 1") <= GROWTH


@pytest.mark.security(8)
def test_security_08_more_parameters_than_the_protocol_counts_are_refused_before_the_first_byte(holdfast, proxy, dsn):
    """65,537 would be 1 to a client that counts in 16 bits, and the values the server's next message."""
    run = holdfast("query", "SELECT $1", *["--param=x"] * 65537, dsn=dsn, status=1)
    assert "65535" in run.stderr and proxy.count == 0


@pytest.mark.security(8)
def test_security_08_statement_over_the_limit_fails_its_line_and_no_other(make_job, proxy, dsn):
    """A value that no longer fits the transmit buffer, whatever its length does to a sum: nothing of it is sent."""
    lines = [("1",), ("x" * 2 * MB,), ("3",)]
    job = make_job(rows=lines, header=("v",), params="v", dsn=dsn, sql="SELECT length($1::text) AS size")
    run = job.run(status=2, max_concurrent=1, max_row="256KiB")
    assert "HF_ERR_TOO_LARGE" in run.log
    assert job.output.read_bytes() == b"v,size\n1,1\n3,1\n"
    assert proxy.count == 1 and proxy.links[0].up_count < MB


@pytest.mark.security(11)
def test_security_11_values_never_become_statements(make_job, proxy, dsn):
    """Nothing but the extended protocol goes out, and the text of a Parse is the query's file, whatever the cells, or the
    question which database this is, or at which isolation it reads."""
    identity = b"SELECT system_identifier, current_database(), session_user FROM pg_catalog.pg_control_system()"
    asked = {b"SELECT $1::text AS echo", identity, b"SHOW transaction_isolation"}
    cells = ["'; DROP TABLE item; --", "$1", "\\'; SELECT 1", "$$", "/*", '"', "\u00bf\\", "a\tb", "%s", "-1", "--"]
    job = make_job(rows=[(cell,) for cell in cells], header=("v",), params="v", dsn=dsn, sql="SELECT $1::text AS echo")
    job.run(status=0)
    assert job.output.read_bytes() == expect.csv_file(["v", "echo"], [(cell, cell) for cell in cells])
    for link in filter(lambda link: link.up, proxy.links):      # one may have been opened for nothing, at the end
        startup = struct.unpack_from("!I", link.up)[0]
        sent = list(wire.Messages().feed(bytes(link.up[startup:])))
        assert {kind for kind, _ in sent} <= set(map(bytes, zip(b"pPDBESCX"))), "no simple Query, no function call"
        assert {body.split(b"\0")[1] for kind, body in sent if kind == b"P"} <= asked
        assert b"client_encoding\0UTF8\0" in bytes(link.up[:startup])


@pytest.mark.security(11)
@pytest.mark.parametrize("when", ["at the login", "in the middle"])
def test_security_11_server_that_changes_the_encoding_is_not_believed(make_job, proxy, dsn, when):
    """In another encoding a quote may be half a character: the session is left before anything of it is shown."""
    def rewrite(kind, body, link):
        if kind == b"S" and body.startswith(b"client_encoding\0") and when == "at the login":
            body = b"client_encoding\0SJIS\0"
        if kind == b"D" and when == "in the middle" and not link.seen:
            link.seen["done"] = True
            return wire.message(b"S", b"client_encoding\0SJIS\0") + wire.message(kind, body)
        return wire.message(kind, body)
    proxy.next(Plan(rewrite=rewrite))
    job = make_job(rows=20, dsn=dsn)
    run = job.start(max_concurrent=1)
    if run.finish() == 0:
        job.complete()
        assert proxy.count == 2
    else:
        assert run.status == 3 and proxy.count == 1
    assert "client_encoding" in run.log
