"""report --ledger: whatever is lost, no line is UNKNOWN, doubled, missing or different (REPORT.md 36 to 44)."""

import os
import signal

import pytest

from harness.between import Pgbouncer, Pgpool
from harness.exactly_once import BATCH, Applied, make_tables
from harness.killing import crash, kill, seed_of, struck, times
from harness.proxy import Plan
from harness.replica import must_confirm
from harness.waiting import eventually

KINDS = pytest.mark.parametrize("kind", ["bare", "affected", "rows"])


@pytest.fixture
def server(own_cluster):
    return make_tables(own_cluster)


def clear(server):
    """Another night: what was applied is forgotten, the ledger is not."""
    server.sql("TRUNCATE applied")


@pytest.mark.rule(37, 38)
@KINDS
def test_job_killed_at_random_moments_applies_each_line_once(make_job, server, kind):
    seed = seed_of("job_killed_at_random_moments_applies")
    job = Applied(make_job, server, kind, lines=1500)
    for run in struck(job.job, job.start, seed, len(job.file()), kills=times(8, 300)):
        assert run.status == job.status, f"KILL_SEED={seed}: exit {run.status}\n{run.tail()}"
        job.holds(emptied=False)
        clear(server)


@pytest.mark.rule(38, 42)
@KINDS
def test_server_killed_at_random_moments_applies_each_line_once(make_job, server, kind):
    seed = seed_of("server_killed_at_random_moments_applies")
    job = Applied(make_job, server, kind, lines=1500)
    for run in struck(job.job, job.start, seed, len(job.file()), server=server, crashes=times(2, 20)):
        assert run.status == job.status, f"KILL_SEED={seed}: exit {run.status}\n{run.tail()}"
        job.holds(emptied=False)
        clear(server)


@pytest.mark.rule(37, 42)
@KINDS
@pytest.mark.both_servers
def test_job_and_server_killed_at_random_moments_apply_each_line_once(make_job, server, kind):
    seed = seed_of("job_and_server_killed_at_random_moments_apply")
    job = Applied(make_job, server, kind, lines=1500)
    for run in struck(job.job, job.start, seed, len(job.file()), kills=times(5, 300), server=server,
                      crashes=times(1, 20)):
        assert run.status == job.status, f"KILL_SEED={seed}: exit {run.status}\n{run.tail()}"
        job.holds(emptied=False)
        clear(server)


@pytest.mark.rule(37, 38)
@pytest.mark.fault(35)
@KINDS
def test_pgbouncer_that_restarts_and_loses_its_server_costs_nothing(make_job, between, server, kind):
    pgbouncer = between(Pgbouncer, server)
    job = Applied(make_job, server, kind, lines=400, gated=True, dsn=server.dsn("plain", port=pgbouncer.port))
    run = job.start(max_retries="forever")
    for at in range(40, 40 + 60 * times(4, 20), 60):
        run.await_lines(min(at, 300))
        if at // 60 % 2:
            pgbouncer.restart()
        else:
            crash(server)
    run.check(job.status)
    job.holds()


@pytest.mark.rule(37, 38)
@pytest.mark.found("T1", "T2")
@pytest.mark.parametrize("cut", ["fin", "rst"])
@KINDS
def test_pgpool_that_loses_its_server_behind_the_commit_makes_no_line_unknown(make_job, between, proxy_to, server, kind, cut):
    """pgpool-II makes up a FATAL or an ERROR XX000, which the database did not say."""
    behind = proxy_to(server)
    behind.limit = 6                                            # pgpool's, not ours
    pgpool = between(Pgpool, behind)
    job = Applied(make_job, server, kind, lines=200, dsn=server.dsn("trusted", port=pgpool.port, password=None))
    seen = {"commits": 0}

    def lose(_, body, __):
        seen["commits"] += body.startswith(b"COMMIT")
        return body.startswith(b"COMMIT") and seen["commits"] % 4 == 1
    behind.default = Plan(lose=lose, cut=cut)
    job.run(max_retries="forever")
    behind.default = Plan()
    assert seen["commits"] >= 20
    job.holds()


