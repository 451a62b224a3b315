"""--order-by COLUMN: lines with the same value run one after the other, in input order, however many run at once."""

import contextlib

import pytest

from harness.program import rows_of
from harness.waiting import eventually

# Each line is noted when its statement ends; how long that takes is drawn.
NOTED = "INSERT INTO ledger(line, note) SELECT pass($1), :who FROM pg_sleep(random() * 0.02)"
PEOPLE = ("ann", "bob", "", None, "Ann")
LINES = [(str(i), PEOPLE[i * 7 % 5]) for i in range(1, 121)]


@pytest.fixture
def emptied(cluster):
    """The table ledger, empty, and what becomes of it."""
    cluster.sql("TRUNCATE ledger RESTART IDENTITY")
    yield cluster
    cluster.sql("TRUNCATE ledger RESTART IDENTITY")


def in_order(cluster, lines=None):
    """Each value's lines as they were noted, those of NULL as one value; held against the input."""
    for person in PEOPLE:
        seen = cluster.value("SELECT coalesce(string_agg(line::text, ',' ORDER BY run_id), '') FROM ledger "
                             f"WHERE note IS NOT DISTINCT FROM {'NULL' if person is None else repr(person)}")
        assert seen == ",".join(line for line, who in lines or LINES if who == person), person


def ordered_job(make_job, cluster, rows=None, sql=NOTED, **options):
    return make_job(rows=rows or LINES, header=("id", "who"), sql=sql, params="id", dsn=cluster.dsn("plain"), **options)


@pytest.mark.rule(53)
@pytest.mark.parametrize("window", [64, 7, 2000])
def test_lines_of_one_value_run_in_input_order_and_others_beside_them(make_job, emptied, window):
    job = ordered_job(make_job, emptied)
    run = job.run(status=0, write=True, order_by="who", max_concurrent=4, window=window, replay="safe")
    in_order(emptied)
    assert run.summary["lines_done"] == len(LINES)
    assert [row[0] for row in rows_of(job.output)[1:]] == [line for line, _ in LINES]


@pytest.mark.rule(53)
def test_line_that_lasts_holds_up_those_of_its_value_alone(make_job, emptied):
    """Line 1 waits for a lock that the test holds: bob's lines go by, ann's second does not."""
    sql = ("INSERT INTO ledger(line, note) SELECT $1::int, :who FROM (SELECT CASE WHEN $1::int = 1 "
           "THEN pg_advisory_lock_shared(53) END) AS held")
    job = ordered_job(make_job, emptied, rows=[("1", "ann"), ("2", "ann"), ("3", "bob"), ("4", "bob"), ("5", "ann")], sql=sql)
    with contextlib.closing(emptied.connect()) as holder:
        holder.cursor().execute("SELECT pg_advisory_lock(53)")
        run = job.start(write=True, order_by="who", replay="unsent")
        eventually(lambda: emptied.value("SELECT count(*) FROM ledger WHERE note = 'bob'") == 2, "bob's lines")
        assert emptied.value("SELECT count(*) FROM ledger") == 2
        holder.cursor().execute("SELECT pg_advisory_unlock(53)")
        run.check(0)
    assert emptied.value("SELECT string_agg(line::text, ',' ORDER BY run_id) FROM ledger") == "3,4,1,2,5"


@pytest.mark.rule(53)
def test_refused_line_frees_the_next_of_its_value(make_job, emptied):
    rows = [(str(i) if i % 3 else "none", "ann") for i in range(1, 13)] + [("13",), ("14", "ann")]
    job = ordered_job(make_job, emptied, rows=rows)
    job.run(status=2, write=True, order_by="who")
    in_order(emptied, [row for row in rows if len(row) == 2 and row[0] != "none"])
    assert len(rows_of(job.rejects)) == 1 + 5


@pytest.mark.rule(53)
@pytest.mark.parametrize("replay", ["resolve", "safe"])
def test_order_holds_over_kill_9_and_resume(make_job, emptied, replay):
    job = ordered_job(make_job, emptied)
    for at in (20, 60):
        run = job.start(write=True, order_by="who", replay=replay, max_concurrent=6)
        run.await_lines(at)
        run.end()
        emptied.end_sessions()                  # what the killed job's sessions still run would come too late
    assert "--order-by" in job.run(status=3, write=True, replay=replay).stderr
    job.run(status=0, write=True, order_by="who", replay=replay, max_concurrent=6)
    if replay == "safe":                        # what ran twice counts as it ran first
        emptied.sql("DELETE FROM ledger a USING ledger b WHERE a.line = b.line AND a.run_id > b.run_id")
    in_order(emptied)


@pytest.mark.rule(52, 53)
def test_shards_by_value_keep_the_order_and_are_put_together_to_the_whole(make_job, emptied, holdfast):
    job = ordered_job(make_job, emptied)
    job.run(status=0, write=True, order_by="who")
    whole, parts = job.output.read_bytes(), []
    emptied.sql("TRUNCATE ledger RESTART IDENTITY")
    for number in (1, 2):
        parts.append(job.folder / f"part-{number}.csv")
        job.place_output(parts[-1])
        run = job.start(write=True, order_by="who", shard=f"{number}/2")
        run.await_lines(2)
        run.end()
        job.run(status=0, write=True, order_by="who", shard=f"{number}/2")
    in_order(emptied)
    who = [{row[1] for row in rows_of(part)[1:]} for part in parts]     # empty and NULL are both "" to this reader
    assert all(not {"ann", "bob", "Ann"} & one & other for one in who for other in who if one is not other)
    holdfast("merge", *parts, output=job.folder / "merged.csv")
    assert (job.folder / "merged.csv").read_bytes() == whole


@pytest.mark.rule(53)
def test_column_to_order_by_that_is_none_is_refused(make_job):
    job = make_job(rows=3)
    assert "--order-by: " in job.run(status=1, order_by="nme", log_file=None, summary=None).stderr
    job.nothing_written()
