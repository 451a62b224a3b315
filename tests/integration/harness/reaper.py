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


def servers(root):
    """The pids of the servers below `root`; a pid that has become somebody else's is not among them."""
    for file in pathlib.Path(root).glob("*/data/postmaster.pid"):
        try:
            pid = int(file.read_text().split()[0])
            if root in pathlib.Path(f"/proc/{pid}/cmdline").read_text():
                yield pid
        except (OSError, ValueError, IndexError):
            continue


def main(root):
    sys.stdin.buffer.read()
    for _ in range(100):
        left = list(servers(root))
        for pid in left:
            os.kill(pid, signal.SIGQUIT)            # PostgreSQL's immediate shutdown
        if not left:
            break
        time.sleep(0.1)
    for namespace in pathlib.Path(root).glob("*.netns"):
        subprocess.run(["ip", "netns", "del", namespace.stem], stderr=subprocess.DEVNULL, check=False)
    shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
