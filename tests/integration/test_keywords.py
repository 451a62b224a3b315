"""libpq's keywords and variables: each honoured or refused by name; passwords for each host; service files; SASLprep."""

import os
import pathlib
import pwd
import signal
import subprocess
import sys
import unicodedata

import pytest

from harness.between import Pgbouncer
from harness.cluster import PASSWORD, SECRET
from harness.waiting import eventually

LIST = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "libpq18.txt"
WHO = "SELECT current_user::text AS who"
ROWS = [line.split() for line in LIST.read_text().splitlines() if not line.startswith("#")]


@pytest.fixture
def plain(cluster):
    """The variables of a connection without TLS."""
    return {"PGHOST": "127.0.0.1", "PGPORT": str(cluster.port), "PGDATABASE": "db", "PGUSER": "plain",
            "PGPASSWORD": PASSWORD, "PGSSLMODE": "disable"}


@pytest.fixture
def write_passfile(tmp_path):
    """Write lines to a password file, as its owner may."""
    path = tmp_path / "passwords"

    def write(*lines):
        path.touch(mode=0o600)
        path.write_text("".join(line + "\n" for line in lines))
        return path
    return write


def in_passfile(password):
    return password.replace("\\", "\\\\").replace(":", "\\:")


# ---- the list itself ------------------------------------------------------------------------------

DEFAULTS = """
import ctypes, sys
class Option(ctypes.Structure):
    _fields_ = [(name, ctypes.c_char_p) for name in ("keyword", "variable", "compiled", "value", "label", "shown")]
    _fields_ += [("size", ctypes.c_int)]
library = ctypes.CDLL(sys.argv[1])
library.PQconndefaults.restype = ctypes.POINTER(Option)
for option in library.PQconndefaults():
    if not option.keyword:
        break
    print(option.keyword.decode(), option.variable.decode() if option.variable else "-")
"""


@pytest.mark.found("S1")
def test_the_list_is_what_libpq_18_says_of_itself(libpq18):
    """PQconndefaults() of libpq 18, and each name of a variable that its code holds."""
    said = subprocess.run([sys.executable, "-c", DEFAULTS, libpq18], capture_output=True, text=True, check=True,
                          env={"LD_LIBRARY_PATH": str(libpq18.parent)}).stdout.split("\n")
    assert [" ".join(row) for row in ROWS if row[0] != "-"] == said[:-1]
    code = libpq18.resolve().read_bytes().split(b"\0")
    held = {word.decode() for word in code if word.startswith(b"PG") and word.isalpha() and word.isupper()}
    held |= {"PGCONNECT_TIMEOUT"} & {word.decode() for word in code if word == b"PGCONNECT_TIMEOUT"}
    assert held - {row[1] for row in ROWS} == set()


