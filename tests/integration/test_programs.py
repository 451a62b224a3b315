"""The programs of port/PROGRAMS.md: each is taken from the page, built as a reader builds it, and run against a server."""

import os
import pathlib
import re
import shlex
import subprocess

import pytest

from harness.program import clean_environment
from harness.waiting import PATIENCE_S

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "port" / "PROGRAMS.md"
PACKAGE = re.compile(r"pkg-config ([\w.-]+)")

# What each prints; the lines of epoll.c come in either order.
PRINTS = {
    "query.c": "item 42\n",
    "epoll.c": "quick: ok\nslow: ok\n",
    "uv.c": "1\n2\n3\nok\n",
    "glib.c": "ok\n",
    "scripted.c": "as expected\n",
    "board.c": "reading 0: ok\nreading 1: ok\nreading 2: ok\n",
    "query.cpp": "name 1\nname 2\nname 3\n",
}


def programs():
    """Name to text: the first line of each block is a comment that names it."""
    blocks = re.findall(r"^```(?:c|cpp)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return {re.match(r"/[/*] ([\w.]+)", text).group(1): text for text in blocks}


@pytest.fixture(scope="module")
def installed(program, tmp_path_factory):
    """The libraries beside the program, as `make install` puts them somewhere."""
    root = tmp_path_factory.mktemp("installed") / "usr"
    board = (ROOT / "boards/linux/board.mk").read_text()
    libraries = re.search(r"^LDLIBS *\+= (.*)$", board, re.MULTILINE).group(1)
    subprocess.run([ROOT / "boards/linux/install.sh", pathlib.Path(program).parent, root, ""], check=True, cwd=ROOT,
                   capture_output=True, env={**os.environ, "LIBS": libraries})
    return root


def test_page_has_the_programs_that_are_run():
    assert sorted(programs()) == sorted(PRINTS)


@pytest.mark.parametrize("name", PRINTS)
def test_program_of_the_page_builds_and_runs(installed, cluster, tmp_path, name):
    text = programs()[name]
    (tmp_path / name).write_text(text)
    asked = PACKAGE.findall(text.splitlines()[0])
    packages = asked if "holdfast_test" in asked else ["holdfast", *asked]
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", *packages], check=True, capture_output=True, text=True,
                           env={**os.environ, "PKG_CONFIG_PATH": str(installed / "lib" / "pkgconfig")}).stdout
    compiler = ["g++", "-std=c++17"] if name.endswith("pp") else ["gcc", "-std=c11", "-D_DEFAULT_SOURCE"]
    if os.environ.get("TEST_ASAN"):
        compiler.append("-fsanitize=address,undefined")
    built = subprocess.run([*compiler, "-Wall", "-Wextra", "-Werror", name, "-o", "program", *shlex.split(flags)],
                           cwd=tmp_path, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    run = subprocess.run([tmp_path / "program"], capture_output=True, text=True, timeout=PATIENCE_S,
                         env=clean_environment(tmp_path, DATABASE_URL=cluster.dsn()))
    printed = "".join(sorted(run.stdout.splitlines(keepends=True))) if name == "epoll.c" else run.stdout
    assert (run.returncode, run.stderr, printed) == (0, "", PRINTS[name])
