"""Asks a sampling server from a handler that never pauses: `remote.py KIND URL`, with green threads or without."""

import sys

KIND, URL = sys.argv[1:]
if KIND == "eventlet":
    import eventlet

    eventlet.monkey_patch()
elif KIND == "gevent":
    import gevent.monkey

    gevent.monkey.patch_all()

import time  # noqa: E402

import metlog  # noqa: E402
from metlog import sampling  # noqa: E402

client = metlog.Client(destinations=metlog.Captured(), statsd=False, sampling=URL, logger="x")
deadline = time.monotonic() + 20
while client.sampler.strategy is sampling.NOTHING and time.monotonic() < deadline:
    with client.span("a"):
        sum(range(1_000))
print(client.sampler.strategy is not sampling.NOTHING)
