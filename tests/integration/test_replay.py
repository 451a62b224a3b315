"""One sequence of statements, session by session, through libpq and through holdfast, prepared or not: rows, column names
and types, SQLSTATE, affected rows and notifications are the same."""

import contextlib

import pytest

from conftest import REPOSITORY
from harness.replay import Holdfast, Libpq

pytestmark = pytest.mark.sockets("replay.c is built for the system's sockets")


class Other(str):
    """A statement of somebody else's session."""


def literals(*pairs):
    """Values by their text, by a parameter, and as arrays with a NULL."""
    for kind, *texts in pairs:
        for text in texts:
            quoted = text.replace("'", "''")
            yield f"SELECT '{quoted}'::{kind} AS v"
            yield (f"SELECT $1::{kind} AS v, $1::{kind}::text", text)
            yield (f"SELECT ARRAY[NULL, $1::{kind}] AS v", text)


TYPES = [
    "SELECT NULL", "SELECT NULL::int, ''::text, ' '::text",
    *literals(("bool", "t", "no"), ("smallint", "-32768"), ("int", "2147483647"), ("bigint", "-9223372036854775808"),
              ("numeric", "NaN", "12345678901234567890.0987654321"), ("real", "1e38", "-Infinity"),
              ("double precision", "0.1"), ("text", "žluťoučký kůň ✓", "a'b\\c\"d"), ("varchar(3)", "abcd"), ("char(4)", "a"),
              ("bytea", "\\x00ff"), ("date", "0044-03-15 BC", "infinity"), ("time", "23:59:59.999999"),
              ("timetz", "12:00+05:30"), ("timestamp", "2000-02-29 12:34:56"), ("timestamptz", "1999-12-31 23:59:59+14"),
              ("interval", "1 year 2 mons -3 days 04:05:06.7"), ("uuid", "00112233-4455-6677-8899-aabbccddeeff"),
              ("json", "{\"a\": [1, null]}"), ("jsonb", "{\"b\":1,\"a\":2}"), ("xml", "<a>1</a>"), ("inet", "::1/64"),
              ("macaddr", "08:00:2b:01:02:03"), ("point", "(1,2)"), ("polygon", "((0,0),(1,1),(1,0))"),
              ("int4range", "[1,5)"), ("tsvector", "a:1 b:2"), ("tsquery", "a & b"), ("bit(3)", "101"),
              ("money", "12.34"), ("oid", "42"), ("regtype", "int4"), ("pg_lsn", "0/16B3740"), ("int[]", "{1,NULL,3}")),
    "SELECT (1, 'a', NULL) AS r", "SELECT ROW()", "SELECT", "SELECT FROM generate_series(1, 3)",
    "SELECT 1 AS a, 2 AS a, 3 AS \"Two words\", 4 AS \"ě\", 5",
    "SELECT " + ", ".join(f"{i} AS c{i}" for i in range(300)),
    "SELECT g, repeat('x', g * 100) FROM generate_series(0, 60) g",
    "SELECT repeat('long ', 20000) AS long", ("SELECT $1::text || $2", None, "x"), ("SELECT $1", "no type"),
    ("SELECT length($1)", "x" * 30000), ("SELECT $1::int + $2::int", "40", "2"), "VALUES (1, 'a'), (2, NULL)",
    "TABLE pg_catalog.pg_am LIMIT 0", "(SELECT 1) UNION ALL (SELECT 2)",
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT * FROM n",
]

