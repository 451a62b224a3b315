"""Fixtures: the program, a server per worker, servers to hurt, proxies and jobs, each cleaned up behind a test."""

import os
import pathlib
import sys

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(__file__))

from harness import invariants, lwip, postgres18, replica, run_folder          # noqa: E402
from harness.cluster import Clusters                                     # noqa: E402
from harness.network import Network, missing                             # noqa: E402
from harness.program import Job, Run, arguments, clean_environment       # noqa: E402
from harness.proxy import Proxy                                          # noqa: E402

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


MARKS = {"fault": int, "security": int, "rule": int, "found": str}  # tests/TRACEABILITY.md has what their numbers mean


def pytest_addoption(parser):
    for mark, number in MARKS.items():
        parser.addoption(f"--{mark}", type=number, help=f"run only the tests that show {mark} N of tests/TRACEABILITY.md")


def pytest_collection_modifyitems(config, items):
    for mark in MARKS:
        number = config.getoption(mark)
        if number is not None:
            items[:] = [item for item in items
                        if any(number in shown.args for shown in item.iter_markers(mark))]
    for item in items:
        if lwip.WANTED:
            reason = lwip.unavailable() or next((mark.args[0] for mark in item.iter_markers("sockets")), None)
        else:
            reason = "only for the program on lwIP" if item.get_closest_marker("lwip") else None
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_configure(config):
    if lwip.WANTED and not lwip.unavailable() and not hasattr(config, "workerinput"):
        lwip.enter()
    run_folder.make(config)


def pytest_unconfigure(config):
    run_folder.remove(config)


@pytest.fixture(scope="session")
def program():
    """The path of the program under test: $HOLDFAST, else what `make` builds."""
    board = "linux-lwip" if lwip.WANTED else "linux"
    path = os.environ.get("HOLDFAST") or str(REPOSITORY / "build" / board / "holdfast")
    if not os.access(path, os.X_OK):
        pytest.exit(f"{path} is not there: run `make`, or name the program in HOLDFAST", returncode=1)
    return path


@pytest.fixture(scope="session")
def clusters():
    return Clusters(run_folder.path())


def pytest_generate_tests(metafunc):
    if metafunc.definition.get_closest_marker("both_servers"):
        other = pytest.param(18, marks=pytest.mark.skipif(bool(postgres18.missing()), reason=str(postgres18.missing())))
        metafunc.parametrize("postgres", [None, other], ids=["debian", "18"], indirect=True)


@pytest.fixture
def postgres(request):
    """Which PostgreSQL this test's servers are: None is Debian's; 18 for the second run of a test that is marked
    both_servers."""
    return getattr(request, "param", None)


@pytest.fixture(scope="session")
def shared_cluster(clusters):
    """A function that gives the worker's server of a version, started on the first call; tests share these servers."""
    made = {}

    def get(version):
        if version not in made:
            made[version] = clusters.new(f"shared{version or ''}", version=version)
        return made[version]
    yield get
    for server in made.values():
        server.destroy()


@pytest.fixture
def cluster(shared_cluster, postgres):
    """The worker's server, for tests that leave the server as they found it. Sessions are ended behind each test: one that
    a silent network orphaned would pass for the next test's own."""
    server = shared_cluster(postgres)
    yield server
    server.end_sessions()


@pytest.fixture
def own_cluster(clusters, postgres, request):
    """A server of this test alone, to stop, kill and reconfigure."""
    server = clusters.new(f"own{abs(hash(request.node.name)) % 10**6}", version=postgres)
    yield server
    server.destroy()


@pytest.fixture(scope="session")
def postgres18_folder(clusters):
    """PostgreSQL 18's bin, lib and share."""
    if postgres18.missing():
        pytest.skip(postgres18.missing())
    return clusters.postgres18()


@pytest.fixture(scope="session")
def libpq18(postgres18_folder):
    """The path of libpq 18, for ctypes.CDLL()."""
    return postgres18_folder / "lib" / "libpq.so.5"


@pytest.fixture
def network(request):
    """Two machines and a cable, which a test may have in hand: harness/network.py."""
    if missing():
        pytest.skip(missing())
    with Network(run_folder.path(), tap=lwip.WANTED, in_hand=getattr(request, "param", False)) as made:
        yield made


@pytest.fixture
def far_cluster(clusters, network):
    """A server on the network's far machine; a job of its runs on the near one."""
    server = clusters.new(f"far{network.far.rpartition('-')[2]}", network)
    yield server
    server.destroy()


@pytest.fixture
def proxy_to():
    """Make proxies to a server: proxy_to(cluster)."""
    made = []

    def make(server, host="127.0.0.1"):
        made.append(Proxy(server.port, host))
        return made[-1]
    yield make
    for proxy in made:
        proxy.close()
        invariants.check_links(proxy)


@pytest.fixture
def proxy(proxy_to, cluster):
    """A proxy before this worker's server."""
    return proxy_to(cluster)


@pytest.fixture
def between(clusters):
    """Put something between: between(Haproxy, [cluster, …]), between(Pgbouncer, cluster), between(Pgpool, proxy)."""
    made = []

    def make(kind, *rest, **options):
        made.append(kind(clusters.root, *rest, **options))
        return made[-1]
    yield make
    for each in made:
        each.destroy()


@pytest.fixture
def primary(own_cluster):
    """A server of this test alone that can have standbys."""
    return replica.make_primary(own_cluster)


@pytest.fixture
def standby(primary):
    """A hot standby that follows `primary`: standby.promote(), standby.await_caught_up()."""
    server = replica.Standby(primary)
    yield server
    server.destroy()


@pytest.fixture
def synchronous_pair(primary, standby):
    """(primary, standby): each COMMIT waits until the standby has it."""
    replica.must_confirm(primary, standby)
    return primary, standby


@pytest.fixture
def make_job(program, tmp_path, cluster):
    """Make jobs in folders of their own; at the end what still runs is ended and no file may hold a secret."""
    jobs = []

    def make(rows=50, server=None, folder=None, **options):
        lines = [(str(i),) for i in range(1, rows + 1)] if isinstance(rows, int) else rows
        place = tmp_path / (folder or f"job{len(jobs) + 1}")
        jobs.append(Job(program, place, server or cluster, lines, **options))
        return jobs[-1]
    yield make
    for job in jobs:
        for run in job.runs:
            run.end()
        job.open_up()
        job.keeps_secrets()


@pytest.fixture
def holdfast(program, tmp_path):
    """Run the program with any words: holdfast('query', 'SELECT 1', dsn=…) -> the finished Run."""
    runs = []

    def run(*words, status=0, env=None, wait=True, network=None, stdout=None, **options):
        folder = tmp_path / "home"
        folder.mkdir(exist_ok=True)
        environment = clean_environment(folder, **(env or {}))
        command = lwip.command(program, network)
        runs.append(Run(command, [*words, *arguments(options)], folder, f"run{len(runs) + 1}", environment, stdout))
        if wait:
            seen = runs[-1].finish()
            assert seen == status, f"exit {seen} instead of {status}:\n{runs[-1].stdout[-2000:]}{runs[-1].tail()}"
        return runs[-1]
    yield run
    for each in runs:
        each.end()
