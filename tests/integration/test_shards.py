"""--shard K/N and `holdfast merge`: parts on many machines, together the file of one."""

import os
import pathlib
import re
import signal
import subprocess

import pytest

from harness import program
from harness.program import SETTINGS, arguments, clean_environment, rows_of
from harness.waiting import PATIENCE_S, eventually

ROWS = "SELECT refuse($1, $1 / 10 * 10, 'P0001') AS n, s.day FROM generate_series(1, $1::int % 3) s(day), pg_sleep(0)"
SLURM = {"SLURM_ARRAY_TASK_ID": 3, "SLURM_ARRAY_TASK_MIN": 1, "SLURM_ARRAY_TASK_MAX": 4, "SLURM_ARRAY_TASK_COUNT": 4,
         "SLURM_ARRAY_TASK_STEP": 1}


def beside(path, ending):
    return path.with_name(path.name + ending)


def in_array(job, **variables):
    return clean_environment(job.folder, **{name: str(value) for name, value in variables.items()})


@pytest.fixture
def sharded(make_job, holdfast):
    """A job whose lines have none, one or two rows, of which every tenth is refused; run whole, and in shards."""
    class Sharded:
        def __init__(self, rows, sql=ROWS, **options):
            self.job = make_job(rows=rows, sql=sql, **options)
            self.whole = self.job.output

        def part(self, number):
            return self.job.folder / f"part-{number}.csv"

        def start(self, number, count, **options):
            self.job.place_output(self.part(number))
            return self.job.start(**{"output": self.job.folder / "part-{shard}.csv", "shard": f"{number}/{count}", **options})

        def run(self, numbers, count, status=2, **options):
            for number in numbers:
                self.start(number, count, **options).check(status)

        def run_whole(self, status=2, **options):
            self.job.place_output(self.whole)
            return self.job.run(status=status, **options)

        def merge(self, numbers, status=2, output="merged.csv", more=()):
            return holdfast("merge", *[self.part(number) for number in numbers], *more, status=status,
                            output=self.job.folder / output)

        def is_the_whole(self, output="merged.csv"):
            """Byte for byte, and so are the rejects."""
            merged = self.job.folder / output
            assert merged.read_bytes() == self.whole.read_bytes()
            assert beside(merged, ".rejects.csv").read_bytes() == beside(self.whole, ".rejects.csv").read_bytes()
            assert not beside(merged, ".part").exists() and not beside(merged, ".position").exists()
    return Sharded


@pytest.mark.rule(52)
@pytest.mark.parametrize("count", [1, 3, 40])
def test_shards_put_together_are_the_file_of_one_run(sharded, count):
    rows = [(f"{i}",) for i in range(1, 32)] + [(None,)] + [(f"{i}",) for i in range(33, 36)]
    job = sharded(rows)
    job.run_whole()
    before = job.whole.read_bytes()
    for number in range(1, count + 1):
        job.start(number, count).finish()
    job.merge(range(count, 0, -1))
    job.is_the_whole()
    assert job.whole.read_bytes() == before


@pytest.mark.rule(52)
def test_shard_in_use_is_in_the_first_log_line_and_the_summary(sharded):
    job = sharded(40, sql="SELECT 1 AS one", params=None)
    run = job.start(3, 4, shard="auto", env=in_array(job.job, **SLURM))
    run.check(0)
    assert re.match(r".* info  shard 3/4 \(SLURM_ARRAY_TASK_ID 3 of 1 to 4\)$", run.log.splitlines()[0])
    assert re.search(r"10 lines of 40 \(lines 22 to 31 of the file\)", run.log)
    assert "shard       3 of 4" in run.stderr and run.summary["shard"] == "3/4"
    assert run.summary["lines_total"] == 10 and run.summary["input_bytes"] == 10 * len("21\n")
    assert {row[0] for row in rows_of(job.part(3))[1:]} == {str(i) for i in range(21, 31)}


