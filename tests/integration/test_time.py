"""FAULTS.md 42, and what a suspended machine does: clocks that jump under a running job."""

import os
import signal

import pytest

from harness import program
from harness.waiting import eventually, stays_true

DAY = 86400


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    return program.shim(tmp_path_factory.mktemp("clock"), "wall_clock")


class WallClock:
    """A run's own wall clock, set by `jump`."""

    def __init__(self, shim, file):
        self.file, self.off = file, 0
        self.variables = {"LD_PRELOAD": str(shim), "HF_WALL_CLOCK": str(file)}

    def jump(self, by):
        self.off += by
        new = self.file.with_suffix(".new")
        new.write_text(f"{self.off}\n")
        os.replace(new, self.file)


@pytest.fixture
def clock(shim, tmp_path):
    return WallClock(shim, tmp_path / "off")


def start(job, clock, **options):
    job.clock_jumps = True
    return job.start(env=program.clean_environment(job.folder, **clock.variables), **options)


@pytest.mark.fault(42)
def test_fault_42_wall_clock_that_jumps_a_day_has_no_effect(make_job, cluster, proxy, clock):
    job = make_job(rows=300, sql=program.slow_sql(), dsn=cluster.dsn(port=proxy.port))
    run = start(job, clock, probe_interval="300ms", stable_after="1s")
    for at, by in ((30, DAY), (90, -3 * DAY), (150, 2 * DAY), (210, 20000 * DAY)):
        run.await_lines(at)
        clock.jump(by)
    run.check(0)
    job.complete()
    days = {line[:10] for line in run.log.splitlines() if line[:2] in ("20", "19")}
    assert len(days) >= 2, "the jumps were seen by the program"
    assert not run.logged("BACKOFF") and proxy.count <= 3 and run.summary["retries"] == 0


@pytest.mark.fault(42)
def test_fault_42_wall_clock_decides_on_certificates_at_the_next_connect(make_job, cluster, clock):
    """The tests' certificate is good for 30 days: a client that lives beyond them may not believe it any longer."""
    job = make_job(rows=200, sql=program.slow_sql())
    run = start(job, clock)
    run.await_lines(30)
    clock.jump(60 * DAY)
    run.await_lines(80)                                 # what is connected stays so
    cluster.terminate()
    run.check(3)
    assert run.logged("(?i)certificate") and run.logged("(?i)expired|valid")
    clock.jump(-60 * DAY)
    start(job, clock).check(0)
    job.complete()


@pytest.mark.fault(42)
def test_fault_42_wall_clock_that_jumps_moves_no_deadline_of_an_outage(make_job, cluster, proxy, clock):
    job = make_job(rows=200, sql=program.slow_sql(), dsn=cluster.dsn("plain", port=proxy.port))
    run = start(job, clock, max_outage="300s")
    run.await_lines(30)
    proxy.refuse()
    proxy.cut_all()
    run.await_log("(?i)refused", 2)
    clock.jump(DAY)                                     # an outage of a day, to who asks the wall
    tried = run.logged("-> RECONNECTING")
    run.await_log("-> RECONNECTING", tried + 2)
    clock.jump(-2 * DAY)
    run.await_log("-> RECONNECTING", tried + 4)
    proxy.accept()
    run.check(0)
    job.complete()


def test_stopped_program_reads_what_has_arrived_before_it_judges_deadlines(make_job, cluster, proxy):
    """A suspend, as the program sees it: every deadline passed while it slept, and every answer is there."""
    job = make_job(rows=60, sql=program.slow_sql(0), dsn=cluster.dsn(port=proxy.port), gate=57)
    run = job.start(request_timeout="1s", probe_interval="500ms", probe_timeout="300ms", max_retries="forever")
    cluster.await_held(3)                               # the last three lines
    run.stop_under_way(cluster, count=3)
    before, links = run.logged("timed out"), proxy.count
    job.open_up()
    eventually(lambda: not cluster.sessions("app", "active"), "the server has answered all")
    stays_true(lambda: run.logged("timed out") == before, "it sleeps beyond all its deadlines", for_s=2.5)
    run.send(signal.SIGCONT)
    run.check(0)
    job.complete()
    assert run.logged("timed out") == before and proxy.count == links, "a time-out is a link more, to cancel by"
