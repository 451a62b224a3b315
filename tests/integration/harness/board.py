"""A firmware image under QEMU: its flash block, its serial line, its network cable."""

import os
import pathlib
import re
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "platform" / "logger"))

import flash_block                                                       # noqa: E402

from .certificates import Authority                                      # noqa: E402
from .cluster import PASSWORD, SECRET                                    # noqa: E402
from .waiting import PATIENCE_S, eventually                              # noqa: E402

HOST = "10.0.2.2"                   # the host's loopback, as the guest sees it
FRAME_HEAD = 300                    # of each frame that is kept: so much that a DHCP message shows what it is
DHCP_REQUEST = b"\x63\x82\x53\x63\x35\x01\x03"      # RFC 2131, 3; RFC 2132, 9.6

# Settings with which only a fault ends a wait, however slow the machine.
SETTINGS = {
    "retry_delay": 200, "max_retry_delay": 1000, "connect_timeout": 30000, "reconnect_timeout": 30000,
    "probe_interval": 1000, "probe_timeout": 10000, "probe_reconnect_timeout": 30000, "request_timeout": 20000,
    "close_timeout": 5000, "probe_close_timeout": 5000, "stable_after": 2000,
}
# Settings for a peer that is silent, where only a time-out ends a wait.
HASTY = {"connect_timeout": 4000, "reconnect_timeout": 4000, "probe_timeout": 1000, "probe_reconnect_timeout": 4000,
         "request_timeout": 2000, "close_timeout": 500, "probe_close_timeout": 500}
TABLE = """CREATE TABLE reading (device text, boot text, number bigint, at_ms bigint, milli int,
                     PRIMARY KEY (device, boot, number));
CREATE FUNCTION wait_for_it() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pass(NEW.number::int); RETURN NEW; END $$;
CREATE TRIGGER gate BEFORE INSERT ON reading FOR EACH ROW EXECUTE FUNCTION wait_for_it();
GRANT ALL ON reading TO app"""
QUEUE = 64                          # readings that an image keeps while they cannot be stored
PATIENT = {"drain_ms": int(PATIENCE_S * 1000)}      # with it an image does not end before its server's gate is opened


def make_server(clusters, name, network=None):
    """A server with the table of readings, whose gate holds their numbers (server.shut()), and a certificate for the address that QEMU gives it; on a network's far machine
    for db.test, as every server has."""
    cluster = clusters.new(name, network)
    if not network:
        cluster.use_certificate(*Authority(clusters.tls, "ca").issue(f"{name}-{cluster.port}", names=f"IP:{HOST}"))
    cluster.sql(TABLE)
    return cluster


def stored(cluster):
    """The numbers of the readings in the table, in order."""
    return [row[0] for row in cluster.sql("SELECT number FROM reading ORDER BY number")]


def machine(image):
    """The QEMU machine of an image: its folder's name is the board's."""
    return pathlib.Path(image).parent.name


def config_at(image):
    """Where its flash block is: boards/*/board.c."""
    return {"mps2-an505": 0x10040000}.get(machine(image), 0x40000)


class Image:
    """One run of an image. The monitor's socket, the serial line's file and, if they are kept, the frames on its cable
    are in `folder`. With a network, QEMU is on its near machine."""

    def __init__(self, image, folder, block=None, network=None, keep_frames=False, **members):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.serial, self.block = self.folder / "serial", self.folder / "block"
        self.monitor_path, self.frames_path = self.folder / "monitor", self.folder / "frames"
        settings = {**SETTINGS, **members.pop("settings", {})}
        given = {"host": HOST, "user": "app", "password": PASSWORD, "dbname": "db", "device": "board-1",
                 "interval_ms": 100, "readings": 50, "drain_ms": 30000, "settings": settings, **members}
        self.block.touch(mode=0o600)
        self.block.write_bytes(flash_block.block(given) if block is None else block)
        self.serial.touch()
        self.errors = self.folder / "qemu.log"
        dump = f"filter-dump,id=dump,netdev=n0,maxlen={FRAME_HEAD},file={self.frames_path}"
        words = ["qemu-system-arm", "-M", machine(image), "-display", "none", "-nodefaults",
                 "-serial", f"file:{self.serial}", "-nic", "user,id=n0",
                 *(["-object", dump] if keep_frames else []),
                 "-monitor", f"unix:{self.monitor_path},server=on,wait=off",
                 "-semihosting-config", "enable=on,target=native", "-kernel", str(image),
                 "-device", f"loader,file={self.block},addr={config_at(image):#x},force-raw=on"]
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(network.on_near(*words) if network else words,
                                            stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)

    @property
    def text(self):
        """All that the serial line has said."""
        return self.serial.read_bytes().decode(errors="replace").replace("\r", "")

    @property
    def running(self):
        return self.process.poll() is None

    def said(self, pattern):
        return re.findall(pattern, self.text)

    def await_text(self, pattern, count=1, meanwhile=lambda: None):
        """Wait until the serial line has said that so often."""
        def seen():
            meanwhile()
            found = len(self.said(pattern)) >= count
            assert found or self.running, f"ended with {self.process.poll()} before {pattern!r}:\n{self.tail()}"
            return found
        eventually(seen, f"{pattern!r} {count} times on the serial line")

    def awaits_again(self, pattern, deed):
        """Wait until the serial line has said that once more than before the deed."""
        before = len(self.said(pattern))
        deed()
        self.await_text(pattern, before + 1)

    def finish(self, patience_s=PATIENCE_S):
        """Wait for the end; QEMU's exit status, which is the image's own."""
        try:
            return self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(f"still running after {patience_s} s; its last words:\n{self.tail()}") from None

    def end(self):
        if self.running:
            self.process.kill()
        self.process.wait()
        assert SECRET not in self.text

    def cable(self, plugged):
        """Pull the network cable, or plug it in."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(PATIENCE_S)
            monitor.connect(os.path.relpath(self.monitor_path))
            self._until_prompt(monitor)
            monitor.sendall(b"set_link n0 %s\n" % (b"on" if plugged else b"off"))
            self._until_prompt(monitor)

    @staticmethod
    def _until_prompt(monitor):
        answer = b""
        while not answer.endswith(b"(qemu) "):
            piece = monitor.recv(4096)
            assert piece, f"the monitor has closed: {answer}"
            answer += piece

    def asked_for_its_address(self):
        """How often it has asked DHCP for the address that it was offered, or has."""
        return self.frames_path.read_bytes().count(DHCP_REQUEST)

    def tail(self):
        return self.text[-3000:] + self.errors.read_text(errors="replace")[-1000:]

    def numbers(self, name):
        """A line of the summary, 'readings: taken=50 stored=50 …', as a dict."""
        line = re.search(rf"^{re.escape(name)}: (\w+=.*)$", self.text, re.M)
        assert line, f"no line {name!r}:\n{self.tail()}"
        return {key: int(value) for key, value in (word.split("=") for word in line.group(1).split())}

    def steps(self):
        """The machine's steps as it printed them: (from, to, what is said of it)."""
        return re.findall(r"(?m)^\d+\.\d+ s  conn 0  (\w+) -> (\w+)  (.*)$", self.text)

    def pools(self):
        """The levels of each pool: {'mbedtls': {'before': …, 'after': …, 'most': …}}."""
        return {name: self.numbers(f"pool {name}") for name in self.said(r"(?m)^pool (\w+):")}
