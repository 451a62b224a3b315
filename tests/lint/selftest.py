#!/usr/bin/python3
"""Proves that each rule of arrows.py and traceability.py can fail: feeds them a small tree with one thing wrong in it."""
import os
import sys
import tempfile

import arrows
import traceability

# what is wrong: (file, its text, a piece of the message that must come)
WRONG = {
    "core reaches out to port": ("core/a.c", '#include "../port/linux/l.h"\n', "no arrow from core to port/linux"),
    "core includes an OS header": ("core/a.c", "#include <unistd.h>\n", "may not include <unistd.h>"),
    "core includes stdio": ("core/a.c", "#include <stdio.h>\n", "may not include <stdio.h>"),
    "core allocates": ("core/a.c", "void *f(void) { return malloc(1); }\n", "may not use malloc()"),
    "core prints": ("core/a.c", "void f(void) { printf(\"\"); }\n", "may not use printf()"),
    "the engine's order": ("core/engine/queue.c", '#include "pool.h"\n', "pool does not stand before queue",
                           {"core/engine/pool.h": "#include <stdint.h>\n"}),
    "the driver's order": ("core/pg/frame.c", '#include "feed.h"\n', "feed does not stand before frame in the order of core/pg",
                           {"core/pg/feed.h": "#include <stdint.h>\n"}),
    "the Linux port's order": ("port/linux/link.c", '#include "wait.h"\n',
                               "wait does not stand before link in the order of port/linux",
                               {"port/linux/wait.h": "#include <stdint.h>\n"}),
    "lwIP's port's order": ("port/lwip/link.c", '#include "lwip.h"\n',
                            "lwip does not stand before link in the order of port/lwip",
                            {"port/lwip/README.md": "lwip\n", "port/lwip/lwip.h": "#include <stdint.h>\n"}),
    "the scripted port's order": ("port/script/server.c", '#include "script.h"\n',
                                  "script does not stand before server in the order of port/script",
                                  {"port/script/script.h": "#include <stdint.h>\n"}),
    "the options' order": ("platform/linux/cli/options_file.c", '#include "options.h"\n',
                           "options does not stand before options_file in the order of platform/linux/cli",
                           {"platform/linux/cli/options.h": "#include <stdint.h>\n"}),
    "a circle": ("core/base/b.h", '#include "c.h"\n', "a circle of files: core/base/b, core/base/c",
                 {"core/base/c.h": '#include "b.h"\n'}),
    "a circle in a port": ("port/linux/b.h", '#include "c.h"\n', "a circle of files: port/linux/b, port/linux/c",
                           {"port/linux/c.h": '#include "b.h"\n'}),
    "a circle in a board": ("boards/linux/b.h", '#include "c.h"\n', "a circle of files: boards/linux/b, boards/linux/c",
                            {"boards/README.md": "boards\n", "boards/linux/README.md": "linux\n",
                             "boards/linux/c.h": '#include "b.h"\n'}),
    "the lowest room looks up": ("core/base/a.c", '#include "machine/m.h"\n', "no arrow from core/base to core/machine"),
    "settings look up": ("core/settings/a.c", '#include "engine/e.h"\n', "no arrow from core/settings to core/engine"),
    "the machine looks up": ("core/machine/a.c", '#include "engine/e.h"\n', "no arrow from core/machine to core/engine"),
    "a driver looks into the engine": ("core/pg/a.c", '#include "engine/e.h"\n', "no arrow from core/pg to core/engine"),
    "the engine knows a driver": ("core/engine/a.c", '#include "pg/s.h"\n', "no arrow from core/engine to core/pg"),
    "a public header shows the driver's contract": ("core/include/holdfast/a.h", '#include "driver.h"\n',
                                                    "no arrow from core/include/holdfast to core (core/driver.h)"),
    "the contract knows a driver": ("core/driver.h", '#include "pg/s.h"\n', "no arrow from core to core/pg"),
    "a public header shows a private one": ("core/include/holdfast/a.h", '#include "engine/e.h"\n',
                                            "no arrow from core/include/holdfast to core/engine"),
    "the program's base looks up": ("platform/linux/base/a.c", '#include "cli/c.h"\n', "no arrow from platform/linux/base"),
    "the options look up": ("platform/linux/cli/a.c", '#include "report/r.h"\n', "no arrow from platform/linux/cli"),
    "a query looks into the report": ("platform/linux/query/a.c", '#include "report/r.h"\n', "no arrow from platform/linux/query"),
    "the client looks into a command": ("platform/linux/a.c", '#include "report/r.h"\n', "no arrow from platform/linux to"),
    "a port reaches out to a platform": ("port/linux/a.c", '#include "../../platform/linux/p.h"\n', "no arrow from port/linux"),
    "a third-party header in core": ("core/a.c", "#include <mbedtls/ssl.h>\n", "belongs to port/mbedtls"),
    "a third-party header elsewhere": ("platform/linux/a.c", "#include <cJSON.h>\n", "belongs to port/cjson"),
    "an OS header in a neutral port": ("port/script/a.c", "#include <sys/socket.h>\n", "is an operating system's"),
    "its own header not first": ("core/x.c", '#include <string.h>\n#include "x.h"\n', "but not first"),
    "a number compared with one": ("core/a.c", "int f(void) { return HF_CONNS_MAX > 1; }\n", "HF_MANY_CONNS of core/include"),
    "a platform chosen by #ifdef": ("port/linux/a.c", "#ifdef __linux__\n#endif\n", "not an #ifdef"),
    "a file with two ideas": ("core/a.c", "int a;\n" * 601, "two ideas"),
    "a field torn from its type": ("core/x.h", "struct x {\n    uint8_t\n        kind; /* … */\n};\n", "torn by"),
    "a page without end": ("README.md", "line\n" * 451, "a newcomer reads no more"),
    "a line too wide": ("core/a.c", "// " + "x" * 130 + "\n", "columns"),
    "a link to nothing": ("core/README.md", "[plan](DESIGN.md#2-the-house)\n", "a link to DESIGN.md, which is not there"),
    "a stranger at the top": ("stuff/a.c", "int a;\n", "no place at the top"),
    "a folder without README": ("core/new/a.c", "int a;\n", "opens with a README.md"),
    "a machine's path": ("core/README.md", "see /ho" + "me/me/x\n", "a path of somebody's machine"),
    "a registry's host": ("Makefile", "# deb." + "debian.org\n", "the host of a package registry"),
}
RIGHT = {
    "core/README.md": "core\n", "core/x.h": "#include <stdint.h>\n",
    "core/x.c": '#include "x.h"\n\n#include <string.h>\n// malloc( in a comment, "printf(" in a string\n',
    "port/README.md": "port\n", "port/linux/README.md": "linux\n", "port/script/README.md": "script\n",
    "port/linux/l.h": '#include "x.h"\n', "port/linux/l.c": '#include "l.h"\n\n#include <unistd.h>\n#include <ares.h>\n',
    "platform/README.md": "platform\n", "platform/linux/README.md": "linux\n",
    "platform/linux/p.h": '#include "l.h"\n#include "x.h"\n',
    "core/driver.h": "#include <stdint.h>\n", "core/pg/a.c": '#include "driver.h"\n',
    "Makefile": "all:\n", ".gitignore": "/build/\n",
}
for room, header in (("core/base", "b.h"), ("core/settings", "s.h"), ("core/machine", "m.h"), ("core/engine", "e.h"),
                     ("core/pg", "s.h"), ("core/include/holdfast", "h.h"), ("platform/linux/base", "b.h"),
                     ("platform/linux/cli", "c.h"), ("platform/linux/query", "q.h"), ("platform/linux/report", "r.h")):
    RIGHT |= {f"{room}/README.md": "a room\n", f"{room}/{header}": "#include <stdint.h>\n"}


