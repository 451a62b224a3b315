"""What is shipped: on which processors it runs, how it is hardened, what an application compiles and links with, what
third-party code is in it; and what make asks of a machine."""

import os
import pathlib
import platform
import re
import shlex
import shutil
import subprocess

import pytest

from harness.machine import MADE_UP, Machine
from harness.program import clean_environment
from harness.waiting import PATIENCE_S

ROOT = pathlib.Path(__file__).resolve().parents[2]
AMD64 = platform.machine() == "x86_64"

# What runs the program: make test-machine says it for another machine's. Else the oldest amd64, one that says it has AES
# and lacks SSSE3, and one that has all: mbedTLS's two ways, and no third.
OLD_AND_NEW = ["qemu-x86_64 -cpu qemu64", "qemu-x86_64 -cpu qemu64,+aes,+pclmulqdq", "qemu-x86_64 -cpu max"]
RUNNERS = [os.environ["RUNNER"]] if os.environ.get("RUNNER") else OLD_AND_NEW if AMD64 else [""]

# Instructions that the first amd64 had not: SSE3 and later, AES, AVX, BMI. (tzcnt is not among them: it is a bsf there.)
LATER = re.compile(
    r"aes\w+|pclmul\w+|sha(1|256)\w+|pshufb|palignr|pextr[bdq]|pinsr[bdq]|p(min|max)(sb|uw|ud|sd)|pmov[sz]x\w+|ptest|"
    r"p?blend\w+|pmulld|pcmp(eqq|gtq|[ei]str[im])|round[sp][sd]|dpp[sd]|crc32\w?|popcnt|v(?!er[rw]|m)\w+|movbe|sarx|"
    r"shlx|shrx|rorx|mulx|andn|bextr|bls\w+|pdep|pext|lzcnt|ph(add|sub)\w+|pabs[bwd]|psign[bwd]|pmaddubsw|pmulhrsw|"
    r"haddp[sd]|hsubp[sd]|addsubp[sd]|lddqu|movddup|movs[hl]dup|adcx|adox")
ASKED_FIRST = re.compile(r"(mbedtls_aesni_|aesni_|gcm_(clmul|reduce|mix)|aes_gcm_\w+_sse|aes_keyexp_\d+_)")

shipped = pytest.mark.skipif(bool(os.environ.get("TEST_ASAN")), reason="of the program without sanitizers")
amd64 = pytest.mark.skipif(not AMD64 or bool(os.environ.get("RUNNER")), reason="of a program for amd64")


def told(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, **options).stdout


@pytest.fixture
def third(program):
    """The archives of third-party code that the program is made of."""
    return [ROOT / "build" / "third-party" / pathlib.Path(program).parent.name / f"lib{name}.a"
            for name in ("mbedtls", "cjson")]


@pytest.fixture
def library(program):
    return pathlib.Path(program).with_name("libholdfast.a")


# ---- where it runs ---------------------------------------------------------------------------------------------

@shipped
@pytest.mark.found("B1", "B4")
@pytest.mark.parametrize("runner", RUNNERS)
def test_every_processor_of_its_kind_logs_in_over_tls(program, cluster, tmp_path, runner):
    sql = "SELECT count(*) AS items, max(i.price) IS NOT NULL AS priced, bool_and(s.ssl) AS tls FROM item i, " \
          "pg_stat_ssl s WHERE s.pid = pg_backend_pid()"
    done = subprocess.run([*shlex.split(runner), program, "query", sql, "--format", "csv", "--dsn", cluster.dsn(),
                           "--connect-timeout", "60s", "--request-timeout", "60s"],
                          env=clean_environment(tmp_path), capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"items,priced,tls\n[1-9]\d+,t,t\n", done.stdout)


@shipped
@amd64
@pytest.mark.found("B1")
@pytest.mark.parametrize("runner", OLD_AND_NEW)
def test_every_processor_of_its_kind_hashes_alike(program, runner):
    hashes = pathlib.Path(program).parent / "tests" / "unit" / "test_mbedtls_hash"
    assert hashes.exists(), f"make {hashes}"
    subprocess.run([*shlex.split(runner), str(hashes)], check=True, cwd=ROOT, capture_output=True)