TABLES = [
    "CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL DEFAULT 'none', n numeric CHECK (n > 0))",
    "CREATE TABLE t (id int)", "CREATE TABLE IF NOT EXISTS t (id int)",
    "INSERT INTO t VALUES (1, 'one', 1.5), (2, 'two', NULL), (3, 'three', 3)",
    ("INSERT INTO t VALUES ($1, $2, $3)", "4", "four", None), ("INSERT INTO t VALUES ($1, $2, $3)", "4", "again", None),
    ("INSERT INTO t VALUES ($1, $2, $3)", "5", None, None), ("INSERT INTO t VALUES ($1, $2, $3)", "5", "x", "-1"),
    ("INSERT INTO t VALUES ($1, $2, $3)", "five", "x", "1"), ("INSERT INTO t (id) VALUES ($1) RETURNING *", "5"),
    "INSERT INTO t (id) SELECT g FROM generate_series(10, 29) g", "INSERT INTO t (id) SELECT 1 WHERE false",
    "INSERT INTO t VALUES (1, 'x') ON CONFLICT DO NOTHING",
    "INSERT INTO t VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET a = excluded.a RETURNING id, a",
    "UPDATE t SET a = a || '!' WHERE id < 4", "UPDATE t SET a = a WHERE false", "UPDATE t SET id = 1 WHERE id = 2",
    "UPDATE t SET n = 7 WHERE id = 2 RETURNING n AS changed", "DELETE FROM t WHERE id > 25 RETURNING id",
    "DELETE FROM t WHERE id > 25", "MERGE INTO t USING (VALUES (20), (99)) AS v (i) ON id = i "
    "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id) VALUES (i)",
    "SELECT * FROM t ORDER BY id", "SELECT count(*), sum(n) FROM t", "SELECT * FROM t WHERE id < 0",
    "CREATE TABLE made AS SELECT id, a FROM t WHERE id < 3", "SELECT * INTO made_too FROM t", "SELECT * FROM made ORDER BY id",
    "CREATE INDEX ON t (a)", "CREATE UNIQUE INDEX ON t ((1))", "CREATE INDEX CONCURRENTLY i ON t (n)", "VACUUM t", "ANALYZE t",
    "CREATE VIEW v AS SELECT id AS number, a FROM t", "SELECT * FROM v WHERE number = 1", "ALTER TABLE t ADD extra int",
    "SELECT * FROM t WHERE id = 1", "ALTER TABLE t ALTER a TYPE varchar(20)", "ALTER TABLE t DROP COLUMN extra",
    "SELECT * FROM t WHERE id = 1", "COMMENT ON TABLE t IS 'it is'", "GRANT SELECT ON t TO PUBLIC", "REVOKE ALL ON t FROM PUBLIC",
    "CREATE TABLE child (t int REFERENCES t)", "INSERT INTO child VALUES (1)", "INSERT INTO child VALUES (1000)",
    "DELETE FROM t WHERE id = 1", "DROP TABLE t", "TRUNCATE child", "CREATE SEQUENCE s", "SELECT nextval('s'), nextval('s')",
    "SELECT currval('s')", "ALTER SEQUENCE s RESTART WITH 100", "SELECT nextval('s')", "CREATE TYPE mood AS ENUM ('sad', 'ok')",
    "SELECT 'sad'::mood", "SELECT 'glad'::mood", "ALTER TYPE mood ADD VALUE 'glad'", "SELECT 'glad'::mood",
    "CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0)", "SELECT 4::even", "SELECT 5::even",
    "CREATE RULE r AS ON INSERT TO made DO ALSO SELECT 'ruled' AS rule", "INSERT INTO made VALUES (9, 'nine')", "DROP RULE r ON made",
    "DROP TABLE t CASCADE", "SELECT * FROM t", "DROP TABLE IF EXISTS t", "DROP VIEW v",
]

