"""Where connection settings come from, and the ways to prove who one is."""

import json
import signal

import pytest

from harness.cluster import PASSWORD, SECRET
from harness.program import slow_sql
from harness.waiting import eventually

WHO = "SELECT current_user::text AS who"


@pytest.fixture
def variables(cluster):
    """The settings as libpq's variables."""
    return {"PGHOST": "127.0.0.1", "PGPORT": str(cluster.port), "PGDATABASE": "db", "PGUSER": "app",
            "PGPASSWORD": PASSWORD, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(cluster.tls / "ca.crt")}


@pytest.fixture
def passfile(tmp_path, cluster):
    """A .pgpass in the program's HOME."""
    path = tmp_path / "home" / ".pgpass"
    path.parent.mkdir(exist_ok=True)
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    path.write_text(f"# a comment\nelsewhere:*:*:*:wrong\n127.0.0.1:{cluster.port}:db:app:{escaped}\n")
    path.chmod(0o600)
    return path


def test_pg_variables_are_read(holdfast, variables):
    assert holdfast("query", WHO, env=variables, format="csv").stdout == "who\napp\n"


def test_dsn_goes_before_the_variables(holdfast, variables, cluster):
    variables.update(PGUSER="nobody", PGPORT="1")
    assert holdfast("query", WHO, env=variables, format="csv", dsn=cluster.dsn()).stdout == "who\napp\n"


def test_key_value_form_is_read(holdfast, cluster):
    escaped = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
    dsn = (f"host=127.0.0.1 port={cluster.port} user=app dbname = db password='{escaped}' "
           f"sslmode=verify-full sslrootcert='{cluster.tls}/ca.crt'")
    assert holdfast("query", WHO, format="csv", dsn=dsn).stdout == "who\napp\n"


def test_passfile_gives_the_password(holdfast, variables, passfile):
    del variables["PGPASSWORD"]
    assert holdfast("query", WHO, env=variables, format="csv").stdout == "who\napp\n"


def test_passfile_named_by_the_variable_is_read(holdfast, variables, passfile, tmp_path):
    del variables["PGPASSWORD"]
    variables["PGPASSFILE"] = str(passfile.rename(tmp_path / "pgpass"))
    assert holdfast("query", WHO, env=variables, format="csv").stdout == "who\napp\n"


@pytest.mark.security(14)
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_passfile_that_others_can_read_is_not_used(holdfast, variables, passfile, mode):
    """libpq ignores such a file with a warning; whichever way is chosen, the user is told and no secret is used."""
    del variables["PGPASSWORD"]
    passfile.chmod(mode)
    run = holdfast("query", WHO, env=variables, wait=False)
    assert run.finish() in (1, 3)
    assert ".pgpass" in run.stderr and "600" in run.stderr
    assert SECRET not in run.stderr


def test_missing_password_is_refused_with_the_way_out(holdfast, variables):
    del variables["PGPASSWORD"]
    run = holdfast("query", WHO, env=variables, wait=False)
    assert run.finish() in (1, 3)
    assert "password" in run.stderr.lower()


def test_service_file_is_read(holdfast, cluster, tmp_path):
    service = tmp_path / "services"
    service.write_text(f"[prod]\nhost=127.0.0.1\nport={cluster.port}\nuser=trusted\ndbname=db\nsslmode=disable\n")
    variables = {"PGSERVICE": "prod", "PGSERVICEFILE": str(service)}
    assert holdfast("query", WHO, env=variables, format="csv").stdout == "who\ntrusted\n"


@pytest.mark.parametrize("role", ["trusted", "app"])
@pytest.mark.rule(32)
@pytest.mark.both_servers
def test_unix_socket_needs_no_tls(holdfast, cluster, role):
    dsn = f"host={cluster.folder} port={cluster.port} dbname=db user={role} " + \
          (f"password='{PASSWORD}'" if role == "app" else "")
    assert holdfast("query", WHO, format="csv", dsn=dsn).stdout == f"who\n{role}\n"


def test_report_over_a_unix_socket_survives_a_restart(make_job, own_cluster):
    dsn = f"host={own_cluster.folder} port={own_cluster.port} dbname=db user=trusted"
    job = make_job(rows=200, sql=slow_sql(), server=own_cluster, dsn=dsn)
    run = job.start()
    run.await_lines(50)
    own_cluster.restart("immediate")
    run.check(0)
    job.complete()