@shipped
@amd64
@pytest.mark.found("B1")
@pytest.mark.parametrize("runner", OLD_AND_NEW)
def test_every_processor_of_its_kind_encrypts_alike(program, runner):
    gcm = (built := pathlib.Path(program).parent) / "tests" / "unit" / "test_mbedtls_gcm"
    assert gcm.exists(), f"make {gcm}"
    done = subprocess.run([*shlex.split(runner), str(gcm)], check=True, cwd=ROOT, capture_output=True, text=True)
    fast = runner.endswith("max") and "hf_mbedtls_gcm_crypt" in told("nm", "--defined-only", built / "libholdfast.a")
    assert f"whole messages: {'intel-ipsec-mb' if fast else 'mbedTLS'}\n" in done.stdout


@shipped
@amd64
@pytest.mark.found("B1")
def test_only_what_asks_the_processor_first_has_its_later_instructions(program):
    where, later = "", {}
    functions = set(re.findall(r" FUNC .* (\S+)$", told("readelf", "-sW", program), re.M))   # other labels stand within one
    for line in told("objdump", "-d", "--no-show-raw-insn", program).splitlines():
        if line.endswith(">:"):
            name = line.split("<")[1][:-2]
            where = name if name in functions else where
        elif "\t" in line and LATER.fullmatch(line.split("\t")[1].split()[0]):
            later.setdefault(where, set()).add(line.split("\t")[1].split()[0])
    assert {"aesenc", "pshufb"} <= set().union(*later.values()), "the fast way is not there"
    assert not {name: found for name, found in later.items()
                if not ASKED_FIRST.match(name) or "ask_cpu" in name or "has_support" in name}


# ---- how it is hardened ----------------------------------------------------------------------------------------

@shipped
@pytest.mark.found("B3")
def test_the_program_is_hardened(program):
    dynamic = told("readelf", "-dW", program)
    assert re.search(r"FLAGS_1\).*\bNOW\b.*\bPIE\b", dynamic) and "BIND_NOW" in dynamic
    assert "TEXTREL" not in dynamic
    segments = told("readelf", "-lW", program)
    assert "GNU_RELRO" in segments and "DYN (" in segments
    assert re.search(r"GNU_STACK .* RW +0x", segments)
    assert not re.search(r"LOAD .* RWE ", segments)
    imported = told("nm", "-D", program)
    assert "__stack_chk_fail" in imported and "__memcpy_chk" in imported
    if AMD64:
        assert re.search(r"x86 feature:.*\bIBT\b.*\bSHSTK\b", told("readelf", "-nW", program))
        code = told("objdump", "-d", "--no-show-raw-insn", program)     # a library's note, if it has none, is given by board.mk
        assert set(re.findall(r"<aes_gcm_(?:enc|dec)_\d+_sse>:\n.*\t(\w+)", code)) <= {"endbr64"}


@shipped
@pytest.mark.found("B3")
def test_third_party_code_is_hardened_like_ours(library, third):
    """Each object says what it was compiled with, and what it calls."""
    flags = {"-fPIC", "-fstack-protector-strong", "-fstack-clash-protection"} | ({"-fcf-protection=full"} if AMD64 else set())
    for archive in (library, *third):
        symbols = told("nm", archive)
        assert "__stack_chk_fail" in symbols and re.search(r"U __(?!stack)\w+_chk\b", symbols), archive
        units = re.findall(r"DW_AT_producer.*: (GNU C\d+ .*)", told("readelf", "--debug-dump=info", archive))
        assert units, archive
        assert not [unit for unit in units if not flags <= set(unit.split())], archive
        if AMD64:
            notes = told("readelf", "-nW", archive)
            assert notes.count("IBT, SHSTK") == notes.count("NT_GNU_PROPERTY_TYPE_0") > 0, archive


@shipped
@pytest.mark.found("B3")
def test_the_library_goes_into_a_shared_object(library, tmp_path):
    made = tmp_path / "libapp.so"
    told("gcc", "-shared", "-o", made, "-Wl,-z,text,-z,now,--whole-archive", library, "-Wl,--no-whole-archive")
    assert "hf_pool_init" in told("nm", "-D", "--defined-only", made)


@shipped
@pytest.mark.found("B3")
def test_what_makes_calls_fail_knows_their_fortified_names(program):
    """Else a fortified read is one that the torture tests never fail."""
    interposer = pathlib.Path(program).parent / "tests" / "torture" / "interpose.so"
    stands_for = set(told("nm", "-D", "--defined-only", interposer).split())
    fortified = set(re.findall(r"__(\w+)_chk\b", told("nm", "-D", program)))
    assert not {name for name in fortified & stands_for if f"__{name}_chk" not in stands_for}


