"""report --ledger, rule by rule (REPORT.md 36, 39, 41 to 44, 46); what is done with chunks is
test_report_ledger_chunks.py's, whatever is killed under it test_report_ledger_faults.py's."""

import contextlib
import json
import os
import re
import signal

import pytest

from harness import expect
from harness.exactly_once import Applied, applied, begun, chunks, make_tables, runs, writer
from harness.killing import crash
from harness.program import rows_of
from harness.waiting import eventually


@pytest.fixture
def server(own_cluster):
    return make_tables(own_cluster)


@pytest.fixture
def write(make_job, server):
    return writer(make_job, server)


# ---- 36: the run --------------------------------------------------------------------------------


@pytest.mark.rule(36)
def test_run_is_in_position_and_ledger_before_its_first_chunk(make_job, server):
    job = Applied(make_job, server, lines=100, gated=True, gate=1)
    job.job.gate = 0
    run = job.start()
    server.await_held(3, "plain")
    (first, state), = runs(server)
    assert state == "open" and re.fullmatch(r"[0-9a-f]{32}", first) and not chunks(server)
    assert job.job.position.exists()
    run.end()
    job.run()
    assert runs(server) == [(first, "closed")]
    job.holds()


@pytest.mark.rule(36)
@pytest.mark.parametrize("said, runs_there", [(True, 1), ("holdfast_ledger", 1), (False, 0)])
def test_config_file_says_ledger_as_the_command_line_does(write, server, said, runs_there):
    """true: the table of the usual name, as --ledger alone; false: none."""
    job = write("INSERT INTO applied (id) VALUES ($1::int)")
    config = job.folder / "nightly.json"
    config.write_text(json.dumps({"ledger": said}))
    job.run(ledger=None, batch=None, config=config)
    assert len(runs(server)) == runs_there and applied(server) == list(range(1, 21))


@pytest.mark.rule(36)
@pytest.mark.parametrize("way_out", ["resume_run", "new_run", "restart"])
def test_open_run_without_a_position_is_named_with_the_ways_out(make_job, server, way_out):
    """The files are gone. --resume-run finds what was done by its keys; the others apply all lines once more."""
    job = Applied(make_job, server, "rows", lines=200, gated=True, gate=60)
    begun(job, server).end()
    server.end_sessions()
    for path in job.job.folder.glob("report.csv*"):
        path.unlink()
    (open_run, _), = runs(server)
    refused = job.start().check(1)
    assert all(words in refused.stderr for words in (open_run, f"--resume-run {open_run}", "--new-run"))
    job.job.nothing_written()
    assert runs(server) == [(open_run, "open")]
    run = job.start(**{way_out: open_run if way_out == "resume_run" else True}).check(job.status)
    assert job.job.output.read_bytes() == job.file()
    assert len(applied(server)) == len(set(applied(server))) + (0 if way_out == "resume_run" else 60)
    if way_out == "resume_run":
        job.holds()
        assert run.summary["lines_healed"] == 0
    else:
        assert dict(runs(server))[open_run] == "open" and "what it did stands" in run.log


@pytest.mark.rule(36)
@pytest.mark.parametrize("what, words", [("0" * 32, "has no such run"), ("closed", "was finished at 20"), ("other", "of another job"),
                                         ("forgotten", "was closed unfinished"), ("nothing", "--resume-run")])
def test_run_that_cannot_be_resumed_is_refused(make_job, server, what, words):
    other = Applied(make_job, server, lines=80, gated=True, gate=60)
    if what == "closed":
        other.run()
    elif what in ("other", "forgotten"):
        begun(other, server).end()
    ids = dict((state, name) for name, state in runs(server))
    if what == "forgotten":
        ids["closed"], = ids.values()
        server.sql("UPDATE holdfast_ledger SET state = 'closed' WHERE chunk = 0")
    job = Applied(make_job, server, lines=30)
    run = job.start(resume_run=ids.get({"closed": "closed", "forgotten": "closed", "other": "open"}.get(what), what)).check(1)
    assert words in run.stderr
    job.job.nothing_written()


