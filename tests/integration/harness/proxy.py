"""A network that fails on command: a pass-through on loopback between the program and a real server.

    proxy = Proxy(cluster.port)                    # every connection passes
    proxy.next(Plan(cut_down=100, cut="rst"))      # the next connection is reset after 100 bytes from the server
    proxy.black_hole(); …; proxy.heal()            # nothing is lost, nothing arrives: as a dead network looks

It counts what it sees (`links`), so tests can hold the program to its limits and its schedule. One asyncio loop
in a thread of its own; the methods a test calls hand over to that loop.
"""

import asyncio
import contextlib
import dataclasses
import socket
import struct
import threading
import time
from typing import Callable, Optional

from . import wire
from .waiting import PATIENCE_S

TCP_ESTABLISHED = 1                 # of tcpi_state
KEPT_UP = 1 << 20                   # bytes of a client's side kept for inspection


@dataclasses.dataclass
class Plan:
    """What happens to one connection. Counts are bytes; `None` is never."""

    on_accept: Optional[str] = None         # 'rst' or 'fin' at once
    reply: Optional[bytes] = None           # the answer to the first packet, in the server's stead…
    then: Optional[str] = "fin"             # …and then: 'fin', 'rst', or None to stay silent
    cut: str = "rst"                        # how the cuts below end the connection: 'rst' or 'fin'
    cut_down: Optional[int] = None          # cut after that many bytes from the server
    cut_up: Optional[int] = None            # cut after that many bytes from the client
    after_login: bool = False               # count cut_down from the first ReadyForQuery (no TLS)
    slices: Optional[int] = None            # forward at most this many bytes at a time, both ways
    pause_s: float = 0.0                    # …and wait that long after each: a drip
    rewrite: Optional[Callable] = None      # (type, body, link) -> bytes, for each server message (no TLS)
    lose: Optional[Callable] = None         # (type, body, link) -> True where the server's words begin to be lost: all
                                            # up to the ReadyForQuery, with which the connection is cut (no TLS)
    flood: Optional[bytes] = None           # sent for ever in place of what follows the login (with after_login)
    flip: Optional[int] = None              # this bit of what the server sends arrives flipped


class Link:
    """One connection as the proxy saw it."""

    def __init__(self, index, plan):
        self.index, self.plan = index, plan
        self.opened, self.closed = time.monotonic(), None       # closed: by the client, or cut by the plan
        self.up, self.up_count, self.down_count = bytearray(), 0, 0
        self.ready = not plan.after_login
        self.cut_done = self.losing = False
        self.seen, self.ready_seen = {}, False                  # free for a rewrite's own use
        self.messages, self.login = wire.Messages(), wire.Messages()
        self.client = self.server = None                        # StreamWriters
        self.gates = {"up": asyncio.Event(), "down": asyncio.Event()}
        self.task = None

    @property
    def kind(self):
        return wire.first_packet(self.up)

    def is_open(self):
        """Has the client closed neither way, so far as our kernel knows?"""
        if self.closed is not None or self.client.transport.is_closing():
            return False
        state = self.client.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return state[0] == TCP_ESTABLISHED

    def close_seen(self):
        if self.closed is None:
            self.closed = time.monotonic()


def _abort(writer):
    """Close with RST: linger 0 turns close() into a reset."""
    if writer is not None and not writer.transport.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


