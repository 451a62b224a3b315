"""Who is believed to be the server: FAULTS.md 17 as far as it is cheap, and the modes of sslmode."""

import re
import shutil

import pytest

from harness.certificates import Authority
from harness.program import slow_sql


def refused_once(job, proxy, words):
    """A certificate that does not verify: exit 3, one connection, and the message says what is wrong with it."""
    run = job.run(status=3, deadline_s=30)
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
def test_tls_version_is_spoken(holdfast, own_cluster, version):
    own_cluster.sql(f"ALTER SYSTEM SET ssl_min_protocol_version = '{version}'")
    own_cluster.sql(f"ALTER SYSTEM SET ssl_max_protocol_version = '{version}'")
    own_cluster.restart()
    run = holdfast("query", "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()", dsn=own_cluster.dsn(),
                   format="csv")
    assert run.stdout == f"version\n{version}\n"


def test_report_over_tls_1_2_survives_a_restart(make_job, own_cluster):
    own_cluster.sql("ALTER SYSTEM SET ssl_max_protocol_version = 'TLSv1.2'")
    own_cluster.restart()
    job = make_job(rows=200, sql=slow_sql(), server=own_cluster)
    run = job.start()
    run.await_lines(50)
    own_cluster.restart("immediate")
    run.check(0)
    job.complete()


@pytest.mark.fault(17)
@pytest.mark.security(6, 7)
@pytest.mark.parametrize("fault", ["stranger", "wrong-name", "expired"])
def test_fault_17_certificate_is_verified_again_at_every_reconnect(make_job, own_cluster, tmp_path, fault):
    """A server that turned into somebody else during the outage: exit 3, and resumable when it is itself again."""
    folder = tmp_path / "tls"
    shutil.copytree(own_cluster.tls, folder)
    authority = Authority(folder, "stranger" if fault == "stranger" else "ca")
    names = "DNS:elsewhere.example" if fault == "wrong-name" else "DNS:localhost,IP:127.0.0.1"
    certificate, key = authority.issue("other", names, days=-1 if fault == "expired" else 30)
    job = make_job(rows=300, sql=slow_sql(), server=own_cluster)
    run = job.start()
    run.await_lines(50)
    own_cluster.use_certificate(certificate, key)
    own_cluster.terminate()
    run.check(3, deadline_s=30)
    own_cluster.use_certificate(folder / "server.crt", folder / "server.key")
    job.run(status=0)
    job.complete()
