"""A client by Django's settings ``STATSD_HOST``, ``_PORT``, ``_PREFIX``, ``_MAXUDPSIZE`` and ``_IPV6``."""

from django.conf import settings

from .. import defaults
from ..client import StatsClient

statsd = StatsClient(
    host=getattr(settings, "STATSD_HOST", defaults.HOST),
    port=getattr(settings, "STATSD_PORT", defaults.PORT),
    prefix=getattr(settings, "STATSD_PREFIX", defaults.PREFIX),
    maxudpsize=getattr(settings, "STATSD_MAXUDPSIZE", defaults.MAXUDPSIZE),
    ipv6=getattr(settings, "STATSD_IPV6", defaults.IPV6),
)
