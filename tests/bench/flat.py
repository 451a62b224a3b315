#!/usr/bin/python3
"""`holdfast report` reads 10 million lines in flat memory: shown by what the kernel says of its peak.

    tests/bench/flat.py [--full]

Before the first statement the report reads its whole input once, to know it again when it is resumed; so all ten
million lines are read here each time. Ten million statements would take minutes: `make bench` runs a short input
to its end, one twenty times as long to its end, and the first seconds of ten million lines, stopped and gone on
with from where it was. What is kept per line, per statement or per byte of input would tell them apart. --full
runs the ten million to the end instead.
"""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import time

import measure
import server

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHORT, LONG, HUGE = 10_000, 200_000, 10_000_000
SECONDS, AGAIN_SECONDS = 20, 5
GROWTH_MAX = 1 << 20    # bytes that a longer input may cost: none, and the allocator's whims
INCOMPLETE = 4          # exit status of a report that was stopped

SQL = "SELECT name, price FROM item WHERE id = $1::int\n"


def make_input(path, lines):
    """Write a header and so many lines, copies of one block: only their number matters."""
    block = "".join(f"{i * 7919 % server.ITEMS + 1},{i % 9 + 1},order {i}\n" for i in range(10_000)).encode()
    with open(path, "wb") as file:
        file.write(b"id,quantity,label\n")
        for _ in range(lines // 10_000):
            file.write(block)


class Report:
    """One run of the program, watched."""

    def __init__(self, programs, at, folder):
        self.folder, self.samples = folder, []
        self.part, self.read, self.lines = folder / "report.csv.part", 0, -1    # the header is no line
        self.told = folder / "peak"
        self.told.write_text("")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "HOLDFAST"))}
        self.log = open(folder / "output.log", "w", encoding="utf-8")
        self.process = subprocess.Popen(
            [programs / "peak", self.told, holdfast(), "report", "--dsn", at.dsn(True), "--cost-file",
             folder / "cost.csv", "--query", folder / "report.sql", "--params", "id", "--output",
             folder / "report.csv", "--progress", "never"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
            env={**environment, "HOME": str(folder)})

    def written(self):
        """Lines of output so far."""
        path = self.part if self.part.exists() else self.folder / "report.csv"
        if path.exists():
            with open(path, "rb") as file:
                file.seek(self.read)
                while block := file.read(1 << 20):
                    self.read += len(block)
                    self.lines += block.count(b"\n")
        return max(self.lines, 0)

    def sample(self):
        """Notes when and how many bytes are resident, unless it has not begun or has ended."""
        try:
            status = pathlib.Path(f"/proc/{self.told.read_text().split()[0]}/status").read_text()
            words = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            self.samples.append((time.monotonic(), int(words["VmRSS"].split()[0]) * 1024))
        except (OSError, KeyError, IndexError):
            pass

    def watch(self, seconds=None, every=0.1, tell=None):
        """Wait for the run's end, or stop the run after so long. Returns its exit status."""
        begun = told = time.monotonic()
        while self.process.poll() is None:
            self.sample()
            self.written()
            now = time.monotonic()
            if seconds is not None and now - begun > seconds:
                os.killpg(self.process.pid, signal.SIGTERM)
                break
            if tell and now - told > 20:
                told = now
                tell(self)
            time.sleep(every)
        try:
            status = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self.process.wait()
        self.log.close()
        self.written()
        return status

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)

    def peak(self):
        """The kernel's own account, which misses nothing."""
        words = self.told.read_text().split()
        return int(words[1]) * 1024 if len(words) == 2 else 0

    def half_way(self):
        """What was resident when half of the run's time was over."""
        middle = (self.samples[0][0] + self.samples[-1][0]) / 2 if self.samples else 0
        return next((now for when, now in self.samples if when >= middle), 0)


def holdfast():
    return pathlib.Path(os.environ.get("HOLDFAST", ROOT / "build" / "linux" / "holdfast"))


def mib(size):
    return f"{size / (1 << 20):.2f} MiB"


class Show:
    """The parts one after the other, each a line of what is printed."""

    def __init__(self, programs, at, folder):
        self.programs, self.at, self.folder = programs, at, folder
        self.peaks, self.failed = [], False
        (folder / "report.sql").write_text(SQL)

    def run(self, title, expected, **how):
        report = Report(self.programs, self.at, self.folder)
        begun = time.monotonic()
        try:
            status = report.watch(**how)
        except BaseException:
            report.kill()
            raise
        took = time.monotonic() - begun
        print(f"{title:<44} {report.lines:>11,} done {took:6.1f} s   half-way {mib(report.half_way())}, peak "
              f"{mib(report.peak())}", flush=True)
        self.peaks.append(report.peak())
        if status != expected:
            self.failed = True
            print(f"  exit status {status}, not {expected}:", *(self.folder / "output.log").read_text()[-600:].splitlines(),
                  sep="\n    ")
        return report

    def new_input(self, lines):
        for path in self.folder.glob("report.csv*"):
            path.unlink()
        make_input(self.folder / "cost.csv", lines)

    def verdict(self):
        growth = max(self.peaks) - self.peaks[0]
        flat = growth <= GROWTH_MAX
        print(f"Memory is {'flat' if flat else 'NOT flat'}: the longest input costs {growth / 1024:.0f} KiB more than "
              f"the shortest ({GROWTH_MAX >> 10} KiB allowed).")
        return flat and not self.failed


def show(at, work, programs, full=False):
    """Prints the peaks; True if memory is flat."""
    print("\nThe report over long inputs, 3 connections with TLS: resident memory, and its peak by wait4()")
    if not holdfast().exists():
        print(f"{holdfast()} is not built")
        return False
    folder = work / "flat"
    folder.mkdir()
    shown = Show(programs, at, folder)
    try:
        for lines in (SHORT, LONG):
            shown.new_input(lines)
            shown.run(f"{lines:,} lines, to the end", 0)
        shown.new_input(HUGE)
        if full:
            shown.run(f"{HUGE:,} lines, to the end", 0,
                      tell=lambda report: print(f"    {report.lines:,} lines, {mib(report.samples[-1][1])}", flush=True))
        else:
            shown.run(f"{HUGE:,} lines, stopped after {SECONDS} s", INCOMPLETE, seconds=SECONDS)
            shown.run(f"{HUGE:,} lines, gone on with for {AGAIN_SECONDS} s", INCOMPLETE, seconds=AGAIN_SECONDS)
        return shown.verdict()
    finally:
        for path in folder.iterdir():
            if path.name != "output.log":
                path.unlink()


def main():
    parser = argparse.ArgumentParser(description="the report over 10 million lines")
    parser.add_argument("--full", action="store_true", help="to the end")
    options = parser.parse_args()
    with server.workplace(ROOT / "build" / "bench") as work, server.running(work) as at:
        return 0 if show(at, work, measure.programs(), options.full) else 1


if __name__ == "__main__":
    sys.exit(main())
