"""Options of a report: named parameters, a delimiter, a limit, how many rejects, unique names, a dry run."""

import json
import re

import pytest

from harness.program import rows_of

TWICE = "SELECT $1::int * 2 AS twice"
SLOW = "SELECT pass($1) * 2 AS twice"


def refused(job, *patterns, status=1, **options):
    """One message with all of the patterns, and nothing written."""
    said = job.run(status=status, log_file=None, log_level=None, summary=None, **options).stderr
    for pattern in patterns:
        assert re.search(pattern, said), f"{pattern!r} is not in: {said}"
    job.nothing_written()


# ---- parameters with names --------------------------------------------------------------------------------

@pytest.mark.rule(51)
def test_named_parameters_are_the_columns_of_their_names_beside_numbered_ones(make_job):
    job = make_job(rows=[("1", "x", "7"), ("2", "it's", "8")], header=("a", "b", "c"), params="c",
                   sql="SELECT :b::text || ':b' AS text, $1::int - :a AS difference, -- :c\n :b AS again")
    job.run(status=0)
    assert rows_of(job.output) == [["a", "b", "c", "text", "difference", "again"],
                                   ["1", "x", "7", "x:b", "6", "x"], ["2", "it's", "8", "it's:b", "6", "it's"]]


@pytest.mark.rule(51)
def test_named_parameters_need_no_params_and_are_bound_as_null_where_a_cell_is_empty(make_job):
    job = make_job(rows=[("1", None), ("2", "")], header=("id", "name"), params=None,
                   sql="SELECT :name::text IS NULL AS none, E'\\':id' AS text, $tag$ :id $tag$ AS more, (ARRAY[1,2,3])[1:2] AS s")
    job.run(status=0)
    assert rows_of(job.output)[1:] == [["1", "", "t", "':id", " :id ", "{1,2}"], ["2", "", "f", "':id", " :id ", "{1,2}"]]


@pytest.mark.rule(51)
def test_named_parameter_that_is_no_column_is_refused_with_its_place(make_job):
    job = make_job(rows=3, sql="SELECT 1\n  + :nme::int", params=None)
    job.dsn = "postgres://nobody@127.0.0.1:1/none"      # no server is asked
    refused(job, r"report\.sql:2: :nme: .*cost\.csv has no column 'nme'; its columns are: id")
    job.query.write_text("SELECT :'id'")
    refused(job, r"report\.sql:1: :'id': a value that is bound needs no quotes: write :id")
    job.query.write_text("SELECT :id::int")
    job.cost_file.write_text("id,id\n1,2\n")
    refused(job, r":id: .*has 2 columns named 'id'")


@pytest.mark.rule(51)
def test_place_of_an_error_is_that_of_the_query_as_it_was_written(make_job):
    job = make_job(rows=3, sql="SELECT :id::int, nme FROM item", params=None)
    said = job.run(status=1).stderr
    assert "LINE 1: SELECT :id::int, nme FROM item\n" + " " * 25 + "^" in said
    job.cost_file.write_text("a,b,c,d,e,f,g,h,i,j\n1,2,3,4,5,6,7,8,9,10\n")
    job.query.write_text("SELECT $9, :j, :j, nme FROM item")
    said = job.run(status=1).stderr
    assert "LINE 1: SELECT $9, :j, :j, nme FROM item\n" + " " * 27 + "^" in said


# ---- the input ------------------------------------------------------------------------------------------

@pytest.mark.rule(51)
@pytest.mark.parametrize("given, delimiter", [(";", ";"), ("tab", "\t"), ("\\t", "\t"), ("|", "|")])
def test_delimiter_is_the_inputs_and_what_is_written_has_commas(make_job, given, delimiter):
    job = make_job(rows=0, sql=TWICE)
    job.cost_file.write_text(f'id{delimiter}name\n1{delimiter}"a{delimiter}b"\n2{delimiter}c,d\nx{delimiter}e\n')
    job.run(status=2, delimiter=given)
    assert job.output.read_text() == f'id,name,twice\n1,a{delimiter}b,2\n2,"c,d",4\n'
    assert job.rejects.read_text().startswith("line,id,name,code,message\n4,x,e,22P02,")


