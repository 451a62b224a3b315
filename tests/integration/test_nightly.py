"""Every night: --if-finished, {date} in --output, the recipes of platform/linux/report/NIGHTLY.md."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

from harness.program import clean_environment

SLOW = "SELECT pass($1) * 2 AS twice"
PAGE = (pathlib.Path(__file__).resolve().parents[2] / "platform/linux/report/NIGHTLY.md").read_text()
# Two places of which the one is always a day or two behind the other: POSIX has the sign the other way round.
YESTERDAY, TODAY = "WEST+20", "EAST-20"


def blocks(kind):
    """The page's examples in a language."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.M | re.S)


def in_zone(job, zone):
    return clean_environment(job.folder, TZ=zone)


def date_in(zone):
    return subprocess.run(["date", "+%F"], env={**os.environ, "TZ": zone}, capture_output=True, text=True,
                          check=True).stdout.strip()


def dated(job, date):
    """Point the job's names to the output of that date."""
    job.place_output(job.folder / f"report-{date}.csv")


def killed_at(job, lines, **options):
    run = job.start(**options)
    run.await_lines(lines)
    run.end()


@pytest.fixture
def counted(make_job, cluster):
    """A job whose lines say how often they ran: table ledger has a row for each time."""
    cluster.sql("TRUNCATE ledger")
    yield make_job(rows=3, sql="INSERT INTO ledger(line) VALUES ($1::int)", dsn=cluster.dsn("plain"))
    cluster.sql("TRUNCATE ledger")


@pytest.mark.rule(50)
@pytest.mark.parametrize("choice, status, times", [("skip", 0, 1), ("restart", 0, 2), ("fail", 1, 1)])
def test_finished_job_is_skipped_made_anew_or_a_failure(counted, cluster, choice, status, times):
    counted.run(status=0, write=True)
    run = counted.run(status=status, write=True, if_finished=choice)
    assert cluster.value("SELECT count(*) FROM ledger") == 3 * times
    if choice == "fail":
        assert re.search(r"report\.csv: finished by an earlier run at .*--if-finished fail.*--restart", run.stderr)
    counted.output.unlink()                     # taken away by whoever wanted it: the next night's is made
    if choice == "restart":
        counted.run(status=0, write=True, if_finished=choice)
        assert cluster.value("SELECT count(*) FROM ledger") == 9


@pytest.mark.rule(50)
@pytest.mark.parametrize("choice", ["skip", "restart", "fail"])
def test_unfinished_job_is_gone_on_with_whatever_finished_ones_are_to_be(make_job, cluster, choice):
    job = make_job(rows=100, sql=SLOW, dsn=cluster.dsn("plain"))
    killed_at(job, 20, if_finished=choice)
    run = job.run(status=0, if_finished=choice)
    assert run.summary["runs"] == 2 and run.summary["resumed_from_line"] > 1
    job.complete()


@pytest.mark.rule(50)
def test_finish_that_was_cut_short_is_carried_out_and_no_failure(make_job, cluster):
    """As after a kill between the last commit and the renames."""
    job = make_job(rows=3, sql="SELECT $1::int AS n", dsn=cluster.dsn("plain"))
    for choice in ("fail", "restart"):
        job.run(status=0, if_finished="restart")
        job.output.rename(job.part)
        job.output.with_name("report.csv.done").rename(job.position)
        before = job.part.stat().st_ino
        assert "finished by an earlier run" in job.run(status=0, if_finished=choice).stderr
        assert job.output.stat().st_ino == before


@pytest.mark.rule(50)
def test_restart_that_was_killed_while_it_removed_the_old_report_is_gone_on_with(make_job, cluster):
    """The finished report has lost its rejects by then: it is not taken for whole."""
    job = make_job(rows=20, sql="SELECT refuse($1, $1 / 10 * 10, 'P0001') AS n", dsn=cluster.dsn("plain"))
    job.run(status=2)
    output, rejects = job.output.read_bytes(), job.rejects.read_bytes()
    job.position.write_bytes(bytes(16384))      # as --restart makes it first
    job.rejects.unlink()
    job.run(status=2)
    assert job.rejects.read_bytes() == rejects and job.output.read_bytes() == output
    assert "nothing to do" in job.run(status=2).stderr and not job.position.exists()


@pytest.mark.rule(50)
def test_date_in_the_output_is_the_local_one(make_job, cluster):
    job = make_job(rows=3, sql="SELECT $1::int AS n", dsn=cluster.dsn("plain"))
    pattern = job.folder / "report-{date}.csv"
    for zone in (YESTERDAY, TODAY):
        before = date_in(zone)
        run = job.run(status=0, output=pattern, env=in_zone(job, zone))
        dates = {before, date_in(zone)}
        assert pathlib.Path(run.summary["output"]).name in {f"report-{date}.csv" for date in dates}
        dated(job, run.summary["output"][-14:-4])
        job.complete()


