"""Runs of the program under test, each with its folder, its deadline and its promises checked at the end."""

import contextlib
import csv
import io
import json
import os
import pathlib
import re
import signal
import subprocess

from . import expect, invariants, lwip
from .cluster import SECRET
from .waiting import PATIENCE_S, eventually

# Waits are short, so that a test is. Time-outs are long, so that none fires because the machine is busy: a test
# that is about one sets it.
SETTINGS = {
    "max_concurrent": 3, "retry_delay": "200ms", "max_retry_delay": "1s", "connect_timeout": "30s",
    "reconnect_timeout": "30s", "probe_timeout": "30s", "request_timeout": "600s", "close_timeout": "20s",
    "max_outage": "600s", "max_retries": 50, "progress": "never", "log_level": "debug",
}
RECONNECTED = "✓ Reconnected to database"
TOO_SLOW = "max_outage): the connection was still being made"   # why a short one may be over before what it is for is there

# About 15 ms a line, 0 to 2 result rows each, with every kind of cell CSV has to quote; through the gate of its job.
SLOW_SQL = """SELECT i.name, i.price, i.note, s.day, s.qty
FROM pg_sleep({sleep}), pass($1) AS line, item i JOIN sale s ON s.item_id = i.id
WHERE i.id = line ORDER BY s.day"""


def slow_sql(sleep=0.015):
    return SLOW_SQL.format(sleep=sleep)


SQL = slow_sql(0)


def arguments(options):
    """{'max_retries': 5, 'restart': True, 'param': ['a', 'b']} as words of a command line; None is left out."""
    words = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if value is True:
            words.append(option)
        elif isinstance(value, (list, tuple)):
            for each in value:
                words += [option, str(each)]
        elif value is not None and value is not False:
            words += [option, str(value)]
    return words


def clean_environment(folder, **extra):
    """The caller's environment without what libpq and holdfast would read, and with a HOME of the test's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "HOLDFAST"))}
    return {**kept, "HOME": str(folder), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **extra}


def shim(folder, name):
    """Build harness/NAME.c to be put between the program and libc (LD_PRELOAD); its path."""
    built = pathlib.Path(folder) / f"{name}.so"
    source = pathlib.Path(__file__).with_name(f"{name}.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", built, source], check=True)
    return built


class Run:
    """One process of the program: started, watched, ended. Output goes to files, so nothing can block it."""

    def __init__(self, program, words, folder, name="run", env=None, stdout=None, stdin=subprocess.DEVNULL):
        self.folder, self.name = pathlib.Path(folder), name
        self.words = [str(word) for word in words]
        self.stdout_path, self.stderr_path = self.folder / f"{name}.stdout", self.folder / f"{name}.stderr"
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as err:
            self.process = subprocess.Popen(
                [*program, *self.words], cwd=self.folder, stdin=stdin,
                stdout=out if stdout is None else stdout, stderr=err,
                env=clean_environment(self.folder) if env is None else env)

    @property
    def pid(self):
        return self.process.pid

    @property
    def status(self):
        return self.process.poll()

    @property
    def running(self):
        return self.status is None

    @property
    def stdout(self):
        return self.stdout_path.read_bytes().decode()

    @property
    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    def finish(self):
        """Wait for the end; the status. A program that does not end fails the test and is ended here."""
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(f"still running after {PATIENCE_S} s; its last words:\n{self.tail()}") from None

    def send(self, number):
        self.process.send_signal(number)

    @contextlib.contextmanager
    def stopped(self):
        """By SIGSTOP: what happens meanwhile it learns of at once."""
        self.stop()
        try:
            yield
        finally:
            self.send(signal.SIGCONT)

    def stop(self):
        self.send(signal.SIGSTOP)
        stat = pathlib.Path(f"/proc/{self.pid}/stat")
        eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] in "TZ", "it is stopped")

    def end(self):
        """Kill -9, as a crash would."""
        if self.running:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def descriptors(self):
        """How many descriptors it has open now."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def command_line(self):
        """The run's argv as `ps` shows it to every user of the machine."""
        return pathlib.Path(f"/proc/{self.pid}/cmdline").read_bytes().decode()

    def tail(self):
        return self.stderr[-3000:]


