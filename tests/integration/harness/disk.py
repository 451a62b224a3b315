"""A disk after a power cut: of all that a run wrote, what was synced is there, and of the rest whatever chance left.

A run under `disk.c` writes down its calls; `image` plays them up to a moment and gives the files as they may be found:
a file's bytes that were not synced arrive or do not, each write by itself; names (creations, renames, removals) that the
folder's sync did not confirm are kept up to some moment and lost behind it, as a journalling file system does it.
"""

import contextlib
import pathlib
import subprocess

import pytest


class File:
    """What is on the disk for good, and the writes that wait."""

    def __init__(self):
        self.durable, self.waiting = bytearray(), []

    def sync(self):
        for change in self.waiting:
            change(self.durable)
        self.waiting.clear()

    def found(self, chance):
        content = bytearray(self.durable)
        for change in self.waiting:
            if chance.random() < 0.5:
                change(content)
        return bytes(content)


def writing(offset, data):
    def change(content):
        content.extend(b"\0" * (offset - len(content)))
        content[offset:offset + len(data)] = data
    return change


def truncating(length):
    def change(content):
        del content[length:]
        content.extend(b"\0" * (length - len(content)))
    return change


def calls(log):
    """(call, path, offset, data) of each line of the log."""
    data, at, out = pathlib.Path(log).read_bytes(), 0, []
    while at < len(data):
        end = data.index(b"\n", at)
        call, rest = data[at:end].decode().split(" ", 1)
        path, offset, size = rest.rsplit(" ", 2)
        size = int(size) if call == "write" else 0
        out.append((call, pathlib.Path(path), int(offset), data[end + 1:end + 1 + size]))
        at = end + 1 + size
    return out


def image(log, upto, chance):
    """{name: bytes}: the files as found after a power cut behind the first `upto` calls."""
    names, durable, pending = {}, {}, []            # now · for good · the changes of names between the two

    def rename(state, old, new):
        state[new] = state.pop(old)
    for call, path, offset, data in log[:upto]:
        name = path.name
        if call == "create" and name not in names:
            names[name] = File()
            pending.append(lambda state, name=name, file=names[name]: state.__setitem__(name, file))
        elif call == "write":
            names[name].waiting.append(writing(offset, data))
        elif call == "truncate":
            names[name].waiting.append(truncating(offset))
        elif call == "sync" and name in names:
            names[name].sync()
            if durable.get(name) is not names[name]:        # its name comes with it, as file systems do it
                _confirm(durable, pending, len(pending))
        elif call == "sync":                                # the folder
            _confirm(durable, pending, len(pending))
        elif call == "rename-from":
            old = name
        elif call == "rename-to":
            rename(names, old, name)
            pending.append(lambda state, old=old, new=name: rename(state, old, new))
        elif call == "unlink" and name in names:
            del names[name]
            pending.append(lambda state, name=name: state.pop(name, None))
    _confirm(durable, pending, chance.randint(0, len(pending)))
    return {name: file.found(chance) for name, file in durable.items()}


def _confirm(durable, pending, count):
    for change in pending[:count]:
        change(durable)
    del pending[:count]


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of `size` at `folder`, where the machine lets us make one."""
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if made.returncode != 0:
        pytest.skip("no right to mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
