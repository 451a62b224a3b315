"""What may stand where the report's files go: pipes, devices, sockets, folders, links; and standard input and output."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import stat
import threading

import pytest

from harness.program import rows_of
from harness.waiting import eventually

FAMILY = (".part", ".position", ".done", ".rejects.csv", ".unknown.csv", ".intents", ".intents.new")


def make_link(path):
    target = path.with_name("somebodys.txt")
    target.write_text("somebody's work\n")
    path.symlink_to(target)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(path.parent):
        listener.bind(path.name)            # a socket's path is short


KINDS = {
    "a named pipe": os.mkfifo,
    "a folder": lambda path: path.mkdir(),
    "a socket": make_socket,
    "a symbolic link": make_link,
    "a device": lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3)),
}
kinds = pytest.mark.parametrize("kind", [
    pytest.param(kind, marks=pytest.mark.skipif(kind == "a device" and os.geteuid() != 0, reason="root makes devices"))
    for kind in KINDS])


@pytest.fixture
def job(make_job, cluster):
    return make_job(rows=[("1",), ("none",), ("3",)], sql="SELECT $1::int AS n", dsn=cluster.dsn("plain"))


def beside(job, ending):
    return job.output.with_name(job.output.name + ending)


def family(job):
    return sorted(path.name for path in job.folder.glob("report.csv*"))


@pytest.mark.found("L5")
@kinds
@pytest.mark.parametrize("ending", ["", *FAMILY])
def test_what_is_no_file_under_a_name_of_the_report_is_refused_before_anything_is_written(job, ending, kind):
    path = beside(job, ending)
    KINDS[kind](path)
    run = job.run(status=1, write=True)
    assert str(path) in run.stderr
    assert kind in run.stderr or (ending == "" and kind == "a symbolic link" and "not made by this job" in run.stderr)
    assert "another --output" in run.stderr or "name one" in run.stderr
    assert family(job) == [path.name]
    if kind == "a symbolic link":
        assert path.read_text() == "somebody's work\n"


@pytest.mark.found("L5")
@kinds
@pytest.mark.parametrize("ending, status", [(".rejects.csv", 2), (".unknown.csv", 5)])
def test_what_appears_in_mid_run_is_never_opened(make_job, cluster, ending, status, kind):
    """The job stops, to be resumed: nothing is written into somebody else's file, and nobody waits for a pipe."""
    sql = {2: "SELECT refuse(pass($1::int), 150, 'P0001') AS n, pg_sleep(0.01)::text AS s",
           5: "SELECT repeat('x', CASE WHEN pass($1::int) = 150 THEN 3000000 ELSE 1 END), pg_sleep(0.01)::text AS s"}[status]
    job = make_job(rows=200, sql=sql, dsn=cluster.dsn("plain"), gate=100)
    options = {"write": True, "replay": {2: "safe", 5: "unsent"}[status]}
    run = job.start(**options)
    run.await_lines(20)
    path = beside(job, ending)
    KINDS[kind](path)
    run.check(4)
    assert str(path) in run.stderr and "move it away" in run.stderr
    if kind == "a symbolic link":
        assert path.read_text() == "somebody's work\n"
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink()
    job.run(status=status, **options)
    told = [row[1] for row in rows_of(path)[1:]]                # and what was under way at the stop, if it writes
    assert "150" in told and len(told) + len(rows_of(job.output)) == 201


@pytest.mark.found("L5")
def test_intents_are_their_owners_alone(make_job, cluster):
    """Intents have rows of the result in them."""
    job = make_job(rows=200, sql="SELECT pass($1::int) AS n, pg_sleep(0.01)::text AS s", dsn=cluster.dsn("plain"))
    before = os.umask(0)
    try:
        run = job.start(write=True)
        run.await_lines(20)
        intents = beside(job, ".intents")
        assert stat.S_IMODE(intents.stat().st_mode) == 0o600
        run.end()
        intents.chmod(0o644)                    # as an older holdfast left it
        run = job.start(write=True)
        run.await_lines(60)
        assert stat.S_IMODE(intents.stat().st_mode) == 0o600
        run.end()
    finally:
        os.umask(before)
    job.run(status=0, write=True)


@pytest.mark.found("L5")
@pytest.mark.parametrize("option", ["summary", "log_file"])
@pytest.mark.parametrize("kind", ["a folder", "a socket"])
def test_summary_and_log_that_cannot_be_written_to_are_refused(job, option, kind):
    path = job.folder / "there"
    KINDS[kind](path)
    run = job.run(status=1, **{"log_file": None, option: path})
    assert f"--{option.replace('_', '-')}: {path} is {kind}" in run.stderr
    assert family(job) == []


@pytest.mark.found("L5")
def test_log_to_a_pipe_that_nobody_reads_is_refused(job):
    os.mkfifo(job.folder / "pipe")
    assert "nobody reads the pipe" in job.run(status=1, log_file=job.folder / "pipe").stderr
    assert family(job) == []


