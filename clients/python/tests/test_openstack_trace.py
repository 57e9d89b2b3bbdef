"""Three services, made of OpenStack's own parts, make one trace of known shape; and oslo.middleware's own tracing,
whose faults this one must not have."""

import contextlib
import os
import pathlib
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from test_hooks import memcached  # noqa: F401 - a fixture

import metlog
import metlog.wsgi
from metlog import propagation

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "xtask" / "system"))
BINARY = os.environ.get("METLOG_BINARY")

#: Path from the root of each span: service and name; how often in each trace.
SHAPE = Counter(
    [
        "nova-api GET",
        "nova-api GET > nova-api GET",
        "nova-api GET > nova-api GET > placement GET",
        "nova-api GET > nova-api GET > placement GET > placement INSERT",
        "nova-api GET > nova-api GET > placement GET > placement SELECT",
        "nova-api GET > nova-api RPC_CALL",
        "nova-api GET > nova-api RPC_CALL > nova-conductor build",
        "nova-api GET > nova-api RPC_CALL > nova-conductor build > nova-conductor memcache:get",
        "nova-api GET > nova-api RPC_CALL > nova-conductor build > nova-conductor NOTIFY",
        "nova-api GET > nova-api RPC_CALL > nova-conductor build > nova-conductor NOTIFY > nova-conductor notification",
        "nova-api GET > nova-api RPC_CAST",
        "nova-api GET > nova-api RPC_CAST > nova-conductor tidy",
    ]
)
ONLY_ONCE = "nova-api GET > nova-api RPC_CALL > nova-conductor build > nova-conductor memcache:set"
COUNT = 3


def paths(rows):
    known = {row["span_id"]: row for row in rows}

    def path(row):
        above = known.get(row["parent_span_id"])
        own = f"{row['service']} {row['name']}"
        return own if above is None else f"{path(above)} > {own}"

    return Counter(path(row) for row in rows)


@pytest.mark.skipif(not BINARY, reason="METLOG_BINARY names no binary of metlog")
@pytest.mark.parametrize("executor", ["threading", "eventlet"])
def test_one_trace_through_three_services(executor, memcached, tmp_path):  # noqa: F811
    import metlog_process
    import pymemcache

    pymemcache.Client(("127.0.0.1", memcached)).flush_all()
    with metlog_process.running(BINARY) as listener:
        command = [sys.executable, "-W", "ignore", str(HERE / "apps" / "cloud.py"), str(tmp_path), str(memcached)]
        command += [f"127.0.0.1:{listener.metlog}", executor, str(COUNT)]
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "src")}
        done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr.decode()[-3_000:]
        answers = [line.split() for line in done.stdout.decode().splitlines()]
        assert [answer[:3] for answer in answers] == [["200", "node-1", "built"]] * COUNT
        expected = COUNT * sum(SHAPE.values()) + 1
        metlog_process.until(f"{expected} spans", lambda: listener.one("select count(*) from spans") >= expected)
        traces = Counter()
        for _, _, _, request_id in answers:
            # By the id that the caller was told, as an operator would look for it.
            found = listener.sql(
                "select trace_id from spans where kind = 'server' and service = 'nova-api' "
                f"and attributes['openstack.request_id'] = '{request_id}'"
            )
            assert len(found) == 1
            traces[found[0]["trace_id"]] += 1
            rows = listener.sql(
                "select span_id, parent_span_id, service, name, kind, status, "
                "attributes['openstack.request_id'] as request "
                f"from spans where trace_id = '{found[0]['trace_id']}'"
            )
            shape = paths(rows)
            assert shape - Counter({ONLY_ONCE: 1}) == SHAPE
            assert not [row for row in rows if row["status"] == "error"]
            (build,) = (row for row in rows if row["name"] == "build")
            assert build["request"] == request_id and build["kind"] == "server"
        assert len(traces) == COUNT
        assert listener.one("select count(*) from spans") == expected
        ledger = listener.ledger()
        metlog_process.balanced(ledger)
        assert ledger["lost"] == 0 and ledger["rejected"] == 0


# Beside `oslo_middleware.tracing`: what it gets wrong is looked at in both, so that the tests can fail.

ROOT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Ours:
    def __init__(self, app, sampling=1.0):
        self.sent = metlog.Captured()
        self.client = metlog.Client(destinations=self.sent, statsd=False, sampling=sampling)
        self.app = metlog.wsgi.Middleware(app, self.client)

    def spans(self):
        from reader import messages

        self.client.flush()
        return [(span["name"], span["trace_id"], span["duration"]) for span in messages(self.sent)]

    @staticmethod
    def inside():
        """Trace and baggage of what runs now."""
        context = metlog.current_context()
        return (f"{context.trace_id:032x}", dict(context.baggage)) if context else None


