"""Kill -9 at random moments, of a run and of its server: in a run's start, in its work, in its end."""

import os
import random
import signal
import time

from .waiting import eventually

POLL_S = 0.0003
SOAK = float(os.environ.get("SOAK") or 0)                   # `make soak`
KILLS = 40 if os.environ.get("TEST_ASAN") else 200          # a program with sanitizers starts slowly


def times(short, whole):
    """How often a test does what it is about: `make test` so often, `make soak` as often as was promised, times SOAK."""
    return max(1, round(SOAK * whole)) if SOAK else short


def seed_of(name):
    """From the environment to repeat a failure, else drawn; the test says it."""
    seed = int(os.environ.get("KILL_SEED") or random.randrange(10**6))
    print(f"to repeat: KILL_SEED={seed} python3 -m pytest tests/integration -k {name}")
    return seed


def _size(job):
    """Bytes of all that the job has written so far."""
    total = 0
    for path in (job.part, job.rejects, job.unknown, job.output):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def _await_moment(job, run, rng, whole):
    """Half of the moments are times since the start, half are amounts of work."""
    end, grown = time.monotonic() + 5, None
    if rng.random() < 0.5:
        end = time.monotonic() + rng.uniform(0, 0.12)
    else:
        grown = _size(job) + rng.uniform(0, whole / 15)
    while run.running and time.monotonic() < end and (grown is None or _size(job) < grown):
        time.sleep(POLL_S)


def killed(job, kills, seed, whole, **options):
    """Run the job over and over, each run killed at a moment of its own, `kills` times in all; `whole`: the bytes of
    a finished report. Gives each run that came to the end, the last one undisturbed: the caller looks at what the
    job left and clears it away."""
    rng = random.Random(seed)
    done = 0
    while True:
        run = job.start(**options)
        if done < kills:
            _await_moment(job, run, rng, whole)
            run.end()
            if run.status == -9:
                done += 1
                job.runs.remove(run)
                continue
        run.finish()
        yield run
        if done >= kills:
            return
        for path in job.folder.glob("report.csv*"):
            path.unlink()


def kill(server):
    """Kill -9 of the server's first process; its sessions end when they notice."""
    server.forget_admin()
    os.kill(server.pid, signal.SIGKILL)
    (server.data / "postmaster.pid").unlink()


def crash(server):
    """The same, and start it anew: only when all of its sessions have noticed can it be."""
    kill(server)

    def started():
        try:
            return server.start()
        except RuntimeError:
            return None
    eventually(started, "the server is started again")


def struck(job, start, seed, whole, kills=0, server=None, crashes=0):
    """Like killed(), with a run that start() makes, and with its server killed so often in between, while it goes on."""
    rng = random.Random(seed)
    blows = ["run"] * kills + ["server"] * crashes
    rng.shuffle(blows)
    while True:
        run = start()
        while blows and run.running:
            _await_moment(job, run, rng, whole)
            if blows[-1] == "run":
                run.end()
                if run.status == -9:
                    blows.pop()
                    job.runs.remove(run)
                    run = start()
            elif run.running:
                blows.pop()
                crash(server)
        run.finish()
        yield run
        if not blows:
            return
        for path in job.folder.glob("report.csv*"):
            path.unlink()
