"""report --ledger, what becomes of a chunk and of its lines (REPORT.md 37, 38, 40)."""

import contextlib
import os
import re
import signal

import pytest

from harness import expect
from harness.exactly_once import Applied, applied, begun, chunks, make_tables, rejected, writer
from harness.program import rows_of
from harness.proxy import Plan
from harness.waiting import eventually


@pytest.fixture
def server(own_cluster):
    return make_tables(own_cluster)


@pytest.fixture
def write(make_job, server):
    return writer(make_job, server)


# ---- 37: the chunk ------------------------------------------------------------------------------


@pytest.mark.rule(37)
def test_chunks_stay_as_the_run_began_them(make_job, server):
    job = Applied(make_job, server, "rows", lines=200, gated=True, gate=60)
    begun(job, server).end()
    run = job.run(batch=7, keep_ledger=True)
    assert "this one's chunks have 10 lines" in run.log
    assert chunks(server) == list(range(1, 21))
    assert "ledger forget" in run.log


@pytest.mark.rule(37)
@pytest.mark.parametrize("options, count", [({"batch": 1}, 20), ({"batch": 100}, 1), ({"batch": None}, 1), ({"limit": 15}, 2)])
def test_chunk_has_so_many_lines(write, server, options, count):
    job = write("INSERT INTO applied (id) VALUES ($1::int)")
    job.start(keep_ledger=True, **options).check(0)
    lines = options.get("limit", 20)
    assert chunks(server) == list(range(1, count + 1)) and applied(server) == list(range(1, lines + 1))


@pytest.mark.rule(37)
@pytest.mark.both_servers
def test_statement_s_own_23505_is_its_line_s(write, server):
    server.sql("INSERT INTO single VALUES (7, 'was there'), (13, 'was there')")
    job = write("INSERT INTO single VALUES ($1::int, 'new') RETURNING note")
    job.run(status=2)
    assert [row[:2] for row in rejected(job)] == [("7", "23505"), ("13", "23505")]
    assert server.sql("SELECT line FROM single WHERE note = 'new' ORDER BY 1") == [(i,) for i in range(1, 21) if i not in (7, 13)]


@pytest.mark.rule(37, 44)
def test_backend_that_wakes_up_behind_the_job_s_end_applies_nothing(write, server, proxy_to):
    """Stopped with a chunk unread in its socket; the job is finished, its rows removed, then the backend goes on."""
    proxy = proxy_to(server)
    job = write("INSERT INTO applied (id) SELECT pass($1::int)", rows=100, dsn=server.dsn("plain", port=proxy.port), gate=5)
    run = job.start(max_concurrent=1)
    server.await_held(1, "plain")
    pid = server.value("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    with run.stopped():
        job.shut(15)                                            # the first chunk ends, its answer waits for the job
        eventually(lambda: pid in server.sessions("plain", "idle"), "the first chunk is done")
        os.kill(pid, signal.SIGSTOP)
        sent = {link: link.up_count for link in proxy.links}
    try:
        eventually(lambda: any(link.up_count > sent[link] + 500 for link in proxy.links if link in sent), "the second is sent")
        run.end()
        job.open_up()
        job.run(status=0)
        assert applied(server) == list(range(1, 101)) and not chunks(server)
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: not server.sql("SELECT 1 FROM pg_stat_activity WHERE pid = %s", pid), "that backend has ended")
    assert "null value in column" in server.log.read_text()
    assert applied(server) == list(range(1, 101))


@pytest.mark.rule(37)
@pytest.mark.parametrize("order", [False, True])
def test_shards_apply_each_line_once_and_are_merged_to_the_whole(make_job, server, holdfast, order):
    job = Applied(make_job, server, "rows", lines=200)
    parts = []
    for number in (1, 2, 3):
        parts.append(job.job.folder / f"part-{number}.csv")
        job.job.place_output(parts[-1])
        job.start(shard=f"{number}/3", order_by="name" if order else None).finish()
    merged = job.job.folder / "merged.csv"
    holdfast("merge", *parts, output=merged, status=job.status)
    job.job.place_output(merged)
    job.holds()


