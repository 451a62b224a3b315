"""Values of the types that people use, to and fro in both formats, and what a server tells beside them (SEMANTICS 64)."""

import os
import random
import subprocess

import pytest

from harness.waiting import PATIENCE_S

pytestmark = pytest.mark.sockets("values.c is built for the system's sockets")


class Values:
    """The program values.c; `prepare`: every statement is kept prepared."""

    def __init__(self, program, dsn, prepare):
        path = os.path.join(os.path.dirname(program), "tests", "integration", "values")
        self.process = subprocess.Popen([path, dsn] + ["prepare"] * prepare, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE_S) == 0

    def ask(self, *words):
        print(*words, sep="\t", file=self.process.stdin, flush=True)
        return self.process.stdout.readline().rstrip("\n")


@pytest.fixture(params=(False, True), ids=("afresh", "prepared"))
def values(request, program, cluster):
    dsn = f"host={cluster.folder} port={cluster.port} user=postgres dbname=db"
    client = Values(program, dsn, request.param)
    yield client
    client.close()


def floats(seed, count):
    """As the server may be given them: any bits that are a number."""
    draw = random.Random(seed)
    for _ in range(count):
        yield repr(draw.uniform(-1, 1) * 10.0 ** draw.randint(-300, 300))


LITERALS = {
    "bool": ("t", "f"),
    "int2": ("-32768", "-1", "0", "32767"),
    "int4": ("-2147483648", "-1", "0", "2147483647"),
    "int8": ("-9223372036854775808", "-1", "0", "9223372036854775807"),
    "float4": ("0", "-0", "1e-45", "-1.1754942e-38", "1.17549435e-38", "3.4028235e38", "0.1", "16777217", "NaN", "Infinity", "-Infinity",
               "999999", "1e6", "0.0001", "0.00001", "8.5899e9", "7.038531e-26"),
    "float8": ("0", "-0", "5e-324", "-2.225073858507201e-308", "2.2250738585072014e-308", "1.7976931348623157e308", "0.1", "1e23",
               "9007199254740993", "NaN", "Infinity", "-Infinity", "1e14", "1e15", "0.0001", "0.00001", *floats(64, 100)),
    "numeric": ("0", "-0.00", "1", "-12.50", "10000", "0.0001", "0.00000000000000000001", "123456789012345678901234567890.0987654321",
                "NaN", "Infinity", "-Infinity", "9" * 5000 + "." + "8" * 5000, "-0." + "0" * 16382 + "1", "1" + "0" * 30000,
                "99999999", "9999.9999", "1e-50", "1e50", "5000.5000"),
    "text": ("", " ", "žluťoučký kůň ✓", "a'b\\c\"d", "NULL", "x" * 70000),
    "varchar": ("", "abc"),
    "bytea": ("", "\\x", "\\x" + bytes(range(256)).hex(), "\\\\x5c", "a\\000b"),
    "uuid": ("00000000-0000-0000-0000-000000000000", "00112233-4455-6677-8899-aabbccddeeff", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
    "json": ("null", "{\"b\" : [1, 2.50, \"\\u017e\"],  \"a\": {}}"),
    "jsonb": ("null", "{\"b\" : [1, 2.50, \"\\u017e\"],  \"a\": {}}"),
    "date": ("4714-11-24 BC", "0001-01-01", "0001-12-31 BC", "0004-02-29", "1900-02-28", "1999-12-31", "2000-02-29", "9999-12-31",
             "10000-01-01", "5874897-12-31", "infinity", "-infinity"),
    "timestamp": ("4714-11-24 00:00:00 BC", "0044-03-15 11:59:59.999999 BC", "1969-12-31 23:59:59.5", "2000-01-01 00:00:00",
                  "2024-02-29 12:34:56.000001", "294276-12-31 23:59:59.999999", "infinity", "-infinity"),
    "timestamptz": ("4714-11-24 00:00:00+00 BC", "0044-03-15 11:59:59.999999+00 BC", "1883-11-18 12:00:00-04:56:02",
                    "1969-12-31 23:59:59.5+14", "2024-03-10 02:30:00-05", "294276-12-31 23:59:59.999999+00", "infinity", "-infinity"),
    "int4[]": ("{}", "{1,NULL,-3}", "{{1,2},{3,4}}", "{{{1},{NULL}}}", "{{{{{{1}}}}}}", "{{1,2,3},{4,5,6}}"),
    "text[]": ("{}", "{NULL,\"NULL\",\"\",\" \",\"a,b\",\"{c}\",\"d\\\"e\",\"f\\\\g\",ž}", "{{a,\"b c\"},{NULL,\"\\\\\"}}"),
    "float8[]": ("{0.1,NaN,-Infinity,1e-300}",),
    "timestamptz[]": ("{\"2024-02-29 12:34:56+00\",infinity,NULL}",),
    "bytea[]": ("{\"\\\\x00ff\",NULL}",),
    "jsonb[]": ("{\"{\\\"a\\\": 1}\",NULL}",),
}


@pytest.mark.both_servers
@pytest.mark.rule(64)
@pytest.mark.parametrize("kind", LITERALS)
def test_values_go_both_ways_in_both_formats_and_the_server_has_the_same(values, kind):
    wrong = {literal[:60]: said for literal in LITERALS[kind] if (said := values.ask("value", kind, literal)) != "ok"}
    assert not wrong


@pytest.mark.rule(64)
def test_zone_and_output_settings_of_a_session_change_no_value(values):
    for setting in ("SET TimeZone = 'Asia/Kathmandu'", "SET TimeZone = 'America/New_York'", "SET bytea_output = 'escape'"):
        assert values.ask("run", setting) == "tag SET"
        for kind in ("timestamptz", "bytea"):
            for literal in LITERALS[kind]:
                # Where the calendar's first day is the day before, or its last one the day behind, only UTC has text for it.
                assert values.ask("value", kind, literal) == "ok", literal
    assert values.ask("run", "SET DateStyle = 'German'") == "tag SET"
    assert values.ask("value", "date", "1999-12-31") == "wrong text to text: the value is malformed"


@pytest.mark.both_servers
@pytest.mark.rule(64)
def test_a_columns_table_number_size_and_modifier_are_the_catalogues(values, cluster):
    cluster.sql("CREATE TABLE told (a int, gone int, b varchar(7), c numeric(10, 2), d text)")
    cluster.sql("ALTER TABLE told DROP gone")
    try:
        (oid,), = cluster.sql("SELECT 'told'::regclass::oid")
        expected = cluster.sql("SELECT attname, atttypid, attrelid, attnum, attlen, atttypmod FROM pg_attribute "
                               "WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum", oid)
        for form, said in (("text", 0), ("binary", 1), ("text", 0), ("binary", 1)):     # the second time it may be kept
            told = values.ask("columns", form, "SELECT a, b, c, d, a + 1 AS e FROM told")
            assert told.split("\t")[1:] == [" ".join(map(str, row)) + f" {said}" for row in expected] + [f"e 23 0 0 4 -1 {said}"]
        assert values.ask("params", "INSERT INTO told VALUES ($1, $2, $3, $4)") == "params 23 1043 1700 25"
        assert values.ask("params", "SELECT 1") == "params"
    finally:
        cluster.sql("DROP TABLE told")


@pytest.mark.rule(64)
def test_tags_and_notices_are_whole(values):
    assert values.ask("run", "CREATE TEMP TABLE tagged (a int)") == "tag CREATE TABLE"
    assert values.ask("run", "INSERT INTO tagged SELECT generate_series(1, 5)") == "tag INSERT 0 5"
    assert values.ask("run", "UPDATE tagged SET a = a + 1 WHERE a > 2") == "tag UPDATE 3"
    assert values.ask("run", "SELECT * FROM tagged") == "tag SELECT 5"
    assert values.ask("run", "") == "tag "
    assert values.ask("run", "SELECT 1 / 0").startswith("wrong failed")
    assert values.ask("run", "DO $$ BEGIN RAISE WARNING 'ž' USING DETAIL = 'the detail', HINT = 'the hint', TABLE = 'tab', "
                      "ERRCODE = '01234'; END $$") == "notice 01234\tž\tthe detail\tthe hint\ttab"
    assert values.process.stdout.readline() == "tag DO\n"


@pytest.mark.both_servers
@pytest.mark.rule(64)
def test_server_parameters_and_process_are_told(values, cluster):
    assert values.ask("parameter", "server_version") == "parameter -"       # nobody has connected yet
    assert values.ask("backend") == "backend 0"
    values.ask("run", "SELECT 1")
    for name in ("server_version", "server_encoding", "client_encoding", "integer_datetimes", "standard_conforming_strings",
                 "DateStyle", "IntervalStyle", "TimeZone", "in_hot_standby", "default_transaction_read_only", "is_superuser",
                 "session_authorization", "application_name"):
        if name == "application_name":
            expected = "holdfast"
        elif name == "client_encoding":
            expected = "UTF8"
        else:
            (expected,), = cluster.sql("SELECT current_setting(%s)", name)
        assert values.ask("parameter", name) == f"parameter {expected}"
    assert values.ask("parameter", "work_mem") == "parameter -"
    values.ask("run", "SET TimeZone = 'Asia/Tokyo'")
    assert values.ask("parameter", "TimeZone") == "parameter Asia/Tokyo"
    pid = int(values.ask("backend").split()[1])
    assert cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND application_name = 'holdfast'", pid) == [(1,)]
