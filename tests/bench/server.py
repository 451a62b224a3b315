"""The server both sides are measured against: private, on a loopback port, with TLS and SCRAM, gone afterwards.

PostgreSQL refuses to run as root, so as root its part runs as the user postgres.
"""

import contextlib
import fcntl
import glob
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

ITEMS = 200_000

CONFIG = """
listen_addresses = '127.0.0.1'
max_connections = 60
shared_buffers = 128MB
fsync = off
autovacuum = off
jit = off
max_wal_senders = 0
wal_level = minimal
ssl = on
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
password_encryption = 'scram-sha-256'
"""

HBA = """
local  all  postgres                 trust
host   all  app       127.0.0.1/32   scram-sha-256
"""

SCHEMA = """
CREATE ROLE app LOGIN PASSWORD '{password}';
CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL, price numeric(10,2) NOT NULL,
                   stock int NOT NULL, note text NOT NULL);
INSERT INTO item SELECT i, 'item ' || i, i * 0.25, i % 1000, repeat('note ', 10)
FROM generate_series(1, {items}) i;
GRANT SELECT ON item TO app;
CREATE TABLE entry (id bigserial PRIMARY KEY, item int NOT NULL, quantity int NOT NULL, label text NOT NULL);
GRANT SELECT, INSERT ON entry TO app;
GRANT USAGE ON SEQUENCE entry_id_seq TO app;
GRANT CREATE ON SCHEMA public TO app;
VACUUM (ANALYZE, FREEZE) item;
"""

CERTIFICATES = """
[req]
distinguished_name = name
prompt = no
[name]
CN = holdfast bench
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1
"""


def program(name):
    """Debian keeps the servers' programs off the PATH."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}")) or [shutil.which(name)]
    if not found[-1]:
        raise SystemExit(f"{name} is not installed: make deps-test")
    return found[-1]


def _run(*command, folder=None, as_server=False, text=None):
    if as_server and os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    done = subprocess.run([str(word) for word in command], cwd=folder, input=text, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _give(path):
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(path, user.pw_uid, user.pw_gid)


def _folder(work):
    """Where the server lives: below the build folder if it may enter and its socket's path fits."""
    folder = work / "server"
    folder.mkdir()
    _give(folder)
    enter = ["test", "-w", str(folder)]
    if os.geteuid() == 0:
        enter = ["runuser", "-u", "postgres", "--", *enter]
    if len(str(folder)) > 80 or subprocess.run(enter).returncode != 0:
        folder.rmdir()
        folder = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-bench-"))
        _give(folder)
    return folder


class Server:
    """A started server; `dsn` for clients, `pin` for its backends to come."""

    def __init__(self, work):
        self.work, self.port = work, free_port()
        self.password = secrets.token_hex(8)
        self.folder = _folder(work)
        self.data = self.folder / "data"

    def start(self):
        _run(program("initdb"), "-N", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale=C.UTF-8", folder=self.folder, as_server=True)
        self._certificates()
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as config:
            config.write(CONFIG)
        (self.data / "pg_hba.conf").write_text(HBA)
        _run(program("pg_ctl"), "start", "-w", "-s", "-t", "60", "-D", self.data, "-l", self.folder / "log",
             "-o", f"-p {self.port} -k {self.folder}", folder=self.folder, as_server=True)
        self.sql(SCHEMA.format(password=self.password, items=ITEMS))

    def stop(self):
        if (self.data / "postmaster.pid").exists():
            _run(program("pg_ctl"), "stop", "-w", "-s", "-D", self.data, "-m", "immediate", folder=self.folder,
                 as_server=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, text):
        """Run as the superuser."""
        _run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", self.port, "-U", "postgres",
             "-d", "postgres", text=text)

    def dsn(self, tls):
        way = f"verify-full&sslrootcert={self.work / 'ca.crt'}" if tls else "disable"
        return f"postgres://app:{self.password}@127.0.0.1:{self.port}/postgres?sslmode={way}"

    def pin(self, cores):
        """Backends that start from now on run on these cores only."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        os.sched_setaffinity(pid, cores)

    def _certificates(self):
        """A CA and a server certificate, both RSA-2048."""
        config, ca = self.work / "openssl.cnf", self.work / "ca"
        config.write_text(CERTIFICATES)
        new = ["-config", config, "-newkey", "rsa:2048", "-nodes"]
        _run("openssl", "req", "-x509", *new, "-extensions", "ca", "-days", "2", "-keyout", f"{ca}.key",
             "-out", f"{ca}.crt")
        _run("openssl", "req", "-new", *new, "-subj", "/CN=127.0.0.1", "-keyout", self.data / "server.key",
             "-out", self.work / "server.csr")
        _run("openssl", "x509", "-req", "-in", self.work / "server.csr", "-CA", f"{ca}.crt", "-CAkey",
             f"{ca}.key", "-CAcreateserial", "-extfile", config, "-extensions", "server", "-days", "2", "-out",
             self.data / "server.crt")
        for name in ("server.key", "server.crt"):
            (self.data / name).chmod(0o600)
            _give(self.data / name)


@contextlib.contextmanager
def workplace(folder):
    """The empty folder everything is written to; a killed run still stops its server."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.stdout.reconfigure(encoding="utf-8")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit(f"another run is at work in {folder}") from None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder


@contextlib.contextmanager
def running(work):
    """A server for as long as the block runs, under the empty folder `work`."""
    server = Server(work)
    try:
        server.start()
        yield server
    finally:
        server.stop()