@pytest.mark.rule(50)
def test_run_on_the_next_day_goes_on_with_what_was_begun_and_the_one_after_begins_its_own(make_job, cluster):
    job = make_job(rows=100, sql=SLOW, dsn=cluster.dsn("plain"))
    pattern = job.folder / "report-{date}.csv"
    begun = date_in(YESTERDAY)
    dated(job, begun)
    killed_at(job, 20, output=pattern, env=in_zone(job, YESTERDAY))
    run = job.run(status=0, output=pattern, env=in_zone(job, TODAY))
    assert run.summary["output"] == str(job.output) and run.summary["runs"] == 2
    assert re.search(rf"warn .*report-{begun}\.csv was begun on an earlier day and is not finished: this run goes on", run.log)
    job.complete()
    run = job.run(status=0, output=pattern, env=in_zone(job, TODAY))
    assert run.summary["output"] != str(job.output) and run.summary["runs"] == 1


@pytest.mark.rule(50)
def test_unfinished_job_of_an_earlier_day_with_another_input_is_named_and_left(make_job, cluster):
    job = make_job(rows=100, sql=SLOW, dsn=cluster.dsn("plain"))
    pattern = job.folder / "report-{date}.csv"
    begun = date_in(YESTERDAY)
    dated(job, begun)
    killed_at(job, 20, output=pattern, env=in_zone(job, YESTERDAY))
    left = job.part.read_bytes()
    job.cost_file.write_text("id\n7\n")
    run = job.run(status=0, output=pattern, env=in_zone(job, TODAY))
    assert re.search(rf"warn .*report-{begun}\.csv was begun .*the input has changed since: it stays", run.log)
    assert job.part.read_bytes() == left and run.summary["output"] != str(job.output)


@pytest.mark.rule(50)
def test_job_that_a_restart_left_behind_does_not_come_back(make_job, cluster):
    """As when it cannot go on, and --restart is the way out that the message names: it must help for good."""
    job = make_job(rows=100, sql=SLOW, dsn=cluster.dsn("plain"))
    pattern = job.folder / "report-{date}.csv"
    begun = date_in(YESTERDAY)
    dated(job, begun)
    killed_at(job, 20, output=pattern, env=in_zone(job, YESTERDAY))
    left = job.part.read_bytes()
    run = job.run(status=0, output=pattern, env=in_zone(job, TODAY), restart=True)
    run = job.run(status=0, output=pattern, env=in_zone(job, TODAY))
    assert re.search(rf"warn .*report-{begun}\.csv was begun .* and one of a later day is: it stays as it is", run.log)
    assert "nothing to do" in run.stderr and job.part.read_bytes() == left


def recipe_of_cron():
    block, = blocks("cron")
    return re.fullmatch(r"\*/15 2-6 \* \* \*  (.*)\n", block).group(1).replace("\\%", "%")


@pytest.mark.rule(50)
def test_crons_recipe_is_a_line_that_sh_runs(make_job, program, cluster):
    """As cron does: by sh, in a near-empty environment."""
    job = make_job(rows=3, sql="SELECT $1::int AS n", dsn=cluster.dsn("plain"))
    config = job.folder / "nightly.json"
    config.write_text(json.dumps({"dsn": job.dsn, "cost_file": "cost.csv", "query": "report.sql"}))
    config.chmod(0o600)
    environment = {"HOME": str(job.folder), "PATH": f"{os.path.dirname(os.path.abspath(program))}:/usr/bin:/bin"}
    command = recipe_of_cron().replace("/srv/cost", str(job.folder))
    said = [subprocess.run(["sh", "-c", command], env=environment, text=True, capture_output=True, check=True).stderr
            for _ in range(2)]
    config.unlink()                         # it has the password, as it may
    assert "all done" in said[0] and "nothing to do" in said[1]
    report, = job.folder.glob("cost-????-??-??.csv")
    assert report.read_text() == "id,n\n1,1\n2,2\n3,3\n"


@pytest.mark.rule(50)
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemds_recipe_is_what_systemd_understands(tmp_path, program):
    service, timer = blocks("ini")
    assert os.path.isabs(os.path.abspath(program))
    (tmp_path / "cost.service").write_text(service.replace("/usr/local/bin/holdfast", os.path.abspath(program)))
    (tmp_path / "cost.timer").write_text(timer)
    for unit in ("cost.service", "cost.timer"):
        seen = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / unit], text=True, capture_output=True,
                              check=False)
        complaints = [line for line in seen.stderr.splitlines() if str(tmp_path) in line or line.startswith("cost.")]
        assert not complaints and "Unknown" not in seen.stderr, seen.stderr


@pytest.mark.rule(50)
def test_kubernetes_recipes_parse_and_give_the_program_words_that_it_takes(holdfast, tmp_path):
    """Each container's words are a command line that the program reads; what fails then is the input, which is not there."""
    for text in blocks("yaml"):
        spec = yaml.safe_load(text)
        job = spec["spec"]["jobTemplate"]["spec"] if spec["kind"] == "CronJob" else spec["spec"]
        rule, = job["podFailurePolicy"]["rules"]
        assert rule["onExitCodes"]["values"] == [1, 2, 3, 5]
        pod = job["template"]["spec"]
        assert pod["restartPolicy"] == "Never"      # podFailurePolicy asks for it
        container, = pod["containers"]
        assert rule["onExitCodes"]["containerName"] == container["name"]
        config = tmp_path / "nightly.json"
        config.write_text(json.dumps({"cost_file": "missing.csv", "query": "missing.sql"}))
        words = [str(config) if word == "nightly.json" else word for word in container["args"]]
        run = holdfast(*container["command"][1:], *words, status=1, env={"JOB_COMPLETION_INDEX": "7"})
        assert "missing.sql" in run.stderr