# A value of each variable that asks for what holdfast does not do; what the message names beside the variable.
REFUSED = {
    "PGSSLMODE": ("prefer", "verify-full"), "PGSSLCOMPRESSION": ("1", "leave it out"), "PGSSLSNI": ("0", "leave it out"),
    "PGGSSENCMODE": ("require", "sslmode"), "PGGSSLIB": ("gssapi", "GSSAPI"), "PGGSSDELEGATION": ("1", "GSSAPI"),
    "PGKRBSRVNAME": ("pg", "Kerberos"), "PGCLIENTENCODING": ("LATIN1", "UTF8"), "PGOAUTHDEBUG": ("UNSAFE", "OAuth"),
    "PGTARGETSESSIONATTRS": ("read-write", "any"), "PGLOADBALANCEHOSTS": ("random", "disable"),
    "PGMINPROTOCOLVERSION": ("3.1", "3.2"), "PGMAXPROTOCOLVERSION": ("newest", "latest"),
    "PGSSLMAXPROTOCOLVERSION": ("TLSv1", "TLSv1.2"), "PGSSLMINPROTOCOLVERSION": ("TLSv9", "TLSv1.3"),
    "PGREQUIREAUTH": ("gss", "scram-sha-256"), "PGCHANNELBINDING": ("yes", "prefer"), "PGHOSTADDR": ("db", "numeric"),
    "PGSSLNEGOTIATION": ("tls", "direct"), "PGCONNECT_TIMEOUT": ("soon", "duration"), "PGPORT": ("0", "65535"),
    "PGSSLCERTMODE": ("maybe", "require"), "PGSERVICEFILE": ("/nowhere/pg_service.conf", "/nowhere/pg_service.conf"),
    "PGSERVICE": ("nowhere", "nowhere"), "PGDATESTYLE": ("ISO\nDMY", "line end"),
}
# A value of each that asks for no more than what holdfast does.
TAKEN = {
    "PGGSSENCMODE": "prefer", "PGGSSDELEGATION": "0", "PGKRBSRVNAME": "postgres", "PGSSLCOMPRESSION": "0",
    "PGSSLSNI": "1", "PGCLIENTENCODING": "unicode", "PGTARGETSESSIONATTRS": "any", "PGLOADBALANCEHOSTS": "disable",
    "PGMINPROTOCOLVERSION": "3.0", "PGMAXPROTOCOLVERSION": "latest", "PGSSLMINPROTOCOLVERSION": "TLSv1",
    "PGSSLMAXPROTOCOLVERSION": "tlsv1.3", "PGSSLCERTMODE": "disable", "PGHOSTADDR": "127.0.0.1",
    "PGREQUIREPEER": "nobody at all", "PGSYSCONFDIR": "/nowhere", "PGLOCALEDIR": "/nowhere", "PGREQUIRESSL": "1",
    "PGOPTIONS": "-c work_mem=5MB", "PGAPPNAME": "x", "PGREQUIREAUTH": "scram-sha-256", "PGCONNECT_TIMEOUT": "-1",
    "PGCHANNELBINDING": "prefer", "PGPASSFILE": "/nowhere", "PGSSLROOTCERT": "/nowhere",
}


@pytest.mark.found("S1")
@pytest.mark.parametrize("variable", REFUSED)
def test_a_variable_that_cannot_be_honoured_is_refused_by_name(holdfast, plain, variable):
    value, way_out = REFUSED[variable]
    more = {"PGSERVICE": "x"} if variable == "PGSERVICEFILE" else {}
    run = holdfast("query", WHO, env={**plain, **more, variable: value}, status=1)
    assert variable in run.stderr and way_out in run.stderr
    assert SECRET not in run.stderr


@pytest.mark.found("S1")
@pytest.mark.parametrize("variable", TAKEN)
def test_a_variable_that_asks_for_no_more_than_is_done_is_taken(holdfast, plain, variable):
    assert holdfast("query", WHO, env={**plain, variable: TAKEN[variable]}, format="csv").stdout == "who\nplain\n"


@pytest.mark.found("S1")
def test_no_variable_is_left_out_of_these_tests():
    """Each of libpq's variables is here, in test_settings.py, or a file that TLS reads."""
    elsewhere = {"PGHOST", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGTZ", "PGGEQO", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL",
                 "PGSSLCRLDIR", "-"}
    assert {row[1] for row in ROWS} == set(REFUSED) | set(TAKEN) | elsewhere


@pytest.mark.found("S1")
@pytest.mark.both_servers
def test_time_zone_date_style_and_geqo_are_the_sessions(holdfast, plain):
    sql = "SELECT current_setting('timezone') AS tz, '01/02/2024'::date AS d, current_setting('geqo') AS g"
    variables = {**plain, "PGTZ": "Asia/Tokyo", "PGDATESTYLE": "ISO,DMY", "PGGEQO": "off"}
    assert holdfast("query", sql, env=variables, format="csv").stdout == "tz,d,g\nAsia/Tokyo,2024-02-01,off\n"
    variables = {**plain, "PGTZ": "Default", "PGDATESTYLE": "", "PGGEQO": "DEFAULT"}
    assert holdfast("query", sql, env=variables, format="csv").stdout == "tz,d,g\nUTC,2024-01-02,on\n"
    run = holdfast("query", sql, env={**plain, "PGTZ": "Nowhere/At all"}, status=3)
    assert "TimeZone" in run.stderr


