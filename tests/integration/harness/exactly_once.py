"""A report that keeps a ledger (`report --ledger`), and what must hold at its end: no line doubled, missing, differing or
UNKNOWN, and the file is byte for byte that of an undisturbed run."""

from . import expect
from .program import rows_of
from .waiting import eventually

BATCH = 10                          # lines of a chunk
LEDGER = """CREATE TABLE holdfast_ledger (run text NOT NULL, chunk bigint NOT NULL, hash text NOT NULL, state text,
    kept text, written timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (run, chunk))"""

# Table applied has no key, so that it shows a line that was applied twice. Line 95 of each hundred is refused, so that
# every tenth chunk has a line that is.
REFUSED = 95
APPLY = f"INSERT INTO applied (id, name) SELECT refuse({{}}, $1::int / 100 * 100 + {REFUSED}, '22012'), $2"
STATEMENTS = {
    "bare": APPLY,
    "affected": APPLY,
    "rows": APPLY + """ RETURNING id * 2 AS twice, name || ', "' || E'\\n' AS quoted""",
}
OPTIONS = {"write": True, "ledger": True, "batch": BATCH, "log_level": "info"}


def make_tables(server, ledger=LEDGER):
    """The ledger and table applied, for all roles."""
    server.sql(ledger)
    server.sql("CREATE TABLE applied (id int, name text)")
    server.sql("GRANT ALL ON holdfast_ledger, applied TO PUBLIC")
    return server


class Applied:
    """A job of so many lines, each of which writes one row; `gated`: its lines wait where Job's gate says."""

    def __init__(self, make_job, server, kind="bare", lines=400, gated=False, dsn=None, **given):
        self.server, self.kind = server, kind
        sql = STATEMENTS[kind].format("pass($1::int)" if gated else "$1::int")
        self.job = make_job(rows=[(str(i), f"name {i}") for i in range(1, lines + 1)], header=("id", "name"), sql=sql,
                            params="id,name", server=server, dsn=dsn or server.dsn("plain"), **given)
        self.options = {**OPTIONS, "affected": kind == "affected"}
        self.refused = [row for row in self.job.rows if int(row[0]) % 100 == REFUSED]
        self.status = 2 if self.refused else 0

    def start(self, **options):
        return self.job.start(**{**self.options, **options})

    def run(self, **options):
        return self.start(**options).check(self.status)

    def file(self):
        """The finished output."""
        more = {"bare": ([], lambda row: []), "affected": (["affected"], lambda row: ["1"]),
                "rows": (["twice", "quoted"], lambda row: [str(2 * int(row[0])), f'{row[1]}, "\n'])}
        names, cells = more[self.kind]
        return expect.csv_file(["id", "name", *names],
                               [(*row, *cells(row)) for row in self.job.rows if row not in self.refused])

    def holds(self, server=None, times=1, emptied=True):
        """What the issue promises, on that server; `times`: so many nights. A run that was killed behind its very end leaves
        its chunks' rows: not `emptied`."""
        server, job = server or self.server, self.job
        counts = dict(server.sql("SELECT id, count(*)::int FROM applied GROUP BY id"))
        want = {int(row[0]): times for row in job.rows if row not in self.refused}
        assert counts == want, f"doubled or missing: {sorted(set(counts.items()) ^ set(want.items()))[:10]}"
        assert job.output.read_bytes() == self.file()
        assert not job.part.exists() and not job.position.exists() and not job.unknown.exists()
        rejects = [row[1:4] for row in rows_of(job.rejects)[1:]] if self.refused else []
        assert rejects == [[*row, "22012"] for row in self.refused]
        assert not server.sql("SELECT 1 FROM holdfast_ledger WHERE chunk = 0 AND state <> 'closed'"), "a run is open"
        assert not emptied or not server.sql("SELECT 1 FROM holdfast_ledger WHERE chunk > 0"), "rows of chunks are left"


def writer(make_job, server):
    """A function that makes a job of any statement, with --ledger: write('INSERT …', rows=5).run(status=2)."""
    def make(sql, rows=20, header=("id",), params="id", **given):
        job = make_job(rows=rows, header=header, sql=sql, params=params, server=server,
                       **{"dsn": server.dsn("plain"), **given})
        job.usual = job.start
        job.start = lambda **options: job.usual(**{**OPTIONS, **options})
        return job
    return make


def runs(server):
    """(id, state) of the ledger's runs, the oldest first."""
    return server.sql("SELECT run, state FROM holdfast_ledger WHERE chunk = 0 ORDER BY written")


def chunks(server):
    return [number for number, in server.sql("SELECT chunk FROM holdfast_ledger WHERE chunk > 0 ORDER BY chunk")]


def applied(server):
    return [line for line, in server.sql("SELECT id FROM applied ORDER BY id")]


def rejected(job):
    """(id, SQLSTATE, message) of each line that was refused."""
    return [(row[1], *row[-2:]) for row in rows_of(job.rejects)[1:]] if job.rejects.exists() else []


def begun(job, server, lines=60):
    """A run under way, its first chunks acknowledged: 60 lines, of a job with its gate there."""
    run = job.start()
    eventually(lambda: chunks(server) == list(range(1, lines // BATCH + 1)), "the lines before the gate are applied")
    run.await_lines(lines)
    return run
