"""`holdfast query`: one statement, its result as a table, CSV or JSON, and an exit status scripts can use."""

import json
import os
import re
import signal
import subprocess

import pytest

from harness import wire
from harness.program import TOO_SLOW
from harness.proxy import Plan
from harness.waiting import PATIENCE_S, eventually

ROWS = "SELECT g AS n, CASE g WHEN 1 THEN NULL WHEN 2 THEN '' ELSE 'a, \"b\"' END AS word FROM generate_series(1, 3) g"


@pytest.fixture
def query(holdfast, cluster):
    def run(sql, *params, dsn=None, **options):
        words = [word for value in params for word in ("--param", value)]
        return holdfast("query", sql, *words, dsn=dsn or cluster.dsn(), **options)
    return run


@pytest.mark.both_servers
def test_table_is_what_psql_prints(query, cluster):
    sql = "SELECT id, name, price FROM item WHERE id <= 12 ORDER BY id"
    ours = query(sql).stdout
    theirs = subprocess.run(["psql", "-X", "-h", cluster.folder, "-p", str(cluster.port), "-U", "postgres", "-d", "db",
                             "-P", "pager=off", "-c", sql], check=True, capture_output=True, text=True)
    assert [line.rstrip() for line in ours.rstrip().splitlines()] == \
           [line.rstrip() for line in theirs.stdout.rstrip().splitlines()]


@pytest.mark.both_servers
def test_csv_is_what_copy_writes(query):
    assert query(ROWS, format="csv").stdout == 'n,word\n1,\n2,""\n3,"a, ""b"""\n'


@pytest.mark.both_servers
def test_json_is_an_array_of_objects_with_null(query):
    rows = json.loads(query(ROWS, format="json").stdout)
    assert [row["word"] for row in rows] == [None, "", 'a, "b"']
    assert [int(row["n"]) for row in rows] == [1, 2, 3]


@pytest.mark.found("R3")
def test_columns_of_one_name_are_all_readable_in_json(query):
    sql = "SELECT 1 AS a, 2 AS a, 3 AS a_2, 4 AS a"
    assert query(sql, format="json").stdout == '[\n  {"a": 1, "a_3": 2, "a_2": 3, "a_4": 4}\n]\n'
    assert query(sql, format="csv").stdout == "a,a,a_2,a\n1,2,3,4\n", "a CSV file keeps the names"
    assert query(sql).stdout.split("\n")[0].split() == ["a", "|", "a", "|", "a_2", "|", "a"]


@pytest.mark.found("L6")
def test_json_of_every_type_is_json(query):
    sql = """SELECT 'NaN'::float8 AS nan, '-Infinity'::numeric AS inf, 1e300::float8 AS big, true AS yes, NULL::int AS none,
             '{"a": [1, null, "\u202e"], "a": 2}'::json AS doc, '[1]'::jsonb AS docb, E'\\x1b\u200b"\\\\' AS words,
             '{1,2}'::int[] AS list, '$1.00'::money AS money, 7::oid AS oid"""
    said = query(sql, format="json").stdout
    row, = json.loads(said)
    assert row == {"nan": "NaN", "inf": "-Infinity", "big": 1e300, "yes": True, "none": None, "doc": {"a": 2},
                   "docb": [1], "words": '\x1b\u200b"\\', "list": "{1,2}", "money": "$1.00", "oid": 7}
    assert all(c.isprintable() or c == "\n" for c in said), "what may not be shown is written as an escape"


LIES = ['1}, {"evil": 2', "NaN", "", "-", "007", "0x7", '{"a":', "[1]]", "tru", "\x9b", '"', "nul", "1 1"]


@pytest.mark.found("L6")
@pytest.mark.security(11)
@pytest.mark.parametrize("type", [16, 20, 21, 23, 26, 114, 700, 701, 1700, 3802])
def test_json_is_json_whatever_type_the_server_says_its_bytes_are(query, proxy, cluster, type):
    """What stands between may say that a text is a number, or JSON, and it may be no UTF-8 at all."""
    def rewrite(kind, body, link):
        if kind == b"T":
            body = body.replace((25).to_bytes(4, "big"), type.to_bytes(4, "big"))
        return wire.message(kind, body.replace(b"LATIN", b"\xe9\xff\xfe!!"))
    proxy.next(Plan(rewrite=rewrite))
    values = ", ".join(f"('{value}')" for value in LIES + ["LATIN"])
    run = query(f"SELECT v FROM (VALUES {values}) t (v)", dsn=cluster.dsn("plain", port=proxy.port), format="json")
    assert [row["v"] for row in json.loads(run.stdout)] == LIES + ["\ufffd" * 3 + "!!"]