# ---- what an application compiles and links with ---------------------------------------------------------------

# One program in what C11 and C++17 have in common. It asks for the system's own header of a name that holdfast has too.
APPLICATION = r"""
#include <error.h>
#include <stdio.h>
#include <string.h>

#include <holdfast/holdfast.h>
#include <holdfast/linux.h>

static HF_POOL_MEMORY(memory, 2, 16384, 4096);

static int show(hf_request *request, hf_row *row) {
    hf_value value;
    while (hf_row_next(row, &value))
        printf("%.*s of %s\n", (int)value.bytes, value.data, request->sql);
    return HF_CONTINUE;
}

int main(int argc, char **argv) {
    hf_config config = HF_CONFIG_DEFAULT;
    hf_error why;
    hf_linux port;
    if (!hf_config_dsn(&config, argc > 1 ? argv[1] : "", &why) || !hf_linux_init(&port, &config, &why))
        error(1, 0, "%s", why.message);
    config.max_concurrent = 2;
    hf_pool *pool = hf_pool_init(memory, sizeof memory, &config, hf_linux_port(&port), &why);
    if (!pool)
        error(1, 0, "%s", why.message);
    hf_request request;
    memset(&request, 0, sizeof request);
    request.sql = "SELECT 42";
    request.on_row = show;
    if (hf_submit(pool, &request) != HF_OK)
        error(1, 0, "not taken");
    while (request.outcome == HF_OUTCOME_PENDING)
        hf_linux_wait(&port, hf_tick(pool, hf_linux_now(&port)));
    hf_linux_close(&port);
    return request.outcome == HF_OUTCOME_OK ? 0 : 1;
}
"""
# The short way, in the same two languages.
SHORT = r"""
#include <stdio.h>
#include <string.h>

#include <holdfast/linux.h>

static int done;

static void finish(hf_request *request) {
    done += request->outcome != HF_OUTCOME_PENDING;
}

static int show(hf_request *request, hf_row *row) {
    int64_t number = 0;
    bool is = hf_value_integer(hf_row_get(row, 0), 0, 100, &number);
    printf("%d %d\n", (int)request->attempts, is ? (int)number : -1);
    return HF_CONTINUE;
}

int main(int argc, char **argv) {
    hf_config config = HF_CONFIG_DEFAULT, given;
    hf_request request;
    char text[300], room[HF_INTEGER_BYTES];
    hf_value number = hf_integer(41, room);
    (void)argc;
    config.connect_retries = 1;
    config.retry_delay_ms = 10;
    memset(&request, 0, sizeof request);
    if (!hf_config_dsn(&config, argv[1], &request.error))
        return 9;
    hf_config_copy(&given, &config);
    memset(&config, 'x', sizeof config);
    request.sql = argv[2][0] ? argv[2] : NULL;
    request.params = &number;
    request.n_params = 1;
    request.on_row = show;
    request.on_done = finish;
    for (int i = 0; i < 2; i++)
        hf_linux_run(&given, &request);
    hf_error_text(&request.error, text, sizeof text);
    printf("%s %d %s\n", hf_outcome_name(request.outcome), done, text);
    return 0;
}
"""
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
LANGUAGES = [("gcc", "c11"), ("gcc", "c17"), ("gcc", "c2x"), ("clang", "c11"), ("clang", "c2x"),
             ("g++", "c++17"), ("g++", "c++20"), ("clang++", "c++17"), ("clang++", "c++20")]


@pytest.fixture(scope="session")
def installed(request, tmp_path_factory):
    """What `make install` puts below a prefix, and what pkg-config says of it."""
    prefix = tmp_path_factory.mktemp("installed")
    build = pathlib.Path(request.getfixturevalue("program")).parent
    told(ROOT / "boards" / "linux" / "install.sh", build, prefix, "", cwd=ROOT,
         env={**os.environ, "LIBS": "-lcares -lidn"})
    flags = told("pkg-config", "--cflags", "--libs", "holdfast",
                 env={**os.environ, "PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")})
    return prefix, shlex.split(flags)


