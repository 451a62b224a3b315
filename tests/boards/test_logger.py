"""The sensor logger under QEMU against a real PostgreSQL: SCRAM over verified TLS 1.3, outages, and nothing lost unseen."""

import contextlib
import os
import re
import struct
import subprocess
import sys

import pytest

import size
from conftest import REPOSITORY, image_path
from harness import run_folder
from harness.board import HASTY, HOST, PATIENT, QUEUE, flash_block, stored
from harness.certificates import Authority
from harness.network import FAR, OTHER, Names
from harness.waiting import PATIENCE_S, eventually


def ends(image, status=0, patience_s=PATIENCE_S):
    seen = image.finish(patience_s)
    assert seen == status, f"exit {seen} instead of {status}:\n{image.tail()}"


def all_there(image, server):
    """Every reading that was not counted as dropped is in the table once; what was counted is what is missing."""
    readings = image.numbers("readings")
    numbers = stored(server)
    assert len(numbers) == len(set(numbers)) == readings["stored"]
    assert readings["taken"] == readings["stored"] + readings["dropped"]
    assert readings["refused"] == readings["left"] == 0
    return readings, numbers


def pools_as_before(image):
    pools = image.pools()
    assert {"mbedtls", "json", "heap", "TCP_PCB", "TCP_SEG", "PBUF", "PBUF_POOL", "UDP_PCB"} <= set(pools)
    assert pools["json"]["after"] == 0
    for name, pool in pools.items():
        assert pool["after"] == pool["before"], f"pool {name}: {pool}"
        assert pool["refused"] == 0, f"pool {name}: {pool}"


@pytest.mark.parametrize("board", ["mps2-an386", "mps2-an385", "mps2-an505"])
def test_readings_are_stored_over_tls_13_with_scram(start, server, board):
    image = start(board, readings=20)
    ends(image)
    readings, numbers = all_there(image, server)
    assert numbers == list(range(1, 21)) and readings["dropped"] == 0
    log = server.log.read_text()
    assert "SSL enabled (protocol=TLSv1.3" in log and "method=scram-sha-256" in log
    assert [step[:2] for step in image.steps()] == [("idle", "connecting"), ("connecting", "healthy"),
                                                    ("healthy", "idle")]
    pools_as_before(image)


def test_server_stop_and_cut_cable_cost_no_reading(start, server):
    server.shut(QUEUE - 10)                 # the last ten wait, however late what is done here comes
    image = start(readings=QUEUE, interval_ms=250, keep_frames=True, settings={**HASTY, "jitter": 0}, **PATIENT)
    image.await_text("connecting -> healthy")
    eventually(lambda: len(stored(server)) >= 5, "the first readings")

    server.stop("immediate")
    image.await_text(r"healthy -> backoff ")
    image.await_text(r"reconnecting -> backoff .*HF_ERR_REFUSED", 2)
    server.start()
    image.await_text("reconnecting -> healthy")

    before, said, asked = len(image.steps()), len(image.text), image.asked_for_its_address()
    image.cable(plugged=False)
    image.await_text("cable: out")
    image.await_text(r"-> backoff .*\((query|probe): HF_ERR_TIMEOUT")
    image.await_text(r"reconnecting -> backoff .*\(tcp: HF_ERR_TIMEOUT")
    image.cable(plugged=True)
    image.await_text("reconnecting -> healthy", 2)
    assert image.said("cable: in") and image.asked_for_its_address() > asked
    server.open_up()
    ends(image)

    readings, numbers = all_there(image, server)
    assert readings["dropped"] == 0 and numbers == list(range(1, QUEUE + 1))
    # What ended it was a limit of the machine's own, and the attempt to get back had one too.
    limits = re.findall(r"^why: .* after ([\d.]+) s in (\w+) \((\w+)\)", image.text[said:], re.M)
    assert ("2.0", "query", "request_timeout") in limits or ("1.0", "probe", "probe_timeout") in limits
    assert ("4.0", "tcp", "reconnect_timeout") in limits or ("4.0", "tcp", "probe_reconnect_timeout") in limits
    states = [to for _, to, _ in image.steps()[before:]]
    assert "healthy" in states[states.index("backoff"):]
    pools_as_before(image)


