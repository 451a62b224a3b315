"""Ways to stop in the middle and go on later: signals, a full disk, a deadline; and two runs at once."""

import os
import signal
import subprocess

import pytest

from harness import expect
from harness.disk import small_disk
from harness.killing import KILLS, killed, seed_of
from harness.program import slow_sql

# 0 to 2 rows a line, and one line that is refused.
REFUSING_SQL = """SELECT i.name, i.note, s.day FROM item i LEFT JOIN sale s ON s.item_id = i.id AND s.qty > 1
WHERE i.id = refuse($1::int, 700, '22012') ORDER BY s.day"""


@pytest.mark.fault(47)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_fault_47_signal_stops_and_is_resumable(make_job, number):
    job = make_job(rows=400, sql=slow_sql())
    run = job.start()
    run.await_lines(80)
    run.send(number)
    assert run.finish() == 4, run.tail()
    assert not job.output.exists()
    job.run(status=0)
    job.complete()


@pytest.mark.fault(47)
def test_fault_47_signal_stops_during_an_outage(make_job, proxy, cluster):
    job = make_job(rows=400, sql=slow_sql(), dsn=cluster.dsn(port=proxy.port))
    run = job.start(max_outage="1h", connect_timeout="1h", reconnect_timeout="1h")
    run.await_lines(40)
    proxy.black_hole()
    proxy.cut_all()
    run.await_log("(?i)-> reconnecting")
    run.send(signal.SIGTERM)
    assert run.finish() == 4, run.tail()
    proxy.heal()
    job.run(status=0)
    job.complete()


@pytest.mark.rule(24)
@pytest.mark.fault(44)
def test_kill_9_at_random_moments_leaves_a_file_that_resumes_to_the_identical_bytes(make_job, cluster):
    seed = seed_of("kill_9_at_random_moments_leaves")
    rows = [(str(1 + line % 1000), f"line {line}") for line in range(2500)]
    job = make_job(rows=rows, header=("id", "what"), sql=REFUSING_SQL)
    job.run(status=2)
    expected, rejects = job.output.read_bytes(), job.rejects.read_bytes()
    refused = [row for row in rows if row[0] == "700"]
    assert expected == job.expected([row for row in rows if row not in refused]) and rejects.count(b"\n") == 3
    for path in job.folder.glob("report.csv*"):
        path.unlink()
    for run in killed(job, KILLS, seed, len(expected), log_level="info"):
        assert run.status == 2, f"KILL_SEED={seed}: exit {run.status}\n{run.tail()}"
        assert job.output.read_bytes() == expected, f"KILL_SEED={seed}"
        assert job.rejects.read_bytes() == rejects, f"KILL_SEED={seed}"
        left = {path.name for path in job.folder.glob("report.csv*")}
        assert left == {"report.csv", "report.csv.done", "report.csv.rejects.csv"}, f"KILL_SEED={seed}"


@pytest.mark.fault(45)
def test_fault_45_second_run_on_one_output_says_so_and_exits_1(make_job):
    job = make_job(rows=300, sql=slow_sql())
    first = job.start()
    first.await_lines(20)
    log = job.folder / "second.log"
    second = job.start(log_file=log, summary=None)
    assert second.finish() == 1
    assert "report.csv" in second.stderr + log.read_text()
    first.check(0)
    job.complete()


@pytest.mark.fault(46)
@pytest.mark.parametrize("change", ["input", "query", "params"])
@pytest.mark.rule(27)
def test_fault_46_changed_job_is_refused_and_restart_starts_over(make_job, change):
    job = make_job(rows=[(str(i), str(i + 1)) for i in range(1, 301)], header=("id", "other"), sql=slow_sql())
    run = job.start()
    run.await_lines(60)
    run.send(signal.SIGTERM)
    run.check(4)
    part = job.part.read_bytes()
    if change == "input":                                    # one byte, in a line that was done long ago
        job.rows[5] = ("7", "9")
        job.cost_file.write_bytes(expect.csv_file(job.header, job.rows))
    elif change == "query":
        job.sql = slow_sql(0).replace("ORDER BY s.day", "ORDER BY s.day DESC")
        job.query.write_text(job.sql)
    else:
        job.params = "other"
    refused = job.run(status=3)
    assert job.part.read_bytes() == part
    assert "--restart" in refused.stderr + refused.log
    job.run(status=0, restart=True)
    job.complete()


def test_exhausted_outage_is_exit_4_and_resumable(make_job, proxy, cluster):
    job = make_job(rows=300, sql=slow_sql(), dsn=cluster.dsn(port=proxy.port))
    run = job.start(max_outage="2s")
    run.await_lines(60)
    proxy.refuse()
    proxy.cut_all()
    run.check(4)
    assert "max_outage" in run.log + run.stderr or "max-outage" in run.log + run.stderr
    proxy.accept()
    job.run(status=0)
    job.complete()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_full_disk_is_exit_4_and_the_same_command_goes_on(make_job, tmp_path):
    job = make_job(rows=1000, sql="SELECT repeat('x', 500) AS filler, $1::int AS n")
    with small_disk(tmp_path / "disk", "200k") as disk:
        job.place_output(disk / "report.csv")
        run = job.run(status=4)
        assert "No space left" in run.stderr
        assert not job.output.exists()
        subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
        job.run(status=0)
        job.complete()


