"""What is kept prepared is kept only where it means the same each time."""

import pytest

from harness.program import rows_of

KEPT = "SELECT count(*) AS kept FROM pg_prepared_statements"       # its own statement is one while it runs, if it is kept


@pytest.fixture
def kept(make_job, cluster):
    """How many prepared statements each of the lines saw in its session."""
    def of(sql, **options):
        job = make_job(rows=4, sql=sql, params=None, dsn=cluster.dsn("plain"))
        job.run(status=0, max_concurrent=1, **options)
        return {row[-1] for row in rows_of(job.output)[1:]}
    return of


@pytest.mark.found("P1")
@pytest.mark.parametrize("literal", ["'now'", "' Now '", "E'now'", "U&'n\\006fw'", "$$now$$", "$t$now$t$", "'n'\n'ow'"],
                         ids=["plain", "blanks", "escaped", "unicode", "dollars", "tagged", "continued"])
def test_literal_that_names_the_moment_is_read_anew_for_each_line(make_job, cluster, literal):
    job = make_job(rows=4, sql=f"SELECT ({literal}::timestamptz - now())::text AS behind, pg_sleep(0.05)::text AS slept",
                   params=None, dsn=cluster.dsn("plain"))
    job.run(status=0, max_concurrent=1)
    assert [row[1] for row in rows_of(job.output)[1:]] == ["00:00:00"] * 4


@pytest.mark.found("P1")
@pytest.mark.both_servers
def test_query_is_kept_prepared_unless_it_names_the_moment_or_never_is_said(kept):
    assert kept(KEPT) == {"1"}
    assert kept(KEPT + " WHERE 'today'::date IS NOT NULL") == {"0"}
    assert kept(KEPT, prepare="never") == {"0"}
    assert kept(KEPT + " -- 'now'") == {"1"}
