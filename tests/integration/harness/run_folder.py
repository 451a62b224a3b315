"""The folder of a test run, for its servers: made by the run's own process, removed when that ends, however it ends."""

import os
import subprocess
import sys
import tempfile

from . import reaper

NAME = "HOLDFAST_TESTS_ROOT"                # in the environment: xdist's workers inherit it


def path():
    return os.environ[NAME]


def make(config):
    """For pytest_configure()."""
    if not hasattr(config, "workerinput"):
        # Not under build/: the server's user must be able to enter it, and a socket's path is short.
        folder = tempfile.mkdtemp(prefix="holdfast-")
        os.chmod(folder, 0o755)
        os.environ[NAME] = folder
        config.reaper = subprocess.Popen([sys.executable, reaper.__file__, folder], stdin=subprocess.PIPE,
                                         start_new_session=True)


def remove(config):
    """For pytest_unconfigure()."""
    if hasattr(config, "reaper"):
        config.reaper.stdin.close()
        config.reaper.wait()
