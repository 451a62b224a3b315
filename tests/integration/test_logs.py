"""What a person, or their log collector, gets to read: text and JSON lines, progress, the summary, and no secrets."""

import json
import os
import pathlib
import pty
import re
import resource
import signal
import subprocess

import pytest

from harness.cluster import SECRET
from harness.program import RECONNECTED, arguments, clean_environment, rows_of, slow_sql
from harness.proxy import Plan
from harness.waiting import PATIENCE_S, eventually


@pytest.fixture
def disturbed(make_job, cluster):
    """Run a job whose sessions are all terminated once in its middle."""
    def run(**options):
        job = make_job(rows=120, sql=slow_sql(0), gate=50)
        process = job.start(**options)
        cluster.await_held(3)
        cluster.terminate_at_once(process)
        return process.check(0)
    return run


def test_text_log_has_time_level_and_the_reconnect(disturbed):
    run = disturbed()
    line = next(line for line in run.log.splitlines() if RECONNECTED in line)
    assert re.search(r"\d\d:\d\d:\d\d", line) and "info" in line.lower()


def test_json_log_is_one_object_a_line(disturbed):
    run = disturbed(log_format="json")
    lines = [json.loads(line) for line in run.log.splitlines()]
    assert lines and all(isinstance(line, dict) for line in lines)
    assert all("level" in line for line in lines)
    assert any(RECONNECTED in str(value) for line in lines for value in line.values())
    text = run.log
    assert "57P01" in text and SECRET not in text


def test_json_log_says_when_the_next_try_is_due_by_the_clock_that_delays_count_from(holdfast, cluster, proxy):
    """A line's own time is when it was written, which a busy machine does late."""
    proxy.refuse()
    run = holdfast("query", "SELECT 1", dsn=cluster.dsn(port=proxy.port), status=4, log_format="json", log_level="debug",
                   connect_retries=3, retry_delay="20ms", max_retry_delay="40ms")
    steps = [step for step in map(json.loads, run.stderr.splitlines()) if "from" in step]
    waits = [step for step in steps if step["to"] == "BACKOFF"]
    tries = [step for step in steps if step["from"] == "BACKOFF" and step["to"] == "CONNECTING"]
    assert len(waits) >= 3 and len(tries) == 3
    assert all(wait["due_ms"] == wait["at_ms"] + wait["wait_ms"] for wait in waits)
    assert all(wait["due_ms"] <= once_more["at_ms"] for wait, once_more in zip(waits, tries))
    assert all("due_ms" not in step for step in steps if step not in waits)


RAISE = """DO $$ BEGIN RAISE WARNING 'look here \u202e\u200b\u009b'; RAISE NOTICE 'by the way'; RAISE INFO 'all the same';
    SET client_min_messages = debug1; RAISE LOG 'of the server'; RAISE DEBUG 'details'; END $$"""


@pytest.mark.found("R8")
@pytest.mark.parametrize("level, told", [("error", ""), ("warn", "warn"), ("info", "warn info info info"),
                                         ("debug", "warn info info info debug")])
def test_warnings_of_the_server_are_seen_at_warn_and_notices_at_info(holdfast, cluster, level, told):
    run = holdfast("query", RAISE, dsn=cluster.dsn(), write=True, replay="unsent", log_level=level)
    said = re.findall(r"(?m)^\S+ (\w+) +connection \d: the server says: (\w+) \d+ (.*)$", run.stderr)
    assert " ".join(line[0] for line in said) == told
    words = ["look here ???", "by the way", "all the same", "of the server", "details"]
    assert [line[2].partition(" (in")[0] for line in said] == words[:len(said)]
    assert [line[1] for line in said] == ["WARNING", "NOTICE", "INFO", "LOG", "DEBUG"][:len(said)]


@pytest.mark.found("R8")
def test_warning_of_each_of_many_lines_does_not_fill_the_log(holdfast, cluster):
    run = holdfast("query", "DO $$ BEGIN FOR i IN 1..3000 LOOP RAISE WARNING 'again'; END LOOP; END $$", dsn=cluster.dsn(),
                   write=True, replay="unsent")
    assert run.stderr.count("again") == 1000
    assert "further warnings are told at --log-level debug only" in run.stderr


