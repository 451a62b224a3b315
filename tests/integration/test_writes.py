"""Statements that write: what may have run is never run again, and never called failed."""

import pytest

from harness.killing import KILLS, killed, seed_of
from harness.program import rows_of
from harness.proxy import Plan
from harness.waiting import eventually

INSERT = "INSERT INTO ledger (line, note) VALUES ($1::int, 'new') RETURNING run_id > 0 AS done"


@pytest.fixture
def ledger(cluster):
    """The table that counts how often each line was executed, empty."""
    cluster.sql("TRUNCATE ledger, single")

    def counts():
        return dict(cluster.sql("SELECT line, count(*)::int FROM ledger GROUP BY line"))
    return counts


def unknown_lines(job):
    return [row[1] for row in rows_of(job.unknown)[1:]] if job.unknown.exists() else []


def done_lines(job):
    return [row[0] for row in rows_of(job.output)[1:]]


def truth_holds(job, counts, lines):
    """No line was written twice; each is done or unknown and not both; what is called done is in the table."""
    done, unknown = [int(line) for line in done_lines(job)], [int(line) for line in unknown_lines(job)]
    assert all(count == 1 for count in counts.values()), "a line was written twice"
    assert sorted(done + unknown) == list(range(1, lines + 1))
    assert set(done) <= set(counts), "a line is called done and is not"
    return unknown


@pytest.mark.both_servers
def test_write_runs_every_line_exactly_once(make_job, ledger):
    job = make_job(rows=100, sql=INSERT)
    job.run(status=0, write=True)
    assert ledger() == {line: 1 for line in range(1, 101)}
    assert done_lines(job) == [str(line) for line in range(1, 101)]
    assert not job.unknown.exists()


def test_finished_write_run_again_writes_nothing(make_job, ledger):
    job = make_job(rows=10, sql=INSERT)
    for _ in range(2):
        job.run(status=0, write=True)
    assert ledger() == {line: 1 for line in range(1, 11)}


def test_statement_without_a_result_has_the_input_alone(make_job, ledger):
    job = make_job(rows=5, sql="INSERT INTO ledger (line) VALUES ($1::int)")
    job.run(status=0, write=True)
    assert job.output.read_bytes() == b"id\n1\n2\n3\n4\n5\n"
    assert len(ledger()) == 5


def test_unsent_write_whose_answer_is_lost_is_unknown_and_never_run_again(make_job, ledger, proxy, cluster):
    """The write is done, its answer does not come: exit 5, the line in unknown.csv, one row in the table."""
    job = make_job(rows=30, sql=INSERT, dsn=cluster.dsn("plain", port=proxy.port))
    cut = hold_answer_of(cluster, proxy, line=12)
    run = job.start(write=True, replay="unsent", max_concurrent=1)
    cut()
    run.check(5)
    assert ledger() == {line: 1 for line in range(1, 31)}
    assert unknown_lines(job) == ["12"]
    assert done_lines(job) == [str(line) for line in range(1, 31) if line != 12]
    again = job.run(status=5, write=True, replay="unsent")
    assert ledger() == {line: 1 for line in range(1, 31)}
    assert "exit 5" in again.stderr


def gate_of_each_insert(cluster, of="NEW.line"):
    """Each row of the table goes through the server's gate: cluster.shut(), cluster.open_up()."""
    cluster.sql(f"""CREATE OR REPLACE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pass({of}); RETURN NEW; END $$;
        CREATE OR REPLACE TRIGGER pause BEFORE INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION pause()""")


def hold_answer_of(cluster, proxy, line):
    """Keep the server's answers back from the line's INSERT on. Returns a call that waits for the INSERT and cuts the links."""
    gate_of_each_insert(cluster)
    cluster.shut(line - 1)

    def cut():
        try:
            eventually(lambda: cluster.value("SELECT count(*) FROM ledger") == line - 1
                       and cluster.sessions("plain", "active"), "the line before is done and this one runs")
            proxy.black_hole(up=False, down=True, only_existing=True)
            cluster.open_up()
            eventually(lambda: cluster.value("SELECT count(*) FROM ledger WHERE line = %s", line), "it is written")
            proxy.cut_all()
            proxy.heal()
        finally:
            cluster.sql("DROP TRIGGER pause ON ledger")
    return cut


