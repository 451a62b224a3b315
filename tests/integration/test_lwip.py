"""What only the program on lwIP can show: lwIP's own memory. The rest of its tests are everybody's."""

import re
import signal

import pytest

from harness.proxy import Plan
from harness.waiting import eventually

RECONNECTS = 10000


def pools(text):
    """What the program says of lwIP's pools: {name: (in use, in use at first, refused)}."""
    return {name: (int(used), int(first), int(refused)) for name, used, first, refused in
            re.findall(r"lwIP: (\w+): (\d+) in use, (\d+) at first, .*; (\d+) refused", text)}


@pytest.mark.lwip
def test_ten_thousand_reconnects_leave_lwips_memory_as_it_was(holdfast, proxy, cluster):
    """Each connection logs in, is probed, and is reset with the probe's answer on its way."""
    proxy.default = Plan(cut_down=0, after_login=True)
    run = holdfast("watch", dsn=cluster.dsn("trusted", port=proxy.port, password=None), env={"HF_TAP_POOLS": "1"},
                   retry_delay="1ms", max_retry_delay="2ms", probe_interval="2ms", max_outage="forever", wait=False)
    for count in range(500, RECONNECTS + 1, 500):           # patience is for what stands still
        eventually(lambda n=count: proxy.count >= n, f"{count} connections")
    run.send(signal.SIGTERM)
    assert run.finish() == 0
    seen = pools(run.stderr)
    assert {"heap", "TCP_PCB", "TCP_SEG", "PBUF", "PBUF_POOL", "SYS_TIMEOUT"} <= set(seen)
    more = {name: used - first for name, (used, first, _) in seen.items() if used != first}
    assert more.pop("SYS_TIMEOUT", 1) == 1          # lwIP's TCP timer stops by itself, half a second later
    assert more in ({}, {"TCP_PCB": 1})             # the last connection, if it ended politely: TIME_WAIT
    assert not [name for name, (_, _, refused) in seen.items() if refused]