def test_log_goes_to_stderr_without_a_file(disturbed):
    run = disturbed(log_file=None, log_level="info")
    assert RECONNECTED in run.stderr
    assert run.stdout == ""


def test_log_level_error_is_silent_about_what_was_survived(disturbed):
    run = disturbed(log_level="error")
    assert RECONNECTED not in run.log


@pytest.mark.rule(30)
def test_levels_nest(make_job):
    sizes = []
    for level in ("error", "warn", "info", "debug"):
        run = make_job(rows=30).run(status=0, log_level=level, max_concurrent=1)
        sizes.append(len(run.log))
    assert sizes == sorted(sizes) and sizes[3] > sizes[0]


def test_summary_counts_statements_retries_and_outages(disturbed):
    run = disturbed()
    summary = run.summary
    assert summary["statements"] >= 120
    assert 1 <= summary["retries"] <= 3
    assert len(summary["outages"]) == 1
    assert summary["slowest"]
    assert re.search("outage", run.stderr, re.IGNORECASE), "the summary is on stderr too"
    assert re.search(r"elapsed .* lines/s; [\d.]+ s of that lost to outages\n", run.stderr)


def test_summary_has_percentiles_bytes_and_lines_without_effect(make_job, cluster):
    """One line in fifty lasts: half and 95 % are short, 99 % are not."""
    job = make_job(rows=50, dsn=cluster.dsn("plain"), sql="INSERT INTO ledger(line) SELECT 1 FROM "
                   "(SELECT pg_sleep(CASE WHEN $1::int = 25 THEN 0.6 ELSE 0 END)::text AS s OFFSET 0) slept WHERE s <> ''")
    run = job.run(status=0, write=True, replay="unsent")
    summary = run.summary
    assert summary["p50_ms"] <= summary["p95_ms"] <= summary["p99_ms"] and summary["p99_ms"] >= 600
    assert abs(summary["p99_ms"] - summary["slowest"][0]["ms"]) <= summary["p99_ms"] / 32
    assert summary["lines_without_effect"] == 50
    assert summary["input_bytes"] == job.cost_file.stat().st_size
    assert summary["output_bytes"] == job.output.stat().st_size and summary["rejects_bytes"] == 0
    assert re.search(rf"durations   p50 \d+ ms, p95 \d+ ms, p99 {summary['p99_ms']} ms\n", run.stderr)
    assert f"bytes       {summary['input_bytes']} of input, {summary['output_bytes']} of output\n" in run.stderr


def test_summary_says_what_began_the_outage_not_what_failed_last(make_job, own_cluster):
    job = make_job(rows=200, sql=slow_sql(0), server=own_cluster, gate=50)
    run = job.start()
    own_cluster.await_held(3)           # it has read all there is: else a reset may overtake its words
    own_cluster.stop("fast")
    eventually(lambda: "connection refused" in run.log, "a try fails")
    own_cluster.start()
    run.check(0)
    assert "57P01" in run.summary["outages"][0]["reason"]
    assert "57P01" in run.stderr


OUTAGE = re.compile(r"the outage (is over after|lasted to the end:) ([\d.]+) s")


@pytest.mark.found("L7")
@pytest.mark.parametrize("replay", ["resolve", "safe", "unsent"])
def test_write_with_a_standby_first_has_one_outage_and_it_is_over(holdfast, primary, standby, replay):
    """The standby's refusal ends one wait and begins the next in the same tick."""
    hosts = f"127.0.0.1:{standby.port},127.0.0.1"
    run = holdfast("query", "INSERT INTO single VALUES (1, 'q')", dsn=primary.dsn("plain", host=hosts), write=True,
                   replay=replay, log_level="info", retry_delay="100ms")
    assert "25006" in run.stderr, "the standby was never asked"
    assert primary.value("SELECT count(*) FROM single") == 1
    assert [said for said, _ in OUTAGE.findall(run.stderr)] == ["is over after"], run.stderr


