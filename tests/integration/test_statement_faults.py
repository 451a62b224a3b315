"""FAULTS.md 18-28: what happens to a connection while a statement runs on it, or while it is idle."""

import time

import pytest

from harness import wire
from harness.program import rows_of, slow_sql
from harness.proxy import Plan
from harness.waiting import eventually

IN_FLIGHT = 3


@pytest.fixture
def dsn(cluster, proxy):
    return cluster.dsn("plain", port=proxy.port)


@pytest.mark.fault(18)
@pytest.mark.parametrize("cut", ["rst", "fin"])
def test_fault_18_cut_at_every_byte_of_a_result(make_job, proxy, dsn, cut):
    """Connection n is cut after n bytes behind the login: within Parse's answer, rows, CommandComplete, Ready."""
    job = make_job(rows=40, dsn=dsn)
    offsets = list(range(0, 330))
    proxy.next(*[Plan(cut_down=at, after_login=True, cut=cut) for at in offsets])
    job.run(status=0, max_concurrent=1, retry_delay="2ms", max_retry_delay="4ms", max_retries=1000, log_level="info")
    job.complete()
    assert proxy.count > len(offsets) * 0.9


@pytest.mark.fault(18)
def test_fault_18_rows_already_written_for_a_cut_result_are_voided(make_job, proxy, dsn):
    """A result of 2,000 rows streams to the file; the cut comes in its middle, at several places."""
    sql = "SELECT g AS n, repeat('x', 50) AS filler FROM generate_series(1, 2000 + 0 * $1::int) g"
    job = make_job(rows=3, dsn=dsn, sql=sql)
    proxy.next(*[Plan(cut_down=20000 + 17001 * step, after_login=True) for step in range(12)])
    job.run(status=0, max_concurrent=1, retry_delay="5ms", max_retry_delay="10ms")
    job.complete()


@pytest.mark.fault(19)
def test_fault_19_black_hole_is_found_by_our_own_deadline(make_job, proxy, cluster):
    """The proxy's kernel goes on acknowledging: no keepalive and no TCP_USER_TIMEOUT can fire."""
    job = make_job(rows=250, sql=slow_sql(), dsn=cluster.dsn(port=proxy.port))
    run = job.start(request_timeout="1s", reconnect_timeout="1s", close_timeout="300ms", max_retries="forever")
    run.await_lines(40)
    with run.logs_again(r"timed out after 1\.0\d* s in query \(request_timeout\)"), \
            run.logs_again(r"\(reconnect_timeout\)"):
        proxy.black_hole()
    with run.comes_back():
        proxy.heal()
    run.check(0)
    job.complete()
    # Whoever came through while the network was dead has been let go again by both sides.
    cluster.no_sessions()


@pytest.mark.fault(20)
def test_fault_20_silence_below_the_time_out_is_waited_out(make_job, proxy, dsn):
    job = make_job(rows=60, dsn=dsn, sql=slow_sql())
    run = job.start(max_concurrent=1)
    run.await_lines(10)
    proxy.black_hole()
    time.sleep(2.5)                                        # the fault itself: silence, and more than any other wait
    proxy.heal()
    run.check(0)
    job.complete()
    assert proxy.count == 1
    assert run.summary["retries"] == 0 and not run.summary["outages"]


@pytest.mark.fault(20)
def test_fault_20_silence_beyond_the_time_out_is_one_retry(make_job, proxy, cluster):
    """The answer is kept back until the program has left the connection; the cancel may pass, and changes nothing."""
    job = make_job(rows=60, dsn=cluster.dsn("plain", port=proxy.port), sql=slow_sql())
    run = job.start(request_timeout="1500ms", close_timeout="500ms", max_concurrent=1, max_retries="forever")
    run.await_lines(10)
    proxy.black_hole(up=False, down=True, only_existing=True)
    await_left(proxy)
    proxy.heal()
    run.check(0)
    job.complete()
    assert run.summary["retries"] >= 1
    assert len([link for link in proxy.links if link.kind == "startup"]) <= 1 + run.logged("-> RECONNECTING")


def await_left(proxy):
    """Until each of the connections that there are, which are silent, is left."""
    silent = proxy.open_links()
    eventually(lambda: all(link.closed for link in silent), "the silent connection is left")


@pytest.mark.both_servers
def test_statement_that_times_out_is_cancelled_on_the_server(make_job, proxy, dsn, cluster):
    """No runaway query keeps the server busy, and the connection is kept: the cancel's 57014 is an answer."""
    job = make_job(rows=3, dsn=dsn, sql="SELECT pg_sleep(CASE WHEN $1::int = 2 THEN 3600 ELSE 0 END)::text AS s")
    run = job.start(request_timeout="700ms", max_concurrent=1, max_retries=1)
    assert run.finish() in (2, 4)
    assert "request_timeout" in run.log
    eventually(lambda: not cluster.sessions("plain", "active"), "it is cancelled")
    assert any(link.kind == "cancel" for link in proxy.links)


