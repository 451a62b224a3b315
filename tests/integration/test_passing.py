"""What passes by itself is waited out, and a line that it does not pass for stays undone: SEMANTICS.md 17 and 29."""

import pytest

from harness.program import rows_of

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
    """In the run that finds it, and in one that resumes where another stopped: it is no other job."""
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
    """Its session ended each time, without the server's word on it: the line is unknown."""
    job = make(KILLS_ITSELF)
    job.run(status=5, write=True, replay="safe", out_of_retries="reject", **QUICK)
    assert [row[0] for row in rows_of(job.unknown)[1:]] == ["31"] and not job.rejects.exists()
    assert len(rows_of(job.output)) == 60


@pytest.mark.rule(29)
def test_out_of_retries_knows_stop_and_reject_alone(make):
    assert "stop|reject" in make(refusing("40001")).run(status=1, out_of_retries="skip", log_file=None, summary=None).stderr
