"""Any mixture of faults, drawn from a seed: what each fault's own test holds must hold when they come together."""

import random

import pytest

from harness import wire
from harness.program import rows_of, slow_sql
from harness.proxy import Plan

LINES = 150
QUICK = {"retry_delay": "20ms", "max_retry_delay": "200ms", "request_timeout": "800ms", "connect_timeout": "800ms",
         "reconnect_timeout": "800ms", "close_timeout": "200ms", "max_retries": 1000}


def draw(chance):
    """A plan for one connection; half of them are honest."""
    return chance.choice([
        Plan(), Plan(), Plan(), Plan(slices=chance.randint(1, 40)),
        Plan(cut_down=chance.randint(0, 30000), cut=chance.choice(["rst", "fin"])),
        Plan(cut_up=chance.randint(0, 6000), cut=chance.choice(["rst", "fin"])),
        Plan(on_accept=chance.choice(["rst", "fin"])),
        Plan(reply=wire.error("57P03", "the database system is starting up"))])


def trouble(chance, cluster, proxy, run):
    """One thing that happens to everybody at once."""
    kind = chance.choice(["cut", "terminate", "hole", "half hole", "kill"])
    if kind == "cut":
        proxy.cut_all(chance.choice(["rst", "fin"]))
    elif kind == "terminate":
        cluster.terminate("plain")
    elif kind == "kill":
        run.end()
    else:
        seen = run.logged("timeout")
        proxy.black_hole(up=kind == "hole" or chance.random() < 0.5, down=True)
        run.await_log("timeout", seen + 1)
        proxy.heal()


def endure(job, proxy, chance, **options):
    """Run the job to its end through four troubles, starting it again whenever it was killed."""
    proxy.next(*[draw(chance) for _ in range(60)])
    run = job.start(**QUICK, **options)
    for at in sorted(chance.sample(range(5, LINES - 20), 4)):
        run.await_lines(at)
        trouble(chance, job.cluster, proxy, run)
        if not run.running:
            run = job.start(**QUICK, **options)
    return run


@pytest.mark.parametrize("seed", range(4))
def test_reads_through_any_mixture_give_the_same_file(make_job, cluster, proxy, seed):
    job = make_job(rows=LINES, sql=slow_sql(0.01), dsn=cluster.dsn("plain", port=proxy.port))
    endure(job, proxy, random.Random(seed)).check(0)
    job.complete()
    assert proxy.peak() <= 3 + 3, "max_concurrent, and as many that are still being closed"


@pytest.mark.parametrize("seed", range(4))
def test_writes_through_any_mixture_are_done_once_or_unknown(make_job, cluster, proxy, seed):
    cluster.sql("TRUNCATE ledger")
    job = make_job(rows=LINES, dsn=cluster.dsn("plain", port=proxy.port),
                   sql="INSERT INTO ledger (line) SELECT pass($1::int) FROM pg_sleep(0.01) RETURNING line")
    run = endure(job, proxy, random.Random(seed), write=True)
    assert run.finish() in (0, 5), run.tail()
    counts = dict(cluster.sql("SELECT line, count(*)::int FROM ledger GROUP BY line"))
    done = [int(row[0]) for row in rows_of(job.output)[1:]]
    unknown = [int(row[1]) for row in rows_of(job.unknown)[1:]] if job.unknown.exists() else []
    assert all(count == 1 for count in counts.values()), "a line was written twice"
    assert done == sorted(done) and sorted(done + unknown) == list(range(1, LINES + 1))
    assert set(done) <= set(counts), "a line is called done and is not"