@pytest.mark.found("L7")
@pytest.mark.parametrize("stop", ["up", "down"])
def test_watch_that_is_stopped_says_over_only_when_it_is_connected_again(holdfast, cluster, proxy, stop):
    """Nothing of a watch is answered: its connection is not proved before stable_after, but it is there."""
    run = holdfast("watch", dsn=cluster.dsn("plain", port=proxy.port), retry_delay="50ms", log_level="info", wait=False)
    eventually(lambda: "-> healthy" in run.stdout, "it is connected")
    proxy.refuse()
    proxy.cut_all()
    eventually(lambda: run.stderr.count("connection refused") >= 2, "it is not")
    if stop == "up":
        proxy.accept()
        eventually(lambda: RECONNECTED in run.stderr, "it is connected again")
    run.send(signal.SIGTERM)
    assert run.finish() == 0
    (said, seconds), = OUTAGE.findall(run.stderr)
    assert said == ("is over after" if stop == "up" else "lasted to the end:")
    if stop == "up":                                # both lines give the same time
        assert f"{RECONNECTED} after {seconds} s" in run.stderr


def test_further_connection_that_fails_is_no_outage(make_job, cluster, proxy):
    """The first connection serves; the others, refused, are nobody's outage."""
    proxy.next(Plan())
    proxy.default = Plan(on_accept="rst")
    job = make_job(rows=60, sql=slow_sql(0.02), dsn=cluster.dsn("plain", port=proxy.port))
    run = job.start(log_level="info")
    run.await_log("BACKOFF")                        # a further connection was tried
    run.check(0)
    assert run.summary["outages_count"] == 0 and not OUTAGE.search(run.log)


def test_undisturbed_summary_has_no_outage(make_job):
    run = make_job(rows=30).run(status=0)
    assert run.summary["retries"] == 0 and run.summary["outages"] == []


def json_lines(text):
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines and all({"time", "level", "message"} <= set(line) for line in lines)
    return lines


@pytest.mark.found("R7")
@pytest.mark.parametrize("log_file", [None, "apart.log"])
def test_json_log_has_progress_and_summary_as_json_too(make_job, log_file):
    job = make_job(rows=60, sql=slow_sql(0.02))
    run = job.run(status=0, log_file=log_file and str(job.folder / log_file), log_format="json", progress="always")
    lines = json_lines(run.stderr)
    steps = [line for line in lines if line.get("kind") == "progress"]
    assert steps[0]["lines_total"] == 60 and steps[0]["lines_ended"] == 0 and "0%" in steps[0]["message"]
    summary = lines[-1]
    assert summary["kind"] == "summary" and summary["message"] == f"{job.output}: exit 0, all done"
    written = run.summary
    assert {name: summary[name] for name in written} == written
    if log_file:
        assert not any(line.get("from") for line in lines), "the log's lines are in its file"
        json_lines((job.folder / log_file).read_text())
    job.complete()


@pytest.mark.found("R7")
def test_json_log_on_a_terminal_has_no_bar(make_job, program):
    job = make_job(rows=30)
    screen, terminal = pty.openpty()
    given = {"dsn": job.dsn, "cost_file": job.cost_file, "query": job.query, "params": "id", "output": job.output,
             "log_format": "json", "progress": "auto"}
    process = subprocess.Popen([program, "report", *arguments(given)], stdin=subprocess.DEVNULL, cwd=job.folder,
                               stdout=subprocess.DEVNULL, stderr=terminal, env=clean_environment(job.folder, TERM="xterm"))
    os.close(terminal)
    shown = bytearray()
    try:
        while chunk := os.read(screen, 65536):
            shown += chunk
    except OSError:                             # the terminal's other end is closed
        pass
    os.close(screen)
    assert process.wait(PATIENCE_S) == 0
    assert json_lines(shown.decode())[-1]["kind"] == "summary"


@pytest.mark.found("R7")
@pytest.mark.parametrize("words", [
    ["query", "SELECT 1", "--log-format", "json", "--no-such-option"],
    ["query", "SELECT 1", "--max-row", "none", "--log-format=json"],
    ["query", "--log-format", "json"], ["raport", "--log-format", "json"], ["report", "--log-format", "json"],
    ["watch", "--log-format", "json", "--config", "/nowhere.json"],
    ["watch", "--log-format", "json", "--log-file", "/nowhere/log"],
    ["query", "SELECT 1", "--log-format", "json", "--dsn", "postgres://h/?nothing=1"],
    ["query", "SELECT 1", "--log-format", "json", "--dsn", "postgres://u@127.0.0.1:1/x", "--connect-retries", "0"],
    ["query", "SELECT 1;\nSELEKT 2", "--log-format", "json", "--log-file", "apart.log", "--dsn",
     "postgres://u@127.0.0.1:1/x", "--connect-retries", "0"]])