@pytest.mark.rule(30)
def test_replay_safe_runs_a_lost_write_again(make_job, ledger, proxy, cluster):
    sql = "INSERT INTO single VALUES ($1::int, 'x') ON CONFLICT (line) DO UPDATE SET note = 'again' RETURNING line"
    job = make_job(rows=200, sql=sql, dsn=cluster.dsn("plain", port=proxy.port))
    proxy.next(*[Plan(cut_down=500 + 311 * step, after_login=True) for step in range(15)])
    run = job.run(status=0, write=True, replay="safe", retry_delay="10ms", max_retry_delay="20ms")
    assert cluster.value("SELECT count(*) FROM single") == 200
    assert done_lines(job) == [str(line) for line in range(1, 201)]
    assert run.summary["retries"] >= 1 and not job.unknown.exists()


def test_write_that_was_never_sent_is_sent_after_the_outage(make_job, ledger, proxy, cluster):
    """A connection cut while it is idle or before the first byte of Execute costs nothing."""
    job = make_job(rows=40, sql=INSERT, dsn=cluster.dsn("plain", port=proxy.port))
    proxy.next(*[Plan(cut_down=0, after_login=True) for _ in range(3)], Plan(on_accept="rst"))
    run = job.start(write=True, max_concurrent=1, retry_delay="20ms", max_retry_delay="50ms")
    assert run.finish() in (0, 5)
    assert len(truth_holds(job, ledger(), 40)) <= 3


@pytest.mark.both_servers
def test_writes_cut_at_any_byte_are_never_doubled_and_never_lost_silently(make_job, ledger, proxy, cluster):
    job = make_job(rows=60, sql=INSERT, dsn=cluster.dsn("plain", port=proxy.port))
    proxy.next(*[Plan(cut_down=7 * step, after_login=True, cut=("rst", "fin")[step % 2])
                 for step in range(70)], *[Plan(cut_up=300 + 11 * step) for step in range(60)])
    run = job.start(write=True, max_concurrent=1, retry_delay="2ms", max_retry_delay="5ms", max_retries=100)
    assert run.finish() in (0, 5), run.tail()
    unknown = truth_holds(job, ledger(), 60)
    assert (run.status == 5) == bool(unknown)


def test_fatal_before_command_complete_is_certainly_not_applied(make_job, ledger, cluster):
    """57P01 in mid-statement: nothing was done, so unsent writes run again and no line is lost or doubled."""
    sql = "INSERT INTO ledger (line) SELECT pass($1::int) FROM pg_sleep(0.05) RETURNING line"
    job = make_job(rows=60, sql=sql)
    run = job.start(write=True)
    for at in (10, 30):
        run.await_lines(at)
        cluster.terminate(state="active")
    assert run.finish() in (0, 5), run.tail()
    truth_holds(job, ledger(), 60)


@pytest.mark.rule(25)
@pytest.mark.parametrize("replay", ["unsent", "resolve"])
def test_kill_9_at_random_moments_never_doubles_a_write(make_job, ledger, cluster, replay):
    """The line in flight may be unknown; no line is written twice or lost, and the others' output is exact."""
    lines = 1500
    seed = seed_of("never_doubles_a_write")
    job = make_job(rows=lines, sql=INSERT, dsn=cluster.dsn("plain"))
    whole = sum(len(f"{line},t\n") for line in range(1, lines + 1))
    for run in killed(job, KILLS, seed, whole, write=True, replay=replay, log_level="info"):
        assert run.status in (0, 5), f"KILL_SEED={seed}: exit {run.status}\n{run.tail()}"
        unknown = truth_holds(job, ledger(), lines)
        assert (run.status == 5) == bool(unknown), f"KILL_SEED={seed}"
        kept = [f"{line},t\n" for line in range(1, lines + 1) if line not in unknown]
        assert job.output.read_text() == "".join(["id,done\n", *kept]), f"KILL_SEED={seed}"
        assert not list(job.folder.glob("report.csv.intents*")), f"KILL_SEED={seed}"
        cluster.sql("TRUNCATE ledger")


