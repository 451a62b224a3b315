"""FAULTS.md 33-35: a load balancer or a pooler stands between, and restarts, switches and forgets on its own account."""

import os
import re
import signal

import pytest

from harness.between import Haproxy, Pgbouncer, Pgpool
from harness.program import RECONNECTED, rows_of, slow_sql
from harness.waiting import eventually

IN_FLIGHT = 3


@pytest.mark.fault(33)
def test_fault_33_haproxy_that_switches_servers_costs_one_try_each(make_job, between, cluster, own_cluster):
    haproxy = between(Haproxy, [cluster, own_cluster])
    job = make_job(rows=400, sql=slow_sql(), dsn=cluster.dsn(port=haproxy.port))
    job.gated.append(own_cluster)
    run = job.start()
    for at, name in ((60, "b"), (160, "a"), (260, "b")):
        run.await_lines(at)
        with run.logs_again(RECONNECTED):
            haproxy.switch(name)
    eventually(own_cluster.sessions, "it is on the other server")
    cluster.no_sessions()
    run.check(0)
    job.complete()
    assert run.summary["retries"] <= 3 * IN_FLIGHT


@pytest.mark.fault(33)
def test_fault_33_haproxy_that_reloads_under_load_loses_nothing(make_job, between, cluster):
    haproxy = between(Haproxy, [cluster])
    job = make_job(rows=400, sql=slow_sql(), dsn=cluster.dsn(port=haproxy.port))
    run = job.start()
    for at in (60, 160, 260):
        run.await_lines(at)
        haproxy.reload()
    run.check(0)
    job.complete()
    assert run.summary["losses"] >= 1 and run.summary["retries"] <= 3 * IN_FLIGHT


@pytest.mark.fault(33)
def test_fault_33_haproxy_without_a_server_is_waited_out(make_job, between, own_cluster):
    """haproxy accepts a connection and closes it at once without a word: that is no refusal, and leads to no loop."""
    haproxy = between(Haproxy, [own_cluster])
    job = make_job(rows=250, sql=slow_sql(), server=own_cluster, dsn=own_cluster.dsn(port=haproxy.port))
    run = job.start()
    run.await_lines(40)
    own_cluster.stop("immediate")
    run.await_log("-> RECONNECTING", 3)
    own_cluster.start()
    run.check(0)
    job.complete()
    assert run.summary["retries"] <= IN_FLIGHT


@pytest.mark.fault(27, 33)
def test_fault_33_idle_links_that_haproxy_cuts_waste_no_try(make_job, between, cluster):
    """Line 1 has something to say all the time, and the window behind it is full: the other connections idle."""
    haproxy = between(Haproxy, [cluster], idle="600ms")
    cluster.sql("""CREATE TABLE talking AS SELECT 1; GRANT SELECT ON talking TO app;
        CREATE FUNCTION talk() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
        WHILE EXISTS (SELECT FROM talking) LOOP RAISE NOTICE 'still here'; PERFORM pg_sleep(0.05); END LOOP;
        RETURN 'said'; END $$""")
    try:
        job = make_job(rows=40, dsn=cluster.dsn(port=haproxy.port),
                       sql="SELECT $1::int AS n, CASE $1::int WHEN 1 THEN talk() END AS all_is")
        run = job.start(window=8)
        run.await_log("HEALTHY -> BACKOFF|PROBING -> BACKOFF", 1)
        assert run.running and job.lines_written() <= 1, "it was noticed while line 1 still ran"
    finally:
        cluster.sql("DELETE FROM talking")
    run.check(0)
    job.complete()
    cluster.sql("DROP FUNCTION talk; DROP TABLE talking")
    # Where the machine was so slow that line 1 was silent for too long its own link was cut, which is no idle one.
    assert not run.logged(r"line (?!2 )\d+ was sent"), "an idle link cost a try"


@pytest.mark.fault(33)
def test_fault_33_watched_link_that_haproxy_cuts_comes_back_each_time(holdfast, between, cluster):
    haproxy = between(Haproxy, [cluster], idle="500ms")
    run = holdfast("watch", dsn=cluster.dsn(port=haproxy.port), probe_interval=0, retry_delay="100ms",
                   max_retry_delay="200ms", wait=False)
    came_back = r"reconnecting\s+-> healthy"
    eventually(lambda: len(re.findall(came_back, run.stdout)) >= 4, "it came back four times")
    run.send(signal.SIGTERM)
    assert run.finish() == 0
    lost = len(re.findall(r"healthy\s+-> backoff", run.stdout))
    assert 0 <= lost - len(re.findall(came_back, run.stdout)) <= 1, "lost and back in turn"


@pytest.fixture(params=["plain", "app"])
def role(request):
    """Without TLS and with it."""
    return request.param


@pytest.mark.fault(34)
@pytest.mark.both_servers
def test_fault_34_statements_that_pgbouncer_forgets_are_prepared_again(make_job, between, cluster, role):
    """Two sessions behind three connections: a named statement is there on one flight and gone on the next."""
    pgbouncer = between(Pgbouncer, cluster)
    job = make_job(rows=300, sql=slow_sql(0.005), dsn=cluster.dsn(role, port=pgbouncer.port))
    run = job.start()
    for at in (60, 120, 180):
        run.await_lines(at)
        pgbouncer.say("RECONNECT db")
    run.check(0)
    job.complete()
    assert run.summary["retries"] == 0 and not run.summary["outages"]