def run(extra):
    with tempfile.TemporaryDirectory() as root:
        for path, text in {**RIGHT, **extra}.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        return arrows.check(root)


# What must be said of a tree with these claims, given a test and a comment.
CLAIMS = {
    "core/SEMANTICS.md": "## Ends\n### 1. One end\nIt is so.\n### 2. Two ends (not built yet)\n### 3. Three (a limit)\n",
    "tests/FAULTS.md": "| fault | what | right |\n|---|---|---|\n| 1 | one | good |\n| 2 | two | better (not built yet) |\n"
                       "\n| found | what | right |\n|---|---|---|\n| T1 | a | b |\n",
    "core/SECURITY.md": "| security | what | right |\n|---|---|---|\n| 9 | nine | refused |\n",
}
TEST = """/* Why (SEMANTICS
 * 1 to 3 and 2; FAULTS 1, 2; SECURITY.md 9).
 * Shows fault 1, security 9, rule 1. Shows found T1.
 */
static void good(void **state) {
}
    hf_test(good),
"""
TRACED = {
    "nothing wrong": (TEST, {}, []),
    "a claim without a test": (TEST.replace("Shows found T1.", ""), {}, ["tests/FAULTS.md: found T1 has no test: b"]),
    "a test that is never run": (TEST.replace("hf_test(good),", "").replace("fault 1, security 9, rule 1. Shows found T1", ""),
                                 {}, ["rule 1 has no test: One end", "fault 1 has", "security 9 has", "found T1 has"]),
    "a number that is claimed nowhere": (TEST.replace("fault 1,", "fault 1, fault 3,"), {}, ["fault 3 is shown by a test"]),
    "what is not built has a test": (TEST.replace("rule 1.", "rule 1, rule 2, fault 2."), {},
                                     ["core/SEMANTICS.md: rule 2 has got its test", "FAULTS.md: fault 2 has got its test"]),
    "a rule that stands in two places": (TEST, {"platform/REPORT.md": "### 1. One end\n"},
                                         ["rule 1 stands in core/SEMANTICS.md already"]),
    "a rule that is not there": (TEST, {"core/a.c": "/* As\n * SEMANTICS 1,\n * 4 has it. */\n"},
                                 ["core/a.c:2: cites rule 4"]),
    "a rule of a report that is not there": (TEST, {"platform/a.h": "/* As REPORT.md 1, 5 has it. */\n"}, ["a.h:1: cites rule 5"]),
    "a range that goes too far": (TEST, {"Makefile": "# (SEMANTICS 2-4)\n"}, ["Makefile:1: cites rule 4"]),
    "a fault that is not there": (TEST, {"tests/a.py": '"""FAULTS.md 1 and 7: what goes wrong."""\n'}, ["cites fault 7"]),
    "an attack that is not there": (TEST, {"port/a.c": "int a; // SECURITY 9, 10\n"}, ["port/a.c:1: cites security 10"]),
    "a rule of a document's own that is not there": (TEST, {"platform/REPORT.md": "As rules 1 and 5 say.\n"},
                                                     ["platform/REPORT.md:1: cites rule 5"]),
}


