"""Trace context in headers, in and out: W3C (``traceparent``, ``tracestate``, ``baggage``), Jaeger (``uber-trace-id``,
``uberctx-…``) and B3 (one header or several).

Pure. Headers are somebody else's input: whatever they say, nothing here raises, and what is read is bounded.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Any, Callable, Dict, Iterable, List, Mapping, MutableMapping, NamedTuple, Optional, Sequence, Tuple

SAMPLED = 1
_STATE_MEMBERS_MAX = 32
_STATE_BYTES_MAX = 8_192
_BAGGAGE_MEMBERS_MAX = 64
#: Longer headers that have a fixed form are not read.
_HEADER_BYTES_MAX = 512
_BAGGAGE_BYTES_MAX = 8_192
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_HEX = re.compile(r"[0-9a-fA-F]+")
_STATE_KEY = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}")
_STATE_VALUE = re.compile(r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

#: All formats, in the order in which they are looked for.
FORMATS = ("w3c", "jaeger", "b3", "b3multi")


class Context(NamedTuple):
    """What of a trace crosses a process: ids as numbers, 0 for none."""

    trace_id: int = 0
    span_id: int = 0
    #: W3C's: bit 0 is *sampled*.
    flags: int = 0
    trace_state: str = ""
    baggage: Mapping[str, str] = {}
    #: False: no format said whether it is sampled, so the receiver decides.
    is_decided: bool = True
    #: True: kept whatever samplers say, as Jaeger's and B3's debug flag.
    is_debug: bool = False

    @property
    def is_valid(self) -> bool:
        """True where there is a trace to go on with."""
        return self.trace_id != 0 and self.span_id != 0

    @property
    def is_sampled(self) -> bool:
        """True where the trace is kept."""
        return bool(self.flags & SAMPLED)


Get = Callable[[str], Sequence[str]]
#: Headers that are read, and what they are called in a WSGI environment.
_WSGI_NAMES = {
    name: "HTTP_" + name.upper().replace("-", "_")
    for name in (
        "traceparent", "tracestate", "baggage", "uber-trace-id", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled",
        "x-b3-flags", "x-trace-info", "x-trace-hmac",
    )
}  # fmt: skip
_WSGI_KEYS = frozenset(_WSGI_NAMES.values())
_ASGI_NAMES = frozenset(name.encode() for name in _WSGI_NAMES)


def getter(carrier: Any) -> Get:
    """Reads headers of any carrier: a mapping of names in any case, or pairs of text or bytes."""
    found: Dict[str, List[str]] = {}
    pairs: Iterable[Tuple[Any, Any]] = carrier.items() if hasattr(carrier, "items") else carrier
    for key, value in pairs:
        for one in value if isinstance(value, (list, tuple)) else (value,):
            found.setdefault(_text(key).lower(), []).append(_text(one))
    return lambda name: found.get(name, ())


def in_wsgi(environ: Mapping[str, Any]) -> bool:
    """True where any header of a WSGI environment may be part of a context: what most requests lack is not read."""
    try:
        # Joined, since a search in one text is faster than one in each of thirty.
        return not environ.keys().isdisjoint(_WSGI_KEYS) or "HTTP_UBERCTX_" in "\n".join(environ)
    except TypeError:
        return True  # an application has put something else than a text in


def in_asgi(headers: Iterable[Tuple[bytes, bytes]]) -> bool:
    """True where any header of an ASGI request may be part of a context."""
    for name, _ in headers:
        lower = name.lower()
        if lower in _ASGI_NAMES or lower.startswith(b"uberctx-"):
            return True
    return False


def wsgi_getter(environ: Mapping[str, Any]) -> Get:
    """Reads headers of a WSGI environment, in which several of one name are joined by commas."""

    def get(name: str) -> Sequence[str]:
        value = environ.get(_WSGI_NAMES.get(name) or "HTTP_" + name.upper().replace("-", "_"))
        return () if value is None else (str(value),)

    return get


def extract(get: Get, formats: Sequence[str] = FORMATS, baggage_names: Iterable[str] = ()) -> Optional[Context]:
    """The context of a request, by the first of the formats that says one; baggage by whichever carries it."""
    baggage = _read_baggage(get("baggage"))
    for name in baggage_names:
        lower = name.lower()
        if lower.startswith("uberctx-"):
            values = get(lower)
            if values and len(baggage) < _BAGGAGE_MEMBERS_MAX:
                baggage.setdefault(lower[8:], urllib.parse.unquote(values[0]))
    for name in formats:
        context = _READERS[name](get)
        if context is not None:
            return context._replace(baggage=baggage)
    return Context(baggage=baggage, is_decided=False) if baggage else None


def inject(context: Context, carrier: MutableMapping[str, str], formats: Sequence[str] = ("w3c",)) -> None:
    """Writes the headers of a request that goes on with this context."""
    if context.is_valid:
        for name in formats:
            _WRITERS[name](context, carrier)
    if context.baggage and "w3c" in formats:
        carrier["baggage"] = _write_baggage(context.baggage)
    if context.baggage and "jaeger" in formats:
        for key, value in context.baggage.items():
            if _TOKEN.fullmatch(key):
                carrier["uberctx-" + key] = urllib.parse.quote(value, safe="")


# W3C trace context.


def _read_w3c(get: Get) -> Optional[Context]:
    values = get("traceparent")
    if len(values) != 1 or len(values[0]) > _HEADER_BYTES_MAX:
        return None
    match = _PARENT.fullmatch(values[0].strip(" \t"))
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more is not None):
        return None
    context = Context(int(trace_id, 16), int(span_id, 16), int(flags, 16) & (3 if version == "00" else 1))
    return context._replace(trace_state=_read_state(get("tracestate"))) if context.is_valid else None


def _read_state(values: Sequence[str]) -> str:
    """The members of all headers together, of each key the first; none of them where one is not well formed."""
    members: Dict[str, str] = {}
    for member in ",".join(values).split(","):
        member = member.strip(" \t")
        if not member:
            continue
        key, equals, value = member.partition("=")
        if not equals or not _STATE_KEY.fullmatch(key) or not _STATE_VALUE.fullmatch(value):
            return ""
        members.setdefault(key, member)
    text = ",".join(members.values())
    return text if len(members) <= _STATE_MEMBERS_MAX and len(text) <= _STATE_BYTES_MAX else ""


def _write_w3c(context: Context, carrier: MutableMapping[str, str]) -> None:
    carrier["traceparent"] = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.flags & 0xFF:02x}"
    if context.trace_state:
        carrier["tracestate"] = context.trace_state


# Baggage.


class _Baggage(Dict[str, str]):
    """Members with their properties, ``;p;q=2``, as pairs. Whoever makes another mapping of it sends none."""

    __slots__ = ("properties",)
    properties: "Dict[str, List[Tuple[str, Optional[str]]]]"


def _read_properties(texts: str) -> "List[Tuple[str, Optional[str]]]":
    found: List[Tuple[str, Optional[str]]] = []
    for text in texts.split(";"):
        key, equals, value = text.partition("=")
        key = key.strip(" \t")
        if _TOKEN.fullmatch(key):
            found.append((key, urllib.parse.unquote(value.strip(" \t")) if equals else None))
    return found


def _read_baggage(values: Sequence[str]) -> Dict[str, str]:
    found: Dict[str, str] = {}
    properties: Dict[str, List[Tuple[str, Optional[str]]]] = {}
    size = 0
    for member in ",".join(values).split(","):
        key, equals, rest = member.partition("=")
        key = key.strip(" \t")
        if not equals or not _TOKEN.fullmatch(key):
            continue
        value, semicolon, more = rest.partition(";")
        value = value.strip(" \t")
        size += len(key) + len(value) + 2 + (len(more) + 1 if semicolon else 0)
        if len(found) >= _BAGGAGE_MEMBERS_MAX or size > _BAGGAGE_BYTES_MAX + 1:
            break
        if key not in found:
            found[key] = urllib.parse.unquote(value)
            if semicolon:
                properties[key] = _read_properties(more)
    if properties:
        found = _Baggage(found)
        found.properties = properties
    return found


def _write_baggage(baggage: Mapping[str, str]) -> str:
    properties = baggage.properties if isinstance(baggage, _Baggage) else {}
    members: List[str] = []
    size = 0
    for key, value in baggage.items():
        if not _TOKEN.fullmatch(key):
            continue
        member = key + "=" + urllib.parse.quote(value, safe="")
        for name, one in properties.get(key, ()):
            member += ";" + name if one is None else ";" + name + "=" + urllib.parse.quote(one, safe="")
        size += len(member) + 1
        if size > _BAGGAGE_BYTES_MAX + 1:
            break
        members.append(member)
    return ",".join(members)


# Jaeger.


def _read_jaeger(get: Get) -> Optional[Context]:
    values = get("uber-trace-id")
    if len(values) != 1:
        return None
    text = values[0].strip()
    if len(text) > _HEADER_BYTES_MAX:
        return None
    parts = (urllib.parse.unquote(text) if "%" in text else text).split(":")
    if len(parts) != 4 or not all(_HEX.fullmatch(part) for part in (parts[0], parts[1], parts[3])):
        return None
    if len(parts[0]) > 32 or len(parts[1]) > 16 or len(parts[3]) > 8:
        return None
    flags = int(parts[3], 16)
    context = Context(int(parts[0], 16), int(parts[1], 16), SAMPLED if flags & 3 else 0, is_debug=bool(flags & 2))
    return context if context.is_valid else None


def _write_jaeger(context: Context, carrier: MutableMapping[str, str]) -> None:
    carrier["uber-trace-id"] = (
        f"{context.trace_id:032x}:{context.span_id:016x}:0:{3 if context.is_debug else context.flags & SAMPLED}"
    )


# B3.


def _read_b3(get: Get) -> Optional[Context]:
    values = get("b3")
    if len(values) != 1:
        return None
    parts = values[0].strip().split("-")
    if len(parts) == 1:
        decided = _b3_sampled(parts[0])
        return None if decided is None else Context(flags=decided, is_debug=parts[0] == "d")
    return _of_b3(parts[0], parts[1], parts[2] if len(parts) > 2 else None) if len(parts) <= 4 else None


def _read_b3multi(get: Get) -> Optional[Context]:
    def one(name: str) -> Optional[str]:
        values = get(name)
        return values[0].strip() if len(values) == 1 else None

    sampled = "d" if one("x-b3-flags") == "1" else one("x-b3-sampled")
    trace_id, span_id = one("x-b3-traceid"), one("x-b3-spanid")
    if trace_id is None or span_id is None:
        decided = None if sampled is None else _b3_sampled(sampled)
        return None if decided is None else Context(flags=decided, is_debug=sampled == "d")
    return _of_b3(trace_id, span_id, sampled)


def _of_b3(trace_id: str, span_id: str, sampled: Optional[str]) -> Optional[Context]:
    if len(trace_id) not in (16, 32) or len(span_id) != 16:
        return None
    if not _HEX.fullmatch(trace_id) or not _HEX.fullmatch(span_id):
        return None
    decided = None if sampled is None else _b3_sampled(sampled)
    if sampled is not None and decided is None:
        return None
    context = Context(
        int(trace_id, 16), int(span_id, 16), decided or 0, is_decided=decided is not None, is_debug=sampled == "d"
    )
    return context if context.is_valid else None


def _b3_sampled(word: str) -> Optional[int]:
    return {"1": SAMPLED, "d": SAMPLED, "true": SAMPLED, "0": 0, "false": 0}.get(word.lower())


def _write_b3(context: Context, carrier: MutableMapping[str, str]) -> None:
    carrier["b3"] = (
        f"{context.trace_id:032x}-{context.span_id:016x}-{'d' if context.is_debug else context.flags & SAMPLED}"
    )


def _write_b3multi(context: Context, carrier: MutableMapping[str, str]) -> None:
    carrier["X-B3-TraceId"] = f"{context.trace_id:032x}"
    carrier["X-B3-SpanId"] = f"{context.span_id:016x}"
    if context.is_debug:
        carrier["X-B3-Flags"] = "1"
    else:
        carrier["X-B3-Sampled"] = str(context.flags & SAMPLED)


_READERS: Dict[str, Callable[[Get], Optional[Context]]] = {
    "w3c": _read_w3c,
    "jaeger": _read_jaeger,
    "b3": _read_b3,
    "b3multi": _read_b3multi,
}
_WRITERS: Dict[str, Callable[[Context, MutableMapping[str, str]], None]] = {
    "w3c": _write_w3c,
    "jaeger": _write_jaeger,
    "b3": _write_b3,
    "b3multi": _write_b3multi,
}


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
