#!/usr/bin/python3
"""What an image weighs, by part, as linked, and what a run of it used: `make size BOARD=…`. README.md shows the table.

    tests/boards/size.py IMAGE            prints it
    tests/boards/size.py IMAGE --write    and puts it into README.md, between its marks
"""
import collections
import pathlib
import re
import sys
import types

sys.dont_write_bytecode = True
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "integration"))

from harness import run_folder                                           # noqa: E402
from harness.board import PATIENT, Image, make_server                    # noqa: E402
from harness.cluster import Clusters                                     # noqa: E402
from harness.waiting import eventually                                   # noqa: E402

README = REPOSITORY / "README.md"
FLASH, RAM = ("text", "rodata", "vectors", "data"), ("data", "bss")
BEGIN, END = "<!-- sizes: {} -->", "<!-- end of sizes -->"

# What a path in the map, or a variable of the logger's, is part of; the first that fits.
PARTS = (
    ("core", r"/core/(?!pg/)"),
    ("PostgreSQL driver (`core/pg`)", r"/core/pg/"),
    ("ports: lwIP, mbedTLS, cJSON", r"/port/"),
    ("mbedTLS", r"/libmbedtls\.a"),
    ("its heap", r"tls_bytes$"),
    ("lwIP and its pools", r"/liblwip\.a"),
    ("cJSON", r"/libcjson\.a"),
    ("its heap ", r"json_bytes$"),
    ("one connection: `hf_pool`, `hf_conn`, buffers", r"pool_memory$"),
    ("links, TLS links, frame buffer", r"\.(links|tls_links|tls|lookups|nic|port)$"),
    ("logger, with 68 readings", r"/platform/logger/"),
    ("Cortex-M: start-up, clock, UART, Ethernet", r"/platform/|/boards/"),
    ("C library", r"\.a\(|\.o$"),
)
LIMITS = {"flash": 200 * 1024, "RAM": 112 * 1024, "own flash": 26 * 1024, "own RAM": 2 * 1024, "conn": 1024}


def part_of(section, path):
    name = section if path.endswith("/platform/logger/main.o") and section.startswith(".bss.") else path
    return next((part for part, pattern in PARTS if re.search(pattern, name)),
                next(part for part, pattern in PARTS if re.search(pattern, path)))


def linked(image):
    """Bytes of flash and RAM by part, from the linker's map."""
    text = pathlib.Path(f"{image}.map").read_text(encoding="utf-8")
    kept = text.split("\nLinker script and memory map\n")[1]
    parts = collections.OrderedDict((part, [0, 0]) for part, _ in PARTS)
    for section, size, path in re.findall(r"^ (\.\S+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+) (\S+)$", kept, re.M):
        kind = section.split(".")[1]
        if kind in FLASH + RAM:
            flash_ram = parts[part_of(section, path)]
            flash_ram[0] += int(size, 16) if kind in FLASH else 0
            flash_ram[1] += int(size, 16) if kind in RAM else 0
    parts["stack"] = [0, int(re.search(r"^\.stack\s+0x\w+\s+0x(\w+)", kept, re.M).group(1), 16)]
    return parts


def run(image, folder):
    """A run with a statement that hangs, so that two TLS links are up at a time: the cancel's is the second."""
    server = make_server(Clusters(folder), "size")
    server.shut(5)
    logger = None
    try:
        logger = Image(image, pathlib.Path(folder) / "image", port=server.port, readings=40,
                       ca=(server.tls / "ca.crt").read_text(), settings={"request_timeout": 2000}, **PATIENT)
        eventually(lambda: "canceling statement due to user request" in server.log.read_text(), "the cancel")
        server.open_up()
        assert logger.finish() == 0, logger.tail()
        return logger
    finally:
        if logger:
            logger.end()
        server.destroy()


def measure(image, folder):
    """Everything the table shows: {row: [flash, RAM]}, {what: bytes}."""
    parts = linked(image)
    logger = run(image, folder)
    pools, sizes, stack = logger.pools(), logger.numbers("sizes"), logger.numbers("stack")
    used = {"stack": stack["most"], "mbedTLS's heap": pools["mbedtls"]["most"], "cJSON's heap": pools["json"]["most"],
            "lwIP's heap": pools["heap"]["most"], "`hf_conn`": sizes["conn"], "`hf_pool`": sizes["pool"]}
    return parts, used


def table(parts, used):
    """The table as Markdown; every figure is bytes."""
    lines = ["| part | flash | RAM |", "|---|---|---|"]
    rows = {name: value for name, value in parts.items() if any(value)}
    rows["**whole image**"] = [sum(value[i] for value in parts.values()) for i in (0, 1)]
    lines += [f"| {name.strip()} | {flash or ''} | {ram or ''} |" for name, (flash, ram) in rows.items()]
    lines += ["", "| in a run | bytes |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in used.items()]
    return "\n".join(lines)


def verdicts(parts, used):
    """The sizes to reach, and whether they are."""
    own = sum(parts[part][0] for part, _ in PARTS[:2])
    figures = (("whole image, flash", sum(v[0] for v in parts.values()), LIMITS["flash"]),
               ("whole image, RAM", sum(v[1] for v in parts.values()), LIMITS["RAM"]),
               ("core and PostgreSQL driver, flash", own, LIMITS["own flash"]),
               ("the same, RAM beside buffers", used["`hf_pool`"] + used["`hf_conn`"], LIMITS["own RAM"]),
               ("a connection's own state", used["`hf_conn`"], LIMITS["conn"]))
    return [f"{name:<42}{size:>8} of {limit:>6} to reach: {'reached' if size <= limit else 'missed'}"
            for name, size, limit in figures]


def numbers(markdown):
    """[(row's name, its figures)] of a table that table() made."""
    rows = re.findall(r"^\| (.+?) \| (\d*) \|(?: (\d*) \|)?$", markdown, re.M)
    return [(name, [int(figure or 0) for figure in figures]) for name, *figures in rows]


def place(text, board):
    """From where to where README.md's text shows this board's table: between the markers, the line ends included."""
    begin = text.index(BEGIN.format(board)) + len(BEGIN.format(board))
    return begin, text.index(END, begin)


def shown(board):
    """What README.md shows for this board."""
    text = README.read_text(encoding="utf-8")
    begin, end = place(text, board)
    return text[begin:end]


def write(board, markdown):
    text = README.read_text(encoding="utf-8")
    begin, end = place(text, board)
    README.write_text(f"{text[:begin]}\n{markdown}\n{text[end:]}", encoding="utf-8")


def main(image, *options):
    session = types.SimpleNamespace()
    run_folder.make(session)
    try:
        parts, used = measure(image, run_folder.path())
    finally:
        run_folder.remove(session)
    print(table(parts, used), "", *verdicts(parts, used), sep="\n")
    if options == ("--write",):
        write(pathlib.Path(image).parent.name, table(parts, used))


if __name__ == "__main__":
    main(*sys.argv[1:])