CODE = [
    "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1'", ("SELECT f($1)", "1"), "SELECT * FROM f(2) AS g",
    "CREATE OR REPLACE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 2'", ("SELECT f($1)", "1"),
    "DROP FUNCTION f", ("SELECT f($1)", "1"), "CREATE FUNCTION f(int) RETURNS text LANGUAGE sql AS 'SELECT ''text'''",
    ("SELECT f($1)", "1"), "CREATE FUNCTION pair(OUT a int, OUT b text) LANGUAGE sql AS 'SELECT 1, ''x'''", "SELECT * FROM pair()",
    "SELECT pair()", "CREATE FUNCTION many() RETURNS SETOF int LANGUAGE sql AS 'SELECT generate_series(1, 5)'", "SELECT many()",
    "CREATE PROCEDURE p(INOUT a int, INOUT b text) LANGUAGE plpgsql AS $$ BEGIN a := a + 1; b := b || '!'; END $$",
    ("CALL p($1, $2)", "1", "x"), "CALL p(1, 'y')", "DROP PROCEDURE p",
    "CREATE PROCEDURE p(INOUT other int) LANGUAGE plpgsql AS $$ BEGIN other := 7; END $$", "CALL p(1)", "CALL p(1, 'y')",
    "CREATE PROCEDURE quiet() LANGUAGE sql AS 'SELECT 1'", "CALL quiet()",
    "DO $$ BEGIN RAISE NOTICE 'hm'; RAISE WARNING 'oh'; END $$", "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'AB123'; END $$",
    "DO $$ BEGIN CREATE TABLE by_do (a int); INSERT INTO by_do VALUES (1); END $$", "SELECT * FROM by_do",
    "DO 'this is no code'", "SELECT 1 / 0", "SELECT 1 / (3 - g) FROM generate_series(1, 5) g", "SELEC 1", "SELECT", "SELECT (",
    "SELECT 'unterminated", "SELECT no_such_column", "SELECT no_such_function(1)", "SELECT 1::no_such_type", "SELECT 'x'::int",
    "SELECT 1; SELECT 2", "", ";", " ", "-- nothing", "/* nothing */", ";;SELECT 1", "/* a */ SELECT /* b */ 2 -- c", ("SELECT $1::int",),
    ("SELECT 1", "one too many"), ("SELECT $2", "1", "2"), "SELECT pg_notify('a', 'nobody hears it')",
    "EXPLAIN (COSTS OFF) SELECT * FROM by_do", "EXPLAIN (COSTS OFF, FORMAT JSON) SELECT 1",
    "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) INSERT INTO by_do VALUES (2)", "SELECT count(*) FROM by_do",
    "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) CREATE TABLE by_explain AS SELECT 1 AS a",
    "SELECT * FROM by_explain", "CREATE TEMP TABLE by_explain (other text)", "SELECT * FROM by_explain", "DROP TABLE by_explain",
    "SELECT * FROM by_explain", "SELECT 1 AS into_temp INTO TEMP by_explain", "SELECT * FROM by_explain", "LOCK TABLE by_do",
]

