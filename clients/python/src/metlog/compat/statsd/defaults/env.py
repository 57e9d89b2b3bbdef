"""A client by the variables ``STATSD_HOST``, ``_PORT``, ``_PREFIX``, ``_MAXUDPSIZE`` and ``_IPV6``."""

import os

from .. import defaults
from ..client import StatsClient

statsd = StatsClient(
    host=os.getenv("STATSD_HOST", defaults.HOST),
    port=int(os.getenv("STATSD_PORT", defaults.PORT)),
    prefix=os.getenv("STATSD_PREFIX", defaults.PREFIX),
    maxudpsize=int(os.getenv("STATSD_MAXUDPSIZE", defaults.MAXUDPSIZE)),
    ipv6=bool(int(os.getenv("STATSD_IPV6", defaults.IPV6))),
)
