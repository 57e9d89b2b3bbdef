"""Sending datagrams to one destination, from one thread at a time. What cannot be sent is not kept: the gap in the
sequence numbers tells the listener.

Sockets are made by ``_socket``: gevent and eventlet replace ``socket.socket`` with one that would switch threads.
"""

from __future__ import annotations

import _socket
import errno
import ipaddress
import time
from typing import Any, List, Optional, Tuple

from . import _native

#: After an error, how long until a destination is opened again, in seconds.
REOPEN_UDP_AFTER = 5.0
REOPEN_UNIX_AFTER = 0.1
#: A name is looked up anew after so long; the last address that was found is used until another one is.
LOOK_UP_AGAIN_AFTER = 60.0
#: How long a look-up may hold up what waits: the first one, since a short-lived process is worth a wait.
FIRST_LOOK_UP_WAIT = 1.0
#: How long a full socket is waited for, once, until it has room again.
CONGESTION_WAIT = 0.02

_FULL = (errno.EAGAIN, errno.ENOBUFS, errno.EWOULDBLOCK)


class Captured:
    """A destination for tests of an application: keeps what would be sent."""

    def __init__(self) -> None:
        self.datagrams: "List[bytes]" = []

    def clear(self) -> None:
        """Forgets all."""
        self.datagrams.clear()


class Destination:
    """``host:port``, ``[::1]:5565``, ``unix:/path``, ``jaeger:host:port`` (an agent, for spans), or a ``Captured``."""

    __slots__ = ("captured", "family", "framing", "host", "is_jaeger", "path", "port")

    def __init__(self, where: Any, framing: Optional[str] = None, family: Optional[int] = None) -> None:
        """``framing``: ``None`` for datagrams; a stream of statsd has "lines", or "lengths" before blocks of them;
        "either": a Unix socket of datagrams, or a stream with "lengths".
        ``family``: of the addresses that a name may have."""
        self.framing, self.family = framing, family
        self.host: Optional[str] = None
        self.port = 0
        self.path: Optional[str] = None
        self.captured: Optional[Captured] = None
        self.is_jaeger = isinstance(where, str) and where.startswith("jaeger:")
        if self.is_jaeger:
            where = where[7:]
        if isinstance(where, Captured):
            self.captured = where
        elif isinstance(where, tuple) and len(where) == 2:
            self.host, self.port = str(where[0]), _port(str(where[1]), where)
        elif isinstance(where, str) and where.startswith("unix:") and len(where) > 5:
            self.path = where[5:]
        elif isinstance(where, str) and ":" in where:
            host, _, port = where.rpartition(":")
            self.port = _port(port, where)
            self.host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
            if not self.host or (":" in self.host and not host.startswith("[")):
                raise _malformed(where)
        else:
            raise _malformed(where)


def _malformed(where: Any) -> ValueError:
    return ValueError(f"{where!r} is neither host:port nor unix:/path")


def _port(text: str, where: Any) -> int:
    if not text.isdigit() or not 0 < int(text) < 65_536:
        raise _malformed(where)
    return int(text)


class LookUp:
    """Looks a name up in a thread of its own: a resolver that does not answer holds up nothing else."""

    __slots__ = ("_done", "_family", "address")

    def __init__(self, host: str, port: int, family: Optional[int] = None) -> None:
        self.address: Optional[Tuple[int, Any]] = None
        self._family = family or 0
        self._done = _native.original("_thread", "allocate_lock")()
        self._done.acquire()
        try:
            _native.original("_thread", "start_new_thread")(self._begin, (host, port))
        except RuntimeError:
            self._run(host, port)

    def _begin(self, host: str, port: int) -> None:
        _native.block_signals()
        self._run(host, port)

    def _run(self, host: str, port: int) -> None:
        try:
            found = _socket.getaddrinfo(host, port, self._family, _socket.SOCK_DGRAM)
            # Of several addresses the first of IPv4, as all clients do.
            found.sort(key=lambda one: one[0] != _socket.AF_INET)
            self.address = (found[0][0], found[0][4])
        except (OSError, IndexError, UnicodeError):
            pass
        finally:
            self._done.release()

    def wait(self, seconds: float) -> bool:
        """True once it is known whether there is an address."""
        if self._done.acquire(True, seconds) if seconds > 0 else self._done.acquire(False):
            self._done.release()
            return True
        return False


