"""The filter of OpenStack's services, through the real PasteDeploy, and into a real listener if there is one."""

import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

import metlog
from metlog import _jaeger, sampling
from metlog.propagation import Context

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "xtask" / "system"))
BINARY = os.environ.get("METLOG_BINARY")

INI = """
[DEFAULT]
statsd_prefix = nova
[filter:jaeger_v1]
paste.filter_factory = openstack_opentracing.jaeger_middleware:JaegerMiddleware.factory
config.logging = False
config.local_agent.reporting_host = 127.0.0.1
config.local_agent.reporting_port = {reporting}
config.local_agent.sampling_port = {sampling}
config.local_agent.sampling_host = 127.0.0.1
service_name = Server1
validate = True
[filter:ours]
paste.filter_factory = metlog.paste:factory
destinations = 127.0.0.1:{reporting}
sampling = 1.0
unknown = x
[app:api]
paste.app_factory = test_openstack:api_factory
[pipeline:main]
pipeline = {name} api
"""


def api_factory(global_conf, **local_conf):
    def api(environ, start_response):
        start_response("200 OK", [("x-openstack-request-id", "req-7")])
        return [b"ok"]

    return api


def application(tmp_path, name, reporting, sampling_port):
    from paste.deploy import loadapp

    path = tmp_path / "api-paste.ini"
    path.write_text(INI.format(name=name, reporting=reporting, sampling=sampling_port))
    return loadapp(f"config:{path}", name="main")


def get(app, path="/v2/servers"):
    status = []
    body = app({"REQUEST_METHOD": "GET", "PATH_INFO": path}, lambda *given: status.append(given[0]))
    content = b"".join(body)
    body.close()
    return status[0], content


@pytest.fixture
def server():
    """Answers what it is told to."""

    class Answers(http.server.BaseHTTPRequestHandler):
        answer: object = None
        asked: "list[str]" = []

        def do_GET(self):
            Answers.asked.append(self.path)
            body = json.dumps(Answers.answer).encode()
            self.send_response(200 if Answers.answer is not None else 500)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    http_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=http_server.serve_forever, daemon=True).start()
    Answers.port = http_server.server_port
    yield Answers
    http_server.shutdown()
    http_server.server_close()


def until(holds, seconds=10):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_is_kept_until_the_sampling_address_answers(tmp_path, server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as agent:
        agent.bind(("127.0.0.1", 0))
        agent.settimeout(5)
        app = application(tmp_path, "jaeger_v1", agent.getsockname()[1], server.port)
        remote = app._measures.client.sampler
        assert get(app) == ("200 OK", b"ok")
        until(lambda: not remote._lock.locked() and server.asked)
        assert "service=Server1" in server.asked[0]
        assert get(app)[0] == "200 OK"
        server.answer = {"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": 1.0}}
        remote._due = 0.0
        until(lambda: get(app) and remote.strategy is not sampling.NOTHING)
        get(app, "/after")
        app._measures.client.flush()
        datagram = agent.recv(65_536)
        assert datagram.startswith(b"\x82\x81\x00\x09emitBatch")
        assert b"Server1" in datagram and b"/after" in datagram and b"req-7" in datagram
        server.answer = None
        remote._due = 0.0
        until(lambda: get(app) and remote.strategy is sampling.NOTHING)
        app._measures.client.close()


def test_the_factory_says_what_it_does_not_know(tmp_path, caplog):
    app = application(tmp_path, "ours", 9, 9)
    assert "`unknown`" in caplog.text
    assert app._measures.client._settings.statsd_prefix == "nova.", "keys of [DEFAULT] are global_conf"
    assert get(app)[0] == "200 OK"
    assert not metlog.paste.is_true("False") and metlog.paste.is_true("yes")
    app._measures.client.close()