class Theirs:
    def __init__(self, app, sampling=1.0):
        from opentelemetry import trace
        from opentelemetry.sdk.trace import export
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        from opentelemetry.util._once import Once
        from oslo_config import cfg
        from oslo_middleware import tracing

        trace._TRACER_PROVIDER_SET_ONCE = Once()
        tracing._INITIALIZED = False
        self.exporter = InMemorySpanExporter()
        tracing._create_exporter = lambda conf: self.exporter
        tracing.otel_export.BatchSpanProcessor = export.SimpleSpanProcessor
        tracing._register_opts(cfg.CONF)
        for key, value in (("enabled", True), ("service_name", "x"), ("sampling_rate", sampling)):
            cfg.CONF.set_override(key, value, "oslo_middleware_tracing")
        self.app = tracing.TracingMiddleware(app, cfg.CONF)

    def spans(self):
        found = self.exporter.get_finished_spans()
        return [(span.name, f"{span.context.trace_id:032x}", span.end_time - span.start_time) for span in found]

    @staticmethod
    def inside():
        from opentelemetry import baggage, trace

        context = trace.get_current_span().get_span_context()
        return (f"{context.trace_id:032x}", dict(baggage.get_all())) if context.is_valid else None


def ask(app, path="/v2/servers/7", **headers):
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "wsgi.url_scheme": "http", "HTTP_HOST": "x"}
    body = app({**environ, **headers}, lambda *_: lambda _: None)
    content = b"".join(body)
    if hasattr(body, "close"):
        body.close()
    return content


def both(app, sampling=1.0):
    """Ours, and whether theirs still has the fault."""
    return Ours(app, sampling), Theirs(app, sampling)


def ok(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]


def test_an_exception_in_the_application_ends_the_span():
    def failing(environ, start_response):
        raise KeyError("x")

    ours, theirs = both(failing)
    for each in (ours, theirs):
        with pytest.raises(KeyError):
            ask(each.app, HTTP_TRACEPARENT=ROOT)
    assert len(ours.spans()) == 1 and ours.inside() is None
    assert theirs.spans() == [] and theirs.inside() is not None, "its span is open, and still the current one"
    from opentelemetry import context

    context.attach(context.Context())


def test_a_streamed_body_is_a_part_of_the_request():
    def streaming(environ, start_response):
        start_response("200 OK", [])

        def body():
            time.sleep(0.05)
            yield b"x"

        return body()

    ours, theirs = both(streaming)
    assert ask(ours.app) == ask(theirs.app) == b"x"
    assert ours.spans()[0][2] > 50_000_000 > theirs.spans()[0][2]


def test_baggage_goes_on():
    seen = []

    def looking(environ, start_response):
        seen.append(each.inside())
        return ok(environ, start_response)

    ours, theirs = both(looking)
    for each in (ours, theirs):
        ask(each.app, HTTP_TRACEPARENT=ROOT, HTTP_BAGGAGE="tenant=blue")
    trace_id = ROOT.split("-")[1]
    assert seen == [(trace_id, {"tenant": "blue"}), (trace_id, {})]


def test_who_began_the_trace_decides():
    ours, theirs = both(ok, 0.0)
    for each in (ours, theirs):
        ask(each.app, HTTP_TRACEPARENT=ROOT)
    assert [trace_id for _, trace_id, _ in ours.spans()] == [ROOT.split("-")[1]]
    assert theirs.spans() == [], "it decides anew: the trace breaks apart"
    kept, theirs = both(ok, 1.0)
    for each in (kept, theirs):
        ask(each.app, HTTP_TRACEPARENT=ROOT[:-1] + "0")
    assert kept.spans() == [] and len(theirs.spans()) == 1


def test_names_are_bounded():
    ours, theirs = both(ok)
    for each in (ours, theirs):
        for n in range(20):
            ask(each.app, f"/v2/servers/{n}")
    assert {name for name, _, _ in ours.spans()} == {"GET"}
    assert len({name for name, _, _ in theirs.spans()}) == 20


def test_a_filter_that_was_loaded_before_the_fork_traces_in_both(tmp_path):
    import socket

    from reader import read

    from metlog import paste

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(10)
        where = f"127.0.0.1:{listener.getsockname()[1]}"
        app = paste.factory({}, destinations=where, sampling="1.0", statsd="false", service_name="x")(ok)
        ask(app, "/before")
        child = os.fork()
        if not child:
            ask(app, "/child")
            os._exit(0 if app._measures.client.flush() else 1)
        assert os.waitpid(child, 0)[1] == 0
        ask(app, "/parent")
        app._measures.client.close()
        found = {}
        while len(found) < 3:
            header, messages = read(listener.recv(65_536))
            found.update({dict(span["attributes"])["url.path"]: header["sender"] for span in messages})
        assert found["/before"] == found["/parent"] != found["/child"]


def test_what_is_known_of_a_request_is_searchable():
    from oslo_context.context import RequestContext

    from metlog import openstack

    ids = {"request_id": "req-1", "project_id": "p", "user_id": "u", "global_request_id": "req-0"}
    context = RequestContext(overwrite=False, **ids)
    found = dict(openstack.request_ids({"oslo.context": context, "openstack.request_id": "req-1"}))
    assert found["openstack.request_id"] == "req-1" and found["openstack.project_id"] == "p"
    assert found["openstack.global_request_id"] == "req-0"
    assert openstack.request_ids({}) == [] and propagation.FORMATS