@pytest.mark.found("L6")
@pytest.mark.security(3)
def test_table_spells_what_would_command_a_terminal_or_hide(query):
    hidden = "\u202a\u202e\u2066\u2069\u200b\u200f\u2028\u2029\ufeff\u0080\u009b\u00ad\u061c"
    run = query("SELECT $1::text AS word", f"a{hidden}z")
    assert run.stdout.splitlines()[2].strip() == "a" + "".join(f"\\u{ord(c):04X}" for c in hidden) + "z"
    data = query("SELECT $1::text AS word", f"a{hidden}z", format="csv").stdout
    assert data == f"word\na{hidden}z\n", "a CSV file is data"


@pytest.mark.found("L6")
@pytest.mark.security(3)
def test_words_of_the_server_come_through_one_filter(query):
    """test_logs.py has its warnings, and the rejects of a report."""
    hidden = "\u202e\u200b\ufeff\u009b\u2028"
    raised = f"RAISE EXCEPTION 'bad {hidden} word' USING DETAIL = 'more {hidden} said', HINT = 'try {hidden} again'"
    run = query(f"DO $$ BEGIN {raised}; END $$", write=True, replay="unsent", wait=False)
    assert run.finish() != 0
    assert all(words in run.stderr for words in ("bad ????? word", "more ????? said", "try ????? again"))
    assert run.stderr.isascii()


def test_empty_result_in_every_form(query):
    sql = "SELECT 1 AS n WHERE false"
    assert "(0 rows)" in query(sql).stdout
    assert query(sql, format="csv").stdout == "n\n"
    assert json.loads(query(sql, format="json").stdout) == []


@pytest.mark.security(11)
def test_parameters_are_bound_not_spliced(query):
    run = query("SELECT $1::text AS a, $2::int AS b", "it's; --", "7", format="csv")
    assert run.stdout == "a,b\nit's; --,7\n"


def test_wrong_number_of_parameters_is_exit_1(query):
    run = query("SELECT $1::int + $2::int", "1", status=1)
    assert "requires 2" in run.stderr and "given 1 time: give it once for each" in run.stderr


@pytest.mark.parametrize("sql, state", [("SELEKT 1", "42601"), ("SELECT * FROM itme", "42P01"),
                                        ("COPY item TO STDOUT", "COPY")])
@pytest.mark.both_servers
def test_statement_the_server_refuses_to_prepare_is_exit_1(query, sql, state):
    run = query(sql, status=1)
    assert state in run.stderr and run.stdout == ""


@pytest.mark.both_servers
def test_statement_that_fails_when_it_runs_says_sqlstate(query):
    run = query("SELECT 1 / $1::int", "0", wait=False)
    assert run.finish() in (1, 2, 3)
    assert "22012" in run.stderr and "division by zero" in run.stderr


def test_query_survives_a_lost_connection_and_prints_its_result_once(query, proxy, cluster):
    proxy.next(Plan(cut_down=3000, after_login=True), Plan(on_accept="rst"))
    run = query("SELECT g AS n FROM generate_series(1, 500) g", dsn=cluster.dsn("plain", port=proxy.port),
                format="csv", retry_delay="50ms")
    assert run.stdout == "n\n" + "".join(f"{n}\n" for n in range(1, 501))
    assert proxy.count == 3


def test_server_that_stays_away_is_exit_4(query, proxy, cluster):
    proxy.refuse()
    run = query("SELECT 1", dsn=cluster.dsn(port=proxy.port), status=4, max_outage="1s", retry_delay="100ms")
    assert "refused" in run.stderr and f"{proxy.port}" in run.stderr


def test_large_result_arrives_whole(query):
    run = query("SELECT g AS n, repeat('x', 100) AS filler FROM generate_series(1, 100000) g", format="csv")
    assert run.stdout.count("\n") == 100001 and run.stdout.endswith("100000," + "x" * 100 + "\n")


def test_row_that_is_too_large_says_how_large_and_what_helps(query):
    sql = "SELECT repeat('x', 3000000) AS wide"
    said = query(sql, status=1).stderr
    assert "a row of 30000" in said and "--max-row" in said
    assert len(query(sql, max_row="4MiB", format="csv").stdout) == len("wide\n") + 3000000 + 1


