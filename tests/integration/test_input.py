"""FAULTS.md 48 and REPORT.md 27: what people's CSV files look like, and what must come out of them unshifted."""

import bz2
import gzip
import io
import lzma
import re
import zipfile

import pytest

from harness import expect
from harness.program import rows_of, slow_sql

ECHO = "SELECT $1::text AS echo, length($1::text) AS size, $1::text IS NULL AS missing"


def write_input(job, content):
    job.cost_file.write_bytes(content)


def echo_of(values, header="v"):
    """The output of ECHO over a one-column input."""
    rows = [(value, value, None if value is None else str(len(value)), "f" if value is not None else "t")
            for value in values]
    return expect.csv_file([header, "echo", "size", "missing"], rows)


@pytest.fixture
def echo(make_job):
    """A job that sends its cell back, with an input given as bytes."""
    def make(content):
        job = make_job(rows=0, header=("v",), sql=ECHO, params="v")
        write_input(job, content)
        return job
    return make


@pytest.mark.fault(48)
@pytest.mark.parametrize("content", [
    b"\xef\xbb\xbfv\none\ntwo\n",
    b"v\r\none\r\ntwo\r\n",
    b"\xef\xbb\xbf\"v\"\r\n\"one\"\r\ntwo",
    b"v\none\ntwo",
    b"v\n\"one\"\n\"two\"\n",
], ids=["BOM", "CRLF", "BOM-quoted-header-CRLF", "no-last-newline", "quoted"])
def test_fault_48_ways_to_write_the_same_file_give_the_same_output(echo, content):
    job = echo(content)
    job.run(status=0)
    assert job.output.read_bytes() == echo_of(["one", "two"])


@pytest.mark.fault(48)
@pytest.mark.security(11)
@pytest.mark.both_servers
def test_fault_48_every_kind_of_cell_arrives_exactly(echo):
    values = ["a,b", 'say "hi"', "two\nlines", "two\r\nlines", " spaces ", "\ttab", "''", "\\N", "\\.", "NULL",
              "žluťoučký", "✓", "😀", "$1", "%s", "'; DROP TABLE item; --", "0", "-", "x" * 5000]
    job = echo(expect.csv_file(["v"], [(value,) for value in values]))
    job.run(status=0)
    assert job.output.read_bytes() == echo_of(values)


@pytest.mark.rule(27)
def test_unquoted_empty_cell_is_null_and_quoted_is_the_empty_string(make_job):
    job = make_job(rows=0, header=("a", "v"), sql=ECHO, params="v")
    write_input(job, b'a,v\n1,\n2,""\n3,x\n,\n')
    job.run(status=0)
    assert job.output.read_bytes() == (b'a,v,echo,size,missing\n1,,,,t\n2,"","",0,f\n3,x,x,1,f\n,,,,t\n')


def test_header_alone_is_a_finished_report_with_a_header(make_job):
    job = make_job(rows=0)
    job.run(status=0)
    assert job.output.read_bytes() == b"id,name,price,note,day,qty\n"


def test_line_without_a_result_row_has_empty_cells(make_job):
    job = make_job(rows=[("1",), ("99999999",), ("2",)])
    job.run(status=0)
    job.complete()
    assert b"99999999,,,,,\n" in job.output.read_bytes()


@pytest.mark.fault(48)
@pytest.mark.parametrize("content, line", [
    (b"a,v\n1,x\n2\n3,y\n", 3), (b"a,v\n1,x\n2,y,z\n3,y\n", 3), (b'a,v\n1,x\n2,y\n"3"\n', 4)],
    ids=["too-few", "too-many", "too-few-at-the-end"])
@pytest.mark.rule(27)
def test_wrong_number_of_fields_is_rejected_with_its_line_number(make_job, content, line):
    job = make_job(rows=0, header=("a", "v"), sql=ECHO, params="v")
    write_input(job, content)
    job.run(status=2)
    rejected = rows_of(job.rejects)[1:]
    assert [int(row[0]) for row in rejected] == [line]
    assert any(cell.startswith("HF_ERR_") for cell in rejected[0])
    lines = content.decode().splitlines()
    good = [text for number, text in enumerate(lines, 1) if number not in (1, line)]
    assert [row[0] for row in rows_of(job.output)[1:]] == [text.split(",")[0] for text in good]


