"""HOLDFAST_PORT=lwip: the program on lwIP (boards/linux-lwip) in place of the program on the system's sockets.

The run of the tests moves to a network namespace of its own, and the program gets a TAP device there for each job. lwIP
reaches 127.0.0.0/8 through that device, whose netmask covers it, and the kernel is told to answer there for its loopback
addresses. So the tests, their servers and proxies are the same, byte for byte, and every packet between them and the
program is lwIP's.
"""

import ctypes
import itertools
import os
import subprocess

from .network import CLONE_NEWNET, FAR, NEAR, RESOLVER, ip, missing

WANTED = os.environ.get("HOLDFAST_PORT", "sockets") == "lwip"
TUN = "/dev/net/tun"
_numbers = itertools.count()


def unavailable():
    """Why there can be no TAP device here, or nothing."""
    return missing() or (None if os.access(TUN, os.R_OK | os.W_OK) else f"lwIP needs {TUN}")


def enter():
    """Move the run's own process to a network namespace, before it has threads or children: these inherit it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    ip("link", "set", "lo", "up")
    # This sets the namespace's value, not the machine's: /proc/sys/net is that of the process that writes.
    subprocess.run(["sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1"], check=True)


def _cable():
    """A new TAP device, and the variables that hand it to the program."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    number = next(_numbers)
    name, net = f"hf{worker}x{number}", f"10.{80 + worker}.{number // 64}."
    here, there = number % 64 * 4 + 1, number % 64 * 4 + 2
    ip("tuntap", "add", "dev", name, "mode", "tap")
    ip("address", "add", f"{net}{here}/30", "dev", name)
    ip("link", "set", name, "up")
    return [f"HF_TAP={name}", f"HF_TAP_ADDRESS={net}{there}/1", f"HF_TAP_GATEWAY={net}{here}"]


def command(program, network=None):
    """The words that start the program; on the near machine if there is a network. The pid is the program's."""
    if not WANTED:
        return network.on_near(program) if network else [program]
    if network:
        return network.on_near("env", "HF_TAP=wire", f"HF_TAP_ADDRESS={NEAR}/24", f"HF_TAP_DNS={RESOLVER}", program)
    return ["env", *_cable(), program]
