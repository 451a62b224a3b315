"""SEMANTICS 65 and 66: versions of the protocol and who drops them, SCRAM keys in place of a password."""

import base64
import hashlib
import hmac
import re
import struct

import pytest

from harness.between import Pgbouncer, Pgpool
from harness.cluster import PASSWORD, POOLED, SECRET
from harness.program import slow_sql
from harness.proxy import Plan
from harness.waiting import eventually

WHO = "SELECT current_user::text AS who"
SLEEPS = "SELECT pg_sleep(CASE WHEN $1::int = 2 THEN 3600 ELSE 0 END)::text AS s"


def version_of(link):
    """The minor version that the link's StartupMessage asks for."""
    return struct.unpack_from("!HH", link.up, 4)[1]


def key_bytes(proxy):
    """The lengths of the secrets in the CancelRequests that went by, each whole."""
    cancels = [bytes(link.up) for link in proxy.links if link.kind == "cancel"]
    assert all(struct.unpack_from("!I", up)[0] == len(up) for up in cancels)
    return {len(up) - 12 for up in cancels}


# ---- versions -------------------------------------------------------------------------------------

@pytest.mark.rule(65)
@pytest.mark.both_servers
@pytest.mark.parametrize("most, minor", [(None, 0), ("3.0", 0), ("3.2", 2), ("latest", 2)])
def test_version_that_was_asked_for_is_spoken_and_its_key_cancels(make_job, proxy, cluster, postgres, most, minor):
    """PostgreSQL 18 knows 3.2; 15 goes down to 3.0 on the same link. The cancel is what the server took for one."""
    job = make_job(rows=3, dsn=cluster.dsn("plain", port=proxy.port, max_protocol_version=most), sql=SLEEPS)
    run = job.start(request_timeout="700ms", max_concurrent=1, max_retries=1)
    assert run.finish() in (2, 4)
    eventually(lambda: not cluster.sessions("plain", "active"), "it is cancelled")
    startups = [link for link in proxy.links if link.kind == "startup"]
    assert {version_of(link) for link in startups} == {minor} and len(startups) == 1 + run.logged("-> RECONNECTING")
    assert key_bytes(proxy) == {32 if minor and postgres == 18 else 4}


@pytest.mark.rule(65)
@pytest.mark.both_servers
def test_least_version_is_spoken_or_refused_by_name(holdfast, proxy, cluster, postgres):
    dsn = cluster.dsn("plain", port=proxy.port, min_protocol_version="3.2")
    if postgres == 18:
        assert holdfast("query", WHO, dsn=dsn, format="csv").stdout == "who\nplain\n"
    else:
        run = holdfast("query", WHO, dsn=dsn, status=3)
        assert "the server speaks protocol 3.0 at most; min_protocol_version is 3.2" in run.stderr
    assert proxy.count == 1


@pytest.mark.rule(65)
@pytest.mark.both_servers
def test_versions_are_libpqs_words_and_variables(holdfast, proxy, cluster):
    run = holdfast("query", WHO, dsn=cluster.dsn("plain", port=proxy.port, max_protocol_version="3.1"), status=1)
    assert "max_protocol_version: not one of 3.0, 3.2, latest" in run.stderr and proxy.count == 0
    named = holdfast("query", WHO, dsn=cluster.dsn("plain", port=proxy.port), format="csv",
                     env={"PGMAXPROTOCOLVERSION": "latest", "PGMINPROTOCOLVERSION": "3.0"})
    assert named.stdout == "who\nplain\n" and version_of(proxy.links[0]) == 2


@pytest.mark.rule(65)
@pytest.mark.parametrize("kind, role, password", [(Pgbouncer, "plain", PASSWORD), (Pgpool, "pooled", POOLED)],
                         ids=["pgbouncer", "pgpool"])
@pytest.mark.both_servers
def test_pooler_that_drops_3_2_costs_one_link(make_job, between, proxy_to, cluster, kind, role, password):
    """It is remembered: losses later on cost no further one. With connect_retries 0 any wait would be the end."""
    proxy = proxy_to(between(kind, cluster))
    job = make_job(rows=200, sql=slow_sql(0.005),
                   dsn=cluster.dsn(role, port=proxy.port, password=password, max_protocol_version="3.2"))
    run = job.start(connect_retries=0)
    for at in (40, 80, 120):
        run.await_lines(at)
        proxy.cut_all()
    run.check(0)
    job.complete()
    asked = [version_of(link) for link in proxy.links if link.kind == "startup"]
    assert asked[0] == 2 and asked.count(2) == 1, asked


@pytest.mark.rule(65)
def test_pooler_that_drops_the_least_version_is_refused_by_name(holdfast, between, proxy_to, cluster):
    proxy = proxy_to(between(Pgbouncer, cluster))
    run = holdfast("query", WHO, dsn=cluster.dsn("plain", port=proxy.port, min_protocol_version="3.2"), status=3)
    assert re.search("protocol 3.2, which min_protocol_version asks for, is refused: bad packet header", run.stderr)
    assert proxy.count == 1


