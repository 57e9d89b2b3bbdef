"""Clients of the API of PyPI's ``statsd``, for UDP, TCP and Unix stream sockets.

Calls append to metlog's queue, and its thread writes the lines. A socket that is assigned as ``_sock``, as tests of
applications do, is written to at once, by the caller: what it raises reaches the caller of a stream client, as ever.
"""

from __future__ import annotations

import random
import socket
from collections import deque
from datetime import timedelta
from typing import Any, Deque, Optional, Tuple

from ... import _lines
from ..._client import Client
from ..._outlet import Destination
from .. import _shared
from ._timer import Timer

_STREAM_BLOCK_BYTES = 8_192
#: Methods that see lines on their way. A subclass that has its own sees each line, on the caller's thread.
_SEAMS = frozenset(("_send", "_after", "_send_stat", "_prepare"))


def _join(prefix: Optional[str], stat: Any) -> Any:
    return f"{prefix}.{stat}" if prefix else stat


def _write(_prefix: str, name: Any, value: "Tuple[str, Any, Any]") -> bytes:
    """One line, in the sending thread: the name is cleaned, the value is as the original writes it."""
    form, number, rate = value
    kind = type(number)
    # What is not finite has no difference to itself that is 0.
    if kind is float and number - number != 0 or kind is not float and kind is not int and not _fits(form, number):
        raise ValueError(f"{number!r} is not a number")
    text = f"{_lines.clean_name(name)}:{form % number if kind is float else form % (number,)}"
    return _lines.alone(f"{text}|@{rate}" if rate < 1 else text)


def _fits(form: str, value: Any) -> bool:
    return form == "%s|s" or _lines.number(value) is not None


def _negative(_prefix: str, name: Any, value: Any) -> bytes:
    """Two lines that travel together: a sign alone would be a delta."""
    name = _lines.clean_name(name)
    return _lines.alone(f"{name}:0|g\n{name}:{value}|g")


def _ready(_prefix: str, _name: None, value: str) -> bytes:
    """Lines that a pipeline has collected."""
    return _lines.alone(value)


class StatsClientBase:
    """What clients and pipelines have in common."""

    _prefix: Optional[str] = None
    #: True where each line is to pass through ``_send``.
    _is_seen = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not _SEAMS.isdisjoint(vars(cls)) and not cls.__module__.startswith(__name__.rpartition(".")[0]):
            cls._is_seen = True

    def close(self) -> None:
        """Lets go of what the client holds."""
        raise NotImplementedError

    def pipeline(self) -> "PipelineBase":
        """Collects values, and sends them when it is left or told to."""
        raise NotImplementedError

    def timer(self, stat: Any, rate: float = 1) -> Timer:
        """Times a block, every call of a function or coroutine, or from ``start`` to ``stop``."""
        return Timer(self, stat, rate)

    def timing(self, stat: Any, delta: Any, rate: float = 1) -> None:
        """A time in milliseconds, or a ``timedelta``."""
        if isinstance(delta, timedelta):
            delta = delta.total_seconds() * 1000.0
        self._send_stat(stat, ("%0.6f|ms", delta, rate), rate)

    def incr(self, stat: Any, count: Any = 1, rate: float = 1) -> None:
        """Counts something."""
        self._send_stat(stat, ("%s|c", count, rate), rate)

    def decr(self, stat: Any, count: Any = 1, rate: float = 1) -> None:
        """Counts down."""
        self.incr(stat, -count, rate)

    def gauge(self, stat: Any, value: Any, rate: float = 1, delta: bool = False) -> None:
        """Sets a gauge, or changes it."""
        if value < 0 and not delta:
            if rate < 1 and random.random() > rate:
                return
            self._send_negative(stat, value)
        else:
            self._send_stat(stat, ("+%s|g" if delta and value >= 0 else "%s|g", value, rate), rate)

    def set(self, stat: Any, value: Any, rate: float = 1) -> None:
        """A member of a set."""
        self._send_stat(stat, ("%s|s", value, rate), rate)

    def _send_negative(self, stat: Any, value: Any) -> None:
        self._after(_negative("", _join(self._prefix, stat), value).decode())

    def _send_stat(self, stat: Any, value: Any, rate: float) -> None:
        self._after(self._prepare(stat, value, rate))

    def _prepare(self, stat: Any, value: Any, rate: float) -> Optional[str]:
        if rate < 1 and random.random() > rate:
            return None
        if isinstance(value, str):
            # Of applications that make lines themselves.
            value = f"{value}|@{rate}" if rate < 1 else value
            return f"{_join(self._prefix, stat)}:{value}"
        return _write("", _join(self._prefix, stat), value).decode()

    def _after(self, data: Optional[str]) -> None:
        if data:
            self._send(data)

    def _send(self, data: Any = None) -> None:
        raise NotImplementedError


