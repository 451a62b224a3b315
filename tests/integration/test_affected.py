"""How many rows a write touched: a count of the lines without effect, and a column on demand."""

import pytest

from harness.program import rows_of

UPDATE = "UPDATE single SET note = 'seen' WHERE line = $1::int"
REPLAYS = ("safe", "unsent", "resolve")


@pytest.fixture
def three(cluster):
    """The table single with lines 1 to 3, and what becomes of it."""
    cluster.sql("TRUNCATE single")
    cluster.sql("INSERT INTO single SELECT i, 'new' FROM generate_series(1, 3) i")
    yield cluster
    cluster.sql("TRUNCATE single")


@pytest.mark.found("R4")
@pytest.mark.parametrize("replay", REPLAYS)
@pytest.mark.both_servers
def test_update_of_no_row_is_counted_as_without_effect(make_job, three, replay):
    job = make_job(rows=5, sql=UPDATE, dsn=three.dsn("plain"))
    run = job.run(status=0, write=True, replay=replay)
    assert "5 of 5 done, 2 of these without effect" in run.stderr
    assert run.summary["lines_without_effect"] == 2
    assert three.value("SELECT count(*) FROM single WHERE note = 'seen'") == 3


@pytest.mark.found("R4")
@pytest.mark.parametrize("sql, write, lines", [
    ("DELETE FROM single WHERE line = $1::int RETURNING line", True, 2),
    ("INSERT INTO single VALUES ($1::int, 'new') ON CONFLICT DO NOTHING", True, 3),
    ("-- one word\nWITH gone AS (SELECT 1) UPDATE single SET note = 'x' WHERE line = $1::int", True, 2),
    ("DO $$ BEGIN END $$", True, None),                # the server gives no count: nothing is said
    ("SELECT line FROM single WHERE line = $1::int", False, None),
], ids=["delete-returning", "insert", "with", "no-count", "read"])
def test_lines_without_effect_are_counted_where_the_server_counts(make_job, three, sql, write, lines):
    job = make_job(rows=5, sql=sql, dsn=three.dsn("plain"), params="id" if "$1" in sql else None)
    run = job.run(status=0, write=write)
    assert run.summary["lines_without_effect"] == lines
    assert ("without effect" in run.stderr) == bool(lines)


@pytest.mark.found("R4")
@pytest.mark.parametrize("replay", REPLAYS)
def test_affected_is_a_last_column_on_demand(make_job, three, replay):
    job = make_job(rows=5, sql=UPDATE, dsn=three.dsn("plain"))
    job.run(status=0, write=True, replay=replay, affected=True)
    assert job.output.read_text() == "id,affected\n1,1\n2,1\n3,1\n4,0\n5,0\n"


@pytest.mark.found("R4")
def test_affected_stands_behind_each_row_of_a_result(make_job, three):
    sql = "UPDATE single SET note = E'two\\nlines' WHERE line <= $1::int AND $1::int < 3 RETURNING line, note"
    job = make_job(rows=3, sql=sql, dsn=three.dsn("plain"))
    job.run(status=0, write=True, affected=True)
    assert rows_of(job.output) == [["id", "line", "note", "affected"], ["1", "1", "two\nlines", "1"],
                                   ["2", "1", "two\nlines", "2"], ["2", "2", "two\nlines", "2"], ["3", "", "", "0"]]


@pytest.mark.found("R4")
def test_affected_is_empty_where_the_server_gives_no_count(make_job, three):
    job = make_job(rows=2, sql="DO $$ BEGIN END $$", dsn=three.dsn("plain"), params=None)
    job.run(status=0, write=True, affected=True)
    assert job.output.read_text() == "id,affected\n1,\n2,\n"


@pytest.mark.found("R4")
@pytest.mark.parametrize("replay", REPLAYS)
@pytest.mark.parametrize("affected", [False, True])
def test_counts_survive_kill_9(make_job, cluster, replay, affected):
    """Every even line finds no row; a line that was noted as done, or asked about, keeps its count."""
    sql = "INSERT INTO ledger(line) SELECT pass($1::int) FROM pg_sleep(0.01) WHERE $1::int % 2 = 1"
    cluster.sql("TRUNCATE ledger")
    job = make_job(rows=300, sql=sql, dsn=cluster.dsn("plain"))
    options = {"write": True, "replay": replay, "affected": affected}
    for at in (60, 160):
        run = job.start(**options)
        run.await_lines(at)
        run.end()
    run = job.start(**options)
    assert run.finish() in ((0, 5) if replay == "unsent" else (0,)), run.tail()
    lost = run.summary["lines_unknown"]
    assert run.summary["lines_without_effect"] in range(150 - lost, 151)
    if affected:
        counts = {row[0]: row[1] for row in rows_of(job.output)[1:]}
        assert len(counts) == 300 - lost and all(int(n) % 2 == int(count) for n, count in counts.items())
    cluster.sql("TRUNCATE ledger")


@pytest.mark.found("R4")
@pytest.mark.rule(27)
def test_resume_with_another_affected_is_another_job(make_job, three):
    job = make_job(rows=200, sql=UPDATE.replace("$1::int", "pass($1::int) AND pg_sleep(0.01) IS NOT NULL"), dsn=three.dsn("plain"))
    run = job.start(write=True)
    run.await_lines(20)
    run.end()
    assert "--affected" in job.run(status=3, write=True, affected=True).stderr
