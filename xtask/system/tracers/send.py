"""Sends spans with a client of the field, and prints each that it says it sent as a line of JSON:

    send.py CLIENT PORT [PORT]

Runs in the environment of old tracing clients: see `xtask/src/setup.rs`."""
import json, logging, os, sys, time

CLIENT, PORT = sys.argv[1], int(sys.argv[2])


def sent(trace, span, parent, service, name, kind, **tags):
    print(json.dumps({"trace": f"{trace:032x}", "span": f"{span:016x}", "parent": f"{parent:016x}" if parent else "",
                      "service": service, "name": name, "kind": kind,
                      "tags": {key: {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
                               for key, value in tags.items()}}), flush=True)


def jaeger_client():
    """PyPI jaeger-client 4.8: compact over UDP, strategies from the remote sampler."""
    from jaeger_client import Config
    config = Config(config={"sampling_refresh_interval": 1, "reporter_batch_size": 7,
                            "local_agent": {"reporting_host": "127.0.0.1", "reporting_port": PORT, "sampling_port": int(sys.argv[3])}},
                    service_name="py-jaeger", validate=True)
    tracer = config.initialize_tracer()
    deadline = time.time() + 20
    # It samples nothing before it has an answer.
    while time.time() < deadline:
        with tracer.start_span("first") as span:
            if span.is_sampled():
                break
        time.sleep(0.1)
    assert span.is_sampled(), "the remote sampler has no strategy"
    sent(span.context.trace_id, span.context.span_id, 0, "py-jaeger", "first", "")
    for nth in range(25):
        with tracer.start_span(f"op-{nth % 3}", tags={"span.kind": "server", "http.status_code": 200 + nth, "ratio": nth / 4 + 0.125,
                                                      "ok": nth % 2 == 0, "text": "gr\u00fc\u00df"}) as span:
            span.log_kv({"event": "began", "nth": nth})
            with tracer.start_span("child", child_of=span) as child:
                child.set_tag("span.kind", "client")
        sent(span.context.trace_id, span.context.span_id, 0, "py-jaeger", f"op-{nth % 3}", "server",
             **{"span.kind": "server", "http.status_code": 200 + nth, "ratio": nth / 4 + 0.125, "ok": nth % 2 == 0, "text": "gr\u00fc\u00df"})
        sent(child.context.trace_id, child.context.span_id, span.context.span_id, "py-jaeger", "child", "client", **{"span.kind": "client"})
    # Closing a tracer sends what it still has, in a thread of its own.
    tracer.close()
    time.sleep(2)


def otel(exporter):
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import Link, SpanKind, Status, StatusCode
    service = "py-" + CLIENT
    provider = TracerProvider(resource=Resource.create({"service.name": service, "region": "eu"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("suite", "1")
    for nth in range(30):
        with tracer.start_as_current_span(f"op-{nth % 3}", kind=SpanKind.SERVER, attributes={"n": nth, "half": nth / 2 + 0.25, "is": True, "list": ["a", "b"]}) as span:
            span.add_event("half-way", {"k": "v"})
            if nth % 5 == 0:
                span.set_status(Status(StatusCode.ERROR, "boom"))
            with tracer.start_as_current_span("child", kind=SpanKind.CLIENT, links=[Link(span.get_span_context())]) as child:
                pass
        of, inner = span.get_span_context(), child.get_span_context()
        sent(of.trace_id, of.span_id, 0, service, f"op-{nth % 3}", "server", n=nth, half=nth / 2 + 0.25, **{"is": True})
        sent(inner.trace_id, inner.span_id, of.span_id, service, "child", "client")
    assert provider.force_flush()
    provider.shutdown()


def otel_thrift_udp():
    from opentelemetry.exporter.jaeger.thrift import JaegerExporter
    otel(JaegerExporter(agent_host_name="127.0.0.1", agent_port=PORT, udp_split_oversized_batches=True))


def otel_thrift_http():
    from opentelemetry.exporter.jaeger.thrift import JaegerExporter
    otel(JaegerExporter(collector_endpoint=f"http://127.0.0.1:{PORT}/api/traces?format=jaeger.thrift"))


def otel_grpc():
    # Its generated code is older than what protobuf reads fast.
    os.environ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"
    from opentelemetry.exporter.jaeger.proto.grpc import JaegerExporter
    otel(JaegerExporter(collector_endpoint=f"127.0.0.1:{PORT}", insecure=True))


def py_zipkin():
    import urllib.request
    from py_zipkin import Encoding, Kind
    from py_zipkin.transport import BaseTransportHandler
    from py_zipkin.util import ZipkinAttrs, generate_random_64bit_string
    from py_zipkin.zipkin import zipkin_client_span, zipkin_span

    class Http(BaseTransportHandler):
        path, content_type = "", ""

        def get_max_payload_bytes(self):
            return None

        def send(self, payload):
            payload = payload if isinstance(payload, bytes) else payload.encode()
            request = urllib.request.Request(f"http://127.0.0.1:{PORT}{self.path}", payload, {"Content-Type": self.content_type})
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert answer.status == 202, answer.status

    for encoding, path, content_type in [(Encoding.V1_JSON, "/api/v1/spans", "application/json"),
                                         (Encoding.V2_JSON, "/api/v2/spans", "application/json"),
                                         (Encoding.V2_PROTO3, "/api/v2/spans", "application/x-protobuf")]:
        handler = Http()
        handler.path, handler.content_type = path, content_type
        service = f"py-zipkin-{encoding.name.lower()}"
        for nth in range(5):
            attributes = ZipkinAttrs(generate_random_64bit_string(), generate_random_64bit_string(), None, "0", True)
            with zipkin_span(service_name=service, span_name=f"op-{nth}", transport_handler=handler, zipkin_attrs=attributes,
                             kind=Kind.SERVER, encoding=encoding, port=80, binary_annotations={"nth": str(nth)}) as root:
                with zipkin_client_span(service_name=service, span_name="child") as child:
                    child.update_binary_annotations({"inner": "yes"})
                    inner = child.zipkin_attrs
            trace, span = int(attributes.trace_id, 16), int(attributes.span_id, 16)
            sent(trace, span, 0, service, f"op-{nth}", "server", nth=nth)
            sent(trace, int(inner.span_id, 16), span, service, "child", "client", inner="yes")


def scribe():
    """PyPI facebook-scribe: Milo's frames in log entries, and an entry that is no span."""
    import struct
    from scribe import scribe
    from thrift.protocol import TBinaryProtocol
    from thrift.transport import TSocket, TTransport

    def span(trace, own, parent, side):
        def text(field, value):
            return struct.pack(">bhi", 11, field, len(value)) + value.encode()
        events = [(1, 1_700_000_000_000_000), (2, 1_700_000_000_900_000)] if side == "client" else [(4, 1_700_000_000_100_000), (3, 1_700_000_000_800_000)]
        body = struct.pack(">bhq", 10, 1, trace) + text(2, "Echo.ping") + struct.pack(">bhq", 10, 3, own) + struct.pack(">bhq", 10, 4, parent)
        body += struct.pack(">bhbi", 15, 7, 12, len(events)) + b"".join(struct.pack(">bhqbhi", 10, 1, at, 8, 2, of) + b"\0" for of, at in events)
        body += struct.pack(">bhbbi", 13, 8, 11, 11, 1) + struct.pack(">i", 4) + b"user" + struct.pack(">i", 2) + b"u7" + b"\0"
        return b"\x8b\xad\xf0\x0d" + struct.pack(">i", len(body)) + body

    # The client is of a time in which texts were bytes.
    binary = TBinaryProtocol.TBinaryProtocol
    write_text = binary.writeString
    binary.writeString = lambda self, text: self.writeBinary(text) if isinstance(text, bytes) else write_text(self, text)
    transport = TTransport.TFramedTransport(TSocket.TSocket("127.0.0.1", PORT))
    client = scribe.Client(TBinaryProtocol.TBinaryProtocol(transport, strictRead=False, strictWrite=False))
    transport.open()
    for nth in range(1, 11):
        entries = []
        for side in ("client", "server"):
            entries.append(scribe.LogEntry("Milo-Trace", span(nth, 100 + nth, 7, side)))
            sent(nth, 100 + nth, 7, "Echo", "Echo.ping", side, user="u7")
        assert client.Log(entries) == 0
    assert client.Log([scribe.LogEntry("web", "GET /\n")]) == 0
    transport.close()


logging.basicConfig(level=logging.WARNING)
globals()[CLIENT]()
