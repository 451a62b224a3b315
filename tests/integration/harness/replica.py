"""Streaming replication: a primary and a standby of it, which follows, or must (synchronous), and is promoted."""

from .cluster import PATIENCE, Cluster, _run, give_to_server, server_program
from .waiting import eventually

PRIMARY = {"wal_level": "replica", "max_wal_senders": "5", "hot_standby": "on", "wal_keep_size": "256MB"}


def make_primary(cluster):
    """Let a cluster of a test's own have standbys."""
    with open(cluster.data / "pg_hba.conf", "a", encoding="ascii") as hba:
        hba.write("local replication postgres trust\n")
    for name, value in PRIMARY.items():
        cluster.sql(f"ALTER SYSTEM SET {name} = '{value}'")
    cluster.restart()
    return cluster


class Standby(Cluster):
    """A hot standby, made of a running primary: reads are answered, a write with 25006."""

    def __init__(self, primary, name="standby"):
        super().__init__(primary.folder.with_name(f"{name}-{primary.folder.name}"), primary.tls)
        self.primary, self.name = primary, name
        self.folder.mkdir()
        give_to_server(self.folder)
        _run(self.folder, server_program("pg_basebackup"), "-h", primary.folder, "-p", str(primary.port), "-U", "postgres",
             "-D", self.data, "-X", "stream", "-c", "fast", "-R")
        with open(self.data / "postgresql.auto.conf", "a", encoding="ascii") as config:
            config.write(f"primary_conninfo = 'host={primary.folder} port={primary.port} user=postgres "
                         f"application_name={name}'\nwal_receiver_status_interval = '1s'\n"
                         "wal_retrieve_retry_interval = '200ms'\nsynchronous_standby_names = ''\n")
        self.start()
        self.await_streaming()

    def await_streaming(self):
        eventually(lambda: self.primary.sql("SELECT 1 FROM pg_stat_replication WHERE application_name = %s AND "
                                            "state = 'streaming'", self.name), f"{self.name} follows")

    def await_caught_up(self):
        """Until it has replayed all that the primary has written so far."""
        at = self.primary.value("SELECT pg_current_wal_lsn()")
        eventually(lambda: self.value("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", at), f"{self.name} has replayed all")

    def promote(self):
        _run(self.folder, server_program("pg_ctl"), "promote", "-w", "-s", "-t", PATIENCE, "-D", self.data)


def must_confirm(primary, standby):
    """From here on each COMMIT of the primary waits for that standby."""
    primary.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{standby.name}'")
    primary.reload()
    eventually(lambda: primary.sql("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"), "it is synchronous")
