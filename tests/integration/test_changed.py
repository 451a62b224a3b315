"""REPORT.md 35: a server that is not the one that acknowledged the lines before is named, for each --replay."""

import itertools
import json
import os
import re
import signal
import threading

import pytest

from harness import wire
from harness.between import Pgbouncer
from harness.program import rows_of
from harness.proxy import Plan
from harness.waiting import eventually

INSERT = "INSERT INTO ledger (line, note) SELECT wait_at($1::int), 'new' RETURNING run_id > 0 AS done"
REPLAYS = ["unsent", "safe", "resolve"]
MISSING = "lines acknowledged shortly before may be missing"
ANEW, CRASHED = "it was started anew", "it crashed, or its statistics were reset"
MIDDLE, LATER = 30, 45                  # lines at which a job waits, so that what happens to it happens before its end


def shut(server, *lines):
    """The server with a gate at each of these lines, which outlives restarts and is on its standbys too."""
    server.sql("CREATE TABLE gate (line int)")
    server.sql("GRANT ALL ON gate TO PUBLIC")
    server.sql("""CREATE FUNCTION wait_at(n int) RETURNS int LANGUAGE plpgsql AS $$
        BEGIN WHILE EXISTS (SELECT FROM gate WHERE line = n) LOOP PERFORM pg_sleep(0.01); END LOOP; RETURN n; END $$""")
    for line in lines:
        server.sql("INSERT INTO gate VALUES (%s)", line)
    return server


def open_up(server, line=MIDDLE):
    server.sql("DELETE FROM gate WHERE line = %s", line)


@pytest.fixture
def server(own_cluster):
    return shut(own_cluster, MIDDLE)


@pytest.fixture
def pair(primary, standby):
    """A primary, and a standby that has its gate."""
    shut(primary, MIDDLE)
    standby.await_caught_up()
    return primary, standby


@pytest.fixture
def job(make_job, server):
    return make_job(rows=60, sql=INSERT, server=server, dsn=server.dsn("plain"))


def begin(job, replay, **options):
    """A run that waits in its middle. It has one connection, behind which all later lines wait: the job cannot come to
    its end, where the server is asked for a moment only, while the server is down."""
    run = job.start(write=True, replay=replay, max_concurrent=1, **options)
    run.await_lines(MIDDLE - 5)
    return run


def end(run):
    """How the server changed, as the summary has it; log and stderr must say the same, in order."""
    assert run.finish() in (0, 5), run.tail()
    told = run.summary["server_changes"]
    assert run.summary["server_changes_count"] == len(told)
    for text, before in ((run.log, r"\S+Z warn  the server"), (run.stderr, "  server     ")):
        said = re.findall(rf"^{before} changed at (\S+Z) \(([^)]*)\): {MISSING}", text, re.M)
        assert said == [(change["at"], change["how"]) for change in told]
    return [change["how"] for change in told]


def both(*servers):
    """A DSN of the role that needs no password, with a host for each server."""
    at = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    return f"postgres://trusted@{at}/db?sslmode=disable"


@pytest.mark.rule(35)
@pytest.mark.both_servers
@pytest.mark.parametrize("replay", REPLAYS)
def test_restart_in_the_middle_is_told_once(job, server, replay):
    run = begin(job, replay)
    server.restart()
    open_up(server)
    assert end(run) == [ANEW]
    started = server.value("SELECT to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', "
                           "'YYYY-MM-DD\"T\"HH24:MI:SS.MS')")
    told = run.summary["server_changes"][0]["server_started"]
    assert told[:-2] == started[:-1]                                # the last digit is cut here and rounded there
    assert f"{MISSING}; it runs since {told} by its own clock" in run.stderr


@pytest.mark.rule(35)
@pytest.mark.parametrize("replay", REPLAYS)
def test_each_restart_is_a_change_of_its_own(job, server, replay):
    server.sql("INSERT INTO gate VALUES (%s)", LATER)
    run = begin(job, replay, max_pipelined=1)     # else the question waits behind the line LATER
    server.restart()
    open_up(server)
    run.await_lines(LATER - 5)
    run.await_log("the server changed at")
    server.restart()
    open_up(server, LATER)
    assert end(run) == [ANEW, ANEW]