class QueuedClient(StatsClientBase):
    """A client whose values go through metlog's queue, unless a socket was assigned."""

    _is_seen = False
    #: The client of metlog behind this one: ``client.metlog.stats()`` counts.
    metlog: Client
    _own: Any = None

    @property
    def _sock(self) -> Any:
        """``None``, or the socket that was assigned."""
        return self._own

    @_sock.setter
    def _sock(self, given: Any) -> None:
        self._own = given
        self._is_seen = given is not None or type(self)._is_seen

    def incr(self, stat: Any, count: Any = 1, rate: float = 1) -> None:
        """Counts something."""
        if self._is_seen:
            self._send_stat(stat, ("%s|c", count, rate), rate)
        elif count == 1 and rate >= 1:
            self.metlog.incr(f"{self._prefix}.{stat}" if self._prefix else stat)
        elif rate >= 1 or random.random() <= rate:
            self.metlog.line(_write, _join(self._prefix, stat), ("%s|c", count, rate))

    def _send_stat(self, stat: Any, value: Any, rate: float) -> None:
        if self._is_seen:
            self._after(self._prepare(stat, value, rate))
        elif rate >= 1 or random.random() <= rate:
            self.metlog.line(_write, f"{self._prefix}.{stat}" if self._prefix else stat, value)

    def _send_negative(self, stat: Any, value: Any) -> None:
        if self._is_seen:
            super()._send_negative(stat, value)
        else:
            self.metlog.line(_negative, _join(self._prefix, stat), value)

    def _send(self, data: Any = None) -> None:
        if self._own is None:
            self.metlog.line(_ready, None, data)
        else:
            self._send_at_once(data.encode())

    def _send_at_once(self, data: bytes) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Sends what waits, within a second. The client may be used on: it opens another socket."""
        own, self._sock = self._sock, None
        if own is not None and hasattr(own, "close"):
            own.close()
        self.metlog.flush()


class StatsClient(QueuedClient):
    """Values by UDP. The name is looked up by the sending thread, again every minute."""

    def __init__(
        self,
        host: str = "localhost",
        port: int = 8125,
        prefix: Optional[str] = None,
        maxudpsize: int = 512,
        ipv6: bool = False,
    ) -> None:
        self._prefix = prefix
        self._maxudpsize = maxudpsize
        self._where: "Tuple[str, int, int]" = (host, port, _shared.family_of(ipv6))
        self.metlog = _shared.client(_shared.address(host, port, None, self._where[2]), maxudpsize)

    def _send_at_once(self, data: bytes) -> None:
        host, port, family = self._where
        try:
            address = socket.getaddrinfo(host, port, family, socket.SOCK_DGRAM)[0][4]
            self._sock.sendto(data, address)
        except (OSError, RuntimeError):
            pass

    def pipeline(self) -> "Pipeline":
        """Collects values; each datagram has ``maxudpsize`` bytes at most."""
        return Pipeline(self)


class StreamClientBase(QueuedClient):
    """Values by a stream. The sending thread connects, and again after an error."""

    _timeout: Optional[float] = None

    @property
    def _sock(self) -> Any:
        """The connection of the caller's own, which this opens. The sending thread has another one."""
        if self._own is None:
            self._own = self._connected()
        return self._own

    @_sock.setter
    def _sock(self, given: Any) -> None:
        self._own = given
        self._is_seen = given is not None or type(self)._is_seen

    def _connected(self) -> Any:
        raise NotImplementedError

    def connect(self) -> None:
        """Nothing is to be done: the sending thread connects when there is something to send."""

    def reconnect(self) -> None:
        """Likewise."""

    def close(self) -> None:
        """Sends what waits, within a second."""
        own, self._sock = self._own, None
        if own is not None and hasattr(own, "close"):
            own.close()
        self.metlog.flush()

    def _send_at_once(self, data: bytes) -> None:
        self._own.sendall(data + b"\n")

    def pipeline(self) -> "StreamPipeline":
        """Collects values."""
        return StreamPipeline(self)


