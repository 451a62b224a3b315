"""SEMANTICS 66: credentials that a callback gives at each connect, as tokens that expire are; the client is credentials.c."""

import collections
import os
import subprocess

import pytest

from harness.cluster import PASSWORD

Done = collections.namedtuple("Done", "outcome attempts sqlstate value error asked")
WHO = "SELECT current_user::text"


class Client:
    """credentials.c, and the files that it finds its credentials in."""

    def __init__(self, program, folder, dsn):
        path = os.path.join(os.path.dirname(program), "tests", "integration", "credentials")
        self.file, self.anew = folder / "token", folder / "token.new"
        self.process = subprocess.Popen([path, dsn, self.file], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    @staticmethod
    def write(file, password, user="plain"):
        """Whole at once: the client may look at any time."""
        half = file.with_suffix(".half")
        half.write_text(f"{user}\n{password}\n")
        half.rename(file)

    def start(self, sql):
        self.process.stdin.write(sql + "\n")
        self.process.stdin.flush()

    def finish(self):
        asked = []
        while not (said := self.process.stdout.readline()).startswith("done "):
            assert said, "the client ended"
            asked.append(said.strip())
        outcome, attempts, *rest = said.rstrip("\n")[len("done "):].split("\t")
        return Done(outcome, int(attempts), *rest, asked)

    def run(self, sql=WHO):
        self.start(sql)
        return self.finish()

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0


@pytest.fixture
def client(program, tmp_path, own_cluster):
    """A client with the password of plain; its DSN names another user and a password that is none."""
    made = Client(program, tmp_path, own_cluster.dsn("nobody", password="none"))
    made.write(made.file, PASSWORD)
    yield made
    made.close()


def refusals(cluster):
    return cluster.log.read_text().count("password authentication failed")


def change(cluster, password):
    """plain has another password from now on, and its sessions are gone."""
    cluster.sql("ALTER ROLE plain PASSWORD %s", password)
    cluster.terminate("plain")
    cluster.no_sessions("plain")


@pytest.mark.rule(66)
@pytest.mark.both_servers
def test_each_connect_asks_and_takes_what_is_given_then(client, own_cluster):
    assert client.run() == Done("ok", 1, "-", "plain", "", ["asked"])
    assert client.run().asked == [], "one that is up is not asked about"
    change(own_cluster, "the second one")
    client.write(client.file, "the second one")
    again = client.run()
    assert (again.outcome, again.value, again.asked) == ("ok", "plain", ["asked"])
    assert refusals(own_cluster) == 0


@pytest.mark.rule(66)
@pytest.mark.both_servers
def test_what_is_refused_is_made_anew_once_within_the_same_attempt(client, own_cluster):
    client.run()
    change(own_cluster, "the second one")
    client.write(client.anew, "the second one")
    renewed = client.run()
    assert (renewed.outcome, renewed.value, renewed.asked) == ("ok", "plain", ["asked", "refused"])
    assert refusals(own_cluster) == 1


@pytest.mark.rule(66)
@pytest.mark.both_servers
def test_second_refusal_is_for_good(client, own_cluster):
    client.write(client.file, "wrong")
    client.write(client.anew, "wrong too")
    refused = client.run()
    assert (refused.outcome, refused.sqlstate, refused.asked) == ("not sent", "28P01", ["asked", "refused"])
    assert client.run().asked == [], "no other try is made"
    assert refusals(own_cluster) == 2
    assert "wrong" not in refused.error


@pytest.mark.rule(66)
def test_later_waits_on_the_link_until_there_is_one(client, own_cluster):
    client.file.unlink()
    client.start(WHO)
    connected = "connection received: host=127.0.0.1"
    before = own_cluster.log.read_text().count(connected)
    client.write(client.file, PASSWORD)
    done = client.finish()
    assert (done.outcome, done.attempts, done.asked) == ("ok", 1, ["asked"])
    assert own_cluster.log.read_text().count(connected) <= before + 1


@pytest.mark.rule(66)
def test_another_user_may_be_given(client, own_cluster):
    client.write(client.file, PASSWORD, "limited")
    assert client.run().value == "limited"
