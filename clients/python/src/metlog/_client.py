"""The client: what applications call.

**No call blocks, and none raises** but for a configuration that cannot be. What becomes of a call is its result, an
:class:`Outcome`, which may be ignored: losses are counted, and told to the listener in the next datagram.
"""

from __future__ import annotations

import atexit
import enum
import functools
import inspect
import os
import random
import sys
import threading
import weakref
from time import perf_counter_ns, time_ns
from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence, TypeVar, Union

from . import _config, _lines, _spans, _values, sampling
from ._lines import Number
from ._pipe import Pipe
from ._stderr import complain
from .propagation import Context

_getpid = os.getpid
_current_span = _spans.current.get
_Function = TypeVar("_Function", bound=Callable[..., Any])

#: The longest that a process waits, at its end, for what is left in the queue, in seconds.
EXIT_WAIT = 0.25


class Outcome(str, enum.Enum):
    """What became of one message or value.

    - ``QUEUED``: it will be sent, unless the sending thread finds that it is too large; that is counted
    - ``FILTERED``: a filter of the configuration keeps it back
    - ``SAMPLED_OUT``: its sample rate left it out this time
    - ``DROPPED``: the queue was full, or it was no number that statsd can say; counted
    - ``OVERSIZE``: larger than a datagram may be; counted as dropped
    - ``OFF``: nothing is configured to leave: no ``init``, ``statsd = false`` or a disabled timer
    """

    QUEUED = "queued"
    FILTERED = "filtered"
    SAMPLED_OUT = "sampled_out"
    DROPPED = "dropped"
    OVERSIZE = "oversize"
    OFF = "off"


QUEUED, FILTERED, SAMPLED_OUT = Outcome.QUEUED, Outcome.FILTERED, Outcome.SAMPLED_OUT
DROPPED, OVERSIZE, OFF = Outcome.DROPPED, Outcome.OVERSIZE, Outcome.OFF


class Stats(NamedTuple):
    """The counts of one client in this process. A forked child begins again at zero.

    ``queued`` and ``statsd_queued`` were put into the queue; ``dropped`` were not sent, ``oversize`` of them for their
    size; ``filtered`` were kept back. ``datagrams`` and ``statsd_datagrams`` were given to sockets, which refused
    ``send_errors`` of them; ``statsd_lost`` values were in those.
    """

    queued: int = 0
    statsd_queued: int = 0
    filtered: int = 0
    dropped: int = 0
    oversize: int = 0
    datagrams: int = 0
    statsd_datagrams: int = 0
    send_errors: int = 0
    #: Of ``statsd_queued``: values in datagrams that the socket refused.
    statsd_lost: int = 0


