"""What boards/README.md promises of a new board: a copy of one folder is one."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def test_copied_folder_is_built_from_its_own_files(tmp_path):
    """In a tree of links, so that the repository's own is left alone; make only tells what it would do."""
    for name in ("core", "port", "platform", "tests", "Makefile"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    shutil.copytree(REPOSITORY / "boards" / "mps2-an386", tmp_path / "boards" / "copy")
    for name in ("linux", "boards.mk"):
        (tmp_path / "boards" / name).symlink_to(REPOSITORY / "boards" / name)
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    words = subprocess.run(["make", "-n", "BOARD=copy", "all"], cwd=tmp_path, env=alone, check=True, text=True,
                           capture_output=True).stdout.split()
    for word in ("build/copy/logger.elf", "build/copy/boards/copy/board.o", "boards/copy/memory.ld", "-Iboards/copy",
                 "-DHF_BOARD='\"copy\"'", "boards/copy/board.c"):
        assert word in words, f"{word} in what make does"
    assert not [word for word in words if "mps2-an386" in word]


@pytest.mark.parametrize("file, what", [("hooks.c", "entropy|date|sensor|end"), ("lan9118.c", "ethernet_"),
                                        ("uart.c", "uart_")])
def test_board_may_bring_its_own(tmp_path, file, what):
    """What boards/README.md says that a board brings takes the place of what is there: the linker's weak names."""
    folder = REPOSITORY / "platform" / "cortex-m"
    declared = set(re.findall(rf"\b(hf_hw_(?:{what})\w*)\(", (folder / "hw.h").read_text()))
    compiled = tmp_path / "it.o"
    subprocess.run(["arm-none-eabi-gcc", "-mcpu=cortex-m3", "-mthumb", f"-I{folder}", "-c", folder / file,
                    "-o", compiled], check=True)
    names = subprocess.run(["arm-none-eabi-nm", compiled], check=True, text=True, capture_output=True).stdout
    assert declared and declared == set(re.findall(r" W (\w+)", names))
    assert not re.findall(r" T (\w+)", names)
