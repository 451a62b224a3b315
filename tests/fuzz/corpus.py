#!/usr/bin/python3
"""The inputs that are kept, as lines of text: one file for each target, so that they are few and can be read.

    corpus.py unpack FOLDER          every target's inputs, kept, found and made, as files below FOLDER
    corpus.py pack TARGET FOLDER     a minimised corpus (libFuzzer's -merge=1) becomes corpus/TARGET.txt
    corpus.py keep FILE 'why'        an input that found a fault is added to found.txt
"""
import gzip
import hashlib
import os
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures" / "pg"
LONGEST = 1500          # bytes of an input that is kept; longer ones rarely say more
TARGETS = sorted(path.stem[len("fuzz_"):] for path in HERE.glob("fuzz_*.c"))


def escape(data):
    return "".join(chr(b) if 0x20 <= b < 0x7f and b != 0x5c else f"\\x{b:02x}" for b in data)


def unescape(text):
    return re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m.group(1), 16)]), text.encode("ascii"))


def lines_of(path):
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")] \
        if path.exists() else []


# --- seeds from what a real server said ------------------------------------------------------------------

def transcripts():
    """(name, [(who, bytes)…]) of tests/fixtures/pg: C the client, S the server, a message each."""
    for path in sorted(FIXTURES.glob("*.txt")):
        turns = []
        for line in path.read_text(encoding="latin-1").splitlines():
            if line[:2] in ("C ", "S "):
                raw = re.sub(r"\\(\\|x..)", lambda m: "\\" if m.group(1) == "\\" else chr(int(m.group(1)[1:], 16)),
                             line[2:])
                turns.append((line[0], raw.encode("latin-1")))
        yield path.stem, turns


def submits(flight):
    """The steps of fuzz_wire.c that send what a client sent up to its Syncs."""
    steps, types, known = b"", "", 0
    for message in flight:
        types += chr(message[0])
        if message[0] == ord("S"):
            statements = types.count("E")
            if types == "S":
                steps += b"\x03"                                        # probe
            elif not statements:
                steps += bytes([2, 8 | 32])                             # prepare_only
            else:
                how = 32 | (4 | (statements % 3) << 6 if statements > 2 else 1)
                steps += bytes([2 | known << 3 & 0x78, how])
            known += types.count("P") > 0
            types = ""
    return steps


def versioned(auth, secret):
    """A login that asks for 3.2, is talked down to it or to 3.0, and gets a key of so many bytes; then a cancel."""
    for minor, options in ((2, [b"_pq_.theirs"]), (0, []), (2, [b"_pq_.mine"]), (1, [])):
        body = bytes([0, 3, 0, minor, 0, 0, 0, len(options)]) + b"".join(option + b"\0" for option in options)
        key = bytes(4) + bytes(range(secret))
        messages = [(b"v", body), (b"R", bytes(4)), (b"K", key), (b"Z", b"I")]
        yield bytes([2, auth]) + b"".join(b"\1" + kind + len(body).to_bytes(2, "big") + body
                                          for kind, body in messages) + b"\4\5"


def wire_seeds():
    for auth in (0x61, 0x71, 0xe9):
        for secret in (3, 4, 32, 256):
            yield from versioned(auth, secret)
    for message in (b"bad packet header: '0000002200030002'", b"unsupported startup parameter: x"):
        body = b"SFATAL\0C08P01\0M" + message + b"\0\0"
        yield bytes([2, 0x61]) + b"\1E" + len(body).to_bytes(2, "big") + body
    for name, turns in transcripts():
        if name in ("scram", "wrong_password"):
            auth = 8 | 2 << 4
        else:
            auth = 1 | 2 | 4
        out, flight = bytes([2, auth]), []
        for who, message in turns:
            if who == "C":
                flight.append(message)
                continue
            out += submits(flight)
            flight = []
            length = len(message) - 5
            out += bytes([1, message[0], length >> 8 & 255, length & 255]) + message[5:]
        yield out


def pool_seeds():
    """Logins with the obedient server, work, and the real server's words in between."""
    for how in range(0, 256, 37):
        for more in (0, 3, 6, 15, 77, 200):
            work = bytes([12 | 2 << 4, 0, 6, how, more, 0, 7, more, how, 0, 9, how, more, 0, 3, 4, how, more])
            yield bytes([how & ~1, more, 0, 0]) + work
            yield bytes([how & ~1, more, how, how ^ more]) + work + b"\x4f\x00"
    for _, turns in transcripts():
        said = [message for who, message in turns if who == "S" and len(message) < 200]
        for at in range(0, len(said), 5):
            forged = b"".join(bytes([8, 0, 0xc0, len(m)]) + m + b"\x01" for m in said[at:at + 5])
            yield bytes([2, 5, 0, 0, 12 | 16, 0, 6, 8, 0, 1]) + forged + b"\x00\x02\x00"


def scram_seeds():
    yield b"\x01%hvYDpWUa2RaTCAfuxFIlj)hNlF,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096\nv=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    yield b"\x00r=x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096\ne=other-error"
    for _, turns in transcripts():
        for who, message in turns:
            if who == "S" and message[5:9] in (b"\0\0\0\x0b", b"\0\0\0\x0c"):
                text = re.sub(rb"^r=.{24}", b"", message[9:])
                yield b"\x01" + text + b"\n" + text


DSNS = ["postgres://app:pw@localhost:5432/db?sslmode=verify-full&sslrootcert=ca.crt",
        "postgresql://%2Fvar%2Frun/db?user=x", "postgres://u@h1:1,[::1]:2,h3/db?connect_timeout=3",
        "host=h port=5432 user='a b' password='it\\'s' dbname=d request_timeout=1m jitter=50%",
        "host=a,b port=1,2 sslmode=prefer", "sslmode=disable\nrx_bytes=16KiB\nfirst_delay=0\nhost=/tmp\nport=1,2"]