@pytest.mark.found("S1")
def test_a_pooler_that_refuses_a_variables_parameter_is_refused_for_good(holdfast, plain, cluster, clusters):
    """pgbouncer keeps TimeZone and DateStyle for its clients, and knows no geqo: results would be others without it."""
    pooler = Pgbouncer(clusters.root, cluster)
    try:
        variables = {**plain, "PGPORT": str(pooler.port), "PGTZ": "Asia/Tokyo", "PGDATESTYLE": "ISO,DMY"}
        sql = "SELECT current_setting('timezone') AS tz, '01/02/2024'::date AS d"
        assert holdfast("query", sql, env=variables, format="csv").stdout == "tz,d\nAsia/Tokyo,2024-02-01\n"
        run = holdfast("query", sql, env={**variables, "PGGEQO": "off"}, status=3, retry_delay="10ms")
        assert "geqo" in run.stderr
    finally:
        pooler.destroy()


@pytest.mark.found("S1", "S3")
@pytest.mark.sockets("a Unix socket")
@pytest.mark.parametrize("way", ["variable", "keyword"])
def test_requirepeer_is_the_user_that_a_unix_sockets_server_runs_as(holdfast, cluster, way):
    owner = pwd.getpwuid(os.stat(cluster.data).st_uid).pw_name

    def ask(name, status):
        dsn = f"host={cluster.folder} port={cluster.port} dbname=db user=trusted"
        if way == "keyword":
            return holdfast("query", WHO, dsn=f"{dsn} requirepeer={name}", format="csv", status=status)
        return holdfast("query", WHO, dsn=dsn, env={"PGREQUIREPEER": name}, format="csv", status=status)
    assert ask(owner, 0).stdout == "who\ntrusted\n"
    refused = ask("nobody", 3)
    assert "requirepeer" in refused.stderr and owner in refused.stderr


# ---- each host its own ----------------------------------------------------------------------------

@pytest.mark.found("S2")
def test_each_host_gets_its_own_password_from_the_file(holdfast, cluster, write_passfile):
    path = write_passfile("127.0.0.1:1:*:plain:another-hosts", f"127.0.0.1:{cluster.port}:*:plain:{in_passfile(PASSWORD)}")
    dsn = f"postgres://plain@127.0.0.1:1,127.0.0.1:{cluster.port}/db?sslmode=disable"
    run = holdfast("query", WHO, dsn=dsn, env={"PGPASSFILE": str(path)}, format="csv", retry_delay="10ms")
    assert run.stdout == "who\nplain\n"


@pytest.mark.found("S2")
def test_a_host_without_a_password_logs_in_without_the_others(holdfast, cluster, write_passfile):
    path = write_passfile("127.0.0.1:1:*:trusted:another-hosts")
    dsn = f"postgres://trusted@127.0.0.1:1,127.0.0.1:{cluster.port}/db?sslmode=disable"
    run = holdfast("query", WHO, dsn=dsn, env={"PGPASSFILE": str(path)}, format="csv", retry_delay="10ms")
    assert run.stdout == "who\ntrusted\n"
    path = write_passfile("127.0.0.1:1:*:plain:another-hosts")
    run = holdfast("query", WHO, dsn=dsn.replace("trusted@", "plain@"), env={"PGPASSFILE": str(path)}, status=3,
                   retry_delay="10ms")
    assert "another-hosts" not in run.stderr and "no password was given for some of the hosts" in run.stderr


