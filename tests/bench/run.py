#!/usr/bin/python3
"""holdfast and libpq side by side on one private server: the works of README.md, today's ratios, the ratios to reach.

    tests/bench/run.py [--only W1,W4] [--rounds N] [--no-flat]
    tests/bench/run.py --profile W1 [--tls]       where holdfast's instructions go

BENCHES names the folder of the bench programs, HOLDFAST the program (`make bench` does). Everything is written
below build/bench; results.json there has every number taken. No ratio fails a run; a program that fails does.
"""

import argparse
import collections
import concurrent.futures
import itertools
import json
import os
import pathlib
import statistics
import sys
import time

import flat
import many
import profile_work
import server
import speed
from measure import Bench, Broken

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "bench"
SIDES = ("libpq", "holdfast")

# How much of each work: under callgrind or strace, and for CPU time.
Size = collections.namedtuple("Size", "counted timed")
SIZES = {
    "w1": Size(2000, 20000), "w1u": Size(2000, 20000), "w2b": Size(2048, 32000), "w2e": Size(2048, 20000),
    "w3": Size(2001, 20001), "w4": Size(20000, server.ITEMS), "w5first": Size(5, 30), "w5again": Size(5, 30), "w6": Size(1, 1),
}

# reach: holdfast's figure over libpq's in the same run, without TLS and with; in `absolute` rows holdfast's own.
Row = collections.namedtuple("Row", "title kind libpq holdfast reach absolute", defaults=(False,))
ROWS = (
    Row("W1 instructions", "instructions", "w1", "w1", (0.16, 0.35)),
    Row("W1 CPU us", "cpu", "w1", "w1", (0.92, 0.78)),
    Row("W1 system calls", "system_calls", "w1", "w1", (3, 3), True),
    Row("W1u instructions", "instructions", "w1u", "w1u", (0.4, 0.4)),
    Row("W1u CPU us", "cpu", "w1u", "w1u", (1.0, 1.0)),
    Row("W2b instructions", "instructions", "w2b", "w2b", (0.15, 0.55)),
    Row("W2b CPU us", "cpu", "w2b", "w2b", (0.53, 0.80)),
    Row("W2e CPU us", "cpu", "w2e", "w2e", (0.75, 0.65)),
    Row("W3 instructions", "instructions", "w3", "w3", (0.17, 0.38)),
    Row("W3 CPU us", "cpu", "w3", "w3", (0.93, 0.80)),
    Row("W4 instructions per row, libpq s", "instructions", "w4s", "w4", (0.09, None)),
    Row("W4 instructions per row, libpq n", "instructions", "w4n", "w4", (0.25, 0.5)),
    Row("W4 instructions per row, libpq c", "instructions", "w4c", "w4", (None, None)),
    Row("W4 CPU us per row, libpq s", "cpu", "w4s", "w4", (None, None)),
    Row("W4 CPU us per row, libpq n", "cpu", "w4n", "w4", (0.40, 0.8)),
    Row("W5 CPU ms, first connect", "cpu", "w5first", "w5first", (0.65, 0.75)),
    Row("W5 CPU ms, reconnect", "cpu", "w5again", "w5again", (0.05, 0.35)),
    Row("W6 heap KB per idle connection", "heap", "w6", "w6", (8, 48), True),
    Row("W6 … after one 100 KB field", "heap_after", "w6", "w6", (8, 48), True),
)
WORKS = (*speed.WORKS, "many")      # of the tables below
SCALE = {"us": 1e3, "ms": 1e6, "KB": 1024}


def size(work):
    return SIZES[work if work in SIZES else work[:2]]


class Results:
    """Every number taken, by (kind, side, work, tls); an empty list where a side failed."""

    def __init__(self):
        self.taken = collections.defaultdict(list)
        self.detail = {}

    def median(self, kind, side, work, tls):
        values = self.taken.get((kind, side, work, tls))
        return statistics.median(values) if values else None

    def write(self, path):
        raw = [{"kind": k, "side": s, "work": w, "tls": t, "values": v} for (k, s, w, t), v in self.taken.items()]
        calls = [{"side": s, "work": w, "tls": t, "per_unit": v} for (s, w, t), v in self.detail.items()]
        path.write_text(json.dumps({"figures": raw, "system_calls": calls}, indent=1) + "\n")


def cells(rows, kinds):
    """What has to be taken for these rows: (kind, side, work, tls), once each."""
    found = {}
    for row, (side, tls) in itertools.product(rows, itertools.product(SIDES, (False, True))):
        if row.kind in kinds:
            found[row.kind, side, getattr(row, side), tls] = True
    return list(found)


def take_counted(bench, rows, results):
    """Instructions and system calls do not depend on what else runs: two at a time."""
    def take(cell):
        kind, side, work, tls = cell
        if kind == "instructions":
            return bench.instructions(side, work, tls, size(work).counted)
        calls, results.detail[side, work, tls] = bench.system_calls(side, work, tls, size(work).counted)
        return calls

    todo = cells(rows, ("instructions", "system_calls"))
    with concurrent.futures.ThreadPoolExecutor(min(2, len(os.sched_getaffinity(0)))) as pool:
        for cell, future in [(cell, pool.submit(take, cell)) for cell in todo]:
            try:
                results.taken[cell].append(future.result())
            except Broken:
                pass


def take_heap(bench, rows, results):
    for _, side, work, tls in cells(rows, ("heap",)):
        try:
            idle, after, buffer = bench.heap(side, work, tls)
        except Broken:
            continue
        results.taken["heap", side, work, tls].append(idle)
        results.taken["heap_after", side, work, tls].append(after)
        results.taken["buffer", side, work, tls].append(buffer)