def test_make_run_shows_both_outages_and_ends_with_the_images_status():
    words = [sys.executable, REPOSITORY / "tests" / "boards" / "run.py", image_path("mps2-an385")]
    ran = subprocess.run(words, check=False, text=True, capture_output=True, timeout=PATIENCE_S)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    parts = ["== the server is stopped", "healthy -> backoff", "reconnecting -> backoff", "== the server is started",
             "reconnecting -> healthy", "== the cable is cut", "cable: out", "-> backoff", "== the cable is plugged in",
             "cable: in", "reconnecting -> healthy", f"readings: taken={QUEUE} stored={QUEUE} dropped=0", "machine: dials=",
             f"== in the table: {QUEUE} rows, {QUEUE} different; the image ended with 0"]
    at = 0
    for part in parts:
        assert part in ran.stdout[at:], f"{part!r} where it belongs:\n{ran.stdout}"
        at = ran.stdout.index(part, at) + len(part)


def test_name_that_moves_during_an_outage_is_followed(start_against, far_server, network):
    """The image asks QEMU's name server, which asks the network's: each attempt anew."""
    with contextlib.closing(Names(network, {"db.test": [FAR]})) as names:
        far_server.shut(30)
        image = start_against(far_server, host="db.test", readings=40, interval_ms=400, settings={
            **HASTY, "reconnect_timeout": 1500, "probe_reconnect_timeout": 1500}, **PATIENT)
        eventually(lambda: len(stored(far_server)) >= 5, "the first readings")
        image.awaits_again("reconnecting -> backoff", lambda: network.take(FAR))
        asked = len(names.asked)
        image.awaits_again("reconnecting -> healthy", lambda: names.answers.update({"db.test": [OTHER]}))
        far_server.open_up()
        ends(image)
    assert len(names.asked) > asked and set(names.asked) == {"db.test"}
    readings, numbers = all_there(image, far_server)
    assert readings["dropped"] == 0 and numbers == list(range(1, 41))
    pools_as_before(image)


def test_full_queue_drops_the_oldest_and_counts_them(start, server):
    server.shut(100)
    image = start(readings=200, interval_ms=50, settings={"jitter": 0}, **PATIENT)
    eventually(lambda: len(stored(server)) >= 5, "the first readings")
    server.stop("immediate")
    image.await_text(r"reconnecting -> backoff  connection refused", 7)
    server.start()
    server.open_up()
    ends(image, status=2)
    readings, numbers = all_there(image, server)
    missing = sorted(set(range(1, 201)) - set(numbers))
    assert readings["dropped"] == len(missing) > 0 and readings["waited"] == QUEUE
    assert missing == list(range(missing[0], missing[-1] + 1))      # the oldest of those that waited
    told = image.said(r"queue: (?:full, the oldest readings are dropped|room again, dropped=(\d+))")
    assert told == ["", str(len(missing))] or told == [""]          # still full when the last was taken


def test_reconnects_leave_every_pool_as_it_was(start, server):
    """The server ends each session that has been idle for a moment. For ten thousand reconnects, on a board of your choice:
    RECONNECTS=10000 RECONNECTS_ON=mps2-an385 /usr/bin/python3 -m pytest tests/boards -s -k reconnects"""
    count = int(os.environ.get("RECONNECTS", "200"))
    server.sql("ALTER ROLE app SET idle_session_timeout = '10ms'")
    board = os.environ.get("RECONNECTS_ON", "mps2-an386")
    image = start(board, readings=0, reconnects=count, interval_ms=250, settings={"first_delay": 0, "stable_after": 0})
    ends(image, patience_s=PATIENCE_S + count)
    readings, _ = all_there(image, server)
    machine = image.numbers("machine")
    assert readings["dropped"] == 0 and machine["ups"] > count and machine["losses"] >= count
    assert machine["woken"] > 0, "the card's interrupt ends a sleep when an answer is there"
    pools_as_before(image)
    print(image.text[image.text.index("\nreadings:"):])


