"""Spans and their propagation."""

import asyncio
import json
import pathlib
import threading

import pytest
from reader import messages, read

import metlog
import metlog.asgi
import metlog.wsgi
from metlog import _spans, _wire, propagation
from metlog.propagation import Context

EXAMPLES = pathlib.Path(__file__).resolve().parents[3] / "schemas" / "examples"


def capturing(**config):
    sent = metlog.Captured()
    return metlog.Client(destinations=sent, statsd=False, logger="checkout", **config), sent


def spans(sent):
    return {span["name"]: span for span in (message for message in messages(sent) if "span_id" in message)}


def of_example(kind, value):
    if kind == "nested":
        return [2, True] if value == "2a040a021801" else None
    return {"text": str, "int": int, "double": float, "bool": bool, "bytes": bytes.fromhex}[kind](value)


def test_vectors():
    """The example with everything, byte for byte, but for what only its own writer says."""
    example = json.loads((EXAMPLES / "wire.v1.span_with_everything.pass.json").read_text())
    expected = bytes.fromhex((EXAMPLES / "wire.v1.span_with_everything.pass.hex").read_text())
    for message in (message["span"] for message in example["messages"] if "span" in message):
        pairs = [(key, kind, value) for key, kind, value in message["attributes"] if kind != "nested"]
        written = b"".join(_wire.text(key) + _spans._value(of_example(kind, value)) for key, kind, value in pairs)
        for key, kind, value in pairs:
            one = _wire.text(key) + _spans._value(of_example(kind, value))
            assert one in expected, (key, kind)
        assert written


def test_the_smallest_span_byte_for_byte():
    example = json.loads((EXAMPLES / "wire.v1.span.pass.json").read_text())
    header, (message,) = example["header"], example["messages"]
    said = message["span"]
    span = _spans.Span(None, said["name"], said["kind"])
    span.context = Context(int(said["trace_id"], 16), int(said["span_id"], 16), said["flags"])
    span._parent_span_id, span._remote, span._probability = 0, False, None
    span._started, span._duration = int(said["start_unix_nanos"]), int(said["duration_nanos"])
    span._attributes, span._events, span._links, span._left_out = [], [], [], [0, 0, 0]
    span._status, span._message = 0, ""
    writer = _wire.Datagrams(1_432, header["sender"], header["pid"], header["hostname"], header["logger"])
    made = writer.datagram(header["sequence"], header["opened_at"], header["dropped"], span.frame(header["opened_at"]))
    assert made == bytes.fromhex((EXAMPLES / "wire.v1.span.pass.hex").read_text())


def test_nesting_attributes_events_links_and_status():
    client, sent = capturing()
    other = Context(5, 6, 1)
    with client.span("outer", "server", {"http.route": "/cart", "n": 3, "ok": True, "f": 0.5}) as outer:
        client.send(("in",), "side")
        with client.span("inner") as inner:
            inner.event("retry", {"attempt": 2}).link(other, {"why": "x"}).status("error", "out of stock")
        assert metlog.current_context() == outer.context
    assert metlog.current_context() is None
    client.send(("after",), "x")
    client.close()
    found = spans(sent)
    assert found["inner"]["parent_span_id"] == found["outer"]["span_id"] != found["inner"]["span_id"]
    assert found["inner"]["trace_id"] == found["outer"]["trace_id"]
    assert found["outer"]["parent_span_id"] == "0" * 16
    assert found["outer"]["kind"] == 2 and found["inner"]["status"] == (2, "out of stock")
    assert found["outer"]["attributes"] == [("http.route", "/cart"), ("n", 3), ("ok", True), ("f", 0.5)]
    assert found["inner"]["events"][0][1:] == ("retry", [("attempt", 2)])
    assert found["inner"]["links"] == [("%032x" % 5, "%016x" % 6, [("why", "x")])]
    inside, after = (message for message in messages(sent) if "payload" in message)
    ids = dict(inside["fields"])
    assert ids == {"trace_id": found["outer"]["trace_id"], "span_id": found["outer"]["span_id"]}
    assert after["fields"] == []


def test_exceptions_end_the_span():
    client, sent = capturing()
    with pytest.raises(KeyError), client.span("work"):
        raise KeyError("x")
    client.close()
    span = spans(sent)["work"]
    assert span["status"][0] == 2
    assert ("exception.type", "KeyError") in span["events"][0][2]


def test_functions_coroutines_tasks_and_threads():
    client, sent = capturing()

    @client.span("function")
    def function():
        return 7

    @client.span("coroutine")
    async def coroutine(n):
        await asyncio.sleep(0.01)
        with client.span(f"task {n}"):
            await asyncio.sleep(0.01)

    async def main():
        with client.span("all"):
            await asyncio.gather(*(coroutine(n) for n in range(3)))

    assert function() == 7 == function()
    asyncio.run(main())
    with client.span("main thread"):
        thread = threading.Thread(target=lambda: client.span("other thread").begin().end())
        thread.start()
        thread.join()
    client.close()
    every = [message for message in messages(sent) if "span_id" in message]
    by_id = {span["span_id"]: span for span in every}
    for span in every:
        if span["name"].startswith("task"):
            assert by_id[span["parent_span_id"]]["name"] == "coroutine"
        if span["name"] == "coroutine":
            assert by_id[span["parent_span_id"]]["name"] == "all"
    assert spans(sent)["other thread"]["parent_span_id"] == "0" * 16
    assert sum(span["name"] == "function" for span in every) == 2


