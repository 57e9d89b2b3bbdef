"""statsd values of one process: lines, packed into datagrams. Run by whoever holds the pipe's lock."""

from __future__ import annotations

from typing import Any, Callable, Deque, Dict, List, Optional

from . import _lines, _wire
from ._config import Settings
from ._outlet import Outlet
from ._stderr import complain
from ._stream import outlet as outlet_of

#: Names that are kept as they are written.
_KEPT_MAX = 4_096


class Lines:
    """Writes and sends what callers have put in: a name that is counted once, or ``(kind, name, value, rate)``; with
    ``None`` as rate, ``kind`` is a function that writes the lines."""

    def __init__(self, settings: Settings, count_dropped: Callable[..., None]) -> None:
        where = settings.statsd_destination
        self.outlet: Optional[Outlet] = outlet_of(where) if where is not None else None
        #: Values that were taken, datagrams that were sent or refused, values in refused ones.
        self.taken = self.sent = self.refused = self.lost = 0
        self._prefix, self._room = settings.statsd_prefix, settings.statsd_datagram_bytes
        self._count_dropped = count_dropped
        self._packed: List[bytes] = []
        self._packed_bytes = 0
        #: Prefix and name of values, with the colon; and lines of what is counted once.
        self._heads: Dict[str, bytes] = {}
        self._counted: Dict[str, bytes] = {}

    def take(self, values: "Deque[Any]", count: int) -> None:
        """The two most frequent kinds are written here, without a call: this runs for each value."""
        popleft, counted, heads = values.popleft, self._counted, self._heads
        packed, used, room = self._packed, self._packed_bytes, self._room
        prefix = self._prefix
        for _ in range(count):
            item = popleft()
            lines = None
            if type(item) is str:
                lines = counted.get(item)
            elif item[3] == 1.0:
                kind, name, value, _rate = item
                head = heads.get(name) if type(name) is str else None
                if head is not None and type(value) is float:
                    text = repr(value)
                    if "e" not in text:
                        lines = head + (f"{text[:-2]}|{kind}" if text[-2:] == ".0" else f"{text}|{kind}").encode()
            elif item[3] is None:
                try:
                    lines = item[0](prefix, item[1], item[2])
                except Exception:  # noqa: BLE001 - tried again below, where it is counted
                    lines = None
            if lines is not None and used + len(lines) <= room:
                self.taken += 1
                packed.append(lines)
                used += len(lines) + 1
                continue
            self._packed_bytes = used
            self._write(item)
            packed, used = self._packed, self._packed_bytes
        self._packed_bytes = used

    def _write(self, item: Any) -> None:
        self.taken += 1
        try:
            if type(item) is str:
                lines = self._counted.get(item) or self._once(item)
            else:
                make, name, value, rate = item
                if rate is None:
                    lines = make(self._prefix, name, value)
                elif rate >= 1.0:
                    text = value if type(value) is str else _lines.number(value) or ""
                    lines = (
                        type(name) is str and self._heads.get(name) or self._head(name)
                    ) + f"{text}|{make}".encode()
                else:
                    text = value if type(value) is str else _lines.number(value) or ""
                    lines = _lines.line(self._prefix, name, text, make, rate)
        except Exception as error:  # noqa: BLE001 - one value that cannot be written costs that value
            self._count_dropped()
            complain(f"a value cannot be written: {error!r}")
            return
        room = self._room
        if len(lines) > room:
            self._send_alone(lines)
            return
        if self._packed_bytes + len(lines) > room:
            self.send()
        self._packed.append(lines)
        self._packed_bytes += len(lines) + 1

    def _send_alone(self, lines: bytes) -> None:
        """Lines that fit no datagram of the configured size: those of facades leave by themselves, as ever."""
        if type(lines) is not _lines.Alone or len(lines) > _wire.DATAGRAM_BYTES_MAX:
            self._count_dropped(is_oversize=True)
            return
        self.send()
        self._packed.append(lines)
        self.send()

    def _once(self, name: str) -> bytes:
        """``<name>:1|c``: the most frequent line, made once for each name."""
        if len(self._counted) >= _KEPT_MAX:
            self._counted.clear()
        known = self._counted[name] = _lines.line(self._prefix, name, "1", "c")
        return known

    def _head(self, name: Any) -> bytes:
        """``<name>:`` with the prefix."""
        head = _wire.utf8(f"{self._prefix}{_lines.clean_name(name)}:")
        if type(name) is str:
            if len(self._heads) >= _KEPT_MAX:
                self._heads.clear()
            self._heads[name] = head
        return head

    def send(self) -> None:
        if not self._packed:
            return
        packed, self._packed = self._packed, []
        self._packed_bytes = 0
        self.sent += 1
        if self.outlet is not None and not self.outlet.send(b"\n".join(packed)):
            self.refused += 1
            self.lost += len(packed)