@pytest.mark.rule(51)
def test_delimiter_that_the_header_does_not_have_is_refused_with_the_one_it_has(make_job):
    job = make_job(rows=0, sql=TWICE)
    job.cost_file.write_text("id,name\n1,a\n")
    refused(job, r"cost\.csv:1: the header has no ';', which --delimiter names", "separated by ',': leave --delimiter out",
            delimiter=";")
    for wrong in ("", ";;", '"', "é"):
        refused(job, "--delimiter", delimiter=wrong)
    refused(job, "--delimiter: 'é': one character of ASCII", delimiter="é")


@pytest.mark.rule(51)
def test_input_is_another_name_of_cost_file(make_job):
    job = make_job(rows=3, sql=TWICE)
    job.run(status=0, cost_file=None, input=job.cost_file)
    job.complete()


def test_both_names_of_the_input_are_refused_as_in_the_file(make_job, holdfast, tmp_path):
    """One option given twice under one name is another matter: the last one counts, as with psql and curl."""
    job = make_job(rows=3, sql=TWICE)
    other = tmp_path / "other.csv"
    other.write_bytes(b"id\n1\n")
    assert "--cost-file and --input are one option: give one of them" in job.run(status=1, input=other).stderr
    for words in (["--input", other, "--cost-file", job.cost_file], [f"--input={other}", f"--cost-file={job.cost_file}"]):
        said = holdfast("report", *words, status=1, query=job.query, output=job.output, dsn=job.dsn).stderr
        assert "--input and --cost-file are one option: give one of them" in said
    job.nothing_written()
    said = holdfast("report", "--input", other, "--input", job.cost_file, query=job.query, output=job.output, dsn=job.dsn).stderr
    assert "3 lines" in said


@pytest.mark.parametrize("option", ["limit", "batch", "window", "max-pipelined", "max-concurrent", "deadline", "max-retries"])
def test_forever_is_named_as_a_way_out_only_where_it_is_one(make_job, option):
    may = option == "max-retries"
    job = make_job(1)
    assert ("forever" in job.run(status=1, **{option: "x"}).stderr) == may
    assert re.search("x': not a (count: 3|duration: 500ms)", job.run(status=1, **{option: "x"}).stderr)
    if not may:
        job.run(status=1, **{option: "forever"})


def test_params_beside_names_alone_say_that_names_need_none(make_job):
    job = make_job(1, sql="SELECT :id::int AS id", params="id")
    said = job.run(status=1).stderr
    assert "--params id is given, but the parameters of the query are names alone (:id)" in said and "leave --params out" in said


@pytest.mark.rule(51)
def test_limit_takes_the_first_lines_alone_and_another_one_is_another_job(make_job, cluster):
    job = make_job(rows=200, sql=SLOW, dsn=cluster.dsn("plain"), gate=100)
    run = job.start(limit=120)
    run.await_lines(20)
    run.end()
    assert "--limit" in job.run(status=3).stderr
    assert job.run(status=0, limit=120).summary["lines_total"] == 120
    job.complete(rows=job.rows[:120])


@pytest.mark.rule(51)
@pytest.mark.parametrize("limit, lines, blank", [(1, "a", 0), (2, "a,", 0), (3, "a,,", 0), (4, "a,,,b", 0), (5, "a,,,b,c", 0),
                                                 (6, "a,,,b,c", 1), (9, "a,,,b,c", 2)])
def test_limit_counts_blank_lines_as_the_whole_input_does(make_job, limit, lines, blank):
    """The two blank lines in the middle are lines; the two at the end are none, where the limit reaches them."""
    job = make_job(rows=1, sql="SELECT 1 AS one", params=None)
    job.cost_file.write_text("id\na\n\n\nb\nc\n\n\n")
    run = job.run(status=0, limit=limit)
    assert [row[0] for row in rows_of(job.output)[1:]] == lines.split(",")
    assert run.summary["lines_blank_at_end"] == blank


# ---- rejects --------------------------------------------------------------------------------------------

REFUSES = "SELECT refuse($1, $1 / 10 * 10, 'P0001') AS n"   # every tenth line


@pytest.mark.rule(51)
@pytest.mark.parametrize("most, more", [("4", "10"), ("2%", "5.0%")])
def test_more_rejects_than_allowed_stop_the_job_and_a_higher_limit_goes_on(make_job, most, more):
    job = make_job(rows=200, sql=REFUSES)
    said = job.run(status=3, max_rejects=most).stderr
    assert re.search(rf"5 of 200 lines are rejected, and --max-rejects {most} allows 4: .*report\.csv\.rejects\.csv says why", said)
    assert len(rows_of(job.rejects)) >= 1 + 5 and not job.output.exists()      # more, if they had been answered by then
    before = job.part.read_bytes()
    assert "allows 4" in job.run(status=3, max_rejects=most).stderr and job.part.read_bytes() == before
    said = job.run(status=3, max_rejects=more).stderr
    assert "allows 10" in said and len(rows_of(job.rejects)) >= 1 + 11
    job.run(status=2)
    job.complete(rows=[row for row in job.rows if int(row[0]) % 10])
    assert len(rows_of(job.rejects)) == 1 + 20


