"""What the middlewares measure of one request: how long it took, how it ended.

Names are bounded: a client may send any method, so methods that HTTP does not define are counted as ``other``.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import Callable, Iterable, Optional

from ._client import Client
from ._spans import Span
from .propagation import FORMATS, Context, Get, extract

#: The methods that HTTP defines; others have one name together.
METHODS = frozenset(("get", "head", "post", "put", "delete", "options", "patch", "trace", "connect"))
_WORDS = {method.upper(): method.upper() for method in METHODS}


class Measures:
    """The names that one middleware sends under, made once."""

    __slots__ = ("client", "_timer", "_prefix", "_names", "_accept")

    def __init__(
        self, client: Client, prefix: str, accept: "Optional[Callable[[Get], Optional[Context]]]" = None
    ) -> None:
        self.client = client
        #: Reads a trace of a request that has none of the formats.
        self._accept = accept
        self._prefix = prefix + "." if prefix else ""
        self._timer = self._prefix + "request"
        self._names: "dict[tuple[str, int], str]" = {}

    def span(self, method: str, path: str, get: Optional[Get], names: Iterable[str] = ()) -> Span:
        """The span of a request, which goes on with the trace of whoever asks. Its name is bounded: the method.
        ``get``: ``None`` where no header says a context."""
        word = _WORDS.get(method) or (method.upper() if method.lower() in METHODS else "HTTP")
        attributes = {"http.request.method": word, "url.path": path}
        if get is None:
            return self.client.span(word, "server", attributes).begin()
        parent = extract(get, FORMATS, names)
        if self._accept is not None and (parent is None or not parent.is_valid):
            accepted = self._accept(get)
            if accepted is not None:
                parent = accepted if parent is None else accepted._replace(baggage=parent.baggage)
        return self.client.span(word, "server", attributes, parent).begin()

    def end_span(self, span: Span, status: Optional[int], error: Optional[BaseException]) -> None:
        """Ends the span of a request."""
        if span.is_recording:
            if error is not None:
                span.exception(error)
            code = 500 if status is None else status
            span.set("http.response.status_code", code)
            if code >= 500 and error is None:
                span.status("error", f"HTTP {code}")
        span.end()

    def begin(self) -> int:
        """When a request began."""
        return perf_counter_ns()

    def end(self, began: int, method: str, status: Optional[int]) -> None:
        """Sends ``<prefix>request`` (milliseconds) and counts ``<prefix>response.<method>.<status>``. No status: the
        application gave none, or failed; that is a 500 to whoever asked."""
        self.client.timing(self._timer, (perf_counter_ns() - began) // 1_000 / 1_000)
        self.client.incr(self._name(method, 500 if status is None else status))

    def _name(self, method: str, status: int) -> str:
        known = self._names.get((method, status))
        if known is None:
            word = method.lower()
            word = word if word in METHODS else "other"
            code = status if 100 <= status <= 599 else 0
            known = f"{self._prefix}response.{word}.{code}"
            if len(self._names) < 1_000:
                self._names[method, status] = known
        return known
