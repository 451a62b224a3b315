#!/usr/bin/python3
"""Which test shows which fault, attack, rule and finding: reads what is claimed in the documents and what the tests say
of themselves, makes tests/TRACEABILITY.md of both, and holds that each claim has a test and each number that is cited
in the tree exists.

    tests/lint/traceability.py [--write]
"""
import ast
import glob
import os
import re
import sys
import textwrap

import arrows

PAGE = "tests/TRACEABILITY.md"
REPEAT = "to mend: tests/lint/traceability.py --write"
MARKS = ("rule", "fault", "security", "found")
OWN = ("traceability.py", "selftest.py")  # they speak of marks and numbers that are examples

# Where what is claimed stands, by the document's name wherever in the tree it is: the rules are headings
# `### 17. What holds`, the others rows `| 18 | what happens | what is right |` below a head `| fault | …`.
DOCUMENTS = {"SEMANTICS.md": "rule", "REPORT.md": "rule", "FAULTS.md": "fault", "SECURITY.md": "security"}
CITED = {"SEMANTICS": "rule", "REPORT": "rule", "FAULTS": "fault", "SECURITY": "security"}
NOT_BUILT = "(not built yet)"  # at a claim's end: there can be no test so far
LIMIT = "(a limit)"            # at a rule's end: there is nothing to show

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
            if os.path.basename(path) in OWN:
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


def claims_of(source, mark):
    """(mark, number, what, what is right) of each claim of a document; a rule has no third."""
    for line in source.splitlines():
        head = re.match(r"\| (fault|security|found) \|", line)
        rule = re.match(r"### (\d+)\. (.*)", line)
        row = re.match(r"\| ([A-Z]?\d+) \| ([^|]*) \| ([^|]*) \|", line)
        if head:
            mark = head.group(1)
        elif rule and mark == "rule":
            yield mark, int(rule.group(1)), rule.group(2), ""
        elif row and mark != "rule":
            yield mark, row.group(1) if mark == "found" else int(row.group(1)), row.group(2), row.group(3)


def number_order(key):
    mark, number = key
    letter, digits = re.match(r"([A-Z]?)(\d+)", str(number)).groups()
    return MARKS.index(mark), "TPSLRBGX".find(letter), int(digits)


def read_documents(root):
    """{(mark, number): (document, what, what is right)}, and what is wrong with them."""
    claims, wrong = {}, []
    for path in arrows.tree(root):
        mark = DOCUMENTS.get(os.path.basename(path))
        if not mark:
            continue
        with open(os.path.join(root, path), encoding="utf-8") as file:
            source = file.read()
        for of, number, what, right in claims_of(source, mark):
            if (of, number) in claims:
                wrong.append(f"{path}: {of} {number} stands in {claims[of, number][0]} already")
            claims[of, number] = path, what, right
    return claims, wrong


def is_owed(claim):
    """Must it have a test?"""
    return not any(words.endswith((NOT_BUILT, LIMIT)) for words in claim[1:])


def compare(claims, found):
    """What has no test, and what a test shows that is not claimed."""
    for key in sorted(claims, key=number_order):
        mark, number = key
        path, what, right = claims[key]
        if is_owed(claims[key]) and key not in found:
            yield f"{path}: {mark} {number} has no test: {right or what}"
        elif (right or what).endswith(NOT_BUILT) and key in found:
            yield f"{path}: {mark} {number} has got its test: take {NOT_BUILT} away"
    for mark, number in sorted(set(found) - set(claims), key=number_order):
        yield f"{mark} {number} is shown by a test and claimed nowhere"


HEADS = {
    "rule": "Rules: what holds", "fault": "Faults: what happens, and what holdfast does",
    "security": "Security: the attack, and what holdfast does", "found": "Found: what was seen, and what is right",
}
INTRO = """# Which test shows what

Made by `tests/lint/traceability.py --write` from the documents, which say what is claimed, and from the tests, which say what they
show: in pytest `@pytest.mark.fault(18)`, `@pytest.mark.security(6)`, `@pytest.mark.rule(23)` or `@pytest.mark.found("T1")`; in
cmocka a comment above the test, `Shows fault 18, found T1.`, or `r9_r10_` before its name for rules 9 and 10; in a script of
`lint/` a comment likewise; in a mutant of the simulator its first line. The simulator's faults are named in
`lint/traceability.py`. `make lint` fails when a claim has no test, when a number is cited that no document has, and when this
page has drifted.

`pytest -m fault tests/integration` runs the faults' tests alone, `--fault 18` those of one. pytest's names begin with `test_`,
which is left out here.
"""


def paragraph(text, first, rest):
    return textwrap.wrap(text, 120, initial_indent=first, subsequent_indent=rest, break_long_words=False,
                         break_on_hyphens=False)


def make_page(claims, found):
    lines, mark, document = INTRO.splitlines(), None, None
    for key in sorted(claims, key=number_order):
        path, what, right = claims[key]
        if key[0] != mark or path != document:
            if key[0] != mark:
                lines += ["", f"## {HEADS[key[0]]}"]
            mark, document = key[0], path
            lines += ["", f"From [{path}]({os.path.relpath(path, os.path.dirname(PAGE))})."]
        lines += ["", *paragraph(f"**{mark.capitalize()} {key[1]}**: {what}" + (f" → {right}" if right else ""), "", "")]
        for file, names in found.get(key, {}).items():
            words = f"`{os.path.relpath(file, 'tests')}` {', '.join(names)}".strip()
            lines += paragraph(words, "- ", "  ")
    return "\n".join(lines) + "\n"


def numbers_in(words):
    """"9 to 12, 16 and 17" are the numbers 9, 10, 11, 12, 16, 17."""
    for first, last in re.findall(r"(\d+)(?:(?:-| to )(\d+))?", words):
        yield from range(int(first), int(last or first) + 1)


def citations(path, source):
    """(line, mark, number) of each number that a file cites: `SEMANTICS 9-12, 16`, also over the end of a line of a
    comment; in the documents themselves `rule 9` too."""
    number = r"\d+(?:(?:-| to )\d+)?"
    names = "|".join(CITED) + ("|[Rr]ules?" if os.path.basename(path) in DOCUMENTS else "")
    plain = re.sub(r"\n[ \t]*(?:\*(?!/)|//|#)?(?=[ \t])", lambda gap: "\n" + " " * (len(gap.group()) - 1), source)
    pattern = rf"\b({names})(?:\.md)?\s+({number}(?:(?:,\s+and|,|\s+and)\s+{number}\b)*)"
    for cited in re.finditer(pattern, plain):
        line = plain.count("\n", 0, cited.start()) + 1
        for value in numbers_in(re.sub(r"\s+", " ", cited.group(2))):
            yield line, CITED.get(cited.group(1), "rule"), value


def check_citations(root, claims):
    """Each number that is cited in the tree is one that a document has."""
    for path in arrows.tree(root):
        if os.path.basename(path) in OWN:
            continue
        with open(os.path.join(root, path), encoding="utf-8", errors="surrogateescape") as file:
            source = file.read()
        for line, mark, value in citations(path, source):
            if (mark, value) not in claims:
                yield f"{path}:{line}: cites {mark} {value}, which no document has"


def main(words):
    claims, wrong = read_documents(".")
    found = collect(".")
    wrong += [*compare(claims, found), *check_citations(".", claims)]
    made, page = make_page(claims, found), ""
    if os.path.exists(PAGE):
        with open(PAGE, encoding="utf-8") as file:
            page = file.read()
    if "--write" in words:
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(made)
    elif made != page:
        wrong.append(f"{PAGE}: has drifted from the documents or the tests; {REPEAT}")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
