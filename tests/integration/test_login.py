"""FAULTS.md 10-16 and SECURITY.md 1, 2, 4, 5: what goes wrong, or is played false, before the first statement."""

import base64
import hashlib
import hmac
import re

import pytest

from harness import wire
from harness.cluster import PASSWORD, SECRET
from harness.program import slow_sql
from harness.proxy import Plan

SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"


@pytest.fixture
def tls_job(make_job, proxy, cluster):
    return make_job(rows=150, sql=slow_sql(), dsn=cluster.dsn(port=proxy.port))


@pytest.fixture
def plain_job(make_job, proxy, cluster):
    return make_job(rows=20, dsn=cluster.dsn("plain", port=proxy.port))


def refused_for_good(job, proxy, status=3):
    """Exit 3 after exactly one connection, and no secret went out."""
    run = job.run(status=status)
    assert proxy.count == 1, "a refusal for good must not be tried again"
    assert SECRET.encode() not in bytes(proxy.links[0].up)
    job.nothing_written()
    return run


@pytest.mark.fault(10)
@pytest.mark.security(2)
def test_fault_10_reset_after_sslrequest_is_retried_without_falling_back(tls_job, proxy):
    proxy.next(*[Plan(reply=b"", then="rst") for _ in range(3)])
    tls_job.run(status=0)
    tls_job.complete()
    for link in proxy.links[:3]:
        assert bytes(link.up) == SSL_REQUEST, "nothing but SSLRequest may go out in the clear"


@pytest.mark.fault(11)
@pytest.mark.security(2)
def test_fault_11_server_without_tls_is_refused_for_good_at_once(tls_job, proxy):
    proxy.default = Plan(reply=b"N", then=None)
    run = refused_for_good(tls_job, proxy)
    assert bytes(proxy.links[0].up) == SSL_REQUEST
    assert re.search("(?i)(TLS|SSL)", run.stderr + run.log)


@pytest.mark.security(2)
@pytest.mark.parametrize("answer", [b"E", b"?", b"H", wire.error("0A000", "unsupported frontend protocol")],
                         ids=["E", "rubbish", "http", "error"])
def test_rubbish_to_sslrequest_never_falls_back_to_clear_text(tls_job, proxy, answer):
    proxy.default = Plan(reply=answer, then=None)
    run = tls_job.start(max_outage="1s")
    assert run.finish() in (3, 4)
    for link in proxy.links:
        assert bytes(link.up) == SSL_REQUEST
    tls_job.nothing_written()


@pytest.mark.security(1)
def test_bytes_behind_the_ssl_answer_close_the_link(tls_job, proxy):
    """CVE-2021-23222: what is pushed behind 'S' must never be taken for the server's encrypted words."""
    proxy.default = Plan(reply=b"S" + wire.authentication(0) + wire.message(b"Z", b"I"), then=None)
    run = tls_job.start(max_outage="1s")
    assert run.finish() in (3, 4)
    for link in proxy.links:
        assert bytes(link.up[:8]) == SSL_REQUEST
        assert b"app" not in bytes(link.up[8:]) and SECRET.encode() not in bytes(link.up)
    tls_job.nothing_written()


@pytest.mark.fault(12)
def test_fault_12_handshake_cut_anywhere_is_a_clean_retried_error(tls_job, proxy):
    cuts = list(range(1, 1800, 90))
    proxy.next(*[Plan(cut_down=at, cut=("rst", "fin")[at % 2]) for at in cuts])
    # Some cuts are behind our proof: until a login succeeds it is sent connect_retries + 1 times at most.
    tls_job.run(status=0, retry_delay="10ms", max_retry_delay="20ms", max_concurrent=1, connect_retries=len(cuts))
    tls_job.complete()
    assert proxy.count > len(cuts)


@pytest.mark.fault(13)
@pytest.mark.both_servers
def test_fault_13_eof_without_close_notify_is_truncation_and_runs_again(tls_job, proxy):
    """A FIN in mid-result, at many places, with TLS: never taken for the end of a result."""
    cuts = [3600 + 61 * step for step in range(12)]
    proxy.next(*[Plan(cut_down=at, cut="fin") for at in cuts])
    run = tls_job.run(status=0, retry_delay="20ms", max_retry_delay="50ms")
    tls_job.complete()
    assert len([link for link in proxy.links if link.cut_done]) >= 6
    assert run.summary["retries"] >= 1


@pytest.mark.fault(14)
@pytest.mark.security(17)
@pytest.mark.both_servers
def test_fault_14_changed_password_costs_one_failed_login_and_is_resumable(make_job, own_cluster):
    job = make_job(rows=300, sql=slow_sql(), server=own_cluster)
    run = job.start()
    run.await_lines(60)
    run.await_connections()
    own_cluster.sql("ALTER ROLE app PASSWORD 'an entirely different one'")
    own_cluster.terminate()
    run.check(3)
    assert own_cluster.log.read_text().count("password authentication failed") == 1
    assert "28P01" in run.log + run.stderr
    job.dsn = own_cluster.dsn(password="an entirely different one")
    job.run(status=0)
    job.complete()