@pytest.mark.rule(25)
@pytest.mark.parametrize("replay", ["unsent", "resolve"])
def test_stop_before_the_first_line_forgets_no_write(make_job, ledger, cluster, replay):
    """The input breaks while line 1 still runs and others are done: nothing is in the output, and yet they count."""
    lines = 200
    rows = [(str(line), "x" * 4000) for line in range(1, lines + 1)]     # more than is read at once
    job = make_job(rows=rows, header=("id", "filler"), sql=INSERT, dsn=cluster.dsn("plain"))
    whole = job.cost_file.read_bytes()
    gate_of_each_insert(cluster, f"CASE NEW.line WHEN 1 THEN {lines + 1} ELSE NEW.line END")
    try:
        cluster.shut(6)
        run = job.start(write=True, replay=replay, max_concurrent=2)
        eventually(lambda: len(ledger()) == 5, "some lines are written")
        job.cost_file.write_bytes(whole[:150000] + b'"\nno end of "a quote\n')
        cluster.shut(lines)
        assert run.finish() == 1, run.tail()
    finally:
        cluster.open_up()
        cluster.sql("DROP TRIGGER pause ON ledger")
    assert 1 not in ledger()
    job.cost_file.write_bytes(whole)
    job.run(status=0, write=True, replay=replay)
    assert ledger() == {line: 1 for line in range(1, lines + 1)}
    assert done_lines(job) == [str(line) for line in range(1, lines + 1)]


@pytest.mark.both_servers
def test_server_crash_under_writes_never_doubles_a_line(make_job, own_cluster):
    own_cluster.sql("ALTER SYSTEM SET fsync = on")
    own_cluster.reload()
    sql = "INSERT INTO ledger (line) SELECT pass($1::int) FROM pg_sleep(0.01) RETURNING line"
    job = make_job(rows=200, sql=sql, server=own_cluster)
    run = job.start(write=True)
    for at in (30, 100):
        run.await_lines(at)
        own_cluster.restart("immediate")
    assert run.finish() in (0, 5), run.tail()
    counts = dict(own_cluster.sql("SELECT line, count(*)::int FROM ledger GROUP BY line"))
    truth_holds(job, counts, 200)


@pytest.mark.rule(29)
def test_exits_5_before_2(make_job, ledger, proxy, cluster):
    """A run with both kinds of trouble says the graver one (REPORT.md 29)."""
    job = make_job(rows=30, sql=INSERT.replace("$1::int", "refuse($1::int, 20, '22012')"),
                   dsn=cluster.dsn("plain", port=proxy.port))
    cut = hold_answer_of(cluster, proxy, line=12)
    run = job.start(write=True, replay="unsent", max_concurrent=1)
    cut()
    run.check(5)
    assert unknown_lines(job) == ["12"] and "22012" in job.rejects.read_text()


@pytest.mark.both_servers
def test_write_without_the_option_is_refused_and_names_it(make_job, ledger):
    job = make_job(rows=20, sql=INSERT)
    run = job.start()
    assert run.finish() in (1, 2, 3)
    assert "--write" in run.stderr + run.log
    assert not ledger()


def test_replay_is_part_of_the_job(make_job, ledger):
    job = make_job(rows=200, sql="INSERT INTO ledger (line) SELECT pass($1::int) FROM pg_sleep(0.02) RETURNING line")
    run = job.start(write=True)
    run.await_lines(30)
    run.end()
    refused = job.run(status=3, write=True, replay="safe")
    assert "--restart" in refused.stderr + refused.log


def test_unsent_write_whose_row_is_too_large_is_unknown_for_it_was_done(make_job, ledger):
    sql = "INSERT INTO ledger (line) VALUES ($1::int) RETURNING repeat('x', CASE line WHEN 2 THEN 3000000 ELSE 3 END) AS x"
    job = make_job(rows=3, sql=sql)
    job.run(status=5, write=True, replay="unsent")
    assert ledger() == {1: 1, 2: 1, 3: 1}
    assert unknown_lines(job) == ["2"] and not job.rejects.exists()
    assert "HF_ERR_TOO_LARGE" in job.unknown.read_text()
