"""Fault 49: each allocation, socket call and file call of a whole report fails, once or for good.

Whatever fails: the run ends by itself with a status of the contract and says why, it leaves neither descriptors nor
memory, no half report stands under the report's name, and the same command, untortured, completes the report to the
bytes of an undisturbed run. `make test` takes a spread of the calls, the same each time, `make torture` all
of them.

    TORTURE=all python3 -m pytest tests/integration -k torture
    TORTURE=read:fresh:file:12:0:once python3 -m pytest tests/integration -k torture       one, as a failure prints it
    TORTURE_SEED=7 TORTURE_EACH=100 …                                               another spread, and a denser one
"""

import json
import os
import pathlib
import random
import re
import subprocess

import pytest

from harness.program import clean_environment, rows_of
from harness.waiting import PATIENCE_S

EACH = int(os.environ.get("TORTURE_EACH", 7))       # calls of each kind and start that `make test` lets fail
STARTS = ("fresh", "middle", "end")     # with nothing there; after a run that ended in its work, or in its last steps
ONE = os.environ.get("TORTURE", "")
SEED = int(os.environ.get("TORTURE_SEED") or 0)
KINDS = [(kind, family, how) for kind in ("read", "unsent", "resolve") for family in ("alloc", "socket", "file")
         for how in ("once", "ever")]

# What fails once is got over, however slow the machine; what fails for good has to end soon.
PATIENT = {"max_concurrent": 2, "retry_delay": "5ms", "max_retry_delay": "50ms", "connect_timeout": "10s",
           "reconnect_timeout": "10s", "request_timeout": "5s", "close_timeout": "1s", "max_outage": "200s",
           "max_retries": 40, "deadline": "300s"}
HASTY = {**PATIENT, "connect_timeout": "1s", "reconnect_timeout": "1s", "request_timeout": "1s",
         "close_timeout": "200ms", "max_outage": "700ms", "max_retries": 2, "deadline": "10s"}
LINES = 5
REFUSED = 3                 # one line is refused, so that there is a file of rejects
READ = f"SELECT i.name, i.note, refuse($1::int, {REFUSED}, '22012') AS n FROM item i WHERE i.id = $1::int"
WRITE = f"INSERT INTO ledger (line) VALUES (refuse($1::int, {REFUSED}, '22012')) RETURNING note IS NULL AS done"


pytestmark = pytest.mark.sockets("the calls that fail here are the system's; lwIP makes none of them")