class Proxy:
    """A listening port whose connections go to `target_port`, as their plans have it."""

    def __init__(self, target_port, host="127.0.0.1"):
        self.target_port, self.host = target_port, host
        self.default = Plan()
        self.limit = 3                      # max_concurrent of who comes through here: see invariants.py
        self.links = []
        self._planned, self._fillers, self._moments = [], [], []
        self._dark = {"up": False, "down": False}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._bind(0)
        self.port = self._socket.getsockname()[1]
        self._call(self._serve())

    # -- what a test says ------------------------------------------------------------------------

    def next(self, *plans):
        """Plans for the next connections, one each; those after them get `default`."""
        self._planned.extend(plans)

    def refuse(self):
        """Refuse connections, as a host with nothing on that port; the port stays ours meanwhile."""
        with self._another_socket():
            self._call(self._stop_serving())

    def hang(self):
        """Let connect() hang: the backlog is full, so the kernel drops every SYN."""
        self.refuse()
        self._socket.listen(0)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect((self.host, self.port))
            self._fillers.append(filler)

    def accept(self):
        """Undo refuse() or hang()."""
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()
        with self._another_socket():
            self._socket.close()
        self._call(self._serve())

    def black_hole(self, up=True, down=True, only_existing=False):
        """Nothing passes in these directions from now, on all connections or on those there are."""
        self._call(self._set_dark(up, down, only_existing))

    def heal(self):
        """Let everything through again; what was held arrives, as TCP would resend it."""
        self._call(self._set_dark(False, False, False))

    def say(self, data):
        """The server says something by itself, on all connections there are."""
        self._call(self._say(data))

    def cut_all(self, cut="rst"):
        """Cut every connection there is."""
        self._call(self._cut_all(cut))

    def close(self):
        """End the proxy; its connections are reset."""
        self._call(self._stop_serving())
        self._call(self._cut_all("rst"))
        self._call(self._end_tasks())
        for filler in self._fillers:
            filler.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # -- what it saw -----------------------------------------------------------------------------

    @property
    def count(self):
        return len(self.links)

    def open_links(self):
        return [link for link in self.links if link.closed is None]

    def peak(self):
        """The most connections that were open at one moment, those that carried a CancelRequest apart. A moment is that
        of each accept; open is what the kernel says, so that a client's close counts though we have yet to see it."""
        return max((sum(link.kind != "cancel" for link in moment) for moment in self._moments), default=0)

    # -- inside the loop -------------------------------------------------------------------------

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_S)

    def _bind(self, port):
        self._socket = socket.socket()
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            self._socket.setsockopt(socket.SOL_SOCKET, option, 1)
        self._socket.bind((self.host, port))

    @contextlib.contextmanager
    def _another_socket(self):
        """Another one is bound before this one is closed, which the block does: the port is never anybody's."""
        old = self._socket
        self._bind(self.port)
        new, self._socket = self._socket, old
        try:
            yield
        finally:
            self._socket = new

    async def _serve(self):
        self._server = await asyncio.start_server(self._accepted, sock=self._socket)

    async def _stop_serving(self):
        self._server.close()
        self._socket.close()

    async def _set_dark(self, up, down, only_existing):
        wanted = {"up": up, "down": down}
        if not only_existing:
            self._dark = wanted
        for link in self.links:
            for way, gate in link.gates.items():
                if wanted[way]:
                    gate.clear()
                else:
                    gate.set()

    async def _say(self, data):
        for link in self.links:
            if link.closed is None and link.client is not None:
                link.client.write(data)

    async def _cut_all(self, cut):
        for link in self.links:
            self._cut(link, cut)

    async def _end_tasks(self):
        await self._end([link.task for link in self.links if link.task and not link.task.done()])

    def _cut(self, link, cut):
        link.cut_done = True
        link.close_seen()
        if cut == "rst":
            _abort(link.client)
        elif link.client is not None and not link.client.transport.is_closing():
            link.client.close()
        _abort(link.server)

    async def _accepted(self, reader, writer):
        link = Link(len(self.links), self._planned.pop(0) if self._planned else self.default)
        for way, gate in link.gates.items():
            if not self._dark[way]:
                gate.set()
        link.client, link.task = writer, asyncio.current_task()
        self.links.append(link)
        self._moments.append([each for each in [*(self._moments or [[]])[-1], link] if each.is_open()])
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):     # the client may leave at any time
            if link.plan.on_accept:
                self._cut(link, link.plan.on_accept)
            elif link.plan.reply is not None:
                await self._reply(link, reader)
            else:
                await self._pass(link, reader)
        _abort(link.server)
        if not writer.transport.is_closing():
            writer.close()

    async def _reply(self, link, reader):
        """Play the server for one answer. What the client sends after it is kept in link.up."""
        link.up += await reader.readexactly(8)
        if link.kind == "startup":
            length = struct.unpack_from("!I", link.up)[0]
            link.up += await reader.readexactly(length - 8)
        link.client.write(link.plan.reply)
        await link.client.drain()
        if link.plan.then:
            await self._drink(link, reader, 0.2)    # a FIN with bytes unread would arrive as a RST
            self._cut(link, link.plan.then)
        else:
            await self._drink(link, reader, 3600)

    @staticmethod
    async def _drink(link, reader, for_s):
        try:
            with contextlib.suppress(asyncio.TimeoutError):
                while data := await asyncio.wait_for(reader.read(65536), for_s):
                    link.up += data
                link.close_seen()
        except ConnectionError:                     # a reset is an end, too
            link.close_seen()
            raise

    async def _pass(self, link, reader):
        for gate in link.gates.values():
            await gate.wait()
        server_reader, link.server = await asyncio.open_connection("127.0.0.1", self.target_port)
        pumps = [asyncio.ensure_future(self._pump(link, reader, link.server, "up")),
                 asyncio.ensure_future(self._pump(link, server_reader, link.client, "down"))]
        try:
            await asyncio.gather(*pumps)
        except (ConnectionError, OSError):
            self._cut(link, "rst")
        finally:
            await self._end(pumps)

    async def _pump(self, link, reader, writer, way):
        """One direction. Reading goes on while the gate is shut, so that a client's close is seen at once."""
        held = asyncio.Queue(256)
        listener = asyncio.ensure_future(self._listen(link, reader, way, held))
        try:
            while not link.cut_done:
                data = await held.get()
                await link.gates[way].wait()
                if isinstance(data, Exception):
                    raise data
                if not data:
                    writer.write_eof()
                    return
                await self._forward(link, writer, way, data)
        finally:
            await self._end([listener])

    @staticmethod
    async def _listen(link, reader, way, held):
        data = b"more"
        while data:
            try:
                data = await reader.read(65536)
            except ConnectionError as error:
                data = error
            if way == "up":
                if isinstance(data, bytes):
                    link.up += data[:KEPT_UP - len(link.up)]
                if not data or isinstance(data, Exception):
                    link.close_seen()
            await held.put(data)
            if isinstance(data, Exception):
                return

    @staticmethod
    async def _end(tasks):
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _forward(self, link, writer, way, data):
        plan = link.plan
        if way == "down":
            if plan.rewrite:
                data = b"".join(plan.rewrite(kind, body, link) for kind, body in link.messages.feed(data))
            over = False
            if plan.lose:
                data, over = self._lost(link, data)
            if not link.ready:
                data = await self._until_ready(link, writer, data)
            while plan.flood and link.ready and data and not link.cut_done:
                await self._send(plan, writer, plan.flood)
                link.down_count += len(plan.flood)
            left = None if plan.cut_down is None or not link.ready else plan.cut_down - link.down_count
            if plan.flip is not None and link.ready:
                data = self._flipped(data, plan.flip - 8 * link.down_count)
            link.down_count += len(data) if link.ready else 0
            if over:
                await self._send(plan, writer, data)
                self._cut(link, plan.cut)
                return
        else:
            left = None if plan.cut_up is None else plan.cut_up - link.up_count
            link.up_count += len(data)
        cut = left is not None and len(data) >= left
        await self._send(plan, writer, data[:left] if cut else data)
        if cut:
            await asyncio.sleep(0.002)              # let what was sent leave before the reset overtakes it
            self._cut(link, plan.cut)

    @staticmethod
    def _lost(link, data):
        """What is left of the server's words, and whether the statement that they are about is over."""
        kept = b""
        for kind, body in link.messages.feed(data):
            link.losing = link.losing or link.plan.lose(kind, body, link)
            if not link.losing:
                kept += wire.message(kind, body)
            elif kind == b"Z":
                return kept, True
        return kept, False

    @staticmethod
    def _flipped(data, bit):
        if not 0 <= bit < 8 * len(data):
            return data
        changed = bytearray(data)
        changed[bit // 8] ^= 0x80 >> bit % 8
        return bytes(changed)

    @staticmethod
    async def _until_ready(link, writer, data):
        """Forward what belongs to the login; return what follows the first ReadyForQuery."""
        taken = -link.login.pending
        for kind, body in link.login.feed(data):
            taken += 5 + len(body)
            if kind == b"Z":
                link.ready = True
                break
        writer.write(data[:taken] if link.ready else data)
        await writer.drain()
        return data[taken:] if link.ready else b""

    @staticmethod
    async def _send(plan, writer, data):
        step = plan.slices or len(data) or 1
        for start in range(0, len(data), step):
            writer.write(data[start:start + step])
            await writer.drain()
            if plan.slices:
                await asyncio.sleep(plan.pause_s)