@pytest.mark.rule(36, 37)
def test_run_that_another_command_has_finished_is_told_as_such(make_job, server):
    """Two commands have the same run: who comes second is not told to apply all lines once more to be safe."""
    job = Applied(make_job, server, lines=200, gated=True, gate=60)
    begun(job, server).end()
    server.end_sessions()
    (run, _), = runs(server)
    first = job.job.output
    job.job.output = first.with_name("second.csv")
    assert "this one's chunks have 10 lines" in job.start(resume_run=run, batch=7).check(2).log
    before = applied(server)
    job.job.output = first
    said = job.start().check(3).stderr
    assert f"run {run} of {first}.part was finished at " in said and "none of its 200 lines is left to apply" in said
    assert "nobody knows" not in said and applied(server) == before


@pytest.mark.rule(24, 36)
def test_position_that_cannot_be_believed_points_to_the_run_that_the_ledger_has(make_job, server):
    """A disk's fault. What --restart would apply once more, --resume-run finds."""
    job = Applied(make_job, server, lines=200, gated=True, gate=60)
    begun(job, server).end()
    server.end_sessions()
    (run, _), = runs(server)
    job.job.position.write_text("no position")
    said = job.start().check(3).stderr
    assert "move away what this report has written, and --resume-run goes on with its run" in said
    for path in job.job.folder.glob("report.csv*"):
        path.unlink()
    job.start(resume_run=run).check(job.status)
    job.holds()


@pytest.mark.rule(28, 36)
def test_run_is_not_resumed_with_other_columns_than_its_rows_have(make_job, server):
    """The files are gone, and with them the columns of the output; the run's own row has them."""
    job = Applied(make_job, server, "rows", lines=200, gated=True, gate=60)
    job.job.query.write_text(job.job.query.read_text().rpartition("RETURNING")[0] + "RETURNING *")
    begun(job, server).end()
    server.end_sessions()
    for path in job.job.folder.glob("report.csv*"):
        path.unlink()
    (run, _), = runs(server)
    server.sql("ALTER TABLE applied ADD COLUMN \"more, and\" text")
    before = applied(server)
    refused = job.start(resume_run=run).check(1)
    assert """the query's columns are (id,name,"more, and"), and that run was begun with (id,name)""" in refused.stderr
    assert "--new-run begins anew, and applies all lines once more" in refused.stderr
    job.job.nothing_written()
    assert runs(server) == [(run, "open")] and applied(server) == before
    server.sql("ALTER TABLE applied DROP COLUMN \"more, and\"")
    job.start(resume_run=run).check(2)
    assert applied(server) == [i for i in range(1, 201) if i not in (95, 195)]
    assert len(rows_of(job.job.output)) == 1 + 198


@pytest.mark.rule(36)
def test_run_whose_row_says_nothing_of_columns_is_resumed(make_job, server):
    """A program before the columns were in the run's row has begun it."""
    job = Applied(make_job, server, "rows", lines=200, gated=True, gate=60)
    begun(job, server).end()
    server.end_sessions()
    for path in job.job.folder.glob("report.csv*"):
        path.unlink()
    (run, _), = runs(server)
    server.sql("UPDATE holdfast_ledger SET kept = (kept::jsonb - 'columns')::text WHERE chunk = 0")
    job.start(resume_run=run).check(2)
    job.holds()


@pytest.mark.rule(36, 44)
def test_restart_makes_a_new_run_and_the_old_one_can_do_nothing_any_more(make_job, server):
    job = Applied(make_job, server, lines=200, gated=True, gate=60)
    begun(job, server).end()
    server.end_sessions()
    (old, _), = runs(server)
    job.run(restart=True)
    (first, before), (new, state) = runs(server)
    assert (first, before) == (old, "closed") and new != old and state == "closed"
    assert len(applied(server)) == 198 + 60


@pytest.mark.rule(36)
@pytest.mark.parametrize("night", ["restart", "date"])
def test_same_command_on_two_nights_applies_each_line_twice_in_all(make_job, server, night):
    job = Applied(make_job, server, lines=200)
    for number in (1, 2):
        if night == "restart":
            job.run(if_finished="restart")
        else:
            zone = {1: "Etc/GMT+12", 2: "Etc/GMT-14"}[number]       # never the same day there
            job.start(output=job.job.folder / "night-{date}.csv", env={**os.environ, "TZ": zone}).check(2)
    outputs = [job.job.output] if night == "restart" else sorted(job.job.folder.glob("night-????-??-??.csv"))
    assert len(outputs) == (1 if night == "restart" else 2)
    for output in outputs:
        job.job.place_output(output)
        job.holds(times=2)
    assert [state for _, state in runs(server)] == ["closed", "closed"]


