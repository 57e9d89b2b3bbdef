"""A user's program, for `mypy --strict` against the installed wheel: every call is typed, and the package says so."""

from typing import Iterable, List, Optional

import metlog
import metlog.asgi
import metlog.handler
import metlog.hooks
import metlog.openstack
import metlog.paste
import metlog.propagation
import metlog.wsgi
from metlog.compat.client import MetlogClient
from metlog.compat.datadog import DogStatsd, initialize
from metlog.compat.senders import MetlogSender
from metlog.compat.statsd import StatsClient


@metlog.timer("handle")
def handle(count: int) -> str:
    return str(count)


@metlog.span("load", kind="client")
async def load(key: str) -> Optional[bytes]:
    return key.encode()


def application(environ: "dict[str, object]", start_response: object) -> Iterable[bytes]:
    return [b""]


def main() -> int:
    client: metlog.Client = metlog.init(logger="shop", destinations=["127.0.0.1:9"], sampling=0.1)
    outcome: metlog.Outcome = metlog.send(("a", "b"), "x")
    metlog.message("x", type="t", fields={"a": 1}, severity=4)
    metlog.timing("t", 1.5)
    with metlog.span("s") as span, metlog.timer("t") as timer:
        span.set("a", 1).event("e").status("ok")
    result: Optional[float] = timer.result
    text: str = handle(3)
    context: Optional[metlog.Context] = metlog.current_context()
    headers: "dict[str, str]" = {}
    if context is not None:
        metlog.propagation.inject(context, headers)
    names: "tuple[str, ...]" = metlog.hooks.install("requests", client=client)
    wrapped = metlog.wsgi.Middleware(application, client)
    statsd = StatsClient("127.0.0.1", 8125, prefix="x")
    statsd.incr("a")
    dogstatsd = DogStatsd(constant_tags=["a:b"])
    dogstatsd.increment("a", tags=["c:d"])
    initialize(statsd_host="127.0.0.1")
    old = MetlogClient(MetlogSender(destinations="127.0.0.1:9"))
    old.incr("x")
    counts: List[int] = [client.stats().queued, client.stats().dropped]
    print(outcome is metlog.Outcome.QUEUED, result is not None, text, names, wrapped is not None, counts)
    return 0 if metlog.flush() else 1


if __name__ == "__main__":
    raise SystemExit(main())
