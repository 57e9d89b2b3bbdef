"""How a call says the ids of its trace: bytes of Finagle's and Milo's carriers, and the info headers of THeader.

Pure. What is read was written by somebody else: it is bounded, and what is not well formed is refused as such.
"""

from __future__ import annotations

import struct
from typing import Any, Dict, Generator, Mapping, NamedTuple, Optional, Tuple

from .. import propagation
from ..propagation import SAMPLED, Context

#: The method that a client of Finagle's calls to ask whether requests may begin with a header.
UPGRADE = "__can__finagle__trace__v3__"
#: Methods by which clients ask what a server understands: Finagle's, and that of ``thriftpy2.contrib.tracking``.
HANDSHAKES = (UPGRADE, "__thriftpy_tracing_method_name__v2")
#: Milo's message type: a call that three ids follow.
CALLTRACE = 5
CALL, REPLY, EXCEPTION, ONEWAY = 1, 2, 3, 4
MILO_BYTES = 24
#: Headers of Finagle that are longer, or whose values are nested deeper, are refused.
HEADER_BYTES_MAX = 65_536
DEPTH_MAX = 8
#: Info headers that are looked at, and how long one may be.
HEADERS_MAX = 256
VALUE_BYTES_MAX = 8_192
EMPTY_STRUCT = b"\0"
_LOW = (1 << 64) - 1
_BOOL, _BYTE, _DOUBLE, _I16, _I32, _I64, _STRING, _STRUCT, _MAP, _SET, _LIST = 2, 3, 4, 6, 8, 10, 11, 12, 13, 14, 15
_SIZES = {_BOOL: 1, _BYTE: 1, _DOUBLE: 8, _I16: 2, _I32: 4, _I64: 8}
#: Finagle's flags: *debug*, and whether it is said that this is sampled.
_DEBUG, _SAMPLING_KNOWN, _SAMPLED = 1, 2, 4

Reading = Generator[int, bytes, Any]


class Malformed(Exception):
    """What was read is not what it says it is, or more than is read."""


def signed(number: int) -> int:
    """64 bits of an id, as Thrift has them: signed."""
    number &= _LOW
    return number - (1 << 64) if number >= 1 << 63 else number


# Milo.


def milo_ids(context: Context, parent_id: int) -> bytes:
    """What follows the sequence number of a call."""
    return struct.pack(">qqq", signed(context.trace_id), signed(context.span_id), signed(parent_id))


def from_milo(ids: bytes) -> Optional[Context]:
    """The context of a call; ids of 0 are none. Milo asks only for calls that are traced."""
    trace_id, span_id, _parent_id = struct.unpack(">QQQ", ids)
    context = Context(trace_id, span_id, SAMPLED)
    return context if context.is_valid else None


# THeader.


def info_headers(context: Context) -> Dict[bytes, bytes]:
    """The info headers of a call."""
    carrier: Dict[str, str] = {}
    propagation.inject(context, carrier)
    return {key.encode("latin-1", "replace"): value.encode("latin-1", "replace") for key, value in carrier.items()}


def from_info_headers(headers: Mapping[Any, Any]) -> Optional[Context]:
    """The context that info headers say."""
    if not headers or len(headers) > HEADERS_MAX:
        return None
    found = {}
    for key, value in headers.items():
        if len(key) <= VALUE_BYTES_MAX and len(value) <= VALUE_BYTES_MAX:
            found[_text(key)] = _text(value)
    return propagation.extract(propagation.getter(found), propagation.FORMATS, tuple(found))


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


# Finagle.


def request_header(context: Optional[Context], parent_id: int) -> bytes:
    """What comes before a request on a connection that was upgraded. Without a context: ids of 0, not sampled, for
    the header may not be left out."""
    if context is None or not context.is_valid:
        return _i64(1, 0) + _i64(2, 0) + _bool(5, False) + EMPTY_STRUCT
    parts = [_i64(1, context.trace_id), _i64(2, context.span_id)]
    if parent_id:
        parts.append(_i64(3, parent_id))
    if context.is_decided:
        parts.append(_bool(5, context.is_sampled))
    parts.append(_i64(7, _DEBUG if context.is_debug else 0))
    if context.trace_id >> 64:
        parts.append(_i64(11, context.trace_id >> 64))
    return b"".join(parts) + EMPTY_STRUCT


def from_request_header(fields: Mapping[int, Any]) -> Optional[Context]:
    """The context of a header that was read with :func:`read_struct`."""
    numbers = {number: value for number, value in fields.items() if isinstance(value, int)}
    flags = numbers.get(7, 0)
    sampled: Optional[bool] = bool(numbers[5]) if 5 in numbers else None
    if sampled is None and flags & _SAMPLING_KNOWN:
        sampled = bool(flags & _SAMPLED)
    is_debug = bool(flags & _DEBUG)
    context = Context(
        (numbers.get(11, 0) & _LOW) << 64 | (numbers.get(1, 0) & _LOW),
        numbers.get(2, 0) & _LOW,
        SAMPLED if sampled or is_debug else 0,
        is_decided=sampled is not None or is_debug,
        is_debug=is_debug,
    )
    return context if context.is_valid else None


def _i64(number: int, value: int) -> bytes:
    return struct.pack(">bhq", _I64, number, signed(value))


def _bool(number: int, value: bool) -> bytes:
    return struct.pack(">bhb", _BOOL, number, value)


def read_struct() -> Reading:
    """Reads a struct of the binary protocol: yields how many bytes it needs, is sent them, and returns the integers
    of its fields by their numbers; other fields are passed over.

    Raises:
        Malformed: where it is none, or beyond the bounds.
    """
    budget = _Budget(HEADER_BYTES_MAX)
    found: Dict[int, int] = {}
    while True:
        kind = (yield budget.take(1))[0]
        if kind == 0:
            return found
        number = struct.unpack(">h", (yield budget.take(2)))[0]
        if kind in (_BOOL, _BYTE, _I16, _I32, _I64):
            found[number] = int.from_bytes((yield budget.take(_SIZES[kind])), "big", signed=True)
        else:
            yield from _skip(kind, budget, 0)


class _Budget:
    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, size: int) -> int:
        if not 0 <= size <= self.left:
            raise Malformed(f"a header is longer than {HEADER_BYTES_MAX} bytes, or a length in it is negative")
        self.left -= size
        return size


def _skip(kind: int, budget: _Budget, depth: int) -> Reading:
    if depth > DEPTH_MAX:
        raise Malformed(f"values of a header are nested deeper than {DEPTH_MAX}")
    if kind in _SIZES:
        yield budget.take(_SIZES[kind])
    elif kind == _STRING:
        size = struct.unpack(">i", (yield budget.take(4)))[0]
        if size:
            yield budget.take(size)
    elif kind == _STRUCT:
        while True:
            inner = (yield budget.take(1))[0]
            if inner == 0:
                return
            yield budget.take(2)
            yield from _skip(inner, budget, depth + 1)
    elif kind in (_SET, _LIST, _MAP):
        kinds: Tuple[int, ...] = tuple((yield budget.take(2 if kind == _MAP else 1)))
        count = struct.unpack(">i", (yield budget.take(4)))[0]
        # Each item has at least a byte, so this many cannot be there; a count alone never makes work.
        if not 0 <= count <= budget.left:
            raise Malformed("a header counts more items than it has bytes")
        for _ in range(count):
            for inner in kinds:
                yield from _skip(inner, budget, depth + 1)
    else:
        raise Malformed(f"a header has a field of the unknown type {kind}")


class Message(NamedTuple):
    """What begins a message."""

    name: str
    kind: int
    sequence: int
