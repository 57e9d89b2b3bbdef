"""The API of PyPI's ``statsd`` (4.0.1), on metlog's queue: no call waits for a network, and none raises.

>>> from metlog.compat.statsd import StatsClient   # was: from statsd import StatsClient
>>> statsd = StatsClient("localhost", 8125, prefix="shop")
>>> statsd.incr("logins")

``metlog.compat.statsd.defaults.env`` and ``.django`` have a client that is set up by ``STATSD_HOST`` and so on, and
so has this module under the name ``statsd``. What differs from the original is listed in ``docs/moving/statsd.md``.
"""

from __future__ import annotations

from typing import Any

from .client import StatsClient, TCPStatsClient, UnixSocketStatsClient

VERSION = (4, 0, 1)
__version__ = ".".join(map(str, VERSION))
__all__ = ["StatsClient", "TCPStatsClient", "UnixSocketStatsClient"]


def __getattr__(name: str) -> Any:
    """``statsd``: the client that the environment describes, made when it is first asked for."""
    if name == "statsd":
        from .defaults.env import statsd

        return statsd
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
