"""A network that loses packets, and names that move: two namespaces with a cable between them. Needs root."""

import contextlib
import re
import signal

import pytest

from harness.network import FAR, NOBODY, OTHER, Names
from harness.program import RECONNECTED, slow_sql
from harness.waiting import eventually

IN_FLIGHT = 3


@pytest.fixture
def job(make_job, far_cluster):
    return make_job(rows=250, sql=slow_sql(), server=far_cluster)


@pytest.fixture
def names(network):
    with contextlib.closing(Names(network)) as made:
        yield made


@pytest.fixture
def named_job(make_job, far_cluster):
    return make_job(rows=250, sql=slow_sql(), server=far_cluster, dsn=far_cluster.dsn(host="db.test"))


@pytest.mark.fault(2)
def test_fault_02_connect_over_a_dead_cable_ends_at_its_deadline(job, network):
    network.pull()
    run = job.start(connect_timeout="500ms")
    run.await_log(r"timed out after 0\.5\d* s in tcp \(connect_timeout\)", 2)
    network.plug()
    run.check(0)
    job.complete()


@pytest.mark.fault(4)
def test_fault_04_name_that_does_not_resolve_is_asked_for_again_at_each_attempt(named_job, names):
    run = named_job.start(connect_retries=1000, max_outage=None)
    run.await_log(r"db\.test.*does not|not.*db\.test", 4)
    asked = len(names.asked)
    assert asked >= 4 and set(names.asked) == {"db.test"}
    names.answers["db.test"] = [FAR]
    run.check(0)
    named_job.complete()
    assert len(names.asked) > asked and run.summary["retries"] == 0


@pytest.mark.fault(4)
def test_fault_04_name_server_that_says_nothing_costs_one_connect_timeout_each_time(named_job, names):
    names.answers["db.test"] = None
    run = named_job.start(connect_timeout="700ms")
    run.await_log(r"timed out after 0\.7\d* s in resolve \(connect_timeout\)", 2)
    names.answers["db.test"] = [FAR]
    run.check(0)
    named_job.complete()


@pytest.mark.fault(5)
def test_fault_05_second_address_is_used_in_time_and_the_first_stays_eligible(named_job, names, network, far_cluster):
    names.answers["db.test"] = [NOBODY, FAR]
    run = named_job.start(connect_timeout="6s", reconnect_timeout="6s", request_timeout="3s", close_timeout="500ms",
                          max_retries="forever")
    run.await_lines(20)
    assert run.logged("BACKOFF") <= run.logged(r"\((connect|request)_timeout\)"), \
        "a dead address beside a good one is no failed attempt"         # where all is slow, a good one may be late, too
    with run.logs_again(RECONNECTED):
        network.take(FAR)
        network.give(NOBODY)                    # the name's addresses change places
        far_cluster.terminate()
    run.check(0)
    named_job.complete()
    timed_out = run.logged(r"\(request_timeout\)")
    cancelled = far_cluster.log.read_text().count("canceling statement due to user request")
    assert run.summary["retries"] <= max(IN_FLIGHT, timed_out) + cancelled


@pytest.mark.fault(6)
def test_fault_06_address_that_changed_during_the_outage_is_used_at_the_next_attempt(named_job, names, network,
                                                                                     far_cluster):
    names.answers["db.test"] = [FAR]
    run = named_job.start(reconnect_timeout="700ms", request_timeout="1s", close_timeout="500ms", max_retries="forever")
    run.await_lines(40)
    with run.logs_again(r"\(reconnect_timeout\)"):
        network.take(FAR)
    with run.logs_again(RECONNECTED):
        names.answers["db.test"] = [OTHER]
    run.check(0)
    named_job.complete()


@pytest.mark.fault(19)
def test_fault_19_pulled_cable_is_found_by_our_own_deadline_and_healing_in_time(job, network, far_cluster):
    """Nobody acknowledges what is sent: holdfast's deadlines are far below the kernel's."""
    run = job.start(request_timeout="1s", reconnect_timeout="1s", close_timeout="300ms", max_retries="forever")
    run.await_lines(40)
    with run.logs_again(r"timed out after 1\.0\d* s in query \(request_timeout\)"), run.logs_again("-> RECONNECTING", 2):
        network.pull()
    with run.comes_back():
        network.plug()
    run.check(0)
    job.complete()
    far_cluster.no_sessions()