CSVS = ["id,name\n1,x\n2,\"a, \"\"b\"\"\"\n", "\ufeffid\r\n1\r\n\r\n\"\"\r\n", "a\n\"two\nlines\",x\n", "a,b\n,\n", "a\rb\n",
        "x\n\"open", "x\n1\r"]
CONFIGS = ['\0{"dsn": "postgres://h/db", "max_retries": 3, "jitter": "20%", "write": true, "param": ["a", null]}',
           '\0{"request-timeout": "2.5s", "window_bytes": "64MiB", "nested": {"a": [1e400, -0.0, 9007199254740993]}}',
           "\1\0--cost-file\na.csv\n--query\nq.sql\n--output=o.csv\n--write\n--replay\nsafe\n--max-retries\n5",
           "\1\1SELECT 1\n--param\nx\n--format\njson\n--", "\2retry-delay\n500ms", "\2progress\nalways", "\2window\n0"]
PGPASSES = ["h\n5432\ndb\nme\nsvc\nh:5432:db:me:secret\n# x\n*:*:*:*:a\\:b\n[svc]\nhost=h\nport = 1\n[other]\nldap://x\n"]


def record_seeds():
    fields = bytes(8) + b"\1" + bytes(15) + bytes(128) + b"\1\0\0\0\0\0\0\0" * 10 + b"\0\0"
    yield b"\0" + (b"HOLDFAST position 1\n" + fields).ljust(508, b"\0") * 4
    yield b"\1" + bytes(range(40))
    yield b"\3\xff\xff" + b"\0\0\1A\4text\1\0\1B\0\2\0\2C\3abc"
    yield b"\2" + bytes.fromhex("29000000") + b"\1" + bytes(8 + 24 + 4)


VALUES = {0: ["t", "false"], 1: ["-32768"], 3: ["-9223372036854775808", "12.00"], 4: ["3.4028235e38", "1e-45"],
          5: ["2.2250738585072014e-308", "-Infinity", "NaN", "9007199254740993"],
          6: ["-12.50", "0.0001", "100000001.5", "NaN", "-Infinity"], 7: ["\\x00ff", "a\\\\\\377"],
          8: ["00112233-4455-6677-8899-aabbccddeeff"], 9: ["{\"a\": 1}", "\1[]"],
          10: ["{}", "{1,NULL,\"a\\\"b\"}", "{{a,b},{c,\"\"}}", "[2:3]={1, 2}"], 11: ["4714-11-24 BC", "5874897-12-31", "infinity"],
          12: ["294276-12-31 23:59:59.999999", "0044-03-15 11:59:59 BC"], 13: ["2000-01-01 00:19:32.5+00:19:32", "1999-12-31T23:59:59Z"]}


def value_seeds():
    """As text of any type, of its own type, and numbers as they go over the wire."""
    for reader, texts in VALUES.items():
        for text in texts:
            yield bytes([reader, 0, 0]) + text.encode()
            yield bytes([reader, 9, 30 << 2 | 3]) + text.encode()
    for size in (1, 2, 4, 8, 16):
        for reader in range(14):
            yield bytes([reader, 0, 1]) + bytes(range(size))
    yield bytes([6, 8, 1]) + bytes.fromhex("000200004000000200" "0c1388")
    yield bytes([3, 8, 1]) + bytes.fromhex("0001000100000000" "0001")


def seeds(target):
    return {"wire": wire_seeds, "pool": pool_seeds, "scram": scram_seeds, "records": record_seeds,
            "value": value_seeds,
            "dsn": lambda: [text.encode() for text in DSNS],
            "csv": lambda: [b"\2" + text.encode() for text in CSVS] + [b"\1" + gzip.compress(CSVS[0].encode(), mtime=0) * 2],
            "config": lambda: [text.encode() for text in CONFIGS],
            "pgpass": lambda: [text.encode() for text in PGPASSES]}[target]()


# --- lines and files -------------------------------------------------------------------------------------

def unpack(folder):
    for target in TARGETS:
        place = pathlib.Path(folder) / target
        place.mkdir(parents=True, exist_ok=True)
        found = [line.split(" ", 1)[1] if " " in line else "" for line in lines_of(HERE / "corpus" / "found.txt")
                 if line.split(" ", 1)[0] == target]
        inputs = [unescape(line) for line in lines_of(HERE / "corpus" / f"{target}.txt") + found]
        for data in inputs + list(seeds(target)):
            (place / hashlib.sha1(data).hexdigest()).write_bytes(data)


def pack(target, folder):
    inputs = [path.read_bytes() for path in pathlib.Path(folder).iterdir()]
    kept = sorted({escape(data) for data in inputs if 0 < len(data) <= LONGEST}, key=lambda line: (len(line), line))
    # A line must not begin as a comment does.
    kept = [re.sub("^#", "\\\\x23", line) for line in kept]
    (HERE / "corpus" / f"{target}.txt").write_text("\n".join(kept) + "\n")
    print(f"{target}: {len(kept)} of {len(inputs)} inputs, {sum(map(len, kept)) // 1024} KB")


def keep(path, why):
    target = os.path.basename(path).split("-", 1)[0]
    if target not in TARGETS:
        sys.exit(f"{path}: its name does not begin with a target's ({', '.join(TARGETS)})")
    with open(HERE / "corpus" / "found.txt", "a", encoding="ascii") as out:
        out.write(f"# {why}\n{target} {escape(pathlib.Path(path).read_bytes())}\n")


if __name__ == "__main__":
    {"unpack": unpack, "pack": pack, "keep": keep}[sys.argv[1]](*sys.argv[2:])