SETTINGS = [
    "SELECT '01/02/2020'::date AS d", "SET DateStyle = 'ISO,DMY'", "SELECT '01/02/2020'::date AS d", "SET DateStyle = 'German'",
    "SELECT '01/02/2020'::date AS d", "SHOW DateStyle", "RESET DateStyle", "SELECT '01/02/2020'::date AS d",
    "SELECT set_config('DateStyle', 'SQL,DMY', false)", "SELECT '01/02/2020'::date AS d", "RESET ALL", "SELECT '01/02/2020'::date AS d",
    "SELECT '2020-06-01 12:00'::timestamptz AS at", "SET TimeZone = 'Asia/Tokyo'", "SELECT '2020-06-01 12:00'::timestamptz AS at",
    "SET TIME ZONE LOCAL", "SELECT '2020-06-01 12:00'::timestamptz AS at", "SELECT '1 02:03'::interval", "SET IntervalStyle = 'iso_8601'",
    "SELECT '1 02:03'::interval", r"SELECT 'a\\b' AS s", "SET standard_conforming_strings = off", "SET escape_string_warning = off",
    r"SELECT 'a\\b' AS s", "RESET standard_conforming_strings", r"SELECT 'a\\b' AS s", "SELECT 1.0::float8 / 3 AS third",
    "SET extra_float_digits = -5", "SELECT 1.0::float8 / 3 AS third", "SET no_such_setting = 1", "SET x.y = 'mine'", "SHOW x.y",
    "SELECT current_setting('x.y')", "CREATE SCHEMA one", "CREATE SCHEMA two", "CREATE TABLE one.w (a int)",
    "CREATE TABLE two.w (b text, c int)", "INSERT INTO one.w VALUES (1)", "INSERT INTO two.w VALUES ('two', 2)", "SET search_path = one",
    "SELECT * FROM w", "SET search_path = two", "SELECT * FROM w", "SELECT set_config('search_path', 'one', false)", "SELECT * FROM w",
    ["SET LOCAL search_path = two", "SELECT * FROM w"], "SELECT * FROM w",
    ["SET search_path = two", "SELECT * FROM w", "SELECT 1 / 0"], "SELECT * FROM w",
    ["SAVEPOINT s", "SET search_path = two", "SELECT * FROM w", "ROLLBACK TO s", "SELECT * FROM w"], "SELECT * FROM w",
    "CREATE TEMP TABLE w (temporary bool)", "SELECT * FROM w", "DROP TABLE w", "SELECT * FROM w", "CREATE TEMP TABLE w AS SELECT 9 AS nine",
    "SELECT * FROM w", "DISCARD TEMP", "SELECT * FROM w", "RESET search_path", "SELECT * FROM w", "SELECT current_user", "CREATE ROLE replayed",
    "SET ROLE replayed", "SELECT current_user", "SELECT * FROM one.w", "RESET ROLE", "SELECT * FROM one.w", "SELECT current_user",
    "SET SESSION AUTHORIZATION replayed", "SELECT current_user, session_user", "SELECT * FROM one.w", "RESET SESSION AUTHORIZATION",
    "SELECT current_user", "DROP ROLE replayed", "SHOW transaction_isolation", "SHOW server_encoding", "DISCARD ALL",
    "SELECT '01/02/2020'::date AS d", "SET client_min_messages = error", "LISTEN news", "NOTIFY news, 'it''s here'",
    "SELECT pg_notify('news', 'twice') FROM generate_series(1, 2)", ["NOTIFY news, 'at commit'", "SELECT 1"],
    ["NOTIFY news, 'never'", "SELECT 1 / 0"], "UNLISTEN news", "NOTIFY news, 'unheard'", "SELECT pg_advisory_lock(1)",
    "SELECT pg_advisory_unlock(1)", "SELECT pg_advisory_unlock(1)",
]

PREPARED = [
    "PREPARE p AS SELECT 1", "EXECUTE p", "DEALLOCATE p", "PREPARE p AS SELECT 1, 2", "EXECUTE p", "DEALLOCATE p",
    "PREPARE p AS SELECT 3 AS renamed, 4 AS too", "EXECUTE p", "PREPARE p AS SELECT 1", "DEALLOCATE ALL", "EXECUTE p", "DEALLOCATE p",
    "PREPARE p (int, text) AS SELECT $1 AS a, $2 AS b", "EXECUTE p (1, 'x')", "EXECUTE p (1)", ("EXECUTE p ($1, 'y')", "1"),
    "CREATE TABLE made_by_execute AS EXECUTE p (1, 'x')", "SELECT * FROM made_by_execute", "EXPLAIN (COSTS OFF) EXECUTE p (1, 'x')",
    "PREPARE w AS INSERT INTO made_by_execute VALUES (2, 'two') RETURNING b", "EXECUTE w", "SELECT * FROM made_by_execute",
    "PREPARE star AS SELECT * FROM made_by_execute", "EXECUTE star", "ALTER TABLE made_by_execute ADD c int", "EXECUTE star",
    "DEALLOCATE star", "PREPARE star AS SELECT * FROM made_by_execute", "EXECUTE star", "DISCARD PLANS", "EXECUTE star",
    "SELECT * FROM made_by_execute ORDER BY a", Other("ALTER TABLE made_by_execute ADD d int"), "SELECT * FROM made_by_execute ORDER BY a",
    Other("ALTER TABLE made_by_execute RENAME d TO e"), "SELECT * FROM made_by_execute ORDER BY a",
    Other("ALTER TABLE made_by_execute ALTER e TYPE text"), "SELECT * FROM made_by_execute ORDER BY a",
    ["SELECT * FROM made_by_execute ORDER BY a", "SELECT 1"], Other("ALTER TABLE made_by_execute DROP e"),
    ["SELECT * FROM made_by_execute ORDER BY a", "SELECT 1"], ["PREPARE b AS SELECT 1 AS b", "EXECUTE b", "EXECUTE b", "DEALLOCATE b"],
    "EXECUTE b", ["PREPARE b AS SELECT 2 AS c, 3 AS d", "EXECUTE b"], "EXECUTE b", "SELECT name, statement FROM pg_prepared_statements "
    "WHERE from_sql ORDER BY name", "DISCARD ALL", "EXECUTE b",
]