def test_what_a_service_put_into_its_context_fails_no_request():
    from metlog import paste

    class Strange:
        @property
        def request_id(self):
            raise RuntimeError("x")

    app = paste.factory({}, destinations="127.0.0.1:9", sampling="1.0", statsd="false")(ok)
    assert ask(app, **{"oslo.context": Strange()}) == b"ok"
    app._measures.client.close()


# oslo.messaging without the pipeline: the public serializer alone, and the hook alone.


class Endpoint:
    """Notes the trace that its methods run in."""

    def __init__(self, client):
        self.client, self.seen, self.done = client, [], threading.Event()

    def note(self, ctxt):
        context = metlog.current_context()
        with self.client.span("inside"):
            self.seen.append((ctxt, f"{context.trace_id:032x}" if context else None))

    def work(self, ctxt):
        self.note(ctxt)

    def fail(self, ctxt):
        raise KeyError("secret")

    def info(self, ctxt, publisher_id, event_type, payload, metadata):
        self.note(ctxt)
        self.done.set()


@contextlib.contextmanager
def messaging(serializer):
    """A client, a notifier and the endpoint that both reach."""
    import oslo_messaging
    from oslo_config import cfg

    cfg.CONF([])
    sent = metlog.Captured()
    ours = metlog.Client(destinations=sent, statsd=False, logger="x")
    endpoint = Endpoint(ours)
    topic = f"topic-{id(endpoint)}"
    transport = oslo_messaging.get_rpc_transport(cfg.CONF, "fake://")
    notifications = oslo_messaging.get_notification_transport(cfg.CONF, "fake://")
    target = oslo_messaging.Target(topic=topic, server="s")
    servers = [
        oslo_messaging.get_rpc_server(transport, target, [endpoint], "threading", serializer=serializer),
        oslo_messaging.get_notification_listener(
            notifications, [oslo_messaging.Target(topic="n" + topic)], [endpoint], "threading", serializer=serializer
        ),
    ]
    for server in servers:
        server.start()
    client = oslo_messaging.get_rpc_client(transport, oslo_messaging.Target(topic=topic), serializer=serializer)
    notifier = oslo_messaging.Notifier(
        notifications, "p", driver="messaging", topics=["n" + topic], serializer=serializer
    )
    try:
        yield ours, sent, client, notifier, endpoint
    finally:
        for server in servers:
            server.stop()
            server.wait()
        ours.close()


def test_the_serializer_alone_carries_the_trace():
    import metlog.openstack

    with messaging(metlog.openstack.Serializer()) as (ours, sent, client, notifier, endpoint):
        with ours.span("root") as root:
            client.call({"request_id": "r"}, "work")
            notifier.info({"request_id": "r"}, "e", {})
        assert endpoint.done.wait(10)
        client.call({"request_id": "r"}, "work")
        trace_id = f"{root.context.trace_id:032x}"
        # oslo.messaging empties a notification's context that is a plain dictionary, before it is serialized.
        assert [ctxt for ctxt, _ in endpoint.seen] == [{"request_id": "r"}, {}, {"request_id": "r"}]
        assert [seen for _, seen in endpoint.seen] == [trace_id, trace_id, None]
        found = spans_of(ours, sent)
        inside = [span for span in found if span["name"] == "inside"]
        assert [span["parent_span_id"] for span in inside[:2]] == [f"{root.context.span_id:016x}"] * 2
        assert inside[2]["trace_id"] != trace_id, "no trace is left over in the thread"


def test_the_hook_alone_carries_the_trace_and_ends_what_fails():
    import metlog.hooks

    with messaging(None) as (ours, sent, client, notifier, endpoint):
        metlog.hooks.install("oslo_messaging", client=ours)
        try:
            with ours.span("root") as root:
                client.call({"request_id": "req-1"}, "work")
                notifier.info({}, "e", {})
                for method in ("fail", "no_such_method"):
                    with pytest.raises(Exception, match="secret|no_such"):
                        client.call({}, method)
            assert endpoint.done.wait(10)
        finally:
            metlog.hooks.uninstall()
        deadline = time.monotonic() + 10
        # The server's spans end behind its answers.
        while len(found := spans_of(ours, sent)) < 11 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert {span["trace_id"] for span in found} == {f"{root.context.trace_id:032x}"}
        names = Counter((span["name"], span["kind"], span["status"][0]) for span in found)
        assert names == {
            ("root", 1, 0): 1, ("RPC_CALL", 3, 0): 1, ("work", 2, 0): 1, ("inside", 1, 0): 2, ("NOTIFY", 4, 0): 1,
            ("notification", 5, 0): 1, ("RPC_CALL", 3, 2): 2, ("fail", 2, 2): 1, ("RPC", 2, 2): 1,
        }  # fmt: skip
        (work,) = (span for span in found if span["name"] == "work")
        assert dict(work["attributes"])["openstack.request_id"] == "req-1"


def spans_of(ours, sent):
    from reader import messages

    ours.flush()
    return [message for message in messages(sent) if "span_id" in message]