@pytest.mark.found("L5")
def test_log_to_a_pipe_whose_reader_sleeps_does_not_stop_the_job(make_job, cluster):
    job = make_job(rows=2000, sql="SELECT $1::int AS n", dsn=cluster.dsn("plain"))
    os.mkfifo(job.folder / "pipe")
    reader = os.open(job.folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        run = job.run(status=0, log_file=job.folder / "pipe", log_level="debug", max_concurrent=64)
        first = os.read(reader, 65536)
    finally:
        os.close(reader)
    assert b"connected to" in first
    assert len(rows_of(job.output)) == 2001
    assert len(first) < 60000 or "has gaps" in run.stderr


@pytest.mark.found("L5")
def test_summary_to_a_pipe_goes_to_its_reader_or_is_said(job):
    pipe = job.folder / "pipe"
    os.mkfifo(pipe)
    run = job.run(status=2, summary=pipe)
    assert "nobody reads that pipe" in run.stderr
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        job.run(status=2, restart=True, summary=pipe)
        assert json.loads(os.read(reader, 65536))["lines_rejected"] == 1
    finally:
        os.close(reader)


@pytest.mark.found("L5")
def test_summary_through_a_link_leaves_the_link(job):
    link, target = job.folder / "link.json", job.folder / "target.json"
    link.symlink_to(target)
    job.run(status=2, summary=link)
    assert link.is_symlink() and '"lines_rejected"' in target.read_text()


def written_soon(pipe, text):
    """Somebody who writes into a pipe once it is opened to be read."""
    thread = threading.Thread(target=lambda: pathlib.Path(pipe).write_text(text))
    thread.start()
    return thread


@pytest.mark.found("L5")
@pytest.mark.parametrize("option", ["query", "config"])
def test_query_and_config_may_come_from_a_pipe(job, option):
    """As the shell's process substitution gives them: --query <(echo ...)."""
    pipe = job.folder / "pipe"
    os.mkfifo(pipe)
    writer = written_soon(pipe, "SELECT $1::int AS n" if option == "query" else '{"params": "id"}')
    job.run(status=2, **{option: pipe})
    writer.join()
    assert job.output.read_text() == "id,n\n1,1\n3,3\n"


def target(descriptor):
    try:
        return os.readlink(descriptor)
    except FileNotFoundError:           # it was closed since it was listed
        return None


def open_files(run):
    """What its descriptors stand for."""
    return {target(descriptor) for descriptor in pathlib.Path(f"/proc/{run.pid}/fd").iterdir()}


@pytest.mark.found("L5")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_wait_for_a_pipe_that_nobody_writes_to(job, number):
    os.mkfifo(job.folder / "pipe")
    run = job.start(query=job.folder / "pipe", log_level="debug")
    eventually(lambda: str(job.folder / "pipe") in open_files(run), "the pipe is opened")
    run.send(number)
    run.check(4)
    assert "stopped by" in run.stderr and "pipe" in run.stderr
    assert family(job) == []


@pytest.mark.found("L5")
def test_deadline_ends_the_wait_for_a_pipe_that_nobody_writes_to(job):
    os.mkfifo(job.folder / "pipe")
    run = job.run(status=4, query=job.folder / "pipe", deadline="300ms")
    assert "--deadline" in run.stderr and "nothing writes to it" in run.stderr
    assert family(job) == []


@pytest.mark.found("R6")
@pytest.mark.parametrize("option, way_out", [
    ("output", "name one"), ("summary", "/dev/stdout"), ("log_file", "standard error")])
def test_dash_that_cannot_be_honoured_is_refused_with_the_way_out(job, option, way_out):
    run = job.run(status=1, **{"log_file": None, option: "-"})
    assert f"--{option.replace('_', '-')} -:" in run.stderr and way_out in run.stderr
    assert family(job) == [] and not list(job.folder.glob("-*"))


@pytest.mark.found("R6")
def test_summary_to_standard_output_is_there(job):
    """By a link like /dev/stdout, which was replaced by a file where the program might."""
    (job.folder / "stdout").symlink_to("/proc/self/fd/1")
    run = job.run(status=2, summary=job.folder / "stdout")
    assert json.loads(run.stdout)["lines_rejected"] == 1
    assert (job.folder / "stdout").is_symlink()


@pytest.mark.found("R6")
def test_log_to_standard_output_is_there(job):
    (job.folder / "stdout").symlink_to("/proc/self/fd/1")
    assert "connected to" in job.run(status=2, log_file=job.folder / "stdout", log_level="info").stdout


@pytest.mark.found("L5")
@pytest.mark.parametrize("option", ["cost_file", "query", "config"])
@pytest.mark.parametrize("ending", ["", ".rejects.csv", ".part"])
def test_what_is_read_is_none_of_what_is_written(job, option, ending):
    """The rejects of the last run as the input of the next, say: --restart would remove them."""
    job.run(status=2)
    path = beside(job, ending)
    path.write_text('{"params": "id"}' if option == "config" else "id\n1\n")
    before = path.read_bytes()
    run = job.run(status=1, restart=True, **{option: path})
    assert f"--{option.replace('_', '-')}: {path} is another file of this report" in run.stderr
    assert path.read_bytes() == before


@pytest.mark.found("R6")
def test_input_and_query_that_are_one_file_are_refused(job):
    assert "are the same file" in job.run(status=1, query=job.cost_file).stderr