TRANSACTIONS = [
    "CREATE TABLE t (id int PRIMARY KEY, a text)", ["INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (2, 'b')"],
    ["INSERT INTO t VALUES (3, 'c')", "INSERT INTO t VALUES (1, 'twice')"], ["INSERT INTO t VALUES (3, 'c')", "SELECT count(*) FROM t"],
    ["SELECT * FROM t ORDER BY id", "SELECT id FROM t WHERE false", "SELECT 'x' AS x, * FROM t ORDER BY id"], ["SELEC 1"], ["", "SELECT 1"],
    [("INSERT INTO t VALUES ($1, $2)", "4", None), ("SELECT a FROM t WHERE id = $1", "4"), "UPDATE t SET a = 'd' WHERE id = 4"],
    ["DECLARE c CURSOR FOR SELECT * FROM t ORDER BY id", "FETCH 2 FROM c", "FETCH c", "MOVE 1 FROM c", "FETCH ALL FROM c", "CLOSE c"],
    ["DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id", "FETCH ALL c", "CLOSE c",
     "DECLARE c CURSOR FOR SELECT a AS other, id FROM t ORDER BY id", "FETCH ALL c"],
    "DECLARE c CURSOR FOR SELECT 1", "FETCH c", "DECLARE held SCROLL CURSOR WITH HOLD FOR SELECT id, a FROM t ORDER BY id", "FETCH 2 FROM held",
    "FETCH BACKWARD 1 FROM held", "FETCH LAST FROM held", "CLOSE held", "FETCH held",
    "DECLARE held CURSOR WITH HOLD FOR SELECT a FROM t ORDER BY id", "FETCH 2 FROM held", "CLOSE ALL",
    ["SAVEPOINT s", "INSERT INTO t VALUES (5, 'e')", "ROLLBACK TO SAVEPOINT s", "SELECT count(*) FROM t"],
    ["SAVEPOINT s", "INSERT INTO t VALUES (5, 'e')", "RELEASE s"], ["SET CONSTRAINTS ALL DEFERRED", "SELECT 1"],
    "CREATE TABLE late (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)", "INSERT INTO late VALUES (1), (1)",
    ["INSERT INTO late VALUES (2)", "INSERT INTO late VALUES (2)"], ["INSERT INTO late VALUES (3)", "INSERT INTO late VALUES (4)"],
    "SELECT * FROM late ORDER BY a", ["SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SHOW transaction_isolation"],
    ["SET TRANSACTION READ ONLY", "SELECT 1", "INSERT INTO late VALUES (9)"], ["CREATE TABLE gone (a int)", "SELECT * FROM gone", "SELECT 1 / 0"],
    "SELECT * FROM gone", ["CREATE TABLE kept (a int)", "INSERT INTO kept VALUES (1) RETURNING a AS b", "SELECT * FROM kept"],
    ["ALTER TABLE kept ADD b text", "SELECT * FROM kept", "ALTER TABLE kept DROP b", "SELECT * FROM kept"], "SELECT * FROM kept",
    ["LOCK TABLE kept", "DELETE FROM kept"], ["SELECT pg_advisory_xact_lock(1)", "SELECT 1"], "VACUUM kept", ["VACUUM kept"],
    ["CREATE DATABASE no_database_here"], "SAVEPOINT s", "RELEASE s", "ROLLBACK", "COMMIT", "DROP TABLE t, late, kept",
]