class Outlet:
    """One destination and its socket, opened when it is first needed."""

    __slots__ = (
        "destination",
        "_socket",
        "_address",
        "_opened_at",
        "_looked_up_at",
        "_look_up",
        "_congested",
        "_is_steady",
    )

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        self._socket: Any = None
        self._address: Optional[Tuple[int, Any]] = None
        self._opened_at: Optional[float] = None
        self._looked_up_at: Optional[float] = None
        self._look_up: Optional[LookUp] = None
        self._congested = False
        #: True while the socket is open, and nothing is ever looked up.
        self._is_steady = False

    def send(self, datagram: bytes) -> bool:
        """False: it was refused, and is not kept."""
        if self._is_steady:
            try:
                self._socket.send(datagram)
                self._congested = False
                return True
            except OSError:
                pass  # tried again below, where it is looked at
        if self.destination.captured is not None:
            self.destination.captured.datagrams.append(datagram)
            return True
        try:
            self._look_up_when_due()
            if not self._open():
                return False
            try:
                self._try(datagram)
            except ConnectionRefusedError:
                # On UDP it speaks of an earlier datagram, and this one was not tried.
                if self.destination.path is not None:
                    self.close()
                    if not self._open():
                        return False
                self._try(datagram)
        except BlockingIOError:
            self._congested = True
            return False
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                self.close()
            return False
        self._congested = False
        return True

    def abandon(self) -> None:
        """Forgets the socket without closing it: after a fork its number may be somebody else's."""
        self._is_steady = False
        if self._socket is not None:
            self._socket.detach()
            self._socket = None

    def _try(self, datagram: bytes) -> None:
        give_up_at = time.monotonic() + CONGESTION_WAIT
        while True:
            try:
                self._socket.send(datagram)
                return
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                if self._congested or time.monotonic() >= give_up_at:
                    raise BlockingIOError(error.errno, "no room") from None
                _native.original("time", "sleep")(0.001)

    def close(self) -> None:
        """Closes the socket; the next datagram opens another one."""
        self._is_steady = False
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> bool:
        if self._socket is not None:
            return True
        now = time.monotonic()
        path = self.destination.path
        again = REOPEN_UDP_AFTER if path is None else REOPEN_UNIX_AFTER
        if self._opened_at is not None and now - self._opened_at < again:
            return False
        address = (_socket.AF_UNIX, path) if path is not None else self._address
        if address is None:
            return False
        self._opened_at = now
        self._connect(address[0], address[1])
        return True

    def _connect(self, family: int, address: Any) -> None:
        opened = _socket.socket(family, _socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            opened.connect(address)
        except BaseException:
            opened.close()
            raise
        self._socket = opened
        self._is_steady = self.destination.path is not None or self._looked_up_at == float("inf")

    def _look_up_when_due(self) -> None:
        host = self.destination.host
        if host is None:
            return
        if self._address is None:
            literal = _literal(host)
            if literal is not None:
                self._address = (literal, (host, self.destination.port))
                self._looked_up_at = float("inf")
                return
        now = time.monotonic()
        if self._look_up is None:
            is_first = self._looked_up_at is None
            wait = LOOK_UP_AGAIN_AFTER if self._address is not None else REOPEN_UDP_AFTER
            if not is_first and now - (self._looked_up_at or 0.0) < wait:
                return
            self._looked_up_at = now
            self._look_up = LookUp(host, self.destination.port, self.destination.family)
            if is_first:
                self._look_up.wait(FIRST_LOOK_UP_WAIT)
        if not self._look_up.wait(0):
            return
        found, self._look_up = self._look_up.address, None
        if found is not None and found != self._address:
            self._address = found
            self.close()
            self._opened_at = None


def _literal(host: str) -> Optional[int]:
    """The family of a numeric address; ``None`` for a name."""
    try:
        version = ipaddress.ip_address(host.partition("%")[0]).version
    except ValueError:
        return None
    return int(_socket.AF_INET if version == 4 else _socket.AF_INET6)
