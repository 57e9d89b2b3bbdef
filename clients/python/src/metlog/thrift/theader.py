"""THeader for ``thriftpy2``, whose releases up to 0.7 have none: transport and protocol for clients and servers.

>>> import metlog.thrift.theader as theader
>>> factories = theader.HeaderTransportFactory(), theader.HeaderProtocolFactory()

A server finds out for each connection whether its client speaks THeader, or the binary or compact protocol, framed or
not, and replies likewise. Frames may be compressed with zlib when they are read.
"""

from __future__ import annotations

import struct
from typing import Any, Dict

from thriftpy2.protocol.binary import TBinaryProtocol
from thriftpy2.protocol.compact import TCompactProtocol
from thriftpy2.protocol.exc import TProtocolException
from thriftpy2.transport import TTransportException

from . import _frame
from ._carriers import Malformed

__all__ = ["HeaderProtocol", "HeaderProtocolFactory", "HeaderTransport", "HeaderTransportFactory"]

_PROTOCOLS = {_frame.BINARY: TBinaryProtocol, _frame.COMPACT: TCompactProtocol}
_NAMES = {"binary": _frame.BINARY, "compact": _frame.COMPACT}
_READ_BYTES = 4_096


class HeaderTransport:
    """A transport of ``thriftpy2`` that frames messages with info headers, as its peer does."""

    def __init__(self, trans: Any) -> None:
        self._trans = trans
        self.protocol_id = _frame.BINARY
        self._begin()

    def _begin(self) -> None:
        self._kind = "header"
        self._raw = b""
        self._read_buffer, self._at = b"", 0
        self._write_buffer = bytearray()
        self._read_headers: Dict[bytes, bytes] = {}
        self._write_headers: Dict[bytes, bytes] = {}
        self.flags = self.sequence_id = 0

    def is_open(self) -> bool:
        """True where there is a connection."""
        return bool(self._trans.is_open())

    def open(self) -> None:
        """Connects."""
        self._begin()
        self._trans.open()

    def close(self) -> None:
        """Ends the connection."""
        self._trans.close()

    def clean(self) -> None:
        """Forgets what waits to be read or written."""
        self._read_buffer, self._at = b"", 0
        self._write_buffer.clear()

    def get_headers(self) -> Dict[bytes, bytes]:
        """The info headers of the message that was read last."""
        return self._read_headers

    def set_header(self, key: bytes, value: bytes) -> None:
        """Adds an info header to the message that is written next."""
        self._write_headers[key] = value

    def clear_headers(self) -> None:
        """Takes these out again."""
        self._write_headers.clear()

    def read(self, sz: int) -> bytes:
        """So many bytes of a message."""
        if self._kind == "unframed":
            return self._exactly(sz)
        if len(self._read_buffer) - self._at < sz:
            raise TTransportException(TTransportException.END_OF_FILE, "a message is longer than its frame")
        found = self._read_buffer[self._at : self._at + sz]
        self._at += sz
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._raw) < size:
            more = self._trans.read(max(size - len(self._raw), _READ_BYTES))
            if not more:
                raise TTransportException(TTransportException.END_OF_FILE, "the connection has ended")
            self._raw += more
        found, self._raw = self._raw[:size], self._raw[size:]
        return found

    def read_frame(self) -> None:
        """Reads the next message's frame, or finds out that there are no frames."""
        first = self._exactly(4)
        if _protocol_of(first) is not None:
            self._kind, self.protocol_id = "unframed", _protocol_of(first)
            self._raw = first + self._raw
            return
        self._read_headers = {}
        size = struct.unpack(">i", first)[0]
        if not 4 <= size <= _frame.FRAME_BYTES_MAX:
            raise TTransportException(TTransportException.UNKNOWN, f"a frame of {size} bytes")
        body = self._exactly(size)
        self._at = 0
        if struct.unpack(">H", body[:2])[0] == _frame.MAGIC:
            try:
                frame = _frame.unpack(body)
            except Malformed as error:
                raise TProtocolException(TProtocolException.INVALID_DATA, str(error)) from None
            self._kind, self._read_buffer = "header", frame.payload
            self.protocol_id, self.flags, self.sequence_id = frame.protocol, frame.flags, frame.sequence
            self._read_headers = frame.headers
            return
        protocol = _protocol_of(body)
        if protocol is None:
            raise TProtocolException(TProtocolException.BAD_VERSION, "neither THeader nor binary nor compact")
        self._kind, self.protocol_id, self._read_buffer = "framed", protocol, body

    def write(self, buf: Any) -> None:
        """Adds to the message."""
        self._write_buffer += buf

    def flush(self) -> None:
        """Sends the message, as the peer speaks."""
        payload = bytes(self._write_buffer)
        self._write_buffer.clear()
        headers, self._write_headers = self._write_headers, {}
        if self._kind == "header":
            frame = _frame.Frame(self.protocol_id, self.flags, self.sequence_id, headers, payload)
            payload = _frame.pack(frame)
        elif self._kind == "framed":
            payload = struct.pack(">i", len(payload)) + payload
        self._trans.write(payload)
        self._trans.flush()


def _protocol_of(first: bytes) -> Any:
    """Which protocol a message begins in; ``None`` for none."""
    if first[:2] == b"\x80\x01":
        return _frame.BINARY
    return _frame.COMPACT if first[0] == 0x82 and first[1] & 0x1F == 1 else None


class HeaderTransportFactory:
    """Makes one transport for each connection: what is read tells how to write."""

    def get_transport(self, trans: Any) -> HeaderTransport:
        """The transport of a socket."""
        found = getattr(trans, "_metlog_theader", None)
        if found is None:
            found = trans._metlog_theader = HeaderTransport(trans)
        return found


class HeaderProtocol:
    """The binary or the compact protocol, whichever a message is in."""

    def __init__(self, trans: HeaderTransport, protocol: str = "binary") -> None:
        self.trans = trans
        trans.protocol_id = _NAMES[protocol]
        self._made: Dict[int, Any] = {}
        self._protocol = self._choose()

    def _choose(self) -> Any:
        number = self.trans.protocol_id
        if number not in _PROTOCOLS:
            raise TProtocolException(TProtocolException.BAD_VERSION, f"the unknown protocol {number}")
        if number not in self._made:
            self._made[number] = _PROTOCOLS[number](self.trans)
        return self._made[number]

    def __getattr__(self, name: str) -> Any:
        if name == "_protocol":
            raise AttributeError(name)
        return getattr(self._protocol, name)

    def read_message_begin(self) -> Any:
        """See ``TProtocolBase``."""
        self.trans.read_frame()
        self._protocol = self._choose()
        return self._protocol.read_message_begin()

    def write_message_begin(self, name: str, ttype: int, seqid: int) -> None:
        """See ``TProtocolBase``."""
        self.trans.sequence_id = seqid
        self._protocol.write_message_begin(name, ttype, seqid)


class HeaderProtocolFactory:
    """Makes one protocol for each connection. ``protocol``, ``binary`` or ``compact``, is what a client begins with."""

    def __init__(self, protocol: str = "binary") -> None:
        if protocol not in _NAMES:
            raise ValueError(f"`{protocol}` is not a protocol; the protocols are {', '.join(_NAMES)}")
        self._name = protocol

    def get_protocol(self, trans: HeaderTransport) -> HeaderProtocol:
        """The protocol of a transport."""
        found = getattr(trans, "_metlog_protocol", None)
        if found is None:
            found = HeaderProtocol(trans, self._name)
            trans._metlog_protocol = found  # type: ignore[attr-defined]
        return found
