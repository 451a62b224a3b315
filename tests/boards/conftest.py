"""Fixtures: a server for each test, and images under QEMU that log readings into it."""

import pathlib
import sys

import pytest

sys.dont_write_bytecode = True
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "integration"))

from harness import run_folder                                           # noqa: E402
from harness.board import Image, make_server                             # noqa: E402
from harness.cluster import Clusters                                     # noqa: E402


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
def start(server, tmp_path):
    """Start an image against the server: start('mps2-an386', readings=10, …) -> the running Image."""
    images = []

    def run(board="mps2-an386", name="logger", **members):
        given = {"port": server.port, "ca": (server.tls / "ca.crt").read_text(), **members}
        images.append(Image(image_path(board, name), tmp_path / f"image{len(images) + 1}", **given))
        return images[-1]
    yield run
    for image in images:
        image.end()
