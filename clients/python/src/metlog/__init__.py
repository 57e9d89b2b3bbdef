"""metlog: messages, counters and timers from an application, fire and forget.

>>> import metlog
>>> metlog.init(logger="sync")
>>> metlog.send(("browserid", "login"), "user 25")
<Outcome.QUEUED: 'queued'>

``init`` once, then call these functions from anywhere: no call waits for a network, and none raises. Until ``init`` is
called they do nothing.
"""

from __future__ import annotations

import os
from typing import Any, Optional

from ._client import Client, Outcome, Stats, Timer
from ._config import ConfigError, from_environment, from_ini, from_toml
from ._outlet import Captured, Destination
from ._spans import Span, current_context
from .propagation import Context

__version__ = "0.1.0"
__all__ = [
    "Captured", "Client", "ConfigError", "Context", "Destination", "Outcome", "Span", "Stats", "Timer",
    "close", "count", "current_context", "decr", "default", "flush", "gauge", "gauge_delta", "histogram", "incr",
    "init", "message", "send", "set", "span", "stats", "timer", "timing",
]  # fmt: skip

#: The client of this process, which the functions of this module use.
default = Client()


def init(
    config: "Optional[dict[str, Any] | str | os.PathLike[str]]" = None, *, section: str = "metlog", **keywords: Any
) -> Client:
    """Sets up the client of this process, and gives it.

    ``config`` is a mapping, or the path of a file that ends in ``.toml``, ``.ini`` or ``.cfg``. Variables of the
    environment (``METLOG_LOGGER`` and so on) come before it, and keywords before both. The keys::

        destinations = ["127.0.0.1:5565"]     # also "unix:/run/metlog.sock"; each datagram goes to all of them
        statsd = True                         # False: no statsd is sent
        statsd_destination = "127.0.0.1:8125"
        statsd_prefix = ""                    # "sync": each statsd name becomes `sync.<name>`
        logger = ""                           # the part of the program that speaks
        severity = 6                          # of messages that name none
        type = "metlog"                       # likewise
        hostname = …                          # the kernel's
        datagram_bytes = 1432                 # also statsd_datagram_bytes
        queue_messages = 10000                # beyond it messages are dropped, and counted
        key_id, key = …                       # datagrams of messages are signed
        disabled_timers = []                  # names, or ["*"]
        filters = {}                          # severity_max, type_blacklist, type_whitelist, type_severity_max
        sampling = 1.0                        # the share of traces that begin here which are kept
        thread = "native"                     # "none": the calling thread sends, when a datagram is full

    Raises:
        ConfigError: with the first key whose value cannot be; nothing has changed then.
        OSError: if the file cannot be read.
    """
    given: "dict[str, Any]" = {}
    if isinstance(config, dict):
        given.update(config)
    elif config is not None:
        path = os.fspath(config)
        given.update(from_ini(path, section) if path.endswith((".ini", ".cfg")) else from_toml(path, section))
    given.update(from_environment())
    given.update(keywords)
    default.configure(given)
    return default


send = default.send
message = default.message
incr = default.incr
decr = default.decr
count = default.count
gauge = default.gauge
gauge_delta = default.gauge_delta
histogram = default.histogram
timing = default.timing
set = default.set  # noqa: A001 - statsd's word
timer = default.timer
span = default.span
flush = default.flush
close = default.close
stats = default.stats
