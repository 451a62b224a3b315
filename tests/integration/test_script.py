"""`holdfast query` with a script: several statements, transactions among them, values by name, and how rows are shown."""

import json
import subprocess

import pytest

from harness.program import clean_environment
from harness.proxy import Plan

SCRIPT = """
-- what a script may have
INSERT INTO single VALUES (1, :note);
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO single VALUES (2, $$a;b$$);
SELECT count(*) AS n, current_setting('transaction_isolation') AS level FROM single;
COMMIT;
SELECT line, note FROM single ORDER BY line;
"""


@pytest.fixture
def query(holdfast, own_cluster):
    own_cluster.sql("DROP TABLE IF EXISTS single; CREATE TABLE single (line int, note text); GRANT ALL ON single TO app")

    def run(*words, dsn=None, **options):
        return holdfast("query", *words, dsn=dsn or own_cluster.dsn(), **options)
    return run


@pytest.fixture
def script(tmp_path):
    def write(text):
        path = tmp_path / "script.sql"
        path.write_text(text)
        return str(path)
    return write


def lines(cluster):
    return cluster.value("SELECT coalesce(string_agg(line || note, ' ' ORDER BY line), '') FROM single")


def test_statements_of_a_script_run_in_order(query, script, own_cluster):
    run = query("-f", script(SCRIPT), "-v", "note=O'Hara;", write=True, format="csv")
    assert run.stdout == "n,level\n2,serializable\nline,note\n1,O'Hara;\n2,a;b\n"
    run = query("SELECT 1 AS a; ; SELECT 2 AS b", format="json")
    text, decoder = run.stdout, json.JSONDecoder()
    one, at = decoder.raw_decode(text)
    two, _ = decoder.raw_decode(text[at:].lstrip())
    assert (one, two) == ([{"a": 1}], [{"b": 2}]), "an array for each statement"


def test_script_from_standard_input(program, query, own_cluster, tmp_path):
    words = [program, "query", "-f", "-", "-vnote=x", "--write", "--format", "csv", "--dsn", own_cluster.dsn()]
    run = subprocess.run(words, input=SCRIPT, capture_output=True, text=True, check=True, env=clean_environment(tmp_path))
    assert run.stdout.endswith("1,x\n2,a;b\n")


@pytest.mark.rule(13)
def test_single_transaction_is_all_or_nothing(query, script, own_cluster):
    path = script("INSERT INTO single VALUES (1, 'a');\nINSERT INTO single VALUES (2, 'b');\n\nSELECT 1 / 0;\n")
    run = query("-f", path, "--single-transaction", write=True, status=1)
    assert f"{path}:4: " in run.stderr and "22012" in run.stderr and "nothing of its transaction stands" in run.stderr
    assert lines(own_cluster) == "", "undone"
    run = query("-f", path, write=True, status=1)
    assert f"{path}:4: " in run.stderr and "2 statements before it were done" in run.stderr
    assert lines(own_cluster) == "1a 2b", "each statement is a transaction of its own"
    own_cluster.sql("TRUNCATE single")
    query("-1", "INSERT INTO single VALUES (1, 'a'); INSERT INTO single VALUES (2, 'b')", write=True)
    assert lines(own_cluster) == "1a 2b"


def test_first_error_ends_a_script(query, script, own_cluster):
    path = script("INSERT INTO single VALUES (1, 'a');\nSELEKT 1;\nINSERT INTO single VALUES (2, 'b');\n")
    run = query("-f", path, write=True, status=1)
    assert f"{path}:2: " in run.stderr and "42601" in run.stderr
    assert "1 statement before it was done" in run.stderr
    assert lines(own_cluster) == "1a"


@pytest.mark.rule(14)
def test_transaction_whose_link_is_cut_is_printed_once(query, script, own_cluster, proxy):
    proxy.next(Plan(cut_down=3000, after_login=True))
    path = script("BEGIN; SELECT g AS a FROM generate_series(1, 300) g; SELECT g AS b FROM generate_series(1, 300) g; COMMIT")
    run = query("-f", path, dsn=own_cluster.dsn("plain", port=proxy.port), format="csv", retry_delay="50ms")
    numbers = "".join(f"{n}\n" for n in range(1, 301))
    assert run.stdout == "a\n" + numbers + "b\n" + numbers
    assert proxy.count == 2


def test_notices_are_told_on_stderr(query):
    run = query("DO $$ BEGIN RAISE NOTICE 'so far so good'; END $$", write=True)
    assert "NOTICE" in run.stderr and "so far so good" in run.stderr and "so far" not in run.stdout


@pytest.mark.parametrize("sql", [
    "SELECT g, NULL AS n, E'x\\ny' AS t, 'long one' FROM generate_series(1,2) g",
    "SELECT 1 AS a", "SELECT 'short' AS a_rather_long_name, 2 AS b", "SELECT 1 AS a WHERE false"])
def test_expanded_is_what_psql_prints(query, own_cluster, sql):
    ours = query("-x", "--null", "(null)", sql).stdout
    theirs = subprocess.run(["psql", "-X", "-h", own_cluster.folder, "-p", str(own_cluster.port), "-U", "postgres",
                             "-d", "db", "-P", "pager=off", "-P", "null=(null)", "-x", "-c", sql],
                            check=True, capture_output=True, text=True).stdout
    assert ours == theirs


def test_null_is_shown_as_asked(query):
    assert query("--null", "NIL", "SELECT NULL AS a, '' AS b", format="csv").stdout == 'a,b\nNIL,""\n'
    assert "NIL" in query("--null", "NIL", "SELECT NULL AS a").stdout


@pytest.mark.parametrize("words, says", [
    (["-f", "x.sql", "SELECT 1"], "--file and a statement beside it"), (["-x", "SELECT 1", "--format", "csv"], "--expanded"),
    (["--null", "x", "SELECT 1", "--format", "json"], "--null"), (["-v", "a=1", "--param", "2", "SELECT :a"], "use one of them"),
    (["--param", "1", "SELECT $1; SELECT 2"], "--param is for one statement, and there are 2"),
    (["SELECT 1; \\d"], "\\d is a command of psql's"), (["-f", "missing.sql"], "missing.sql"),
    (["-q", "SELECT 1"], "two dashes"), (["-xy", "SELECT 1"], "two dashes"), (["-f"], "--file needs a value"),
    (["SAVEPOINT a; SELECT 1"], "SAVEPOINT"), (["  ;; "], "no statement"), (["-v", "b=1", "SELECT 1"], "-v b")])
def test_what_makes_no_sense_is_refused_by_name(query, words, says):
    run = query(*words, status=1)
    assert says in run.stderr and run.stdout == ""
