"""What callers pass as payload and as fields, as the texts that are sent."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, Iterator, Mapping, Tuple

#: Deeper values are written as their ``repr``: a value that contains itself must end somewhere.
DEPTH_MAX = 16


def as_text(value: Any) -> str:
    """A value as text: texts as they are, ``true``, ``false`` and ``null`` as in JSON, bytes as UTF-8, all else as
    ``str`` writes it. Never raises: a value whose ``str`` fails is named by its type."""
    if type(value) is str:
        return value
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if type(value) is float:
        return decimal(value) if math.isfinite(value) else "NaN" if math.isnan(value) else str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - whatever a caller's __str__ raises is not the application's problem
        return "<" + type(value).__name__ + ">"


def decimal(value: float) -> str:
    """A finite number without an exponent."""
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2]
    return format(Decimal(text), "f") if "e" in text else text


def flat(fields: Mapping[Any, Any]) -> "Tuple[Tuple[str, str], ...]":
    """The fields of a message: nested mappings under dotted keys, items of lists as ``key[0]``."""
    out = []
    for key, value in fields.items():
        kind = type(value)
        if kind is str:
            out.append((key if type(key) is str else as_text(key), value))
        elif kind is int:
            out.append((key if type(key) is str else as_text(key), str(value)))
        elif kind is float or kind is bool or value is None:
            out.append((key if type(key) is str else as_text(key), as_text(value)))
        else:
            out.extend(_flat(as_text(key), value, 0))
    return tuple(out)


def _flat(key: str, value: Any, depth: int) -> Iterator[Tuple[str, str]]:
    if depth < DEPTH_MAX:
        if isinstance(value, Mapping):
            if not value:
                yield key, "{}"
            for inner, item in value.items():
                yield from _flat(key + "." + as_text(inner), item, depth + 1)
            return
        if isinstance(value, (list, tuple)):
            if not value:
                yield key, "[]"
            for at, item in enumerate(value):
                yield from _flat(f"{key}[{at}]", item, depth + 1)
            return
    yield key, as_text(value)
