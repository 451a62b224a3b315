"""What people put between a client and its server: haproxy, pgbouncer and pgpool-II, each a process of the tests' own."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess

import psycopg2

from .cluster import PASSWORD, POOLED, free_port, give_to_server, let_go
from .waiting import PATIENCE_S, eventually

ADMIN = "keeper"                    # pgbouncer's console is this user's


class Between:
    """A program on a port of its own; its folder is below the clusters' root, so that the reaper finds it."""

    def __init__(self, root, name, program):
        found = shutil.which(program) or f"/usr/sbin/{program}"
        if not os.access(found, os.X_OK):
            raise RuntimeError(f"{program} is not installed: apt-get install {program}")
        self.program, self.port = found, free_port()
        self.folder = pathlib.Path(root) / f"{name}-{os.getpid()}-{self.port}"
        self.folder.mkdir()
        self.pid_file = self.folder / f"{program}.pid"
        self.process = None

    def _start(self, *command, user=None):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([str(word) for word in command], cwd=self.folder, user=user,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid_file.write_text(str(self.process.pid))
        eventually(self._listens, f"{self.program} listens")
        return self

    def _listens(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        """End it as a crash would: its links are reset or ended by the kernel."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def destroy(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        let_go(self.port)


class Haproxy(Between):
    """A TCP load balancer before servers `a`, `b`, …: the first that is not in maintenance gets everything."""

    CONFIG = """
global
    stats socket {folder}/admin level admin expose-fd listeners
    hard-stop-after 300ms
defaults
    mode tcp
    timeout connect 1s
    timeout client {idle}
    timeout server 1h
frontend in
    bind 127.0.0.1:{port}
    default_backend servers
backend servers
    balance first
"""

    def __init__(self, root, clusters, idle="1h"):
        super().__init__(root, "haproxy", "haproxy")
        self.names = "abcdef"[:len(clusters)]
        self.config = self.folder / "config"
        self.config.write_text(self.CONFIG.format(folder=self.folder, port=self.port, idle=idle) + "".join(
            f"    server {name} 127.0.0.1:{cluster.port}\n" for name, cluster in zip(self.names, clusters)))
        self.old = []
        self._start(self.program, "-db", "-f", self.config)

    def reload(self):
        """A new process takes the port over; the old one ends what is left of its links after 300 ms."""
        before, self.process = self.process, None
        self.old.append(before)
        self._start(self.program, "-db", "-f", self.config, "-sf", before.pid, "-x", self.folder / "admin")
        before.wait(PATIENCE_S)

    def switch(self, name):
        """Everything goes to that server from now on; links to the others are cut."""
        self._say(f"set server servers/{name} state ready")
        for other in self.names:
            if other != name:
                self._say(f"set server servers/{other} state maint")
                self._say(f"shutdown sessions server servers/{other}")

    def kill(self):
        for process in self.old:
            if process.poll() is None:
                process.kill()
                process.wait()
        super().kill()

    def _say(self, command):
        with socket.socket(socket.AF_UNIX) as console:
            console.connect(str(self.folder / "admin"))
            console.sendall(command.encode() + b"\n")
            answer = b""
            while data := console.recv(4096):
                answer += data
        assert not answer.strip(), f"haproxy: {command}: {answer.decode()}"


class Pgbouncer(Between):
    """A pooler in transaction mode: fewer sessions on the server than clients, and each flight may get another."""

    CONFIG = """
[databases]
db = host=127.0.0.1 port={server} dbname=db
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
admin_users = {admin}
pool_mode = transaction
default_pool_size = {sessions}
server_round_robin = 1
server_login_retry = 1
query_wait_timeout = {query_wait_timeout}
client_tls_sslmode = allow
server_tls_sslmode = prefer
client_tls_cert_file = {folder}/server.crt
client_tls_key_file = {folder}/server.key
"""

    def __init__(self, root, cluster, sessions=2, query_wait_timeout=120):
        super().__init__(root, "pgbouncer", "pgbouncer")
        (self.folder / "config").write_text(self.CONFIG.format(
            server=cluster.port, port=self.port, folder=self.folder, admin=ADMIN, sessions=sessions,
            query_wait_timeout=query_wait_timeout))
        (self.folder / "users").write_text("".join(f'"{user}" "{PASSWORD}"\n' for user in ("app", "plain", ADMIN)))
        for name in ("server.crt", "server.key"):
            shutil.copy(cluster.tls / name, self.folder / name)
            (self.folder / name).chmod(0o600)
        give_to_server(self.folder, *self.folder.iterdir())
        self.start()

    def start(self):
        self._start(self.program, "-q", self.folder / "config", user="postgres" if os.geteuid() == 0 else None)

    def restart(self):
        self.kill()
        self.start()

    @property
    def alive(self):
        return self.process.poll() is None

    def say(self, command):
        """One command on the console: PAUSE db, RESUME db, RECONNECT db, …; its rows by column, if it has any."""
        console = psycopg2.connect(host="127.0.0.1", port=self.port, user=ADMIN, password=PASSWORD, dbname="pgbouncer")
        try:
            console.autocommit = True
            cursor = console.cursor()
            cursor.execute(command)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row)) for row in cursor.fetchall()] if names else None
        finally:
            console.close()

    def pauses(self):
        """Does it hold back what comes, by PAUSE?"""
        return any(row["name"] == "db" and int(row["paused"]) for row in self.say("SHOW DATABASES"))


class Pgpool(Between):
    """pgpool-II before one server, or before a Proxy to one, whose link it may lose: proxy.default = Plan(lose=…).

    Role pooled (password POOLED) logs in with its password, role trusted without; neither with TLS, which pgpool is not given."""

    CONFIG = """
listen_addresses = '127.0.0.1'
port = {port}
pcp_port = {pcp}
pcp_socket_dir = '{folder}'
unix_socket_directories = '{folder}'
backend_clustering_mode = 'streaming_replication'
backend_hostname0 = '127.0.0.1'
backend_port0 = {server}
backend_flag0 = 'DISALLOW_TO_FAILOVER'
failover_on_backend_error = off
failover_on_backend_shutdown = off
num_init_children = {children}
max_pool = 1
health_check_period = 0
sr_check_period = 0
load_balance_mode = off
enable_pool_hba = on
pool_passwd = 'passwords'
pid_file_name = '{folder}/its-own'
logdir = '{folder}'
"""
    HBA = """
host all trusted 127.0.0.1/32 trust
host all all     127.0.0.1/32 scram-sha-256
"""

    def __init__(self, root, server, children=6):
        super().__init__(root, "pgpool", "pgpool")
        files = {"config": self.CONFIG.format(folder=self.folder, port=self.port, pcp=free_port(), server=server.port,
                                              children=children),
                 "hba": self.HBA, "pcp": "", "passwords": f"pooled:TEXT{POOLED}\n"}
        for name, text in files.items():
            (self.folder / name).write_text(text)
        give_to_server(self.folder, *self.folder.iterdir())
        self._start(self.program, "-n", "-f", self.folder / "config", "-a", self.folder / "hba", "-F",
                    self.folder / "pcp", user="postgres" if os.geteuid() == 0 else None)

    def kill(self):
        """Stop pgpool-II by SIGINT, since its children end only when their parent tells them to."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(PATIENCE_S)
