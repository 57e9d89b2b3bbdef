#!/usr/bin/env python3
"""Reads traces as Grafana, Zipkin's and gRPC's clients do, from a running metlog that OTLP and Zipkin's spans were sent to.

    python3 trace_readers.py --binary target/release/metlog

Run with a Python that has grpcio. What Grafana asks is what its Jaeger and Zipkin sources send: paths, parameters, units.
"""
import argparse, json, os, pathlib, sys, time, urllib.error, urllib.parse, urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from metlog_process import Metlog, balanced, free_port, run, running, until

SECOND = 1_000_000_000


def text(key, value):
    return {"key": key, "value": {"stringValue": value}}


def span(trace, nth, parent, name, start, nanos, kind=2, **more):
    made = {"traceId": f"{trace:032x}", "spanId": f"{nth:016x}", "name": name, "kind": kind, "startTimeUnixNano": str(start), "endTimeUnixNano": str(start + nanos), **more}
    return made | ({"parentSpanId": f"{parent:016x}"} if parent else {})


def shop(now):
    """Two traces: a checkout that calls the bank, and one that fails."""
    failed = {"status": {"code": 2, "message": "no money"}, "attributes": [text("http.route", "/pay")]}
    of = {
        "shop": [span(1, 1, 0, "checkout", now - 3 * SECOND, SECOND), span(2, 1, 0, "checkout", now - SECOND, SECOND // 10)],
        "bank/eu": [span(1, 2, 1, "pay", now - 3 * SECOND + 1000, SECOND // 2), span(2, 2, 1, "pay", now - SECOND, SECOND // 20, **failed)],
    }
    spans = [{"resource": {"attributes": [text("service.name", name)]}, "scopeSpans": [{"spans": spans}]} for name, spans in of.items()]
    return {"resourceSpans": spans}


def post(port, path, body, kind="application/json"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, answer.read()


def get(port, path, **parameters):
    query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}{query}", timeout=30) as answer:
        return json.loads(answer.read())


class Filled:
    """A metlog that has the spans of [`shop`]."""

    def __init__(self, binary):
        self.ports = {name: free_port() for name in ("otlp_http", "zipkin", "otlp_grpc")}
        listener = "".join(f'{name} = "127.0.0.1:{port}"\n' for name, port in self.ports.items())
        self.context = running(binary, listener=listener)

    def __enter__(self):
        self.metlog = self.context.__enter__()
        self.now = time.time_ns() - 60 * SECOND
        post(self.ports["otlp_http"], "/v1/traces", shop(self.now))
        until("the spans in SQL", lambda: self.metlog.one("select count(*) as n from spans") == 4)
        return self

    def __exit__(self, *error):
        return self.context.__exit__(*error)


def grafana_jaeger(binary):
    """What Grafana's Jaeger source asks: its test, the form's lists, a search, a trace, the node graph."""
    with Filled(binary) as filled:
        port, now = filled.metlog.http, filled.now
        assert sorted(get(port, "/api/services")["data"]) == ["bank/eu", "shop"]
        assert get(port, f"/api/services/{urllib.parse.quote('bank/eu', safe='')}/operations")["data"] == ["pay"]
        micros = lambda at: at // 1000
        found = get(port, "/api/traces", service="shop", operation="checkout", start=micros(now - 60 * SECOND), end=micros(now + 60 * SECOND), minDuration="500ms", limit=20, lookback="custom")
        assert [trace["traceID"] for trace in found["data"]] == ["0000000000000001"], found
        tagged = get(port, "/api/traces", service="bank/eu", tags='{"error":"true","http.route":"/pay"}', start=micros(now - 60 * SECOND), end=micros(now + 60 * SECOND), limit=20)
        assert [trace["traceID"] for trace in tagged["data"]] == ["0000000000000002"], tagged
        trace = get(port, f"/api/traces/{1:032x}", start=micros(now - 60 * SECOND), end=micros(now))["data"][0]
        assert len(trace["spans"]) == 2 and {of["serviceName"] for of in trace["processes"].values()} == {"shop", "bank/eu"}
        millis = lambda at: at // 1_000_000
        edges = get(port, "/api/dependencies", endTs=millis(now + 60 * SECOND), lookback=120_000)["data"]
        assert edges == [{"parent": "shop", "child": "bank/eu", "callCount": 2}], edges
        below = get(port, "/jaeger/api/services")
        assert below["total"] == 2, "below a path, as behind a proxy"
        return "services, operations, search, trace, dependencies"


def grafana_zipkin(binary):
    """What Grafana's Zipkin source asks, at the address where spans of Zipkin's clients come in."""
    with Filled(binary) as filled:
        port, now = filled.ports["zipkin"], filled.now
        sent = [{"traceId": "00000000000000aa", "id": "00000000000000ab", "name": "GET /Cart", "kind": "CLIENT", "timestamp": now // 1000, "duration": 1500, "localEndpoint": {"serviceName": "Front", "ipv4": "10.0.0.1"}, "tags": {"http.path": "/cart"}, "debug": True}]
        assert post(port, "/api/v2/spans", sent)[0] == 202
        until("Zipkin's span", lambda: filled.metlog.one("select count(*) as n from spans") == 5)
        assert get(port, "/api/v2/services") == ["bank/eu", "front", "shop"]
        assert get(port, "/api/v2/spans", serviceName="front") == ["get /cart"]
        expected = [sent[0] | {"name": "get /cart", "localEndpoint": {"serviceName": "front", "ipv4": "10.0.0.1"}}]
        assert get(port, "/api/v2/trace/00000000000000aa") == expected, get(port, "/api/v2/trace/00000000000000aa")
        end = now // 1_000_000 + 60_000
        found = get(port, "/zipkin/api/v2/traces", serviceName="front", spanName="get /cart", lookback=3_600_000, endTs=end, limit=10)
        assert found == [expected], found
        links = get(port, "/api/v2/dependencies", endTs=end, lookback=3_600_000)
        assert links == [{"parent": "shop", "child": "bank/eu", "callCount": 2, "errorCount": 1}], links
        try:
            get(port, "/api/v2/trace/00000000000000ff")
            raise AssertionError("a trace that is not there")
        except urllib.error.HTTPError as error:
            assert (error.code, error.read()) == (404, b"00000000000000ff not found")
        balanced(filled.metlog.ledger())
        return "services, names, a trace as it was sent, search, dependencies"


def jaeger_grpc(binary):
    """`jaeger.api_v3.QueryService` as gRPC's clients call it, on the address of HTTP."""
    import grpc
    with Filled(binary) as filled:
        with grpc.insecure_channel(f"127.0.0.1:{filled.metlog.http}") as channel:
            raw = {"request_serializer": bytes, "response_deserializer": bytes}
            services = channel.unary_unary("/jaeger.api_v3.QueryService/GetServices", **raw)(b"", timeout=30)
            assert b"shop" in services and b"bank/eu" in services, services
            get_trace = channel.unary_stream("/jaeger.api_v3.QueryService/GetTrace", **raw)
            trace = b"".join(get_trace(b"\x0a\x01\x31\x20\x01", timeout=30))
            assert b"checkout" in trace and b"pay" in trace, trace
            try:
                list(get_trace(b"\x0a\x02\x37\x37", timeout=30))
                raise AssertionError("a trace that is not there")
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.NOT_FOUND, error
        return "services, a trace, one that is not there"


def what_the_readme_joins(binary):
    """The query of README.md that joins spans with messages, as it stands there."""
    readme = (HERE.parent.parent / "README.md").read_text()
    query = next(part.split("```")[0] for part in readme.split("```sql\n")[1:] if "join messages" in part)
    with Filled(binary) as filled:
        body = {"resourceLogs": [{"resource": {"attributes": [text("service.name", "bank/eu")]}, "scopeLogs": [{"logRecords": [
            {"timeUnixNano": str(filled.now - SECOND), "severityNumber": 17, "body": {"stringValue": "account 7 has no money"}, "traceId": f"{2:032x}", "spanId": f"{2:016x}"}]}]}]}
        post(filled.ports["otlp_http"], "/v1/logs", body)
        until("the log record", lambda: filled.metlog.one("select count(*) as n from messages") == 1)
        rows = filled.metlog.sql(query)
        assert [(row["service"], row["name"], row["payload"]) for row in rows] == [("bank/eu", "pay", "account 7 has no money")], rows
        tree = filled.metlog.sql("select t['span_id'] as id, t['critical_nanos'] as n from (select unnest(trace_tree(span_id, parent_span_id, start_unix_nanos, duration_nanos)) as t from spans group by trace_id)")
        assert sum(row["n"] for row in tree) == SECOND + SECOND // 10, tree
        return f"{len(rows)} row"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    run([grafana_jaeger, grafana_zipkin, jaeger_grpc, what_the_readme_joins], parser.parse_args().binary)