@pytest.mark.rule(27, 36)
@pytest.mark.parametrize("options", [{"write": None, "ledger": None, "batch": None}, {"ledger": None, "batch": None}, {}],
                         ids=["read", "write", "ledger"])
@pytest.mark.parametrize("when", ["finished", "unfinished"])
def test_message_that_points_to_restart_says_that_writes_are_applied_once_more(write, server, options, when):
    """And of a read it does not say so."""
    reads = "write" in options
    job = write("SELECT pass($1::int) AS n" if reads else "INSERT INTO applied (id) SELECT pass($1::int)", rows=200, gate=60)
    run = job.start(**options)
    if when == "finished":
        run.check(0)
    else:
        run.await_lines(10)
        run.end()
        job.open_up()
        server.end_sessions()
    job.cost_file.write_bytes(expect.csv_file(["id"], [("4711",)]))
    refused = job.start(**options).check(3)
    for said in (refused.stderr, refused.summary["reason"]):
        assert "--restart" in said and ("applies all lines once more" not in said) == reads


@pytest.mark.rule(36)
@pytest.mark.parametrize("option", [{"new_run": True}, {"resume_run": "0" * 32}])
def test_run_that_is_asked_for_beside_another_one_s_position_is_refused(make_job, server, option):
    job = Applied(make_job, server, lines=200, gated=True, gate=60)
    begun(job, server).end()
    server.end_sessions()
    before = runs(server), applied(server)
    refused = job.start(**option).check(1)
    assert "--restart begins a new run" in refused.stderr and ".position is there" in refused.stderr
    assert (runs(server), applied(server)) == before


# ---- 39: a key that is waited for ---------------------------------------------------------------


