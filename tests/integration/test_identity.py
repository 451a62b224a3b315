"""REPORT.md 27: which database a job belongs to, and what a finished one says when it is run again."""

import contextlib
import json
import os
import pathlib
import re
import struct
import subprocess
import zlib

import pytest

from harness.cluster import PASS
from harness.program import clean_environment

SLOW = "SELECT pass($1::int) * 2 AS twice, pg_sleep(0.01)::text AS slept"
IDENTITY = "SELECT system_identifier FROM pg_control_system()"
BLOCK, RECORD, SLOTS, FIELDS = 4096, 512, 4, 254    # platform/linux/report/position.h; FIELDS: of a record without identity
WITH_DATABASE = 486                                 # the fields of one that has its database and no server


@pytest.fixture
def begun(make_job, cluster):
    """A job that was killed in its middle, after 40 of its 200 lines."""
    def make(**options):
        job = make_job(rows=200, sql=SLOW, dsn=cluster.dsn("plain"))
        run = job.start(**options)
        run.await_lines(40)
        run.end()
        return job
    return make


@pytest.fixture
def second_database(cluster):
    """A database beside the tests' own on the same server."""
    cluster.sql("CREATE DATABASE second")
    with contextlib.closing(cluster.connect(dbname="second")) as second:
        second.cursor().execute(PASS)
    yield "second"
    cluster.sql("DROP DATABASE second WITH (FORCE)")


def complete(job):
    assert job.output.read_text() == "id,twice,slept\n" + "".join(f'{i},{2 * i},""\n' for i in range(1, 201))


@pytest.mark.found("R1")
@pytest.mark.rule(27)
def test_resume_against_another_server_is_exit_3_and_names_both(begun, cluster, own_cluster):
    own_cluster.make_anew()
    job = begun()
    before = job.part.read_bytes()
    job.dsn = own_cluster.dsn("plain")
    said = job.run(status=3).stderr
    for server in (cluster, own_cluster):
        assert str(server.value(IDENTITY)) in said and f":{server.port}" in said
    assert "--restart" in said and job.part.read_bytes() == before
    job.dsn = cluster.dsn("plain")
    job.run(status=0)
    complete(job)


@pytest.mark.found("R1")
@pytest.mark.rule(27)
def test_resume_against_another_database_of_the_server_is_exit_3_and_names_both(begun, cluster, second_database):
    job = begun()
    job.dsn = cluster.dsn("plain").replace("/db?", f"/{second_database}?")
    said = job.run(status=3).stderr
    assert 'database "db"' in said and 'database "second"' in said
    job.run(status=0, restart=True)
    complete(job)


@pytest.mark.found("R1")
@pytest.mark.rule(27)
def test_resume_as_another_user_of_the_same_database_is_a_warning(begun, cluster):
    job = begun()
    job.dsn = cluster.dsn("app")
    run = job.run(status=0)
    assert re.search(r'warn .*begun as user "plain" and goes on as "app"', run.log)
    complete(job)


@pytest.mark.found("R1")
@pytest.mark.rule(27)
def test_resume_by_way_of_another_host_is_the_same_job(begun, cluster, proxy):
    job = begun()
    job.dsn = cluster.dsn("plain", host="localhost", port=proxy.port)
    run = job.run(status=0)
    assert " warn " not in run.log
    complete(job)