@pytest.mark.rule(37, 53)
@pytest.mark.parametrize("batch", [1, 10, 100])
@pytest.mark.both_servers
def test_lines_of_one_value_are_applied_in_input_order(write, server, batch):
    """A chunk comes behind the last one that holds one of its values; within a chunk lines are in input order anyway."""
    server.sql("ALTER TABLE applied ADD COLUMN place bigserial")
    server.sql("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC")
    who = {i: i // batch % 5 if i % 7 else i % 11 for i in range(1, max(60, 12 * batch) + 1)}      # some chunks share none
    rows = [(str(i), f"who {value}") for i, value in who.items()]
    job = write("INSERT INTO applied (id, name) SELECT $1::int, $2 FROM pg_sleep(($1::int % 4) * 0.001)", rows=rows,
                header=("id", "who"), params="id,who")
    job.start(order_by="who", batch=batch, max_concurrent=3).check(0)
    for value in set(who.values()):
        assert server.value("SELECT array_agg(id ORDER BY place) FROM applied WHERE name = %s", f"who {value}") == \
            [i for i in who if who[i] == value]


@pytest.mark.rule(40, 53)
@pytest.mark.parametrize("batch", [10, 100])
def test_rows_that_every_chunk_updates_are_updated_in_input_order(write, server, batch):
    """Three connections, five rows, and --order-by the row: no chunk waits for a lock that one behind it holds."""
    server.sql("INSERT INTO applied (id, name) SELECT i, '' FROM generate_series(0, 4) i")
    rows = [(str(i), str((i * 7 + i // 3) % 5)) for i in range(1, 1001)]
    job = write("""UPDATE applied SET name = name || ' ' || $1
        FROM pg_sleep(CASE WHEN $1::int % 250 = 1 THEN 0.2 ELSE 0 END) WHERE id = $2::int""",
                rows=rows, header=("id", "row"), params="id,row")
    run = job.start(order_by="row", batch=batch, max_concurrent=3, max_retries=0).check(0)
    assert run.summary["lines_done"] == 1000 and not job.rejects.exists()
    for row in range(5):
        assert server.value("SELECT name FROM applied WHERE id = %s", row).split() == [i for i, at in rows if at == str(row)]


# ---- 38: what is kept ---------------------------------------------------------------------------


@pytest.mark.rule(38)
@pytest.mark.parametrize("rows", [False, True])
def test_file_and_refusals_are_those_of_the_committed_run(write, server, proxy_to, rows):
    """Each try draws other rows and other refusals, and the answer to every other COMMIT is lost. Where a try is sent
    again its refusals are what the ledger says, not what that try met."""
    proxy = proxy_to(server)
    seen = {"commits": 0}

    def lose(_, body, __):
        seen["commits"] += body.startswith(b"COMMIT")
        return body.startswith(b"COMMIT") and seen["commits"] % 2 == 1
    proxy.default = Plan(lose=lose, cut="fin")
    job = write("INSERT INTO applied (id, name) SELECT flaky($1::int, '22012', 0.1), random()::text"
                + (" RETURNING name" if rows else ""), rows=200, dsn=server.dsn("plain", port=proxy.port))
    run = job.run(status=2, max_retries="forever", retry_delay="20ms")
    proxy.default = Plan()
    done = rows_of(job.output)[1:]
    there = dict(server.sql("SELECT id::text, name FROM applied"))
    assert [row[0] for row in done] == sorted(there, key=int)
    assert not rows or dict(done) == there
    refused = rejected(job)
    assert [line for line, _, _ in refused] == [str(i) for i in range(1, 201) if str(i) not in there]
    assert {code for _, code, _ in refused} == {"22012"} and not job.unknown.exists()
    assert run.log.count("an attempt before did it") >= 5


@pytest.mark.rule(38)
def test_counts_that_a_lost_answer_took_are_said_to_be_unknown(write, server, proxy_to):
    """Without --affected nothing is kept of them; with it they are the committed run's."""
    proxy = proxy_to(server)
    lost = []

    def lose(_, body, __):
        if body.startswith(b"COMMIT") and len(lost) < 1:
            lost.append(body)
            return True
        return False
    proxy.default = Plan(lose=lose, cut="fin")
    job = write("INSERT INTO applied (id) SELECT $1::int", rows=20, dsn=server.dsn("plain", port=proxy.port))
    run = job.run()
    assert "of 10 lines it is not known how many rows they touched" in run.stderr
    server.sql("TRUNCATE applied")
    lost.clear()
    run = job.run(affected=True, restart=True)
    assert "not known" not in run.stderr
    assert job.output.read_text() == "id,affected\n" + "".join(f"{i},1\n" for i in range(1, 21))
    assert lost and applied(server) == list(range(1, 21))


@pytest.mark.rule(38)
@pytest.mark.parametrize("rows", [False, True])
def test_file_is_that_of_the_committed_try_when_the_job_dies_between_two(write, server, proxy_to, rows):
    """Each try draws other rows and other refusals. No COMMIT is answered, and the job is killed before it could try again:
    what the try of before was told is with the ledger alone."""
    proxy = proxy_to(server)
    lost = []

    def lose(_, body, __):
        if body.startswith(b"COMMIT"):
            lost.append(body)
        return body.startswith(b"COMMIT")
    proxy.default = Plan(lose=lose, cut="fin")
    job = write("INSERT INTO applied (id, name) SELECT flaky($1::int, '22012', 0.1), random()::text"
                + (" RETURNING name" if rows else ""), rows=300, dsn=server.dsn("plain", port=proxy.port))
    for _ in range(6):
        before = len(lost)
        run = job.start(retry_delay="60s", max_retry_delay="60s")
        eventually(lambda: len(lost) > before, "a chunk is committed, and nobody knows")      # noqa: B023
        run.end()
        job.runs.remove(run)
    assert len(applied(server)) < 250
    proxy.default = Plan()
    job.run(status=2)
    done, refused = rows_of(job.output)[1:], rejected(job)
    there = dict(server.sql("SELECT id::text, name FROM applied"))
    assert [row[0] for row in done] == sorted(there, key=int)
    assert not rows or dict(done) == there
    assert [line for line, _, _ in refused] == [str(i) for i in range(1, 301) if str(i) not in there]
    assert {code for _, code, _ in refused} == {"22012"} and not job.unknown.exists()


@pytest.mark.rule(28, 38)
@pytest.mark.parametrize("prepare", ["auto", "never"])
def test_columns_that_change_between_two_chunks_end_the_job_and_nothing_of_them_is_applied(make_job, server, prepare):
    """RETURNING *, and the table gets a column; without that it goes on."""
    job = Applied(make_job, server, "rows", lines=200, gated=True, gate=60)
    job.job.query.write_text(job.job.query.read_text().rpartition("RETURNING")[0] + "RETURNING *")
    run = begun(job, server)
    with run.stopped():
        server.end_sessions()
        server.sql("ALTER TABLE applied ADD COLUMN more text")
        before = applied(server)
    ended = run.check(3)
    assert re.search(r"lines \d+ to \d+ of \S+: the query's columns are not those it began with.*--restart applies all", ended.stderr)
    again = job.start().check(3)
    assert "the query's columns are not those" in again.stderr and applied(server) == before
    server.sql("ALTER TABLE applied DROP COLUMN more")
    job.run()
    assert applied(server) == [int(row[0]) for row in job.job.rows if row not in job.refused]
    assert rows_of(job.job.output)[1:] == [[*row, *row] for row in job.job.rows if row not in job.refused]


# ---- 40: refused lines --------------------------------------------------------------------------


@pytest.mark.rule(40)
def test_hundred_refused_lines_of_a_chunk_cost_themselves(write, server):
    job = write("INSERT INTO applied (id) SELECT 4 / ($1::int % 2) * 0 + $1::int", rows=200)
    job.run(status=2, batch=200)
    assert [(line, code) for line, code, _ in rejected(job)] == [(str(i), "22012") for i in range(2, 201, 2)]
    assert applied(server) == list(range(1, 201, 2))
    assert job.output.read_text() == "id\n" + "".join(f"{i}\n" for i in range(1, 201, 2))


@pytest.mark.rule(38, 40)
def test_line_of_a_wrong_width_is_its_own_refusal_in_each_try(write, server, proxy_to):
    """The ledger keeps nothing of such a line; the others' rows are found where the answer was lost."""
    proxy = proxy_to(server)
    proxy.default = Plan(lose=lambda _, body, link: body.startswith(b"COMMIT") and link.index % 2 == 0, cut="fin")
    rows = [(str(i), "a") if i % 7 else (str(i),) for i in range(1, 61)]
    job = write("INSERT INTO applied (id, name) VALUES ($1::int, $2) RETURNING id * 2 AS twice", rows=rows,
                header=("id", "name"), params="id,name", dsn=server.dsn("plain", port=proxy.port))
    job.run(status=2, max_retries="forever", retry_delay="20ms")
    good = [i for i in range(1, 61) if i % 7]
    assert applied(server) == good and len(rows_of(job.rejects)) == 1 + 60 - len(good)
    assert job.output.read_text() == "id,name,twice\n" + "".join(f"{i},a,{2 * i}\n" for i in good)


@pytest.mark.rule(40)
@pytest.mark.parametrize("last", [False, True])
def test_row_that_is_too_large_costs_its_line_alone(write, server, last):
    """Within a chunk, and as its last statement, behind which nothing is told any more but the end."""
    job = write(f"""INSERT INTO applied (id) VALUES ($1::int)
        RETURNING repeat('x', CASE WHEN id % 10 = {0 if last else 5} THEN 200000 ELSE 3 END) AS long""")
    job.gate = 0
    job.rows = [(str(i),) for i in range(1, 31)]
    job.cost_file.write_bytes(expect.csv_file(["id"], job.rows))
    job.run(status=2, max_row="64KiB", batch=10)
    large = [10, 20, 30] if last else [5, 15, 25]
    assert [(line, code) for line, code, _ in rejected(job)] == [(str(i), "HF_ERR_TOO_LARGE") for i in large]
    assert "the same key" not in job.rejects.read_text()      # the words of a caller that has one
    assert applied(server) == [i for i in range(1, 31) if i not in large]


@pytest.mark.rule(40)
def test_slowest_chunk_is_named_with_its_lines_and_once_though_it_ran_twice(write, server):
    job = write("INSERT INTO applied (id) SELECT refuse($1::int, $1::int / 10 * 10 + 5, '22012') FROM pg_sleep(0.002)")
    run = job.run(status=2, batch=10, max_concurrent=1)
    slowest = run.summary["slowest"]
    assert sorted((slow["line"], slow["last_line"]) for slow in slowest) == [(2, 11), (12, 21)]
    assert re.search(r"slowest +lines (2 to 11|12 to 21): [\d.]+ s, lines (2 to 11|12 to 21): [\d.]+ s\n", run.stderr)


@pytest.mark.rule(29, 40)
@pytest.mark.parametrize("state", ["40003", "40001", "57P01"])
def test_chunk_that_is_out_of_retries_is_named_with_all_its_lines(write, server, state):
    """Whose fault it is, is not known: nobody is sent to its first line."""
    died = "pg_terminate_backend(pg_backend_pid())" if state == "57P01" else f"flaky($1::int, '{state}', 1)"
    job = write(f"INSERT INTO applied (id) SELECT $1::int FROM (SELECT {died}) AS died WHERE $1::int = 15", rows=20)
    run = job.run(status=4, batch=10, max_retries=1, max_concurrent=1)
    assert "holdfast: lines 12 to 21 of " in run.stderr and state in run.stderr
    assert "the same key" not in run.stderr


@pytest.mark.rule(29, 37)
def test_chunk_that_is_too_slow_names_the_ways_out(write, server):
    job = write("INSERT INTO applied (id) SELECT pass($1::int)", rows=20)
    job.gate = 5
    said = job.start(batch=10, request_timeout="500ms", max_retries=0, max_concurrent=1).check(4, gate="shut").stderr
    assert re.search(r"lines 2 to 11 of .*: timed out after 0\.5 s .*a higher --request-timeout, which is for all lines of a chunk", said)
    assert "; a lower --batch is for a new run (--restart, which applies all lines once more)\n" in said
    job.open_up()
    job.run(batch=None, request_timeout="1m")
    assert applied(server) == list(range(1, 21))


@pytest.mark.rule(37)
def test_chunk_whose_rows_are_too_large_together_names_the_ways_out(write, server):
    job = write("INSERT INTO applied (id) SELECT $1::int RETURNING repeat('x', 20000) AS long", rows=20)
    said = job.run(status=3, batch=10, max_row="64KiB").stderr
    assert "a higher --max-row allows more; a lower --batch is for a new run (--restart, which applies all lines once more)\n" in said
    assert not applied(server)
    job.run(batch=None, max_row="1MiB")
    assert applied(server) == list(range(1, 21))


@pytest.mark.rule(29, 40)
@pytest.mark.parametrize("state", ["40001", "40P01", "53100"])
def test_line_that_always_says_what_passes_stops_the_job_and_another_sqlstate_rejects_it(write, server, state):
    """LEDGER.md says so: whose the conflict is cannot be told."""
    job = write(f"INSERT INTO applied (id) SELECT raised($1::int, '{state}')", rows=20)
    server.sql("""CREATE FUNCTION raised(line int, state text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        IF line = 15 THEN RAISE EXCEPTION 'always' USING ERRCODE = state; END IF; RETURN line; END $$""")
    said = job.run(status=4, batch=10, max_retries=1, max_concurrent=1, retry_delay="10ms").stderr
    assert f"lines 12 to 21 of " in said and state in said
    server.sql(f"""CREATE OR REPLACE FUNCTION raised(line int, state text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        IF line = 15 THEN RAISE EXCEPTION 'always' USING ERRCODE = 'P0001'; END IF; RETURN line; END $$""")
    job.run(status=2, batch=None)
    assert [code for _, code, _ in rejected(job)] == ["P0001"] and len(applied(server)) == 19


@pytest.mark.rule(17, 40)
def test_lock_that_is_not_to_be_had_is_waited_for_with_a_ledger_too(write, server):
    """Somebody else has inserted line 5's key and has not committed: lock_timeout refuses the line, not for good."""
    server.sql("ALTER ROLE plain SET lock_timeout = '50ms'")
    job = write("INSERT INTO single SELECT counted($1::int)")
    with contextlib.closing(server.connect()) as other:
        other.cursor().execute("BEGIN; INSERT INTO single VALUES (5)")
        run = job.start(max_retries="forever", retry_delay="10ms", max_retry_delay="50ms")
        eventually(lambda: server.value("SELECT last_value FROM tries") > 15, "the chunk is tried again")
        other.cursor().execute("ROLLBACK")
        run.check(0)
    assert not job.rejects.exists()
    assert server.sql("SELECT line FROM single ORDER BY 1") == [(i,) for i in range(1, 21)]


@pytest.mark.rule(27, 40)
def test_cell_that_no_server_takes_costs_its_line_alone(write, server):
    rows = [(str(i), "a\0b" if i in (3, 17, 20) else "a") for i in range(1, 21)]
    job = write("INSERT INTO applied (id, name) VALUES ($1::int, $2)", rows=rows, header=("id", "name"), params="id,name")
    job.run(status=2, batch=10)
    assert applied(server) == [i for i in range(1, 21) if i not in (3, 17, 20)]
    assert [row[3] for row in rows_of(job.rejects)[1:]] == ["HF_ERR_ARGUMENT"] * 3


@pytest.mark.rule(40)
def test_refusal_at_commit_costs_its_line_alone(write, server):
    """A deferred constraint speaks at the COMMIT, and names no line."""
    server.sql("ALTER TABLE applied ADD FOREIGN KEY (id) REFERENCES item DEFERRABLE INITIALLY DEFERRED")
    job = write("INSERT INTO applied (id) SELECT $1::int * 100")          # there are 2000 items
    job.gate = 0
    job.rows = [(str(i),) for i in range(15, 26)]
    job.cost_file.write_bytes(expect.csv_file(["id"], job.rows))
    job.run(status=2)
    assert [(line, code) for line, code, _ in rejected(job)] == [(str(i), "23503") for i in range(21, 26)]
    assert applied(server) == [i * 100 for i in range(15, 21)]


@pytest.mark.rule(40)
def test_chunks_that_touch_the_same_rows_in_other_orders_all_end(write, server):
    """Three connections whose every line updates one of five rows: their deadlocks are no retries."""
    server.sql("INSERT INTO applied (id, name) SELECT i, '0' FROM generate_series(0, 4) i")
    job = write("UPDATE applied SET name = (name::int + 1)::text WHERE id = ($1::int * 7 + $1::int / 3) % 5", rows=1500)
    run = job.run(batch=100, max_retries=0)
    assert server.value("SELECT sum(name::int) FROM applied") == 1500
    assert run.summary["lines_done"] == 1500 and not job.rejects.exists()
