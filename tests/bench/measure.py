"""How one number is taken: a bench program is run once, under nothing, callgrind or strace.

A program measures between its own begin and end (bench.h), so connecting and warming up count only where
they are the work.
"""

import collections
import os
import pathlib
import re
import shutil
import subprocess

MARK = "close(-4242)"


def programs():
    """The folder of the bench programs."""
    root = pathlib.Path(__file__).resolve().parents[2]
    return pathlib.Path(os.environ.get("BENCHES", root / "build" / "linux" / "tests" / "bench"))


class Broken(Exception):
    """A bench program failed: that side has no figure."""


class Bench:
    """Runs the bench programs against one server."""

    def __init__(self, server, scratch, folder=None):
        self.programs, self.server, self.scratch = folder or programs(), server, pathlib.Path(scratch)
        self.core = max(os.sched_getaffinity(0))
        self.broken = {}

    def cpu(self, side, work, tls, count):
        """CPU time of the client in ns per unit of work; client and server share one core."""
        return self._run(side, work, tls, count, cores={self.core})["cpu_ns"] / count

    def heap(self, side, work, tls):
        """Bytes of heap per connection: idle, after a large field, and the caller's own buffer."""
        told = self._run(side, work, tls, 1)
        return told["heap_idle"], told["heap_after_field"], told.get("buffer", 0)

    def instructions(self, side, work, tls, count):
        out = self.callgrind(side, work, tls, count)
        total = int(re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.M).group(1))
        out.unlink()
        return total / count

    def callgrind(self, side, work, tls, count):
        """The file callgrind wrote."""
        out = self.scratch / f"callgrind.{side}.{work}.{'tls' if tls else 'plain'}"
        self._run(side, work, tls, count, "valgrind", "-q", "--tool=callgrind", "--collect-atstart=no",
                  f"--callgrind-out-file={out}")
        return out

    def system_calls(self, side, work, tls, count):
        """System calls per unit of work, and by name."""
        out = self.scratch / f"strace.{side}.{work}.{'tls' if tls else 'plain'}"
        self._run(side, work, tls, count, "strace", "-qq", "-o", str(out))
        lines = out.read_text(errors="replace").splitlines()
        out.unlink()
        begin, end = (n for n, line in enumerate(lines) if line.startswith(MARK))
        names = collections.Counter(line.split("(")[0] for line in lines[begin + 1:end] if "(" in line)
        return sum(names.values()) / count, {name: n / count for name, n in names.items()}

    def _run(self, side, work, tls, count, *tool, cores=None):
        if (side, work, tls) in self.broken:
            raise Broken(self.broken[side, work, tls])
        command = [*tool, str(self.programs / f"bench_{side}"), work, str(count), self.server.dsn(tls)]
        # Without a ticket cache libpq's search for one is a cost that nobody chose.
        environment = {**{k: v for k, v in os.environ.items() if not k.startswith("PG")},
                       "PGGSSENCMODE": "disable", "HOME": str(self.scratch)}
        if tool and not shutil.which(tool[0]):
            raise SystemExit(f"{tool[0]} is not installed: make deps-bench")
        self.server.pin(cores or os.sched_getaffinity(0))
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=180, env=environment,
                                  preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None)
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise self._broke(side, work, tls, str(problem).replace(self.server.password, "…")) from None
        if done.returncode != 0:
            raise self._broke(side, work, tls, f"exit {done.returncode}: {done.stderr.strip()[-400:]}")
        return {k: float(v) for k, v in (line.split("=", 1) for line in done.stdout.split())}

    def _broke(self, side, work, tls, why):
        self.broken[side, work, tls] = why
        return Broken(why)
