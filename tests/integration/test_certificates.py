"""Who is believed to be the server: FAULTS.md 17, and the modes of sslmode."""

import contextlib
import pathlib
import re
import secrets
import shutil
import subprocess

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


# ---- what OpenSSL asks of a chain for libpq ---------------------------------------------------------

P256 = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
P521 = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521")
RSA = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
RSA_PSS = ("-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048")
ED25519 = ("-algorithm", "ED25519")
PSS_SIGNATURE = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32")
AUTHORITY = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign"
SERVER = "basicConstraints=critical,CA:FALSE\nsubjectAltName={}"
HERE = "DNS:localhost,IP:127.0.0.1"


def openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def signed(folder, name, extensions, by="ca", kind=P256, subject="/CN=server", how=()):
    """NAME.crt and NAME.key, of that kind of key, signed by an authority of the folder (None: by itself)."""
    certificate, key, request = (pathlib.Path(folder) / f"{name}.{end}" for end in ("crt", "key", "csr"))
    openssl("genpkey", "-quiet", *kind, "-out", key)
    openssl("req", "-new", "-key", key, "-subj", subject, "-out", request)
    (folder / f"{name}.ext").write_text(extensions)
    signer = ("-key", key) if by is None else ("-CA", folder / f"{by}.crt", "-CAkey", folder / f"{by}.key")
    openssl("x509", "-req", "-in", request, *signer, "-set_serial", secrets.randbits(63) | 1, "-days", 30,
            "-extfile", folder / f"{name}.ext", *how, "-out", certificate)
    return certificate, key


def chained(certificate, *above):
    """The certificate's file with those above it behind."""
    certificate.write_text("".join(each.read_text() for each in (certificate, *above)))
    return certificate


@pytest.mark.found("S5")
@pytest.mark.parametrize("kind", [ED25519, RSA_PSS], ids=["Ed25519", "RSA-PSS"])
def test_key_of_a_kind_that_there_is_not_is_refused_once_and_named(make_job, own_cluster, proxy_to, tls, kind):
    own_cluster.use_certificate(*signed(tls, "other", SERVER.format(HERE), kind=kind))
    proxy = proxy_to(own_cluster)
    refused_once(make_job(rows=5, dsn=own_cluster.dsn(port=proxy.port), server=own_cluster), proxy,
                 "handshake was refused.*handshake_failure.*Ed25519 and RSA-PSS keys are not supported")


@pytest.mark.found("S5")
def test_server_without_a_common_version_is_refused_once(make_job, own_cluster, proxy_to):
    own_cluster.sql("ALTER SYSTEM SET ssl_min_protocol_version = 'TLSv1.3'")
    own_cluster.reload()
    proxy = proxy_to(own_cluster)
    dsn = own_cluster.dsn(port=proxy.port, ssl_max_protocol_version="TLSv1.2")
    refused_once(make_job(rows=5, dsn=dsn, server=own_cluster), proxy, "protocol_version")


@pytest.mark.found("S5")
@pytest.mark.parametrize("kind, how", [(P521, ()), (RSA, PSS_SIGNATURE), (RSA, ())],
                         ids=["P-521", "RSA-PSS-signature", "RSA"])
def test_kinds_of_keys_and_signatures_that_there_are_work(holdfast, own_cluster, tls, kind, how):
    signed(tls, "rsa-ca", AUTHORITY, by=None, kind=RSA, subject="/CN=rsa")
    own_cluster.use_certificate(*signed(tls, "other", SERVER.format(HERE), by="rsa-ca", kind=kind, how=how))
    holdfast("query", "SELECT 1", dsn=own_cluster.dsn(sslrootcert=tls / "rsa-ca.crt"))


@pytest.mark.found("S5")
@pytest.mark.parametrize("mode", ["verify-full", "verify-ca"])
def test_intermediate_alone_is_no_root(make_job, holdfast, own_cluster, proxy_to, tls, mode):
    middle, _ = signed(tls, "middle", AUTHORITY, subject="/CN=middle")
    certificate, key = signed(tls, "other", SERVER.format(HERE), by="middle")
    own_cluster.use_certificate(chained(certificate, middle), key)
    proxy = proxy_to(own_cluster)
    dsn = own_cluster.dsn(port=proxy.port, sslmode=mode, sslrootcert=middle)
    refused_once(make_job(rows=5, dsn=dsn, server=own_cluster), proxy, "intermediate CA alone: its root must be trusted")
    for root in (tls / "ca.crt", chained(middle, tls / "ca.crt")):
        holdfast("query", "SELECT 1", dsn=own_cluster.dsn(sslmode=mode, sslrootcert=root))