@pytest.mark.both_servers
def test_write_needs_its_option_and_then_works(query, cluster):
    cluster.sql("TRUNCATE single")
    insert = "INSERT INTO single VALUES (1, 'q') RETURNING line"
    refused = query(insert, wait=False)
    assert refused.finish() != 0 and "--write" in refused.stderr
    assert cluster.value("SELECT count(*) FROM single") == 0
    assert query(insert, write=True, format="csv").stdout == "line\n1\n"
    assert query("DELETE FROM single", write=True).stdout == "done, 1 row affected\n"


@pytest.mark.fault(47)
def test_fault_47_closed_stdout_ends_the_query_at_once(program, cluster, tmp_path):
    """`holdfast query … | head -1`: no endless work for nobody, and no death by a signal."""
    from harness.program import clean_environment
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [program, "query", "SELECT repeat('x', 1000) FROM generate_series(1, 2000000)", "--dsn", cluster.dsn(),
         "--format", "csv"], stdout=writer, stderr=subprocess.PIPE, env=clean_environment(tmp_path))
    os.close(writer)
    os.read(reader, 10)
    os.close(reader)
    try:
        status = process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.communicate()
    assert status >= 0, "died of SIGPIPE"
    assert status != 0


@pytest.mark.found("L4")
@pytest.mark.parametrize("statement, closed, status, says", [
    ("SELECT 1", ">&-", 4, "cannot write to standard output"), ("-", "<&-", 1, "cannot read standard input"),
    ("SELECT 1 AS one", "<&-", 0, ""), ("SELECT 1 AS one", "2>&-", 0, "")])
def test_descriptor_that_the_caller_closed_is_said_where_it_is_needed(program, cluster, tmp_path, statement, closed,
                                                                      status, says):
    """Rows that went nowhere are no success."""
    from harness.program import clean_environment
    run = subprocess.run(["sh", "-c", f'exec "$0" query "$1" --dsn "$2" --format csv {closed}', program, statement,
                          cluster.dsn()], capture_output=True, text=True, timeout=PATIENCE_S,
                         env=clean_environment(tmp_path))
    assert run.returncode == status and says in run.stderr
    assert run.stdout == ("one\n1\n" if status == 0 else "")


@pytest.fixture
def calm_server(own_cluster):
    """calm(n) is the answer n all the same when it is cancelled."""
    own_cluster.sql("""CREATE FUNCTION calm(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_sleep(3600); RETURN n; EXCEPTION WHEN query_canceled THEN RETURN n; END $$""")
    return own_cluster


@pytest.mark.both_servers
def test_answer_within_the_grace_of_a_stop_is_printed(query, calm_server):
    """Exit 0 says that what was printed is all."""
    run = query("SELECT calm(7) AS n", dsn=calm_server.dsn(), format="csv", close_timeout="600s", wait=False)
    calm_server.await_active()
    run.send(signal.SIGTERM)
    assert run.finish() == 0, run.stderr
    assert run.stdout == "n\n7\n"


def test_refusal_within_the_grace_of_a_stop_is_told(query, own_cluster):
    """The statement answers its cancel with an error of its own: that is what happened to it."""
    own_cluster.sql("""CREATE FUNCTION fails() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_sleep(3600); RETURN 1; EXCEPTION WHEN query_canceled THEN
        RAISE EXCEPTION 'no such luck' USING ERRCODE = '22012', HINT = 'look elsewhere'; END $$""")
    run = query("SELECT fails()", dsn=own_cluster.dsn(), close_timeout="600s", wait=False)
    own_cluster.await_active()
    run.send(signal.SIGTERM)
    assert run.finish() == 1, run.stderr
    assert "22012 no such luck" in run.stderr and "HINT: look elsewhere" in run.stderr
    run = query("SELECT pg_sleep(3600)", dsn=own_cluster.dsn(), wait=False)
    own_cluster.await_active()
    run.send(signal.SIGTERM)
    assert run.finish() == 4 and "stopped by Terminated" in run.stderr


def test_write_that_was_done_is_never_to_be_run_again_though_its_rows_could_not_be_printed(query, cluster):
    cluster.sql("TRUNCATE single")
    with open("/dev/full", "wb") as full:
        run = query("INSERT INTO single VALUES (1, 'q') RETURNING line", write=True, format="csv", stdout=full, status=5)
    assert "was done" in run.stderr and "same command" not in run.stderr
    assert cluster.value("SELECT count(*) FROM single") == 1
    with open("/dev/full", "wb") as full:
        run = query("SELECT 1", stdout=full, status=4)
    assert "No space left" in run.stderr


