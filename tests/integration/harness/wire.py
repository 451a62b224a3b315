"""As much of PostgreSQL's protocol 3 as it takes to place a fault between two messages of it."""

import struct

SSL_REQUEST, CANCEL_REQUEST, STARTUP, STARTUP_3_2 = 80877103, 80877102, 3 << 16, 3 << 16 | 2
KINDS = {SSL_REQUEST: "ssl", CANCEL_REQUEST: "cancel", STARTUP: "startup", STARTUP_3_2: "startup"}


def first_packet(data):
    """What a connection opens with: 'ssl', 'cancel', 'startup', or None while or because it is neither."""
    if len(data) < 8:
        return None
    return KINDS.get(struct.unpack_from("!I", data, 4)[0])


def message(kind, body=b""):
    """A message with its type byte and length."""
    return kind + struct.pack("!I", len(body) + 4) + body


def error(sqlstate, text, severity="FATAL"):
    """An ErrorResponse."""
    fields = (b"S" + severity.encode(), b"V" + severity.encode(), b"C" + sqlstate.encode(), b"M" + text.encode())
    return message(b"E", b"\0".join(fields) + b"\0\0")


def notice(sqlstate, text):
    """A NoticeResponse at WARNING."""
    return b"N" + error(sqlstate, text, "WARNING")[1:]


def authentication(code, body=b""):
    """An Authentication message: 0 Ok, 3 cleartext, 5 MD5, 10 SASL, 11 SASLContinue, 12 SASLFinal."""
    return message(b"R", struct.pack("!I", code) + body)


def authentication_code(body):
    return struct.unpack_from("!I", body)[0]


class Messages:
    """Cuts a stream from the server into its messages, whatever pieces it arrives in."""

    def __init__(self):
        self._buffer = bytearray()

    @property
    def pending(self):
        """Bytes fed that do not make a whole message yet."""
        return len(self._buffer)

    def feed(self, data):
        """Yield (type byte, body) for each message that is complete now."""
        self._buffer += data
        while len(self._buffer) >= 5:
            size = 1 + struct.unpack_from("!I", self._buffer, 1)[0]
            if len(self._buffer) < size:
                return
            whole = bytes(self._buffer[:size])
            del self._buffer[:size]
            yield whole[:1], whole[5:]