@pytest.mark.found("S2")
@pytest.mark.parametrize("place", ["name", "address", "socket"])
def test_a_host_is_looked_up_in_the_file_as_libpq_does(holdfast, cluster, write_passfile, place):
    """By its name also where hostaddr says where it is; by hostaddr where there is no name; a socket by its folder."""
    password = in_passfile(PASSWORD)
    lines = {"name": ("127.0.0.1:*:*:*:wrong", f"db.invalid:{cluster.port}:db:plain:{password}"),
             "address": ("localhost:*:*:*:wrong", f"127.0.0.1:{cluster.port}:db:plain:{password}"),
             "socket": ("localhost:*:*:*:wrong", f"{cluster.folder}:{cluster.port}:db:app:{password}")}[place]
    path = write_passfile(*lines)
    where = {"name": "host=db.invalid hostaddr=127.0.0.1 user=plain sslmode=disable",
             "address": "hostaddr=127.0.0.1 user=plain sslmode=disable",
             "socket": f"host={cluster.folder} user=app"}[place]
    run = holdfast("query", WHO, dsn=f"{where} port={cluster.port} dbname=db passfile={path}", format="csv")
    assert run.stdout.startswith("who\n")


@pytest.mark.found("S2")
def test_a_wrong_password_names_the_file_that_it_came_from(holdfast, cluster, write_passfile):
    path = write_passfile("*:*:*:*:wrong-one")
    run = holdfast("query", WHO, dsn=cluster.dsn("plain", password=None, passfile=str(path)), status=3)
    assert str(path) in run.stderr and "wrong-one" not in run.stderr


@pytest.mark.found("S2")
def test_a_changed_password_file_is_used_at_the_next_dial(holdfast, own_cluster, write_passfile):
    path = write_passfile(f"*:*:*:plain:{in_passfile(PASSWORD)}")
    run = holdfast("watch", dsn=own_cluster.dsn("plain", password=None), env={"PGPASSFILE": str(path)}, wait=False,
                   retry_delay="50ms", log_level="debug")
    eventually(lambda: own_cluster.sessions("plain"), "it is connected")
    own_cluster.sql("ALTER ROLE plain PASSWORD 'the new one'")
    write_passfile("*:*:*:plain:the new one")
    assert own_cluster.terminate("plain") == 1
    eventually(lambda: "Reconnected" in run.stderr + run.stdout, "it has logged in with the new password")
    run.send(signal.SIGTERM)
    assert run.finish() in (0, 4)
    assert "the new one" not in run.stderr + run.stdout


# ---- strings that worked with libpq ---------------------------------------------------------------

@pytest.mark.found("S3")
def test_hostaddr_is_connected_to_and_the_host_is_verified(holdfast, cluster):
    known = cluster.dsn(host="localhost", hostaddr="127.0.0.1")
    assert holdfast("query", WHO, dsn=known, format="csv").stdout == "who\napp\n"
    lying = cluster.dsn(host="db.invalid", hostaddr="127.0.0.1")
    assert "certificate" in holdfast("query", WHO, dsn=lying, status=3).stderr
    assert holdfast("query", WHO, dsn=lying.replace("verify-full", "verify-ca"), format="csv").stdout == "who\napp\n"
    two = f"host=a.invalid,b.invalid hostaddr=127.0.0.1 port={cluster.port} user=trusted dbname=db"
    assert "hostaddr" in holdfast("query", WHO, dsn=two, status=1).stderr


@pytest.mark.found("S3")
@pytest.mark.both_servers
def test_a_string_of_libpqs_works_unedited(holdfast, cluster, tmp_path, write_passfile):
    passfile = write_passfile(f"*:*:*:plain:{in_passfile(PASSWORD)}")
    dsn = (f"hostaddr=127.0.0.1 port={cluster.port} dbname=db user=plain passfile={passfile} sslmode=disable "
           "fallback_application_name=nightly keepalives=1 keepalives_idle=60 keepalives_interval=10 keepalives_count=5 "
           "tcp_user_timeout=60000 client_encoding=utf8 min_protocol_version=3.0 max_protocol_version=3.0 "
           "requirepeer=postgres ssl_min_protocol_version=TLSv1.3 gssencmode=prefer target_session_attrs=any "
           "connect_timeout=0 sslcertmode=allow")
    sql = "SELECT current_setting('application_name') AS name, current_setting('tcp_user_timeout') AS theirs"
    assert holdfast("query", sql, dsn=dsn, format="csv").stdout == "name,theirs\nnightly,0\n"
    named = holdfast("query", sql, dsn=dsn, env={"PGAPPNAME": "by variable"}, format="csv")
    assert named.stdout == "name,theirs\nby variable,0\n"