def compiled(installed, folder, compiler, standard, *options, source=APPLICATION):
    """Compiles and links outside the tree."""
    prefix, flags = installed
    written = folder / ("application.cpp" if "++" in compiler else "application.c")
    written.write_text(source, encoding="ascii")
    made = folder / "application"
    done = subprocess.run([compiler, f"-std={standard}", *STRICT, *options, written, "-o", made, *flags],
                          cwd=folder, capture_output=True, text=True)
    return made, done


@shipped
@amd64
@pytest.mark.found("B5")
@pytest.mark.parametrize("compiler, standard", LANGUAGES)
def test_an_application_in_c_and_in_cpp_compiles_against_what_is_installed(installed, cluster, tmp_path, compiler, standard):
    made, done = compiled(installed, tmp_path, compiler, standard)
    assert done.returncode == 0, done.stderr
    dsn = f"host={cluster.folder} port={cluster.port} user=postgres dbname=db"
    assert told(made, dsn) == "42 of SELECT 42\n"
    assert subprocess.run([made, "nonsense"], capture_output=True).returncode == 1


@shipped
@amd64
@pytest.mark.parametrize("compiler, standard", [("gcc", "c11"), ("g++", "c++17")])
def test_one_request_runs_on_a_loop_of_its_own(installed, cluster, tmp_path, compiler, standard):
    made, done = compiled(installed, tmp_path, compiler, standard, source=SHORT)
    assert done.returncode == 0, done.stderr
    dsn = f"host={cluster.folder} port={cluster.port} user=postgres dbname=db application_name=short"
    assert told(made, dsn, "SELECT $1::int + 1") == "1 42\n1 42\nok 2 no error\n"
    assert told(made, dsn, "SELECT $1::int / 0").startswith("failed 2 the server refused: 22012 division by zero")
    assert told(made, dsn, "") == "not sent 0 an argument is not valid\n"
    assert told(made, f"host={tmp_path} user=me", "SELECT $1").startswith("not sent 2 given up after 1 retry in tcp")
    assert told(made, f"{dsn} sslrootcert=system sslmode=verify-ca", "SELECT $1").startswith("not sent 0 a setting is not valid")


@shipped
@amd64
@pytest.mark.found("B5")
@pytest.mark.parametrize("compiler, standard", [("gcc", "c11"), ("g++", "c++17")])
def test_each_header_compiles_by_itself(installed, tmp_path, compiler, standard):
    prefix, _ = installed
    headers = sorted((prefix / "include").rglob("*.h"))
    assert {header.parent for header in headers} == {prefix / "include" / "holdfast"}, "a name beside the system's"
    assert {"holdfast.h", "linux.h", "test.h", "layout.h", "port.h"} <= {header.name for header in headers}
    for header in headers:
        source = f"#include <holdfast/{header.name}>\nint main({'void' if compiler == 'gcc' else ''}) {{ return 0; }}\n"
        _, done = compiled(installed, tmp_path, compiler, standard, source=source)
        assert done.returncode == 0, done.stderr


@shipped
@amd64
@pytest.mark.found("B5")
@pytest.mark.parametrize("compiler, standard", [("gcc", "c11"), ("g++", "c++17")])
@pytest.mark.parametrize("size", ["HOSTS_MAX=2", "CONNS_MAX=8", "DSN_BYTES=64", "MESSAGE_BYTES=128", "JOURNAL_ENTRIES=8",
                                  "STATEMENT_BYTES=1024", "ADDRESSES_MAX=2", "SMALL=1"])
def test_an_application_of_other_sizes_does_not_link_and_the_linker_names_them(installed, tmp_path, compiler, standard, size):
    _, done = compiled(installed, tmp_path, compiler, standard, f"-DHF_{size}")
    assert done.returncode != 0
    asked = f"hf_config_dsn_\\w*{size.replace('=', '_')}" if size != "SMALL=1" else r"hf_config_dsn_\w*SESSION_BYTES_128"
    assert re.search(rf"undefined reference to [`'\"]{asked}", done.stderr), done.stderr


@shipped
@amd64
@pytest.mark.found("B5")
def test_pkg_config_says_the_sizes_that_a_library_was_built_with(program, tmp_path):
    build = pathlib.Path(program).parent
    told(ROOT / "boards" / "linux" / "install.sh", build, tmp_path, "", cwd=ROOT, env={**os.environ, "SIZES": "-DHF_HOSTS_MAX=2"})
    assert "-DHF_HOSTS_MAX=2" in told("pkg-config", "--cflags", "holdfast_test", env={
        **os.environ, "PKG_CONFIG_PATH": str(tmp_path / "lib" / "pkgconfig")})