@pytest.mark.rule(35)
@pytest.mark.both_servers
@pytest.mark.parametrize("replay", REPLAYS)
def test_crash_that_the_servers_own_process_outlives_is_told(job, server, replay):
    """A backend dies by SIGKILL: all are ended, and what was not flushed is lost. Its start stays what it was."""
    run = begin(job, replay)
    os.kill(server.sessions("plain")[0], signal.SIGKILL)
    server.forget_admin()
    run.await_log("-> BACKOFF")
    eventually(lambda: server.log.read_text().count("ready to accept connections") > 1, "it has recovered")
    open_up(server)
    assert end(run) == [CRASHED]


@pytest.mark.rule(35)
@pytest.mark.parametrize("replay", REPLAYS)
def test_promotion_of_a_standby_is_told_with_both_timelines(make_job, pair, replay):
    primary, standby = pair
    job = make_job(rows=60, sql=INSERT, server=primary, dsn=both(*pair))
    run = begin(job, replay, max_outage="600s")
    primary.stop("immediate")
    standby.promote()
    open_up(standby)
    assert end(run) == ["timeline 1 -> 2"]
    assert run.summary["server_changes"][0]["server_started"] is None


@pytest.mark.rule(35)
@pytest.mark.parametrize("replay", REPLAYS)
def test_restart_between_two_runs_is_told_at_the_resume_and_not_again(job, server, replay):
    server.sql("INSERT INTO gate VALUES (%s)", LATER)
    run = begin(job, replay)
    run.end()
    assert not run.logged("the server changed")
    server.restart()
    open_up(server)
    run = job.start(write=True, replay=replay)
    run.await_lines(LATER - 5)
    assert run.logged(rf"warn  the server changed at \S+ \({ANEW}\): {MISSING}") == 1
    run.end()
    open_up(server, LATER)
    assert end(job.start(write=True, replay=replay)) == []


@pytest.mark.rule(35)
@pytest.mark.parametrize("replay", REPLAYS)
def test_promotion_between_two_runs_is_told_at_the_resume(make_job, pair, replay):
    primary, standby = pair
    job = make_job(rows=60, sql=INSERT, server=primary, dsn=both(*pair))
    begin(job, replay).end()
    primary.stop("immediate")
    standby.promote()
    open_up(standby)
    assert end(job.start(write=True, replay=replay)) == ["timeline 1 -> 2"]


@pytest.mark.rule(35)
@pytest.mark.parametrize("replay", REPLAYS)
def test_restart_behind_a_pooler_that_keeps_our_links_is_told_at_the_end(make_job, between, server, replay):
    """PAUSE holds back what comes and waits for what runs: no connection of ours is lost."""
    pgbouncer = between(Pgbouncer, server)
    job = make_job(rows=60, sql=INSERT, server=server, dsn=server.dsn("plain", port=pgbouncer.port))
    run = begin(job, replay)
    pausing = threading.Thread(target=pgbouncer.say, args=("PAUSE db",))
    pausing.start()
    eventually(pgbouncer.pauses, "pgbouncer holds everything back")
    open_up(server)
    pausing.join()
    server.restart()
    pgbouncer.say("RESUME db")
    assert end(run) == [ANEW]
    assert run.status == 0 and run.summary["losses"] == 0


@pytest.mark.rule(35)
@pytest.mark.both_servers
@pytest.mark.parametrize("replay", REPLAYS)
def test_undisturbed_job_says_nothing(job, server, replay):
    """Nor does one that is resumed, or whose connections alone were lost."""
    server.sql("INSERT INTO gate VALUES (%s)", LATER)
    begin(job, replay).end()
    server.terminate("plain")                           # what waits goes on waiting without its client
    server.no_sessions("plain")
    open_up(server)
    run = job.start(write=True, replay=replay)
    run.await_lines(LATER - 5)
    eventually(lambda: server.terminate("plain", "active"), "a statement of it is ended")
    run.await_log("-> BACKOFF")
    open_up(server, LATER)
    assert end(run) == [] and run.summary["losses"] > 0
    assert run.summary["server_unasked"] is None
    assert not run.logged("since when it runs|which server acknowledged")


