"""What the middlewares measure of one request: how long it took, how it ended.

Names are bounded: a client may send any method, so methods that HTTP does not define are counted as ``other``.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import Optional

from ._client import Client

_METHODS = frozenset(("get", "head", "post", "put", "delete", "options", "patch", "trace", "connect"))


class Measures:
    """The names that one middleware sends under, made once."""

    __slots__ = ("client", "_timer", "_prefix", "_names")

    def __init__(self, client: Client, prefix: str) -> None:
        self.client = client
        self._prefix = prefix + "." if prefix else ""
        self._timer = self._prefix + "request"
        self._names: "dict[tuple[str, int], str]" = {}

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
            word = word if word in _METHODS else "other"
            code = status if 100 <= status <= 599 else 0
            known = f"{self._prefix}response.{word}.{code}"
            if len(self._names) < 1_000:
                self._names[method, status] = known
        return known