class TCPStatsClient(StreamClientBase):
    """Values by TCP."""

    def __init__(
        self,
        host: str = "localhost",
        port: int = 8125,
        prefix: Optional[str] = None,
        timeout: Optional[float] = None,
        ipv6: bool = False,
    ) -> None:
        self._host, self._port, self._ipv6 = host, port, ipv6
        self._timeout, self._prefix = timeout, prefix
        destination = _shared.address(host, port, "lines", _shared.family_of(ipv6))
        self.metlog = _shared.client(destination, _STREAM_BLOCK_BYTES)

    def _connected(self) -> Any:
        family = _shared.family_of(self._ipv6)
        found = socket.getaddrinfo(self._host, self._port, family, socket.SOCK_STREAM)[0]
        opened = socket.socket(found[0], socket.SOCK_STREAM)
        opened.settimeout(self._timeout)
        opened.connect(found[4])
        return opened


class UnixSocketStatsClient(StreamClientBase):
    """Values by a Unix stream socket."""

    def __init__(self, socket_path: str, prefix: Optional[str] = None, timeout: Optional[float] = None) -> None:
        self._socket_path, self._timeout, self._prefix = socket_path, timeout, prefix
        self.metlog = _shared.client(Destination(f"unix:{socket_path}", "lines"), _STREAM_BLOCK_BYTES)

    def _connected(self) -> Any:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        opened.settimeout(self._timeout)
        opened.connect(self._socket_path)
        return opened


class PipelineBase(StatsClientBase):
    """Collects lines of a client."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._prefix = client._prefix
        self._stats: "Deque[str]" = deque()

    def _after(self, data: Optional[str]) -> None:
        if data is not None:
            self._stats.append(data)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.send()

    def send(self) -> None:
        """Sends what was collected."""
        if not self._stats:
            return
        if self._client._is_seen:
            self._send()
        else:
            # Packed anew in the sending thread; each value is one, in the count of what was lost too.
            while self._stats:
                self._client.metlog.line(_ready, None, self._stats.popleft())

    def pipeline(self) -> Any:
        """A pipeline into this one."""
        return self.__class__(self)


class Pipeline(PipelineBase):
    """Values that share datagrams."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self._maxudpsize = client._maxudpsize

    def _send(self, data: Any = None) -> None:
        lines = self._stats.popleft()
        while self._stats:
            line = self._stats.popleft()
            if len(lines) + 1 + len(line) >= self._maxudpsize:
                self._client._after(lines)
                lines = line
            else:
                lines = f"{lines}\n{line}"
        self._client._after(lines)


class StreamPipeline(PipelineBase):
    """Values that are written at once."""

    def _send(self, data: Any = None) -> None:
        lines = "\n".join(self._stats)
        self._stats.clear()
        self._client._after(lines)
