"""--replay resolve, the default of a write: when the answer to a COMMIT is lost, the server is asked what became of it,
and believed only if it is the same server in the same life (SEMANTICS.md 15, REPORT.md 25)."""

import contextlib
import os
import signal

import pytest

from harness.program import rows_of
from harness.proxy import Plan
from harness.waiting import eventually

INSERT = "INSERT INTO ledger (line, note) VALUES ($1::int, 'new') RETURNING line * 2 AS twice"
ASKED = r"line {}: asked the server what became of its commit: {}"


@pytest.fixture
def server(own_cluster):
    own_cluster.sql("""CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pass(NEW.line); RETURN NULL; END $$""")
    own_cluster.sql("""CREATE CONSTRAINT TRIGGER pause AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION pause()""")
    return own_cluster


@pytest.fixture
def job(make_job, server, proxy_to):
    """30 lines through a proxy; the COMMIT of line 12 waits until server.open_up()."""
    made = make_job(rows=30, sql=INSERT, server=server, dsn=server.dsn("plain", port=(proxy := proxy_to(server)).port))
    made.proxy = proxy
    server.shut(11)
    return made


def start(job, **options):
    return job.start(**{"write": True, "max_concurrent": 1, **options})


def committing(server):
    """The session whose COMMIT is under way."""
    eventually(lambda: server.sql("SELECT 1 FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep'"),
               "the COMMIT of line 12 is under way")


def written(server, line=12):
    """The COMMIT goes on, and takes place."""
    server.open_up()
    eventually(lambda: server.value("SELECT count(*) FROM ledger WHERE line = %s", line), "it is committed")


def lose_answer(job, server):
    """The commit takes place, its answer does not arrive, and then the link is reset."""
    job.proxy.black_hole(up=False, down=True, only_existing=True)
    written(server)
    job.proxy.cut_all()
    job.proxy.heal()


def all_done_once(job, server):
    assert dict(server.sql("SELECT line, count(*)::int FROM ledger GROUP BY line")) == {n: 1 for n in range(1, 31)}
    assert rows_of(job.output)[1:] == [[str(n), str(2 * n)] for n in range(1, 31)]
    assert not job.unknown.exists()


@pytest.mark.both_servers
def test_commit_whose_answer_was_cut_by_a_proxy_is_resolved_with_the_row_there_once(job, server):
    run = start(job)
    committing(server)
    lose_answer(job, server)
    run.check(0)
    all_done_once(job, server)
    assert run.logged(ASKED.format(13, "ok"))


@pytest.mark.both_servers
def test_commit_in_progress_is_asked_about_until_it_is_over(job, server):
    run = start(job)
    committing(server)
    job.proxy.cut_all()
    eventually(lambda: server.sql("SELECT 1 FROM pg_stat_activity WHERE usename = 'plain' AND query ~ 'xact_status'"),
               "it is asked about")
    server.open_up()
    run.check(0)
    all_done_once(job, server)
    assert run.logged(ASKED.format(13, "ok"))


@pytest.mark.both_servers
def test_commit_that_was_rolled_back_runs_again(job, server):
    run = start(job)
    committing(server)
    job.proxy.black_hole(up=False, down=True, only_existing=True)
    server.terminate("plain", "active")
    server.no_sessions("plain")
    server.open_up()
    job.proxy.cut_all()
    job.proxy.heal()
    run.check(0)
    all_done_once(job, server)
    assert run.logged(ASKED.format(13, "ok")) and run.logged("line 13 was sent 2 times")


@pytest.mark.both_servers
def test_job_killed_at_its_commit_asks_when_it_is_run_again(job, server):
    """kill -9 of the job itself: its intent has the ticket and the line's output."""
    run = start(job)
    committing(server)
    run.end()
    written(server)
    again = start(job)
    again.check(0)
    all_done_once(job, server)
    assert again.logged(ASKED.format(13, "ok"))


def test_job_killed_at_a_commit_that_was_rolled_back_runs_the_line_again(job, server):
    run = start(job)
    committing(server)
    run.end()
    server.terminate("plain", "active")
    server.open_up()
    again = start(job)
    again.check(0)
    all_done_once(job, server)


def test_job_stopped_while_nobody_can_be_asked_leaves_the_line_for_the_next_run(job, server):
    """The line is not UNKNOWN: the server was not asked yet. Exit 4, and the same command asks."""
    run = start(job)
    committing(server)
    job.proxy.black_hole(up=False, down=True, only_existing=True)
    written(server)
    job.proxy.refuse()
    job.proxy.cut_all()
    run.await_log("HEALTHY -> BACKOFF")
    run.send(signal.SIGTERM)
    run.check(4)
    assert not job.unknown.exists()
    job.proxy.accept()
    job.proxy.heal()
    again = start(job)
    again.check(0)
    all_done_once(job, server)
    assert again.logged(ASKED.format(13, "ok"))


def test_refusal_for_good_leaves_what_is_to_be_asked_for_the_next_run(job, server):
    """The line is not UNKNOWN: the server refused the login of the connection that was to ask, not the question."""
    run = start(job)
    committing(server)
    job.proxy.black_hole(up=False, down=True, only_existing=True)
    written(server)
    server.sql("ALTER ROLE plain NOLOGIN")
    job.proxy.cut_all()
    job.proxy.heal()
    run.check(3)
    assert not job.unknown.exists()
    server.sql("ALTER ROLE plain LOGIN")
    again = start(job)
    again.check(0)
    all_done_once(job, server)
    assert again.logged(ASKED.format(13, "ok"))


