"""The package `opentracing`: its own harness, whole, and what the harness does not look at."""

import asyncio

import opentracing
from opentracing.harness.api_check import APICompatibilityCheckMixin
from opentracing.harness.scope_check import ScopeCompatibilityCheckMixin
from reader import messages

import metlog
import metlog.opentracing


class TestApi(APICompatibilityCheckMixin):
    def tracer(self):
        client = metlog.Client(destinations=metlog.Captured(), statsd=False)
        return metlog.opentracing.Tracer(client)

    def is_parent(self, parent, span):
        return span.span._parent_span_id == (0 if parent is None else parent.span.context.span_id)


class TestScopes(ScopeCompatibilityCheckMixin):
    _manager = None

    def scope_manager(self):
        if self._manager is None:
            self._manager = metlog.opentracing.ScopeManager()
        return self._manager


class TestScopesOfTasks(TestScopes):
    def run_test(self, test_fn):
        async def run():
            test_fn()

        asyncio.run(run())


def traced():
    sent = metlog.Captured()
    client = metlog.Client(destinations=sent, statsd=False, logger="checkout")
    return client, metlog.opentracing.Tracer(client), sent


def spans(sent):
    return {message["name"]: message for message in messages(sent) if "span_id" in message}


def test_what_is_sent():
    client, tracer, sent = traced()
    other = tracer.start_span("other")
    with tracer.start_active_span("GET", tags={"span.kind": "server", "n": 3}, start_time=1_000.5) as scope:
        scope.span.set_tag("error", True).log_kv({"event": "retry", "n": 1}, timestamp=1_001.0)
        client.send(("in",), "message")
        with client.span("ours"):
            follows = [opentracing.child_of(scope.span.context), opentracing.follows_from(other.context)]
            tracer.start_span("child", references=follows).finish(2_000)
        scope.span.finish(1_002.5)
    client.close()
    found = spans(sent)
    assert (found["GET"]["kind"], found["GET"]["status"][0], found["GET"]["start"]) == (2, 2, 1_000_500_000_000)
    assert found["GET"]["duration"] == 2_000_000_000
    assert found["GET"]["events"] == [(500_000_000, "retry", [("n", 1)])]
    assert found["ours"]["parent_span_id"] == found["GET"]["span_id"] == found["child"]["parent_span_id"]
    assert found["child"]["links"][0][2] == [("opentracing.ref_type", "follows_from")]
    (message,) = (message for message in messages(sent) if "payload" in message)
    assert dict(message["fields"])["span_id"] == found["GET"]["span_id"]


def test_headers_carry_the_trace_and_its_baggage():
    client, tracer, _ = traced()
    span = tracer.start_span("root").set_baggage_item("user", "ann b")
    for carrier_format in (opentracing.Format.TEXT_MAP, opentracing.Format.HTTP_HEADERS):
        carrier = {"other": "x"}
        tracer.inject(span.context, carrier_format, carrier)
        read = tracer.extract(carrier_format, carrier)
        assert read.context.trace_id == span.context.context.trace_id and read.baggage == {"user": "ann b"}
        child = tracer.start_span("child", child_of=read)
        assert child.span._parent_span_id == span.context.context.span_id
        assert child.get_baggage_item("user") == "ann b"
    jaeger = {"uber-trace-id": "100:7f:0:1", "uberctx-user": "bob"}
    read = tracer.extract(opentracing.Format.HTTP_HEADERS, jaeger)
    assert (read.context.trace_id, read.baggage) == (0x100, {"user": "bob"})
    assert tracer.extract(opentracing.Format.BINARY, bytearray(b"short")) is None
    assert tracer.extract(opentracing.Format.TEXT_MAP, {}) is None
    client.close()
