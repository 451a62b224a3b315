"""FAULTS.md 29-32: the server itself is restarted, crashes, shuts down politely, or one of its processes hangs."""

import contextlib
import os
import signal

import pytest

from harness.program import RECONNECTED, slow_sql
from harness.waiting import eventually


@pytest.mark.fault(29)
def test_fault_29_twenty_fast_restarts_under_load(make_job, own_cluster):
    job = make_job(rows=1000, sql=slow_sql(0.01), server=own_cluster)
    run = job.start(retry_delay="50ms", max_retry_delay="200ms")
    run.await_lines(10)
    opened = None
    for restart in range(20):
        run.await_lines(min(20 + 40 * restart, 900))
        own_cluster.restart("fast")
        if restart == 4:
            opened = descriptors_of_three(run, own_cluster)
    run.await_log(RECONNECTED, 5)
    assert descriptors_of_three(run, own_cluster) <= opened, "descriptors leak from outage to outage"
    run.check(0)
    job.complete()
    own_cluster.no_sessions()


def descriptors_of_three(run, cluster):
    """How many it has open when all its connections are up: none is being dialled, which takes some more."""
    eventually(lambda: len(cluster.sessions()) == 3, "all three connections are up")
    return run.descriptors()


@pytest.mark.parametrize("role", ["plain", "app"])
@pytest.mark.both_servers
def test_immediate_stop_is_told_by_the_servers_own_warning(make_job, own_cluster, role):
    """SEMANTICS.md 17: a WARNING 57P01 never decides, but before the end of the stream it is the reason of it."""
    job = make_job(rows=150, sql=slow_sql(0), server=own_cluster, dsn=own_cluster.dsn(role), gate=30)
    run = job.start()
    own_cluster.await_held(3, role)     # it has read all there is: else a reset may overtake its warning
    own_cluster.stop("immediate")
    run.await_log("57P01")
    own_cluster.start()
    run.check(0)
    job.complete()
    assert any("57P01" in line and "BACKOFF" in line for line in run.log.splitlines())


@pytest.mark.fault(30)
def test_fault_30_twenty_crashes_of_a_backend(make_job, own_cluster):
    """Killing one backend with -9 makes the postmaster end them all and go through recovery."""
    job = make_job(rows=1000, sql=slow_sql(0.01), server=own_cluster)
    run = job.start(retry_delay="50ms", max_retry_delay="200ms")
    for crash in range(20):
        run.await_lines(min(20 + 40 * crash, 900))
        victims = eventually(lambda: running_sessions(own_cluster), "a session to kill")
        own_cluster.forget_admin()
        before = recoveries(own_cluster)
        os.kill(victims[0], signal.SIGKILL)
        eventually(lambda: recoveries(own_cluster) > before, "the server has recovered")
    run.check(0)
    job.complete()
    assert run.logged("57P02|57P03|57P01") >= 1


def recoveries(cluster):
    return cluster.log.read_text().count("ready to accept connections")


def running_sessions(cluster):
    """The program's sessions, or none while the server recovers and answers nobody."""
    try:
        return cluster.sessions()
    except Exception:       # whatever a server in recovery says: the caller asks again
        cluster.forget_admin()
        return []


@pytest.mark.fault(31)
@pytest.mark.both_servers
def test_fault_31_smart_shutdown_lets_the_run_finish(make_job, own_cluster, proxy_to):
    """The server waits for its sessions; the sessions we hold go on, and no other is asked for."""
    proxy = proxy_to(own_cluster)
    job = make_job(rows=300, sql=slow_sql(), dsn=own_cluster.dsn(port=proxy.port), server=own_cluster)
    expected = job.expected()
    run = job.start()
    run.await_lines(60)
    run.await_connections()
    before = proxy.count
    own_cluster.stop("smart", wait=False)
    run.check(0)
    assert job.output.read_bytes() == expected
    eventually(lambda: not own_cluster.running(), "the server ends once we have left")
    assert proxy.count == before


@pytest.mark.fault(32)
def test_fault_32_frozen_backend_costs_only_its_own_statement(make_job, own_cluster):
    job = make_job(rows=300, sql=slow_sql(), server=own_cluster)
    run = job.start(request_timeout="1s", close_timeout="500ms", max_retries="forever")
    run.await_lines(40)
    frozen = []

    def freeze():
        for pid in own_cluster.sessions()[:1]:
            with contextlib.suppress(ProcessLookupError):   # where all is slow, a connection may just have been left
                os.kill(pid, signal.SIGSTOP)
                frozen.append(pid)
        return frozen
    try:
        with run.logs_again(r"timed out after 1\.0\d* s in query \(request_timeout\)"):
            eventually(freeze, "a session is frozen")
        run.check(0)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    job.complete()
    assert run.summary["retries"] >= 1
    own_cluster.no_sessions()
