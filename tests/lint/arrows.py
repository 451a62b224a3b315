#!/usr/bin/python3
"""The rules of the tree that no compiler checks: which folder may include what, which names the
core may use, how long a file may be, what may stand at the top. Prints one line for each breach.

    tests/lint/arrows.py [ROOT]
"""
import os
import re
import sys

# Which folder may include which: the longest prefix of a file's folder decides, an arrow reaches
# the folders below too, and a folder may always include its own files. Between ports there is one arrow,
# the composition: a port puts the TLS filter over its links; port/notes.h is for every port.
CLIENT = ["platform/linux/client.h", "platform/linux/net.h", "platform/linux/program.h"]
BASE = ["core/base", "core/include"]
DRIVER = "core/driver.h"    # the contract between the engine and a database's driver
ARROWS = {
    "core": [],
    "core/include": ["core/include"],
    DRIVER: ["core/include"],
    "core/base": BASE,
    "core/settings": [DRIVER, *BASE],
    "core/machine": ["core/settings", DRIVER, *BASE],
    "core/engine": ["core/machine", "core/settings", DRIVER, *BASE],
    "core/pg": [DRIVER, *BASE],
    "port": ["core"],
    "port/linux": ["port/linux/include", "port/mbedtls", "port/notes.h", "core"],
    "port/lwip": ["port/lwip/include", "port/mbedtls", "port/notes.h", "core"],
    "port/script": ["port/script/include", "core"],
    "platform": ["port", "core"],
    "platform/linux/base": ["port", "core"],
    "platform/linux/cli": ["platform/linux/base", "port", "core"],
    "platform/linux": ["platform/linux/cli", "platform/linux/base", "port", "core"],
    "platform/linux/query": [*CLIENT, "platform/linux/cli", "platform/linux/base", "port", "core"],
    "platform/linux/report": [*CLIENT, "platform/linux/cli", "platform/linux/base", "port", "core"],
    "platform/logger": ["platform/cortex-m", "port", "core"],
    "platform/qemu": ["platform/cortex-m"],
    "boards": ["platform", "port", "core"],
    "tests": ["tests", "boards", "platform", "port", "core"],
}

# Files of one folder that stand in an order: each may include only those before it.
ORDER = {
    "core/settings": ["table", "setting", "config", "key", "check", "dsn"],
    "core/engine": ["internal", "queue", "link", "schedule", "connect", "cancel", "ending", "send", "resolve", "ledger", "group", "flight",
                    "conn", "supervise", "dispatch", "pool"],
    "core/pg": ["wire", "sql", "scram", "session", "frame", "cache", "ledger", "encode", "version", "login", "columns",
                "answer", "feed", "driver"],
    "port/linux": ["system", "trust", "internal", "errors", "news", "tls", "link", "lookup", "saslprep", "wait", "linux",
                   "run"],
    "port/lwip": ["system", "lookup", "link", "lwip", "nic", "pools"],
    "port/script": ["hand", "server", "script", "assert"],
    "platform/linux/cli": ["shard", "option_table", "option_values", "dated", "report_values", "options_file",
                           "options", "help", "pgpass", "connection"],
}
ROUND = ("core", "port", "platform", "boards")  # no files in there include each other in a circle, .c and .h taken as one

# A third-party header belongs to one folder, its adapter's. (Tests may include anything.)
ADAPTERS = {
    r"mbedtls/|psa/|intel-ipsec-mb": "port/mbedtls",
    r"cJSON|cjson/": "port/cjson",
    r"ares|stringprep": "port/linux",
    r"csv\.h|zlib\.h": "platform/linux",
    r"llhttp": "port/llhttp",
    r"lwip/|lwipopts|netif/": "port/lwip",
}

# <> headers besides: the core gets what a freestanding compiler has, and <string.h>; the rest of
# C11 and a compiler's own intrinsics are for everyone else; an operating system's only for these.
CORE_HEADERS = {"stdint.h", "stddef.h", "stdbool.h", "limits.h", "stdalign.h", "stdnoreturn.h",
                "stdarg.h", "string.h"}
C_HEADERS = CORE_HEADERS | {"assert.h", "ctype.h", "errno.h", "float.h", "inttypes.h", "locale.h",
                            "math.h", "setjmp.h", "signal.h", "stdio.h", "stdlib.h", "time.h",
                            "immintrin.h", "cpuid.h", "arm_neon.h", "arm_acle.h"}
SYSTEM_FOLDERS = ("port/linux", "platform/linux", "boards/linux", "boards/linux-lwip", "tests")

CORE_WORDS = re.compile(
    r"\b(malloc|calloc|realloc|free|alloca|v?f?s?n?printf|puts|putchar|time|clock|gettimeofday|"
    r"clock_gettime|errno|assert|abort|exit|rand|getenv|strtol|strtoul|atoi|setlocale)\s*\(")

