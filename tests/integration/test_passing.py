"""What passes by itself is waited out, and a line for which it does not pass stays undone: SEMANTICS.md 17, REPORT.md 29."""

import pytest

from harness.program import TOO_SLOW, rows_of
from harness.waiting import eventually

QUICK = {"max_retries": 2, "retry_delay": "20ms", "first_delay": 0, "max_retry_delay": "50ms"}
KILLS_ITSELF = "SELECT CASE WHEN $1::int = 30 THEN pg_terminate_backend(pg_backend_pid()) END AS killed"


@pytest.fixture
def make(make_job, cluster):
    def made(sql, rows=60):
        return make_job(rows=rows, sql=sql, dsn=cluster.dsn("plain"))
    return made


def refusing(state):
    """A read that line 30 never gets through."""
    return f"SELECT refuse($1::int, 30, '{state}') AS n"


@pytest.mark.rule(29)
@pytest.mark.parametrize("sql", [refusing("40001"), refusing("40P01"), KILLS_ITSELF], ids=["40001", "40P01", "killed"])
def test_line_out_of_retries_stops_the_job_and_stays_undone(make, sql):
    job = make(sql)
    said = job.run(status=4, **QUICK).stderr
    assert "line 31 of" in said and "--max-retries" in said and "--out-of-retries reject" in said
    assert not job.output.exists() and not job.rejects.exists()
    assert [row[0] for row in rows_of(job.part)[1:]] == [str(i) for i in range(1, 30)]
    job.query.write_text(sql)
    assert "line 31 of" in job.run(status=4, **QUICK).stderr


@pytest.mark.rule(29)
@pytest.mark.parametrize("sql, code", [(refusing("40001"), "40001"), (KILLS_ITSELF, "57P01")], ids=["40001", "killed"])
def test_out_of_retries_reject_goes_on_without_the_line(make, sql, code):
    """The setting may be given in the run that meets the fault, and in a run that resumes: the job is the same."""
    for first in (None, "stop"):
        job = make(sql)
        if first:
            job.run(status=4, **QUICK)
        job.run(status=2, out_of_retries="reject", **QUICK)
        header, *lines = rows_of(job.rejects)
        assert header == ["line", "id", "code", "message"] and len(lines) == 1
        assert lines[0][:3] == ["31", "30", code] and "max_retries" in lines[0][3]
        assert [row[0] for row in rows_of(job.output)[1:]] == [str(i) for i in range(1, 61) if i != 30]


@pytest.mark.rule(29)
def test_out_of_retries_reject_never_calls_a_write_refused_that_may_have_been_done(make):
    """The line's session ended each time before the server said what became of the write: the line is unknown."""
    job = make(KILLS_ITSELF)
    job.run(status=5, write=True, replay="safe", out_of_retries="reject", **QUICK)
    assert [row[0] for row in rows_of(job.unknown)[1:]] == ["31"] and not job.rejects.exists()
    assert len(rows_of(job.output)) == 60


@pytest.mark.rule(29)
def test_out_of_retries_knows_stop_and_reject_alone(make):
    assert "stop|reject" in make(refusing("40001")).run(status=1, out_of_retries="skip", log_file=None, summary=None).stderr


SHORTAGES = ("53000", "53100", "53200", "58030")


@pytest.fixture
def shortage(cluster):
    """A table that says which line the server refuses, and how: shortage(line, state), shortage() when it is over."""
    cluster.sql("CREATE TABLE shortage (line int, state text); GRANT ALL ON shortage TO PUBLIC;"
                """CREATE FUNCTION short(n int) RETURNS int LANGUAGE plpgsql AS $$
                   DECLARE it shortage;
                   BEGIN SELECT * INTO it FROM shortage WHERE line = n OR line IS NULL;
                   IF it.state IS NOT NULL THEN RAISE EXCEPTION 'no room for line %', n USING ERRCODE = it.state; END IF;
                   RETURN n; END $$""")

    def of(state=None, line=None):
        cluster.sql("DELETE FROM shortage")
        if state:
            cluster.sql("INSERT INTO shortage VALUES (%s, %s)", line, state)
    yield of
    cluster.sql("DROP FUNCTION short; DROP TABLE shortage")


