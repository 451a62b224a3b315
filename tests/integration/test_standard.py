"""--cost-file - and --output -: a report from a pipe and into one, with all that a file's has."""

import contextlib
import os
import random
import re
import signal

import pytest

from harness import disk, program
from harness.program import clean_environment
from harness.waiting import eventually

SLOW = "SELECT pass($1) * 2 AS twice"
FAST = "SELECT $1::int * 2 AS twice"


def beside(path, ending):
    return path.with_name(path.name + ending)


@pytest.fixture
def from_pipe():
    """Start a job with bytes in a pipe for its standard input; without any it is at its end."""
    def start(job, given=b"", **options):
        read, write = os.pipe()
        run = job.start(stdin=read, **{"cost_file": "-", **options})
        os.close(read)
        with contextlib.suppress(BrokenPipeError):          # refused before it is read
            os.write(write, given)
        os.close(write)
        return run
    return start


# ---- input ----------------------------------------------------------------------------------------------

@pytest.mark.rule(54)
def test_input_from_standard_input_makes_the_same_report_and_leaves_nothing(make_job, from_pipe):
    job = make_job(rows=50, sql=FAST)
    run = from_pipe(job, job.cost_file.read_bytes()).check(0)
    job.complete()
    assert not list(job.folder.glob("report.csv.input*")) and "standard input: 50 lines" in run.log
    assert "nothing to do" in from_pipe(job, job.cost_file.read_bytes()).check(0).stderr
    assert "the input has changed since" in from_pipe(job, b"id\n1\n").check(3).stderr
    assert not list(job.folder.glob("report.csv.input*"))


@pytest.mark.rule(54)
def test_finished_report_needs_nothing_in_standard_input(make_job, from_pipe):
    """What was kept of it is gone by then."""
    job = make_job(rows=[("1",), ("x",), ("3",)], sql=FAST)
    given = job.cost_file.read_bytes()
    from_pipe(job, given).check(2)
    left = job.output.read_bytes()
    run = from_pipe(job).check(2)
    assert "nothing to do" in run.stderr and "there is nothing in standard input" in run.log
    assert run.summary["lines_total"] == 3 and run.summary["lines_rejected"] == 1
    assert "is a failure by --if-finished fail" in from_pipe(job, if_finished="fail").check(1).stderr
    assert "--limit" in from_pipe(job, limit=1).check(3).stderr
    for options in ({"restart": True}, {"if_finished": "restart"}, {"dry_run": True}):
        assert "there is nothing in standard input, and no unfinished job" in from_pipe(job, **options).check(1).stderr
    job.query.write_text(FAST + " -- another")
    assert "the query has changed since" in from_pipe(job).check(3).stderr
    assert job.output.read_bytes() == left and not list(job.folder.glob("report.csv.input*"))


@pytest.mark.rule(54)
def test_finished_report_is_printed_again_with_nothing_in_standard_input(make_job, from_pipe):
    job = make_job(rows=5, sql=FAST)
    options = {"output": "-", "position": job.folder / "p"}
    first = from_pipe(job, job.cost_file.read_bytes(), **options).check(0)
    assert first.stdout.count("\n") == 6
    assert from_pipe(job, **options).check(0).stdout == first.stdout


@pytest.mark.rule(54)
@pytest.mark.parametrize("again", [True, False], ids=["given-again", "not-given-again"])
def test_killed_job_goes_on_with_what_was_kept_of_standard_input(make_job, from_pipe, cluster, again):
    job = make_job(rows=150, sql=SLOW, dsn=cluster.dsn("plain"))
    given = job.cost_file.read_bytes()
    run = from_pipe(job, given)
    run.await_lines(20)
    run.end()
    kept = beside(job.output, ".input")
    assert kept.read_bytes() == given and kept.stat().st_mode & 0o77 == 0
    assert "the input has changed since" in from_pipe(job, given + b"151\n").check(3).stderr
    assert kept.read_bytes() == given and not beside(kept, ".new").exists()
    run = from_pipe(job, given if again else b"").check(0)
    assert run.summary["runs"] == 2
    job.complete()
    assert not list(job.folder.glob("report.csv.input*"))