@pytest.mark.found("S7")
def test_a_server_without_tls_names_the_way_out(holdfast, own_cluster):
    own_cluster.sql("ALTER SYSTEM SET ssl = off")
    own_cluster.reload()
    run = holdfast("query", WHO, dsn=own_cluster.dsn(sslmode="require"), status=3)
    assert "does not offer TLS" in run.stderr and "; sslmode=disable goes without" in run.stderr


@pytest.mark.found("S7")
@pytest.mark.parametrize("command", [(), ("query",), ("report",), ("watch",)])
def test_the_default_of_sslmode_is_in_the_help(holdfast, command):
    assert "sslmode=verify-full" in holdfast(*command, "--help").stdout


# ---- service files --------------------------------------------------------------------------------

@pytest.fixture
def service(tmp_path):
    """Write a service file; its path."""
    def write(text):
        path = tmp_path / "services.conf"
        path.write_text(text)
        return str(path)
    return write


@pytest.mark.found("S4")
@pytest.mark.parametrize("way", ["variable", "keyword"])
def test_the_first_value_of_a_key_counts_and_the_string_goes_before_it(holdfast, cluster, service, way):
    path = service(f"# mine\n[other]\nuser=nobody\n[prod]\n\n  host=127.0.0.1\nport={cluster.port}\nuser=trusted\n"
                   f"dbname=db\nsslmode=disable\nuser=nobody\nhost=nowhere.invalid\n[prod]\nuser=nobody\n")
    if way == "keyword":
        run = holdfast("query", WHO, dsn=f"service=prod servicefile={path}", env={"PGUSER": "nobody"}, format="csv")
    else:
        run = holdfast("query", WHO, env={"PGSERVICE": "prod", "PGSERVICEFILE": path, "PGUSER": "nobody"}, format="csv")
    assert run.stdout == "who\ntrusted\n"
    path = service(f"[prod]\nhost=127.0.0.1\nport={cluster.port}\nuser=nobody\ndbname=nothing\nsslmode=disable\n")
    run = holdfast("query", WHO, dsn="service=prod user=trusted dbname=db", env={"PGSERVICEFILE": path}, format="csv")
    assert run.stdout == "who\ntrusted\n"


@pytest.mark.found("S4")
def test_a_missing_service_file_or_service_is_refused_by_name(holdfast, cluster, service, tmp_path):
    (tmp_path / "etc").mkdir()
    system = tmp_path / "etc" / "pg_service.conf"
    system.write_text(f"[prod]\nhost=127.0.0.1\nport={cluster.port}\nuser=trusted\ndbname=db\nsslmode=disable\n")
    run = holdfast("query", WHO, status=1, env={"PGSERVICE": "prod", "PGSERVICEFILE": "/nowhere/at.all",
                                                "PGSYSCONFDIR": str(tmp_path / "etc")})
    assert "PGSERVICEFILE" in run.stderr and "/nowhere/at.all" in run.stderr
    system.unlink()
    path = service("[product]\nhost=h\n")
    run = holdfast("query", WHO, env={"PGSERVICE": "prod", "PGSERVICEFILE": path, "PGSYSCONFDIR": str(tmp_path / "etc")},
                   status=1)
    assert "'prod'" in run.stderr and path in run.stderr and str(system) in run.stderr