class Client:
    """Sends messages and statsd values. Without a configuration it is off, and every call is nearly free."""

    def __init__(self, **config: Any) -> None:
        """See :func:`metlog.init` for the keywords.

        Raises:
            ConfigError: with the first key whose value cannot be.
        """
        self._settings: Optional[_config.Settings] = None
        self._pipe: Any = _OFF
        self._has_filters = False
        self._all_timed = True
        #: Decides which of the traces that begin here are kept; none while the client is off.
        self.sampler: Any = sampling.Share(0.0)
        _clients.add(self)
        if config:
            self.configure(config)

    def configure(self, config: Mapping[str, Any]) -> None:
        """Replaces the configuration; what is queued is sent as before.

        Raises:
            ConfigError: with the first key whose value cannot be; nothing has changed then.
        """
        settings = _config.settings(config)
        self.close()
        self._settings = settings
        self._has_filters = settings.filters != _config.Filters()
        self._all_timed = not settings.disabled_timers
        self.sampler = _sampler(settings)
        self._pipe = Pipe(settings)
        _at_the_end_of_children()

    # Messages.

    def send(self, tokens: Sequence[str], payload: Any = "") -> Outcome:
        """Sends a message of the configured type: strings that classify it, and a text."""
        pipe = self._pipe
        messages = pipe.messages
        if (
            len(messages) >= pipe.limit
            or not pipe.mine[0]
            or type(tokens) is not tuple
            or type(payload) is not str
            or len(payload) > pipe.payload_max
            or self._has_filters
            or _current_span() is not None
        ):
            return self.message(payload, tokens=tokens)
        messages.append((time_ns(), tokens, payload))
        if pipe.asleep:
            pipe.wake()
        elif pipe.is_inline:
            pipe.after_put()
        return QUEUED

    def message(
        self,
        payload: Any = "",
        *,
        type: Optional[str] = None,  # noqa: A002 - the word of the format
        tokens: Sequence[str] = (),
        fields: Optional[Mapping[Any, Any]] = None,
        severity: Optional[int] = None,
        logger: Optional[str] = None,
        timestamp: Union[None, int, float, Any] = None,
    ) -> Outcome:
        """Sends a message with everything that one can have. ``timestamp``: a ``datetime`` (naive ones are UTC),
        or seconds since 1970; now where there is none. Nested fields get dotted keys."""
        try:
            pipe = self._of_this_process()
            if pipe.limit == 0:
                return OFF
            if self._has_filters and not self._passes(type, severity):
                pipe.count_filtered()
                return FILTERED
            item = (
                time_ns(),
                () if tokens.__class__ is tuple and not tokens else _tokens(tokens),
                payload if payload.__class__ is str else _values.as_text(payload),
                None if timestamp is None else _micros(timestamp),
                type if type is None or type.__class__ is str else _values.as_text(type),
                logger if logger is None or logger.__class__ is str else _values.as_text(logger),
                severity if severity is None else _severity(severity),
                _values.flat(fields) if fields else None,
            )
            if _current_span() is not None:
                item = _with_ids(item)
            return self._put(pipe, item)
        except Exception as error:  # noqa: BLE001 - no call fails its host
            return self._failed(error)

    def _put(self, pipe: Pipe, item: "tuple[Any, ...]") -> Outcome:
        size = len(item[2])
        for token in item[1]:
            size += len(token)
        for key, value in item[7] or ():
            size += len(key) + len(value)
        if size > pipe.payload_max:
            pipe.count_dropped(is_oversize=True)
            return OVERSIZE
        return _enqueue(pipe, pipe.messages, pipe.limit, item)

    def _passes(self, type_name: Optional[str], severity: Optional[int]) -> bool:
        settings = self._settings
        if settings is None:
            return True
        severity = settings.severity if severity is None else severity
        return settings.filters.passes(settings.type if type_name is None else type_name, severity)

    # Spans.

    def span(
        self,
        name: str,
        kind: str = "internal",
        attributes: Optional[Mapping[str, Any]] = None,
        parent: Optional[Context] = None,
    ) -> _spans.Span:
        """A span: ``with client.span("load cart") as span:``, or every call of a function: ``@client.span("load")``.

        It lies below the span that is current here, or below ``parent``, which :mod:`metlog.propagation` reads from a
        request. ``kind`` is "internal", "server", "client", "producer" or "consumer"."""
        return _spans.Span(self, name, kind, attributes, parent)

    def send_span(self, span: _spans.Span) -> Outcome:
        """Sends a span that has ended. :meth:`metlog.Span.end` does."""
        try:
            pipe = self._of_this_process()
            if pipe.limit == 0:
                return OFF
            return _enqueue(pipe, pipe.messages, pipe.limit, (time_ns(), span))
        except Exception as error:  # noqa: BLE001 - no call fails its host
            return self._failed(error)

    # statsd values.

    def incr(self, name: str, count: Number = 1, rate: float = 1.0) -> Outcome:
        """Counts something."""
        if count == 1 and rate >= 1.0 and type(name) is str:
            pipe = self._pipe
            values = pipe.values
            if len(values) < pipe.values_limit and pipe.mine[0]:
                values.append(name)
                if pipe.asleep:
                    pipe.wake()
                elif pipe.is_inline:
                    pipe.after_put()
                return QUEUED
        return self._value(name, count, "c", rate)

    def count(self, name: str, count: Number, rate: float = 1.0) -> Outcome:
        """Counts something, so many times; the count may be negative."""
        return self._value(name, count, "c", rate)

    def decr(self, name: str, count: Number = 1, rate: float = 1.0) -> Outcome:
        """Counts down."""
        return self._value(name, -count, "c", rate)

    def gauge(self, name: str, value: Number, rate: float = 1.0) -> Outcome:
        """Sets a gauge; a negative value too."""
        return self._value(name, value, _lines.gauge, rate)

    def gauge_delta(self, name: str, delta: Number) -> Outcome:
        """Changes a gauge."""
        return self._value(name, delta, _lines.gauge_delta, 1.0)

    def timing(self, name: str, milliseconds: Any, rate: float = 1.0) -> Outcome:
        """A time in milliseconds, or a ``timedelta``."""
        kind = type(milliseconds)
        # What is not finite has no difference to itself that is 0.
        if rate >= 1.0 and (kind is float or kind is int) and milliseconds - milliseconds == 0 and self._all_timed:
            pipe = self._pipe
            values = pipe.values
            if len(values) < pipe.values_limit and pipe.mine[0]:
                values.append(("ms", name, milliseconds, 1.0))
                if pipe.asleep:
                    pipe.wake()
                elif pipe.is_inline:
                    pipe.after_put()
                return QUEUED
        if not self._is_timed(name):
            return OFF
        seconds = getattr(milliseconds, "total_seconds", None)
        return self._value(name, seconds() * 1_000 if seconds else milliseconds, "ms", rate)

    def histogram(self, name: str, value: Number, rate: float = 1.0) -> Outcome:
        """A value whose distribution matters, such as a size."""
        return self._value(name, value, "h", rate)

    def set(self, name: str, member: Any, rate: float = 1.0) -> Outcome:
        """A member of a set whose distinct members are counted."""
        return self._value(name, member, "s", rate)

    def timer(self, name: str, rate: float = 1.0) -> "Timer":
        """Times a block (``with client.timer("work"):``) or every call of a function (``@client.timer("work")``),
        also of a coroutine. Each call is sampled for itself."""
        return Timer(self, name, rate)

    def line(self, write: Callable[[str, Any, Any], bytes], name: Any, value: Any) -> Outcome:
        """For facades of other libraries: the lines that ``write(prefix, name, value)`` makes in the sending thread."""
        pipe = self._pipe
        if not pipe.mine[0]:
            pipe = self._of_this_process()
        if pipe.values_limit == 0:
            return OFF
        return _enqueue(pipe, pipe.values, pipe.values_limit, (write, name, value, None))

    def _value(self, name: Any, value: Any, kind: Any, rate: float) -> Outcome:
        try:
            pipe = self._of_this_process()
            if pipe.values_limit == 0:
                return OFF
            text = _lines.clean_member(value) if kind == "s" else _lines.number(value)
            if text is None:
                pipe.count_dropped()
                return DROPPED
            if rate < 1.0 and not random.random() < rate:
                return SAMPLED_OUT
            # Of gauges and sets the rate says nothing; the line has none.
            rate_said = None if kind.__class__ is not str else 1.0 if kind == "s" else rate
            return _enqueue(pipe, pipe.values, pipe.values_limit, (kind, name, text, rate_said))
        except Exception as error:  # noqa: BLE001 - no call fails its host
            return self._failed(error)

    def _is_timed(self, name: str) -> bool:
        disabled = self._settings.disabled_timers if self._settings is not None else frozenset()
        return self._pipe.values_limit > 0 and not ("*" in disabled or name in disabled)

    # The client itself.

    def flush(self, seconds: float = 1.0) -> bool:
        """Sends all that was put in before. False: not all was sent in this time."""
        pipe = self._of_this_process()
        return pipe is _OFF or bool(pipe.flush(seconds))

    def close(self, seconds: float = 1.0) -> bool:
        """Sends what is left; then the client is off. False: not all was sent in this time."""
        pipe, self._pipe = self._pipe, _OFF
        self._settings = None
        self.sampler = sampling.Share(0.0)
        return pipe is _OFF or not pipe.mine[0] or bool(pipe.close(seconds))

    def stats(self) -> Stats:
        """The counts so far."""
        pipe = self._pipe
        if pipe is _OFF or not pipe.mine[0]:
            return Stats()
        return Stats(
            queued=pipe.taken + len(pipe.messages),
            statsd_queued=pipe.lines.taken + len(pipe.values),
            filtered=pipe.filtered,
            dropped=pipe.dropped,
            oversize=pipe.oversize,
            datagrams=pipe.sequence,
            statsd_datagrams=pipe.lines.sent,
            send_errors=pipe.refused + pipe.lines.refused,
            statsd_lost=pipe.lines.lost,
        )

    def _of_this_process(self) -> Any:
        """The pipe; a forked child gets its own."""
        pipe = self._pipe
        if pipe is _OFF or pipe.mine[0] or self._settings is None:
            return pipe
        # Two threads of a child may both come here: the pipe of one is used, and the other's has nothing in it.
        mine = Pipe(self._settings)
        with _becoming:
            if self._pipe is pipe:
                pipe.abandon()
                self._pipe = mine
        _at_the_end_of_children()
        return self._pipe

    def _failed(self, error: Exception) -> Outcome:
        complain(f"a call failed: {error!r}")
        self._pipe.count_dropped()
        return DROPPED