@pytest.mark.both_servers
def test_statement_that_somebody_else_cancels_for_good_is_exit_4(query, own_cluster):
    run = query("SELECT pg_sleep(3600)", dsn=own_cluster.dsn(), wait=False)

    def cancelled():
        own_cluster.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'app' AND state = 'active'")
        return not run.running
    own_cluster.await_active()
    eventually(cancelled, "it gives up")
    assert run.finish() == 4, run.stderr
    assert "57014" in run.stderr


def server_logs(cluster, run, words, count=1):
    def seen():
        there = cluster.log.read_text().count(words) >= count
        assert there or run.running, f"ended before the server logged {words!r} {count} times:\n{run.stderr}"
        return there
    eventually(seen, f"the server logs {words!r} {count} times")


@pytest.mark.found("T6")
@pytest.mark.rule(17)
@pytest.mark.both_servers
def test_read_that_somebody_else_cancelled_once_runs_again(query, own_cluster):
    own_cluster.sql("CREATE TABLE gate (); GRANT ALL ON gate TO PUBLIC")
    holder = own_cluster.connect()
    holder.autocommit = False
    holder.cursor().execute("LOCK gate")
    run = query("SELECT count(*) AS n FROM gate", dsn=own_cluster.dsn(), format="csv", retry_delay="50ms", wait=False)
    own_cluster.await_active()
    own_cluster.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'app' AND state = 'active'")
    server_logs(own_cluster, run, "canceling statement due to user request")
    holder.close()
    assert run.finish() == 0, run.stderr
    assert run.stdout == "n\n0\n"


@pytest.fixture
def locked(own_cluster):
    """The row that an UPDATE waits for; locked.close() lets it go."""
    own_cluster.sql("INSERT INTO single VALUES (1, 'q')")
    holder = own_cluster.connect()
    holder.autocommit = False
    holder.cursor().execute("UPDATE single SET line = line")
    yield holder
    holder.close()


@pytest.mark.found("T6")
@pytest.mark.rule(17)
@pytest.mark.parametrize("replay", ["resolve", "safe", "unsent"])
def test_lock_that_passes_is_waited_for(query, own_cluster, locked, replay):
    run = query("UPDATE single SET line = 7", dsn=own_cluster.dsn(options="-c lock_timeout=50ms"), write=True, replay=replay,
                retry_delay="20ms", max_retry_delay="20ms", max_retries="forever", wait=False)
    server_logs(own_cluster, run, "canceling statement due to lock timeout", 3)
    locked.close()
    assert run.finish() == 0, run.stderr
    assert own_cluster.value("SELECT line FROM single") == 7


@pytest.mark.found("T6")
@pytest.mark.rule(17, 29)
def test_lock_that_stays_is_exit_4_and_no_refusal(query, own_cluster, locked):
    run = query("UPDATE single SET line = 7", dsn=own_cluster.dsn(options="-c lock_timeout=50ms"), write=True,
                retry_delay="20ms", max_retries=2, status=4)
    assert "55P03" in run.stderr and "after 2 retries: max_retries" in run.stderr
    run = query("SELECT line FROM single FOR UPDATE NOWAIT", dsn=own_cluster.dsn(), write=True, retry_delay="1h",
                max_retry_delay="1h", status=4)
    assert "55P03" in run.stderr, "one who says NOWAIT is never made to wait"


@pytest.mark.found("T6")
@pytest.mark.rule(17)
def test_shortage_that_passes_is_waited_for(query, own_cluster):
    """A function that is out of disk until it is let have it, told as PostgreSQL tells it."""
    own_cluster.sql("""CREATE TABLE full_disk (); GRANT ALL ON full_disk TO PUBLIC;
        CREATE FUNCTION store() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        IF to_regclass('full_disk') IS NOT NULL THEN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END IF;
        RETURN 1; END $$""")
    run = query("SELECT store() AS n", dsn=own_cluster.dsn(), format="csv", retry_delay="20ms", max_retry_delay="20ms",
                wait=False)
    server_logs(own_cluster, run, "no space left", 3)
    own_cluster.sql("DROP TABLE full_disk")
    assert run.finish() == 0, run.stderr
    assert run.stdout == "n\n1\n"
    own_cluster.sql("CREATE TABLE full_disk ()")
    run = query("SELECT store()", dsn=own_cluster.dsn(), retry_delay="20ms", max_retry_delay="20ms", max_outage="300ms",
                status=4)
    assert "53100" in run.stderr or TOO_SLOW in run.stderr