@pytest.mark.security(17)
@pytest.mark.both_servers
def test_wrong_password_is_tried_once(make_job, own_cluster):
    job = make_job(rows=5, server=own_cluster, dsn=own_cluster.dsn(password=PASSWORD + "?"))
    run = job.run(status=3)
    assert own_cluster.log.read_text().count("password authentication failed") == 1
    assert "28P01" in run.log + run.stderr
    job.nothing_written()


@pytest.mark.parametrize("what, state", [("db", "3D000"), ("role", "28P01|28000")])
@pytest.mark.both_servers
def test_unknown_database_or_role_is_refused_for_good(make_job, proxy, cluster, what, state):
    dsn = cluster.dsn("plain", port=proxy.port)
    dsn = dsn.replace("/db?", "/nowhere?") if what == "db" else dsn.replace("//plain", "//nobody")
    run = refused_for_good(make_job(rows=5, dsn=dsn), proxy)
    assert re.search(state, run.log + run.stderr)


def swap(code, with_what):
    """A rewrite that replaces the Authentication message of that code."""
    def rewrite(kind, body, _link):
        if kind == b"R" and wire.authentication_code(body) == code:
            return with_what(body)
        return wire.message(kind, body)
    return rewrite


def edit(pattern, text):
    """A rewrite of the server-first-message of SCRAM."""
    return swap(11, lambda body: wire.message(b"R", body[:4] + re.sub(pattern, text, body[4:])))


FALSE_SERVERS = {
    "authentication-ok-instead-of-sasl": swap(10, lambda body: wire.authentication(0)),
    "authentication-ok-before-scram-ends": swap(11, lambda body: wire.authentication(0)),
    "authentication-ok-without-signature": swap(12, lambda body: b""),
    "wrong-server-signature": swap(12, lambda body: wire.authentication(12, b"v=" + b"QUJD" * 10 + b"QUI=")),
    "cleartext-password-asked": swap(10, lambda body: wire.authentication(3)),
    "md5-password-asked": swap(10, lambda body: wire.authentication(5, b"salt")),
    "unknown-mechanism": swap(10, lambda body: wire.authentication(10, b"SCRAM-MD4\0\0")),
}


@pytest.mark.fault(15)
@pytest.mark.security(4)
@pytest.mark.parametrize("rewrite", FALSE_SERVERS.values(), ids=FALSE_SERVERS.keys())
def test_fault_15_server_that_does_not_prove_itself_is_refused(plain_job, proxy, rewrite):
    proxy.default = Plan(rewrite=rewrite)
    refused_for_good(plain_job, proxy)


ABSURD = {
    "ten-million-iterations": edit(rb"i=\d+", b"i=10000000"),
    "no-iterations": edit(rb"i=\d+", b"i=0"),
    "negative-iterations": edit(rb"i=\d+", b"i=-4096"),
    "overflowing-iterations": edit(rb"i=\d+", b"i=4294971392"),
    "foreign-nonce": edit(rb"r=[^,]{4}", b"r=AAAA"),
    "nonce-not-extended": edit(rb"r=([^,]{10})[^,]*", rb"r=\1"),
    "empty-salt": edit(rb"s=[^,]*", b"s="),
    "salt-not-base64": edit(rb"s=[^,]*", b"s=*"),
}


@pytest.mark.fault(16)
@pytest.mark.security(5)
@pytest.mark.parametrize("rewrite", ABSURD.values(), ids=ABSURD.keys())
def test_fault_16_absurd_scram_is_refused_before_hashing(plain_job, proxy, rewrite):
    proxy.default = Plan(rewrite=rewrite)
    refused_for_good(plain_job, proxy)
    # client-final-message would hold the proof: nothing may be hashed, so it may not have been sent
    assert b"p=" not in bytes(proxy.links[0].up)


@pytest.mark.security(3)
def test_error_text_before_login_is_shown_printable_and_cut(plain_job, proxy):
    """CVE-2024-10977: a stranger's text must not write escape codes to a terminal."""
    proxy.default = Plan(reply=wire.error("28000", "go\x1b[2Jaway\r\x07 " + "x" * 20000))
    run = refused_for_good(plain_job, proxy)
    for text in (run.stderr, run.log):
        assert "\x1b" not in text and "\x07" not in text and "\r" not in text
        assert "x" * 10000 not in text


