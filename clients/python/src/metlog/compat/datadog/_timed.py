"""``timed`` and ``distributed`` of ``DogStatsd``: context managers, decorators, and stopwatches."""

from __future__ import annotations

import functools
import inspect
from time import perf_counter
from typing import Any, Callable, Optional


class Timed:
    """Times a block or a function, in seconds, or in whole milliseconds with ``use_ms``."""

    _kind = "timing"

    def __init__(
        self, statsd: Any, metric: Any = None, tags: Any = None, sample_rate: Any = 1, use_ms: Optional[bool] = None
    ) -> None:
        self.statsd, self.metric, self.tags, self.sample_rate, self.use_ms = statsd, metric, tags, sample_rate, use_ms
        #: What was measured last.
        self.elapsed: Any = None
        self._start = 0.0

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Each call is timed for itself."""
        if not self.metric:
            self.metric = f"{function.__module__}.{function.__name__}"
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def timed_coroutine(*args: Any, **kwargs: Any) -> Any:
                began = perf_counter()
                try:
                    return await function(*args, **kwargs)
                finally:
                    self._send(began)

            return timed_coroutine

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._send(began)

        return timed

    def __enter__(self) -> "Timed":
        if not self.metric:
            raise TypeError("Cannot used timed without a metric!")
        self._start = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._send(self._start)

    def start(self) -> None:
        """Begins, for :meth:`stop` to end."""
        self.__enter__()

    def stop(self) -> None:
        """Sends what was measured."""
        self.__exit__(None, None, None)

    def _send(self, began: float) -> None:
        elapsed: Any = perf_counter() - began
        if self.statsd.use_ms if self.use_ms is None else self.use_ms:
            elapsed = round(1000 * elapsed)
        getattr(self.statsd, self._kind)(self.metric, elapsed, self.tags, self.sample_rate)
        self.elapsed = elapsed


class Distributed(Timed):
    """The same, as a distribution."""

    _kind = "distribution"