@pytest.mark.rule(19)
def test_file_size_limit_is_exit_4_and_the_same_command_goes_on(make_job):
    """ulimit -f: an error that says so, not a signal that ends the program."""
    job = make_job(rows=1000, sql="SELECT repeat('x', 500) AS filler, $1::int AS n")
    free = job.program
    job.program = ["bash", "-c", 'ulimit -f 200; exec "$@"', "bash", *free]
    run = job.run(status=4)
    assert "File too large" in run.stderr and "ulimit -f" in run.stderr
    assert not job.output.exists()
    job.program = free
    job.run(status=0)
    job.complete()


def test_deadline_of_the_job_stops_it_to_be_resumed(make_job):
    job = make_job(rows=400, sql=slow_sql(0.02))
    run = job.start()
    run.await_lines(10)
    run.send(signal.SIGTERM)
    run.check(4)                                # there are lines, however soon the deadline comes
    run = job.start(deadline="1500ms").check(4, gate="shut")
    assert "deadline" in run.log + run.stderr
    assert job.lines_written() >= 10 and not job.output.exists()
    job.run(status=0)
    job.complete()


def test_signal_is_taken_while_the_first_connection_hangs(make_job, proxy, cluster):
    proxy.hang()
    job = make_job(rows=5, dsn=cluster.dsn(port=proxy.port))
    run = job.start(connect_timeout="1h")
    run.await_log("-> CONNECTING")
    run.send(signal.SIGTERM)
    assert run.finish() == 4, run.tail()
    job.nothing_written()


def test_second_signal_changes_nothing(make_job):
    job = make_job(rows=400, sql=slow_sql())
    run = job.start()
    run.await_lines(50)
    run.send(signal.SIGINT)
    run.send(signal.SIGTERM)
    assert run.finish() in (4, -signal.SIGTERM, -signal.SIGINT)
    job.run(status=0)
    job.complete()


def test_sessions_are_gone_after_a_stop(make_job, own_cluster):
    """A stop cancels what runs: no statement goes on in the server for nobody."""
    job = make_job(rows=30, sql="SELECT $1::int AS n, pg_sleep(3600)::text AS s", server=own_cluster)
    run = job.start(request_timeout="1h")
    run.await_log("connected")
    own_cluster.await_active()
    run.send(signal.SIGTERM)
    assert run.finish() == 4, run.tail()
    own_cluster.no_sessions()


def test_passing_conflict_in_a_stop_is_no_refusal(make_job, own_cluster):
    """What would have been tried again, were there time, is left for the next run."""
    own_cluster.sql("""CREATE FUNCTION stubborn(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        IF to_regclass('calm') IS NULL THEN PERFORM pg_sleep(3600); END IF;
        RETURN n;
        EXCEPTION WHEN query_canceled THEN RAISE EXCEPTION 'a passing conflict' USING ERRCODE = '40001';
        END $$""")
    job = make_job(rows=3, sql="SELECT stubborn($1::int) AS n", server=own_cluster)
    run = job.start(request_timeout="1h")
    own_cluster.await_active()
    run.send(signal.SIGTERM)
    assert run.finish() == 4, run.tail()
    assert "a passing conflict" in own_cluster.log.read_text()
    own_cluster.sql("CREATE TABLE calm ()")
    job.run(status=0)
    job.complete()


def test_write_forgotten_leaves_nothing_though_a_line_before_it_ends_in_the_stop(make_job, own_cluster):
    """Exit 1 says that nothing was written: the same command with --write does it."""
    own_cluster.sql("CREATE TABLE written (n int)")
    own_cluster.sql("GRANT ALL ON written TO app")
    own_cluster.sql("""CREATE FUNCTION slow_or_writing(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        IF n = 1 AND current_setting('transaction_read_only') = 'on' THEN PERFORM pg_sleep(3600); END IF;
        IF n = 2 THEN PERFORM pg_sleep(1); INSERT INTO written VALUES (n); END IF; RETURN n;
        EXCEPTION WHEN query_canceled THEN RETURN n; END $$""")
    job = make_job(rows=2, sql="SELECT slow_or_writing($1::int) AS n", server=own_cluster)
    run = job.run(status=1, request_timeout="1h", max_concurrent=2)
    assert "--write" in run.stderr
    job.nothing_written()
    job.run(status=0, write=True)
    assert job.output.read_bytes() == b"id,n\n1,1\n2,2\n"
