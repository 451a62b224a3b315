"""The harness itself: a fault that is not placed where a test believes proves nothing."""

import concurrent.futures
import contextlib
import ctypes
import types

import psycopg2
import pytest

from harness import expect, invariants, wire
from harness.between import Pgpool
from harness.cluster import PASSWORD, POOLED
from harness.proxy import Plan
from harness.waiting import PATIENCE_S, eventually


def through(cluster, proxy, **options):
    return cluster.connect(host="127.0.0.1", port=proxy.port, user="plain", password=PASSWORD, sslmode="disable",
                           **options)


def test_proxy_passes_and_counts(cluster, proxy):
    through(cluster, proxy).close()
    assert proxy.count == 1 and proxy.links[0].kind == "startup"
    eventually(lambda: proxy.links[0].closed, "the close of the client is seen")


def test_proxy_refuses_and_accepts_again(cluster, proxy):
    proxy.refuse()
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        through(cluster, proxy)
    proxy.accept()
    through(cluster, proxy).close()


def test_proxy_lets_connect_hang(cluster, proxy):
    proxy.hang()
    with pytest.raises(psycopg2.OperationalError, match="timeout"):
        through(cluster, proxy, connect_timeout=2)
    proxy.accept()
    through(cluster, proxy).close()


def test_proxy_cuts_after_login_at_a_byte(cluster, proxy):
    proxy.next(Plan(cut_down=0, after_login=True), Plan(cut_down=1, after_login=True, cut="fin"))
    for _ in range(2):
        connection = through(cluster, proxy)
        with pytest.raises(psycopg2.OperationalError):
            connection.cursor().execute("SELECT 1")
    eventually(lambda: proxy.links[1].closed, "the cut is made")
    assert [link.down_count > 0 for link in proxy.links] == [False, True]


def test_proxy_black_hole_holds_and_heals(cluster, proxy):
    connection = through(cluster, proxy, options="-c statement_timeout=0")
    proxy.black_hole()
    connection2 = []
    import threading
    worker = threading.Thread(target=lambda: connection2.append(connection.cursor().execute("SELECT 1")))
    worker.start()
    worker.join(0.3)
    assert worker.is_alive()
    proxy.heal()
    worker.join(PATIENCE_S)
    assert connection2
    connection.close()


def test_proxy_rewrites_messages_and_slices(cluster, proxy):
    def rename(kind, body, _link):
        return wire.message(kind, body.replace(b"before", b"after!"))
    proxy.next(Plan(rewrite=rename), Plan(slices=3))
    for expected in ("after!", "before"):
        connection = through(cluster, proxy)
        cursor = connection.cursor()
        cursor.execute("SELECT 'before'")
        assert cursor.fetchone() == (expected,)
        connection.close()


def test_expected_file_equals_what_copy_writes(cluster):
    sql = "SELECT name, price, note FROM item WHERE id = $1"
    rows = [(str(i),) for i in range(1, 30)]
    copied = cluster.value(
        "SELECT string_agg(id || ',' || name || ',' || coalesce(price::text, '') || ',' || "
        "CASE WHEN note IS NULL THEN '' WHEN note = '' OR note ~ '[,\"\\n]' "
        "THEN '\"' || replace(note, '\"', '\"\"') || '\"' ELSE note END, E'\\n' ORDER BY id) "
        "FROM item WHERE id < 30")
    assert expect.report(cluster, ["id"], rows, sql, ["id"]).decode() == "id,name,price,note\n" + copied + "\n"


def test_crash_and_restart_of_a_copied_cluster(own_cluster):
    own_cluster.restart("immediate")
    assert own_cluster.value("SELECT count(*) FROM item") == 2000


