#!/usr/bin/python3
"""Which test shows which fault, attack, rule and finding: holds that each number of tests/shown.md has a test, and
that the page says where. Its first two columns are written by hand, the last is made here.

    tests/lint/shown.py [--write]
"""
import ast
import glob
import os
import re
import sys

PAGE = "tests/shown.md"
REPEAT = "to mend: tests/lint/shown.py --write"
MARKS = ("fault", "security", "rule", "found")

# The findings whose tests are still being written: told, and no error. One that has got its test must go from here.
PENDING = """
""".split()

# The simulator knows its faults by names of its own; it draws them all, so a test is not a function there.
SIMULATED = {
    "fault": {
        2: ["NET_SYN_LOST"], 3: ["NET_ACCEPT_RST"], 4: ["DNS_FAILS", "DNS_NEVER"], 5: ["DNS_SEVERAL"], 6: ["DNS_MOVED"],
        7: ["PG_SLOTS"], 8: ["PG_STARTING"], 9: ["PG_STOPPED"], 11: ["TLS_REFUSED"], 12: ["TLS_CUT"],
        13: ["TLS_TRUNCATED"], 14: ["PG_PASSWORD"], 15: ["PG_EARLY_OK"], 17: ["TLS_CERT"], 18: ["NET_RST", "NET_FIN"],
        19: ["NET_HOLE_BOTH"], 20: ["PG_LATE"], 21: ["PG_KILL_BUSY"], 22: ["PG_57014"],
        23: ["PG_40001", "PG_40P01", "PG_23505"], 24: ["NET_DRIP"], 26: ["PG_NOTICE", "PG_PARAMETER", "PG_NOTIFY"],
        27: ["PG_KILL_IDLE"], 29: ["PG_RESTART_FAST"], 30: ["PG_CRASH"], 34: ["PG_FORGETS"], 39: ["NET_FLIP"],
        41: ["TIME_WRAP"],
    },
    "security": {1: ["TLS_INJECTED"], 4: ["PG_EARLY_OK"], 17: ["PG_PASSWORD"]},
}
LINTED = {("rule", 33): {"tests/lint/symbols.sh": ["library"]}}


def numbers(call):
    """What one `@pytest.mark.fault(1, 2)` says: ("fault", [1, 2]), or nothing."""
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in MARKS:
        return call.func.attr, [argument.value for argument in call.args]
    return None, []


def of_pytest(path, source):
    """(mark, number, name) for each number that a test of the file carries."""
    for node in ast.parse(source, path).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for mark, shown in map(numbers, node.decorator_list):
                yield from ((mark, number, node.name[len("test_"):]) for number in shown)


def said(words):
    """What a comment says: `Shows fault 18, security 4, found T1.` is (mark, number) three times."""
    for sentence in re.findall(r"Shows ([^.]*)\.", words):
        yield from ((mark, int(number)) for mark, number in re.findall(r"(fault|security|rule) (\d+)", sentence))
        for several in re.findall(r"found ([A-Z]\d+(?:,? (?:and )?[A-Z]\d+)*)", re.sub(r"\s[\s*#]*", " ", sentence)):
            yield from (("found", number) for number in re.findall(r"[A-Z]\d+", several))


def of_cmocka(source):
    """The same for a C file: the comment right above a test that is really run says `Shows fault 1, security 2.`;
    r1_r2_… in its name says that it shows rules 1 and 2."""
    def runs(name):
        return re.search(rf"\(\s*{name}\s*[,)]", source.split(f"static void {name}(", 1)[1])
    comment = r"/\*((?:(?!\*/).)*)\*/\n"
    for words, name in re.findall(comment + r"static void (\w+)\(\s*void \*\*", source, re.S):
        if runs(name):
            yield from ((mark, number, name) for mark, number in said(words))
    for name in re.findall(r"static void (r\d+_\w+)\(\s*void \*\*", source):
        for number in re.findall(r"r(\d+)_", re.match(r"(?:[a-z]\d+_)+", name).group(0)) if runs(name) else []:
            yield "rule", int(number), name


def of_script(source):
    """The same for a script: the comment above one of its functions, or any other comment for all of it."""
    for words, name in re.findall(r"((?:^[ ]*#.*\n)+)(?:(?:def )?(\w+) ?\()?", source, re.M):
        yield from ((mark, number, name) for mark, number in said(words))


def of_mutant(source):
    """The same for a patch that the simulator must notice: its first line."""
    yield from ((mark, number, "") for mark, number in said(source.split("\n", 1)[0]))


READERS = (
    ("tests/integration/test_*.py", None), ("tests/boards/test_*.py", None),
    ("tests/unit/test_*.c", of_cmocka), ("tests/lwip/test_*.c", of_cmocka),
    ("tests/*.sh", of_script), ("tests/lint/*.sh", of_script), ("tests/lint/*.py", of_script),
    ("tests/sim/mutants/*.patch", of_mutant),
)


def collect(root):
    """{(mark, number): {file: [test, …]}}"""
    found = {}

    def add(mark, number, file, name):
        found.setdefault((mark, number), {}).setdefault(file, []).append(name)
    for pattern, reader in READERS:
        for path in sorted(glob.glob(os.path.join(root, pattern))):
            if os.path.basename(path) in ("shown.py", "selftest.py"):
                continue
            with open(path, encoding="utf-8") as file:
                source = file.read()
            for mark, number, name in reader(source) if reader else of_pytest(path, source):
                add(mark, number, os.path.relpath(path, root), name)
    with open(os.path.join(root, "tests/sim/cover.h"), encoding="utf-8") as file:
        known = re.findall(r"X\((\w+),", file.read())
    for mark, of_mark in SIMULATED.items():
        for number, names in of_mark.items():
            for name in names:
                if name in known:
                    add(mark, number, "tests/sim", name)
    return {**found, **LINTED}


def cell(where):
    return "; ".join(f"`{os.path.relpath(file, 'tests')}` {', '.join(names)}".strip() for file, names in where.items())


def fill(page, found, pending=()):
    """The page with its last column made anew, and what is wrong with it."""
    lines, wrong, mark, rows = [], [], None, set()
    for line in page.splitlines():
        head = re.match(r"\| (fault|security|rule|found) \|", line)
        row = re.match(r"\| ([A-Z]?\d+) \| ([^|]*) \|", line)
        if head:
            mark = head.group(1)
        elif row and mark:
            key = mark, row.group(1) if mark == "found" else int(row.group(1))
            rows.add(key)
            if key not in found and key[1] not in pending:
                wrong.append(f"{mark} {key[1]} has no test: {row.group(2)}")
            line = f"| {key[1]} | {row.group(2)} | {cell(found.get(key, {}))} |"
        lines.append(line)
    for strange in sorted(set(found) - rows):
        wrong.append(f"{' '.join(map(str, strange))} is shown by a test and is not on the page")
    for number in pending:
        if ("found", number) not in rows:
            wrong.append(f"found {number} is pending and is not on the page")
        elif ("found", number) in found:
            wrong.append(f"found {number} has got its test: take it out of PENDING in tests/lint/shown.py")
    return "\n".join(lines) + "\n", wrong


def main(words):
    with open(PAGE, encoding="utf-8") as file:
        page = file.read()
    made, wrong = fill(page, collect("."), PENDING)
    if "--write" in words:
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(made)
    elif made != page:
        wrong.append(f"it has drifted from the tests; {REPEAT}")
    if PENDING:
        print(f"{PAGE}: without a test so far: {' '.join(PENDING)}")
    for line in wrong:
        print(f"{PAGE}: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
