"""Bad input: exit 1, one clear message that names the place and the way out, before anything is written."""

import gzip
import os
import pathlib
import re

import pytest

from harness.cluster import SECRET


@pytest.fixture
def job(make_job):
    return make_job(rows=5)


def refused(job, *patterns, **options):
    """Exit 1 with one message holding all patterns; nothing written, nothing said of the password."""
    run = job.run(status=1, log_file=None, log_level=None, summary=None, **options)
    said = run.stderr.strip()
    for pattern in patterns:
        assert re.search(pattern, said, re.IGNORECASE), f"{pattern!r} is not in: {said}"
    assert len(re.findall(r"(?m)^(holdfast\b.*?: |.*\berror\b)", said)) == 1, f"not one message: {said}"
    assert SECRET not in said
    job.nothing_written()
    return said


def test_missing_input_is_refused(job):
    job.cost_file.unlink()
    refused(job, r"cost\.csv", "no such file", "--cost-file")


def test_input_and_query_the_wrong_way_round_are_told(job):
    job.cost_file.write_text("SELECT name FROM item WHERE id = $1\n")
    job.query.write_text("id,name\n1,a thing\n")
    refused(job, "wrong way round", "--cost-file", "--query")


def test_statement_given_for_its_file_is_told(job):
    job.query = "SELECT 1 AS one"
    refused(job, "no such file", "--query names the file")


@pytest.mark.parametrize("encode, says", [
    (lambda text: text.encode("utf-16"), "UTF-16.*iconv"), (lambda text: text.encode("utf-16-le"), "NUL byte.*UTF-8"),
    (lambda text: gzip.compress(text.encode()), "gzip.*gunzip")], ids=["utf-16", "utf-16-without-mark", "gzip"])
def test_query_that_is_no_text_is_told_with_the_way_out(job, encode, says):
    job.query.write_bytes(encode("SELECT $1::int AS n"))
    refused(job, r"report\.sql", says)


def test_query_that_does_not_fit_the_transmit_buffer_is_told_with_the_way_out(job):
    """It never will: exit 1, not the 4 that a night's timer tries again after."""
    job.query.write_text("SELECT $1::int AS n /* " + "x" * 9000 + " */")
    refused(job, r"report\.sql: .*the transmit buffer \(tx_bytes\) has 4096; a higher --max-row allows more", max_row="4KiB")


def test_params_of_a_query_without_parameters_are_told(job):
    job.query.write_text("SELECT 1 AS one")
    refused(job, "no parameter", r"write \$1", "--params")


def test_blank_beside_a_comma_of_params_is_told(make_job):
    job = make_job(rows=[("1", "2")], header=("a", "b"), sql="SELECT $1::int + $2::int", params="a, b")
    refused(job, "no column ' b'", "a blank beside a comma")


def test_bare_carriage_returns_are_told_with_the_way_out(job):
    job.cost_file.write_bytes(b"id\r1\r2\r")
    refused(job, "cost.csv:1", "line feed", "tr")