def test_json_log_has_each_early_end_as_json_too(holdfast, words):
    run = holdfast(*words, wait=False)
    status = run.finish()
    last = json_lines(run.stderr)[-1]
    assert status in (1, 4) and last["exit_status"] == status and last["level"] == "error" and len(last["message"]) > 10


@pytest.mark.found("L4")
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_second_signal_ends_at_once_and_says_so(holdfast, cluster, proxy, log_format):
    """The statement cannot be cancelled, since nothing arrives any more: the first signal alone would wait for its end."""
    run = holdfast("query", "SELECT pg_sleep(3600)", dsn=cluster.dsn("plain", port=proxy.port), log_format=log_format,
                   close_timeout="1h", wait=False)
    cluster.await_active("plain")
    proxy.black_hole()
    run.send(signal.SIGINT)
    run.send(signal.SIGTERM)
    assert run.finish() == 4
    proxy.heal()
    said = json_lines(run.stderr)[-1]["message"] if log_format == "json" else run.stderr
    assert "ended at once by a second signal" in said


@pytest.mark.found("L4")
def test_help_that_cannot_be_printed_says_so(holdfast):
    with open("/dev/full", "wb") as full:
        for words in (["--help"], ["--version"], ["report", "--help"]):
            run = holdfast(*words, stdout=full, status=4)
            assert "cannot write to standard output: No space left on device" in run.stderr


@pytest.mark.found("R7")
def test_json_log_has_a_reports_failure_and_its_summary_with_the_reason(make_job):
    job = make_job(rows=3, sql="SELECT nothing FROM nowhere WHERE $1 = 1")
    lines = json_lines(job.run(status=1, log_file=None, log_format="json").stderr)
    assert any(line.get("exit_status") == 1 and "42P01" in line["message"] for line in lines)
    job = make_job(rows=300, sql=slow_sql())
    run = job.start(log_file=None, log_format="json")
    run.await_lines(20)
    run.send(signal.SIGTERM)
    assert run.finish() == 4
    lines = json_lines(run.stderr)
    assert lines[-1]["kind"] == "summary" and "stopped by Terminated" in lines[-1]["reason"]
    assert lines[-1]["exit_status"] == 4


@pytest.mark.found("L6")
@pytest.mark.security(3)
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_words_of_the_server_are_filtered_in_log_and_rejects(make_job, log_format):
    hidden = "\u202e\u200b\ufeff\u009b\u2028"
    job = make_job(rows=[("1",), (f"bad {hidden} word",)], sql="SELECT $1::int AS n")
    run = job.run(status=2, log_format=log_format)
    assert "bad ????? word" in run.log and not set(hidden) & set(run.log + run.stderr)
    line, = rows_of(job.rejects)[1:]
    assert line[1] == f"bad {hidden} word", "the input's columns are data"
    assert "bad ????? word" in line[-1] and line[-1].isascii()


@pytest.mark.security(14)
def test_secret_is_not_in_argv_while_running(make_job, cluster):
    """`ps` shows argv to everybody: the DSN's password is wiped from it at the start."""
    job = make_job(rows=200, sql=slow_sql())
    run = job.start()
    run.await_lines(10)
    assert SECRET not in run.command_line()
    run.check(0)


@pytest.mark.security(14)
def test_secret_is_in_no_message_when_everything_goes_wrong(make_job, cluster, proxy):
    """Every failing way of the login at debug level; make_job reads all files again behind the test."""
    for dsn in (cluster.dsn(sslrootcert="/nowhere.crt"), cluster.dsn("plain", host="nowhere.invalid"),
                cluster.dsn("md5er"), cluster.dsn("plain", port=1),
                cluster.dsn("app", sslmode="disable", sslrootcert=None)):
        run = make_job(rows=3, dsn=dsn).start(max_outage="500ms")
        assert run.finish() in (1, 3, 4)
        assert SECRET not in run.stderr + run.stdout + run.log