# A field, or a constant's value, on a line of its own for the sake of the comment behind it.
TORN = re.compile(r"^ +(?:const |struct )*\w+(?: \w+| =)?\n +(?:\*?\w+(?:\[\w+\])?;|\[\w+\];|\d+,) +/\*", re.M)

# What a build for one leaves out hangs on one word, which stands beside the number it follows from.
FOLDED = re.compile(r"\bHF_(CONNS|HOSTS)_MAX (?:==|!=|>) 1\b")
FOLDED_IN = "core/include/holdfast/build.h"

TOP = {"core", "port", "platform", "tests", "boards", "Makefile", "README.md", "LICENSE"}
EXPLAINED = ("core", "port", "platform", "boards", "tests")  # each folder in there has a README
LINES_MAX, README_LINES_MAX, PAGE_LINES_MAX = 600, 60, 450  # the page is the README at the top
COLUMNS_MAX = 120  # of comments and tables laid out by hand; the formatter keeps code within 100

# Written so that this file does not match its own rules.
PRIVATE = {
    "a path of somebody's machine": re.compile(r"(?<![\w.])/(?:ho[m]e/\w|wo[r]k/|ro[o]t/|Use[r]s/\w)"),
    "the host of a package registry": re.compile(
        r"\b(?:deb|ftp|security|snapshot|packages|registry|proxy|index|static|files|archive)\.[\w.-]*"
        r"(?:debia[n]|ubunt[u]|npmj[s]|yarnpk[g]|pyp[i]|pythonhoste[d]|crate[s]|golan[g])\b"),
}

found = []
edges = {}       # file -> what it includes, both without .c and .h


def breach(path, line, text):
    found.append(f"{path}:{line}: {text}" if line else f"{path}: {text}")


def tree(root):
    """Every file, as a path from the root; what git ignores is not looked at."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in ("build", "__pycache__", ".git")
                            and not f.endswith("_cache"))
        for name in sorted(set(files) - {".git"}):      # a worktree's is a file
            yield os.path.relpath(os.path.join(folder, name), root)


def bare(source):
    """The source with comments and the insides of strings blanked, line for line."""
    token = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
    return token.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), source)


def within(path, folder):
    return path == folder or path.startswith(folder + "/")


def resolve(root, path, name):
    """The file of ours that #include "name" in path means, or None."""
    nearby = os.path.normpath(os.path.join(os.path.dirname(path), name))
    ports = sorted("port/" + f for f in os.listdir(os.path.join(root, "port"))) \
        if os.path.isdir(os.path.join(root, "port")) else []
    ports += [port + "/include" for port in ports]
    platforms = sorted("platform/" + f for f in os.listdir(os.path.join(root, "platform"))) \
        if os.path.isdir(os.path.join(root, "platform")) else []
    for folder in ["", "core/include", "core", "port", *ports, "platform", *platforms, "tests", "tests/unit"]:
        candidate = os.path.normpath(os.path.join(folder, name)) if folder else nearby
        if os.path.isfile(os.path.join(root, candidate)):
            return candidate
    return None


def check_third_party(path, number, name):
    for pattern, owner in ADAPTERS.items():
        if re.match(pattern, name):
            if not within(path, owner) and not within(path, "tests"):
                breach(path, number, f"<{name}> belongs to {owner} alone")
            return True
    return False


def check_system(path, number, name):
    if within(path, "core"):
        if name not in CORE_HEADERS:
            breach(path, number, f"the core may not include <{name}>")
    elif name not in C_HEADERS and not any(within(path, f) for f in SYSTEM_FOLDERS):
        breach(path, number, f"<{name}> is an operating system's: for {', '.join(SYSTEM_FOLDERS)}")


def stem(path):
    return os.path.splitext(os.path.basename(path))[0]


def check_ours(path, number, target):
    folder = os.path.dirname(path)
    rule = max((at for at in ARROWS if within(path, at)), key=len, default=None)
    own, other = stem(path), stem(target)
    order = ORDER.get(folder, [])
    if os.path.dirname(target) == folder and own in order and own != other:
        if other not in order[:order.index(own)]:
            breach(path, number, f"{other} does not stand before {own} in the order of {folder}")
        return
    if os.path.dirname(target) == folder or any(within(target, to) for to in ARROWS.get(rule, [])):
        return
    breach(path, number, f"no arrow from {folder} to {os.path.dirname(target)} ({target})")


