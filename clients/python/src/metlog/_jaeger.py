"""Spans for a Jaeger agent: ``emitBatch`` in Thrift's compact protocol, by UDP.

For services that are configured with an agent's address; metlog's own listener has such an address too.

A batch says its number and what was dropped before it, so a listener that counts knows what was lost.
"""

from __future__ import annotations

import json
import struct
from typing import Any, List, Optional, Tuple

from . import _values, _wire
from ._outlet import Outlet

#: What agents take at most, with room for headers.
DATAGRAM_BYTES_MAX = 65_000
_BOOL_TRUE, _BOOL_FALSE, _I32, _I64, _DOUBLE, _BINARY, _LIST, _STRUCT = 1, 2, 5, 6, 7, 8, 9, 12
_STRING, _VALUE_DOUBLE, _VALUE_BOOL, _LONG, _VALUE_BINARY = range(5)
_CHILD_OF, _FOLLOWS_FROM = 0, 1
_STOP = b"\0"


class Fields:
    """Writes the fields of one struct, in ascending order."""

    __slots__ = ("_last", "parts")

    def __init__(self) -> None:
        self.parts: List[bytes] = []
        self._last = 0

    def add(self, number: int, kind: int, content: bytes) -> None:
        """One field; its number is written as the distance from the one before."""
        self.parts.append(bytes((number - self._last << 4 | kind,)) + content)
        self._last = number

    def long(self, number: int, value: int, kind: int = _I64) -> None:
        """A signed number."""
        self.add(number, kind, _wire.signed_varint(value))

    def text(self, number: int, value: str) -> None:
        """A text."""
        self.add(number, _BINARY, _wire.text(value))

    def bytes(self) -> bytes:
        """The struct."""
        return b"".join(self.parts) + _STOP


def _list(structs: List[bytes]) -> bytes:
    size = len(structs)
    head = bytes((size << 4 | _STRUCT,)) if size < 15 else bytes((0xF0 | _STRUCT,)) + _wire.varint(size)
    return head + b"".join(structs)


def _signed(number: int) -> int:
    """64 bits, as Thrift has them: signed."""
    return number - (1 << 64) if number >= 1 << 63 else number


def tag(key: str, value: Any) -> bytes:
    """A tag; lists and mappings are written as JSON."""
    fields = Fields()
    fields.text(1, _values.as_text(key))
    kind = type(value)
    if kind is bool:
        fields.long(2, _VALUE_BOOL, _I32)
        fields.add(5, _BOOL_TRUE if value else _BOOL_FALSE, b"")
    elif kind is int and -(1 << 63) <= value < 1 << 63:
        fields.long(2, _LONG, _I32)
        fields.long(6, value)
    elif kind is float:
        fields.long(2, _VALUE_DOUBLE, _I32)
        fields.add(4, _DOUBLE, struct.pack("<d", value))
    elif isinstance(value, (bytes, bytearray)):
        fields.long(2, _VALUE_BINARY, _I32)
        fields.add(7, _BINARY, _wire.varint(len(value)) + bytes(value))
    else:
        fields.long(2, _STRING, _I32)
        fields.text(3, _json(value) if isinstance(value, (list, tuple, dict)) else _values.as_text(value))
    return fields.bytes()


def _json(value: Any) -> str:
    try:
        return json.dumps(value, default=_values.as_text, separators=(",", ":"))
    except (ValueError, TypeError, RecursionError):
        return _values.as_text(value)


def span(said: Any) -> bytes:
    """A span of :mod:`metlog._spans`, as Jaeger's struct."""
    context = said.context
    tags = [tag(key, value) for key, value in said._attributes]
    if said.kind:
        tags.append(tag("span.kind", said.kind))
    if said._status == 2:
        tags.append(tag("error", True))
        if said._message:
            tags.append(tag("otel.status_description", said._message))
    if said._probability is not None:
        tags += [tag("sampler.type", "probabilistic"), tag("sampler.param", float(said._probability))]
    began = said._started // 1_000
    fields = Fields()
    fields.long(1, _signed(context.trace_id & (1 << 64) - 1))
    fields.long(2, _signed(context.trace_id >> 64))
    fields.long(3, _signed(context.span_id))
    fields.long(4, _signed(said._parent_span_id))
    fields.text(5, _values.as_text(said.name))
    references = [_reference(linked) for linked, _ in said._links]
    if references:
        fields.add(6, _LIST, _list(references))
    fields.long(7, context.flags & 1, _I32)
    fields.long(8, began)
    fields.long(9, (said._duration or 0) // 1_000)
    fields.add(10, _LIST, _list(tags))
    logs = [_log(began + at // 1_000, name, pairs) for at, name, pairs in said._events]
    if logs:
        fields.add(11, _LIST, _list(logs))
    return fields.bytes()


def _reference(context: Any) -> bytes:
    fields = Fields()
    fields.long(1, _FOLLOWS_FROM, _I32)
    fields.long(2, _signed(context.trace_id & (1 << 64) - 1))
    fields.long(3, _signed(context.trace_id >> 64))
    fields.long(4, _signed(context.span_id))
    return fields.bytes()


def _log(timestamp: int, name: str, pairs: "Tuple[Tuple[str, Any], ...]") -> bytes:
    fields = Fields()
    fields.long(1, timestamp)
    fields.add(2, _LIST, _list([tag("event", name)] + [tag(key, value) for key, value in pairs]))
    return fields.bytes()


class Agent:
    """One agent, and the batch that is being filled for it."""

    __slots__ = ("_bytes", "_process", "_sequence", "_spans", "outlet", "too_large")

    def __init__(self, outlet: Outlet, service: str, hostname: str, pid: int) -> None:
        self.outlet = outlet
        fields = Fields()
        fields.text(1, service or "unknown")
        fields.add(2, _LIST, _list([tag("hostname", hostname), tag("pid", pid), tag("metlog.client", "python")]))
        self._process = fields.bytes()
        self._spans: List[bytes] = []
        self._bytes = self._sequence = self.too_large = 0

    def add(self, said: Any, full_queue: int) -> bool:
        """Adds a span. False: it is too large."""
        encoded = span(said)
        if len(encoded) + len(self._process) + 100 > DATAGRAM_BYTES_MAX:
            self.too_large += 1
            return False
        if self._bytes + len(encoded) + len(self._process) + 100 > DATAGRAM_BYTES_MAX:
            self.send(full_queue)
        self._spans.append(encoded)
        self._bytes += len(encoded)
        return True

    def send(self, full_queue: int) -> Optional[bool]:
        """Sends the batch. ``None``: there was none; false: it was refused."""
        if not self._spans:
            return None
        self._sequence += 1
        stats = Fields()
        stats.long(1, full_queue)
        stats.long(2, self.too_large)
        stats.long(3, 0)
        batch = Fields()
        batch.add(1, _STRUCT, self._process)
        batch.add(2, _LIST, _list(self._spans))
        batch.long(3, self._sequence)
        batch.add(4, _STRUCT, stats.bytes())
        self._spans = []
        self._bytes = 0
        arguments = Fields()
        arguments.add(1, _STRUCT, batch.bytes())
        # Protocol, version 1 and type "one way", sequence 0, name.
        return self.outlet.send(b"\x82\x81\x00" + _wire.text("emitBatch") + arguments.bytes())