def test_the_old_filter_has_its_hooks(tmp_path):
    import requests

    with pytest.raises(ValueError, match="frob"):
        metlog.paste.factory({}, hooks="all", propagation="frob")(api_factory({}))
    sent = metlog.Captured()
    app = application(tmp_path, "jaeger_v1", 9, 9)
    client = app._measures.client
    client.configure({"destinations": sent, "statsd": False})
    with client.span("root"), pytest.raises(requests.ConnectionError) as failed:
        requests.get("http://127.0.0.1:1/")
    assert {"traceparent", "uber-trace-id"} <= set(failed.value.request.headers)
    client.close()
    metlog.hooks.uninstall()
    assert not hasattr(requests.Session.send, "__wrapped__")


def test_strategies():
    with pytest.raises(ValueError):
        sampling.read({"strategyType": "PROBABILISTIC"})
    for bad in (
        None,
        [],
        3,
        {"probabilisticSampling": {"samplingRate": "x"}},
        {"probabilisticSampling": {"samplingRate": -1}},
    ):
        with pytest.raises(ValueError):
            sampling.read(bad)
    limit = sampling.read({"strategyType": "RATE_LIMITING", "rateLimitingSampling": {"maxTracesPerSecond": 5}})
    assert sum(limit.decide("x")[0] for _ in range(1_000)) in (5, 6)
    by_operation = sampling.read(
        {
            "operationSampling": {
                "defaultSamplingProbability": 0.0,
                "defaultLowerBoundTracesPerSecond": 1.0,
                "perOperationStrategies": [{"operation": "GET", "probabilisticSampling": {"samplingRate": 1.0}}],
            }
        }
    )
    assert all(by_operation.decide("GET") == (1, 1.0) for _ in range(100))
    assert sum(by_operation.decide("POST")[0] for _ in range(1_000)) in (1, 2), "the lower bound"


def test_batches_are_what_jaegers_own_thrift_reads():
    """Read back by the reader of PyPI's `thrift`, field by field."""
    from thrift.protocol.TCompactProtocol import TCompactProtocol
    from thrift.Thrift import TType
    from thrift.transport.TTransport import TMemoryBuffer

    def value(protocol, kind):
        if kind == TType.STRUCT:
            out = {}
            protocol.readStructBegin()
            while True:
                _, field, number = protocol.readFieldBegin()
                if field == TType.STOP:
                    protocol.readStructEnd()
                    return out
                out[number] = value(protocol, field)
                protocol.readFieldEnd()
        if kind == TType.LIST:
            item, size = protocol.readListBegin()
            items = [value(protocol, item) for _ in range(size)]
            protocol.readListEnd()
            return items
        read = {TType.BOOL: "readBool", TType.I32: "readI32", TType.I64: "readI64", TType.DOUBLE: "readDouble"}
        return getattr(protocol, read.get(kind, "readBinary"))()

    captured = metlog.Captured()
    destination = metlog.Destination(captured)
    destination.is_jaeger = True
    client = metlog.Client(destinations=[destination], statsd=False, logger="Server1")
    with client.span("GET", "server", {"n": -3, "f": 0.5, "ok": True, "no": False, "b": b"\0", "l": [1]}) as span:
        span.event("retry", {"n": 1}).link(Context(1 << 127, 2)).status("error", "why")
    for _ in range(20):
        client.span("more").begin().end()
    client.close()
    protocol = TCompactProtocol(TMemoryBuffer(captured.datagrams[0]))
    assert protocol.readMessageBegin()[:2] == ("emitBatch", 4)
    batch = value(protocol, TType.STRUCT)[1]
    assert batch[1][1] == b"Server1" and batch[3] == 1 and batch[4] == {1: 0, 2: 0, 3: 0}
    first = batch[2][0]
    assert len(batch[2]) == 21 and first[5] == b"GET"
    assert first[1] & (1 << 64) - 1 | (first[2] & (1 << 64) - 1) << 64 == span.context.trace_id
    tags = {tag[1]: next(v for k, v in tag.items() if k > 2) for tag in first[10]}
    assert tags[b"n"] == -3 and tags[b"f"] == 0.5 and tags[b"ok"] is True and tags[b"no"] is False
    assert tags[b"l"] == b"[1]" and tags[b"span.kind"] == b"server" and tags[b"error"] is True
    assert tags[b"otel.status_description"] == b"why"
    assert first[11][0][2][0] == {1: b"event", 2: 0, 3: b"retry"}
    assert first[6] == [{1: 1, 2: 0, 3: -(1 << 63), 4: 2}]