class Torture:
    """One job, run again and again; each time another call fails."""

    def __init__(self, kind, start, make_job, program, cluster):
        self.kind, self.start, self.cluster = kind, start, cluster
        self.files, self.written = {}, []           # what an earlier run left: on the disk, in the table
        self.interposer = pathlib.Path(program).parent / "tests" / "torture" / "interpose.so"
        assert self.interposer.exists(), f"{self.interposer} is not built: make test-integration"
        # A read goes through TLS, a write does not, so that neither hides a failure of the other.
        role = "app" if kind == "read" else "plain"
        self.job = make_job(rows=LINES, sql=READ if kind == "read" else WRITE,
                            dsn=cluster.dsn(role, host="localhost"))
        self.options = {**PATIENT, "write": kind != "read", "replay": None if kind == "read" else kind}
        self.log = self.job.folder / "torture.log"
        self.status = 2                             # an undisturbed run's: one line is refused
        self.clean()
        self.job.run(self.status, **self.options)
        self.expected, self.rejects = self.job.output.read_bytes(), self.job.rejects.read_bytes()
        self.calls, self.left = self.count()
        if start != "fresh":
            self.leave_off(start)
            self.calls, self.left = self.count()

    def clean(self):
        """Restore the state in which each try begins."""
        for path in self.job.folder.iterdir():
            if path.name.startswith("report.csv") or path.name == "torture.log":
                path.unlink()
        for name, content in self.files.items():
            (self.job.folder / name).write_bytes(content)
        self.job.runs.clear()
        if self.kind != "read":
            self.cluster.sql("TRUNCATE ledger")
            for line in self.written:
                self.cluster.sql("INSERT INTO ledger (line) VALUES (%s)", line)

    def leave_off(self, start):
        """Find a run that ends early and leaves a position; each try then begins where that run ended."""
        total = self.calls["file"]
        for nth in range(total // 2, total) if start == "middle" else range(total, 0, -1):
            self.clean()
            run = self.job.start(env=self.environment(f"file:{nth}:0:ever"), **{**self.options, "max_outage": "5s"})
            status, done = run.finish(), self.job.output.exists()
            if status == 4 and self.job.position.exists() and self.job.lines_written() > 1 and \
                    (start == "end" or not done):
                break
        else:
            raise AssertionError("no run left a position")
        self.files = {path.name: path.read_bytes() for path in self.job.folder.glob("report.csv*")}
        if self.kind != "read":
            self.written = [row[0] for row in self.cluster.sql("SELECT line FROM ledger")]

    def environment(self, spec):
        return clean_environment(self.job.folder, LD_PRELOAD=str(self.interposer), HF_TORTURE=spec,
                                 HF_TORTURE_LOG=str(self.log))

    def count(self):
        """How many calls of each family an undisturbed run makes, and what it has left at its end."""
        self.clean()
        run = self.job.start(env=self.environment("file:0:0:once"), **self.options)
        self.status = run.finish()
        assert self.status in (2, 5) and (self.status == 2 or self.kind != "read"), run.tail()
        end = self.ended()
        return end, (end["live"], end["fds"])

    def ended(self):
        found = re.search(r"end (.*)", self.log.read_text())
        return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", found.group(1))} if found else None

    def try_one(self, spec):
        """Run the command with one call that fails, then once more without."""
        self.clean()
        hasty = HASTY if spec.endswith("ever") else {}
        run = self.job.start(env=self.environment(spec), **{**self.options, **hasty})
        again = f"TORTURE={self.kind}:{self.start}:{spec}"
        status = run.finish()
        log = self.log.read_text() if self.log.exists() else ""
        context = f"{again}: {log}exit {status}\n{run.tail()}"
        if "failed" not in log and not hasty:
            assert status == self.status, context
            return
        good = {self.status, 4, 5} if self.kind != "read" else {self.status, 4}
        assert status in good, context
        said = run.stderr
        assert "this must hold" not in said and "Sanitizer" not in said, context
        if status == 4:
            assert re.search(r"(?m)^holdfast: .{10}", said), f"no word why: {context}"
        end = self.ended()
        if end:                                     # else it ended at once, as it does without memory
            assert (end["live"], end["fds"]) <= self.left or end["live"] <= self.left[0] + 2, context
            assert end["fds"] <= self.left[1], f"descriptors are left: {context}"
        self.nothing_torn(context)
        final = self.job.start(**self.options)
        seen = final.finish()
        context += f"\n--- again: exit {seen}\n{final.tail()}"
        self.complete(seen, context)

    def nothing_torn(self, context):
        if self.job.output.exists() and self.kind == "read":
            assert self.job.output.read_bytes() == self.expected, context

    def complete(self, status, context):
        assert not self.job.part.exists() and not self.job.position.exists(), context
        if self.kind == "read":
            assert status == self.status, context
            assert self.job.output.read_bytes() == self.expected, context
            assert self.job.rejects.read_bytes() == self.rejects, context
            return
        done = [int(row[0]) for row in rows_of(self.job.output)[1:]]
        unknown = [int(row[1]) for row in rows_of(self.job.unknown)[1:]] if self.job.unknown.exists() else []
        refused = [int(row[1]) for row in rows_of(self.job.rejects)[1:]] if self.job.rejects.exists() else []
        counts = dict(self.cluster.sql("SELECT line, count(*)::int FROM ledger GROUP BY line"))
        assert status == (5 if unknown else 2 if refused else 0), context
        assert sorted(done + unknown + refused) == list(range(1, LINES + 1)), context
        assert all(count == 1 for count in counts.values()), f"written twice: {context}"
        assert set(done) <= set(counts) and refused in ([REFUSED], []), context


def spread(total):
    """Which calls fail: all of them, or as many as there is time for, evenly from a first one by the seed."""
    every = 1 if ONE == "all" else max(1, total // EACH)
    return range(1 + random.Random(SEED).randrange(every), total + 1, every)


@pytest.mark.fault(49)
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("kind,family,how", KINDS, ids=["-".join(kind) for kind in KINDS])
def test_fault_49_torture(kind, family, how, start, make_job, program, cluster):
    if ONE.count(":") == 5:
        spec = ONE.split(":", 2)[2]
        if ONE.split(":")[:3] + [ONE.split(":")[5]] != [kind, start, family, how]:
            pytest.skip("another one was asked for")
        Torture(kind, start, make_job, program, cluster).try_one(spec)
        return
    if family == "alloc" and os.environ.get("TEST_ASAN"):
        pytest.skip("the allocations are the sanitizer's")
    torture = Torture(kind, start, make_job, program, cluster)
    total = torture.calls[family]
    assert total > 0 or (start == "end" and family == "socket"), "the calls are not counted"
    print(f"TORTURE_SEED={SEED}: {total} calls")
    failures = []
    for nth in spread(total):
        try:
            torture.try_one(f"{family}:{nth}:{(nth * 7 + SEED) % 12}:{how}")
        except AssertionError as error:             # one fault does not hide the next
            failures.append(str(error))
            print(error, flush=True)
    assert not failures, f"{len(failures)} of them failed, the first:\n" + "\n\n".join(failures[:5])


def command(name, folder, cluster):
    """The words of a command that would end by itself with 0, and what it would print."""
    (folder / "in.csv").write_text("id\n1\n")
    (folder / "q.sql").write_text("SELECT $1::int AS n")
    dsn = ["--dsn", cluster.dsn("plain", host="localhost"), "--retry-delay", "5ms", "--max-outage", "300ms"]
    return {
        "query": (["query", "SELECT 7 AS n", "--format", "json", *dsn], '[\n  {"n": 7}\n]\n'),
        "watch": (["watch", *dsn], None),
        "report": (["report", "--cost-file", "in.csv", "--query", "q.sql", "--params", "id", "--output", "out.csv",
                    "--progress", "never", *dsn], ""),
    }[name]


@pytest.mark.found("L4")
@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("name", ["query", "watch", "report"])
def test_no_memory_is_never_exit_0_and_never_without_a_word(name, log_format, program, cluster, tmp_path):
    """Each mapping of memory fails, and a spread of the allocations: the reason is told, in the form that was asked for."""
    words, printed = command(name, tmp_path, cluster)
    interposer = pathlib.Path(program).parent / "tests" / "torture" / "interpose.so"
    log = tmp_path / "torture.log"

    def run(spec):
        log.unlink(missing_ok=True)
        env = clean_environment(tmp_path, LD_PRELOAD=str(interposer), HF_TORTURE=spec, HF_TORTURE_LOG=str(log))
        with open(tmp_path / "stderr", "w+") as err:
            limits = words if spec.endswith("ever") else [*words, "--max-outage", "600s"]     # the last one counts
            process = subprocess.Popen([program, *limits, "--log-format", log_format, "--log-level", "error"],
                                       cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err, env=env)
            out = ""
            for line in map(bytes.decode, process.stdout):
                out += line
                if name == "watch" and "-> healthy" in line:        # it has no end of its own
                    process.terminate()
            status = process.wait(PATIENCE_S)
            err.seek(0)
            said = err.read()
        for path in tmp_path.glob("out.csv*"):
            path.unlink()
        return status, out, said
    assert run("map:0:0:once")[0] == 0
    total = {family: int(count) for family, count in re.findall(r"(map|alloc)=(\d+)", log.read_text())}
    assert total["map"] >= 2, "the calls are not counted"
    tries = [("map", nth) for nth in range(1, total["map"] + 1)]
    if not os.environ.get("TEST_ASAN"):             # there the allocations are the sanitizer's
        tries += [("alloc", nth) for nth in (1, 2, *spread(total["alloc"]))]
    for family, nth in tries:
        status, out, err = run(f"{family}:{nth}:0:ever")
        if status == 0 and "failed" not in log.read_text():
            continue                                # it needed less this time
        context = f"{family}:{nth}:0:ever of {name}: exit {status}\n{out}{err}"
        assert status in (1, 4), context            # 1 where a smaller setting is the way out
        said = err.splitlines()
        if log_format == "json":
            assert any(json.loads(line).get("exit_status") == status and json.loads(line)["message"] for line in said), \
                context
        else:
            assert re.search(r"(?m)^holdfast: .{10}", err), context
        assert "this must hold" not in err, context
        assert name == "watch" or out in ("", printed), context