# What no word of its own text says, or somebody else did.
UNSAID = [
    "CREATE TABLE w (a int, b text)", "INSERT INTO w VALUES (1, 'x')", ("SELECT * FROM w WHERE a = $1", "1"),
    Other("ALTER TABLE w ALTER a TYPE text USING a::text"), ("SELECT * FROM w WHERE a = $1", "1"),
    ("INSERT INTO w VALUES ($1, 'y') RETURNING a", "1"), Other("ALTER TABLE w ALTER a TYPE int USING a::int"),
    ("SELECT * FROM w WHERE a = $1", "1"), ("INSERT INTO w VALUES ($1, 'y') RETURNING a", "1"), Other("ALTER TABLE w RENAME a TO z"),
    ("SELECT * FROM w WHERE a = $1", "1"), ("SELECT * FROM w WHERE z = $1", "1"), "DROP TABLE w", "CREATE VIEW v AS SELECT 1 AS one",
    "SELECT * FROM v", Other("CREATE OR REPLACE VIEW v AS SELECT 1 AS one, 2 AS two"), "SELECT * FROM v",
    Other("ALTER VIEW v RENAME two TO zwei"), "SELECT * FROM v", Other("DROP VIEW v"), "SELECT * FROM v",
    "CREATE FUNCTION g() RETURNS TABLE (a int) LANGUAGE sql AS 'SELECT 1'", "SELECT * FROM g()", Other("DROP FUNCTION g"),
    Other("CREATE FUNCTION g() RETURNS TABLE (a int, b int) LANGUAGE sql AS 'SELECT 1, 2'"), "SELECT * FROM g()", "DROP FUNCTION g",
    "CREATE TABLE ruled (a int)", ("INSERT INTO ruled VALUES ($1)", "1"),
    Other("CREATE RULE r AS ON INSERT TO ruled DO INSTEAD SELECT 'ruled' AS rule"), ("INSERT INTO ruled VALUES ($1)", "1"),
    "DROP TABLE ruled", "SELECT '{NULL}'::text[]", "SELECT set_config('array_nulls', 'off', false)", "SELECT '{NULL}'::text[]",
    "DO $$ BEGIN PERFORM set_config('array_nulls', 'on', false); END $$", "SELECT '{NULL}'::text[]", "SELECT 1 WHERE NULL::int = NULL",
    "SELECT set_config('transform_null_equals', 'on', false)", "SELECT 1 WHERE NULL::int = NULL", "DISCARD ALL",
    "SELECT set_config('role', 'pg_monitor', false), set_config('default_transaction_read_only', 'on', false)",
    "CREATE TABLE made (a int)", "SELECT current_user", "RESET ROLE", "CREATE TABLE made (a int)", "RESET ALL", "CREATE TABLE made (a int)",
    "DO $$ BEGIN SET default_transaction_read_only = on; END $$", "DROP TABLE made", "SET default_transaction_read_only = off",
    "DROP TABLE made",
]

SESSIONS = {"types": TYPES, "tables": TABLES, "code": CODE, "settings": SETTINGS, "prepared": PREPARED,
            "transactions": TRANSACTIONS, "unsaid": UNSAID}
TIMES = 3       # each session runs its sequence so often: what was kept in one is met in the next


