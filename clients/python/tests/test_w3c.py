"""W3C's trace context and baggage through the middlewares: the cases that all languages share, by real connections."""

import http.server
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time

import pytest

import metlog.propagation

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = json.loads((HERE.parents[2] / "schemas/examples/propagation.requests.json").read_text(encoding="utf-8"))


class Harness:
    """Is called by the service, and keeps the headers of the calls."""

    def __init__(self):
        self.calls = calls = []

        class Called(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                calls.append([(name.lower(), value) for name, value in self.headers.items()])
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Called)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def port(request):
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(HERE / "apps/w3c.py"), request.param, str(port)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            assert process.poll() is None and time.monotonic() < deadline
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def post(port, headers, body):
    """With headers as they are: clients of HTTP would tidy them up."""
    usual = [("Host", "x"), ("Connection", "close"), ("Content-Length", str(len(body)))]
    lines = "".join(f"{name}: {value}\r\n" for name, value in [*headers, *usual])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as one:
        one.sendall(f"POST / HTTP/1.1\r\n{lines}\r\n{body}".encode())
        with one.makefile("rb") as stream:
            assert b" 200 " in stream.readline()
            stream.read()


def test_requests_go_on_as_w3c_says(port):
    harness = Harness()
    try:
        for case in EXAMPLES["cases"]:
            harness.calls.clear()
            count = case.get("calls", 1)
            post(port, case["headers"], json.dumps([{"url": harness.url, "arguments": []}] * count))
            assert len(harness.calls) == count, case["name"]
            check(case, harness.calls)
    finally:
        harness.server.shutdown()
        harness.server.server_close()


def check(case, calls):
    name = case["name"]
    span_ids = {EXAMPLES["span_id"]}
    for call in calls:
        parent = ",".join(value for key, value in call if key == "traceparent")
        assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", parent), name
        _, trace_id, span_id, flags = parent.split("-")
        if case["goes_on"]:
            assert trace_id == EXAMPLES["trace_id"], name
        else:
            assert not any(trace_id in value.lower() for _, value in case["headers"]), name
        span_ids.add(span_id)
        if "sampled" in case:
            assert (int(flags, 16) & 1 == 1) == case["sampled"], name
        if "trace_state" in case:
            assert ",".join(value for key, value in call if key == "tracestate") == case["trace_state"], name
        if "baggage_header" in case:
            assert ",".join(value for key, value in call if key == "baggage") == case["baggage_header"], name
        if "baggage" in case:
            found = metlog.propagation.extract(metlog.propagation.getter(call))
            assert [list(item) for item in found.baggage.items()] == case["baggage"], name
    assert len(span_ids) == len(calls) + 1, name
