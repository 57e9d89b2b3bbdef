"""Protocols with one method of their own; all else is the protocol's. And the state of a connection."""

from __future__ import annotations

import gc
from typing import Any, Callable, List, Tuple

from ._carriers import Malformed, Reading


class Proxy:
    """Another object, seen through."""

    def __init__(self, inner: Any, work: Any) -> None:
        self._metlog_inner = inner
        self._metlog_work = work

    def __getattr__(self, name: str) -> Any:
        # Not as `self._metlog_inner`, which would ask here again in a copy that has none yet.
        return getattr(_get(self, "_metlog_inner"), name)


_get = object.__getattribute__


def passing(name: str) -> property:
    """An attribute that is asked for in each call, sooner than by ``__getattr__``."""
    return property(lambda self: getattr(self._metlog_inner, name))


class Upgraded(BaseException):
    """The message was Finagle's upgrade, which has been answered: there is nothing to serve. Not an ``Exception``, so
    that whatever lies between does not take it for one of the service."""


def drive(reading: Reading, read: Callable[[int], bytes]) -> Any:
    """Reads with what reads from a transport."""
    try:
        size = next(reading)
        while True:
            size = reading.send(exactly(read, size))
    except StopIteration as done:
        return done.value


def exactly(read: Callable[[int], bytes], size: int) -> bytes:
    """So many bytes of a transport that may give fewer."""
    data = read(size)
    while len(data) < size:
        more = read(size - len(data))
        if not more:
            raise Malformed("a header ends too early")
        data += more
    return data


def sockets(trans: Any) -> "List[Any]":
    """What lies below a transport, the socket of either library if there is one."""
    found, seen = [trans], 0
    while seen < len(found) < 16:
        one = found[seen]
        seen += 1
        held = getattr(one, "__dict__", None)
        if held is not None and ("handle" in held or "sock" in held):
            return [one]
        # A compiled transport does not say what it reads from; the garbage collector does.
        below = gc.get_referents(one) if held is None else list(held.values())
        found += [item for item in below if hasattr(item, "read") and hasattr(item, "close")]
    return []


def connection(trans: Any) -> "Tuple[Any, Any]":
    """The socket of a transport, and the connection that it has now: ``None`` for none."""
    for one in sockets(trans):
        return one, getattr(one, "handle", None) or getattr(one, "sock", None)
    return None, None


def peer(trans: Any) -> "Tuple[str, int]":
    """Where a transport leads: a host and a port, or a path."""
    for one in sockets(trans):
        path = getattr(one, "_unix_socket", None) or getattr(one, "unix_socket", None)
        if path:
            return str(path), 0
        port = getattr(one, "port", None)
        return str(getattr(one, "host", None) or ""), port if isinstance(port, int) else 0
    return "", 0


def is_connection(*protocols: Any) -> bool:
    """False where each message has a transport of its own, so that nothing can be agreed upon for the next one."""
    names = [type(protocol.trans).__name__ for protocol in protocols]
    return not any("Memory" in name or "FileObject" in name or "Http" in name for name in names)
