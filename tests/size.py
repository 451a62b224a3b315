#!/usr/bin/python3
"""What the code weighs: machine code, constants and variables by part, as compiled and as linked
into the program; beside them the sizes to reach. Like a benchmark it measures and does not judge.

    tests/size.py BUILD THIRD CC LIBS…
"""
import collections
import glob
import os
import re
import subprocess
import sys

OWN_MAX, TLS_MAX = 40 * 1024, 280 * 1024
OWN = ("core", "port/linux")
TLS = ("port/mbedtls", "mbedTLS", "intel-ipsec-mb")
KINDS = ("text", "rodata", "data", "bss")

build, third, compiler, *libraries = sys.argv[1:]
archives = {name: f"{third}/lib{name.lower()}.a" for name in ("mbedTLS", "cJSON", "lwIP")
            if os.path.exists(f"{third}/lib{name.lower()}.a")}
folders = sorted({os.path.dirname(path)[len(build) + 1:] for top in ("core", "port", "platform", "boards")
                  for path in glob.glob(f"{build}/{top}/**/*.o", recursive=True)} -
                 {"platform/logger"})          # an image's, built here for its unit tests


def kind_of(section):
    """.text is machine code alone; what `size` calls text has constants and unwind tables in it."""
    match = re.match(r"\.(text|rodata|data|bss)\b", section)
    return match.group(1) if match else None


def compiled(files):
    total = collections.Counter()
    if files:
        for line in subprocess.run(["size", "-A", *files], check=True, capture_output=True,
                                   text=True).stdout.splitlines():
            words = line.split()
            if len(words) == 3 and kind_of(words[0]):
                total[kind_of(words[0])] += int(words[1])
    return total


def linked():
    """The linker's own account of what it kept, the parts being linked apart for it."""
    objects = [o for f in folders if f != "port/script" for o in glob.glob(f"{build}/{f}/*.o")]
    subprocess.run([compiler, "-O2", "-Wl,--gc-sections", f"-Wl,-Map={build}/size.map", "-o",
                    f"{build}/size", *objects, *archives.values(), *libraries], check=True)
    with open(f"{build}/size.map", encoding="utf-8") as file:
        kept = file.read().split("\nLinker script and memory map\n")[1]
    parts = collections.defaultdict(collections.Counter)
    for section, size, path in re.findall(r"^ (\.\S+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+) (\S+)$", kept, re.M):
        part = next((name for name, archive in archives.items() if path.startswith(archive)), None)
        if "/libIPSec_MB.a(" in path:
            part = "intel-ipsec-mb"
        if not part and path.startswith(build + "/"):
            part = os.path.dirname(path)[len(build) + 1:]
        if part and kind_of(section):
            parts[part][kind_of(section)] += int(size, 16)
    return parts


def table(title, rows):
    print(f"{title:<34}" + "".join(f"{'.' + kind:>9}" for kind in KINDS))
    for name, row in rows.items():
        print(f"{name:<34}" + "".join(f"{row[kind]:>9}" for kind in KINDS))
    print()


def budget(name, size, limit):
    print(f"{name:<58}{size:>7} of {limit} to reach: {'reached' if size <= limit else 'missed'}")


whole = {folder: compiled(glob.glob(f"{build}/{folder}/*.o")) for folder in folders}
whole.update({name: compiled([path]) for name, path in archives.items()})
table("compiled, bytes", whole)
own = sum(row["text"] for part, row in whole.items() if part.startswith(OWN))
budget("own code (core, port/linux), .text compiled", own, OWN_MAX)
if os.path.exists(f"{build}/holdfast"):
    print()
    parts = linked()
    table("linked into the program, bytes", dict(sorted(parts.items())))
    tls = own + sum(parts[part]["text"] for part in TLS)
    budget("the same with TLS (and intel-ipsec-mb), .text linked", tls, TLS_MAX)