@pytest.mark.found("S4")
def test_the_systems_service_file_is_the_second_that_is_looked_into(holdfast, cluster, service, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "pg_service.conf").write_text(
        f"[prod]\nhost=127.0.0.1\nport={cluster.port}\nuser=trusted\ndbname=db\nsslmode=disable\n")
    run = holdfast("query", WHO, format="csv", env={
        "PGSERVICE": "prod", "PGSERVICEFILE": service("[other]\n"), "PGSYSCONFDIR": str(tmp_path / "etc")})
    assert run.stdout == "who\ntrusted\n"


@pytest.mark.found("S4")
@pytest.mark.parametrize("line, said", [
    ("ldap://ldap.example/dc=example?description?one?(cn=x)", "LDAP"), ("service=other", "service"),
    ("servicefile=/x", "service"), ("host", "key=value"), ("=h", "key=value"), ("host =h", "blank"), ("frobnicate=1", "frobnicate"),
    ("gssencmode=require", "gssencmode")])
def test_a_line_of_a_service_that_is_not_understood_is_refused_with_its_place(holdfast, service, line, said):
    path = service(f"[prod]\nhost=h\n{line}\n")
    run = holdfast("query", WHO, env={"PGSERVICE": "prod", "PGSERVICEFILE": path}, status=1)
    assert f"{path}:3" in run.stderr and said in run.stderr


# ---- passwords that are not ASCII -----------------------------------------------------------------

PASSWORDS = {
    "no-break space": "a\u00a0z", "soft hyphen": "IX\u00adIX", "combining acute": "e\u0301te\u0301", "as it is": "grüße",
    "unassigned": "\u0221z", "unassigned emoji": "🙂 and more", "Roman nine": "\u2168", "nothing is left": "\u00ad",
    "control": "a\u0080z", "prohibited before it is normalised": "a\u0340z", "zero width space": "a\u200bz",
    "right to left": "\u0627\u0031\u0628", "right to left, wrongly": "\u0627\u0031", "both ways": "\u0627a\u0628",
    "Hangul": "\u1100\u1161\u11a8", "ligature": "\ufb01n", "a symbol of the other direction": "a\u2135",
    "long form": "\ufdfa" * 20, "private use": "a\ue000", "ideographic space": "\u3000\u3000", "kelvin": "\u212a\u212b",
    "variation selector": "a\ufe0fz", "three marks": "a\u0323\u0307\u0301", "half width": "\uff76\uff9e", "ASCII": "pa ss~",
}


@pytest.mark.found("S6")
@pytest.mark.both_servers
def test_passwords_are_prepared_as_the_server_prepares_them(holdfast, own_cluster):
    """The server hashes what pg_saslprep() makes of it, or the bytes as they are where that fails."""
    for what, password in PASSWORDS.items():
        own_cluster.sql("ALTER ROLE plain PASSWORD %s", password)
        run = holdfast("query", WHO, dsn=own_cluster.dsn("plain", password=password), format="csv", wait=False)
        assert run.finish() == 0, f"{what}: {run.stderr}"
        other = unicodedata.normalize("NFKC", password)
        if other not in (password, "") and what in ("combining acute", "Roman nine", "ligature", "kelvin", "Hangul"):
            same = holdfast("query", WHO, dsn=own_cluster.dsn("plain", password=other), format="csv", wait=False)
            assert same.finish() == 0, f"{what}, normalised: {same.stderr}"


@pytest.mark.found("S6")
def test_other_methods_get_the_password_as_it_is(holdfast, own_cluster):
    password = "e\u0301\u00ad"
    own_cluster.sql("ALTER ROLE clear PASSWORD %s", password)
    own_cluster.sql("SET password_encryption = 'md5'; ALTER ROLE md5er PASSWORD %s", password)
    for role, method in (("md5er", "md5"), ("clear", "password")):
        dsn = own_cluster.dsn(role, password=password, require_auth=method)
        assert holdfast("query", WHO, dsn=dsn, format="csv").stdout == f"who\n{role}\n"