@pytest.mark.rule(52)
@pytest.mark.parametrize("given, variables, says", [
    ("0/4", {}, "out of range: the shards are 1 to 4"),
    ("5/4", {}, "out of range: the shards are 1 to 4"),
    ("1/0", {}, "there are 1 to 65536 shards"),
    ("1-4", {}, "K/N is expected, or auto, or auto/N"),
    ("auto", {}, "neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set: say --shard K/N"),
    ("auto", {"JOB_COMPLETION_INDEX": 2}, "auto/N, with the Job's completions for N"),
    ("auto/4", {"JOB_COMPLETION_INDEX": 4}, r"JOB_COMPLETION_INDEX 4, from 0\) is out of range"),
    ("auto", {**SLURM, "SLURM_ARRAY_TASK_STEP": 2, "SLURM_ARRAY_TASK_MAX": 7}, "a step of 2.*--array=1-4"),
    ("auto", {**SLURM, "SLURM_ARRAY_TASK_MAX": 9}, "numbered without gaps"),
    ("auto/4", {**SLURM, "SLURM_ARRAY_TASK_MIN": 3, "SLURM_ARRAY_TASK_MAX": 3, "SLURM_ARRAY_TASK_COUNT": 1},
     "run again by itself needs its number by hand, --shard K/4"),
    ("auto", {"SLURM_ARRAY_TASK_ID": 1, "SLURM_ARRAY_TASK_COUNT": 4}, "there is no SLURM_ARRAY_TASK_MIN: say --shard K/N"),
    ("auto", {"SLURM_ARRAY_TASK_ID": "x"}, "SLURM_ARRAY_TASK_ID is 'x', and no number"),
])
def test_shard_that_cannot_be_is_refused_with_the_way_out(make_job, given, variables, says):
    job = make_job(rows=3)
    assert re.search(says, job.run(status=1, shard=given, env=in_array(job, **variables), log_file=None, summary=None).stderr)
    job.nothing_written()


@pytest.mark.rule(52)
@pytest.mark.parametrize("given, variables, shard", [
    ("auto", {**SLURM, "SLURM_ARRAY_TASK_MIN": 0, "SLURM_ARRAY_TASK_MAX": 3}, "4/4"),
    ("auto/4", SLURM, "3/4"), ("auto/4", {"JOB_COMPLETION_INDEX": 0}, "1/4"), ("auto/4", {"JOB_COMPLETION_INDEX": 3}, "4/4"),
])
def test_slurm_and_kubernetes_say_which_shard_it_is(make_job, given, variables, shard):
    job = make_job(rows=8, sql="SELECT 1 AS one", params=None)
    assert job.run(status=0, shard=given, env=in_array(job, **variables)).summary["shard"] == shard


@pytest.mark.rule(52)
def test_merge_refuses_what_is_missing_doubled_unfinished_or_of_another_input(sharded):
    job = sharded(60, sql=ROWS.replace("pg_sleep(0)", "pass($1)"), gate=30)
    job.run([1, 3], 3)
    run = job.start(2, 3)
    run.await_lines(5)
    run.end()

    def refused(numbers, says, status=1, more=()):
        assert re.search(says, job.merge(numbers, status=status, more=more).stderr)
        assert not list(job.job.folder.glob("merged*"))
    refused([1, 3], "shard 2 of 3 is missing")
    refused([1, 2, 3], r"part-2\.csv is not finished: run the command of that shard again", status=4)
    job.run([2], 3)
    refused([1, 2, 3, 2], r"part-2\.csv and .*part-2\.csv are both shard 2 of 3")
    refused([1, 2, 9], r"part-9\.csv is no finished report")
    job.run_whole()
    refused([1, 2], r"report\.csv is the report of a whole input, no shard", more=[job.whole])
    other = job.part(2).read_bytes()
    job.part(2).write_bytes(other + b"more\n")
    refused([1, 2, 3], r"part-2\.csv is not the file that the finished shard left")
    job.part(2).write_bytes(other)
    for output in ("part-1.csv", "part-1.csv.shard", "part-1.csv.unknown.csv"):
        assert "is one of the shards" in job.merge([1, 2, 3], status=1, output=output).stderr
    shard = job.part(1).read_bytes()
    for log in (job.part(1), beside(job.part(2), ".done"), job.job.folder / "merged.csv.part"):
        assert "is a file of one of these reports" in job.merge([1, 2, 3], status=1, more=["--log-file", log]).stderr
    assert job.part(1).read_bytes() == shard and not list(job.job.folder.glob("merged.csv*"))
    with open(job.job.cost_file, "ab") as cost:
        cost.write(b"61\n")
    job.run([2], 3, if_finished="restart")
    refused([1, 2, 3], r"part-1\.csv and .*part-2\.csv are not of one report: the input is another")
    job.run([1], 4, if_finished="restart")
    refused([1, 2, 3], r"one of 4 shards.*one of 3")


