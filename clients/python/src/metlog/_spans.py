"""Spans: what an application notes of one piece of work, and how that is written in wire v1.

A span belongs to the thread, task or greenlet that began it (``contextvars``). The root of a trace decides whether the
trace is kept; spans of others go on with what they were told.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
import struct
from time import perf_counter_ns, time_ns
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, TypeVar, Union

from . import _process, _values, _wire
from .propagation import SAMPLED, Context

#: Beyond these, attributes, events and links are left out, and counted in the span.
ATTRIBUTES_MAX = 128
EVENTS_MAX = 128
LINKS_MAX = 128
KINDS = {"": 0, "internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
STATUSES = {"": 0, "unset": 0, "ok": 1, "error": 2}
_SPAN = 0b0100_0000
_SERVICE = 0b0000_1000
_PROBABILITY_KNOWN = 0b100
_HAS_REMOTE, _IS_REMOTE = 1 << 8, 1 << 9
_bits = _process.Ids().bits
_NONE_LEFT_OUT = b"\0"
#: No events, no links, and nothing that was left out.
_NOTHING_ELSE = b"\0\0\0\0\0"
_U64 = (1 << 64) - 1
_IDS = struct.Struct(">QQQQ").pack
_DOUBLE = struct.Struct("<d").pack
_SMALL = [bytes((number,)) for number in range(8)]
_FIRST = [bytes((_SPAN | kind,)) for kind in range(8)]
_NOWHERE = Context()
_new = tuple.__new__
_Function = TypeVar("_Function", bound=Callable[..., Any])

current: "contextvars.ContextVar[Optional[Union[Span, Context]]]" = contextvars.ContextVar("metlog_span", default=None)


class Span:
    """A piece of work. Made by ``metlog.span``; a context manager, and a decorator of functions and coroutines."""

    __slots__ = (
        "name", "kind", "context", "_client", "_attributes", "_began", "_duration", "_events", "_left_out", "_links",
        "_message", "_options", "_parent", "_parent_span_id", "_probability", "_remote", "_started", "_status",
    )  # fmt: skip

    def __init__(
        self,
        client: Any,
        name: str,
        kind: str = "internal",
        attributes: Optional[Mapping[str, Any]] = None,
        parent: Optional[Context] = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.context = _NOWHERE
        self._client = client
        self._options = (attributes, parent)
        self._parent: "Union[None, Span, Context]" = None
        self._began: Optional[int] = None
        self._duration: Optional[int] = None

    @property
    def is_recording(self) -> bool:
        """False where the trace is not kept, or the span is over: nothing that is set is sent."""
        return self._began is not None and self._duration is None and bool(self.context[2] & SAMPLED)

    def begin(self) -> "Span":
        """Begins the span and makes it the current one; :meth:`end` ends it."""
        attributes, parent = self._options
        held = current.get()
        is_remote = True
        if parent is None:
            parent = held.context if isinstance(held, Span) else held
            is_remote = isinstance(held, Context)
        self.start(parent, is_remote)
        self._parent = held
        current.set(self)
        if attributes:
            self.set(attributes)
        return self

    def start(self, parent: Optional[Context], is_remote: bool = False, start: Optional[int] = None) -> None:
        """Begins the span below a parent or none, not as the current one. ``start``: ns since 1970."""
        self._parent = None
        self._remote = is_remote
        self.context, self._probability = _next(parent, self._client.sampler, self.name)
        self._parent_span_id = parent.span_id if parent is not None and parent.is_valid else 0
        self._attributes: List[Tuple[str, Any]] = []
        self._events: List[Tuple[int, str, Tuple[Tuple[str, Any], ...]]] = []
        self._links: List[Tuple[Context, Tuple[Tuple[str, Any], ...]]] = []
        self._left_out: Optional[List[int]] = None
        self._status, self._message = 0, ""
        self._started = time_ns()
        self._began = perf_counter_ns()
        if start is not None:
            self._began -= self._started - start
            self._started = start

    def set(self, key: "Union[str, Mapping[str, Any]]", value: Any = None) -> "Span":
        """Sets an attribute, or several. Numbers, truth values, bytes, lists and mappings keep their types."""
        if self.is_recording:
            for one, given in key.items() if isinstance(key, Mapping) else ((key, value),):
                if len(self._attributes) >= ATTRIBUTES_MAX:
                    self._leave_out(0)
                else:
                    self._attributes.append((_values.as_text(one), given))
        return self

    def event(
        self, name: str, attributes: Optional[Mapping[str, Any]] = None, timestamp: Optional[float] = None
    ) -> "Span":
        """Notes that something happened, now or at a time, in seconds since 1970."""
        if self.is_recording:
            if len(self._events) >= EVENTS_MAX:
                self._leave_out(1)
            else:
                pairs = tuple(attributes.items()) if attributes else ()
                after = perf_counter_ns() - (self._began or 0)
                if timestamp is not None:
                    after = int(timestamp * 1e9) - self._started
                self._events.append((after, _values.as_text(name), pairs))
        return self

    def link(self, context: Context, attributes: Optional[Mapping[str, Any]] = None) -> "Span":
        """Refers to a span of another trace."""
        if self.is_recording and context.is_valid:
            if len(self._links) >= LINKS_MAX:
                self._leave_out(2)
            else:
                self._links.append((context, tuple(attributes.items()) if attributes else ()))
        return self

    def _leave_out(self, which: int) -> None:
        if self._left_out is None:
            self._left_out = [0, 0, 0]
        self._left_out[which] += 1

    def status(self, status: str, message: str = "") -> "Span":
        """``ok`` or ``error``; the message says why."""
        if self.is_recording:
            self._status, self._message = STATUSES.get(status, 0), message
        return self

    def exception(self, error: BaseException) -> "Span":
        """Notes an exception as OpenTelemetry does, and that the span failed."""
        kind = type(error)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        # SQLAlchemy's hold a statement and its parameters, and print them.
        text = kind.__name__ if hasattr(error, "statement") and hasattr(error, "params") else _values.as_text(error)
        self.event("exception", {"exception.type": name, "exception.message": text})
        return self.status("error", text)

    def suspend(self) -> None:
        """The span goes on, but is not the current one any more: for work that is done in pieces."""
        if current.get() is self:
            current.set(self._parent)

    def resume(self) -> None:
        """After :meth:`suspend`: it is the current one again."""
        if self._began is not None and self._duration is None:
            self._parent = current.get()
            current.set(self)

    def end(self, at: Optional[int] = None) -> None:
        """Ends the span, now or at a time in ns since 1970, and sends it."""
        if self._began is None or self._duration is not None:
            return
        duration = perf_counter_ns() - self._began if at is None else at - self._started
        was_recording = self.is_recording
        self._duration = duration
        if current.get() is self:
            current.set(self._parent)
        if was_recording:
            self._client.send_span(self)

    def __enter__(self) -> "Span":
        return self.begin()

    def __exit__(self, kind: Any, error: Optional[BaseException], _trace: Any) -> None:
        if error is not None:
            self.exception(error)
        self.end()

    def __call__(self, function: _Function) -> _Function:
        def again() -> Span:
            return Span(self._client, self.name, self.kind, *self._options)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def spanned_coroutine(*args: Any, **kwargs: Any) -> Any:
                with again():
                    return await function(*args, **kwargs)

            return spanned_coroutine  # type: ignore[return-value]

        @functools.wraps(function)
        def spanned(*args: Any, **kwargs: Any) -> Any:
            with again():
                return function(*args, **kwargs)

        return spanned  # type: ignore[return-value]

    def frame(self, opened_at: int) -> Optional[bytes]:
        """As a frame of wire v1, of a datagram that was opened then, in µs. ``None``: longer than a frame is."""
        context = self.context
        flags = context.flags & 0xFF
        if self._parent_span_id:
            flags |= _HAS_REMOTE | (_IS_REMOTE if self._remote else 0)
        probability = b"" if self._probability is None else _DOUBLE(self._probability)
        trace_id = context.trace_id
        parts = [
            _FIRST[KINDS.get(self.kind, 0)],
            _IDS(trace_id >> 64, trace_id & _U64, context.span_id, self._parent_span_id),
            _wire.signed_varint(_wire.clamp(self._started - opened_at * 1_000)),
            _wire.signed_varint(_wire.clamp(self._duration or 0)),
            _wire.varint(flags),
            _SMALL[self._status | (_PROBABILITY_KNOWN if probability else 0)],
            _wire.text(_values.as_text(self._message)) if self._message else b"\0",
            _wire.key(_values.as_text(self.name)),
            _wire.text(context.trace_state) if context.trace_state else b"\0",
            probability,
        ]
        _add_attributes(parts, self._attributes)
        if self._events or self._links or self._left_out:
            parts.append(_wire.varint(len(self._events)))
            for at, name, pairs in self._events:
                parts += (_wire.signed_varint(at), _wire.text(name), attributes(pairs), _NONE_LEFT_OUT)
            parts.append(_wire.varint(len(self._links)))
            parts += [_link(linked, pairs) for linked, pairs in self._links]
            parts += [_wire.varint(count) for count in self._left_out or (0, 0, 0)]
        else:
            parts.append(_NOTHING_ELSE)
        body = b"".join(parts)
        return len(body).to_bytes(2, "little") + body if len(body) <= _wire.FRAME_BYTES_MAX else None


def _link(context: Context, pairs: "Tuple[Tuple[str, Any], ...]") -> bytes:
    ids = context.trace_id.to_bytes(16, "big") + context.span_id.to_bytes(8, "big")
    return ids + _wire.text(context.trace_state) + _wire.varint(context.flags) + attributes(pairs) + _NONE_LEFT_OUT


def _next(parent: Optional[Context], sampler: Any, name: str) -> "Tuple[Context, Optional[float]]":
    """Ids of a span below this parent, and the probability that the root of its trace was decided by."""
    if parent is not None and parent.is_valid:
        span_id = _bits(64)
        if parent.is_decided:
            return parent._replace(span_id=span_id), None
        flags, probability = sampler.decide(name)
        return parent._replace(span_id=span_id, flags=flags, is_decided=True), probability
    probability = None
    if parent is not None and parent.is_decided:
        flags = parent.flags
    else:
        flags, probability = sampler.decide(name)
    baggage: Mapping[str, str] = {} if parent is None else parent.baggage
    # As `Context(…)` does, in half the time.
    return _new(Context, (_bits(128), _bits(64), flags, "", baggage, True, False)), probability


# Attributes.


def attributes(pairs: Any) -> bytes:
    """A count, and key, type and value of each."""
    parts: "List[bytes]" = []
    _add_attributes(parts, pairs)
    return b"".join(parts)


def _add_attributes(parts: "List[bytes]", pairs: Any) -> None:
    parts.append(_wire.varint(len(pairs)))
    for key, value in pairs:
        parts.append(_wire.key(key if type(key) is str else _values.as_text(key)))
        if type(value) is str:
            encoded = value.encode() if value.isascii() else _wire.utf8(value)
            parts += (b"\0", _wire.varint(len(encoded)), encoded)
        else:
            parts.append(_value(value))


def _value(value: Any) -> bytes:
    kind = type(value)
    if kind is str:
        return b"\0" + _wire.text(value)
    if kind is bool:
        return b"\4" if value else b"\3"
    if kind is int and -(1 << 63) <= value < 1 << 63:
        return b"\1" + _wire.signed_varint(value)
    if kind is float:
        return b"\2" + struct.pack("<d", value)
    if isinstance(value, (bytes, bytearray)):
        return b"\5" + _wire.varint(len(value)) + bytes(value)
    if isinstance(value, (list, tuple, Mapping)):
        nested = _any_value(value, 0)
        return b"\6" + _wire.varint(len(nested)) + nested
    return b"\0" + _wire.text(_values.as_text(value))


def _field(number: int, content: bytes) -> bytes:
    """A field of protobuf that has a length."""
    return _wire.varint(number << 3 | 2) + _wire.varint(len(content)) + content


def _any_value(value: Any, depth: int) -> bytes:
    """OTLP's ``AnyValue`` in protobuf."""
    kind = type(value)
    if kind is bool:
        return b"\x10" + (b"\1" if value else b"\0")
    if kind is int and -(1 << 63) <= value < 1 << 63:
        return b"\x18" + _wire.varint(value & (1 << 64) - 1)
    if kind is float:
        return b"\x21" + struct.pack("<d", value)
    if isinstance(value, (bytes, bytearray)):
        return _field(7, bytes(value))
    if depth < _values.DEPTH_MAX:
        if isinstance(value, Mapping):
            items = (
                _field(1, _field(1, _wire.utf8(_values.as_text(key))) + _field(2, _any_value(item, depth + 1)))
                for key, item in value.items()
            )
            return _field(6, b"".join(items))
        if isinstance(value, (list, tuple)):
            return _field(5, b"".join(_field(1, _any_value(item, depth + 1)) for item in value))
    return b"" if value is None else _field(1, _wire.utf8(_values.as_text(value)))


def current_context() -> Optional[Context]:
    """The context of the span that is current here, to be injected into a request."""
    held = current.get()
    return held.context if isinstance(held, Span) else held


def current_ids() -> Optional[Dict[str, str]]:
    """The ids that a message carries which is sent inside a span."""
    context = current_context()
    if context is None or not context.is_valid:
        return None
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
