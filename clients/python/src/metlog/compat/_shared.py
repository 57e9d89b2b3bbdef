"""One client of metlog for all facades of a process that send to one place: one queue, one thread and one socket."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any, Dict, Tuple

from .. import _wire
from .._client import Client
from .._outlet import Destination

_clients: "Dict[Tuple[Any, ...], Client]" = {}
_making = threading.Lock()


def client(destination: Destination, datagram_bytes: int) -> Client:
    """The client for this place. It makes no socket and no thread before the first value."""
    where = (
        destination.host,
        destination.port,
        destination.path,
        destination.framing,
        destination.family,
        datagram_bytes,
    )
    found = _clients.get(where)
    if found is None:
        with _making:
            found = _clients.get(where)
            if found is None:
                size = max(_wire.DATAGRAM_BYTES_MIN, min(datagram_bytes, _wire.DATAGRAM_BYTES_MAX))
                found = Client(destinations=[], statsd_destination=destination, statsd_datagram_bytes=size)
                _clients[where] = found
    return found


def address(host: Any, port: Any, framing: "str | None" = None, family: "int | None" = None) -> Destination:
    """A place by host and port; no name is looked up."""
    return Destination((str(host), int(port)), framing, family)


def family_of(is_ipv6: Any) -> int:
    """The family that a caller asks for."""
    return int(socket.AF_INET6 if is_ipv6 else socket.AF_INET)


def _after_fork_in_child() -> None:
    # Made anew: another thread of the parent may have held it.
    global _making
    _making = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