@pytest.mark.security(4)
@pytest.mark.parametrize("role, method", [("md5er", "md5"), ("clear", "password")])
@pytest.mark.rule(32)
@pytest.mark.both_servers
def test_weaker_methods_work_only_when_they_are_allowed(holdfast, cluster, role, method):
    """require_auth is scram-sha-256 when a password is given (SEMANTICS.md 32)."""
    allowed = cluster.dsn(role, require_auth=method)
    assert holdfast("query", WHO, format="csv", dsn=allowed).stdout == f"who\n{role}\n"
    refused = holdfast("query", WHO, dsn=cluster.dsn(role), status=3)
    assert "require_auth" in refused.stderr
    assert SECRET not in refused.stderr


@pytest.mark.security(4)
@pytest.mark.rule(32)
def test_trust_is_refused_when_a_password_was_given(holdfast, cluster):
    """A server that does not ask for the password may be a false one, which does not know it."""
    assert "require_auth" in holdfast("query", WHO, dsn=cluster.dsn("trusted"), status=3).stderr
    assert holdfast("query", WHO, dsn=cluster.dsn("trusted", password=None), format="csv").stdout == "who\ntrusted\n"


@pytest.mark.fault(5)
@pytest.mark.sockets("localhost is in the system's list of hosts; the second address of a name is in test_network.py")
def test_second_address_is_used_when_the_first_is_dead(holdfast, cluster):
    """FAULTS.md 5: localhost is ::1 and 127.0.0.1, and the server listens on the second alone."""
    assert holdfast("query", WHO, dsn=cluster.dsn(host="localhost"), format="csv").stdout == "who\napp\n"


@pytest.mark.fault(4)
def test_fault_04_name_that_does_not_resolve_is_in_the_message(holdfast, cluster):
    run = holdfast("query", WHO, dsn=cluster.dsn(host="nowhere.invalid"), wait=False, max_outage="1s",
                   retry_delay="100ms", connect_timeout="2s")
    assert run.finish() == 4
    assert "nowhere.invalid" in run.stderr


def test_server_that_nobody_named_is_said_to_be_the_default(holdfast):
    limits = {"connect_retries": 0, "connect_timeout": "2s"}
    run = holdfast("query", "SELECT 1", env={"PGPORT": "1"}, status=4, **limits)
    assert "no server was named: say which in --dsn or PGHOST" in run.stderr
    run = holdfast("query", "SELECT 1", env={"PGPORT": "1", "PGHOST": "/nowhere"}, status=4, **limits)
    assert "no server was named" not in run.stderr


@pytest.mark.both_servers
def test_application_name_and_options_reach_the_server(holdfast, cluster):
    dsn = cluster.dsn(application_name="nightly report", options="-c work_mem=5MB")
    sql = "SELECT current_setting('application_name') AS a, current_setting('work_mem') AS w"
    assert holdfast("query", sql, dsn=dsn, format="csv").stdout == "a,w\nnightly report,5MB\n"


@pytest.mark.security(14)
def test_config_file_holds_options_and_the_command_line_goes_before_it(holdfast, cluster, tmp_path):
    config = tmp_path / "holdfast.json"
    config.write_text(json.dumps({"dsn": cluster.dsn(), "format": "json", "retry_delay": "100ms"}))
    open_to_all = holdfast("query", WHO, config=config, status=1)
    assert "chmod 600" in open_to_all.stderr and SECRET not in open_to_all.stderr
    config.chmod(0o600)
    assert json.loads(holdfast("query", WHO, config=config).stdout) == [{"who": "app"}]
    assert holdfast("query", WHO, config=config, format="csv").stdout == "who\napp\n"
    config.write_text(json.dumps({"dsn": cluster.dsn(), "retry_dela": "100ms"}))
    assert "retry_dela" in holdfast("query", WHO, config=config, status=1).stderr


def test_watch_prints_each_transition_until_it_is_stopped(holdfast, own_cluster):
    run = holdfast("watch", dsn=own_cluster.dsn(), retry_delay="100ms", max_retry_delay="200ms", wait=False)

    def said(word):
        return word in (run.stdout + run.stderr).upper()
    eventually(lambda: said("HEALTHY"), "it is connected")
    own_cluster.restart("immediate")
    eventually(lambda: said("RECONNECTED"), "it has reconnected")
    run.send(signal.SIGTERM)
    assert run.finish() in (0, 4)
    assert SECRET not in run.stdout + run.stderr


@pytest.mark.rule(21)
@pytest.mark.both_servers
def test_read_is_in_a_read_only_session(holdfast, cluster):
    run = holdfast("query", "CREATE TABLE forbidden ()", dsn=cluster.dsn(), wait=False)
    assert run.finish() != 0
    assert "--write" in run.stderr