@pytest.mark.fault(48)
def test_fault_48_nul_byte_is_an_error_with_its_line_number(make_job):
    job = make_job(rows=0, header=("a", "v"), sql=ECHO, params="v")
    write_input(job, b"a,v\n1,x\n2,be\0fore\n3,y\n")
    run = job.start()
    assert run.finish() in (1, 2)
    if run.status == 2:
        assert [int(row[0]) for row in rows_of(job.rejects)[1:]] == [3]
        assert job.output.read_bytes() == b"a,v,echo,size,missing\n1,x,x,1,f\n3,y,y,1,f\n"
    else:
        assert "line 3" in run.stderr


@pytest.mark.fault(48)
def test_invalid_utf_8_is_rejected_with_its_line_number(echo):
    job = echo(b"v\none\n\xff\xfe\ntwo\n")
    job.run(status=2)
    assert job.output.read_bytes() == echo_of(["one", "two"])
    assert [int(row[0]) for row in rows_of_bytes(job)] == [3]


def rows_of_bytes(job):
    """The rejects, whatever bytes the rejected line has."""
    text = job.rejects.read_bytes().decode(errors="replace")
    return [line.split(",") for line in text.splitlines()[1:]]


@pytest.mark.fault(48)
def test_fault_48_ten_megabyte_field_is_exact_or_an_error_with_its_line(make_job):
    big = "0123456789" * 1048576
    job = make_job(rows=0, header=("a", "v"), sql="SELECT length($1::text) AS size, md5($1::text) AS sum", params="v")
    write_input(job, expect.csv_file(["a", "v"], [("1", "x"), ("2", big), ("3", "y")]))
    run = job.start(request_timeout="30s")
    status = run.finish()
    assert status in (0, 2), run.tail()
    lines = {row[0]: row[2:] for row in rows_of_large(job.output)}
    assert lines["1"][0] == "1" and lines["3"][0] == "1"
    if status == 2:
        assert "2" not in lines and job.rejects.read_bytes().split(b"\n")[1].startswith(b"3,2,")
    else:
        assert lines["2"][0] == str(len(big))


def rows_of_large(path):
    import csv
    csv.field_size_limit(1 << 30)
    return rows_of(path)


def test_row_larger_than_the_buffer_fails_its_line_and_no_other(make_job):
    """HF_ERR_TOO_LARGE: the row is skipped, the connection goes on."""
    sql = "SELECT repeat('x', CASE WHEN $1::int = 5 THEN 200 * 1024 * 1024 ELSE 10 END) AS filler"
    job = make_job(rows=10, sql=sql)
    job.run(status=2, max_concurrent=1, request_timeout="60s")
    assert "HF_ERR_TOO_LARGE" in job.rejects.read_text()
    assert [row[0] for row in rows_of(job.output)[1:]] == [str(i) for i in range(1, 11) if i != 5]


@pytest.mark.both_servers
def test_results_of_any_shape_are_written_as_copy_writes_them(make_job):
    sql = """SELECT $1::int AS "a column, quoted", NULL::text AS nothing, ''::text AS empty, E'a\\r\\nb' AS lines,
             array[1, 2] AS list, '{"k": "v"}'::jsonb AS json, 1.50::numeric AS n, true AS yes,
             '\\x00ff'::bytea AS raw, timestamptz '2024-02-29 12:00+00' AS at"""
    job = make_job(rows=3, sql=sql)
    job.run(status=0)
    job.complete()


def test_query_without_parameters_runs_once_a_line(make_job):
    job = make_job(rows=3, sql="SELECT 'same' AS word", params=None)
    expected = expect.csv_file(["id", "word"], [(*row, "same") for row in job.rows])
    job.run(status=0)
    assert job.output.read_bytes() == expected


