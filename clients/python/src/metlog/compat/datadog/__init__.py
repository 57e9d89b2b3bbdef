"""The DogStatsD part of PyPI's ``datadog`` (0.56), on metlog's queue: no call waits for a network, and none raises.

>>> from metlog.compat.datadog import initialize, statsd   # was: from datadog import initialize, statsd
>>> initialize(statsd_host="127.0.0.1", statsd_port=8125, statsd_constant_tags=["env:prod"])
>>> statsd.increment("logins", tags=["region:eu"])

What differs from the original is listed in ``docs/moving/dogstatsd.md``.
"""

from __future__ import annotations

import os
from typing import Any, List, Optional

from .dogstatsd import DEFAULT_HOST, DEFAULT_PORT, DogStatsd, statsd

__all__ = ["DogStatsd", "initialize", "statsd"]


def initialize(
    api_key: Optional[str] = None,
    app_key: Optional[str] = None,
    host_name: Optional[str] = None,
    api_host: Optional[str] = None,
    statsd_host: Optional[str] = None,
    statsd_port: Optional[int] = None,
    statsd_disable_aggregation: bool = True,
    statsd_disable_buffering: bool = True,
    statsd_aggregation_flush_interval: float = 0.3,
    statsd_use_default_route: bool = False,
    statsd_socket_path: Optional[str] = None,
    statsd_namespace: Optional[str] = None,
    statsd_max_samples_per_context: int = 0,
    statsd_constant_tags: Optional[List[str]] = None,
    return_raw_response: bool = False,
    hostname_from_config: bool = True,
    cardinality: Optional[str] = None,
    **kwargs: Any,
) -> None:
    """Sets up ``statsd``. What is about Datadog's HTTP API, aggregation and buffering has no effect."""
    if statsd_socket_path:
        statsd.socket_path = statsd_socket_path
        statsd.host = statsd.port = None
    else:
        if statsd_host or statsd_use_default_route:
            statsd.host = statsd.resolve_host(statsd_host, statsd_use_default_route)
        if statsd_port:
            statsd.port = int(statsd_port)
        if statsd_host or statsd_use_default_route or statsd_port:
            statsd.socket_path = None
            statsd.host = DEFAULT_HOST if statsd.host is None else statsd.host
            statsd.port = DEFAULT_PORT if statsd.port is None else statsd.port
    statsd.close_socket()
    if statsd_namespace:
        statsd.namespace = str(statsd_namespace)
    if statsd_constant_tags:
        statsd.constant_tags += statsd_constant_tags
    statsd.disable_buffering = statsd_disable_buffering
    statsd.cardinality = cardinality or os.environ.get("DATADOG_CARDINALITY", os.environ.get("DD_CARDINALITY"))