@pytest.mark.security(14)
@pytest.mark.skipif(not pathlib.Path("/proc/sys/kernel/core_pattern").read_text().startswith("core"),
                    reason="cores of this machine do not go to the working folder: kernel.core_pattern")
@pytest.mark.skipif(bool(os.environ.get("TEST_ASAN")), reason="a sanitizer writes no core")
def test_security_14_core_of_a_crash_has_no_secret_in_it(make_job, holdfast, cluster):
    """Killed in mid-run, with connections up and one being made: the password, and what is derived from it, stay out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        job = make_job(rows=300, sql=slow_sql())
        run = job.start()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    run.await_lines(30)
    cluster.terminate()
    run.await_log("-> RECONNECTING")
    run.send(signal.SIGABRT)
    run.finish()
    cores = list(job.folder.glob("core*"))
    assert cores and cores[0].stat().st_size > 100000, "there is no core to look into"
    for core in cores:
        data = core.read_bytes()
        assert SECRET.encode() not in data
        assert b"report.sql" in data, "this is not the program's memory"
        core.unlink()


def test_progress_is_plain_lines_where_there_is_no_terminal(make_job):
    job = make_job(rows=300, sql=slow_sql())
    run = job.run(status=0, progress="always", log_file=None)
    assert "\x1b[" not in run.stderr or "%" in run.stderr
    job.complete()


def test_progress_never_says_nothing(make_job):
    run = make_job(rows=100).run(status=0)
    assert "%" not in run.stderr and "\r" not in run.stderr


def test_terminal_gets_a_bar_with_rate_and_the_outage_clock(make_job, own_cluster, program):
    job = make_job(rows=400, sql=slow_sql(), server=own_cluster)
    given = {"dsn": job.dsn, "cost_file": job.cost_file, "query": job.query, "params": "id", "output": job.output,
             "log_file": job.log, "retry_delay": "200ms", "max_retry_delay": "500ms", "progress": "auto"}
    screen, terminal = pty.openpty()
    os.set_blocking(screen, False)
    seen = bytearray()

    def shown():
        try:
            while True:
                seen.extend(os.read(screen, 65536))
        except OSError:                     # nothing more for now, or the terminal's other end is closed
            return seen.decode(errors="replace")
    job.shut()                              # as a run of the harness does it
    process = subprocess.Popen([program, "report", *arguments(given)], stdin=subprocess.DEVNULL, stdout=terminal,
                               stderr=terminal, cwd=job.folder,
                               env=clean_environment(job.folder, TERM="xterm-256color"))
    os.close(terminal)
    try:
        eventually(lambda: shown() and job.lines_written() > 60, "the job is in its middle")
        own_cluster.stop("immediate")
        eventually(lambda: re.search("(?i)outage|down|reconnect", shown()), "the outage is shown")
        own_cluster.start()
        job.open_up()
        eventually(lambda: shown() is not None and process.poll() is not None, "the end")
    finally:
        process.kill()
        process.wait()
    text = shown()
    os.close(screen)
    assert process.returncode == 0
    assert "%" in text and "/s" in text
    job.complete()


@pytest.mark.found("G2")
def test_json_says_by_the_ticks_clock_when_the_next_try_is_due_and_the_dial_keeps_to_it(make_job, proxy, cluster):
    job = make_job(rows=200, sql=slow_sql(), dsn=cluster.dsn("plain", port=proxy.port))
    run = job.start(log_format="json")
    run.await_lines(40)
    proxy.refuse()
    proxy.cut_all()
    run.await_log('"to":"BACKOFF"', 5)
    proxy.accept()
    run.check(0)
    due, dials = {}, 0
    for step in map(json.loads, run.log.splitlines()):
        if step.get("to") == "BACKOFF":
            assert step["due_ms"] == step["at_ms"] + step["wait_ms"] and step["wait_ms"] > 0
            due[step["connection"]] = step["due_ms"]
        elif step.get("from") == "BACKOFF" and step["connection"] in due:
            assert step["at_ms"] >= due.pop(step["connection"])
            dials += 1
        elif step.get("to") == "HEALTHY":
            due.clear()                     # the others follow it
    assert dials >= 2
    job.complete()