@pytest.mark.rule(39)
def test_transaction_of_an_earlier_self_that_holds_the_key_is_ended(make_job, server):
    """The killed job's backends wait at the gate in the middle of their chunks, and do not notice."""
    job = Applied(make_job, server, lines=100, gated=True, gate=5)
    run = job.start()
    eventually(lambda: server.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") >= 1, "at the gate")
    held = server.value("SELECT min(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    run.end()
    again = job.start()
    again.await_log(r"waits for an earlier run of lines \d+ to \d+, server process \d+, since [\d:]+: it is told to end")
    eventually(lambda: held not in server.sessions("plain"), "it has ended")
    again.check(job.status)
    job.holds()
    assert again.summary["lines_unknown"] == 0


@pytest.mark.rule(39)
def test_commit_that_waits_for_its_standby_is_not_ended(make_job, synchronous_pair, proxy_to):
    """Its link is lost, and the chunk sent again waits for its key. Ended, it would be committed without the standby."""
    primary, standby = synchronous_pair
    make_tables(primary)
    proxy = proxy_to(primary)
    job = Applied(make_job, primary, lines=100, gated=True, gate=30, dsn=primary.dsn("plain", port=proxy.port))
    run = job.start()
    eventually(lambda: primary.value("SELECT count(*) FROM applied") == 30, "30 lines")
    standby.stop("immediate")
    job.job.shut(50)

    def waits():
        return {pid for pid, in primary.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'")}
    eventually(lambda: len(waits()) >= 2, "COMMITs wait for the standby")
    before = waits()
    proxy.cut_all()
    run.await_log("its commit waits for a synchronous standby")
    assert before <= waits()
    standby.start()
    run.check(job.status)
    job.holds(primary)


@pytest.mark.rule(39)
def test_key_that_somebody_else_holds_is_waited_for_and_given_up_at_max_outage(write, server):
    """Nobody of ours: it is shown and left alone. The wait is no retry; its end is exit 4, and the chunk is undone."""
    job = write("INSERT INTO applied (id) SELECT pass($1::int)", rows=100, gate=10)
    run = job.start(max_concurrent=1)
    eventually(lambda: chunks(server) == [1], "the first chunk")
    run.end()
    server.end_sessions()
    (name, _), = runs(server)
    with contextlib.closing(server.connect()) as other:
        other.autocommit = False
        other.cursor().execute("INSERT INTO holdfast_ledger VALUES (%s, 2, 'x')", (name,))
        run = job.start(max_concurrent=1, request_timeout="1s", max_outage="5s", max_retries=0)
        job.open_up()
        run.await_log("it is not ours to end")
        run.check(4)
        other.rollback()
    assert run.summary["lines_unknown"] == 0 and not job.unknown.exists()
    job.run(status=0)
    assert applied(server) == list(range(1, 101))


# ---- 41: what no transaction holds --------------------------------------------------------------


@pytest.mark.rule(41)
@pytest.mark.parametrize("sql", ["COMMIT", "BEGIN", "ROLLBACK", "SAVEPOINT a", "VACUUM item", "CALL p()",
                                 "DO 'BEGIN END'", "PREPARE TRANSACTION 'x'", "CREATE INDEX CONCURRENTLY ON item (name)",
                                 "/* so */ -- and so\n END"])
def test_statement_that_controls_transactions_is_refused_by_name(write, server, sql):
    server.sql("CREATE PROCEDURE p() LANGUAGE sql AS ''")       # else it is refused because there is none
    job = write(sql, rows=1, params=None)
    run = job.run(status=1)
    name, = re.findall(r"[A-Z]+", re.sub(r"/\*.*\*/|-- .*", "", sql))[:1]
    assert re.search(rf"report\.sql: {name}\b", run.stderr)
    assert ("SELECT of a function" in run.stderr) == (name in ("CALL", "DO"))
    job.nothing_written()
    assert not runs(server)


@pytest.mark.rule(41)
@pytest.mark.parametrize("sql", ["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET TRANSACTION READ ONLY",
                                 "set local work_mem = '1MB'", "SET ROLE plain", "SET CONSTRAINTS ALL DEFERRED", "RESET ALL",
                                 "DISCARD PLANS", "LOAD 'plpgsql'", "/* so */ ; SET a.b = 'c'"])
def test_statement_about_the_session_is_refused_by_name(write, server, sql):
    """The first one ended the job with exit 1, when its lines were applied."""
    job = write(sql, rows=1, params=None)
    run = job.run(status=1)
    name = re.sub(r"/\*.*\*/ ; ", "", sql).split()[0].upper()
    assert f"report.sql: {name}…: such a statement is about the session" in run.stderr and "ALTER ROLE" in run.stderr
    job.nothing_written()
    assert not runs(server)


# ---- 42, 44: the run, and somebody who changes it ------------------------------------------------


@pytest.mark.rule(42)
@pytest.mark.parametrize("change, words", [
    ("UPDATE holdfast_ledger SET state = 'closed' WHERE chunk = 0", "was closed"),
    ("DELETE FROM holdfast_ledger", "is not there any more")], ids=["closed", "removed"])
def test_run_that_somebody_ended_is_not_gone_on_with(make_job, server, change, words):
    job = Applied(make_job, server, lines=200, gated=True, gate=60)
    run = begun(job, server)
    with contextlib.closing(server.connect()) as other:
        eventually(lambda: server.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 3, "all wait")
        with run.stopped():                             # else the chunks at the gate hold the run's row
            server.end_sessions()
            other.cursor().execute(change)
    ended = run.check(3)
    assert words in ended.stderr and "--restart" in ended.stderr
    assert sorted(set(applied(server))) == applied(server)
    assert words in job.start().check(3).stderr
    job.run(restart=True)


@pytest.mark.rule(35, 42)
def test_server_that_changed_is_in_the_summary_with_what_the_comparison_said(make_job, server):
    job = Applied(make_job, server, lines=200, gated=True, gate=60)
    run = begun(job, server)
    crash(server)
    run.check(job.status)
    job.holds()
    change, = run.summary["server_changes"]
    assert change["how"] == "it was started anew" and run.summary["server_changes_count"] == 1
    assert "(it was started anew): what was acknowledged before was compared with the ledger" in run.stderr
    assert "may be missing" not in run.stderr + run.log
    assert run.logged(r"info  the server changed \(it was started anew\): it has all \d+ chunks that were acknowledged") == 1


@pytest.mark.rule(43)
def test_right_that_is_lost_in_mid_run_ends_it_and_given_back_it_goes_on(make_job, server):
    job = Applied(make_job, server, lines=200, gated=True, gate=60)
    run = begun(job, server)
    server.sql("REVOKE INSERT ON holdfast_ledger FROM PUBLIC")
    run = run.check(3)
    assert "permission denied for table holdfast_ledger" in run.stderr and "ledger" in run.stderr
    refused = job.start().check(1)
    assert "GRANT INSERT ON" in refused.stderr
    server.sql("GRANT INSERT ON holdfast_ledger TO PUBLIC")
    job.run()
    job.holds()


@pytest.mark.rule(44)
def test_run_s_row_is_written_to_open_and_to_close_it_alone(make_job, server):
    job = Applied(make_job, server, lines=200, gated=True, gate=150)
    run = job.start()
    eventually(lambda: runs(server), "the run is open")
    opened = server.value("SELECT xmin::text FROM holdfast_ledger WHERE chunk = 0")
    eventually(lambda: 14 in chunks(server), "chunks are there")
    assert server.value("SELECT xmin::text FROM holdfast_ledger WHERE chunk = 0") == opened
    run.check(job.status)
    job.holds()


@pytest.mark.rule(44)
def test_rows_that_a_job_left_at_its_very_end_are_named_by_the_next_and_removed_by_forget(make_job, server, holdfast):
    """Somebody holds a chunk's row, so that they cannot be removed when the report has its name; then the job is killed."""
    job = Applied(make_job, server, lines=100, gated=True, gate=50)
    run = begun(job, server, 50)
    with contextlib.closing(server.connect()) as other:
        other.autocommit = False
        other.cursor().execute("SELECT 1 FROM holdfast_ledger WHERE chunk = 1 FOR UPDATE")
        job.job.open_up()
        eventually(lambda: job.job.output.exists() and server.sql("SELECT 1 FROM pg_locks WHERE NOT granted"), "it waits at its end")
        run.end()
        server.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
        eventually(lambda: not server.sql("SELECT 1 FROM pg_locks WHERE NOT granted"), "nobody waits")
    (name, state), = runs(server)
    assert state == "closed" and chunks(server) == list(range(1, 11))
    again = job.start().check(job.status)
    assert f"'holdfast ledger forget {name}' removes them" in again.log
    job.holds(emptied=False)
    listed, = json.loads(holdfast("ledger", "list", format="json", dsn=server.dsn("plain")).stdout)
    assert (listed["chunks"], listed["rows"]) == (10, 10)
    holdfast("ledger", "forget", name, dsn=server.dsn("plain"))
    assert not server.sql("SELECT 1 FROM holdfast_ledger")


# ---- 43: the table ------------------------------------------------------------------------------


@pytest.mark.rule(43)
@pytest.mark.parametrize("ruin, words", [
    ("DROP TABLE holdfast_ledger", "CREATE TABLE holdfast_ledger ("),
    ("ALTER TABLE holdfast_ledger SET UNLOGGED", "UNLOGGED"),
    ("ALTER TABLE holdfast_ledger DROP CONSTRAINT holdfast_ledger_pkey", "no unique index"),
    ("CREATE UNIQUE INDEX ON holdfast_ledger (written)", "another unique index"),
    ("ALTER TABLE holdfast_ledger DROP COLUMN kept", "is no ledger"),
    ("CREATE RULE r AS ON INSERT TO holdfast_ledger DO ALSO NOTHING", "has a rule"),
    ("ALTER TABLE holdfast_ledger ENABLE ROW LEVEL SECURITY", "row security"),
    ("REVOKE UPDATE ON holdfast_ledger FROM PUBLIC", "GRANT UPDATE ON"),
    ("CREATE TABLE heir () INHERITS (holdfast_ledger)", "inherit")])
def test_table_that_is_no_ledger_is_refused_and_nothing_written(write, server, ruin, words):
    server.sql(ruin)
    job = write("INSERT INTO applied (id) VALUES ($1::int)")
    run = job.run(status=1)
    assert words in run.stderr and "holdfast_ledger" in run.stderr
    job.nothing_written()
    assert not applied(server)
    if ruin.startswith("DROP TABLE"):
        server.sql(re.search(r"CREATE TABLE holdfast_ledger \(.*?\n\)", run.stderr, re.DOTALL).group())
        server.sql("GRANT ALL ON holdfast_ledger TO PUBLIC")
        job.run(status=0)


def without(server, *functions):
    """The server knows them no more (42883), for they have other names."""
    for of in functions:
        server.sql(f"ALTER FUNCTION pg_catalog.{of} RENAME TO nobody_s_{of.split('(')[0]}")


NOT_OF_COCKROACHDB = ("row_security_active(oid)", "row_security_active(text)", "pg_control_system()",
                      "pg_walfile_name(pg_lsn)", "pg_current_xact_id()", "pg_xact_status(xid8)", "pg_blocking_pids(int)")


@pytest.mark.rule(42, 43)
@pytest.mark.parametrize("kind", ["bare", "rows"])
def test_server_without_functions_of_postgresql_s_own_keeps_a_ledger_all_the_same(make_job, server, kind):
    """As CockroachDB is taken to lack them. Its incarnation is not known, so the chunks are counted after its restart."""
    without(server, *NOT_OF_COCKROACHDB)
    job = Applied(make_job, server, kind, lines=200, gated=True, gate=60)
    run = begun(job, server)
    server.restart("immediate")
    job.job.open_up()
    run.check(job.status)
    job.holds()


@pytest.mark.rule(43)
@pytest.mark.parametrize("function, words", [
    ("has_table_privilege(oid, text)", "cannot answer what a ledger's table is asked"),
    ("set_config(text, text, boolean)", "cannot do what a ledger's key takes")])
def test_server_that_cannot_do_it_is_refused_by_name_and_nothing_written(write, server, function, words):
    without(server, function)
    job = write("INSERT INTO applied (id) VALUES ($1::int)")
    run = job.run(status=1)
    assert words in run.stderr and "42883" in run.stderr and "without --ledger" in run.stderr
    job.nothing_written()
    assert not applied(server) and not runs(server)


@pytest.mark.rule(43)
@pytest.mark.parametrize("options, words", [
    ({"batch": 0}, "batch"), ({"batch": 1000000}, "--batch"), ({"ledger": "no name"}, "no name of a table"),
    ({"shard": "4/3"}, "shard"), ({"write": None}, "--write"), ({"replay": "safe"}, "--ledger"),
    ({"resume_run": "x"}, "resume-run"), ({"window": 64}, "--window: with --ledger"), ({"delimiter": ";"}, "delimiter"), ({"order_by": "nme"}, "--order-by")])
def test_option_that_does_not_fit_is_refused_and_nothing_written(write, server, options, words):
    job = write("INSERT INTO applied (id, name) VALUES ($1::int, $2)", rows=[("1", "a")], header=("id", "name"), params="id,name")
    run = job.run(status=1, **options)
    assert words in run.stderr, run.stderr
    job.nothing_written()
    assert not applied(server) and not runs(server)


@pytest.mark.rule(43)
@pytest.mark.parametrize("rows", ["none", "all"])
def test_another_table_under_the_ledger_s_name_is_known_by_its_oid(make_job, server, rows):
    """In mid-run. Without the run's row no chunk can be inserted; with all rows it is seen on the server's next life."""
    job = Applied(make_job, server, lines=200, gated=True, gate=60)
    run = begun(job, server)
    with run.stopped():
        server.end_sessions()
        before = applied(server)
        server.sql("ALTER TABLE holdfast_ledger RENAME TO first; CREATE TABLE holdfast_ledger (LIKE first INCLUDING ALL)")
        server.sql("GRANT ALL ON holdfast_ledger TO PUBLIC")
        if rows == "all":
            server.sql("INSERT INTO holdfast_ledger SELECT * FROM first")
            server.restart()
    ended = run.check(3)
    assert "holdfast_ledger is another table now" in ended.stderr and "give that one its name back" in ended.stderr
    assert applied(server) == before
    server.sql("DROP TABLE holdfast_ledger; ALTER TABLE first RENAME TO holdfast_ledger")
    job.run()
    job.holds()


# ---- 46: an end that is no answer ----------------------------------------------------------------


@pytest.mark.rule(46)
@pytest.mark.parametrize("end", ["max_outage", "deadline", "SIGTERM"])
def test_job_that_ends_before_its_server_could_be_asked_leaves_chunks_undone_and_none_unknown(make_job, server, end):
    job = Applied(make_job, server, "rows", lines=200, gated=True, gate=60)
    run = job.start(**{"max_outage": {"max_outage": "2s"}, "deadline": {"deadline": "5s"}}.get(end, {}))
    eventually(lambda: chunks(server) == [1, 2, 3, 4, 5, 6], "the lines before the gate are applied")
    server.stop("immediate")
    if end == "SIGTERM":
        run.await_log("-> |lost|closed|refused")
        run.send(signal.SIGTERM)
    assert run.finish(gate="shut") == 4, run.tail()
    assert run.summary["lines_unknown"] == 0 and not job.job.unknown.exists()
    server.start()
    job.run()
    job.holds()