@pytest.mark.rule(52)
@pytest.mark.parametrize("ending,old,new", [("", b"\n29,", b"\n28,"), (".rejects.csv", b"P0001", b"P0002"),
                                            (".shard", (29).to_bytes(8, "little"), (28).to_bytes(8, "little"))])
def test_merge_refuses_a_file_of_a_shard_that_was_edited_at_its_length(sharded, ending, old, new):
    job = sharded(30)
    job.run([1, 2], 2)
    path = beside(job.part(2), ending)
    left = path.read_bytes()
    assert old in left
    path.write_bytes(left.replace(old, new, 1))
    assert f"{path} is not the file that the finished shard left" in job.merge([1, 2], status=1).stderr
    assert not list(job.job.folder.glob("merged*"))
    path.write_bytes(left)
    job.merge([1, 2])


@pytest.mark.rule(52)
def test_shard_that_an_older_program_finished_has_no_seal_and_is_merged(sharded):
    job = sharded(30)
    job.run([1, 2], 2)
    index = beside(job.part(1), ".shard")
    index.write_bytes(index.read_bytes()[:-128])
    job.merge([1, 2])


@pytest.mark.rule(27, 52)
def test_input_that_was_edited_at_its_length_and_time_is_another(sharded):
    """Of the whole input there is a hash: every shard has read all of it."""
    job = sharded(30, sql=ROWS.replace("pg_sleep(0)", "pass($1)"), gate=20)
    job.run([1], 2)
    second = job.start(2, 2)
    second.await_lines(2)
    second.end()
    cost = job.job.cost_file
    before, data = cost.stat(), cost.read_bytes()
    cost.write_bytes(data.replace(b"\n30\n", b"\n31\n"))
    os.utime(cost, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert cost.stat().st_size == before.st_size and cost.read_bytes() != data
    second = job.start(2, 2)
    second.check(3)
    assert "the input has changed since the run that left" in second.stderr
    job.run([2], 2, restart=True)
    assert "are not of one report: the input is another" in job.merge([1, 2], status=1).stderr


@pytest.mark.rule(52)
def test_merge_run_again_changes_nothing_and_is_made_anew_after_a_shard_was(sharded):
    job = sharded(30)
    job.run_whole()
    job.run([1, 2], 2)
    job.merge([1, 2])
    merged = job.job.folder / "merged.csv"
    before = merged.stat().st_ino
    assert "by an earlier run: nothing to do" in job.merge([2, 1]).stderr and merged.stat().st_ino == before
    job.job.place_output(merged)
    assert "finished by an earlier run" in job.job.run(status=2).stderr     # the whole report is what it is
    job.run([2], 2, if_finished="restart")
    job.merge([1, 2])
    assert merged.stat().st_ino != before
    job.is_the_whole()
    job.merge([1, 2], output="dated-{date}.csv")
    dated, = job.job.folder.glob("dated-????-??-??.csv")
    job.is_the_whole(dated.name)


@pytest.mark.rule(52)
def test_shard_made_anew_under_a_clock_that_is_behind_is_merged_all_the_same(sharded, cluster, tmp_path):
    """The position of each shard has the time of its own machine."""
    job = sharded(20, sql="SELECT clock_timestamp() AS at", params=None, dsn=cluster.dsn("plain"))
    job.run([1, 2], 2, status=0)
    job.merge([1, 2], status=0)
    clock = tmp_path / "clock"
    clock.write_text("-3600")
    behind = program.shim(tmp_path, "wall_clock")
    job.run([2], 2, status=0, restart=True, env=in_array(job.job, LD_PRELOAD=behind, HF_WALL_CLOCK=clock))
    job.merge([1, 2], status=0)
    lines = [job.part(number).read_bytes().splitlines(keepends=True) for number in (1, 2)]
    assert (job.job.folder / "merged.csv").read_bytes() == b"".join(lines[0] + lines[1][1:])


@pytest.mark.rule(52)
def test_report_of_the_whole_is_not_replaced_by_a_merge(sharded):
    job = sharded(20)
    job.run_whole()
    before = job.whole.stat().st_ino
    job.run([1, 2], 2)
    assert "the report of a run over the whole input" in job.merge([1, 2], status=1, output=job.whole.name).stderr
    assert job.whole.stat().st_ino == before


@pytest.mark.rule(52)
def test_shard_that_was_killed_while_it_made_its_files_begins_again(sharded):
    """An empty position holds the lock, and what it will speak of is there already."""
    job = sharded(20)
    for ending, data in (("position", bytes(16384)), ("part", b"id,n\n"), ("shard", b"")):
        beside(job.part(1), f".{ending}").write_bytes(data)
    job.run_whole()
    job.run([1, 2], 2)
    job.merge([1, 2])
    job.is_the_whole()


@pytest.mark.rule(52)
def test_shard_that_is_printed_is_merged_when_it_is_finished(sharded, cluster):
    """Its position is not beside its output, and one that is made anew still has the old output."""
    job = sharded(60, sql=ROWS.replace("pg_sleep(0)", "pass($1)"), dsn=cluster.dsn("plain"), gate=20)
    job.run_whole()
    job.run([2], 2)
    position = job.job.folder / "one"
    printed = {"shard": "1/2", "output": "-", "position": position}
    job.job.place_output(beside(position, ".output"))
    job.job.run(status=2, **printed)
    run = job.job.start(restart=True, **printed)
    eventually(lambda: job.job.part.exists() and job.job.part.read_bytes().count(b"\n") > 5, "lines of the new one")
    run.end()
    assert re.search(r"one\.output is not finished", job.merge([2], status=4, more=[job.job.output]).stderr)
    job.job.run(status=2, **printed)
    job.merge([2], more=[job.job.output])
    job.is_the_whole()


DIES = """#include <signal.h>
#include <unistd.h>
int fdatasync(int fd) {                             /* the third is that of the whole file, before it gets its name */
    static int calls;
    return ++calls < 3 ? fsync(fd) : kill(getpid(), SIGKILL);
}"""


@pytest.mark.rule(52)
@pytest.mark.skipif(bool(os.environ.get("TEST_ASAN")), reason="nothing stands before a sanitizer's libc")
def test_merge_that_was_killed_starts_over(sharded):
    """What it leaves is no report's, and no obstacle to the next one."""
    job = sharded(60)
    job.run_whole()
    job.run([1, 2], 2)
    folder, merged = job.job.folder, job.job.folder / "merged.csv"
    (folder / "dies.c").write_text(DIES)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "dies.so", folder / "dies.c"], check=True)
    run = subprocess.run([*job.job.program, "merge", "--output", merged, job.part(1), job.part(2)], check=False,
                         env=clean_environment(folder, LD_PRELOAD=str(folder / "dies.so")), capture_output=True)
    assert run.returncode == -signal.SIGKILL and beside(merged, ".part").exists() and not merged.exists()
    job.job.place_output(merged)
    assert "has changed since the run that left" in job.job.run(status=3).stderr     # no report goes on with that
    job.merge([1, 2])
    job.is_the_whole()


