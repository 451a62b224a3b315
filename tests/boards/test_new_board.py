"""What boards/README.md promises of a new board: a copy of one folder is one."""

import os
import pathlib
import shutil
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def test_copied_folder_is_built_from_its_own_files(tmp_path):
    """In a tree of links, so that the repository's own is left alone; make only tells what it would do."""
    for name in ("core", "port", "platform", "tests", "Makefile"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    shutil.copytree(REPOSITORY / "boards" / "mps2-an386", tmp_path / "boards" / "copy")
    (tmp_path / "boards" / "linux").symlink_to(REPOSITORY / "boards" / "linux")
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    words = subprocess.run(["make", "-n", "BOARD=copy", "all"], cwd=tmp_path, env=alone, check=True, text=True,
                           capture_output=True).stdout.split()
    for word in ("build/copy/logger.elf", "build/copy/boards/copy/board.o", "boards/copy/memory.ld", "-Iboards/copy",
                 "-DHF_BOARD='\"copy\"'", "boards/copy/board.c"):
        assert word in words, f"{word} in what make does"
    assert not [word for word in words if "mps2-an386" in word]