def zipped(content):
    """A ZIP archive with the file in it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("cost.csv", content)
    return archive.getvalue()


@pytest.mark.found("R2")
@pytest.mark.parametrize("pack", [gzip.compress, lambda text: gzip.compress(text[:7]) + gzip.compress(text[7:]) + bytes(512)],
                         ids=["one-member", "members-and-padding"])
def test_gz_input_is_read_as_what_is_in_it(echo, pack):
    job = echo(pack(b"\xef\xbb\xbfv\r\none\r\n\"two\"\r\n"))
    job.run(status=0)
    assert job.output.read_bytes() == echo_of(["one", "two"])


@pytest.mark.found("R2")
@pytest.mark.rule(27)
def test_gz_input_is_resumed_and_is_the_same_job_as_its_content(make_job):
    """Packed, packed again in another way, and unpacked: the content is what identifies the input."""
    job = make_job(rows=400, sql=slow_sql())
    plain = job.cost_file.read_bytes()
    for at, content in ((60, gzip.compress(plain)), (160, gzip.compress(plain, 1, mtime=0)), (260, plain)):
        job.cost_file.write_bytes(content)
        run = job.start()
        run.await_lines(at)
        run.end()
    job.cost_file.write_bytes(gzip.compress(plain))
    assert "resuming at line" in job.run(status=0).log
    job.complete()


@pytest.mark.found("R2")
@pytest.mark.parametrize("spoil, says", [
    (lambda data: data[:-9], "ends too soon"), (lambda data: data[:-4] + b"oops", "is damaged"),
    (lambda data: data[:400] + b"x" + data[401:], "is damaged"), (lambda data: data + b"more", "something else behind"),
], ids=["cut", "length", "middle", "trailer"])
def test_broken_gz_input_is_refused_with_the_place_before_anything_is_written(make_job, spoil, says):
    job = make_job(rows=5000, sql="SELECT $1::int AS n")
    job.cost_file.write_bytes(spoil(gzip.compress(job.cost_file.read_bytes())))
    said = job.run(status=1).stderr
    assert str(job.cost_file) in said and says in said and "at byte" in said
    job.nothing_written()


@pytest.mark.found("R2")
@pytest.mark.parametrize("pack, says", [
    (bz2.compress, "bzip2.*bunzip2"), (lzma.compress, "xz.*unxz"), (zipped, "ZIP.*unzip"),
    (lambda text: b"\x28\xb5\x2f\xfd\x20\x08" + text, "Zstandard.*unzstd"),
    (lambda text: text.decode().encode("utf-16"), "UTF-16.*iconv"),
    (lambda text: text.decode().encode("utf-16-le"), "NUL byte in the header.*UTF-16"),
    (lambda text: b"<!DOCTYPE html>\n" + text, "HTML.*fetch"), (lambda text: b'[{"id": 1}]\n', "JSON.*CSV"),
    (lambda text: b"\x1f" + text, "control character in the header"),
    (lambda text: gzip.compress(bz2.compress(text)), "bzip2"), (lambda text: gzip.compress(gzip.compress(text)), "twice"),
], ids=["bzip2", "xz", "zip", "zstd", "utf-16", "utf-16-without-mark", "html", "json", "binary", "bzip2-in-gzip", "twice"])
def test_input_in_another_format_is_refused_by_its_first_bytes(echo, pack, says):
    job = echo(pack(b"v\none\ntwo\n"))
    said = job.run(status=1).stderr
    assert str(job.cost_file) in said and re.search(says, said), said
    job.nothing_written()


@pytest.mark.found("R2")
@pytest.mark.parametrize("data, line", [
    (b"v\none\nz\xfcge\n", 3), (b"gr\xf6sse\none\n", 1), (b"v\n\"a\nb\"\n\xed\xa0\x80\n", 4)], ids=["cell", "header", "surrogate"])
def test_input_that_is_no_utf8_is_a_warning_with_its_line_and_the_way_out(echo, data, line):
    job = echo(data)
    run = job.run(status=0 if line == 1 else 2, params=None)
    assert re.search(rf"warn .*cost.csv:{line}: a cell that is no UTF-8: .*iconv -f", run.log)
    assert run.logged("no UTF-8") == 1
    good = echo("v\nüöä😀\n".encode())
    assert not good.run(status=0).logged("no UTF-8")


@pytest.mark.found("R5")
@pytest.mark.parametrize("ending, count", [(b"\n", 1), (b"\r\n", 1), (b"\n\r\n\n", 3), (b"\n\r", 2)],
                         ids=["one", "CRLF", "three", "cut"])
@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("write", [False, True])
def test_trailing_blank_line_is_passed_over_and_counted(make_job, ending, count, columns, write):
    job = make_job(rows=0, header=("v",), sql=ECHO, params="v")
    write_input(job, b"v\none\ntwo\n" + ending if columns == 1 else b"v,w\none,1\ntwo,2\n" + ending)
    run = job.run(status=0, write=write)
    assert [row[0] for row in rows_of(job.output)[1:]] == ["one", "two"]
    assert run.summary["lines_blank_at_end"] == count and run.summary["lines_total"] == 2
    assert f"; {count} blank at the end passed over" in run.stderr and "passed over" in run.log


@pytest.mark.found("R5")
def test_blank_line_in_mid_file_is_a_null_with_one_notice(echo):
    job = echo(b"v\none\n\n\ntwo\n\n")
    run = job.run(status=0)
    assert job.output.read_bytes() == echo_of(["one", None, None, "two"])
    assert len(re.findall("a blank line", run.log)) == 1 and "cost.csv:3: a blank line, and 1 more" in run.log


@pytest.mark.found("R5")
def test_blank_line_in_mid_file_of_two_columns_is_rejected_with_its_line_number(make_job):
    job = make_job(rows=0, header=("a", "v"), sql=ECHO, params="v")
    write_input(job, b"a,v\n1,x\n\n2,y\n\n")
    job.run(status=2)
    assert [row[0] for row in rows_of(job.rejects)[1:]] == ["3"]
    assert [row[0] for row in rows_of(job.output)[1:]] == ["1", "2"]


@pytest.mark.found("R5")
def test_resume_knows_the_blank_lines_at_the_end(make_job):
    job = make_job(rows=200, sql=slow_sql())
    job.cost_file.write_bytes(job.cost_file.read_bytes() + b"\n\n")
    run = job.start()
    run.await_lines(60)
    run.end()
    assert job.run(status=0).summary["lines_blank_at_end"] == 2
    job.complete()


@pytest.mark.found("R9")
@pytest.mark.parametrize("delimiter, named", [(";", "';'"), ("\t", "a tab"), ("|", "'|'")], ids=["semicolon", "tab", "bar"])
def test_header_with_another_delimiter_is_a_warning_that_names_it(make_job, delimiter, named):
    job = make_job(rows=0, header=("v",), sql=ECHO, params=None)
    write_input(job, f"id{delimiter}name\n1{delimiter}a\n".encode())
    run = job.run(status=0)
    assert re.search(rf" warn  .*cost.csv:1: the header is one column.*separated by {re.escape(named)}.*--delimiter", run.log)
    again = make_job(rows=0, header=("v",), sql=ECHO, params="id")
    write_input(again, f"id{delimiter}name\n1{delimiter}a\n".encode())
    said = again.run(status=1, log_level="error").stderr
    assert "no column 'id'" in said and f"separated by {named}" in said


@pytest.mark.found("R9")
@pytest.mark.parametrize("content", [b"v\na;b\n", b"v,w;x\na,b\n"], ids=["in-a-cell", "two-columns"])
def test_header_that_is_in_order_is_no_warning(make_job, content):
    job = make_job(rows=0, header=("v",), sql=ECHO, params="v")
    write_input(job, content)
    assert "separated" not in job.run(status=0).log
