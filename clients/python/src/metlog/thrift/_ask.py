"""A call that goes out: which carrier it has. What both libraries share."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional, Tuple

from .. import _spans
from . import _carriers, _proxies
from ._calls import Calling, Options, ids, recording
from ._serve import quietly

#: What is remembered of a socket that ends the connection when it is asked for Finagle's upgrade.
_NEVER = object()


class Caller:
    """What a traced client holds."""

    __slots__ = ("_peer", "is_finagle", "is_milo", "options", "service")

    def __init__(self, service: str, options: Options) -> None:
        self.service = options.service or service
        self.options = options
        self.is_finagle = options.carrier == "finagle"
        self.is_milo = options.carrier == "milo"
        self._peer: "Optional[Tuple[str, int]]" = None

    def nothing(self) -> bool:
        """True where there is neither a trace nor a carrier that says so."""
        return not self.is_finagle and _spans.current.get() is None

    def begin(self, method: str, is_oneway: bool, trans: Any) -> Optional[Calling]:
        """The span of a call, where there is one."""

        def made() -> Optional[Calling]:
            parent = recording()
            if parent is None:
                return None
            if self._peer is None:
                self._peer = _proxies.peer(trans)
            return Calling(parent, self.service, method, is_oneway, self._peer)

        found: Optional[Calling] = quietly(made)
        return found

    def set_headers(self, trans: Any) -> "Dict[bytes, bytes]":
        """Sets the info headers of the next message, and gives them."""
        if self.options.carrier not in ("auto", "header") or not hasattr(trans, "set_header"):
            return {}

        def made() -> "Dict[bytes, bytes]":
            context, _ = ids()
            headers = {} if context is None else _carriers.info_headers(context)
            for key, value in headers.items():
                trans.set_header(key, value)
            return headers

        return quietly(made) or {}


def forget_headers(trans: Any, headers: "Dict[bytes, bytes]") -> None:
    """Takes headers out again which a call that failed has left for the next one."""
    left = getattr(trans, "_write_headers", None)
    if isinstance(left, dict):
        for key in headers:
            left.pop(key, None)


def milo_ids() -> Optional[bytes]:
    """What a call of Milo's says now: nothing outside of a trace that is kept."""

    def made() -> Optional[bytes]:
        context, parent = ids()
        return _carriers.milo_ids(context, parent) if context and context.is_valid and context.is_sampled else None

    found: Optional[bytes] = quietly(made)
    return found


def request_header() -> bytes:
    """What comes before each request on a connection that was upgraded."""
    made = quietly(lambda: _carriers.request_header(*ids()))
    return made if isinstance(made, bytes) else _carriers.request_header(None, 0)


def upgraded(trans: Any, ask: Callable[[], bool], is_refusal: Callable[[BaseException], bool]) -> bool:
    """True where the connection of a transport has been upgraded, which is asked for once for each connection.

    A server may end the connection when it is asked. It is opened again then, and that socket not asked any more.
    """
    socket, now = _proxies.connection(trans)
    if socket is None or now is None:
        return False
    known = getattr(socket, "_metlog_finagle", None)
    if known is not None and (known[0] is now or known[0] is _NEVER):
        return bool(known[1])
    try:
        found = ask()
    except Exception as error:
        if not is_refusal(error):
            raise
        trans.close()
        trans.open()
        # Where there is nobody any more this is not reached: who comes back is asked anew.
        socket._metlog_finagle = (_NEVER, False)
        return False
    socket._metlog_finagle = (now, found)
    return found