CONSTRAINTS = {
    "permitted": ("permitted;DNS:localhost,permitted;IP:127.0.0.0/255.0.0.0", HERE, None),
    "another-name": ("permitted;DNS:localhost", "IP:127.0.0.1,DNS:db.test", "may not sign for"),
    "another-address": ("permitted;IP:10.0.0.0/255.0.0.0", HERE, "may not sign for"),
    "excluded": ("excluded;DNS:test", "DNS:db.test,IP:127.0.0.1", "may not sign for"),
    "not-excluded": ("excluded;DNS:test", HERE, None),
    "of-a-kind-without-such-a-name": ("permitted;email:holdfast.test", HERE, None),
    "of-a-kind-that-is-not-compared": ("permitted;URI:holdfast.test", HERE + ",URI:https://holdfast.test/", "not compared"),
}


@pytest.mark.found("S5")
@pytest.mark.parametrize("critical", [True, False], ids=["critical", "not-critical"])
@pytest.mark.parametrize("constraint, has, words", CONSTRAINTS.values(), ids=CONSTRAINTS.keys())
def test_name_constraints_are_obeyed(make_job, own_cluster, proxy_to, tls, critical, constraint, has, words):
    extensions = f"{AUTHORITY}\nnameConstraints={'critical,' if critical else ''}{constraint}"
    middle, _ = signed(tls, "middle", extensions, subject="/CN=middle")
    certificate, key = signed(tls, "other", SERVER.format(has), by="middle")
    own_cluster.use_certificate(chained(certificate, middle), key)
    proxy = proxy_to(own_cluster)
    job = make_job(rows=5, dsn=own_cluster.dsn(port=proxy.port), server=own_cluster)
    if words:
        refused_once(job, proxy, words)
    else:
        job.run(status=0)
        job.complete()


# ---- revocation lists -------------------------------------------------------------------------------

def revocation_list(folder, by="ca", revoked=None):
    """A list of that authority in LIST.crl, with one certificate in it or none."""
    (folder / "index").write_text("")
    config = folder / "list.cnf"
    config.write_text(f"[ca]\ndefault_ca = this\n[this]\ndatabase = {folder}/index\ndefault_md = sha256\n"
                      "default_crl_days = 30\n")
    common = ("ca", "-config", config, "-cert", folder / f"{by}.crt", "-keyfile", folder / f"{by}.key")
    if revoked:
        openssl(*common, "-revoke", revoked)
    made = folder / f"{by}-{'revoking' if revoked else 'empty'}.crl"
    openssl(*common, "-gencrl", "-out", made)
    return made


@pytest.mark.found("S3")
@pytest.mark.parametrize("folder", [False, True], ids=["sslcrl", "sslcrldir"])
def test_revoked_server_certificate_is_refused(make_job, holdfast, own_cluster, proxy_to, tls, folder):
    certificate, key = signed(tls, "other", SERVER.format(HERE))
    own_cluster.use_certificate(certificate, key)
    lists = {"none": revocation_list(tls), "it": revocation_list(tls, revoked=certificate)}
    for name, made in lists.items():
        (tls / name).mkdir()
        shutil.copy(made, tls / name / "any-name.pem")

    def dsn(name, **more):
        return own_cluster.dsn(**({"sslcrldir": tls / name} if folder else {"sslcrl": lists[name]}), **more)
    holdfast("query", "SELECT 1", dsn=dsn("none"))
    proxy = proxy_to(own_cluster)
    refused_once(make_job(rows=5, dsn=dsn("it", port=proxy.port), server=own_cluster), proxy, "was revoked")