@pytest.mark.fault(20)
def test_fault_20_short_loss_within_the_time_out_costs_nothing(make_job, network, far_cluster):
    """TCP repeats what was lost: a cable that is out for a moment, and loses an answer, is no outage."""
    job = make_job(rows=250, sql=slow_sql(0), server=far_cluster, gate=40)
    run = job.start(max_concurrent=1)
    for at in (40, 80, 120):
        far_cluster.await_held(1)
        network.pull()
        job.shut(at + 40)
        eventually(lambda: far_cluster.sessions(state="idle"), "the server has answered")
        network.plug()
    run.check(0)
    job.complete()
    assert run.summary["retries"] == 0 and not run.summary["outages"]


@pytest.mark.fault(20)
@pytest.mark.parametrize("network", [True], indirect=True, ids=["cable in hand"])
def test_fault_20_frames_lost_here_and_there_cost_time_and_nothing_else(make_job, network, far_cluster):
    """Each ninth frame of either side is lost: TCP sends again all the time."""
    job = make_job(rows=40, sql=slow_sql(), server=far_cluster)
    network.cable.lose_each = 9
    run = job.start(connect_timeout="600s", probe_timeout="600s", close_timeout="10s")
    run.check(0)
    job.complete()
    assert run.summary["retries"] == 0 and not run.summary["outages"]
    assert network.cable.lost >= 10


@pytest.mark.fault(28, 32)
def test_fault_28_cancel_over_a_dead_cable_is_abandoned_and_the_server_drops_the_session(make_job, network,
                                                                                         far_cluster):
    """Line 3 sleeps until a row is there. Neither the cancel nor the end of the link arrives at the server."""
    job = make_job(rows=5, server=far_cluster, sql="""SELECT $1::int AS n, pg_sleep(
        CASE WHEN $1::int = 3 AND NOT EXISTS (SELECT FROM single) THEN 300 ELSE 0 END)::text AS s""")
    run = job.start(request_timeout="1500ms", reconnect_timeout="1s", close_timeout="700ms", max_concurrent=1,
                    max_retries="forever", max_pipelined=1)
    run.await_lines(3)
    with run.logs_again(r"timed out after 1\.5\d* s in query \(request_timeout\)"), run.logs_again("-> RECONNECTING"):
        run.stop_under_way(far_cluster)
        orphan, = far_cluster.sessions("app", "active")
        network.pull()
        run.send(signal.SIGCONT)
    assert orphan in far_cluster.sessions("app", "active"), "nothing can have reached the server"
    far_cluster.sql("INSERT INTO single VALUES (1, 'go on')")
    network.plug()
    run.check(0)
    job.complete()
    assert run.summary["retries"] >= 1
    # By the keepalives (30 s) and the client_connection_check_interval (10 s) that the login asked for, at the latest.
    eventually(lambda: not far_cluster.sessions(), "the server has dropped the session that was left to it")


def test_idle_connection_over_a_dead_cable_is_found_by_its_probe(holdfast, network, far_cluster):
    """Nobody sends anything: only a probe can tell that nobody is there."""
    run = holdfast("watch", dsn=far_cluster.dsn(), network=network, probe_interval="300ms", probe_timeout="500ms",
                   probe_reconnect_timeout="500ms", retry_delay="100ms", max_retry_delay="200ms", wait=False)
    eventually(lambda: "-> healthy" in run.stdout, "it is connected")
    network.pull()
    eventually(lambda: re.search(r"timed out after 0\.5\d* s in probe \(probe_timeout\)", run.stdout), "the probe")
    eventually(lambda: "(probe_reconnect_timeout)" in run.stdout, "it dials in vain")
    network.plug()
    eventually(lambda: re.search(r"reconnecting\s+-> healthy", run.stdout), "it is back")
    run.send(signal.SIGTERM)
    assert run.finish() == 0
