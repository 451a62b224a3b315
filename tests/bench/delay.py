#!/usr/bin/python3
"""A network with a long way: a pass-through on loopback in which every byte takes so many milliseconds, either way.

    tests/bench/delay.py PORT MS      prints the port on which it listens, and passes on to PORT until it is ended

Linux has netem for that, where it was built in. asyncio's timers are never early and up to 1 ms late: a round trip
takes 2 x MS, and up to 2 ms more.
"""

import asyncio
import collections
import socket
import sys


class End(asyncio.Protocol):
    """One end of a passed connection: what arrives here is written to the other end, in order, when its time is up."""

    def __init__(self, delay, other=None):
        self.delay, self.other, self.transport = delay, other, None
        self.due = collections.deque()          # (when, bytes); None: the end of the stream

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data):
        self._later(data)

    def connection_lost(self, _):
        self._later(None)

    def _later(self, data):
        loop = asyncio.get_running_loop()
        self.due.append((loop.time() + self.delay, data))
        if len(self.due) == 1:
            loop.call_at(self.due[0][0], self._pass_on)

    def _pass_on(self):
        loop = asyncio.get_running_loop()
        while self.due and self.due[0][0] <= loop.time():
            data = self.due.popleft()[1]
            if data is None:
                self.other.transport.close()
            else:
                self.other.transport.write(data)
        if self.due:
            loop.call_at(self.due[0][0], self._pass_on)


class Near(End):
    """The client's end: reads when the server's end is there."""

    def __init__(self, delay, port):
        super().__init__(delay)
        self.port = port

    def connection_made(self, transport):
        super().connection_made(transport)
        transport.pause_reading()
        self.reaching = asyncio.ensure_future(self._reach())

    async def _reach(self):
        loop = asyncio.get_running_loop()
        _, self.other = await loop.create_connection(lambda: End(self.delay, self), "127.0.0.1", self.port)
        self.transport.resume_reading()


async def main(port, ms):
    server = await asyncio.get_running_loop().create_server(lambda: Near(ms / 1000, port), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
    except KeyboardInterrupt:
        pass
