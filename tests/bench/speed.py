"""`holdfast report` beside pgbench: lines a second of both on one server in one run, with as many connections.

Both sides of a row run one right after the other, some seconds each, in rounds; a row's figures are the medians. Lines
a second depend on the machine and on what else it does, their ratio far less. pgbench has one thread, as holdfast has.
"""

import collections
import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time

import flat
import server
from measure import Broken

CONNECTIONS, PIPELINE = 3, 16
AWAY_MS = 10                    # a round trip to the server that is far away
LINES = 400_000                 # of input: more than are done within a round
MIX_LINES, SLOW_EVERY = 3_000, 100      # of a mix, and which of them the server takes 500 ms for
CPU_LINES = (2_000, 22_000)     # CPU of a line: what the longer input costs more
STOPPED = (0, 4)                # exit statuses of a report that its deadline may end
DELAY = pathlib.Path(__file__).with_name("delay.py")

READ = "SELECT name, price FROM item WHERE id = {}"
WRITE = "INSERT INTO entry (item, quantity, label) VALUES ({}, {}, {})"
PGBENCH_READ = f"\\set id random(1, {server.ITEMS})\n" + READ.format(":id") + ";\n"
PGBENCH = {     # script, and how many lines of ours one run of it is
    "single reads": (PGBENCH_READ, 1),
    "reads, 16 in a pipeline": ("\\startpipeline\n" + PIPELINE * PGBENCH_READ + "\\endpipeline\n", PIPELINE),
    "single inserts": (f"\\set id random(1, {server.ITEMS})\n" + WRITE.format(":id", "1", "'an order'") + ";\n", 1),
}
READS, WRITES = (READ.format("$1::int"), "id"), (WRITE.format("$1::int", "$2::int", "$3"), "id,quantity,label")
MIX = (f"SELECT name, pg_sleep(CASE WHEN $1::int % {SLOW_EVERY} = 0 THEN 0.5 ELSE 0 END) FROM item WHERE id = $1::int", "id")
RETURNS = (WRITES[0] + " RETURNING id, item", WRITES[1])
REPORT = {      # query and parameters, and options
    "reads": (READS, ()),
    "reads, one at a time": (READS, ("--max-pipelined", "1")),
    "mix": (MIX, ("--limit", MIX_LINES)),
    "mix, one at a time": (MIX, ("--limit", MIX_LINES, "--max-pipelined", "1")),
    "safe": (WRITES, ("--write", "--replay", "safe")),
    "unsent": (WRITES, ("--write", "--replay", "unsent")),
    "resolve": (WRITES, ("--write", "--replay", "resolve")),
    "ledger": (WRITES, ("--write", "--ledger")),
    "ledger, rows": (RETURNS, ("--write", "--ledger")),
}

# ours and theirs: names of REPORT or PGBENCH; reach: the least ratio, None where only the figure is shown.
Row = collections.namedtuple("Row", "work title ours theirs reach away", defaults=(False,))
ROWS = (
    Row("reads", "reads / pgbench's single ones", "reads", "single reads", None),
    Row("reads", "reads / pgbench's, 16 in a pipeline", "reads", "reads, 16 in a pipeline", 0.8),
    Row("mix", "1 read in 100 takes 500 ms / one at a time", "mix", "mix, one at a time", 0.98),
    Row("mix", "… and all are 10 ms away", "mix", "mix, one at a time", 0.98, True),
    Row("writes", "safe writes / pgbench's inserts", "safe", "single inserts", None),
    Row("writes", "unsent writes / pgbench's inserts", "unsent", "single inserts", None),
    Row("writes", "resolve writes / pgbench's inserts", "resolve", "single inserts", None),
    Row("ledger", "ledger writes / pgbench's inserts", "ledger", "single inserts", 4),
    Row("ledger", "… with rows / pgbench's inserts", "ledger, rows", "single inserts", 2.5),
    Row("away", "10 ms away: reads / one at a time", "reads", "reads, one at a time", 15, True),
    Row("away", "… reads / pgbench's, 16 in a pipeline", "reads", "reads, 16 in a pipeline", None, True),
    Row("away", "… ledger writes / resolve writes", "ledger", "resolve", 50, True),
    Row("away", "… ledger writes / pgbench's inserts", "ledger", "single inserts", None, True),
)
CPU = "cpu"                     # the row that measures CPU time, not lines a second
CPU_REACH = 2.0
WORKS = (*dict.fromkeys(row.work for row in ROWS), CPU)


