"""The program ledger.c: requests of HF_REPLAY_LEDGER on one connection."""

import collections
import os
import subprocess

Done = collections.namedtuple("Done", "outcome attempts sqlstate already kept rows error")


class Ledger:
    """A client, and the table holdfast_ledger on the server that it is given."""

    def __init__(self, program, server, dsn=None, **settings):
        path = os.path.join(os.path.dirname(program), "tests", "integration", "ledger")
        if not server.sql("SELECT 1 FROM pg_class WHERE relname = 'holdfast_ledger'"):
            server.sql(subprocess.run([path, "--table"], stdout=subprocess.PIPE, text=True, check=True).stdout)
            server.sql("GRANT ALL ON holdfast_ledger TO PUBLIC")
        words = [f"{key}={value}" for key, value in settings.items()]
        self.process = subprocess.Popen([path, dsn or server.dsn("plain"), *words], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0

    def start(self, key, *statements, kept=""):
        self.process.stdin.write("\t".join([key, kept, *statements]) + "\n")
        self.process.stdin.flush()

    def finish(self):
        rows = []
        while True:
            word, _, rest = self.process.stdout.readline().rstrip("\n").partition(" ")
            if word == "row":
                rows.append(rest)
            elif word == "restart":
                rows = []
            else:
                assert word == "done", (word, rest)
                outcome, attempts, sqlstate, applied, kept, error = rest.split("\t")
                return Done(outcome, int(attempts), sqlstate, applied == "already", kept, rows, error)

    def run(self, key, *statements, kept=""):
        self.start(key, *statements, kept=kept)
        return self.finish()
