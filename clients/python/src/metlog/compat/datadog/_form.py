"""Lines of DogStatsD: what a client says in each of them, and how values, events and checks are written. Pure."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from ... import _lines, _wire
from ..._values import as_text

CARDINALITIES = (None, "none", "low", "orchestrator", "high")
#: Lines and lists of tags that are kept, so that the frequent ones are written once.
_KEPT_MAX = 4_096
_NOT_IN_TAGS = re.compile(r"[^\w\d_\-:/\.]")

#: Kind, value, tags, rate, timestamp, cardinality.
Said = Tuple[str, Any, Optional[Tuple[str, ...]], Any, Any, Optional[str]]


class Form:
    """What one configuration of a client says in each line. Never changed: a new configuration is a new form."""

    __slots__ = ("_known", "_tags", "container", "external", "namespace", "tags")

    def __init__(
        self, namespace: Optional[str], tags: Iterable[Any], container: Optional[str], external: Optional[str]
    ) -> None:
        self.namespace = f"{namespace}." if namespace else ""
        self.tags = join_tags(tags)
        self.container, self.external = container, external
        self._known: "Dict[Tuple[Any, Any], bytes]" = {}
        self._tags: "Dict[Tuple[str, ...], str]" = {}

    def write(self, _prefix: str, name: Any, said: Said) -> bytes:
        """A line, in the sending thread.

        Raises:
            ValueError: for a value that is no number.
        """
        if said[0] == "c" and said[1] == 1 and not said[4] and type(said[1]) is int:
            try:
                known = self._known.get((name, said))
            except TypeError:
                return self._written(name, said)
            if known is None:
                known = self._written(name, said)
                _keep(self._known, (name, said), known)
            return known
        return self._written(name, said)

    def _written(self, name: Any, said: Said) -> bytes:
        kind, value, tags, rate, timestamp, cardinality = said
        value = _lines.clean_member(value) if kind == "s" else _number(value)
        text = f"{_lines.clean_name(self.namespace + as_text(name))}:{value}|{kind}"
        if rate != 1:
            text += f"|@{rate}"
        text += self._all_tags(tags)
        if self.container:
            text += f"|c:{self.container}"
        if self.external:
            text += f"|e:{self.external}"
        if cardinality:
            text += f"|card:{cardinality}"
        if timestamp:
            text += f"|T{timestamp}"
        return _lines.alone(text)

    def _all_tags(self, tags: Optional[Tuple[str, ...]]) -> str:
        if not tags:
            return f"|#{self.tags}" if self.tags else ""
        joined = self._tags.get(tags)
        if joined is None:
            joined = join_tags(tags)
            _keep(self._tags, tags, joined)
        return f"|#{joined},{self.tags}" if self.tags else f"|#{joined}"

    def event(self, _prefix: str, title: str, more: "Tuple[str, Dict[str, Any], Any, Optional[str]]") -> bytes:
        """An event. Fields that are empty are left out."""
        message, fields, tags, cardinality = more
        title, message = title.replace("\n", "\\n"), message.replace("\n", "\\n")
        text = f"_e{{{len(_wire.utf8(title))},{len(_wire.utf8(message))}}}:{title}|{message}"
        text += "".join(f"|{key}:{_one_line(value)}" for key, value in fields.items() if value)
        text += self._all_tags(tags)
        if self.container:
            text += f"|c:{self.container}"
        if cardinality:
            text += f"|card:{cardinality}"
        return _lines.alone(text)

    def check(self, _prefix: str, name: str, more: "Tuple[Any, Dict[str, Any], Any, Optional[str], str]") -> bytes:
        """A service check; its message stands behind all else but the container."""
        status, fields, tags, cardinality, message = more
        text = f"_sc|{_one_line(name)}|{status}"
        text += "".join(f"|{key}:{_one_line(value)}" for key, value in fields.items() if value)
        text += self._all_tags(tags)
        if message:
            escaped = message.replace("\n", "\\n").replace("m:", "m\\:")
            text += f"|m:{escaped}"
        if self.container:
            text += f"|c:{self.container}"
        if cardinality:
            text += f"|card:{cardinality}"
        return _lines.alone(text)


def join_tags(tags: Iterable[Any]) -> str:
    """Tags as a line has them."""
    return ",".join(_NOT_IN_TAGS.sub("_", as_text(tag)) for tag in tags)


def _number(value: Any) -> str:
    text = _lines.number(value)
    if text is None:
        raise ValueError(f"{value!r} is not a number")
    # As it was given, where that is a number that every reader knows.
    given = str(value)
    return given if type(value) is float and "e" not in given else text


def _one_line(value: Any) -> str:
    return as_text(value).replace("\n", "\\n").replace("|", "_")


def _keep(known: "Dict[Any, Any]", key: Any, value: Any) -> None:
    if len(known) >= _KEPT_MAX:
        known.clear()
    known[key] = value


class Tags(List[str]):
    """Constant tags, which tell the client when they are changed."""

    def __init__(self, tags: Iterable[str], changed: Callable[[], None]) -> None:
        super().__init__(tags)
        self._changed = changed


def _telling(name: str) -> Callable[..., Any]:
    original = getattr(list, name)

    def change(self: Tags, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        self._changed()
        return result

    change.__name__ = name
    return change


for _name in ("__setitem__", "__delitem__", "__iadd__", "__imul__", "append", "extend", "insert", "remove", "pop",
              "clear", "sort", "reverse"):  # fmt: skip
    setattr(Tags, _name, _telling(_name))
