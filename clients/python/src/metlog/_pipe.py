"""The pipe: what the callers of one process put in, and its sending thread takes out.

**One process, one pipe.** Queues, sequence, identity, sockets and thread belong to the process that made them. A child
makes its own on its first call, whichever way it was forked, and touches nothing of its parent's.

Callers only append to a deque, which needs no lock: nobody can hold it when the process forks or a signal arrives. The
sending thread looks every :data:`TICK` while there is traffic, and sleeps while there is none.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import Any, Deque, Dict, List, Optional, Tuple

from . import _native, _process, _values, _wire
from ._config import Settings
from ._jaeger import Agent
from ._outlet import Outlet
from ._statsd import Lines
from ._stderr import complain

#: How often the sending thread looks while there is traffic, in seconds.
TICK = 0.02
#: Ticks without traffic after which it sleeps until it is woken.
QUIET_TICKS = 5
#: From one heartbeat to the next, in seconds: see ``schemas/wire.v1.md``. The first three follow a flush.
HEARTBEAT_PAUSES = (0.0, 0.005, 0.015, 0.1, 1.0, 5.0, 30.0)
_AFTER_TRAFFIC = 3
#: A datagram that is filled without a thread leaves at the next call after so long, in nanoseconds.
_INLINE_AGE_MAX = 100_000_000
#: Encoded names and tokens that are kept.
_KEPT_MAX = 4_096
#: Plain messages of one datagram are at most so far apart that the time of each takes five bytes.
_TIMES_NANOS_MAX = 60_000_000_000
#: Lengths of frames, and varints of one byte, made once.
_LENGTHS = [size.to_bytes(2, "little") for size in range(2_048)]
_SMALL = [bytes((size,)) for size in range(128)]


class Pipe:
    """What one process sends through."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pid = os.getpid()
        #: Item 0 is 0 in a child of this process.
        self.mine = _process.mark()
        #: ``(time_ns, tokens, payload)``, or with six values more: see :meth:`_frame`.
        self.messages: "Deque[Tuple[Any, ...]]" = deque()
        #: A name that is counted once, or ``(name, value, kind, rate)``.
        self.values: "Deque[Any]" = deque()
        self.limit = settings.queue_messages if settings.destinations else 0
        self.values_limit = settings.queue_messages if settings.statsd_destination else 0
        self.payload_max = settings.datagram_bytes
        #: Callers wake the thread while this is true. False where there is none.
        self.asleep = settings.thread != "none"
        self.is_inline = settings.thread == "none"
        self.is_closed = False
        self._started = False
        self._wake = _native.original("_thread", "allocate_lock")()
        self._wake.acquire()
        self._draining = _native.original("_thread", "allocate_lock")()
        self._counting = _native.original("threading", "RLock")()
        sender = int.from_bytes(os.urandom(8), "little") or 1
        self.datagrams = _wire.Datagrams(
            settings.datagram_bytes, sender, self.pid, settings.hostname, settings.logger, settings.key
        )
        self._outlets = [Outlet(destination) for destination in settings.destinations if not destination.is_jaeger]
        self._agents = [
            Agent(Outlet(destination), settings.logger, settings.hostname, self.pid)
            for destination in settings.destinations
            if destination.is_jaeger
        ]
        #: Of statsd values.
        self.lines = Lines(settings, self.count_dropped)
        self.dropped = self.oversize = self.filtered = 0
        self.taken = self.refused = 0
        self.sequence = 0
        self._frames: List[bytes] = []
        self._frames_bytes = self._opened_at = 0
        self._inline_since = 0
        self._names: Dict[str, bytes] = {}
        self._tokens: Dict[Tuple[str, ...], bytes] = {}
        #: Of plain messages by their tokens: what stands between the time and the payload.
        self._plain: Dict[Tuple[str, ...], bytes] = {}
        #: Severity and time of plain messages that follow within 63 µs.
        self._soon = [bytes((settings.severity, ahead << 1)) for ahead in range(64)]
        self._severity = bytes((settings.severity,))
        self._was_busy = False
        self._announced = 0
        self._next_heartbeat: Optional[Tuple[float, int]] = None

    # What callers do, off the fast path.

    def count_dropped(self, is_oversize: bool = False) -> None:
        """Counts a message or value that never came into a datagram."""
        with self._counting:
            self.dropped += 1
            self.oversize += is_oversize

    def count_filtered(self) -> None:
        """Counts a message that a filter kept back."""
        with self._counting:
            self.filtered += 1

    def wake(self) -> None:
        """Starts or wakes the sending thread. Called after something was put in."""
        self.asleep = False
        if not self._started:
            if _native.forks_later():
                self.is_inline = True
                self.after_put()
                return
            self._started = True
            try:
                _native.original("_thread", "start_new_thread")(self._run, ())
            except RuntimeError:
                # No thread can be had, for example while the interpreter ends: the caller sends.
                self.is_inline = True
                self.after_put()
            return
        try:
            self._wake.release()
        except RuntimeError:
            pass  # it is awake already

    def after_put(self) -> None:
        """Without a thread: fills the open datagrams, which leave when they are full or old."""
        if not self._draining.acquire(False):
            return  # another caller is at it, or this is a signal handler inside of it
        try:
            self._take()
            now = time.time_ns()
            if now - self._inline_since > _INLINE_AGE_MAX:
                self._inline_since = now
                self._send_open()
        finally:
            self._draining.release()

    def flush(self, seconds: float) -> bool:
        """Sends, on the caller's thread, all that was put in before. False: another thread was at it for too long."""
        return self._drain(seconds, True)

    def close(self, seconds: float) -> bool:
        """Takes nothing more, sends what is left, and says how many datagrams there were."""
        self.limit = self.values_limit = 0
        self.is_closed = True
        done = self._drain(seconds, True)
        if done and self.sequence:
            for pause in HEARTBEAT_PAUSES[1:_AFTER_TRAFFIC]:
                _native.original("time", "sleep")(pause)
                self._send_heartbeat()
        if self._started:
            try:
                self._wake.release()
            except RuntimeError:
                pass
        if done:
            for outlet in self._all_outlets():
                outlet.close()
        return done

    def abandon(self) -> None:
        """In a forked child: lets go of what is the parent's without touching it."""
        for outlet in self._all_outlets():
            outlet.abandon()

    # The sending thread.

    def _run(self) -> None:
        _native.block_signals()
        quiet, pid = 0, self.pid
        while not self.is_closed and pid == os.getpid():
            if quiet >= QUIET_TICKS:
                self._sleep()
            else:
                self._wake.acquire(True, TICK)
            try:
                quiet = 0 if self._drain(1.0, False) and self._was_busy else quiet + 1
            except Exception as error:  # noqa: BLE001 - the thread outlives whatever happens, and says so
                quiet += 1
                complain(f"the sending thread: {error!r}")

    def _sleep(self) -> None:
        """Waits for traffic or for the next heartbeat."""
        self.asleep = True
        if self.messages or self.values or self.is_closed:
            self.asleep = False
            return
        due = self._next_heartbeat
        if due is None:
            self._wake.acquire()
        else:
            self._wake.acquire(True, max(0.001, due[0] - time.monotonic()))
        self.asleep = False

    def _drain(self, seconds: float, is_asked: bool) -> bool:
        if not self._draining.acquire(True, seconds):
            return False
        try:
            before = self.sequence + self.lines.sent
            self._take()
            self._send_open()
            if is_asked and self.dropped > self._announced and self._outlets:
                self._send_datagram(time.time_ns() // 1_000, b"")
            self._was_busy = self.sequence + self.lines.sent != before
            self._beat(is_asked)
            return True
        finally:
            self._draining.release()

    def _take(self) -> None:
        """Encodes what waits. What comes in meanwhile waits for the next time, so that this one ends."""
        if self.values:
            self.lines.take(self.values, len(self.values))
        if self.messages:
            self._take_messages(len(self.messages))

    def _take_messages(self, count: int) -> None:
        """Messages of :meth:`_frame`'s first form, the most frequent ones, are written here, without a call."""
        soon, parts, has_outlets = self._soon, self._frames, bool(self._outlets)
        popleft, room = self.messages.popleft, self.datagrams.body_bytes_max
        opened_at, used = self._opened_at * 1_000, self._frames_bytes
        last: Any = None
        behind: Optional[bytes] = None
        for _ in range(count):
            item = popleft()
            if len(item) == 3 and has_outlets:
                time_ns, tokens, payload = item
                if tokens is not last:
                    try:
                        behind = self._plain.get(tokens)
                    except TypeError:
                        behind = None  # there is something in it that is no text
                    last = tokens
                try:
                    text = payload.encode()
                except UnicodeEncodeError:
                    text = _wire.utf8(payload)
                size = len(text)
                if behind is not None and size < 16_384:
                    length = _SMALL[size] if size < 128 else _wire.varint(size)
                    body = len(behind) + len(length) + size + 2
                    # Five bytes more than the time of this message may need.
                    if used and (used + body + 7 > room or not 0 <= time_ns - opened_at < _TIMES_NANOS_MAX):
                        self._frames_bytes = used = 0
                        self._send_frames()
                        parts = self._frames
                    if not used:
                        self._opened_at = time_ns // 1_000
                        opened_at = self._opened_at * 1_000
                    ahead = (time_ns - opened_at) // 1_000
                    start = soon[ahead] if ahead < 64 else self._severity + _wire.varint(ahead << 1)
                    body += len(start) - 1
                    if used + body + 2 <= room:
                        used += body + 2
                        self.taken += 1
                        head = _LENGTHS[body] if body < 2_048 else body.to_bytes(2, "little")
                        parts += (head, start, behind, length, text, b"\0")
                        continue
            self._frames_bytes = used
            self._add(item)
            parts, used, opened_at = self._frames, self._frames_bytes, self._opened_at * 1_000
        self._frames_bytes = used

    def _send_open(self) -> None:
        self.lines.send()
        self._send_frames()
        for agent in self._agents:
            self.refused += agent.send(self.dropped) is False

    # Messages.

    def _add(self, item: "Tuple[Any, ...]") -> None:
        self.taken += 1
        if self._agents and len(item) == 2:
            for agent in self._agents:
                if not agent.add(item[1], self.dropped):
                    self.count_dropped(is_oversize=True)
        if not self._outlets:
            return
        try:
            if not self._frames:
                self._opened_at = time.time_ns() // 1_000 if item[0] is None else item[0] // 1_000
            frame = self._frame(item)
            room = self.datagrams.body_bytes_max
            if frame is None or len(frame) > room:
                self.count_dropped(is_oversize=True)
                return
            if self._frames_bytes + len(frame) > room:
                self._send_frames()
                self._opened_at = item[0] // 1_000
                frame = self._frame(item) or b""
        except Exception as error:  # noqa: BLE001 - one message that cannot be written costs that message
            self.count_dropped()
            complain(f"a message cannot be written: {error!r}")
            return
        self._frames.append(frame)
        self._frames_bytes += len(frame)

    def _frame(self, item: "Tuple[Any, ...]") -> Optional[bytes]:
        """``(time_ns, span)``, ``(time_ns, tokens, payload)``, or ``(time_ns, tokens, payload, timestamp, type, logger,
        severity, fields)`` with ``None`` for what is as configured."""
        settings = self.settings
        if len(item) == 2:
            return item[1].frame(self._opened_at)  # type: ignore[no-any-return]
        if len(item) == 3:
            time_ns, tokens, payload = item
            return _wire.frame(
                self._opened_at, time_ns // 1_000, settings.severity, self._name(settings.type),
                self._encoded(tokens), _wire.text(payload), b"\0",
            )  # fmt: skip
        time_ns, tokens, payload, timestamp, type_name, logger, severity, fields = item
        return _wire.frame(
            self._opened_at,
            time_ns // 1_000 if timestamp is None else timestamp,
            settings.severity if severity is None else severity,
            self._name(settings.type if type_name is None else type_name),
            self._encoded(tokens),
            _wire.text(payload),
            _wire.pairs(fields) if fields else b"\0",
            None if logger is None or logger == settings.logger else self._name(logger),
        )

    def _name(self, text: str) -> bytes:
        known = self._names.get(text)
        if known is None:
            if len(self._names) >= _KEPT_MAX:
                self._names.clear()
            known = self._names[text] = _wire.name(text)
        return known

    def _encoded(self, tokens: "Tuple[str, ...]") -> bytes:
        try:
            known = self._tokens.get(tokens)
        except TypeError:
            return _wire.texts(map(_values.as_text, tokens))
        if known is None:
            if not all(type(token) is str for token in tokens):
                # Not kept: 1 and True are equal, and not the same text.
                return _wire.texts(map(_values.as_text, tokens))
            if len(self._tokens) >= _KEPT_MAX:
                self._tokens.clear()
                self._plain.clear()
            known = self._tokens[tokens] = _wire.texts(tokens)
            self._plain[tokens] = _wire.name(self.settings.type) + known
        return known

    def _send_frames(self) -> None:
        if self._frames:
            frames = b"".join(self._frames)
            self._frames = []
            self._frames_bytes = 0
            self._send_datagram(self._opened_at, frames)

    def _send_datagram(self, opened_at: int, frames: bytes) -> None:
        self._announced = self.dropped
        datagram = self.datagrams.datagram(self.sequence, opened_at, self._announced, frames)
        self.sequence += 1
        for outlet in self._outlets:
            if not outlet.send(datagram):
                self.refused += 1

    def _beat(self, is_asked: bool) -> None:
        """Heartbeats, for as long as there was any datagram. None where datagrams are captured."""
        if not self.sequence:
            return
        now = time.monotonic()
        if is_asked:
            self._next_heartbeat = (now, 0)
        elif self._was_busy:
            self._next_heartbeat = (now + HEARTBEAT_PAUSES[_AFTER_TRAFFIC], _AFTER_TRAFFIC)
        due = self._next_heartbeat
        if due is not None and due[0] <= now:
            self._send_heartbeat()
            following = min(due[1] + 1, len(HEARTBEAT_PAUSES) - 1)
            self._next_heartbeat = (now + HEARTBEAT_PAUSES[following], following)

    def _send_heartbeat(self) -> None:
        datagram = self.datagrams.heartbeat(time.time_ns() // 1_000, self.sequence, self.dropped)
        for outlet in self._outlets:
            if outlet.destination.captured is None:
                outlet.send(datagram)

    def _all_outlets(self) -> List[Outlet]:
        return (
            self._outlets
            + [agent.outlet for agent in self._agents]
            + ([self.lines.outlet] if self.lines.outlet is not None else [])
        )