def test_spans_that_are_too_large_for_an_agent_are_counted():
    agent = _jaeger.Agent(metlog._outlet.Outlet(metlog.Destination(metlog.Captured())), "s", "h", 1)
    client = metlog.Client(destinations=metlog.Captured(), statsd=False)
    with client.span("x", attributes={"large": "x" * 70_000}) as span:
        pass
    client.close()
    assert agent.add(span, 0) is False and agent.too_large == 1


@pytest.mark.skipif(not BINARY, reason="METLOG_BINARY names no binary of metlog")
def test_the_old_filter_into_a_real_listener(tmp_path):
    import metlog_process

    compact = metlog_process.free_port(socket.SOCK_DGRAM)
    port = metlog_process.free_port()
    keys = f'jaeger_compact = "127.0.0.1:{compact}"\nsampling = "127.0.0.1:{port}"\n'
    with metlog_process.running(BINARY, listener=keys) as listener:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/sampling?service=Server1", timeout=5) as response:
            share = sampling.read(json.loads(response.read()))
        app = application(tmp_path, "jaeger_v1", compact, port)
        get(app)
        until(lambda: app._measures.client.sampler.strategy is not sampling.NOTHING)
        # What a new installation keeps is a small share; here every request is to be seen.
        assert share.decide("GET") is not None
        app._measures.client.sampler.strategy = sampling.NOTHING._replace(default=sampling.Share(1.0))
        for n in range(50):
            get(app, f"/v2/servers/{n}")
        app._measures.client.close()
        query = (
            "select count(*) from spans where service = 'Server1' and name = 'GET' and kind = 'server' "
            "and attributes['openstack.request_id'] = 'req-7' and attributes['http.response.status_code'] = '200'"
        )
        metlog_process.until("the spans", lambda: listener.one(query) == 50)
        metlog_process.balanced(listener.ledger())


def test_osprofilers_requests_are_traced_by_key(caplog):
    """Through the filter, with sampling at 0: who has a key of the configuration has asked for the trace."""
    import uuid

    from osprofiler import _utils
    from reader import messages

    sent = metlog.Captured()
    app = metlog.paste.factory({}, hmac_keys="OTHER, SECRET_KEY", sampling="0.0", statsd="false")(api_factory({}))
    app._measures.client.configure({"destinations": sent, "statsd": False, "sampling": 0.0})
    base, parent = str(uuid.uuid4()), str(uuid.uuid4())
    for key in ("SECRET_KEY", "GUESSED"):
        info, signature = _utils.signed_pack({"base_id": base, "parent_id": parent}, key)
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_X_TRACE_INFO": info.decode()}
        body = app({**environ, "HTTP_X_TRACE_HMAC": signature}, lambda *_: None)
        assert b"".join(body) == b"ok"
        body.close()
    app._measures.client.close()
    (span,) = messages(sent)
    assert span["trace_id"] == uuid.UUID(base).hex and span["parent_span_id"] == uuid.UUID(parent).hex[16:]
    assert dict(span["attributes"])["openstack.request_id"] == "req-7" and "hmac_keys" not in caplog.text


def test_hooks_by_a_key_of_the_section():
    import requests

    with pytest.raises(ValueError, match="frob"):
        metlog.paste.factory({}, hooks="frob")(api_factory({}))
    app = metlog.paste.factory({}, hooks="requests, memcache", statsd="false")(api_factory({}))
    assert hasattr(requests.Session.send, "__wrapped__")
    metlog.hooks.uninstall()
    app._measures.client.close()


@pytest.mark.parametrize("kind", ["threads", "eventlet", "gevent"])
def test_the_sampling_server_is_asked_by_a_native_thread(kind, server):
    """It is asked while a handler computes: a green thread would wait until the handler pauses."""
    server.answer = {"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": 1.0}}
    command = [sys.executable, "-W", "ignore", str(HERE / "apps" / "remote.py"), kind]
    command.append(f"http://127.0.0.1:{server.port}/sampling")
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    assert done.stdout.strip() == b"True", done.stderr.decode()[-1_000:]
