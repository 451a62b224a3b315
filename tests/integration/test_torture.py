"""Fault 49: each allocation, socket call and file call of a whole report fails, once or for good.

Whatever fails: the run ends by itself with a status of the contract and says why, it leaves neither descriptors nor
memory, no half report stands under the report's name, and the same command, untortured, completes the report to the
bytes of an undisturbed run. `make test` takes a spread of the calls, `make torture` all of them.

    TORTURE=all python3 -m pytest tests/integration -k torture
    TORTURE=read:file:12:0:once python3 -m pytest tests/integration -k torture       one, as a failure prints it
    TORTURE_SEED=7 …                                                                another spread
"""

import os
import pathlib
import random
import re

import pytest

from harness.program import clean_environment, rows_of

EACH = 16                   # calls of each kind that `make test` lets fail
CHUNKS = 4                  # tests that share the work of one kind
ONE = os.environ.get("TORTURE", "")
SEED = int(os.environ.get("TORTURE_SEED") or random.randrange(10**6))
KINDS = [(kind, family, how) for kind in ("read", "unsent", "resolve") for family in ("alloc", "socket", "file")
         for how in ("once", "ever")]

# What fails once is got over, however slow the machine; what fails for good has to end soon.
PATIENT = {"max_concurrent": 2, "retry_delay": "5ms", "max_retry_delay": "50ms", "connect_timeout": "10s",
           "reconnect_timeout": "10s", "request_timeout": "5s", "close_timeout": "1s", "max_outage": "20s",
           "max_retries": 2, "deadline": "25s"}
HASTY = {**PATIENT, "connect_timeout": "1s", "reconnect_timeout": "1s", "request_timeout": "1s",
         "close_timeout": "200ms", "max_outage": "700ms", "deadline": "10s"}
LINES = 5
REFUSED = 3                 # one line is refused, so that there is a file of rejects
READ = f"SELECT i.name, i.note, refuse($1::int, {REFUSED}, '22012') AS n FROM item i WHERE i.id = $1::int"
WRITE = f"INSERT INTO ledger (line) VALUES (refuse($1::int, {REFUSED}, '22012')) RETURNING note IS NULL AS done"


class Torture:
    """One job, run again and again; each time another call fails."""

    def __init__(self, kind, make_job, program, cluster):
        self.kind, self.cluster = kind, cluster
        self.interposer = pathlib.Path(program).parent / "tests" / "torture" / "interpose.so"
        assert self.interposer.exists(), f"{self.interposer} is not built: make test-integration"
        # A read goes through TLS, a write does not: what fails in the one is not hidden by the other.
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

    def clean(self):
        for path in self.job.folder.iterdir():
            if path.name.startswith("report.csv") or path.name == "torture.log":
                path.unlink()
        self.job.runs.clear()
        if self.kind != "read":
            self.cluster.sql("TRUNCATE ledger")

    def environment(self, spec):
        return clean_environment(self.job.folder, LD_PRELOAD=str(self.interposer), HF_TORTURE=spec,
                                 HF_TORTURE_LOG=str(self.log))

    def count(self):
        """How many calls of each family an undisturbed run makes, and what it has left at its end."""
        self.clean()
        self.job.start(env=self.environment("file:0:0:once"), **self.options).check(self.status)
        end = self.ended()
        return end, (end["live"], end["fds"])

    def ended(self):
        found = re.search(r"end (.*)", self.log.read_text())
        return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", found.group(1))} if found else None

    def try_one(self, spec):
        """One call fails; then the same command without."""
        self.clean()
        hasty = HASTY if spec.endswith("ever") else {}
        run = self.job.start(env=self.environment(spec), **{**self.options, **hasty})
        again = f"TORTURE={self.kind}:{spec}"
        status = run.finish(deadline_s=30)
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
        seen = final.finish(deadline_s=30)
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


def spread(total, chunk):
    """The calls of this chunk: all of them, or as many as there is time for, evenly from a start by the seed."""
    every = 1 if ONE == "all" else max(1, total // EACH)
    first = 1 + random.Random(SEED).randrange(every)
    return list(range(first, total + 1, every))[chunk::CHUNKS]


@pytest.mark.fault(49)
@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("kind,family,how", KINDS, ids=["-".join(kind) for kind in KINDS])
def test_fault_49_torture(kind, family, how, chunk, make_job, program, cluster):
    if ONE.count(":") == 4:
        given, spec = ONE.split(":", 1)
        if (given, spec.split(":")[0], spec.split(":")[3], chunk) != (kind, family, how, 0):
            pytest.skip("another one was asked for")
        Torture(kind, make_job, program, cluster).try_one(spec)
        return
    if family == "alloc" and os.environ.get("TEST_ASAN"):
        pytest.skip("the allocations are the sanitizer's")
    torture = Torture(kind, make_job, program, cluster)
    total = torture.calls[family]
    assert total > 20, "the calls are not counted"
    print(f"TORTURE_SEED={SEED}: {total} calls")
    failures = []
    for nth in spread(total, chunk):
        try:
            torture.try_one(f"{family}:{nth}:{(nth * 7 + SEED) % 12}:{how}")
        except AssertionError as error:             # one fault does not hide the next
            failures.append(str(error))
            print(error, flush=True)
    assert not failures, f"{len(failures)} of them failed, the first:\n" + "\n\n".join(failures[:5])