@pytest.mark.rule(65)
@pytest.mark.parametrize("how", ["fin", "rst"])
def test_link_that_ends_at_3_2_is_dialled_again_with_3_0(holdfast, proxy, cluster, how):
    proxy.next(Plan(reply=b"", then=how))
    run = holdfast("query", WHO, dsn=cluster.dsn("plain", port=proxy.port, max_protocol_version="3.2"), format="csv",
                   connect_retries=0)
    assert run.stdout == "who\nplain\n"
    assert [version_of(link) for link in proxy.links] == [2, 0]


@pytest.mark.rule(65)
def test_link_that_ends_at_the_least_version_is_a_loss_like_any_other(holdfast, proxy, cluster):
    proxy.next(Plan(reply=b"", then="fin"))
    run = holdfast("query", WHO, dsn=cluster.dsn("plain", port=proxy.port, min_protocol_version="3.2"), status=3,
                   retry_delay="10ms")
    assert "min_protocol_version" in run.stderr
    assert [version_of(link) for link in proxy.links] == [2, 2]


# ---- SCRAM keys -----------------------------------------------------------------------------------

def keys_of(cluster, role, password=PASSWORD):
    """What libpq calls scram_client_key and scram_server_key, from what the server keeps of the role's password."""
    rounds, salt = re.match(r"SCRAM-SHA-256\$(\d+):([^$]+)\$",
                            cluster.value("SELECT rolpassword FROM pg_authid WHERE rolname = %s", role)).groups()
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
    return {f"scram_{side}_key": base64.b64encode(hmac.digest(salted, f"{side.title()} Key".encode(), "sha256")).decode()
            for side in ("client", "server")}


@pytest.mark.rule(66)
@pytest.mark.security(14)
@pytest.mark.both_servers
@pytest.mark.parametrize("role", ["plain", "app"])
def test_scram_keys_log_in_without_a_password_again_and_again(make_job, cluster, role):
    """app: over TLS, bound to its channel. Through losses, and no key shows anywhere."""
    keys = keys_of(cluster, role)
    bound = {"channel_binding": "require"} if role == "app" else {}
    job = make_job(rows=120, sql=slow_sql(), dsn=cluster.dsn(role, password=None, **bound, **keys))
    run = job.start(log_level="debug")
    for at in (30, 60):
        run.await_lines(at)
        run.await_connections()
        cluster.terminate(role)
    run.check(0)
    job.complete()
    for path in job.folder.rglob("*"):
        if path.is_file():
            assert not any(key.encode() in path.read_bytes() for key in keys.values()), path


@pytest.mark.rule(66)
@pytest.mark.both_servers
def test_wrong_keys_are_one_refusal_for_good(holdfast, proxy, cluster):
    right, wrong = keys_of(cluster, "plain"), keys_of(cluster, "plain", "another one")
    client = {**right, "scram_client_key": wrong["scram_client_key"]}
    run = holdfast("query", WHO, dsn=cluster.dsn("plain", port=proxy.port, password=None, **client), status=3)
    assert "28P01" in run.stderr and proxy.count == 1
    server = {**right, "scram_server_key": wrong["scram_server_key"]}
    run = holdfast("query", WHO, dsn=cluster.dsn("plain", port=proxy.port, password=None, **server), status=3)
    assert "its SCRAM signature is wrong" in run.stderr and proxy.count == 2


@pytest.mark.rule(66)
def test_keys_that_are_none_are_refused_by_name_before_anything_is_sent(holdfast, proxy, cluster):
    keys = keys_of(cluster, "plain")
    for name in keys:
        alone = holdfast("query", WHO, dsn=cluster.dsn("plain", port=proxy.port, password=None, **{name: keys[name]}),
                         status=1)
        assert re.search(r"scram_(client|server)_key: none given beside the other one", alone.stderr)
        for nonsense in ("c2hvcnQ=", keys[name][:-1], keys[name] + "=", keys[name].replace("=", "A")):
            run = holdfast("query", WHO, status=1,
                           dsn=cluster.dsn("plain", port=proxy.port, password=None, **{**keys, name: nonsense}))
            assert f"{name}: not base64 of 32 bytes" in run.stderr and nonsense not in run.stderr
    assert proxy.count == 0


@pytest.mark.rule(66)
def test_keys_go_to_scram_alone(holdfast, proxy, cluster):
    """A server that wants MD5 or the password in clear text is given neither; beside a password, SCRAM takes the keys."""
    keys = keys_of(cluster, "plain")
    for role in ("md5er", "clear"):
        run = holdfast("query", WHO, status=3,
                       dsn=cluster.dsn(role, port=proxy.port, password=None, require_auth="md5,password,scram-sha-256", **keys))
        assert "no password was given" in run.stderr
    assert not any(key.encode() in bytes(link.up) for link in proxy.links for key in keys.values())
    both = cluster.dsn("plain", port=proxy.port, password="a wrong one", **keys)
    assert holdfast("query", WHO, dsn=both, format="csv").stdout == "who\nplain\n"
    assert SECRET.encode() not in b"".join(bytes(link.up) for link in proxy.links)