@pytest.mark.parametrize("what, words", [
    ("ca", "not signed by a trusted CA"),
    ("name", f"the certificate is not made for {HOST}"),
    ("expired", "the certificate has expired"),
    ("password", "password authentication failed"),
])
def test_refusal_is_final_after_one_attempt(start, server, what, words):
    members = {"ca": {"ca": (server.tls / "stranger.crt").read_text()},
               "password": {"password": "another"}}.get(what, {})
    if what in ("name", "expired"):
        authority = Authority(server.tls, "ca")
        server.use_certificate(*authority.issue(f"{what}{server.port}", **(
            {"names": "DNS:localhost,IP:10.0.2.3"} if what == "name" else {"names": f"IP:{HOST}", "days": -1})))
    image = start(readings=5, **members)
    ends(image, status=3)
    assert words in image.text
    assert [step[:2] for step in image.steps()] == [("idle", "connecting"), ("connecting", "idle")]
    assert image.numbers("machine")["dials"] == 1
    assert server.log.read_text().count("connection received: host=127.0.0.1") == 1
    assert stored(server) == []


def test_server_that_refuses_a_reading_is_told_and_counted(start, server):
    server.sql("ALTER TABLE reading ADD CHECK (number <> 3)")
    image = start(readings=5)
    ends(image, status=2)
    assert image.numbers("readings")["refused"] == 1 and stored(server) == [1, 2, 4, 5]
    assert "refused a reading: the server refused: 23514" in image.text


def test_readings_left_at_the_end_are_not_waited_for_for_ever(start, server):
    server.shut(3)                          # the later ones are left, though the server may be stopped late
    image = start(readings=30, interval_ms=300, drain_ms=1000)
    eventually(lambda: stored(server), "the first reading")
    server.stop("immediate")
    ends(image, status=4)
    readings = image.numbers("readings")
    assert readings["left"] > 0 and readings["taken"] == 30 == readings["stored"] + readings["left"]


D, H, U = {"device": "d"}, {"host": "h"}, {"user": "u"}
BAD_BLOCKS = [
    (b"", "there is none in flash"),
    (b"HFC1" + struct.pack("<II", 2, 1) + b"{}", "or it was damaged"),
    (b"HFC1" + struct.pack("<II", 2**32 - 1, 1) + b"{}", "or it was damaged"),
    (flash_block.pack(b""), "not JSON"),
    (flash_block.pack(b'{"host":"x"'), "not JSON"),
    (flash_block.pack(b'{"device":"d","device":"e"}'), "a name is given twice"),
    (flash_block.pack(b'{"device":"d"}\0'), "a NUL byte"),
    (flash_block.block([1]), "not an object"),
    (flash_block.block({"ca": "x" * 7000}), "more than this image has memory for"),
    (flash_block.block({"hots": "x"}), "hots: unknown"),
    (flash_block.block({"host": 5}), "host: not a text"),
    (flash_block.block({"host": "x" * 64}), "host: too long"),
    (flash_block.block({"readings": 1.5}), "readings: not a whole number"),
    (flash_block.block({"settings": [1]}), "settings: not an object"),
    (flash_block.block({"settings": {"retries": 1}}), "retries: no setting has this name"),
    (flash_block.block(D | H | U | {"settings": {"jitter": 101}}), "jitter is 101 %"),
    (flash_block.block(H | U), "device: none given"),
    (flash_block.block(D | U), "host: one of the list is empty"),
    (flash_block.block(D | H), "user: none given"),
    (flash_block.block(D | H | U), "ca: no certificate in it"),
    (flash_block.block(D | H | U | {"ca": ["x"]}), "ca: no certificate in it"),
    (flash_block.block(D | H | U | {"ca": "none"}), "ca: no certificate in it"),
]


