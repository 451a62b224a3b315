"""Reads that share a Sync: each has its own outcome."""

import contextlib
import re

import pytest

from harness.program import rows_of
from harness.waiting import eventually

LINES = 400


def outcomes(job, column=1):
    return {int(row[0]): row[column] for row in rows_of(job.output)[1:]}


def reads(make_job, cluster, what, lines=LINES, dsn="", **options):
    return make_job(rows=[(str(i),) for i in range(1, lines + 1)], header=("id",), sql=f"SELECT {what} AS got",
                    params="id", dsn=cluster.dsn("plain") + dsn, **options)


@pytest.mark.rule(45)
@pytest.mark.both_servers
def test_reads_share_a_transaction_by_default_and_not_with_max_pipelined_1(make_job, cluster):
    """now() is the transaction's: with max_pipelined 1 each line has its own, else many have one."""
    own = reads(make_job, cluster, "$1 || ' ' || now()")
    own.run(status=0, max_concurrent=1, max_pipelined=1)
    shared = reads(make_job, cluster, "$1 || ' ' || now()")
    shared.run(status=0, max_concurrent=1)
    moments = [len({got.split(" ", 1)[1] for got in outcomes(job).values()}) for job in (own, shared)]
    assert moments[0] == LINES
    assert moments[1] < LINES / 4


@pytest.mark.rule(45)
@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
@pytest.mark.both_servers
def test_error_is_its_lines_alone_wherever_it_stands(make_job, cluster, isolation):
    """Every seventh line is refused. No line spends a re-send, for none are allowed."""
    dsn = "&options=-c%20default_transaction_isolation%3D" + isolation.replace(" ", "%5C%20")
    job = reads(make_job, cluster, "1 / ($1::int % 7)", dsn=dsn)
    run = job.run(status=2, max_concurrent=2, max_retries=0)
    wrong = [i for i in range(1, LINES + 1) if i % 7 == 0]
    assert outcomes(job) == {i: str(1 // (i % 7)) for i in range(1, LINES + 1) if i % 7}
    assert [(int(row[1]), row[2]) for row in rows_of(job.rejects)[1:]] == [(i, "22012") for i in wrong]
    assert run.summary["retries"] == 0


@pytest.mark.rule(45)
@pytest.mark.both_servers
def test_time_out_of_a_group_is_nobodys(make_job, cluster):
    """One line waits for a lock that the test holds: it alone is timed out, when it has a Sync of its own."""
    job = reads(make_job, cluster, "CASE WHEN $1::int = 50 THEN pg_advisory_xact_lock_shared(45)::text END",
                lines=100)
    with contextlib.closing(cluster.connect()) as holder:
        holder.cursor().execute("SELECT pg_advisory_lock(45)")
        run = job.start(max_concurrent=1, max_pipelined=64, max_retries=0, request_timeout="500ms")
        run.check(4)
    assert run.logged(r"line 51 of .*timed out after 0.5 s in query")
    assert not run.logged(r"line (?!51 )\d+ .*timed out")
    assert run.summary["lines_done"] == 49
    assert run.summary["retries"] == 0
    job.run(status=0, max_concurrent=1)
    assert sorted(outcomes(job)) == list(range(1, 101))


@pytest.mark.rule(16, 45)
def test_group_that_somebody_else_cancels_once_costs_no_line(make_job, cluster):
    """A group waits for a lock that the test holds; an administrator cancels it, and only then the lock is let go."""
    job = reads(make_job, cluster, "CASE WHEN $1::int = 50 THEN pg_advisory_xact_lock_shared(46)::text END", lines=100)
    with contextlib.closing(cluster.connect()) as holder:
        holder.cursor().execute("SELECT pg_advisory_lock(46)")
        run = job.start(max_concurrent=1, max_pipelined=64, retry_delay="50ms")
        (pid,), = eventually(lambda: cluster.sql("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 46 "
                                                 "AND NOT granted"), "a group waits")
        cancelled = re.compile(rf"\[{pid}\] .*ERROR:  canceling statement due to user request")
        assert cluster.value("SELECT pg_cancel_backend(%s)", pid)
        eventually(lambda: cancelled.search(cluster.log.read_text()), "it is cancelled")
    run.check(0)
    assert sorted(outcomes(job)) == list(range(1, 101))
    assert not job.rejects.exists()
    assert run.summary["retries"] == 1
