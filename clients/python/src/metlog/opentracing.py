"""OpenTracing's API (the package ``opentracing``) over metlog's spans, for services that are written against it.

>>> import opentracing, metlog.opentracing
>>> opentracing.set_global_tracer(metlog.opentracing.Tracer())

Needs ``pip install metlog[opentracing]``. The active span is the one that ``metlog.span`` knows too: messages that are
sent in it carry its ids, and both kinds of spans nest in each other.
"""

from __future__ import annotations

import struct
from contextvars import ContextVar
from typing import Any, Dict, Optional

import opentracing
from opentracing.propagation import Format

from . import _spans, default, propagation
from ._client import Client
from .propagation import Context

#: ``uber-trace-id`` comes first for those who leave Jaeger's client; what is written is read by anybody.
_INJECTED = ("w3c", "jaeger")
_BINARY = struct.Struct(">QQQB")
#: Tags that say what a span has a place for.
_KIND, _ERROR = "span.kind", "error"


class SpanContext(opentracing.SpanContext):  # type: ignore[misc]
    """What of a span crosses a process."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @property
    def baggage(self) -> Dict[str, str]:
        """What goes along with the trace."""
        return dict(self.context.baggage)


class Span(opentracing.Span):  # type: ignore[misc]
    """A span of OpenTracing's, around one of ours."""

    def __init__(self, tracer: "Tracer", span: _spans.Span) -> None:
        super().__init__(tracer, None)
        self.span = span

    @property
    def context(self) -> SpanContext:
        """What of it crosses a process."""
        return SpanContext(self.span.context)

    def set_operation_name(self, operation_name: str) -> "Span":
        """Names it anew."""
        self.span.name = operation_name
        return self

    def set_tag(self, key: str, value: Any) -> "Span":
        """Sets a tag; ``span.kind`` and ``error`` say the span's kind and status."""
        if key == _KIND and value in _spans.KINDS:
            self.span.kind = value
        elif key == _ERROR and value in (True, "true"):
            self.span.status("error")
        else:
            self.span.set(key, value)
        return self

    def log_kv(self, key_values: Dict[str, Any], timestamp: Optional[float] = None) -> "Span":
        """Notes that something happened; the key ``event`` names it."""
        fields = dict(key_values)
        self.span.event(str(fields.pop("event", "log")), fields, None if timestamp is None else timestamp)
        return self

    def set_baggage_item(self, key: str, value: str) -> "Span":
        """Puts something into what goes along with the trace, from here on."""
        context = self.span.context
        self.span.context = context._replace(baggage={**context.baggage, key: str(value)})
        return self

    def get_baggage_item(self, key: str) -> Optional[str]:
        """What goes along under this key."""
        return self.span.context.baggage.get(key)

    def finish(self, finish_time: Optional[float] = None) -> None:
        """Ends it, now or at a time, in seconds since 1970."""
        self.span.end(None if finish_time is None else int(finish_time * 1e9))


class ScopeManager(opentracing.ScopeManager):  # type: ignore[misc]
    """Knows the active span of each thread, task and greenlet."""

    def __init__(self) -> None:
        super().__init__()
        self._active: "ContextVar[Optional[Scope]]" = ContextVar("metlog_scope", default=None)

    @property
    def active(self) -> "Optional[Scope]":
        """The scope of the span that is active here."""
        return self._active.get()

    def activate(self, span: Any, finish_on_close: bool) -> "Scope":
        """Makes a span the active one, until its scope is closed."""
        return Scope(self, span, finish_on_close)


class Scope(opentracing.Scope):  # type: ignore[misc]
    """The time in which a span is the active one."""

    def __init__(self, manager: ScopeManager, span: Any, finish_on_close: bool) -> None:
        super().__init__(manager, span)
        self._finish_on_close = finish_on_close
        self._before = manager.active
        manager._active.set(self)
        ours = getattr(span, "span", None)
        self._ours = ours if isinstance(ours, _spans.Span) else None
        if self._ours is not None:
            self._ours.resume()

    def close(self) -> None:
        """Makes the span before it the active one again. A scope that is not the active one is not closed."""
        if self.manager.active is not self:
            return
        if self._ours is not None:
            self._ours.suspend()
        self.manager._active.set(self._before)
        if self._finish_on_close:
            self.span.finish()


class Tracer(opentracing.Tracer):  # type: ignore[misc]
    """Makes spans that metlog's client sends: the process's, unless another one is given."""

    def __init__(self, client: Optional[Client] = None) -> None:
        super().__init__(ScopeManager())
        self._client = default if client is None else client

    def start_active_span(
        self,
        operation_name: Optional[str],
        child_of: Any = None,
        references: Any = None,
        tags: Optional[Dict[str, Any]] = None,
        start_time: Optional[float] = None,
        ignore_active_span: bool = False,
        finish_on_close: bool = True,
    ) -> Scope:
        """A span that is the active one until its scope is closed."""
        span = self.start_span(operation_name, child_of, references, tags, start_time, ignore_active_span)
        return ScopeManager.activate(self.scope_manager, span, finish_on_close)

    def start_span(
        self,
        operation_name: Optional[str] = None,
        child_of: Any = None,
        references: Any = None,
        tags: Optional[Dict[str, Any]] = None,
        start_time: Optional[float] = None,
        ignore_active_span: bool = False,
    ) -> Span:
        """A span below ``child_of``, the first of the references, or the active one."""
        parent, links = _context(child_of), []
        for reference in references or ():
            context = _context(reference.referenced_context)
            if parent is None:
                parent = context
            elif context is not None:
                links.append((context, reference.type))
        if parent is None and not ignore_active_span:
            active = self.active_span
            parent = active.span.context if isinstance(active, Span) else _spans.current_context()
        # Without a parent: not the one that is current, but none.
        ours = _spans.Span(self._client, operation_name or "", "", None, Context(is_decided=False))
        ours.start(parent, start=None if start_time is None else int(start_time * 1e9))
        span = Span(self, ours)
        for context, kind in links:
            ours.link(context, {"opentracing.ref_type": kind})
        for key, value in (tags or {}).items():
            span.set_tag(key, value)
        return span

    def inject(self, span_context: SpanContext, format: str, carrier: Any) -> None:  # noqa: A002 - the API's word
        """Writes a context into a carrier."""
        context = span_context.context
        if format == Format.BINARY:
            low, high = context.trace_id & (1 << 64) - 1, context.trace_id >> 64
            carrier.extend(_BINARY.pack(high, low, context.span_id, context.flags & 0xFF))
        elif format in (Format.TEXT_MAP, Format.HTTP_HEADERS):
            propagation.inject(context, carrier, _INJECTED)
        else:
            raise opentracing.UnsupportedFormatException(format)

    def extract(self, format: str, carrier: Any) -> Optional[SpanContext]:  # noqa: A002 - the API's word
        """Reads a context from a carrier; ``None`` if there is none."""
        if format == Format.BINARY:
            if len(carrier) < _BINARY.size:
                return None
            high, low, span_id, flags = _BINARY.unpack_from(bytes(carrier))
            context: Optional[Context] = Context(high << 64 | low, span_id, flags)
        elif format in (Format.TEXT_MAP, Format.HTTP_HEADERS):
            context = propagation.extract(propagation.getter(carrier), baggage_names=list(carrier))
        else:
            raise opentracing.UnsupportedFormatException(format)
        return None if context is None else SpanContext(context)


def _context(what: Any) -> Optional[Context]:
    if isinstance(what, opentracing.Span):
        what = what.context
    return what.context if isinstance(what, SpanContext) else None
