"""The timer of PyPI's ``statsd``: a context manager, a decorator, and a stopwatch."""

from __future__ import annotations

import functools
import inspect
from time import perf_counter
from typing import Any, Callable, Optional


def _wraps(function: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``functools.wraps``, also of a ``partial``, which has no name of its own."""
    while isinstance(function, functools.partial):
        function = function.func
    return functools.wraps(function)


class Timer:
    """Times a block, a function, or from ``start`` to ``stop``, in milliseconds: ``ms``."""

    def __init__(self, client: Any, stat: Any, rate: float = 1) -> None:
        self.client, self.stat, self.rate = client, stat, rate
        self.ms: Optional[float] = None
        self._sent = False
        self._start_time: Optional[float] = None

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Each call is timed for itself, whichever threads run it."""
        if inspect.iscoroutinefunction(function):

            @_wraps(function)
            async def timed_coroutine(*args: Any, **kwargs: Any) -> Any:
                began = perf_counter()
                try:
                    return await function(*args, **kwargs)
                finally:
                    self.client.timing(self.stat, 1000.0 * (perf_counter() - began), self.rate)

            return timed_coroutine

        @_wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.client.timing(self.stat, 1000.0 * (perf_counter() - began), self.rate)

        return timed

    def __enter__(self) -> "Timer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> "Timer":
        """Begins, also for another time."""
        self.ms, self._sent = None, False
        self._start_time = perf_counter()
        return self

    def stop(self, send: bool = True) -> "Timer":
        """Ends, and sends what was measured unless told otherwise.

        Raises:
            RuntimeError: if it was never started.
        """
        if self._start_time is None:
            raise RuntimeError("the timer was not started")
        self.ms = 1000.0 * (perf_counter() - self._start_time)
        if send:
            self.send()
        return self

    def send(self) -> None:
        """Sends what was measured, once.

        Raises:
            RuntimeError: if nothing was measured, or it was sent before.
        """
        if self.ms is None:
            raise RuntimeError("nothing was measured")
        if self._sent:
            raise RuntimeError("it was sent before")
        self._sent = True
        self.client.timing(self.stat, self.ms, self.rate)
