"""Only what the database itself has said is believed: behind a pooler, beside a standby, with a full disk."""

import itertools
import os

import psycopg2
import pytest

from harness.between import Pgpool
from harness.cluster import give_to_server
from harness.disk import small_disk
from harness.program import RECONNECTED, TOO_SLOW, rows_of
from harness.proxy import Plan
from harness.waiting import eventually

INSERT = "INSERT INTO ledger (line, note) SELECT pass($1::int), 'new' FROM pg_sleep(0.01) RETURNING run_id > 0 AS done"
IN_FLIGHT = 3                           # max_concurrent
LOST = {3, 4, 10, 20, 21, 22}           # which answers are lost behind their commit


class Truth:
    """What the job says of its lines, held against the table."""

    def __init__(self, job, server):
        self.done = [int(row[0]) for row in rows_of(job.output if job.output.exists() else job.part)[1:]]
        self.unknown = [int(row[1]) for row in rows_of(job.unknown)[1:]] if job.unknown.exists() else []
        self.rejected = rows_of(job.rejects)[1:] if job.rejects.exists() else []
        self.times = dict(server.sql("SELECT line, count(*)::int FROM ledger GROUP BY line"))
        assert not self.rejected, f"a line is called refused: {self.rejected[:3]}"
        assert sorted(self.done + self.unknown) == list(range(1, len(job.rows) + 1))
        assert all(count == 1 for count in self.times.values()), "a line was written twice"
        assert set(self.done) <= set(self.times), "a line is called done and is not"
        assert set(self.times) <= set(self.done + self.unknown)


def lost(tag):
    """A plan's `lose`: loses those statements with that tag whose numbers, on all connections together, are in LOST."""
    count = itertools.count(1)
    return lambda kind, body, link: kind == b"C" and body.startswith(tag) and next(count) in LOST


@pytest.fixture
def pooled(make_job, proxy_to, own_cluster, between):
    """60 lines to write through pgpool-II and a proxy behind it."""
    behind = proxy_to(own_cluster)
    behind.limit = 6                                            # pgpool's, not ours
    pgpool = between(Pgpool, behind)
    job = make_job(rows=60, sql=INSERT, server=own_cluster,
                   dsn=own_cluster.dsn("trusted", port=pgpool.port, password=None))
    job.behind, job.server = behind, own_cluster
    return job


@pytest.mark.found("T1", "T2")
@pytest.mark.parametrize("cut", ["fin", "rst"])
def test_write_is_unknown_when_a_pooler_lost_the_server_behind_the_commit(pooled, cut):
    """pgpool-II makes up a FATAL or an ERROR XX000, which the database did not say."""
    pooled.behind.default = Plan(lose=lost(b"INSERT"), cut=cut)
    run = pooled.run(status=5, write=True, replay="unsent")
    truth = Truth(pooled, pooled.server)
    assert len(truth.unknown) == len(LOST) and set(truth.unknown) <= set(truth.times)
    assert run.summary["retries"] == 0


@pytest.mark.found("T1", "T2")
@pytest.mark.parametrize("cut", ["fin", "rst"])
def test_commit_that_a_pooler_lost_the_answer_of_is_asked_about(pooled, cut):
    pooled.behind.default = Plan(lose=lost(b"COMMIT"), cut=cut)
    run = pooled.run(status=0, write=True, replay="resolve")
    assert not Truth(pooled, pooled.server).unknown
    assert run.logged("asked the server what became of its commit") >= len(LOST)


@pytest.mark.found("T2")
@pytest.mark.parametrize("replay", ["unsent", "resolve"])
def test_server_that_restarts_behind_a_pooler_rejects_no_line(pooled, replay):
    run = pooled.start(write=True, replay=replay)
    for at in (10, 30):
        run.await_lines(at)
        pooled.server.restart("immediate" if at == 10 else "fast")
    assert run.finish() in (0, 5), run.tail()
    Truth(pooled, pooled.server)


def both(*servers):
    """A DSN of two hosts, the first to be asked first."""
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    return f"postgres://trusted@{hosts}/db?sslmode=disable"


