"""Spans of calls, on both sides: names, events as Milo names them, and how a call ended."""

from __future__ import annotations

import contextvars
import inspect
import sys
from typing import Any, FrozenSet, NamedTuple, Optional, Tuple

from .. import _spans
from .._spans import Span
from ..propagation import Context

CLIENT_SEND, CLIENT_RECEIVE = "CLIENT_SEND", "CLIENT_RECV"
SERVER_SEND, SERVER_RECEIVE = "SERVER_SEND", "SERVER_RECV"
#: What a method is called that the service does not have: a peer may send any name.
UNKNOWN = "(unknown)"
CARRIERS = ("auto", "header", "finagle", "milo", "none")
ACCEPTED = ("header", "finagle", "milo")

#: The call that is being served here.
serving: "contextvars.ContextVar[Optional[Serving]]" = contextvars.ContextVar("metlog_thrift", default=None)


class Options(NamedTuple):
    """See :func:`metlog.thrift.trace_client` and :func:`metlog.thrift.trace_processor`."""

    service: str = ""
    carrier: str = "auto"
    accept: FrozenSet[str] = frozenset(ACCEPTED)
    sender: Any = None
    short_ids: bool = False

    @property
    def client(self) -> Any:
        """The client for spans that lie in none."""
        if self.sender is not None:
            return self.sender
        import metlog

        return metlog.default


class ShortSpan(Span):
    """A span whose trace, if it begins here, has an id of 64 bits."""

    __slots__ = ()

    def start(self, parent: Optional[Context], is_remote: bool = False, start: Optional[int] = None) -> None:
        """See :class:`Span`."""
        super().start(parent, is_remote, start)
        if parent is None or not parent.is_valid:
            # Of an id of 0 the span would be refused.
            self.context = self.context._replace(trace_id=self.context.trace_id & (1 << 64) - 1 or 1)


class Calling:
    """A call that goes out: its span, in a trace that is kept."""

    __slots__ = ("is_oneway", "span")

    def __init__(self, parent: Span, service: str, method: str, is_oneway: bool, peer: Tuple[str, int]) -> None:
        self.is_oneway = is_oneway
        self.span = Span(parent._client, f"{service}.{method}" if service else method, "client").begin()
        self.span.set("rpc.system", "thrift").set("rpc.service", service).set("rpc.method", method)
        if peer[0]:
            self.span.set("server.address", peer[0]).set("server.port", peer[1])
        self.span.event(CLIENT_SEND)

    def end(self, error: Optional[BaseException]) -> None:
        """The call has returned, or raised."""
        if error is not None:
            self.span.set("thrift.exception", _kind(error)).exception(error)
        elif not self.is_oneway:
            self.span.event(CLIENT_RECEIVE)
        self.span.end()


def _kind(error: BaseException) -> str:
    """How a client learned of it: ``declared`` by the service, of the ``application``, of the ``transport``, or
    ``undeclared``."""
    names = [kind.__name__ for kind in type(error).__mro__]
    if "TApplicationException" in names:
        return "application"
    if "TTransportException" in names or isinstance(error, OSError):
        return "transport"
    # What is generated from a declaration says its fields.
    return "declared" if hasattr(type(error), "thrift_spec") else "undeclared"


def recording() -> Optional[Span]:
    """The span that a call belongs to, if it is kept."""
    found = _spans.current.get()
    return found if isinstance(found, Span) and found.is_recording else None


def ids() -> "Tuple[Optional[Context], int]":
    """The context that a call made now says, and the span above it, 0 for none."""
    held = _spans.current.get()
    if isinstance(held, Span):
        return held.context, held._parent_span_id
    return held, 0


class Serving:
    """A call that came in: its span, from the first byte of it to the last one of its reply."""

    __slots__ = ("_before", "_is_oneway", "_options", "_results", "_was", "method", "span")

    def __init__(self, options: Options) -> None:
        self._options = options
        self._before = _spans.current.get()
        self._was = serving.get()
        self._is_oneway = False
        self._results: Any = None
        self.method = ""
        self.span: Optional[Span] = None

    def begin(self, service: str, method: str, is_oneway: bool, context: Optional[Context], results: Any) -> None:
        """The head of the call was read. ``results`` gives the result class of a method, or ``None``."""
        options = self._options
        if context is not None and context.is_valid and context.is_decided and not context.is_sampled:
            _spans.current.set(context)  # nothing of it is sent, but the ids go on
            return
        if context is None and isinstance(self._before, Span) and self._before._duration is not None:
            context = Context(is_decided=False)  # of the span in which the server was started, which is over
        name = f"{service}.{method}" if service else method
        make = ShortSpan if options.short_ids else Span
        self.span = span = make(options.client, name, "server", None, context).begin()
        if span.is_recording:
            self.method, self._is_oneway, self._results = method, is_oneway, results
            serving.set(self)
            span.set("rpc.system", "thrift").set("rpc.service", service).set("rpc.method", method)
            span.event(SERVER_RECEIVE)

    def raised(self, error: BaseException) -> None:
        """The service has raised."""
        span = self.span
        if span is not None and span.is_recording:
            is_declared = _is_declared(error, self._results, self.method)
            span.set("thrift.exception", "declared" if is_declared else "undeclared").exception(error)

    def end(self, error: Optional[BaseException]) -> None:
        """The reply was sent, or nothing will be."""
        span = self.span
        if span is not None:
            if span.is_recording:
                if error is not None:
                    if span._status != _spans.STATUSES["error"]:
                        span.exception(error)
                elif not self._is_oneway:
                    span.event(SERVER_SEND)
            span.end()
        # Whatever the service left behind belongs to this call, and not to the next one of the thread.
        _spans.current.set(self._before)
        if self.method:
            serving.set(self._was)


def _is_declared(error: BaseException, results: Any, method: str) -> bool:
    found = getattr(results, method + "_result", None)
    specification = getattr(found, "thrift_spec", None) or ()
    entries = specification.values() if hasattr(specification, "values") else specification
    for entry in entries:
        for part in entry or ():
            kind = part[0] if isinstance(part, (list, tuple)) and part else part
            if isinstance(kind, type) and issubclass(kind, BaseException) and isinstance(error, kind):
                return True
    return False


class Handler:
    """The service, each of whose methods tells its call what it raises."""

    def __init__(self, inner: Any) -> None:
        self.__dict__["_metlog_inner"] = inner

    def __getattr__(self, name: str) -> Any:
        # Not as `self._metlog_inner`, which would ask here again in a copy that has none yet.
        found = getattr(object.__getattribute__(self, "_metlog_inner"), name)
        held = serving.get()
        if held is None or held.method != name:
            return found

        def told(*args: Any, **kwargs: Any) -> Any:
            try:
                result = found(*args, **kwargs)
            except Exception as error:
                held.raised(error)
                raise
            return _awaited(held, result) if inspect.iscoroutine(result) else result

        return told

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["_metlog_inner"], name, value)


async def _awaited(held: Serving, result: Any) -> Any:
    try:
        return await result
    except Exception as error:
        held.raised(error)
        raise


def module_of(kind: type) -> Any:
    """The module of a generated class, which names its service and holds its results."""
    return sys.modules.get(kind.__module__)