# ---- what third-party code is in it ----------------------------------------------------------------------------

SCRIPT = ROOT / "port" / "third-party.sh"
PINNED = dict(zip(("mbedtls", "cjson", "lwip"), re.findall(r"version=(\S+)", SCRIPT.read_text(encoding="utf-8"))))


def chosen(name, *offers):
    done = subprocess.run([SCRIPT, "choose", name], input="".join(offer + "\n" for offer in offers),
                          check=True, capture_output=True, text=True)
    return done.stdout.splitlines(), done.stderr


@pytest.mark.found("B2")
@pytest.mark.parametrize("name, offers, best", [
    ("mbedtls", ["stable 3.6.6-0.1~deb13u1", "testing 3.6.7-3", "unstable 3.6.9-1"], "unstable 3.6.9-1"),
    ("mbedtls", ["stable 3.6.9-1", "testing 3.6.10-1", "unstable 4.1.0-1"], "testing 3.6.10-1"),
    ("mbedtls", ["stable 3.6.7-1~deb13u1", "testing 3.6.7-3", "unstable 3.6.7-4"], "stable 3.6.7-1~deb13u1"),
    ("mbedtls", ["stable 2.28.3-1", "testing 1:3.6.8-2", "unstable 3.60.1-1"], "testing 1:3.6.8-2"),
    ("mbedtls", ["stable 3.6.7-1", "unstable 3.6.8~rc1-1"], "stable 3.6.7-1"),
    ("cjson", ["stable 1.7.18-3.1+deb13u1", "testing 1.7.19-2", "unstable 1.8.0-1"], "testing 1.7.19-2"),
    ("lwip", ["stable 2.2.1+dfsg1-1+deb13u1", "testing 2.2.2+dfsg1-1"], "testing 2.2.2+dfsg1-1"),
    ("mbedtls", ["stable 2.28.3-1", "testing 4.0.0-1"], None),
])
def test_the_newest_release_of_the_pinned_series_is_taken(name, offers, best):
    assert (chosen(name, *offers)[0] or [None])[0] == best


@pytest.mark.found("B2")
def test_a_suite_that_has_gone_to_another_series_is_skipped_and_said():
    taken, notes = chosen("mbedtls", "stable 3.6.7-1", "testing 4.0.0-2", "unstable 4.1.0-1")
    assert taken == ["stable 3.6.7-1"]
    assert "testing has mbedtls 4.0.0, not 3.6.x: skipped" in notes and "unstable has mbedtls 4.1.0" in notes


@pytest.fixture
def tree(tmp_path):
    """A tree of its own for the script, which writes below build/, and a folder of sources."""
    (tmp_path / "port").mkdir()
    for script in ("third-party.sh", "apt.sh"):
        (tmp_path / "port" / script).write_bytes((ROOT / "port" / script).read_bytes())
    (tmp_path / "port" / "third-party.sh").chmod(0o755)
    (tmp_path / "sources").mkdir()
    return tmp_path


def put(tree, release, name="cjson", word="good"):
    """A made-up source package."""
    inside = tree / f"{name}-{release}"
    inside.mkdir()
    (inside / "what.c").write_text(f"/* {word} {release} */\n", encoding="ascii")
    made = tree / "sources" / f"{name}_{release}.orig.tar.gz"
    told("tar", "-czf", made, "-C", tree, inside.name)
    return made


def fetch(tree, *names, sources=True, **environment):
    return subprocess.run([tree / "port" / "third-party.sh", *names], capture_output=True, text=True,
                          env={**os.environ, **environment, "HF_SOURCES": str(tree / "sources") if sources else ""})


def built(tree):
    return (tree / "build" / "third-party" / "cjson" / "what.c").read_text(encoding="ascii")


@pytest.mark.found("B2")
def test_without_a_hash_beside_it_a_source_must_be_the_pinned_one(tree):
    put(tree, PINNED["cjson"])
    refused = fetch(tree, "cjson")
    assert refused.returncode == 1 and "pinned" in refused.stderr and ".sha256" in refused.stderr
    assert "sha256 should be" in refused.stderr and "SHA256SUMS" in refused.stderr


