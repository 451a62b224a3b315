#!/usr/bin/python3
"""Proves that each rule of arrows.py can fail: feeds it a small tree with one thing wrong in it."""
import os
import sys
import tempfile

import arrows
import shown

# what is wrong: (file, its text, a piece of the message that must come)
WRONG = {
    "core reaches out to port": ("core/a.c", '#include "../port/linux/l.h"\n', "no arrow from core to port/linux"),
    "core includes an OS header": ("core/a.c", "#include <unistd.h>\n", "may not include <unistd.h>"),
    "core includes stdio": ("core/a.c", "#include <stdio.h>\n", "may not include <stdio.h>"),
    "core allocates": ("core/a.c", "void *f(void) { return malloc(1); }\n", "may not use malloc()"),
    "core prints": ("core/a.c", "void f(void) { printf(\"\"); }\n", "may not use printf()"),
    "the lowest room looks up": ("core/base/a.c", '#include "machine/m.h"\n', "no arrow from core/base to core/machine"),
    "settings look up": ("core/settings/a.c", '#include "engine/e.h"\n', "no arrow from core/settings to core/engine"),
    "the machine looks up": ("core/machine/a.c", '#include "engine/e.h"\n', "no arrow from core/machine to core/engine"),
    "a driver looks into the engine": ("core/pg/a.c", '#include "engine/e.h"\n', "no arrow from core/pg to core/engine"),
    "the engine knows a driver": ("core/engine/a.c", '#include "pg/s.h"\n', "no arrow from core/engine to core/pg"),
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
    "a platform chosen by #ifdef": ("port/linux/a.c", "#ifdef __linux__\n#endif\n", "not an #ifdef"),
    "a file with two ideas": ("core/a.c", "int a;\n" * 601, "two ideas"),
    "a field torn from its type": ("core/x.h", "struct x {\n    uint8_t\n        kind; /* … */\n};\n", "torn by"),
    "a page without end": ("README.md", "line\n" * 451, "a newcomer reads no more"),
    "a line too wide": ("core/a.c", "// " + "x" * 130 + "\n", "columns"),
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


# What a page with the faults 1 and 2 must be told, given what the tests say of themselves.
PAGE = "| fault | what | shown by |\n|---|---|---|\n| 1 | one | `unit/test_a.c` good |\n| 2 | two | `sim` WRAP |\n"
FOUND = "\n| found | what | shown by |\n|---|---|---|\n| T1 | a | `unit/test_a.c` good |\n| T2 | b | `unit/test_a.c` good |\n"
GOOD = """/* Why.
 * Shows fault 1.
 */
static void good(void **state) {
}
    hf_test(good),
"""
SHOWN = {
    "nothing wrong": (GOOD, PAGE, []),
    "a fault without a test": ("", PAGE, ["fault 1 has no test: one"]),
    "a test that is never run": (GOOD.replace("hf_test(good),", ""), PAGE, ["fault 1 has no test: one"]),
    "a test that the page does not name": (GOOD.replace("good", "other"), PAGE, ["drifted"]),
    "a number that is not there": (GOOD.replace("fault 1.", "fault 1, security 3."), PAGE, ["security 3 is shown"]),
    "a row without a test": (GOOD, PAGE + "| 3 | three |  |\n", ["fault 3 has no test: three"]),
    "a finding": (GOOD.replace("fault 1.", "fault 1, found T1, T2."), PAGE + FOUND, []),
    "a finding without a test": (GOOD.replace("fault 1.", "fault 1, found T1."), PAGE + FOUND, ["found T2 has no test: b"]),
    "a finding that is pending": (GOOD, PAGE + FOUND.replace("`unit/test_a.c` good", ""), [], ("T1", "T2")),
    "a finding that is pending no more": (GOOD.replace("fault 1.", "fault 1, found T1, T2."), PAGE + FOUND,
                                          ["found T2 has got its test"], ("T2",)),
    "a pending one that is not there": (GOOD, PAGE, ["found T9 is pending"], ("T9",)),
}


def run_shown(source, page, pending=()):
    found = {(mark, number): {"tests/unit/test_a.c": [name]} for mark, number, name in shown.of_cmocka(source)}
    made, wrong = shown.fill(page, {**found, ("fault", 2): {"tests/sim": ["WRAP"]}}, pending)
    return wrong + ([] if wrong or made == page else ["drifted"])


failed = 0
marked = "@pytest.mark.fault(1, 2)\n@other\n@pytest.mark.found('R2')\ndef test_x(): pass\ndef test_y(): pass\n"
if list(shown.of_pytest("x.py", marked)) != [("fault", 1, "x"), ("fault", 2, "x"), ("found", "R2", "x")]:
    failed += 1
    print("selftest: the marks of pytest are not read")
script = "#!/bin/sh\n# Shows found B1.\n\n# Shows found B2.\ncheck() {\n# nothing\n"
if list(shown.of_script(script)) != [("found", "B1", ""), ("found", "B2", "check")]:
    failed += 1
    print("selftest: the marks of a script are not read")
if list(shown.of_mutant("What it does. Shows found X1, X2.\n--- a\n")) != [("found", "X1", ""), ("found", "X2", "")]:
    failed += 1
    print("selftest: the marks of a mutant are not read")
for what, (source, page, messages, *pending) in SHOWN.items():
    said = run_shown(source, page, *pending)
    if len(said) != len(messages) or any(message not in line for message, line in zip(messages, said)):
        failed += 1
        print(f"selftest: shown: {what}: expected {messages}, got {said}")
for line in run({}):
    failed += 1
    print(f"selftest: a tree with nothing wrong: {line}")
for what, (path, text, message) in WRONG.items():
    said = run({path: text})
    if len(said) != 1 or message not in said[0]:
        failed += 1
        print(f"selftest: {what}: expected one line with '{message}', got {said}")
sys.exit(1 if failed else 0)
