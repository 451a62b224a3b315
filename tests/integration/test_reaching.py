"""FAULTS.md 1-9: the server cannot be reached, does not answer, or says it is not ready."""

import pytest

from harness import invariants, wire
from harness.program import RECONNECTED, slow_sql
from harness.proxy import Plan
from harness.waiting import eventually

IN_FLIGHT = 3                       # max_concurrent: what a cut connection can make run again, once each


@pytest.fixture
def job(make_job, proxy, cluster):
    """A job through the proxy, long enough to be hurt in its middle."""
    return make_job(rows=250, sql=slow_sql(), dsn=cluster.dsn("plain", port=proxy.port))


@pytest.mark.fault(1)
def test_fault_01_refused_connections_are_retried_and_cost_no_try(job, proxy):
    run = job.start()
    run.await_lines(40)
    proxy.refuse()
    proxy.cut_all()
    run.await_log("(?i)refused", 5)
    with run.comes_back():
        proxy.accept()
    run.check(0)
    job.complete()
    assert run.logged(RECONNECTED) >= 1
    assert run.summary["retries"] <= IN_FLIGHT
    assert proxy.peak() <= IN_FLIGHT


@pytest.mark.fault(1)
def test_fault_01_refused_from_the_start_is_waited_out(job, proxy):
    proxy.refuse()
    run = job.start()
    run.await_log("(?i)refused", 3)
    assert not job.output.exists()
    proxy.accept()
    run.check(0)
    job.complete()


@pytest.mark.security(17)
def test_connect_retries_bound_the_first_connect(job, proxy):
    """n retries are n + 1 tries: SEMANTICS.md 1 and 2."""
    proxy.default = Plan(on_accept="rst")
    run = job.run(status=4, max_outage=None, connect_retries=2, retry_delay="100ms", max_concurrent=1)
    assert proxy.count == 3
    assert not job.output.exists()
    assert "127.0.0.1" in run.log + run.stderr
    given_up = next(line for line in run.stderr.splitlines() if "given up after 2 retries" in line)
    assert given_up.count("system error") == 1, given_up


@pytest.mark.fault(2)
def test_fault_02_connect_that_hangs_ends_at_its_deadline(job, proxy):
    proxy.hang()
    run = job.start(connect_timeout="500ms")
    run.await_log(r"timed out after 0\.5\d* s in tcp \(connect_timeout\)", 2)
    proxy.accept()
    run.check(0)
    job.complete()


@pytest.mark.fault(2)
def test_fault_02_reconnect_that_hangs_ends_at_its_own_deadline(job, proxy):
    run = job.start(reconnect_timeout="500ms")
    run.await_lines(40)
    proxy.hang()
    proxy.cut_all()
    run.await_log(r"timed out after 0\.5\d* s in tcp \(reconnect_timeout\)", 2)
    with run.comes_back():
        proxy.accept()
    run.check(0)
    job.complete()


@pytest.mark.fault(3)
@pytest.mark.security(17)
@pytest.mark.parametrize("cut", ["rst", "fin"])
def test_fault_03_accepted_and_closed_at_once_backs_off(job, proxy, cut):
    run = job.start(retry_delay="100ms", max_retry_delay="400ms")
    run.await_lines(40)
    run.await_connections()
    before = proxy.count
    proxy.default = Plan(on_accept=cut)
    proxy.cut_all()
    eventually(lambda: proxy.count >= before + 6, "six dials during the outage")
    with run.comes_back():
        proxy.default = Plan()
    run.check(0)
    job.complete()
    steps = [100, 200, 400, 400, 400]                       # ms, of which jitter takes up to a half
    assert all(50 <= wait <= 100 for wait in invariants.delays(run.log, behind="HEALTHY"))
    dialled = invariants.delays(run.log, behind="RECONNECTING")
    assert len(dialled) >= 4
    assert all(step / 2 <= wait <= step for step, wait in zip(steps[1:], dialled)), dialled
    assert run.summary["retries"] <= IN_FLIGHT


@pytest.mark.fault(3)
@pytest.mark.security(17)
def test_link_that_dies_right_after_login_does_not_reset_the_backoff(job, proxy):
    """A server that lets in and drops is as bad as one that refuses: the delays must go on growing."""
    run = job.start(retry_delay="50ms", max_retry_delay="800ms", max_concurrent=1)
    run.await_lines(40)
    before = proxy.count
    proxy.default = Plan(cut_down=0, after_login=True)
    proxy.cut_all()
    eventually(lambda: proxy.count >= before + 6, "six logins that die at once")
    proxy.default = Plan()
    run.check(0)
    job.complete()
    waits = invariants.delays(run.log)
    assert all(step / 2 <= wait <= step for step, wait in zip((50, 100, 200, 400, 800), waits)), waits