@pytest.mark.found("T6")
@pytest.mark.rule(17)
@pytest.mark.parametrize("state", SHORTAGES)
@pytest.mark.parametrize("write", [False, True])
def test_shortage_that_all_lines_meet_is_an_outage_and_rejects_none(make, cluster, shortage, state, write):
    job = make("SELECT short($1::int) AS n")
    shortage(state)
    before = cluster.log.read_text().count("no room for line")
    run = job.start(write=write, **QUICK)
    eventually(lambda: cluster.log.read_text().count("no room for line") > before + 12, "more than one line's retries")
    shortage()
    run.check(0)
    job.complete()
    assert not job.rejects.exists()


@pytest.mark.found("T6")
@pytest.mark.rule(29)
@pytest.mark.parametrize("state", SHORTAGES)
def test_shortage_that_one_line_meets_leaves_it_undone(make, shortage, state):
    """The limit is max_retries while other lines are still answered, max_outage when line 30 is alone by then."""
    job = make("SELECT short($1::int) AS n")
    shortage(state, 30)
    said = job.run(status=4, max_outage="1s", **QUICK).stderr
    assert ("line 31 of" in said and "--max-" in said or TOO_SLOW in said) and not job.rejects.exists()
    shortage()
    job.run(status=0, **QUICK)
    job.complete()


@pytest.mark.found("T6")
@pytest.mark.rule(17)
def test_shortage_while_the_query_is_prepared_is_waited_out(make_job, cluster):
    """A lock on the table that the query names: 55P03 while it is parsed."""
    cluster.sql("CREATE TABLE locked AS SELECT 1 AS one; GRANT ALL ON locked TO PUBLIC;"
                "ALTER ROLE plain SET lock_timeout = '50ms'")
    try:
        job = make_job(rows=3, sql="SELECT one, $1::int AS n FROM locked", dsn=cluster.dsn("plain"))
        holder = cluster.connect()
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE locked")
        run = job.start(retry_delay="20ms", max_retry_delay="50ms", max_retries="forever")
        eventually(lambda: cluster.log.read_text().count("canceling statement due to lock timeout") >= 3, "it is refused")
        holder.rollback()
        run.check(0)
        assert job.output.read_text() == "id,one,n\n1,1,1\n2,1,2\n3,1,3\n"
        holder.close()
    finally:
        cluster.sql("ALTER ROLE plain RESET lock_timeout")
        cluster.sql("DROP TABLE locked")


@pytest.mark.found("T6")
@pytest.mark.rule(17)
def test_lock_that_passes_is_waited_out_and_rejects_none(make_job, cluster):
    cluster.sql("CREATE TABLE locked AS SELECT i AS id, 0 AS n FROM generate_series(1, 40) i; GRANT ALL ON locked TO PUBLIC;"
                "ALTER ROLE plain SET lock_timeout = '50ms'")
    try:
        job = make_job(rows=40, sql="UPDATE locked SET n = n + 1 WHERE id = $1::int RETURNING n", dsn=cluster.dsn("plain"))
        holder = cluster.connect()
        holder.autocommit = False
        holder.cursor().execute("SELECT 1 FROM locked WHERE id > 10 FOR UPDATE")
        before = cluster.log.read_text().count("canceling statement due to lock timeout")
        run = job.start(write=True, retry_delay="20ms", max_retry_delay="50ms", max_retries="forever")
        eventually(lambda: cluster.log.read_text().count("canceling statement due to lock timeout") >= before + 3,
                   "it is refused")
        holder.rollback()
        run.check(0)
        assert not job.rejects.exists() and cluster.value("SELECT sum(n) FROM locked") == 40
        holder.close()
    finally:
        cluster.sql("ALTER ROLE plain RESET lock_timeout")
        cluster.sql("DROP TABLE locked")


@pytest.mark.found("T6")
@pytest.mark.rule(17)
def test_somebody_elses_cancel_of_a_read_runs_it_again(make, cluster):
    job = make("SELECT pass($1::int) AS n", rows=60)
    job.gate = 5
    cancelled = "canceling statement due to user request"
    run = job.start()
    for at in (5, 20, 35):                  # each time other lines: what is cancelled twice is given up
        run.await_lines(at + 1)             # those that were cancelled before are done
        cluster.await_held(3, "plain")
        before = cluster.log.read_text().count(cancelled)
        cluster.sql("SELECT pg_cancel_backend(unnest(%s))", cluster.sessions("plain", "active"))
        eventually(lambda n=before + 3: cluster.log.read_text().count(cancelled) == n, "they are cancelled")
        job.shut(at + 15)
    run.check(0)
    assert not job.rejects.exists() and len(rows_of(job.output)) == 61