@pytest.mark.rule(54)
def test_day_after_goes_on_with_what_was_kept_the_day_before(make_job, from_pipe, cluster):
    job = make_job(rows=150, sql=SLOW, dsn=cluster.dsn("plain"))
    given, pattern = job.cost_file.read_bytes(), job.folder / "report-{date}.csv"
    for zone, rest in (("WEST+20", {}), ("EAST-20", {"given": b""})):
        run = from_pipe(job, rest.get("given", given), output=pattern, env=clean_environment(job.folder, TZ=zone))
        if not rest:
            eventually(lambda: any(part.read_bytes().count(b"\n") > 20 for part in job.folder.glob("report-*.part")), "lines")
            run.end()
    run.check(0)
    job.place_output(next(job.folder.glob("report-*.csv")))
    job.complete()
    assert run.summary["runs"] == 2 and not list(job.folder.glob("report-*.input*"))


@pytest.mark.rule(54)
def test_second_run_does_not_take_away_what_the_first_still_reads(make_job, from_pipe):
    """As when the producer needs longer than cron waits."""
    job = make_job(rows=50, sql=FAST)
    given, cut = job.cost_file.read_bytes(), 20
    read, write = os.pipe()
    first = job.start(stdin=read, cost_file="-")
    os.close(read)
    os.write(write, given[:cut])
    fresh = beside(job.output, ".input.new")
    eventually(lambda: fresh.exists() and fresh.read_bytes() == given[:cut], "what was written to the pipe")
    second = from_pipe(job, given, log_file=None, summary=None)
    assert "another run reads its standard input" in second.check(1).stderr
    os.write(write, given[cut:])
    os.close(write)
    assert first.check(0).summary["lines_done"] == 50
    job.complete()


@pytest.mark.rule(54)
def test_whenever_a_run_is_killed_the_input_is_there_as_soon_as_a_position_is(make_job, from_pipe, tmp_path):
    """And never in the way of the same command."""
    job = make_job(rows=5, sql=FAST)
    given, log = job.cost_file.read_bytes(), tmp_path / "calls"
    shim = program.shim(tmp_path, "disk")
    from_pipe(job, given, env=clean_environment(job.folder, LD_PRELOAD=str(shim), HF_DISK=str(job.output),
                                                HF_DISK_LOG=str(log))).check(0)
    content, made, chance = job.output.read_bytes(), disk.calls(log), random.Random(54)
    kept = 1 + next(at for at, (call, path, *_) in enumerate(made) if (call, path.name) == ("rename-to", "report.csv.input"))
    for moment in [*range(kept - 4, kept + 8), *range(len(made) - 6, len(made) + 1)]:
        for path in job.folder.glob("report.csv*"):
            path.unlink()
        for name, data in disk.image(made, moment, chance).items():
            (job.folder / name).write_bytes(data)
        begun = job.position.exists() and any(job.position.read_bytes())
        seen = f"call {moment} of {len(made)}, {made[moment - 1][:2]}: {sorted(path.name for path in job.folder.glob('report.csv*'))}"
        done = beside(job.output, ".done").exists()
        run = from_pipe(job, b"" if begun and not done and not job.output.exists() else given, if_finished="restart")
        assert run.finish() == 0, f"{seen}: {run.tail()}"
        assert job.output.read_bytes() == content and not list(job.folder.glob("report.csv.input*")), seen


@pytest.mark.rule(54)
def test_standard_input_that_cannot_be_is_refused(make_job, from_pipe):
    job = make_job(rows=3, sql=FAST)
    plain = {"log_file": None, "summary": None}
    for given, options, says in ((b"", {}, "there is nothing in standard input"),
                                 (b'id\n1\n"2\n', {}, "standard input:3: a quote"),
                                 (b"id\n1\n", {"query": "-"}, "--cost-file - and --query - are one standard input")):
        assert says in from_pipe(job, given, **plain, **options).check(1).stderr
        assert not list(job.folder.glob("report.csv*"))
    beside(job.output, ".input").write_text("somebody's\n")
    assert re.search(r"report\.csv\.input is there, but no position", from_pipe(job, b"id\n1\n", **plain).check(1).stderr)
    assert beside(job.output, ".input").read_text() == "somebody's\n" and not job.part.exists()