class ReportRun(Run):
    """A run of `report`, with the files of its job."""

    def __init__(self, job, program, words, name, env=None, options=None, **streams):
        self.job, self.options = job, options or {}
        super().__init__(program, words, job.folder, name, env, **streams)

    def finish(self, gate="open"):
        """Wait for the end, which is the job's if its gate is opened, and else comes by what the test did; the status."""
        if gate == "open":
            self.job.open_up(self)
        status = super().finish()
        if self is self.job.runs[-1] and not self.job.clock_jumps:       # the log is the last run's
            invariants.check(self)
        return status

    @property
    def log(self):
        path = self.job.log
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def summary(self):
        return json.loads(self.job.summary.read_text())

    def tail(self):
        return self.log[-3000:] + self.stderr[-3000:]

    def logged(self, pattern):
        """How often a pattern is in the log."""
        return len(re.findall(pattern, self.log))

    def await_log(self, pattern, count=1):
        def seen():
            assert self.running or self.logged(pattern) >= count, \
                f"ended with {self.status} before the log had {pattern!r} {count} times:\n{self.tail()}"
            return self.logged(pattern) >= count
        eventually(seen, f"{pattern!r} {count} times in the log of run {self.name}")

    @contextlib.contextmanager
    def logs_again(self, pattern, count=1):
        """What the block does makes it log a pattern so often again: that is waited for behind the block."""
        before = self.logged(pattern)
        yield
        self.await_log(pattern, before + count)

    def comes_back(self):
        """O5: around the healing. That it is in time is the schedule's, which hold() sees in the log."""
        return self.logs_again(RECONNECTED)

    def await_connections(self, count=SETTINGS["max_concurrent"]):
        """Wait until each of its connections has been up: a first dial that is late belongs to no outage."""
        eventually(lambda: len(set(re.findall(r"connection (\d+) CONNECTING -> HEALTHY", self.log))) == count,
                   f"{count} connections are up")

    def await_lines(self, count):
        """Wait until that many lines of the output are written: the run is in its middle, whatever its speed. There it
        stays as long as the job's gate is shut (Job)."""
        def written():
            lines = self.job.lines_written()
            assert self.running or lines >= count, f"ended with {self.status} at {lines} lines:\n{self.tail()}"
            return lines >= count
        eventually(written, f"{count} lines written")

    def stop_under_way(self, server, role="app", count=1):
        """Stop it at a moment when so many statements run and none of them is being cancelled: there is no link to cancel
        by, and no session has such a signal before it."""
        def untroubled(pid):
            try:
                text = pathlib.Path(f"/proc/{pid}/status").read_text()
            except OSError:                     # it has ended since it was listed
                return False
            pending = [int(mask, 16) for mask in re.findall(r"(?:Sig|Shd)Pnd:\s+(\w+)", text)]
            return "State:\tS" in text and not any(mask & 1 << signal.SIGINT - 1 for mask in pending)

        def runs():
            pids = server.sessions(role, "active")
            return len(pids) == len(server.sessions(role)) == count and all(map(untroubled, pids)) and \
                (lwip.WANTED or self.sockets() == count)

        def stopped():
            if runs():
                self.stop()
                if runs():
                    return True
                self.send(signal.SIGCONT)
            return False
        eventually(stopped, f"it is stopped while {count} statements run")

    def sockets(self):
        """How many it has open now."""
        def is_socket(descriptor):
            with contextlib.suppress(FileNotFoundError):        # it was closed since it was listed
                return os.readlink(descriptor).startswith("socket:")
            return False
        return sum(map(is_socket, pathlib.Path(f"/proc/{self.pid}/fd").iterdir()))

    def check(self, status=0, gate="open"):
        """Wait for the end and hold the status."""
        seen = self.finish(gate)
        assert seen == status, f"exit {seen} instead of {status}:\n{self.tail()}"
        return self