@pytest.mark.security(4)
@pytest.mark.both_servers
def test_security_04_channel_binding_that_is_required_is_used_or_refused(holdfast, cluster, proxy):
    """CVE-2025-49146: judged by the mechanism in fact used, so a server that asks for less is refused too."""
    sql = "SELECT 1 AS one"
    assert holdfast("query", sql, dsn=cluster.dsn(channel_binding="require"), format="csv").stdout == "one\n1\n"
    for role, method, password in (("md5er", "md5", PASSWORD), ("clear", "password", PASSWORD), ("trusted", "none", None)):
        weak = {"sslmode": "verify-full", "sslrootcert": str(cluster.tls / "ca.crt"), "require_auth": method,
                "password": password}
        assert holdfast("query", sql, dsn=cluster.dsn(role, **weak), format="csv").stdout == "one\n1\n"
        # Refused by the server's question, or before it is asked: the settings contradict each other.
        refused = holdfast("query", sql, dsn=cluster.dsn(role, channel_binding="require", **weak), wait=False)
        assert refused.finish() in (1, 3) and "channel_binding" in refused.stderr
        weak["require_auth"] = None
        refused = holdfast("query", sql, dsn=cluster.dsn(role, channel_binding="require", **weak), wait=False)
        assert refused.finish() in (1, 3), refused.stderr
        assert "channel_binding" in refused.stderr or "require_auth" in refused.stderr
    clear = cluster.dsn("plain", port=proxy.port, channel_binding="require")
    assert "TLS" in holdfast("query", sql, dsn=clear, status=1).stderr and proxy.count == 0


def verifier(password, rounds, salt=b"sixteen bytes of"):
    """What pg_authid keeps of a password (RFC 5802), with as many rounds as we like."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    client, server = (hmac.digest(salted, word, "sha256") for word in (b"Client Key", b"Server Key"))
    kept = (base64.b64encode(part).decode() for part in (salt, hashlib.sha256(client).digest(), server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(rounds, *kept)


@pytest.mark.fault(16)
@pytest.mark.security(5)
def test_security_05_many_rounds_are_hashed_in_slices_or_refused_above_the_limit(make_job, own_cluster, proxy_to):
    """300,000 rounds are a tenth of a second and more of processor time: no tick may take it at once (invariants.py)."""
    own_cluster.sql("ALTER ROLE plain PASSWORD %s", verifier(PASSWORD, 300000))
    proxy = proxy_to(own_cluster)
    dsn = own_cluster.dsn("plain", port=proxy.port)
    job = make_job(rows=60, sql=slow_sql(), server=own_cluster, dsn=dsn)
    run = job.start(connect_timeout="600s", reconnect_timeout="600s")
    run.await_lines(20)
    own_cluster.terminate("plain")
    run.check(0)
    job.complete()
    before = proxy.count
    refused = make_job(rows=5, dsn=dsn).run(status=3, scram_iterations_max=299999)
    assert proxy.count == before + 1 and b"p=" not in bytes(proxy.links[-1].up)
    assert "scram_iterations_max" in refused.log


WEAKENED = {
    "no-tls": (Plan(reply=b"N", then=None), "app"),
    "clear-text-pushed-before-tls": (Plan(reply=b"S" + wire.authentication(0) + wire.message(b"Z", b"I"), then=None),
                                     "app"),
    "no-authentication": (Plan(rewrite=swap(10, lambda body: wire.authentication(0))), "plain"),
    "cleartext-password": (Plan(rewrite=swap(10, lambda body: wire.authentication(3))), "plain"),
    "md5-password": (Plan(rewrite=swap(10, lambda body: wire.authentication(5, b"salt"))), "plain"),
    "wrong-signature": (Plan(rewrite=swap(12, lambda body: wire.authentication(12, b"v=" + b"QUJD" * 10 + b"QUI="))),
                        "plain"),
    "more-iterations": (Plan(rewrite=edit(rb"i=\d+", b"i=10000000")), "plain"),
}


@pytest.mark.security(6)
@pytest.mark.parametrize("weak, role", WEAKENED.values(), ids=WEAKENED.keys())
@pytest.mark.parametrize("before", ["after a failed attempt", "after a good connection"])
def test_security_06_what_the_first_attempt_enforced_the_later_ones_do(make_job, proxy, cluster, weak, role, before):
    """CVE-2020-25694: the reconnect is attacked. Keys that were kept of the first login do not replace the server's proof."""
    job = make_job(rows=150, sql=slow_sql(), dsn=cluster.dsn(role, port=proxy.port))
    good = 3 if before == "after a good connection" else 0
    if not good:
        proxy.next(Plan(on_accept="rst"), Plan(cut_down=9))
        proxy.default = weak
    run = job.start(max_outage="2s" if weak.reply else None)
    if good:
        run.await_lines(40)
        run.await_connections()
        proxy.default = weak
        proxy.cut_all()
    assert run.finish() in ((3, 4) if weak.reply else (3,)), run.tail()
    for link in proxy.links[good or 2:]:
        assert SECRET.encode() not in bytes(link.up)
        if weak.reply:
            assert b"app" not in bytes(link.up), "nothing but SSLRequest, and perhaps a handshake"
    assert not job.output.exists()
