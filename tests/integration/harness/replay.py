"""The same requests through libpq and through holdfast, each on one connection, told in the same words.

A request is a text, or a text and its parameters in a tuple, or a list of these: a batch. What came of it is an
`Answer`; both sides' must be equal.
"""

import collections
import ctypes
import ctypes.util
import os
import subprocess

from .waiting import PATIENCE_S

# sqlstate: None if it is done. columns and rows: one list for each statement; of a request that failed they are empty.
# affected: of the last.
Answer = collections.namedtuple("Answer", "sqlstate columns rows affected notified")

FIRST_OF_USERS = 16384      # from here on an OID is whatever the server's counter gave
EMPTY, COMMAND, TUPLES = 0, 1, 2    # ExecStatusType


def words(statement):
    """The statement's text and its parameters."""
    return (statement, ()) if isinstance(statement, str) else (statement[0], statement[1:])


def column(name, oid):
    return name, oid if oid < FIRST_OF_USERS else "the user's"


class Libpq:
    """PQexecParams; a batch stands between BEGIN and COMMIT."""

    def __init__(self, dsn):
        self.pq = ctypes.CDLL(ctypes.util.find_library("pq") or "libpq.so.5")
        for name in ("PQconnectdb", "PQexecParams", "PQnotifies"):
            getattr(self.pq, name).restype = ctypes.c_void_p
        for name in ("PQresultErrorField", "PQfname", "PQcmdTuples", "PQerrorMessage"):
            getattr(self.pq, name).restype = ctypes.c_char_p
        self.pq.PQgetvalue.restype = ctypes.POINTER(ctypes.c_char)
        self.silent = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)(lambda *_: None)
        self.connection = ctypes.c_void_p(self.pq.PQconnectdb(dsn.encode()))
        if self.pq.PQstatus(self.connection) != 0:
            raise RuntimeError(self.pq.PQerrorMessage(self.connection).decode())
        self.pq.PQsetNoticeProcessor(self.connection, self.silent, None)

    def close(self):
        self.pq.PQfinish(self.connection)

    def run(self, request):
        if not isinstance(request, list):
            return self._told([self._one(request)])
        self._one("BEGIN")
        answers = []
        for statement in request:
            answers.append(self._one(statement))
            if answers[-1][0]:
                self._one("ROLLBACK")
                return self._told(answers)
        end = self._one("COMMIT")
        return self._told([end] if end[0] else answers)

    def _told(self, answers):
        sqlstate, affected = answers[-1][0], answers[-1][3]
        notified = self._notified()
        if sqlstate:
            return Answer(sqlstate, [], [], 0, notified)
        return Answer(None, [a[1] for a in answers], [a[2] for a in answers], affected, notified)

    def _one(self, statement):
        """SQLSTATE or None, columns, rows, affected."""
        sql, params = words(statement)
        values = (ctypes.c_char_p * max(1, len(params)))(*(None if p is None else p.encode() for p in params))
        pq = self.pq
        result = ctypes.c_void_p(pq.PQexecParams(self.connection, sql.encode(), len(params), None, values, None, None, 0))
        try:
            if pq.PQresultStatus(result) not in (EMPTY, COMMAND, TUPLES):
                code = pq.PQresultErrorField(result, ord("C"))
                return code.decode() if code else pq.PQerrorMessage(self.connection).decode(), [], [], 0
            fields = range(pq.PQnfields(result))
            columns = [column(pq.PQfname(result, i), pq.PQftype(result, i)) for i in fields]
            rows = [[None if pq.PQgetisnull(result, row, i) else
                     ctypes.string_at(pq.PQgetvalue(result, row, i), pq.PQgetlength(result, row, i)) for i in fields]
                    for row in range(pq.PQntuples(result))]
            return None, columns, rows, int(pq.PQcmdTuples(result) or 0)
        finally:
            pq.PQclear(result)

    def _notified(self):
        class Notify(ctypes.Structure):
            _fields_ = (("channel", ctypes.c_char_p), ("pid", ctypes.c_int), ("payload", ctypes.c_char_p))
        found = []
        while (at := self.pq.PQnotifies(self.connection)) is not None:
            told = Notify.from_address(at)
            found.append((told.channel, told.payload))
            self.pq.PQfreemem(ctypes.c_void_p(at))
        return found


class Holdfast:
    """The program replay.c; `prepare`: every request asks to be kept prepared."""

    def __init__(self, program, dsn, prepare):
        path = os.path.join(os.path.dirname(program), "tests", "integration", "replay")
        self.prepare = prepare
        self.process = subprocess.Popen([path, dsn], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE_S) == 0

    def run(self, request):
        statements = request if isinstance(request, list) else [request]
        self._say(f"{int(self.prepare)} {len(request) if isinstance(request, list) else 0}\n".encode())
        for sql, params in map(words, statements):
            self._say(b"%d %d\n%b" % (len(sql.encode()), len(params), sql.encode()))
            for param in params:
                text = b"" if param is None else param.encode()
                self._say(b"%d\n%b" % (-1 if param is None else len(text), text))
        self.process.stdin.flush()
        return self._answer(len(statements))

    def _say(self, data):
        self.process.stdin.write(data)

    def _answer(self, n):
        columns, rows, notified = [None] * n, [[] for _ in range(n)], []
        while True:
            line = self.process.stdout.readline().decode().rstrip("\n").split(" ")
            if line[0] == "columns":
                named = (word.split(":") for word in line[2:])
                columns[int(line[1])] = [column(bytes.fromhex(name), int(oid)) for name, oid in named]
            elif line[0] == "row":
                rows[int(line[1])].append([None if value == "-" else bytes.fromhex(value) for value in line[2:]])
            elif line[0] == "restart":
                columns, rows = [None] * n, [[] for _ in range(n)]
            elif line[0] == "notify":
                notified.append((bytes.fromhex(line[1]), bytes.fromhex(line[2])))
            else:
                assert line[0] == "done", line
                outcome, affected, sqlstate = line[1], int(line[2]), line[3]
                break
        if outcome != "ok":
            return Answer(sqlstate, [], [], affected, notified)
        return Answer(None, columns, rows, affected, notified)