@contextlib.contextmanager
def far_away(port):
    """The port of a server that is AWAY_MS away."""
    passing = subprocess.Popen([sys.executable, str(DELAY), str(port), str(AWAY_MS / 2)], stdout=subprocess.PIPE, text=True)
    try:
        yield int(passing.stdout.readline())
    finally:
        passing.terminate()
        passing.wait()


class Speed:
    """Takes one figure at a time, in a folder of its own."""

    def __init__(self, bench, work, seconds):
        self.bench, self.at, self.seconds = bench, bench.server, seconds
        self.folder = work / "speed"
        self.folder.mkdir()
        self.taken = collections.defaultdict(list)      # (who, name, away): lines a second, or ns of CPU a line
        self.broken, self.tables = {}, ["entry"]
        flat.make_input(self.folder / "cost.csv", LINES)
        for name, (script, _) in PGBENCH.items():
            self._file("pgbench", name).write_text(script)
        for name, ((query, _), _) in REPORT.items():
            self._file("report", name).write_text(query + "\n")

    def _file(self, who, name):
        return self.folder / f"{who}-{name.replace(' ', '-').replace(',', '')}.sql"

    def _environment(self):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "HOLDFAST"))}
        return {**clean, "HOME": str(self.folder), "PGPASSWORD": self.at.password}

    def has(self, option):
        """Does this holdfast's report know the option?"""
        told = subprocess.run([flat.holdfast(), "report", "--help"], capture_output=True, text=True, check=True)
        return option in told.stdout

    def make_ledger(self):
        """By the statement that a report without its table says."""
        try:
            self.report("ledger", self.at.port)
        except Broken as why:
            found = re.search(r"^CREATE TABLE .*?^\);", str(why), re.M | re.S)
            if not found:
                raise
            self.at.sql(f"SET ROLE app; {found[0]}")
        self.tables.append("holdfast_ledger")

    def pgbench(self, name, port):
        script, lines = self._file("pgbench", name), PGBENCH[name][1]
        told = self._run([server.program("pgbench"), "-n", "-M", "prepared", "-c", CONNECTIONS, "-j", 1, "-T", self.seconds,
                          "-f", script, f"host=127.0.0.1 port={port} user=app dbname=postgres sslmode=disable"],
                         f"pgbench {name}", (0,))
        found = re.search(r"^tps = ([\d.]+)", told, re.M)
        if not found:
            raise Broken(f"pgbench {name}: no tps in what it says")
        return float(found[1]) * lines

    def report(self, name, port, *options):
        for path in self.folder.glob("report.csv*"):
            path.unlink()
        (_, params), own = REPORT[name]
        dsn = self.at.dsn(False).replace(f":{self.at.port}/", f":{port}/")
        self._run([flat.holdfast(), "report", "--dsn", dsn, "--cost-file", self.folder / "cost.csv", "--query",
                   self._file("report", name), "--params", params, "--output", self.folder / "report.csv", "--progress",
                   "never", "--log-level", "error", "--max-concurrent", CONNECTIONS, "--summary",
                   self.folder / "summary.json", *own, *options], f"report, {name}", STOPPED)
        return json.loads((self.folder / "summary.json").read_text())

    def rate(self, who, name, port):
        if who == "pgbench":
            return self.pgbench(name, port)
        self.at.sql(f"TRUNCATE {', '.join(self.tables)}")      # a run that is open there would be gone on with
        until = () if REPORT[name][0] is MIX else ("--deadline", f"{self.seconds}s")
        told = self.report(name, port, *until)
        return told["lines_this_run"] * 1000 / max(told["elapsed_ms"], 1)

    def cpu_of_a_line(self):
        """ns of user and system time that a line of a read costs, client and server on one core."""
        used = []
        anywhere = os.sched_getaffinity(0)
        self.at.pin({self.bench.core})
        os.sched_setaffinity(0, {self.bench.core})
        try:
            for lines in CPU_LINES:
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                self.report("reads", self.at.port, "--limit", lines)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        finally:
            os.sched_setaffinity(0, anywhere)
            self.at.pin(anywhere)
        return (used[1] - used[0]) * 1e9 / (CPU_LINES[1] - CPU_LINES[0])

    def _run(self, command, what, statuses):
        try:
            done = subprocess.run([str(word) for word in command], cwd=self.folder, env=self._environment(), text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                  timeout=self.seconds + 60)
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise Broken(f"{what}: {str(problem).replace(self.at.password, '…')}") from None
        if done.returncode not in statuses:
            raise Broken(f"{what}: exit {done.returncode}: {done.stdout.strip()[-400:]}")
        return done.stdout

    def take(self, who, name, away, take):
        if (who, name, away) in self.broken:
            return
        try:
            self.taken[who, name, away].append(take())
        except Broken as why:
            self.broken[who, name, away] = str(why)


