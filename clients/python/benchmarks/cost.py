"""What a call costs: metlog beside PyPI's `statsd`, `datadog` and `opentelemetry-sdk`, in one run.

    pip install -e . -r requirements-test.txt
    python benchmarks/cost.py [--rounds 15] [--calls 5000] [NAME…]

Each subject has a process of its own, and they take turns, so that whatever else the machine does falls on all alike. A
turn is a burst of calls, and the time until everything has been sent. Two numbers are measured:

* *caller*: what the calling thread waits for, from the first call to the last, by call;
* *CPU*: user and system time of the whole process by call, background threads and sending included.

Both have the loop around them in: see the row "an empty function". UDP goes to a socket on loopback that nobody reads.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "src"))


def nothing():
    pass


def empty(port):
    return nothing, nothing


def client(port, **more):
    import metlog

    where = f"127.0.0.1:{port}"
    given = {"destinations": [where], "statsd_destination": where, "logger": "bench", "queue_messages": 100_000}
    return metlog.Client(**{**given, **more})


def metlog_send(port):
    ours = client(port)
    return functools.partial(ours.send, ("browserid", "login", "ok"), "x" * 100), ours.flush


def metlog_message(port):
    ours = client(port)
    return lambda: ours.message("bad password", type="login", severity=4, fields={"userid": 25}), ours.flush


def metlog_incr(port):
    ours = client(port)
    return functools.partial(ours.incr, "logins"), ours.flush


def metlog_timing(port):
    ours = client(port)
    return functools.partial(ours.timing, "db.query", 12.5), ours.flush


def metlog_timer(port):
    ours = client(port)

    def timed():
        with ours.timer("db.query"):
            pass

    return timed, ours.flush


def metlog_span(port):
    ours = client(port)

    def spanned():
        with ours.span("load cart"):
            pass

    return spanned, ours.flush


def metlog_span_unsampled(port):
    ours = client(port, sampling=0.0)

    def spanned():
        with ours.span("load cart"):
            pass

    return spanned, ours.flush


def facade_statsd_incr(port):
    from metlog.compat.statsd import StatsClient

    theirs = StatsClient("127.0.0.1", port, maxudpsize=1_432)
    theirs.metlog = client(port, destinations=[])
    return functools.partial(theirs.incr, "logins"), theirs.metlog.flush


def facade_statsd_timing(port):
    from metlog.compat.statsd import StatsClient

    theirs = StatsClient("127.0.0.1", port, maxudpsize=1_432)
    theirs.metlog = client(port, destinations=[])
    return functools.partial(theirs.timing, "db.query", 12.5), theirs.metlog.flush


def facade_dogstatsd(port, tags=None):
    from metlog.compat.datadog import DogStatsd

    theirs = DogStatsd("127.0.0.1", port)
    theirs.metlog = client(port, destinations=[])
    return functools.partial(theirs.increment, "logins", tags=tags), theirs.metlog.flush


def facade_dogstatsd_tags(port):
    return facade_dogstatsd(port, ["region:eu", "tier:web"])


def statsd_incr(port):
    import statsd

    return functools.partial(statsd.StatsClient("127.0.0.1", port).incr, "logins"), nothing


def statsd_timing(port):
    import statsd

    return functools.partial(statsd.StatsClient("127.0.0.1", port).timing, "db.query", 12.5), nothing


def datadog_increment(port, tags=None, **more):
    from datadog.dogstatsd import DogStatsd

    theirs = DogStatsd("127.0.0.1", port, disable_telemetry=True, **more)
    return functools.partial(theirs.increment, "logins", tags=tags), theirs.flush


def datadog_buffered(port):
    return datadog_increment(port, disable_buffering=False)


def datadog_buffered_tags(port):
    return datadog_increment(port, ["region:eu", "tier:web"], disable_buffering=False)


def otel_counter(port):
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    counter = MeterProvider([InMemoryMetricReader()]).get_meter("bench").create_counter("logins")
    attributes = {"region": "eu", "tier": "web"}
    return lambda: counter.add(1, attributes), nothing


def otel_histogram(port):
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    histogram = MeterProvider([InMemoryMetricReader()]).get_meter("bench").create_histogram("db.query")
    return lambda: histogram.record(12.5), nothing


def otel_span(port):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Nowhere(SpanExporter):
        def export(self, spans):
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    tracer = provider.get_tracer("bench")

    def spanned():
        with tracer.start_as_current_span("load cart"):
            pass

    return spanned, provider.force_flush


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]


ENVIRON = {
    "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/v2/servers", "QUERY_STRING": "",
    "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "localhost",
    "HTTP_ACCEPT": "*/*", "HTTP_USER_AGENT": "curl/8.0", "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
}  # fmt: skip


def start_response(status, headers, exc_info=None):
    return nothing


def request(app):
    def serve():
        body = app(dict(ENVIRON), start_response)
        for _ in body:
            pass
        close = getattr(body, "close", None)
        if close is not None:
            close()

    return serve


def bare_wsgi(port):
    return request(application), nothing


def metlog_wsgi(port, **more):
    import metlog.wsgi

    ours = client(port, **more)
    return request(metlog.wsgi.Middleware(application, ours)), ours.flush


def metlog_wsgi_unsampled(port):
    return metlog_wsgi(port, sampling=0.0, statsd=False)


def metlog_wsgi_unsampled_timed(port):
    return metlog_wsgi(port, sampling=0.0)


def oslo_tracing_unsampled(port):
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from oslo_config import cfg
    from oslo_middleware import tracing

    tracing._create_exporter = lambda conf: InMemorySpanExporter()
    tracing._register_opts(cfg.CONF)
    for key, value in (("enabled", True), ("service_name", "x"), ("sampling_rate", 0.0)):
        cfg.CONF.set_override(key, value, "oslo_middleware_tracing")
    return request(tracing.TracingMiddleware(application, cfg.CONF)), nothing


async def asgi_application(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"ok"})


SCOPE = {
    "type": "http", "method": "GET", "path": "/v2/servers", "query_string": b"",
    "headers": [(b"host", b"localhost"), (b"accept", b"*/*"), (b"user-agent", b"curl/8.0")],
}  # fmt: skip


def asgi_request(app):
    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        pass

    def serve():
        # What a loop does with a coroutine that never waits.
        try:
            app(dict(SCOPE), receive, send).send(None)
        except StopIteration:
            pass

    return serve


def bare_asgi(port):
    return asgi_request(asgi_application), nothing


def metlog_asgi_unsampled(port):
    import metlog.asgi

    ours = client(port, sampling=0.0, statsd=False)
    return asgi_request(metlog.asgi.Middleware(asgi_application, ours)), ours.flush


def select(port, **more):
    """A statement in a span, which is kept or not."""
    import sqlalchemy

    import metlog.hooks

    if more:
        metlog.hooks.install("sqlalchemy")
    ours = client(port, statsd=False, **more)
    connection = sqlalchemy.create_engine("sqlite://").connect()
    statement = sqlalchemy.text("select 1")
    span = ours.span("root").begin()
    return (lambda: connection.execute(statement)), ours.flush if span else nothing


def select_unsampled(port):
    return select(port, sampling=0.0)


def select_sampled(port):
    return select(port, sampling=1.0)


#: Name, what makes it, and the row that it is compared with.
SUBJECTS = {
    "an empty function": (empty, None),
    "metlog send, 3 tokens, 100 bytes": (metlog_send, "datadog increment, buffered"),
    "metlog message, type and a field": (metlog_message, None),
    "metlog incr": (metlog_incr, "statsd incr"),
    "metlog timing": (metlog_timing, "statsd timing"),
    "metlog timer, with block": (metlog_timer, None),
    "metlog.compat.statsd incr": (facade_statsd_incr, "statsd incr"),
    "statsd incr": (statsd_incr, None),
    "metlog.compat.statsd timing": (facade_statsd_timing, "statsd timing"),
    "statsd timing": (statsd_timing, None),
    "metlog.compat.datadog increment": (facade_dogstatsd, "datadog increment, buffered"),
    "datadog increment, as it comes": (datadog_increment, None),
    "datadog increment, buffered": (datadog_buffered, None),
    "metlog.compat.datadog increment, 2 tags": (facade_dogstatsd_tags, "datadog increment, buffered, 2 tags"),
    "datadog increment, buffered, 2 tags": (datadog_buffered_tags, None),
    "OpenTelemetry counter.add, 2 attributes": (otel_counter, None),
    "OpenTelemetry histogram.record": (otel_histogram, None),
    "metlog span": (metlog_span, "OpenTelemetry span, in batches to nowhere"),
    "metlog span, not kept": (metlog_span_unsampled, None),
    "OpenTelemetry span, in batches to nowhere": (otel_span, None),
    "WSGI request without middleware": (bare_wsgi, None),
    "metlog WSGI request, not kept": (metlog_wsgi_unsampled, "oslo_middleware.tracing request, not kept"),
    "metlog WSGI request, not kept, timed and counted": (metlog_wsgi_unsampled_timed, None),
    "metlog WSGI request, kept, timed and counted": (metlog_wsgi, None),
    "oslo_middleware.tracing request, not kept": (oslo_tracing_unsampled, None),
    "ASGI request without middleware": (bare_asgi, None),
    "metlog ASGI request, not kept": (metlog_asgi_unsampled, None),
    "SQLAlchemy select 1, without hook": (select, None),
    "SQLAlchemy select 1, with hook, not kept": (select_unsampled, "SQLAlchemy select 1, without hook"),
    "SQLAlchemy select 1, with hook, kept": (select_sampled, "SQLAlchemy select 1, without hook"),
}


def work(name, port):
    """A subject's process: a burst for each number of calls that is read."""
    call, drain = SUBJECTS[name][0](port)
    call()
    drain()
    print("ready", flush=True)
    for line in sys.stdin:
        count = int(line)
        cpu = time.process_time_ns()
        began = time.perf_counter_ns()
        for _ in range(count):
            call()
        waited = time.perf_counter_ns() - began
        drain()
        print(json.dumps([waited / count, (time.process_time_ns() - cpu) / count]), flush=True)
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--work", nargs=2)
    parser.add_argument("names", nargs="*", help="words of the rows to measure; all without")
    given = parser.parse_args()
    if given.work:
        work(given.work[0], int(given.work[1]))
        return
    names = [name for name in SUBJECTS if not given.names or any(word in name for word in given.names)]
    nobody = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    nobody.bind(("127.0.0.1", 0))
    port = str(nobody.getsockname()[1])
    workers = {}
    for name in names:
        command = [sys.executable, "-W", "ignore", __file__, "--work", name, port]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        workers[name] = subprocess.Popen(command, **pipes)
        if workers[name].stdout.readline().strip() != "ready":
            print(f"{name}: its library is not installed", file=sys.stderr)
            del workers[name]
    found = {name: [] for name in workers}
    for turn in range(given.rounds + 1):
        for name, worker in workers.items():
            worker.stdin.write(f"{given.calls}\n")
            worker.stdin.flush()
            numbers = json.loads(worker.stdout.readline())
            if turn:  # the first one warms up
                found[name].append(numbers)
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    table(found)


def table(found):
    print("| ns a call | caller, minimum | median | CPU, minimum | median | CPU beside |")
    print("|---|---|---|---|---|---|")
    for name, turns in found.items():
        caller, cpu = zip(*turns)
        other = SUBJECTS[name][1]
        beside = ""
        if other in found:
            ratios = [ours[1] / theirs[1] for ours, theirs in zip(turns, found[other])]
            beside = f"{statistics.median(ratios):.2f} of {other}"
        numbers = (min(caller), statistics.median(caller), min(cpu), statistics.median(cpu))
        print(f"| {name} | " + " | ".join(f"{number:,.0f}" for number in numbers) + f" | {beside} |")


if __name__ == "__main__":
    main()
