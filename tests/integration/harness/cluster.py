"""A private PostgreSQL: made once as a template, copied for each test that wants to hurt one.

A copy starts in a fraction of a second, which is why even tests that kill their server can have one each.
PostgreSQL refuses to run as root, so as root everything of the server's runs as the user `postgres`.
"""

import contextlib
import fcntl
import glob
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import subprocess
import urllib.parse

import psycopg2
import psycopg2.extensions

from . import postgres18
from .certificates import Authority
from .network import FAR
from .waiting import PATIENCE_S, eventually

PASSWORD = "Tr0ub4dor/&@3x:pw"      # needs percent-encoding in a URL: that path is tested by every test
SECRET = "Tr0ub4dor"                # what must never show up anywhere, encoded or not
POOLED = "Tr0ub4dor-pooled"         # of the role pooled: pgpool reads no colon in a password
ITEMS = 2000
PATIENCE = str(int(PATIENCE_S))     # as pg_ctl and libpq want it
GATE = "tests.gate"                 # a file in the server's data: the last line that pass() lets through

CONFIG = """
listen_addresses = '127.0.0.1'
fsync = off
autovacuum = off
max_connections = 40
shared_buffers = 16MB
max_wal_senders = 0
wal_level = minimal
jit = off
ssl = on
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
password_encryption = 'scram-sha-256'
log_connections = on
log_disconnections = on
log_line_prefix = '%m [%p] %q%u@%d '
timezone = 'UTC'
log_timezone = 'UTC'
"""

# app: as production has it. plain: for faults placed at a byte that TLS would hide. The rest: one method each.
HBA = """
local   all  postgres                  trust
local   all  trusted                   trust
local   all  app                       scram-sha-256
hostssl all  app        samenet   scram-sha-256
host    all  plain      samenet   scram-sha-256
host    all  limited    samenet   scram-sha-256
host    all  hurried    samenet   scram-sha-256
host    all  pooled     samenet   scram-sha-256
host    all  md5er      samenet   md5
host    all  clear      samenet   password
host    all  trusted    samenet   trust
"""

ROLES = ("app", "plain", "limited", "hurried", "clear", "trusted")

PASS = f"""CREATE FUNCTION pass(n int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  WHILE n > pg_read_file('{GATE}', 0, 20, true)::int LOOP PERFORM pg_sleep(0.01); END LOOP;
  RETURN n;
END $$"""

SCHEMA = r"""
CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL, price numeric(10,2), note text);
INSERT INTO item
SELECT i, 'item ' || i, CASE WHEN i % 10 <> 0 THEN i * 1.25 END,
       CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'a, b' WHEN 3 THEN 'say "hi"'
                  WHEN 4 THEN E'two\nlines' WHEN 5 THEN 'žluťoučký kůň ✓' ELSE ' plain ' END
FROM generate_series(1, {ITEMS}) i;
CREATE TABLE sale (item_id int NOT NULL, day date NOT NULL, qty int, PRIMARY KEY (item_id, day));
INSERT INTO sale SELECT i, date '2024-01-01' + d, i % 5 + d FROM generate_series(1, {ITEMS}) i,
       generate_series(1, 2) d WHERE d <= i % 3;
CREATE TABLE ledger (run_id bigserial PRIMARY KEY, line int, note text);
CREATE TABLE single (line int PRIMARY KEY, note text);
CREATE SEQUENCE tries;
CREATE FUNCTION counted(n int) RETURNS int LANGUAGE sql AS 'SELECT nextval(''tries''); SELECT n';
CREATE FUNCTION flaky(n int, state text, often float) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  IF random() < often THEN RAISE EXCEPTION 'a passing conflict' USING ERRCODE = state; END IF;
  RETURN n;
END $$;
CREATE FUNCTION refuse(n int, bad int, state text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  IF n = bad THEN RAISE EXCEPTION 'line % is refused', n USING ERRCODE = state; END IF;
  RETURN n;
END $$;
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC;
"""


def _as_server(*command):
    """The command as the user that may run a server."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else list(command)


def server_program(name, programs=None):
    """The path of initdb, pg_ctl, psql… in that folder, or Debian's, which keeps the servers' programs off the PATH."""
    if programs:
        return pathlib.Path(programs) / name
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}")) or [shutil.which(name)]
    if not found[-1]:
        raise RuntimeError(f"{name} is not installed: apt-get install postgresql")
    return found[-1]


def _run(folder, *command, network=None):
    """Run one of the server's programs; its whole output is the error when it fails."""
    words = _as_server(*command)
    done = subprocess.run(network.on_far(*words) if network else words, cwd=folder, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}")


def initdb(folder, data, programs=None):
    _run(folder, server_program("initdb", programs), "-N", "-D", data, "-U", "postgres", "-A", "trust",
         "-E", "UTF8", "--locale=C.UTF-8")


def give_to_server(*paths):
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        for path in paths:
            os.chown(path, user.pw_uid, user.pw_gid)