@pytest.mark.found("R1")
def test_server_that_does_not_tell_its_identifier_is_known_by_the_databases_name(make_job, own_cluster):
    """No right to ask (as where PUBLIC has none): a notice, and the name decides."""
    own_cluster.sql("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    own_cluster.sql("CREATE DATABASE second")
    job = make_job(rows=200, sql=SLOW, server=own_cluster, dsn=own_cluster.dsn("plain"))
    run = job.start()
    run.await_lines(40)
    assert re.search(r"info .*does not tell its system identifier: .*42501", run.log)
    run.end()
    job.dsn = own_cluster.dsn("plain").replace("/db?", "/second?")
    assert 'database "second"' in job.run(status=3).stderr
    own_cluster.sql("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")
    job.dsn = own_cluster.dsn("plain")
    run = job.run(status=0)
    assert re.search(r"warn .*did not tell its system identifier", run.log)
    complete(job)


def forget_identity(position, fields=FIELDS):
    """The position as a program wrote it that did not know of databases, or of what is behind other `fields`."""
    image = bytearray(position.read_bytes())
    for at in range(0, SLOTS * BLOCK, BLOCK):
        record = image[at:at + RECORD]
        if record.startswith(b"HOLDFAST"):
            record[fields:] = bytes(RECORD - fields)
            record[-4:] = struct.pack("<I", zlib.crc32(bytes(record[:-4])))
            image[at:at + RECORD] = record
    position.write_bytes(image)


@pytest.mark.found("R1")
def test_position_of_an_older_holdfast_is_taken_with_a_warning(begun, cluster, second_database):
    job = begun()
    forget_identity(job.position)
    run = job.start()
    run.await_log("older holdfast wrote it")
    run.await_lines(80)
    run.end()
    job.dsn = cluster.dsn("plain").replace("/db?", f"/{second_database}?")
    assert 'database "db"' in job.run(status=3).stderr          # from then on it is known
    job.dsn = cluster.dsn("plain")
    job.run(status=0)
    complete(job)


@pytest.mark.rule(35)
def test_position_that_does_not_name_the_server_is_taken_with_a_notice(make_job, own_cluster):
    """So does the position of an older holdfast: nobody can tell whether the server is another one, and the log says so."""
    job = make_job(rows=200, sql="INSERT INTO ledger(line) SELECT pass($1::int) FROM pg_sleep(0.01)", server=own_cluster,
                   dsn=own_cluster.dsn("plain"))
    run = job.start(write=True, replay="safe")
    run.await_lines(40)
    run.end()
    forget_identity(job.position, WITH_DATABASE)
    own_cluster.restart()
    run = job.run(status=0, write=True, replay="safe")
    assert run.logged("info  the position of .* does not say which server acknowledged its lines") == 1
    assert run.summary["server_changes"] == [] and " warn " not in run.log


@pytest.mark.found("R1", "R10")
@pytest.mark.parametrize("status, rows", [(0, [("1",), ("2",)]), (2, [("1",), ("none",)])], ids=["whole", "with rejects"])
def test_finished_job_says_when_and_against_what_and_how_to_run_anew(make_job, cluster, status, rows):
    """And does not connect: against nothing at all it says the same."""
    job = make_job(rows=rows, sql="SELECT $1::int AS n", dsn=cluster.dsn("plain"))
    finished = job.run(status=status).summary
    job.dsn = job.dsn.replace(f":{cluster.port}", ":1")
    run = job.run(status=status)
    for part in (run.stderr, run.summary["reason"]):
        assert finished["finished"] in part and "nothing to do" in part and "--restart" in part
        assert 'database "db"' in part and str(cluster.value(IDENTITY)) in part
        assert f"127.0.0.1:{cluster.port}" in part and "plain" in part
    assert run.summary["system_identifier"] == finished["system_identifier"] == str(cluster.value(IDENTITY))
    assert (run.summary["database"], run.summary["user"]) == ("db", "plain")
    job.dsn = cluster.dsn("plain")
    assert job.run(status=status, restart=True).summary["finished"] > finished["finished"]


@pytest.mark.found("R10")
def test_finished_write_says_that_running_anew_writes_again(make_job, cluster):
    job = make_job(rows=2, sql="INSERT INTO ledger(line) VALUES ($1::int)", dsn=cluster.dsn("plain"))
    job.run(status=0, write=True)
    assert "applies all lines once more" in job.run(status=0, write=True).stderr


@pytest.mark.found("R10")
def test_finished_job_of_an_older_holdfast_is_dated_by_its_file(make_job, cluster):
    job = make_job(rows=2, sql="SELECT $1::int AS n", dsn=cluster.dsn("plain"))
    job.run(status=0)
    done = job.output.with_name(job.output.name + ".done")
    forget_identity(done)
    os.utime(done, (1709294400, 1709294400))
    said = job.run(status=0).stderr
    assert "2024-03-01T12:00:00.000Z" in said and "against" not in said and "--restart" in said


@pytest.mark.found("R10")
def test_crons_recipe_of_the_readme_makes_a_report_and_leaves_it_alone(make_job, program, cluster):
    """What stands in README.md, run as cron does: by sh, the escaped percent signs its own."""
    page = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()
    line = re.search(r"^\*/15 2-6 \* \* \*  (.*)$", page, re.M).group(1).replace("\\%", "%")
    job = make_job(rows=3, sql="SELECT $1::int AS n", dsn=cluster.dsn("plain"))
    config = job.folder / "nightly.json"
    config.write_text(json.dumps({"dsn": job.dsn, "cost_file": "cost.csv", "query": "report.sql"}))
    config.chmod(0o600)
    date = job.folder / "date"              # else it may be midnight between the two
    date.write_text('#!/bin/sh\nexec /bin/date -d 2026-02-03 "$@"\n')
    date.chmod(0o755)
    environment = clean_environment(
        job.folder, PATH=f"{job.folder}:{os.path.dirname(os.path.abspath(program))}:{os.environ['PATH']}")
    said = [subprocess.run(["sh", "-c", line.replace("/srv/cost", str(job.folder))], env=environment, text=True,
                           capture_output=True, check=True).stderr for _ in range(2)]
    assert "all done" in said[0] and "nothing to do" in said[1]
    report, = job.folder.glob("cost-????-??-??.csv")
    assert report.read_text() == "id,n\n1,1\n2,2\n3,3\n"
    config.unlink()                         # it has the password, as it may