@pytest.mark.rule(35)
@pytest.mark.parametrize("replay", REPLAYS)
def test_restart_before_the_first_acknowledged_write_says_nothing(make_job, own_cluster, replay):
    server = shut(own_cluster, 1)
    job = make_job(rows=20, sql=INSERT, server=server, dsn=server.dsn("plain"))
    run = job.start(write=True, replay=replay, max_concurrent=1)
    eventually(lambda: server.sql("SELECT 1 FROM pg_stat_activity WHERE usename = 'plain' AND wait_event = 'PgSleep'"),
               "the first line waits")
    server.restart("immediate")
    open_up(server, 1)
    assert end(run) == []


@pytest.mark.rule(35)
@pytest.mark.parametrize("replay", REPLAYS)
@pytest.mark.parametrize("cut", [True, False], ids=["refused", "silent"])
def test_server_that_cannot_be_asked_at_the_end_costs_no_finished_job(make_job, own_cluster, proxy_to, replay, cut):
    """Behind the answer to the last line nothing comes any more: the job is done, and that nobody could ask is said."""
    server, proxy = shut(own_cluster), proxy_to(own_cluster)
    job = make_job(rows=5, sql=INSERT, server=server, dsn=server.dsn("plain", port=proxy.port))
    tag, done, last, over = b"COMMIT" if replay == "resolve" else b"INSERT", itertools.count(1), [], []

    def rewrite(kind, body, link):
        if over:
            return b""
        if kind == b"C" and body.startswith(tag) and next(done) == 5:
            last.append(link)
        if kind == b"Z" and last:
            over.append(link)
            proxy.default = Plan(on_accept="rst")
            return wire.message(kind, body) + (wire.error("57P01", "the end") if cut else b"")
        return wire.message(kind, body)
    proxy.default = Plan(rewrite=rewrite)
    run = job.start(write=True, replay=replay, max_concurrent=1, probe_timeout="500ms", close_timeout="100ms")
    assert end(run) == [] and run.status == 0
    assert [row[0] for row in rows_of(job.output)[1:]] == ["1", "2", "3", "4", "5"]
    said = "could not be asked at the end whether it is the one it was: it gave no answer in time; "
    assert run.summary["server_unasked"] == "it gave no answer in time"
    assert run.logged(f"warn  the server {said}") == 1 and f"  server      {said}" in run.stderr


@pytest.mark.rule(35)
def test_reads_ask_nothing_more(make_job, server):
    server.sql("ALTER SYSTEM SET log_statement = 'all'")
    server.reload()
    job = make_job(rows=60, sql="SELECT wait_at($1::int) AS n", server=server, dsn=server.dsn("plain"))
    run = job.start()
    run.await_lines(MIDDLE - 5)
    server.restart()
    open_up(server)
    assert end(run) == [] and run.status == 0 and run.summary["losses"] > 0
    assert "pg_postmaster_start_time" not in server.log.read_text()


@pytest.mark.rule(35)
def test_log_of_json_says_it_too(job, server):
    run = begin(job, "safe", log_format="json")
    server.restart()
    open_up(server)
    run.check(0)
    told, = [line for line in map(json.loads, run.log.splitlines()) if "the server changed" in line["message"]]
    assert (told["level"], told["how"]) == ("warn", ANEW) and MISSING in told["message"]
    summary = json.loads(run.stderr.splitlines()[-1])
    assert [change["how"] for change in summary["server_changes"]] == [ANEW]


@pytest.mark.rule(35)
@pytest.mark.parametrize("replay", REPLAYS)
def test_role_that_may_not_ask_for_the_identifier_is_told_of_a_restart_all_the_same(job, server, replay):
    server.sql("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    run = begin(job, replay)
    server.restart()
    open_up(server)
    assert end(run) == [ANEW]


@pytest.mark.rule(35)
@pytest.mark.parametrize("replay", REPLAYS)
def test_server_that_cannot_tell_is_a_notice_and_no_exit(job, server, replay):
    """As CockroachDB, which has neither function."""
    for of in ("pg_walfile_name(pg_lsn)", "pg_control_system()"):
        server.sql(f"REVOKE EXECUTE ON FUNCTION {of} FROM PUBLIC")
    run = begin(job, replay)
    server.restart()
    open_up(server)
    assert end(run) == [] and run.summary["server_unasked"] is None
    assert run.logged("info  the server does not tell since when it runs: .*42501") == 1