@pytest.mark.rule(54)
def test_signal_ends_the_wait_for_standard_input(make_job):
    job = make_job(rows=3, sql=FAST)
    read, write = os.pipe()
    run = job.start(stdin=read, cost_file="-")
    os.close(read)
    os.write(write, b"id\n")
    fresh = beside(job.output, ".input.new")
    eventually(lambda: fresh.exists() and fresh.read_bytes() == b"id\n", "what was written to the pipe")
    run.send(signal.SIGTERM)
    assert "waiting for standard input" in run.check(4).stderr
    os.close(write)
    assert not list(job.folder.glob("report.csv*"))


# ---- output ---------------------------------------------------------------------------------------------

@pytest.fixture
def printed(make_job, cluster):
    """A job that prints its report: its position, and the file that the report is until then."""
    job = make_job(rows=150, sql=SLOW, dsn=cluster.dsn("plain"))
    position = job.folder / "nightly.position"
    job.place_output(beside(position, ".output"))
    job.position = position
    return job, {"output": "-", "position": position}


@pytest.mark.rule(54)
def test_report_is_printed_when_it_is_complete_and_again_by_the_same_command(printed):
    job, options = printed
    run = job.start(**options)
    run.await_lines(20)
    assert run.stdout == "" and job.position.exists()
    run.end()
    assert run.stdout == ""
    for _ in range(2):
        run = job.run(status=0, **options)
        assert run.stdout.encode() == job.expected()
    assert "it is printed again; " in run.stderr and "or choose another --position" in run.stderr
    assert "{date}" not in run.stderr               # which no --position may have
    job.complete()
    assert job.run(status=1, if_finished="fail", **options).stdout == ""


@pytest.mark.rule(54)
def test_reader_that_goes_away_costs_the_print_alone(printed):
    job, options = printed
    read, write = os.pipe()
    os.close(read)
    run = job.start(stdout=write, **options)
    os.close(write)
    assert re.search("standard output.*the same command writes it again", run.check(4).stderr)
    assert job.run(status=0, **options).stdout.encode() == job.expected()


@pytest.mark.rule(54)
def test_signal_is_heard_while_nobody_reads(make_job, cluster):
    job = make_job(rows=60, sql="SELECT repeat('x', 5000) AS wide", params=None, dsn=cluster.dsn("plain"))
    options = {"output": "-", "position": job.folder / "p"}
    job.place_output(job.folder / "p.output")
    read, write = os.pipe()
    run = job.start(stdout=write, **options)
    os.close(write)
    eventually(lambda: job.output.exists() and not (job.folder / "p").exists(), "the finished report")
    run.send(signal.SIGTERM)
    assert "waiting for standard output" in run.check(4).stderr
    os.close(read)


@pytest.mark.rule(54)
def test_deadline_ends_the_wait_for_a_reader(make_job):
    job = make_job(rows=60, sql="SELECT repeat('x', 5000) AS wide", params=None)
    options = {"output": "-", "position": job.folder / "p"}
    job.place_output(job.folder / "p.output")
    job.run(status=0, **options)
    read, write = os.pipe()
    run = job.start(stdout=write, deadline="1s", **options)
    os.close(write)
    assert "(--deadline), waiting for standard output: nothing reads from it" in run.check(4).stderr
    os.close(read)


@pytest.mark.rule(54)
@pytest.mark.parametrize("options, says", [
    ({"output": "-"}, "--output -: .*with --position FILE"),
    ({"position": "p"}, "--position is for --output -"),
    ({"output": "-", "position": "p", "summary": "/dev/stdout"}, "the report alone goes there"),
    ({"output": "-", "position": "cost.csv"}, "another file of this report"),
    ({"output": "-", "position": "p-{date}"}, r"\{date\} and \{shard\} are for --output"),
])
def test_standard_output_that_cannot_be_is_refused(make_job, options, says):
    job = make_job(rows=3, sql=FAST)
    assert re.search(says, job.run(status=1, **{"log_file": None, "summary": None, **options}).stderr)
    assert sorted(path.name for path in job.folder.iterdir() if not path.name.startswith("run")) == ["cost.csv", "report.sql"]