def test_commit_of_which_the_server_is_not_sure_in_a_stop_is_asked_about_by_the_next_run(job, server):
    server.sql("""CREATE OR REPLACE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.line = 12 AND to_regclass('calm') IS NULL THEN PERFORM pg_sleep(3600); END IF; RETURN NULL;
        EXCEPTION WHEN query_canceled THEN RAISE EXCEPTION 'who knows' USING ERRCODE = '40003'; END $$""")
    run = start(job)
    committing(server)
    run.send(signal.SIGTERM)                # which waits for the COMMIT, and does not cancel it
    server.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'plain' AND state = 'active'")
    run.check(4)
    assert "who knows" in server.log.read_text()
    assert not job.unknown.exists()
    server.sql("CREATE TABLE calm ()")
    start(job).check(0)
    all_done_once(job, server)


def test_rolled_back_once_known_is_known_after_a_restart_of_the_server(job, server):
    """What the first run heard of the COMMIT is noted: the second need not ask a server that forgot."""
    server.sql("""CREATE OR REPLACE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.line = 12 AND to_regclass('calm') IS NULL THEN PERFORM pg_sleep(3600); END IF; RETURN NULL; END $$""")
    run = start(job)
    committing(server)
    job.proxy.black_hole(up=False, down=True, only_existing=True)
    server.terminate("plain", "active")
    server.no_sessions("plain")
    with server.connect() as holder:
        holder.cursor().execute("BEGIN; LOCK TABLE ledger")
        job.proxy.cut_all()
        job.proxy.heal()
        eventually(lambda: server.sql("SELECT 1 FROM pg_stat_activity WHERE usename = 'plain' "
                                      "AND wait_event_type = 'Lock'"), "it runs again")
        run.send(signal.SIGTERM)
        run.check(4)
    server.restart()
    server.sql("CREATE TABLE calm ()")
    start(job).check(0)
    all_done_once(job, server)


def test_resolved_writes_cut_at_any_byte_are_all_done_once(job, server):
    server.sql("DROP TRIGGER pause ON ledger")
    job.proxy.next(*[Plan(cut_down=9 * step, after_login=True, cut=("rst", "fin")[step % 2]) for step in range(70)],
                   *[Plan(cut_up=300 + 23 * step) for step in range(60)])
    run = start(job, retry_delay="2ms", max_retry_delay="5ms", max_retries=200)
    run.check(0)
    all_done_once(job, server)


@contextlib.contextmanager
def unflushed(server):
    """The commits are not on disk, since nothing flushes them, when the server crashes."""
    server.sql("ALTER SYSTEM SET synchronous_commit = off")
    server.reload()
    server.sql("CHECKPOINT")
    writers = [row[0] for row in server.sql("SELECT pid FROM pg_stat_activity WHERE backend_type IN "
                                            "('walwriter', 'background writer', 'checkpointer')")]
    for pid in writers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in writers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@pytest.mark.both_servers
def test_number_that_was_given_out_again_after_a_crash_is_not_believed(job, server):
    """The commit is lost by a crash and its number given to somebody else: `committed` would be a lie."""
    with unflushed(server):                                         # before the number is given out at all
        run = start(job)
        committing(server)
        job.proxy.black_hole()
        written(server)
        number = server.value("SELECT xmin::text FROM ledger WHERE line = 12")
        server.stop("immediate")
    server.start()
    job.proxy.cut_all()
    assert server.value("SELECT count(*) FROM ledger WHERE line = 12") == 0, "the crash lost it"
    eventually(lambda: server.value("SELECT txid_current()") >= int(number), "somebody else gets its number")
    assert server.value("SELECT pg_xact_status(%s::xid8)", number) == "committed", "which is a lie"
    job.proxy.heal()
    run.check(5)
    assert [row[1] for row in rows_of(job.unknown)[1:]] == ["12"]
    assert "HF_ERR_UNRESOLVED" in job.unknown.read_text()
    assert not server.value("SELECT count(*) FROM ledger WHERE line = 12")


def test_another_server_behind_the_same_address_is_not_believed(job, server, cluster):
    """A pooler or a failover to other data: whatever that server says, it is not about our transaction."""
    run = start(job)
    committing(server)
    cluster.sql("TRUNCATE ledger")
    job.proxy.target_port = cluster.port  # of the links to come
    lose_answer(job, server)
    run.check(5)
    assert [row[1] for row in rows_of(job.unknown)[1:]] == ["12"]
    assert server.value("SELECT count(*) FROM ledger") == 12
    assert cluster.value("SELECT count(*) FROM ledger") == 18


@pytest.mark.both_servers
def test_where_no_tickets_are_given_a_write_is_as_unsent(job, server):
    """A role that may not ask who the server is: every line is done, a lost answer is UNKNOWN."""
    server.sql("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    server.sql("DROP TRIGGER pause ON ledger")
    server.sql("""CREATE TRIGGER pause AFTER INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION pause()""")
    run = start(job)
    eventually(lambda: server.sql("SELECT 1 FROM pg_stat_activity WHERE usename = 'plain' AND wait_event = 'PgSleep'"),
               "line 12 is under way")
    lose_answer(job, server)
    run.check(5)
    assert [row[1] for row in rows_of(job.unknown)[1:]] == ["12"]
    assert server.value("SELECT count(*) FROM ledger") == 30


@pytest.mark.both_servers
def test_procedure_that_commits_by_itself_runs(make_job, server):
    server.sql("""CREATE PROCEDURE enter(n int) LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO ledger (line) VALUES (n); COMMIT; END $$""")
    job = make_job(rows=5, sql="CALL enter($1::int)", server=server)
    job.run(status=0, write=True)
    assert server.value("SELECT count(*) FROM ledger") == 5
