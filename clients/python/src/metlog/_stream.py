"""Sending statsd lines over a stream: TCP, or a Unix stream socket. Only the sending thread waits here, not for long.

What cannot be written is not kept: lines that were in flight when a connection broke cannot be told from those that
arrived, so they count as lost.
"""

from __future__ import annotations

import _socket
import errno
from typing import Any

from ._outlet import Destination, Outlet

#: How long the sending thread waits for a connection, and for room in it, in seconds.
STREAM_WAIT = 1.0


class StreamOutlet(Outlet):
    """One stream and its connection, opened when it is first needed."""

    __slots__ = ("_is_prefixed",)

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        #: Each block begins with its length (4 bytes, little endian), as Datadog's agents want it, or ends a line.
        self._is_prefixed = destination.framing == "lengths"

    def send(self, datagram: bytes) -> bool:
        """False: it was not written as a whole, and is not kept."""
        try:
            self._look_up_when_due()
            if not self._open():
                return False
            block = len(datagram).to_bytes(4, "little") + datagram if self._is_prefixed else datagram + b"\n"
            self._socket.sendall(block)
        except OSError:
            # What was written is a part of a block; whatever followed on this connection would be read wrongly.
            self.close()
            return False
        return True

    def _connect(self, family: int, address: Any) -> None:
        self._socket = _connected(family, address)


class EitherOutlet(StreamOutlet):
    """A Unix socket of which only the path is known: datagrams, unless it turns out to be a stream, with lengths."""

    __slots__ = ("_is_stream",)

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        self._is_prefixed = True
        self._is_stream = False

    def send(self, datagram: bytes) -> bool:
        """False: it was refused, and is not kept."""
        if self._socket is None:
            self._is_stream = _is_stream(str(self.destination.path))
        return super().send(datagram) if self._is_stream else Outlet.send(self, datagram)

    def _connect(self, family: int, address: Any) -> None:
        super()._connect(family, address) if self._is_stream else Outlet._connect(self, family, address)


def _is_stream(path: str) -> bool:
    asking = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    try:
        asking.setblocking(False)
        asking.connect(path)
    except OSError as error:
        return error.errno == errno.EPROTOTYPE
    finally:
        asking.close()
    return False


def _connected(family: int, address: Any) -> Any:
    opened = _socket.socket(family, _socket.SOCK_STREAM)
    try:
        opened.settimeout(STREAM_WAIT)
        opened.connect(address)
    except BaseException:
        opened.close()
        raise
    return opened


def outlet(destination: Destination) -> Outlet:
    """The outlet of a destination for statsd lines."""
    if destination.framing == "either":
        return EitherOutlet(destination)
    return StreamOutlet(destination) if destination.framing is not None else Outlet(destination)