@pytest.mark.security(13)
@pytest.mark.both_servers
def test_security_13_cancel_goes_over_tls_when_the_session_does(make_job, proxy, cluster):
    """In clear text anybody could read the session's cancel key, and cancel with it."""
    job = make_job(rows=3, dsn=cluster.dsn(port=proxy.port),
                   sql="SELECT pg_sleep(CASE WHEN $1::int = 2 THEN 3600 ELSE 0 END)::text AS s")
    run = job.start(request_timeout="700ms", max_concurrent=1, max_retries=1)
    assert run.finish() in (2, 4)
    eventually(lambda: not cluster.sessions("app", "active"), "it is cancelled")
    assert proxy.count >= 2 and {link.kind for link in proxy.links if link.up} == {"ssl"}


@pytest.mark.fault(28)
@pytest.mark.parametrize("path", ["unanswered", "refused"])
def test_fault_28_dead_cancel_path_is_abandoned_and_the_link_dropped(make_job, proxy, dsn, path):
    job = make_job(rows=40, dsn=dsn, sql=slow_sql())
    run = job.start(request_timeout="1s", close_timeout="500ms", max_concurrent=1, max_retries="forever")
    run.await_lines(10)
    if path == "unanswered":
        proxy.black_hole()
    else:
        proxy.refuse()
        proxy.black_hole(only_existing=True)
    await_left(proxy)
    proxy.heal()
    if path == "refused":
        proxy.accept()
    run.check(0)
    job.complete()


@pytest.mark.fault(21)
@pytest.mark.both_servers
def test_fault_21_terminated_backends_run_again_on_new_connections(make_job, cluster):
    job = make_job(rows=400, sql=slow_sql())
    run = job.start()
    hit = 0
    for at in range(40, 340, 60):
        run.await_lines(at)
        hit += cluster.terminate()
    run.check(0)
    job.complete()
    assert hit >= 5 and run.logged("57P01") >= 1
    assert run.summary["retries"] <= hit


@pytest.mark.fault(22)
@pytest.mark.both_servers
def test_fault_22_own_time_out_of_the_server_keeps_the_connection(make_job, cluster, proxy):
    """57014 that we did not ask for: the read runs once more, then it is the server's last word. No reconnect."""
    job = make_job(rows=30, dsn=cluster.dsn("hurried", port=proxy.port),
                   sql="SELECT $1::int AS n, pg_sleep(CASE WHEN $1::int % 10 = 5 THEN 3600 ELSE 0 END)::text AS s")
    ended = "canceling statement due to statement timeout"
    before = cluster.log.read_text().count(ended)
    run = job.run(status=2, max_concurrent=1)
    job.sql = "SELECT $1::int AS n, ''::text AS s"
    rejected = {row[1]: row[2] for row in rows_of(job.rejects)[1:]}
    job.complete(rows=[row for row in job.rows if row[0] not in rejected])
    assert {"5", "15", "25"} <= set(rejected) and set(rejected.values()) == {"57014"}
    assert proxy.count == 1
    # Where all is slow another line may meet the server's limit, too: each that it ends runs once more, or is rejected.
    assert cluster.log.read_text().count(ended) - before == run.summary["retries"] + len(rejected)


@pytest.mark.fault(23)
@pytest.mark.parametrize("state", ["40001", "40P01"])
@pytest.mark.both_servers
def test_fault_23_passing_conflict_is_run_again_on_the_same_connection(make_job, proxy, dsn, state):
    job = make_job(rows=100, dsn=dsn, sql=f"SELECT flaky($1::int, '{state}', 0.2) AS n")
    run = job.run(status=0, max_concurrent=1, retry_delay="10ms", max_retry_delay="20ms")
    job.sql = "SELECT $1::int AS n"
    job.complete()
    assert proxy.count == 1
    assert run.summary["retries"] >= 1


@pytest.mark.fault(23)
def test_fault_23_conflict_that_does_not_pass_ends_after_max_retries(make_job, proxy, dsn):
    job = make_job(rows=3, dsn=dsn, sql="SELECT flaky($1::int, '40001', CASE $1::int WHEN 2 THEN 1.0 ELSE 0 END) AS n")
    run = job.start(max_concurrent=1, max_retries=3, retry_delay="10ms", max_retry_delay="20ms")
    # 40001 is certainly no effect, so the line may be a reject; undone and exit 4 is REPORT.md 29's word.
    assert run.finish() in (2, 4)
    assert "40001" in run.log + run.stderr
    assert proxy.count == 1


