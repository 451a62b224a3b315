"""A machine on which make is asked what it needs: its commands are made up, and its tree is a copy of links."""

import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]

# A compiler that finds no <csv.h>, a Debian on which everything else is installed, and an installer that only notes it.
MADE_UP = {
    "gcc": """case "$*" in
*"-x c -") program=$(cat)
    case $program in *csv.h*) exit 1 ;; esac
    echo "$program" | exec {gcc} "$@" ;;
*) exec {gcc} "$@" ;;
esac""",
    "dpkg-query": 'shift 3; for package; do [ $package = libcsv-dev ] || printf "$package/installed "; done',
    "apt-get": 'echo "$*" >>{told}', "sudo": '"$@"',
}
# What a build calls besides, where there is nothing of Debian's.
COMMANDS = "sh make nproc uname mkdir rm mktemp cat sed awk cmp find patch bzip2 xz"


class Machine:
    """A tree of links, so that the repository's own build is left alone, and commands that are found before others."""

    def __init__(self, folder):
        self.tree, self.commands, self.installed = folder / "tree", folder / "bin", folder / "told"
        for place in (self.commands, self.tree / "boards"):
            place.mkdir(parents=True)
        for name in ("core", "port", "platform", "tests", "Makefile"):
            (self.tree / name).symlink_to(ROOT / name)
        for path in (ROOT / "boards").iterdir():
            (self.tree / "boards" / path.name).symlink_to(path)
        self.path = f"{self.commands}:{os.environ['PATH']}"

    def put(self, *names):
        for name in names:
            self.write(name, MADE_UP[name])

    def write(self, name, script):
        script = script.format(gcc=shutil.which("gcc"), told=self.installed)
        (self.commands / name).write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
        (self.commands / name).chmod(0o755)

    def stand_alone(self, *more):
        for name in (*COMMANDS.split(), *more):
            (self.commands / name).symlink_to(shutil.which(name))
        self.path = str(self.commands)

    def make(self, *goals, **environment):
        alone = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "HF_"))}
        return subprocess.run(["make", *goals], cwd=self.tree, env={**alone, "PATH": self.path, **environment},
                              capture_output=True, text=True)