def _install_certificate(data, certificate, key):
    for source, name in ((certificate, "server.crt"), (key, "server.key")):
        shutil.copy(source, data / name)
        (data / name).chmod(0o600)
        give_to_server(data / name)


_ours = {}                          # a socket for each of our ports


def free_port():
    """A loopback port below the ephemeral range, so that no client's own end takes it during a restart; and no other
    worker, nor another run: an abstract name of AF_UNIX says that it is taken, while nothing listens on it, too."""
    while True:
        port = random.randrange(15000, 30000)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0holdfast-tests-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _ours[port] = claim
        return port


def let_go(port):
    _ours.pop(port).close()


class Cluster:
    """One server: folder, port, socket; started and stopped by its pid file."""

    def __init__(self, folder, tls, network=None, programs=None):
        self.folder, self.tls, self.network, self.programs = pathlib.Path(folder), tls, network, programs
        self.host = FAR if network else "127.0.0.1"
        self.data, self.log = self.folder / "data", self.folder / "server.log"
        self.port = free_port()
        self._admin = None

    # -- life ------------------------------------------------------------------------------------

    def start(self, wait=True):
        """Start; with `wait` until it answers. The log of earlier lives is kept."""
        options = f"-p {self.port} -k {self.folder}" + (" -c listen_addresses='*'" if self.network else "")
        _run(self.folder, server_program("pg_ctl", self.programs), "start", "-w" if wait else "-W", "-s", "-t", PATIENCE,
             "-D", self.data, "-l", self.log, "-o", options, network=self.network)
        return self

    def stop(self, mode="fast", wait=True):
        self.forget_admin()
        _run(self.folder, server_program("pg_ctl", self.programs), "stop", "-w" if wait else "-W", "-s", "-t", PATIENCE,
             "-D", self.data, "-m", mode)

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def destroy(self):
        """Stop if running and remove the folder."""
        if self.running():
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)
        let_go(self.port)

    def make_anew(self):
        """Another system at the same place, as initdb makes it: the template's settings, an empty db, the role plain."""
        self.stop("immediate")
        old = self.data.rename(self.folder / "old")
        initdb(self.folder, self.data, self.programs)
        for name in ("postgresql.conf", "pg_hba.conf", "server.crt", "server.key"):
            subprocess.run(["cp", "-a", old / name, self.data / name], check=True)
        self.start()
        with contextlib.closing(self.connect(dbname="postgres")) as admin:
            admin.cursor().execute("CREATE DATABASE db")
            admin.cursor().execute("CREATE ROLE plain LOGIN PASSWORD %s", (PASSWORD,))

    def running(self):
        return (self.data / "postmaster.pid").exists()

    @property
    def pid(self):
        return int((self.data / "postmaster.pid").read_text().split()[0])

    @contextlib.contextmanager
    def frozen(self):
        """The postmaster stopped by SIGSTOP: connections are taken by the kernel and never answered."""
        pid = self.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def use_certificate(self, certificate, key):
        """Present another certificate from the next connection on."""
        _install_certificate(self.data, certificate, key)
        self.reload()

    def reload(self):
        """Have the configuration read again, and wait until it is."""
        before = self.log.read_text().count("reloading configuration")
        self.sql("SELECT pg_reload_conf()")
        eventually(lambda: self.log.read_text().count("reloading configuration") > before, "the reload")

    # -- the gate --------------------------------------------------------------------------------

    def shut(self, behind):
        """Statements that call pass(n) with an n behind this line wait until open_up(). A file, so that it does not
        matter whether the server runs just now, and restarts leave it."""
        new = self.data / f"{GATE}.new"
        new.write_text(f"{behind}\n")
        give_to_server(new)
        new.replace(self.data / GATE)

    def open_up(self):
        (self.data / GATE).unlink(missing_ok=True)

    # -- asking it -------------------------------------------------------------------------------

    def connect(self, **options):
        """A connection of the tests' own, as superuser through the socket: no fault stands in its way."""
        settings = {"host": str(self.folder), "port": self.port, "user": "postgres", "dbname": "db",
                    "connect_timeout": PATIENCE, "application_name": "tests", **options}
        connection = psycopg2.connect(**settings)
        connection.autocommit = True
        return connection

    def sql(self, text, *values):
        """Run one statement on a kept connection; its rows, or nothing."""
        if self._admin is None or self._admin.closed:
            self._admin = self.connect()
        try:
            with self._admin.cursor() as cursor:
                cursor.execute(text, values or None)
                return cursor.fetchall() if cursor.description else None
        except psycopg2.OperationalError:
            self.forget_admin()
            raise

    def value(self, text, *values):
        return self.sql(text, *values)[0][0]

    def forget_admin(self):
        if self._admin is not None:
            self._admin.close()
        self._admin = None

    def sessions(self, role="app", state=None):
        """The pids of a role's sessions, those in `state` ('active', 'idle') if one is given."""
        return [row[0] for row in self.sql(
            "SELECT pid FROM pg_stat_activity WHERE usename = %s AND state = coalesce(%s, state)", role, state)]

    def terminate(self, role="app", state=None):
        """Terminate a role's sessions as an administrator would; how many were hit."""
        return sum(self.value("SELECT pg_terminate_backend(%s)::int", pid) for pid in self.sessions(role, state))

    def terminate_at_once(self, run, role="app"):
        """The same, and `run` learns of all of them at once, however long the ending takes."""
        with run.stopped():
            self.terminate(role)
            self.no_sessions(role)

    def end_sessions(self):
        """End every session but those of the superuser, who is the tests' own."""
        self.sql("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE backend_type = 'client backend' AND usename <> current_user""")
        eventually(lambda: self.value("""SELECT count(*) FROM pg_stat_activity
                                         WHERE backend_type = 'client backend' AND usename <> current_user""") == 0,
                   "no session is left on the server")

    def await_active(self, role="app"):
        eventually(lambda: self.sessions(role, "active"), f"a statement of {role} runs")

    def await_held(self, count, role="app"):
        """Until so many of a role's statements wait at the gate; none may sleep elsewhere (slow_sql(0))."""
        eventually(lambda: self.value("SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND wait_event = 'PgSleep'",
                                      role) == count, f"{count} statements of {role} wait at the gate")

    def no_sessions(self, role="app"):
        eventually(lambda: not self.sessions(role), f"no session of {role} is left on the server")

    # -- addresses -------------------------------------------------------------------------------

    def dsn(self, role="app", host=None, port=None, password=PASSWORD, **parameters):
        """A URL for the program. app gets verify-full against the tests' CA; the others no TLS."""
        if role == "app":
            parameters = {"sslmode": "verify-full", "sslrootcert": str(self.tls / "ca.crt"), **parameters}
        else:
            parameters = {"sslmode": "disable", **parameters}
        secret = "" if password is None else ":" + urllib.parse.quote(password, safe="")
        given = {name: value for name, value in parameters.items() if value is not None}
        query = urllib.parse.urlencode(given, safe="/", quote_via=urllib.parse.quote)
        return f"postgres://{role}{secret}@{host or self.host}:{port or self.port}/db?{query}"