@pytest.mark.found("G2")
@pytest.mark.parametrize("at, told", [(1199, "1 ms too soon"), (1200, None), (9000, None)])
def test_dial_before_its_time_is_seen_by_the_ticks_clock_alone(at, told):
    """The lines' own times are those of their writing: here they say the opposite."""
    log = ("2024-01-01T00:00:00.900Z warn  connection 1 HEALTHY -> BACKOFF: gone; next try in 0.200 s"
           " [tick 1000 ms, due 1200 ms]\n"
           f"2024-01-01T00:00:01.000Z debug connection 1 BACKOFF -> RECONNECTING [tick {at} ms]\n")
    run = types.SimpleNamespace(log=log, options={})
    if told:
        with pytest.raises(AssertionError, match=told):
            invariants.check(run)
    else:
        invariants.check(run)
    assert invariants.delays(log) == [200]


@pytest.mark.both_servers
def test_server_is_the_version_that_was_asked_for(own_cluster, postgres):
    assert postgres is None or own_cluster.value("SELECT current_setting('server_version_num')::int / 10000") == postgres


def test_libpq_18_lists_its_settings(libpq18):
    """PQconndefaults: an array of PQconninfoOption that ends with a keyword of NULL."""
    class Option(ctypes.Structure):
        _fields_ = [(name, ctypes.c_char_p) for name in ("keyword", "envvar", "compiled", "val", "label", "dispchar")] \
            + [("dispsize", ctypes.c_int)]
    libpq = ctypes.CDLL(str(libpq18))
    libpq.PQconndefaults.restype = ctypes.POINTER(Option)
    keywords = []
    for option in libpq.PQconndefaults():
        if option.keyword is None:
            break
        keywords.append(option.keyword.decode())
    assert {"host", "sslmode", "max_protocol_version"} <= set(keywords) and libpq.PQlibVersion() // 10000 == 18


def test_pgpool_passes_what_it_is_given_and_its_link_is_lost_behind_the_commit(cluster, proxy, between):
    cluster.sql("TRUNCATE single")
    pgpool = between(Pgpool, proxy)
    settings = {"host": "127.0.0.1", "port": pgpool.port, "dbname": "db", "sslmode": "disable"}
    connection = psycopg2.connect(user="pooled", password=POOLED, **settings)
    connection.autocommit = True
    connection.cursor().execute("SELECT 1")
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(user="pooled", password="wrong", **settings)
    connection.close()
    proxy.default = Plan(lose=lambda kind, body, link: body.startswith(b"INSERT"), cut="fin")
    proxy.cut_all()
    connection = psycopg2.connect(user="trusted", **settings)
    connection.autocommit = True
    with pytest.raises(psycopg2.Error):
        connection.cursor().execute("INSERT INTO single VALUES (1, 'lost')")
    assert cluster.value("SELECT count(*) FROM single") == 1
    connection.close()


def test_standby_follows_refuses_writes_and_is_promoted(primary, standby):
    primary.sql("INSERT INTO single VALUES (1, 'there')")
    standby.await_caught_up()
    assert standby.value("SELECT note FROM single") == "there"
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        standby.sql("DELETE FROM single")
    primary.stop("immediate")
    standby.promote()
    standby.sql("INSERT INTO single VALUES (2, 'goes on')")
    assert standby.value("SELECT count(*) FROM single") == 2


def test_commit_waits_for_its_synchronous_standby(synchronous_pair):
    primary, standby = synchronous_pair
    primary.sql("INSERT INTO single VALUES (1, 'confirmed')")
    standby.stop("immediate")
    with contextlib.closing(primary.connect(application_name="waits")) as waiting, concurrent.futures.ThreadPoolExecutor(1) as thread:
        done = thread.submit(waiting.cursor().execute, "INSERT INTO single VALUES (2, 'waits')")
        eventually(lambda: primary.sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'waits' "
                                       "AND wait_event = 'SyncRep'"), "the COMMIT waits")
        assert not done.done()
        standby.start()
        done.result(PATIENCE_S)
    assert primary.value("SELECT count(*) FROM single") == 2