class Job:
    """An input, a query and an output: what a user would run, and run again.

    A job whose query calls pass($1) has a gate, on each of the servers in `gated`: behind the line `gate`, else shortly
    before the job's end. It is shut by a run's start and opened by finish() or check(). So whatever a test does to the
    run before that happens in its middle, however late the test comes, and no run ends by itself before it."""

    def __init__(self, program, folder, cluster, rows, header=("id",), sql=SQL, params="id", dsn=None, gate=None):
        self.program = lwip.command(program, cluster.network)
        self.folder, self.cluster = pathlib.Path(folder), cluster
        self.folder.mkdir(parents=True, exist_ok=True)
        self.header, self.rows, self.sql, self.params = list(header), [tuple(row) for row in rows], sql, params
        self.dsn = cluster.dsn() if dsn is None else dsn
        self.cost_file, self.query = self.folder / "cost.csv", self.folder / "report.sql"
        self.place_output(self.folder / "report.csv")
        self.log, self.summary = self.folder / "report.log", self.folder / "summary.json"
        self.runs, self.clock_jumps = [], False
        # More lines wait than there are connections. held: the run that the gate is shut for.
        self.gate = gate or max(len(self.rows) - 20, len(self.rows) // 2)
        self.gated, self.held = [cluster], None
        self.cost_file.write_bytes(expect.csv_file(self.header, self.rows))
        self.query.write_text(sql)

    def place_output(self, path):
        """Where the report goes, and the names of the files that stand beside it."""
        self.output = path
        self.part, self.position = self._beside(".part"), self._beside(".position")
        self.rejects, self.unknown = self._beside(".rejects.csv"), self._beside(".unknown.csv")

    def _beside(self, ending):
        return self.output.with_name(self.output.name + ending)

    def start(self, env=None, stdin=subprocess.DEVNULL, stdout=None, **options):
        """Start the program on this job; options override the settings, None leaves one out."""
        gated = "pass($1" in self.sql    # a line that waits at the gate would keep back those it has its Sync with
        given = {"dsn": self.dsn, "cost_file": self.cost_file, "query": self.query, "params": self.params,
                 "output": self.output, "log_file": self.log, "summary": self.summary, **SETTINGS,
                 **({"max_pipelined": 1} if gated else {}), **options}
        self.log.unlink(missing_ok=True)
        holds = gated and not (self.held and self.held.running)
        if holds:
            self.shut()
        run = ReportRun(self, self.program, ["report", *arguments(given)], f"run{len(self.runs) + 1}", env, given,
                        stdin=stdin, stdout=stdout)
        self.runs.append(run)
        if holds:
            self.held = run
        return run

    def shut(self, behind=None):
        """The lines behind that one wait."""
        for server in self.gated:
            server.shut(self.gate if behind is None else behind)

    def open_up(self, run=None):
        """Open the gate; for a run, only if it is shut for that one."""
        if run is None or run is self.held:
            for server in self.gated:
                server.open_up()

    def run(self, status=0, **options):
        """Run to the end and hold the exit status."""
        return self.start(**options).check(status)

    def lines_written(self):
        """Lines of output there are so far."""
        for path in (self.output, self.part):
            if path.exists():
                try:
                    return path.read_bytes().count(b"\n")
                except FileNotFoundError:       # renamed between the two looks
                    continue
        return 0

    def expected(self, rows=None):
        at_once = re.sub(r"FROM pg_sleep\([\d.]+\)", "FROM pg_sleep(0)", self.sql)     # the wait is no part of the result
        return expect.report(self.cluster, self.header, self.rows if rows is None else rows, at_once,
                             self.params.split(",") if self.params else [])

    def complete(self, rows=None):
        """O1: the output is, byte for byte, what an undisturbed run writes, and nothing else is left behind."""
        assert self.output.read_bytes() == self.expected(rows)
        assert not self.part.exists() and not self.position.exists()

    def nothing_written(self):
        """Bad input is found before anything is written: no file is there that the test did not make."""
        left = [path.name for path in (self.output, self.part, self.position, self.rejects, self.unknown)
                if path.exists()]
        assert not left

    def keeps_secrets(self):
        """O6: no file that a run wrote has the password in it, whole or in part."""
        for path in self.folder.rglob("*"):
            if path.is_file() and os.access(path, os.R_OK) and path.name not in (".pgpass", "pgpass"):
                assert SECRET.encode() not in path.read_bytes(), f"the password is in {path.name}"


def rows_of(path):
    """A CSV file's lines as lists, the header first."""
    return list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))
