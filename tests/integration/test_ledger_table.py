"""The table of a report's ledger: which are taken and which refused (REPORT.md 43), its runs (36, 42, 44), and the
command that makes it, shows what is in it, and removes a job's rows."""

import csv
import io
import json
import os
import signal

import psycopg2
import pytest

from harness.ledger_run import LedgerRun
from harness.waiting import eventually

NAMED = "work.holdfast_ledger"
IDENTITY = "ab" * 32
COLUMNS = """run text NOT NULL, chunk bigint NOT NULL, hash text NOT NULL, state text, kept text,
             written timestamptz NOT NULL DEFAULT now()"""
TABLE = f"({COLUMNS}, PRIMARY KEY (run, chunk))"


@pytest.fixture
def server(cluster):
    """The worker's server, with a schema of the test's own in which app may do all."""
    cluster.sql("CREATE SCHEMA work AUTHORIZATION app")
    yield cluster
    cluster.sql("DROP SCHEMA work CASCADE")


@pytest.fixture
def ledger(holdfast, server):
    """Run `holdfast ledger …` on work.holdfast_ledger."""
    def run(*words, table=NAMED, role="app", **options):
        return holdfast("ledger", *words, ledger=table, dsn=server.dsn(role), **options)
    return run


@pytest.fixture
def opened(program, server):
    """A client of the report's own functions."""
    made = []

    def make(table=NAMED, dsn=None, at=server):
        made.append(LedgerRun(program, dsn or at.dsn("plain"), table))
        return made[-1]
    yield make
    for each in made:
        each.close()


@pytest.fixture
def table(server):
    """A ledger, for everybody."""
    server.sql(f"CREATE TABLE {NAMED} {TABLE}")
    server.sql("GRANT USAGE ON SCHEMA work TO PUBLIC")
    server.sql(f"GRANT ALL ON {NAMED} TO PUBLIC")
    return server


def ddl_in(text):
    return text[text.index("CREATE TABLE"):text.index(";", text.index("CREATE TABLE")) + 1]


# ---- the table --------------------------------------------------------------------------------------

def altered(*changes):
    return [f"CREATE TABLE {NAMED} {TABLE}", *(change.format(NAMED) for change in changes)]


def without_key(*changes):
    return [f"CREATE TABLE {NAMED} ({COLUMNS})", *(change.format(NAMED) for change in changes)]


def of_columns(old, new):
    assert old in TABLE
    return [f"CREATE TABLE {NAMED} {TABLE.replace(old, new)}"]


