"""statsd lines: names, numbers and members as etsy's statsd reads them. Pure."""

from __future__ import annotations

import math
import re
from typing import Any, Dict, Optional, Union

from ._values import as_text, decimal
from ._wire import DATAGRAM_BYTES_MIN, utf8

Number = Union[int, float]


class Alone(bytes):
    """Lines that leave in a datagram of their own where they are larger than the configured size."""


def alone(text: str) -> bytes:
    """Lines of a facade. Short ones fit every datagram."""
    encoded = text.encode() if text.isascii() else utf8(text)
    return Alone(encoded) if len(encoded) > DATAGRAM_BYTES_MIN else encoded


#: What would end a name, a value or a line. In a name ``::`` becomes a dot before.
_SPECIAL = re.compile(r"[:|@#\x00-\x1f\x7f]")
#: Names are few; what was cleaned once is kept, within bounds.
_NAMES_MAX = 4_096
_names: Dict[str, str] = {}


def clean_name(name: Any) -> str:
    """A name without anything that would end it."""
    known = _names.get(name) if type(name) is str else None
    if known is not None:
        return known
    text = as_text(name)
    cleaned = _SPECIAL.sub("_", text.replace("::", "."))
    if len(_names) >= _NAMES_MAX:
        _names.clear()
    _names[text] = cleaned
    return cleaned


def clean_member(member: Any) -> str:
    """A member of a set."""
    return _SPECIAL.sub("_", as_text(member))


def number(value: Any) -> Optional[str]:
    """A number as a line has it: the shortest digits that read back as the same number, without an exponent and
    without ``.0``; ``None`` if it is none: not finite, or not a number."""
    kind = type(value)
    if kind is int:
        return str(value)
    if kind is bool:
        return "1" if value else "0"
    try:
        converted = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return decimal(converted) if math.isfinite(converted) else None


def line(prefix: str, name: Any, value: str, kind: str, rate: float = 1.0) -> bytes:
    """``<prefix><name>:<value>|<kind>``, and ``|@<rate>`` below 1. The prefix is empty or ends in a dot."""
    text = f"{prefix}{clean_name(name)}:{value}|{kind}"
    if rate < 1.0:
        text += "|@" + decimal(float(rate))
    return utf8(text)


def gauge(prefix: str, name: Any, value: str) -> bytes:
    """A gauge's absolute value. A sign makes a value a delta for every statsd since etsy's, so a negative gauge is
    set to 0 first; both lines travel in one datagram, or neither does."""
    if value.startswith("-"):
        return line(prefix, name, "0", "g") + b"\n" + line(prefix, name, value, "g")
    return line(prefix, name, value, "g")


def gauge_delta(prefix: str, name: Any, value: str) -> bytes:
    """A change of a gauge: always with a sign."""
    return line(prefix, name, value if value.startswith("-") else "+" + value, "g")