@pytest.mark.fault(23)
@pytest.mark.parametrize("state, sql", [
    ("22012", "SELECT counted($1::int) / ($1::int - 4) AS n"),
    ("42P01", "SELECT refuse(counted($1::int), 4, '42P01') AS n"),
    ("23505", "SELECT refuse(counted($1::int), 4, '23505') AS n"),
])
def test_fault_23_error_of_the_statement_is_never_run_again(make_job, cluster, state, sql):
    """The sequence counts executions and is not rolled back: every line ran exactly once."""
    cluster.sql("ALTER SEQUENCE tries RESTART 1")
    job = make_job(rows=10, sql=sql)
    job.run(status=2, write=True, replay="safe", max_concurrent=1)
    assert cluster.value("SELECT last_value FROM tries") == 10
    assert state in job.rejects.read_text()
    assert job.lines_written() == 10                       # the header and nine lines


@pytest.mark.fault(24)
def test_fault_24_drip_with_steady_progress_still_meets_the_time_out(make_job, proxy, dsn):
    """Each byte that arrives proves the link, not the statement."""
    job = make_job(rows=3, dsn=dsn, sql="SELECT $1::int AS n, repeat('x', 3000) AS filler")
    proxy.next(Plan(slices=5, pause_s=0.02))
    run = job.run(status=0, request_timeout="1500ms", close_timeout="500ms", max_concurrent=1)
    job.complete()
    assert "request_timeout" in run.log


@pytest.mark.fault(25)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_fault_25_slices_of_a_few_bytes_give_the_same_output(make_job, proxy, cluster, size):
    proxy.default = Plan(slices=size)
    for role in ("plain", "app"):
        job = make_job(rows=12, dsn=cluster.dsn(role, port=proxy.port))
        job.run(status=0, connect_timeout="600s")
        job.complete()


@pytest.mark.fault(26)
@pytest.mark.both_servers
def test_fault_26_notices_and_parameters_between_any_two_messages(make_job, proxy, dsn):
    notice = wire.notice("01000", "a word in between")
    extras = [notice, wire.message(b"S", b"application_name\0other\0"),
              wire.message(b"A", b"\0\0\0\x07channel\0payload\0")]

    def between(kind, body, link):
        link.seen["n"] = link.seen.get("n", 0) + 1
        extra = extras[link.seen["n"] % 3] if link.seen.get("ready") else notice
        link.seen["ready"] = link.seen.get("ready") or kind == b"Z"     # nobody listens before the login ends
        return extra + wire.message(kind, body)
    proxy.default = Plan(rewrite=between)
    job = make_job(rows=60, dsn=dsn)
    run = job.run(status=0)
    job.complete()
    assert proxy.count <= IN_FLIGHT and run.summary["retries"] == 0


def idle_behind_line_1(make_job, cluster, dsn, **options):
    """Start a job whose line 1 takes long, until finish_behind_line_1(), and whose window is full behind it, and wait
    until a connection idles."""
    cluster.sql("SELECT pg_advisory_lock(1)")
    job = make_job(rows=100, dsn=dsn, sql="SELECT $1::int AS n, CASE WHEN $1::int = 1 THEN pg_advisory_lock_shared(1)"
                                          "::text END AS sleep")
    run = job.start(request_timeout="1h", window=8, **options)
    eventually(lambda: cluster.value(
        "SELECT count(*) > 1 AND count(*) FILTER (WHERE state = 'active') = 1 AND count(*) - 1 = count(*) FILTER"
        " (WHERE state = 'idle' AND now() - state_change > interval '300 ms')"      # one may have had no line at all
        " FROM pg_stat_activity WHERE usename = 'plain'"),
        "all connections but the first line's idle behind it")
    return job, run


def finish_behind_line_1(job, cluster, run):
    cluster.sql("SELECT pg_advisory_unlock_all()")
    run.check(0)
    job.sql = "SELECT $1::int AS n, CASE WHEN $1::int = 1 THEN '' END AS sleep"
    job.complete()
    assert run.summary["retries"] == 0


@pytest.mark.fault(26)
def test_fault_26_notices_parameters_and_notifications_while_idle_are_no_reason_to_leave(make_job, cluster, proxy, dsn):
    job, run = idle_behind_line_1(make_job, cluster, dsn)
    for _ in range(20):
        proxy.say(wire.notice("01000", "a word to whom it may concern") + wire.message(b"S", b"TimeZone\0UTC\0")
                  + wire.message(b"A", b"\0\0\0\x07channel\0payload\0"))
    run.await_log("a word to whom", 2)
    assert run.running and cluster.sessions("plain", "active"), "they were read while line 1 still ran"
    finish_behind_line_1(job, cluster, run)
    assert proxy.count <= IN_FLIGHT and not run.logged("BACKOFF")


@pytest.mark.fault(27)
def test_fault_27_idle_session_that_is_ended_is_noticed_and_costs_no_try(make_job, cluster, dsn):
    job, run = idle_behind_line_1(make_job, cluster, dsn)
    cluster.terminate("plain", "idle")
    run.await_log("57P01")
    assert run.running and cluster.sessions("plain", "active"), "it was noticed while line 1 still ran"
    finish_behind_line_1(job, cluster, run)