def kill_one(job):
    """End the first process of a shard that has written some lines, as a crash would; its number."""
    found = []

    def one_in_its_middle():
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if "report" not in words[:4] or str(job.query) not in words:
                continue
            number = int(words[words.index("--shard") + 1].split("/")[0])
            part = job.folder / f"part-{number}.csv.part"
            if part.exists() and part.read_bytes().count(b"\n") > 3:
                os.kill(int(process.name), signal.SIGKILL)
                found.append(number)
                return True
        return False
    eventually(one_in_its_middle, "a shard in its middle")
    return found[0]


@pytest.mark.rule(52)
def test_gnu_parallel_distributes_and_a_shard_that_was_killed_is_run_again(sharded):
    """Four shards at once; the one that is in its middle is killed -9; the same command finds the three that are finished."""
    job = sharded(120, sql=ROWS.replace("pg_sleep(0)", "pass($1)"))
    job.run_whole()
    made = job.job
    made.shut(10)                                           # in the middle of the first shard, at the start of the others
    words = [*made.program, "report", *arguments({
        "dsn": made.dsn, "cost_file": made.cost_file, "query": made.query, "params": "id", "shard": "{}/4",
        "output": made.folder / "part-{}.csv", **SETTINGS, "log_level": "info"})]
    command = ["parallel", "--will-cite", "--quote", "--jobs", "4", *map(str, words), ":::", "1", "2", "3", "4"]
    environment = clean_environment(made.folder)
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL) as run:
        victim = kill_one(made)
        made.open_up()
        assert run.wait(PATIENCE_S) == 4                    # none had the status 0: they have rejects
    assert victim and not job.part(victim).exists() and beside(job.part(victim), ".position").exists()
    assert "is not finished" in job.merge([1, 2, 3, 4], status=4).stderr
    again = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert again.stderr.count("nothing to do") == 3 and again.stderr.count("resuming at line") == 1
    job.merge([1, 2, 3, 4])
    job.is_the_whole()
