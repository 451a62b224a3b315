"""The program ledger_run.c: the report's ledger on one connection, step by step."""

import collections
import os
import subprocess

Said = collections.namedtuple("Said", "status text")     # status 0: done


class LedgerRun:
    """A client with the ledger's table opened: `opened` is what came of that."""

    def __init__(self, program, dsn, table):
        path = os.path.join(os.path.dirname(program), "tests", "integration", "ledger_run")
        self.process = subprocess.Popen([path, dsn, table], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.opened = self._answer()

    def _answer(self):
        line = self.process.stdout.readline().decode()
        word, _, text = line.rstrip("\n").partition("\t")
        assert word, self.process.stderr.read().decode()
        return Said(0 if word == "ok" else int(word.split()[1]), text)

    def start(self, *words):
        self.process.stdin.write("\t".join(map(str, words)).encode() + b"\n")
        self.process.stdin.flush()

    def do(self, *words):
        self.start(*words)
        return self._answer()

    def finish(self):
        return self._answer()

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0
        self.process.stdout.close()
        self.process.stderr.close()