@pytest.fixture
def sequence(cluster):
    """Runs one sequence, several times over, on one connection of `make` in a new database: each answer."""
    def run(make, steps):
        cluster.sql("CREATE DATABASE replay")
        dsn = f"host={cluster.folder} port={cluster.port} user=postgres dbname=replay"
        try:
            with contextlib.closing(cluster.connect(dbname="replay")) as other, contextlib.closing(make(dsn)) as client:
                answers = []
                for step in steps * TIMES:
                    if isinstance(step, Other):
                        other.cursor().execute(step)
                    else:
                        answers.append((step, client.run(step)))
                return answers
        finally:
            cluster.sql("DROP DATABASE replay WITH (FORCE)")
            cluster.sql("DROP ROLE IF EXISTS replayed")
    return run


@pytest.fixture(scope="module")
def heard():
    """What libpq was told, for all tests of a sequence."""
    return {}


@pytest.mark.found("P1", "P2", "P3", "T4")
@pytest.mark.both_servers
@pytest.mark.parametrize("prepare", (False, True), ids=("afresh", "prepared"))
@pytest.mark.parametrize("name", SESSIONS)
def test_replay_is_told_what_libpq_is_told(program, postgres, sequence, heard, name, prepare):
    ours = sequence(lambda dsn: Holdfast(program, dsn, prepare), SESSIONS[name])
    if (postgres, name) not in heard:
        heard[postgres, name] = sequence(Libpq, SESSIONS[name])
    theirs = heard[postgres, name]
    assert len(ours) == len(theirs)
    different = [f"{step}\n    libpq    {a}\n    holdfast {b}" for (step, a), (_, b) in zip(theirs, ours) if a != b]
    assert not different, f"{len(different)} of {len(ours)}:\n" + "\n".join(different)[:6000]


def test_replay_has_a_few_hundred_statements():
    assert sum(len(steps) for steps in SESSIONS.values()) > 300


@pytest.mark.found("P1")
def test_literal_now_is_the_time_of_each_execution(program, sequence):
    steps = ["CREATE TABLE IF NOT EXISTS at (t timestamptz)", "INSERT INTO at VALUES ('now')", "SELECT count(DISTINCT t) FROM at"]
    ours = sequence(lambda dsn: Holdfast(program, dsn, False), steps)
    assert [answer.rows[0][0][0] for step, answer in ours if step == steps[2]] == [b"1", b"2", b"3"]


@pytest.mark.found("P4")
@pytest.mark.both_servers
def test_what_a_statement_leaves_in_its_session_is_met_by_the_next_and_gone_after_a_reconnect(program, cluster):
    dsn = f"host={cluster.folder} port={cluster.port} user=postgres dbname=db"
    with contextlib.closing(Holdfast(program, dsn, False)) as client:
        for statement in ("SET my.own = 'set'", "CREATE TEMP TABLE left_behind (a int)", "PREPARE p AS SELECT 1",
                          "SELECT pg_advisory_lock(4711)"):
            assert client.run(statement).sqlstate is None
        assert client.run("SHOW my.own").rows == [[[b"set"]]]
        assert client.run("SELECT count(*) FROM left_behind").rows == [[[b"0"]]]
        assert client.run("EXECUTE p").rows == [[[b"1"]]]
        cluster.sql("SELECT pg_terminate_backend(%s)", int(client.run("SELECT pg_backend_pid()").rows[0][0][0]))
        client.run("SELECT 1")      # it may be what finds the session ended
        assert client.run("SHOW my.own").sqlstate == "42704"
        assert client.run("SELECT count(*) FROM left_behind").sqlstate == "42P01"
        assert client.run("EXECUTE p").sqlstate == "26000"
        assert client.run("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").rows == [[[b"0"]]]
    for page in ("README.md", "core/include/holdfast/pool.h"):
        said = " ".join((REPOSITORY / page).read_text(encoding="utf-8").replace(" * ", " ").split())
        assert "is gone after a reconnect" in said, f"{page} says it"