@pytest.mark.fault(35)
def test_fault_35_paused_pgbouncer_is_a_hang_that_passes(make_job, between, cluster):
    pgbouncer = between(Pgbouncer, cluster)
    job = make_job(rows=300, sql=slow_sql(), dsn=cluster.dsn("plain", port=pgbouncer.port))
    run = job.start(request_timeout="1s", reconnect_timeout="1s", close_timeout="500ms", max_retries="forever")
    run.await_lines(60)
    with run.logs_again(r"timed out after 1\.0\d* s in query \(request_timeout\)"):
        pgbouncer.say("PAUSE db")
    pgbouncer.say("RESUME db")
    run.check(0)
    job.complete()


@pytest.mark.fault(35)
@pytest.mark.parametrize("end", ["restart", "crash of the server behind it"])
def test_fault_35_restarted_pgbouncer_is_an_outage_that_passes(make_job, between, own_cluster, end):
    pgbouncer = between(Pgbouncer, own_cluster)
    job = make_job(rows=400, sql=slow_sql(), server=own_cluster, dsn=own_cluster.dsn("app", port=pgbouncer.port))
    run = job.start(max_retries="forever")
    for at in (60, 160, 260):
        run.await_lines(at)
        if end == "restart":
            pgbouncer.restart()
        else:
            own_cluster.restart("immediate")
    run.check(0)
    job.complete()
    # The pooler lets us in while its server is away: a try is spent on each dial of the schedule, and no more.
    assert run.summary["retries"] <= run.summary["dials"]


@pytest.mark.fault(35)
@pytest.mark.parametrize("replay", ["unsent", "resolve"])
def test_fault_35_writes_through_a_restarted_pgbouncer_are_done_once_or_unknown(make_job, between, cluster, replay):
    """The server lives on behind the pooler: what can be asked about is never unknown."""
    cluster.sql("TRUNCATE ledger")
    pgbouncer = between(Pgbouncer, cluster)
    job = make_job(rows=200, dsn=cluster.dsn("plain", port=pgbouncer.port),
                   sql="INSERT INTO ledger (line) SELECT pass($1::int) FROM pg_sleep(0.01) RETURNING line")
    run = job.start(write=True, replay=replay)
    for at in (40, 120):
        run.await_lines(at)
        pgbouncer.restart()
    assert run.finish() in ((0, 5) if replay == "unsent" else (0,)), run.tail()
    counts = dict(cluster.sql("SELECT line, count(*)::int FROM ledger GROUP BY line"))
    done = [int(row[0]) for row in rows_of(job.output)[1:]]
    unknown = [int(row[1]) for row in rows_of(job.unknown)[1:]] if job.unknown.exists() else []
    assert all(count == 1 for count in counts.values()), "a line was written twice"
    assert sorted(done + unknown) == list(range(1, 201)) and set(done) <= set(counts)
    assert (run.status == 5) == bool(unknown)


@pytest.mark.found("L1")
@pytest.mark.parametrize("end", ["Ctrl-C", "request_timeout"])
def test_pooler_lives_on_when_a_query_is_given_up(holdfast, between, cluster, end):
    """pgbouncer 1.18 dies for everybody of a cancel link, or a link to be cancelled, that goes before its turn. The two
    signals of timeout(1) are one wish to end: tests/unit/test_program_signals.c."""
    pgbouncer = between(Pgbouncer, cluster)
    dsn = cluster.dsn("plain", port=pgbouncer.port)
    for _ in range(5):
        run = holdfast("query", "SELECT pg_sleep(3600)", dsn=dsn, wait=False,
                       **({"request_timeout": "500ms", "max_retries": 0} if end == "request_timeout" else {}))
        if end != "request_timeout":
            cluster.await_active("plain")
            run.send(signal.SIGINT)
        assert run.finish() == 4, run.stderr
        assert pgbouncer.alive
        assert holdfast("query", "SELECT 7 AS n", dsn=dsn, format="csv").stdout == "n\n7\n"
    eventually(lambda: not cluster.sessions("plain", "active"), "nothing runs for nobody")


@pytest.mark.found("T8")
@pytest.mark.parametrize("pooler", [Pgbouncer, Pgpool])
def test_wrong_password_behind_a_pooler_is_tried_once(holdfast, between, cluster, pooler):
    """pgbouncer says 08P01, pgpool-II XX000: where in the login it was said decides, not the code."""
    between_them = between(pooler, cluster)
    role = "plain" if pooler is Pgbouncer else "pooled"
    run = holdfast("query", "SELECT 1", dsn=cluster.dsn(role, port=between_them.port, password="wrong"), status=3,
                   log_level="debug", retry_delay="100ms")
    assert run.stderr.count("-> CONNECTING") == 1 and "-> BACKOFF" not in run.stderr
    assert "authentication failed" in run.stderr


@pytest.mark.found("T8")
def test_right_password_behind_a_pooler_whose_server_is_away_is_waited_for(make_job, between, own_cluster):
    """08P01 query_wait_timeout comes behind a verified login: the server is not ready, the password is right."""
    pgbouncer = between(Pgbouncer, own_cluster, query_wait_timeout=1)
    job = make_job(rows=20, server=own_cluster, dsn=own_cluster.dsn("plain", port=pgbouncer.port))
    own_cluster.stop("fast")
    run = job.start()
    run.await_log("query_wait_timeout|server login", 6)
    own_cluster.start()
    run.check(0)
    job.complete()