@pytest.mark.found("B2")
@pytest.mark.parametrize("beside", ["SHA256SUMS", "FILE.sha256"])
def test_the_source_that_a_hash_beside_it_names_is_taken(tree, beside):
    put(tree, "1.7.20")
    made = put(tree, "1.7.21")
    put(tree, "1.7.22")                             # newer, and nobody has said that it may be taken
    put(tree, "1.8.0")
    sums = tree / "sources" / (beside if beside == "SHA256SUMS" else f"{made.name}.sha256")
    sums.write_text(told("sha256sum", made.name, cwd=tree / "sources"), encoding="ascii")
    taken = fetch(tree, "cjson")
    assert taken.returncode == 0, taken.stderr
    assert "1.7.21" in built(tree) and "cjson 1.7.21 instead of" in taken.stdout

    (tree / "build" / "third-party" / ".fetched-cjson").unlink()
    sums.write_text(f"{'0' * 64}  {made.name}\n", encoding="ascii")
    refused = fetch(tree, "cjson")
    assert refused.returncode == 1 and f"{sums.name} beside it names" in refused.stderr
    assert "0" * 64 in refused.stderr


# An archive that lists testing's release without having its files, and has no unstable.
APT_GET = """#!/bin/sh
case "$*" in
indextargets*) echo 'Debian Debian main http://mirror.example/debian/' ;;
*update) ! grep -q -e unstable -e sid "$(echo "$*" | sed 's/.*sourcelist=//; s/ .*//')" ;;
*1.7.22-1) exit 100 ;;
*) cp "$SOURCES/cjson_1.7.1$N.orig.tar.gz" . ;;
esac
"""
APT_CACHE = """#!/bin/sh
echo " cjson | 1.7.1$N-1 | http://mirror.example/debian stable/main Sources"
echo " cjson | 1.7.22-1 | http://mirror.example/debian testing/main Sources"
"""


@pytest.mark.found("B2")
def test_a_release_below_the_pinned_one_is_never_taken_quietly(tree):
    put(tree, "1.7.17")
    for name, text in (("apt-get", APT_GET), ("apt-cache", APT_CACHE)):
        (tree / name).write_text(text, encoding="ascii")
        (tree / name).chmod(0o755)
    taken = fetch(tree, "cjson", sources=False, N="7", SOURCES=str(tree / "sources"), PATH=f"{tree}:{os.environ['PATH']}")
    assert taken.returncode == 0, taken.stderr
    assert "1.7.17" in built(tree)
    assert f"WARNING: cjson 1.7.17 is OLDER than {PINNED['cjson']}" in taken.stderr
    assert "the mirror has no suite unstable" in taken.stdout
    assert "lists cjson 1.7.22-1 of testing, but does not have it" in taken.stdout


# ---- what make asks of a machine -------------------------------------------------------------------------------

@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@shipped
@pytest.mark.parametrize("goals, hint", [(["all"], "make deps"), (["lint-symbols"], "make deps"),
                                         (["sim"], "make deps"),
                                         (["all", "SMALL=1", "BOARD=linux-lwip"], "make BOARD=linux-lwip deps")])
def test_make_names_the_packages_that_are_missing_and_installs_none(machine, goals, hint):
    machine.put(*MADE_UP)
    done = machine.make(*goals)
    assert done.returncode == 2
    assert f"holdfast needs these Debian packages: libcsv-dev ({hint} installs them)\n" in done.stderr
    assert done.stdout == "" and not (machine.tree / "build").exists(), "something was built before"
    assert not machine.installed.exists()


@shipped
def test_make_deps_installs_what_is_missing(machine):
    machine.put(*MADE_UP)
    done = machine.make("deps")
    assert (done.returncode, done.stdout) == (0, "installing libcsv-dev\n"), done.stderr
    assert re.search(r" install --no-install-recommends libcsv-dev$", machine.installed.read_text(encoding="ascii"))


@shipped
@amd64
def test_what_is_only_faster_is_installed_if_it_can_be_had(machine):
    machine.put("sudo")
    machine.write("dpkg-query", MADE_UP["dpkg-query"].replace("libcsv-dev", "libipsec-mb-dev"))
    machine.write("apt-get", MADE_UP["apt-get"] + "; exit 100")
    done = machine.make("deps")
    assert done.returncode == 0 and done.stdout.startswith("installing libipsec-mb-dev\nnote: could not install"), done.stderr
    assert " install --no-install-recommends libipsec-mb-dev\n" in machine.installed.read_text(encoding="ascii")
    machine.installed.unlink()
    assert machine.make("deps", "IPSEC_MB=").returncode == 0 and not machine.installed.exists(), "who wants none gets none"