@pytest.mark.security(17)
def test_outage_has_one_canary_not_one_per_connection(job, proxy):
    """SEMANTICS.md 6: during an outage one connection dials, whatever max_concurrent is."""
    run = job.start(max_concurrent=3, reconnect_timeout="600ms")
    run.await_lines(40)
    run.await_connections()
    before = proxy.count
    proxy.default = Plan(reply=b"", then=None)                  # accepted and never answered
    proxy.cut_all()
    eventually(lambda: proxy.count >= before + 4, "dials during the outage")
    proxy.default = Plan()
    run.check(0)
    job.complete()
    assert invariants.one_dials_alone(run.log) >= 4


@pytest.mark.fault(43)
@pytest.mark.security(17)
def test_fault_43_connections_lost_at_once_come_back_behind_one_that_dials_alone(make_job, proxy, cluster):
    """Twelve connections come back, three times, with one dial each. How they are spread, rule 6's unit tests show."""
    job = make_job(rows=4000, sql=slow_sql(), dsn=cluster.dsn("plain", port=proxy.port))
    proxy.limit = 12
    run = job.start(max_concurrent=12, retry_delay="1s", max_retry_delay="1s")
    run.await_log("CONNECTING -> HEALTHY", 12)
    for at in (100, 500, 900):
        run.await_lines(at)
        with run.logs_again("RECONNECTING -> HEALTHY", 12), run.stopped():   # all are lost at once, and all are back
            proxy.cut_all()
    run.check(0)
    job.complete()
    assert invariants.one_dials_alone(run.log) == 1
    assert proxy.count == 4 * 12, "one dial each"


@pytest.mark.fault(7)
def test_fault_07_full_slots_shrink_the_run_and_it_grows_back(make_job, cluster):
    job = make_job(rows=400, sql=slow_sql(), dsn=cluster.dsn("limited"))
    cluster.sql("ALTER ROLE limited CONNECTION LIMIT 1")
    try:
        run = job.start()
        run.await_lines(30)                                     # the job works with the one connection that it gets
        assert len(cluster.sessions("limited")) == 1
        cluster.sql("ALTER ROLE limited CONNECTION LIMIT 0")
        with run.logs_again("53300", 3):
            cluster.terminate("limited")
        cluster.sql("ALTER ROLE limited CONNECTION LIMIT -1")
        eventually(lambda: len(cluster.sessions("limited")) == 3, "all three connections are back")
        run.check(0)
    finally:
        cluster.sql("ALTER ROLE limited CONNECTION LIMIT -1")
    job.complete()
    assert run.summary["retries"] <= IN_FLIGHT


@pytest.mark.fault(8)
def test_fault_08_server_that_starts_up_is_waited_out(job, proxy):
    run = job.start(max_retries=1)                              # 57P03 must not spend it
    run.await_lines(40)
    run.await_connections()
    before = proxy.count
    proxy.default = Plan(reply=wire.error("57P03", "the database system is starting up"))
    proxy.cut_all()
    eventually(lambda: proxy.count >= before + 5, "five answers of 57P03")
    with run.comes_back():
        proxy.default = Plan()
    run.check(0)
    job.complete()
    assert run.logged("57P03") >= 4
    assert run.summary["retries"] <= IN_FLIGHT


@pytest.mark.fault(9)
def test_fault_09_frozen_postmaster_is_a_hang_and_leaves_no_duplicates(make_job, own_cluster):
    job = make_job(rows=250, sql=slow_sql(), server=own_cluster)
    run = job.start(reconnect_timeout="700ms", connect_timeout="700ms")
    run.await_lines(40)
    assert own_cluster.value("SELECT 1") == 1                   # the tests' own session, made before the freeze
    with own_cluster.frozen():
        own_cluster.terminate()
        # A connection that was lost while it was probed has the limit probe_reconnect_timeout.
        run.await_log(r"timed out after 0\.7\d* s in (tls|login|tcp) \((probe_)?(re)?connect_timeout\)", 2)
    run.check(0)
    job.complete()
    own_cluster.no_sessions()