def test_sampling_is_decided_at_the_root():
    client, sent = capturing(sampling=0.5, queue_messages=100_000)
    for _ in range(400):
        with client.span("root"), client.span("child") as child:
            client.span("grandchild").begin().end()
            assert child.context.is_valid
    client.close()
    every = [message for message in messages(sent) if "span_id" in message]
    roots = {span["trace_id"] for span in every if span["name"] == "root"}
    assert 130 < len(roots) < 270
    assert len(every) == 3 * len(roots), "a trace is kept whole, or not at all"
    assert all(span["probability"] == (0.5 if span["name"] == "root" else None) for span in every)
    off, sent = capturing(sampling=0)
    with off.span("root") as span:
        headers = {}
        propagation.inject(span.context, headers)
    off.close()
    assert sent.datagrams == [] and headers["traceparent"].endswith("-00")


def test_bounds():
    client, sent = capturing(datagram_bytes=65_507)
    with client.span("much") as span:
        for n in range(1_000):
            span.set(f"k{n}", n).event("e").link(Context(1, 2))
    itself = []
    itself.append(itself)
    with client.span("bad\ud800", attributes={"itself": itself, "large": 1 << 80, 5: object()}):
        pass
    client.close()
    found = spans(sent)
    assert found["much"]["left_out"] == (872, 872, 872)
    assert "bad\ufffd" in found


def w3c(text):
    return propagation.extract(propagation.getter({"Traceparent": text}))


def test_headers_are_those_of_every_language():
    vectors = json.loads((EXAMPLES / "propagation.vectors.json").read_text())
    for vector in vectors["extract"]:
        headers, said = [tuple(pair) for pair in vector["headers"]], vector["context"]
        context = propagation.extract(propagation.getter(headers), baggage_names=[name for name, _ in headers])
        if said is None:
            assert context is None or not context.is_valid, vector["name"]
            continue
        assert (f"{context.trace_id:032x}", f"{context.span_id:016x}") == (said["trace_id"], said["span_id"])
        sampled = context.is_sampled if context.is_decided else None
        assert (sampled, context.is_debug, context.trace_state) == (said["sampled"], said["debug"], said["trace_state"])
        assert sorted(context.baggage.items()) == sorted(map(tuple, said["baggage"])), vector["name"]
    for vector in vectors["inject"]:
        said, out = vector["context"], {}
        ids = int(said["trace_id"], 16), int(said["span_id"], 16)
        state, baggage, is_decided = said["trace_state"], dict(said["baggage"]), said["sampled"] is not None
        context = Context(*ids, 1 if said["sampled"] else 0, state, baggage, is_decided, said["debug"])
        propagation.inject(context, out, (vector["format"],))
        expected = {name.lower(): value for name, value in vector["headers"]}
        assert {name.lower(): value for name, value in out.items()} == expected, vector["name"]
    assert len(vectors["extract"]) > 50 and len(vectors["inject"]) > 5


def test_w3c():
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    context = w3c(good)
    assert (context.trace_id, context.span_id, context.flags) == (
        0x0AF7651916CD43DD8448EB211C80319C,
        0xB7AD6B7169203331,
        1,
    )
    assert w3c("cc" + good[2:] + "-what-comes-later").is_valid
    for bad in (
        "ff" + good[2:],
        good + "-x",
        good[:-1],
        good.upper(),
        good.replace("b7ad6b7169203331", "0" * 16),
        "",
        "00",
    ):
        assert w3c(bad) is None, bad
    both = {"traceparent": [good, good]}
    assert propagation.extract(propagation.getter(both)) is None
    headers = [(b"TraceParent", good.encode()), (b"tracestate", b"a=1"), (b"tracestate", b" b=2 ")]
    context = propagation.extract(propagation.getter(headers))
    assert context.trace_state == "a=1,b=2"
    for bad in ("a", "A=1", ",".join(f"k{n}=1" for n in range(33)), "a=" + "x" * 300):
        read_again = propagation.extract(propagation.getter({"traceparent": good, "tracestate": bad}))
        assert read_again.is_valid and read_again.trace_state == "", bad
    out = {}
    propagation.inject(context, out)
    assert out == {"traceparent": good, "tracestate": "a=1,b=2"}


