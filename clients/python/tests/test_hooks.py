"""Spans of other libraries: through the real ones, against real servers."""

import asyncio
import base64
import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
import uuid

import httpx
import memcache
import pymemcache
import pymemcache.client.hash
import pytest
import requests
import sqlalchemy
import urllib3
from reader import messages

import metlog
import metlog.hooks
from metlog import openstack, propagation


@pytest.fixture
def sent():
    return metlog.Captured()


@pytest.fixture
def client(sent):
    client = metlog.Client(destinations=sent, statsd=False, logger="api")
    yield client
    client.close()
    metlog.hooks.uninstall()


@pytest.fixture
def unsampled():
    """A client that keeps no trace."""
    client = metlog.Client(destinations=metlog.Captured(), statsd=False, sampling=0.0)
    yield client
    client.close()
    metlog.hooks.uninstall()


def spans(client, sent):
    client.flush()
    found = [message for message in messages(sent) if "span_id" in message]
    for span in found:
        span["attributes"] = dict(span["attributes"])
    return found


@pytest.fixture(scope="module")
def web():
    """Notes the headers of requests; `/redirect` leads to `/`, `/404` is not there."""

    class Answers(http.server.BaseHTTPRequestHandler):
        seen: list = []
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            Answers.seen.append(dict(self.headers))
            Answers.repeated = self.headers.get_all("X-One")
            self.send_response({"/redirect": 302, "/404": 404}.get(self.path.partition("?")[0], 200))
            self.send_header("Location", "/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Answers.url = f"http://127.0.0.1:{server.server_port}"
    yield Answers
    server.shutdown()
    server.server_close()


async def by_async_httpx(url):
    async with httpx.AsyncClient() as client:
        return (await client.get(url)).status_code


CALLS = {
    "requests": lambda url: requests.get(url, timeout=5).status_code,
    "urllib3": lambda url: urllib3.PoolManager(retries=False).request("GET", url, redirect=False).status,
    "httpx": lambda url: httpx.get(url).status_code,
    "httpx async": lambda url: asyncio.run(by_async_httpx(url)),
}


@pytest.mark.parametrize("library", CALLS)
def test_a_request_is_a_span_and_carries_the_trace(library, web, client, sent):
    assert metlog.hooks.install(library.split()[0]) == (library.split()[0],)
    web.seen.clear()
    with client.span("root") as root:
        assert CALLS[library](web.url.replace("//", "//user:password@") + "/404?token=secret") == 404
    (call, found) = spans(client, sent)
    assert found["name"] == "root" and call["parent_span_id"] == f"{root.context.span_id:016x}"
    assert (call["name"], call["kind"], call["status"]) == ("GET", 3, (2, "HTTP 404"))
    assert call["attributes"]["http.response.status_code"] == 404
    assert call["attributes"]["url.full"] == web.url + "/404" and "secret" not in repr(call)
    (headers,) = web.seen
    read = propagation.extract(propagation.getter(headers))
    assert f"{read.span_id:016x}" == call["span_id"] and f"{read.trace_id:032x}" == call["trace_id"]


@pytest.mark.parametrize("library", CALLS)
def test_what_is_not_kept_still_carries_its_ids(library, web, unsampled):
    metlog.hooks.install()
    web.seen.clear()
    CALLS[library](web.url)
    assert not {"traceparent", "Traceparent"} & set(web.seen[-1]), "outside of a trace nothing is carried"
    with unsampled.span("root") as root:
        CALLS[library](web.url)
    read = propagation.extract(propagation.getter(web.seen[-1]))
    assert read.span_id == root.context.span_id and not read.is_sampled
    assert unsampled.stats().queued == 0


def test_libraries_on_top_of_each_other_make_one_span(web, client, sent):
    metlog.hooks.install("requests", "urllib3")
    metlog.hooks.install("requests", "urllib3")
    with client.span("root"):
        CALLS["requests"](web.url)
    assert [span["name"] for span in spans(client, sent)] == ["GET", "root"]
    metlog.hooks.uninstall()
    assert not hasattr(requests.Session.send, "__wrapped__"), "all is as it was"
    with client.span("root"):
        CALLS["requests"](web.url)
    assert len(spans(client, sent)) == 3


def test_redirects_and_failures(web, client, sent):
    metlog.hooks.install("requests", formats=("jaeger", "w3c"))
    with client.span("root"):
        CALLS["requests"](web.url + "/redirect")
        with pytest.raises(requests.ConnectionError):
            CALLS["requests"]("http://127.0.0.1:1/")
    assert "uber-trace-id" in {name.lower() for name in web.seen[-1]}
    inner, outer, failed, _ = spans(client, sent)
    assert inner["parent_span_id"] == outer["span_id"]
    assert failed["events"][0][1] == "exception" and failed["status"][0] == 2


def test_repeated_headers_stay_repeated(web, client, sent):
    metlog.hooks.install("urllib3")
    headers = urllib3.HTTPHeaderDict([("X-One", "1")])
    headers.add("X-One", "2")
    with client.span("root"):
        urllib3.PoolManager().request("GET", web.url, headers=headers)
    assert "traceparent" not in headers, "what the caller passes is not changed"
    assert web.repeated == ["1", "2"] and "traceparent" in web.seen[-1]


def test_addresses_that_cannot_be_fail_as_ever(client, sent):
    metlog.hooks.install("requests")
    prepared = requests.Request("GET", "http://127.0.0.1:1/").prepare()
    prepared.url = "http://[::1"
    with client.span("root"), pytest.raises(Exception, match="IPv6"):
        requests.Session().send(prepared)
    failed, _ = spans(client, sent)
    assert failed["status"][0] == 2


def test_statements_have_no_parameters(client, sent):
    metlog.hooks.install("sqlalchemy")
    engine = sqlalchemy.create_engine("sqlite://")
    with client.span("root"), engine.begin() as connection:
        connection.execute(sqlalchemy.text("create table t (a int, b text)"))
        many = [{"a": 1, "b": "secret"}, {"a": 2, "b": "secret"}]
        connection.execute(sqlalchemy.text("insert into t values (:a, :b)"), many)
        assert connection.execute(sqlalchemy.text("select a from t where b = :b"), {"b": "secret"}).all() == [
            (1,),
            (2,),
        ]
        with pytest.raises(sqlalchemy.exc.OperationalError):
            connection.execute(sqlalchemy.text("frobnicate :b"), {"b": "secret"})
    found = spans(client, sent)
    assert [span["name"] for span in found] == ["CREATE", "INSERT", "SELECT", "SQL", "root"]
    assert {span["parent_span_id"] for span in found[:4]} == {found[4]["span_id"]}
    assert found[1]["attributes"]["db.query.text"] == "insert into t values (?, ?)"
    assert found[1]["attributes"]["db.system.name"] == "sqlite" and found[1]["attributes"]["db.operation.batch"]
    assert found[3]["status"] == (2, "OperationalError") and "secret" not in repr(found)


def test_statements_outside_of_a_kept_trace_cost_nothing(unsampled):
    metlog.hooks.install("sqlalchemy")
    engine = sqlalchemy.create_engine("sqlite://")
    with unsampled.span("root"), engine.connect() as connection:
        result = connection.execute(sqlalchemy.text("select 1"))
        assert not hasattr(result.context, "_metlog_span")
    assert unsampled.stats().queued == 0


@pytest.fixture(scope="module")
def memcached():
    program = shutil.which("memcached")
    if program is None:
        pytest.skip("memcached is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([program, "-u", "root", "-l", "127.0.0.1", "-p", str(port), "-U", "0"])
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.01)
    yield port
    server.kill()
    server.wait()


def test_commands_of_both_memcached_libraries(memcached, client, sent):
    metlog.hooks.install("pymemcache", "memcache")
    theirs = {
        "base": pymemcache.Client(("127.0.0.1", memcached)),
        "pooled": pymemcache.PooledClient(("127.0.0.1", memcached)),
        "hash": pymemcache.client.hash.HashClient([("127.0.0.1", memcached)]),
        "memcache": memcache.Client([f"127.0.0.1:{memcached}"]),
    }
    hashes = set()
    for name, cache in theirs.items():
        sent.clear()
        with client.span("root"):
            cache.delete("session-7")
            assert cache.get("session-7") is None
            cache.set("session-7", b"secret")
            assert cache.get("session-7") == b"secret"
            assert cache.get_multi(["session-7", "x"]) == {"session-7": b"secret"}
        found = spans(client, sent)
        names = [span["name"] for span in found]
        many = "memcache:get_multi" if name in ("base", "memcache") else "memcache:get_many"
        expected = ["memcache:delete", "memcache:get", "memcache:set", "memcache:get", many, "root"]
        assert [one.replace("get_many", "get_multi") for one in names] == [
            one.replace("get_many", "get_multi") for one in expected
        ], name
        assert {span["kind"] for span in found[:5]} == {3}
        assert [span["attributes"].get("memcache_hit") for span in found[:5]] == [None, False, None, True, None]
        assert "session-7" not in repr(found) and "secret" not in repr(found)
        hashes.add(found[1]["attributes"]["memcache_key"])
        assert found[1]["attributes"]["peer.service"] == "memcache"
    assert len(hashes) == 1, "one key has one hash, whichever library"
    metlog.hooks.install("pymemcache", hash_key=b"pepper")
    sent.clear()
    with client.span("root"):
        theirs["base"].get("session-7")
    assert spans(client, sent)[0]["attributes"]["memcache_key"] not in hashes


def test_switches():
    with pytest.raises(ValueError, match="frob"):
        metlog.hooks.install("frob")
    with pytest.raises(ValueError):
        metlog.hooks.install("requests", hash_key=b"x" * 65)


# oslo.messaging's context and osprofiler's headers.


def test_contexts_of_messages_carry_the_trace(client):
    base = openstack.Serializer()
    with client.span("root") as root:
        carried = base.serialize_context({"user": "u", "traceparent": "old"})
    assert carried["user"] == "u" and openstack.carried(carried).span_id == root.context.span_id
    assert base.serialize_context({"user": "u"}) == {"user": "u"}

    with client.span("root") as root:
        old = openstack.Serializer(formats=("w3c", "jaeger")).serialize_context({"user": "u"})
    assert int(old["context.span"]["uber-trace-id"].partition(":")[0], 16) == root.context.trace_id
    assert openstack.carried({"context.span": old["context.span"]}).span_id == root.context.span_id
    with client.span("root") as root:
        carried = base.serialize_context({"user": "u"})

    def receive(ctxt):
        import contextvars

        return contextvars.Context().run(lambda: (base.deserialize_context(ctxt), metlog.current_context()))

    ctxt, context = receive(carried)
    assert ctxt == {"user": "u"} and context.span_id == root.context.span_id
    seeds = {"user": "u", "context.span": {"uber-trace-id": "100:7f:0:1", "uberctx-tenant": "t"}}
    ctxt, context = receive(seeds)
    assert ctxt == {"user": "u"} and (context.trace_id, context.baggage) == (0x100, {"tenant": "t"})
    for hostile in (None, 3, {"context.span": 3}, {"context.span": {1: 2}}, {"traceparent": 7}, {3: "x"}):
        assert receive(hostile)[1] is None


def test_osprofilers_requests_are_kept_with_a_key_only():
    from osprofiler import _utils

    base, parent = str(uuid.uuid4()), str(uuid.uuid4())
    read = openstack.signed(["first", " SECRET_KEY "])

    def headers(data, key):
        info, signature = _utils.signed_pack(data, key)
        return propagation.getter({"X-Trace-Info": info.decode(), "X-Trace-HMAC": signature})

    context = read(headers({"base_id": base, "parent_id": parent}, "SECRET_KEY"))
    assert context.trace_id == uuid.UUID(base).int and context.span_id == _utils.shorten_id(parent)
    assert context.is_sampled and context.is_debug
    assert read(headers({"base_id": base, "parent_id": parent}, "other")) is None
    assert openstack.signed([""])(headers({"base_id": base, "parent_id": parent}, "")) is None
    for bad in ({"base_id": "x", "parent_id": parent}, {"base_id": base}, [], {"base_id": None, "parent_id": 3}):
        assert read(headers(bad, "SECRET_KEY")) is None
    assert read(propagation.getter({"X-Trace-Info": "x" * 10_000, "X-Trace-HMAC": "y"})) is None
    assert read(propagation.getter({"X-Trace-Info": base64.b64encode(json.dumps({}).encode()).decode()})) is None


def test_what_is_secret_is_not_in_what_failed(memcached, client, sent):
    metlog.hooks.install("requests", "urllib3", "pymemcache", "sqlalchemy")
    engine = sqlalchemy.create_engine("sqlite://")
    where = "http://127.0.0.1:9/x?token=SECRET"
    with client.span("server"):
        with pytest.raises(requests.ConnectionError):
            requests.get(where)
        with pytest.raises(urllib3.exceptions.HTTPError):
            urllib3.PoolManager(retries=False).urlopen("GET", where)
        with pytest.raises(pymemcache.exceptions.MemcacheIllegalInputError):
            pymemcache.Client(("127.0.0.1", memcached)).get("SECRET key")
        raises, span = pytest.raises(sqlalchemy.exc.OperationalError), client.span("of an exception")
        with raises, span, engine.connect() as connection:
            connection.execute(sqlalchemy.text("select :a from nowhere"), {"a": "SECRET"})
    found = spans(client, sent)
    assert {"GET", "memcache:get", "of an exception", "SELECT"} <= {span["name"] for span in found}
    assert "SECRET" not in repr(found)
    assert sum("exception.type" in repr(span) for span in found) >= 5