def both(primary, standby):
    """A DSN of two hosts, of the role that needs no password."""
    return f"postgres://trusted@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/db?sslmode=disable"


@pytest.fixture
def pair(primary, standby):
    make_tables(primary)
    standby.await_caught_up()
    return primary, standby


@pytest.mark.rule(42)
@KINDS
def test_synchronous_standby_promoted_under_load_has_each_line_once(make_job, pair, kind):
    primary, standby = pair
    must_confirm(primary, standby)
    job = Applied(make_job, primary, kind, lines=400, gated=True, dsn=both(*pair))
    job.job.gated.append(standby)
    run = job.start()
    run.await_lines(100)
    kill(primary)
    standby.promote()
    run.check(job.status)
    job.holds(standby)
    assert run.summary["lines_healed"] == 0


def acknowledge_what_the_standby_never_gets(job, run, primary, standby):
    """60 lines are on both; more than 200 on the primary alone, which is then lost for good."""
    def applied(lines):
        done = lines - lines // 100                             # REFUSED
        eventually(lambda: primary.value("SELECT count(*) FROM applied") >= done, f"{lines} lines are applied")
    applied(60)
    standby.await_caught_up()
    sender = primary.value("SELECT pid FROM pg_stat_replication")
    os.kill(sender, signal.SIGSTOP)
    job.job.shut(300)
    applied(300)
    return sender


def lose(primary, standby, sender):
    kill(primary)
    os.kill(sender, signal.SIGKILL)
    standby.promote()


def is_healed(run):
    """The summary and the log say for how many lines: all but what may not have been acknowledged, three chunks."""
    healed = run.summary["lines_healed"]
    assert 300 - 60 - 3 * BATCH - 3 <= healed <= 300 - 60
    said = f"{healed} lines were lost by the server and applied again"
    assert said in run.log and said in run.stderr


@pytest.mark.rule(42)
@KINDS
def test_lines_that_an_asynchronous_standby_never_got_are_applied_again(make_job, pair, kind):
    primary, standby = pair
    job = Applied(make_job, primary, kind, lines=400, gated=True, dsn=both(*pair), gate=60)
    job.job.gated.append(standby)
    run = job.start()
    sender = acknowledge_what_the_standby_never_gets(job, run, *pair)
    lose(*pair, sender)
    run.check(job.status)
    job.holds(standby)
    is_healed(run)


@pytest.mark.rule(42)
@KINDS
def test_position_that_says_more_than_the_survivor_has_is_corrected_by_the_ledger(make_job, pair, kind):
    """The job is killed with its server, and run again on the standby."""
    primary, standby = pair
    job = Applied(make_job, primary, kind, lines=400, gated=True, dsn=both(*pair), gate=60)
    job.job.gated.append(standby)
    run = job.start()
    sender = acknowledge_what_the_standby_never_gets(job, run, *pair)
    run.await_lines(250)
    run.end()
    lose(*pair, sender)
    again = job.start()
    again.check(job.status)
    job.holds(standby)
    is_healed(again)


@pytest.mark.rule(36, 42)
def test_survivor_without_the_run_s_own_row_gets_that_too(make_job, pair):
    """The standby was left behind before the job began: all that it acknowledged is lost, and the run with it."""
    primary, standby = pair
    job = Applied(make_job, primary, "rows", lines=400, gated=True, dsn=both(*pair), gate=60)
    job.job.gated.append(standby)
    sender = primary.value("SELECT pid FROM pg_stat_replication")
    os.kill(sender, signal.SIGSTOP)
    run = job.start()
    eventually(lambda: primary.value("SELECT count(*) FROM applied") == 60, "60 lines are applied")
    run.await_lines(100)
    lose(*pair, sender)
    run.check(job.status)
    job.holds(standby)
    assert run.summary["lines_healed"] >= 50
