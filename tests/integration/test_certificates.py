"""Who is believed to be the server: FAULTS.md 17, and the modes of sslmode."""

import contextlib
import re
import shutil

import pytest

from harness.certificates import Authority
from harness.network import FAR, Names
from harness.program import slow_sql


def refused_once(job, proxy, words):
    """A certificate that does not verify: exit 3, one connection, and the message says what is wrong with it."""
    run = job.run(status=3)
    assert proxy.count == 1, "a certificate that does not verify must not be tried again"
    assert re.search(words, run.stderr + run.log, re.IGNORECASE)
    job.nothing_written()


@pytest.mark.fault(17)
@pytest.mark.security(7, 17)
@pytest.mark.parametrize("mode", ["verify-full", "verify-ca"])
def test_unknown_authority_is_refused_and_never_retried(make_job, proxy, cluster, mode):
    dsn = cluster.dsn(port=proxy.port, sslmode=mode, sslrootcert=str(cluster.tls / "stranger.crt"))
    refused_once(make_job(rows=5, dsn=dsn), proxy, "certificate.*sslrootcert=FILE")


@pytest.mark.fault(17)
@pytest.mark.security(7, 17)
def test_wrong_host_is_refused_and_never_retried(make_job, proxy_to, cluster):
    elsewhere = proxy_to(cluster, host="127.0.0.2")
    dsn = cluster.dsn(host="127.0.0.2", port=elsewhere.port)
    refused_once(make_job(rows=5, dsn=dsn), elsewhere, r"certificate.*127\.0\.0\.2|127\.0\.0\.2.*certificate")


def test_verify_ca_accepts_another_host_of_the_same_authority(make_job, proxy_to, cluster):
    elsewhere = proxy_to(cluster, host="127.0.0.2")
    job = make_job(rows=5, dsn=cluster.dsn(host="127.0.0.2", port=elsewhere.port, sslmode="verify-ca"))
    job.run(status=0)
    job.complete()


def test_require_encrypts_without_knowing_the_authority(holdfast, cluster):
    dsn = cluster.dsn(sslmode="require", sslrootcert=None)
    run = holdfast("query", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", dsn=dsn, format="csv")
    assert run.stdout == "ssl\nt\n"


def test_name_and_address_of_the_certificate_are_both_good(holdfast, cluster):
    for host in ("localhost", "127.0.0.1"):
        holdfast("query", "SELECT 1", dsn=cluster.dsn(host=host))


@pytest.mark.security(17)
def test_sslmode_disable_is_what_hba_says_and_tried_once(make_job, proxy, cluster):
    """The server refuses app without TLS: for good, and no password was sent to find that out."""
    job = make_job(rows=5, dsn=cluster.dsn(port=proxy.port, sslmode="disable", sslrootcert=None))
    job.run(status=3)
    assert proxy.count == 1


@pytest.mark.security(2)
@pytest.mark.parametrize("mode", ["prefer", "allow"])
def test_modes_that_an_attacker_can_strip_are_refused_by_name(make_job, proxy, cluster, mode):
    job = make_job(rows=5, dsn=cluster.dsn(port=proxy.port, sslmode=mode))
    run = job.run(status=1)
    assert mode in run.stderr and "verify-full" in run.stderr
    assert proxy.count == 0
    job.nothing_written()


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.both_servers
def test_tls_version_is_spoken(holdfast, own_cluster, version):
    own_cluster.sql(f"ALTER SYSTEM SET ssl_min_protocol_version = '{version}'")
    own_cluster.sql(f"ALTER SYSTEM SET ssl_max_protocol_version = '{version}'")
    own_cluster.restart()
    run = holdfast("query", "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()", dsn=own_cluster.dsn(),
                   format="csv")
    assert run.stdout == f"version\n{version}\n"


@pytest.mark.both_servers
def test_report_over_tls_1_2_survives_a_restart(make_job, own_cluster):
    own_cluster.sql("ALTER SYSTEM SET ssl_max_protocol_version = 'TLSv1.2'")
    own_cluster.restart()
    job = make_job(rows=200, sql=slow_sql(), server=own_cluster)
    run = job.start()
    run.await_lines(50)
    own_cluster.restart("immediate")
    run.check(0)
    job.complete()


def names(text, days=30):
    return lambda folder: Authority(folder, "ca").issue("other", text, days)


FALSE = {
    "unknown-authority": lambda folder: Authority(folder, "stranger").issue("other"),
    "wrong-name": names("DNS:elsewhere.example"),
    "wrong-address": names("DNS:localhost,IP:127.0.0.2"),
    "address-as-a-name": names("DNS:127.0.0.1"),
    "wildcard-for-an-address": names("DNS:*.0.0.1,DNS:*"),
    "expired": names("DNS:localhost,IP:127.0.0.1", days=-1),
    "missing-chain": lambda folder: Authority(folder, "ca").through_middle("other"),
}
NAMED = {
    "wildcard-over-two-labels": ("a.b.db.test", names("DNS:*.db.test")),
    "wildcard-for-the-whole-name": ("db.test", names("DNS:*,DNS:*.*")),
    "wildcard-in-a-part-of-a-label": ("reader.db.test", names("DNS:rea*.db.test")),
    "name-with-more-behind-it": ("db.test", names("DNS:db.test.evil.example")),
}


@pytest.fixture
def tls(own_cluster, tmp_path):
    """A folder with the cluster's authorities, to make more certificates in."""
    shutil.copytree(own_cluster.tls, tmp_path / "tls")
    return tmp_path / "tls"


@pytest.mark.fault(17)
@pytest.mark.security(7, 17)
@pytest.mark.parametrize("make", FALSE.values(), ids=FALSE.keys())
def test_fault_17_certificate_that_does_not_verify_is_refused_at_the_first_connect(make_job, own_cluster, proxy_to,
                                                                                  tls, make):
    own_cluster.use_certificate(*make(tls))
    proxy = proxy_to(own_cluster)
    refused_once(make_job(rows=5, dsn=own_cluster.dsn(port=proxy.port), server=own_cluster), proxy, "certificate")


@pytest.mark.fault(17)
@pytest.mark.security(7)
@pytest.mark.parametrize("name, make", NAMED.values(), ids=NAMED.keys())
def test_fault_17_certificate_for_almost_that_name_is_refused(holdfast, far_cluster, network, tmp_path, name, make):
    shutil.copytree(far_cluster.tls, tmp_path / "tls")
    far_cluster.use_certificate(*make(tmp_path / "tls"))
    with contextlib.closing(Names(network, {name: [FAR]})):
        run = holdfast("query", "SELECT 1", dsn=far_cluster.dsn(host=name), network=network, status=3)
    assert re.search(f"certificate.*{name}|{name}.*certificate", run.stderr)


@pytest.mark.fault(17)
@pytest.mark.security(6, 7)
@pytest.mark.parametrize("make", FALSE.values(), ids=FALSE.keys())
def test_fault_17_certificate_is_verified_again_at_every_reconnect(make_job, own_cluster, tls, make):
    """A server that turned into somebody else during the outage: exit 3, and resumable when it is itself again."""
    certificate, key = make(tls)
    job = make_job(rows=200, sql=slow_sql(), server=own_cluster)
    run = job.start()
    run.await_lines(30)
    own_cluster.use_certificate(certificate, key)
    own_cluster.terminate()
    run.check(3)
    own_cluster.use_certificate(tls / "server.crt", tls / "server.key")
    job.run(status=0)
    job.complete()