@pytest.mark.found("S3")
def test_list_of_another_authority_is_not_enough(make_job, own_cluster, proxy_to, tls):
    """As libpq: a list must be there for each authority of the chain, or nobody knows."""
    proxy = proxy_to(own_cluster)
    dsn = own_cluster.dsn(port=proxy.port, sslcrl=revocation_list(tls, by="stranger"))
    refused_once(make_job(rows=5, dsn=dsn, server=own_cluster), proxy, "no list of its issuer")


@pytest.mark.found("S3")
def test_revoked_while_it_runs_is_refused_at_the_reconnect(make_job, own_cluster, tls):
    """Files are read again when they changed: a list that came meanwhile holds for the next connection."""
    certificate, key = signed(tls, "other", SERVER.format(HERE))
    own_cluster.use_certificate(certificate, key)
    current = shutil.copy(revocation_list(tls), tls / "current.crl")
    job = make_job(rows=200, sql=slow_sql(), dsn=own_cluster.dsn(sslcrl=current), server=own_cluster)
    run = job.start()
    run.await_lines(30)
    shutil.copy(revocation_list(tls, revoked=certificate), current)
    own_cluster.terminate()
    run.check(3)
    assert "was revoked" in run.stderr + run.log


@pytest.mark.found("S3")
def test_changed_authority_is_believed_at_the_next_connect(make_job, own_cluster, tls):
    """A CA that is renewed while the job runs needs no restart, neither of the job nor of anything."""
    signed(tls, "new-ca", AUTHORITY, by=None, subject="/CN=new")
    certificate, key = signed(tls, "other", SERVER.format(HERE), by="new-ca")
    root = shutil.copy(tls / "ca.crt", tls / "root.crt")
    job = make_job(rows=200, sql=slow_sql(), dsn=own_cluster.dsn(sslrootcert=root), server=own_cluster)
    run = job.start()
    run.await_lines(30)
    shutil.copy(tls / "new-ca.crt", root)
    own_cluster.use_certificate(certificate, key)
    own_cluster.terminate()
    run.check(0)
    job.complete()


# ---- the client's certificate -----------------------------------------------------------------------

CLIENT = "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth"
CORRECT = "correct horse"


@pytest.fixture
def asking(own_cluster, tls):
    """A server that wants a certificate of the CA from app, and gives it a password's job: CN=app."""
    shutil.copy(tls / "ca.crt", own_cluster.data / "clients.crt")
    (own_cluster.data / "clients.crt").chmod(0o644)
    own_cluster.sql("ALTER SYSTEM SET ssl_ca_file = 'clients.crt'")
    own_cluster.wants = lambda how: _wants(own_cluster, how)
    own_cluster.wants("cert")
    return own_cluster


def _wants(cluster, how):
    hba = cluster.data / "pg_hba.conf"
    hba.write_text(re.sub(r"^hostssl all +app .*$", f"hostssl all app samenet {how}", hba.read_text(), flags=re.MULTILINE))
    cluster.reload()


@pytest.fixture
def own(tls):
    """The client's own certificate and key, and the key once more under a password."""
    certificate, key = signed(tls, "app", CLIENT, subject="/CN=app")
    encrypted = tls / "app-encrypted.key"
    openssl("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", key, "-out", encrypted, "-passout", f"pass:{CORRECT}")
    encrypted.chmod(0o600)
    return {"sslcert": certificate, "sslkey": key}, {"sslcert": certificate, "sslkey": encrypted, "sslpassword": CORRECT}


@pytest.mark.found("S3")
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_client_certificate_logs_in(holdfast, asking, own, version):
    only = {"ssl_min_protocol_version": version, "ssl_max_protocol_version": version, "password": None}
    for given in own:
        run = holdfast("query", "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
                       dsn=asking.dsn(**given, **only), format="csv")
        assert run.stdout == "client_dn\n/CN=app\n"


@pytest.mark.found("S1", "S3")
def test_certificate_key_and_list_at_home_are_taken_where_nothing_is_said(holdfast, asking, own, tls, tmp_path):
    """libpq's own places. The list goes with a CA file, and the CA's own default is the system's store."""
    home = tmp_path / "home" / ".postgresql"
    home.mkdir(parents=True)
    for source, name in ((own[0]["sslcert"], "postgresql.crt"), (own[0]["sslkey"], "postgresql.key")):
        shutil.copy(source, home / name)
    (home / "postgresql.key").chmod(0o600)
    holdfast("query", "SELECT 1", dsn=asking.dsn(password=None))
    shutil.copy(revocation_list(tls, revoked=tls / "server.crt"), home / "root.crl")
    run = holdfast("query", "SELECT 1", dsn=asking.dsn(password=None), status=3)
    assert "was revoked" in run.stderr
    holdfast("query", "SELECT 1", dsn=asking.dsn(password=None, sslmode="require", sslrootcert=None))


