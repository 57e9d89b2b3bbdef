"""Which traces are kept: a share of them, or what a sampling server says, asked again every minute.

A server that does not answer means that nobody listens: then nothing is kept, and a request costs nearly nothing.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import time
import urllib.parse
from typing import Any, Dict, NamedTuple, Optional, Tuple

from . import _native
from .propagation import SAMPLED

#: From one question to the next, in seconds.
REFRESH_INTERVAL = 60.0
#: After one that was not answered.
RETRY_INTERVAL = 5.0
_ANSWER_WAIT = 2.0
_ANSWER_BYTES_MAX = 1 << 20

#: Flags of the root, and the probability that it was kept with where that is known.
Decision = Tuple[int, Optional[float]]
KEPT_NOT: Decision = (0, None)


class Share:
    """Keeps a share of the traces."""

    __slots__ = ("share",)

    def __init__(self, share: float) -> None:
        self.share = share

    def decide(self, _name: str) -> Decision:
        """For the root of a trace."""
        share = self.share
        if share >= 1.0:
            return SAMPLED, 1.0
        return (SAMPLED, share) if share > 0.0 and random.random() < share else KEPT_NOT


class Limit:
    """Keeps so many traces a second. It is not known with which probability one was kept."""

    __slots__ = ("_at", "_credit", "per_second")

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._credit = max(1.0, per_second)
        self._at = time.monotonic()

    def decide(self, _name: str) -> Decision:
        """For the root of a trace."""
        if self.per_second <= 0:
            return KEPT_NOT
        now = time.monotonic()
        self._credit = min(max(1.0, self.per_second), self._credit + (now - self._at) * self.per_second)
        self._at = now
        if self._credit < 1.0:
            return KEPT_NOT
        self._credit -= 1.0
        return SAMPLED, None


class Strategy(NamedTuple):
    """What a server said of one service."""

    default: Any
    operations: Dict[str, Any]
    #: Kept of each operation at least, however seldom it comes.
    floors: Dict[str, Limit]
    floor: float

    def decide(self, name: str) -> Decision:
        """For the root of a trace, by the name of its span."""
        decision: Decision = self.operations.get(name, self.default).decide(name)
        if decision is KEPT_NOT and self.floor > 0.0:
            limit = self.floors.get(name)
            if limit is None and len(self.floors) < 1_000:
                limit = self.floors[name] = Limit(self.floor)
            if limit is not None:
                return limit.decide(name)
        return decision


NOTHING = Strategy(Share(0.0), {}, {}, 0.0)


def read(answer: Any) -> Strategy:
    """A strategy as Jaeger's collectors and agents say it, in JSON.

    Raises:
        ValueError: if it is none.
    """
    try:
        per_operation = answer.get("operationSampling")
        if per_operation:
            strategies = per_operation.get("perOperationStrategies") or []
            return Strategy(
                Share(_number(per_operation["defaultSamplingProbability"])),
                {
                    str(one["operation"]): Share(_number(one["probabilisticSampling"]["samplingRate"]))
                    for one in strategies[:10_000]
                },
                {},
                _number(per_operation.get("defaultLowerBoundTracesPerSecond", 0)),
            )
        kind = answer.get("strategyType", "PROBABILISTIC")
        if kind in ("RATE_LIMITING", 1):
            return NOTHING._replace(default=Limit(_number(answer["rateLimitingSampling"]["maxTracesPerSecond"])))
        return NOTHING._replace(default=Share(_number(answer["probabilisticSampling"]["samplingRate"])))
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"no sampling strategy: {error!r}") from error


def _number(value: Any) -> float:
    number = float(value)
    if not 0.0 <= number < 1e9:
        raise ValueError(f"{value!r} is no rate")
    return number


class Remote:
    """Asks ``http://host:port/sampling?service=…`` in a thread of its own, from the first request on."""

    __slots__ = ("_asking_since", "_due", "_lock", "_pid", "_service", "_url", "strategy")

    def __init__(self, url: str, service: str) -> None:
        self.strategy = NOTHING
        self._url = urllib.parse.urlsplit(url)
        self._service = service
        self._due = 0.0
        self._lock = _native.original("_thread", "allocate_lock")()
        self._pid = os.getpid()

    def decide(self, name: str) -> Decision:
        """For the root of a trace."""
        if time.monotonic() >= self._due:
            self._ask_again()
        return self.strategy.decide(name)

    def _ask_again(self) -> None:
        if self._pid != os.getpid():
            # A child, made while its parent asked: nobody here will release that lock.
            self._pid = os.getpid()
            self._lock = _native.original("_thread", "allocate_lock")()
        if not self._lock.acquire(False):
            return
        # Not asked again before there is an answer.
        self._due = time.monotonic() + REFRESH_INTERVAL
        try:
            _native.original("_thread", "start_new_thread")(self._run, ())
        except RuntimeError:
            self._lock.release()

    def _run(self) -> None:
        _native.block_signals()
        try:
            self.strategy = read(self.ask())
        except Exception:  # noqa: BLE001 - whatever it is: no answer, no sampling
            self.strategy = NOTHING
            self._due = time.monotonic() + RETRY_INTERVAL
        finally:
            self._lock.release()

    def ask(self) -> Any:
        """One question; what was answered, as JSON."""
        query = "service=" + urllib.parse.quote(self._service, safe="")
        path = (self._url.path or "/sampling") + "?" + query
        connection = http.client.HTTPConnection(self._url.hostname or "", self._url.port or 5778, timeout=_ANSWER_WAIT)
        try:
            connection.request("GET", path, headers={"Accept": "application/json"})
            response = connection.getresponse()
            body = response.read(_ANSWER_BYTES_MAX)
            if response.status != 200:
                raise ValueError(f"HTTP {response.status}")
            return json.loads(body)
        finally:
            connection.close()
