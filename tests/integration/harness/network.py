"""Two machines and the cable between them: network namespaces with a veth pair, for packets that are really lost.

    with Network(root) as network:                 # needs root; `missing()` says what is not there
        cluster = clusters.new("far", network)     # a server on the far machine
        job = make_job(server=cluster)             # the program is on the near one
        network.pull(); …; network.plug()          # the far end of the cable: packets vanish, nobody is told
    with Network(root, in_hand=True) as network:   # the cable goes through this process
        network.cable.lose_each = 9                # of the frames each ninth is lost

Nothing of the machine that runs the tests is changed: addresses, routes and names are the namespaces' own.
"""

import contextlib
import ctypes
import fcntl
import itertools
import os
import pathlib
import select
import shutil
import socket
import struct
import subprocess
import threading

NEAR, FAR, NOBODY = "10.77.0.2", "10.77.0.1", "10.77.0.9"
OTHER, RESOLVER = "10.77.0.3", "10.77.0.53"         # the far machine's too
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 2, 0x1000
ETH_P_ALL, PACKET_OUTGOING = 3, 4
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
    machine is the program on lwIP itself (harness/lwip.py), and its end of the cable a TAP device, which is on the far
    machine if the cable is not in hand."""

    def __init__(self, root, tap=False, in_hand=False):
        self.tap, self.in_hand, self.cable = tap, in_hand, None
        name = f"holdfast-{os.getpid()}-{next(_numbers)}"
        self.far = name + "f"
        self.near = name + "n" if in_hand or not tap else self.far
        self.root = pathlib.Path(root)
        self._resolv_conf = self.root / f"{name}.resolv.conf"

    def __enter__(self):
        self._resolv_conf.write_text(f"nameserver {RESOLVER}\n")
        for namespace in self._namespaces():
            (self.root / f"{namespace}.netns").touch()              # for harness/reaper.py
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        if self.in_hand:
            self.cable = Cable(self._far_end_of_this_process(), self._near_end_of_this_process())
        elif self.tap:
            ip("-n", self.far, "tuntap", "add", "dev", "wire", "mode", "tap")
        else:
            ip("-n", self.near, "link", "add", "name", "wire", "type", "veth", "peer", "name", "wire", "netns", self.far)
        if not self.tap:
            ip("-n", self.near, "address", "add", NEAR + "/24", "dev", "wire")
        ip("-n", self.far, "address", "add", RESOLVER + "/24", "dev", "wire")
        for namespace in self._namespaces():
            ip("-n", namespace, "link", "set", "wire", "up")
        self.give(FAR)
        self.give(OTHER)
        return self

    def _namespaces(self):
        return sorted({self.far, self.near})

    def _near_end_of_this_process(self):
        if not self.tap:
            return self._tap_of_this_process(self.near)
        # The program's own: what it sends comes out of the device, of which the kernel is to make nothing.
        ip("-n", self.near, "tuntap", "add", "dev", "wire", "mode", "tap")
        ip("-n", self.near, "link", "set", "wire", "addrgenmode", "none", "up")
        with self._inside(self.near):
            end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        end.bind(("wire", ETH_P_ALL))
        return end

    def _far_end_of_this_process(self):
        return self._tap_of_this_process(self.far)

    def _tap_of_this_process(self, namespace):
        with self._inside(namespace):
            end = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", b"wire", IFF_TAP | IFF_NO_PI))
        return end

    def __exit__(self, *_exception):
        if self.cable:
            self.cable.close()
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

    def sockets_of_far(self):
        """Sockets that this thread makes here belong to the far machine for good."""
        return self._inside(self.far)

    @contextlib.contextmanager
    def _inside(self, namespace):
        libc = ctypes.CDLL(None, use_errno=True)

        def enter(path):
            with open(path, "rb") as entered:
                if libc.setns(entered.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {path}")
        home = f"/proc/self/task/{threading.get_native_id()}/ns/net"
        with open(home, "rb") as kept:
            enter(f"/run/netns/{namespace}")
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


class Cable:
    """Carries frames between two ends, each a TAP device's descriptor or a packet socket. Each `lose_each`-th frame is
    lost, if that is not 0; `lost` counts the lost ones."""

    def __init__(self, *ends):
        self.lose_each, self.lost = 0, 0
        self._ends, self._carried = ends, 0
        self._stop, self._stopper = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def close(self):
        os.close(self._stopper)
        self._thread.join(10)
        os.close(self._stop)
        for end in self._ends:
            os.close(end) if isinstance(end, int) else end.close()

    @staticmethod
    def _take(end):
        if isinstance(end, int):
            return os.read(end, 65536)
        frame, (_, _, kind, *_) = end.recvfrom(65536)
        return b"" if kind == PACKET_OUTGOING else frame            # what was put there comes by again

    def _carry(self):
        while True:
            ready = select.select([self._stop, *self._ends], [], [])[0]
            if self._stop in ready:
                return
            for end in ready:
                other = self._ends[1 if end == self._ends[0] else 0]
                with contextlib.suppress(OSError):                  # a device that is down
                    frame = self._take(end)
                    if frame and not self._loses():
                        os.write(other, frame) if isinstance(other, int) else other.send(frame)

    def _loses(self):
        self._carried += 1
        loses = self.lose_each > 0 and self._carried % self.lose_each == 0
        self.lost += loses
        return loses


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
