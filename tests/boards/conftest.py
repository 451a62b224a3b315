"""Fixtures: a server for each test, and images under QEMU that log readings into it."""

import functools
import pathlib
import sys

import pytest

sys.dont_write_bytecode = True
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "integration"))

from harness import run_folder                                           # noqa: E402
from harness.board import Image, make_server                             # noqa: E402
from harness.cluster import Clusters                                     # noqa: E402
from harness.network import Network, missing                             # noqa: E402


def pytest_configure(config):
    run_folder.make(config)


def pytest_unconfigure(config):
    run_folder.remove(config)


def image_path(board, name="logger"):
    """An image that `make BOARD=…` has built."""
    path = REPOSITORY / "build" / board / f"{name}.elf"
    if not path.exists():
        pytest.exit(f"{path} is not there: run `make test-boards`", returncode=1)
    return path


@pytest.fixture(scope="session")
def clusters():
    return Clusters(run_folder.path())


@pytest.fixture
def server(clusters, request):
    """A server of this test alone, with the table of readings and a certificate for the address that QEMU gives it."""
    cluster = make_server(clusters, f"board{abs(hash(request.node.name)) % 10**6}")
    yield cluster
    cluster.destroy()


@pytest.fixture
def network():
    """Two machines and a cable: harness/network.py."""
    if missing():
        pytest.skip(missing())
    with Network(run_folder.path()) as made:
        yield made


@pytest.fixture
def far_server(clusters, network):
    """A server on the network's far machine."""
    cluster = make_server(clusters, f"far{network.far.rpartition('-')[2]}", network)
    yield cluster
    cluster.destroy()


@pytest.fixture
def start_against(tmp_path):
    """Start an image against a server, or none: start_against(server, 'mps2-an386', readings=10, …) -> the running Image."""
    images = []

    def run(server, board="mps2-an386", name="logger", **members):
        known = server and {"port": server.port, "ca": (server.tls / "ca.crt").read_text(), "network": server.network}
        given = {**(known or {}), **members}
        images.append(Image(image_path(board, name), tmp_path / f"image{len(images) + 1}", **given))
        return images[-1]
    yield run
    for image in images:
        image.end()


@pytest.fixture
def start(server, start_against):
    """The same against the server of this test alone."""
    return functools.partial(start_against, server)
