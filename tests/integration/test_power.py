"""FAULTS.md 44: the power goes. What was not synced is lost, in any mixture; the same command still completes."""

import os
import random
import shutil
import uuid

import pytest

from harness import disk, program

CUTS = 40
SQL = """SELECT i.name, i.price, i.note FROM pg_sleep(current_setting('tests.pause')::float), item i WHERE i.id = $1"""


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    return program.shim(tmp_path_factory.mktemp("disk"), "disk")


def dsn(cluster, pause):
    """How long a line takes is a setting of the session, so that a resumed run of the same query can be quick."""
    return cluster.dsn("plain", options=f"-c tests.pause={pause}")


def under(shim, folder, log=None):
    """The environment of a run on a machine that was started for it."""
    boot = folder / "boot_id"
    boot.write_text(f"{uuid.uuid4()}\n")
    noted = {"HF_DISK": str(folder / "report.csv"), "HF_DISK_LOG": str(log)} if log else {}
    return program.clean_environment(folder, LD_PRELOAD=str(shim), HF_DISK_BOOT=str(boot), **noted)


def expected(job, cluster):
    cluster.sql("SET tests.pause = 0")
    job.sql = SQL.replace("current_setting('tests.pause')::float", "0")
    return job.expected()


@pytest.mark.fault(44)
@pytest.mark.rule(24)
@pytest.mark.parametrize("bad", [None, 50], ids=["", "with rejects"])
def test_fault_44_after_a_power_cut_at_any_moment_the_same_command_completes_the_file(make_job, cluster, shim, tmp_path,
                                                                                     bad):
    sql = SQL if bad is None else SQL + f" AND refuse($1::int, $1::int / {bad} * {bad}, '22012') = $1::int"
    job = make_job(rows=200, sql=sql, dsn=dsn(cluster, 0.04))
    log = tmp_path / "calls"
    first = job.start(env=under(shim, job.folder, log))
    status = 0 if bad is None else 2
    first.check(status)
    job.sql = sql.replace("current_setting('tests.pause')::float", "0")
    good = [row for row in job.rows if bad is None or int(row[0]) % bad]
    content = job.expected(good)
    rejects = job.rejects.read_bytes() if bad else None
    assert job.output.read_bytes() == content
    made = disk.calls(log)
    assert sum(call == "sync" for call, *_ in made) >= 4, "the run was long enough to be made durable on its way"
    chance = random.Random(44)
    ends = [at for at, (call, *_) in enumerate(made, 1) if call.startswith("rename") or call == "unlink"]
    moments = chance.sample(range(1, len(made)), CUTS - len(ends) * 2) + ends + [at + 1 for at in ends]
    job.dsn = dsn(cluster, 0)
    for moment in moments:
        for path in job.folder.glob("report.csv*"):
            path.unlink()
        found = disk.image(made, moment, chance)
        for name, data in found.items():
            (job.folder / name).write_bytes(data)
        seen = f"the power went after call {moment} of {len(made)}: {({name: len(data) for name, data in found.items()})}"
        run = job.start(env=under(shim, job.folder))
        assert run.finish() == status, f"{seen}: {run.tail()}"
        assert job.output.read_bytes() == content, seen
        assert not bad or job.rejects.read_bytes() == rejects, seen
