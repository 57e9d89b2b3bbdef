#!/usr/bin/env python3
"""OpenTelemetry's own exporters send to a running metlog: each span, log record and point that they say they sent is there.

    python3 otlp_senders.py --binary target/release/metlog [--python-json PYTHON] [--node NODE_MODULES]

Run with a Python that has OpenTelemetry's SDK and its OTLP exporters over gRPC and HTTP; `--python-json` is one with the
exporter of JSON, which does not go together with those; `--node` is a folder of Node packages with the exporters.
"""
import argparse, json, os, pathlib, subprocess, sys, tempfile, threading, time, urllib.error, urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from metlog_process import Metlog, free_port

SPANS = 500


class Checked:
    """An exporter that remembers what it was told was exported."""

    def __init__(self, inner, result):
        self.inner, self.good, self.sent, self.failed = inner, result, [], 0

    def export(self, spans):
        result = self.inner.export(spans)
        if result == self.good:
            self.sent.extend(spans)
        else:
            self.failed += len(spans)
        return result

    def shutdown(self):
        self.inner.shutdown()

    def force_flush(self, timeout_millis=30000):
        return True


def expected(span):
    """What the table must have of a span of the SDK."""
    def text(value):
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (list, tuple)):
            return json.dumps(list(value), separators=(",", ":"), ensure_ascii=False)
        return str(value)
    context = span.get_span_context()
    return {
        "trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}",
        "parent_span_id": f"{span.parent.span_id:016x}" if span.parent else "",
        "name": span.name, "kind": span.kind.name.lower(), "service": span.resource.attributes["service.name"],
        "status": {"UNSET": "", "OK": "ok", "ERROR": "error"}[span.status.status_code.name],
        "status_message": span.status.description or "",
        "start_unix_nanos": span.start_time, "duration_nanos": span.end_time - span.start_time,
        "attributes": {key: text(value) for key, value in span.attributes.items()},
        "events": [(event.timestamp, event.name, {key: text(value) for key, value in event.attributes.items()}) for event in span.events],
        "links": [(f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") for link in span.links],
    }


def make_spans(service, exporter):
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import Link, SpanKind, Status, StatusCode
    provider = TracerProvider(resource=Resource.create({"service.name": service, "service.instance.id": "é-1"}))
    provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=64, schedule_delay_millis=50, max_queue_size=10_000))
    tracer = provider.get_tracer("senders", "1.0", schema_url="https://example.org/schema")
    previous = None
    for nth in range(SPANS // 2):
        links = [Link(previous, {"why": "before"})] if previous else []
        with tracer.start_as_current_span(f"GET /{nth}", kind=SpanKind.SERVER, links=links) as span:
            previous = span.get_span_context()
            span.set_attributes({"http.route": "/é", "n": nth, "big": 2**53 + 1, "ratio": 0.5, "ok": nth % 2 == 0, "list": [1, 2, 3], "words": ["a", "é"]})
            with tracer.start_as_current_span("query", kind=SpanKind.CLIENT) as child:
                child.add_event("begun", {"rows": nth})
                if nth % 10 == 0:
                    child.set_status(Status(StatusCode.ERROR, "no rows"))
    provider.shutdown()


def rows(metlog, service):
    query = ("select trace_id, span_id, parent_span_id, name, kind, service, status, status_message, start_unix_nanos, duration_nanos,"
             f" attributes, events, links from spans where service = '{service}'")
    found = {}
    for row in metlog.sql(query):
        def pairs(map):
            return dict(map)
        row["attributes"] = pairs(row["attributes"])
        row["events"] = [(event["time_unix_nanos"], event["name"], pairs(event["attributes"])) for event in row["events"]]
        row["links"] = [(link["trace_id"], link["span_id"]) for link in row["links"]]
        assert row["span_id"] not in found, f"twice: {row}"
        found[row["span_id"]] = row
    return found


def python_traces(metlog, service, exporter, result):
    checked = Checked(exporter, result)
    make_spans(service, checked)
    assert checked.failed == 0 and len(checked.sent) == SPANS, (service, checked.failed, len(checked.sent))
    found = rows(metlog, service)
    assert len(found) == len(checked.sent), (service, len(found), len(checked.sent))
    for span in checked.sent:
        wanted = expected(span)
        assert found[wanted["span_id"]] == wanted, f"{service}: {found[wanted['span_id']]} instead of {wanted}"
    print(f"otlp senders: {service}: {len(found)} spans, equal", flush=True)


def json_traces(ports):
    """In the Python that has the exporter of JSON: prints what it sent."""
    from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import SpanExportResult
    checked = Checked(OTLPSpanExporter(endpoint=f"http://127.0.0.1:{ports}/v1/traces"), SpanExportResult.SUCCESS)
    make_spans("python-json", checked)
    assert checked.failed == 0, checked.failed
    print(json.dumps([expected(span) for span in checked.sent]))


def same(metlog, service, sent):
    found = rows(metlog, service)
    assert len(found) == len(sent) > 0, (service, len(found), len(sent))
    for wanted in sent:
        wanted["events"] = [tuple(event) for event in wanted["events"]]
        wanted["links"] = [tuple(link) for link in wanted["links"]]
        assert found[wanted["span_id"]] == wanted, f"{service}: {found[wanted['span_id']]} instead of {wanted}"
    print(f"otlp senders: {service}: {len(found)} spans, equal", flush=True)


def grpc_statuses(port):
    """What is refused over gRPC says why, with details that gRPC's own reader understands."""
    import grpc
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    def call(path, body, **options):
        return channel.unary_unary(path, request_serializer=lambda it: it, response_deserializer=lambda it: it)(body, timeout=10, **options)
    export = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    assert call(export, b"") == b""
    assert call(export, b"", compression=grpc.Compression.Gzip) == b""
    for path, body, code in ((export, b"\xff\xff", grpc.StatusCode.INVALID_ARGUMENT), ("/no.such.Service/Call", b"", grpc.StatusCode.UNIMPLEMENTED)):
        try:
            call(path, body)
            raise AssertionError(f"{path} was accepted")
        except grpc.RpcError as error:
            assert error.code() == code, error
            details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin") or dict(error.initial_metadata() or ()).get("grpc-status-details-bin")
            assert details and details[:2] == bytes([8, code.value[0]]), details
    try:
        call(export, b"\x0a" * (21 << 20))
        raise AssertionError("21 MiB were accepted")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
    print("otlp senders: gRPC's statuses are understood", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--python-json")
    parser.add_argument("--node")
    parser.add_argument("--json-to", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.json_to:
        return json_traces(options.json_to)
    grpc_port, http_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        metlog = Metlog(options.binary, folder, listener=f'otlp_grpc = "127.0.0.1:{grpc_port}"\notlp_http = "127.0.0.1:{http_port}"\n')
        try:
            send_all(options, metlog, grpc_port, http_port)
            ledger = json.loads(metlog.get("/api/ledger"))
            assert ledger["received"] == sum(ledger[key] for key in ("rejected", "dropped", "stored", "set_aside", "held")), ledger
            metlog.stop()
        finally:
            metlog.process.kill()


def send_all(options, metlog, grpc_port, http_port):
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.sdk.trace.export import SpanExportResult
    import grpc
    good = SpanExportResult.SUCCESS
    url = f"http://127.0.0.1:{http_port}/v1/traces"
    python_traces(metlog, "python-grpc", Grpc(endpoint=f"127.0.0.1:{grpc_port}", insecure=True), good)
    python_traces(metlog, "python-grpc-gzip", Grpc(endpoint=f"127.0.0.1:{grpc_port}", insecure=True, compression=grpc.Compression.Gzip), good)
    python_traces(metlog, "python-http", Http(endpoint=url), good)
    python_traces(metlog, "python-http-gzip", Http(endpoint=url, compression=Compression.Gzip), good)
    grpc_statuses(grpc_port)
    if options.python_json:
        sent = subprocess.run([options.python_json, __file__, "--binary", options.binary, "--json-to", str(http_port)], check=True, capture_output=True, text=True)
        same(metlog, "python-json", json.loads(sent.stdout.splitlines()[-1]))
    if options.node:
        for kind, address in (("grpc", f"http://127.0.0.1:{grpc_port}"), ("proto", url), ("http", url)):
            sent = subprocess.run(["node", str(HERE / "otlp_senders.mjs"), options.node, kind, address], check=True, capture_output=True, text=True)
            same(metlog, f"node-{kind}", json.loads(sent.stdout.splitlines()[-1]))


if __name__ == "__main__":
    sys.exit(main())