@shipped
@amd64
@pytest.mark.parametrize("missing, code", [("libipsec-mb-dev", 0), ("libipsec-mb-dev|libcsv-dev", 2)])
def test_who_may_install_nothing_does_without_what_is_only_faster(machine, missing, code):
    machine.stand_alone("sort", "tr")
    machine.put("gcc", "apt-get")
    machine.write("id", "echo 1000")
    machine.write("dpkg-query", MADE_UP["dpkg-query"].replace("[ $package = libcsv-dev ]",
                                                              f"case $package in {missing}) ;; *) false ;; esac"))
    done = machine.make("deps")
    assert done.returncode == code and not machine.installed.exists(), done.stderr
    assert "note: neither root nor sudo to install libipsec-mb-dev: it is built without" in done.stdout
    assert ("apt-get install --no-install-recommends libcsv-dev\n" in done.stderr) == (code != 0)


@shipped
@amd64
def test_a_build_does_without_the_faster_aes_gcm_and_says_so(machine):
    def told_of(*more):
        planned = machine.make("-n", "build/third-party/linux/libmbedtls.a", *more).stdout
        return re.search("building mbedTLS: (.*)'", planned).group(1), *set(re.findall(" -DHF_WITH_IPSEC_MB=(0x[0-9]+)", planned))

    alone = ("its own AES-GCM; a faster one is in libipsec-mb-dev",)
    machine.write("gcc", 'case "$*" in *-l:libIPSec_MB.a*) exit 1 ;; *) exec {gcc} "$@" ;; esac')
    assert told_of() == alone
    for release in ("0x10300", "0x20000"):      # a changed flag compiles anew what has the other's structures
        machine.write("gcc", f'case "$*" in *"-E -P"*) echo {release} ;; *-l:libIPSec_MB.a*) exit 0 ;;'
                             ' *) exec {gcc} "$@" ;; esac')
        assert told_of() == ("AES-GCM by intel-ipsec-mb", release) and told_of("IPSEC_MB=") == alone


@shipped
def test_without_debian_make_goes_by_what_it_finds(machine):
    machine.stand_alone()
    machine.put("gcc")
    refused = machine.make("all")
    assert refused.returncode == 2 and "holdfast needs what was not found here: libcsv (csv.h).\n" in refused.stderr
    assert "HF_SOURCES=" in refused.stderr and not (machine.tree / "build").exists()
    (machine.commands / "gcc").unlink()
    (machine.commands / "gcc").symlink_to(shutil.which("gcc"))
    found = machine.make("needs")
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


# As make and the tests leave it: everything that is built in some way, and what was fetched for it.
BUILT = """linux linux-small linux-asan linux-asan-small linux-fuzz linux-lwip linux-lwip-asan linux-arm-linux-gnueabihf
mps2-an385 another-board mutants mutants.told bench bench.lock demo postgresql-18
third-party/linux third-party/mps2-an385 third-party/linux-arm-linux-gnueabihf""".split()
FETCHED = """downloads apt mbedtls cjson .fetched-mbedtls .fetched-cjson sysroot-arm-linux-gnueabihf .lock""".split()


@shipped
def test_make_clean_leaves_nothing_but_what_was_fetched(machine):
    build = machine.tree / "build"
    for name in (*BUILT, *(f"third-party/{name}" for name in FETCHED)):
        (build / name).mkdir(parents=True)
        if name in BUILT:
            (build / name / ".flags").touch()
    (machine.tree / "boards" / "__pycache__").mkdir()
    done = machine.make("clean")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in build.iterdir()] == ["third-party"]
    assert sorted(path.name for path in (build / "third-party").iterdir()) == sorted(FETCHED)
    assert not (machine.tree / "boards" / "__pycache__").exists()
    assert machine.make("distclean").returncode == 0 and not build.exists()
    assert machine.make("clean").returncode == 0 and not build.exists()


@shipped
def test_make_help_lists_the_targets_of_every_part(machine):
    told_of = re.findall(r"^make (\S+) ", machine.make("help").stdout, re.M)
    assert {"all", "install", "deps", "clean", "test", "sim", "bench", "demo", "lint", "format"} <= set(told_of)
    assert len(told_of) == len(set(told_of))