class Clusters:
    """Where clusters come from: one template for all workers of a run, a copy for each cluster. `version` is None for
    Debian's server, or 18 for the one of postgres18.py."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.tls = self.root / "tls"

    def new(self, name, network=None, version=None):
        """A started copy of the template, on this machine or on a network's far one."""
        self._prepare(version)
        folder = self.root / f"{name}-{os.getpid()}"
        folder.mkdir()
        give_to_server(folder)
        subprocess.run(["cp", "-a", "--reflink=auto", self._template(version) / "data", folder / "data"], check=True)
        cluster = Cluster(folder, self.tls, network, self._programs(version))
        return cluster.start()

    def postgres18(self):
        """PostgreSQL 18's folder, with bin, lib and share, where the server's user may enter it."""
        self._once("postgres18", lambda: postgres18.copy_to(self.root / "postgres18"))
        return self.root / "postgres18"

    def _template(self, version):
        return self.root / f"template{version or ''}"

    def _programs(self, version):
        return self.postgres18() / "bin" if version == 18 else None

    def _once(self, name, make):
        """Make something unless another worker has, or is about to."""
        with open(self.root / f"{name}.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (self.root / f"{name}.ready").exists():
                make()
                (self.root / f"{name}.ready").touch()

    def _prepare(self, version):
        self._once("tls", self._make_tls)
        self._once(self._template(version).name, lambda: self._make_template(version))

    def _make_tls(self):
        self.tls.mkdir()
        Authority(self.tls, "stranger")
        Authority(self.tls, "ca").issue("server")

    def _make_template(self, version):
        certificate, key = self.tls / "server.crt", self.tls / "server.key"
        folder = self._template(version)
        folder.mkdir()
        give_to_server(folder)
        initdb(folder, folder / "data", self._programs(version))
        with open(folder / "data" / "postgresql.conf", "a", encoding="utf-8") as config:
            config.write(CONFIG)
        (folder / "data" / "pg_hba.conf").write_text(HBA)
        _install_certificate(folder / "data", certificate, key)
        cluster = Cluster(folder, self.tls, programs=self._programs(version)).start()
        with contextlib.closing(cluster.connect(dbname="postgres")) as admin:
            self._fill(cluster, admin)
        cluster.stop()
        let_go(cluster.port)

    @staticmethod
    def _fill(cluster, admin):
        cursor = admin.cursor()
        cursor.execute("CREATE DATABASE db")
        for role in ROLES:
            cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD %s", (PASSWORD,))
        cursor.execute("CREATE ROLE pooled LOGIN PASSWORD %s", (POOLED,))
        cursor.execute("SET password_encryption = 'md5'")
        cursor.execute("CREATE ROLE md5er LOGIN PASSWORD %s", (PASSWORD,))
        cursor.execute("ALTER ROLE hurried SET statement_timeout = '300ms'")
        with contextlib.closing(cluster.connect()) as connection:
            connection.cursor().execute(SCHEMA.replace("{ITEMS}", str(ITEMS)) + PASS)