def run_traced(source, extra):
    with tempfile.TemporaryDirectory() as root:
        for path, text in {**CLAIMS, **extra}.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        os.makedirs(os.path.join(root, "tests/unit"))
        with open(os.path.join(root, "tests/unit/test_a.c"), "w", encoding="utf-8") as file:
            file.write(source)
        claims, wrong = traceability.read_documents(root)
        shown = {}
        for mark, number, name in traceability.of_cmocka(source):
            shown.setdefault((mark, number), {}).setdefault("tests/unit/test_a.c", []).append(name)
        wrong += [*traceability.compare(claims, shown), *traceability.check_citations(root, claims)]
        page = traceability.make_page(claims, shown)
        lacks = [words for words in ("**Rule 1**: One end\n- `unit/test_a.c` good", "**Fault 1**: one → good",
                                     "From [core/SECURITY.md](../core/SECURITY.md).") if not wrong and words not in page]
        return wrong + [f"the page lacks {words}" for words in lacks]


failed = 0
marked = "@pytest.mark.fault(1, 2)\n@other\n@pytest.mark.found('R2')\ndef test_x(): pass\ndef test_y(): pass\n"
if list(traceability.of_pytest("x.py", marked)) != [("fault", 1, "x"), ("fault", 2, "x"), ("found", "R2", "x")]:
    failed += 1
    print("selftest: the marks of pytest are not read")
script = "#!/bin/sh\n# Shows found B1.\n\n# Shows found B2.\ncheck() {\n# nothing\n"
if list(traceability.of_script(script)) != [("found", "B1", ""), ("found", "B2", "check")]:
    failed += 1
    print("selftest: the marks of a script are not read")
if list(traceability.of_mutant("What it does. Shows found X1, X2.\n--- a\n")) != [("found", "X1", ""), ("found", "X2", "")]:
    failed += 1
    print("selftest: the marks of a mutant are not read")
for what, (source, extra, messages) in TRACED.items():
    said = run_traced(source, extra)
    if len(said) != len(messages) or any(message not in line for message, line in zip(messages, said)):
        failed += 1
        print(f"selftest: traceability: {what}: expected {messages}, got {said}")
for line in run({}):
    failed += 1
    print(f"selftest: a tree with nothing wrong: {line}")
for what, (path, text, message, *more) in WRONG.items():
    said = run({path: text, **(more[0] if more else {})})
    if len(said) != 1 or message not in said[0]:
        failed += 1
        print(f"selftest: {what}: expected one line with '{message}', got {said}")
sys.exit(1 if failed else 0)