def who_is(name):
    return "pgbench" if name in PGBENCH else "report"


def take_rates(speed, rows, rounds):
    """In rounds; what stands in several rows is taken once a round."""
    cells = dict.fromkeys((who_is(name), name, row.away) for row in rows for name in (row.theirs, row.ours))
    with far_away(speed.at.port) as far:
        for number in range(rounds):
            for who, name, away in list(cells)[::-1 if number % 2 else 1]:
                port = far if away else speed.at.port
                speed.take(who, name, away, lambda w=who, n=name, p=port: speed.rate(w, n, p))


def take_cpu(speed, rounds):
    for _ in range(rounds):
        speed.take("report", CPU, False, speed.cpu_of_a_line)
        speed.take("holdfast", CPU, False, lambda: speed.bench.cpu("holdfast", "w3", False, 20001))


def line(title, theirs, ours, unit, reach, at_least=True):
    def figure(values):
        return f"{statistics.median(values) / unit:,.{0 if unit == 1 else 1}f}" if values else "failed"

    ratio = statistics.median(ours) / statistics.median(theirs) if ours and theirs else None
    kept = ratio is not None and reach is not None and (round(ratio, 3) >= reach if at_least else round(ratio, 3) <= reach)
    return (title, figure(theirs), figure(ours), "" if ratio is None else f"{ratio:.3f}",
            "" if reach is None else f"{'>=' if at_least else '<='} {reach}",
            "" if reach is None or ratio is None else "ok" if kept else "missed")


def print_table(speed, rows, skipped, cpu):
    table = [("lines a second, 3 connections", "beside", "report", "ratio", "to reach", "")]
    for row in rows:
        table.append(line(row.title, speed.taken[who_is(row.theirs), row.theirs, row.away],
                          speed.taken["report", row.ours, row.away], 1, row.reach))
    table += [(row.title, "", "skipped", "", f">= {row.reach}" if row.reach else "", "no --ledger yet") for row in skipped]
    if cpu:
        table.append(line("CPU us of a line / of W3's statement", speed.taken["holdfast", CPU, False],
                          speed.taken["report", CPU, False], 1000, CPU_REACH, at_least=False))
    widths = [max(len(cells[i]) for cells in table) for i in range(6)]
    print()
    for number, cells in enumerate(table):
        print(f"{cells[0]:<{widths[0]}}  " + "  ".join(f"{cells[i]:>{widths[i]}}" for i in (1, 2, 3)) +
              f"   {cells[4]:<{widths[4]}}  {cells[5]}".rstrip())
        if number == 0:
            print("-" * (sum(widths) + 13))


def show(bench, work, works, rounds, seconds):
    """Prints the table, and puts every figure in speed.json. Returns what failed, by (who, name, far away)."""
    if not flat.holdfast().exists():
        return {("report", "all", False): f"{flat.holdfast()} is not built"}
    rows = [row for row in ROWS if row.work in works]
    speed, begun = Speed(bench, work, seconds), time.monotonic()
    skipped = [] if speed.has("--ledger") else [row for row in rows if row.ours.startswith("ledger")]
    rows = [row for row in rows if row not in skipped]
    try:
        if any(row.ours.startswith("ledger") for row in rows):
            speed.take("report", "the ledger's table", False, speed.make_ledger)
            speed.taken.clear()
        take_rates(speed, rows, rounds)
        if CPU in works:
            take_cpu(speed, rounds)
    finally:
        shutil.rmtree(speed.folder)
    print_table(speed, rows, skipped, CPU in works)
    print(f"Taken in {rounds} rounds of {seconds} s each, {time.monotonic() - begun:.0f} s in all.")
    (work / "speed.json").write_text(json.dumps(
        [{"who": who, "name": name, "away": away, "values": values} for (who, name, away), values in speed.taken.items()],
        indent=1) + "\n")
    return speed.broken