@pytest.mark.found("T3")
@pytest.mark.parametrize("replay", ["unsent", "resolve"])
def test_line_is_done_only_when_its_synchronous_standby_has_it(make_job, synchronous_pair, replay):
    """The standby goes; each COMMIT waits for it, and no time-out of ours may end that wait with an OK. Then the primary
    is lost for good, and the standby, which has only what it confirmed, is promoted."""
    primary, standby = synchronous_pair
    job = make_job(rows=60, sql=INSERT, server=primary, dsn=both(primary, standby))
    run = job.start(write=True, replay=replay, request_timeout="1s", close_timeout="1s", max_retries="forever")
    run.await_lines(20)
    standby.stop("immediate")
    job.open_up()
    eventually(lambda: primary.sql("SELECT 1 FROM pg_stat_activity WHERE usename = 'trusted' "
                                   "AND wait_event = 'SyncRep'"), "a COMMIT waits")
    at = job.lines_written()

    def given_up():
        """Has what waited been given up? A flight that commits by itself is then unknown; a RESOLVE request's connection
        is left, to ask on another. Or, the fault, lines are called done."""
        unknown = job.unknown.exists() and job.unknown.read_bytes().count(b"\n") > 3
        left = run.logged(r"\(request_timeout\)") and run.logged(RECONNECTED)
        return (unknown if replay == "unsent" else left) or job.lines_written() > at + IN_FLIGHT
    eventually(given_up, "the time-outs of what waits")
    primary.stop("immediate")
    standby.start()
    standby.promote()
    assert run.finish() in (0, 5), run.tail()
    done = [int(row[0]) for row in rows_of(job.output)[1:]]
    there = {row[0] for row in standby.sql("SELECT line FROM ledger")}
    assert not set(done) - there, "done, and not on the standby"
    assert not job.rejects.exists() or not rows_of(job.rejects)[1:]
    assert standby.value("SELECT count(*) = count(DISTINCT line) FROM ledger"), "a line was written twice"


def test_line_whose_wait_for_the_standby_somebody_ended_is_done_and_said_so(make_job, synchronous_pair):
    primary, standby = synchronous_pair
    job = make_job(rows=12, sql=INSERT, server=primary, dsn=both(primary))
    run = job.start(write=True, replay="unsent", max_concurrent=1)
    run.await_lines(4)
    standby.stop("immediate")
    job.open_up()
    waiting = ("FROM pg_stat_activity WHERE usename = 'trusted' AND wait_event = 'SyncRep'")
    eventually(lambda: primary.sql(f"SELECT 1 {waiting}"), "a COMMIT waits")
    primary.sql(f"SELECT pg_cancel_backend(pid) {waiting}")
    run.await_log("its wait for the synchronous standby was ended", 1)
    standby.start()
    run.check(0)
    assert not Truth(job, primary).unknown
    assert run.summary["lines_unconfirmed"] >= 1
    assert f"unconfirmed {run.summary['lines_unconfirmed']} of these" in run.stderr


@pytest.mark.rule(35)
def test_server_that_changed_under_acknowledged_writes_is_named(make_job, primary, standby):
    """A restart, then the promotion of a standby that was not waited for; neither behind the job's end (Job's gate)."""
    job = make_job(rows=200, sql=INSERT, server=primary, dsn=both(primary, standby), gate=100)
    job.gated.append(standby)
    run = job.start(write=True, replay="resolve")
    run.await_lines(20)
    primary.restart()
    job.shut(180)                                   # it is told with the next line that is done
    run.await_log("the server changed at .* \\(it was started anew\\)", 1)
    primary.stop("immediate")
    standby.promote()
    assert run.finish() in (0, 5), run.tail()
    assert [change["how"] for change in run.summary["server_changes"]] == ["it was started anew", "timeline 1 -> 2"]
    assert run.stderr.count("lines acknowledged shortly before may be missing") >= 2


@pytest.mark.found("T5")
def test_standby_that_refuses_writes_is_an_outage_that_spends_no_retry(make_job, primary, standby):
    standby.await_caught_up()
    primary.stop("immediate")
    job = make_job(rows=30, sql=INSERT, server=standby, dsn=both(primary, standby))
    run = job.start(write=True, replay="unsent", max_retries=0, max_outage="600s")
    run.await_log("-> BACKOFF", 12)
    assert run.running and not job.output.exists()
    standby.promote()
    run.check(0)
    assert not Truth(job, standby).unknown
    assert run.summary["retries"] == 0


@pytest.mark.found("T5")
def test_standby_that_is_never_promoted_is_given_up_at_max_outage(make_job, primary, standby):
    job = make_job(rows=30, sql=INSERT, server=standby, dsn=both(standby))
    run = job.run(status=4, write=True, replay="unsent", max_outage="2s")
    assert "25006" in run.log or TOO_SLOW in run.stderr
    assert "max_outage" in run.log + run.stderr
    assert not job.lines_written() > 1 and not job.rejects.exists() and not job.unknown.exists()