class Timer:
    """Times a block or a function; see :meth:`Client.timer`."""

    __slots__ = ("_client", "_name", "_rate", "_began", "result")

    def __init__(self, client: Client, name: str, rate: float) -> None:
        self._client, self._name, self._rate = client, name, rate
        self._began: Optional[int] = None
        #: Milliseconds, once the block has ended.
        self.result: Optional[float] = None

    def __enter__(self) -> "Timer":
        self._began = perf_counter_ns()
        return self

    def __exit__(self, *_: object) -> None:
        if self._began is not None:
            micros = (perf_counter_ns() - self._began) // 1_000
            self.result = micros / 1_000
            self._client.timing(self._name, self.result, self._rate)

    def __call__(self, function: _Function) -> _Function:
        client, name, rate = self._client, self._name, self._rate
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def timed_coroutine(*args: Any, **kwargs: Any) -> Any:
                with Timer(client, name, rate):
                    return await function(*args, **kwargs)

            return timed_coroutine  # type: ignore[return-value]

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with Timer(client, name, rate):
                return function(*args, **kwargs)

        return timed  # type: ignore[return-value]


def _enqueue(pipe: Any, queue: Any, limit: int, item: Any) -> Outcome:
    """Puts something into a queue of the pipe. ``send`` and ``incr`` do the same in place, without another call."""
    if len(queue) >= limit:
        pipe.count_dropped()
        return DROPPED
    queue.append(item)
    if pipe.asleep:
        pipe.wake()
    elif pipe.is_inline:
        pipe.after_put()
    return QUEUED