def check_includes(root, path, source):
    includes = []
    for number, line in enumerate(source.splitlines(), 1):
        match = re.match(r"\s*#\s*include\s*([<\"])([^>\"]+)[>\"]", line)
        if not match:
            continue
        quote, name = match.groups()
        target = resolve(root, path, name) if quote == '"' else None
        includes.append(target or name)
        if target:
            check_ours(path, number, target)
            edges.setdefault(path[:-2], set()).add(target[:-2])
        elif not check_third_party(path, number, name):
            if quote == '"' and not within(path, "tests"):
                breach(path, number, f"no file of ours is \"{name}\"; a system's goes in <>")
            else:
                check_system(path, number, name)
    own = path[:-2] + ".h"
    if path.endswith(".c") and own in includes and includes[0] != own:
        breach(path, 0, f"includes {own}, but not first")


def check_c(root, path, source):
    check_includes(root, path, source)
    for number, line in enumerate(source.splitlines(), 1):
        if len(line) > COLUMNS_MAX:
            breach(path, number, f"{len(line)} columns; {COLUMNS_MAX} is the most")
    for torn in TORN.finditer(source):
        breach(path, source.count("\n", 0, torn.start()) + 1,
               "torn by the formatter to make room for its comment: shorten that")
    for number, line in enumerate(bare(source).splitlines(), 1):
        word = CORE_WORDS.search(line) if within(path, "core") else None
        if word and "->" not in line[max(0, word.start() - 2):word.start()]:
            breach(path, number, f"the core may not use {word.group(1)}()")
        folded = FOLDED.search(line) if within(path, "core") and path != FOLDED_IN else None
        if folded:
            breach(path, number, f"HF_MANY_{folded.group(1)} of {FOLDED_IN} says this")
        if re.match(r"\s*#\s*(if|elif).*\b(__linux__|_WIN32|__APPLE__|__unix__)\b", line):
            breach(path, number, "a platform is a folder, not an #ifdef")


def check_links(root, path, source):
    for link in re.finditer(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", source):
        if not os.path.exists(os.path.join(root, os.path.dirname(path), link.group(1))):
            breach(path, source.count("\n", 0, link.start()) + 1, f"a link to {link.group(1)}, which is not there")


def check_text(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="surrogateescape") as file:
        source = file.read()
    if "\0" in source:
        return
    lines = source.splitlines()
    if path.endswith((".c", ".h", ".py", ".sh", ".mk")) and len(lines) > LINES_MAX:
        breach(path, 0, f"{len(lines)} lines: above {LINES_MAX} a file has two ideas")
    if path.endswith("/README.md") and len(lines) > README_LINES_MAX:
        breach(path, 0, f"{len(lines)} lines: a folder's README is a screen")
    if path == "README.md" and len(lines) > PAGE_LINES_MAX:
        breach(path, 0, f"{len(lines)} lines: a newcomer reads no more than {PAGE_LINES_MAX}")
    if path.endswith((".c", ".h", ".inc", ".def")):
        check_c(root, path, source)
    if path.endswith(".md"):
        check_links(root, path, source)
    for number, line in enumerate(lines, 1):
        for what, pattern in PRIVATE.items():
            match = pattern.search(line)
            if match:
                breach(path, number, f"{what}: {match.group()}")


def check_circles():
    """Each set of files that include each other, directly or by way of others, is told once."""
    reach = {}
    inside = {a: {b for b in to if b != a} for a, to in edges.items() if any(within(a, top) for top in ROUND)}
    for start in inside:
        seen, todo = set(), [start]
        while todo:
            for to in inside.get(todo.pop(), set()) - seen:
                seen.add(to)
                todo.append(to)
        reach[start] = seen
    circles = {frozenset(b for b in reach[a] if a in reach.get(b, set())) for a in reach if a in reach[a]}
    for circle in circles:
        breach(min(circle), 0, f"a circle of files: {', '.join(sorted(circle))}")


def check(root):
    found.clear()
    edges.clear()
    paths = list(tree(root))
    for name in sorted({path.split("/")[0] for path in paths}):
        if name not in TOP and not name.startswith("."):
            breach(name, 0, "no place at the top of the tree")
    folders = {os.path.dirname(p) for p in paths}
    folders |= {os.path.dirname(f) for f in folders}
    for folder in sorted(folders):
        inside = folder.split("/")[0] in EXPLAINED and not within(folder, "tests/fixtures")
        inside = inside and folder != "core/include"      # the path to the public headers, no more
        inside = inside and not re.fullmatch(r"port/\w+/include(/holdfast)?", folder)  # a port's one, told in its README
        if (inside or folder == "tests/fixtures") and f"{folder}/README.md" not in paths:
            breach(folder, 0, "a folder opens with a README.md")
    for path in paths:
        check_text(root, path)
    check_circles()
    return list(found)


if __name__ == "__main__":
    breaches = check(sys.argv[1] if len(sys.argv) > 1 else ".")
    print("\n".join(breaches), end="\n" if breaches else "")
    sys.exit(1 if breaches else 0)