@pytest.mark.found("S3")
def test_client_certificate_goes_beside_a_password(holdfast, asking, own):
    asking.wants("scram-sha-256 clientcert=verify-full")
    holdfast("query", "SELECT 1", dsn=asking.dsn(**own[0]))
    run = holdfast("query", "SELECT 1", dsn=asking.dsn(), status=3)
    assert "certificate" in run.stderr


@pytest.mark.found("S3")
def test_report_with_a_client_certificate_survives_a_restart(make_job, asking, own):
    job = make_job(rows=200, sql=slow_sql(), dsn=asking.dsn(password=None, **own[0]), server=asking)
    run = job.start()
    run.await_lines(50)
    asking.restart("immediate")
    run.check(0)
    job.complete()


@pytest.mark.found("S3")
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("why", ["revoked", "unknown"])
def test_client_certificate_that_the_server_refuses_is_shown_once(make_job, asking, own, tls, why, version):
    """Counted in the server's log: it leaves with a reset, and a proxy between may lose the words before it."""
    given = own[0]
    if why == "revoked":
        shutil.copy(revocation_list(tls, revoked=given["sslcert"]), asking.data / "clients.crl")
        (asking.data / "clients.crl").chmod(0o644)
        asking.sql("ALTER SYSTEM SET ssl_crl_file = 'clients.crl'")
        asking.reload()
    else:
        certificate, key = signed(tls, "strange", CLIENT, by="stranger", subject="/CN=app")
        given = {"sslcert": certificate, "sslkey": key}
    dsn = asking.dsn(password=None, ssl_max_protocol_version=version, **given)
    job = make_job(rows=5, dsn=dsn, server=asking)
    run = job.run(status=3)
    assert re.search("alert (certificate_revoked|unknown_ca) from the server.*shown that of sslcert", run.stderr)
    assert asking.log.read_text().count("connection received: host=127.0.0.1") == 1
    job.nothing_written()


@pytest.mark.found("S3")
def test_sslcertmode_is_kept_to(make_job, holdfast, asking, own, cluster, proxy_to):
    holdfast("query", "SELECT 1", dsn=asking.dsn(password=None, sslcertmode="require", **own[0]))
    run = holdfast("query", "SELECT 1", dsn=asking.dsn(password=None, sslcertmode="disable", **own[0]), status=3)
    assert "certificate" in run.stderr
    proxy = proxy_to(cluster)           # a server that does not ask
    dsn = cluster.dsn(port=proxy.port, sslcertmode="require", **own[0])
    refused_once(make_job(rows=5, dsn=dsn), proxy, "did not ask for a certificate.*sslcertmode=require")


@pytest.mark.found("S3")
def test_key_that_others_may_read_is_refused_before_anything_is_dialled(make_job, own, cluster, proxy_to):
    own[0]["sslkey"].chmod(0o644)
    wrong = {**own[1], "sslpassword": "wrong"}
    for given, words in ((own[0], "sslkey .*app.key: .*chmod 600"), (wrong, "sslpassword is not its password")):
        proxy = proxy_to(cluster)
        run = make_job(rows=5, dsn=cluster.dsn(port=proxy.port, **given)).run(status=1)
        assert re.search(words, run.stderr) and proxy.count == 0


# ---- versions ---------------------------------------------------------------------------------------

@pytest.mark.found("S3")
def test_tls_version_that_is_asked_for_is_spoken(holdfast, cluster):
    for limit in ("ssl_min_protocol_version", "ssl_max_protocol_version"):
        version = {"ssl_min_protocol_version": "TLSv1.3", "ssl_max_protocol_version": "TLSv1.2"}[limit]
        run = holdfast("query", "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
                       dsn=cluster.dsn(**{limit: version}), format="csv")
        assert run.stdout == f"version\n{version}\n"