def take_cpu(bench, rows, results, rounds):
    """In rounds, both sides of a work one right after the other; who is first alternates."""
    works = {}
    for row in rows:
        if row.kind == "cpu":
            for tls in (False, True):
                works.setdefault((row.holdfast, tls), {})["libpq", row.libpq] = True
                works[row.holdfast, tls]["holdfast", row.holdfast] = True
    for number in range(rounds):
        for (_, tls), pair in works.items():
            for side, work in list(pair)[::-1 if number % 2 else 1]:
                try:
                    results.taken["cpu", side, work, tls].append(bench.cpu(side, work, tls, size(work).timed))
                except Broken:
                    pass


def figure(value, title):
    if value is None:
        return "failed"
    unit = next((scale for word, scale in SCALE.items() if word in title.replace(",", "").split()), 1)
    value /= unit
    return f"{value:,.0f}" if value >= 1000 or ("instructions" in title and value >= 100) else f"{value:.3g}"


def line(row, tls, results):
    kind = row.kind
    theirs, ours = (results.median(kind, side, getattr(row, side), tls) for side in SIDES)
    reach = row.reach[tls]
    ratio = ours / theirs if ours is not None and theirs else None
    verdict = ""
    if reach is not None and ours is not None:
        judged = ours / (SCALE["KB"] if "heap" in kind else 1) if row.absolute else ratio
        verdict = "ok" if judged is not None and round(judged, 3) <= reach else "missed"
    unit = (" KB" if "heap" in kind else "") if row.absolute else ""
    return (row.title, "TLS" if tls else "", figure(theirs, row.title if "…" not in row.title else "KB"),
            figure(ours, row.title if "…" not in row.title else "KB"),
            "" if ratio is None else f"{ratio:.3f}",
            "" if reach is None else f"<= {reach}{unit}", verdict)


def print_table(rows, results):
    table = [("work", "", "libpq", "holdfast", "ratio", "to reach", "")]
    table += [line(row, tls, results) for row in rows for tls in (False, True)]
    widths = [max(len(cell[i]) for cell in table) for i in range(7)]
    for number, cell in enumerate(table):
        left = f"{cell[0]:<{widths[0]}}  {cell[1]:<{widths[1]}}"
        middle = "  ".join(f"{cell[i]:>{widths[i]}}" for i in (2, 3, 4))
        print(f"{left}  {middle}   {cell[5]:<{widths[5]}}  {cell[6]}".rstrip())
        if number == 0:
            print("-" * (sum(widths) + 13))
    buffer = results.median("buffer", "holdfast", "w6", False)
    if buffer:
        print(f"The caller's buffer of a holdfast connection (16 KB to receive, 4 KB to send) is {buffer / 1024:.1f} KB.")


def parse():
    parser = argparse.ArgumentParser(description="holdfast and libpq side by side")
    parser.add_argument("--only", default="", help="works by name, as W1,W4")
    parser.add_argument("--rounds", type=int, default=8, help="interleaved rounds for CPU time")
    parser.add_argument("--speed-rounds", type=int, default=3, help="… for lines a second")
    parser.add_argument("--speed-seconds", type=int, default=2, help="how long one of those takes")
    parser.add_argument("--no-flat", action="store_true", help="without the report over 10 million lines")
    parser.add_argument("--profile", metavar="WORK", help="where holdfast's instructions of one work go")
    parser.add_argument("--libpq", action="store_true", help="… or libpq's")
    parser.add_argument("--tls", action="store_true", help="… with TLS")
    return parser.parse_args()


def chosen(only):
    """The rows of the table, and the works of speed.py."""
    names = [name.strip().lower() for name in only.split(",") if name.strip()]
    known = {row.title.split()[0].lower(): row.title.split()[0] for row in ROWS} | {work: work for work in WORKS}
    for name in names:
        if name not in known:
            raise SystemExit(f"--only {only}: there is no {name}; there are {', '.join(known.values())}")
    return ([row for row in ROWS if not names or row.title.split()[0].lower() in names],
            [work for work in WORKS if not names or work in names])


def measure(bench, rows, rounds):
    results, started = Results(), time.monotonic()
    for what, take in (("instructions and system calls", take_counted), ("heap", take_heap),
                       (f"CPU time, {rounds} rounds", lambda *a: take_cpu(*a, rounds))):
        print(f"{time.monotonic() - started:5.0f} s  {what}", file=sys.stderr, flush=True)
        take(bench, rows, results)
    print(f"{time.monotonic() - started:5.0f} s  measured\n", file=sys.stderr, flush=True)
    results.write(WORK / "results.json")
    print_table(rows, results)


def main():
    options = parse()
    rows, works = chosen(options.only)
    flat_memory, slow = True, {}
    with server.workplace(WORK), server.running(WORK) as at:
        bench = Bench(at, WORK)
        if options.profile:
            work = options.profile.lower()
            profile_work.show(bench, "libpq" if options.libpq else "holdfast", work, options.tls, size(work).counted)
            return 0
        if rows:
            measure(bench, rows, options.rounds)
        if set(works) & set(speed.WORKS):
            slow = speed.show(bench, WORK, works, options.speed_rounds, options.speed_seconds)
        if "many" in works:
            slow |= many.show(bench, WORK, options.speed_rounds)
        if not options.no_flat and not options.only:
            flat_memory = flat.show(at, WORK, bench.programs)
    for (side, work, tls), why in bench.broken.items():
        print(f"failed: bench_{side} {work}{' with TLS' if tls else ''}: {why}", file=sys.stderr)
    for (who, name, away), why in slow.items():
        print(f"failed: {who}, {name}{' far away' if away else ''}: {why}", file=sys.stderr)
    return 1 if bench.broken or slow or not flat_memory else 0


if __name__ == "__main__":
    sys.exit(main())
