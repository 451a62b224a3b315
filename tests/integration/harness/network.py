"""Two machines and the cable between them: network namespaces with a veth pair, for packets that are really lost.

    with Network(root) as network:                 # needs root; `missing()` says what is not there
        cluster = clusters.new("far", network)     # a server on the far machine
        job = make_job(server=cluster)             # the program is on the near one
        network.pull(); …; network.plug()          # the far end of the cable: packets vanish, nobody is told

Nothing of the machine that runs the tests is changed: addresses, routes and names are the namespaces' own.
"""

import contextlib
import ctypes
import itertools
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import threading

NEAR, FAR, NOBODY = "10.77.0.2", "10.77.0.1", "10.77.0.9"
OTHER, RESOLVER = "10.77.0.3", "10.77.0.53"         # the far machine's too
CLONE_NEWNET = 0x40000000
_numbers = itertools.count(1)


def missing():
    """Why there can be no namespaces here, or nothing."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "nsenter", "unshare"):
        if not shutil.which(tool):
            return f"network namespaces need {tool}"
    return None


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")


class Network:
    """`near` and `far`, each with one end of the cable; the near one asks the far one for names. With `tap` the near
    machine is the program on lwIP itself (harness/lwip.py), and its end of the cable a TAP device."""

    def __init__(self, root, tap=False):
        self.tap = tap
        name = f"holdfast-{os.getpid()}-{next(_numbers)}"
        self.near, self.far = name + "n", name + "f"
        self.root = pathlib.Path(root)
        self._resolv_conf = self.root / f"{name}.resolv.conf"

    def __enter__(self):
        self._resolv_conf.write_text(f"nameserver {RESOLVER}\n")
        for namespace in self._namespaces():
            (self.root / f"{namespace}.netns").touch()              # for harness/reaper.py
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        if self.tap:
            ip("-n", self.far, "tuntap", "add", "dev", "wire", "mode", "tap")
        else:
            ip("-n", self.near, "link", "add", "name", "wire", "type", "veth", "peer", "name", "wire", "netns", self.far)
        for namespace, address in ((self.far, RESOLVER), (self.near, NEAR))[:len(self._namespaces())]:
            ip("-n", namespace, "address", "add", address + "/24", "dev", "wire")
            ip("-n", namespace, "link", "set", "wire", "up")
        self.give(FAR)
        self.give(OTHER)
        return self

    def _namespaces(self):
        return [self.far] if self.tap else [self.far, self.near]

    def __exit__(self, *_exception):
        for namespace in self._namespaces():
            subprocess.run(["ip", "netns", "del", namespace], check=False)
            (self.root / f"{namespace}.netns").unlink()

    def on_near(self, *command):
        """The command on the near machine, with its own idea of where names come from; the pid stays the same."""
        script = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'
        return ["nsenter", f"--net=/run/netns/{self.near}", "--", "unshare", "--mount", "--propagation", "private",
                "--", "sh", "-c", script, "sh", str(self._resolv_conf), *map(str, command)]

    def on_far(self, *command):
        return ["nsenter", f"--net=/run/netns/{self.far}", "--", *map(str, command)]

    @contextlib.contextmanager
    def sockets_of_far(self):
        """Sockets that this thread makes here belong to the far machine for good."""
        libc = ctypes.CDLL(None, use_errno=True)

        def enter(path):
            with open(path, "rb") as namespace:
                if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {path}")
        home = f"/proc/self/task/{threading.get_native_id()}/ns/net"
        with open(home, "rb") as kept:
            enter(f"/run/netns/{self.far}")
            try:
                yield
            finally:
                enter(f"/proc/self/fd/{kept.fileno()}")

    def pull(self):
        """Pull the cable at the far end. No reset, no end: what is sent is lost."""
        ip("-n", self.far, "link", "set", "wire", "down")

    def plug(self):
        ip("-n", self.far, "link", "set", "wire", "up")

    def take(self, address):
        """The far machine no longer has that address: what is sent there is lost."""
        ip("-n", self.far, "address", "del", address + "/32", "dev", "wire")

    def give(self, address):
        ip("-n", self.far, "address", "add", address + "/32", "dev", "wire")


class Names:
    """A name server on the far machine. `answers` maps a name to its addresses; a name that is not in it does not
    exist, None is no answer at all."""

    def __init__(self, network, answers=None):
        self.answers = dict(answers or {})
        self.asked = []
        with network.sockets_of_far():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind((RESOLVER, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)                 # ends a recvfrom() that waits
        self._socket.close()
        self._thread.join(10)

    def _serve(self):
        while True:
            try:
                packet, asker = self._socket.recvfrom(512)
            except OSError:
                return
            if not packet:
                return
            end, labels = 12, []
            while packet[end]:
                labels.append(packet[end + 1:end + 1 + packet[end]].decode())
                end += packet[end] + 1
            name, kind = ".".join(labels), struct.unpack_from("!H", packet, end + 1)[0]
            self.asked.append(name)
            addresses = self.answers.get(name, [])
            if addresses is None:
                continue
            records = [] if kind != 1 else [struct.pack("!HHHIH4s", 0xc00c, 1, 1, 0, 4, socket.inet_aton(address))
                                            for address in addresses]
            code = 0x8180 if name in self.answers else 0x8183           # 3: there is no such name
            head = packet[:2] + struct.pack("!HHHHH", code, 1, len(records), 0, 0)
            with contextlib.suppress(OSError):
                self._socket.sendto(head + packet[12:end + 5] + b"".join(records), asker)
