"""HF_REPLAY_LEDGER, the library's: a write whose transaction first inserts its key is applied once, whatever is lost
(SEMANTICS 48)."""

import os
import signal

import psycopg2
import pytest

from harness.ledger import Ledger
from harness.proxy import Plan
from harness.waiting import eventually

pytestmark = pytest.mark.sockets("ledger.c is built for the system's sockets")

INSERT = "INSERT INTO single VALUES ({}, 'new') RETURNING line"


@pytest.fixture
def ledger(program, own_cluster):
    made = []

    def make(**options):
        made.append(Ledger(program, own_cluster, **options))
        return made[-1]
    yield make
    for each in made:
        each.close()


def lines(server):
    return [line for line, in server.sql("SELECT line FROM single ORDER BY line")]


@pytest.mark.rule(48)
@pytest.mark.both_servers
def test_key_is_run_once_and_found_ever_after(ledger, own_cluster):
    client = ledger()
    first = client.run("a", INSERT.format(1))
    assert (first.outcome, first.already, first.rows) == ("ok", False, ["1"])
    again = client.run("a", INSERT.format(1))
    assert (again.outcome, again.already, again.rows) == ("ok", True, [])
    other = client.run("a", INSERT.format(2))
    assert other.outcome == "failed" and "another statement" in other.error
    assert lines(own_cluster) == [1]


@pytest.mark.rule(48)
@pytest.mark.both_servers
def test_23505_of_the_statement_is_its_own(ledger, own_cluster):
    client = ledger()
    client.run("a", INSERT.format(1))
    refused = client.run("b", INSERT.format(1))
    assert (refused.outcome, refused.sqlstate) == ("failed", "23505")
    assert own_cluster.sql("SELECT key FROM holdfast_ledger") == [("a",)]
    own_cluster.sql("DELETE FROM single")
    assert client.run("b", INSERT.format(1)).outcome == "ok"


@pytest.mark.rule(48)
@pytest.mark.both_servers
def test_what_is_kept_is_told_to_who_submits_the_key_again(ledger, own_cluster):
    client = ledger()
    assert client.run("a", INSERT.format(1), INSERT.format(2), kept="rows: 1 2").rows == ["1", "2"]
    again = client.run("a", INSERT.format(1), INSERT.format(2), kept="something else")
    assert (again.outcome, again.already, again.kept) == ("ok", True, "rows: 1 2")
    assert lines(own_cluster) == [1, 2]


@pytest.mark.rule(48)
@pytest.mark.parametrize("sql,words", [("VACUUM", "commits by itself"), ("CALL p()", "commits by itself"),
                                       ("COMMIT", "a transaction is put around it"), ("ROLLBACK", "ROLLBACK")])
def test_what_no_transaction_holds_is_refused_by_name(ledger, sql, words):
    for statements in ([sql], ["SELECT 1", sql]):
        refused = ledger().run("a", *statements)
        assert refused.outcome == "not sent" and words in refused.error


@pytest.mark.rule(48)
@pytest.mark.both_servers
def test_wait_for_the_key_has_no_time_out_of_the_session(ledger, own_cluster):
    """Another session holds the key for longer than lock_timeout, statement_timeout and request_timeout."""
    client = ledger(dsn=own_cluster.dsn("plain", options="-c lock_timeout=30ms -c statement_timeout=40ms"))
    with psycopg2.connect(own_cluster.dsn("trusted")) as other, other.cursor() as cursor:
        cursor.execute("INSERT INTO holdfast_ledger VALUES ('a', 'not ours')")
        client.start("a", INSERT.format(1))
        eventually(lambda: own_cluster.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
                                           "clock_timestamp() - query_start > '0.2 s'"), "the key is waited for")
        other.rollback()
    assert client.finish().outcome == "ok"
    shown = client.run("b", "SHOW lock_timeout", "SHOW statement_timeout", "SHOW idle_in_transaction_session_timeout")
    assert shown.rows == ["30ms", "40ms", "2min"]
    slow = client.run("c", "SELECT pg_sleep(5)")
    assert (slow.outcome, slow.sqlstate) == ("failed", "57014")


@pytest.mark.rule(48)
@pytest.mark.parametrize("kept", ["", "kept"])
@pytest.mark.parametrize("cut", ["rst", "fin"])
@pytest.mark.both_servers
def test_answer_cut_at_each_place_is_applied_once(ledger, own_cluster, proxy_to, cut, kept):
    """The connection of each try but the last is cut a few bytes later than the one before."""
    proxy = proxy_to(own_cluster)
    client = ledger(dsn=own_cluster.dsn("plain", port=proxy.port), max_retries="forever", retry_delay="10ms",
                    max_retry_delay="10ms")
    proxy.next(*[Plan(cut_down=11 * step, after_login=True, cut=cut) for step in range(60)])
    ended = [client.run(f"key {n}", INSERT.format(n), kept=kept) for n in range(40)]
    assert {done.outcome for done in ended} == {"ok"}
    assert any(done.already for done in ended)
    if kept:
        assert any(done.attempts > 1 and not done.already for done in ended), "before its COMMIT was sent"
    assert all(done.already or done.rows == [str(n)] for n, done in enumerate(ended))
    assert all(done.kept == (kept or "NULL") for done in ended if done.already)
    assert lines(own_cluster) == list(range(40))


@pytest.mark.rule(48)
@pytest.mark.both_servers
def test_earlier_try_that_wakes_up_late_finds_the_key(ledger, own_cluster, proxy_to):
    """A backend is stopped with the request unread in its socket; the request ends, then the backend goes on."""
    proxy = proxy_to(own_cluster)
    client = ledger(dsn=own_cluster.dsn("plain", port=proxy.port), retry_delay="10ms")
    client.run("warm", "SELECT 1")
    (pid,), = own_cluster.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'plain'")
    before = proxy.open_links
    assert before
    os.kill(pid, signal.SIGSTOP)
    try:
        client.start("a", INSERT.format(1))
        eventually(lambda: INSERT.format(1).encode() in bytes(proxy.links[0].up), "the request is with the server")
        proxy.cut_all("fin")
        done = client.finish()
        assert (done.outcome, done.already) == ("ok", False)
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: not own_cluster.sql("SELECT 1 FROM pg_stat_activity WHERE pid = %s", pid), "the first try has ended")
    assert lines(own_cluster) == [1]
