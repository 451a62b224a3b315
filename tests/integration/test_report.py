"""The main job: what it writes, that it survives restarts and crashes of its own, and that it keeps the order."""

import concurrent.futures
import contextlib

import pytest

from harness import expect
from harness.program import RECONNECTED, SETTINGS, rows_of, slow_sql
from harness.waiting import PATIENCE_S, eventually


@pytest.mark.both_servers
def test_report_writes_what_the_server_says(make_job):
    job = make_job(rows=300)
    job.run(status=0)
    job.complete()


@pytest.mark.both_servers
def test_report_survives_three_restarts_under_it(make_job, own_cluster):
    """The command that step 1 is done with, word for word but for places."""
    job = make_job(rows=900, server=own_cluster, sql=slow_sql(), dsn=own_cluster.dsn(host="localhost"))
    run = job.start(summary=None)
    for at, mode in ((100, "fast"), (350, "immediate"), (600, "fast")):
        run.await_lines(at)
        own_cluster.restart(mode)
        run.await_log(RECONNECTED, 1)
    run.check(0)
    job.complete()
    assert run.logged(RECONNECTED) >= 3

    undisturbed = make_job(rows=900, server=own_cluster, sql=slow_sql(0))
    undisturbed.run(status=0)
    assert job.output.read_bytes() == undisturbed.output.read_bytes()


@pytest.mark.rule(23)
def test_finished_report_run_again_changes_nothing(make_job):
    job = make_job(rows=20)
    job.run(status=0)
    before = job.output.stat()
    job.run(status=0)
    after = job.output.stat()
    assert (before.st_mtime_ns, before.st_ino, before.st_size) == (after.st_mtime_ns, after.st_ino, after.st_size)


@pytest.mark.rule(23)
def test_finished_report_with_rejects_run_again_keeps_status_2(make_job):
    job = make_job(rows=[("1",), ("none",), ("3",)])
    for _ in range(2):
        job.run(status=2)
        job.complete(rows=[("1",), ("3",)])
        assert len(rows_of(job.rejects)) == 2


@pytest.mark.rule(23)
def test_file_that_is_not_ours_is_left_alone(make_job):
    job = make_job(rows=5)
    job.output.write_text("somebody's work\n")
    run = job.run(status=1)
    assert job.output.read_text() == "somebody's work\n"
    assert "report.csv" in run.stderr + run.log


@pytest.mark.fault(44)
@pytest.mark.rule(23)
def test_kill_9_then_the_same_command_completes_the_file(make_job):
    job = make_job(rows=500, sql=slow_sql())
    for at in (60, 200, 350):
        run = job.start()
        run.await_lines(at)
        run.end()
        assert not job.output.exists()
    last = job.run(status=0)
    job.complete()
    assert "resum" in (last.log + last.stderr).lower()


@pytest.mark.rule(24)
def test_kill_9_loses_no_line_that_was_written(make_job, cluster):
    """Only lines in flight or in the window run again, so a resumed run asks for few lines twice."""
    job = make_job(rows=300, sql="SELECT counted(pass($1::int)) AS n, pg_sleep(0.01)::text AS s", header=("n",), params="n")
    cluster.sql("ALTER SEQUENCE tries RESTART 1")
    run = job.start(write=True, replay="safe")
    run.await_lines(150)
    run.end()
    job.run(status=0, write=True, replay="safe")
    assert job.output.read_bytes() == expect.csv_file(["n", "n", "s"], [(*row, *row, "") for row in job.rows])
    asked = cluster.value("SELECT last_value FROM tries")
    assert 300 <= asked <= 300 + 64 + SETTINGS["max_concurrent"]


@pytest.mark.rule(27)
def test_connection_is_no_part_of_the_job(make_job, cluster):
    job = make_job(rows=200, sql=slow_sql())
    run = job.start()
    run.await_lines(40)
    run.end()
    job.dsn = cluster.dsn("plain")
    job.run(status=0, max_concurrent=1)
    job.complete()


