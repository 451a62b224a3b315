"""Ten connections, a hundred, a thousand: what a login and a statement cost each, which is to be the same.

Instructions are those of hf_tick() over a port in memory (bench_many.c), so nothing but holdfast is counted. CPU time is
that of the client of W1u on so many connections at once, with pgbouncer between it and the server's 10 sessions; all
three share one core. Both come from programs that begin to measure when everything is up.
"""

import json
import os
import pwd
import re
import shutil
import socket
import statistics
import subprocess
import time

import server
from measure import Bench, Broken

CONNECTIONS = (10, 100, 1000)
COUNTED = {"logins": "instructions of a login", "statements": "… of a statement, all at work",
           "queued": "… more waiting, one answer a tick", "few": "… 3 at work, the others idle"}
CPU = "CPU us of a statement, pgbouncer in front"
CPU_STATEMENTS = 20_000
REACH = 1.1                     # instructions: of 1000 over 10
WAIT_S = 20

CONFIG = """
[databases]
postgres = host=127.0.0.1 port={server} dbname=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 10
max_client_conn = 1100
"""


class Pooled:
    """pgbouncer before the server, with the face of a server for measure.Bench."""

    def __init__(self, at, work):
        self.at, self.password, self.port = at, at.password, server.free_port()
        self.folder = work / "pgbouncer"
        self.folder.mkdir()
        (self.folder / "config").write_text(CONFIG.format(server=at.port, port=self.port, folder=self.folder))
        (self.folder / "users").write_text(f'"app" "{at.password}"\n')
        user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        for path in (self.folder, *self.folder.iterdir()) if user else ():
            os.chown(path, user.pw_uid, user.pw_gid)
        with open(work / "pgbouncer.log", "ab") as log:
            self.process = subprocess.Popen([server.program("pgbouncer"), "-q", self.folder / "config"], user=user and user.pw_uid,
                                            group=user and user.pw_gid, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + WAIT_S
        while not self._listens():
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise Broken(f"pgbouncer does not listen: {(work / 'pgbouncer.log').read_text()[-400:]}")
            time.sleep(0.05)

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def dsn(self, tls):
        return self.at.dsn(tls).replace(f":{self.at.port}/", f":{self.port}/")

    def pin(self, cores):
        os.sched_setaffinity(self.process.pid, cores)
        self.at.pin(cores)

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def instructions(bench, work, conns):
    """Instructions of hf_tick(), for each login or statement."""
    out = bench.scratch / "callgrind.many"
    done = subprocess.run(["valgrind", "-q", "--tool=callgrind", "--toggle-collect=hf_tick", f"--callgrind-out-file={out}",
                           bench.programs / "bench_many", work, str(conns)], capture_output=True, text=True, timeout=180)
    dumps = sorted(bench.scratch.glob("callgrind.many*"))
    total = max((int(n) for dump in dumps for n in re.findall(r"^(?:totals|summary): (\d+)", dump.read_text(), re.M)), default=0)
    for dump in dumps:
        dump.unlink()
    if done.returncode != 0 or not total:
        raise Broken(f"exit {done.returncode}: {done.stderr.strip()[-400:]}")
    return total / int(done.stdout.split("=")[1])


def take(bench, work, rounds):
    """Rows of figures, by name; and what failed."""
    taken, broken = {}, {}
    for name, title in COUNTED.items():
        for conns in CONNECTIONS:
            try:
                taken.setdefault(title, {})[conns] = instructions(bench, name, conns)
            except (Broken, OSError, subprocess.TimeoutExpired) as why:
                broken["holdfast", f"{title}, {conns} connections", False] = str(why)
    pooled = None
    try:
        pooled = Pooled(bench.server, work)
        through = Bench(pooled, work, bench.programs)
        found = {conns: [] for conns in CONNECTIONS}
        for number in range(rounds):
            for conns in CONNECTIONS[::-1 if number % 2 else 1]:
                found[conns].append(through.cpu("holdfast", f"m{conns}", False, CPU_STATEMENTS) / 1000)
        taken[CPU] = {conns: statistics.median(values) for conns, values in found.items()}
    except Broken as why:
        broken["holdfast", CPU, False] = str(why)
    finally:
        if pooled:
            pooled.stop()
    return taken, broken


def show(bench, work, rounds):
    """Prints the table, and puts every figure in many.json. Returns what failed, as speed.show() does."""
    taken, broken = take(bench, work, rounds)
    width = max(map(len, (*COUNTED.values(), CPU)))
    print(f"\n{'many connections':<{width}}  " + "  ".join(f"{conns:>8,}" for conns in CONNECTIONS) + "   ratio  to reach")
    print("-" * (width + 54))
    for title, by in taken.items():
        figures = "  ".join(f"{by[conns]:>8,.{1 if by[conns] < 100 else 0}f}" if conns in by else "  failed" for conns in CONNECTIONS)
        first, last = by.get(CONNECTIONS[0]), by.get(CONNECTIONS[-1])
        ratio = last / first if first and last else None
        verdict = "" if title == CPU else f"  <= {REACH}   {'ok' if ratio and round(ratio, 3) <= REACH else 'missed'}"
        print(f"{title:<{width}}  {figures}   " + (f"{ratio:.3f}" if ratio else "     ") + verdict)
    (work / "many.json").write_text(json.dumps(taken, indent=1) + "\n")
    return broken