def _sampler(settings: _config.Settings) -> Any:
    if not settings.destinations:
        return sampling.Share(0.0)
    wanted = settings.sampling
    return sampling.Remote(wanted, settings.logger) if isinstance(wanted, str) else sampling.Share(wanted)


def _with_ids(item: "tuple[Any, ...]") -> "tuple[Any, ...]":
    """The message with the ids of the span that it is sent in, unless it has some."""
    ids = _spans.current_ids()
    if ids is None:
        return item
    fields = item[7] or ()
    known = {key for key, _ in fields}
    return (*item[:7], (*fields, *(pair for pair in ids.items() if pair[0] not in known)))


def _severity(given: Any) -> int:
    return given if given.__class__ is int and 0 <= given <= 7 else max(0, min(int(given), 7))


def _tokens(tokens: Any) -> "tuple[str, ...]":
    if isinstance(tokens, (str, bytes)):
        return (_values.as_text(tokens),)
    return tuple(token if token.__class__ is str else _values.as_text(token) for token in tokens)


def _micros(timestamp: Any) -> int:
    if isinstance(timestamp, (int, float)):
        return int(timestamp * 1_000_000)
    import datetime

    if timestamp.tzinfo is None:
        timestamp = timestamp.replace(tzinfo=datetime.timezone.utc)
    since = timestamp - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return int(since // datetime.timedelta(microseconds=1))


class _Off:
    """In the place of a pipe where nothing is configured: a queue that takes nothing."""

    messages: "tuple[()]" = ()
    values: "tuple[()]" = ()
    limit = values_limit = payload_max = 0
    mine = b"\1"
    asleep = is_inline = False

    def count_dropped(self, is_oversize: bool = False) -> None:
        """Nothing is counted."""

    def count_filtered(self) -> None:
        """Nothing is counted."""


_OFF: Any = _Off()
_clients: "weakref.WeakSet[Client]" = weakref.WeakSet()
_becoming = threading.RLock()
_ends_of_children: "set[tuple[str, int]]" = set()


def _close_all() -> None:
    for client in list(_clients):
        client.close(EXIT_WAIT)


def _after_fork_in_child() -> None:
    # Made anew: another thread of the parent may have held it.
    global _becoming
    _becoming = threading.RLock()


def _at_the_end_of_children() -> None:
    """Children of multiprocessing and billiard (celery) end without ``atexit``; they have finalizers of their own."""
    for module in ("multiprocessing.util", "billiard.util"):
        util = sys.modules.get(module)
        if util is not None and (module, _getpid()) not in _ends_of_children:
            _ends_of_children.add((module, _getpid()))
            util.Finalize(None, _close_all, exitpriority=-100)


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