def test_bad_configuration_is_named_and_nothing_is_sent(start, server):
    for block, words in BAD_BLOCKS:
        image = start(block=block)
        ends(image, status=1)
        assert words in image.text, block
    image = start(mask="wide", address="10.0.2.15")
    ends(image, status=1)
    assert "address, mask, gateway or dns is no address" in image.text
    assert "connection received: host=127.0.0.1" not in server.log.read_text()


def test_fixed_address_asks_no_dhcp(start, server):
    image = start(readings=3, address="10.0.2.77", gateway="10.0.2.2", keep_frames=True)
    ends(image)
    assert stored(server) == [1, 2, 3] and image.asked_for_its_address() == 0


def test_without_entropy_and_date_nothing_is_sent(start, server):
    """The image as a board has it that brings no hooks of its own; it does not even end."""
    image = start(name="closed")
    image.await_text("TLS: no entropy, or no memory: nothing is sent without it")
    image.await_text("clock: the date is not known: no certificate can be judged")
    assert image.running and "connection received: host=127.0.0.1" not in server.log.read_text()


@pytest.mark.parametrize("case, status, words", [
    ("e", 42, "before"),
    ("n", 98, r"fault 00000004 cfsr 00000082 .* address 00000010"),
    ("r", 98, r"fault 00000004 cfsr 00000082 .* address 00000000"),
    ("s", 98, r"fault 00000004 cfsr 000000[89][02] .* address (1f|37)ffff"),
    ("x", 98, r"fault 00000004 cfsr 00000001"),
    ("h", 97, "this must hold: nobody asks for heap"),
    ("a", 97, r"tests/boards/traps.c:\d+: this must hold: (argument == 0)?\n"),     # the small build: without words
])
@pytest.mark.parametrize("board", ["mps2-an386", "mps2-an385", "mps2-an505"])
def test_traps(start_against, board, case, status, words):
    """Null pointers, a stack that overflows, code in RAM, a heap: each ends the image at once, with a status of its own."""
    image = start_against(None, board, name="traps", block=case.encode())
    ends(image, status)
    assert re.search(words, image.text) and "after" not in image.text


def test_sizes_are_within_their_limits_and_in_the_readme():
    """Within 5 %, but for what lwIP holds until the host acknowledges it: that is a matter of time. To mend:
    make size BOARD=mps2-an385 WRITE=1"""
    measured = size.measure(image_path("mps2-an385"), run_folder.path())
    missed = [verdict for verdict in size.verdicts(*measured) if "missed" in verdict]
    assert not missed
    fresh = size.numbers(size.table(*measured))
    told = size.numbers(size.shown("mps2-an385"))
    assert [name for name, _ in told] == [name for name, _ in fresh]
    for (name, old), (_, new) in zip(told, fresh):
        near = all(abs(a - b) <= 0.05 * b + 16 for a, b in zip(old, new))
        assert near or name == "lwIP's heap", f"{name}: README {old}, now {new}"


def test_statement_that_hangs_is_cancelled_over_a_second_tls_link(start, server):
    server.shut(5)
    image = start(readings=40, interval_ms=400, settings={"request_timeout": 2000, "close_timeout": 60000}, **PATIENT)
    eventually(lambda: "canceling statement due to user request" in server.log.read_text(), "the cancel")
    server.open_up()
    ends(image)
    readings, numbers = all_there(image, server)
    assert readings["dropped"] == 0 and numbers == list(range(1, 41))
    assert image.numbers("machine")["losses"] == 0          # the session itself was kept
    pools_as_before(image)


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_server_with_an_rsa_key(start, server, tmp_path, version):
    certificate, key = tmp_path / "rsa.crt", tmp_path / "rsa.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                    "-subj", "/CN=rsa", "-addext", f"subjectAltName=IP:{HOST}", "-days", "2"],
                   check=True, capture_output=True)
    server.sql(f"ALTER SYSTEM SET ssl_max_protocol_version = '{version}'")
    server.use_certificate(certificate, key)
    image = start(readings=5, ca=certificate.read_text())
    ends(image)
    assert stored(server) == [1, 2, 3, 4, 5] and f"protocol={version}" in server.log.read_text()
    pools_as_before(image)