def test_input_that_is_a_folder_is_refused(job):
    job.cost_file.unlink()
    job.cost_file.mkdir()
    refused(job, r"cost\.csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_input_is_refused(job):
    job.cost_file.chmod(0)
    refused(job, r"cost\.csv", "permission")


def test_empty_input_has_no_header(job):
    job.cost_file.write_bytes(b"")
    refused(job, r"cost\.csv", "header")


def test_missing_query_file_is_refused(job):
    job.query.unlink()
    refused(job, r"report\.sql", "no such file")


def test_empty_query_is_refused(job):
    job.query.write_text("  \n-- nothing but a comment\n")
    refused(job, r"report\.sql|query")


def test_wrong_column_name_is_refused_with_those_there_are(job):
    job.params = "identity"
    refused(job, "identity", "--params", r"\bid\b")


def test_more_parameters_than_columns_is_refused(job):
    job.query.write_text("SELECT $1::int + $2::int + $3::int")
    job.params = None
    refused(job, r"\$3|3 parameters", r"column|--params")


def test_fewer_params_than_the_query_needs_is_refused(make_job):
    job = make_job(rows=[("1", "2")], header=("a", "b"), sql="SELECT $1::int + $2::int", params="a")
    refused(job, r"\$2|2 parameters", "--params")


@pytest.mark.security(14)
@pytest.mark.parametrize("break_it, pattern", [
    (lambda dsn: dsn.replace("postgres://", "mysql://"), "mysql|scheme|postgres://"),
    (lambda dsn: dsn.replace("%2F", "%2"), "percent|%|escape"),
    (lambda dsn: dsn.replace("@127.0.0.1:", "@127.0.0.1:port"), "port"),
    (lambda dsn: dsn.replace("@127.0.0.1:", "@127.0.0.1:9"), "port"),
    (lambda dsn: dsn.replace("@127.0.0.1", "@[::1"), "]|bracket|IPv6|host"),
    (lambda dsn: dsn + "&frobnicate=1", "frobnicate"),
    (lambda dsn: dsn.replace("verify-full", "verify-most"), "sslmode|verify-most"),
    (lambda dsn: "host=127.0.0.1 password='Tr0ub4dor", "quot|'"),
    (lambda dsn: "just words and Tr0ub4dor", "dsn|="),
], ids=["scheme", "percent", "port-word", "port-range", "bracket", "unknown-key", "sslmode", "quote", "words"])
def test_dsn_that_does_not_parse_is_refused_without_echoing_the_password(job, break_it, pattern):
    job.dsn = break_it(job.dsn)
    refused(job, pattern)


@pytest.mark.security(14)
def test_unencoded_at_sign_in_a_password_is_not_echoed(job, cluster):
    """The commonest mistake: `@` or `/` of the password left as it is."""
    job.dsn = f"postgres://app:{SECRET}/&@3x:pw@127.0.0.1:{cluster.port}/db"
    refused(job, "dsn|host|port")


@pytest.mark.security(2)
@pytest.mark.parametrize("mode", ["prefer", "allow"])
def test_strippable_sslmode_is_refused(job, mode):
    job.dsn = job.dsn.replace("verify-full", mode)
    refused(job, mode, "verify-full|require")


def test_output_folder_that_is_not_there_is_refused(job, tmp_path):
    refused(job, "nowhere", "mkdir -p", output=tmp_path / "nowhere" / "report.csv")


def test_output_below_a_file_is_refused(job):
    refused(job, r"cost\.csv", output=job.cost_file / "report.csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_unwritable_output_folder_is_refused(job, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    refused(job, "locked", "permission", output=folder / "report.csv")


@pytest.mark.parametrize("option, name", [("log_file", "cost.csv"), ("log_file", "report.csv"), ("log_file", "report.sql"),
                                          ("summary", "report.csv"), ("summary", "./report.csv.rejects.csv"),
                                          ("summary", "cost.csv")])
def test_log_and_summary_never_take_another_file_of_the_report(job, option, name):
    before = job.cost_file.read_bytes(), job.query.read_text()
    run = job.run(status=1, **{"log_file": None, "summary": None, option: job.folder / name})
    assert name.split("/")[-1] in run.stderr and "choose another name" in run.stderr
    assert (job.cost_file.read_bytes(), job.query.read_text()) == before
    job.nothing_written()


def test_summary_that_cannot_be_written_is_said_once(job):
    run = job.run(status=1, summary=job.folder / "nowhere" / "s.json", log_file=None)
    assert run.stderr.count("nowhere/s.json") == 1
    job.nothing_written()


def test_summary_to_a_device_leaves_the_device(job):
    job.run(status=0, summary="/dev/null")
    assert pathlib.Path("/dev/null").is_char_device() and not pathlib.Path("/dev/null.new").exists()


@pytest.mark.parametrize("sql", ["SELECT $1::int; SELECT 2", "SELECT 1; DROP TABLE item"])
def test_several_statements_are_refused(job, sql, cluster):
    job.query.write_text(sql)
    refused(job, "42601.*only one statement")
    assert cluster.value("SELECT count(*) FROM item") == 2000


@pytest.mark.parametrize("sql", ["COPY item TO STDOUT", "COPY item FROM STDIN", "copy (select 1) to stdout"])
def test_copy_is_refused(job, sql):
    job.query.write_text(sql)
    job.params = None
    refused(job, "COPY")


@pytest.mark.rule(28)
def test_query_that_the_server_refuses_to_prepare_is_shown_with_its_position(job):
    job.query.write_text("SELECT name\nFROM itme\nWHERE id = $1")
    said = refused(job, "42P01", "itme", r"report\.sql|line 2|position|character")
    assert re.search(r"line 2|character 18|position 18|:2:", said), said


def test_query_with_a_syntax_error_is_refused(job):
    job.query.write_text("SELEKT $1")
    refused(job, "42601", "syntax")


@pytest.mark.parametrize("option, value, pattern", [
    ("retry_delay", "fast", "retry-delay"), ("retry_delay", "-1s", "retry-delay"),
    ("retry_delay", "5 parsecs", "retry-delay"),
    ("max_concurrent", 0, "max-concurrent"), ("max_concurrent", "many", "max-concurrent"),
    ("log_level", "loud", "log-level"), ("progress", "maybe", "progress"), ("replay", "twice", "replay"),
    ("connect_timeout", "99999999999999999999s", "connect-timeout"),
])
def test_bad_value_of_an_option_is_refused_by_name(make_job, option, value, pattern):
    job = make_job(rows=5)
    run = job.run(status=1, **{"log_file": None, "summary": None, option: value})
    assert pattern in run.stderr and str(value) in run.stderr
    job.nothing_written()


def test_unknown_option_and_missing_option_are_usage_errors(holdfast, job):
    assert "--frobnicate" in holdfast("report", "--frobnicate", status=1).stderr
    assert "--cost-file" in holdfast("report", query=job.query, output=job.output, dsn=job.dsn, status=1).stderr
    assert "--output" in holdfast("report", query=job.query, cost_file=job.cost_file, dsn=job.dsn, status=1).stderr
    assert "--query" in holdfast("report", cost_file=job.cost_file, output=job.output, dsn=job.dsn, status=1).stderr
    assert "frobnicate" in holdfast("frobnicate", status=1).stderr
    holdfast(status=1)


def test_help_and_version_are_on_stdout(holdfast):
    top = holdfast("--help").stdout
    assert "report" in top and "query" in top
    report = holdfast("report", "--help").stdout
    for option in ("--cost-file", "--query", "--params", "--output", "--max-concurrent", "--max-outage", "--restart"):
        assert option in report
    assert re.search(r"\d+\.\d+", holdfast("--version").stdout)
