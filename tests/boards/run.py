#!/usr/bin/python3
"""`make run`: an image under QEMU against a PostgreSQL of its own (TLS, SCRAM), through one stop of the server and one cut
of the cable, with what it says on its serial line. Ends with the image's own status.

    tests/boards/run.py IMAGE
"""
import pathlib
import sys
import types

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from harness import run_folder                                           # noqa: E402
from harness.board import HASTY, PATIENT, QUEUE, Image, make_server                             # noqa: E402
from harness.cluster import Clusters                                     # noqa: E402

READINGS, INTERVAL_MS = QUEUE, 250      # none is dropped, however long the server is away


def say(text):
    print(f"== {text}", flush=True)


class Echo:
    """Prints what the image has said since it was asked last, whenever something is awaited."""

    def __init__(self, image):
        self.image, self.told = image, 0

    def more(self):
        text = self.image.text
        print(text[self.told:], end="", flush=True)
        self.told = len(text)

    def until(self, pattern, count=1):
        self.image.await_text(pattern, count, meanwhile=self.more)
        self.more()


def outages(server, image, echo):
    echo.until("connecting -> healthy")
    say("the server is stopped (-m immediate)")
    server.stop("immediate")
    echo.until("reconnecting -> backoff", 3)
    say("the server is started")
    server.start()
    echo.until("reconnecting -> healthy")
    say("the cable is cut (set_link n0 off)")
    image.cable(plugged=False)
    echo.until(r"reconnecting -> backoff .*HF_ERR_TIMEOUT")
    say("the cable is plugged in")
    image.cable(plugged=True)
    echo.until("reconnecting -> healthy", 2)


def run(path, folder):
    server = make_server(Clusters(folder), "run")
    server.shut(READINGS - 10)              # the last ten wait until both outages are over
    image = None
    try:
        image = Image(path, pathlib.Path(folder) / "image", port=server.port, ca=(server.tls / "ca.crt").read_text(),
                      readings=READINGS, interval_ms=INTERVAL_MS, settings=HASTY, **PATIENT)
        echo = Echo(image)
        outages(server, image, echo)
        server.open_up()
        status = image.finish()
        echo.more()
        rows, numbers = server.sql("SELECT count(*), count(DISTINCT number) FROM reading")[0]
        say(f"in the table: {rows} rows, {numbers} different; the image ended with {status}")
        return status
    finally:
        if image:
            image.end()
        server.destroy()


def main(path):
    session = types.SimpleNamespace()
    run_folder.make(session)
    try:
        return run(path, run_folder.path())
    finally:
        run_folder.remove(session)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 2 else __doc__)