UNFIT = {
    "view": ([f"CREATE TABLE work.rows {TABLE}", f"CREATE VIEW {NAMED} AS SELECT * FROM work.rows"], "no ordinary table"),
    "materialized": ([f"CREATE TABLE work.rows {TABLE}", f"CREATE MATERIALIZED VIEW {NAMED} AS SELECT * FROM work.rows"],
                     "no ordinary table"),
    "partitioned": ([f"CREATE TABLE {NAMED} {TABLE} PARTITION BY HASH (run)"], "no ordinary table"),
    "partition": ([f"CREATE TABLE work.rows {TABLE} PARTITION BY HASH (run)",
                   f"CREATE TABLE {NAMED} PARTITION OF work.rows FOR VALUES WITH (MODULUS 1, REMAINDER 0)"], "inherits"),
    "parent": (altered("CREATE TABLE work.heir () INHERITS ({})"), "inherits"),
    "heir": ([f"CREATE TABLE work.rows {TABLE}",
              f"CREATE TABLE {NAMED} (PRIMARY KEY (run, chunk)) INHERITS (work.rows)"], "inherits"),
    "unlogged": ([f"CREATE UNLOGGED TABLE {NAMED} {TABLE}"], "UNLOGGED"),
    "column missing": (altered("ALTER TABLE {} DROP kept"), "hash text not null, run text not null"),
    "column more": (altered("ALTER TABLE {} ADD note text"), "note text"),
    "type": (of_columns("chunk bigint", "chunk int"), "chunk integer not null"),
    "short text": (of_columns("run text", "run varchar(8)"), "run character varying(8) not null"),
    "null hash": (of_columns("hash text NOT NULL", "hash text"), "hash text, kept"),
    "no default": (of_columns(" DEFAULT now()", ""), "timestamp with time zone not null)"),
    "generated": (of_columns("kept text", "kept text GENERATED ALWAYS AS ('') STORED"), "kept text generated"),
    "library's": (["CREATE TABLE work.holdfast_ledger (key text PRIMARY KEY, hash text NOT NULL, kept text, "
                   "written timestamptz NOT NULL DEFAULT now())"], "is no ledger"),
    "no key": (without_key(), "no unique index"),
    "plain index": (without_key("CREATE INDEX ON {} (run, chunk)"), "no unique index"),
    "short key": (without_key("CREATE UNIQUE INDEX ON {} (run)"), "no unique index"),
    "long key": (without_key("CREATE UNIQUE INDEX ON {} (run, chunk, hash)"), "no unique index"),
    "partial key": (without_key("CREATE UNIQUE INDEX ON {} (run, chunk) WHERE chunk > 0"), "no unique index"),
    "key of a function": (without_key("CREATE UNIQUE INDEX ON {} (lower(run), chunk)"), "no unique index"),
    "deferrable": (without_key("ALTER TABLE {} ADD UNIQUE (run, chunk) DEFERRABLE"), "no unique index"),
    "invalid": (altered("UPDATE pg_index SET indisvalid = false WHERE indrelid = '{}'::regclass"), "no unique index"),
    "another unique": (altered("CREATE UNIQUE INDEX second ON {} (hash)"), "drop it: second"),
    "rule": (altered("CREATE RULE nothing AS ON DELETE TO {} DO INSTEAD NOTHING"), "drop it: nothing"),
    "trigger": (altered("CREATE TRIGGER watch BEFORE UPDATE ON {} EXECUTE FUNCTION suppress_redundant_updates_trigger()"),
                "drop it: watch"),
    "sleeping trigger": (altered(
        "CREATE TRIGGER watch BEFORE UPDATE ON {} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "ALTER TABLE {} DISABLE TRIGGER watch"), "drop it: watch"),
    "foreign key": (altered("CREATE TABLE work.jobs (run text PRIMARY KEY)",
                            "ALTER TABLE {} ADD CONSTRAINT job FOREIGN KEY (run) REFERENCES work.jobs ON DELETE CASCADE"),
                    "drop it: job"),
    "referred to": (altered("CREATE TABLE work.notes (run text, chunk bigint, CONSTRAINT note FOREIGN KEY (run, chunk) REFERENCES {})"),
                    "drop it: note"),
    "check": (altered("ALTER TABLE {} ADD CONSTRAINT none CHECK (chunk < 1)"), "drop it: none"),
    "check of a column": (of_columns("kept text", "kept text CHECK (length(kept) < 9)"), "drop it: holdfast_ledger_kept_check"),
    "check of old rows": (altered("ALTER TABLE {} ADD CONSTRAINT none CHECK (chunk < 1) NOT VALID"), "drop it: none"),
    "exclusion": (altered("ALTER TABLE {} ADD CONSTRAINT alone EXCLUDE (hash WITH =)"), "drop it: alone"),
    "row security": (altered("ALTER TABLE {} ENABLE ROW LEVEL SECURITY"), "row security"),
}


@pytest.mark.rule(43)
@pytest.mark.parametrize("statements,words", UNFIT.values(), ids=UNFIT)
def test_table_that_is_no_ledger_is_refused_with_the_way_out(ledger, server, statements, words):
    for statement in statements:
        server.sql(statement)
    server.sql(f"GRANT ALL ON {NAMED} TO app")
    for command in (["list"], ["create"], ["forget", "a" * 32]):
        run = ledger(*command, status=1)
        assert words in run.stderr and f"the table {NAMED} " in run.stderr
        assert run.stdout == ""
    ddl = ddl_in(run.stderr)
    assert server.sql(f"SET search_path = work; {ddl}") is None
    server.sql("SET search_path = DEFAULT; GRANT ALL ON work.holdfast_ledger_2 TO app")
    ledger("list", table="work.holdfast_ledger_2")


FIT = {
    "as made": altered(),
    "unique index": without_key("CREATE UNIQUE INDEX ON {} (run, chunk)"),
    "the other way round": without_key("ALTER TABLE {} ADD UNIQUE (chunk, run)"),
    "key with more in it": without_key("CREATE UNIQUE INDEX ON {} (run, chunk) INCLUDE (hash)"),
    "other indexes": altered("CREATE INDEX ON {} (hash)"),
    "other order": [f"CREATE TABLE {NAMED} (kept text, written timestamptz NOT NULL DEFAULT clock_timestamp(), state text, "
                    "hash text NOT NULL, chunk bigint NOT NULL, run text NOT NULL, UNIQUE (run, chunk))"],
    "a column that is gone": altered("ALTER TABLE {} ADD note text", "ALTER TABLE {} DROP note"),
    "row security of others": altered("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", "ALTER TABLE {} OWNER TO app"),
}


@pytest.mark.rule(43)
@pytest.mark.parametrize("statements", FIT.values(), ids=FIT)
def test_table_that_holds_a_key_is_a_ledger(ledger, server, statements):
    for statement in statements:
        server.sql(statement)
    server.sql(f"GRANT ALL ON {NAMED} TO app")
    assert "is there already" in ledger("create").stdout


@pytest.mark.rule(43)
def test_temporary_table_is_refused(ledger, server):
    with psycopg2.connect(server.dsn("trusted")) as other, other.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE shadow {TABLE}; GRANT ALL ON shadow TO PUBLIC; "
                       "SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()")
        schema, = cursor.fetchone()
        other.commit()
        server.sql(f"GRANT USAGE ON SCHEMA {schema} TO app")
        assert "is a temporary table" in ledger("list", table=f"{schema}.shadow", status=1).stderr
        server.sql(f"REVOKE USAGE ON SCHEMA {schema} FROM app")


@pytest.mark.rule(43)
@pytest.mark.parametrize("lacking", [["SELECT"], ["INSERT"], ["UPDATE"], ["DELETE"], ["SELECT", "DELETE"]], ids=", ".join)
def test_right_that_is_missing_is_named_with_the_grant(ledger, server, lacking):
    server.sql(f"CREATE TABLE {NAMED} {TABLE}")
    server.sql(f"GRANT {', '.join({'SELECT', 'INSERT', 'UPDATE', 'DELETE'} - set(lacking))} ON {NAMED} TO app")
    grant = f"GRANT {', '.join(lacking)} ON {NAMED} TO app;"
    assert grant in ledger("create", status=1).stderr
    if "SELECT" in lacking:
        assert f"GRANT SELECT ON {NAMED} TO app;" in ledger("list", status=1).stderr
    else:
        ledger("list")
    server.sql(grant)
    ledger("create")


@pytest.mark.rule(43)
def test_schema_that_may_not_be_used_is_named(ledger, server):
    server.sql(f"CREATE TABLE {NAMED} {TABLE}")
    said = ledger("list", role="plain", status=1).stderr
    assert "permission denied for schema work" in said and "GRANT USAGE ON SCHEMA" in said


@pytest.mark.rule(43)
@pytest.mark.parametrize("name", ["two words", "a.b.c", ".b", "a.", '""', '"open', "x;drop", "1st", "a..b", "a-b"])
def test_what_is_no_name_of_a_table_is_refused_before_anything_is_asked(ledger, name):
    for command in (["list"], ["create"], ["create", "--dry-run"]):
        assert "is no name of a table" in ledger(*command, table=name, status=1).stderr


@pytest.mark.rule(43)
@pytest.mark.parametrize("name", ['work."Two words"', 'work."say ""hi"""', "work.CONFLICT", "work.Mixed", 'work."a.b"',
                                  "work.ž"])
def test_name_is_as_sql_has_it(ledger, opened, server, name):
    assert "there is no table" in ledger("list", table=name, status=1).stderr
    ledger("create", table=name)
    assert ledger("list", table=name, format="json").stdout == "[]\n"
    assert "is there already" in ledger("create", table=name).stdout
    server.sql(f"GRANT USAGE ON SCHEMA work TO PUBLIC; GRANT ALL ON {name} TO PUBLIC")
    client = opened(name)
    client.do("make", IDENTITY)
    assert client.do("open").status == 0
    assert client.do("chunk", 1, "now", "-", "SELECT 'done'") == (0, "done")


@pytest.mark.rule(43)
@pytest.mark.both_servers
def test_name_that_is_a_reserved_word_is_quoted_in_what_makes_the_table(ledger, server):
    words = [word for word, in server.sql("SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')")]
    assert "select" in words and "verbose" in words
    for i, name in enumerate([*words, "SELECT", "select.x", "UseR.select", "word", "selected", '"Select"', "überall"]):
        first, _, rest = name.partition(".")
        reserved = first.lower() in words
        ddl = ledger("create", table=name, dry_run=True).stdout
        shown = f'"{first.lower()}"{"." + rest if rest else ""}' if reserved else name
        assert ddl.startswith(f"CREATE TABLE {shown} (\n"), ddl
        server.sql(f'CREATE SCHEMA IF NOT EXISTS "{first.lower()}"' if rest else "SELECT")
        server.sql(f'SET search_path = work; {ddl} DROP TABLE {shown}; RESET search_path')
    server.sql('DROP SCHEMA "select"; DROP SCHEMA "user"; ALTER ROLE app SET search_path = work')
    try:
        missing = ledger("list", table="select", status=1).stderr
        assert ddl_in(missing).startswith('CREATE TABLE "select" (')
        ledger("create", table="select")
        assert ledger("list", table="select", format="json").stdout == "[]\n"
    finally:
        server.sql("ALTER ROLE app RESET search_path")


# ---- create -----------------------------------------------------------------------------------------

@pytest.mark.rule(43)
@pytest.mark.both_servers
def test_ddl_as_printed_is_what_create_runs(ledger, server):
    printed = ledger("create", dry_run=True).stdout
    assert not server.sql("SELECT 1 FROM pg_class WHERE relname = 'holdfast_ledger'")
    first = ledger("create").stdout
    assert first == f"{printed}{NAMED} is there\n"
    server.sql(f"DROP TABLE {NAMED}")
    missing = ledger("list", status=1).stderr
    assert f"there is no table {NAMED}" in missing and "holdfast ledger create --ledger work.holdfast_ledger" in missing
    assert ddl_in(missing) + "\n" == printed
    server.sql(printed)
    server.sql(f"GRANT ALL ON {NAMED} TO app")
    assert ledger("create").stdout == f"{NAMED} is there already, and is a ledger\n"


@pytest.mark.rule(43)
def test_create_without_the_right_says_who_may(ledger, server):
    said = ledger("create", role="plain", status=1).stderr
    assert "permission denied" in said and "holdfast ledger create --dry-run" in said or "GRANT USAGE" in said
    server.sql("GRANT USAGE ON SCHEMA work TO plain")
    said = ledger("create", role="plain", status=1).stderr
    assert "permission denied for schema work" in said and "holdfast ledger create --dry-run" in said


def test_wrong_words_of_ledger_are_refused_by_name(holdfast):
    for words, said in [([], "holdfast ledger create"), (["drop"], "holdfast ledger create"), (["forget"], "forget RUN"),
                        (["list", "more"], "holdfast ledger create"), (["list", "--force"], "--force is for"),
                        (["list", "--dry-run"], "--dry-run is for"), (["create", "--format", "csv"], "--format is for"),
                        (["forget", "a", "--write"], "no option --write")]:
        assert said in holdfast("ledger", *words, status=1).stderr


# ---- list and forget --------------------------------------------------------------------------------

def a_run(client, chunks=3, close=True):
    run = client.do("make", IDENTITY).text
    assert client.do("open").status == 0
    for i in range(1, chunks + 1):
        assert client.do("chunk", i, "now", "-", "SELECT 1").status == 0
    if close:
        assert client.do("close", chunks) == (0, "closed")
    return run


@pytest.mark.rule(36, 44)
@pytest.mark.both_servers
def test_list_shows_jobs_and_how_they_stand(ledger, opened, table):
    client = opened()
    closed, still = a_run(client), a_run(client, chunks=2, close=False)
    rows = json.loads(ledger("list", format="json").stdout)
    assert [row["run"] for row in rows] == [closed, still]
    assert [row["state"] for row in rows] == ["closed", "open"]
    assert [row["chunks"] for row in rows] == [row["rows"] for row in rows] == [3, 2]
    assert [row["lines"] for row in rows] == [100, None]
    assert [row["ended"] for row in rows] == ["2023-11-14T22:13:20.123Z", None]
    assert [row["exit_status"] for row in rows] == [2, None]
    assert {row["input"] for row in rows} == {'in "put" ž😀.csv'}
    assert {row["output"] for row in rows} == {"o?t.csv"}
    assert {row["batch_bytes"] for row in rows} == {5000000000}
    parsed = list(csv.DictReader(io.StringIO(ledger("list", format="csv").stdout)))
    assert [{k: str(v) if v is not None else "" for k, v in row.items()} for row in rows] == parsed
    shown = ledger("list").stdout
    assert closed in shown and still in shown and "(2 rows)" in shown
    assert table.value(f"SELECT count(*) FROM {NAMED} WHERE octet_length(kept) <> length(kept)") == 0, "ASCII alone"


@pytest.mark.rule(44)
def test_forget_removes_a_closed_run_and_an_open_one_by_force(ledger, opened, table):
    client = opened()
    closed, still = a_run(client), a_run(client, chunks=2, close=False)
    assert ledger("forget", closed).stdout == f"run {closed} is forgotten: 4 rows removed from {NAMED}\n"
    refused = ledger("forget", still, status=1)
    assert f"run {still} is not finished" in refused.stderr and "--force" in refused.stderr and "twice" in refused.stderr
    assert table.value(f"SELECT count(*) FROM {NAMED} WHERE run = %s", still) == 3
    forced = ledger("forget", still, force=True).stdout
    assert "2 rows removed" in forced and "its own row stays" in forced
    assert table.sql(f"SELECT chunk, state FROM {NAMED}") == [(0, "closed")]
    refused = client.do("chunk", 3, "none", "-", "SELECT 1")
    assert refused.status and "23502" in refused.text, "a run that is closed takes no chunk"
    assert "1 row removed" in ledger("forget", still).stdout
    assert f"there is no run {closed}" in ledger("forget", closed, status=1).stderr
    refused = client.do("chunk", 3, "none", "-", "SELECT 1")
    assert refused.status and "23502" in refused.text, "a run without a row takes no chunk"


@pytest.mark.rule(44)
@pytest.mark.parametrize("state,shown", [("'paused'", "paused"), ("NULL", None), ("'open '", "open "), ("'CLOSED'", "CLOSED")])
def test_run_whose_state_somebody_else_wrote_is_forgotten_by_force_alone(ledger, opened, table, state, shown):
    run = a_run(opened(), chunks=2, close=False)
    table.sql(f"UPDATE {NAMED} SET state = {state} WHERE chunk = 0")
    assert json.loads(ledger("list", format="json").stdout)[0]["state"] == shown
    said = ledger("forget", run, status=1).stderr
    assert f"run {run} is neither open nor closed: its row in {NAMED} says '{shown or 'NULL'}'" in said and "--force" in said
    assert table.value(f"SELECT count(*) FROM {NAMED}") == 3
    forced = ledger("forget", run, force=True).stdout
    assert "2 rows removed" in forced and "its own row stays" in forced
    assert "1 row removed" in ledger("forget", run).stdout and not table.value(f"SELECT count(*) FROM {NAMED}")


@pytest.mark.rule(44)
def test_forced_forgetting_waits_for_the_chunk_in_flight(ledger, opened, table):
    client = opened()
    run = a_run(client, chunks=1, close=False)
    table.shut(0)
    client.start("chunk", 2, "none", "-", "SELECT pass(1)")
    table.await_held(1, "plain")
    forgetting = ledger("forget", run, force=True, wait=False)
    try:
        eventually(lambda: table.sql("SELECT 1 FROM pg_stat_activity WHERE usename = 'app' AND wait_event_type = 'Lock'"),
                   "it waits")
    finally:
        table.open_up()
    assert client.finish().status == 0
    assert forgetting.finish() == 0 and "2 rows removed" in forgetting.stdout
    assert table.sql(f"SELECT chunk, state FROM {NAMED}") == [(0, "closed")], "no chunk is left"


# ---- runs -------------------------------------------------------------------------------------------

@pytest.mark.rule(36, 37)
@pytest.mark.both_servers
def test_run_takes_chunks_while_it_is_open_alone(opened, table):
    client = opened()
    run = client.do("make", IDENTITY).text
    refused = client.do("chunk", 1, "none", "-", "SELECT 1")
    assert "23502" in refused.text and "failed" in refused.text
    for _ in range(2):
        assert client.do("open").status == 0
        assert client.do("chunk", 1, "none", "-", "SELECT 7") in [(0, "7"), (0, "already ")]
    assert client.do("chunk", 2, "now", "+at once", "SELECT 8") == (0, "8")
    assert client.do("chunk", 2, "now", "+at once", "SELECT 8") == (0, "already at once")
    assert client.do("chunk", 3, "now", "with the COMMIT", "SELECT 9") == (0, "9")
    assert client.do("chunk", 3, "now", "with the COMMIT", "SELECT 9") == (0, "already with the COMMIT")
    assert "23502" in client.do("chunk", 4, "7/00000001/1.0/2.0", "-", "SELECT 1").text, "another incarnation's"
    assert client.do("find").text.split()[:5] == [run, IDENTITY, "open", "3", "100"]
    assert client.do("close", 3).text == "closed"
    refused = client.do("chunk", 4, "now", "-", "SELECT 1")
    assert "23502" in refused.text
    assert client.do("find").text == ""
    assert client.do("read").text.split()[:4] == [run, IDENTITY, "closed", "3"]
    assert "is closed" in client.do("open").text
    client.do("adopt", run, "cd" * 32)
    assert client.do("open").status == 3 and client.do("close", 3).text == "not closed", "another job's"


@pytest.mark.rule(42)
def test_chunk_that_is_missing_keeps_the_run_open(opened, table):
    client = opened()
    run = a_run(client, chunks=4, close=False)
    assert client.do("count", 4).text == "open 4 same"
    table.sql(f"DELETE FROM {NAMED} WHERE run = %s AND chunk = 2", run)
    assert client.do("count", 4).text == "open 3 same"
    assert client.do("count", 1).text == "open 1 same"
    assert client.do("close", 4) == (0, "not closed")
    assert client.do("empty").status == 0
    assert client.do("count", 4).text == "open 3 same", "an open run's chunks stay"
    assert client.do("chunk", 2, "now", "-", "SELECT 1").status == 0
    for _ in range(2):
        assert client.do("close", 4) == (0, "closed")
        assert client.do("empty").status == 0
    assert table.sql(f"SELECT chunk, state FROM {NAMED} WHERE run = %s", run) == [(0, "closed")]
    assert client.do("count", 4).text.startswith("closed")


@pytest.mark.rule(42, 43)
def test_restart_of_the_server_is_another_incarnation(opened, own_cluster):
    own_cluster.sql(f"CREATE TABLE public.holdfast_ledger {TABLE}; GRANT ALL ON holdfast_ledger TO PUBLIC")
    client = opened("holdfast_ledger", at=own_cluster)
    assert client.opened.text.startswith("public.holdfast_ledger ")
    a_run(client, chunks=2, close=False)
    own_cluster.restart()
    assert "23502" in client.do("chunk", 3, "now", "-", "SELECT 1").text
    counted = client.do("count", 2).text
    assert counted.startswith("open 2 ") and "same" not in counted, "the count tells who counted"
    assert client.do("check").status == 0
    assert client.do("count", 2).text == "open 2 same"
    assert client.do("chunk", 3, "now", "-", "SELECT 1").status == 0
    own_cluster.sql(f"DROP TABLE holdfast_ledger; CREATE TABLE holdfast_ledger {TABLE}; "
                    "GRANT ALL ON holdfast_ledger TO PUBLIC")
    replaced = client.do("check")
    assert replaced.status == 3 and "another table now" in replaced.text


@pytest.mark.rule(43)
def test_role_that_may_not_ask_for_the_incarnation_has_none_compared(opened, own_cluster):
    own_cluster.sql(f"CREATE TABLE public.holdfast_ledger {TABLE}; GRANT ALL ON holdfast_ledger TO PUBLIC")
    own_cluster.sql("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    client = opened("holdfast_ledger", at=own_cluster)
    assert client.opened.text.split()[1].startswith("/0"), "all but the system identifier"
    a_run(client)
    own_cluster.sql("REVOKE EXECUTE ON FUNCTION pg_current_wal_insert_lsn() FROM PUBLIC")
    client = opened("holdfast_ledger", at=own_cluster)
    assert client.opened == (0, "public.holdfast_ledger ")
    a_run(client)


@pytest.mark.rule(42, 43)
def test_standby_is_listed_and_neither_checks_nor_counts(holdfast, opened, primary, standby, proxy_to):
    primary.sql(f"CREATE TABLE public.holdfast_ledger {TABLE}; GRANT ALL ON holdfast_ledger TO PUBLIC")
    proxy = proxy_to(primary)
    client = opened("holdfast_ledger", dsn=primary.dsn("plain", port=proxy.port))
    run = a_run(client, chunks=2, close=False)
    standby.await_caught_up()
    assert run in holdfast("ledger", "list", dsn=standby.dsn("plain")).stdout
    refused = opened("holdfast_ledger", dsn=standby.dsn("plain")).opened
    assert refused.status == 4 and "a standby answered" in refused.text
    proxy.target_port = standby.port
    proxy.cut_all()
    client.start("count", 2)
    eventually(lambda: "FOR SHARE in a read-only transaction" in standby.log.read_text(), "the standby was asked")
    standby.promote()
    counted = client.finish()
    assert counted.status == 0 and counted.text.startswith("open 2 ") and "same" not in counted.text


@pytest.mark.rule(36)
def test_late_attempt_finds_the_run_closed(opened, table, proxy_to):
    """A backend is stopped with a chunk unread in its socket; the run is closed and its rows go; then the backend wakes."""
    proxy = proxy_to(table)
    client, late = opened(), opened(dsn=table.dsn("limited", port=proxy.port))
    run = a_run(client, chunks=1, close=False)
    late.do("adopt", run, IDENTITY)
    pid, = table.sessions("limited")
    os.kill(pid, signal.SIGSTOP)
    try:
        late.start("chunk", 2, "none", "-", "INSERT INTO single VALUES (4711, 'late') RETURNING line")
        eventually(lambda: b"4711" in bytes(proxy.links[0].up), "the chunk is with the server")
        assert client.do("chunk", 2, "none", "-", "SELECT 1").status == 0
        assert client.do("close", 2) == (0, "closed")
        assert client.do("empty").status == 0
    finally:
        os.kill(pid, signal.SIGCONT)
    refused = late.finish()
    assert refused.status and "23502" in refused.text
    assert table.value("SELECT count(*) FROM single WHERE line = 4711") == 0


@pytest.mark.rule(43, 44)
def test_job_whose_open_run_was_forgotten_applies_nothing_twice(ledger, server, make_job):
    """`report --ledger` on a table that `ledger create` made; its run is listed, then removed under it by force."""
    ledger("create")
    server.sql("CREATE TABLE work.done (line int); GRANT ALL ON work.done TO app")
    job = make_job(200, sql="INSERT INTO work.done VALUES (pass($1::int))", gate=100)
    options = {"write": True, "ledger": NAMED, "batch": 10}
    run = job.start(**options)
    eventually(lambda: server.value(f"SELECT count(*) FROM {NAMED}") > 5, "chunks are done")
    job.held.send(signal.SIGTERM)
    assert run.finish() == 4
    row, = json.loads(ledger("list", format="json").stdout)
    assert (row["state"], row["batch"], row["output"]) == ("open", 10, str(job.output))
    job.open_up()
    applied = server.value("SELECT count(*) FROM work.done")
    ledger("forget", row["run"], force=True)
    for _ in range(2):
        refused = job.start(**options)
        assert refused.finish() == 3 and "--restart begins a new run" in refused.stderr
        assert server.value("SELECT count(*) FROM work.done") == applied
        server.restart()  # which could have lost the run's row: it is there, closed