def test_jaeger_and_b3():
    def of(**headers):
        return propagation.extract(propagation.getter({key.replace("_", "-"): value for key, value in headers.items()}))

    for text in ("100:7f:0:1", "100%3A7f:0:1", "100:7F:0:3", " 100:7f:0:01"):
        context = of(uber_trace_id=text)
        assert (context.trace_id, context.span_id, context.flags) == (0x100, 0x7F, 1), text
    for text in ("100:7f:0", "0:7f:0:1", "100:0:0:1", "x:7f:0:1", "100:7f:0:1:2", "1" * 33 + ":1:0:1", "::::", ""):
        assert of(uber_trace_id=text) is None, text
    trace = "463ac35c9f6413ad48485a3953bb6124"
    assert of(b3=f"{trace}-0020000000000001-1-05e3ac9a4f6e3b90").trace_id == int(trace, 16)
    assert of(b3="0").flags == 0 and of(b3="d").flags == 1
    assert of(b3=f"{trace}-0020000000000001").is_decided is False
    for text in ("", "2", "x-y", f"{trace}-00-1", f"{trace}-0020000000000001-1-2-3"):
        assert of(b3=text) is None, text
    multi = {"X_B3_TraceId": trace[:16], "X_B3_SpanId": "0020000000000001", "X_B3_Sampled": "true"}
    assert of(**multi).trace_id == int(trace[:16], 16) and of(**multi).is_sampled
    assert of(X_B3_Flags="1").flags == 1 and of(X_B3_Sampled="").__class__ is type(None)
    both = of(traceparent=f"00-{trace}-0020000000000002-00", b3="1")
    assert both.span_id == 0x20000000000002, "the first format that says a context"
    out = {}
    propagation.inject(Context(0x100, 0x7F, 1, "", {"k": "v w"}), out, ("jaeger", "b3", "b3multi"))
    assert out["uber-trace-id"] == f"{0x100:032x}:{0x7F:016x}:0:1" and out["uberctx-k"] == "v%20w"
    assert out["b3"] == f"{0x100:032x}-{0x7F:016x}-1" and out["X-B3-Sampled"] == "1"


def test_baggage():
    header = "userId=alice, serverNode = DF%2028 ;p=1,bad,=x,isProduction=false"
    context = propagation.extract(propagation.getter({"Baggage": header}))
    assert context.baggage == {"userId": "alice", "serverNode": "DF 28", "isProduction": "false"}
    client, _ = capturing()
    out = {}
    with client.span("root", parent=context) as span:
        propagation.inject(span.context, out)
    client.close()
    assert out["baggage"] == "userId=alice,serverNode=DF%2028;p=1,isProduction=false"
    many = ",".join(f"k{n}=v" for n in range(5_000))
    assert len(propagation.extract(propagation.getter({"baggage": many})).baggage) == 64


def test_wsgi_requests_go_on_with_the_trace():
    client, sent = capturing()

    def app(environ, start_response):
        with client.span("load"):
            start_response("503 Busy", [])
        yield b"a"
        with client.span("stream"):
            yield b"b"

    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/cart/25",
        "HTTP_TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    body = metlog.wsgi.Middleware(app, client)(environ, lambda *_: None)
    pieces = iter(body)
    assert next(pieces) == b"a" and metlog.current_context() is None, "the server's own work is no part of it"
    assert list(pieces) == [b"b"]
    body.close()
    client.close()
    found = spans(sent)
    assert found["GET"]["parent_span_id"] == "b7ad6b7169203331" and found["GET"]["kind"] == 2
    assert found["load"]["parent_span_id"] == found["GET"]["span_id"] == found["stream"]["parent_span_id"]
    assert found["GET"]["status"][0] == 2 and ("url.path", "/cart/25") in found["GET"]["attributes"]


def test_asgi_requests_go_on_with_the_trace():
    client, sent = capturing()

    async def app(scope, receive, send):
        with client.span("work"):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def run():
        async def send(_):
            await asyncio.sleep(0)

        headers = [(b"uber-trace-id", b"100:7f:0:1"), (b"uberctx-user", b"alice")]
        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        await metlog.asgi.Middleware(app, client)(scope, None, send)

    asyncio.run(run())
    client.close()
    found = spans(sent)
    assert found["POST"]["parent_span_id"] == "%016x" % 0x7F
    assert found["work"]["parent_span_id"] == found["POST"]["span_id"]


def test_headers_of_anybody_are_no_danger():
    client, sent = capturing()
    names = ("traceparent", "tracestate", "baggage", "uber-trace-id", "uberctx-x", "b3", "x-b3-traceid", "x-b3-sampled")
    for text in (
        "",
        "\0",
        "é" * 10_000,
        "-" * 1_000,
        ":" * 1_000,
        "%" * 1_000,
        "," * 100_000,
        "=" * 1_000,
        "0" * 10**6,
    ):
        for name in names:
            context = propagation.extract(propagation.getter({name: text}), baggage_names=(name,))
            with client.span("x", parent=context) as span:
                propagation.inject(span.context, {}, propagation.FORMATS)
    client.close()
    assert len(read(sent.datagrams[0])[1]) > 0


def test_any_environment_is_looked_at():
    from metlog.propagation import in_wsgi

    assert not in_wsgi({"PATH_INFO": "/", "HTTP_ACCEPT": "*/*"})
    assert in_wsgi({"HTTP_TRACEPARENT": "x"}) and in_wsgi({"HTTP_UBERCTX_USER": "x"}) and in_wsgi({3: "x"})