@pytest.mark.found("T5")
@pytest.mark.rule(21)
@pytest.mark.both_servers
@pytest.mark.parametrize("replay", ["unsent", "resolve"])
def test_server_that_is_made_read_only_under_a_job_is_an_outage(make_job, own_cluster, replay):
    """Who plans a switch-over, or sees a disk fill, sets it and reloads: sessions that there are turn read-only."""
    job = make_job(rows=200, sql=INSERT, server=own_cluster)
    run = job.start(write=True, replay=replay, max_retries=0, max_outage="600s")
    run.await_lines(20)
    own_cluster.sql("SET default_transaction_read_only = off")
    own_cluster.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    own_cluster.reload()
    run.await_log("-> BACKOFF", 6)
    own_cluster.sql("ALTER SYSTEM RESET default_transaction_read_only")
    own_cluster.reload()
    run.check(0)
    assert not Truth(job, own_cluster).unknown
    assert run.summary["retries"] == 0


@pytest.mark.found("T6")
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_full_disk_of_the_server_is_waited_out_and_rejects_no_line(make_job, own_cluster):
    with small_disk(own_cluster.folder / "disk", "16m") as disk:
        os.makedirs(disk / "space")
        os.chmod(own_cluster.folder / "disk", 0o755)
        give_to_server(disk / "space")
        try:
            own_cluster.sql(f"CREATE TABLESPACE small LOCATION '{disk / 'space'}'")
            for table in ("ledger2", "filler"):
                own_cluster.sql(f"CREATE TABLE {table} (line int, pad text) TABLESPACE small")
                own_cluster.sql(f"ALTER TABLE {table} ALTER pad SET STORAGE plain")
            own_cluster.sql("GRANT ALL ON ledger2 TO PUBLIC")
            for rows in (500, 50, 5, 1, 1):
                with pytest.raises(psycopg2.errors.DiskFull):
                    while True:
                        own_cluster.sql("INSERT INTO filler SELECT 0, repeat('x', 7000) "
                                        "FROM generate_series(1, %s)", rows)
            job = make_job(rows=60, sql="INSERT INTO ledger2 SELECT $1::int, repeat('y', 7000) RETURNING line",
                           server=own_cluster)
            run = job.start(write=True, replay="unsent")
            eventually(lambda: own_cluster.log.read_text().count("could not extend file") > 12, "refusals")
            assert run.running, run.tail()
            own_cluster.sql("DROP TABLE filler")
            run.check(0)
            assert not job.rejects.exists() and not job.unknown.exists()
            assert own_cluster.value("SELECT count(DISTINCT line) = 60 AND count(*) = 60 FROM ledger2")
        finally:
            own_cluster.stop("immediate")           # or nobody can unmount the disk


@pytest.mark.found("T6")
def test_lock_that_is_not_had_in_time_is_waited_for_and_rejects_no_line(make_job, own_cluster):
    own_cluster.sql("INSERT INTO single SELECT g, '' FROM generate_series(1, 40) g")
    own_cluster.sql("ALTER ROLE trusted SET lock_timeout = '100ms'")
    job = make_job(rows=40, server=own_cluster, dsn=own_cluster.dsn("trusted", password=None),
                   sql="UPDATE single SET note = note || 'x' WHERE line = $1::int RETURNING note")
    holder = own_cluster.connect()
    holder.autocommit = False
    holder.cursor().execute("SELECT 1 FROM single WHERE line > 10 FOR UPDATE")
    run = job.start(write=True, replay="unsent", max_retries="forever")
    eventually(lambda: own_cluster.log.read_text().count("due to lock timeout") >= 12, "a lock that is not had")
    holder.rollback()
    holder.close()
    run.check(0)
    assert not job.rejects.exists() and not job.unknown.exists()
    assert own_cluster.value("SELECT count(*) FROM single WHERE note = 'x'") == 40


@pytest.mark.found("T6")
def test_read_that_somebody_else_cancelled_runs_again_once(make_job, own_cluster):
    """While the lock is held lines 5 to 7 wait; an administrator cancels them, once."""
    own_cluster.sql("SELECT pg_advisory_lock(7)")
    job = make_job(rows=30, server=own_cluster, dsn=own_cluster.dsn("trusted", password=None),
                   sql="SELECT $1::int * 2 AS n, CASE WHEN $1::int IN (5, 6, 7) THEN pg_advisory_lock_shared(7)::text "
                       "END AS l")
    run = job.start(max_pipelined=1)
    waiting = eventually(lambda: (lambda found: len(found) == 3 and found)(own_cluster.sql(
        "SELECT pid FROM pg_stat_activity WHERE usename = 'trusted' AND wait_event = 'advisory'")), "three lines wait")
    for (pid,) in waiting:
        own_cluster.sql("SELECT pg_cancel_backend(%s)", pid)
    eventually(lambda: own_cluster.log.read_text().count("due to user request") >= 3, "they are cancelled")
    own_cluster.sql("SELECT pg_advisory_unlock_all()")
    run.check(0)
    assert not job.rejects.exists()
    assert [row[1] for row in rows_of(job.output)[1:]] == [str(2 * n) for n in range(1, 31)]