@pytest.mark.rule(28)
@pytest.mark.both_servers
def test_column_set_that_changes_in_mid_run_is_exit_3(make_job, cluster):
    """REPORT.md 28: in the run and in each that would go on with it, until the columns are as they were."""
    cluster.sql("CREATE TABLE changing AS SELECT i AS id, 'x' || i AS name FROM generate_series(1, 200) i;"
                "GRANT SELECT ON changing TO PUBLIC")
    job = make_job(rows=200, sql="SELECT changing.* FROM pass($1::int) AS line, changing WHERE id = line", gate=40)
    run = job.start()
    cluster.await_held(3)
    with concurrent.futures.ThreadPoolExecutor(1) as thread, contextlib.closing(cluster.connect()) as other:
        altered = thread.submit(other.cursor().execute, "ALTER TABLE changing ADD COLUMN extra int")
        eventually(lambda: cluster.sql("SELECT 1 FROM pg_locks WHERE NOT granted"), "it waits for the lines that run")
        job.open_up()                                   # those behind them wait for it
        altered.result(PATIENCE_S)
    assert "columns are not those" in run.check(3).stderr
    assert "columns are not those" in job.run(status=3).stderr
    cluster.sql("ALTER TABLE changing DROP COLUMN extra")
    job.run(status=0)
    job.complete()
    cluster.sql("DROP TABLE changing")


@pytest.mark.rule(26)
def test_lines_stay_in_input_order_though_answers_do_not(make_job):
    """Every tenth line is slow: those behind it are answered first and must wait for it."""
    sql = "SELECT pg_sleep(CASE WHEN $1::int % 10 = 1 THEN 0.1 ELSE 0 END)::text AS slept, $1::int * 2 AS twice"
    job = make_job(rows=100, sql=sql)
    job.run(status=0)
    job.complete()


@pytest.mark.rule(29)
def test_safe_line_out_of_retries_is_exit_4_and_names_line_and_setting(make_job, cluster):
    """Every statement of line 30 kills its own session: nothing can answer it, the others are fine."""
    sql = "SELECT CASE WHEN $1::int = 30 THEN pg_terminate_backend(pg_backend_pid()) END AS killed"
    job = make_job(rows=60, sql=sql, dsn=cluster.dsn("plain"))
    run = job.run(status=4, max_retries=2, retry_delay="50ms", first_delay=0)
    said = run.log + run.stderr
    assert "max_retries" in said or "max-retries" in said
    assert "line 31" in said                                   # the header is line 1
    assert run.log.count("57P01") >= 3                         # 2 retries are 3 tries
    assert not job.output.exists()


@pytest.mark.rule(27)
@pytest.mark.both_servers
def test_refused_lines_go_to_rejects_with_line_sqlstate_and_message(make_job):
    job = make_job(rows=40, sql="SELECT refuse($1, 7, '22012') AS n")
    run = job.run(status=2)
    job.complete(rows=[row for row in job.rows if row != ("7",)])
    header, *lines = rows_of(job.rejects)
    assert "id" in header and len(lines) == 1
    assert lines[0][0] == "8" and lines[0][1] == "7" and lines[0][2] == "22012"
    assert "line 7 is refused" in lines[0][3]
    assert "rejects" in run.stderr + run.log


@pytest.mark.rule(29)
def test_rejects_survive_kill_9_once_each(make_job):
    job = make_job(rows=300, sql="SELECT refuse(pass($1), $1 / 50 * 50, 'P0001') AS n, pg_sleep(0.01)::text AS s")
    for at in (60, 160):
        run = job.start()
        run.await_lines(at)
        run.end()
    job.run(status=2)
    bad = [str(i) for i in range(50, 301, 50)]
    job.complete(rows=[row for row in job.rows if row[0] not in bad])
    assert [line[1] for line in rows_of(job.rejects)[1:]] == bad


@pytest.mark.rule(26)
def test_small_window_writes_the_same_file(make_job):
    job = make_job(rows=300)
    job.run(status=0, window=1, window_bytes=1024)
    job.complete()


def test_columns_named_by_params_are_bound_in_their_order(make_job):
    rows = [(str(i), f"x{i}", str(i * 3)) for i in range(1, 30)]
    job = make_job(rows=rows, header=("a", "b", "c"), sql="SELECT $1::int - $2::int AS difference", params="c,a")
    job.run(status=0)
    job.complete()


def test_first_columns_are_bound_when_params_is_not_given(make_job):
    rows = [(str(i), str(i * 3), "rest") for i in range(1, 30)]
    job = make_job(rows=rows, header=("a", "b", "c"), sql="SELECT $1::int - $2::int AS difference", params="a,b")
    expected = job.expected()
    job.params = None
    job.run(status=0)
    assert job.output.read_bytes() == expected