@pytest.mark.rule(51)
def test_as_many_rejects_as_are_allowed_are_no_failure(make_job):
    job = make_job(rows=40, sql=REFUSES)
    job.run(status=2, max_rejects="10%")
    for wrong in ("many", "101%", "-1", "5%%", "1.5"):
        refused(make_job(rows=3, sql=TWICE), rf"--max-rejects: '{re.escape(wrong)}'", max_rejects=wrong)


# ---- the names of the columns -----------------------------------------------------------------------------

@pytest.mark.rule(51)
def test_columns_of_one_name_in_the_result_get_names_of_their_own(make_job):
    """A column that is called as one of the input's keeps its name, as it always did."""
    job = make_job(rows=[("1", "x")], header=("id", "n_2"), sql="SELECT $1::int AS n, 2 AS id, 3 AS n, 4 AS n, 5 AS affected")
    run = job.run(status=0, affected=True)
    assert rows_of(job.output) == [["id", "n_2", "n", "id", "n_2", "n_3", "affected", "affected_2"],
                                   ["1", "x", "1", "2", "3", "4", "5", "1"]]
    assert re.search(r"info .*a column 'n' already: this one is called 'n_3'", run.log)
    assert run.log.count("this one is called") == 3


# ---- a dry run --------------------------------------------------------------------------------------------

@pytest.mark.rule(51)
def test_dry_run_says_what_a_run_would_do_runs_nothing_and_writes_nothing(make_job, cluster):
    cluster.sql("TRUNCATE ledger")
    job = make_job(rows=[("1", "x"), ("2", "y")], header=("id", "name"), params=None, dsn=cluster.dsn("plain"),
                   sql="INSERT INTO ledger(line) VALUES (:id::int) RETURNING line AS id")
    before = {path.name for path in job.folder.iterdir()}
    run = job.run(status=0, write=True, dry_run=True)
    assert {path.name for path in job.folder.iterdir()} - before == {"report.log", "run1.stdout", "run1.stderr"}
    assert cluster.value("SELECT count(*) FROM ledger") == 0
    for said in ("nothing was written", "cost.csv: 2 lines", "$1 = id", "id,name,id", "begin with the first line"):
        assert said in run.stderr
    said = json.loads(job.run(status=0, write=True, dry_run=True, log_format="json", shard="1/2").stderr.splitlines()[-1])
    assert {name: said[name] for name in ("kind", "exit_status", "query", "columns", "shard", "ledger", "ledger_run")} == \
        {"kind": "dry-run", "exit_status": 0, "query": str(job.query), "columns": "id,name,id", "shard": "1/2", "ledger": None,
         "ledger_run": None}
    assert (said["lines_total"], said["lines_done"], said["database"]) == (1, 0, "db")
    job.run(status=0, write=True)
    assert "the report is finished" in job.run(status=0, write=True, dry_run=True).stderr
    assert cluster.value("SELECT count(*) FROM ledger") == 2
    cluster.sql("TRUNCATE ledger")


@pytest.mark.rule(51)
def test_dry_run_finds_what_a_run_would_stumble_over(make_job, cluster):
    job = make_job(rows=100, sql=SLOW, dsn=cluster.dsn("plain"))
    run = job.start()
    run.await_lines(20)
    run.end()
    left = job.position.read_bytes(), job.part.read_bytes()
    assert "would go on at line" in job.run(status=0, dry_run=True).stderr
    sql = job.query.read_text()
    job.query.write_text("SELECT nme FROM item WHERE id = $1")
    assert "the query has changed" in job.run(status=3, dry_run=True).stderr
    assert "nme" in job.run(status=1, dry_run=True, restart=True).stderr
    job.query.write_text("INSERT INTO ledger(line) VALUES ($1::int)")
    assert "report.sql: this statement writes, and without --write" in job.run(status=1, dry_run=True, restart=True).stderr
    job.run(status=0, dry_run=True, restart=True, write=True)
    job.query.write_text(sql)
    assert (job.position.read_bytes(), job.part.read_bytes()) == left
