"""Ends the servers of a test run and removes its namespaces and its folder, when its standard input ends: also when
the run was killed.

Started by conftest.py with a pipe that only the run's own process holds open.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time


# SIGQUIT is PostgreSQL's immediate shutdown; what stands between has nothing to lose.
ENDED_BY = {"*/data/postmaster.pid": signal.SIGQUIT, "*/*.pid": signal.SIGKILL}


def servers(root):
    """(pid, signal) of what runs below `root`; a pid that has become somebody else's is not among them."""
    for pattern, number in ENDED_BY.items():
        for file in pathlib.Path(root).glob(pattern):
            try:
                pid = int(file.read_text().split()[0])
                if root in pathlib.Path(f"/proc/{pid}/cmdline").read_text():
                    yield pid, number
            except (OSError, ValueError, IndexError):
                continue


def main(root):
    sys.stdin.buffer.read()
    for _ in range(100):
        left = list(servers(root))
        for pid, number in left:
            os.kill(pid, number)
        if not left:
            break
        time.sleep(0.1)
    for namespace in pathlib.Path(root).glob("*.netns"):
        subprocess.run(["ip", "netns", "del", namespace.stem], stderr=subprocess.DEVNULL, check=False)
    shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
